/* qcow2_map.c - where a sector of a qcow2 image lies: its L1 and L2 tables; and how it gets a new place.
 *
 * A cluster whose entry has the bit COPIED belongs to this disk alone and is overwritten where it is. All others (of
 * the backing file, compressed, zeros, shared with a snapshot) get a new place at the first write: what the write
 * leaves of the old contents is copied, then the entry in the L2 table, in memory, names the new cluster. The table
 * goes to the file when qcow2_settle() says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "frontend/image/qcow2.h"

/* How far back a zstd frame may point: 8 MiB, which is then what unpacking needs. QEMU writes 2 MiB at most. */
enum { ZSTD_WINDOW_BITS = 23 };

typedef enum EntryKind { ENTRY_BACKING, ENTRY_ZERO, ENTRY_DATA, ENTRY_PACKED } EntryKind;

static EntryKind kind_of(const Qcow2 *q, u64 entry)
{
    if (entry & QCOW2_COMPRESSED) return ENTRY_PACKED;
    if (q->version >= 3 && entry & QCOW2_ZERO) return ENTRY_ZERO;
    return entry & QCOW2_OFFSET ? ENTRY_DATA : ENTRY_BACKING;
}

static u64 l2_index(const Qcow2 *q, u64 cluster) { return cluster & ((1ull << q->l2_bits) - 1); }

int qcow2_l2_get(Qcow2 *q, u64 offset, Table **t)
{
    if (offset % q->cluster_bytes) return qcow2_damage(q, "an L2 table lies in an impossible place");
    return format_table_get(q->disk, &q->l2, offset, t);
}

/* --- finding --------------------------------------------------------------------------------------------- */

static int check_data(Qcow2 *q, u64 offset, bool in_place)
{
    if (offset % q->cluster_bytes) return qcow2_damage(q, "a cluster lies in an impossible place");
    if (in_place && offset_set_has(&q->metadata, offset >> q->cluster_bits))
        return qcow2_damage(q, "a cluster lies where a table is");
    return 0;
}

/* As many of the entries from `at` on, at most n, as continue the first: the same kind, and data in a row. */
static u64 run_of(const Qcow2 *q, const u8 *l2, u64 at, u64 n)
{
    u64 first = load64_be(l2 + at * 8), count = 1;
    EntryKind kind = kind_of(q, first);
    if (kind == ENTRY_PACKED) return 1;
    for (; count < n; count++) {
        u64 entry = load64_be(l2 + (at + count) * 8);
        if (kind_of(q, entry) != kind) break;
        if (kind == ENTRY_DATA && entry != first + count * q->cluster_bytes) break;
        if (kind == ENTRY_DATA && offset_set_has(&q->metadata, (entry & QCOW2_OFFSET) >> q->cluster_bits))
            break;
    }
    return count;
}

static int describe(Qcow2 *q, const u8 *l2, u64 at, u64 within, u64 n, Extent *e)
{
    static const ExtentKind kinds[] = {[ENTRY_BACKING] = EXTENT_BACKING,
                                       [ENTRY_ZERO] = EXTENT_ZERO,
                                       [ENTRY_DATA] = EXTENT_DATA,
                                       [ENTRY_PACKED] = EXTENT_PACKED};
    u64 entry = load64_be(l2 + at * 8), run = run_of(q, l2, at, n);
    u64 sectors = run * (q->cluster_bytes / SECTOR_BYTES) - within;
    e->kind = kinds[kind_of(q, entry)];
    e->in_place = q->disk->writable && entry & QCOW2_COPIED;
    e->file = q->file;
    e->offset = (entry & QCOW2_OFFSET) + within * SECTOR_BYTES;
    if (e->sectors > sectors) e->sectors = sectors;
    return e->kind == EXTENT_DATA ? check_data(q, entry & QCOW2_OFFSET, e->in_place) : 0;
}

