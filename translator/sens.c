/* sens.c - sensitive instructions with a form of their own: CLI, STI, PUSHF, POPF, RDTSC, MOV and PUSH
 * from Sreg.
 *
 * This is the part of x86 that made it "not virtualizable": POPF in ring 3 silently keeps IF. Here IF is a bit in
 * the Vcpu, OSZAPC and DF are the host's own.
 *
 *   CLI    one store: with IOPL and NT zero (part of the mode) and TF zero (the run loop steps otherwise), bits 8-15
 *          of Vcpu.eflags become 0; OF and DF in that byte are stale while translated code runs.
 *   STI    a store, unless something waits (attention): then the callout, which arranges the one-instruction shadow.
 *   PUSHF  the host's flags by pushfq on the return stack, merged with the virtual ones by pext/pdep, flag-free.
 *   POPF   if it changes none of TF, IOPL, NT, AC, ID and nothing waits: IF by a store, the rest by popfq.
 *
 *   RDTSC  the host's counter, scaled to guest time as clock_now() does it (TscScale); unless the clock does not follow the
 *          counter: then the callout.
 *
 * Without BMI2, or with another stack than a flat 32-bit one, PUSHF and POPF are callouts; without it RDTSC is, too.
 */
#include "translator/operand.h"
#include "translator/xlat.h"

enum { EFLAGS_BYTE1 = VCPU_EFLAGS + 1, BYTE1_IF = 2 };
enum {
    PUSHED_VIRTUAL = (FL_ALL | 2) & ~(FL_HOST | FL_VM | FL_RF),
    POPF_CARE = FL_T | FL_IOPL | FL_NT | FL_AC | FL_ID
};

/* VEX.LZ.pp.0F38.W0 F5: pext (pp 2), pdep (pp 3): dst = src gathered/scattered by mask. */
static void emit_bits(Emit *e, unsigned pp, int dst, int src, int mask)
{
    u8 b[] = {0xc4, (u8)((dst < 8) << 7 | 1 << 6 | (mask < 8) << 5 | 2), (u8)((~src & 15) << 3 | pp), 0xf5,
              (u8)(0xc0 | (dst & 7) << 3 | (mask & 7))};
    emit_bytes(e, b, sizeof b);
}

/* reg = reg & mask, by `tmp`. */
static void emit_keep_bits(Emit *e, int reg, u32 mask, int tmp)
{
    emit_mov_ri32(e, tmp, mask);
    emit_bits(e, 2, reg, reg, tmp);
    emit_bits(e, 3, reg, reg, tmp);
}

static void emit_store_byte1(Emit *e, u8 v)
{
    HostMem m = {.base = R15, .index = REG_NONE, .disp = EFLAGS_BYTE1};
    emit_op_mem(e, (HostOp){.opcode = 0xc6, .reg = 0}, m);
    emit_u8(e, v);
}

/* Jumps over the callout if rcx (saved in r10) is zero; the callout then jumps to the returned hole. Leaves code
 * position behind: fast path with rcx restored. */
static u8 *emit_unless_zero_callout(Tx *t, const Insn *i)
{
    u8 *fast = emit_jrcxz_hole(&t->e);
    emit_mov_rr64(&t->e, RCX, R10);
    callout_emit(t, i);
    u8 *done = emit_jmp_hole(&t->e);
    emit_patch8(fast, t->e.at);
    emit_mov_rr64(&t->e, RCX, R10);
    return done;
}

static bool simple_ring0(const Tx *t)
{
    return (t->x->mode & (MODE_RING0 | MODE_SYSFLAGS | MODE_V86)) == MODE_RING0;
}

static bool emit_cli(Tx *t)
{
    if (!simple_ring0(t)) return false;
    emit_store_byte1(&t->e, 0);
    return true;
}

static bool emit_sti(Tx *t, const Insn *i)
{
    if (!simple_ring0(t)) return false;
    emit_mov_rr64(&t->e, R10, RCX);
    emit_mov_rm32(&t->e, RCX, R15, offsetof(Vcpu, attention));
    u8 *done = emit_unless_zero_callout(t, i);
    emit_store_byte1(&t->e, BYTE1_IF);
    emit_patch32(done, t->e.at);
    return true;
}

static bool flat_stack(const Tx *t)
{
    return t->m.stack32 && t->m.seg[SS] == SEGF_FLAT && !t->m.v86 && host_features_get()->bmi2 &&
           site_form(t->x, t->pa) == SITE_WINDOW;
}

static bool emit_pushf(Tx *t, const Insn *i)
{
    static const u8 pushfq_pop_r8[] = {0x9c, 0x41, 0x58};
    Emit *e = &t->e;
    if (!flat_stack(t) || i->opsize != 4) return false;
    emit_bytes(e, pushfq_pop_r8, sizeof pushfq_pop_r8);
    emit_keep_bits(e, R8, FL_HOST, R9);
    emit_mov_rm32(e, R10, R15, VCPU_EFLAGS);
    emit_keep_bits(e, R10, PUSHED_VIRTUAL, R9);
    emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = R8}, (HostMem){.base = R8, .index = R10});
    return emit_push_reg(e, R8, 4, &t->m, MEM_WINDOW);
}

