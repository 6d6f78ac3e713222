/* keyboard.c - the 8042 and its keyboard: INT 09h's work and INT 16h.
 *
 * The controller translates to scan code set 1. A key is a word, scan code in the high byte, character in the low one; the table
 * has one for each of plain, Shift, Ctrl and Alt. Extended keys (E0 prefix) go into the buffer with low byte E0h, as functions
 * 10h-12h report them; 00h and 01h turn those into 00h, and pass over keys that an 84-key keyboard did not have.
 *
 * kbd_irq() leaves in AL what INT 09h is to do after its EOI: see KEY_*.
 *
 * Sources: IBM Personal System/2 and PC BIOS Interface Technical Reference, INT 09h, 16h, "Keyboard" codes.
 * Not implemented: languages but US English (DOS's KEYB does that), functions 04h (click).
 */
#include "bios16.h"

enum { KBC_DATA = 0x60, KBC_STATUS = 0x64 };
enum { OBF = 0x01, IBF = 0x02, FROM_AUX = 0x20 };

enum { /* BDA kbd_flags1 */
       SHIFT_R = 0x01,
       SHIFT_L = 0x02,
       CTRL = 0x04,
       ALT = 0x08,
       SCROLL = 0x10,
       NUM = 0x20,
       CAPS = 0x40,
       INSERT = 0x80,
};
enum { /* BDA kbd_flags2: held down */
       CTRL_L = 0x01,
       ALT_L = 0x02,
       SYSRQ = 0x04,
       PAUSED = 0x08,
       SCROLL_HELD = 0x10,
       NUM_HELD = 0x20,
       CAPS_HELD = 0x40,
       INSERT_HELD = 0x80,
};
enum { /* BDA kbd_flags3 */
       LAST_E1 = 0x01,
       LAST_E0 = 0x02,
       CTRL_R = 0x04,
       ALT_R = 0x08,
};
enum { KEY_NOTHING, KEY_BREAK, KEY_PRINT, KEY_SYSRQ_DOWN, KEY_SYSRQ_UP, KEY_PAUSE, KEY_REBOOT };

typedef struct Key {
    u16 plain, shift, ctrl, alt;
    u8 lock; /* CAPS or NUM: that lock inverts Shift */
} Key;

