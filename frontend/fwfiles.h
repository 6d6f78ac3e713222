/* fwfiles.h - the files that the firmware finds in fw_cfg. See fwfiles.c. */
#ifndef RING3_FWFILES_H
#define RING3_FWFILES_H

#include "hw/machine.h"

/* fwfiles_boot_order - which drives the firmware tries: letters of a, c, d, n as in -boot. Before each start. */
void fwfiles_boot_order(Machine *m, const char *order);
/* fwfiles_add_kernel_call - our BIOS shall not boot from a drive, but call `ready` when it would. */
void fwfiles_add_kernel_call(Machine *m, void (*ready)(void *ctx), void *ctx);
/* fwfiles_add - all of them; once, before the guest runs. */
void fwfiles_add(Machine *m, u32 ram_bytes);

#endif
