/* hw_kbc.c - 8042 controller and keyboard: commands, answers, keys in three scan code sets, interrupts, A20, reset. */
#include "hw_bench.h"

#include <stdio.h>

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

enum { OBF = 1, SYS = 4, A2 = 8, AUX = 0x20, NOTHING = -1 };

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

/* Reading does not change what is read: who reads in a loop may sleep (cpu/wait.c). */
static void both_ports_are_still_while_there_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(bus_port_still(bus, 0x64, 1), STILL_UNTIL_EVENT);
    assert_int_equal(bus_port_still(bus, 0x60, 1), STILL_UNTIL_EVENT);
    out(0x64, 0xaa);
    assert_int_equal(bus_port_still(bus, 0x64, 1), STILL_UNTIL_EVENT);
    assert_int_equal(bus_port_still(bus, 0x60, 1), 0);
    assert_int_equal(in(0x60), 0x55);
    assert_int_equal(in(0x60), 0x55);
    assert_int_equal(bus_port_still(bus, 0x60, 1), STILL_UNTIL_EVENT);
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

static void the_aux_port_loops(void **state)
{
    (void)state;
    out(0x64, 0x60), out(0x60, 0x47);
    out(0x64, 0xd3), out(0x60, 0x5a);
    assert_int_equal(in(0x64) & (OBF | AUX), OBF | AUX);
    assert_true(irq12.level);
    assert_false(irq1.level);
    assert_int_equal(in(0x60), 0x5a);
    out(0x64, 0xd2), out(0x60, 0x1c); /* as if the keyboard had sent it */
    assert_int_equal(in(0x64) & (OBF | AUX), OBF);
    assert_int_equal(in(0x60), 0x1c);
    assert_int_equal(command(0xa4), 0xf1); /* no password */
}

/* --- keys ------------------------------------------------------------------------------------------------ */

static char heard[256]; /* what the keyboard sent, in hex */

static const char *listen(void)
{
    int byte;
    size_t n = 0;
    heard[0] = 0;
    while ((byte = next_byte()) != NOTHING && n + 4 < sizeof heard)
        n += (size_t)snprintf(heard + n, sizeof heard - n, n ? " %02x" : "%02x", byte);
    return heard;
}

static void press(u8 key) { kbc_key(&kbc, key, true); }
static void release(u8 key) { kbc_key(&kbc, key, false); }

static const char *tap(u8 key)
{
    press(key), release(key);
    return listen();
}

static void choose_set(u8 set, bool translate)
{
    out(0x64, 0x60), out(0x60, translate ? 0x45 : 0x05);
    out(0x60, 0xf0);
    assert_string_equal(listen(), "fa");
    out(0x60, set);
    assert_string_equal(listen(), "fa");
}

static void set_leds(u8 leds)
{
    out(0x60, 0xed), assert_string_equal(listen(), "fa");
    out(0x60, leds), assert_string_equal(listen(), "fa");
}

static void keys_arrive_translated(void **state)
{
    (void)state;
    press(0x1e);
    clock_advance(&clk, MS);
    assert_true(irq1.level);
    assert_int_equal(in(0x60), 0x1e);
    press(0x1e); /* the host's repeat */
    assert_int_equal(next_byte(), NOTHING);
    release(0x1e);
    assert_string_equal(listen(), "9e");
    release(0x1e);
    assert_string_equal(listen(), "");
    assert_string_equal(tap(0x41), "41 c1"); /* F7: code 83h in set 2 */
    assert_string_equal(tap(KEY_E0 | 0x1c), "e0 1c e0 9c");
    assert_string_equal(tap(KEY_DELETE), "e0 53 e0 d3");
}

static void every_key_is_itself_after_translation(void **state)
{
    (void)state;
    char want[32];
    for (u8 key = 1; key <= 0x58; key++) {
        if (key == 0x55) continue; /* no such key */
        snprintf(want, sizeof want, "%02x %02x", key, key | 0x80);
        assert_string_equal(tap(key), want);
    }
}

