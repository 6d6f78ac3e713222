/* The monitor's parts: expressions, formats, the line editor, key names, keys in guest time; and where -serial
 * leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "frontend/host/charspec.h"
#include "frontend/debug/expr.h"
#include "frontend/keyboard/keynames.h"
#include "frontend/keyboard/keyplay.h"
#include "frontend/monitor/readline.h"
#include "hw/keys.h"

/* --- expressions ----------------------------------------------------------------------------------------- */

static bool registers(void *ctx, const char *name, s64 *value)
{
    *value = *(s64 *)ctx;
    return !strcmp(name, "eip") || !strcmp(name, "cs.base");
}

static s64 value_of(const char *text, const char *rest)
{
    s64 eip = 0x1000, v = -99;
    Problem p = {""};
    if (!expr_parse(&text, &v, registers, &eip, &p)) fail_msg("%s", p.text);
    assert_string_equal(text, rest);
    return v;
}

static void expressions(void **state)
{
    (void)state;
    assert_int_equal(value_of("42", ""), 42);
    assert_int_equal(value_of("0x10 x", "x"), 16);
    assert_int_equal(value_of("017", ""), 15);
    assert_int_equal(value_of(" 1 + 2*3 ", ""), 7);
    assert_int_equal(value_of("(1+2)*3", ""), 9);
    assert_int_equal(value_of("1+6&3", ""), 3); /* & binds closer than + */
    assert_int_equal(value_of("-1", ""), -1);
    assert_int_equal(value_of("~0 ^ 5", ""), -6);
    assert_int_equal(value_of("7 % 4 | 8", ""), 11);
    assert_int_equal(value_of("'a'", ""), 'a');
    assert_int_equal(value_of("$eip+0x10", ""), 0x1010);
    assert_int_equal(value_of("$cs.base", ""), 0x1000);
    assert_int_equal(value_of("0x8000000000000000 / -1", ""), INT64_MIN);
    assert_int_equal(value_of("0xffffffffffffffff", ""), -1);
    assert_int_equal(value_of("16 /tmp/x", "/tmp/x"), 16); /* a file */
    assert_int_equal(value_of("16 /2", ""), 8);
    assert_int_equal(value_of("16 \"x\"", "\"x\""), 16);
}

static void refused(const char *text, const char *why)
{
    s64 v, eip = 0;
    Problem p = {""};
    assert_false(expr_parse(&text, &v, registers, &eip, &p));
    assert_string_equal(p.text, why);
}

static void bad_expressions(void **state)
{
    char deep[1000];
    (void)state;
    refused("", "unexpected end of expression");
    refused("1+", "unexpected end of expression");
    refused("x", "invalid char 'x' in expression");
    refused("(1", "')' expected");
    refused("1/0", "division by zero");
    refused("1%0", "division by zero");
    refused("$eax", "unknown register 'eax'");
    refused("'a", "missing terminating ' character");
    refused("99999999999999999999", "number too large");
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    refused(deep, "expression too deep");
    memset(deep, '-', sizeof deep - 1);
    refused(deep, "expression too deep");
}

static bool condition(const char *text)
{
    s64 eip = 0x1000;
    bool holds = false;
    Problem p = {""};
    if (!expr_condition(&text, &holds, registers, &eip, &p)) fail_msg("%s", p.text);
    assert_string_equal(text, "");
    return holds;
}

static void conditions(void **state)
{
    const char *bad[] = {"", "==1", "1==", "1 &&", "1 || $eax", "1 <"}, *rest = "1 then";
    s64 eip = 0;
    bool holds;
    Problem p;
    (void)state;
    assert_true(condition("$eip == 0x1000"));
    assert_false(condition("$eip != 0x1000"));
    assert_true(condition("$eip"));
    assert_false(condition("0"));
    assert_true(condition("-1 < 1"));
    assert_false(condition("1 < 1"));
    assert_true(condition("1 <= 1 && 2 >= 1"));
    assert_true(condition("0 || 3 > 2"));
    assert_false(condition("1 || 1 && 0")); /* from left to right */
    assert_true(condition("$eip & 0x1000 && $eip | 1"));
    assert_true(condition("1 + 1 == 2"));
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++)
        assert_false(expr_condition(&bad[n], &holds, registers, &eip, &p) && !*bad[n]);
    assert_true(expr_condition(&rest, &holds, registers, &eip, &p));
    assert_string_equal(rest, "then");
}

