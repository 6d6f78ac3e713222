/* hw_balloon.c - the memory balloon by virtio 0.9.5's sequences, as a driver goes through them: probing, pages given and what
 * the host has back, pages taken back, statistics, reports of free memory, long buffers in slices and the device saved and
 * loaded in their midst; and drivers that lie: endless chains, rings and buffers anywhere, pages that are no RAM.
 */
#include "hw_bench.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "hw/balloon.h"
#include "tests/random.h"

enum { MIB = 1 << 20, RAM = 16 * MIB, IO = 0xc100, ROM_PA = 0xe0000 };
enum { INFLATE, DEFLATE, STATS, REPORT, QUEUES };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };
/* Memory that the driver uses; what it gives lies above. */
enum { RINGS = 0x10000, RING_BYTES = 0x2000, LISTS = 0x20000, GIVEN = 4 * MIB };

static Pci pci;
static Wire intx;
static Parts parts;
static Phys *phys;
static Balloon card;

/* --- bench ----------------------------------------------------------------------------------------------- */

static u32 config(u32 reg, unsigned bytes)
{
    bus_port_out(bus, 0xcf8, 0x80001800 | (reg & 0xfc), 4);
    return bus_port_in(bus, (u16)(0xcfc + (reg & 3)), bytes);
}

static void config_set(u32 reg, u32 v, unsigned bytes)
{
    bus_port_out(bus, 0xcf8, 0x80001800 | (reg & 0xfc), 4);
    bus_port_out(bus, (u16)(0xcfc + (reg & 3)), v, bytes);
}

static u32 in4(u32 reg) { return bus_port_in(bus, (u16)(IO + reg), 4); }
static u16 in2(u32 reg) { return (u16)bus_port_in(bus, (u16)(IO + reg), 2); }
static u8 in1(u32 reg) { return in((u16)(IO + reg)); }
static void out4(u32 reg, u32 v) { bus_port_out(bus, (u16)(IO + reg), v, 4); }
static void out_2(u32 reg, u16 v) { bus_port_out(bus, (u16)(IO + reg), v, 2); }
static void out1(u32 reg, u8 v) { out((u16)(IO + reg), v); }

static int setup(void **state)
{
    static u8 rom[0x1000];
    const BalloonConfig c = {.present = true, .deflate_on_oom = true, .reports_free = true};
    (void)state;
    bench_up();
    phys = phys_new(bus, RAM);
    memset(rom, 0x5a, sizeof rom);
    phys_add_rom(phys, ROM_PA, rom, sizeof rom);
    memset(&intx, 0, sizeof intx);
    pci_init(&pci, bus);
    parts = (Parts){0};
    part_add(&parts, &clock_part, "clock", &clk);
    balloon_init(&card, &c, &(VirtioSlot){&pci, 3, bus, phys, wire_line(&intx)}, &clk, RAM);
    part_add(&parts, &balloon_part, "balloon", &card);
    config_set(PCI_BAR0, IO, 4);
    config_set(PCI_COMMAND, 5, 2);
    return 0;
}

static int teardown(void **state)
{
    phys_free(phys);
    return bench_down(state);
}

#define BALLOON_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- a driver -------------------------------------------------------------------------------------------- */

static u16 offered[QUEUES], taken[QUEUES]; /* buffers */

static u32 ring(unsigned queue) { return RINGS + queue * RING_BYTES; }
static void poke(u32 pa, const void *from, u32 bytes) { phys_dma_write(phys, pa, from, bytes); }
static void poke16(u32 pa, u16 v) { poke(pa, &v, 2); }
static void poke32(u32 pa, u32 v) { poke(pa, &v, 4); }
static u16 peek16(u32 pa) { return (u16)phys_read(phys, pa, 2); }
static u32 peek32(u32 pa) { return phys_read(phys, pa, 4); }

