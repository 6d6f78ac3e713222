/* media.c - raw image files and block devices as rows of sectors.
 *
 * Reads and writes are pread and pwrite between the host's page cache and guest memory: a write that has returned
 * survives the end of ring3, also by SIGKILL; a flush (fdatasync) makes it survive the end of the host. A file whose
 * size is no multiple of 512 ends with zeros; writing its last sector makes it a multiple. A file that somebody
 * shortens meanwhile gives EIO.
 *
 * A file that begins or ends like another program's image, an archive or a compressed file is refused (foreign.c): a guest
 * that partitions it would destroy it. format=raw opens it all the same, as in QEMU.
 *
 * snapshot=on: the image is opened for reading only. Written sectors go to the same place of a temporary file that has
 * no name any more, and one bit a sector says where the newest contents are. Nothing is left behind, however
 * ring3 ends.
 *
 * Errors of the host: the policy (MediaErrors) makes them an answer for the guest, or MEDIUM_HELD and a machine that stops
 * until `cont`. A flush that failed is different: Linux then counts the pages as written, and a second fdatasync would
 * succeed without having written them. So it fails from then on, whatever the policy.
 *
 * Locks: open file description locks on the bytes that QEMU uses, so that neither program opens an image for
 * writing that the other has open. Byte 100 + n is held by who uses permission n, byte 200 + n by who does not
 * want others to; the permissions that matter here are reading (0), writing (1) and resizing (3). On a file system
 * without such locks there is no protection from others; two drives of one machine are told apart by inode.
 */
#define _GNU_SOURCE
#include "frontend/media.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/foreign.h"
#include "hw/floppy.h"

typedef struct Image Image;
struct Image {
    Medium medium;
    Image *next; /* of those that are open */
    int fd;
    dev_t device;
    ino_t inode;
    bool leaving;     /* another medium is about to take its place */
    u64 bytes;        /* of the file: what lies behind reads as zeros */
    int overlay;      /* snapshot: the temporary file; else -1 */
    u64 *overwritten; /* snapshot: bit n: sector n is in the overlay */
    MediaErrors read_errors, write_errors;
    bool told;         /* the person knows that the guest got an error */
    int flush_failed;  /* the errno; 0: never */
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
             i->label ? " " : "", i->name, what, cause(error),
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

/* --- sectors --------------------------------------------------------------------------------------------- */

/* Exactly n bytes, or an errno. */
static int read_all(int fd, u64 offset, u8 *to, u64 n)
{
    while (n) {
        ssize_t got = pread(fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (!got) return EIO;
        to += got, offset += (u64)got, n -= (u64)got;
    }
    return 0;
}

static int write_all(int fd, u64 offset, const u8 *from, u64 n)
{
    while (n) {
        ssize_t put = pwrite(fd, from, n, (off_t)offset);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        from += put, offset += (u64)put, n -= (u64)put;
    }
    return 0;
}

static int read_raw(const Image *i, u64 sector, void *to, u32 count)
{
    u64 offset = sector * SECTOR_BYTES, n = (u64)count * SECTOR_BYTES;
    u64 there = offset >= i->bytes ? 0 : i->bytes - offset;
    if (there < n) memset((u8 *)to + there, 0, n - there);
    return read_all(i->fd, offset, to, there < n ? there : n);
}

static int file_read(Medium *m, u64 sector, void *to, u32 count)
{
    Image *i = (Image *)m;
    return answer(i, "reading", i->read_errors, read_raw(i, sector, to, count));
}

static int file_write(Medium *m, u64 sector, const void *from, u32 count)
{
    Image *i = (Image *)m;
    u64 offset = sector * SECTOR_BYTES, n = (u64)count * SECTOR_BYTES;
    if (m->readonly) return EROFS;
    int error = write_all(i->fd, offset, from, n);
    if (!error && offset + n > i->bytes) i->bytes = offset + n;
    return answer(i, "writing", i->write_errors, error);
}

static int file_flush(Medium *m)
{
    Image *i = (Image *)m;
    if (m->readonly) return 0;
    if (!i->flush_failed && fdatasync(i->fd)) i->flush_failed = errno;
    MediaErrors policy = i->write_errors == MEDIA_ENOSPC ? MEDIA_REPORT : i->write_errors;
    return answer(i, "flushing", policy, i->flush_failed);
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
        error = ours ? read_all(i->overlay, at * SECTOR_BYTES, place, (u64)n * SECTOR_BYTES)
                     : read_raw(i, at, place, n);
    }
    return answer(i, "reading", i->read_errors, error);
}

static int snapshot_write(Medium *m, u64 sector, const void *from, u32 count)
{
    Image *i = (Image *)m;
    if (m->readonly) return EROFS;
    int error = write_all(i->overlay, sector * SECTOR_BYTES, from, (u64)count * SECTOR_BYTES);
    if (error) return answer(i, "writing its snapshot", i->write_errors, error);
    for (u64 at = sector; at < sector + count; at++) i->overwritten[at / 64] |= 1ull << at % 64;
    return 0;
}

static int snapshot_flush(Medium *m) { return (void)m, 0; }

/* --- locks ----------------------------------------------------------------------------------------------- */

enum { LOCK_USED = 100, LOCK_REFUSED = 200 };
enum { PERM_READ = 1, PERM_WRITE = 2, PERM_RESIZE = 8, PERMS = 4 };

static bool lock_byte(int fd, int command, short type, off_t byte, struct flock *l)
{
    *l = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, command, l) == 0;
}

