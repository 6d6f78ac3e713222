/* bios.h - what every file of the firmware shares: words, ports, the BIOS data area, and the LOW segment.
 *
 * The firmware is one 128 KiB image at e0000-fffff made of two kinds of C:
 *
 *   32-bit (POST: post.c pci.c rom.c fwcfg.c loader.c tables.c) flat protected mode, interrupts off; runs once, e0000.
 *   16-bit (INT services: all others) gcc -m16, CS = f000, DS = SS = LOW_SEG, ES = 0040; FS and GS are the caller's.
 *
 * LOW_SEG (ec00) is a segment that sees both kinds of memory the services need: ec000-effff, which stays writable
 * shadow RAM (variables, at the start, and stacks, at the end), and f0000-fbfff, where the read-only data lies. So C code of
 * the services is plain C: string literals, statics and addresses of locals are all DS. The BIOS data area is reached through
 * ES (BDA->...), far memory too, for one instruction (far8() and friends). No service loads FS or GS (segments.sh).
 *
 * There is no .data: every variable starts as 0 and POST clears them, since a reset does not.
 */
#ifndef BIOS_H
#define BIOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))
#define PACKED       __attribute__((packed))
#define UNUSED       __attribute__((unused))

enum {
    LOW_SEG = 0xec00,
    EBDA_SEG = 0x9fc0,
    BDA_SEG = 0x40,
    PMBASE = 0x600, /* PIIX4 ACPI registers */
    SMBASE = 0x700, /* PIIX4 SMBus */
};

