/* video_text.c - cursor, pages, scrolling, characters and pixels, in every kind of mode. See video.h.
 *
 * In graphics modes a page is PAGE_BYTES of each plane. BANKED modes have one page; they are seen through the 64 KiB
 * window, whose position is set for each row of a character, so that text works in 1600x1200x32 as well, if slowly.
 */
#include "video.h"

/* --- cursor, pages ----------------------------------------------------------------------------------------- */

/* The shapes that programs ask for are for an eight-row cell; a taller one gets the like of it, unless emulation is off
 * (INT 10h 12h 34h). */
void cursor_shape_set(u8 start, u8 end)
{
    u8 height = (u8)CHAR_HEIGHT;
    if (!(VIDEO_CONTROL & CONTROL_NO_CURSOR_EMULATION) && mode_now()->kind == TEXT && height > 8 &&
        !(start & 0x20)) {
        u8 s = start & 0x1f, e = end & 0x1f;
        if (s <= e && e < 8 && e > 3) {
            u8 lines = (u8)(e - s);
            end = (u8)(e == 7   ? height - 1 - (lines < 3 && height > 13)
                       : e == 6 ? height - 2 - (height > 13)
                                : height / 2);
            start = (u8)(lines < 3 ? end - lines : s < 2 ? s : height / 2);
        }
    }
    reg_set(CRTC, 10, start);
    reg_set(CRTC, 11, end);
}

static u16 page_offset(u8 page) { return (u16)(page * PAGE_BYTES); }

void cursor_move(u8 page, u16 position)
{
    page &= 7;
    CURSOR(page) = position;
    if (page != ACTIVE_PAGE || mode_now()->kind != TEXT) return;
    u16 at = (u16)(page_offset(page) / 2 + (position >> 8) * COLUMNS + (position & 0xff));
    reg_set(CRTC, 14, (u8)(at >> 8));
    reg_set(CRTC, 15, (u8)at);
}

void page_select(u8 page)
{
    const Mode *m = mode_now();
    if (page > 7 || m->kind == BANKED) return;
    u16 start = page_offset(page);
    ACTIVE_PAGE = page;
    PAGE_START = start;
    if (m->kind == TEXT || m->kind == CGA) start /= 2;
    if (m->kind == CHUNKY) start /= 4;
    reg_set(CRTC, 12, (u8)(start >> 8));
    reg_set(CRTC, 13, (u8)start);
    cursor_move(page, CURSOR(page));
}

/* --- pixels of BANKED modes -------------------------------------------------------------------------------- */

static u16 banked_pitch(u8 bytes) { return (u16)(dispi_get(DISPI_VIRT_WIDTH) * bytes); }
static u8 pixel_bytes(const Mode *m) { return (u8)((m->bits + 7) / 8); }

/* A text colour as a pixel of so many bits. */
static u32 pixel_colour(const Mode *m, u8 colour)
{
    if (m->bits <= 8) return colour;
    const u8 *c = dac_cga[colour & 15];
    u32 r = c[0], g = c[1], b = c[2];
    if (m->bits == 15) return r >> 1 << 10 | g >> 1 << 5 | b >> 1;
    if (m->bits == 16) return r >> 1 << 11 | g << 5 | b >> 1;
    return (r << 2 | r >> 4) << 16 | (g << 2 | g >> 4) << 8 | (b << 2 | b >> 4);
}

/* `count` pixels from address at: ink where pattern's bit 7, 6 .. is set, else paper; exclusive or: ink only. */
static void banked_row(u32 at, u8 bytes, u8 pattern, u16 count, u32 ink, u32 paper, bool exclusive)
{
    u16 bank = (u16)(at >> 16), off = (u16)at;
    dispi_set(DISPI_BANK, bank);
    for (; count; count--, pattern = (u8)(pattern << 1)) {
        u32 v = pattern & 0x80 ? ink : exclusive ? 0 : paper;
        for (u8 i = 0; i < bytes; i++, v >>= 8) {
            poke8(0xa000, off, (u8)(exclusive ? peek8(0xa000, off) ^ v : v));
            if (!++off) dispi_set(DISPI_BANK, ++bank);
        }
    }
}

