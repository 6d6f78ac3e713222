/* sound.c - a guest that finds a Sound Blaster 16 as DOS programs do, plays blocks by auto-init DMA with interrupts,
 * and a note of the OPL3. It says on COM1 what it found and did. tests/boot/sound.py knows what it plays.
 */
#include "delay.h"
#include "serial.h"

enum { BASE = 0x220, RESET = BASE + 6, READ = BASE + 0xa, WRITE = BASE + 0xc, STATUS = BASE + 0xe };
enum { IRQ5_VECTOR = 0x25, HALF = 2048, BLOCKS = 24, BUFFER = 0x20000 };

void probe_main(u32 magic, const u32 *info);
void on_irq5(void);
void irq5(void);

__asm__(".globl irq5\nirq5: pusha\n cld\n call on_irq5\n popa\n iret\n");

static volatile u32 interrupts;
static u32 played; /* samples written into the buffer */

/* --- interrupts ------------------------------------------------------------------------------------------ */

static struct {
    u16 low, selector, kind, high;
} idt[IRQ5_VECTOR + 1];

static void interrupts_on(void)
{
    static const u8 icw[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1},    {0xa0, 0x11},
                                {0xa1, 0x28}, {0xa1, 2},    {0xa1, 1}, {0xa1, 0xff}, {0x21, 0xdf}};
    static struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) pointer;
    u16 cs;
    __asm__("mov %%cs, %0" : "=r"(cs));
    idt[IRQ5_VECTOR].low = (u16)(u32)irq5;
    idt[IRQ5_VECTOR].high = (u16)((u32)irq5 >> 16);
    idt[IRQ5_VECTOR].selector = cs;
    idt[IRQ5_VECTOR].kind = 0x8e00;
    pointer.limit = sizeof idt - 1;
    pointer.base = (u32)idt;
    __asm__ volatile("lidt %0" : : "m"(pointer));
    for (u32 n = 0; n < sizeof icw / sizeof *icw; n++) out8(icw[n][0], icw[n][1]);
    __asm__ volatile("sti");
}

/* --- the card -------------------------------------------------------------------------------------------- */

static void dsp(u8 v)
{
    while (in8(WRITE) & 0x80) continue;
    out8(WRITE, v);
}

static u8 dsp_answer(void)
{
    for (u32 n = 0; n < 1000; n++)
        if (in8(STATUS) & 0x80) return in8(READ);
    return 0;
}

static u8 dsp_found(void)
{
    out8(RESET, 1);
    wait_us(5);
    out8(RESET, 0);
    wait_us(100);
    return dsp_answer() == 0xaa;
}

static u8 mixer(u8 index)
{
    out8(BASE + 4, index);
    return in8(BASE + 5);
}

static void mixer_set(u8 index, u8 v)
{
    out8(BASE + 4, index);
    out8(BASE + 5, v);
}

static void fm(u8 index, u8 v)
{
    out8(0x388, index);
    for (u32 n = 0; n < 6; n++) in8(0x388);
    out8(0x389, v);
    for (u32 n = 0; n < 35; n++) in8(0x388);
}

static u32 fm_found(void)
{
    u32 before, after;
    fm(4, 0x60), fm(4, 0x80);
    before = in8(0x388);
    fm(2, 0xff), fm(4, 0x21);
    wait_us(100);
    after = in8(0x388);
    fm(4, 0x60), fm(4, 0x80);
    return before << 8 | after;
}

/* --- what is played -------------------------------------------------------------------------------------- */

/* A parabola each half turn of 256, up and down: nearly a sine, from -64 to 64. */
static int bow(u32 at)
{
    int x = (int)(at & 127), v = x * (128 - x) / 64;
    return at & 128 ? -v : v;
}

static void fill(u8 *to)
{
    for (u32 n = 0; n < HALF; n++, played++) to[n] = (u8)(128 + (bow(played * 5) + bow(played * 3)) * 3 / 4);
}

void on_irq5(void)
{
    in8(STATUS);
    fill((u8 *)BUFFER + (interrupts & 1 ? HALF : 0));
    interrupts++;
    out8(0x20, 0x20);
}

static void play(void)
{
    static const u8 dma[][2] = {{0x0a, 5},
                                {0x0c, 0},
                                {0x0b, 0x59},
                                {0x83, BUFFER >> 16},
                                {2, 0},
                                {2, 0},
                                {3, (2 * HALF - 1) & 0xff},
                                {3, (2 * HALF - 1) >> 8},
                                {0x0a, 1}};
    played = 0;
    fill((u8 *)BUFFER), fill((u8 *)BUFFER + HALF);
    for (u32 n = 0; n < sizeof dma / sizeof *dma; n++) out8(dma[n][0], dma[n][1]);
    interrupts = 0;
    dsp(0xd1);
    dsp(0x41), dsp(22050 >> 8), dsp(22050 & 0xff);
    dsp(0xc6), dsp(0), dsp((HALF - 1) & 0xff), dsp((HALF - 1) >> 8);
    u32 began = now_us();
    while (interrupts < BLOCKS - 1) continue;
    dsp(0xda);
    while (interrupts < BLOCKS) continue;
    line("blocks", interrupts);
    line("us", now_us() - began);
    dsp(0xd3);
}

static void note(void)
{
    static const u8 patch[][2] = {{0x20, 1},    {0x40, 0x3f}, {0x60, 0x00}, {0x80, 0x0f},
                                  {0x23, 0x21}, {0x43, 0},    {0x63, 0xf0}, {0x83, 0x0f},
                                  {0xc0, 0x30}, {0xa0, 0x44}, {0xb0, 0x32}};
    for (u32 n = 0; n < sizeof patch / sizeof *patch; n++) fm(patch[n][0], patch[n][1]);
    wait_us(600000);
    fm(0xb0, 0x12);
}

static void try_card(void)
{
    dsp(0xe1);
    u32 major = dsp_answer();
    line("version", major << 8 | dsp_answer());
    line("irq", mixer(0x80) & 15);
    line("dma", mixer(0x81));
    dsp(0xf2);
    wait_us(1000);
    line("interrupts", interrupts);
    for (u8 n = 0x30; n < 0x36; n++) mixer_set(n, 0xf8);
    wait_us(200000);
    play();
    wait_us(300000);
}

void probe_main(u32 magic, const u32 *info)
{
    (void)magic, (void)info;
    interrupts_on();
    u8 found = dsp_found();
    line("fm", fm_found());
    line("dsp", found);
    if (found) try_card();
    note();
    wait_us(300000);
    print("end\r\n");
    out16(0x604, 1 << 13);
    for (;;) continue;
}
