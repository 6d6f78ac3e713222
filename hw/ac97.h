/* ac97.h - Intel 82801AA AC'97 audio controller and a codec of two channels. See ac97.c. */
#ifndef RING3_AC97_H
#define RING3_AC97_H

#include "hw/irq.h"
#include "hw/part.h"
#include "hw/pci.h"
#include "hw/pcm.h"
#include "mmu/phys.h"

enum { AC97_PI, AC97_PO, AC97_MC, AC97_STREAMS }; /* PCM in, PCM out, microphone */
enum { AC97_CODEC_WORDS = 64 };

typedef struct Ac97Stream {
    u32 bdbar;                   /* pa of the list of 32 buffers */
    u8 civ, lvi, piv;            /* the buffer that is played, the last valid one, the one that comes next */
    u8 sr, cr;                   /* status but for DCH; control */
    u16 picb;                    /* samples left in the buffer */
    u32 pa;                      /* ... where they are */
    bool has_buffer, interrupts; /* one is being played, and asks for an interrupt at its end */
    bool ended;                  /* the last valid buffer is over */
    Pcm pcm;
} Ac97Stream;

typedef struct Ac97 {
    PciFunction pci;
    u32 control; /* GLOB_CNT */
    u8 semaphore;
    u16 codec[AC97_CODEC_WORDS]; /* by register / 2 */
    Ac97Stream stream[AC97_STREAMS];
    /* wires */
    Bus *bus;
    Phys *phys;
    IrqLine intx;
    int nam, nabm; /* ranges of BARs 0 and 1 */
} Ac97;

void ac97_init(Ac97 *a, Pci *pci, unsigned slot, Bus *bus, Phys *phys, Clock *clock, Sound *sound,
               IrqLine intx);
void ac97_post(Ac97 *a, u32 nam, u32 nabm); /* as firmware leaves it: decoding there */
extern const PartKind ac97_part;

/* ---- between ac97.c and ac97_codec.c ---- */

void ac97_codec_reset(Ac97 *a);
u16 ac97_codec_read(const Ac97 *a, u32 reg);
void ac97_codec_write(Ac97 *a, u32 reg, u16 v);
void ac97_codec_follow(Ac97 *a); /* gains from the registers */
u32 ac97_codec_rate(const Ac97 *a, unsigned stream);

#endif
