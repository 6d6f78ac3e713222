/* cache.c - memory for translations.
 *
 * Host code lies in a memfd mapped twice: a writable view for the emitter and an executable one for the CPU, so
 * that no page is ever writable and executable at once. The executable view is placed within 2 GiB of ring3's own
 * text, since the gates in glue.S are reached by rel32. Block descriptions come from an arena beside it. Both are
 * emptied together (block_flush_all) when either is nearly full.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "translator/xlat.h"

static bool near_text(const u8 *p, u32 bytes)
{
    s64 d = p - xlat_leave;
    return d > -(1ll << 31) + (1 << 20) && d + bytes < (1ll << 31) - (1 << 20);
}

/* Try addresses around our text until one of them is free. */
static u8 *map_near_text(int fd, u32 bytes)
{
    uintptr_t text = (uintptr_t)xlat_leave & ~(uintptr_t)0x1fffff;
    for (unsigned step = 1; step < 24; step++)
        for (int side = -1; side <= 1; side += 2) {
            u8 *hint = (u8 *)(text + (intptr_t)side * (intptr_t)step * (64 << 20));
            u8 *p = mmap(hint, bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
            if (p == MAP_FAILED) continue;
            if (near_text(p, bytes)) return p;
            munmap(p, bytes);
        }
    return NULL;
}

bool cache_init(Cache *k, u32 code_bytes, u32 meta_bytes)
{
    *k = (Cache){
        .memfd = memfd_create("ring3-code", MFD_CLOEXEC), .bytes = code_bytes, .meta_bytes = meta_bytes};
    if (k->memfd < 0 || ftruncate(k->memfd, code_bytes) < 0) return false;
    k->rw = mmap(NULL, code_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, k->memfd, 0);
    k->rx = map_near_text(k->memfd, code_bytes);
    k->meta =
        mmap(NULL, meta_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return k->rw != MAP_FAILED && k->rx && k->meta != MAP_FAILED;
}

void cache_fini(Cache *k)
{
    if (k->rw && k->rw != MAP_FAILED) munmap(k->rw, k->bytes);
    if (k->rx) munmap(k->rx, k->bytes);
    if (k->meta && k->meta != MAP_FAILED) munmap(k->meta, k->meta_bytes);
    if (k->memfd >= 0) close(k->memfd);
}

void *cache_meta(Cache *k, u32 bytes)
{
    bytes = (bytes + 7) & ~7u;
    CHECK(k->meta_used + bytes <= k->meta_bytes, "block arena overrun");
    void *p = k->meta + k->meta_used;
    k->meta_used += bytes;
    memset(p, 0, bytes);
    return p;
}
