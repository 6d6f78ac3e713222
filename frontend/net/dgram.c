/* dgram.c - the other end of the cable is a datagram socket, UNIX or UDP: a frame is a datagram. Nobody there: it is lost. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/net/address.h"
#include "frontend/net/backend.h"
#include "frontend/net/link.h"

enum { BURST = 64 };

static struct {
    int fd, place;
    Address peer;
} d;

static bool dgram_open(const NetSpec *s, Problem *p)
{
    Addresses found;
    struct sockaddr_storage own = {0};
    socklen_t bytes = sizeof own;
    d.fd = address_listen(&s->local, SOCK_DGRAM, p);
    if (d.fd < 0 || !address_find(&s->address, SOCK_DGRAM, &found, p)) return false;
    getsockname(d.fd, (struct sockaddr *)&own, &bytes);
    for (unsigned n = 0; n < found.count; n++) {
        d.peer = found.address[n];
        if (d.peer.at.ss_family == own.ss_family) return true;
    }
    return problem_set(p, "%.200s: its address is of another kind than that of %.200s", s->address.path,
                       s->local.path);
}

static void dgram_about(const NetSpec *s, char *to, size_t room)
{
    const char *colon = s->local.is_unix ? "" : ":";
    snprintf(to, room, "local=%.100s%s%.40s,remote=%.100s%s%.40s", s->local.path, colon, s->local.port,
             s->address.path, colon, s->address.port);
}

static void dgram_send(const u8 *frame, u32 n)
{
    (void)!sendto(d.fd, frame, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&d.peer.at, d.peer.bytes);
}

static void dgram_fill(Polls *p, int *ms)
{
    (void)ms;
    d.place = polls_add(p, d.fd, POLLIN);
}

static void dgram_serve(const Polls *p)
{
    u8 frame[NET_FRAME_MOST + 1];
    if (d.place < 0 || !p->at[d.place].revents) return;
    for (int n = 0; n < BURST; n++) {
        ssize_t bytes = recv(d.fd, frame, sizeof frame, MSG_DONTWAIT);
        if (bytes < 0) return;
        link_deliver(frame, (u32)bytes); /* which drops what is no frame */
    }
}

const Backend backend_dgram = {dgram_open, dgram_about, dgram_send, dgram_fill, dgram_serve, NULL};
