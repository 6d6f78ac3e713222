/* hw_pcnet.c - the PCnet-PCI II by its datasheet: probing, word and doubleword I/O, initialization blocks, descriptor
 * rings in each software style, the address filter, loopback, interrupts, polling; and rings that lie.
 */
#include "nic_bench.h"

#include "hw/pcnet.h"

enum {
    INIT_PA = 0x1000,
    RX_PA = 0x2000,
    TX_PA = 0x3000,
    RX_BUF = 0x10000,
    TX_BUF = 0x80000,
    BUF_BYTES = 0x800
};
enum { OWN = 0x8000, ERR = 0x4000, STP = 0x0200, ENP = 0x0100, BUFF_RX = 0x0400 }; /* of a status word */

static Pcnet card;
static unsigned style, ring_bits;

static int setup(void **state)
{
    (void)state;
    nic_bench_up();
    pcnet_init(&card, &pci, 3, bus, phys, &clk, wire_line(&intx), my_mac);
    world_plug(&card.port);
    nic_decode();
    return 0;
}

/* --- as a driver does it --------------------------------------------------------------------------------- */

static u16 csr(unsigned n)
{
    bus_port_out(bus, NIC_IO + 0x12, n, 2);
    return (u16)bus_port_in(bus, NIC_IO + 0x10, 2);
}

static void csr_set(unsigned n, u16 v)
{
    bus_port_out(bus, NIC_IO + 0x12, n, 2);
    bus_port_out(bus, NIC_IO + 0x10, v, 2);
}

static u16 bcr(unsigned n)
{
    bus_port_out(bus, NIC_IO + 0x12, n, 2);
    return (u16)bus_port_in(bus, NIC_IO + 0x16, 2);
}

static void bcr_set(unsigned n, u16 v)
{
    bus_port_out(bus, NIC_IO + 0x12, n, 2);
    bus_port_out(bus, NIC_IO + 0x16, v, 2);
}

static u32 at(u32 ring, u32 n) { return ring + n * (style ? 16 : 8); }

/* Descriptor n of a ring: where it points, how much there is, and its status word. */
static void descriptor(u32 ring, u32 n, u32 buffer, u32 bytes, u16 status)
{
    u32 pa = at(ring, n), count = 0xf000 | ((0u - bytes) & 0xfff);
    if (!style) {
        poke32(pa, buffer | (u32)status << 16);
        poke32(pa + 4, count);
        return;
    }
    poke32(pa + (style == 3 ? 8 : 0), buffer);
    poke32(pa + (style == 3 ? 0 : 8), 0);
    poke32(pa + 4, (u32)status << 16 | count);
}

static u16 status_of(u32 ring, u32 n) { return (u16)(peek16(at(ring, n) + (style ? 6 : 2)) & 0xff00); }
static u32 more_of(u32 ring, u32 n) /* RMD2, TMD2 */
{
    return style ? peek32(at(ring, n) + (style == 3 ? 0 : 8)) : peek16(at(ring, n) + 6);
}

static void init_block(u16 mode, u64 filter)
{
    u8 b[28] = {0};
    u32 wide = style != 0;
    store16(b, mode);
    if (wide) b[2] = (u8)(ring_bits << 4), b[3] = (u8)(ring_bits << 4);
    memcpy(b + (wide ? 4 : 2), my_mac, 6);
    store64(b + (wide ? 12 : 8), filter);
    store32(b + (wide ? 20 : 16), RX_PA | (wide ? 0 : ring_bits << 29));
    store32(b + (wide ? 24 : 20), TX_PA | (wide ? 0 : ring_bits << 29));
    phys_dma_write(phys, INIT_PA, b, wide ? 28 : 24);
}

static void start(unsigned with_style, unsigned with_bits, u16 mode, u64 filter)
{
    style = with_style, ring_bits = with_bits;
    csr_set(0, 0x0004);
    bcr_set(20, (u16)style);
    init_block(mode, filter);
    for (u32 n = 0; n < 1u << ring_bits; n++) {
        descriptor(RX_PA, n, RX_BUF + n * BUF_BYTES, 1536, OWN);
        descriptor(TX_PA, n, TX_BUF + n * BUF_BYTES, 60, 0);
    }
    csr_set(1, INIT_PA), csr_set(2, 0);
    csr_set(4, 0x0915);
    csr_set(0, 0x0041);
    assert_int_equal(csr(0), 0x01c1); /* IDON, INTR, IENA, INIT */
    assert_true(intx.level);
    csr_set(0, 0x0142);
    assert_int_equal(csr(0) & 0x01f7, 0x0073);
    assert_false(intx.level);
}

