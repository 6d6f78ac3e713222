/* sound_options.c - sound cards and where their sound goes, in QEMU's words:
 *
 *   -device sb16[,iobase=0x220][,irq=5][,dma=1][,hdma=5]   a Sound Blaster 16
 *   -device ES1370, -device AC97                           PCI cards
 *   -device adlib                                          an OPL3 at 388h alone
 *   -audio KIND[,model=CARD]                               none; wav:FILE; sdl: the window's, as without the option
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

static OptionsResult take_number(const Pair *pair, const u16 *allowed, const char *takes, u16 *to)
{
    const char *at = pair->value;
    u32 n;
    bool number = parse_number(&at, &n) && !*at;
    for (; number && *allowed != 0xffff; allowed++)
        if (*allowed == n) {
            *to = (u16)n;
            return OPTIONS_RUN;
        }
    say("-device sb16,%s=%.80s: takes %s", pair->key, pair->value, takes);
    return OPTIONS_BAD;
}

static OptionsResult take_place(Sb16Config *c, const Pair *pair)
{
    static const u16 bases[] = {0x220, 0x240, 0x260, 0x280, 0xffff}, irqs[] = {9, 5, 7, 10, 0xffff},
                     low[] = {0, 1, 3, 0xffff}, high[] = {5, 6, 7, 0xffff};
    static const char *const names[] = {"iobase", "irq", "dma", "hdma", "audiodev", "id", NULL};
    u16 n = 0;
    OptionsResult r;
    if (!strcmp(pair->key, "iobase")) {
        return take_number(pair, bases, "0x220, 0x240, 0x260 or 0x280", &c->iobase);
    } else if (!strcmp(pair->key, "irq")) {
        r = take_number(pair, irqs, "5, 7, 9 or 10", &n);
        c->irq = (u8)n;
    } else if (!strcmp(pair->key, "dma")) {
        r = take_number(pair, low, "0, 1 or 3", &n);
        c->dma = (u8)n;
    } else if (!strcmp(pair->key, "hdma")) {
        r = take_number(pair, high, "5, 6 or 7", &n);
        c->hdma = (u8)n;
    } else {
        return pair_refuse_key(pair, "-device sb16,", names);
    }
    return r;
}

static OptionsResult add_sb16(SoundOptions *o, const char *rest)
{
    Pair pair;
    OptionsResult r = OPTIONS_RUN;
    if (o->sb16.present) {
        say("-device sb16: there is one already");
        return OPTIONS_BAD;
    }
    o->sb16 = (Sb16Config){true, SB16_IOBASE, SB16_IRQ, SB16_DMA, SB16_HDMA};
    while (r == OPTIONS_RUN && pair_next(&rest, NULL, &pair))
        if (strcmp(pair.key, "audiodev") && strcmp(pair.key, "id")) r = take_place(&o->sb16, &pair);
    return r;
}

/* One without properties of its own. */
static OptionsResult add_plain(bool *card, const char *name, const char *rest)
{
    static const char *const names[] = {"audiodev", "id", NULL};
    char option[32];
    Pair pair;
    snprintf(option, sizeof option, "-device %s,", name);
    while (pair_next(&rest, NULL, &pair))
        if (strcmp(pair.key, "audiodev") && strcmp(pair.key, "id"))
            return pair_refuse_key(&pair, option, names);
    *card = true;
    return OPTIONS_RUN;
}

enum { SB16, ES1370, AC97, ADLIB, CARDS };
static const char *const devices[CARDS] = {"sb16", "ES1370", "AC97", "adlib"}, *const models[CARDS] = {
                                                                                   "sb16", "es1370", "ac97",
                                                                                   "adlib"};

static OptionsResult add(SoundOptions *o, unsigned card, const char *rest)
{
    bool *plain = card == ES1370 ? &o->es1370 : card == AC97 ? &o->ac97 : &o->adlib;
    return card == SB16 ? add_sb16(o, rest) : add_plain(plain, devices[card], rest);
}

bool sound_option_device(SoundOptions *o, const char *value, OptionsResult *result)
{
    const char *rest = value;
    Pair pair;
    if (!pair_next(&rest, "driver", &pair)) return false;
    for (unsigned card = 0; card < CARDS; card++) {
        if (strcmp(pair.value, devices[card])) continue;
        *result = add(o, card, rest);
        return true;
    }
    return false;
}

bool sound_option_card(const SoundOptions *o) { return o->sb16.present || o->adlib || o->es1370 || o->ac97; }

static OptionsResult add_card(SoundOptions *o, const char *option, const char *name)
{
    unsigned card;
    const char *why = absent_why(qemu_devices, name);
    if (why) return absent_refuse(option, name, why);
    OptionsResult r = words_choose(option, name, models, CARDS, &card);
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

static OptionsResult take_file(SoundOptions *o, const char *option, const char *path)
{
    if (!*path || strlen(path) >= sizeof o->wav) {
        say("%s: wav needs a file", option);
        return OPTIONS_BAD;
    }
    snprintf(o->wav, sizeof o->wav, "%s", path);
    return OPTIONS_RUN;
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
    static const char *const names[] = {"driver", "model", "id", "path", NULL};
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
