/* hw_ac97.c - the 82801AA's audio and its codec by their datasheets' sequences: reset, semaphore, what a driver finds of the
 * mixer, rings of buffers to the last valid one, their interrupts to the microsecond, pause, variable rates, what is heard,
 * recording, the card saved and loaded in mid-buffer; and lists that lie.
 */
#include "sound_pci_bench.h"

#include "hw/ac97.h"

enum { NAM = 0xc200, NABM = 0xc300, LIST = 0x10000, BUFFER = 0x20000 };
enum { PI = NABM, PO = NABM + 0x10, MC = NABM + 0x20, GLOB_CNT = NABM + 0x2c, GLOB_STA = NABM + 0x30 };
enum { BDBAR = 0, CIV = 4, LVI = 5, SR = 6, PICB = 8, PIV = 10, CR = 11 };
enum { RPBM = 1, RR = 2, LVBIE = 4, IOCE = 16, DCH = 1, CELV = 2, LVBCI = 4, BCIS = 8 };
#define IOC 0x80000000u

static Ac97 card;

static int setup(void **state)
{
    (void)state;
    sound_pci_bench_up();
    ac97_init(&card, &pci, 3, bus, phys, &clk, &mixer, wire_line(&intx));
    part_add(&parts, &ac97_part, "ac97", &card);
    config_set(PCI_BAR0, NAM, 4), config_set(PCI_BAR0 + 4, NABM, 4);
    config_set(PCI_COMMAND, 5, 2);
    out4(GLOB_CNT, 2);
    return 0;
}

static u16 nam(u8 reg) { return in2((u16)(NAM + reg)); }
static void nam_set(u8 reg, u16 v) { out16((u16)(NAM + reg), v); }
static void loud(void) { nam_set(2, 0), nam_set(0x18, 0x0808); }

static void descriptor(u32 n, u32 pa, u32 samples)
{
    phys_write(phys, LIST + 8 * n, pa, 4), phys_write(phys, LIST + 8 * n + 4, samples, 4);
}

static void start(u16 stream, u8 lvi, u8 cr)
{
    out(stream + CR, RR);
    assert_int_equal(in(stream + CR), 0);
    out4(stream + BDBAR, LIST);
    out(stream + LVI, lvi), out(stream + CR, cr | RPBM);
}

/* All 32 buffers: the same 16,000 bytes, 4,000 frames. */
static void ring_of_4000_frames(void)
{
    for (u32 n = 0; n < 32; n++) descriptor(n, BUFFER, 8000 | IOC);
}

/* --- registers ------------------------------------------------------------------------------------------- */

static void drivers_find_it(void **state)
{
    (void)state;
    assert_int_equal(config(0, 4), 0x24158086);
    assert_int_equal(config(8, 4) >> 8, 0x040100);
    out4(GLOB_CNT, 0);
    assert_int_equal(in4(GLOB_STA), 0);
    nam_set(2, 0); /* in reset it hears nothing */
    assert_int_equal(nam(2), 0x8000);
    out4(GLOB_CNT, 2);
    assert_int_equal(in4(GLOB_STA), 0x100);
    assert_int_equal(in(NABM + 0x34), 0);
    assert_int_equal(in(NABM + 0x34), 1); /* the semaphore is taken ... */
    assert_int_equal(nam(0x7c), 0x8384), assert_int_equal(nam(0x7e), 0x7600);
    assert_int_equal(in(NABM + 0x34), 0); /* ... and given */
    assert_int_equal(nam(0x26) & 15, 15);
    assert_int_equal(nam(0x28) & 1, 1);
    nam_set(2, 0x2020); /* six bits? */
    assert_int_equal(nam(2), 0x1f1f);
    nam_set(0x18, 0xffff);
    assert_int_equal(nam(0x18), 0x9f1f);
    nam_set(0x7c, 0), nam_set(0x28, 0);
    assert_int_equal(nam(0x7c), 0x8384), assert_int_equal(nam(0x28) & 1, 1);
    assert_int_equal(in2(NAM + 0x80), 0xffff);
    nam_set(0, 1);
    assert_int_equal(nam(2), 0x8000), assert_int_equal(nam(0x18), 0x8808);
    assert_int_equal(in2(PO + SR), DCH);
    assert_null(clk.queue);
}

static void rates_are_variable_where_asked_for(void **state)
{
    (void)state;
    nam_set(0x2c, 44100);
    assert_int_equal(nam(0x2c), 48000);
    nam_set(0x2a, 1), nam_set(0x2c, 44100);
    assert_int_equal(nam(0x2c), 44100);
    nam_set(0x2c, 1), nam_set(0x32, 0xffff);
    assert_int_equal(nam(0x2c), 8000), assert_int_equal(nam(0x32), 48000);
    nam_set(0x2a, 0);
    assert_int_equal(nam(0x2c), 48000);
}

/* --- buffers --------------------------------------------------------------------------------------------- */

