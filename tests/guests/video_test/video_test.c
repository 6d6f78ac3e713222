/* video_test.c - a floppy that draws known pictures in every video mode, through INT 10h, VBE and registers.
 *
 * Before a picture it sets the mode; when it is drawn the program writes "step NAME" and a newline to port E9 and waits
 * for a key or a byte on COM1. Facts that need no picture are checked on the way: "fail NAME" on port E9. At the end
 * "done". tests/boot/video.py compares the pictures. Compiled with OWN_FONT the text uses a font that the program
 * brings along, so that any video BIOS draws the same.
 */
#include "../ports.h"

typedef struct Regs {
    u32 eax, ebx, ecx, edx, esi, edi, ebp;
    u16 es, flags;
} Regs;

void int_call(u8 n, Regs *r);
void test_main(void);

#ifdef OWN_FONT
#include "bios/font.h"
#endif

static inline void poke(u16 seg, u16 off, u8 v)
{
    __asm__ volatile("movw %w1, %%fs\n\tmovb %0, %%fs:(%2)" ::"q"(v), "r"(seg), "r"((u32)off) : "memory");
}
static inline u8 peek(u16 seg, u16 off)
{
    u8 v;
    __asm__ volatile("movw %w1, %%fs\n\tmovb %%fs:(%2), %0" : "=q"(v) : "r"(seg), "r"((u32)off) : "memory");
    return v;
}
static u16 peekw(u16 seg, u16 off) { return (u16)(peek(seg, off) | peek(seg, (u16)(off + 1)) << 8); }

/* --- reports ----------------------------------------------------------------------------------------------- */

static void e9(const char *s)
{
    for (; *s; s++) out8(0xe9, (u8)*s);
}

static Regs r; /* of the last call */

static u16 int10(u16 ax, u16 bx, u16 cx, u16 dx)
{
    r.eax = ax, r.ebx = bx, r.ecx = cx, r.edx = dx;
    int_call(0x10, &r);
    return (u16)r.eax;
}

static void check(const char *name, int good)
{
    if (good) return;
    e9("fail ");
    e9(name);
    e9("\n");
}

static void cursor(u8 row, u8 column) { int10(0x0200, 0, 0, (u16)(row << 8 | column)); }

static void step(const char *name)
{
    Regs k = {0};
    e9("step ");
    e9(name);
    e9("\n");
    for (;;) {
        k.eax = 0x0100;
        int_call(0x16, &k);
        if (!(k.flags & 0x40)) break;
        if ((in8(0x3fd) & 0x81) == 1) { /* ff: no port */
            in8(0x3f8);
            return;
        }
    }
    k.eax = 0;
    int_call(0x16, &k);
}

static void print(const char *s, u8 colour)
{
    for (; *s; s++) int10((u16)(0x0e00 | (u8)*s), colour, 0, 0);
}

#ifdef OWN_FONT
static void own_font(u8 height)
{
    const u8 *f = height == 16 ? font_8x16 : height == 14 ? font_8x14 : font_8x8;
    r.es = 0x1000;
    r.ebp = (u16)(u32)f;
    int10(0x1100, (u16)(height << 8), 256, 0);
}
static void own_graphics_font(u8 height, u8 rows)
{
    r.es = 0x1000;
    r.ebp = (u16)(u32)(height == 16 ? font_8x16 : height == 14 ? font_8x14 : font_8x8);
    int10(0x1121, 0, height, rows);
    r.es = 0x1000;
    r.ebp = (u16)(u32)(font_8x8 + 1024);
    int10(0x1120, 0, 0, 0);
}
#else
static void own_font(u8 height) { (void)height; }
static void own_graphics_font(u8 height, u8 rows) { (void)height, (void)rows; }
#endif

static void hide_cursor(void) { int10(0x0100, 0, 0x2000, 0); }

/* --- text -------------------------------------------------------------------------------------------------- */

