/* undo.c - see undo.h.
 *
 * The undo file: a head of 4 KiB, then groups of a table (127 entries of 32 bytes, 4 KiB) and 127 clusters of 64 KiB.
 *
 *     head    "ring3un\n", u32 version, u32 cluster bytes, u64 sectors of the disk, u32 CRC-32 of these
 *     entry   u64 number of the copy (0: none), u64 cluster, u32 flags (1: all zeros, nothing is stored), u32 CRC-32
 *     of the
 *             copy, u32 0, u32 CRC-32 of the entry
 *
 * Copies are numbered as they are made; a mark is the number of the next. Copies and entries are on the host's disk
 * (fdatasync) before the image is written to, so a host that crashes leaves each cluster in the image as it was, or a
 * copy of it. Up to 64 clusters are copied at once, where writes are sequential and where a disk goes back: a sync costs
 * as much as copying them.
 * What was being copied in a crash is recognized by its CRC and forgotten: then the image was not written yet.
 *
 * Entries that no mark needs may be overwritten at once: nobody looks at them (is_needed).
 */
#define _GNU_SOURCE
#include "frontend/snapshot/undo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "frontend/host/files.h"
#include "frontend/host/bytes.h"

enum { HEAD_BYTES = 4096, ENTRY_BYTES = 32, GROUP_SLOTS = 127, BATCH = 64, VERSION = 1, ZEROS = 1 };
enum { CLUSTER_SECTORS = UNDO_CLUSTER_BYTES / SECTOR_BYTES };
#define GROUP_BYTES (HEAD_BYTES + (u64)GROUP_SLOTS * UNDO_CLUSTER_BYTES)
#define SLOTS_MAX   (1u << 26) /* 4 TiB of copies */

typedef struct Entry {
    u64 number, cluster; /* number 0: the slot is free */
    u32 flags, crc;
} Entry;

struct Undo {
    Medium medium;
    Medium *below;
    char name[64];
    int fd;       /* -1: no file yet */
    u64 next;     /* number of the next copy */
    Entry *entry; /* by slot */
    u32 slots, room, first_free;
    u64 marks[UNDO_MARKS_MAX];
    unsigned mark_count;
    u64 clusters;
    u64 *copied;      /* a bit for each cluster: a copy was made since the newest mark */
    u64 expected;     /* the cluster behind the last that was copied */
    u32 ahead;        /* how many are copied at once, while writes follow each other */
    u64 fresh[BATCH]; /* clusters that were copied and not synced yet */
    u32 fresh_count;
    bool swept;      /* there is no copy that no mark needs */
    int sync_failed; /* the errno; 0: never */
    UndoTrouble *hear;
    void *ctx;
    u8 cluster[UNDO_CLUSTER_BYTES];
};

/* --- places in the file ----------------------------------------------------------------------------------- */

static u64 group_at(u32 slot) { return HEAD_BYTES + slot / GROUP_SLOTS * GROUP_BYTES; }
static u64 entry_at(u32 slot) { return group_at(slot) + (u64)(slot % GROUP_SLOTS) * ENTRY_BYTES; }
static u64 copy_at(u32 slot)
{
    return group_at(slot) + HEAD_BYTES + (u64)(slot % GROUP_SLOTS) * UNDO_CLUSTER_BYTES;
}

static void entry_pack(const Entry *e, u8 to[ENTRY_BYTES])
{
    memset(to, 0, ENTRY_BYTES);
    store64(to, e->number);
    store64(to + 8, e->cluster);
    store32(to + 16, e->flags);
    store32(to + 20, e->crc);
    store32(to + 28, (u32)crc32(0, to, 28));
}

/* False: it is none. */
static bool entry_unpack(Entry *e, const u8 from[ENTRY_BYTES])
{
    *e = (Entry){load64(from), load64(from + 8), load32(from + 16), load32(from + 20)};
    return e->number && load32(from + 28) == (u32)crc32(0, from, 28);
}

static void head_pack(const Undo *u, u8 to[32])
{
    memset(to, 0, 32);
    memcpy(to, "ring3un\n", 8);
    store32(to + 8, VERSION);
    store32(to + 12, UNDO_CLUSTER_BYTES);
    store64(to + 16, u->medium.sectors);
    store32(to + 28, (u32)crc32(0, to, 28));
}

/* --- the disk below --------------------------------------------------------------------------------------- */

static u32 cluster_sectors(const Undo *u, u64 cluster)
{
    u64 left = u->medium.sectors - cluster * CLUSTER_SECTORS;
    return left < CLUSTER_SECTORS ? (u32)left : CLUSTER_SECTORS;
}

