/* front_json_read.c - frontend/json_read.c: texts in any pieces, what is none, bounds, random bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frontend/json_read.h"

static JsonReader r;

/* All of `s`; the last result that was not JSON_MORE, and how many of each there were. */
static u32 wholes, bads;

static void feed_bytes(const char *s, size_t n)
{
    while (n--) {
        JsonFed fed = json_feed(&r, (u8)*s++);
        wholes += fed == JSON_WHOLE;
        bads += fed == JSON_BAD;
    }
}

static void feed(const char *s)
{
    json_read_begin(&r);
    wholes = bads = 0;
    feed_bytes(s, strlen(s));
}

static void good(const char *s)
{
    feed(s);
    if (wholes != 1 || bads) fail_msg("%s: %u texts, %u errors: %s", s, wholes, bads, r.why ? r.why : "");
}

static void wrong(const char *s, const char *why)
{
    feed(s);
    if (wholes || bads != 1) fail_msg("%s: %u texts, %u errors", s, wholes, bads);
    assert_string_equal(r.why, why);
}

/* --- what is right --------------------------------------------------------------------------------------- */

static void test_values(void **state)
{
    (void)state;
    good(
        " {\"a\" : [1, -2, 3.5e+1 , true,false,null,\"x\"], \"b\":{}, \"c\":[],\"d\":9223372036854775807}\n");
    const JsonNode *a = json_member(&r, json_root(&r), "a"), *n = json_first(&r, a);
    assert_int_equal(json_root(&r)->kind, JSON_OBJECT);
    assert_int_equal(n->whole, 1);
    assert_true(n->is_whole);
    n = json_next(&r, n);
    assert_int_equal(n->whole, -2);
    n = json_next(&r, n);
    assert_int_equal(n->kind, JSON_NUMBER);
    assert_false(n->is_whole);
    n = json_next(&r, n);
    assert_true(n->kind == JSON_BOOL && n->is_true);
    n = json_next(&r, n);
    assert_true(n->kind == JSON_BOOL && !n->is_true);
    n = json_next(&r, n);
    assert_int_equal(n->kind, JSON_NULL);
    n = json_next(&r, n);
    assert_string_equal(n->text, "x");
    assert_null(json_next(&r, n));
    assert_null(json_first(&r, json_member(&r, json_root(&r), "b")));
    assert_null(json_first(&r, json_member(&r, json_root(&r), "c")));
    assert_int_equal(json_member(&r, json_root(&r), "d")->whole, INT64_MAX);
    assert_null(json_member(&r, json_root(&r), "e"));
    assert_null(json_member(&r, a, "a"));
    static const char raw[] = "[1,-2,3.5e+1,true,false,null,\"x\"]"; /* without the blanks */
    assert_int_equal(a->raw_bytes, sizeof raw - 1);
    assert_memory_equal(json_raw_of(&r, a), raw, sizeof raw - 1);
}

static void test_numbers(void **state)
{
    (void)state;
    good("[-9223372036854775808]");
    assert_int_equal(json_first(&r, json_root(&r))->whole, INT64_MIN);
    good("[9223372036854775808]"); /* a number, but not one of ours */
    assert_false(json_first(&r, json_root(&r))->is_whole);
    good("[0, -0, 10, 0.0, 1E5]");
    static const char *const none[] = {"[01]",   "[+1]",  "[1.]",  "[.5]",  "[-]",  "[1e]",
                                       "[0x10]", "[tru]", "[nul]", "[1-2]", "[NaN]"};
    for (u32 n = 0; n < ARRAY_LEN(none); n++) wrong(none[n], "it has a word that is none of JSON's");
}

static void test_strings(void **state)
{
    (void)state;
    good("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e4\\u20ac\\ud83d\\ude00 \xc3\xa4\", \"\"]");
    const JsonNode *n = json_first(&r, json_root(&r));
    assert_string_equal(n->text, "\"\\/\b\f\n\r\tA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xa4");
    assert_string_equal(json_next(&r, n)->text, "");
    wrong("[\"\\u0000\"]", "a string has a zero in it");
    wrong("[\"\\ud83d\"]", "a string has half a surrogate pair");
    wrong("[\"\\ud83dx\"]", "a string has half a surrogate pair");
    wrong("[\"\\ud83d\\u0041\"]", "a string has half a surrogate pair");
    wrong("[\"\\ude00\"]", "a string has half a surrogate pair");
    wrong("[\"\\x\"]", "a string has an unknown escape in it");
    wrong("[\"\\u12g4\"]", "a string has an unknown escape in it");
    wrong("[\"a\tb\"]", "a string has a control character in it");
    static const char *const none[] = {"[\"\x80\"]",
                                       "[\"\xc0\x80\"]",
                                       "[\"\xe0\x80\x80\"]",
                                       "[\"\xed\xa0\x80\"]",
                                       "[\"\xf4\x90\x80\x80\"]",
                                       "[\"\xc3\"]",
                                       "[\"\xf5\x80\x80\x80\"]"};
    for (u32 k = 0; k < ARRAY_LEN(none); k++) wrong(none[k], "a string is not UTF-8");
}

