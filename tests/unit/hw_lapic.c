/* hw_lapic.c - the local APIC by the SDM's sequences (vol. 3, chapter 10), with a manual clock and recorded pins. */
#include "hw_bench.h"

#include "hw/lapic.h"

enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    APR = 0x90,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    TIMER = 0x320,
    THERMAL = 0x330,
    PERF = 0x340,
    LINT0 = 0x350,
    LINT1 = 0x360,
    ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0
};
enum { MASKED = 1 << 16, PERIODIC = 1 << 17, SELF = 1 << 18, ALL = 2 << 18, OTHERS = 3 << 18, BY_1 = 0xb };

static Lapic l;
static Wire intr, nmi, init;
static struct {
    unsigned eois, accepts;
    u8 eoi, vector; /* the last that ended; what the 8259 answers */
} seen;

static u8 inta(void *ctx)
{
    (void)ctx;
    lapic_set_lint(&l, 0, false); /* as the 8259's INT falls */
    return seen.vector;
}

static void eoi(void *ctx, u8 vector)
{
    (void)ctx;
    seen.eois++;
    seen.eoi = vector;
}

static void accepts(void *ctx)
{
    (void)ctx;
    seen.accepts++;
}

static u32 rd(u32 reg) { return bus_mmio_read(bus, (u32)LAPIC_DEFAULT_PA + reg, 4); }
static void wr(u32 reg, u32 v) { bus_mmio_write(bus, (u32)LAPIC_DEFAULT_PA + reg, v, 4); }

static void power_on(u32 version)
{
    LapicLines lines = {wire_line(&intr), wire_line(&nmi), wire_line(&init), inta, eoi, accepts, NULL};
    intr = nmi = init = (Wire){0};
    memset(&seen, 0, sizeof seen);
    seen.vector = 0x08;
    lapic_init(&l, version, bus, &clk, &lines);
}

static int setup(void **state)
{
    (void)state;
    bench_up();
    power_on(LAPIC_PENTIUM_M);
    wr(SVR, 0x1ff);
    wr(DIVIDE, BY_1);
    return 0;
}

static bool message(u8 vector, u8 mode, u8 dest, bool logical, bool level)
{
    ApicMessage m = {vector, mode, dest, logical, level};
    return lapic_accept(&l, &m);
}

static void fixed(u8 vector) { assert_true(message(vector, APIC_FIXED, 0, false, false)); }

static void expect_vector(u8 v)
{
    assert_true(intr.level);
    assert_int_equal(lapic_ack(&l), v);
}

static void reset_state_is_the_manuals(void **state)
{
    (void)state;
    lapic_reset(&l);
    assert_int_equal(rd(ID), 0);
    assert_int_equal(rd(VERSION), 0x00050014);
    assert_int_equal(rd(TPR) | rd(PPR) | rd(LDR) | rd(ESR) | rd(ICR) | rd(ICR_HIGH), 0);
    assert_int_equal(rd(DFR), 0xffffffff);
    assert_int_equal(rd(SVR), 0xff);
    assert_int_equal(rd(TIMER), MASKED);
    assert_int_equal(rd(THERMAL), MASKED);
    assert_int_equal(rd(PERF), MASKED);
    assert_int_equal(rd(LINT0), 0x700); /* virtual wire */
    assert_int_equal(rd(LINT1), MASKED);
    assert_int_equal(rd(ERROR), MASKED);
    assert_int_equal(rd(INITIAL) | rd(CURRENT) | rd(DIVIDE), 0);
    for (u32 n = 0; n < 8; n++) assert_int_equal(rd(ISR + 16 * n) | rd(TMR + 16 * n) | rd(IRR + 16 * n), 0);
    assert_false(intr.level);
}