static void driver_begins(u32 features)
{
    memset(offered, 0, sizeof offered), memset(taken, 0, sizeof taken);
    out1(18, 0), out1(18, 1), out1(18, 3);
    out4(4, features);
    for (u16 n = 0; n < QUEUES; n++) {
        u8 zeros[RING_BYTES] = {0};
        poke(ring(n), zeros, sizeof zeros);
        out_2(14, n);
        assert_int_equal(in2(12), 128);
        assert_int_equal(in4(8), 0);
        out4(8, ring(n) >> 12);
    }
    out1(18, 7);
}

static void describe(unsigned queue, u16 n, u64 pa, u32 bytes, u16 flags, u16 next)
{
    u32 at = ring(queue) + 16u * n;
    poke(at, &pa, 8), poke32(at + 8, bytes), poke16(at + 12, flags), poke16(at + 14, next);
}

static void offer(unsigned queue, u16 head)
{
    poke16(ring(queue) + 2048 + 4 + 2 * (offered[queue] % 128), head);
    poke16(ring(queue) + 2048 + 2, ++offered[queue]);
}

static void kick(unsigned queue) { out_2(16, (u16)queue); }

static u16 used(unsigned queue) { return peek16(ring(queue) + 4096 + 2); }

/* The next buffer has come back, and is this one. */
static void comes_back(unsigned queue, u32 head)
{
    assert_int_equal(used(queue), (u16)(taken[queue] + 1));
    assert_int_equal(peek32(ring(queue) + 4096 + 4 + 8 * (taken[queue]++ % 128)), head);
}

static void isr_is(u8 v)
{
    assert_int_equal(intx.level, v != 0);
    assert_int_equal(in1(19), v);
    assert_false(intx.level);
    assert_int_equal(in1(19), 0);
}

/* A list of page numbers at LISTS, offered as one buffer. */
static void give(const u32 *pfns, u32 count)
{
    poke(LISTS, pfns, 4 * count);
    describe(INFLATE, 0, LISTS, 4 * count, 0, 0);
    offer(INFLATE, 0);
    kick(INFLATE);
}

static void fill(u32 pa, u32 bytes)
{
    for (u32 at = 0; at < bytes; at += 4) poke32(pa + at, 0xa5000000 + pa + at);
}

static bool is_filled(u32 pa)
{
    return peek32(pa) == 0xa5000000 + pa && peek32(pa + 4092) == 0xa5000000 + pa + 4092;
}
static bool is_zero(u32 pa)
{
    for (u32 at = 0; at < PAGE_BYTES; at += 4)
        if (peek32(pa + at)) return false;
    return true;
}

static u64 host_pages(void) /* that the guest's memory costs */
{
    struct stat s;
    assert_int_equal(fstat(phys->memfd, &s), 0);
    return (u64)s.st_blocks * 512 >> PAGE_BITS;
}

/* --- probing --------------------------------------------------------------------------------------------- */

static void drivers_find_it(void **state)
{
    (void)state;
    assert_int_equal(config(0, 4), 0x10021af4);
    assert_int_equal(config(8, 4), 0x00ff0000);
    assert_int_equal(config(PCI_SUBSYSTEM_VENDOR, 4), 0x00051af4);
    assert_int_equal(config(PCI_INTERRUPT_PIN, 1), 1);
    config_set(PCI_BAR0, ~0u, 4);
    assert_int_equal(config(PCI_BAR0, 4), 0xffffffc1);
    config_set(PCI_BAR0, IO, 4);
    assert_int_equal(in4(0), 0x36); /* STATS_VQ, DEFLATE_ON_OOM, PAGE_POISON, REPORTING */
    out4(4, ~0u);
    assert_int_equal(in4(4), 0x36);
    for (u16 n = 0; n < 6; n++) {
        out_2(14, n);
        assert_int_equal(in2(14), n);
        assert_int_equal(in2(12), n < QUEUES ? 128 : 0);
        out4(8, 0x10 + n);
        assert_int_equal(in4(8), n < QUEUES ? 0x10 + n : 0);
    }
    out1(18, 0); /* a reset takes all that away */
    assert_int_equal(in4(4), 0);
    assert_int_equal(in2(14), 0);
    assert_int_equal(in4(8), 0);
    assert_null(clk.queue);
}

