/* net.h - the cable between a network card and the world: whole Ethernet frames without FCS.
 *
 * All of it happens on the vCPU thread. Each end fills in its own half of a NetPort, which belongs to the card.
 * A frame is NET_FRAME_MIN to NET_FRAME_MAX bytes, with an 802.1Q tag NET_FRAME_MOST; padding to the 60 bytes of the
 * wire is the card's business, and what is longer or shorter is dropped by whoever gets it.
 */
#ifndef RING3_NET_H
#define RING3_NET_H

#include "cpu/base/base.h"

enum { NET_FRAME_MIN = 14, NET_FRAME_MAX = 1514, NET_FRAME_MOST = 1518 };

typedef struct NetPort NetPort;
struct NetPort { /* one end of the cable each */
    /* the world's side, set by the backend; NULL: nothing is plugged in */
    void (*send)(NetPort *p, const u8 *frame, u32 n); /* card -> world; copies; never waits; may drop */
    void (*ready)(NetPort *p);                        /* card has room again: frames may be offered */
    /* the card's side, set by the chip */
    /* world -> card; false: no room, offer again after ready() */
    bool (*receive)(void *dev, const u8 *frame, u32 n);
    void (*link)(void *dev); /* `up` has changed; NULL: the chip tells nobody, who wants to know looks */
    void *dev;
    u8 mac[6];
    bool up; /* by net_carrier() */
};

/* For chips: the host's code may use vector registers, where the guest's state may be live. */
static inline void net_send(NetPort *p, const u8 *frame, u32 n)
{
    if (!p->send) return;
    base_park_fpu();
    p->send(p, frame, n);
}

static inline void net_ready(NetPort *p)
{
    if (!p->ready) return;
    base_park_fpu();
    p->ready(p);
}

/* net_carrier - for the world: whether there is a carrier at the cable. The card tells the guest if that is new. */
static inline void net_carrier(NetPort *p, bool up)
{
    bool changed = p->up != up;
    p->up = up;
    if (changed && p->link) p->link(p->dev);
}

/* Does the card see a carrier? */
static inline bool net_link(const NetPort *p) { return p->send && p->up; }

#endif
