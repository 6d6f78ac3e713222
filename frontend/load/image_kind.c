/* image_kind.c - see image_kind.h.
 *
 * A CD is told by its volume descriptor (ECMA-119 8.1: "CD001" in sector 16), a floppy by one of the sizes that floppies
 * have (hw/floppy_format.c); everything else is a disk. A sheet of a CD's tracks is a CD; other formats of image/ are disks. A hybrid image, a CD that is also a disk, is a CD.
 */
#include "frontend/load/image_kind.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/image/foreign.h"
#include "hw/floppy_format.h"
#include "hw/medium.h"

enum { CD_MARK_AT = 0x8001, LINUX_MARK_AT = 0x202 };

static bool has_mark(int fd, off_t at, const char *mark)
{
    char bytes[8];
    size_t n = strlen(mark);
    return pread(fd, bytes, n, at) == (ssize_t)n && !memcmp(bytes, mark, n);
}

static bool is_floppy_size(s64 bytes)
{
    return bytes % SECTOR_BYTES == 0 && floppy_format_exact((u64)bytes / SECTOR_BYTES);
}

/* A format of image/, which is a CD or a disk whatever the file's size; NULL: none. */
static const char *format_of(int fd)
{
    u8 head[FOREIGN_HEAD];
    ssize_t n = pread(fd, head, sizeof head, 0);
    const ForeignFormat *f = n > 0 ? foreign_find(head, (u32)n, head, 0) : NULL;
    return f ? f->format : NULL;
}

static ImageKind kind_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return IMAGE_OTHER;
    if (S_ISDIR(st.st_mode)) return IMAGE_FOLDER;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) return IMAGE_OTHER;
    const char *format = format_of(fd);
    if (format) return strcmp(format, "cue") ? IMAGE_DISK : IMAGE_CD;
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
