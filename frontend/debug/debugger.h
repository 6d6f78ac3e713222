/* debugger.h - the monitor's breakpoints, with numbers and conditions, and its steps; what is to happen at each stop.
 * See debugger.c. */
#ifndef RING3_DEBUGGER_H
#define RING3_DEBUGGER_H

#include "frontend/pc.h"

enum { CONDITION_BYTES = 128, POINTS_MAX = 64 };

typedef struct DebugPoint {
    unsigned number; /* 0: this place is free */
    BreakKind kind;
    u32 va, bytes; /* as in Breakpoint */
    bool has_selector;
    u16 selector; /* CS has to be this one */
    u32 hits;
    char condition[CONDITION_BYTES]; /* expr.h; empty: none */
} DebugPoint;

/* debugger_add - *point, whose number and hits are filled in. False: *p says why not; nothing was added. */
bool debugger_add(Pc *pc, DebugPoint *point, Problem *p);
/* debugger_steps - is a count of steps under way? */
bool debugger_steps(const Pc *pc);
/* debugger_remove - false: there is no such number. */
bool debugger_remove(Pc *pc, unsigned number);
/* debugger_points - the POINTS_MAX places. */
const DebugPoint *debugger_points(void);

/* debugger_step - n instructions, which may be many, from a machine that stands. */
void debugger_step(Pc *pc, u64 n);
/* debugger_step_until - the same, but no further than where `there` says so: it is asked before each instruction (and
 * each iteration of a repeated one) but the first. */
void debugger_step_until(Pc *pc, u64 n, bool (*there)(Pc *pc));
/* debugger_next - to the instruction behind the one at hand, if that calls, repeats or loops; else one step. */
void debugger_next(Pc *pc);

/* debugger_settle - steps that are under way are over: the machine was paused. */
void debugger_settle(Pc *pc);

/* debugger_service - in the service hook: is there a stop, and does it hold? Then the machine is paused, and the
 * monitors say where. */
void debugger_service(Pc *pc);
/* debugger_insn - the instruction at CS:EIP; false: none is there. */
bool debugger_insn(const Vcpu *c, Insn *i);
/* debugger_where - the instruction at CS:EIP as one line: "[0xc0123456 do_fork+0x12] 0060:c0123456: push ebp". */
enum { DEBUGGER_WHERE = 800 };
void debugger_where(const Vcpu *c, char *to, size_t room);

#endif
