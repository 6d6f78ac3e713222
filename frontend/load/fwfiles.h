/* fwfiles.h - the files that the firmware finds in fw_cfg. See fwfiles.c. */
#ifndef RING3_FWFILES_H
#define RING3_FWFILES_H

#include "hw/machine.h"

/* fwfiles_boot_order - which drives the firmware tries: letters of a, c, d, n as in -boot; `strict`: and no others after
 * them; `any_floppy`: even one whose boot sector has no mark. Before each start. */
void fwfiles_boot_order(Machine *m, const char *order, bool strict, bool any_floppy);
/* fwfiles_add_rom - an option ROM that belongs to no card, by the name of its file; its bytes stay the caller's. */
void fwfiles_add_rom(Machine *m, const char *path, const u8 *bytes, u32 count);
/* fwfiles_add_kernel_call - our BIOS shall not boot from a drive, but call `ready` when it would. */
void fwfiles_add_kernel_call(Machine *m, void (*ready)(void *ctx), void *ctx);
/* fwfiles_add_acpi - the ACPI tables, of the parts that the machine has; once, before the guest runs. */
void fwfiles_add_acpi(Machine *m, u32 ram_bytes);

#endif
