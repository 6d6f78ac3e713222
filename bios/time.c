/* time.c - waiting, the day's ticks, the clock in CMOS: INT 1Ah, INT 70h, and INT 15h 83h and 86h.
 *
 * Short waits count the ACPI PM timer, or where there is none the refresh toggle of port 61h (bit 4, 15.085 us a change: 18 ticks
 * of the 8254): both work with interrupts off, at any processor speed and in virtual-8086 mode. INT 15h 86h and 83h use the
 * RTC's periodic interrupt, 976 us.
 *
 * Sources: Motorola MC146818A; IBM PS/2 and PC BIOS Interface Technical Reference.
 * Not implemented: INT 1Ah 08h-0Bh (system-timer day counter is kept at 0), 80h (sound multiplexer).
 */
#include "bios16.h"

enum {
    STATUS_B_PIE = 0x40,
    STATUS_B_AIE = 0x20,
    STATUS_B_SET = 0x80,
    STATUS_B_24H = 0x02,
    STATUS_B_DSE = 0x01
};
enum { PERIOD_US = 976, TICK_1_HZ_1000 = 18206 };

/* A deadline counts down in units of its clock: 3.58 MHz of the PM timer, or 15 us. */
static u32 clock_now(void)
{
    if (shared.have_pm) return inl(PMBASE + 8) & 0xffffff;
    return inb(0x61) & 0x10;
}

void deadline_set(Deadline *d, u32 us)
{
    d->left = shared.have_pm ? us / 64 * 229 + us % 64 * 229 / 64 + 1 : us / 15 + 1;
    d->last = clock_now();
    d->spins = 0x10000000; /* should the clock stand still */
}

bool deadline_over(Deadline *d)
{
    u32 now = clock_now(), gone = shared.have_pm ? (now - d->last) & 0xffffff : now != d->last;
    d->last = now;
    d->left = d->left > gone ? d->left - gone : 0;
    return !d->left || !--d->spins;
}

void wait_us(u32 us)
{
    Deadline d;
    deadline_set(&d, us);
    while (!deadline_over(&d)) {
    }
}

u32 div64(u64 n, u32 d, u32 *remainder)
{
    u32 high = (u32)(n >> 32), low = (u32)n, q;
    if (high >= d) {
        *remainder = 0;
        return 0xffffffff;
    }
    __asm__("divl %4" : "=a"(q), "=d"(*remainder) : "a"(low), "d"(high), "rm"(d));
    return q;
}

static u32 from_bcd(u8 v) { return (v >> 4) * 10u + (v & 0xf); }

static bool rtc_ready(void)
{
    for (u32 i = 0; i < 300; i++) {
        if (!(cmos_read(CMOS_STATUS_A) & 0x80)) return true;
        wait_us(15);
    }
    return false;
}

/* POST: the RTC runs, 24 hours, BCD, its interrupts off; the day's ticks follow its time. */
void time_setup(Regs *r);
void time_setup(Regs *r)
{
    (void)r;
    cmos_write(CMOS_STATUS_A, 0x26);
    cmos_write(CMOS_STATUS_B, STATUS_B_24H);
    cmos_read(CMOS_STATUS_C);
    cmos_read(CMOS_STATUS_D);
    rtc_ready();
    u32 seconds = from_bcd(cmos_read(0)) + from_bcd(cmos_read(2)) * 60 + from_bcd(cmos_read(4)) * 3600, rest;
    BDA->ticks = div64((u64)seconds * TICK_1_HZ_1000, 1000, &rest);
}

/* --- the RTC's interrupt --------------------------------------------------------------------------------- */

static void periodic(bool on)
{
    u8 b = cmos_read(CMOS_STATUS_B);
    cmos_write(CMOS_STATUS_B, (u8)(on ? b | STATUS_B_PIE : b & ~STATUS_B_PIE));
    if (on) outb(PIC2_MASK, inb(PIC2_MASK) & ~1);
}

void rtc_irq(Regs *r);
void rtc_irq(Regs *r)
{
    (void)r;
    u8 b = cmos_read(CMOS_STATUS_B), c = cmos_read(CMOS_STATUS_C);
    if (b & c & STATUS_B_AIE) int_call(0x4a, &(Regs){0});
    if (b & c & STATUS_B_PIE && BDA->wait_active & 1) {
        u32 left = BDA->wait_count;
        if (left > PERIOD_US)
            BDA->wait_count = left - PERIOD_US;
        else {
            u32 flag = BDA->wait_flag_ptr;
            BDA->wait_count = 0;
            BDA->wait_active = 0;
            periodic(false);
            far8_set((u16)(flag >> 16), (u16)flag, far8((u16)(flag >> 16), (u16)flag) | 0x80);
        }
    }
    outb(PIC2, PIC_EOI);
    outb(PIC1, PIC_EOI);
}

