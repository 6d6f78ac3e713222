/* pace.h - when to look at the screen again: 60 times a second while things happen, seldom while nothing does.
 *
 * Looking costs: what a frame buffer in memory shows is only known by comparing it. So a look at a still screen may take
 * IDLE_SHARE of a core and no more; a large frame buffer is looked at less often than a text screen, but at least four
 * times a second. A change of more than a few rows (a cursor blinks in one), or a key or a mouse movement of the person,
 * makes it 60 a second again.
 */
#ifndef RING3_PACE_H
#define RING3_PACE_H

#include "cpu/base/base.h"

enum {
    FRAME_NS = 16666667,
    STILL_MIN_NS = 50000000,
    STILL_MAX_NS = 250000000,
    IDLE_SHARE_PERMILLE = 2,
    AFTER_CHANGE_NS = 200000000,
    AFTER_INPUT_NS = 500000000,
    BLINK_ROWS = 32,
};

typedef struct Pace {
    u64 fast_until_ns, next_ns;
} Pace;

static inline void pace_input(Pace *p, u64 now_ns)
{
    if (p->fast_until_ns < now_ns + AFTER_INPUT_NS) p->fast_until_ns = now_ns + AFTER_INPUT_NS;
    if (p->next_ns > now_ns + FRAME_NS) p->next_ns = now_ns + FRAME_NS;
}

/* A look has been taken; it cost so much of the processor's time, and so many rows had changed. */
static inline void pace_looked(Pace *p, u64 now_ns, u64 cost_ns, u32 rows)
{
    if (rows > BLINK_ROWS && p->fast_until_ns < now_ns + AFTER_CHANGE_NS)
        p->fast_until_ns = now_ns + AFTER_CHANGE_NS;
    u64 wait = FRAME_NS;
    if (now_ns >= p->fast_until_ns) {
        wait = cost_ns * 1000 / IDLE_SHARE_PERMILLE;
        wait = wait < STILL_MIN_NS ? STILL_MIN_NS : wait > STILL_MAX_NS ? STILL_MAX_NS : wait;
    } else if (wait < 2 * cost_ns) {
        wait = 2 * cost_ns; /* never more than half a core */
    }
    /* In step with the last look, unless that is long ago. */
    p->next_ns = p->next_ns + wait > now_ns ? p->next_ns + wait : now_ns + wait;
}

#endif
