/* block_view.h - the pane beside the screen (Ctrl-Alt-B): the running block, and counters that move. See block_view.c. */
#ifndef RING3_BLOCK_VIEW_H
#define RING3_BLOCK_VIEW_H

#include "frontend/window/overlay.h"
#include "frontend/window/session.h"

void block_view_toggle(void);
/* How much of a window's width it takes; 0: it is not shown. */
u32 block_view_width(void);
/* Ask the machine for news when it is time; returns when to come again (host ns; UINT64_MAX: not by itself). */
u64 block_view_follow(Session *s, u64 now_ns);
/* True once after the text has changed. */
bool block_view_changed(const Session *s);
void block_view_draw(const Session *s, const Canvas *c);

#endif