/* clang-format off */
#define LETTER(scan, c) {scan << 8 | c, scan << 8 | (c - 32), scan << 8 | (c - 96), scan << 8, CAPS}
static const Key keys[0x59] = {
    [0x01] = {0x011b, 0x011b, 0x011b, 0x0100, 0},
    [0x02] = {0x0231, 0x0221, 0,      0x7800, 0},
    [0x03] = {0x0332, 0x0340, 0x0300, 0x7900, 0},
    [0x04] = {0x0433, 0x0423, 0,      0x7a00, 0},
    [0x05] = {0x0534, 0x0524, 0,      0x7b00, 0},
    [0x06] = {0x0635, 0x0625, 0,      0x7c00, 0},
    [0x07] = {0x0736, 0x075e, 0x071e, 0x7d00, 0},
    [0x08] = {0x0837, 0x0826, 0,      0x7e00, 0},
    [0x09] = {0x0938, 0x092a, 0,      0x7f00, 0},
    [0x0a] = {0x0a39, 0x0a28, 0,      0x8000, 0},
    [0x0b] = {0x0b30, 0x0b29, 0,      0x8100, 0},
    [0x0c] = {0x0c2d, 0x0c5f, 0x0c1f, 0x8200, 0},
    [0x0d] = {0x0d3d, 0x0d2b, 0,      0x8300, 0},
    [0x0e] = {0x0e08, 0x0e08, 0x0e7f, 0x0e00, 0},
    [0x0f] = {0x0f09, 0x0f00, 0x9400, 0xa500, 0},
    [0x10] = LETTER(0x10, 'q'), LETTER(0x11, 'w'), LETTER(0x12, 'e'), LETTER(0x13, 'r'), LETTER(0x14, 't'),
             LETTER(0x15, 'y'), LETTER(0x16, 'u'), LETTER(0x17, 'i'), LETTER(0x18, 'o'), LETTER(0x19, 'p'),
    [0x1a] = {0x1a5b, 0x1a7b, 0x1a1b, 0x1a00, 0},
    [0x1b] = {0x1b5d, 0x1b7d, 0x1b1d, 0x1b00, 0},
    [0x1c] = {0x1c0d, 0x1c0d, 0x1c0a, 0x1c00, 0},
    [0x1e] = LETTER(0x1e, 'a'), LETTER(0x1f, 's'), LETTER(0x20, 'd'), LETTER(0x21, 'f'), LETTER(0x22, 'g'),
             LETTER(0x23, 'h'), LETTER(0x24, 'j'), LETTER(0x25, 'k'), LETTER(0x26, 'l'),
    [0x27] = {0x273b, 0x273a, 0,      0x2700, 0},
    [0x28] = {0x2827, 0x2822, 0,      0x2800, 0},
    [0x29] = {0x2960, 0x297e, 0,      0x2900, 0},
    [0x2b] = {0x2b5c, 0x2b7c, 0x2b1c, 0x2b00, 0},
    [0x2c] = LETTER(0x2c, 'z'), LETTER(0x2d, 'x'), LETTER(0x2e, 'c'), LETTER(0x2f, 'v'), LETTER(0x30, 'b'),
             LETTER(0x31, 'n'), LETTER(0x32, 'm'),
    [0x33] = {0x332c, 0x333c, 0,      0x3300, 0},
    [0x34] = {0x342e, 0x343e, 0,      0x3400, 0},
    [0x35] = {0x352f, 0x353f, 0,      0x3500, 0},
    [0x37] = {0x372a, 0x372a, 0x9600, 0x3700, 0},
    [0x39] = {0x3920, 0x3920, 0x3920, 0x3920, 0},
    [0x3b] = {0x3b00, 0x5400, 0x5e00, 0x6800, 0}, {0x3c00, 0x5500, 0x5f00, 0x6900, 0},
             {0x3d00, 0x5600, 0x6000, 0x6a00, 0}, {0x3e00, 0x5700, 0x6100, 0x6b00, 0},
             {0x3f00, 0x5800, 0x6200, 0x6c00, 0}, {0x4000, 0x5900, 0x6300, 0x6d00, 0},
             {0x4100, 0x5a00, 0x6400, 0x6e00, 0}, {0x4200, 0x5b00, 0x6500, 0x6f00, 0},
             {0x4300, 0x5c00, 0x6600, 0x7000, 0}, {0x4400, 0x5d00, 0x6700, 0x7100, 0},
    [0x47] = {0x4700, 0x4737, 0x7700, 0,      NUM},
    [0x48] = {0x4800, 0x4838, 0x8d00, 0,      NUM},
    [0x49] = {0x4900, 0x4939, 0x8400, 0,      NUM},
    [0x4a] = {0x4a2d, 0x4a2d, 0x8e00, 0x4a00, 0},
    [0x4b] = {0x4b00, 0x4b34, 0x7300, 0,      NUM},
    [0x4c] = {0x4c00, 0x4c35, 0x8f00, 0,      NUM},
    [0x4d] = {0x4d00, 0x4d36, 0x7400, 0,      NUM},
    [0x4e] = {0x4e2b, 0x4e2b, 0x9000, 0x4e00, 0},
    [0x4f] = {0x4f00, 0x4f31, 0x7500, 0,      NUM},
    [0x50] = {0x5000, 0x5032, 0x9100, 0,      NUM},
    [0x51] = {0x5100, 0x5133, 0x7600, 0,      NUM},
    [0x52] = {0x5200, 0x5230, 0x9200, 0,      NUM},
    [0x53] = {0x5300, 0x532e, 0x9300, 0,      NUM},
    [0x56] = {0x565c, 0x567c, 0,      0,      0},
    [0x57] = {0x8500, 0x8700, 0x8900, 0x8b00, 0},
    [0x58] = {0x8600, 0x8800, 0x8a00, 0x8c00, 0},
};
/* clang-format on */

/* --- the controller -------------------------------------------------------------------------------------- */

bool kbc_wait_write(void)
{
    for (u32 i = 0; i < 0x4000; i++) {
        if (!(inb(KBC_STATUS) & IBF)) return true;
        wait_us(10);
    }
    return false;
}

bool kbc_wait_read(void)
{
    for (u32 i = 0; i < 0x4000; i++) {
        if (inb(KBC_STATUS) & OBF) return true;
        wait_us(10);
    }
    return false;
}

static void kbc_command(u8 c)
{
    kbc_wait_write();
    outb(KBC_STATUS, c);
}

static void kbc_drain(void)
{
    for (u32 i = 0; i < 64 && inb(KBC_STATUS) & OBF; i++) {
        inb(KBC_DATA);
        wait_us(10);
    }
}

/* A byte to the keyboard, with its acknowledgement; the controller's interrupt must be off or not be let in. */
static bool kbd_send(u8 v)
{
    kbc_wait_write();
    outb(KBC_DATA, v);
    for (u32 i = 0; i < 4 && kbc_wait_read(); i++)
        if (inb(KBC_DATA) == 0xfa) return true;
    return false;
}

