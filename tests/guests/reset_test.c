/* reset_test.c - a boot sector program that leaves the machine in a state (screen, chips, transfers under way,
 * paging...), resets it in one of the ways that a PC has, is booted again, and looks at what the firmware made of
 * it. The step it is at is kept in CMOS memory. Starts from floppy, hard disk or an El Torito image
 * (bios_test_start.S).
 *
 * Port E9 gets a line for each thing looked at, "name=value", and "STEP n STATE WAY" before each reset: the lines
 * of all boots must be the same (tests/boot/reset.py compares them). "WAIT key" and "WAIT reset" ask the monitor
 * for an 'a' and for system_reset. Port 501h (isa-debug-exit) ends it: 10h well, 11h after a reset that did not
 * come.
 */
#include "bios/bios16.h"

enum { CMOS_STEP = 0x70, EXIT_PORT = 0x501 };

void bios_test(u32 drive_number);
void protected_end(u32 way); /* reset_test_modes.S: paging on, A20 as it is; does not return */
extern char vram_end[], vram_end_after[], resumed[];

static u8 boot_drive;
static u8 sector[512];

/* --- telling --------------------------------------------------------------------------------------------- */

static void say(const char *s)
{
    while (*s) outb(PORT_DEBUG, (u8)*s++);
}

static void hex(u32 v)
{
    for (int i = 28; i >= 0; i -= 4) outb(PORT_DEBUG, (u8) "0123456789abcdef"[v >> i & 0xf]);
}

static void tell(const char *name, u32 v)
{
    say(name);
    say("=");
    hex(v);
    say("\n");
}

static u32 hash_byte(u32 h, u8 b) { return (h ^ b) * 16777619u; }

static u32 hash_far(u32 h, u16 seg, u32 from, u32 to)
{
    for (; from < to; from++) h = hash_byte(h, far8(seg, (u16)from));
    return h;
}

static Regs call(u8 n, u16 ax, u16 bx, u16 cx, u16 dx)
{
    Regs r = {.ax = ax, .bx = bx, .cx = cx, .dx = dx};
    int_call(n, &r);
    return r;
}

static u32 pci(u16 bus_fn, u8 reg)
{
    outl(0xcf8, 0x80000000 | (u32)bus_fn << 8 | reg);
    return inl(0xcfc);
}

static void pci_set(u16 bus_fn, u8 reg, u32 v)
{
    outl(0xcf8, 0x80000000 | (u32)bus_fn << 8 | reg);
    outl(0xcfc, v);
}

enum { HOST_BRIDGE = 0x00, ISA_BRIDGE = 0x08, IDE = 0x09, VGA = 0x10 };

/* --- looking --------------------------------------------------------------------------------------------- */

static u8 indexed(u16 port, u8 index)
{
    outb(port, index);
    return inb((u16)(port + 1));
}

static u8 attribute(u8 index)
{
    inb(0x3da);
    outb(0x3c0, index);
    u8 v = inb(0x3c1);
    inb(0x3da);
    outb(0x3c0, 0x20);
    return v;
}

static u32 font_hash(void)
{
    u8 old[5] = {indexed(0x3c4, 2), indexed(0x3c4, 4), indexed(0x3ce, 4), indexed(0x3ce, 5),
                 indexed(0x3ce, 6)};
    outw(0x3c4, 0x0402), outw(0x3c4, 0x0704), outw(0x3ce, 0x0204), outw(0x3ce, 0x0005), outw(0x3ce, 0x0406);
    u32 h = 1;
    for (u32 c = 0; c < 256; c++) h = hash_far(h, 0xa000, 32 * c, 32 * c + 16);
    outw(0x3c4, (u16)(old[0] << 8 | 2)), outw(0x3c4, (u16)(old[1] << 8 | 4));
    for (u8 i = 0; i < 3; i++) outw(0x3ce, (u16)(old[2 + i] << 8 | (4 + i)));
    return h;
}

