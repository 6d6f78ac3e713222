/* nic.h - network cards by name: what the command line asks for, and what the board makes of it. See nic.c. */
#ifndef RING3_NIC_H
#define RING3_NIC_H

#include "hw/ne2k.h"
#include "hw/pcnet.h"
#include "hw/rtl8139.h"

typedef enum NicModel { NIC_NONE, NIC_PCNET, NIC_NE2K_ISA, NIC_NE2K_PCI, NIC_RTL8139, NIC_MODELS } NicModel;

/* A card for the board. Ports and IRQ are an ISA card's; 0: what such a card is sold with (300h, IRQ 9). */
typedef struct NicConfig {
    NicModel model;
    u8 mac[6];
    u16 iobase;
    u8 irq;
    u8 *rom; /* a PCI card's expansion ROM, which is made to name the card; the caller's, as long as the board; NULL: none */
    u32 rom_bytes;
} NicConfig;

enum { NICS_MAX = 4, NIC_ISA_IOBASE = 0x300, NIC_ISA_IRQ = 9 };

/* nic_model - the card called `name`, as QEMU spells it; false: there is none. */
bool nic_model(const char *name, NicModel *model);
bool nic_has_rom(NicModel model); /* a socket for one: a PCI card */
/* The names that there are, for a sentence: "pcnet, ne2k_pci, ...". */
const char *nic_models(void);

/* What a card is plugged into. */
typedef struct NicSlot {
    Pci *pci;
    unsigned slot; /* of bus 0 */
    Bus *bus;
    Phys *phys;
    Clock *clock;
    IrqLine intx; /* pin INTA# of the slot */
    IrqLine irq;  /* an ISA card's: the line that its jumpers choose */
} NicSlot;

typedef struct Nic {
    NicModel model;
    char name[16]; /* "pcnet", "pcnet.1": of its part */
    union {
        Pcnet pcnet;
        Ne2k ne2k;
        Rtl8139 rtl8139;
    };
} Nic;

/* nic_init - card number n, 0 to NICS_MAX - 1, of the board. */
void nic_init(Nic *nic, const NicConfig *config, const NicSlot *at, unsigned n);
void nic_part_add(Nic *nic, Parts *parts);
void nic_post(Nic *nic, unsigned n); /* addresses, as firmware gives them */
NetPort *nic_port(Nic *nic);

#endif
