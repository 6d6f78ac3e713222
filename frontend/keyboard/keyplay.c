/* keyplay.c - see keyplay.h. The same order and times as QEMU's sendkey: a script that waits for one suits both. */
#include "frontend/keyboard/keyplay.h"

enum { NS_PER_MS = 1000000 };

static void play(void *keyplay)
{
    KeyPlay *k = keyplay;
    k->waiting = false;
    while (k->head != k->tail) {
        KeyEvent e = k->queue[k->tail++ % KEYPLAY_EVENTS];
        k->press(k->ctx, e.key, e.down);
        if (!e.then_ms) continue;
        k->waiting = true;
        clock_arm(k->clock, &k->timer, clock_now(k->clock) + (u64)e.then_ms * NS_PER_MS);
        return;
    }
}

bool keyplay_chord(KeyPlay *k, const u8 *keys, unsigned count, u32 hold_ms)
{
    u16 ms = (u16)(hold_ms > UINT16_MAX ? UINT16_MAX : hold_ms);
    if (KEYPLAY_EVENTS - (k->head - k->tail) < 2 * count) return false;
    for (unsigned n = 0; n < count; n++) k->queue[k->head++ % KEYPLAY_EVENTS] = (KeyEvent){keys[n], true, ms};
    while (count--) k->queue[k->head++ % KEYPLAY_EVENTS] = (KeyEvent){keys[count], false, ms};
    if (!k->waiting) play(k);
    return true;
}

void keyplay_reset(KeyPlay *k)
{
    clock_disarm(k->clock, &k->timer);
    k->waiting = false;
    k->head = k->tail;
}

void keyplay_init(KeyPlay *k, Clock *clock, void (*press)(void *ctx, u8 key, bool down), void *ctx)
{
    *k = (KeyPlay){.clock = clock, .press = press, .ctx = ctx, .timer = {.fire = play, .ctx = k}};
}
