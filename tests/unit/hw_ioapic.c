/* hw_ioapic.c - the 82093AA by its datasheet, in front of a local APIC, and the IMCR. */
#include "hw_bench.h"

#include "hw/imcr.h"
#include "hw/ioapic.h"

enum { ID = 0, VERSION = 1, ARBITRATION = 2, ENTRY = 0x10 };
enum { LOGICAL = 1 << 11, REMOTE_IRR = 1 << 14, LEVEL = 1 << 15, MASKED = 1 << 16 };

static Lapic l;
static Ioapic a;
static Wire intr, nmi;

static u8 inta(void *ctx) { return (void)ctx, 0x08; }
static void eoi(void *ctx, u8 vector) { (void)ctx, ioapic_eoi(&a, vector); }
static void accepts(void *ctx) { (void)ctx, ioapic_retry(&a); }

static u32 rd(u32 reg)
{
    bus_mmio_write(bus, (u32)IOAPIC_PA, reg, 4);
    return bus_mmio_read(bus, (u32)IOAPIC_PA + 0x10, 4);
}

static void wr(u32 reg, u32 v)
{
    bus_mmio_write(bus, (u32)IOAPIC_PA, reg, 4);
    bus_mmio_write(bus, (u32)IOAPIC_PA + 0x10, v, 4);
}

static void lapic_wr(u32 reg, u32 v) { bus_mmio_write(bus, (u32)LAPIC_DEFAULT_PA + reg, v, 4); }
static void end(void) { lapic_wr(0xb0, 0); }

static void program(u32 pin, u32 low, u8 dest)
{
    wr(ENTRY + 2 * pin + 1, (u32)dest << 24);
    wr(ENTRY + 2 * pin, low);
}

static u32 entry(u32 pin) { return rd(ENTRY + 2 * pin); }
static void raise(int pin) { ioapic_set_irq(&a, pin, true); }
static void lower(int pin) { ioapic_set_irq(&a, pin, false); }

static void expect_vector(u8 v)
{
    assert_true(intr.level);
    assert_int_equal(lapic_ack(&l), v);
}

static int setup(void **state)
{
    LapicLines lines = {
        .intr = wire_line(&intr), .nmi = wire_line(&nmi), .inta = inta, .eoi = eoi, .accepts = accepts};
    (void)state;
    bench_up();
    intr = nmi = (Wire){0};
    lapic_init(&l, LAPIC_P6, bus, &clk, &lines);
    ioapic_init(&a, bus, &l);
    lapic_wr(0xf0, 0x1ff);
    return 0;
}

static void registers_are_the_datasheets(void **state)
{
    (void)state;
    assert_int_equal(rd(VERSION), 0x00170011);
    assert_int_equal(rd(ID), 0);
    wr(ID, 0xffffffff);
    assert_int_equal(rd(ID), 0x0f000000);
    assert_int_equal(rd(ARBITRATION), 0x0f000000);
    wr(VERSION, 0), wr(ARBITRATION, 0), wr(0x40, 5);
    assert_int_equal(rd(VERSION), 0x00170011);
    assert_int_equal(rd(0x40), 0);
    for (u32 pin = 0; pin < IOAPIC_PINS; pin++) {
        assert_int_equal(entry(pin), MASKED);
        program(pin, 0xffffffff, 0xff);
        assert_int_equal(entry(pin), 0x1afff);
        assert_int_equal(rd(ENTRY + 2 * pin + 1), 0xff000000);
    }
    assert_int_equal(bus_mmio_read(bus, (u32)IOAPIC_PA, 4), ENTRY + 47);
    assert_int_equal(bus_mmio_read(bus, (u32)IOAPIC_PA + 0x20, 4), 0);
}

static void an_edge_sends_once(void **state)
{
    (void)state;
    program(1, 0x31, 0);
    raise(1);
    expect_vector(0x31), end();
    raise(1); /* still high */
    assert_false(intr.level);
    lower(1), raise(1);
    expect_vector(0x31), end();
    assert_int_equal(entry(1), 0x31);
}

static void an_edge_on_a_masked_pin_is_lost(void **state)
{
    (void)state;
    program(1, MASKED | 0x31, 0);
    raise(1);
    program(1, 0x31, 0);
    assert_false(intr.level);
    lower(1), raise(1);
    expect_vector(0x31);
}

static void a_level_sends_until_it_falls(void **state)
{
    (void)state;
    program(10, LEVEL | 0x51, 0);
    raise(10);
    assert_int_equal(entry(10), LEVEL | REMOTE_IRR | 0x51);
    expect_vector(0x51);
    lower(10), raise(10);
    assert_int_equal(intr.rises, 1); /* remote IRR holds it back */
    end();
    expect_vector(0x51); /* still asserted */
    lower(10);
    end();
    assert_false(intr.level);
    assert_int_equal(entry(10), LEVEL | 0x51);
    program(10, LEVEL | MASKED | 0x51, 0);
    raise(10);
    assert_false(intr.level);
    program(10, LEVEL | 0x51, 0); /* a level is seen when the mask goes */
    expect_vector(0x51);
}

