/* firmware.h - what a kernel finds in memory that a PC's firmware would have left there. See firmware.c. */
#ifndef RING3_FIRMWARE_H
#define RING3_FIRMWARE_H

#include "cpu/cpu.h"
#include "frontend/load/acpi.h"
#include "frontend/load/mptable.h"
#include "mmu/phys.h"

/* Low memory, as the loaders share it. Everything is conventional RAM to the guest, free once it has looked. */
enum {
    LOW_GDT = 0x1000,
    LOW_ZERO_PAGE = 0x10000, /* Linux */
    LOW_MB_INFO = 0x10000,   /* Multiboot: one page of structures, then strings */
    LOW_CMDLINE = 0x20000,
    LOW_END = 0x9fc00, /* the extended BIOS data area begins */
    HIGH_BASE = 0x100000,
};
enum { BOOT_CS = 0x10, BOOT_DS = 0x18 }; /* selectors in the GDT at LOW_GDT: flat, 32 bits */

/* The memory map, as INT 15h/E820 reports it. */
typedef struct E820 {
    u64 base, bytes;
    u32 type;
} E820;
enum { E820_RAM = 1, E820_RESERVED = 2, E820_MAX = 4 };
unsigned firmware_e820(u32 ram_bytes, E820 out[E820_MAX]); /* returns how many */
/* firmware_ram_end - where the RAM ends that our BIOS leaves to a kernel: behind that are its tables (bios/memory.c). */
u32 firmware_ram_end(u32 ram_bytes);

/* firmware_acpi_board - where this board's power management block is, and its PCI interrupts. */
AcpiBoard firmware_acpi_board(u32 ram_bytes, const Parts *parts);
/* firmware_prepare - BIOS data area, MP table if there is an I/O APIC, ACPI tables if they are wanted, PCI interrupt
 * routing; all of the parts that there are. */
void firmware_prepare(Vcpu *c, const Parts *parts, bool acpi);
/* firmware_flat - protected mode, flat segments from a GDT at LOW_GDT, interrupts off, all registers 0, EIP = entry. */
void firmware_flat(Vcpu *c, u32 entry);

#endif
