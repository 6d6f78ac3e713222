/* glass.c - the glass box's answers: engine, names of counters, the counters; listings are in glass_listing.c.
 *
 * No answer tells where anything lies in the host (docs/SECURITY.md).
 */
#include "frontend/glass/glass.h"

#include <stdarg.h>
#include <stdio.h>

#include "cpu/fpu.h"
#include "translator/xlat.h"

static void put(GlassOut *o, const void *from, u32 n)
{
    if (n > o->room - o->used) n = o->room - o->used;
    memcpy(o->to + o->used, from, n);
    o->used += n;
}

void glass_put(GlassOut *o, const char *fmt, ...)
{
    char line[400];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n < 0) return;
    put(o, line, (u32)n < sizeof line ? (u32)n : sizeof line - 1);
}

/* --- counters -------------------------------------------------------------------------------------------- */

enum { OF_CLOCK, OF_CPU, OF_XLAT, OF_SHADOW };
#define XLAT(field)   OF_XLAT, offsetof(XlatStats, field)
#define SHADOW(field) OF_SHADOW, offsetof(ShadowStats, field)
static const struct {
    const char *name; /* up to 19 characters */
    u8 of;
    size_t at;
} counters[] = {
    {"time", OF_CLOCK, 0}, /* first: guest nanoseconds */
    {"blocks translated", XLAT(translated_blocks)},
    {"insns done by C", OF_CPU, offsetof(Vcpu, insns_interp)},
    {"blocks killed", XLAT(invalidated)},
    {"retranslated (trap)", XLAT(retranslated)},
    {"traps: mapped", XLAT(traps[SHADOW_MAPPED])},
    {"traps: guest #PF", XLAT(traps[SHADOW_PF])},
    {"traps: device", XLAT(traps[SHADOW_MMIO])},
    {"traps: watched page", XLAT(traps[SHADOW_WATCHED])},
    {"traps: ROM", XLAT(traps[SHADOW_ROM])},
    {"traps: user, ring 0", XLAT(traps[SHADOW_USER])},
    {"traps: two pages", XLAT(traps[SHADOW_STRADDLE])},
    {"traps: 4 GiB wrap", XLAT(traps[SHADOW_WRAP])},
    {"to window form", XLAT(form_turns[0])},
    {"to table form", XLAT(form_turns[1])},
    {"page-table writes", SHADOW(pt_writes)},
    {"... that mattered", SHADOW(pt_effective)},
    {"exits: callout", XLAT(exits[EXIT_DISPATCH])},
    {"exits: not linked", XLAT(exits[EXIT_LINK])},
    {"exits: jump cache", XLAT(exits[EXIT_INDIRECT])},
    {"exits: trap", XLAT(exits[EXIT_TRAP])},
    {"exits: limit", XLAT(exits[EXIT_INTERP])},
    {"insns translated", XLAT(translated_insns)},
    {"table look-ups by C", SHADOW(lookups)},
    {"mappings lowered", SHADOW(downgrades)},
    {"mappings dropped", SHADOW(drops)},
    {"pages mapped", SHADOW(filled_pages)},
    {"host mmap calls", SHADOW(mmaps)},
    {"host mprotect calls", SHADOW(mprotects)},
    {"CR3 loads", SHADOW(cr3_loads)},
};

static const Xlat *translator(const Pc *pc) { return pc->engine ? pc->engine->ctx : NULL; }

static u64 counter(const Pc *pc, unsigned n)
{
    const Xlat *x = translator(pc);
    size_t at = counters[n].at;
    switch (counters[n].of) {
    case OF_CLOCK: return clock_now(machine_clock(pc->machine));
    case OF_CPU: return *(const u64 *)((const u8 *)&pc->cpu + at);
    case OF_XLAT: return x ? *(const u64 *)((const u8 *)&x->stats + at) : 0;
    default: return x ? *(const u64 *)((const u8 *)shadow_stats(x->shadow) + at) : 0;
    }
}

static void put_counters(GlassOut *o, const Pc *pc)
{
    for (unsigned n = 0; n < ARRAY_LEN(counters); n++) {
        u8 v[8];
        store64(v, counter(pc, n));
        put(o, v, sizeof v);
    }
}

static void put_names(GlassOut *o)
{
    for (unsigned n = 0; n < ARRAY_LEN(counters); n++) glass_put(o, "%s\n", counters[n].name);
}

static void put_identity(GlassOut *o, const Pc *pc)
{
    static const char *const forms[] = {
        [FORM_AUTO] = "auto", [FORM_WINDOW] = "window", [FORM_TABLE] = "table"};
    const Xlat *x = translator(pc);
    glass_put(o, GLASSBOX_NAME "\n%s\n%s\n", x ? "translate" : "interp", x ? forms[x->form_policy] : "none");
}

/* --- the box --------------------------------------------------------------------------------------------- */

static u32 answer(void *ctx, u32 what, u32 argument, u8 *to, u32 room)
{
    Pc *pc = ctx;
    GlassOut o = {.to = to, .room = room};
    fpu_park(&pc->cpu); /* printf and Capstone use it */
    switch (what) {
    case GLASSBOX_IDENTITY: put_identity(&o, pc); break;
    case GLASSBOX_NAMES: put_names(&o); break;
    case GLASSBOX_COUNTERS: put_counters(&o, pc); break;
    case GLASSBOX_EXPLAIN:
    case GLASSBOX_EXPLAIN_16: glass_listing(&o, pc, argument, what == GLASSBOX_EXPLAIN_16); break;
    default: trace(GUEST_ERRORS, "glassbox: %x is selected, which is nothing", what);
    }
    return o.used;
}

GlassboxSource glass_source(Pc *pc) { return (GlassboxSource){.write = answer, .ctx = pc}; }
