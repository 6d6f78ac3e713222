/* video_font.c - INT 10h 11h: the character generator. See video.h; the fonts are drawn in font16.txt and font8.txt. */
#include "video.h"
#include "font.h"

/* The names that the rest knows; font.h's arrays are static so that anybody can include it. */
extern const u8 font16[256 * 16] __attribute__((alias("font_8x16")));
extern const u8 font14[256 * 14] __attribute__((alias("font_8x14")));
extern const u8 font8[256 * 8] __attribute__((alias("font_8x8")));

/* Glyphs go to plane 2, 32 bytes each; blocks lie in the order 0 4 1 5 2 6 3 7. */
void font_load(u16 seg, u16 off, u16 first, u16 count, u8 bytes, u8 block)
{
    u16 to = (u16)((block & 3) * 0x4000 + (block & 4 ? 0x2000 : 0) + first * 32);
    if (bytes > 32) bytes = 32;
    reg_set(SEQ, 0, 1);
    reg_set(SEQ, 2, 4);
    reg_set(SEQ, 4, 7);
    reg_set(SEQ, 0, 3);
    reg_set(GC, 4, 2);
    reg_set(GC, 5, 0);
    reg_set(GC, 6, 4);
    for (; count; count--, to = (u16)(to + 32), off = (u16)(off + bytes)) copy8(0xa000, to, seg, off, bytes);
    reg_set(SEQ, 0, 1);
    reg_set(SEQ, 2, 3);
    reg_set(SEQ, 4, 2);
    reg_set(SEQ, 0, 3);
    reg_set(GC, 4, 0);
    reg_set(GC, 5, 0x10);
    reg_set(GC, 6, CRTC == 0x3b4 ? 0x0a : 0x0e);
}

/* The screen's lines stay; as many rows of the new height as fit are shown. */
static void text_height(u8 height)
{
    u16 lines = VIDEO_FLAGS & FLAGS_400 ? 400 : VIDEO_FLAGS & FLAGS_200 && VIDEO_MODE != 7 ? 200 : 350;
    if (VBE_MODE) lines = (u16)((LAST_ROW + 1) * CHAR_HEIGHT);
    if (!height || height > 32) return;
    u8 rows = (u8)(lines / height);
    u16 last = (u16)(rows * height - 1);
    u8 cell = reg_get(CRTC, 9);
    if (cell & 0x80) last = (u16)(2 * last + 1);
    reg_set(CRTC, 9, (u8)((cell & 0xe0) | (height - 1)));
    reg_set(CRTC, 0x12, (u8)last);
    reg_set(CRTC, 7, (u8)((reg_get(CRTC, 7) & 0xbd) | (last >> 8 & 1) << 1 | (last >> 9 & 1) << 6));
    if (VIDEO_MODE == 7) reg_set(CRTC, 0x14, (u8)(height - 1));
    LAST_ROW = (u8)(rows - 1);
    CHAR_HEIGHT = height;
    PAGE_BYTES = (u16)(rows * COLUMNS * 2 + 256);
    CURSOR_SHAPE = 0x0607;
    cursor_shape_set(6, 7);
}

static const u8 *rom_font(u8 which) /* as AL of the functions counts */
{
    return which == 1 ? font14 : which == 2 ? font8 : font16;
}

static u8 rom_height(u8 which) { return which == 1 ? 14 : which == 2 ? 8 : 16; }

static void graphics_font(u16 seg, u16 off, u16 height, u8 code, u8 rows)
{
    VECTOR(0x43) = (u32)seg << 16 | off;
    CHAR_HEIGHT = height;
    LAST_ROW = (u8)((code == 1 ? 14 : code == 3 ? 43 : code == 0 && rows ? rows : 25) - 1);
}

static void font_info(Frame r)
{
    static const u8 none = 0; /* the 9-dot tables' end: no glyph differs */
    u32 at = (u32)rom_seg() << 16;
    switch (r->bh) {
    case 0: at = VECTOR(0x1f); break;
    case 1: at = VECTOR(0x43); break;
    case 2: at |= (u16)(u32)font14; break;
    case 3: at |= (u16)(u32)font8; break;
    case 4: at |= (u16)(u32)(font8 + 128 * 8); break;
    case 6: at |= (u16)(u32)font16; break;
    case 5:
    case 7: at |= (u16)(u32)&none; break;
    default: return;
    }
    r->es = (u16)(at >> 16);
    r->ebp = (r->ebp & 0xffff0000) | (u16)at;
    r->cx = CHAR_HEIGHT;
    r->dl = LAST_ROW;
}

void int10_font(Frame r)
{
    u8 al = r->al, which = al & 0x0f;
    if (al == 0x03) {
        reg_set(SEQ, 3, r->bl);
    } else if (al == 0x00 || al == 0x10) {
        font_load(r->es, (u16)r->ebp, r->dx, r->cx, r->bh, r->bl & 7);
        if (al & 0x10) text_height(r->bh);
    } else if ((al & 0xef) == 1 || (al & 0xef) == 2 || (al & 0xef) == 4) {
        font_load(rom_seg(), (u16)(u32)rom_font(which), 0, 256, rom_height(which), r->bl & 7);
        if (al & 0x10) text_height(rom_height(which));
    } else if (al == 0x20) {
        VECTOR(0x1f) = (u32)r->es << 16 | (u16)r->ebp;
    } else if (al == 0x21) {
        graphics_font(r->es, (u16)r->ebp, r->cx, r->bl, r->dl);
    } else if (al == 0x22 || al == 0x23 || al == 0x24) {
        which = which == 2 ? 1 : which == 3 ? 2 : 4;
        graphics_font(rom_seg(), (u16)(u32)rom_font(which), rom_height(which), r->bl, r->dl);
    } else if (al == 0x30) {
        font_info(r);
    }
}
