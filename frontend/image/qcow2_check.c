/* qcow2_check.c - do a qcow2 image's refcounts and its COPIED bits say what its tables say?
 *
 * Everything that names a cluster is walked: the header, the refcount table and its blocks, the L1 table, the
 * snapshots and their L1 tables, L2 tables, data and compressed clusters. A count that is higher than it should be
 * is a leak, which wastes room; a lower one is a corruption: the cluster may be taken a second time.
 *
 * Memory: 4 bytes a cluster of the file; files of more than 2^28 clusters are not checked. Not here: persistent
 * bitmaps: an image that has some is looked at but not repaired.
 */
#include <errno.h>
#include <stdlib.h>

#include "frontend/image/qcow2.h"

enum { CLUSTERS_MAX = 1 << 28, SNAPSHOTS_MAX = 65536, SNAPSHOT_HEAD = 40 };

typedef struct Walk {
    Qcow2 *q;
    DiskCheck *result;
    u32 *count;   /* of each cluster of the file: who names it */
    u64 clusters; /* of the file */
    u64 *l2;      /* an L2 table */
    bool fix_bits, write_bits;
} Walk;

static void name_bytes(Walk *w, u64 offset, u64 bytes)
{
    if (!bytes) return;
    u64 first = offset >> w->q->cluster_bits, last = (offset + bytes - 1) >> w->q->cluster_bits;
    if (last < first || last >= w->clusters) {
        w->result->corruptions++;
        return;
    }
    for (u64 c = first; c <= last; c++) w->count[c] += w->count[c] != UINT32_MAX;
}

/* --- the map --------------------------------------------------------------------------------------------- */

static void name_packed(Walk *w, u64 entry)
{
    const Packed p = qcow2_packed(w->q, entry);
    if (entry & QCOW2_COPIED) w->result->corruptions++;
    name_bytes(w, p.offset & ~511ull, p.sectors * (u64)SECTOR_BYTES);
}

static void name_entry(Walk *w, u64 entry, u64 *allocated)
{
    u64 offset = entry & QCOW2_OFFSET;
    bool zero = w->q->version >= 3 && entry & QCOW2_ZERO && !(entry & QCOW2_COMPRESSED);
    *allocated += !zero && (offset || entry & QCOW2_COMPRESSED);
    if (entry & QCOW2_COMPRESSED)
        name_packed(w, entry);
    else if (offset % w->q->cluster_bytes)
        w->result->corruptions++;
    else if (offset)
        name_bytes(w, offset, w->q->cluster_bytes);
}

/* COPIED says that the count is 1, in tables of the disk itself. */
static bool bit_is_wrong(const Walk *w, u64 entry)
{
    u64 cluster = (entry & QCOW2_OFFSET) >> w->q->cluster_bits;
    if (entry & QCOW2_COMPRESSED || !cluster || cluster >= w->clusters) return false;
    return (w->count[cluster] == 1) != !!(entry & QCOW2_COPIED);
}

static int read_l2(Walk *w, u64 offset)
{
    int error = host_file_read(w->q->file, offset, w->l2, w->q->cluster_bytes);
    for (u64 n = 0; n < 1ull << w->q->l2_bits; n++) w->l2[n] = load64_be(&w->l2[n]);
    return error;
}

static int walk_l1(Walk *w, const u64 *l1, u64 count, u64 *allocated)
{
    for (u64 n = 0; n < count; n++) {
        u64 offset = l1[n] & QCOW2_OFFSET;
        if (!offset) continue;
        if (offset % w->q->cluster_bytes || offset >> w->q->cluster_bits >= w->clusters) {
            w->result->corruptions++;
            continue;
        }
        name_bytes(w, offset, w->q->cluster_bytes);
        int error = read_l2(w, offset);
        if (error) return error;
        for (u64 i = 0; i < 1ull << w->q->l2_bits; i++) name_entry(w, w->l2[i], allocated);
    }
    return 0;
}

/* --- snapshots ------------------------------------------------------------------------------------------- */

