/* keyplay.h - keys pressed and released one after the other in guest time: the monitor's sendkey, typed text. */
#ifndef RING3_KEYPLAY_H
#define RING3_KEYPLAY_H

#include "hw/clock.h"

enum { KEYPLAY_EVENTS = 1024 };

typedef struct KeyEvent {
    u8 key;
    bool down;
    u16 then_ms; /* how long until the next event */
} KeyEvent;

typedef struct KeyPlay {
    Clock *clock;
    void (*press)(void *ctx, u8 key, bool down);
    void *ctx;
    Timer timer;
    bool waiting; /* the timer is armed: the last event's time is not over */
    u32 head, tail;
    KeyEvent queue[KEYPLAY_EVENTS];
} KeyPlay;

void keyplay_init(KeyPlay *k, Clock *clock, void (*press)(void *ctx, u8 key, bool down), void *ctx);
/* keyplay_chord - press the keys in order and release them in the opposite order, `hold_ms` after each event, when
 * what was asked for before is done. False: too much is waiting. */
bool keyplay_chord(KeyPlay *k, const u8 *keys, unsigned count, u32 hold_ms);
/* keyplay_reset - forget what is waiting; release nothing (the keyboard forgets, too). */
void keyplay_reset(KeyPlay *k);

#endif
