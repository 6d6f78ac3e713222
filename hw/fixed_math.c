/* fixed_math.c - sine, logarithm and power of two in whole numbers.
 *
 * The sine is its power series over a quarter of a turn. The logarithm's bits come one by one: a number between 1 and 2
 * that is squared has twice the logarithm. 2^(n / 256) is a product of square roots of square roots of two.
 */
#include "hw/fixed_math.h"

enum { ONE_BITS = 60, LOG_BITS = 24 };
#define ONE    (1ll << ONE_BITS)
#define TWO_PI 7244019458077122842ll /* 2 pi, in units of 2^-60 */

static s64 mul(s64 a, s64 b) { return (s64)((__int128)a * b >> ONE_BITS); }

static s64 series(s64 x)
{
    s64 term = x, sum = x, square = mul(x, x);
    for (s64 n = 2; term; n += 2) {
        term = -mul(term, square) / (n * (n + 1));
        sum += term;
        if (term > -4 && term < 4) break;
    }
    return sum;
}

s64 fixed_sin(u32 turn)
{
    const u32 quarter = 1u << 30;
    u32 in_half = turn & (2 * quarter - 1);
    if (in_half > quarter) in_half = 2 * quarter - in_half;
    s64 sine = series((s64)((__int128)TWO_PI * in_half >> 32));
    return turn < 2 * quarter ? sine : -sine;
}

u32 fixed_log2(u64 v)
{
    u32 whole = 63 - (u32)__builtin_clzll(v), log = whole;
    u64 x = v << (63 - whole); /* 1 to 2, in units of 2^-63 */
    for (u32 n = 0; n < LOG_BITS; n++) {
        unsigned __int128 square = (unsigned __int128)x * x;
        bool above_two = square >> 127;
        x = (u64)(square >> (above_two ? 64 : 63));
        log = log << 1 | above_two;
    }
    return log;
}

static u64 root(unsigned __int128 v)
{
    u64 r = 0;
    for (u64 bit = 1ull << 62; bit; bit >>= 1)
        if ((unsigned __int128)(r | bit) * (r | bit) <= v) r |= bit;
    return r;
}

u64 fixed_exp2(u32 n)
{
    u64 power = ONE, factor = 2 * ONE;
    for (u32 bit = 128; bit; bit >>= 1) {
        factor = root((unsigned __int128)factor << ONE_BITS);
        if (n & bit) power = (u64)((unsigned __int128)power * factor >> ONE_BITS);
    }
    return power;
}
