/* pit.c - 8254 Programmable Interval Timer.
 *
 * Datasheet: Intel 8254 (231164), "Mode Definitions", "Read Operations". Ports: 40h-42h counters, 43h control.
 *
 * Nothing counts here. A channel remembers the tick at which its counting element was loaded; counter and OUT
 * follow from the present tick. Ticks come from the guest clock by one exact ratio (14.31818 MHz / 12, the same
 * crystal as the PM timer's), so a periodic timer cannot drift. Only channel 0 can interrupt, so only its next
 * rising edge of OUT is armed as a Timer.
 *
 * A late host: edges that passed while the vCPU thread was away are delivered one by one afterwards, four times as fast as
 * they would have come, and faster the more they are (catch_up.h), so that a guest that counts ticks keeps its time. A tick that comes
 * while the last one still waits for its interrupt is kept as well (hardware loses it, but hardware is not
 * slowed down by an emulator). At most one second's worth is kept. While IRQ0 is masked ticks are lost as on hardware.
 * Overdue edges are delivered before a counter is read: otherwise the guest sees the counter wrap without a tick.
 * Edges come no closer than MIN_GAP apart: a guest that programs a count of 2 gets a storm, but we live.
 *
 * Quirks: OUT0 is high and still at power-on. The line to the PIC stays high in modes 2 and 3 but for an
 * infinitely short low pulse before each tick (mode 3's low half would take an unserved tick back). Counts of 1 in
 * modes 2 and 3, which the datasheet forbids, count as 2. Mode 3 takes a new count at the end of the whole
 * cycle, not of the half.
 *
 * Not implemented: GATE0 and GATE1 are tied high, as on a PC; IRQ0 from mode 1 or 5 would need a trigger there.
 */
#include "hw/pit.h"

#include "hw/catch_up.h"

enum { RW_LATCH = 0, RW_LSB = 1, RW_MSB = 2, RW_BOTH = 3 };
enum { READ_BACK = 3, READ_BACK_NO_COUNT = 0x20, READ_BACK_NO_STATUS = 0x10 };
enum { STATUS_OUT = 0x80, STATUS_NULL_COUNT = 0x40 };
enum { CONTROL = 3 };
enum { MIN_GAP = 12 /* ticks, 10 us */, REFRESH_TICKS = 18 };
enum { HZ_TIMES_3 = 3579545 };

u64 pit_ticks(u64 ns) { return muldiv64(ns, HZ_TIMES_3, 3000000000u); }

u64 pit_tick_ns(u64 tick)
{
    return tick == PIT_NEVER ? UINT64_MAX : muldiv64(tick, 3000000000u, HZ_TIMES_3) + 1;
}

static u64 now_tick(Pit *p) { return pit_ticks(clock_now(p->clock)); }

/* --- what a channel shows at tick t ---------------------------------------------------------------------- */

static u32 modulus(const PitChannel *c) { return c->bcd ? 10000 : 65536; }

static bool periodic(const PitChannel *c) { return c->mode == 2 || c->mode == 3; }

static bool triggered(const PitChannel *c) { return c->mode == 1 || c->mode == 5; }

static void channel_settle(PitChannel *c, u64 t) /* take over a count that was waiting for the cycle's end */
{
    if (!c->reload || t < c->reload) return;
    c->start = c->reload;
    c->count = c->cr;
    c->reload = 0;
}

static u64 elapsed(const PitChannel *c, u64 t)
{
    if (c->stopped) return c->held;
    return t > c->start ? t - c->start : 0;
}

static bool channel_out(const PitChannel *c, u64 t)
{
    u64 e = elapsed(c, t);
    if (!c->count) return c->mode != 0;
    switch (c->mode) {
    case 2: return c->stopped || e % c->count != c->count - 1;
    case 3: return c->stopped || e % c->count < (c->count + 1) / 2;
    case 4:
    case 5: return e != c->count;
    default: return e >= c->count;
    }
}

/* Mode 3 counts down by two, twice a cycle, from an even number. */
static u32 square_wave_value(const PitChannel *c, u64 e)
{
    u32 phase = (u32)(e % c->count), high = (c->count + 1) / 2;
    u32 from = c->count & ~1u;
    return from - 2 * (phase < high ? phase : phase - high);
}

static u16 to_bcd(u32 v)
{
    return (u16)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

static u32 from_bcd(u16 v) { return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15); }

