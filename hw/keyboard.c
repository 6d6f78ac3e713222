/* keyboard.c - an MF-2 keyboard: keys become scan codes of set 1, 2 or 3; commands; typematic.
 *
 * Manuals: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-key)": commands from the system,
 * the three scan code tables with their notes on Shift and NumLock. Keys are named as in hw/keys.h.
 *
 * Set 2 is what a PC uses, mostly translated to set 1 by the 8042. A key that the 84-key keyboard did not have
 * sends E0, so that old software which skips the prefix finds the numeric pad's key; for that the keyboard fakes
 * Shift presses or releases around the navigation keys, by its NumLock light. Print and Pause are as odd as
 * in the manual.
 *
 * The keyboard itself repeats the key that was pressed last, in guest time, by F3's delay and rate; the host's repeats
 * are to be left out. A repeat waits until the guest has taken what came before: nobody wants 15 more of them.
 *
 * The buffer holds 16 bytes. A key that does not fit is lost and leaves the overrun code (00h, set 1: FFh) at the
 * end, once; a release that does not fit is told when the buffer has drained, so that no key hangs in the guest.
 * Answers to commands have a queue of their own and go first, but not into the middle of a scan code.
 *
 * Not implemented: the power-on self-test's AAh without a command; scanning goes on while a parameter is awaited.
 */
#include "hw/keyboard.h"

enum {
    KBD_LEDS = 0xed,
    KBD_ECHO = 0xee,
    KBD_SCAN_SET = 0xf0,
    KBD_IDENTIFY = 0xf2,
    KBD_RATE = 0xf3,
    KBD_ENABLE = 0xf4,
    KBD_DISABLE = 0xf5,
    KBD_DEFAULTS = 0xf6,
    KBD_ALL_REPEAT = 0xf7,
    KBD_ALL_MAKE_BREAK = 0xf8,
    KBD_ALL_MAKE = 0xf9,
    KBD_ALL_REPEAT_BREAK = 0xfa,
    KBD_KEY_REPEAT = 0xfb,
    KBD_KEY_MAKE_BREAK = 0xfc,
    KBD_KEY_MAKE = 0xfd,
    KBD_RESEND = 0xfe,
    KBD_RESET = 0xff,
    KBD_ACK = 0xfa,
    KBD_TEST_OK = 0xaa,
};
enum { RATE_DEFAULT = 0x2b, SET2_BREAK = 0xf0, PREFIX_E0 = 0xe0, PREFIX_E1 = 0xe1, LED_NUM = 2 };
enum { KEY_CTRL_R = KEY_E0 | KEY_CTRL, KEY_ALT_R = KEY_E0 | KEY_ALT, KEY_SLASH_PAD = KEY_E0 | 0x35 };
enum { KEY_SYSRQ = 0x54, KEY_NUMLOCK = 0x45 };

static const u8 set2_to_set1[0x88] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 00 */
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 10 */
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 20 */
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 30 */
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 40 */
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 50 */
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 60 */
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 70 */
    0x80, 0x81, 0x82, 0x41, 0x54, 0x85, 0x86, 0x87,                                                 /* 80 */
};

/* Scan code set 3 by set 1 code, without and (second table, from E0 1C on) with the E0 prefix. 0: no such key. */
static const u8 set3_plain[0x59] = {
    0x00, 0x08, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d, /* 00 */
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x11, 0x1c, 0x1b, /* 10 */
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5c, 0x1a, 0x22, 0x21, 0x2a, /* 20 */
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7e, 0x19, 0x29, 0x14, 0x07, 0x0f, 0x17, 0x1f, 0x27, /* 30 */
    0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x76, 0x5f, 0x6c, 0x75, 0x7d, 0x84, 0x6b, 0x73, 0x74, 0x7c, 0x69, /* 40 */
    0x72, 0x7a, 0x70, 0x71, 0x57, 0x00, 0x13, 0x56, 0x5e,                                           /* 50 */
};
static const u8 set3_e0[0x5e] = {
    [0x1c] = 0x79, [0x1d] = 0x58, [0x35] = 0x77, [0x37] = 0x57, [0x38] = 0x39, [0x46] = 0x62, [0x47] = 0x6e,
    [0x48] = 0x63, [0x49] = 0x6f, [0x4b] = 0x61, [0x4d] = 0x6a, [0x4f] = 0x65, [0x50] = 0x60, [0x51] = 0x6d,
    [0x52] = 0x67, [0x53] = 0x64, [0x5b] = 0x8b, [0x5c] = 0x8c, [0x5d] = 0x8d,
};

