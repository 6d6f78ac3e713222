/* hw_opl3.c - YMF262: its ROMs by their formulas, detection by timers, and what a patch sounds like: pitch, sidebands,
 * waves, envelopes' times from the application manual's table, panning, four operators, rhythm, tremolo and vibrato. */
#include "hw_bench.h"

#include <math.h>
#include <stdlib.h>

#include "hw/fixed_math.h"
#include "hw/opl3.h"

static Opl3 opl;
enum { A = 0x388, D, A2, D2, SAMPLES = 1 << 16 };
static s16 sound[2 * SAMPLES];
static const double HZ = 14318180.0 / 288;

static int setup(void **state)
{
    (void)state;
    bench_up();
    opl3_init(&opl, &clk);
    bus_add_ports(bus, A, OPL3_PORTS, &opl3_ops, &opl, "opl3");
    return 0;
}

static void reg(u16 at, u8 v)
{
    out(at & 0x100 ? A2 : A, (u8)at);
    out(at & 0x100 ? D2 : D, v);
}

/* --- spectra --------------------------------------------------------------------------------------------- */

/* The amplitude of a frequency in the left channel, by a sum under a Hann window. */
static double amplitude(double hz)
{
    double re = 0, im = 0;
    for (u32 n = 0; n < SAMPLES; n++) {
        double w = 1 - cos(2 * M_PI * n / SAMPLES), t = 2 * M_PI * hz * n / HZ;
        re += w * sound[2 * n] * cos(t), im += w * sound[2 * n] * sin(t);
    }
    return 2 * hypot(re, im) / SAMPLES;
}

/* The frequency near hz at which the amplitude is greatest, to 0.01 %. */
static double peak_near(double hz)
{
    double best = 0, at = 0;
    for (double f = hz * 0.995; f < hz * 1.005; f += hz * 1e-4) {
        double a = amplitude(f);
        if (a > best) best = a, at = f;
    }
    return at;
}

static double loudest(u32 side)
{
    double most = 0;
    for (u32 n = 0; n < SAMPLES; n++) most = fmax(most, abs(sound[2 * n + side]));
    return most;
}

/* --- patches --------------------------------------------------------------------------------------------- */

/* Channel 0: operators at 20h (modulator; OFF: it never begins) and 23h (carrier), which begin at once and stay. */
enum { OFF = 63 };
static void patch(u8 modulator_level, u8 connection)
{
    reg(0x105, 1);
    reg(0x20, 0x21), reg(0x23, 0x21);
    reg(0x40, modulator_level), reg(0x43, 0);
    reg(0x60, modulator_level == OFF ? 0 : 0xf0), reg(0x63, 0xf0);
    reg(0x80, 0x0f), reg(0x83, 0x0f);
    reg(0xe0, 0), reg(0xe3, 0);
    reg(0xc0, 0x30 | connection);
}

static void note(u16 f_number, u8 block)
{
    reg(0xa0, (u8)f_number);
    reg(0xb0, (u8)(0x20 | block << 2 | f_number >> 8));
}

static double pitch(u16 f_number, u8 block) { return f_number * HZ / (1 << (20 - block)); }

/* --- tests ----------------------------------------------------------------------------------------------- */

static void roms_are_their_formulas(void **state)
{
    (void)state;
    for (u32 n = 0; n < 256; n++) {
        assert_int_equal(opl.log_sine[n], lround(-log2(sin((n + 0.5) * M_PI / 512)) * 256));
        assert_int_equal(opl.exponent[n], lround((exp2(n / 256.0) - 1) * 1024));
    }
    assert_int_equal(opl.log_sine[0], 2137);
    assert_int_equal(opl.exponent[255], 1018);
    for (u32 n = 0; n < 1000; n++) {
        u32 turn = n * 4294967u;
        assert_true(fabs(ldexp((double)fixed_sin(turn), -60) - sin(2 * M_PI * ldexp(turn, -32))) < 1e-14);
    }
}

