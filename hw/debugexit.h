/* debugexit.h - isa-debug-exit: a port by which a test kernel ends the emulator. See debugexit.c. */
#ifndef RING3_DEBUGEXIT_H
#define RING3_DEBUGEXIT_H

#include "mmu/bus.h"

typedef struct Debugexit {
    void (*exit)(void *ctx, u32 value); /* the process is to end with (value << 1) | 1 */
    void *ctx;
} Debugexit;

/* `bytes` ports from `port`: 1, 2 or 4 (others are taken as 4). */
void debugexit_init(Debugexit *d, Bus *bus, u16 port, u8 bytes, void (*exit)(void *, u32), void *ctx);

#endif
