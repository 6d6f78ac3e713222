/* hw_vmport.c - VMware's port as drivers drive it: version, memory, time; the pointer's queue, its merging, its errors. */
#include "hw_bench.h"

#include "cpu/insn.h"
#include "hw/keys.h"
#include "hw/vmport.h"

enum {
    GETVERSION = 10,
    GETMEMSIZE = 20,
    GETTIME = 23,
    DATA = 39,
    STATUS = 40,
    COMMAND = 41,
    GETTIMEFULL = 46,
    RESTRICT = 86
};
enum {
    ENABLE = 0x45414552,
    DISABLE = 0xf5,
    RELATIVE = 0x4c455252,
    ABSOLUTE = 0x53424152,
    VERSION = 0x3442554a
};
enum { PORT = 0x5658, MOVEMENT = 0x10000, LEFT = 0x20, RIGHT = 0x10, MIDDLE = 8, POWER_ON = 1000000000 };
#define MAGIC 0x564d5868u
#define ERROR 0xffff0000u

static Vmport port;
static u32 gpr[8];
static unsigned nudges;

static u32 *registers(void *ctx) { return ctx; }
static void nudge(void *ctx) { (void)ctx, nudges++; }

static int setup(void **state)
{
    const VmportLines lines = {registers, nudge, gpr};
    (void)state;
    bench_up();
    vmport_init(&port, bus, &clk, &lines);
    port.ram_bytes = 96u << 20;
    port.rtc_base_unix_s = POWER_ON;
    nudges = 0;
    return 0;
}

/* IN EAX, DX. */
static u32 call(u32 command, u32 parameter)
{
    memset(gpr, 0x55, sizeof gpr);
    gpr[EAX] = MAGIC;
    gpr[EBX] = parameter;
    gpr[ECX] = command;
    gpr[EDX] = PORT;
    return gpr[EAX] = bus_port_in(bus, PORT, 4);
}

static void enable(u32 mode)
{
    call(COMMAND, ENABLE);
    assert_int_equal(call(STATUS, 0), 1);
    assert_int_equal(call(DATA, 1), VERSION);
    call(COMMAND, mode);
    assert_int_equal(call(STATUS, 0), 0);
}

static void expect_packet(u32 head, u32 x, u32 y, u32 z)
{
    call(DATA, 4);
    assert_int_equal(gpr[EAX], head);
    assert_int_equal(gpr[EBX], x);
    assert_int_equal(gpr[ECX], y);
    assert_int_equal(gpr[EDX], z);
}

static void who_asks_is_told_what_this_is(void **state)
{
    (void)state;
    assert_int_equal(call(GETVERSION, ~MAGIC), 6);
    assert_int_equal(gpr[EBX], MAGIC);
    assert_int_equal(gpr[ECX], 4);
    assert_int_equal(call(GETMEMSIZE, 0), 96);
    assert_int_equal(gpr[ESI], 0x55555555); /* others stay */
}

static void the_time_is_the_clocks(void **state)
{
    (void)state;
    clock_advance(&clk, 5ull * SEC + 250 * MS);
    assert_int_equal(call(GETTIME, 0), POWER_ON + 5);
    assert_int_equal(gpr[EBX], 250000);
    assert_int_equal(gpr[EDX], 0);
    assert_int_equal(call(GETTIMEFULL, 0), MAGIC);
    assert_int_equal(gpr[EDX], POWER_ON + 5);
    assert_int_equal(gpr[ESI], 0);
    assert_int_equal(gpr[EBX], 250000);
}

static void without_the_word_it_is_nobodys_port(void **state)
{
    (void)state;
    call(GETVERSION, 0);
    gpr[EAX] = MAGIC + 1;
    assert_int_equal(bus_port_in(bus, PORT, 4), 0xffffffffu);
    gpr[EAX] = MAGIC;
    gpr[ECX] = COMMAND;
    gpr[EBX] = ENABLE;
    assert_int_equal(bus_port_in(bus, PORT, 1), 0xff);
    assert_int_equal(bus_port_in(bus, PORT, 2), 0xffff);
    bus_port_in(bus, PORT + 1, 4);
    gpr[EDX] = 0x60; /* a REP INS, or a person at the monitor */
    assert_int_equal(bus_port_in(bus, PORT, 4), 0xffffffffu);
    assert_false(port.enabled);
}

static void out_is_a_call_too(void **state)
{
    (void)state;
    gpr[EAX] = MAGIC, gpr[ECX] = GETVERSION, gpr[EDX] = PORT, gpr[EBX] = 0;
    bus_port_out(bus, PORT, MAGIC, 4);
    assert_int_equal(gpr[EAX], 6);
    assert_int_equal(gpr[EBX], MAGIC);
}

static void unknown_commands_are_told_so(void **state)
{
    (void)state;
    static const u32 unknown[] = {0, 1, 6, 7, 8, 9, 30, 45, 68, RESTRICT, 0xffff};
    for (unsigned n = 0; n < ARRAY_LEN(unknown); n++) {
        assert_int_equal(call(unknown[n], 0xffffffffu), 0xffffffffu);
        assert_int_equal(gpr[EBX], 0xffffffffu); /* which Linux looks at */
    }
    assert_int_equal(call(COMMAND, 12345), 0xffffffffu);
}

