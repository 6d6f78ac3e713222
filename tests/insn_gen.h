/* insn_gen.h - random guest instructions from the rows of the instruction table, for lock-step tests.
 *
 * A generator is a seed: equal seeds give equal instructions. insn_gen_row() writes one encoding of one row:
 * random prefixes (operand and address size, segment override, LOCK where allowed, the row's mandatory prefix),
 * ModRM, SIB, displacement, immediates; the result always decodes to that row.
 *
 * Random registers make wild addresses. insn_gen_aim() computes register values with which a given instruction's
 * memory operand lies at a chosen offset; insn_gen_sequence() writes MOV instructions in front that do the same
 * within a stream of code.
 */
#ifndef RING3_TESTS_INSN_GEN_H
#define RING3_TESTS_INSN_GEN_H

#include "cpu/insn.h"

typedef struct InsnGen {
    u64 seed;
    DecodeMode mode;
    u32 classes; /* BIT(XC_...) of the rows that insn_gen_any may take */
    u8 seg_first,
        seg_count;        /* segments that overrides name: seg_first .. +seg_count-1; count 0: no overrides */
    u32 data, data_bytes; /* where insn_gen_sequence aims: offsets */
} InsnGen;

enum { INSN_GEN_MAX = 15, INSN_GEN_FIXUPS = 24 /* bytes of MOVs before one instruction */ };

u32 gen_random(InsnGen *g);
u32 gen_below(InsnGen *g, u32 n); /* 0 .. n-1; n > 0 */
u32 gen_value(InsnGen *g);        /* a random number with a taste for edges: 0, 1, 7f, 8000, -1 ... */
bool gen_chance(InsnGen *g, unsigned percent);

/* Up to INSN_GEN_MAX bytes of one instruction; 0: the row has no encoding in this mode. *i is its decoded form. */
unsigned insn_gen_row(InsnGen *g, const Row *row, u8 *bytes, Insn *i);
unsigned insn_gen_any(InsnGen *g, u8 *bytes, Insn *i);

/* Change gpr so that the memory operand of i lies at `off` (modulo address size). False: it cannot (a fixed
 * address; the stack pointer is not moved); then *off says where it lies. */
bool insn_gen_aim(InsnGen *g, const Insn *i, u32 gpr[8], u32 *off);
u32 insn_gen_offset(const Insn *i, const u32 gpr[8]); /* effective offset, truncated to the address size */

/* `count` instructions, each aimed at data most of the time. Returns the number of bytes, at most
 * count * (INSN_GEN_MAX + INSN_GEN_FIXUPS). */
unsigned insn_gen_sequence(InsnGen *g, u8 *bytes, unsigned count);

#endif
