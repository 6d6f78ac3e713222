/* video_palette.c - INT 10h 10h and 0Bh: attribute controller and DAC. See video.h. */
#include "video.h"

static u8 ac_get(u8 index)
{
    inb(status_port());
    outb(AC, index);
    u8 v = inb(AC_READ);
    inb(status_port());
    outb(AC, 0x20);
    return v;
}

static void ac_set(u8 index, u8 v)
{
    inb(status_port());
    outb(AC, index);
    outb(AC, v);
    outb(AC, 0x20);
}

static void palette_all(Frame r)
{
    u16 from = r->dx;
    for (u8 i = 0; i < 16; i++) ac_set(i, peek8(r->es, from++));
    ac_set(0x11, peek8(r->es, from));
}

static void palette_read_all(Frame r)
{
    u16 to = r->dx;
    for (u8 i = 0; i < 16; i++) poke8(r->es, to++, ac_get(i));
    poke8(r->es, to, ac_get(0x11));
}

static void dac_block_set(Frame r)
{
    u16 from = r->dx, n = r->cx;
    for (u8 i = r->bl; n; n--, i++, from = (u16)(from + 3))
        dac_set(i, peek8(r->es, from), peek8(r->es, (u16)(from + 1)), peek8(r->es, (u16)(from + 2)));
}

static void dac_block_get(Frame r)
{
    u16 to = r->dx;
    outb(DAC_READ, r->bl);
    for (u16 n = r->cx; n; n--)
        for (u8 i = 0; i < 3; i++) poke8(r->es, to++, inb(DAC_DATA));
}

/* 64 colours in four pages, or 16 in sixteen: bit 7 of the mode register and the colour select register. */
static void dac_page_set(Frame r)
{
    u8 mode = ac_get(0x10);
    if (r->bl == 0)
        ac_set(0x10, (u8)((mode & 0x7f) | r->bh << 7));
    else
        ac_set(0x14, (u8)(mode & 0x80 ? r->bh & 0x0f : (r->bh & 3) << 2));
}

static void dac_page_get(Frame r)
{
    u8 mode = ac_get(0x10), page = ac_get(0x14) & 0x0f;
    r->bl = mode >> 7;
    r->bh = mode & 0x80 ? page : page >> 2;
}

static void dac_get(Frame r)
{
    outb(DAC_READ, r->bl);
    r->dh = inb(DAC_DATA);
    r->ch = inb(DAC_DATA);
    r->cl = inb(DAC_DATA);
}

void int10_palette(Frame r)
{
    switch (r->al) {
    case 0x00: ac_set(r->bl & 0x1f, r->bh); break;
    case 0x01: ac_set(0x11, r->bh); break;
    case 0x02: palette_all(r); break;
    case 0x03:
        ac_set(0x10, (u8)((ac_get(0x10) & 0xf7) | (r->bl & 1) << 3));
        CGA_MODE = (u8)((CGA_MODE & 0xdf) | (r->bl & 1) << 5);
        break;
    case 0x07: r->bh = ac_get(r->bl & 0x1f); break;
    case 0x08: r->bh = ac_get(0x11); break;
    case 0x09: palette_read_all(r); break;
    case 0x10: dac_set(r->bl, r->dh, r->ch, r->cl); break;
    case 0x12: dac_block_set(r); break;
    case 0x13: dac_page_set(r); break;
    case 0x15: dac_get(r); break;
    case 0x17: dac_block_get(r); break;
    case 0x18: outb(DAC_MASK, r->bl); break;
    case 0x19: r->bl = inb(DAC_MASK); break;
    case 0x1a: dac_page_get(r); break;
    case 0x1b: dac_grey(r->bx, r->cx); break;
    default: break;
    }
}

/* What port 3D9h did on the CGA. */
void int10_cga_palette(Frame r)
{
    if (VIDEO_MODE == 7) return;
    if (r->bh == 0) {
        u8 colour = (u8)((r->bl & 7) | (r->bl & 8) << 1);
        if (mode_now()->kind != TEXT) ac_set(0, colour);
        ac_set(0x11, colour);
        for (u8 i = 1; i < 4 && mode_now()->kind == CGA && mode_now()->bits == 2; i++)
            ac_set(i, (u8)((ac_get(i) & 0xef) | (r->bl & 0x10)));
        CGA_PALETTE = (u8)((CGA_PALETTE & 0xe0) | (r->bl & 0x1f));
    } else if (r->bh == 1 && mode_now()->kind == CGA) {
        for (u8 i = 1; i < 4 && mode_now()->bits == 2; i++) ac_set(i, (u8)((ac_get(i) & 0xfe) | (r->bl & 1)));
        CGA_PALETTE = (u8)((CGA_PALETTE & 0xdf) | (r->bl & 1) << 5);
    }
}
