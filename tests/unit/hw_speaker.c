/* hw_speaker.c - port 61h and channel 2 become events, and events become sound: tones, and both kinds of digital sound. */
#include "hw_bench.h"

#include <math.h>
#include <stdlib.h>

#include "hw/speaker_synth.h"
#include "hw/sysctl.h"

enum { EVENTS = 40000, TICKS_A_SECOND = 1193182 };

static Pit pit;
static Speaker speaker;
static Sysctl sysctl;
static Wire wire;
static SpeakerEvent events[EVENTS];
static unsigned event_count;
static s16 sound[SPEAKER_HZ];

static void heard(void *ctx, const SpeakerEvent *e)
{
    (void)ctx;
    if (event_count < EVENTS) events[event_count++] = *e;
}

static int setup(void **state)
{
    (void)state;
    bench_up();
    event_count = 0;
    pit_init(&pit, bus, &clk, wire_line(&wire));
    speaker_init(&speaker, &pit, &clk, heard, NULL);
    sysctl_init(&sysctl, bus, &pit, &speaker, wire_line(&wire), wire_line(&wire), wire_line(&wire));
    return 0;
}

static void check_event(unsigned n, u64 at_ns, u32 ticks, bool level)
{
    assert_true(n < event_count);
    assert_int_equal(events[n].at_ns, at_ns);
    assert_int_equal(events[n].ticks, ticks);
    assert_int_equal(events[n].level, level);
}

static void count2(u16 count) { out2(0x42, (u8)count, (u8)(count >> 8)); }

static void tone(u16 ticks) /* as every BIOS and BASIC does it */
{
    out(0x43, 0xb6);
    count2(ticks);
    out(0x61, in(0x61) | 3);
}

/* --- events ------------------------------------------------------------------------------------------------ */

static void a_beep_is_two_events(void **state)
{
    (void)state;
    clock_advance(&clk, 5 * MS);
    tone(1193);
    assert_int_equal(event_count, 1);
    check_event(0, 5 * MS, 1193, true);
    clock_advance(&clk, 200 * MS);
    assert_int_equal(event_count, 1);
    out(0x61, in(0x61) & ~3);
    check_event(event_count - 1, 205 * MS, 0, false);
}

static void a_new_count_is_a_new_tone(void **state)
{
    (void)state;
    tone(1000);
    clock_advance(&clk, 10 * MS);
    count2(2000); /* the counter takes it at its cycle's end */
    check_event(1, 10 * MS, 2000, true);
    count2(2000);
    assert_int_equal(event_count, 2); /* no news */
    out(0x43, 0xb6);
    check_event(2, 10 * MS, 0, true); /* stands still, high */
    count2(0);
    check_event(3, 10 * MS, 65536, true);
}

static void the_data_bit_alone_moves_the_cone(void **state)
{
    (void)state;
    for (int n = 0; n < 3; n++) {
        out(0x61, 2), clock_advance(&clk, 100 * US);
        out(0x61, 0), clock_advance(&clk, 100 * US);
    }
    assert_int_equal(event_count, 6);
    check_event(2, 200 * US, 0, true);
    check_event(3, 300 * US, 0, false);
}

static void pulses_of_mode_0(void **state)
{
    (void)state;
    out(0x61, 3), out(0x43, 0x90); /* low byte only */
    check_event(event_count - 1, 0, 0, false);
    out(0x42, 40);
    check_event(event_count - 1, 0, 40, false);
    clock_advance(&clk, 60 * US);
    out(0x42, 40); /* the same again is another pulse */
    check_event(event_count - 1, 60 * US, 40, false);
}

static void nothing_is_said_while_the_speaker_is_off(void **state)
{
    (void)state;
    out(0x61, 1), out(0x43, 0xb6), count2(500), count2(600);
    assert_int_equal(event_count, 0);
    tone(700);
    sysctl_reset(&sysctl);
    check_event(event_count - 1, 0, 0, false);
}

/* --- sound ------------------------------------------------------------------------------------------------- */

static void a_second_of_sound(void) /* of what was heard so far, after a second to settle */
{
    SpeakerSynth synth;
    speaker_synth_init(&synth, 0);
    unsigned taken = speaker_synth(&synth, events, event_count, sound, SPEAKER_HZ);
    taken += speaker_synth(&synth, events + taken, event_count - taken, sound, SPEAKER_HZ);
    assert_true(taken <= event_count);
}

static unsigned cycles(void)
{
    unsigned n = 0;
    for (unsigned i = 1; i < SPEAKER_HZ; i++) n += sound[i - 1] < 0 && sound[i] >= 0;
    return n;
}

static double power_all(void)
{
    double sum = 0;
    for (unsigned i = 0; i < SPEAKER_HZ; i++) sum += (double)sound[i] * sound[i];
    return sum / SPEAKER_HZ;
}

static double power_at(double hz)
{
    double re = 0, im = 0;
    for (unsigned i = 0; i < SPEAKER_HZ; i++) {
        re += sound[i] * cos(2 * M_PI * hz * i / SPEAKER_HZ);
        im += sound[i] * sin(2 * M_PI * hz * i / SPEAKER_HZ);
    }
    return 2 * (re * re + im * im) / SPEAKER_HZ / SPEAKER_HZ;
}

