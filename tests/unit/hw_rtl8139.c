/* hw_rtl8139.c - the RTL8139C by its datasheet: EEPROM wires, transmit descriptors, the receive ring with and without
 * WRAP, the filter, loopback, the timer; and rings that lie.
 */
#include "nic_bench.h"

#include "hw/rtl8139.h"

enum {
    TSD0 = 0x10,
    TSAD0 = 0x20,
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38,
    CBR = 0x3a,
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TCTR = 0x48,
    MPC = 0x4c,
    EECR = 0x50,
    CONFIG1 = 0x52,
    TIMERINT = 0x54,
    MSR = 0x58,
    TSAD = 0x60,
    BMSR = 0x64
};
enum { RING_PA = 0x20000, RING_BYTES = 8192, TX_PA = 0x40000 };
enum { OWN = 0x2000, TOK = 0x8000 };

static Rtl8139 card;

static int setup(void **state)
{
    (void)state;
    nic_bench_up();
    rtl8139_init(&card, &pci, 3, bus, phys, &clk, wire_line(&intx), my_mac);
    world_plug(&card.port);
    nic_decode();
    return 0;
}

static u32 get(u16 reg, unsigned bytes) { return bus_port_in(bus, (u16)(NIC_IO + reg), bytes); }
static void set(u16 reg, u32 v, unsigned bytes) { bus_port_out(bus, (u16)(NIC_IO + reg), v, bytes); }

static void start(u32 rcr)
{
    set(CR, 0x10, 1);
    assert_int_equal(get(CR, 1), 0x01); /* done, and the ring is empty */
    set(CR, 0x0c, 1);
    set(RCR, rcr, 4);
    set(TCR, 0x03000600, 4);
    set(RBSTART, RING_PA, 4);
    set(MPC, 0, 4);
    set(IMR, 0xffff, 2);
}

static void transmit(u32 n, u32 bytes)
{
    phys_dma_write(phys, TX_PA + n * 0x800, frame_to(other_mac, bytes), bytes);
    set((u16)(TSAD0 + 4 * n), TX_PA + n * 0x800, 4);
    set((u16)(TSD0 + 4 * n), bytes, 4);
}

/* --- registers ------------------------------------------------------------------------------------------- */

static u16 eeprom_read(u32 at, unsigned address_bits)
{
    u32 command = 6u << address_bits | at;
    u16 v = 0;
    set(EECR, 0x80, 1), set(EECR, 0x88, 1);
    for (int n = (int)address_bits + 4; n >= 0; n--) {
        u8 data = command >> n & 1 ? 0x02 : 0;
        set(EECR, 0x88 | data, 1), set(EECR, 0x8c | data, 1);
    }
    set(EECR, 0x88, 1);
    for (int n = 0; n < 16; n++) {
        set(EECR, 0x8c, 1);
        v = (u16)(v << 1 | (get(EECR, 1) & 1));
        set(EECR, 0x88, 1);
    }
    set(EECR, 0, 1);
    return v;
}

static void it_is_found(void **state)
{
    (void)state;
    assert_int_equal(config(0, 4), 0x813910ec);
    assert_int_equal(config(8, 4), 0x02000010);
    assert_int_equal(get(0, 4), load32(my_mac));
    assert_int_equal(phys_read(phys, NIC_PA + 4, 2), load16(my_mac + 4));
    assert_int_equal(get(TCR, 4) & 0x7cc00000, 0x74000000);
    assert_int_not_equal(eeprom_read(0, 8), 0x8129); /* how drivers tell the EEPROM's size */
    assert_int_equal(eeprom_read(0, 6), 0x8129);
    for (u32 n = 0; n < 3; n++) assert_int_equal(eeprom_read(7 + n, 6), load16(my_mac + 2 * n));
}

static void configuration_is_locked(void **state)
{
    (void)state;
    set(CONFIG1, 0xff, 1);
    assert_int_equal(get(CONFIG1, 1), 0x0c);
    set(EECR, 0xc0, 1), set(CONFIG1, 0xff, 1), set(EECR, 0, 1);
    assert_int_equal(get(CONFIG1, 1), 0xff);
}

