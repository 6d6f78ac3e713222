/* address.h - sockets by the addresses of -netdev stream, dgram and socket. See address.c. */
#ifndef RING3_NET_ADDRESS_H
#define RING3_NET_ADDRESS_H

#include <sys/socket.h>

#include "frontend/options/net_spec.h"
#include "frontend/say.h"

enum { ADDRESSES_MAX = 8 };
typedef struct Address {
    struct sockaddr_storage at;
    socklen_t bytes;
} Address;
typedef struct Addresses { /* what one name stands for, the best first: at least one */
    Address address[ADDRESSES_MAX];
    unsigned count;
} Addresses;

/* address_find - a name is looked up; `type` SOCK_STREAM or SOCK_DGRAM; an empty host: all of this one's. False: *p says why. */
bool address_find(const NetAddress *a, int type, Addresses *to, Problem *p);
/* All sockets are non-blocking. address_listen - at the first address that can be had. -1: *p says why. */
int address_listen(const NetAddress *a, int type, Problem *p); /* a datagram socket: bound */
/* address_connect - makes a socket that connects, or will have; -1: errno. */
int address_connect(const Address *a, int type);
/* address_connect_any - the first address where somebody answers within some seconds; -1: errno of the last. */
int address_connect_any(const Addresses *a, int type);

#endif
