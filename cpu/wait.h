/* wait.h - waiting loops: for the run loop, and for what touches memory and ports. See wait.c. */
#ifndef RING3_WAIT_H
#define RING3_WAIT_H

#include "cpu/cpu.h"
#include "mmu/bus.h"

/* The processor was reset: the first look comes after a while, for what ends at once is better seen translated. */
void wait_reset(Vcpu *c);
/* The host did something to the machine: devices may have changed. A look begins now and then. */
void wait_event(Vcpu *c);
/* While wait.left: the interpreter, until attention or the end of the look; true: the guest waits. Raises. */
bool wait_run(Vcpu *c);
/* How long it may sleep, guest ns; UINT64_MAX: until something happens. Valid after wait_run said so. */
u64 wait_sleep_ns(Vcpu *c);
/* It slept: look again. */
void wait_slept(Vcpu *c);
/* While wait.left, before it happens: access to a physical address, read of a port. */
void wait_touches(Vcpu *c, u32 pa, bool writes);
void wait_reads_port(Vcpu *c, u16 port, unsigned bytes);
/* An iteration of a repeated string instruction, each of which counts as one instruction. True: it was the last of the
 * look, which ends behind it. */
static inline bool wait_repeats(Vcpu *c)
{
    if (c->wait.left > 1) c->wait.left--;
    return c->wait.left == 1;
}
/* At any time: a port was written; the time-stamp counter was read. */
static inline void wait_writes_port(Vcpu *c) { c->wait.disturbed = true; }
static inline void wait_reads_clock(Vcpu *c) { c->wait.clock_read = true; }

#endif
