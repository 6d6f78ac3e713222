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
