/* print.c - messages, to the screen and to port E9, where the debug console is; but that is left to a kernel of
 * -kernel's, whose messages a person looks for there. Compiled for both halves of the firmware.
 *
 * Not implemented: conversions but %d %u %x %c %s, a width, and 0 as padding.
 */
#include <stdarg.h>

#ifdef BIOS32
#include "bios32.h"
#define SHARED LOW(shared)
#else
#include "bios16.h"
#define SHARED shared
#endif

static void put(char c)
{
    Regs r = {0};
    if (c == '\n') put('\r');
    if (!SHARED.kernel_key) outb(PORT_DEBUG, (u8)c);
    r.ax = (u16)(0x0e00 | (u8)c);
    r.bx = 0x0007;
    int_call(0x10, &r);
}

static void put_number(u32 n, u32 base, int width, char pad)
{
    char digits[12];
    int i = 0;
    do {
        digits[i++] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    for (; width > i; width--) put(pad);
    while (i) put(digits[--i]);
}

void print(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        char pad = ' ';
        int width = 0;
        if (*++format == '0') pad = *format++;
        while (*format >= '0' && *format <= '9') width = width * 10 + *format++ - '0';
        switch (*format) {
        case 'c': put((char)va_arg(ap, int)); break;
        case 's':
            for (const char *s = va_arg(ap, const char *); *s; s++) put(*s);
            break;
        case 'x': put_number(va_arg(ap, u32), 16, width, pad); break;
        case 'd':
        case 'u': put_number(va_arg(ap, u32), 10, width, pad); break;
        default: put(*format); break;
        }
    }
    va_end(ap);
}
