/* lapic.c - the local APIC of a P5, P6 or Pentium M processor.
 *
 * Source: SDM vol. 3, chapter 10 (APIC), whose figures name the registers. Memory: a page at FEE00000h, or where
 * IA32_APIC_BASE says; registers of 32 bits at multiples of 16. There is one processor: IPIs reach it or nobody.
 *
 * The timer's bus clock is 1 GHz, as the time-stamp counter's: a count at divide-by-1 is a nanosecond of guest time.
 * Nothing counts: the current count is computed when it is read, and a Timer is armed for the next interrupt only. A
 * period that has passed is delivered before the count is read. Periodic interrupts that the host was late for, and
 * those that find the last one still waiting, are delivered afterwards (catch_up.h), none while the entry is masked.
 *
 * The 8259's INTR is the pin LINT0, NMI is LINT1. Reset leaves LINT0 in ExtINT mode and open (a virtual wire), which on
 * hardware is the firmware's first deed: systems that know no APIC, and firmware that does not, get their interrupts.
 * While the APIC is off by IA32_APIC_BASE, or passed by (IMCR), both pins are the core's own.
 *
 * Quirks: an IPI is delivered at once, so delivery status always reads 0. Polarity bits are kept without effect: a
 * line of this board says whether it is asserted. An APIC that was switched off by IA32_APIC_BASE may be switched on
 * again (on the 3-wire bus of a real P6 it takes a reset).
 *
 * INIT resets core and APIC but for the APIC's ID. The core is the bootstrap processor, which begins at the reset vector
 * then and waits for no start-up message: those it ignores.
 *
 * Not implemented: SMI messages and pins in that mode are traced and ignored, as are remote reads; performance and
 * thermal events never come; registers are not seen where IA32_APIC_BASE puts them over RAM or above 4 GiB; x2APIC,
 * TSC deadlines.
 */
#include "hw/lapic.h"

#include "hw/catch_up.h"

/* Registers, by their offset. */
enum {
    ID = 0x020,
    TPR = 0x080,
    APR = 0x090,
    PPR = 0x0a0,
    EOI = 0x0b0,
    RRD = 0x0c0,
    LDR = 0x0d0,
    DFR = 0x0e0,
    SVR = 0x0f0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR_LOW = 0x300,
    ICR_HIGH = 0x310,
    LVT_FIRST = 0x320,
    LVT_LAST = 0x370,
    INITIAL_COUNT = 0x380,
    CURRENT_COUNT = 0x390,
    DIVIDE = 0x3e0,
};
enum { SVR_ENABLE = 0x100, SVR_WRITABLE = 0x3ff };
enum {
    ESR_SEND_ACCEPT = 0x04,
    ESR_SEND_VECTOR = 0x20,
    ESR_RECEIVE_VECTOR = 0x40,
    ESR_REGISTER = 0x80,
};
enum { LVT_REMOTE_IRR = 1 << 14, LVT_LEVEL = 1 << 15, LVT_MASKED = 1 << 16, LVT_PERIODIC = 1 << 17 };
enum { ICR_LOGICAL = 1 << 11, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15, ICR_WRITABLE = 0xccfff };
enum { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS }; /* ICR destination shorthand */
enum { FIRST_VECTOR = 16, XAPIC = 0x14, DIVIDE_WRITABLE = 0x0b };

