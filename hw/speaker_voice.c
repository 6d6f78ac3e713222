/* speaker_voice.c - the PC speaker in the board's mixer: its events wait until their time has been played. */
#include "hw/speaker_voice.h"

#include <string.h>

enum { PORTION = 256 };

static void play(SpeakerVoice *v, u32 count)
{
    s16 out[PORTION];
    u32 taken = speaker_synth(&v->synth, v->event, v->events, out, count);
    v->events -= taken;
    memmove(v->event, v->event + taken, v->events * sizeof *v->event);
    for (u32 n = 0; n < count; n++) sound_push(v->sound, &v->voice, (SoundFrame){out[n], out[n]});
}

static void speaker_pull(void *speaker_voice, u64 now)
{
    SpeakerVoice *v = speaker_voice;
    if (!v->voice.open) v->events = 0;
    for (u64 owed = sound_owed(&v->voice, now); owed; owed = sound_owed(&v->voice, now))
        play(v, owed < PORTION ? (u32)owed : PORTION);
    if (!v->events && speaker_synth_silent(&v->synth)) sound_end(v->sound, &v->voice);
}

void speaker_voice_event(SpeakerVoice *v, const SpeakerEvent *event)
{
    if (!sound_wanted(v->sound)) return;
    if (v->events == SPEAKER_VOICE_EVENTS) speaker_pull(v, event->at_ns);
    if (!v->voice.open) {
        v->events = 0;
        speaker_synth_init(&v->synth, event->at_ns);
        sound_begin(v->sound, &v->voice, event->at_ns, SOUND_HZ, 1);
    }
    if (v->events < SPEAKER_VOICE_EVENTS) v->event[v->events++] = *event;
}

void speaker_voice_init(SpeakerVoice *v, Sound *sound)
{
    *v = (SpeakerVoice){.sound = sound};
    sound_add(sound, &v->voice, speaker_pull, v);
}
