/* disk_release.c - an image that another process writes to for a while, or for good: see disk.h.
 *
 * Whether somebody has written to it says the time of its last change, which the file system sets. Two changes within its
 * tick (some milliseconds) look like one: long enough must lie between releasing and taking back, which there does where
 * another machine has run in between.
 */
#include <sys/stat.h>

#include "frontend/image/disk.h"
#include "frontend/image/format.h"

static u64 mix(u64 stamp, const HostFile *f)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0) return ~stamp;
    stamp = stamp * 31 + (u64)st.st_size;
    stamp = stamp * 1000003 + (u64)st.st_mtim.tv_sec;
    return stamp * 1000003 + (u64)st.st_mtim.tv_nsec;
}

static u64 stamp_of(const Disk *d)
{
    u64 stamp = mix(1, &d->file);
    for (unsigned n = 0; n < d->extents; n++) stamp = mix(stamp, &d->extent[n]);
    return stamp;
}

/* As disk_close() does: tables, then counts of what is free. */
static int settle_all(Disk *d)
{
    int error = disk_flush(d);
    if (!error && d->format->settle) error = d->format->settle(d, false);
    return error || !d->format->settle ? error : disk_flush(d);
}

int disk_release(Disk *d)
{
    int error = settle_all(d);
    if (error) return error;
    d->released = true;
    d->writable = false;
    d->stamp = stamp_of(d);
    disk_unlock(d);
    return 0;
}

bool disk_take_back(Disk *d, const char **lock)
{
    *lock = NULL;
    if (!d->released) return true;
    *lock = disk_lock(d);
    if (*lock || stamp_of(d) != d->stamp) {
        disk_unlock(d);
        return false;
    }
    d->released = false;
    d->writable = true;
    return true;
}
