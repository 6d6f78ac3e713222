/* sysctl.h - the PC's system control ports A (92h) and B (61h), and the FPU error latch (F0h). See sysctl.c. */
#ifndef RING3_SYSCTL_H
#define RING3_SYSCTL_H

#include "hw/irq.h"
#include "hw/part.h"
#include "hw/pit.h"
#include "hw/speaker.h"
#include "mmu/bus.h"

typedef struct Sysctl {
    u8 port_a; /* 92h as last written; A20 follows the gate */
    u8 port_b; /* 61h, writable bits 0-3 */
    bool ferr; /* the FPU's error pin */
    Pit *pit;
    Speaker *speaker;
    IrqLine reset; /* pulsed high to reset the machine */
    IrqLine a20;   /* the guest moved the A20 gate */
    IrqLine irq13;
} Sysctl;

void sysctl_init(Sysctl *s, Bus *bus, Pit *pit, Speaker *speaker, IrqLine reset, IrqLine a20, IrqLine irq13);
void sysctl_reset(void *dev);
extern const PartKind sysctl_part;
void sysctl_a20_changed(Sysctl *s, bool enabled); /* somebody moved the gate: what port 92h shows */
void sysctl_ferr(Sysctl *s, bool level);          /* FERR# of the CPU (true: asserted) */

#endif
