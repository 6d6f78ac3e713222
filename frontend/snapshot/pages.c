/* pages.c - see pages.h.
 *
 *     chunk   u32 region, u32 first page, u64 pages: a bit for each of 64 that follow, u32 bytes, u32 CRC-32 of the
 *     head
 *             up to here and of the bytes; the bytes: those pages, by zstd, or as they are if they did not shrink
 *     end     a chunk of region 2^32 - 1, without pages
 *
 * A page of zeros is in no chunk. Pages that nobody ever touched are holes of the memory's file: they are not even
 * looked at, since looking would give them host memory. Chunks are in ascending order. The numbers are little-endian.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "frontend/host/bytes.h"
#include "frontend/snapshot/two.h"

enum { CHUNK_PAGES = 64, CHUNK_BYTES = CHUNK_PAGES * PAGE_BYTES, HEAD_BYTES = 24 };
enum { GROUP_CHUNKS = 4, GROUPS = 6, BEGIN_BYTES = 2 << 20 };
enum { PACKED_BYTES = ZSTD_COMPRESSBOUND(CHUNK_BYTES), LEVEL = -5 };
#define REGION_END UINT32_MAX

typedef struct Chunk {
    u32 region, first, bytes, crc;
    u64 present;
} Chunk;

static u32 present_bytes(const Chunk *c) { return (u32)__builtin_popcountll(c->present) * PAGE_BYTES; }

bool page_is_zero(const u8 *at)
{
    const u64 *words = (const u64 *)(const void *)at;
    u64 any = 0;
    for (unsigned n = 0; n < PAGE_BYTES / 8; n += 8) {
        any = words[n] | words[n + 1] | words[n + 2] | words[n + 3] | words[n + 4] | words[n + 5] |
              words[n + 6] | words[n + 7];
        if (any) return false;
    }
    return true;
}

bool page_has_memory(const PageRegion *r, PageHoles *h, u64 at)
{
    if (r->present) {
        u64 page = r->present_at + ((at - r->offset) >> PAGE_BITS);
        return r->present[page / 64] >> page % 64 & 1;
    }
    if (r->fd < 0) return true;
    if (at >= h->hole) { /* beyond what is known */
        off_t data = lseek(r->fd, (off_t)at, SEEK_DATA);
        h->data = data < 0 ? UINT64_MAX : (u64)data;
        off_t hole = data < 0 ? -1 : lseek(r->fd, data, SEEK_HOLE);
        h->hole = hole < 0 ? UINT64_MAX : (u64)hole;
    }
    return at >= h->data;
}

/* Bits of the pages of a chunk that have memory. */
static u64 present_pages(const PageRegion *r, u32 first, PageHoles *h)
{
    u64 present = 0;
    u32 count = r->pages - first < CHUNK_PAGES ? r->pages - first : CHUNK_PAGES;
    for (u32 n = 0; n < count; n++) {
        u64 at = (u64)(first + n) << PAGE_BITS;
        if (page_has_memory(r, h, r->offset + at) && !page_is_zero(r->at + at)) present |= 1ull << n;
    }
    return present;
}

/* --- saving ----------------------------------------------------------------------------------------------- */

/* A group of chunks is packed by one thread, whichever is free, while another writes one. They are written in order. */
typedef struct Group {
    u8 *bytes;
    u32 used;
    bool packed;
} Group;

/* What a thread needs. */
typedef struct Packer {
    ZSTD_CCtx *z;
    u8 raw[CHUNK_BYTES];
} Packer;

typedef struct Writer {
    const PageRegion *regions;
    unsigned count;
    int fd;
    pthread_mutex_t lock; /* of all that follows but for bytes of a group that one thread has */
    pthread_cond_t moved;
    int error;
    u32 region, first;  /* where the next group begins */
    u64 taken, written; /* groups */
    bool writing;       /* a thread is at it */
    u64 end, begun_end; /* of what is written; of what the host's disk has begun with */
    Group group[GROUPS];
    Packer *packer[2];
} Writer;

/* The host's disk begins at once, while the next chunks are packed: the sync at the end has less to wait for. */
static int write_out(Writer *w, const Group *g)
{
    int error = bytes_write(w->fd, w->end, g->bytes, g->used);
    w->end += g->used;
    if (!error && w->end - w->begun_end >= BEGIN_BYTES) {
        (void)sync_file_range(w->fd, (off_t)w->begun_end, (off_t)(w->end - w->begun_end),
                              SYNC_FILE_RANGE_WRITE);
        w->begun_end = w->end;
    }
    return error;
}

/* A chunk's bytes, behind the place of its head. */
static u32 pack(Packer *p, u8 *to, const u8 *from, u32 bytes)
{
    size_t packed = ZSTD_compressCCtx(p->z, to, PACKED_BYTES, from, bytes, LEVEL);
    if (!ZSTD_isError(packed) && packed < bytes) return (u32)packed;
    memcpy(to, from, bytes);
    return bytes;
}

