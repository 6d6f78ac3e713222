/* listener.h - sockets that strangers connect to: -inspect, -vnc. See listener.c. */
#ifndef RING3_LISTENER_H
#define RING3_LISTENER_H

#include "cpu/base/base.h"

/* listener_unix - a socket that lies at `path` is replaced; the new one is taken away when ring3 ends. -1: errno. */
int listener_unix(const char *path);

/* listener_tcp - by the names of host and port. -1: *why says why, in a word or two. */
int listener_tcp(const char *host, const char *port, const char **why);

/* listener_split - [ADDR:]PORT taken apart, into the text itself; without ADDR it is 127.0.0.1. */
void listener_split(char *text, const char **host, const char **port);

/* listener_name - its address as people write it, 127.0.0.1:5900 or [::1]:5900. False: it has none. */
enum { LISTENER_NAME = 96 };
bool listener_name(int fd, char to[LISTENER_NAME]);

#endif
