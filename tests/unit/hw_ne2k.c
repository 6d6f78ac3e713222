/* hw_ne2k.c - NE2000 (ISA) and RTL8029 (PCI): the DP8390 by its datasheet's sequences, its memory by remote DMA, the
 * receive ring, the filter, a ring that is full; and ring registers that lie.
 */
#include "nic_bench.h"

#include "hw/ne2k.h"

enum { ISA_IO = 0x300, TX_PAGE = 0x40, RING = 0x46, RING_END = 0x80 };
enum { CR = 0, PSTART, PSTOP, BNRY, TPSR, TBCR0, TBCR1, ISR, RSAR0, RSAR1, RBCR0, RBCR1, RCR, TCR, DCR, IMR };
enum { CURR = 7, DATA = 0x10, RESET = 0x1f };

static Ne2k card;
static u16 io;

static int setup_isa(void **state)
{
    (void)state;
    nic_bench_up();
    ne2k_isa_init(&card, bus, &clk, wire_line(&intx), ISA_IO, my_mac);
    world_plug(&card.chip.port);
    io = ISA_IO;
    return 0;
}

static int setup_pci(void **state)
{
    (void)state;
    nic_bench_up();
    ne2k_pci_init(&card, &pci, 3, bus, &clk, wire_line(&intx), my_mac);
    world_plug(&card.chip.port);
    nic_decode();
    io = NIC_IO;
    return 0;
}

/* --- as a driver does it --------------------------------------------------------------------------------- */

static u8 get(u16 reg) { return in((u16)(io + reg)); }
static void set(u16 reg, u32 v) { out((u16)(io + reg), (u8)v); }

static void remote(u8 command, u16 address, u16 bytes)
{
    set(ISR, 0x40);
    set(RBCR0, bytes), set(RBCR1, bytes >> 8);
    set(RSAR0, address), set(RSAR1, address >> 8);
    set(CR, command | 0x02);
}

static void memory_write(u16 address, const u8 *from, u16 bytes)
{
    remote(0x10, address, bytes);
    for (u32 i = 0; i < bytes; i += 2) bus_port_out(bus, (u16)(io + DATA), load16(from + i), 2);
    assert_int_equal(get(ISR) & 0x40, 0x40);
}

static void memory_read(u16 address, u8 *to, u16 bytes)
{
    remote(0x08, address, bytes);
    for (u32 i = 0; i < bytes; i += 2) store16(to + i, (u16)bus_port_in(bus, (u16)(io + DATA), 2));
    assert_int_equal(get(ISR) & 0x40, 0x40);
}

/* As drivers bring it up: ring from RING to RING_END, interrupts on. */
static void start(u8 rcr)
{
    set(CR, 0x21);
    set(DCR, 0x49), set(RBCR0, 0), set(RBCR1, 0), set(RCR, 0x20), set(TCR, 0x02);
    set(TPSR, TX_PAGE), set(PSTART, RING), set(BNRY, RING), set(PSTOP, RING_END);
    set(ISR, 0xff), set(IMR, 0);
    set(CR, 0x61);
    for (u16 n = 0; n < 6; n++) set((u16)(1 + n), my_mac[n]);
    for (u16 n = 0; n < 8; n++) set((u16)(8 + n), 0);
    set(CURR, RING + 1);
    set(CR, 0x21);
    set(ISR, 0xff), set(IMR, 0x3f);
    set(CR, 0x22);
    set(TCR, 0), set(RCR, rcr);
}

static u8 curr(void)
{
    set(CR, 0x62);
    u8 v = get(CURR);
    set(CR, 0x22);
    return v;
}

static void transmit(u16 bytes)
{
    memory_write(TX_PAGE << 8, frame_to(other_mac, bytes + 1u), (u16)((bytes + 1) & ~1));
    set(TBCR0, bytes), set(TBCR1, bytes >> 8), set(TPSR, TX_PAGE);
    set(CR, 0x26);
}

/* --- tests ----------------------------------------------------------------------------------------------- */

