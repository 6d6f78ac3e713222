/* fat_carry.c - a guest's changes to a folder that is a disk go back to the folder. See fat_carry.h.
 *
 * When the guest flushes (and a second after it has written, and at the end) its file system is read (fat_walk.c)
 * and compared with what it was the last time. Only if all of it is sound is anything done: folders are made;
 * files that are new, or have other clusters, another size or written sectors, are written anew, whole; then what
 * is gone is taken away. The keeper (host/keeper.c) does that, and keeps what the host had. A file that the guest
 * has renamed is a new one and one that is gone.
 *
 *   guest: A.TXT changed, B.TXT deleted, NEW made       folder: A.TXT (new version), NEW,
 *                                                        .ring3-kept/20261130-192635/{A.TXT,B.TXT}
 *
 * Sectors that the guest has not written are read from the folder's files. Before one of them goes, what the
 * guest's file system still has of it is copied into the disk's temporary file (pin).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frontend/image/fat_carry.h"

enum { SAID_MAX = 20 };

struct FatCarry {
    FatCarryHost host;
    Keeper keeper;
    FatWalk known; /* the guest's tree as it was carried back last */
    FatWalk now;
    u32 *old_of;       /* now's node -> known's; 0: it is new (0 is the root's own) */
    bool *found;       /* known's node: it is still there */
    bool kinds_differ; /* a file has become a folder, or a folder a file */
    u32 said, kept;
    u8 *bytes;
};

/* --- names and words -------------------------------------------------------------------------------------------- */

static void tell(FatCarry *c, const char *path, const char *what)
{
    if (c->said++ < SAID_MAX) say("fat:rw:%.200s: '%.200s' %s", c->host.folder, path, what);
    if (c->said == SAID_MAX) say("fat:rw:%.200s: more of this is not said", c->host.folder);
}

/* On the host, from the folder on. False: it is too long. */
static bool path_of(const FatWalk *w, u32 node, char to[KEEPER_PATH_BYTES])
{
    u32 chain[FOLDER_DEPTH_MAX + 1], count = 0;
    int n = 0;
    for (; node; node = w->node[node].parent) chain[count++] = node;
    while (count && n < KEEPER_PATH_BYTES) {
        const FatFound *f = &w->node[chain[--count]];
        n += snprintf(to + n, (size_t)(KEEPER_PATH_BYTES - n), "%s%s", n ? "/" : "",
                      f->host ? f->host : f->name);
    }
    return n < KEEPER_PATH_BYTES;
}

static void name_it(FatFound *f, const char *host)
{
    free(f->host);
    f->host = !host || !strcmp(host, f->name) ? NULL : strdup(host);
}

/* Seconds since 1970, of the host's zone; 0: it has none. */
static s64 modified(const FatFound *f)
{
    struct tm tm = {.tm_year = (f->date >> 9) + 80,
                    .tm_mon = (f->date >> 5 & 15) - 1,
                    .tm_mday = f->date & 31,
                    .tm_hour = f->time >> 11,
                    .tm_min = f->time >> 5 & 63,
                    .tm_sec = (f->time & 31) * 2,
                    .tm_isdst = -1};
    time_t at = f->date ? mktime(&tm) : 0;
    return at > 0 ? (s64)at : 0;
}

/* --- what is the same
 * --------------------------------------------------------------------------------------------- */

typedef struct Named {
    const char *name;
    u32 node;
} Named;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Named *)a)->name, ((const Named *)b)->name);
}

static Named *children_of(const FatWalk *w, u32 node)
{
    const FatFound *f = &w->node[node];
    Named *list = calloc(f->children + 1, sizeof *list);
    CHECK(list, "no memory");
    for (u32 n = 0; n < f->children; n++)
        list[n] = (Named){w->node[f->first_child + n].name, f->first_child + n};
    qsort(list, f->children, sizeof *list, by_name);
    return list;
}

static void match_children(FatCarry *c, u32 now, u32 old)
{
    Named *a = children_of(&c->now, now), *b = children_of(&c->known, old);
    u32 as = c->now.node[now].children, bs = c->known.node[old].children;
    for (u32 n = 0, m = 0; n < as && m < bs;) {
        int order = strcmp(a[n].name, b[m].name);
        FatFound *to = &c->now.node[a[n].node];
        const FatFound *from = &c->known.node[b[m].node];
        if (!order && to->is_folder == from->is_folder) {
            c->old_of[a[n].node] = b[m].node;
            c->found[b[m].node] = true;
            name_it(to, from->host ? from->host : from->name);
            to->stamp = from->stamp;
            to->has_stamp = from->has_stamp;
            to->base = from->base;
        }
        c->kinds_differ |= !order && to->is_folder != from->is_folder;
        n += order <= 0;
        m += order >= 0;
    }
    free(a);
    free(b);
}

