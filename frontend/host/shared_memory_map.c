/* shared_memory_map.c - the reading side of shared_memory.h, which the programs beside the machine are linked with. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "frontend/host/shared_memory.h"

const void *shared_memory_map(int fd, u64 offset, u64 bytes)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || offset + bytes > (u64)st.st_size) return NULL;
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

bool shared_memory_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && seals & F_SEAL_SHRINK;
}
