/* display_media.h - the drives in the window: what is in them, and what the person wants in them. See display_media.c. All
 * on the vCPU thread. */
#ifndef RING3_DISPLAY_MEDIA_H
#define RING3_DISPLAY_MEDIA_H

#include "frontend/display/window_protocol.h"
#include "hw/machine.h"

/* Before the machine runs: with `snapshot`, media that are put in later are written to temporary files, too. */
void display_media_begin(bool snapshot);
/* A WINDOW_PATH, WINDOW_CHANGE or WINDOW_EJECT, from a window that is not believed. */
void display_media_act(Machine *m, WindowShared *shared, const WindowMessage *w);
/* News for the window: `what`, if it is not empty, and a text. The window is to look. */
void display_media_say(WindowShared *shared, const char *what, const char *text);
/* Show the drives as they are now. True: something changed, and the window should look. */
bool display_media_show(Machine *m, WindowShared *shared);

#endif