static int walk_snapshot_l1(Walk *w, u64 offset, u64 count)
{
    u64 ignored = 0;
    if (offset % w->q->cluster_bytes || count * 8 > L1_BYTES_MAX || offset > w->q->file->bytes ||
        count * 8 > w->q->file->bytes - offset) {
        w->result->corruptions++;
        return 0;
    }
    MemoryTable l1 = {.offset = offset, .count = count};
    int error = qcow2_table_read(w->q, &l1);
    name_bytes(w, offset, count * 8);
    if (!error) error = walk_l1(w, l1.entry, count, &ignored);
    free(l1.entry);
    return error;
}

static int walk_snapshots(Walk *w)
{
    u64 at = w->q->snapshots_offset;
    if (w->q->snapshots > SNAPSHOTS_MAX) return qcow2_damage(w->q, "it has too many snapshots");
    for (u32 n = 0; n < w->q->snapshots; n++) {
        u8 h[SNAPSHOT_HEAD];
        int error = at < w->q->file->bytes ? host_file_read(w->q->file, at, h, sizeof h)
                                           : qcow2_damage(w->q, "its snapshots lie outside the file");
        if (!error) error = walk_snapshot_l1(w, load64_be(h), load32_be(h + 8));
        if (error) return error;
        u64 whole = SNAPSHOT_HEAD + (u64)load32_be(h + 36) + load16_be(h + 12) + load16_be(h + 14);
        at += (whole + 7) & ~7ull;
    }
    name_bytes(w, w->q->snapshots_offset, at - w->q->snapshots_offset);
    return 0;
}

/* --- counts ---------------------------------------------------------------------------------------------- */

static void walk_refcounts(Walk *w)
{
    Qcow2 *q = w->q;
    name_bytes(w, q->refcounts.offset, q->refcounts.count * 8);
    for (u64 n = 0; n < q->refcounts.count; n++) {
        u64 offset = q->refcounts.entry[n] & QCOW2_OFFSET;
        if (offset % q->cluster_bytes)
            w->result->corruptions++;
        else if (offset)
            name_bytes(w, offset, q->cluster_bytes);
    }
}

static int set_count(Walk *w, u64 cluster, u64 value)
{
    Qcow2 *q = w->q;
    u64 offset = q->refcounts.entry[cluster >> q->refcount_bits] & QCOW2_OFFSET;
    Table *t;
    int error = qcow2_block_get(q, offset, &t);
    if (error) return error;
    qcow2_refcount_put(q, t->bytes, cluster & ((1ull << q->refcount_bits) - 1), value);
    table_cache_touch(&q->blocks, t);
    w->result->fixed++;
    return 0;
}

/* Is there a block that can hold the count? */
static bool has_block(const Qcow2 *q, u64 cluster)
{
    u64 block = cluster >> q->refcount_bits;
    return block < q->refcounts.count && q->refcounts.entry[block] & QCOW2_OFFSET &&
           !(q->refcounts.entry[block] % q->cluster_bytes);
}

static int compare_count(Walk *w, u64 cluster, DiskRepair repair)
{
    u64 counted = w->count[cluster], written = 0;
    int error = has_block(w->q, cluster) ? qcow2_refcount(w->q, cluster, &written) : 0;
    if (counted) w->result->end = (cluster + 1) << w->q->cluster_bits;
    if (error || counted == written) return error;
    bool leak = written > counted;
    if (repair == REPAIR_ALL || (repair == REPAIR_LEAKS && leak))
        if (has_block(w->q, cluster)) return set_count(w, cluster, counted);
    *(leak ? &w->result->leaks : &w->result->corruptions) += 1;
    return 0;
}

static int compare_counts(Walk *w, DiskRepair repair)
{
    for (u64 c = 0; c < w->clusters; c++) {
        int error = compare_count(w, c, repair);
        if (error) return error;
    }
    return repair ? table_cache_write(&w->q->blocks) : 0;
}

/* --- the bits -------------------------------------------------------------------------------------------- */

