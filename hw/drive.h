/* drive.h - a drive bay: what kind of drive, and the medium that is in it now. Changed by the monitor at run time. */
#ifndef RING3_DRIVE_H
#define RING3_DRIVE_H

#include "hw/medium.h"
#include "hw/pace.h"

typedef enum DriveId {
    DRIVE_FLOPPY_A,
    DRIVE_FLOPPY_B,
    DRIVE_IDE_0, /* primary master, -hda; then primary slave, secondary master (-hdc, -cdrom), secondary slave */
    DRIVE_IDE_1,
    DRIVE_IDE_2,
    DRIVE_IDE_3,
    DRIVE_COUNT
} DriveId;

typedef struct Drive {
    bool present; /* there is a drive */
    bool cdrom;   /* IDE: ATAPI; sectors of 2048 bytes to the guest */
    bool floppy;
    u8 read_errors, write_errors; /* the frontend's: what it does with them (MediaErrors) */
    DriveLimits limits;           /* IDE: how fast it may be, changed at any time with a new pace */
    Pace pace;
    Medium *medium;               /* NULL: empty */
    bool locked;                  /* the guest forbids removal */
    bool tray_open;
    bool eject_wanted; /* somebody pressed the button while it was locked */
    void (*moved)(
        void *
            ctx); /* set by the controller: called after `medium`, `tray_open` or `eject_wanted` changed from outside */
    void *ctx;
} Drive;

/* Can its medium be taken out? */
static inline bool drive_is_removable(const Drive *d) { return d->cdrom || d->floppy; }

/* drive_change - take out what is in (the caller frees it) and put `medium` in; NULL: leave it empty. */
static inline Medium *drive_change(Drive *d, Medium *medium)
{
    Medium *old = d->medium;
    d->medium = medium;
    d->tray_open = false;
    if (d->moved) d->moved(d->ctx);
    return old;
}

#endif