static void look_at_screen(void)
{
    u32 h = 1;
    for (u8 i = 0; i < 0x19; i++)
        if (i != 0x0e && i != 0x0f) h = hash_byte(h, indexed(0x3d4, i)); /* all but the cursor's place */
    tell("crtc", h);
    h = 1;
    for (u8 i = 0; i < 5; i++) h = hash_byte(h, indexed(0x3c4, i));
    for (u8 i = 0; i < 9; i++) h = hash_byte(h, indexed(0x3ce, i));
    tell("sequencer and graphics", h);
    h = 1;
    for (u8 i = 0; i < 0x15; i++) h = hash_byte(h, attribute(i));
    tell("attributes", h);
    outb(0x3c7, 0);
    h = 1;
    for (u16 i = 0; i < 192; i++) h = hash_byte(h, inb(0x3c9)); /* what a text mode sets */
    tell("palette", h);
    tell("misc, pel mask", inb(0x3cc) | (u32)inb(0x3c6) << 8);
    outw(0x1ce, 4);
    tell("vbe", inw(0x1d0));
    tell("font", font_hash());
    tell("mode", far8(0x40, 0x49) | (u32)far8(0x40, 0x4a) << 8 | (u32)far8(0x40, 0x84) << 16);
    h = 1;
    for (u16 i = 0; i < 32; i += 2) h = hash_byte(h, far8(0xb800, i));
    tell("first line", h);
}

static void look_at_processor(void)
{
    struct PACKED {
        u16 limit;
        u32 base;
    } idt;
    u32 cr0;
    __asm__ volatile("sidt %0" : "=m"(idt));
    __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
    tell("cr0", cr0 & 0x80010001);
    tell("idt", idt.base | idt.limit);
    far16_set(0, 0x500, 0x1234);
    far16_set(0xffff, 0x510, 0x4321);
    tell("a20", far16(0, 0x500) == 0x1234);
}

/* On a busy host the keyboard's millisecond may be long. */
static u8 answered(void)
{
    for (u32 i = 0; i < 100000000 && !(inb(0x64) & 1); i++) {
    }
    return inb(0x60);
}

static u8 kbc(u8 command)
{
    while (inb(0x64) & 2) {
    }
    outb(0x64, command);
    return answered();
}

static u8 keyboard(u8 byte)
{
    while (inb(0x64) & 2) {
    }
    outb(0x60, byte);
    return answered();
}

static void look_at_chips(void)
{
    u32 h = 1;
    tell("pic", inb(PIC1_MASK) | (u32)inb(PIC2_MASK) << 8 | (u32)inb(0x4d0) << 16 | (u32)inb(0x4d1) << 24);
    outb(PIC1, 0x0b), outb(PIC2, 0x0b);
    tell("in service", inb(PIC1) | (u32)inb(PIC2) << 8);
    outb(PIC1, 0x0a), outb(PIC2, 0x0a);
    outb(0x43, 0xe2);
    tell("pit", inb(0x40) & 0x3f);
    tell("port 61", inb(0x61) & 0x0f);
    tell("port 92", inb(0x92));
    tell("rtc", cmos_read(CMOS_STATUS_B) | (u32)cmos_read(CMOS_SHUTDOWN) << 8);
    cli();
    tell("kbc", kbc(0x20));
    h = keyboard(0xf0);
    h = h << 8 | keyboard(0x00);
    tell("scan set", h << 8 | inb(0x60));
    sti();
    h = 1;
    for (u16 fn = 0; fn < 32 * 8; fn++)
        for (u16 reg = 0; reg < 0x100 && pci(fn, 0) != ~0u; reg += 4)
            if (!(fn == 0x0b && reg == 0x44))
                h = (h ^ (reg == 4 ? pci(fn, 4) & 0xffff : pci(fn, (u8)reg))) * 16777619u;
    tell("pci", h);
    tell("uart", inb(0x3f9) | (u32)inb(0x3fc) << 8);
}

