/* random.h - the dice of tests: what falls follows from `seed` alone (xorshift64). */
#ifndef RING3_TESTS_RANDOM_H
#define RING3_TESTS_RANDOM_H

#include <stdlib.h>

#include "cpu/base/base.h"

static u64 seed = 88172645463325252ull;

static inline u32 rnd(void)
{
    seed += !seed; /* from which there is no way out */
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (u32)(seed >> 16);
}

/* How many steps a random test takes, and from where: FUZZ_STEPS and FUZZ_SEED, if they are set. */
static inline u32 random_steps(u32 usual)
{
    const char *text = getenv("FUZZ_STEPS"), *from = getenv("FUZZ_SEED");
    seed = from ? strtoull(from, NULL, 0) * 2 + 1 : 88172645463325252ull;
    return text ? (u32)strtoul(text, NULL, 0) : usual;
}

#endif
