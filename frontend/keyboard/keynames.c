/* keynames.c - see keynames.h. The names are QEMU's QKeyCode words, the codes set 1 of the PC keyboard (hw/keys.h).
 *
 * "minus" is a word because a chord is joined by '-'; so is "less", the key between left Shift and Z on 102-key boards.
 */
#include "frontend/keyboard/keynames.h"

#include "frontend/options/suggest.h"
#include "hw/keys.h"

#define E(code) (KEY_E0 | (code))
static const struct {
    char name[14];
    u8 key;
} names[] = {
    {"shift", KEY_SHIFT},
    {"shift_r", KEY_SHIFT_R},
    {"alt", KEY_ALT},
    {"alt_r", E(0x38)},
    {"ctrl", KEY_CTRL},
    {"ctrl_r", E(0x1d)},
    {"menu", E(0x5d)},
    {"compose", E(0x5d)},
    {"esc", KEY_ESC},
    {"1", 0x02},
    {"2", 0x03},
    {"3", 0x04},
    {"4", 0x05},
    {"5", 0x06},
    {"6", 0x07},
    {"7", 0x08},
    {"8", 0x09},
    {"9", 0x0a},
    {"0", 0x0b},
    {"minus", 0x0c},
    {"equal", 0x0d},
    {"backspace", KEY_BACKSPACE},
    {"tab", KEY_TAB},
    {"q", 0x10},
    {"w", 0x11},
    {"e", 0x12},
    {"r", 0x13},
    {"t", 0x14},
    {"y", 0x15},
    {"u", 0x16},
    {"i", 0x17},
    {"o", 0x18},
    {"p", 0x19},
    {"bracket_left", 0x1a},
    {"bracket_right", 0x1b},
    {"ret", KEY_ENTER},
    {"a", 0x1e},
    {"s", 0x1f},
    {"d", 0x20},
    {"f", 0x21},
    {"g", 0x22},
    {"h", 0x23},
    {"j", 0x24},
    {"k", 0x25},
    {"l", 0x26},
    {"semicolon", 0x27},
    {"apostrophe", 0x28},
    {"grave_accent", 0x29},
    {"backslash", 0x2b},
    {"z", 0x2c},
    {"x", 0x2d},
    {"c", 0x2e},
    {"v", 0x2f},
    {"b", 0x30},
    {"n", 0x31},
    {"m", 0x32},
    {"comma", 0x33},
    {"dot", 0x34},
    {"slash", 0x35},
    {"asterisk", 0x37},
    {"kp_multiply", 0x37},
    {"spc", KEY_SPACE},
    {"caps_lock", 0x3a},
    {"f1", 0x3b},
    {"f2", 0x3c},
    {"f3", 0x3d},
    {"f4", 0x3e},
    {"f5", 0x3f},
    {"f6", 0x40},
    {"f7", 0x41},
    {"f8", 0x42},
    {"f9", 0x43},
    {"f10", 0x44},
    {"num_lock", 0x45},
    {"scroll_lock", 0x46},
    {"kp_7", 0x47},
    {"kp_8", 0x48},
    {"kp_9", 0x49},
    {"kp_subtract", 0x4a},
    {"kp_4", 0x4b},
    {"kp_5", 0x4c},
    {"kp_6", 0x4d},
    {"kp_add", 0x4e},
    {"kp_1", 0x4f},
    {"kp_2", 0x50},
    {"kp_3", 0x51},
    {"kp_0", 0x52},
    {"kp_decimal", 0x53},
    {"sysrq", 0x54},
    {"less", 0x56},
    {"f11", 0x57},
    {"f12", 0x58},
    {"ro", 0x73},
    {"hiragana", 0x70},
    {"henkan", 0x79},
    {"muhenkan", 0x7b},
    {"yen", 0x7d},
    {"kp_comma", 0x7e},
    {"kp_enter", E(0x1c)},
    {"kp_divide", E(0x35)},
    {"print", KEY_PRINT},
    {"pause", KEY_PAUSE},
    {"home", E(0x47)},
    {"up", E(0x48)},
    {"pgup", E(0x49)},
    {"left", E(0x4b)},
    {"right", E(0x4d)},
    {"end", E(0x4f)},
    {"down", E(0x50)},
    {"pgdn", E(0x51)},
    {"insert", E(0x52)},
    {"delete", KEY_DELETE},
    {"meta_l", E(0x5b)},
    {"meta_r", E(0x5c)},
    {"power", E(0x5e)},
    {"sleep", E(0x5f)},
    {"wake", E(0x63)},
    {"audiomute", E(0x20)},
    {"volumedown", E(0x2e)},
    {"volumeup", E(0x30)},
};
#undef E

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 0x.. only: a decimal digit is a key of its own. */
static u8 by_number(const char *name, size_t n)
{
    u32 v = 0;
    if (n < 3 || n > 4 || name[0] != '0' || (name[1] | 0x20) != 'x') return 0;
    for (size_t i = 2; i < n; i++) {
        int digit = digit_of(name[i]);
        if (digit < 0) return 0;
        v = v << 4 | (u32)digit;
    }
    return (u8)v;
}

u8 keyname_find(const char *name, size_t n)
{
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i].name) == n && !memcmp(names[i].name, name, n)) return names[i].key;
    return by_number(name, n);
}

const char *keyname_of(u8 key)
{
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].key == key) return names[i].name;
    return NULL;
}

const char *keyname_nearest(const char *name)
{
    Suggest s;
    suggest_begin(&s, name);
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) suggest_offer(&s, names[i].name);
    return suggest_result(&s);
}

unsigned keyname_chord(const char *text, u8 *keys, const char **bad, size_t *bad_length)
{
    unsigned count = 0;
    for (;;) {
        size_t n = strcspn(text, "-");
        *bad = text;
        *bad_length = n;
        if (count == CHORD_KEYS) return 0;
        keys[count] = n == 1 && *text == '<' ? keyname_find("less", 4) : keyname_find(text, n);
        if (!keys[count++]) return 0;
        if (!text[n]) return count;
        text += n + 1;
    }
}
