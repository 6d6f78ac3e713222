/* balloon.c - the virtio memory balloon (1AF4:1002), as legacy devices of virtio 0.9.5 are (virtio.c).
 *
 * "Virtio PCI Card Specification v0.9.5", appendix G, and of virtio 1.2, section 5.5, what legacy drivers use besides.
 *
 *     register      virtio's 20 + 0 num_pages: how many the host wants; 4 actual: how many the guest gave (it writes);
 *                   8 for free page hints, always 0; 12 poison_val
 *     queue 0       inflate: buffers of u32 page numbers, which the guest has no use for until it takes them back
 *     queue 1       deflate: buffers of the same, taken back
 *     queue 2       statistics: one buffer of {u16 tag, u64 value}; it is given back to ask for the next
 *     queue 3       free page reporting: descriptors that are free memory of the guest's until they are given back
 *
 * A page that was given reads as zeros from then on, and the host has its memory (phys_discard): the guest may lie about
 * what it has no use for and gets zeros instead of its own data, nothing else. Nothing must be done for a page that is
 * taken back: the host gives memory at the first touch.
 *
 * A buffer may be gigabytes long, so the device works in slices of at most SLICE_PAGES page numbers, or REPORT_PAGES
 * times as many pages that come in runs: the first at once, which is all of a Linux driver's buffer, then one each
 * PAUSE_NS.
 *
 * A reset by the driver makes `actual` 0, and leaves what the host wants. Pages are 4 KiB. Reports are taken, and left
 * alone, where the guest fills its free pages with other than zeros (PAGE_POISON).
 *
 * *Not implemented*: free page hints (VIRTIO_BALLOON_F_FREE_PAGE_HINT), which a legacy driver may do without; where
 * they are not offered, Linux numbers the reporting queue 3.
 */
#include "hw/balloon.h"

enum { ID_BALLOON = 5 };
enum { INFLATE, DEFLATE, STATS, REPORT, QUEUES };
enum { STATS_VQ = 1 << 1, DEFLATE_ON_OOM = 1 << 2, PAGE_POISON = 1 << 4, REPORTING = 1 << 5 };
enum { NUM_PAGES = 0, ACTUAL = 4, HINT_COMMAND = 8, POISON_VALUE = 12 };
enum { SLICE_PAGES = 256, REPORT_PAGES = 4, PAUSE_NS = 100000 };
enum { PFNS = 1 << 20 };
enum { STAT_BYTES = 10, STATS_BYTES_MAX = 64 * STAT_BYTES };

/* --- pages that are given -------------------------------------------------------------------------------- */

static u32 pfn_at(const u8 *list, u32 n) { return load32(list + 4 * n); }

/* Discards the longest run of neighbours that the list begins with, upwards or downwards; how many there were. */
static u32 discard_run(Balloon *b, const u8 *list, u32 count)
{
    u32 first = pfn_at(list, 0), last = first, n = 1;
    if (first >= PFNS) return 1;
    for (; n < count; n++) {
        u32 pfn = pfn_at(list, n);
        if (pfn == last + 1 && pfn < PFNS)
            last = pfn;
        else if (pfn + 1 == first)
            first = pfn;
        else
            break;
    }
    phys_discard(b->virtio.phys, first << PAGE_BITS, (last + 1 - first) << PAGE_BITS);
    return n;
}

/* --- buffers, a slice of one at a time ------------------------------------------------------------------- */

/* A slice takes away from *room, at least 1, and says whether the buffer has more. */
typedef bool Slice(Balloon *b, u32 *room);