/* NULL, or what another process's locks forbid us. */
static const char *locks_take(int fd, bool writes)
{
    static const char *const word[PERMS] = {"consistent read", "write", "write unchanged", "resize"};
    unsigned used = PERM_READ | (writes ? PERM_WRITE : 0), refused = PERM_WRITE | PERM_RESIZE;
    struct flock l;
    for (int n = 0; n < PERMS; n++) {
        if (used >> n & 1) lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_USED + n, &l);
        if (refused >> n & 1) lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_REFUSED + n, &l);
    }
    for (int n = 0; n < PERMS; n++) {
        bool clash = (used >> n & 1 && lock_byte(fd, F_OFD_GETLK, F_WRLCK, LOCK_REFUSED + n, &l) &&
                      l.l_type != F_UNLCK) ||
                     (refused >> n & 1 && lock_byte(fd, F_OFD_GETLK, F_WRLCK, LOCK_USED + n, &l) &&
                      l.l_type != F_UNLCK);
        if (clash) return word[n];
    }
    return NULL;
}

static void locks_drop(int fd)
{
    struct flock l = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = LOCK_USED, .l_len = LOCK_REFUSED};
    fcntl(fd, F_OFD_SETLK, &l);
}

/* --- opening --------------------------------------------------------------------------------------------- */

static bool wrong(const MediaSpec *s, Problem *p, const char *what)
{
    return problem_set(p, "%s%s%.200s: %s", s->option ? s->option : "", s->option ? " " : "", s->path, what);
}

static const char *why_not_opened(int error, const MediaSpec *s)
{
    if (error == EISDIR) return "is a folder";
    if ((error == EACCES || error == EPERM || error == EROFS) && access(s->path, R_OK) == 0)
        return "may be read but not written; readonly=on or snapshot=on would do";
    return strerror(error);
}

/* The size in i->bytes, or what is wrong with the file. */
static const char *examine(Image *i)
{
    struct stat s;
    if (fstat(i->fd, &s) < 0) return strerror(errno);
    if (S_ISDIR(s.st_mode)) return "is a folder";
    if (!S_ISREG(s.st_mode) && !S_ISBLK(s.st_mode)) return "is neither a file nor a block device";
    off_t end = lseek(i->fd, 0, SEEK_END);
    if (end < 0) return strerror(errno);
    if (!end) return S_ISBLK(s.st_mode) ? "has no medium in it" : "is empty";
    i->bytes = (u64)end;
    i->device = S_ISBLK(s.st_mode) ? s.st_rdev : s.st_dev;
    i->inode = S_ISBLK(s.st_mode) ? 0 : s.st_ino;
    return NULL;
}

static bool is_writer(const Image *i) { return !i->medium.readonly && i->overlay < 0; }

