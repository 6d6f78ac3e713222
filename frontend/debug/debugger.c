/* debugger.c - see debugger.h.
 *
 * The layer beneath (cpu/breakpoint.c) knows places and owners. Here a place has a number, a condition and a count,
 * and a stop at one whose condition does not hold lets the machine run on at once. A place that is gdb's, too, stops
 * for gdb in any case.
 *
 * `next` sets a breakpoint of its own, OWNER_NEXT, behind the instruction. It counts when the stack is no deeper than
 * it was, so that a function that calls itself is passed over as a whole.
 */
#include "frontend/debug/debugger.h"

#include <stdio.h>

#include "frontend/debug/disasm.h"
#include "frontend/debug/expr.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/debug/register_names.h"
#include "frontend/debug/symbols.h"
#include "frontend/monitor/monitor.h"

static DebugPoint points[POINTS_MAX];
static unsigned last_number;
static u64 steps_left;        /* instructions; 0: no step of ours is under way */
static bool (*until)(Pc *pc); /* ... which ends sooner, when this says so; NULL: it does not */
static struct {
    bool set;
    u32 va, esp;
} next;

const DebugPoint *debugger_points(void) { return points; }

/* --- the set --------------------------------------------------------------------------------------------- */

static DebugPoint *free_place(void)
{
    for (unsigned n = 0; n < POINTS_MAX; n++)
        if (!points[n].number) return &points[n];
    return NULL;
}

static bool is_condition(Pc *pc, const char *text, Problem *p)
{
    bool holds;
    const char *s = text;
    if (!expr_condition(&s, &holds, register_named, &pc->cpu, p)) return false;
    return !*s || problem_set(p, "'%s' is not part of a condition", s);
}

bool debugger_add(Pc *pc, DebugPoint *point, Problem *p)
{
    DebugPoint *place = free_place();
    if (*point->condition && !is_condition(pc, point->condition, p)) return false;
    if (!place) return problem_set(p, "there are %d breakpoints already", POINTS_MAX);
    if (!break_add(&pc->cpu, point->va, point->bytes, point->kind, OWNER_MONITOR))
        return problem_set(p, "too many breakpoints, or more than %d bytes", WATCH_BYTES_MAX);
    point->number = ++last_number;
    point->hits = 0;
    *place = *point;
    break_apply(&pc->cpu);
    return true;
}

static bool is_alike(const DebugPoint *a, const DebugPoint *b)
{
    return a->number && a->va == b->va && a->kind == b->kind && a->bytes == b->bytes;
}

bool debugger_remove(Pc *pc, unsigned number)
{
    DebugPoint *gone = NULL;
    unsigned others = 0;
    for (unsigned n = 0; n < POINTS_MAX; n++)
        if (number && points[n].number == number) gone = &points[n];
    if (!gone) return false;
    gone->number = 0;
    for (unsigned n = 0; n < POINTS_MAX; n++) others += is_alike(&points[n], gone);
    if (!others) break_remove(&pc->cpu, gone->va, gone->bytes, gone->kind, OWNER_MONITOR);
    break_apply(&pc->cpu);
    return true;
}

/* --- steps ----------------------------------------------------------------------------------------------- */

void debugger_step(Pc *pc, u64 n)
{
    steps_left = n;
    until = NULL;
    pc_step(pc);
}

void debugger_step_until(Pc *pc, u64 n, bool (*there)(Pc *pc))
{
    debugger_step(pc, n);
    until = there;
}

bool debugger_steps(const Pc *pc) { return steps_left && !pc->paused; }

/* Up to an instruction's bytes at CS:EIP. */
static u32 code_at_hand(const Vcpu *c, u8 bytes[15])
{
    u32 n = guest_readable(c, true, cpu_linear_pc(c), 15);
    return guest_read(c, true, cpu_linear_pc(c), bytes, n) ? n : 0;
}

bool debugger_insn(const Vcpu *c, Insn *i)
{
    u8 bytes[15];
    DecodeMode mode = {.code32 = cpu_code32(c) != 0,
                       .protected_mode = cpu_protected(c) && !cpu_v86(c),
                       .features = c->features};
    u32 n = code_at_hand(c, bytes);
    return n && insn_decode(i, bytes, n, mode) == DECODE_OK;
}

static bool goes_and_comes_back(const Insn *i)
{
    u16 op = i->row->opcode;
    bool calls = op == 0xe8 || op == 0x9a || (op == 0xff && (i->reg == 2 || i->reg == 3));
    bool interrupts = op == 0xcc || op == 0xcd || op == 0xce;
    bool loops = op >= 0xe0 && op <= 0xe2;
    bool repeats = i->row->cls == XC_STRING && i->prefix & (PREFIX_REP | PREFIX_REPNE);
    return calls || interrupts || loops || repeats;
}

