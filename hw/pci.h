/* pci.h - PCI bus 0: configuration mechanism #1 and the functions on it. See pci.c. */
#ifndef RING3_PCI_H
#define RING3_PCI_H

#include "mmu/bus.h"

enum { PCI_CONFIG_BYTES = 256, PCI_FUNCTIONS = 256 };
#define PCI_FN(device, function) ((device) << 3 | (function))

typedef struct PciFunction {
    u8 config[PCI_CONFIG_BYTES];                         /* as the guest reads it */
    u8 writable[PCI_CONFIG_BYTES];                       /* bits that the guest may change */
    void (*written)(void *dev, u32 reg, unsigned bytes); /* after a change; may be NULL */
    void *dev;
} PciFunction;

typedef struct Pci {
    u32 address;                          /* CONFADD, CF8h */
    PciFunction *function[PCI_FUNCTIONS]; /* by device << 3 | function; NULL: nobody */
} Pci;

void pci_init(Pci *p, Bus *bus);
void pci_reset(Pci *p);
void pci_add(Pci *p, unsigned fn, PciFunction *f);

/* The header of a function: ids, class code (24 bits), revision. Everything else 0 and read-only. */
void pci_function_init(PciFunction *f, u16 vendor, u16 device, u32 class_code, u8 revision);
static inline void pci_set16(PciFunction *f, u32 reg, u16 v) { store16(f->config + reg, v); }
static inline void pci_set32(PciFunction *f, u32 reg, u32 v) { store32(f->config + reg, v); }
static inline void pci_allow(PciFunction *f, u32 reg, u32 bytes, u8 mask)
{
    for (u32 i = 0; i < bytes; i++) f->writable[reg + i] = mask;
}

/* type 0 header */
enum {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09,
    PCI_LATENCY = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};

#endif
