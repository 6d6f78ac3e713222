/* hw_es1370.c - the ES1370 by its datasheet's sequences: a driver's probe, buffers that loop and their interrupts to the
 * microsecond, what is heard of both outputs through the codec, pause and stop mode, recording, the card saved and loaded
 * in mid-buffer; and buffers that lie.
 */
#include "sound_pci_bench.h"

#include "hw/es1370.h"

enum { IO = 0xc100, BUFFER = 0x20000 };
enum { DAC1_EN = 0x40, DAC2_EN = 0x20, ADC_EN = 0x10, CDC_EN = 0x02 };
enum { P1_INTR_EN = 0x100, P2_INTR_EN = 0x200, R1_INT_EN = 0x400 };
enum { P2_STEREO16 = 0x0c, P1_STEREO16 = 0x03, P2_PAUSE = 0x1000, P2_STOP = 0x4000 };

static Es1370 card;

static int setup(void **state)
{
    (void)state;
    sound_pci_bench_up();
    es1370_init(&card, &pci, 3, bus, phys, &clk, &mixer, wire_line(&intx));
    part_add(&parts, &es1370_part, "es1370", &card);
    config_set(PCI_BAR0, IO, 4);
    config_set(PCI_COMMAND, 5, 2);
    return 0;
}

static void codec(u8 index, u8 v) { out16(IO + 0x10, (u16)(index << 8 | v)); }
static void loud(void)
{
    codec(0x16, 3), codec(0, 0), codec(1, 0);
    for (u8 n = 2; n < 6; n++) codec(n, 6);
    codec(0x10, 0x60), codec(0x11, 0x0c);
}

static void buffer(u8 page, u16 at, u32 pa, u32 bytes)
{
    out(IO + 0x0c, page);
    out4((u16)(IO + at), pa), out4((u16)(IO + at + 4), bytes / 4 - 1);
}

/* DAC2 of 16 bits and two sides: its buffer, frames to the interrupt, 44,100 Hz. */
static void dac2_play(u32 bytes, u32 frames, u32 more)
{
    buffer(0xc, 0x38, BUFFER, bytes);
    out4(IO + 0x28, frames - 1);
    out4(IO + 0x20, P2_STEREO16 | P2_INTR_EN | more);
    out4(IO, 30u << 16 | DAC2_EN | CDC_EN);
}

/* --- registers ------------------------------------------------------------------------------------------- */

static void drivers_find_it(void **state)
{
    (void)state;
    assert_int_equal(config(0, 4), 0x50001274);
    assert_int_equal(config(8, 4) >> 8, 0x040100);
    config_set(PCI_BAR0, ~0u, 4);
    assert_int_equal(config(PCI_BAR0, 4), 0xffffffc1);
    config_set(PCI_BAR0, IO, 4);
    assert_int_equal(in4(IO), 1);
    assert_int_equal(in4(IO + 4), 0);
    out4(IO, 0x1fff0002);
    out(IO + 1, 0x30); /* a byte leaves the others */
    assert_int_equal(in4(IO), 0x1fff3002);
    for (u8 page = 0; page < 16; page++)
        for (u16 at = 0x30; at < 0x40; at += 4)
            out(IO + 0x0c, page), out4((u16)(IO + at), 0x1000u * page + at);
    for (u8 page = 0; page < 16; page++)
        for (u16 at = 0x30; at < 0x40; at += 4) {
            out(IO + 0x0c, page);
            assert_int_equal(in4((u16)(IO + at)), 0x1000u * page + at);
        }
    assert_int_equal(in(IO + 9) & 3, 2); /* the UART could send, and has nothing */
    out(IO + 8, 0x90);
    assert_null(clk.queue);
}