static void put_chunk(Packer *p, Group *g, Chunk *c, const u8 *from)
{
    u8 *head = g->bytes + g->used;
    c->bytes = c->present ? pack(p, head + HEAD_BYTES, from, present_bytes(c)) : 0;
    store32(head, c->region);
    store32(head + 4, c->first);
    store64(head + 8, c->present);
    store32(head + 16, c->bytes);
    store32(head + 20, (u32)crc32(crc32(0, head, 20), head + HEAD_BYTES, c->bytes));
    g->used += HEAD_BYTES + c->bytes;
}

/* The chunk's pages, one behind the other. */
static const u8 *gather(Packer *p, const PageRegion *r, const Chunk *c)
{
    const u8 *from = r->at + ((u64)c->first << PAGE_BITS);
    u8 *to = p->raw;
    if (c->present == UINT64_MAX) return from;
    for (u32 n = 0; n < CHUNK_PAGES; n++, from += PAGE_BYTES) {
        if (!(c->present >> n & 1)) continue;
        memcpy(to, from, PAGE_BYTES);
        to += PAGE_BYTES;
    }
    return p->raw;
}

static void pack_group(const Writer *w, Packer *p, Group *g, u32 region, u32 first)
{
    const PageRegion *r = &w->regions[region];
    PageHoles h = {0, 0};
    g->used = 0;
    for (u32 n = 0; n < GROUP_CHUNKS && first < r->pages; n++, first += CHUNK_PAGES) {
        Chunk c = {.region = region, .first = first, .present = present_pages(r, first, &h)};
        if (c.present) put_chunk(p, g, &c, gather(p, r, &c));
    }
}

/* False: there is no more. Locked, as the next two. */
static bool next_group(Writer *w, u32 *region, u32 *first)
{
    while (w->region < w->count && w->first >= w->regions[w->region].pages) {
        w->region++;
        w->first = 0;
    }
    if (w->region >= w->count || w->error) return false;
    *region = w->region;
    *first = w->first;
    w->first += GROUP_CHUNKS * CHUNK_PAGES;
    return true;
}

static bool write_next(Writer *w)
{
    Group *g = &w->group[w->written % GROUPS];
    if (w->writing || w->written == w->taken || !g->packed) return false;
    w->writing = true;
    pthread_mutex_unlock(&w->lock);
    int error = w->error || !g->used ? 0 : write_out(w, g);
    pthread_mutex_lock(&w->lock);
    if (error) w->error = error;
    g->packed = w->writing = false;
    w->written++;
    pthread_cond_broadcast(&w->moved);
    return true;
}

static bool pack_next(Writer *w, Packer *p)
{
    Group *g = &w->group[w->taken % GROUPS];
    u32 region, first;
    if (w->taken - w->written == GROUPS || !next_group(w, &region, &first)) return false;
    w->taken++;
    pthread_mutex_unlock(&w->lock);
    pack_group(w, p, g, region, first);
    pthread_mutex_lock(&w->lock);
    g->packed = true;
    pthread_cond_broadcast(&w->moved);
    return true;
}

