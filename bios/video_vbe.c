/* video_vbe.c - INT 10h 4Fh: VESA BIOS extensions 3.0 over the Bochs VBE registers, and DDC. See video.h.
 *
 * Every mode has the 64 KiB window at A000 (granularity 64 KiB) and, but for text and planar ones, the linear frame
 * buffer that BAR 0 of the display's PCI function maps; the bus is asked each time, since systems move it. Modes that
 * do not fit the video memory are left out.
 *
 * Not implemented: 4F07h subfunctions of stereo and scheduled flips, CRTC timings of the caller (they are ignored), 4F05h
 * for a second window, 4F11h and up but DDC.
 */
#include "video.h"

extern const char vbe_pm[], vbe_pm_end[], vbe_window_far[];

typedef struct VbeMode {
    u16 number, width, height; /* pixels, or cells of text */
    u8 bits;                   /* of a pixel; 0: text */
} VbeMode;

static const VbeMode vbe_modes[] = {
    {0x100, 640, 400, 8},    {0x101, 640, 480, 8},    {0x102, 800, 600, 4},   {0x103, 800, 600, 8},
    {0x105, 1024, 768, 8},   {0x107, 1280, 1024, 8},  {0x108, 80, 60, 0},     {0x109, 132, 25, 0},
    {0x10a, 132, 43, 0},     {0x10b, 132, 50, 0},     {0x10c, 132, 60, 0},    {0x10d, 320, 200, 15},
    {0x10e, 320, 200, 16},   {0x10f, 320, 200, 24},   {0x110, 640, 480, 15},  {0x111, 640, 480, 16},
    {0x112, 640, 480, 24},   {0x113, 800, 600, 15},   {0x114, 800, 600, 16},  {0x115, 800, 600, 24},
    {0x116, 1024, 768, 15},  {0x117, 1024, 768, 16},  {0x118, 1024, 768, 24}, {0x119, 1280, 1024, 15},
    {0x11a, 1280, 1024, 16}, {0x11b, 1280, 1024, 24}, {0x11c, 1600, 1200, 8}, {0x11d, 1600, 1200, 15},
    {0x11e, 1600, 1200, 16}, {0x11f, 1600, 1200, 24}, {0x140, 320, 200, 32},  {0x141, 640, 400, 32},
    {0x142, 640, 480, 32},   {0x143, 800, 600, 32},   {0x144, 1024, 768, 32}, {0x145, 1280, 1024, 32},
    {0x146, 320, 200, 8},    {0x147, 1600, 1200, 32}, {0x148, 1152, 864, 8},  {0x149, 1152, 864, 15},
    {0x14a, 1152, 864, 16},  {0x14b, 1152, 864, 24},  {0x14c, 1152, 864, 32}, {0x150, 640, 400, 15},
    {0x151, 640, 400, 16},   {0x152, 640, 400, 24},   {0x153, 320, 240, 8},   {0x154, 320, 240, 15},
    {0x155, 320, 240, 16},   {0x156, 320, 240, 24},   {0x157, 320, 240, 32},  {0x158, 512, 384, 8},
    {0x159, 512, 384, 15},   {0x15a, 512, 384, 16},   {0x15b, 512, 384, 24},  {0x15c, 512, 384, 32},
    {0x178, 1280, 800, 16},  {0x179, 1280, 800, 24},  {0x17a, 1280, 800, 32}, {0x17b, 1280, 800, 8},
    {0x17c, 1280, 800, 15},
};
enum { VBE_MODES = sizeof vbe_modes / sizeof *vbe_modes };

/* What the other files want to know of a VBE mode. */
static const Mode kinds[] = {
    {0, TEXT, 4, DAC_TEXT, 0xb800, 0},   {0, PLANAR, 4, DAC_TEXT, 0xa000, 0},
    {0, BANKED, 8, DAC_256, 0xa000, 0},  {0, BANKED, 15, DAC_256, 0xa000, 0},
    {0, BANKED, 16, DAC_256, 0xa000, 0}, {0, BANKED, 24, DAC_256, 0xa000, 0},
    {0, BANKED, 32, DAC_256, 0xa000, 0},
};

