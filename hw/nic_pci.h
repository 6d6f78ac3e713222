/* nic_pci.h - what PCI network cards have in common on the bus: registers behind BAR 0 as ports and behind BAR 1 as memory,
 * INTA#, a bus master. See nic_pci.c. */
#ifndef RING3_NIC_PCI_H
#define RING3_NIC_PCI_H

#include "hw/pci.h"

typedef struct NicPci {
    PciFunction f;
    Bus *bus;
    int io, mmio; /* ranges of BARs 0 and 1 */
} NicPci;

typedef struct NicPciIds {
    u16 vendor, device;
    u8 revision;
    u8 min_gnt, max_lat; /* in 250 ns */
    u32 bytes;           /* of registers */
    const char *io_name, *mmio_name;
} NicPciIds;

/* nic_pci_init - in slot `slot` of bus 0, with the registers of `dev` by `ops`; written() as in PciFunction. */
void nic_pci_init(NicPci *n, Pci *pci, unsigned slot, Bus *bus, const NicPciIds *ids, const IoOps *ops,
                  void *dev, void (*written)(void *dev, u32 reg, unsigned bytes));
void nic_pci_reset(NicPci *n, const NicPciIds *ids);
void nic_pci_post(NicPci *n, u32 io, u32 pa); /* as firmware leaves it: decoding at `io` and `pa` */

static inline bool nic_pci_masters(const NicPci *n) { return n->f.config[PCI_COMMAND] & PCI_COMMAND_MASTER; }
/* A write of configuration space that may have made it one. */
static inline bool nic_pci_is_command(u32 reg) { return reg <= PCI_COMMAND; }

#endif
