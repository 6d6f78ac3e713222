/* migrate_disks.c - see migrate_disks.h.
 *
 * A disk is a row of clusters of 64 KiB. At first all are marked; what the guest writes is marked again
 * (media_watch). The saver asks for what is marked, piece by piece, and the mark goes when it is read: so what is
 * read while the guest is about to write it is sent once more, and when the machine stands still and nothing is
 * marked, the other side has the disk. While a flush of the guest's is under way its disk is not read, but for
 * guests that do little else.
 *
 * It is read here and not in the saver: what lies where in an image of a format is known here only, and changes
 * while the guest writes. What the tables of an image call zeros is not read. The target began with zeros, so zeros
 * are sent only where something else was sent before.
 *
 * The target takes a new image, and refuses one that has anything in it: it may be the person's, and zeros that are
 * not sent would not be there. It flushes as it goes, so that when the machine stands still little is left to flush.
 */
#include "frontend/snapshot/migrate_disks.h"

#include <errno.h>
#include <stdlib.h>

#include "frontend/host/bytes.h"
#include "frontend/image/changed.h"
#include "frontend/image/media.h"
#include "frontend/options/drive_names.h"
#include "frontend/snapshot/snapshots.h"

_Static_assert((int)MIGRATE_DISK_BYTES == MIGRATE_DISK_CLUSTERS * (int)CHANGED_CLUSTER_BYTES,
               "a cluster is one size");

enum { LOOK_NS = 1000000, UNSETTLED_BYTES = 64 << 20, PUT_OFF_MOST = 10 };

typedef struct SentDisk {
    Medium *medium; /* NULL: not sent */
    Changed marked; /* to be sent */
    Changed held;   /* not zeros at the other side */
    u32 put_off;    /* how often it could not be read, one time after the other */
} SentDisk;

static struct {
    SentDisk source[DRIVE_COUNT];
    DisksInfo info;
    u64 unsettled_bytes; /* of the target */
} v;

static bool trouble(Problem *p, const char *doing, u32 drive, const Medium *m, int error)
{
    return problem_set(p, "%s %s (%.120s): %s", doing, drive_name((DriveId)drive, false), m->name,
                       strerror(error));
}

/* Of the disk's: the last cluster may be shorter. */
static u32 sectors_of(const Medium *m, u64 cluster)
{
    u64 left = m->sectors - cluster * CHANGED_CLUSTER_SECTORS;
    return left < CHANGED_CLUSTER_SECTORS ? (u32)left : CHANGED_CLUSTER_SECTORS;
}

/* --- the source ------------------------------------------------------------------------------------------- */

static u64 remaining(void)
{
    u64 clusters = 0;
    for (unsigned n = 0; n < DRIVE_COUNT; n++) clusters += v.source[n].marked.count;
    return clusters * CHANGED_CLUSTER_BYTES;
}

bool disks_begin(Pc *pc, u32 *mask, Problem *p)
{
    disks_end();
    v.info = (DisksInfo){0};
    *mask = 0;
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        SentDisk *s = &v.source[n];
        Medium *m = snapshots_image(pc, n);
        if (!m) continue;
        if (m->sectors / CHANGED_CLUSTER_SECTORS >= MIGRATE_DISK_END) {
            disks_end();
            return problem_set(p, "%s is too large to be sent", drive_name((DriveId)n, false));
        }
        s->medium = m;
        if (!changed_begin(&s->marked, m->sectors, true) || !changed_begin(&s->held, m->sectors, false)) {
            disks_end();
            return problem_set(p, "the host has no memory");
        }
        media_watch(m, &s->marked);
        *mask |= 1u << n;
        v.info.total_bytes += m->sectors * SECTOR_BYTES;
    }
    return *mask || problem_set(p, "-b: there is no hard disk that is written to");
}

void disks_end(void)
{
    v.info.remaining_bytes = remaining();
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        SentDisk *s = &v.source[n];
        if (s->medium) media_watch(s->medium, NULL);
        changed_end(&s->marked);
        changed_end(&s->held);
        s->medium = NULL;
    }
}

void disks_info(DisksInfo *i)
{
    *i = v.info;
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (v.source[n].medium) i->remaining_bytes = remaining();
}

/* All of the cluster, by the image's tables. */
static int is_known_zero(Medium *m, u64 cluster, bool *zero)
{
    u64 at = cluster * CHANGED_CLUSTER_SECTORS, end = at + sectors_of(m, cluster);
    int error = 0;
    for (*zero = true; at < end && *zero && !error;) {
        u64 n = end - at;
        error = media_knows_zeros(m, at, &n, zero);
        at += n;
    }
    return error;
}

/* One cluster, of which `count` are in d->data. The mark is gone before it is read. */
static int look_at(SentDisk *s, u64 cluster, MigrateDisk *d, unsigned *count)
{
    u8 *to = d->data + (size_t)*count * CHANGED_CLUSTER_BYTES;
    u64 bit = 1ull << (cluster - d->first);
    u32 sectors = sectors_of(s->medium, cluster);
    bool zero;
    int error = is_known_zero(s->medium, cluster, &zero);
    if (!error && !zero) {
        memset(to, 0, CHANGED_CLUSTER_BYTES);
        error = media_peek(s->medium, cluster * CHANGED_CLUSTER_SECTORS, to, sectors);
        zero = !error && bytes_are_zero(to, CHANGED_CLUSTER_BYTES);
    }
    if (error) return error;
    if (!zero) {
        d->present |= bit;
        ++*count;
        v.info.sent_bytes += CHANGED_CLUSTER_BYTES;
    } else if (changed_is(&s->held, cluster)) {
        d->zero |= bit;
    }
    changed_set(&s->held, cluster, !zero);
    return 0;
}

