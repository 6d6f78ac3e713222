/* block_pane.c - see block_pane.h.
 *
 * The window asks while its pane is open; the machine writes lines of text, and keeps the counts of the time before so
 * that it can say how often something happens in a second.
 */
#include "frontend/glass/block_pane.h"

#include <stdarg.h>
#include <stdio.h>

#include "frontend/debug/debugger.h"
#include "frontend/glass/explain.h"

enum { INSNS_SHOWN = 7, COUNTERS = 14 };
#define LEAST_NS 100000000ull /* between two texts */

typedef struct Pane {
    WindowShared *to;
    unsigned line;
    unsigned counter;
    u64 ns; /* since the last text; 0: it is the first */
} Pane;

static struct {
    u64 at_ns;
    u64 count[COUNTERS];
} last;

PRINTF(2, 3) static void put(Pane *p, const char *fmt, ...)
{
    va_list ap;
    if (p->line == WINDOW_BLOCK_LINES) return;
    va_start(ap, fmt);
    vsnprintf(p->to->block[p->line++], WINDOW_BLOCK_COLUMNS + 1, fmt, ap);
    va_end(ap);
}

/* --- the processor, and the block ------------------------------------------------------------------------ */

static void put_processor(Pane *p, const Pc *pc)
{
    const Vcpu *c = &pc->cpu;
    put(p, "%s%s, ring %u, %s",
        pc->paused  ? "paused: "
        : c->halted ? "halted: "
                    : "",
        !cpu_protected(c) ? "real mode"
        : cpu_v86(c)      ? "virtual-8086 mode"
                          : "protected mode",
        c->cpl, cpu_code32(c) ? "32-bit code" : "16-bit code");
    put(p, "EIP %08x  CR3 %08x  EFLAGS %08x", c->eip, c->cr3, c->eflags);
    put(p, "EAX %08x EBX %08x ECX %08x EDX %08x", c->gpr[EAX], c->gpr[EBX], c->gpr[ECX], c->gpr[EDX]);
    put(p, "ESI %08x EDI %08x EBP %08x ESP %08x", c->gpr[ESI], c->gpr[EDI], c->gpr[EBP], c->gpr[ESP]);
    put(p, "%s", "");
}

static void put_insn(Pane *p, Xlat *x, const Block *b, unsigned n)
{
    static ExplainInsn i;
    char text[60];
    if (!explain_insn(x, b, n, &i)) return;
    explain_guest_line(b, &i, text, sizeof text);
    put(p, "%08x %-6s %-29.29s >%3u bytes", i.eip, i.cls, text, i.host_bytes);
}

static void put_block(Pane *p, Xlat *x, const Block *b)
{
    put(p, "block of %u instructions, %u bytes > %u host bytes", b->insns, b->bytes, b->hbytes);
    for (unsigned n = 0; n < b->insns && n < INSNS_SHOWN; n++) put_insn(p, x, b, n);
    if (b->insns > INSNS_SHOWN) put(p, "  and %u more", b->insns - INSNS_SHOWN);
    put(p, "%s", "");
}

static void put_code(Pane *p, const Pc *pc, Xlat *x)
{
    char where[120];
    const Block *b = x ? explain_find(x, EXPLAIN_LINEAR, cpu_linear_pc(&pc->cpu), NULL) : NULL;
    if (b) {
        put_block(p, x, b);
        return;
    }
    debugger_where(&pc->cpu, where, sizeof where);
    put(p, "%s", x ? "no block there: the interpreter runs it" : "the interpreter runs the guest");
    put(p, "%s", where);
    put(p, "%s", "");
}

/* --- counters -------------------------------------------------------------------------------------------- */

static void put_count(Pane *p, const char *name, u64 now)
{
    CHECK(p->counter < COUNTERS, "too many counters in the pane");
    u64 *before = &last.count[p->counter++], since = now - *before;
    *before = now;
    if (p->ns)
        put(p, "%-24.24s %15llu %13llu", name, (unsigned long long)now,
            (unsigned long long)((unsigned __int128)since * 1000000000u / p->ns));
    else
        put(p, "%-24.24s %15llu", name, (unsigned long long)now);
}

/* Beneath the row of traps. */
static void put_trap(Pane *p, const Xlat *x, ShadowResult why)
{
    char name[60];
    snprintf(name, sizeof name, "  %s", trap_words[why]);
    put_count(p, name, x->stats.traps[why]);
}

static void put_counters(Pane *p, const Pc *pc, const Xlat *x)
{
    put(p, "%-24s %15s %13s", "", "in all", "a second");
    put_count(p, "interrupts, exceptions", cpu_delivered(&pc->cpu));
    put_count(p, "instructions interpreted", pc->cpu.insns_interp);
    if (!x) return;
    put_count(p, "blocks translated", x->stats.translated_blocks);
    put_count(p, "blocks killed", x->stats.invalidated);
    for (unsigned n = 0; n < EXIT_WORDS; n++)
        if (exit_words[n]) put_count(p, exit_words[n], x->stats.exits[n]);
    put_trap(p, x, SHADOW_MAPPED);
    put_trap(p, x, SHADOW_MMIO);
    put_trap(p, x, SHADOW_PF);
    put_count(p, "CR3 loads", shadow_stats(x->shadow)->cr3_loads);
}

bool block_pane_write(const Pc *pc, WindowShared *to)
{
    u64 now = host_now_ns();
    if (now - last.at_ns < LEAST_NS) return false;
    Pane p = {.to = to, .ns = last.at_ns ? now - last.at_ns : 0};
    Xlat *x = explain_xlat(pc->engine);
    last.at_ns = now;
    put_processor(&p, pc);
    put_code(&p, pc, x);
    put_counters(&p, pc, x);
    while (p.line < WINDOW_BLOCK_LINES) put(&p, "%s", "");
    atomic_fetch_add(&to->blocks, 1);
    return true;
}
