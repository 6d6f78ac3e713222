/* qcow2_refcount.c - who uses a cluster of a qcow2 image: its refcounts, taking free clusters, giving them back.
 *
 * Block n of the refcount table has the counts of the 2^refcount_bits clusters from n << refcount_bits on; a block
 * that is not there has zeros. A new block lies among the clusters that it counts, so that it counts itself.
 *
 * Raising a count early and lowering it late leaks a cluster at worst if the process or the host dies in between;
 * the other way round a cluster would belong to two. So blocks may be written at any time, and counts are only
 * lowered when no table on the disk names the cluster any more (Qcow2.freed).
 */
#include <errno.h>
#include <stdlib.h>

#include "frontend/image/qcow2.h"

/* --- counts ---------------------------------------------------------------------------------------------- */

/* Counts narrower than a byte begin at its lowest bit; wider ones are big-endian. */
u64 qcow2_refcount_in(const Qcow2 *q, const u8 *block, u64 index)
{
    u32 order = q->refcount_order, bits = 1u << order;
    switch (order) {
    case 6: return load64_be(block + index * 8);
    case 5: return load32_be(block + index * 4);
    case 4: return load16_be(block + index * 2);
    default: return block[index * bits / 8] >> (index * bits % 8) & (BIT(bits) - 1);
    }
}

void qcow2_refcount_put(const Qcow2 *q, u8 *block, u64 index, u64 value)
{
    u32 order = q->refcount_order, bits = 1u << order, shift = (u32)(index * bits % 8);
    u8 *byte = &block[index * bits / 8];
    switch (order) {
    case 6: store64_be(block + index * 8, value); return;
    case 5: store32_be(block + index * 4, (u32)value); return;
    case 4: store16_be(block + index * 2, (u16)value); return;
    default: *byte = (u8)((*byte & ~((BIT(bits) - 1) << shift)) | value << shift);
    }
}

int qcow2_block_get(Qcow2 *q, u64 offset, Table **t)
{
    if (offset % q->cluster_bytes) return qcow2_damage(q, "a refcount block lies in an impossible place");
    int error = table_cache_has_room(&q->blocks, offset) ? 0 : table_cache_write(&q->blocks);
    return error ? error : table_cache_get(&q->blocks, offset, t);
}

int qcow2_refcount(Qcow2 *q, u64 cluster, u64 *value)
{
    u64 block = cluster >> q->refcount_bits;
    Table *t;
    *value = 0;
    if (block >= q->refcounts.count || !q->refcounts.entry[block]) return 0;
    int error = qcow2_block_get(q, q->refcounts.entry[block], &t);
    if (!error) *value = qcow2_refcount_in(q, t->bytes, cluster & ((1ull << q->refcount_bits) - 1));
    return error;
}

/* --- the table ------------------------------------------------------------------------------------------- */

static int know_table(Qcow2 *q, u64 offset, u64 bytes)
{
    u64 first = offset >> q->cluster_bits, end = (offset + bytes + q->cluster_bytes - 1) >> q->cluster_bits;
    for (bool was; first < end; first++) {
        if (!offset_set_add(&q->metadata, first, &was)) return ENOMEM;
        if (was) return qcow2_damage(q, "two of its tables lie in the same place");
    }
    return 0;
}

static int know_tables_of(Qcow2 *q, const MemoryTable *t)
{
    int error = know_table(q, t->offset, t->count * 8);
    for (u64 n = 0; n < t->count && !error; n++) {
        u64 offset = t->entry[n] & QCOW2_OFFSET;
        if (offset % q->cluster_bytes) return qcow2_damage(q, "a table lies in an impossible place");
        if (offset) error = know_table(q, offset, q->cluster_bytes);
    }
    return error;
}

int qcow2_refcounts_load(Qcow2 *q)
{
    int error = know_table(q, 0, 1);
    if (!error) error = know_tables_of(q, &q->refcounts);
    return error ? error : know_tables_of(q, &q->l1);
}

