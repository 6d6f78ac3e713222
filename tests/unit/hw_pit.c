/* hw_pit.c - the 8254 by its datasheet: modes, latches, read-back, BCD, gate, and ticks that keep time. */
#include "hw_bench.h"

#include "hw/pit.h"

static Pit pit;
static Wire irq0;

static int setup(void **state)
{
    (void)state;
    bench_up();
    irq0 = (Wire){0};
    pit_init(&pit, bus, &clk, wire_line(&irq0));
    return 0;
}

/* Move the clock to the first nanosecond of the tick that is n ticks ahead. */
static void ticks(u64 n)
{
    u64 to = pit_tick_ns(pit_ticks(clock_now(&clk)) + n);
    clock_advance(&clk, to - clock_now(&clk));
}

static void program(unsigned channel, u8 control, u16 count)
{
    out(0x43, (u8)(channel << 6 | control));
    out((u16)(0x40 + channel), (u8)count);
    out((u16)(0x40 + channel), (u8)(count >> 8));
}

static u16 latched(unsigned channel)
{
    out(0x43, (u8)(channel << 6));
    return in_twice((u16)(0x40 + channel));
}

static u8 status(unsigned channel)
{
    out(0x43, (u8)(0xe0 | 2 << channel));
    return in((u16)(0x40 + channel));
}

static void a_second_is_1193182_ticks(void **state)
{
    (void)state;
    assert_int_equal(pit_ticks(SEC), 1193181);
    assert_int_equal(pit_ticks(3 * (u64)SEC), 3579545);
    for (u64 t = 0; t < 5000; t++) assert_int_equal(pit_ticks(pit_tick_ns(t)), t);
}

static void mode_0_rises_once_at_terminal_count(void **state)
{
    (void)state;
    assert_true(irq0.level); /* OUT0 is high at power-on */
    program(0, 0x30, 100);
    assert_false(irq0.level);
    assert_int_equal(status(0) & 0xbf, 0x30);
    ticks(1);
    assert_int_equal(latched(0), 100);
    ticks(30);
    assert_int_equal(latched(0), 70);
    ticks(69);
    assert_false(irq0.level);
    ticks(1);
    assert_true(irq0.level);
    assert_int_equal(irq0.rises, 2); /* power-on and this */
    assert_int_equal(latched(0), 0);
    ticks(2);
    assert_int_equal(latched(0), 0xfffe); /* goes on around */
    assert_int_equal(status(0) & 0x80, 0x80);
    ticks(100000);
    assert_int_equal(irq0.rises, 2);
}

static void mode_0_first_byte_stops_the_count(void **state)
{
    (void)state;
    program(0, 0x30, 100);
    ticks(50);
    out(0x40, 200);
    assert_false(irq0.level);
    ticks(1000);
    assert_false(irq0.level);
    out(0x40, 0);
    ticks(200);
    assert_false(irq0.level);
    ticks(1);
    assert_true(irq0.level);
}

static void mode_2_is_a_rate_generator(void **state)
{
    (void)state;
    program(0, 0x34, 1000);
    ticks(1);
    assert_int_equal(latched(0), 1000);
    ticks(998);
    assert_int_equal(latched(0), 2);
    assert_int_equal(status(0), 0xb4);
    ticks(1);
    assert_int_equal(latched(0), 1);
    assert_int_equal(status(0), 0x34); /* OUT low for one clock */
    unsigned before = irq0.rises;
    ticks(1);
    assert_int_equal(latched(0), 1000);
    assert_int_equal(irq0.rises, before + 1);
    ticks(10000);
    assert_int_equal(irq0.rises, before + 11);
}

static void mode_2_takes_a_new_count_at_the_end_of_the_cycle(void **state)
{
    (void)state;
    program(0, 0x34, 1000);
    ticks(501);
    out2(0x40, 100, 0);
    assert_int_equal(status(0) & 0x40, 0x40); /* null count */
    assert_int_equal(latched(0), 500);
    unsigned before = irq0.rises;
    ticks(499);
    assert_int_equal(irq0.rises, before);
    ticks(1);
    assert_int_equal(irq0.rises, before + 1);
    assert_int_equal(latched(0), 100);
    assert_int_equal(status(0) & 0x40, 0);
    ticks(100);
    assert_int_equal(irq0.rises, before + 2);
}