/* As the AdLib's programming guide has it: reset, timer 1 for 80 us, look; then the same without waiting. */
static void programs_detect_it_by_its_timers(void **state)
{
    (void)state;
    reg(4, 0x60), reg(4, 0x80);
    assert_int_equal(in(A), 0x00); /* bits 1 and 2: no YM3812 */
    reg(2, 0xff), reg(4, 0x21);
    assert_int_equal(in(A)&0xe0, 0);
    clock_advance(&clk, 79 * US);
    assert_int_equal(in(A)&0xe0, 0);
    clock_advance(&clk, 2 * US);
    assert_int_equal(in(A)&0xe0, 0xc0);
    reg(4, 0x60), reg(4, 0x80);
    assert_int_equal(in(A)&0xe0, 0);
    clock_advance(&clk, SEC);
    assert_int_equal(in(A)&0xe0, 0); /* stopped */
    reg(3, 0xfe), reg(4, 0x42);
    clock_advance(&clk, 640 * US);
    assert_int_equal(in(A)&0xe0, 0);
    clock_advance(&clk, 4 * US);
    assert_int_equal(in(A)&0xe0, 0xa0);
    reg(4, 0x80); /* it runs on */
    assert_int_equal(in(A), 0);
    clock_advance(&clk, 644 * US);
    assert_int_equal(in(A)&0xe0, 0xa0);
    reg(4, 0x22); /* masked */
    assert_int_equal(in(A), 0);
    clock_advance(&clk, SEC);
    assert_int_equal(in(A), 0);
}

/* The clock stands nearly still: a fast processor, whose loops of reads took the ISA bus's time. */
static void reads_take_the_time_of_the_bus(void **state)
{
    (void)state;
    for (u32 round = 0; round < 3; round++) {
        for (u32 n = 0; n < 244; n++) { /* each register, and the wait behind it */
            reg(n + 1, 0);
            for (u32 k = 0; k < 35; k++) in(A);
        }
        reg(4, 0x60), reg(4, 0x80);
        assert_int_equal(in(A)&0xe0, 0);
        reg(2, 0xff), reg(4, 0x21);
        for (u32 n = 0; n < 70; n++) assert_int_equal(in(A)&0xe0, 0);
        for (u32 n = 0; n < 30; n++) in(A);
        assert_int_equal(in(A)&0xe0, 0xc0);
    }
    reg(4, 0x60), reg(4, 0x80); /* who waits by a clock instead waits no longer */
    for (u32 k = 0; k < 100000; k++) in(A);
    reg(4, 0x21);
    clock_advance(&clk, 81 * US);
    assert_int_equal(in(A)&0xe0, 0xc0);
    reg(4, 0x60), reg(4, 0x80);
    reg(3, 256 - 63), reg(4, 0x42); /* 20.3 ms: reads do not make it run faster than by a millisecond */
    for (u32 ms = 0; ms < 19; ms++) {
        for (u32 k = 0; k < 10000; k++) assert_int_equal(in(A)&0xe0, 0);
        clock_advance(&clk, 1000 * US);
    }
    clock_advance(&clk, 1300 * US);
    assert_int_equal(in(A)&0xe0, 0xa0);
    reg(4, 0x80);
    clock_advance(&clk, 20200 * US);
    assert_int_equal(in(A)&0xe0, 0);
    clock_advance(&clk, 100 * US);
    assert_int_equal(in(A)&0xe0, 0xa0);
}

static void a_sine_has_its_pitch(void **state)
{
    static const struct {
        u16 f;
        u8 block, multiple;
        double times;
    } notes[] = {
        {0x244, 4, 1, 1}, {0x3ff, 2, 1, 1}, {0x157, 6, 2, 2}, {0x2ae, 5, 0, 0.5}, {0x200, 3, 11, 10}};
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(notes); n++) {
        patch(OFF, 0);
        reg(0x23, 0x20 | notes[n].multiple);
        note(notes[n].f, notes[n].block);
        opl3_render(&opl, sound, SAMPLES);
        double hz = pitch(notes[n].f, notes[n].block) * notes[n].times, top = amplitude(hz);
        assert_true(fabs(peak_near(hz) / hz - 1) < 1e-3);
        assert_true(top > 4000 && top < 4200); /* 13 bits */
        for (u32 k = 2; k < 6; k++) assert_true(amplitude(k * hz) < top / 300);
        reg(0xb0, 0);
    }
}

