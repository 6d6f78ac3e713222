/* fm.c - an OPL3 and its voice: samples are made up to now before a register changes, and each 10 ms while one is
 * heard.
 *
 * Without a listener no samples are made: envelopes stand still, and a note that is held then begins when somebody
 * listens.
 */
#include "hw/fm.h"

enum { PORTION = 256 };

static void play(Fm *f, u32 count)
{
    s16 stereo[2 * PORTION];
    opl3_render(&f->opl, stereo, count);
    for (u32 n = 0; n < count; n++)
        sound_push(f->sound, &f->voice, sound_scaled(stereo[2 * n], stereo[2 * n + 1], f->gain));
}

static void play_until(Fm *f, u64 now)
{
    for (u64 owed = sound_owed(&f->voice, now); owed; owed = sound_owed(&f->voice, now))
        play(f, owed < PORTION ? (u32)owed : PORTION);
}

static void fm_pull(void *fm, u64 now)
{
    Fm *f = fm;
    play_until(f, now);
    if (f->voice.open) {
        if (opl3_silent(&f->opl)) sound_end(f->sound, &f->voice);
    } else if (sound_wanted(f->sound) && !opl3_silent(&f->opl)) {
        sound_begin(f->sound, &f->voice, now, OPL3_CRYSTAL_HZ, OPL3_CLOCKS_PER_SAMPLE);
    }
}

/* --- ports ----------------------------------------------------------------------------------------------- */

static u32 fm_read(void *dev, u32 offset, unsigned bytes)
{
    return opl3_ops.read(&((Fm *)dev)->opl, offset, bytes);
}

static void fm_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Fm *f = dev;
    bool is_data = offset & 1;
    if (is_data) play_until(f, clock_now(f->opl.clock));
    opl3_ops.write(&f->opl, offset, value, bytes);
    if (is_data && !f->voice.open) fm_pull(f, clock_now(f->opl.clock));
}

static const IoOps fm_ops = {fm_read, fm_write, 1, 1};

void fm_add_ports(Fm *f, Bus *bus, u16 port, u32 count)
{
    bus_add_ports(bus, port, count, &fm_ops, f, "opl3");
}

void fm_set_gain(Fm *f, u32 left, u32 right)
{
    play_until(f, clock_now(f->opl.clock));
    f->gain[0] = left;
    f->gain[1] = right;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void fm_reset(void *dev)
{
    Fm *f = dev;
    fm_pull(f, clock_now(f->opl.clock));
    sound_end(f->sound, &f->voice);
    opl3_reset(&f->opl);
}

void fm_state(void *dev, State *s) { opl3_state(&((Fm *)dev)->opl, s); }
void fm_loaded(void *dev) { opl3_loaded(&((Fm *)dev)->opl); }
const PartKind fm_part = {.version = 1, .reset = fm_reset, .state = fm_state, .loaded = fm_loaded};

void fm_init(Fm *f, Bus *bus, Clock *clock, Sound *sound)
{
    *f = (Fm){.sound = sound, .gain = {SOUND_GAIN_ONE, SOUND_GAIN_ONE}};
    opl3_init(&f->opl, clock);
    sound_add(sound, &f->voice, fm_pull, f);
    fm_add_ports(f, bus, OPL3_IOBASE, OPL3_PORTS);
}
