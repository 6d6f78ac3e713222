/* hw_hpet.c - the HPET by the sequences of its specification (IA-PC HPET 1.0a), with a manual clock and recorded
 * lines. */
#include "hw_bench.h"

#include "hw/hpet.h"

enum {
    GCAP = 0x000,
    CONF = 0x010,
    STATUS = 0x020,
    COUNT = 0x0f0,
    TN_CONF = 0x100,
    TN_CMP = 0x108,
    TN_FSB = 0x110
};
enum { ON = 1, LEGACY = 2 };
enum { LEVEL = 1 << 1, INT = 1 << 2, PERIODIC = 1 << 3, SET = 1 << 6, IS_32 = 1 << 8 };
#define ROUTE(pin) ((u32)(pin) << 9)
enum { PINS = 0xf00000 };

static Hpet h;
static Wire pin[32], replaced[2];
static bool waits;

static u32 rd(u32 reg) { return bus_mmio_read(bus, (u32)HPET_PA + reg, 4); }
static void wr(u32 reg, u32 v) { bus_mmio_write(bus, (u32)HPET_PA + reg, v, 4); }
static void conf(unsigned n, u32 v) { wr(TN_CONF + 0x20 * n, v); }
static void compare(unsigned n, u32 v) { wr(TN_CMP + 0x20 * n, v); }
static void advance(u64 ns) { clock_advance(&clk, ns); }
static bool tick_waits(void *ctx) { return (void)ctx, waits; }

static int setup(void **state)
{
    HpetLines lines = {.replaced = {{wire_set, replaced, 0}, {wire_set, replaced, 1}},
                       .pin = {wire_set, pin, 0},
                       .pins = PINS,
                       .tick_waits = tick_waits};
    (void)state;
    bench_up();
    memset(pin, 0, sizeof pin);
    memset(replaced, 0, sizeof replaced);
    waits = false;
    hpet_init(&h, bus, &clk, &lines);
    return 0;
}

/* 2.3.4: three timers, 64 bits, legacy replacement; 10 ns. 2.3.8: what each can do. */
static void says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(rd(GCAP), 0x8086a201);
    assert_int_equal(rd(GCAP + 4), 10000000);
    assert_true(rd(GCAP + 4) <= 0x05f5e100);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(rd(TN_CONF + 0x20 * n), 0x30); /* periodic, 64 bits, no FSB */
        assert_int_equal(rd(TN_CONF + 0x20 * n + 4), PINS);
        assert_int_equal(rd(TN_CMP + 0x20 * n), 0xffffffff);
        assert_int_equal(rd(TN_CMP + 0x20 * n + 4), 0xffffffff);
        wr(TN_FSB + 0x20 * n, 0x1234), wr(TN_FSB + 0x20 * n + 4, 0xfee00000);
        assert_int_equal(rd(TN_FSB + 0x20 * n) | rd(TN_FSB + 0x20 * n + 4), 0);
    }
    conf(0, 1 << 14 | 1);
    assert_int_equal(rd(TN_CONF), 0x30);
    assert_int_equal(rd(0x160), 0); /* no fourth */
}

/* 2.3.7: halted after reset, with 0; set while it is halted; goes on from there. */
static void the_counter_counts_while_it_is_on(void **state)
{
    (void)state;
    advance(MS);
    assert_int_equal(rd(COUNT), 0);
    wr(CONF, ON);
    advance(MS);
    assert_int_equal(rd(COUNT), MS / 10);
    wr(COUNT, 7); /* not while it runs */
    assert_int_equal(rd(COUNT), MS / 10);
    wr(CONF, 0);
    advance(MS);
    assert_int_equal(rd(COUNT), MS / 10);
    wr(COUNT, 0xfffffff0), wr(COUNT + 4, 5);
    wr(CONF, ON);
    advance(200);
    assert_int_equal(rd(COUNT), 4);
    assert_int_equal(rd(COUNT + 4), 6);
}

/* 2.3.9.2.1: one edge at the match; the comparator stays; a match behind the counter does not come. */
static void one_shot(void **state)
{
    (void)state;
    conf(1, INT | ROUTE(21));
    assert_int_equal(rd(TN_CONF + 0x20), 0x30 | INT | ROUTE(21));
    wr(CONF, ON);
    compare(1, 1000), wr(TN_CMP + 0x24, 0);
    advance(9990);
    assert_int_equal(pin[21].rises, 0);
    advance(10);
    assert_int_equal(pin[21].rises, 1);
    assert_false(pin[21].level);
    assert_int_equal(rd(STATUS), 0); /* edges have none */
    assert_int_equal(rd(TN_CMP + 0x20), 1000);
    advance(SEC);
    compare(1, 1000);
    advance(100 * (u64)SEC);
    assert_int_equal(pin[21].rises, 1);
    compare(1, rd(COUNT)); /* now: at once */
    wr(TN_CMP + 0x24, rd(COUNT + 4));
    assert_int_equal(pin[21].rises, 2);
}

