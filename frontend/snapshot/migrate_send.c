/* migrate_send.c - see migrate_send.h.
 *
 * Which pages did the guest write since they were sent? Those that differ from our own copy of what was sent.
 * Comparing is a matter of the host's memory bandwidth (some 100 MB in 20 ms), costs the guest nothing, and sees
 * every writer: translated code, the interpreter, chips. A page is sent from the copy, not from memory, so a page
 * that is torn, being written while it was copied, differs again in the next pass.
 *
 * Passes go over all of memory until the next one, with the machine standing still, would take no longer than the
 * limit on downtime; and then on, as long as each is a good deal shorter than the one before. A guest that writes
 * faster than the connection takes never gets there: it runs on, pass for pass, until somebody raises the limit, as
 * with QEMU.
 *
 * Whoever was connected to may be anybody, so the target speaks first (docs/SECURITY.md). The end: PARTS, READY,
 * RUN, RUNS (stream.h). Before RUN is sent, the machine is ours for sure; with RUNS it is theirs. In between only
 * the locks of its disks can tell: migrate.c.
 *
 * Disks that go along (migrate_disks.c) go first: all of what they hold, then what was written to meanwhile, until
 * that is little; and before each pass over memory what was written to since. A piece is read by the machine's
 * process, which the guest has to itself for at least as long again.
 *
 * zlib is worth its time only on a slow connection; the rate of what was sent decides.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/migrate_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum {
    CHUNK_BYTES = STREAM_CHUNK_PAGES * PAGE_BYTES,
    PACKED_BYTES = CHUNK_BYTES + CHUNK_BYTES / 1000 + 64,
    CONNECT_MS = 10000,
    SILENCE_MS = 60000,      /* while the guest runs */
    LAST_MS = 20000,         /* while it stands still */
    PASSES_BETTER = 6,       /* how many more within the limit, at most */
    HANDOVER_NS = 5000000,   /* what the machines do themselves */
    SLOW_BYTES_S = 40 << 20, /* below this zlib pays */
    LITTLE_BYTES = 4 << 20,  /* of a disk */
    BUSY_NS = 2000000,       /* a disk that is being flushed: asked again after that */
    REST_NS = 20000000       /* the guest's, at most */
};

struct Sender {
    Stream stream;
    SendMemory memory;
    MigrateShare *m;
    bool packs, unthrottled;
    u64 pass_begun_ns, pass_begun_bytes, last_pass_ns;
    u64 send_ns, chunk_bytes; /* of this pass: what was waited for the connection, and of pages found */
    u64 wait_ns;              /* ... and for the limit on bandwidth */
    z_stream z;
    u8 raw[CHUNK_BYTES], packed[PACKED_BYTES];
};

static u64 now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static bool give_up(Sender *s)
{
    snprintf(s->m->sentence, sizeof s->m->sentence, "%s", s->stream.why);
    return false;
}

/* What the target has to say instead of what was expected. */
static bool expect(Sender *s, StreamKind kind, unsigned silence_ms)
{
    StreamHead h;
    char said[MIGRATE_SENTENCE] = "";
    if (!stream_head(&s->stream, &h, sizeof said - 1, silence_ms) ||
        !stream_body(&s->stream, &h, said, silence_ms))
        return give_up(s);
    if (h.kind == kind) return true;
    if (h.kind == STREAM_REFUSE)
        snprintf(s->m->sentence, sizeof s->m->sentence, "the other side refuses: %.200s", said);
    else
        snprintf(s->m->sentence, sizeof s->m->sentence, "the other side does not keep to the protocol");
    return false;
}

/* It speaks when it was not asked: it refuses. */
static bool is_refused(Sender *s) { return stream_has_word(&s->stream) && !expect(s, STREAM_KINDS, LAST_MS); }

static bool tell(Sender *s, const StreamHead *h, const void *body, unsigned silence_ms)
{
    if (stream_send(&s->stream, h, body, silence_ms)) return true;
    give_up(s);
    if (!s->stream.interrupted) is_refused(s);
    return false;
}

/* --- a chunk ---------------------------------------------------------------------------------------------- */

