/* rtc.c - MC146818 real-time clock with 128 bytes of battery-backed memory, as in every PC since the AT.
 *
 * Datasheet: Motorola MC146818A; IBM PC/AT Technical Reference, "Real-Time Clock / CMOS RAM". Ports: 70h index
 * (bit 7 masks NMI), 71h data.
 *
 * The time is not stored: it is base_s plus the divider chain, which is the guest clock plus a phase. While
 * register B's SET is on, or the divider is held in reset, the time registers are plain bytes in cmos[]; when
 * that ends they become the new base. Flags in register C are computed when somebody looks (rtc_sync): a flag is
 * set if its boundary lies between the last look and now. A Timer runs only while an enabled interrupt has not
 * yet raised IRQ8, since a second one is not visible before register C is read.
 *
 * A late host: periodic interrupts that were due while the vCPU thread was away come afterwards, up to four
 * times as fast, at most a second's worth, as the PIT's.
 *
 * Quirks that guests rely on: UIP for 2228 us before the second changes (244 us warning, 1984 us update); hours
 * 12-hour with PM in bit 7; alarm bytes C0h-FFh match all; a write of one time register with SET off takes effect
 * at once; century in byte 32h counts with the year; register D says that the battery is good.
 *
 * Not implemented: daylight saving (DSE), square-wave output, time bases other than 32.768 kHz (the divider
 * counts as running), the second bank at 72h-73h.
 */
#include "hw/rtc.h"

/* registers */
enum {
    RTC_SECONDS = 0,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_WEEKDAY,
    RTC_DAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_A,
    RTC_B,
    RTC_C,
    RTC_D,
    RTC_CENTURY = 0x32,
};
enum { A_UIP = 0x80, A_DV = 0x70, A_DV_RESET = 0x60, A_DV_32KHZ = 0x20, A_RS = 0x0f };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_DM = 0x04, B_24 = 0x02 };
enum { C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10 };
enum { D_VRT = 0x80, HOUR_PM = 0x80, ALARM_ANY = 0xc0 };
enum { EQUIPMENT_FLOPPY = 0x01, EQUIPMENT_FPU = 0x02, EQUIPMENT_MOUSE = 0x04, EQUIPMENT_TWO_FLOPPIES = 0x40 };
enum { DAY_S = 86400, UPDATE_NS = 2228000, CATCH_UP_SPEED = 4 };
static const u64 SECOND_NS = 1000000000;

typedef struct Date {
    int second, minute, hour, day, month, year; /* month, day from 1 */
    unsigned weekday;                           /* 0 Sunday */
} Date;

/* --- the calendar ---------------------------------------------------------------------------------------- */

static s64 floor_div(s64 a, s64 b) { return a / b - (a % b < 0); }

/* Days since 1970-01-01 of a Gregorian date; the year begins in March, so that leap days come last. Months out
 * of range run over into other years. */
static s64 days_of(s64 year, s64 month, s64 day)
{
    s64 m = month - 3;
    s64 y = year + floor_div(m, 12);
    m -= floor_div(m, 12) * 12;
    return y * 365 + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) + (153 * m + 2) / 5 + day - 1 -
           719468;
}

static Date date_of(s64 unix_s)
{
    s64 days = floor_div(unix_s, DAY_S), s = unix_s - days * DAY_S;
    Date d = {.second = (int)(s % 60), .minute = (int)(s / 60 % 60), .hour = (int)(s / 3600)};
    d.weekday = (unsigned)((days % 7 + 11) % 7);
    s64 year = 1970 + floor_div(days * 400, 146097);
    while (days_of(year, 1, 1) > days) year--;
    while (days_of(year + 1, 1, 1) <= days) year++;
    d.year = (int)year;
    d.month = 12;
    while (days_of(year, d.month, 1) > days) d.month--;
    d.day = (int)(days - days_of(year, d.month, 1)) + 1;
    return d;
}

#define RTC_BASE_MAX (1ll << 40) /* seconds: more than the years that its registers can name */

