/* media.c - disk images of all formats (image/disk.h) and block devices as the media of drives.
 *
 * snapshot=on: the image is opened for reading only. Written sectors go to the same place of a temporary file that
 * has no name any more, and one bit a sector says where the newest contents are. Nothing is left behind, however
 * ring3 ends.
 *
 * What a format keeps in memory (image/format.h, settle) is written a second later at the latest, when the machine is
 * stopped, and at its end; so SIGKILL takes at most a second's writes that needed a new place in the file and were
 * not flushed. Of raw images it takes nothing.
 *
 * Errors of the host: the policy (MediaErrors) makes them an answer for the guest, or MEDIUM_HELD and a machine that
 * stops until `cont`. A flush that failed fails from then on (image/host_file.c), whatever the policy.
 *
 * Two drives of one machine that would share a file are told apart by inode, other processes by locks
 * (image/host_file.c).
 */
#define _GNU_SOURCE
#include "frontend/image/media.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/host/bytes.h"
#include "frontend/host/files.h"
#include "frontend/image/flusher.h"
#include "frontend/inbox.h"
#include "hw/floppy.h"

typedef struct Image Image;
struct Image {
    Medium medium;
    Image *next; /* of those that are open */
    Disk *disk;
    bool leaving;     /* another medium is about to take its place */
    bool later, away; /* another process has it, or may: it is opened anew, or taken back */
    bool sync;
    MediaZeros zeros;
    const char *format; /* as MediaSpec's; the option's, for `later` */
    Flush flush;        /* the disk is its thread's while that is at work: claim() */
    HostFile overlay;   /* snapshot: the temporary file */
    Changed *changed;   /* who watches what is written; NULL: nobody */
    u64 *overwritten;   /* snapshot: bit n: sector n is in the overlay */
    MediaErrors read_errors, write_errors;
    bool told;         /* the person knows that the guest got an error */
    const char *label; /* the option that named it; NULL: the monitor put it in */
    char name[];
};

static Image *images;

/* --- errors of the host ---------------------------------------------------------------------------------- */

static struct {
    bool (*hear)(void *ctx, const char *sentence, bool stops);
    void *ctx;
} trouble;

void media_on_trouble(bool (*hear)(void *ctx, const char *sentence, bool stops), void *ctx)
{
    trouble.hear = hear;
    trouble.ctx = ctx;
}

