/* callout.h - C functions that translated code calls for one guest instruction, and what they answer.
 *
 * The answer is 0: go on behind the call; an EXIT_ reason: back to the dispatcher with it; or the host address of the
 * block at CS:EIP, which xlat_callout enters at once. The dispatcher stays out of system calls this way.
 */
#ifndef RING3_CALLOUT_H
#define RING3_CALLOUT_H

#include "translator/xlat.h"

typedef u64 CalloutFn(Vcpu *c, void *arg);

typedef struct Callout { /* argument of a callout, in the block's arena */
    Insn insn;
    Xlat *x;
} Callout;

/* The run loop is wanted: the context was not made anew. */
static inline bool callout_must_leave(const Vcpu *c)
{
    return c->halted || c->inhibit || c->poll == cpu_poll_trap;
}
/* Execute a->insn, which may change mode and control flow, and say where to go on. */
u64 callout_execute(Vcpu *c, const Callout *a);
/* The CalloutFn, with a Callout as its argument, that executes an instruction like i. */
CalloutFn *callout_for(const Insn *i);
/* The name of a function of callout.c's that is one; NULL: it is none. */
const char *callout_name(const void *function);
/* The answer that enters the block at CS:EIP of the present context. */
u64 callout_next_block(Xlat *x, Vcpu *c);
/* At t->eip, or another: call f(c, arg). */
void callout_emit_call(Tx *t, CalloutFn *f, const void *arg);
void callout_emit_call_at(Tx *t, u32 eip, CalloutFn *f, const void *arg);
/* 8 bytes at va as the processor reads its tables, but setting no accessed bit; false: not there. */
bool table_peek(const Vcpu *c, u32 va, u64 *v);

/* A load of ES, DS, FS or GS in ring 0, and what the last one did: as long as selector, descriptor and context are the
 * same, xlat_seg_load (glue.S) repeats it without C. */
typedef struct SegSite {
    u64 ctx, after; /* Vcpu.ctx before and after; SEG_UNKNOWN: nothing learnt, SEG_NEVER: do not try */
    u64 gdtr;       /* base and limit, as in Vcpu */
    u64 desc;       /* the descriptor at va */
    u64 cache[2];   /* what goes into the Segment */
    u32 sel, va;
    u32 reg;  /* offset of the Segment in Vcpu */
    u32 pop;  /* added to ESP */
    u32 next; /* EIP of the next instruction */
    CalloutFn *slow;
    Callout call;
} SegSite;
enum { SEG_UNKNOWN = 1, SEG_NEVER = 2 }; /* never a Vcpu.ctx */

/* The descriptor of r9's site could not be read: the handler aims translated code at this. */
extern const u8 xlat_seg_load[], xlat_seg_peek[], xlat_seg_miss[];

#endif