/* Frame number n of the transmit ring, and a demand. */
static void transmit(u32 n, u32 bytes)
{
    phys_dma_write(phys, TX_BUF + n * BUF_BYTES, frame_to(other_mac, bytes), bytes);
    descriptor(TX_PA, n, TX_BUF + n * BUF_BYTES, bytes, OWN | STP | ENP);
    csr_set(0, 0x0048);
}

static void interrupt_taken(u16 flag)
{
    assert_true(intx.level);
    assert_int_equal(csr(0) & (flag | 0x0080), flag | 0x0080);
    csr_set(0, flag | 0x0040);
    assert_int_equal(csr(0) & (flag | 0x0080), 0);
    assert_false(intx.level);
}

/* --- registers ------------------------------------------------------------------------------------------- */

static void it_is_found(void **state)
{
    u16 sum = 0;
    (void)state;
    assert_int_equal(config(0, 4), 0x20001022);
    assert_int_equal(config(8, 4) >> 8, 0x020000);
    assert_int_equal(config(PCI_INTERRUPT_PIN, 1), 1);
    for (u16 n = 0; n < 6; n++) assert_int_equal(in(NIC_IO + n), my_mac[n]);
    assert_int_equal(bus_port_in(bus, NIC_IO + 14, 2), 0x5757);
    for (u16 n = 0; n < 16; n++) sum += n < 12 || n > 13 ? in(NIC_IO + n) : 0;
    assert_int_equal(bus_port_in(bus, NIC_IO + 12, 2), sum);
    assert_int_equal(csr(88) | (u32)csr(89) << 16, 0x02621003);
    assert_int_equal(csr(0), 0x0004);
    for (u32 n = 0; n < 3; n++) assert_int_equal(csr(12 + n), my_mac[2 * n] | my_mac[2 * n + 1] << 8);
}

static void both_io_modes_work(void **state)
{
    (void)state;
    bus_port_out(bus, NIC_IO + 0x12, 88, 2);
    assert_int_equal(bus_port_in(bus, NIC_IO + 0x12, 2), 88);
    assert_int_equal(bus_port_in(bus, NIC_IO + 0x10, 2), 0x1003);
    assert_int_equal(phys_read(phys, NIC_PA + 0x10, 2), 0x1003); /* the memory BAR shows the same */
    bus_port_out(bus, NIC_IO + 0x12, 0, 2);
    bus_port_out(bus, NIC_IO + 0x10, 0, 4); /* switches */
    bus_port_out(bus, NIC_IO + 0x14, 88, 4);
    assert_int_equal(bus_port_in(bus, NIC_IO + 0x14, 4), 88);
    assert_int_equal(bus_port_in(bus, NIC_IO + 0x10, 4), 0x1003);
    bus_port_out(bus, NIC_IO + 0x14, 18, 4);
    assert_int_equal(bus_port_in(bus, NIC_IO + 0x1c, 4), 0x9081);
    bus_port_in(bus, NIC_IO + 0x18, 4); /* a software reset stays in this mode */
    assert_int_equal(bus_port_in(bus, NIC_IO + 0x1c, 4), 0x9081);
}

static void a_read_resets_and_a_write_does_not(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    bus_port_out(bus, NIC_IO + 0x14, 0, 2);
    assert_int_equal(csr(0) & 0x30, 0x30);
    bus_port_in(bus, NIC_IO + 0x14, 2);
    assert_int_equal(csr(0), 0x0004);
    assert_int_equal(csr(4), 0x0115);
    assert_int_equal(bcr(20), 0x0302); /* the software style stays */
}

