/* hpet.c - High Precision Event Timers, where -machine hpet=on asks for them: a PIIX3 board has none.
 *
 * Source: Intel, IA-PC HPET Specification 1.0a: 2.3 (registers), 2.3.9.2 (timer operation), 2.4.6 (legacy
 * replacement). Memory: 1 KiB at FED00000h; registers of 64 bits, reached in halves of 32.
 *
 * The main counter counts guest time in steps of 10 ns. Nothing counts here: the counter is guest time plus a lead, and
 * a timer remembers the tick of guest time at which its comparator matches next. A match that has passed is delivered
 * before the guest reads any register. Three timers, each of 64 bits and able to be periodic; each can reach the I/O
 * APIC's pins 20-23, which nobody else has. Legacy replacement puts timer 0 in the place of the 8254 (IRQ0: the 8259's input 0
 * and the I/O APIC's pin 2) and timer 1 in that of the RTC (IRQ8).
 *
 * A late host: periodic interrupts are delivered afterwards (catch_up.h).
 *
 * Quirks: a comparator of 64 bits that was set behind the counter waits for it to wrap, as the specification has it. A
 * comparator that is written in periodic mode sets the period, too (2.3.9.2.2: software writes it once). The line of an
 * edge-triggered timer in legacy replacement stays high until its next edge, as the 8254's does.
 *
 * Not implemented: delivery of interrupts as FSB messages (Tn_FSB_INT_DEL_CAP is 0; the registers read 0); writes of
 * the main counter while it runs, which the specification leaves undefined; without an I/O APIC no timer has another
 * way than legacy replacement.
 */
#include "hw/hpet.h"

#include "hw/catch_up.h"

/* Registers, by their offset; of timer n, TIMERS + n * TIMER_BYTES. */
enum {
    GCAP_ID = 0x000,
    GEN_CONF = 0x010,
    GINTR_STA = 0x020,
    MAIN_CNT = 0x0f0,
    TIMERS = 0x100,
    TIMER_BYTES = 0x20
};
enum { TN_CONF = 0x00, TN_COMPARATOR = 0x08 };
enum { ENABLE_CNF = 1, LEG_RT_CNF = 2 }; /* GEN_CONF */
enum {                                   /* Tn_CONF */
       TN_INT_TYPE_CNF = 1 << 1,         /* level */
       TN_INT_ENB_CNF = 1 << 2,
       TN_TYPE_CNF = 1 << 3, /* periodic */
       TN_PER_INT_CAP = 1 << 4,
       TN_SIZE_CAP = 1 << 5,
       TN_VAL_SET_CNF = 1 << 6,
       TN_32MODE_CNF = 1 << 8,
       TN_ROUTE_SHIFT = 9,
       TN_INT_ROUTE_CNF = 0x1f << TN_ROUTE_SHIFT,
       TN_WRITABLE =
           TN_INT_TYPE_CNF | TN_INT_ENB_CNF | TN_TYPE_CNF | TN_VAL_SET_CNF | TN_32MODE_CNF | TN_INT_ROUTE_CNF,
};
enum { TICK_NS = 10, TICK_FS = 10000000 };
static const u64 FAR_TICKS = CLOCK_NS_MAX / TICK_NS; /* what is farther away never comes */

/* --- the main counter ------------------------------------------------------------------------------------ */

static u64 now_tick(const Hpet *h) { return clock_now(h->clock) / TICK_NS; }

static bool is_running(const Hpet *h) { return h->config & ENABLE_CNF; }

static u64 counter(const Hpet *h) { return is_running(h) ? h->count + now_tick(h) : h->count; }

/* --- one timer's lines ----------------------------------------------------------------------------------- */

bool hpet_replaces(const Hpet *h) { return h->config & LEG_RT_CNF; }

static unsigned index_of(const HpetTimer *t) { return (unsigned)(t - t->hpet->timer); }

static bool is_legacy(const HpetTimer *t) { return hpet_replaces(t->hpet) && index_of(t) < 2; }

static bool is_level(const HpetTimer *t) { return t->config & TN_INT_TYPE_CNF; }