static bool is_full(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

static const char *cause(int error)
{
    switch (error) {
    case ENOSPC: return "the host's disk is full";
    case EDQUOT: return "the host's disk quota is used up";
    case EFBIG: return "the host's limit on the size of files (ulimit -f) is reached";
    default: return strerror(error);
    }
}

static bool tell(const Image *i, const char *what, int error, bool stops)
{
    char text[500];
    snprintf(text, sizeof text, "%s%s%.200s: %s failed: %s; %s", i->label ? i->label : "",
             i->label ? " " : "", i->name, what,
             i->disk && disk_trouble(i->disk) ? disk_trouble(i->disk) : cause(error),
             stops ? "the machine is stopped until 'cont' (in the window Ctrl-Alt-P), which tries again"
                   : "the guest is told");
    return trouble.hear && trouble.hear(trouble.ctx, text, stops);
}

/* What the guest's controller gets for an errno of the host. */
static int answer(Image *i, const char *what, MediaErrors policy, int error)
{
    if (!error || policy == MEDIA_IGNORE) return 0;
    bool stops = policy == MEDIA_STOP || (policy == MEDIA_ENOSPC && is_full(error));
    if (stops && tell(i, what, error, true)) return MEDIUM_HELD;
    if (!i->told) tell(i, what, error, false);
    i->told = true;
    return error;
}

/* The disk, for this thread. */
static Disk *claim(Image *i)
{
    flusher_wait(&i->flush);
    return i->disk;
}

/* --- sectors --------------------------------------------------------------------------------------------- */

static int file_read(Medium *m, u64 sector, void *to, u32 count)
{
    Image *i = (Image *)m;
    return answer(i, "reading", i->read_errors, disk_read(claim(i), sector, to, count));
}

/* Tables of formats that grow are newer in memory than in the file, for a second at most. */
enum { PENDING_NS = 1000000000 };
static u64 pending_since; /* 0: nothing is */

static void settle(Image *i)
{
    if (i->disk && disk_is_pending(claim(i)) && answer(i, "writing", i->write_errors, disk_settle(i->disk)))
        pending_since = host_now_ns();
    if (i->disk && disk_is_pending(i->disk)) pending_since = host_now_ns(); /* not sound yet: fat.c */
}

void media_service(bool now)
{
    if (likely(!pending_since) || (!now && host_now_ns() - pending_since < PENDING_NS)) return;
    base_park_fpu();
    pending_since = 0;
    for (Image *i = images; i; i = i->next)
        if (now || !flusher_is_at_work(&i->flush)) settle(i); /* a flush settles, too */
}

static void note_pending(const Image *i)
{
    if (!pending_since && disk_is_pending(i->disk)) pending_since = host_now_ns();
}

static int file_write(Medium *m, u64 sector, const void *from, u32 count)
{
    Image *i = (Image *)m;
    if (m->readonly) return EROFS;
    Disk *d = claim(i);
    if (unlikely(i->changed)) changed_note(i->changed, sector, count);
    bool zeros = i->zeros != MEDIA_ZEROS_OFF && bytes_are_zero(from, (size_t)count * SECTOR_BYTES);
    int error = zeros ? disk_write_zeros(d, sector, from, count, i->zeros == MEDIA_ZEROS_UNMAP)
                      : disk_write(d, sector, from, count);
    note_pending(i);
    return answer(i, "writing", i->write_errors, error);
}

static int image_discard(Medium *m, u64 sector, u32 count)
{
    Image *i = (Image *)m;
    if (m->readonly) return EROFS;
    if (unlikely(i->changed)) changed_note(i->changed, sector, count);
    int error = disk_discard(claim(i), sector, count);
    note_pending(i);
    return answer(i, "discarding", i->write_errors, error);
}

static int answer_flush(Image *i, int error)
{
    bool is_final =
        disk_flush_failed(i->disk); /* else there was no room for a table, and may be another time */
    MediaErrors policy = is_final && i->write_errors == MEDIA_ENOSPC ? MEDIA_REPORT : i->write_errors;
    return answer(i, "flushing", policy, error);
}

static int file_flush(Medium *m)
{
    Image *i = (Image *)m;
    return m->readonly ? 0 : answer_flush(i, disk_flush(claim(i)));
}

static int file_flush_later(Medium *m)
{
    Image *i = (Image *)m;
    int error = m->readonly ? 0 : flusher_ask(&i->flush, i->disk);
    return error == MEDIUM_LATER ? error : answer_flush(i, error);
}

static bool is_overwritten(const Image *i, u64 sector)
{
    return i->overwritten[sector / 64] >> sector % 64 & 1;
}

static int snapshot_read(Medium *m, u64 sector, void *to, u32 count)
{
    Image *i = (Image *)m;
    int error = 0;
    for (u32 done = 0, n; done < count && !error; done += n) {
        u64 at = sector + done;
        bool ours = is_overwritten(i, at);
        u8 *place = (u8 *)to + (u64)done * SECTOR_BYTES;
        for (n = 1; n < count - done && is_overwritten(i, at + n) == ours; n++) {
        }
        error = ours ? host_file_read(&i->overlay, at * SECTOR_BYTES, place, (u64)n * SECTOR_BYTES)
                     : disk_read(claim(i), at, place, n);
    }
    return answer(i, "reading", i->read_errors, error);
}

static void overwrite(Image *i, u64 sector, u32 count)
{
    for (u64 at = sector; at < sector + count; at++) i->overwritten[at / 64] |= 1ull << at % 64;
}

static int snapshot_write(Medium *m, u64 sector, const void *from, u32 count)
{
    Image *i = (Image *)m;
    if (m->readonly) return EROFS;
    int error = host_file_write(&i->overlay, sector * SECTOR_BYTES, from, (u64)count * SECTOR_BYTES);
    if (error) return answer(i, "writing its snapshot", i->write_errors, error);
    overwrite(i, sector, count);
    return 0;
}

static int snapshot_discard(Medium *m, u64 sector, u32 count)
{
    Image *i = (Image *)m;
    if (m->readonly) return EROFS;
    int error = host_file_punch(&i->overlay, sector * SECTOR_BYTES, (u64)count * SECTOR_BYTES);
    if (error) return answer(i, "discarding in its snapshot", i->write_errors, error);
    overwrite(i, sector, count);
    return 0;
}

static int snapshot_flush(Medium *m) { return (void)m, 0; }

/* --- opening --------------------------------------------------------------------------------------------- */

static bool wrong(const MediaSpec *s, Problem *p, const char *what)
{
    return problem_set(p, "%s%s%.200s: %s", s->option ? s->option : "", s->option ? " " : "", s->path, what);
}

/* Another drive of ours that has a file of the disk in it, if one of the two writes to it. */
static const Image *twin_of(const Disk *disk)
{
    const Image *o = images;
    while (o && (o->leaving || !disk_clashes(disk, o->disk))) o = o->next;
    return o;
}

static bool refuse_twin(const Image *twin, const MediaSpec *s, Problem *p)
{
    char text[200];
    snprintf(text, sizeof text,
             "is in another drive already (%s), and one of the two would write to it; "
             "readonly=on or snapshot=on for both would do",
             twin->label ? twin->label : "put in by 'change'");
    return wrong(s, p, text);
}

/* Is it what the drive takes? */
static bool fits_drive(const Image *i, const MediaSpec *s, Problem *p)
{
    u64 sectors = disk_sectors(i->disk);
    char text[100];
    if (!s->floppy || sectors <= FLOPPY_SECTORS_MAX) return true;
    snprintf(text, sizeof text, "has %llu KiB, and the largest floppy disk %u KiB",
             (unsigned long long)(sectors / 2), FLOPPY_SECTORS_MAX / 2);
    return wrong(s, p, text);
}

/* A raw image is sectors. What is not whole may still be meant; what is less than one is no image. */
static bool is_whole(const Image *i, const MediaSpec *s, Problem *p)
{
    enum { CD_SECTOR_BYTES = 2048 };
    unsigned unit = s->cdrom ? CD_SECTOR_BYTES : SECTOR_BYTES;
    unsigned long long bytes = disk_raw_bytes(i->disk);
    char text[100];
    if (bytes % unit == 0) return true;
    if (bytes < SECTOR_BYTES) {
        snprintf(text, sizeof text, "has only %llu bytes, less than a sector: not an image", bytes);
        return wrong(s, p, text);
    }
    say("%s%s%.200s: has %llu bytes, no multiple of %u: is it an image?", s->option ? s->option : "",
        s->option ? " " : "", s->path, bytes, unit);
    return true;
}

static bool overlay_open(Image *i, const MediaSpec *s, Problem *p)
{
    i->overlay = (HostFile){.fd = file_open(FILE_TEMPORARY, file_temporary_folder()), .writable = true};
    if (i->overlay.fd < 0) return wrong(s, p, "no place for the snapshot's temporary file (TMPDIR)");
    i->overwritten = calloc(i->medium.sectors / 64 + 1, sizeof *i->overwritten);
    if (!i->overwritten) return wrong(s, p, "is too large for a snapshot");
    i->medium.read = snapshot_read;
    i->medium.write = snapshot_write;
    i->medium.flush = snapshot_flush;
    i->medium.flush_later = NULL;
    i->medium.discard = s->discard ? snapshot_discard : NULL;
    return true;
}

static bool image_lock(const Image *i, const MediaSpec *s, bool writes, Problem *p)
{
    const Image *twin = twin_of(i->disk);
    if (twin) return refuse_twin(twin, s, p);
    const char *lock = disk_lock(i->disk);
    char text[100];
    if (!lock) return true;
    snprintf(text, sizeof text, "Failed to get %s\"%s\" lock; is another process using it?",
             writes ? "" : "shared ", lock);
    return wrong(s, p, text);
}

static bool image_open_file(Image *i, const MediaSpec *s, Problem *p)
{
    DiskSpec spec = {
        .path = s->path, .format = s->format, .writable = !s->readonly && !s->snapshot, .sync = s->sync};
    Problem why;
    i->later = s->later && spec.writable;
    if (i->later) spec.writable = false;
    i->disk = disk_open(&spec, &why);
    if (!i->disk) return wrong(s, p, why.text);
    if (!fits_drive(i, s, p) || !is_whole(i, s, p) || (!i->later && !image_lock(i, s, spec.writable, p)))
        return false;
    i->medium.sectors = disk_sectors(i->disk);
    i->medium.format = disk_format(i->disk);
    return !s->snapshot || s->readonly || overlay_open(i, s, p);
}

static u32 changes;

u32 media_changes(void) { return changes; }

Medium *media_open(const MediaSpec *s, Problem *p)
{
    Image *i = calloc(1, sizeof *i + strlen(s->path) + 1);
    CHECK(i, "no memory");
    memcpy(i->name, s->path, strlen(s->path) + 1);
    i->overlay.fd = -1;
    i->label = s->option;
    i->sync = s->sync;
    i->zeros = s->zeros;
    i->format = s->later ? s->format : NULL;
    i->read_errors = s->read_errors ? s->read_errors : MEDIA_REPORT;
    i->write_errors = s->write_errors ? s->write_errors : MEDIA_ENOSPC;
    i->medium = (Medium){.readonly = s->readonly,
                         .name = i->name,
                         .read = file_read,
                         .write = file_write,
                         .flush = file_flush,
                         .flush_later = file_flush_later,
                         .discard = s->discard ? image_discard : NULL};
    changes++;
    if (image_open_file(i, s, p)) {
        i->next = images;
        images = i;
        return &i->medium;
    }
    media_close(&i->medium);
    return NULL;
}

static void forget(const Image *i)
{
    Image **at = &images;
    while (*at && *at != i) at = &(*at)->next;
    if (*at) *at = i->next;
}

void media_close(Medium *m)
{
    Image *i = (Image *)m;
    if (!m) return;
    forget(i);
    changes++;
    disk_close(claim(i));
    host_file_close(&i->overlay);
    free(i->overwritten);
    free(i);
}

void media_end(void)
{
    media_service(true);
    while (images) media_close(&images->medium);
}

/* --- changing -------------------------------------------------------------------------------------------- */

static bool may_open(Drive *d, bool force, Problem *p)
{
    base_park_fpu(); /* the C library may use the FPU, where the guest's state may be live */
    if (!d->locked || force || d->tray_open) return true;
    inbox_deliver(&(InboxEvent){.kind = INBOX_EJECT_BUTTON, .medium.drive = d});
    return problem_set(p, "the guest has locked the drive; it has been asked to open it, or use force (-f)");
}

bool media_change(Drive *d, const MediaSpec *spec, bool force, Problem *p)
{
    if (!may_open(d, force, p)) return false;
    MediaSpec s = *spec;
    s.readonly |= d->cdrom || (disk_folder(s.path) && !s.snapshot);
    s.floppy = d->floppy;
    s.cdrom = d->cdrom;
    s.read_errors = (MediaErrors)d->read_errors;
    s.write_errors = (MediaErrors)d->write_errors;
    Image *old = (Image *)d->medium;
    if (old) disk_unlock(old->disk); /* it may be the same file, and goes anyway */
    if (old) old->leaving = true;
    Medium *m = media_open(&s, p);
    if (!m && old) disk_lock(old->disk);
    if (!m && old) old->leaving = false;
    if (!m) return false;
    inbox_deliver(&(InboxEvent){.kind = INBOX_MEDIUM, .medium = {d, m}});
    media_close(old ? &old->medium : NULL);
    return true;
}

bool media_eject(Drive *d, bool force, Problem *p)
{
    if (!may_open(d, force, p)) return false;
    Medium *old = d->medium;
    inbox_deliver(&(InboxEvent){.kind = INBOX_MEDIUM, .medium = {d, NULL}});
    media_close(old);
    return true;
}

/* --- a machine that moves --------------------------------------------------------------------------------- */

static bool is_written(const Image *i) { return !i->medium.readonly && !i->overwritten; }

bool media_are_kept(void)
{
    bool any = false;
    for (const Image *i = images; i; i = i->next) any |= is_written(i);
    return any;
}

bool media_forgets(const Medium *m)
{
    const Image *i = images;
    while (i && &i->medium != m) i = i->next;
    return i && i->overwritten;
}

/* Those that were taken are given up again, or what is released is taken back. */
static void undo_moves(bool was_away)
{
    const char *lock;
    for (Image *i = images; i; i = i->next) {
        if (!is_written(i) || i->later || i->away == was_away) continue;
        if (was_away)
            disk_release(claim(i));
        else
            disk_take_back(i->disk, &lock);
        i->away = was_away;
    }
}

bool media_release(Problem *p)
{
    for (Image *i = images; i; i = i->next) {
        if (!is_written(i) || i->later || i->away) continue;
        int error = disk_release(claim(i));
        i->away = !error;
        if (!error) continue;
        problem_set(p, "%.200s: flushing it failed: %s", i->name, strerror(error));
        undo_moves(false);
        return false;
    }
    return true;
}

/* Opened anew: the other machine has written to it since it was looked at. */
static bool take_new(Image *i, bool *taken, Problem *p)
{
    MediaSpec s = {.option = i->label, .path = i->name};
    DiskSpec spec = {.path = i->name, .format = i->format, .writable = true, .sync = i->sync};
    Problem why;
    Disk *old = claim(i), *disk = disk_open(&spec, &why);
    if (!disk) return wrong(&s, p, why.text);
    i->disk = disk;
    i->leaving = true; /* not its own twin */
    *taken = !image_lock(i, &s, true, p);
    i->leaving = false;
    bool good = !*taken && (disk_sectors(disk) == i->medium.sectors ||
                            wrong(&s, p, "has another size than at the start"));
    disk_close(good ? old : disk);
    if (!good) i->disk = old;
    i->later = !good;
    return good;
}

static bool take_old(Image *i, bool *taken, Problem *p)
{
    const char *lock;
    i->away = !disk_take_back(i->disk, &lock);
    if (!i->away) return true;
    *taken = lock;
    return problem_set(p, "%.200s: %s", i->name,
                       lock ? "another process has it now, in which the machine runs"
                            : "it was written to by another process");
}

bool media_take(bool *taken, Problem *p)
{
    bool good = true;
    *taken = false;
    for (Image *i = images; i && good; i = i->next)
        good = i->later ? take_new(i, taken, p) : !i->away || take_old(i, taken, p);
    if (!good) undo_moves(true);
    return good;
}

/* --- a disk that is copied -------------------------------------------------------------------------------- */

void media_watch(Medium *m, Changed *changed) { ((Image *)m)->changed = changed; }

/* Not claim(): reading changes nothing of what a flush that is over has to say to the guest. */
bool media_is_busy(const Medium *m) { return flusher_is_at_work(&((const Image *)m)->flush); }

void media_wait(Medium *m) { claim((Image *)m); }

int media_peek(Medium *m, u64 sector, void *to, u32 count)
{
    return disk_read(((Image *)m)->disk, sector, to, count);
}

int media_knows_zeros(Medium *m, u64 sector, u64 *count, bool *zero)
{
    return disk_reads_zero(((Image *)m)->disk, sector, count, zero);
}

int media_put(Medium *m, u64 sector, const void *from, u32 count)
{
    Disk *d = claim((Image *)m);
    return bytes_are_zero(from, (size_t)count * SECTOR_BYTES) ? disk_write_zeros(d, sector, from, count, true)
                                                              : disk_write(d, sector, from, count);
}

int media_settle(Medium *m) { return disk_flush(claim((Image *)m)); }