enum { VBE_LFB = 0x4000, VBE_NO_CLEAR = 0x8000, OK = 0x004f, FAILED = 0x014f, WRONG_MODE = 0x034f };

static bool have_dispi(void) { return (dispi_get(DISPI_ID) & 0xfff0) == 0xb0c0; }

static u16 memory_blocks(void) /* of 64 KiB */
{
    u16 n = dispi_get(DISPI_MEMORY);
    return n && n != 0xffff ? n : 64;
}

static u16 line_bytes(const VbeMode *v, u16 width)
{
    return (u16)(v->bits == 0 ? width * 2 : v->bits == 4 ? (width + 7) / 8 : width * ((v->bits + 7) / 8));
}

static u16 size_blocks(const VbeMode *v)
{
    u32 bytes = (u32)line_bytes(v, v->width) * v->height * (v->bits == 4 ? 4 : 1);
    return (u16)((bytes + 0xffff) >> 16);
}

static const VbeMode *vbe_find(u16 number)
{
    number &= 0x3fff;
    if (!have_dispi()) return 0;
    u16 memory = memory_blocks();
    for (const VbeMode *v = vbe_modes; v < vbe_modes + VBE_MODES; v++)
        if (v->number == number) return size_blocks(v) <= memory ? v : 0;
    return 0;
}

const Mode *vbe_mode_now(void)
{
    for (const VbeMode *v = vbe_modes; v < vbe_modes + VBE_MODES; v++) {
        if (v->number != (VBE_MODE & 0x3fff)) continue;
        u8 bits = v->bits ? v->bits : 0;
        const Mode *k = kinds;
        if (bits == 4) return &kinds[1];
        if (bits)
            for (k = &kinds[2]; k->bits != bits; k++) {
            }
        return k;
    }
    return 0;
}

void vbe_off(void) { dispi_set(DISPI_ENABLE, 0); }

/* --- the linear frame buffer ------------------------------------------------------------------------------- */

static u32 pci_read(u8 device, u8 reg)
{
    u32 before = inl(0xcf8);
    outl(0xcf8, 0x80000000 | (u32)device << 11 | reg);
    u32 v = inl(0xcfc);
    outl(0xcf8, before);
    return v;
}

static u32 frame_buffer(void)
{
    for (u8 device = 0; device < 32; device++)
        if (pci_read(device, 0) == 0x11111234) return pci_read(device, 0x10) & 0xfffffff0;
    return 0xe0000000;
}

/* --- information ------------------------------------------------------------------------------------------- */

static const char oem[] = "ring3 VGA", vendor[] = "ring3", product[] = "ring3 VGA with Bochs VBE registers",
                  revision[] = "1";

static void poke_far(u16 seg, u16 at, const void *p)
{
    poke16(seg, at, (u16)(u32)p);
    poke16(seg, (u16)(at + 2), rom_seg());
}

static u16 vbe_info(Frame r)
{
    u16 es = r->es, di = (u16)r->edi;
    bool vbe2 = peek32(es, di) == 0x32454256; /* "VBE2" */
    if (!have_dispi()) return FAILED;
    fill8(es, di, 0, vbe2 ? 512 : 256);
    poke32(es, di, 0x41534556); /* "VESA" */
    poke16(es, (u16)(di + 4), 0x0300);
    poke_far(es, (u16)(di + 6), oem);
    poke8(es, (u16)(di + 10), 1); /* the DAC can have 8 bits */
    poke16(es, (u16)(di + 14), (u16)(di + 0x22));
    poke16(es, (u16)(di + 16), es);
    poke16(es, (u16)(di + 18), memory_blocks());
    if (vbe2) {
        poke16(es, (u16)(di + 20), 0x0100);
        poke_far(es, (u16)(di + 22), vendor);
        poke_far(es, (u16)(di + 26), product);
        poke_far(es, (u16)(di + 30), revision);
    }
    u16 at = (u16)(di + 0x22), memory = memory_blocks();
    for (const VbeMode *v = vbe_modes; v < vbe_modes + VBE_MODES; v++) {
        if (size_blocks(v) > memory) continue;
        poke16(es, at, v->number);
        at = (u16)(at + 2);
    }
    poke16(es, at, 0xffff);
    return OK;
}

