/* hw_fwcfg.c - the firmware configuration device, read as firmware reads it. */
#include "hw_bench.h"

#include "hw/fwcfg.h"

static Fwcfg fw;

static int setup(void **state)
{
    (void)state;
    bench_up();
    fwcfg_init(&fw, bus, 64 << 20);
    return 0;
}

static void item(u16 selector, void *to, u32 n)
{
    u8 *at = to;
    bus_port_out(bus, 0x510, selector, 2);
    while (n--) *at++ = in(0x511);
}

static u32 be32(const u8 *p) { return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3]; }

static void the_fixed_items_say_what_board_it_is(void **state)
{
    u8 b[8];
    (void)state;
    item(0x00, b, 4);
    assert_memory_equal(b, "QEMU", 4);
    item(0x01, b, 4);
    assert_int_equal(load32(b), 1); /* no DMA interface */
    item(0x03, b, 8);
    assert_int_equal(load32(b), 64 << 20);
    item(0x05, b, 2);
    assert_int_equal(load16(b), 1);
    item(0x0e, b, 2);
    assert_int_equal(load16(b), 0);
    fwcfg_set_menu(&fw, true);
    item(0x0e, b, 2);
    assert_int_equal(load16(b), 1);
}

static void files_are_found_through_the_directory(void **state)
{
    u8 d[4 + 2 * 64], b[8];
    (void)state;
    fwcfg_add(&fw, "etc/one", "1", 1);
    fwcfg_add(&fw, "etc/three", "abc", 3);
    item(0x19, d, sizeof d);
    assert_int_equal(be32(d), 2);
    assert_int_equal(be32(d + 4 + 64), 3);
    assert_string_equal((char *)d + 4 + 64 + 8, "etc/three");
    u16 selector = (u16)(d[4 + 64 + 4] << 8 | d[4 + 64 + 5]);
    item(selector, b, 5);
    assert_memory_equal(b, "abc\0\0", 5); /* zeros behind the end */
}

static void what_does_not_exist_reads_zero(void **state)
{
    u8 b[4] = {1, 1, 1, 1};
    (void)state;
    item(0x20, b, 4);
    assert_int_equal(load32(b), 0);
    item(0xffff, b, 4);
    assert_int_equal(load32(b), 0);
    out(0x511, 7); /* ignored */
    bus_port_out(bus, 0x510, 0, 1);
    assert_int_equal(in(0x511), 0); /* a byte selects nothing */
}

static void called(void *ctx) { ++*(int *)ctx; }

static void a_write_to_a_call_is_heard(void **state)
{
    int calls = 0;
    (void)state;
    fwcfg_add(&fw, "etc/plain", "1", 1);
    fwcfg_add_call(&fw, "etc/call", called, &calls);
    bus_port_out(bus, 0x510, 0x20, 2);
    out(0x511, 1);
    assert_int_equal(calls, 0);
    bus_port_out(bus, 0x510, 0x21, 2);
    out(0x511, 1);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_fixed_items_say_what_board_it_is, setup, bench_down),
        cmocka_unit_test_setup_teardown(files_are_found_through_the_directory, setup, bench_down),
        cmocka_unit_test_setup_teardown(a_write_to_a_call_is_heard, setup, bench_down),
        cmocka_unit_test_setup_teardown(what_does_not_exist_reads_zero, setup, bench_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