static void it_is_found(void **state)
{
    u8 prom[32];
    (void)state;
    get(RESET);
    assert_int_equal(get(ISR) & 0x80, 0x80);
    assert_int_equal(get(CR), 0x21);
    set(DCR, 0x49);
    memory_read(0, prom, 32);
    for (u32 n = 0; n < 12; n++) assert_int_equal(prom[n], my_mac[n / 2]);
    for (u32 n = 28; n < 32; n++) assert_int_equal(prom[n], 'W');
    remote(0x08, 0, 0); /* a DMA of nothing is how drivers look for the interrupt */
    assert_false(intx.level);
    set(IMR, 0x50);
    assert_true(intx.level);
}

static void the_pci_card_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(config(0, 4), 0x802910ec);
    assert_int_equal(config(8, 4) >> 8, 0x020000);
    assert_int_equal(get(0x0a) | get(0x0b) << 8, 0x4350);
    set(CR, 0xe1);
    assert_int_equal(get(0x0e) | get(0x0f) << 8, 0x8029);
    set(6, 0x40);
    assert_int_equal(get(6), 0); /* locked */
    set(1, 0xc0), set(6, 0xff);
    assert_int_equal(get(6), 0x46);
}

/* As REP INS and OUTS do it: runs where the card takes them, else one access. */
static u32 move_by_runs(bool in, u8 *bytes, u32 count, unsigned size)
{
    u32 runs = 0;
    for (u32 n = 0, done; n < count; n += done) {
        u16 data = (u16)(io + DATA);
        u8 *at = bytes + n * size;
        done = in ? bus_port_in_run(bus, data, size, at, count - n)
                  : bus_port_out_run(bus, data, size, at, count - n);
        assert_true(done < count - n || done == 0);
        runs += done != 0;
        if (done) continue;
        done = 1;
        u32 v = in ? bus_port_in(bus, data, size) : 0;
        if (in)
            memcpy(at, &v, size);
        else
            memcpy(&v, at, size), bus_port_out(bus, data, v, size);
    }
    return runs;
}

static void remote_dma_goes_in_runs(void **state)
{
    static const u8 dcr[] = {0, 0x48, 0x49, 0, 0x49};
    u8 bytes[1200], back[1200];
    (void)state;
    for (u32 n = 0; n < sizeof bytes; n++) bytes[n] = (u8)(n * 11 + n / 256);
    for (unsigned size = 1; size <= 4; size *= 2) {
        set(DCR, dcr[size]);
        remote(0x10, 0x4100 + 8 * size, 1200);
        assert_in_range(move_by_runs(false, bytes, 1200 / size, size), 5, 6); /* a page each */
        assert_int_equal(get(ISR) & 0x40, 0x40);
        assert_int_equal(bus_port_out_run(bus, (u16)(io + DATA), size, bytes, 4), 0); /* all there */
        memory_read(0x4100 + 8 * (u16)size, back, 1200);
        assert_memory_equal(bytes, back, 1200);
        memset(back, 0, sizeof back);
        set(DCR, dcr[size]);
        remote(0x08, 0x4100 + 8 * size, 1200);
        assert_in_range(move_by_runs(true, back, 1200 / size, size), 5, 6);
        assert_memory_equal(bytes, back, 1200);
        assert_int_equal(get(ISR) & 0x40, 0x40);
        assert_int_equal(get(RSAR0) | get(RSAR1) << 8, 0x4100 + 8 * size + 1200);
    }
    remote(0x08, 0x8000, 64); /* no memory */
    assert_int_equal(bus_port_in_run(bus, (u16)(io + DATA), 2, back, 16), 0);
    remote(0x08, 0x0000, 16); /* the address PROM */
    assert_int_equal(bus_port_in_run(bus, (u16)(io + DATA), 2, back, 8), 0);
}

static void memory_is_reached_by_remote_dma(void **state)
{
    u8 bytes[1500], back[1500];
    (void)state;
    set(DCR, 0x49);
    memcpy(bytes, frame_to(my_mac, 1500), 1500);
    memory_write(0x4100, bytes, 1500);
    memory_read(0x4100, back, 1500);
    assert_memory_equal(bytes, back, 1500);
    remote(0x08, 0x4100, 8); /* 32 bits at a time */
    assert_int_equal(bus_port_in(bus, (u16)(io + DATA), 4), load32(bytes));
    assert_int_equal(bus_port_in(bus, (u16)(io + DATA), 4), load32(bytes + 4));
    assert_int_equal(get(ISR) & 0x40, 0x40);
    assert_int_equal(get(RSAR0) | get(RSAR1) << 8, 0x4108);
    set(DCR, 0x48); /* a byte at a time */
    remote(0x08, 0x4101, 3);
    for (u32 n = 0; n < 3; n++) assert_int_equal(get(DATA), bytes[1 + n]);
    assert_int_equal(get(ISR) & 0x40, 0x40);
    assert_int_equal(get(DATA), 0xff); /* no more */
    remote(0x08, 0x8000, 2);           /* no memory */
    assert_int_equal(get(DATA), 0xff);
}

