/* host_file.c - see host_file.h.
 *
 * Reads and writes are pread and pwrite between the host's page cache and guest memory: a write that has returned
 * survives the end of ring3, also by SIGKILL; a flush (fdatasync) makes it survive the end of the host. A file that
 * somebody shortens meanwhile gives EIO.
 *
 * A flush that failed is final: Linux then counts the pages as written, and a second fdatasync would succeed without
 * having written them.
 *
 * Locks: open file description locks on the bytes that QEMU uses, so that neither program opens an image for
 * writing that the other has open. Byte 100 + n is held by who uses permission n, byte 200 + n by who does not
 * want others to; the permissions that matter here are reading (0), writing (1) and resizing (3). On a file system
 * without such locks there is no protection from others.
 */
#define _GNU_SOURCE
#include "frontend/image/host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/bytes.h"
#include "frontend/host/files.h"

/* No file is longer; sums of two such numbers do not wrap. */
static const u64 LONGEST = 1ull << 62;

static bool is_possible(u64 offset, u64 n) { return offset <= LONGEST && n <= LONGEST - offset; }

/* --- opening --------------------------------------------------------------------------------------------- */

static const char *why_not_opened(int error, const HostFileSpec *s)
{
    if (error == EISDIR) return "is a folder";
    if (s->writable && (error == EACCES || error == EPERM || error == EROFS) && file_may(FILE_READ, s->path))
        return "may be read but not written; readonly=on or snapshot=on would do";
    return file_problem();
}

/* NULL, or what is wrong with it. */
static const char *examine(HostFile *f)
{
    struct stat s;
    if (fstat(f->fd, &s) < 0) return strerror(errno);
    if (S_ISDIR(s.st_mode)) return "is a folder";
    if (!S_ISREG(s.st_mode) && !S_ISBLK(s.st_mode)) return "is neither a file nor a block device";
    off_t end = lseek(f->fd, 0, SEEK_END);
    if (end < 0) return strerror(errno);
    f->bytes = (u64)end;
    f->device = S_ISBLK(s.st_mode);
    f->filesystem = f->device ? s.st_rdev : s.st_dev;
    f->inode = f->device ? 0 : s.st_ino;
    return NULL;
}

static FileUse use_of(const HostFileSpec *s)
{
    if (s->create) return FILE_CREATE;
    return !s->writable ? FILE_READ : s->sync ? FILE_SYNC : FILE_WRITE;
}

bool host_file_open(HostFile *f, const HostFileSpec *s, Problem *p)
{
    *f = (HostFile){.writable = s->writable || s->create};
    f->fd = file_open(use_of(s), s->path);
    if (f->fd < 0) return problem_set(p, "%s", why_not_opened(errno, s));
    const char *what = examine(f);
    if (!what) return true;
    host_file_close(f);
    return problem_set(p, "%s", what);
}

void host_file_close(HostFile *f)
{
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
}

bool host_file_same(const HostFile *a, const HostFile *b)
{
    return a->filesystem == b->filesystem && a->inode == b->inode;
}

/* --- bytes ----------------------------------------------------------------------------------------------- */

int host_file_read(const HostFile *f, u64 offset, void *to, u64 n)
{
    if (!is_possible(offset, n)) return EIO;
    u64 there = offset >= f->bytes ? 0 : f->bytes - offset;
    if (there < n) memset((u8 *)to + there, 0, n - there);
    return bytes_read(f->fd, offset, to, there < n ? there : n);
}

int host_file_write(HostFile *f, u64 offset, const void *from, u64 n)
{
    if (!f->writable) return EROFS;
    if (!is_possible(offset, n)) return EFBIG;
    if (!n) return 0;
    int error = bytes_write(f->fd, offset, from, n);
    off_t end = error ? lseek(f->fd, 0, SEEK_END) : (off_t)(offset + n); /* some of it may be there */
    if (end >= 0 && (u64)end > f->bytes) f->bytes = (u64)end;
    return error;
}

int host_file_flush(HostFile *f)
{
    if (!f->writable) return 0;
    if (!f->flush_failed && fdatasync(f->fd)) f->flush_failed = errno;
    return f->flush_failed;
}

int host_file_resize(HostFile *f, u64 bytes)
{
    if (!f->writable) return EROFS;
    if (bytes > LONGEST) return EFBIG;
    if (f->device) return bytes <= f->bytes ? 0 : ENOSPC;
    if (ftruncate(f->fd, (off_t)bytes)) return errno;
    f->bytes = bytes;
    return 0;
}

static int write_zeros(HostFile *f, u64 offset, u64 n)
{
    static const u8 zeros[1 << 16];
    int error = 0;
    for (u64 part; n && !error; offset += part, n -= part) {
        part = n < sizeof zeros ? n : sizeof zeros;
        error = host_file_write(f, offset, zeros, part);
    }
    return error;
}

/* 0, an errno, or EOPNOTSUPP: nothing has happened. */
static int punch(const HostFile *f, u64 offset, u64 n)
{
    if (!f->writable) return EROFS;
    if (offset >= f->bytes || !n) return 0;
    if (n > f->bytes - offset) n = f->bytes - offset;
    return fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n) ? errno : 0;
}

int host_file_punch(HostFile *f, u64 offset, u64 n)
{
    int error = punch(f, offset, n);
    if (!error || error == EROFS) return error;
    return write_zeros(f, offset, n < f->bytes - offset ? n : f->bytes - offset);
}

int host_file_forget(const HostFile *f, u64 offset, u64 n)
{
    int error = punch(f, offset, n);
    return error == EOPNOTSUPP || error == ENOSYS || error == ENODEV ? 0 : error;
}

/* --- locks ----------------------------------------------------------------------------------------------- */

enum { LOCK_USED = 100, LOCK_REFUSED = 200 };
enum { PERM_READ = 1, PERM_WRITE = 2, PERM_RESIZE = 8, PERMS = 4 };

static bool lock_byte(int fd, int command, short type, off_t byte, struct flock *l)
{
    *l = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, command, l) == 0;
}

const char *host_file_lock(const HostFile *f)
{
    static const char *const word[PERMS] = {"consistent read", "write", "write unchanged", "resize"};
    unsigned used = PERM_READ | (f->writable ? PERM_WRITE : 0), refused = PERM_WRITE | PERM_RESIZE;
    struct flock l;
    for (int n = 0; n < PERMS; n++) {
        if (used >> n & 1) lock_byte(f->fd, F_OFD_SETLK, F_RDLCK, LOCK_USED + n, &l);
        if (refused >> n & 1) lock_byte(f->fd, F_OFD_SETLK, F_RDLCK, LOCK_REFUSED + n, &l);
    }
    for (int n = 0; n < PERMS; n++) {
        bool clash = (used >> n & 1 && lock_byte(f->fd, F_OFD_GETLK, F_WRLCK, LOCK_REFUSED + n, &l) &&
                      l.l_type != F_UNLCK) ||
                     (refused >> n & 1 && lock_byte(f->fd, F_OFD_GETLK, F_WRLCK, LOCK_USED + n, &l) &&
                      l.l_type != F_UNLCK);
        if (clash) return word[n];
    }
    return NULL;
}

void host_file_unlock(const HostFile *f)
{
    struct flock l = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = LOCK_USED, .l_len = LOCK_REFUSED};
    fcntl(f->fd, F_OFD_SETLK, &l);
}
