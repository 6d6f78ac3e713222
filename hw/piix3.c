/* piix3.c - 82371SB (PIIX3) PCI-to-ISA bridge, PCI function 00:01.0, and its reset control register.
 *
 * Datasheet: Intel 82371FB/82371SB (290550), 2.2 "PCI to ISA bridge configuration", 2.5.6 RC. Ports: CF9h RC.
 * The chip's other inhabitants have files of their own: 8259 pair with ELCR (pic.c), 8254 (pit.c), 8237 (dma.c),
 * ports 61h, 92h, F0h (sysctl.c).
 *
 * Quirk that guests rely on: the reset happens when RC bit 2 goes from 0 to 1; bit 1 (hard or soft) makes no
 * difference here.
 *
 * Not implemented: the PIRQ routing registers 60h-63h are stored, but there is no PCI device that interrupts by
 * a PIRQ; ISA timing, chip selects, USB and IDE functions.
 */
#include "hw/piix3.h"

enum { RC_PORT = 0xcf9, RC_SRST = 0x02, RC_RCPU = 0x04 };
enum { IORT = 0x4c, XBCS = 0x4e, PIRQRCA = 0x60, TOM = 0x69, MSTAT = 0x6a, PIRQ_OFF = 0x80 };

/* --- reads ----------------------------------------------------------------------------------------------- */

static u32 rc_read(void *dev, u32 offset, unsigned bytes)
{
    (void)offset, (void)bytes;
    return ((Piix3 *)dev)->reset_control;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void rc_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Piix3 *x = dev;
    (void)offset, (void)bytes;
    bool reset = value & ~x->reset_control & RC_RCPU;
    x->reset_control = value & (RC_SRST | RC_RCPU);
    if (!reset) return;
    irq_set(&x->reset, true);
    irq_set(&x->reset, false);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void piix3_reset(Piix3 *x)
{
    PciFunction *f = &x->pci;
    pci_function_init(f, 0x8086, 0x7000, 0x060100, 0x00);
    pci_set16(f, PCI_COMMAND, 0x0007);
    pci_set16(f, PCI_STATUS, 0x0200);
    f->config[PCI_HEADER_TYPE] = 0x80; /* more functions */
    pci_allow(f, IORT, 1, 0x7f);
    pci_allow(f, XBCS, 2, 0xff);
    pci_allow(f, PIRQRCA, 4, 0x8f);
    pci_allow(f, TOM, 1, 0xfe);
    pci_allow(f, MSTAT, 2, 0xff);
    f->config[IORT] = 0x4d;
    f->config[XBCS] = 0x03;
    f->config[TOM] = 0x02;
    for (u32 i = 0; i < 4; i++) f->config[PIRQRCA + i] = PIRQ_OFF;
    x->reset_control = 0;
}

static const IoOps rc_ops = {rc_read, rc_write, 1, 1};

void piix3_init(Piix3 *x, Pci *pci, Bus *bus, IrqLine reset)
{
    *x = (Piix3){.reset = reset};
    piix3_reset(x);
    pci_add(pci, PCI_FN(1, 0), &x->pci);
    bus_add_ports(bus, RC_PORT, 1, &rc_ops, x, "reset-control");
}
