/* drive_options.h - the options that say what is in the drives and which one boots. See drive_options.c. */
#ifndef RING3_DRIVE_OPTIONS_H
#define RING3_DRIVE_OPTIONS_H

#include "frontend/image/media.h"

typedef struct DriveSpec {
    const char *option; /* that named it; NULL: nobody did */
    const char *path;   /* NULL: an empty drive */
    char *copy;         /* the path's bytes, if it was taken out of a longer word; owned */
    bool cdrom, readonly, snapshot;
    bool undoable;      /* mode=undoable */
    const char *format; /* of disk_formats(), if it was said; else NULL */
    MediaErrors read_errors, write_errors;
    bool sync; /* a write is on the host's disk when it is done */
    bool discard;
    MediaZeros zeros;
    DriveLimits limits;
} DriveSpec;

typedef struct DriveOptions {
    DriveSpec drive[DRIVE_COUNT];
    bool snapshot;      /* -snapshot: all of them */
    char boot_order[8]; /* of a, c, d, n; "cad" unless told otherwise */
    char boot_once[8];  /* the same for the first boot; empty: not given */
    bool boot_menu;
    bool boot_strict; /* no device that boot_order does not name */
    bool incoming;    /* -incoming: what is written to is another machine's yet */
    bool no_empty;    /* -nodefaults: drive A and the CD drive are there only if they were given */
} DriveOptions;

void drive_options_init(DriveOptions *o);
void drive_options_free(DriveOptions *o);
/* Each false: *p says what is wrong with the value. */
bool drive_option_bay(DriveOptions *o, DriveId id, bool cdrom, const char *option, const char *path,
                      Problem *p);
bool drive_option_drive(DriveOptions *o, const char *value, Problem *p);
bool drive_option_boot(DriveOptions *o, const char *value, Problem *p);

/* drives_open - fill the bays of a machine: what was given, a floppy drive A, and a CD drive as secondary master. */
bool drives_open(const DriveOptions *o, Drive bays[DRIVE_COUNT], Problem *p);

#endif