static void it_offers_what_was_asked_for(void **state)
{
    const BalloonConfig plain = {.present = true};
    Balloon other;
    (void)state;
    balloon_init(&other, &plain, &(VirtioSlot){&pci, 4, bus, phys, wire_line(&intx)}, &clk, RAM);
    assert_int_equal(other.virtio.host_features, 2);
}

static void the_host_asks(void **state)
{
    (void)state;
    balloon_ask(&card, 12 * MIB);
    assert_int_equal(in4(20), 4 * MIB / 4096);
    isr_is(0); /* there is no driver yet */
    driver_begins(0x36);
    balloon_ask(&card, 10 * MIB);
    assert_int_equal(in4(20), 6 * MIB / 4096);
    isr_is(2);
    balloon_ask(&card, 100 * MIB);
    assert_int_equal(in4(20), 0);
    isr_is(2);
    for (u32 n = 0; n < 4; n++) out1(24 + n, (u8)(0x00000600 >> 8 * n)); /* a byte at a time, as Linux does */
    assert_int_equal(in4(24), 0x600);
    out4(20, 77); /* what is read only */
    assert_int_equal(in4(20), 0);
    balloon_ask(&card, 12 * MIB);
    out1(18, 0);
    assert_int_equal(in4(24), 0);
    assert_int_equal(in4(20), 4 * MIB / 4096);
    assert_false(intx.level);
}

/* --- pages ----------------------------------------------------------------------------------------------- */

static void pages_go_to_the_host(void **state)
{
    u32 pfns[256];
    (void)state;
    driver_begins(2);
    fill(GIVEN, 2 * MIB);
    for (u32 n = 0; n < 256; n++) pfns[n] = (GIVEN >> 12) + (n < 100 ? n : n < 200 ? 299 - n : 2 * n - 200);
    u64 before = host_pages();
    give(pfns, 256);
    comes_back(INFLATE, 0); /* all of it at once */
    assert_null(clk.queue);
    isr_is(1);
    assert_int_equal(before - host_pages(), 255); /* the list's own page came with it */
    for (u32 n = 0; n < 512; n++) {
        u32 pa = GIVEN + 4096 * n;
        bool given = n < 200 || (n < 311 && !(n & 1));
        assert_true(given ? is_zero(pa) : is_filled(pa));
    }
    fill(GIVEN, 4096); /* taken back */
    describe(DEFLATE, 5, LISTS, 1024, 0, 0);
    offer(DEFLATE, 5), kick(DEFLATE);
    comes_back(DEFLATE, 5);
    isr_is(1);
    assert_true(is_filled(GIVEN));
}

static void the_guest_may_have_no_interrupts(void **state)
{
    (void)state;
    driver_begins(2);
    poke16(ring(INFLATE) + 2048, 1);
    give((u32[]){GIVEN >> 12}, 1);
    comes_back(INFLATE, 0);
    isr_is(0);
}

static void who_lies_gets_zeros_or_his_own(void **state)
{
    const u32 pfns[] = {ROM_PA >> 12, 0xa0,    0xb8,       RAM >> 12,      (RAM >> 12) - 1,
                        0xfffff,      1 << 20, 0xffffffff, 0x80000000 + 4, GIVEN >> 12,
                        GIVEN >> 12,  0xfec00, 0xfffff,    1 << 20,        0xfffffffe};
    (void)state;
    driver_begins(2);
    fill(RAM - 8192, 8192), fill(GIVEN, 8192), fill(0x90000, 0x10000);
    give(pfns, ARRAY_LEN(pfns));
    comes_back(INFLATE, 0);
    assert_true(is_zero(RAM - 4096) && is_filled(RAM - 8192));
    assert_true(is_zero(GIVEN) && is_filled(GIVEN + 4096));
    assert_true(is_filled(0x9f000));
    assert_int_equal(peek32(ROM_PA), 0x5a5a5a5a);
    phys_set_a20(phys, false); /* the odd MiBs are the even ones' other names */
    fill(GIVEN, 4096);
    give((u32[]){(GIVEN + MIB) >> 12}, 1);
    comes_back(INFLATE, 0);
    assert_true(is_filled(GIVEN));
    phys_set_a20(phys, true);
}

