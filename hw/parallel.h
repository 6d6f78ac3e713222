/* parallel.h - the printer port LPT1 with a printer that is always ready. See parallel.c. */
#ifndef RING3_PARALLEL_H
#define RING3_PARALLEL_H

#include "hw/chardev.h"
#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

typedef struct Parallel {
    u8 data, control; /* as last written */
    bool acking;      /* nACK is low: the printer has taken a byte */
    bool interrupt;   /* nACK rose since; cleared by reading the status */
    Chardev *backend; /* NULL: the paper goes nowhere */
    Clock *clock;
    Timer timer; /* nACK rises */
    IrqLine irq;
} Parallel;

void parallel_init(Parallel *p, Bus *bus, u16 port, Clock *clock, Chardev *backend, IrqLine irq,
                   const char *name);
void parallel_reset(void *dev);
extern const PartKind parallel_part;

#endif
