/* video_state.c - INT 10h 12h alternate select, 1Ah display combination, 1Bh state information, 1Ch save and restore. */
#include "video.h"

static void video_enable(bool on)
{
    u8 v = inb(MISC_READ);
    outb(MISC, (u8)(on ? v | 2 : v & ~2));
}

static void flag_set(u8 flag, bool on) { VIDEO_FLAGS = (u8)(on ? VIDEO_FLAGS | flag : VIDEO_FLAGS & ~flag); }

static void scan_lines_set(u8 which)
{
    VIDEO_FLAGS = (u8)((VIDEO_FLAGS & ~(FLAGS_200 | FLAGS_400)) | (which == 0   ? FLAGS_200
                                                                   : which == 2 ? FLAGS_400
                                                                                : 0));
    SWITCHES = (u8)((SWITCHES & 0xf0) | (which == 0 ? 8 : 9));
}

void int10_alternate(Frame r)
{
    u8 al = r->al;
    switch (r->bl) {
    case 0x10:
        r->bh = CRTC == 0x3b4;
        r->bl = 3; /* 256 KiB */
        r->ch = SWITCHES >> 4;
        r->cl = SWITCHES & 0x0f;
        return;
    case 0x20: return; /* the print-screen handler of INT 05h knows the rows */
    case 0x30:
        if (al > 2) return;
        scan_lines_set(al);
        break;
    case 0x31: flag_set(FLAGS_NO_PALETTE, al & 1); break;
    case 0x32: video_enable(!(al & 1)); break;
    case 0x33: flag_set(FLAGS_GREY, !(al & 1)); break;
    case 0x34: VIDEO_CONTROL = (u8)((VIDEO_CONTROL & 0xfe) | (al & 1)); break;
    case 0x35: break; /* no second adapter */
    case 0x36: reg_set(SEQ, 1, (u8)((reg_get(SEQ, 1) & 0xdf) | (al & 1) << 5)); break;
    default: return;
    }
    r->al = 0x12;
}

void int10_dcc(Frame r)
{
    if (r->al == 0) {
        r->bl = DISPLAY_CODE;
        r->bh = 0;
    } else if (r->al == 1) {
        DISPLAY_CODE = r->bl;
    } else {
        return;
    }
    r->al = 0x1a;
}

static u8 scan_lines_code(void)
{
    u16 lines = (u16)((LAST_ROW + 1) * CHAR_HEIGHT);
    u8 cell = reg_get(CRTC, 9);
    if (mode_now()->kind != TEXT && cell & 0x80) return 0;
    return lines > 400 ? 3 : lines > 350 ? 2 : lines > 200 ? 1 : 0;
}

void int10_state_info(Frame r)
{
    if (r->bx) return;
    u16 es = r->es, di = (u16)r->edi;
    const Mode *m = mode_now();
    u8 blocks = reg_get(SEQ, 3);
    fill8(es, di, 0, 64);
    poke16(es, di, (u16)(u32)video_static);
    poke16(es, (u16)(di + 2), rom_seg());
    copy8(es, (u16)(di + 4), 0x40, 0x49, 30);
    poke8(es, (u16)(di + 0x22), (u8)(LAST_ROW + 1));
    poke16(es, (u16)(di + 0x23), CHAR_HEIGHT);
    poke8(es, (u16)(di + 0x25), DISPLAY_CODE);
    u16 colours = m->number == 7 ? 0 : m->bits > 8 ? 0 : (u16)(1 << m->bits);
    poke16(es, (u16)(di + 0x27), colours);
    u8 pages = 1;
    if (m->kind == TEXT || m->kind == PLANAR) {
        u32 page = PAGE_BYTES;
        u32 all = m->kind == TEXT ? 0x8000 : 0x10000;
        pages = (u8)(page ? all / page : 1);
        if (pages > 8) pages = 8;
    }
    poke8(es, (u16)(di + 0x29), pages ? pages : 1);
    poke8(es, (u16)(di + 0x2a), scan_lines_code());
    poke8(es, (u16)(di + 0x2b), (u8)((blocks & 3) | (blocks & 0x10) >> 2));
    poke8(es, (u16)(di + 0x2c), (u8)((blocks & 0x0c) >> 2 | (blocks & 0x20) >> 3));
    u8 misc = 1; /* all modes on all displays */
    if (VIDEO_FLAGS & FLAGS_GREY) misc |= 2;
    if (CRTC == 0x3b4) misc |= 4;
    if (VIDEO_FLAGS & FLAGS_NO_PALETTE) misc |= 8;
    if (!(VIDEO_CONTROL & CONTROL_NO_CURSOR_EMULATION)) misc |= 0x10;
    if (CGA_MODE & 0x20) misc |= 0x20;
    poke8(es, (u16)(di + 0x2d), misc);
    poke8(es, (u16)(di + 0x31), 3);    /* 256 KiB */
    poke8(es, (u16)(di + 0x32), 0x10); /* a display combination table */
    r->al = 0x1b;
}

