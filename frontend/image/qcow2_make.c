/* qcow2_make.c - a new qcow2 image, and changes of its header: another backing file, another size. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/qcow2.h"

/* --- the header's variable part -------------------------------------------------------------------------- */

enum { EXTENSION_HEAD = 8 };

/* The name of the backing file lies behind the extensions, all in the first cluster. `h` has the header, whose length
 * is *at, and from there on room for `room` bytes; old extensions but that of the backing's format are in `keep`. */
static bool put_backing(u8 *h, u32 at, u32 room, const u8 *keep, u32 keep_bytes, const char *name,
                        const char *format)
{
    u32 name_bytes = name ? (u32)strlen(name) : 0, format_bytes = name && format ? (u32)strlen(format) : 0;
    u32 need = keep_bytes + 2 * EXTENSION_HEAD + ((format_bytes + 7) & ~7u) + name_bytes;
    if (name_bytes > 1023 || format_bytes > 15 || at > room || need > room - at) return false;
    memset(h + at, 0, room - at);
    if (format_bytes) {
        store32_be(h + at, (u32)EXTENSION_BACKING_FORMAT);
        store32_be(h + at + 4, format_bytes);
        memcpy(h + at + EXTENSION_HEAD, format, format_bytes);
        at += EXTENSION_HEAD + ((format_bytes + 7) & ~7u);
    }
    memcpy(h + at, keep, keep_bytes);
    at += keep_bytes + EXTENSION_HEAD; /* the end has type 0 */
    store64_be(h + HEADER_BACKING_OFFSET, name_bytes ? at : 0);
    store32_be(h + HEADER_BACKING_SIZE, name_bytes);
    if (name_bytes) memcpy(h + at, name, name_bytes);
    return true;
}

/* --- making ---------------------------------------------------------------------------------------------- */

const char *const qcow2_options[] = {"compat", "cluster_size", "refcount_bits", "size", NULL};

typedef struct Layout {
    u32 version, cluster_bits, refcount_order, refcount_bits;
    u64 size, table_clusters, blocks, l1_clusters, l1_count;
} Layout;

static u32 log2_of(u64 n)
{
    u32 bits = 0;
    while (bits < 63 && 1ull << bits < n) bits++;
    return 1ull << bits == n ? bits : 64;
}

static bool take_options(Layout *l, const DiskMake *m, Problem *p)
{
    u64 cluster, count_bits;
    const char *compat = format_option(m, "compat", "1.1");
    bool old = !strcmp(compat, "0.10") || !strcmp(compat, "v2"),
         new = !strcmp(compat, "1.1") || !strcmp(compat, "v3");
    if (!old && !new) return problem_set(p, "-o compat=%.40s: it is 0.10 or 1.1", compat);
    l->version = old ? 2 : 3;
    const char *word = format_option(m, "cluster_size", "64k");
    l->cluster_bits = format_size(word, &cluster) ? log2_of(cluster) : 64;
    if (l->cluster_bits < 9 || l->cluster_bits > 21)
        return problem_set(p, "-o cluster_size=%.40s: a power of two from 512 to 2M", word);
    word = format_option(m, "refcount_bits", "16");
    l->refcount_order = format_size(word, &count_bits) ? log2_of(count_bits) : 64;
    if (l->refcount_order > 6)
        return problem_set(p, "-o refcount_bits=%.40s: a power of two from 1 to 64", word);
    if (old && l->refcount_order != 4)
        return problem_set(p, "-o refcount_bits=%.40s: with compat=0.10 it is 16", word);
    l->refcount_bits = l->cluster_bits + 3 - l->refcount_order;
    return true;
}

static u64 clusters_for(const Layout *l, u64 bytes)
{
    return (bytes + (1ull << l->cluster_bits) - 1) >> l->cluster_bits;
}

/* Header, refcount table, refcount blocks, L1 table: the blocks count all of them. */
static bool plan(Layout *l, const DiskMake *m, Problem *p)
{
    u64 per_l1 = 1ull << (2 * l->cluster_bits - 3), used;
    l->size = m->bytes;
    l->l1_count = (l->size + per_l1 - 1) / per_l1;
    l->l1_clusters = clusters_for(l, l->l1_count * 8);
    if (!l->size || l->l1_count * 8 > L1_BYTES_MAX)
        return problem_set(p, "%llu bytes cannot be had with clusters of this size, but at most %llu GiB",
                           (unsigned long long)l->size,
                           (unsigned long long)(per_l1 * (L1_BYTES_MAX / 8) >> 30));
    l->blocks = l->table_clusters = 1;
    while ((used = 1 + l->table_clusters + l->blocks + l->l1_clusters) > l->blocks << l->refcount_bits ||
           clusters_for(l, l->blocks * 8) > l->table_clusters) {
        if (used > l->blocks << l->refcount_bits)
            l->blocks++;
        else
            l->table_clusters++;
    }
    return true;
}

