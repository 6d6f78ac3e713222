/* hw_scanout.c - pictures, small ones, mode by mode. */
#include "hw_bench.h"

#include <stdlib.h>

#include "hw/machine.h"
#include "hw/scanout.h"
#include "hw/screen.h"
#include "tests/random.h"

static Machine *m;
static Scanout *scan;
static const Picture *pic;
static u8 *vram;

static int setup(void **state)
{
    const MachineEvents events = {0};
    MachineConfig c = {.ram_bytes = 4 << 20, .manual_clock = true};
    u32 bytes;
    (void)state;
    m = machine_new(&c, &events);
    if (!m) return -1;
    bus = machine_bus(m);
    vram = machine_phys(m)->ram + machine_vram_offset(m);
    assert_ptr_equal(machine_vram(m, &bytes), vram);
    scan = scanout_new(machine_screen(m), vram, bytes);
    return scan ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    scanout_free(scan);
    machine_free(m);
    return 0;
}

static void mem(u32 pa, u32 value, unsigned bytes) { phys_write(machine_phys(m), pa, value, bytes); }
static void seq(u8 index, u8 value) { bus_port_out(bus, 0x3c4, (u32)(value << 8 | index), 2); }
static void gfx(u8 index, u8 value) { bus_port_out(bus, 0x3ce, (u32)(value << 8 | index), 2); }
static void crtc(u8 index, u8 value) { bus_port_out(bus, 0x3d4, (u32)(value << 8 | index), 2); }
static void attr(u8 index, u8 value) { in(0x3da), out2(0x3c0, index, value), in(0x3da), out(0x3c0, 0x20); }
static u32 pixel(u32 x, u32 y) { return pic->pixels[y * pic->width + x]; }
static void update(void) { pic = scanout_update(scan, 0); }

static u16 cell(u32 x, u32 y) { return pic->cells[y * pic->columns + x]; }

/* --- text ------------------------------------------------------------------------------------------------ */

static void a_kernel_finds_an_empty_text_screen(void **state)
{
    (void)state;
    update();
    assert_true(pic->is_text && pic->resized);
    assert_int_equal(pic->width, 720);
    assert_int_equal(pic->height, 400);
    assert_int_equal(pic->columns, 80);
    assert_int_equal(pic->rows, 25);
    assert_int_equal(cell(79, 24), 0x0720);
    assert_int_equal(pixel(719, 399), 0);
    assert_int_equal(pic->cursor_column, 0);
    assert_int_equal(pixel(0, 14), 0xaaaaaa); /* the cursor: lines 13 and 14 */
    assert_int_equal(pixel(0, 12), 0);
    update();
    assert_false(pic->resized);
    assert_int_equal(pic->dirty_rows, 0);
}

static void characters_and_attributes(void **state)
{
    (void)state;
    update();
    mem(0xb8000 + 160 * 3 + 2 * 5, 0x1edb, 2); /* a full block, yellow on blue; 9th dot as the 8th */
    mem(0xb8000 + 160 * 3 + 2 * 6, 0x1e41, 2);
    update();
    assert_int_equal(cell(5, 3), 0x1edb);
    assert_int_equal(pic->dirty_top, 48);
    assert_int_equal(pic->dirty_rows, 16);
    assert_int_equal(pixel(45, 48), 0xffff55);
    assert_int_equal(pixel(53, 63), 0xffff55);
    assert_int_equal(pixel(54, 48), 0x0000aa);
    assert_int_equal(pixel(62, 63), 0x0000aa);
}

