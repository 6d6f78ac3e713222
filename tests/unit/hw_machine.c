/* hw_machine.c - the board as a whole: wiring, events, reset, and a fuzzer on all its ports. */
#include "hw_bench.h"

#include <stdlib.h>

#include "hw/ioapic.h"
#include "hw/machine.h"
#include "tests/random.h"

static Machine *m;
static Script com1, com2, con;
static struct {
    unsigned intr, reset, poweroff, exits, a20, nmis;
    bool intr_level, a20_level;
    u32 exit_value;
    u64 deadline;
    SpeakerEvent speaker;
} seen;

static void intr(void *c, bool level) { (void)c, seen.intr++, seen.intr_level = level; }
static void reset(void *c) { (void)c, seen.reset++; }
static void poweroff(void *c) { (void)c, seen.poweroff++; }
static void debug_exit(void *c, u32 v) { (void)c, seen.exits++, seen.exit_value = v; }
static void a20(void *c, bool on) { (void)c, seen.a20++, seen.a20_level = on; }
static void deadline(void *c, u64 ns) { (void)c, seen.deadline = ns; }

static void speaker(void *c, const SpeakerEvent *e) { (void)c, seen.speaker = *e; }

static void nmi(void *c) { (void)c, seen.nmis++; }

static const MachineEvents events = {NULL,     intr,    reset, poweroff, debug_exit, a20,
                                     deadline, speaker, nmi,   NULL,     NULL};

/* A floppy whose every sector is zeros. */
static int floppy_read(Medium *d, u64 sector, void *to, u32 count)
{
    assert_true(sector + count <= d->sectors);
    memset(to, 0, count * SECTOR_BYTES);
    return 0;
}
static int floppy_write(Medium *d, u64 sector, const void *from, u32 count)
{
    (void)from;
    assert_true(sector + count <= d->sectors);
    return 0;
}
static int floppy_flush(Medium *d) { return d->readonly; }

/* A disk and a CD for the fuzzer: reads give zeros, writes are lost. */
static int zeros(Medium *medium, u64 sector, void *to, u32 count)
{
    assert_true(sector + count <= medium->sectors);
    memset(to, 0, (size_t)count * SECTOR_BYTES);
    return 0;
}

static int lost(Medium *medium, u64 sector, const void *from, u32 count)
{
    u32 sum = 0;
    assert_true(sector + count <= medium->sectors);
    for (u32 i = 0; i < count * SECTOR_BYTES; i++) sum += ((const u8 *)from)[i]; /* all of it must be there */
    return sum == 0xffffffff;
}

static int flushed(Medium *medium) { return (void)medium, 0; }

static Medium disk = {3000, false, "disk", "raw", zeros, lost, flushed, NULL, NULL},
              cd = {4001, true, "cd", "raw", zeros, lost, flushed, NULL, NULL};

static Machine *board_with(bool firmware, u32 lapic_version)
{
    static Medium floppy = {
        .sectors = 2880, .read = floppy_read, .write = floppy_write, .flush = floppy_flush, .name = "zeros"};
    MachineConfig c = {.ram_bytes = 32 << 20,
                       .serial = {&com1.dev, &com2.dev},
                       .debugcon = &con.dev,
                       .debug_exit = true,
                       .debug_exit_iobase = 0x501,
                       .debug_exit_iosize = 2,
                       .lapic_version = lapic_version,
                       .rtc_base_unix_s = 1795305597,
                       .manual_clock = true,
                       .has_firmware = firmware,
                       .drive = {[DRIVE_FLOPPY_A] = {.present = true, .medium = &floppy},
                                 [DRIVE_IDE_0] = {.present = true, .medium = &disk},
                                 [DRIVE_IDE_2] = {.present = true, .cdrom = true, .medium = &cd}}};
    script_init(&com1, ""), script_init(&com2, ""), script_init(&con, "");
    return machine_new(&c, &events);
}

static Machine *board(bool firmware) { return board_with(firmware, 0); }

static int setup(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    m = board(false);
    if (!m) return -1;
    bus = machine_bus(m);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_free(m);
    return 0;
}