static void models_have_their_registers(void **state)
{
    (void)state;
    power_on(LAPIC_P6);
    wr(SVR, 0x1f0);
    assert_int_equal(rd(VERSION), 0x00040011);
    assert_int_equal(rd(SVR), 0x1ff); /* bits 0-3 are wired to 1 */
    assert_int_equal(rd(PERF), MASKED);
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0);
    rd(THERMAL);
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0x80); /* illegal register address */
    wr(ID, 0xff000000);
    assert_int_equal(rd(ID), 0x0f000000); /* 4 bits on the 3-wire bus */
    power_on(LAPIC_PENTIUM);
    assert_int_equal(rd(VERSION), 0x00030010);
    rd(PERF);
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0x80);
}

static void only_writable_bits_are_written(void **state)
{
    static const struct {
        u32 reg, readable;
    } bits[] = {{TPR, 0xff},       {LDR, 0xff000000},    {SVR, 0x3ff},    {ICR_HIGH, 0xff000000},
                {TIMER, 0x300ff},  {THERMAL, 0x107ff},   {PERF, 0x107ff}, {LINT0, 0x1a7ff},
                {LINT1, 0x1a7ff},  {ERROR, 0x100ff},     {DIVIDE, 0x0b},  {ID, 0xff000000},
                {DFR, 0xffffffff}, {INITIAL, 0xffffffff}};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(bits); n++) {
        wr(bits[n].reg, 0xffffffff);
        assert_int_equal(rd(bits[n].reg), bits[n].readable);
    }
    wr(VERSION, 0), wr(PPR, 0xff), wr(ISR, ~0u), wr(IRR, ~0u), wr(TMR, ~0u), wr(CURRENT, 5);
    assert_int_equal(rd(VERSION), 0x00050014);
    assert_int_equal(rd(ISR) | rd(IRR) | rd(TMR), 0);
    wr(DFR, 0);
    assert_int_equal(rd(DFR), 0x0fffffff);
}

static void priorities_nest_by_class(void **state)
{
    (void)state;
    fixed(0x41);
    fixed(0x52);
    fixed(0x43);
    assert_int_equal(rd(IRR + 0x20), 1 << 1 | 1 << 3 | 1 << 18);
    expect_vector(0x52);
    assert_int_equal(rd(PPR), 0x50);
    assert_int_equal(rd(ISR + 0x20), 1 << 18);
    assert_false(intr.level); /* class 4 waits behind class 5 */
    fixed(0x5f);
    assert_false(intr.level); /* the same class does, too */
    fixed(0x61);
    expect_vector(0x61);
    wr(EOI, 0);
    assert_int_equal(rd(PPR), 0x50);
    wr(EOI, 0);
    expect_vector(0x5f);
    wr(EOI, 0);
    expect_vector(0x43);
    wr(EOI, 0);
    expect_vector(0x41);
    wr(EOI, 0);
    assert_int_equal(rd(PPR), 0);
    assert_false(intr.level);
    assert_int_equal(seen.eois, 0); /* edges are not told to the I/O APIC */
    wr(EOI, 0);                     /* nothing in service: nothing happens */
}

static void task_priority_holds_back(void **state)
{
    (void)state;
    wr(TPR, 0x4f);
    fixed(0x45);
    assert_false(intr.level);
    assert_int_equal(rd(PPR), 0x4f);
    assert_int_equal(rd(APR), 0x4f);
    wr(TPR, 0x3f);
    assert_int_equal(rd(APR), 0x40);
    assert_true(intr.level);
    wr(TPR, 0xf0);
    assert_false(intr.level);
    assert_int_equal(lapic_ack(&l), 0xff); /* too late: the spurious vector, not in service */
    assert_int_equal(rd(ISR + 0x70), 0);
    wr(TPR, 0);
    expect_vector(0x45);
}

static void level_interrupts_tell_their_end(void **state)
{
    (void)state;
    assert_true(message(0x91, APIC_FIXED, 0, false, true));
    assert_int_equal(rd(TMR + 0x40), 1 << 17);
    expect_vector(0x91);
    wr(EOI, 0);
    assert_int_equal(seen.eois, 1);
    assert_int_equal(seen.eoi, 0x91);
    fixed(0x91);
    assert_int_equal(rd(TMR + 0x40), 0);
    expect_vector(0x91);
    wr(EOI, 0);
    assert_int_equal(seen.eois, 1);
}

