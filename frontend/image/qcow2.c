/* qcow2.c - QEMU's copy-on-write images, versions 2 and 3: opening, and the order in which tables reach the file.
 *
 * (QEMU, docs/interop/qcow2.txt.) The header names an L1 table, whose entries name L2 tables, whose entries say for
 * each cluster of the disk where it lies (qcow2_map.c); a two-level table of refcounts says who uses a cluster of the
 * file (qcow2_refcount.c).
 *
 * What can be lost: data goes to the file at once, tables stay in memory, newer than the file, until qcow2_settle()
 * writes them in this order, with the host's disk caught up (fdatasync) at each bar:
 *   refcount blocks | the refcount table; data copied so far | L2 tables | the L1 table | counts of freed clusters
 * So whatever is in the file names only what is in the file, counted: a process or a host that ends anywhere leaves
 * an image that opens, at worst with leaked clusters, and never loses what a flush has confirmed.
 *
 * Limits: memory for the L1 table is bounded by 32 MiB, for the refcount table by 8 MiB, as QEMU's are; L2 tables
 * and refcount blocks are cached in 4 MiB and 1 MiB, at least 8 tables each.
 *
 * Not here: encryption, external data files, extended L2 entries, persistent bitmaps (they are marked as no
 * longer true, as the specification asks of a writer that does not know them), internal snapshots other than that
 * their clusters stay as they are.
 */
#include "frontend/image/qcow2.h"

#include <errno.h>
#include <stdlib.h>

enum { L2_CACHE_BYTES = 4 << 20, BLOCK_CACHE_BYTES = 1 << 20 };

int qcow2_damage(Qcow2 *q, const char *what)
{
    return format_trouble(q->disk, EIO, "the image is damaged: %s", what);
}

/* --- the tables in memory -------------------------------------------------------------------------------- */

void qcow2_table_touch(MemoryTable *t, u64 index)
{
    bool dirty = t->dirty_first < t->dirty_end;
    if (!dirty || index < t->dirty_first) t->dirty_first = index;
    if (!dirty || index >= t->dirty_end) t->dirty_end = index + 1;
}

int qcow2_table_write(Qcow2 *q, MemoryTable *t)
{
    u8 part[SECTOR_BYTES];
    int error = 0;
    for (u64 at = t->dirty_first, n; at < t->dirty_end && !error; at += n) {
        n = t->dirty_end - at < sizeof part / 8 ? t->dirty_end - at : sizeof part / 8;
        for (u64 i = 0; i < n; i++) store64_be(part + i * 8, t->entry[at + i]);
        error = host_file_write(q->file, t->offset + at * 8, part, n * 8);
    }
    if (!error) t->dirty_first = t->dirty_end = 0;
    return error;
}

int qcow2_table_read(const Qcow2 *q, MemoryTable *t)
{
    t->entry = calloc(t->count ? t->count : 1, 8);
    if (!t->entry) return ENOMEM;
    int error = host_file_read(q->file, t->offset, t->entry, t->count * 8);
    for (u64 n = 0; n < t->count && !error; n++) t->entry[n] = load64_be(&t->entry[n]);
    return error;
}

/* --- settling -------------------------------------------------------------------------------------------- */

static bool is_dirty(const MemoryTable *t) { return t->dirty_first < t->dirty_end; }

static int settle_refcounts(Qcow2 *q)
{
    int error = table_cache_write(&q->blocks);
    if (error || !is_dirty(&q->refcounts)) return error;
    error = host_file_flush(q->file);
    return error ? error : qcow2_table_write(q, &q->refcounts);
}

static int settle_map(Qcow2 *q)
{
    if (!q->l2.dirty && !is_dirty(&q->l1)) return 0;
    int error = host_file_flush(q->file);
    if (!error) error = table_cache_write(&q->l2);
    if (error || !is_dirty(&q->l1)) return error;
    error = host_file_flush(q->file);
    return error ? error : qcow2_table_write(q, &q->l1);
}

int qcow2_settle(Disk *d, bool durable)
{
    Qcow2 *q = d->state;
    if (!d->writable) return 0;
    int error = settle_refcounts(q);
    if (!error) error = settle_map(q);
    if (error) return error;
    d->pending = false;
    if (!durable) return 0;
    error = host_file_flush(q->file);
    return error ? error : qcow2_free_now(q);
}

/* --- the header ------------------------------------------------------------------------------------------ */

static bool refuse_features(const Qcow2 *q, Problem *p)
{
    static const struct {
        u64 bit;
        const char *why;
    } features[] = {
        {INCOMPATIBLE_DATA_FILE, "keeps its data in another file, which is not supported"},
        {INCOMPATIBLE_EXTENDED_L2, "has extended L2 entries (subclusters), which are not supported"}};
    u64 unknown =
        q->incompatible & ~(u64)(INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT | INCOMPATIBLE_COMPRESSION);
    for (unsigned n = 0; n < ARRAY_LEN(features); n++)
        if (unknown & features[n].bit) return problem_set(p, "%s", features[n].why);
    if (unknown)
        return problem_set(p, "needs features that are not known (incompatible bits %#llx)",
                           (unsigned long long)unknown);
    return true;
}