static void text_picture(u8 columns, u8 rows)
{
    u8 wide = columns >= 80;
    int10(0x1003, 0, 0, 0);         /* blinking pictures have no hash */
    for (u16 a = 0; a < 256; a++) { /* every attribute, and every character */
        cursor((u8)(1 + (a >> 4)), (u8)((a & 15) * 2 + 2));
        int10((u16)(0x0900 | 'A'), a, 1, 0);
        if (!wide) continue;
        cursor((u8)(1 + (a >> 4)), (u8)((a & 15) * 2 + 40));
        int10((u16)(0x0900 | a), 0x0f, 1, 0);
    }
    cursor(18, 2);
    print("TTY\r\n  line, backspace\b\bCE\r\n", 0);
    cursor(0, 0);
    int10(0x0ac4, 0, columns, 0);
    cursor((u8)(rows - 1), 0);
    int10(0x09cd, 0x1e, columns, 0);
    static const char with[] = "a\x4e"
                               "t\x4d"
                               "t\x4c"
                               "r\x4b";
    r.es = 0x1000;
    r.ebp = (u16)(u32)with;
    int10(0x1303, 0, 4, 0x1402);
    r.es = 0x1000;
    r.ebp = (u16)(u32) "string";
    int10(0x1301, 0x2e, 6, 0x1408);
    check("13h cursor", peekw(0x40, 0x50) == 0x140e);
    int10(0x0602, 0x3000, 0x0e01, 0x100a); /* two up in a window, one down in another */
    int10(0x0701, 0x5000, 0x0b0c, 0x1014);
    cursor(1, 2);
    check("08h", int10(0x0800, 0, 0, 0) == 0x0041);
}

static void text_mode(u8 mode, u8 lines, u8 height, const char *name)
{
    int10((u16)(0x1200 | lines), 0x30, 0, 0);
    int10(mode, 0, 0, 0);
    own_font(height);
    hide_cursor();
    u8 columns = (u8)(int10(0x0f00, 0, 0, 0) >> 8);
    check("0fh", columns == (mode < 2 ? 40 : 80) && (u8)r.eax == mode);
    check("40:84", peek(0x40, 0x84) == 24 && peek(0x40, 0x85) == height);
    text_picture(columns, 25);
    step(name);
}

static void text_50(void)
{
    int10(0x1202, 0x30, 0, 0);
    int10(3, 0, 0, 0);
    int10(0x1112, 0, 0, 0);
    own_font(8);
    hide_cursor();
    check("50 rows", peek(0x40, 0x84) == 49 && peek(0x40, 0x85) == 8);
    text_picture(80, 50);
    step("text-80x50");
}

static void text_512(void) /* a second character set by attribute bit 3 */
{
    static u8 glyphs[256 * 16];
    int10(3, 0, 0, 0);
    own_font(16);
    hide_cursor();
    for (u16 c = 0; c < 256; c++)
        for (u8 y = 0; y < 16; y++)
            glyphs[c * 16 + y] = (u8)(y == 15 || !y ? 0xff : 0x81 | (c >> (y & 7) & 1) * 0x7e);
    r.es = 0x1000;
    r.ebp = (u16)(u32)glyphs;
    int10(0x1100, 0x1001, 256, 0);
    int10(0x1103, 0x0004, 0, 0); /* bit 3 clear: block 0; set: block 1 */
    text_picture(80, 25);
    step("text-512");
}

static void text_pages_blink(void)
{
    int10(3, 0, 0, 0);
    own_font(16);
    hide_cursor();
    int10(0x1003, 0, 0, 0); /* bright backgrounds */
    int10(0x0500 | 2, 0, 0, 0);
    check("page", peek(0x40, 0x62) == 2 && peekw(0x40, 0x4e) == 0x2000);
    for (u16 a = 0; a < 256; a++) {
        int10(0x0200, 0x0200, 0, (u16)(((a >> 4) + 2) << 8 | ((a & 15) * 4 + 4)));
        int10(0x09b1, (u16)(0x0200 | a), 3, 0);
    }
    int10(0x1001, 0x0400, 0, 0); /* red border */
    int10(0x1000, 0x3a02, 0, 0); /* attribute 2: another colour */
    int10(0x1010, 7, 0x1020, 0x3000);
    step("text-page2-bright");
}

