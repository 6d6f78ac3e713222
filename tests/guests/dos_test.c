/* dos_test.c - a floppy that waits for keys as DOS does, and does with drive A what a key says:
 *
 *   w, then a digit   writes that digit all over the sector 40/1/9
 *   r                 reads the sector and says what it begins with
 *   l                 asks for the change line
 *   d                 counts rounds of a loop in a tick, 55 ms, and divides by 55 as Turbo Pascal's Crt does for its Delay:
 *                     on a fast processor the quotient would not fit into 16 bits (runtime error 200;
 *                     translator/delay.c)
 *   u                 times 1,048,576 LOOPs by the PM timer, as Windows 9x does before it divides by the milliseconds
 *   c                 computes for four seconds, asking for a key in between in the last three, and says how fast it still was
 *   i, then a letter  waits for a key in one of the loops of dos_test_loops.S, and says which it was
 *   f                 counts retraces in 36 ticks, waiting for each at port 3DAh
 *   t                 loads a resident program that reads each key's code in INT 9, counts the k's, and chains
 *   k                 says how many it has seen
 *   m                 loads a memory manager: from then on all of this runs in V86 mode
 *
 * An answer is a line on the screen: what was done and the status of INT 13h. After an error the drive is reset.
 */
#include "bios/bios16.h"

static u8 sector[512];

void bios_test(u32 drive_number);

/* dos_test_loops.S */
u32 loop_bios(void), loop_com(void), loop_dos(void), loop_data(void), loop_ticks(void), loop_ports(void),
    loop_retrace(void), loop_seed(void), loop_halt(void);
void manager_load(void), resident_load(void);
extern u32 hot_keys;

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

static void wait_in_loop(u8 letter)
{
    static const struct {
        char letter;
        u32 (*wait)(void);
    } loops[] = {{'b', loop_bios},    {'c', loop_com},   {'d', loop_dos},
                 {'a', loop_data},    {'t', loop_ticks}, {'p', loop_ports},
                 {'r', loop_retrace}, {'s', loop_seed},  {'h', loop_halt}};
    for (u32 n = 0; n < sizeof loops / sizeof *loops; n++) {
        if (loops[n].letter != letter) continue;
        say("loop ");
        put((char)letter);
        say("\n");
        u8 taken = (u8)loops[n].wait();
        say("ended by ");
        put((char)taken);
    }
}

static void count_frames(void)
{
    u32 end, tick = BDA->ticks;
    u8 last = 0;
    u32 n = 0;
    while (BDA->ticks == tick) {
    }
    end = BDA->ticks + 36;
    while ((int32_t)(end - BDA->ticks) > 0) {
        u8 now = inb(0x3da) & 8;
        if (now && !last) n++;
        last = now;
    }
    say("frames ");
    say_byte((u8)n);
}

static void time_loops(void)
{
    u32 rounds = 1 << 20, from = inl(0x608);
    __asm__ volatile("1: addr32 loop 1b" : "+c"(rounds));
    u32 us = ((inl(0x608) - from) & 0xffffff) * 2 / 7; /* 3.58 MHz */
    say("loops took ");
    say_byte((u8)(us >> 16));
    say_byte((u8)(us >> 8));
    say_byte((u8)us);
}

void bios_test(u32 drive_number)
{
    (void)drive_number;
    say("Keys: w0-w9 r l c d u i f t k m\n");
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
        } else if (k == 'i') {
            wait_in_loop(key());
        } else if (k == 'f') {
            count_frames();
        } else if (k == 'u') {
            time_loops();
        } else if (k == 't') {
            resident_load();
            say("resident");
        } else if (k == 'k') {
            say("k's seen: ");
            say_byte((u8)hot_keys);
        } else if (k == 'm') {
            manager_load();
            say("managed");
        }
        put('\n');
    }
}