static u8 vbe_char_height(const VbeMode *v)
{
    if (!v->bits) return v->height == 25 ? 16 : 8;
    return v->height >= 400 ? 16 : 8;
}

/* Sizes and positions: red, green, blue, reserved. */
static void poke_masks(u16 es, u16 at, u8 bits)
{
    static const u8 masks[4][8] = {{5, 10, 5, 5, 5, 0, 1, 15},
                                   {5, 11, 6, 5, 5, 0, 0, 0},
                                   {8, 16, 8, 8, 8, 0, 0, 0},
                                   {8, 16, 8, 8, 8, 0, 8, 24}};
    const u8 *p = masks[bits == 15 ? 0 : bits == 16 ? 1 : bits == 24 ? 2 : 3];
    for (u8 i = 0; i < 8; i++) poke8(es, (u16)(at + i), p[i]);
}

static u16 vbe_mode_info(Frame r)
{
    u16 es = r->es, di = (u16)r->edi;
    const VbeMode *v = vbe_find(r->cx);
    if (!v) return FAILED;
    bool text = !v->bits, planar = v->bits == 4;
    u16 pitch = line_bytes(v, v->width);
    fill8(es, di, 0, 256);
    /* supported, extended information, TTY output, colour; graphics; linear frame buffer */
    poke16(es, di, (u16)(0x0f | (text ? 0 : 0x10) | (text || planar ? 0 : 0x80)));
    poke8(es, (u16)(di + 2), 7);
    poke16(es, (u16)(di + 4), text ? 32 : 64);
    poke16(es, (u16)(di + 6), text ? 32 : 64);
    poke16(es, (u16)(di + 8), text ? 0xb800 : 0xa000);
    poke_far(es, (u16)(di + 12), vbe_window_far);
    poke16(es, (u16)(di + 16), pitch);
    poke16(es, (u16)(di + 18), v->width);
    poke16(es, (u16)(di + 20), v->height);
    poke8(es, (u16)(di + 22), 8);
    poke8(es, (u16)(di + 23), vbe_char_height(v));
    poke8(es, (u16)(di + 24), planar || text ? 4 : 1);
    poke8(es, (u16)(di + 25), text ? 4 : v->bits);
    poke8(es, (u16)(di + 26), 1);
    poke8(es, (u16)(di + 27), text ? 0 : planar ? 3 : v->bits == 8 ? 4 : 6);
    u16 pages = text || planar ? 1 : (u16)(memory_blocks() / size_blocks(v));
    poke8(es, (u16)(di + 29), (u8)((pages > 256 ? 256 : pages) - 1));
    poke8(es, (u16)(di + 30), 1);
    if (v->bits > 8) {
        poke_masks(es, (u16)(di + 31), v->bits);
        poke_masks(es, (u16)(di + 54), v->bits);
        poke8(es, (u16)(di + 39), 2);
    }
    if (!text && !planar) poke32(es, (u16)(di + 40), frame_buffer());
    poke16(es, (u16)(di + 50), pitch);
    poke8(es, (u16)(di + 52), (u8)((pages > 256 ? 256 : pages) - 1));
    poke8(es, (u16)(di + 53), (u8)((pages > 256 ? 256 : pages) - 1));
    poke32(es, (u16)(di + 62), 230000000);
    return OK;
}

/* --- setting a mode ---------------------------------------------------------------------------------------- */

static void data_area(const VbeMode *v, const Params *p)
{
    u8 height = vbe_char_height(v);
    mode_tables(p);
    VIDEO_MODE = v->number == 0x102 ? 0x6a : 0x5f;
    COLUMNS = v->bits ? v->width / 8 : v->width;
    LAST_ROW = (u8)((v->bits ? v->height / height : v->height) - 1);
    CHAR_HEIGHT = height;
    PAGE_BYTES = (u16)(v->bits ? 0 : v->width * v->height * 2);
    u32 seg = (u32)rom_seg() << 16;
    VECTOR(0x1f) = seg | (u16)(u32)(font8 + 128 * 8);
    VECTOR(0x43) = seg | (u16)(u32)(height == 16 ? font16 : font8);
}