/* --- ports ----------------------------------------------------------------------------------------------- */

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory"); }
static inline void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory"); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory"); }
static inline u8 inb(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline u16 inw(u16 port)
{
    u16 v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline u32 inl(u16 port)
{
    u32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline void sti(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void cli(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void sti_hlt(void) { __asm__ volatile("sti; hlt" ::: "memory"); }

enum { PORT_CMOS = 0x70, PORT_CMOS_DATA = 0x71, PORT_POST = 0x80, PORT_A20 = 0x92, PORT_DEBUG = 0xe9 };
enum { PIC1 = 0x20, PIC1_MASK = 0x21, PIC2 = 0xa0, PIC2_MASK = 0xa1, PIC_EOI = 0x20 };

enum { /* CMOS memory */
       CMOS_STATUS_A = 0x0a,
       CMOS_STATUS_B = 0x0b,
       CMOS_STATUS_C = 0x0c,
       CMOS_STATUS_D = 0x0d,
       CMOS_SHUTDOWN = 0x0f,
       CMOS_FLOPPY = 0x10,
       CMOS_EQUIPMENT = 0x14,
       CMOS_EXT_LOW = 0x30, /* KiB above 1 MiB, at most 63 MiB */
       CMOS_CENTURY = 0x32,
       CMOS_EXT_HIGH = 0x34,    /* 64 KiB above 16 MiB */
       CMOS_BOOT_ORDER1 = 0x38, /* high nibble: third device; bits 0, 1: see boot.c */
       CMOS_BOOT_ORDER2 = 0x3d, /* low nibble: first device, high nibble: second */
};
/* No interrupt's handler may come between index and data; afterwards the index is that of status D, as an AT leaves it, where
 * a stray write does no harm. (Flags of 16 bits: not every V86 monitor knows the other PUSHF.) */
static inline u8 cmos_read(u8 reg)
{
    u16 v = reg;
    __asm__ volatile("pushfw; cli; outb %%al, $0x70; inb $0x71, %%al; movb %%al, %%ah; "
                     "movb $0x0d, %%al; outb %%al, $0x70; popfw"
                     : "+a"(v)::"memory");
    return (u8)(v >> 8);
}
static inline void cmos_write(u8 reg, u8 v)
{
    u16 both = (u16)(v << 8 | reg);
    __asm__ volatile("pushfw; cli; outb %%al, $0x70; movb %%ah, %%al; outb %%al, $0x71; "
                     "movb $0x0d, %%al; outb %%al, $0x70; popfw"
                     : "+a"(both)::"memory");
}

/* --- registers of a caller ------------------------------------------------------------------------------- */

/* clang-format off */
#define WORD_REGS(r) union { u32 e##r##x; u16 r##x; struct { u8 r##l, r##h; }; }
#define INDEX_REG(r) union { u32 e##r; u16 r; }
/* clang-format on */

/* A caller's registers, as entry.S pushes them and pops them on return. */
typedef struct Regs {
    u16 gs, fs, es, ds;
    INDEX_REG(di);
    INDEX_REG(si);
    INDEX_REG(bp);
    WORD_REGS(b);
    WORD_REGS(d);
    WORD_REGS(c);
    WORD_REGS(a);
    u16 flags, pad;
} Regs;

enum { FLAG_CF = 0x0001, FLAG_ZF = 0x0040, FLAG_IF = 0x0200 };

/* --- BIOS data area, at 0040:0000 ------------------------------------------------------------------------ */

typedef struct PACKED Bda {
    u16 com[4], lpt[3], ebda_seg;                                              /* 00 */
    u16 equipment;                                                             /* 10 */
    u8 post_flag;                                                              /* 12 */
    u16 memory_kib;                                                            /* 13 */
    u16 reserved15;                                                            /* 15 */
    u8 kbd_flags1, kbd_flags2, kbd_alt_digits;                                 /* 17 */
    u16 kbd_head, kbd_tail;                                                    /* 1a */
    u16 kbd_buffer[16];                                                        /* 1e */
    u8 floppy_recalibrated, floppy_motor, floppy_motor_timeout, floppy_status; /* 3e */
    u8 floppy_result[7];                                                       /* 42 */
    u8 video[0x1d];                                                            /* 49: the video BIOS's */
    u8 video66;                                                                /* 66 */
    u32 reset_vector;                                                          /* 67 */
    u8 last_irq;                                                               /* 6b */
    u32 ticks;                                                                 /* 6c */
    u8 midnight;                                                               /* 70 */
    u8 break_flag;                                                             /* 71 */
    u16 reset_flag;                                                            /* 72 */
    u8 disk_status, disk_count, disk_control, disk_port;                       /* 74 */
    u8 lpt_timeout[4], com_timeout[4];                                         /* 78 */
    u16 kbd_buffer_start, kbd_buffer_end;                                      /* 80 */
    u8 video84[7];                                                             /* 84 */
    u8 floppy_rate;                                                            /* 8b */
    u8 disk_reg_status, disk_reg_error, disk_done;                             /* 8c */
    u8 floppy_info;                                                            /* 8f */
    u8 floppy_media[4];                                                        /* 90 */
    u8 floppy_track[2];                                                        /* 94 */
    u8 kbd_flags3, kbd_leds;                                                   /* 96 */
    u32 wait_flag_ptr, wait_count;                                             /* 98 */
    u8 wait_active;                                                            /* a0 */
    u8 reserved_a1[7];                                                         /* a1 */
    u32 video_save;                                                            /* a8 */
} Bda;
_Static_assert(offsetof(Bda, reset_vector) == 0x67, "layout");
_Static_assert(offsetof(Bda, wait_active) == 0xa0, "layout");

/* Extended BIOS data area, 1 KiB at 9fc0:0000. */
enum {
    EBDA_SIZE = 0x00,          /* KiB */
    EBDA_MOUSE_HANDLER = 0x22, /* far pointer of INT 15h C207h */
    EBDA_MOUSE_FLAGS1 = 0x26,  /* bits 0-2: bytes received */
    EBDA_MOUSE_FLAGS2 = 0x27,  /* bit 7: handler set; bits 0-2: bytes in a packet - 1 */
    EBDA_MOUSE_DATA = 0x28,    /* 8 bytes */
    EBDA_FDPT0 = 0x3d,         /* fixed disk parameter tables, 16 bytes each (INT 41h, 46h) */
    EBDA_FDPT1 = 0x4d,
};

/* --- what POST and services share ------------------------------------------------------------------------ */

typedef struct PACKED E820 {
    u64 base, bytes;
    u32 type;
} E820;
enum { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_MAX = 16 };

/* What a ROM boots (rom.c). */
typedef struct BootEntry {
    u32 vector; /* segment and offset */
    u16 fn;     /* its PCI function: bus, device, function */
    char name[34];
} BootEntry;
enum { BEVS = 4, PNP_STRUCTURE = 0x24 };

/* Lies in LOW_SEG; 32-bit code says LOW(shared). */
typedef struct Shared {
    u32 magic; /* SHARED_MAGIC once POST is through: the shadow RAM may be resumed into */
    u32 e820_count;
    E820 e820[E820_MAX];
    u32 ext_kib;                                   /* memory above 1 MiB and below the PCI hole */
    u16 ide_base[2], ide_control[2], ide_bmdma[2]; /* by channel */
    u8 boot_order[3];                              /* BOOT_* */
    u8 boot_strict;                                /* nothing that boot_order does not name */
    u8 boot_menu;                                  /* offer it, and wait */
    u8 bevs;
    BootEntry bev[BEVS];
    u8 pnp[PNP_STRUCTURE]; /* for boot entries, at ES:DI */
    u16 boot_menu_wait_ms;
    u16 kernel_key; /* fw_cfg item to write to instead of booting; 0: none */
    u8 have_pm;     /* PIIX4 PM at PMBASE: power-off works */
    u8 have_pci;
    u16 pir_slots, pir_slots_bytes; /* interrupt routing of PCI slots, in segment F000 */
} Shared;
enum { SHARED_MAGIC = 0x33676e72 };
enum { BOOT_NONE = 0, BOOT_FLOPPY = 1, BOOT_DISK = 2, BOOT_CD = 3, BOOT_NETWORK = 4 };

#define BIOS_NAME    "ring3 BIOS"
#define BIOS_VERSION RING3_VERSION

/* Both halves have their own of these; the link must not mix them up. */
#ifdef BIOS32
#define HALF(name) __asm__(name "32")
#else
#define HALF(name) __asm__(name "16")
#endif
void *memset(void *to, int c, size_t n) HALF("memset");
void *memcpy(void *to, const void *from, size_t n) HALF("memcpy");
int memcmp(const void *a, const void *b, size_t n) HALF("memcmp");

/* printf of the screen (INT 10h teletype) and port E9: %d %u %x %c %s, widths, 0-padding. */
void print(const char *format, ...) HALF("print") __attribute__((format(printf, 1, 2)));

/* int_call - a service (or whoever hooked it) in real mode; registers in and out. */
void int_call(u8 number, Regs *r) HALF("int_call");

#endif