static u16 channel_value(const PitChannel *c, u64 t)
{
    u64 e = elapsed(c, t);
    u32 mod = modulus(c), v;
    if (!c->count)
        v = 0;
    else if (c->mode == 3)
        v = square_wave_value(c, e);
    else if (c->mode == 2)
        v = c->count - (u32)(e % c->count);
    else
        v = c->count + mod - (u32)(e % mod);
    v %= mod;
    return c->bcd ? to_bcd(v) : (u16)v;
}

static u8 channel_status(const PitChannel *c, u64 t)
{
    bool null = !c->count || c->reload || c->null_count || (!c->stopped && t < c->start);
    return (u8)((channel_out(c, t) ? STATUS_OUT : 0) | (null ? STATUS_NULL_COUNT : 0) | c->rw << 4 |
                c->mode << 1 | c->bcd);
}

/* The first tick after t at which OUT rises. */
static u64 next_rise(const PitChannel *c, u64 t)
{
    u64 at;
    if (!c->count || c->stopped) return PIT_NEVER;
    if (c->reload) return c->reload;
    if (periodic(c)) return c->start + (elapsed(c, t) / c->count + 1) * c->count;
    at = c->start + c->count + (c->mode >= 4);
    return at > t ? at : PIT_NEVER;
}

/* --- IRQ0 ------------------------------------------------------------------------------------------------ */

static void irq0_arm(Pit *p, u64 not_before)
{
    u64 at = p->edge;
    if (p->missed && p->catch_up < at) at = p->catch_up;
    if (at == PIT_NEVER)
        clock_disarm(p->clock, &p->timer);
    else
        clock_arm(p->clock, &p->timer, pit_tick_ns(at > not_before ? at : not_before));
}

static void keep_missed(Pit *p, u64 edges) /* periodic modes */
{
    u64 most = HZ_TIMES_3 / 3 / p->channel[0].count + 1;
    p->missed = (u32)(p->missed + edges < most ? p->missed + edges : most);
}

static void irq0_pulse(Pit *p)
{
    if (periodic(&p->channel[0]) && p->tick_waits && p->tick_waits(p->tick_ctx)) {
        keep_missed(p, 1);
        return;
    }
    if (p->channel[0].mode != 0) irq_set(&p->irq0, false);
    irq_set(&p->irq0, true);
}

/* The edge at p->edge is due at t: count those behind it that are due as well. */
static void irq0_edge(Pit *p, u64 t)
{
    PitChannel *c = &p->channel[0];
    u32 period = c->count;
    channel_settle(c, t);
    if (periodic(c)) {
        keep_missed(p, (t - p->edge) / c->count);
        period = c->count;
    }
    p->edge = next_rise(c, t);
    p->catch_up = t + catch_up_gap(p->missed, period);
    if (p->catch_up < t + MIN_GAP) p->catch_up = t + MIN_GAP;
    irq0_pulse(p);
}

/* Deliver what is due. Called by the timer and before the guest reads counter 0. */
static void irq0_run(Pit *p)
{
    u64 t = now_tick(p);
    if (t >= p->edge) {
        irq0_edge(p, t);
    } else if (p->missed && t >= p->catch_up) {
        p->missed--;
        p->catch_up = t + catch_up_gap(p->missed, p->channel[0].count) + MIN_GAP;
        irq0_pulse(p);
    } else if (p->timer.armed) {
        return;
    }
    irq0_arm(p, t + MIN_GAP);
}

/* Channel 0 was programmed: OUT takes its new level at once, missed edges are forgotten. */
static void irq0_restart(Pit *p, u64 t)
{
    p->missed = 0;
    p->edge = next_rise(&p->channel[0], t);
    irq_set(&p->irq0, channel_out(&p->channel[0], t) || periodic(&p->channel[0]));
    irq0_arm(p, t);
}

/* --- the speaker ----------------------------------------------------------------------------------------- */

static void channel2_changed(Pit *p)
{
    if (p->channel2_changed) p->channel2_changed(p->channel2_ctx);
}

void pit_watch_channel2(Pit *p, void (*changed)(void *ctx), void *ctx)
{
    p->channel2_changed = changed;
    p->channel2_ctx = ctx;
}

