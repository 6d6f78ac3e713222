/* scanout.c - from the VGA's registers and memory to pixels: size, palette, the beam's way, and what is drawn anew.
 *
 * IBM VGA, "CRT Controller Registers", "Attribute Controller Registers", "Digital-to-Analog Converter". Text is made in
 * scanout_text.c, planar and linear graphics in scanout_graphics.c.
 *
 * A call copies the registers, clears those that the picture does not depend on (a program may change the map mask for every
 * pixel), and compares them with those of the last picture: any difference draws all anew. Otherwise memory is
 * compared with a copy of what was drawn, text cell by cell and graphics row by row, and what differs is drawn. So nothing has
 * to watch the guest's writes.
 *
 * Nothing here trusts a register: sizes are bounded by their widths, addresses are masked.
 *
 * Not implemented: overscan border, blanking and retrace as such (the picture is what lies between), display and cursor
 * skew, the shift/load and count-by bits (SR1 bits 2 and 4, CR14 bit 5, CR17 bit 3), CR17's hold bit.
 */
#include "hw/scanout_parts.h"

#include <stdlib.h>

/* --- registers ------------------------------------------------------------------------------------------- */

u32 scanout_columns(const ScreenState *r) { return r->crtc[CRTC_HORIZONTAL_DISPLAY_END] + 1u; }

u32 scanout_lines(const ScreenState *r)
{
    u32 overflow = r->crtc[CRTC_OVERFLOW];
    u32 end = r->crtc[CRTC_VERTICAL_DISPLAY_END] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3;
    return r->crtc[CRTC_MODE_CONTROL] & CR17_HRS ? 2 * (end + 1) : end + 1;
}

static bool planar_vbe(const ScreenState *r) { return screen_vbe(r) && r->dispi[DISPI_BPP] == 4; }

u32 scanout_start(const ScreenState *r)
{
    if (planar_vbe(r))
        return r->dispi[DISPI_Y_OFFSET] * (r->dispi[DISPI_VIRT_WIDTH] / 8u) + r->dispi[DISPI_X_OFFSET] / 8u;
    return r->crtc[CRTC_START_ADDRESS_HIGH] << 8 | r->crtc[CRTC_START_ADDRESS_LOW];
}

u32 scanout_pitch(const ScreenState *r)
{
    return planar_vbe(r) ? r->dispi[DISPI_VIRT_WIDTH] / 8u : r->crtc[CRTC_OFFSET] * 2u;
}

u32 scanout_dots(const ScreenState *r) { return r->seq[SEQ_CLOCKING_MODE] & SR1_D89 ? 8 : 9; }

static u32 line_compare(const ScreenState *r)
{
    return r->crtc[CRTC_LINE_COMPARE] | (r->crtc[CRTC_OVERFLOW] & CR7_LC8) << 4 |
           (r->crtc[CRTC_MAXIMUM_SCAN_LINE] & CR9_LC9) << 3;
}

/* In doubleword mode a real VGA rotates the address by two, as chain-4 does on the CPU's side: neither is done here. */
u32 scanout_fetch_at(const Scanout *s, u32 ma, u32 scan)
{
    const ScreenState *r = &s->now;
    u8 mode = r->crtc[CRTC_MODE_CONTROL];
    if (planar_vbe(r)) return ma * 4 & s->vram_mask;
    if (!(mode & CR17_WB) && !(r->crtc[CRTC_UNDERLINE_LOCATION] & CR14_DW))
        ma = ma << 1 | (ma >> (mode & CR17_AW ? 15 : 13) & 1);
    if (!(mode & CR17_CMS0)) ma = (ma & ~0x2000u) | (scan & 1) << 13;
    if (!(mode & CR17_CMS1)) ma = (ma & ~0x4000u) | (scan & 2) << 13;
    return (ma & 0xffff) * 4 & s->vram_mask;
}

/* --- the beam -------------------------------------------------------------------------------------------- */