/* --- save and restore -------------------------------------------------------------------------------------- */

enum { PART_HARDWARE = 1, PART_DATA = 2, PART_DAC = 4, PART_VBE = 8 };
enum { BYTES_HARDWARE = 128, BYTES_DATA = 64, BYTES_DAC = 832, BYTES_VBE = 64 };

u16 state_bytes(u16 parts)
{
    return (u16)((parts & PART_HARDWARE ? BYTES_HARDWARE : 0) + (parts & PART_DATA ? BYTES_DATA : 0) +
                 (parts & PART_DAC ? BYTES_DAC : 0) + (parts & PART_VBE ? BYTES_VBE : 0));
}

static void hardware_save(u16 seg, u16 at)
{
    u16 crtc = inb(MISC_READ) & 1 ? 0x3d4 : 0x3b4;
    poke16(seg, at, crtc), at = (u16)(at + 2);
    poke8(seg, at++, inb(SEQ));
    poke8(seg, at++, inb(crtc));
    poke8(seg, at++, inb(GC));
    poke8(seg, at++, inb(MISC_READ));
    u8 sequencer = inb(SEQ), crtc_index = inb(crtc), gc = inb(GC);
    for (u8 i = 0; i < 5; i++) poke8(seg, at++, reg_get(SEQ, i));
    for (u8 i = 0; i < 25; i++) poke8(seg, at++, reg_get(crtc, i));
    for (u8 i = 0; i < 9; i++) poke8(seg, at++, reg_get(GC, i));
    for (u8 i = 0; i < 21; i++) {
        inb((u16)(crtc + 6));
        outb(AC, i);
        poke8(seg, at++, inb(AC_READ));
    }
    inb((u16)(crtc + 6));
    outb(AC, 0x20);
    outb(SEQ, sequencer);
    outb(crtc, crtc_index);
    outb(GC, gc);
}

static void hardware_restore(u16 seg, u16 at)
{
    u16 crtc = peek16(seg, at) == 0x3b4 ? 0x3b4 : 0x3d4, indexes = (u16)(at + 2);
    outb(MISC, peek8(seg, (u16)(at + 5)));
    at = (u16)(at + 7); /* sequencer 1 first: its reset register would stop it */
    reg_set(SEQ, 0, 1);
    for (u8 i = 1; i < 5; i++) reg_set(SEQ, i, peek8(seg, at++));
    reg_set(SEQ, 0, 3);
    reg_set(crtc, 0x11, 0);
    for (u8 i = 0; i < 25; i++) reg_set(crtc, i, peek8(seg, at++));
    for (u8 i = 0; i < 9; i++) reg_set(GC, i, peek8(seg, at++));
    inb((u16)(crtc + 6));
    for (u8 i = 0; i < 21; i++) {
        outb(AC, i);
        outb(AC, peek8(seg, at++));
    }
    outb(AC, 0x20);
    outb(SEQ, peek8(seg, indexes));
    outb(crtc, peek8(seg, (u16)(indexes + 1)));
    outb(GC, peek8(seg, (u16)(indexes + 2)));
}