static void text_cursor(void)
{
    int10(3, 0, 0, 0);
    own_font(16);
    cursor(5, 10);
    int10(0x0100, 0, 0x0607, 0);
    check("01h", peekw(0x40, 0x60) == 0x0607);
    out8(0x3d4, 10);
    check("cursor emulation", (in8(0x3d5) & 0x1f) >= 12);
    int10(0x0100, 0, 0x0007, 0);
    out8(0x3d4, 11);
    check("block cursor", (in8(0x3d5) & 0x1f) >= 14);
    out8(0x3d4, 14);
    u8 high = in8(0x3d5);
    out8(0x3d4, 15);
    check("cursor place", (u16)(high << 8 | in8(0x3d5)) == 5 * 80 + 10);
    hide_cursor();
}

/* --- graphics through INT 10h ------------------------------------------------------------------------------ */

static void pixel(u16 x, u16 y, u8 c) { int10((u16)(0x0c00 | c), 0, x, y); }

static void line(u16 x0, u16 y0, u16 x1, u16 y1, u8 c)
{
    int dx = x1 - x0, dy = y1 - y0;
    int n = dx < 0 ? -dx : dx, m = dy < 0 ? -dy : dy;
    if (m > n) n = m;
    for (int i = 0; i <= n; i++) pixel((u16)(x0 + (n ? dx * i / n : 0)), (u16)(y0 + (n ? dy * i / n : 0)), c);
}

static void graphics_picture(u16 width, u16 height, u8 colours)
{
    u16 right = (u16)(width - 1), bottom = (u16)(height - 1);
    line(0, 0, right, 0, 1);
    line(right, 0, right, bottom, (u8)(colours - 1));
    line(right, bottom, 0, bottom, 1);
    line(0, bottom, 0, 0, (u8)(colours - 1));
    for (u8 i = 0; i < 16; i++)
        line((u16)(width / 2), (u16)(height / 2), (u16)(width / 16 * i), 8, (u8)(i % colours));
    for (u8 c = 0; c < 16; c++)
        for (u16 y = 0; y < 16; y++)
            for (u16 x = 0; x < 12; x++)
                pixel((u16)(20 + c * 14 + x), (u16)(height - 40 + y), (u8)(c % colours));
    int10(0x0d00, 0, 0, 0);
    check("0dh", (u8)r.eax == colours - 1);
    int10(0x0d00, 0, 20 + 14 * 3, (u16)(height - 40));
    check("0dh 2", (u8)r.eax == 3 % colours);
}

static void graphics_text(u8 colours, u8 rows)
{
    cursor(2, 2);
    print("Graphics TTY: Hello, 437! \x80\x9c\xb0\xdb\xe0\r\n", (u8)(colours - 1));
    cursor(4, 3);
    int10(0x0958, (u16)(colours - 1), 5, 0);
    check("08h graphics", (cursor(4, 4), (u8)int10(0x0800, 0, 0, 0)) == 'X');
    cursor(4, 5);
    int10(0x092b, 0x0081, 1, 0); /* exclusive or */
    int10(0x0601, 0, 0x0501, 0x0a12);
    check("08h empty", (cursor(10, 5), (u8)int10(0x0800, 0, 0, 0)) == 0);
    int10(0x0702, 0x0100, 0x0c04, 0x0f14);
    cursor((u8)(rows - 1), 0);
    print("bottom\r\nline\n", 1); /* scrolls twice */
}

typedef struct Shape {
    u8 mode, colours;
    u16 width, height;
    u8 font;
    const char *name;
} Shape;

static void graphics_mode(const Shape *s)
{
    int10(s->mode, 0, 0, 0);
    u8 rows = (u8)(s->height / s->font);
    own_graphics_font(s->font, rows);
    check("rows", peek(0x40, 0x84) == rows - 1);
    graphics_picture(s->width, s->height, s->colours);
    graphics_text(s->colours, rows);
    step(s->name);
}

static void cga_palette(void)
{
    int10(4, 0, 0, 0);
    graphics_picture(320, 200, 4);
    int10(0x0b00, 0x0100, 0, 0); /* green, red, brown */
    int10(0x0b00, 0x0011, 0, 0); /* blue background, bright */
    step("cga-palette");
}

