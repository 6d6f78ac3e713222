/* fat_walk.c - the tree of files in a FAT file system that a guest has written to. See fat_carry.h.
 *
 * The disk's layout is ours (fat_layout.c): a guest that has made another file system on it is told by the boot
 * sector, and what it has made is not read. Everything else is the guest's, and hostile: a chain that leaves the
 * disk, ends too early, meets another or itself, a folder without "." and "..", two files of one name, two tables
 * that differ: all that a guest may be in the middle of, so it is "not now". Each cluster is looked at once, so
 * that the walk ends; names that are none on a host are left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/fat_carry.h"
#include "frontend/utf8.h"
#include "hw/cp437.h"

enum {
    FOLDER_MOST = 65536 * FAT_ENTRY,
    LONG_PART = 13,
    LONG_PARTS = 20,
    LONG_MAX = 255,
    DELETED = 0xe5,
    NAME_MAX_ = 255
};
enum { LOWER_BASE = 8, LOWER_EXTENSION = 0x10 };

typedef struct Walker {
    FatWalk *w;
    Disk *d;
    const FatLayout *l;
    int error;
    FatTable table;
} Walker;

/* The name that is being put together from a directory's long entries. */
typedef struct LongName {
    u16 letters[LONG_PARTS * LONG_PART];
    u32 parts, next; /* next: the part that is expected; 0: complete */
    u8 sum;
    bool valid;
} LongName;

static bool unsound(Walker *k, const char *why)
{
    k->w->why = why;
    k->error = EAGAIN;
    return false;
}

static bool read_sectors(Walker *k, u64 sector, void *to, u64 count)
{
    k->error = disk_read(k->d, sector, to, count);
    return !k->error;
}

/* --- tables ---------------------------------------------------------------------------------------------------- */

u64 fat_cluster_sector(const FatLayout *l, u32 cluster)
{
    return l->begin + l->reserved + 2ull * l->fat_sectors + l->root_sectors +
           (u64)(cluster - 2) * l->per_cluster;
}

static bool is_cluster(const FatLayout *l, u32 cluster) { return cluster >= 2 && cluster - 2 < l->clusters; }

/* What the table has for a cluster. Two sectors: an entry of 12 bits may lie in both. */
static int entry_of(Disk *d, const FatLayout *l, FatTable *t, u32 cluster, u32 *entry)
{
    u64 bit = (u64)cluster * l->bits, at = bit / 8, sector = at / SECTOR_BYTES;
    u32 two = sector + 1 < l->fat_sectors ? 2 : 1, within = at % SECTOR_BYTES;
    if (l->bits != 12) two = 1;
    int error =
        t->valid && t->sector == sector ? 0 : disk_read(d, l->begin + l->reserved + sector, t->bytes, two);
    t->sector = sector;
    t->valid = !error;
    if (error) return error;
    *entry = l->bits == 32 ? load32(t->bytes + within) & 0x0fffffff : load16(t->bytes + within);
    if (l->bits == 12) *entry = (bit % 8 ? *entry >> 4 : *entry) & 0xfff;
    return 0;
}

static bool is_end(const FatLayout *l, u32 entry)
{
    return entry >= (l->bits == 32 ? 0x0ffffff8u : l->bits == 16 ? 0xfff8u : 0xff8u);
}

u32 fat_next_cluster(Disk *d, const FatLayout *l, FatTable *t, u32 cluster)
{
    u32 next = 0;
    return entry_of(d, l, t, cluster, &next) || !is_cluster(l, next) ? 0 : next;
}

/* All of a chain is used from now on; *count: how many. */
static bool take_chain(Walker *k, u32 cluster, u32 *count)
{
    for (*count = 0;;) {
        if (!is_cluster(k->l, cluster)) return unsound(k, "a chain of clusters leads nowhere");
        u64 *used = &k->w->used[cluster / 64], bit = 1ull << cluster % 64;
        if (*used & bit) return unsound(k, "two chains of clusters meet");
        *used |= bit;
        ++*count;
        u32 next;
        k->error = entry_of(k->d, k->l, &k->table, cluster, &next);
        if (k->error) return false;
        if (is_end(k->l, next)) return true;
        cluster = next;
    }
}