static struct {
    u32 count, pa, bytes;
    u8 watch;
} heard;

static void hear(void *ctx, u32 pa, u32 bytes, u8 watch)
{
    (void)ctx;
    heard.count++;
    heard.pa = pa, heard.bytes = bytes, heard.watch = watch;
}

static void watchers_hear_of_it(void **state)
{
    (void)state;
    driver_begins(2);
    fill(GIVEN, 4 * 4096);
    phys->on_written = hear;
    memset(&heard, 0, sizeof heard);
    phys->watch[(GIVEN >> 12) + 2] = WATCH_CODE | WATCH_PT;
    give((u32[]){GIVEN >> 12, (GIVEN >> 12) + 1, (GIVEN >> 12) + 2, (GIVEN >> 12) + 3}, 4);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.pa, GIVEN + 2 * 4096);
    assert_int_equal(heard.bytes, 4096);
    assert_int_equal(heard.watch, WATCH_CODE | WATCH_PT);
    phys->on_written = NULL;
}

/* A page number may lie in three pieces, and buffers for the device to write mean nothing. */
static void pieces_of_any_size(void **state)
{
    static const u32 cuts[] = {1, 2, 0, 6, 3, 8};
    u32 pfns[5], at = LISTS;
    (void)state;
    driver_begins(2);
    fill(GIVEN, 8 * 4096);
    for (u32 n = 0; n < 5; n++) pfns[n] = (GIVEN >> 12) + n;
    poke(LISTS, pfns, sizeof pfns);
    for (u16 n = 0; n < ARRAY_LEN(cuts); at += cuts[n++])
        describe(INFLATE, (u16)(7 * n), at, cuts[n], NEXT, (u16)(7 * n + 7));
    describe(INFLATE, 42, GIVEN, ~0u - GIVEN, WRITE | NEXT, 43);
    describe(INFLATE, 43, LISTS, 0, 0, 0);
    offer(INFLATE, 0), kick(INFLATE);
    comes_back(INFLATE, 0);
    for (u32 n = 0; n < 5; n++) assert_true(is_zero(GIVEN + 4096 * n));
    assert_true(is_filled(GIVEN + 5 * 4096));
}

/* --- long buffers ---------------------------------------------------------------------------------------- */

enum { LONG_PAGES = 2000 };
static void give_long(void)
{
    fill(GIVEN, (LONG_PAGES + 1) * 4096);
    for (u32 n = 0; n < LONG_PAGES; n++)
        poke32(LISTS + 4 * n, (GIVEN >> 12) + (LONG_PAGES - 1 - n) / 2 * 2 + (n & 1));
    describe(INFLATE, 0, LISTS, 4 * LONG_PAGES - 2, NEXT, 9); /* the last is in two pieces */
    describe(INFLATE, 9, LISTS + 4 * LONG_PAGES - 2, 2, 0, 0);
    offer(INFLATE, 0), kick(INFLATE);
}

static u32 zeros_in(u32 pages)
{
    u32 count = 0;
    for (u32 n = 0; n < pages; n++) count += is_zero(GIVEN + 4096 * n);
    return count;
}

static void long_buffers_take_time(void **state)
{
    (void)state;
    driver_begins(2);
    give_long();
    for (u32 done = 256; done < LONG_PAGES; done += 256) {
        assert_int_equal(zeros_in(LONG_PAGES), done);
        assert_int_equal(used(INFLATE), 0);
        kick(INFLATE); /* does not hurry it */
        assert_int_equal(zeros_in(LONG_PAGES), done);
        clock_advance(&clk, 100 * US);
    }
    comes_back(INFLATE, 0);
    isr_is(1);
    assert_int_equal(zeros_in(LONG_PAGES), LONG_PAGES);
    assert_true(is_filled(GIVEN + LONG_PAGES * 4096));
    assert_null(clk.queue);
}

