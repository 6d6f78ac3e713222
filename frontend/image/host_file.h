/* host_file.h - a file or block device of the host's that holds a disk image, or a part of one. See host_file.c. */
#ifndef RING3_HOST_FILE_H
#define RING3_HOST_FILE_H

#include <sys/types.h>

#include "frontend/say.h"

typedef struct HostFile {
    int fd;
    bool writable;
    bool device;      /* a block device: its size stays */
    u64 bytes;        /* its size; what lies behind reads as zeros */
    dev_t filesystem; /* with the inode, which file it is; of a block device its number, and 0 */
    ino_t inode;
    int flush_failed; /* the errno; 0: never */
} HostFile;

typedef struct HostFileSpec {
    const char *path;
    bool writable;
    bool sync;   /* a write is on the disk when it returns */
    bool create; /* it is made, or emptied */
} HostFileSpec;

/* host_file_open - false: *p says why, without the path. An empty file is fine. */
bool host_file_open(HostFile *f, const HostFileSpec *spec, Problem *p);
void host_file_close(HostFile *f);
bool host_file_same(const HostFile *a, const HostFile *b);

/* All return 0 or an errno; offsets and sizes are bytes, any that 64 bits hold. */
int host_file_read(const HostFile *f, u64 offset, void *to, u64 n);
int host_file_write(HostFile *f, u64 offset, const void *from, u64 n);
/* On return, what was written before survives a crash of the host. Once it has failed it always fails. */
int host_file_flush(HostFile *f);
int host_file_resize(HostFile *f, u64 bytes);
/* host_file_punch - n bytes read as zeros and, where the file system can, take no room; the size stays. */
int host_file_punch(HostFile *f, u64 offset, u64 n);
/* host_file_forget - the same if the file system can, else nothing. */
int host_file_forget(const HostFile *f, u64 offset, u64 n);

/* host_file_lock - NULL, or what another process's locks forbid us ("write"). */
const char *host_file_lock(const HostFile *f);
void host_file_unlock(const HostFile *f);

#endif
