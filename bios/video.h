/* video.h - what the files of the video BIOS share.
 *
 * The image is a PCI option ROM for the VGA: 16-bit code of gcc -m16 in one segment, C000. While it runs
 *   DS = CS = the ROM: constants are reached as usual, and there are no variables but those of the BIOS data area;
 *   SS:ESP = the caller's stack, which is why no local may have its address taken (a pointer means DS);
 *            The caller's registers, `Frame`, are reached through SS;
 *   ES = 0: vectors and BIOS data area; far memory for one instruction.
 * FS and GS are the caller's, and stay untouched: the compiler says %fs and %gs, segments.sh makes them %ss and %es.
 * Nothing privileged is executed, so that it runs in virtual-8086 mode, too. About 250 bytes of stack are used.
 *
 * Sources: IBM Personal System/2 and PC BIOS Interface Technical Reference (INT 10h, data area), IBM VGA reference
 * (registers and the default mode tables), VESA VBE 3.0 and VBE/DDC 1.1.
 */
#ifndef RING3_BIOS_VIDEO_H
#define RING3_BIOS_VIDEO_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef _Bool bool;
enum { false, true };

/* The caller's registers as video_entry.S pushes them, and a glyph's worth of scratch memory. */
typedef struct Regs {
    u8 pattern[16];
    u16 es, ds;
    u32 edi, esi, ebp, esp;
    union {
        u32 ebx;
        u16 bx;
        struct {
            u8 bl, bh;
        };
    };
    union {
        u32 edx;
        u16 dx;
        struct {
            u8 dl, dh;
        };
    };
    union {
        u32 ecx;
        u16 cx;
        struct {
            u8 cl, ch;
        };
    };
    union {
        u32 eax;
        u16 ax;
        struct {
            u8 al, ah;
        };
    };
    u16 ip, cs, flags;
} Regs;
typedef volatile __seg_fs Regs *Frame;

/* --- ports, far memory ------------------------------------------------------------------------------------- */