static bool interrupts(const HpetTimer *t) { return t->config & TN_INT_ENB_CNF && is_running(t->hpet); }

static void drive(const HpetTimer *t, bool level)
{
    const HpetLines *l = &t->hpet->lines;
    IrqLine line = l->pin;
    line.n = (int)((t->config & TN_INT_ROUTE_CNF) >> TN_ROUTE_SHIFT);
    if (is_legacy(t))
        irq_set(&l->replaced[index_of(t)], level);
    else if (l->pins & BIT(line.n))
        irq_set(&line, level);
}

/* A level's line follows its status bit. */
static void drive_level(const HpetTimer *t)
{
    if (is_level(t)) drive(t, interrupts(t) && t->hpet->status & BIT(index_of(t)));
}

static void drive_edge(const HpetTimer *t)
{
    drive(t, false);
    drive(t, true);
    if (!is_legacy(t)) drive(t, false);
}

/* --- one timer ------------------------------------------------------------------------------------------- */

static u64 width(const HpetTimer *t) { return t->config & TN_32MODE_CNF ? 0xffffffff : UINT64_MAX; }

/* Ticks from match to match; 0: it is a one-shot. */
static u64 period_ticks(const HpetTimer *t) { return t->config & TN_TYPE_CNF ? t->period & width(t) : 0; }

/* The comparator or the counter was set: when they are equal next, now or later. */
static void set_match(HpetTimer *t)
{
    u64 left = (t->comparator - counter(t->hpet)) & width(t);
    t->match = is_running(t->hpet) && left < FAR_TICKS ? now_tick(t->hpet) + left : HPET_NEVER;
    t->missed = 0;
}

static void keep_missed(HpetTimer *t, u64 matches)
{
    t->missed = catch_up_keep(t->missed, matches, period_ticks(t) * TICK_NS);
}

static bool last_one_waits(const HpetTimer *t)
{
    const HpetLines *l = &t->hpet->lines;
    return is_legacy(t) && !index_of(t) && l->tick_waits && l->tick_waits(l->ctx);
}

static void signal(HpetTimer *t)
{
    if (is_level(t)) {
        t->hpet->status |= (u8)BIT(index_of(t));
        drive_level(t);
    } else if (interrupts(t)) {
        u64 period = period_ticks(t);
        t->catch_up_ns =
            clock_now(t->hpet->clock) + (period < FAR_TICKS ? catch_up_gap(t->missed, period * TICK_NS) : 0);
        if (period && period < FAR_TICKS && last_one_waits(t))
            keep_missed(t, 1);
        else
            drive_edge(t);
    }
}

/* The match at t->match has come: on to the next behind `now`. */
static void advance(HpetTimer *t, u64 now)
{
    u64 period = period_ticks(t), step = period;
    if (!period && t->config & TN_32MODE_CNF) step = 1ull << 32;
    if (!step || step >= FAR_TICKS) {
        t->match = HPET_NEVER;
        if (period) t->comparator += period;
        return;
    }
    u64 later = (now - t->match) / step; /* matches behind the one that ends here */
    t->match += (later + 1) * step;
    t->comparator = (t->comparator + (later + 1) * period) & width(t);
    if (period && interrupts(t) && !is_level(t)) keep_missed(t, later);
}

/* `gap`: it interrupted just now. */
static void arm(HpetTimer *t, bool gap)
{
    Clock *clock = t->hpet->clock;
    u64 at = t->match < FAR_TICKS ? t->match * TICK_NS : UINT64_MAX;
    at = catch_up_next(at, t->missed, t->catch_up_ns, gap, clock_now(clock));
    if (at == UINT64_MAX || !interrupts(t))
        clock_disarm(clock, &t->timer);
    else
        clock_arm(clock, &t->timer, at);
}

/* Deliver what is due, and arm for the next. False: nothing is. */
static bool run(HpetTimer *t)
{
    u64 now = now_tick(t->hpet);
    bool matches = now >= t->match,
         catches_up = !matches && t->missed && clock_now(t->hpet->clock) >= t->catch_up_ns;
    if (matches)
        advance(t, now);
    else if (catches_up)
        t->missed--;
    else
        return false;
    signal(t);
    arm(t, true);
    return true;
}

