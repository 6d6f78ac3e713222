/* boot_guess.c - see boot_guess.h.
 *
 * A CD is told by its volume descriptor (ECMA-119 8.1: "CD001" in sector 16), a floppy by one of the sizes that floppies
 * have; everything else is a disk. A hybrid image, a CD that is also a disk, is a CD. A kernel is no image: -kernel.
 */
#include "frontend/boot_guess.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/say.h"

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

/* What cannot be opened is taken for a disk, whose opening says why. */
OptionsResult boot_guess(Options *o, const char *path)
{
    static const struct {
        DriveId drive;
        const char *option;
    } places[] = {[IMAGE_OTHER] = {DRIVE_IDE_0, "-hda"},
                  [IMAGE_KERNEL] = {DRIVE_IDE_0, "-hda"},
                  [IMAGE_DISK] = {DRIVE_IDE_0, "-hda"},
                  [IMAGE_CD] = {DRIVE_IDE_2, "-cdrom"},
                  [IMAGE_FLOPPY] = {DRIVE_FLOPPY_A, "-fda"}};
    Problem p;
    ImageKind kind = image_kind(path);
    if (!*path) return OPTIONS_RUN; /* an empty argument of a script */
    if (kind == IMAGE_KERNEL) {
        say("'%.200s' is a kernel: -kernel starts it", path);
        return OPTIONS_BAD;
    }
    if (drive_option_bay(&o->drives, places[kind].drive, kind == IMAGE_CD, places[kind].option, path, &p))
        return OPTIONS_RUN;
    say("%s", p.text);
    return OPTIONS_BAD;
}
