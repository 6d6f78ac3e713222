/* string.c - string instructions without the host's string instructions, whose implicit operands know no window.
 *
 * One element is a load and a store with explicit operands; REP with a small count is a loop of them in the block,
 * each round complete before the next, so that a fault in round n finds ESI, EDI and ECX as the CPU leaves them.
 * From REP_INLINE_MAX elements on the callout is faster: it runs page by page on host pointers.
 *
 * DF is live in the host's flags. A LODSB from a byte of ours moves RSI by +1 or -1, which tells the direction without
 * touching a flag.
 *
 * Only flat segments and 32-bit addresses have this form; the interpreter does the rest. A fault in the middle of
 * REPE CMPS or REPNE SCAS shows the flags of the last comparison, not those before the instruction.
 */
#include "translator/operand.h"
#include "translator/xlat.h"

static u8 direction_probe[16]; /* the middle byte is read by LODSB */

enum { OP_MOVS = 0xa4, OP_CMPS = 0xa6, OP_STOS = 0xaa, OP_LODS = 0xac, OP_SCAS = 0xae };

typedef struct Str {
    Tx *t;
    const Insn *i;
    unsigned bytes;
    u8 log2;
    u8 op;      /* opcode with the width bit clear */
} Str;

/* r10 = +1 or -1. */
static void emit_direction(Tx *t)
{
    u64 probe = (u64)(uintptr_t)(direction_probe + 8);
    emit_mov_rr64(&t->e, R9, RSI);
    emit_mov_rr64(&t->e, R8, RAX);
    emit_mov_ri64(&t->e, RSI, probe);
    emit_u8(&t->e, 0xac); /* lodsb: host memory */
    emit_mov_ri64(&t->e, R10, 0 - probe);
    emit_lea64_index(&t->e, R10, R10, RSI, 0, 0);
    emit_mov_rr64(&t->e, RAX, R8);
    emit_mov_rr64(&t->e, RSI, R9);
}

static void emit_advance(const Str *s, int reg)
{
    static const u8 lea32 = 0x8d; /* lea r32, [reg + r10 << log2] */
    emit_op_mem(&s->t->e, (HostOp){.opcode = lea32, .reg = (u8)reg}, (HostMem){.base = (u8)reg, .index = R10, .scale = s->log2});
}

static HostMem at(int reg) { return (HostMem){.base = (u8)reg, .index = REG_NONE, .gs = true}; }

/* op al/ax/eax (or r8), [edi] with the element's width: CMP sets the guest's flags. */
static void emit_cmp_at_edi(const Str *s, int reg)
{
    HostOp op = {.opcode = s->bytes == 1 ? 0x3a : 0x3b, .pfx = s->bytes == 2 ? 0x66 : 0, .reg = (u8)reg};
    emit_op_guest(&s->t->e, op, at(RDI));
}

static void emit_one(const Str *s)
{
    Emit *e = &s->t->e;
    switch (s->op) {
    case OP_MOVS:
        emit_guest_load(e, R8, at(RSI), s->bytes);
        emit_guest_store(e, at(RDI), R8, s->bytes);
        break;
    case OP_STOS: emit_guest_store(e, at(RDI), RAX, s->bytes); break;
    case OP_LODS: {
        HostOp mov = {.opcode = s->bytes == 1 ? 0x8a : 0x8b, .pfx = s->bytes == 2 ? 0x66 : 0, .reg = RAX};
        emit_op_guest(e, mov, at(RSI));
        break;
    }
    case OP_CMPS:
        emit_guest_load(e, R8, at(RSI), s->bytes);
        emit_cmp_at_edi(s, R8);
        break;
    default: emit_cmp_at_edi(s, RAX); break;
    }
    if (s->op != OP_STOS && s->op != OP_SCAS) emit_advance(s, RSI);
    if (s->op != OP_LODS) emit_advance(s, RDI);
}

/* ecx > 255: to the callout. rcx - zero-extended cl is zero for small counts. */
static void emit_rep(const Str *s)
{
    Tx *t = s->t;
    Emit *e = &t->e;
    static const u8 movzx_r8d_cl[] = {0x44, 0x0f, 0xb6, 0xc1};
    emit_mov_rr64(e, R11, RCX);
    emit_bytes(e, movzx_r8d_cl, sizeof movzx_r8d_cl);
    emit_not64(e, R8);
    emit_lea64_index(e, RCX, RCX, R8, 0, 1);
    u8 *small = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R11);
    callout_emit(t, s->i);
    u8 *done = emit_jmp_hole(e);
    emit_patch8(small, e->at);
    emit_mov_rr64(e, RCX, R11);
    emit_direction(t);
    u8 *top = e->at;
    u8 *empty = emit_jrcxz_hole(e);
    emit_one(s);
    emit_lea32(e, RCX, RCX, -1);
    bool compares = s->op == OP_CMPS || s->op == OP_SCAS;
    if (compares) emit_patch32(emit_jcc_hole(e, s->i->prefix & PREFIX_REP ? 4 : 5), top); /* REPE: while equal */
    else emit_patch32(emit_jmp_hole(e), top);
    emit_patch8(empty, e->at);
    emit_patch32(done, e->at);
}

bool string_emit(Tx *t, const Insn *i)
{
    Str s = {.t = t, .i = i, .op = i->opcode & 0xfe, .bytes = i->opcode & 1 ? i->opsize : 1};
    bool uses_si = s.op != OP_STOS && s.op != OP_SCAS, uses_di = s.op != OP_LODS;
    bool rep = i->prefix & (PREFIX_REP | PREFIX_REPNE);
    if (i->adsize != 4 || (uses_si && t->m.seg[i->seg] != SEGF_FLAT) || (uses_di && t->m.seg[ES] != SEGF_FLAT)) return false;
    if (site_form(t->x, t->pa) != SITE_WINDOW) return false;
    s.log2 = s.bytes == 4 ? 2 : s.bytes == 2 ? 1 : 0;
    if (rep) {
        emit_rep(&s);
    } else {
        emit_direction(t);
        emit_one(&s);
    }
    return true;
}