static void run_all(Hpet *h)
{
    for (unsigned n = 0; n < HPET_TIMERS; n++) run(&h->timer[n]);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u64 timer_register(const HpetTimer *t, u32 reg)
{
    u64 fixed = TN_PER_INT_CAP | TN_SIZE_CAP | (u64)t->hpet->lines.pins << 32;
    switch (reg) {
    case TN_CONF: return fixed | t->config;
    case TN_COMPARATOR: return t->comparator;
    default: return 0;
    }
}

static u64 read_register(const Hpet *h, u32 reg)
{
    u32 n = (reg - TIMERS) / TIMER_BYTES;
    if (reg >= TIMERS && n < HPET_TIMERS) return timer_register(&h->timer[n], reg % TIMER_BYTES);
    switch (reg) {
    case GCAP_ID: return (u64)TICK_FS << 32 | (u32)HPET_CAPABILITIES;
    case GEN_CONF: return h->config;
    case GINTR_STA: return h->status;
    case MAIN_CNT: return counter(h);
    default: trace(GUEST_ERRORS, "hpet: read of reserved register %03x", reg); return 0;
    }
}

static u32 hpet_read(void *dev, u32 offset, unsigned bytes)
{
    Hpet *h = dev;
    (void)bytes;
    run_all(h);
    return (u32)(read_register(h, offset & ~7u) >> (offset & 4 ? 32 : 0));
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void set_half(u64 *v, bool high, u32 half)
{
    *v = high ? (u32)*v | (u64)half << 32 : (*v >> 32 << 32) | half;
}

/* Whoever had IRQ0 and IRQ8 lets go of them, the other takes them. */
static void replace(Hpet *h)
{
    for (unsigned n = 0; n < 2; n++) irq_set(&h->lines.replaced[n], !hpet_replaces(h) && h->input[n]);
}

static void write_gen_conf(Hpet *h, u32 v)
{
    u64 count = counter(h);
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        if (is_level(&h->timer[n])) drive(&h->timer[n], false);
    bool starts_or_stops = (h->config ^ v) & ENABLE_CNF, changes_hands = (h->config ^ v) & LEG_RT_CNF;
    h->config = v & (ENABLE_CNF | LEG_RT_CNF);
    h->count = is_running(h) ? count - now_tick(h) : count;
    for (unsigned n = 0; n < HPET_TIMERS && starts_or_stops; n++) {
        set_match(&h->timer[n]);
        arm(&h->timer[n], false);
    }
    if (changes_hands) replace(h);
    for (unsigned n = 0; n < HPET_TIMERS; n++) drive_level(&h->timer[n]);
}

static void write_status(Hpet *h, u32 v)
{
    h->status &= (u8)~v;
    for (unsigned n = 0; n < HPET_TIMERS; n++) drive_level(&h->timer[n]);
}

static void write_counter(Hpet *h, bool high, u32 v)
{
    if (is_running(h))
        trace(GUEST_ERRORS, "hpet: write of the main counter while it runs");
    else
        set_half(&h->count, high, v);
}

/* A route that the timer does not have is not taken; software reads back what it got. */
static void write_timer_conf(HpetTimer *t, u32 v)
{
    u32 route = (v & TN_INT_ROUTE_CNF) >> TN_ROUTE_SHIFT, changed;
    if (route && !(t->hpet->lines.pins & BIT(route)))
        v = (v & ~(u32)TN_INT_ROUTE_CNF) | (t->config & TN_INT_ROUTE_CNF);
    changed = (v ^ t->config) & TN_WRITABLE;
    if (is_level(t)) drive(t, false);
    t->config = v & TN_WRITABLE;
    if (!is_level(t)) t->hpet->status &= (u8)~BIT(index_of(t));
    if (changed & (TN_32MODE_CNF | TN_TYPE_CNF)) {
        t->comparator &= width(t);
        set_match(t);
    }
    if (changed & TN_INT_ENB_CNF) t->missed = 0;
    drive_level(t);
    arm(t, false);
}

static void write_comparator(HpetTimer *t, bool high, u32 v)
{
    bool periodic = t->config & TN_TYPE_CNF, sets = !periodic || t->config & TN_VAL_SET_CNF;
    t->config &= ~(u32)TN_VAL_SET_CNF;
    if (high && t->config & TN_32MODE_CNF) return;
    if (periodic) set_half(&t->period, high, v);
    if (!sets) return;
    set_half(&t->comparator, high, v);
    set_match(t);
    if (!run(t)) arm(t, false);
}

static void write_timer(HpetTimer *t, u32 reg, bool high, u32 v)
{
    if (reg == TN_CONF && !high) write_timer_conf(t, v);
    if (reg == TN_COMPARATOR) write_comparator(t, high, v);
}

static void hpet_write(void *dev, u32 offset, u32 v, unsigned bytes)
{
    Hpet *h = dev;
    bool high = offset & 4;
    u32 reg = offset & ~7u, n = (reg - TIMERS) / TIMER_BYTES;
    (void)bytes;
    run_all(h);
    if (reg >= TIMERS && n < HPET_TIMERS)
        write_timer(&h->timer[n], reg % TIMER_BYTES, high, v);
    else if (reg == GEN_CONF && !high)
        write_gen_conf(h, v);
    else if (reg == GINTR_STA && !high)
        write_status(h, v);
    else if (reg == MAIN_CNT)
        write_counter(h, high, v);
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void timer_fire(void *timer)
{
    if (!run(timer)) arm(timer, true);
}

void hpet_set_replaced(void *hpet, int n, bool level)
{
    Hpet *h = hpet;
    h->input[n] = level;
    if (!hpet_replaces(h)) irq_set(&h->lines.replaced[n], level);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void hpet_reset(void *dev)
{
    Hpet *h = dev;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        if (h->timer[n].hpet) drive(&h->timer[n], false);
    h->config = h->status = 0;
    h->count = 0;
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        HpetTimer *t = &h->timer[n];
        clock_disarm(h->clock, &t->timer);
        *t = (HpetTimer){.comparator = UINT64_MAX,
                         .match = HPET_NEVER,
                         .hpet = h,
                         .timer = {.fire = timer_fire, .ctx = t}};
    }
    replace(h);
}

static void timer_state(State *s, HpetTimer *t)
{
    state_u32(s, "config", &t->config);
    state_check(s, !(t->config & ~(u32)TN_WRITABLE), "config");
    state_u64(s, "comparator", &t->comparator);
    state_u64(s, "period", &t->period);
    state_u64(s, "match", &t->match);
    state_u32(s, "missed", &t->missed);
    state_check(s, t->missed <= CATCH_UP_MOST_NS / CATCH_UP_GAP_NS, "missed");
    state_u64(s, "catch_up_ns", &t->catch_up_ns);
    state_timer(s, "timer", t->hpet->clock, &t->timer);
}

static void hpet_state(void *dev, State *s)
{
    Hpet *h = dev;
    state_u8(s, "config", &h->config);
    state_check(s, !(h->config & ~(ENABLE_CNF | LEG_RT_CNF)), "config");
    state_u8(s, "status", &h->status);
    state_check(s, h->status < BIT(HPET_TIMERS), "status");
    state_u64(s, "count", &h->count);
    state_bool(s, "irq0_in", &h->input[0]);
    state_bool(s, "irq8_in", &h->input[1]);
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        state_group(s, "timer", n);
        timer_state(s, &h->timer[n]);
        state_group_end(s);
    }
}

const PartKind hpet_part = {.version = 1, .reset = hpet_reset, .state = hpet_state};

static const IoOps hpet_ops = {hpet_read, hpet_write, 4, 4};

void hpet_init(Hpet *h, Bus *bus, Clock *clock, const HpetLines *lines)
{
    *h = (Hpet){.clock = clock, .lines = *lines};
    hpet_reset(h);
    bus_add_mmio(bus, (u32)HPET_PA, HPET_BYTES, &hpet_ops, h, "hpet");
}
