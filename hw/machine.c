/* machine.c - the board of an i440FX/PIIX3-class PC: every chip by value, and the wires between them.
 *
 * docs/DEVICES.md draws this picture and lists the ports. A line of machine_wire() is a chip with its pins; take an
 * optional one away and the board still works.
 *
 * Two ways to come up (MachineConfig.has_firmware). With firmware, reset means the chips' own reset state and the
 * firmware programs them. Without (-kernel), board_post() leaves them as a PC's firmware hands them to a kernel:
 * interrupt controllers at vectors 08h and 70h with all inputs masked, an 18.2 Hz tick, SCI level-sensitive, c0000-
 * fffff RAM, power management I/O at 600h in ACPI mode. No interrupt is pending either way.
 *
 * The clock runs through resets: RTC and PM timer go on, as with a battery and a crystal.
 */
#include "hw/machine.h"

#include <stdlib.h>

#include "hw/ac97.h"
#include "hw/debugcon.h"
#include "hw/debugexit.h"
#include "hw/dma.h"
#include "hw/es1370.h"
#include "hw/fdc.h"
#include "hw/fwcfg.h"
#include "hw/glassbox.h"
#include "hw/hpet.h"
#include "hw/i440fx.h"
#include "hw/ide.h"
#include "hw/imcr.h"
#include "hw/ioapic.h"
#include "hw/kbc.h"
#include "hw/lapic.h"
#include "hw/nic.h"
#include "hw/parallel.h"
#include "hw/part.h"
#include "hw/pci.h"
#include "hw/pic.h"
#include "hw/piix3.h"
#include "hw/piix4pm.h"
#include "hw/pit.h"
#include "hw/postcode.h"
#include "hw/rtc.h"
#include "hw/speaker_voice.h"
#include "hw/sysctl.h"
#include "hw/testdev.h"
#include "hw/uart.h"
#include "hw/vga.h"
#include "hw/vmport.h"

#include "bios/font.h"

struct Machine {
    MachineConfig config;
    MachineEvents events;
    Bus *bus;
    Phys *phys;
    Clock clock;
    Pic pic;
    Lapic lapic; /* this and the next two: where config.lapic_version is not 0 */
    Ioapic ioapic;
    Imcr imcr;
    Hpet hpet; /* where config.hpet says so */
    Pit pit;
    Rtc rtc;
    Kbc kbc;
    Vmport vmport; /* where config.vmport says so */
    bool prefers_movement;
    Speaker speaker;
    Sysctl sysctl;
    Uart uart[2];
    Parallel parallel;
    Dma dma;
    Fdc fdc;
    Pci pci;
    I440fx host_bridge;
    Piix3 isa_bridge;
    Piix4pm power;
    Ide ide;
    Nic nic[NICS_MAX]; /* where config.nic has a model */
    Sound sound;
    SpeakerVoice speaker_voice;
    Sb16 sb16;     /* where config.sb16 says so */
    Fm adlib;      /* where config.adlib does, and there is no sb16 */
    Mpu401 mpu401; /* where config.mpu401 does, and there is no sb16 */
    MidiOut midi;
    Gameport gameport; /* where config.gameport does */
    Es1370 es1370;     /* where config.es1370 does */
    Ac97 ac97;         /* where config.ac97 does */
    Balloon balloon;   /* where config.balloon does */
    Fwcfg fwcfg;
    Debugcon debugcon;
    Debugexit debug_exit;
    Postcode postcode;
    Testdev testdev;
    Glassbox glassbox;
    Vga vga;
    Parts parts; /* of those above, the ones that there are */
    Drive drive[DRIVE_COUNT];
};

/* --- wires that end outside the board -------------------------------------------------------------------- */

static void intr_changed(void *machine, int n, bool level)
{
    Machine *m = machine;
    (void)n;
    if (m->events.intr) m->events.intr(m->events.ctx, level);
}

static void nmi_pulsed(void *machine, int n, bool level)
{
    Machine *m = machine;
    (void)n;
    if (level && m->events.nmi) m->events.nmi(m->events.ctx);
}

static void init_pulsed(void *machine, int n, bool level)
{
    Machine *m = machine;
    (void)n;
    if (level && m->events.init) m->events.init(m->events.ctx);
}

