/* realmode.c - a Multiboot kernel that goes back to real mode and calls the BIOS, as hobby kernels do for a video mode, a
 * sector or the memory map. For the boot test realmode.py.
 *
 * A line on COM1 for each call, then "end" and power-off. Where the answer is known here, the line is "NAME works" or
 * "NAME WRONG" with the value.
 */
#include "serial.h"

enum { SECTOR = 0x7000, E820_ENTRY = 0x3100, FLAG_CF = 1 };

typedef struct Regs {
    u32 eax, ebx, ecx, edx, edi;
    u16 flags;
} Regs;

void probe_main(u32 magic, const u32 *info);
void real_install(void);
void real_call(u8 number);
void init_self(u8 code);

static void compare(const char *what, u32 v, u32 wanted)
{
    print(what);
    if (v == wanted)
        print(" works\r\n");
    else
        line(" WRONG", v);
}

/* --- the BIOS --- */

static volatile Regs *const regs = (volatile Regs *)0x3000;

static u32 call(u8 number, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
    regs->eax = eax;
    regs->ebx = ebx;
    regs->ecx = ecx;
    regs->edx = edx;
    real_call(number);
    return regs->eax;
}

static void screen(void)
{
    compare("mode", call(0x10, 0x0f00, 0, 0, 0) & 0xff, 3);
    call(0x10, 0x0200, 0, 0, 0x0a05);
    call(0x10, 0x0e52, 0, 0, 0);
    call(0x10, 0x0200, 0, 0, 0x0a05);
    compare("character", call(0x10, 0x0800, 0, 0, 0) & 0xff, 0x52);
    call(0x10, 0x0013, 0, 0, 0);
    compare("mode 13h", call(0x10, 0x0f00, 0, 0, 0) & 0xff, 0x13);
    call(0x10, 0x0003, 0, 0, 0);
}

static u32 ticks(void)
{
    call(0x1a, 0, 0, 0, 0);
    return regs->ecx << 16 | (regs->edx & 0xffff);
}

/* The tick runs, also while INT 15h waits. */
static void time(void)
{
    u32 before = ticks();
    call(0x15, 0x8600, 0, 3, 0); /* 0.2 s */
    u32 passed = ticks() - before;
    compare("ticks", passed >= 2 && passed < 100, 1);
}

static void disk(void)
{
    call(0x13, 0x0201, SECTOR, 0x0002, 0x80);
    compare("read", regs->flags & FLAG_CF, 0);
    line("sector", *(volatile u32 *)SECTOR);
}

/* INT 15h E820h tells what the Multiboot information does, entry by entry. */
static void memory(const u32 *info)
{
    const u8 *map = (const u8 *)info[12];
    u32 differs = 0, next = 0, count = 0;
    do {
        regs->edi = E820_ENTRY;
        call(0x15, 0xe820, next, 20, 0x534d4150);
        next = regs->ebx;
        for (u32 n = 0; n < 20; n++) differs |= ((volatile u8 *)E820_ENTRY)[n] ^ map[4 + n];
        map += 24;
        count++;
    } while (next && count < 100);
    compare("map", differs, 0);
    compare("map's length", info[11], count * 24);
    compare("INT 12h", call(0x12, 0, 0, 0, 0) & 0xffff, info[1]);
    call(0x15, 0x8a00, 0, 0, 0);
    compare("INT 15h 8Ah", regs->edx << 16 | (regs->eax & 0xffff), info[2]);
}

/* --- the processor by itself ------------------------------------------------------------------------------ */

/* INIT by the local APIC: the processor begins anew, but FPU and APIC ID stay, and so do memory and devices. */
static void init(void)
{
    enum { APIC_ID = (int)0xfee00020, SPURIOUS = (int)0xfee000f0, ODD_CONTROL = 0x127f };
    u16 control = ODD_CONTROL;
    u32 cr0, cr4;
    *(volatile u32 *)APIC_ID = 3 << 24;
    __asm__ volatile("fninit; fldcw %0" : : "m"(control));
    __asm__ volatile("mov %%cr4, %0; or $4, %0; mov %0, %%cr4" : "=r"(cr4));
    init_self(0x0a);
    __asm__ volatile("fnstcw %0" : "=m"(control));
    __asm__ volatile("mov %%cr0, %0; mov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
    compare("INIT, FPU", control, ODD_CONTROL);
    compare("INIT, CR4", cr4, 0);
    compare("INIT, CR0", cr0 & ~0x60000000u, 0x11);
    compare("INIT, APIC", *(volatile u32 *)APIC_ID | *(volatile u32 *)SPURIOUS, 3 << 24 | 0xff);
}

/* A root pointer in the BIOS's segment leads to a table whose sum is 0. */
static int has_acpi(void)
{
    for (const u32 *p = (const u32 *)0xe0000; p < (const u32 *)0x100000; p += 4) {
        if (p[0] != 0x20445352 || p[1] != 0x20525450) continue; /* RSD PTR */
        const u8 *t = (const u8 *)p[4];
        u8 sum = 0;
        for (u32 n = 0; n < ((const u32 *)t)[1] && n < 4096; n++) sum = (u8)(sum + t[n]);
        return *(const u32 *)t == 0x54445352 && !sum; /* RSDT */
    }
    return 0;
}

/* With shutdown code 0 the BIOS does all that it does at power-on, though the chips were not reset, and the kernel starts
 * again. True: that was often enough. */
static int started_again(void)
{
    enum { CMOS_COUNT = 0x40, STARTS = 7 };
    out8(0x70, CMOS_COUNT);
    u8 starts = (u8)(in8(0x71) + 1);
    out8(0x71, starts);
    line("start", starts);
    compare("ACPI", (u32)has_acpi(), 1);
    return starts == STARTS;
}

/* --- what must not work: asking for the kernel once more, from protected mode --- */

static int is_kernel_file(const u8 *name)
{
    static const char wanted[] = "etc/ring3/kernel";
    for (u32 n = 0; n < sizeof wanted; n++)
        if (name[n] != (u8)wanted[n]) return 0;
    return 1;
}

static void call_firmware(void)
{
    enum { SELECTOR = 0x510, DATA = 0x511, DIRECTORY = 0x19 };
    u8 entry[64];
    u32 found = 0;
    out16(SELECTOR, DIRECTORY);
    for (int n = 0; n < 4; n++) in8(DATA);
    for (int files = 0; files < 32 && !found; files++) {
        for (u32 n = 0; n < sizeof entry; n++) entry[n] = in8(DATA);
        if (is_kernel_file(entry + 8)) found = (u32)entry[4] << 8 | entry[5];
    }
    compare("firmware file", found != 0, 1);
    out16(SELECTOR, (u16)found);
    out8(DATA, 1);
}

static int has_apic(void)
{
    u32 a = 1, d;
    __asm__ volatile("cpuid" : "+a"(a), "=d"(d) : : "ebx", "ecx");
    return d >> 9 & 1;
}

void probe_main(u32 magic, const u32 *info)
{
    line("magic", magic);
    real_install();
    screen();
    time();
    disk();
    memory(info);
    call_firmware();
    if (has_apic()) {
        init();
        if (!started_again()) init_self(0);
    }
    print("end\r\n");
    out16(0x604, 1 << 13);
}