static void look_at_memory(void)
{
    tell("int 12", call(0x12, 0, 0, 0, 0).ax);
    tell("int 15 88", call(0x15, 0x8800, 0, 0, 0).ax);
    Regs r = call(0x15, 0xe801, 0, 0, 0);
    tell("int 15 e801", r.ax | (u32)r.bx << 16);
    u32 next = 0;
    do {
        Regs e = {.eax = 0xe820, .ebx = next, .ecx = 20, .edx = 0x534d4150, .es = 0, .di = (u16)(u32)sector};
        int_call(0x15, &e);
        if (e.flags & FLAG_CF) break;
        const u32 *w = (const u32 *)sector;
        say("int 15 e820=");
        for (u8 i = 0; i < 5; i++) hex(w[i]), say(i < 4 ? " " : "\n");
        next = e.ebx;
    } while (next);
    tell("vectors", hash_far(1, 0, 0, 0x400));
    static const u8 steady[][2] = {{0x00, 0x12}, {0x13, 0x17}, {0x49, 0x50}, {0x62, 0x67},
                                   {0x75, 0x76}, {0x78, 0x8b}, {0x96, 0x97}, {0xa8, 0xac}};
    u32 h = 1;
    for (u8 i = 0; i < ARRAY_LEN(steady); i++) h = hash_far(h, 0x40, steady[i][0], steady[i][1]);
    tell("data area", h);
    tell("bios", hash_far(1, 0xf000, 0, 0x10000));
    tell("video bios", hash_far(1, 0xc000, 0, 0x8000));
}

static u16 key_waits(void) { return (call(0x16, 0x0100, 0, 0, 0).flags & FLAG_ZF) == 0; }

static void look_at_services(void)
{
    u32 began = far32(0x40, 0x6c), spins = 0;
    while (far32(0x40, 0x6c) == began && spins < 2000000000) spins++;
    tell("ticks", far32(0x40, 0x6c) != began);
    Regs r = {.ax = 0x0201, .bx = (u16)(u32)sector, .cx = 2, .dx = boot_drive};
    int_call(0x13, &r);
    tell("read", r.flags & FLAG_CF ? r.ax : 0);
    r = (Regs){.ax = 0x0201, .bx = (u16)(u32)sector, .cx = 1, .dx = 0x80};
    int_call(0x13, &r);
    tell("disk", r.flags & FLAG_CF ? r.ax : 0);
    tell("mouse", call(0x15, 0xc205, 0x0300, 0, 0).ax >> 8);
    while (key_waits()) call(0x16, 0, 0, 0, 0);
    say("WAIT key\n");
    tell("key", call(0x16, 0, 0, 0, 0).ax);
}

/* --- states ---------------------------------------------------------------------------------------------- */

static void state_text(void) {}

static void odd_palette(void)
{
    outb(0x3c8, 0);
    for (u16 i = 0; i < 768; i++) outb(0x3c9, (u8)(i * 7 & 63));
    outb(0x3c6, 0x5a);
}

static void state_planar(void)
{
    call(0x10, 0x0012, 0, 0, 0);
    odd_palette();
    outw(0x3ce, 0x0205), outw(0x3c4, 0x0502), outw(0x3ce, 0x5508);
    for (u16 i = 0; i < 0x8000; i++) far8_set(0xa000, i, (u8)i);
}

static void state_vbe_linear(void)
{
    call(0x10, 0x4f02, 0x4115, 0, 0); /* 800x600x24/32 */
    for (u16 i = 0; i < 1000; i++) call(0x10, 0x4f05, 0, 0, i & 7);
}

static void state_vbe_banked(void)
{
    call(0x10, 0x4f02, 0x0105, 0, 0); /* 1024x768x8 */
    odd_palette();
    call(0x10, 0x4f05, 0, 0, 3);
    for (u16 i = 0; i < 0x8000; i++) far8_set(0xa000, i, (u8)i);
    call(0x10, 0x4f07, 0, 8, 100); /* scrolled */
    call(0x10, 0x4f08, 0x0800, 0, 0);
}

static void state_mode_x(void)
{
    call(0x10, 0x0013, 0, 0, 0);
    outw(0x3c4, 0x0604);
    outw(0x3d4, 0x0014), outw(0x3d4, 0xe317);
    outw(0x3d4, 0x2c11), outw(0x3d4, 0x0d06), outw(0x3d4, 0x3e07); /* 240 lines */
    outw(0x3d4, 0x400c);
    odd_palette();
    outw(0x3c4, 0x0202), outw(0x3ce, 0x4105);
    outb(0x3c4, 1), outb(0x3c5, inb(0x3c5) | 0x20); /* screen off */
}

static void state_odd_text(void)
{
    call(0x10, 0x0001, 0, 0, 0);
    call(0x10, 0x1112, 0, 0, 0); /* 8x8 font */
    outw(0x3d4, 0x120c), outw(0x3d4, 0x2d0a);
    outw(0x3c4, 0x0402), outw(0x3c4, 0x0704), outw(0x3ce, 0x0406);
    for (u16 i = 0; i < 8192; i++) far8_set(0xa000, i, 0xaa); /* the font is gone */
    outb(0x3c3, 0);                                           /* the VGA sleeps */
}