static void a_buffer_loops_with_its_interrupts(void **state)
{
    (void)state;
    dac2_play(8 * 441 * 4, 441, 0);
    clock_advance(&clk, 10 * MS - 1 * US); /* 441 frames are 10 ms */
    for (u32 n = 1; n <= 20; n++) {
        assert_int_equal(intx.rises, n - 1);
        clock_advance(&clk, 2 * US);
        assert_int_equal(intx.rises, n);
        assert_int_equal(in4(IO + 4), 0x80000002);
        assert_int_equal(in4(IO + 0x3c) >> 16, n * 441 % (8 * 441));
        out4(IO + 0x20, P2_STEREO16), out4(IO + 0x20, P2_STEREO16 | P2_INTR_EN);
        assert_false(intx.level);
        clock_advance(&clk, 10 * MS - 2 * US);
    }
}

static void it_asks_only_where_it_is_enabled(void **state)
{
    (void)state;
    dac2_play(4096, 441, 0);
    out4(IO + 0x20, P2_STEREO16);
    clock_advance(&clk, 50 * MS);
    assert_int_equal(in4(IO + 4), 0);
    out4(IO + 0x20, P2_STEREO16 | P2_PAUSE | P2_INTR_EN);
    u32 at = in4(IO + 0x3c) >> 16;
    clock_advance(&clk, 50 * MS);
    assert_int_equal(in4(IO + 0x3c) >> 16, at);
    assert_null(clk.queue); /* at rest it costs nothing */
    out4(IO + 0x20, P2_STEREO16 | P2_INTR_EN);
    clock_advance(&clk, 20 * MS);
    assert_int_equal(intx.rises, 1);
    config_set(PCI_COMMAND, 1, 2); /* may not master the bus */
    at = in4(IO + 0x3c) >> 16;
    clock_advance(&clk, 50 * MS);
    assert_int_equal(in4(IO + 0x3c) >> 16, at);
    config_set(PCI_COMMAND, 5, 2);
    clock_advance(&clk, 5 * MS);
    assert_true(in4(IO + 0x3c) >> 16 != at);
}

static void stop_mode_plays_once(void **state)
{
    (void)state;
    dac2_play(4096, 441, P2_STOP);
    clock_advance(&clk, SEC);
    assert_int_equal(intx.rises, 1);
    assert_int_equal(in4(IO + 0x3c) >> 16, 441);
    assert_null(clk.queue);
    out4(IO + 0x20, P2_STEREO16 | P2_STOP), out4(IO + 0x20, P2_STEREO16 | P2_STOP | P2_INTR_EN);
    clock_advance(&clk, SEC);
    assert_int_equal(intx.rises, 1);
    out4(IO + 0x28, 99); /* a new count begins anew */
    clock_advance(&clk, 10 * MS);
    assert_int_equal(intx.rises, 2);
    assert_int_equal(in4(IO + 0x3c) >> 16, 541);
}

/* --- what is heard --------------------------------------------------------------------------------------- */

static void dac2_is_heard_as_it_is(void **state)
{
    double top;
    (void)state;
    loud();
    write_sine16(BUFFER, 100, 4000, 20000);
    clock_advance(&clk, 300 * MS);
    dac2_play(16000, 1000, 0);
    clock_advance(&clk, SEC);
    assert_true(likeness(15100, 57600, 441, &top) > 0.99999);
    assert_true(fabs(top / 20000 - 1) < 0.01);
    sides_are_opposite(15100, 57600);
    double phase = 2 * M_PI * 441 * (20000.0 / SOUND_HZ - 0.3);
    assert_true(fabs(heard[20000].left - 20000 * sin(phase)) < 200);
    silence_between(0, 14300);
    out4(IO, CDC_EN);
    clock_advance(&clk, SEC);
    silence_between(64000, 100000);
    assert_null(clk.queue);
}

