/* net_ring.h - frames from one process to one other, in memory that both can write: a single producer, a single consumer.
 *
 * The other side may write anything anywhere at any time. So:
 *   - a side keeps its own position in NetEnd, which is not shared, and only tells it to the other;
 *   - the other's position is read once. One that cannot be (more than all slots used) makes the end `broken`, for good:
 *     nothing passes any more, and the owner drops the connection;
 *   - slots are of fixed size, found by the position modulo their number: no index reaches outside;
 *   - a length is read once and looked at before it is used; the frame is copied out before anybody parses it.
 *
 * Sleeping, as for the vCPU thread (hostio.c): both sides store first and then load the other's word, sequentially
 * consistent, so no wake-up is lost:
 *     consumer: sleeps = 1; if (the ring is empty) wait for the eventfd; sleeps = 0
 *     producer: put; if (sleeps was 1: exchange with 0) write the eventfd
 * and the same the other way round with `wants_room` for a producer that found the ring full.
 */
#ifndef RING3_NET_RING_H
#define RING3_NET_RING_H

#include <stdatomic.h>

#include "hw/net.h"

enum { NET_SLOTS = 512, NET_SLOT_BYTES = 1536 }; /* a power of two: positions wrap freely */

typedef struct NetSlot {
    u32 bytes;
    u8 frame[NET_SLOT_BYTES - sizeof(u32)];
} NetSlot;

typedef struct NetRing {
    _Alignas(64) _Atomic u32 head; /* frames ever put in: the producer tells */
    _Atomic u32 wants_room;        /* producer: wake me when there is some */
    _Alignas(64) _Atomic u32 tail; /* frames ever taken out: the consumer tells */
    _Atomic u32 sleeps;            /* consumer: wake me when there is one */
    _Alignas(64) NetSlot slot[NET_SLOTS];
} NetRing;
_Static_assert(sizeof(NetSlot) == NET_SLOT_BYTES && NET_FRAME_MOST <= NET_SLOT_BYTES - sizeof(u32),
               "a frame fits");

typedef struct NetEnd { /* one side's view of a ring */
    NetRing *ring;
    u32 at; /* frames that this side has put in or taken out */
    bool broken;
} NetEnd;

/* How many frames are in it, by the other side's word `head` - `tail`; broken: 0. */
static inline u32 net_ring_used(NetEnd *e, u32 head, u32 tail)
{
    u32 used = head - tail;
    if (used > NET_SLOTS) e->broken = true;
    return e->broken ? 0 : used;
}

/* net_ring_put - producer: false: there is no room, the frame is none (its length), or the end is broken. */
static inline bool net_ring_put(NetEnd *e, const u8 *frame, u32 n)
{
    u32 used = net_ring_used(e, e->at, atomic_load_explicit(&e->ring->tail, memory_order_acquire));
    if (e->broken || used == NET_SLOTS || n < NET_FRAME_MIN || n > NET_FRAME_MOST) return false;
    NetSlot *s = &e->ring->slot[e->at % NET_SLOTS];
    s->bytes = n;
    memcpy(s->frame, frame, n);
    atomic_store(&e->ring->head, ++e->at);
    return true;
}

/* net_ring_wakes - producer, after putting: the other side sleeps; write its eventfd. */
static inline bool net_ring_wakes(NetEnd *e)
{
    return atomic_load(&e->ring->sleeps) && atomic_exchange(&e->ring->sleeps, 0);
}

/* net_ring_get - consumer: the next frame's bytes, copied to `to` of NET_FRAME_MOST bytes; 0: there is none. One with an
 * impossible length breaks the end. */
static inline u32 net_ring_get(NetEnd *e, u8 *to)
{
    if (!net_ring_used(e, atomic_load_explicit(&e->ring->head, memory_order_acquire), e->at)) return 0;
    const NetSlot *s = &e->ring->slot[e->at % NET_SLOTS];
    u32 n = *(const volatile u32 *)&s->bytes;
    if (n < NET_FRAME_MIN || n > NET_FRAME_MOST) {
        e->broken = true;
        return 0;
    }
    memcpy(to, s->frame, n);
    atomic_store(&e->ring->tail, ++e->at);
    return n;
}

/* net_ring_sleep - consumer: true: the ring is empty and the other side knows that it must wake us. */
static inline bool net_ring_sleep(NetEnd *e)
{
    atomic_store(&e->ring->sleeps, 1);
    if (!net_ring_used(e, atomic_load(&e->ring->head), e->at)) return true;
    atomic_store(&e->ring->sleeps, 0);
    return e->broken;
}
static inline void net_ring_awake(NetEnd *e) { atomic_store(&e->ring->sleeps, 0); }

/* net_ring_want_room - producer: true: the ring is full and the other side knows that it must wake us. */
static inline bool net_ring_want_room(NetEnd *e)
{
    atomic_store(&e->ring->wants_room, 1);
    if (net_ring_used(e, e->at, atomic_load(&e->ring->tail)) == NET_SLOTS) return true;
    atomic_store(&e->ring->wants_room, 0);
    return e->broken;
}

/* net_ring_gives_room - consumer, after taking: the other side waits for room; write its eventfd. */
static inline bool net_ring_gives_room(NetEnd *e)
{
    return atomic_load(&e->ring->wants_room) && atomic_exchange(&e->ring->wants_room, 0);
}

#endif