/* The copy's page becomes the guest's, if it is not so yet; the bit of what has to be sent. */
static void look_at_page(Sender *s, const PageRegion *r, u64 at, u64 page, u64 bit, StreamHead *h)
{
    const u8 *guest = r->at + at;
    u8 *copy = s->memory.copy + (page << PAGE_BITS);
    u64 *present = &s->memory.present[page / 64], mask = 1ull << page % 64;
    if (!(*present & mask)) {
        if (page_is_zero(guest)) return;
        *present |= mask;
    } else if (!memcmp(guest, copy, PAGE_BYTES)) {
        return;
    }
    memcpy(copy, guest, PAGE_BYTES);
    if (page_is_zero(copy))
        h->zero |= bit;
    else
        h->present |= bit;
}

/* The host has the page's memory back (a balloon): it is zeros, which the other side may not know. */
static void look_at_hole(Sender *s, u64 page, u64 bit, StreamHead *h)
{
    u64 *present = &s->memory.present[page / 64], mask = 1ull << page % 64;
    if (!(*present & mask)) return;
    *present &= ~mask;
    h->zero |= bit;
}

/* What is sent slowly is packed. */
static const u8 *pack(Sender *s, StreamHead *h)
{
    if (!s->packs || !h->bytes) return s->raw;
    deflateReset(&s->z);
    s->z.next_in = s->raw;
    s->z.avail_in = h->bytes;
    s->z.next_out = s->packed;
    s->z.avail_out = PACKED_BYTES;
    bool packed = deflate(&s->z, Z_FINISH) == Z_STREAM_END && s->z.total_out < h->bytes;
    if (!packed) return s->raw;
    h->bytes = (u32)s->z.total_out;
    return s->packed;
}

/* As much as the limit on bandwidth lets through. */
static void hold_back(Sender *s)
{
    u64 limit = atomic_load(&s->m->max_bandwidth), spent = now_ns() - s->pass_begun_ns;
    if (!limit || s->unthrottled) return;
    u64 bytes = s->stream.sent_bytes - s->pass_begun_bytes;
    u64 due = bytes / limit * 1000000000 + bytes % limit * 1000000000 / limit;
    if (due <= spent + 1000000) return;
    u64 ns = due - spent < 200000000 ? due - spent : 200000000;
    struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    nanosleep(&t, NULL);
    s->wait_ns += ns;
}

/* What is in s->raw. */
static bool send_raw(Sender *s, StreamHead *h)
{
    s->chunk_bytes += h->bytes;
    if (is_refused(s)) return false;
    const u8 *body = pack(s, h);
    u64 since = now_ns();
    bool good = tell(s, h, body, s->unthrottled ? LAST_MS : SILENCE_MS);
    s->send_ns += now_ns() - since;
    atomic_store(&s->m->sent_bytes, s->stream.sent_bytes);
    hold_back(s);
    return good;
}

static bool send_chunk(Sender *s, StreamHead *h, u64 first_page)
{
    u8 *to = s->raw;
    for (unsigned n = 0; n < STREAM_CHUNK_PAGES; n++) {
        if (!(h->present >> n & 1)) continue;
        memcpy(to, s->memory.copy + ((first_page + n) << PAGE_BITS), PAGE_BYTES);
        to += PAGE_BYTES;
    }
    h->bytes = (u32)(to - s->raw);
    atomic_fetch_add(&s->m->pages, (u64)__builtin_popcountll(h->present));
    atomic_fetch_add(&s->m->zero_pages, (u64)__builtin_popcountll(h->zero));
    return send_raw(s, h);
}

/* --- disks ------------------------------------------------------------------------------------------------ */

static void rest(Sender *s, u64 ns)
{
    struct timespec t = {0, (long)(ns < REST_NS ? ns : REST_NS)};
    if (s->unthrottled || !ns) return;
    nanosleep(&t, NULL);
    s->wait_ns += (u64)t.tv_nsec;
}

/* What is in m->disk. */
static bool send_piece(Sender *s, u32 drive)
{
    const MigrateDisk *d = &s->m->disk;
    StreamHead h = {
        .kind = STREAM_DISK, .region = drive, .first = d->first, .present = d->present, .zero = d->zero};
    unsigned count = (unsigned)__builtin_popcountll(h.present);
    if (count > MIGRATE_DISK_CLUSTERS) count = 0; /* which the other side refuses */
    h.bytes = count * (MIGRATE_DISK_BYTES / MIGRATE_DISK_CLUSTERS);
    memcpy(s->raw, d->data, h.bytes);
    return !(h.present | h.zero) || send_raw(s, &h);
}