static void advance(u64 ns) { clock_advance(machine_clock(m), ns); }

static void nothing_is_pending_at_power_on(void **state)
{
    (void)state;
    assert_int_equal(seen.intr, 0);
    out(0x20, 0x0a), out(0xa0, 0x0a);
    assert_int_equal(in(0x20), 0);
    assert_int_equal(in(0xa0), 0);
    assert_int_equal(in(0x21) & in(0xa1), 0xff);
    assert_int_equal(seen.reset + seen.a20 + seen.poweroff, 0);
    assert_false(seen.intr_level);
}

static u8 served(void) /* vector of the interrupt that now waits, after its EOI */
{
    assert_true(seen.intr_level);
    u8 v = machine_intr_ack(m);
    if (v >= 0x70) out(0xa0, 0x20);
    out(0x20, 0x20);
    return v;
}

static void each_device_has_its_interrupt(void **state)
{
    (void)state;
    out(0x21, 0xe0), out(0xa1, 0xdc); /* IRQ 0-4, 8, 9, 13 */
    advance(60 * (u64)MS);
    assert_int_equal(served(), 0x08);
    out(0x43, 0x30); /* channel 0 off */
    out(0x60, 0xf4);
    advance(MS);
    assert_int_equal(served(), 0x09);
    out(0x3fc, 0x0b), out(0x3f9, 0x02);
    assert_int_equal(served(), 0x0c);
    out(0x2fc, 0x0b), out(0x2f9, 0x02);
    assert_int_equal(served(), 0x0b);
    out(0x70, 0x0b), out(0x71, 0x12);
    advance(SEC);
    assert_int_equal(served(), 0x70);
    bus_port_out(bus, 0x602, 1, 2);
    advance(3 * (u64)SEC);
    assert_int_equal(served(), 0x71);
    assert_true(seen.intr_level); /* SCI is a level: still there */
    bus_port_out(bus, 0x600, 1, 2);
    assert_false(seen.intr_level);
    machine_ferr(m, true);
    assert_int_equal(served(), 0x75);
    out(0xf0, 0);
    assert_false(seen.intr_level);
}

static void every_way_to_reset(void **state)
{
    (void)state;
    out(0x64, 0xfe);
    assert_int_equal(seen.reset, 1);
    out(0x92, in(0x92) | 1);
    assert_int_equal(seen.reset, 2);
    out(0xcf9, 0x06);
    assert_int_equal(seen.reset, 3);
}

static void a20_has_two_handles(void **state)
{
    (void)state;
    Phys *p = machine_phys(m);
    assert_int_equal(p->a20_mask, ~0u);
    out(0x92, in(0x92) & ~2);
    assert_int_equal(p->a20_mask, ~0x100000u);
    assert_int_equal(seen.a20, 1);
    out(0x64, 0xd1), out(0x60, 0xdf); /* the keyboard controller opens it again */
    assert_int_equal(p->a20_mask, ~0u);
    assert_int_equal(in(0x92) & 2, 2);
    out(0x64, 0xdf);
    assert_int_equal(seen.a20, 2); /* no news */
    out(0x64, 0xdd);
    machine_reset(m);
    assert_int_equal(p->a20_mask, ~0u);
    assert_true(seen.a20_level);
}

static void power_off_and_debug_exit(void **state)
{
    (void)state;
    bus_port_out(bus, 0x604, 0x2000, 2);
    assert_int_equal(seen.poweroff, 1);
    bus_port_out(bus, 0x501, 0x2a, 1);
    assert_int_equal(seen.exits, 1);
    assert_int_equal(seen.exit_value, 0x2a);
}

static void port_61_times_with_channel_2(void **state)
{
    (void)state;
    out(0x61, (u8)((in(0x61) & ~2) | 1)); /* Linux's TSC calibration */
    out(0x43, 0xb0), out(0x42, 0xff), out(0x42, 0xff);
    assert_int_equal(in(0x61) & 0x20, 0);
    advance(54 * MS);
    assert_int_equal(in(0x61) & 0x20, 0);
    advance(MS);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    u8 refresh = in(0x61) & 0x10;
    advance(15100);
    assert_int_equal(in(0x61) & 0x10, refresh ^ 0x10);
}

