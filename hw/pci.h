/* pci.h - PCI bus 0: configuration mechanism #1 and the functions on it. See pci.c. */
#ifndef RING3_PCI_H
#define RING3_PCI_H

#include "hw/part.h"
#include "mmu/bus.h"

enum { PCI_CONFIG_BYTES = 256, PCI_FUNCTIONS = 256 };
#define PCI_FN(device, function) ((device) << 3 | (function))

/* Base address registers: 0-5 at 10h-24h, and the expansion ROM's at 30h. */
enum { PCI_BARS = 7, PCI_BAR_ROM = 6 };
typedef enum PciBarKind {
    PCI_BAR_MEMORY = 0x0,
    PCI_BAR_IO = 0x1,
    PCI_BAR_PREFETCHABLE = 0x8, /* memory that reads without side effects: a frame buffer */
} PciBarKind;

/* What a register decodes came, moved or went. base is 0 when not enabled. */
typedef void PciBarMoved(void *dev, unsigned bar, bool enabled, u32 base);

typedef struct PciBar {
    u32 bytes; /* a power of two; 0: no such register */
    PciBarKind kind;
    PciBarMoved *moved;
    bool enabled; /* as `moved` was last told */
    u32 base;
} PciBar;

/* What lies behind the expansion ROM's register, if pci_add_rom() was called. */
typedef struct PciRom {
    const u8 *image;
    u32 bytes; /* 0: there is none */
    Bus *bus;
    int range;
} PciRom;

typedef struct PciFunction {
    u8 config[PCI_CONFIG_BYTES];                         /* as the guest reads it */
    u8 writable[PCI_CONFIG_BYTES];                       /* bits that the guest may change */
    void (*written)(void *dev, u32 reg, unsigned bytes); /* after a change; may be NULL */
    void *dev;
    PciBar bar[PCI_BARS];
    PciRom rom;
} PciFunction;

typedef struct Pci {
    u32 address;                          /* CONFADD, CF8h */
    PciFunction *function[PCI_FUNCTIONS]; /* by device << 3 | function; NULL: nobody */
} Pci;

void pci_init(Pci *p, Bus *bus);
void pci_reset(void *dev);
extern const PartKind pci_part;
/* A function's configuration registers, in its chip's `state`, and what they decode, in its `loaded`. */
void pci_function_state(PciFunction *f, State *s);
void pci_function_loaded(PciFunction *f);
void pci_add(Pci *p, unsigned fn, PciFunction *f);

/* The header of a function: ids, class code (24 bits), revision. Everything else 0 and read-only. */
void pci_function_init(PciFunction *f, u16 vendor, u16 device, u32 class_code, u8 revision);
static inline void pci_set16(PciFunction *f, u32 reg, u16 v) { store16(f->config + reg, v); }
static inline void pci_set32(PciFunction *f, u32 reg, u32 v) { store32(f->config + reg, v); }
static inline void pci_allow(PciFunction *f, u32 reg, u32 bytes, u8 mask)
{
    for (u32 i = 0; i < bytes; i++) f->writable[reg + i] = mask;
}

/* pci_bar - in a chip's reset, after pci_function_init: the function has base address register `bar` (PCI_BAR_ROM: the
 * expansion ROM's) for `bytes`, a power of two: at least 4 ports, 16 bytes of memory, 2 KiB of ROM. Its base is 0 and the
 * enable bits of the command register become writable. moved(f->dev, ...) is called whenever what the register decodes
 * changes, at once if the reset took it away; a chip answers with bus_move() or by mapping pages. Enabled means: the bit
 * of the command register (and of the ROM's register) is set, and the base is neither 0 nor the end of the address space
 * (where a register points while it is sized). */
void pci_bar(PciFunction *f, unsigned bar, PciBarKind kind, u32 bytes, PciBarMoved *moved);
/* pci_bar_set - what firmware does: program the base and enable decoding (I/O or memory, and the ROM's own bit). */
void pci_bar_set(PciFunction *f, unsigned bar, u32 base);

/* pci_add_rom - from now on, through all resets, the function has an expansion ROM (2.2, 6.2.5.2): `image`, which lives as
 * long as the board, in a window of the next power of two, at least 2 KiB; FF behind it. The chip has nothing to do for it. */
void pci_add_rom(PciFunction *f, Bus *bus, const u8 *image, u32 bytes, const char *name);
/* pci_name_rom - a ROM made for several cards is made this function's: vendor and device in its PCIR structure (2.2, 6.3.1.2),
 * with the first image's checksum kept as it was by the byte at 06h, as QEMU does it. What is no such ROM stays as it is. */
void pci_name_rom(const PciFunction *f, u8 *image, u32 bytes);

/* Command register */
enum { PCI_COMMAND_IO = 0x01, PCI_COMMAND_MEMORY = 0x02, PCI_COMMAND_MASTER = 0x04 };

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
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_ROM = 0x30,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};

#endif
