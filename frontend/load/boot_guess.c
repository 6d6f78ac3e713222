/* boot_guess.c - see boot_guess.h.
 * A kernel is no image: -kernel starts it.
 */
#include "frontend/load/boot_guess.h"

#include "frontend/load/image_kind.h"
#include "frontend/say.h"

/* What cannot be opened is taken for a disk, whose opening says why. */
OptionsResult boot_guess(Options *o, const char *path)
{
    static const struct {
        DriveId drive;
        const char *option;
    } places[] = {[IMAGE_OTHER] = {DRIVE_IDE_0, "-hda"},  [IMAGE_FOLDER] = {DRIVE_IDE_0, "-hda"},
                  [IMAGE_KERNEL] = {DRIVE_IDE_0, "-hda"}, [IMAGE_DISK] = {DRIVE_IDE_0, "-hda"},
                  [IMAGE_CD] = {DRIVE_IDE_2, "-cdrom"},   [IMAGE_FLOPPY] = {DRIVE_FLOPPY_A, "-fda"}};
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