static void match(FatCarry *c)
{
    free(c->old_of);
    free(c->found);
    c->old_of = calloc(c->now.count, sizeof *c->old_of);
    c->found = calloc(c->known.count, sizeof *c->found);
    CHECK(c->old_of && c->found, "no memory");
    c->found[0] = true;
    c->kinds_differ = false;
    for (u32 n = 0; n < c->now.count; n++)
        if (c->now.node[n].is_folder && (!n || c->old_of[n])) match_children(c, n, c->old_of[n]);
}

/* Has the guest written to one of its sectors? */
static bool is_written(FatCarry *c, const FatFound *f)
{
    const FatLayout *l = c->host.layout;
    u32 cluster = f->cluster, bytes = l->per_cluster * SECTOR_BYTES;
    FatTable t = {.valid = false};
    for (u64 at = 0; at < f->bytes && cluster;
         at += bytes, cluster = fat_next_cluster(c->host.disk, l, &t, cluster))
        for (u32 n = 0; n < l->per_cluster; n++)
            if (c->host.is_dirty(c->host.disk, fat_cluster_sector(l, cluster) + n)) return true;
    return false;
}

static bool is_changed(FatCarry *c, u32 n)
{
    const FatFound *now = &c->now.node[n], *old = &c->known.node[c->old_of[n]];
    return !c->old_of[n] || now->cluster != old->cluster || now->bytes != old->bytes || is_written(c, now);
}

/* --- doing it
 * ------------------------------------------------------------------------------------------------------- */

/* Its bytes to the keeper. 0, or an errno of reading; the keeper's own come when it is placed. */
static int send_bytes(FatCarry *c, const FatFound *f)
{
    const FatLayout *l = c->host.layout;
    u32 cluster = f->cluster, most = l->per_cluster * SECTOR_BYTES;
    FatTable t = {.valid = false};
    int error = 0;
    for (u32 left = f->bytes, part; left && !error;
         left -= part, cluster = fat_next_cluster(c->host.disk, l, &t, cluster)) {
        part = left < most ? left : most;
        error = !cluster ? EIO
                         : disk_read(c->host.disk, fat_cluster_sector(l, cluster), c->bytes, l->per_cluster);
        if (!error) error = keeper_put_bytes(&c->keeper, c->bytes, part);
    }
    return error;
}

/* What is wrong with the host's disk is the guest's error, too: it will try again. What is wrong with one file is
 * said. */
static int fail(FatCarry *c, int error, const char *path)
{
    bool is_disk = error == ENOSPC || error == EDQUOT || error == EIO || error == EROFS || error == ENOMEM;
    if (!is_disk) tell(c, path, strerror(error));
    return !is_disk ? 0
                    : format_trouble(c->host.disk, error, "'%.80s' was not carried back: %.50s", path,
                                     strerror(error));
}

static int put_file(FatCarry *c, u32 n)
{
    FatFound *f = &c->now.node[n];
    KeeperAnswer a;
    char path[KEEPER_PATH_BYTES], text[400];
    if (!path_of(&c->now, n, path)) return 0;
    int error = keeper_put_begin(&c->keeper, path, &a);
    if (error) return fail(c, error, path);
    error = send_bytes(c, f);
    if (error) { /* the host's file has gone meanwhile, of which the guest's is a part */
        tell(c, path, "was not carried back: it has sectors that cannot be read");
        return 0;
    }
    error = f->base ? c->host.pin(c->host.disk, f->base) : 0;
    if (!error) error = keeper_put_place(&c->keeper, path, f->has_stamp ? &f->stamp : NULL, modified(f), &a);
    if (error) return fail(c, error, path);
    f->base = 0;
    f->stamp = a.stamp;
    f->has_stamp = true;
    if (a.result == KEEPER_BESIDE) {
        snprintf(text, sizeof text,
                 "was changed or made on the host meanwhile: the guest's lies beside it, as '%.200s'",
                 a.name);
        tell(c, path, text);
    }
    name_it(f, a.name);
    c->kept = a.kept;
    u32 old = c->old_of[n]; /* for another time, should what follows fail */
    if (!old) return 0;
    c->known.node[old].base = 0;
    c->known.node[old].stamp = f->stamp;
    c->known.node[old].has_stamp = true;
    name_it(&c->known.node[old], a.name);
    return 0;
}

static int put_all(FatCarry *c)
{
    char path[KEEPER_PATH_BYTES];
    KeeperAnswer a;
    int error = 0;
    for (u32 n = 1; n < c->now.count && !error; n++) {
        FatFound *f = &c->now.node[n];
        if (!f->is_folder && is_changed(c, n)) error = put_file(c, n);
        if (!f->is_folder || c->old_of[n] || !path_of(&c->now, n, path)) continue;
        error = keeper_make_folder(&c->keeper, path, &a);
        if (error) error = fail(c, error, path);
    }
    return error;
}