static bool pass_disk(Sender *s, u32 drive)
{
    u32 from = 0;
    do {
        u64 ns = 0;
        if (stream_interrupted(&s->stream)) return give_up(s);
        if (!s->memory.next_piece(s->memory.ctx, drive, from, &ns) || !send_piece(s, drive)) return false;
        rest(s, s->m->disk.later ? BUSY_NS : ns);
        from = s->m->disk.next;
    } while (from != MIGRATE_DISK_END);
    return true;
}

static bool pass_disks(Sender *s)
{
    for (u32 n = 0; n < 32; n++)
        if (s->memory.disks >> n & 1 && !pass_disk(s, n)) return false;
    return true;
}

/* --- a pass ----------------------------------------------------------------------------------------------- */

/* Bytes of it that have memory at all. */
static bool pass_region(Sender *s, u32 region, u64 first_page, u64 *touched)
{
    const PageRegion *r = &s->memory.region[region];
    PageHoles holes = {0, 0};
    for (u32 first = 0; first < r->pages; first += STREAM_CHUNK_PAGES) {
        StreamHead h = {.kind = STREAM_PAGES, .region = region, .first = first};
        u32 count = r->pages - first < STREAM_CHUNK_PAGES ? r->pages - first : STREAM_CHUNK_PAGES;
        for (u32 n = 0; n < count; n++) {
            u64 at = (u64)(first + n) << PAGE_BITS;
            if (!page_has_memory(r, &holes, r->offset + at)) {
                look_at_hole(s, first_page + first + n, 1ull << n, &h);
                continue;
            }
            *touched += PAGE_BYTES;
            look_at_page(s, r, at, first_page + first + n, 1ull << n, &h);
        }
        if (first % (64 * STREAM_CHUNK_PAGES) == 0 && stream_interrupted(&s->stream)) return give_up(s);
        if ((h.present | h.zero) && !send_chunk(s, &h, first_page + first)) return false;
    }
    return true;
}

static void begin_pass(Sender *s)
{
    s->pass_begun_ns = now_ns();
    s->pass_begun_bytes = s->stream.sent_bytes;
    s->send_ns = s->chunk_bytes = s->wait_ns = 0;
}

/* The other side has all of it. */
static bool sync_pass(Sender *s)
{
    const StreamHead sync = {.kind = STREAM_SYNC};
    unsigned silence_ms = s->unthrottled ? LAST_MS : SILENCE_MS;
    u64 since = now_ns();
    if (!tell(s, &sync, NULL, silence_ms) || !expect(s, STREAM_SYNCED, silence_ms)) return false;
    s->send_ns += now_ns() - since;
    return true;
}

static bool pass(Sender *s)
{
    u64 first = 0, touched = 0;
    begin_pass(s);
    if (!pass_disks(s)) return false;
    for (u32 n = 0; n < SEND_REGIONS; n++) {
        if (!pass_region(s, n, first, &touched)) return false;
        first += s->memory.region[n].pages;
    }
    if (!sync_pass(s)) return false;
    atomic_store(&s->m->total_bytes, touched);
    atomic_fetch_add(&s->m->passes, 1);
    return true;
}

static u64 share_of(u64 bytes, u64 ns, u64 of_ns)
{
    return ns ? (u64)((unsigned __int128)bytes * of_ns / ns) : 0;
}

static void note_rate(Sender *s)
{
    u64 sent = s->stream.sent_bytes - s->pass_begun_bytes;
    if (sent <= 1 << 20 || !s->send_ns) return;
    u64 rate = share_of(sent, s->send_ns, 1000000000);
    atomic_store(&s->m->rate, rate);
    if (!s->packs && rate < SLOW_BYTES_S) s->packs = true;
}

/* Disks alone, until the guest leaves little of them to be sent, or writes as fast as it is sent. */
static bool copy_disks(Sender *s)
{
    for (u64 before = UINT64_MAX; s->memory.disks;) {
        begin_pass(s);
        if (!pass_disks(s) || !sync_pass(s)) return false;
        note_rate(s);
        if (s->chunk_bytes <= LITTLE_BYTES || s->chunk_bytes > before / 4 * 3) return true;
        before = s->chunk_bytes;
    }
    return true;
}