static int fix_l2_bits(Walk *w, u64 offset)
{
    u64 wrong = 0, n = 1ull << w->q->l2_bits;
    int error = read_l2(w, offset);
    for (u64 i = 0; i < n && !error; i++)
        if (bit_is_wrong(w, w->l2[i])) {
            wrong++;
            w->l2[i] ^= QCOW2_COPIED;
        }
    if (!w->fix_bits) w->result->corruptions += wrong;
    if (error || !wrong || !w->fix_bits) return error;
    w->result->fixed += wrong;
    for (u64 i = 0; i < n; i++) store64_be(&w->l2[i], w->l2[i]);
    table_cache_drop(&w->q->l2, offset);
    return host_file_write(w->q->file, offset, w->l2, w->q->cluster_bytes);
}

static int check_bits(Walk *w)
{
    Qcow2 *q = w->q;
    int error = 0;
    for (u64 n = 0; n < q->l1.count && !error; n++) {
        u64 offset = q->l1.entry[n] & QCOW2_OFFSET;
        if (!offset || offset % q->cluster_bytes || offset >> q->cluster_bits >= w->clusters) continue;
        if (bit_is_wrong(w, q->l1.entry[n])) {
            *(w->fix_bits ? &w->result->fixed : &w->result->corruptions) += 1;
            if (w->fix_bits) q->l1.entry[n] ^= QCOW2_COPIED, qcow2_table_touch(&q->l1, n);
        }
        error = fix_l2_bits(w, offset);
    }
    return error || !w->fix_bits ? error : qcow2_table_write(q, &q->l1);
}

/* --- all ------------------------------------------------------------------------------------------------- */

static int walk_all(Walk *w)
{
    Qcow2 *q = w->q;
    name_bytes(w, 0, 1);
    name_bytes(w, q->l1.offset, q->l1.count * 8);
    walk_refcounts(w);
    int error = walk_l1(w, q->l1.entry, q->l1.count, &w->result->allocated);
    return error ? error : walk_snapshots(w);
}

static int clear_marks(Qcow2 *q)
{
    u8 word[8];
    if (q->version < 3 || !(q->incompatible & (INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT))) return 0;
    q->incompatible &= ~(u64)(INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT);
    store64_be(word, q->incompatible);
    int error = host_file_flush(q->file);
    return error ? error : host_file_write(q->file, HEADER_INCOMPATIBLE, word, sizeof word);
}

static int check_walk(Walk *w, DiskRepair repair)
{
    w->fix_bits = repair == REPAIR_ALL;
    int error = walk_all(w);
    if (!error) error = compare_counts(w, repair);
    if (!error) error = check_bits(w);
    bool whole = repair == REPAIR_ALL && !w->result->corruptions && !w->result->leaks;
    return error || !whole ? error : clear_marks(w->q);
}

int qcow2_check(Disk *d, DiskRepair repair, DiskCheck *result)
{
    Qcow2 *q = d->state;
    Walk w = {.q = q, .result = result};
    if (repair && q->has_bitmaps)
        return format_trouble(d, ENOTSUP,
                              "it has persistent bitmaps, which are not known: it is not repaired");
    w.clusters = (q->file->bytes + q->cluster_bytes - 1) >> q->cluster_bits;
    u64 covered = q->refcounts.count << q->refcount_bits;
    for (u64 n = q->refcounts.count; n && !q->refcounts.entry[n - 1]; n--)
        covered = (n - 1) << q->refcount_bits;
    if (covered < CLUSTERS_MAX && covered > w.clusters)
        w.clusters = covered; /* counts behind the file's end */
    if (w.clusters > CLUSTERS_MAX) return format_trouble(d, EFBIG, "it is too large to be checked");
    result->clusters = (d->sectors * SECTOR_BYTES + q->cluster_bytes - 1) >> q->cluster_bits;
    w.count = calloc(w.clusters, sizeof *w.count);
    w.l2 = malloc(q->cluster_bytes);
    int error = w.count && w.l2 ? check_walk(&w, repair) : ENOMEM;
    free(w.count);
    free(w.l2);
    return error;
}