static void the_ninth_dot(void **state)
{
    (void)state;
    mem(0xb8000 + 160, 0x0fdb, 2), mem(0xb8000 + 162, 0x0f0e, 2); /* note: not in C0-DF */
    for (u32 y = 0; y < 16; y++) vram[(0xdb * 32 + y) * 4 + 2] = vram[(0x0e * 32 + y) * 4 + 2] = 0x01;
    update();
    assert_int_equal(pixel(6, 16), 0);
    assert_int_equal(pixel(7, 16), 0xffffff);
    assert_int_equal(pixel(8, 16), 0xffffff);
    assert_int_equal(pixel(16, 16), 0xffffff);
    assert_int_equal(pixel(17, 16), 0);
    attr(0x10, 0x08); /* no line graphics */
    update();
    assert_int_equal(pixel(8, 16), 0);
    seq(1, 1); /* 8 dots */
    update();
    assert_true(pic->resized);
    assert_int_equal(pic->width, 640);
    assert_int_equal(pixel(7, 16), 0xffffff);
}

static void blinking(void **state)
{
    (void)state;
    mem(0xb8000 + 160, 0x9fdb, 2);
    pic = scanout_update(scan, 0);
    assert_int_equal(pixel(0, 16), 0xffffff);
    assert_int_equal(pixel(0, 14), 0xaaaaaa);
    pic = scanout_update(scan, 9 * 14268000); /* the cursor is off for frames 8-15 */
    assert_int_equal(pixel(0, 14), 0);
    assert_int_equal(pixel(0, 16), 0xffffff);
    assert_int_equal(pic->dirty_rows, 16);
    pic = scanout_update(scan, 17 * 14268000); /* the character for 16-31 */
    assert_int_equal(pixel(0, 16), 0x0000aa);
    attr(0x10, 0x04); /* bright background instead */
    pic = scanout_update(scan, 17 * 14268000);
    mem(0xb8000 + 160, 0x9f20, 2);
    pic = scanout_update(scan, 17 * 14268000);
    assert_int_equal(pixel(0, 16), 0x5555ff);
}

static void cursor(void **state)
{
    (void)state;
    crtc(0x0e, 0), crtc(0x0f, 85), crtc(0x0a, 0), crtc(0x0b, 7);
    update();
    assert_int_equal(pic->cursor_column, 5);
    assert_int_equal(pic->cursor_row, 1);
    assert_int_equal(pixel(45, 16), 0xaaaaaa);
    assert_int_equal(pixel(53, 23), 0xaaaaaa);
    assert_int_equal(pixel(45, 24), 0);
    crtc(0x0f, 86);
    update();
    assert_int_equal(pic->dirty_top, 16);
    assert_int_equal(pic->dirty_rows, 16);
    assert_int_equal(pixel(45, 16), 0);
    crtc(0x0a, 0x20);
    update();
    assert_int_equal(pic->cursor_column, pic->columns);
    assert_int_equal(pixel(54, 16), 0);
    crtc(0x0a, 0), crtc(0x0e, 0xff);
    update();
    assert_int_equal(pic->cursor_column, pic->columns);
}

static void two_fonts_of_512_characters(void **state)
{
    (void)state;
    seq(3, 0x04); /* map A (bit 3 set): at 16 KiB; map B: at 0 */
    memset(vram + 0x4000 * 4, 0, 0x2000 * 4);
    for (u32 y = 0; y < 16; y++) vram[(0x4000 + 'A' * 32 + y) * 4 + 2] = 0x80;
    mem(0xb8000 + 160, 0x0f41, 2), mem(0xb8000 + 162, 0x0741, 2);
    update();
    assert_int_equal(pixel(0, 16), 0xffffff);
    assert_int_equal(pixel(1, 24), 0);
    assert_int_equal(pixel(9, 16), 0);
    seq(3, 0x30); /* both at 8 KiB and 0 */
    memset(vram + 0x2000 * 4, 0xff, 0x2000 * 4);
    update();
    assert_int_equal(pixel(1, 24), 0xffffff);
}

static void monochrome_underline(void **state)
{
    (void)state;
    crtc(0x14, 0x0d), attr(0x10, 0x0e);
    mem(0xb8000 + 160, 0x0120, 2), mem(0xb8000 + 162, 0x0720, 2);
    update();
    assert_int_equal(pixel(4, 16 + 13), 0x0000aa);
    assert_int_equal(pixel(4, 16 + 12), 0);
    assert_int_equal(pixel(13, 16 + 13), 0);
}