static void reset_pulsed(void *machine, int n, bool level)
{
    Machine *m = machine;
    (void)n;
    if (level && m->events.reset) m->events.reset(m->events.ctx);
}

static void a20_moved(void *machine, int n, bool level)
{
    Machine *m = machine;
    bool moved = level != (m->phys->a20_mask == ~0u);
    (void)n;
    kbc_a20_changed(&m->kbc, level);
    sysctl_a20_changed(&m->sysctl, level);
    if (!moved) return;
    phys_set_a20(m->phys, level);
    if (m->events.a20) m->events.a20(m->events.ctx, level);
}

static void powered_off(void *machine)
{
    Machine *m = machine;
    if (m->events.poweroff) m->events.poweroff(m->events.ctx);
}

static void debug_exited(void *machine, u32 value)
{
    Machine *m = machine;
    if (m->events.debug_exit) m->events.debug_exit(m->events.ctx, value);
}

static void deadline_moved(void *machine, u64 guest_ns)
{
    Machine *m = machine;
    if (m->events.deadline) m->events.deadline(m->events.ctx, guest_ns);
}

static void speaker_changed(void *machine, const SpeakerEvent *event)
{
    Machine *m = machine;
    speaker_voice_event(&m->speaker_voice, event);
    if (m->events.speaker) m->events.speaker(m->events.ctx, event);
}

/* --- the wiring diagram ---------------------------------------------------------------------------------- */

static IrqLine irq(Machine *m, int n) { return piix3_isa_irq(&m->isa_bridge, n); }

static bool has_apic(const Machine *m) { return m->config.lapic_version; }

/* An interrupt as PIIX3 routed it: both kinds of controllers see it, and the system masks it in one. */
static void irq_routed(void *machine, int n, bool level)
{
    Machine *m = machine;
    pic_set_irq(&m->pic, n, level);
    ioapic_set_irq(&m->ioapic, n ? n : IOAPIC_TIMER_PIN, level);
}

/* pc-testdev's hand on a line: ISA's, or one of the I/O APIC's own pins behind them. */
static void testdev_irq(void *machine, int n, bool level)
{
    Machine *m = machine;
    IrqLine isa = irq(m, n);
    if (n < 16)
        irq_set(&isa, level);
    else if (has_apic(m))
        ioapic_set_irq(&m->ioapic, n, level);
}

static bool irq0_waits(void *machine)
{
    Machine *m = machine;
    return pic_irq0_waits(&m->pic) || (has_apic(m) && ioapic_waits(&m->ioapic, IOAPIC_TIMER_PIN));
}

/* Of the 8254's ticks. */
static bool tick_waits(void *machine)
{
    Machine *m = machine;
    return !hpet_replaces(&m->hpet) && irq0_waits(m);
}

static void ioapic_pin(void *machine, int n, bool level)
{
    ioapic_set_irq(&((Machine *)machine)->ioapic, n, level);
}

static u8 pic_inta(void *machine) { return pic_ack(&((Machine *)machine)->pic); }
static void apic_eoi(void *machine, u8 vector) { ioapic_eoi(&((Machine *)machine)->ioapic, vector); }
static void apic_accepts(void *machine) { ioapic_retry(&((Machine *)machine)->ioapic); }

/* The processor's interrupt pins: 8259 -> LINT0, NMI -> LINT1, I/O APIC -> APIC bus. */
static void apic_wire(Machine *m, IrqLine intr)
{
    LapicLines lines = {.intr = intr,
                        .nmi = {nmi_pulsed, m, 0},
                        .init = {init_pulsed, m, 0},
                        .inta = pic_inta,
                        .eoi = apic_eoi,
                        .accepts = apic_accepts,
                        .ctx = m};
    lapic_init(&m->lapic, m->config.lapic_version, m->bus, &m->clock, &lines);
    ioapic_init(&m->ioapic, m->bus, &m->lapic);
    imcr_init(&m->imcr, m->bus, (IrqLine){lapic_set_through, &m->lapic, 0});
}

