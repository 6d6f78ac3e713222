/* hw_atapi.c - a CD drive by packets: PIO and bus master, replies, sense, and a medium that is changed. */
#include "ide_bench.h"
#include "tests/random.h"

enum { B = 0x170, BLOCKS = 64 };
static u8 reply[65536];

static int setup(void **state)
{
    (void)state;
    bench_up();
    bays[2] = (Drive){.present = true, .cdrom = true, .medium = medium_make(2, BLOCKS * 4)};
    media[2].medium.readonly = true;
    ide_up();
    return 0;
}

static void packet_send(u8 features, u16 limit, const u8 packet[12])
{
    u8 v[] = {features, 0, 0, (u8)limit, (u8)(limit >> 8), 0xa0};
    for (u16 n = 0; n < 6; n++) out((u16)(B + 1 + n), v[n]);
    out(B + 7, 0xa0);
    assert_int_equal(alt(B) & (BSY_BIT | DRQ_BIT), DRQ_BIT);
    assert_int_equal(in(B + 2), 1); /* a command is awaited */
    data_put(B, packet, 12);
}

/* A packet by PIO: how many bytes came into `reply`; -1: CHECK CONDITION. Blocks are no larger than `limit`. */
static int packet_limited(u16 limit, const u8 packet[12])
{
    u32 n = 0;
    packet_send(0, limit, packet);
    for (;;) {
        u8 status = wait(B);
        assert_int_equal(status & BSY_BIT, 0);
        if (!(status & DRQ_BIT)) {
            assert_int_equal(in(B + 2), 3);
            return status & ERR_BIT ? -1 : (int)n;
        }
        assert_int_equal(in(B + 2), 2);
        u32 block = in(B + 4) | (u32)in(B + 5) << 8;
        assert_true(block && block <= limit && n + block <= sizeof reply);
        data_get(B, reply + n, block);
        n += block;
    }
}

#define PACKET(...) packet_limited(0xfffe, (const u8[12]){__VA_ARGS__})

/* Key, ASC and ASCQ of the last error. */
static u32 sense(void)
{
    assert_int_equal(PACKET(0x03, 0, 0, 0, 18), 18);
    return (u32)reply[2] << 16 | (u32)reply[12] << 8 | reply[13];
}

static void a_cd_drive_shows_its_signature(void **state)
{
    (void)state;
    assert_int_equal(in(B + 7), 0);
    assert_true(in(B + 2) == 1 && in(B + 3) == 1 && in(B + 4) == 0x14 && in(B + 5) == 0xeb);
    out(B + 4, 0), out(B + 5, 0);
    out(B + 7, 0xec); /* IDENTIFY DEVICE is refused, with the signature */
    assert_int_equal(wait(B) & ERR_BIT, ERR_BIT);
    assert_true(in(B + 1) == 4 && in(B + 4) == 0x14 && in(B + 5) == 0xeb);
    out(B + 7, 0xa1);
    assert_int_equal(wait(B), DRDY_BIT | DRQ_BIT); /* SERV is 0 */
    assert_int_equal(in(B + 2), 2);                /* data wait */
    data_get(B, reply, 512);
    assert_int_equal(load16(reply), 0x85c0);
    assert_memory_equal(reply + 54, "IRGN 3DCR-MO", 12);
    assert_int_equal(in(B + 7) & DRQ_BIT, 0);
    out(B + 1, 2), out(B + 7, 0xa0); /* overlapped: refused, as a packet that has ended */
    assert_true(wait(B) == 0x41 && in(B + 1) == 4 && in(B + 2) == 3);
    out(B + 7, 0x08); /* DEVICE RESET */
    assert_true(in(B + 7) == 0 && in(B + 4) == 0x14);
    assert_int_equal(PACKET(0x12, 0, 0, 0, 36), 36);
    assert_true(reply[0] == 5 && reply[1] == 0x80);
    assert_memory_equal(reply + 8, "RING3   RING3 CD-ROM", 20);
    assert_int_equal(PACKET(0x12, 0, 0, 0, 5), 5);
}