u8 keyboard_set2_to_set1(u8 code) { return code < sizeof set2_to_set1 ? set2_to_set1[code] : code; }

/* From above: F7 and SysRq stand twice in the table, and the keyboard's own code is the higher one. */
static u8 set2_code(u8 set1)
{
    for (u8 code = sizeof set2_to_set1 - 1; code; code--)
        if (set2_to_set1[code] == set1) return code;
    return 0;
}

static u8 set3_code(u8 key)
{
    u8 n = key & 0x7f;
    if (key & KEY_E0) return n < sizeof set3_e0 ? set3_e0[n] : 0;
    return n < sizeof set3_plain ? set3_plain[n] : 0;
}

/* --- queues ---------------------------------------------------------------------------------------------- */

/* One event's scan codes, which go into the buffer together or not at all. */
typedef struct Codes {
    u8 byte[KEYBOARD_BUFFER];
    u8 count;
} Codes;

static void codes_add(Codes *c, u8 byte)
{
    if (c->count < sizeof c->byte) c->byte[c->count++] = byte;
}

static void queue_overrun(Keyboard *kb)
{
    u8 code = kb->set == 1 ? 0xff : 0x00;
    if (kb->key_count && kb->keys[kb->key_count - 1] == code) return;
    CHECK(kb->key_count < sizeof kb->keys, "%u scan codes", kb->key_count);
    kb->keys[kb->key_count++] = code;
}

/* Returns whether there was room. */
static bool queue_codes(Keyboard *kb, const Codes *c)
{
    if (kb->key_count + c->count > KEYBOARD_BUFFER) {
        if (kb->key_count <= KEYBOARD_BUFFER) queue_overrun(kb);
        return false;
    }
    memcpy(kb->keys + kb->key_count, c->byte, c->count);
    kb->key_count += c->count;
    if (c->count) kb->ready(kb->ctx);
    return true;
}

static void queue_clear(Keyboard *kb) { kb->key_count = kb->rest_of_code = 0; }

static void answer(Keyboard *kb, u8 byte)
{
    if (kb->answer_count == KEYBOARD_ANSWERS) { /* a system that never reads them */
        memmove(kb->answers, kb->answers + 1, KEYBOARD_ANSWERS - 1);
        kb->answer_count--;
    }
    kb->answers[kb->answer_count++] = byte;
}

bool keyboard_has_byte(const Keyboard *kb) { return kb->answer_count || kb->key_count; }

bool keyboard_idle(const Keyboard *kb) { return !kb->key_count; }

/* --- keys to codes --------------------------------------------------------------------------------------- */

static bool key_bit(const u64 *set, u8 key) { return set[key >> 6] >> (key & 63) & 1; }
static void key_mark(u64 *set, u8 key) { set[key >> 6] |= 1ull << (key & 63); }
static void key_clear(u64 *set, u8 key) { set[key >> 6] &= ~(1ull << (key & 63)); }

static bool held(const Keyboard *kb, u8 key) { return key_bit(kb->held, key); }

static u8 shifts_held(const Keyboard *kb)
{
    return (u8)((held(kb, KEY_SHIFT) ? 1 : 0) | (held(kb, KEY_SHIFT_R) ? 2 : 0));
}

/* The make or break code of a key by its place in the tables, without the notes on Shift. */
static void put_key(const Keyboard *kb, Codes *c, u8 key, bool down)
{
    u8 code = kb->set == 3 ? set3_code(key) : kb->set == 2 ? set2_code(key & 0x7f) : key & 0x7f;
    if (!code) return;
    if (kb->set != 3 && key & KEY_E0) codes_add(c, PREFIX_E0);
    if (kb->set != 1 && !down) codes_add(c, SET2_BREAK);
    codes_add(c, kb->set == 1 && !down ? code | 0x80 : code);
}

static bool is_navigation(u8 key)
{
    u8 n = key & 0x7f;
    return key & KEY_E0 && n >= 0x47 && n <= 0x53 && n != 0x4a && n != 0x4c && n != 0x4e;
}

static void fake_shifts(Keyboard *kb, Codes *c, u8 shifts, bool down)
{
    if (shifts & 1) put_key(kb, c, KEY_E0 | KEY_SHIFT, down);
    if (shifts & 2) put_key(kb, c, KEY_E0 | KEY_SHIFT_R, down);
}

