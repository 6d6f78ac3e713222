/* serial.h - for the guests in this folder that talk on COM1: texts, numbers, lines. */
#ifndef RING3_GUESTS_SERIAL_H
#define RING3_GUESTS_SERIAL_H

#include "ports.h"

enum { COM1 = 0x3f8, LSR = COM1 + 5, LSR_DATA = 1, LSR_EMPTY = 0x20 };

static inline void put(char c)
{
    while (!(in8(LSR) & LSR_EMPTY)) continue;
    out8(COM1, (u8)c);
}

static inline void print(const char *s)
{
    while (*s) put(*s++);
}

static inline void print_hex(u32 v, int digits)
{
    for (int shift = 4 * digits - 4; shift >= 0; shift -= 4) put("0123456789abcdef"[v >> shift & 15]);
}

/* "what 0000002a" */
static inline void line(const char *what, u32 v)
{
    print(what);
    put(' ');
    print_hex(v, 8);
    print("\r\n");
}

#endif
