/* hw_sb16.c - Sound Blaster 16 and the mixer: how programs find the card, blocks by DMA with their interrupts at their
 * samples' times, what is heard of them, the mixer chip, the MPU-401; and the stream of 48,000 frames: pitch, delay,
 * gaps. */
#include "sound_bench.h"

#include "hw/sb16.h"
#include "hw/speaker_voice.h"

static Dma dma;
static Sb16 sb;
static Wire irq[SB16_IRQS];
static u8 written[1024]; /* to the MIDI cable */
static u32 written_bytes, begun, quieted;

static void midi_byte(void *ctx, u8 byte)
{
    (void)ctx;
    written[written_bytes++ % sizeof written] = byte;
}

static void count_one(void *counter) { ++*(u32 *)counter; }
static void midi_began(void *ctx) { (void)ctx, count_one(&begun); }
static void midi_quieted(void *ctx) { (void)ctx, count_one(&quieted); }
static const MidiOut midi = {midi_began, midi_byte, midi_quieted, NULL};

static int setup(void **state)
{
    static const Sb16Config config = {true, 0x220, 5, 1, 5, 0x330};
    IrqLine lines[SB16_IRQS];
    (void)state;
    sound_bench_up();
    written_bytes = begun = quieted = 0;
    memset(irq, 0, sizeof irq);
    for (u32 n = 0; n < SB16_IRQS; n++) lines[n] = wire_line(&irq[n]);
    dma_init(&dma, bus, phys);
    sb16_init(&sb, &config, bus, &clk, &dma, &mixer, &midi, lines);
    out(0xd6, 0xc0), out(0xd4, 0);
    return 0;
}

static void dsp(u8 v)
{
    assert_false(in(0x22c) & 0x80);
    out(0x22c, v);
}

static void dsp3(u8 a, u8 b, u8 c) { dsp(a), dsp(b), dsp(c); }

static u8 answer(void)
{
    assert_true(in(0x22e) & 0x80);
    return in(0x22a);
}

static void mix(u8 index, u8 v) { out(0x224, index), out(0x225, v); }
static u8 mixed(u8 index) { return out(0x224, index), in(0x225); }
static void loud(void)
{
    for (u8 n = 0x30; n < 0x36; n++) mix(n, 0xf8);
}

/* Memory at 10000h (bytes) or 20000h (words), auto-init or not. */
static void dma8(u8 mode, u16 count)
{
    out(0x0a, 5), out(0x0c, 0), out(0x0b, mode | 1), out(0x83, 1), out2(2, 0, 0);
    out2(3, (u8)(count - 1), (u8)((count - 1) >> 8)), out(0x0a, 1);
}

static void dma16(u8 mode, u16 count)
{
    out(0xd4, 5), out(0xd8, 0), out(0xd6, mode | 1), out(0x8b, 2), out2(0xc4, 0, 0);
    out2(0xc6, (u8)(count - 1), (u8)((count - 1) >> 8)), out(0xd4, 1);
}

/* --- finding it ------------------------------------------------------------------------------------------ */

