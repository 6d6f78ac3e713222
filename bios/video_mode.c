/* video_mode.c - the VGA's modes: register tables as IBM gave them, and how a mode is set. See video.h. */
#include "video.h"

static const Mode modes[] = {
    {0x00, TEXT, 4, DAC_TEXT, 0xb800, 0x17},   {0x01, TEXT, 4, DAC_TEXT, 0xb800, 0x17},
    {0x02, TEXT, 4, DAC_TEXT, 0xb800, 0x18},   {0x03, TEXT, 4, DAC_TEXT, 0xb800, 0x18},
    {0x04, CGA, 2, DAC_CGA, 0xb800, 0x04},     {0x05, CGA, 2, DAC_CGA, 0xb800, 0x05},
    {0x06, CGA, 1, DAC_CGA, 0xb800, 0x06},     {0x07, TEXT, 4, DAC_MONO, 0xb000, 0x19},
    {0x0d, PLANAR, 4, DAC_CGA, 0xa000, 0x0d},  {0x0e, PLANAR, 4, DAC_CGA, 0xa000, 0x0e},
    {0x0f, PLANAR, 2, DAC_MONO, 0xa000, 0x11}, {0x10, PLANAR, 4, DAC_TEXT, 0xa000, 0x12},
    {0x11, PLANAR, 1, DAC_TEXT, 0xa000, 0x1a}, {0x12, PLANAR, 4, DAC_TEXT, 0xa000, 0x1b},
    {0x13, CHUNKY, 8, DAC_256, 0xa000, 0x1c},
};

/* --- register tables --------------------------------------------------------------------------------------- */

/* clang-format off */
/*           total, end, blank, retrace: horizontal | vertical total, overflow, preset, cell, cursor */
#define H40  0x2d, 0x27, 0x28, 0x90, 0x2b
#define H80  0x5f, 0x4f, 0x50, 0x82, 0x55
#define ZERO4 0, 0, 0, 0
#define V200 0x9c, 0x8e, 0x8f
#define V350 0x83, 0x85, 0x5d
#define CRTC_TEXT(h, skew, cell, c0, c1, v, pitch, underline, vb0, vb1) \
    {h, skew, 0xbf, 0x1f, 0x00, cell, c0, c1, ZERO4, v, pitch, underline, vb0, vb1, 0xa3, 0xff}
#define CRTC_GRAPH(h, skew, cell, v, pitch, underline, vb0, vb1, control) \
    {h, skew, 0xbf, 0x1f, 0x00, cell, 0, 0, ZERO4, v, pitch, underline, vb0, vb1, control, 0xff}
#define CRTC_480(control) \
    {H80, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0, 0, ZERO4, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, control, 0xff}

#define AC_CGA16  0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17
#define AC_EGA16  0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f
#define AC_MONO16 0, 8, 8, 8, 8, 8, 8, 8, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18
#define AC_CGA4   0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17
#define AC_CGA2   0, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17
#define AC_0F     0, 8, 0, 0, 0x18, 0x18, 0, 0, 0, 8, 0, 0, 0, 0x18, 0, 0
#define AC_11     0, 0x3f, 0, 0x3f, 0, 0x3f, 0, 0x3f, 0, 0x3f, 0, 0x3f, 0, 0x3f, 0, 0x3f
#define AC_DIRECT 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15

#define GC_TEXT      {0, 0, 0, 0, 0, 0x10, 0x0e, 0x00, 0xff}
#define GC_TEXT_MONO {0, 0, 0, 0, 0, 0x10, 0x0a, 0x00, 0xff}
#define GC_PLANAR(care) {0, 0, 0, 0, 0, 0x00, 0x05, care, 0xff}

#define T40_200 {40, 24, 8, 0x0800, {9, 3, 0, 2}, 0x63, \
    CRTC_TEXT(H40, 0xa0, 0xc7, 6, 7, V200, 0x14, 0x1f, 0x96, 0xb9), {AC_CGA16, 0x08, 0, 0x0f, 0}, GC_TEXT}
#define T80_200 {80, 24, 8, 0x1000, {1, 3, 0, 2}, 0x63, \
    CRTC_TEXT(H80, 0x81, 0xc7, 6, 7, V200, 0x28, 0x1f, 0x96, 0xb9), {AC_CGA16, 0x08, 0, 0x0f, 0}, GC_TEXT}
#define T40_350 {40, 24, 14, 0x0800, {9, 3, 0, 2}, 0xa3, \
    CRTC_TEXT(H40, 0xa0, 0x4d, 11, 12, V350, 0x14, 0x1f, 0x63, 0xba), {AC_EGA16, 0x08, 0, 0x0f, 0}, GC_TEXT}
