/* acpi.c - RSDP, RSDT, FACS, FADT, MADT, DSDT (ACPI 1.0b; FADT revision 1, so that the oldest ACPI systems take
 * them) and HPET.
 *
 * The DSDT names what a kernel cannot find by itself: the PCI host bridge with the ranges it hands on and its
 * interrupt routing, the devices of the ISA bus that are among the board's parts, and the sleep type of S5 that
 * `poweroff` needs. It has no code.
 * The power button is the fixed hardware's; there is no GPE.
 *
 * PCI interrupts: pin P of slot S is PIRQ (S - 1 + P) mod 4, as PIIX boards are wired, and the loader routes the
 * PIRQs (firmware.c) as _PRT says, so that there are no link devices. The I/O APIC has the same inputs at the same
 * numbers, but for the timer's IRQ0, so that _PRT holds for both kinds of controllers and _PIC need not be asked.
 */
#include "frontend/load/acpi.h"

#include "frontend/load/aml.h"
#include "hw/hpet.h"
#include "hw/ioapic.h"

enum { RSDP_AT = 0, FACS_AT = 0x80, DSDT_AT = 0x200 };
enum { HEADER_BYTES = 36, FACS_BYTES = 64 };
enum { FADT_WBINVD = 1, FADT_PROC_C1 = 4, FADT_NO_SLP_BUTTON = 0x20 };
enum { NO_C2 = 101, NO_C3 = 1001 }; /* latencies in microseconds that mean: not supported */
enum { LAST_PCI_PA = 0xfebfffff };

static u8 checksum(const u8 *p, u32 n)
{
    u8 sum = 0;
    while (n--) sum = (u8)(sum + *p++);
    return (u8)-sum;
}

/* The common header; last thing done to a table, since it holds the checksum. */
static void seal(u8 *t, const char *signature, u32 bytes, u8 revision)
{
    memcpy(t, signature, 4);
    store32(t + 4, bytes);
    t[8] = revision;
    memcpy(t + 10, "RING3 RING3 PC", 14);
    store32(t + 24, 1);
    memcpy(t + 28, "RNG3", 4);
    store32(t + 32, 1);
    t[9] = 0;
    t[9] = checksum(t, bytes);
}

static void build_rsdp(u8 *t, u32 base)
{
    memcpy(t, "RSD PTR ", 8);
    memcpy(t + 9, "RING3 ", 6);
    store32(t + ACPI_RSDP_RSDT, base + ACPI_RSDT_AT);
    t[8] = checksum(t, ACPI_RSDP_BYTES);
}

static void build_facs(u8 *t)
{
    memcpy(t, "FACS", 4);
    store32(t + 4, FACS_BYTES);
}

static void build_fadt(u8 *t, u32 base, const AcpiBoard *b)
{
    store32(t + ACPI_FADT_FACS, base + FACS_AT);
    store32(t + ACPI_FADT_DSDT, base + DSDT_AT);
    store16(t + 46, b->sci_irq);
    store32(t + 48, b->smi_cmd);
    t[52] = b->acpi_enable;
    t[53] = b->acpi_disable;
    store32(t + 56, b->pm1_evt);
    store32(t + 64, b->pm1_cnt);
    store32(t + 76, b->pm_tmr);
    store32(t + 80, b->gpe0);
    t[88] = 4; /* PM1_EVT_LEN, PM1_CNT_LEN, PM_TM_LEN, GPE0_BLK_LEN */
    t[89] = 2;
    t[91] = 4;
    t[92] = 4;
    store16(t + 96, NO_C2);
    store16(t + 98, NO_C3);
    t[108] = 0x32; /* CMOS index of the century */
    store32(t + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLP_BUTTON);
    seal(t, "FACP", ACPI_FADT_BYTES, 1);
}

/* --- MADT (5.2.8) ---------------------------------------------------------------------------------------- */

enum { MADT_PCAT_COMPAT = 1, MADT_LEVEL_HIGH = 0x0d };

static u8 *isa_override(u8 *e, u8 irq, u32 pin, u16 flags)
{
    e[0] = 2;
    e[1] = 10;
    e[3] = irq;
    store32(e + 4, pin);
    store16(e + 8, flags);
    return e + e[1];
}

/* One processor with its I/O APIC; what is different from ISA's usual wiring; NMI at LINT1. */
static void build_madt(u8 *t, const AcpiBoard *b)
{
    static const u8 processor[8] = {0, 8, 0, 0, 1}, nmi[6] = {4, 6, 0xff, 0, 0, 1};
    u8 *e = t + 44;
    store32(t + 36, (u32)LAPIC_DEFAULT_PA);
    store32(t + 40, MADT_PCAT_COMPAT);
    memcpy(e, processor, sizeof processor);
    e += sizeof processor;
    e[0] = 1;
    e[1] = 12;
    e[2] = IOAPIC_ID;
    store32(e + 4, (u32)IOAPIC_PA);
    e = isa_override(e + e[1], 0, IOAPIC_TIMER_PIN, 0);
    e = isa_override(e, b->sci_irq, b->sci_irq, MADT_LEVEL_HIGH);
    memcpy(e, nmi, sizeof nmi);
    seal(t, "APIC", (u32)(e + sizeof nmi - t), 1);
}

/* IA-PC HPET specification 1.0a, 3.2.4. */
static void build_hpet(u8 *t)
{
    enum { HPET_TABLE_BYTES = 56, MINIMUM_TICKS = 1000 /* of a periodic timer: 10 us */ };
    store32(t + 36, (u32)HPET_CAPABILITIES);
    t[41] = 64; /* the address that follows: memory, 64 bits */
    store32(t + 44, (u32)HPET_PA);
    store16(t + 53, MINIMUM_TICKS);
    seal(t, "HPET", HPET_TABLE_BYTES, 1);
}