/* IRQ0 and IRQ8 pass through the HPET, which may take the 8254's and the RTC's place, and it has pins of its own. */
static void hpet_wire(Machine *m, IrqLine *irq0, IrqLine *irq8)
{
    enum { OWN_PINS = 0xf00000 };
    HpetLines lines = {.replaced = {*irq0, *irq8},
                       .pin = {ioapic_pin, m, 0},
                       .pins = has_apic(m) ? OWN_PINS : 0,
                       .tick_waits = irq0_waits,
                       .ctx = m};
    if (!m->config.hpet) return;
    hpet_init(&m->hpet, m->bus, &m->clock, &lines);
    part_add(&m->parts, &hpet_part, "hpet", &m->hpet);
    *irq0 = (IrqLine){hpet_set_replaced, &m->hpet, 0};
    *irq8 = (IrqLine){hpet_set_replaced, &m->hpet, 1};
}

/* Types and geometries of the first two disks, and how the BIOS should translate each (index 39h). */
static void disks_into_cmos(Machine *m)
{
    enum { TYPES = 0x12, TYPE_0 = 0x19, PARAMETERS_0 = 0x1b, PARAMETER_BYTES = 9, TRANSLATIONS = 0x39 };
    u8 types = 0, translations = 0, how;
    Geometry g;
    for (u8 n = 0; n < 4; n++) {
        if (!ide_geometry(&m->ide, n, &g, &how)) continue;
        translations |= (u8)(how << (2 * n));
        if (n > 1) continue;
        u8 bytes[PARAMETER_BYTES] = {
            (u8)g.cylinders, (u8)(g.cylinders >> 8), (u8)g.heads,  0xff, 0xff, g.heads > 8 ? 0xc8 : 0xc0,
            (u8)g.cylinders, (u8)(g.cylinders >> 8), (u8)g.sectors};
        types |= n ? 0x0f : 0xf0;
        rtc_poke(&m->rtc, TYPE_0 + n, 47);
        for (u8 i = 0; i < PARAMETER_BYTES; i++)
            rtc_poke(&m->rtc, (u8)(PARAMETERS_0 + n * PARAMETER_BYTES + i), bytes[i]);
    }
    rtc_poke(&m->rtc, TYPES, types);
    rtc_poke(&m->rtc, TRANSLATIONS, translations);
}

/* --- parts of the board itself ---------------------------------------------------------------------------- */

/* The A20 gate, which reset opens, and the wire to the processor. */
static void board_reset(void *machine) { a20_moved(machine, 0, true); }

static void board_state(void *machine, State *s)
{
    Machine *m = machine;
    bool a20 = m->phys->a20_mask == ~0u;
    state_bool(s, "a20", &a20);
    if (s->way == STATE_LOAD && !s->problem[0]) a20_moved(m, 0, a20);
}

static void board_loaded(void *machine)
{
    Machine *m = machine;
    intr_changed(m, 0, has_apic(m) ? m->lapic.intr_level : m->pic.intr_level);
    sound_restart(&m->sound);
}

static const PartKind board_part = {
    .version = 1, .reset = board_reset, .state = board_state, .loaded = board_loaded};

/* The interrupt controllers are the last to be reset: what the others' lines do on the way leaves no request behind. */
static void interrupt_parts(Machine *m)
{
    part_add(&m->parts, &board_part, "board", m);
    part_add(&m->parts, &pic_part, "pic", &m->pic);
    if (!has_apic(m)) return;
    part_add(&m->parts, &ioapic_part, "ioapic", &m->ioapic);
    part_add(&m->parts, &lapic_part, "lapic", &m->lapic);
    part_add(&m->parts, &imcr_part, "imcr", &m->imcr);
}

/* As CMOS memory has it: without a controller there is no drive. */
static u8 floppy_type(const Machine *m, DriveId drive)
{
    return part_find(&m->parts, "fdc") ? floppy_cmos_type(&m->drive[drive]) : 0;
}

static bool vga_wire(Machine *m)
{
    const MachineConfig *c = &m->config;
    if (c->no_vga) return true;
    if (!vga_init(&m->vga, m->bus, &m->pci, m->phys, &m->clock, c->screen)) return false;
    if (c->vga_rom_bytes) vga_set_rom(&m->vga, c->vga_rom, c->vga_rom_bytes);
    part_add(&m->parts, &vga_part, "vga", &m->vga);
    return true;
}

