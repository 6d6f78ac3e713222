/* net_switch.c - frontend/net/switch.c: learning, flooding, forgetting, VLANs with and without tags; random frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "frontend/net/switch.h"

static Switch s;
static u64 went_to; /* ports */
static u8 last[2000];
static u32 last_bytes;

static void out(void *ctx, unsigned port, const u8 *frame, u32 n)
{
    (void)ctx;
    went_to |= 1ull << port;
    assert_true(n <= NET_FRAME_MOST);
    memcpy(last, frame, n);
    last_bytes = n;
}

/* Hosts are numbers; 255 is all. tag -1: none. Returns the ports that it went to. */
static u64 pass(unsigned port, u8 to, u8 from, int tag, u32 now_s)
{
    u8 frame[64] = {0};
    u32 at = 12;
    memset(frame, to == 255 ? 255 : 2, 5);
    frame[5] = to;
    frame[6] = 2;
    frame[11] = from;
    if (to != 255) memset(frame + 1, 0, 4);
    if (tag >= 0) {
        frame[12] = 0x81;
        frame[14] = (u8)(tag >> 8);
        frame[15] = (u8)tag;
        at += 4;
    }
    frame[at] = 8;
    frame[at + 2] = 0x5a;
    went_to = 0;
    switch_frame(&s, port, frame, sizeof frame, now_s, out, NULL);
    return went_to;
}

static void begin(void) { memset(&s, 0, sizeof s); }

static void test_learning(void **state)
{
    (void)state;
    begin();
    for (unsigned n = 0; n < 4; n++) switch_open_port(&s, n, VLAN_NATIVE);
    assert_int_equal(pass(0, 20, 10, -1, 0), 0xe); /* unknown: to all others */
    assert_int_equal(pass(1, 10, 20, -1, 1), 1);   /* learned */
    assert_int_equal(pass(0, 20, 10, -1, 2), 2);
    assert_int_equal(pass(0, 255, 10, -1, 3), 0xe); /* to all */
    assert_int_equal(pass(3, 10, 20, -1, 4), 1);    /* it has moved */
    assert_int_equal(pass(0, 20, 10, -1, 5), 8);
    assert_int_equal(pass(3, 20, 30, -1, 5), 0);                  /* where it came from */
    assert_int_equal(pass(0, 20, 10, -1, 5 + SWITCH_AGE_S), 0xe); /* forgotten (seen at 4) */
    pass(1, 10, 20, -1, 400);
    switch_close_port(&s, 1);
    assert_int_equal(pass(0, 20, 10, -1, 401), 0xc);
    assert_int_equal(pass(1, 10, 20, -1, 402), 0); /* a closed port */
}

static void test_vlans(void **state)
{
    (void)state;
    begin();
    switch_open_port(&s, 0, 10);
    switch_open_port(&s, 1, 10);
    switch_open_port(&s, 2, 20);
    switch_open_port(&s, 3, 20);
    switch_open_port(&s, 4, VLAN_TRUNK);
    switch_open_port(&s, 5, VLAN_TRUNK);
    assert_int_equal(pass(0, 255, 1, -1, 0), 0x32); /* 1 and the trunks */
    assert_int_equal(last_bytes, 68);               /* with a tag */
    assert_int_equal(last[12] << 8 | last[13], 0x8100);
    assert_int_equal(last[14] << 8 | last[15], 10);
    assert_int_equal(last[16], 8);
    assert_int_equal(pass(2, 255, 2, -1, 0), 0x38);
    assert_int_equal(pass(4, 255, 3, 20, 0), 0x2c); /* a tag of 20: 2, 3 and the other trunk */
    assert_int_equal(pass(4, 1, 3, 10, 0), 1);      /* known in 10 */
    assert_int_equal(last_bytes, 60);               /* the tag is off */
    assert_int_equal(last[12], 8);
    assert_int_equal(last[14], 0x5a);
    assert_int_equal(pass(4, 1, 3, 20, 0), 0x2c);       /* the same address is unknown in 20 */
    assert_int_equal(pass(4, 255, 3, -1, 0), 0x20);     /* native: only the trunks have it */
    assert_int_equal(pass(4, 255, 3, 0xe000, 0), 0x20); /* a priority alone */
    assert_int_equal(pass(4, 255, 3, 0xfff, 0), 0);     /* reserved */
    assert_int_equal(pass(0, 255, 1, 20, 0), 0);        /* no way into another VLAN */
    assert_int_equal(pass(0, 255, 1, 10, 0), 0);
    assert_int_equal(pass(0, 255, 1, 0x2000, 0), 0x32); /* a priority: of the port's VLAN, and kept */
    assert_int_equal(last[14] << 8 | last[15], 0x200a);
}

static void test_refused(void **state)
{
    u8 frame[NET_FRAME_MOST + 1] = {1, 0x80, 0xc2, 0, 0, 14, 2};
    (void)state;
    begin();
    switch_open_port(&s, 0, VLAN_NATIVE);
    switch_open_port(&s, 1, VLAN_NATIVE);
    went_to = 0;
    switch_frame(&s, 0, frame, 60, 0, out, NULL); /* LLDP */
    frame[5] = 16;
    frame[6] = 3; /* from a group */
    switch_frame(&s, 0, frame, 60, 0, out, NULL);
    frame[6] = 2;
    switch_frame(&s, 0, frame, NET_FRAME_MIN - 1, 0, out, NULL);
    switch_frame(&s, 0, frame, NET_FRAME_MAX + 1, 0, out, NULL);
    switch_frame(&s, SWITCH_PORTS, frame, 60, 0, out, NULL);
    assert_int_equal(went_to, 0);
    switch_frame(&s, 0, frame, NET_FRAME_MAX, 0, out, NULL);
    assert_int_equal(went_to, 2);
}

/* More addresses than there is room for; any frame at any port. */
static void test_random(void **state)
{
    u8 frame[NET_FRAME_MOST];
    (void)state;
    begin();
    for (unsigned n = 0; n < SWITCH_PORTS; n++)
        switch_open_port(&s, n, n % 5 ? (u16)(n % 7 + 1) : VLAN_TRUNK);
    srandom(9);
    for (u32 i = 0; i < 100000; i++) {
        for (unsigned n = 0; n < 40; n++) frame[n] = (u8)random();
        if (random() % 2) frame[12] = 0x81, frame[13] = 0, frame[14] = 0, frame[15] = (u8)(random() % 8);
        if (random() % 2) frame[6] &= 0xfe;
        went_to = 0;
        switch_frame(&s, (unsigned)random() % (SWITCH_PORTS + 2), frame, (u32)random() % (NET_FRAME_MOST + 1),
                     i / 100, out, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learning),
        cmocka_unit_test(test_vlans),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
