/* post.c - power-on self test: from the first instruction of C to INT 19h.
 *
 * Order matters in a few places: variables need shadow RAM (thunk.S made it); a screen needs PCI and the video BIOS; messages
 * need a screen; drives need interrupts; and everything that writes c0000-fffff comes before the shadow RAM is locked.
 * It runs with interrupts off but inside calls to real mode.
 *
 * Sources: IBM Personal Computer AT Technical Reference (BIOS listing: order of POST, vectors, CMOS); Intel 290549, 290550.
 */
#include "bios32.h"

/* --- real mode ------------------------------------------------------------------------------------------- */

void int_call(u8 number, Regs *r) { real_call(*FLAT(u32, number * 4), r); }

extern char c16_entry;

void call16(u32 function)
{
    Regs r = {.ax = (u16)function};
    real_call(0xf0000000 | OFFSET(c16_entry), &r);
}

/* --- chips ----------------------------------------------------------------------------------------------- */

static void pic_setup(void)
{
    outb(PIC1, 0x11), outb(PIC1_MASK, 0x08), outb(PIC1_MASK, 0x04), outb(PIC1_MASK, 0x01);
    outb(PIC2, 0x11), outb(PIC2_MASK, 0x70), outb(PIC2_MASK, 0x02), outb(PIC2_MASK, 0x01);
    outb(PIC1_MASK, 0xb8); /* timer, keyboard, cascade, floppy */
    outb(PIC2_MASK, 0x8f); /* mouse, FPU, disk are opened; RTC, PCI and the second disk when asked for */
}

static void pit_setup(void)
{
    outb(0x43, 0x36), outb(0x40, 0), outb(0x40, 0); /* 18.2 Hz */
    outb(0x43, 0x54), outb(0x41, 18);               /* refresh, 15 us: what port 61h bit 4 shows */
    outb(0x61, inb(0x61) & 0x0c);                   /* speaker off */
}

static void dma_setup(void)
{
    outb(0x0d, 0), outb(0xda, 0); /* master clear */
    outb(0xd6, 0xc0);             /* channel 4 cascades */
    outb(0xd4, 0x00);
}

/* A processor with a local APIC passes the 8259s' interrupts on only when told to ("virtual wire"). */
bool cpu_has_apic(void)
{
    u32 before, after, a = 1, d;
    __asm__ volatile(
        "pushfl; pushfl; popl %0; movl %0, %1; xorl $0x200000, %0; pushl %0; popfl; pushfl; popl %0; popfl"
        : "=&r"(after), "=&r"(before));
    if (!((before ^ after) & 0x200000)) return false;
    __asm__ volatile("cpuid" : "+a"(a), "=d"(d)::"ebx", "ecx");
    return d & 1 << 9;
}

static void apic_setup(void)
{
    if (!cpu_has_apic()) return;
    *FLAT(u32, LAPIC + 0xf0) = 0x1ff;   /* SVR: on */
    *FLAT(u32, LAPIC + 0x350) = 0x8700; /* LINT0: ExtINT */
    *FLAT(u32, LAPIC + 0x360) = 0x0400; /* LINT1: NMI */
}

/* --- vectors and data areas ------------------------------------------------------------------------------ */

extern const u16 vectors_low[32], vectors_high[8];
extern char iret_only, irq_master;

static const u16 *rom_words(const u16 *low) { return (const u16 *)(0xf0000 + (u32)low); }

static void vectors_setup(void)
{
    volatile u32 *vector = FLAT(u32, 0);
    for (u32 i = 0; i < 256; i++) vector[i] = i < 0x60 || i > 0x67 ? 0xf0000000 | OFFSET(iret_only) : 0;
    for (u32 i = 0; i < 32; i++) vector[i] = 0xf0000000 | rom_words(vectors_low)[i];
    for (u32 i = 0; i < 8; i++) vector[0x70 + i] = 0xf0000000 | rom_words(vectors_high)[i];
    extern char int40;
    vector[0x40] = 0xf0000000 | OFFSET(int40);
    vector[0x1f] = 0;
    vector[0x41] = (u32)EBDA_SEG << 16 | EBDA_FDPT0;
    vector[0x46] = (u32)EBDA_SEG << 16 | EBDA_FDPT1;
}

static bool port_answers(u16 port, u8 pattern, u8 mask)
{
    u8 old = inb(port);
    outb(port, pattern);
    bool there = (inb(port) & mask) == (pattern & mask);
    outb(port, old);
    return there;
}

/* No interrupts, no modem lines. MCR is not written without need: by the first write hw/uart.c knows a guest that uses
 * modem lines from one that polls a port with three wires. */
static void com_quiet(u16 port)
{
    outb((u16)(port + 1), 0);
    if (inb((u16)(port + 4))) outb((u16)(port + 4), 0);
}

