/* dma.c - 8237A DMA controllers, two in cascade, as an AT has them.
 *
 * Datasheet: Intel 8237A (231466), "Register Description", "Transfer Types"; 82371SB 2.5.1. Ports: 00h-0Fh (channels 0-3),
 * C0h-DFh (channels 4-7, every second port), 80h-8Fh page registers and POST codes.
 *
 * A device calls dma_transfer() when it has a piece ready, a sector or a buffer of samples, and the piece moves at once:
 * demand, single and block mode do not differ. The address counts within its page: 64 KiB, on the 16-bit
 * channels 128 KiB, and wraps there. Channels 0-3 hang on channel 4, which must be unmasked, as firmware leaves it.
 *
 * Not implemented: memory to memory, software requests, compressed timing, priorities (nobody waits here), EISA's high
 * page registers. Transfers go through the A20 gate, as the CPU's do.
 */
#include "hw/dma.h"

enum { COMMAND_DISABLE = 0x04 };
enum { MODE_TYPE_SHIFT = 2, MODE_AUTOINIT = 0x10, MODE_DECREMENT = 0x20, MODE_CASCADE = 0xc0 };
enum { CASCADE_CHANNEL = 4 };
enum { COMMAND_STATUS = 8, REQUEST, SINGLE_MASK, MODE, CLEAR_POINTER, MASTER_CLEAR, CLEAR_MASK, ALL_MASK };

static u8 half_read(DmaChip *c, u16 v)
{
    c->high = !c->high;
    return (u8)(c->high ? v : v >> 8);
}

static void half_write(DmaChip *c, u16 *base, u16 *current, u8 v)
{
    c->high = !c->high;
    *base = c->high ? (u16)((*base & 0xff00) | v) : (u16)((*base & 0x00ff) | v << 8);
    *current = c->high ? (u16)((*current & 0xff00) | v) : (u16)((*current & 0x00ff) | v << 8);
}

/* --- reads ----------------------------------------------------------------------------------------------- */

static u8 read_status(DmaChip *c)
{
    u8 status = (u8)(c->terminal | (c->dreq | c->request) << 4);
    c->terminal = 0;
    return status;
}

static u8 chip_read(DmaChip *c, u32 reg)
{
    const DmaChannel *ch = &c->channel[reg >> 1 & 3];
    if (reg < COMMAND_STATUS) return half_read(c, reg & 1 ? ch->count : ch->address);
    return reg == COMMAND_STATUS ? read_status(c) : reg == ALL_MASK ? c->mask : 0;
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
    c->command = c->request = c->terminal = 0;
    c->mask = 15;
    c->high = false;
}