/* --- time ------------------------------------------------------------------------------------------------ */

static u64 divider_ns(Rtc *r) { return clock_now(r->clock) + r->phase_ns; }

static bool divider_held(const Rtc *r) { return (r->cmos[RTC_A] & A_DV_RESET) == A_DV_RESET; }

static bool frozen(const Rtc *r) { return r->cmos[RTC_B] & B_SET || divider_held(r); }

static s64 seconds_at(const Rtc *r, u64 div_ns) { return r->base_s + (s64)(div_ns / SECOND_NS); }

static u8 encode(const Rtc *r, unsigned v)
{
    return r->cmos[RTC_B] & B_DM ? (u8)v : (u8)(v / 10 % 10 << 4 | v % 10);
}

static int decode(const Rtc *r, u8 v) { return r->cmos[RTC_B] & B_DM ? v : (v >> 4) * 10 + (v & 15); }

static u8 encode_hour(const Rtc *r, unsigned hour)
{
    if (r->cmos[RTC_B] & B_24) return encode(r, hour);
    return (u8)(encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0));
}

static int decode_hour(const Rtc *r, u8 v)
{
    if (r->cmos[RTC_B] & B_24) return decode(r, v);
    return decode(r, v & ~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

/* The time registers, from the running clock into cmos[]. */
static void time_to_registers(Rtc *r, u64 div_ns)
{
    Date d = date_of(seconds_at(r, div_ns));
    unsigned year = (unsigned)((d.year % 10000 + 10000) % 10000);
    r->cmos[RTC_SECONDS] = encode(r, (unsigned)d.second);
    r->cmos[RTC_MINUTES] = encode(r, (unsigned)d.minute);
    r->cmos[RTC_HOURS] = encode_hour(r, (unsigned)d.hour);
    r->cmos[RTC_WEEKDAY] = encode(r, (d.weekday + r->weekday_shift) % 7 + 1);
    r->cmos[RTC_DAY] = encode(r, (unsigned)d.day);
    r->cmos[RTC_MONTH] = encode(r, (unsigned)d.month);
    r->cmos[RTC_YEAR] = encode(r, year % 100);
    r->cmos[RTC_CENTURY] = (u8)(year / 1000 << 4 | year / 100 % 10); /* BCD in either mode */
}

/* The reverse: the clock goes on from what the registers say. The divider keeps its phase. */
static void registers_to_time(Rtc *r, u64 div_ns)
{
    int year =
        ((r->cmos[RTC_CENTURY] >> 4) * 10 + (r->cmos[RTC_CENTURY] & 15)) * 100 + decode(r, r->cmos[RTC_YEAR]);
    s64 days = days_of(year, decode(r, r->cmos[RTC_MONTH]), decode(r, r->cmos[RTC_DAY]));
    s64 s = decode_hour(r, r->cmos[RTC_HOURS]) * 3600 + decode(r, r->cmos[RTC_MINUTES]) * 60 +
            decode(r, r->cmos[RTC_SECONDS]);
    r->base_s = days * DAY_S + s - (s64)(div_ns / SECOND_NS);
    unsigned weekday = (unsigned)decode(r, r->cmos[RTC_WEEKDAY]) + 6;
    r->weekday_shift = (u8)((weekday % 7 + 7 - date_of(seconds_at(r, div_ns)).weekday) % 7);
}

/* --- flags and IRQ8 -------------------------------------------------------------------------------------- */

/* Period of the periodic interrupt in ticks of 32.768 kHz; 0: off. */
static u32 period_ticks(const Rtc *r)
{
    unsigned rs = r->cmos[RTC_A] & A_RS;
    if (!rs || divider_held(r)) return 0;
    return 1u << (rs < 3 ? rs + 6 : rs - 1);
}

static u64 period_number(u64 div_ns, u32 ticks) { return muldiv64(div_ns, 32768, SECOND_NS) / ticks; }

static u64 next_period_ns(u64 div_ns, u32 ticks)
{
    return muldiv64((period_number(div_ns, ticks) + 1) * ticks, SECOND_NS, 32768) + 1;
}

static bool alarm_byte_matches(const Rtc *r, int reg, int value, bool hour)
{
    u8 a = r->cmos[reg];
    if ((a & ALARM_ANY) == ALARM_ANY) return true;
    return (hour ? decode_hour(r, a) : decode(r, a)) == value;
}

/* Does an alarm lie in the seconds (from, to]? After a day every alarm has had its chance. */
static bool alarm_between(const Rtc *r, s64 from, s64 to)
{
    if (to - from > DAY_S) from = to - DAY_S;
    for (s64 s = from + 1; s <= to; s++) {
        int day_s = (int)(s - floor_div(s, DAY_S) * DAY_S);
        if (alarm_byte_matches(r, RTC_SECONDS_ALARM, day_s % 60, false) &&
            alarm_byte_matches(r, RTC_MINUTES_ALARM, day_s / 60 % 60, false) &&
            alarm_byte_matches(r, RTC_HOURS_ALARM, day_s / 3600, true))
            return true;
    }
    return false;
}

/* Periodic boundaries in (synced, now]: the flag, and how many the host was late for. */
static void sync_periodic(Rtc *r, u64 now)
{
    u32 ticks = period_ticks(r);
    if (!ticks) return;
    u64 passed = period_number(now, ticks) - period_number(r->synced_ns, ticks);
    if (passed) r->flags |= C_PF;
    if (passed > 1 && r->cmos[RTC_B] & B_PIE && !r->irq_level) {
        u64 kept = 32768 / ticks;
        r->missed = (u32)(r->missed + passed - 1 < kept ? r->missed + passed - 1 : kept);
    }
    if (!passed && r->missed && now - r->phase_ns >= r->catch_up_ns && !(r->flags & C_PF)) {
        r->missed--;
        r->flags |= C_PF;
    }
}

static void sync_seconds(Rtc *r, u64 now)
{
    s64 from = seconds_at(r, r->synced_ns), to = seconds_at(r, now);
    if (frozen(r) || to <= from) return;
    r->flags |= C_UF;
    if (!(r->flags & C_AF) && alarm_between(r, from, to)) r->flags |= C_AF;
}

static void arm(Rtc *r, u64 now)
{
    u64 at = UINT64_MAX;
    u8 b = r->cmos[RTC_B];
    u32 ticks = period_ticks(r);
    if (r->irq_level) b = 0; /* nothing more to see before register C is read */
    if (b & B_PIE && ticks) {
        at = next_period_ns(now, ticks);
        if (r->missed && r->catch_up_ns + r->phase_ns < at) at = r->catch_up_ns + r->phase_ns;
    }
    if (b & (B_UIE | B_AIE) && !frozen(r)) {
        u64 second = (now / SECOND_NS + 1) * SECOND_NS;
        if (second < at) at = second;
    }
    if (at == UINT64_MAX)
        clock_disarm(r->clock, &r->timer);
    else
        clock_arm(r->clock, &r->timer, (at > now ? at : now + 1) - r->phase_ns);
}

/* Bring flags, IRQ8 and the timer up to date. Every access begins with it. */
static void rtc_sync(Rtc *r)
{
    u64 now = divider_ns(r);
    sync_periodic(r, now);
    sync_seconds(r, now);
    r->synced_ns = now;
    bool level = r->flags & r->cmos[RTC_B] & (B_PIE | B_AIE | B_UIE);
    if (level != r->irq_level) irq_set(&r->irq8, level);
    r->irq_level = level;
    arm(r, now);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static bool is_time(u8 i)
{
    return i == RTC_SECONDS || i == RTC_MINUTES || i == RTC_HOURS || (i >= RTC_WEEKDAY && i <= RTC_YEAR) ||
           i == RTC_CENTURY;
}

static bool update_in_progress(Rtc *r)
{
    return !frozen(r) && divider_ns(r) % SECOND_NS >= SECOND_NS - UPDATE_NS;
}

static u8 read_c(Rtc *r)
{
    u8 v = r->flags | (r->irq_level ? C_IRQF : 0);
    u32 ticks = period_ticks(r);
    if (ticks) r->catch_up_ns = clock_now(r->clock) + muldiv64(ticks, SECOND_NS, 32768 * CATCH_UP_SPEED);
    r->flags = 0;
    rtc_sync(r);
    return v;
}

static u8 rtc_register(Rtc *r, u8 i)
{
    if (i > RTC_D && i != RTC_CENTURY) return r->cmos[i];
    rtc_sync(r);
    if (is_time(i) && !frozen(r)) time_to_registers(r, divider_ns(r));
    switch (i) {
    case RTC_A: return r->cmos[i] | (update_in_progress(r) ? A_UIP : 0);
    case RTC_C: return read_c(r);
    case RTC_D: return D_VRT;
    default: return r->cmos[i];
    }
}

static u32 rtc_read(void *dev, u32 offset, unsigned bytes)
{
    Rtc *r = dev;
    (void)bytes;
    return offset ? rtc_register(r, r->index) : 0xff; /* the index is write-only */
}

/* --- writes ---------------------------------------------------------------------------------------------- */

/* Register A or B: time freezes or goes on. Out of divider reset, the first update comes half a second later. */
static void write_control(Rtc *r, u8 i, u8 v)
{
    u64 now = divider_ns(r);
    bool was_frozen = frozen(r), was_held = divider_held(r);
    if (!was_frozen) time_to_registers(r, now);
    r->cmos[i] = v;
    if (was_held && !divider_held(r)) {
        r->phase_ns += SECOND_NS - now % SECOND_NS + SECOND_NS / 2;
        now = divider_ns(r);
    }
    if (was_frozen && !frozen(r)) registers_to_time(r, now);
    r->synced_ns = now;
    r->missed = 0;
    if (i == RTC_B && v & B_SET) r->cmos[RTC_B] &= ~B_UIE;
}

static void write_time(Rtc *r, u8 i, u8 v)
{
    u64 now = divider_ns(r);
    if (!frozen(r)) time_to_registers(r, now);
    r->cmos[i] = v;
    if (!frozen(r)) registers_to_time(r, now);
}

static void rtc_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Rtc *r = dev;
    u8 v = (u8)value, i = r->index;
    (void)bytes;
    if (!offset) {
        r->index = v & 0x7f;
        r->nmi_masked = v & 0x80;
        return;
    }
    rtc_sync(r);
    if (i == RTC_A)
        write_control(r, i, v & ~A_UIP);
    else if (i == RTC_B)
        write_control(r, i, v);
    else if (is_time(i))
        write_time(r, i, v);
    else if (i != RTC_C && i != RTC_D)
        r->cmos[i] = v;
    rtc_sync(r);
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void rtc_fire(void *rtc) { rtc_sync(rtc); }

static void cmos_checksum(Rtc *r) /* over 10h-2Dh, as AT firmware checks it */
{
    u32 sum = 0;
    for (u8 i = 0x10; i <= 0x2d; i++) sum += r->cmos[i];
    r->cmos[0x2e] = (u8)(sum >> 8);
    r->cmos[0x2f] = (u8)sum;
}

void rtc_poke(Rtc *r, u8 index, u8 value)
{
    if (index <= RTC_D || index >= sizeof r->cmos || index == RTC_CENTURY) return;
    r->cmos[index] = value;
    cmos_checksum(r);
}

static void poke16(Rtc *r, u8 index, u32 v)
{
    if (v > 0xffff) v = 0xffff;
    r->cmos[index] = (u8)v;
    r->cmos[index + 1] = (u8)(v >> 8);
}

/* CMOS bytes as AT firmware leaves them: KiB above 1 MiB, 64 KiB units above 16 MiB. */
void rtc_set_memory_size(Rtc *r, u32 ram_bytes)
{
    u32 above_1m = ram_bytes > 1u << 20 ? ram_bytes - (1u << 20) : 0;
    u32 above_16m = ram_bytes > 16u << 20 ? ram_bytes - (16u << 20) : 0;
    poke16(r, 0x15, 640);
    poke16(r, 0x17, above_1m >> 10);
    poke16(r, 0x30, above_1m >> 10);
    poke16(r, 0x34, above_16m >> 16);
    cmos_checksum(r);
}

/* 10h: drive types. 14h: FPU, pointing device, VGA, and how many floppy drives. */
void rtc_set_equipment(Rtc *r, u8 floppy_a, u8 floppy_b)
{
    u8 equipment = EQUIPMENT_FPU | EQUIPMENT_MOUSE;
    if (floppy_a || floppy_b) equipment |= EQUIPMENT_FLOPPY;
    if (floppy_a && floppy_b) equipment |= EQUIPMENT_TWO_FLOPPIES;
    rtc_poke(r, 0x10, (u8)(floppy_a << 4 | floppy_b));
    rtc_poke(r, 0x14, equipment);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* RESET# clears the interrupt enables and flags; time, alarm and memory live on the battery. */
void rtc_reset(void *dev)
{
    Rtc *r = dev;
    rtc_sync(r); /* what was due so far goes, too */
    r->cmos[RTC_B] &= ~(B_PIE | B_AIE | B_UIE);
    r->flags = 0;
    r->missed = 0;
    r->nmi_masked = false;
    rtc_sync(r);
}

void rtc_move(Rtc *r, s64 seconds)
{
    s64 from, most = RTC_BASE_MAX;
    rtc_sync(r);
    from = seconds_at(r, r->synced_ns);
    if (seconds > most - r->base_s) seconds = most - r->base_s;
    if (seconds < -most - r->base_s) seconds = -most - r->base_s;
    r->base_s += seconds;
    if (seconds > 0 && !frozen(r)) {
        r->flags |= C_UF;
        if (alarm_between(r, from, from + seconds)) r->flags |= C_AF;
    }
    rtc_sync(r);
}

static void rtc_state(void *dev, State *s)
{
    Rtc *r = dev;
    state_bytes(s, "cmos", r->cmos, sizeof r->cmos);
    state_u8(s, "index", &r->index);
    state_check(s, r->index < sizeof r->cmos, "index");
    state_bool(s, "nmi_masked", &r->nmi_masked);
    state_u8(s, "flags", &r->flags);
    state_bool(s, "irq_level", &r->irq_level);
    state_u64(s, "base_s", (u64 *)&r->base_s);
    state_check(s, r->base_s >= -RTC_BASE_MAX && r->base_s <= RTC_BASE_MAX, "base_s");
    state_u64(s, "phase_ns", &r->phase_ns);
    state_u8(s, "weekday_shift", &r->weekday_shift);
    state_u64(s, "synced_ns", &r->synced_ns);
    state_u32(s, "missed", &r->missed);
    state_u64(s, "catch_up_ns", &r->catch_up_ns);
    state_timer(s, "timer", r->clock, &r->timer);
}

const PartKind rtc_part = {.version = 1, .reset = rtc_reset, .state = rtc_state};

static const IoOps rtc_ops = {rtc_read, rtc_write, 1, 1};

void rtc_init(Rtc *r, Bus *bus, Clock *clock, IrqLine irq8, s64 unix_s)
{
    *r = (Rtc){.clock = clock, .irq8 = irq8, .base_s = unix_s, .timer = {.fire = rtc_fire, .ctx = r}};
    r->cmos[RTC_A] = A_DV_32KHZ | 6; /* 1024 Hz */
    r->cmos[RTC_B] = B_24;
    r->synced_ns = divider_ns(r);
    rtc_reset(r);
    bus_add_ports(bus, 0x70, 2, &rtc_ops, r, "rtc");
}
