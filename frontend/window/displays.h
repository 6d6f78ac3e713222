/* displays.h - the kinds of display that the window's program has. */
#ifndef RING3_DISPLAYS_H
#define RING3_DISPLAYS_H

#include "frontend/window/session.h"

/* Open the display; false: it cannot be, and *why says so. Then run it until the machine has gone. */
bool sdl_open(Session *s, char *why, u32 bytes);
void sdl_run(Session *s);
bool curses_open(Session *s, char *why, u32 bytes);
void curses_run(Session *s);
void curses_restore(void); /* the terminal as it was; harmless if it was never changed */

#endif