/* LEDs follow the locks. Called with interrupts off; the keyboard's answers are read here. */
void kbd_set_leds(void)
{
    u8 leds = (BDA->kbd_flags1 >> 4) & 7;
    if ((BDA->kbd_leds & 7) == leds) return;
    BDA->kbd_leds = (u8)((BDA->kbd_leds & ~7) | leds);
    kbc_wait_write();
    outb(KBC_DATA, 0xed);
    for (u32 i = 0; i < 500 && !(inb(KBC_STATUS) & OBF); i++) wait_us(10);
    if (!(inb(KBC_STATUS) & OBF) || inb(KBC_STATUS) & FROM_AUX || inb(KBC_DATA) != 0xfa) return;
    kbc_wait_write();
    outb(KBC_DATA, leds);
    for (u32 i = 0; i < 500 && !(inb(KBC_STATUS) & OBF); i++) wait_us(10);
    if (inb(KBC_STATUS) & OBF && !(inb(KBC_STATUS) & FROM_AUX)) inb(KBC_DATA);
}

/* POST: self test, keyboard reset, command byte: interrupts of keyboard, system flag, translation; mouse off. */
void kbd_setup(Regs *r);
void kbd_setup(Regs *r)
{
    (void)r;
    kbc_command(0xad);
    kbc_command(0xa7);
    kbc_drain();
    kbc_command(0xaa);
    if (!kbc_wait_read() || inb(KBC_DATA) != 0x55) print("Keyboard controller error\n");
    kbc_command(0x60);
    kbc_wait_write();
    outb(KBC_DATA, 0x74); /* translate, clocks of both off, system flag */
    kbc_command(0xae);
    if (kbd_send(0xff)) {
        if (kbc_wait_read()) inb(KBC_DATA); /* AAh */
        kbd_send(0xf4);
    } else
        print("No keyboard\n");
    kbc_command(0x60);
    kbc_wait_write();
    outb(KBC_DATA, 0x65); /* mouse off until somebody wants it */
}

/* --- the buffer ------------------------------------------------------------------------------------------ */

static bool buffer_put(u16 key)
{
    u16 next = (u16)(BDA->kbd_tail + 2);
    if (next >= BDA->kbd_buffer_end) next = BDA->kbd_buffer_start;
    if (next == BDA->kbd_head) return false;
    *(volatile BDA_SPACE u16 *)(u32)BDA->kbd_tail = key;
    BDA->kbd_tail = next;
    return true;
}

static bool buffer_peek(u16 *key)
{
    if (BDA->kbd_head == BDA->kbd_tail) return false;
    *key = *(volatile BDA_SPACE u16 *)(u32)BDA->kbd_head;
    return true;
}

static void buffer_drop(void)
{
    u16 next = (u16)(BDA->kbd_head + 2);
    BDA->kbd_head = next >= BDA->kbd_buffer_end ? BDA->kbd_buffer_start : next;
}

/* --- INT 09h --------------------------------------------------------------------------------------------- */

static void set_bit8(volatile BDA_SPACE u8 *flags, u8 bit, bool on)
{
    *flags = (u8)(on ? *flags | bit : *flags & ~bit);
}

/* Ctrl and Alt are down if either of two is. */
static bool ctrl_alt(u8 scan, bool down, bool extended)
{
    u8 left = scan == 0x1d ? CTRL_L : ALT_L, right = scan == 0x1d ? CTRL_R : ALT_R;
    if (extended)
        set_bit8(&BDA->kbd_flags3, right, down);
    else
        set_bit8(&BDA->kbd_flags2, left, down);
    set_bit8(&BDA->kbd_flags1, scan == 0x1d ? CTRL : ALT, BDA->kbd_flags3 & right || BDA->kbd_flags2 & left);
    if (scan == 0x38 && !down && !(BDA->kbd_flags1 & ALT) && BDA->kbd_alt_digits) {
        buffer_put(BDA->kbd_alt_digits);
        BDA->kbd_alt_digits = 0;
    }
    return true;
}

static void toggle(u8 lock, u8 held, bool down)
{
    if (down && !(BDA->kbd_flags2 & held)) {
        BDA->kbd_flags1 ^= lock;
        kbd_set_leds();
    }
    set_bit8(&BDA->kbd_flags2, held, down);
}

