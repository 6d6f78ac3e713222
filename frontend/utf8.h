/* utf8.h - UTF-8 (RFC 3629) that may be none. See utf8.c. */
#ifndef RING3_UTF8_H
#define RING3_UTF8_H

#include "cpu/base/base.h"

/* utf8_length - how many bytes the character at `text` has, which ends with a zero; 0: it is none. */
u32 utf8_length(const char *text);
bool utf8_is(const char *text); /* all of it is */
/* utf8_next - the next character of a text; what is no UTF-8 is U+FFFD, the end 0. Moves *text. */
u32 utf8_next(const char **text);
/* utf8_put - a character, up to U+10FFFF; returns how many bytes. */
enum { UTF8_BYTES = 4 };
u32 utf8_put(char to[UTF8_BYTES], u32 c);

#endif
