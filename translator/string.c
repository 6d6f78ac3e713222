/* string.c - string instructions without the host's string instructions, whose implicit operands know no window.
 *
 * One element is a load and a store with explicit operands; REP with a small count is a loop of them in the block,
 * each round complete before the next, so that a fault in round n finds ESI, EDI and ECX as the CPU leaves them.
 * From REP_INLINE_MAX elements on the callout is faster: it runs page by page on host pointers.
 *
 * DF is live in the host's flags. A LODSB from a byte of ours moves RSI by +1 or -1, which tells the direction without
 * touching a flag.
 *
 * Flat segments with 32-bit addresses take their operands as they are. For the others the address is placed as that
 * of any operand (16 bits, base, limit), which needs r8-r10; the direction then waits in the Vcpu. A count in CX is
 * extended for each test.
 *
 * A fault in the middle of REPE CMPS or REPNE SCAS shows the flags of the last comparison, not those before the
 * instruction.
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
    bool plain; /* flat segments, 32-bit addresses */
    MemForm form;
} Str;

enum { DIRECTION = VCPU_SCRATCH + 8 }; /* of an instruction that is not plain */

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

/* lea reg, [reg + r10 << log2]: SI and DI keep their upper halves. */
static void emit_advance(const Str *s, int reg)
{
    HostOp lea = {.opcode = 0x8d, .reg = (u8)reg, .pfx = s->i->adsize == 2 ? 0x66 : 0};
    emit_op_mem(&s->t->e, lea, (HostMem){.base = (u8)reg, .index = R10, .scale = s->log2});
}

static HostMem at(int reg) { return (HostMem){.base = (u8)reg, .index = REG_NONE, .guest = GUEST_WINDOW}; }

static bool place(const Str *s, HostMem *m, int reg, bool write)
{
    Ea ea = {.at = at(reg), .ad16 = s->i->adsize == 2, .seg = reg == RDI ? ES : s->i->seg};
    ea.at.guest = GUEST_NONE;
    *m = at(reg);
    return s->plain || operand_place_ea(&s->t->e, m, ea, &s->t->m, s->form, s->bytes, write);
}

/* op al/ax/eax (or r8, r11), [edi] with the element's width: CMP sets the guest's flags. */
static void emit_cmp(const Str *s, int reg, HostMem m)
{
    HostOp op = {.opcode = s->bytes == 1 ? 0x3a : 0x3b, .pfx = s->bytes == 2 ? 0x66 : 0, .reg = (u8)reg};
    emit_op_guest(&s->t->e, op, m);
}

static void emit_lods(const Str *s, HostMem m)
{
    HostOp mov = {.opcode = s->bytes == 1 ? 0x8a : 0x8b, .pfx = s->bytes == 2 ? 0x66 : 0, .reg = RAX};
    emit_op_guest(&s->t->e, mov, m);
}

/* One element: false if a segment has no form. */
static bool emit_one(const Str *s)
{
    Emit *e = &s->t->e;
    HostMem src, dst;
    bool two = s->op == OP_MOVS || s->op == OP_CMPS;
    if ((two || s->op == OP_LODS) && !place(s, &src, RSI, false)) return false;
    if (two) emit_guest_load(e, R11, src, s->bytes);
    if (s->op != OP_LODS && !place(s, &dst, RDI, s->op == OP_MOVS || s->op == OP_STOS)) return false;
    switch (s->op) {
    case OP_MOVS: emit_guest_store(e, dst, R11, s->bytes); break;
    case OP_STOS: emit_guest_store(e, dst, RAX, s->bytes); break;
    case OP_LODS: emit_lods(s, src); break;
    case OP_CMPS: emit_cmp(s, R11, dst); break;
    default: emit_cmp(s, RAX, dst); break;
    }
    if (!s->plain) emit_mov_rm64(e, R10, R15, DIRECTION);
    if (two || s->op == OP_LODS) emit_advance(s, RSI);
    if (s->op != OP_LODS) emit_advance(s, RDI);
    return true;
}

static void emit_set_direction(const Str *s)
{
    emit_direction(s->t);
    if (!s->plain) emit_mov_mr64(&s->t->e, R15, DIRECTION, R10);
}

