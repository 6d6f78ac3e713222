/* iso.c - dir:FOLDER, a folder of the host's as a CD that is only read: ISO 9660 with Joliet and Rock Ridge, so
 * that DOS, Windows and Unix each find names that they know.
 *
 * What the CD is, is settled when it is put in: names, sizes, where each file lies (iso_layout.c). Its directories
 * are in memory; contents come from the files when they are read, of which the last few stay open (host_folder.c).
 * A file that has changed meanwhile has its old size and its new bytes; where it is shorter now, or gone, or has
 * become a link, reading fails.
 */
#include <stdlib.h>

#include "frontend/image/iso.h"

enum { PER_BLOCK = ISO_BLOCK / SECTOR_BYTES };
#define WORD "dir:"

typedef struct Iso {
    IsoTree tree;
    FolderFiles files;
    const char *folder;
    char label[128];
    u32 *placed; /* the files that have blocks, in their order */
    u32 placed_count;
} Iso;

const char *iso_folder(const char *path)
{
    return strncmp(path, WORD, sizeof WORD - 1) ? NULL : path + sizeof WORD - 1;
}

/* --- sectors ---------------------------------------------------------------------------------------------- */

/* The file in whose blocks this one is; there are some. */
static u32 node_of(const Iso *i, u64 block)
{
    u32 low = 0, high = i->placed_count;
    while (high - low > 1) {
        u32 middle = low + (high - low) / 2;
        *(i->tree.node[i->placed[middle]].block[ISO_PLAIN] > block ? &high : &low) = middle;
    }
    return i->placed[low];
}

/* Up to `count` sectors of one file; *done: how many. */
static int file_read(Disk *d, u64 sector, u8 *to, u64 count, u64 *done)
{
    Iso *i = d->state;
    u32 n = node_of(i, sector / PER_BLOCK);
    const FolderNode *f = &i->tree.folder.node[n];
    u64 first = (u64)i->tree.node[n].block[ISO_PLAIN] * PER_BLOCK, offset = (sector - first) * SECTOR_BYTES;
    u64 sectors = (f->bytes + ISO_BLOCK - 1) / ISO_BLOCK * PER_BLOCK - (sector - first);
    *done = sectors < count ? sectors : count;
    u64 bytes = *done * SECTOR_BYTES, there = offset >= f->bytes ? 0 : f->bytes - offset;
    if (there > bytes) there = bytes;
    memset(to + there, 0, bytes - there);
    int error = there ? host_folder_read(&i->files, &i->tree.folder, i->folder, n, offset, to, there) : 0;
    return error ? format_trouble(d, error, "'%.100s' has changed, or gone", f->name) : 0;
}

static int read_iso(Disk *d, u64 sector, void *to, u64 count)
{
    const Iso *i = d->state;
    u64 head = (u64)i->tree.head_blocks * PER_BLOCK, done;
    u8 *at = to;
    int error = 0;
    for (; count && !error; sector += done, count -= done, at += done * SECTOR_BYTES) {
        if (sector >= head) {
            error = file_read(d, sector, at, count, &done);
            continue;
        }
        done = head - sector < count ? head - sector : count;
        memcpy(at, i->tree.head + sector * SECTOR_BYTES, done * SECTOR_BYTES);
    }
    return error;
}

static int find_iso(Disk *d, u64 sector, u64 most, Extent *e)
{
    (void)d;
    (void)sector;
    *e = (Extent){.kind = EXTENT_PACKED, .sectors = most};
    return 0;
}

/* --- opening ---------------------------------------------------------------------------------------------- */

static void collect_placed(Iso *i)
{
    i->placed = calloc(i->tree.folder.count, sizeof *i->placed);
    CHECK(i->placed, "no memory");
    for (u32 n = 0; n < i->tree.folder.count; n++)
        if (i->tree.folder.node[n].bytes) i->placed[i->placed_count++] = n;
}

/* The folder's own name is the CD's. */
static void label_make(Iso *i)
{
    size_t n = strlen(i->folder), begin;
    while (n > 1 && i->folder[n - 1] == '/') n--;
    for (begin = n; begin && i->folder[begin - 1] != '/';) begin--;
    if (n - begin >= sizeof i->label) n = begin + sizeof i->label - 1;
    memcpy(i->label, i->folder + begin, n - begin);
    if (!*i->label || *i->label == '.') strcpy(i->label, "FOLDER");
}

static bool open_iso(Disk *d, Problem *p)
{
    static const FolderLimits limits = {ISO_NODES_MAX, UINT32_MAX, "a CD"};
    Problem why;
    Iso *i = d->state = calloc(1, sizeof *i);
    CHECK(i, "no memory");
    host_folder_files_init(&i->files);
    i->folder = iso_folder(d->path);
    if (!*i->folder) return problem_set(p, "names no folder");
    label_make(i);
    i->tree.name = i->label;
    if (!host_folder_scan(&i->tree.folder, i->folder, &limits, &why) || !iso_layout_make(&i->tree, &why))
        return problem_set(p, "%.390s", why.text);
    collect_placed(i);
    d->sectors = i->tree.blocks * PER_BLOCK;
    return true;
}

static void close_iso(Disk *d)
{
    Iso *i = d->state;
    if (!i) return;
    host_folder_files_close(&i->files);
    iso_layout_free(&i->tree);
    free(i->placed);
    free(i);
}

const DiskFormat format_iso = {
    .word = "dir", .open = open_iso, .close = close_iso, .find = find_iso, .read = read_iso};
