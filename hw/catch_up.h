/* catch_up.h - periodic interrupts that a late host owes its guest: of the local APIC's timer, the HPET and, with ticks of its
 * own, the 8254 (pit.c). A few come CATCH_UP_SPEED times as fast as they would have, so that a guest hardly notices. The more
 * are owed, the faster they come: a guest that gets a tenth of a processor, in slices of milliseconds, has to take ten times as
 * many while it runs. A second's worth is kept at most, and none comes closer than CATCH_UP_GAP_NS behind another.
 * Periods too short for that are not caught up with. */
#ifndef RING3_CATCH_UP_H
#define RING3_CATCH_UP_H

#include "cpu/base/base.h"

enum { CATCH_UP_SPEED = 4, CATCH_UP_GAP_NS = 10000, CATCH_UP_MOST_NS = 1000000000 };

/* From one interrupt to the next while so many are owed, in the unit of `period`. */
static inline u64 catch_up_gap(u32 missed, u64 period)
{
    return period / (CATCH_UP_SPEED + (u64)missed * missed / 8);
}

/* How many are owed when `more` have been missed besides `missed`. */
static inline u32 catch_up_keep(u32 missed, u64 more, u64 period_ns)
{
    u64 most = period_ns < CATCH_UP_SPEED * CATCH_UP_GAP_NS ? 0 : CATCH_UP_MOST_NS / period_ns + 1;
    return (u32)(missed + more < most ? missed + more : most);
}

/* When to look again, the next interrupt being due at at_ns and one that is owed at owed_ns. `gap`: one came now. */
static inline u64 catch_up_next(u64 at_ns, u32 missed, u64 owed_ns, bool gap, u64 now_ns)
{
    u64 soonest = gap ? now_ns + CATCH_UP_GAP_NS : 0;
    if (missed && owed_ns < at_ns) at_ns = owed_ns;
    return at_ns > soonest ? at_ns : soonest;
}

#endif
