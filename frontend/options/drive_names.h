/* drive_names.h - what drives are called when a person is told of them; ring3 and its window say the same. */
#ifndef RING3_DRIVE_NAMES_H
#define RING3_DRIVE_NAMES_H

#include "hw/drive.h"

enum { DRIVE_TITLE_BYTES = 40 };

/* drive_name - in QEMU's words: "floppy0", "ide0-hd0", "ide1-cd0". */
const char *drive_name(DriveId id, bool cdrom);
/* drive_place - where it is: "floppy drive A", "the primary master". */
const char *drive_place(DriveId id);
/* drive_title - what it is: "floppy drive A", "disk (primary master)"; the CD drive that every machine has is the "CD
 * drive". Returns `to`. */
const char *drive_title(DriveId id, bool cdrom, char to[DRIVE_TITLE_BYTES]);

#endif
