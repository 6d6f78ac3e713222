/* alu.h - arithmetic flags, for the files that compute them. Values are zero-extended to 32 bits; `bytes` is 1, 2 or
 * 4. */
#ifndef RING3_ALU_H
#define RING3_ALU_H

#include "cpu/exec.h"

static inline unsigned width_bits(unsigned bytes) { return bytes * 8; }
static inline u32 width_mask(unsigned bytes) { return 0xffffffffu >> (32 - width_bits(bytes)); }
static inline u32 width_sign(unsigned bytes) { return 1u << (width_bits(bytes) - 1); }
static inline u32 sign_extend(u32 v, unsigned bytes)
{
    return ((v & width_mask(bytes)) ^ width_sign(bytes)) - width_sign(bytes);
}

static inline bool parity_even(u32 v) { return !__builtin_parity(v & 0xff); }

/* SF, ZF and PF of a result. */
static inline u32 flags_szp(u32 r, unsigned bytes)
{
    return (r & width_sign(bytes) ? FL_S : 0u) | (r == 0 ? FL_Z : 0u) | (parity_even(r) ? FL_P : 0u);
}

/* All six flags of r = a + b + carry. */
static inline u32 flags_add(u32 a, u32 b, u32 r, unsigned bytes)
{
    u32 carries = (a & b) | ((a | b) & ~r), sign = width_sign(bytes);
    return flags_szp(r, bytes) | (carries & sign ? FL_C : 0u) | ((a ^ b ^ r) & FL_A) |
           ((a ^ r) & (b ^ r) & sign ? FL_O : 0u);
}

/* All six flags of r = a - b - borrow. */
static inline u32 flags_sub(u32 a, u32 b, u32 r, unsigned bytes)
{
    u32 borrows = (~a & b) | ((~a | b) & r), sign = width_sign(bytes);
    return flags_szp(r, bytes) | (borrows & sign ? FL_C : 0u) | ((a ^ b ^ r) & FL_A) |
           ((a ^ b) & (a ^ r) & sign ? FL_O : 0u);
}

/* cc: the low bits of Jcc, SETcc, CMOVcc. Without a branch, which the host would guess wrongly. */
static inline bool condition_holds(const Vcpu *c, unsigned cc)
{
    static const u16 any_of[8] = {FL_O, FL_C, FL_Z, FL_C | FL_Z, FL_S, FL_P, 0, FL_Z};
    u32 f = c->eflags, kind = cc >> 1 & 7;
    u32 less = kind >= 6 ? (f ^ f << 4) & FL_O : 0; /* SF, brought to OF's place */
    bool holds = (f & any_of[kind]) | less;
    return holds != (cc & 1);
}

#endif
