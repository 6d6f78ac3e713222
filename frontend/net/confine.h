/* confine.h - what the network's process may still do once frames come. See confine.c. */
#ifndef RING3_NET_CONFINE_H
#define RING3_NET_CONFINE_H

#include "frontend/options/net_spec.h"

/* net_confine - for good. A kernel without seccomp leaves it at no-new-privileges and Landlock. */
void net_confine(const NetSpec *s);

#endif
