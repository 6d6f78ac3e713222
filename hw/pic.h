/* pic.h - the two 8259A interrupt controllers of a PC, cascaded. See pic.c. */
#ifndef RING3_PIC_H
#define RING3_PIC_H

#include "hw/irq.h"
#include "hw/part.h"
#include "mmu/bus.h"

typedef struct PicChip {
    u8 lines;  /* levels of the inputs IR0-IR7 */
    u8 irr;    /* Interrupt Request Register: edges latched, levels followed */
    u8 isr;    /* In-Service Register */
    u8 imr;    /* Interrupt Mask Register (OCW1) */
    u8 elcr;   /* 4D0h/4D1h: inputs that are level-sensitive */
    u8 lowest; /* the input that now has the lowest priority; 7 after ICW1 */
    u8 icw1, icw2, icw3, icw4;
    u8 next_icw; /* 2, 3 or 4: the initialisation word that comes next; 0: initialised */
    bool special_mask;
    bool rotate_aeoi; /* rotate in automatic EOI mode */
    bool poll;        /* OCW3.P: the next read is a poll */
    bool read_isr;    /* OCW3.RIS: reads of the even port give ISR, not IRR */
} PicChip;

typedef struct Pic {
    PicChip chip[2]; /* master, slave */
    IrqLine intr;    /* the CPU's INTR pin */
    bool intr_level;
} Pic;

void pic_init(Pic *p, Bus *bus, IrqLine intr);
void pic_reset(void *dev);
extern const PartKind pic_part;
/* Input 0-15 of the pair (IRQ2 is the cascade: ignored). An IrqLine.set. */
void pic_set_irq(void *pic, int irq, bool level);
bool pic_irq0_waits(void *pic); /* IRQ0 is requested and not masked, but not acknowledged yet */
/* The INTA cycles: the vector of the most urgent request, or the spurious vector 7 of its chip. */
u8 pic_ack(Pic *p);

#endif
