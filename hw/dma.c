/* dma.c - 8237A DMA controllers: the register file, so that firmware and drivers find what they programmed.
 *
 * Datasheet: Intel 8237A (231466), "Register Description"; 82371SB 2.5.1. Ports: 00h-0Fh (channels 0-3), C0h-DFh
 * (channels 4-7, every second port), 80h-8Fh page registers and POST codes.
 *
 * Not implemented: transfers. No device on this board requests one.
 */
#include "hw/dma.h"

enum { COMMAND_STATUS = 8, REQUEST, SINGLE_MASK, MODE, CLEAR_POINTER, MASTER_CLEAR, CLEAR_MASK, ALL_MASK };

static u8 half_read(DmaChip *c, u16 v)
{
    c->high = !c->high;
    return (u8)(c->high ? v : v >> 8);
}

static void half_write(DmaChip *c, u16 *reg, u8 v)
{
    c->high = !c->high;
    *reg = c->high ? (u16)((*reg & 0xff00) | v) : (u16)((*reg & 0x00ff) | v << 8);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 chip_read(DmaChip *c, u32 reg)
{
    if (reg < COMMAND_STATUS) return half_read(c, reg & 1 ? c->count[reg >> 1] : c->address[reg >> 1]);
    return reg == ALL_MASK ? c->mask : 0;
}

static u32 dma8_read(void *dev, u32 offset, unsigned bytes)
{
    (void)bytes;
    return chip_read(&((Dma *)dev)->chip[0], offset);
}

static u32 dma16_read(void *dev, u32 offset, unsigned bytes)
{
    (void)bytes;
    return chip_read(&((Dma *)dev)->chip[1], offset >> 1);
}

static u32 page_read(void *dev, u32 offset, unsigned bytes)
{
    (void)bytes;
    return ((Dma *)dev)->page[offset];
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void chip_clear(DmaChip *c)
{
    c->command = c->request = 0;
    c->mask = 15;
    c->high = false;
}

static void chip_write(DmaChip *c, u32 reg, u8 v)
{
    u8 bit = (u8)BIT(v & 3);
    switch (reg) {
    case COMMAND_STATUS: c->command = v; return;
    case REQUEST: c->request = v & 4 ? c->request | bit : c->request & ~bit; return;
    case SINGLE_MASK: c->mask = v & 4 ? c->mask | bit : c->mask & ~bit; return;
    case MODE: c->mode[v & 3] = v; return;
    case CLEAR_POINTER: c->high = false; return;
    case MASTER_CLEAR: chip_clear(c); return;
    case CLEAR_MASK: c->mask = 0; return;
    case ALL_MASK: c->mask = v & 15; return;
    default: half_write(c, reg & 1 ? &c->count[reg >> 1] : &c->address[reg >> 1], v);
    }
}

static void dma8_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)bytes;
    chip_write(&((Dma *)dev)->chip[0], offset, (u8)value);
}

static void dma16_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)bytes;
    chip_write(&((Dma *)dev)->chip[1], offset >> 1, (u8)value);
}

static void page_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)bytes;
    ((Dma *)dev)->page[offset] = (u8)value;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void dma_reset(Dma *d)
{
    for (int i = 0; i < 2; i++) {
        d->chip[i] = (DmaChip){0};
        chip_clear(&d->chip[i]);
    }
}

static const IoOps dma8_ops = {dma8_read, dma8_write, 1, 1};
static const IoOps dma16_ops = {dma16_read, dma16_write, 1, 1};
static const IoOps page_ops = {page_read, page_write, 1, 1};

void dma_init(Dma *d, Bus *bus)
{
    *d = (Dma){0};
    dma_reset(d);
    bus_add_ports(bus, 0x00, 16, &dma8_ops, d, "dma-8bit");
    bus_add_ports(bus, 0xc0, 32, &dma16_ops, d, "dma-16bit");
    bus_add_ports(bus, 0x80, 16, &page_ops, d, "dma-page");
}