static void dac1_has_four_rates(void **state)
{
    static const u16 rates[] = {5512, 11025, 22050, 44100};
    (void)state;
    loud();
    for (u32 k = 0; k < 4; k++) {
        double top;
        u32 from = (u32)(clock_now(&clk) / 20833) + 2000;
        memset(heard, 0, sizeof heard);
        for (u32 n = 0; n < 40; n++)
            phys_write(phys, BUFFER + n, (u8)(128 + lround(100 * sin(M_PI * n / 10))), 1);
        buffer(0xc, 0x30, BUFFER, 40);
        out4(IO + 0x24, 1000), out4(IO + 0x20, 0);
        out4(IO, k << 12 | DAC1_EN | CDC_EN);
        clock_advance(&clk, 400 * MS);
        assert_true(likeness(from, from + 12000, rates[k] / 20.0, &top) > 0.9999);
        assert_true(fabs(top / 25600 - 1) < 0.01);
        out4(IO, 0);
    }
}

static void the_codec_mutes_and_attenuates(void **state)
{
    double loudest, top;
    (void)state;
    loud();
    write_sine16(BUFFER, 100, 4000, 8000);
    dac2_play(16000, 1000, 0);
    clock_advance(&clk, 300 * MS);
    codec(0, 7), codec(2, 13); /* 7 steps, and 7 */
    clock_advance(&clk, 300 * MS);
    codec(2, 3); /* 6 dB up, 14 dB down */
    clock_advance(&clk, 300 * MS);
    likeness(4800, 14000, 441, &loudest), likeness(16000, 26000, 441, &top);
    assert_true(fabs(20 * log10(loudest / top) - 28) < 0.3);
    likeness(30500, 40000, 441, &top);
    assert_true(fabs(20 * log10(loudest / top) - 8) < 0.3);
    codec(0x11, 0x04);
    clock_advance(&clk, 300 * MS);
    for (u32 n = 45000; n < 50000; n++) assert_int_equal(heard[n].left, 0);
    assert_true(abs(heard[45010].right) + abs(heard[45030].right) > 100);
    codec(0x16, 0); /* a reset mutes all */
    clock_advance(&clk, 300 * MS);
    silence_between(60000, 70000);
}

static void recording_is_silence(void **state)
{
    (void)state;
    for (u32 n = 0; n < 0x1000; n++) phys_write(phys, BUFFER + n, 0x55, 1);
    buffer(0xd, 0x30, BUFFER, 1024);
    out4(IO + 0x2c, 255), out4(IO + 0x20, R1_INT_EN); /* 8 bits, mono */
    out4(IO, 30u << 16 | ADC_EN);
    clock_advance(&clk, 10 * MS);
    assert_int_equal(in4(IO + 4), 0x80000001);
    clock_advance(&clk, 20 * MS);
    for (u32 n = 0; n < 1024; n++) assert_int_equal(phys_read(phys, BUFFER + n, 1), 0x80);
    assert_int_equal(phys_read(phys, BUFFER + 1024, 1), 0x55);
}

/* Eight periods: a host that is late by five is not heard; one that is late by more than all gives the guest its turn. */
static void a_late_host_is_not_heard_within_the_buffer(void **state)
{
    double top;
    (void)state;
    loud();
    write_sine16(BUFFER, 100, 3200, 20000);
    dac2_play(3200 * 4, 400, 0);
    clock_advance(&clk, 100 * MS);
    for (u32 n = 0; n < 5; n++) {
        out4(IO + 0x20, P2_STEREO16), out4(IO + 0x20, P2_STEREO16 | P2_INTR_EN);
        host_sleeps(45 * MS), clock_advance(&clk, 55 * MS);
    }
    assert_true(likeness(2000, 28000, 441, &top) > 0.99999);
    host_sleeps(200 * MS);
    u32 at = in4(IO + 0x3c) >> 16;
    out4(IO + 0x20, P2_STEREO16), out4(IO + 0x20, P2_STEREO16 | P2_INTR_EN);
    clock_advance(&clk, 5 * MS);
    assert_in_range((in4(IO + 0x3c) >> 16) - at, 200, 230); /* from there on, at its pace */
}

/* --- saved and loaded ------------------------------------------------------------------------------------ */

