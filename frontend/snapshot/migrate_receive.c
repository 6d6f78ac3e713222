/* migrate_receive.c - see migrate_receive.h, and stream.h for what comes.
 *
 * Disks that come along are the machine's to write (migrate_disks.c).
 *
 * Whoever calls is not trusted: every length is bounded before it is fetched, every message has a checksum, pages go where
 * there are pages and nowhere else, and zlib gets no more room than they have. What the parts make of their state is
 * theirs to check (hw/part.h), in the machine's process. Memory is the machine's own, which has not run yet.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/migrate_receive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    CHUNK_BYTES = STREAM_CHUNK_PAGES * PAGE_BYTES,
    HELLO_MS = 5000,
    FOR_EVER_MS = 0x7fffffff, /* a source that is slow, or syncs its disks; who is gone is TCP's to notice */
    LAST_MS = 30000,
    DRAIN_MS = 1000, /* for what was on its way when it was refused */
    RUN_MS =
        10000 /* the source waits for longer before it takes back what it has not said RUN for: migrate_send.c */
};

typedef struct Receiver {
    const Receive *with;
    Stream stream;
    z_stream z;
    u8 body[CHUNK_BYTES], raw[CHUNK_BYTES];
} Receiver;

static bool fail(const Receiver *r, const char *why)
{
    snprintf(r->with->m->sentence, MIGRATE_SENTENCE, "%s", why);
    return false;
}

static bool broken(const Receiver *r) { return fail(r, r->stream.why); }

static bool answer(Receiver *r, StreamKind kind)
{
    const StreamHead h = {.kind = kind};
    return stream_send(&r->stream, &h, NULL, LAST_MS) || broken(r);
}

/* The source hears it, too. */
static bool refuse(Receiver *r)
{
    char text[MIGRATE_SENTENCE];
    memcpy(text, r->with->m->sentence, sizeof text);
    text[sizeof text - 1] = 0;
    const StreamHead h = {.kind = STREAM_REFUSE, .bytes = (u32)strlen(text)};
    if (stream_send(&r->stream, &h, text, LAST_MS)) stream_drain(&r->stream, DRAIN_MS);
    return false;
}

static bool refuse_with(Receiver *r, const char *why)
{
    fail(r, why);
    return refuse(r);
}

static bool ask(Receiver *r, ReceiveQuestion q) { return r->with->ask(r->with->ctx, q) || refuse(r); }

/* --- what the machine is ---------------------------------------------------------------------------------- */

static bool same_memory(const Receiver *r, const u8 *from)
{
    for (u32 n = 0; n < RECEIVE_REGIONS; n++)
        if (load32(from + 4 * n) != r->with->region[n].pages) return false;
    return true;
}

/* A head that is none, or none in time: somebody else, who is not worth ending for. */
static bool take_hello(Receiver *r, bool *stranger)
{
    MigrateShare *m = r->with->m;
    enum { REGION_BYTES = 4 * RECEIVE_REGIONS };
    StreamHead h;
    *stranger = true;
    if (!answer(r, STREAM_WELCOME)) return false;
    unsigned hello_ms = r->with->patient ? FOR_EVER_MS : HELLO_MS;
    if (!stream_head(&r->stream, &h, REGION_BYTES + MIGRATE_PARTS_MAX, hello_ms)) return broken(r);
    if (h.kind != STREAM_HELLO) return fail(r, "it does not begin as a ring3 does");
    *stranger = false;
    u8 *body = malloc(h.bytes + 1);
    if (!body) return refuse_with(r, "the host has no memory");
    bool good = stream_body(&r->stream, &h, body, HELLO_MS) || broken(r);
    u32 version = h.region ? STREAM_VERSION_DISKS : STREAM_VERSION;
    if (good && h.first != version)
        good = refuse_with(r, "the other ring3 is of another version, whose migration is not the same");
    else if (good && h.bytes < REGION_BYTES)
        good = refuse_with(r, "the machine's description is cut off");
    if (good) {
        m->disks = h.region;
        m->parts_bytes = h.bytes - REGION_BYTES;
        memcpy(m->parts, body + REGION_BYTES, m->parts_bytes);
        good = ask(r, RECEIVE_FITS) &&
               (same_memory(r, body) || refuse_with(r, "it has another amount of memory than this machine"));
    }
    free(body);
    return good && answer(r, STREAM_ACCEPT);
}

/* --- memory ----------------------------------------------------------------------------------------------- */

/* Nothing but zeros, so that pages of zeros need not be sent. */
static void clear(const PageRegion *r)
{
    u64 bytes = (u64)r->pages << PAGE_BITS;
    int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (r->fd < 0 || fallocate(r->fd, how, (off_t)r->offset, (off_t)bytes)) memset(r->at, 0, bytes);
}

static bool pages_fit(const Receiver *r, const StreamHead *h)
{
    if (h->region >= RECEIVE_REGIONS || h->first % STREAM_CHUNK_PAGES) return false;
    u32 pages = r->with->region[h->region].pages;
    if (h->first >= pages || h->present & h->zero) return false;
    u32 left = pages - h->first;
    if (left < STREAM_CHUNK_PAGES && (h->present | h->zero) >> left) return false;
    return h->bytes <= (u32)__builtin_popcountll(h->present) * PAGE_BYTES;
}

