/* wire.h - frames over a stream socket, in QEMU's framing: a 32-bit length, big-endian, then the frame. See wire.c. */
#ifndef RING3_NET_WIRE_H
#define RING3_NET_WIRE_H

#include "hw/net.h"

enum { WIRE_IN = 64 << 10, WIRE_OUT = 256 << 10 };

typedef struct Wire {
    int fd; /* -1: nobody is there */
    u32 in_bytes, out_bytes;
    u8 in[WIRE_IN], out[WIRE_OUT];
} Wire;

typedef void WireFrame(void *ctx, const u8 *frame, u32 n);

void wire_open(Wire *w, int fd);
void wire_close(Wire *w);
/* wire_send - a frame that there is no room for is lost. */
void wire_send(Wire *w, const u8 *frame, u32 n);
/* wire_serve - after poll(): read frames, and write what waits. False: the other side is gone, or sends no frames; it is
 * closed. Frames of an impossible length that a peer may mean (over NET_FRAME_MOST, up to 64 KiB) are skipped. */
bool wire_serve(Wire *w, short revents, WireFrame *got, void *ctx);
short wire_events(const Wire *w); /* for poll() */

#endif