static u32 panning(const ScreenState *r)
{
    u32 pan = r->attr[ATTR_HORIZONTAL_PEL_PANNING];
    if (planar_vbe(r)) return r->dispi[DISPI_X_OFFSET] % 8u;
    if (r->gfx[GFX_MODE] & GR5_C256 && r->gfx[GFX_MISCELLANEOUS] & GR6_GM) return pan / 2 & 3;
    if (scanout_dots(r) == 9) return pan >= 8 ? 0 : pan + 1; /* 8 is no shift */
    return pan & 7;
}

static u32 byte_panning(const ScreenState *r) { return r->crtc[CRTC_PRESET_ROW_SCAN] >> 5 & 3; }

static u32 repeats(const ScreenState *r)
{
    return r->crtc[CRTC_MAXIMUM_SCAN_LINE] & CR9_DSC && !planar_vbe(r) ? 1 : 0;
}

/* A row is shown again by double scanning, and by a character height that no bank of memory answers to. */
static u32 line_repeat(const ScreenState *r)
{
    u32 height = (r->crtc[CRTC_MAXIMUM_SCAN_LINE] & 0x1f) + 1u;
    bool banks = (r->crtc[CRTC_MODE_CONTROL] & (CR17_CMS0 | CR17_CMS1)) != (CR17_CMS0 | CR17_CMS1);
    if (planar_vbe(r)) return 1;
    return (repeats(r) + 1) * (banks ? 1 : height);
}

Beam beam_start(const Scanout *s)
{
    const ScreenState *r = &s->now;
    Beam b = {.address = scanout_start(r), .pan = panning(r), .repeat = repeats(r)};
    if (planar_vbe(r)) return b;
    b.address += byte_panning(r);
    b.scan = r->crtc[CRTC_PRESET_ROW_SCAN] & 0x1f;
    return b;
}

static void beam_split(const Scanout *s, Beam *b)
{
    const ScreenState *r = &s->now;
    bool still = r->attr[ATTR_MODE_CONTROL] & AR10_PP;
    b->split = true;
    b->scan = 0;
    b->repeat = repeats(r);
    b->pan = still ? 0 : b->pan;
    b->address = still ? 0 : byte_panning(r);
}

void beam_next(const Scanout *s, Beam *b)
{
    const ScreenState *r = &s->now;
    u32 last = planar_vbe(r) ? 0 : r->crtc[CRTC_MAXIMUM_SCAN_LINE] & 0x1f;
    if (b->y++ == line_compare(r) && !planar_vbe(r)) {
        beam_split(s, b);
        return;
    }
    if (b->repeat) {
        b->repeat--;
        return;
    }
    b->repeat = repeats(r);
    if (b->scan == last) {
        b->scan = 0;
        b->address += scanout_pitch(r);
    } else {
        b->scan = (b->scan + 1) & 0x1f;
    }
}

/* --- pixels ---------------------------------------------------------------------------------------------- */

void scanout_dirty(Scanout *s, u32 y, u32 rows)
{
    Picture *p = &s->pic;
    if (!p->dirty_rows) {
        p->dirty_top = y;
        p->dirty_rows = rows;
        return;
    }
    u32 end = p->dirty_top + p->dirty_rows > y + rows ? p->dirty_top + p->dirty_rows : y + rows;
    if (y < p->dirty_top) p->dirty_top = y;
    p->dirty_rows = end - p->dirty_top;
}

void scanout_line_done(Scanout *s, u32 y, const u32 *from)
{
    u32 *to = s->pixels + (size_t)y * s->pic.width;
    size_t bytes = s->pic.width * sizeof *to;
    if (!memcmp(to, from, bytes)) return;
    memcpy(to, from, bytes);
    scanout_dirty(s, y, 1);
}

static void blank_update(Scanout *s)
{
    if (!s->redraw) return;
    memset(s->pixels, 0, sizeof *s->pixels * s->pic.width * s->pic.height);
    scanout_dirty(s, 0, s->pic.height);
}

/* --- palette --------------------------------------------------------------------------------------------- */

