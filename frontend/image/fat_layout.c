/* fat_layout.c - where the parts of a FAT disk lie.
 *
 * Microsoft, FAT File System Specification. A disk has a partition table and one partition from its second track
 * on: of 504 MiB and FAT16 if the files fit, so that every DOS reads it; else of 2 GiB, the most that FAT16 has;
 * else FAT32, as large as the files need. A floppy disk has 1.44 or 2.88 MB and FAT12. Two copies of the table, as
 * usual. Boot sectors call INT 18h: there is no system here.
 */
#include <stdlib.h>

#include "frontend/image/fat.h"

enum { TRACK = 63, HEADS = 16, TABLES = 2, ROOT_ENTRIES = 512, PER_SECTOR = SECTOR_BYTES / FAT_ENTRY };
enum { FAT12_MOST = 4084, FAT16_MOST = 65524, FAT32_LEAST = 65525 + 1000 };
enum { CYLINDER = HEADS * TRACK, CYLINDERS_504M = 1024, CYLINDERS_2G = 4160 };
enum { FAT32_RESERVED = 32, FSINFO = 1, BACKUP = 6, ROOT_CLUSTER = 2 };
static const u64 FAT32_MOST = 2ull << 30; /* sectors: 1 TiB */

/* --- sizes ----------------------------------------------------------------------------------------------- */

static u32 up(u64 n, u32 unit) { return (u32)((n + unit - 1) / unit); }

static u64 clusters_needed(const FatLayout *l, const FatTree *t)
{
    u64 sum = 0;
    for (u32 n = l->bits == 32 ? 0 : 1; n < t->count; n++)
        sum += up(t->node[n].bytes, l->per_cluster * SECTOR_BYTES);
    return sum;
}

/* What is left of a volume of so many sectors behind its tables. */
static void divide(FatLayout *l, u32 volume, const FatTree *t)
{
    u32 root = up(t->node[0].bytes, SECTOR_BYTES), usual = l->begin ? ROOT_ENTRIES / PER_SECTOR : 14;
    l->volume = volume;
    l->reserved = l->bits == 32 ? FAT32_RESERVED : 1;
    l->root_sectors = l->bits == 32 ? 0 : root > usual ? root : usual;
    u64 rest = volume - l->reserved - l->root_sectors;
    l->fat_sectors = up((rest / l->per_cluster + 2) * l->bits, 8 * SECTOR_BYTES);
    l->clusters = (u32)((rest - TABLES * l->fat_sectors) / l->per_cluster);
}

/* Do they fit a volume of this kind and size? */
static bool try_volume(FatLayout *l, u32 bits, u64 disk, u32 per_cluster, const FatTree *t)
{
    l->bits = bits;
    l->disk = disk;
    l->per_cluster = per_cluster;
    divide(l, (u32)(disk - l->begin), t);
    u32 most = bits == 12 ? FAT12_MOST : bits == 16 ? FAT16_MOST : UINT32_MAX;
    u64 needed = clusters_needed(l, t);
    if (l->is_written) needed += needed / 4;
    return l->clusters <= most && needed <= l->clusters;
}

static bool try_floppy(FatLayout *l, const FatTree *t)
{
    l->begin = 0;
    l->heads = 2;
    l->per_track = 18;
    if (try_volume(l, 12, 2880, 1, t)) return true;
    l->per_track = 36;
    return try_volume(l, 12, 5760, 2, t);
}

/* With some room that is free, in whole cylinders. */
static bool try_fat32(FatLayout *l, const FatTree *t)
{
    for (u32 per_cluster = 8; per_cluster <= 64; per_cluster *= 2) {
        l->bits = 32;
        l->per_cluster = per_cluster;
        u64 needed = clusters_needed(l, t), clusters = needed + needed / (l->is_written ? 2 : 16) + 1000;
        if (clusters < FAT32_LEAST) clusters = FAT32_LEAST;
        if (clusters > 1 << 22 && per_cluster < 64) continue;
        u64 sectors = clusters * per_cluster + TABLES * (clusters / 128 + 2) + FAT32_RESERVED + l->begin;
        if (sectors > FAT32_MOST) return false;
        return try_volume(l, 32, (u64)up(sectors, CYLINDER) * CYLINDER, per_cluster, t);
    }
    return false;
}

static bool choose(FatLayout *l, const FatTree *t, const FatSpec *s, Problem *p)
{
    *l = (FatLayout){.begin = TRACK, .heads = HEADS, .per_track = TRACK, .is_written = s->writable};
    if (s->floppy) return try_floppy(l, t) || problem_set(p, "is too large for a floppy disk");
    bool is_16 = !s->bits || s->bits == 16;
    if (is_16 && try_volume(l, 16, CYLINDERS_504M * CYLINDER, 16, t)) return true;
    if (is_16 && try_volume(l, 16, CYLINDERS_2G * CYLINDER, 64, t)) return true;
    if (s->bits == 16) return problem_set(p, "is too large for FAT16, which has 2 GiB");
    return try_fat32(l, t) || problem_set(p, "is too large");
}

static void place(FatLayout *l, FatTree *t)
{
    u32 next = ROOT_CLUSTER;
    for (u32 n = l->bits == 32 ? 0 : 1; n < t->count; n++) {
        FatNode *node = &t->node[n];
        node->clusters = up(node->bytes, l->per_cluster * SECTOR_BYTES);
        node->cluster = node->clusters ? next : 0;
        next += node->clusters;
    }
}

