/* inspect_answer.c - see inspect_answer.h.
 *
 * Each view is a function that writes JSON. It reads what the machine counts anyway; nothing is kept for the page, and
 * what changes over time the page finds out by asking again.
 */
#include "frontend/glass/inspect_answer.h"

#include "frontend/debug/debugger.h"
#include "frontend/debug/disasm.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/debug/symbols.h"
#include "frontend/glass/explain.h"
#include "frontend/glass/slow_motion.h"
#include "frontend/json.h"
#include "hw/ioapic.h"
#include "hw/lapic.h"
#include "hw/pic.h"
#include "translator/count.h"

enum { CODE_LINES = 10, INSN_BYTES_MAX = 15 };

static Xlat *xlat_of(const Pc *pc) { return explain_xlat(pc->engine); }

/* --- the processor --------------------------------------------------------------------------------------- */

static const char *mode_name(const Vcpu *c)
{
    if (!cpu_protected(c)) return "real mode";
    if (cpu_v86(c)) return "virtual-8086 mode";
    return cpu_code32(c) ? "protected mode, 32-bit code" : "protected mode, 16-bit code";
}

static const char *paging_name(const Vcpu *c)
{
    if (!(c->cr0 & CR0_PG)) return "off";
    return c->cr4 & CR4_PAE ? "PAE" : "32-bit";
}

static const char *state_name(const Pc *pc)
{
    if (pc->is_off) return "off";
    if (pc->paused) return "paused";
    return pc->cpu.halted ? "halted" : "running";
}

static void put_segment(Json *j, const char *name, const Segment *s)
{
    json_object(j, name);
    json_number(j, "sel", s->sel);
    json_number(j, "base", s->base);
    json_number(j, "limit", s->limit);
    json_number(j, "attr", s->attr);
    json_close(j, '}');
}