static void shows(const char *format, u64 value, const char *text)
{
    Format f = {1, 'x', 4};
    Problem p;
    char item[40];
    assert_true(format_parse(&format, &f, &p));
    format_item(item, sizeof item, &f, value);
    assert_string_equal(item, text);
}

static void formats(void **state)
{
    const char *s = "/12db 5", *bad = "/4q 0", *none = "5";
    Format f = {1, 'x', 4};
    Problem p;
    (void)state;
    assert_true(format_parse(&s, &f, &p));
    assert_string_equal(s, " 5");
    assert_int_equal(f.count, 12);
    assert_int_equal(f.letter, 'd');
    assert_int_equal(f.bytes, 1);
    assert_false(format_parse(&bad, &f, &p));
    assert_string_equal(p.text, "invalid char in format: 'q'");
    f.count = 3;
    assert_true(format_parse(&none, &f, &p));
    assert_int_equal(f.count, 3);
    shows("/x", 0xe05bea, "0x00e05bea");
    shows("/xb", 0x1ff, "0xff");
    shows("/xg", 1, "0x0000000000000001");
    shows("/d", 0xffffffff, "        -1");
    shows("/dh", 224, "  224");
    shows("/db", 0x80, "-128");
    shows("/u", 0xffffffff, "4294967295");
    shows("/ug", 3401960375889976298u, " 3401960375889976298");
    shows("/ob", 9, "0011");
    shows("/o", 8, "000000000010");
    shows("/cb", 'x', "'x'");
    shows("/cb", 0xea, "'\\xea'");
    shows("/cb", '\n', "'\\n'");
}

/* --- the line editor ------------------------------------------------------------------------------------- */

static char screen[20000], ran[8192];
static u32 screen_bytes;

static void on_echo(void *ctx, const char *bytes, u32 n)
{
    (void)ctx;
    assert_true(screen_bytes + n < sizeof screen);
    memcpy(screen + screen_bytes, bytes, n);
    screen[screen_bytes += n] = 0;
}

static void on_line(void *ctx, const char *line)
{
    (void)ctx;
    snprintf(ran + strlen(ran), sizeof ran - strlen(ran), "[%s]", line);
}

static void types(Readline *r, const char *keys, const char *lines)
{
    ran[0] = 0;
    screen_bytes = 0;
    for (; *keys; keys++) readline_key(r, (u8)*keys);
    assert_string_equal(ran, lines);
}

static void line_editor(void **state)
{
    static Readline r;
    (void)state;
    readline_init(&r, on_echo, on_line, NULL);
    types(&r, "quit\n", "[quit]");
    assert_string_equal(screen, "quit\r\n");
    types(&r, "a\r\nb\r\rc\n\n", "[a][b][][c][]");
    types(&r, "abx\177c\b\bd\n", "[ad]");
    types(&r, "rubbish\25stop\n", "[stop]");
    types(&r, "one two\27three\n", "[one three]");
    types(&r, "bd\33[Dc\1a\5e\n", "[abcde]");
    types(&r, "abc\1\4\33[C\33[3~\n", "[b]");
    types(&r, "abc\2\2\13d\n", "[ad]");
    types(&r, "\33[A\33[A\n", "[b]");
    types(&r, "\33[A\33[A\33[A\33[B\n", "[ad]"); /* b, ad, b; */
    types(&r, "\33[Bx\33[A\33[B\n", "[]");
    types(&r, "\33Oz\33\33\33[99~\1\3\2\4\6\7ok\n", "[ok]");
}

