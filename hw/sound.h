/* sound.h - the board's mixer: what the sound chips play becomes one stream of 48,000 frames a second. See sound.c. */
#ifndef RING3_SOUND_H
#define RING3_SOUND_H

#include "hw/clock.h"

enum {
    SOUND_HZ = 48000,
    SOUND_VOICES = 12,
    SOUND_TAPS = 32,
    SOUND_PHASES = 256,
    SOUND_ROOM = 8192, /* frames between what is mixed and what was given away; a power of two */
};

typedef struct SoundFrame {
    s16 left, right;
} SoundFrame;

/* What one chip plays, at the chip's own rate. */
typedef struct SoundVoice {
    void (*pull)(void *ctx,
                 u64 now_ns); /* bring what was played until then; begin, if something is to be heard */
    void *ctx;
    bool open;
    u64 since_ns, pushed; /* while it is open: guest time of its first frame; frames since */
    u32 hz, parts;        /* ... and its rate, hz / parts */
    u64 step_q32;         /* of the chip's frames to a frame of the stream */
    s64 ahead_q32;        /* where the stream's next frame lies, from the chip's next frame on */
    u64 next;             /* the stream's next frame */
    SoundFrame history[SOUND_TAPS];
    u32 newest; /* the place of the next in it: the oldest */
} SoundVoice;

typedef struct Sound {
    Clock *clock;
    Timer tick;
    u64 tick_ns; /* when it was due */
    SoundVoice *voice[SOUND_VOICES];
    u32 voices;
    /* Frame n is of guest time n / 48,000 s. Frames that are left out are silence. NULL: nobody listens. */
    void (*listener)(void *ctx, u64 frame, const SoundFrame *frames, u32 count);
    void *ctx;
    u64 given; /* the stream's next frame to be given to the listener */
    s32 mix[SOUND_ROOM][2];
    bool has_kernel; /* it is made for the first listener */
    s16 kernel[SOUND_PHASES + 1][SOUND_TAPS];
} Sound;

enum { SOUND_GAIN_ONE = 1 << 16 };
/* sound_attenuation - a gain of 2^(-n / 256), in 1/65536: n is 85 for 2 dB, 64 for 1.5. */
u32 sound_attenuation(u32 n);
static inline s16 sound_clipped(s32 v)
{
    return (s16)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}
/* A frame through the gains of both sides, in 1/65536 and up to 4. */
static inline SoundFrame sound_scaled(s16 left, s16 right, const u32 gain[2])
{
    return (SoundFrame){sound_clipped((s32)((s64)left * gain[0] >> 16)),
                        sound_clipped((s32)((s64)right * gain[1] >> 16))};
}

void sound_init(Sound *s, Clock *clock);
/* sound_listen - from now on the stream goes to `listener`, on the vCPU thread, some 10 ms behind; NULL: nowhere. */
void sound_listen(Sound *s, void (*listener)(void *ctx, u64 frame, const SoundFrame *frames, u32 count),
                  void *ctx);
/* sound_flush - what was played up to now, to the listener at once. */
void sound_flush(Sound *s);
/* sound_restart - the chips were loaded, and time may have gone back: what is played now is heard from now on. */
void sound_restart(Sound *s);
static inline bool sound_wanted(const Sound *s) { return s->listener; }

/* sound_add - a chip's voice, for the board's life. */
void sound_add(Sound *s, SoundVoice *v, void (*pull)(void *ctx, u64 now_ns), void *ctx);
/* sound_begin - from guest time at_ns (now, or up to 5 ms ago) on the voice plays hz / parts frames a second, 3,900 to
 * 200,000. Without a listener nothing happens, and the voice stays closed. */
void sound_begin(Sound *s, SoundVoice *v, u64 at_ns, u32 hz, u32 parts);
void sound_push(Sound *s, SoundVoice *v, SoundFrame frame);
/* sound_owed - frames that are due by now_ns and have not been pushed; 0 where the voice is closed. */
u64 sound_owed(const SoundVoice *v, u64 now_ns);
void sound_end(Sound *s, SoundVoice *v); /* and silence from here on; closed already: nothing */

#endif
