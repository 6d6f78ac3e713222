/* screens.c - a guest that draws in a video mode, which it sets by registers alone, and says "ready" on COM1; or that does one
 * kind of drawing many times, with a line before and after ("begin NAME", "end NAME"). For tests/boot/screens.py.
 *
 * Command line: words. text 12 13 x 4 vbe8 vbe32 set a mode and draw; NAME=ROUNDS runs a loop of the table `loops`.
 */
#include "serial.h"

enum { SEQ = 0x3c4, GFX = 0x3ce, CRTC = 0x3d4 };
#define LEGACY ((volatile u8 *)0xa0000)
#define TEXT   ((volatile u16 *)0xb8000)

void probe_main(u32 magic, const u32 *info);
void triple_fault(void);
void halt_with_interrupts(void);

static inline void rep_stosb(volatile void *to, u8 v, u32 n)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(v) : "memory");
}
static inline void rep_stosw(volatile void *to, u16 v, u32 n)
{
    __asm__ volatile("rep stosw" : "+D"(to), "+c"(n) : "a"(v) : "memory");
}
static inline void rep_stosl(volatile void *to, u32 v, u32 n)
{
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(v) : "memory");
}
static inline void rep_movsb(volatile void *to, const volatile void *from, u32 n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}
static inline void rep_movsw(volatile void *to, const volatile void *from, u32 n)
{
    __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}