static void the_link_shows(void **state)
{
    (void)state;
    start(0x0a);
    assert_int_equal(get(MSR, 1) & 4, 0);
    assert_int_equal(get(BMSR, 2) & 4, 4);
    net_carrier(port, true);
    assert_false(intx.level); /* as before */
    net_carrier(port, false);
    assert_int_equal(get(MSR, 1) & 4, 4);
    assert_int_equal(get(BMSR, 2) & 4, 0);
    assert_true(intx.level && get(ISR, 2) == 0x20);
    assert_int_equal(get(0x74, 2) & 0x0c00, 0x0800); /* CSCR: changed, and out */
    assert_int_equal(get(0x74, 2) & 0x0c00, 0x0000);
    set(ISR, 0x20, 2);
    net_carrier(port, true);
    assert_int_equal(get(0x74, 2) & 0x0c00, 0x0c00);
    assert_true(intx.level && get(ISR, 2) == 0x20 && get(BMSR, 2) & 4);
    net_carrier(port, false);
    set(ISR, 0x20, 2);
    transmit(0, 60);
    assert_int_equal(world.frames, 0);
    assert_int_equal(get(TSD0, 4), 0x8000a03c); /* no carrier */
}

static void the_timer_interrupts(void **state)
{
    (void)state;
    start(0x0a);
    set(TCTR, 0, 4);
    set(TIMERINT, 33000, 4); /* 1 ms of 33 MHz */
    clock_advance(&clk, MS - US);
    assert_false(intx.level);
    assert_in_range(get(TCTR, 4), 32900, 33000);
    clock_advance(&clk, 2 * US);
    assert_true(intx.level);
    assert_int_equal(get(ISR, 2), 0x4000);
    set(ISR, 0x4000, 2);
    assert_false(intx.level);
    set(TCTR, 0, 4);
    clock_advance(&clk, 2 * MS);
    assert_true(intx.level);
    set(ISR, 0x4000, 2);
    clock_advance(&clk, SEC); /* once each time around, not before */
    assert_false(intx.level);
    assert_int_equal(get(TCTR, 4) / 33000, 1002);
    clock_advance(&clk, (1ull << 32) * 1000 / 33 + US - SEC);
    assert_true(intx.level);
    assert_int_equal(get(TCTR, 4) / 33000, 2);
    set(ISR, 0x4000, 2);
    set(TIMERINT, 0, 4);
    set(TCTR, 1, 4); /* whatever is written */
    assert_int_equal(get(TCTR, 4), 0);
    clock_advance(&clk, 200ull * SEC);
    assert_false(intx.level);
}

/* Each width and place of an access tells the same, and of the timer one moment. */
static void registers_are_read_in_any_width(void **state)
{
    (void)state;
    start(0x0a);
    clock_advance(&clk, 123456789);
    assert_true(offer(my_mac, 60));
    for (u16 reg = 0; reg + 4 <= 0x100; reg++) {
        u32 bytes = 0;
        for (u16 n = 0; n < 4; n++) bytes |= get((u16)(reg + n), 1) << 8 * n;
        assert_int_equal(get(reg, 4), bytes);
        assert_int_equal(get(reg, 2), bytes & 0xffff);
        assert_int_equal(phys_read(phys, NIC_PA + (reg & ~3u), 4), get(reg & ~3u, 4));
    }
    assert_int_equal(get(TCTR, 4), 4074074);
}

/* --- frames ---------------------------------------------------------------------------------------------- */

static void frames_go_out(void **state)
{
    (void)state;
    start(0x0a);
    for (u32 n = 0; n < 10; n++) {
        u32 bytes = 60 + 150 * n;
        transmit(n % 4, bytes);
        assert_int_equal(world.bytes, bytes);
        assert_memory_equal(world.frame, frame_to(other_mac, bytes), bytes);
        assert_int_equal(get((u16)(TSD0 + 4 * (n % 4)), 4), OWN | TOK | bytes);
        assert_true(intx.level && get(ISR, 2) == 0x0004);
        set(ISR, 0x0004, 2);
        assert_false(intx.level);
    }
    assert_int_equal(get(TSAD, 2), 0xf00f);
    transmit(2, 30);
    assert_int_equal(world.bytes, 60);
    u32 frames = world.frames;
    transmit(3, 0x1fff); /* too long */
    assert_int_equal(world.frames, frames);
}

