/* drive_names.c - see drive_names.h. */
#include "frontend/options/drive_names.h"

#include <stdio.h>

static const char the[] = "the ";
static const char *const places[DRIVE_COUNT] = {"floppy drive A",       "floppy drive B",
                                                "the primary master",   "the primary slave",
                                                "the secondary master", "the secondary slave"};

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
