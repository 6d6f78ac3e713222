/* keynames.h - keys by QEMU's names ("ctrl", "f1", "kp_add"), as `sendkey` takes them. See keynames.c. */
#ifndef RING3_KEYNAMES_H
#define RING3_KEYNAMES_H

#include "cpu/base/base.h"

enum { CHORD_KEYS = 16 };
/* keyname_find - the hw/keys.h code of the name in the first n characters, or of a code written as 0x..; 0: none. */
u8 keyname_find(const char *name, size_t n);
const char *keyname_of(u8 key); /* NULL: it has none */
/* keyname_nearest - the name that was probably meant; NULL: none is near. */
const char *keyname_nearest(const char *name);
/* keyname_chord - "ctrl-alt-delete" into keys[CHORD_KEYS]; how many, or 0 and *bad, *bad_length the part that is
 * none. */
unsigned keyname_chord(const char *text, u8 *keys, const char **bad, size_t *bad_length);

#endif