/* In 32-bit mode it matches each time the low half comes round. */
static void one_shot_of_32_bits(void **state)
{
    const u64 round = 10ull << 32;
    (void)state;
    conf(0, INT | IS_32 | ROUTE(20));
    assert_int_equal(rd(TN_CMP + 4), 0);
    wr(CONF, ON);
    advance(5 * (u64)SEC);
    compare(0, 1000);
    advance(round - 5 * (u64)SEC);
    assert_int_equal(pin[20].rises, 0);
    advance(10000);
    assert_int_equal(pin[20].rises, 1);
    advance(round);
    assert_int_equal(pin[20].rises, 2);
    advance(3 * round);
    assert_int_equal(pin[20].rises, 5);
    assert_int_equal(rd(TN_CMP), 1000);
}

/* 2.3.9.2.2, the sequence for setting a periodic timer up: one write sets the first match and the period. */
static void periodic(void **state)
{
    (void)state;
    conf(0, INT | PERIODIC | SET | ROUTE(22));
    compare(0, 100000);
    conf(0, INT | PERIODIC | SET | ROUTE(22));
    wr(TN_CMP + 4, 0);
    assert_int_equal(rd(TN_CONF) & SET, 0);
    wr(CONF, ON);
    advance(10 * (u64)MS);
    assert_int_equal(pin[22].rises, 10);
    assert_int_equal(rd(TN_CMP), 1100000);
    compare(0, 200000); /* without SET: another period from the next match on */
    advance(MS);
    assert_int_equal(pin[22].rises, 11);
    advance(10 * (u64)MS);
    assert_int_equal(pin[22].rises, 16);
    conf(0, PERIODIC | ROUTE(22)); /* it goes on, and nobody hears it */
    advance(10 * (u64)MS);
    assert_int_equal(pin[22].rises, 16);
    assert_int_equal(rd(TN_CMP), 3300000);
    conf(0, INT | PERIODIC | ROUTE(22));
    advance(2 * (u64)MS);
    assert_int_equal(pin[22].rises, 17);
}

/* Linux: first match by the first write, the period by the second. */
static void periodic_by_two_writes(void **state)
{
    (void)state;
    wr(CONF, ON);
    advance(SEC);
    conf(0, INT | PERIODIC | SET | IS_32 | ROUTE(20));
    compare(0, rd(COUNT) + 400000);
    advance(1000);
    compare(0, 400000);
    advance(4 * (u64)MS);
    assert_int_equal(pin[20].rises, 1);
    advance(400 * (u64)MS);
    assert_int_equal(pin[20].rises, 101);
}

/* 2.3.6: a level stays until its status bit is written with 1; the bit is set with the interrupt off, too. */
static void levels(void **state)
{
    (void)state;
    conf(2, LEVEL | INT | ROUTE(23));
    wr(CONF, ON);
    compare(2, 100), wr(TN_CMP + 0x44, 0);
    advance(1000);
    assert_true(pin[23].level);
    assert_int_equal(rd(STATUS), 4);
    wr(STATUS, 3);
    assert_true(pin[23].level);
    wr(STATUS, 4);
    assert_false(pin[23].level);
    assert_int_equal(rd(STATUS), 0);
    conf(2, LEVEL | ROUTE(23));
    compare(2, rd(COUNT) + 100);
    advance(1000);
    assert_int_equal(rd(STATUS), 4);
    assert_false(pin[23].level);
    conf(2, LEVEL | INT | ROUTE(21)); /* on, and elsewhere */
    assert_true(pin[21].level);
    assert_int_equal(pin[23].rises, 1);
    wr(CONF, 0); /* 2.3.5: no interrupts while it is halted */
    assert_false(pin[21].level);
    wr(CONF, ON);
    assert_true(pin[21].level);
    conf(2, INT | ROUTE(21)); /* an edge has no status */
    assert_false(pin[21].level);
    assert_int_equal(rd(STATUS), 0);
}

/* 2.3.8: what a timer cannot have it does not take. */
static void routes(void **state)
{
    (void)state;
    conf(0, INT | ROUTE(20));
    conf(0, INT | ROUTE(11));
    assert_int_equal(rd(TN_CONF) >> 9 & 31, 20);
    conf(0, INT);
    assert_int_equal(rd(TN_CONF) >> 9 & 31, 0);
    wr(CONF, ON);
    compare(0, 100), wr(TN_CMP + 4, 0);
    advance(MS);
    for (unsigned n = 0; n < 32; n++) assert_int_equal(pin[n].rises, 0);
}

