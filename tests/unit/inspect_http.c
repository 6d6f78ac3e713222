/* inspect_http.c - frontend/inspect/http.c: requests in pieces, wrong ones, too long ones; who may ask, and who not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "frontend/inspect/http.h"

static HttpRequest r;

static unsigned parse(const char *text) { return http_parse(&r, text, (u32)strlen(text)); }

static unsigned check_with(const char *first, const char *headers, bool page)
{
    char text[2000];
    snprintf(text, sizeof text, "%s HTTP/1.1\r\n%s\r\n", first, headers);
    unsigned status = parse(text);
    return status == HTTP_OK ? http_check(&r, page) : status;
}

static unsigned get(const char *headers) { return check_with("GET /api/now", headers, false); }

#define HOST "Host: 127.0.0.1:8086\r\n"

static void test_pieces(void **state)
{
    static const char text[] = "GET /api/pages?at=0xc0000000&x=7 HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n";
    u32 at = 0, x = 0;
    (void)state;
    for (u32 n = 0; n < sizeof text - 1; n++) assert_int_equal(http_parse(&r, text, n), HTTP_MORE);
    assert_int_equal(parse(text), HTTP_OK);
    assert_false(r.post);
    assert_string_equal(r.path, "/api/pages");
    assert_string_equal(r.host, "127.0.0.1:8086");
    assert_true(http_number(&r, "at", &at) && at == 0xc0000000);
    assert_true(http_number(&r, "x", &x) && x == 7);
    assert_false(http_number(&r, "y", &x));
    assert_false(http_number(&r, "a", &x));
}

static void test_numbers(void **state)
{
    static const char *const bad[] = {
        "", "-1", "+1", "0x", "0x100000000", "4294967296", "12a", "0xg", "99999999999999999999", " 1"};
    u32 n;
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        memset(&r, 0, sizeof r);
        snprintf(r.query, sizeof r.query, "at=%s", bad[i]);
        assert_false(http_number(&r, "at", &n));
    }
    snprintf(r.query, sizeof r.query, "b=1&at=0xffffffff");
    assert_true(http_number(&r, "at", &n) && n == UINT32_MAX);
}

static void test_wrong(void **state)
{
    static char longest[HTTP_HEAD_BYTES];
    (void)state;
    assert_int_equal(parse("\r\n"), 400);
    assert_int_equal(parse("GET\r\n\r\n"), 400);
    assert_int_equal(parse("GET http://127.0.0.1/ HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(parse("GET /\x7f HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(parse("GET / HTTP/2\r\n\r\n"), 505);
    assert_int_equal(parse("PUT / HTTP/1.1\r\n"), 405);
    assert_int_equal(parse("OPTIONS / HTTP/1.1\r\n"), 405);
    assert_int_equal(parse("GET / HTTP/1.1\r\nno colon\r\n"), 400);
    assert_int_equal(parse("GET / HTTP/1.1\r\nA: b\r\n folded: c\r\n"), 400);
    assert_int_equal(http_parse(&r, "GET / HT\0P/1.1\r\n", 16), 400);
    memset(longest, 'a', sizeof longest);
    assert_int_equal(http_parse(&r, longest, sizeof longest), 431);
    assert_int_equal(http_parse(&r, longest, sizeof longest - 1), HTTP_MORE);
    memcpy(longest, "GET /", 5);
    memcpy(longest + 400, " HTTP/1.1\r\n", 11);
    assert_int_equal(http_parse(&r, longest, 500), 414);
}

static void test_hosts(void **state)
{
    static const char *const good[] = {"127.0.0.1",   "127.0.0.1:1", "localhost:8086", "LocalHost",
                                       "10.1.2.3:80", "[::1]",       "[::1]:8086"};
    static const char *const bad[] = {"",
                                      "evil.example",
                                      "evil.example:8086",
                                      "127.0.0.1.evil.example",
                                      "127.0.0.1:80a",
                                      "::1",
                                      "[::1",
                                      "[::1]x",
                                      "localhost.evil.example",
                                      "127.1",
                                      "localhost.",
                                      "[127.0.0.1]",
                                      "127.0.0.1@evil.example"};
    char text[200];
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(good); n++) {
        snprintf(text, sizeof text, "Host: %s\r\n", good[n]);
        assert_int_equal(get(text), HTTP_OK);
    }
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++) {
        snprintf(text, sizeof text, "Host: %s\r\n", bad[n]);
        assert_int_equal(get(text), 421);
    }
    assert_int_equal(get(""), 400);
    assert_int_equal(get(HOST "Host: localhost\r\n"), 400);
}

static void test_origins(void **state)
{
    (void)state;
    assert_int_equal(get(HOST "Origin: http://127.0.0.1:8086\r\n"), HTTP_OK);
    assert_int_equal(get(HOST "Origin: http://127.0.0.1:8087\r\n"), 403);
    assert_int_equal(get(HOST "Origin: http://127.0.0.1:80860\r\n"), 403);
    assert_int_equal(get(HOST "Origin: https://127.0.0.1:8086\r\n"), 403);
    assert_int_equal(get(HOST "Origin: null\r\n"), 403);
    assert_int_equal(get(HOST "Sec-Fetch-Site: same-origin\r\n"), HTTP_OK);
    /* one of several would be believed, and which is anybody's guess */
    assert_int_equal(get(HOST "Origin: http://127.0.0.1:8086\r\nOrigin: http://127.0.0.1:8086\r\n"), 400);
    assert_int_equal(get(HOST "Origin: \r\nOrigin: http://evil.example\r\n"), 400);
    assert_int_equal(get(HOST "Origin: http://evil.example\r\norigin: http://127.0.0.1:8086\r\n"), 400);
    assert_int_equal(get(HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: same-origin\r\n"), 400);
    assert_int_equal(get(HOST HOST), 400);
    assert_int_equal(get(HOST "Sec-Fetch-Site: none\r\n"), HTTP_OK);
    assert_int_equal(get(HOST "Sec-Fetch-Site: cross-site\r\n"), 403);
    assert_int_equal(get(HOST "Sec-Fetch-Site: same-site\r\n"), 403);
    assert_int_equal(get(HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"), 403);
    assert_int_equal(
        check_with("GET /", HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", true),
        HTTP_OK);
    assert_int_equal(
        check_with("GET /", HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", true), 403);
}

static void test_posts(void **state)
{
    (void)state;
    assert_int_equal(check_with("POST /api/do", HOST, false), 403);
    assert_int_equal(check_with("POST /api/do", HOST "X-Ring3: 1\r\n", false), HTTP_OK);
    assert_true(r.post);
    assert_int_equal(check_with("POST /api/do", HOST "X-Ring3: 1\r\nContent-Length: 0\r\n", false), HTTP_OK);
    assert_int_equal(check_with("POST /api/do", HOST "X-Ring3: 1\r\nContent-Length: 5\r\n", false), 413);
    assert_int_equal(check_with("POST /api/do", HOST "X-Ring3: 1\r\nTransfer-Encoding: chunked\r\n", false),
                     413);
    assert_int_equal(check_with("POST /api/do", HOST "X-Ring3: 1\r\nOrigin: http://evil.example\r\n", false),
                     403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces), cmocka_unit_test(test_numbers), cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_hosts),  cmocka_unit_test(test_origins), cmocka_unit_test(test_posts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
