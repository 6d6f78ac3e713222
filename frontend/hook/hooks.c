/* hooks.c - see hooks.h.
 *
 *   a line (hook_line.c) + a function of a library (hook_library.c) = a Hook, called by libffi (hook_call.c)
 *
 *   at ADDRESS    a breakpoint of BREAK_OWNER_HOOK (cpu/breakpoint.c): the engines call at_instruction() before it runs
 *   int, syscall  Vcpu.int_hook: exec_int() and exec_sysenter() call before_interrupt(), in every engine
 *   after         at the call the arguments are kept, and a breakpoint of BREAK_OWNER_RETURN stands at the return
 *
 * Which call a return belongs to: of those that go back to this address, the one whose stack begins highest below the
 * stack pointer, of the same address space (CR3), and in ring 3 of the same task (whose stacks for ring 0 and 1 the TSS
 * names: one for each thread, in Linux as elsewhere). So recursion, threads and preemption are told apart. Calls that
 * never return (exit, longjmp) are forgotten when their stack is passed, or as the oldest of WAITING_MAX.
 *
 * A library that crashes ends the machine: nobody knows what it has left behind. The disks are flushed first.
 */
#define _GNU_SOURCE
#include "frontend/hook/hooks.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/debug/guest_memory.h"
#include "frontend/debug/symbols.h"
#include "frontend/display/display.h"
#include "frontend/hook/hook_api.h"
#include "frontend/hook/hook_call.h"
#include "frontend/hook/hook_count.h"
#include "frontend/hook/hook_library.h"
#include "frontend/host/broker.h"
#include "frontend/host/tty.h"

enum { HOOKS_MAX = 64, SITES_MAX = 128, WAITING_MAX = 1024, STACK_SLACK = 1024 };

/* A call whose return somebody waits for. */
typedef struct Waiting {
    Hook *hook;
    u32 site; /* linear address that it returns to */
    u32 sp;   /* linear address of the stack's top then, at least */
    u32 cr3, task;
    HookArguments arguments;
} Waiting;

static struct {
    Pc *pc;
    Hook *hook; /* [HOOKS_MAX], in the order of the lines */
    unsigned count;
    IntHook interrupts;
    Waiting *waiting; /* [WAITING_MAX], the oldest first */
    unsigned waiting_count;
    struct ReturnSite {
        u32 va;
        u64 used;
    } site[SITES_MAX]; /* breakpoints of BREAK_OWNER_RETURN */
    unsigned sites;
    u64 uses;
    bool told_full;
} hooks;

/* --- loading --------------------------------------------------------------------------------------------- */

static bool resolve(HookLine *l, Problem *p)
{
    u32 address;
    if (!*l->symbol) return true;
    if (symbols_find(l->symbol, &address)) {
        l->address += address;
        return true;
    }
    if (!symbols_count())
        return problem_set(p, "-hook '%.150s': %.100s: no symbols; -symbols FILE loads some", l->text,
                           l->symbol);
    const char *near = symbols_suggest(l->symbol);
    if (near)
        return problem_set(p, "-hook '%.150s': %.100s: did you mean '%.100s'?", l->text, l->symbol, near);
    return problem_set(p, "-hook '%.150s': there is no symbol %.100s", l->text, l->symbol);
}

static bool load_line(const char *text, Problem *p)
{
    Hook *h = &hooks.hook[hooks.count];
    if (hooks.count == HOOKS_MAX) return problem_set(p, "-hook: more than %d lines", HOOKS_MAX);
    if (!hook_line_parse(&h->line, text, p)) return false;
    HookLibrary *l = hook_library_get(h->line.library, p);
    if (!l) return false;
    if (h->line.where == HOOK_LOAD) return hook_library_open(l, &hook_api, h->line.arguments, p);
    h->function = hook_library_function(l, h->line.function, p);
    if (!h->function || !resolve(&h->line, p)) return false;
    if (!hook_prepare(h)) return problem_set(p, "-hook '%.150s': libffi takes no such signature", text);
    hooks.count++;
    return true;
}