void debugger_next(Pc *pc)
{
    Vcpu *c = &pc->cpu;
    Insn i;
    if (!debugger_insn(c, &i) || !goes_and_comes_back(&i)) {
        debugger_step(pc, 1);
        return;
    }
    next.set = true;
    next.va = cpu_linear_pc(c) + i.len;
    next.esp = c->gpr[ESP];
    if (break_add(c, next.va, 1, BREAK_EXEC, OWNER_NEXT))
        pc_continue(pc);
    else
        debugger_step(pc, 1);
}

void debugger_settle(Pc *pc)
{
    steps_left = 0;
    until = NULL;
    if (next.set) break_remove_all(&pc->cpu, OWNER_NEXT);
    next.set = false;
}

/* --- stops ----------------------------------------------------------------------------------------------- */

static bool holds(Pc *pc, const DebugPoint *point)
{
    Problem p;
    bool yes = true;
    const char *s = point->condition;
    if (point->has_selector && pc->cpu.seg[CS].sel != point->selector) return false;
    return !*s || (expr_condition(&s, &yes, register_named, &pc->cpu, &p) && yes);
}

/* The points at a stop count it; the number of the first whose condition holds, or 0. */
static unsigned point_at(Pc *pc, const DebugStop *why)
{
    unsigned first = 0;
    u32 va = cpu_linear_pc(&pc->cpu), pa;
    bool mapped = lin_peek(&pc->cpu, va, &pa);
    for (unsigned n = 0; n < POINTS_MAX; n++) {
        DebugPoint *p = &points[n];
        bool here = why->kind == DEBUG_WATCH    ? p->kind == why->access && p->va == why->va
                    : p->kind == BREAK_PHYSICAL ? mapped && p->va == (pa & pc->cpu.phys->a20_mask)
                                                : p->kind == BREAK_EXEC && p->va == va;
        if (!p->number || !here) continue;
        p->hits++;
        if (!first && holds(pc, p)) first = p->number;
    }
    return first;
}

static bool owned_by_gdb(const Breakpoints *b, const DebugStop *why)
{
    for (unsigned n = 0; n < b->count; n++)
        if (b->at[n].va == why->va && b->at[n].kind == why->access &&
            (b->at[n].owner == OWNER_GDB || b->at[n].owner == OWNER_GDB_HARDWARE))
            return true;
    return false;
}

void debugger_where(const Vcpu *c, char *to, size_t room)
{
    u8 bytes[15];
    char text[DEBUGGER_WHERE / 2] = "(no memory there)", name[SYMBOL_TEXT + 1];
    u32 n = code_at_hand(c, bytes), va = cpu_linear_pc(c);
    if (n) disasm_guest(bytes, n, c->eip, cpu_code32(c) ? 32 : 16, c->seg[CS].base, text, sizeof text);
    symbols_beside(va, " ", "", name, sizeof name);
    snprintf(to, room, "[0x%08x%s] %04x:%08x: %s", va, name, c->seg[CS].sel, c->eip, text);
}

static void announce(Pc *pc, const DebugStop *why, unsigned number)
{
    char text[DEBUGGER_WHERE + 80], where[DEBUGGER_WHERE];
    debugger_where(&pc->cpu, where, sizeof where);
    if (!number)
        snprintf(text, sizeof text, "%s", where);
    else if (why->kind == DEBUG_WATCH)
        snprintf(text, sizeof text, "watchpoint %u: 0x%08x was %s\n%s", number, why->va,
                 why->access == BREAK_READ    ? "read"
                 : why->access == BREAK_WRITE ? "written"
                                              : "accessed",
                 where);
    else
        snprintf(text, sizeof text, "breakpoint %u\n%s", number, where);
    monitors_show(text);
}

void debugger_service(Pc *pc)
{
    const DebugStop why = pc->breaks.stop;
    if (!why.kind || pc->paused) return;
    bool passes = why.kind == DEBUG_STEP && (!steps_left || pc->cpu.rep_stopped); /* nothing starts here */
    unsigned number = passes ? 0 : point_at(pc, &why);
    bool stepped = why.kind == DEBUG_STEP && (steps_left == 1 || (until && !number && until(pc)));
    bool ours = steps_left || next.set;
    bool arrived =
        next.set && cpu_linear_pc(&pc->cpu) == next.va && pc->cpu.gpr[ESP] - next.esp < 0x80000000u;
    bool gdbs = why.kind == DEBUG_STEP ? !steps_left : owned_by_gdb(&pc->breaks, &why);
    if (!number && !stepped && !arrived && !gdbs) {
        if (why.kind == DEBUG_STEP) steps_left--;
        break_resume(&pc->cpu, steps_left != 0);
        return;
    }
    pc_pause(pc);
    if (number || ours) announce(pc, &why, number);
}
