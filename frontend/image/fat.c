/* fat.c - fat:FOLDER, a folder of the host's as a FAT disk: "fat:[floppy:][12:|16:|32:]FOLDER", in QEMU's words.
 *
 * What the disk is, is settled when it is opened: the names, the sizes, where each file lies (one after the other,
 * each in one piece). Sectors are made when they are read: tables by arithmetic, directories from memory, contents
 * from the files, of which the last few stay open. A file that has changed meanwhile has its old size and its new
 * bytes; where it is shorter now, or gone, or has become a link, reading fails. With "rw:" the guest may write: to
 * a temporary file (fat_overlay.c), from which its changes go back to the folder when it flushes, a second after
 * it has written and at the end (fat_carry.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "frontend/host/files.h"
#include "frontend/image/fat_carry.h"

enum { FREE = 0, END = 0x0fffffff };

/* The folder's file is not there any more, since the guest's changes were carried back; what the guest still had
 * of it is in the overlay, but for what could not be read. */
typedef enum Gone { STILL_THERE, GONE, GONE_UNREAD } Gone;

typedef struct Fat {
    FatTree tree;
    FatLayout layout;
    FatSpec spec;
    u32 *placed; /* the nodes that have clusters, in their order */
    u32 placed_count;
    u32 used; /* clusters that hold something */
    FatOverlay overlay; /* rw: what the guest has written */
    FatCarry *carry;    /* rw; NULL: it is only read */
    u8 *gone;           /* rw: of each node: see Gone */
    FolderFiles files;
} Fat;

/* --- words ----------------------------------------------------------------------------------------------- */

static bool take_word(const char **at, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*at, word, n)) return false;
    *at += n;
    return true;
}

static bool parse(const char *path, FatSpec *s, Problem *p)
{
    static const char *const widths[] = {"12:", "16:", "32:"};
    static const u8 bits[] = {12, 16, 32};
    const char *at = path + 4, *begin;
    *s = (FatSpec){.bits = 0};
    do {
        begin = at;
        s->floppy |= take_word(&at, "floppy:");
        s->writable |= take_word(&at, "rw:");
        for (u32 n = 0; n < ARRAY_LEN(widths); n++)
            if (take_word(&at, widths[n])) s->bits = bits[n];
    } while (at != begin);
    s->folder = at;
    if (s->floppy ? s->bits && s->bits != 12 : s->bits == 12)
        return problem_set(p, "a floppy disk is FAT12, and no other disk is");
    return *at || problem_set(p, "names no folder");
}

const char *fat_folder(const char *path)
{
    FatSpec s;
    Problem p;
    if (strncmp(path, "fat:", 4)) return NULL;
    (void)parse(path, &s, &p);
    return s.folder;
}

bool fat_is_written(const char *path)
{
    FatSpec s;
    Problem p;
    return fat_folder(path) && parse(path, &s, &p) && s.writable;
}

/* --- tables ---------------------------------------------------------------------------------------------- */

/* The node to which a cluster belongs; NULL: it is free. */
static FatNode *node_of(const Fat *f, u32 cluster)
{
    u32 low = 0, high = f->placed_count;
    if (cluster < 2 || cluster >= f->used + 2) return NULL;
    while (high - low > 1) {
        u32 middle = low + (high - low) / 2;
        *(f->tree.node[f->placed[middle]].cluster > cluster ? &high : &low) = middle;
    }
    return &f->tree.node[f->placed[low]];
}

static u32 entry_of(const Fat *f, u32 cluster)
{
    if (cluster == 0) return f->layout.begin ? 0x0ffffff8 : 0x0ffffff0;
    if (cluster == 1) return END;
    const FatNode *node = node_of(f, cluster);
    if (!node) return FREE;
    return cluster + 1 == node->cluster + node->clusters ? END : cluster + 1;
}

/* Byte `at` of the table with entries of 12 bits: two are three bytes. */
static u8 byte_of_12(const Fat *f, u32 at)
{
    u32 low = entry_of(f, at / 3 * 2), high = entry_of(f, at / 3 * 2 + 1);
    return (u8)(((low & 0xfff) | (high & 0xfff) << 12) >> 8 * (at % 3));
}

