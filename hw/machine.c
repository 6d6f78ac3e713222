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

#include "hw/debugcon.h"
#include "hw/debugexit.h"
#include "hw/dma.h"
#include "hw/fdc.h"
#include "hw/fwcfg.h"
#include "hw/i440fx.h"
#include "hw/ide.h"
#include "hw/kbc.h"
#include "hw/parallel.h"
#include "hw/pci.h"
#include "hw/pic.h"
#include "hw/piix3.h"
#include "hw/piix4pm.h"
#include "hw/pit.h"
#include "hw/rtc.h"
#include "hw/sysctl.h"
#include "hw/uart.h"
#include "hw/vga.h"

#include "bios/font.h"

struct Machine {
    MachineConfig config;
    MachineEvents events;
    Bus *bus;
    Phys *phys;
    Clock clock;
    Pic pic;
    Pit pit;
    Rtc rtc;
    Kbc kbc;
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
    Fwcfg fwcfg;
    Debugcon debugcon;
    Debugexit debug_exit;
    Vga vga;
    Drive drive[DRIVE_COUNT];
};

/* --- wires that end outside the board -------------------------------------------------------------------- */

static void intr_changed(void *machine, int n, bool level)
{
    Machine *m = machine;
    (void)n;
    if (m->events.intr) m->events.intr(m->events.ctx, level);
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
    if (m->events.speaker) m->events.speaker(m->events.ctx, event);
}

/* --- the wiring diagram ---------------------------------------------------------------------------------- */

static IrqLine irq(Machine *m, int n) { return piix3_isa_irq(&m->isa_bridge, n); }

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

static bool machine_wire(Machine *m)
{
    const MachineConfig *c = &m->config;
    Bus *bus = m->bus;
    Clock *clock = &m->clock;
    IrqLine intr = {intr_changed, m, 0}, reset = {reset_pulsed, m, 0}, a20 = {a20_moved, m, 0};
    KbcLines keyboard = {.irq1 = irq(m, 1), .irq12 = irq(m, 12), .reset = reset, .a20 = a20};

    pci_init(&m->pci, bus);
    pic_init(&m->pic, bus, intr);
    piix3_init(&m->isa_bridge, &m->pci, bus, reset, (IrqLine){pic_set_irq, &m->pic, 0});
    pit_init(&m->pit, bus, clock, irq(m, 0));
    pit_watch_tick(&m->pit, pic_irq0_waits, &m->pic);
    rtc_init(&m->rtc, bus, clock, irq(m, 8), c->rtc_base_unix_s);
    kbc_init(&m->kbc, bus, clock, &keyboard);
    speaker_init(&m->speaker, &m->pit, clock, speaker_changed, m);
    sysctl_init(&m->sysctl, bus, &m->pit, &m->speaker, reset, a20, irq(m, 13));
    uart_init(&m->uart[0], bus, 0x3f8, clock, c->serial[0], irq(m, 4), "com1");
    uart_init(&m->uart[1], bus, 0x2f8, clock, c->serial[1], irq(m, 3), "com2");
    parallel_init(&m->parallel, bus, 0x378, clock, c->parallel, irq(m, 7), "lpt1");
    dma_init(&m->dma, bus, m->phys);
    fdc_init(&m->fdc, bus, clock, &m->dma, irq(m, 6), &m->drive[DRIVE_FLOPPY_A], &m->drive[DRIVE_FLOPPY_B]);
    i440fx_init(&m->host_bridge, &m->pci, m->phys);
    ide_init(&m->ide, &m->pci, bus, m->phys, clock, m->drive + DRIVE_IDE_0, irq(m, 14), irq(m, 15));
    piix4pm_init(&m->power, &m->pci, bus, clock, irq(m, PIIX4PM_SCI_IRQ), powered_off, m);
    if (!c->no_vga) {
        if (!vga_init(&m->vga, bus, &m->pci, m->phys, clock, c->screen)) return false;
        if (c->vga_rom_bytes) vga_set_rom(&m->vga, c->vga_rom, c->vga_rom_bytes);
    }
    if (c->has_firmware) fwcfg_init(&m->fwcfg, bus, c->ram_bytes);
    if (c->debugcon) debugcon_init(&m->debugcon, bus, c->debugcon_port, c->debugcon);
    if (c->debug_exit)
        debugexit_init(&m->debug_exit, bus, c->debug_exit_iobase, c->debug_exit_iosize, debug_exited, m);
    disks_into_cmos(m);
    rtc_set_memory_size(&m->rtc, c->ram_bytes);
    rtc_set_equipment(&m->rtc, floppy_cmos_type(&m->drive[DRIVE_FLOPPY_A]),
                      floppy_cmos_type(&m->drive[DRIVE_FLOPPY_B]));
    return true;
}

/* --- reset ----------------------------------------------------------------------------------------------- */

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

/* The interrupt controller comes last: what the others' lines did on the way leaves no request behind. */
void machine_reset(Machine *m)
{
    bool firmware = m->config.has_firmware;
    pci_reset(&m->pci);
    i440fx_reset(&m->host_bridge, !firmware);
    bios_place(m);
    piix3_reset(&m->isa_bridge);
    piix4pm_reset(&m->power, !firmware);
    ide_reset(&m->ide, !firmware);
    fwcfg_reset(&m->fwcfg);
    dma_reset(&m->dma);
    fdc_reset(&m->fdc);
    uart_reset(&m->uart[0]);
    uart_reset(&m->uart[1]);
    parallel_reset(&m->parallel);
    kbc_reset(&m->kbc);
    pit_reset(&m->pit);
    if (!m->config.no_vga) vga_reset(&m->vga);
    sysctl_reset(&m->sysctl);
    rtc_reset(&m->rtc);
    a20_moved(m, 0, true);
    pic_reset(&m->pic);
    if (!firmware) board_post(m);
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
const Pic *machine_pic(const Machine *m) { return &m->pic; }
const Pci *machine_pci(const Machine *m) { return &m->pci; }
Drive *machine_drive(Machine *m, DriveId id) { return &m->drive[id]; }

const ScreenState *machine_screen(const Machine *m) { return m->vga.s; }

const u8 *machine_vram(const Machine *m, u32 *bytes)
{
    *bytes = m->vga.vram_bytes;
    return m->vga.vram;
}

u64 machine_vram_offset(const Machine *m) { return (u64)m->phys->vram_page << PAGE_BITS; }

void machine_power_button(Machine *m) { piix4pm_power_button(&m->power); }

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
    kbc_mouse(&m->kbc, dx, dy, dz, buttons);
}

u8 machine_intr_ack(void *machine) { return pic_ack(&((Machine *)machine)->pic); }

void machine_ferr(void *machine, bool level) { sysctl_ferr(&((Machine *)machine)->sysctl, level); }

void machine_service(Machine *m)
{
    clock_run_due(&m->clock);
    uart_receive(&m->uart[0]);
    uart_receive(&m->uart[1]);
}

void machine_set_cmos(Machine *m, u8 index, u8 value) { rtc_poke(&m->rtc, index, value); }
