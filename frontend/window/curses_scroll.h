/* curses_scroll.h - reading again what the monitor said, in a terminal. See curses_scroll.c. */
#ifndef RING3_CURSES_SCROLL_H
#define RING3_CURSES_SCROLL_H

#include <stdbool.h>

/* scroll_begin - one page back from the end. curses' screen is up. */
void scroll_begin(void);
void scroll_draw(void);
/* scroll_key - what get_wch() gave: its kind, and the key. False: it is over. */
bool scroll_key(int kind, unsigned key);

#endif
