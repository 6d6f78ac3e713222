/* MP tables as a kernel's parser meets them (MultiProcessor Specification 1.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frontend/load/mptable.h"

static const MpBoard board = {.processor = 0x695,
                              .features = 0x0789bb3f,
                              .lapic_version = 0x14,
                              .sci_irq = 9,
                              .pirq = {10, 10, 11, 11}};
static u8 image[MPTABLE_ROOM];

static u8 sum(const u8 *p, u32 n)
{
    u8 s = 0;
    while (n--) s = (u8)(s + *p++);
    return s;
}

/* Where the entries begin, with their number, after all that holds them was checked. */
static const u8 *entries(u32 *count)
{
    u32 used = mptable_build(&board, MPTABLE_PA, image);
    assert_memory_equal(image, "_MP_", 4);
    assert_int_equal(sum(image, 16), 0);
    assert_int_equal(image[8], 1);
    assert_int_equal(image[11] | image[12], 0); /* a table, virtual wire mode */
    const u8 *table = image + (load32(image + 4) - MPTABLE_PA);
    assert_memory_equal(table, "PCMP", 4);
    assert_int_equal(sum(table, load16(table + 4)), 0);
    assert_int_equal((u32)(table - image) + load16(table + 4), used);
    assert_int_equal(load32(table + 36), 0xfee00000);
    *count = load16(table + 34);
    return table + 44;
}

static void entries_fill_the_table_in_order(void **state)
{
    u32 count;
    const u8 *e = entries(&count);
    (void)state;
    for (u8 type = 0; count; count--) {
        assert_in_range(e[0], type, 4);
        type = e[0];
        e += type ? 8 : 20;
    }
    const u8 *table = image + 16;
    assert_ptr_equal(e, table + load16(table + 4));
}

static void one_processor_and_its_apic(void **state)
{
    u32 count;
    const u8 *e = entries(&count);
    static const u8 rest[] = {1,   0,   'P', 'C', 'I', ' ', ' ',  ' ', 1, 1, 'I',  'S',
                              'A', ' ', ' ', ' ', 2,   1,   0x11, 1,   0, 0, 0xc0, 0xfe};
    (void)state;
    assert_int_equal(e[0] | e[1], 0);
    assert_int_equal(e[2], 0x14);
    assert_int_equal(e[3], 3);
    assert_int_equal(load32(e + 4), 0x695);
    assert_int_equal(load32(e + 8), 0x0789bb3f);
    assert_memory_equal(e + 20, rest, sizeof rest);
}

/* Input of the I/O APIC for an interrupt; -1: none. */
static int input_of(u8 bus, u8 irq, u16 *flags)
{
    u32 count;
    const u8 *e = entries(&count);
    int pin = -1;
    for (; count; count--, e += e[0] ? 8 : 20) {
        if (e[0] != 3 || e[4] != bus || e[5] != irq) continue;
        assert_int_equal(pin, -1); /* only once */
        assert_int_equal(e[1], 0);
        assert_int_equal(e[6], 1);
        pin = e[7];
        *flags = load16(e + 2);
    }
    return pin;
}

static void interrupts_are_where_the_board_has_them(void **state)
{
    u16 flags;
    (void)state;
    assert_int_equal(input_of(1, 0, &flags), 2);
    assert_int_equal(input_of(1, 1, &flags), 1);
    assert_int_equal(flags, 0);
    assert_int_equal(input_of(1, 2, &flags), -1);
    assert_int_equal(input_of(1, 9, &flags), 9);
    assert_int_equal(flags, 0x0d);
    assert_int_equal(input_of(1, 10, &flags), -1); /* PCI's */
    assert_int_equal(input_of(1, 15, &flags), 15);
    assert_int_equal(input_of(0, 1 << 2 | 3, &flags), 11);
    assert_int_equal(input_of(0, 2 << 2 | 0, &flags), 10);
    assert_int_equal(input_of(0, 2 << 2 | 3, &flags), 10);
    assert_int_equal(flags, 0x0d);
}

static void local_interrupts(void **state)
{
    u32 count, seen = 0;
    const u8 *e = entries(&count);
    (void)state;
    for (; count; count--, e += e[0] ? 8 : 20) {
        if (e[0] != 4) continue;
        assert_int_equal(e[6], 0xff);
        assert_int_equal(e[1], e[7] ? 1 : 3); /* LINT0 ExtINT, LINT1 NMI */
        seen |= 1u << e[7];
    }
    assert_int_equal(seen, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_fill_the_table_in_order),
        cmocka_unit_test(one_processor_and_its_apic),
        cmocka_unit_test(interrupts_are_where_the_board_has_them),
        cmocka_unit_test(local_interrupts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