static void long_lines(void **state)
{
    static Readline r;
    (void)state;
    readline_init(&r, on_echo, on_line, NULL);
    ran[0] = 0;
    for (int n = 0; n < 100000; n++) {
        screen_bytes = 0;
        readline_key(&r, 'x');
    }
    readline_key(&r, '\n');
    assert_int_equal(strlen(ran), READLINE_BYTES - 1 + 2);
    for (u32 n = 0, seed = 1; n < 200000; n++) { /* rubbish */
        seed = seed * 1664525 + 1013904223;
        ran[0] = 0;
        screen_bytes = 0;
        readline_key(&r, (u8)(seed >> 24));
    }
}

/* --- keys ------------------------------------------------------------------------------------------------ */

static void key_names(void **state)
{
    u8 keys[CHORD_KEYS];
    const char *bad;
    size_t n;
    (void)state;
    assert_int_equal(keyname_chord("ctrl-alt-delete", keys, &bad, &n), 3);
    assert_int_equal(keys[0], KEY_CTRL);
    assert_int_equal(keys[1], KEY_ALT);
    assert_int_equal(keys[2], KEY_DELETE);
    assert_int_equal(keyname_chord("shift-8", keys, &bad, &n), 2);
    assert_int_equal(keys[1], 0x09);
    assert_int_equal(keyname_chord("0x1d", keys, &bad, &n), 1);
    assert_int_equal(keys[0], KEY_CTRL);
    assert_int_equal(keyname_chord("shift-<", keys, &bad, &n), 2);
    assert_int_equal(keys[1], 0x56);
    assert_int_equal(keyname_chord("a-foo-b", keys, &bad, &n), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(bad, "foo", 3);
    assert_int_equal(keyname_chord("", keys, &bad, &n), 0);
    assert_int_equal(keyname_chord("a-", keys, &bad, &n), 0);
    assert_int_equal(keyname_chord("a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a", keys, &bad, &n), 0);
    assert_string_equal(keyname_nearest("f13"), "f1");
    assert_null(keyname_nearest("xyzzy_nothing"));
}

static char pressed[400];

static void on_press(void *ctx, u8 key, bool down)
{
    Clock *k = ctx;
    size_t n = strlen(pressed);
    snprintf(pressed + n, sizeof pressed - n, "%llu:%c%02x ", (unsigned long long)clock_now(k) / 1000000,
             down ? '+' : '-', key);
}

static void keys_in_time(void **state)
{
    static KeyPlay k;
    static const u8 chord[] = {KEY_CTRL, KEY_ALT}, a[] = {0x1e};
    Clock clock;
    (void)state;
    clock_init_manual(&clock);
    keyplay_init(&k, &clock, on_press, &clock);
    pressed[0] = 0;
    assert_true(keyplay_chord(&k, chord, 2, 100));
    assert_true(keyplay_chord(&k, a, 1, 40));
    for (int n = 0; n < 100; n++) clock_advance(&clock, 10000000);
    assert_string_equal(pressed, "0:+1d 100:+38 200:-38 300:-1d 400:+1e 440:-1e ");
    pressed[0] = 0;
    assert_true(keyplay_chord(&k, a, 1, 0));
    assert_string_equal(pressed, "1000:+1e 1000:-1e ");
    int taken = 0;
    while (keyplay_chord(&k, a, 1, 40)) taken++;
    assert_in_range(taken, KEYPLAY_EVENTS / 2, KEYPLAY_EVENTS / 2 + 1);
    keyplay_reset(&k);
    pressed[0] = 0;
    clock_advance(&clock, 1000000000);
    assert_string_equal(pressed, "");
    assert_true(keyplay_chord(&k, a, 1, 40));
    assert_string_equal(pressed, "2000:+1e ");
}

/* --- where serial ports lead ----------------------------------------------------------------------------- */

static void char_specs(void **state)
{
    CharSpec s;
    (void)state;
    assert_true(charspec_parse(&s, "-serial", "unix:/tmp/a,,b,server=on,wait=off", USE_SERIAL));
    assert_int_equal(s.kind, CHAR_UNIX);
    assert_string_equal(s.path, "/tmp/a,b");
    assert_true(s.server && !s.wait && !s.mux && s.reads);
    assert_true(charspec_parse(&s, "-serial", "tcp:[::1]:4444,server,nowait", USE_SERIAL));
    assert_string_equal(s.path, "::1");
    assert_string_equal(s.port, "4444");
    assert_true(s.server && !s.wait);
    assert_true(charspec_parse(&s, "-serial", "tcp::1,server=on", USE_SERIAL));
    assert_string_equal(s.path, "");
    assert_true(s.wait);
    assert_true(charspec_parse(&s, "-serial", "mon:stdio", USE_SERIAL));
    assert_true(s.mux && s.kind == CHAR_STDIO);
    assert_true(charspec_parse(&s, "-debugcon", "none", USE_OUTPUT));
    assert_true(s.kind == CHAR_NULL && !s.reads);
    assert_false(charspec_parse(&s, "-monitor", "mon:stdio", USE_MONITOR));
    assert_false(charspec_parse(&s, "-serial", "tcp:x", USE_SERIAL));
    assert_false(charspec_parse(&s, "-serial", "unix:x,wait=maybe", USE_SERIAL));
}

/* --- whatever a client types ------------------------------------------------------------------------------- */

static u32 dice;
static u32 rnd(void)
{
    dice = dice * 1664525 + 1013904223;
    return dice >> 8;
}

static void any_text_is_parsed_within_bounds(void **state)
{
    (void)state;
    static const char letters[] =
        "0123456789abcdefx+-*/%&|^~()' $.eipcsbase/99999999999999ixduoc bhwlg-ctrl-alt-<\x80\xff";
    char text[400], item[40];
    dice = 1;
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = rnd() % (sizeof text - 1);
        for (size_t i = 0; i < n; i++) text[i] = letters[rnd() % (sizeof letters - 1)];
        text[n] = 0;
        const char *at = text, *bad;
        s64 eip = 1, v;
        size_t bad_length;
        u8 keys[CHORD_KEYS];
        Problem p;
        Format f = {1, 'x', 4};
        while (*at && expr_parse(&at, &v, registers, &eip, &p)) continue;
        assert_in_range(at - text, 0, n);
        at = text;
        if (format_parse(&at, &f, &p)) format_item(item, sizeof item, &f, rnd());
        assert_in_range(at - text, 0, n);
        assert_in_range(keyname_chord(text, keys, &bad, &bad_length), 0, CHORD_KEYS);
    }
}