#define T80_350 {80, 24, 14, 0x1000, {1, 3, 0, 2}, 0xa3, \
    CRTC_TEXT(H80, 0x81, 0x4d, 11, 12, V350, 0x28, 0x1f, 0x63, 0xba), {AC_EGA16, 0x08, 0, 0x0f, 0}, GC_TEXT}
#define T7_350 {80, 24, 14, 0x1000, {0, 3, 0, 2}, 0xa6, \
    CRTC_TEXT(H80, 0x81, 0x4d, 11, 12, V350, 0x28, 0x0d, 0x63, 0xba), {AC_MONO16, 0x0e, 0, 0x0f, 8}, GC_TEXT_MONO}
#define NONE {0}
#define M0F {80, 24, 14, 0x8000, {1, 0x0f, 0, 6}, 0xa2, \
    CRTC_GRAPH(H80, 0x80, 0x40, V350, 0x28, 0x0f, 0x63, 0xba, 0xe3), {AC_0F, 0x0b, 0, 5, 0}, GC_PLANAR(5)}
#define M10 {80, 24, 14, 0x8000, {1, 0x0f, 0, 6}, 0xa3, \
    CRTC_GRAPH(H80, 0x80, 0x40, V350, 0x28, 0x0f, 0x63, 0xba, 0xe3), {AC_EGA16, 1, 0, 0x0f, 0}, GC_PLANAR(15)}
#define M04 {40, 24, 8, 0x4000, {9, 3, 0, 2}, 0x63, \
    CRTC_GRAPH(H40, 0x80, 0xc1, V200, 0x14, 0, 0x96, 0xb9, 0xa2), {AC_CGA4, 1, 0, 3, 0}, {0, 0, 0, 0, 0, 0x30, 0x0f, 0, 0xff}}

const Params video_params[29] = {
    T40_200, T40_200, T80_200, T80_200, M04, M04,
    {80, 24, 8, 0x4000, {1, 1, 0, 6}, 0x63, CRTC_GRAPH(H80, 0x80, 0xc1, V200, 0x28, 0, 0x96, 0xb9, 0xc2),
     {AC_CGA2, 1, 0, 1, 0}, {0, 0, 0, 0, 0, 0, 0x0d, 0, 0xff}},
    T7_350, NONE, NONE, NONE, NONE, NONE,
    {40, 24, 8, 0x2000, {9, 0x0f, 0, 6}, 0x63, CRTC_GRAPH(H40, 0x80, 0xc0, V200, 0x14, 0, 0x96, 0xb9, 0xe3),
     {AC_CGA16, 1, 0, 0x0f, 0}, GC_PLANAR(15)},
    {80, 24, 8, 0x4000, {1, 0x0f, 0, 6}, 0x63, CRTC_GRAPH(H80, 0x80, 0xc0, V200, 0x28, 0, 0x96, 0xb9, 0xe3),
     {AC_CGA16, 1, 0, 0x0f, 0}, GC_PLANAR(15)},
    M0F, M10, M0F, M10,
    T40_350, T40_350, T80_350, T80_350,
    {40, 24, 16, 0x0800, {8, 3, 0, 2}, 0x67, CRTC_TEXT(H40, 0xa0, 0x4f, 13, 14, V200, 0x14, 0x1f, 0x96, 0xb9),
     {AC_EGA16, 0x0c, 0, 0x0f, 8}, GC_TEXT},
    {80, 24, 16, 0x1000, {0, 3, 0, 2}, 0x67, CRTC_TEXT(H80, 0x81, 0x4f, 13, 14, V200, 0x28, 0x1f, 0x96, 0xb9),
     {AC_EGA16, 0x0c, 0, 0x0f, 8}, GC_TEXT},
    {80, 24, 16, 0x1000, {0, 3, 0, 2}, 0x66, CRTC_TEXT(H80, 0x81, 0x4f, 13, 14, V200, 0x28, 0x0f, 0x96, 0xb9),
     {AC_MONO16, 0x0e, 0, 0x0f, 8}, GC_TEXT_MONO},
    {80, 29, 16, 0xa000, {1, 0x0f, 0, 6}, 0xe3, CRTC_480(0xc3), {AC_11, 1, 0, 0x0f, 0}, GC_PLANAR(1)},
    {80, 29, 16, 0xa000, {1, 0x0f, 0, 6}, 0xe3, CRTC_480(0xe3), {AC_EGA16, 1, 0, 0x0f, 0}, GC_PLANAR(15)},
    {40, 24, 8, 0x2000, {1, 0x0f, 0, 0x0e}, 0x63, CRTC_GRAPH(H80, 0x80, 0x41, V200, 0x28, 0x40, 0x96, 0xb9, 0xa3),
     {AC_DIRECT, 0x41, 0, 0x0f, 0}, {0, 0, 0, 0, 0, 0x40, 0x05, 15, 0xff}},
};
/* clang-format on */

