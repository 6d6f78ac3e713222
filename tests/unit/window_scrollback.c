/* window_scrollback.c - frontend/window/scrollback.c: the line editor's moves, bounds, garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/window/scrollback.h"

static void say(const char *text) { scrollback_put(text, strlen(text)); }
static const char *last(unsigned back) { return scrollback_line(scrollback_lines() - 1 - back); }

static void test_editing(void **state)
{
    (void)state;
    say("(ring3) stax\b\33[Ktus\b\b\b\33[Ktus\r\nVM\tx\r\ny");
    assert_string_equal(last(2), "(ring3) status");
    assert_string_equal(last(1), "VM      x");
    assert_string_equal(last(0), "y");
    say("\rab\bc\n");
    assert_string_equal(last(1), "ac");
    assert_string_equal(last(0), "");
}

static void test_bounds(void **state)
{
    char line[40];
    (void)state;
    for (unsigned n = 0; n < 2 * SCROLLBACK_LINES; n++) {
        snprintf(line, sizeof line, "%u\n", n);
        say(line);
    }
    assert_int_equal(scrollback_lines(), SCROLLBACK_LINES);
    snprintf(line, sizeof line, "%u", SCROLLBACK_LINES + 1);
    assert_string_equal(scrollback_line(0), line);
    for (unsigned n = 0; n < 2 * SCROLLBACK_COLUMNS; n++) say("x");
    assert_int_equal(strlen(last(0)), SCROLLBACK_COLUMNS);
    say("\t\n");
    assert_string_equal(scrollback_line(SCROLLBACK_LINES), "");
}

/* Whatever comes, lines are text. */
static void test_garbage(void **state)
{
    (void)state;
    srand(1);
    for (unsigned n = 0; n < 200000; n++) {
        static const char often[] = "\33[K\b\r\n\t\177\377a;";
        char c = rand() & 1 ? often[(size_t)rand() % (sizeof often - 1)] : (char)rand();
        scrollback_put(&c, 1);
    }
    for (unsigned n = 0; n < scrollback_lines(); n++) {
        assert_true(strlen(scrollback_line(n)) <= SCROLLBACK_COLUMNS);
        for (const char *at = scrollback_line(n); *at; at++) assert_true(*at >= ' ' && *at < 0x7f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_editing), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_garbage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