static void it_is_loaded_in_mid_buffer(void **state)
{
    char problem[STATE_PROBLEM] = "";
    StateBytes b = {0}, again = {0};
    (void)state;
    driver_begins(2);
    balloon_ask(&card, 9 * MIB);
    out4(24, 5);
    give_long();
    clock_advance(&clk, 250 * US);
    u32 done = zeros_in(LONG_PAGES);
    assert_int_equal(done, 3 * 256);
    assert_true(parts_save(&parts, &b, problem));
    clock_advance(&clk, 300 * US);
    out1(18, 0);
    assert_false(intx.level);
    fill(GIVEN, (LONG_PAGES + 1) * 4096);
    assert_true(parts_load(&parts, b.at, b.count, problem));
    assert_true(parts_save(&parts, &again, problem));
    assert_int_equal(again.count, b.count);
    assert_memory_equal(again.at, b.at, b.count);
    clock_advance(&clk, 10 * MS);
    comes_back(INFLATE, 0);
    assert_int_equal(zeros_in(LONG_PAGES), LONG_PAGES - done); /* what was left then */
    assert_int_equal(in4(24), 5);
    assert_int_equal(in4(20), 7 * MIB / 4096);
    isr_is(3);
    state_bytes_free(&b), state_bytes_free(&again);
}

static void impossible_states_are_refused(void **state)
{
    char problem[STATE_PROBLEM] = "";
    StateBytes b = {0};
    (void)state;
    driver_begins(2);
    card.virtio.queue[INFLATE].open = true;
    card.virtio.queue[INFLATE].at = 128;
    assert_true(parts_save(&parts, &b, problem));
    assert_false(parts_load(&parts, b.at, b.count, problem));
    assert_non_null(strstr(problem, "at"));
    state_bytes_free(&b);
}

/* A reset by the driver ends it. */
static void a_reset_ends_a_long_buffer(void **state)
{
    (void)state;
    driver_begins(2);
    give_long();
    out1(18, 0);
    assert_null(clk.queue);
    clock_advance(&clk, SEC);
    assert_int_equal(zeros_in(LONG_PAGES), 256);
    assert_int_equal(used(INFLATE), 0);
}

/* --- statistics ------------------------------------------------------------------------------------------ */

static void tell(u16 tag, u64 value, u32 n)
{
    poke16(LISTS + 10 * n, tag);
    poke(LISTS + 10 * n + 2, &value, 8);
}

static void it_asks_for_statistics(void **state)
{
    (void)state;
    driver_begins(2);
    tell(BALLOON_FREE, 5 * MIB, 0), tell(BALLOON_TOTAL, 15 * MIB, 1), tell(99, 1, 2);
    describe(STATS, 3, LISTS, 30, 0, 0);
    clock_advance(&clk, SEC);
    offer(STATS, 3), kick(STATS);
    assert_int_equal(card.stats_told, 1 << BALLOON_FREE | 1 << BALLOON_TOTAL);
    assert_int_equal(card.stats[BALLOON_FREE], 5 * MIB);
    assert_int_equal(card.stats_ns, SEC);
    assert_int_equal(used(STATS), 0); /* it keeps it */
    isr_is(0);
    balloon_ask_stats(&card);
    comes_back(STATS, 3);
    isr_is(1);
    balloon_ask_stats(&card); /* nothing to give back */
    isr_is(0);
    tell(BALLOON_FREE, 6 * MIB, 0);
    offer(STATS, 3), kick(STATS);
    assert_int_equal(card.stats[BALLOON_FREE], 6 * MIB);
    describe(STATS, 3, LISTS, ~0u - LISTS, 0, 0); /* one is still there; this is long, and cut */
    offer(STATS, 3), kick(STATS);
    comes_back(STATS, 3);
    assert_int_equal(card.stats[BALLOON_FREE], 6 * MIB);
}

/* --- free memory ----------------------------------------------------------------------------------------- */

