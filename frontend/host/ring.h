/* ring.h - bytes from one thread to one other, without locks: a single producer and a single consumer. */
#ifndef RING3_RING_H
#define RING3_RING_H

#include <stdatomic.h>

#include "cpu/base/base.h"

enum { RING_BYTES = 4096 }; /* a power of two: positions wrap freely */

typedef struct Ring {
    _Atomic u32 head; /* bytes ever put in: the producer's */
    _Atomic u32 tail; /* bytes ever taken out: the consumer's */
    u8 bytes[RING_BYTES];
} Ring;

static inline u32 ring_used(Ring *r) { return atomic_load(&r->head) - atomic_load(&r->tail); }
static inline u32 ring_room(Ring *r) { return RING_BYTES - ring_used(r); }

/* ring_put - producer: as many of n bytes as there is room for. */
static inline u32 ring_put(Ring *r, const u8 *from, u32 n)
{
    u32 head = atomic_load(&r->head), room = ring_room(r);
    if (n > room) n = room;
    for (u32 i = 0; i < n; i++) r->bytes[(head + i) % RING_BYTES] = from[i];
    atomic_store(&r->head, head + n);
    return n;
}

/* ring_get - consumer: up to n bytes. */
static inline u32 ring_get(Ring *r, u8 *to, u32 n)
{
    u32 tail = atomic_load(&r->tail), used = ring_used(r);
    if (n > used) n = used;
    for (u32 i = 0; i < n; i++) to[i] = r->bytes[(tail + i) % RING_BYTES];
    atomic_store(&r->tail, tail + n);
    return n;
}

/* ring_skip - consumer: as if all before position `to` had been taken. */
static inline void ring_skip(Ring *r, u32 to)
{
    if ((s32)(to - atomic_load(&r->tail)) > 0) atomic_store(&r->tail, to);
}

/* ring_holds - consumer: is the byte among those that wait? */
static inline bool ring_holds(Ring *r, u8 byte)
{
    u32 head = atomic_load(&r->head);
    for (u32 at = atomic_load(&r->tail); at != head; at++)
        if (r->bytes[at % RING_BYTES] == byte) return true;
    return false;
}

#endif
