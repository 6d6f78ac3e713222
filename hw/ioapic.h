/* ioapic.h - 82093AA I/O APIC: 24 pins to interrupt messages. See ioapic.c. */
#ifndef RING3_IOAPIC_H
#define RING3_IOAPIC_H

#include "hw/lapic.h"
#include "hw/part.h"

enum { IOAPIC_PA = (int)0xfec00000, IOAPIC_PINS = 24 };
enum { IOAPIC_ID = 1 }; /* which firmware gives it: the next behind the processor's 0 */
/* The ISA timer's IRQ0 comes in at pin 2, where the 8259s have their cascade; each other ISA IRQ at its own number. */
enum { IOAPIC_TIMER_PIN = 2 };
enum { IOAPIC_MASKED = 1 << 16 }; /* in an entry */

typedef struct Ioapic {
    u32 id;    /* in bits 24-27, as in the register */
    u8 select; /* IOREGSEL */
    u64 entry[IOAPIC_PINS];
    u32 lines;   /* levels of the pins; high is asserted */
    u32 pending; /* edges that no processor has accepted yet */
    Lapic *lapic;
} Ioapic;

void ioapic_init(Ioapic *a, Bus *bus, Lapic *lapic);
void ioapic_reset(void *dev);
extern const PartKind ioapic_part;
void ioapic_set_irq(void *ioapic, int pin, bool level); /* an IrqLine.set */
void ioapic_eoi(Ioapic *a, u8 vector);                  /* EOI message: a level-triggered interrupt ended */
void ioapic_retry(Ioapic *a);                           /* the processor accepts interrupts (again) */
bool ioapic_waits(const Ioapic *a, int pin);            /* its last interrupt is not acknowledged yet */

#endif
