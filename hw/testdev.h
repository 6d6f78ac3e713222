/* testdev.h - pc-testdev: what kvm-unit-tests and their like test interrupts, ports and device memory with. See
 * testdev.c. */
#ifndef RING3_TESTDEV_H
#define RING3_TESTDEV_H

#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

enum { TESTDEV_MEMORY_PA = (int)0xff000000, TESTDEV_MEMORY_BYTES = 0x10000 };

typedef struct Testdev {
    u8 port_data[4];
    u8 memory[TESTDEV_MEMORY_BYTES];
    IrqLine irq; /* interrupt n: irq.set(irq.ctx, n, level) */
} Testdev;

void testdev_init(Testdev *t, Bus *bus, IrqLine irq);
void testdev_reset(void *dev);
extern const PartKind testdev_part;

#endif