static void text_scrolls_by_line_and_pixel(void **state)
{
    (void)state;
    crtc(0x0a, 0x20);
    mem(0xb8000 + 2 * 82, 0x0fdb, 2);
    crtc(0x0d, 80);
    update();
    assert_int_equal(cell(2, 0), 0x0fdb);
    assert_int_equal(pixel(18, 0), 0xffffff);
    crtc(0x08, 3); /* the first row begins with line 3 */
    update();
    assert_int_equal(pixel(18, 12), 0xffffff);
    assert_int_equal(pixel(18, 13), 0);
    assert_int_equal(cell(2, 0), 0x0fdb);
    attr(0x13, 0); /* 9 dots: 0 is one to the left */
    update();
    assert_int_equal(pixel(17, 0), 0xffffff);
    assert_int_equal(pixel(25, 0), 0xffffff);
    assert_int_equal(pixel(26, 0), 0);
    update();
    assert_int_equal(pic->dirty_rows, 0);
    attr(0x13, 8), crtc(0x08, 0x40); /* two characters */
    update();
    assert_int_equal(pixel(0, 0), 0xffffff);
    crtc(0x08, 0);
    update();
    assert_int_equal(pixel(0, 0), 0);
    assert_int_equal(pixel(18, 0), 0xffffff);
}

static void split_screen(void **state)
{
    (void)state;
    crtc(0x0a, 0x20);
    mem(0xb8000, 0x0fdb, 2);
    crtc(0x0d, 80), crtc(0x11, 0x0e);
    crtc(0x18, 99), crtc(7, 0x0f), crtc(9, 0x0f);
    update();
    assert_int_equal(pixel(0, 0), 0);
    assert_int_equal(pixel(0, 99), 0);
    assert_int_equal(pixel(0, 100), 0xffffff);
    assert_int_equal(pixel(0, 115), 0xffffff);
    assert_int_equal(pixel(0, 116), 0);
}

/* --- graphics -------------------------------------------------------------------------------------------- */

typedef struct Mode { /* the registers that matter: the rest is as mode 3 left it */
    u8 misc, seq1, seq4, hde, vde, overflow, max_scan, offset, underline, control, gfx5, gfx6, attr10;
} Mode;

static void mode_set(const Mode *n)
{
    out(0x3c2, n->misc);
    seq(1, n->seq1), seq(2, 15), seq(4, n->seq4);
    crtc(0x11, 0x0e);
    crtc(1, n->hde), crtc(0x12, n->vde), crtc(7, n->overflow), crtc(9, n->max_scan), crtc(0x13, n->offset);
    crtc(0x14, n->underline), crtc(0x17, n->control);
    gfx(5, n->gfx5), gfx(6, n->gfx6), gfx(7, 15);
    attr(0x10, n->attr10), attr(0x13, 0);
    for (u8 c = 0; c < 16; c++) attr(c, c);
    for (unsigned c = 0; c < 256; c++) {
        out(0x3c8, (u8)c), out(0x3c9, (u8)(c & 0x3f)), out(0x3c9, (u8)(c >> 6)), out(0x3c9, 1);
    }
    memset(vram, 0, 1 << 18);
}

static u32 color(unsigned c) { return ((c << 2 | (c & 0x3f) >> 4) & 0xff) << 16 | (c >> 6 << 2) << 8 | 4; }

static const Mode mode_12 = {0xe3, 1, 6, 0x4f, 0xdf, 0x3e, 0x40, 0x28, 0, 0xe3, 0, 5, 1};
static const Mode mode_13 = {0x63, 1, 14, 0x4f, 0x8f, 0x1f, 0x41, 0x28, 0x40, 0xa3, 0x40, 5, 0x41};
static const Mode mode_x = {0x63, 1, 6, 0x4f, 0x8f, 0x1f, 0x41, 0x28, 0, 0xe3, 0x40, 5, 0x41};
static const Mode mode_4 = {0x63, 9, 2, 0x27, 0x8f, 0x1f, 0xc1, 0x14, 0, 0xa2, 0x30, 0x0f, 1};
static const Mode mode_6 = {0x63, 1, 6, 0x4f, 0x8f, 0x1f, 0xc1, 0x28, 0, 0xc2, 0, 0x0d, 1};

