/* timeline.h - what happened when, for -trace: the first events and the last ones, in memory. What lies between them is
 * counted, and when it was.
 *
 * Nothing is recorded and nothing is asked of the clock while TRACE_TIMELINE is not in trace_mask. Who records an
 * event with a duration keeps when it began:
 *
 *     u64 since = timeline_now();                        0 while nothing is recorded
 *     ...
 *     if (unlikely(since)) timeline_add(TIMELINE_DEVICE, since, "uart", port, value);
 *
 * On the vCPU thread, also in its signal handlers, where they interrupt translated code. Light: see cpu/base/base.h.
 */
#ifndef RING3_TIMELINE_H
#define RING3_TIMELINE_H

#include "cpu/base/base.h"

#define TRACE_TIMELINE (1u << 31) /* in trace_mask, beside what TRACE_LIST has */
_Static_assert(TRACE_COUNT < 31, "bits of trace_mask");

/* The tracks, as a viewer shows them; what a and b of an event are. */
#define TIMELINE_LIST(T)                                                                                     \
    T(EXIT, "exits of translated code", "eip", "eip_after")                                                  \
    T(CALLOUT, "instructions done in C", "eip", "")                                                          \
    T(MEMORY, "hidden faults", "va", "write")                                                                \
    T(TRANSLATE, "translation", "eip", "instructions")                                                       \
    T(INTERRUPT, "interrupts and exceptions", "eip", "error")                                                \
    T(DEVICE, "device accesses", "address", "value")                                                         \
    T(IDLE, "idle", "", "")                                                                                  \
    T(OUTSIDE, "events from outside", "", "")
typedef enum TimelineKind {
#define T(id, name, a, b) TIMELINE_##id,
    TIMELINE_LIST(T)
#undef T
        TIMELINE_KINDS
} TimelineKind;

typedef struct TimelineEvent {
    u64 ns;           /* host_now_ns() when it began */
    const char *text; /* what happened; a constant */
    u32 duration_ns;  /* 0: an instant */
    u16 kind, vector; /* vector: of an interrupt */
    u32 a, b;
} TimelineEvent;

static inline u64 timeline_now(void) { return unlikely(trace_mask & TRACE_TIMELINE) ? host_now_ns() : 0; }
/* timeline_add - an event that began at `since` (timeline_now(), not 0) and ends now. */
void timeline_add(TimelineKind kind, u64 since, const char *text, u32 a, u32 b);
/* timeline_interrupt - one is delivered to the guest: `text` says by whom. */
void timeline_interrupt(u8 vector, const char *text, u32 eip, u32 error);

/* timeline_left - translated code was left at `eip`; the exit lasts until timeline_entered() or timeline_away(): there
 * is nothing to be done for the guest. */
void timeline_left(const char *why, u32 eip);
void timeline_entered(u32 eip);
static inline void timeline_away(u32 eip)
{
    if (unlikely(trace_mask & TRACE_TIMELINE)) timeline_entered(eip);
}

/* timeline_start - record from now on: `events` of them (TIMELINE_EVENTS_MAX at most), half of them the first, the rest
 * the last. False: no memory. */
enum { TIMELINE_EVENTS_MIN = 16, TIMELINE_EVENTS = 1 << 19, TIMELINE_EVENTS_MAX = 1 << 22 };
bool timeline_start(u32 events);
bool timeline_resume(void); /* the same, behind what there is; with TIMELINE_EVENTS if there is no ring yet */
void timeline_stop(void);   /* what there is stays */
void timeline_end(void);

/* timeline_count - how many there are; *lost: how many between the first and the last had to go. timeline_get - the nth,
 * in the order in which they ended. timeline_gap - between when and when events are missing; false: none is. */
u32 timeline_count(u64 *lost);
const TimelineEvent *timeline_get(u32 n);
bool timeline_gap(u64 *from_ns, u64 *to_ns);
u64 timeline_began_ns(void);

#endif