static void edge_mode_ends_a_level_without_eoi(void **state)
{
    (void)state;
    program(10, LEVEL | 0x51, 0);
    raise(10);
    lower(10);
    wr(ENTRY + 20, MASKED | 0x51);
    assert_int_equal(entry(10), MASKED | 0x51);
    wr(ENTRY + 20, LEVEL | 0x51);
    assert_int_equal(entry(10), LEVEL | 0x51);
}

static void polarity_is_kept_without_effect(void **state)
{
    (void)state;
    program(11, 0x2000 | LEVEL | 0x52, 0);
    assert_false(intr.level);
    assert_int_equal(entry(11), 0x2000 | LEVEL | 0x52);
    raise(11);
    expect_vector(0x52);
}

static void two_pins_may_share_a_vector(void **state)
{
    (void)state;
    program(10, LEVEL | 0x51, 0), program(11, LEVEL | 0x51, 0);
    raise(10), raise(11);
    expect_vector(0x51);
    lower(10);
    end();
    expect_vector(0x51);
    lower(11);
    end();
    assert_false(intr.level);
    assert_int_equal(entry(10) | entry(11), LEVEL | 0x51);
}

static void destinations(void **state)
{
    (void)state;
    program(5, 0x61, 4);
    raise(5);
    assert_false(intr.level); /* nobody's */
    wr(ENTRY + 11, 0);
    program(6, LOGICAL | 0x162, 0x03); /* lowest priority, flat */
    lapic_wr(0xd0, 0x01000000);
    raise(6);
    expect_vector(0x62), end();
    program(7, 0x400, 0);
    raise(7);
    assert_int_equal(nmi.rises, 1);
    program(8, LEVEL | 0x700, 0); /* ExtINT is an edge whatever bit 15 says */
    raise(8);
    expect_vector(0x08);
    assert_int_equal(entry(8), LEVEL | 0x700);
}

static void what_nobody_accepts_waits(void **state)
{
    (void)state;
    lapic_wr(0xf0, 0xff);
    program(1, 0x31, 0), program(10, LEVEL | 0x51, 0);
    raise(1), raise(10);
    assert_false(intr.level);
    assert_int_equal(entry(10), LEVEL | 0x51);
    lapic_wr(0xf0, 0x1ff);
    expect_vector(0x51), lower(10), end();
    expect_vector(0x31), end();
    assert_false(intr.level);
}

static void a_waiting_tick_is_seen(void **state)
{
    (void)state;
    program(2, 0x30, 0);
    assert_false(ioapic_waits(&a, 2));
    raise(2);
    assert_true(ioapic_waits(&a, 2));
    expect_vector(0x30);
    assert_false(ioapic_waits(&a, 2));
    lower(2), raise(2);
    assert_true(ioapic_waits(&a, 2)); /* behind the first */
    program(2, MASKED | 0x30, 0);
    assert_false(ioapic_waits(&a, 2));
}

static void imcr_selects_the_mode(void **state)
{
    static Imcr i;
    Wire through = {0};
    (void)state;
    imcr_init(&i, bus, wire_line(&through));
    assert_true(through.level);
    out(0x22, 0x70);
    assert_int_equal(in(0x23), 1);
    out(0x23, 0);
    assert_false(through.level);
    out(0x22, 0x71), out(0x23, 1); /* another register */
    assert_false(through.level);
    assert_int_equal(in(0x23), 0xff);
    out(0x22, 0x70), out(0x23, 0xff);
    assert_true(through.level);
    assert_int_equal(in(0x23), 1);
    assert_int_equal(in(0x22), 0x70);
    out(0x23, 0);
    imcr_reset(&i);
    assert_true(through.level);
}

static void random_accesses(void **state)
{
    u64 seed = 7;
    (void)state;
    for (u32 n = 0; n < 200000; n++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        u32 r = (u32)(seed >> 33), v = r * 2654435761u;
        switch (r & 7) {
        case 0: ioapic_set_irq(&a, (int)(v % IOAPIC_PINS), v >> 8 & 1); break;
        case 1: end(); break;
        case 2: lapic_wr(0xf0, v & 3 ? 0x1ff : 0xff); break;
        case 3: rd(v >> 8 & 0xff); break;
        case 4: bus_mmio_write(bus, (u32)IOAPIC_PA + (v & 0xfff), v, 1u << (v >> 12 & 1)); break;
        default: wr(v >> 20 & 0x3f, v & 0x40000000 ? v : v & 0xa9ff);
        }
        if (intr.level) lapic_ack(&l);
    }
    ioapic_reset(&a), lapic_reset(&l);
    lapic_wr(0xf0, 0x1ff);
    for (int pin = 0; pin < IOAPIC_PINS; pin++) lower(pin);
    program(4, 0x44, 0);
    raise(4);
    expect_vector(0x44);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registers_are_the_datasheets),
        TEST(an_edge_sends_once),
        TEST(an_edge_on_a_masked_pin_is_lost),
        TEST(a_level_sends_until_it_falls),
        TEST(edge_mode_ends_a_level_without_eoi),
        TEST(polarity_is_kept_without_effect),
        TEST(two_pins_may_share_a_vector),
        TEST(destinations),
        TEST(what_nobody_accepts_waits),
        TEST(a_waiting_tick_is_seen),
        TEST(imcr_selects_the_mode),
        TEST(random_accesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