static void sixteen_colours_in_planes(void **state)
{
    (void)state;
    mode_set(&mode_12);
    update();
    assert_int_equal(pic->width, 640);
    assert_int_equal(pic->height, 480);
    assert_false(pic->is_text);
    gfx(0, 0x0b), gfx(1, 0x0f), gfx(8, 0x40); /* one pixel at 8 * 5 + 1, line 100 */
    phys_read(machine_phys(m), 0xa0000 + 100 * 80 + 5, 1);
    mem(0xa0000 + 100 * 80 + 5, 0xff, 1);
    update();
    assert_int_equal(pic->dirty_top, 100);
    assert_int_equal(pic->dirty_rows, 1);
    assert_int_equal(pixel(41, 100), color(11));
    assert_int_equal(pixel(40, 100), color(0));
    assert_int_equal(pixel(42, 100), color(0));
    attr(0x12, 0x01); /* only plane 0 */
    update();
    assert_int_equal(pixel(41, 100), color(1));
    attr(0x12, 0x0f), attr(0x10, 0x81), attr(0x14, 0x0e); /* P5, P4 from colour select, and P7, P6 */
    update();
    assert_int_equal(pixel(41, 100), color(0xeb));
    attr(0x10, 1), attr(0x14, 0), attr(0x13, 3); /* three to the left */
    update();
    assert_int_equal(pixel(38, 100), color(11));
    crtc(0x0d, 80);
    update();
    assert_int_equal(pixel(38, 99), color(11));
}

static void mode_13h_has_a_byte_a_pixel(void **state)
{
    (void)state;
    mode_set(&mode_13);
    for (u32 n = 0; n < 256; n++) mem(0xa0000 + 320 * 10 + n, n, 1);
    update();
    assert_int_equal(pic->width, 320);
    assert_int_equal(pic->height, 400);
    for (u32 n = 0; n < 256; n++) {
        assert_int_equal(pixel(n, 20), color(n));
        assert_int_equal(pixel(n, 21), color(n));
    }
    assert_int_equal(pixel(1, 22), color(0));
    out(0x3c6, 0x0f);
    update();
    assert_int_equal(pixel(0x35, 20), color(5));
    assert_int_equal(pic->line_repeat, 2);
    seq(1, 0x21); /* a blanked screen is of the same size, as a screenshot, too */
    update();
    assert_int_equal(pixel(0x35, 20), 0);
    assert_int_equal(pic->height, 400);
    assert_int_equal(pic->line_repeat, 2);
    seq(1, 0x01);
    out(0x3c6, 0xff), attr(0x13, 4); /* two pixels */
    update();
    assert_int_equal(pixel(0, 20), color(2));
}

/* The attribute controller is in the way of the low four bits. */
static void the_palette_counts_with_256_colours(void **state)
{
    (void)state;
    mode_set(&mode_13);
    for (u32 n = 0; n < 256; n++) mem(0xa0000 + n, n, 1);
    update();
    u32 plain[256];
    for (u32 n = 0; n < 256; n++) plain[n] = pixel(n, 0);
    attr(0x01, 0x35); /* bits 4 and 5 do not count */
    update();
    for (u32 n = 0; n < 256; n++) assert_int_equal(pixel(n, 0), plain[(n & 15) == 1 ? n + 4 : n]);
    attr(0x01, 1), attr(0x12, 0x07);
    update();
    for (u32 n = 0; n < 256; n++) assert_int_equal(pixel(n, 0), plain[n & 0x77]);
}

