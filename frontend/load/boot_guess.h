/* boot_guess.h - `ring3 disk.img`, `ring3 cd.iso`: which drive an image without an option is for. See boot_guess.c. */
#ifndef RING3_BOOT_GUESS_H
#define RING3_BOOT_GUESS_H

#include "frontend/options/options.h"

OptionsResult boot_guess(Options *o, const char *path);

#endif
