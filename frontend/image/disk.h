/* disk.h - a disk in an image file of any format: a row of 512-byte sectors. See disk.c.
 *
 * The calls are synchronous and not for two threads at a time. They return 0 or an errno; after one that is not 0
 * disk_trouble() may have a sentence that says more.
 */
#ifndef RING3_DISK_H
#define RING3_DISK_H

#include "frontend/image/host_file.h"
#include "hw/medium.h"

typedef struct Disk Disk;

typedef struct DiskSpec {
    const char *path;
    const char *format; /* QEMU's word: "raw", "qcow2" ...; NULL: by what the file looks like */
    bool writable;
    bool sync;       /* a write is on the host's disk when it returns */
    bool no_backing; /* only this file: what a backing file would have reads as zeros */
    bool repair;     /* also an image that is marked as damaged */
    unsigned depth;  /* 0; of a backing file one more than of the file that names it */
} DiskSpec;

/* disk_folder - the folder that is the disk, of a path "fat:...", a disk that is only read (fat.c), or "dir:...", a CD (iso.c);
 * NULL: it is an image. */
const char *disk_folder(const char *path);
bool disk_folder_is_written(const char *path); /* "fat:rw:..." */

/* disk_open - NULL: *p says why, without the path. Files that the image refers to are opened as well, for reading. */
Disk *disk_open(const DiskSpec *spec, Problem *p);
/* What is pending is written first. NULL is fine. */
void disk_close(Disk *d);

typedef struct DiskMake {
    const char *path, *format;
    u64 bytes;                            /* rounded up to sectors */
    const char *options;                  /* "key=value,..."; NULL: none */
    const char *backing, *backing_format; /* NULL: none */
} DiskMake;

/* disk_create - a new image, in place of what was there. */
bool disk_create(const DiskMake *make, Problem *p);

typedef struct DiskInfo {
    u64 bytes, used_bytes;                /* of the disk; of the host's disk */
    u32 cluster_bytes;                    /* 0: it has none */
    const char *variant;                  /* "1.1", "dynamic" ...; NULL: there is only one */
    const char *backing, *backing_format; /* NULL: none */
    u32 snapshots;
    bool dirty, corrupt;
} DiskInfo;
void disk_info(const Disk *d, DiskInfo *info);

typedef enum DiskRepair { REPAIR_NONE, REPAIR_LEAKS, REPAIR_ALL } DiskRepair;
typedef struct DiskCheck {
    u64 corruptions, leaks; /* what is left */
    u64 fixed;
    u64 clusters, allocated; /* of the disk */
    u64 end;                 /* of what is used of the file; bytes */
} DiskCheck;
/* disk_check - do the tables agree? ENOTSUP: the format has no such check. */
int disk_check(Disk *d, DiskRepair repair, DiskCheck *result);

/* disk_resize - false: *p. What is cut off is lost. */
bool disk_resize(Disk *d, u64 bytes, Problem *p);
/* disk_set_backing - only the name; NULL: none from now on. */
bool disk_set_backing(Disk *d, const char *name, const char *format, Problem *p);
/* disk_place - what is known of `*count` sectors, 1 to as many as were asked for: they are data of this image, or zeros
 * of it, or those of its backing file. */
typedef enum DiskPlace { PLACE_DATA, PLACE_ZERO, PLACE_BACKING } DiskPlace;
int disk_place(Disk *d, u64 sector, u64 *count, DiskPlace *place);
/* disk_reads_zero - are these sectors zeros, for all that the tables of the whole chain know? */
int disk_reads_zero(Disk *d, u64 sector, u64 *count, bool *zero);

/* disk_formats - the words that DiskSpec.format may have; ends with NULL. */
const char *const *disk_formats(void);
const char *disk_format(const Disk *d);
u64 disk_sectors(const Disk *d);
u64 disk_raw_bytes(const Disk *d); /* of a raw image's file; 0: it is another image, or a device */
/* Is a's own file, or one that it refers to, also one of b's? Only files that one of the two writes to count. */
bool disk_clashes(const Disk *a, const Disk *b);
/* NULL, or what another process's locks forbid us. */
const char *disk_lock(const Disk *d);
void disk_unlock(const Disk *d);

/* The caller keeps within disk_sectors(). */
int disk_read(Disk *d, u64 sector, void *to, u64 count);
int disk_write(Disk *d, u64 sector, const void *from, u64 count);
/* disk_discard - the guest does not need them any more: they may be forgotten, and then read as zeros. */
int disk_discard(Disk *d, u64 sector, u64 count);
/* disk_write_zeros - disk_write() of zeros, which `zeros` has: what reads as zeros gets no room, and what has room loses it
 * if `unmap`. */
int disk_write_zeros(Disk *d, u64 sector, const void *zeros, u64 count, bool unmap);
/* disk_flush - what was written before survives a crash of the host. */
int disk_flush(Disk *d);
/* Has a flush failed for good? (host_file.h) */
bool disk_flush_failed(const Disk *d);
/* disk_settle - what was written before survives the end of the process (SIGKILL). */
int disk_settle(Disk *d);
/* Has something been written that only disk_settle() or disk_flush() makes safe? */
bool disk_is_pending(const Disk *d);
/* disk_release - everything is on the host's disk, and the image is nobody's: it is not written to any more, and not
 * locked. 0 or an errno: nothing has changed. */
int disk_release(Disk *d);
/* disk_take_back - true: it is ours again, and no other program has written to it since disk_release(). Else it is
 * not: *lock is what another process's locks forbid us, or NULL: it was changed. */
bool disk_take_back(Disk *d, const char **lock);
/* Why the last call failed, or NULL: the errno says all. */
const char *disk_trouble(const Disk *d);

#endif