/* The bytes, of which there are so many, CHUNK_BYTES at most; NULL: they do not unpack. */
static const u8 *unpack(Receiver *r, const StreamHead *h, u32 bytes)
{
    if (h->bytes == bytes) return r->body;
    inflateReset(&r->z);
    r->z.next_in = r->body;
    r->z.avail_in = h->bytes;
    r->z.next_out = r->raw;
    r->z.avail_out = bytes;
    return inflate(&r->z, Z_FINISH) == Z_STREAM_END && r->z.total_out == bytes ? r->raw : NULL;
}

static bool take_pages(Receiver *r, const StreamHead *h)
{
    if (!pages_fit(r, h)) return refuse_with(r, "what came is damaged: there are no such pages");
    if (!stream_body(&r->stream, h, r->body, FOR_EVER_MS)) return broken(r);
    const u8 *from = unpack(r, h, (u32)__builtin_popcountll(h->present) * PAGE_BYTES);
    if (!from) return refuse_with(r, "what came is damaged: it does not unpack");
    u8 *to = r->with->region[h->region].at + ((u64)h->first << PAGE_BITS);
    for (u32 n = 0; n < STREAM_CHUNK_PAGES; n++, to += PAGE_BYTES) {
        if (h->zero >> n & 1) memset(to, 0, PAGE_BYTES);
        if (!(h->present >> n & 1)) continue;
        memcpy(to, from, PAGE_BYTES);
        from += PAGE_BYTES;
    }
    return true;
}

/* --- disks ------------------------------------------------------------------------------------------------ */

_Static_assert((int)MIGRATE_DISK_BYTES <= (int)CHUNK_BYTES, "there is room for a piece of a disk");

static bool take_piece(Receiver *r, const StreamHead *h)
{
    MigrateDisk *d = &r->with->m->disk;
    u32 clusters = (u32)__builtin_popcountll(h->present);
    u32 bytes = clusters * (MIGRATE_DISK_BYTES / MIGRATE_DISK_CLUSTERS);
    if (clusters > MIGRATE_DISK_CLUSTERS || h->bytes > bytes || h->present & h->zero || h->region >= 32 ||
        !(r->with->m->disks >> h->region & 1))
        return refuse_with(r, "what came is damaged: there is no such disk");
    if (!stream_body(&r->stream, h, r->body, FOR_EVER_MS)) return broken(r);
    const u8 *from = unpack(r, h, bytes);
    if (!from) return refuse_with(r, "what came is damaged: it does not unpack");
    d->drive = h->region;
    d->first = h->first;
    d->present = h->present;
    d->zero = h->zero;
    memcpy(d->data, from, bytes);
    return ask(r, RECEIVE_DISK);
}

static bool take_sync(Receiver *r)
{
    return (!r->with->m->disks || ask(r, RECEIVE_SETTLE)) && answer(r, STREAM_SYNCED);
}

/* --- all of it -------------------------------------------------------------------------------------------- */

static bool take_parts(Receiver *r, const StreamHead *h)
{
    MigrateShare *m = r->with->m;
    u8 *body = malloc(h->bytes + 1);
    if (!body) return refuse_with(r, "the host has no memory");
    bool good = stream_body(&r->stream, h, body, LAST_MS) || broken(r);
    if (good) {
        m->parts_bytes = h->bytes;
        m->runs = h->first != 0;
        memcpy(m->parts, body, h->bytes);
    }
    free(body);
    return good && ask(r, RECEIVE_READY) && answer(r, STREAM_READY);
}

/* Pages, until the parts come behind the last of them. */
static bool take_machine(Receiver *r)
{
    for (StreamHead h;;) {
        if (!stream_head(&r->stream, &h, MIGRATE_PARTS_MAX, FOR_EVER_MS)) return broken(r);
        if (h.kind == STREAM_PARTS) return take_parts(r, &h);
        bool good = h.kind == STREAM_PAGES  ? take_pages(r, &h)
                    : h.kind == STREAM_DISK ? take_piece(r, &h)
                    : h.kind == STREAM_SYNC ? take_sync(r)
                                            : refuse_with(r, "the other side does not keep to the protocol");
        if (!good) return false;
    }
}

static bool take_run(Receiver *r)
{
    const StreamHead runs = {.kind = STREAM_RUNS};
    StreamHead h;
    if (!stream_head(&r->stream, &h, 0, RUN_MS)) return broken(r);
    if (h.kind != STREAM_RUN) return refuse_with(r, "the other side does not keep to the protocol");
    stream_send(&r->stream, &runs, NULL, LAST_MS); /* whether it hears that or not: the machine is ours */
    return true;
}

ReceiveEnd receive_machine(const Receive *with, int connection)
{
    Receiver *r = calloc(1, sizeof *r);
    bool stranger = false;
    if (!r || inflateInit(&r->z) != Z_OK) {
        free(r);
        snprintf(with->m->sentence, MIGRATE_SENTENCE, "the host has no memory");
        return RECEIVE_FAILED;
    }
    r->with = with;
    r->stream = (Stream){.fd = connection, .interrupt = with->interrupt};
    bool good = take_hello(r, &stranger);
    for (u32 n = 0; n < RECEIVE_REGIONS && good; n++) clear(&with->region[n]);
    good = good && take_machine(r) && take_run(r);
    inflateEnd(&r->z);
    free(r);
    return good ? RECEIVE_RUNS : stranger ? RECEIVE_STRANGER : RECEIVE_FAILED;
}