static u32 banked_get(u32 at, u8 bytes)
{
    u32 v = 0;
    for (u8 i = 0; i < bytes; i++, at++) {
        dispi_set(DISPI_BANK, (u16)(at >> 16));
        v |= (u32)peek8(0xa000, (u16)at) << 8 * i;
    }
    return v;
}

static void banked_fill(u32 at, u32 count, u8 bytes, u32 colour)
{
    if (bytes > 1) {
        banked_row(at, bytes, 0, (u16)(count / bytes), 0, colour, false);
        return;
    }
    while (count) { /* by runs within a bank */
        u32 run = 0x10000 - (at & 0xffff);
        if (run > count) run = count;
        if (run > 0x8000) run = 0x8000;
        dispi_set(DISPI_BANK, (u16)(at >> 16));
        fill8(0xa000, (u16)at, (u8)colour, (u16)run);
        at += run, count -= run;
    }
}

/* The window shows one bank at a time: what goes from one to another passes through registers. */
static void banked_carry(u16 to_bank, u16 to, u16 from, bool sixteen)
{
    if (!sixteen) {
        u8 v = peek8(0xa000, from);
        dispi_set(DISPI_BANK, to_bank);
        poke8(0xa000, to, v);
        return;
    }
    u32 a = peek32(0xa000, from), b = peek32(0xa000, (u16)(from + 4));
    u32 c = peek32(0xa000, (u16)(from + 8)), d = peek32(0xa000, (u16)(from + 12));
    dispi_set(DISPI_BANK, to_bank);
    poke32(0xa000, to, a);
    poke32(0xa000, (u16)(to + 4), b);
    poke32(0xa000, (u16)(to + 8), c);
    poke32(0xa000, (u16)(to + 12), d);
}

static void banked_copy(u32 to, u32 from, u32 count)
{
    while (count) {
        u32 run = count;
        if (run > 0x10000 - (to & 0xffff)) run = 0x10000 - (to & 0xffff);
        if (run > 0x10000 - (from & 0xffff)) run = 0x10000 - (from & 0xffff);
        if (run > 0x8000) run = 0x8000;
        dispi_set(DISPI_BANK, (u16)(from >> 16));
        if (to >> 16 == from >> 16) {
            copy8(0xa000, (u16)to, 0xa000, (u16)from, (u16)run);
        } else {
            run = run >= 16 ? 16 : 1;
            banked_carry((u16)(to >> 16), (u16)to, (u16)from, run == 16);
        }
        to += run, from += run, count -= run;
    }
}

/* --- glyphs ------------------------------------------------------------------------------------------------ */

static u8 glyph_row(const Mode *m, u8 c, u8 row)
{
    u8 vector = m->kind == CGA && c & 0x80 ? 0x1f : 0x43;
    u32 font = VECTOR(vector);
    u8 index = vector == 0x1f ? c & 0x7f : c;
    return peek8((u16)(font >> 16), (u16)((u16)font + index * (m->kind == CGA ? 8 : CHAR_HEIGHT) + row));
}

static u8 glyph_height(const Mode *m) { return (u8)(m->kind == CGA ? 8 : CHAR_HEIGHT); }

/* 01b11b..: each bit of a byte doubled */
static u16 bits_double(u8 v)
{
    u16 w = 0;
    for (u8 i = 0; i < 8; i++)
        if (v & 1 << i) w |= (u16)(3 << 2 * i);
    return w;
}

static u16 cga_address(u16 y, u16 x_byte) { return (u16)((y & 1 ? 0x2000 : 0) + (y >> 1) * 80 + x_byte); }

static void glyph_cga(const Mode *m, u8 column, u8 row, u8 y, u8 bits, u8 colour)
{
    u16 line = (u16)(row * 8 + y);
    if (m->bits == 1) {
        u16 at = cga_address(line, column);
        u8 v = colour & 1 || colour & 0x80 ? bits : 0;
        poke8(m->seg, at, (u8)(colour & 0x80 ? peek8(m->seg, at) ^ v : v));
        return;
    }
    u16 at = cga_address(line, (u16)(column * 2));
    u16 v = (u16)(bits_double(bits) & (colour & 3) * 0x5555);
    v = (u16)(v << 8 | v >> 8);
    poke16(m->seg, at, colour & 0x80 ? peek16(m->seg, at) ^ v : v);
}

