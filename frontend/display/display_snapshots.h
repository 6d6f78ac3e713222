/* display_snapshots.h - snapshots in the window: keep one, go back, the list. See display_snapshots.c. On the vCPU thread, in the
 * service hook. */
#ifndef RING3_DISPLAY_SNAPSHOTS_H
#define RING3_DISPLAY_SNAPSHOTS_H

#include "frontend/display/window_protocol.h"
#include "frontend/pc.h"

/* A WINDOW_SNAPSHOT, WINDOW_SNAPSHOTS or WINDOW_DISKS, from a window that is not believed. It is to look afterwards. */
void display_snapshots_act(Pc *pc, WindowShared *shared, const WindowMessage *w);

#endif
