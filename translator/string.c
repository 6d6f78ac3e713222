/* string.c - string instructions.
 *
 * One element is a load and a store with explicit operands. DF is live in the host's flags: a LODSB from a byte of ours
 * moves RSI by +1 or -1, which tells the direction without touching a flag.
 *
 * REP in flat segments with 32-bit addresses, by the window, is the host's own REP: RSI and RDI are turned into
 * addresses in the window before it and back into the guest's after it. It stops at a fault as the guest's
 * processor would, between two elements, with RSI, RDI and RCX telling how far it came; the handler takes the window
 * off again (string_unplace). HOST_REP_MAX elements cannot leave the window's guards, and are done before anybody
 * waits long. What is left is a callout's, which runs page by page on host pointers and asks whether to stop.
 *
 * Other REPs (based segments, 16-bit addresses, the table form) are a loop in the block, each round complete before
 * the next; from 256 elements on they are the callout's. Their addresses are placed as those of any operand, which
 * needs r8-r10; the direction then waits in the Vcpu. A count in CX is extended for each test. A fault in the middle of
 * such a REPE CMPS or REPNE SCAS shows the flags of the last comparison, not those before the instruction.
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

static bool uses_si(const Str *s) { return s->op != OP_STOS && s->op != OP_SCAS; }
static bool uses_di(const Str *s) { return s->op != OP_LODS; }
static bool compares(const Str *s) { return s->op == OP_CMPS || s->op == OP_SCAS; }

enum { HOST_REP_MAX = 0xffff };

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
    bool two = uses_si(s) && uses_di(s);
    if (uses_si(s) && !place(s, &src, RSI, false)) return false;
    if (two) emit_guest_load(e, R11, src, s->bytes);
    if (uses_di(s) && !place(s, &dst, RDI, s->op == OP_MOVS || s->op == OP_STOS)) return false;
    switch (s->op) {
    case OP_MOVS: emit_guest_store(e, dst, R11, s->bytes); break;
    case OP_STOS: emit_guest_store(e, dst, RAX, s->bytes); break;
    case OP_LODS: emit_lods(s, src); break;
    case OP_CMPS: emit_cmp(s, R11, dst); break;
    default: emit_cmp(s, RAX, dst); break;
    }
    if (!s->plain) emit_mov_rm64(e, R10, R15, DIRECTION);
    if (uses_si(s)) emit_advance(s, RSI);
    if (uses_di(s)) emit_advance(s, RDI);
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
    if (compares(s))
        emit_patch32(emit_jcc_hole(e, s->i->prefix & PREFIX_REP ? 4 : 5), top); /* REPE: while equal */
    else
        emit_patch32(emit_jmp_hole(e), top);
    emit_patch32(out, e->at);
    return true;
}

/* rcx = 0 if the count (kept in r11) is what movzx makes of its low part, `narrow` -> r8: a small one. */
static u8 *emit_small_count(const Str *s, const u8 *narrow, unsigned n)
{
    Emit *e = &s->t->e;
    emit_take_count(s);
    emit_bytes(e, narrow, n);
    emit_not64(e, R8);
    emit_lea64_index(e, RCX, RCX, R8, 0, 1);
    return emit_jrcxz_hole(e);
}

/* A loop for small counts, the callout for large ones. */
static bool emit_rounds_or_callout(const Str *s)
{
    static const u8 movzx_r8d_cl[] = {0x44, 0x0f, 0xb6, 0xc1};
    Emit *e = &s->t->e;
    u8 *small = emit_small_count(s, movzx_r8d_cl, sizeof movzx_r8d_cl);
    emit_mov_rr64(e, RCX, R11);
    callout_emit(s->t, s->i);
    u8 *done = emit_jmp_hole(e);
    emit_patch8(small, e->at);
    emit_mov_rr64(e, RCX, R11);
    emit_set_direction(s);
    bool ok = emit_rounds(s);
    emit_patch32(done, e->at);
    return ok;
}