static void registers_are_written_at_rest_only(void **state)
{
    (void)state;
    csr_set(8, 0x1234);
    assert_int_equal(csr(8), 0x1234);
    csr_set(16, 0x2000);
    assert_int_equal(csr(1), 0x2000);
    start(2, 2, 0, 0);
    csr_set(8, 0x4321), csr_set(15, 0x8000), bcr_set(20, 0);
    assert_int_equal(csr(8), 0);
    assert_int_equal(csr(15), 0);
    assert_int_equal(bcr(20), 0x0302);
    csr_set(5, 1); /* suspended */
    assert_int_equal(csr(5), 1);
    csr_set(15, 0x8000);
    assert_int_equal(csr(15), 0x8000);
    assert_int_equal(csr(0) & 0x30, 0x30);
}

static void the_init_block_fills_the_registers(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= 3; s++) {
        start(s, 4, 0x0080, 0x8000400020001000);
        assert_int_equal(csr(15), 0x0080);
        for (unsigned n = 0; n < 4; n++) assert_int_equal(csr(8 + n), 0x1000 << n);
        assert_int_equal(csr(24) | (u32)csr(25) << 16, RX_PA);
        assert_int_equal(csr(30) | (u32)csr(31) << 16, TX_PA);
        assert_int_equal(csr(76), 0xfff0);
        assert_int_equal(csr(78), 0xfff0);
        assert_int_equal(csr(28), RX_PA);
        assert_int_equal(csr(6), 0x4400);
    }
}

static void initialization_waits_for_the_bus(void **state)
{
    (void)state;
    config_set(PCI_COMMAND, 3, 2); /* no master */
    style = ring_bits = 2;
    bcr_set(20, 2);
    init_block(0, 0);
    csr_set(1, INIT_PA);
    csr_set(0, 0x0043);
    assert_int_equal(csr(0), 0x0043);
    config_set(PCI_COMMAND, 7, 2);
    assert_int_equal(csr(0), 0x01f3);
    assert_true(intx.level);
}

static void the_link_shows(void **state)
{
    (void)state;
    assert_int_equal(bcr(4), 0x80c0);
    net_carrier(port, false);
    assert_int_equal(bcr(4), 0x00c0);
    net_carrier(port, true);
    assert_int_equal(bcr(4), 0x80c0);
    net_carrier(port, false);
    assert_false(intx.level); /* drivers look: this chip has no interrupt for it */
    start(2, 2, 0, 0);
    transmit(0, 100);
    assert_int_equal(world.frames, 0);
    assert_int_equal(status_of(TX_PA, 0), ERR | STP | ENP);
    assert_int_equal(more_of(TX_PA, 0), 1u << 27); /* LCAR */
    assert_int_equal(csr(0) & 0xa000, 0xa000);     /* ERR, CERR */
    assert_true(offer(my_mac, 100));
    assert_int_equal(status_of(RX_PA, 0), OWN);
}

/* --- frames ---------------------------------------------------------------------------------------------- */

static void frames_go_out(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= 3; s++) {
        start(s, 2, 0, 0);
        for (u32 n = 0; n < 10; n++) {
            u32 bytes = 60 + 150 * n, slot = n % 4;
            transmit(slot, bytes);
            assert_int_equal(world.bytes, bytes);
            assert_memory_equal(world.frame, frame_to(other_mac, bytes), bytes);
            assert_int_equal(status_of(TX_PA, slot), STP | ENP);
            interrupt_taken(0x0200);
        }
        assert_int_equal(csr(34), at(TX_PA, 2));
    }
}

static void frames_come_in(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= 3; s++) {
        start(s, 2, 0, 0);
        for (u32 n = 0; n < 10; n++) {
            u32 bytes = 60 + 150 * n, slot = n % 4;
            u8 fcs[4];
            assert_true(offer(my_mac, bytes));
            assert_int_equal(status_of(RX_PA, slot) & 0xff00, STP | ENP);
            assert_int_equal(more_of(RX_PA, slot), bytes + 4);
            assert_ram(RX_BUF + slot * BUF_BYTES, frame_to(my_mac, bytes), bytes);
            phys_dma_read(phys, RX_BUF + slot * BUF_BYTES + bytes, fcs, 4);
            assert_int_equal(load32(fcs), ~ether_crc(frame_to(my_mac, bytes), bytes));
            interrupt_taken(0x0400);
            descriptor(RX_PA, slot, RX_BUF + slot * BUF_BYTES, 1536, OWN);
        }
    }
}

