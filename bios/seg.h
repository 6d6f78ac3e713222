/* seg.h - numbers that assembly shares with bios.h. */
#define LOW_SEG    0xec00
#define LOW_FLAT   0xec000
#define BDA_SEG    0x40
#define SLOT       0xc00 /* one stack in LOW_SEG */
#define STACKS_TOP 0x4000
#define REGS_FLAGS 36
#define REGS_SIZE  40 /* bytes of struct Regs */
#define PIC_EOI    0x20
