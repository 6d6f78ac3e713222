/* media.h - image files and block devices as the media of drives (hw/medium.h), and changing them. See media.c. */
#ifndef RING3_MEDIA_H
#define RING3_MEDIA_H

#include "frontend/image/changed.h"
#include "frontend/say.h"
#include "hw/drive.h"

/* What becomes of an error of the host's: QEMU's words. The machine stops, and `cont` tries again; or the guest
 * hears of it. */
typedef enum MediaErrors {
    MEDIA_DEFAULT, /* report for reads, enospc for writes */
    MEDIA_REPORT,
    MEDIA_IGNORE,
    MEDIA_STOP,
    MEDIA_ENOSPC /* no room: stop; all else: report */
} MediaErrors;

/* What becomes of a write of zeros: QEMU's detect-zeroes. */
typedef enum MediaZeros {
    MEDIA_ZEROS_OFF,  /* it is a write */
    MEDIA_ZEROS_ON,   /* what is zeros already gets no room */
    MEDIA_ZEROS_UNMAP /* and what has room loses it */
} MediaZeros;

typedef struct MediaSpec {
    const char *option; /* for messages: "-hda"; NULL: none */
    const char *path;
    bool readonly; /* readonly=on, or a CD */
    bool sync;     /* a write is on the disk when it returns; else when it is flushed */
    bool snapshot; /* writes go to a temporary file and are forgotten at the end */
    const char *format; /* "raw", ... (image/disk.h), whatever the file looks like; NULL: by what it looks like */
    bool floppy;   /* it is to fit into a floppy drive */
    bool cdrom;    /* into a CD drive */
    bool later;    /* another machine still writes to it: it is only looked at, until media_take() */
    bool discard;  /* discard=unmap: what the guest discards is given back to the host */
    MediaZeros zeros;
    MediaErrors read_errors, write_errors;
} MediaSpec;

/* media_open - an image file or block device, locked against others' writes. NULL: *p says why. */
Medium *media_open(const MediaSpec *spec, Problem *p);
void media_close(Medium *m); /* NULL is fine */
/* media_service - write what only waits in memory, if it has waited for long enough or `now`; on the vCPU thread, at
 * least once a second while the guest runs. */
void media_service(bool now);
/* media_end - close all of them: the machine is at its end. */
void media_end(void);
/* How many media were opened and closed so far: who shows them looks again when it is another number. */
u32 media_changes(void);

/* For a machine that moves (snapshot/migrate.c). Media that are written to are released: all is on the host's disk,
 * and another process may have them. False: *p, and all are ours. */
bool media_release(Problem *p);
/* media_take - those that are not ours become so: that were released, or opened for `later`. False, with *p: another
 * process has one (*taken: its locks say so), or changed or moved it; then none is ours. */
bool media_take(bool *taken, Problem *p);
/* media_are_kept - is there one whose locks tell who runs? */
bool media_are_kept(void);
bool media_forgets(const Medium *m); /* snapshot=on */

/* For disks that are copied while they are written to (snapshot/migrate_disks.c), past the policy for errors: 0, or
 * an errno. Of media that media_open() made, and not of snapshot=on. */
/* media_watch - what is written from now on is noted there; NULL: no more. */
void media_watch(Medium *m, Changed *changed);
/* media_is_busy - a flush is under way: then neither of the next two may be called. */
bool media_is_busy(const Medium *m);
void media_wait(Medium *m); /* until it is not */
int media_peek(Medium *m, u64 sector, void *to, u32 count);
/* media_knows_zeros - of `*count` sectors, 1 to as many as were asked for: are they zeros, for all that the image's
 * tables know? */
int media_knows_zeros(Medium *m, u64 sector, u64 *count, bool *zero);
int media_put(Medium *m, u64 sector, const void *from, u32 count); /* zeros take no room */
int media_settle(Medium *m); /* what was put survives a crash of the host */

/* media_on_trouble - who hears, in one sentence, of errors of the host. `stops`: the machine should be stopped, and
 * what failed will be tried again when it runs; false: it cannot be, so the guest gets the error. */
void media_on_trouble(bool (*hear)(void *ctx, const char *sentence, bool stops), void *ctx);

/* media_change, media_eject - what the monitor's `change` and `eject` do while the guest runs; on the vCPU thread. A
 * tray that the guest has locked is opened only by force; without it the guest hears that somebody pressed the
 * button. */
bool media_change(Drive *d, const MediaSpec *spec, bool force, Problem *p);
bool media_eject(Drive *d, bool force, Problem *p);

#endif
