/* net.h - the machine's end of the networks: starts a ring3-net for each cable, passes frames. See net.c. */
#ifndef RING3_NET_MACHINE_H
#define RING3_NET_MACHINE_H

#include <poll.h>

#include "frontend/options/net_options.h"
#include "frontend/pc.h"

/* net_start - a process for each cable; what it cannot open is said in *p. */
bool net_start(const NetOptions *o, Problem *p);
/* net_configure - the board's cards, in the order of the command line. */
void net_configure(const NetOptions *o, NicConfig config[NICS_MAX]);
/* net_attach - the machine is there: cables go into its cards. Before the guest runs. */
bool net_attach(Pc *pc, Problem *p);

/* --- the I/O thread; hostio.c is the only caller --- */
enum { NET_POLLS = 2 * NICS_MAX };
void net_prepare(struct pollfd p[NET_POLLS]);
bool net_happened(const struct pollfd p[NET_POLLS]); /* true: the vCPU thread should look */

/* --- the vCPU thread --- */
void net_service(void); /* frames that came go to their cards */

/* For the monitor. */
typedef void NetSay(void *ctx, const char *text);
void net_show(NetSay *to, void *ctx); /* cards and cables */
void net_show_connections(NetSay *to, void *ctx);
/* "hostfwd_add" or "hostfwd_remove": of the cable `id` (NULL: the first of kind user). False: *p says why not. */
bool net_hostfwd(const char *word, const char *id, const char *rule, Problem *p);
/* Plug the cable in or out of the card or cable called `name`; false: there is none. */
bool net_set_link(const char *name, bool up);

#endif