/* Zlib has no field, or 0 in it and no bit; anything else both. */
static bool take_compression(Qcow2 *q, u32 header_bytes, Problem *p)
{
    u8 method = 0;
    bool announced = q->incompatible & INCOMPATIBLE_COMPRESSION;
    if (header_bytes > QCOW2_V3_HEADER && host_file_read(q->file, QCOW2_V3_HEADER, &method, 1))
        return problem_set(p, "cannot be read");
    if (method > COMPRESSION_ZSTD)
        return problem_set(p, "is compressed by an unknown method (%u); zlib and zstd are supported", method);
    if (announced != (method != COMPRESSION_ZLIB))
        return problem_set(p, "is damaged: its compression is zlib, and not");
    q->zstd = method == COMPRESSION_ZSTD;
    return true;
}

static bool take_version_3(Qcow2 *q, const u8 *h, Problem *p)
{
    u32 length = load32_be(h + HEADER_LENGTH);
    q->incompatible = load64_be(h + HEADER_INCOMPATIBLE);
    q->refcount_order = load32_be(h + HEADER_REFCOUNT_ORDER);
    if (length < QCOW2_V3_HEADER || length > q->cluster_bytes)
        return problem_set(p, "is damaged: its header is %u bytes long", length);
    if (!refuse_features(q, p)) return false;
    if (!take_compression(q, length, p)) return false;
    if (q->refcount_order > 6)
        return problem_set(p, "is damaged: its refcounts have 2^%u bits", q->refcount_order);
    return true;
}

static bool take_header(Qcow2 *q, const u8 *h, Problem *p)
{
    q->version = load32_be(h + HEADER_VERSION);
    q->cluster_bits = load32_be(h + HEADER_CLUSTER_BITS);
    q->size = load64_be(h + HEADER_SIZE);
    if (load32_be(h) != 0x514649fb) return problem_set(p, "is no qcow2 image");
    if (q->version != 2 && q->version != 3)
        return problem_set(p, "is a qcow2 image of version %u, and 2 and 3 are known", q->version);
    if (q->cluster_bits < 9 || q->cluster_bits > 21)
        return problem_set(p, "is damaged: its clusters have 2^%u bytes", q->cluster_bits);
    if (load32_be(h + HEADER_CRYPT)) return problem_set(p, "is encrypted, which is not supported");
    q->cluster_bytes = 1u << q->cluster_bits;
    q->l2_bits = q->cluster_bits - 3;
    q->refcount_order = 4;
    q->snapshots = load32_be(h + HEADER_SNAPSHOTS);
    q->snapshots_offset = load64_be(h + HEADER_SNAPSHOTS_OFFSET);
    if (q->version == 3 && !take_version_3(q, h, p)) return false;
    q->refcount_bits = q->cluster_bits + 3 - q->refcount_order;
    return true;
}

/* A table of `count` entries lies in the file, at a cluster's beginning. */
static bool fits_file(const Qcow2 *q, u64 offset, u64 count)
{
    return !(offset % q->cluster_bytes) && offset && offset <= q->file->bytes &&
           count * 8 <= q->file->bytes - offset;
}

static bool take_tables(Qcow2 *q, const u8 *h, Problem *p)
{
    u64 per_l1 = (u64)q->cluster_bytes << q->l2_bits, clusters = load32_be(h + HEADER_REFCOUNT_CLUSTERS);
    q->l1 = (MemoryTable){.count = load32_be(h + HEADER_L1_SIZE), .offset = load64_be(h + HEADER_L1_OFFSET)};
    q->refcounts.offset = load64_be(h + HEADER_REFCOUNT_OFFSET);
    if (q->size > 1ull << 56 || q->l1.count * 8 > L1_BYTES_MAX)
        return problem_set(p, "is damaged: it has an impossible size");
    if ((q->size + per_l1 - 1) / per_l1 > q->l1.count)
        return problem_set(p, "is damaged: its L1 table is too small for its size");
    if (q->l1.count && !fits_file(q, q->l1.offset, q->l1.count))
        return problem_set(p, "is damaged: its L1 table lies outside the file");
    if (!clusters || clusters > (u64)REFCOUNTS_BYTES_MAX >> q->cluster_bits)
        return problem_set(p, "is damaged: its refcount table has %llu clusters",
                           (unsigned long long)clusters);
    q->refcounts.count = clusters << (q->cluster_bits - 3);
    if (!fits_file(q, q->refcounts.offset, q->refcounts.count))
        return problem_set(p, "is damaged: its refcount table lies outside the file");
    return true;
}

static bool take_backing_name(Qcow2 *q, const u8 *h, Problem *p)
{
    u64 offset = load64_be(h + HEADER_BACKING_OFFSET);
    u32 n = load32_be(h + HEADER_BACKING_SIZE);
    if (!offset) return true;
    if (n >= sizeof q->backing_name || offset > q->cluster_bytes - n)
        return problem_set(p, "is damaged: the name of its backing file is too long");
    if (host_file_read(q->file, offset, q->backing_name, n)) return problem_set(p, "cannot be read");
    if (memchr(q->backing_name, 0, n))
        return problem_set(p, "is damaged: the name of its backing file has a zero in it");
    return true;
}

