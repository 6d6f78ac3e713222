/* drive_names.c - see drive_names.h. */
#include "frontend/options/drive_names.h"

#include <stdio.h>

static const char the[] = "the ";
static const char *const places[DRIVE_COUNT] = {"floppy drive A",       "floppy drive B",
                                                "the primary master",   "the primary slave",
                                                "the secondary master", "the secondary slave"};

const char *drive_name(DriveId id, bool cdrom)
{
    static const char *const disks[DRIVE_COUNT] = {"floppy0",  "floppy1",  "ide0-hd0",
                                                   "ide0-hd1", "ide1-hd0", "ide1-hd1"};
    static const char *const cds[DRIVE_COUNT] = {"floppy0",  "floppy1",  "ide0-cd0",
                                                 "ide0-cd1", "ide1-cd0", "ide1-cd1"};
    return (cdrom ? cds : disks)[id];
}

const char *drive_place(DriveId id) { return places[id]; }

const char *drive_title(DriveId id, bool cdrom, char to[DRIVE_TITLE_BYTES])
{
    const char *place = places[id];
    if (id == DRIVE_FLOPPY_A || id == DRIVE_FLOPPY_B)
        snprintf(to, DRIVE_TITLE_BYTES, "%s", place);
    else if (cdrom && id == DRIVE_IDE_2)
        snprintf(to, DRIVE_TITLE_BYTES, "CD drive");
    else
        snprintf(to, DRIVE_TITLE_BYTES, "%s (%s)", cdrom ? "CD drive" : "disk", place + sizeof the - 1);
    return to;
}