static unsigned presses, releases;
static void count_keys(void *ctx, u8 key, bool down)
{
    (void)ctx, (void)key;
    *(down ? &presses : &releases) += 1;
}

/* A script that asks for more than can wait: each chord is played whole or refused. */
static void a_flood_of_chords(void **state)
{
    (void)state;
    Clock clock;
    KeyPlay k;
    u8 keys[CHORD_KEYS] = {1, 2, 3};
    unsigned taken = 0;
    clock_init_manual(&clock);
    keyplay_init(&k, &clock, count_keys, NULL);
    presses = releases = 0;
    dice = 1;
    for (unsigned round = 0; round < 5000; round++) {
        unsigned n = 1 + rnd() % CHORD_KEYS;
        if (keyplay_chord(&k, keys, n, rnd())) taken += n;
        if (rnd() % 16 == 0) clock_advance(&clock, rnd() % 100 * 1000000000ull);
    }
    clock_advance(&clock, 10000000ull * 1000000000);
    assert_true(taken && taken == presses && taken == releases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions),       cmocka_unit_test(bad_expressions),
        cmocka_unit_test(conditions),        cmocka_unit_test(formats),
        cmocka_unit_test(line_editor),       cmocka_unit_test(long_lines),
        cmocka_unit_test(key_names),         cmocka_unit_test(keys_in_time),
        cmocka_unit_test(char_specs),        cmocka_unit_test(any_text_is_parsed_within_bounds),
        cmocka_unit_test(a_flood_of_chords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