static int take_away(FatCarry *c, u32 n)
{
    const FatFound *f = &c->known.node[n];
    char path[KEEPER_PATH_BYTES];
    KeeperAnswer a;
    if (!path_of(&c->known, n, path)) return 0;
    int error = keeper_take_away(&c->keeper, path, f->has_stamp ? &f->stamp : NULL, f->is_folder, &a);
    if (error) return fail(c, error, path);
    c->kept = a.kept;
    if (a.result == KEEPER_STAYS)
        tell(c, path, "is gone for the guest, but was changed on the host meanwhile, and stays");
    return 0;
}

/* A folder goes with all that is in it. */
static int take_away_all(FatCarry *c)
{
    int error = 0;
    for (u32 n = 1; n < c->known.count && !error; n++)
        if (!c->found[n] && c->known.node[n].base) error = c->host.pin(c->host.disk, c->known.node[n].base);
    for (u32 n = 1; n < c->known.count && !error; n++)
        if (!c->found[n] && c->found[c->known.node[n].parent]) error = take_away(c, n);
    return error;
}

/* --- carrying
 * ------------------------------------------------------------------------------------------------------- */

static void take_over(FatCarry *c)
{
    if (c->now.left_out && c->now.left_out != c->known.left_out) {
        char text[200];
        snprintf(text, sizeof text, "%s of the guest's not carried back: hidden, or no name on the host",
                 c->now.left_out > 1 ? "and other names are" : "is a name that is");
        tell(c, c->now.example, text);
    }
    fat_walk_free(&c->known);
    c->known = c->now;
    c->now = (FatWalk){.node = NULL};
}

/* Whatever cannot be kept apart is left for another time; at the end it is said, and nothing was taken away. */
static int not_now(FatCarry *c, int error, bool last)
{
    if (last && error == EAGAIN)
        say("fat:rw:%.200s: the guest's file system is not sound at the end (%s): what it has changed since "
            "it last was is not in the folder",
            c->host.folder, c->now.why ? c->now.why : "it changes");
    return error;
}

int fat_carry(FatCarry *c, bool last)
{
    fat_walk_free(&c->now);
    int error = fat_walk(&c->now, c->host.disk, c->host.layout);
    if (error) return not_now(c, error, last);
    match(c);
    if (c->kinds_differ) error = take_away_all(c); /* its name must be free */
    if (!error) error = put_all(c);
    if (!error && !c->kinds_differ) error = take_away_all(c);
    if (!error) take_over(c);
    return error;
}

bool fat_carry_uses(const FatCarry *c, u32 cluster)
{
    const FatWalk *w = c->now.used ? &c->now : &c->known;
    return w->used && w->used[cluster / 64] >> cluster % 64 & 1;
}

/* --- life
 * ------------------------------------------------------------------------------------------------------------ */

/* The guest's tree is the folder's, in the same order: who is who, and what it is on the host now. */
static bool know(FatCarry *c, Problem *p)
{
    const FatTree *t = c->host.tree;
    char path[KEEPER_PATH_BYTES];
    KeeperAnswer a;
    int error = fat_walk(&c->known, c->host.disk, c->host.layout);
    if (error || c->known.count != t->count)
        return problem_set(p, "rw: names in it that are the same to the guest, or none for it");
    for (u32 n = 1; n < t->count; n++) {
        FatFound *f = &c->known.node[n];
        name_it(f, t->node[n].name);
        if (f->is_folder) continue;
        f->base = n;
        if (!path_of(&c->known, n, path) || keeper_stat(&c->keeper, path, &a)) continue;
        f->stamp = a.stamp;
        f->has_stamp = true;
    }
    return true;
}

FatCarry *fat_carry_begin(const FatCarryHost *host, Problem *p)
{
    FatCarry *c = calloc(1, sizeof *c);
    CHECK(c, "no memory");
    c->host = *host;
    c->keeper.socket = -1;
    c->bytes = malloc(host->layout->per_cluster * SECTOR_BYTES);
    CHECK(c->bytes, "no memory");
    u64 most = host->layout->disk * SECTOR_BYTES;
    if (keeper_start(&c->keeper, host->folder, most, p) && know(c, p)) return c;
    fat_carry_end(c);
    return NULL;
}

void fat_carry_end(FatCarry *c)
{
    if (!c) return;
    if (c->kept)
        say("fat:rw:%.200s: what the guest replaced or deleted is in its folder .ring3-kept", c->host.folder);
    keeper_end(&c->keeper);
    fat_walk_free(&c->known);
    fat_walk_free(&c->now);
    free(c->old_of);
    free(c->found);
    free(c->bytes);
    free(c);
}