enum {
    AC = 0x3c0,
    AC_READ = 0x3c1,
    MISC = 0x3c2,
    SEQ = 0x3c4,
    DAC_MASK = 0x3c6,
    DAC_READ = 0x3c7,
    DAC_WRITE = 0x3c8,
    DAC_DATA = 0x3c9,
    MISC_READ = 0x3cc,
    GC = 0x3ce,
    DISPI = 0x1ce, /* index; data at 1cf */
};

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port)); }
static inline u8 inb(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline u16 inw(u16 port)
{
    u16 v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline u32 inl(u16 port)
{
    u32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void reg_set(u16 port, u8 index, u8 v) { outw(port, (u16)(index | v << 8)); }
static inline u8 reg_get(u16 port, u8 index)
{
    outb(port, index);
    return inb((u16)(port + 1));
}

#define FAR_GET(name, type)                                                                                  \
    static inline type name(u16 seg, u16 off)                                                                \
    {                                                                                                        \
        type v;                                                                                              \
        __asm__ volatile("pushw %%es\n\tmovw %w1, %%es\n\tmov %%es:(%2), %0\n\tpopw %%es"                    \
                         : "=q"(v)                                                                           \
                         : "r"(seg), "r"((u32)off)                                                           \
                         : "memory");                                                                        \
        return v;                                                                                            \
    }
#define FAR_SET(name, type)                                                                                  \
    static inline void name(u16 seg, u16 off, type v)                                                        \
    {                                                                                                        \
        __asm__ volatile("pushw %%es\n\tmovw %w1, %%es\n\tmov %0, %%es:(%2)\n\tpopw %%es" ::"q"(v),          \
                         "r"(seg), "r"((u32)off)                                                             \
                         : "memory");                                                                        \
    }
FAR_GET(peek8, u8)
FAR_GET(peek16, u16)
FAR_GET(peek32, u32)
FAR_SET(poke8, u8)
FAR_SET(poke16, u16)
FAR_SET(poke32, u32)

static inline void fill8(u16 seg, u16 off, u8 v, u16 count)
{
    __asm__ volatile("pushw %%es\n\tmovw %w2, %%es\n\trep stosb\n\tpopw %%es"
                     : "+D"(off), "+c"(count)
                     : "r"(seg), "a"(v)
                     : "memory");
}
static inline void fill16(u16 seg, u16 off, u16 v, u16 count)
{
    __asm__ volatile("pushw %%es\n\tmovw %w2, %%es\n\trep stosw\n\tpopw %%es"
                     : "+D"(off), "+c"(count)
                     : "r"(seg), "a"(v)
                     : "memory");
}
/* Bytes, ascending: overlapping downwards is fine. Words and dwords would break the VGA's latched copies. */
static inline void copy8(u16 to_seg, u16 to, u16 from_seg, u16 from, u16 count)
{
    __asm__ volatile(
        "pushw %%ds\n\tpushw %%es\n\tmovw %w3, %%es\n\tmovw %w4, %%ds\n\trep movsb\n\tpopw %%es\n\tpopw %%ds"
        : "+D"(to), "+S"(from), "+c"(count)
        : "r"(to_seg), "r"(from_seg)
        : "memory");
}
static inline void copy16(u16 to_seg, u16 to, u16 from_seg, u16 from, u16 count)
{
    __asm__ volatile(
        "pushw %%ds\n\tpushw %%es\n\tmovw %w3, %%es\n\tmovw %w4, %%ds\n\trep movsw\n\tpopw %%es\n\tpopw %%ds"
        : "+D"(to), "+S"(from), "+c"(count)
        : "r"(to_seg), "r"(from_seg)
        : "memory");
}
static inline u16 rom_seg(void)
{
    u16 v;
    __asm__("movw %%cs, %0" : "=r"(v));
    return v;
}

/* --- the BIOS data area ------------------------------------------------------------------------------------ */

#define LOW8(a)  (*(volatile __seg_gs u8 *)(u32)(a))
#define LOW16(a) (*(volatile __seg_gs u16 *)(u32)(a))
#define LOW32(a) (*(volatile __seg_gs u32 *)(u32)(a))

#define EQUIPMENT     LOW16(0x410)
#define VIDEO_MODE    LOW8(0x449)
#define COLUMNS       LOW16(0x44a)
#define PAGE_BYTES    LOW16(0x44c)
#define PAGE_START    LOW16(0x44e)
#define CURSOR(page)  LOW16(0x450 + 2 * (page)) /* column, row */
#define CURSOR_SHAPE  LOW16(0x460)              /* end, start */
#define ACTIVE_PAGE   LOW8(0x462)
#define CRTC          LOW16(0x463)
#define CGA_MODE      LOW8(0x465)
#define CGA_PALETTE   LOW8(0x466)
#define LAST_ROW      LOW8(0x484)
#define CHAR_HEIGHT   LOW16(0x485)
#define VIDEO_CONTROL LOW8(0x487)
#define SWITCHES      LOW8(0x488)
#define VIDEO_FLAGS   LOW8(0x489)
#define DISPLAY_CODE  LOW8(0x48a)
#define SAVE_POINTER  LOW32(0x4a8)
#define VBE_MODE      LOW16(0x4ba) /* 0: none; bit 14 as set */
#define VECTOR(n)     LOW32(4 * (n))
enum {
    CONTROL_NO_CURSOR_EMULATION = 1,
    CONTROL_NO_CLEAR = 0x80,
    FLAGS_VGA = 1,
    FLAGS_GREY = 2,
    FLAGS_MONO = 4,
    FLAGS_NO_PALETTE = 8,
    FLAGS_400 = 0x10,
    FLAGS_SWITCH = 0x40,
    FLAGS_200 = 0x80,
};

/* --- modes ------------------------------------------------------------------------------------------------- */

enum { TEXT, CGA, PLANAR, CHUNKY, BANKED }; /* CHUNKY: mode 13h; BANKED: VBE, 8 to 32 bits a pixel */
enum { DAC_TEXT, DAC_CGA, DAC_MONO, DAC_256 };

typedef struct Mode {
    u8 number, kind, bits, dac;
    u16 seg;
    u8 params; /* index in video_params; text modes: of 400 lines */
} Mode;

/* One row of the video parameter table that the save-pointer table leads to; its layout is IBM's. */
typedef struct __attribute__((packed)) Params {
    u8 columns, last_row, char_height;
    u16 page_bytes;
    u8 seq[4], misc, crtc[25], ac[20], gc[9];
} Params;

extern const Params video_params[29];
extern const u8 video_static[16], video_save_pointers[];
extern const u8 font16[], font14[], font8[];
extern const u8 dac_cga[16][3];

const Mode *mode_find(u8 number);
const Mode *mode_now(void); /* BANKED and planar VBE modes, too */
void mode_set(u8 number);   /* bit 7: memory is not cleared */
void params_load(const Params *p);
void mode_clear(const Mode *m);
void mode_tables(const Params *p); /* data area for a mode of these parameters */
void dac_load(u8 which);
void dac_grey(u16 first, u16 count);
void dac_set(u8 index, u8 r, u8 g, u8 b);
u16 status_port(void);

/* text and graphics output */
void cursor_shape_set(u8 start, u8 end);
void cursor_move(u8 page, u16 position);
void page_select(u8 page);
void int10_scroll(Frame r, bool down);
void int10_write(Frame r, bool attributes);
void int10_read(Frame r);
void int10_string(Frame r);
void int10_pixel_write(Frame r);
void int10_pixel_read(Frame r);
void tty(u8 c, u8 colour, u8 page);

/* fonts, palette, state */
void font_load(u16 seg, u16 off, u16 first, u16 count, u8 bytes, u8 block);
void font_text(u8 height); /* the ROM's, block 0, and the vectors */
void int10_font(Frame r);
void int10_palette(Frame r);
void int10_cga_palette(Frame r);
void int10_alternate(Frame r);
void int10_dcc(Frame r);
void int10_state_info(Frame r);
void int10_save(Frame r);
u16 state_bytes(u16 parts);
u16 state_save(u16 parts, u16 seg, u16 off);
u16 state_restore(u16 parts, u16 seg, u16 off);

/* VBE */
enum {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_BANK,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X,
    DISPI_Y,
    DISPI_MEMORY,
    DISPI_ON = 1,
    DISPI_8BIT_DAC = 0x20,
    DISPI_LFB = 0x40,
    DISPI_NO_CLEAR = 0x80,
};
static inline void dispi_set(u16 index, u16 v)
{
    outw(DISPI, index);
    outw(DISPI + 1, v);
}
static inline u16 dispi_get(u16 index)
{
    outw(DISPI, index);
    return inw(DISPI + 1);
}
void int10_vbe(Frame r);
void vbe_off(void);
const Mode *vbe_mode_now(void);

#endif