static void channel_2_and_port_61_are_heard(void **state)
{
    (void)state;
    out(0x43, 0xb6), out2(0x42, 0xa9, 0x04);
    out(0x61, in(0x61) | 3);
    assert_int_equal(seen.speaker.ticks, 1193);
    machine_reset(m);
    assert_int_equal(seen.speaker.ticks | seen.speaker.level, 0);
}

static void unclaimed_ports_read_ones(void **state)
{
    (void)state;
    assert_int_equal(in(0x2e8), 0xff);
    assert_int_equal(bus_port_in(bus, 0x1e8, 2), 0xffff);
    assert_int_equal(bus_port_in(bus, 0xe000, 4), ~0u);
}

static void without_firmware_the_board_is_ready_for_a_kernel(void **state)
{
    (void)state;
    Phys *p = machine_phys(m);
    phys_write(p, 0xf0000, 0x12345678, 4);
    assert_int_equal(phys_read(p, 0xf0000, 4), 0x12345678);
    assert_int_equal(bus_port_in(bus, 0x604, 2) & 1, 1);
    assert_int_equal(in(0x4d1), 0x02);
    out(0x70, 0x34);
    assert_int_equal(in(0x71), 0x00);
    out(0x70, 0x35);
    assert_int_equal(in(0x71), 0x01); /* 16 MiB above 16 MiB, in units of 64 KiB */
    out(0x70, 0x10);
    assert_int_equal(in(0x71), 0x40); /* a 1.44 MB drive */
    out(0x70, 0x14);
    assert_int_equal(in(0x71), 0x07); /* floppy, FPU, mouse */
    machine_set_cmos(m, 0x3d, 0x21);
    out(0x70, 0x3d);
    assert_int_equal(in(0x71), 0x21);
    assert_true(seen.deadline < 60 * (u64)MS);
}

static void with_firmware_chips_are_as_at_reset(void **state)
{
    (void)state;
    machine_free(m);
    m = board(true);
    bus = machine_bus(m);
    assert_int_equal(bus_port_in(bus, 0x604, 2), 0xffff);
    phys_write(machine_phys(m), 0xf0000, 1, 4);
    assert_int_equal(phys_read(machine_phys(m), 0xf0000, 4), 0);
    assert_true(clock_next_deadline(machine_clock(m)) == UINT64_MAX);
}

static void reset_brings_everything_back(void **state)
{
    (void)state;
    out(0x21, 0), out(0x3f9, 0x0f), out(0x3fc, 0x0b);
    advance(100 * MS);
    assert_true(seen.intr_level);
    machine_reset(m);
    assert_false(seen.intr_level);
    memset(&seen, 0, sizeof seen);
    nothing_is_pending_at_power_on(state);
    assert_int_equal(in(0x3f9), 0);
    out(0x70, 0);
    assert_int_equal(in(0x71), 0x57); /* time goes on */
}

static void two_machines_live_side_by_side(void **state)
{
    (void)state;
    Machine *other = board(false);
    bus_port_out(machine_bus(other), 0x3ff, 0x77, 1);
    out(0x3ff, 0x11);
    assert_int_equal(bus_port_in(machine_bus(other), 0x3ff, 1), 0x77);
    machine_free(other);
}

/* --- the fuzzer ------------------------------------------------------------------------------------------ */

/* Mostly ports where somebody lives. */
static u16 some_port(void)
{
    static const u16 home[] = {0x1ce, 0x3c0, 0x3d4, 0x00,  0x20,  0x40,  0x60,  0x70,  0x80,  0x92,   0xa0,
                               0xb2,  0xc0,  0xe9,  0xf0,  0x3f0, 0x3f2, 0x378, 0x2f8, 0x3f8, 0x4d0,  0x501,
                               0x600, 0x604, 0xcf8, 0xcfc, 0x1f0, 0x170, 0x3f6, 0x1f0, 0x170, 0xc000, 0xc008};
    u32 r = rnd();
    return r % 8 ? (u16)(home[r / 8 % ARRAY_LEN(home)] + (rnd() % 8)) : (u16)rnd();
}

