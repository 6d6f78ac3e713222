/* hw_clock.c - the timer queue: order, re-arming, announcements, stopping. */
#include "hw_bench.h"

static int setup(void **state)
{
    (void)state;
    bench_up();
    return 0;
}

static char fired[64];
static u64 fired_at[64];
static unsigned fired_count;

static void note(void *ctx)
{
    fired_at[fired_count] = clock_now(&clk);
    fired[fired_count++] = *(const char *)ctx;
    fired[fired_count] = 0;
}

static void timers_fire_in_order_at_their_own_time(void **state)
{
    (void)state;
    Timer a = {.fire = note, .ctx = (void *)"a"}, b = {.fire = note, .ctx = (void *)"b"},
          c = {.fire = note, .ctx = (void *)"c"};
    fired_count = 0;
    clock_arm(&clk, &b, 200);
    clock_arm(&clk, &a, 100);
    clock_arm(&clk, &c, 200);
    assert_int_equal(clock_next_deadline(&clk), 100);
    clock_advance(&clk, 99);
    assert_int_equal(fired_count, 0);
    clock_advance(&clk, 1000);
    assert_string_equal(fired, "abc"); /* equal deadlines: first armed, first fired */
    assert_int_equal(fired_at[0], 100);
    assert_int_equal(fired_at[2], 200);
    assert_int_equal(clock_now(&clk), 1099);
    assert_true(clock_next_deadline(&clk) == UINT64_MAX);
}

static void rearming_moves_and_disarming_removes(void **state)
{
    (void)state;
    Timer a = {.fire = note, .ctx = (void *)"a"}, b = {.fire = note, .ctx = (void *)"b"};
    fired_count = 0;
    clock_arm(&clk, &a, 100);
    clock_arm(&clk, &b, 150);
    clock_arm(&clk, &a, 300);
    assert_int_equal(clock_next_deadline(&clk), 150);
    clock_disarm(&clk, &b);
    clock_disarm(&clk, &b);
    assert_int_equal(clock_next_deadline(&clk), 300);
    clock_advance(&clk, 400);
    assert_string_equal(fired, "a");
    assert_false(a.armed);
}

static Timer again;
static void rearm(void *ctx)
{
    (void)ctx;
    fired_count++;
    clock_arm(&clk, &again, clock_now(&clk) + 10);
}

static u64 announced[64];
static unsigned announcements;
static void deadline(void *ctx, u64 ns)
{
    (void)ctx;
    announced[announcements++] = ns;
}

static void the_earliest_deadline_is_announced_once_per_change(void **state)
{
    (void)state;
    Timer a = {.fire = note, .ctx = (void *)"a"}, b = a;
    announcements = 0;
    clk.deadline_changed = deadline;
    clock_arm(&clk, &a, 100);
    clock_arm(&clk, &b, 200); /* behind: nothing new */
    clock_arm(&clk, &a, 100);
    assert_int_equal(announcements, 1);
    clock_disarm(&clk, &a);
    clock_disarm(&clk, &b);
    assert_int_equal(announcements, 3);
    assert_int_equal(announced[1], 200);
    assert_true(announced[2] == UINT64_MAX);
}

static void a_periodic_timer_is_announced_at_the_end_of_a_run(void **state)
{
    (void)state;
    again = (Timer){.fire = rearm};
    fired_count = announcements = 0;
    clk.deadline_changed = deadline;
    clock_arm(&clk, &again, 10);
    clock_advance(&clk, 1005);
    assert_int_equal(fired_count, 100);
    assert_int_equal(announcements, 2);
    assert_int_equal(announced[1], 1010);
}

static void a_late_run_fires_what_is_due_and_returns(void **state)
{
    (void)state;
    again = (Timer){.fire = rearm};
    fired_count = 0;
    clock_arm(&clk, &again, 10);
    clk.manual_ns = 5000;
    clock_run_due(&clk);
    assert_int_equal(fired_count, 1);
    assert_int_equal(clock_next_deadline(&clk), 5010);
}