static void short_frames_are_padded(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    transmit(0, 42);
    assert_int_equal(world.bytes, 60);
    assert_memory_equal(world.frame, frame_to(other_mac, 42), 42);
    for (u32 n = 42; n < 60; n++) assert_int_equal(world.frame[n], 0);
    assert_true(offer(my_mac, 42));
    assert_int_equal(more_of(RX_PA, 0), 64);
    transmit(1, 10); /* no frame */
    assert_int_equal(world.frames, 1);
    assert_int_equal(status_of(TX_PA, 1), STP | ENP);
}

static void padding_is_stripped(void **state)
{
    u8 frame[60];
    (void)state;
    start(2, 2, 0, 0);
    csr_set(4, 0x0d15);
    memcpy(frame, frame_to(my_mac, 60), 60);
    frame[12] = 0, frame[13] = 20; /* a length */
    assert_true(port->receive(port->dev, frame, 60));
    assert_int_equal(more_of(RX_PA, 0), 34);
    assert_true(offer(my_mac, 60)); /* a type */
    assert_int_equal(more_of(RX_PA, 1), 64);
}

static void frames_span_buffers(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= 3; s++) {
        start(s, 3, 0, 0);
        for (u32 n = 0; n < 8; n++) descriptor(RX_PA, n, RX_BUF + n * BUF_BYTES, 100, OWN);
        assert_true(offer(my_mac, 246)); /* 250 with FCS */
        assert_int_equal(status_of(RX_PA, 0), STP);
        assert_int_equal(status_of(RX_PA, 1), 0);
        assert_int_equal(status_of(RX_PA, 2), ENP);
        assert_int_equal(status_of(RX_PA, 3), OWN);
        assert_int_equal(more_of(RX_PA, 2), 250);
        assert_ram(RX_BUF + BUF_BYTES, frame_to(my_mac, 246) + 100, 100);
        phys_dma_write(phys, TX_BUF, frame_to(other_mac, 300), 300);
        descriptor(TX_PA, 0, TX_BUF, 20, OWN | STP);
        descriptor(TX_PA, 1, TX_BUF + 20, 1, OWN);
        descriptor(TX_PA, 2, TX_BUF + 21, 279, OWN | ENP);
        csr_set(0, 0x0048);
        assert_int_equal(world.bytes, 300);
        assert_memory_equal(world.frame, frame_to(other_mac, 300), 300);
        assert_int_equal(status_of(TX_PA, 0) | status_of(TX_PA, 1), STP);
        assert_int_equal(status_of(TX_PA, 2), ENP);
    }
}

static void a_chain_that_ends_early_is_an_error(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    descriptor(RX_PA, 0, RX_BUF, 100, OWN);
    descriptor(RX_PA, 1, RX_BUF, 100, 0);
    assert_true(offer(my_mac, 246));
    assert_int_equal(status_of(RX_PA, 0), ERR | BUFF_RX | STP);
    descriptor(TX_PA, 0, TX_BUF, 20, OWN | STP);
    csr_set(0, 0x0048);
    assert_int_equal(world.frames, 0);
    assert_int_equal(status_of(TX_PA, 0), ERR | STP);
    assert_int_equal(more_of(TX_PA, 0), 3u << 30); /* BUFF, UFLO */
    assert_int_equal(csr(0) & 0x10, 0);            /* the transmitter is off */
    start(2, 2, 0, 0);
    csr_set(3, 0x0040); /* DXSUFLO */
    descriptor(TX_PA, 0, TX_BUF, 20, OWN | STP);
    csr_set(0, 0x0048);
    assert_int_equal(csr(0) & 0x10, 0x10);
    descriptor(TX_PA, 1, TX_BUF, 60, OWN); /* the rest of an earlier frame is passed over */
    transmit(2, 60);
    assert_int_equal(world.frames, 1);
    assert_int_equal(status_of(TX_PA, 1), 0);
}

static void the_driver_may_make_the_fcs(void **state)
{
    (void)state;
    start(2, 2, 0x0008, 0); /* DXMTFCS */
    transmit(0, 104);
    assert_int_equal(world.bytes, 100);
    descriptor(TX_PA, 1, TX_BUF, 104, OWN | STP | ENP | 0x2000); /* ADD_FCS */
    csr_set(0, 0x0048);
    assert_int_equal(world.bytes, 104);
}

