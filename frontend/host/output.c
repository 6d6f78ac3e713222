/* output.c - see output.h.
 *
 * A file is emptied only when it is known not to be the image of a drive, ours or that of another ring3 or QEMU: those
 * hold locks on bytes 100 to 203 (media.c), and each open descriptor's locks are seen by all others.
 */
#define _GNU_SOURCE
#include "frontend/host/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/files.h"

static bool is_image(int fd)
{
    enum { LOCKS_FIRST = 100, LOCKS = 104 };
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCKS_FIRST, .l_len = LOCKS};
    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* What is wrong with the file that is open; NULL: nothing. */
static const char *make_empty(int fd)
{
    struct stat s;
    if (fstat(fd, &s) < 0) return strerror(errno);
    if ((S_ISREG(s.st_mode) || S_ISBLK(s.st_mode)) && is_image(fd)) return "it is the image of a drive";
    return S_ISREG(s.st_mode) && ftruncate(fd, 0) < 0 ? strerror(errno) : NULL;
}

int output_open(const char *path, const char **why)
{
    int fd = file_open(FILE_REPLACE, path);
    *why = fd < 0 ? file_problem() : make_empty(fd);
    if (!*why) return fd;
    if (fd >= 0) close(fd);
    return -1;
}
