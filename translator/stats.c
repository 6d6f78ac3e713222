/* stats.c - what -d stats prints at exit about the translator: how much ran translated, why it left, which rows went
 * to the interpreter. They say what to make faster next. */
#include <time.h>

#include "translator/xlat.h"

typedef void Line(const char *fmt, ...);

const char *const trap_words[SHADOW_RESULTS] = {
    [SHADOW_MAPPED] = "a page not mapped yet",
    [SHADOW_PF] = "a guest page fault",
    [SHADOW_MMIO] = "device memory",
    [SHADOW_WATCHED] = "a page that holds code or page tables",
    [SHADOW_ROM] = "ROM",
    [SHADOW_USER] = "a user page, from rings 0 to 2",
    [SHADOW_STRADDLE] = "an operand over two pages",
    [SHADOW_WRAP] = "an address around 4 GiB",
};
const char *const exit_words[EXIT_WORDS] = {
    [EXIT_DISPATCH] = "callout ended the block", [EXIT_LINK] = "exit not linked",
    [EXIT_INDIRECT] = "jump cache miss",         [EXIT_TRAP] = "trap",
    [EXIT_INTERP] = "limit or straddle",
};

static void print_shares(const Xlat *x, Line *line)
{
    u64 xl = x->c->insns_xlat, in = x->c->insns_interp, all = xl + in;
    line("instructions retired: %llu; translated %llu (%llu.%03llu %%), by the interpreter %llu",
         (unsigned long long)all, (unsigned long long)xl, (unsigned long long)(all ? xl * 100 / all : 0),
         (unsigned long long)(all ? xl * 100000 / all % 1000 : 0), (unsigned long long)in);
    u64 insns = x->stats.translated_insns, ns = x->stats.translate_ns;
    line("translated: %llu blocks, %llu instructions, %llu ms, %llu ns an instruction; killed %llu, "
         "retranslated for a trap %llu, flushes %llu",
         (unsigned long long)x->stats.translated_blocks, (unsigned long long)insns,
         (unsigned long long)(ns / 1000000), (unsigned long long)(insns ? ns / insns : 0),
         (unsigned long long)x->stats.invalidated, (unsigned long long)x->stats.retranslated,
         (unsigned long long)x->stats.flushes);
}

static void print_forms(const Xlat *x, Line *line)
{
    line("forms: %llu blocks to the window, %llu to the table, %llu look-ups by C (sampled ones included)",
         (unsigned long long)x->stats.form_turns[0], (unsigned long long)x->stats.form_turns[1],
         (unsigned long long)shadow_stats(x->shadow)->lookups);
}

static void print_exits(const Xlat *x, Line *line)
{
    line("exits by reason:");
    for (unsigned n = 1; n < ARRAY_LEN(exit_words); n++)
        line("  %12llu  %s", (unsigned long long)x->stats.exits[n], exit_words[n]);
    line("  %12llu  of the traps were polls", (unsigned long long)x->stats.polls);
    line("  %12llu  interpreted one instruction", (unsigned long long)x->stats.interp_exits);
    line("traps by reason:");
    for (unsigned n = 0; n < ARRAY_LEN(trap_words); n++)
        line("  %12llu  %s", (unsigned long long)x->stats.traps[n], trap_words[n]);
}

static void print_shadow(const Xlat *x, Line *line)
{
    const ShadowStats *s = shadow_stats(x->shadow);
    line(
        "shadow: %llu fills, %llu pages, %llu drops, %llu downgrades, %llu page-table writes (%llu mattered)",
        (unsigned long long)s->fills, (unsigned long long)s->filled_pages, (unsigned long long)s->drops,
        (unsigned long long)s->downgrades, (unsigned long long)s->pt_writes,
        (unsigned long long)s->pt_effective);
    line("shadow: %llu CR3 loads (%llu to a new space), %llu slots dropped, %llu evictions, %llu mmaps, %llu "
         "mprotects, %u VMAs, %u windows",
         (unsigned long long)s->cr3_loads, (unsigned long long)s->cr3_new,
         (unsigned long long)s->slots_dropped, (unsigned long long)s->evictions, (unsigned long long)s->mmaps,
         (unsigned long long)s->mprotects, s->vmas, s->windows);
}

/* Which instructions trapped most often. */
static void print_trap_sites(const Xlat *x, Line *line)
{
    enum { SHOWN = 24 };
    struct TrapSite *all = x->stats.trap_sites;
    if (!all) return;
    line("instructions that trapped most often:");
    for (int shown = 0; shown < SHOWN; shown++) {
        struct TrapSite *best = all;
        for (unsigned n = 0; n < TRAP_SITES; n++)
            if (all[n].count > best->count) best = &all[n];
        if (!best->count) return;
        line("  %12llu  %08x %s  %s", (unsigned long long)best->count, best->eip,
             best->write ? "writes" : "reads ", trap_words[best->result]);
        best->count = 0;
    }
}

/* The rows that were interpreted most often, one instruction at a time. */
static void print_rows(const Xlat *x, Line *line)
{
    const u64 *hits = x->c->row_hits;
    if (!hits) return;
    line("rows interpreted most often:");
    u64 below = UINT64_MAX;
    for (int shown = 0; shown < 24;) {
        u64 best = 0;
        for (unsigned n = 0; n < x86_row_count; n++)
            if (hits[n] > best && hits[n] < below) best = hits[n];
        if (!best) break;
        for (unsigned n = 0; n < x86_row_count; n++)
            if (hits[n] == best)
                line("  %12llu  %04x %-10s class %u", (unsigned long long)best, x86_rows[n].opcode,
                     x86_rows[n].name, x86_rows[n].cls),
                    shown++;
        below = best;
    }
}

void xlat_print_stats(const Engine *e, Line *line)
{
    const Xlat *x = e->ctx;
    print_shares(x, line);
    print_forms(x, line);
    print_exits(x, line);
    print_trap_sites(x, line);
    print_shadow(x, line);
    print_rows(x, line);
}
