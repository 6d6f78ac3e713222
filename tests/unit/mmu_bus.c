/* mmu_bus.c - dispatch, size splitting, overlap and moving of ranges on the I/O bus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include "mmu/bus.h"

/* A chip that remembers its accesses as text and answers each byte lane with base + offset. */
typedef struct Chip {
    char log[256];
    u8 base;
} Chip;

static u32 chip_read(void *dev, u32 offset, unsigned bytes)
{
    Chip *c = dev;
    u32 v = 0;
    for (unsigned i = 0; i < bytes; i++) v |= (u32)(u8)(c->base + offset + i) << (8 * i);
    sprintf(c->log + strlen(c->log), "r%x/%u ", offset, bytes);
    return v;
}

static void chip_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Chip *c = dev;
    sprintf(c->log + strlen(c->log), "w%x/%u=%x ", offset, bytes, value);
}

static const IoOps ops8 = {chip_read, chip_write, 1, 1}, ops16 = {chip_read, chip_write, 1, 2},
                   ops32 = {chip_read, chip_write, 1, 4}, ops32only = {chip_read, chip_write, 4, 4};

static void ports_reach_their_device(void **state)
{
    (void)state;
    Bus *b = bus_new();
    Chip c = {.base = 0x10};
    bus_add_ports(b, 0x3f8, 8, &ops8, &c, "uart");
    assert_int_equal(bus_port_in(b, 0x3fd, 1), 0x15);
    bus_port_out(b, 0x3f8, 0xabcd41, 1);
    assert_string_equal(c.log, "r5/1 w0/1=41 ");
    bus_free(b);
}

static void unclaimed_reads_ones(void **state)
{
    (void)state;
    Bus *b = bus_new();
    assert_int_equal(bus_port_in(b, 0x300, 1), 0xff);
    assert_int_equal(bus_port_in(b, 0x300, 2), 0xffff);
    assert_int_equal(bus_port_in(b, 0xffff, 4), 0xffffffff); /* wraps at 64 K */
    bus_port_out(b, 0x300, 1, 4);
    assert_int_equal(bus_mmio_read(b, 0xfffffffc, 4), 0xffffffff);
    bus_mmio_write(b, 0xd0000000, 1, 4);
    bus_free(b);
}

static void wide_access_is_split_low_half_first(void **state)
{
    (void)state;
    Bus *b = bus_new();
    Chip c = {.base = 0}, d = {.base = 0x80};
    bus_add_ports(b, 0x3c4, 2, &ops8, &c, "sequencer");
    bus_port_out(b, 0x3c4, 0x0f02, 2);
    assert_string_equal(c.log, "w0/1=2 w1/1=f ");
    bus_add_ports(b, 0x1f0, 8, &ops16, &d, "ide");
    assert_int_equal(bus_port_in(b, 0x1f0, 4), 0x83828180);
    assert_string_equal(d.log, "r0/2 r2/2 ");
    bus_free(b);
}

static void straddling_access_splits_between_neighbours(void **state)
{
    (void)state;
    Bus *b = bus_new();
    Chip c = {.base = 0}, d = {.base = 0x80};
    bus_add_ports(b, 0x60, 1, &ops32, &c, "kbd");
    bus_add_ports(b, 0x61, 1, &ops32, &d, "speaker");
    assert_int_equal(bus_port_in(b, 0x60, 2), 0x8000);
    assert_int_equal(bus_port_in(b, 0x61, 2), 0xff80); /* 0x62: nobody */
    bus_free(b);
}

static void byte_register_over_a_doubleword_register(void **state)
{
    (void)state; /* 0xCF8 configuration address, 0xCF9 reset control */
    Bus *b = bus_new();
    Chip pci = {0}, reset = {0};
    bus_add_ports(b, 0xcf8, 4, &ops32, &pci, "pci");
    bus_add_ports(b, 0xcf9, 1, &ops8, &reset, "reset");
    bus_port_out(b, 0xcf8, 0x80000040, 4);
    bus_port_out(b, 0xcf9, 6, 1);
    assert_string_equal(pci.log, "w0/4=80000040 ");
    assert_string_equal(reset.log, "w0/1=6 ");
    bus_free(b);
}

static void narrow_access_is_widened_to_min_bytes(void **state)
{
    (void)state;
    Bus *b = bus_new();
    Chip c = {.base = 0x10};
    bus_add_mmio(b, 0xfee00000, 0x1000, &ops32only, &c, "apic");
    assert_int_equal(bus_mmio_read(b, 0xfee00032, 1), 0x42);
    bus_mmio_write(b, 0xfee00031, 0xee, 1);
    assert_string_equal(c.log, "r30/4 r30/4 w30/4=4342ee40 ");
    bus_free(b);
}

static void later_memory_range_wins_and_moves(void **state)
{
    (void)state;
    Bus *b = bus_new();
    Chip low = {.base = 0}, high = {.base = 0x80};
    bus_add_mmio(b, 0xe0000000, 0x10000, &ops32, &low, "low");
    int id = bus_add_mmio(b, 0xe0001000, 0x1000, &ops32, &high, "high");
    assert_int_equal(bus_mmio_read(b, 0xe0000fff, 1), 0xff);
    assert_int_equal(bus_mmio_read(b, 0xe0001000, 1), 0x80);
    assert_int_equal(bus_mmio_read(b, 0xe0001fff, 1), 0x7f);
    assert_int_equal(bus_mmio_read(b, 0xe0002001, 1), 0x01);
    bus_move(b, id, false, 0xe0001000);
    assert_int_equal(bus_mmio_read(b, 0xe0001004, 1), 0x04);
    bus_move(b, id, true, 0xfffff000);
    assert_int_equal(bus_mmio_read(b, 0xfffffffc, 4), 0x7f7e7d7c);
    bus_move(b, id, true, 0xfffff800); /* would wrap: a guest's mistake, switched off */
    assert_int_equal(bus_mmio_read(b, 0xfffffffc, 4), 0xffffffff);
    bus_free(b);
}

static void moved_ports_uncover_what_was_below(void **state)
{
    (void)state;
    Bus *b = bus_new();
    Chip a = {.base = 0}, c = {.base = 0x80};
    bus_add_ports(b, 0xc000, 16, &ops32, &a, "a");
    int id = bus_add_ports(b, 0xc004, 4, &ops32, &c, "c");
    assert_int_equal(bus_port_in(b, 0xc004, 1), 0x80);
    bus_move(b, id, true, 0xb000);
    assert_int_equal(bus_port_in(b, 0xc004, 1), 0x04);
    assert_int_equal(bus_port_in(b, 0xb003, 1), 0x83);
    bus_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_reach_their_device),
        cmocka_unit_test(unclaimed_reads_ones),
        cmocka_unit_test(wide_access_is_split_low_half_first),
        cmocka_unit_test(straddling_access_splits_between_neighbours),
        cmocka_unit_test(byte_register_over_a_doubleword_register),
        cmocka_unit_test(narrow_access_is_widened_to_min_bytes),
        cmocka_unit_test(later_memory_range_wins_and_moves),
        cmocka_unit_test(moved_ports_uncover_what_was_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