static void free_memory_is_reported(void **state)
{
    (void)state;
    driver_begins(0x32);
    fill(GIVEN, 10 * MIB);
    u64 before = host_pages();
    describe(REPORT, 0, GIVEN, 2 * MIB, WRITE | NEXT, 1);
    describe(REPORT, 1, GIVEN + 4 * MIB + 100, 4 * MIB, WRITE | NEXT, 2);
    describe(REPORT, 2, GIVEN + 9 * MIB, MIB, 0, 0); /* not the device's */
    offer(REPORT, 0), kick(REPORT);
    assert_int_equal(used(REPORT), 0);
    clock_advance(&clk, MS);
    comes_back(REPORT, 0);
    isr_is(1);
    assert_int_equal(before - host_pages(), 512 + 1023); /* whole pages */
    for (u32 pa = GIVEN; pa < GIVEN + 10 * MIB; pa += 4096) {
        u32 at = pa - GIVEN;
        assert_true(at < 2 * MIB || (at > 4 * MIB && at < 8 * MIB) ? is_zero(pa) : is_filled(pa));
    }
    fill(GIVEN, 2 * MIB);
    out4(32, 0xaaaaaaaa); /* what fills them is not zeros */
    describe(REPORT, 0, GIVEN, 2 * MIB, WRITE, 0);
    offer(REPORT, 0), kick(REPORT);
    comes_back(REPORT, 0);
    assert_true(is_filled(GIVEN));
}

/* All of the address space as one free piece: in slices, and what is no RAM stays. */
static void endless_reports_are_bounded(void **state)
{
    (void)state;
    driver_begins(0x22);
    describe(REPORT, 0, MIB, ~0u - MIB, WRITE, 0);
    offer(REPORT, 0), kick(REPORT);
    u32 slices = 0;
    for (; clk.queue && slices < 2000; slices++) clock_advance(&clk, 100 * US);
    assert_in_range(slices, 1000, 1100); /* 4 MiB each */
    comes_back(REPORT, 0);
    assert_int_equal(peek32(ROM_PA), 0x5a5a5a5a);
}

/* --- drivers that break rules ---------------------------------------------------------------------------- */

static void is_broken(void)
{
    assert_true(card.virtio.broken);
    assert_int_equal(used(INFLATE), 0);
    assert_null(clk.queue);
    fill(GIVEN, 4096);
    give((u32[]){GIVEN >> 12}, 1);
    balloon_ask(&card, 12 * MIB);
    assert_true(is_filled(GIVEN));
    isr_is(0);
    driver_begins(2);
    give((u32[]){GIVEN >> 12}, 1);
    assert_true(is_zero(GIVEN));
    comes_back(INFLATE, 0);
    isr_is(1);
}

static void chains_that_lead_nowhere(void **state)
{
    (void)state;
    driver_begins(2);
    describe(INFLATE, 0, LISTS, 4, NEXT, 1), describe(INFLATE, 1, LISTS, 4, NEXT, 0); /* a loop */
    offer(INFLATE, 0), kick(INFLATE);
    is_broken();
    driver_begins(2);
    describe(INFLATE, 0, LISTS, 0, NEXT, 0); /* of nothing */
    offer(INFLATE, 0), kick(INFLATE);
    is_broken();
    driver_begins(2);
    describe(INFLATE, 0, LISTS, 4, NEXT, 128);
    offer(INFLATE, 0), kick(INFLATE);
    is_broken();
    driver_begins(2);
    describe(INFLATE, 0, LISTS, 4, INDIRECT, 0);
    offer(INFLATE, 0), kick(INFLATE);
    is_broken();
    driver_begins(2);
    offer(INFLATE, 128), kick(INFLATE);
    is_broken();
}