/* --- palettes ---------------------------------------------------------------------------------------------- */

/* The sixteen colours of the CGA, red, green, blue of 63. */
const u8 dac_cga[16][3] = {
    {0, 0, 0},    {0, 0, 42},   {0, 42, 0},   {0, 42, 42},  {42, 0, 0},   {42, 0, 42},
    {42, 21, 0},  {42, 42, 42}, {21, 21, 21}, {21, 21, 63}, {21, 63, 21}, {21, 63, 63},
    {63, 21, 21}, {63, 21, 63}, {63, 63, 21}, {63, 63, 63},
};
static const u8 dac_greys[16] = {0, 5, 8, 11, 14, 17, 20, 24, 28, 32, 36, 40, 45, 50, 56, 63};

/* Mode 13h's colours 32-247: three intensities of three saturations of 24 hues. A hue's red, green and blue are each one
 * of five levels; the hues go from blue over red and green back to blue. */
static const u8 dac_levels[9][5] = {
    {0, 16, 31, 47, 63}, {31, 39, 47, 55, 63}, {45, 49, 54, 58, 63},
    {0, 7, 14, 21, 28},  {14, 17, 21, 24, 28}, {20, 22, 24, 26, 28},
    {0, 4, 8, 12, 16},   {8, 10, 12, 14, 16},  {11, 12, 13, 15, 16},
};

static u8 hue_level(u8 hue) /* of the colour that is full at hues 4 to 12 */
{
    return (u8)(hue < 4 ? hue : hue <= 12 ? 4 : hue <= 16 ? 16 - hue : 0);
}

void dac_set(u8 index, u8 r, u8 g, u8 b)
{
    if (VIDEO_FLAGS & FLAGS_GREY) r = g = b = (u8)((r * 77 + g * 151 + b * 28 + 128) >> 8);
    outb(DAC_WRITE, index);
    outb(DAC_DATA, r);
    outb(DAC_DATA, g);
    outb(DAC_DATA, b);
}

static void dac_load_256(void)
{
    for (u8 i = 0; i < 16; i++) dac_set(i, dac_cga[i][0], dac_cga[i][1], dac_cga[i][2]);
    for (u8 i = 0; i < 16; i++) dac_set((u8)(16 + i), dac_greys[i], dac_greys[i], dac_greys[i]);
    u8 index = 32;
    for (u8 set = 0; set < 9; set++)
        for (u8 hue = 0; hue < 24; hue++) {
            const u8 *level = dac_levels[set];
            u8 r = hue_level(hue), g = hue_level((u8)((hue + 16) % 24)), b = hue_level((u8)((hue + 8) % 24));
            dac_set(index++, level[r], level[g], level[b]);
        }
    for (; index; index++) dac_set(index, 0, 0, 0);
}

void dac_load(u8 which)
{
    outb(DAC_MASK, 0xff);
    if (which == DAC_256) {
        dac_load_256();
        return;
    }
    for (u8 i = 0; i < 64; i++) {
        u8 r, g, b;
        if (which == DAC_TEXT) { /* rgbRGB: two thirds and one third of an intensity */
            r = (u8)((i & 4 ? 42 : 0) + (i & 32 ? 21 : 0));
            g = (u8)((i & 2 ? 42 : 0) + (i & 16 ? 21 : 0));
            b = (u8)((i & 1 ? 42 : 0) + (i & 8 ? 21 : 0));
        } else if (which == DAC_CGA) {
            const u8 *c = dac_cga[(i & 7) | (i & 16 ? 8 : 0)];
            r = c[0], g = c[1], b = c[2];
        } else {
            r = g = b = (u8)((i & 0x18) == 0x18 ? 63 : i & 8 ? 42 : 0);
        }
        dac_set(i, r, g, b);
    }
}

/* Grey summing: 30 % red, 59 % green, 11 % blue. */
void dac_grey(u16 first, u16 count)
{
    while (count--) {
        outb(DAC_READ, (u8)first);
        u8 r = inb(DAC_DATA), g = inb(DAC_DATA), b = inb(DAC_DATA);
        u8 grey = (u8)((r * 77 + g * 151 + b * 28 + 128) >> 8);
        outb(DAC_WRITE, (u8)first++);
        outb(DAC_DATA, grey);
        outb(DAC_DATA, grey);
        outb(DAC_DATA, grey);
    }
}

/* --- mode setting ------------------------------------------------------------------------------------------ */

const Mode *mode_find(u8 number)
{
    for (const Mode *m = modes; m < modes + sizeof modes / sizeof *modes; m++)
        if (m->number == number) return m;
    return 0;
}

const Mode *mode_now(void)
{
    const Mode *m = VBE_MODE ? vbe_mode_now() : mode_find(VIDEO_MODE & 0x7f);
    return m ? m : &modes[3];
}

