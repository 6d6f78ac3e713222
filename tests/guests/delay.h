/* delay.h - microseconds, by a time-stamp counter that counts nanoseconds. */
#ifndef RING3_GUESTS_DELAY_H
#define RING3_GUESTS_DELAY_H

#include "ports.h"

static inline u32 now_us(void)
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    __asm__("divl %2" : "+a"(low), "+d"(high) : "r"(1000));
    return low;
}

static inline void wait_us(u32 us)
{
    for (u32 began = now_us(); now_us() - began < us;) continue;
}

#endif
