/* host_time.c - see host_time.h.
 *
 * All of a machine's time is guest time, which stands still while the machine is held, saved or away, so that nothing in the
 * guest is late. The RTC's then is the time at which the machine went away. Who asks for the host's gets it here: how far the
 * host's clock is ahead of guest time is remembered, and where that has grown the RTC is moved by as many seconds. Whatever
 * the guest has set it to (local time, an hour ahead) it thereby keeps. TSC, PIT and PM timer stay as they are.
 *
 * A guest that keeps its own time, as Linux does, does not look at the RTC again by itself.
 */
#include "frontend/host_time.h"

#include <time.h>

#include "frontend/inbox.h"

enum { SECOND = 1000000000 };

static struct {
    bool follow;
    s64 lead_ns; /* the host's Unix time minus guest time, when the RTC was right */
} t;

static s64 lead_now(Pc *pc)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (s64)((u64)now.tv_sec * SECOND + (u64)now.tv_nsec - clock_now(machine_clock(pc->machine)));
}

void host_time_begin(Pc *pc, bool follow)
{
    t.follow = follow;
    t.lead_ns = lead_now(pc);
}

void host_time_jumped(Pc *pc) { t.lead_ns = lead_now(pc); }

void host_time_follow(Pc *pc)
{
    if (!t.follow) return;
    s64 seconds = (s64)((u64)lead_now(pc) - (u64)t.lead_ns) / SECOND;
    if (!seconds) return;
    inbox_deliver(&(InboxEvent){.kind = INBOX_DATE, .seconds = seconds});
    t.lead_ns = (s64)((u64)t.lead_ns + (u64)seconds * SECOND);
}

void host_time_loaded(Pc *pc, s64 unix_s, u32 ns, u64 clock_ns)
{
    t.lead_ns = (s64)((u64)unix_s * SECOND + ns - clock_ns);
    host_time_follow(pc);
}
