/* net_closed.c - which connections libslirp waits for after their end, by the frames that were seen, and the reset
 * that ends one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/host/big_endian.h"
#include "frontend/net/closed.h"

enum {
    ETHERNET = 14,
    FIN = 0x01,
    SYN = 0x02,
    RST = 0x04,
    ACK = 0x10,
    GUEST_SEQ = 5000,
    PEER_SEQ = 0x80000010u
};

static bool by_ipv6; /* how the frames of these tests travel */
static u16 guest_port = 1523, peer_port = 43745;

/* A segment with `bytes` of data, of either side. */
static void segment(bool by_guest, u8 flags, u32 sequence, u32 acknowledged, u32 bytes)
{
    u8 f[ETHERNET + 40 + 20 + 100] = {0}, *ip = f + ETHERNET, *tcp = ip + (by_ipv6 ? 40 : 20);
    store16_be(f + 12, by_ipv6 ? 0x86dd : 0x0800);
    ip[0] = by_ipv6 ? 0x60 : 0x45;
    store16_be(ip + (by_ipv6 ? 4 : 2), (u16)(20 + bytes + (by_ipv6 ? 0 : 20)));
    ip[by_ipv6 ? 6 : 9] = 6;
    memcpy(ip + (by_ipv6 ? 8 : 12), by_guest ? "guestguestguest" : "peerpeerpeerpee", by_ipv6 ? 16 : 4);
    memcpy(ip + (by_ipv6 ? 24 : 16), by_guest ? "peerpeerpeerpee" : "guestguestguest", by_ipv6 ? 16 : 4);
    store16_be(tcp, by_guest ? guest_port : peer_port);
    store16_be(tcp + 2, by_guest ? peer_port : guest_port);
    store32_be(tcp + 4, sequence);
    store32_be(tcp + 8, acknowledged);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    closed_look(f, (u32)(tcp - f) + 20 + bytes, by_guest);
}

typedef struct Seen {
    u32 count, bytes;
    u8 frame[CLOSED_RESET_MOST];
} Seen;

static void keep(const u8 *frame, u32 n, void *ctx)
{
    Seen *s = ctx;
    s->count++;
    s->bytes = n;
    memcpy(s->frame, frame, n);
}

static Seen resets(const char *list)
{
    Seen s = {0};
    closed_resets(list, keep, &s);
    return s;
}

static void begin(void)
{
    segment(true, SYN, GUEST_SEQ - 1, 0, 0);
    segment(false, SYN | ACK, PEER_SEQ - 1, GUEST_SEQ, 0);
    segment(true, ACK, GUEST_SEQ, PEER_SEQ, 0);
}

/* libslirp's end comes first, with the last 10 bytes, and the guest answers with its own, with 20. */
static void end_by_peer(void)
{
    segment(false, FIN | ACK, PEER_SEQ, GUEST_SEQ, 10);
    segment(true, FIN | ACK, GUEST_SEQ, PEER_SEQ + 11, 20);
    segment(false, ACK, PEER_SEQ + 11, GUEST_SEQ + 21, 0);
}

static int use_ipv4(void **state)
{
    (void)state;
    by_ipv6 = false;
    return 0;
}

static int use_ipv6(void **state)
{
    (void)state;
    by_ipv6 = true;
    return 0;
}

static void what_libslirp_ended_first_is_reset_once(void **state)
{
    (void)state;
    begin();
    segment(false, FIN | ACK, PEER_SEQ, GUEST_SEQ, 10);
    assert_int_equal(resets("").count, 0);
    segment(true, ACK, GUEST_SEQ, PEER_SEQ + 11, 0); /* the guest has more to say */
    segment(true, ACK, GUEST_SEQ, PEER_SEQ + 11, 15);
    assert_int_equal(resets("").count, 0);
    segment(true, FIN | ACK, GUEST_SEQ + 15, PEER_SEQ + 11, 5);
    assert_int_equal(resets("").count, 0);
    segment(false, ACK, PEER_SEQ + 11, GUEST_SEQ + 20, 0); /* not the FIN yet */
    assert_int_equal(resets("").count, 0);
    segment(false, ACK, PEER_SEQ + 11, GUEST_SEQ + 21, 0);
    Seen s = resets("");
    assert_int_equal(s.count, 1);
    assert_int_equal(load32_be(s.frame + s.bytes - 16), GUEST_SEQ + 21);
    assert_int_equal(resets("").count, 0);
}

/* Neither has seen the other's when it ends. */
static void both_at_once_is_reset_too(void **state)
{
    (void)state;
    begin();
    segment(true, FIN | ACK, GUEST_SEQ, PEER_SEQ, 0);
    segment(false, FIN | ACK, PEER_SEQ, GUEST_SEQ, 0);
    segment(false, ACK, PEER_SEQ + 1, GUEST_SEQ + 1, 0);
    assert_int_equal(resets("").count, 0);
    segment(true, ACK, GUEST_SEQ + 1, PEER_SEQ + 1, 0);
    assert_int_equal(resets("").count, 1);
}