static void buffers_end_with_their_interrupts(void **state)
{
    (void)state;
    descriptor(0, BUFFER, 960 | IOC); /* 10 ms each */
    descriptor(1, BUFFER, 960);
    descriptor(2, BUFFER, 960 | IOC);
    start(PO, 2, IOCE | LVBIE);
    assert_int_equal(in(PO + CIV), 0), assert_int_equal(in(PO + PIV), 1), assert_int_equal(in2(PO + SR), 0);
    clock_advance(&clk, 5 * MS);
    assert_int_equal(in2(PO + PICB), 480);
    clock_advance(&clk, 5 * MS - 1 * US);
    assert_int_equal(intx.rises, 0);
    clock_advance(&clk, 2 * US);
    assert_int_equal(intx.rises, 1);
    assert_int_equal(in4(GLOB_STA), 0x140);
    assert_int_equal(in2(PO + SR), BCIS);
    assert_int_equal(in(PO + CIV), 1);
    out16(PO + SR, 0x1c);
    assert_false(intx.level);
    clock_advance(&clk, 15 * MS);
    assert_int_equal(intx.rises, 1);
    assert_int_equal(in(PO + CIV), 2);
    clock_advance(&clk, 5 * MS);
    assert_int_equal(in2(PO + SR), DCH | CELV | LVBCI | BCIS);
    assert_int_equal(in2(PO + PICB), 0), assert_int_equal(in(PO + CIV), 2);
    out16(PO + SR, 0x1c);
    assert_int_equal(in2(PO + SR), DCH | CELV);
    assert_int_equal(intx.rises, 2);
    clock_advance(&clk, 50 * MS);
    assert_null(clk.queue); /* at its end it costs nothing */
    descriptor(3, BUFFER, 480);
    out(PO + LVI, 3); /* one more */
    assert_int_equal(in2(PO + SR), 0);
    clock_advance(&clk, 6 * MS);
    assert_int_equal(in2(PO + SR), DCH | CELV | LVBCI), assert_int_equal(in(PO + CIV), 3);
}

static void a_stopped_stream_resumes_where_it_was(void **state)
{
    (void)state;
    ring_of_4000_frames();
    start(PO, 31, IOCE);
    clock_advance(&clk, 20 * MS);
    out(PO + CR, IOCE);
    u16 left = in2(PO + PICB);
    assert_int_equal(left, 8000 - 2 * 960);
    assert_int_equal(in2(PO + SR), DCH);
    clock_advance(&clk, SEC);
    assert_int_equal(in2(PO + PICB), left);
    assert_null(clk.queue);
    out(PO + CR, IOCE | RPBM);
    clock_advance(&clk, 10 * MS);
    assert_int_equal(in2(PO + PICB), left - 960), assert_int_equal(in(PO + CIV), 0);
    config_set(PCI_COMMAND, 1, 2); /* may not master the bus */
    clock_advance(&clk, SEC);
    assert_int_equal(in2(PO + PICB), left - 960);
    out(PO + CR, RR);
    assert_int_equal(in4(PO + BDBAR), 0), assert_int_equal(in2(PO + SR), DCH);
}

/* --- what is heard --------------------------------------------------------------------------------------- */

static void a_ring_is_heard_as_it_is(void **state)
{
    static const u16 rates[] = {48000, 44100, 22050, 8000};
    (void)state;
    loud();
    write_sine16(BUFFER, 100, 4000, 20000);
    ring_of_4000_frames();
    nam_set(0x2a, 1);
    for (u32 k = 0; k < ARRAY_LEN(rates); k++) {
        double top;
        u32 from = (u32)(clock_now(&clk) / 20833) + 2000;
        memset(heard, 0, sizeof heard);
        nam_set(0x2c, rates[k]);
        start(PO, 31, 0);
        clock_advance(&clk, 500 * MS);
        assert_true(likeness(from, from + 20000, rates[k] / 100.0, &top) > 0.99999);
        assert_true(fabs(top / 20000 - 1) < 0.01);
        sides_are_opposite(from, from + 20000);
        out(PO + CR, 0);
    }
    clock_advance(&clk, SEC);
    assert_null(clk.queue);
}

static void volumes_are_1_5_db_a_step(void **state)
{
    double loudest, top;
    (void)state;
    loud();
    write_sine16(BUFFER, 100, 4000, 8000);
    ring_of_4000_frames();
    start(PO, 31, 0);
    clock_advance(&clk, 300 * MS);
    nam_set(2, 0x0a0a), nam_set(0x18, 0x1212); /* 10 and 10 steps */
    clock_advance(&clk, 300 * MS);
    nam_set(2, 0), nam_set(0x18, 0x0000); /* 12 dB up, which is too much: it clips */
    clock_advance(&clk, 300 * MS);
    likeness(4800, 14000, 480, &loudest), likeness(16000, 26000, 480, &top);
    assert_true(fabs(20 * log10(loudest / top) - 30) < 0.3);
    likeness(30500, 40000, 480, &top);
    assert_true(top > 30000 && top < 33000);
    nam_set(2, 0x8000);
    clock_advance(&clk, 300 * MS);
    silence_between(45000, 50000);
}

