/* stream.c - the other end of the cable is a stream socket: another machine's, ring3 switch's, QEMU's. One connection at a
 * time; who listens takes another when that ends, who connects tries again with reconnect=. What is sent meanwhile is lost. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "frontend/net/address.h"
#include "frontend/net/backend.h"
#include "frontend/net/link.h"
#include "frontend/net/wire.h"

static struct {
    Wire wire;
    int listener; /* -1: we connect */
    Addresses peer;
    unsigned tries; /* which of them is next */
    s64 retry_ms;   /* when to connect again; 0: not */
    u32 reconnect_s;
    int wire_place, listener_place;
} t;

static s64 now_ms(void)
{
    struct timespec n;
    clock_gettime(CLOCK_MONOTONIC, &n);
    return (s64)n.tv_sec * 1000 + n.tv_nsec / 1000000;
}

static bool stream_open(const NetSpec *s, Problem *p)
{
    t.listener = -1;
    wire_open(&t.wire, -1);
    if (s->is_server) {
        t.listener = address_listen(&s->address, SOCK_STREAM, p);
        return t.listener >= 0;
    }
    t.reconnect_s = s->reconnect_s;
    if (!address_find(&s->address, SOCK_STREAM, &t.peer, p)) return false;
    t.wire.fd = address_connect_any(&t.peer, SOCK_STREAM);
    if (t.wire.fd >= 0) return true;
    t.retry_ms = now_ms() + (s64)t.reconnect_s * 1000;
    return t.reconnect_s || problem_set(p, "%.200s%s%.40s: %s", s->address.path,
                                        s->address.is_unix ? "" : ":", s->address.port, strerror(errno));
}

static void stream_about(const NetSpec *s, char *to, size_t room)
{
    snprintf(to, room, "%s %s%s%.40s", s->is_server ? "listens at" : "connects to", s->address.path,
             s->address.is_unix ? "" : ":", s->address.port);
}

static void stream_send(const u8 *frame, u32 n) { wire_send(&t.wire, frame, n); }

static void try_again(void)
{
    t.retry_ms = 0;
    wire_open(&t.wire, address_connect(&t.peer.address[t.tries++ % t.peer.count], SOCK_STREAM));
    if (t.wire.fd < 0) t.retry_ms = now_ms() + (s64)t.reconnect_s * 1000;
}

static void stream_fill(Polls *p, int *ms)
{
    t.wire_place = t.listener_place = -1;
    if (t.retry_ms && now_ms() >= t.retry_ms) try_again();
    if (t.retry_ms) *ms = (int)(t.retry_ms - now_ms()) + 1;
    if (t.wire.fd >= 0)
        t.wire_place = polls_add(p, t.wire.fd, wire_events(&t.wire));
    else if (t.listener >= 0)
        t.listener_place = polls_add(p, t.listener, POLLIN);
}

static void got(void *ctx, const u8 *frame, u32 n)
{
    (void)ctx;
    link_deliver(frame, n);
}

static void stream_serve(const Polls *p)
{
    if (t.listener_place >= 0 && p->at[t.listener_place].revents) {
        wire_open(&t.wire, accept4(t.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
        return;
    }
    if (t.wire_place < 0 || !p->at[t.wire_place].revents) return;
    if (!wire_serve(&t.wire, p->at[t.wire_place].revents, got, NULL) && t.reconnect_s)
        t.retry_ms = now_ms() + (s64)t.reconnect_s * 1000;
}

const Backend backend_stream = {stream_open, stream_about, stream_send, stream_fill, stream_serve, NULL};