/* 2.4.6: timer 0 for the 8254, timer 1 for the RTC; their own lines lead nowhere meanwhile. */
static void legacy_replacement(void **state)
{
    (void)state;
    hpet_set_replaced(&h, 0, true), hpet_set_replaced(&h, 1, true);
    assert_true(replaced[0].level && replaced[1].level);
    assert_false(hpet_replaces(&h));
    conf(0, INT | PERIODIC | SET | IS_32 | ROUTE(20));
    compare(0, 100000);
    conf(1, LEVEL | INT | IS_32);
    compare(1, 150000);
    wr(CONF, LEGACY | ON);
    assert_true(hpet_replaces(&h));
    assert_false(replaced[0].level || replaced[1].level);
    hpet_set_replaced(&h, 1, false), hpet_set_replaced(&h, 1, true);
    hpet_set_replaced(&h, 0, false), hpet_set_replaced(&h, 0, true);
    assert_int_equal(replaced[0].rises, 1);
    advance(2 * (u64)MS);
    assert_int_equal(replaced[0].rises, 3);
    assert_int_equal(pin[20].rises, 0);
    assert_true(replaced[1].level);
    wr(STATUS, 2);
    assert_false(replaced[1].level);
    hpet_set_replaced(&h, 1, false);
    wr(CONF, ON); /* and back: as the chips' lines are now */
    assert_true(replaced[0].level);
    assert_false(replaced[1].level);
    advance(MS);
    assert_int_equal(pin[20].rises, 1);
}

/* The host was away: what was missed comes at four times the rate, once what waits was taken. */
static void late_ticks_come_afterwards(void **state)
{
    (void)state;
    conf(0, INT | PERIODIC | SET | IS_32);
    compare(0, 100000);
    wr(CONF, LEGACY | ON);
    waits = true;
    advance(10 * (u64)MS);
    assert_int_equal(replaced[0].rises, 0);
    waits = false;
    advance(10 * (u64)MS);
    assert_int_equal(replaced[0].rises, 20);
    advance(10 * (u64)MS);
    assert_int_equal(replaced[0].rises, 30);
    clk.manual_ns += 10 * (u64)SEC; /* no more than a second's worth */
    advance(0), advance(2 * (u64)SEC);
    assert_in_range(replaced[0].rises, 3000, 3033);
}

/* A period of a tick or of none: the guest gets a storm or nothing, the host no more than 100,000 events a second. */
static void tiny_periods(void **state)
{
    (void)state;
    wr(CONF, ON);
    for (u32 period = 0; period < 3; period++) {
        conf(0, INT | PERIODIC | SET | IS_32 | ROUTE(20));
        compare(0, rd(COUNT) + 100);
        compare(0, period);
        pin[20].rises = 0;
        advance(100 * (u64)MS);
        assert_in_range(pin[20].rises, period ? 9990 : 1, period ? 10001 : 1);
    }
}

/* A comparator that matches as it is written interrupts then, and as far apart from the next as others. */
static void a_match_at_once_keeps_the_gap(void **state)
{
    (void)state;
    wr(CONF, ON);
    conf(0, INT | PERIODIC | SET | IS_32 | ROUTE(20));
    advance(5000);
    compare(0, 500); /* now, and every 5 us */
    assert_int_equal(pin[20].rises, 1);
    assert_in_range(clock_next_deadline(&clk), clock_now(&clk) + 10000, clock_now(&clk) + 20000);
}

/* By the host's clock, whose scale is made anew meanwhile: read by read, as guests take their time from it. */
static void the_counter_never_goes_back(void **state)
{
    (void)state;
    clock_init(&clk);
    wr(CONF, ON);
    u64 before = 0, reads = 0, since = host_now_ns();
    for (u64 now = since; now - since < 300 * (u64)MS; now = host_now_ns())
        for (unsigned n = 0; n < 1000; n++, reads++) {
            u32 high = rd(COUNT + 4);
            u64 count = (u64)high << 32 | rd(COUNT);
            assert_true(count >= before);
            before = count;
        }
    assert_in_range(before * 10, 290 * (u64)MS, host_now_ns() - since + 10 * (u64)MS);
    print_message("%.0f ns for both halves\n", 300e6 / (double)reads);
}

static void reset_takes_all_back(void **state)
{
    (void)state;
    hpet_set_replaced(&h, 1, true);
    conf(1, LEVEL | INT | IS_32);
    conf(2, LEVEL | INT | IS_32 | ROUTE(20));
    wr(CONF, LEGACY | ON);
    compare(1, rd(COUNT) + 10), compare(2, rd(COUNT) + 10);
    advance(MS);
    assert_true(replaced[1].level && pin[20].level);
    hpet_set_replaced(&h, 1, false);
    hpet_reset(&h);
    assert_false(replaced[1].level || pin[20].level);
    assert_int_equal(rd(CONF) | rd(STATUS) | rd(COUNT), 0);
    says_what_it_is(state);
    assert_int_equal(clock_next_deadline(&clk), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(says_what_it_is),
        TEST(the_counter_counts_while_it_is_on),
        TEST(one_shot),
        TEST(one_shot_of_32_bits),
        TEST(periodic),
        TEST(periodic_by_two_writes),
        TEST(levels),
        TEST(routes),
        TEST(legacy_replacement),
        TEST(late_ticks_come_afterwards),
        TEST(tiny_periods),
        TEST(a_match_at_once_keeps_the_gap),
        TEST(the_counter_never_goes_back),
        TEST(reset_takes_all_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
