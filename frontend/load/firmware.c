/* firmware.c - see firmware.h.
 *
 * A Linux kernel that is entered without firmware needs a small part of what firmware leaves behind: sizes and port
 * numbers in the BIOS data area, an extended BIOS data area that it keeps out of, ACPI and MP tables, a memory map, and a
 * GDT. There are no interrupt services: the interrupt table is empty.
 */
#include "frontend/load/firmware.h"

#include "frontend/load/acpi.h"
#include "hw/piix4pm.h"

enum { BDA = 0x400, BDA_COM1 = 0x400, BDA_COM2 = 0x402, BDA_EBDA = 0x40e, BDA_MEM_KIB = 0x413 };
enum { ACCESS_CODE = 0x9b, ACCESS_DATA = 0x93 };
enum {
    PCI_ADDRESS = 0xcf8,
    PCI_DATA = 0xcfc,
    PIIX3_PIRQRC = 0x80000860 /* bus 0, slot 1, function 0, register 60h */
};

static const u8 pirq_irqs[4] = {10, 10, 11, 11};

unsigned firmware_e820(u32 ram_bytes, E820 out[E820_MAX])
{
    unsigned n = 0;
    out[n++] = (E820){0, LOW_END, E820_RAM};
    out[n++] = (E820){LOW_END, 0xa0000 - LOW_END, E820_RESERVED};
    out[n++] = (E820){ACPI_PA, HIGH_BASE - ACPI_PA, E820_RESERVED};
    if (ram_bytes > HIGH_BASE) out[n++] = (E820){HIGH_BASE, ram_bytes - HIGH_BASE, E820_RAM};
    return n;
}

u32 firmware_ram_end(u32 ram_bytes)
{
    enum { MIB = 1 << 20 };
    u32 tables = ram_bytes >= 8 * MIB ? 0x40000 : ram_bytes > MIB + MIB / 2 ? 0x10000 : 0;
    return ram_bytes - tables;
}

static void put(Phys *p, u32 pa, u32 value, unsigned bytes) { phys_dma_write(p, pa, &value, bytes); }

static void build_bda(Phys *p, const Parts *parts)
{
    u8 zero[0x100] = {0};
    phys_dma_write(p, BDA, zero, sizeof zero);
    if (part_find(parts, "com1")) put(p, BDA_COM1, 0x3f8, 2);
    if (part_find(parts, "com2")) put(p, BDA_COM2, 0x2f8, 2);
    put(p, BDA_EBDA, LOW_END >> 4, 2);
    put(p, BDA_MEM_KIB, LOW_END >> 10, 2);
    put(p, LOW_END, (0xa0000 - LOW_END) >> 10, 1); /* the EBDA's own size */
}

AcpiBoard firmware_acpi_board(u32 ram_bytes, const Parts *parts)
{
    AcpiBoard b = {.pm1_evt = PIIX4PM_EVT,
                   .pm1_cnt = PIIX4PM_CNT,
                   .pm_tmr = PIIX4PM_TMR,
                   .gpe0 = PIIX4PM_GPE0,
                   .sci_irq = PIIX4PM_SCI_IRQ,
                   .smi_cmd = PIIX4PM_SMI_CMD,
                   .acpi_enable = PIIX4PM_ACPI_ENABLE,
                   .acpi_disable = PIIX4PM_ACPI_DISABLE,
                   .slp_typ_s5 = PIIX4PM_SLP_TYP_S5,
                   .parts = parts,
                   .ram_bytes = ram_bytes};
    memcpy(b.pirq, pirq_irqs, sizeof b.pirq);
    return b;
}

static void build_acpi(Phys *p, const Parts *parts)
{
    static u8 tables[ACPI_ROOM];
    AcpiBoard b = firmware_acpi_board(p->ram_bytes, parts);
    acpi_build(&b, ACPI_PA, tables);
    phys_dma_write(p, ACPI_PA, tables, sizeof tables);
}

static void build_mp(Vcpu *c)
{
    u8 table[MPTABLE_ROOM];
    u32 id[4];
    cpu_cpuid(c, 1, 0, id);
    MpBoard b = {.processor = id[0],
                 .features = id[3],
                 .lapic_version = (u8)phys_read(c->phys, (u32)LAPIC_DEFAULT_PA + LAPIC_VERSION, 4),
                 .sci_irq = PIIX4PM_SCI_IRQ};
    memcpy(b.pirq, pirq_irqs, sizeof b.pirq);
    phys_dma_write(c->phys, MPTABLE_PA, table, mptable_build(&b, MPTABLE_PA, table));
}

enum { PCI_ENABLE = 1u << 31, INTERRUPT_LINE = 0x3c, SLOTS = 32, ELCR = 0x4d0 };

/* PIRQs to inputs that are levels, and the lines of the cards (function 0 of a slot) to say which. */
static void route_pirqs(Bus *bus)
{
    u16 levels = (u16)bus_port_in(bus, ELCR, 2);
    for (int n = 0; n < 4; n++) levels |= (u16)BIT(pirq_irqs[n]);
    bus_port_out(bus, ELCR, levels, 2);
    bus_port_out(bus, PCI_ADDRESS, PIIX3_PIRQRC, 4);
    bus_port_out(bus, PCI_DATA, load32(pirq_irqs), 4);
    for (u32 slot = 2; slot < SLOTS; slot++) {
        bus_port_out(bus, PCI_ADDRESS, PCI_ENABLE | slot << 11 | INTERRUPT_LINE, 4);
        u32 pin = bus_port_in(bus, PCI_DATA + 1, 1);
        if (pin >= 1 && pin <= 4) bus_port_out(bus, PCI_DATA, pirq_irqs[(slot - 1 + pin - 1) % 4], 1);
    }
    bus_port_out(bus, PCI_ADDRESS, 0, 4);
}

static u64 flat_descriptor(u8 access) { return 0x00cf00000000ffffull | (u64)access << 40; }

static void build_gdt(Phys *p)
{
    const u64 gdt[] = {0, 0, flat_descriptor(ACCESS_CODE), flat_descriptor(ACCESS_DATA)};
    phys_dma_write(p, LOW_GDT, gdt, sizeof gdt);
}

void firmware_prepare(Vcpu *c, const Parts *parts, bool acpi)
{
    build_bda(c->phys, parts);
    if (acpi) build_acpi(c->phys, parts);
    if (part_find(parts, "ioapic")) build_mp(c);
    route_pirqs(c->bus);
}

void firmware_flat(Vcpu *c, u32 entry)
{
    u32 attr = SEG_DB | SEG_G;
    build_gdt(c->phys);
    cpu_set_cr(c, 0, (c->cr0 & CR0_ET) | CR0_PE);
    for (int s = 0; s < SEG_COUNT; s++)
        c->seg[s] = (Segment){.limit = 0xffffffff, .attr = attr | ACCESS_DATA, .sel = BOOT_DS};
    c->seg[CS].attr = attr | ACCESS_CODE;
    c->seg[CS].sel = BOOT_CS;
    cpu_set_cpl(c, 0);
    c->gdtr.base = LOW_GDT;
    c->gdtr.limit = 4 * 8 - 1;
    c->idtr.base = 0;
    c->idtr.limit = 0;
    memset(c->gpr, 0, sizeof c->gpr);
    c->eflags = 2;
    c->eip = c->next_eip = entry;
    c->halted = false;
}