/* A sine that modulates a sine by `index`: the lines are Bessel's functions of it (negative frequencies fold up). */
static void two_operators_have_sidebands(void **state)
{
    (void)state;
    const u8 level = 24; /* 0.75 dB each, which is an eighth of a power of two */
    patch(level, 0);
    reg(0x20, 0x22); /* twice the carrier's */
    note(0x244, 5);
    opl3_render(&opl, sound, SAMPLES);
    double index = 2 * M_PI * 4084 / 1024 * exp2(-level / 8.0), c = pitch(0x244, 5), top = 4084;
    for (int k = 0; k < 4; k++) {
        double expected = fabs(jn(k, index) + (k % 2 ? -1 : 1) * jn(k + 1, index));
        assert_true(fabs(amplitude((2 * k + 1) * c) / top - expected) < 0.01);
    }
    assert_true(amplitude(2 * c) < top / 200 && amplitude(4 * c) < top / 200);
}

/* Nothing folds. */
static void a_low_modulator_has_bessels_lines(void **state)
{
    (void)state;
    patch(32, 0);
    reg(0x23, 0x2a); /* ten times the modulator's */
    note(0x155, 4);
    opl3_render(&opl, sound, SAMPLES);
    double index = 2 * M_PI * 4084 / 1024 * exp2(-32 / 8.0), c = 10 * pitch(0x155, 4);
    for (int k = -4; k <= 4; k++) {
        double got = amplitude(c + k * c / 10) / 4084;
        assert_true(fabs(got - fabs(jn(abs(k), index))) < 0.01);
    }
}

static void waves_are_the_eight(void **state)
{
    (void)state;
    for (u8 w = 0; w < 8; w++) {
        patch(OFF, 0);
        reg(0xe3, w);
        note(0x200, 2); /* 512 << 2 >> 1: a step of 1024 / 2^19, so 512 samples a turn */
        opl3_render(&opl, sound, 1024);
        for (u32 n = 1; n < 512; n++) { /* before the first sample is over the envelope is still up */
            double x = (n + 0.25) / 512, s = sin(2 * M_PI * x), d = sin(4 * M_PI * x), y = 0;
            switch (w) {
            case 0: y = s; break;
            case 1: y = s > 0 ? s : 0; break;
            case 2: y = fabs(s); break;
            case 3: y = fmod(x, 0.5) < 0.25 ? fabs(s) : 0; break;
            case 4: y = x < 0.5 ? d : 0; break;
            case 5: y = x < 0.5 ? fabs(d) : 0; break;
            case 6: y = x < 0.5 ? 1 : -1; break;
            default: y = x < 0.5 ? exp2(n / -16.0) : -exp2(-(512 - (double)n) / 16);
            }
            assert_true(fabs(sound[2 * n] - 4084 * y) < (w == 7 ? 100 : 40));
        }
        reg(0xb0, 0);
        opl3_render(&opl, sound, 1024); /* the release's end */
        assert_int_equal(sound[2000], 0);
    }
}

/* ms for samples at the 3.6 MHz of the manual's tables */
static double manual_ms(u32 samples) { return samples / 50.0; }

static u32 samples_until(bool attack, u16 attenuation)
{
    s16 frame[2];
    Opl3Operator *op = &opl.op[3];
    for (u32 n = 0; n < 4000000; n++) {
        if (attack ? op->attenuation <= attenuation : op->attenuation >= attenuation) return n;
        opl3_render(&opl, frame, 1);
    }
    return 0;
}

/* YM3812 Application Manual, "Attack Rate Time", "Decay and Release Rate Time", 0 to 100 %, by RATE. */
static void envelopes_take_the_tables_time(void **state)
{
    static const struct {
        u8 rate; /* the register's: RATE is four times that */
        double attack_ms, decay_ms;
    } rows[] = {{4, 353.28, 4910.08}, {5, 176.64, 2455.04}, {6, 88.32, 1227.52}, {7, 44.16, 613.76},
                {8, 22.08, 306.88},   {9, 11.04, 153.44},   {10, 5.52, 76.72},   {11, 2.76, 38.36}};
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(rows); n++) {
        patch(OFF, 0);
        reg(0x63, (u8)(rows[n].rate << 4 | rows[n].rate));
        reg(0x83, 0xf0);
        note(0x100, 0);
        double attack = manual_ms(samples_until(true, 0)), decay = manual_ms(samples_until(false, 480));
        assert_true(fabs(decay / rows[n].decay_ms - 1) < 0.02);
        assert_true(fabs(attack / rows[n].attack_ms - 1) < 0.02);
        opl3_reset(&opl);
    }
}