static void descriptors_are_sent_in_turn(void **state)
{
    (void)state;
    start(0x0a);
    transmit(1, 100);
    assert_int_equal(world.frames, 0);
    transmit(0, 60);
    assert_int_equal(world.frames, 2);
    assert_int_equal(world.bytes, 100);
    set(CR, 0x08, 1); /* the transmitter is off */
    transmit(2, 60);
    assert_int_equal(world.frames, 2);
}

static u32 ring_byte(u32 at) { return phys_read(phys, RING_PA + at, 1); }

/* Reads all of the ring through and around; `wraps`: frames run over its end. */
static void ring_runs(u32 rcr, bool wraps)
{
    u32 at = 0;
    start(rcr);
    for (u32 n = 0; n < 60; n++) {
        u32 bytes = 60 + n * 97 % 1455, room = (4 + bytes + 4 + 3) & ~3u;
        const u8 *frame = frame_to(my_mac, bytes);
        u8 fcs[4];
        assert_true(offer(my_mac, bytes));
        assert_int_equal(get(CR, 1) & 1, 0);
        assert_int_equal(ring_byte(at) | ring_byte(at + 1) << 8, 0x4001);
        assert_int_equal(ring_byte(at + 2) | ring_byte(at + 3) << 8, bytes + 4);
        store32(fcs, ~ether_crc(frame, bytes));
        for (u32 i = 0; i < bytes + 4; i++) {
            u32 place = at + 4 + i;
            if (!wraps) place %= RING_BYTES;
            assert_int_equal(ring_byte(place), i < bytes ? frame[i] : fcs[i - bytes]);
        }
        at = (at + room) % RING_BYTES;
        assert_int_equal(get(CBR, 2), at);
        assert_true(intx.level && get(ISR, 2) == 0x0001);
        set(CAPR, at - 16, 2);
        set(ISR, 0x0001, 2);
        assert_int_equal(get(CR, 1) & 1, 1);
    }
}

static void frames_come_in(void **state)
{
    (void)state;
    ring_runs(0x0a, false);
    ring_runs(0x8a, true);
}

static void a_full_ring_holds_the_world_back(void **state)
{
    u32 taken = 0;
    (void)state;
    start(0x0a);
    while (offer(my_mac, 1514)) taken++;
    assert_int_equal(taken, 5);
    assert_int_equal(world.readies, 0);
    set(ISR, 0xffff, 2); /* a driver that stops half-way is reminded */
    assert_false(intx.level);
    clock_advance(&clk, MS);
    assert_true(intx.level && get(ISR, 2) == 0x0001);
    set(CAPR, 1524 - 16, 2);
    assert_int_equal(world.readies, 1);
    assert_true(offer(my_mac, 1000));
    assert_false(offer(my_mac, 1514));
    set(CR, 0x04, 1);
    assert_int_equal(world.readies, 2);
    assert_true(offer(my_mac, 1514)); /* nobody listens */
}

static void acknowledge(void) { set(ISR, 0xffff, 2); }

static void a_driver_that_does_not_read_loses_nothing(void **state)
{
    (void)state;
    start(0x0a);
    while (offer(my_mac, 1514)) {
    }
    assert_world_waits(my_mac, 1514, acknowledge);
    assert_int_equal(get(ISR, 2) & 0x10, 0);
    assert_int_equal(get(MPC, 4), 0);
    set(CAPR, 1524 - 16, 2);
    assert_int_equal(world.readies, 1);
    assert_true(offer(my_mac, 1000));
    clock_advance(&clk, 10ull * SEC); /* nothing waits */
    set(ISR, 0xffff, 2);
    clock_advance(&clk, 10ull * SEC);
    assert_false(intx.level);
}

static void what_does_not_fit_in_loopback_is_missed(void **state)
{
    (void)state;
    start(0x0a);
    set(TCR, 0x03060600, 4);
    phys_dma_write(phys, TX_PA, frame_to(my_mac, 1514), 1514);
    for (u32 n = 0; n < 6; n++)
        set((u16)(TSAD0 + 4 * (n % 4)), TX_PA, 4), set((u16)(TSD0 + 4 * (n % 4)), 1514, 4);
    assert_int_equal(get(ISR, 2), 0x0015);
    assert_int_equal(get(MPC, 4), 1);
    set(MPC, 0, 4);
    assert_int_equal(get(MPC, 4), 0);
}