static bool fill_header(const Layout *l, const DiskMake *m, u8 *h, u32 room, Problem *p)
{
    u64 cluster = 1ull << l->cluster_bits;
    static const u8 none[1];
    memset(h, 0, room);
    store32_be(h, 0x514649fb);
    store32_be(h + HEADER_VERSION, l->version);
    store32_be(h + HEADER_CLUSTER_BITS, l->cluster_bits);
    store64_be(h + HEADER_SIZE, l->size);
    store32_be(h + HEADER_L1_SIZE, (u32)l->l1_count);
    store64_be(h + HEADER_L1_OFFSET, (1 + l->table_clusters + l->blocks) * cluster);
    store64_be(h + HEADER_REFCOUNT_OFFSET, cluster);
    store32_be(h + HEADER_REFCOUNT_CLUSTERS, (u32)l->table_clusters);
    if (l->version == 3) {
        store32_be(h + HEADER_REFCOUNT_ORDER, l->refcount_order);
        store32_be(h + HEADER_LENGTH, QCOW2_V3_HEADER);
    }
    return put_backing(h, l->version == 3 ? QCOW2_V3_HEADER : QCOW2_V2_HEADER, room, none, 0, m->backing,
                       m->backing_format) ||
           problem_set(p, "the name of the backing file is too long for it");
}

static int write_counts(const Layout *l, HostFile *f, u8 *cluster_of)
{
    u32 bytes = 1u << l->cluster_bits;
    u64 used = 1 + l->table_clusters + l->blocks + l->l1_clusters, per = 1ull << l->refcount_bits;
    Qcow2 q = {.refcount_order = l->refcount_order};
    int error = 0;
    for (u64 b = 0; b < l->blocks && !error; b++) {
        memset(cluster_of, 0, bytes);
        for (u64 n = 0; n < per && b * per + n < used; n++) qcow2_refcount_put(&q, cluster_of, n, 1);
        error = host_file_write(f, (1 + l->table_clusters + b) << l->cluster_bits, cluster_of, bytes);
    }
    for (u64 b = 0; b < l->blocks && !error; b++) {
        u8 entry[8];
        store64_be(entry, (1 + l->table_clusters + b) << l->cluster_bits);
        error = host_file_write(f, (1ull << l->cluster_bits) + b * 8, entry, sizeof entry);
    }
    return error;
}

/* The header last: until then it is no qcow2 image. */
bool qcow2_create(HostFile *f, const DiskMake *m, Problem *p)
{
    Layout l = {0};
    if (!take_options(&l, m, p) || !plan(&l, m, p)) return false;
    u64 all = 1 + l.table_clusters + l.blocks + l.l1_clusters;
    u32 bytes = 1u << l.cluster_bits;
    u8 *cluster = malloc(bytes);
    int error = cluster ? host_file_resize(f, all << l.cluster_bits) : ENOMEM;
    if (!error) error = write_counts(&l, f, cluster);
    bool good = !error && fill_header(&l, m, cluster, bytes, p);
    if (good) error = host_file_write(f, 0, cluster, bytes);
    free(cluster);
    if (error) return problem_set(p, "%s", strerror(error));
    return good;
}

/* --- another backing file -------------------------------------------------------------------------------- */

/* Extensions of the header but that of the backing's format, as they are. */
static u32 old_extensions(const u8 *h, u32 at, u32 end, u8 *keep)
{
    u32 n = 0;
    while (at + EXTENSION_HEAD <= end) {
        u32 type = load32_be(h + at), length = load32_be(h + at + 4);
        if (!type || length > end - at - EXTENSION_HEAD) break;
        u32 whole = EXTENSION_HEAD + ((length + 7) & ~7u);
        if (whole > end - at) break;
        if (type != (u32)EXTENSION_BACKING_FORMAT) memcpy(keep + n, h + at, whole), n += whole;
        at += whole;
    }
    return n;
}

bool qcow2_set_backing(Disk *d, const char *name, const char *format, Problem *p)
{
    Qcow2 *q = d->state;
    u8 *h = q->bounce, *keep = malloc(q->cluster_bytes);
    CHECK(keep, "no memory");
    int error = host_file_read(q->file, 0, h, q->cluster_bytes);
    u32 at = q->version == 3 ? load32_be(h + HEADER_LENGTH) : QCOW2_V2_HEADER, end = q->cluster_bytes;
    u64 old_name = load64_be(h + HEADER_BACKING_OFFSET);
    if (old_name && old_name < end) end = (u32)old_name;
    u32 kept = !error ? old_extensions(h, at, end, keep) : 0;
    bool fits = !error && put_backing(h, at, q->cluster_bytes, keep, kept, name, format);
    free(keep);
    if (!error && fits) error = host_file_write(q->file, 0, h, q->cluster_bytes);
    if (!error) error = host_file_flush(q->file);
    if (error) return problem_set(p, "%s", strerror(error));
    return fits || problem_set(p, "the name of the backing file is too long for it");
}