static void the_ring_wraps_for_remote_dma(void **state)
{
    u8 bytes[512], back[512];
    (void)state;
    start(0x04);
    memcpy(bytes, frame_to(my_mac, 512), 512);
    memory_write((RING_END - 1) << 8, bytes, 512);
    memory_read(RING << 8, back, 256);
    assert_memory_equal(back, bytes + 256, 256);
}

static void frames_go_out(void **state)
{
    (void)state;
    start(0x04);
    for (u16 bytes = 60; bytes <= 1514; bytes = (u16)(bytes + 97)) {
        transmit(bytes);
        assert_int_equal(world.bytes, bytes);
        assert_memory_equal(world.frame, frame_to(other_mac, bytes), bytes);
        assert_int_equal(get(CR), 0x22);
        assert_int_equal(get(4), 0x01); /* TSR: PTX */
        assert_true(intx.level);
        set(ISR, 0x02);
        assert_false(intx.level);
    }
    transmit(30);
    assert_int_equal(world.bytes, 60);
    u32 frames = world.frames;
    set(TCR, 0x02); /* loopback */
    transmit(60);
    assert_int_equal(world.frames, frames);
    assert_int_equal(get(4), 0x01);
    set(TCR, 0);
    set(TBCR0, 0xff), set(TBCR1, 0xff), set(CR, 0x26); /* too long */
    assert_int_equal(world.frames, frames);
    net_carrier(port, false);
    transmit(60);
    assert_int_equal(world.frames, frames);
    assert_int_equal(get(4), 0x51); /* and no carrier */
}

static void frames_come_in(void **state)
{
    u8 ring[2048];
    u8 page = RING + 1;
    (void)state;
    start(0x04);
    for (u32 n = 0; n < 100; n++) {
        u16 bytes = (u16)(60 + n * 37 % 1455);
        u8 pages = (u8)((bytes + 8 + 255) / 256), next = page;
        for (u8 i = 0; i < pages; i++) next = next + 1 == RING_END ? RING : (u8)(next + 1);
        assert_true(offer(my_mac, bytes));
        assert_int_equal(curr(), next);
        assert_true(intx.level);
        memory_read((u16)(page << 8), ring, (u16)((bytes + 8 + 1) & ~1));
        assert_int_equal(ring[0], 0x01);
        assert_int_equal(ring[1], next);
        assert_int_equal(load16(ring + 2), bytes + 4);
        assert_memory_equal(ring + 4, frame_to(my_mac, bytes), bytes);
        assert_int_equal(load32(ring + 4 + bytes), ~ether_crc(frame_to(my_mac, bytes), bytes));
        page = next;
        set(BNRY, page == RING ? RING_END - 1 : page - 1);
        set(ISR, 0x01);
        assert_false(intx.level);
    }
}

static void a_full_ring_holds_the_world_back(void **state)
{
    u32 taken = 0;
    (void)state;
    start(0x04);
    while (offer(my_mac, 1514)) taken++;
    assert_int_equal(taken, (RING_END - RING - 2) / 6);
    assert_int_equal(get(ISR) & 0x10, 0);
    set(ISR, 0x01); /* a driver that stops half-way is reminded, at once and later */
    assert_true(intx.level && get(ISR) & 0x01);
    set(ISR, 0x01);
    assert_false(intx.level);
    clock_advance(&clk, MS);
    assert_true(intx.level && get(ISR) & 0x01);
    set(BNRY, RING + 6);
    assert_int_equal(world.readies, 1);
    assert_true(offer(my_mac, 1514));
    assert_false(offer(my_mac, 1514));
    clock_advance(&clk, SEC);
    assert_int_equal(world.readies, 1);
    set(BNRY, RING - 1); /* before the ring's first page lies its last */
    taken = 0;
    while (offer(my_mac, 1514)) assert_in_range(taken++, 0, 9);
    set(CR, 0x21); /* stopped: nobody listens */
    assert_true(offer(my_mac, 1514));
}

