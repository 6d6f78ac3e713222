/* piix4pm.c - 82371AB (PIIX4) power management, PCI function 00:01.3: ACPI fixed hardware and the APM ports.
 *
 * Datasheet: Intel 82371AB (290562), 7.1 PCI configuration, 7.2 I/O registers; ACPI 1.0b, 4.7. I/O: 64 bytes at
 * PMBASE (register 40h, enabled by PMREGMISC bit 0), ports B2h APMC and B3h APMS.
 *
 * The PM timer is computed on read: 14.31818 MHz / 4 of the guest clock, exactly three times the PIT's. TMR_STS is
 * set whenever bit 23 toggles; a Timer is armed for that only while it would raise SCI.
 *
 * There is no SMM here: what the firmware's SMI handler would do on a write to B2h (set or clear SCI_EN) happens
 * directly.
 *
 * Quirks that guests rely on: SLP_TYP 0 with SLP_EN powers off (the PIIX4's own code for soft off); SLP_EN reads
 * 0; general purpose events read 0; the 24-bit timer reads 0 in its upper byte.
 *
 * Not implemented: sleep states other than S5 (the machine "wakes" at once: WAK_STS), the sleep
 * button, SMBus (registers 90h, D2h stored), device monitors, processor C-states and throttling.
 */
#include "hw/piix4pm.h"

enum {
    PMBA = 0x40,
    DEVACTB = 0x58,
    PMREGMISC = 0x80,
    SMBBA = 0x90,
    SMBHSTCFG = 0xd2,
    PMIOSE = 0x01,
    IO_BYTES = 64
};
enum { PM1_STS = 0x00, PM1_EN = 0x02, PM1_CNT = 0x04, PM_TMR = 0x08 };
enum { TMR_STS = 0x0001, GBL_STS = 0x0020, PWRBTN_STS = 0x0100, WAK_STS = 0x8000, TMR_EN = 0x0001 };
enum { STS_CLEARABLE = 0x8d31, EN_WRITABLE = 0x0521, CNT_WRITABLE = 0x1c03 };
enum { DEVACTB_APMC_EN = 1 << 25 };
enum { SCI_EN = 0x0001, SLP_TYP_SHIFT = 10, SLP_EN = 0x2000 };
enum { TMR_HZ = 3579545, TMR_MASK = 0xffffff, TMR_HALF_BITS = 23 };

/* --- timer and SCI --------------------------------------------------------------------------------------- */

static u64 timer_ticks(Piix4pm *x) { return muldiv64(clock_now(x->clock), TMR_HZ, 1000000000u); }

static void arm(Piix4pm *x, u64 ticks)
{
    bool wanted = x->pm1_cnt & SCI_EN && x->pm1_en & TMR_EN && !x->sci_level;
    u64 toggle = ((ticks >> TMR_HALF_BITS) + 1) << TMR_HALF_BITS;
    if (wanted)
        clock_arm(x->clock, &x->timer, muldiv64(toggle, 1000000000u, TMR_HZ) + 1);
    else
        clock_disarm(x->clock, &x->timer);
}

/* Bring TMR_STS, SCI and the timer up to date. */
static void sync(Piix4pm *x)
{
    u64 ticks = timer_ticks(x);
    if (ticks >> TMR_HALF_BITS != x->synced_ticks >> TMR_HALF_BITS) x->pm1_sts |= TMR_STS;
    x->synced_ticks = ticks;
    bool level = x->pm1_cnt & SCI_EN && x->pm1_sts & x->pm1_en;
    if (level != x->sci_level) irq_set(&x->sci, level);
    x->sci_level = level;
    arm(x, ticks);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u32 read32(Piix4pm *x, u32 offset)
{
    switch (offset) {
    case PM1_STS: return x->pm1_sts | (u32)x->pm1_en << 16;
    case PM1_CNT: return x->pm1_cnt;
    case PM_TMR: return (u32)(x->synced_ticks & TMR_MASK);
    default: return 0;
    }
}

static u32 pm_read(void *dev, u32 offset, unsigned bytes)
{
    Piix4pm *x = dev;
    u32 at = offset & ~3u;
    (void)bytes;
    sync(x);
    return (u32)((read32(x, at) | (u64)read32(x, at + 4) << 32) >> (8 * (offset & 3)));
}

static u32 apm_read(void *dev, u32 offset, unsigned bytes)
{
    const Piix4pm *x = dev;
    (void)bytes;
    return offset ? x->apm_status : x->apm_control;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void sleep_enter(Piix4pm *x, unsigned type)
{
    if (type == PIIX4PM_SLP_TYP_S5) {
        x->poweroff(x->ctx);
        return;
    }
    trace(UNIMP, "piix4pm: sleep type %u", type);
    x->pm1_sts |= WAK_STS;
}

static void write_byte(Piix4pm *x, u32 offset, u8 v)
{
    unsigned shift = 8 * (offset & 1);
    u16 lane = (u16)(0xff << shift), value = (u16)(v << shift);
    switch (offset & ~1u) {
    case PM1_STS: x->pm1_sts &= ~(value & STS_CLEARABLE); return;
    case PM1_EN: x->pm1_en = (x->pm1_en & ~lane) | (value & EN_WRITABLE); return;
    case PM1_CNT:
        x->pm1_cnt = (x->pm1_cnt & ~lane) | (value & CNT_WRITABLE);
        if (value & SLP_EN) sleep_enter(x, x->pm1_cnt >> SLP_TYP_SHIFT & 7);
        return;
    }
}

static void pm_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    sync(dev);
    for (unsigned i = 0; i < bytes; i++) write_byte(dev, offset + i, (u8)(value >> (8 * i)));
    sync(dev);
}

static void apm_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Piix4pm *x = dev;
    (void)bytes;
    if (offset) {
        x->apm_status = (u8)value;
        return;
    }
    x->apm_control = (u8)value;
    if (value == PIIX4PM_ACPI_ENABLE)
        x->pm1_cnt |= SCI_EN;
    else if (value == PIIX4PM_ACPI_DISABLE)
        x->pm1_cnt &= ~SCI_EN;
    else
        trace(UNIMP, "piix4pm: APM command %02x", value);
    sync(x);
}

