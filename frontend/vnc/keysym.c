/* keysym.c - see keysym.h. Keysyms: RFC 6143, 7.5.4; X11's keysymdef.h: characters of Latin-1 are their own numbers, those of
 * Unicode have 01000000h added, keys without a character are at FF00h.
 */
#include "frontend/vnc/keysym.h"

#include "hw/keys.h"

#define E0(code) (KEY_E0 | (code))

enum {
    KEYS_BASE = 0xff00,
    UNICODE_BASE = 0x1000000,
    LATIN_1_END = 0x100,
    ALT_GR = 0xfe03,
    SHIFT_TAB = 0xfe20
};

/* clang-format off */
static const u8 keys[256] = {
    [0x08] = KEY_BACKSPACE, [0x09] = KEY_TAB, [0x0d] = KEY_ENTER, [0x13] = KEY_PAUSE, [0x14] = 0x46, [0x15] = KEY_PRINT,
    [0x1b] = KEY_ESC, [0x6b] = KEY_PAUSE /* Break */, [0x7f] = 0x45,
    [0x50] = E0(0x47), [0x51] = E0(0x4b), [0x52] = E0(0x48), [0x53] = E0(0x4d), [0x54] = E0(0x50), /* Home, arrows */
    [0x55] = E0(0x49), [0x56] = E0(0x51), [0x57] = E0(0x4f),                                       /* PgUp, PgDn, End */
    [0x61] = KEY_PRINT, [0x63] = E0(0x52), [0x67] = E0(0x5d), [0xff] = KEY_DELETE,
    [0x8d] = E0(0x1c), /* the numeric pad: Enter, then without and with NumLock */
    [0x95] = 0x47, [0x96] = 0x4b, [0x97] = 0x48, [0x98] = 0x4d, [0x99] = 0x50, [0x9a] = 0x49, [0x9b] = 0x51, [0x9c] = 0x4f,
    [0x9d] = 0x4c, [0x9e] = 0x52, [0x9f] = 0x53,
    [0xaa] = 0x37, [0xab] = 0x4e, [0xac] = 0x7e, [0xad] = 0x4a, [0xae] = 0x53, [0xaf] = E0(0x35), [0xbd] = 0x59,
    [0xb0] = 0x52, [0xb1] = 0x4f, [0xb2] = 0x50, [0xb3] = 0x51, [0xb4] = 0x4b, [0xb5] = 0x4c, [0xb6] = 0x4d,
    [0xb7] = 0x47, [0xb8] = 0x48, [0xb9] = 0x49,
    [0xbe] = 0x3b, [0xbf] = 0x3c, [0xc0] = 0x3d, [0xc1] = 0x3e, [0xc2] = 0x3f, [0xc3] = 0x40, /* F1 to F12 */
    [0xc4] = 0x41, [0xc5] = 0x42, [0xc6] = 0x43, [0xc7] = 0x44, [0xc8] = 0x57, [0xc9] = 0x58,
    [0xe1] = KEY_SHIFT, [0xe2] = KEY_SHIFT_R, [0xe3] = KEY_CTRL, [0xe4] = E0(0x1d), [0xe5] = 0x3a,
    [0xe7] = E0(0x5b), [0xe8] = E0(0x5c), [0xe9] = KEY_ALT, [0xea] = E0(0x38), [0xeb] = E0(0x5b), [0xec] = E0(0x5c),
    [0x7e] = E0(0x38), /* Mode_switch */
};
/* clang-format on */

bool keysym_stroke(const Layout *layout, u32 keysym, Keystroke *to, bool *is_character)
{
    Keystroke strokes[STROKES_MAX];
    u32 c = keysym;
    *is_character = false;
    if (keysym - KEYS_BASE < ARRAY_LEN(keys) || keysym == ALT_GR || keysym == SHIFT_TAB) {
        u8 key = keysym == ALT_GR ? E0(0x38) : keysym == SHIFT_TAB ? KEY_TAB : keys[keysym - KEYS_BASE];
        *to = (Keystroke){key, 0};
        return key;
    }
    if (keysym >= UNICODE_BASE && keysym <= UNICODE_BASE + 0x10ffff) c -= UNICODE_BASE;
    /* Control characters have keys of their own above; a character behind a dead key is no single stroke. */
    if (c < ' ' || c == 0x7f || layout_strokes(layout, c, strokes) != 1) return false;
    *to = strokes[0];
    *is_character = true;
    return true;
}

u8 keysym_from_scancode(u32 code)
{
    enum { SYSRQ = 0x54 };
    if (code == SYSRQ) return KEY_PRINT;
    return code && code < 0x100 ? (u8)code : 0;
}
