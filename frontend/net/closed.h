/* closed.h - libslirp's connections that are over, ended before libslirp does it. See closed.c. */
#ifndef RING3_NET_CLOSED_H
#define RING3_NET_CLOSED_H

#include <slirp/libslirp.h>

#include "cpu/base/base.h"

/* closed_look - a frame of either side: many new connections make closed_reap() look. */
void closed_look(const u8 *frame, u32 n);
void closed_reap(Slirp *slirp, s64 now_ms);

/* --- for tests --- */
enum { CLOSED_RESET_BYTES = 14 + 20 + 20 };
typedef struct ClosedConnection {
    u8 guest[4], peer[4];
    u16 guest_port, peer_port;
} ClosedConnection;
/* A line of libslirp's list of connections; false: not one that is over, or it has bytes still. */
bool closed_parse(const char *line, ClosedConnection *c);
void closed_reset(u8 frame[CLOSED_RESET_BYTES], const ClosedConnection *c, u32 sequence);

#endif