/* Text of 132 columns or 60 rows: mode 3 with other timings. */
static void text_set(const VbeMode *v)
{
    static const u8 wide[6] = {0xa0, 0x83, 0x84, 0x83, 0x8a, 0x9e};
    static const u8 v350[7] = {0xbf, 0x1f, 0x83, 0x85, 0x57, 0x63, 0xba}; /* 06 07 10 11 12 15 16 */
    static const u8 v480[7] = {0x0b, 0x3e, 0xea, 0x8c, 0xdf, 0xe7, 0x04};
    static const u8 at[7] = {6, 7, 0x10, 0x11, 0x12, 0x15, 0x16};
    u8 height = vbe_char_height(v);
    const u8 *vertical = v->height == 43 ? v350 : v->height == 60 ? v480 : 0;
    params_load(&video_params[0x18]);
    reg_set(CRTC, 0x11, 0);
    for (u8 i = 0; v->width == 132 && i < 6; i++) reg_set(CRTC, i, wide[i]);
    if (v->width == 132) {
        reg_set(CRTC, 0x13, 66);
        reg_set(SEQ, 1, 1); /* 8 dots a character */
        inb(status_port());
        outb(AC, 0x13);
        outb(AC, 0);
    }
    for (u8 i = 0; vertical && i < 7; i++) reg_set(CRTC, at[i], vertical[i]);
    reg_set(CRTC, 9, (u8)(0x40 | (height - 1)));
    reg_set(CRTC, 0x11, 0x8e);
    if (v->height == 43) outb(MISC, 0xa7);
    if (v->height == 60) outb(MISC, 0xe7);
    data_area(v, &video_params[0x18]);
    font_load(rom_seg(), (u16)(u32)(height == 16 ? font16 : font8), 0, 256, height, 0);
    CURSOR_SHAPE = 0x0607;
}

/* 800x600 in planes needs the VGA's registers only: mode 12h with other timings. */
static void planar_set(const VbeMode *v, u16 flags)
{
    static const u8 timing[8] = {0x7f, 0x63, 0x64, 0x82, 0x6b, 0x1b, 0x72, 0xf0};
    const Params *p = &video_params[0x1b];
    params_load(p);
    outb(MISC, 0x27);
    reg_set(CRTC, 0x11, 0);
    for (u8 i = 0; i < 8; i++) reg_set(CRTC, i, timing[i]);
    reg_set(CRTC, 0x09, 0x60);
    reg_set(CRTC, 0x10, 0x58);
    reg_set(CRTC, 0x12, 0x57);
    reg_set(CRTC, 0x13, 50);
    reg_set(CRTC, 0x15, 0x58);
    reg_set(CRTC, 0x16, 0x71);
    reg_set(CRTC, 0x11, 0x8c);
    data_area(v, p);
    if (!(flags & VBE_NO_CLEAR)) mode_clear(&kinds[1]);
}

static void graphics_set(const VbeMode *v, u16 flags)
{
    const Params *p = &video_params[0x1c];
    params_load(p);
    dispi_set(DISPI_XRES, v->width);
    dispi_set(DISPI_YRES, v->height);
    dispi_set(DISPI_BPP, v->bits);
    u16 enable = DISPI_ON;
    if (flags & VBE_LFB) enable |= DISPI_LFB;
    if (flags & VBE_NO_CLEAR) enable |= DISPI_NO_CLEAR;
    dispi_set(DISPI_ENABLE, enable);
    dispi_set(DISPI_BANK, 0);
    dispi_set(DISPI_X, 0);
    dispi_set(DISPI_Y, 0);
    data_area(v, p);
}

