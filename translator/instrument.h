/* instrument.h - blocks that count and call as somebody outside the machine wishes: his counters and functions, put into
 * the code when it is translated (frontend/hook/hook_count.c). See instrument.c.
 *
 * Set before the first instruction, and never changed. On the thread that runs the machine.
 */
#ifndef RING3_INSTRUMENT_H
#define RING3_INSTRUMENT_H

#include "translator/xlat.h"

/* What is to happen each time an instruction begins, also if it faults then. */
struct InstrumentOp {
    u16 insn;                        /* its number in the block */
    u64 *counter;                    /* of instrument_counters(): one more; NULL: */
    void (*call)(void *ctx, u32 pc); /* Instrument.call is asked to call it */
    void *ctx;
};

/* A block that was translated, and will be once more with the ops. */
typedef struct InstrumentBlock {
    u32 pc, pa; /* linear and physical address */
    unsigned insns;
    const struct InstrumentInsn {
        const u8 *bytes;
        const Insn *insn;
    } * insn;
} InstrumentBlock;

enum { INSTRUMENT_OPS = 160 /* of a block */ };
struct Instrument {
    void *ctx;
    /* How many ops, in the order of their instructions: *ops, which are good until the next call. May use the FPU. */
    unsigned (*look)(void *ctx, const InstrumentBlock *b, const InstrumentOp **ops);
    /* An instruction with a call, at linear address pc, begins. The FPU is parked. */
    void (*call)(void *ctx, const InstrumentOp *op, u32 pc);
};

void instrument_set(const Engine *e, const Instrument *i);
/* instrument_counters - memory that blocks can count in; *count: how many. */
u64 *instrument_counters(const Engine *e, u32 *count);

/* --- for the translator --- */

/* The block as it stands, of n instructions, of which the last was left to the dispatcher (`left`): t->ops. True: it is
 * to be translated again. */
bool instrument_look(Tx *t, const PcMap *map, unsigned n, u32 pc);
/* In front of the host code of instruction t->number, which is i (NULL: it has none). */
void instrument_before(Tx *t, const Insn *i);
/* What began so far, up to and without instruction `end`, is counted from here on. */
void instrument_flush(Tx *t, unsigned end);
void instrument_finish(Tx *t); /* b is complete */
/* b was left at hpc, in front of an instruction that begins anew somewhere else. */
void instrument_left(const Block *b, const u8 *hpc);
/* Does it call in front of instruction t->number? */
bool instrument_calls(const Tx *t);

#endif