static u32 dac_component(const ScreenState *r, u8 value)
{
    if (r->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC) return value;
    return (u32)(value << 2 | value >> 4) & 0xff;
}

/* The attribute controller is four bits wide: with 256 colours the low half of a pixel passes its palette, and the plane
 * enable masks both halves (tried on VGAs of several makers: DOSBox-X #63, #952). */
static void palette_256_make(Scanout *s)
{
    const u8 *a = s->now.attr;
    u32 planes = a[ATTR_COLOR_PLANE_ENABLE] & 15;
    for (u32 n = 0; n < 256; n++) s->color_256[n] = s->rgb[(n & planes << 4) | (a[n & planes] & 15)];
}

static void palette_make(Scanout *s)
{
    const ScreenState *r = &s->now;
    u32 mode = r->attr[ATTR_MODE_CONTROL], select = r->attr[ATTR_COLOR_SELECT];
    for (u32 n = 0; n < 256; n++) {
        const u8 *d = r->dac[n & r->pel_mask];
        s->rgb[n] = dac_component(r, d[0]) << 16 | dac_component(r, d[1]) << 8 | dac_component(r, d[2]);
    }
    for (u32 n = 0; n < 16; n++) {
        u32 p = r->attr[n & r->attr[ATTR_COLOR_PLANE_ENABLE] & 15];
        if (mode & AR10_PS) p = (p & 0x0f) | (select & 3) << 4;
        s->color[n] = s->rgb[(p & 0x3f) | (select & 0x0c) << 4];
    }
    palette_256_make(s);
}

/* --- an update ------------------------------------------------------------------------------------------- */

/* The registers, without those that do not count. */
static void registers_take(Scanout *s)
{
    static const u8 timing[] = {
        CRTC_HORIZONTAL_TOTAL,         CRTC_START_HORIZONTAL_BLANKING, CRTC_END_HORIZONTAL_BLANKING,
        CRTC_START_HORIZONTAL_RETRACE, CRTC_END_HORIZONTAL_RETRACE,    CRTC_VERTICAL_TOTAL,
        CRTC_VERTICAL_RETRACE_START,   CRTC_VERTICAL_RETRACE_END,      CRTC_START_VERTICAL_BLANKING,
        CRTC_END_VERTICAL_BLANKING,    CRTC_CURSOR_LOCATION_HIGH,      CRTC_CURSOR_LOCATION_LOW};
    ScreenState *r = &s->now;
    memcpy(r, s->state, sizeof *r);
    s->cursor = r->crtc[CRTC_CURSOR_LOCATION_HIGH] << 8 | r->crtc[CRTC_CURSOR_LOCATION_LOW];
    for (unsigned n = 0; n < ARRAY_LEN(timing); n++) r->crtc[timing[n]] = 0;
    r->crtc[CRTC_OVERFLOW] &= 0x52; /* display end and line compare */
    r->misc = 0;
    r->seq[SEQ_RESET] = r->seq[SEQ_MAP_MASK] = r->seq[SEQ_MEMORY_MODE] = 0;
    memset(r->gfx, 0, GFX_MODE);
    r->gfx[GFX_MODE] &= GR5_SR | GR5_C256;
    r->gfx[GFX_MISCELLANEOUS] &= GR6_GM;
    r->gfx[GFX_COLOR_DONT_CARE] = r->gfx[GFX_BIT_MASK] = 0;
    r->attr_index &= ATTR_PAS;
    r->dispi[DISPI_ID] = r->dispi[DISPI_BANK] = 0;
    if (!screen_vbe(r)) {
        u16 dac8 = r->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC;
        memset(r->dispi, 0, sizeof r->dispi);
        r->dispi[DISPI_ENABLE] = dac8;
    }
}

/* What would be shown if the screen were not blanked. */
static ScreenKind mode_of(const ScreenState *r)
{
    if (screen_vbe(r)) return r->dispi[DISPI_BPP] == 4 ? SCREEN_PLANES : SCREEN_LINEAR;
    return r->gfx[GFX_MISCELLANEOUS] & GR6_GM ? SCREEN_PLANES : SCREEN_TEXT;
}

