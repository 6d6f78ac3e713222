/* hpet.h - IA-PC HPET: a main counter of 64 bits and three timers. See hpet.c. */
#ifndef RING3_HPET_H
#define RING3_HPET_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

enum { HPET_PA = (int)0xfed00000, HPET_BYTES = 0x400, HPET_TIMERS = 3 };
enum {
    HPET_CAPABILITIES = (int)0x8086a201
}; /* low half of GCAP_ID; the ACPI table's event timer block ID, too */

typedef struct HpetTimer {
    u32 config;      /* Tn_CONF, low half, without what is fixed */
    u64 comparator;  /* as the guest reads it: the next match */
    u64 period;      /* periodic mode: what is added after a match */
    u64 match;       /* tick of guest time of the next match; HPET_NEVER: none */
    u32 missed;      /* periodic interrupts that the host was too late for and the guest will still get */
    u64 catch_up_ns; /* guest time at which the next of them may be delivered */
    struct Hpet *hpet;
    Timer timer; /* the next match that interrupts */
} HpetTimer;
#define HPET_NEVER UINT64_MAX

/* Where the interrupts lead. */
typedef struct HpetLines {
    IrqLine replaced[2];           /* IRQ0 and IRQ8: the 8254's and the RTC's, or instead timer 0's and 1's */
    IrqLine pin;                   /* set() gets the I/O APIC's pin as its n */
    u32 pins;                      /* bit n: pin n can be chosen; 0: there is no I/O APIC */
    bool (*tick_waits)(void *ctx); /* IRQ0's last edge is not yet taken; NULL: not known */
    void *ctx;
} HpetLines;

typedef struct Hpet {
    u8 config;     /* GEN_CONF */
    u8 status;     /* GINTR_STA: levels that wait */
    bool input[2]; /* levels of the lines from 8254 and RTC */
    u64 count;     /* halted: the main counter; running: what it is ahead of guest time's ticks */
    HpetTimer timer[HPET_TIMERS];
    Clock *clock;
    HpetLines lines;
} Hpet;

void hpet_init(Hpet *h, Bus *bus, Clock *clock, const HpetLines *lines);
void hpet_reset(void *dev);
extern const PartKind hpet_part;
/* From the 8254 (n = 0) and the RTC (n = 1): passed on unless the HPET has taken their place. An IrqLine.set. */
void hpet_set_replaced(void *hpet, int n, bool level);
bool hpet_replaces(const Hpet *h); /* legacy replacement is on */

#endif
