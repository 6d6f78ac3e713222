/* hook_guard.c - see hook_guard.h.
 *
 * A hook library runs in the machine's process, on the processor's thread. SIGSEGV there may also be a hidden fault of
 * translated code or of a gate, which are known by the instruction that raised them (translator/trap.c): what is
 * left comes here. If the thread is within hook_guarded() it goes on behind that call, else the handlers that were there
 * before have it. A stack that overflowed is why there is another one for the handler. exit() there comes here, too, as a
 * function of atexit(); _exit() nobody sees.
 */
#define _GNU_SOURCE
#include "frontend/hook/hook_guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/hook/hook_thunk.h"
#include "translator/xlat.h"

enum { STACK_BYTES = 64 << 10 };

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
static struct sigaction before[ARRAY_LEN(signals)];
static _Thread_local volatile sig_atomic_t guarded;
static sigjmp_buf way_back;
static HookCrash last;

/* --- the calling convention ------------------------------------------------------------------------------ */

enum { KEPT = 7 };

typedef struct HookAbi {
    HookFunction *target;
    void *back;
    u64 flags, kept[KEPT], found[KEPT];
    u32 mxcsr, mxcsr_found;
    u16 fcw, fcw_found;
} HookAbi;
_Static_assert(offsetof(HookAbi, target) == HOOK_ABI_TARGET && offsetof(HookAbi, back) == HOOK_ABI_BACK &&
                   offsetof(HookAbi, flags) == HOOK_ABI_FLAGS && offsetof(HookAbi, kept) == HOOK_ABI_KEPT &&
                   offsetof(HookAbi, found) == HOOK_ABI_FOUND && offsetof(HookAbi, mxcsr) == HOOK_ABI_MXCSR &&
                   offsetof(HookAbi, mxcsr_found) == HOOK_ABI_MXCSR_FOUND &&
                   offsetof(HookAbi, fcw) == HOOK_ABI_FCW &&
                   offsetof(HookAbi, fcw_found) == HOOK_ABI_FCW_FOUND,
               "hook_thunk.S knows them");
extern HookAbi hook_abi;
extern HookFunction hook_thunk;
HookAbi hook_abi;

HookFunction *hook_through(HookFunction *function)
{
    hook_abi.target = function;
    return hook_thunk;
}

static void note(HookCrash *c, bool broken, const char *what)
{
    size_t n = strlen(c->broke);
    if (broken) snprintf(c->broke + n, sizeof c->broke - n, "%s%s", n ? ", " : "", what);
}

/* Did the function that was called by hook_through() come back as it should? */
static bool kept_convention(HookCrash *c)
{
    static const char names[KEPT][12] = {"RBX changed", "RBP changed", "R12 changed", "R13 changed",
                                         "R14 changed", "R15 changed", "RSP wrong"};
    enum { MXCSR_STATUS = 0x3f };
    *c = (HookCrash){0};
    if (!hook_abi.target) return true;
    hook_abi.target = NULL;
    note(c, hook_abi.flags & HOOK_FLAG_DF, "DF set");
    note(c, hook_abi.flags & HOOK_FLAG_AC, "AC set");
    for (unsigned n = 0; n < KEPT; n++) note(c, hook_abi.kept[n] != hook_abi.found[n], names[n]);
    note(c, (hook_abi.mxcsr ^ hook_abi.mxcsr_found) & ~(u32)MXCSR_STATUS, "MXCSR changed");
    note(c, hook_abi.fcw != hook_abi.fcw_found, "the x87 control word changed");
    return !*c->broke;
}

/* What crashed may have left AC set, with which ring3's own accesses fault. (The kernel clears DF and TF for a
 * signal's handler.) */
static void clear_ac(void)
{
    __asm__ volatile("pushfq; andq %0, (%%rsp); popfq" : : "i"(~HOOK_FLAG_AC) : "cc", "memory");
}

/* --- signals --------------------------------------------------------------------------------------------- */

static _Noreturn void leave(HookCrash why)
{
    guarded = 0;
    last = why;
    siglongjmp(way_back, 1);
}

static void leave_if_guarded(int sig, const void *address)
{
    if (guarded) leave((HookCrash){.signal = sig, .address = address});
}

static void on_exit_of_process(void)
{
    if (guarded) leave((HookCrash){.exits = true});
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
    leave_if_guarded(sig, si->si_addr);
    for (unsigned n = 0; n < ARRAY_LEN(signals); n++) {
        if (signals[n] != sig) continue;
        if (before[n].sa_flags & SA_SIGINFO)
            before[n].sa_sigaction(sig, si, context);
        else if (before[n].sa_handler != SIG_DFL && before[n].sa_handler != SIG_IGN)
            before[n].sa_handler(sig);
        else
            sigaction(sig, &before[n], NULL); /* it is raised again */
    }
}

void hook_guard_start(void)
{
    static u8 stack[STACK_BYTES];
    struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    for (unsigned n = 0; n < ARRAY_LEN(signals); n++) sigaction(signals[n], &a, &before[n]);
    trap_foreign = leave_if_guarded;
    CHECK(!atexit(on_exit_of_process), "no memory");
}

bool hook_guarded(void (*f)(void *arg), void *arg, HookCrash *crash)
{
    if (sigsetjmp(way_back, 0)) {
        clear_ac();
        *crash = last;
        return false;
    }
    hook_abi.target = NULL;
    guarded = 1;
    f(arg);
    guarded = 0;
    return kept_convention(crash);
}

const char *hook_crash_verb(const HookCrash *crash)
{
    if (crash->exits) return "ends ring3";
    return crash->signal ? "crashed" : "broke the calling convention";
}

void hook_crash_text(const HookCrash *crash, char *to, size_t room)
{
    const char *name = crash->signal ? sigabbrev_np(crash->signal) : NULL;
    if (crash->exits)
        snprintf(to, room, "it called exit()");
    else if (!crash->signal)
        snprintf(to, room, "it came back with %s", crash->broke);
    else if (crash->signal == SIGSEGV || crash->signal == SIGBUS)
        snprintf(to, room, "it accessed %p (SIG%s)", crash->address, name ? name : "?");
    else
        snprintf(to, room, "SIG%s", name ? name : "?");
}
