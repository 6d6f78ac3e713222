/* monitor_info.c - `info ...`: the machine's state as text, in QEMU's form. */
#include "cpu/fpu.h"
#include "frontend/debug/symbols.h"
#include "frontend/host/host_report.h"
#include "frontend/monitor/monitor.h"
#include "frontend/options/drive_names.h"
#include "hw/ioapic.h"
#include "hw/machine.h"
#include "hw/part.h"
#include "hw/pci.h"
#include "hw/pic.h"

/* --- processor ------------------------------------------------------------------------------------------- */

static const char *system_type(const Segment *s)
{
    static const char *const names[16] = {"Reserved",   "TSS16-avl", "LDT",       "TSS16-busy",
                                          "CallGate16", "TaskGate",  "IntGate16", "TrapGate16",
                                          "Reserved",   "TSS32-avl", "Reserved",  "TSS32-busy",
                                          "CallGate32", "Reserved",  "IntGate32", "TrapGate32"};
    return names[s->attr & 15];
}

/* The descriptor's second doubleword as it was loaded, without the base. */
static u32 descriptor_flags(const Segment *s)
{
    u32 limit = s->attr & SEG_G ? s->limit >> 12 : s->limit;
    if (s->attr & SEG_UNUSABLE) return 0;
    return (s->attr & 0xf0ff) << 8 | (limit & 0xf0000);
}

static void show_segment(Command *c, const char *name, const Segment *s)
{
    u32 a = s->attr;
    command_say(c, "%-3s=%04x %08x %08x %08x", name, s->sel, s->base, s->limit, descriptor_flags(s));
    if (!cpu_protected(&c->pc->cpu) || !(a & SEG_P) || a & SEG_UNUSABLE) {
        command_say(c, "\n");
        return;
    }
    command_say(c, " DPL=%u ", seg_dpl(s));
    if (!(a & SEG_S))
        command_say(c, "%s\n", system_type(s));
    else if (a & SEG_CODE)
        command_say(c, "CS%s [%c%c%c]\n", a & SEG_DB ? "32" : "16", a & SEG_CONFORMING ? 'C' : '-',
                    a & SEG_READABLE ? 'R' : '-', a & SEG_ACCESSED ? 'A' : '-');
    else
        command_say(c, "DS%s [%c%c%c]\n", a & SEG_DB ? "  " : "16", a & SEG_DOWN ? 'E' : '-',
                    a & SEG_WRITABLE ? 'W' : '-', a & SEG_ACCESSED ? 'A' : '-');
}

static void show_segments(Command *c)
{
    const Vcpu *v = &c->pc->cpu;
    show_segment(c, "ES", &v->seg[ES]);
    show_segment(c, "CS", &v->seg[CS]);
    show_segment(c, "SS", &v->seg[SS]);
    show_segment(c, "DS", &v->seg[DS]);
    show_segment(c, "FS", &v->seg[FS]);
    show_segment(c, "GS", &v->seg[GS]);
    show_segment(c, "LDT", &v->ldtr);
    show_segment(c, "TR", &v->tr);
    command_say(c, "GDT=     %08x %08x\n", v->gdtr.base, v->gdtr.limit);
    command_say(c, "IDT=     %08x %08x\n", v->idtr.base, v->idtr.limit);
}

