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
 *   RDTSC  the host's counter, scaled to guest time as clock_now() does it (TscScale); unless the clock does not follow
 *          the counter: then the callout.
 *
 * The same in V86 mode with IOPL 3. 16-bit PUSHF and POPF in real and V86 mode, 32-bit ones on a flat 32-bit stack;
 * the others are callouts, and without BMI2 these and RDTSC are, too.
 */
#include "translator/operand.h"
#include "translator/xlat.h"

enum { EFLAGS_BYTE1 = VCPU_EFLAGS + 1, BYTE1_IF = 2, BYTE1_IOPL = 0x30 };
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
void sens_keep_bits(Emit *e, int reg, u32 mask, int tmp)
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
u8 *sens_unless_zero_callout(Tx *t, const Insn *i)
{
    u8 *fast = emit_jrcxz_hole(&t->e);
    emit_mov_rr64(&t->e, RCX, R10);
    callout_emit(t, i);
    u8 *done = emit_jmp_hole(&t->e);
    emit_patch8(fast, t->e.at);
    emit_mov_rr64(&t->e, RCX, R10);
    return done;
}

/* Ring 0 or real mode with IOPL and NT 0 (byte 1 is IF then), or V86 mode with IOPL 3 and NT 0. */
static bool may_cli(const Tx *t)
{
    ModeKey m = t->x->mode;
    return m & MODE_RING0 && (m & MODE_V86 || !(m & MODE_SYSFLAGS));
}

static u8 byte1_base(const Tx *t) { return t->m.v86 ? BYTE1_IOPL : 0; }

static bool emit_cli(Tx *t)
{
    if (!may_cli(t)) return false;
    emit_store_byte1(&t->e, byte1_base(t));
    return true;
}

static bool emit_sti(Tx *t, const Insn *i)
{
    if (!may_cli(t)) return false;
    emit_mov_rr64(&t->e, R10, RCX);
    emit_mov_rm32(&t->e, RCX, R15, offsetof(Vcpu, attention));
    u8 *done = sens_unless_zero_callout(t, i);
    emit_store_byte1(&t->e, byte1_base(t) | BYTE1_IF);
    emit_patch32(done, t->e.at);
    return true;
}

/* Real mode, or V86 mode with IOPL 3: 16-bit images of the flags, any stack. */
static bool flags_16(const Tx *t, const Insn *i)
{
    ModeKey m = t->x->mode;
    bool free = t->m.v86 ? m & MODE_RING0 : t->m.real && !(m & MODE_SYSFLAGS);
    return free && i->opsize == 2 && host_features_get()->bmi2;
}

static bool flat_stack(const Tx *t, const Insn *i)
{
    return t->m.stack32 && t->m.seg[SS] == SEGF_FLAT && !t->m.v86 && i->opsize == 4 &&
           host_features_get()->bmi2;
}

void sens_flags_image(Emit *e)
{
    static const u8 pushfq_pop_r8[] = {0x9c, 0x41, 0x58};
    emit_bytes(e, pushfq_pop_r8, sizeof pushfq_pop_r8);
    sens_keep_bits(e, R8, FL_HOST, R9);
    emit_mov_rm32(e, R10, R15, VCPU_EFLAGS);
    sens_keep_bits(e, R10, PUSHED_VIRTUAL, R9);
    emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = R8}, (HostMem){.base = R8, .index = R10});
}

static bool emit_pushf(Tx *t, const Insn *i)
{
    MemForm form;
    if ((!flat_stack(t, i) && !flags_16(t, i)) || !site_mem_form(t, &form) || form == MEM_USER) return false;
    sens_flags_image(&t->e);
    return emit_push_reg(&t->e, R8, i->opsize, &t->m, form);
}

/* rcx = 0 if the popped value (r8) keeps the bits in `care` as they are; r10 = old rcx, r9 clobbered. */
static void emit_popf_compare(Emit *e, u32 care)
{
    emit_mov_rr64(e, R10, RCX);
    emit_mov_ri32(e, R9, care);
    emit_bits(e, 2, R11, R8, R9);
    emit_mov_rm32(e, RCX, R15, VCPU_EFLAGS);
    emit_bits(e, 2, RCX, RCX, R9);
    emit_not64(e, RCX);
    emit_lea64_index(e, RCX, RCX, R11, 0, 1);
}

u8 *sens_flags_check(Tx *t, unsigned opsize)
{
    Emit *e = &t->e;
    u8 *slow = NULL;
    emit_popf_compare(e, opsize == 4 ? POPF_CARE : t->m.v86 ? FL_T | FL_NT : FL_T | FL_NT | FL_IOPL);
    if (!t->m.user || t->m.v86) { /* IF may become 1: nothing may be waiting */
        u8 *same = emit_jrcxz_hole(e);
        slow = emit_jmp_hole(e);
        emit_patch8(same, e->at);
        emit_mov_rm32(e, RCX, R15, offsetof(Vcpu, attention));
    }
    u8 *fast = emit_jrcxz_hole(e);
    if (slow) emit_patch32(slow, e->at);
    emit_mov_rr64(e, RCX, R10);
    return fast;
}