static void the_same_keys_in_each_set(void **state)
{
    (void)state;
    choose_set(2, false);
    assert_string_equal(tap(0x1e), "1c f0 1c");
    assert_string_equal(tap(KEY_E0 | 0x4b), "e0 6b e0 f0 6b");
    choose_set(1, false);
    assert_string_equal(tap(0x1e), "1e 9e");
    assert_string_equal(tap(KEY_E0 | 0x4b), "e0 4b e0 cb");
    choose_set(3, false);
    assert_string_equal(tap(0x1e), "1c"); /* letters repeat, but tell no release */
    assert_string_equal(tap(KEY_SHIFT), "12 f0 12");
    assert_string_equal(tap(KEY_E0 | 0x4b), "61");
    assert_string_equal(tap(KEY_PAUSE), "62");
    assert_string_equal(tap(KEY_PRINT), "57");
}

static void key_types_of_set_3(void **state)
{
    (void)state;
    choose_set(3, false);
    out(0x60, 0xfa), assert_string_equal(listen(), "fa");
    assert_string_equal(tap(0x1e), "1c f0 1c");
    out(0x60, 0xfd), assert_string_equal(listen(), "fa");
    out(0x60, 0x1c), assert_string_equal(listen(), "fa");
    out(0x60, 0xf4), assert_string_equal(listen(), "fa");
    assert_string_equal(tap(0x1e), "1c");
    assert_string_equal(tap(0x1f), "1b f0 1b");
    out(0x60, 0xf8), assert_string_equal(listen(), "fa"); /* make and break, no repeat */
    press(0x1e);
    clock_advance(&clk, 2 * (u64)SEC);
    assert_string_equal(listen(), "1c");
}

static void print_and_pause(void **state)
{
    (void)state;
    assert_string_equal(tap(KEY_PRINT), "e0 2a e0 37 e0 b7 e0 aa");
    assert_string_equal(tap(KEY_PAUSE), "e1 1d 45 e1 9d c5");
    press(KEY_CTRL);
    assert_string_equal(tap(KEY_PRINT), "1d e0 37 e0 b7");
    assert_string_equal(tap(KEY_PAUSE), "e0 46 e0 c6"); /* Break */
    release(KEY_CTRL), press(KEY_ALT);
    listen();
    assert_string_equal(tap(KEY_PRINT), "54 d4");
    choose_set(2, false);
    release(KEY_ALT), listen();
    assert_string_equal(tap(KEY_PAUSE), "e1 14 77 e1 f0 14 f0 77");
}

static void navigation_keys_fake_shifts(void **state)
{
    (void)state;
    enum { LEFT = KEY_E0 | 0x4b };
    set_leds(2);
    assert_string_equal(tap(LEFT), "e0 2a e0 4b e0 cb e0 aa");
    press(LEFT);
    assert_string_equal(listen(), "e0 2a e0 4b");
    press(0x1e); /* another key takes the fake back */
    assert_string_equal(listen(), "e0 aa 1e");
    release(LEFT), release(0x1e);
    assert_string_equal(listen(), "e0 cb 9e");
    press(KEY_SHIFT);
    assert_string_equal(tap(LEFT), "2a e0 4b e0 cb");
    set_leds(0);
    assert_string_equal(tap(LEFT), "e0 aa e0 4b e0 cb e0 2a");
    press(KEY_SHIFT_R);
    assert_string_equal(listen(), "36");
    assert_string_equal(tap(LEFT), "e0 aa e0 b6 e0 4b e0 cb e0 2a e0 36");
    assert_string_equal(tap(KEY_E0 | 0x35), "e0 aa e0 b6 e0 35 e0 b5 e0 2a e0 36");
    press(LEFT), release(KEY_SHIFT), release(KEY_SHIFT_R), release(LEFT);
    assert_string_equal(listen(),
                        "e0 aa e0 b6 e0 4b aa b6 e0 cb"); /* no Shift comes back that nobody holds */
}