static bool inflate_slice(Balloon *b, u32 *room)
{
    u8 list[4 * SLICE_PAGES];
    VirtioPiece piece;
    u32 have = b->word_bytes, most = 4 * *room;
    bool more;
    memcpy(list, b->word, have);
    while ((more = virtio_piece(&b->virtio, INFLATE, &piece)) && have < most) {
        u32 take = piece.is_writable || piece.bytes < most - have ? piece.bytes : most - have;
        virtio_skip(&b->virtio, INFLATE, take);
        if (piece.is_writable) continue;
        phys_dma_read(b->virtio.phys, piece.pa, list + have, take);
        have += take;
    }
    for (u32 n = 0; n < have / 4;) n += discard_run(b, list + 4 * n, have / 4 - n);
    b->word_bytes = (u8)(more ? have % 4 : 0);
    memcpy(b->word, list + (have & ~3u), b->word_bytes);
    *room -= have < 4 ? 1 : have / 4;
    return more;
}

/* There is nothing to do for a page that is taken back. */
static bool deflate_slice(Balloon *b, u32 *room)
{
    (void)b;
    *room -= 1;
    return false;
}

/* What is free until the buffer is given back. */
static bool report_slice(Balloon *b, u32 *room)
{
    bool is_poisoned = virtio_has(&b->virtio, PAGE_POISON) && b->poison;
    VirtioPiece piece;
    if (!virtio_piece(&b->virtio, REPORT, &piece)) {
        *room -= 1;
        return false;
    }
    u32 most =
        (*room * REPORT_PAGES << PAGE_BITS) - (piece.pa & PAGE_MASK); /* which ends between two pages */
    u32 take = piece.bytes < most ? piece.bytes : most;
    if (piece.is_writable && !is_poisoned) phys_discard(b->virtio.phys, piece.pa, take);
    virtio_skip(&b->virtio, REPORT, take);
    u32 cost = 1 + (take >> PAGE_BITS) / REPORT_PAGES;
    *room -= cost < *room ? cost : *room;
    return true;
}

/* Buffers of a queue, as far as a slice goes; true: there is more to do. */
static bool work(Balloon *b, unsigned queue, Slice *slice)
{
    Virtio *v = &b->virtio;
    u32 room = SLICE_PAGES;
    while (v->queue[queue].open || virtio_open(v, queue)) {
        if (!room || v->broken) return !v->broken;
        if (!slice(b, &room)) virtio_close(v, queue, 0);
    }
    return false;
}

static void work_all(void *balloon)
{
    Balloon *b = balloon;
    bool more = work(b, INFLATE, inflate_slice);
    more |= work(b, DEFLATE, deflate_slice);
    more |= work(b, REPORT, report_slice);
    if (more) clock_arm(b->clock, &b->timer, clock_now(b->clock) + PAUSE_NS);
}

/* --- statistics ------------------------------------------------------------------------------------------ */

static void take_stats(Balloon *b, const u8 *told, u32 bytes)
{
    for (u32 at = 0; at + STAT_BYTES <= bytes; at += STAT_BYTES) {
        u16 tag = load16(told + at);
        if (tag >= BALLOON_STATS) continue;
        b->stats[tag] = load64(told + at + 2);
        b->stats_told |= 1u << tag;
    }
    b->stats_ns = clock_now(b->clock);
}

/* The buffer stays here: to give it back is to ask for the next. */
static void stats_come(Balloon *b)
{
    u8 told[STATS_BYTES_MAX];
    VirtioPiece piece;
    u32 have = 0;
    virtio_close(&b->virtio, STATS, 0);
    if (!virtio_open(&b->virtio, STATS)) return;
    while (have < sizeof told && virtio_piece(&b->virtio, STATS, &piece)) {
        u32 take = piece.bytes < sizeof told - have ? piece.bytes : (u32)sizeof told - have;
        phys_dma_read(b->virtio.phys, piece.pa, told + have, take);
        virtio_skip(&b->virtio, STATS, take);
        have += take;
    }
    take_stats(b, told, have);
}

void balloon_ask_stats(Balloon *b)
{
    if (virtio_driver_runs(&b->virtio)) virtio_close(&b->virtio, STATS, 0);
}

/* --- registers ------------------------------------------------------------------------------------------- */

static u8 byte_of(u32 value, u32 n) { return (u8)(value >> 8 * (n & 3)); }