bool fat_layout_make(FatLayout *l, FatTree *t, const FatSpec *s, Problem *p)
{
    if (!choose(l, t, s, p)) return false;
    place(l, t);
    return true;
}

/* --- directories ----------------------------------------------------------------------------------------- */

static void folder_fill(FatTree *t, u32 node)
{
    FatNode *n = &t->node[node];
    const FatNode *parent = &t->node[n->parent];
    u8 *to = n->entries = calloc(1, n->bytes);
    CHECK(to, "no memory");
    if (node) { /* ".." of a folder of the root names cluster 0, whatever the root's is */
        fat_short_entry(to, (const u8 *)".          ", FAT_FOLDER, n->cluster, n);
        fat_short_entry(to + FAT_ENTRY, (const u8 *)"..         ", FAT_FOLDER,
                        n->parent ? parent->cluster : 0, parent);
        to += 2 * FAT_ENTRY;
    } else {
        fat_short_entry(to, (const u8 *)"RING3 FAT  ", FAT_VOLUME, 0, n);
        to += FAT_ENTRY;
    }
    for (u32 k = 0; k < n->children; k++) {
        const FatNode *child = &t->node[n->first_child + k];
        to += fat_names_put(child, child->cluster, to);
    }
}

void fat_layout_folders(FatTree *t)
{
    for (u32 n = 0; n < t->count; n++)
        if (t->node[n].is_folder) folder_fill(t, n);
}

/* --- the first sectors ----------------------------------------------------------------------------------- */

static void chs_put(u8 *to, u64 sector)
{
    u64 cylinder = sector / CYLINDER, head = sector / TRACK % HEADS, at = sector % TRACK + 1;
    if (cylinder > 1023) cylinder = 1023, head = HEADS - 1, at = TRACK;
    to[0] = (u8)head;
    to[1] = (u8)(at | (cylinder >> 8) << 6);
    to[2] = (u8)cylinder;
}

static void no_system(u8 *to) { memcpy(to, "\xcd\x18\xeb\xfe", 4); }

static void partition_table(const FatLayout *l, u8 *to)
{
    u8 *e = to + 0x1be;
    bool is_far = l->disk > CYLINDERS_504M * CYLINDER;
    no_system(to);
    store32(to + 0x1b8, 0x33474e52);
    chs_put(e + 1, l->begin);
    e[4] = l->bits == 32 ? 0x0c : is_far ? 0x0e : 0x06;
    chs_put(e + 5, l->disk - 1);
    store32(e + 8, l->begin);
    store32(e + 12, l->volume);
    store16(to + 510, 0xaa55);
}

/* What is behind the fields that all kinds have. */
static void boot_tail(const FatLayout *l, u8 *to, const char *kind)
{
    to[0] = l->begin ? 0x80 : 0;
    to[2] = 0x29;
    store32(to + 3, 0x33474e52);
    memcpy(to + 7, "RING3 FAT  ", FAT_SHORT);
    memcpy(to + 18, kind, 8);
}

static void boot_sector(const FatLayout *l, u8 *to)
{
    bool is_32 = l->bits == 32, is_small = !is_32 && l->volume < 65536;
    memcpy(to, "\xeb\x58\x90RING3   ", 11);
    store16(to + 11, SECTOR_BYTES);
    to[13] = (u8)l->per_cluster;
    store16(to + 14, (u16)l->reserved);
    to[16] = TABLES;
    store16(to + 17, (u16)(l->root_sectors * PER_SECTOR));
    store16(to + 19, is_small ? (u16)l->volume : 0);
    to[21] = l->begin ? 0xf8 : 0xf0;
    store16(to + 22, is_32 ? 0 : (u16)l->fat_sectors);
    store16(to + 24, l->per_track);
    store16(to + 26, l->heads);
    store32(to + 28, l->begin);
    store32(to + 32, is_small ? 0 : l->volume);
    if (is_32) {
        store32(to + 36, l->fat_sectors);
        store32(to + 44, ROOT_CLUSTER);
        store16(to + 48, FSINFO);
        store16(to + 50, BACKUP);
    }
    boot_tail(l, to + (is_32 ? 64 : 36), is_32 ? "FAT32   " : l->bits == 16 ? "FAT16   " : "FAT12   ");
    no_system(to + 90);
    store16(to + 510, 0xaa55);
}

/* Free clusters are not counted: FFFFFFFFh says so. */
static void info_sector(u8 *to)
{
    store32(to, 0x41615252);
    store32(to + 484, 0x61417272);
    store32(to + 488, 0xffffffff);
    store32(to + 492, 0xffffffff);
    store32(to + 508, 0xaa550000);
}

void fat_layout_sector(const FatLayout *l, u64 sector, u8 to[SECTOR_BYTES])
{
    memset(to, 0, SECTOR_BYTES);
    if (sector < l->begin) {
        if (!sector) partition_table(l, to);
        return;
    }
    u64 at = sector - l->begin;
    if (!at || (l->bits == 32 && at == BACKUP)) boot_sector(l, to);
    if (l->bits == 32 && (at == FSINFO || at == BACKUP + FSINFO)) info_sector(to);
}