static bool tables_agree(Walker *k)
{
    u8 a[SECTOR_BYTES], b[SECTOR_BYTES];
    const FatLayout *l = k->l;
    for (u32 n = 0; n < l->fat_sectors; n++) {
        u64 first = l->begin + l->reserved + n;
        if (!read_sectors(k, first, a, 1) || !read_sectors(k, first + l->fat_sectors, b, 1)) return false;
        u32 skip = n ? 0 : 2 * l->bits / 8 + 1; /* the first two entries: flags */
        if (memcmp(a + skip, b + skip, SECTOR_BYTES - skip)) return unsound(k, "the two tables differ");
    }
    return true;
}

/* Is it the file system that we made? What systems change in a boot sector: its code, names, "dirty". */
static bool is_ours(Walker *k)
{
    u8 now[SECTOR_BYTES], then[SECTOR_BYTES];
    const FatLayout *l = k->l;
    if (!read_sectors(k, l->begin, now, 1)) return false;
    fat_layout_sector(l, l->begin, then);
    bool same = !memcmp(now + 11, then + 11, l->bits == 32 ? 41 : 25) && !memcmp(now + 510, then + 510, 2);
    if (l->begin && same) {
        if (!read_sectors(k, 0, now, 1)) return false;
        fat_layout_sector(l, 0, then);
        same = !memcmp(now + 0x1be + 8, then + 0x1be + 8, 8);
    }
    return same || unsound(k, "the guest has made another file system of it");
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static u8 checksum(const u8 *name)
{
    u8 sum = 0;
    for (u32 n = 0; n < FAT_SHORT; n++) sum = (u8)((sum << 7 | sum >> 1) + name[n]);
    return sum;
}

static void take_long(LongName *n, const u8 *e)
{
    static const u8 places[LONG_PART] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    u32 part = e[0] & 0x3f;
    if (e[0] & 0x40)
        *n = (LongName){.parts = part, .next = part, .sum = e[13], .valid = part && part <= LONG_PARTS};
    if (!n->valid || part != n->next || !part || e[13] != n->sum) {
        n->valid = false;
        return;
    }
    for (u32 i = 0; i < LONG_PART; i++) n->letters[(part - 1) * LONG_PART + i] = load16(e + places[i]);
    n->next = part - 1;
}

static u32 put_letter(char *to, u32 at, u32 c)
{
    char bytes[UTF8_BYTES];
    u32 n = utf8_put(bytes, c);
    if (at + n > NAME_MAX_) return NAME_MAX_ + 1; /* too long: no name */
    memcpy(to + at, bytes, n);
    return at + n;
}

static u32 long_name(const LongName *n, char *to)
{
    u32 at = 0, most = n->parts * LONG_PART;
    for (u32 i = 0; i < most && n->letters[i] && at <= NAME_MAX_; i++) {
        u32 c = n->letters[i];
        bool pair = (c & 0xfc00) == 0xd800 && i + 1 < most && (n->letters[i + 1] & 0xfc00) == 0xdc00;
        if (pair) c = 0x10000 + ((c & 0x3ff) << 10 | (n->letters[++i] & 0x3ff));
        if (!pair && c >= 0xd800 && c < 0xe000) return 0;
        at = put_letter(to, at, c);
    }
    return at;
}

/* A capital letter of code page 437 as a small one. */
static u8 lower_of(u8 c)
{
    static const u8 capitals[] = {0x80, 0x8e, 0x8f, 0x90, 0x92, 0x99, 0x9a, 0xa5};
    static const u8 small[] = {0x87, 0x84, 0x86, 0x82, 0x91, 0x94, 0x81, 0xa4};
    if (c >= 'A' && c <= 'Z') return (u8)(c - 'A' + 'a');
    for (u32 n = 0; n < ARRAY_LEN(capitals); n++)
        if (capitals[n] == c) return small[n];
    return c;
}

static u32 short_part(const u8 *from, u32 count, bool lower, char *to, u32 at)
{
    while (count && from[count - 1] == ' ') count--;
    for (u32 n = 0; n < count; n++) {
        u8 c = lower ? lower_of(from[n]) : from[n];
        at = put_letter(to, at, c < 0x80 ? c : cp437[c]);
    }
    return at;
}

static u32 short_name(const u8 *e, char *to)
{
    u8 name[FAT_SHORT];
    memcpy(name, e, FAT_SHORT);
    if (name[0] == 0x05) name[0] = DELETED;
    u32 at = short_part(name, 8, e[12] & LOWER_BASE, to, 0), dot = at;
    to[at++] = '.';
    u32 end = short_part(name + 8, 3, e[12] & LOWER_EXTENSION, to, at);
    return end == at ? dot : end;
}

/* Could a host's file have it? Hidden ones (a dot in front) are left to the host. */
static bool is_plain(const char *name, u32 n)
{
    if (!n || n > NAME_MAX_ || *name == '.') return false;
    for (u32 i = 0; i < n; i++)
        if ((u8)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/') return false;
    return true;
}

/* --- directories
 * --------------------------------------------------------------------------------------------------- */

static FatFound *node_add(FatWalk *w)
{
    if (w->count == w->room) {
        w->room = w->room ? 2 * w->room : 64;
        w->node = realloc(w->node, w->room * sizeof *w->node);
        CHECK(w->node, "no memory");
    }
    w->node[w->count] = (FatFound){.name = NULL};
    return &w->node[w->count++];
}

static void leave_out(FatWalk *w, const char *name, u32 n)
{
    if (!w->left_out++) snprintf(w->example, sizeof w->example, "%.*s", (int)(n > NAME_MAX_ ? 0 : n), name);
}

static bool take_file(Walker *k, const FatFound *f)
{
    u32 cluster_bytes = k->l->per_cluster * SECTOR_BYTES, clusters = 0;
    if (f->cluster && !take_chain(k, f->cluster, &clusters)) return false;
    return clusters >= ((u64)f->bytes + cluster_bytes - 1) / cluster_bytes ||
           unsound(k, "a file is longer than its chain of clusters");
}

static bool take_entry(Walker *k, u32 parent, const u8 *e, const LongName *l)
{
    char name[NAME_MAX_ + UTF8_BYTES + 2];
    bool is_long = l->valid && !l->next && l->sum == checksum(e);
    u32 n = is_long ? long_name(l, name) : short_name(e, name);
    FatWalk *w = k->w;
    if (w->count >= FAT_NODES_MAX) return unsound(k, "it has too many files");
    if (w->node[parent].depth >= FOLDER_DEPTH_MAX) return unsound(k, "folders lie too deep in folders");
    FatFound found = {.is_folder = e[11] & FAT_FOLDER,
                      .depth = w->node[parent].depth + 1,
                      .time = load16(e + 22),
                      .date = load16(e + 24),
                      .parent = parent,
                      .cluster = load16(e + 26)};
    if (k->l->bits == 32) found.cluster |= (u32)load16(e + 20) << 16;
    found.bytes = found.is_folder ? 0 : load32(e + 28);
    if (found.is_folder && !is_cluster(k->l, found.cluster)) return unsound(k, "a folder has no clusters");
    if (!found.is_folder && !take_file(k, &found)) return false;
    if (!is_plain(name, n)) {
        leave_out(w, name, n);
        return true;
    }
    found.name = strndup(name, n);
    CHECK(found.name, "no memory");
    *node_add(w) = found;
    return true;
}

static bool is_dots(const u8 *e, u32 cluster)
{
    return !memcmp(e, ".          ", FAT_SHORT) && !memcmp(e + FAT_ENTRY, "..         ", FAT_SHORT) &&
           e[11] & FAT_FOLDER && load16(e + 26) == (cluster & 0xffff);
}

static bool take_directory(Walker *k, u32 node, const u8 *e, u32 bytes)
{
    LongName name = {.valid = false};
    for (const u8 *end = e + bytes; e < end && e[0]; e += FAT_ENTRY) {
        bool is_long = (e[11] & 0x3f) == FAT_LONG && e[0] != DELETED;
        if (is_long) take_long(&name, e);
        if (is_long) continue;
        bool counts = e[0] != DELETED && !(e[11] & FAT_VOLUME) && !(node && e[0] == '.');
        if (counts && !take_entry(k, node, e, &name)) return false;
        name.valid = false;
    }
    return true;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool names_differ(Walker *k, u32 first, u32 count)
{
    char **names = calloc(count + 1, sizeof *names);
    CHECK(names, "no memory");
    bool differ = true;
    for (u32 n = 0; n < count; n++) names[n] = k->w->node[first + n].name;
    qsort(names, count, sizeof *names, by_name);
    for (u32 n = 1; n < count && differ; n++) differ = strcmp(names[n - 1], names[n]) != 0;
    free(names);
    return differ || unsound(k, "two files have one name");
}

/* The bytes of a directory; NULL: k->error. */
static u8 *read_directory(Walker *k, u32 node, u32 *bytes)
{
    const FatLayout *l = k->l;
    u32 cluster = node ? k->w->node[node].cluster : 2, clusters = 0,
        cluster_bytes = l->per_cluster * SECTOR_BYTES;
    bool is_fixed = !node && l->bits != 32;
    if (!is_fixed && !take_chain(k, cluster, &clusters)) return NULL;
    *bytes = is_fixed ? l->root_sectors * SECTOR_BYTES : clusters * cluster_bytes;
    if (!is_fixed && clusters > FOLDER_MOST / cluster_bytes + 1) {
        unsound(k, "a folder is too large");
        return NULL;
    }
    u8 *to = calloc(1, *bytes);
    CHECK(to, "no memory");
    bool good = true;
    if (is_fixed) good = read_sectors(k, l->begin + l->reserved + 2ull * l->fat_sectors, to, l->root_sectors);
    for (u32 n = 0; n < clusters && good; n++, cluster = fat_next_cluster(k->d, l, &k->table, cluster))
        good = cluster &&
               read_sectors(k, fat_cluster_sector(l, cluster), to + n * cluster_bytes, l->per_cluster);
    if (good && node && !is_dots(to, k->w->node[node].cluster))
        good = unsound(k, "a folder does not begin as one");
    if (good) return to;
    if (!k->error) k->error = EIO;
    free(to);
    return NULL;
}

static bool walk_folder(Walker *k, u32 node)
{
    u32 bytes, first = k->w->count;
    u8 *e = read_directory(k, node, &bytes);
    bool good = e && take_directory(k, node, e, bytes);
    free(e);
    k->w->node[node].first_child = first;
    k->w->node[node].children = k->w->count - first;
    return good && names_differ(k, first, k->w->count - first);
}

int fat_walk(FatWalk *w, Disk *d, const FatLayout *l)
{
    Walker k = {.w = w, .d = d, .l = l};
    *w = (FatWalk){.used = calloc(((u64)l->clusters + 2) / 64 + 1, sizeof *w->used)};
    CHECK(w->used, "no memory");
    node_add(w)->is_folder = true;
    if (!is_ours(&k) || !tables_agree(&k)) return k.error;
    for (u32 n = 0; n < w->count; n++)
        if (w->node[n].is_folder && !walk_folder(&k, n)) return k.error;
    return 0;
}

void fat_walk_free(FatWalk *w)
{
    for (u32 n = 0; n < w->count; n++) {
        free(w->node[n].name);
        free(w->node[n].host);
    }
    free(w->node);
    free(w->used);
    *w = (FatWalk){.node = NULL};
}