/* Another drive of ours that has the file in it, if one of the two writes to it. */
static const Image *twin_of(const Image *i, bool writes)
{
    const Image *o = images;
    while (o && (o->leaving || o->device != i->device || o->inode != i->inode || !(writes || is_writer(o))))
        o = o->next;
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

static const ForeignFormat *foreign_format(const Image *i)
{
    u8 head[FOREIGN_HEAD], tail[FOREIGN_TAIL];
    u32 head_bytes = i->bytes < sizeof head ? (u32)i->bytes : (u32)sizeof head;
    u32 tail_bytes = i->bytes < sizeof tail ? (u32)i->bytes : (u32)sizeof tail;
    if (read_all(i->fd, 0, head, head_bytes) || read_all(i->fd, i->bytes - tail_bytes, tail, tail_bytes))
        return NULL; /* it cannot be read: the guest will find out */
    return foreign_find(head, head_bytes, tail, tail_bytes);
}

/* Is it what the drive takes? */
static bool fits_drive(const Image *i, const MediaSpec *s, Problem *p)
{
    const ForeignFormat *f = s->raw ? NULL : foreign_format(i);
    char remedy[150], text[350];
    if (f) {
        foreign_remedy(f, s->path, remedy, sizeof remedy);
        snprintf(text, sizeof text, "is %s, not a raw image (%s; format=raw would take it as it is)", f->name,
                 remedy);
        return wrong(s, p, text);
    }
    if (!s->floppy || i->bytes <= (u64)FLOPPY_SECTORS_MAX * SECTOR_BYTES) return true;
    snprintf(text, sizeof text, "has %llu KiB, and the largest floppy disk %u KiB",
             (unsigned long long)(i->bytes >> 10), FLOPPY_SECTORS_MAX / 2);
    return wrong(s, p, text);
}

/* A file that has no name any more when this returns. */
static int temporary_file(void)
{
    const char *folder = getenv("TMPDIR");
    char name[256];
    if (!folder || !*folder) folder = "/var/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    snprintf(name, sizeof name, "%.200s/ring3-XXXXXX", folder);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) unlink(name);
    return fd;
}

static bool overlay_open(Image *i, const MediaSpec *s, Problem *p)
{
    i->overlay = temporary_file();
    if (i->overlay < 0) return wrong(s, p, "no place for the snapshot's temporary file (TMPDIR)");
    i->overwritten = calloc(i->medium.sectors / 64 + 1, sizeof *i->overwritten);
    if (!i->overwritten) return wrong(s, p, "is too large for a snapshot");
    i->medium.read = snapshot_read;
    i->medium.write = snapshot_write;
    i->medium.flush = snapshot_flush;
    return true;
}

static bool image_lock(const Image *i, const MediaSpec *s, bool writes, Problem *p)
{
    const Image *twin = twin_of(i, writes);
    if (twin) return refuse_twin(twin, s, p);
    const char *lock = locks_take(i->fd, writes);
    char text[100];
    if (!lock) return true;
    snprintf(text, sizeof text, "Failed to get %s\"%s\" lock; is another process using it?",
             writes ? "" : "shared ", lock);
    return wrong(s, p, text);
}

static bool image_open_file(Image *i, const MediaSpec *s, Problem *p)
{
    bool writes = !s->readonly && !s->snapshot;
    i->fd = open(s->path, (writes ? O_RDWR : O_RDONLY) | (s->sync ? O_DSYNC : 0) | O_CLOEXEC | O_NONBLOCK);
    if (i->fd < 0) return wrong(s, p, why_not_opened(errno, s));
    const char *what = examine(i);
    if (what) return wrong(s, p, what);
    if (!fits_drive(i, s, p) || !image_lock(i, s, writes, p)) return false;
    i->medium.sectors = (i->bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
    return !s->snapshot || s->readonly || overlay_open(i, s, p);
}

static u32 changes;

u32 media_changes(void) { return changes; }

Medium *media_open(const MediaSpec *s, Problem *p)
{
    Image *i = calloc(1, sizeof *i + strlen(s->path) + 1);
    CHECK(i, "no memory");
    memcpy(i->name, s->path, strlen(s->path) + 1);
    i->fd = i->overlay = -1;
    i->label = s->option;
    i->read_errors = s->read_errors ? s->read_errors : MEDIA_REPORT;
    i->write_errors = s->write_errors ? s->write_errors : MEDIA_ENOSPC;
    i->medium = (Medium){.readonly = s->readonly,
                         .name = i->name,
                         .read = file_read,
                         .write = file_write,
                         .flush = file_flush};
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
    if (i->fd >= 0) close(i->fd);
    if (i->overlay >= 0) close(i->overlay);
    free(i->overwritten);
    free(i);
}

/* --- changing -------------------------------------------------------------------------------------------- */

static bool may_open(Drive *d, bool force, Problem *p)
{
    if (base_fpu_park)
        base_fpu_park(); /* the C library may use the FPU, where the guest's state may be live */
    if (!d->locked || force || d->tray_open) return true;
    d->eject_wanted = true;
    if (d->moved) d->moved(d->ctx);
    return problem_set(p, "the guest has locked the drive; it has been asked to open it, or use force (-f)");
}

bool media_change(Drive *d, const MediaSpec *spec, bool force, Problem *p)
{
    if (!may_open(d, force, p)) return false;
    MediaSpec s = *spec;
    s.readonly |= d->cdrom;
    s.floppy = d->floppy;
    s.read_errors = (MediaErrors)d->read_errors;
    s.write_errors = (MediaErrors)d->write_errors;
    Image *old = (Image *)d->medium;
    if (old) locks_drop(old->fd); /* it may be the same file, and goes anyway */
    if (old) old->leaving = true;
    Medium *m = media_open(&s, p);
    if (!m && old) locks_take(old->fd, is_writer(old));
    if (!m && old) old->leaving = false;
    if (!m) return false;
    d->locked = d->eject_wanted = false;
    media_close(drive_change(d, m));
    return true;
}

bool media_eject(Drive *d, bool force, Problem *p)
{
    if (!may_open(d, force, p)) return false;
    Medium *old = d->medium;
    d->medium = NULL;
    d->locked = d->eject_wanted = false;
    d->tray_open = d->cdrom;
    if (d->moved) d->moved(d->ctx);
    media_close(old);
    return true;
}