static void table_sector(const Fat *f, u32 sector, u8 *to)
{
    u32 bits = f->layout.bits, per_sector = SECTOR_BYTES * 8 / bits, first = sector * per_sector;
    for (u32 n = 0; bits == 12 && n < SECTOR_BYTES; n++) to[n] = byte_of_12(f, sector * SECTOR_BYTES + n);
    for (u32 n = 0; bits == 16 && n < per_sector; n++) store16(to + 2 * n, (u16)entry_of(f, first + n));
    for (u32 n = 0; bits == 32 && n < per_sector; n++) store32(to + 4 * n, entry_of(f, first + n));
}

/* --- files ----------------------------------------------------------------------------------------------- */

static int contents(Disk *d, const FatNode *n, u64 offset, u8 *to, u64 bytes)
{
    u64 there = offset >= n->bytes ? 0 : n->bytes - offset < bytes ? n->bytes - offset : bytes;
    memset(to + there, 0, bytes - there);
    if (n->is_folder) {
        if (there) memcpy(to, n->entries + offset, there);
        return 0;
    }
    Fat *f = d->state;
    u32 node = (u32)(n - f->tree.node);
    if (f->gone && f->gone[node] == GONE) memset(to, 0, there);
    if (f->gone && f->gone[node] == GONE) return 0;
    if (there && f->gone && f->gone[node] == GONE_UNREAD) return EIO;
    int error =
        there ? host_folder_read(&f->files, &f->tree.folder, f->spec.folder, node, offset, to, there) : 0;
    return error ? format_trouble(d, error, "'%.100s' has changed, or gone", n->name) : 0;
}

/* --- sectors --------------------------------------------------------------------------------------------- */

/* Up to `count` sectors of the data area, of one file; *done: how many. */
static int data_read(Disk *d, u64 sector, u8 *to, u64 count, u64 *done)
{
    const Fat *f = d->state;
    u32 per = f->layout.per_cluster;
    const FatNode *n = node_of(f, (u32)(sector / per) + 2);
    if (!n) { /* free; all behind is */
        *done = count;
        memset(to, 0, count * SECTOR_BYTES);
        return 0;
    }
    u64 first = (u64)(n->cluster - 2) * per, end = first + (u64)n->clusters * per;
    *done = end - sector < count ? end - sector : count;
    return contents(d, n, (sector - first) * SECTOR_BYTES, to, *done * SECTOR_BYTES);
}

static u64 data_begins(const FatLayout *l)
{
    return l->begin + l->reserved + 2ull * l->fat_sectors + l->root_sectors;
}

static int one_read(Disk *d, u64 sector, u8 *to)
{
    const Fat *f = d->state;
    const FatLayout *l = &f->layout;
    u64 tables = l->begin + l->reserved, root = tables + 2ull * l->fat_sectors;
    if (sector < tables)
        fat_layout_sector(l, sector, to);
    else if (sector < root)
        table_sector(f, (u32)((sector - tables) % l->fat_sectors), to);
    else
        return contents(d, f->tree.node, (sector - root) * SECTOR_BYTES, to, SECTOR_BYTES);
    return 0;
}

static int read_fat(Disk *d, u64 sector, void *to, u64 count)
{
    u64 data = data_begins(&((Fat *)d->state)->layout), done = 1;
    u8 *at = to;
    int error = 0;
    for (; count && !error; sector += done, count -= done, at += done * SECTOR_BYTES) {
        done = 1;
        error = sector < data ? one_read(d, sector, at) : data_read(d, sector - data, at, count, &done);
    }
    return error;
}

