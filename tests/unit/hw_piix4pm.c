/* hw_piix4pm.c - ACPI fixed hardware: PM timer, SCI, sleep, enabling; where its ports are. */
#include "hw_bench.h"

#include "hw/piix4pm.h"

static Pci pci;
static Piix4pm pm;
static Wire sci;
static unsigned poweroffs;

static void off(void *ctx)
{
    (void)ctx;
    poweroffs++;
}

static int setup(void **state)
{
    (void)state;
    bench_up();
    sci = (Wire){0};
    poweroffs = 0;
    pci_init(&pci, bus);
    piix4pm_init(&pm, &pci, bus, &clk, wire_line(&sci), true, off, NULL);
    piix4pm_reset(&pm);
    return 0;
}

enum { STS = 0x600, EN = 0x602, CNT = 0x604, TMR = 0x608, GPE0 = 0x60c };
enum { HALF = 1 << 23 }; /* ticks between toggles of bit 23: 2.34 s */

static u32 in16(u16 port) { return bus_port_in(bus, port, 2); }
static void out16(u16 port, u32 v) { bus_port_out(bus, port, v, 2); }
static u64 tick_ns(u64 ticks) { return muldiv64(ticks, SEC, 3579545) + 1; }

static void config(u32 reg, u32 v)
{
    bus_port_out(bus, 0xcf8, 0x80000b00u | reg, 4);
    bus_port_out(bus, 0xcfc, v, 4);
}

static void the_timer_counts_24_bits_at_3_58_mhz(void **state)
{
    (void)state;
    assert_int_equal(bus_port_in(bus, TMR, 4), 0);
    clock_advance(&clk, SEC);
    assert_int_equal(bus_port_in(bus, TMR, 4), 3579545);
    clock_advance(&clk, 4 * (u64)SEC);
    assert_int_equal(bus_port_in(bus, TMR, 4), 5 * 3579545 - (1 << 24));
    assert_int_equal(in16(TMR + 1), (5 * 3579545 - (1 << 24)) >> 8); /* odd but allowed */
}

static void the_timer_status_follows_bit_23(void **state)
{
    (void)state;
    assert_int_equal(in16(STS), 0);
    clock_advance(&clk, tick_ns(HALF) - 1000);
    assert_int_equal(in16(STS), 0);
    clock_advance(&clk, 1000);
    assert_int_equal(in16(STS), 1);
    assert_int_equal(sci.rises, 0); /* not enabled */
    assert_true(clock_next_deadline(&clk) == UINT64_MAX);
    out16(STS, 0xffff);
    assert_int_equal(in16(STS), 0);
    clock_advance(&clk, tick_ns(HALF));
    assert_int_equal(in16(STS), 1); /* 1 to 0 counts as well */
}

static void the_timer_interrupts_when_enabled(void **state)
{
    (void)state;
    out16(EN, 1);
    clock_advance(&clk, tick_ns(HALF));
    assert_true(sci.level);
    clock_advance(&clk, tick_ns(3 * (u64)HALF));
    assert_int_equal(sci.rises, 1);
    out16(STS, 1);
    assert_false(sci.level);
    clock_advance(&clk, tick_ns(HALF));
    assert_int_equal(sci.rises, 2);
    out(0xb2, PIIX4PM_ACPI_DISABLE);
    assert_false(sci.level);
    assert_int_equal(in16(CNT) & 1, 0);
    out(0xb2, PIIX4PM_ACPI_ENABLE);
    assert_true(sci.level);
    assert_int_equal(in16(CNT) & 1, 1);
}

static void s5_powers_off(void **state)
{
    (void)state;
    out16(CNT, 1 | PIIX4PM_SLP_TYP_S5 << 10); /* no SLP_EN yet */
    assert_int_equal(poweroffs, 0);
    out16(CNT, 1 | PIIX4PM_SLP_TYP_S5 << 10 | 0x2000);
    assert_int_equal(poweroffs, 1);
    assert_int_equal(in16(CNT), 1); /* SLP_EN reads 0 */
    out(CNT + 1, 0x20);             /* the upper byte alone does it too */
    assert_int_equal(poweroffs, 2);
    bus_port_out(bus, CNT, 0x2001, 4);
    assert_int_equal(poweroffs, 3);
}

/* It tells whether anybody hears it: in ACPI mode, with the event enabled. */
static void the_power_button_knows_who_listens(void **state)
{
    (void)state;
    assert_false(piix4pm_power_button(&pm));
    assert_false(sci.level);
    assert_int_equal(in16(STS) & 0x100, 0x100);
    out16(STS, 0x100);
    out16(EN, 0x100);
    assert_true(piix4pm_power_button(&pm));
    assert_true(sci.level);
    out(0xb2, PIIX4PM_ACPI_DISABLE);
    assert_false(piix4pm_power_button(&pm));
    assert_false(sci.level);
}

static void other_sleep_states_wake_at_once(void **state)
{
    (void)state;
    out16(CNT, 1 | 1 << 10 | 0x2000);
    assert_int_equal(poweroffs, 0);
    assert_int_equal(in16(STS), 0x8000);
    out16(STS, 0x8000);
    assert_int_equal(in16(STS), 0);
}

static void enables_are_writable_and_gpe_reads_zero(void **state)
{
    (void)state;
    out16(EN, 0xffff);
    assert_int_equal(in16(EN), 0x0521);
    out(EN + 1, 0);
    assert_int_equal(in16(EN), 0x0021);
    bus_port_out(bus, GPE0, 0xffffffff, 4);
    assert_int_equal(bus_port_in(bus, GPE0, 4), 0);
    assert_int_equal(bus_port_in(bus, 0x63c, 4), 0);
}

static void pmbase_moves_the_ports(void **state)
{
    (void)state;
    clock_advance(&clk, SEC);
    config(0x40, 0xb000);
    assert_int_equal(bus_port_in(bus, TMR, 4), ~0u);
    assert_int_equal(bus_port_in(bus, 0xb008, 4), 3579545);
    assert_int_equal(bus_port_in(bus, 0xcfc, 4), 0xb001);
    config(0x80, 0);
    assert_int_equal(bus_port_in(bus, 0xb008, 4), ~0u);
    config(0x40, 0xffc0), config(0x80, 1);
    assert_int_equal(bus_port_in(bus, 0xffc8, 4), 3579545);
}

static void at_hardware_reset_nothing_is_mapped(void **state)
{
    (void)state;
    pm.configured = false;
    piix4pm_reset(&pm);
    assert_int_equal(bus_port_in(bus, TMR, 4), ~0u);
    bus_port_out(bus, 0xcf8, 0x80000b00u, 4);
    assert_int_equal(bus_port_in(bus, 0xcfc, 4), 0x71138086);
}

static void the_apm_ports_keep_bytes(void **state)
{
    (void)state;
    out(0xb3, 0x42), out(0xb2, 0x12);
    assert_int_equal(in(0xb2), 0x12);
    assert_int_equal(in(0xb3), 0x42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_timer_counts_24_bits_at_3_58_mhz),    TEST(the_timer_status_follows_bit_23),
        TEST(the_timer_interrupts_when_enabled),       TEST(s5_powers_off),
        TEST(the_power_button_knows_who_listens),      TEST(other_sleep_states_wake_at_once),
        TEST(enables_are_writable_and_gpe_reads_zero), TEST(pmbase_moves_the_ports),
        TEST(at_hardware_reset_nothing_is_mapped),     TEST(the_apm_ports_keep_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
