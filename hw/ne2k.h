/* ne2k.h - NE2000 cards: the ISA one, and Realtek's RTL8029 for PCI. See ne2k.c. */
#ifndef RING3_NE2K_H
#define RING3_NE2K_H

#include "hw/dp8390.h"
#include "hw/part.h"
#include "hw/pci.h"

typedef struct Ne2k {
    Dp8390 chip;
    PciFunction pci;  /* RTL8029: this and what follows */
    u8 eecr, config3; /* 9346CR: bits 7 and 6 unlock CONFIG3 */
    Bus *bus;
    int io; /* range of BAR 0 */
} Ne2k;

/* ISA: at ports iobase to iobase + 31. */
void ne2k_isa_init(Ne2k *n, Bus *bus, Clock *clock, IrqLine irq, u16 iobase, const u8 mac[ETHER_ADDRESS]);
extern const PartKind ne2k_isa_part;
void ne2k_pci_init(Ne2k *n, Pci *pci, unsigned slot, Bus *bus, Clock *clock, IrqLine intx,
                   const u8 mac[ETHER_ADDRESS]);
void ne2k_pci_post(Ne2k *n, u32 io); /* as firmware leaves it */
extern const PartKind ne2k_pci_part;

#endif
