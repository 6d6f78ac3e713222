/* link.c - see link.h.
 *
 * The machine is not believed (frontend/net_protocol.h): a position that cannot be ends this process, a message of another
 * kind or size is ignored.
 *
 * BACKLOG frames wait where the ring is full; while any does, the loop reads nothing from the world, so that senders are
 * held back by their own protocols instead of losing. The number is what a library in full flight may still send.
 */
#define _GNU_SOURCE
#include "frontend/net/link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/net/pcap.h"

enum { BACKLOG = 4096, GIFTS = 3 };

static struct {
    int to_net, to_machine;
    NetEnd out, in; /* of the machine: we get from `out`, put into `in` */
    NetSlot waiting[BACKLOG];
    u32 first, waits; /* of `waiting` */
    bool news;        /* frames were put into the ring since the machine was woken */
} l = {.to_net = -1, .to_machine = -1};

int polls_add(Polls *p, int fd, short events)
{
    if (p->count == p->room) {
        unsigned room = p->room ? 2 * p->room : 64;
        struct pollfd *at = realloc(p->at, room * sizeof *at);
        if (!at) return -1;
        p->at = at;
        p->room = room;
    }
    p->at[p->count] = (struct pollfd){fd, events, 0};
    return (int)p->count++;
}

/* --- messages -------------------------------------------------------------------------------------------- */

static NetMessage message; /* too large for a stack */

/* The first descriptors of a message; those beyond are closed. (What `control` has no room for the kernel closes.) */
static void take_gifts(struct msghdr *h, int fd[GIFTS])
{
    unsigned count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int got;
            memcpy(&got, CMSG_DATA(c) + at, sizeof got);
            if (count < GIFTS)
                fd[count++] = got;
            else
                close(got);
        }
    }
}

/* 1: one is in `message` (kind 0: no proper one); 0: none; -1: the machine is gone. */
static int receive(int fd[GIFTS])
{
    char control[CMSG_SPACE(GIFTS * sizeof(int))];
    struct iovec part = {&message, sizeof message};
    struct msghdr h = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    for (unsigned k = 0; k < GIFTS; k++) fd[k] = -1;
    ssize_t n = recvmsg(NET_SOCKET, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n >= 0) take_gifts(&h, fd);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    if (n <= (ssize_t)offsetof(NetMessage, text) || h.msg_flags & MSG_TRUNC) message.kind = 0;
    ((char *)&message)[n - 1] = 0;
    return 1;
}

void link_answer(u32 kind, u32 number, const char *text)
{
    size_t n = strlen(text);
    if (n >= NET_TEXT) n = NET_TEXT - 1;
    message.kind = kind;
    message.a = number;
    memmove(message.text, text, n);
    message.text[n] = 0;
    (void)!send(NET_SOCKET, &message, offsetof(NetMessage, text) + n + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool link_begin(int *device)
{
    struct pollfd p = {NET_SOCKET, POLLIN, 0};
    struct stat st;
    int fd[GIFTS], got = 0;
    while (!got) {
        if (poll(&p, 1, -1) < 0 && errno != EINTR) return false;
        got = receive(fd);
    }
    if (got < 0 || message.kind != NET_HELLO || message.a != NET_PROTOCOL || fd[1] < 0) return false;
    if (fstat(NET_MEMORY, &st) < 0 || st.st_size < (off_t)sizeof(NetShared)) return false;
    NetShared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, NET_MEMORY, 0);
    if (shared == MAP_FAILED) return false;
    close(NET_MEMORY);
    l.to_net = fd[0];
    l.to_machine = fd[1];
    *device = fd[2];
    l.out.ring = &shared->out;
    l.in.ring = &shared->in;
    return true;
}

/* --- frames ---------------------------------------------------------------------------------------------- */

static bool put(const u8 *frame, u32 n)
{
    bool done = net_ring_put(&l.in, frame, n);
    l.news |= done;
    return done;
}

/* Once for all that came together: the machine may be busy. */
static void tell_machine(void)
{
    u64 one = 1;
    if (l.news && net_ring_wakes(&l.in)) (void)!write(l.to_machine, &one, sizeof one);
    l.news = false;
}

static void flush(void)
{
    while (l.waits && put(l.waiting[l.first].frame, l.waiting[l.first].bytes)) {
        l.first = (l.first + 1) % BACKLOG;
        l.waits--;
    }
}

void link_deliver(const u8 *frame, u32 n)
{
    if (n < NET_FRAME_MIN || n > NET_FRAME_MOST) return;
    pcap_frame(frame, n);
    if (!l.waits && put(frame, n)) return;
    if (l.waits == BACKLOG) return;
    NetSlot *s = &l.waiting[(l.first + l.waits++) % BACKLOG];
    s->bytes = n;
    memcpy(s->frame, frame, n);
}

bool link_is_backed_up(void) { return l.waits; }

void link_take(const Backend *b)
{
    u8 frame[NET_FRAME_MOST];
    u32 n, count = 0;
    while (count++ < NET_SLOTS && (n = net_ring_get(&l.out, frame))) {
        pcap_frame(frame, n);
        b->send(frame, n);
    }
    flush();
    tell_machine();
}

bool link_sleep(void)
{
    if (l.waits && !net_ring_want_room(&l.in)) return false;
    return net_ring_sleep(&l.out) && !l.out.broken && !l.in.broken;
}

void link_wait(Polls *p)
{
    polls_add(p, NET_SOCKET, POLLIN);
    polls_add(p, l.to_net, POLLIN);
}

static bool answer_questions(const Backend *b)
{
    static char text[NET_TEXT];
    int fd[GIFTS], got;
    while ((got = receive(fd)) > 0) {
        for (unsigned n = 0; n < GIFTS; n++)
            if (fd[n] >= 0) close(fd[n]);
        if (message.kind != NET_ASK) continue;
        u32 number = message.a;
        text[0] = 0;
        if (b->ask) b->ask(message.text, text, sizeof text);
        link_answer(NET_ANSWER, number, text);
    }
    return !got;
}

bool link_wake(const Polls *p, const Backend *b)
{
    u64 count;
    net_ring_awake(&l.out);
    if (p->at[1].revents) (void)!read(l.to_net, &count, sizeof count);
    if (l.out.broken || l.in.broken) return false;
    return !p->at[0].revents || answer_questions(b);
}