static void ipis_reach_the_one_processor(void **state)
{
    (void)state;
    wr(ICR, SELF | 0x31);
    expect_vector(0x31), wr(EOI, 0);
    wr(ICR, ALL | 0x32);
    expect_vector(0x32), wr(EOI, 0);
    wr(ICR, OTHERS | 0x33);
    assert_false(intr.level);
    wr(ID, 0x03000000);
    wr(ICR_HIGH, 0x03000000), wr(ICR, 0x34); /* physical */
    expect_vector(0x34), wr(EOI, 0);
    wr(ICR_HIGH, 0xff000000), wr(ICR, 0x35); /* broadcast */
    expect_vector(0x35), wr(EOI, 0);
    wr(ICR_HIGH, 0x05000000), wr(ICR, 0x36);
    assert_false(intr.level);
    wr(LDR, 0x40000000), wr(ICR_HIGH, 0x60000000), wr(ICR, 0x837); /* flat */
    expect_vector(0x37), wr(EOI, 0);
    wr(ICR_HIGH, 0x20000000), wr(ICR, 0x838);
    assert_false(intr.level);
    wr(DFR, 0), wr(LDR, 0x24000000), wr(ICR_HIGH, 0x26000000),
        wr(ICR, 0x939); /* cluster 2, lowest priority */
    expect_vector(0x39), wr(EOI, 0);
    wr(ICR_HIGH, 0x36000000), wr(ICR, 0x83a);
    assert_false(intr.level);
    assert_int_equal(rd(ICR), 0x83a); /* sent: idle */
    assert_int_equal(intr.rises, 6);
}

static void nmi_and_the_other_modes(void **state)
{
    (void)state;
    wr(ICR, SELF | 0x400);
    assert_int_equal(nmi.rises, 1);
    assert_false(nmi.level);
    wr(ICR, OTHERS | 0x400);
    assert_int_equal(nmi.rises, 1);
    wr(ICR, SELF | 0x608), wr(ICR, SELF | 0x200); /* start-up, SMI: harmless */
    wr(ICR, OTHERS | 0xc500), wr(ICR, ALL | 0x8500);
    assert_int_equal(rd(SVR), 0x1ff);
    assert_int_equal(init.rises, 0);
    assert_false(intr.level);
    assert_true(message(0, APIC_NMI, 0, false, false));
    assert_int_equal(nmi.rises, 2);
    wr(SVR, 0xff);
    assert_true(message(0, APIC_NMI, 0, false, false)); /* also while switched off by software */
    assert_int_equal(nmi.rises, 3);
}

static void init_resets_all_but_the_id(void **state)
{
    static const struct {
        u32 high, low;
    } ways[] = {{0, SELF | 0x500}, {0, SELF | 0x4500}, {0, ALL | 0xc500}, {0x09000000, 0xc500}};
    (void)state;
    for (unsigned n = 0; n < sizeof ways / sizeof *ways; n++) {
        wr(ID, 0x09000000), wr(SVR, 0x1ff), wr(TPR, 0x30), wr(TIMER, 0xee), wr(INITIAL, 1000);
        wr(ICR, SELF | 0x55);
        assert_true(intr.level);
        wr(ICR_HIGH, ways[n].high), wr(ICR, ways[n].low);
        assert_int_equal(init.rises, n + 1);
        assert_false(init.level);
        assert_false(intr.level);
        assert_int_equal(rd(ID), 0x09000000);
        assert_int_equal(rd(SVR), 0xff);
        assert_int_equal(rd(TPR) | rd(INITIAL) | rd(ICR), 0);
        assert_int_equal(rd(TIMER), MASKED);
    }
    assert_true(message(0, APIC_INIT, 9, false, false));
    assert_int_equal(init.rises, 5);
}

