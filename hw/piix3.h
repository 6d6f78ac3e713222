/* piix3.h - 82371SB (PIIX3) ISA bridge. See piix3.c. */
#ifndef RING3_PIIX3_H
#define RING3_PIIX3_H

#include "hw/irq.h"
#include "hw/pci.h"

typedef struct Piix3 {
    PciFunction pci;  /* 00:01.0 */
    u8 reset_control; /* CF9h */
    IrqLine reset;    /* pulsed high to reset the machine */
    IrqLine pic;      /* input n of the interrupt controllers: pic.set(pic.ctx, n, level) */
    u32 pirq[4];      /* PIRQA-D: bit n: the function in slot n pulls it */
    u16 isa;          /* levels of the ISA interrupt lines */
    u16 level;        /* of the controllers' inputs: ISA lines and what is routed to them */
} Piix3;

void piix3_init(Piix3 *x, Pci *pci, Bus *bus, IrqLine reset, IrqLine pic);
void piix3_reset(Piix3 *x);
/* piix3_isa_irq - the line of ISA interrupt n, 0-15. */
IrqLine piix3_isa_irq(Piix3 *x, int n);
/* piix3_pci_irq - the line of pin INTA# (1) to INTD# (4) of slot 0-31; high is asserted. */
IrqLine piix3_pci_irq(Piix3 *x, unsigned slot, unsigned pin);

#endif
