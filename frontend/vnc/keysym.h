/* keysym.h - X's names of keys, which viewers send, and the keys of the guest. See keysym.c. */
#ifndef RING3_KEYSYM_H
#define RING3_KEYSYM_H

#include "frontend/keyboard/typing.h"

/* keysym_stroke - the key (hw/keys.h) for a keysym, with WITH_SHIFT and WITH_ALTGR as the layout has the character. False: the
 * keyboard has none. Keys without a character, and the numeric pad, are with nothing: what is held then stays. */
bool keysym_stroke(const Layout *layout, u32 keysym, Keystroke *to, bool *is_character);

/* keysym_from_scancode - of QEMU's extended key event: set 1 with bit 7 for E0, but for PrintScreen. 0: none. */
u8 keysym_from_scancode(u32 code);

#endif