enum { NIC_SLOT = 3 }; /* and those behind it */

static void network_wire(Machine *m)
{
    for (unsigned n = 0; n < NICS_MAX; n++) {
        const NicConfig *c = &m->config.nic[n];
        unsigned slot = NIC_SLOT + n;
        NicSlot at = {&m->pci,
                      slot,
                      m->bus,
                      m->phys,
                      &m->clock,
                      piix3_pci_irq(&m->isa_bridge, slot, 1),
                      piix3_card_irq(&m->isa_bridge, c->irq ? c->irq : NIC_ISA_IRQ)};
        if (c->model == NIC_NONE) continue;
        nic_init(&m->nic[n], c, &at, n);
        nic_part_add(&m->nic[n], &m->parts);
    }
}

static void sound_cards_wire(Machine *m)
{
    const Sb16Config *c = &m->config.sb16;
    Piix3 *isa = &m->isa_bridge;
    IrqLine irqs[SB16_IRQS] = {piix3_sound_irq(isa, 9), piix3_sound_irq(isa, 5), piix3_sound_irq(isa, 7),
                               piix3_sound_irq(isa, 10)};
    if (c->present) {
        sb16_init(&m->sb16, c, m->bus, &m->clock, &m->dma, &m->sound, &m->midi, irqs);
        part_add(&m->parts, &sb16_part, "sb16", &m->sb16);
    } else if (m->config.adlib) {
        fm_init(&m->adlib, m->bus, &m->clock, &m->sound);
        part_add(&m->parts, &fm_part, "adlib", &m->adlib);
    }
    if (m->config.mpu401.present && !c->present) {
        const Mpu401Config *mpu = &m->config.mpu401;
        mpu401_init(&m->mpu401, m->bus, mpu->iobase, &m->clock, &m->midi, piix3_sound_irq(isa, mpu->irq));
        part_add(&m->parts, &mpu401_part, "mpu401", &m->mpu401);
    }
    if (m->config.gameport) {
        gameport_init(&m->gameport, m->bus, &m->clock);
        part_add(&m->parts, &gameport_part, "gameport", &m->gameport);
    }
}

enum { ES1370_SLOT = NIC_SLOT + NICS_MAX, AC97_SLOT, BALLOON_SLOT };

static void pci_sound_wire(Machine *m)
{
    Piix3 *isa = &m->isa_bridge;
    if (m->config.es1370) {
        es1370_init(&m->es1370, &m->pci, ES1370_SLOT, m->bus, m->phys, &m->clock, &m->sound,
                    piix3_pci_irq(isa, ES1370_SLOT, 1));
        part_add(&m->parts, &es1370_part, "es1370", &m->es1370);
    }
    if (m->config.ac97) {
        ac97_init(&m->ac97, &m->pci, AC97_SLOT, m->bus, m->phys, &m->clock, &m->sound,
                  piix3_pci_irq(isa, AC97_SLOT, 1));
        part_add(&m->parts, &ac97_part, "ac97", &m->ac97);
    }
}

static void balloon_wire(Machine *m)
{
    const VirtioSlot at = {&m->pci, BALLOON_SLOT, m->bus, m->phys,
                           piix3_pci_irq(&m->isa_bridge, BALLOON_SLOT, 1)};
    if (!m->config.balloon.present) return;
    balloon_init(&m->balloon, &m->config.balloon, &at, &m->clock, m->config.ram_bytes);
    part_add(&m->parts, &balloon_part, "balloon", &m->balloon);
}

static u32 *cpu_registers(void *machine)
{
    Machine *m = machine;
    return m->events.registers ? m->events.registers(m->events.ctx) : NULL;
}

static void mouse_nudged(void *machine) { kbc_nudge(&((Machine *)machine)->kbc); }

static void vmport_wire(Machine *m)
{
    const VmportLines lines = {.registers = cpu_registers, .nudge = mouse_nudged, .ctx = m};
    if (!m->config.vmport) return;
    vmport_init(&m->vmport, m->bus, &m->clock, &lines);
    m->vmport.ram_bytes = m->config.ram_bytes;
    m->vmport.rtc_base_unix_s = m->config.rtc_base_unix_s;
    part_add(&m->parts, &vmport_part, "vmport", &m->vmport);
}

