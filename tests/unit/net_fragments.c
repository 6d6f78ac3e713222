/* net_fragments.c - frontend/net/fragments.c: packets in pieces become whole, what is out of order or too long does not, and
 * random pieces reach no other memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "frontend/net/fragments.h"

/* A fragment of `n` bytes of data at `at` (a multiple of 8); its bytes tell their place. */
static u32 make(u8 *frame, u8 id, u32 at, u32 n, bool more)
{
    memset(frame, 0, 34);
    frame[12] = 8;
    frame[14] = 0x45;
    frame[16] = (u8)((20 + n) >> 8);
    frame[17] = (u8)(20 + n);
    frame[19] = id;
    frame[20] = (u8)((more ? 0x20 : 0) | at / 8 >> 8);
    frame[21] = (u8)(at / 8);
    frame[23] = 17;
    for (u32 i = 0; i < n; i++) frame[34 + i] = (u8)((at + i) * 13 >> 3);
    return 34 + n;
}

static const u8 *take(u8 id, u32 at, u32 n, bool more, u32 *bytes)
{
    static u8 frame[1518];
    *bytes = make(frame, id, at, n, more);
    return fragments_take(frame, bytes);
}

static void check_whole(const u8 *p, u32 bytes, u32 data)
{
    assert_non_null(p);
    assert_int_equal(bytes, 34 + data);
    assert_int_equal(p[16] << 8 | p[17], 20 + data);
    assert_int_equal(p[20] << 8 | p[21], 0);
    u32 sum = 0;
    for (unsigned n = 14; n < 34; n += 2) sum += (u32)(p[n] << 8 | p[n + 1]);
    assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
    for (u32 i = 0; i < data; i++) assert_int_equal(p[34 + i], (u8)(i * 13 >> 3));
}

static void test_in_order(void **state)
{
    u32 n;
    (void)state;
    assert_null(take(1, 0, 1480, true, &n));
    assert_null(take(2, 0, 80, true, &n)); /* another one meanwhile */
    assert_null(take(1, 1480, 1480, true, &n));
    const u8 *p = take(1, 2960, 40, false, &n);
    check_whole(p, n, 3000);
    p = take(2, 80, 8, false, &n);
    check_whole(p, n, 88);
}

static void test_not_fragments(void **state)
{
    u8 frame[60] = {0};
    u32 n = sizeof frame;
    (void)state;
    assert_ptr_equal(fragments_take(frame, &n), frame);
    make(frame, 1, 0, 20, false);
    frame[20] = 0x40; /* DF */
    assert_ptr_equal(fragments_take(frame, &n), frame);
    assert_int_equal(n, sizeof frame);
}

static void test_refused(void **state)
{
    u32 n;
    u8 frame[100];
    (void)state;
    assert_null(take(3, 8, 8, false, &n)); /* of nothing */
    assert_null(take(4, 0, 80, true, &n));
    assert_null(take(4, 72, 8, false, &n)); /* overlaps */
    assert_null(take(4, 80, 8, false, &n)); /* ... and so that packet is over */
    assert_null(take(5, 0, 80, true, &n));
    assert_null(take(5, 88, 8, false, &n)); /* a gap */
    assert_null(take(6, 0, 81, true, &n));  /* no multiple of 8 */
    n = make(frame, 7, 0, 16, true);
    frame[17] = 200; /* longer than the frame */
    assert_null(fragments_take(frame, &n));
    n = make(frame, 7, 0, 16, true);
    frame[17] = 20; /* no data */
    assert_null(fragments_take(frame, &n));
}

/* 64 KiB is all that a packet can be. */
static void test_longest(void **state)
{
    u32 n, at = 0;
    (void)state;
    for (; at + 1480 <= 65515; at += 1480) assert_null(take(8, at, 1480, true, &n));
    const u8 *p = take(8, at, 65515 - at, false, &n);
    check_whole(p, n, 65515);
    for (at = 0; at + 1480 <= 65515; at += 1480) assert_null(take(8, at, 1480, true, &n));
    assert_null(take(8, at, 65515 - at + 1, false, &n));
}

static void test_random(void **state)
{
    u8 frame[1518];
    (void)state;
    srandom(5);
    for (u32 i = 0; i < 300000; i++) {
        u32 n = make(frame, (u8)(random() % 12), (u32)random() % 9 * 8, (u32)random() % 9 * 8, random() & 1);
        if (random() % 8 == 0) frame[14 + random() % 20] = (u8)random();
        const u8 *p = fragments_take(frame, &n);
        if (p) assert_true(n >= 34 && n <= 14 + 65535);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order), cmocka_unit_test(test_not_fragments), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_longest),  cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
