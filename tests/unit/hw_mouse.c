/* hw_mouse.c - the PS/2 mouse behind the 8042: commands, packets, the wheel, slow readers. */
#include "hw_bench.h"

#include <stdio.h>

#include "hw/kbc.h"

static Kbc kbc;
static Wire irq1, irq12, reset, a20;

enum { OBF = 1, AUX = 0x20, NOTHING = -1 };

static int next_byte(void)
{
    clock_advance(&clk, 2 * MS);
    if (!(in(0x64) & OBF)) return NOTHING;
    assert_int_equal(in(0x64) & AUX, AUX);
    return in(0x60);
}

static char heard[256];

static const char *listen(void)
{
    int byte;
    size_t n = 0;
    heard[0] = 0;
    while ((byte = next_byte()) != NOTHING && n + 4 < sizeof heard)
        n += (size_t)snprintf(heard + n, sizeof heard - n, n ? " %02x" : "%02x", byte);
    return heard;
}

static const char *listen_long(void) /* over several samples */
{
    static char all[512];
    all[0] = 0;
    for (int n = 0; n < 12; n++) {
        const char *some = listen();
        if (*some) strcat(strcat(all, all[0] ? " " : ""), some);
        clock_advance(&clk, 10 * MS);
    }
    return all;
}

static const char *tell(u8 byte)
{
    out(0x64, 0xd4), out(0x60, byte);
    return listen();
}

static const char *tell2(u8 command, u8 parameter)
{
    assert_string_equal(tell(command), "fa");
    return tell(parameter);
}

static const char *move(int dx, int dy, int dz, u8 buttons)
{
    clock_advance(&clk, 100 * MS);
    kbc_mouse(&kbc, dx, dy, dz, buttons);
    return listen();
}

static void knock(u8 a, u8 b, u8 c)
{
    assert_string_equal(tell2(0xf3, a), "fa");
    assert_string_equal(tell2(0xf3, b), "fa");
    assert_string_equal(tell2(0xf3, c), "fa");
}

static int setup(void **state)
{
    (void)state;
    bench_up();
    irq1 = irq12 = reset = a20 = (Wire){0};
    KbcLines lines = {wire_line(&irq1), wire_line(&irq12), wire_line(&reset), wire_line(&a20)};
    kbc_init(&kbc, bus, &clk, &lines);
    out(0x64, 0x60), out(0x60, 0x47);
    return 0;
}

static void reset_and_identify(void **state)
{
    (void)state;
    assert_string_equal(tell(0xff), "fa aa 00");
    assert_string_equal(tell(0xf2), "fa 00");
    assert_string_equal(tell(0xe9), "fa 00 02 64");
    assert_int_equal(irq1.rises, 0);
    assert_int_equal(irq12.rises, 9);
    assert_string_equal(tell(0xfe), "64"); /* resend */
    assert_string_equal(tell(0xe1), "fe"); /* no such command */
}

static void the_aux_interrupt_has_its_enable(void **state)
{
    (void)state;
    out(0x64, 0x60), out(0x60, 0x45);
    tell(0xf2);
    assert_int_equal(irq12.rises, 0);
}

static void a_disabled_port_waits(void **state)
{
    (void)state;
    assert_string_equal(tell(0xf4), "fa");
    out(0x64, 0xa7);
    assert_string_equal(move(1, 0, 0, 0), "");
    out(0x64, 0xa8);
    assert_string_equal(listen(), "08 01 00");
}

static void movement_and_buttons(void **state)
{
    (void)state;
    assert_string_equal(move(5, 5, 0, MOUSE_LEFT), ""); /* not enabled yet */
    assert_string_equal(move(0, 0, 0, 0), "");
    assert_string_equal(tell(0xf4), "fa");
    assert_string_equal(move(5, 7, 0, 0), "28 05 f9"); /* down is negative */
    assert_string_equal(move(0, 0, 0, MOUSE_LEFT | MOUSE_MIDDLE), "0d 00 00");
    assert_string_equal(move(0, 0, 0, 0), "08 00 00");
}

static void big_moves_take_several_packets(void **state)
{
    (void)state;
    tell(0xf4);
    kbc_mouse(&kbc, 600, -256, 0, 0);
    assert_string_equal(listen_long(), "08 ff ff 08 ff 01 08 5a 00");
    assert_string_equal(move(-255, 0, 0, 0), "18 01 00");
}

static void a_mouse_that_runs_away_says_so(void **state)
{
    (void)state;
    tell(0xf4);
    clock_advance(&clk, 100 * MS);
    kbc_mouse(&kbc, 2000000000, -2000000000, 0, 0);
    clock_advance(&clk, 2 * MS);
    assert_int_equal(in(0x60), 0xc8);
}

static void clicks_are_not_lost(void **state)
{
    (void)state;
    tell(0xf4);
    assert_string_equal(move(0, 0, 0, MOUSE_LEFT), "09 00 00");
    for (int n = 0; n < 3; n++) { /* faster than anybody samples */
        kbc_mouse(&kbc, 1, 0, 0, 0);
        kbc_mouse(&kbc, 1, 0, 0, 0);
        kbc_mouse(&kbc, 0, 0, 0, MOUSE_RIGHT);
    }
    kbc_mouse(&kbc, 0, 0, 0, MOUSE_MIDDLE);
    assert_string_equal(listen_long(), "08 02 00 0a 00 00 08 02 00 0a 00 00 08 02 00 0a 00 00 0c 00 00");
    for (int n = 0; n < 1000; n++) kbc_mouse(&kbc, 1, 1, 1, n & 7);
    assert_in_range(kbc.mouse.move_count, 1, MOUSE_MOVES);
}

