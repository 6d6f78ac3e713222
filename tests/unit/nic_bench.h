/* nic_bench.h - a network card in slot 3 of a PCI bus with RAM, and a world at its other end that keeps what it gets. */
#ifndef NIC_BENCH_H
#define NIC_BENCH_H

#include "hw_bench.h"

#include "hw/net.h"
#include "hw/pci.h"
#include "mmu/phys.h"

enum { NIC_IO = 0xc100, NIC_PA = 0xfeb00000, NIC_RAM = 4 << 20 };

static Pci pci;
static Phys *phys;
static Wire intx;
static NetPort *port;
static const u8 my_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, other_mac[6] = {2, 0, 0, 0, 0, 9};

static struct {
    u8 frame[NET_FRAME_MOST];
    u32 bytes, frames, readies;
    void (*on_frame)(void); /* called inside send(), as a world that answers at once */
} world;

static inline void world_send(NetPort *p, const u8 *frame, u32 n)
{
    assert_ptr_equal(p, port);
    assert_in_range(n, NET_FRAME_MIN, NET_FRAME_MOST);
    memcpy(world.frame, frame, n);
    world.bytes = n;
    world.frames++;
    if (world.on_frame) world.on_frame();
}

static inline void world_ready(NetPort *p)
{
    assert_ptr_equal(p, port);
    world.readies++;
}

static inline void world_plug(NetPort *p)
{
    memset(&world, 0, sizeof world);
    port = p;
    port->send = world_send;
    port->ready = world_ready;
}

static inline void nic_bench_up(void)
{
    bench_up();
    memset(&intx, 0, sizeof intx);
    phys = phys_new(bus, NIC_RAM);
    assert_non_null(phys);
    pci_init(&pci, bus);
}

static inline int nic_bench_down(void **state)
{
    phys_free(phys);
    return bench_down(state);
}

static inline u32 config(u32 reg, unsigned bytes)
{
    bus_port_out(bus, 0xcf8, 0x80001800 | (reg & 0xfc), 4);
    return bus_port_in(bus, (u16)(0xcfc + (reg & 3)), bytes);
}

static inline void config_set(u32 reg, u32 v, unsigned bytes)
{
    bus_port_out(bus, 0xcf8, 0x80001800 | (reg & 0xfc), 4);
    bus_port_out(bus, (u16)(0xcfc + (reg & 3)), v, bytes);
}

static inline void nic_decode(void)
{
    config_set(PCI_BAR0, NIC_IO, 4);
    config_set(PCI_BAR0 + 4, NIC_PA, 4);
    config_set(PCI_COMMAND, 7, 2);
}

static inline void poke32(u32 pa, u32 v) { phys_write(phys, pa, v, 4); }
static inline u32 peek32(u32 pa) { return phys_read(phys, pa, 4); }
static inline u32 peek16(u32 pa) { return phys_read(phys, pa, 2); }

/* A frame of n bytes to `to` from other_mac, whose bytes follow from their places. */
static inline const u8 *frame_to(const u8 *to, u32 n)
{
    static u8 frame[8192];
    for (u32 i = 0; i < n; i++) frame[i] = (u8)(i * 7 + (i >> 8));
    memcpy(frame, to, 6);
    memcpy(frame + 6, other_mac, 6);
    store16(frame + 12, 0x0008);
    return frame;
}

static inline bool offer(const u8 *to, u32 n) { return port->receive(port->dev, frame_to(to, n), n); }

/* A frame waits for a driver that acknowledges and does not read: it is not lost, and the driver is reminded ever less. */
static inline void assert_world_waits(const u8 *to, u32 bytes, void (*acknowledge)(void))
{
    unsigned before = intx.rises;
    assert_false(offer(to, bytes));
    for (u32 n = 0; n < 2000; n++) {
        acknowledge();
        clock_advance(&clk, MS);
    }
    assert_int_equal(world.readies, 0);
    assert_false(offer(to, bytes));
    assert_in_range(intx.rises - before, 3, 20);
}

static inline void assert_ram(u32 pa, const u8 *bytes, u32 n)
{
    for (u32 i = 0; i < n; i++) assert_int_equal(phys_read(phys, pa + i, 1), bytes[i]);
}

#define NIC_TEST(f) cmocka_unit_test_setup_teardown(f, setup, nic_bench_down)

#endif
