/* hw_rtc.c - MC146818: time in all formats, setting it, update cycle, the three interrupts, CMOS memory. */
#include "hw_bench.h"

#include "hw/rtc.h"

static Rtc rtc;
static Wire irq8;

/* 2026-11-21 23:59:57 UTC, a Saturday */
static const s64 BASE = 1795305597;

static int setup(void **state)
{
    (void)state;
    bench_up();
    irq8 = (Wire){0};
    rtc_init(&rtc, bus, &clk, wire_line(&irq8), BASE);
    return 0;
}

static u8 get(u8 reg) { return out(0x70, reg), in(0x71); }
static void set(u8 reg, u8 v) { out(0x70, reg), out(0x71, v); }

static void assert_time(u32 hms, u32 ymd, u8 weekday)
{
    assert_int_equal(get(4) << 16 | get(2) << 8 | get(0), hms);
    assert_int_equal(get(9) << 16 | get(8) << 8 | get(7), ymd);
    assert_int_equal(get(6), weekday);
}

static void time_runs_in_bcd_over_midnight(void **state)
{
    (void)state;
    assert_time(0x235957, 0x261121, 7);
    assert_int_equal(get(0x32), 0x20);
    clock_advance(&clk, 2999 * (u64)MS);
    assert_time(0x235959, 0x261121, 7);
    clock_advance(&clk, MS);
    assert_time(0x000000, 0x261122, 1);
    clock_advance(&clk, 86400 * (u64)SEC * 9);
    assert_time(0x000000, 0x261201, 3);
}

static void binary_and_twelve_hour_formats(void **state)
{
    (void)state;
    set(0x0b, 0x06); /* binary, 24 h */
    assert_time(0x173b39, 0x1a0b15, 7);
    set(0x0b, 0x04); /* 12 h: 11 PM */
    assert_int_equal(get(4), 0x8b);
    set(0x0b, 0x00);
    assert_int_equal(get(4), 0x91);
    clock_advance(&clk, 3 * (u64)SEC);
    assert_int_equal(get(4), 0x12); /* midnight is 12 AM */
    clock_advance(&clk, 12 * 3600 * (u64)SEC);
    assert_int_equal(get(4), 0x92);
}

static void set_time(u8 mode, const u8 v[7]) /* century, year, month, day, hour, minute, second */
{
    static const u8 reg[7] = {0x32, 9, 8, 7, 4, 2, 0};
    set(0x0b, 0x80 | mode);
    for (unsigned i = 0; i < 7; i++) set(reg[i], v[i]);
    set(0x0b, mode);
}

static void setting_the_time_freezes_then_goes_on(void **state)
{
    (void)state;
    clock_advance(&clk, 300 * MS);
    set(0x0b, 0x82);
    clock_advance(&clk, 5 * (u64)SEC);
    assert_time(0x235957, 0x261121, 7);
    assert_int_equal(get(0x0a) & 0x80, 0);
    set_time(0x02, (const u8[]){0x20, 0x00, 0x02, 0x28, 0x23, 0x59, 0x58});
    assert_int_equal(get(0), 0x58);
    clock_advance(&clk, 2 * (u64)SEC);
    assert_int_equal(get(7), 0x29); /* 2000 was a leap year */
    set_time(0x02, (const u8[]){0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59});
    clock_advance(&clk, SEC);
    assert_int_equal(get(0x32) << 8 | get(9), 0x2000);              /* the century counts along */
    set_time(0x04, (const u8[]){0x20, 24, 2, 29, 0x80 | 12, 0, 0}); /* binary, 12 PM */
    assert_int_equal(get(4), 0x8c);
    assert_int_equal(get(7), 29);
}

static void one_register_may_be_written_while_running(void **state)
{
    (void)state;
    set(4, 0x08);
    assert_time(0x085957, 0x261121, 7);
    set(6, 0x03); /* the weekday counter is its own */
    assert_int_equal(get(6), 0x03);
    clock_advance(&clk, 86400 * (u64)SEC);
    assert_int_equal(get(6), 0x04);
}

static void nonsense_time_does_no_harm(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 256; v += 5) {
        u8 b = (u8)v;
        set_time(v & 6, (const u8[]){b, b, b, b, b, b, b});
        set(6, b);
        clock_advance(&clk, SEC);
        for (u8 reg = 0; reg < 10; reg++) get(reg);
    }
}

static void uip_warns_before_the_update(void **state)
{
    (void)state;
    assert_int_equal(get(0x0a), 0x26);
    clock_advance(&clk, 997 * MS);
    assert_int_equal(get(0x0a), 0x26);
    clock_advance(&clk, MS);
    assert_int_equal(get(0x0a), 0xa6);
    clock_advance(&clk, 2 * MS);
    assert_int_equal(get(0x0a), 0x26);
    assert_int_equal(get(0), 0x58);
}