/* What is packed is written first, so that there is room for more. */
static void work(void *ctx, unsigned who)
{
    Writer *w = ctx;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        if (write_next(w) || pack_next(w, w->packer[who])) continue;
        if (w->written == w->taken) break; /* and there is no more */
        pthread_cond_wait(&w->moved, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

static int save_end(Writer *w)
{
    Chunk last = {.region = REGION_END};
    Group *g = &w->group[0];
    g->used = 0;
    put_chunk(w->packer[0], g, &last, NULL);
    return w->error ? w->error : write_out(w, g);
}

static bool has_room(Writer *w)
{
    bool good = true;
    for (unsigned n = 0; n < GROUPS; n++)
        good &= (w->group[n].bytes = malloc((size_t)GROUP_CHUNKS * (HEAD_BYTES + PACKED_BYTES))) != NULL;
    for (unsigned n = 0; n < two_count(); n++) {
        w->packer[n] = calloc(1, sizeof *w->packer[n]);
        good &= w->packer[n] && (w->packer[n]->z = ZSTD_createCCtx());
    }
    return good;
}

static void free_room(Writer *w)
{
    for (unsigned n = 0; n < GROUPS; n++) free(w->group[n].bytes);
    for (unsigned n = 0; n < 2; n++) {
        if (w->packer[n]) ZSTD_freeCCtx(w->packer[n]->z);
        free(w->packer[n]);
    }
}

int pages_save(const PageRegion *regions, unsigned count, int fd, u64 *end)
{
    Writer w = {.regions = regions,
                .count = count,
                .fd = fd,
                .end = *end,
                .begun_end = *end,
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .moved = PTHREAD_COND_INITIALIZER};
    int error = ENOMEM;
    if (has_room(&w)) {
        two_run(work, &w);
        error = save_end(&w);
        *end = w.end;
    }
    free_room(&w);
    return error;
}

/* --- loading ---------------------------------------------------------------------------------------------- */

typedef struct Reader {
    const PageRegion *regions;
    unsigned count;
    int fd;
    u64 at;
    Problem *p;
    ZSTD_DCtx *z;
    u8 packed[PACKED_BYTES], raw[CHUNK_BYTES];
} Reader;

static bool damaged(Reader *r, const char *what)
{
    return problem_set(r->p, "the saved memory is damaged %llu bytes from its file's start: %s",
                       (unsigned long long)r->at, what);
}

static bool chunk_fits(const Reader *r, const Chunk *c)
{
    if (c->region == REGION_END) return !c->present && !c->bytes;
    if (c->region >= r->count || c->first % CHUNK_PAGES || c->first >= r->regions[c->region].pages)
        return false;
    u32 left = r->regions[c->region].pages - c->first;
    if (left < CHUNK_PAGES && c->present >> left) return false;
    return c->present && c->bytes && c->bytes <= present_bytes(c);
}

/* Its head and bytes, checked. */
static bool take_chunk(Reader *r, Chunk *c)
{
    u8 head[HEAD_BYTES];
    int error = bytes_read(r->fd, r->at, head, sizeof head);
    if (error) return damaged(r, error == EIO ? "it ends there" : strerror(error));
    *c = (Chunk){load32(head), load32(head + 4), load32(head + 16), load32(head + 20), load64(head + 8)};
    if (!chunk_fits(r, c)) return damaged(r, "there are no such pages");
    error = bytes_read(r->fd, r->at + HEAD_BYTES, r->packed, c->bytes);
    if (error) return damaged(r, error == EIO ? "it ends there" : strerror(error));
    if ((u32)crc32(crc32(0, head, 20), r->packed, c->bytes) != c->crc)
        return damaged(r, "its checksum is wrong");
    r->at += HEAD_BYTES + c->bytes;
    return true;
}

static bool unpack(Reader *r, const Chunk *c)
{
    u32 bytes = present_bytes(c);
    if (c->bytes == bytes) {
        memcpy(r->raw, r->packed, bytes);
        return true;
    }
    return ZSTD_decompressDCtx(r->z, r->raw, bytes, r->packed, c->bytes) == bytes ||
           damaged(r, "it does not unpack");
}

/* Pages from..to of a region are zeros. */
static void clear(const PageRegion *r, u32 from, u32 to, PageHoles *h)
{
    for (; from < to; from++) {
        u8 *page = r->at + ((u64)from << PAGE_BITS);
        if (page_has_memory(r, h, r->offset + ((u64)from << PAGE_BITS)) && !page_is_zero(page))
            memset(page, 0, PAGE_BYTES);
    }
}

static void place(const PageRegion *r, const Chunk *c, const u8 *from, PageHoles *h)
{
    u32 count = r->pages - c->first < CHUNK_PAGES ? r->pages - c->first : CHUNK_PAGES;
    for (u32 n = 0; n < count; n++) {
        u32 page = c->first + n;
        if (!(c->present >> n & 1)) {
            clear(r, page, page + 1, h);
            continue;
        }
        memcpy(r->at + ((u64)page << PAGE_BITS), from, PAGE_BYTES);
        from += PAGE_BYTES;
    }
}

/* Where the row of chunks stands: pages before it are done. */
typedef struct Place {
    u32 region, page;
    PageHoles holes;
} Place;

/* Zeros up to a chunk; *at is behind it then. */
static void clear_up_to(const Reader *r, Place *at, u32 region, u32 page)
{
    u32 end = region < r->count ? region : r->count;
    for (; at->region < end; at->region++, at->page = 0, at->holes = (PageHoles){0, 0})
        clear(&r->regions[at->region], at->page, r->regions[at->region].pages, &at->holes);
    if (at->region < r->count && at->page < page) {
        clear(&r->regions[at->region], at->page, page, &at->holes);
        at->page = page;
    }
}

static bool read_all(Reader *r, bool places)
{
    Place at = {0};
    Chunk c = {0};
    u64 next = 0; /* the place of a chunk is at least this */
    for (;;) {
        if (!take_chunk(r, &c)) return false;
        u64 here = (u64)c.region << 32 | c.first;
        if (here < next) return damaged(r, "chunks are not in order");
        next = here + CHUNK_PAGES;
        if (c.region != REGION_END && !unpack(r, &c)) return false;
        if (places) clear_up_to(r, &at, c.region, c.first);
        if (c.region == REGION_END) return true;
        if (places) place(&r->regions[c.region], &c, r->raw, &at.holes);
        at.page = c.first + CHUNK_PAGES;
    }
}

static bool with_reader(const PageRegion *regions, unsigned count, int fd, u64 at, bool places, Problem *p)
{
    Reader *r = calloc(1, sizeof *r);
    bool good = false;
    if (!r || !(r->z = ZSTD_createDCtx())) {
        free(r);
        return problem_set(p, "the host has no memory");
    }
    r->regions = regions;
    r->count = count;
    r->fd = fd;
    r->at = at;
    r->p = p;
    good = read_all(r, places);
    ZSTD_freeDCtx(r->z);
    free(r);
    return good;
}

bool pages_check(const PageRegion *regions, unsigned count, int fd, u64 at, Problem *p)
{
    return with_reader(regions, count, fd, at, false, p);
}

bool pages_load(const PageRegion *regions, unsigned count, int fd, u64 at, Problem *p)
{
    return with_reader(regions, count, fd, at, true, p);
}
