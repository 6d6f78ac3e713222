/* video_main.c - power-on, and INT 10h by its function numbers. See video.h. */
#include "video.h"

extern const char int10_entry[];
void video_init(void);
void int10(Frame r);

/* Static functionality table of INT 10h 1Bh: all modes 0-13h but 8-0C; 200, 350, 400 lines; eight character blocks, two
 * active; what of the other functions exists; save-pointer functions. */
const u8 video_static[16] = {0xff, 0xe0, 0x0f, 0, 0, 0, 0, 7, 8, 2, 0xff, 0x0e, 0, 0, 0x00, 0};

void video_init(void)
{
    VIDEO_CONTROL = 0x60;
    SWITCHES = 0xf9;
    VIDEO_FLAGS = FLAGS_VGA | FLAGS_400 | FLAGS_SWITCH;
    SAVE_POINTER = (u32)rom_seg() << 16 | (u16)(u32)&video_save_pointers;
    if ((u16)VECTOR(0x10) != (u16)(u32)int10_entry || VECTOR(0x10) >> 16 != rom_seg())
        VECTOR(0x42) = VECTOR(0x10);
    VECTOR(0x10) = VECTOR(0x6d) = (u32)rom_seg() << 16 | (u16)(u32)int10_entry;
    VBE_MODE = 0;
    reg_set(0x3d4, 0x11, 0);
    outb(0x3c3, 1); /* the VGA is awake, and its memory is in the map */
    mode_set(3);
}

void int10(Frame r)
{
    switch (r->ah) {
    case 0x00: {
        u8 mode = r->al & 0x7f;
        mode_set(r->al);
        r->al = mode == 6 ? 0x3f : mode > 7 ? 0x20 : 0x30;
        break;
    }
    case 0x01:
        CURSOR_SHAPE = r->cx;
        cursor_shape_set(r->ch, r->cl);
        break;
    case 0x02: cursor_move(r->bh, r->dx); break;
    case 0x03:
        r->cx = CURSOR_SHAPE;
        r->dx = CURSOR(r->bh & 7);
        break;
    case 0x04: r->ah = 0; break; /* no light pen */
    case 0x05: page_select(r->al); break;
    case 0x06: int10_scroll(r, false); break;
    case 0x07: int10_scroll(r, true); break;
    case 0x08: int10_read(r); break;
    case 0x09: int10_write(r, true); break;
    case 0x0a: int10_write(r, false); break;
    case 0x0b: int10_cga_palette(r); break;
    case 0x0c: int10_pixel_write(r); break;
    case 0x0d: int10_pixel_read(r); break;
    case 0x0e: tty(r->al, r->bl, ACTIVE_PAGE); break;
    case 0x0f:
        r->al = (u8)(VIDEO_MODE | (VIDEO_CONTROL & CONTROL_NO_CLEAR));
        r->ah = (u8)COLUMNS;
        r->bh = ACTIVE_PAGE;
        break;
    case 0x10: int10_palette(r); break;
    case 0x11: int10_font(r); break;
    case 0x12: int10_alternate(r); break;
    case 0x13: int10_string(r); break;
    case 0x1a: int10_dcc(r); break;
    case 0x1b: int10_state_info(r); break;
    case 0x1c: int10_save(r); break;
    case 0x4f: int10_vbe(r); break;
    default: break;
    }
}
