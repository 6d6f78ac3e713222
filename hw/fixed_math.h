/* fixed_math.h - sine, logarithm and power of two in whole numbers, for tables: the board leaves the FPU alone. See
 * fixed_math.c. */
#ifndef RING3_FIXED_MATH_H
#define RING3_FIXED_MATH_H

#include "cpu/base/base.h"

/* fixed_sin - the sine of turn / 2^32 of a full turn, in units of 2^-60; exact to about 2^-55. */
s64 fixed_sin(u32 turn);
/* fixed_log2 - log2(v) for v > 0, in units of 2^-24, rounded down. */
u32 fixed_log2(u64 v);
/* fixed_exp2 - 2^(n / 256) for n < 256, in units of 2^-60; exact to about 2^-55. */
u64 fixed_exp2(u32 n);

#endif
