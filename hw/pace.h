/* pace.h - how fast a drive may be: limits on bytes and commands a second, kept in guest time. See pace.c. */
#ifndef RING3_PACE_H
#define RING3_PACE_H

#include "hw/state.h"

/* Of all transfers, of reads, of writes. */
enum { LIMIT_TOTAL, LIMIT_READ, LIMIT_WRITE, LIMIT_KINDS };

typedef struct DriveLimits { /* a second; 0: as many as there are */
    u64 bytes[LIMIT_KINDS], commands[LIMIT_KINDS];
} DriveLimits;

static inline bool limits_are_set(const DriveLimits *l)
{
    u64 any = 0;
    for (int k = 0; k < LIMIT_KINDS; k++) any |= l->bytes[k] | l->commands[k];
    return any;
}

typedef struct Pace { /* when what was moved so far would have been moved at the limits' pace, guest ns */
    u64 bytes_due_ns[LIMIT_KINDS], commands_due_ns[LIMIT_KINDS];
} Pace;

/* pace_take - a command that moves `bytes` is about to be carried out: the guest time at which it may be, `now_ns` or later. */
u64 pace_take(Pace *p, const DriveLimits *l, bool writes, u64 bytes, u64 now_ns);
void pace_state(Pace *p, State *s);

#endif
