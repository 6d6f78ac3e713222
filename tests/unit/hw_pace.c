/* hw_pace.c - drives with limits on their speed: bytes and commands a second in guest time, by DMA and PIO, of a disk and a
 * CD; what the guest does meanwhile shortens no wait; a wait is saved and loaded; a limit that changes, or is not there.
 */
#include "ide_bench.h"

#include "hw/part.h"

enum { P = 0x1f0, S = 0x170, SECTORS = 4096, MIB = 1 << 20 };
static Parts parts;

static int setup(void **state)
{
    (void)state;
    bench_up();
    bays[0] = (Drive){.present = true, .medium = medium_make(0, SECTORS)};
    bays[2] = (Drive){.present = true, .cdrom = true, .medium = medium_make(2, 400)};
    media[2].medium.readonly = true;
    ide_up();
    parts = (Parts){0};
    part_add(&parts, &clock_part, "clock", &clk);
    part_add(&parts, &ide_part, "ide", ide);
    return 0;
}

#define PACE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, ide_down)

static void command(u8 code, u32 lba, u8 count)
{
    u8 v[] = {0, count, (u8)lba, (u8)(lba >> 8), (u8)(lba >> 16), 0xe0};
    for (u16 n = 0; n < 6; n++) out((u16)(P + 1 + n), v[n]);
    out(P + 7, code);
}

static void begin_dma(bool writes, u8 sectors)
{
    prd(0, DMA_AT, (u32)sectors * 512, true);
    out(BM + 2, 4);
    command(writes ? 0xca : 0xc8, 100, sectors);
    bm_start(BM, !writes);
}

/* On to the interrupt, by the drive's own timers. */
static void run_to_interrupt(void)
{
    while (!irq14.level) {
        assert_non_null(clk.queue);
        clock_advance(&clk, clock_next_deadline(&clk) - clk.manual_ns);
    }
    assert_int_equal(in(P + 7), 0x50);
    out(BM, 0);
}

static void dma(bool writes, u8 sectors)
{
    begin_dma(writes, sectors);
    run_to_interrupt();
}

/* Seconds of guest time that so many transfers take, one behind the other. */
static double seconds_for(u32 transfers, bool writes, u8 sectors)
{
    u64 began = clk.manual_ns;
    for (u32 n = 0; n < transfers; n++) dma(writes, sectors);
    return (double)(clk.manual_ns - began) / SEC;
}

