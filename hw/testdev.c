/* testdev.c - pc-testdev, as test kernels know it from QEMU. Not a real chip.
 *
 * Ports: E0h-E3h four bytes that read as they were written, E8h-EBh the same for bytes only (wider accesses are
 * split), E4h-E7h a page address whose mapping in the host is to be dropped, 2000h-2017h interrupt lines 0-23 (0
 * lowers, else raises). Memory: FF000000h, 64 KiB that keep what was written, by accesses to a device.
 *
 * Quirk: a write to E4h does nothing here, since no mapping of the host's is visible to the guest.
 */
#include "hw/testdev.h"

enum { PORT_DATA = 0xe0, PORT_FLUSH = 0xe4, PORT_BYTES = 0xe8, PORT_IRQS = 0x2000, IRQS = 24 };

static u32 little_endian(const u8 *p, unsigned bytes)
{
    return bytes == 4 ? load32(p) : bytes == 2 ? load16(p) : *p;
}

static void put(u8 *p, u32 v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) p[i] = (u8)(v >> 8 * i);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u32 data_read(void *dev, u32 offset, unsigned bytes)
{
    return little_endian(((Testdev *)dev)->port_data + offset, bytes);
}

static u32 memory_read(void *dev, u32 offset, unsigned bytes)
{
    return little_endian(((Testdev *)dev)->memory + offset, bytes);
}

static u32 nothing_read(void *dev, u32 offset, unsigned bytes)
{
    (void)dev, (void)offset, (void)bytes;
    return 0;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void data_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    put(((Testdev *)dev)->port_data + offset, value, bytes);
}

static void memory_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    put(((Testdev *)dev)->memory + offset, value, bytes);
}

static void flush_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)dev, (void)offset, (void)value, (void)bytes;
}

static void irq_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Testdev *t = dev;
    (void)bytes;
    t->irq.set(t->irq.ctx, (int)offset, value != 0);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void testdev_reset(void *dev)
{
    Testdev *t = dev;
    memset(t->port_data, 0, sizeof t->port_data);
    memset(t->memory, 0, sizeof t->memory);
    for (int n = 0; n < IRQS; n++) t->irq.set(t->irq.ctx, n, false);
}

static void testdev_state(void *dev, State *s)
{
    Testdev *t = dev;
    state_bytes(s, "port_data", t->port_data, sizeof t->port_data);
    state_bytes(s, "memory", t->memory, sizeof t->memory);
}

const PartKind testdev_part = {.version = 1, .reset = testdev_reset, .state = testdev_state};

static const IoOps data_ops = {data_read, data_write, 1, 4};
static const IoOps byte_ops = {data_read, data_write, 1, 1};
static const IoOps flush_ops = {nothing_read, flush_write, 1, 4};
static const IoOps irq_ops = {nothing_read, irq_write, 1, 1};
static const IoOps memory_ops = {memory_read, memory_write, 1, 4};

void testdev_init(Testdev *t, Bus *bus, IrqLine irq)
{
    *t = (Testdev){.irq = irq};
    bus_add_ports(bus, PORT_DATA, 4, &data_ops, t, "testdev");
    bus_add_ports(bus, PORT_FLUSH, 4, &flush_ops, t, "testdev-flush");
    bus_add_ports(bus, PORT_BYTES, 4, &byte_ops, t, "testdev-bytes");
    bus_add_ports(bus, PORT_IRQS, IRQS, &irq_ops, t, "testdev-irqs");
    bus_add_mmio(bus, (u32)TESTDEV_MEMORY_PA, TESTDEV_MEMORY_BYTES, &memory_ops, t, "testdev-memory");
}