/* --- what is wrong --------------------------------------------------------------------------------------- */

static void test_grammar(void **state)
{
    (void)state;
    wrong("hello", "it begins with none of { and [");
    wrong("{]", "a key or } is expected");
    wrong("{1:2}", "a key or } is expected");
    wrong("{\"a\" 1}", "a colon is expected");
    wrong("{\"a\":}", "a value is expected");
    wrong("{\"a\":1,}", "a key is expected");
    wrong("[1,]", "a value is expected");
    wrong("[1 2]", "a comma or ] is expected");
    wrong("[1}", "a comma or ] is expected");
    wrong("{\"a\":1]", "a comma or } is expected");
    wrong("{\"a\":1,\"a\":2}", "an object has the same key twice");
    good("[{\"a\":{\"a\":1}},{\"a\":2}]");
}

/* The line behind an error is understood again, whatever stood in front. */
static void test_resynchronised(void **state)
{
    static const char *const garbage[] = {"GET / HTTP/1.1\r\n",   "{\"execute\": \"qmp_\n",
                                          "{\"a\": {\"b\": [,\n", "}}}}]]\n",
                                          "\x80\x01\n",           "[\"\\\n",
                                          "{\"a\": 1x\n",         "{{{{\n"};
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(garbage); n++) {
        feed(garbage[n]);
        assert_int_equal(bads, 1);
        feed_bytes("{\"b\": 7}", 8);
        assert_int_equal(wholes, 1);
        assert_int_equal(bads, 1);
        assert_int_equal(json_member(&r, json_root(&r), "b")->whole, 7);
    }
    feed("{\"a\": [1, 2,\xff{\"b\":7}"); /* FFh begins anew at once */
    assert_int_equal(wholes, 1);
    assert_int_equal(bads, 0);
    feed("oops \xff[]");
    assert_int_equal(wholes, 1);
}

static void test_several_in_a_row(void **state)
{
    (void)state;
    feed("{}[]\n {\"a\":1} {\"a\":2}");
    assert_int_equal(wholes, 4);
    assert_int_equal(json_member(&r, json_root(&r), "a")->whole, 2);
}

static void repeat(const char *s, u32 times)
{
    while (times--) feed_bytes(s, strlen(s));
}

static void test_bounds(void **state)
{
    (void)state;
    feed("");
    repeat("[", JSON_DEPTH);
    repeat("]", JSON_DEPTH);
    assert_true(wholes == 1 && !bads);
    feed("");
    repeat("[", JSON_DEPTH + 1);
    assert_string_equal(r.why, "it is nested too deeply");
    feed("[1");
    repeat(",1", JSON_NODES - 2);
    feed_bytes("]", 1);
    assert_true(wholes == 1 && !bads);
    feed("[1");
    repeat(",1", JSON_NODES);
    assert_string_equal(r.why, "it has too many values");
    assert_int_equal(bads, 1);
    feed("[\"");
    repeat("0123456789abcdef", JSON_BYTES / 16 - 1);
    feed_bytes("\"]", 2);
    assert_true(wholes == 1 && !bads);
    feed("[\"");
    repeat("0123456789abcdef", JSON_BYTES / 16);
    assert_string_equal(r.why, "it is too long");
    assert_int_equal(bads, 1);
    feed("[");
    repeat("1", JSON_WORD);
    assert_string_equal(r.why, "it has a number that is too long");
    feed("[1"); /* blanks do not count */
    repeat("                ", JSON_BYTES / 8);
    feed_bytes("]", 1);
    assert_true(wholes == 1 && !bads);
}

/* Texts with random bytes changed: nothing is read outside (the sanitizers look), and the next line is understood. */
static void test_random(void **state)
{
    static const char text[] =
        "{\"execute\": \"input-send-event\", \"arguments\": {\"events\": [{\"type\": \"key\", \"data\": "
        "{\"down\": true, \"key\": {\"type\": \"qcode\", \"data\": \"r\\u0065t\\ud83d\\ude00\"}}}, "
        "-12.5e3, null, [[[]]]]}, \"id\": [1, {\"x\": \"y\"}]}";
    static const char likely[] = "{}[]\",:\\u0deEtfn-.\n \xff\xc3\xe2";
    (void)state;
    srand(7);
    for (u32 n = 0; n < 20000; n++) {
        char changed[sizeof text];
        memcpy(changed, text, sizeof text);
        for (int k = rand() % 8; k >= 0; k--)
            changed[(u32)rand() % (sizeof text - 1)] =
                rand() % 2 ? likely[(u32)rand() % (sizeof likely - 1)] : (char)rand();
        json_read_begin(&r);
        wholes = bads = 0;
        feed_bytes(changed, sizeof text - 1);
        feed_bytes("\xff\n[5]", 5);
        assert_true(wholes >= 1);
        assert_int_equal(json_first(&r, json_root(&r))->whole, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_strings),        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_resynchronised), cmocka_unit_test(test_several_in_a_row),
        cmocka_unit_test(test_bounds),         cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
