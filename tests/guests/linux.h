/* linux.h - for the guests in this folder that are programs of Linux without a library: their start, and system calls. */
#ifndef RING3_GUESTS_LINUX_H
#define RING3_GUESTS_LINUX_H

#include "ports.h"

/* _start, which calls name(count, arguments). */
#define LINUX_START(name)                                                                                    \
    __asm__(                                                                                                 \
        ".globl _start\n_start: mov %esp, %eax\n lea 4(%eax), %edx\n push %edx\n push (%eax)\n call " #name  \
        "\n");

static inline int call(int n, u32 a, u32 b, u32 c)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

#endif
