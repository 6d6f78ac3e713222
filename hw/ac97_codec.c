/* ac97_codec.c - the codec behind the 82801AA: mixer registers, volumes, variable rates.
 *
 * Audio Codec '97 Component Specification 2.1, "Register interface", appendix A (variable rate). It says that it is a
 * SigmaTel STAC9700 (8384:7600), for which drivers have no tricks, and has variable rates and a microphone rate on top.
 * Volumes have 5 bits of 1.5 dB; where a driver tries a sixth, it reads back the least volume, as the specification wants.
 *
 * Not implemented: inputs but silence, tone, 3D, mono and headphone outputs: their registers are kept without effect.
 */
#include "hw/ac97.h"

#include <string.h>

enum {
    RESET = 0x00,
    MASTER = 0x02,
    HEADPHONE = 0x04,
    MONO = 0x06,
    PCM_OUT = 0x18,
    RECORD_SELECT = 0x1a,
    POWERDOWN = 0x26,
    EXTENDED_ID = 0x28,
    EXTENDED_CONTROL = 0x2a,
    PCM_RATE = 0x2c,
    ADC_RATE = 0x32,
    MIC_RATE = 0x34,
    VENDOR_ID1 = 0x7c,
    VENDOR_ID2 = 0x7e
};
enum { MUTE = 0x8000, SIX_BITS = 0x2020, READY = 0x000f, VRA = 1, VRM = 8, STEP_1_5DB = 64 };
enum { RATE_MIN = 8000, RATE_MAX = 48000 };

/* A register's value after reset, and what of it can be written. */
static const struct {
    u8 reg;
    u16 value, writable;
} registers[] = {
    {RESET, 0x6940, 0},
    {MASTER, MUTE, 0xbf3f},
    {HEADPHONE, MUTE, 0xbf3f},
    {MONO, MUTE, 0x803f},
    {0x0a, 0x0000, 0x801e}, /* PC beep */
    {0x0c, 0x8008, 0x801f}, /* phone, microphone, line, CD, video, AUX */
    {0x0e, 0x8008, 0x805f},
    {0x10, 0x8808, 0x9f1f},
    {0x12, 0x8808, 0x9f1f},
    {0x14, 0x8808, 0x9f1f},
    {0x16, 0x8808, 0x9f1f},
    {PCM_OUT, 0x8808, 0x9f1f},
    {RECORD_SELECT, 0x0000, 0x0707},
    {0x1c, MUTE, 0x8f0f}, /* record gain, general purpose, 3D control */
    {0x20, 0x0000, 0xa380},
    {0x22, 0x0000, 0x000f},
    {POWERDOWN, READY, 0xff00},
    {EXTENDED_ID, VRA | VRM, 0},
    {EXTENDED_CONTROL, 0, VRA | VRM},
    {PCM_RATE, RATE_MAX, 0xffff},
    {ADC_RATE, RATE_MAX, 0xffff},
    {MIC_RATE, RATE_MAX, 0xffff},
    {VENDOR_ID1, 0x8384, 0},
    {VENDOR_ID2, 0x7600, 0},
};

static u16 writable(u32 reg)
{
    for (u32 n = 0; n < ARRAY_LEN(registers); n++)
        if (registers[n].reg == reg) return registers[n].writable;
    return 0;
}

/* --- volumes --------------------------------------------------------------------------------------------- */

/* Left is in the high byte; the source's begin at 12 dB above. */
static u32 gain(const Ac97 *a, u32 side)
{
    u16 master = a->codec[MASTER / 2], own = a->codec[PCM_OUT / 2];
    u32 shift = side ? 0 : 8;
    if ((master | own) & MUTE) return 0;
    return sound_attenuation(((master >> shift & 31u) + (own >> shift & 31u)) * STEP_1_5DB) << 2;
}

void ac97_codec_follow(Ac97 *a)
{
    for (u32 side = 0; side < 2; side++) a->stream[AC97_PO].pcm.gain[side] = gain(a, side);
}

u32 ac97_codec_rate(const Ac97 *a, unsigned stream)
{
    static const u8 rates[AC97_STREAMS] = {ADC_RATE, PCM_RATE, MIC_RATE};
    return a->codec[rates[stream] / 2];
}

/* --- registers ------------------------------------------------------------------------------------------- */

/* The sixth bit of a volume means: less than there is. */
static u16 volume(u16 v)
{
    if (v & 0x2000) v |= 0x1f00;
    if (v & 0x0020) v |= 0x001f;
    return v & ~SIX_BITS;
}

static u16 rate(const Ac97 *a, u32 reg, u16 v)
{
    bool variable = a->codec[EXTENDED_CONTROL / 2] & (reg == MIC_RATE ? VRM : VRA);
    return !variable || v > RATE_MAX ? RATE_MAX : v < RATE_MIN ? RATE_MIN : v;
}

static void rates_follow(Ac97 *a)
{
    static const u8 rates[] = {PCM_RATE, ADC_RATE, MIC_RATE};
    for (u32 n = 0; n < ARRAY_LEN(rates); n++)
        a->codec[rates[n] / 2] = rate(a, rates[n], a->codec[rates[n] / 2]);
}

/* Parts that are powered down are not ready: PR0 and PR1 (ADC, DAC), PR2 and PR3 (mixer, references). */
static u16 powerdown(u16 v)
{
    u16 off = (v >> 8 & 3) | (v & 0x0c00 ? 4 : 0) | (v & 0x0800 ? 8 : 0);
    return (u16)((v & 0xff00) | (READY & ~off));
}

u16 ac97_codec_read(const Ac97 *a, u32 reg)
{
    return reg / 2 < AC97_CODEC_WORDS ? a->codec[reg / 2] : 0xffff; /* of a second codec */
}

void ac97_codec_write(Ac97 *a, u32 reg, u16 v)
{
    u16 may = writable(reg);
    if (reg == RESET) {
        ac97_codec_reset(a);
        return;
    }
    if (!may) {
        trace(GUEST_ERRORS, "ac97: write of codec register %02x", reg);
        return;
    }
    v &= may;
    if (reg == MASTER || reg == HEADPHONE || reg == MONO) v = volume(v);
    if (reg == POWERDOWN) v = powerdown(v);
    a->codec[reg / 2] = v;
    rates_follow(a);
    ac97_codec_follow(a);
}

void ac97_codec_reset(Ac97 *a)
{
    memset(a->codec, 0, sizeof a->codec);
    for (u32 n = 0; n < ARRAY_LEN(registers); n++) a->codec[registers[n].reg / 2] = registers[n].value;
    ac97_codec_follow(a);
}
