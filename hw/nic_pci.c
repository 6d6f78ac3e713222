/* nic_pci.c - see nic_pci.h. PCI 2.1, "Configuration Space". Status tells of medium DEVSEL# timing and fast back-to-back
 * transfers; of the command register I/O, memory, bus master, PERR# and SERR# can be written. */
#include "hw/nic_pci.h"

enum { CLASS_ETHERNET = 0x020000, STATUS = 0x0280, COMMAND_PERR = 0x40, COMMAND_SERR_HIGH = 0x01 };
enum { MIN_GNT = 0x3e, MAX_LAT = 0x3f };

/* PciFunction is the first of NicPci, and a chip has its NicPci first: `dev` is all three. */
static void bar_moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    NicPci *n = dev;
    bus_move(n->bus, bar ? n->mmio : n->io, enabled, base);
}

void nic_pci_reset(NicPci *n, const NicPciIds *ids)
{
    PciFunction *f = &n->f;
    pci_function_init(f, ids->vendor, ids->device, CLASS_ETHERNET, ids->revision);
    pci_set16(f, PCI_STATUS, STATUS);
    pci_allow(f, PCI_COMMAND, 1, PCI_COMMAND_MASTER | COMMAND_PERR);
    pci_allow(f, PCI_COMMAND + 1, 1, COMMAND_SERR_HIGH);
    pci_allow(f, PCI_LATENCY, 1, 0xff);
    pci_bar(f, 0, PCI_BAR_IO, ids->bytes, bar_moved);
    pci_bar(f, 1, PCI_BAR_MEMORY, ids->bytes, bar_moved);
    f->config[PCI_INTERRUPT_PIN] = 1;
    f->config[MIN_GNT] = ids->min_gnt;
    f->config[MAX_LAT] = ids->max_lat;
}

void nic_pci_post(NicPci *n, u32 io, u32 pa)
{
    pci_bar_set(&n->f, 0, io);
    pci_bar_set(&n->f, 1, pa);
}

void nic_pci_init(NicPci *n, Pci *pci, unsigned slot, Bus *bus, const NicPciIds *ids, const IoOps *ops,
                  void *dev, void (*written)(void *dev, u32 reg, unsigned bytes))
{
    CHECK((void *)n == dev, "a network card begins with its NicPci");
    n->bus = bus;
    n->f.dev = dev;
    n->f.written = written;
    n->io = bus_add_ports(bus, 0, ids->bytes, ops, dev, ids->io_name);
    n->mmio = bus_add_mmio(bus, 0, ids->bytes, ops, dev, ids->mmio_name);
    bus_move(bus, n->io, false, 0);
    bus_move(bus, n->mmio, false, 0);
    pci_add(pci, PCI_FN(slot, 0), &n->f);
}