/* Make Shift look as the key needs it: a navigation key means its unshifted legend of the numeric pad. */
static void fake_begin(Keyboard *kb, Codes *c, u8 key)
{
    u8 shifts = shifts_held(kb);
    bool num = kb->leds & LED_NUM, navigation = is_navigation(key);
    bool make = key == KEY_PRINT ? !shifts && !held(kb, KEY_CTRL) && !held(kb, KEY_CTRL_R)
                                 : navigation && num && !shifts;
    bool unshift = (navigation && !num && shifts) || (key == KEY_SLASH_PAD && shifts);
    if (!make && !unshift) return;
    kb->fake = (KeyFake){key, unshift ? shifts : 0};
    if (make)
        fake_shifts(kb, c, 1, true);
    else
        fake_shifts(kb, c, shifts, false);
}

static void fake_end(Keyboard *kb, Codes *c)
{
    if (!kb->fake.key) return;
    if (kb->fake.unshift)
        fake_shifts(kb, c, kb->fake.unshift & shifts_held(kb), true);
    else
        fake_shifts(kb, c, 1, false);
    kb->fake.key = 0;
}

/* Pause sends its release with its press. */
static void put_pause(Keyboard *kb, Codes *c)
{
    bool ctrl = held(kb, KEY_CTRL) || held(kb, KEY_CTRL_R);
    if (kb->set == 3 || ctrl) {
        put_key(kb, c, KEY_PAUSE, true);
        if (kb->set != 3) put_key(kb, c, KEY_PAUSE, false);
        return;
    }
    for (int down = 1; down >= 0; down--) {
        codes_add(c, PREFIX_E1);
        put_key(kb, c, KEY_CTRL, down);
        put_key(kb, c, KEY_NUMLOCK, down);
    }
}

static u8 key_as_sent(const Keyboard *kb, u8 key)
{
    return key == KEY_PRINT && kb->print_is_sysrq && kb->set != 3 ? KEY_SYSRQ : key;
}

static void put_press(Keyboard *kb, Codes *c, u8 key)
{
    if (key == KEY_PAUSE) {
        put_pause(kb, c);
        return;
    }
    if (key == KEY_PRINT) kb->print_is_sysrq = held(kb, KEY_ALT) || held(kb, KEY_ALT_R);
    key = key_as_sent(kb, key);
    if (kb->set != 3) {
        fake_end(kb, c);
        fake_begin(kb, c, key);
    }
    put_key(kb, c, key, true);
}

static void put_release(Keyboard *kb, Codes *c, u8 key)
{
    if (key == KEY_PAUSE && kb->set != 3) return;
    if (kb->set == 3 && !(kb->type[set3_code(key)] & KEYTYPE_BREAKS)) return;
    key = key_as_sent(kb, key);
    put_key(kb, c, key, false);
    if (kb->fake.key == key) fake_end(kb, c);
}

/* --- typematic ------------------------------------------------------------------------------------------- */

static u64 repeat_delay_ns(const Keyboard *kb) { return ((kb->rate >> 5 & 3) + 1) * 250000000ull; }

static u64 repeat_period_ns(const Keyboard *kb)
{
    return ((u64)(8 + (kb->rate & 7)) << (kb->rate >> 3 & 3)) * 4170000;
}

static void repeat_stop(Keyboard *kb)
{
    kb->repeats = 0;
    clock_disarm(kb->clock, &kb->timer);
}

static void repeat_start(Keyboard *kb, u8 key)
{
    repeat_stop(kb);
    if (key == KEY_PAUSE) return;
    if (kb->set == 3 && !(kb->type[set3_code(key)] & KEYTYPE_REPEATS)) return;
    kb->repeats = key;
    clock_arm(kb->clock, &kb->timer, clock_now(kb->clock) + repeat_delay_ns(kb));
}

