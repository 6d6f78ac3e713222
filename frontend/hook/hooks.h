/* hooks.h - host functions called at places in the guest: -hook. See hooks.c and docs/HOOKS.md. */
#ifndef RING3_HOOKS_H
#define RING3_HOOKS_H

#include "frontend/hook/hook_guard.h"
#include "frontend/pc.h"

/* hooks_load - the lines of -hook (and of its files): parsed, libraries loaded and opened, functions and symbols found.
 * Before the sandbox and the engine. False: *p says what is wrong. */
bool hooks_load(const char *const texts[], unsigned count, Problem *p);
/* hooks_start - they hold from here on; the machine has not run yet. */
void hooks_start(Pc *pc);
/* hooks_service - in the service hook. */
void hooks_service(Pc *pc);
/* hooks_guarded - f(arg), which runs `code`, a library's. If it crashes that is said, and ring3 ends. */
void hooks_guarded(void (*f)(void *arg), void *arg, HookFunction *code);
/* hooks_end - the machine has ended; libraries hear of it. False: one crashed, which was said. */
bool hooks_end(void);

#endif