/* What only test kernels and the tour look for. */
static void test_parts(Machine *m)
{
    const MachineConfig *c = &m->config;
    if (c->debugcon) debugcon_init(&m->debugcon, m->bus, c->debugcon_port, c->debugcon);
    if (c->debug_exit)
        debugexit_init(&m->debug_exit, m->bus, c->debug_exit_iobase, c->debug_exit_iosize, debug_exited, m);
    if (c->postcode) {
        postcode_init(&m->postcode, m->bus, c->postcode_port);
        part_add(&m->parts, &postcode_part, "post", &m->postcode);
    }
    if (c->glassbox) {
        glassbox_init(&m->glassbox, m->bus, c->glassbox);
        part_add(&m->parts, &glassbox_part, "glassbox", &m->glassbox);
    }
    if (c->testdev) {
        testdev_init(&m->testdev, m->bus, (IrqLine){testdev_irq, m, 0});
        part_add(&m->parts, &testdev_part, "testdev", &m->testdev);
    }
}

static bool machine_wire(Machine *m)
{
    const MachineConfig *c = &m->config;
    bool configured = !c->has_firmware;
    Bus *bus = m->bus;
    Clock *clock = &m->clock;
    Parts *parts = &m->parts;
    IrqLine intr = {intr_changed, m, 0}, reset = {reset_pulsed, m, 0}, a20 = {a20_moved, m, 0};
    IrqLine routed = {pic_set_irq, &m->pic, 0};
    KbcLines keyboard = {.irq1 = irq(m, 1), .irq12 = irq(m, 12), .reset = reset, .a20 = a20};

    part_add(parts, &clock_part, "clock", clock);
    pci_init(&m->pci, bus);
    part_add(parts, &pci_part, "pci", &m->pci);
    i440fx_init(&m->host_bridge, &m->pci, m->phys, configured);
    part_add(parts, &i440fx_part, "i440fx", &m->host_bridge);
    if (has_apic(m)) {
        apic_wire(m, intr);
        intr = (IrqLine){lapic_set_lint, &m->lapic, 0};
        routed = (IrqLine){irq_routed, m, 0};
    }
    pic_init(&m->pic, bus, intr);
    piix3_init(&m->isa_bridge, &m->pci, bus, reset, routed);
    part_add(parts, &piix3_part, "piix3", &m->isa_bridge);
    IrqLine irq0 = irq(m, 0), irq8 = irq(m, 8);
    hpet_wire(m, &irq0, &irq8);
    piix4pm_init(&m->power, &m->pci, bus, clock, irq(m, PIIX4PM_SCI_IRQ), configured, powered_off, m);
    part_add(parts, &piix4pm_part, "piix4pm", &m->power);
    ide_init(&m->ide, &m->pci, bus, m->phys, clock, m->drive + DRIVE_IDE_0, irq(m, 14), irq(m, 15),
             configured);
    part_add(parts, &ide_part, "ide", &m->ide);
    network_wire(m);
    fwcfg_init(&m->fwcfg, bus, c->ram_bytes);
    part_add(parts, &fwcfg_part, "fwcfg", &m->fwcfg);
    dma_init(&m->dma, bus, m->phys);
    part_add(parts, &dma_part, "dma", &m->dma);
    fdc_init(&m->fdc, bus, clock, &m->dma, irq(m, 6), &m->drive[DRIVE_FLOPPY_A], &m->drive[DRIVE_FLOPPY_B]);
    part_add(parts, &fdc_part, "fdc", &m->fdc);
    uart_init(&m->uart[0], bus, 0x3f8, clock, c->serial[0], irq(m, 4), "com1");
    part_add(parts, &uart_part, "com1", &m->uart[0]);
    uart_init(&m->uart[1], bus, 0x2f8, clock, c->serial[1], irq(m, 3), "com2");
    part_add(parts, &uart_part, "com2", &m->uart[1]);
    parallel_init(&m->parallel, bus, 0x378, clock, c->parallel, irq(m, 7), "lpt1");
    part_add(parts, &parallel_part, "lpt1", &m->parallel);
    kbc_init(&m->kbc, bus, clock, &keyboard);
    part_add(parts, &kbc_part, "kbc", &m->kbc);
    vmport_wire(m);
    pit_init(&m->pit, bus, clock, irq0);
    pit_watch_tick(&m->pit, tick_waits, m);
    part_add(parts, &pit_part, "pit", &m->pit);
    sound_init(&m->sound, clock);
    speaker_voice_init(&m->speaker_voice, &m->sound);
    speaker_init(&m->speaker, &m->pit, clock, speaker_changed, m);
    part_add(parts, &speaker_part, "speaker", &m->speaker);
    sound_cards_wire(m);
    pci_sound_wire(m);
    balloon_wire(m);
    if (!vga_wire(m)) return false;
    sysctl_init(&m->sysctl, bus, &m->pit, &m->speaker, reset, a20, irq(m, 13));
    part_add(parts, &sysctl_part, "sysctl", &m->sysctl);
    rtc_init(&m->rtc, bus, clock, irq8, c->rtc_base_unix_s);
    part_add(parts, &rtc_part, "rtc", &m->rtc);
    for (unsigned n = 0; c->cmos && n < sizeof m->rtc.cmos; n++) rtc_poke(&m->rtc, (u8)n, c->cmos[n]);
    test_parts(m);
    interrupt_parts(m);
    disks_into_cmos(m);
    rtc_set_memory_size(&m->rtc, c->ram_bytes);
    rtc_set_equipment(&m->rtc, floppy_type(m, DRIVE_FLOPPY_A), floppy_type(m, DRIVE_FLOPPY_B));
    return true;
}

