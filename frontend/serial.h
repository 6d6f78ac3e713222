/* serial.h - what the guest's serial ports lead to. See serial.c. */
#ifndef RING3_SERIAL_H
#define RING3_SERIAL_H

#include "frontend/host/channel.h"

/* serial_open - the backend of port n, 0 or 1, with this channel at its far end. NULL, as the channel: nothing is plugged
 * in. */
Chardev *serial_open(u32 n, Channel *c);
/* serial_service - in the service hook: what has come goes to the ports, by the inbox. */
void serial_service(void);
/* serial_arrive - for inbox.c: bytes have come to port n, at most as many as there is room for. */
void serial_arrive(u32 n, const u8 *bytes, u32 count);

#endif
