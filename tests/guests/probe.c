/* probe.c - a guest that does what its command line says, word by word, and talks on COM1. For the boot tests.
 *
 *   info        what the loader handed over: magic, memory, modules with their contents' sums
 *   count       how many times the machine came up since power-on (kept in CMOS)
 *   echo        send received bytes back until 'q'
 *   exit=N      write N to the debug exit port 501h, 2 bytes
 *   debug       "hi" to port E9h
 *   work        a mark (64206C6Ch) at 300000h, then count up at 300004h for ever
 *   loops       how many rounds of two delay loops run in a millisecond, three times each
 *   flood       the same, and a line with the number each time
 *   text        a pattern of all characters and colours on the text screen
 *   beep        1000 Hz on the speaker for a fifth of a second
 *   keys        say what keyboard and mouse send, until Esc
 *   once        go on only if this is the first time it came up
 *   reset=cf9|kbc|p92   triple   off   spin   halt (IF=1)   hlt (IF=0)   the various ends
 */
#include "serial.h"

enum { CMOS_COUNT = 0x40 };

void probe_main(u32 magic, const u32 *info);
void triple_fault(void);
void halt_with_interrupts(void);

static u8 boots(void)
{
    out8(0x70, CMOS_COUNT);
    return in8(0x71);
}

static void count_boot(void)
{
    u8 n = (u8)(boots() + 1);
    out8(0x70, CMOS_COUNT);
    out8(0x71, n);
}

static void show_modules(u32 count, const u32 *mod)
{
    for (; count--; mod += 4) {
        u32 sum = 0;
        for (const u8 *p = (const u8 *)mod[0]; p < (const u8 *)mod[1]; p++) sum += *p;
        print("module ");
        print((const char *)mod[2]);
        line(" sum", sum);
    }
}

static void show_memory_map(const u8 *at, u32 bytes)
{
    for (const u8 *end = at + bytes; at < end; at += *(const u32 *)at + 4) {
        const u32 *e = (const u32 *)at; /* size, base, bytes, type */
        print("map ");
        print_hex(e[1], 8);
        print(" +");
        print_hex(e[3], 8);
        line(" type", e[5]);
    }
}

static void show_info(u32 magic, const u32 *info)
{
    line("magic", magic);
    line("flags", info[0]);
    line("upper", info[2]);
    print("cmdline ");
    print((const char *)info[4]);
    print("\r\n");
    show_modules(info[5], (const u32 *)info[6]);
    show_memory_map((const u8 *)info[12], info[11]);
}

static void echo(void)
{
    u8 c;
    print("echo\r\n");
    do {
        while (!(in8(LSR) & LSR_DATA)) continue;
        c = in8(COM1);
        put((char)c);
    } while (c != 'q');
}

static void work(int talk)
{
    volatile u32 *mark = (volatile u32 *)0x300000;
    mark[0] = 0x64206c6c;
    for (mark[1] = 0;; mark[1]++)
        if (talk) line("n", mark[1]);
}

static u32 now_us(void)
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    __asm__("divl %2" : "+a"(low), "+d"(high) : "r"(1000));
    return low;
}

static void loops(void)
{
    enum { ROUNDS = 1000000 };
    for (int n = 0; n < 3; n++) {
        u32 began = now_us(), count = ROUNDS;
        __asm__ volatile("1: dec %0; jnz 1b" : "+r"(count));
        line("dec", ROUNDS / ((now_us() - began) / 1000 + 1));
        began = now_us(), count = ROUNDS;
        __asm__ volatile("1: loop 1b" : "+c"(count));
        line("loop", ROUNDS / ((now_us() - began) / 1000 + 1));
    }
}

static void beep(void)
{
    u32 began = now_us();
    out8(0x43, 0xb6);
    out8(0x42, 1193 & 0xff);
    out8(0x42, 1193 >> 8);
    out8(0x61, in8(0x61) | 3);
    while (now_us() - began < 200000) continue;
    out8(0x61, in8(0x61) & ~3);
    print("beep\r\n");
}

static void fill_text_screen(void)
{
    volatile u16 *cell = (volatile u16 *)0xb8000;
    for (u32 n = 0; n < 80 * 25; n++) cell[n] = (u16)((n & 0xff) | (n / 8 & 0x7f) << 8);
    print("text\r\n");
}

static void kbc_command(u8 command)
{
    while (in8(0x64) & 2) continue;
    out8(0x64, command);
}

static void kbc_data(u8 data)
{
    while (in8(0x64) & 2) continue;
    out8(0x60, data);
}

/* Keyboard with translation to set 1, no interrupts; the mouse sends. */
static void show_keys(void)
{
    u8 status, byte;
    kbc_command(0x60);
    kbc_data(0x40);
    kbc_command(0xa8);
    kbc_command(0xd4);
    kbc_data(0xf4);
    print("keys\r\n");
    do {
        while (!((status = in8(0x64)) & 1)) continue;
        byte = in8(0x60);
        line(status & 0x20 ? "mouse" : "key", byte);
    } while (status & 0x20 || byte != 1);
}

static int is(const char *word, const char *name)
{
    while (*name && *word == *name) word++, name++;
    return !*name;
}

static u32 number(const char *s)
{
    u32 n = 0;
    while (*s >= '0' && *s <= '9') n = n * 10 + (u32)(*s++ - '0');
    return n;
}

static void reset_by(const char *how)
{
    if (is(how, "cf9")) out8(0xcf9, 2), out8(0xcf9, 6);
    if (is(how, "kbc")) out8(0x64, 0xfe);
    if (is(how, "p92")) out8(0x92, 1);
}

static void do_word(const char *w, u32 magic, const u32 *info)
{
    if (is(w, "info")) show_info(magic, info);
    if (is(w, "count")) line("boots", boots());
    if (is(w, "echo")) echo();
    if (is(w, "work")) work(0);
    if (is(w, "loops")) loops();
    if (is(w, "flood")) work(1);
    if (is(w, "text")) fill_text_screen();
    if (is(w, "beep")) beep();
    if (is(w, "keys")) show_keys();
    if (is(w, "exit=")) out16(0x501, (u16)number(w + 5));
    if (is(w, "debug")) out8(0xe9, 'h'), out8(0xe9, 'i'), out8(0xe9, '\n');
    if (is(w, "reset=")) reset_by(w + 6);
    if (is(w, "triple")) triple_fault();
    if (is(w, "off")) out16(0x604, 1 << 13); /* PM1_CNT: SLP_EN with S5's type */
    if (is(w, "spin"))
        for (;;) continue;
    if (is(w, "halt")) halt_with_interrupts();
    if (is(w, "hlt")) __asm__ volatile("cli; hlt");
}

/* The command line begins with the kernel's file name. */
void probe_main(u32 magic, const u32 *info)
{
    const char *w = (const char *)info[4];
    count_boot();
    print("probe\r\n");
    while (*w) {
        while (*w && *w != ' ') w++;
        while (*w == ' ') w++;
        if (is(w, "once")) {
            if (boots() > 1) break;
        } else {
            do_word(w, magic, info);
        }
    }
    print("end\r\n");
    out16(0x604, 1 << 13);
}