/* --- reset ----------------------------------------------------------------------------------------------- */

/* The local APIC on, as a virtual wire for the 8259 and NMI; the I/O APIC with the ID that the tables say. */
static void apic_post(Machine *m)
{
    static const struct {
        u32 pa, value;
    } writes[] = {
        {(u32)LAPIC_DEFAULT_PA + 0x0f0, 0x1ff}, /* SVR */
        {(u32)LAPIC_DEFAULT_PA + 0x350, 0x700}, /* LINT0: ExtINT */
        {(u32)LAPIC_DEFAULT_PA + 0x360, 0x400}, /* LINT1: NMI */
        {(u32)IOAPIC_PA, 0},
        {(u32)IOAPIC_PA + 0x10, IOAPIC_ID << 24},
    };
    for (unsigned i = 0; i < ARRAY_LEN(writes); i++) bus_mmio_write(m->bus, writes[i].pa, writes[i].value, 4);
}

enum {
    POST_NAM = 0xd400,
    POST_NABM = 0xd500,
    POST_ES1370 = 0xd540,
    POST_BALLOON = 0xd580
}; /* behind the network cards (nic.c) */

/* What firmware would have written to the ISA chips before it starts a kernel. */
static void board_post(Machine *m)
{
    static const struct {
        u16 port;
        u8 value;
    } writes[] = {
        {0x20, 0x11},  {0x21, 0x08},  {0x21, 0x04}, {0x21, 0x01}, {0x21, 0xff}, /* ICW1-4, OCW1 */
        {0xa0, 0x11},  {0xa1, 0x70},  {0xa1, 0x02}, {0xa1, 0x01}, {0xa1, 0xff},
        {0x4d0, 0x00}, {0x4d1, 0x02},               /* SCI is a level */
        {0x43, 0x34},  {0x40, 0x00},  {0x40, 0x00}, /* IRQ0 at 18.2 Hz */
        {0x43, 0x54},  {0x41, 0x12},                /* DRAM refresh */
        {0xd6, 0xc0},  {0xd4, 0x00},                /* DMA: cascade */
    };
    for (unsigned i = 0; i < ARRAY_LEN(writes); i++) bus_port_out(m->bus, writes[i].port, writes[i].value, 1);
    if (has_apic(m)) apic_post(m);
    for (unsigned n = 0; n < NICS_MAX; n++)
        if (machine_net(m, n)) nic_post(&m->nic[n], n);
    if (m->config.es1370) es1370_post(&m->es1370, POST_ES1370);
    if (m->config.ac97) ac97_post(&m->ac97, POST_NAM, POST_NABM);
    if (m->config.balloon.present) balloon_post(&m->balloon, POST_BALLOON);
    if (!m->config.no_vga) vga_post(&m->vga, font_8x16);
}

