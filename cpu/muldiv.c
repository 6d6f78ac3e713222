/* muldiv.c - MUL IMUL DIV IDIV (SDM vol. 2).
 *
 * #DE comes before any register changes: for a divisor of 0 and for a quotient that does not fit. Undefined
 * flags: after a multiplication SF and PF follow the low half of the product, ZF and AF are cleared; DIV and IDIV
 * leave all flags alone.
 */
#include "cpu/alu.h"

static void mul_flags(Vcpu *c, u32 low, bool overflow, unsigned bytes)
{
    u32 f = flags_szp(low, bytes) & ~(u32)FL_Z;
    flags_set(c, FL_ARITH, f | (overflow ? FL_C | FL_O : 0u));
}

/* Double-width accumulator: AX, DX:AX or EDX:EAX. */
static u64 pair_read(const Vcpu *c, unsigned bytes)
{
    if (bytes == 1) return (u16)c->gpr[EAX];
    return (u64)reg_read(c, EDX, bytes) << width_bits(bytes) | reg_read(c, EAX, bytes);
}

static void pair_write(Vcpu *c, u32 low, u32 high, unsigned bytes)
{
    reg_write(c, EAX, low, bytes);
    reg_write(c, bytes == 1 ? 4 /* AH */ : EDX, high, bytes);
}

void exec_mul(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0);
    u64 product = (u64)reg_read(c, EAX, bytes) * op_read(c, i, 0);
    u32 low = (u32)product & width_mask(bytes), high = (u32)(product >> width_bits(bytes));
    pair_write(c, low, high, bytes);
    mul_flags(c, low, high != 0, bytes);
}

static s64 signed_product(u32 a, u32 b, unsigned bytes)
{
    return (s64)(s32)sign_extend(a, bytes) * (s32)sign_extend(b, bytes);
}

static bool product_fits(s64 product, unsigned bytes)
{
    return product == (s32)sign_extend((u32)product, bytes);
}

void exec_imul1(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0);
    s64 product = signed_product(reg_read(c, EAX, bytes), op_read(c, i, 0), bytes);
    u32 low = (u32)product & width_mask(bytes), high = (u32)((u64)product >> width_bits(bytes));
    pair_write(c, low, high, bytes);
    mul_flags(c, low, !product_fits(product, bytes), bytes);
}

static void imul_to(Vcpu *c, const Insn *i, u32 a, u32 b)
{
    s64 product = signed_product(a, b, i->opsize);
    u32 low = (u32)product & width_mask(i->opsize);
    op_write(c, i, 0, low);
    mul_flags(c, low, !product_fits(product, i->opsize), i->opsize);
}

void exec_imul2(Vcpu *c, const Insn *i) { imul_to(c, i, op_read(c, i, 0), op_read(c, i, 1)); }
void exec_imul3(Vcpu *c, const Insn *i) { imul_to(c, i, op_read(c, i, 1), op_read(c, i, 2)); }

void exec_div(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0);
    u32 divisor = op_read(c, i, 0);
    if (divisor == 0) cpu_raise(c, EX_DE);
    u64 dividend = pair_read(c, bytes), quotient = dividend / divisor;
    if (quotient > width_mask(bytes)) cpu_raise(c, EX_DE);
    pair_write(c, (u32)quotient, (u32)(dividend % divisor), bytes);
}

static u64 magnitude(u64 v, bool negative) { return negative ? 0 - v : v; }

/* In magnitudes, so that no signed overflow can trap the host; the remainder has the dividend's sign. */
void exec_idiv(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0), bits = width_bits(bytes);
    u32 source = op_read(c, i, 0);
    if (source == 0) cpu_raise(c, EX_DE);
    u64 pair = pair_read(c, bytes);
    bool neg_dividend = pair >> (2 * bits - 1) & 1, neg_divisor = source & width_sign(bytes);
    u64 wide = neg_dividend && bits < 32 ? pair | ~(u64)0 << 2 * bits : pair;
    u64 a = magnitude(wide, neg_dividend),
        b = magnitude(sign_extend(source, bytes), neg_divisor) & 0xffffffffu;
    u64 q = a / b, r = a % b;
    bool neg_quotient = neg_dividend != neg_divisor;
    if (q > (u64)width_sign(bytes) - !neg_quotient) cpu_raise(c, EX_DE);
    pair_write(c, (u32)magnitude(q, neg_quotient), (u32)magnitude(r, neg_dividend), bytes);
}