static const u32 lvt_writable[LAPIC_LVTS] = {0x300ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

static bool is_enabled(const Lapic *l) { return l->base & LAPIC_BASE_ENABLE; }
static bool is_accepting(const Lapic *l) { return is_enabled(l) && l->svr & SVR_ENABLE; }
static bool is_bypassed(const Lapic *l) { return l->direct || !is_enabled(l); }
/* P5 and P6 have IDs of four bits, on a bus that notices when nobody accepts. */
static bool has_3_wire_bus(const Lapic *l) { return (l->version & 0xff) < XAPIC; }
static ApicMode mode_of(u32 lvt_or_icr) { return (ApicMode)(lvt_or_icr >> 8 & 7); }

/* --- vectors --------------------------------------------------------------------------------------------- */

static bool bit_test(const u32 *set, u8 v) { return set[v / 32] & BIT(v % 32); }
static void bit_put(u32 *set, u8 v, bool on)
{
    set[v / 32] = (set[v / 32] & ~BIT(v % 32)) | (u32)on << v % 32;
}

static int highest(const u32 *set) /* -1: none */
{
    for (int w = 7; w >= 0; w--)
        if (set[w]) return 32 * w + 31 - __builtin_clz(set[w]);
    return -1;
}

static u32 priority_class(int vector) { return vector < 0 ? 0 : (u32)vector & 0xf0; }

static u32 processor_priority(const Lapic *l)
{
    u32 served = priority_class(highest(l->isr));
    return (l->tpr & 0xf0) >= served ? l->tpr : served;
}

static u32 arbitration_priority(const Lapic *l)
{
    u32 own = l->tpr & 0xf0, served = priority_class(highest(l->isr)),
        asked = priority_class(highest(l->irr));
    if (own >= asked && own > served) return l->tpr;
    return served > asked ? served : asked;
}

/* The vector that would be acknowledged now, or -1. */
static int next_vector(const Lapic *l)
{
    int v = highest(l->irr);
    return is_enabled(l) && priority_class(v) > (processor_priority(l) & 0xf0) ? v : -1;
}

/* --- towards the core ------------------------------------------------------------------------------------ */

static bool has_external(const Lapic *l)
{
    if (is_bypassed(l)) return l->lint[0];
    for (int pin = 0; pin < 2; pin++) {
        u32 lvt = l->lvt[LAPIC_LVT_LINT0 + pin];
        if (l->lint[pin] && !(lvt & LVT_MASKED) && mode_of(lvt) == APIC_EXTINT) return true;
    }
    return l->extint;
}

static void update(Lapic *l)
{
    bool level = has_external(l) || next_vector(l) >= 0;
    if (level == l->intr_level) return;
    l->intr_level = level;
    irq_set(&l->lines.intr, level);
}

static void raise_nmi(Lapic *l)
{
    irq_set(&l->lines.nmi, true);
    irq_set(&l->lines.nmi, false);
}

static void note_error(Lapic *l, u32 error);

/* Without update(). */
static void request(Lapic *l, u8 vector, bool level)
{
    if (vector < FIRST_VECTOR) {
        note_error(l, ESR_RECEIVE_VECTOR);
        return;
    }
    bit_put(l->irr, vector, true);
    bit_put(l->tmr, vector, level);
}

/* A new kind of error interrupts, where the vector itself is legal. */
static void note_error(Lapic *l, u32 error)
{
    u32 lvt = l->lvt[LAPIC_LVT_ERROR];
    bool is_new = error & ~l->errors;
    l->errors |= error;
    trace(GUEST_ERRORS, "lapic: error %02x", error);
    if (is_new && !(lvt & LVT_MASKED) && (lvt & 0xff) >= FIRST_VECTOR) request(l, (u8)lvt, false);
}

bool lapic_requested(const Lapic *l, u8 vector) { return bit_test(l->irr, vector); }

u8 lapic_ack(Lapic *l)
{
    int v = next_vector(l);
    if (v >= 0) {
        bit_put(l->irr, (u8)v, false);
        bit_put(l->isr, (u8)v, true);
    } else if (has_external(l)) {
        l->extint = false;
        v = l->lines.inta(l->lines.ctx);
    } else {
        v = (int)(l->svr & 0xff); /* spurious */
    }
    update(l);
    return (u8)v;
}

/* --- the timer ------------------------------------------------------------------------------------------- */

static unsigned timer_shift(const Lapic *l) { return (((l->divide >> 1 & 4) | (l->divide & 3)) + 1) & 7; }

static bool timer_is_periodic(const Lapic *l) { return l->lvt[LAPIC_LVT_TIMER] & LVT_PERIODIC; }

static u64 timer_elapsed(const Lapic *l) { return (clock_now(l->clock) - l->start_ns) >> timer_shift(l); }

/* Of a timer that has not run out. */
static u32 timer_count(const Lapic *l)
{
    u64 e = l->counting ? timer_elapsed(l) : 0;
    return l->counting && e < l->from ? l->from - (u32)e : 0;
}

static u64 timer_period_ns(const Lapic *l) { return (u64)l->initial << timer_shift(l); }

static void keep_missed(Lapic *l, u64 periods)
{
    l->missed = catch_up_keep(l->missed, periods, timer_period_ns(l));
}

/* The timer's interrupt; the next to catch up with comes a while later. False: the entry is masked. */
static bool timer_interrupt(Lapic *l)
{
    u8 vector = (u8)l->lvt[LAPIC_LVT_TIMER];
    if (l->lvt[LAPIC_LVT_TIMER] & LVT_MASKED) {
        l->missed = 0;
        return false;
    }
    if (timer_is_periodic(l) && lapic_requested(l, vector)) keep_missed(l, 1);
    l->catch_up_ns = clock_now(l->clock) + catch_up_gap(l->missed, timer_period_ns(l));
    request(l, vector, false);
    update(l);
    return true;
}

/* If the count has reached 0: start the next period. True: this interrupted, or one that had been missed did. */
static bool timer_run(Lapic *l)
{
    if (!l->counting) return false;
    u64 e = timer_elapsed(l);
    if (e < l->from) {
        if (!l->missed || clock_now(l->clock) < l->catch_up_ns) return false;
        l->missed--;
        return timer_interrupt(l);
    }
    u64 later = (e - l->from) / l->initial; /* periods behind the one that ends here */
    l->counting = timer_is_periodic(l);
    l->start_ns += (l->from + later * l->initial) << timer_shift(l);
    l->from = l->initial;
    if (l->counting) keep_missed(l, later);
    return timer_interrupt(l);
}

/* `gap`: an interrupt came just now. */
static void timer_arm(Lapic *l, bool gap)
{
    if (!l->counting || l->lvt[LAPIC_LVT_TIMER] & LVT_MASKED) {
        clock_disarm(l->clock, &l->timer);
        return;
    }
    u64 at = l->start_ns + ((u64)l->from << timer_shift(l));
    clock_arm(l->clock, &l->timer, catch_up_next(at, l->missed, l->catch_up_ns, gap, clock_now(l->clock)));
}

static void timer_fire(void *lapic) { timer_arm(lapic, timer_run(lapic)); }

static u32 read_current_count(Lapic *l)
{
    if (timer_run(l)) timer_arm(l, true);
    return timer_count(l);
}

static void write_initial_count(Lapic *l, u32 v)
{
    l->initial = l->from = v;
    l->start_ns = clock_now(l->clock);
    l->counting = v != 0;
    l->missed = 0;
    timer_arm(l, false);
}

static void write_divide(Lapic *l, u32 v)
{
    bool interrupted = timer_run(l);
    u32 left = timer_count(l);
    l->divide = v & DIVIDE_WRITABLE;
    l->from = left;
    l->start_ns = clock_now(l->clock);
    timer_arm(l, interrupted);
}

/* --- messages -------------------------------------------------------------------------------------------- */

static bool is_addressed(const Lapic *l, u8 dest, bool logical)
{
    u32 ids = has_3_wire_bus(l) ? 0x0f : 0xff;
    if (!logical) return (dest & ids) == ids || (dest & ids) == (l->id >> 24 & ids);
    u8 own = (u8)(l->ldr >> 24);
    if (l->dfr >> 28 == 0xf) return own & dest;
    return (dest >> 4 == 0xf || dest >> 4 == own >> 4) && own & dest & 0xf;
}

static void reset_registers(Lapic *l);

/* SDM vol. 3, 10.4.7.3. */
static void take_init(Lapic *l)
{
    u32 id = l->id;
    reset_registers(l);
    l->id = id;
    irq_set(&l->lines.init, true);
    irq_set(&l->lines.init, false);
}

static bool take(Lapic *l, const ApicMessage *m)
{
    static const char *const ignored[8] = {[APIC_SMI] = "SMI", [APIC_REMOTE_READ] = "remote read"};
    switch (m->mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (!is_accepting(l)) return false;
        request(l, m->vector, m->level);
        break;
    case APIC_NMI: raise_nmi(l); break;
    case APIC_EXTINT: l->extint = true; break;
    case APIC_INIT: take_init(l); break;
    case APIC_STARTUP: break;
    default: trace(UNIMP, "lapic: %s message to the only processor is ignored", ignored[m->mode & 7]);
    }
    update(l);
    return true;
}

bool lapic_accept(Lapic *l, const ApicMessage *m)
{
    return is_enabled(l) && is_addressed(l, m->dest, m->logical) && take(l, m);
}

static void send(Lapic *l)
{
    u32 v = l->icr_low, to = v >> 18 & 3;
    ApicMode mode = mode_of(v);
    ApicMessage m = {.vector = (u8)v,
                     .mode = (u8)mode,
                     .dest = (u8)(l->icr_high >> 24),
                     .logical = v & ICR_LOGICAL,
                     .level = v & ICR_LEVEL && v & ICR_ASSERT};
    if (mode == APIC_INIT && v & ICR_LEVEL && !(v & ICR_ASSERT))
        return; /* INIT level de-assert: ID arbitration only */
    if (mode <= APIC_LOWEST && m.vector < FIRST_VECTOR) {
        note_error(l, ESR_SEND_VECTOR);
    } else if (mode == APIC_REMOTE_READ || mode == APIC_EXTINT) {
        trace(GUEST_ERRORS, "lapic: ICR %05x: no such delivery mode here", v);
    } else if (to == TO_SELF || to == TO_ALL) {
        take(l, &m);
    } else if (to == TO_DEST && !lapic_accept(l, &m) && has_3_wire_bus(l)) {
        note_error(l, ESR_SEND_ACCEPT);
    }
    update(l);
}

/* --- pins ------------------------------------------------------------------------------------------------ */

/* What an open pin asks for besides ExtINT, which has_external() sees. */
static void pin_signal(Lapic *l, int pin, bool rose)
{
    u32 *lvt = &l->lvt[LAPIC_LVT_LINT0 + pin];
    if (*lvt & LVT_MASKED) return;
    bool level = *lvt & LVT_LEVEL && mode_of(*lvt) == APIC_FIXED;
    bool asks = level ? l->lint[pin] && !(*lvt & LVT_REMOTE_IRR) : rose;
    if (!asks) return;
    if (mode_of(*lvt) == APIC_FIXED && is_accepting(l)) {
        if (level) *lvt |= LVT_REMOTE_IRR;
        request(l, (u8)*lvt, level);
    } else if (mode_of(*lvt) == APIC_NMI) {
        raise_nmi(l);
    } else if (mode_of(*lvt) == APIC_INIT) {
        take_init(l); /* this entry is what reset makes of it, then */
    } else if (mode_of(*lvt) != APIC_EXTINT) {
        trace(UNIMP, "lapic: LINT%d in mode %d is ignored", pin, mode_of(*lvt));
    }
}

void lapic_set_lint(void *lapic, int pin, bool level)
{
    Lapic *l = lapic;
    bool rose = level && !l->lint[pin];
    l->lint[pin] = level;
    if (!is_bypassed(l))
        pin_signal(l, pin, rose);
    else if (pin == 1 && rose)
        raise_nmi(l);
    update(l);
}

void lapic_set_through(void *lapic, int n, bool through)
{
    Lapic *l = lapic;
    (void)n;
    l->direct = !through;
    update(l);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

/* The index in lvt[] of a register of the table; -1: this APIC has none there. */
static int lvt_index(const Lapic *l, u32 reg)
{
    int n = (int)(reg - LVT_FIRST) / 16;
    u32 entries = (l->version >> 16 & 0xff) + 1;
    if (reg < LVT_FIRST || reg > LVT_LAST) return -1;
    if ((n == LAPIC_LVT_THERMAL && entries < 6) || (n == LAPIC_LVT_PERF && entries < 5)) return -1;
    return n;
}

static u32 read_no_register(Lapic *l, u32 reg)
{
    trace(GUEST_ERRORS, "lapic: read of reserved register %03x", reg);
    note_error(l, ESR_REGISTER);
    update(l);
    return 0;
}

static u32 read_other(Lapic *l, u32 reg)
{
    int n = lvt_index(l, reg);
    if (n >= 0) return l->lvt[n];
    if (reg >= ISR && reg < TMR) return l->isr[(reg - ISR) / 16];
    if (reg >= TMR && reg < IRR) return l->tmr[(reg - TMR) / 16];
    if (reg >= IRR && reg < ESR) return l->irr[(reg - IRR) / 16];
    return read_no_register(l, reg);
}

static u32 lapic_read(void *dev, u32 offset, unsigned bytes)
{
    Lapic *l = dev;
    (void)bytes;
    switch (offset) {
    case ID: return l->id;
    case LAPIC_VERSION: return l->version;
    case TPR: return l->tpr;
    case APR: return arbitration_priority(l);
    case PPR: return processor_priority(l);
    case EOI:
    case RRD: return 0;
    case LDR: return l->ldr;
    case DFR: return l->dfr;
    case SVR: return l->svr;
    case ESR: return l->esr;
    case ICR_LOW: return l->icr_low;
    case ICR_HIGH: return l->icr_high;
    case INITIAL_COUNT: return l->initial;
    case CURRENT_COUNT: return read_current_count(l);
    case DIVIDE: return l->divide;
    }
    return offset & 15 ? 0 : read_other(l, offset); /* only the first 4 of 16 bytes are a register */
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void pin_ended(Lapic *l, int pin, u8 vector)
{
    u32 *lvt = &l->lvt[LAPIC_LVT_LINT0 + pin];
    if (!(*lvt & LVT_REMOTE_IRR) || (u8)*lvt != vector) return;
    *lvt &= ~(u32)LVT_REMOTE_IRR;
    pin_signal(l, pin, false);
}

static void write_eoi(Lapic *l)
{
    int v = highest(l->isr);
    if (v < 0) return;
    bit_put(l->isr, (u8)v, false);
    if (bit_test(l->tmr, (u8)v)) {
        pin_ended(l, 0, (u8)v);
        pin_ended(l, 1, (u8)v);
        l->lines.eoi(l->lines.ctx, (u8)v);
    }
    update(l);
}

static void write_lvt(Lapic *l, int n, u32 v)
{
    u32 old = l->lvt[n];
    bool interrupted = n == LAPIC_LVT_TIMER && timer_run(l);
    v = (v & lvt_writable[n]) | (old & v & LVT_LEVEL ? old & LVT_REMOTE_IRR : 0);
    if (!(l->svr & SVR_ENABLE)) v |= LVT_MASKED;
    l->lvt[n] = v;
    if (n == LAPIC_LVT_TIMER && (v & LVT_MASKED || !(v & LVT_PERIODIC))) l->missed = 0;
    if (n == LAPIC_LVT_TIMER) timer_arm(l, interrupted);
    if (n == LAPIC_LVT_LINT0 || n == LAPIC_LVT_LINT1) pin_signal(l, n - LAPIC_LVT_LINT0, false);
    update(l);
}

static void write_svr(Lapic *l, u32 v)
{
    bool was_on = l->svr & SVR_ENABLE;
    l->svr = (v & SVR_WRITABLE) | (has_3_wire_bus(l) ? 0x0f : 0);
    if (was_on && !(v & SVR_ENABLE)) {
        for (int n = 0; n < LAPIC_LVTS; n++) l->lvt[n] |= LVT_MASKED;
        l->missed = 0;
        timer_arm(l, false);
    }
    update(l);
    if (!was_on && v & SVR_ENABLE) l->lines.accepts(l->lines.ctx);
}

static void write_other(Lapic *l, u32 reg, u32 v)
{
    int n = lvt_index(l, reg);
    bool reads_only = reg == LAPIC_VERSION || reg == APR || reg == PPR || reg == RRD ||
                      reg == CURRENT_COUNT || (reg >= ISR && reg < ESR);
    if (n >= 0) {
        write_lvt(l, n, v);
        return;
    }
    trace(GUEST_ERRORS, "lapic: write of %08x to register %03x", v, reg);
    if (!reads_only) note_error(l, ESR_REGISTER);
    update(l);
}

static void write_icr_low(Lapic *l, u32 v)
{
    l->icr_low = v & ICR_WRITABLE;
    send(l);
}

static void write_esr(Lapic *l)
{
    l->esr = l->errors;
    l->errors = 0;
}

static void lapic_write(void *dev, u32 offset, u32 v, unsigned bytes)
{
    Lapic *l = dev;
    u32 id_bits = has_3_wire_bus(l) ? 0x0f000000 : 0xff000000;
    (void)bytes;
    switch (offset) {
    case EOI: write_eoi(l); return;
    case TPR: l->tpr = v & 0xff; break;
    case ID: l->id = v & id_bits; return;
    case LDR: l->ldr = v & 0xff000000; return;
    case DFR: l->dfr = v | 0x0fffffff; return;
    case SVR: write_svr(l, v); return;
    case ESR: write_esr(l); return;
    case ICR_LOW: write_icr_low(l, v); return;
    case ICR_HIGH: l->icr_high = v & 0xff000000; return;
    case INITIAL_COUNT: write_initial_count(l, v); return;
    case DIVIDE: write_divide(l, v); return;
    default:
        if (!(offset & 15)) write_other(l, offset, v);
        return;
    }
    update(l);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void reset_registers(Lapic *l)
{
    l->id = l->ldr = l->tpr = l->errors = l->esr = l->icr_low = l->icr_high = 0;
    l->dfr = 0xffffffff;
    l->svr = 0xff;
    memset(l->isr, 0, sizeof l->isr);
    memset(l->tmr, 0, sizeof l->tmr);
    memset(l->irr, 0, sizeof l->irr);
    for (int n = 0; n < LAPIC_LVTS; n++) l->lvt[n] = LVT_MASKED;
    l->lvt[LAPIC_LVT_LINT0] = APIC_EXTINT << 8;
    l->initial = l->divide = l->from = l->missed = 0;
    l->counting = l->extint = false;
    clock_disarm(l->clock, &l->timer);
}

static void place(Lapic *l)
{
    bus_move(l->bus, l->mmio, is_enabled(l) && l->base >> 32 == 0, (u32)l->base & ~(u32)PAGE_MASK);
}

void lapic_set_base(Lapic *l, u64 base)
{
    bool toggled = (base ^ l->base) & LAPIC_BASE_ENABLE;
    if (base >> 32) trace(UNIMP, "lapic: registers at %llx, which nobody reaches", (unsigned long long)base);
    l->base = base;
    if (toggled) reset_registers(l);
    place(l);
    update(l);
    if (toggled) l->lines.accepts(l->lines.ctx);
}

void lapic_reset(void *dev)
{
    Lapic *l = dev;
    l->base = (u32)LAPIC_DEFAULT_PA | LAPIC_BASE_ENABLE | LAPIC_BASE_BSP;
    l->direct = false;
    reset_registers(l);
    place(l);
    update(l);
}

static void lapic_state(void *dev, State *s)
{
    Lapic *l = dev;
    state_u64(s, "base", &l->base);
    state_u32(s, "id", &l->id);
    state_u32(s, "ldr", &l->ldr);
    state_u32(s, "dfr", &l->dfr);
    state_u32(s, "svr", &l->svr);
    state_u32(s, "tpr", &l->tpr);
    state_values(s, "isr", l->isr, 4, ARRAY_LEN(l->isr));
    state_values(s, "tmr", l->tmr, 4, ARRAY_LEN(l->tmr));
    state_values(s, "irr", l->irr, 4, ARRAY_LEN(l->irr));
    state_u32(s, "errors", &l->errors);
    state_u32(s, "esr", &l->esr);
    state_u32(s, "icr_low", &l->icr_low);
    state_u32(s, "icr_high", &l->icr_high);
    state_values(s, "lvt", l->lvt, 4, LAPIC_LVTS);
    state_u32(s, "initial", &l->initial);
    state_u32(s, "divide", &l->divide);
    state_u32(s, "from", &l->from);
    state_u64(s, "start_ns", &l->start_ns);
    state_bool(s, "counting", &l->counting);
    state_u32(s, "missed", &l->missed);
    state_u64(s, "catch_up_ns", &l->catch_up_ns);
    state_bool(s, "lint0", &l->lint[0]);
    state_bool(s, "lint1", &l->lint[1]);
    state_bool(s, "extint", &l->extint);
    state_bool(s, "direct", &l->direct);
    state_bool(s, "intr_level", &l->intr_level);
    state_timer(s, "timer", l->clock, &l->timer);
}

static void lapic_loaded(void *dev) { place(dev); }

const PartKind lapic_part = {
    .version = 1, .reset = lapic_reset, .state = lapic_state, .loaded = lapic_loaded};

static const IoOps lapic_ops = {lapic_read, lapic_write, 4, 4};

void lapic_init(Lapic *l, u32 version, Bus *bus, Clock *clock, const LapicLines *lines)
{
    *l = (Lapic){.version = version, .bus = bus, .clock = clock, .lines = *lines};
    l->timer = (Timer){.fire = timer_fire, .ctx = l};
    l->mmio = bus_add_mmio(bus, (u32)LAPIC_DEFAULT_PA, PAGE_BYTES, &lapic_ops, l, "lapic");
    lapic_reset(l);
}
