/* debugcon.c - what is written to port E9h appears on the host; a read gives E9h, by which guests find it.
 *
 * Not a real chip: Bochs' "port E9 hack", which firmware and test kernels write to. Port: E9h, or as told (SeaBIOS
 * uses 402h); bytes.
 */
#include "hw/debugcon.h"

enum { ANSWER = 0xe9 };

static u32 debugcon_read(void *dev, u32 offset, unsigned bytes)
{
    (void)dev, (void)offset, (void)bytes;
    return ANSWER;
}

static void debugcon_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Debugcon *d = dev;
    u8 byte = (u8)value;
    (void)offset, (void)bytes;
    chardev_write(d->backend, &byte, 1);
}

static const IoOps debugcon_ops = {debugcon_read, debugcon_write, 1, 1};

void debugcon_init(Debugcon *d, Bus *bus, u16 port, Chardev *backend)
{
    d->backend = backend;
    bus_add_ports(bus, port, 1, &debugcon_ops, d, "debugcon");
}