static void errors_are_latched_by_a_write(void **state)
{
    (void)state;
    wr(ERROR, 0xfe);
    wr(ICR, SELF | 0x0f);
    assert_int_equal(rd(ESR), 0);
    expect_vector(0xfe), wr(EOI, 0);
    wr(ICR, SELF | 0x02);
    assert_false(intr.level); /* no news */
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0x20);
    assert_true(message(0x05, APIC_FIXED, 0, false, false));
    expect_vector(0xfe), wr(EOI, 0);
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0x40);
    rd(0x3f0);
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0x80);
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0);
    wr(ERROR, 0x03); /* an illegal vector of its own */
    wr(ICR, SELF);
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0x20);
    power_on(LAPIC_P6);
    wr(SVR, 0x1ff);
    wr(ICR_HIGH, 0x05000000), wr(ICR, 0x50);
    wr(ESR, 0);
    assert_int_equal(rd(ESR), 0x04); /* the 3-wire bus notices that nobody accepted */
}

static void one_shot_timer(void **state)
{
    (void)state;
    wr(TIMER, 0xee);
    wr(INITIAL, 65536);
    assert_int_equal(rd(CURRENT), 65536);
    clock_advance(&clk, 65535);
    assert_int_equal(rd(CURRENT), 1);
    assert_false(intr.level);
    clock_advance(&clk, 1);
    expect_vector(0xee), wr(EOI, 0);
    assert_int_equal(rd(CURRENT), 0);
    clock_advance(&clk, SEC);
    assert_false(intr.level);
    assert_int_equal(clock_next_deadline(&clk), UINT64_MAX);
    wr(INITIAL, 1000);
    clock_advance(&clk, 500);
    wr(INITIAL, 0); /* stops */
    clock_advance(&clk, SEC);
    assert_false(intr.level);
}

static void divisors(void **state)
{
    static const u8 codes[] = {0, 1, 2, 3, 8, 9, 10, 11}, shifts[] = {1, 2, 3, 4, 5, 6, 7, 0};
    (void)state;
    wr(TIMER, 0xee);
    for (unsigned n = 0; n < ARRAY_LEN(codes); n++) {
        wr(DIVIDE, codes[n]);
        wr(INITIAL, 1000);
        clock_advance(&clk, (999ull << shifts[n]) + (1u << shifts[n]) - 1);
        assert_int_equal(rd(CURRENT), 1);
        clock_advance(&clk, 1);
        expect_vector(0xee), wr(EOI, 0);
    }
    wr(DIVIDE, BY_1), wr(INITIAL, 1000);
    clock_advance(&clk, 400);
    wr(DIVIDE, 0); /* the rest at half the speed */
    assert_int_equal(rd(CURRENT), 600);
    clock_advance(&clk, 1199);
    assert_false(intr.level);
    clock_advance(&clk, 1);
    assert_true(intr.level);
    wr(INITIAL, 0xffffffff), wr(DIVIDE, 10); /* the longest: 550 s */
    clock_advance(&clk, 549 * (u64)SEC);
    assert_int_not_equal(rd(CURRENT), 0);
    clock_advance(&clk, SEC);
    assert_int_equal(rd(CURRENT), 0);
}

static void periodic_timer_keeps_its_phase(void **state)
{
    (void)state;
    wr(TIMER, PERIODIC | 0xee);
    wr(INITIAL, MS);
    for (int n = 0; n < 10; n++) {
        clock_advance(&clk, MS - 1);
        assert_false(intr.level);
        clock_advance(&clk, 1);
        expect_vector(0xee), wr(EOI, 0);
    }
    clk.manual_ns += 3 * MS + MS / 4; /* the host was late: the phase stays */
    assert_int_equal(rd(CURRENT), 3 * MS / 4);
    for (int n = 0; n < 3; n++) { /* one at once, two at four times the rate */
        expect_vector(0xee), wr(EOI, 0);
        assert_false(intr.level);
        clock_advance(&clk, MS / 4);
    }
    expect_vector(0xee), wr(EOI, 0); /* and the one that is due now */
    clock_advance(&clk, MS - 1);
    assert_false(intr.level);
    clock_advance(&clk, 1);
    expect_vector(0xee), wr(EOI, 0);
    wr(TIMER, PERIODIC | MASKED | 0xee); /* it counts on unseen */
    clock_advance(&clk, 10 * MS + MS / 2);
    assert_int_equal(rd(CURRENT), MS / 2);
    wr(TIMER, PERIODIC | 0xee);
    assert_false(intr.level);
    clock_advance(&clk, MS / 2);
    expect_vector(0xee);
}