static void acknowledge(void) { set(ISR, 0xff); }

static void a_driver_that_does_not_read_loses_nothing(void **state)
{
    (void)state;
    start(0x04);
    while (offer(my_mac, 1514)) {
    }
    assert_world_waits(my_mac, 1514, acknowledge);
    assert_int_equal(get(ISR) & 0x10, 0); /* no OVW */
    set(BNRY, RING + 6);
    assert_int_equal(world.readies, 1);
    assert_true(offer(my_mac, 1514));
}

/* Linux writes commands without STA while it reads the ring; only STP stops the chip, and only STA starts it. */
static void commands_without_sta_do_not_stop_it(void **state)
{
    (void)state;
    start(0x04);
    set(CR, 0x60), set(CR, 0x20);
    u8 before = curr();
    set(CR, 0x20);
    assert_int_equal(get(ISR) & 0x80, 0);
    assert_true(offer(my_mac, 60));
    assert_int_equal(curr(), before + 1);
    set(CR, 0x20);
    transmit(60);
    assert_int_equal(world.frames, 1);
    set(CR, 0x21);
    assert_int_equal(get(ISR) & 0x80, 0x80);
    set(CR, 0x20); /* STP has gone, STA has not come */
    assert_int_equal(get(ISR) & 0x80, 0x80);
    assert_true(offer(my_mac, 60)); /* nobody listens */
    set(CR, 0x24);
    assert_int_equal(world.frames, 1);
    set(CR, 0x62);
    assert_int_equal(get(CURR), before + 1);
    set(CR, 0x22);
    assert_int_equal(get(ISR) & 0x80, 0);
}

/* A driver that reads a few frames of many and acknowledges PRX then. */
static void frames_that_are_left_are_told_again(void **state)
{
    (void)state;
    start(0x04);
    for (u32 n = 0; n < 12; n++) assert_true(offer(my_mac, 60));
    set(BNRY, RING + 9);
    set(ISR, 0x01);
    assert_false(intx.level);
    clock_advance(&clk, MS / 2); /* nothing waits outside: a little later */
    assert_true(intx.level && get(ISR) == 0x01);
    set(BNRY, RING + 12);
    set(ISR, 0x01);
    clock_advance(&clk, SEC);
    assert_false(intx.level); /* all are read */

    start(0x04);
    while (offer(my_mac, 1514)) {
    }
    set(BNRY, RING + 6); /* room for one, which comes */
    assert_true(offer(my_mac, 1514));
    assert_false(offer(my_mac, 1514));
    set(ISR, 0x01); /* one waits outside: at once */
    assert_true(intx.level && get(ISR) == 0x01);
    set(ISR, 0x01); /* but not for ever: nothing was read */
    assert_false(intx.level);
    set(CR, 0x21);
    clock_advance(&clk, SEC);
    assert_int_equal(get(ISR), 0x80);
}

static void what_is_loaded_is_offered_frames(void **state)
{
    StateBytes saved = {0};
    Parts parts = {.count = 0};
    char problem[STATE_PROBLEM];
    (void)state;
    part_add(&parts, &ne2k_isa_part, "card", &card);
    start(0x04);
    assert_true(parts_save(&parts, &saved, problem));
    while (offer(my_mac, 1514)) {
    }
    assert_int_equal(world.readies, 0);
    assert_true(parts_load(&parts, saved.at, saved.count, problem)); /* the ring is empty again */
    assert_in_range(world.readies, 1, 2);
    assert_true(offer(my_mac, 1514));
    state_bytes_free(&saved);
}

static bool accepted(const u8 *to)
{
    u8 before = curr();
    assert_true(offer(to, 60));
    u8 now = curr();
    set(BNRY, now == RING ? RING_END - 1 : now - 1);
    return now != before;
}