u32 pit_wave2(Pit *p, bool *level)
{
    PitChannel *c = &p->channel[2];
    u64 t = now_tick(p), e;
    channel_settle(c, t);
    e = elapsed(c, t);
    *level = true;
    if (c->mode == 3 && c->count && !c->stopped) return c->cr;
    if (c->mode > 1) return 0;
    *level = channel_out(c, t);
    return c->count && !c->stopped && e < c->count ? (u32)(c->count - e) : 0;
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 read_half(PitChannel *c, u16 value)
{
    bool msb = c->rw == RW_MSB || (c->rw == RW_BOTH && c->msb_next);
    if (c->rw == RW_BOTH) c->msb_next = !c->msb_next;
    if (c->rw != RW_BOTH || msb) c->latched = false;
    return (u8)(msb ? value >> 8 : value);
}

static u32 pit_read(void *dev, u32 offset, unsigned bytes)
{
    Pit *p = dev;
    (void)bytes;
    if (offset == CONTROL) return 0xff; /* write-only; the datasheet's "no operation" */
    PitChannel *c = &p->channel[offset];
    if (offset == 0) irq0_run(p);
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    u64 t = now_tick(p);
    channel_settle(c, t);
    return read_half(c, c->latched ? c->latch : channel_value(c, t));
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void latch_count(PitChannel *c, u64 t)
{
    if (c->latched) return;
    c->latched = true;
    c->latch = channel_value(c, t);
}

static void latch_status(PitChannel *c, u64 t)
{
    if (c->status_latched) return;
    c->status_latched = true;
    c->status = channel_status(c, t);
}

static void write_read_back(Pit *p, u8 v)
{
    irq0_run(p);
    u64 t = now_tick(p);
    for (unsigned i = 0; i < 3; i++) {
        PitChannel *c = &p->channel[i];
        if (!(v & BIT(i + 1))) continue;
        channel_settle(c, t);
        if (!(v & READ_BACK_NO_COUNT)) latch_count(c, t);
        if (!(v & READ_BACK_NO_STATUS)) latch_status(c, t);
    }
}

static void write_control(Pit *p, u8 v)
{
    unsigned n = v >> 6;
    if (n == READ_BACK) {
        write_read_back(p, v);
        return;
    }
    PitChannel *c = &p->channel[n];
    if (n == 0) irq0_run(p);
    u64 t = now_tick(p);
    channel_settle(c, t);
    if ((v >> 4 & 3) == RW_LATCH) {
        latch_count(c, t);
        return;
    }
    u8 mode = v >> 1 & 7;
    *c = (PitChannel){
        .mode = mode > 5 ? mode & 3 : mode, .rw = v >> 4 & 3, .bcd = v & 1, .gate = c->gate, .stopped = true};
    if (n == 0) irq0_restart(p, t);
    if (n == 2) channel2_changed(p);
}

/* The count is complete in cr. */
static void load_count(PitChannel *c, u64 t)
{
    if (triggered(c)) {
        c->null_count = true;
    } else if (periodic(c) && c->count && !c->stopped) {
        c->reload = c->start + (elapsed(c, t) / c->count + 1) * c->count;
    } else {
        c->count = c->cr;
        c->start = t + 1;
        c->stopped = !c->gate;
        c->held = 0;
    }
}

static void write_count(PitChannel *c, u16 raw, u64 t)
{
    u32 n = (c->bcd ? from_bcd(raw) : raw) % modulus(c);
    if (!n) n = modulus(c);
    if (n == 1 && periodic(c)) {
        trace(GUEST_ERRORS, "pit: count 1 in mode %u", c->mode);
        n = 2;
    }
    c->cr = n;
    load_count(c, t);
}

/* Returns whether the channel's behaviour changed. */
static bool write_half(PitChannel *c, u8 v, u64 t)
{
    if (c->rw == RW_BOTH && !c->lsb_written) {
        c->lsb = v;
        c->lsb_written = true;
        if (c->mode != 0) return false;
        c->stopped = true; /* mode 0: the first byte stops the count and pulls OUT low */
        c->held = 0;
        return true;
    }
    u16 raw = c->rw == RW_LSB ? v : (u16)(v << 8 | (c->rw == RW_BOTH ? c->lsb : 0));
    c->lsb_written = false;
    write_count(c, raw, t);
    return true;
}

static void pit_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Pit *p = dev;
    (void)bytes;
    if (offset == CONTROL) {
        write_control(p, (u8)value);
        return;
    }
    PitChannel *c = &p->channel[offset];
    if (offset == 0) irq0_run(p);
    u64 t = now_tick(p);
    channel_settle(c, t);
    if (!write_half(c, (u8)value, t)) return;
    if (offset == 0) irq0_restart(p, t);
    if (offset == 2) channel2_changed(p);
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void pit_fire(void *pit) { irq0_run(pit); }

static void gate_rises(PitChannel *c, u64 t)
{
    bool resume = c->mode == 0 || c->mode == 4;
    if (!c->cr || (resume && (!c->count || c->lsb_written))) return;
    c->start = resume ? t - c->held : t + 1;
    c->stopped = false;
    if (resume) return;
    c->count = c->cr;
    c->null_count = false;
}

static void gate_falls(PitChannel *c, u64 t)
{
    if (triggered(c)) return;
    c->held = elapsed(c, t);
    c->stopped = true;
    c->reload = 0;
}

void pit_set_gate2(Pit *p, bool level)
{
    PitChannel *c = &p->channel[2];
    u64 t = now_tick(p);
    if (level == c->gate) return;
    channel_settle(c, t);
    c->gate = level;
    if (level)
        gate_rises(c, t);
    else
        gate_falls(c, t);
    channel2_changed(p);
}

void pit_watch_tick(Pit *p, bool (*tick_waits)(void *ctx), void *ctx)
{
    p->tick_waits = tick_waits;
    p->tick_ctx = ctx;
}

bool pit_out2(Pit *p)
{
    u64 t = now_tick(p);
    channel_settle(&p->channel[2], t);
    return channel_out(&p->channel[2], t);
}

bool pit_refresh(Pit *p) { return now_tick(p) / REFRESH_TICKS & 1; }

/* --- life cycle ------------------------------------------------------------------------------------------ */

void pit_reset(void *dev)
{
    Pit *p = dev;
    u64 t = now_tick(p);
    for (unsigned i = 0; i < 3; i++)
        p->channel[i] = (PitChannel){.mode = 3, .rw = RW_BOTH, .gate = i != 2, .stopped = true};
    irq0_restart(p, t);
}

static void channel_state(State *s, PitChannel *c)
{
    state_u8(s, "mode", &c->mode);
    state_check(s, c->mode <= 5, "mode");
    state_u8(s, "rw", &c->rw);
    state_bool(s, "bcd", &c->bcd);
    state_bool(s, "gate", &c->gate);
    state_bool(s, "lsb_written", &c->lsb_written);
    state_u8(s, "lsb", &c->lsb);
    state_bool(s, "msb_next", &c->msb_next);
    state_bool(s, "latched", &c->latched);
    state_u16(s, "latch", &c->latch);
    state_bool(s, "status_latched", &c->status_latched);
    state_u8(s, "status", &c->status);
    state_u32(s, "cr", &c->cr);
    state_check(s, c->cr <= 0x10000, "cr");
    state_u32(s, "count", &c->count);
    state_check(s, c->count <= 0x10000, "count");
    state_u64(s, "start", &c->start);
    state_u64(s, "reload", &c->reload);
    state_bool(s, "stopped", &c->stopped);
    state_u64(s, "held", &c->held);
    state_bool(s, "null_count", &c->null_count);
}

static void pit_state(void *dev, State *s)
{
    Pit *p = dev;
    for (unsigned n = 0; n < 3; n++) {
        if (s->way != STATE_LOAD) channel_settle(&p->channel[n], now_tick(p));
        state_group(s, "channel", n);
        channel_state(s, &p->channel[n]);
        state_group_end(s);
    }
    state_u64(s, "edge", &p->edge);
    state_u64(s, "catch_up", &p->catch_up);
    state_u32(s, "missed", &p->missed);
    state_check(s, p->channel[0].count || (p->edge == PIT_NEVER && !p->missed), "edge");
    state_timer(s, "timer", p->clock, &p->timer);
}

const PartKind pit_part = {.version = 1, .reset = pit_reset, .state = pit_state};

static const IoOps pit_ops = {pit_read, pit_write, 1, 1};

void pit_init(Pit *p, Bus *bus, Clock *clock, IrqLine irq0)
{
    *p = (Pit){.clock = clock, .irq0 = irq0, .timer = {.fire = pit_fire, .ctx = p}};
    pit_reset(p);
    bus_add_ports(bus, 0x40, 4, &pit_ops, p, "pit");
}
