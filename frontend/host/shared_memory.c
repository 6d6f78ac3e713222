/* shared_memory.c - see shared_memory.h.
 *
 * The other process is not trusted, and does not trust the machine: it shall not be able to write, and the machine
 * shall not be able to shrink the memory under it. Linux's seals keep both promises; what an older kernel lacks of them
 * is made up for as far as it goes.
 */
#define _GNU_SOURCE
#include "frontend/host/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/base/host.h"

typedef enum Sealing {
    SEALED,      /* it keeps its size, and only the mapping that we have now can be written */
    SEALED_SIZE, /* before Linux 5.1: its size; the other process gets a descriptor for reading */
    UNSEALED, /* the descriptor for reading alone, and the other process knows that it may lose the memory */
} Sealing;

static Sealing sealing(void)
{
    if (!host_has(HOST_MEMFD_SEALS)) return UNSEALED;
    return host_has(HOST_SEAL_FUTURE_WRITE) ? SEALED : SEALED_SIZE;
}

bool shared_memory_is_unsealed(void) { return sealing() == UNSEALED; }

void shared_memory_choose(void)
{
    static const char *const ways[] = {[SEALED] =
                                           "sealed: its size, and against writing by the window's process",
                                       [SEALED_SIZE] = "its size sealed; the window's process reads it",
                                       [UNSEALED] = "not sealed; the window's process reads it"};
    host_choice("shared screen", "%s", ways[sealing()]);
}

static int memory_open(const char *name, size_t bytes)
{
    if (sealing() == UNSEALED) return host_memory_open(name, bytes, HOST_MEMORY_DATA);
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) == 0) return fd;
    close(fd);
    return -1;
}

int shared_memory_read_only(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = open(path, O_RDONLY | O_CLOEXEC);
    return copy >= 0 ? copy : dup(fd);
}

/* After our own mapping, and before anybody else sees it. Returns the descriptor to pass on, or -1. */
static int seal(int fd, bool other_writes)
{
    static const int seals[] = {[SEALED] = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL,
                                [SEALED_SIZE] = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL};
    Sealing s = other_writes && sealing() == SEALED ? SEALED_SIZE : sealing();
    if (s != UNSEALED && fcntl(fd, F_ADD_SEALS, seals[s]) < 0) return -1;
    if (s == SEALED || other_writes) return fd;
    int copy = shared_memory_read_only(fd);
    close(fd);
    return copy;
}

static int make(const char *name, size_t bytes, void **at, bool other_writes, Problem *p)
{
    int fd = memory_open(name, bytes);
    if (fd >= 0) {
        *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (*at != MAP_FAILED && (fd = seal(fd, other_writes)) >= 0) return fd;
    }
    problem_set(p, "memory shared with its process: %s", strerror(errno));
    return -1;
}

int shared_memory_make(const char *name, size_t bytes, void **at, Problem *p)
{
    return make(name, bytes, at, false, p);
}

int shared_memory_make_both(const char *name, size_t bytes, void **at, Problem *p)
{
    return make(name, bytes, at, true, p);
}