static void it_goes_on_where_it_was_saved(void **state)
{
    double top;
    (void)state;
    loud();
    write_sine16(BUFFER, 100, 4000, 20000);
    dac2_play(16000, 4410, 0);
    clock_advance(&clk, 50 * MS);
    StateBytes b = card_saved();
    u32 at = in4(IO + 0x3c) >> 16;
    clock_advance(&clk, 333 * MS);
    out4(IO, 0), codec(0, 0x80), buffer(0xc, 0x38, 0, 4);
    memset(heard, 0, sizeof heard);
    heard_last = 0;
    card_load(&b);
    assert_int_equal(clock_now(&clk), 50 * MS);
    assert_int_equal(in4(IO + 0x3c) >> 16, at);
    intx.rises = 0, intx.level = false;
    clock_advance(&clk, 50 * MS - 5 * US);
    assert_int_equal(intx.rises, 0);
    clock_advance(&clk, 10 * US);
    assert_int_equal(intx.rises, 1);
    clock_advance(&clk, SEC);
    assert_true(likeness(3000, 40000, 441, &top) > 0.9999);
}

/* --- buffers that lie ------------------------------------------------------------------------------------ */

static void buffers_may_be_anywhere(void **state)
{
    static const u32 places[] = {0, 0xfffffffc, 0xfffff000, SOUND_RAM - 4, 0xa0000, 0xfee00000, 0x7ffffffd},
                     sizes[] = {0, 0xffff, 0x00050002, 0xffffffff, 0xffff0000};
    (void)state;
    loud();
    for (u32 n = 0; n < ARRAY_LEN(places) * ARRAY_LEN(sizes); n++) {
        u32 pa = places[n % ARRAY_LEN(places)], size = sizes[n / ARRAY_LEN(places)];
        for (u8 page = 0xc; page < 0xe; page++)
            for (u16 at = 0x30; at < 0x40; at += 8)
                out(IO + 0x0c, page), out4((u16)(IO + at), pa), out4((u16)(IO + at + 4), size);
        for (u16 at = 0x24; at < 0x30; at += 4) out4((u16)(IO + at), n & 1 ? 0 : 0xffff);
        out4(IO + 0x20, n & 2 ? 0x73f : 0x700);
        out4(IO, (n & 4 ? 0u : 0x1fffu) << 16 | 3u << 12 | DAC1_EN | DAC2_EN | ADC_EN);
        clock_advance(&clk, 100 * MS);
        assert_in_range(in4(IO + 0x3c) >> 16, 0, (size >> 16) > (size & 0xffff) ? 0xffff : size & 0xffff);
        out4(IO, 0);
    }
    clock_advance(&clk, SEC);
    assert_null(clk.queue);
}

/* Frames to the interrupt: one, and nobody answers. */
static void an_interrupt_storm_is_bounded(void **state)
{
    (void)state;
    dac2_play(4, 1, 0);
    clock_advance(&clk, SEC);
    assert_int_equal(intx.rises, 1);
    clk.manual_ns += 3600ull * SEC; /* the host slept */
    clock_run_due(&clk);
    assert_true(clk.queue->deadline_ns > clk.manual_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOUND_TEST(drivers_find_it),
        SOUND_TEST(a_buffer_loops_with_its_interrupts),
        SOUND_TEST(it_asks_only_where_it_is_enabled),
        SOUND_TEST(stop_mode_plays_once),
        SOUND_TEST(dac2_is_heard_as_it_is),
        SOUND_TEST(dac1_has_four_rates),
        SOUND_TEST(the_codec_mutes_and_attenuates),
        SOUND_TEST(recording_is_silence),
        SOUND_TEST(a_late_host_is_not_heard_within_the_buffer),
        SOUND_TEST(it_goes_on_where_it_was_saved),
        SOUND_TEST(buffers_may_be_anywhere),
        SOUND_TEST(an_interrupt_storm_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
