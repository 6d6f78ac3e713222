/* midi_parser.c - messages out of a stream of bytes, by the MIDI 1.0 specification: running status, real-time bytes in
 * between, exclusive messages; and any bytes at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/midi/parser.h"
#include "tests/random.h"

static MidiParser parser;
static MidiWord word;

static int setup(void **state)
{
    (void)state;
    parser = (MidiParser){.status = 0};
    return 0;
}

static void gives(const u8 *bytes, u32 count, u8 status, u8 a, u8 b)
{
    for (u32 n = 0; n + 1 < count; n++) assert_false(midi_parse(&parser, bytes[n], &word));
    assert_true(midi_parse(&parser, bytes[count - 1], &word));
    assert_int_equal(word.status, status), assert_int_equal(word.a, a), assert_int_equal(word.b, b);
}
#define GIVES(status, a, b, ...) gives((const u8[]){__VA_ARGS__}, sizeof((u8[]){__VA_ARGS__}), status, a, b)

static void messages_of_each_length(void **state)
{
    (void)state;
    GIVES(0x93, 60, 100, 0x93, 60, 100);
    GIVES(0x93, 61, 0, 61, 0); /* running status */
    GIVES(0xc5, 17, 0, 0xc5, 17);
    GIVES(0xc5, 18, 0, 18);
    GIVES(0xe0, 1, 64, 0xe0, 1, 64);
}

static void what_is_incomplete_is_dropped(void **state)
{
    (void)state;
    assert_false(midi_parse(&parser, 60, &word)); /* data of nothing */
    GIVES(0x80, 60, 5, 0x90, 60, 0x80, 60, 5);
    GIVES(0x80, 61, 5, 61, 0xfe, 0xf8, 5);           /* active sensing and a clock tick in between */
    GIVES(0x90, 1, 2, 0xf2, 9, 9, 7, 7, 0x90, 1, 2); /* a song position, whose running status is none */
    GIVES(0xff, 0, 0, 0x90, 1, 0xff);
    assert_false(midi_parse(&parser, 2, &word));
}

static void exclusive_messages(void **state)
{
    (void)state;
    GIVES(MIDI_SYSEX, 0, 0, 0xf0, 0x7e, 0x7f, 0xf8, 9, 1, 0xf7);
    assert_int_equal(word.sysex_bytes, 4);
    assert_memory_equal(word.sysex, "\x7e\x7f\x09\x01", 4);
    GIVES(0x90, 1, 2, 0xf0, 1, 2, 0x90, 1, 2); /* cut short */
    for (u32 most = MIDI_SYSEX_MOST; most < MIDI_SYSEX_MOST + 3; most++) {
        assert_false(midi_parse(&parser, 0xf0, &word));
        for (u32 n = 0; n < most; n++) assert_false(midi_parse(&parser, (u8)(n & 127), &word));
        assert_int_equal(midi_parse(&parser, 0xf7, &word), most == MIDI_SYSEX_MOST);
    }
}

static void any_bytes(void **state)
{
    (void)state;
    for (u32 n = 0; n < 2000000; n++)
        if (midi_parse(&parser, (u8)rnd(), &word))
            assert_true(word.status & 0x80 && !((word.a | word.b) & 0x80) &&
                        word.sysex_bytes <= MIDI_SYSEX_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(messages_of_each_length, setup),
        cmocka_unit_test_setup(what_is_incomplete_is_dropped, setup),
        cmocka_unit_test_setup(exclusive_messages, setup),
        cmocka_unit_test_setup(any_bytes, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
