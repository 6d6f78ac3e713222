/* midi.h - the guest's MIDI becomes sound in a process of its own. See midi.c. */
#ifndef RING3_MIDI_H
#define RING3_MIDI_H

#include "frontend/options/sound_options.h"
#include "hw/machine.h"

/* midi_open - before the cage is shut: the SoundFont, and ring3-midi, if a card has a MIDI port. False, and *p: what
 * the person asked for by name cannot be had. */
bool midi_open(const SoundOptions *o, Problem *p);
/* midi_begin - plug it in. */
void midi_begin(Machine *m);

#endif
