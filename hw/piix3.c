/* piix3.c - 82371SB (PIIX3) PCI-to-ISA bridge, PCI function 00:01.0, and its reset control register.
 *
 * Datasheet: Intel 82371FB/82371SB (290550), 2.2 "PCI to ISA bridge configuration", 2.5.6 RC, 2.2.9
 * PIRQRC. Ports: CF9h RC.
 * The chip's other inhabitants have files of their own: 8259 pair with ELCR (pic.c), 8254 (pit.c), 8237 (dma.c),
 * ports 61h, 92h, F0h (sysctl.c).
 *
 * Interrupts: the chip's ISA inputs and the four PCI interrupts PIRQA-D meet here. PIRQRC routes a PIRQ to one of the
 * controllers' inputs; whoever shares an input is OR-ed. Pin P of slot S is PIRQ (S - 1 + P) mod 4, counted from 0, as
 * boards are wired. Inputs that take a PIRQ are to be made level-sensitive in ELCR (pic.c) by firmware.
 *
 * Quirk that guests rely on: the reset happens when RC bit 2 goes from 0 to 1; bit 1 (hard or soft) makes no
 * difference here.
 *
 * Not implemented: ISA timing, chip selects, motherboard device interrupts (MBIRQ), the USB function.
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

/* --- interrupts ------------------------------------------------------------------------------------------ */

enum { PIRQ_ROUTABLE = 0xdef8 }; /* inputs 3-7, 9-12, 14, 15 */

static void irqs_update(Piix3 *x)
{
    u16 level = x->isa[PIIX3_BOARD] | x->isa[PIIX3_CARD] | x->isa[PIIX3_SOUND];
    for (u32 i = 0; i < 4; i++) {
        u8 route = x->pci.config[PIRQRCA + i];
        if (x->pirq[i] && !(route & PIRQ_OFF)) level |= BIT(route & 0xf) & PIRQ_ROUTABLE;
    }
    u16 changed = level ^ x->level;
    x->level = level;
    for (int n = 0; changed >> n; n++)
        if (changed >> n & 1) x->pic.set(x->pic.ctx, n, level >> n & 1);
}

static void isa_irq_set(void *dev, int n, bool level) /* n: puller * 16 + interrupt */
{
    Piix3 *x = dev;
    u16 *lines = &x->isa[n >> 4];
    *lines = (u16)((*lines & ~BIT(n & 15)) | (u32)level << (n & 15));
    irqs_update(x);
}

static void pci_irq_set(void *dev, int n, bool level) /* n: slot * 4 + PIRQ */
{
    Piix3 *x = dev;
    u32 *sources = &x->pirq[n & 3];
    *sources = (*sources & ~BIT(n >> 2)) | (u32)level << (n >> 2);
    irqs_update(x);
}

static IrqLine isa_line(Piix3 *x, int puller, int n)
{
    return (IrqLine){isa_irq_set, x, puller << 4 | (n & 15)};
}

IrqLine piix3_isa_irq(Piix3 *x, int n) { return isa_line(x, PIIX3_BOARD, n); }

IrqLine piix3_card_irq(Piix3 *x, int n) { return isa_line(x, PIIX3_CARD, n); }

IrqLine piix3_sound_irq(Piix3 *x, int n) { return isa_line(x, PIIX3_SOUND, n); }

IrqLine piix3_pci_irq(Piix3 *x, unsigned slot, unsigned pin)
{
    return (IrqLine){pci_irq_set, x, (int)((slot & 31) << 2 | ((slot - 1 + pin - 1) & 3))};
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

static void piix3_written(void *dev, u32 reg, unsigned bytes)
{
    if (reg < PIRQRCA + 4 && reg + bytes > PIRQRCA) irqs_update(dev);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void piix3_reset(void *dev)
{
    Piix3 *x = dev;
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
    irqs_update(x);
}

static void piix3_state(void *dev, State *s)
{
    Piix3 *x = dev;
    pci_function_state(&x->pci, s);
    state_u8(s, "reset_control", &x->reset_control);
    state_values(s, "pirq", x->pirq, 4, 4);
    state_u16(s, "isa", &x->isa[PIIX3_BOARD]);
    state_u16(s, "cards", &x->isa[PIIX3_CARD]);
    state_u16(s, "sound", &x->isa[PIIX3_SOUND]);
    state_u16(s, "level", &x->level);
}

const PartKind piix3_part = {.version = 1, .reset = piix3_reset, .state = piix3_state};

static const IoOps rc_ops = {rc_read, rc_write, 1, 1};

void piix3_init(Piix3 *x, Pci *pci, Bus *bus, IrqLine reset, IrqLine pic)
{
    *x = (Piix3){.reset = reset, .pic = pic, .pci = {.dev = x, .written = piix3_written}};
    piix3_reset(x);
    pci_add(pci, PCI_FN(1, 0), &x->pci);
    bus_add_ports(bus, RC_PORT, 1, &rc_ops, x, "reset-control");
}
