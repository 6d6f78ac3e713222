/* front_json.c - frontend/json.c: commas, quotes, control characters, and a buffer that is too small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "frontend/json.h"

static u32 write_into(Json *to)
{
    Json j = *to;
    json_object(&j, NULL);
    json_number(&j, "n", UINT64_MAX);
    json_text(&j, "text", "a\"b\\c\n\x7f\xe9");
    json_text(&j, "none", NULL);
    json_bool(&j, "yes", true);
    json_array(&j, "list");
    json_number(&j, NULL, 1);
    json_object(&j, NULL);
    json_close(&j, '}');
    json_bytes(&j, NULL, (const u8 *)"\x01\xfe", 2);
    json_close(&j, ']');
    json_close(&j, '}');
    return json_end(&j);
}

static u32 write_all(char *to, u32 room)
{
    Json j;
    json_begin(&j, to, room);
    return write_into(&j);
}

static const char expected[] =
    "{\"n\":18446744073709551615,\"text\":\"a\\\"b\\\\c\\u000a\\u007f\\u00e9\",\"none\":null,"
    "\"yes\":true,\"list\":[1,{},\"01fe\"]}";

static void test_all(void **state)
{
    char text[500];
    (void)state;
    assert_int_equal(write_all(text, sizeof text), sizeof expected - 1);
    assert_memory_equal(text, expected, sizeof expected - 1);
}

static void test_no_room(void **state)
{
    char text[sizeof expected];
    (void)state;
    for (u32 room = 0; room < sizeof expected - 1; room++) {
        memset(text, '#', sizeof text);
        assert_int_equal(write_all(text, room), 0);
        assert_int_equal(text[room], '#');
    }
}

typedef struct Got {
    char text[500];
    u32 n, most;
} Got;

static void gather(void *ctx, const char *text, u32 n)
{
    Got *g = ctx;
    assert_true(n && n <= g->most && g->n + n <= sizeof g->text);
    memcpy(g->text + g->n, text, n);
    g->n += n;
}

/* In pieces of any size it is the same text. */
static void test_sink(void **state)
{
    (void)state;
    for (u32 room = 1; room < sizeof expected + 2; room++) {
        Got g = {.most = room};
        char piece[500];
        Json j;
        json_begin_sink(&j, piece, room, gather, &g);
        assert_true(write_into(&j) > 0);
        assert_int_equal(g.n, sizeof expected - 1);
        assert_memory_equal(g.text, expected, g.n);
    }
}

static void test_hex(void **state)
{
    char text[40];
    Json j;
    (void)state;
    json_begin(&j, text, sizeof text);
    json_array(&j, NULL);
    json_hex(&j, NULL, 0x12, 8);
    json_hex(&j, NULL, UINT64_MAX, 1);
    json_close(&j, ']');
    assert_int_equal(json_end(&j), 31);
    assert_memory_equal(text, "[\"00000012\",\"ffffffffffffffff\"]", 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_no_room),
                                       cmocka_unit_test(test_sink), cmocka_unit_test(test_hex)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
