/* monitor_debug.c - the words of a debugger, as Bochs' debugger has them: s n b lb vb pb d watch bt. (r and u are in
 * monitor_info.c and monitor_memory.c.)
 *
 * Not as there: `watch` takes linear addresses, and `d` takes watchpoints away, too; `s` holds a machine that runs
 * (it is QEMU's `stop`); `x` and `p` are QEMU's; numbers are expressions ($eip, $cs.base). A breakpoint may be
 * followed by `if CONDITION`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/debug/debugger.h"
#include "frontend/debug/expr.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/debug/symbols.h"
#include "frontend/inbox.h"
#include "frontend/monitor/monitor.h"

/* --- running --------------------------------------------------------------------------------------------- */

static bool can_run(Command *c)
{
    if (!c->pc->is_off) return true;
    command_say(c, "Error: Resetting the Virtual Machine is required\n");
    return false;
}

void word_s(Command *c)
{
    s64 n = 1;
    if (!command_at_end(c) && !command_take_within(c, &n, 1, INT64_MAX, "count")) return;
    if (!command_take_end(c) || !can_run(c)) return;
    if (c->pc->paused)
        debugger_step(c->pc, (u64)n);
    else
        inbox_deliver(&(InboxEvent){.kind = INBOX_STOP});
}

void word_n(Command *c)
{
    if (!command_take_end(c) || !can_run(c)) return;
    if (c->pc->paused)
        debugger_next(c->pc);
    else
        command_say(c, "Error: the machine runs; 's' holds it\n");
}

/* --- breakpoints ----------------------------------------------------------------------------------------- */

/* "if CONDITION", or nothing. */
static bool take_condition(Command *c, DebugPoint *p)
{
    if (command_at_end(c)) return true;
    if (strncmp(c->rest, "if ", 3)) {
        command_refuse(c, "behind the address comes only 'if CONDITION'");
        return false;
    }
    c->rest += 3;
    if (strlen(c->rest) >= sizeof p->condition) {
        command_refuse(c, "a condition has at most %d characters", CONDITION_BYTES - 1);
        return false;
    }
    snprintf(p->condition, sizeof p->condition, "%s", c->rest + strspn(c->rest, " "));
    return true;
}

static void add(Command *c, DebugPoint *p)
{
    Problem problem;
    if (debugger_add(c->pc, p, &problem))
        command_say(c, "breakpoint %u\n", p->number);
    else
        command_say(c, "Error: %s\n", problem.text);
}

static void list_breakpoints(Command *c)
{
    static const char *const kinds[BREAK_KINDS] = {[BREAK_EXEC] = "linear",
                                                   [BREAK_PHYSICAL] = "physical",
                                                   [BREAK_WRITE] = "write",
                                                   [BREAK_READ] = "read",
                                                   [BREAK_ACCESS] = "access"};
    char name[SYMBOL_TEXT];
    unsigned count = 0;
    for (const DebugPoint *p = debugger_points(); p < debugger_points() + POINTS_MAX; p++) {
        if (!p->number) continue;
        if (!count++) command_say(c, "num  type      address     hits\n");
        command_say(c, "%-4u %-9s 0x%08x  %u", p->number, kinds[p->kind], p->va, p->hits);
        if (p->bytes > 1) command_say(c, "  %u bytes", p->bytes);
        if (p->has_selector) command_say(c, "  cs 0x%04x", p->selector);
        if (*p->condition) command_say(c, "  if %s", p->condition);
        if (p->kind == BREAK_EXEC && symbols_at(p->va, name, sizeof name)) command_say(c, "  %s", name);
        command_say(c, "\n");
    }
    if (!count) command_say(c, "no breakpoints\n");
}

static void break_at(Command *c, BreakKind kind)
{
    s64 at;
    DebugPoint p = {.kind = kind, .bytes = 1};
    if (command_at_end(c)) {
        list_breakpoints(c);
        return;
    }
    if (!command_take_number(c, &at) || !take_condition(c, &p)) return;
    p.va = (u32)at;
    add(c, &p);
}

void word_lb(Command *c) { break_at(c, BREAK_EXEC); }
void word_pb(Command *c) { break_at(c, BREAK_PHYSICAL); }