static u16 vbe_set(Frame r)
{
    u16 bx = r->bx;
    if ((bx & 0x3fff) < 0x100) {
        u8 number = bx & 0x7f;
        if (!mode_find(number)) return FAILED;
        mode_set((u8)(number | (bx & VBE_NO_CLEAR ? 0x80 : 0)));
        return OK;
    }
    const VbeMode *v = vbe_find(bx & 0x01ff);
    if (!v || bx & 0x3600) return FAILED;
    if (bx & VBE_LFB && (!v->bits || v->bits == 4)) return FAILED;
    vbe_off();
    VBE_MODE = v->number | (bx & VBE_LFB);
    VIDEO_CONTROL = (u8)((VIDEO_CONTROL & 0x7d) | (bx & VBE_NO_CLEAR ? 0x80 : 0));
    EQUIPMENT = (u16)((EQUIPMENT & ~0x30) | 0x20);
    DISPLAY_CODE = 8;
    if (!v->bits)
        text_set(v);
    else if (v->bits == 4)
        planar_set(v, bx);
    else
        graphics_set(v, bx);
    const Mode *m = vbe_mode_now();
    if (!(VIDEO_FLAGS & FLAGS_NO_PALETTE)) dac_load(m->dac);
    if (!v->bits) {
        if (!(bx & VBE_NO_CLEAR)) mode_clear(m);
        cursor_shape_set(6, 7);
        cursor_move(0, 0);
    }
    inb(status_port());
    outb(AC, 0x20);
    return OK;
}

/* --- the other functions ----------------------------------------------------------------------------------- */

static u16 vbe_state(Frame r)
{
    u16 parts = r->cx & 15;
    if (r->dl == 0)
        r->bx = state_bytes(parts) / 64;
    else if (r->dl == 1)
        state_save(parts, r->es, r->bx);
    else if (r->dl == 2)
        state_restore(parts, r->es, r->bx);
    else
        return FAILED;
    return OK;
}

static u16 vbe_window(Frame r)
{
    if (r->bl || r->bh > 1) return FAILED;
    if (r->bh) {
        r->dx = dispi_get(DISPI_BANK);
        return OK;
    }
    if (r->dx >= memory_blocks()) return FAILED;
    dispi_set(DISPI_BANK, r->dx);
    return OK;
}

static const VbeMode *vbe_graphics_now(void)
{
    const VbeMode *v = VBE_MODE ? vbe_find(VBE_MODE) : 0;
    return v && v->bits ? v : 0;
}

/* Planar lines: 256 KiB in four planes; the CRTC counts a line in words. */
static u16 width_now(const VbeMode *v)
{
    return v->bits == 4 ? (u16)(reg_get(CRTC, 0x13) * 16) : dispi_get(DISPI_VIRT_WIDTH);
}

static u32 plane_bytes(const VbeMode *v) { return v->bits == 4 ? 0x10000 : (u32)memory_blocks() << 16; }

static u16 vbe_line_length(Frame r)
{
    const VbeMode *v = vbe_graphics_now();
    if (!v) return WRONG_MODE;
    u8 bytes = (u8)((v->bits + 7) / 8);
    u32 memory = plane_bytes(v), widest = memory / v->height;
    if (widest > 0x7ff8) widest = 0x7ff8;
    u16 width = r->cx;
    if (r->bl == 2) width = (u16)(v->bits == 4 ? width * 8 : (width + bytes - 1) / bytes);
    if (r->bl == 0 || r->bl == 2) {
        width = (u16)(v->bits == 4 ? (width + 15) & ~15 : (width + 7) & ~7);
        if (width < v->width || line_bytes(v, width) > widest) return (u16)(0x0200 | 0x4f);
        if (v->bits == 4)
            reg_set(CRTC, 0x13, (u8)(width / 16));
        else
            dispi_set(DISPI_VIRT_WIDTH, width);
    } else if (r->bl == 3) {
        r->bx = (u16)widest;
        r->cx = (u16)(v->bits == 4 ? widest * 8 : widest / bytes);
        r->dx = v->height;
        return OK;
    } else if (r->bl != 1) {
        return FAILED;
    }
    width = width_now(v);
    r->cx = width;
    r->bx = line_bytes(v, width);
    u32 lines = memory / (r->bx ? r->bx : 1);
    r->dx = (u16)(lines > 0xffff ? 0xffff : lines);
    return OK;
}

