/* typing.h - text becomes keystrokes: which keys a person would press for a character on a given keyboard. */
#ifndef RING3_TYPING_H
#define RING3_TYPING_H

#include "cpu/base/base.h"

enum { WITH_SHIFT = 1, WITH_CTRL = 2, WITH_ALT = 4, WITH_ALTGR = 8 };
typedef struct Keystroke {
    u8 key;  /* hw/keys.h */
    u8 with; /* WITH_ bits: held meanwhile */
} Keystroke;

typedef struct Layout Layout;
const Layout *layout_find(const char *name); /* NULL: no such layout; NULL as a name: the default, en-us */
const char *layout_name(unsigned n);         /* NULL: no more */

enum { STROKES_MAX = 2 }; /* a dead key, and its letter */
/* The keystrokes for a Unicode character; 0: the keyboard has none. Control characters are Ctrl and a letter, but for
 * tab, newline, backspace and escape, which have keys. */
unsigned layout_strokes(const Layout *l, u32 character, Keystroke to[STROKES_MAX]);

/* A keystroke as presses and releases in their order: at most 10. */
typedef struct KeyEdge {
    u8 key;
    bool down;
} KeyEdge;
enum { STROKE_EDGES = 10 };
unsigned keystroke_edges(Keystroke s, KeyEdge to[STROKE_EDGES]);

#endif
