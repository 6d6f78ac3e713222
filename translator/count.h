/* count.h - how often each block runs: exactly, by a counter at its start, and by samples. See count.c.
 *
 * Counts belong to (physical address, mode) and outlive the block: a block that is translated anew goes on counting
 * where the one before left off; versions of one block for loops, and for other linear addresses, count together.
 *
 * What the interpreter does is not counted: instructions that fault or are stepped, and the 32,768 that it runs now and
 * then to see whether the guest waits (cpu/wait.c).
 *
 * Not thread-safe: for the thread that runs the machine, between two guest instructions.
 */
#ifndef RING3_COUNT_H
#define RING3_COUNT_H

#include "translator/xlat.h"

struct Count {
    u32 pa;
    bool used;
    ModeKey mode;
    u64 runs;    /* since counting began; 0 while it never did */
    u64 samples; /* how often the block was met when translated code was stopped by a poll */
};

/* count_set - blocks count their runs from now on, or stop to; counts are kept. A change empties the cache. */
void count_set(Xlat *x, bool on);
/* count_clear - all counts are 0 again. */
void count_clear(Xlat *x);
/* count_find - what is known of the code at pa in a mode; NULL: nothing. */
const Count *count_find(const Xlat *x, u32 pa, ModeKey mode);
/* count_each - each that is known, in no order. */
void count_each(const Xlat *x, void (*each)(void *ctx, const Count *n), void *ctx);
/* count_lost - runs of blocks for which there was no room: they are counted together. */
u64 count_lost(const Xlat *x);

/* --- for the translator --- */

void count_init(Xlat *x);
void count_emit(Tx *t);                                /* at the start of t->b: r8 clobbered, flags kept */
void count_emit_add(Tx *t, const u64 *counter, s32 n); /* a counter behind the cache; likewise */
void count_sample(Xlat *x, const Block *b);
void count_sample_next(Xlat *x);                     /* the block at CS:EIP, if the jump cache knows it */
const void *count_memory(const Xlat *x, u64 *bytes); /* where blocks count, for the audit */

#endif
