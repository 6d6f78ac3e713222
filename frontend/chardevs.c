/* chardevs.c - the guest's bytes to standard output or a file, and standard input's to the guest.
 *
 * Written at once, one system call for what the device hands over: nothing is lost when ring3 ends, and the person
 * sees each key's echo. Only system calls here, since the guest's FPU state may be live (cpu/base.h). A reader that
 * is gone (EPIPE) or a full disk must not end the guest: the bytes are dropped.
 */
#include "frontend/chardevs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/hostio.h"

typedef struct FdChardev {
    Chardev dev;
    int fd;
} FdChardev;

static void fd_write(Chardev *d, const u8 *bytes, u32 count)
{
    FdChardev *f = (FdChardev *)d;
    while (count) {
        ssize_t n = write(f->fd, bytes, count);
        if (n < 0 && errno == EAGAIN) { /* somebody else made the pipe non-blocking */
            poll(&(struct pollfd){.fd = f->fd, .events = POLLOUT}, 1, 100);
            if (hostio_stop_wanted()) return;
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        bytes += n;
        count -= (u32)n;
    }
}

static u32 stdin_read(Chardev *d, u8 *bytes, u32 space)
{
    (void)d;
    return hostio_read(bytes, space);
}

static Chardev *fd_new(int fd, bool reads_stdin)
{
    FdChardev *f = calloc(1, sizeof *f);
    CHECK(f, "no memory");
    f->fd = fd;
    f->dev.write = fd_write;
    if (reads_stdin) f->dev.read = stdin_read;
    return &f->dev;
}

Chardev *chardev_open(const CharSpec *spec, const char *option, Problem *p)
{
    p->text[0] = 0;
    if (spec->kind == CHAR_NULL) return NULL;
    if (spec->kind == CHAR_STDIO) return fd_new(STDOUT_FILENO, !strcmp(option, "-serial"));
    int fd = open(spec->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd >= 0) return fd_new(fd, false);
    problem_set(p, "%s file:%.200s: %s", option, spec->path, strerror(errno));
    return NULL;
}