static unsigned ticks_in(u64 ns, u64 step)
{
    unsigned n = 0;
    for (u64 at = 0; at < ns; at += step) {
        clock_advance(&clk, step);
        if (!intr.level) continue;
        lapic_ack(&l), wr(EOI, 0);
        n++;
    }
    return n;
}

/* A guest with interrupts off for a while gets its ticks, at most a second's worth; not those of a masked entry. */
static void missed_ticks_are_made_up_for(void **state)
{
    (void)state;
    wr(TIMER, PERIODIC | 0xee);
    wr(INITIAL, MS);
    clock_advance(&clk, 10 * MS + MS / 2);
    assert_int_equal(ticks_in(10 * MS, 50 * US), 20);
    clk.manual_ns += 100 * (u64)SEC;
    assert_in_range(ticks_in(2 * (u64)SEC, 100 * US), 2998, 3003);
    clock_advance(&clk, 10 * MS);
    wr(TIMER, PERIODIC | MASKED | 0xee), wr(TIMER, PERIODIC | 0xee);
    assert_int_equal(ticks_in(10 * MS, 50 * US), 11); /* one had been accepted */
}

/* One that gets a tenth of a processor, in slices of 3 ms, loses none. */
static void a_starved_guest_keeps_its_ticks(void **state)
{
    unsigned got = 0;
    (void)state;
    wr(TIMER, PERIODIC | 0xee);
    wr(INITIAL, 4 * MS);
    for (unsigned n = 0; n < 300; n++) {
        clk.manual_ns += 27 * (u64)MS;
        got += ticks_in(3 * MS, 50 * US);
    }
    assert_in_range(got, 300 * 30 / 4 - 10, 300 * 30 / 4);
}

static void a_storm_of_ticks_is_thinned(void **state)
{
    (void)state;
    wr(TIMER, PERIODIC | 0xee);
    wr(INITIAL, 1);
    for (int n = 0; n < 1000; n++) {
        clock_advance(&clk, US);
        if (intr.level) lapic_ack(&l), wr(EOI, 0);
    }
    assert_in_range(intr.rises, 50, 101);
}

static void lint0_is_the_8259(void **state)
{
    (void)state;
    wr(LINT0, 0x700);
    lapic_set_lint(&l, 0, true);
    expect_vector(0x08);
    assert_false(intr.level);
    assert_int_equal(rd(ISR), 0); /* no EOI for the APIC */
    fixed(0x40);
    lapic_set_lint(&l, 0, true);
    expect_vector(0x40); /* the APIC's own first */
    expect_vector(0x08); /* ExtINT passes all priorities */
    wr(EOI, 0);
    wr(LINT0, MASKED | 0x700);
    lapic_set_lint(&l, 0, true);
    assert_false(intr.level);
    wr(LINT0, 0x700);
    expect_vector(0x08);
    assert_true(message(0, APIC_EXTINT, 0, false, false)); /* an I/O APIC's pin in ExtINT mode */
    expect_vector(0x08);
    assert_false(intr.level);
}