int qcow2_find(Disk *d, u64 sector, u64 most, Extent *e)
{
    Qcow2 *q = d->state;
    u64 per = q->cluster_bytes / SECTOR_BYTES, cluster = sector / per, within = sector % per;
    u64 at = l2_index(q, cluster), l2_left = ((1ull << q->l2_bits) - at) * per - within;
    u64 offset = q->l1.entry[cluster >> q->l2_bits] & QCOW2_OFFSET;
    *e = (Extent){.kind = EXTENT_BACKING, .sectors = most < l2_left ? most : l2_left};
    if (!offset) return 0;
    Table *t;
    int error = qcow2_l2_get(q, offset, &t);
    return error ? error : describe(q, t->bytes, at, within, (within + e->sectors + per - 1) / per, e);
}

/* --- compressed clusters --------------------------------------------------------------------------------- */

/* Each: a whole cluster to q->unpacked, or false. What follows it in `packed` belongs to others. */
static bool unpack_zlib(Qcow2 *q, u8 *packed, u32 n)
{
    z_stream z = {.next_in = packed, .avail_in = n, .next_out = q->unpacked, .avail_out = q->cluster_bytes};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return false;
    int result = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return !z.avail_out && (result == Z_STREAM_END || result == Z_BUF_ERROR || result == Z_OK);
}

static bool unpack_zstd(Qcow2 *q, const u8 *packed, u32 n)
{
    ZSTD_inBuffer in = {packed, n, 0};
    ZSTD_outBuffer out = {q->unpacked, q->cluster_bytes, 0};
    ZSTD_DCtx *z = ZSTD_createDCtx();
    size_t left = 1; /* of the frame: 0 where it ends */
    if (z && !ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_BITS)))
        while (left && out.pos < out.size) {
            size_t taken = in.pos, given = out.pos;
            left = ZSTD_decompressStream(z, &out, &in);
            if (ZSTD_isError(left) || (in.pos == taken && out.pos == given)) break;
        }
    ZSTD_freeDCtx(z);
    return out.pos == out.size;
}

static int unpack_cluster(Qcow2 *q, u8 *packed, u32 n)
{
    bool whole = q->zstd ? unpack_zstd(q, packed, n) : unpack_zlib(q, packed, n);
    return whole ? 0 : qcow2_damage(q, "a compressed cluster cannot be unpacked");
}

/* The entry has the offset of the first byte, and how many further sectors of 512 bytes have some of it. */
Packed qcow2_packed(const Qcow2 *q, u64 entry)
{
    u32 shift = 62 - (q->cluster_bits - 8);
    return (Packed){.offset = entry & ((1ull << shift) - 1),
                    .sectors = (u32)((entry & ~(QCOW2_COMPRESSED | QCOW2_COPIED)) >> shift) + 1};
}

static int unpack(Qcow2 *q, u64 entry)
{
    const Packed p = qcow2_packed(q, entry);
    u32 n = p.sectors * SECTOR_BYTES - (u32)(p.offset % SECTOR_BYTES);
    if (q->unpacked_entry == entry) return 0;
    q->unpacked_entry = 0;
    if (!q->unpacked) q->unpacked = malloc(q->cluster_bytes);
    u8 *packed = malloc(n);
    int error = packed && q->unpacked ? host_file_read(q->file, p.offset, packed, n) : ENOMEM;
    if (!error) error = unpack_cluster(q, packed, n);
    free(packed);
    if (!error) q->unpacked_entry = entry;
    return error;
}

int qcow2_read_packed(Disk *d, u64 sector, void *to, u64 count)
{
    Qcow2 *q = d->state;
    u64 per = q->cluster_bytes / SECTOR_BYTES, cluster = sector / per;
    Table *t;
    int error = qcow2_l2_get(q, q->l1.entry[cluster >> q->l2_bits] & QCOW2_OFFSET, &t);
    if (!error) error = unpack(q, load64_be(t->bytes + l2_index(q, cluster) * 8));
    if (!error) memcpy(to, q->unpacked + sector % per * SECTOR_BYTES, count * SECTOR_BYTES);
    return error;
}

/* --- new places ------------------------------------------------------------------------------------------ */