static void what_is_loaded_is_offered_frames(void **state)
{
    StateBytes saved = {0};
    Parts parts = {.count = 0};
    char problem[STATE_PROBLEM];
    (void)state;
    part_add(&parts, &rtl8139_part, "card", &card);
    start(0x0a);
    assert_true(parts_save(&parts, &saved, problem));
    while (offer(my_mac, 1514)) {
    }
    assert_true(parts_load(&parts, saved.at, saved.count, problem)); /* the ring is empty again */
    assert_in_range(world.readies, 1, 2);
    assert_true(offer(my_mac, 1514));
    state_bytes_free(&saved);
}

static bool accepted(const u8 *to)
{
    u32 before = get(CBR, 2);
    assert_true(offer(to, 60));
    u32 now = get(CBR, 2);
    set(CAPR, now - 16, 2);
    return now != before;
}

static void addresses_are_filtered(void **state)
{
    static const u8 all[6] = {255, 255, 255, 255, 255, 255}, group[6] = {1, 0, 0x5e, 0, 0, 1};
    static const struct {
        u32 rcr;
        bool me, other, everyone, some;
    } cases[] = {{0x00, false, false, false, false}, {0x02, true, false, false, false},
                 {0x08, false, false, true, false},  {0x0e, true, false, true, true},
                 {0x01, true, true, false, false},   {0x0f, true, true, true, true}};
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(cases); n++) {
        start(cases[n].rcr);
        set(0x08, 0x80000000, 4), set(0x0c, 0, 4); /* 224.0.0.1's bit: 31 */
        assert_int_equal(accepted(my_mac), cases[n].me);
        assert_int_equal(accepted(other_mac), cases[n].other);
        assert_int_equal(accepted(all), cases[n].everyone);
        assert_int_equal(accepted(group), cases[n].some);
    }
}

static void loopback_returns_frames(void **state)
{
    (void)state;
    start(0x0a);
    set(TCR, 0x03060600, 4);
    phys_dma_write(phys, TX_PA, frame_to(my_mac, 100), 100);
    set(TSAD0, TX_PA, 4), set(TSD0, 100, 4);
    assert_int_equal(world.frames, 0);
    assert_int_equal(peek16(RING_PA + 2), 104);
    assert_ram(RING_PA + 4, frame_to(my_mac, 100), 100);
    assert_int_equal(get(ISR, 2), 0x0005);
}

/* --- registers that lie ---------------------------------------------------------------------------------- */

static void rings_anywhere_do_no_harm(void **state)
{
    static const u32 places[] = {0,           0xfffffffc, 0xffffffff, 0xf0000000,
                                 NIC_RAM - 4, NIC_PA,     0xa0000,    RING_PA + 1};
    u32 dice = 1;
    (void)state;
    for (u32 n = 0; n < 20000; n++) {
        start((dice >> 3 & 0x1880) | 0x0f);
        set(RBSTART, places[dice >> 16 & 7], 4);
        set(TCR, dice & 0x00060000, 4);
        for (u32 i = 0; i < 8; i++) {
            dice = dice * 1664525 + 1013904223;
            offer(my_mac, 60 + (dice >> 4) % 1455);
            set(CAPR, dice >> 12, 2);
            set((u16)(TSAD0 + 4 * (i & 3)), places[dice >> 20 & 7], 4);
            set((u16)(TSD0 + 4 * (i & 3)), dice & ~OWN, 4);
            set(RCR, (dice >> 3 & 0x1880) | 0x0f, 4);
            set((u16)(dice >> 24), dice, 1u << (dice >> 20) % 3);
        }
        if (n % 16 == 0) clock_advance(&clk, 30 * MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NIC_TEST(it_is_found),
        NIC_TEST(configuration_is_locked),
        NIC_TEST(the_link_shows),
        NIC_TEST(the_timer_interrupts),
        NIC_TEST(registers_are_read_in_any_width),
        NIC_TEST(frames_go_out),
        NIC_TEST(descriptors_are_sent_in_turn),
        NIC_TEST(frames_come_in),
        NIC_TEST(a_full_ring_holds_the_world_back),
        NIC_TEST(a_driver_that_does_not_read_loses_nothing),
        NIC_TEST(what_does_not_fit_in_loopback_is_missed),
        NIC_TEST(what_is_loaded_is_offered_frames),
        NIC_TEST(addresses_are_filtered),
        NIC_TEST(loopback_returns_frames),
        NIC_TEST(rings_anywhere_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
