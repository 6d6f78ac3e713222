/* opl3.h - YMF262 (OPL3), an FM synthesizer of 18 channels. See opl3.c. */
#ifndef RING3_OPL3_H
#define RING3_OPL3_H

#include "hw/part.h"
#include "mmu/bus.h"

enum { OPL3_OPERATORS = 36, OPL3_CHANNELS = 18, OPL3_PORTS = 4, OPL3_IOBASE = 0x388 };
/* Samples a second, as a fraction: 49715.9. */
enum { OPL3_CRYSTAL_HZ = 14318180, OPL3_CLOCKS_PER_SAMPLE = 288 };

typedef enum Opl3Stage { OPL3_RELEASE, OPL3_ATTACK, OPL3_DECAY, OPL3_SUSTAIN, OPL3_STAGES } Opl3Stage;

typedef struct Opl3Operator {
    /* guest state */
    u16 attenuation; /* of the envelope: 0 to 511, 0.1875 dB each */
    u16 fraction;    /* of its next step, in 1/32768 */
    u32 phase;       /* 19 bits: one turn */
    Opl3Stage stage;
    u8 keys;    /* who holds it down: bit 0 KON, bit 1 the rhythm register */
    s16 out[2]; /* the last two samples */
    /* what follows from the registers */
    u16 level;            /* TL and KSL, in the envelope's units */
    u8 rate[OPL3_STAGES]; /* 0 to 60; 0: it stands still */
    u8 sustain;           /* level, 0 to 31: 3 dB each */
    u8 wave, twice_multiple;
    bool tremolo, vibrato;
} Opl3Operator;

/* How a channel's operators hang together: it is alone, the first or second half of four, or the rhythm section's. */
typedef enum Opl3Kind { OPL3_TWO, OPL3_FOUR, OPL3_FOUR_REST, OPL3_RHYTHM } Opl3Kind;

typedef struct Opl3Channel { /* what follows from the registers */
    Opl3Kind kind;
    u16 f_number;
    u8 block, feedback, connection; /* connection: CNT; of four operators bit 1 is the second half's */
    bool left, right;
} Opl3Channel;

typedef struct Opl3Timer {
    u64 next_ns; /* its next overflow, if it runs */
    bool runs;
} Opl3Timer;

typedef struct Opl3 {
    /* guest state */
    u8 reg[512];
    u16 address;
    u8 flags; /* of the status register: bits 6 and 5 */
    Opl3Timer timer[2];
    Opl3Operator op[OPL3_OPERATORS];
    u64 samples; /* since power-on: vibrato and tremolo go by it */
    u32 noise;   /* 23 bits */
    /* follows from these */
    Opl3Channel channel[OPL3_CHANNELS];
    u64 ahead_ns;  /* guest time at which the timers are; less than it is: they go by the clock */
    bool stale;    /* registers were written: operators and channels are to be made anew */
    u16 tremolo;   /* now, in the envelope's units */
    u8 vibrato_at; /* 0 to 7 */
    u16 log_sine[256], exponent[256];
    Clock *clock;
} Opl3;

void opl3_init(Opl3 *o, Clock *clock);
void opl3_reset(void *dev);
void opl3_state(void *dev, State *s);
void opl3_loaded(void *dev);
/* The four ports: address and status, data, address of the second bank, data. `bytes` is 1. */
extern const IoOps opl3_ops;
/* opl3_render - the next `count` samples, 49,716 a second, left and right. */
void opl3_render(Opl3 *o, s16 *stereo, u32 count);
/* Nothing is heard until a key is pressed: no samples are needed. */
bool opl3_silent(Opl3 *o);

#endif