static void mode_3_is_a_square_wave(void **state)
{
    (void)state;
    program(2, 0x36, 10);
    pit_set_gate2(&pit, true);
    static const u8 value[] = {10, 8, 6, 4, 2, 10, 8, 6, 4, 2, 10};
    for (unsigned i = 0; i < ARRAY_LEN(value); i++) {
        ticks(1);
        assert_int_equal(latched(2), value[i]);
        assert_int_equal(pit_out2(&pit), i % 10 < 5);
    }
}

static void mode_3_odd_counts_are_high_one_clock_longer(void **state)
{
    (void)state;
    pit_set_gate2(&pit, true);
    program(2, 0x36, 5);
    static const u8 value[] = {4, 2, 0, 4, 2, 4, 2, 0};
    for (unsigned i = 0; i < ARRAY_LEN(value); i++) {
        ticks(1);
        assert_int_equal(latched(2), value[i]);
        assert_int_equal(pit_out2(&pit), i % 5 < 3);
    }
}

static void mode_1_is_a_retriggerable_one_shot(void **state)
{
    (void)state;
    program(2, 0x32, 50);
    assert_true(pit_out2(&pit));
    assert_int_equal(status(2) & 0x40, 0x40);
    pit_set_gate2(&pit, true);
    ticks(1);
    assert_false(pit_out2(&pit));
    ticks(30);
    assert_int_equal(latched(2), 20);
    pit_set_gate2(&pit, false);
    pit_set_gate2(&pit, true); /* again from the start */
    ticks(50);
    assert_false(pit_out2(&pit));
    ticks(1);
    assert_true(pit_out2(&pit));
}

static void mode_4_strobes_once(void **state)
{
    (void)state;
    unsigned before = irq0.rises;
    program(0, 0x38, 40);
    assert_true(irq0.level);
    ticks(40);
    assert_int_equal(irq0.rises, before);
    assert_int_equal(status(0) & 0x80, 0x80);
    ticks(1);
    assert_int_equal(status(0) & 0x80, 0);
    ticks(1);
    assert_int_equal(irq0.rises, before + 1);
    ticks(70000);
    assert_int_equal(irq0.rises, before + 1);
}

static void mode_5_strobes_after_a_trigger(void **state)
{
    (void)state;
    program(2, 0x3a, 40);
    ticks(100);
    assert_true(pit_out2(&pit));
    pit_set_gate2(&pit, true);
    ticks(41);
    assert_false(pit_out2(&pit));
    ticks(1);
    assert_true(pit_out2(&pit));
}

static void modes_6_and_7_are_2_and_3(void **state)
{
    (void)state;
    program(0, 0x3c, 100);
    assert_int_equal(status(0) & 0x0e, 0x04);
    program(0, 0x3e, 100);
    assert_int_equal(status(0) & 0x0e, 0x06);
}

static void gate_holds_mode_0_and_restarts_mode_2(void **state)
{
    (void)state;
    pit_set_gate2(&pit, true);
    program(2, 0x30, 100);
    ticks(41);
    pit_set_gate2(&pit, false);
    ticks(1000);
    assert_int_equal(latched(2), 60);
    pit_set_gate2(&pit, true);
    ticks(60);
    assert_true(pit_out2(&pit));
    program(2, 0x34, 100);
    ticks(51);
    pit_set_gate2(&pit, false);
    assert_true(pit_out2(&pit));
    pit_set_gate2(&pit, true);
    ticks(1);
    assert_int_equal(latched(2), 100);
}

static void reads_follow_the_programmed_halves(void **state)
{
    (void)state;
    out(0x43, 0x14), out(0x40, 0x80); /* LSB only: count 80h */
    ticks(1);
    assert_int_equal(in(0x40), 0x80);
    assert_int_equal(in(0x40), 0x80);
    out(0x43, 0x24), out(0x40, 0x12); /* MSB only: count 1200h */
    ticks(1);
    assert_int_equal(in(0x40), 0x12);
    program(0, 0x34, 0x3456);
    ticks(1);
    assert_int_equal(in(0x40), 0x56);
    assert_int_equal(in(0x40), 0x34);
    assert_int_equal(in(0x40), 0x56);
}

