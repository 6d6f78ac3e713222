/* vga_post.c - the VGA as a video BIOS leaves it after power-on, for kernels that are started without one.
 *
 * Mode 3 by the mode table of IBM's VGA BIOS (PS/2 BIOS Interface Technical Reference, "Video parameter table"): 80x25
 * characters of 9x16, colours through the palette of an EGA. Everything goes through the ports, as firmware would.
 */
#include "hw/vga.h"

static const u8 seq_mode3[SEQ_COUNT] = {0x03, 0x00, 0x03, 0x00, 0x02};
static const u8 crtc_mode3[CRTC_COUNT] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00,
                                          0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                                          0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
static const u8 gfx_mode3[GFX_COUNT] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff};
static const u8 attr_mode3[ATTR_COUNT] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
                                          0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00};

static void indexed(Vga *v, u16 port, unsigned index, u8 value)
{
    vga_port_write(v, port, (u8)index);
    vga_port_write(v, port + 1, value);
}

/* EGA colours rgbRGB: the small letters a third, the capitals two thirds of full. */
static void palette(Vga *v)
{
    vga_port_write(v, 0x3c8, 0);
    for (unsigned n = 0; n < 64; n++)
        for (unsigned c = 0; c < 3; c++) {
            unsigned high = n >> (2 - c) & 1, low = n >> (5 - c) & 1;
            vga_port_write(v, 0x3c9, (u8)(42 * high + 21 * low));
        }
}

static void registers(Vga *v)
{
    vga_port_write(v, 0x3c2, 0x67);
    for (unsigned n = 0; n < SEQ_COUNT; n++) indexed(v, 0x3c4, n, seq_mode3[n]);
    indexed(v, 0x3d4, CRTC_VERTICAL_RETRACE_END, 0);
    for (unsigned n = 0; n < CRTC_COUNT; n++) indexed(v, 0x3d4, n, crtc_mode3[n]);
    for (unsigned n = 0; n < GFX_COUNT; n++) indexed(v, 0x3ce, n, gfx_mode3[n]);
    vga_port_read(v, 0x3da);
    for (unsigned n = 0; n < ATTR_COUNT; n++) {
        vga_port_write(v, 0x3c0, (u8)n);
        vga_port_write(v, 0x3c0, attr_mode3[n]);
    }
    vga_port_write(v, 0x3c0, ATTR_PAS);
    vga_port_write(v, 0x3c6, 0xff);
}

/* Plane 2, 32 bytes a character. */
static void font_load(Vga *v, const u8 *font)
{
    enum { FONT_PLANE = 2, LINES = 16, LINES_MAX = 32 };
    for (unsigned ch = 0; ch < 256; ch++)
        for (unsigned y = 0; y < LINES; y++)
            v->vram[(ch * LINES_MAX + y) * 4 + FONT_PLANE] = font[ch * LINES + y];
}

static void clear(Vga *v)
{
    for (u32 at = 0; at < 0x4000; at += 2) store16(v->vram + 4 * at, 0x0720);
}

void vga_post(Vga *v, const u8 *font)
{
    registers(v);
    palette(v);
    if (font) font_load(v, font);
    clear(v);
    vga_pci_post(v);
}