/* The image's end lies under 4 GiB, where the processor starts, and once more under 1 MiB, as the chipset decodes it. What
 * a guest made of the lower copy (shadow RAM) is gone after a reset. */
static void bios_place(Machine *m)
{
    enum { LOW_WINDOW = 128 << 10, MIB = 1 << 20 };
    const u8 *image = m->config.bios;
    u32 bytes = m->config.bios_bytes, low = bytes < LOW_WINDOW ? bytes : LOW_WINDOW;
    if (!image) return;
    if (!phys_hp(m->phys, 0u - bytes)) phys_add_rom(m->phys, 0u - bytes, image, bytes);
    phys_add_rom(m->phys, MIB - low, image + bytes - low, low);
}

void machine_reset(Machine *m)
{
    parts_reset(&m->parts);
    bios_place(m);
    if (!m->config.has_firmware) board_post(m);
}

/* --- the board as the outside sees it -------------------------------------------------------------------- */

Machine *machine_new(const MachineConfig *cfg, const MachineEvents *ev)
{
    Machine *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->config = *cfg;
    m->events = *ev;
    for (int n = 0; n < DRIVE_COUNT; n++) m->drive[n] = cfg->drive[n];
    m->bus = bus_new();
    m->phys = m->bus ? phys_new(m->bus, cfg->ram_bytes) : NULL;
    if (!m->phys) {
        machine_free(m);
        return NULL;
    }
    if (cfg->manual_clock)
        clock_init_manual(&m->clock);
    else
        clock_init(&m->clock);
    m->clock.deadline_changed = deadline_moved;
    m->clock.ctx = m;
    if (!machine_wire(m)) {
        machine_free(m);
        return NULL;
    }
    machine_reset(m);
    return m;
}

void machine_free(Machine *m)
{
    if (!m) return;
    phys_free(m->phys);
    bus_free(m->bus);
    free(m);
}

Bus *machine_bus(Machine *m) { return m->bus; }
Phys *machine_phys(Machine *m) { return m->phys; }
Clock *machine_clock(Machine *m) { return &m->clock; }
Parts *machine_parts(Machine *m) { return &m->parts; }
const Pic *machine_pic(const Machine *m) { return &m->pic; }
const Lapic *machine_lapic(const Machine *m) { return has_apic(m) ? &m->lapic : NULL; }
const Ioapic *machine_ioapic(const Machine *m) { return has_apic(m) ? &m->ioapic : NULL; }
const Pci *machine_pci(const Machine *m) { return &m->pci; }

NetPort *machine_net(Machine *m, unsigned n)
{
    return n < NICS_MAX && m->nic[n].model != NIC_NONE ? nic_port(&m->nic[n]) : NULL;
}

Sound *machine_sound(Machine *m) { return &m->sound; }
MidiOut *machine_midi(Machine *m) { return &m->midi; }
bool machine_has_gameport(const Machine *m) { return m->config.gameport; }
void machine_stick(Machine *m, unsigned stick, const Stick *now)
{
    if (m->config.gameport) gameport_move(&m->gameport, stick, now);
}

bool machine_balloon_info(Machine *m, BalloonInfo *info)
{
    const Balloon *b = &m->balloon;
    if (!m->config.balloon.present) return false;
    u32 actual = b->actual_pages < b->ram_pages ? b->actual_pages : b->ram_pages;
    *info = (BalloonInfo){.guest_bytes = (u64)(b->ram_pages - actual) << PAGE_BITS,
                          .target_bytes = (u64)(b->ram_pages - b->target_pages) << PAGE_BITS,
                          .stats_told = b->stats_told,
                          .stats_age_ns = clock_now(&m->clock) - b->stats_ns};
    memcpy(info->stats, b->stats, sizeof info->stats);
    return true;
}