/* --- DSDT ------------------------------------------------------------------------------------------------ */

static void pci_ranges(Aml *a, u32 ram_bytes)
{
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_range16(a, AML_BUS, 0, 0xff);
    aml_io(a, 0xcf8, 8);
    aml_range16(a, AML_IO, 0, 0xcf7);
    aml_range16(a, AML_IO, 0xd00, 0xffff);
    aml_range32(a, AML_MEMORY, 0xa0000, 0xbffff);
    aml_range32(a, AML_MEMORY, ram_bytes, LAST_PCI_PA);
    aml_resources_end(a);
}

enum { FIRST_SLOT = 1, LAST_SLOT = 31, PINS = 4 };

static void pci_routing(Aml *a, const u8 pirq[4])
{
    aml_name(a, "_PRT");
    aml_package(a, (LAST_SLOT - FIRST_SLOT + 1) * PINS);
    for (u32 slot = FIRST_SLOT; slot <= LAST_SLOT; slot++)
        for (u32 pin = 0; pin < PINS; pin++) {
            aml_package(a, 4);
            aml_int(a, slot << 16 | 0xffff);
            aml_int(a, pin);
            aml_int(a, 0); /* the number that follows is the interrupt itself */
            aml_int(a, pirq[(slot - 1 + pin) % 4]);
            aml_end(a);
        }
    aml_end(a);
}

static void pci_host(Aml *a, const AcpiBoard *b)
{
    aml_device(a, "PCI0");
    aml_name_eisa(a, "_HID", "PNP0A03");
    aml_name_int(a, "_UID", 0);
    aml_name_int(a, "_BBN", 0);
    pci_ranges(a, b->ram_bytes);
    pci_routing(a, b->pirq);
    aml_end(a);
}

static void isa_devices(Aml *a, const AcpiBoard *b)
{
    static const struct {
        const char *part, *name, *id;
        u8 uid, irq;
        u16 port;
        u8 count;
        u16 port2; /* 0, or one more */
        u8 dma;    /* 0: none */
    } devices[] = {
        {"kbc", "KBD_", "PNP0303", 0, 1, 0x60, 1, 0x64, 0},
        {"kbc", "MOU_", "PNP0F13", 0, 12, 0, 0, 0, 0},
        {"rtc", "RTC_", "PNP0B00", 0, 8, 0x70, 2, 0, 0},
        {"fdc", "FDC0", "PNP0700", 0, 6, 0x3f2, 4, 0x3f7, 2},
        {"lpt1", "LPT1", "PNP0400", 0, 7, 0x378, 3, 0, 0},
        {"com1", "COM1", "PNP0501", 1, 4, 0x3f8, 8, 0, 0},
        {"com2", "COM2", "PNP0501", 2, 3, 0x2f8, 8, 0, 0},
    };
    for (unsigned n = 0; n < ARRAY_LEN(devices); n++) {
        if (!acpi_has(b, devices[n].part)) continue;
        aml_device(a, devices[n].name);
        aml_name_eisa(a, "_HID", devices[n].id);
        if (devices[n].uid) aml_name_int(a, "_UID", devices[n].uid);
        aml_name(a, "_CRS");
        aml_resources(a);
        if (devices[n].port) aml_io(a, devices[n].port, devices[n].count);
        if (devices[n].port2) aml_io(a, devices[n].port2, 1);
        aml_irq(a, devices[n].irq);
        if (devices[n].dma) aml_dma(a, devices[n].dma);
        aml_resources_end(a);
        aml_end(a);
    }
}

static void hpet_device(Aml *a)
{
    aml_device(a, "HPET");
    aml_name_eisa(a, "_HID", "PNP0103");
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_memory32(a, (u32)HPET_PA, HPET_BYTES);
    aml_resources_end(a);
    aml_end(a);
}

static u32 build_dsdt(u8 *t, u32 room, const AcpiBoard *b)
{
    Aml a;
    aml_init(&a, t, room);
    a.used = HEADER_BYTES;
    aml_scope(&a, "\\_SB_");
    pci_host(&a, b);
    isa_devices(&a, b);
    if (acpi_has(b, "hpet")) hpet_device(&a);
    aml_end(&a);
    aml_name(&a, "\\_S5_"); /* SLP_TYPa, SLP_TYPb, reserved, reserved */
    aml_package(&a, 4);
    aml_int(&a, b->slp_typ_s5);
    aml_int(&a, b->slp_typ_s5);
    aml_int(&a, 0);
    aml_int(&a, 0);
    aml_end(&a);
    seal(t, "DSDT", a.used, 1);
    return a.used;
}

u32 acpi_build(const AcpiBoard *b, u32 base, u8 out[ACPI_ROOM])
{
    memset(out, 0, ACPI_ROOM);
    build_rsdp(out + RSDP_AT, base);
    store32(out + ACPI_RSDT_AT + ACPI_RSDT_FADT, base + ACPI_FADT_AT);
    u8 *more = out + ACPI_RSDT_AT + ACPI_RSDT_MORE;
    if (acpi_has(b, "ioapic")) {
        store32(more, base + ACPI_MADT_AT);
        build_madt(out + ACPI_MADT_AT, b);
        more += 4;
    }
    if (acpi_has(b, "hpet")) {
        store32(more, base + ACPI_HPET_AT);
        build_hpet(out + ACPI_HPET_AT);
    }
    seal(out + ACPI_RSDT_AT, "RSDT", acpi_rsdt_bytes(b), 1);
    build_facs(out + FACS_AT);
    build_fadt(out + ACPI_FADT_AT, base, b);
    return DSDT_AT + build_dsdt(out + DSDT_AT, ACPI_ROOM - DSDT_AT, b);
}
