/* The words of -d, the ranges of -dfilter, and which addresses they let through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "frontend/debug/trace_words.h"

static void words(void **state)
{
    char bad[8];
    u32 mask = 0;
    (void)state;
    assert_true(trace_words_parse("int", &mask, bad, sizeof bad));
    assert_int_equal(mask, TRACE_INT);
    assert_true(trace_words_parse("stats,exec,mmu,exec", &mask, bad, sizeof bad));
    assert_int_equal(mask, TRACE_STATS | TRACE_EXEC | TRACE_MMU);
    static const struct {
        const char *text, *bad;
    } wrong[] = {{"", ""},
                 {"int,", ""},
                 {",int", ""},
                 {"in", "in"},
                 {"intx", "intx"},
                 {"int exec", "int exe"},
                 {"int,EXEC", "EXEC"},
                 {"exec,nonsense", "nonsens"}};
    for (unsigned n = 0; n < ARRAY_LEN(wrong); n++) {
        assert_false(trace_words_parse(wrong[n].text, &mask, bad, sizeof bad));
        assert_string_equal(bad, wrong[n].bad);
    }
    assert_int_equal(mask, TRACE_STATS | TRACE_EXEC | TRACE_MMU); /* as it was */
}

static void ranges(void **state)
{
    static const struct {
        const char *text;
        u32 first, last;
    } right[] = {
        {"0x8000..0x8fff", 0x8000, 0x8fff},
        {"0xffffffff..0xffffffff", 0xffffffff, 0xffffffff},
        {"0..4294967295", 0, 0xffffffff},
        {"0xc0000080+0x200", 0xc0000080, 0xc000027f},
        {"0+0x100000000", 0, 0}, /* no 32-bit number: see below */
        {"0xffffffff+1", 0xffffffff, 0xffffffff},
        {"0xfffff000+0x1000", 0xfffff000, 0xffffffff},
        {"0xc0060000-0x1000", 0xc005f001, 0xc0060000},
        {"0-1", 0, 0},
        {"15-16", 0, 15},
        {"010+010", 8, 15},
        {"100..200", 100, 200},
    };
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(right); n++) {
        TraceFilter f = {0};
        Problem p;
        bool ok = trace_ranges_parse(right[n].text, &f, &p);
        if (!strcmp(right[n].text, "0+0x100000000")) {
            assert_false(ok);
            continue;
        }
        assert_true(ok);
        assert_int_equal(f.count, 1);
        assert_int_equal(f.range[0].first, right[n].first);
        assert_int_equal(f.range[0].last, right[n].last);
    }
}

static void hostile_ranges(void **state)
{
    static const char *const wrong[] = {
        "",
        ",",
        "..",
        "1",
        "1..",
        "..2",
        "2..1",
        "1.2",
        "1...2",
        "1..2,",
        ",1..2",
        "1..2,,3..4",
        "1+0",
        "1-0",
        "1-3",
        "0-2",
        "0xffffffff+2",
        "1+-1",
        "1--1",
        "-1..2",
        "+1..2",
        " 1..2",
        "1.. 2",
        "1 ..2",
        "1..2 ",
        "x..y",
        "0x..1",
        "1..0x",
        "08..9",
        "1..2..3",
        "1+2+3",
        "1..2+3",
        "1;2",
        "0x100000000..0x100000001",
        "1..0x1ffffffff",
        "1..99999999999999999999999999999999",
        "99999999999999999999+1",
        "1+18446744073709551615",
        "1-18446744073709551615",
        "1..0x%s%n",
    };
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(wrong); n++) {
        TraceFilter f = {0};
        Problem p = {{0}};
        if (trace_ranges_parse(wrong[n], &f, &p)) fail_msg("'%s' is a range", wrong[n]);
        assert_true(strlen(p.text) > 20 && strlen(p.text) < sizeof p.text - 1);
    }
}

/* As many as there is room for, and one more. */
static void many_ranges(void **state)
{
    char text[32 * (TRACE_RANGES_MAX + 1)] = "";
    TraceFilter f = {0};
    Problem p;
    (void)state;
    for (unsigned n = 0; n < TRACE_RANGES_MAX; n++)
        sprintf(text + strlen(text), "%s%#x+0x10", n ? "," : "", 0x1000 * n);
    assert_true(trace_ranges_parse(text, &f, &p));
    assert_int_equal(f.count, TRACE_RANGES_MAX);
    assert_false(trace_ranges_parse("1..2", &f, &p));
    assert_int_equal(f.count, TRACE_RANGES_MAX);
    trace_filter = f;
    assert_true(trace_wants(0) && trace_wants(0xf) && trace_wants(0x3f00f));
    assert_false(trace_wants(0x10) || trace_wants(0xfff) || trace_wants(0xffffffff));
    trace_filter.count = 0;
    assert_true(trace_wants(0) && trace_wants(0xffffffff));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(ranges),
        cmocka_unit_test(hostile_ranges),
        cmocka_unit_test(many_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
