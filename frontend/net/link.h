/* link.h - the cable to the machine. See link.c. */
#ifndef RING3_NET_LINK_H
#define RING3_NET_LINK_H

#include "frontend/net/backend.h"
#include "frontend/net_protocol.h"

/* link_begin - wait for the hello. False: it is none, or the machine is gone. *device: tap's, or -1. */
bool link_begin(int *device);
void link_answer(u32 kind, u32 number, const char *text);

/* link_deliver - a frame for the guest. What the ring has no room for waits here, within bounds; beyond them it is lost. */
void link_deliver(const u8 *frame, u32 n);
/* Frames wait: the world should not be read from. */
bool link_is_backed_up(void);

/* link_take - the guest's frames that are there now, to `send`; then what waits goes into the ring. */
void link_take(const Backend *b);
/* link_sleep - before waiting for link_wait()'s descriptors: false: there is work, do not wait. */
bool link_sleep(void);
void link_wait(Polls *p);
/* link_wake - after it: what the machine asked is answered. False: it is gone, or nobody to talk to. */
bool link_wake(const Polls *p, const Backend *b);

#endif
