/* fm.h - an FM chip in a card: OPL3 with its voice in the mixer. An AdLib card is nothing else. See fm.c. */
#ifndef RING3_FM_H
#define RING3_FM_H

#include "hw/opl3.h"
#include "hw/sound.h"

typedef struct Fm {
    Opl3 opl;
    Sound *sound;
    SoundVoice voice;
    u32 gain[2]; /* left and right, in 1/65536 */
} Fm;

void fm_init(Fm *f, Bus *bus, Clock *clock, Sound *sound);
/* fm_add_ports - the chip answers at these `count` ports (2: its first bank only), too. */
void fm_add_ports(Fm *f, Bus *bus, u16 port, u32 count);
void fm_set_gain(Fm *f, u32 left, u32 right);
void fm_reset(void *dev);
void fm_state(void *dev, State *s);
void fm_loaded(void *dev);
extern const PartKind fm_part;

#endif
