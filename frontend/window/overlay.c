/* overlay.c - text in the video BIOS's own font, so that it needs none of the desktop's. */
#include "frontend/window/overlay.h"

#include "bios/font.h"

#include <string.h>

enum { CELL_WIDTH = 8, CELL_HEIGHT = 16, MARGIN = 12, INK = 0xd8dee9, PAPER = 0x20242e };

typedef struct Canvas {
    u32 *pixels;
    u32 width, height, pitch;
} Canvas;

static void put_pixel(const Canvas *c, s32 x, s32 y, u32 color)
{
    if (x >= 0 && y >= 0 && (u32)x < c->width && (u32)y < c->height)
        c->pixels[(u32)y * c->pitch + (u32)x] = color;
}

static void put_box(const Canvas *c, s32 x, s32 y, s32 w, s32 h)
{
    for (s32 j = 0; j < h; j++)
        for (s32 i = 0; i < w; i++) put_pixel(c, x + i, y + j, PAPER);
}

static void put_character(const Canvas *c, s32 x, s32 y, u8 code)
{
    const u8 *rows = font_8x16 + code * CELL_HEIGHT;
    for (s32 j = 0; j < CELL_HEIGHT; j++)
        for (s32 i = 0; i < CELL_WIDTH; i++)
            if (rows[j] & 0x80 >> i) put_pixel(c, x + i, y + j, INK);
}

void overlay_draw(u32 *pixels, u32 width, u32 height, u32 pitch_pixels, const char *const *lines, u32 count)
{
    Canvas c = {pixels, width, height, pitch_pixels};
    size_t columns = 0;
    for (u32 n = 0; n < count; n++) columns = strlen(lines[n]) > columns ? strlen(lines[n]) : columns;
    s32 w = (s32)columns * CELL_WIDTH, h = (s32)count * CELL_HEIGHT;
    s32 left = ((s32)width - w) / 2, top = ((s32)height - h) / 2;
    put_box(&c, left - MARGIN, top - MARGIN, w + 2 * MARGIN, h + 2 * MARGIN);
    for (u32 n = 0; n < count; n++)
        for (u32 i = 0; lines[n][i]; i++)
            put_character(&c, left + (s32)i * CELL_WIDTH, top + (s32)n * CELL_HEIGHT, (u8)lines[n][i]);
}
