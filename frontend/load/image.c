/* image.c - see image.h. The file stays open, since a reset loads it again; reading goes straight into guest RAM, so
 * that no second copy takes memory and a file that shrinks meanwhile is an error, not a SIGBUS.
 */
#include "frontend/load/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool wrong(const Image *i, Problem *p, const char *what)
{
    return problem_set(p, "%s %.200s: %s", i->option, i->path, what);
}

bool image_open(Image *i, const char *option, const char *path, Problem *p)
{
    struct stat s;
    *i = (Image){.path = path, .option = option};
    i->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block */
    if (i->fd < 0) return wrong(i, p, strerror(errno));
    const char *what = NULL;
    if (fstat(i->fd, &s) < 0)
        what = strerror(errno);
    else if (S_ISDIR(s.st_mode))
        what = "is a folder";
    else if (!S_ISREG(s.st_mode))
        what = "is not a regular file";
    else if (!s.st_size)
        what = "is empty";
    else if (s.st_size > INT32_MAX)
        what = "is larger than 2 GiB";
    if (what) {
        image_close(i);
        return wrong(i, p, what);
    }
    i->bytes = (u32)s.st_size;
    return true;
}

void image_close(Image *i)
{
    if (i->fd >= 0) close(i->fd);
    i->fd = -1;
}

bool image_read(const Image *i, u32 offset, void *to, u32 n, Problem *p)
{
    u8 *at = to;
    while (n) {
        ssize_t got = pread(i->fd, at, n, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return wrong(i, p, strerror(errno));
        if (!got) return wrong(i, p, "is truncated");
        at += got, offset += (u32)got, n -= (u32)got;
    }
    return true;
}

bool image_load(const Image *i, u32 offset, Phys *phys, u32 pa, u32 n, Problem *p)
{
    CHECK((u64)pa + n <= phys->ram_bytes, "%s does not fit at %x", i->path, pa);
    bool ok = image_read(i, offset, phys->ram + pa, n, p);
    phys_written(phys, pa, n);
    return ok;
}