/* The I/O block appears, moves or goes. */
static void range_update(Piix4pm *x)
{
    u32 base = load32(x->pci.config + PMBA) & 0xffc0;
    bus_move(x->bus, x->range, base && x->pci.config[PMREGMISC] & PMIOSE, base);
}

static void config_written(void *dev, u32 reg, unsigned bytes)
{
    if ((reg < PMBA + 4 && reg + bytes > PMBA) || (reg <= PMREGMISC && reg + bytes > PMREGMISC))
        range_update(dev);
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void piix4pm_fire(void *dev) { sync(dev); }

bool piix4pm_power_button(Piix4pm *x)
{
    sync(x);
    x->pm1_sts |= PWRBTN_STS;
    sync(x);
    return x->pm1_en & PWRBTN_STS && x->pm1_cnt & SCI_EN;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void piix4pm_reset(void *dev)
{
    Piix4pm *x = dev;
    PciFunction *f = &x->pci;
    pci_function_init(f, 0x8086, 0x7113, 0x068000, 0x03);
    pci_set16(f, PCI_STATUS, 0x0280);
    f->config[PCI_INTERRUPT_PIN] = 1;
    f->config[PCI_INTERRUPT_LINE] = PIIX4PM_SCI_IRQ;
    pci_allow(f, PCI_COMMAND, 1, 0x01);
    pci_allow(f, PMBA, 1, 0xc0);
    pci_allow(f, PMBA + 1, 1, 0xff);
    pci_allow(f, DEVACTB, 4, 0xff);
    pci_allow(f, PMREGMISC, 1, PMIOSE);
    pci_allow(f, SMBBA, 1, 0xf0);
    pci_allow(f, SMBBA + 1, 1, 0xff);
    pci_allow(f, SMBHSTCFG, 1, 0x0f);
    pci_set32(f, PMBA, (x->configured ? PIIX4PM_BASE : 0) | 1);
    pci_set32(f, SMBBA, 1);
    pci_set32(f, DEVACTB, DEVACTB_APMC_EN); /* firmware takes it for: SMM is set up already */
    f->config[PMREGMISC] = x->configured ? PMIOSE : 0;
    x->pm1_sts = x->pm1_en = 0;
    x->pm1_cnt = x->configured ? SCI_EN : 0;
    x->apm_control = x->apm_status = 0;
    x->synced_ticks = timer_ticks(x);
    range_update(x);
    sync(x);
}

static void piix4pm_state(void *dev, State *s)
{
    Piix4pm *x = dev;
    pci_function_state(&x->pci, s);
    state_u16(s, "pm1_sts", &x->pm1_sts);
    state_u16(s, "pm1_en", &x->pm1_en);
    state_u16(s, "pm1_cnt", &x->pm1_cnt);
    state_u64(s, "synced_ticks", &x->synced_ticks);
    state_u8(s, "apm_control", &x->apm_control);
    state_u8(s, "apm_status", &x->apm_status);
    state_bool(s, "sci_level", &x->sci_level);
    state_timer(s, "timer", x->clock, &x->timer);
}

static void piix4pm_loaded(void *dev) { range_update(dev); }

const PartKind piix4pm_part = {
    .version = 1, .reset = piix4pm_reset, .state = piix4pm_state, .loaded = piix4pm_loaded};

static const IoOps pm_ops = {pm_read, pm_write, 1, 4};
static const IoOps apm_ops = {apm_read, apm_write, 1, 1};

void piix4pm_init(Piix4pm *x, Pci *pci, Bus *bus, Clock *clock, IrqLine sci, bool configured,
                  void (*poweroff)(void *), void *ctx)
{
    *x = (Piix4pm){
        .clock = clock, .sci = sci, .bus = bus, .configured = configured, .poweroff = poweroff, .ctx = ctx};
    x->timer = (Timer){.fire = piix4pm_fire, .ctx = x};
    x->pci = (PciFunction){.dev = x, .written = config_written};
    x->range = bus_add_ports(bus, PIIX4PM_BASE, IO_BYTES, &pm_ops, x, "piix4pm");
    bus_add_ports(bus, PIIX4PM_SMI_CMD, 2, &apm_ops, x, "apm");
    pci_add(pci, PCI_FN(1, 3), &x->pci);
    piix4pm_reset(x);
}