static void show_fpu(Command *c)
{
    const FpuImage *f = &c->pc->cpu.fpu;
    unsigned top = f->fsw >> 11 & 7;
    command_say(c, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n", f->fcw, f->fsw, top, f->ftw, f->mxcsr);
    for (unsigned n = 0; n < 8; n++) {
        const u8 *st = f->st[(n - top) & 7];
        command_say(c, "FPR%u=%016llx %04x%c", n, (unsigned long long)load64(st), load16(st + 8),
                    n & 1 ? '\n' : ' ');
    }
    for (unsigned n = 0; n < 8; n++)
        command_say(c, "XMM%02u=%016llx %016llx%c", n, (unsigned long long)load64(f->xmm[n] + 8),
                    (unsigned long long)load64(f->xmm[n]), n & 1 ? '\n' : ' ');
}

static void info_registers(Command *c)
{
    const Vcpu *v = &c->pc->cpu;
    const u32 *r = v->gpr;
    u32 f = v->eflags;
    char name[SYMBOL_TEXT + 1];
    if (!command_take_end(c)) return;
    symbols_beside(cpu_linear_pc(v), " ", "", name, sizeof name);
    command_say(c, "\nCPU#0\nEAX=%08x EBX=%08x ECX=%08x EDX=%08x\n", r[EAX], r[EBX], r[ECX], r[EDX]);
    command_say(c, "ESI=%08x EDI=%08x EBP=%08x ESP=%08x\n", r[ESI], r[EDI], r[EBP], r[ESP]);
    command_say(c, "EIP=%08x EFL=%08x [%c%c%c%c%c%c%c] CPL=%u II=%u A20=%u SMM=0 HLT=%u%s\n", v->eip, f,
                f & FL_D ? 'D' : '-', f & FL_O ? 'O' : '-', f & FL_S ? 'S' : '-', f & FL_Z ? 'Z' : '-',
                f & FL_A ? 'A' : '-', f & FL_P ? 'P' : '-', f & FL_C ? 'C' : '-', v->cpl, v->inhibit != 0,
                v->phys->a20_mask == ~0u, v->halted, name);
    show_segments(c);
    command_say(c, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", v->cr0, v->cr2, v->cr3, v->cr4);
    command_say(c, "DR0=%08x DR1=%08x DR2=%08x DR3=%08x \n", v->dr[0], v->dr[1], v->dr[2], v->dr[3]);
    command_say(c, "DR6=%08x DR7=%08x\nEFER=%016llx\n", v->dr[6], v->dr[7], (unsigned long long)v->efer);
    show_fpu(c);
}

void word_r(Command *c) { info_registers(c); }

void word_sreg(Command *c)
{
    if (command_take_end(c)) show_segments(c);
}

/* --- board ----------------------------------------------------------------------------------------------- */

/* Of 256 vectors, those whose bits are set. */
static void show_vectors(Command *c, const char *name, const u32 set[8])
{
    command_say(c, " %s:", name);
    for (int v = 0; v < 256; v++)
        if (set[v / 32] & BIT(v % 32)) command_say(c, " %02x", v);
}

static void info_lapic(Command *c)
{
    static const char *const names[LAPIC_LVTS] = {"timer", "thermal", "perf", "lint0", "lint1", "error"};
    const Lapic *l = machine_lapic(c->pc->machine);
    if (!command_take_end(c)) return;
    if (!l) {
        command_say(c, "no local APIC\n");
        return;
    }
    command_say(
        c,
        "lapic: base=%09llx version=%08x id=%02x svr=%03x tpr=%02x ldr=%02x dfr=%x esr=%02x icr=%02x:%05x\n",
        (unsigned long long)l->base, l->version, l->id >> 24, l->svr, l->tpr, l->ldr >> 24, l->dfr >> 28,
        l->errors, l->icr_high >> 24, l->icr_low);
    command_say(c, "lvt:");
    for (int n = 0; n < LAPIC_LVTS; n++) command_say(c, " %s=%05x", names[n], l->lvt[n]);
    command_say(c, "\ntimer: initial=%u divide=%x%s\nvectors:", l->initial, l->divide,
                l->counting ? "" : " stopped");
    show_vectors(c, "isr", l->isr);
    show_vectors(c, "irr", l->irr);
    show_vectors(c, "tmr", l->tmr);
    command_say(c, "\n");
}

static void show_ioapic(Command *c, const Ioapic *a)
{
    if (!a) return;
    command_say(c, "ioapic: id=%x lines=%06x pending=%06x; pins that are open:\n", a->id >> 24, a->lines,
                a->pending);
    for (int pin = 0; pin < IOAPIC_PINS; pin++)
        if (!(a->entry[pin] & IOAPIC_MASKED))
            command_say(c, "  pin %d: %016llx\n", pin, (unsigned long long)a->entry[pin]);
}

static void info_pic(Command *c)
{
    if (!command_take_end(c)) return;
    show_ioapic(c, machine_ioapic(c->pc->machine));
    for (int n = 1; n >= 0; n--) {
        const PicChip *p = &machine_pic(c->pc->machine)->chip[n];
        command_say(c,
                    "pic%d: irr=%02x imr=%02x isr=%02x hprio=%u irq_base=%02x rr_sel=%u elcr=%02x fnm=%u\n",
                    n, p->irr, p->imr, p->isr, (p->lowest + 1u) & 7, p->icw2 & 0xf8, p->read_isr, p->elcr,
                    p->icw4 >> 4 & 1);
    }
}

static void say_line(void *ctx, const char *text) { command_say(ctx, "%s\n", text); }

static void info_parts(Command *c)
{
    const Parts *parts = machine_parts(c->pc->machine);
    char name[32];
    if (command_at_end(c)) {
        for (unsigned n = 0; n < parts->count; n++)
            command_say(c, "%-12s %016llx\n", parts->part[n].name,
                        (unsigned long long)part_hash(&parts->part[n]));
        return;
    }
    if (!command_take_text(c, name, sizeof name, "a part") || !command_take_end(c)) return;
    const Part *part = part_find(parts, name);
    if (part)
        part_show(part, say_line, c);
    else
        command_refuse(c, "no part '%s'; 'info parts' lists them", name);
}

static const char *class_name(u32 class)
{
    static const struct {
        u16 class;
        const char *name;
    } names[] = {{0x0100, "SCSI controller"},
                 {0x0101, "IDE controller"},
                 {0x0200, "Ethernet controller"},
                 {0x0300, "VGA controller"},
                 {0x0401, "Audio controller"},
                 {0x0600, "Host bridge"},
                 {0x0601, "ISA bridge"},
                 {0x0604, "PCI bridge"},
                 {0x0680, "Bridge"},
                 {0x0c03, "USB controller"},
                 {0x0c05, "SMBus"}};
    for (unsigned n = 0; n < ARRAY_LEN(names); n++)
        if (names[n].class == class) return names[n].name;
    return NULL;
}

static void show_bar(Command *c, const PciFunction *f, unsigned n)
{
    const PciBar *b = &f->bar[n];
    if (!b->bytes) return;
    bool io = b->kind & PCI_BAR_IO, off = !b->enabled;
    const char *what = io                               ? "I/O"
                       : b->kind & PCI_BAR_PREFETCHABLE ? "32 bit prefetchable memory"
                                                        : "32 bit memory";
    u64 base = off ? ~0ull : b->base, last = off ? b->bytes - 2 : b->base + (u64)b->bytes - 1;
    command_say(c,
                io || off ? "      BAR%u: %s at 0x%04llx [0x%04llx].\n"
                          : "      BAR%u: %s at 0x%08llx [0x%08llx].\n",
                n, what, (unsigned long long)base, (unsigned long long)last);
}

static void show_function(Command *c, const PciFunction *f, unsigned n)
{
    u32 class = load16(f->config + PCI_CLASS + 1), subsystem = load32(f->config + 0x2c);
    const char *name = class_name(class);
    command_say(c, "  Bus  0, device %3u, function %u:\n    ", n >> 3, n & 7);
    if (name)
        command_say(c, "%s", name);
    else
        command_say(c, "Class %04x", class);
    command_say(c, ": PCI device %04x:%04x\n", load16(f->config + PCI_VENDOR),
                load16(f->config + PCI_DEVICE));
    if (subsystem) command_say(c, "      PCI subsystem %04x:%04x\n", subsystem & 0xffff, subsystem >> 16);
    if (f->config[PCI_INTERRUPT_PIN])
        command_say(c, "      IRQ %u, pin %c\n", f->config[PCI_INTERRUPT_LINE],
                    '@' + f->config[PCI_INTERRUPT_PIN]);
    for (unsigned bar = 0; bar < PCI_BARS; bar++) show_bar(c, f, bar);
    command_say(c, "      id \"\"\n");
}

static void info_pci(Command *c)
{
    const Pci *p = machine_pci(c->pc->machine);
    if (!command_take_end(c)) return;
    for (unsigned n = 0; n < PCI_FUNCTIONS; n++)
        if (p->function[n]) show_function(c, p->function[n], n);
}

static void show_limits(Command *c, const DriveLimits *l)
{
    static const char *const names[] = {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"};
    command_say(c, "    I/O throttling:  ");
    for (unsigned n = 0; n < 2 * LIMIT_KINDS; n++)
        command_say(c, " %s=%llu", names[n],
                    (unsigned long long)(n < LIMIT_KINDS ? l->bytes[n] : l->commands[n - LIMIT_KINDS]));
    command_say(c, "\n");
}

static void show_drive(Command *c, const Drive *d, DriveId id)
{
    const Medium *m = d->medium;
    if (m)
        command_say(c, "%s: %s (%s%s)\n", drive_name(id, d->cdrom), m->name, m->format,
                    m->readonly ? ", read-only" : "");
    else
        command_say(c, "%s: [not inserted]\n", drive_name(id, d->cdrom));
    if (drive_is_removable(d))
        command_say(c, "    Removable device: %slocked, tray %s\n", d->locked ? "" : "not ",
                    d->tray_open ? "open" : "closed");
    if (m) command_say(c, "    Cache mode:       writeback\n");
    if (limits_are_set(&d->limits)) show_limits(c, &d->limits);
}

static void info_block(Command *c)
{
    bool first = true;
    if (!command_take_end(c)) return;
    for (int id = 0; id < DRIVE_COUNT; id++) {
        const Drive *d = machine_drive(c->pc->machine, (DriveId)id);
        if (!d->present) continue;
        if (!first) command_say(c, "\n");
        first = false;
        show_drive(c, d, (DriveId)id);
    }
}

static void show_range(Command *c, u64 first, u64 last, const char *kind, const char *name)
{
    command_say(c, "  %016llx-%016llx (prio 0, %s): %s\n", (unsigned long long)first,
                (unsigned long long)last, kind, name);
}

/* The last page from `pfn` on of the same kind. */
static u32 last_alike(const Phys *p, u32 pfn)
{
    u32 kind = p->pages[pfn].kind;
    while (pfn + 1 < 1u << 20 && p->pages[pfn + 1].kind == kind) pfn++;
    return pfn;
}

static void show_devices(Command *c, u32 first, u32 last)
{
    const Bus *b = machine_bus(c->pc->machine);
    for (u64 at = first; at <= last; at++) {
        u32 end;
        const IoRange *r = bus_mmio_owner(b, (u32)at, &end);
        if (end > last) end = last;
        if (r) show_range(c, at, end, "i/o", r->name);
        at = end;
    }
}

static void show_memory(Command *c)
{
    const Phys *p = c->pc->cpu.phys;
    command_say(c, "address-space: memory\n");
    for (u32 pfn = 0; pfn < 1u << 20; pfn++) {
        u32 first = pfn << PAGE_BITS, kind = p->pages[pfn].kind;
        pfn = last_alike(p, pfn);
        u32 last = pfn << PAGE_BITS | PAGE_MASK;
        if (kind == PAGE_NONE)
            show_devices(c, first, last);
        else
            show_range(c, first, last, kind == PAGE_ROM ? "rom" : "ram", kind == PAGE_ROM ? "rom" : "ram");
    }
}

static void info_mtree(Command *c)
{
    const Bus *b = machine_bus(c->pc->machine);
    command_take_flag(c, 'f'); /* it is always flat */
    if (!command_take_end(c)) return;
    show_memory(c);
    command_say(c, "\naddress-space: I/O\n");
    for (u32 port = 0, last; port < 0x10000; port = last + 1) {
        const IoRange *r = bus_port_owner(b, (u16)port, &last);
        if (r) show_range(c, port, last, "i/o", r->name);
    }
}

/* --- the rest -------------------------------------------------------------------------------------------- */

static void info_status(Command *c)
{
    const char *state = pc_run_state(c->pc);
    bool told = !strcmp(state, "running") || !strcmp(state, "paused");
    if (command_take_end(c)) command_say(c, told ? "VM status: %s\n" : "VM status: paused (%s)\n", state);
}

static void info_name(Command *c)
{
    if (command_take_end(c) && c->pc->name) command_say(c, "%s\n", c->pc->name);
}

static void info_uuid(Command *c)
{
    char text[UUID_TEXT];
    pc_uuid_text(c->pc, text);
    if (command_take_end(c)) command_say(c, "%s\n", text);
}

static void info_host(Command *c)
{
    if (command_take_end(c)) host_report(say_line, c, false);
}

static void info_version(Command *c)
{
    if (command_take_end(c)) command_say(c, "ring3 " RING3_VERSION "\n");
}

static void info_help(Command *c)
{
    for (const Word *w = info_words; w->name; w++) command_say(c, "info %s -- %s\n", w->name, w->help);
}

const Word info_words[] = {
    {"balloon", NULL, "", "how much memory the guest has, and what it tells of it", info_balloon},
    {"block", NULL, "", "drives and what is in them", info_block},
    {"break", NULL, "", "the breakpoints and watchpoints", info_break},
    {"eflags", NULL, "", "the flags; those that are set are in capitals", info_eflags},
    {"gdt", NULL, "[first [last]]", "the global descriptor table", info_gdt},
    {"help", NULL, "", "this list", info_help},
    {"host", NULL, "", "what the host has, and what ring3 uses of it", info_host},
    {"idt", NULL, "[first [last]]", "the interrupt descriptor table, or the vectors of real mode", info_idt},
    {"lapic", NULL, "", "the processor's local APIC", info_lapic},
    {"ldt", NULL, "[first [last]]", "the local descriptor table", info_ldt},
    {"mice", NULL, "", "the mouse that moves when a person's does, and the others", info_mice},
    {"migrate", NULL, "", "how far the machine is on its way to another ring3", info_migrate},
    {"migrate_parameters", NULL, "", "the limits that migrate_set_parameter sets", info_migrate_parameters},
    {"mtree", NULL, "", "who answers at which address, in memory and ports", info_mtree},
    {"name", NULL, "", "the machine's name", info_name},
    {"network", NULL, "", "the network cards, and where their cables lead", info_network},
    {"parts", NULL, "[NAME]", "the machine's parts, each with a hash of its state; one's whole state",
     info_parts},
    {"pci", NULL, "", "the functions on the PCI bus", info_pci},
    {"pic", NULL, "", "the interrupt controllers, and the I/O APIC", info_pic},
    {"registers", NULL, "", "the processor's registers", info_registers},
    {"screen", NULL, "", "the characters on the screen, and where the cursor is", info_screen},
    {"snapshots", NULL, "", "the snapshots that were kept (savevm), each below the one it came from",
     info_snapshots},
    {"status", NULL, "", "whether the machine runs", info_status},
    {"tab", NULL, "", "which linear addresses are mapped, and where", info_tab},
    {"tss", NULL, "", "the task state segment", info_tss},
    {"usernet", NULL, "", "the connections of -nic user", info_usernet},
    {"uuid", NULL, "", "the machine's number", info_uuid},
    {"version", NULL, "", "ring3's version", info_version},
    {"vnc", NULL, "", "where viewers connect to, and who did", info_vnc},
    {NULL, NULL, NULL, NULL, NULL},
};