static void mode_x_pages(void **state)
{
    (void)state;
    mode_set(&mode_x);
    for (u8 p = 0; p < 4; p++) seq(2, (u8)(1 << p)), mem(0xa0000 + 0x4000 + 80, 0x10u + p, 1);
    crtc(0x0c, 0x40);
    update();
    for (u32 p = 0; p < 4; p++) assert_int_equal(pixel(p, 2), color(0x10 + p));
    assert_int_equal(pixel(4, 2), color(0));
    seq(2, 1); /* the map mask is no news */
    update();
    assert_int_equal(pic->dirty_rows, 0);
}

static void cga_colours(void **state)
{
    (void)state;
    mode_set(&mode_4);
    seq(2, 3);
    mem(0xb8000, 0xe41b, 2);             /* 0123 3210 */
    mem(0xb8000 + 0x2000 + 80, 0xff, 1); /* odd lines lie 8 KiB higher */
    update();
    assert_int_equal(pic->width, 320);
    assert_int_equal(pic->height, 400);
    for (u32 x = 0; x < 4; x++) {
        assert_int_equal(pixel(x, 0), color(x));
        assert_int_equal(pixel(4 + x, 1), color(3 - x));
        assert_int_equal(pixel(x, 6), color(3));
        assert_int_equal(pixel(x, 4), color(0));
    }
    assert_int_equal(pixel(0, 8), color(0));
}

static void cga_two_colours(void **state)
{
    (void)state;
    mode_set(&mode_6);
    seq(2, 1);
    attr(0x12, 1);
    mem(0xb8000 + 79, 0x01, 1), mem(0xb8000 + 0x2000, 0x80, 1);
    update();
    assert_int_equal(pic->width, 640);
    assert_int_equal(pixel(639, 1), color(1));
    assert_int_equal(pixel(638, 1), color(0));
    assert_int_equal(pixel(0, 2), color(1));
    assert_int_equal(pixel(0, 4), color(0));
}

static void graphics_split(void **state)
{
    (void)state;
    mode_set(&mode_x);
    seq(2, 1), mem(0xa0000, 7, 1);
    crtc(0x0c, 0x80), crtc(0x18, 199), crtc(7, 0x0f), crtc(9, 0x01);
    attr(0x13, 2);
    update();
    assert_int_equal(pixel(0, 199), color(0));
    assert_int_equal(pixel(0, 200), color(0)); /* panned, too: one to the left */
    attr(0x10, 0x61);
    update();
    assert_int_equal(pixel(0, 200), color(7));
    assert_int_equal(pixel(0, 202), color(0));
}

static void the_screen_can_be_switched_off(void **state)
{
    (void)state;
    mem(0xb8000 + 160, 0x1fdb, 2);
    update();
    in(0x3da), out(0x3c0, 0); /* the CPU's palette */
    update();
    assert_int_equal(pixel(0, 16), 0);
    assert_int_equal(pic->dirty_rows, 400);
    assert_false(pic->is_text);
    in(0x3da), out(0x3c0, 0x20), seq(1, 0x20);
    update();
    assert_int_equal(pixel(0, 16), 0);
    seq(1, 0);
    update();
    assert_int_equal(pixel(0, 16), 0xffffff);
    assert_true(pic->is_text);
}

/* --- VBE ------------------------------------------------------------------------------------------------- */

static void dispi(u16 index, u16 value)
{
    bus_port_out(bus, 0x1ce, index, 2), bus_port_out(bus, 0x1cf, value, 2);
}
static void vbe(u16 width, u16 height, u16 bits)
{
    dispi(4, 0), dispi(1, width), dispi(2, height), dispi(3, bits), dispi(4, 0x41);
}

