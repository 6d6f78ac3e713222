/* clock.h - guest time, in nanoseconds since power-on, and the queue of device deadlines.
 *
 * Devices compute their counters from clock_now() when read and arm a Timer only for the next edge that the
 * guest could notice. Two sources: the host's clock (time stops while the machine is stopped) or a manual one
 * for tests and the deterministic mode. All on the vCPU thread.
 */
#ifndef RING3_CLOCK_H
#define RING3_CLOCK_H

#include "cpu/base/base.h"

typedef struct Timer Timer;
struct Timer {
    u64 deadline_ns; /* valid while armed */
    u64 rank;        /* likewise: among equal deadlines the lower one fires first */
    void (*fire)(void *ctx);
    void *ctx;
    bool armed;
    Timer *next; /* queue, by deadline */
};

typedef struct Clock {
    bool manual;
    u64 manual_ns;
    u64 host_base_ns; /* host time at guest time 0 */
    TscScale scale;   /* guest time by the host's counter, while scale.off is 0 */
    bool tsc_usable;
    u64 seen_tsc, seen_ns; /* counter and guest time by the host's clock when the scale was last made */
    u64 next_tsc;          /* when to look again */
    u64 stopped_at_ns;
    bool stopped;
    u64 ranks; /* how often a timer was armed */
    Timer *queue;
    void (*deadline_changed)(void *ctx, u64 deadline_ns); /* earliest deadline moved; UINT64_MAX: none */
    void *ctx;
    u64 announced_ns; /* what deadline_changed was last told */
    bool firing;      /* timers are being fired: announce once, at the end */
} Clock;

#define CLOCK_NS_MAX (1ull << 62) /* 146 years */
extern const struct PartKind clock_part;
void clock_init(Clock *k);            /* host time, running */
void clock_init_manual(Clock *k);     /* starts at 0; clock_advance moves it */
u64 clock_now(Clock *k);              /* guest ns */
void clock_advance(Clock *k, u64 ns); /* manual only: fires due timers in order, each at its own time */
void clock_stop(Clock *k);
void clock_cont(Clock *k);
void clock_arm(Clock *k, Timer *t, u64 deadline_ns); /* re-arms if armed; a past deadline is due at once */
void clock_arm_at_rank(Clock *k, Timer *t, u64 deadline_ns, u64 rank); /* as it was saved */
void clock_disarm(Clock *k, Timer *t);
void clock_run_due(Clock *k);            /* fire all timers with deadline <= now, in deadline order */
u64 clock_next_deadline(const Clock *k); /* guest ns; UINT64_MAX: none */
void clock_set(Clock *k, u64 ns);        /* guest time is `ns` now; timers keep their deadlines */
void clock_calibrate(Clock *k);          /* by the host's clock, now; clock_now() does it when it is time */
u64 clock_to_host_ns(const Clock *k, u64 guest_ns); /* CLOCK_MONOTONIC time of a guest time */

/* value * mul / div without overflow (128-bit) */
static inline u64 muldiv64(u64 v, u64 mul, u64 div) { return (u64)((unsigned __int128)v * mul / div); }

#endif
