/* backend.h - what the world is made of, one kind of it in a process. main.c's loop drives it. */
#ifndef RING3_NET_BACKEND_H
#define RING3_NET_BACKEND_H

#include <poll.h>

#include "frontend/options/net_spec.h"
#include "frontend/say.h"

/* What the loop waits for; grows as needed. */
typedef struct Polls {
    struct pollfd *at;
    unsigned count, room;
} Polls;
int polls_add(Polls *p, int fd, short events); /* its place; -1: no memory */

typedef struct Backend {
    /* Before the process is shut in: open all that is needed. False: *p says why not. */
    bool (*open)(const NetSpec *s, Problem *p);
    /* For `info network`: "net=10.0.2.0,restrict=off". */
    void (*about)(const NetSpec *s, char *to, size_t room);
    void (*send)(const u8 *frame, u32 n); /* the guest's */
    void (*fill)(Polls *p, int *ms);      /* what to wait for, and how long at most (-1: for ever) */
    void (*serve)(const Polls *p);        /* it was waited for: `revents` are there */
    /* The monitor asks. What to show goes to `answer`; NULL: there is nothing to ask. */
    void (*ask)(const char *question, char *answer, size_t room);
} Backend;

extern const Backend backend_user, backend_stream, backend_dgram, backend_tap, backend_vde;

#endif
