/* rom.h - firmware images: found, read and checked before the guest starts. See rom.c. */
#ifndef RING3_ROM_H
#define RING3_ROM_H

#include "frontend/say.h"

typedef struct Rom {
    u8 *bytes; /* lives as long as the process */
    u32 count;
} Rom;

/* rom_open_bios - the system firmware: `path` (-bios), or ring3's own if NULL. 64 KiB to 1 MiB, a multiple of 64 KiB. */
bool rom_open_bios(Rom *r, const char *path, Problem *p);
/* rom_open_option - an option ROM: `path` with the option that named it, or ring3's own `name` if NULL. */
bool rom_open_option(Rom *r, const char *option, const char *path, const char *name, Problem *p);
/* rom_open_extra - an option ROM that is not ring3's: `path`; a name without a folder is also looked for where distributions
 * put the ROMs of QEMU's cards. */
bool rom_open_extra(Rom *r, const char *option, const char *path, Problem *p);
/* rom_open_card - the boot ROM of the network card called `model`, if such a ROM is installed (Debian's ipxe-qemu); else r->count
 * is 0. */
bool rom_open_card(Rom *r, const char *model, Problem *p);

#endif
