/* speaker_synth.h - samples from the speaker's events, for whoever owns a loudspeaker. See speaker_synth.c. */
#ifndef RING3_SPEAKER_SYNTH_H
#define RING3_SPEAKER_SYNTH_H

#include "hw/speaker.h"

enum { SPEAKER_HZ = 48000, SYNTH_OVERSAMPLING = 8, SYNTH_TAPS = 192 };

typedef struct SpeakerSynth {
    u64 at_sixths;           /* time of the next sample, in sixths of a nanosecond */
    bool level;              /* of the cone's input now */
    bool square;             /* it is a square wave; else, if it is to change, it changes once */
    u64 half_q16;            /* half the period, in 1/65536 of sixths */
    u64 edge_q16;            /* from at_sixths to the next edge; UINT64_MAX: none */
    s32 history[SYNTH_TAPS]; /* the last averages, a ring */
    u32 newest;
    s64 dc_q8; /* the level's mean, which a cone cannot show */
    bool silent;
} SpeakerSynth;

void speaker_synth_init(SpeakerSynth *s, u64 start_ns);
/* speaker_synth - `samples` samples (mono, 48 kHz, signed) of the time from the last call's end on. Takes those of
 * `events`, which are in order, that lie before the end; returns how many. An event of the past is taken as if it
 * were now. No value of an event does harm. */
unsigned speaker_synth(SpeakerSynth *s, const SpeakerEvent *events, unsigned count, s16 *out,
                       unsigned samples);
void speaker_synth_skip(SpeakerSynth *s,
                        u64 now_ns); /* go on from now_ns (earlier or later), as if nothing had been */
/* Nothing more is to be heard until the next event: sound may stop. */
static inline bool speaker_synth_silent(const SpeakerSynth *s) { return s->silent; }

#endif