static ScreenKind kind_of(const ScreenState *r)
{
    bool blanked = !(r->attr_index & ATTR_PAS) || r->seq[SEQ_CLOCKING_MODE] & SR1_SO;
    return blanked ? SCREEN_BLANK : mode_of(r);
}

static void size_of(const Scanout *s, u32 *width, u32 *height)
{
    const ScreenState *r = &s->now;
    if (screen_vbe(r))
        linear_size(s, width, height);
    else if (r->gfx[GFX_MISCELLANEOUS] & GR6_GM)
        planes_size(s, width, height);
    else
        text_size(s, width, height);
}

/* What is smaller than MIN_SIZE is a mode that is being set: a black text screen till then. */
static void size_update(Scanout *s)
{
    enum { MIN_SIZE = 64 };
    u32 width, height;
    Picture *p = &s->pic;
    size_of(s, &width, &height);
    p->line_repeat = mode_of(&s->now) == SCREEN_PLANES ? line_repeat(&s->now) : 1;
    if (width < MIN_SIZE || height < MIN_SIZE) {
        s->kind = SCREEN_BLANK;
        width = 720, height = 400;
        p->line_repeat = 1;
    }
    p->resized = width != p->width || height != p->height;
    p->width = width;
    p->height = height;
    if (p->resized) s->redraw = true;
}

const Picture *scanout_update(Scanout *s, u64 now_ns)
{
    registers_take(s);
    s->kind = kind_of(&s->now);
    s->pic.dirty_top = s->pic.dirty_rows = 0;
    size_update(s);
    s->redraw |= s->kind != s->drawn_kind || memcmp(&s->now, &s->drawn, sizeof s->now);
    if (s->redraw) palette_make(s);
    s->pic.is_text = s->kind == SCREEN_TEXT;
    switch (s->kind) {
    case SCREEN_TEXT: text_update(s, now_ns); break;
    case SCREEN_PLANES: planes_update(s); break;
    case SCREEN_LINEAR: linear_update(s); break;
    case SCREEN_BLANK: blank_update(s); break;
    }
    if (s->redraw) scanout_dirty(s, 0, s->pic.height);
    s->redraw = false;
    if (s->kind != SCREEN_TEXT) s->cells_valid = false;
    s->drawn_kind = s->kind;
    memcpy(&s->drawn, &s->now, sizeof s->drawn);
    return &s->pic;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void unpacked_make(Scanout *s)
{
    for (u32 n = 0; n < 256; n++)
        for (u32 k = 0; k < 8; k++) s->unpacked[n] |= (u64)(n >> (7 - k) & 1) << 8 * k;
}

/* Of a size for the largest picture: the host gives memory to what is used of it. */
Scanout *scanout_new(const ScreenState *state, const u8 *vram, u32 vram_bytes)
{
    Scanout *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->state = state;
    s->vram = vram;
    s->vram_mask = vram_bytes - 1;
    s->redraw = true;
    s->pixels = calloc(MAX_PIXELS, sizeof *s->pixels);
    s->cells = calloc(MAX_COLUMNS * CRTC_MAX_HEIGHT, sizeof *s->cells);
    s->cell_drawn = calloc(MAX_COLUMNS * CRTC_MAX_HEIGHT, sizeof *s->cell_drawn);
    s->copy = calloc(1, vram_bytes < LINE_COPIES_BYTES ? LINE_COPIES_BYTES : vram_bytes);
    if (!s->pixels || !s->cells || !s->cell_drawn || !s->copy) {
        scanout_free(s);
        return NULL;
    }
    s->pic.pixels = s->pixels;
    s->pic.cells = s->cells;
    unpacked_make(s);
    return s;
}

void scanout_free(Scanout *s)
{
    if (!s) return;
    free(s->pixels);
    free(s->cells);
    free(s->cell_drawn);
    free(s->copy);
    free(s);
}
