/* rtc.h - the real-time clock and CMOS memory of a PC. See rtc.c. */
#ifndef RING3_RTC_H
#define RING3_RTC_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

typedef struct Rtc {
    u8 cmos[128];    /* RAM; the clock's registers 0-9 and the century hold what the guest wrote while SET */
    u8 index;        /* port 70h */
    bool nmi_masked; /* port 70h bit 7 */
    u8 flags;        /* register C: PF, AF, UF (IRQF is computed) */
    bool irq_level;
    Clock *clock;
    IrqLine irq8;
    Timer timer;      /* the next flag that raises IRQ8 */
    s64 base_s;       /* Unix seconds (local to the guest) at guest time -phase_ns */
    u64 phase_ns;     /* guest time + phase = time on the divider chain */
    u8 weekday_shift; /* the weekday counter runs by itself: its lead over the date's */
    u64 synced_ns;    /* divider time up to which flags were computed */
    u32 missed;       /* periodic interrupts that the host was too late for and the guest will still get */
    u64 catch_up_ns;  /* guest time at which the next of them may be delivered */
} Rtc;

void rtc_init(Rtc *r, Bus *bus, Clock *clock, IrqLine irq8, s64 unix_s);
void rtc_reset(void *dev);
extern const PartKind rtc_part;
/* rtc_move - the clock jumps by so many seconds, forward or back: the host's has gone on while guest time stood still. On a jump
 * forward an alarm in between is due, and the update flag is set; the divider keeps its phase, so the periodic interrupt does
 * not notice. A clock that the guest is setting keeps what is in its registers. */
void rtc_move(Rtc *r, s64 seconds);
/* CMOS memory as firmware sees it after POST; the checksum is kept. */
void rtc_set_memory_size(Rtc *r, u32 ram_bytes);
void rtc_set_equipment(Rtc *r, u8 floppy_a, u8 floppy_b); /* CMOS drive types, 0: none */
void rtc_poke(Rtc *r, u8 index, u8 value);                /* CMOS RAM only (index >= 0Eh) */

#endif
