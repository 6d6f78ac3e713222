/* bios32.h - for POST: flat memory, the services' variables, calls into real mode. See bios.h. */
#ifndef BIOS32_H
#define BIOS32_H

#include "bios.h"

extern Shared shared;
/* A variable of the services, and the address of something in their code (an offset in segment F000). */
static inline void *low_flat(const volatile void *v)
{
    u32 pa = (u32)v + LOW_SEG * 16;
    __asm__("" : "+r"(pa)); /* the compiler is not to think about the distance */
    return (void *)pa;
}
#define LOW(v)         (*(__typeof__(v) *)low_flat(&(v)))
#define OFFSET(f)      ((u16)(u32) & (f))
#define BDA            ((volatile Bda *)0x400)
#define FLAT(type, pa) ((volatile type *)(pa))

void real_call(u32 target, Regs *r);     /* thunk.S */
void real_call_big(u32 target, Regs *r); /* ... with segments of 4 GiB */
void call16(u32 function);           /* a void f(Regs *) of the services */

/* post.c */
bool cpu_has_apic(void);
enum { LAPIC = (int)0xfee00000, IOAPIC = (int)0xfec00000 };

static inline u32 align_up(u32 n, u32 to) { return (n + to - 1) & ~(to - 1); }

/* pci.c */
u32 pci_read(u32 fn, u32 reg, u32 bytes);
void pci_write(u32 fn, u32 reg, u32 bytes, u32 v);
void pci_setup(void);
u8 pci_irq_of_pin(u32 slot, u32 pin); /* pin 1-4 */
#define PCI_FN(slot, f) ((u32)((slot) << 3 | (f)))
enum {
    PCI_VENDOR = 0x00,
    PCI_COMMAND = 0x04,
    PCI_CLASS = 0x0a,
    PCI_HEADER = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_ROM = 0x30,
    PCI_LINE = 0x3c,
    PCI_PIN = 0x3d,
    PCI_CLASS_VGA = 0x0300,
    PCI_CLASS_IDE = 0x0101,
};

/* rom.c */
void rom_video(void);  /* the VGA's, at c0000 */
void rom_others(void); /* c8000 up */
void rom_own(void);    /* e0000-effff: what POST does last before they are locked */

/* memory.c */
void memory_setup(void);
u32 memory_alloc_high(u32 bytes, u32 align); /* from the reserved top of RAM; 0: none left */
u32 memory_alloc_fseg(u32 bytes, u32 align); /* from f0000 up, read-only later; 0: none left */
extern u32 memory_top;                       /* end of RAM below the PCI hole */

/* fwcfg.c */
bool fwcfg_present(void);
u32 fwcfg_find(const char *name, u16 *key); /* bytes; 0: no such file */
u32 fwcfg_find_nth(const char *folder, u32 n, u16 *key); /* the nth file (from 0) whose name begins so */
void fwcfg_read(u16 key, void *to, u32 bytes);

/* loader.c */
bool loader_run(void); /* ACPI tables by fw_cfg; false: there are none */

/* tables.c */
void tables_make(void);

#endif