static void mode13_palette(void)
{
    int10(0x13, 0, 0, 0);
    for (u16 y = 0; y < 200; y++)
        for (u16 x = 0; x < 320; x++) poke(0xa000, (u16)(y * 320 + x), (u8)((y / 12 << 4) | (x / 20)));
    step("13h-default-palette");
    static u8 ramp[64 * 3];
    for (u8 i = 0; i < 64; i++) ramp[i * 3] = i, ramp[i * 3 + 1] = (u8)(63 - i), ramp[i * 3 + 2] = i >> 1;
    r.es = 0x1000;
    int10(0x1012, 64, 64, (u16)(u32)ramp);
    int10(0x101b, 128, 64, 0);
    int10(0x1015, 65, 0, 0);
    check("1015h", (r.edx >> 8 & 255) == 1 && (r.ecx & 0xffff) == 0x3e00);
    step("13h-palette-grey");
    /* save, another mode, restore: the picture is back */
    static u8 state[2048];
    int10(0x1c00, 0, 7, 0);
    check("1ch size", (u16)r.ebx * 64 <= sizeof state);
    r.es = 0x1000;
    int10(0x1c01, (u16)(u32)state, 7, 0);
    int10(0x83, 0, 0, 0);
    r.es = 0x1000;
    int10(0x1c02, (u16)(u32)state, 7, 0);
    int10(0x0f00, 0, 0, 0);
    check("1ch", (u8)r.eax == 0x13);
    poke(0xa000, 0, 0);
    step("13h-restored");
}

/* --- the registers themselves ------------------------------------------------------------------------------ */

static void mode_x(void)
{
    static const u16 crtc[] = {0x0d06, 0x3e07, 0x4109, 0xea10, 0x2c11,
                               0xdf12, 0x0014, 0xe715, 0x0616, 0xe317};
    int10(0x13, 0, 0, 0);
    out16(0x3c4, 0x0604);
    out16(0x3c4, 0x0100);
    out8(0x3c2, 0xe3);
    out16(0x3c4, 0x0300);
    out8(0x3d4, 0x11);
    out8(0x3d5, in8(0x3d5) & 0x7f);
    for (u8 i = 0; i < sizeof crtc / sizeof *crtc; i++) out16(0x3d4, crtc[i]);
    for (u8 plane = 0; plane < 4; plane++) {
        out16(0x3c4, (u16)(2 | 0x100 << plane));
        for (u16 y = 0; y < 240; y++)
            for (u16 x = 0; x < 80; x++) poke(0xa000, (u16)(y * 80 + x), (u8)((x * 4 + plane) ^ y));
    }
    step("mode-x");
    /* a second page, latched from the first, shown half a page down and 2 pixels left */
    out16(0x3c4, 0x0f02);
    out16(0x3ce, 0x4105);
    for (u16 i = 0; i < 80 * 120; i++) poke(0xa000, (u16)(80 * 240 + i), peek(0xa000, i));
    out16(0x3ce, 0x4005);
    u16 start = 80 * 120;
    out16(0x3d4, (u16)(start & 0xff00) | 0x0c);
    out16(0x3d4, (u16)(start << 8) | 0x0d);
    step("mode-x-start");
}

static void planar_registers(void)
{
    int10(0x12, 0, 0, 0);
    out16(0x3c4, 0x0f02);
    for (u8 c = 0; c < 16; c++) { /* set/reset through a bit mask */
        out16(0x3ce, (u16)(c << 8));
        out16(0x3ce, 0x0f01);
        out16(0x3ce, 0x7e08);
        for (u16 y = 0; y < 30; y++)
            for (u16 x = 0; x < 80; x++) {
                u16 at = (u16)((c * 30 + y) * 80 + x);
                peek(0xa000, at);
                poke(0xa000, at, 0xff);
            }
    }
    out16(0x3ce, 0x0001);
    out16(0x3ce, 0x1803); /* exclusive or, rotated data */
    out16(0x3ce, 0xff08);
    for (u16 i = 0; i < 80 * 40; i++) {
        peek(0xa000, (u16)(80 * 100 + i));
        poke(0xa000, (u16)(80 * 100 + i), (u8)i);
    }
    out16(0x3ce, 0x0003);
    out16(0x3ce, 0x0305); /* write mode 3 */
    out16(0x3ce, 0x0a00);
    for (u16 i = 0; i < 80 * 40; i++) {
        peek(0xa000, (u16)(80 * 200 + i));
        poke(0xa000, (u16)(80 * 200 + i), (u8)(i * 3));
    }
    out16(0x3ce, 0x0005);
    out16(0x3ce, 0x0000);
    /* split screen at line 400, panned by four */
    out16(0x3d4, 0x9018);
    out8(0x3d4, 0x07);
    out8(0x3d5, in8(0x3d5) | 0x10);
    out8(0x3d4, 0x09);
    out8(0x3d5, in8(0x3d5) & 0xbf);
    step("12h-registers-split");
}

