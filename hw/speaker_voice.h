/* speaker_voice.h - the PC speaker in the board's mixer, for captures. See speaker_voice.c. */
#ifndef RING3_SPEAKER_VOICE_H
#define RING3_SPEAKER_VOICE_H

#include "hw/sound.h"
#include "hw/speaker_synth.h"

enum { SPEAKER_VOICE_EVENTS = 1024 };

typedef struct SpeakerVoice {
    Sound *sound;
    SoundVoice voice;
    SpeakerSynth synth;
    SpeakerEvent event[SPEAKER_VOICE_EVENTS];
    u32 events;
} SpeakerVoice;

void speaker_voice_init(SpeakerVoice *v, Sound *sound);
void speaker_voice_event(SpeakerVoice *v, const SpeakerEvent *event);

#endif
