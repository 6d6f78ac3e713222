/* screen.c - text mode 3, 80x25 characters of code page 437 in 16 colours, as the board hands it over. */
#include "bios/tour/tour.h"

volatile u16 *screen_cell(u32 row, u32 column) { return (volatile u16 *)0xb8000 + row * COLUMNS + column; }

void screen_row(u32 row, u8 colour)
{
    for (u32 n = 0; n < COLUMNS; n++) *screen_cell(row, n) = (u16)(colour << 8 | ' ');
}

void screen_clear(void)
{
    for (u32 n = 0; n < ROWS; n++) screen_row(n, PLAIN);
}

u32 screen_put(u32 row, u32 column, u8 colour, const char *s)
{
    while (*s && column < COLUMNS) *screen_cell(row, column++) = (u16)(colour << 8 | (u8)*s++);
    return column;
}

void screen_put_n(u32 row, u32 column, u8 colour, const char *s, u32 n)
{
    for (; n-- && column < COLUMNS; column++)
        *screen_cell(row, column) = (u16)(colour << 8 | (u8)(*s ? *s++ : ' '));
}

/* The end of what fits into n characters: behind the last whole word. */
static u32 fits(const char *s, u32 n)
{
    u32 end = 0, at = 0;
    for (; s[at] && s[at] != '\n' && at < n; at++)
        if (s[at] == ' ') end = at;
    return !s[at] || s[at] == '\n' || s[at] == ' ' || !end ? at : end;
}

u32 screen_wrap(u32 row, u32 rows, u8 colour, const char *s)
{
    enum { MARGIN = 1, WIDTH = COLUMNS - 2 * MARGIN };
    for (; *s && rows--; row++) {
        u32 n = fits(s, WIDTH);
        screen_put_n(row, MARGIN, colour, s, n);
        s += n;
        if (*s == ' ' || *s == '\n') s++;
    }
    return row;
}

void screen_cursor_off(void)
{
    port_out8(0x3d4, 0x0a);
    port_out8(0x3d5, 0x20);
}
