/* net_options.h - network cards and where their cables lead, from the command line. See net_options.c. */
#ifndef RING3_NET_OPTIONS_H
#define RING3_NET_OPTIONS_H

#include "frontend/options/net_spec.h"
#include "frontend/say.h"
#include "hw/nic.h"

/* What the words say of a card. */
typedef struct NicSpec {
    bool has_mac;
    char model[16];
    NicConfig config;
    char id[NET_NAME], netdev[NET_NAME];
    bool has_romfile;
    char romfile[NET_PATH]; /* its boot ROM; empty: none. Not given: the one that is made for such a card */
} NicSpec;

/* A cable: -netdev, the second half of -nic, or -net user. */
typedef struct NetCable {
    NetSpec spec;
    const char *words; /* as they were given: ring3-net's argument */
    bool used;
} NetCable;

typedef struct NetCard {
    NicSpec nic;
    int cable; /* of NetOptions.cable; -1: nothing is plugged in */
    bool old;  /* by -net nic: the cable of -net is meant */
} NetCard;

typedef struct NetOptions {
    NetCard card[NICS_MAX];
    unsigned cards;
    NetCable cable[NICS_MAX];
    unsigned cables;
    int old_cable;   /* of -net; -1: none */
    bool none;       /* -nic none or -net none: not even the default card */
    bool by_default; /* nobody asked for the card: without its cable the machine runs all the same */
} NetOptions;

void net_options_init(NetOptions *o);
/* One option's value; what is wrong has been said. */
OptionsResult net_option_nic(NetOptions *o, const char *value);
OptionsResult net_option_netdev(NetOptions *o, const char *value);
OptionsResult net_option_net(NetOptions *o, const char *value);
/* -device MODEL,netdev=ID,mac=...: false: not a network card's name, and nothing was done. */
bool net_option_device(NetOptions *o, const char *value, OptionsResult *result);
/* net_options_finish - all options are read: cables go into cards, cards without an address get one. */
bool net_options_finish(NetOptions *o, bool no_defaults, Problem *p);

#endif