/* Into u->cluster; a last cluster that the disk has not all of ends with zeros. */
static int read_live(Undo *u, u64 cluster)
{
    u32 n = cluster_sectors(u, cluster);
    memset(u->cluster + (size_t)n * SECTOR_BYTES, 0, UNDO_CLUSTER_BYTES - (size_t)n * SECTOR_BYTES);
    return u->below->read(u->below, cluster * CLUSTER_SECTORS, u->cluster, n);
}

static int write_live(Undo *u, u64 cluster)
{
    return u->below->write(u->below, cluster * CLUSTER_SECTORS, u->cluster, cluster_sectors(u, cluster));
}

static bool is_copied(const Undo *u, u64 cluster) { return u->copied[cluster / 64] >> cluster % 64 & 1; }

/* --- copies ----------------------------------------------------------------------------------------------- */

static bool take_slot(Undo *u, u32 *slot)
{
    while (u->first_free < u->slots && u->entry[u->first_free].number) u->first_free++;
    *slot = u->first_free;
    if (*slot < u->slots) return true;
    if (u->slots == u->room) {
        u32 room = u->room ? u->room * 2 : 1024;
        Entry *entry = room <= SLOTS_MAX ? realloc(u->entry, room * sizeof *entry) : NULL;
        if (!entry) return false;
        u->entry = entry;
        u->room = room;
    }
    u->entry[u->slots++] = (Entry){0};
    return true;
}

/* One cluster, not synced yet. */
static int copy_one(Undo *u, u64 cluster)
{
    u32 slot;
    u8 packed[ENTRY_BYTES];
    int error = read_live(u, cluster);
    if (error) return error;
    if (!take_slot(u, &slot)) return ENOMEM;
    Entry e = {u->next, cluster, bytes_are_zero(u->cluster, UNDO_CLUSTER_BYTES) ? ZEROS : 0,
               (u32)crc32(0, u->cluster, UNDO_CLUSTER_BYTES)};
    entry_pack(&e, packed);
    if (!(e.flags & ZEROS)) error = bytes_write(u->fd, copy_at(slot), u->cluster, UNDO_CLUSTER_BYTES);
    if (!error) error = bytes_write(u->fd, entry_at(slot), packed, sizeof packed);
    if (error) return error;
    u->entry[slot] = e;
    u->next++;
    return 0;
}

/* A failed fdatasync is not tried again: Linux then takes the pages for written (media.c). */
static int sync_copies(Undo *u)
{
    if (!u->sync_failed && fdatasync(u->fd)) u->sync_failed = errno;
    return u->sync_failed;
}

/* The fresh copies are durable: from now on the image may be written there. */
static int settle_copies(Undo *u)
{
    int error = u->fresh_count ? sync_copies(u) : 0;
    for (u32 n = 0; n < u->fresh_count && !error; n++)
        u->copied[u->fresh[n] / 64] |= 1ull << u->fresh[n] % 64;
    if (error) u->swept = false;
    u->fresh_count = 0;
    return error;
}

/* A copy of the cluster, if there is none since the newest mark; durable when settle_copies() has said so. */
static int copy_fresh(Undo *u, u64 cluster)
{
    if (is_copied(u, cluster)) return 0;
    int error = u->fresh_count == BATCH ? settle_copies(u) : 0;
    if (!error) error = copy_one(u, cluster);
    if (!error) u->fresh[u->fresh_count++] = cluster;
    return error;
}

/* Whatever went before: what could be copied is settled, and the first error counts. */
static int end_copies(Undo *u, int error)
{
    int other = settle_copies(u);
    return error ? error : other;
}

/* Those clusters of `from` to `last` of which there is no copy since the newest mark, durably. */
static int copy_range(Undo *u, u64 from, u64 last)
{
    int error = 0;
    for (u64 c = from; c <= last && !error; c++) error = copy_fresh(u, c);
    return end_copies(u, error);
}

static bool all_copied(const Undo *u, u64 from, u64 last)
{
    for (; from <= last; from++)
        if (!is_copied(u, from)) return false;
    return true;
}

/* Before clusters are overwritten, and some more where one write follows another. */
static int copy_before_write(Undo *u, u64 from, u64 last)
{
    if (!u->mark_count || all_copied(u, from, last)) return 0;
    u->ahead = from == u->expected && u->ahead < BATCH ? u->ahead * 2 : from == u->expected ? BATCH : 1;
    u64 end = from + u->ahead - 1;
    if (end < last) end = last;
    if (end >= u->clusters) end = u->clusters - 1;
    u->expected = end + 1;
    return copy_range(u, from, end);
}

/* --- as a medium ------------------------------------------------------------------------------------------ */