static void planar_begin(u8 write_mode) /* what a program may have left otherwise */
{
    reg_set(SEQ, 2, 0x0f);
    reg_set(GC, 1, 0);
    reg_set(GC, 3, 0);
    reg_set(GC, 5, write_mode);
}

static void planar_end(void)
{
    reg_set(GC, 3, 0);
    reg_set(GC, 5, 0);
    reg_set(GC, 8, 0xff);
}

static u8 planar_colour(const Mode *m, u8 colour)
{
    if (m->bits == 1) return colour & 1 ? 0x0f : 0;
    if (m->bits == 2)
        return (u8)((colour & 1 ? 1 : 0) | (colour & 2 || colour & 4 ? 4 : 0)); /* mode 0Fh: planes 0, 2 */
    return colour & 0x0f;
}

/* Write mode 2: the byte written is a colour, the bit mask says where. */
static void glyph_planar(u16 at, u8 bits, u8 colour, bool exclusive)
{
    if (exclusive) {
        reg_set(GC, 3, 0x18);
    } else {
        reg_set(GC, 8, (u8)~bits);
        peek8(0xa000, at);
        poke8(0xa000, at, 0);
    }
    reg_set(GC, 8, bits);
    peek8(0xa000, at);
    poke8(0xa000, at, colour);
}

static u16 planar_pitch(void) { return (u16)(reg_get(CRTC, 0x13) * 2); }

/* One character of a graphics mode. Bit 7 of colour: exclusive or, but where 256 colours are; there `paper` counts. */
static void graphics_char(const Mode *m, u8 c, u8 colour, u8 paper, u8 page, u8 column, u8 row)
{
    u8 height = glyph_height(m), bytes = pixel_bytes(m);
    u16 top = (u16)(row * height);
    u16 pitch = m->kind == BANKED ? banked_pitch(bytes) : m->kind == PLANAR ? planar_pitch() : 320;
    u32 ink = pixel_colour(m, colour), back = pixel_colour(m, paper);
    u32 at = (u32)top * pitch + (m->kind == PLANAR ? column : (u32)column * 8 * bytes);
    if (m->kind == PLANAR) {
        at += page_offset(page);
        planar_begin(2);
    }
    for (u8 y = 0; y < height; y++, at += pitch) {
        u8 bits = glyph_row(m, c, y);
        if (m->kind == CGA)
            glyph_cga(m, column, row, y, bits, colour);
        else if (m->kind == PLANAR)
            glyph_planar((u16)at, bits, planar_colour(m, colour), colour & 0x80);
        else if (m->kind == BANKED)
            banked_row(at, bytes, bits, 8, ink, back, m->bits > 8 && colour & 0x80);
        else
            for (u8 x = 0; x < 8; x++) poke8(0xa000, (u16)(at + x), bits & 0x80 >> x ? colour : paper);
    }
    if (m->kind == PLANAR) planar_end();
}

/* --- scrolling --------------------------------------------------------------------------------------------- */

/* A rectangle of text cells of a page. */
typedef struct Box {
    u8 left, top, right, bottom;
} Box;

static u16 text_address(u8 page, u8 column, u8 row)
{
    return (u16)(page_offset(page) + (row * COLUMNS + column) * 2);
}

static void text_row(const Mode *m, u8 page, Box b, u8 to, u8 from, bool blank, u8 attribute)
{
    u16 width = (u16)(b.right - b.left + 1);
    if (blank)
        fill16(m->seg, text_address(page, b.left, to), (u16)(attribute << 8 | ' '), width);
    else
        copy16(m->seg, text_address(page, b.left, to), m->seg, text_address(page, b.left, from), width);
}

static void cga_row(const Mode *m, Box b, u8 to, u8 from, bool blank, u8 attribute)
{
    u8 cell = m->bits; /* bytes that a cell is wide */
    u16 width = (u16)((b.right - b.left + 1) * cell);
    u8 fill = (u8)(m->bits == 2 ? (attribute & 3) * 0x55 : attribute & 1 ? 0xff : 0);
    for (u8 y = 0; y < 8; y++) {
        u16 at = cga_address((u16)(to * 8 + y), (u16)(b.left * cell));
        if (blank)
            fill8(m->seg, at, fill, width);
        else
            copy8(m->seg, at, m->seg, cga_address((u16)(from * 8 + y), (u16)(b.left * cell)), width);
    }
}

