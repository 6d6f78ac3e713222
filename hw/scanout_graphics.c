/* scanout_graphics.c - graphics: 16 colours from planes, CGA's packed pixels, 256 colours, and the linear modes of VBE.
 *
 * IBM VGA, "Graphics Modes", "Graphics Mode Register": how the four bytes fetched for a character position become
 * pixels. What was fetched for a line is kept: a line that fetches the same is not drawn again, and lines that show what the
 * one above shows (double scanning) are neither fetched nor compared.
 */
#include "hw/scanout_parts.h"

/* --- planes ---------------------------------------------------------------------------------------------- */

static bool colors_256(const ScreenState *r) { return r->gfx[GFX_MODE] & GR5_C256 && !screen_vbe(r); }

static u32 pixels_a_character(const ScreenState *r) { return colors_256(r) ? 4 : 8; }

static u32 characters(const Scanout *s)
{
    return screen_vbe(&s->now) ? s->pic.width / 8 : scanout_columns(&s->now);
}

void planes_size(const Scanout *s, u32 *width, u32 *height)
{
    *width = scanout_columns(&s->now) * pixels_a_character(&s->now);
    *height = scanout_lines(&s->now);
}

static void draw_256(Scanout *s, const u32 *fetched, u32 n)
{
    u32 *to = s->line;
    for (u32 x = 0; x < n; x++)
        for (u32 k = 0; k < 4; k++) *to++ = s->color_256[fetched[x] >> 8 * k & 0xff];
}

/* Eight pixels of two bits: four from planes 0 and 2, four from planes 1 and 3. */
static void draw_interleaved(Scanout *s, const u32 *fetched, u32 n)
{
    u32 *to = s->line;
    for (u32 x = 0; x < n; x++)
        for (u32 k = 0; k < 8; k++) {
            u32 pair = fetched[x] >> (k < 4 ? 0 : 8), shift = 6 - 2 * (k & 3);
            *to++ = s->color[(pair >> shift & 3) | (pair >> 16 >> shift & 3) << 2];
        }
}

static void draw_16(Scanout *s, const u32 *fetched, u32 n)
{
    u32 *to = s->line;
    const u64 *u = s->unpacked;
    for (u32 x = 0; x < n; x++) {
        u32 f = fetched[x];
        u64 pixels = u[f & 0xff] | u[f >> 8 & 0xff] << 1 | u[f >> 16 & 0xff] << 2 | u[f >> 24] << 3;
        for (u32 k = 0; k < 8; k++, pixels >>= 8) *to++ = s->color[pixels & 15];
    }
}

static void line_draw(Scanout *s, const u32 *fetched, u32 n)
{
    const ScreenState *r = &s->now;
    if (colors_256(r))
        draw_256(s, fetched, n);
    else if (r->gfx[GFX_MODE] & GR5_SR && !screen_vbe(r))
        draw_interleaved(s, fetched, n);
    else
        draw_16(s, fetched, n);
}

/* Do characters that follow each other lie side by side, in planes that this line does not run out of? */
static bool contiguous(const Scanout *s, const Beam *b, u32 n)
{
    const ScreenState *r = &s->now;
    u8 mode = r->crtc[CRTC_MODE_CONTROL];
    if (screen_vbe(r) || (b->address & 0xffff) + n > 0x10000) return false;
    return (mode & CR17_CMS0) && (mode & CR17_CMS1) &&
           ((mode & CR17_WB) || (r->crtc[CRTC_UNDERLINE_LOCATION] & CR14_DW));
}

/* What the line shows: in video memory, or gathered. */
static const u8 *line_fetch(const Scanout *s, const Beam *b, u32 *gathered, u32 n)
{
    if (contiguous(s, b, n)) return s->vram + scanout_fetch_at(s, b->address, b->scan);
    for (u32 x = 0; x < n; x++) gathered[x] = load32(s->vram + scanout_fetch_at(s, b->address + x, b->scan));
    return (const u8 *)gathered;
}