static void wait_retrace(void)
{
    for (u32 i = 0; i < 500000 && inb(status_port()) & 8; i++) {
    }
    for (u32 i = 0; i < 500000 && !(inb(status_port()) & 8); i++) {
    }
}

static u16 vbe_start(Frame r)
{
    const VbeMode *v = vbe_graphics_now();
    if (!v) return WRONG_MODE;
    u16 pitch = line_bytes(v, width_now(v));
    bool planar = v->bits == 4;
    if (!pitch) return FAILED;
    if (r->bl == 1) {
        u16 start = (u16)(reg_get(CRTC, 12) << 8 | reg_get(CRTC, 13));
        r->bh = 0;
        r->cx = planar ? (u16)(start % pitch * 8) : dispi_get(DISPI_X);
        r->dx = planar ? start / pitch : dispi_get(DISPI_Y);
        return OK;
    }
    if (r->bl & 0x7f) return FAILED;
    if ((u32)(r->dx + v->height) * pitch > plane_bytes(v)) return FAILED;
    if (r->bl & 0x80) wait_retrace();
    if (planar) {
        u16 start = (u16)(r->dx * pitch + r->cx / 8);
        reg_set(CRTC, 12, (u8)(start >> 8));
        reg_set(CRTC, 13, (u8)start);
        inb(status_port());
        outb(AC, 0x33);
        outb(AC, r->cx & 7);
        return OK;
    }
    dispi_set(DISPI_X, r->cx);
    dispi_set(DISPI_Y, r->dx);
    return OK;
}

static u16 vbe_dac_width(Frame r)
{
    const VbeMode *v = vbe_graphics_now();
    if (v && v->bits > 8) return WRONG_MODE;
    u16 enable = dispi_get(DISPI_ENABLE);
    if (r->bl == 0 && enable & DISPI_ON) {
        u16 wide = r->bh >= 8 ? DISPI_8BIT_DAC : 0;
        if ((enable & DISPI_8BIT_DAC) != wide) {
            u16 bank = dispi_get(DISPI_BANK);
            dispi_set(DISPI_ENABLE, (u16)((enable & ~DISPI_8BIT_DAC) | wide | DISPI_NO_CLEAR));
            dispi_set(DISPI_BANK, bank);
        }
        enable = dispi_get(DISPI_ENABLE);
    } else if (r->bl > 1) {
        return FAILED;
    }
    r->bh = enable & DISPI_ON && enable & DISPI_8BIT_DAC ? 8 : 6;
    return OK;
}

/* Colours of 4 bytes: blue, green, red, nothing. */
static u16 vbe_palette(Frame r)
{
    u16 es = r->es, at = (u16)r->edi;
    if (r->bl != 0 && r->bl != 0x80 && r->bl != 1) return r->bl == 2 || r->bl == 3 ? 0x024f : FAILED;
    if (r->dx > 255 || r->dx + r->cx > 256) return FAILED;
    if (r->bl == 0x80) wait_retrace();
    outb(r->bl == 1 ? DAC_READ : DAC_WRITE, (u8)r->dx);
    for (u16 n = r->cx; n; n--, at = (u16)(at + 4)) {
        for (u8 i = 0; i < 3; i++) {
            if (r->bl == 1)
                poke8(es, (u16)(at + 2 - i), inb(DAC_DATA));
            else
                outb(DAC_DATA, peek8(es, (u16)(at + 2 - i)));
        }
        if (r->bl == 1) poke8(es, (u16)(at + 3), 0);
    }
    return OK;
}

static u16 vbe_protected(Frame r)
{
    if (r->bl) return FAILED;
    r->es = rom_seg();
    r->edi = (r->edi & 0xffff0000) | (u16)(u32)vbe_pm;
    r->cx = (u16)(vbe_pm_end - vbe_pm);
    return OK;
}

