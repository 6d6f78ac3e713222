/* typing.c - keyboard layouts, as rows of keycaps.
 *
 * A layout is what is printed on the 48 character keys, row by row in the order of POSITIONS: as it is, with Shift, with
 * AltGr. A blank is a key that gives nothing there. Accents on dead keys stand as spacing characters in `dead`, too: typed
 * alone they need a space behind them, and letters that the keyboard lacks are composed from them.
 * A character that a layout has in two places is typed at the first.
 */
#include "frontend/keyboard/typing.h"

#include "hw/keys.h"

#include <uchar.h>

enum { CHARACTER_KEYS = 48, KEY_ALTGR = KEY_E0 | KEY_ALT };

/* Row by row, left to right: the key left of 1 to the one left of backspace, Q.., A.. with the ISO key left of Enter,
 * the key right of the left Shift, Z.. */
static const u8 positions[CHARACTER_KEYS] = {
    0x29, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, /* 13 */
    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,       /* 12 */
    0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x2b,       /* 12 */
    0x56, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35,             /* 11 */
};

struct Layout {
    const char *name, *also;
    const char32_t *plain, *shift, *altgr; /* CHARACTER_KEYS, or shorter */
    const char32_t *dead;
};

/* clang-format off */
static const Layout layouts[] = {
    {"en-us", "us",
     U"`1234567890-=" U"qwertyuiop[]" U"asdfghjkl;'\\" U" zxcvbnm,./",
     U"~!@#$%^&*()_+" U"QWERTYUIOP{}" U"ASDFGHJKL:\"|" U" ZXCVBNM<>?",
     U"", U""},
    {"en-gb", "uk",
     U"`1234567890-=" U"qwertyuiop[]" U"asdfghjkl;'#" U"\\zxcvbnm,./",
     U"\u00ac!\"\u00a3$%^&*()_+" U"QWERTYUIOP{}" U"ASDFGHJKL:@~" U"|ZXCVBNM<>?",
     U"\u00a6   \u20ac        " U"  \u00e9   \u00fa\u00ed\u00f3   " U"\u00e1           ", U""},
    {"de", "german",
     U"^1234567890\u00df\u00b4" U"qwertzuiop\u00fc+" U"asdfghjkl\u00f6\u00e4#" U"<yxcvbnm,.-",
     U"\u00b0!\"\u00a7$%&/()=?`" U"QWERTZUIOP\u00dc*" U"ASDFGHJKL\u00d6\u00c4'" U">YXCVBNM;:_",
     U"  \u00b2\u00b3   {[]}\\ " U"@ \u20ac        ~" U"            " U"|      \u00b5   ",
     U"^\u00b4`"},
    {"fr", "french",
     U"\u00b2&\u00e9\"'(-\u00e8_\u00e7\u00e0)=" U"azertyuiop^$" U"qsdfghjklm\u00f9*" U"<wxcvbn,;:!",
     U" 1234567890\u00b0+" U"AZERTYUIOP\u00a8\u00a3" U"QSDFGHJKLM%\u00b5" U">WXCVBN?./\u00a7",
     U"  ~#{[|`\\^@]}" U"  \u20ac        \u00a4",
     U"^\u00a8"},
};

/* accent, letters without it, letters with it */
static const struct {
    char32_t accent;
    const char32_t *plain, *accented;
} compositions[] = {
    {'^', U"aeiouAEIOU", U"\u00e2\u00ea\u00ee\u00f4\u00fb\u00c2\u00ca\u00ce\u00d4\u00db"},
    {'`', U"aeiouAEIOU", U"\u00e0\u00e8\u00ec\u00f2\u00f9\u00c0\u00c8\u00cc\u00d2\u00d9"},
    {0xb4, U"aeiouyAEIOUY", U"\u00e1\u00e9\u00ed\u00f3\u00fa\u00fd\u00c1\u00c9\u00cd\u00d3\u00da\u00dd"},
    {0xa8, U"aeiouyAEIOU", U"\u00e4\u00eb\u00ef\u00f6\u00fc\u00ff\u00c4\u00cb\u00cf\u00d6\u00dc"},
};
/* clang-format on */

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

