/* gdb's remote protocol without a machine: packets, sums, escapes, hexadecimal, and what a client may send that is
 * none of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "frontend/host/charspec.h"
#include "frontend/debug/gdb_packet.h"

static GdbParser parser;

/* The events of the bytes, as letters; nothing for GDB_NOTHING. */
static const char *events(const char *bytes, size_t n)
{
    static const char letters[] = {
        [GDB_PACKET] = 'P', [GDB_LONG] = 'L',      [GDB_DAMAGED] = 'D', [GDB_ACK] = '+',
        [GDB_NAK] = '-',    [GDB_INTERRUPT] = 'C', [GDB_JUNK] = '?'};
    static char seen[100];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        GdbEvent e = gdb_parse(&parser, (u8)bytes[i]);
        if (e != GDB_NOTHING && count < sizeof seen - 1) seen[count++] = letters[e];
    }
    seen[count] = 0;
    return seen;
}

static const char *events_of(const char *text) { return events(text, strlen(text)); }

static int fresh(void **state)
{
    (void)state;
    memset(&parser, 0, sizeof parser);
    return 0;
}

static void packets(void **state)
{
    (void)state;
    assert_string_equal(events_of("+$g#67"), "+P");
    assert_string_equal(parser.text, "g");
    assert_string_equal(events_of("$#00"), "P");
    assert_int_equal(parser.n, 0);
    assert_string_equal(events_of("$m7c00,10#f4$?#3f"), "PP");
    assert_string_equal(parser.text, "?");
    assert_string_equal(events_of("-\3+"), "-C+");
    assert_string_equal(events_of("$OK#9A"), "P"); /* either case */
}

static void damaged(void **state)
{
    (void)state;
    assert_string_equal(events_of("$g#68"), "D");
    assert_string_equal(events_of("$g#6x"), "D");
    assert_string_equal(events_of("$g#x7"), "D");
    assert_string_equal(events_of("$g##7"), "D");
    assert_string_equal(events_of("$g#67"), "P");     /* nothing of them is left */
    assert_string_equal(events_of("$vCo$g#67"), "P"); /* the first lost its end */
    assert_string_equal(parser.text, "g");
}

static void junk(void **state)
{
    (void)state;
    assert_string_equal(events_of("GET / HTTP"), "??????????");
    assert_string_equal(events("\0\xff", 2), "??");
    assert_string_equal(events_of("#67"), "???"); /* an end without a beginning */
    assert_string_equal(events_of("$g#67"), "P");
}

static void escapes(void **state)
{
    (void)state;
    assert_string_equal(events("$X0,4:}\3}\4}]\0#00", 16), "D");
    char frame[GDB_FRAME_BYTES];
    u32 n = gdb_frame(frame, "a#$}*\0b", 7);
    assert_int_equal(n, 1 + 7 + 4 + 3);
    assert_string_equal(events(frame, n), "P");
    assert_int_equal(parser.n, 7);
    assert_memory_equal(parser.text, "a#$}*\0b", 7);
}

static void long_packets(void **state)
{
    static char text[GDB_PACKET_BYTES + 1], frame[2 * sizeof text + 4];
    (void)state;
    memset(text, 'a', sizeof text);
    u32 n = gdb_frame(frame, text, GDB_PACKET_BYTES);
    assert_string_equal(events(frame, n), "P");
    assert_int_equal(parser.n, GDB_PACKET_BYTES);
    n = gdb_frame(frame, text, sizeof text);
    assert_string_equal(events(frame, n), "L");
    assert_string_equal(events_of("$"), "");
    for (int i = 0; i < 1000; i++)
        assert_string_equal(events(text, sizeof text), ""); /* 16 MiB without an end */
    assert_string_equal(events_of("#00$g#67"), "DP");
}

static void random_bytes(void **state)
{
    (void)state;
    srand(1);
    for (int i = 0; i < 2000000; i++) {
        static const char likely[] = "$#+-}0123456789abcdef\3mgGX,:";
        int r = rand();
        u8 byte = r & 0x10000 ? (u8)r : (u8)likely[(unsigned)(r & 0xffff) % (sizeof likely - 1)];
        gdb_parse(&parser, byte);
        assert_true(parser.n <= GDB_PACKET_BYTES);
    }
    events_of("#00#00"); /* whatever was open */
    assert_string_equal(events_of("$g#67"), "P");
}

static void numbers(void **state)
{
    const char *s = "7c00,10", *none = ",", *sixteen = "ffffffffffff8000", *longer = "00000000000000000";
    u64 v;
    (void)state;
    assert_true(gdb_take_number(&s, &v));
    assert_int_equal(v, 0x7c00);
    assert_string_equal(s, ",10");
    assert_false(gdb_take_number(&none, &v));
    assert_true(gdb_take_number(&sixteen, &v));
    assert_true(v == 0xffffffffffff8000ull);
    assert_false(gdb_take_number(&longer, &v));
}

static void bytes(void **state)
{
    const char *s = "00fF7ag", *odd = "123";
    u8 b[3];
    char text[7];
    (void)state;
    assert_true(gdb_take_bytes(&s, b, 3));
    assert_memory_equal(b, "\x00\xff\x7a", 3);
    assert_string_equal(s, "g");
    assert_false(gdb_take_bytes(&odd, b, 2));
    gdb_put_bytes(text, b, 0);
    assert_string_equal(text, "");
    gdb_put_bytes(text, (const u8 *)"\x01\xfe\x9a", 3);
    assert_string_equal(text, "01fe9a");
}

static bool serves(const char *value, const char *host, const char *port)
{
    CharSpec s;
    if (!charspec_parse(&s, "-gdb", value, USE_GDB)) return false;
    assert_true(s.server);
    assert_false(s.wait);
    assert_string_equal(s.path, host);
    if (port) assert_string_equal(s.port, port);
    return true;
}

/* QEMU's words; nobody outside of this host unless told. */
static void devices(void **state)
{
    CharSpec s;
    (void)state;
    assert_true(serves("tcp::1234", "127.0.0.1", "1234"));
    assert_true(serves("tcp::1234,server=on,wait=off", "127.0.0.1", "1234"));
    assert_true(serves("tcp:0.0.0.0:99,server,nowait", "0.0.0.0", "99"));
    assert_true(serves("tcp:[::1]:99", "::1", "99"));
    assert_true(serves("unix:/tmp/gdb", "/tmp/gdb", NULL));
    assert_true(charspec_parse(&s, "-gdb", "none", USE_GDB));
    assert_int_equal(s.kind, CHAR_NULL);
    assert_false(serves("stdio", "", NULL));
    assert_false(serves("file:x", "", NULL));
    assert_false(serves("telnet::1234", "", NULL));
    assert_false(serves("1234", "", NULL));
    assert_false(serves("tcp::123456", "", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(packets, fresh),
        cmocka_unit_test_setup(damaged, fresh),
        cmocka_unit_test_setup(junk, fresh),
        cmocka_unit_test_setup(escapes, fresh),
        cmocka_unit_test_setup(random_bytes, fresh),
        cmocka_unit_test_setup(long_packets, fresh),
        cmocka_unit_test(numbers),
        cmocka_unit_test(bytes),
        cmocka_unit_test(devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