static int undo_read_sectors(Medium *m, u64 sector, void *to, u32 count)
{
    Undo *u = (Undo *)m;
    return u->below->read(u->below, sector, to, count);
}

static int answer(Undo *u, int error)
{
    char text[400];
    if (error == MEDIUM_HELD) return error;
    snprintf(text, sizeof text,
             "%.200s: keeping what its snapshots need failed: %s; the machine is stopped until 'cont', which "
             "tries "
             "again",
             u->below->name, error == ENOSPC ? "the disk of the snapshot folder is full" : strerror(error));
    return u->hear && u->hear(u->ctx, text, true) ? MEDIUM_HELD : error;
}

static int undo_write_sectors(Medium *m, u64 sector, const void *from, u32 count)
{
    Undo *u = (Undo *)m;
    int error =
        count ? copy_before_write(u, sector / CLUSTER_SECTORS, (sector + count - 1) / CLUSTER_SECTORS) : 0;
    return error ? answer(u, error) : u->below->write(u->below, sector, from, count);
}

/* Of zeros a discard makes zeros: there is nothing to keep. */
static int copy_before_discard(Undo *u, u64 from, u64 last)
{
    int error = 0;
    for (u64 c = from; c <= last && !error; c++) {
        if (is_copied(u, c)) continue;
        error = read_live(u, c);
        if (!error && !bytes_are_zero(u->cluster, UNDO_CLUSTER_BYTES)) error = copy_fresh(u, c);
    }
    return end_copies(u, error);
}

static int undo_discard_sectors(Medium *m, u64 sector, u32 count)
{
    Undo *u = (Undo *)m;
    int error = count && u->mark_count
                    ? copy_before_discard(u, sector / CLUSTER_SECTORS, (sector + count - 1) / CLUSTER_SECTORS)
                    : 0;
    return error ? answer(u, error) : u->below->discard(u->below, sector, count);
}

static int undo_flush_sectors(Medium *m)
{
    Undo *u = (Undo *)m;
    return u->below->flush(u->below);
}

static int undo_flush_later(Medium *m)
{
    Undo *u = (Undo *)m;
    return medium_flush_later(u->below);
}

Undo *undo_new(Medium *below, const char *name)
{
    Undo *u = calloc(1, sizeof *u);
    if (!u) return NULL;
    u->medium = (Medium){.sectors = below->sectors,
                         .readonly = below->readonly,
                         .name = below->name,
                         .format = below->format,
                         .read = undo_read_sectors,
                         .write = undo_write_sectors,
                         .flush = undo_flush_sectors,
                         .flush_later = undo_flush_later,
                         .discard = below->discard ? undo_discard_sectors : NULL};
    u->below = below;
    u->fd = -1;
    u->next = u->ahead = 1;
    u->clusters = (below->sectors + CLUSTER_SECTORS - 1) / CLUSTER_SECTORS;
    u->copied = calloc(u->clusters / 64 + 1, sizeof *u->copied);
    snprintf(u->name, sizeof u->name, "%.50s.undo", name);
    if (u->copied) return u;
    free(u);
    return NULL;
}

void undo_free(Undo *u)
{
    if (!u) return;
    if (u->fd >= 0) close(u->fd);
    free(u->entry);
    free(u->copied);
    free(u);
}

void undo_on_trouble(Undo *u, UndoTrouble *hear, void *ctx)
{
    u->hear = hear;
    u->ctx = ctx;
}

Medium *undo_medium(Undo *u) { return &u->medium; }
Medium *undo_below(Undo *u) { return u->below; }

u64 undo_bytes(const Undo *u)
{
    u64 count = 0;
    for (u32 n = 0; n < u->slots; n++) count += u->entry[n].number && !(u->entry[n].flags & ZEROS);
    return count * UNDO_CLUSTER_BYTES;
}

/* --- marks ------------------------------------------------------------------------------------------------ */

static u64 newest_mark(const Undo *u)
{
    u64 newest = 0;
    for (unsigned n = 0; n < u->mark_count; n++)
        if (u->marks[n] > newest) newest = u->marks[n];
    return newest;
}

static void find_copied(Undo *u)
{
    u64 newest = newest_mark(u);
    memset(u->copied, 0, (u->clusters / 64 + 1) * sizeof *u->copied);
    for (u32 n = 0; n < u->slots; n++)
        if (u->entry[n].number >= newest && u->entry[n].number)
            u->copied[u->entry[n].cluster / 64] |= 1ull << u->entry[n].cluster % 64;
    u->expected = UINT64_MAX;
    u->ahead = 1;
}