/* r11 = rcx, rcx = the count. */
static void emit_take_count(const Str *s)
{
    emit_mov_rr64(&s->t->e, R11, RCX);
    if (s->i->adsize == 2) emit_movzx16(&s->t->e, RCX, RCX);
}

static void emit_count_down(const Str *s)
{
    HostOp lea = {.opcode = 0x8d, .reg = RCX, .pfx = s->i->adsize == 2 ? 0x66 : 0};
    emit_op_mem(&s->t->e, lea, (HostMem){.base = RCX, .index = REG_NONE, .disp = -1});
}

/* The loop of small counts. Returns false like emit_one. */
static bool emit_rounds(const Str *s)
{
    Emit *e = &s->t->e;
    bool compares = s->op == OP_CMPS || s->op == OP_SCAS;
    u8 *top = e->at;
    emit_take_count(s);
    u8 *none = emit_jrcxz_hole(e);
    u8 *some = emit_jmp_hole(e);
    emit_patch8(none, e->at);
    emit_mov_rr64(e, RCX, R11);
    u8 *out = emit_jmp_hole(e);
    emit_patch32(some, e->at);
    emit_mov_rr64(e, RCX, R11);
    if (!emit_one(s)) return false;
    emit_count_down(s);
    if (compares)
        emit_patch32(emit_jcc_hole(e, s->i->prefix & PREFIX_REP ? 4 : 5), top); /* REPE: while equal */
    else
        emit_patch32(emit_jmp_hole(e), top);
    emit_patch32(out, e->at);
    return true;
}

static void emit_rounds_plain(const Str *s)
{
    Emit *e = &s->t->e;
    bool compares = s->op == OP_CMPS || s->op == OP_SCAS;
    u8 *top = e->at;
    u8 *empty = emit_jrcxz_hole(e);
    emit_one(s);
    emit_count_down(s);
    if (compares)
        emit_patch32(emit_jcc_hole(e, s->i->prefix & PREFIX_REP ? 4 : 5), top);
    else
        emit_patch32(emit_jmp_hole(e), top);
    emit_patch8(empty, e->at);
}

/* A count above 255: to the callout. rcx - zero-extended cl is zero for small counts. */
static bool emit_rep(const Str *s)
{
    Tx *t = s->t;
    Emit *e = &t->e;
    static const u8 movzx_r8d_cl[] = {0x44, 0x0f, 0xb6, 0xc1};
    bool ok = true;
    emit_take_count(s);
    emit_bytes(e, movzx_r8d_cl, sizeof movzx_r8d_cl);
    emit_not64(e, R8);
    emit_lea64_index(e, RCX, RCX, R8, 0, 1);
    u8 *small = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R11);
    callout_emit(t, s->i);
    u8 *done = emit_jmp_hole(e);
    emit_patch8(small, e->at);
    emit_mov_rr64(e, RCX, R11);
    emit_set_direction(s);
    if (s->plain)
        emit_rounds_plain(s);
    else
        ok = emit_rounds(s);
    emit_patch32(done, e->at);
    return ok;
}

bool string_emit(Tx *t, const Insn *i)
{
    Str s = {.t = t, .i = i, .op = i->opcode & 0xfe, .bytes = i->opcode & 1 ? i->opsize : 1};
    bool uses_si = s.op != OP_STOS && s.op != OP_SCAS, uses_di = s.op != OP_LODS;
    bool rep = i->prefix & (PREFIX_REP | PREFIX_REPNE);
    if (!site_mem_form(t, &s.form) || s.form == MEM_USER || (s.form == MEM_OPEN && rep)) return false;
    s.plain = s.form == MEM_WINDOW && i->adsize == 4 && (!uses_si || t->m.seg[i->seg] == SEGF_FLAT) &&
              (!uses_di || t->m.seg[ES] == SEGF_FLAT);
    s.log2 = s.bytes == 4 ? 2 : s.bytes == 2 ? 1 : 0;
    if (rep) return emit_rep(&s);
    emit_set_direction(&s);
    return emit_one(&s);
}
