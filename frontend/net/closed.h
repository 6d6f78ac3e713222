/* closed.h - libslirp's connections that are over, ended before libslirp does it. See closed.c. */
#ifndef RING3_NET_CLOSED_H
#define RING3_NET_CLOSED_H

#include <slirp/libslirp.h>

#include "cpu/base/base.h"

enum { CLOSED_RESET_MOST = 14 + 40 + 20 };

/* closed_look - a frame of n bytes that the guest has sent, before libslirp gets it, or one that libslirp sends it. */
void closed_look(const u8 *frame, u32 n, bool by_guest);

/* closed_reap - resets for the connections that are over, if there are many or some time has passed. */
void closed_reap(Slirp *slirp, s64 now_ms);

/* closed_resets - the same at once, for tests: reset() takes each one's frame. Connections of which `list`, which is
 * slirp_connection_info()'s, says that bytes wait stay for the next time. */
void closed_resets(const char *list, void (*reset)(const u8 *frame, u32 n, void *ctx), void *ctx);

#endif
