/* fragments.h - the guest's IPv4 fragments are put together here, so that libslirp sees whole packets. See fragments.c. */
#ifndef RING3_NET_FRAGMENTS_H
#define RING3_NET_FRAGMENTS_H

#include "hw/net.h"

/* fragments_take - a guest's frame. Returns the frame to pass on, *n its bytes (as many as 14 + 65535): the same one if it is no
 * fragment, the whole packet if it is the last of one; NULL: wait for more, or it is nothing. Holds until the next call. */
const u8 *fragments_take(const u8 *frame, u32 *n);

#endif