static void addresses_are_filtered(void **state)
{
    static const u8 all[6] = {255, 255, 255, 255, 255, 255}, group[6] = {1, 0, 0x5e, 0, 0, 1};
    static const struct {
        u8 rcr;
        bool me, other, everyone, some;
    } cases[] = {{0x00, true, false, false, false}, {0x04, true, false, true, false},
                 {0x0c, true, false, true, true},   {0x10, true, true, false, false},
                 {0x1c, true, true, true, true},    {0x24, false, false, false, false}};
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(cases); n++) {
        start(cases[n].rcr);
        set(CR, 0x61), set(8 + 3, 0x80), set(CR, 0x22); /* 224.0.0.1's bit: 31 */
        assert_int_equal(accepted(my_mac), cases[n].me);
        assert_int_equal(accepted(other_mac), cases[n].other);
        assert_int_equal(accepted(all), cases[n].everyone);
        assert_int_equal(accepted(group), cases[n].some);
    }
}

static void the_send_packet_command_follows_the_ring(void **state)
{
    (void)state;
    start(0x04);
    offer(my_mac, 60);
    set(BNRY, RING + 1);
    set(CR, 0x1a);
    for (u32 n = 0; n < 64; n += 2) bus_port_in(bus, (u16)(io + DATA), 2);
    assert_int_equal(get(ISR) & 0x40, 0x40);
    assert_int_equal(get(BNRY), RING + 2);
}

/* --- registers that lie ---------------------------------------------------------------------------------- */

static void ring_pointers_out_of_range_do_no_harm(void **state)
{
    static const u8 values[] = {0, 1, 0x3f, 0x40, 0x46, 0x47, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff};
    u32 dice = 1;
    (void)state;
    for (u32 n = 0; n < 20000; n++) {
        start((u8)(0x1c | (n & 1)));
        u8 pick[8];
        for (u32 i = 0; i < 8; i++) {
            dice = dice * 1664525 + 1013904223;
            pick[i] = dice >> 31 ? (u8)(dice >> 8) : values[(dice >> 16) % ARRAY_LEN(values)];
        }
        set(CR, 0x62), set(CURR, pick[3]), set(CR, 0x22);
        set(PSTART, pick[0]), set(PSTOP, pick[1]), set(BNRY, pick[2]), set(TPSR, pick[4]);
        for (u32 i = 0; i < 4; i++) offer(my_mac, 60 + (dice >> 4) % 1455);
        set(TBCR0, pick[5]), set(TBCR1, pick[6] & 7), set(CR, 0x26);
        remote((u8)(8 << (dice >> 30 & 1)), (u16)(pick[6] << 8 | pick[7]), (u16)(pick[5] << 8 | 0xff));
        for (u32 i = 0; i < 600; i++)
            if (dice >> 29 & 1)
                bus_port_in(bus, (u16)(io + DATA), 4);
            else
                bus_port_out(bus, (u16)(io + DATA), dice, 4);
        set(CR, 0x1a);
        bus_port_in(bus, (u16)(io + DATA), 2);
        if (n % 16 == 0) clock_advance(&clk, 30 * MS);
    }
}

#define ISA_TEST(f) cmocka_unit_test_setup_teardown(f, setup_isa, nic_bench_down)
#define PCI_TEST(f) cmocka_unit_test_setup_teardown(f, setup_pci, nic_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ISA_TEST(it_is_found),
        PCI_TEST(it_is_found),
        PCI_TEST(the_pci_card_says_what_it_is),
        ISA_TEST(memory_is_reached_by_remote_dma),
        PCI_TEST(memory_is_reached_by_remote_dma),
        PCI_TEST(remote_dma_goes_in_runs),
        ISA_TEST(the_ring_wraps_for_remote_dma),
        ISA_TEST(frames_go_out),
        PCI_TEST(frames_go_out),
        ISA_TEST(frames_come_in),
        PCI_TEST(frames_come_in),
        ISA_TEST(a_full_ring_holds_the_world_back),
        ISA_TEST(a_driver_that_does_not_read_loses_nothing),
        ISA_TEST(commands_without_sta_do_not_stop_it),
        PCI_TEST(commands_without_sta_do_not_stop_it),
        ISA_TEST(frames_that_are_left_are_told_again),
        ISA_TEST(what_is_loaded_is_offered_frames),
        ISA_TEST(addresses_are_filtered),
        ISA_TEST(the_send_packet_command_follows_the_ring),
        ISA_TEST(ring_pointers_out_of_range_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