/* --- VBE --------------------------------------------------------------------------------------------------- */

static u8 block[512];

static u16 vbe(u16 ax, u16 bx, u16 cx, u16 dx)
{
    r.es = 0x1000;
    r.edi = (u16)(u32)block;
    return int10(ax, bx, cx, dx);
}

static u16 field(u16 at) { return (u16)(block[at] | block[at + 1] << 8); }

static void vbe_facts(void)
{
    block[0] = 'V', block[1] = 'B', block[2] = 'E', block[3] = '2';
    check("4f00h", vbe(0x4f00, 0, 0, 0) == 0x4f && block[0] == 'V' && block[3] == 'A' && field(4) >= 0x200);
    check("4f00h memory", field(18) >= 64);
    check("4f01h unknown", vbe(0x4f01, 0, 0x1fe, 0) != 0x4f);
    check("4f01h", vbe(0x4f01, 0, 0x101, 0) == 0x4f && (field(0) & 0x9b) == 0x9b && field(18) == 640);
    check("4f15h", vbe(0x4f15, 1, 0, 0) == 0x4f);
    u8 sum = 0;
    for (u8 i = 0; i < 128; i++) sum = (u8)(sum + block[i]);
    check("EDID", !sum && block[1] == 0xff);
    check("4f0ah", vbe(0x4f0a, 0, 0, 0) == 0x4f && (u16)r.ecx > 8);
}

/* The window function that mode information points to, by a far call as programs do it. */
static u32 window_function;

static void window(u16 bank)
{
    u32 ax, bx = 0, dx = bank;
    __asm__ volatile("lcallw *%3" : "=a"(ax), "+b"(bx), "+d"(dx) : "m"(window_function) : "ecx", "memory");
}

static void banked(u16 mode, const char *name)
{
    check("4f02h", vbe(0x4f02, mode, 0, 0) == 0x4f);
    check("4f03h", vbe(0x4f03, 0, 0, 0) == 0x4f && (u16)r.ebx == mode);
    vbe(0x4f01, 0, mode, 0);
    u16 width = field(16), height = field(20), bank = 0xffff;
    u32 at = 0;
    window_function = field(12) | (u32)field(14) << 16;
    check("window function", window_function != 0);
    for (u16 y = 0; y < height; y++)
        for (u16 x = 0; x < width; x++, at++) {
            if (at >> 16 != bank) window(bank = (u16)(at >> 16));
            poke(0xa000, (u16)at, (u8)(y < 64 ? x / 4 : x ^ y));
        }
    own_graphics_font(block[23], (u8)(height / block[23]));
    cursor(10, 4);
    print("VBE, 256 colours, through the window\r\n", 0x0e);
    cursor((u8)(height / block[23] - 1), 2);
    print("bottom line\r\n", 0x0c);
    step(name);
}

