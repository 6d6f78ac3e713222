/* vga_dispi.c - the Bochs VBE ("DISPI") registers: linear modes up to 2560x1600 for whoever can set them with six writes.
 *
 * Ports: 1CEh index, 1CFh data, both 16 bits wide; 1D0h is the data port, too (word aligned). What a driver relies on:
 * the identification reads back B0C5h or, of B0C0h-B0C5h, what was written last; resolution and depth are taken while
 * the mode is off; switching it on sets the virtual width to the width, clears the offsets and, without NOCLEARMEM, the
 * memory; with GETCAPS the resolution registers read the largest values. Values that cannot be shown are moved to the
 * nearest that can, when the mode is switched on and when the virtual screen is moved.
 *
 * 4 bits a pixel is planar, as mode 12h; every other depth is linear in memory, at BAR 0 and, 64 KiB at a time by the bank
 * register, at a0000.
 */
#include "hw/vga.h"

enum { DISPI_ID0 = 0xb0c0, DISPI_ID5 = 0xb0c5, DISPI_PORT = 0x1ce };

static u32 pixels_of(const Vga *v, u32 bits) /* in all of memory */
{
    return v->vram_bytes / (bits == 4 ? 1 : (bits + 7) / 8) * (bits == 4 ? 2 : 1);
}

static u32 clamp(u32 value, u32 least, u32 most)
{
    return value < least ? least : value > most ? most : value;
}

/* --- what can be shown ----------------------------------------------------------------------------------- */

static void virtual_width(Vga *v, u32 width)
{
    u16 *r = v->s->dispi;
    u32 pixels = pixels_of(v, r[DISPI_BPP]), most = pixels / r[DISPI_YRES] & ~7u;
    width = clamp(width & ~7u, r[DISPI_XRES], clamp(most, r[DISPI_XRES], 0xfff8));
    r[DISPI_VIRT_WIDTH] = (u16)width;
    r[DISPI_VIRT_HEIGHT] = (u16)clamp(pixels / width, 0, 0xffff);
}

static void offsets_fit(Vga *v)
{
    u16 *r = v->s->dispi;
    r[DISPI_X_OFFSET] = (u16)clamp(r[DISPI_X_OFFSET], 0, r[DISPI_VIRT_WIDTH] - r[DISPI_XRES]);
    r[DISPI_Y_OFFSET] = (u16)clamp(r[DISPI_Y_OFFSET], 0, r[DISPI_VIRT_HEIGHT] - r[DISPI_YRES]);
}

static u16 depth(u16 bits)
{
    switch (bits) {
    case 4:
    case 15:
    case 16:
    case 24:
    case 32: return bits;
    default: return 8;
    }
}

static void mode_fits(Vga *v)
{
    u16 *r = v->s->dispi;
    r[DISPI_BPP] = depth(r[DISPI_BPP]);
    r[DISPI_XRES] = (u16)clamp(r[DISPI_XRES] & ~7u, 8, VBE_MAX_XRES);
    r[DISPI_YRES] =
        (u16)clamp(r[DISPI_YRES], 1, clamp(pixels_of(v, r[DISPI_BPP]) / r[DISPI_XRES], 1, VBE_MAX_YRES));
}

/* --- reads ----------------------------------------------------------------------------------------------- */

u16 vga_dispi_read(Vga *v, unsigned index)
{
    const u16 *r = v->s->dispi;
    bool caps = r[DISPI_ENABLE] & DISPI_GETCAPS;
    switch (index) {
    case DISPI_XRES: return caps ? VBE_MAX_XRES : r[index];
    case DISPI_YRES: return caps ? VBE_MAX_YRES : r[index];
    case DISPI_BPP: return caps ? 32 : r[index];
    default: return index < DISPI_COUNT ? r[index] : 0;
    }
}

static u32 dispi_read(void *dev, u32 offset, unsigned bytes)
{
    Vga *v = dev;
    u32 value = offset ? vga_dispi_read(v, v->dispi_index) : v->dispi_index;
    return bytes == 1 ? value & 0xff : value;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static u32 screen_bytes(const Vga *v)
{
    const u16 *r = v->s->dispi;
    return (u32)((u64)v->vram_bytes * r[DISPI_XRES] * r[DISPI_YRES] / pixels_of(v, r[DISPI_BPP]));
}

static void mode_on(Vga *v, u16 value)
{
    u16 *r = v->s->dispi;
    mode_fits(v);
    r[DISPI_X_OFFSET] = r[DISPI_Y_OFFSET] = r[DISPI_BANK] = 0;
    virtual_width(v, r[DISPI_XRES]);
    if (!(value & DISPI_NOCLEARMEM)) memset(v->vram, 0, screen_bytes(v));
}

static void enable_write(Vga *v, u16 value)
{
    u16 *r = v->s->dispi, old = r[DISPI_ENABLE];
    if ((value & DISPI_ENABLED) && !(old & DISPI_ENABLED)) mode_on(v, value);
    r[DISPI_ENABLE] =
        value & (DISPI_ENABLED | DISPI_GETCAPS | DISPI_8BIT_DAC | DISPI_LFB_ENABLED | DISPI_NOCLEARMEM);
    v->timing_known = false;
}

void vga_dispi_write(Vga *v, unsigned index, u16 value)
{
    u16 *r = v->s->dispi;
    bool on = screen_vbe(v->s);
    switch (index) {
    case DISPI_ID:
        if (value >= DISPI_ID0 && value <= DISPI_ID5) r[DISPI_ID] = value;
        return;
    case DISPI_XRES:
    case DISPI_YRES:
    case DISPI_BPP:
        if (!on) r[index] = value;
        return;
    case DISPI_ENABLE: enable_write(v, value); break;
    case DISPI_BANK: r[index] = value; break;
    case DISPI_VIRT_WIDTH:
        if (on) virtual_width(v, value);
        if (on) offsets_fit(v);
        return;
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        r[index] = value;
        if (on) offsets_fit(v);
        return;
    default: return;
    }
    vga_memory_changed(v);
}

static void dispi_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Vga *v = dev;
    (void)bytes;
    if (offset)
        vga_dispi_write(v, v->dispi_index, (u16)value);
    else
        v->dispi_index = (u16)value;
}

void vga_dispi_fit(Vga *v)
{
    u16 *r = v->s->dispi;
    if (!screen_vbe(v->s)) return;
    mode_fits(v);
    virtual_width(v, r[DISPI_VIRT_WIDTH]);
    offsets_fit(v);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void vga_dispi_reset(Vga *v)
{
    u16 *r = v->s->dispi;
    memset(r, 0, sizeof v->s->dispi);
    r[DISPI_ID] = DISPI_ID5;
    r[DISPI_VIDEO_MEMORY_64K] = (u16)(v->vram_bytes >> 16);
    v->dispi_index = 0;
}

static const IoOps dispi_ops = {dispi_read, dispi_write, 1, 2};

void vga_dispi_init(Vga *v) { bus_add_ports(v->bus, DISPI_PORT, 4, &dispi_ops, v, "vga-dispi"); }