static void sectors_come_in_blocks_that_the_guest_allows(void **state)
{
    (void)state;
    assert_int_equal(PACKET(0x28, 0, 0, 0, 0, 3, 0, 0, 2), 4096);
    assert_true(reply[0] == 13 && reply[4095] == 20);
    static const u16 limits[] = {2048, 0x1000, 512, 100, 2, 5000, 0xffff};
    for (unsigned n = 0; n < ARRAY_LEN(limits); n++) {
        memset(reply, 0, sizeof reply);
        assert_int_equal(packet_limited(limits[n], (const u8[12]){0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 3}),
                         3 * 2048);
        for (u32 i = 0; i < 12; i++) assert_true(reply[i * 512] == 5 + i && reply[i * 512 + 511] == 5 + i);
    }
    assert_int_equal(PACKET(0x28, 0, 0, 0, 0, 40, 0, 0, 24), 24 * 2048);
    assert_int_equal(reply[24 * 2048 - 1], 0);
    assert_int_equal(PACKET(0x28, 0, 0, 0, 0, 40, 0, 0, 25), -1);
    assert_int_equal(in(B + 1), 0x54);
    assert_int_equal(sense(), 0x052100);
    assert_int_equal(PACKET(0x28), 0); /* no sectors is no error */
    media[2].bad = 20;
    assert_int_equal(PACKET(0x28, 0, 0, 0, 0, 5, 0, 0, 1), -1);
    assert_int_equal(sense(), 0x031100);
}

static void dma_fills_memory(void **state)
{
    (void)state;
    prd(0, DMA_AT + 0x800, 2048, false);
    prd(1, DMA_AT + 0x4002, 1000, false);
    prd(2, DMA_AT + 0x8000, 3 * 2048 - 1000, true);
    packet_send(1, 0, (const u8[12]){0x28, 0, 0, 0, 0, 8, 0, 0, 4});
    bm_start(BM + 8, true);
    clock_advance(&clk, MS);
    assert_int_equal(irq15.level, 1);
    assert_int_equal(in(BM + 10) & 7, 4);
    assert_true(in(B + 7) == 0x40 && in(B + 2) == 3);
    assert_int_equal(phys_read(phys, DMA_AT + 0x800, 1), 33);
    assert_int_equal(phys_read(phys, DMA_AT + 0x4002, 1), 37);
    assert_int_equal(phys_read(phys, DMA_AT + 0x4002 + 999, 1), 38);
    assert_int_equal(phys_read(phys, DMA_AT + 0x8000, 1), 38);
    assert_int_equal(phys_read(phys, DMA_AT + 0x8000 + 3 * 2048 - 1001, 1), 48);
    out(BM + 8, 0);
    prd(0, DMA_AT, 36, true); /* a short reply */
    packet_send(1, 0, (const u8[12]){0x12, 0, 0, 0, 36});
    bm_start(BM + 8, true);
    clock_advance(&clk, MS);
    assert_int_equal(in(BM + 10) & 7, 4);
    assert_int_equal(phys_read(phys, DMA_AT, 1), 5);
}

static void held_reads_are_taken_up_again(void **state)
{
    (void)state;
    media[2].holds = 5;
    assert_int_equal(PACKET(0x28, 0, 0, 0, 0, 3, 0, 0, 2), 4096);
    assert_true(reply[0] == 13 && reply[4095] == 20);
    media[2].holds = 5;
    assert_int_equal(PACKET(0xbe, 0, 0, 0, 0, 2, 0, 0, 2, 0xf8), 2 * 2352);
    assert_true(reply[16] == 9 && reply[2352 + 16] == 13);
    media[2].holds = 5;
    prd(0, DMA_AT, 4096, true);
    packet_send(1, 0, (const u8[12]){0x28, 0, 0, 0, 0, 8, 0, 0, 2});
    bm_start(BM + 8, true);
    assert_int_equal(irq15.level, 0);
    clock_advance(&clk, MS);
    assert_true(irq15.level && (in(BM + 10) & 7) == 4);
    assert_true(phys_read(phys, DMA_AT, 1) == 33 && phys_read(phys, DMA_AT + 4095, 1) == 40);
}

