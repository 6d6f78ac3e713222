/* identity.h - what machine it is, for a saved one to fit: the part "machine". See identity.c. */
#ifndef RING3_SNAPSHOT_IDENTITY_H
#define RING3_SNAPSHOT_IDENTITY_H

#include "frontend/pc.h"
#include "hw/part.h"

typedef struct Identity {
    char version[16]; /* of the board: MACHINE_VERSION */
    u32 ram_bytes, vram_bytes;
    char cpu[24]; /* the model's name */
    u32 cpu_family, cpu_model, cpu_stepping, cpu_features;
    u8 drive[DRIVE_COUNT];    /* 0 none, 1 floppy, 2 CD, 3 hard disk */
    u64 sectors[DRIVE_COUNT]; /* of hard disks */
} Identity;

void identity_fill(Identity *i, Pc *pc);
extern const PartKind identity_part; /* dev: an Identity; another one is refused on load */
/* identity_check - before anything else of a saved machine is looked at. False: a sentence in `problem`. */
bool identity_check(Identity *i, const u8 *from, u32 count, char problem[STATE_PROBLEM]);

#endif
