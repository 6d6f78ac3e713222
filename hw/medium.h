/* medium.h - a medium as a disk, CD or floppy controller sees it: a row of 512-byte sectors.
 *
 * The frontend implements it (image files). Calls are synchronous, but for flush_later(), and run on the vCPU
 * thread; the host's page cache makes most of them a copy. `to` and `from` may point into guest memory: whoever reads
 * into it calls phys_written() afterwards.
 */
#ifndef RING3_MEDIUM_H
#define RING3_MEDIUM_H

#include "cpu/base/base.h"

enum { SECTOR_BYTES = 512 };

/* Instead of an errno: the host cannot do it now, and the machine is about to be stopped. Nothing has happened to the
 * guest's side; the controller keeps the command as it is and asks again a little later in guest time. */
enum { MEDIUM_HELD = -1 };
/* The same, but nothing stops: the host is at it (flush_later). */
enum { MEDIUM_LATER = -2 };

typedef struct Medium Medium;
struct Medium {
    u64 sectors;
    bool readonly;
    const char *name;   /* the file's name, for people */
    const char *format; /* of the file, in QEMU's word: "raw" ... */
    /* 0, an errno, or MEDIUM_HELD. The caller keeps within `sectors`. */
    int (*read)(Medium *m, u64 sector, void *to, u32 count);
    int (*write)(Medium *m, u64 sector, const void *from, u32 count);
    int (*flush)(Medium *m); /* on return, what was written before survives a crash of the host */
    /* flush(), or MEDIUM_LATER, without waiting for the host's disk. NULL: there is only flush(). */
    int (*flush_later)(Medium *m);
    /* The guest does not need them any more: they read as zeros or as before from now on. NULL: nothing becomes of it. */
    int (*discard)(Medium *m, u64 sector, u32 count);
};

/* Backends are host code that may use the FPU, where the guest's state may be live. */
static inline int medium_read(Medium *m, u64 sector, void *to, u32 count)
{
    base_park_fpu();
    return m->read(m, sector, to, count);
}
static inline int medium_write(Medium *m, u64 sector, const void *from, u32 count)
{
    base_park_fpu();
    return m->write(m, sector, from, count);
}
static inline int medium_flush(Medium *m)
{
    base_park_fpu();
    return m->flush(m);
}
static inline int medium_flush_later(Medium *m)
{
    base_park_fpu();
    return m->flush_later ? m->flush_later(m) : m->flush(m);
}
static inline int medium_discard(Medium *m, u64 sector, u32 count)
{
    base_park_fpu();
    return m->discard ? m->discard(m, sector, count) : 0;
}

#endif
