/* pcm.h - a stream of samples that a PCI sound card fetches from memory, or puts there, each at its time. See pcm.c. */
#ifndef RING3_PCM_H
#define RING3_PCM_H

#include "hw/sound.h"
#include "hw/state.h"

enum { PCM_HZ_MIN = 4000, PCM_HZ_MAX = 48000, PCM_FRAME_BYTES = 4 };
enum { PCM_STEREO = 1, PCM_WIDE = 2, PCM_INPUT = 4, PCM_FORMATS = 8 }; /* wide: s16, else unsigned bytes */

/* What a chip does for its stream number n. */
typedef struct PcmChip {
    /* Frames until the stream's next event, at least 1. */
    u32 (*left)(void *chip, unsigned n);
    /* `count` frames, no more than are left, come from memory into `bytes`; of an input they go there. */
    void (*move)(void *chip, unsigned n, u8 *bytes, u32 count);
    /* These frames are over: the event, if it is one's time. True: what comes next the guest cannot have filled yet. */
    bool (*passed)(void *chip, unsigned n, u32 count);
} PcmChip;

typedef struct Pcm {
    /* guest state */
    bool runs;
    u8 format; /* PCM_ bits */
    u32 hz;
    u32 portion;        /* frames, of which the last is due when the timer fires */
    u64 since_ns, done; /* guest time of frame 0; frames since */
    Timer timer;
    /* wires */
    Clock *clock;
    Sound *sound;
    SoundVoice voice;
    u32 gain[2]; /* left and right, in 1/65536: the chip's mixer sets it */
    const PcmChip *ops;
    void *chip;
    unsigned n;
} Pcm;

void pcm_init(Pcm *p, Clock *clock, Sound *sound, const PcmChip *ops, void *chip, unsigned n);
/* pcm_follow - whether the stream runs from now on, and how: hz from PCM_HZ_MIN to PCM_HZ_MAX. As before: nothing. */
void pcm_follow(Pcm *p, bool runs, u32 hz, u8 format);
void pcm_reset(Pcm *p);
void pcm_state(Pcm *p, State *s);

#endif
