/* piix3.h - 82371SB (PIIX3) ISA bridge. See piix3.c. */
#ifndef RING3_PIIX3_H
#define RING3_PIIX3_H

#include "hw/irq.h"
#include "hw/pci.h"

typedef struct Piix3 {
    PciFunction pci;  /* 00:01.0 */
    u8 reset_control; /* CF9h */
    IrqLine reset;    /* pulsed high to reset the machine */
} Piix3;

void piix3_init(Piix3 *x, Pci *pci, Bus *bus, IrqLine reset);
void piix3_reset(Piix3 *x);

#endif
