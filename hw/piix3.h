/* piix3.h - 82371SB (PIIX3) ISA bridge. See piix3.c. */
#ifndef RING3_PIIX3_H
#define RING3_PIIX3_H

#include "hw/irq.h"
#include "hw/part.h"
#include "hw/pci.h"

/* Who may pull an ISA interrupt line, each by itself. */
enum { PIIX3_BOARD, PIIX3_CARD, PIIX3_SOUND, PIIX3_PULLERS };

typedef struct Piix3 {
    PciFunction pci;  /* 00:01.0 */
    u8 reset_control; /* CF9h */
    IrqLine reset;    /* pulsed high to reset the machine */
    IrqLine pic;      /* input n of the interrupt controllers: pic.set(pic.ctx, n, level) */
    u32 pirq[4];      /* PIRQA-D: bit n: the function in slot n pulls it */
    u16 isa[PIIX3_PULLERS]; /* levels of the ISA interrupt lines, as each pulls them */
    u16 level;              /* of the controllers' inputs: ISA lines and what is routed to them */
} Piix3;

void piix3_init(Piix3 *x, Pci *pci, Bus *bus, IrqLine reset, IrqLine pic);
void piix3_reset(void *dev);
extern const PartKind piix3_part;
/* piix3_isa_irq - the line of ISA interrupt n, 0-15, for a chip of the board. */
IrqLine piix3_isa_irq(Piix3 *x, int n);
/* piix3_card_irq - the same line, for a card in a slot: it and a chip of the board may pull it both. */
IrqLine piix3_card_irq(Piix3 *x, int n);
IrqLine piix3_sound_irq(Piix3 *x, int n); /* ... and the sound card, too */
/* piix3_pci_irq - the line of pin INTA# (1) to INTD# (4) of slot 0-31; high is asserted. */
IrqLine piix3_pci_irq(Piix3 *x, unsigned slot, unsigned pin);

#endif