/* Not of what has no end, or nobody at its other one. */
static FILE *open_text(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) ? fdopen(fd, "r") : NULL;
    if (!f && fd >= 0) close(fd);
    return f;
}

/* One line a hook; empty ones and those that begin with # are none. */
static bool load_file(const char *path, Problem *p)
{
    char line[HOOK_LINE_BYTES + 2];
    Problem why;
    bool ok = true;
    FILE *f = open_text(path);
    if (!f) return problem_set(p, "-hook file=%.200s: no file that can be read", path);
    for (unsigned n = 1; ok && fgets(line, sizeof line, f); n++) {
        char *end = line + strlen(line), *at = line + strspn(line, " \t");
        bool whole = end > line && (end[-1] == '\n' || feof(f));
        while (end > line && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
            *--end = 0;
        if (whole && (at >= end || *at == '#')) continue;
        ok = whole ? load_line(at, &why)
                   : problem_set(&why, "longer than %d characters, or no text", HOOK_LINE_BYTES);
        if (!ok) problem_set(p, "%.150s:%u: %.230s", path, n, why.text);
    }
    if (ok && ferror(f)) ok = problem_set(p, "-hook file=%.200s: cannot be read", path);
    fclose(f);
    return ok;
}

/* Libraries that no `load` has opened. */
static bool open_rest(Problem *p)
{
    for (unsigned n = 0; n < hooks.count; n++) {
        HookLibrary *l = hook_library_get(hooks.hook[n].line.library, p);
        if (!l || (!l->opened && !hook_library_open(l, &hook_api, "", p))) return false;
    }
    return true;
}

bool hooks_load(const char *const texts[], unsigned count, Problem *p)
{
    static const char file[] = "file=";
    if (!count) return true;
    hooks.hook = calloc(HOOKS_MAX, sizeof *hooks.hook);
    hooks.waiting = calloc(WAITING_MAX, sizeof *hooks.waiting);
    if (!hooks.hook || !hooks.waiting) return problem_set(p, "-hook: no memory");
    hook_guard_start();
    for (unsigned n = 0; n < count; n++) {
        bool named = !strncmp(texts[n], file, sizeof file - 1);
        if (!(named ? load_file(texts[n] + sizeof file - 1, p) : load_line(texts[n], p))) return false;
    }
    return open_rest(p);
}

/* --- calling --------------------------------------------------------------------------------------------- */

static _Noreturn void crashed(const char *line, const char *library, const char *function,
                              const HookCrash *crash)
{
    char how[160];
    hook_crash_text(crash, how, sizeof how);
    tty_restore();
    say("-hook '%.150s': %.100s:%.100s %s: %s; the guest's disks are flushed, and ring3 ends", line, library,
        function, hook_crash_verb(crash), how);
    for (int id = 0; id < DRIVE_COUNT; id++) {
        Medium *m = machine_drive(hooks.pc->machine, (DriveId)id)->medium;
        if (m) medium_flush(m);
    }
    display_stop();
    broker_leave();
    _exit(1);
}

void hooks_guarded(void (*f)(void *arg), void *arg, HookFunction *code)
{
    HookCrash crash;
    Dl_info where;
    if (hook_guarded(f, arg, &crash)) return;
    if (!dladdr(*(void **)&code, &where)) where = (Dl_info){0};
    crashed("load", where.dli_fname ? where.dli_fname : "a library",
            where.dli_sname ? where.dli_sname : "a function", &crash);
}

/* The host's function; *result: what it returned. */
static HookDeeds run(Hook *h, Vcpu *c, bool interrupt, const HookArguments *a, u64 *result)
{
    HookCrash crash;
    c->wait.disturbed = true; /* what the host does is no part of a loop that waits */
    hook_api_begin(interrupt);
    if (!hook_call(h, c, a, result, &crash)) crashed(h->line.text, h->line.library, h->line.function, &crash);
    return hook_api_end();
}

/* --- returns --------------------------------------------------------------------------------------------- */

static void forget_waiting(unsigned n)
{
    hooks.waiting_count--;
    memmove(&hooks.waiting[n], &hooks.waiting[n + 1], (hooks.waiting_count - n) * sizeof *hooks.waiting);
}

/* A place for the return address `va`: the one that was not used for the longest time goes. */
static struct ReturnSite *site_get(Vcpu *c, u32 va)
{
    struct ReturnSite *oldest = &hooks.site[0];
    for (unsigned n = 0; n < hooks.sites; n++) {
        struct ReturnSite *s = &hooks.site[n];
        if (s->va == va) return s;
        if (s->used < oldest->used) oldest = s;
    }
    if (hooks.sites < SITES_MAX) {
        oldest = &hooks.site[hooks.sites++];
    } else {
        break_remove(c, oldest->va, 1, BREAK_EXEC, BREAK_OWNER_RETURN);
        for (unsigned n = hooks.waiting_count; n-- > 0;)
            if (hooks.waiting[n].site == oldest->va) forget_waiting(n);
    }
    oldest->va = va;
    if (!break_add(c, va, 1, BREAK_EXEC, BREAK_OWNER_RETURN) && !hooks.told_full) {
        hooks.told_full = true;
        say("-hook: more than %d breakpoints: some returns will not be seen", BREAKPOINTS_MAX);
    }
    break_apply(c);
    return oldest;
}

static void wait_for_return(Hook *h, Vcpu *c, u32 eip, u32 sp, const HookArguments *a)
{
    u32 va = c->seg[CS].base + eip;
    if (hooks.waiting_count == WAITING_MAX) forget_waiting(0);
    hooks.waiting[hooks.waiting_count++] =
        (Waiting){.hook = h, .site = va, .sp = sp, .cr3 = c->cr3, .task = hook_task(c), .arguments = *a};
    site_get(c, va)->used = ++hooks.uses;
    break_expect(c, va);
}

static bool is_of_here(const Waiting *w, const Vcpu *c, u32 va, u32 task)
{
    return w->site == va && w->cr3 == c->cr3 && w->task == task;
}

/* The stack of the call that returns here; false: none does. */
static bool find_return(const Vcpu *c, u32 va, u32 task, u32 *sp)
{
    u32 now = hook_stack(c);
    bool found = false;
    for (unsigned n = 0; n < hooks.waiting_count; n++) {
        const Waiting *w = &hooks.waiting[n];
        if (!is_of_here(w, c, va, task) || now - w->sp > STACK_SLACK || (found && w->sp <= *sp)) continue;
        *sp = w->sp;
        found = true;
    }
    return found;
}

/* True: some function set EIP. */
static bool returns(Vcpu *c, u32 va)
{
    u32 sp = 0, task = hook_task(c);
    u64 unused;
    bool moved = false;
    if (!hooks.waiting_count || !find_return(c, va, task, &sp)) return false;
    for (unsigned n = 0; n < hooks.waiting_count;) {
        Waiting w = hooks.waiting[n];
        if (!is_of_here(&w, c, va, task) || sp - w.sp > STACK_SLACK) {
            n++;
            continue;
        }
        forget_waiting(n);
        if (w.sp == sp)
            moved |= run(w.hook, c, false, &w.arguments, &unused).moved; /* others: their stack is gone */
    }
    return moved;
}

/* --- from the processor ---------------------------------------------------------------------------------- */

/* A function of the guest's begins. True: it does not, EIP is another. */
static bool enters(Hook *h, Vcpu *c)
{
    HookArguments a;
    u64 result = 0;
    u32 eip;
    hook_arguments(&h->line, c, false, &a);
    if (h->line.when == HOOK_AFTER) {
        if (hook_caller(c, &eip)) wait_for_return(h, c, eip, hook_stack(c) + (cpu_code32(c) ? 4 : 2), &a);
        return false;
    }
    HookDeeds deeds = run(h, c, false, &a, &result);
    if (deeds.moved) return true;
    if (h->line.when != HOOK_REPLACE || deeds.declined || !hook_return(&h->line, c)) return false;
    hook_set_result(&h->line, c, result);
    return true;
}

static bool at_instruction(void *ctx, Vcpu *c)
{
    u32 va = cpu_linear_pc(c);
    (void)ctx;
    fpu_park(c);
    if (returns(c, va)) return true;
    for (unsigned n = 0; n < hooks.count; n++) {
        Hook *h = &hooks.hook[n];
        if (h->line.where == HOOK_AT && h->line.address == va && hook_holds(&h->line, c) && enters(h, c))
            return true;
    }
    return false;
}

static bool is_for(const HookLine *l, unsigned vector)
{
    if (l->where == HOOK_SYSCALL) return vector == 0x80 || vector == HOOK_SYSENTER;
    return l->where == HOOK_INT && l->vector == vector;
}

/* Behind INT; behind SYSENTER, Linux's vDSO has an INT 80h for kernels that restart the call, and then the landing. */
static u32 landing_of(const Vcpu *c, unsigned vector)
{
    u16 next = 0;
    if (vector == HOOK_SYSENTER && guest_read(c, true, (u32)(c->seg[CS].base + c->next_eip), &next, 2) &&
        next == 0x80cd)
        return c->next_eip + 2;
    return c->next_eip;
}

/* True: it is not delivered. */
static bool interrupts(Hook *h, Vcpu *c, unsigned vector)
{
    HookArguments a;
    u64 result = 0;
    hook_arguments(&h->line, c, vector == HOOK_SYSENTER, &a);
    if (h->line.when == HOOK_AFTER) {
        wait_for_return(h, c, landing_of(c, vector), hook_stack(c), &a);
        return false;
    }
    HookDeeds deeds = run(h, c, true, &a, &result);
    if (deeds.moved) return true;
    if (h->line.when != HOOK_REPLACE || deeds.declined) return false;
    hook_set_result(&h->line, c, result);
    c->next_eip = landing_of(c, vector);
    return true;
}

static bool before_interrupt(void *ctx, Vcpu *c, unsigned vector)
{
    (void)ctx;
    fpu_park(c);
    for (unsigned n = 0; n < hooks.count; n++) {
        Hook *h = &hooks.hook[n];
        if (is_for(&h->line, vector) && hook_holds(&h->line, c) && interrupts(h, c, vector)) return true;
    }
    return false;
}

/* --- life ------------------------------------------------------------------------------------------------ */

static void watch_vector(unsigned vector) { hooks.interrupts.vectors[vector / 32] |= BIT(vector % 32); }

void hooks_start(Pc *pc)
{
    Vcpu *c = &pc->cpu;
    if (!hooks.hook) return;
    hooks.pc = pc;
    hook_api_attach(pc);
    hooks.interrupts.before = before_interrupt;
    pc->breaks.hook = at_instruction;
    for (unsigned n = 0; n < hooks.count; n++) {
        const HookLine *l = &hooks.hook[n].line;
        if (l->where == HOOK_AT) break_add(c, l->address, 1, BREAK_EXEC, BREAK_OWNER_HOOK);
        if (l->where == HOOK_INT) watch_vector(l->vector);
        if (l->where != HOOK_SYSCALL) continue;
        watch_vector(0x80);
        watch_vector(HOOK_SYSENTER);
    }
    c->int_hook = &hooks.interrupts;
    break_apply(c);
    hook_count_start(pc);
}

void hooks_service(Pc *pc) { hook_api_service(pc); }

bool hooks_end(void)
{
    Problem p;
    bool ok = hook_libraries_close(&p);
    if (!ok) say("%s", p.text);
    return ok;
}