static void lints_as_interrupts_of_their_own(void **state)
{
    (void)state;
    wr(LINT0, 0x61); /* fixed, edge */
    lapic_set_lint(&l, 0, true);
    expect_vector(0x61), wr(EOI, 0);
    assert_false(intr.level);
    lapic_set_lint(&l, 0, false);
    wr(LINT0, 0x8062); /* fixed, level */
    lapic_set_lint(&l, 0, true);
    assert_int_equal(rd(LINT0), 0xc062); /* remote IRR */
    expect_vector(0x62), wr(EOI, 0);
    expect_vector(0x62); /* still high */
    lapic_set_lint(&l, 0, false);
    wr(EOI, 0);
    assert_false(intr.level);
    assert_int_equal(rd(LINT0), 0x8062);
    wr(LINT0, 0x400); /* a watchdog's NMI */
    lapic_set_lint(&l, 0, true);
    assert_int_equal(nmi.rises, 1);
    wr(LINT1, MASKED | 0x400);
    lapic_set_lint(&l, 1, true);
    assert_int_equal(nmi.rises, 1);
    lapic_set_lint(&l, 1, false);
    wr(LINT1, 0x400);
    lapic_set_lint(&l, 1, true);
    assert_int_equal(nmi.rises, 2);
}

/* 10.5.1, delivery mode: the pin is the core's INIT; the entry is gone with it. */
static void a_lint_can_be_init(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        u32 entry = n ? LINT1 : LINT0;
        lapic_set_lint(&l, n, false);
        wr(ID, 0x05000000), wr(SVR, 0x1ff), wr(TPR, 0x30);
        wr(entry, MASKED | 0x500);
        lapic_set_lint(&l, n, true);
        assert_int_equal(init.rises, n);
        lapic_set_lint(&l, n, false);
        wr(entry, 0x500);
        assert_int_equal(init.rises, n);
        lapic_set_lint(&l, n, true);
        assert_int_equal(init.rises, n + 1);
        assert_false(init.level);
        assert_int_equal(rd(TPR), 0);
        assert_int_equal(rd(ID), 0x05000000);
        assert_int_not_equal(rd(entry) & 0x700, 0x500);
        lapic_set_lint(&l, n, false);
        lapic_set_lint(&l, n, true);
        assert_int_equal(init.rises, n + 1);
    }
    assert_int_equal(nmi.rises, 0);
}

static void switched_off_by_software(void **state)
{
    (void)state;
    fixed(0x44);
    wr(TIMER, 0xee), wr(LINT0, 0x700), wr(INITIAL, 1000);
    wr(SVR, 0xff);
    assert_int_equal(rd(TIMER), MASKED | 0xee);
    assert_int_equal(rd(LINT0), MASKED | 0x700);
    wr(TIMER, 0xee);
    assert_int_equal(rd(TIMER), MASKED | 0xee); /* masks stay */
    assert_false(message(0x45, APIC_FIXED, 0, false, false));
    clock_advance(&clk, SEC);
    expect_vector(0x44); /* what had been accepted is still served */
    wr(EOI, 0);
    assert_false(intr.level);
    unsigned before = seen.accepts;
    wr(SVR, 0x1ff);
    assert_int_equal(seen.accepts, before + 1);
}

static void switched_off_by_the_msr(void **state)
{
    (void)state;
    wr(LINT0, MASKED | 0x700), wr(TPR, 0x20);
    fixed(0x44);
    lapic_set_base(&l, 0xfee00100);
    assert_false(intr.level);
    assert_int_equal(rd(VERSION), 0xffffffff);
    assert_false(message(0x45, APIC_FIXED, 0, false, false));
    lapic_set_lint(&l, 0, true); /* INTR and NMI are the core's */
    expect_vector(0x08);
    lapic_set_lint(&l, 1, true);
    assert_int_equal(nmi.rises, 1);
    lapic_set_base(&l, 0xfee00900);
    assert_int_equal(rd(VERSION), 0x00050014);
    assert_int_equal(rd(SVR), 0xff); /* as after a reset */
    assert_int_equal(rd(TPR) | rd(IRR + 0x20), 0);
}

static void moved_by_the_msr(void **state)
{
    (void)state;
    lapic_set_base(&l, 0x42000900);
    assert_int_equal(bus_mmio_read(bus, 0x42000030, 4), 0x00050014);
    assert_int_equal(rd(VERSION), 0xffffffff);
    lapic_set_base(&l, 0xf42000900ull); /* beyond what ring3's processors reach */
    assert_int_equal(bus_mmio_read(bus, 0x42000030, 4), 0xffffffff);
    lapic_set_base(&l, 0xfee00900);
    assert_int_equal(rd(SVR), 0x1ff); /* registers keep their values */
}

