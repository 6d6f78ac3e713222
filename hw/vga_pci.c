/* vga_pci.c - the VGA as a PCI function, 00:02.0, with the ids and registers of QEMU's and Bochs' standard VGA.
 *
 * BAR 0: video memory, prefetchable; its pages are mapped, so that a frame buffer costs what RAM costs. BAR 2: 4 KiB of
 * registers: 400h-41Fh are the ports 3C0h-3DFh, 500h-515h the DISPI registers by index. ROM BAR: the video BIOS.
 *
 * Quirk: the legacy ports and a0000-bffff answer whatever the command register says.
 *
 * Not implemented: EDID (BAR 2, 000h: reads ones) and the byte order register (604h).
 */
#include "hw/vga.h"

enum { BAR_LFB = 0, BAR_MMIO = 2, MMIO_BYTES = 4096, MMIO_PA = 0xfebf0000 };
enum { MMIO_PORTS = 0x400, MMIO_PORTS_END = 0x420, MMIO_DISPI = 0x500, MMIO_DISPI_END = 0x516 };

/* --- BAR 2 ----------------------------------------------------------------------------------------------- */

static u32 mmio_read(void *dev, u32 offset, unsigned bytes)
{
    Vga *v = dev;
    if (offset >= MMIO_PORTS && offset < MMIO_PORTS_END) {
        u32 low = vga_port_read(v, (u16)(0x3c0 + offset - MMIO_PORTS));
        if (bytes == 1 || offset + 1 == MMIO_PORTS_END) return low;
        return low | vga_port_read(v, (u16)(0x3c1 + offset - MMIO_PORTS)) << 8;
    }
    if (offset >= MMIO_DISPI && offset < MMIO_DISPI_END)
        return vga_dispi_read(v, (offset - MMIO_DISPI) / 2) >> 8 * (offset & 1);
    return ~0u;
}

static void mmio_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Vga *v = dev;
    if (offset >= MMIO_PORTS && offset < MMIO_PORTS_END) {
        vga_port_write(v, (u16)(0x3c0 + offset - MMIO_PORTS), (u8)value);
        if (bytes == 2 && offset + 1 < MMIO_PORTS_END)
            vga_port_write(v, (u16)(0x3c1 + offset - MMIO_PORTS), (u8)(value >> 8));
    } else if (offset >= MMIO_DISPI && offset < MMIO_DISPI_END && !(offset & 1)) {
        vga_dispi_write(v, (offset - MMIO_DISPI) / 2, (u16)value);
    }
}

/* --- base addresses -------------------------------------------------------------------------------------- */

static void lfb_moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    Vga *v = dev;
    (void)bar;
    if (v->lfb_pa) phys_unmap_vram(v->phys, v->lfb_pa, v->vram_bytes);
    v->lfb_pa = enabled ? base : 0;
    if (v->lfb_pa) phys_map_vram(v->phys, v->lfb_pa, v->vram_bytes, 0);
}

static void mmio_moved(void *dev, unsigned bar, bool enabled, u32 base)
{
    Vga *v = dev;
    (void)bar;
    bus_move(v->bus, v->mmio, enabled, base);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void vga_pci_reset(Vga *v)
{
    PciFunction *f = &v->pci;
    pci_function_init(f, 0x1234, 0x1111, 0x030000, 0x02);
    pci_bar(f, BAR_LFB, PCI_BAR_PREFETCHABLE, v->vram_bytes, lfb_moved);
    pci_bar(f, BAR_MMIO, PCI_BAR_MEMORY, MMIO_BYTES, mmio_moved);
    pci_allow(f, PCI_COMMAND, 1, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}

void vga_pci_post(Vga *v)
{
    pci_bar_set(&v->pci, BAR_LFB, VGA_LFB_PA);
    pci_bar_set(&v->pci, BAR_MMIO, MMIO_PA);
    pci_set16(&v->pci, PCI_COMMAND, load16(v->pci.config + PCI_COMMAND) | PCI_COMMAND_IO);
}

static const IoOps mmio_ops = {mmio_read, mmio_write, 1, 2};

void vga_set_rom(Vga *v, const u8 *image, u32 bytes)
{
    pci_add_rom(&v->pci, v->bus, image, bytes, "vga-rom");
}

void vga_pci_init(Vga *v, Pci *pci)
{
    v->pci.dev = v;
    v->mmio = bus_add_mmio(v->bus, 0, MMIO_BYTES, &mmio_ops, v, "vga-mmio");
    bus_move(v->bus, v->mmio, false, 0);
    pci_add(pci, PCI_FN(2, 0), &v->pci);
}