static unsigned repeats_within(u64 ns)
{
    unsigned n = 0;
    for (u64 t = 0; t < ns; t += 2 * MS) n += next_byte() == 0x1e;
    return n;
}

static void a_held_key_repeats(void **state)
{
    (void)state;
    press(0x1e);
    assert_int_equal(repeats_within(480 * MS), 1);
    assert_int_equal(repeats_within(SEC), 11); /* 10.9 a second after half of one */
    press(0x1f), release(0x1f);
    listen();
    assert_int_equal(repeats_within(SEC), 0); /* another key came between */
    release(0x1e), listen();
    out(0x60, 0xf3), listen(), out(0x60, 0x00), listen(); /* 250 ms, 30 a second */
    press(0x1e);
    assert_int_equal(repeats_within(SEC), 23 + 1);
    clock_advance(&clk, 10 * (u64)SEC); /* nobody reads: repeats do not pile up */
    release(0x1e);
    assert_true(strlen(listen()) <= strlen("1e 1e 9e"));
    assert_false(kbc.keyboard.timer.armed);
}

static void a_full_buffer_overruns(void **state)
{
    (void)state;
    out(0x64, 0xad);
    for (u8 key = 2; key < 12; key++) press(key), release(key); /* 3 bytes each in set 2 */
    press(0x1e);
    release(2);
    out(0x64, 0xae);
    assert_string_equal(listen(), "02 82 03 83 04 84 05 85 06 86 07 ff 87");
    assert_true(kbc_keys_taken(&kbc));
    choose_set(1, false);
    out(0x64, 0xad);
    for (u8 key = 2; key < 12; key++) press(key), release(key);
    out(0x64, 0xae);
    assert_string_equal(listen(), "02 82 03 83 04 84 05 85 06 86 07 87 08 88 09 89 ff");
}

static void answers_go_between_keys_not_into_them(void **state)
{
    (void)state;
    choose_set(2, false);
    press(KEY_E0 | 0x4b), press(0x1e);
    assert_int_equal(next_byte(), 0xe0);
    out(0x60, 0xee);
    assert_string_equal(listen(), "6b ee 1c");
}

static void a_keyboard_that_does_not_scan(void **state)
{
    (void)state;
    press(0x1e), listen();
    out(0x60, 0xf5), assert_string_equal(listen(), "fa");
    assert_string_equal(tap(0x1f), "");
    release(0x1e);
    out(0x60, 0xf4), assert_string_equal(listen(), "fa");
    assert_string_equal(tap(0x1f), "1f 9f");
    press(0x1e);
    kbc_reset(&kbc); /* what was held is forgotten */
    release(0x1e);
    assert_string_equal(listen(), "");
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
        TEST(both_ports_are_still_while_there_is_nothing),
        TEST(the_command_byte_and_ram),
        TEST(keyboard_reset_acknowledges_then_passes_its_test),
        TEST(identify_translated_and_raw),
        TEST(keyboard_commands),
        TEST(parameters_follow_their_command),
        TEST(a_disabled_keyboard_waits),
        TEST(controller_answers_do_not_lose_keyboard_bytes),
        TEST(interrupts_follow_the_command_byte),
        TEST(the_aux_port_loops),
        TEST(keys_arrive_translated),
        TEST(every_key_is_itself_after_translation),
        TEST(the_same_keys_in_each_set),
        TEST(key_types_of_set_3),
        TEST(print_and_pause),
        TEST(navigation_keys_fake_shifts),
        TEST(a_held_key_repeats),
        TEST(a_full_buffer_overruns),
        TEST(answers_go_between_keys_not_into_them),
        TEST(a_keyboard_that_does_not_scan),
        TEST(the_output_port_moves_a20),
        TEST(reset_by_pulse_and_by_output_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