/* Clusters that an entry occupies will be free; most: a compressed one's and its neighbours'. */
static void drop_entry(Qcow2 *q, u64 entry, bool punch)
{
    u64 offset = entry & QCOW2_OFFSET, end = offset;
    if (entry & QCOW2_COMPRESSED) {
        const Packed p = qcow2_packed(q, entry);
        offset = p.offset;
        end = (offset & ~511ull) + (p.sectors - 1) * (u64)SECTOR_BYTES;
        punch = false;
    } else if (!offset)
        return;
    for (u64 c = offset >> q->cluster_bits; c <= end >> q->cluster_bits; c++)
        qcow2_free_later(q, c << q->cluster_bits, punch);
}

enum { FREED_BY_ENTRY = 3, RUN_MAX = 256 };

/* Room in the list of clusters to be freed for n entries. */
static int make_room(Qcow2 *q, u32 n)
{
    if (q->freed_count + n * FREED_BY_ENTRY + 1 <= FREED_MAX) return 0;
    return qcow2_settle(q->disk, true);
}

/* The L1 entry names an L2 table of our own from now on. */
static int own_l2(Qcow2 *q, u64 l1_index, u64 old, Table **t)
{
    u64 first, got;
    int error = qcow2_take(q, 1, &first, &got);
    if (error) return error;
    u64 offset = first << q->cluster_bits;
    error = table_cache_has_room(&q->l2, offset) ? 0 : qcow2_settle(q->disk, false);
    if (!error) error = offset_set_add(&q->metadata, first, NULL) ? 0 : ENOMEM;
    if (!error) error = table_cache_make(&q->l2, offset, t);
    if (!error && old) error = host_file_read(q->file, old, (*t)->bytes, q->cluster_bytes);
    if (error) {
        table_cache_drop(&q->l2, offset);
        offset_set_remove(&q->metadata, first);
        qcow2_give_back(q, first);
        return error;
    }
    if (old) {
        offset_set_remove(&q->metadata, old >> q->cluster_bits);
        table_cache_drop(&q->l2, old); /* it is clean: only our own are written */
        qcow2_free_later(q, old, false);
    }
    q->l1.entry[l1_index] = offset | QCOW2_COPIED;
    qcow2_table_touch(&q->l1, l1_index);
    return 0;
}

static int l2_for_write(Qcow2 *q, u64 cluster, Table **t)
{
    u64 index = cluster >> q->l2_bits, entry = q->l1.entry[index], offset = entry & QCOW2_OFFSET;
    if (offset && entry & QCOW2_COPIED) return qcow2_l2_get(q, offset, t);
    return own_l2(q, index, offset, t);
}

static void set_entry(Qcow2 *q, Table *t, u64 at, u64 entry)
{
    store64_be(t->bytes + at * 8, entry);
    table_cache_touch(&q->l2, t);
    q->disk->pending = true;
}

/* Entries from `at` on, at most n, that cannot be written where they are. */
static u64 entries_to_move(const Qcow2 *q, const u8 *l2, u64 at, u64 n)
{
    u64 left = (1ull << q->l2_bits) - at, count = 0;
    if (n > left) n = left;
    if (n > RUN_MAX) n = RUN_MAX;
    for (; count < n; count++) {
        u64 entry = load64_be(l2 + (at + count) * 8);
        if (kind_of(q, entry) == ENTRY_DATA && entry & QCOW2_COPIED) break;
    }
    return count;
}

/* `sectors` from `within` on are new in the cluster at `offset`; the rest is as it was. */
static int write_part(Qcow2 *q, u64 cluster, u64 within, const void *from, u64 sectors, u64 offset)
{
    u64 per = q->cluster_bytes / SECTOR_BYTES, first = cluster * per;
    u64 there = q->disk->sectors - first < per ? q->disk->sectors - first : per;
    Extent e;
    int error = qcow2_find(q->disk, first, there, &e);
    if (error) return error;
    bool blank =
        e.sectors == there && (e.kind == EXTENT_ZERO || (e.kind == EXTENT_BACKING && !q->disk->backing));
    if (blank && offset >= q->file->bytes) /* never written: zeros by itself */
        return host_file_write(q->file, offset + within * SECTOR_BYTES, from, sectors * SECTOR_BYTES);
    memset(q->bounce, 0, q->cluster_bytes);
    if (!blank) error = disk_read(q->disk, first, q->bounce, there);
    if (error) return error;
    memcpy(q->bounce + within * SECTOR_BYTES, from, sectors * SECTOR_BYTES);
    return host_file_write(q->file, offset, q->bounce, q->cluster_bytes);
}