/* The new table lies behind all that the old one covers, with the blocks that count it and themselves. */
typedef struct NewTable {
    u64 start, blocks, clusters, count; /* start: a cluster; count: entries */
    u64 *entry;
} NewTable;

static void plan_table(const Qcow2 *q, NewTable *n)
{
    u64 per_cluster = q->cluster_bytes / 8, per_block = 1ull << q->refcount_bits;
    n->start = q->refcounts.count << q->refcount_bits;
    n->clusters = (q->refcounts.count + q->refcounts.count / 2 + 8) / per_cluster + 1;
    n->count = n->clusters * per_cluster;
    n->blocks = 1;
    while (n->blocks * per_block < n->blocks + n->clusters) n->blocks++;
}

static int write_new_blocks(Qcow2 *q, const NewTable *n)
{
    u64 used = n->blocks + n->clusters, per_block = 1ull << q->refcount_bits;
    for (u64 b = 0; b < n->blocks; b++) {
        memset(q->bounce, 0, q->cluster_bytes);
        for (u64 i = 0; i < per_block && b * per_block + i < used; i++)
            qcow2_refcount_put(q, q->bounce, i, 1);
        int error = host_file_write(q->file, (n->start + b) << q->cluster_bits, q->bounce, q->cluster_bytes);
        if (error) return error;
    }
    return 0;
}

static int point_header_at(Qcow2 *q, const NewTable *n)
{
    u8 words[12];
    store64_be(words, (n->start + n->blocks) << q->cluster_bits);
    store32_be(words + 8, (u32)n->clusters);
    int error = host_file_flush(q->file);
    if (!error) error = host_file_write(q->file, HEADER_REFCOUNT_OFFSET, words, sizeof words);
    return error ? error : host_file_flush(q->file);
}

static int use_table(Qcow2 *q, NewTable *n)
{
    MemoryTable old = q->refcounts;
    u64 old_first = old.offset >> q->cluster_bits, old_clusters = old.count * 8 / q->cluster_bytes;
    q->refcounts = (MemoryTable){
        .entry = n->entry, .count = n->count, .offset = (n->start + n->blocks) << q->cluster_bits};
    n->entry = NULL;
    free(old.entry);
    int error = know_table(q, n->start << q->cluster_bits, (n->blocks + n->clusters) << q->cluster_bits);
    for (u64 c = 0; c < old_clusters && !error; c++) {
        offset_set_remove(&q->metadata, old_first + c);
        error = qcow2_give_back(q, old_first + c);
    }
    return error;
}

static int write_new_table(Qcow2 *q, NewTable *n)
{
    memcpy(n->entry, q->refcounts.entry, q->refcounts.count * 8);
    for (u64 b = 0; b < n->blocks; b++) n->entry[q->refcounts.count + b] = (n->start + b) << q->cluster_bits;
    MemoryTable t = {n->entry, n->count, (n->start + n->blocks) << q->cluster_bits, 0, n->count};
    int error = write_new_blocks(q, n);
    if (!error) error = qcow2_table_write(q, &t);
    if (!error) error = point_header_at(q, n);
    return error ? error : use_table(q, n);
}

static int grow_table(Qcow2 *q)
{
    NewTable n = {0};
    plan_table(q, &n);
    if (n.count * 8 > REFCOUNTS_BYTES_MAX || n.start >> (56 - q->cluster_bits)) return EFBIG;
    int error = qcow2_settle(q->disk, false);
    if (error) return error;
    n.entry = calloc(n.count, 8);
    if (!n.entry) return ENOMEM;
    error = write_new_table(q, &n);
    free(n.entry);
    return error;
}

