/* screen.h - every register of the VGA and its Bochs extension that the picture depends on.
 *
 * Plain data: it may lie in memory shared with the process that draws (scanout.h), which reads it while the guest
 * writes it. hw/vga.c is the only writer. Names are those of the IBM VGA's manual (PS/2 Hardware Interface Technical
 * Reference, Video Subsystem) and of the Bochs VBE interface.
 */
#ifndef RING3_SCREEN_H
#define RING3_SCREEN_H

#include "cpu/base/base.h"

enum {                   /* Miscellaneous Output, 3C2h */
       MISC_IOAS = 0x01, /* 3Dxh, not 3Bxh */
       MISC_ERAM = 0x02,
       MISC_CS = 0x0c /* 0: 25.175 MHz, 4: 28.322 MHz */
};
enum { /* Sequencer, 3C4h */
       SEQ_RESET,
       SEQ_CLOCKING_MODE,
       SEQ_MAP_MASK,
       SEQ_CHARACTER_MAP_SELECT,
       SEQ_MEMORY_MODE,
       SEQ_COUNT
};
enum { SR1_D89 = 0x01, SR1_DC = 0x08, SR1_SO = 0x20, SR4_OE = 0x04, SR4_CH4 = 0x08 };

enum { /* CRT controller, 3D4h */
       CRTC_HORIZONTAL_TOTAL,
       CRTC_HORIZONTAL_DISPLAY_END,
       CRTC_START_HORIZONTAL_BLANKING,
       CRTC_END_HORIZONTAL_BLANKING,
       CRTC_START_HORIZONTAL_RETRACE,
       CRTC_END_HORIZONTAL_RETRACE,
       CRTC_VERTICAL_TOTAL,
       CRTC_OVERFLOW,
       CRTC_PRESET_ROW_SCAN,
       CRTC_MAXIMUM_SCAN_LINE,
       CRTC_CURSOR_START,
       CRTC_CURSOR_END,
       CRTC_START_ADDRESS_HIGH,
       CRTC_START_ADDRESS_LOW,
       CRTC_CURSOR_LOCATION_HIGH,
       CRTC_CURSOR_LOCATION_LOW,
       CRTC_VERTICAL_RETRACE_START,
       CRTC_VERTICAL_RETRACE_END,
       CRTC_VERTICAL_DISPLAY_END,
       CRTC_OFFSET,
       CRTC_UNDERLINE_LOCATION,
       CRTC_START_VERTICAL_BLANKING,
       CRTC_END_VERTICAL_BLANKING,
       CRTC_MODE_CONTROL,
       CRTC_LINE_COMPARE,
       CRTC_COUNT
};
enum { /* overflow, maximum scan line, cursor start, vertical retrace end, underline, mode control */
       CR7_LC8 = 0x10,
       CR9_LC9 = 0x40,
       CR9_DSC = 0x80,
       CRA_COO = 0x20,
       CR11_PR = 0x80,
       CR14_DW = 0x40,
       CR17_CMS0 = 0x01,
       CR17_CMS1 = 0x02,
       CR17_HRS = 0x04,
       CR17_AW = 0x20,
       CR17_WB = 0x40,
       CR17_HRST = 0x80
};

enum { /* graphics controller, 3CEh */
       GFX_SET_RESET,
       GFX_ENABLE_SET_RESET,
       GFX_COLOR_COMPARE,
       GFX_DATA_ROTATE,
       GFX_READ_MAP_SELECT,
       GFX_MODE,
       GFX_MISCELLANEOUS,
       GFX_COLOR_DONT_CARE,
       GFX_BIT_MASK,
       GFX_COUNT
};
enum { GR5_WM = 0x03, GR5_RM = 0x08, GR5_OE = 0x10, GR5_SR = 0x20, GR5_C256 = 0x40 };
enum { GR6_GM = 0x01, GR6_OE = 0x02, GR6_MM = 0x0c };

enum { /* attribute controller, 3C0h: 16 palette registers before these */
       ATTR_MODE_CONTROL = 0x10,
       ATTR_OVERSCAN_COLOR,
       ATTR_COLOR_PLANE_ENABLE,
       ATTR_HORIZONTAL_PEL_PANNING,
       ATTR_COLOR_SELECT,
       ATTR_COUNT,
       ATTR_INDEX_MASK = 0x1f,
       ATTR_PAS = 0x20 /* in the index: the palette belongs to the display, which is on */
};
enum { AR10_ME = 0x02, AR10_ELG = 0x04, AR10_EB = 0x08, AR10_PP = 0x20, AR10_PW = 0x40, AR10_PS = 0x80 };

enum { /* Bochs VBE, 1CEh */
       DISPI_ID,
       DISPI_XRES,
       DISPI_YRES,
       DISPI_BPP,
       DISPI_ENABLE,
       DISPI_BANK,
       DISPI_VIRT_WIDTH,
       DISPI_VIRT_HEIGHT,
       DISPI_X_OFFSET,
       DISPI_Y_OFFSET,
       DISPI_VIDEO_MEMORY_64K,
       DISPI_COUNT
};
enum {
    DISPI_ENABLED = 0x01,
    DISPI_GETCAPS = 0x02,
    DISPI_8BIT_DAC = 0x20,
    DISPI_LFB_ENABLED = 0x40,
    DISPI_NOCLEARMEM = 0x80
};

/* The largest picture: a VBE mode, or the largest that the CRT controller's counters reach. */
enum { VBE_MAX_XRES = 2560, VBE_MAX_YRES = 1600, CRTC_MAX_WIDTH = 256 * 9, CRTC_MAX_HEIGHT = 2048 };

typedef struct ScreenState {
    u8 misc;
    u8 seq[SEQ_COUNT];
    u8 crtc[CRTC_COUNT];
    u8 gfx[GFX_COUNT];
    u8 attr[ATTR_COUNT];
    u8 attr_index;  /* with ATTR_PAS */
    u8 pel_mask;    /* 3C6h */
    u8 dac[256][3]; /* red, green, blue as written: 6 bits, or 8 with DISPI_8BIT_DAC */
    u16 dispi[DISPI_COUNT];
} ScreenState;

static inline bool screen_vbe(const ScreenState *s) { return s->dispi[DISPI_ENABLE] & DISPI_ENABLED; }

#endif
