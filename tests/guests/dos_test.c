/* dos_test.c - a floppy that waits for keys as DOS does, and does with drive A what a key says:
 *
 *   w, then a digit   writes that digit all over the sector 40/1/9
 *   r                 reads the sector and says what it begins with
 *   l                 asks for the change line
 *   d                 counts rounds of a loop in a tick, 55 ms, and divides by 55 as Turbo Pascal's Crt does for its Delay:
 *                     on a fast processor the quotient would not fit into 16 bits (runtime error 200;
 *                     translator/delay.c)
 *   c                 computes for four seconds, asking for a key in between in the last three, and says how fast it still was
 *
 * An answer is a line on the screen: what was done and the status of INT 13h. After an error the drive is reset.
 */
#include "bios/bios16.h"

static u8 sector[512];

void bios_test(u32 drive_number);

static void put(char c)
{
    Regs r = {.ax = (u16)(0x0e00 | (u8)c), .bx = 7};
    if (c == '\n') put('\r');
    int_call(0x10, &r);
}

static void say(const char *s)
{
    while (*s) put(*s++);
}

static void say_byte(u8 v)
{
    put("0123456789abcdef"[v >> 4]);
    put("0123456789abcdef"[v & 0xf]);
}

static bool asked(u16 *key)
{
    Regs r = {.ax = 0x0100};
    int_call(0x16, &r);
    *key = r.ax;
    return !(r.flags & FLAG_ZF);
}

/* As the console of a DOS: ask until there is one, then take it. */
static u8 key(void)
{
    u16 k;
    while (!asked(&k)) {
    }
    Regs r = {.ax = 0x0000};
    int_call(0x16, &r);
    return r.al;
}

static u8 transfer(u8 function)
{
    Regs r = {.ax = (u16)(function << 8 | 1), .cx = 40 << 8 | 9, .dx = 0x0100};
    r.bx = (u16)(u32)sector;
    int_call(0x13, &r);
    u8 status = r.flags & FLAG_CF ? r.ah : 0;
    if (status) int_call(0x13, &(Regs){0});
    return status;
}

static void answer(const char *what, u8 status)
{
    say(what);
    say(" status ");
    say_byte(status);
}

static u32 rounds_in(u32 ticks, bool polls)
{
    u32 n = 0, end = BDA->ticks + ticks;
    u16 k;
    while ((int32_t)(end - BDA->ticks) > 0 && !(polls && asked(&k))) {
        n++;
        for (volatile u32 i = 0; i < 20000; i++) {
        }
    }
    return n;
}

static void compute(void)
{
    u32 alone = rounds_in(18, false), polling = rounds_in(54, true);
    u32 percent = alone ? polling * 100 / 3 / alone : 0;
    say("computed ");
    put((char)('0' + percent / 100 % 10));
    put((char)('0' + percent / 10 % 10));
    put((char)('0' + percent % 10));
    say(" %");
}

/* The vector of a divide error: pass over DIV CX, with FFFF as the quotient. */
extern char divide_error;
__asm__(".code16; divide_error: pushw %bp; movw %sp, %bp; addw $2, 2(%bp); popw %bp; movw $0xffff, %ax; "
        "iretw; .code16gcc");

static void calibrate(void)
{
    u32 n = 0, tick = BDA->ticks;
    while (BDA->ticks == tick) sti_hlt();
    tick = BDA->ticks;
    while (BDA->ticks == tick) n++;
    far32_set(0, 0, (u32)&divide_error);
    u16 quotient = (u16)n, rest = (u16)(n >> 16);
    if (rest >= 55) say("runtime error 200: ");
    __asm__ volatile("divw %%cx" : "+a"(quotient), "+d"(rest) : "c"((u16)55) : "cc");
    say("a millisecond is ");
    say_byte((u8)(quotient >> 8));
    say_byte((u8)quotient);
}

void bios_test(u32 drive_number)
{
    (void)drive_number;
    say("Keys: w0-w9 r l c d\n");
    for (;;) {
        u8 k = key();
        if (k == 'w') {
            memset(sector, key(), sizeof sector);
            answer("write", transfer(3));
        } else if (k == 'r') {
            memset(sector, '?', sizeof sector);
            answer("read", transfer(2));
            put(' ');
            put((char)sector[0]);
        } else if (k == 'l') {
            Regs r = {.ax = 0x1600};
            int_call(0x13, &r);
            answer("line", r.ah);
        } else if (k == 'd') {
            calibrate();
        } else if (k == 'c') {
            compute();
        }
        put('\n');
    }
}
