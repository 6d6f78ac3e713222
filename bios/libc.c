/* libc.c - the functions of memory that the compiler may call. Compiled for both halves of the firmware, and for the tests'
 * boot sector programs (tests/guests).
 */
#ifdef BIOS32
#include "bios32.h"
#else
#include "bios16.h"
#endif

void *memset(void *to, int c, size_t n)
{
    u8 *p = to;
    while (n--) *p++ = (u8)c;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    volatile u8 *p = to; /* no MOVSB of the compiler's: ES is not DS (bios16.h) */
    const u8 *q = from;
    while (n--) *p++ = *q++;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *p = a, *q = b;
    for (; n; n--, p++, q++)
        if (*p != *q) return *p - *q;
    return 0;
}
