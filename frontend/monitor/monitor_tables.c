/* monitor_tables.c - info gdt, idt, ldt, tss, tab, eflags: the processor's tables as text (SDM vol. 3, chapters 3 to
 * 7), and which linear memory is mapped where.
 */
#include <stdio.h>

#include "frontend/debug/guest_memory.h"
#include "frontend/monitor/monitor.h"

/* --- descriptors ----------------------------------------------------------------------------------------- */

static const char *system_name(unsigned type)
{
    static const char *const names[16] = {"reserved",
                                          "available 16-bit TSS",
                                          "LDT",
                                          "busy 16-bit TSS",
                                          "16-bit call gate",
                                          "task gate",
                                          "16-bit interrupt gate",
                                          "16-bit trap gate",
                                          "reserved",
                                          "available 32-bit TSS",
                                          "reserved",
                                          "busy 32-bit TSS",
                                          "32-bit call gate",
                                          "reserved",
                                          "32-bit interrupt gate",
                                          "32-bit trap gate"};
    return names[type & 15];
}

static bool is_gate(u32 hi) { return !(hi & 1 << 12) && ((hi >> 8 & 4) || (hi >> 8 & 15) == 5); }

static void show_gate(Command *c, u32 lo, u32 hi)
{
    bool wide = hi >> 8 & 8;
    command_say(c, "%s, target 0x%04x:0x%08x, DPL %u%s\n", system_name(hi >> 8), lo >> 16,
                wide ? (hi & 0xffff0000) | (lo & 0xffff) : lo & 0xffff, hi >> 13 & 3,
                hi & 1 << 15 ? "" : ", not present");
}

static void show_memory_segment(Command *c, u32 hi)
{
    bool code = hi & 1 << 11, big = hi & 1 << 22;
    if (code)
        command_say(c, "%u-bit code, %s%s", big ? 32 : 16, hi & 1 << 9 ? "readable" : "execute only",
                    hi & 1 << 10 ? ", conforming" : "");
    else
        command_say(c, "data, %s%s%s", hi & 1 << 9 ? "writable" : "read only",
                    hi & 1 << 10 ? ", expands down" : "", big ? ", big" : "");
    if (hi & 1 << 8) command_say(c, ", accessed");
}

static void show_descriptor(Command *c, u32 lo, u32 hi)
{
    u32 base = lo >> 16 | (hi & 0xff) << 16 | (hi & 0xff000000), limit = (lo & 0xffff) | (hi & 0xf0000);
    if (is_gate(hi)) {
        show_gate(c, lo, hi);
        return;
    }
    if (hi & 1 << 23) limit = limit << 12 | 0xfff;
    if (hi & 1 << 12)
        show_memory_segment(c, hi);
    else
        command_say(c, "%s", system_name(hi >> 8));
    command_say(c, ", base 0x%08x, limit 0x%08x, DPL %u%s\n", base, limit, hi >> 13 & 3,
                hi & 1 << 15 ? "" : ", not present");
}

/* [FIRST [LAST]], in a table of `entries` */
static bool take_range(Command *c, u32 entries, u32 *first, u32 *last)
{
    s64 from = 0, to = (s64)entries - 1;
    if (!command_at_end(c)) {
        if (!command_take_within(c, &from, 0, 0xffff, "first entry")) return false;
        to = from;
        if (!command_at_end(c) && !command_take_within(c, &to, from, 0xffff, "last entry")) return false;
    }
    *first = (u32)from;
    *last = to < (s64)entries - 1 ? (u32)to : entries - 1;
    return command_take_end(c);
}

/* Empty entries are left out. */
static void show_table(Command *c, const char *name, u32 base, u32 limit, bool gates)
{
    u32 entries = (limit + 1) / 8, first, last;
    u8 d[8];
    if (!entries) entries = 1;
    if (!take_range(c, entries, &first, &last)) return;
    command_say(c, "%s at 0x%08x, limit 0x%04x\n", name, base, limit);
    for (u32 n = first; n <= last && !command_cut_short(c); n++) {
        if (!guest_read(&c->pc->cpu, true, (u32)(base + 8 * n), d, 8)) {
            command_say(c, "%s[0x%02x]: Cannot access memory\n", name, n);
            return;
        }
        u32 lo = load32(d), hi = load32(d + 4);
        if (!lo && !hi) continue;
        command_say(c, "%s[0x%02x]: ", name, n);
        if (gates)
            show_gate(c, lo, hi);
        else
            show_descriptor(c, lo, hi);
    }
}

void info_gdt(Command *c) { show_table(c, "GDT", c->pc->cpu.gdtr.base, c->pc->cpu.gdtr.limit, false); }

void info_ldt(Command *c)
{
    const Segment *s = &c->pc->cpu.ldtr;
    if (s->attr & SEG_UNUSABLE || !(s->sel & 0xfffc))
        command_say(c, "there is no LDT\n");
    else
        show_table(c, "LDT", s->base, s->limit, false);
}

