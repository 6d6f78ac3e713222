/* host_memory.c - memory from the host, by the first way that it allows: see host.h. */
#define _GNU_SOURCE
#include "cpu/base/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
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
    default: return HOST_NO_MEMORY;
    }
}

static u64 whole_pages(u64 bytes) { return (bytes + PAGE_MASK) & ~(u64)PAGE_MASK; }

/* Over what is reserved at `at`. */
static bool map_private(void *at, u64 bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    return mmap(at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED;
}

static bool map_shared(void *at, u64 bytes)
{
    int fd = host_memory_open("ring3-table", bytes, HOST_MEMORY_DATA);
    if (fd < 0) return false;
    bool done =
        mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) != MAP_FAILED;
    close(fd);
    return done;
}

void *host_table_map(u64 bytes)
{
    const Host *h = host_get();
    bool counted =
        h->overcommit == 2 || h->data_bytes != HOST_NO_LIMIT; /* leave what there is to stacks and malloc */
    u64 whole = whole_pages(bytes);
    u8 *all =
        mmap(NULL, whole + 2 * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return NULL;
    u8 *at = all + PAGE_BYTES;
    if ((counted || !map_private(at, whole)) && !map_shared(at, whole)) {
        munmap(all, whole + 2 * PAGE_BYTES);
        return NULL;
    }
    madvise(at, whole, MADV_NOHUGEPAGE); /* which would make it dense */
    return at;
}

/* --- memory that is hard to find --------------------------------------------------------------------------- */

enum { HIDDEN_GUARD = 64 << 10, HIDDEN_TRIES = 16 };

/* A page in the lower 64 TiB, which leaves the rest to stacks, libraries and the kernel's own choices. */
static u8 *random_place(void)
{
    enum { PLACE_BITS = 46 };
    u64 bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != sizeof bits) return NULL;
    return (u8 *)(uintptr_t)(bits & ((1ull << PLACE_BITS) - 1) & ~(u64)PAGE_MASK);
}

/* Without MAP_FIXED_NOREPLACE the kernel takes the place as a wish. */
static u8 *reserve_hidden(u64 bytes)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    int fixed = host_has(HOST_NOREPLACE) ? MAP_FIXED_NOREPLACE : 0;
    void *at = MAP_FAILED;
    for (int n = 0; n < HIDDEN_TRIES && at == MAP_FAILED; n++) {
        u8 *place = random_place();
        at = mmap(place, bytes, PROT_NONE, place ? flags | fixed : flags, -1, 0);
    }
    return at == MAP_FAILED ? NULL : at;
}

void *host_map_hidden(int fd, u64 bytes)
{
    u8 *guard = reserve_hidden(bytes + 2 * HIDDEN_GUARD);
    if (!guard) return NULL;
    void *at = mmap(guard + HIDDEN_GUARD, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    if (at != MAP_FAILED) return at;
    int why = errno;
    munmap(guard, bytes + 2 * HIDDEN_GUARD);
    errno = why;
    return NULL;
}

void host_unmap_hidden(void *at, u64 bytes)
{
    if (at) munmap((u8 *)at - HIDDEN_GUARD, bytes + 2 * HIDDEN_GUARD);
}

void host_table_unmap(void *table, u64 bytes)
{
    if (table) munmap((u8 *)table - PAGE_BYTES, whole_pages(bytes) + 2 * PAGE_BYTES);
}