static void planar_row(const Mode *m, u8 page, Box b, u8 to, u8 from, bool blank, u8 attribute)
{
    u8 height = glyph_height(m);
    u16 pitch = planar_pitch(), width = (u16)(b.right - b.left + 1);
    u16 at = (u16)(page_offset(page) + to * height * pitch + b.left);
    u16 source = (u16)(page_offset(page) + from * height * pitch + b.left);
    planar_begin(blank ? 2 : 1);
    reg_set(GC, 8, 0xff);
    for (u8 y = 0; y < height; y++, at = (u16)(at + pitch), source = (u16)(source + pitch)) {
        if (blank)
            fill8(0xa000, at, planar_colour(m, attribute), width);
        else
            copy8(0xa000, at, 0xa000, source, width);
    }
    planar_end();
}

static void linear_row(const Mode *m, Box b, u8 to, u8 from, bool blank, u8 attribute)
{
    u8 height = glyph_height(m), bytes = pixel_bytes(m);
    u16 pitch = m->kind == BANKED ? banked_pitch(bytes) : 320;
    u32 width = (u32)(b.right - b.left + 1) * 8 * bytes;
    u32 at = (u32)to * height * pitch + (u32)b.left * 8 * bytes;
    u32 source = (u32)from * height * pitch + (u32)b.left * 8 * bytes;
    for (u8 y = 0; y < height; y++, at += pitch, source += pitch) {
        if (m->kind == BANKED && blank)
            banked_fill(at, width, bytes, pixel_colour(m, attribute));
        else if (m->kind == BANKED)
            banked_copy(at, source, width);
        else if (blank)
            fill8(0xa000, (u16)at, attribute, (u16)width);
        else
            copy8(0xa000, (u16)at, 0xa000, (u16)source, (u16)width);
    }
}

static void move_row(const Mode *m, u8 page, Box b, u8 to, u8 from, bool blank, u8 attribute)
{
    if (m->kind == TEXT)
        text_row(m, page, b, to, from, blank, attribute);
    else if (m->kind == CGA)
        cga_row(m, b, to, from, blank, attribute);
    else if (m->kind == PLANAR)
        planar_row(m, page, b, to, from, blank, attribute);
    else
        linear_row(m, b, to, from, blank, attribute);
}

static void scroll(u8 page, Box b, u8 lines, bool down, u8 attribute)
{
    const Mode *m = mode_now();
    if (b.right >= COLUMNS) b.right = (u8)(COLUMNS - 1);
    if (b.bottom > LAST_ROW) b.bottom = LAST_ROW;
    if (b.left > b.right || b.top > b.bottom) return;
    u8 rows = (u8)(b.bottom - b.top + 1);
    if (!lines || lines > rows) lines = rows;
    /* whole lines of a text page are one piece of memory */
    if (m->kind == TEXT && !down && !b.left && b.right == COLUMNS - 1) {
        u16 at = text_address(page, 0, b.top);
        copy16(m->seg, at, m->seg, text_address(page, 0, (u8)(b.top + lines)),
               (u16)((rows - lines) * COLUMNS));
        fill16(m->seg, (u16)(at + (rows - lines) * COLUMNS * 2), (u16)(attribute << 8 | ' '),
               (u16)(lines * COLUMNS));
        return;
    }
    for (u8 i = 0; i < rows; i++) {
        u8 to = (u8)(down ? b.bottom - i : b.top + i);
        move_row(m, page, b, to, (u8)(down ? to - lines : to + lines), i >= rows - lines, attribute);
    }
}

void int10_scroll(Frame r, bool down)
{
    Box b = {r->cl, r->ch, r->dl, r->dh};
    scroll(ACTIVE_PAGE, b, r->al, down, r->bh);
}

/* --- characters -------------------------------------------------------------------------------------------- */

static void put(const Mode *m, u8 c, u8 colour, bool attribute, u8 page, u8 column, u8 row)
{
    if (m->kind == TEXT) {
        u16 at = text_address(page, column, row);
        if (attribute)
            poke16(m->seg, at, (u16)(colour << 8 | c));
        else
            poke8(m->seg, at, c);
        return;
    }
    /* with 256 colours and more BH is the background, not a page */
    bool wide = m->kind == CHUNKY || m->kind == BANKED;
    graphics_char(m, c, colour, wide ? page : 0, wide ? 0 : page, column, row);
}

