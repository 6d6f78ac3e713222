/* sb16_mixer.c - CT1745: volumes, and which IRQ and DMA channels the card uses.
 *
 * Manual: Creative, Sound Blaster Series Hardware Programming Guide, "Mixer", CT1745. Volumes of 5 bits are in bits
 * 7-3, 2 dB each; the registers of older cards (04h, 22h, 26h, 28h, 2Eh, 0Ah) show the same in 4 bits a side.
 *
 * Not implemented: treble, bass and what comes in (CD, line, microphone): their registers are kept without effect.
 */
#include "hw/sb16.h"

enum {
    RESET = 0x00,
    MASTER = 0x30,
    VOICE = 0x32,
    MIDI = 0x34,
    SWITCHES = 0x3c,
    OUTPUT_GAIN = 0x41,
    LAST_VOLUME = 0x47,
    IRQ_SELECT = 0x80,
    DMA_SELECT = 0x81,
    IRQ_STATUS = 0x82
};
enum { STEP_2DB = 85 /* in 1/256 of a power of two */ };

/* The left register of the pair that an old card's register is, or 0. */
static u8 pair_of(u8 index)
{
    static const u8 pairs[][2] = {{0x04, VOICE}, {0x22, MASTER}, {0x26, MIDI}, {0x28, 0x36}, {0x2e, 0x38}};
    for (u32 n = 0; n < ARRAY_LEN(pairs); n++)
        if (pairs[n][0] == index) return pairs[n][1];
    return 0;
}

/* --- gains ----------------------------------------------------------------------------------------------- */

/* Of a source through the master and the output's gain of 0, 6, 12 or 18 dB; no more than full. */
static u32 gain_of(const Sb16 *s, u32 source, u32 side)
{
    u32 steps = 62 - (s->mixer[source + side] >> 3) - (s->mixer[MASTER + side] >> 3);
    u32 gain = sound_attenuation(steps * STEP_2DB) << (s->mixer[OUTPUT_GAIN + side] >> 6);
    return gain < SOUND_GAIN_ONE ? gain : SOUND_GAIN_ONE;
}

void sb16_mixer_follow(Sb16 *s)
{
    for (u32 side = 0; side < 2; side++) s->gain[side] = gain_of(s, VOICE, side);
    fm_set_gain(&s->fm, gain_of(s, MIDI, 0), gain_of(s, MIDI, 1));
    sb16_lines_follow(s);
}

/* --- registers ------------------------------------------------------------------------------------------- */

void sb16_mixer_reset(Sb16 *s)
{
    static const u8 defaults[][2] = {
        {MASTER, 0xc0},   {MASTER + 1, 0xc0}, {VOICE, 0xc0},      {VOICE + 1, 0xc0}, {MIDI, 0xc0},
        {MIDI + 1, 0xc0}, {SWITCHES, 0x1f},   {0x3d, 0x15},       {0x3e, 0x0b},      {0x44, 0x80},
        {0x45, 0x80},     {0x46, 0x80},       {LAST_VOLUME, 0x80}};
    for (u32 n = 0; n <= LAST_VOLUME; n++) s->mixer[n] = 0;
    for (u32 n = 0; n < ARRAY_LEN(defaults); n++) s->mixer[defaults[n][0]] = defaults[n][1];
    sb16_mixer_follow(s);
}

void sb16_mixer_write(Sb16 *s, u8 index, u8 v)
{
    u8 pair = pair_of(index);
    if (index == RESET) {
        sb16_mixer_reset(s);
        return;
    }
    if (pair) {
        s->mixer[pair] = (u8)((v & 0xf0) | 0x08);
        s->mixer[pair + 1] = (u8)(v << 4 | 0x08);
    } else if ((index >= MASTER && index <= LAST_VOLUME) || index == IRQ_SELECT || index == DMA_SELECT) {
        s->mixer[index] = index == IRQ_SELECT ? v & 0x0f : index == DMA_SELECT ? v & 0xeb : v;
    } else if (index == 0x0a) {
        s->mixer[0x3a] = (u8)(v << 5 | 0x18);
    }
    sb16_mixer_follow(s);
}

u8 sb16_mixer_read(const Sb16 *s, u8 index)
{
    u8 pair = pair_of(index);
    if (pair) return (u8)((s->mixer[pair] & 0xf0) | s->mixer[pair + 1] >> 4);
    if (index == 0x0a) return s->mixer[0x3a] >> 5;
    if (index == IRQ_SELECT) return s->mixer[index] | 0xf0;
    if (index == IRQ_STATUS) return s->irq_status | 0x20; /* bits 7-4: 2 on a DSP 4.05 */
    return index < SB16_MIXER_REGISTERS ? s->mixer[index] : 0xff;
}

u32 sb16_channel(const Sb16 *s, bool wide)
{
    static const u8 high[] = {5, 6, 7}, low[] = {0, 1, 3};
    u8 chosen = s->mixer[DMA_SELECT];
    for (u32 n = 0; wide && n < 3; n++)
        if (chosen & BIT(high[n])) return high[n];
    for (u32 n = 0; n < 3; n++) /* 16-bit samples go through an 8-bit channel where no other is chosen */
        if (chosen & BIT(low[n])) return low[n];
    return 8;
}

void sb16_lines_follow(Sb16 *s)
{
    for (u32 n = 0; n < SB16_IRQS; n++) irq_set(&s->irq[n], s->irq_status && (s->mixer[IRQ_SELECT] & BIT(n)));
}