/* The guest waits then, and libslirp has forgotten it. */
static void what_the_guest_ended_first_needs_none(void **state)
{
    (void)state;
    begin();
    segment(true, FIN | ACK, GUEST_SEQ, PEER_SEQ, 0);
    segment(false, FIN | ACK, PEER_SEQ, GUEST_SEQ + 1, 0);
    segment(true, ACK, GUEST_SEQ + 1, PEER_SEQ + 1, 0);
    assert_int_equal(resets("").count, 0);
}

static void a_new_one_with_the_same_ports_lives(void **state)
{
    (void)state;
    begin();
    end_by_peer();
    begin();
    assert_int_equal(resets("").count, 0);
    segment(false, FIN | ACK, PEER_SEQ, GUEST_SEQ, 0);
    segment(true, RST, GUEST_SEQ, 0, 0);
    segment(false, ACK, PEER_SEQ + 1, GUEST_SEQ + 1, 0);
    assert_int_equal(resets("").count, 0);
}

static void one_with_bytes_for_the_host_waits(void **state)
{
    static const char other[] =
        "  TCP[ESTABLISHED]  505       10.0.2.15  1523        10.0.2.2 43745     9     9\n";
    static const char not_empty[] =
        "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n"
        "  TCP[TIME_WAIT]    505       10.0.2.15  1523        10.0.2.2 43745     1     0\n";
    static const char forwarded[] =
        "  TCP[TIME_WAIT]    505       127.0.0.1  2222       10.0.2.15  1523     1     0\n";
    (void)state;
    begin();
    end_by_peer();
    assert_int_equal(resets(not_empty).count, 0);
    assert_int_equal(resets(forwarded).count, 0);
    assert_int_equal(resets(other).count, 1);
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
    (void)state;
    begin();
    end_by_peer();
    Seen s = resets("");
    const u8 *ip = s.frame + ETHERNET, *tcp = s.frame + s.bytes - 20;
    assert_int_equal(s.bytes, by_ipv6 ? 74 : 54);
    assert_int_equal(load16_be(s.frame + 12), by_ipv6 ? 0x86dd : 0x0800);
    if (!by_ipv6) assert_int_equal(whole_sum(0, ip, 20), 0xffff);
    assert_int_equal(load16_be(ip + (by_ipv6 ? 4 : 2)), by_ipv6 ? 20 : 40);
    assert_int_equal(whole_sum(6 + 20 + whole_sum(0, tcp - (by_ipv6 ? 32 : 8), by_ipv6 ? 32 : 8), tcp, 20),
                     0xffff);
    assert_memory_equal(tcp - (by_ipv6 ? 32 : 8), "gues", 4);
    assert_memory_equal(tcp - (by_ipv6 ? 16 : 4), "peer", 4);
    assert_int_equal(load16_be(tcp), guest_port);
    assert_int_equal(load16_be(tcp + 2), peer_port);
    assert_int_equal(tcp[13], RST);
}

static void many_have_a_place_each(void **state)
{
    (void)state;
    for (u32 n = 0; n < 1000; n++) {
        guest_port = (u16)(40000 + n);
        begin();
        end_by_peer();
    }
    assert_int_equal(resets("").count, 1000);
    guest_port = 1523;
}

/* Bytes of any kind, and each length of a good one. */
static void rubbish_is_read_within_its_bounds(void **state)
{
    u8 f[80];
    u32 v = 1;
    (void)state;
    for (u32 round = 0; round < 100000; round++) {
        for (u32 n = 0; n < sizeof f; n++) f[n] = (u8)((v = v * 1664525 + 1013904223) >> 24);
        store16_be(f + 12, round & 1 ? 0x86dd : 0x0800);
        if (round & 2) f[14] = round & 1 ? 0x60 : 0x45, f[23] = f[20] = 6;
        u8 *exact = test_malloc(14 + v % 67); /* whose end is watched */
        memcpy(exact, f, 14 + v % 67);
        closed_look(exact, 14 + v % 67, round & 4);
        test_free(exact);
    }
    resets("  TCP[TIME_WAIT] 1 * 99999999999999999999 x 9 9 9\n TCP[TIME_WAIT]\n\n TCP[");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_libslirp_ended_first_is_reset_once, use_ipv4),
        cmocka_unit_test_setup(what_libslirp_ended_first_is_reset_once, use_ipv6),
        cmocka_unit_test_setup(both_at_once_is_reset_too, use_ipv4),
        cmocka_unit_test_setup(what_the_guest_ended_first_needs_none, use_ipv4),
        cmocka_unit_test_setup(a_new_one_with_the_same_ports_lives, use_ipv4),
        cmocka_unit_test_setup(a_new_one_with_the_same_ports_lives, use_ipv6),
        cmocka_unit_test_setup(one_with_bytes_for_the_host_waits, use_ipv4),
        cmocka_unit_test_setup(the_reset_is_one, use_ipv4),
        cmocka_unit_test_setup(the_reset_is_one, use_ipv6),
        cmocka_unit_test_setup(many_have_a_place_each, use_ipv6),
        cmocka_unit_test_setup(rubbish_is_read_within_its_bounds, use_ipv4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