static void keyboard_fire(void *keyboard)
{
    Keyboard *kb = keyboard;
    Codes c = {.count = 0};
    if (!kb->repeats || !kb->scanning) return;
    clock_arm(kb->clock, &kb->timer, clock_now(kb->clock) + repeat_period_ns(kb));
    if (kb->key_count) return;
    put_key(kb, &c, key_as_sent(kb, kb->repeats), true);
    queue_codes(kb, &c);
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void press(Keyboard *kb, u8 key)
{
    Codes c = {.count = 0};
    KeyFake before = kb->fake;
    if (!kb->scanning || (held(kb, key) && !key_bit(kb->owed, key))) return;
    key_clear(kb->owed, key);
    put_press(kb, &c, key);
    if (!queue_codes(kb, &c)) {
        kb->fake = before;
        return;
    }
    key_mark(kb->held, key);
    repeat_start(kb, key);
}

static void release(Keyboard *kb, u8 key)
{
    Codes c = {.count = 0};
    KeyFake before = kb->fake;
    if (kb->repeats == key) repeat_stop(kb);
    if (!held(kb, key)) return;
    if (kb->scanning) put_release(kb, &c, key);
    if (kb->key_count + c.count > KEYBOARD_BUFFER) {
        kb->fake = before;
        key_mark(kb->owed, key);
        return;
    }
    key_clear(kb->held, key);
    key_clear(kb->owed, key);
    queue_codes(kb, &c);
}

/* The buffer is empty: tell a release that found no room. */
static void tell_owed(Keyboard *kb)
{
    for (unsigned n = 0; n < ARRAY_LEN(kb->owed); n++)
        if (kb->owed[n]) {
            release(kb, (u8)(n * 64 + (unsigned)__builtin_ctzll(kb->owed[n])));
            return;
        }
}

void keyboard_key(Keyboard *kb, u8 key, bool down)
{
    if (!(key & 0x7f)) return;
    if (down)
        press(kb, key);
    else
        release(kb, key);
}

static u8 shift_out(u8 *queue, u8 *count)
{
    u8 byte = queue[0];
    --*count;
    memmove(queue, queue + 1, *count);
    return byte;
}

/* E0 and F0 announce one byte more, E1 two. */
static u8 take_key(Keyboard *kb)
{
    u8 byte = shift_out(kb->keys, &kb->key_count);
    if (kb->rest_of_code) kb->rest_of_code--;
    if (kb->set != 1 && byte == SET2_BREAK) kb->rest_of_code++;
    if (byte == PREFIX_E0) kb->rest_of_code++;
    if (byte == PREFIX_E1) kb->rest_of_code = 2;
    if (!kb->key_count) {
        kb->rest_of_code = 0;
        tell_owed(kb);
    }
    return byte;
}

u8 keyboard_take(Keyboard *kb)
{
    bool key = kb->key_count && (kb->rest_of_code || !kb->answer_count);
    if (!key && !kb->answer_count) return 0;
    kb->last_sent = key ? take_key(kb) : shift_out(kb->answers, &kb->answer_count);
    return kb->last_sent;
}

/* --- commands -------------------------------------------------------------------------------------------- */

static void set_types(Keyboard *kb, const u8 *codes, unsigned count, u8 type)
{
    for (unsigned n = 0; n < count; n++) kb->type[codes[n]] = type;
}

/* Set 3 at power-on: modifiers tell their release, functions and the numeric pad only their press, letters repeat. */
static void default_types(Keyboard *kb)
{
    static const u8 modifiers[] = {0x11, 0x12, 0x14, 0x19, 0x59};
    static const u8 make_only[] = {0x08, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x47,
                                   0x4f, 0x56, 0x5e, 0x57, 0x5f, 0x62, 0x67, 0x6e, 0x6f, 0x65,
                                   0x6d, 0x76, 0x6c, 0x6b, 0x69, 0x77, 0x75, 0x73, 0x72, 0x70,
                                   0x7e, 0x7d, 0x74, 0x7a, 0x71, 0x84, 0x79, 0x39, 0x58};
    memset(kb->type, KEYTYPE_REPEATS, sizeof kb->type);
    set_types(kb, modifiers, sizeof modifiers, KEYTYPE_BREAKS);
    set_types(kb, make_only, sizeof make_only, 0);
}

static void keyboard_defaults(Keyboard *kb)
{
    queue_clear(kb);
    repeat_stop(kb);
    kb->rate = RATE_DEFAULT;
    kb->set = 2;
    default_types(kb);
}

static void keyboard_power_on(Keyboard *kb)
{
    keyboard_defaults(kb);
    kb->answer_count = kb->awaiting = kb->leds = kb->last_sent = 0;
    kb->scanning = true;
    kb->fake = (KeyFake){0};
    kb->print_is_sysrq = false;
    memset(kb->held, 0, sizeof kb->held);
    memset(kb->owed, 0, sizeof kb->owed);
}

static void answer_ack(Keyboard *kb) { answer(kb, KBD_ACK); }

/* F7-FD in order: what they make of a key */
static u8 commanded_type(u8 command)
{
    static const u8 types[] = {KEYTYPE_REPEATS, KEYTYPE_BREAKS, 0, KEYTYPE_REPEATS | KEYTYPE_BREAKS,
                               KEYTYPE_REPEATS, KEYTYPE_BREAKS, 0};
    return types[command - KBD_ALL_REPEAT];
}

static void write_scan_set(Keyboard *kb, u8 v)
{
    if (v == 0) {
        answer(kb, kb->set);
        return;
    }
    if (v > 3) return;
    queue_clear(kb);
    repeat_stop(kb);
    kb->set = v;
}

static void write_parameter(Keyboard *kb, u8 v)
{
    u8 command = kb->awaiting;
    kb->awaiting = 0;
    answer_ack(kb);
    switch (command) {
    case KBD_LEDS: kb->leds = v & 7; return;
    case KBD_RATE: kb->rate = v & 0x7f; return;
    case KBD_SCAN_SET: write_scan_set(kb, v); return;
    default: /* FB-FD: a list of keys, which the next command ends */
        if (v < sizeof kb->type) kb->type[v] = commanded_type(command);
        kb->awaiting = command;
    }
}

static void write_command(Keyboard *kb, u8 v)
{
    kb->awaiting = 0;
    switch (v) {
    case KBD_ECHO: answer(kb, KBD_ECHO); return;
    case KBD_RESEND: answer(kb, kb->last_sent); return;
    case KBD_IDENTIFY: answer_ack(kb), answer(kb, 0xab), answer(kb, 0x83); return;
    case KBD_RESET:
        keyboard_power_on(kb);
        answer_ack(kb), answer(kb, KBD_TEST_OK);
        return;
    case KBD_KEY_REPEAT:
    case KBD_KEY_MAKE_BREAK:
    case KBD_KEY_MAKE:
    case KBD_LEDS:
    case KBD_SCAN_SET:
    case KBD_RATE: kb->awaiting = v; break;
    case KBD_ENABLE: queue_clear(kb), kb->scanning = true; break;
    case KBD_DISABLE: keyboard_defaults(kb), kb->scanning = false; break;
    case KBD_DEFAULTS: keyboard_defaults(kb); break;
    case KBD_ALL_REPEAT:
    case KBD_ALL_MAKE_BREAK:
    case KBD_ALL_MAKE:
    case KBD_ALL_REPEAT_BREAK: memset(kb->type, commanded_type(v), sizeof kb->type); break;
    default:
        trace(GUEST_ERRORS, "keyboard: command %02x", v);
        answer(kb, KBD_RESEND);
        return;
    }
    answer_ack(kb);
}

void keyboard_write(Keyboard *kb, u8 v)
{
    if (kb->awaiting && v < KBD_LEDS)
        write_parameter(kb, v);
    else
        write_command(kb, v);
    kb->ready(kb->ctx);
}

/* --- state ----------------------------------------------------------------------------------------------- */

void keyboard_state(Keyboard *kb, State *s)
{
    state_bytes(s, "keys", kb->keys, sizeof kb->keys);
    state_u8(s, "key_count", &kb->key_count);
    state_check(s, kb->key_count <= sizeof kb->keys, "key_count");
    state_u8(s, "rest_of_code", &kb->rest_of_code);
    state_check(s, kb->rest_of_code <= kb->key_count, "rest_of_code");
    state_bytes(s, "answers", kb->answers, sizeof kb->answers);
    state_u8(s, "answer_count", &kb->answer_count);
    state_check(s, kb->answer_count <= sizeof kb->answers, "answer_count");
    state_u8(s, "last_sent", &kb->last_sent);
    state_u8(s, "awaiting", &kb->awaiting);
    state_u8(s, "leds", &kb->leds);
    state_u8(s, "rate", &kb->rate);
    state_u8(s, "set", &kb->set);
    state_check(s, kb->set >= 1 && kb->set <= 3, "set");
    state_bool(s, "scanning", &kb->scanning);
    state_values(s, "held", kb->held, 8, ARRAY_LEN(kb->held));
    state_values(s, "owed", kb->owed, 8, ARRAY_LEN(kb->owed));
    state_u8(s, "fake_key", &kb->fake.key);
    state_u8(s, "fake_unshift", &kb->fake.unshift);
    state_bool(s, "print_is_sysrq", &kb->print_is_sysrq);
    state_u8(s, "repeats", &kb->repeats);
    state_bytes(s, "type", kb->type, sizeof kb->type);
    state_timer(s, "typematic", kb->clock, &kb->timer);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void keyboard_reset(Keyboard *kb) { keyboard_power_on(kb); }

void keyboard_init(Keyboard *kb, Clock *clock, void (*ready)(void *ctx), void *ctx)
{
    *kb = (Keyboard){.clock = clock, .ready = ready, .ctx = ctx};
    kb->timer = (Timer){.fire = keyboard_fire, .ctx = kb};
    keyboard_power_on(kb);
}