static void what_is_too_long_is_babble(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    transmit(0, 1518);
    assert_int_equal(world.bytes, 1518);
    transmit(1, 1519);
    assert_int_equal(world.frames, 1);
    assert_int_equal(csr(0) & 0xc000, 0xc000);
    descriptor(TX_PA, 2, TX_BUF, 4096, OWN | STP);
    descriptor(TX_PA, 3, TX_BUF, 4096, OWN | ENP);
    csr_set(0, 0x0048);
    assert_int_equal(world.frames, 1);
    assert_int_equal(status_of(TX_PA, 3), ENP);
}

/* --- the filter ------------------------------------------------------------------------------------------ */

static bool accepted(const u8 *to)
{
    u16 slot = csr(72);
    assert_true(offer(to, 60));
    bool taken = csr(72) != slot;
    csr_set(0, 0x0440);
    for (u32 n = 0; n < 4; n++) descriptor(RX_PA, n, RX_BUF, 1536, OWN);
    return taken;
}

static void addresses_are_filtered(void **state)
{
    static const u8 all[6] = {255, 255, 255, 255, 255, 255}, group[6] = {1, 0, 0x5e, 0, 0, 1};
    u64 bit = 1ull << (ether_crc(group, 6) >> 26);
    static const struct {
        u16 mode;
        bool filter, me, other, everyone, some;
    } cases[] = {
        {0x0000, false, true, false, true, false}, {0x0000, true, true, false, true, true},
        {0x8000, false, true, true, true, true},   {0x4000, false, true, false, false, false},
        {0x2000, true, false, false, true, true},  {0x0001, true, false, false, false, false},
    };
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(cases); n++) {
        style = 2, ring_bits = 2;
        csr_set(0, 4), bcr_set(20, 2);
        init_block(cases[n].mode, cases[n].filter ? bit : 0);
        csr_set(1, INIT_PA), csr_set(2, 0), csr_set(0, 3);
        for (u32 i = 0; i < 4; i++) descriptor(RX_PA, i, RX_BUF, 1536, OWN);
        assert_int_equal(accepted(my_mac), cases[n].me);
        assert_int_equal(accepted(other_mac), cases[n].other);
        assert_int_equal(accepted(all), cases[n].everyone);
        assert_int_equal(accepted(group), cases[n].some);
    }
}

static void loopback_returns_frames(void **state)
{
    (void)state;
    start(2, 2, 0x0044, 0);
    phys_dma_write(phys, TX_BUF, frame_to(my_mac, 100), 100);
    descriptor(TX_PA, 0, TX_BUF, 100, OWN | STP | ENP);
    csr_set(0, 0x0048);
    assert_int_equal(world.frames, 0);
    assert_int_equal(more_of(RX_PA, 0), 104);
    assert_ram(RX_BUF, frame_to(my_mac, 100), 100);
    assert_true(offer(my_mac, 100)); /* nobody listens to the world */
    assert_int_equal(status_of(RX_PA, 1), OWN);
}

/* --- time and interrupts --------------------------------------------------------------------------------- */

static void masks_hold_interrupts_back(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    csr_set(3, 0x0200);
    transmit(0, 60);
    assert_false(intx.level);
    assert_int_equal(csr(0) & 0x0280, 0x0200);
    csr_set(3, 0);
    assert_true(intx.level);
    csr_set(0, 0x0000); /* IENA off */
    assert_false(intx.level);
    assert_int_equal(csr(0) & 0x0280, 0x0280);
    csr_set(0, 0x0240);
    assert_false(intx.level);
    csr_set(4, csr(4) | 0x0080); /* an interrupt by software */
    assert_true(intx.level);
    csr_set(4, csr(4));
    assert_false(intx.level);
}

static void well_sent_frames_may_be_silent(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    csr_set(5, 0x8000); /* TOKINTD */
    transmit(0, 60);
    assert_false(intx.level);
    csr_set(5, 0x4000); /* LTINTEN: those that say so */
    transmit(1, 60);
    assert_false(intx.level);
    descriptor(TX_PA, 2, TX_BUF, 60, OWN | STP | ENP | 0x1000);
    csr_set(0, 0x0048);
    assert_true(intx.level);
}

