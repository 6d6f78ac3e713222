/* front_typing.c - frontend/keyboard/typing.c: characters become keys by the keycaps of each country's keyboard. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "frontend/keyboard/typing.h"
#include "frontend/utf8.h"
#include "hw/keys.h"

static void expect(const char *layout, u32 character, unsigned count, u8 key, u8 with)
{
    Keystroke k[STROKES_MAX];
    const Layout *l = layout_find(layout);
    assert_non_null(l);
    assert_int_equal(layout_strokes(l, character, k), count);
    if (!count) return;
    assert_int_equal(k[0].key, key);
    assert_int_equal(k[0].with, with);
}

static void test_us(void **state)
{
    (void)state;
    expect(NULL, 'a', 1, 0x1e, 0);
    expect("en-us", 'A', 1, 0x1e, WITH_SHIFT);
    expect("us", '`', 1, 0x29, 0);
    expect("us", '\\', 1, 0x2b, 0);
    expect("us", '|', 1, 0x2b, WITH_SHIFT);
    expect("us", '?', 1, 0x35, WITH_SHIFT);
    expect("us", '+', 1, 0x0d, WITH_SHIFT);
    expect("us", '}', 1, 0x1b, WITH_SHIFT);
    expect("us", '"', 1, 0x28, WITH_SHIFT);
    expect("us", 0xe4, 0, 0, 0);
}

static void test_every_ascii_character_everywhere(void **state)
{
    Keystroke k[STROKES_MAX];
    (void)state;
    for (unsigned n = 0; layout_name(n); n++)
        for (u32 c = ' '; c < 0x7f; c++)
            if (!layout_strokes(layout_find(layout_name(n)), c, k))
                fail_msg("%s has no key for '%c'", layout_name(n), (int)c);
}

static void test_other_countries(void **state)
{
    Keystroke k[STROKES_MAX];
    (void)state;
    expect("de", 'z', 1, 0x15, 0);
    expect("de", 'y', 1, 0x2c, 0);
    expect("de", 0xfc, 1, 0x1a, 0); /* ue */
    expect("de", '@', 1, 0x10, WITH_ALTGR);
    expect("de", '\\', 1, 0x0c, WITH_ALTGR);
    expect("de", '|', 1, 0x56, WITH_ALTGR);
    expect("de", '~', 1, 0x1b, WITH_ALTGR);
    expect("de", '-', 1, 0x35, 0);
    expect("de", '^', 2, 0x29, 0);  /* dead, and a space */
    expect("de", 0xe9, 2, 0x0d, 0); /* e with an acute accent */
    assert_int_equal(layout_strokes(layout_find("de"), 0xe9, k), 2);
    assert_int_equal(k[1].key, 0x12);
    expect("uk", '#', 1, 0x2b, 0);
    expect("en-gb", '\\', 1, 0x56, 0);
    expect("en-gb", '@', 1, 0x28, WITH_SHIFT);
    expect("en-gb", 0xa3, 1, 0x04, WITH_SHIFT); /* the pound */
    expect("fr", 'a', 1, 0x10, 0);
    expect("fr", 'm', 1, 0x27, 0);
    expect("fr", '1', 1, 0x02, WITH_SHIFT);
    expect("fr", '^', 1, 0x0a, WITH_ALTGR);
    expect("fr", 0xea, 2, 0x1a, 0); /* e with a circumflex */
    expect("fr", '.', 1, 0x33, WITH_SHIFT);
    assert_null(layout_find("martian"));
}

static void test_control_characters(void **state)
{
    (void)state;
    expect("us", '\n', 1, KEY_ENTER, 0);
    expect("us", '\t', 1, KEY_TAB, 0);
    expect("us", 27, 1, KEY_ESC, 0);
    expect("us", 127, 1, KEY_BACKSPACE, 0);
    expect("us", 3, 1, 0x2e, WITH_CTRL);
    expect("fr", 1, 1, 0x10, WITH_CTRL);
    expect("us", 0x1c, 1, 0x2b, WITH_CTRL);
}

static void test_utf8(void **state)
{
    const char *text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff\xc3(\xe2\x82";
    static const u32 characters[] = {'a', 0xe4, 0x20ac, 0x1f600, 0xfffd, 0xfffd, '(', 0xfffd, 0, 0};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(characters); n++) assert_int_equal(utf8_next(&text), characters[n]);
}

static void test_edges(void **state)
{
    KeyEdge e[STROKE_EDGES];
    (void)state;
    assert_int_equal(keystroke_edges((Keystroke){0x1e, 0}, e), 2);
    assert_true(e[0].down && !e[1].down);
    assert_int_equal(keystroke_edges((Keystroke){KEY_DELETE, WITH_CTRL | WITH_ALT}, e), 6);
    static const KeyEdge expected[] = {{KEY_CTRL, true},    {KEY_ALT, true},  {KEY_DELETE, true},
                                       {KEY_DELETE, false}, {KEY_ALT, false}, {KEY_CTRL, false}};
    for (unsigned n = 0; n < 6; n++) {
        assert_int_equal(e[n].key, expected[n].key);
        assert_int_equal(e[n].down, expected[n].down);
    }
    assert_int_equal(keystroke_edges((Keystroke){0x1e, 15}, e), STROKE_EDGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_us),
        cmocka_unit_test(test_every_ascii_character_everywhere),
        cmocka_unit_test(test_other_countries),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