static bool take_extension(Qcow2 *q, u32 type, u64 at, u32 n, Problem *p)
{
    q->has_bitmaps |= type == EXTENSION_BITMAPS;
    if (type != (u32)EXTENSION_BACKING_FORMAT) return true;
    if (n >= sizeof q->backing_format)
        return problem_set(p, "is damaged: the format of its backing file is too long");
    return !host_file_read(q->file, at, q->backing_format, n) || problem_set(p, "cannot be read");
}

/* Behind the header, each with its type and length, until type 0. */
static bool take_extensions(Qcow2 *q, const u8 *h, Problem *p)
{
    u64 at = q->version == 3 ? load32_be(h + HEADER_LENGTH) : QCOW2_V2_HEADER, end = q->cluster_bytes;
    u64 name = load64_be(h + HEADER_BACKING_OFFSET);
    if (name && name < end) end = name;
    while (at + 8 <= end) {
        u8 head[8];
        if (host_file_read(q->file, at, head, sizeof head)) return problem_set(p, "cannot be read");
        u32 type = load32_be(head), n = load32_be(head + 4);
        at += sizeof head;
        if (type == EXTENSION_END) return true;
        if (n > end - at) return problem_set(p, "is damaged: a header extension is too long");
        if (!take_extension(q, type, at, n, p)) return false;
        at += (n + 7) & ~7u;
    }
    return true;
}

/* --- opening --------------------------------------------------------------------------------------------- */

/* What a writer does not know it marks as no longer true. */
static bool clear_autoclear(Qcow2 *q, Problem *p)
{
    static const u8 none[8];
    if (q->version < 3 || !host_file_write(q->file, HEADER_AUTOCLEAR, none, sizeof none)) return true;
    return problem_set(p, "its header cannot be written");
}

static bool may_be_written(const Qcow2 *q, Problem *p)
{
    const char *state = q->incompatible & INCOMPATIBLE_CORRUPT ? "is marked as damaged"
                        : q->incompatible & INCOMPATIBLE_DIRTY ? "was not closed"
                                                               : NULL;
    return !state ||
           problem_set(p, "%s ('ring3 img check -r all' repairs it); readonly=on or snapshot=on would do",
                       state);
}

static bool open_to_write(Qcow2 *q, Problem *p)
{
    if (!q->disk->repair && !may_be_written(q, p)) return false;
    if (qcow2_table_read(q, &q->refcounts)) return problem_set(p, "its refcount table cannot be read");
    if (q->disk->repair) return true;
    if (qcow2_refcounts_load(q))
        return problem_set(p, "%s",
                           q->disk->trouble[0] ? q->disk->trouble : "there is no memory for its tables");
    return clear_autoclear(q, p);
}

static bool open_qcow2(Disk *d, Problem *p)
{
    u8 h[QCOW2_V3_HEADER] = {0};
    Qcow2 *q = d->state = calloc(1, sizeof *q);
    CHECK(q, "no memory");
    q->disk = d;
    q->file = &d->file;
    if (host_file_read(&d->file, 0, h, sizeof h)) return problem_set(p, "cannot be read");
    if (!take_header(q, h, p) || !take_tables(q, h, p) || !take_backing_name(q, h, p) ||
        !take_extensions(q, h, p))
        return false;
    q->bounce = malloc(q->cluster_bytes);
    d->sectors = (q->size + SECTOR_BYTES - 1) / SECTOR_BYTES;
    if (!d->sectors) return problem_set(p, "has a size of 0");
    if (qcow2_table_read(q, &q->l1)) return problem_set(p, "its L1 table cannot be read");
    if (!q->bounce || !table_cache_init(&q->l2, q->file, q->cluster_bytes, L2_CACHE_BYTES) ||
        !table_cache_init(&q->blocks, q->file, q->cluster_bytes, BLOCK_CACHE_BYTES))
        return problem_set(p, "there is no memory for its tables");
    if (*q->backing_name && !format_open_backing(d, q->backing_name, q->backing_format, p)) return false;
    return (!d->writable && !d->repair) || open_to_write(q, p);
}

static void close_qcow2(Disk *d)
{
    Qcow2 *q = d->state;
    if (!q) return;
    table_cache_free(&q->l2);
    table_cache_free(&q->blocks);
    offset_set_free(&q->metadata);
    free(q->l1.entry);
    free(q->refcounts.entry);
    free(q->bounce);
    free(q->unpacked);
    free(q);
}

const DiskFormat format_qcow2 = {.word = "qcow2",
                                 .open = open_qcow2,
                                 .close = close_qcow2,
                                 .find = qcow2_find,
                                 .read = qcow2_read_packed,
                                 .allocate = qcow2_allocate,
                                 .discard = qcow2_discard,
                                 .settle = qcow2_settle,
                                 .options = qcow2_options,
                                 .create = qcow2_create,
                                 .info = qcow2_info,
                                 .check = qcow2_check,
                                 .resize = qcow2_resize,
                                 .set_backing = qcow2_set_backing};
