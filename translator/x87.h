/* x87.h - which x87 instruction was the last one: FIP, FCS, FDP, FDS and FOP. See x87.c. */
#ifndef RING3_X87_H
#define RING3_X87_H

#include "translator/xlat.h"

/* --- while a block is translated: instruction n of it --- */
/* In front of all code of i. */
void x87_before(Tx *t, const Insn *i, unsigned n);
/* In front of a C function that does all of the present instruction (and is reached in any case). */
void x87_call(Tx *t);
/* What the present jump is to note where it is taken; and the note, if there is anything to be noted. */
void x87_aside(const Tx *t, X87Aside *a);
bool x87_emit_aside(Tx *t, const X87Aside *a);
/* Behind i. */
void x87_after(Tx *t, const Insn *i, unsigned n);
/* In front of code that leaves the block behind its last instruction; and of what leaves instead of instruction n. */
void x87_end(Tx *t);
void x87_leave(Tx *t, unsigned n);
void x87_finish(Tx *t);

/* --- afterwards --- */
/* Vcpu.x87_settle: what a note says, to Vcpu.fpu. */
void x87_settle(Vcpu *c);
/* b (NULL: none) was left at hpc, in the middle; the guest's registers are in the Vcpu. */
void x87_settle_at(Xlat *x, const Block *b, const u8 *hpc);

#endif