static void the_transmit_ring_is_polled(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    for (u32 n = 0; n < 8; n++) {
        descriptor(TX_PA, n % 4, TX_BUF, 60, OWN | STP | ENP);
        u64 wait = clock_next_deadline(&clk) - clock_now(&clk);
        assert_in_range(wait, 1, n ? 3 * MS : 70 * MS);
        clock_advance(&clk, wait);
        assert_int_equal(world.frames, n + 1);
    }
    clock_advance(&clk, SEC); /* slower while there is nothing */
    u64 quiet = clock_next_deadline(&clk);
    assert_in_range(quiet - clock_now(&clk), 1, 70 * MS);
    clock_advance(&clk, quiet - clock_now(&clk));
    assert_in_range(clock_next_deadline(&clk) - clock_now(&clk), 30 * MS, 70 * MS);
    csr_set(4, 0x1915); /* TXDPOLL */
    assert_true(clock_next_deadline(&clk) == UINT64_MAX);
    descriptor(TX_PA, 0, TX_BUF, 60, OWN | STP | ENP);
    clock_advance(&clk, SEC);
    assert_int_equal(world.frames, 8);
}

static void a_full_ring_holds_the_world_back(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    csr_set(4, 0x1915);
    for (u32 n = 0; n < 4; n++) assert_true(offer(my_mac, 60));
    assert_false(offer(my_mac, 60));
    assert_int_equal(world.readies, 0);
    csr_set(0, 0x0440); /* a driver that stops half-way is reminded */
    assert_false(intx.level);
    clock_advance(&clk, MS);
    assert_true(intx.level && csr(0) & 0x0400);
    descriptor(RX_PA, 0, RX_BUF, 1536, OWN);
    csr_set(0, 0x0440); /* the driver comes by */
    assert_int_equal(world.readies, 1);
    assert_true(offer(my_mac, 60));
    assert_false(offer(my_mac, 60));
    descriptor(RX_PA, 1, RX_BUF, 1536, OWN);
    clock_advance(&clk, MS); /* or is found to have been there */
    assert_int_equal(world.readies, 2);
    assert_true(offer(my_mac, 60));
    assert_false(offer(my_mac, 60));
    assert_int_equal(csr(0) & 0x1000, 0);
    csr_set(0, 0x0004); /* nobody listens any more */
    assert_int_equal(world.readies, 3);
    assert_true(offer(my_mac, 60));
}

static void last_offer(void) { assert_true(offer(my_mac, 60)); }

static void acknowledge(void) { csr_set(0, 0x7f40); }

static void a_driver_that_does_not_read_loses_nothing(void **state)
{
    (void)state;
    start(2, 0, 0, 0);
    csr_set(4, 0x1915);
    assert_true(offer(my_mac, 60));
    assert_world_waits(my_mac, 60, acknowledge);
    assert_int_equal(csr(0) & 0x9000, 0);
    assert_int_equal(csr(112), 0);
    descriptor(RX_PA, 0, RX_BUF, 1536, OWN);
    clock_advance(&clk, 40 * MS); /* is found, though slower */
    assert_int_equal(world.readies, 1);
    assert_true(offer(my_mac, 60));
}

static void what_is_loaded_is_offered_frames(void **state)
{
    StateBytes saved = {0};
    Parts parts = {.count = 0};
    char problem[STATE_PROBLEM];
    (void)state;
    part_add(&parts, &pcnet_part, "card", &card);
    assert_true(parts_save(&parts, &saved, problem));
    start(2, 0, 0, 0);
    assert_true(offer(my_mac, 60));
    assert_false(offer(my_mac, 60));
    assert_true(parts_load(&parts, saved.at, saved.count, problem));
    assert_in_range(world.readies, 1, 2);
    assert_true(offer(my_mac, 60)); /* it is stopped */
    state_bytes_free(&saved);
}

/* The world answers inside send(). */
static void answers_may_come_at_once(void **state)
{
    (void)state;
    start(2, 2, 0, 0);
    world.on_frame = last_offer;
    transmit(0, 60);
    assert_int_equal(status_of(RX_PA, 0), STP | ENP);
    assert_int_equal(csr(0) & 0x0600, 0x0600);
}

/* --- rings that lie -------------------------------------------------------------------------------------- */