/* A block of counts that are all 0, but for its own: it lies in `cluster`. */
static int make_block(Qcow2 *q, u64 cluster, Table **t)
{
    u64 block = cluster >> q->refcount_bits, offset = cluster << q->cluster_bits;
    bool was;
    if (!offset_set_add(&q->metadata, cluster, &was)) return ENOMEM;
    if (was) return qcow2_damage(q, "a table is counted as a free cluster");
    int error = table_cache_has_room(&q->blocks, offset) ? 0 : table_cache_write(&q->blocks);
    if (!error) error = table_cache_make(&q->blocks, offset, t);
    if (error) {
        offset_set_remove(&q->metadata, cluster);
        return error;
    }
    qcow2_refcount_put(q, (*t)->bytes, cluster & ((1ull << q->refcount_bits) - 1), 1);
    q->refcounts.entry[block] = offset;
    qcow2_table_touch(&q->refcounts, block);
    return 0;
}

static int block_for(Qcow2 *q, u64 cluster, Table **t)
{
    u64 block = cluster >> q->refcount_bits;
    if (cluster >> (56 - q->cluster_bits)) return EFBIG;
    int error = block >= q->refcounts.count ? grow_table(q) : 0;
    if (error) return error;
    if (!q->refcounts.entry[block]) return make_block(q, cluster, t);
    return qcow2_block_get(q, q->refcounts.entry[block], t);
}

/* --- taking and giving back ------------------------------------------------------------------------------ */

/* How many free clusters begin at *at or later in the block; 0: none. */
static u64 free_run(const Qcow2 *q, const u8 *block, u64 *at, u64 want)
{
    u64 end = 1ull << q->refcount_bits, n = 0;
    while (*at < end && qcow2_refcount_in(q, block, *at)) ++*at;
    while (n < want && *at + n < end && !qcow2_refcount_in(q, block, *at + n)) n++;
    return n;
}

static int mark_run(Qcow2 *q, Table *t, u64 first, u64 at, u64 count)
{
    for (u64 n = 0; n < count; n++)
        if (offset_set_has(&q->metadata, first + n))
            return qcow2_damage(q, "a table is counted as a free cluster");
    for (u64 n = 0; n < count; n++) qcow2_refcount_put(q, t->bytes, at + n, 1);
    table_cache_touch(&q->blocks, t);
    q->free_guess = first + count;
    q->disk->pending = true;
    return 0;
}

int qcow2_take(Qcow2 *q, u64 want, u64 *first, u64 *got)
{
    u64 per_block = 1ull << q->refcount_bits;
    for (u64 c = q->free_guess;; c = (c / per_block + 1) * per_block) {
        u64 at = c % per_block;
        Table *t;
        int error = block_for(q, c, &t);
        if (error) return error;
        *got = free_run(q, t->bytes, &at, want);
        *first = c / per_block * per_block + at;
        if (*got) return mark_run(q, t, *first, at, *got);
    }
}

int qcow2_give_back(Qcow2 *q, u64 cluster)
{
    u64 block = cluster >> q->refcount_bits, at = cluster & ((1ull << q->refcount_bits) - 1);
    Table *t;
    if (block >= q->refcounts.count || !q->refcounts.entry[block]) return 0;
    int error = qcow2_block_get(q, q->refcounts.entry[block], &t);
    if (error) return error;
    u64 count = qcow2_refcount_in(q, t->bytes, at);
    if (!count) return 0; /* it was too low already: qemu-img check knows more */
    qcow2_refcount_put(q, t->bytes, at, count - 1);
    table_cache_touch(&q->blocks, t);
    if (count == 1 && cluster < q->free_guess) q->free_guess = cluster;
    return 0;
}

void qcow2_free_later(Qcow2 *q, u64 offset, bool punch)
{
    CHECK(q->freed_count < FREED_MAX, "a cluster is freed, and nobody made room for it");
    q->freed[q->freed_count++] = offset | punch;
    q->disk->pending = true;
}

int qcow2_free_now(Qcow2 *q)
{
    while (q->freed_count) {
        u64 offset = q->freed[q->freed_count - 1], count;
        int error = qcow2_give_back(q, offset >> q->cluster_bits);
        if (error) return error;
        q->freed_count--;
        if (!(offset & 1) || qcow2_refcount(q, offset >> q->cluster_bits, &count) || count) continue;
        host_file_punch(q->file, offset & ~1ull, q->cluster_bytes);
    }
    return 0;
}