static void random_port_accesses_do_no_harm(void **state)
{
    (void)state;
    const char *count = getenv("FUZZ_PORTS"), *from = getenv("FUZZ_SEED");
    u32 n = count ? (u32)strtoul(count, NULL, 0) : 300000;
    seed = from ? strtoull(from, NULL, 0) : 1;
    for (u32 i = 0; i < n; i++) {
        unsigned bytes = 1u << rnd() % 3;
        if (rnd() & 1)
            bus_port_out(bus, some_port(), rnd(), bytes);
        else
            bus_port_in(bus, some_port(), bytes);
        if (rnd() % 16 == 0) advance(rnd() % 200000);
        if (rnd() % 64 == 0) com1.input = "input for the first port", com2.input = "and the second";
        if (rnd() % 32 == 0) machine_service(m);
        if (rnd() % 4 == 0 && seen.intr_level) machine_intr_ack(m);
        if (rnd() % 4096 == 0) machine_clock(m)->manual_ns += rnd(), machine_service(m); /* a late host */
        if (rnd() % 65536 == 0) machine_reset(m);
        if (rnd() % 1024 == 0) machine_ferr(m, rnd() & 1);
        if (rnd() % 32 == 0) machine_key(m, (u8)rnd(), rnd() & 1);
        if (rnd() % 32 == 0) machine_mouse(m, (int)rnd(), (int)rnd(), (int)rnd(), (u8)rnd());
    }
    machine_reset(m);
    assert_int_equal(in(0x3fd) & 0x60, 0x60);
}

static void every_port_in_every_size(void **state)
{
    (void)state;
    for (unsigned bytes = 1; bytes <= 4; bytes *= 2)
        for (u32 port = 0; port < 0x10000; port++) {
            bus_port_in(bus, (u16)port, bytes);
            bus_port_out(bus, (u16)port, port & 1 ? ~0u : 0, bytes);
            bus_port_in(bus, (u16)port, bytes);
        }
}

#undef TEST
#define TEST(f)      cmocka_unit_test_setup_teardown(f, setup, teardown)
#define APIC_TEST(f) cmocka_unit_test_setup_teardown(f, setup_apic, teardown)

/* --- a processor with a local APIC ----------------------------------------------------------------------- */

static int setup_apic(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    m = board_with(false, LAPIC_P6);
    if (!m) return -1;
    bus = machine_bus(m);
    return 0;
}

static u32 lapic(u32 reg) { return phys_read(machine_phys(m), (u32)LAPIC_DEFAULT_PA + reg, 4); }
static void lapic_put(u32 reg, u32 v) { phys_write(machine_phys(m), (u32)LAPIC_DEFAULT_PA + reg, v, 4); }

static void ioapic_put(u32 reg, u32 v)
{
    phys_write(machine_phys(m), (u32)IOAPIC_PA, reg, 4);
    phys_write(machine_phys(m), (u32)IOAPIC_PA + 0x10, v, 4);
}

static void the_8259_arrives_over_the_virtual_wire(void **state)
{
    (void)state;
    out(0x21, 0xfe);
    advance(60 * (u64)MS);
    assert_int_equal(served(), 0x08);
    lapic_put(0x350, 0x10700); /* LINT0 masked */
    advance(60 * (u64)MS);
    assert_false(seen.intr_level);
    out(0x22, 0x70), out(0x23, 0); /* PIC mode */
    assert_int_equal(served(), 0x08);
    out(0x23, 1);
    advance(60 * (u64)MS);
    assert_false(seen.intr_level);
    machine_set_apic_base(m, 0xfee00100); /* off */
    assert_int_equal(lapic(0x30), 0xffffffff);
    assert_int_equal(served(), 0x08);
    machine_reset(m);
    assert_int_equal(lapic(0x30), LAPIC_P6);
    assert_int_equal(lapic(0x350), 0x700);
}

