/* ne2k.c - two cards around one DP8390 (dp8390.c): Novell's NE2000 for ISA, and Realtek's RTL8029AS, PCI 10EC:8029.
 *
 * Datasheets: National AN-729 (NE2000 design guide); RTL8029AS, "Register Descriptions", page 3. The RTL8029 has the
 * same ports at BAR 0, says "P" and "C" at 0Ah and 0Bh of page 0, and keeps its configuration in page 3.
 *
 * Not implemented: of the RTL8029 the EEPROM's wires, CONFIG0 and 2 (connector; they read 0), the boot ROM and
 * power-down; of the NE2000 the 8-bit NE1000, jumpers other than port and IRQ, Plug and Play.
 */
#include "hw/ne2k.h"

enum { VENDOR_REALTEK = 0x10ec, DEVICE_RTL8029 = 0x8029, CLASS_ETHERNET = 0x020000 };
enum { EECR = 0x01, CONFIG3 = 0x06, ASID0 = 0x0e, ASID1 = 0x0f, EECR_WRITE = 0xc0, CONFIG3_WRITABLE = 0x46 };

/* --- RTL8029 --------------------------------------------------------------------------------------------- */

static u8 page3_read(void *card, u32 reg)
{
    const Ne2k *n = card;
    switch (reg) {
    case EECR: return n->eecr;
    case CONFIG3: return n->config3;
    case ASID0: return 0x29;
    case ASID1: return 0x80;
    default: return 0;
    }
}

static void page3_write(void *card, u32 reg, u8 v)
{
    Ne2k *n = card;
    if (reg == EECR) n->eecr = v & EECR_WRITE;
    if (reg == CONFIG3 && n->eecr == EECR_WRITE) n->config3 = v & CONFIG3_WRITABLE;
}

static void bar_moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    Ne2k *n = dev;
    (void)bar;
    bus_move(n->bus, n->io, enabled, base);
}

static void pci_card_reset(void *dev)
{
    Ne2k *n = dev;
    PciFunction *f = &n->pci;
    pci_function_init(f, VENDOR_REALTEK, DEVICE_RTL8029, CLASS_ETHERNET, 0);
    pci_set16(f, PCI_STATUS, 0x0200);
    pci_bar(f, 0, PCI_BAR_IO, DP8390_PORTS, bar_moved);
    f->config[PCI_INTERRUPT_PIN] = 1;
    n->eecr = n->config3 = 0;
    dp8390_reset(&n->chip);
}

static void pci_card_state(void *dev, State *s)
{
    Ne2k *n = dev;
    pci_function_state(&n->pci, s);
    state_u8(s, "eecr", &n->eecr);
    state_u8(s, "config3", &n->config3);
    dp8390_state(&n->chip, s);
}

static void pci_card_loaded(void *dev)
{
    Ne2k *n = dev;
    pci_function_loaded(&n->pci);
    dp8390_loaded(&n->chip);
}

const PartKind ne2k_pci_part = {
    .version = 1, .reset = pci_card_reset, .state = pci_card_state, .loaded = pci_card_loaded};

void ne2k_pci_post(Ne2k *n, u32 io) { pci_bar_set(&n->pci, 0, io); }

void ne2k_pci_init(Ne2k *n, Pci *pci, unsigned slot, Bus *bus, Clock *clock, IrqLine intx,
                   const u8 mac[ETHER_ADDRESS])
{
    *n = (Ne2k){.bus = bus, .pci = {.dev = n}};
    dp8390_init(&n->chip, clock, intx, mac);
    n->chip.id = 'P' | 'C' << 8;
    n->chip.page3_read = page3_read;
    n->chip.page3_write = page3_write;
    n->chip.card = n;
    n->io = bus_add_ports(bus, 0, DP8390_PORTS, &dp8390_ops, &n->chip, "ne2k-pci");
    bus_set_runs(bus, n->io, &dp8390_runs);
    bus_move(bus, n->io, false, 0);
    pci_add(pci, PCI_FN(slot, 0), &n->pci);
    pci_card_reset(n);
}

/* --- ISA ------------------------------------------------------------------------------------------------- */

static void isa_card_reset(void *dev) { dp8390_reset(&((Ne2k *)dev)->chip); }
static void isa_card_state(void *dev, State *s) { dp8390_state(&((Ne2k *)dev)->chip, s); }
static void isa_card_loaded(void *dev) { dp8390_loaded(&((Ne2k *)dev)->chip); }

const PartKind ne2k_isa_part = {
    .version = 1, .reset = isa_card_reset, .state = isa_card_state, .loaded = isa_card_loaded};

void ne2k_isa_init(Ne2k *n, Bus *bus, Clock *clock, IrqLine irq, u16 iobase, const u8 mac[ETHER_ADDRESS])
{
    *n = (Ne2k){.bus = bus};
    dp8390_init(&n->chip, clock, irq, mac);
    bus_set_runs(bus, bus_add_ports(bus, iobase, DP8390_PORTS, &dp8390_ops, &n->chip, "ne2k-isa"),
                 &dp8390_runs);
}