/* READ DATA of a whole track, DMA programmed, and not waited for. */
static void state_floppy(void)
{
    static const u8 read[] = {0xe6, 0, 1, 0, 1, 2, 18, 0x1b, 0xff};
    outb(0x3f2, 0x1c);
    outb(0x0a, 6), outb(0x0c, 0), outb(0x0b, 0x46);
    outb(0x04, 0), outb(0x04, 0), outb(0x81, 2), outb(0x05, 0xff), outb(0x05, 0x23);
    outb(0x0a, 2);
    for (u8 i = 0; i < sizeof read; i++) {
        for (u32 spins = 0; (inb(0x3f4) & 0xc0) != 0x80 && spins < 100000; spins++) {
        }
        outb(0x3f5, read[i]);
    }
}

/* READ DMA of 128 sectors to 30000, not waited for. */
static void state_disk(void)
{
    u16 bm = (u16)(pci(IDE, 0x20) & ~3u);
    far32_set(0x2000, 0, 0x30000), far32_set(0x2000, 4, 0x80000000);
    outl((u16)(bm + 4), 0x20000);
    outb((u16)(bm + 2), 6), outb(bm, 8);
    outb(0x1f6, 0xe0), outb(0x1f2, 128), outb(0x1f3, 0), outb(0x1f4, 0), outb(0x1f5, 0);
    outb(0x1f7, 0xc8);
    outb(bm, 9);
}

static void state_chips(void)
{
    cli();
    outb(0x64, 0xad), outb(0x64, 0xa8);
    outb(0x64, 0xd4), outb(0x60, 0xf4); /* mouse streams */
    for (u32 i = 0; i < 10000; i++) inb(0x80);
    inb(0x60);
    outb(0x64, 0x60), outb(0x60, 0x30);
    outb(0x64, 0xd2), outb(0x60, 0x77); /* a byte waits */
    cmos_write(CMOS_STATUS_B, cmos_read(CMOS_STATUS_B) | 0x70);
    cmos_write(CMOS_STATUS_A, 0x23);
    outb(PIC1, 0x19), outb(PIC1_MASK, 0x60), outb(PIC1_MASK, 0x04), outb(PIC1_MASK, 0x03), outb(PIC1_MASK, 0);
    outb(PIC2, 0x11), outb(PIC2_MASK, 0x68), outb(PIC2_MASK, 0x02), outb(PIC2_MASK, 0x01), outb(PIC2_MASK, 0);
    outb(0x4d0, 0xf8), outb(0x4d1, 0xde);
    outb(0x43, 0x30), outb(0x40, 1), outb(0x40, 0);
    outb(0x43, 0xb6), outb(0x42, 0x34), outb(0x42, 0x02), outb(0x61, 3); /* a tone */
    outb(0x3fc, 0x1f), outb(0x3f9, 0x0f);
    outb(0x3f6, 0x02), outb(0x1f6, 0xf0);
    outb(0x08, 4), outb(0x0f, 0x0f);
    outb(0x378 + 2, 0x1c);
}

static void state_bus(void)
{
    cli();
    pci_set(VGA, 0x10, 0x00100008); /* the frame buffer over RAM */
    pci_set(VGA, 0x30, 0x000a0001);
    pci_set(IDE, 0x20, 0x0000f001);
    pci_set(ISA_BRIDGE + 3, 0x40, 0x00004001);
    pci_set(ISA_BRIDGE, 0x60, 0x80808080);
    pci_set(HOST_BRIDGE, 0x58, 0x33333300), pci_set(HOST_BRIDGE, 0x5c, 0x33333333);
    for (u32 i = 0; i < 0x10000; i++) far8_set(0xf000, (u16)i, 0xf4), far8_set(0xe000, (u16)i, 0xf4);
}

static void state_paging(void)
{
    cli();
    outb(0x92, inb(0x92) & ~2);
}

static void state_in_vram(void)
{
    call(0x10, 0x0013, 0, 0, 0);
    for (u16 i = 0; i < vram_end_after - vram_end; i++) far8_set(0xa000, i, (u8)vram_end[i]);
}