/* No more guest time went by since `guest` than host time since `host`, but for the slack. */
static void assert_no_later(Clock *k, u64 guest, u64 host, u64 slack_ns)
{
    u64 now = clock_now(k);
    assert_in_range(now, guest, guest + (host_now_ns() - host) + slack_ns);
}

static void host_time_stands_still_while_stopped(void **state)
{
    (void)state;
    Clock k;
    clock_init(&k);
    u64 t = clock_now(&k);
    assert_true(t < SEC);
    clock_stop(&k);
    u64 stopped = clock_now(&k);
    assert_true(stopped >= t);
    for (u64 end = host_now_ns() + 2 * MS; host_now_ns() < end;) {
    }
    assert_int_equal(clock_now(&k), stopped);
    u64 host = host_now_ns();
    clock_cont(&k);
    assert_no_later(&k, stopped, host, MS);
    assert_true(clock_to_host_ns(&k, clock_now(&k)) <= host_now_ns());
    assert_true(clock_to_host_ns(&k, UINT64_MAX) == UINT64_MAX);
}

static void wait_until_host(u64 ns)
{
    while (host_now_ns() < ns) {
    }
}

static void need_counter(const Clock *k)
{
    if (k->tsc_usable) return;
    print_message("SKIPPED: this host's time-stamp counter is not its clock\n");
    skip();
}

/* Guest time by the counter: forwards only, near the host's, the same through every new scale. */
static void time_by_the_counter_follows_the_host(void **state)
{
    (void)state;
    Clock k;
    clock_init(&k);
    need_counter(&k);
    u64 last = clock_now(&k), began = host_now_ns();
    assert_true(k.scale.off);
    while (host_now_ns() < began + 250 * MS) {
        u64 before = host_now_ns(), now = clock_now(&k), after = host_now_ns();
        assert_true(now >= last);
        last = now;
        if (after - before > 10000) continue; /* somebody else ran */
        assert_true(clock_to_host_ns(&k, now) + 20000 > before);
        assert_true(clock_to_host_ns(&k, now) < after + 20000);
    }
    assert_false(k.scale.off);
    clock_stop(&k);
    assert_true(k.scale.off);
    u64 stopped = clock_now(&k);
    wait_until_host(host_now_ns() + 3 * MS);
    u64 host = host_now_ns();
    clock_cont(&k);
    assert_no_later(&k, stopped, host, MS);
    assert_false(k.scale.off);
}

/* A counter that was set back, or forward, on the way. */
static void a_counter_that_jumps_does_not_turn_time_back(void **state)
{
    (void)state;
    Clock k;
    clock_init(&k);
    need_counter(&k);
    wait_until_host(host_now_ns() + 11 * MS);
    clock_now(&k);
    u64 now = clock_now(&k), hour = 3600ull * 1000000000;
    k.scale.minus_tsc += 2 * hour; /* as if the counter were ahead */
    k.seen_tsc -= 2 * hour;
    k.next_tsc -= 2 * hour;
    u64 host = host_now_ns(), later = clock_now(&k);
    assert_true(later > now);
    wait_until_host(host_now_ns() + 5 * MS);
    assert_true(clock_now(&k) > later + 4 * MS);
    assert_no_later(&k, later, host, 100 * MS);
    host = host_now_ns();
    later = clock_now(&k);
    k.scale.minus_tsc -= hour; /* and behind */
    k.seen_tsc += hour;
    k.next_tsc += hour;
    assert_no_later(&k, later, host, 100 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_order_at_their_own_time),
        TEST(rearming_moves_and_disarming_removes),
        TEST(the_earliest_deadline_is_announced_once_per_change),
        TEST(a_periodic_timer_is_announced_at_the_end_of_a_run),
        TEST(a_late_run_fires_what_is_due_and_returns),
        TEST(host_time_stands_still_while_stopped),
        TEST(time_by_the_counter_follows_the_host),
        TEST(a_counter_that_jumps_does_not_turn_time_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