static void recording_is_silence(void **state)
{
    (void)state;
    for (u32 n = 0; n < 0x1000; n++) phys_write(phys, BUFFER + n, 0x55, 1);
    descriptor(0, BUFFER, 960), descriptor(1, BUFFER + 1920, 96 | IOC);
    start(MC, 1, IOCE | LVBIE);
    clock_advance(&clk, 30 * MS); /* mono: 22 ms */
    assert_int_equal(in4(GLOB_STA), 0x180);
    for (u32 n = 0; n < 2112; n++) assert_int_equal(phys_read(phys, BUFFER + n, 1), 0);
    assert_int_equal(phys_read(phys, BUFFER + 2112, 1), 0x55);
    start(PI, 1, IOCE);
    clock_advance(&clk, 30 * MS);
    assert_int_equal(in4(GLOB_STA), 0x1a0);
}

/* --- saved and loaded ------------------------------------------------------------------------------------ */

static void it_goes_on_where_it_was_saved(void **state)
{
    double top;
    (void)state;
    loud();
    write_sine16(BUFFER, 100, 4000, 20000);
    ring_of_4000_frames();
    start(PO, 31, IOCE);
    clock_advance(&clk, 50 * MS);
    StateBytes b = card_saved();
    u16 left = in2(PO + PICB);
    clock_advance(&clk, 333 * MS);
    out(PO + CR, 0), out(PO + CR, RR), nam_set(0, 0);
    memset(heard, 0, sizeof heard);
    heard_last = 0;
    card_load(&b);
    assert_int_equal(clock_now(&clk), 50 * MS);
    assert_int_equal(in2(PO + PICB), left);
    intx.rises = 0, intx.level = false;
    clock_advance(&clk, 4000ull * SEC / 48000 - 50 * MS - 5 * US);
    assert_int_equal(intx.rises, 0);
    clock_advance(&clk, 10 * US);
    assert_int_equal(intx.rises, 1);
    clock_advance(&clk, SEC);
    assert_true(likeness(3000, 40000, 480, &top) > 0.9999);
}

/* --- lists that lie -------------------------------------------------------------------------------------- */

static void lists_may_be_anywhere(void **state)
{
    static const u32 places[] = {0, 0xfffffff8, 0xffffff80, SOUND_RAM - 8, 0xa0000, 0xfee00000, LIST},
                     lengths[] = {0, 1, 3, 0xffff, IOC, IOC | 1, ~0u};
    static const u16 streams[] = {PI, PO, MC};
    (void)state;
    loud();
    for (u32 n = 0; n < ARRAY_LEN(places) * ARRAY_LEN(lengths); n++) {
        u32 length = lengths[n % ARRAY_LEN(lengths)], place = places[n / ARRAY_LEN(lengths)];
        for (u32 k = 0; k < 32; k++) descriptor(k, k & 1 ? 0xfffffffe : SOUND_RAM - 2, length);
        for (u32 k = 0; k < 3; k++) {
            u16 s = streams[k];
            out(s + CR, RR), out4(s + BDBAR, place), out(s + LVI, (u8)(n * 7)), out(s + CR, RPBM | IOCE);
        }
        clock_advance(&clk, 100 * MS);
        for (u32 k = 0; k < 3; k++) out(streams[k] + SR, 0x1c), out(streams[k] + LVI, (u8)n);
        clock_advance(&clk, 100 * MS);
        for (u32 k = 0; k < 3; k++) out(streams[k] + CR, 0);
    }
    clock_advance(&clk, SEC);
    assert_null(clk.queue);
}

static void empty_buffers_end_at_the_last(void **state)
{
    (void)state;
    for (u32 n = 0; n < 32; n++) descriptor(n, BUFFER, n == 3 ? IOC : 0);
    start(PO, 9, IOCE | LVBIE);
    assert_int_equal(in2(PO + SR), DCH | CELV | LVBCI | BCIS);
    assert_int_equal(in(PO + CIV), 9);
    assert_null(clk.queue);
    descriptor(20, BUFFER, 96);
    out(PO + LVI, 31); /* and from there on, around what has none */
    assert_int_equal(in(PO + CIV), 20);
    clock_advance(&clk, 2 * MS);
    assert_int_equal(in(PO + CIV), 31);
    assert_int_equal(in2(PO + SR), DCH | CELV | LVBCI | BCIS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOUND_TEST(drivers_find_it),
        SOUND_TEST(rates_are_variable_where_asked_for),
        SOUND_TEST(buffers_end_with_their_interrupts),
        SOUND_TEST(a_stopped_stream_resumes_where_it_was),
        SOUND_TEST(a_ring_is_heard_as_it_is),
        SOUND_TEST(volumes_are_1_5_db_a_step),
        SOUND_TEST(recording_is_silence),
        SOUND_TEST(it_goes_on_where_it_was_saved),
        SOUND_TEST(lists_may_be_anywhere),
        SOUND_TEST(empty_buffers_end_at_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
