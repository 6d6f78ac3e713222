/* telnet.h - the Telnet protocol between a port and its client: RFC 854, 855, and the options of RFC 856 to 858. See
 * telnet.c. */
#ifndef RING3_TELNET_H
#define RING3_TELNET_H

#include "cpu/base/base.h"

typedef struct Telnet {
    u8 state, verb;
    bool binary;    /* the client agreed to send all eight bits, and no NUL or LF behind a CR */
    bool behind_cr; /* the last byte was a CR */
} Telnet;

enum { TELNET_GREETING = 12, TELNET_ANSWER = 3 };

/* What is sent to a new client: we echo, both ways go without "go ahead", in binary. */
void telnet_begin(Telnet *t, u8 greeting[TELNET_GREETING]);
/* Take a byte of the client's. True: *byte is data. *answers: bytes of `answer` that are to be sent back, 0 or 3. */
bool telnet_take(Telnet *t, u8 *byte, u8 answer[TELNET_ANSWER], unsigned *answers);
/* Data as it is sent: IAC is doubled. Returns how many bytes of `from` were taken, and in *made how many of `to` (room for
 * `room`) were made. */
u32 telnet_put(const u8 *from, u32 n, u8 *to, u32 room, u32 *made);

#endif