static void a_latch_holds_until_read(void **state)
{
    (void)state;
    program(0, 0x34, 0);
    ticks(1 + 0x1000);
    out(0x43, 0x00);
    ticks(0x1000);
    out(0x43, 0x00); /* ignored: one is held */
    u16 v = in(0x40);
    ticks(0x100);
    v |= (u16)(in(0x40) << 8);
    assert_int_equal(v, 0xf000);
    assert_int_equal(latched(0), 0xdf00);
}

static void read_back_gives_status_then_count(void **state)
{
    (void)state;
    pit_set_gate2(&pit, true);
    program(0, 0x34, 1000);
    program(2, 0x36, 500);
    ticks(11);
    out(0x43, 0xca); /* counts and status of 0 and 2 */
    ticks(5);
    assert_int_equal(in(0x40), 0xb4);
    assert_int_equal(in(0x42), 0xb6);
    assert_int_equal(in_twice(0x40), 990);
    assert_int_equal(in_twice(0x42), 480);
    out(0x43, 0xd2); /* count of 0 only */
    assert_int_equal(in_twice(0x40), 985);
}

static void bcd_counts_in_decimal(void **state)
{
    (void)state;
    program(0, 0x35, 0x1000);
    ticks(2);
    assert_int_equal(latched(0), 0x0999);
    program(0, 0x31, 0x0000); /* 10000 */
    ticks(1 + 1);
    assert_int_equal(latched(0), 0x9999);
    ticks(9999 + 1);
    assert_true(irq0.level);
    assert_int_equal(latched(0), 0x9999); /* and around */
    program(0, 0x35, 0xffff);             /* no decimal digits: anything but harm */
    ticks(3);
    latched(0);
}

static void periodic_ticks_do_not_drift(void **state)
{
    (void)state;
    program(0, 0x34, 11932); /* 100 Hz, as Linux has it */
    unsigned before = irq0.rises;
    for (unsigned i = 0; i < 1000; i++) clock_advance(&clk, 3599 * (u64)MS / 1000 * 1000 / 100);
    u64 expected = (pit_ticks(clock_now(&clk)) - 1) / 11932;
    assert_int_equal(irq0.rises - before, expected);
}

/* The host was away: time jumps without timers being run. */
static void lag(u64 ns)
{
    clk.manual_ns += ns;
    clock_run_due(&clk);
}

static void missed_ticks_come_after_a_late_host(void **state)
{
    (void)state;
    program(0, 0x34, 1193); /* 1 kHz */
    ticks(1);
    unsigned before = irq0.rises;
    u64 began = clk.manual_ns;
    lag(50 * (u64)MS); /* 50 ticks due: one now ... */
    assert_int_equal(irq0.rises, before + 1);
    clock_advance(&clk, MS); /* ... the more are owed, the faster they come ... */
    assert_in_range(irq0.rises - before, 30, 49);
    while (pit.missed > 2) clock_advance(&clk, 100 * US);
    u32 few = pit.missed, now = irq0.rises;
    clock_advance(&clk, MS); /* ... the last ones at four times the rate */
    assert_in_range(irq0.rises - now, few, 4);
    clock_advance(&clk, 200 * (u64)MS);
    assert_in_range(irq0.rises - before, (clk.manual_ns - began) / MS - 1, (clk.manual_ns - began) / MS + 1);
    assert_int_equal(pit.missed, 0);
}

/* A guest that gets a tenth of a processor, in slices of 3 ms: it loses no tick, and is never far behind. */
static void a_starved_guest_keeps_its_ticks(void **state)
{
    (void)state;
    program(0, 0x34, 4773); /* 250 Hz */
    ticks(1);
    u64 began = clk.manual_ns;
    unsigned before = irq0.rises;
    u32 most = 0;
    for (u32 n = 0; n < 300; n++) {
        lag(27 * (u64)MS);
        clock_advance(&clk, 3 * MS);
        if (pit.missed > most) most = pit.missed;
    }
    u64 due = (clk.manual_ns - began) * 250 / SEC;
    assert_in_range(irq0.rises - before + pit.missed, due - 2, due + 2);
    assert_in_range(most, 0, 8); /* 32 ms at the end of a slice */
}