void int10_write(Frame r, bool attributes)
{
    const Mode *m = mode_now();
    u8 page = r->bh;
    if (m->kind == TEXT || m->kind == PLANAR) page &= 7;
    u16 at = CURSOR(m->kind == TEXT || m->kind == PLANAR ? page : 0);
    u8 column = (u8)at, row = (u8)(at >> 8);
    for (u16 n = r->cx; n; n--) {
        put(m, r->al, r->bl, attributes, page, column, row);
        if (++column < COLUMNS) continue;
        column = 0;
        if (row++ >= LAST_ROW && m->kind != TEXT) break;
    }
}

/* A row of a character cell as ink (not background) bits. */
static u8 cell_row(const Mode *m, u8 page, u8 column, u16 line)
{
    u8 bits = 0;
    if (m->kind == CGA && m->bits == 1) return peek8(m->seg, cga_address(line, column));
    if (m->kind == CGA) {
        u16 at = cga_address(line, (u16)(column * 2));
        u16 v = (u16)(peek8(m->seg, at) << 8 | peek8(m->seg, (u16)(at + 1)));
        for (u8 x = 0; x < 8; x++)
            if (v & 0xc000 >> 2 * x) bits |= (u8)(0x80 >> x);
        return bits;
    }
    if (m->kind == PLANAR) { /* read mode 1 finds the pixels of colour 0 */
        reg_set(GC, 5, 8);
        reg_set(GC, 2, 0);
        reg_set(GC, 7, 0x0f);
        bits = (u8)~peek8(0xa000, (u16)(page_offset(page) + line * planar_pitch() + column));
        reg_set(GC, 5, 0);
        return bits;
    }
    u8 bytes = pixel_bytes(m);
    for (u8 x = 0; x < 8; x++) {
        u32 px = (u32)column * 8 + x;
        u32 v = m->kind == CHUNKY ? peek8(0xa000, (u16)(line * 320 + px))
                                  : banked_get((u32)line * banked_pitch(bytes) + px * bytes, bytes);
        if (v) bits |= (u8)(0x80 >> x);
    }
    return bits;
}

/* Codes are tried from 0 on, as IBM's do: an empty cell is a 0, not a space. */
static u8 cell_match(Frame r, const Mode *m, u8 height)
{
    for (u16 c = 0; c < 256; c++) {
        u8 y = 0;
        while (y < height && r->pattern[y] == glyph_row(m, (u8)c, y)) y++;
        if (y == height) return (u8)c;
    }
    return 0;
}

void int10_read(Frame r)
{
    const Mode *m = mode_now();
    u8 page = r->bh & 7;
    u16 at = CURSOR(page);
    u8 column = (u8)at, row = (u8)(at >> 8), height = glyph_height(m);
    if (m->kind == TEXT) {
        r->ax = peek16(m->seg, text_address(page, column, row));
        return;
    }
    if (height > 16) height = 16;
    for (u8 y = 0; y < height; y++)
        r->pattern[y] = cell_row(m, page, column, (u16)(row * glyph_height(m) + y));
    r->al = cell_match(r, m, height);
    r->ah = 0;
}

static void delay_refresh(u16 toggles) /* of 15 us each: port 61h bit 4 */
{
    u8 last = inb(0x61) & 0x10;
    for (u32 tries = 0; toggles && tries < 1000000; tries++) {
        u8 now = inb(0x61) & 0x10;
        if (now != last) toggles--;
        last = now;
    }
}

static void beep(void)
{
    outb(0x43, 0xb6);
    outb(0x42, 0x33); /* 1193182 / 1331 = 896 Hz */
    outb(0x42, 0x05);
    u8 v = inb(0x61);
    outb(0x61, v | 3);
    delay_refresh(8000); /* an eighth of a second */
    outb(0x61, v & 0xfc);
}

static void advance(u8 page, u8 column, u8 row)
{
    const Mode *m = mode_now();
    if (column >= COLUMNS) column = 0, row++;
    if (row > LAST_ROW) {
        row = LAST_ROW;
        u8 attribute = 0;
        if (m->kind == TEXT) attribute = peek8(m->seg, (u16)(text_address(page, column, row) + 1));
        Box b = {0, 0, (u8)(COLUMNS - 1), row};
        scroll(page, b, 1, false, attribute);
    }
    cursor_move(page, (u16)(row << 8 | column));
}