/* Through the linear frame buffer, row by row, by INT 15h 87h. */
static void linear(u16 mode, const char *name)
{
    static u8 row[1600 * 4], gdt[48];
    if (vbe(0x4f01, 0, mode, 0) != 0x4f) {
        check(name, 0);
        return;
    }
    u16 pitch = field(16), width = field(18), height = field(20);
    u8 bits = block[25], bytes = (u8)((bits + 7) / 8), cell = block[23];
    u32 base = field(40) | (u32)field(42) << 16;
    check("4f02h lfb", vbe(0x4f02, (u16)(mode | 0x4000), 0, 0) == 0x4f);
    check("4f03h lfb", vbe(0x4f03, 0, 0, 0) == 0x4f && (u16)r.ebx == (mode | 0x4000));
    for (u16 y = 0; y < height; y++) {
        for (u16 x = 0; x < width; x++) {
            u32 red = (u32)(x * 255 / width), green = (u32)(y * 255 / height), blue = (u32)((x ^ y) & 255), v;
            if (bits == 15)
                v = red >> 3 << 10 | green >> 3 << 5 | blue >> 3;
            else if (bits == 16)
                v = red >> 3 << 11 | green >> 2 << 5 | blue >> 3;
            else
                v = red << 16 | green << 8 | blue;
            if (bits == 8) v = x ^ y;
            for (u8 i = 0; i < bytes; i++, v >>= 8) row[x * bytes + i] = (u8)v;
        }
        u32 from = 0x10000 + (u32)row, to = base + (u32)y * pitch;
        for (u8 i = 0; i < 48; i++) gdt[i] = 0;
        gdt[16] = gdt[17] = gdt[24] = gdt[25] = 0xff;
        gdt[18] = (u8)from, gdt[19] = (u8)(from >> 8), gdt[20] = (u8)(from >> 16), gdt[21] = 0x93;
        gdt[26] = (u8)to, gdt[27] = (u8)(to >> 8), gdt[28] = (u8)(to >> 16), gdt[31] = (u8)(to >> 24),
        gdt[29] = 0x93;
        Regs k = {0};
        k.eax = 0x8700;
        k.ecx = (u32)(width * bytes / 2);
        k.esi = (u16)(u32)gdt;
        k.es = 0x1000;
        int_call(0x15, &k);
        if (k.flags & 1) {
            check("15h 87h", 0);
            break;
        }
    }
    own_graphics_font(cell, (u8)(height / cell));
    cursor(3, 5);
    print("linear frame buffer", 0x0f);
    step(name);
}

static void vbe_scrolling(void)
{
    vbe(0x4f02, 0x101, 0, 0);
    vbe(0x4f06, 0, 800, 0);
    check("4f06h", (u16)r.eax == 0x4f && (u16)r.ebx == 800 && (u16)r.ecx == 800);
    u16 bank = 0xffff;
    for (u32 at = 0; at < 800u * 600; at++) {
        if (at >> 16 != bank) vbe(0x4f05, 0, 0, bank = (u16)(at >> 16));
        u32 y = at / 800, x = at % 800;
        poke(0xa000, (u16)at, (u8)(x / 10 + y / 10));
    }
    check("4f07h", vbe(0x4f07, 0, 80, 60) == 0x4f);
    vbe(0x4f07, 1, 0, 0);
    check("4f07h get", (u16)r.ecx == 80 && (u16)r.edx == 60);
    static const u8 colours[16] = {63, 0, 0, 0, 0, 63, 0, 0, 0, 0, 63, 0, 63, 63, 63, 0};
    for (u8 i = 0; i < 16; i++) block[i] = colours[i];
    check("4f09h", vbe(0x4f09, 0, 4, 16) == 0x4f);
    check("4f08h", vbe(0x4f08, 0x0800, 0, 0) == 0x4f && (r.ebx >> 8 & 255) == 8);
    check("4f08h back", vbe(0x4f08, 0x0600, 0, 0) == 0x4f && (r.ebx >> 8 & 255) == 6);
    check("4f05h get", vbe(0x4f05, 0x0100, 0, 0) == 0x4f && (u16)r.edx == bank);
    check("4f07h kept", vbe(0x4f07, 1, 0, 0) == 0x4f && (u16)r.ecx == 80 && (u16)r.edx == 60);
    step("vbe-101h-virtual");
}

static void vbe_text(u16 mode, u8 columns, u8 rows, u8 height, const char *name)
{
    check("4f02h text", vbe(0x4f02, mode, 0, 0) == 0x4f);
    own_font(height);
    hide_cursor();
    check("text size", peek(0x40, 0x4a) == columns && peek(0x40, 0x84) == rows - 1);
    text_picture(columns, rows);
    step(name);
}