static void divider_reset_starts_half_a_second_before_the_update(void **state)
{
    (void)state;
    clock_advance(&clk, 900 * MS);
    set(0x0a, 0x76);
    clock_advance(&clk, 7 * (u64)SEC);
    assert_int_equal(get(0), 0x57);
    set(0x0a, 0x26);
    clock_advance(&clk, 499 * MS);
    assert_int_equal(get(0), 0x57);
    clock_advance(&clk, 2 * MS);
    assert_int_equal(get(0), 0x58);
}

static void the_periodic_interrupt_waits_for_register_c(void **state)
{
    (void)state;
    set(0x0b, 0x42);
    clock_advance(&clk, 900 * US);
    assert_false(irq8.level);
    clock_advance(&clk, 100 * US); /* 976.6 us */
    assert_true(irq8.level);
    clock_advance(&clk, 10 * MS);
    assert_int_equal(irq8.rises, 1);
    assert_int_equal(get(0x0c), 0xc0);
    assert_false(irq8.level);
    assert_int_equal(get(0x0c), 0);
    clock_advance(&clk, MS);
    assert_int_equal(irq8.rises, 2);
}

static unsigned serve(u64 ns, u64 step) /* a guest that acknowledges at once */
{
    unsigned served = 0;
    for (u64 end = clock_now(&clk) + ns; clock_now(&clk) < end;) {
        clock_advance(&clk, step);
        if (!irq8.level) continue;
        get(0x0c);
        served++;
    }
    return served;
}

static void periodic_rates(void **state)
{
    (void)state;
    static const struct {
        u8 rs;
        unsigned hz;
    } rate[] = {{1, 256}, {2, 128}, {6, 1024}, {9, 128}, {15, 2}};
    for (unsigned i = 0; i < ARRAY_LEN(rate); i++) {
        set(0x0a, 0x20 | rate[i].rs);
        set(0x0b, 0x42);
        get(0x0c);
        assert_in_range(serve(SEC, 50 * US), rate[i].hz - 1, rate[i].hz + 1);
    }
    set(0x0a, 0x20);
    get(0x0c);
    assert_int_equal(serve(SEC, MS), 0);
}

static void missed_periodic_interrupts_come_later(void **state)
{
    (void)state;
    set(0x0a, 0x2a); /* 64 Hz */
    set(0x0b, 0x42);
    clk.manual_ns += 250 * MS; /* 16 periods */
    clock_run_due(&clk);
    assert_true(irq8.level);
    get(0x0c);
    assert_in_range(serve(SEC, 100 * US), 64 + 14, 64 + 16);
    assert_int_equal(rtc.missed, 0);
    clk.manual_ns += 3600 * (u64)SEC;
    clock_run_due(&clk);
    get(0x0c);
    assert_in_range(serve(2 * (u64)SEC, 100 * US), 3 * 64 - 2, 3 * 64 + 2); /* a second's worth, no more */
}

static void the_update_interrupt_comes_each_second(void **state)
{
    (void)state;
    set(0x0b, 0x12);
    clock_advance(&clk, 999 * MS);
    assert_false(irq8.level);
    clock_advance(&clk, MS);
    assert_true(irq8.level);
    assert_int_equal(get(0x0c) & 0xb0, 0x90);
    clock_advance(&clk, SEC);
    assert_int_equal(irq8.rises, 2);
    set(0x0b, 0x92); /* SET clears UIE */
    assert_int_equal(get(0x0b), 0x82);
    assert_false(irq8.level);
}

static void the_alarm_matches_with_wildcards(void **state)
{
    (void)state;
    set(1, 0x01), set(3, 0x00), set(5, 0x00);
    set(0x0b, 0x22);
    clock_advance(&clk, 3999 * (u64)MS);
    assert_false(irq8.level);
    clock_advance(&clk, MS); /* 00:00:01 */
    assert_true(irq8.level);
    assert_int_equal(get(0x0c) & 0xa0, 0xa0);
    set(1, 0x30), set(3, 0xff), set(5, 0xc0); /* at second 30 of every minute */
    clock_advance(&clk, 60 * (u64)SEC);
    assert_int_equal(irq8.rises, 2);
}

static void flags_are_set_without_enables(void **state)
{
    (void)state;
    set(1, 0x00), set(3, 0x00), set(5, 0x00);
    get(0x0c);
    clock_advance(&clk, 100 * (u64)SEC);
    assert_int_equal(irq8.rises, 0);
    assert_int_equal(get(0x0c), 0x70);
    assert_int_equal(get(0x0c), 0x00);
    assert_true(clock_next_deadline(&clk) == UINT64_MAX); /* no timer for what nobody waits for */
}

