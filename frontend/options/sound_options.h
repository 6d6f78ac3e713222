/* sound_options.h - sound cards and where their sound goes, from the command line. See sound_options.c. */
#ifndef RING3_SOUND_OPTIONS_H
#define RING3_SOUND_OPTIONS_H

#include "frontend/options/options_result.h"
#include "frontend/say.h"
#include "hw/sb16.h"

typedef struct SoundOptions {
    Sb16Config sb16;
    Mpu401Config mpu401;
    bool adlib, es1370, ac97;
    bool silent;          /* -audio none: not in the window either */
    char wav[1024];       /* -audio wav: empty: not asked for */
    char soundfont[1024]; /* -audio soundfont=: empty: one that is found */
} SoundOptions;

/* One option's value; what is wrong has been said. */
OptionsResult sound_option_audio(SoundOptions *o, const char *value);
OptionsResult sound_option_audiodev(SoundOptions *o, const char *value);
OptionsResult sound_option_soundhw(SoundOptions *o, const char *value);
/* -device sb16, ES1370, AC97, adlib or mpu401, with properties: false: another device, and nothing was done. */
bool sound_option_device(SoundOptions *o, const char *value, OptionsResult *result);

/* A card is asked for. */
bool sound_option_card(const SoundOptions *o);

#endif
