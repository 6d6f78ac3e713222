/* hook_call.h - a guest's call as a call of a host function. See hook_call.c. */
#ifndef RING3_HOOK_CALL_H
#define RING3_HOOK_CALL_H

#include <ffi.h>

#include "cpu/cpu.h"
#include "frontend/hook/hook_guard.h"
#include "frontend/hook/hook_line.h"

/* A line, with its function. */
typedef struct Hook {
    HookLine line;
    HookFunction *function;
    ffi_cif cif;
    ffi_type *types[HOOK_PARAMS];
} Hook;

/* The guest's arguments, as they were when it called. */
typedef struct HookArguments {
    u64 value[HOOK_PARAMS]; /* by parameter, if it is SOURCE_ARGUMENT */
    u32 number;             /* EAX */
} HookArguments;

/* hook_prepare - for libffi. False: it takes no such signature. */
bool hook_prepare(Hook *h);
/* hook_holds - do the line's conditions hold? */
bool hook_holds(const HookLine *l, const Vcpu *c);
/* hook_arguments - at the first instruction of a function, or at an INT; `sysenter`: EBP points to the last. */
void hook_arguments(const HookLine *l, const Vcpu *c, bool sysenter, HookArguments *a);
/* hook_call - the host's function; *result: what it returned. False: it crashed. The FPU is parked. */
bool hook_call(Hook *h, const Vcpu *c, const HookArguments *a, u64 *result, HookCrash *crash);
/* hook_set_result - as the function that was hooked would. */
void hook_set_result(const HookLine *l, Vcpu *c, u64 result);

/* The linear address of the top of the stack. */
u32 hook_stack(const Vcpu *c);
/* hook_caller - at a function's first instruction: offset of the return address in CS. False: it cannot be read. */
bool hook_caller(const Vcpu *c, u32 *eip);
/* hook_return - to the caller, whose arguments go from the stack if the convention says so. False: see there. */
bool hook_return(const HookLine *l, Vcpu *c);

#endif
