/* vnc_keysym.c - X's names of keys become the guest's, by the layout that it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frontend/vnc/keysym.h"
#include "hw/keys.h"

typedef struct Case {
    u32 keysym;
    u8 key, with;
    bool is_character;
} Case;

static void expect(const char *layout, const Case *c)
{
    Keystroke k = {0};
    bool is_character;
    assert_true(keysym_stroke(layout_find(layout), c->keysym, &k, &is_character));
    assert_int_equal(k.key, c->key);
    assert_int_equal(k.with, c->with);
    assert_int_equal(is_character, c->is_character);
}

static void characters_by_their_layout(void **state)
{
    static const Case us[] = {
        {'a', 0x1e, 0, true}, {'A', 0x1e, WITH_SHIFT, true}, {'/', 0x35, 0, true}, {'z', 0x2c, 0, true}};
    static const Case de[] = {{'/', 0x08, WITH_SHIFT, true},
                              {'z', 0x15, 0, true},
                              {0xe4, 0x28, 0, true},
                              {0x10000e4, 0x28, 0, true},
                              {'@', 0x10, WITH_ALTGR, true}};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(us); n++) expect("en-us", &us[n]);
    for (unsigned n = 0; n < ARRAY_LEN(de); n++) expect("de", &de[n]);
}

static void keys_without_characters(void **state)
{
    static const Case cases[] = {{0xff0d, KEY_ENTER, 0, false},  {0xff51, 0xcb, 0, false},
                                 {0xffff, KEY_DELETE, 0, false}, {0xffc9, 0x58, 0, false},
                                 {0xffb7, 0x47, 0, false},       {0xff8d, 0x9c, 0, false},
                                 {0xfe03, 0xb8, 0, false},       {0xfe20, KEY_TAB, 0, false}};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(cases); n++) expect(NULL, &cases[n]);
}

static void what_no_key_is(void **state)
{
    static const u32 none[] = {0,      7,       0x7f,      0x100,     0xff00,    0xff5f,
                               0xfe01, 0x10000, 0x1000000, 0x110ffff, 0xffffffff};
    Keystroke k;
    bool is_character;
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(none); n++)
        assert_false(keysym_stroke(layout_find(NULL), none[n], &k, &is_character));
    assert_int_equal(keysym_from_scancode(0), 0);
    assert_int_equal(keysym_from_scancode(0x100), 0);
    assert_int_equal(keysym_from_scancode(0xffffffffu), 0);
    assert_int_equal(keysym_from_scancode(0x54), KEY_PRINT);
    assert_int_equal(keysym_from_scancode(0x9d), 0x9d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(characters_by_their_layout),
                                       cmocka_unit_test(keys_without_characters),
                                       cmocka_unit_test(what_no_key_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