static void show_vectors(Command *c)
{
    u32 first, last;
    u8 v[4];
    if (!take_range(c, 256, &first, &last)) return;
    command_say(c, "interrupt vectors at 0x%08x\n", c->pc->cpu.idtr.base);
    for (u32 n = first; n <= last && !command_cut_short(c); n++)
        if (guest_read(&c->pc->cpu, true, (u32)(c->pc->cpu.idtr.base + 4 * n), v, 4))
            command_say(c, "INT[0x%02x]: 0x%04x:0x%04x\n", n, load16(v + 2), load16(v));
}

void info_idt(Command *c)
{
    if (cpu_protected(&c->pc->cpu))
        show_table(c, "IDT", c->pc->cpu.idtr.base, c->pc->cpu.idtr.limit, true);
    else
        show_vectors(c);
}

/* --- task state ------------------------------------------------------------------------------------------ */

void info_tss(Command *c)
{
    static const struct {
        const char *name;
        u8 at;
    } fields[] = {{"esp0", 4}, {"ss0", 8},  {"esp1", 12},   {"ss1", 16}, {"esp2", 20}, {"ss2", 24},
                  {"cr3", 28}, {"eip", 32}, {"eflags", 36}, {"eax", 40}, {"ecx", 44},  {"edx", 48},
                  {"ebx", 52}, {"esp", 56}, {"ebp", 60},    {"esi", 64}, {"edi", 68},  {"es", 72},
                  {"cs", 76},  {"ss", 80},  {"ds", 84},     {"fs", 88},  {"gs", 92},   {"ldt", 96}};
    const Segment *s = &c->pc->cpu.tr;
    u8 t[104];
    if (!command_take_end(c)) return;
    command_say(c, "TR 0x%04x, base 0x%08x, limit 0x%08x, %s\n", s->sel, s->base, s->limit,
                system_name(s->attr & 15));
    bool wide = (s->attr & 13) == 9; /* 32-bit, busy or not */
    if (!wide || !guest_read(&c->pc->cpu, true, s->base, t, sizeof t)) {
        command_say(c, wide ? "Cannot access memory\n" : "it is no 32-bit TSS\n");
        return;
    }
    command_say(c, "link 0x%04x, I/O map at 0x%04x\n", load16(t), load16(t + 102));
    for (unsigned n = 0; n < ARRAY_LEN(fields); n++)
        command_say(c, "%-6s 0x%08x%c", fields[n].name, load32(t + fields[n].at), n % 4 == 3 ? '\n' : ' ');
}

/* --- flags ----------------------------------------------------------------------------------------------- */

void info_eflags(Command *c)
{
    static const struct {
        char name[4];
        u8 bit;
    } flags[] = {{"id", 21}, {"vip", 20}, {"vif", 19}, {"ac", 18}, {"vm", 17}, {"rf", 16},
                 {"nt", 14}, {"of", 11},  {"df", 10},  {"if", 9},  {"tf", 8},  {"sf", 7},
                 {"zf", 6},  {"af", 4},   {"pf", 2},   {"cf", 0}};
    u32 f = c->pc->cpu.eflags;
    if (!command_take_end(c)) return;
    command_say(c, "eflags 0x%08x:", f);
    for (unsigned n = 0; n < ARRAY_LEN(flags); n++) {
        char name[4];
        for (unsigned k = 0; k < 4; k++)
            name[k] = (char)(f >> flags[n].bit & 1 && flags[n].name[k] ? flags[n].name[k] - 'a' + 'A'
                                                                       : flags[n].name[k]);
        command_say(c, " %s", name);
        if (flags[n].bit == 14) command_say(c, " IOPL=%u", f >> 12 & 3);
    }
    command_say(c, "\n");
}

/* --- paging ---------------------------------------------------------------------------------------------- */

/* Runs of pages that lie in a row, linearly and physically. */
void info_tab(Command *c)
{
    const Vcpu *cpu = &c->pc->cpu;
    u32 run_va = 0, run_pa = 0, pa;
    bool open = false;
    if (!command_take_end(c)) return;
    if (!(cpu->cr0 & CR0_PG)) {
        command_say(c, "paging is off: linear addresses are physical\n");
        return;
    }
    command_say(c, "cr3: 0x%08x\n", cpu->cr3);
    for (u32 page = 0; page <= 1u << 20; page++) {
        u32 va = page << PAGE_BITS;
        bool mapped = page < 1u << 20 && lin_peek(cpu, va, &pa);
        bool joins = open && mapped && pa - run_pa == va - run_va;
        if (open && !joins) {
            command_say(c, "0x%08x-0x%08x -> 0x%08x-0x%08x\n", run_va, va - 1, run_pa,
                        run_pa + (va - 1 - run_va));
            open = false;
            if (command_cut_short(c)) return;
        }
        if (mapped && !open) {
            open = true;
            run_va = va;
            run_pa = pa;
        }
    }
}
