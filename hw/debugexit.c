/* debugexit.c - isa-debug-exit, as test kernels know it from QEMU. Not a real chip.
 *
 * Ports: iobase .. iobase+iosize-1. A write of 8, 16 or 32 bits ends the emulator; a read gives 0. An access that
 * is wider than iosize is split by the bus, so that its lowest part counts.
 */
#include "hw/debugexit.h"

static u32 debugexit_read(void *dev, u32 offset, unsigned bytes)
{
    (void)dev, (void)offset, (void)bytes;
    return 0;
}

static void debugexit_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Debugexit *d = dev;
    (void)offset, (void)bytes;
    d->exit(d->ctx, value);
}

static const IoOps debugexit_ops = {debugexit_read, debugexit_write, 1, 4};

void debugexit_init(Debugexit *d, Bus *bus, u16 port, u8 bytes, void (*exit)(void *, u32), void *ctx)
{
    u32 count = bytes == 1 || bytes == 2 ? bytes : 4;
    *d = (Debugexit){exit, ctx};
    if (port + count > 0x10000) count = 0x10000u - port;
    bus_add_ports(bus, port, count, &debugexit_ops, d, "isa-debug-exit");
}