/* Does the line show what the one above it shows? */
static bool repeats(const Scanout *s, const Beam *b, const Beam *above)
{
    u8 mode = s->now.crtc[CRTC_MODE_CONTROL];
    bool by_scan = !(mode & CR17_CMS0) || !(mode & CR17_CMS1);
    return b->y && b->address == above->address && b->pan == above->pan &&
           (!by_scan || b->scan == above->scan);
}

/* The guest may write meanwhile: what is drawn is the copy. */
static bool line_update(Scanout *s, const Beam *b, u32 n)
{
    u32 gathered[LINE_PIXELS / 8];
    u32 *copy = (u32 *)(void *)s->copy + (size_t)b->y * n;
    const u8 *from = line_fetch(s, b, gathered, n);
    if (!s->redraw && !memcmp(copy, from, n * sizeof *copy)) return false;
    memcpy(copy, from, n * sizeof *copy);
    line_draw(s, copy, n);
    return true;
}

void planes_update(Scanout *s)
{
    u32 width = s->pic.width, n = characters(s) + 1;
    Beam above = {0};
    bool changed = false;
    for (Beam b = beam_start(s); b.y < s->pic.height; beam_next(s, &b)) {
        u32 *to = s->pixels + (size_t)b.y * width;
        if (!repeats(s, &b, &above)) changed = line_update(s, &b, n);
        if (changed) {
            memcpy(to, s->line + b.pan, width * sizeof *to);
            scanout_dirty(s, b.y, 1);
        }
        above = b;
    }
}

/* --- linear ---------------------------------------------------------------------------------------------- */

static u32 within(u32 value, u32 most) { return value < 8 ? 8 : value > most ? most : value; }

void linear_size(const Scanout *s, u32 *width, u32 *height)
{
    *width = within(s->now.dispi[DISPI_XRES], VBE_MAX_XRES) & ~7u;
    *height = within(s->now.dispi[DISPI_YRES], VBE_MAX_YRES);
}

static u32 from_555(u32 v)
{
    u32 r = v >> 10 & 31, g = v >> 5 & 31, b = v & 31;
    return (r << 3 | r >> 2) << 16 | (g << 3 | g >> 2) << 8 | (b << 3 | b >> 2);
}

static u32 from_565(u32 v)
{
    u32 r = v >> 11 & 31, g = v >> 5 & 63, b = v & 31;
    return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
}

static void row_draw(const Scanout *s, u32 *to, const u8 *from, u32 bits)
{
    u32 n = s->pic.width;
    switch (bits) {
    case 15:
        for (u32 x = 0; x < n; x++) to[x] = from_555(load16(from + 2 * x));
        return;
    case 16:
        for (u32 x = 0; x < n; x++) to[x] = from_565(load16(from + 2 * x));
        return;
    case 24:
        for (u32 x = 0; x < n; x++) to[x] = from[3 * x] | from[3 * x + 1] << 8 | (u32)from[3 * x + 2] << 16;
        return;
    case 32:
        for (u32 x = 0; x < n; x++) to[x] = load32(from + 4 * x) & 0xffffff;
        return;
    default:
        for (u32 x = 0; x < n; x++) to[x] = s->rgb[from[x]];
    }
}

/* The registers may be such that a row does not lie in memory: then it is black. */
void linear_update(Scanout *s)
{
    const u16 *r = s->now.dispi;
    u32 bits = r[DISPI_BPP], bytes = bits == 32 || bits == 24 ? bits / 8 : bits == 15 || bits == 16 ? 2 : 1;
    u32 row_bytes = s->pic.width * bytes;
    for (u32 y = 0; y < s->pic.height; y++) {
        u64 at = ((u64)(y + r[DISPI_Y_OFFSET]) * r[DISPI_VIRT_WIDTH] + r[DISPI_X_OFFSET]) * bytes;
        u32 *to = s->pixels + (size_t)y * s->pic.width;
        if (at + row_bytes > (u64)s->vram_mask + 1) {
            if (s->redraw) memset(to, 0, s->pic.width * sizeof *to);
            continue;
        }
        if (!s->redraw && !memcmp(s->copy + at, s->vram + at, row_bytes)) continue;
        memcpy(s->copy + at, s->vram + at, row_bytes);
        row_draw(s, to, s->copy + at, bits);
        scanout_dirty(s, y, 1);
    }
}
