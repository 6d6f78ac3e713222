/* flusher.h - flushes of disks by a thread of their own, so that the guest runs on meanwhile. See flusher.c. */
#ifndef RING3_FLUSHER_H
#define RING3_FLUSHER_H

#include "frontend/image/disk.h"

typedef enum FlushState { FLUSH_NONE, FLUSH_WANTED, FLUSH_DONE } FlushState;

/* One disk's. Zeroed: nothing was asked for. */
typedef struct Flush {
    FlushState state;
    int error; /* FLUSH_DONE: what disk_flush() gave */
    Disk *disk;
    struct Flush *next; /* of those that are wanted */
} Flush;

/* flusher_start - `done` is called by that thread after each flush. False: *p; flushes then are the caller's work. */
bool flusher_start(void (*done)(void), Problem *p);

/* The rest is for the vCPU thread. flusher_ask - MEDIUM_LATER: the flush is under way, nobody may touch the disk, and one
 * asks again; else the result of disk_flush(). */
int flusher_ask(Flush *f, Disk *d);
bool flusher_is_at_work(const Flush *f);
/* flusher_wait - until the disk may be touched. A result that nobody has asked for is forgotten: it says nothing of what is
 * written from now on. */
void flusher_wait(Flush *f);

#endif