static void linear_modes(void **state)
{
    static const struct {
        u16 bits;
        u32 bytes, value, rgb;
    } depths[] = {{15, 2, 0x7c1f, 0xff00ff},
                  {16, 2, 0xffe0, 0xffff00},
                  {24, 3, 0x123456, 0x123456},
                  {32, 4, 0xff654321, 0x654321},
                  {8, 1, 15, 0xffffff}};
    (void)state;
    out(0x3c8, 15), out(0x3c9, 63), out(0x3c9, 63), out(0x3c9, 63);
    for (unsigned n = 0; n < ARRAY_LEN(depths); n++) {
        vbe(640, 480, depths[n].bits);
        update();
        u32 at = (10 * 640 + 20) * depths[n].bytes;
        for (u32 i = 0; i < depths[n].bytes; i++) vram[at + i] = (u8)(depths[n].value >> 8 * i);
        update();
        assert_int_equal(pic->width, 640);
        assert_int_equal(pic->height, 480);
        assert_int_equal(pic->dirty_top, 10);
        assert_int_equal(pic->dirty_rows, 1);
        assert_int_equal(pixel(20, 10), depths[n].rgb);
        assert_int_equal(pixel(19, 10), 0);
        assert_int_equal(pixel(21, 10), 0);
        dispi(6, 1024), dispi(8, 4), dispi(9, 3);
        for (u32 i = 0; i < depths[n].bytes; i++)
            vram[(5 * 1024 + 4) * depths[n].bytes + i] = (u8)(depths[n].value >> 8 * i);
        update();
        assert_int_equal(pixel(0, 2), depths[n].rgb);
    }
    vbe(1600, 1200, 32);
    vram[1600 * 1200 * 4 - 4] = 0xff;
    update();
    assert_int_equal(pic->width, 1600);
    assert_int_equal(pixel(1599, 1199), 0x0000ff);
    dispi(4, 0);
    update();
    assert_true(pic->is_text);
}

static void planar_vbe(void **state)
{
    (void)state;
    vbe(800, 600, 4);
    vram[(800 / 8 * 3 + 2) * 4] = 0x80;
    update();
    assert_int_equal(pic->width, 800);
    assert_int_equal(pic->height, 600);
    assert_int_equal(pixel(16, 3), 0x0000aa);
    dispi(8, 3);
    update();
    assert_int_equal(pixel(13, 3), 0); /* the virtual screen is no wider */
    dispi(6, 1600), dispi(8, 3);
    vram[(1600 / 8 * 5 + 2) * 4] = 0x80;
    update();
    assert_int_equal(pixel(13, 5), 0x0000aa);
}

/* --- hostile registers ----------------------------------------------------------------------------------- */

static void any_registers_have_a_picture(void **state)
{
    const char *count = getenv("FUZZ_PICTURES");
    ScreenState s;
    u32 bytes, n = count ? (u32)strtoul(count, NULL, 0) : 150;
    const u8 *memory = machine_vram(m, &bytes);
    Scanout *own = scanout_new(&s, memory, bytes);
    (void)state;
    for (u32 a = 0; a < 1 << 18; a++) vram[a] = (u8)rnd();
    for (u32 i = 0; i < n; i++) {
        u8 *raw = (u8 *)&s;
        for (u32 a = 0; a < sizeof s; a++) raw[a] = (u8)rnd();
        if (rnd() & 3) s.dispi[DISPI_ENABLE] = 0;
        if (rnd() & 3) s.attr_index |= ATTR_PAS, s.seq[SEQ_CLOCKING_MODE] &= ~SR1_SO;
        const Picture *p = scanout_update(own, rnd());
        assert_in_range(p->width, 64, 2560);
        assert_in_range(p->height, 64, 2048);
        assert_true(p->dirty_top + p->dirty_rows <= p->height);
        u32 sum = 0;
        for (u32 a = 0; a < p->width * p->height; a++) sum |= p->pixels[a];
        assert_int_equal(sum >> 24, 0);
        if (p->is_text) assert_true(p->cursor_column <= p->columns && p->cursor_row < p->rows);
        scanout_update(own, rnd());
    }
    scanout_free(own);
}