/* Where offset 0 of a code segment is, or would be once it is loaded. False: there is no such descriptor. */
static bool base_of_selector(const Vcpu *c, u16 sel, u32 *base)
{
    u8 d[8];
    u32 table = sel & 4 ? c->ldtr.base : c->gdtr.base, limit = sel & 4 ? c->ldtr.limit : c->gdtr.limit;
    *base = (u32)sel << 4;
    if (!cpu_protected(c) || cpu_v86(c)) return true;
    if ((sel | 7u) > limit || !guest_read(c, true, (u32)(table + (sel & ~7u)), d, 8)) return false;
    *base = load32(d + 2) & 0xffffff;
    *base |= (u32)d[7] << 24;
    return true;
}

/* SEGMENT:OFFSET */
void word_vb(Command *c)
{
    s64 sel, off;
    u32 base;
    DebugPoint p = {.kind = BREAK_EXEC, .bytes = 1, .has_selector = true};
    if (!command_take_within(c, &sel, 0, 0xffff, "segment")) return;
    if (*c->rest != ':') {
        command_refuse(c, "segment:offset expected");
        return;
    }
    c->rest++;
    if (!command_take_number(c, &off) || !take_condition(c, &p)) return;
    if (!base_of_selector(&c->pc->cpu, (u16)sel, &base)) {
        command_say(c, "Error: there is no descriptor 0x%04x\n", (u32)sel);
        return;
    }
    p.va = base + (u32)off;
    p.selector = (u16)sel;
    add(c, &p);
}

/* r|w|a ADDRESS [BYTES] [if CONDITION] */
void word_watch(Command *c)
{
    static const char letters[] = "wra";
    char how[8];
    s64 at, bytes = 1;
    if (command_at_end(c)) {
        list_breakpoints(c);
        return;
    }
    if (!command_take_text(c, how, sizeof how, "r, w or a")) return;
    const char *letter = how[1] ? NULL : strchr(letters, how[0]);
    if (!letter) {
        command_refuse(c, "r, w or a expected");
        return;
    }
    DebugPoint p = {.kind = (BreakKind)(BREAK_WRITE + (letter - letters))};
    if (!command_take_number(c, &at)) return;
    if (!command_at_end(c) && strncmp(c->rest, "if ", 3) &&
        !command_take_within(c, &bytes, 1, WATCH_BYTES_MAX, "size"))
        return;
    if (!take_condition(c, &p)) return;
    p.va = (u32)at;
    p.bytes = (u32)bytes;
    add(c, &p);
}

void word_d(Command *c)
{
    s64 n;
    if (!command_take_within(c, &n, 1, UINT32_MAX, "number") || !command_take_end(c)) return;
    if (!debugger_remove(c->pc, (unsigned)n))
        command_say(c, "Error: there is no breakpoint %u\n", (unsigned)n);
}

void info_break(Command *c)
{
    if (command_take_end(c)) list_breakpoints(c);
}

/* --- looking --------------------------------------------------------------------------------------------- */

/* Frames that keep (E)BP: each points to the caller's, with the return address behind it. */
void word_bt(Command *c)
{
    const Vcpu *cpu = &c->pc->cpu;
    u32 size = cpu_code32(cpu) ? 4 : 2, mask = cpu_stack32(cpu) ? ~0u : 0xffff, bp = cpu->gpr[EBP] & mask;
    s64 frames = 16;
    char name[SYMBOL_TEXT + 1];
    if (!command_at_end(c) && !command_take_within(c, &frames, 1, 1000, "count")) return;
    if (!command_take_end(c)) return;
    symbols_beside(cpu_linear_pc(cpu), " ", "", name, sizeof name);
    command_say(c, "(0) 0x%08x%s\n", cpu_linear_pc(cpu), name);
    for (s64 n = 1; n < frames && !command_cut_short(c); n++) {
        u32 caller = 0, back = 0;
        if (!guest_read(cpu, true, (u32)(cpu->seg[SS].base + bp), &caller, size) ||
            !guest_read(cpu, true, (u32)(cpu->seg[SS].base + bp + size), &back, size))
            return;
        u32 at = cpu->seg[CS].base + back;
        symbols_beside(at, " ", "", name, sizeof name);
        command_say(c, "(%d) 0x%08x  frame 0x%08x%s\n", (int)n, at, (u32)(cpu->seg[SS].base + bp), name);
        if (caller <= bp) return; /* the stack grows down */
        bp = caller;
    }
}
