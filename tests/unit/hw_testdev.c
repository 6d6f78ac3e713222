/* hw_testdev.c - pc-testdev and the POST card. */
#include "hw_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hw/postcode.h"
#include "hw/testdev.h"

static Testdev t;
static Wire lines[24];

static int setup(void **state)
{
    (void)state;
    bench_up();
    memset(lines, 0, sizeof lines);
    testdev_init(&t, bus, wire_line(lines));
    return 0;
}

static void ports_keep_what_was_written(void **state)
{
    (void)state;
    bus_port_out(bus, 0xe0, 0x12345678, 4);
    assert_int_equal(bus_port_in(bus, 0xe0, 4), 0x12345678);
    assert_int_equal(bus_port_in(bus, 0xe2, 2), 0x1234);
    assert_int_equal(bus_port_in(bus, 0xe8, 4), 0x12345678); /* the same bytes, one by one */
    bus_port_out(bus, 0xe9, 0xabcd, 2);
    assert_int_equal(bus_port_in(bus, 0xe0, 4), 0x12abcd78);
    bus_port_out(bus, 0xe4, 0x1000, 4);
    testdev_reset(&t);
    assert_int_equal(bus_port_in(bus, 0xe0, 4), 0);
}

static void memory_is_a_device(void **state)
{
    (void)state;
    bus_mmio_write(bus, 0xff000000, 0x11223344, 4);
    bus_mmio_write(bus, 0xff00fffe, 0x5566, 2);
    assert_int_equal(bus_mmio_read(bus, 0xff000001, 2), 0x2233);
    assert_int_equal(bus_mmio_read(bus, 0xff00fffc, 4), 0x55660000);
    assert_int_equal(bus_mmio_read(bus, 0xff00fffe, 4), 0xffff5566); /* half of it lies behind */
}

static void every_line_is_its_port(void **state)
{
    (void)state;
    for (u16 n = 0; n < 24; n++) {
        out((u16)(0x2000 + n), 1);
        assert_true(lines[n].level);
        assert_int_equal(lines[n].rises, 1);
        out((u16)(0x2000 + n), 0);
        assert_false(lines[n].level);
    }
    assert_int_equal(in(0x2018), 0xff);
}

static void post_codes_are_told(void **state)
{
    static Postcode p;
    char path[] = "/tmp/ring3-post-XXXXXX", text[100] = "";
    int file = mkstemp(path);
    (void)state;
    assert_true(file >= 0);
    postcode_init(&p, bus, 0x190);
    assert_true(trace_to(dup(file)));
    out(0x190, 0x01), out(0x190, 0xff);
    fflush(NULL);
    assert_true(trace_to(-1));
    assert_int_equal(in(0x190), 0xff);
    assert_true(pread(file, text, sizeof text - 1, 0) > 0);
    close(file);
    unlink(path);
    assert_string_equal(text, "post: 01\npost: ff\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ports_keep_what_was_written),
        TEST(memory_is_a_device),
        TEST(every_line_is_its_port),
        TEST(post_codes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