static void movement_is_added_up_for_a_slow_guest(void **state)
{
    (void)state;
    tell(0xf4);
    for (int n = 0; n < 50; n++) kbc_mouse(&kbc, 1, 0, 0, 0);
    clock_advance(&clk, SEC);
    assert_int_equal(in(0x60), 0x08);
    assert_int_equal(next_byte(), 1); /* the first one left at once */
    assert_int_equal(next_byte(), 0);
    clock_advance(&clk, 10 * MS);
    assert_string_equal(listen(), "08 31 00");
}

static void the_sample_rate_is_kept(void **state)
{
    (void)state;
    unsigned packets = 0;
    tell2(0xf3, 20), tell(0xf4);
    clock_advance(&clk, 100 * MS);
    for (int n = 0; n < 500; n++) { /* a second */
        kbc_mouse(&kbc, 1, 0, 0, 0);
        packets += next_byte() == 0x08;
    }
    assert_in_range(packets, 19, 21);
    assert_string_equal(tell(0xf5), "fa");
    assert_string_equal(tell2(0xf3, 0), "fe");
}

static void the_wheel_is_behind_a_knock(void **state)
{
    (void)state;
    knock(200, 100, 80);
    assert_string_equal(tell(0xf2), "fa 03");
    tell(0xf4);
    assert_string_equal(move(1, 0, 1, 0), "08 01 00 ff"); /* away from the person is negative */
    assert_string_equal(move(0, 0, -2, 0), "08 00 00 02");
    knock(200, 200, 80);
    assert_string_equal(tell(0xf2), "fa 04");
    assert_string_equal(move(0, 0, 1, MOUSE_SIDE), "08 00 00 1f");
    assert_string_equal(move(0, 0, 0, MOUSE_EXTRA | MOUSE_LEFT), "09 00 00 20");
    assert_string_equal(tell(0xff), "fa aa 00");
    assert_string_equal(tell(0xf2), "fa 00");
    tell(0xf4);
    assert_string_equal(move(0, 0, 1, 0), ""); /* a plain mouse has no wheel */
}

static void scaling_resolution_and_status(void **state)
{
    (void)state;
    assert_string_equal(tell(0xe7), "fa");
    assert_string_equal(tell2(0xe8, 3), "fa");
    assert_string_equal(tell(0xf4), "fa");
    assert_string_equal(move(4, 0, 0, MOUSE_LEFT), "09 06 00");
    assert_string_equal(move(10, 1, 0, MOUSE_LEFT), "29 14 ff");
    assert_string_equal(tell(0xe9), "fa 34 03 64");
    assert_string_equal(tell(0xe6), "fa");
    assert_string_equal(move(4, 0, 0, MOUSE_LEFT), "09 04 00");
    assert_string_equal(tell(0xf6), "fa");
    assert_string_equal(tell(0xe9), "fa 04 02 64");
}

static void remote_and_wrap_mode(void **state)
{
    (void)state;
    assert_string_equal(tell(0xf0), "fa");
    assert_string_equal(move(3, 0, 0, 0), "");
    assert_string_equal(tell(0xeb), "fa 08 03 00");
    assert_string_equal(tell(0xeb), "fa 08 00 00");
    assert_string_equal(tell(0xea), "fa");
    assert_string_equal(tell(0xee), "fa");
    assert_string_equal(tell(0xf4), "f4");
    assert_string_equal(tell(0x5a), "5a");
    assert_string_equal(tell(0xec), "fa");
    assert_string_equal(tell(0xe9), "fa 00 02 64");
}

static void a_command_restarts_a_packet(void **state)
{
    (void)state;
    tell(0xf4);
    clock_advance(&clk, 100 * MS);
    kbc_mouse(&kbc, 1, 2, 0, MOUSE_LEFT);
    assert_int_equal(next_byte(), 0x29);
    assert_string_equal(tell(0xf2), "fa 00 29 01 fe");
}

static void keyboard_and_mouse_share_the_controller(void **state)
{
    (void)state;
    tell(0xf4);
    clock_advance(&clk, 100 * MS);
    kbc_mouse(&kbc, 1, 0, 0, 0);
    kbc_key(&kbc, 0x1e, true);
    clock_advance(&clk, 2 * MS);
    assert_int_equal(in(0x64) & (OBF | AUX), OBF);
    assert_true(irq1.level);
    assert_int_equal(in(0x60), 0x1e);
    assert_string_equal(listen(), "08 01 00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reset_and_identify),
        TEST(the_aux_interrupt_has_its_enable),
        TEST(a_disabled_port_waits),
        TEST(movement_and_buttons),
        TEST(big_moves_take_several_packets),
        TEST(a_mouse_that_runs_away_says_so),
        TEST(clicks_are_not_lost),
        TEST(movement_is_added_up_for_a_slow_guest),
        TEST(the_sample_rate_is_kept),
        TEST(the_wheel_is_behind_a_knock),
        TEST(scaling_resolution_and_status),
        TEST(remote_and_wrap_mode),
        TEST(a_command_restarts_a_packet),
        TEST(keyboard_and_mouse_share_the_controller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