const Layout *layout_find(const char *name)
{
    if (!name) return &layouts[0];
    for (unsigned n = 0; n < ARRAY_LEN(layouts); n++)
        if (same(name, layouts[n].name) || same(name, layouts[n].also)) return &layouts[n];
    return NULL;
}

const char *layout_name(unsigned n) { return n < ARRAY_LEN(layouts) ? layouts[n].name : NULL; }

static int index_of(const char32_t *text, u32 character)
{
    for (int n = 0; text[n]; n++)
        if (text[n] == character) return n;
    return -1;
}

/* The key that has it; a dead key counts only if `dead` is asked for. */
static bool find_key(const Layout *l, u32 character, bool dead, Keystroke *to)
{
    static const u8 with[] = {0, WITH_SHIFT, WITH_ALTGR};
    const char32_t *planes[] = {l->plain, l->shift, l->altgr};
    bool is_dead = index_of(l->dead, character) >= 0;
    for (unsigned n = 0; n < ARRAY_LEN(planes); n++) {
        int at = index_of(planes[n], character);
        /* French has ^ as a dead key and, with AltGr, as a live one. */
        while (at >= 0 && is_dead && (n == 2) == dead) {
            int next = index_of(planes[n] + at + 1, character);
            at = next < 0 ? -1 : at + 1 + next;
        }
        if (at < 0) continue;
        *to = (Keystroke){positions[at], with[n]};
        return true;
    }
    return false;
}

static unsigned compose(const Layout *l, u32 character, Keystroke to[STROKES_MAX])
{
    static const Keystroke space = {KEY_SPACE, 0};
    if (find_key(l, character, true, &to[0]) && index_of(l->dead, character) >= 0) {
        to[1] = space;
        return 2;
    }
    for (unsigned n = 0; n < ARRAY_LEN(compositions); n++) {
        int at = index_of(compositions[n].accented, character);
        if (at < 0 || index_of(l->dead, compositions[n].accent) < 0) continue;
        if (find_key(l, compositions[n].accent, true, &to[0]) &&
            find_key(l, compositions[n].plain[at], false, &to[1]))
            return 2;
    }
    return 0;
}

static bool control_key(const Layout *l, u32 character, Keystroke *to)
{
    switch (character) {
    case '\b':
    case 0x7f: *to = (Keystroke){KEY_BACKSPACE, 0}; return true;
    case '\t': *to = (Keystroke){KEY_TAB, 0}; return true;
    case '\n':
    case '\r': *to = (Keystroke){KEY_ENTER, 0}; return true;
    case 0x1b: *to = (Keystroke){KEY_ESC, 0}; return true;
    case ' ': *to = (Keystroke){KEY_SPACE, 0}; return true;
    default: break;
    }
    if (character >= ' ') return false;
    if (!find_key(l,
                  character == 0    ? '@'
                  : character <= 26 ? character + 'a' - 1
                                    : character + '@',
                  false, to))
        return false;
    to->with |= WITH_CTRL;
    return true;
}

unsigned layout_strokes(const Layout *l, u32 character, Keystroke to[STROKES_MAX])
{
    if (control_key(l, character, &to[0])) return 1;
    if (character <= ' ') return 0;
    if (character == 0xa0) return layout_strokes(l, ' ', to);
    if (find_key(l, character, false, &to[0])) return 1;
    return compose(l, character, to);
}

unsigned keystroke_edges(Keystroke s, KeyEdge to[STROKE_EDGES])
{
    static const struct {
        u8 with, key;
    } modifiers[] = {
        {WITH_CTRL, KEY_CTRL}, {WITH_ALT, KEY_ALT}, {WITH_ALTGR, KEY_ALTGR}, {WITH_SHIFT, KEY_SHIFT}};
    unsigned count = 0;
    for (unsigned n = 0; n < ARRAY_LEN(modifiers); n++)
        if (s.with & modifiers[n].with) to[count++] = (KeyEdge){modifiers[n].key, true};
    to[count++] = (KeyEdge){s.key, true};
    to[count++] = (KeyEdge){s.key, false};
    for (unsigned n = ARRAY_LEN(modifiers); n-- > 0;)
        if (s.with & modifiers[n].with) to[count++] = (KeyEdge){modifiers[n].key, false};
    return count;
}
