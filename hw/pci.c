/* pci.c - PCI bus 0: configuration mechanism #1.
 *
 * PCI Local Bus Specification 2.1, 3.7.4.1; 82441FX datasheet 3.1. Ports: CF8h CONFADD (doubleword access only),
 * CFCh-CFFh CONFDATA (any size).
 *
 * A function is 256 bytes of configuration space and a mask of the bits that the guest may write; chips that act
 * on a write get a call afterwards. There are no base address registers yet: no function on this board has one.
 *
 * Quirks that guests rely on: bytes and words at CF8h-CFBh are not CONFADD (CF9h is the reset register of the
 * PIIX3); functions that do not exist, and other buses, read all ones.
 *
 * Not implemented: bridges to other buses, configuration mechanism #2, special cycles, parity and error bits.
 */
#include "hw/pci.h"

enum { CONFADD = 0xcf8, CONFDATA = 0xcfc };
enum { CONE = 1u << 31, CONFADD_WRITABLE = 0x80fffffc };

static PciFunction *addressed(const Pci *p)
{
    if (!(p->address & CONE) || p->address >> 16 & 0xff) return NULL;
    return p->function[p->address >> 8 & 0xff];
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u32 address_read(void *dev, u32 offset, unsigned bytes)
{
    return offset == 0 && bytes == 4 ? ((Pci *)dev)->address : ~0u;
}

static u32 data_read(void *dev, u32 offset, unsigned bytes)
{
    const Pci *p = dev;
    const PciFunction *f = addressed(p);
    u32 v = 0, reg = (p->address & 0xfc) + offset;
    if (!f) return ~0u;
    for (unsigned i = 0; i < bytes; i++) v |= (u32)f->config[reg + i] << (8 * i);
    return v;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void address_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Pci *p = dev;
    if (offset == 0 && bytes == 4) p->address = value & CONFADD_WRITABLE;
}

static void data_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    const Pci *p = dev;
    PciFunction *f = addressed(p);
    u32 reg = (p->address & 0xfc) + offset;
    if (!f) return;
    for (unsigned i = 0; i < bytes; i++) {
        u8 mask = f->writable[reg + i];
        f->config[reg + i] = (f->config[reg + i] & ~mask) | ((u8)(value >> (8 * i)) & mask);
    }
    if (f->written) f->written(f->dev, reg, bytes);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void pci_function_init(PciFunction *f, u16 vendor, u16 device, u32 class_code, u8 revision)
{
    *f = (PciFunction){.dev = f->dev, .written = f->written};
    pci_set16(f, PCI_VENDOR, vendor);
    pci_set16(f, PCI_DEVICE, device);
    pci_set32(f, PCI_REVISION, class_code << 8 | revision);
    pci_allow(f, PCI_INTERRUPT_LINE, 1, 0xff);
}

void pci_add(Pci *p, unsigned fn, PciFunction *f) { p->function[fn & 0xff] = f; }

void pci_reset(Pci *p) { p->address = 0; }

static const IoOps address_ops = {address_read, address_write, 1, 4};
static const IoOps data_ops = {data_read, data_write, 1, 4};

void pci_init(Pci *p, Bus *bus)
{
    *p = (Pci){0};
    bus_add_ports(bus, CONFADD, 4, &address_ops, p, "pci-address");
    bus_add_ports(bus, CONFDATA, 4, &data_ops, p, "pci-data");
}