static void vbe_planar(void)
{
    check("102h", vbe(0x4f02, 0x102, 0, 0) == 0x4f);
    graphics_picture(800, 600, 16);
    own_graphics_font(16, 37);
    graphics_text(16, 37);
    step("vbe-102h");
}

/* --- facts ------------------------------------------------------------------------------------------------- */

static void facts(void)
{
    int10(3, 0, 0, 0);
    check("1a00h", (int10(0x1a00, 0, 0, 0) & 0xff) == 0x1a && (u8)r.ebx == 8);
    int10(0x1200, 0x10, 0, 0);
    check("12h 10h", (u16)r.ebx == 3);
    r.es = 0x1000;
    r.edi = (u16)(u32)block;
    check("1bh", (u8)int10(0x1b00, 0, 0, 0) == 0x1b && block[4] == 3 && field(5) == 80 && block[0x22] == 25);
    int10(0x1130, 0x0600, 0, 0);
    check("1130h", peek(r.es, (u16)(r.ebp + 'I' * 16 + 5)) != 0 && (u8)r.edx == 24 && (u16)r.ecx == 16);
    int10(0x1130, 0x0300, 0, 0);
    check("1130h 8x8", peek(r.es, (u16)(r.ebp + 'I' * 8 + 3)) != 0 && !peek(r.es, (u16)(r.ebp + ' ' * 8)));
    check("save pointers", peekw(0x40, 0xaa) >= 0xc000);
    u16 seg = peekw(0x40, 0xaa), off = peekw(0x40, 0xa8);
    u16 params = peekw(seg, off), pseg = peekw(seg, (u16)(off + 2));
    check("parameter table",
          peek(pseg, (u16)(params + 0x1c * 64)) == 40 && peek(pseg, (u16)(params + 0x1b * 64 + 1)) == 29);
    check("mode 12h's CRTC", peek(pseg, (u16)(params + 0x1b * 64 + 10)) == 0x5f);
    check("DAC", (int10(0x1015, 0x14, 0, 0), (r.edx >> 8 & 255) == 0x2a && (u16)r.ecx == 0x1500));
}

void test_main(void)
{
    static const Shape shapes[] = {
        {0x04, 4, 320, 200, 8, "cga-04h"},   {0x05, 4, 320, 200, 8, "cga-05h"},
        {0x06, 2, 640, 200, 8, "cga-06h"},   {0x0d, 16, 320, 200, 8, "ega-0dh"},
        {0x0e, 16, 640, 200, 8, "ega-0eh"},  {0x10, 16, 640, 350, 14, "ega-10h"},
        {0x11, 2, 640, 480, 16, "vga-11h"},  {0x12, 16, 640, 480, 16, "vga-12h"},
        {0x13, 255, 320, 200, 8, "vga-13h"},
    };
    step("start");
    facts();
    text_mode(3, 2, 16, "text-03h");
    text_mode(1, 2, 16, "text-01h");
    text_mode(7, 2, 16, "text-07h");
    text_mode(3, 1, 14, "text-350");
    text_mode(3, 0, 8, "text-200");
    text_50();
    text_512();
    text_pages_blink();
    text_cursor();
    for (u8 i = 0; i < sizeof shapes / sizeof *shapes; i++) graphics_mode(&shapes[i]);
    cga_palette();
    mode13_palette();
    mode_x();
    planar_registers();
    vbe_facts();
    vbe_planar();
    banked(0x101, "vbe-101h");
    banked(0x103, "vbe-103h");
    banked(0x105, "vbe-105h");
    vbe_scrolling();
    linear(0x110, "lfb-640x480x15");
    linear(0x114, "lfb-800x600x16");
    linear(0x115, "lfb-800x600x24");
    linear(0x144, "lfb-1024x768x32");
    linear(0x11c, "lfb-1600x1200x8");
    vbe_text(0x108, 80, 60, 8, "vbe-text-80x60");
    vbe_text(0x10a, 132, 43, 8, "vbe-text-132x43");
    int10(3, 0, 0, 0);
    own_font(16);
    hide_cursor();
    print("done", 0);
    step("back-in-text");
    e9("done\n");
}
