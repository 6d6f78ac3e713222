/* block_pane.h - the text beside the screen, in the window: what runs now, and the counters that move. See block_pane.c.
 */
#ifndef RING3_BLOCK_PANE_H
#define RING3_BLOCK_PANE_H

#include "frontend/display/window_protocol.h"
#include "frontend/pc.h"

/* block_pane_write - on the vCPU thread, in the service hook; not more often than some times a second, whoever asks.
 * False: it is too soon. */
bool block_pane_write(const Pc *pc, WindowShared *to);

#endif
