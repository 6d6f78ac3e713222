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

#endif
