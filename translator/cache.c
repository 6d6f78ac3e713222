/* cache.c - memory for translations.
 *
 * Host code lies in a memfd mapped twice: a writable view for the emitter and an executable one for the CPU, so that
 * no page is ever writable and executable at once. Where the writable view is cannot be guessed, and there is no
 * descriptor by which it could be mapped again. The executable view is placed within 2 GiB of ring3's own text, since
 * the gates in glue.S are reached by rel32. Block descriptions come from arenas beside it.
 *
 * The cache is CACHE_REGIONS regions, filled one after the other, each with its arena. When all are full, the oldest is
 * emptied for what comes (block_evict): of code that runs on, a sixteenth is translated again, never all at once.
 *
 * A first touch of a page costs up to 50 us on some hosts, so memory is populated in steps ahead of its use, where the
 * kernel can do that (Linux 5.14); in the second round all of it is there.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/base/host.h"
#include "translator/xlat.h"

enum { BLOCK_MAX_HOST = 24 * 1024, META_ROOM = 64 * 1024, BLOCK_ALIGN = 16, POPULATE_STEP = 256 * 1024 };

static bool near_text(const u8 *p, u32 bytes)
{
    s64 d = p - xlat_leave;
    return d > -(1ll << 31) + (1 << 20) && d + bytes < (1ll << 31) - (1 << 20);
}

/* Plain memory at `at`, and nowhere else. */
static bool map_behind(u8 *at, u32 bytes, int fixed)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed;
    u8 *p = mmap(at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == at) return true;
    if (p != MAP_FAILED) munmap(p, bytes);
    return false;
}

/* Try addresses around our text until one of them is free. `behind`: so much plain memory follows. */
static u8 *map_near_text(int fd, u32 bytes, u32 behind)
{
    uintptr_t text = (uintptr_t)xlat_leave & ~(uintptr_t)0x1fffff;
    for (unsigned step = 1; step < 24; step++)
        for (int side = -1; side <= 1; side += 2) {
            u8 *hint = (u8 *)(text + (intptr_t)side * (intptr_t)step * (64 << 20));
            int fixed = host_has(HOST_NOREPLACE) ? MAP_FIXED_NOREPLACE
                                                 : 0; /* else a hint, which the kernel takes if it can */
            u8 *p = mmap(hint, bytes, PROT_READ | PROT_EXEC, MAP_SHARED | fixed, fd, 0);
            if (p == MAP_FAILED) continue;
            if (near_text(p, bytes + behind) && map_behind(p + bytes, behind, fixed)) return p;
            munmap(p, bytes);
        }
    return NULL;
}

static u32 region_blocks_max(const Cache *k) { return k->region_bytes / BLOCK_ALIGN; }

static bool region_init(Cache *k, Region *r)
{
    r->meta = xlat_array_huge(k->meta_bytes, 1);
    r->by_host = xlat_array(region_blocks_max(k), sizeof *r->by_host);
    r->host_at = xlat_array(region_blocks_max(k), sizeof *r->host_at);
    return r->meta && r->by_host && r->host_at;
}

bool cache_init(Cache *k, u32 code_bytes)
{
    int fd = host_memory_open("ring3-code", code_bytes, HOST_MEMORY_CODE);
    *k = (Cache){.bytes = code_bytes};
    k->region_bytes = code_bytes / CACHE_REGIONS;
    k->meta_bytes = 2 * k->region_bytes;
    if (fd < 0) return false;
    k->rw = host_map_hidden(fd, code_bytes);
    k->rx = map_near_text(fd, code_bytes, CACHE_COUNT_BYTES + CACHE_HOOK_BYTES);
    k->counts = k->rx ? k->rx + code_bytes : NULL;
    close(fd);
    for (unsigned n = 0; n < CACHE_REGIONS; n++)
        if (!region_init(k, &k->region[n])) return false;
    return k->rw && k->rx;
}

void cache_fini(Cache *k)
{
    host_unmap_hidden(k->rw, k->bytes);
    if (k->rx) munmap(k->rx, k->bytes + CACHE_COUNT_BYTES + CACHE_HOOK_BYTES);
    for (unsigned n = 0; n < CACHE_REGIONS; n++) {
        Region *r = &k->region[n];
        xlat_array_free(r->meta, k->meta_bytes, 1);
        xlat_array_free(r->by_host, region_blocks_max(k), sizeof *r->by_host);
        xlat_array_free(r->host_at, region_blocks_max(k), sizeof *r->host_at);
    }
}

bool cache_room(const Cache *k)
{
    const Region *r = &k->region[k->now];
    return r->used + BLOCK_MAX_HOST <= k->region_bytes && r->meta_used + META_ROOM <= k->meta_bytes;
}

/* Of `bytes` from `at` on, make the next step's pages. An older kernel refuses: then it is page by page. */
static void populate(u8 *at, u32 bytes, u32 *populated, int advice)
{
    u32 step = bytes - *populated < POPULATE_STEP ? bytes - *populated : POPULATE_STEP;
    madvise(at + *populated, step, advice);
    *populated += step;
}

u8 *cache_end_of_block(const Cache *k)
{
    return k->rw + k->now * k->region_bytes + k->region[k->now].used + BLOCK_MAX_HOST;
}

u8 *cache_begin(Cache *k)
{
    Region *r = &k->region[k->now];
    u32 at = k->now * k->region_bytes + r->used;
    if (!host_has(HOST_POPULATE)) return k->rw + at;
    if (k->populated < k->bytes && at + BLOCK_MAX_HOST > k->populated) {
        u32 same = k->populated;
        populate(k->rw, k->bytes, &same, HOST_MADV_POPULATE_WRITE);
        populate(k->rx, k->bytes, &k->populated, HOST_MADV_POPULATE_READ);
    }
    if (r->meta_populated < k->meta_bytes && r->meta_used + META_ROOM > r->meta_populated)
        populate(r->meta, k->meta_bytes, &r->meta_populated, HOST_MADV_POPULATE_WRITE);
    return k->rw + at;
}

void cache_end(Cache *k, Block *b, const u8 *end)
{
    Region *r = &k->region[k->now];
    u32 used = (u32)(end - (k->rw + k->now * k->region_bytes));
    r->used = (used + BLOCK_ALIGN - 1) & ~(u32)(BLOCK_ALIGN - 1);
    CHECK(r->used <= k->region_bytes, "a block beyond its region");
    CHECK(r->blocks < region_blocks_max(k), "more blocks than places for them");
    r->host_at[r->blocks] = (u32)(b->hpc - k->rx) - k->now * k->region_bytes;
    r->by_host[r->blocks++] = b;
}

void cache_next_region(Cache *k)
{
    k->now = (k->now + 1) % CACHE_REGIONS;
    Region *r = &k->region[k->now];
    r->used = r->meta_used = r->blocks = 0;
}

Block *cache_block(Cache *k)
{
    enum { LINE = 64 };
    Region *r = &k->region[k->now];
    r->meta_used = (r->meta_used + LINE - 1) & ~(u32)(LINE - 1);
    return cache_meta(k, sizeof(Block));
}

void *cache_meta(Cache *k, u32 bytes)
{
    Region *r = &k->region[k->now];
    bytes = (bytes + 7) & ~7u;
    CHECK(r->meta_used + bytes <= k->meta_bytes, "block arena overrun");
    void *p = r->meta + r->meta_used;
    r->meta_used += bytes;
    return p;
}