static void data_save(u16 seg, u16 at)
{
    copy8(seg, at, 0, 0x449, 30);
    copy8(seg, (u16)(at + 30), 0, 0x484, 7);
    poke32(seg, (u16)(at + 37), SAVE_POINTER);
    poke32(seg, (u16)(at + 41), VECTOR(0x1f));
    poke32(seg, (u16)(at + 45), VECTOR(0x43));
    poke16(seg, (u16)(at + 49), VBE_MODE);
    poke8(seg, (u16)(at + 51), EQUIPMENT & 0x30);
}

static void data_restore(u16 seg, u16 at)
{
    copy8(0, 0x449, seg, at, 30);
    copy8(0, 0x484, seg, (u16)(at + 30), 7);
    SAVE_POINTER = peek32(seg, (u16)(at + 37));
    VECTOR(0x1f) = peek32(seg, (u16)(at + 41));
    VECTOR(0x43) = peek32(seg, (u16)(at + 45));
    VBE_MODE = peek16(seg, (u16)(at + 49));
    EQUIPMENT = (u16)((EQUIPMENT & ~0x30) | peek8(seg, (u16)(at + 51)));
}

static void dac_save(u16 seg, u16 at)
{
    poke8(seg, at++, inb(DAC_MASK));
    outb(DAC_READ, 0);
    for (u16 i = 0; i < 768; i++) poke8(seg, at++, inb(DAC_DATA));
}

static void dac_restore(u16 seg, u16 at)
{
    outb(DAC_MASK, peek8(seg, at++));
    outb(DAC_WRITE, 0);
    for (u16 i = 0; i < 768; i++) outb(DAC_DATA, peek8(seg, at++));
}

u16 state_save(u16 parts, u16 seg, u16 at)
{
    if (parts & PART_HARDWARE) hardware_save(seg, at), at = (u16)(at + BYTES_HARDWARE);
    if (parts & PART_DATA) data_save(seg, at), at = (u16)(at + BYTES_DATA);
    if (parts & PART_DAC) dac_save(seg, at), at = (u16)(at + BYTES_DAC);
    for (u16 i = DISPI_XRES; parts & PART_VBE && i <= DISPI_Y; i++, at = (u16)(at + 2))
        poke16(seg, at, dispi_get(i));
    return at;
}

/* The VBE registers come first: enabling them changes the VGA's. */
static void vbe_restore(u16 seg, u16 at)
{
    dispi_set(DISPI_ENABLE, 0);
    for (u16 i = DISPI_XRES; i <= DISPI_BPP; i++) dispi_set(i, peek16(seg, (u16)(at + 2 * (i - 1))));
    u16 enable = peek16(seg, (u16)(at + 2 * (DISPI_ENABLE - 1)));
    if (!(enable & DISPI_ON)) return;
    dispi_set(DISPI_ENABLE, enable | DISPI_NO_CLEAR);
    for (u16 i = DISPI_BANK; i <= DISPI_Y; i++)
        if (i != DISPI_VIRT_HEIGHT) dispi_set(i, peek16(seg, (u16)(at + 2 * (i - 1))));
}

u16 state_restore(u16 parts, u16 seg, u16 at)
{
    if (parts & PART_VBE) vbe_restore(seg, (u16)(at + state_bytes(parts & 7)));
    if (parts & PART_HARDWARE) hardware_restore(seg, at), at = (u16)(at + BYTES_HARDWARE);
    if (parts & PART_DATA) data_restore(seg, at), at = (u16)(at + BYTES_DATA);
    if (parts & PART_DAC) dac_restore(seg, at), at = (u16)(at + BYTES_DAC);
    return at;
}

void int10_save(Frame r)
{
    u16 parts = r->cx & 7;
    if (!parts) return;
    if (r->al == 0)
        r->bx = state_bytes(parts) / 64;
    else if (r->al == 1)
        state_save(parts, r->es, r->bx);
    else if (r->al == 2)
        state_restore(parts, r->es, r->bx);
    else
        return;
    r->al = 0x1c;
}
