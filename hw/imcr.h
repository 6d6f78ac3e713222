/* imcr.h - Interrupt Mode Configuration Register: whether interrupts pass through the APIC. See imcr.c. */
#ifndef RING3_IMCR_H
#define RING3_IMCR_H

#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

typedef struct Imcr {
    u8 select;       /* port 22h */
    u8 imcr;         /* register 70h */
    IrqLine through; /* high: INTR and NMI go through the local APIC; low: to the processor itself */
} Imcr;

void imcr_init(Imcr *i, Bus *bus, IrqLine through);
void imcr_reset(void *dev);
extern const PartKind imcr_part;

#endif