static void programs_find_it(void **state)
{
    (void)state;
    out(0x226, 1), clock_advance(&clk, 4 * US), out(0x226, 0);
    assert_int_equal(answer(), 0xaa);
    assert_false(in(0x22e) & 0x80);
    dsp(0xe1);
    assert_int_equal(answer(), 4), assert_int_equal(answer(), 5);
    dsp(0xe0), dsp(0x5a);
    assert_int_equal(answer(), 0xa5);
    dsp(0xe4), dsp(0x77), dsp(0xe8);
    assert_int_equal(answer(), 0x77);
    dsp(0xd1), dsp(0xd8);
    assert_int_equal(answer(), 0xff);
    dsp(0xd3), dsp(0xd8);
    assert_int_equal(answer(), 0);
    dsp(0xe3);
    for (const char *c = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992."; *c; c++)
        assert_int_equal(answer(), *c);
    assert_int_equal(answer(), 0);
    dsp(0xf2);
    assert_true(irq[1].level);
    assert_int_equal(mixed(0x82) & 7, 1);
    in(0x22e);
    assert_false(irq[1].level);
    dsp(0xf3);
    assert_int_equal(mixed(0x82) & 7, 2);
    in(0x22e);
    assert_true(irq[1].level);
    in(0x22f);
    assert_false(irq[1].level);
    assert_int_equal(in(0x388), 0);
    out(0x220, 2), out(0x221, 0xff), out(0x388, 4), out(0x389, 0x21);
    clock_advance(&clk, 100 * US);
    assert_int_equal(in(0x220), 0xc0), assert_int_equal(in(0x228), 0xc0), assert_int_equal(in(0x388), 0xc0);
}

static void it_proves_itself_by_dma(void **state)
{
    static const u8 asked[] = {0x00, 0x5a, 0xff, 0x12};
    (void)state;
    dma8(0x44, 4);
    u8 sum = 0xaa, key = 0x96;
    for (u32 n = 0; n < 4; n++) {
        dsp(0xe2), dsp(asked[n]);
        sum = (u8)(sum + (asked[n] ^ key)), key = (u8)(key >> 2 | key << 6);
        assert_int_equal(phys_read(phys, 0x10000 + n, 1), sum);
    }
}

static void the_mixer_chooses_lines(void **state)
{
    (void)state;
    assert_int_equal(mixed(0x80) & 15, 2), assert_int_equal(mixed(0x81), 0x22);
    mix(0x80, 8);
    dsp(0xf2);
    assert_true(irq[3].level && !irq[1].level);
    mix(0x80, 4);
    assert_true(irq[2].level && !irq[3].level);
    mix(0, 0);
    assert_int_equal(mixed(0x80) & 15, 4); /* a reset of the volumes leaves it */
    assert_int_equal(mixed(0x30), 0xc0), assert_int_equal(mixed(0x22), 0xcc);
    mix(0x22, 0x5a);
    assert_int_equal(mixed(0x30), 0x58), assert_int_equal(mixed(0x31), 0xa8);
}

static void the_mpu_acknowledges(void **state)
{
    (void)state;
    assert_int_equal(in(0x331) & 0xc0, 0x80);
    out(0x331, 0xff);
    assert_int_equal(in(0x331) & 0xc0, 0);
    assert_int_equal(in(0x330), 0xfe);
    out(0x331, 0x3f);
    assert_int_equal(in(0x330), 0xfe);
    assert_int_equal(in(0x331) & 0xc0, 0x80);
    out(0x330, 0x90), out(0x331, 0xff);
    assert_int_equal(in(0x331) & 0xc0, 0x80); /* none from a UART */
    out(0x331, 0x3f);
    assert_int_equal(in(0x330), 0xfe);
}

static void midi_goes_to_the_cable(void **state)
{
    static const u8 note[] = {0x90, 60, 100};
    (void)state;
    out(0x330, 0x55); /* no UART yet */
    out(0x331, 0xff), in(0x330);
    out(0x330, 0x55);
    assert_int_equal(begun, 0);
    out(0x331, 0x3f), in(0x330);
    for (u32 n = 0; n < sizeof note; n++) out(0x330, note[n]);
    assert_int_equal(begun, 1), assert_int_equal(written_bytes, sizeof note);
    assert_memory_equal(written, note, sizeof note);
    sb16_part.reset(&sb);
    out(0x330, 0x55);
    assert_int_equal(written_bytes, sizeof note), assert_true(quieted);
}

/* 31,250 bits a second, ten to a byte: who writes without looking is cut to that. */
static void the_cable_has_its_speed(void **state)
{
    (void)state;
    out(0x331, 0x3f), in(0x330);
    for (u32 n = 0; n < MPU401_FIFO; n++) {
        assert_false(in(0x331) & 0x40);
        out(0x330, 0);
    }
    assert_true(in(0x331) & 0x40);
    out(0x330, 0);
    assert_int_equal(written_bytes, MPU401_FIFO);
    clock_advance(&clk, 319 * US);
    assert_true(in(0x331) & 0x40);
    clock_advance(&clk, 2 * US);
    assert_false(in(0x331) & 0x40);
    for (u32 n = 0; n < 100000; n++) out(0x330, 0), clock_advance(&clk, 10 * US);
    assert_in_range(written_bytes, MPU401_FIFO + 3124, MPU401_FIFO + 3127);
}

static void the_mpu_shares_the_cards_interrupt(void **state)
{
    (void)state;
    out(0x331, 0xff);
    assert_int_equal(mixed(0x82) & 7, 4), assert_true(irq[1].level);
    unsigned rises = irq[1].rises;
    dsp(0xf2); /* nobody has read the answer: this one is seen all the same */
    assert_int_equal(mixed(0x82) & 7, 5), assert_int_equal(irq[1].rises, rises + 1);
    in(0x22e);
    assert_int_equal(mixed(0x82) & 7, 4), assert_true(irq[1].level);
    in(0x330);
    assert_int_equal(mixed(0x82) & 7, 0), assert_false(irq[1].level);
}

/* --- blocks ---------------------------------------------------------------------------------------------- */

/* 14h: 441 bytes at 22050 Hz by 41h: 20 ms. */
static void a_block_ends_with_its_interrupt(void **state)
{
    (void)state;
    dma8(0x48, 1000);
    dsp3(0x41, 22050 >> 8, 22050 & 0xff);
    dsp3(0x14, (441 - 1) & 0xff, (441 - 1) >> 8);
    clock_advance(&clk, 20 * MS - 1 * US);
    assert_int_equal(irq[1].rises, 0);
    clock_advance(&clk, 2 * US);
    assert_int_equal(irq[1].rises, 1);
    in(0x22e);
    clock_advance(&clk, SEC);
    assert_int_equal(irq[1].rises, 1);
    out(0x0c, 0);
    assert_int_equal(in_twice(3), 999 - 441);
    assert_false(sb.timer.armed);
}

static void a_time_constant_is_a_rate(void **state)
{
    (void)state;
    dma8(0x58, 1000);     /* auto-init */
    dsp(0x40), dsp(0x9c); /* 10,000 Hz */
    dsp3(0x48, 99, 0), dsp(0x1c);
    for (u32 n = 1; n <= 20; n++) {
        clock_advance(&clk, 10 * MS);
        assert_int_equal(irq[1].rises, n);
        in(0x22e);
    }
    dsp(0xda);
    clock_advance(&clk, SEC);
    assert_int_equal(irq[1].rises, 21); /* the present block is the last */
}

static void pauses_pause(void **state)
{
    (void)state;
    dma16(0x58, 4000);
    dsp3(0x41, 0x27, 0x10), dsp(0xb6), dsp3(0x30, 199, 0); /* 10,000 Hz, stereo: 100 frames */
    clock_advance(&clk, 5 * MS);
    dsp(0xd5);
    clock_advance(&clk, SEC);
    assert_int_equal(irq[1].rises, 0);
    dsp(0xd6);
    clock_advance(&clk, 6 * MS);
    assert_int_equal(irq[1].rises, 1);
    assert_int_equal(mixed(0x82) & 7, 2);
    in(0x22f);
    out(0x226, 1), out(0x226, 0); /* a reset stops it */
    clock_advance(&clk, SEC);
    assert_int_equal(irq[1].rises, 1);
    dsp3(0x80, 99, 0); /* silence */
    clock_advance(&clk, 8 * MS);
    assert_int_equal(irq[1].rises, 1);
    clock_advance(&clk, 2 * MS);
    assert_int_equal(irq[1].rises, 2);
}

/* A channel that is masked, or set the other way, or without an end: nothing hangs, nothing is overrun. */
static void odd_transfers_do_no_harm(void **state)
{
    (void)state;
    dsp3(0x14, 0xff, 0xff);
    clock_advance(&clk, SEC);
    assert_int_equal(irq[1].rises, 0);
    dma8(0x44, 1);
    clock_advance(&clk, SEC);
    dma8(0x58, 1);
    clock_advance(&clk, 10ull * SEC);
    assert_int_equal(irq[1].rises, 1);
    mix(0x81, 0);
    dsp(0xb6), dsp3(0x30, 0, 0);
    clock_advance(&clk, SEC);
    mix(0x81, 2); /* 16 bits by an 8-bit channel */
    dma8(0x58, 3);
    dsp(0x41), dsp(0xff), dsp(0xff), dsp(0xb6), dsp3(0x30, 0, 0);
    clock_advance(&clk, 100 * MS);
    assert_true(irq[1].level);
}

/* --- what is heard --------------------------------------------------------------------------------------- */

static void sixteen_bits_are_heard_as_they_are(void **state)
{
    double top;
    (void)state;
    loud();
    write_sine16(0x20000, 100, 4000, 20000); /* 441 Hz at 44,100 */
    dma16(0x58, 8000);
    clock_advance(&clk, 300 * MS); /* longer than the ring */
    dsp3(0x41, 44100 >> 8, 44100 & 0xff), dsp(0xb6), dsp3(0x30, 7999 & 0xff, 7999 >> 8);
    clock_advance(&clk, 1000 * MS);
    assert_true(likeness(15100, 57600, 441, &top) > 0.99999);
    assert_true(fabs(top / 20000 - 1) < 0.003);
    sides_are_opposite(15100, 57600);
    /* in its place: frame n is of n / 48,000 s, and the block began at 300 ms */
    double phase = 2 * M_PI * 441 * (20000.0 / SOUND_HZ - 0.3);
    assert_true(fabs(heard[20000].left - 20000 * sin(phase)) < 60);
    assert_true(abs(heard[14450].left) > 1000); /* from its begin on */
    for (u32 n = 0; n < 14300; n++) assert_int_equal(heard[n].left, 0);
}

static void eight_bits_of_every_rate(void **state)
{
    static const u16 rates[] = {4000, 8000, 11025, 22050, 32000, 44100, 45454};
    (void)state;
    for (u32 k = 0; k < ARRAY_LEN(rates); k++) {
        double top, hz = rates[k] / 20.0;
        u64 from = clock_now(&clk) / 20833 + 2000;
        memset(heard, 0, sizeof heard);
        out(0x226, 1), out(0x226, 0), in(0x22a), loud();
        for (u32 n = 0; n < 20; n++)
            phys_write(phys, 0x10000 + n, (u8)(128 + lround(100 * sin(M_PI * n / 10))), 1);
        dma8(0x58, 20);
        dsp3(0x41, (u8)(rates[k] >> 8), (u8)rates[k]), dsp(0xc6), dsp3(0, 19, 0);
        clock_advance(&clk, 400 * MS);
        assert_true(likeness((u32)from, (u32)from + 12000, hz, &top) > 0.9999);
        assert_true(fabs(top / 25600 - 1) < 0.01);
    }
}

/* Four blocks in the controller's buffer: a host that is late by two is not heard. */
static void a_late_host_is_not_heard_within_the_buffer(void **state)
{
    double top;
    (void)state;
    loud();
    write_sine16(0x20000, 100, 4000, 20000);
    dma16(0x58, 8000);
    dsp3(0x41, 44100 >> 8, 44100 & 0xff), dsp(0xb6), dsp3(0x30, 1999 & 0xff, 1999 >> 8); /* 22.7 ms each */
    for (u32 n = 0; n < 8; n++) {
        in(0x22f);
        host_sleeps(40 * MS), clock_advance(&clk, 40 * MS);
    }
    assert_true(likeness(2000, 28000, 441, &top) > 0.99999);
}

static void direct_samples_are_heard(void **state)
{
    double top;
    (void)state;
    loud();
    for (u32 n = 0; n < 10000; n++) { /* 500 Hz at 10,000 */
        dsp(0x10), dsp((u8)(128 + lround(100 * sin(2 * M_PI * n / 20))));
        clock_advance(&clk, 100 * US);
    }
    assert_true(likeness(2400, 40000, 500, &top) > 0.99);
    assert_true(fabs(top / 25600 - 1) < 0.02);
    clock_advance(&clk, SEC);
    assert_null(clk.queue); /* and then nothing is left to do */
}

static void volumes_are_2_db_a_step(void **state)
{
    double loudest, top;
    (void)state;
    write_sine16(0x20000, 100, 4000, 20000), dma16(0x58, 8000);
    loud();
    dsp3(0x41, 44100 >> 8, 44100 & 0xff), dsp(0xb6), dsp3(0x30, 7999 & 0xff, 7999 >> 8);
    clock_advance(&clk, 300 * MS);
    mix(0x30, 20 << 3), mix(0x32, 28 << 3); /* 11 + 3 steps */
    clock_advance(&clk, 300 * MS);
    likeness(4800, 14000, 441, &loudest), likeness(16000, 26000, 441, &top);
    assert_true(fabs(20 * log10(loudest / top) - 28) < 0.2);
}

/* A note of the OPL3 in its place, and nothing when it is over. */
static void an_fm_note_is_heard(void **state)
{
    static const u8 patch[][2] = {{0x23, 0x21}, {0x43, 0},    {0x63, 0xf0},
                                  {0x83, 0x0f}, {0xc0, 0x30}, {0xa0, 0x44}};
    double top, hz = 0x244 * (14318180.0 / 288) / (1 << 16);
    (void)state;
    loud();
    clock_advance(&clk, 100 * MS);
    for (u32 n = 0; n < ARRAY_LEN(patch); n++) out(0x388, patch[n][0]), out(0x389, patch[n][1]);
    assert_null(clk.queue); /* silence costs nothing */
    out(0x388, 0xb0), out(0x389, 0x32);
    clock_advance(&clk, 500 * MS);
    out(0x389, 0x12);
    clock_advance(&clk, SEC);
    assert_true(likeness(5000, 28000, hz, &top) > 0.999);
    assert_true(top > 4000 && top < 4200);
    for (u32 n = 0; n < 4750; n++) assert_int_equal(heard[n].left, 0);
    for (u32 n = 30000; n < 50000; n++) assert_int_equal(heard[n].left, 0);
    assert_null(clk.queue);
}

static void nobody_listens_and_nothing_is_made(void **state)
{
    (void)state;
    sound_listen(&mixer, NULL, NULL);
    out(0x388, 0x60), out(0x389, 0xf0), out(0x388, 0xb0), out(0x389, 0x32);
    assert_null(clk.queue);
    dma8(0x58, 100), dsp(0xc6), dsp3(0, 99, 0);
    clock_advance(&clk, SEC);
    assert_true(irq[1].rises == 1);
    assert_int_equal(heard_calls, 0);
    sound_listen(&mixer, listen, NULL); /* in the middle */
    clock_advance(&clk, 100 * MS);
    assert_true(heard_calls > 5);
}

/* What was not heard in an hour of sleep is not made up for. */
static void a_host_that_slept_begins_anew(void **state)
{
    (void)state;
    loud();
    out(0x388, 0x63), out(0x389, 0xf0), out(0x388, 0x20), out(0x389, 0x21), out(0x388, 0x23),
        out(0x389, 0x21);
    out(0x388, 0xb0), out(0x389, 0x32);
    clock_advance(&clk, 100 * MS);
    u32 calls = heard_calls;
    assert_true(calls > 5);
    clk.manual_ns += 3600ull * SEC;
    clock_run_due(&clk);
    assert_true(heard_calls <= calls + 1);
    clock_advance(&clk, 100 * MS);
    assert_true(heard_calls > calls + 5);
    assert_in_range(heard_last, 3600ull * SOUND_HZ, 3600ull * SOUND_HZ + SOUND_HZ / 5);
}

static void the_speaker_is_heard(void **state)
{
    static SpeakerVoice voice;
    SpeakerEvent tone = {.at_ns = 0, .ticks = 1193, .level = true}, end = {.level = false};
    double top;
    (void)state;
    speaker_voice_init(&voice, &mixer);
    speaker_voice_event(&voice, &tone);
    clock_advance(&clk, 500 * MS);
    end.at_ns = clock_now(&clk);
    speaker_voice_event(&voice, &end);
    clock_advance(&clk, SEC);
    likeness(4800, 19200, 3579545 / 3.0 / 1193, &top);
    assert_true(top > 11000 && top < 14000);
    for (u32 n = 40000; n < 47000; n++) assert_int_equal(heard[n].left, 0);
    assert_null(clk.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOUND_TEST(programs_find_it),
        SOUND_TEST(it_proves_itself_by_dma),
        SOUND_TEST(the_mixer_chooses_lines),
        SOUND_TEST(the_mpu_acknowledges),
        SOUND_TEST(midi_goes_to_the_cable),
        SOUND_TEST(the_cable_has_its_speed),
        SOUND_TEST(the_mpu_shares_the_cards_interrupt),
        SOUND_TEST(a_block_ends_with_its_interrupt),
        SOUND_TEST(a_time_constant_is_a_rate),
        SOUND_TEST(pauses_pause),
        SOUND_TEST(odd_transfers_do_no_harm),
        SOUND_TEST(sixteen_bits_are_heard_as_they_are),
        SOUND_TEST(eight_bits_of_every_rate),
        SOUND_TEST(a_late_host_is_not_heard_within_the_buffer),
        SOUND_TEST(direct_samples_are_heard),
        SOUND_TEST(volumes_are_2_db_a_step),
        SOUND_TEST(an_fm_note_is_heard),
        SOUND_TEST(nobody_listens_and_nothing_is_made),
        SOUND_TEST(a_host_that_slept_begins_anew),
        SOUND_TEST(the_speaker_is_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