static bool tick_waits;
static bool waits(void *ctx)
{
    (void)ctx;
    return tick_waits;
}

static void a_tick_comes_after_one_that_still_waits(void **state)
{
    (void)state;
    pit_watch_tick(&pit, waits, NULL);
    program(0, 0x34, 1193);
    ticks(1);
    unsigned before = irq0.rises;
    tick_waits = true; /* interrupts off for 20 ms: one edge is latched, the others would be lost */
    clock_advance(&clk, 20 * MS);
    assert_int_equal(irq0.rises, before);
    tick_waits = false;
    clock_advance(&clk, 100 * MS);
    assert_in_range(irq0.rises - before, 118, 121);
    assert_int_equal(pit.missed, 0);
}

static void at_most_a_second_is_caught_up(void **state)
{
    (void)state;
    program(0, 0x34, 1193);
    ticks(1);
    unsigned before = irq0.rises;
    lag(3600 * (u64)SEC);
    clock_advance(&clk, 10 * (u64)SEC);
    assert_in_range(irq0.rises - before, 10900, 11100);
}

static void overdue_edges_come_before_the_counter_is_read(void **state)
{
    (void)state;
    program(0, 0x34, 10000);
    ticks(1);
    unsigned before = irq0.rises;
    clk.manual_ns = pit_tick_ns(10001 + 5); /* nobody ran the timers */
    assert_int_equal(latched(0), 9995);
    assert_int_equal(irq0.rises, before + 1);
}

static void the_shortest_period_does_not_hang_us(void **state)
{
    (void)state;
    program(0, 0x34, 1);
    unsigned before = irq0.rises;
    clock_advance(&clk, 10 * MS);
    assert_in_range(irq0.rises - before, 100, 1010); /* never faster than one in 10 us */
    lag(3600 * (u64)SEC);
    clock_advance(&clk, MS);
    program(0, 0x30, 0);
    before = irq0.rises;
    clock_advance(&clk, 54 * MS);
    assert_int_equal(irq0.rises, before); /* reprogramming forgets what was missed */
}

static void refresh_toggles(void **state)
{
    (void)state;
    unsigned changes = 0;
    bool last = pit_refresh(&pit);
    for (unsigned i = 0; i < 1000; i++) {
        clock_advance(&clk, US);
        changes += pit_refresh(&pit) != last;
        last = pit_refresh(&pit);
    }
    assert_in_range(changes, 65, 67); /* every 15.085 us */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_is_1193182_ticks),
        TEST(mode_0_rises_once_at_terminal_count),
        TEST(mode_0_first_byte_stops_the_count),
        TEST(mode_2_is_a_rate_generator),
        TEST(mode_2_takes_a_new_count_at_the_end_of_the_cycle),
        TEST(mode_3_is_a_square_wave),
        TEST(mode_3_odd_counts_are_high_one_clock_longer),
        TEST(mode_1_is_a_retriggerable_one_shot),
        TEST(mode_4_strobes_once),
        TEST(mode_5_strobes_after_a_trigger),
        TEST(modes_6_and_7_are_2_and_3),
        TEST(gate_holds_mode_0_and_restarts_mode_2),
        TEST(reads_follow_the_programmed_halves),
        TEST(a_latch_holds_until_read),
        TEST(read_back_gives_status_then_count),
        TEST(bcd_counts_in_decimal),
        TEST(periodic_ticks_do_not_drift),
        TEST(missed_ticks_come_after_a_late_host),
        TEST(a_starved_guest_keeps_its_ticks),
        TEST(a_tick_comes_after_one_that_still_waits),
        TEST(at_most_a_second_is_caught_up),
        TEST(overdue_edges_come_before_the_counter_is_read),
        TEST(the_shortest_period_does_not_hang_us),
        TEST(refresh_toggles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