#define ASSERT_NEAR(measured, expected, within)                                                              \
    do {                                                                                                     \
        double seen_ = (measured);                                                                           \
        if (seen_ < (expected) - (within) || seen_ > (expected) + (within))                                  \
            fail_msg("%s is %.4f, not %.4f", #measured, seen_, (double)(expected));                          \
    } while (0)

/* --- rates ----------------------------------------------------------------------------------------------- */

static void without_limits_nothing_is_slower(void **state)
{
    (void)state;
    ASSERT_NEAR(seconds_for(100, false, 128), 100 * 15e-6, 1e-6);
}

/* A tenth of a second's worth at once, the rest at the limit. */
static void bytes_a_second(void **state)
{
    (void)state;
    bays[0].limits.bytes[LIMIT_TOTAL] = MIB;
    ASSERT_NEAR(seconds_for(160, false, 128), 160 / 16.0 - 0.1, 1 / 16.0 + 0.01);
    clock_advance(&clk, 20ull * SEC); /* a pause earns a tenth of a second, not more */
    ASSERT_NEAR(seconds_for(16, true, 128), 1 - 0.1, 1 / 16.0 + 0.01);
    ASSERT_NEAR(seconds_for(1600, true, 1), 1600 * 512.0 / MIB, 1 / 16.0 + 0.01);
}

static void commands_a_second(void **state)
{
    (void)state;
    bays[0].limits.commands[LIMIT_TOTAL] = 100;
    ASSERT_NEAR(seconds_for(50, false, 1), 0.5 - 0.1, 0.011);
    ASSERT_NEAR(seconds_for(50, false, 128), 0.5, 0.011);
}

static void reads_and_writes_have_their_own(void **state)
{
    (void)state;
    bays[0].limits.bytes[LIMIT_READ] = MIB;
    bays[0].limits.commands[LIMIT_WRITE] = 10;
    ASSERT_NEAR(seconds_for(64, false, 128), 4 - 0.1, 1 / 16.0 + 0.01);
    ASSERT_NEAR(seconds_for(20, true, 128), 2 - 0.1, 0.11);
}

static void the_tightest_limit_counts(void **state)
{
    (void)state;
    bays[0].limits = (DriveLimits){.bytes = {8 * MIB, 0, 0}, .commands = {20, 0, 0}};
    ASSERT_NEAR(seconds_for(40, false, 128), 2 - 0.1, 0.06);
    bays[0].limits = (DriveLimits){.bytes = {MIB, 0, 0}, .commands = {1000000, 0, 0}};
    bays[0].pace = (Pace){0};
    ASSERT_NEAR(seconds_for(32, false, 128), 2 - 0.1, 1 / 16.0 + 0.01);
}

/* PIO: a block of 16 sectors is a command to the limits. */
static void pio_too(void **state)
{
    static u8 block[8192];
    (void)state;
    bays[0].limits.bytes[LIMIT_TOTAL] = 64 << 10;
    out(P + 2, 16), out(P + 6, 0xe0), out(P + 7, 0xc6);
    run_to_interrupt();
    u64 began = clk.manual_ns;
    command(0xc4, 0, 64);
    for (u32 n = 0; n < 4; n++) {
        while (!irq14.level) clock_advance(&clk, clock_next_deadline(&clk) - clk.manual_ns);
        assert_int_equal(in(P + 7), 0x58);
        data_get(P, block, sizeof block);
        assert_int_equal(block[0], 16 * n + 1);
    }
    command(0xc5, 1000, 64);
    for (u32 n = 0; n < 4; n++) {
        while (!(alt(P) & DRQ_BIT)) clock_advance(&clk, MS);
        memset(block, (int)n + 0x80, sizeof block);
        data_put(P, block, sizeof block);
    }
    while (alt(P) & BSY_BIT) clock_advance(&clk, MS);
    ASSERT_NEAR((double)(clk.manual_ns - began) / SEC, 1 - 0.1, 8192.0 / 65536 + 0.01);
    for (u32 n = 0; n < 4; n++) assert_int_equal(media[0].bytes[(1000 + 16 * n) * 512], n + 0x80);
}

static void a_cd_too(void **state)
{
    u8 packet[12] = {0x28, 0, 0, 0, 0, 0, 0, 0, 8};
    (void)state;
    bays[2].limits.bytes[LIMIT_TOTAL] = 32 << 10;
    u64 began = clk.manual_ns;
    for (u32 n = 0; n < 9; n++) { /* 9 of 16 KiB, the first of which is told of the disc */
        prd(0, DMA_AT, 16384, true);
        out(S + 1, 1), out(S + 4, 0xfe), out(S + 5, 0xff), out(S + 6, 0xa0), out(S + 7, 0xa0);
        data_put(S, packet, 12);
        bm_start(BM + 8, true);
        for (u32 k = 0; alt(S) & BSY_BIT; k++) assert_true(k < 5000), clock_advance(&clk, MS);
        in(S + 7), out(BM + 8, 0), out(BM + 10, 4);
        if (n == 0) began = clk.manual_ns;
    }
    ASSERT_NEAR((double)(clk.manual_ns - began) / SEC, 8 * 0.5 - 0.1, 0.55);
}

/* --- what happens meanwhile ------------------------------------------------------------------------------ */

static void owe(void)
{
    bays[0].limits.bytes[LIMIT_TOTAL] = 64 << 10;
    dma(false, 128); /* a second's worth */
}

static void looking_at_it_shortens_nothing(void **state)
{
    (void)state;
    owe();
    u64 due = bays[0].pace.bytes_due_ns[LIMIT_TOTAL] - SEC / 10;
    out(0x3f6, 2); /* no interrupt, so no timer */
    begin_dma(true, 8);
    assert_null(clk.queue);
    for (u32 n = 0; n < 1000; n++) {
        assert_int_equal(alt(P) & BSY_BIT, BSY_BIT);
        assert_int_equal(in(P + 7) & BSY_BIT, BSY_BIT);
        assert_int_equal(in(BM + 2) & 1, 1);
        bus_port_out(bus, P, 0x5555, 2);
        out(P + 7, 0xec); /* a busy drive takes no command */
    }
    clock_advance(&clk, due - clk.manual_ns - US);
    assert_int_equal(in(P + 7) & BSY_BIT, BSY_BIT);
    memset(media[0].bytes + 100 * 512, 0, 512);
    clock_advance(&clk, 2 * US);
    in(P + 7), in(P + 7), in(P + 7);
    assert_int_equal(in(P + 7), 0x50);
    assert_int_equal(media[0].bytes[100 * 512], phys_read(phys, DMA_AT, 1));
}

static void a_reset_ends_the_wait(void **state)
{
    (void)state;
    owe();
    begin_dma(false, 8);
    out(0x3f6, 4), out(0x3f6, 0);
    assert_null(clk.queue);
    assert_int_equal(in(P + 7), 0x50);
    out(BM, 0);
    u64 began = clk.manual_ns;
    dma(false, 8); /* has to wait all the same */
    assert_true(clk.manual_ns - began > SEC / 2);
}

static void a_wait_is_saved(void **state)
{
    StateBytes b = {0}, again = {0};
    char problem[STATE_PROBLEM] = "";
    (void)state;
    owe();
    begin_dma(false, 8);
    clock_advance(&clk, SEC / 4);
    u64 deadline = clock_next_deadline(&clk);
    assert_true(parts_save(&parts, &b, problem));
    run_to_interrupt();
    assert_int_equal(clk.manual_ns, deadline + 15 * US);
    assert_true(parts_load(&parts, b.at, b.count, problem));
    assert_true(parts_save(&parts, &again, problem));
    assert_int_equal(again.count, b.count);
    assert_memory_equal(again.at, b.at, b.count);
    assert_int_equal(clock_next_deadline(&clk), deadline);
    for (u32 n = 0; n < 4; n++) assert_int_equal(in(P + 7) & BSY_BIT, BSY_BIT);
    state_bytes_free(&b), state_bytes_free(&again);
}

/* However low a limit is: an hour, not for ever. */
static void the_lowest_limit(void **state)
{
    (void)state;
    bays[0].limits.bytes[LIMIT_TOTAL] = 1;
    ASSERT_NEAR(seconds_for(3, false, 128), 2 * 3600 - 0.1, 1);
    bays[0].limits = (DriveLimits){.bytes = {UINT64_MAX, 0, 0}, .commands = {UINT64_MAX, 0, 0}};
    bays[0].pace = (Pace){0};
    ASSERT_NEAR(seconds_for(100, false, 128), 100 * 15e-6, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PACE_TEST(without_limits_nothing_is_slower),
        PACE_TEST(bytes_a_second),
        PACE_TEST(commands_a_second),
        PACE_TEST(reads_and_writes_have_their_own),
        PACE_TEST(the_tightest_limit_counts),
        PACE_TEST(pio_too),
        PACE_TEST(a_cd_too),
        PACE_TEST(looking_at_it_shortens_nothing),
        PACE_TEST(a_reset_ends_the_wait),
        PACE_TEST(a_wait_is_saved),
        PACE_TEST(the_lowest_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