/* Descriptors that say OWN whatever is written to them: where nothing is, and in ROM. */
static void endless_rings_end(void **state)
{
    static u8 rom[4096];
    (void)state;
    for (u32 n = 0; n < sizeof rom; n += 16) {
        store32(rom + n, TX_BUF);
        store32(rom + n + 4, 0x8200f000 | (0x1000 - 60)); /* OWN, STP, no end */
    }
    assert_true(phys_add_rom(phys, 0xe0000, rom, sizeof rom));
    static const u32 rings[] = {0xf0000000, 0xe0000, 0xfffffff8, NIC_PA};
    for (u32 n = 0; n < ARRAY_LEN(rings); n++) {
        start(2, 9, 0, 0);
        csr_set(0, 4);
        csr_set(30, (u16)rings[n]), csr_set(31, (u16)(rings[n] >> 16));
        csr_set(24, (u16)rings[n]), csr_set(25, (u16)(rings[n] >> 16));
        csr_set(3, 0x0040);
        world.frames = 0;
        csr_set(0, 0x0042);
        assert_in_range(world.frames, 0, 64); /* and then it takes a breath */
        assert_true(clock_next_deadline(&clk) != UINT64_MAX);
        assert_true(offer(my_mac, 1514));
        clock_advance(&clk, MS);
        csr_set(0, 4);
    }
}

/* Lengths 0 and 4096, both rings and their buffers at one place, with any ring length. */
static void overlapping_rings_do_no_harm(void **state)
{
    u32 dice = 1;
    (void)state;
    for (u32 n = 0; n < 3000; n++) {
        dice = dice * 1664525 + 1013904223;
        style = dice >> 28 & 3;
        csr_set(0, 4), bcr_set(20, (u16)style);
        for (u32 i = 0; i < 512; i += 4) {
            dice = dice * 1664525 + 1013904223;
            poke32(RX_PA + i, dice >> 31 ? dice | 0x83000000
                              : i % 8    ? 0x83000000 | (dice >> 8 & 0xf000)
                                         : RX_PA + (dice >> 20));
        }
        csr_set(24, RX_PA), csr_set(25, 0), csr_set(30, RX_PA + (n & 31)), csr_set(31, 0);
        csr_set(76, (u16)(dice >> 8)), csr_set(78, (u16)(dice >> 12)), csr_set(72, (u16)dice),
            csr_set(74, (u16)dice);
        csr_set(15, n & 4 ? 0x8004 : 0x8000);
        csr_set(0, 0x004a);
        for (u32 i = 0; i < 4; i++) port->receive(port->dev, frame_to(my_mac, 1514), 60 + (dice >> 4) % 1455);
        clock_advance(&clk, 10 * MS);
    }
}

static void foreign_lengths_are_dropped(void **state)
{
    (void)state;
    start(2, 2, 0x8000, 0);
    assert_true(offer(my_mac, 13));
    assert_true(offer(my_mac, 1519));
    assert_true(offer(my_mac, 4096));
    assert_int_equal(status_of(RX_PA, 0), OWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NIC_TEST(it_is_found),
        NIC_TEST(both_io_modes_work),
        NIC_TEST(a_read_resets_and_a_write_does_not),
        NIC_TEST(registers_are_written_at_rest_only),
        NIC_TEST(the_init_block_fills_the_registers),
        NIC_TEST(initialization_waits_for_the_bus),
        NIC_TEST(the_link_shows),
        NIC_TEST(frames_go_out),
        NIC_TEST(frames_come_in),
        NIC_TEST(short_frames_are_padded),
        NIC_TEST(padding_is_stripped),
        NIC_TEST(frames_span_buffers),
        NIC_TEST(a_chain_that_ends_early_is_an_error),
        NIC_TEST(the_driver_may_make_the_fcs),
        NIC_TEST(what_is_too_long_is_babble),
        NIC_TEST(addresses_are_filtered),
        NIC_TEST(loopback_returns_frames),
        NIC_TEST(masks_hold_interrupts_back),
        NIC_TEST(well_sent_frames_may_be_silent),
        NIC_TEST(the_transmit_ring_is_polled),
        NIC_TEST(a_full_ring_holds_the_world_back),
        NIC_TEST(a_driver_that_does_not_read_loses_nothing),
        NIC_TEST(what_is_loaded_is_offered_frames),
        NIC_TEST(answers_may_come_at_once),
        NIC_TEST(endless_rings_end),
        NIC_TEST(overlapping_rings_do_no_harm),
        NIC_TEST(foreign_lengths_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