/* The guest's registers and memory, by ports, at random; the picture is the same as one drawn from nothing. */
static void what_is_drawn_anew_is_all_that_changed(void **state)
{
    const Mode *modes[] = {&mode_12, &mode_13, &mode_x, &mode_4, &mode_6};
    u32 bytes;
    const u8 *memory = machine_vram(m, &bytes);
    (void)state;
    for (u32 round = 0; round < 60; round++) {
        u32 which = rnd() % 8;
        if (which < 5) mode_set(modes[which]);
        if (which == 6) vbe((u16)(8 * (8 + rnd() % 40)), (u16)(64 + rnd() % 200), (u16)(4 * (1 + rnd() % 8)));
        if (which == 7) dispi(4, 0), gfx(6, 0x0e), gfx(5, 0x10), seq(4, 2);
        for (u32 step = 0; step < 4; step++) {
            for (u32 n = 0; n < 20; n++) vram[rnd() % 0x10000] = (u8)rnd();
            switch (rnd() % 8) {
            case 0: crtc((u8)(8 + rnd() % 8), (u8)rnd()); break;
            case 1: attr((u8)(rnd() % 0x15), (u8)rnd()); break;
            case 2: out(0x3c8, (u8)rnd()), out(0x3c9, 1), out2(0x3c9, 2, 3); break;
            case 3: crtc(0x18, (u8)rnd()), crtc(7, 0x0f); break;
            case 4: seq(3, (u8)rnd()); break;
            default: break;
            }
            u64 now = rnd();
            pic = scanout_update(scan, now);
            Scanout *fresh = scanout_new(machine_screen(m), memory, bytes);
            const Picture *p = scanout_update(fresh, now);
            assert_int_equal(p->width, pic->width);
            assert_int_equal(p->height, pic->height);
            assert_memory_equal(p->pixels, pic->pixels, p->width * p->height * 4);
            assert_int_equal(p->is_text, pic->is_text);
            if (p->is_text) assert_memory_equal(p->cells, pic->cells, 2 * p->columns * p->rows);
            scanout_free(fresh);
        }
    }
}

/* --- what a picture costs: RING3_SCANOUT_BENCH=1 ---------------------------------------------------------- */

static void bench(const char *name)
{
    enum { ROUNDS = 100 };
    update();
    u64 t0 = host_now_ns();
    for (u32 n = 0; n < ROUNDS; n++) update();
    u64 t1 = host_now_ns();
    for (u32 n = 0; n < ROUNDS; n++) { /* a colour changes: all is drawn */
        out(0x3c8, 7), out(0x3c9, (u8)n), out2(0x3c9, 2, 3);
        update();
    }
    u64 t2 = host_now_ns();
    print_message("%-18s still %6.1f us, drawn anew %7.1f us\n", name, (double)(t1 - t0) / ROUNDS / 1e3,
                  (double)(t2 - t1) / ROUNDS / 1e3);
}

static void what_a_picture_costs(void **state)
{
    (void)state;
    if (!getenv("RING3_SCANOUT_BENCH")) return;
    bench("text 80x25");
    mode_set(&mode_12), bench("mode 12h");
    mode_set(&mode_13), bench("mode 13h");
    mode_set(&mode_4), bench("mode 4");
    vbe(800, 600, 16), bench("800x600x16");
    vbe(1024, 768, 32), bench("1024x768x32");
    vbe(1600, 1200, 32), bench("1600x1200x32");
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_kernel_finds_an_empty_text_screen),
        TEST(characters_and_attributes),
        TEST(the_ninth_dot),
        TEST(blinking),
        TEST(cursor),
        TEST(two_fonts_of_512_characters),
        TEST(monochrome_underline),
        TEST(text_scrolls_by_line_and_pixel),
        TEST(split_screen),
        TEST(sixteen_colours_in_planes),
        TEST(mode_13h_has_a_byte_a_pixel),
        TEST(the_palette_counts_with_256_colours),
        TEST(mode_x_pages),
        TEST(cga_colours),
        TEST(cga_two_colours),
        TEST(graphics_split),
        TEST(the_screen_can_be_switched_off),
        TEST(linear_modes),
        TEST(planar_vbe),
        TEST(any_registers_have_a_picture),
        TEST(what_is_drawn_anew_is_all_that_changed),
        TEST(what_a_picture_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