static void raw_sectors(void **state)
{
    (void)state;
    assert_int_equal(PACKET(0xbe, 0, 0, 0, 0, 2, 0, 0, 2, 0xf8), 2 * 2352);
    static const u8 sync[16] = {0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0x00, 0x02, 0x02, 1};
    assert_memory_equal(reply, sync, 16);
    assert_true(reply[16] == 9 && reply[16 + 2047] == 12 && reply[2352 + 14] == 3 && reply[2352 + 16] == 13);
    assert_int_equal(PACKET(0xb9, 0, 0, 0, 2, 2, 0, 2, 3, 0x10), 2048); /* by minute, second, frame */
    assert_int_equal(reply[0], 9);
    assert_int_equal(PACKET(0xbe, 0, 0, 0, 0, 2, 0, 0, 1, 0), 0);
    assert_int_equal(PACKET(0xbe, 4, 0, 0, 0, 2, 0, 0, 1, 0xf8), -1); /* audio is wanted */
    assert_int_equal(sense(), 0x056400);
}

static void the_disc_describes_itself(void **state)
{
    (void)state;
    assert_int_equal(PACKET(0x25), 8);
    assert_true(reply[3] == BLOCKS - 1 && reply[6] == 8);
    assert_int_equal(PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 100), 20);
    static const u8 toc[20] = {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, BLOCKS};
    assert_memory_equal(reply, toc, 20);
    assert_int_equal(PACKET(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100), 12);
    assert_true(reply[9] == 0 && reply[10] == 2 && reply[11] == BLOCKS);
    assert_int_equal(PACKET(0x43, 0, 0, 0, 0, 0, 2, 0, 100), -1);
    assert_int_equal(PACKET(0x43, 0, 1, 0, 0, 0, 0, 0, 100), 12);
    assert_int_equal(PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40), 12); /* as SFF-8020 has the format */
    assert_int_equal(PACKET(0x43, 2, 2, 0, 0, 0, 0, 0, 200), 48);
    assert_int_equal(PACKET(0x51, 0, 0, 0, 0, 0, 0, 0, 34), 34);
    assert_int_equal(reply[2], 0x0e);
    assert_int_equal(PACKET(0x52, 1, 0, 0, 0, 1, 0, 0, 36), 36);
    assert_int_equal(reply[27], BLOCKS);
    int bytes = PACKET(0x46, 0, 0, 0, 0, 0, 0, 0, 200);
    assert_int_equal(bytes, reply[3] + 4);
    assert_true(reply[7] == 8 && reply[8] == 0 && reply[11] == 8);
    for (u32 at = 8, n = reply[3] + 4u; at < n; at += 4u + reply[at + 3])
        assert_true(at + 4u + reply[at + 3] <= n);
    assert_int_equal(PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 200), 28);
    assert_true(reply[1] == 26 && reply[8] == 0x2a);
    bytes = PACKET(0x1a, 0, 0x3f, 0, 200);
    assert_int_equal(bytes, reply[0] + 1);
    assert_int_equal(PACKET(0x5a, 0, 0x07, 0, 0, 0, 0, 0, 200), -1);
    assert_int_equal(PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 8);
    assert_int_equal(PACKET(0x42, 0, 0x40, 1, 0, 0, 0, 0, 16), 16);
    assert_int_equal(PACKET(0x44, 0, 0, 0, 0, 5, 0, 0, 8), 8);
    assert_true(reply[0] == 1 && reply[7] == 5);
    assert_int_equal(PACKET(0x2b, 0, 0, 0, 0, 5), 0);
    assert_int_equal(PACKET(0x2b, 0, 0, 0, 1, 5), -1);
    assert_int_equal(PACKET(0xad, 0, 0, 0, 0, 0, 0, 0, 8), -1); /* no DVD */
    assert_int_equal(PACKET(0xee), -1);
    assert_int_equal(sense(), 0x052000);
    assert_int_equal(PACKET(0x00), 0);
    assert_int_equal(sense(), 0);
}

