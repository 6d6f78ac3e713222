/* utf8.c - see utf8.h. Neither longer than needed, nor half a surrogate pair, nor beyond U+10FFFF. */
#include "frontend/utf8.h"

static u32 length_said(u8 first)
{
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first < 0xe0) return 2;
    if (first >= 0xe0 && first < 0xf0) return 3;
    return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

u32 utf8_length(const char *text)
{
    const u8 *s = (const u8 *)text;
    u32 n = length_said(s[0]);
    for (u32 k = 1; k < n; k++)
        if ((s[k] & 0xc0) != 0x80) return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool beyond = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return overlong || beyond ? 0 : n;
}

bool utf8_is(const char *text)
{
    for (u32 n; *text; text += n) {
        n = utf8_length(text);
        if (!n) return false;
    }
    return true;
}

u32 utf8_next(const char **text)
{
    enum { BAD = 0xfffd };
    const u8 *s = (const u8 *)*text;
    unsigned more = s[0] < 0x80   ? 0
                    : s[0] < 0xc2 ? 9
                    : s[0] < 0xe0 ? 1
                    : s[0] < 0xf0 ? 2
                    : s[0] < 0xf5 ? 3
                                  : 9;
    if (!s[0]) return 0;
    u32 c = more == 0 ? s[0] : more < 9 ? s[0] & (0x3fu >> more) : BAD;
    *text += 1;
    for (unsigned n = 1; more < 9 && n <= more; n++) {
        if ((s[n] & 0xc0) != 0x80) return BAD;
        c = c << 6 | (s[n] & 0x3f);
        *text += 1;
    }
    return c;
}

static char continued(u32 c, unsigned shift) { return (char)(0x80 | (c >> shift & 0x3f)); }

u32 utf8_put(char to[UTF8_BYTES], u32 c)
{
    u32 n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const u8 leads[] = {[1] = 0, [2] = 0xc0, [3] = 0xe0, [4] = 0xf0};
    to[0] = (char)(leads[n] | c >> 6 * (n - 1));
    for (u32 k = 1; k < n; k++) to[k] = continued(c, 6 * (n - 1 - k));
    return n;
}
