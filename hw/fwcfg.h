/* fwcfg.h - fw_cfg: what the person and the board tell the firmware. See fwcfg.c. */
#ifndef RING3_FWCFG_H
#define RING3_FWCFG_H

#include "hw/part.h"
#include "mmu/bus.h"

enum { FWCFG_FILES = 16, FWCFG_NAME_BYTES = 56, FWCFG_FIRST_FILE = 0x20 };

typedef struct FwcfgItem {
    const void *bytes; /* the caller's, for the machine's life */
    u32 count;
    void (*written)(void *ctx); /* the guest wrote a byte to it; NULL: read-only */
    void *ctx;
    char name[FWCFG_NAME_BYTES];
} FwcfgItem;

typedef struct Fwcfg {
    FwcfgItem file[FWCFG_FILES];
    u32 files;
    u8 directory[4 + FWCFG_FILES * 64];
    u8 ram_bytes[8], cpus[2], menu[2], uuid[16];
    u16 selector;
    u32 offset; /* of the next byte that the data port gives */
} Fwcfg;

void fwcfg_init(Fwcfg *f, Bus *bus, u32 ram_bytes);
void fwcfg_reset(void *dev);
extern const PartKind fwcfg_part;
/* fwcfg_add - one more file; before the guest runs. */
void fwcfg_add(Fwcfg *f, const char *name, const void *bytes, u32 count);
/* fwcfg_add_call - a file of one byte; `written` is called when the firmware writes to it. */
void fwcfg_add_call(Fwcfg *f, const char *name, void (*written)(void *ctx), void *ctx);
void fwcfg_set_menu(Fwcfg *f, bool wanted); /* -boot menu=on */
void fwcfg_set_uuid(Fwcfg *f, const u8 uuid[16]);

#endif
