/* keyboard.c - scan codes of set 1, as the 8042 translates them, at IRQ1. Digits, letters and the keys that a menu
 * needs; no shift. */
#include "bios/tour/tour.h"

enum { RING = 32, BREAK = 0x80, PREFIX = 0xe0 };
static volatile u8 ring[RING];
static volatile u32 put_at, taken_at;

void keyboard_interrupt(void)
{
    u8 code = port_in8(0x60);
    if (put_at - taken_at < RING) ring[put_at++ % RING] = code;
}

static u32 key_of(u8 code)
{
    static const char plain[] = {0,   KEY_ESC, '1', '2',     '3',       '4', '5', '6',  '7', '8', '9', '0',
                                 '-', '=',     8,   KEY_TAB, 'q',       'w', 'e', 'r',  't', 'y', 'u', 'i',
                                 'o', 'p',     '[', ']',     KEY_ENTER, 0,   'a', 's',  'd', 'f', 'g', 'h',
                                 'j', 'k',     'l', ';',     '\'',      '`', 0,   '\\', 'z', 'x', 'c', 'v',
                                 'b', 'n',     'm', ',',     '.',       '/', 0,   '*',  0,   ' '};
    static const struct {
        u8 code;
        u32 key;
    } moves[] = {{0x48, KEY_UP},    {0x50, KEY_DOWN},    {0x4b, KEY_LEFT},
                 {0x4d, KEY_RIGHT}, {0x49, KEY_PAGE_UP}, {0x51, KEY_PAGE_DOWN}};
    for (u32 n = 0; n < COUNT_OF(moves); n++)
        if (moves[n].code == code) return moves[n].key;
    return code < sizeof plain ? (u8)plain[code] : 0;
}

static u8 next_code(void)
{
    __asm__ volatile("cli");
    while (put_at == taken_at) __asm__ volatile("sti; hlt; cli" : : : "memory");
    return ring[taken_at++ % RING];
}

static u8 held; /* the key that was pressed last; 0: it is up again */

void keyboard_release(void)
{
    while (held)
        if (next_code() == (held | BREAK)) held = 0;
}

u32 keyboard_wait(void)
{
    for (;;) {
        u8 code = next_code();
        if (code == (held | BREAK)) held = 0;
        if (code == PREFIX || code & BREAK) continue; /* the grey keys are the number pad's with a prefix */
        held = code;
        u32 key = key_of(code);
        if (key) return key;
    }
}