static void tty_with(u8 c, u8 colour, bool attribute, u8 page)
{
    const Mode *m = mode_now();
    u16 at = CURSOR(page & 7);
    u8 column = (u8)at, row = (u8)(at >> 8);
    switch (c) {
    case 7: beep(); return;
    case 8:
        if (column) column--;
        break;
    case 10: row++; break;
    case 13: column = 0; break;
    default:
        put(m, c, colour, attribute, m->kind == CHUNKY || m->kind == BANKED ? 0 : page, column, row);
        column++;
        break;
    }
    advance(page, column, row);
}

void tty(u8 c, u8 colour, u8 page) { tty_with(c, colour, false, page); }

/* Bit 0 of AL: the cursor goes along; bit 1: each character has its attribute behind it. */
void int10_string(Frame r)
{
    u8 page = r->bh & 7;
    u16 before = CURSOR(page), from = (u16)r->ebp;
    u8 attribute = r->bl;
    u16 n = r->cx;
    if (r->al > 3 || !n) return;
    cursor_move(page, r->dx);
    while (n--) {
        u8 c = peek8(r->es, from++);
        if (r->al & 2) attribute = peek8(r->es, from++);
        tty_with(c, attribute, true, page);
    }
    if (!(r->al & 1)) cursor_move(page, before);
}

/* --- pixels ------------------------------------------------------------------------------------------------ */

void int10_pixel_write(Frame r)
{
    const Mode *m = mode_now();
    u16 x = r->cx, y = r->dx;
    u8 colour = r->al;
    if (m->kind == CGA) {
        u16 at = cga_address(y, m->bits == 2 ? x >> 2 : x >> 3);
        u8 shift = (u8)(m->bits == 2 ? 6 - (x & 3) * 2 : 7 - (x & 7)), mask = (u8)(m->bits == 2 ? 3 : 1);
        u8 old = peek8(m->seg, at), v = (u8)((colour & mask) << shift);
        poke8(m->seg, at, (u8)(colour & 0x80 ? old ^ v : (old & ~(mask << shift)) | v));
    } else if (m->kind == PLANAR) {
        u16 at = (u16)(page_offset(r->bh & 7) + y * planar_pitch() + (x >> 3));
        planar_begin(2);
        if (colour & 0x80) reg_set(GC, 3, 0x18);
        reg_set(GC, 8, (u8)(0x80 >> (x & 7)));
        peek8(0xa000, at);
        poke8(0xa000, at, planar_colour(m, colour));
        planar_end();
    } else if (m->kind == CHUNKY) {
        poke8(0xa000, (u16)(y * 320 + x), colour);
    } else if (m->kind == BANKED) {
        u8 bytes = pixel_bytes(m);
        banked_row((u32)y * banked_pitch(bytes) + (u32)x * bytes, bytes, 0x80, 1, pixel_colour(m, colour), 0,
                   false);
    }
}

void int10_pixel_read(Frame r)
{
    const Mode *m = mode_now();
    u16 x = r->cx, y = r->dx;
    u8 v = 0;
    if (m->kind == CGA) {
        u8 b = peek8(m->seg, cga_address(y, m->bits == 2 ? x >> 2 : x >> 3));
        v = (u8)(m->bits == 2 ? b >> (6 - (x & 3) * 2) & 3 : b >> (7 - (x & 7)) & 1);
    } else if (m->kind == PLANAR) {
        u16 at = (u16)(page_offset(r->bh & 7) + y * planar_pitch() + (x >> 3));
        reg_set(GC, 5, 0);
        for (u8 plane = 0; plane < 4; plane++) {
            reg_set(GC, 4, plane);
            if (peek8(0xa000, at) & 0x80 >> (x & 7)) v |= (u8)(1 << plane);
        }
        reg_set(GC, 4, 0);
        if (m->bits == 1) v &= 1;
    } else if (m->kind == CHUNKY) {
        v = peek8(0xa000, (u16)(y * 320 + x));
    } else if (m->kind == BANKED) {
        u8 bytes = pixel_bytes(m);
        v = (u8)banked_get((u32)y * banked_pitch(bytes) + (u32)x * bytes, bytes);
    }
    r->al = v;
}