static void isa_interrupts_arrive_at_the_io_apic(void **state)
{
    (void)state;
    lapic_put(0xf0, 0x1ff);
    ioapic_put(0x10 + 2 * 2, 0x30), ioapic_put(0x10 + 2 * 1, 0x31);
    advance(60 * (u64)MS);
    assert_true(seen.intr_level);
    assert_int_equal(machine_intr_ack(m), 0x30); /* IRQ0 at pin 2 */
    lapic_put(0xb0, 0);
    out(0x43, 0x30);
    out(0x60, 0xf4);
    advance(MS);
    assert_true(seen.intr_level);
    assert_int_equal(machine_intr_ack(m), 0x31);
    lapic_put(0xb0, 0);
    ioapic_put(0x10 + 2 * 9, 0x8039); /* SCI, a level */
    bus_port_out(bus, 0x602, 1, 2);
    advance(3 * (u64)SEC);
    for (int n = 0; n < 3; n++) {
        assert_true(seen.intr_level);
        assert_int_equal(machine_intr_ack(m), 0x39);
        if (n == 2) bus_port_out(bus, 0x600, 1, 2);
        lapic_put(0xb0, 0);
    }
    assert_false(seen.intr_level);
}

/* A guest that is away for three ticks gets them all, over the I/O APIC too. */
static void late_ticks_are_kept(void **state)
{
    (void)state;
    unsigned ticks = 0;
    lapic_put(0xf0, 0x1ff);
    out(0x43, 0x34), out2(0x40, 0xa9, 0x04); /* 1 kHz */
    ioapic_put(0x10 + 2 * 2, 0x30);
    advance(5500 * (u64)US);
    for (int n = 0; n < 4500; n++, advance(US))
        if (seen.intr_level) {
            assert_int_equal(machine_intr_ack(m), 0x30);
            lapic_put(0xb0, 0);
            ticks++;
        }
    assert_in_range(ticks, 9, 10);
}

static void nmi_goes_by_lint1(void **state)
{
    (void)state;
    machine_nmi(m);
    assert_int_equal(seen.nmis, 1); /* as firmware left it */
    lapic_put(0x360, 0x10400);
    machine_nmi(m);
    assert_int_equal(seen.nmis, 1);
    lapic_put(0x360, 0x400);
    out(0x70, 0x8f);
    machine_nmi(m);
    assert_int_equal(seen.nmis, 1);
    out(0x70, 0x0f);
    out(0x22, 0x70), out(0x23, 0);
    lapic_put(0x360, 0x10400);
    machine_nmi(m);
    assert_int_equal(seen.nmis, 2);
}

static void without_apics_nobody_is_there(void **state)
{
    (void)state;
    assert_int_equal(lapic(0x30), 0xffffffff);
    ioapic_put(1, 0);
    assert_int_equal(phys_read(machine_phys(m), (u32)IOAPIC_PA + 0x10, 4), 0xffffffff);
    out(0x22, 0x70);
    assert_int_equal(in(0x23), 0xff);
    assert_null(machine_lapic(m));
    machine_set_apic_base(m, 0xfee00900);
    machine_nmi(m);
    assert_int_equal(seen.nmis, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_pending_at_power_on),
        TEST(each_device_has_its_interrupt),
        TEST(every_way_to_reset),
        TEST(a20_has_two_handles),
        TEST(power_off_and_debug_exit),
        TEST(port_61_times_with_channel_2),
        TEST(channel_2_and_port_61_are_heard),
        TEST(unclaimed_ports_read_ones),
        TEST(without_firmware_the_board_is_ready_for_a_kernel),
        TEST(with_firmware_chips_are_as_at_reset),
        TEST(reset_brings_everything_back),
        TEST(two_machines_live_side_by_side),
        TEST(random_port_accesses_do_no_harm),
        TEST(every_port_in_every_size),
        APIC_TEST(the_8259_arrives_over_the_virtual_wire),
        APIC_TEST(isa_interrupts_arrive_at_the_io_apic),
        APIC_TEST(late_ticks_are_kept),
        APIC_TEST(nmi_goes_by_lint1),
        TEST(without_apics_nobody_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
