/* media.c - raw image files and block devices as rows of sectors.
 *
 * Reads and writes are pread and pwrite between the host's page cache and guest memory: a write that has returned
 * survives the end of ring3, also by SIGKILL; a flush (fdatasync) makes it survive the end of the host. A file whose
 * size is no multiple of 512 ends with zeros; writing its last sector makes it a multiple. A file that somebody
 * shortens meanwhile gives EIO.
 *
 * snapshot=on: the image is opened for reading only. Written sectors go to the same place of a temporary file that has
 * no name any more, and one bit a sector says where the newest contents are. Nothing is left behind, however
 * ring3 ends.
 *
 * Locks: open file description locks on the bytes that QEMU uses, so that neither program opens an image for
 * writing that the other has open. Byte 100 + n is held by who uses permission n, byte 200 + n by who does not
 * want others to; the permissions that matter here are reading (0), writing (1) and resizing (3). On a file system
 * without such locks there is no protection.
 */
#define _GNU_SOURCE
#include "frontend/media.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Image {
    Medium medium;
    int fd;
    u64 bytes;        /* of the file: what lies behind reads as zeros */
    int overlay;      /* snapshot: the temporary file; else -1 */
    u64 *overwritten; /* snapshot: bit n: sector n is in the overlay */
    char name[];
} Image;

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

static int file_read(Medium *m, u64 sector, void *to, u32 count)
{
    const Image *i = (Image *)m;
    u64 offset = sector * SECTOR_BYTES, n = (u64)count * SECTOR_BYTES;
    u64 there = offset >= i->bytes ? 0 : i->bytes - offset;
    if (there < n) memset((u8 *)to + there, 0, n - there);
    return read_all(i->fd, offset, to, there < n ? there : n);
}

static int file_write(Medium *m, u64 sector, const void *from, u32 count)
{
    Image *i = (Image *)m;
    u64 offset = sector * SECTOR_BYTES, n = (u64)count * SECTOR_BYTES;
    if (m->readonly) return EROFS;
    int error = write_all(i->fd, offset, from, n);
    if (!error && offset + n > i->bytes) i->bytes = offset + n;
    return error;
}

static int file_flush(Medium *m)
{
    const Image *i = (Image *)m;
    return m->readonly || !fdatasync(i->fd) ? 0 : errno;
}

static bool is_overwritten(const Image *i, u64 sector)
{
    return i->overwritten[sector / 64] >> sector % 64 & 1;
}

static int snapshot_read(Medium *m, u64 sector, void *to, u32 count)
{
    const Image *i = (Image *)m;
    int error = 0;
    for (u32 done = 0, n; done < count && !error; done += n) {
        u64 at = sector + done;
        bool ours = is_overwritten(i, at);
        u8 *place = (u8 *)to + (u64)done * SECTOR_BYTES;
        for (n = 1; n < count - done && is_overwritten(i, at + n) == ours; n++) {
        }
        error = ours ? read_all(i->overlay, at * SECTOR_BYTES, place, (u64)n * SECTOR_BYTES)
                     : file_read(m, at, place, n);
    }
    return error;
}

static int snapshot_write(Medium *m, u64 sector, const void *from, u32 count)
{
    Image *i = (Image *)m;
    if (m->readonly) return EROFS;
    int error = write_all(i->overlay, sector * SECTOR_BYTES, from, (u64)count * SECTOR_BYTES);
    if (error) return error;
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

/* The size in *bytes, or what is wrong with the file. */
static const char *size_of(int fd, u64 *bytes)
{
    struct stat s;
    if (fstat(fd, &s) < 0) return strerror(errno);
    if (S_ISDIR(s.st_mode)) return "is a folder";
    if (!S_ISREG(s.st_mode) && !S_ISBLK(s.st_mode)) return "is neither a file nor a block device";
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0) return strerror(errno);
    if (!end) return S_ISBLK(s.st_mode) ? "has no medium in it" : "is empty";
    *bytes = (u64)end;
    return NULL;
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

static bool image_open_file(Image *i, const MediaSpec *s, Problem *p)
{
    bool writes = !s->readonly && !s->snapshot;
    i->fd = open(s->path, (writes ? O_RDWR : O_RDONLY) | (s->sync ? O_DSYNC : 0) | O_CLOEXEC | O_NONBLOCK);
    if (i->fd < 0) return wrong(s, p, why_not_opened(errno, s));
    const char *what = size_of(i->fd, &i->bytes);
    if (what) return wrong(s, p, what);
    const char *lock = locks_take(i->fd, writes);
    if (lock) {
        char text[100];
        snprintf(text, sizeof text, "Failed to get %s\"%s\" lock; is another process using it?",
                 writes ? "" : "shared ", lock);
        return wrong(s, p, text);
    }
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
    i->medium = (Medium){.readonly = s->readonly,
                         .name = i->name,
                         .read = file_read,
                         .write = file_write,
                         .flush = file_flush};
    changes++;
    if (image_open_file(i, s, p)) return &i->medium;
    media_close(&i->medium);
    return NULL;
}

void media_close(Medium *m)
{
    Image *i = (Image *)m;
    if (!m) return;
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
    Image *old = (Image *)d->medium;
    if (old) locks_drop(old->fd); /* it may be the same file, and goes anyway */
    Medium *m = media_open(&s, p);
    if (!m && old) locks_take(old->fd, !old->medium.readonly && old->overlay < 0);
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
