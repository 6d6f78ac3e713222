/* hw_kbc.c - 8042 controller and keyboard: commands, answers, interrupts, A20 and reset. */
#include "hw_bench.h"

#include "hw/kbc.h"

static Kbc kbc;
static Wire irq1, irq12, reset, a20;

static int setup(void **state)
{
    (void)state;
    bench_up();
    irq1 = irq12 = reset = a20 = (Wire){0};
    KbcLines lines = {wire_line(&irq1), wire_line(&irq12), wire_line(&reset), wire_line(&a20)};
    kbc_init(&kbc, bus, &clk, &lines);
    return 0;
}

enum { OBF = 1, SYS = 4, A2 = 8, AUX = 0x20, TIMEOUT = 0x40, NOTHING = -1 };

static int next_byte(void) /* what the keyboard sends within a few milliseconds */
{
    clock_advance(&clk, 2 * MS);
    return in(0x64) & OBF ? in(0x60) : NOTHING;
}

static u8 command(u8 cmd) /* a controller command with an immediate answer */
{
    out(0x64, cmd);
    assert_true(in(0x64) & OBF);
    return in(0x60);
}

static void self_tests(void **state)
{
    (void)state;
    assert_int_equal(in(0x64), 0x14); /* unlocked, system flag */
    assert_int_equal(command(0xaa), 0x55);
    assert_int_equal(command(0xab), 0x00);
    assert_int_equal(command(0xa9), 0x00);
    assert_int_equal(in(0x64) & OBF, 0);
}

static void the_command_byte_and_ram(void **state)
{
    (void)state;
    assert_int_equal(command(0x20), 0x65);
    out(0x64, 0x60);
    assert_true(in(0x64) & A2);
    out(0x60, 0x47);
    assert_false(in(0x64) & A2);
    assert_int_equal(command(0x20), 0x47);
    out(0x64, 0x7f), out(0x60, 0x99);
    assert_int_equal(command(0x3f), 0x99);
    out(0x64, 0xad);
    assert_int_equal(command(0x20), 0x57);
    out(0x64, 0xae), out(0x64, 0xa7);
    assert_int_equal(command(0x20), 0x67);
    out(0x64, 0xa8);
    assert_int_equal(command(0x20), 0x47);
}

static void keyboard_reset_acknowledges_then_passes_its_test(void **state)
{
    (void)state;
    out(0x60, 0xff);
    assert_int_equal(in(0x64) & OBF, 0); /* not in no time */
    clock_advance(&clk, MS);
    assert_true(irq1.level);
    assert_int_equal(in(0x60), 0xfa);
    assert_false(irq1.level);
    clock_advance(&clk, MS);
    assert_int_equal(irq1.rises, 2); /* one edge a byte */
    assert_int_equal(in(0x60), 0xaa);
    assert_int_equal(next_byte(), NOTHING);
}

static void identify_translated_and_raw(void **state)
{
    (void)state;
    out(0x60, 0xf2);
    assert_int_equal(next_byte(), 0xfa);
    assert_int_equal(next_byte(), 0xab);
    assert_int_equal(next_byte(), 0x41);
    out(0x64, 0x60), out(0x60, 0x05); /* translation off */
    out(0x60, 0xf2);
    assert_int_equal(next_byte(), 0xfa);
    assert_int_equal(next_byte(), 0xab);
    assert_int_equal(next_byte(), 0x83);
}

static void keyboard_commands(void **state)
{
    (void)state;
    static const u8 acknowledged[] = {0xf4, 0xf5, 0xf6, 0xf7, 0xfa, 0xfd};
    for (unsigned i = 0; i < ARRAY_LEN(acknowledged); i++) {
        out(0x60, acknowledged[i]);
        assert_int_equal(next_byte(), 0xfa);
        assert_int_equal(next_byte(), NOTHING);
    }
    out(0x60, 0xee);
    assert_int_equal(next_byte(), 0xee);
    out(0x60, 0xfe); /* resend */
    assert_int_equal(next_byte(), 0xee);
    out(0x60, 0xef); /* no such command */
    assert_int_equal(next_byte(), 0xfe);
}