bool machine_balloon_ask(Machine *m, u64 guest_bytes)
{
    if (m->config.balloon.present) balloon_ask(&m->balloon, guest_bytes);
    return m->config.balloon.present;
}

bool machine_balloon_ask_stats(Machine *m)
{
    if (m->config.balloon.present) balloon_ask_stats(&m->balloon);
    return m->config.balloon.present;
}

Drive *machine_drive(Machine *m, DriveId id) { return &m->drive[id]; }

const ScreenState *machine_screen(const Machine *m) { return m->vga.s; }

const u8 *machine_vram(const Machine *m, u32 *bytes)
{
    *bytes = m->vga.vram_bytes;
    return m->vga.vram;
}

u64 machine_vram_offset(const Machine *m) { return (u64)m->phys->vram_page << PAGE_BITS; }

void machine_disk_flushed(Machine *m) { ide_medium_done(&m->ide); }
bool machine_power_button(Machine *m) { return piix4pm_power_button(&m->power); }

void machine_add_firmware_call(Machine *m, const char *name, void (*written)(void *ctx), void *ctx)
{
    fwcfg_add_call(&m->fwcfg, name, written, ctx);
}

void machine_set_boot_menu(Machine *m, bool wanted) { fwcfg_set_menu(&m->fwcfg, wanted); }

void machine_set_uuid(Machine *m, const u8 uuid[16]) { fwcfg_set_uuid(&m->fwcfg, uuid); }

void machine_add_firmware_file(Machine *m, const char *name, const void *bytes, u32 count)
{
    fwcfg_add(&m->fwcfg, name, bytes, count);
}

void machine_key(Machine *m, u8 key, bool down) { kbc_key(&m->kbc, key, down); }
bool machine_keys_taken(const Machine *m) { return kbc_keys_taken(&m->kbc); }
u8 machine_leds(const Machine *m) { return m->kbc.keyboard.leds; }
void machine_mouse(Machine *m, int dx, int dy, int dz, u8 buttons)
{
    if (!machine_has_pointer(m) || m->prefers_movement || !vmport_move(&m->vmport, dx, dy, dz, buttons))
        kbc_mouse(&m->kbc, dx, dy, dz, buttons);
}

/* A driver that went without a word, as in a warm start by software, has left the PS/2 mouse disabled. */
bool machine_has_pointer(const Machine *m) { return m->vmport.absolute && m->kbc.mouse.enabled; }
bool machine_wants_pointer(const Machine *m) { return machine_has_pointer(m) && !m->prefers_movement; }
void machine_prefer_movement(Machine *m, bool movement) { m->prefers_movement = movement; }

void machine_pointer(Machine *m, u32 x, u32 y, int dz, u8 buttons)
{
    if (machine_wants_pointer(m)) vmport_pointer(&m->vmport, x, y, dz, buttons);
}

u8 machine_intr_ack(void *machine)
{
    Machine *m = machine;
    return has_apic(m) ? lapic_ack(&m->lapic) : pic_ack(&m->pic);
}

void machine_set_apic_base(void *machine, u64 base)
{
    Machine *m = machine;
    if (has_apic(m)) lapic_set_base(&m->lapic, base);
}

void machine_nmi(Machine *m)
{
    if (m->rtc.nmi_masked) return;
    for (int level = 1; level >= 0; level--)
        if (has_apic(m))
            lapic_set_lint(&m->lapic, 1, level);
        else
            nmi_pulsed(m, 0, level);
}

void machine_ferr(void *machine, bool level) { sysctl_ferr(&((Machine *)machine)->sysctl, level); }

void machine_service(Machine *m)
{
    clock_run_due(&m->clock);
    uart_receive(&m->uart[0]);
    uart_receive(&m->uart[1]);
}

void machine_set_cmos(Machine *m, u8 index, u8 value) { rtc_poke(&m->rtc, index, value); }
void machine_move_time(Machine *m, s64 seconds)
{
    rtc_move(&m->rtc, seconds);
    m->vmport.rtc_base_unix_s = (s64)((u64)m->vmport.rtc_base_unix_s + (u64)seconds);
}

const u8 *machine_cmos(const Machine *m) { return m->rtc.cmos; }
