/* net_spec.h - what a card's cable leads to, in the words of -netdev. Both processes read them. See net_spec.c. */
#ifndef RING3_NET_SPEC_H
#define RING3_NET_SPEC_H

#include <netinet/in.h>

#include "cpu/base/base.h"
#include "frontend/options/options_result.h"

typedef enum NetKind { NET_NONE, NET_USER, NET_TAP, NET_VDE, NET_STREAM, NET_DGRAM, NET_KINDS } NetKind;

enum { NET_FORWARDS = 64, NET_NAME = 64, NET_PATH = 256 };

/* hostfwd=: connections to the host's address are the guest's. guestfwd=: connections to an address of the guest's
 * network go to `target` on the host. */
typedef struct NetForward {
    bool is_guest, is_udp;
    struct in_addr host, guest; /* host: 0 all of the host's addresses; guest: 0 the first that DHCP gives */
    u16 host_port, guest_port;
    char target[NET_PATH]; /* guestfwd: tcp:HOST:PORT or unix:PATH */
} NetForward;

/* One end of a stream or dgram socket. */
typedef struct NetAddress {
    bool is_set, is_unix;
    char path[NET_PATH]; /* unix: or the host's name */
    char port[NET_NAME];
} NetAddress;

typedef struct NetSpec {
    NetKind kind;
    bool is_socket; /* -netdev socket: the older words for stream and dgram */
    char id[NET_NAME];
    char dump[NET_PATH]; /* a pcap file; empty: none */
    /* user */
    bool restricted, no_ipv4, no_ipv6;
    struct in_addr net, mask, host, dns, dhcp;
    char hostname[NET_NAME], domain[NET_NAME], tftp[NET_PATH], bootfile[NET_PATH], server_name[NET_NAME];
    unsigned forwards;
    NetForward forward[NET_FORWARDS];
    /* stream, dgram */
    bool is_server;
    NetAddress address, local; /* local: of dgram, where it gets */
    u32 reconnect_s;           /* stream: 0: never */
    /* tap, vde */
    char ifname[16], vde[NET_PATH], group[NET_NAME];
    u32 vde_port, vde_mode;
    int fd; /* tap; -1: not given */
} NetSpec;

/* Of -nic's words those that are the card's: model=, mac=. *taken: it was one of them. */
typedef OptionsResult NetCardKey(void *ctx, const char *key, const char *value, bool *taken);
/* net_spec_parse - `value` in the words of -netdev; with `card` those of the card, too, as -nic has them. What is wrong
 * has been said (`option` begins the sentence). */
OptionsResult net_spec_parse(NetSpec *s, NetCardKey *card, void *ctx, const char *option, const char *value);
/* net_spec_forward - [tcp|udp]:[ADDR]:PORT-[ADDR]:PORT; false: it is none, and *why says what is missing. */
bool net_spec_forward(const char *text, NetForward *f, const char **why);
const char *net_kind_name(NetKind kind);

#endif
