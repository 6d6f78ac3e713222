/* sound_options.c - sound cards and where their sound goes, in QEMU's words:
 *
 *   -device sb16[,iobase=0x220][,irq=5][,dma=1][,hdma=5][,mpu=0x330]   a Sound Blaster 16
 *   -device ES1370, -device AC97                           PCI cards
 *   -device adlib                                          an OPL3 at 388h alone
 *   -device mpu401[,iobase=0x330][,irq=9]                  a MIDI port alone
 *   -audio KIND[,model=CARD][,soundfont=FILE]              none; wav:FILE; sdl: the window's, as without the option;
 *                                                          with what MIDI is played
 *   -audiodev KIND,id=ID[,path=FILE]                       the same; the host's sound servers are SDL's business
 *   -soundhw CARD,...                                      the cards in old words: sb16, es1370, ac97, adlib
 *
 * There is one mixer and one stream, so that id= and audiodev= are taken and join what is joined anyway.
 */
#include "frontend/options/sound_options.h"

#include <stdio.h>
#include <string.h>

#include "frontend/options/option_words.h"
#include "frontend/options/qemu_words.h"

/* --- cards ----------------------------------------------------------------------------------------------- */

/* A property of `device` and what it takes: up to four numbers, the rest zeros. */
typedef struct Place {
    const char *key;
    u16 allowed[4];
    const char *takes;
} Place;

static OptionsResult take_number(const char *device, const Place *place, const char *value, u16 *to)
{
    const char *at = value;
    u32 n;
    bool number = parse_number(&at, &n) && !*at;
    for (u32 k = 0; number && k < ARRAY_LEN(place->allowed); k++)
        if (place->allowed[k] == n && (n || !k)) {
            *to = (u16)n;
            return OPTIONS_RUN;
        }
    say("-device %s,%s=%.80s: takes %s", device, place->key, value, place->takes);
    return OPTIONS_BAD;
}

/* Each of the device's properties goes to the number of the same place. */
static OptionsResult take_places(const char *device, const Place *places, u32 count, const char *rest,
                                 u16 *to)
{
    const char *names[8] = {0};
    char option[32];
    Pair pair;
    OptionsResult r = OPTIONS_RUN;
    for (u32 n = 0; n < count; n++) names[n] = places[n].key;
    names[count] = "audiodev";
    names[count + 1] = "id";
    snprintf(option, sizeof option, "-device %s,", device);
    while (r == OPTIONS_RUN && pair_next(&rest, NULL, &pair)) {
        u32 n = 0;
        while (n < count && strcmp(pair.key, places[n].key)) n++;
        if (n < count)
            r = take_number(device, &places[n], pair.value, &to[n]);
        else if (strcmp(pair.key, "audiodev") && strcmp(pair.key, "id"))
            r = pair_refuse_key(&pair, option, names);
    }
    return r;
}

static OptionsResult refuse_second(const char *device, const char *why)
{
    say("-device %s: %s", device, why);
    return OPTIONS_BAD;
}

static OptionsResult add_sb16(SoundOptions *o, const char *rest)
{
    static const Place places[] = {{"iobase", {0x220, 0x240, 0x260, 0x280}, "0x220, 0x240, 0x260 or 0x280"},
                                   {"irq", {9, 5, 7, 10}, "5, 7, 9 or 10"},
                                   {"dma", {0, 1, 3}, "0, 1 or 3"},
                                   {"hdma", {5, 6, 7}, "5, 6 or 7"},
                                   {"mpu", {0x330, 0x300}, "0x330 or 0x300"}};
    u16 at[ARRAY_LEN(places)] = {SB16_IOBASE, SB16_IRQ, SB16_DMA, SB16_HDMA, MPU401_IOBASE};
    if (o->sb16.present) return refuse_second("sb16", "there is one already");
    if (o->mpu401.present) return refuse_second("sb16", "it has an MPU-401: leave -device mpu401 out");
    OptionsResult r = take_places("sb16", places, ARRAY_LEN(places), rest, at);
    o->sb16 = (Sb16Config){true, at[0], (u8)at[1], (u8)at[2], (u8)at[3], at[4]};
    return r;
}

static OptionsResult add_mpu401(SoundOptions *o, const char *rest)
{
    static const Place places[] = {{"iobase", {0x330, 0x300}, "0x330 or 0x300"},
                                   {"irq", {9, 5, 7, 10}, "5, 7, 9 or 10"}};
    u16 at[ARRAY_LEN(places)] = {MPU401_IOBASE, MPU401_IRQ};
    if (o->mpu401.present) return refuse_second("mpu401", "there is one already");
    if (o->sb16.present) return refuse_second("mpu401", "the Sound Blaster has one: leave it out");
    OptionsResult r = take_places("mpu401", places, ARRAY_LEN(places), rest, at);
    o->mpu401 = (Mpu401Config){true, at[0], (u8)at[1]};
    return r;
}

