/* overlay.c - text in the video BIOS's own font, so that it needs none of the desktop's.
 *
 * On a large window each of the font's pixels is four. What is wider than the canvas is cut off, but a message is broken into
 * lines.
 */
#include "frontend/window/overlay.h"

#include "bios/font.h"

#include <string.h>

enum { CELL_WIDTH = 8, CELL_HEIGHT = 16, MARGIN = 12, INK = 0xd8dee9, PAPER = 0x20242e, CHOSEN = 0x3b5b8c };
enum { LARGE_WIDTH = 1100, LARGE_HEIGHT = 900 };

enum { MESSAGE_LINES = 4, MESSAGE_COLUMNS = 199 };

typedef struct Box {
    s32 x, y, w, h; /* without the margin */
    s32 times;      /* a pixel of the font */
} Box;

static void put_rect(const Canvas *c, s32 x, s32 y, s32 w, s32 h, u32 color)
{
    s32 right = x + w < (s32)c->width ? x + w : (s32)c->width;
    s32 bottom = y + h < (s32)c->height ? y + h : (s32)c->height;
    for (s32 j = y < 0 ? 0 : y; j < bottom; j++)
        for (s32 i = x < 0 ? 0 : x; i < right; i++) c->pixels[(u32)j * c->pitch + (u32)i] = color;
}

static void put_character(const Canvas *c, s32 x, s32 y, s32 times, u8 code)
{
    const u8 *rows = font_8x16 + code * CELL_HEIGHT;
    for (s32 j = 0; j < CELL_HEIGHT; j++)
        for (s32 i = 0; i < CELL_WIDTH; i++)
            if (rows[j] & 0x80 >> i) put_rect(c, x + i * times, y + j * times, times, times, INK);
}

static void put_text(const Canvas *c, s32 x, s32 y, s32 times, const char *text)
{
    for (; *text; text++, x += CELL_WIDTH * times) put_character(c, x, y, times, (u8)*text);
}

static s32 times_on(const Canvas *c) { return c->width >= LARGE_WIDTH && c->height >= LARGE_HEIGHT ? 2 : 1; }

static Box box_of(const Canvas *c, const char *const *lines, u32 count)
{
    size_t columns = 0;
    Box b = {.times = times_on(c)};
    for (u32 n = 0; n < count; n++) columns = strlen(lines[n]) > columns ? strlen(lines[n]) : columns;
    b.w = (s32)columns * CELL_WIDTH * b.times;
    b.h = (s32)count * CELL_HEIGHT * b.times;
    b.x = ((s32)c->width - b.w) / 2;
    b.y = ((s32)c->height - b.h) / 2;
    if (b.x < MARGIN) b.x = MARGIN;
    if (b.y < MARGIN) b.y = MARGIN;
    return b;
}

static void put_lines(const Canvas *c, const Box *b, const char *const *lines, u32 count, s32 chosen,
                      u32 chosen_count)
{
    s32 row = CELL_HEIGHT * b->times;
    put_rect(c, b->x - MARGIN, b->y - MARGIN, b->w + 2 * MARGIN, b->h + 2 * MARGIN, PAPER);
    if (chosen >= 0)
        put_rect(c, b->x - MARGIN / 2, b->y + chosen * row, b->w + MARGIN, (s32)chosen_count * row, CHOSEN);
    for (u32 n = 0; n < count; n++) put_text(c, b->x, b->y + (s32)n * row, b->times, lines[n]);
}

void overlay_panel(const Canvas *c, const char *const *lines, u32 count, s32 chosen, u32 chosen_count)
{
    Box b = box_of(c, lines, count);
    put_lines(c, &b, lines, count, chosen, chosen_count);
}