/* INT 15h 83h: set or cancel; 86h: wait. */
bool wait_event(u16 seg, u16 off, u32 us);
bool wait_event(u16 seg, u16 off, u32 us)
{
    if (BDA->wait_active & 1) return false;
    BDA->wait_flag_ptr = (u32)seg << 16 | off;
    BDA->wait_count = us;
    BDA->wait_active = 1;
    cmos_write(CMOS_STATUS_A, 0x26);
    periodic(true);
    return true;
}

void wait_cancel(void);
void wait_cancel(void)
{
    BDA->wait_active = 0;
    periodic(false);
}

bool wait_long(u32 us);
bool wait_long(u32 us)
{
    if (us < 2 * PERIOD_US) {
        wait_us(us);
        return true;
    }
    BDA->wait_active &= 0x7f;
    if (!wait_event(BDA_SEG, offsetof(Bda, wait_active), us)) return false;
    while (!(BDA->wait_active & 0x80)) sti_hlt(), cli();
    BDA->wait_active = 0;
    return true;
}

/* --- INT 1Ah --------------------------------------------------------------------------------------------- */

static void set_fields(const u8 *reg, const u8 *v, u32 n)
{
    u8 b = cmos_read(CMOS_STATUS_B);
    cmos_write(CMOS_STATUS_B, b | STATUS_B_SET);
    for (u32 i = 0; i < n; i++) cmos_write(reg[i], v[i]);
    cmos_write(CMOS_STATUS_B, b & ~STATUS_B_SET);
}

static void set_alarm(Regs *r)
{
    u8 b = cmos_read(CMOS_STATUS_B);
    if (b & STATUS_B_AIE) {
        set_cf(r, true);
        return;
    }
    set_fields((const u8[]){1, 3, 5}, (const u8[]){r->dh, r->cl, r->ch}, 3);
    outb(PIC2_MASK, inb(PIC2_MASK) & ~1);
    cmos_read(CMOS_STATUS_C);
    cmos_write(CMOS_STATUS_B, b | STATUS_B_AIE);
}

static void read_time(Regs *r)
{
    r->ch = cmos_read(4), r->cl = cmos_read(2), r->dh = cmos_read(0);
    r->dl = cmos_read(CMOS_STATUS_B) & STATUS_B_DSE;
}

static void set_time(const Regs *r)
{
    u8 b = cmos_read(CMOS_STATUS_B) & ~STATUS_B_DSE;
    cmos_write(CMOS_STATUS_B, (u8)(b | (r->dl & STATUS_B_DSE)));
    set_fields((const u8[]){4, 2, 0}, (const u8[]){r->ch, r->cl, r->dh}, 3);
}

static void read_date(Regs *r)
{
    r->ch = cmos_read(CMOS_CENTURY), r->cl = cmos_read(9), r->dh = cmos_read(8), r->dl = cmos_read(7);
}

static void clock_function(Regs *r)
{
    switch (r->ah) {
    case 0x02: read_time(r); break;
    case 0x03: set_time(r); break;
    case 0x04: read_date(r); break;
    case 0x05:
        set_fields((const u8[]){CMOS_CENTURY, 9, 8, 7}, (const u8[]){r->ch, r->cl, r->dh, r->dl}, 4);
        break;
    case 0x06: set_alarm(r); break;
    case 0x07: cmos_write(CMOS_STATUS_B, cmos_read(CMOS_STATUS_B) & ~STATUS_B_AIE); break;
    }
}

/* PCI BIOS 0Eh: the slots of the $PIR table, into the buffer described at ES:DI. */
static void pci_routing(Regs *r)
{
    u16 room = far16(r->es, r->di), off = far16(r->es, (u16)(r->di + 2)),
        seg = far16(r->es, (u16)(r->di + 4));
    far16_set(r->es, r->di, shared.pir_slots_bytes);
    if (room < shared.pir_slots_bytes || !shared.pir_slots_bytes) {
        r->ah = 0x89; /* BUFFER_TOO_SMALL */
        set_cf(r, true);
        return;
    }
    for (u16 i = 0; i < shared.pir_slots_bytes; i++)
        far8_set(seg, (u16)(off + i), far8(0xf000, (u16)(shared.pir_slots + i)));
    r->ah = 0;
    r->bx = 0;
}

void int1a_service(Regs *r);
void int1a_service(Regs *r)
{
    set_cf(r, false);
    switch (r->ah) {
    case 0x00:
        r->cx = (u16)(BDA->ticks >> 16), r->dx = (u16)BDA->ticks;
        r->al = BDA->midnight;
        BDA->midnight = 0;
        r->ah = 0;
        break;
    case 0x01:
        BDA->ticks = (u32)r->cx << 16 | r->dx;
        BDA->midnight = 0;
        r->ah = 0;
        break;
    case 0x02 ... 0x07: {
        u8 function = r->ah;
        if (!rtc_ready() && function != 0x03 && function != 0x05)
            set_cf(r, true);
        else
            clock_function(r);
        if (!(r->flags & FLAG_CF)) r->ah = 0;
        break;
    }
    case 0xb1: pci_routing(r); break;
    default: set_cf(r, true); break;
    }
}