static void imcr_leads_past_it(void **state)
{
    (void)state;
    wr(LINT0, MASKED | 0x700), wr(LINT1, MASKED | 0x400);
    lapic_set_through(&l, 0, false);
    lapic_set_lint(&l, 0, true);
    expect_vector(0x08);
    lapic_set_lint(&l, 1, true);
    assert_int_equal(nmi.rises, 1);
    lapic_set_through(&l, 0, true);
    lapic_set_lint(&l, 0, true);
    assert_false(intr.level);
}

static void narrow_and_odd_accesses(void **state)
{
    (void)state;
    u32 pa = (u32)LAPIC_DEFAULT_PA;
    assert_int_equal(bus_mmio_read(bus, pa + VERSION + 2, 1), 0x05);
    assert_int_equal(bus_mmio_read(bus, pa + VERSION + 4, 4), 0); /* between registers */
    bus_mmio_write(bus, pa + TPR + 4, 0xff, 4);
    assert_int_equal(rd(TPR), 0);
    bus_mmio_write(bus, pa + TPR, 0x30, 1);
    assert_int_equal(rd(TPR), 0x30);
}

/* Whatever is written: no crash, time goes on, and the invariants of the header hold. */
static void random_accesses(void **state)
{
    u64 seed = 1;
    (void)state;
    for (u32 n = 0; n < 200000; n++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        u32 r = (u32)(seed >> 33), v = r * 2654435761u, reg = (r & 0x3f) << 4;
        switch (r >> 6 & 15) {
        case 0: lapic_set_lint(&l, r & 1, v & 1); break;
        case 1: message((u8)v, v >> 8 & 7, v & 64 ? (u8)(v >> 16) : 0, v & 128, v & 256); break;
        case 2: clock_advance(&clk, v & 1 ? v >> 12 : v & 0xff); break;
        case 3: rd(reg); break;
        case 4: lapic_set_base(&l, v & 0xe0 ? 0xfee00900 : 0xfee00100 | (v & 0x800)); break;
        case 5: lapic_set_through(&l, 0, v & 3); break;
        case 6: wr(SVR, 0x1ff); break;
        case 7: wr(DIVIDE, v); break;
        case 8: wr(INITIAL, v & 0xf0 ? v >> 10 : v); break;
        case 9: wr(TIMER, v & 0x300ff); break;
        default: wr(reg, v);
        }
        if (intr.level && v & 6) lapic_ack(&l);
        if (clk.queue) assert_true(clk.queue->deadline_ns >= clk.manual_ns);
        assert_true(!l.counting || (l.initial && l.start_ns <= clk.manual_ns));
    }
    lapic_reset(&l);
    wr(SVR, 0x1ff), wr(ICR, SELF | 0x55);
    expect_vector(0x55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reset_state_is_the_manuals),
        TEST(models_have_their_registers),
        TEST(only_writable_bits_are_written),
        TEST(priorities_nest_by_class),
        TEST(task_priority_holds_back),
        TEST(level_interrupts_tell_their_end),
        TEST(ipis_reach_the_one_processor),
        TEST(nmi_and_the_other_modes),
        TEST(init_resets_all_but_the_id),
        TEST(errors_are_latched_by_a_write),
        TEST(one_shot_timer),
        TEST(divisors),
        TEST(periodic_timer_keeps_its_phase),
        TEST(missed_ticks_are_made_up_for),
        TEST(a_starved_guest_keeps_its_ticks),
        TEST(a_storm_of_ticks_is_thinned),
        TEST(lint0_is_the_8259),
        TEST(lints_as_interrupts_of_their_own),
        TEST(a_lint_can_be_init),
        TEST(switched_off_by_software),
        TEST(switched_off_by_the_msr),
        TEST(moved_by_the_msr),
        TEST(imcr_leads_past_it),
        TEST(narrow_and_odd_accesses),
        TEST(random_accesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
