/* mptable.h - the MultiProcessor tables, for kernels that are loaded without firmware. See mptable.c. */
#ifndef RING3_MPTABLE_H
#define RING3_MPTABLE_H

#include "hw/ioapic.h"

enum { MPTABLE_PA = 0xf0000, MPTABLE_ROOM = 0x400 };

typedef struct MpBoard {
    u32 processor, features; /* CPUID leaf 1: EAX, EDX */
    u8 lapic_version;
    u8 sci_irq;
    u8 pirq[4]; /* IRQ of PIRQA..PIRQD */
} MpBoard;

/* mptable_build - floating pointer and configuration table as they lie at `base`. Returns the bytes used. */
u32 mptable_build(const MpBoard *b, u32 base, u8 out[MPTABLE_ROOM]);

#endif