/* --- ways ------------------------------------------------------------------------------------------------ */

enum { WAY_KBC, WAY_PORT_92, WAY_CF9, WAY_TRIPLE, WAY_JUMP, WAY_KEYS, WAY_MONITOR, WAYS };
enum { NO_SOFT = 1, IN_PAGING = 2, IN_VRAM = 4, NO_KEYS = 8, IF_DISK = 16 };

static const struct State {
    const char *name;
    void (*set)(void);
    u32 how;
} states[] = {
    {"text", state_text, 0},
    {"planar", state_planar, 0},
    {"vbe-linear", state_vbe_linear, 0},
    {"vbe-banked", state_vbe_banked, 0},
    {"mode-x", state_mode_x, 0},
    {"odd-text", state_odd_text, 0},
    {"floppy", state_floppy, 0},
    {"disk-dma", state_disk, IF_DISK},
    {"chips", state_chips, NO_KEYS},
    {"bus", state_bus, NO_SOFT | NO_KEYS},
    {"paging", state_paging, NO_SOFT | NO_KEYS | IN_PAGING},
    {"code-in-vram", state_in_vram, NO_SOFT | NO_KEYS | IN_VRAM},
};
static const char *const ways[WAYS] = {"kbc", "port-92", "cf9", "triple", "jump", "keys", "monitor"};

static void feed_key(u8 scan)
{
    for (u32 i = 0; i < 100000 && inb(0x64) & 3; i++) {
    }
    outb(0x64, 0xd2);
    while (inb(0x64) & 2) {
    }
    outb(0x60, scan);
    for (u32 i = 0; i < 100000 && inb(0x64) & 1; i++) {
    }
}

static void end_by(u8 way)
{
    static const struct PACKED {
        u16 limit;
        u32 base;
    } none = {0, 0};
    switch (way) {
    case WAY_KBC: outb(0x64, 0xfe); break;
    case WAY_PORT_92: outb(0x92, inb(0x92) & ~1), outb(0x92, inb(0x92) | 1); break;
    case WAY_CF9: outb(0xcf9, 0x02), outb(0xcf9, 0x06); break;
    case WAY_TRIPLE: __asm__ volatile("lidt %0; int3" ::"m"(none)); break;
    case WAY_JUMP:
        BDA->reset_flag = 0x1234;
        __asm__ volatile("ljmpw $0xffff, $0");
        break;
    case WAY_KEYS: feed_key(0x1d), feed_key(0x38), feed_key(0x53); break;
    default: say("WAIT reset\n");
    }
    for (u32 i = 0; way != WAY_MONITOR && i < 3000000; i++) inb(0x80);
    if (way == WAY_MONITOR)
        for (;;) __asm__ volatile("cli; hlt");
    say("FAIL no reset came\n");
    outb(EXIT_PORT, 0x11);
}

static void leave(u8 step)
{
    const struct State *s = &states[step / WAYS];
    u8 way = step % WAYS;
    say("STEP "), hex(step), say(" "), say(s->name), say(" "), say(ways[way]), say("\n");
    s->set();
    if (s->how & IN_PAGING) protected_end(way);
    if (s->how & IN_VRAM) __asm__ volatile("ljmpw $0xa000, $0" ::"a"(way));
    end_by(way);
}

static bool left_out(u8 step)
{
    u32 how = states[step / WAYS].how;
    u8 way = step % WAYS;
    if (how & IF_DISK && !far8(0x40, 0x75)) return true;
    return (how & NO_SOFT && way == WAY_JUMP) || (how & NO_KEYS && way == WAY_KEYS);
}

void bios_test(u32 drive_number)
{
    boot_drive = (u8)drive_number;
    say("BOOT\n");
    look_at_screen();
    look_at_processor();
    look_at_chips();
    look_at_memory();
    look_at_services();
    u8 step = cmos_read(CMOS_STEP);
    while (step < ARRAY_LEN(states) * WAYS && left_out(step)) step++;
    cmos_write(CMOS_STEP, (u8)(step + 1));
    if (step < ARRAY_LEN(states) * WAYS)
        leave(step);
    else
        say("DONE\n"), outb(EXIT_PORT, 0x10);
}