/* What the machine would have to stand still for, if it did now; from what this pass and the one before took. */
static u64 judge(Sender *s)
{
    u64 took = now_ns() - s->pass_begun_ns;
    u64 scan_ns = took - s->send_ns - s->wait_ns;
    note_rate(s);
    u64 rate = atomic_load(&s->m->rate), last = s->last_pass_ns;
    s->last_pass_ns = took;
    if (!last) return UINT64_MAX; /* the first pass: it says nothing of what the guest changes */
    u64 dirty = share_of(s->chunk_bytes, last, took); /* will have been changed since */
    atomic_store(&s->m->dirty_rate, share_of(s->chunk_bytes, last, 1000000000));
    atomic_store(&s->m->remaining_bytes, dirty);
    u64 expected = HANDOVER_NS + scan_ns + (rate ? share_of(1000000000, rate, dirty) : 0);
    atomic_store(&s->m->expected_ns, expected);
    return expected;
}

/* So that the last flush, for which the machine stands still, has little to do. */
static void sync_images(const Sender *s)
{
    for (unsigned n = 0; n < s->memory.images; n++) fdatasync(s->memory.image[n]);
}

static bool passes(Sender *s)
{
    u64 best = UINT64_MAX;
    bool synced = false;
    for (unsigned better = 0;;) {
        if (!pass(s)) return false;
        u64 expected = judge(s);
        if (expected > atomic_load(&s->m->downtime_limit_ns)) continue;
        if (!synced) {
            sync_images(s);
            synced = true; /* and what the guest has changed meanwhile goes before it stands still */
            continue;
        }
        if (++better > PASSES_BETTER || expected > best / 4 * 3) return true;
        best = expected;
    }
}

/* --- all of it -------------------------------------------------------------------------------------------- */

static bool greet(Sender *s)
{
    u32 bytes = 4 * SEND_REGIONS + s->m->parts_bytes;
    const StreamHead h = {.kind = STREAM_HELLO,
                          .first = s->memory.disks ? STREAM_VERSION_DISKS : STREAM_VERSION,
                          .region = s->memory.disks,
                          .bytes = bytes};
    u8 *body = malloc(bytes);
    if (!body) {
        snprintf(s->stream.why, sizeof s->stream.why, "the host has no memory");
        return give_up(s);
    }
    for (u32 n = 0; n < SEND_REGIONS; n++) store32(body + 4 * n, s->memory.region[n].pages);
    memcpy(body + 4 * SEND_REGIONS, s->m->parts, s->m->parts_bytes);
    unsigned welcome_ms = s->memory.patient ? SILENCE_MS : CONNECT_MS;
    bool good = expect(s, STREAM_WELCOME, welcome_ms) && tell(s, &h, body, CONNECT_MS) &&
                expect(s, STREAM_ACCEPT, s->memory.disks ? SILENCE_MS : CONNECT_MS);
    free(body);
    return good;
}

bool send_begin(Sender **sender, const SendMemory *memory, int connection, int interrupt, MigrateShare *m)
{
    Sender *s = *sender = calloc(1, sizeof *s);
    if (!s || deflateInit(&s->z, Z_BEST_SPEED) != Z_OK) {
        free(s);
        *sender = NULL;
        close(connection);
        snprintf(m->sentence, sizeof m->sentence, "the host has no memory");
        return false;
    }
    s->stream = (Stream){.fd = connection, .interrupt = interrupt};
    s->memory = *memory;
    s->m = m;
    if (!stream_connected(&s->stream, CONNECT_MS)) return give_up(s);
    return greet(s) && copy_disks(s) && passes(s);
}

SendEnd send_finish(Sender *s)
{
    StreamHead parts = {.kind = STREAM_PARTS, .first = s->m->runs, .bytes = s->m->parts_bytes};
    const StreamHead run = {.kind = STREAM_RUN};
    s->unthrottled = true;
    if (!pass(s) || !tell(s, &parts, s->m->parts, LAST_MS) || !expect(s, STREAM_READY, LAST_MS) ||
        stream_interrupted(&s->stream))
        return SEND_FAILED;
    s->stream.interrupt = -1;
    if (!tell(s, &run, NULL, LAST_MS) || !expect(s, STREAM_RUNS, LAST_MS)) return SEND_UNSURE;
    return SEND_MOVED;
}

void send_end(Sender *s)
{
    if (!s) return;
    close(s->stream.fd);
    deflateEnd(&s->z);
    free(s);
}