static void data_setup(bool warm)
{
    static const u16 com[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8}, lpt[] = {0x378, 0x278};
    for (u32 i = 0; i < 0x100; i++) *FLAT(u8, 0x400 + i) = 0;
    for (u32 i = 0; i < 1024; i++) *FLAT(u8, EBDA_SEG * 16 + i) = 0;
    BDA->reset_flag = warm ? 0x1234 : 0;
    BDA->memory_kib = 639;
    BDA->ebda_seg = EBDA_SEG;
    *FLAT(u8, EBDA_SEG * 16) = 1;
    u32 coms = 0, lpts = 0;
    for (u32 i = 0; i < 4; i++)
        if (port_answers((u16)(com[i] + 7), 0x5a, 0xff) || port_answers((u16)(com[i] + 3), 0x1b, 0xff)) {
            com_quiet(com[i]);
            BDA->com[coms++] = com[i];
        }
    for (u32 i = 0; i < 2; i++)
        if (port_answers(lpt[i], 0xaa, 0xff)) BDA->lpt[lpts++] = lpt[i];
    for (u32 i = 0; i < 4; i++) BDA->com_timeout[i] = 1, BDA->lpt_timeout[i] = 20;
    u16 equipment = (u16)(0x0026 | coms << 9 | lpts << 14); /* 80x25 colour, mouse, FPU */
    u8 cmos = cmos_read(CMOS_EQUIPMENT);
    equipment = (u16)((equipment & ~0x02) | (cmos & 0x02));
    BDA->equipment = equipment;
    BDA->kbd_buffer_start = BDA->kbd_head = BDA->kbd_tail = 0x1e;
    BDA->kbd_buffer_end = 0x3e;
    BDA->kbd_flags3 = 0x10; /* 101 keys */
}

/* The first half of the 8x8 font, which programs of CGA days read at F000:FA6E; the video BIOS has one. */
static void font_setup(void)
{
    extern char font_low;
    Regs r = {.ax = 0x1130, .bx = 0x0300};
    int_call(0x10, &r);
    u32 from = r.es * 16u + r.bp, to = 0xf0000 + OFFSET(font_low);
    for (u32 i = 0; i < 1024 && r.es; i++) *FLAT(u8, to + i) = *FLAT(u8, from + i);
}

/* --- power management ------------------------------------------------------------------------------------ */

static void pm_setup(void)
{
    u32 fn = PCI_FN(1, 3);
    if (pci_read(fn, PCI_VENDOR, 4) != 0x71138086) return;
    pci_write(fn, 0x40, 4, PMBASE | 1);
    pci_write(fn, 0x80, 1, 1);
    pci_write(fn, 0x90, 4, SMBASE | 1);
    pci_write(fn, 0xd2, 1, 0x09);
    pci_write(fn, PCI_LINE, 1, 9);
    pci_write(fn, PCI_COMMAND, 2, pci_read(fn, PCI_COMMAND, 2) | 1);
    LOW(shared).have_pm = 1;
}

/* --- the end --------------------------------------------------------------------------------------------- */

/* pam_lock - c0000-fffff stays readable RAM; only ec000-effff stays writable. */
void pam_lock(void);
void pam_lock(void)
{
    pci_write(0, 0x59, 1, 0x10);
    pci_write(0, 0x5a, 2, 0x1111);
    pci_write(0, 0x5c, 2, 0x1111);
    pci_write(0, 0x5e, 1, 0x11);
    pci_write(0, 0x5f, 1, 0x31);
}

static void boot_preferences(void)
{
    Shared *s = &LOW(shared);
    u8 order = cmos_read(CMOS_BOOT_ORDER2);
    s->boot_order[0] = order & 0xf;
    s->boot_order[1] = order >> 4;
    s->boot_order[2] = cmos_read(CMOS_BOOT_ORDER1) >> 4;
    s->boot_strict = cmos_read(CMOS_BOOT_ORDER1) >> 1 & 1;
    if (!order && !s->boot_order[2])
        s->boot_order[0] = BOOT_DISK, s->boot_order[1] = BOOT_FLOPPY, s->boot_order[2] = BOOT_CD;
    u16 menu = 0;
    fwcfg_read(0x0e, &menu, 2);
    s->boot_menu = (u8)(fwcfg_present() && menu);
    s->boot_menu_wait_ms = 2500;
    u16 key;
    if (fwcfg_find("etc/boot-menu-wait", &key) >= 2) fwcfg_read(key, &s->boot_menu_wait_ms, 2);
}

extern char kbd_setup, disk_setup, floppy_setup, boot_screen, time_setup, boot_service;

_Noreturn void post_main(void);
_Noreturn void post_main(void)
{
    bool warm = BDA->reset_flag == 0x1234;
    outb(PORT_POST, 0x01);
    apic_setup();
    pic_setup();
    pit_setup();
    dma_setup();
    vectors_setup();
    data_setup(warm);
    outb(PORT_POST, 0x10);
    LOW(shared).have_pci = pci_read(0, PCI_VENDOR, 2) != 0xffff;
    memory_setup();
    pci_setup();
    pm_setup();
    outb(PORT_POST, 0x20);
    if (!fwcfg_find("etc/ring3/kernel", &LOW(shared).kernel_key)) LOW(shared).kernel_key = 0;
    rom_video();
    int_call(0x10, &(Regs){.ax = 0x0003});
    font_setup();
    print("%s %s\n\n%u MiB of memory\n", BIOS_NAME, BIOS_VERSION, (LOW(shared).ext_kib + 2047) / 1024);
    outb(PORT_POST, 0x30);
    call16(OFFSET(time_setup));
    call16(OFFSET(kbd_setup));
    boot_preferences();
    outb(PORT_POST, 0x40);
    call16(OFFSET(floppy_setup));
    call16(OFFSET(disk_setup));
    rom_others();
    outb(PORT_POST, 0x50);
    tables_make();
    rom_own();
    if (LOW(shared).have_pci) pam_lock();
    LOW(shared).magic = SHARED_MAGIC;
    outb(PORT_POST, 0x60);
    call16(OFFSET(boot_screen));
    Regs r = {.flags = FLAG_IF};
    int_call(0x19, &r);
    for (;;) __asm__ volatile("hlt");
}
