/* pci.c - gives every PCI function of bus 0 its addresses and its interrupt.
 *
 * Ports from c000h, memory from e0000000h (or above RAM) up, both in the order of discovery, each aligned to its size;
 * I/O and memory decoding are switched on, bus mastering for the IDE controller only. Pin P of slot S is PIRQ (S - 1 +
 * P) mod 4, as PIIX3 boards are wired; PIRQ A and B go to IRQ 10, C and D to 11, level-triggered.
 *
 * Not implemented: bridges (bus 0 only), 64-bit BARs above 4 GiB, fast back-to-back, latency tuning.
 */
#include "bios32.h"

enum { IO_BASE = 0xc000, MEM_BASE = 0xe0000000 };
static const u8 pirq_line[4] = {10, 10, 11, 11};

static u32 io_next, mem_next;

u32 pci_read(u32 fn, u32 reg, u32 bytes)
{
    outl(0xcf8, 0x80000000 | fn << 8 | (reg & 0xfc));
    u16 port = (u16)(0xcfc + (reg & 3));
    return bytes == 1 ? inb(port) : bytes == 2 ? inw(port) : inl(port);
}

void pci_write(u32 fn, u32 reg, u32 bytes, u32 v)
{
    outl(0xcf8, 0x80000000 | fn << 8 | (reg & 0xfc));
    u16 port = (u16)(0xcfc + (reg & 3));
    if (bytes == 1)
        outb(port, (u8)v);
    else if (bytes == 2)
        outw(port, (u16)v);
    else
        outl(port, v);
}

u8 pci_irq_of_pin(u32 slot, u32 pin) { return pirq_line[(slot - 1 + pin - 1) & 3]; }

static void place_bar(u32 fn, u32 reg)
{
    u32 old = pci_read(fn, reg, 4), mask = reg == PCI_ROM ? 0xfffff800 : old & 1 ? 0xfffffffc : 0xfffffff0;
    pci_write(fn, reg, 4, reg == PCI_ROM ? 0xfffff800 : 0xffffffff);
    u32 sized = pci_read(fn, reg, 4) & mask;
    if (reg != PCI_ROM && old & 1) sized |= 0xffff0000;
    u32 bytes = ~sized + 1;
    if (!(sized & (old & 1 && reg != PCI_ROM ? 0xffff : 0xffffffff)) || !bytes) {
        pci_write(fn, reg, 4, old);
        return;
    }
    u32 *next = reg != PCI_ROM && old & 1 ? &io_next : &mem_next;
    *next = align_up(*next, bytes);
    pci_write(fn, reg, 4, *next);
    *next += bytes;
}

static void ide_setup(u32 fn)
{
    pci_write(fn, 0x40, 2, 0x8000); /* both channels decode */
    pci_write(fn, 0x42, 2, 0x8000);
    pci_write(fn, PCI_COMMAND, 2, pci_read(fn, PCI_COMMAND, 2) | 4);
    u16 bmdma = (u16)(pci_read(fn, 0x20, 4) & 0xfffc);
    for (u32 i = 0; i < 2; i++) LOW(shared).ide_bmdma[i] = bmdma ? (u16)(bmdma + 8 * i) : 0;
}

static void setup_function(u32 fn)
{
    if ((pci_read(fn, PCI_HEADER, 1) & 0x7f) != 0) return;
    u32 class = pci_read(fn, PCI_CLASS, 2);
    pci_write(fn, PCI_COMMAND, 2, pci_read(fn, PCI_COMMAND, 2) & ~3u);
    for (u32 reg = PCI_BAR0; reg < PCI_BAR0 + 24; reg += 4) {
        u32 old = pci_read(fn, reg, 4);
        place_bar(fn, reg);
        if ((old & 7) == 4) pci_write(fn, reg += 4, 4, 0); /* upper half of a 64-bit BAR */
    }
    place_bar(fn, PCI_ROM);
    u32 pin = pci_read(fn, PCI_PIN, 1);
    if (pin >= 1 && pin <= 4) pci_write(fn, PCI_LINE, 1, pci_irq_of_pin(fn >> 3, pin));
    pci_write(fn, PCI_COMMAND, 2, pci_read(fn, PCI_COMMAND, 2) | 3);
    if (class == PCI_CLASS_IDE) ide_setup(fn);
}

static void pirq_setup(void)
{
    u16 elcr = 0;
    for (u32 i = 0; i < 4; i++) {
        pci_write(PCI_FN(1, 0), 0x60 + i, 1, pirq_line[i]);
        elcr = (u16)(elcr | 1u << pirq_line[i]);
    }
    elcr |= 1 << 9; /* SCI */
    outb(0x4d0, (u8)elcr);
    outb(0x4d1, (u8)(elcr >> 8));
}

void pci_setup(void)
{
    static const u16 base[2] = {0x1f0, 0x170}, control[2] = {0x3f6, 0x376};
    for (u32 i = 0; i < 2; i++) LOW(shared).ide_base[i] = base[i], LOW(shared).ide_control[i] = control[i];
    if (!LOW(shared).have_pci) return;
    io_next = IO_BASE;
    mem_next = memory_top > MEM_BASE ? align_up(memory_top, 0x1000000) : MEM_BASE;
    for (u32 slot = 1; slot < 32; slot++)
        for (u32 f = 0; f < 8; f++) {
            u32 fn = PCI_FN(slot, f);
            u32 vendor = pci_read(fn, PCI_VENDOR, 2);
            if (vendor != 0xffff && vendor) setup_function(fn);
            if (!f && (vendor == 0xffff || !(pci_read(fn, PCI_HEADER, 1) & 0x80))) break;
        }
    pirq_setup();
}