bool disks_next(u32 drive, u32 from, MigrateDisk *d, Problem *p)
{
    SentDisk *s = &v.source[drive < DRIVE_COUNT ? drive : 0];
    if (drive >= DRIVE_COUNT || !s->medium) return problem_set(p, "there is no such disk");
    u64 until_ns = host_now_ns() + LOOK_NS, at = changed_next(&s->marked, from);
    unsigned count = 0;
    d->drive = drive;
    d->present = d->zero = 0;
    d->first = (u32)at;
    d->later = media_is_busy(s->medium) && s->put_off++ < PUT_OFF_MOST;
    d->next = from;
    if (d->later) return true;
    s->put_off = 0;
    media_wait(s->medium);
    while (at < s->marked.clusters && count < MIGRATE_DISK_CLUSTERS && host_now_ns() < until_ns) {
        if (at - d->first >= 64) {
            if (d->present | d->zero) break;
            d->first = (u32)at;
        }
        changed_set(&s->marked, at, false);
        int error = look_at(s, at, d, &count);
        if (error) return trouble(p, "reading", drive, s->medium, error);
        at = changed_next(&s->marked, at + 1);
    }
    d->next = at < s->marked.clusters ? (u32)at : MIGRATE_DISK_END;
    return true;
}

/* --- the target ------------------------------------------------------------------------------------------- */

/* Preallocated images are zeros that take room: they are read. */
static int is_empty(Medium *m, bool *empty)
{
    static u8 piece[CHANGED_CLUSTER_BYTES];
    int error = 0;
    *empty = true;
    for (u64 at = 0; at < m->sectors && *empty && !error;) {
        u64 n = m->sectors - at;
        bool zero;
        error = media_knows_zeros(m, at, &n, &zero);
        if (!error && !zero) {
            if (n > CHANGED_CLUSTER_SECTORS) n = CHANGED_CLUSTER_SECTORS;
            error = media_peek(m, at, piece, (u32)n);
            *empty = bytes_are_zero(piece, n * SECTOR_BYTES);
        }
        at += n;
    }
    return error;
}

bool disks_await(Pc *pc, u32 mask, Problem *p)
{
    v.unsettled_bytes = 0;
    for (u32 n = 0; n < 32; n++) {
        if (!(mask >> n & 1)) continue;
        Medium *m = n < DRIVE_COUNT ? snapshots_image(pc, n) : NULL;
        if (!m)
            return problem_set(
                p, "a disk comes along (-b) as drive %u, and this machine has none there that is written to",
                n);
        bool empty;
        int error = is_empty(m, &empty);
        if (error) return trouble(p, "reading", n, m, error);
        if (!empty)
            return problem_set(
                p,
                "%s (%.120s) is not empty, and a disk that comes along (-b) goes to a new image "
                "of its size",
                drive_name((DriveId)n, false), m->name);
    }
    return true;
}

static int put_cluster(Medium *m, u64 cluster, const u8 *from)
{
    return media_put(m, cluster * CHANGED_CLUSTER_SECTORS, from, sectors_of(m, cluster));
}

static bool is_possible(const Medium *m, u32 first, u64 bits, Problem *p)
{
    u64 clusters = (m->sectors + CHANGED_CLUSTER_SECTORS - 1) / CHANGED_CLUSTER_SECTORS;
    bool good = first < clusters && (clusters - first >= 64 || !(bits >> (clusters - first)));
    return good || problem_set(p, "what came is damaged: the disk has no such place");
}

bool disks_take(Pc *pc, u32 mask, const MigrateDisk *d, Problem *p)
{
    static const u8 zeros[CHANGED_CLUSTER_BYTES];
    const volatile MigrateDisk *numbers = d; /* the saver's, which talks with strangers: looked at once */
    u32 drive = numbers->drive, first = numbers->first;
    u64 present = numbers->present, zero = numbers->zero;
    Medium *m = drive < DRIVE_COUNT && mask >> drive & 1 ? snapshots_image(pc, drive) : NULL;
    const u8 *from = d->data;
    int error = 0;
    if (!m || present & zero || __builtin_popcountll(present) > MIGRATE_DISK_CLUSTERS)
        return problem_set(p, "what came is damaged: there is no such disk");
    if (!is_possible(m, first, present | zero, p)) return false;
    for (u32 n = 0; n < 64 && !error; n++) {
        bool is_data = present >> n & 1;
        if (is_data || zero >> n & 1) error = put_cluster(m, (u64)first + n, is_data ? from : zeros);
        if (is_data) from += CHANGED_CLUSTER_BYTES;
    }
    if (error) return trouble(p, "writing", drive, m, error);
    v.unsettled_bytes += (u64)__builtin_popcountll(present) * CHANGED_CLUSTER_BYTES;
    return v.unsettled_bytes < UNSETTLED_BYTES || disks_settle(pc, mask, p);
}

bool disks_settle(Pc *pc, u32 mask, Problem *p)
{
    v.unsettled_bytes = 0;
    for (u32 n = 0; n < DRIVE_COUNT; n++) {
        Medium *m = mask >> n & 1 ? snapshots_image(pc, n) : NULL;
        int error = m ? media_settle(m) : 0;
        if (error) return trouble(p, "writing", n, m, error);
    }
    return true;
}