static void mode_select_takes_its_parameters(void **state)
{
    (void)state;
    packet_send(0, 0xfffe, (const u8[12]){0x55, 0x10, 0, 0, 0, 0, 0, 0, 16});
    assert_int_equal(wait(B) & 0x89, DRQ_BIT);
    assert_true(in(B + 2) == 0 && in(B + 4) == 16);
    data_put(B, reply, 16);
    assert_int_equal(wait(B), 0x40);
}

static void a_changed_disc_is_told_twice(void **state)
{
    (void)state;
    assert_int_equal(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    assert_true(reply[2] == 4 && reply[4] == 0 && reply[5] == 2);
    drive_change(&bays[2], medium_make(3, 40));
    assert_int_equal(PACKET(0x12, 0, 0, 0, 36), 36); /* INQUIRY does not mind */
    assert_int_equal(PACKET(0x00), -1);
    assert_int_equal(sense(), 0x023a02);
    assert_int_equal(PACKET(0x00), -1);
    assert_int_equal(sense(), 0x062800);
    assert_int_equal(PACKET(0x00), 0);
    assert_int_equal(PACKET(0x25), 8);
    assert_int_equal(reply[3], 9);
    assert_int_equal(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    assert_int_equal(reply[4], 3); /* removal */
    assert_int_equal(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    assert_int_equal(reply[4], 2); /* new medium */
    assert_int_equal(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    assert_int_equal(reply[4], 0);
    drive_change(&bays[2], NULL);
    assert_int_equal(PACKET(0x00), -1);
    assert_int_equal(sense(), 0x023a02);
    assert_int_equal(PACKET(0x28, 0, 0, 0, 0, 0, 0, 0, 1), -1);
    assert_int_equal(sense(), 0x023a01);
}

static void the_guest_locks_and_opens_the_tray(void **state)
{
    (void)state;
    assert_int_equal(PACKET(0x1e, 0, 0, 0, 1), 0);
    assert_true(bays[2].locked);
    assert_int_equal(PACKET(0x1b, 0, 0, 0, 2), -1);
    assert_int_equal(sense(), 0x055302);
    bays[2].eject_wanted = true; /* somebody presses the button */
    bays[2].moved(bays[2].ctx);
    assert_int_equal(PACKET(0x00), 0);
    assert_int_equal(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    assert_int_equal(reply[4], 1); /* eject request */
    assert_int_equal(PACKET(0x1e), 0);
    assert_int_equal(PACKET(0x1b, 0, 0, 0, 2), 0);
    assert_true(bays[2].tray_open && !bays[2].eject_wanted);
    assert_int_equal(PACKET(0x00), -1);
    assert_int_equal(sense(), 0x023a02);
    assert_int_equal(PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 8);
    assert_int_equal(reply[1], 0x10);
    assert_int_equal(PACKET(0x1b, 0, 0, 0, 3), 0); /* and closes it */
    assert_int_equal(PACKET(0x00), -1);
    assert_int_equal(sense(), 0x062800);
    assert_int_equal(PACKET(0x00), 0);
}

static void a_large_image_is_a_dvd_that_may_end_oddly(void **state)
{
    (void)state;
    drive_change(&bays[2], medium_make(3, 4 * 450000 + 1));
    PACKET(0x00), PACKET(0x00);
    assert_int_equal(PACKET(0x46, 0, 0, 0, 0, 0, 0, 0, 8), 8);
    assert_int_equal(reply[7], 0x10);
    assert_int_equal(PACKET(0xad, 0, 0, 0, 0, 0, 0, 0, 0, 100), 100);
    assert_int_equal(PACKET(0xa8, 0, 0, 6, 0xdd, 0xd0, 0, 0, 0, 1), 2048); /* sector 450000 */
    assert_true(reply[511] != 0 && reply[512] == 0 && reply[2047] == 0);
}

/* --- the fuzzer ------------------------------------------------------------------------------------------ */

static u8 rnd_of(const u8 *list, u32 n) { return rnd() % 8 ? list[rnd() % n] : (u8)rnd(); }

/* Commands that a guest could give, with registers, packets and descriptors of all kinds. */
static void random_command(u16 base)
{
    static const u8 commands[] = {0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x91,
                                  0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa1, 0xb0, 0xc4, 0xc5, 0xc6,
                                  0xc8, 0xca, 0xe4, 0xe7, 0xe8, 0xec, 0xef, 0xf8, 0x08, 0x90};
    static const u8 packets[] = {0x00, 0x03, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25, 0x28,
                                 0x28, 0x2b, 0x42, 0x43, 0x44, 0x46, 0x4a, 0x51, 0x52,
                                 0x55, 0x5a, 0xa8, 0xad, 0xb9, 0xbd, 0xbe, 0xbe};
    for (u16 n = 1; n < 6; n++) out((u16)(base + n), rnd() % 3 ? (u8)(rnd() % 4) : (u8)rnd());
    out((u16)(base + 6), (u8)(0xa0 | (rnd() & 0x50) | (rnd() % 4 ? 0 : rnd() & 0xf)));
    out((u16)(base + 7), rnd_of(commands, sizeof commands));
    u8 packet[12];
    for (u32 n = 0; n < 12; n++) packet[n] = rnd() % 3 ? 0 : (u8)rnd();
    packet[0] = rnd_of(packets, sizeof packets);
    if (rnd() % 8) data_put(base, packet, 12);
}

static void random_descriptors(u16 bm)
{
    for (u32 n = 0; n < 4; n++)
        prd(n, rnd() % 4 ? rnd() % (17 << 20) : rnd(), rnd() % 3 ? rnd() % 4096 : rnd(), n == 3);
    bus_port_out(bus, (u16)(bm + 4), rnd() % 8 ? PRD : rnd(), 4);
    out(bm, (u8)rnd() & 9);
}

static void random_commands_do_no_harm(void **state)
{
    (void)state;
    const char *count = getenv("FUZZ_IDE"), *from = getenv("FUZZ_SEED");
    seed = from ? strtoull(from, NULL, 0) : 1;
    bays[0] = (Drive){.present = true, .medium = medium_make(0, 5000)};
    bays[1] = (Drive){.present = true, .medium = medium_make(1, 77)};
    bays[3] = (Drive){.present = true, .cdrom = true};
    media[1].medium.readonly = true;
    ide_init(ide, &pci, bus, phys, &clk, bays, wire_line(&irq14), wire_line(&irq15), true);
    ide_reset(ide);
    for (u32 n = count ? (u32)strtoul(count, NULL, 0) : 30000; n; n--) {
        u16 base = rnd() & 1 ? 0x1f0 : 0x170, bm = base == 0x1f0 ? BM : BM + 8;
        random_command(base);
        if (rnd() % 2) random_descriptors(bm);
        if (rnd() % 4) clock_advance(&clk, rnd() % 3 * 10000);
        for (u32 i = rnd() % 5 ? rnd() % 600 : rnd() % 6000; i; i--)
            rnd() & 1 ? (void)bus_port_in(bus, base, 2u << (i & 1))
                      : bus_port_out(bus, base, rnd(), 2u << (i & 1));
        in((u16)(base + rnd() % 8));
        if (rnd() % 64 == 0) out((u16)(base + 0x206), (u8)rnd() & 0x86);
        if (rnd() % 64 == 0) bays[2].tray_open = rnd() & 1, atapi_moved(&ide->channel[1].drive[0]);
        if (rnd() % 1024 == 0) {
            ide->configured = rnd() & 1;
            ide_reset(ide);
        }
        media[0].bad = rnd() % 4 ? UINT64_MAX : rnd() % 8;
        for (int c = 0; c < 2; c++)
            for (int i = 0; i < 2; i++) assert_true(ide->channel[c].drive[i].end <= IDE_BUFFER_BYTES);
    }
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, ide_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cd_drive_shows_its_signature),
        TEST(sectors_come_in_blocks_that_the_guest_allows),
        TEST(dma_fills_memory),
        TEST(held_reads_are_taken_up_again),
        TEST(raw_sectors),
        TEST(the_disc_describes_itself),
        TEST(mode_select_takes_its_parameters),
        TEST(a_changed_disc_is_told_twice),
        TEST(the_guest_locks_and_opens_the_tray),
        TEST(random_commands_do_no_harm),
        TEST(a_large_image_is_a_dvd_that_may_end_oddly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
