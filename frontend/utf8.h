/* utf8.h - UTF-8 (RFC 3629) that may be none. See utf8.c. */
#ifndef RING3_UTF8_H
#define RING3_UTF8_H

#include "cpu/base.h"

/* utf8_length - how many bytes the character at `text` has, which ends with a zero; 0: it is none. */
u32 utf8_length(const char *text);
bool utf8_is(const char *text); /* all of it is */

#endif