static void chip_write(DmaChip *c, u32 reg, u8 v)
{
    u8 bit = (u8)BIT(v & 3);
    DmaChannel *ch = &c->channel[reg >> 1 & 3];
    switch (reg) {
    case COMMAND_STATUS: c->command = v; return;
    case REQUEST: c->request = v & 4 ? c->request | bit : c->request & ~bit; return;
    case SINGLE_MASK: c->mask = v & 4 ? c->mask | bit : c->mask & ~bit; return;
    case MODE: c->channel[v & 3].mode = v; return;
    case CLEAR_POINTER: c->high = false; return;
    case MASTER_CLEAR: chip_clear(c); return;
    case CLEAR_MASK: c->mask = 0; return;
    case ALL_MASK: c->mask = v & 15; return;
    default:
        if (reg & 1)
            half_write(c, &ch->base_count, &ch->count, v);
        else
            half_write(c, &ch->base_address, &ch->address, v);
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

/* --- transfers ------------------------------------------------------------------------------------------- */

static bool serves(const DmaChip *c, unsigned n)
{
    return !(c->command & COMMAND_DISABLE) && !(c->mask & BIT(n));
}

/* The page register of a channel: they are wired in no order at all. */
static u8 page_of(const Dma *d, unsigned channel)
{
    static const u8 at[8] = {7, 3, 1, 2, 15, 11, 9, 10};
    return d->page[at[channel]];
}

/* Move the piece that lies in a row in memory. `units` are bytes or words. */
static void move_row(Dma *d, unsigned channel, DmaWay way, u16 address, u8 *buffer, u32 units)
{
    unsigned shift = channel >= CASCADE_CHANNEL;
    u32 page = (u32)page_of(d, channel) << 16;
    u32 pa = shift ? (page & ~0x1ffffu) + ((u32)address << 1) : page + address;
    if (way == DMA_WRITE_MEMORY)
        phys_dma_write(d->phys, pa, buffer, units << shift);
    else
        phys_dma_read(d->phys, pa, buffer, units << shift);
}

static void reach_terminal(DmaChip *c, unsigned n)
{
    DmaChannel *ch = &c->channel[n];
    c->terminal |= (u8)BIT(n);
    c->request &= (u8)~BIT(n);
    if (ch->mode & MODE_AUTOINIT) {
        ch->address = ch->base_address;
        ch->count = ch->base_count;
    } else {
        c->mask |= (u8)BIT(n);
    }
}

/* How many units the next row has: to the end of the piece, of the count, and of the page. */
static u32 row_units(const DmaChannel *ch, u32 wanted)
{
    u32 n = wanted < ch->count + 1u ? wanted : ch->count + 1u;
    if (ch->mode & MODE_DECREMENT) return 1;
    return n < 0x10000u - ch->address ? n : 0x10000u - ch->address;
}

u32 dma_transfer(Dma *d, unsigned channel, DmaWay way, void *buffer, u32 bytes, bool *terminal)
{
    DmaChip *c = &d->chip[channel >> 2];
    unsigned n = channel & 3, shift = channel >= CASCADE_CHANNEL;
    DmaChannel *ch = &c->channel[n];
    u32 done = 0, units = bytes >> shift;
    bool moves = (ch->mode >> MODE_TYPE_SHIFT & 3) == way;
    *terminal = false;
    if (!serves(c, n) || (!shift && !serves(&d->chip[1], 0))) return 0;
    if ((ch->mode & MODE_CASCADE) == MODE_CASCADE) return 0;
    while (done < units && !*terminal) {
        u32 row = row_units(ch, units - done);
        if (moves) move_row(d, channel, way, ch->address, (u8 *)buffer + (done << shift), row);
        done += row;
        ch->address = (u16)(ch->mode & MODE_DECREMENT ? ch->address - row : ch->address + row);
        *terminal = ch->count < row;
        ch->count = (u16)(ch->count - row);
    }
    if (*terminal) reach_terminal(c, n);
    return done << shift;
}

u32 dma_round(const Dma *d, unsigned channel)
{
    const DmaChannel *ch = &d->chip[channel >> 2].channel[channel & 3];
    return ch->mode & MODE_AUTOINIT ? (ch->base_count + 1u) << (channel > 3) : 0;
}

void dma_request(Dma *d, unsigned channel, bool level)
{
    DmaChip *c = &d->chip[channel >> 2];
    u8 bit = (u8)BIT(channel & 3);
    c->dreq = level ? c->dreq | bit : c->dreq & ~bit;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void dma_reset(void *dev)
{
    Dma *d = dev;
    for (int i = 0; i < 2; i++) {
        d->chip[i] = (DmaChip){0};
        chip_clear(&d->chip[i]);
    }
}

static void dma_state(void *dev, State *s)
{
    Dma *d = dev;
    for (unsigned n = 0; n < 8; n++) {
        DmaChannel *c = &d->chip[n >> 2].channel[n & 3];
        state_group(s, "channel", n);
        state_u16(s, "address", &c->address);
        state_u16(s, "count", &c->count);
        state_u16(s, "base_address", &c->base_address);
        state_u16(s, "base_count", &c->base_count);
        state_u8(s, "mode", &c->mode);
        state_group_end(s);
    }
    for (unsigned n = 0; n < 2; n++) {
        DmaChip *c = &d->chip[n];
        state_group(s, "chip", n);
        state_u8(s, "mask", &c->mask);
        state_u8(s, "command", &c->command);
        state_u8(s, "request", &c->request);
        state_u8(s, "dreq", &c->dreq);
        state_u8(s, "terminal", &c->terminal);
        state_bool(s, "high", &c->high);
        state_group_end(s);
    }
    state_bytes(s, "page", d->page, sizeof d->page);
}

const PartKind dma_part = {.version = 1, .reset = dma_reset, .state = dma_state};

static const IoOps dma8_ops = {dma8_read, dma8_write, 1, 1};
static const IoOps dma16_ops = {dma16_read, dma16_write, 1, 1};
static const IoOps page_ops = {page_read, page_write, 1, 1};

void dma_init(Dma *d, Bus *bus, Phys *phys)
{
    *d = (Dma){.phys = phys};
    dma_reset(d);
    bus_add_ports(bus, 0x00, 16, &dma8_ops, d, "dma-8bit");
    bus_add_ports(bus, 0xc0, 32, &dma16_ops, d, "dma-16bit");
    bus_add_ports(bus, 0x80, 16, &page_ops, d, "dma-page");
}