/* The mean of the picture's pixels that one of `w` x `h` covers; the nearest where it covers none. */
static u32 pixel_at(const OverlayPicture *p, u32 x, u32 y, u32 w, u32 h)
{
    u32 left = x * p->width / w, right = (x + 1) * p->width / w;
    u32 top = y * p->height / h, bottom = (y + 1) * p->height / h, count = 0, red = 0, green = 0, blue = 0;
    for (u32 j = top; j < bottom || j == top; j++)
        for (u32 i = left; i < right || i == left; i++, count++) {
            u32 pixel = p->pixels[j * p->width + i];
            red += pixel >> 16 & 0xff;
            green += pixel >> 8 & 0xff;
            blue += pixel & 0xff;
        }
    return red / count << 16 | green / count << 8 | blue / count;
}

void overlay_picture(const Canvas *c, const char *const *lines, u32 count, u32 line, const OverlayPicture *p)
{
    Box b = box_of(c, lines, count);
    u32 w = p->columns * CELL_WIDTH * (u32)b.times, h = p->lines * CELL_HEIGHT * (u32)b.times;
    if (!p->width || !p->height) return;
    if (w * p->height > h * p->width)
        w = h * p->width / p->height;
    else
        h = w * p->height / p->width;
    s32 x = b.x + (s32)p->column * CELL_WIDTH * b.times, y = b.y + (s32)line * CELL_HEIGHT * b.times;
    x += ((s32)p->columns * CELL_WIDTH * b.times - (s32)w) / 2; /* in the middle of its place */
    y += ((s32)p->lines * CELL_HEIGHT * b.times - (s32)h) / 2;
    for (u32 j = 0; j < h && y + (s32)j < (s32)c->height; j++)
        for (u32 i = 0; i < w && x + (s32)i < (s32)c->width; i++)
            c->pixels[(u32)(y + (s32)j) * c->pitch + (u32)(x + (s32)i)] = pixel_at(p, i, j, w, h);
}

u32 overlay_column_width(u32 columns) { return columns * CELL_WIDTH + 2 * MARGIN; }

void overlay_column(const Canvas *c, s32 x, const char *const *lines, u32 count)
{
    put_rect(c, x, 0, (s32)c->width - x, (s32)c->height, PAPER);
    for (u32 n = 0; n < count; n++)
        if ((s32)(MARGIN + (n + 1) * CELL_HEIGHT) <= (s32)c->height)
            put_text(c, x + MARGIN, MARGIN + (s32)n * CELL_HEIGHT, 1, lines[n]);
}

/* How many of its bytes the next line has: to the last blank that fits, if there is one. */
static size_t line_length(const char *text, size_t columns)
{
    size_t n = strlen(text);
    if (n <= columns) return n;
    for (n = columns; n && text[n] != ' ';) n--;
    return n ? n : columns;
}

void overlay_message(const Canvas *c, const char *text)
{
    char line[MESSAGE_LINES][MESSAGE_COLUMNS + 1];
    const char *lines[MESSAGE_LINES];
    s32 room = ((s32)c->width - 4 * MARGIN) / (CELL_WIDTH * times_on(c));
    size_t columns = room < 1 ? 1 : room > MESSAGE_COLUMNS ? MESSAGE_COLUMNS : (size_t)room;
    u32 count = 0;
    for (; *text && count < MESSAGE_LINES; count++) {
        size_t n = line_length(text, columns);
        memcpy(line[count], text, n);
        line[count][n] = 0;
        lines[count] = line[count];
        text += n + strspn(text + n, " ");
    }
    Box b = box_of(c, lines, count);
    b.y = (s32)c->height - b.h - 2 * MARGIN;
    put_lines(c, &b, lines, count, OVERLAY_NONE, 0);
}

s32 overlay_line_at(const Canvas *c, const char *const *lines, u32 count, s32 x, s32 y)
{
    Box b = box_of(c, lines, count);
    if (x < b.x - MARGIN || x >= b.x + b.w + MARGIN || y < b.y || y >= b.y + b.h) return OVERLAY_NONE;
    return (y - b.y) / (CELL_HEIGHT * b.times);
}