static void keys_hold_and_release(void **state)
{
    s16 frame[2];
    (void)state;
    patch(OFF, 0);
    reg(0x63, 0xf8), reg(0x83, 0x4a); /* decays to -12 dB, and stays there */
    note(0x200, 4);
    for (u32 n = 0; n < 50000; n++) opl3_render(&opl, frame, 1);
    assert_int_equal(opl.op[3].attenuation, 64);
    assert_false(opl3_silent(&opl));
    reg(0xb0, 0x10);
    for (u32 n = 0; n < 50000; n++) opl3_render(&opl, frame, 1);
    assert_int_equal(opl.op[3].attenuation, 511);
    assert_true(opl3_silent(&opl));
    reg(0x23, 0x01); /* percussive: it does not stay */
    note(0x200, 4);
    for (u32 n = 0; n < 50000; n++) opl3_render(&opl, frame, 1);
    assert_true(opl3_silent(&opl));
}

static void levels_and_key_scaling_attenuate(void **state)
{
    (void)state;
    const double full = 4084;
    for (u8 level = 0; level < 40; level += 13) {
        patch(OFF, 0);
        reg(0x43, level);
        note(0x200, 4);
        opl3_render(&opl, sound, SAMPLES);
        assert_true(fabs(20 * log10(loudest(0) / full) + 0.75 * level) < 0.1);
    }
    for (u8 ksl = 0; ksl < 4;
         ksl++) { /* 5 octaves up, 21 - 6 = 15 dB at 3 dB an octave: the manual's table */
        static const double db[] = {0, 15, 7.5, 30};
        patch(OFF, 0);
        reg(0x43, (u8)(ksl << 6));
        note(0x3ff, 5);
        opl3_render(&opl, sound, SAMPLES);
        assert_true(fabs(20 * log10(loudest(0) / full) + db[ksl]) < 0.3);
    }
}

static void sides_are_chosen(void **state)
{
    (void)state;
    for (u8 side = 0; side < 4; side++) {
        patch(OFF, 0);
        reg(0xc0, (u8)(side << 4));
        note(0x200, 4);
        opl3_render(&opl, sound, SAMPLES);
        assert_int_equal(loudest(0) > 0, side & 1);
        assert_int_equal(loudest(1) > 0, side >> 1);
    }
    reg(0x105, 0); /* as a YM3812: both */
    opl3_render(&opl, sound, SAMPLES);
    assert_true(loudest(0) > 4000 && loudest(1) > 4000);
}

static void the_second_bank_needs_new(void **state)
{
    (void)state;
    reg(0x1c0, 0x31);
    assert_int_equal(opl.reg[0x1c0], 0);
    assert_int_equal(opl.reg[0xc0], 0x31);
    reg(0x105, 1), reg(0x1c0, 0x31);
    assert_int_equal(opl.reg[0x1c0], 0x31);
}

/* Of four operators the second and fourth of both pairs: who is heard by the two CNT bits. */
static void four_operators_are_joined(void **state)
{
    static const u8 heard[4] = {1, 2, 2, 3}; /* sines of the loud carriers: of ops 4; 2+4; 1+4; 1+3+4 */
    (void)state;
    for (u8 cnt = 0; cnt < 4; cnt++) {
        patch(0, cnt & 1);
        reg(0x104, 1);
        for (u8 n = 0; n < 4; n++) {
            u8 at = (u8)(n * 3 + (n > 1 ? 2 : 0)); /* 0, 3, 8, 11 */
            bool carrier = n == 3 || (n == 0 && cnt & 1) || (n == 1 && cnt == 2) || (n == 2 && cnt == 3);
            reg(0x20 + at, (u8)(0x21 + n)), reg(0x60 + at, 0xf0), reg(0x80 + at, 0x0f), reg(0xe0 + at, 0);
            reg(0x40 + at, carrier ? 0 : 63);
        }
        reg(0xc3, (u8)(0x30 | cnt >> 1));
        note(0x200, 3);
        opl3_render(&opl, sound, SAMPLES);
        u32 lines = 0;
        for (u32 n = 1; n <= 4; n++) lines += amplitude(n * pitch(0x200, 3)) > 3700;
        assert_int_equal(lines, heard[cnt]);
        reg(0xb0, 0);
        opl3_render(&opl, sound, 4096);
    }
}