/* A write within one cluster, or of whole ones, that all move. */
typedef struct Move {
    u64 cluster, within, sectors; /* sectors: of the part, or of all whole clusters */
    const void *from;
} Move;

static int move_clusters(Qcow2 *q, const Move *m, Table *t, u64 want, u64 *got)
{
    u64 per = q->cluster_bytes / SECTOR_BYTES, at = l2_index(q, m->cluster), first;
    int error = qcow2_take(q, want, &first, got);
    if (error) return error;
    u64 offset = first << q->cluster_bits;
    if (m->sectors % per)
        error = write_part(q, m->cluster, m->within, m->from, m->sectors, offset);
    else
        error = host_file_write(q->file, offset, m->from, *got * q->cluster_bytes);
    for (u64 n = 0; n < *got; n++) {
        u64 old = load64_be(t->bytes + (at + n) * 8);
        if (error)
            qcow2_give_back(q, first + n);
        else {
            set_entry(q, t, at + n, (offset + n * q->cluster_bytes) | QCOW2_COPIED);
            drop_entry(q, old, false);
        }
    }
    return error;
}

int qcow2_allocate(Disk *d, u64 sector, const void *from, u64 count, u64 *done)
{
    Qcow2 *q = d->state;
    u64 per = q->cluster_bytes / SECTOR_BYTES;
    Move m = {.cluster = sector / per, .within = sector % per, .sectors = count, .from = from};
    if (m.sectors > per - m.within && (m.within || m.sectors < per)) m.sectors = per - m.within;
    if (m.sectors > per) m.sectors -= m.sectors % per;
    Table *t;
    int error = make_room(q, RUN_MAX);
    if (!error) error = l2_for_write(q, m.cluster, &t);
    if (error) return error;
    u64 want = m.sectors < per ? 1 : entries_to_move(q, t->bytes, l2_index(q, m.cluster), m.sectors / per),
        got;
    error = want ? move_clusters(q, &m, t, want, &got) : EIO;
    *done = m.sectors < per ? m.sectors : got * per;
    return error;
}

/* --- discarding ------------------------------------------------------------------------------------------ */

/* What an entry becomes: nothing, or zeros where nothing would show the backing file. */
static u64 discarded(const Qcow2 *q) { return q->disk->backing ? QCOW2_ZERO : 0; }

static int discard_cluster(Qcow2 *q, u64 cluster)
{
    Table *t;
    u64 l2 = q->l1.entry[cluster >> q->l2_bits] & QCOW2_OFFSET;
    if (!l2) return 0;
    int error = make_room(q, 1);
    if (!error) error = qcow2_l2_get(q, l2, &t);
    if (error) return error;
    u64 entry = load64_be(t->bytes + l2_index(q, cluster) * 8);
    if (kind_of(q, entry) == ENTRY_BACKING || entry == discarded(q)) return 0;
    error = l2_for_write(q, cluster, &t);
    if (error) return error;
    set_entry(q, t, l2_index(q, cluster), discarded(q));
    drop_entry(q, entry, entry & QCOW2_COPIED);
    return 0;
}

/* Whole clusters; before version 3 there is no entry that hides a backing file. */
int qcow2_discard(Disk *d, u64 sector, u64 count)
{
    Qcow2 *q = d->state;
    u64 per = q->cluster_bytes / SECTOR_BYTES, end = sector + count;
    u64 last = end == d->sectors ? (end + per - 1) / per : end / per;
    int error = 0;
    if (q->version < 3 && d->backing) return 0;
    for (u64 c = (sector + per - 1) / per; c < last && !error; c++) error = discard_cluster(q, c);
    return error;
}