u16 status_port(void) { return (u16)(CRTC + 6); }

void params_load(const Params *p)
{
    u16 crtc = p->misc & 1 ? 0x3d4 : 0x3b4;
    inb((u16)(crtc + 6));
    outb(AC, 0); /* the screen is dark while its registers change */
    reg_set(SEQ, 0, 1);
    for (u8 i = 0; i < 4; i++) reg_set(SEQ, (u8)(i + 1), p->seq[i]);
    outb(MISC, p->misc);
    reg_set(SEQ, 0, 3);
    reg_set(crtc, 0x11, 0); /* unlock 0-7 */
    for (u8 i = 0; i < 25; i++) reg_set(crtc, i, p->crtc[i]);
    for (u8 i = 0; i < 9; i++) reg_set(GC, i, p->gc[i]);
    bool keep_palette = VIDEO_FLAGS & FLAGS_NO_PALETTE;
    for (u8 i = 0; i < 20; i++) {
        inb((u16)(crtc + 6));
        if (keep_palette && (i < 16 || i == 17)) continue;
        outb(AC, i);
        outb(AC, p->ac[i]);
    }
    inb((u16)(crtc + 6));
    outb(AC, 0x14);
    outb(AC, 0);
    CRTC = crtc;
}

void mode_clear(const Mode *m)
{
    if (m->kind == TEXT) {
        fill16(m->seg, 0, 0x0720, 0x4000);
    } else if (m->kind == CGA) {
        fill16(m->seg, 0, 0, 0x2000);
    } else if (m->kind != BANKED) {
        reg_set(SEQ, 2, 0x0f);
        fill16(0xa000, 0, 0, 0x8000);
    }
}

void mode_tables(const Params *p)
{
    COLUMNS = p->columns;
    PAGE_BYTES = p->page_bytes;
    PAGE_START = 0;
    for (u8 i = 0; i < 8; i++) CURSOR(i) = 0;
    ACTIVE_PAGE = 0;
    LAST_ROW = p->last_row;
    CHAR_HEIGHT = p->char_height;
    CURSOR_SHAPE = (u16)(p->crtc[10] << 8 | p->crtc[11]);
}

static u8 text_params(u8 number)
{
    if (VIDEO_FLAGS & FLAGS_400) return number == 7 ? 0x19 : number < 2 ? 0x17 : 0x18;
    if (VIDEO_FLAGS & FLAGS_200 && number != 7) return number;
    return number == 7 ? 7 : (u8)(0x13 + number);
}

static void font_vectors(const Params *p)
{
    u32 seg = (u32)rom_seg() << 16;
    VECTOR(0x1f) = seg | (u16)(u32)(font8 + 128 * 8);
    VECTOR(0x43) = seg | (u16)(u32)(p->char_height == 16 ? font16 : p->char_height == 14 ? font14 : font8);
}

void mode_set(u8 number)
{
    static const u8 cga_mode[8] = {0x2c, 0x28, 0x2d, 0x29, 0x2a, 0x2e, 0x1e, 0x29};
    const Mode *m = mode_find(number & 0x7f);
    if (!m) return;
    const Params *p = &video_params[m->kind == TEXT ? text_params(m->number) : m->params];
    vbe_off();
    VIDEO_MODE = m->number;
    VBE_MODE = 0;
    VIDEO_CONTROL = (u8)((VIDEO_CONTROL & 0x7d) | (number & 0x80) | (p->misc & 1 ? 0 : 2));
    EQUIPMENT = (u16)((EQUIPMENT & ~0x30) | (p->misc & 1 ? (p->columns == 40 ? 0x10 : 0x20) : 0x30));
    DISPLAY_CODE = p->misc & 1 ? 8 : 7;
    params_load(p);
    if (!(VIDEO_FLAGS & FLAGS_NO_PALETTE)) dac_load(m->dac == DAC_TEXT && p->misc == 0x63 ? DAC_CGA : m->dac);
    if (!(number & 0x80)) mode_clear(m);
    mode_tables(p);
    CGA_MODE = m->number < 8 ? cga_mode[m->number] : 0x29;
    CGA_PALETTE = m->number == 6 ? 0x3f : 0x30;
    font_vectors(p);
    if (m->kind == TEXT) {
        font_load(rom_seg(),
                  (u16)(u32)(p->char_height == 16   ? font16
                             : p->char_height == 14 ? font14
                                                    : font8),
                  0, 256, p->char_height, 0);
        CURSOR_SHAPE = p->misc == 0x66 || p->misc == 0xa6 ? 0x0b0c : 0x0607;
        cursor_move(0, 0);
    }
    inb(status_port());
    outb(AC, 0x20);
}
