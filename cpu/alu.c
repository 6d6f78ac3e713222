/* alu.c - ADD OR ADC SBB AND SUB XOR CMP, TEST, INC DEC NEG NOT, XADD CMPXCHG CMPXCHG8B, CBW CWD, the flag
 * instructions and the sixteen conditions (SDM vol. 2; vol. 1 appendix B for conditions).
 *
 * AF after a logical operation is undefined; it is cleared, as all known processors do.
 */
#include "cpu/alu.h"

typedef struct Sum {
    u32 value, flags;
} Sum;

static inline Sum add(u32 a, u32 b, u32 carry, unsigned bytes)
{
    u32 r = (a + b + carry) & width_mask(bytes);
    return (Sum){r, flags_add(a, b, r, bytes)};
}

static inline Sum sub(u32 a, u32 b, u32 borrow, unsigned bytes)
{
    u32 r = (a - b - borrow) & width_mask(bytes);
    return (Sum){r, flags_sub(a, b, r, bytes)};
}

static inline u32 carry_in(const Vcpu *c) { return c->eflags & FL_C; }

static inline void add_to(Vcpu *c, const Insn *i, u32 carry)
{
    u32 a = op_read_rmw(c, i, 0), b = op_read(c, i, 1);
    Sum s = add(a, b, carry, op_bytes(i, 0));
    op_write(c, i, 0, s.value);
    flags_set(c, FL_ARITH, s.flags);
}

static inline void sub_from(Vcpu *c, const Insn *i, u32 borrow)
{
    u32 a = op_read_rmw(c, i, 0), b = op_read(c, i, 1);
    Sum s = sub(a, b, borrow, op_bytes(i, 0));
    op_write(c, i, 0, s.value);
    flags_set(c, FL_ARITH, s.flags);
}

void exec_add(Vcpu *c, const Insn *i) { add_to(c, i, 0); }
void exec_adc(Vcpu *c, const Insn *i) { add_to(c, i, carry_in(c)); }
void exec_sub(Vcpu *c, const Insn *i) { sub_from(c, i, 0); }
void exec_sbb(Vcpu *c, const Insn *i) { sub_from(c, i, carry_in(c)); }

void exec_cmp(Vcpu *c, const Insn *i)
{
    u32 a = op_read(c, i, 0), b = op_read(c, i, 1);
    flags_set(c, FL_ARITH, sub(a, b, 0, op_bytes(i, 0)).flags);
}

static inline void logic_result(Vcpu *c, const Insn *i, u32 r)
{
    op_write(c, i, 0, r);
    flags_set(c, FL_ARITH, flags_szp(r, op_bytes(i, 0)));
}

void exec_and(Vcpu *c, const Insn *i) { logic_result(c, i, op_read_rmw(c, i, 0) & op_read(c, i, 1)); }
void exec_or(Vcpu *c, const Insn *i) { logic_result(c, i, op_read_rmw(c, i, 0) | op_read(c, i, 1)); }
void exec_xor(Vcpu *c, const Insn *i) { logic_result(c, i, op_read_rmw(c, i, 0) ^ op_read(c, i, 1)); }

void exec_test(Vcpu *c, const Insn *i)
{
    flags_set(c, FL_ARITH, flags_szp(op_read(c, i, 0) & op_read(c, i, 1), op_bytes(i, 0)));
}

void exec_inc(Vcpu *c, const Insn *i)
{
    Sum s = add(op_read_rmw(c, i, 0), 1, 0, op_bytes(i, 0));
    op_write(c, i, 0, s.value);
    flags_set(c, FL_ARITH & ~FL_C, s.flags);
}

void exec_dec(Vcpu *c, const Insn *i)
{
    Sum s = sub(op_read_rmw(c, i, 0), 1, 0, op_bytes(i, 0));
    op_write(c, i, 0, s.value);
    flags_set(c, FL_ARITH & ~FL_C, s.flags);
}

