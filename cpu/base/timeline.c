/* timeline.c - the events' store: see timeline.h. Its first half is filled once and stays: how a boot began. The other
 * half is a ring. */
#include "cpu/base/timeline.h"

#include <stdlib.h>

static struct {
    TimelineEvent *ring;
    u32 room, kept; /* kept: of these the first, which stay */
    u64 count;      /* since the start */
    u64 began_ns;
    struct {
        u64 since;
        const char *why;
        u32 eip;
    } left; /* translated code; since 0: it runs, or nobody knows */
} line;

/* Of the nth event since the start. */
static u32 place_of(u64 n)
{
    return n < line.room ? (u32)n : line.kept + (u32)((n - line.kept) % (line.room - line.kept));
}

static TimelineEvent *event_new(TimelineKind kind, u64 ns, const char *text)
{
    TimelineEvent *e = &line.ring[place_of(line.count++)];
    *e = (TimelineEvent){.ns = ns, .text = text, .kind = (u16)kind};
    return e;
}

void timeline_add(TimelineKind kind, u64 since, const char *text, u32 a, u32 b)
{
    u64 duration = host_now_ns() - since;
    if (!(trace_mask & TRACE_TIMELINE)) return; /* stopped in between */
    TimelineEvent *e = event_new(kind, since, text);
    e->duration_ns = duration == 0 ? 1 : duration > UINT32_MAX ? UINT32_MAX : (u32)duration;
    e->a = a;
    e->b = b;
}

void timeline_interrupt(u8 vector, const char *text, u32 eip, u32 error)
{
    TimelineEvent *e = event_new(TIMELINE_INTERRUPT, host_now_ns(), text);
    e->vector = vector;
    e->a = eip;
    e->b = error;
}

void timeline_left(const char *why, u32 eip)
{
    line.left.since = host_now_ns();
    line.left.why = why;
    line.left.eip = eip;
}

void timeline_entered(u32 eip)
{
    if (line.left.since) timeline_add(TIMELINE_EXIT, line.left.since, line.left.why, line.left.eip, eip);
    line.left.since = 0;
}

bool timeline_start(u32 events)
{
    CHECK(events >= TIMELINE_EVENTS_MIN && events <= TIMELINE_EVENTS_MAX, "a ring of %u events", events);
    timeline_end();
    line.ring = calloc(events, sizeof *line.ring);
    if (!line.ring) return false;
    line.room = events;
    line.kept = events / 2;
    line.began_ns = host_now_ns();
    trace_mask |= TRACE_TIMELINE;
    return true;
}

bool timeline_resume(void)
{
    if (!line.ring) return timeline_start(TIMELINE_EVENTS);
    trace_mask |= TRACE_TIMELINE;
    return true;
}

void timeline_stop(void)
{
    trace_mask &= ~TRACE_TIMELINE;
    line.left.since = 0;
}

void timeline_end(void)
{
    timeline_stop();
    free(line.ring);
    line.ring = NULL;
    line.count = 0;
}

u32 timeline_count(u64 *lost)
{
    *lost = line.count > line.room ? line.count - line.room : 0;
    return (u32)(line.count - *lost);
}

const TimelineEvent *timeline_get(u32 n)
{
    u64 lost;
    CHECK(n < timeline_count(&lost), "event %u", n);
    return &line.ring[place_of(n < line.kept ? n : lost + n)];
}

static u64 end_of(const TimelineEvent *e) { return e->ns + e->duration_ns; }

bool timeline_gap(u64 *from_ns, u64 *to_ns)
{
    u64 lost;
    if (!timeline_count(&lost) || !lost) return false;
    *from_ns = end_of(timeline_get(line.kept - 1));
    *to_ns = end_of(timeline_get(line.kept));
    return true;
}

u64 timeline_began_ns(void) { return line.began_ns; }