static inline void rep_movsl(volatile void *to, const volatile void *from, u32 n)
{
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void reg(u16 port, u8 index, u8 value) { out16(port, (u16)(value << 8 | index)); }

/* --- modes ----------------------------------------------------------------------------------------------- */

typedef struct Mode {
    u8 misc, seq[5], crtc[25], gfx[9], attr[21];
} Mode;

/* clang-format off */
static const Mode mode_3 = {0x67, {3, 0, 3, 0, 2},
    {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
    {0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff},
    {0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 15, 8, 0}};
static const Mode mode_4 = {0x63, {3, 9, 3, 0, 2},
    {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0, 0x96, 0xb9, 0xa2, 0xff},
    {0, 0, 0, 0, 0, 0x30, 0x0f, 0x0f, 0xff},
    {0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 1, 0, 3, 0, 0}};
static const Mode mode_12 = {0xe3, {3, 1, 15, 0, 6},
    {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0, 0xe7, 4, 0xe3, 0xff},
    {0, 0, 0, 0, 0, 0, 5, 0x0f, 0xff},
    {0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 1, 0, 15, 0, 0}};
static const Mode mode_13 = {0x63, {3, 1, 15, 0, 14},
    {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
    {0, 0, 0, 0, 0, 0x40, 5, 0x0f, 0xff},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 15, 0, 0}};
/* clang-format on */

/* Entry n: 6 bits of red, green and blue from n. */
static void palette(void)
{
    out8(0x3c8, 0);
    for (u32 n = 0; n < 256; n++)
        out8(0x3c9, n & 0x3f), out8(0x3c9, (u8)(n >> 2)), out8(0x3c9, (n * 7) & 0x3f);
}

static void dispi(u16 index, u16 value) { out16(0x1ce, index), out16(0x1cf, value); }

static void mode_set(const Mode *m)
{
    dispi(4, 0);
    out8(0x3c2, m->misc);
    for (u8 n = 0; n < 5; n++) reg(SEQ, n, m->seq[n]);
    reg(CRTC, 0x11, 0);
    for (u8 n = 0; n < 25; n++) reg(CRTC, n, m->crtc[n]);
    for (u8 n = 0; n < 9; n++) reg(GFX, n, m->gfx[n]);
    in8(0x3da);
    for (u8 n = 0; n < 21; n++) out8(0x3c0, n), out8(0x3c0, m->attr[n]);
    out8(0x3c0, 0x20);
    palette();
}

static void mode_x(void)
{
    mode_set(&mode_13);
    reg(SEQ, 4, 6), reg(CRTC, 0x14, 0), reg(CRTC, 0x17, 0xe3);
}

static u32 lfb; /* as the firmware placed it */

static void mode_vbe(u16 width, u16 height, u16 bits)
{
    out32(0xcf8, 0x80001010);
    lfb = in32(0xcfc) & ~15u;
    dispi(4, 0), dispi(1, width), dispi(2, height), dispi(3, bits), dispi(4, 0x41);
    in8(0x3da), out8(0x3c0, 0x20);
    palette();
}

/* --- pictures: pixel (x, y) has colour x + 3 y, as far as the mode goes ---------------------------------------- */

static void draw_text(void)
{
    mode_set(&mode_3);
    reg(CRTC, 0x0a, 0x20); /* no cursor */
    for (u32 n = 0; n < 2000; n++) TEXT[n] = (u16)((n * 5 & 0x7f) << 8 | ('!' + n % 94));
}

static void draw_12(void)
{
    mode_set(&mode_12);
    reg(GFX, 5, 2); /* write mode 2: a pixel by bit mask */
    for (u32 y = 0; y < 480; y++)
        for (u32 x = 0; x < 640; x++) {
            volatile u8 *at = LEGACY + y * 80 + x / 8;
            reg(GFX, 8, (u8)(0x80 >> x % 8));
            (void)*at;
            *at = (u8)(x + 3 * y);
        }
}

static void draw_13(void)
{
    mode_set(&mode_13);
    for (u32 y = 0; y < 200; y++)
        for (u32 x = 0; x < 320; x++) LEGACY[y * 320 + x] = (u8)(x + 3 * y);
}

static void draw_x(void)
{
    mode_x();
    for (u32 x = 0; x < 320; x++) {
        reg(SEQ, 2, (u8)(1 << x % 4));
        for (u32 y = 0; y < 200; y++) LEGACY[y * 80 + x / 4] = (u8)(x + 3 * y);
    }
}

static void draw_4(void)
{
    volatile u8 *cga = (volatile u8 *)0xb8000;
    mode_set(&mode_4);
    for (u32 n = 0; n < 0x4000; n++) cga[n] = 0;
    for (u32 y = 0; y < 200; y++)
        for (u32 x = 0; x < 320; x++)
            cga[(y & 1) * 0x2000 + (y / 2) * 80 + x / 4] |= (u8)(((x + 3 * y) & 3) << (6 - 2 * (x & 3)));
}

static void draw_vbe8(void)
{
    mode_vbe(640, 400, 8);
    for (u32 y = 0; y < 400; y++)
        for (u32 x = 0; x < 640; x++) { /* through the window */
            u32 at = y * 640 + x;
            if (!(at & 0xffff)) dispi(5, (u16)(at >> 16));
            LEGACY[at & 0xffff] = (u8)(x + 3 * y);
        }
}

static void draw_vbe32(void)
{
    mode_vbe(800, 600, 32);
    volatile u32 *p = (volatile u32 *)lfb;
    for (u32 y = 0; y < 600; y++)
        for (u32 x = 0; x < 800; x++) *p++ = (x + 3 * y) * 0x010305;
}

/* --- loops for time ---------------------------------------------------------------------------------------- */

static u8 buffer[0x10000] __attribute__((aligned(4096)));

static void text_scroll(void)
{
    rep_movsw(TEXT, TEXT + 80, 80 * 24);
    rep_stosw(TEXT + 80 * 24, 0x0720, 80);
}
static void text_scroll_long(void)
{
    rep_movsl(TEXT, TEXT + 80, 40 * 24);
    rep_stosl(TEXT + 80 * 24, 0x07200720, 40);
}
static void text_put(void)
{
    for (u32 n = 0; n < 2000; n++) TEXT[n] = (u16)(0x1e00 | n);
}
static void fill_13(void) { rep_stosl(LEGACY, 0x01020304, 16000); }
static void copy_13(void) { rep_movsl(LEGACY, buffer, 16000); }
static void pixels_13(void)
{
    for (u32 n = 0; n < 64000; n++) LEGACY[n] = (u8)n;
}
static void planar_fill(void) { rep_stosb(LEGACY, 0x55, 38400); }
static void planar_rectangle(void) /* set/reset, in 32-byte lines, as a window system does it */
{
    reg(GFX, 0, 5), reg(GFX, 1, 15);
    for (u32 y = 0; y < 480; y++) rep_stosb(LEGACY + 80 * y, 0xff, 32);
    reg(GFX, 1, 0);
}
static void planar_scroll(void) /* write mode 1 */
{
    reg(GFX, 5, 1);
    rep_movsb(LEGACY, LEGACY + 80 * 16, 80 * 464);
    reg(GFX, 5, 0);
}
static void planar_pixels(void) /* write mode 2 with bit mask, 4,000 pixels */
{
    reg(GFX, 5, 2);
    for (u32 n = 0; n < 4000; n++) {
        volatile u8 *at = LEGACY + n * 9;
        reg(GFX, 8, (u8)(0x80 >> (n & 7)));
        (void)*at;
        *at = (u8)n;
    }
    reg(GFX, 5, 0), reg(GFX, 8, 0xff);
}
static void planar_text(void) /* write mode 3, 80 characters of 16 lines: each byte is read and written */
{
    reg(GFX, 5, 3), reg(GFX, 0, 7);
    for (u32 n = 0; n < 80; n++)
        for (u32 y = 0; y < 16; y++) {
            volatile u8 *at = LEGACY + y * 80 + n;
            (void)*at;
            *at = (u8)(n * y);
        }
    reg(GFX, 5, 0), reg(GFX, 0, 0);
}
static void planar_copy(void) /* a bitmap of four planes from memory */
{
    for (u32 p = 0; p < 4; p++) {
        reg(SEQ, 2, (u8)(1 << p));
        rep_movsb(LEGACY, buffer, 38400);
    }
    reg(SEQ, 2, 15);
}
static void planar_read(void)
{
    for (u32 p = 0; p < 4; p++) {
        reg(GFX, 4, (u8)p);
        rep_movsb(buffer, LEGACY, 38400);
    }
}
static void x_pixels(void)
{
    for (u32 n = 0; n < 4000; n++) {
        reg(SEQ, 2, (u8)(1 << (n & 3)));
        LEGACY[n] = (u8)n;
    }
}
static void x_copy(void)
{
    for (u32 p = 0; p < 4; p++) {
        reg(SEQ, 2, (u8)(1 << p));
        rep_movsl(LEGACY, buffer, 4000);
    }
}
static void vbe_fill(void) { rep_stosl((void *)lfb, 0x00112233, 480000); }
static void vbe_pixels(void)
{
    volatile u32 *p = (volatile u32 *)lfb;
    for (u32 n = 0; n < 480000; n++) p[n] = n;
}
static void vbe_banks(void)
{
    for (u16 bank = 0; bank < 30; bank++) {
        dispi(5, bank);
        rep_stosl(LEGACY, bank, 16384);
    }
}
static void palette_load(void) { palette(); }
static void status_poll(void)
{
    for (u32 n = 0; n < 1000; n++) in8(0x3da);
}

static void set_3(void) { mode_set(&mode_3); }
static void set_12(void) { mode_set(&mode_12); }
static void set_13(void) { mode_set(&mode_13); }
static void set_vbe(void) { mode_vbe(800, 600, 32); }

typedef struct Thing {
    const char *name;
    void (*begin)(void), (*run)(void);
} Thing;

static const Thing loops[] = {
    {"text_scroll", set_3, text_scroll},
    {"text_scroll_long", set_3, text_scroll_long},
    {"text_put", set_3, text_put},
    {"fill_13", set_13, fill_13},
    {"copy_13", set_13, copy_13},
    {"pixels_13", set_13, pixels_13},
    {"planar_fill", set_12, planar_fill},
    {"planar_rectangle", set_12, planar_rectangle},
    {"planar_scroll", set_12, planar_scroll},
    {"planar_pixels", set_12, planar_pixels},
    {"planar_text", set_12, planar_text},
    {"planar_copy", set_12, planar_copy},
    {"planar_read", set_12, planar_read},
    {"x_pixels", mode_x, x_pixels},
    {"x_copy", mode_x, x_copy},
    {"vbe_fill", set_vbe, vbe_fill},
    {"vbe_pixels", set_vbe, vbe_pixels},
    {"vbe_banks", set_vbe, vbe_banks},
    {"palette_load", set_13, palette_load},
    {"status_poll", set_3, status_poll},
    {0, 0, 0},
};
static const Thing pictures[] = {
    {"text", draw_text, 0}, {"12", draw_12, 0},     {"13", draw_13, 0},       {"x", draw_x, 0},
    {"4", draw_4, 0},       {"vbe8", draw_vbe8, 0}, {"vbe32", draw_vbe32, 0}, {0, 0, 0},
};

/* --- the command line -------------------------------------------------------------------------------------- */

static u32 word_is(const char *at, const char *word) /* its length, or 0 */
{
    u32 n = 0;
    while (word[n] && at[n] == word[n]) n++;
    return !word[n] && (!at[n] || at[n] == ' ' || at[n] == '=') ? n : 0;
}

static const Thing *find(const Thing *t, const char *at)
{
    while (t->name && !word_is(at, t->name)) t++;
    return t->name ? t : 0;
}

static u32 number(const char *at)
{
    u32 v = 0;
    while (*at && *at != ' ' && *at != '=') at++;
    if (*at == '=') at++;
    while (*at >= '0' && *at <= '9') v = v * 10 + (u32)(*at++ - '0');
    return v;
}

static void time_it(const Thing *t, u32 rounds)
{
    t->begin();
    print("begin "), print(t->name), print("\n");
    while (rounds--) t->run();
    print("end "), print(t->name), print("\n");
}

void probe_main(u32 magic, const u32 *info)
{
    const char *at = (const char *)info[4];
    (void)magic;
    while (*at) {
        const Thing *t;
        if ((t = find(loops, at))) time_it(t, number(at));
        if ((t = find(pictures, at))) t->begin(), print("ready "), print(t->name), print("\n");
        if (word_is(at, "off")) out16(0x604, 0x2000);
        while (*at && *at != ' ') at++;
        while (*at == ' ') at++;
    }
}
