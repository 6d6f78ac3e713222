/* hw_gameport.c - the game control adapter: how long its bits are high, by the resistor; buttons; sticks that are absent. */
#include "hw_bench.h"

#include "hw/gameport.h"

static Gameport port;

static int setup(void **state)
{
    (void)state;
    bench_up();
    gameport_init(&port, bus, &clk);
    gameport_part.reset(&port);
    return 0;
}

/* Microseconds until a bit falls, as a program measures them. */
static u32 fall_us(u8 bit)
{
    u32 us = 0;
    out(0x201, 0xff);
    for (; in(0x201) & bit; us++) {
        if (us == 10000) return us;
        clock_advance(&clk, US);
    }
    return us;
}

static void move(unsigned stick, s16 x, s16 y, u8 buttons)
{
    gameport_move(&port, stick, &(Stick){true, x, y, buttons});
}

static void an_axis_is_a_time(void **state)
{
    (void)state;
    move(0, -32768, 32767, 0), move(1, 0, -16384, 0);
    assert_int_equal(in(0x201), 0xf0);
    assert_int_equal(fall_us(1), 25);   /* 24.2 */
    assert_int_equal(fall_us(2), 1125); /* 24.2 + 1100 */
    assert_int_equal(fall_us(4), 575);  /* 24.2 + 550.008 */
    assert_int_equal(fall_us(8), 300);  /* 24.2 + 275.0 */
    clock_advance(&clk, 2 * MS);
    out(0x201, 0);
    assert_int_equal(in(0x201), 0xff);
    move(0, 32767, 32767, 0); /* settled when it was started */
    clock_advance(&clk, 25 * US);
    assert_int_equal(in(0x201), 0xfe);
}

static void an_absent_stick_never_falls(void **state)
{
    (void)state;
    assert_int_equal(in(0x201), 0xf0);
    assert_int_equal(fall_us(1), 10000);
    assert_int_equal(in(0x201), 0xff);
    move(1, 0, 0, 0);
    assert_int_equal(fall_us(4), 575);
    assert_int_equal(in(0x201), 0xf3);
    gameport_move(&port, 1, &(Stick){false, 5, 5, 3}); /* unplugged, whatever it says besides */
    assert_int_equal(in(0x201), 0xf3);
    assert_int_equal(fall_us(4), 10000);
    gameport_move(&port, 2, &(Stick){true, 0, 0, 0});
    assert_int_equal(fall_us(15), 10000);
    gameport_part.reset(&port);
    assert_int_equal(in(0x201), 0xf0);
}

static void buttons_are_low_while_pressed(void **state)
{
    (void)state;
    move(0, 0, 0, 1);
    assert_int_equal(in(0x201), 0xe0);
    move(0, 0, 0, 14); /* one stick with four buttons */
    assert_int_equal(in(0x201), 0x10);
    move(1, 0, 0, 1); /* two with two */
    assert_int_equal(in(0x201), 0x90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_axis_is_a_time),
        TEST(an_absent_stick_never_falls),
        TEST(buttons_are_low_while_pressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
