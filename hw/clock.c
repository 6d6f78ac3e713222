/* clock.c - guest time and the queue of device deadlines: see clock.h for the contract.
 *
 * Guest time is the host's CLOCK_MONOTONIC minus a base, so that counters computed on read (PIT, PM timer, RTC,
 * TSC) agree with each other and with the world outside. Stopping the machine freezes it; continuing moves the
 * base, so that the guest never sees the gap.
 *
 * Where the host's time-stamp counter is good enough (host_tsc_is_clock), it is read instead, scaled: the first 10 ms
 * give the rate, and every 100 ms in which anybody asks, the scale is made anew from where it stands: with the
 * rate since the last time, and a part of up to 500 ppm that takes the distance to CLOCK_MONOTONIC back within a
 * second. So time never jumps, nor goes backwards; everybody in the guest reads the same time; and towards the host
 * it is off by what the rate was wrong since the last look (parts per million: microseconds). A counter that was
 * set, or ran on while the host slept, is noticed by its rate: time goes on from the later of the two clocks. (Until
 * somebody asks, which is at most until the next timer, translated RDTSC reads such a counter as it is.)
 *
 * The queue is a list sorted by deadline: a board has about ten timers, of which two or three are armed.
 *
 * Invariant that keeps a late host from hanging us: a timer that re-arms itself while it fires does so for a
 * later time than now (the devices' duty), so that clock_run_due() ends.
 */
#include "hw/clock.h"

#include "hw/part.h"

/* a - b, of times whose base may be in the past of both: a machine that was saved had run for longer than this host. */
static u64 saturating_sub(u64 a, u64 b) { return (s64)(a - b) > 0 ? a - b : 0; }

u64 clock_next_deadline(const Clock *k) { return k->queue ? k->queue->deadline_ns : UINT64_MAX; }

static void announce(Clock *k)
{
    u64 d = clock_next_deadline(k);
    if (k->firing || d == k->announced_ns) return;
    k->announced_ns = d;
    if (k->deadline_changed) k->deadline_changed(k->ctx, d);
}

/* Guest time by the host's clock, and the counter at that moment. */
static u64 read_both(const Clock *k, u64 *tsc)
{
    enum { CLOSE_TICKS = 1000, TRIES = 4 };
    u64 before = 0, after = 0, ns = 0;
    for (int n = 0; n < TRIES; n++) {
        before = host_tsc();
        ns = host_now_ns();
        after = host_tsc();
        if (after - before < CLOSE_TICKS) break;
    }
    *tsc = before + (after - before) / 2;
    return saturating_sub(ns, k->host_base_ns);
}

void clock_init(Clock *k)
{
    *k = (Clock){.announced_ns = UINT64_MAX, .scale.off = 1};
    k->tsc_usable = host_tsc_is_clock();
    k->host_base_ns = read_both(k, &k->seen_tsc);
}

void clock_init_manual(Clock *k) { *k = (Clock){.manual = true, .announced_ns = UINT64_MAX, .scale.off = 1}; }

/* --- time by the host's counter -------------------------------------------------------------------------- */

enum { FIRST_NS = 10000000, AGAIN_NS = 100000000, SLEW_NS = 1000000000, SLEW_PART = 2000 };

static void scale_set(Clock *k, u64 tsc, u64 ns, u64 mult)
{
    k->scale = (TscScale){.minus_tsc = 0 - tsc, .ns = ns, .mult = mult};
    k->next_tsc = tsc + (u64)(((unsigned __int128)AGAIN_NS << 64) / mult);
}

/* `rate`, and what brings the scale from `err` ns ahead back to the host's clock. */
static u64 slewed(u64 rate, s64 err, u64 elapsed_ns)
{
    s64 within = elapsed_ns > SLEW_NS ? (s64)elapsed_ns : SLEW_NS, most = within / SLEW_PART;
    s64 back = err > most ? most : err < -most ? -most : err;
    u64 part = rate / (u64)within; /* the rate is near 2^63: exact enough */
    return rate - (u64)(back * (s64)part);
}

static bool near_rate(u64 a, u64 b) { return (a > b ? a - b : b - a) < b / 100; }

