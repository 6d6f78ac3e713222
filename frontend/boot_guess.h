/* boot_guess.h - `ring3 disk.img`, `ring3 cd.iso`: which drive an image without an option is for. See boot_guess.c. */
#ifndef RING3_BOOT_GUESS_H
#define RING3_BOOT_GUESS_H

#include "frontend/options.h"

/* What an image file looks like; IMAGE_OTHER: nothing that goes into a drive by itself. */
typedef enum ImageKind { IMAGE_OTHER, IMAGE_DISK, IMAGE_CD, IMAGE_FLOPPY, IMAGE_KERNEL } ImageKind;
ImageKind image_kind(const char *path);

OptionsResult boot_guess(Options *o, const char *path);

#endif
