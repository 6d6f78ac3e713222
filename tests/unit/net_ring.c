/* net_ring.c - frontend/net_ring.h: frames in order through wrapping positions, what the other side writes to its words
 * and to slots, waking; frontend/net/pcap.c's headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "frontend/net/pcap.h"
#include "frontend/net_protocol.h"

typedef struct Pair {
    NetRing *ring;
    NetEnd in, out; /* of the producer; of the consumer */
} Pair;

/* Behind the ring lies a page that must stay as it is. */
static NetRing *shared;
static u8 behind[64];

static Pair pair_at(u32 position)
{
    Pair p = {shared, {shared, position, false}, {shared, position, false}};
    memset(shared, 0, sizeof *shared);
    shared->head = shared->tail = position;
    return p;
}

static int set_up(void **state)
{
    (void)state;
    shared = aligned_alloc(64, sizeof *shared + sizeof behind);
    memset(shared + 1, 0x5a, sizeof behind);
    memset(behind, 0x5a, sizeof behind);
    return !shared;
}

static int tear_down(void **state)
{
    (void)state;
    int changed = memcmp(shared + 1, behind, sizeof behind);
    free(shared);
    return changed;
}

static void make_frame(u8 *frame, u32 number, u32 n)
{
    for (u32 i = 0; i < n; i++) frame[i] = (u8)(number * 7 + i);
}

static void test_order(void **state)
{
    u8 frame[NET_FRAME_MOST], got[NET_FRAME_MOST];
    Pair p = pair_at(0xfffffff0u); /* wraps soon */
    (void)state;
    for (u32 round = 0; round < 2000; round++) {
        u32 batch = round % 17 + 1;
        for (u32 n = 0; n < batch; n++) {
            make_frame(frame, round + n, NET_FRAME_MIN + (round + n) % 1505);
            assert_true(net_ring_put(&p.in, frame, NET_FRAME_MIN + (round + n) % 1505));
        }
        for (u32 n = 0; n < batch; n++) {
            u32 bytes = NET_FRAME_MIN + (round + n) % 1505;
            make_frame(frame, round + n, bytes);
            assert_int_equal(net_ring_get(&p.out, got), bytes);
            assert_memory_equal(got, frame, bytes);
        }
        assert_int_equal(net_ring_get(&p.out, got), 0);
    }
    assert_false(p.in.broken || p.out.broken);
}

static void test_full(void **state)
{
    u8 frame[NET_FRAME_MOST] = {0};
    Pair p = pair_at(5);
    (void)state;
    for (u32 n = 0; n < NET_SLOTS; n++) assert_true(net_ring_put(&p.in, frame, 60));
    assert_false(net_ring_put(&p.in, frame, 60));
    assert_false(p.in.broken);
    assert_true(net_ring_want_room(&p.in));
    assert_int_equal(net_ring_get(&p.out, frame), 60);
    assert_true(net_ring_gives_room(&p.out));
    assert_false(net_ring_gives_room(&p.out)); /* told once */
    assert_true(net_ring_put(&p.in, frame, 60));
    assert_int_equal(net_ring_get(&p.out, frame), 60);
    assert_false(net_ring_want_room(&p.in)); /* there is some */
}

static void test_lengths(void **state)
{
    u8 frame[2000] = {0};
    Pair p = pair_at(0);
    (void)state;
    assert_false(net_ring_put(&p.in, frame, NET_FRAME_MIN - 1));
    assert_false(net_ring_put(&p.in, frame, NET_FRAME_MOST + 1));
    assert_false(net_ring_put(&p.in, frame, UINT32_MAX));
    assert_false(p.in.broken);
    static const u32 bad[] = {0, 13, NET_FRAME_MOST + 1, NET_SLOT_BYTES, 0x7fffffff, UINT32_MAX};
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++) {
        p = pair_at(0);
        assert_true(net_ring_put(&p.in, frame, 60));
        shared->slot[0].bytes = bad[n];
        assert_int_equal(net_ring_get(&p.out, frame), 0);
        assert_true(p.out.broken);
        shared->slot[0].bytes = 60; /* too late */
        assert_int_equal(net_ring_get(&p.out, frame), 0);
        assert_true(net_ring_sleep(&p.out)); /* no loop that never ends */
    }
}

/* The other side's position may be any. */
static void test_hostile_positions(void **state)
{
    u8 frame[NET_FRAME_MOST] = {0};
    (void)state;
    srandom(3);
    for (u32 n = 0; n < 200000; n++) {
        u32 at = (u32)random() * 3, evil = n % 3 ? at + (u32)random() % 1100 - 550 : (u32)random() * 5;
        Pair p = pair_at(at);
        shared->head = evil;
        shared->slot[at % NET_SLOTS].bytes = 60;
        u32 got = net_ring_get(&p.out, frame);
        bool possible = evil - at <= NET_SLOTS;
        assert_int_equal(p.out.broken, !possible);
        assert_int_equal(got, possible && evil != at ? 60 : 0);
        p = pair_at(at);
        shared->tail = evil;
        bool put = net_ring_put(&p.in, frame, 60);
        possible = at - evil <= NET_SLOTS;
        assert_int_equal(p.in.broken, !possible);
        assert_int_equal(put, possible && at - evil != NET_SLOTS);
        if (!possible) assert_true(net_ring_want_room(&p.in));
    }
}

/* What this side has told the other is not what it goes by. */
static void test_own_position_is_private(void **state)
{
    u8 frame[NET_FRAME_MOST] = {0};
    Pair p = pair_at(0);
    (void)state;
    assert_true(net_ring_put(&p.in, frame, 60));
    shared->head = 77; /* ours */
    assert_true(net_ring_put(&p.in, frame, 60));
    assert_int_equal(shared->head, 2);
    assert_int_equal(net_ring_get(&p.out, frame), 60);
    shared->tail = 99;
    assert_int_equal(net_ring_get(&p.out, frame), 60);
    assert_int_equal(shared->tail, 2);
}

static void test_waking(void **state)
{
    u8 frame[NET_FRAME_MOST] = {0};
    Pair p = pair_at(0);
    (void)state;
    net_ring_put(&p.in, frame, 60);
    assert_false(net_ring_wakes(&p.in));  /* nobody sleeps */
    assert_false(net_ring_sleep(&p.out)); /* there is a frame */
    net_ring_get(&p.out, frame);
    assert_true(net_ring_sleep(&p.out));
    net_ring_put(&p.in, frame, 60);
    assert_true(net_ring_wakes(&p.in));
    assert_false(net_ring_wakes(&p.in)); /* once */
}

static void test_pcap(void **state)
{
    static const u8 header[PCAP_HEADER] = {0xd4, 0xc3, 0xb2, 0xa1, 2,    0,    4, 0, 0, 0, 0, 0,
                                           0,    0,    0,    0,    0xff, 0xff, 0, 0, 1, 0, 0, 0};
    static const u8 record[PCAP_RECORD] = {2, 0, 0, 0, 0x40, 0xe2, 1, 0, 60, 0, 0, 0, 60, 0, 0, 0};
    u8 got[PCAP_HEADER];
    (void)state;
    pcap_header(got);
    assert_memory_equal(got, header, sizeof header);
    pcap_record(got, 2123456, 60);
    assert_memory_equal(got, record, sizeof record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_hostile_positions),
        cmocka_unit_test(test_own_position_is_private),
        cmocka_unit_test(test_waking),
        cmocka_unit_test(test_pcap),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