static void put_registers(Json *j, const Vcpu *c)
{
    static const char *const gpr[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const char *const seg[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    json_object(j, "registers");
    for (int n = 0; n < 8; n++) json_number(j, gpr[n], c->gpr[n]);
    json_number(j, "eip", c->eip);
    json_number(j, "eflags", c->eflags);
    json_number(j, "cr0", c->cr0);
    json_number(j, "cr2", c->cr2);
    json_number(j, "cr3", c->cr3);
    json_number(j, "cr4", c->cr4);
    json_close(j, '}');
    json_object(j, "segments");
    for (int n = 0; n < SEG_COUNT; n++) put_segment(j, seg[n], &c->seg[n]);
    put_segment(j, "ldt", &c->ldtr);
    put_segment(j, "tr", &c->tr);
    json_close(j, '}');
    json_object(j, "tables");
    json_number(j, "gdt", c->gdtr.base);
    json_number(j, "gdt_limit", c->gdtr.limit);
    json_number(j, "idt", c->idtr.base);
    json_number(j, "idt_limit", c->idtr.limit);
    json_close(j, '}');
}

/* The instructions from CS:EIP on, as memory has them. Linear: each part of a page is there or not. */
static void put_code(Json *j, const Vcpu *c, unsigned lines)
{
    u32 eip = c->eip;
    DecodeMode mode = {.code32 = cpu_code32(c) != 0,
                       .protected_mode = cpu_protected(c) && !cpu_v86(c),
                       .features = c->features};
    json_array(j, "code");
    while (lines--) {
        u8 bytes[INSN_BYTES_MAX];
        char text[300] = "(no memory there)", name[SYMBOL_TEXT];
        Insn i;
        u32 va = c->seg[CS].base + eip, n = guest_readable(c, true, va, sizeof bytes);
        if (n && !guest_read(c, true, va, bytes, n)) n = 0;
        bool is_one = n && insn_decode(&i, bytes, n, mode) == DECODE_OK;
        if (n) disasm_guest(bytes, n, eip, cpu_code32(c) ? 32 : 16, c->seg[CS].base, text, sizeof text);
        json_object(j, NULL);
        json_number(j, "va", va);
        json_number(j, "eip", eip);
        json_text(j, "symbol", symbols_at(va, name, sizeof name) ? name : NULL);
        json_bytes(j, "bytes", bytes, is_one ? i.len : n ? 1 : 0);
        json_text(j, "text", text);
        json_text(j, "class", is_one ? explain_class(i.row->cls) : NULL);
        json_close(j, '}');
        if (!n) break;
        eip += is_one ? i.len : 1;
    }
    json_close(j, ']');
}

/* --- counters -------------------------------------------------------------------------------------------- */

static void put_counts(Json *j, const char *key, const char *const *names, const u64 *counts, unsigned n)
{
    json_array(j, key);
    for (unsigned i = 0; i < n; i++) {
        if (!names[i]) continue;
        json_array(j, NULL);
        json_text(j, NULL, names[i]);
        json_number(j, NULL, counts[i]);
        json_close(j, ']');
    }
    json_close(j, ']');
}

static void put_translator(Json *j, const Xlat *x)
{
    const ShadowStats *sh = shadow_stats(x->shadow);
    const XlatStats *st = &x->stats;
    json_object(j, "translator");
    json_number(j, "blocks", st->translated_blocks);
    json_number(j, "insns", st->translated_insns);
    json_number(j, "killed", st->invalidated);
    json_number(j, "retranslated", st->retranslated);
    json_number(j, "links", st->links);
    json_number(j, "flushes", st->flushes);
    json_number(j, "translate_ns", st->translate_ns);
    json_number(j, "one_insn", st->interp_exits);
    json_number(j, "polls", st->polls);
    put_counts(j, "exits", exit_words, st->exits, EXIT_WORDS);
    put_counts(j, "traps", trap_words, st->traps, SHADOW_RESULTS);
    json_number(j, "lookups", sh->lookups);
    json_number(j, "fills", sh->fills);
    json_number(j, "pt_writes", sh->pt_writes);
    json_number(j, "cr3_loads", sh->cr3_loads);
    json_number(j, "mmaps", sh->mmaps);
    json_number(j, "mprotects", sh->mprotects);
    json_number(j, "vmas", sh->vmas);
    json_number(j, "windows", sh->windows);
    json_close(j, '}');
}

static void view_now(Json *j, Pc *pc, const InspectMessage *q)
{
    const Vcpu *c = &pc->cpu;
    (void)q;
    json_text(j, "ring3", RING3_VERSION);
    json_text(j, "name", pc->name);
    json_text(j, "state", state_name(pc));
    json_bool(j, "paused", pc->paused);
    json_text(j, "engine", c->engine->name);
    json_number(j, "host_ns", host_now_ns());
    json_number(j, "guest_ns", clock_now(machine_clock(pc->machine)));
    json_text(j, "mode", mode_name(c));
    json_text(j, "paging", paging_name(c));
    json_number(j, "ring", c->cpl);
    json_number(j, "pc", cpu_linear_pc(c));
    put_registers(j, c);
    put_code(j, c, pc->paused ? CODE_LINES : 1);
    json_number(j, "steps", slow_motion_steps());
    json_bool(j, "arrived", slow_motion_arrived());
    json_number(j, "interpreted", c->insns_interp);
    json_number(j, "interrupts", cpu_delivered(c));
    json_number(j, "wait_looks", c->wait.looks);
    json_number(j, "wait_sleeps", c->wait.sleeps);
    if (xlat_of(pc)) put_translator(j, xlat_of(pc));
}

/* --- the cache ------------------------------------------------------------------------------------------- */

static void view_cache(Json *j, Pc *pc, const InspectMessage *q)
{
    const Xlat *x = xlat_of(pc);
    (void)q;
    if (!x) return;
    const Cache *k = &x->cache;
    json_number(j, "bytes", k->bytes);
    json_number(j, "region_bytes", k->region_bytes);
    json_number(j, "meta_bytes", k->meta_bytes);
    json_number(j, "now", k->now);
    json_array(j, "regions");
    for (unsigned n = 0; n < CACHE_REGIONS; n++) {
        const Region *r = &k->region[n];
        json_object(j, NULL);
        json_number(j, "used", r->used);
        json_number(j, "meta", r->meta_used);
        json_number(j, "blocks", r->blocks);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* --- the window's pages ---------------------------------------------------------------------------------- */

static void put_parts(Json *j, const Shadow *s)
{
    static ShadowPart parts[SHADOW_PARTS];
    shadow_parts(s, parts);
    json_array(j, "parts");
    for (unsigned n = 0; n < SHADOW_PARTS; n++) {
        const ShadowPart *p = &parts[n];
        if (!p->mapped && !p->tabled) continue;
        json_object(j, NULL);
        json_number(j, "at", n);
        json_number(j, "mapped", p->mapped);
        json_number(j, "writable", p->writable);
        json_number(j, "hidden", p->hidden);
        json_number(j, "tabled", p->tabled);
        json_number(j, "code", p->code);
        json_number(j, "tables", p->tables);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void put_pages(Json *j, const Shadow *s, u32 va)
{
    static ShadowPage pages[SHADOW_PART_PAGES];
    shadow_pages(s, va, pages);
    json_number(j, "at", va & ~(u32)(SHADOW_PART_PAGES * PAGE_BYTES - 1));
    json_array(j, "pages");
    for (unsigned n = 0; n < SHADOW_PART_PAGES; n++) {
        if (!pages[n].is) continue;
        json_array(j, NULL);
        json_number(j, NULL, n);
        json_number(j, NULL, pages[n].is);
        json_number(j, NULL, pages[n].pfn);
        json_close(j, ']');
    }
    json_close(j, ']');
}

static void view_pages(Json *j, Pc *pc, const InspectMessage *q)
{
    const Xlat *x = xlat_of(pc);
    if (!x) return;
    json_text(j, "paging", paging_name(&pc->cpu));
    json_number(j, "ring", pc->cpu.cpl);
    json_number(j, "cr3", pc->cpu.cr3);
    if (q->a)
        put_pages(j, x->shadow, q->b);
    else
        put_parts(j, x->shadow);
}

/* --- devices --------------------------------------------------------------------------------------------- */

static void put_range(void *json, const IoRange *r, bool mmio, u64 count)
{
    Json *j = json;
    if (!count) return;
    json_object(j, NULL);
    json_text(j, "name", r->name);
    json_bool(j, "memory", mmio);
    json_number(j, "base", r->base);
    json_number(j, "length", r->length);
    json_number(j, "count", count);
    json_close(j, '}');
}

/* Which vectors they send now. */
static void put_apics(Json *j, const Ioapic *io, const Lapic *l)
{
    json_array(j, "ioapic");
    for (unsigned pin = 0; io && pin < IOAPIC_PINS; pin++) {
        if (io->entry[pin] & IOAPIC_MASKED) continue;
        json_array(j, NULL);
        json_number(j, NULL, io->entry[pin] & 0xff);
        json_number(j, NULL, pin);
        json_close(j, ']');
    }
    json_close(j, ']');
    if (l) json_number(j, "lapic_timer", l->lvt[LAPIC_LVT_TIMER] & 0xff);
}

static void put_vectors(Json *j, const char *name, const u64 count[256])
{
    json_array(j, name);
    for (unsigned n = 0; n < 256; n++) {
        if (!count[n]) continue;
        json_array(j, NULL);
        json_number(j, NULL, n);
        json_number(j, NULL, count[n]);
        json_close(j, ']');
    }
    json_close(j, ']');
}

static void view_devices(Json *j, Pc *pc, const InspectMessage *q)
{
    const Vcpu *c = &pc->cpu;
    const Pic *pic = machine_pic(pc->machine);
    (void)q;
    json_bool(j, "protected", cpu_protected(c));
    json_array(j, "pic");
    for (int n = 0; n < 2; n++) json_number(j, NULL, pic->chip[n].icw2 & 0xf8);
    json_close(j, ']');
    put_apics(j, machine_ioapic(pc->machine), machine_lapic(pc->machine));
    put_vectors(j, "vectors", c->int_count[1]);
    put_vectors(j, "real_vectors", c->int_count[0]);
    json_array(j, "ranges");
    bus_counts(machine_bus(pc->machine), put_range, j);
    json_close(j, ']');
}

/* --- all of them ----------------------------------------------------------------------------------------- */

static void view_hot(Json *j, Xlat *x, const InspectMessage *q)
{
    u32 most = q->a < EXPLAIN_HOT_MOST ? q->a : EXPLAIN_HOT_MOST;
    explain_json_hot(j, x, most);
}

static void view_block(Json *j, Xlat *x, const InspectMessage *q)
{
    const Block *b =
        q->b ? explain_find_exact(x, q->a, q->mode) : explain_find(x, EXPLAIN_LINEAR, q->a, NULL);
    if (b)
        explain_json_block(j, x, b);
    else
        explain_json_error(j, "no translated block has an instruction there now");
}

static bool is_explained(u16 view) { return view == INSPECT_HOT || view == INSPECT_BLOCK; }

/* What translator/explain.h knows. */
static void answer_explained(Json *j, Pc *pc, const InspectMessage *q)
{
    Xlat *x = xlat_of(pc);
    if (!x)
        explain_json_error(j, "nothing is translated: -accel interp runs the guest");
    else if (q->what == INSPECT_HOT)
        view_hot(j, x, q);
    else
        view_block(j, x, q);
}

u32 inspect_answer(Pc *pc, const InspectMessage *q, char *to, u32 room)
{
    static void (*const views[INSPECT_VIEWS])(Json * j, Pc * pc, const InspectMessage *q) = {
        [INSPECT_NOW] = view_now,
        [INSPECT_CACHE] = view_cache,
        [INSPECT_PAGES] = view_pages,
        [INSPECT_DEVICES] = view_devices,
    };
    Json j;
    json_begin(&j, to, room);
    if (is_explained(q->what)) {
        answer_explained(&j, pc, q);
        return json_end(&j);
    }
    if (q->what >= INSPECT_VIEWS || !views[q->what]) return 0;
    json_object(&j, NULL);
    views[q->what](&j, pc, q);
    json_close(&j, '}');
    return json_end(&j);
}

bool inspect_do(Pc *pc, u32 verb)
{
    if (verb != VERB_COUNT && verb != VERB_UNCOUNT) return slow_motion_do(pc, verb);
    if (xlat_of(pc)) count_set(xlat_of(pc), verb == VERB_COUNT);
    return false;
}