/* --- another size ---------------------------------------------------------------------------------------- */

/* Clusters in a row. Runs that are too short are given back at the end: the next is looked for behind them. */
static int take_row(Qcow2 *q, u64 want, u64 *first)
{
    enum { TRIES = 4096 };
    u64 begin = q->free_guess, got = 0;
    int error = 0;
    OffsetSet kept = {0};
    for (int n = 0; n < TRIES && !error && got < want; n++) {
        u64 from;
        error = qcow2_take(q, want - got, &from, &got);
        for (u64 i = 0; !error && got < want && i < got; i++)
            error = offset_set_add(&kept, from + i, NULL) ? 0 : ENOMEM;
        *first = from;
        if (got < want && !error) got = 0;
    }
    if (!error && got < want) error = ENOSPC;
    for (u64 n = 0; n < kept.size; n++)
        if (kept.place[n]) qcow2_give_back(q, kept.place[n] - 1);
    offset_set_free(&kept);
    if (begin < q->free_guess && !error) q->free_guess = begin;
    return error;
}

static int move_l1(Qcow2 *q, u64 count)
{
    u64 clusters = (count * 8 + q->cluster_bytes - 1) >> q->cluster_bits, first = 0;
    u64 *entry = calloc(count, 8);
    u8 words[12];
    if (!entry) return ENOMEM;
    memcpy(entry, q->l1.entry, q->l1.count * 8);
    int error = qcow2_settle(q->disk, true);
    if (!error) error = take_row(q, clusters, &first);
    if (error) return free(entry), error;
    MemoryTable old = q->l1, new = {entry, count, first << q->cluster_bits, 0, count};
    error = qcow2_settle(q->disk, true); /* the counts of its clusters */
    if (!error) error = qcow2_table_write(q, &new);
    if (!error) error = host_file_flush(q->file);
    store32_be(words, (u32)count);
    store64_be(words + 4, new.offset);
    if (!error) error = host_file_write(q->file, HEADER_L1_SIZE, words, sizeof words);
    if (!error) error = host_file_flush(q->file);
    if (error) return free(entry), error;
    q->l1 = new;
    free(old.entry);
    for (u64 c = 0; c < clusters && !error; c++)
        error = offset_set_add(&q->metadata, first + c, NULL) ? 0 : ENOMEM;
    u64 old_clusters = (old.count * 8 + q->cluster_bytes - 1) >> q->cluster_bits;
    for (u64 c = 0; c < old_clusters && !error; c++) {
        offset_set_remove(&q->metadata, (old.offset >> q->cluster_bits) + c);
        error = qcow2_give_back(q, (old.offset >> q->cluster_bits) + c);
    }
    return error;
}

bool qcow2_resize(Disk *d, u64 sectors, Problem *p)
{
    Qcow2 *q = d->state;
    u64 size = sectors * SECTOR_BYTES, per_l1 = (u64)q->cluster_bytes << q->l2_bits,
        count = (size + per_l1 - 1) / per_l1;
    u8 word[8];
    int error = 0;
    if (!sectors || count * 8 > L1_BYTES_MAX)
        return problem_set(p, "this size cannot be had with clusters of %u bytes", q->cluster_bytes);
    if (q->snapshots) return problem_set(p, "the size of an image with snapshots is not changed");
    if (sectors < d->sectors) error = qcow2_discard(d, sectors, d->sectors - sectors);
    if (!error && count > q->l1.count) error = move_l1(q, count);
    store64_be(word, size);
    if (!error) error = qcow2_settle(d, true);
    if (!error) error = host_file_write(q->file, HEADER_SIZE, word, sizeof word);
    if (error) return problem_set(p, "%s", strerror(error));
    d->sectors = sectors;
    q->size = size;
    return true;
}

/* --- looking at it --------------------------------------------------------------------------------------- */

void qcow2_info(const Disk *d, DiskInfo *info)
{
    const Qcow2 *q = d->state;
    info->cluster_bytes = q->cluster_bytes;
    info->variant = q->version == 3 ? "1.1" : "0.10";
    info->snapshots = q->snapshots;
    info->dirty = q->incompatible & INCOMPATIBLE_DIRTY;
    info->corrupt = q->incompatible & INCOMPATIBLE_CORRUPT;
    if (*q->backing_name) info->backing = q->backing_name;
    if (*q->backing_format) info->backing_format = q->backing_format;
}