static void emit_host_rep(const Str *s)
{
    Emit *e = &s->t->e;
    if (uses_si(s)) emit_lea64_index(e, RSI, RSI, HOST_WINDOW, 0, 0);
    if (uses_di(s)) emit_lea64_index(e, RDI, RDI, HOST_WINDOW, 0, 0);
    if (s->bytes == 2) emit_u8(e, 0x66);
    emit_u8(e, s->i->prefix & PREFIX_REPNE ? 0xf2 : 0xf3);
    emit_u8(e, s->op | (s->bytes > 1));
    emit_mov_rr64(e, R8, HOST_WINDOW);
    emit_not64(e, R8);
    if (uses_si(s)) emit_lea32_index(e, RSI, RSI, R8, 1);
    if (uses_di(s)) emit_lea32_index(e, RDI, RDI, R8, 1);
    emit_lea32_index(e, RCX, RCX, R11, 0);
}

/* The host's REP for at most HOST_REP_MAX elements, of which r11 are left for the callout. (Most that look for a zero
 * count from FFFFFFFF, and find it soon.) */
static void emit_host_rep_then_callout(const Str *s)
{
    static const u8 movzx_r8d_cx[] = {0x44, 0x0f, 0xb7, 0xc1};
    Emit *e = &s->t->e;
    u8 *small = emit_small_count(s, movzx_r8d_cx, sizeof movzx_r8d_cx), *stopped = NULL;
    emit_lea32(e, R11, R11, -HOST_REP_MAX);
    emit_mov_ri32(e, RCX, HOST_REP_MAX);
    u8 *large = emit_jmp_hole(e);
    emit_patch8(small, e->at);
    emit_mov_rr64(e, RCX, R11);
    emit_mov_ri32(e, R11, 0);
    emit_patch32(large, e->at);
    emit_host_rep(s);
    if (compares(s)) stopped = emit_jcc_hole(e, s->i->prefix & PREFIX_REPNE ? 4 : 5);
    u8 *all = emit_jrcxz_hole(e);
    callout_emit(s->t, s->i);
    emit_patch8(all, e->at);
    if (stopped) emit_patch32(stopped, e->at);
}

void string_unplace(const u8 *hpc, const u8 *window, u64 r11, u64 gpr[8])
{
    if (*hpc == 0x66) hpc++;
    if (*hpc != 0xf2 && *hpc != 0xf3) return;
    unsigned op = hpc[1] & 0xfe;
    if (op != OP_MOVS && op != OP_CMPS && op != OP_STOS && op != OP_SCAS) return;
    if (op == OP_MOVS || op == OP_CMPS) gpr[ESI] = (u32)(gpr[ESI] - (u64)(uintptr_t)window);
    gpr[EDI] = (u32)(gpr[EDI] - (u64)(uintptr_t)window);
    gpr[ECX] = (u32)(gpr[ECX] + r11);
}

bool string_emit(Tx *t, const Insn *i)
{
    Str s = {.t = t, .i = i, .op = i->opcode & 0xfe, .bytes = i->opcode & 1 ? i->opsize : 1};
    bool rep = i->prefix & (PREFIX_REP | PREFIX_REPNE);
    if (!site_mem_form(t, &s.form) || s.form == MEM_USER || (s.form == MEM_OPEN && rep)) return false;
    s.plain = s.form == MEM_WINDOW && i->adsize == 4 && (!uses_si(&s) || t->m.seg[i->seg] == SEGF_FLAT) &&
              (!uses_di(&s) || t->m.seg[ES] == SEGF_FLAT);
    s.log2 = s.bytes == 4 ? 2 : s.bytes == 2 ? 1 : 0;
    if (rep && s.plain && s.op != OP_LODS) {
        emit_host_rep_then_callout(&s);
        return true;
    }
    if (rep) return emit_rounds_or_callout(&s);
    emit_set_direction(&s);
    return emit_one(&s);
}