static void parameters_follow_their_command(void **state)
{
    (void)state;
    out(0x60, 0xed);
    assert_int_equal(next_byte(), 0xfa);
    out(0x60, 0x07);
    assert_int_equal(next_byte(), 0xfa);
    assert_int_equal(kbc.keyboard.leds, 7);
    out(0x60, 0xf3);
    assert_int_equal(next_byte(), 0xfa);
    out(0x60, 0x00);
    assert_int_equal(next_byte(), 0xfa);
    out(0x64, 0x60), out(0x60, 0x05);
    out(0x60, 0xf0);
    assert_int_equal(next_byte(), 0xfa);
    out(0x60, 0x00); /* which scan code set? */
    assert_int_equal(next_byte(), 0xfa);
    assert_int_equal(next_byte(), 0x02);
    out(0x60, 0xed);
    assert_int_equal(next_byte(), 0xfa);
    out(0x60, 0xf4); /* a command instead of the parameter */
    assert_int_equal(next_byte(), 0xfa);
    assert_int_equal(kbc.keyboard.leds, 7);
}

static void a_disabled_keyboard_waits(void **state)
{
    (void)state;
    out(0x60, 0xf4);
    out(0x64, 0xad);
    assert_int_equal(next_byte(), NOTHING);
    out(0x64, 0xae);
    assert_int_equal(next_byte(), 0xfa);
    out(0x64, 0xad);
    out(0x60, 0xf4); /* a byte to the keyboard opens the wire */
    assert_int_equal(next_byte(), 0xfa);
}

static void controller_answers_do_not_lose_keyboard_bytes(void **state)
{
    (void)state;
    out(0x60, 0xee);
    clock_advance(&clk, MS);
    out(0x64, 0xaa); /* the buffer is taken: the answer waits */
    assert_int_equal(in(0x60), 0xee);
    assert_int_equal(in(0x60), 0x55);
}

static void interrupts_follow_the_command_byte(void **state)
{
    (void)state;
    out(0x64, 0x60), out(0x60, 0x40);
    out(0x60, 0xee);
    clock_advance(&clk, MS);
    assert_false(irq1.level);
    out(0x64, 0x60), out(0x60, 0x41);
    assert_true(irq1.level);
}

static void the_aux_port_loops_but_has_no_mouse(void **state)
{
    (void)state;
    out(0x64, 0x60), out(0x60, 0x47);
    out(0x64, 0xd3), out(0x60, 0x5a);
    assert_int_equal(in(0x64) & (OBF | AUX | TIMEOUT), OBF | AUX);
    assert_true(irq12.level);
    assert_false(irq1.level);
    assert_int_equal(in(0x60), 0x5a);
    out(0x64, 0xd4), out(0x60, 0xf2);
    assert_int_equal(in(0x64) & (OBF | AUX | TIMEOUT), OBF | AUX | TIMEOUT);
    assert_int_equal(in(0x60), 0xfe);
    out(0x64, 0xd2), out(0x60, 0x1c); /* as if the keyboard had sent it */
    assert_int_equal(in(0x64) & (OBF | AUX), OBF);
    assert_int_equal(in(0x60), 0x1c);
}

static void the_output_port_moves_a20(void **state)
{
    (void)state;
    assert_int_equal(command(0xd0) & 3, 3);
    out(0x64, 0xd1), out(0x60, 0xdf);
    assert_true(a20.level);
    out(0x64, 0xd1), out(0x60, 0xdd);
    assert_false(a20.level);
    assert_int_equal(command(0xd0) & 2, 0);
    kbc_a20_changed(&kbc, true); /* port 92h */
    assert_int_equal(command(0xd0) & 2, 2);
    out(0x64, 0xdf);
    assert_true(a20.level);
    out(0x64, 0xdd);
    assert_false(a20.level);
    assert_int_equal(reset.rises, 0);
}

static void reset_by_pulse_and_by_output_port(void **state)
{
    (void)state;
    out(0x64, 0xff);
    assert_int_equal(reset.rises, 0);
    out(0x64, 0xfe);
    assert_int_equal(reset.rises, 1);
    out(0x64, 0xd1), out(0x60, 0x02);
    assert_int_equal(reset.rises, 2);
    assert_false(reset.level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(self_tests),
        TEST(the_command_byte_and_ram),
        TEST(keyboard_reset_acknowledges_then_passes_its_test),
        TEST(identify_translated_and_raw),
        TEST(keyboard_commands),
        TEST(parameters_follow_their_command),
        TEST(a_disabled_keyboard_waits),
        TEST(controller_answers_do_not_lose_keyboard_bytes),
        TEST(interrupts_follow_the_command_byte),
        TEST(the_aux_port_loops_but_has_no_mouse),
        TEST(the_output_port_moves_a20),
        TEST(reset_by_pulse_and_by_output_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
