/* net_closed.c - which of libslirp's connections are over, by the list that it gives, and the reset that ends one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/host/big_endian.h"
#include "frontend/net/closed.h"

static const char over[] =
    "  TCP[TIME_WAIT]    505       10.0.2.15  1523        10.0.2.2 43745     0     0\n";

static void only_what_is_over_is_found(void **state)
{
    static const char *const others[] = {
        "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n",
        "  TCP[ESTABLISHED]  505       10.0.2.15  1523        10.0.2.2 43745     0     0\n",
        "  TCP[HOST_FORWARD]  12       127.0.0.1  2222       10.0.2.15    22     0     0\n",
        "  TCP[TIME_WAIT]    505       10.0.2.15  1523        10.0.2.2 43745     1     0\n", /* bytes for the host */
        "  TCP[TIME_WAIT]    505       10.0.2.15  1523        10.0.2.2 43745     0     9\n",
        "  TCP[TIME_WAIT]    505       10.0.2.15 70000        10.0.2.2 43745     0     0\n",
        "  TCP[TIME_WAIT]    505       10.0.2    1523         10.0.2.2 43745     0     0\n",
        "  UDP[236 sec]      9         10.0.2.15  1523        10.0.2.3    53     0     0\n",
        "\n",
        "",
    };
    ClosedConnection c;
    (void)state;
    assert_true(closed_parse(over, &c));
    assert_memory_equal(c.guest, "\x0a\0\x02\x0f", 4);
    assert_memory_equal(c.peer, "\x0a\0\x02\x02", 4);
    assert_int_equal(c.guest_port, 1523);
    assert_int_equal(c.peer_port, 43745);
    for (u32 n = 0; n < ARRAY_LEN(others); n++) assert_false(closed_parse(others[n], &c));
}

/* The sum of a part of which the checksum is right is FFFFh. */
static u32 whole_sum(u32 v, const u8 *bytes, u32 n)
{
    for (u32 i = 0; i < n; i += 2) v += load16_be(bytes + i);
    while (v >> 16) v = (v & 0xffff) + (v >> 16);
    return v;
}

static void the_reset_is_one(void **state)
{
    u8 frame[CLOSED_RESET_BYTES];
    const u8 *ip = frame + 14, *tcp = ip + 20;
    ClosedConnection c;
    (void)state;
    assert_true(closed_parse(over, &c));
    closed_reset(frame, &c, 0x80000000);
    assert_int_equal(load16_be(frame + 12), 0x0800);
    assert_int_equal(load16_be(ip + 2), 40);
    assert_int_equal(whole_sum(0, ip, 20), 0xffff);
    assert_int_equal(whole_sum(6 + 20 + whole_sum(0, ip + 12, 8), tcp, 20), 0xffff);
    assert_int_equal(load16_be(tcp), 1523);
    assert_int_equal(load16_be(tcp + 2), 43745);
    assert_int_equal(load32_be(tcp + 4), 0x80000000);
    assert_int_equal(tcp[13], 0x04);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_what_is_over_is_found),
                                       cmocka_unit_test(the_reset_is_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
