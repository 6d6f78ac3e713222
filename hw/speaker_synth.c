/* speaker_synth.c - the speaker's events become samples: exact averages, a low pass, and no direct current.
 *
 * A square wave has overtones without end, and taking its level at 48,000 points a second would fold them down into
 * false tones. So the input is averaged exactly over eighths of a sample (384 kHz) and these averages pass a low
 * pass of 192 taps: a sinc at 11 kHz under a Hamming window, flat to 8 kHz and below -57 dB from 15 kHz on. That is about
 * what the small cone does, and it is what makes sound of pulse width modulation: its carrier, at 16 kHz and more,
 * goes, and the pulses' mean stays.
 *
 * Time is counted in sixths of a nanosecond, of which an eighth of a sample has 15625 exactly, and edges in 1/65536 of
 * those.
 * All integers: the window's process may use it, and so may tests.
 */
#include "hw/speaker_synth.h"

enum {
    SIXTHS = 6,
    EIGHTH = 15625,
    FULL_SCALE = 20000,
    COEFFICIENT_ONE = 1 << 16,
    DC_SHIFT = 8,
    SILENT_LEVEL = 8
};
#define NO_EDGE    UINT64_MAX
#define EIGHTH_Q16 ((u64)EIGHTH << 16)
/* a tick of 3 / 3579545 s, in 1/65536 of sixths of a nanosecond */
#define TICKS_TO_Q16(ticks) muldiv64(ticks, 18000000000ull * 65536, 3579545)

/* The first half; the other is its mirror. Sum of all: 65536. */
static const s16 taps[SYNTH_TAPS / 2] = {
    -17,  -17,  -16,  -15,  -13,  -11,  -8,   -5,   -1,   3,    8,    13,   18,   23,   28,   33,
    37,   40,   42,   42,   42,   39,   34,   27,   19,   8,    -4,   -18,  -33,  -48,  -64,  -79,
    -93,  -105, -115, -121, -123, -121, -114, -102, -85,  -63,  -36,  -5,   30,   68,   107,  146,
    183,  218,  249,  273,  290,  298,  295,  282,  258,  221,  173,  114,  45,   -33,  -117, -205,
    -295, -384, -468, -543, -608, -657, -688, -698, -683, -643, -574, -477, -350, -194, -9,   202,
    437,  692,  964,  1249, 1541, 1835, 2126, 2408, 2676, 2924, 3147, 3340, 3500, 3624, 3707, 3748,
};

/* --- the input ------------------------------------------------------------------------------------------- */

static void event_take(SpeakerSynth *s, const SpeakerEvent *e)
{
    bool was_square = s->square;
    s->square = e->ticks && e->level;
    s->silent = false;
    if (s->square) {
        s->half_q16 = TICKS_TO_Q16(e->ticks) / 2;
        if (was_square) return; /* in phase: the present half ends as it began */
        s->level = true;
        s->edge_q16 = s->half_q16;
        return;
    }
    s->level = e->level;
    s->edge_q16 = e->ticks ? TICKS_TO_Q16(e->ticks) : NO_EDGE;
}

static void edge_pass(SpeakerSynth *s)
{
    s->level = !s->level;
    s->edge_q16 = s->square ? s->half_q16 : NO_EDGE;
}

/* How long the input is high during the next `length`; edges move on. */
static u64 high_during(SpeakerSynth *s, u64 length)
{
    u64 high = 0;
    while (s->edge_q16 <= length) {
        if (s->level) high += s->edge_q16;
        length -= s->edge_q16;
        edge_pass(s);
    }
    if (s->edge_q16 != NO_EDGE) s->edge_q16 -= length;
    return s->level ? high + length : high;
}

/* The average of an eighth of a sample, 0 to EIGHTH, in which events may lie. */
static s32 eighth_average(SpeakerSynth *s, const SpeakerEvent **event, const SpeakerEvent *end)
{
    u64 left = EIGHTH_Q16, high = 0, from = s->at_sixths;
    while (*event < end && (*event)->at_ns * SIXTHS < s->at_sixths + EIGHTH) {
        u64 at = (*event)->at_ns * SIXTHS > from ? (*event)->at_ns * SIXTHS : from;
        u64 length = (at - from) << 16;
        high += high_during(s, length);
        left -= length;
        from = at;
        event_take(s, (*event)++);
    }
    high += high_during(s, left);
    s->at_sixths += EIGHTH;
    return (s32)(high >> 16);
}

/* --- the output ------------------------------------------------------------------------------------------ */

static s32 low_pass(const SpeakerSynth *s)
{
    s64 sum = 0;
    for (u32 n = 0; n < SYNTH_TAPS; n++) {
        u32 tap = n < SYNTH_TAPS / 2 ? n : SYNTH_TAPS - 1 - n;
        sum += (s64)taps[tap] * s->history[(s->newest + n) % SYNTH_TAPS];
    }
    return (s32)(sum * FULL_SCALE / EIGHTH / COEFFICIENT_ONE);
}

/* A cone springs back: frequencies below 30 Hz go. */
static s16 without_dc(SpeakerSynth *s, s32 v)
{
    s64 over_q8 = (s64)v * 256 - s->dc_q8;
    s->dc_q8 += over_q8 >> DC_SHIFT;
    s64 y = over_q8 >> 8;
    return (s16)(y > INT16_MAX ? INT16_MAX : y < INT16_MIN ? INT16_MIN : y);
}

unsigned speaker_synth(SpeakerSynth *s, const SpeakerEvent *events, unsigned count, s16 *out,
                       unsigned samples)
{
    const SpeakerEvent *event = events, *end = events + count;
    bool audible = false;
    for (unsigned n = 0; n < samples; n++) {
        for (unsigned q = 0; q < SYNTH_OVERSAMPLING; q++) {
            s->history[s->newest] = eighth_average(s, &event, end);
            s->newest = (s->newest + 1) % SYNTH_TAPS;
        }
        out[n] = without_dc(s, low_pass(s));
        audible |= out[n] > SILENT_LEVEL || out[n] < -SILENT_LEVEL;
    }
    s->silent = !audible && s->edge_q16 == NO_EDGE;
    return (unsigned)(event - events);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void speaker_synth_skip(SpeakerSynth *s, u64 now_ns) { s->at_sixths = now_ns * SIXTHS; }

void speaker_synth_init(SpeakerSynth *s, u64 start_ns)
{
    *s = (SpeakerSynth){.edge_q16 = NO_EDGE, .silent = true};
    speaker_synth_skip(s, start_ns);
}