/* Power management: on, or dark; the monitor of a window has no other states. */
static u16 vbe_power(Frame r)
{
    u8 mode = reg_get(SEQ, 1);
    if (r->bl == 0)
        r->bx = 0x0710; /* version 1.0; standby, suspend, off */
    else if (r->bl == 1)
        reg_set(SEQ, 1, (u8)(r->bh ? mode | 0x20 : mode & ~0x20));
    else if (r->bl == 2)
        r->bh = mode & 0x20 ? 4 : 0;
    else
        return FAILED;
    return OK;
}

/* The monitor's EDID 1.3: up to 1600x1200, preferably 1024x768 at 60 Hz. The last byte makes the sum zero. */
/* clang-format off */
static const u8 edid[128] = {
    0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, /* header */
    0x49, 0xc7, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, /* "RNG", product 1, serial number 1 */
    1, 34, 1, 3, /* week, 1990 +, version */
    0x08, 32, 24, 120, 0x0a, /* analogue, cm, gamma 2.2, RGB, preferred timing */
    0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54, /* sRGB chromaticity */
    0xa5, 0x4b, 0x00, /* 720x400, 640x480 and up to 1024x768, 1280x1024 by these bits */
    0xa9, 0x40, 0x81, 0x80, 0x81, 0x00, 0x71, 0x4f, /* 1600x1200, 1280x1024, 1280x800, 1152x864, all 60 to 75 Hz */
    0x61, 0x40, 0x45, 0x40, 0x31, 0x40, 0x01, 0x01, /* 1024x768, 800x600, 640x480 */
    /* 1024x768: 65 MHz; 1344 and 806 in all */
    0x64, 0x19, 0x00, 0x40, 0x41, 0x00, 0x26, 0x30, 0x18, 0x88, 0x36, 0x00, 0x40, 0xf0, 0x00, 0x00, 0x00, 0x18,
    /* 50-85 Hz, 30-100 kHz, 230 MHz */
    0, 0, 0, 0xfd, 0, 50, 85, 30, 100, 23, 0, '\n', ' ', ' ', ' ', ' ', ' ', ' ',
    0, 0, 0, 0xfc, 0, 'r', 'i', 'n', 'g', '3', ' ', 'd', 'i', 's', 'p', 'l', 'a', 'y',
    0, 0, 0, 0xff, 0, '1', '\n', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ',
    0, 0, /* no extension; the sum */
};
/* clang-format on */

static u16 vbe_ddc(Frame r)
{
    if (r->bl == 0) {
        r->bx = 0x0102; /* a second for a block; DDC2 */
        return OK;
    }
    if (r->bl != 1 || r->dx) return FAILED;
    u16 es = r->es, at = (u16)r->edi;
    u8 sum = 0;
    for (u8 i = 0; i < 127; i++) {
        sum = (u8)(sum + edid[i]);
        poke8(es, (u16)(at + i), edid[i]);
    }
    poke8(es, (u16)(at + 127), (u8)-sum);
    return OK;
}

void int10_vbe(Frame r)
{
    u16 result = FAILED;
    switch (r->al) {
    case 0x00: result = vbe_info(r); break;
    case 0x01: result = vbe_mode_info(r); break;
    case 0x02: result = vbe_set(r); break;
    case 0x03:
        r->bx = VBE_MODE ? VBE_MODE : VIDEO_MODE;
        if (VIDEO_CONTROL & CONTROL_NO_CLEAR) r->bx |= VBE_NO_CLEAR;
        result = OK;
        break;
    case 0x04: result = vbe_state(r); break;
    case 0x05: result = vbe_window(r); break;
    case 0x06: result = vbe_line_length(r); break;
    case 0x07: result = vbe_start(r); break;
    case 0x08: result = vbe_dac_width(r); break;
    case 0x09: result = vbe_palette(r); break;
    case 0x0a: result = vbe_protected(r); break;
    case 0x10: result = vbe_power(r); break;
    case 0x15: result = vbe_ddc(r); break;
    default: return;
    }
    r->ax = result;
}