static void rhythm_keys_sound(void **state)
{
    /* cymbal at 45 degrees, high hat at 73 or 18: the others at 90 */
    static const double top[] = {0.957, 0.707, 1, 1, 1};
    (void)state;
    for (u8 bit = 0; bit < 5; bit++) {
        for (u8 n = 0; n < 6; n++) {
            reg(0x30 + n, 0x21), reg(0x50 + n, 0), reg(0x70 + n, 0xf0), reg(0x90 + n, 0x0f);
        }
        for (u8 n = 6; n < 9; n++) reg(0xa0 + n, 0x57), reg(0xb0 + n, 0x09);
        reg(0xbd, 0x20);
        assert_true(opl3_silent(&opl));
        reg(0xbd, (u8)(0x20 | BIT(bit)));
        assert_false(opl3_silent(&opl));
        opl3_render(&opl, sound, SAMPLES);
        assert_true(fabs(loudest(0) / 8168 - top[bit]) < 0.01);
        reg(0xbd, 0x20);
        opl3_render(&opl, sound, 4096);
        assert_true(opl3_silent(&opl));
    }
}

static void tremolo_is_as_deep_as_said(void **state)
{
    (void)state;
    for (u8 deep = 0; deep < 2; deep++) {
        patch(OFF, 0);
        reg(0xbd, (u8)(deep << 7));
        reg(0x23, 0xa1);
        note(0x200, 6);
        opl3_render(&opl, sound, SAMPLES);
        double least = 1e9, most = 0;
        for (u32 from = 0; from + 512 < SAMPLES; from += 512) {
            double top = 0;
            for (u32 n = from; n < from + 512; n++) top = fmax(top, abs(sound[2 * n]));
            least = fmin(least, top), most = fmax(most, top);
        }
        assert_true(fabs(20 * log10(most / least) - (deep ? 4.8 : 1.0)) < 0.25);
        reg(0xb0, 0);
    }
}

/* The F-number goes 7 up and 7 down, or 3: 12 cents at most, in steps of 1024 samples. */
static void vibrato_has_eight_steps(void **state)
{
    static const int deep[] = {0, 3, 7, 3, 0, -3, -7, -3}, flat[] = {0, 1, 3, 1, 0, -1, -3, -1};
    (void)state;
    for (u8 is_deep = 0; is_deep < 2; is_deep++) {
        opl3_reset(&opl);
        patch(OFF, 0);
        reg(0xbd, (u8)(is_deep << 6)), reg(0x23, 0x61);
        note(0x3ff, 1);
        for (u32 step = 0; step < 8; step++) {
            opl3_render(&opl, sound, 1023);
            u32 before = opl.op[3].phase;
            opl3_render(&opl, sound, 1);
            u32 moved = (opl.op[3].phase - before) & 0x7ffff;
            assert_int_equal(moved, 0x3ff + (is_deep ? deep : flat)[step]);
        }
    }
}

/* No register's value does harm, and silence is silence. */
static void any_value_is_played(void **state)
{
    u64 seed = 1;
    (void)state;
    for (u32 n = 0; n < 20000; n++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        u32 r = (u32)(seed >> 32);
        out((u16)(A + (r & 3)), (u8)(r >> 8));
        if (r % 32 == 0) reg((u16)(0xb0 + (r >> 16) % 9 + (r >> 24 & 1) * 256), (u8)(r >> 8));
        if (r % 64 == 0) opl3_render(&opl, sound, r >> 20 & 255);
        if (r % 128 == 0) clock_advance(&clk, r >> 8), in(A);
    }
    opl3_reset(&opl);
    assert_true(opl3_silent(&opl));
    opl3_render(&opl, sound, SAMPLES);
    assert_true(loudest(0) == 0 && loudest(1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(roms_are_their_formulas),
        TEST(programs_detect_it_by_its_timers),
        TEST(reads_take_the_time_of_the_bus),
        TEST(a_sine_has_its_pitch),
        TEST(two_operators_have_sidebands),
        TEST(a_low_modulator_has_bessels_lines),
        TEST(waves_are_the_eight),
        TEST(envelopes_take_the_tables_time),
        TEST(keys_hold_and_release),
        TEST(levels_and_key_scaling_attenuate),
        TEST(sides_are_chosen),
        TEST(the_second_bank_needs_new),
        TEST(four_operators_are_joined),
        TEST(rhythm_keys_sound),
        TEST(tremolo_is_as_deep_as_said),
        TEST(vibrato_has_eight_steps),
        TEST(any_value_is_played),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