/* Flags and D = r8, by POPFQ, which takes three times as long. */
static void emit_popfq(Emit *e)
{
    static const u8 push_r8_popfq[] = {0x41, 0x50, 0x9d};
    sens_keep_bits(e, R8, FL_HOST, R9);
    emit_lea64(e, R8, R8, 0x202);
    emit_bytes(e, push_r8_popfq, sizeof push_r8_popfq);
}

/* Flags = r8, D = 0: SZAPC by SAHF, before it O by an addition that overflows or does not. r8, r9 clobbered. */
static void emit_sahf(Emit *e)
{
    static const u8 cld = 0xfc, sahf = 0x9e, shl_eax_8[] = {0xc1, 0xe0, 8},
                    shr_r8d_11[] = {0x41, 0xc1, 0xe8, 11}, and_r8d_1[] = {0x41, 0x83, 0xe0, 1},
                    add_r8b_7f[] = {0x41, 0x80, 0xc0, 0x7f};
    emit_u8(e, cld);
    emit_mov_rr64(e, R9, RAX);
    emit_mov_rr32(e, RAX, R8);
    emit_bytes(e, shl_eax_8, sizeof shl_eax_8);
    emit_bytes(e, shr_r8d_11, sizeof shr_r8d_11);
    emit_bytes(e, and_r8d_1, sizeof and_r8d_1);
    emit_bytes(e, add_r8b_7f, sizeof add_r8b_7f);
    emit_u8(e, sahf);
    emit_mov_rr64(e, RAX, R9);
}

void sens_flags_load(Tx *t)
{
    enum { NOT_ZERO = 5 };
    Emit *e = &t->e;
    if (!t->m.user || t->m.v86) { /* IF: bit 9 to byte 1; IOPL stays 3 in V86 mode */
        emit_mov_ri32(e, R9, FL_I);
        emit_bits(e, 2, R9, R8, R9);
        emit_lea64_index(e, R9, R9, R9, 0, t->m.v86 ? BYTE1_IOPL : 0);
        emit_op_mem(e, (HostOp){.opcode = 0x88, .reg = R9},
                    (HostMem){.base = R15, .index = REG_NONE, .disp = EFLAGS_BYTE1});
    }
    emit_op_reg(e, (HostOp){.opcode = 0xf7}, R8); /* test: no flag is of use any more */
    emit_u32(e, FL_D);
    u8 *down = emit_jcc_hole(e, NOT_ZERO);
    emit_sahf(e);
    u8 *done = emit_jmp_hole(e);
    emit_patch32(down, e->at);
    emit_popfq(e);
    emit_patch32(done, e->at);
}

static bool emit_popf(Tx *t, const Insn *i)
{
    Emit *e = &t->e;
    HostMem top;
    bool flat = flat_stack(t, i) && !(t->x->mode & MODE_SYSFLAGS) && t->x->mode & (MODE_RING0 | MODE_USER);
    MemForm form;
    if ((!flat && !flags_16(t, i)) || !site_mem_form(t, &form) || form >= MEM_USER) return false;
    if (!emit_stack_place(e, &top, 0, i->opsize, &t->m, form, false)) return false;
    emit_guest_load(e, R8, top, i->opsize);
    u8 *fast = sens_flags_check(t, i->opsize);
    callout_emit(t, i);
    u8 *done = emit_jmp_hole(e);
    emit_patch8(fast, e->at);
    emit_mov_rr64(e, RCX, R10);
    emit_stack_move(e, i->opsize, &t->m);
    sens_flags_load(t);
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
    MemForm form;
    HostMem m;
    if (i->reg >= SEG_COUNT) return false;
    if (i->is_mem) {
        if (i->seg == CS && !t->m.real && !t->m.v86) return false;
        if (!site_mem_form(t, &form) || !operand_place_ea(&t->e, &m, operand_ea(i), &t->m, form, 2, true))
            return false;
        emit_op_mem(&t->e, (HostOp){.opcode = 0x0fb7, .reg = R11}, selector_of(i->reg));
        emit_guest_store(&t->e, m, R11, 2);
        return true;
    }
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
    u8 *done = sens_unless_zero_callout(t, i);
    emit_tsc(e);
    emit_patch32(done, e->at);
    return true;
}

bool sens_emit(Tx *t, const Insn *i)
{
    switch (i->row->host) {
    case HF_CLI: return emit_cli(t);
    case HF_STI: return emit_sti(t, i);
    case HF_PUSHF: return emit_pushf(t, i);
    case HF_POPF: return emit_popf(t, i);
    case HF_RDTSC: return emit_rdtsc(t, i);
    case HF_SREG: return emit_mov_from_sreg(t, i);
    case HF_PUSHS: return emit_push_sreg(t, i);
    default: return false;
    }
}