/* Keys that only change flags; true if this was one. */
static bool modifier(u8 scan, bool down, bool extended)
{
    switch (scan) {
    case 0x2a:
        if (!extended) set_bit8(&BDA->kbd_flags1, SHIFT_L, down);
        return true; /* E0 2A is a fake one */
    case 0x36:
        if (!extended) set_bit8(&BDA->kbd_flags1, SHIFT_R, down);
        return true;
    case 0x1d:
    case 0x38: return ctrl_alt(scan, down, extended);
    case 0x3a: toggle(CAPS, CAPS_HELD, down); return true;
    case 0x45:
        if (BDA->kbd_flags1 & CTRL && down) return false; /* Ctrl-NumLock pauses */
        toggle(NUM, NUM_HELD, down);
        return true;
    case 0x46:
        if (extended || BDA->kbd_flags1 & CTRL) return false; /* break */
        toggle(SCROLL, SCROLL_HELD, down);
        return true;
    }
    return false;
}

/* Alt with digits of the keypad composes a character. */
static bool alt_digit(u8 scan)
{
    static const u8 digit[] = {7, 8, 9, 0xff, 4, 5, 6, 0xff, 1, 2, 3, 0};
    if (scan < 0x47 || scan > 0x52 || digit[scan - 0x47] == 0xff) return false;
    BDA->kbd_alt_digits = (u8)(BDA->kbd_alt_digits * 10 + digit[scan - 0x47]);
    return true;
}

static u16 extended_key(u8 scan, u8 flags)
{
    static const struct {
        u8 scan, ctrl, alt;
    } grey[] = {
        {0x47, 0x77, 0x97}, {0x48, 0x8d, 0x98}, {0x49, 0x84, 0x99}, {0x4b, 0x73, 0x9b}, {0x4d, 0x74, 0x9d},
        {0x4f, 0x75, 0x9f}, {0x50, 0x91, 0xa0}, {0x51, 0x76, 0xa1}, {0x52, 0x92, 0xa2}, {0x53, 0x93, 0xa3},
    };
    if (scan == 0x1c) return flags & ALT ? 0xa600 : flags & CTRL ? 0xe00a : 0xe00d;
    if (scan == 0x35) return flags & ALT ? 0xa400 : flags & CTRL ? 0x9500 : 0xe02f;
    for (u32 i = 0; i < ARRAY_LEN(grey); i++)
        if (grey[i].scan == scan) {
            if (flags & ALT) return (u16)(grey[i].alt << 8);
            return (u16)((flags & CTRL ? grey[i].ctrl : scan) << 8 | 0xe0);
        }
    return 0;
}

static u16 plain_key(u8 scan, u8 flags)
{
    if (scan >= ARRAY_LEN(keys)) return 0;
    const Key *k = &keys[scan];
    if (flags & ALT) return k->alt;
    if (flags & CTRL) return k->ctrl;
    bool shift = flags & (SHIFT_L | SHIFT_R);
    if (k->lock && flags & k->lock) shift = !shift;
    return shift ? k->shift : k->plain;
}

static void key_pressed(u8 scan, bool extended)
{
    u8 flags = BDA->kbd_flags1;
    if (scan == 0x52 && !(flags & (ALT | CTRL))) {
        bool digit = !extended && (!(flags & NUM) != !(flags & (SHIFT_L | SHIFT_R)));
        if (!digit && !(BDA->kbd_flags2 & INSERT_HELD)) BDA->kbd_flags1 ^= INSERT;
        BDA->kbd_flags2 |= INSERT_HELD;
    }
    if (!extended && flags & ALT && alt_digit(scan)) return;
    u16 key = extended ? extended_key(scan, flags) : plain_key(scan, flags);
    if (key) buffer_put(key);
}

static u8 special(u8 scan, bool down, bool extended, bool e1)
{
    u8 flags = BDA->kbd_flags1;
    if (scan == 0x53 && down && (flags & (CTRL | ALT)) == (CTRL | ALT)) {
        BDA->reset_flag = 0x1234;
        return KEY_REBOOT;
    }
    if (scan == 0x46 && down && (extended || flags & CTRL)) {
        BDA->kbd_head = BDA->kbd_tail = BDA->kbd_buffer_start;
        buffer_put(0);
        BDA->break_flag = 0x80;
        return KEY_BREAK;
    }
    if (scan == 0x45 && down && (e1 || flags & CTRL) && !(BDA->kbd_flags2 & PAUSED)) {
        BDA->kbd_flags2 |= PAUSED;
        return KEY_PAUSE;
    }
    if (scan == 0x37 && extended && down && !(flags & (CTRL | ALT))) return KEY_PRINT;
    if (scan == 0x54) {
        if (down == !!(BDA->kbd_flags2 & SYSRQ)) return KEY_NOTHING;
        BDA->kbd_flags2 ^= SYSRQ;
        return down ? KEY_SYSRQ_DOWN : KEY_SYSRQ_UP;
    }
    return KEY_NOTHING;
}

