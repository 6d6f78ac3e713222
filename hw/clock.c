/* clock.c - guest time and the queue of device deadlines: see clock.h for the contract.
 *
 * Guest time is the host's CLOCK_MONOTONIC minus a base, so that counters computed on read (PIT, PM timer, RTC,
 * TSC) agree with each other and with the world outside. Stopping the machine freezes it; continuing moves the
 * base, so that the guest never sees the gap.
 *
 * The queue is a list sorted by deadline: a board has about ten timers, of which two or three are armed.
 *
 * Invariant that keeps a late host from hanging us: a timer that re-arms itself while it fires does so for a
 * later time than now (the devices' duty), so that clock_run_due() ends.
 */
#include "hw/clock.h"

static u64 saturating_sub(u64 a, u64 b) { return a > b ? a - b : 0; }

u64 clock_next_deadline(const Clock *k) { return k->queue ? k->queue->deadline_ns : UINT64_MAX; }

static void announce(Clock *k)
{
    u64 d = clock_next_deadline(k);
    if (k->firing || d == k->announced_ns) return;
    k->announced_ns = d;
    if (k->deadline_changed) k->deadline_changed(k->ctx, d);
}

void clock_init(Clock *k) { *k = (Clock){.host_base_ns = host_now_ns(), .announced_ns = UINT64_MAX}; }

void clock_init_manual(Clock *k) { *k = (Clock){.manual = true, .announced_ns = UINT64_MAX}; }

u64 clock_now(Clock *k)
{
    if (k->manual) return k->manual_ns;
    if (k->stopped) return k->stopped_at_ns;
    return saturating_sub(host_now_ns(), k->host_base_ns);
}

void clock_stop(Clock *k)
{
    if (k->stopped) return;
    k->stopped_at_ns = clock_now(k);
    k->stopped = true;
}

void clock_cont(Clock *k)
{
    if (!k->stopped) return;
    if (!k->manual) k->host_base_ns = host_now_ns() - k->stopped_at_ns;
    k->stopped = false;
}

u64 clock_to_host_ns(const Clock *k, u64 guest_ns)
{
    return guest_ns > UINT64_MAX - k->host_base_ns ? UINT64_MAX : guest_ns + k->host_base_ns;
}

/* --- the queue ------------------------------------------------------------------------------------------- */

static void unlink_timer(Clock *k, Timer *t)
{
    for (Timer **at = &k->queue; *at; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    t->armed = false;
    t->next = NULL;
}

void clock_arm(Clock *k, Timer *t, u64 deadline_ns)
{
    if (t->armed && t->deadline_ns == deadline_ns) return;
    if (t->armed) unlink_timer(k, t);
    Timer **at = &k->queue;
    while (*at && (*at)->deadline_ns <= deadline_ns) at = &(*at)->next;
    t->deadline_ns = deadline_ns;
    t->armed = true;
    t->next = *at;
    *at = t;
    announce(k);
}

void clock_disarm(Clock *k, Timer *t)
{
    if (!t->armed) return;
    unlink_timer(k, t);
    announce(k);
}

static void fire_first(Clock *k)
{
    Timer *t = k->queue;
    unlink_timer(k, t);
    t->fire(t->ctx);
}

void clock_run_due(Clock *k)
{
    if (k->firing) return;
    u64 now = clock_now(k);
    if (clock_next_deadline(k) > now) return;
    k->firing = true;
    while (clock_next_deadline(k) <= now) fire_first(k);
    k->firing = false;
    announce(k);
}

void clock_advance(Clock *k, u64 ns)
{
    CHECK(k->manual, "clock_advance on a clock that follows the host");
    u64 end = k->manual_ns + ns;
    k->firing = true;
    while (clock_next_deadline(k) <= end && k->queue) {
        if (k->queue->deadline_ns > k->manual_ns) k->manual_ns = k->queue->deadline_ns;
        fire_first(k);
    }
    k->manual_ns = end;
    k->firing = false;
    announce(k);
}