static void tones_have_their_frequency(void **state)
{
    (void)state;
    static const u16 ticks[] = {36157, 11932, 2712, 1193, 298, 149};
    for (unsigned n = 0; n < ARRAY_LEN(ticks); n++) {
        event_count = 0;
        out(0x61, 0);
        event_count = 0;
        tone(ticks[n]);
        a_second_of_sound();
        assert_in_range(cycles(), TICKS_A_SECOND / ticks[n] - 1, TICKS_A_SECOND / ticks[n] + 1);
    }
}

static void a_tone_is_clean(void **state)
{
    (void)state;
    tone(170); /* 7018.7 Hz: all its overtones are beyond hearing, so only false tones could be there */
    a_second_of_sound();
    double all = power_all(), one = power_at(TICKS_A_SECOND / 170.0);
    assert_true(one > 30e6 && one < 100e6); /* a loud one: 10000 * 4 / pi, root mean square */
    assert_true(all - one < one * 1e-4);
    event_count = 0;
    out(0x61, 0);
    event_count = 0;
    tone(30); /* 40 kHz */
    a_second_of_sound();
    assert_true(power_all() < one * 1e-6);
}

static void pulse_widths_make_sound(void **state)
{
    (void)state;
    out(0x61, 3), out(0x43, 0x90);
    for (unsigned n = 0; n < 2 * 18700; n++) { /* 18.6 kHz, carrying 440 Hz */
        clock_advance(&clk, pit_tick_ns(n * 64ull + 64) - clock_now(&clk));
        out(0x42, (u8)(32 + 28 * sin(2 * M_PI * 440 * n / (TICKS_A_SECOND / 64.0))));
    }
    a_second_of_sound();
    assert_in_range(cycles(), 439, 441);
    assert_true(power_at(440) > power_all() * 0.95);
}

static void the_data_bit_makes_sound(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 4000; n++) { /* 1000 Hz by hand, for two seconds */
        out(0x61, n & 1 ? 2 : 0);
        clock_advance(&clk, 500 * US);
    }
    a_second_of_sound();
    assert_in_range(cycles(), 999, 1001);
}

static void silence_is_known(void **state)
{
    (void)state;
    SpeakerSynth synth;
    SpeakerEvent high = {.at_ns = 0, .level = true}, square = {.at_ns = 1, .ticks = 1000, .level = true};
    speaker_synth_init(&synth, 0);
    assert_true(speaker_synth_silent(&synth));
    assert_int_equal(speaker_synth(&synth, &high, 1, sound, 480), 1);
    assert_false(speaker_synth_silent(&synth)); /* a click */
    speaker_synth(&synth, NULL, 0, sound, SPEAKER_HZ);
    speaker_synth(&synth, NULL, 0, sound, 480);
    assert_true(speaker_synth_silent(&synth)); /* the cone came back, though the level is high */
    speaker_synth(&synth, &square, 1, sound, 480);
    speaker_synth(&synth, NULL, 0, sound, SPEAKER_HZ);
    assert_false(speaker_synth_silent(&synth));
}

static void events_are_taken_when_their_time_comes(void **state)
{
    (void)state;
    SpeakerSynth synth;
    SpeakerEvent two[] = {{.at_ns = 5 * MS, .level = true}, {.at_ns = 15 * MS, .level = false}};
    speaker_synth_init(&synth, 0);
    assert_int_equal(speaker_synth(&synth, two, 2, sound, 480), 1); /* 10 ms */
    for (unsigned n = 0; n < 220; n++) assert_int_equal(sound[n], 0);
    assert_true(sound[300] > 5000);
    assert_int_equal(speaker_synth(&synth, two + 1, 1, sound, 480), 1);
    speaker_synth_skip(&synth, 100 * MS);
    assert_int_equal(speaker_synth(&synth, two, 2, sound, 1), 2); /* long gone: taken at once */
}

static void no_event_does_harm(void **state)
{
    SpeakerSynth synth;
    u64 seed = 1;
    (void)state;
    speaker_synth_init(&synth, 0);
    for (unsigned n = 0; n < 3000; n++) {
        SpeakerEvent e[4];
        for (unsigned i = 0; i < ARRAY_LEN(e); i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            u64 r = seed >> 20;
            e[i] = (SpeakerEvent){
                .at_ns = r & 1 ? seed : r % 1000000, .ticks = (u32)(r >> 3) >> (r & 31), .level = r & 4};
        }
        speaker_synth(&synth, e, ARRAY_LEN(e), sound, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_beep_is_two_events),
        TEST(a_new_count_is_a_new_tone),
        TEST(the_data_bit_alone_moves_the_cone),
        TEST(pulses_of_mode_0),
        TEST(nothing_is_said_while_the_speaker_is_off),
        TEST(tones_have_their_frequency),
        TEST(a_tone_is_clean),
        TEST(pulse_widths_make_sound),
        TEST(the_data_bit_makes_sound),
        TEST(silence_is_known),
        TEST(events_are_taken_when_their_time_comes),
        TEST(no_event_does_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