void kbd_irq(Regs *r);
void kbd_irq(Regs *r)
{
    u8 code = r->al, prefix = BDA->kbd_flags3 & (LAST_E0 | LAST_E1);
    r->al = KEY_NOTHING;
    if (code == 0xe0 || code == 0xe1) {
        BDA->kbd_flags3 = (u8)(BDA->kbd_flags3 | (code == 0xe0 ? LAST_E0 : LAST_E1));
        return;
    }
    if (code == 0xfa || code == 0xfe || code == 0xee || code == 0xaa + 0x55) return; /* answers, not keys */
    bool e1 = prefix & LAST_E1, extended = prefix & LAST_E0, down = !(code & 0x80);
    u8 scan = code & 0x7f;
    if (e1 && scan == 0x1d) return; /* E1 1D 45 is Pause: the prefix stays for the 45 */
    BDA->kbd_flags3 &= (u8) ~(LAST_E0 | LAST_E1);
    if (e1 ? false : modifier(scan, down, extended)) return;
    r->al = special(scan, down, extended, e1);
    if (r->al != KEY_NOTHING || e1) return;
    if (scan == 0x52 && !down) BDA->kbd_flags2 &= (u8)~INSERT_HELD;
    if (!down || scan == 0x54 || (scan == 0x37 && extended && !(BDA->kbd_flags1 & CTRL))) return;
    if (BDA->kbd_flags2 & PAUSED) {
        BDA->kbd_flags2 &= (u8)~PAUSED;
        return;
    }
    if (scan == 0x37 && extended) {
        buffer_put(0x7200); /* Ctrl-PrintScreen */
        return;
    }
    key_pressed(scan, extended);
}

/* --- INT 16h --------------------------------------------------------------------------------------------- */

/* What functions 00h and 01h make of a key; false: pass over it. */
static bool as_84_keys(u16 *key)
{
    if ((*key & 0xff) == 0xe0 && *key >> 8)
        *key &= 0xff00;
    else if (*key >> 8 == 0xe0)
        *key = (u16)((*key & 0xff) | ((*key & 0xff) == 0x2f ? 0x3500 : 0x1c00));
    else if (*key >> 8 > 0x84)
        return false;
    return true;
}

static bool next_key(u16 *key, bool extended)
{
    while (buffer_peek(key)) {
        if (extended || as_84_keys(key)) return true;
        buffer_drop();
    }
    return false;
}

static void read_key(Regs *r, bool extended)
{
    u16 key;
    while (!next_key(&key, extended))
        sti_hlt(), cli(); /* only where everything in the buffer was passed over */
    buffer_drop();
    r->ax = key;
}

static void peek_key(Regs *r, bool extended)
{
    u16 key;
    bool any = next_key(&key, extended);
    if (any) r->ax = key;
    r->flags = (u16)((any ? r->flags & ~FLAG_ZF : r->flags | FLAG_ZF) | FLAG_IF);
}

static void set_typematic(Regs *r)
{
    if (r->al != 5) return;
    u8 rate = (u8)((r->bl & 0x1f) | (r->bh & 3) << 5);
    if (kbd_send(0xf3)) kbd_send(rate);
}

void int16_service(Regs *r);
void int16_service(Regs *r)
{
    switch (r->ah) {
    case 0x00: read_key(r, false); break;
    case 0x10: read_key(r, true); break;
    case 0x01: peek_key(r, false); break;
    case 0x11: peek_key(r, true); break;
    case 0x02:
        r->al = BDA->kbd_flags1;
        kbd_set_leds();
        break;
    case 0x12: {
        u8 f2 = BDA->kbd_flags2, f3 = BDA->kbd_flags3;
        r->al = BDA->kbd_flags1;
        r->ah = (u8)((f2 & 0x73) | (f2 & SYSRQ ? 0x80 : 0) | (f3 & (CTRL_R | ALT_R)));
        break;
    }
    case 0x03: set_typematic(r); break;
    case 0x05: r->al = !buffer_put(r->cx); break;
    case 0x09: r->al = 0x34; break;   /* 10h-12h, 0Ah and 0305h are there */
    case 0x0a: r->bx = 0x41ab; break; /* keyboard ID */
    case 0x92: r->ah = 0x80; break;   /* capability checks of old keyboard drivers: no 122-key functions */
    case 0xa2: r->ah = 0x00; break;
    default: break;
    }
}
