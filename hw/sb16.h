/* sb16.h - Sound Blaster 16: DSP 4.05, mixer CT1745, MPU-401, OPL3. See sb16.c. */
#ifndef RING3_SB16_H
#define RING3_SB16_H

#include "hw/dma.h"
#include "hw/fm.h"
#include "hw/irq.h"
#include "hw/mpu401.h"

/* Where a card is; zeros: 220h, IRQ 5, channels 1 and 5. */
typedef struct Sb16Config {
    bool present;
    u16 iobase; /* 220h, 240h, 260h, 280h */
    u8 irq;     /* 2 (9), 5, 7, 10 */
    u8 dma;     /* 0, 1, 3 */
    u8 hdma;    /* 5, 6, 7 */
    u16 mpu;    /* the MPU-401's: 330h, 300h */
} Sb16Config;

enum { SB16_IOBASE = 0x220, SB16_IRQ = 5, SB16_DMA = 1, SB16_HDMA = 5 };
enum { SB16_ANSWERS = 64, SB16_MIXER_REGISTERS = 0x83, SB16_IRQS = 4 };

typedef struct Sb16Transfer { /* a block of samples by DMA, or a pause between two */
    u8 runs;                  /* Sb16Runs */
    bool paused;
    bool wide, is_signed, stereo, input, muted, repeats;
    u32 left;     /* samples until the interrupt; a frame of stereo is two */
    u32 block;    /* ... from its begin, and of the next where it repeats */
    u32 hz;       /* frames a second */
    u64 since_ns; /* when sample `done` was 0 */
    u64 done;
    u32 unanswered; /* samples since the interrupt that the guest has not taken */
    s16 other;      /* the left half of a frame whose right is still to come */
    bool has_other;
} Sb16Transfer;

typedef struct Sb16 {
    /* guest state */
    u8 command, parameter[4], parameters; /* the command and what has come of its parameters */
    u8 answer[SB16_ANSWERS], answers;     /* what is to be read, oldest first */
    u8 last_answer, test, dma_key, dma_sum;
    bool in_reset, speaker;
    u16 rate; /* 41h, Hz; 0: the time constant holds */
    u8 time_constant;
    u16 block; /* 48h: bytes - 1 */
    u8 mixer_index, mixer[SB16_MIXER_REGISTERS];
    u8 irq_status; /* bits of 82h */
    u8 direct;     /* the level that 10h wrote last */
    Sb16Transfer transfer;
    Timer timer;
    Fm fm;
    Mpu401 mpu;
    /* wires */
    Sb16Config config;
    Clock *clock;
    Dma *dma;
    IrqLine irq[SB16_IRQS]; /* 9, 5, 7, 10 */
    Sound *sound;
    SoundVoice voice, direct_voice;
    u64 direct_written_ns; /* guest time of the last 10h, while direct_voice is open */
    u32 gain[2];           /* of the DSP's samples, by the mixer, in 1/65536 */
} Sb16;

/* sb16_init - irq[] are the lines that the mixer may choose. */
void sb16_init(Sb16 *s, const Sb16Config *config, Bus *bus, Clock *clock, Dma *dma, Sound *sound,
               const MidiOut *midi, const IrqLine irq[SB16_IRQS]);
extern const PartKind sb16_part;

/* ---- between sb16.c, sb16_mixer.c and sb16_play.c ---- */

enum { SB16_IRQ_8BIT = 1, SB16_IRQ_16BIT = 2, SB16_IRQ_MPU = 4 };
void sb16_raise(Sb16 *s, u8 status);
void sb16_lower(Sb16 *s, u8 status);
void sb16_lines_follow(Sb16 *s);            /* 80h or the status changed */
u32 sb16_channel(const Sb16 *s, bool wide); /* the DMA channel that 81h chooses; 8: none */

typedef enum Sb16Runs { SB16_IDLE, SB16_DMA_BLOCK, SB16_SILENCE, SB16_RUNS } Sb16Runs;
void sb16_play(Sb16 *s, const Sb16Transfer *t); /* hz, block and the kind are given */
void sb16_pause(Sb16 *s);
void sb16_resume(Sb16 *s);
void sb16_stop(Sb16 *s);
void sb16_direct(Sb16 *s, u8 level);
void sb16_play_init(Sb16 *s);
void sb16_play_state(Sb16 *s, State *to);

void sb16_mixer_write(Sb16 *s, u8 index, u8 v);
u8 sb16_mixer_read(const Sb16 *s, u8 index);
void sb16_mixer_reset(Sb16 *s);
void sb16_mixer_follow(Sb16 *s); /* gains and lines from the registers */

#endif