static int find_fat(Disk *d, u64 sector, u64 most, Extent *e)
{
    const Fat *f = d->state;
    u64 end = data_begins(&f->layout) + (u64)f->used * f->layout.per_cluster;
    if (f->carry) most = fat_overlay_run(&f->overlay, sector, most);
    if (f->carry && fat_overlay_has(&f->overlay, sector)) {
        *e = (Extent){EXTENT_DATA, false, (HostFile *)(uintptr_t)&f->overlay.file, sector * SECTOR_BYTES,
                      most};
        return 0;
    }
    *e = (Extent){.kind = sector < end ? EXTENT_PACKED : EXTENT_ZERO, .sectors = most};
    if (sector < end && most > end - sector) e->sectors = end - sector;
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

static int allocate_fat(Disk *d, u64 sector, const void *from, u64 count, u64 *done)
{
    Fat *f = d->state;
    *done = count;
    int error = f->carry ? fat_overlay_write(&f->overlay, sector, from, count, true) : EROFS;
    if (!error) d->pending = true;
    return error;
}

/* What is not sound yet is carried back another time. */
static int settle_fat(Disk *d, bool durable)
{
    Fat *f = d->state;
    (void)durable;
    if (!f->carry || !d->pending) return 0;
    int error = fat_carry(f->carry, false);
    if (error == EAGAIN) return 0;
    if (error) return error;
    fat_overlay_clean(&f->overlay);
    d->pending = false;
    return 0;
}

static bool is_dirty(Disk *d, u64 sector)
{
    return fat_overlay_is_dirty(&((Fat *)d->state)->overlay, sector);
}

/* Sectors that are not the guest's own go to the overlay, if its file system still uses them. */
static int pin(Disk *d, u32 node)
{
    Fat *f = d->state;
    const FatNode *n = &f->tree.node[node];
    u8 bytes[SECTOR_BYTES];
    Gone gone = GONE;
    if (f->gone[node]) return 0;
    for (u32 k = 0; k < n->clusters; k++) {
        u64 first = fat_cluster_sector(&f->layout, n->cluster + k);
        if (!fat_carry_uses(f->carry, n->cluster + k)) continue;
        for (u64 s = first; s < first + f->layout.per_cluster; s++) {
            if (fat_overlay_has(&f->overlay, s)) continue;
            if (read_fat(d, s, bytes, 1)) {
                gone = GONE_UNREAD;
                continue;
            }
            int error = fat_overlay_write(&f->overlay, s, bytes, 1, false);
            if (error) return error;
        }
    }
    f->gone[node] = (u8)gone;
    return 0;
}

static bool open_writable(Disk *d, Problem *p)
{
    Fat *f = d->state;
    Problem why;
    FatCarryHost host = {d, &f->layout, &f->tree, f->spec.folder, is_dirty, pin};
    f->gone = calloc(f->tree.count, 1);
    CHECK(f->gone, "no memory");
    if (!fat_overlay_open(&f->overlay, d->sectors, p)) return false;
    f->carry = fat_carry_begin(&host, &why);
    return f->carry || problem_set(p, "%.390s", why.text);
}

/* --- opening --------------------------------------------------------------------------------------------- */

static void collect_placed(Fat *f)
{
    f->placed = calloc(f->tree.count, sizeof *f->placed);
    CHECK(f->placed, "no memory");
    for (u32 n = 0; n < f->tree.count; n++) {
        if (!f->tree.node[n].clusters) continue;
        f->placed[f->placed_count++] = n;
        f->used += f->tree.node[n].clusters;
    }
}

static bool open_fat(Disk *d, Problem *p)
{
    Problem why;
    Fat *f = d->state = calloc(1, sizeof *f);
    CHECK(f, "no memory");
    host_folder_files_init(&f->files);
    if (!parse(d->path, &f->spec, p)) return false;
    if (f->spec.writable && file_server)
        return problem_set(p,
                           "rw: is for the command line; without rw: a folder can be put in now, to be read");
    if (!fat_tree_scan(&f->tree, f->spec.folder, &why) ||
        !fat_layout_make(&f->layout, &f->tree, &f->spec, &why))
        return problem_set(p, "%.390s", why.text);
    fat_layout_folders(&f->tree);
    collect_placed(f);
    d->sectors = f->layout.disk;
    return !d->writable || open_writable(d, p);
}

static void close_fat(Disk *d)
{
    Fat *f = d->state;
    if (!f) return;
    if (f->carry && d->pending) (void)fat_carry(f->carry, true);
    fat_carry_end(f->carry);
    fat_overlay_close(&f->overlay);
    free(f->gone);
    host_folder_files_close(&f->files);
    fat_tree_free(&f->tree);
    free(f->placed);
    free(f);
}

const DiskFormat format_fat = {.word = "fat",
                               .open = open_fat,
                               .close = close_fat,
                               .find = find_fat,
                               .read = read_fat,
                               .allocate = allocate_fat,
                               .settle = settle_fat};
