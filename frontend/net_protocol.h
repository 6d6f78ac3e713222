/* net_protocol.h - what passes between the machine's process (ring3) and the network's (ring3-net), one for each card.
 *
 * ring3-net speaks with the world, by a library (libslirp) that parses what the guest and strangers send; so it is a
 * process of its own, and the border between the two is a security border in both directions: neither side believes
 * the other.
 *   - frames go through NetShared, two rings of fixed slots in memory that keeps its size (net_ring.h); each side keeps
 *     its own positions to itself, looks at the other's once, and copies a frame before it looks at what is in it;
 *   - two eventfds: `to_net` and `to_machine` wake a side that said it sleeps, or that waits for room. While both are
 *     awake a frame costs no system call;
 *   - a socket (SOCK_SEQPACKET) carries NetMessages of fixed size: the hello, and what the monitor asks. Its end is the
 *     end: a ring3-net that died is a cable that was unplugged.
 * What the network is to be is ring3-net's argument, in the words of -netdev (net_spec.h). It opens all that it names
 * before it answers the hello; then it shuts itself in (frontend/net/confine.c), and the guest starts.
 */
#ifndef RING3_NET_PROTOCOL_H
#define RING3_NET_PROTOCOL_H

#include "frontend/net_ring.h"

enum {
    NET_PROTOCOL = 1,
    NET_SOCKET = 3, /* ring3-net's descriptor of the socket */
    NET_MEMORY = 4, /* ... and of NetShared */
    NET_TEXT = 32000,
};

typedef enum NetKindOfMessage {
    NET_HELLO =
        1, /* machine -> net; a: NET_PROTOCOL; descriptors: to_net, to_machine, and for tap,fd= the device */
    NET_READY,  /* net -> machine: the world is there; text: what it is, for `info network` */
    NET_FAILED, /* net -> machine: it is not; text: a sentence why */
    NET_ASK,    /* machine -> net; text: "hostfwd_add RULE", "hostfwd_remove RULE", "connections" */
    NET_ANSWER, /* net -> machine; a: of the question; text: what to show, may be empty */
} NetKindOfMessage;

/* Of text only what is used is sent. */
typedef struct NetMessage {
    u32 kind, a;
    char text[NET_TEXT];
} NetMessage;

typedef struct NetShared {
    NetRing out; /* machine -> net */
    NetRing in;  /* net -> machine */
} NetShared;

#endif