static int by_cluster(const void *a, const void *b)
{
    const Entry *x = *(const Entry *const *)a, *y = *(const Entry *const *)b;
    if (x->cluster != y->cluster) return x->cluster < y->cluster ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* All copies, by cluster and age; *count of them; NULL: no memory, or there are none. The caller frees it. */
static Entry **sorted(const Undo *u, u32 *count)
{
    Entry **all = malloc(((size_t)u->slots + 1) * sizeof(Entry *));
    *count = 0;
    if (!all) return NULL;
    for (u32 n = 0; n < u->slots; n++)
        if (u->entry[n].number) all[(*count)++] = &u->entry[n];
    qsort(all, *count, sizeof *all, by_cluster);
    return all;
}

/* Is there a mark for which `number` is the first copy, the one before being `before` (0: there is none)? */
static bool is_needed(const Undo *u, u64 before, u64 number)
{
    for (unsigned n = 0; n < u->mark_count; n++)
        if (u->marks[n] > before && u->marks[n] <= number) return true;
    return false;
}

static void forget_unneeded(Undo *u)
{
    u32 count, last = 0;
    Entry **all = sorted(u, &count);
    u->swept = all != NULL;
    if (!all) return; /* they stay: nobody is harmed */
    u64 before = 0;
    for (u32 n = 0; n < count; n++) {
        u64 number = all[n]->number;
        if (n && all[n]->cluster != all[n - 1]->cluster) before = 0;
        if (!is_needed(u, before, number)) all[n]->number = 0;
        before = number;
    }
    free(all);
    for (u32 n = 0; n < u->slots; n++)
        if (u->entry[n].number) last = n + 1;
    u->slots = last;
    u->first_free = 0;
    if (u->fd >= 0)
        (void)!ftruncate(u->fd, (off_t)(last ? copy_at(last - 1) + UNDO_CLUSTER_BYTES : HEAD_BYTES));
}

static bool has_mark(const u64 *marks, unsigned count, u64 mark)
{
    for (unsigned n = 0; n < count; n++)
        if (marks[n] == mark) return true;
    return false;
}

void undo_keep(Undo *u, const u64 *marks, unsigned count)
{
    bool all = count == u->mark_count;
    CHECK(count <= UNDO_MARKS_MAX, "more marks than there is room for");
    for (unsigned n = 0; n < count && all; n++) all = has_mark(u->marks, u->mark_count, marks[n]);
    if (all && u->swept) return; /* the guest stands still here */
    memcpy(u->marks, marks, count * sizeof *marks);
    u->mark_count = count;
    forget_unneeded(u);
    find_copied(u);
}

static bool cannot(const Undo *u, Problem *p, const char *what, int error)
{
    return problem_set(p, "%s, which keeps what snapshots of %.200s need: %s%s%s", u->name, u->below->name,
                       what, error ? ": " : "", error ? strerror(error) : "");
}

/* A new file, or one that is empty of copies. */
static bool file_begin(Undo *u, Problem *p)
{
    u8 head[32];
    if (u->fd >= 0) return true;
    u->fd = file_open(FILE_STATE, u->name);
    if (u->fd < 0) return problem_set(p, "%s: %.120s", u->name, file_problem());
    head_pack(u, head);
    int error = ftruncate(u->fd, HEAD_BYTES) ? errno : bytes_write(u->fd, 0, head, sizeof head);
    if (!error && fsync(u->fd)) error = errno;
    if (!error) return true;
    close(u->fd);
    u->fd = -1;
    return cannot(u, p, "writing it", error);
}

bool undo_mark(Undo *u, u64 *mark, Problem *p)
{
    if (u->mark_count == UNDO_MARKS_MAX)
        return problem_set(p, "there are %u snapshots of %.200s, which is the most that there can be",
                           u->mark_count, u->below->name);
    if (!file_begin(u, p)) return false;
    *mark = u->marks[u->mark_count++] = u->next;
    find_copied(u);
    return true;
}

/* --- opening ---------------------------------------------------------------------------------------------- */

static bool add_entry(Undo *u, u32 slot, const Entry *e)
{
    while (u->slots <= slot) {
        u32 got;
        u->first_free = u->slots; /* take_slot() appends */
        if (!take_slot(u, &got)) return false;
    }
    u->entry[slot] = *e;
    if (e->number >= u->next) u->next = e->number + 1;
    return true;
}

static int read_group(Undo *u, u32 group)
{
    u8 table[GROUP_SLOTS * ENTRY_BYTES];
    Entry e;
    int error = bytes_read_some(u->fd, group_at(group * GROUP_SLOTS), table, sizeof table);
    for (u32 n = 0; n < GROUP_SLOTS && !error; n++)
        if (entry_unpack(&e, table + (size_t)n * ENTRY_BYTES) && e.cluster < u->clusters &&
            !add_entry(u, group * GROUP_SLOTS + n, &e))
            error = ENOMEM;
    return error;
}

/* Into u->cluster. */
static int read_copy(Undo *u, u32 slot)
{
    const Entry *e = &u->entry[slot];
    memset(u->cluster, 0, sizeof u->cluster);
    int error = e->flags & ZEROS ? 0 : bytes_read_some(u->fd, copy_at(slot), u->cluster, sizeof u->cluster);
    if (error) return error;
    return (u32)crc32(0, u->cluster, UNDO_CLUSTER_BYTES) == e->crc ? 0 : EILSEQ;
}

/* What a crash of the host may have left half done: then the image still has it. In the file, too: it would be
 * believed when newer copies have been made. */
static bool forget_torn(Undo *u, Problem *p)
{
    static const u8 none[ENTRY_BYTES];
    u64 certain = u->next > BATCH ? u->next - BATCH : 0;
    bool torn = false;
    int error = 0;
    for (u32 n = 0; n < u->slots && !error; n++) {
        if (!u->entry[n].number || u->entry[n].number < certain || !read_copy(u, n)) continue;
        u->entry[n].number = 0;
        torn = true;
        error = bytes_write(u->fd, entry_at(n), none, sizeof none);
    }
    if (torn && !error) error = sync_copies(u);
    return !error || cannot(u, p, "writing it", error);
}

static bool read_file(Undo *u, Problem *p)
{
    u8 head[32], wanted[32];
    off_t end = lseek(u->fd, 0, SEEK_END);
    head_pack(u, wanted);
    int error = bytes_read_some(u->fd, 0, head, sizeof head);
    if (error) return cannot(u, p, "reading it", error);
    if (memcmp(head, wanted, sizeof head)) return cannot(u, p, "it is of another disk, or damaged", 0);
    u64 groups = end > HEAD_BYTES ? ((u64)end - HEAD_BYTES + GROUP_BYTES - 1) / GROUP_BYTES : 0;
    if (groups > SLOTS_MAX / GROUP_SLOTS) return cannot(u, p, "it is larger than can be", 0);
    for (u32 n = 0; n < groups; n++)
        if ((error = read_group(u, n))) return cannot(u, p, "reading it", error);
    return true;
}

bool undo_open(Undo *u, const u64 *marks, unsigned count, Problem *p)
{
    CHECK(count <= UNDO_MARKS_MAX, "more marks than there is room for");
    u->fd = file_open(FILE_STATE_OLD, u->name);
    if (u->fd < 0) return problem_set(p, "%s: %.120s", u->name, file_problem());
    if (!read_file(u, p) || !forget_torn(u, p)) return false;
    memcpy(u->marks, marks, count * sizeof *marks);
    u->mark_count = count;
    if (newest_mark(u) > u->next) u->next = newest_mark(u);
    find_copied(u);
    return true;
}

/* --- going back ------------------------------------------------------------------------------------------- */

/* For each cluster that has a copy at the mark or after it, with the first of these. */
static int for_each_old(Undo *u, u64 mark, int (*visit)(Undo *u, u32 slot))
{
    u32 count;
    Entry **all = sorted(u, &count);
    int error = all ? 0 : ENOMEM;
    u32 *slots = malloc(((size_t)count + 1) * sizeof *slots), chosen = 0; /* u->entry may move meanwhile */
    if (!slots) error = ENOMEM;
    u64 done = UINT64_MAX;
    for (u32 n = 0; n < count && !error; n++) {
        if (all[n]->number < mark || all[n]->cluster == done) continue;
        done = all[n]->cluster;
        slots[chosen++] = (u32)(all[n] - u->entry);
    }
    free(all);
    for (u32 n = 0; n < chosen && !error; n++) error = visit(u, slots[n]);
    free(slots);
    return error;
}

static int save_live(Undo *u, u32 slot) { return copy_fresh(u, u->entry[slot].cluster); }

static int write_back(Undo *u, u32 slot)
{
    int error = read_copy(u, slot);
    return error ? error : write_live(u, u->entry[slot].cluster);
}

int undo_save_for(Undo *u, u64 mark) { return end_copies(u, for_each_old(u, mark, save_live)); }

int undo_restore(Undo *u, u64 mark)
{
    int error = undo_save_for(u, mark);
    if (!error) error = for_each_old(u, mark, write_back);
    if (!error) error = u->below->flush(u->below);
    return error == MEDIUM_HELD ? EIO : error;
}
