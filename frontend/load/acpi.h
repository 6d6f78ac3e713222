/* acpi.h - the ACPI tables of the board, for kernels that are loaded without firmware. See acpi.c. */
#ifndef RING3_ACPI_H
#define RING3_ACPI_H

#include "hw/part.h"

enum { ACPI_PA = 0xe0000, ACPI_ROOM = 0x4000 /* reserved for the tables: a multiple of a page */ };

/* Where the power management block is, and how PCI interrupts are wired. */
typedef struct AcpiBoard {
    u16 pm1_evt, pm1_cnt, pm_tmr, gpe0; /* ports */
    u8 sci_irq;
    u16 smi_cmd;
    u8 acpi_enable, acpi_disable; /* values for smi_cmd */
    u8 slp_typ_s5;
    const Parts *parts; /* what the tables announce of the rest is among them */
    u8 pirq[4];         /* IRQ of PIRQA..PIRQD */
    u32 ram_bytes;      /* PCI memory begins behind it */
} AcpiBoard;

/* acpi_build - RSDP, RSDT, FACS, FADT, DSDT and, with APICs, MADT, with a HPET, HPET as they lie at `base`. Returns the bytes used. */
u32 acpi_build(const AcpiBoard *b, u32 base, u8 out[ACPI_ROOM]);

/* Where the tables lie in `out`, and which fields hold addresses: for whoever places them later (fwfiles.c). */
enum {
    ACPI_RSDP_BYTES = 20,
    ACPI_RSDT_AT = 0x40,
    ACPI_HPET_AT = 0xc0,
    ACPI_FADT_AT = 0x100,
    ACPI_FADT_BYTES = 116,
    ACPI_MADT_AT = 0x180
};
enum {
    ACPI_RSDP_RSDT = 16,
    ACPI_RSDT_FADT = 36,
    ACPI_RSDT_MORE = 40, /* MADT and HPET, if they are there */
    ACPI_FADT_FACS = 36,
    ACPI_FADT_DSDT = 40
};
/* Whether the board has this part, by its name. */
static inline bool acpi_has(const AcpiBoard *b, const char *part) { return part_find(b->parts, part); }
static inline u32 acpi_rsdt_bytes(const AcpiBoard *b)
{
    return ACPI_RSDT_MORE + 4u * ((u32)acpi_has(b, "ioapic") + acpi_has(b, "hpet"));
}

#endif
