/* hook_guard.h - code of others, called so that its crash is a sentence and not ring3's own. See hook_guard.c. */
#ifndef RING3_HOOK_GUARD_H
#define RING3_HOOK_GUARD_H

#include "cpu/base/base.h"

typedef struct HookCrash {
    int signal;          /* 0: it came back, but not as it should have */
    bool exits;          /* ... or would not have, since it called exit() */
    const void *address; /* that it accessed; of SIGABRT: meaningless */
    char broke[120];     /* "DF set, RBX changed" */
} HookCrash;

typedef void HookFunction(void); /* a library's, to be cast to what it is */

/* hook_guard_start - from now on signals that such code raises are caught. Before the engine, which takes some over. */
void hook_guard_start(void);
/* hook_guarded - f(arg). False: it crashed, or hook_through()'s function broke the calling convention; then its library
 * must not be called again. Not within itself. */
bool hook_guarded(void (*f)(void *arg), void *arg, HookCrash *crash);
/* hook_through - to be called in place of a library's function, with its arguments, once and at once, within
 * hook_guarded(): what the function has to leave as it was is looked at when it returns (hook_thunk.S). */
HookFunction *hook_through(HookFunction *function);
/* "crashed", "broke the calling convention", "ends ring3"; "it accessed 0x10 (SIGSEGV)", "it came back with DF set" */
const char *hook_crash_verb(const HookCrash *crash);
void hook_crash_text(const HookCrash *crash, char *to, size_t room);

#endif