/* As Linux's driver begins, works and ends. */
static void places_arrive(void **state)
{
    (void)state;
    assert_false(vmport_pointer(&port, 1, 2, 0, 0)); /* nobody asks yet */
    assert_false(vmport_move(&port, 1, 2, 0, 0));
    enable(ABSOLUTE);
    assert_true(vmport_pointer(&port, 0x1234, 0xffff, 0, 0));
    assert_int_equal(nudges, 1);
    assert_int_equal(call(STATUS, 0), 4);
    expect_packet(0, 0x1234, 0xffff, 0);
    vmport_pointer(&port, 5, 6, 0, MOUSE_LEFT);
    vmport_pointer(&port, 7, 8, 0, MOUSE_RIGHT | MOUSE_MIDDLE);
    assert_int_equal(call(STATUS, 0), 8);
    expect_packet(LEFT, 5, 6, 0);
    expect_packet(RIGHT | MIDDLE, 7, 8, 0);
    assert_int_equal(call(STATUS, 0), 0);
    call(COMMAND, DISABLE);
    assert_int_equal(call(STATUS, 0), ERROR);
    assert_false(vmport_pointer(&port, 1, 2, 0, 0));
}

static void a_slow_driver_finds_the_last_place(void **state)
{
    (void)state;
    enable(ABSOLUTE);
    for (u32 n = 0; n < 1000; n++) vmport_pointer(&port, n, 2 * n, 0, 0);
    assert_int_equal(call(STATUS, 0), 4);
    expect_packet(0, 999, 1998, 0);
    vmport_pointer(&port, 1, 1, 1, 0); /* wheel away from the person */
    vmport_pointer(&port, 1, 1, 2, 0);
    vmport_pointer(&port, 2, 2, -1, 0);
    expect_packet(0, 2, 2, (u32)-2);
    for (u32 n = 0; n < 10; n++)
        vmport_pointer(&port, n, n, 0, n & 1 ? MOUSE_LEFT : 0); /* clicks stay apart */
    assert_int_equal(call(STATUS, 0), 40);
    for (u32 n = 0; n < 10; n++) expect_packet(n & 1 ? LEFT : 0, n, n, 0);
}

static void a_driver_that_never_reads_costs_nothing(void **state)
{
    (void)state;
    enable(ABSOLUTE);
    for (u32 n = 0; n < 100000; n++) vmport_pointer(&port, n & 0xffff, 7, 127, n & 1 ? MOUSE_LEFT : 0);
    assert_int_equal(call(STATUS, 0), VMMOUSE_QUEUE);
    for (u32 n = 0; n < VMMOUSE_QUEUE / 4 - 1; n++) call(DATA, 4);
    expect_packet(LEFT, 99999 & 0xffff, 7, (u32)-127);
}

static void movements_are_added_up(void **state)
{
    (void)state;
    enable(RELATIVE);
    assert_false(vmport_pointer(&port, 1, 2, 0, 0));
    assert_true(vmport_move(&port, 3, 4, 0, 0));
    vmport_move(&port, 10, -14, 0, 0);
    expect_packet(MOVEMENT, 13, 10, 0); /* up is positive */
    call(COMMAND, ABSOLUTE);
    vmport_pointer(&port, 100, 100, 0, 0);
    vmport_move(&port, 1, 1, 0, 0); /* of the monitor's mouse_move, beside places */
    vmport_pointer(&port, 200, 200, 0, 0);
    expect_packet(0, 100, 100, 0);
    expect_packet(MOVEMENT, 1, (u32)-1, 0);
    expect_packet(0, 200, 200, 0);
    for (unsigned n = 0; n < 5000; n++) vmport_move(&port, 0x7fffffff, -0x7fffffff, 0x7fffffff, 0);
    call(DATA, 4);
    assert_true(gpr[EBX] <= 1u << 20 && gpr[ECX] <= 1u << 20);
}

static void words_that_are_not_there_are_an_error(void **state)
{
    (void)state;
    static const u32 wrong[] = {0, 5, 7, 0x7fffffff, 0x80000000u, 0xffffffffu};
    for (unsigned n = 0; n < ARRAY_LEN(wrong); n++) {
        enable(ABSOLUTE);
        vmport_pointer(&port, 1, 2, 0, 0);
        call(DATA, wrong[n]);
        assert_int_equal(gpr[EBX], wrong[n]);
        assert_int_equal(call(STATUS, 0), ERROR | 4);
    }
    enable(ABSOLUTE); /* in pieces, as one may; what is added then does not go into a torn packet */
    vmport_pointer(&port, 1, 2, 0, 0);
    assert_int_equal(call(DATA, 3), 0);
    vmport_pointer(&port, 9, 9, 0, 0);
    assert_int_equal(call(STATUS, 0), 5);
    assert_int_equal(call(DATA, 1), 0);
    expect_packet(0, 9, 9, 0);
    call(COMMAND, ABSOLUTE);
    call(COMMAND, DISABLE);
    call(COMMAND, ABSOLUTE); /* of what is not enabled */
    assert_false(vmport_pointer(&port, 1, 2, 0, 0));
}

static void reset_forgets_it(void **state)
{
    (void)state;
    enable(ABSOLUTE);
    vmport_pointer(&port, 1, 2, 0, 0);
    vmport_reset(&port);
    assert_int_equal(call(STATUS, 0), 0);
    assert_false(vmport_pointer(&port, 1, 2, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_asks_is_told_what_this_is),
        TEST(the_time_is_the_clocks),
        TEST(without_the_word_it_is_nobodys_port),
        TEST(out_is_a_call_too),
        TEST(unknown_commands_are_told_so),
        TEST(places_arrive),
        TEST(a_slow_driver_finds_the_last_place),
        TEST(a_driver_that_never_reads_costs_nothing),
        TEST(movements_are_added_up),
        TEST(words_that_are_not_there_are_an_error),
        TEST(reset_forgets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
