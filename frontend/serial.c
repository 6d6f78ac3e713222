/* serial.c - see serial.h: between a channel (host/channel.c) and a port's chip (hw/uart.c).
 *
 * The chip takes bytes as its guest takes them, in the midst of instructions. So that bytes from outside arrive between
 * two instructions all the same, as all events do (inbox.h), they are delivered in runs, and wait in `line` for the chip:
 * as in a modem. When it has taken all and the channel has more, the next run comes as soon as the instruction is over.
 */
#include "frontend/serial.h"

#include "frontend/host/hostio.h"
#include "frontend/host/ring.h"
#include "frontend/inbox.h"
#include "frontend/options/options.h"

typedef struct SerialPort {
    Chardev dev; /* first: the chip's */
    Channel *channel;
    Ring line;
    bool more; /* the channel may have what did not fit */
} SerialPort;

static SerialPort ports[SERIAL_PORTS];

static void serial_write(Chardev *d, const u8 *bytes, u32 count)
{
    channel_write(((SerialPort *)d)->channel, bytes, count);
}

static u32 serial_read(Chardev *d, u8 *to, u32 space)
{
    SerialPort *p = (SerialPort *)d;
    u32 n = ring_get(&p->line, to, space);
    if (!p->more || ring_used(&p->line)) return n;
    p->more = false;
    hostio_call_service();
    return n;
}

Chardev *serial_open(u32 n, Channel *c)
{
    SerialPort *p = &ports[n];
    if (!c) return NULL;
    p->channel = c;
    p->dev = (Chardev){.write = serial_write, .read = serial_read};
    return &p->dev;
}

static void serve(u32 n)
{
    SerialPort *p = &ports[n];
    u8 bytes[RING_BYTES];
    u32 room = ring_room(&p->line), count = channel_read(p->channel, SIDE_GUEST, bytes, room);
    p->more = count == room;
    if (count) inbox_deliver(&(InboxEvent){.kind = INBOX_SERIAL, .data = {n, count, bytes}});
}

void serial_service(void)
{
    for (u32 n = 0; n < SERIAL_PORTS; n++)
        if (ports[n].channel) serve(n);
}

void serial_arrive(u32 n, const u8 *bytes, u32 count)
{
    SerialPort *p = &ports[n];
    ring_put(&p->line, bytes, count);
    if (p->dev.on_input) p->dev.on_input(p->dev.dev);
}