void exec_neg(Vcpu *c, const Insn *i)
{
    Sum s = sub(0, op_read_rmw(c, i, 0), 0, op_bytes(i, 0));
    op_write(c, i, 0, s.value);
    flags_set(c, FL_ARITH, s.flags);
}

void exec_not(Vcpu *c, const Insn *i)
{
    op_write(c, i, 0, ~op_read_rmw(c, i, 0) & width_mask(op_bytes(i, 0)));
}

/* With equal registers the sum wins; with memory the register changes only after the store succeeded. */
void exec_xadd(Vcpu *c, const Insn *i)
{
    u32 a = op_read_rmw(c, i, 0), b = op_read(c, i, 1);
    Sum s = add(a, b, 0, op_bytes(i, 0));
    if (i->is_mem) op_write(c, i, 0, s.value);
    op_write(c, i, 1, a);
    if (!i->is_mem) op_write(c, i, 0, s.value);
    flags_set(c, FL_ARITH, s.flags);
}

/* The destination is written in either case, with its old value when the comparison fails. */
void exec_cmpxchg(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0);
    u32 dest = op_read_rmw(c, i, 0), acc = reg_read(c, EAX, bytes);
    op_write(c, i, 0, dest == acc ? op_read(c, i, 1) : dest);
    if (dest != acc) reg_write(c, EAX, dest, bytes);
    flags_set(c, FL_ARITH, sub(acc, dest, 0, bytes).flags);
}

void exec_cmpxchg8b(Vcpu *c, const Insn *i)
{
    u32 ea = insn_ea(c, i);
    u32 va = seg_linear(c, i->seg, ea, 8, ACC_RMW);
    lin_probe(c, va, 8, ACC_RMW, c->cpl == 3);
    u64 dest = mem_read64(c, i->seg, ea), acc = (u64)c->gpr[EDX] << 32 | c->gpr[EAX];
    bool equal = dest == acc;
    mem_write64(c, i->seg, ea, equal ? (u64)c->gpr[ECX] << 32 | c->gpr[EBX] : dest);
    if (!equal) {
        c->gpr[EAX] = (u32)dest;
        c->gpr[EDX] = (u32)(dest >> 32);
    }
    flags_set(c, FL_Z, equal ? FL_Z : 0);
}

void exec_cbw(Vcpu *c, const Insn *i)
{
    reg_write(c, EAX, sign_extend(c->gpr[EAX], i->opsize / 2), i->opsize);
}

void exec_cwd(Vcpu *c, const Insn *i)
{
    reg_write(c, EDX, c->gpr[EAX] & width_sign(i->opsize) ? 0xffffffffu : 0, i->opsize);
}

/* --- flags --- */

enum { FL_SAHF = FL_S | FL_Z | FL_A | FL_P | FL_C };

void exec_sahf(Vcpu *c, const Insn *i)
{
    (void)i;
    flags_set(c, FL_SAHF, reg_read(c, 4 /* AH */, 1));
}

void exec_lahf(Vcpu *c, const Insn *i)
{
    (void)i;
    reg_write(c, 4 /* AH */, (c->eflags & FL_SAHF) | 2, 1);
}

void exec_salc(Vcpu *c, const Insn *i)
{
    (void)i;
    reg_write(c, EAX, c->eflags & FL_C ? 0xff : 0, 1);
}

void exec_clc(Vcpu *c, const Insn *i)
{
    (void)i;
    flags_set(c, FL_C, 0);
}
void exec_stc(Vcpu *c, const Insn *i)
{
    (void)i;
    flags_set(c, FL_C, FL_C);
}
void exec_cmc(Vcpu *c, const Insn *i)
{
    (void)i;
    c->eflags ^= FL_C;
}
void exec_cld(Vcpu *c, const Insn *i)
{
    (void)i;
    flags_set(c, FL_D, 0);
}
void exec_std(Vcpu *c, const Insn *i)
{
    (void)i;
    flags_set(c, FL_D, FL_D);
}