static void addresses_that_lead_nowhere(void **state)
{
    static const u64 places[] = {1ull << 32, 0xfffffffc, 0xfffffffffffffffc};
    static const u32 rings[] = {0xa0,    ROM_PA >> 12, RAM >> 12, 0xffffd,   0xffffe,
                                0xfffff, 1 << 20,      ~0u,       0x80000010};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(places); n++) {
        driver_begins(2);
        describe(INFLATE, 0, places[n], 8, 0, 0);
        offer(INFLATE, 0), kick(INFLATE);
        is_broken();
    }
    driver_begins(2);
    poke16(ring(INFLATE) + 2048 + 2, 129); /* more than there can be */
    kick(INFLATE);
    is_broken();
    for (unsigned n = 0; n < ARRAY_LEN(rings); n++) {
        driver_begins(2);
        out_2(14, INFLATE), out4(8, rings[n]), kick(INFLATE);
        clock_advance(&clk, MS);
        assert_null(clk.queue);
    }
    driver_begins(2);
    kick(77), out_2(14, 77), out4(8, 1);
    assert_false(card.virtio.broken);
}

/* Rings, chains and lists of dice, anywhere: nothing is asserted but that it ends, and that a reset leaves a device that
 * works. By hand: FUZZ_STEPS=1000000 FUZZ_SEED=n. */
static void a_hostile_driver_does_no_harm(void **state)
{
    u32 steps = random_steps(20000);
    (void)state;
    for (u32 n = 0; n < steps; n++) {
        if (n % 64 == 0) driver_begins(0x36);
        unsigned queue = rnd() % QUEUES;
        u16 first = (u16)(rnd() % 128);
        for (u32 k = rnd() % 8; k; k--)
            describe(queue, (u16)((first + k - 1) % 128), rnd() % 8 ? rnd() % RAM : rnd(),
                     rnd() % 4 ? rnd() % 3000 : rnd(), (u16)(rnd() % 16 ? rnd() % 4 : rnd()),
                     (u16)(rnd() % 16 ? (first + k) % 128 : rnd()));
        for (u32 k = rnd() % 300; k; k--) poke32(LISTS + 4 * k, rnd() % 4 ? rnd() % (RAM >> 12) : rnd());
        if (rnd() & 1)
            describe(queue, first, LISTS, rnd() % 1300, (u16)(rnd() & 3), (u16)((first + 1) % 128));
        offer(queue, first);
        if (rnd() % 64 == 0) poke16(ring(queue) + 2048 + 2, (u16)rnd());
        if (rnd() % 256 == 0) out_2(14, (u16)(rnd() % 5)), out4(8, rnd() & 1 ? rnd() % (RAM >> 12) : rnd());
        kick(queue);
        if (rnd() % 4 == 0) clock_advance(&clk, rnd() % MS);
        if (rnd() % 32 == 0) balloon_ask(&card, rnd()), balloon_ask_stats(&card);
        in1(19);
    }
    fill(GIVEN, 4096);
    driver_begins(2);
    give((u32[]){GIVEN >> 12}, 1);
    assert_true(is_zero(GIVEN));
    assert_int_equal(peek32(ROM_PA), 0x5a5a5a5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BALLOON_TEST(drivers_find_it),
        BALLOON_TEST(it_offers_what_was_asked_for),
        BALLOON_TEST(the_host_asks),
        BALLOON_TEST(pages_go_to_the_host),
        BALLOON_TEST(the_guest_may_have_no_interrupts),
        BALLOON_TEST(who_lies_gets_zeros_or_his_own),
        BALLOON_TEST(watchers_hear_of_it),
        BALLOON_TEST(pieces_of_any_size),
        BALLOON_TEST(long_buffers_take_time),
        BALLOON_TEST(it_is_loaded_in_mid_buffer),
        BALLOON_TEST(impossible_states_are_refused),
        BALLOON_TEST(a_reset_ends_a_long_buffer),
        BALLOON_TEST(it_asks_for_statistics),
        BALLOON_TEST(free_memory_is_reported),
        BALLOON_TEST(endless_reports_are_bounded),
        BALLOON_TEST(chains_that_lead_nowhere),
        BALLOON_TEST(addresses_that_lead_nowhere),
        BALLOON_TEST(a_hostile_driver_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
