/* slow_motion.c - see slow_motion.h.
 *
 * Steps are the debugger's: the interpreter does them, one by one, so the guest goes through the same states as ever,
 * slowly. How far one goes is asked between two instructions; the places to stop at are those at which translated code
 * would do something of interest: go to another block, or leave for C.
 */
#include "frontend/glass/slow_motion.h"

#include "frontend/debug/debugger.h"
#include "frontend/inbox.h"
#include "translator/explain.h"

static struct {
    u32 at, after; /* the instruction under way; linear addresses. After 0: none was there */
    bool ends_block;
    u64 delivered; /* interrupts and exceptions */
} last;

static struct {
    bool (*there)(const Pc *pc);
    u64 steps;
    bool arrived;
    u32 pa, bytes; /* of the block in which it began; 0 bytes: there is none */
} way;

static void note_insn(const Vcpu *c)
{
    Insn i;
    last.at = cpu_linear_pc(c);
    bool is_one = debugger_insn(c, &i);
    last.after = is_one ? last.at + i.len : 0;
    last.ends_block = !is_one || i.row->cls == XC_FLOW || i.row->cls == XC_FAR || i.row->checks & CK_ENDS;
    last.delivered = cpu_delivered(c);
}

/* The next instruction is not the one behind the last. (A repeated one is the same until it is done.) */
static bool jumped(const Pc *pc)
{
    u32 at = cpu_linear_pc(&pc->cpu);
    return at != last.after && !(at == last.at && pc->cpu.rep_stopped);
}

static bool at_branch(const Pc *pc) { return jumped(pc); }

/* The block at hand is left. The translator knows only of what has run: elsewhere a block ends as it would end one. */
static bool at_block(const Pc *pc)
{
    u32 pa;
    if (jumped(pc)) return true;
    if (!way.bytes || !lin_peek(&pc->cpu, cpu_linear_pc(&pc->cpu), &pa))
        return last.ends_block && !pc->cpu.rep_stopped;
    return pa - way.pa >= way.bytes;
}

static void note_block(const Pc *pc)
{
    Xlat *x = explain_xlat(pc->engine);
    const Block *b = x ? explain_find(x, EXPLAIN_LINEAR, cpu_linear_pc(&pc->cpu), NULL) : NULL;
    way.pa = b ? b->pa : 0;
    way.bytes = b ? b->bytes : 0;
}

/* C does the whole of the instruction at hand, as its block has it; where there is none, as its class is. */
static bool is_left_to_c(const Pc *pc)
{
    Insn i;
    Xlat *x = explain_xlat(pc->engine);
    u32 at = cpu_linear_pc(&pc->cpu);
    const Block *b = x ? explain_find(x, EXPLAIN_LINEAR, at, NULL) : NULL;
    for (unsigned n = 0; b && n < b->insns; n++)
        if (((b->pa + b->map[n].guest) ^ at) % PAGE_BYTES == 0) return b->map[n].how & HOW_C;
    if (!debugger_insn(&pc->cpu, &i)) return true;
    u8 cls = i.row->cls;
    return cls == XC_PRIV || cls == XC_IO || cls == XC_FAR || cls == XC_UD || cls == XC_INTERP;
}

/* Such an instruction is at hand, or an interrupt or exception was delivered. */
static bool at_exit(const Pc *pc)
{
    if (pc->cpu.rep_stopped) return false;
    return cpu_delivered(&pc->cpu) != last.delivered || is_left_to_c(pc);
}

static bool at_sensitive(const Pc *pc)
{
    Insn i;
    return debugger_insn(&pc->cpu, &i) && i.row->cls == XC_SENS;
}

static bool at_once(const Pc *pc)
{
    (void)pc;
    return true;
}

static bool is_there(Pc *pc)
{
    way.steps++;
    way.arrived = way.there(pc);
    note_insn(&pc->cpu);
    return way.arrived;
}

u64 slow_motion_steps(void) { return way.steps; }
bool slow_motion_arrived(void) { return way.arrived; }

bool slow_motion_do(Pc *pc, u32 verb)
{
    static bool (*const places[VERBS])(const Pc *pc) = {[VERB_STEP] = at_once,
                                                        [VERB_BRANCH] = at_branch,
                                                        [VERB_BLOCK] = at_block,
                                                        [VERB_EXIT] = at_exit,
                                                        [VERB_SENSITIVE] = at_sensitive};
    if (verb >= VERBS || pc->is_off) return false;
    if (verb == VERB_CONTINUE) {
        if (pc->paused) inbox_deliver(&(InboxEvent){.kind = INBOX_CONT});
        return false;
    }
    if (!pc->paused) {
        inbox_deliver(&(InboxEvent){.kind = INBOX_STOP});
        return false;
    }
    if (verb == VERB_PAUSE || !places[verb]) return false;
    note_insn(&pc->cpu);
    note_block(pc);
    way.there = places[verb];
    way.steps = 0;
    way.arrived = false;
    debugger_step_until(pc, SLOW_STEPS_MAX, is_there);
    return true;
}
