/* scanout_text.c - alphanumeric modes: character generator, attributes, cursor, blinking.
 *
 * IBM VGA, "Alphanumeric Modes", "Character Map Select Register". A character lies in plane 0, its attribute in plane 1, fonts
 * in plane 2: eight of 256 characters, 32 bytes each, two of them selected; bit 3 of the attribute chooses between them.
 *
 * The usual screen (no panning, no split) is drawn cell by cell where something changed. Any other is drawn line by line
 * each time and compared with what was there.
 *
 * Blinking: a character 16 frames on and off, the cursor 8, of 70 frames a second.
 */
#include "hw/scanout_parts.h"

enum { CELL_CURSOR = 1 << 16, CELL_DARK = 1 << 17 };
enum { FRAME_NS = 14268000, FONT_PLANE = 2, ATTR_PLANE = 1, FONT_LINES = 32 };

void text_size(const Scanout *s, u32 *width, u32 *height)
{
    *width = scanout_columns(&s->now) * scanout_dots(&s->now);
    *height = scanout_lines(&s->now);
}

/* Scan lines of a row, on the screen. */
static u32 row_lines(const ScreenState *r)
{
    u32 max = r->crtc[CRTC_MAXIMUM_SCAN_LINE];
    return ((max & 0x1f) + 1) << !!(max & CR9_DSC);
}

/* --- fonts ----------------------------------------------------------------------------------------------- */

static u32 font_address(u32 select) { return (select & 3) * 0x4000 + (select & 4) * 0x800; }

static bool font_take(const Scanout *s, u8 *font, u32 from)
{
    const u8 *plane = s->vram + (from * 4 & s->vram_mask) + FONT_PLANE;
    u8 differs = 0;
    for (u32 n = 0; n < FONT_BYTES; n++) {
        differs |= font[n] ^ plane[4 * n];
        font[n] = plane[4 * n];
    }
    return differs;
}

/* Take both fonts; true if they are not those that were used last. */
static bool fonts_take(Scanout *s)
{
    u32 sel = s->now.seq[SEQ_CHARACTER_MAP_SELECT];
    u32 b = font_address((sel & 3) | (sel >> 2 & 4)), a = font_address((sel >> 2 & 3) | (sel >> 3 & 4));
    bool changed = font_take(s, s->font[0], b);
    s->one_font = a == b;
    return s->one_font ? changed : changed | font_take(s, s->font[1], a);
}

/* --- one cell -------------------------------------------------------------------------------------------- */

static bool in_cursor(const ScreenState *r, u32 scan)
{
    return scan >= (r->crtc[CRTC_CURSOR_START] & 0x1fu) && scan <= (r->crtc[CRTC_CURSOR_END] & 0x1fu);
}

/* The dots of a line of a character, the leftmost in bit 8. */
static u32 dots_of(const Scanout *s, u32 cell, u32 scan)
{
    const ScreenState *r = &s->now;
    u32 ch = cell & 0xff, attr = cell >> 8 & 0xff, font = s->one_font ? 0 : attr >> 3 & 1;
    if (cell & CELL_CURSOR && in_cursor(r, scan)) return 0x1ff;
    if (cell & CELL_DARK) return 0;
    if ((attr & 7) == 1 && scan == (r->crtc[CRTC_UNDERLINE_LOCATION] & 0x1fu)) return 0x1ff;
    u32 dots = (u32)s->font[font][ch * FONT_LINES + (scan & 31)] << 1;
    if (r->attr[ATTR_MODE_CONTROL] & AR10_ELG && (ch & 0xe0) == 0xc0) dots |= dots >> 1 & 1;
    return dots;
}

static u32 background(const Scanout *s, u32 cell)
{
    bool blinks = s->now.attr[ATTR_MODE_CONTROL] & AR10_EB;
    return s->color[cell >> 12 & (blinks ? 7 : 15)];
}

static void cell_line(const Scanout *s, u32 *to, u32 cell, u32 scan, u32 width)
{
    u32 dots = dots_of(s, cell, scan), fg = s->color[cell >> 8 & 15], bg = background(s, cell);
    u32 differ = fg ^ bg;
    for (u32 x = 0; x < width; x++) to[x] = bg ^ (differ & (0 - (dots >> (8 - x) & 1)));
}

static u32 cell_at(const Scanout *s, u32 ma)
{
    u32 cell = load16(s->vram + scanout_fetch_at(s, ma, 0));
    if (cell & 0x8000 && s->blink_off && s->now.attr[ATTR_MODE_CONTROL] & AR10_EB) cell |= CELL_DARK;
    if (s->cursor_on && (ma & 0xffff) == s->cursor) cell |= CELL_CURSOR;
    return cell;
}

