/* text.c - strings and numbers. No library: what GCC itself may call is here, too. */
#include "bios/tour/tour.h"

void *memcpy(void *to, const void *from, u32 n)
{
    u8 *d = to;
    const u8 *s = from;
    while (n--) *d++ = *s++;
    return to;
}

void *memset(void *to, int v, u32 n)
{
    u8 *d = to;
    while (n--) *d++ = (u8)v;
    return to;
}

int memcmp(const void *a, const void *b, u32 n)
{
    const u8 *x = a, *y = b;
    for (; n--; x++, y++)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}

u32 text_length(const char *s)
{
    u32 n = 0;
    while (s[n]) n++;
    return n;
}

u64 divide(u64 n, u32 d, u32 *rest)
{
    u32 high = (u32)(n >> 32), low = (u32)n, q_high = high / d, q_low;
    __asm__("divl %4" : "=a"(q_low), "=d"(*rest) : "0"(low), "1"(high % d), "r"(d) : "cc");
    return (u64)q_high << 32 | q_low;
}

void text_char(Text *t, char c)
{
    if (t->used + 1 >= t->room) return;
    t->at[t->used++] = c;
    t->at[t->used] = 0;
}

static void add_string(Text *t, const char *s)
{
    while (*s) text_char(t, *s++);
}

static void add_hex(Text *t, u32 v, u32 digits)
{
    while (digits < 8 && v >> 4 * digits) digits++;
    while (digits--) text_char(t, "0123456789abcdef"[v >> 4 * digits & 15]);
}

static void add_decimal(Text *t, u64 v)
{
    char digits[28];
    u32 n = 0, places = 0, rest;
    do {
        if (places && places % 3 == 0) digits[n++] = ',';
        v = divide(v, 10, &rest);
        digits[n++] = (char)('0' + rest);
        places++;
    } while (v);
    while (n) text_char(t, digits[--n]);
}

static void add_thousandths(Text *t, u64 thousandths, u32 places)
{
    u32 rest;
    add_decimal(t, divide(thousandths, 1000, &rest));
    if (!places) return;
    text_char(t, '.');
    for (u32 unit = 100; places--; unit /= 10) text_char(t, (char)('0' + rest / unit % 10));
}

static void add_time(Text *t, u64 ns)
{
    u32 rest;
    if (ns < 10000) {
        add_decimal(t, ns);
        add_string(t, " ns");
    } else if (ns < 10000000) {
        add_thousandths(t, ns, 1);
        add_string(t, " us");
    } else {
        add_thousandths(t, divide(ns, 1000, &rest), 1);
        add_string(t, " ms");
    }
}

void text_add(Text *t, const char *f, ...)
{
    __builtin_va_list args;
    __builtin_va_start(args, f);
    for (; *f; f++) {
        u32 digits = 1, rest;
        if (*f != '%') {
            text_char(t, *f);
            continue;
        }
        if (*++f >= '0' && *f <= '9') digits = (u32)(*f++ - '0');
        u64 n;
        switch (*f) {
        case 's': add_string(t, __builtin_va_arg(args, const char *)); break;
        case 'u': add_decimal(t, __builtin_va_arg(args, u32)); break;
        case 'U': add_decimal(t, __builtin_va_arg(args, u64)); break;
        case 'x': add_hex(t, __builtin_va_arg(args, u32), digits); break;
        case 'T': add_time(t, __builtin_va_arg(args, u64)); break;
        case 'q':
            n = __builtin_va_arg(args, u64);
            add_thousandths(t, divide(n * 1000, __builtin_va_arg(args, u32), &rest), 2);
            break;
        default: text_char(t, *f);
        }
    }
    __builtin_va_end(args);
}
