/* bios16.h - for the INT services: far memory, the data areas, calls of other services. See bios.h. */
#ifndef BIOS16_H
#define BIOS16_H

#include "bios.h"

extern Shared shared;

/* ES = 0040 whenever C runs. The compiler says %gs, and segments.sh makes it %es. */
#define BDA_SPACE __seg_gs
#define BDA       ((volatile BDA_SPACE Bda *)0)

#define FAR_ACCESS(bits, letter, reg)                                                                        \
    static inline u##bits far##bits(u16 seg, u16 off)                                                        \
    {                                                                                                        \
        u##bits v;                                                                                           \
        __asm__ volatile("pushw %%es; movw %w1, %%es; mov" letter " %%es:(%2), %0; popw %%es"                \
                         : "=" reg(v)                                                                        \
                         : "r"(seg), "r"((u32)off)                                                           \
                         : "memory");                                                                        \
        return v;                                                                                            \
    }                                                                                                        \
    static inline void far##bits##_set(u16 seg, u16 off, u##bits v)                                          \
    {                                                                                                        \
        __asm__ volatile("pushw %%es; movw %w1, %%es; mov" letter " %0, %%es:(%2); popw %%es" ::reg(v),      \
                         "r"(seg), "r"((u32)off)                                                             \
                         : "memory");                                                                        \
    }
FAR_ACCESS(8, "b", "q")
FAR_ACCESS(16, "w", "r")
FAR_ACCESS(32, "l", "r")
void far_copy_to(u16 seg, u16 off, const void *from, u16 bytes);
void far_copy_from(void *to, u16 seg, u16 off, u16 bytes);

/* The stack of whoever called a service by a far call (entry.S, pmm_entry): where its arguments begin, and two sizes of them. */
typedef struct Caller {
    Regs r;
    u32 ss, esp; /* as `enter` keeps them: at the interrupt's frame, below which is the far call's */
} Caller;
static inline u32 caller_arguments(const Regs *r) { return ((const Caller *)r)->esp + 6 + 4; }
static inline u16 caller_word(const Regs *r, u32 at) { return far16((u16)((const Caller *)r)->ss, (u16)at); }
static inline u32 caller_long(const Regs *r, u32 at) { return far32((u16)((const Caller *)r)->ss, (u16)at); }

static inline u16 ebda(void) { return BDA->ebda_seg; }
static inline u16 low_seg(void) { return LOW_SEG; }

static inline void set_cf(Regs *r, bool error)
{
    r->flags = (u16)((r->flags & ~FLAG_CF) | (error ? FLAG_CF : 0));
}

/* time.c */
typedef struct Deadline {
    u32 last, left, spins;
} Deadline;
void deadline_set(Deadline *d, u32 us);
bool deadline_over(Deadline *d);         /* to be asked at least every four seconds */
void wait_us(u32 us);                    /* interrupts as they are */
u32 div64(u64 n, u32 d, u32 *remainder); /* quotients of more than 32 bits saturate */

/* keyboard.c */
void kbd_set_leds(void);
bool kbc_wait_write(void);
bool kbc_wait_read(void);

/* disk.c */
typedef struct Drive {
    u8 kind;    /* DRIVE_* */
    u8 channel; /* 0, 1 */
    u8 slave;   /* 0, 1 */
    u8 lba48;
    u8 dma;                           /* bus master usable */
    u16 cylinders, heads, sectors;    /* the drive's own geometry */
    u16 lcylinders, lheads, lsectors; /* as INT 13h translates */
    u16 sector_bytes;
    u64 blocks;
    char model[41];
} Drive;
enum { DRIVE_NONE, DRIVE_DISK, DRIVE_CD };
enum { DRIVES = 4 };
extern Drive drive[DRIVES]; /* by channel * 2 + slave */
extern u8 disk_of[DRIVES];  /* 80h + n -> index in drive[] */
extern u8 disks, cds;
extern u8 cd_of[DRIVES];
/* status byte of INT 13h; far buffer; `blocks` of the drive's size (512; CD: 2048) */
u8 drive_read(const Drive *d, u64 lba, u16 blocks, u16 seg, u16 off);
void int13_disk(Regs *r, const Drive *d);

/* eltorito.c */
bool cd_emulates(u8 dl); /* DL is an emulated drive or the CD booted from */
void int13_cd(Regs *r);
u16 cd_boot(const Drive *d); /* 0: cannot; else segment of the boot image loaded; DL in cd_drive_number() */
u8 cd_drive_number(void);

/* floppy.c */
extern u8 floppies;
u8 floppy_type(u8 unit); /* CMOS type, 0 none */

#endif