/* --- the usual screen ------------------------------------------------------------------------------------ */

static void cell_draw(Scanout *s, u32 x, u32 y, u32 lines, u32 cell)
{
    u32 width = scanout_dots(&s->now), twice = !!(s->now.crtc[CRTC_MAXIMUM_SCAN_LINE] & CR9_DSC);
    u32 *to = s->pixels + (size_t)y * s->pic.width + x * width;
    for (u32 n = 0; n < lines; n++, to += s->pic.width) cell_line(s, to, cell, n >> twice, width);
}

static void row_update(Scanout *s, u32 row, u32 y, u32 lines)
{
    u32 ma = scanout_start(&s->now) + row * scanout_pitch(&s->now), columns = s->pic.columns;
    u32 *drawn = s->cell_drawn + row * columns;
    bool changed = false;
    for (u32 x = 0; x < columns; x++) {
        u32 cell = cell_at(s, ma + x);
        s->cells[row * columns + x] = (u16)cell;
        if (cell == drawn[x] && !s->redraw) continue;
        drawn[x] = cell;
        cell_draw(s, x, y, lines, cell);
        changed = true;
    }
    if (changed) scanout_dirty(s, y, lines);
}

static void cells_update(Scanout *s)
{
    u32 height = s->pic.height, step = row_lines(&s->now);
    for (u32 row = 0, y = 0; y < height; row++, y += step)
        row_update(s, row, y, height - y < step ? height - y : step);
}

/* --- any screen ------------------------------------------------------------------------------------------ */

static void line_draw(Scanout *s, const Beam *b)
{
    u32 width = scanout_dots(&s->now), columns = s->pic.columns;
    for (u32 x = 0; x <= columns; x++)
        cell_line(s, s->line + x * width, cell_at(s, b->address + x), b->scan, width);
    scanout_line_done(s, b->y, s->line + (b->pan < width ? b->pan : 0));
}

static bool row_begins(const Scanout *s, const Beam *b)
{
    bool twice = s->now.crtc[CRTC_MAXIMUM_SCAN_LINE] & CR9_DSC;
    return b->y == 0 || (b->scan == 0 && b->repeat == twice);
}

static void lines_update(Scanout *s)
{
    u32 columns = s->pic.columns, cells = columns * s->pic.rows, n = 0;
    for (Beam b = beam_start(s); b.y < s->pic.height; beam_next(s, &b)) {
        line_draw(s, &b);
        if (!row_begins(s, &b)) continue;
        for (u32 x = 0; x < columns && n < cells; x++) s->cells[n++] = (u16)cell_at(s, b.address + x);
    }
    memset(s->cells + n, 0, (cells - n) * sizeof *s->cells);
    s->cells_valid = false;
}

/* --- an update ------------------------------------------------------------------------------------------- */

static bool usual(const Scanout *s)
{
    const ScreenState *r = &s->now;
    Beam b = beam_start(s);
    u32 compare = r->crtc[CRTC_LINE_COMPARE] | (r->crtc[CRTC_OVERFLOW] & CR7_LC8) << 4 |
                  (r->crtc[CRTC_MAXIMUM_SCAN_LINE] & CR9_LC9) << 3;
    return !b.pan && !b.scan && b.address == scanout_start(r) && compare + 1 >= s->pic.height;
}

static void cursor_find(Scanout *s)
{
    const ScreenState *r = &s->now;
    Picture *p = &s->pic;
    u32 from = (s->cursor - scanout_start(r)) & 0xffff, pitch = scanout_pitch(r);
    p->cursor_column = p->columns, p->cursor_row = 0;
    if (!pitch || r->crtc[CRTC_CURSOR_START] & CRA_COO || from / pitch >= p->rows ||
        from % pitch >= p->columns)
        return;
    p->cursor_column = from % pitch;
    p->cursor_row = from / pitch;
}

void text_update(Scanout *s, u64 now_ns)
{
    Picture *p = &s->pic;
    u64 frame = now_ns / FRAME_NS;
    s->blink_off = frame >> 4 & 1;
    s->cursor_on = !(frame >> 3 & 1) && !(s->now.crtc[CRTC_CURSOR_START] & CRA_COO);
    p->columns = scanout_columns(&s->now);
    p->rows = (p->height + row_lines(&s->now) - 1) / row_lines(&s->now);
    cursor_find(s);
    if (fonts_take(s)) s->redraw = true;
    if (!usual(s)) {
        lines_update(s);
        return;
    }
    if (!s->cells_valid) s->redraw = true;
    s->cells_valid = true;
    cells_update(s);
}
