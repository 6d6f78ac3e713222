/* The store of -trace: the first events and the last, in order, and nothing while it is off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cpu/base/timeline.h"

static void off_is_nothing(void **state)
{
    u64 lost;
    (void)state;
    assert_int_equal(timeline_now(), 0);
    timeline_away(1);
    assert_int_equal(timeline_count(&lost), 0);
    assert_int_equal(lost, 0);
}

static void the_first_and_the_last_are_kept(void **state)
{
    u64 lost, from, to;
    (void)state;
    assert_true(timeline_start(16));
    assert_false(timeline_gap(&from, &to));
    for (u32 n = 0; n < 100; n++) timeline_add(TIMELINE_DEVICE, timeline_now(), "device", n, ~n);
    assert_int_equal(timeline_count(&lost), 16);
    assert_int_equal(lost, 84);
    for (u32 n = 0; n < 16; n++) {
        const TimelineEvent *e = timeline_get(n);
        u32 number = n < 8 ? n : 84 + n;
        assert_int_equal(e->a, number);
        assert_int_equal(e->b, ~number);
        assert_int_equal(e->kind, TIMELINE_DEVICE);
        assert_true(e->ns >= timeline_began_ns() && e->duration_ns > 0);
        assert_true(!n || e->ns >= timeline_get(n - 1)->ns);
    }
    assert_true(timeline_gap(&from, &to));
    assert_true(from >= timeline_get(7)->ns && from <= timeline_get(8)->ns && to >= timeline_get(8)->ns);
    timeline_end();
}

static void an_exit_lasts(void **state)
{
    u64 lost;
    (void)state;
    assert_true(timeline_start(16));
    timeline_entered(1); /* nobody knows since when it was out */
    assert_int_equal(timeline_count(&lost), 0);
    timeline_left("poll", 0x1234);
    timeline_interrupt(0x30, "interrupt", 0x1234, 0);
    timeline_away(0x5678);
    timeline_entered(0x9abc); /* what came in between is no exit */
    assert_int_equal(timeline_count(&lost), 2);
    const TimelineEvent *i = timeline_get(0), *e = timeline_get(1);
    assert_int_equal(i->duration_ns, 0);
    assert_int_equal(i->vector, 0x30);
    assert_int_equal(e->kind, TIMELINE_EXIT);
    assert_string_equal(e->text, "poll");
    assert_true(e->a == 0x1234 && e->b == 0x5678 && e->ns <= i->ns);
    timeline_end();
}

static void stops_and_goes_on(void **state)
{
    u64 lost, since;
    (void)state;
    assert_true(timeline_start(16));
    timeline_left("poll", 1);
    since = timeline_now();
    timeline_stop();
    timeline_add(TIMELINE_IDLE, since, "HLT", 0, 0); /* begun before, ended behind */
    timeline_away(2);
    assert_int_equal(timeline_count(&lost), 0);
    assert_true(timeline_resume());
    timeline_entered(2); /* the exit of before is over */
    assert_int_equal(timeline_count(&lost), 0);
    timeline_add(TIMELINE_IDLE, timeline_now(), "HLT", 0, 0);
    timeline_stop();
    assert_int_equal(timeline_count(&lost), 1);
    timeline_end();
    assert_int_equal(timeline_count(&lost), 0);
    assert_true(timeline_resume()); /* a ring of its own */
    timeline_add(TIMELINE_IDLE, timeline_now(), "HLT", 0, 0);
    assert_int_equal(timeline_count(&lost), 1);
    timeline_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_is_nothing),
        cmocka_unit_test(the_first_and_the_last_are_kept),
        cmocka_unit_test(an_exit_lasts),
        cmocka_unit_test(stops_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
