/* speaker.h - the PC speaker: channel 2 of the timer and two bits of port 61h become events. See speaker.c. */
#ifndef RING3_SPEAKER_H
#define RING3_SPEAKER_H

#include "hw/part.h"
#include "hw/pit.h"

/* From this guest time on, until the next event, the speaker's input is
 *   ticks == 0           the level
 *   ticks > 0, level     a square wave with a period of that many timer ticks (1.193182 MHz), which begins high, or, if
 *                        there was one already, goes on in phase with the new period
 *   ticks > 0, not level low for that many ticks and then high */
typedef struct SpeakerEvent {
    u64 at_ns;
    u32 ticks;
    bool level;
} SpeakerEvent;

typedef struct Speaker {
    Pit *pit;
    Clock *clock;
    bool data;         /* port 61h bit 1: lets OUT2 through */
    SpeakerEvent last; /* what was said last */
    void (*changed)(void *ctx, const SpeakerEvent *event);
    void *ctx;
} Speaker;

void speaker_init(Speaker *s, Pit *pit, Clock *clock, void (*changed)(void *ctx, const SpeakerEvent *event),
                  void *ctx);
extern const PartKind speaker_part;
void speaker_set_data(Speaker *s, bool data);
void speaker_pit_changed(void *speaker); /* channel 2 was programmed or its gate moved (pit_watch_channel2) */

#endif
