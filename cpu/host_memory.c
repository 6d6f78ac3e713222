/* host_memory.c - memory from the host, by the first way that it allows: see host.h. */
#define _GNU_SOURCE
#include "cpu/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    MFD_NOEXEC_SEAL_ = 8
}; /* Linux 6.3; vm.memfd_noexec=2 demands it. Mappings may be executed all the same. */

static int memfd_open(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 && errno == EACCES ? memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL_) : fd;
}

/* Room is looked at now, since a sparse file that finds none later is a SIGBUS. */
static bool fits(const char *folder, u64 bytes, HostMemoryUse use)
{
    struct statvfs v;
    if (statvfs(folder, &v) < 0 || (v.f_flag & ST_NOEXEC && use == HOST_MEMORY_CODE)) return false;
    return (u64)v.f_bavail * v.f_frsize >= bytes;
}

static int nameless_open(const char *folder)
{
    char path[4096];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    snprintf(path, sizeof path, "%.4000s/ring3-XXXXXX", folder); /* a file system without O_TMPFILE */
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    return fd;
}

static int file_open(u64 bytes, HostMemoryUse use)
{
    const char *const folders[] = {"/dev/shm", getenv("TMPDIR"), "/tmp", "/var/tmp"};
    for (unsigned n = 0; n < ARRAY_LEN(folders); n++) {
        if (!folders[n] || !fits(folders[n], bytes, use)) continue;
        int fd = nameless_open(folders[n]);
        if (fd >= 0) return fd;
    }
    errno = ENOMEM;
    return -1;
}

static int lack; /* errno of the last failure */

int host_memory_open(const char *name, u64 bytes, HostMemoryUse use)
{
    int fd = host_masked(HOST_MEMFD) ? -1 : memfd_open(name);
    if (fd < 0) fd = file_open(bytes, use);
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0) return fd;
    lack = errno;
    if (fd >= 0) close(fd);
    errno = lack;
    return -1;
}

const char *host_memory_lack(void)
{
    switch (lack) {
    case 0: return NULL;
    case EFBIG: return "its memory is a file to the host, whose limit on their size (ulimit -f) is too small";
    case EMFILE:
    case ENFILE: return "the host has no descriptors left";
    default: return "the host has not enough memory";
    }
}

void *host_table_map(u64 bytes)
{
    const Host *h = host_get();
    bool counted =
        h->overcommit == 2 || h->data_bytes != HOST_NO_LIMIT; /* leave what there is to stacks and malloc */
    void *at = MAP_FAILED;
    if (!counted)
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        int fd = host_memory_open("ring3-table", bytes, HOST_MEMORY_DATA);
        if (fd < 0) return NULL;
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        close(fd);
    }
    if (at == MAP_FAILED) return NULL;
    madvise(at, bytes, MADV_NOHUGEPAGE); /* which would make it dense */
    return at;
}