/* One without properties of its own. */
static OptionsResult add_plain(bool *card, const char *name, const char *rest)
{
    *card = true;
    return take_places(name, NULL, 0, rest, NULL);
}

enum { SB16, ES1370, AC97, ADLIB, MPU401, DEVICES, MODELS = MPU401 };
static const char *const devices[DEVICES] = {"sb16", "ES1370", "AC97", "adlib", "mpu401"};
static const char *const models[MODELS] = {"sb16", "es1370", "ac97", "adlib"};

static OptionsResult add(SoundOptions *o, unsigned card, const char *rest)
{
    bool *plain = card == ES1370 ? &o->es1370 : card == AC97 ? &o->ac97 : &o->adlib;
    if (card == SB16) return add_sb16(o, rest);
    if (card == MPU401) return add_mpu401(o, rest);
    return add_plain(plain, devices[card], rest);
}

bool sound_option_device(SoundOptions *o, const char *value, OptionsResult *result)
{
    const char *rest = value;
    Pair pair;
    if (!pair_next(&rest, "driver", &pair)) return false;
    for (unsigned card = 0; card < DEVICES; card++) {
        if (strcmp(pair.value, devices[card])) continue;
        *result = add(o, card, rest);
        return true;
    }
    return false;
}

bool sound_option_card(const SoundOptions *o)
{
    return o->sb16.present || o->mpu401.present || o->adlib || o->es1370 || o->ac97;
}

static OptionsResult add_card(SoundOptions *o, const char *option, const char *name)
{
    unsigned card;
    const char *why = absent_why(qemu_devices, name);
    if (why) return absent_refuse(option, name, why);
    OptionsResult r = words_choose(option, name, models, MODELS, &card);
    return r == OPTIONS_RUN ? add(o, card, "") : r;
}

OptionsResult sound_option_soundhw(SoundOptions *o, const char *value)
{
    Pair pair;
    OptionsResult r = OPTIONS_RUN;
    while (r == OPTIONS_RUN && pair_next(&value, "model", &pair)) {
        r = add_card(o, "-soundhw", pair.value);
        if (!strncmp(value, "model=", 6)) break;
    }
    return r;
}

/* --- where it goes --------------------------------------------------------------------------------------- */

enum { PATH_ROOM = sizeof(((SoundOptions *)0)->wav) };

static OptionsResult take_path(char to[PATH_ROOM], const char *option, const char *what, const char *path)
{
    if (!*path || strlen(path) >= PATH_ROOM) {
        say("%s: %s needs a file", option, what);
        return OPTIONS_BAD;
    }
    snprintf(to, PATH_ROOM, "%s", path);
    return OPTIONS_RUN;
}

static OptionsResult take_file(SoundOptions *o, const char *option, const char *path)
{
    return take_path(o->wav, option, "wav", path);
}

/* QEMU's other drivers are ways to the host's loudspeakers, among which SDL chooses here. */
static OptionsResult take_kind(SoundOptions *o, const char *option, const char *kind)
{
    static const char *const names[] = {"none",     "wav", "sdl",  "alsa", "pa",
                                        "pipewire", "oss", "jack", "sndio"};
    unsigned which;
    if (!strncmp(kind, "wav:", 4)) return take_file(o, option, kind + 4);
    OptionsResult r = words_choose(option, kind, names, ARRAY_LEN(names), &which);
    o->silent |= r == OPTIONS_RUN && which == 0;
    return r;
}

static OptionsResult take_audio(SoundOptions *o, const char *option, const char *value)
{
    static const char *const names[] = {"driver", "model", "id", "path", "soundfont", NULL};
    Pair pair;
    bool is_wav = false;
    OptionsResult r = OPTIONS_RUN;
    for (const char *implied = "driver"; r == OPTIONS_RUN && pair_next(&value, implied, &pair);
         implied = NULL) {
        if (!strcmp(pair.key, "driver")) {
            r = take_kind(o, option, pair.value);
            is_wav = !strcmp(pair.value, "wav");
        } else if (!strcmp(pair.key, "model")) {
            r = add_card(o, option, pair.value);
        } else if (!strcmp(pair.key, "path")) {
            r = take_file(o, option, pair.value);
        } else if (!strcmp(pair.key, "soundfont")) {
            r = take_path(o->soundfont, option, "soundfont=", pair.value);
        } else if (strcmp(pair.key, "id") && strncmp(pair.key, "in.", 3) && strncmp(pair.key, "out.", 4)) {
            r = pair_refuse_key(&pair, option, names);
        }
    }
    if (r == OPTIONS_RUN && is_wav && !*o->wav) return take_file(o, option, "ring3.wav");
    return r;
}

OptionsResult sound_option_audio(SoundOptions *o, const char *value)
{
    return take_audio(o, "-audio", value);
}
OptionsResult sound_option_audiodev(SoundOptions *o, const char *value)
{
    return take_audio(o, "-audiodev", value);
}
