/* image_kind.c - see image_kind.h.
 *
 * A CD is told by its volume descriptor (ECMA-119 8.1: "CD001" in sector 16), a floppy by one of the sizes that floppies
 * have; everything else is a disk. A hybrid image, a CD that is also a disk, is a CD.
 */
#include "frontend/image_kind.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CD_MARK_AT = 0x8001, LINUX_MARK_AT = 0x202 };

static bool has_mark(int fd, off_t at, const char *mark)
{
    char bytes[8];
    size_t n = strlen(mark);
    return pread(fd, bytes, n, at) == (ssize_t)n && !memcmp(bytes, mark, n);
}

static bool is_floppy_size(s64 bytes)
{
    static const u16 kib[] = {160, 180, 320, 360, 720, 1200, 1440, 1680, 1720, 2880};
    for (unsigned n = 0; n < ARRAY_LEN(kib); n++)
        if (bytes == kib[n] * 1024) return true;
    return false;
}

static ImageKind kind_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))) return IMAGE_OTHER;
    if (has_mark(fd, CD_MARK_AT, "CD001")) return IMAGE_CD;
    if (has_mark(fd, LINUX_MARK_AT, "HdrS") || has_mark(fd, 0, "\177ELF")) return IMAGE_KERNEL;
    return is_floppy_size(st.st_size) ? IMAGE_FLOPPY : IMAGE_DISK;
}

ImageKind image_kind(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return IMAGE_OTHER;
    ImageKind kind = kind_of(fd);
    close(fd);
    return kind;
}