static void memory_and_its_size(void **state)
{
    (void)state;
    set(0x7f, 0xa5), set(0x0e, 0x5a);
    assert_int_equal(get(0x7f), 0xa5);
    assert_int_equal(get(0x0e), 0x5a);
    assert_int_equal(get(0xff), 0xa5); /* bit 7 of the index masks NMI */
    assert_int_equal(get(0x0d), 0x80);
    assert_int_equal(in(0x70), 0xff);
    rtc_set_memory_size(&rtc, 512u << 20);
    assert_int_equal(get(0x15) | get(0x16) << 8, 640);
    assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
    assert_int_equal(get(0x34) | get(0x35) << 8, 496 * 16);
    rtc_set_memory_size(&rtc, 16u << 20);
    assert_int_equal(get(0x30) | get(0x31) << 8, 15 * 1024);
    assert_int_equal(get(0x34) | get(0x35) << 8, 0);
    u32 sum = 0;
    for (u8 i = 0x10; i <= 0x2d; i++) sum += get(i);
    assert_int_equal(get(0x2e) << 8 | get(0x2f), sum);
    rtc_poke(&rtc, 0x3d, 0x12), rtc_poke(&rtc, 0x04, 0x12), rtc_poke(&rtc, 0xff, 1);
    assert_int_equal(get(0x3d), 0x12);
    assert_int_equal(get(4), 0x23);
}

static void reset_keeps_time_and_memory(void **state)
{
    (void)state;
    set(0x50, 0x77);
    set(0x0b, 0x52);
    clock_advance(&clk, 2 * (u64)SEC);
    assert_true(irq8.level);
    rtc_reset(&rtc);
    assert_false(irq8.level);
    assert_int_equal(get(0x0b), 0x02);
    assert_int_equal(get(0x50), 0x77);
    assert_int_equal(get(0), 0x59);
}

static void it_moves_when_told(void **state)
{
    (void)state;
    clock_advance(&clk, 400 * (u64)MS);
    rtc_move(&rtc, 86400 + 61);
    assert_time(0x000058, 0x261123, 2);
    clock_advance(&clk, 599 * (u64)MS); /* its second began where it did */
    assert_time(0x000058, 0x261123, 2);
    clock_advance(&clk, MS);
    assert_time(0x000059, 0x261123, 2);
    rtc_move(&rtc, -86400 - 62);
    assert_time(0x235957, 0x261121, 7);
    set(0x0b, 0x82); /* being set: what the guest writes counts */
    rtc_move(&rtc, 1000);
    assert_time(0x235957, 0x261121, 7);
    set(0x0b, 0x02);
    assert_time(0x235957, 0x261121, 7);
}

static void what_it_moves_over_is_due(void **state)
{
    (void)state;
    set(5, 0x07), set(3, 0x30), set(1, 0x00); /* an alarm at 07:30 */
    set(0x0b, 0x22);
    get(0x0c);
    rtc_move(&rtc, 3600);
    assert_false(irq8.level);
    assert_int_equal(get(0x0c), 0x10); /* only UF */
    rtc_move(&rtc, 7 * 3600);
    assert_true(irq8.level);
    assert_int_equal(get(0x0c), 0xb0);
    rtc_move(&rtc, -8 * 3600); /* back over it: not again */
    assert_false(irq8.level);
    assert_int_equal(get(0x0c), 0);
    rtc_move(&rtc, 0);
    assert_int_equal(get(0x0c), 0);
}

static void it_moves_no_further_than_it_can(void **state)
{
    (void)state;
    rtc_move(&rtc, INT64_MAX);
    get(9);
    rtc_move(&rtc, INT64_MAX);
    rtc_move(&rtc, INT64_MIN);
    get(9);
    rtc_move(&rtc, INT64_MIN);
    assert_int_equal(get(0x0b), 0x02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(time_runs_in_bcd_over_midnight),
        TEST(binary_and_twelve_hour_formats),
        TEST(setting_the_time_freezes_then_goes_on),
        TEST(one_register_may_be_written_while_running),
        TEST(nonsense_time_does_no_harm),
        TEST(uip_warns_before_the_update),
        TEST(divider_reset_starts_half_a_second_before_the_update),
        TEST(the_periodic_interrupt_waits_for_register_c),
        TEST(periodic_rates),
        TEST(missed_periodic_interrupts_come_later),
        TEST(the_update_interrupt_comes_each_second),
        TEST(the_alarm_matches_with_wildcards),
        TEST(flags_are_set_without_enables),
        TEST(memory_and_its_size),
        TEST(reset_keeps_time_and_memory),
        TEST(it_moves_when_told),
        TEST(what_it_moves_over_is_due),
        TEST(it_moves_no_further_than_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