void clock_calibrate(Clock *k)
{
    if (k->manual || k->stopped || !k->tsc_usable) return;
    u64 tsc, by_host = read_both(k, &tsc), ns = by_host;
    u64 ticks = tsc - k->seen_tsc, elapsed = saturating_sub(by_host, k->seen_ns);
    bool forward = tsc > k->seen_tsc && elapsed < ticks;
    u64 rate = forward ? (u64)(((unsigned __int128)elapsed << 64) / ticks) : 0;
    if (!k->scale.mult) {
        k->tsc_usable = rate >> 60; /* 16 GHz or an absurd clock */
        if (!k->tsc_usable) return;
    } else if (near_rate(rate, k->scale.mult)) {
        ns = tsc_scale_at(&k->scale, tsc);
        rate = slewed(rate, (s64)(ns - by_host), elapsed);
    } else { /* the counter was set, or ran on while the host slept */
        u64 by_scale = forward ? tsc_scale_at(&k->scale, tsc) : 0;
        if (by_scale > ns) k->host_base_ns -= by_scale - ns, by_host = ns = by_scale;
        rate = k->scale.mult;
    }
    scale_set(k, tsc, ns, rate);
    k->seen_tsc = tsc;
    k->seen_ns = by_host;
}

static u64 now_by_host(Clock *k)
{
    u64 now = saturating_sub(host_now_ns(), k->host_base_ns);
    if (k->tsc_usable && now - k->seen_ns >= FIRST_NS) clock_calibrate(k);
    return now;
}

u64 clock_now(Clock *k)
{
    if (k->manual) return k->manual_ns;
    if (k->stopped) return k->stopped_at_ns;
    if (k->scale.off) return now_by_host(k);
    u64 tsc = host_tsc();
    if (unlikely(tsc - k->seen_tsc > k->next_tsc - k->seen_tsc)) {
        clock_calibrate(k);
        tsc = host_tsc();
    }
    return tsc_scale_at(&k->scale, tsc);
}

void clock_stop(Clock *k)
{
    if (k->stopped) return;
    k->stopped_at_ns = clock_now(k);
    k->stopped = true;
    k->scale.off = 1;
}

/* The host's clock is now, and was when it was last looked at, `ns` of the guest's. */
static void set_base(Clock *k, u64 ns)
{
    k->host_base_ns = 0;
    k->host_base_ns = read_both(k, &k->seen_tsc) - ns;
    k->seen_ns = ns;
    if (k->scale.mult) scale_set(k, k->seen_tsc, k->seen_ns, k->scale.mult);
}

void clock_cont(Clock *k)
{
    if (!k->stopped) return;
    k->stopped = false;
    if (!k->manual) set_base(k, k->stopped_at_ns);
}

void clock_set(Clock *k, u64 ns)
{
    if (k->manual)
        k->manual_ns = ns;
    else if (k->stopped)
        k->stopped_at_ns = ns;
    else
        set_base(k, ns);
    k->announced_ns = UINT64_MAX - 1; /* which is told in host time, so that it is another now */
    announce(k);
}

u64 clock_to_host_ns(const Clock *k, u64 guest_ns)
{
    return guest_ns >= CLOCK_NS_MAX ? UINT64_MAX : saturating_sub(guest_ns, 0 - k->host_base_ns);
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

static bool comes_before(const Timer *t, u64 deadline_ns, u64 rank)
{
    return t->deadline_ns < deadline_ns || (t->deadline_ns == deadline_ns && t->rank <= rank);
}

void clock_arm_at_rank(Clock *k, Timer *t, u64 deadline_ns, u64 rank)
{
    if (t->armed) unlink_timer(k, t);
    Timer **at = &k->queue;
    while (*at && comes_before(*at, deadline_ns, rank)) at = &(*at)->next;
    t->deadline_ns = deadline_ns;
    t->rank = rank;
    t->armed = true;
    t->next = *at;
    *at = t;
    announce(k);
}

void clock_arm(Clock *k, Timer *t, u64 deadline_ns)
{
    if (t->armed && t->deadline_ns == deadline_ns) return;
    clock_arm_at_rank(k, t, deadline_ns, ++k->ranks);
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

/* --- state ----------------------------------------------------------------------------------------------- */

static void clock_state(void *clock, State *s)
{
    Clock *k = clock;
    u64 now = clock_now(k);
    state_u64(s, "now_ns", &now);
    state_check(s, now < CLOCK_NS_MAX, "now_ns");
    state_u64(s, "ranks", &k->ranks);
    if (s->way == STATE_LOAD && !s->problem[0]) clock_set(k, now);
}

const PartKind clock_part = {.version = 1, .state = clock_state};