/* rcx = 0 if the popped value (r8) keeps the bits in POPF_CARE as they are; r10 = old rcx, r9 clobbered. */
static void emit_popf_compare(Emit *e)
{
    emit_mov_rr64(e, R10, RCX);
    emit_mov_ri32(e, R9, POPF_CARE);
    emit_bits(e, 2, R11, R8, R9);
    emit_mov_rm32(e, RCX, R15, VCPU_EFLAGS);
    emit_bits(e, 2, RCX, RCX, R9);
    emit_not64(e, RCX);
    emit_lea64_index(e, RCX, RCX, R11, 0, 1);
}

static void emit_popf_fast(Tx *t)
{
    static const u8 push_r8_popfq[] = {0x41, 0x50, 0x9d};
    Emit *e = &t->e;
    if (!t->m.user) { /* IF: bit 9 to byte 1 */
        emit_mov_ri32(e, R9, FL_I);
        emit_bits(e, 2, R9, R8, R9);
        emit_lea64_index(e, R9, R9, R9, 0, 0);
        emit_op_mem(e, (HostOp){.opcode = 0x88, .reg = R9},
                    (HostMem){.base = R15, .index = REG_NONE, .disp = EFLAGS_BYTE1});
    }
    emit_keep_bits(e, R8, FL_HOST, R9);
    emit_lea64(e, R8, R8, 0x202);
    emit_lea32(e, R14, R14, 4);
    emit_bytes(e, push_r8_popfq, sizeof push_r8_popfq);
}

static bool emit_popf(Tx *t, const Insn *i)
{
    Emit *e = &t->e;
    if (!flat_stack(t) || i->opsize != 4 || t->x->mode & MODE_SYSFLAGS ||
        !(t->x->mode & (MODE_RING0 | MODE_USER)))
        return false;
    emit_guest_load(e, R8, (HostMem){.base = R14, .index = REG_NONE, .gs = true}, 4);
    emit_popf_compare(e);
    u8 *slow = NULL;
    if (!t->m.user) { /* IF may become 1: nothing may be waiting */
        u8 *same = emit_jrcxz_hole(e);
        slow = emit_jmp_hole(e);
        emit_patch8(same, e->at);
        emit_mov_rm32(e, RCX, R15, offsetof(Vcpu, attention));
    }
    u8 *fast = emit_jrcxz_hole(e);
    if (slow) emit_patch32(slow, e->at);
    emit_mov_rr64(e, RCX, R10);
    callout_emit(t, i);
    u8 *done = emit_jmp_hole(e);
    emit_patch8(fast, e->at);
    emit_mov_rr64(e, RCX, R10);
    emit_popf_fast(t);
    emit_patch32(done, e->at);
    return true;
}

static HostMem selector_of(int seg)
{
    s32 at = (s32)(offsetof(Vcpu, seg) + (unsigned)seg * sizeof(Segment) + offsetof(Segment, sel));
    return (HostMem){.base = R15, .index = REG_NONE, .disp = at};
}

static bool emit_mov_from_sreg(Tx *t, const Insn *i)
{
    if (i->is_mem || i->reg >= SEG_COUNT) return false;
    emit_op_mem(&t->e, (HostOp){.opcode = 0x0fb7, .reg = R8}, selector_of(i->reg));
    emit_mov_part(&t->e, host_gpr(i->rm), R8, i->opsize);
    return true;
}

/* Stores the selector zero-extended, as the interpreter does. */
static bool emit_push_sreg(Tx *t, const Insn *i)
{
    int seg = i->row->o[0] - O_ES;
    emit_op_mem(&t->e, (HostOp){.opcode = 0x0fb7, .reg = R11}, selector_of(seg));
    MemForm form;
    return site_mem_form(t, &form) && form != MEM_USER && emit_push_reg(&t->e, R11, i->opsize, &t->m, form);
}

static bool emit_rdtsc(Tx *t, const Insn *i)
{
    Emit *e = &t->e;
    if (t->x->mode & MODE_NO_TSC || !t->x->c->tsc_scale || !host_features_get()->bmi2) return false;
    emit_mov_rm64(e, R11, R15, offsetof(Vcpu, tsc_scale));
    emit_mov_rr64(e, R10, RCX);
    emit_mov_rm64(e, RCX, R11, offsetof(TscScale, off));
    u8 *done = emit_unless_zero_callout(t, i);
    emit_tsc(e);
    emit_patch32(done, e->at);
    return true;
}

bool sens_emit(Tx *t, const Insn *i)
{
    switch (i->row->opcode) {
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e:
    case 0x0fa0:
    case 0x0fa8: return emit_push_sreg(t, i);
    case 0xfa: return emit_cli(t);
    case 0xfb: return emit_sti(t, i);
    case 0x9c: return emit_pushf(t, i);
    case 0x9d: return emit_popf(t, i);
    case 0x0f31: return emit_rdtsc(t, i);
    case 0x8c: return emit_mov_from_sreg(t, i);
    default: return false;
    }
}
