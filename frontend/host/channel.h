/* channel.h - a byte stream between the machine and a person or program outside: terminal, pipe, socket, pty, file.
 *
 * The I/O thread waits for its descriptors (hostio.c); guest chip and monitor use it on the vCPU thread. See channel.c.
 */
#ifndef RING3_CHANNEL_H
#define RING3_CHANNEL_H

#include <poll.h>

#include "frontend/host/charspec.h"
#include "frontend/say.h"
#include "hw/chardev.h"

typedef struct Channel Channel;

/* Whom the bytes are for that come in. With a mux (mon:...) Ctrl-A C switches; else it is always the same. */
typedef enum ChannelSide { SIDE_GUEST, SIDE_MONITOR, CHANNEL_SIDES } ChannelSide;

/* channel_open - what an option named; NULL for CHAR_NULL, or with p->text not empty. `label`: as QEMU calls it
 * ("serial0"). Waits for a client if the spec says so. Lives as long as the process. */
Channel *channel_open(const CharSpec *spec, const char *option, const char *label, ChannelSide side,
                      Problem *p);
/* channel_adopt - a monitor's, with a client that is there already: the other end of a stream socket. */
Channel *channel_adopt(int fd);
Chardev *channel_chardev(Channel *c); /* for a chip that only writes; a serial port's is serial.c's */

/* --- the vCPU thread --- */
/* What has arrived; never blocks. Of SIDE_MONITOR: of the client that channel_meet() told of. */
u32 channel_read(Channel *c, ChannelSide side, u8 *to, u32 n);
bool channel_holds(Channel *c, ChannelSide side,
                   u8 byte); /* is it among what has arrived and was not read? */
/* All n bytes, or as many as a reader takes within a short while: a client that does not read loses them. */
void channel_write(Channel *c, const u8 *bytes, u32 n);
/* From now on no byte is lost in the middle: a client that reads nothing for 5 s is hung up. */
void channel_keep_whole(Channel *c);
/* channel_meet - true: another client is there than at the last call. From now on what the ones before it have sent is not
 * read any more, and channel_answer() is for this one. */
bool channel_meet(Channel *c);
/* channel_answer - channel_write(), but only to the client that channel_meet() told of, not to one that came since. */
void channel_answer(Channel *c, const u8 *bytes, u32 n);
ChannelSide channel_side(const Channel *c); /* who has the keys now */
bool channel_takes(const Channel *c);       /* somebody is there who reads */
bool channel_is_connected(Channel *c);      /* somebody is there, though perhaps behind with reading */
/* The client that channel_meet() told of could read no answer any more, though what it said may not have been read to its end. */
bool channel_has_left(Channel *c);
bool channel_is_stdio(const Channel *c);
/* channel_heard_nonsense - understanding that what the client said was no words took so long (host time), while the guest
 * could have run. A little is forgiven; more than a thirtieth of the time makes the channel rest: it is not read until
 * hearing it has become cheap again, a second at most. */
void channel_heard_nonsense(Channel *c, u64 ns);
bool channel_rests(Channel *c);
/* The client has said all and what it said has been read: take leave once it has the answer. True: so it is. */
bool channel_read_all(Channel *c);
/* The client is to go, without ceremony, and is not read any more; the next may come a quarter of a second later. */
void channel_hang_up(Channel *c);
void channel_close(
    Channel *c); /* the same, and nobody may come any more: for sockets. c is gone for the caller */

/* --- the I/O thread; hostio.c is the only caller --- */
enum { CHANNELS_MAX = 16, CHANNEL_POLLS = 2 };
enum { CHANNEL_INPUT = 1, CHANNEL_QUIT = 2 }; /* the vCPU thread should look; Ctrl-A X */
unsigned channels_count(void);
/* Fill in two entries for channel n; returns after how many ms it wants to be looked at anyway, or -1. */
int channels_prepare(unsigned n, struct pollfd p[CHANNEL_POLLS]);
unsigned channels_ready(unsigned n, const struct pollfd p[CHANNEL_POLLS]);
void channels_take_terminal(void); /* raw, if standard input is one that is read; again after SIGCONT */

#endif
