/* step.h - one host instruction, as the auditor sees it. See step.c. */
#ifndef RING3_AUDIT_STEP_H
#define RING3_AUDIT_STEP_H

#include <capstone/capstone.h>

#include "translator/audit/audit.h"
#include "translator/audit/value.h"

enum { HOST_REGISTERS = 16 };
typedef struct State {
    Value r[HOST_REGISTERS];
} State;

typedef struct Step {
    const AuditRules *rules;
    csh capstone;
    const cs_insn *insn;
    State *s;
    unsigned ids;    /* given out by this instruction */
    const char *why; /* what is wrong with it; NULL: nothing so far */
} Step;

/* Check the instruction's memory operands and registers and carry it out on the state. Control flow is the caller's. */
void step_insn(Step *step);
/* It is a jump's or call's way that is taken when rcx is 0. */
void step_rcx_is_zero(State *s);
/* Where a block begins, and behind calls: the guest's registers hold 32 bits, the scratch ones anything. */
void state_enter(State *s);
/* Would a block that is entered, or C, find the registers as they should be? The reason why not, or NULL. */
const char *state_wrong(const State *s);

#endif
