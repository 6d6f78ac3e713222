/* speaker.c - what the PC speaker is driven with, told as events to whoever makes sound of it.
 *
 * Manual: IBM AT Technical Reference, "Speaker". The cone follows OUT2 of the 8254 AND bit 1 of port 61h; bit 0 is
 * channel 2's gate. A tone costs one event, not one for each edge: a channel that runs by itself is described by its
 * period. Digital sound is made in two ways, by toggling bit 1 and by loading channel 2 in mode 0 or 1 with the length
 * of a pulse thousands of times a second; each of these is an event.
 *
 * Mode 2, whose output is low for one tick in a period, counts as high; so do the strobes of modes 4 and 5.
 * speaker_synth.c turns events into samples.
 */
#include "hw/speaker.h"

static void say(Speaker *s, u32 ticks, bool level)
{
    bool constant = !ticks && !s->last.ticks && level == s->last.level;
    bool same_tone = ticks && level && ticks == s->last.ticks && s->last.level;
    if (constant || same_tone) return;
    s->last = (SpeakerEvent){clock_now(s->clock), ticks, level};
    if (s->changed) s->changed(s->ctx, &s->last);
}

static void speaker_update(Speaker *s)
{
    bool level = false;
    u32 ticks = s->data ? pit_wave2(s->pit, &level) : 0;
    say(s, ticks, s->data && level);
}

/* --- events ---------------------------------------------------------------------------------------------- */

void speaker_set_data(Speaker *s, bool data)
{
    if (data == s->data) return;
    s->data = data;
    speaker_update(s);
}

void speaker_pit_changed(void *speaker) { speaker_update(speaker); }

/* --- state ----------------------------------------------------------------------------------------------- */

static void speaker_state(void *dev, State *s) { state_bool(s, "data", &((Speaker *)dev)->data); }

/* Whoever makes the sound has heard nothing of this machine yet. */
static void speaker_loaded(void *dev)
{
    Speaker *s = dev;
    s->last = (SpeakerEvent){.ticks = UINT32_MAX};
    speaker_update(s);
}

const PartKind speaker_part = {.version = 1, .state = speaker_state, .loaded = speaker_loaded};

/* --- life cycle ------------------------------------------------------------------------------------------ */

void speaker_init(Speaker *s, Pit *pit, Clock *clock, void (*changed)(void *ctx, const SpeakerEvent *event),
                  void *ctx)
{
    *s = (Speaker){.pit = pit, .clock = clock, .changed = changed, .ctx = ctx};
    pit_watch_channel2(pit, speaker_pit_changed, s);
}