static u8 balloon_config_read(void *dev, u32 offset)
{
    const Balloon *b = dev;
    u32 registers[BALLOON_CONFIG_BYTES / 4] = {
        [NUM_PAGES / 4] = b->target_pages, [ACTUAL / 4] = b->actual_pages, [POISON_VALUE / 4] = b->poison};
    return byte_of(registers[offset / 4], offset);
}

static void balloon_config_write(void *dev, u32 offset, u8 v)
{
    Balloon *b = dev;
    u32 *reg = offset / 4 == ACTUAL / 4         ? &b->actual_pages
               : offset / 4 == POISON_VALUE / 4 ? &b->poison
                                                : NULL;
    if (reg) *reg = (*reg & ~(0xffu << 8 * (offset & 3))) | (u32)v << 8 * (offset & 3);
}

/* While a long buffer is worked on, others wait for their turn. */
static void balloon_notified(void *dev, unsigned queue)
{
    Balloon *b = dev;
    if (queue == STATS)
        stats_come(b);
    else if (!b->timer.armed)
        work_all(b);
}

static void balloon_driver_reset(void *dev)
{
    Balloon *b = dev;
    clock_disarm(b->clock, &b->timer);
    b->actual_pages = b->poison = 0;
    b->word_bytes = 0;
    b->stats_told = 0;
    b->stats_ns = 0;
    memset(b->word, 0, sizeof b->word);
    memset(b->stats, 0, sizeof b->stats);
}

void balloon_ask(Balloon *b, u64 guest_bytes)
{
    u64 guest_pages = guest_bytes >> PAGE_BITS;
    b->target_pages = guest_pages < b->ram_pages ? b->ram_pages - (u32)guest_pages : 0;
    virtio_config_changed(&b->virtio);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* What the host wants is the person's, and stays. */
static void balloon_reset(void *dev) { virtio_power_on(&((Balloon *)dev)->virtio); }

static void balloon_state(void *dev, State *s)
{
    Balloon *b = dev;
    virtio_state(&b->virtio, s);
    state_u32(s, "target_pages", &b->target_pages);
    state_check(s, b->target_pages <= b->ram_pages, "target_pages");
    state_u32(s, "actual_pages", &b->actual_pages);
    state_u32(s, "poison", &b->poison);
    state_u8(s, "word_bytes", &b->word_bytes);
    state_check(s, b->word_bytes < sizeof b->word, "word_bytes");
    state_bytes(s, "word", b->word, sizeof b->word);
    state_values(s, "stats", b->stats, 8, BALLOON_STATS);
    state_u32(s, "stats_told", &b->stats_told);
    state_check(s, b->stats_told < 1u << BALLOON_STATS, "stats_told");
    state_u64(s, "stats_ns", &b->stats_ns);
    state_timer(s, "timer", b->clock, &b->timer);
}

static void balloon_loaded(void *dev) { virtio_loaded(&((Balloon *)dev)->virtio); }

const PartKind balloon_part = {
    .version = 1, .reset = balloon_reset, .state = balloon_state, .loaded = balloon_loaded};

void balloon_post(Balloon *b, u32 io) { virtio_post(&b->virtio, io); }

void balloon_init(Balloon *b, const BalloonConfig *c, const VirtioSlot *at, Clock *clock, u32 ram_bytes)
{
    static const VirtioKind kind = {.id = ID_BALLOON,
                                    .queues = QUEUES,
                                    .config_bytes = BALLOON_CONFIG_BYTES,
                                    .config_read = balloon_config_read,
                                    .config_write = balloon_config_write,
                                    .notified = balloon_notified,
                                    .reset = balloon_driver_reset};
    u32 features =
        STATS_VQ | (c->deflate_on_oom ? DEFLATE_ON_OOM : 0) | (c->reports_free ? REPORTING | PAGE_POISON : 0);
    *b =
        (Balloon){.clock = clock, .ram_pages = ram_bytes >> PAGE_BITS, .timer = {.fire = work_all, .ctx = b}};
    virtio_init(&b->virtio, &kind, b, features, at);
    balloon_reset(b);
}
