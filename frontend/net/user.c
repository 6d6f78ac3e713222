/* user.c - a network inside this process: the guest's packets become sockets of the host, by Debian's libslirp. The guest is
 * behind a router at 10.0.2.2, with DHCP, a name server at 10.0.2.3 and TFTP; nobody needs rights for it.
 *
 * libslirp is driven by the loop: it says what to wait for, and is told what came. Its one timer (router advertisements of
 * IPv6) is looked at with the others. A frame that it sends goes to the machine at once.
 *
 * guestfwd to tcp:HOST:PORT is one connection, made at the start, as in QEMU; to unix:PATH it is one for each of the guest's.
 *
 * The guest may hold all descriptors that there are. Who calls by hostfwd then waits at the door: a listening socket stays
 * readable while nobody can be accepted, and the loop would turn for nothing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "frontend/net/address.h"
#include "frontend/net/backend.h"
#include "frontend/net/closed.h"
#include "frontend/net/files.h"
#include "frontend/net/fragments.h"
#include "frontend/net/link.h"

typedef struct SlirpTimer {
    bool used, armed;
    SlirpTimerId id;
    void *ctx;
    s64 at_ms;
} SlirpTimer;

typedef struct Pipe { /* a guestfwd of one connection */
    int fd;
    struct in_addr guest;
    u16 port;
    int place; /* in Polls */
} Pipe;

static struct {
    Slirp *slirp;
    SlirpTimer timer[4];
    Pipe pipe[NET_FORWARDS];
    unsigned pipes;
    Polls *polls; /* while libslirp fills it */
    bool full;    /* no descriptor is left */
    const Polls *filled;
} u;

/* --- what libslirp calls --------------------------------------------------------------------------------- */

static s64 now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (s64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t on_clock(void *ctx)
{
    (void)ctx;
    return now_ns();
}

static ssize_t on_packet(const void *frame, size_t n, void *ctx)
{
    (void)ctx;
    if (n > NET_FRAME_MOST) return (ssize_t)n;
    closed_look(frame, (u32)n, false);
    link_deliver(frame, (u32)n);
    return (ssize_t)n;
}

static void on_guest_error(const char *text, void *ctx) { (void)text, (void)ctx; }
static void on_poll_fd(int fd, void *ctx) { (void)fd, (void)ctx; }
static void on_notify(void *ctx) { (void)ctx; }

static void *on_timer_new(SlirpTimerId id, void *timer_ctx, void *ctx)
{
    (void)ctx;
    for (unsigned n = 0; n < ARRAY_LEN(u.timer); n++) {
        SlirpTimer *t = &u.timer[n];
        if (t->used) continue;
        *t = (SlirpTimer){.used = true, .id = id, .ctx = timer_ctx};
        return t;
    }
    CHECK(false, "libslirp has more timers than one"); /* at the start */
    return NULL;
}

static void on_timer_free(void *timer, void *ctx)
{
    (void)ctx;
    ((SlirpTimer *)timer)->used = false;
}

static void on_timer_mod(void *timer, int64_t at_ms, void *ctx)
{
    SlirpTimer *t = timer;
    (void)ctx;
    t->armed = true;
    t->at_ms = at_ms;
}

static const SlirpCb callbacks = {
    .send_packet = on_packet,
    .guest_error = on_guest_error,
    .clock_get_ns = on_clock,
    .timer_free = on_timer_free,
    .timer_mod = on_timer_mod,
    .register_poll_fd = on_poll_fd,
    .unregister_poll_fd = on_poll_fd,
    .notify = on_notify,
    .timer_new_opaque = on_timer_new,
};

/* --- forwards -------------------------------------------------------------------------------------------- */

static int connect_to(const char *host, const char *port, Problem *p)
{
    NetAddress a = {.is_set = true};
    Addresses found;
    snprintf(a.path, sizeof a.path, "%s", host);
    snprintf(a.port, sizeof a.port, "%s", port);
    if (!address_find(&a, SOCK_STREAM, &found, p)) return -1;
    int fd = address_connect_any(&found, SOCK_STREAM);
    if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK); /* on_pipe_data() waits */
    if (fd < 0) problem_set(p, "guestfwd to %.100s:%.40s: %s", host, port, strerror(errno));
    return fd;
}

/* libslirp wants all of it taken: who does not read for long loses the connection. */
static ssize_t on_pipe_data(const void *data, size_t n, void *ctx)
{
    Pipe *pipe = ctx;
    const char *at = data;
    for (size_t left = n; left && pipe->fd >= 0;) {
        ssize_t sent = send(pipe->fd, at, left, MSG_NOSIGNAL);
        if (sent <= 0) {
            close(pipe->fd);
            pipe->fd = -1;
            break;
        }
        at += sent;
        left -= (size_t)sent;
    }
    return (ssize_t)n;
}

static bool add_pipe(const NetForward *f, Problem *p)
{
    static const struct timeval patience = {.tv_sec = 5};
    char host[NET_PATH];
    strcpy(host, f->target + 4);
    char *colon = strrchr(host, ':');
    *colon = 0;
    Pipe *pipe = &u.pipe[u.pipes++];
    *pipe = (Pipe){.fd = connect_to(host, colon + 1, p), .guest = f->guest, .port = f->guest_port};
    if (pipe->fd < 0) return false;
    setsockopt(pipe->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (slirp_add_guestfwd(u.slirp, on_pipe_data, pipe, &pipe->guest, f->guest_port) == 0) return true;
    return problem_set(p, "guestfwd: port %u of %s is in use", f->guest_port, inet_ntoa(f->guest));
}

static bool add_guestfwd(const NetForward *f, Problem *p)
{
    struct in_addr guest = f->guest;
    if (strncmp(f->target, "unix:", 5)) return add_pipe(f, p);
    if (strlen(f->target + 5) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return problem_set(p, "guestfwd: the path is too long");
    if (slirp_add_unix(u.slirp, f->target + 5, &guest, f->guest_port) == 0) return true;
    return problem_set(p, "guestfwd: port %u of %s is in use", f->guest_port, inet_ntoa(f->guest));
}

static bool add_hostfwd(const NetForward *f, Problem *p)
{
    char host[INET_ADDRSTRLEN];
    if (slirp_add_hostfwd(u.slirp, f->is_udp, f->host, f->host_port, f->guest, f->guest_port) == 0)
        return true;
    int why = errno;
    return problem_set(p, "hostfwd: %s port %u of %s cannot be listened to: %s", f->is_udp ? "UDP" : "TCP",
                       f->host_port, inet_ntop(AF_INET, &f->host, host, sizeof host), strerror(why));
}

static bool add_forwards(const NetSpec *s, Problem *p)
{
    for (unsigned n = 0; n < s->forwards; n++) {
        const NetForward *f = &s->forward[n];
        if (!(f->is_guest ? add_guestfwd(f, p) : add_hostfwd(f, p))) return false;
    }
    return true;
}

/* --- the backend ----------------------------------------------------------------------------------------- */

static const char *given(const char *text) { return *text ? text : NULL; }

static bool user_open(const NetSpec *s, Problem *p)
{
    static char tftp[NET_PATH * 2]; /* libslirp looks at the file's size by this name */
    static struct in6_addr prefix6, host6, dns6;
    inet_pton(AF_INET6, "fec0::", &prefix6);
    inet_pton(AF_INET6, "fec0::2", &host6);
    inet_pton(AF_INET6, "fec0::3", &dns6);
    if (*s->tftp && !realpath(s->tftp, tftp))
        return problem_set(p, "tftp=%.200s: %s", s->tftp, strerror(errno));
    if (!files_start(tftp, p)) return false;
    const SlirpConfig config = {
        .version = 4,
        .restricted = s->restricted,
        .in_enabled = !s->no_ipv4,
        .vnetwork = s->net,
        .vnetmask = s->mask,
        .vhost = s->host,
        .in6_enabled = !s->no_ipv6,
        .vprefix_addr6 = prefix6,
        .vprefix_len = 64,
        .vhost6 = host6,
        .vhostname = given(s->hostname),
        .tftp_server_name = given(s->server_name),
        .tftp_path = given(tftp),
        .bootfile = given(s->bootfile),
        .vdhcp_start = s->dhcp,
        .vnameserver = s->dns,
        .vnameserver6 = dns6,
        .vdomainname = given(s->domain),
    };
    u.slirp = slirp_new(&config, &callbacks, NULL);
    return u.slirp ? add_forwards(s, p) : problem_set(p, "libslirp cannot start");
}

static void user_about(const NetSpec *s, char *to, size_t room)
{
    char net[INET_ADDRSTRLEN];
    snprintf(to, room, "net=%s,restrict=%s", inet_ntop(AF_INET, &s->net, net, sizeof net),
             s->restricted ? "on" : "off");
}

static void user_send(const u8 *frame, u32 n)
{
    const u8 *whole = fragments_take(frame, &n);
    if (!whole) return;
    closed_look(whole, n, true);
    slirp_input(u.slirp, whole, (int)n);
}

static bool has_descriptor(void)
{
    int fd = fcntl(NET_SOCKET, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static bool listens(int fd)
{
    int yes = 0;
    socklen_t bytes = sizeof yes;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &bytes) == 0 && yes;
}

static int on_add_poll(int fd, int events, void *ctx)
{
    (void)ctx;
    short e = 0;
    if (u.full && listens(fd)) return -1;
    if (events & SLIRP_POLL_IN) e |= POLLIN;
    if (events & SLIRP_POLL_OUT) e |= POLLOUT;
    if (events & SLIRP_POLL_PRI) e |= POLLPRI;
    return polls_add(u.polls, fd, e);
}

static int on_get_revents(int place, void *ctx)
{
    (void)ctx;
    if (place < 0 || (unsigned)place >= u.filled->count) return 0;
    short e = u.filled->at[place].revents;
    return (e & POLLIN ? SLIRP_POLL_IN : 0) | (e & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (e & POLLPRI ? SLIRP_POLL_PRI : 0) | (e & POLLERR ? SLIRP_POLL_ERR : 0) |
           (e & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void user_fill(Polls *p, int *ms)
{
    u32 timeout = UINT32_MAX;
    u.polls = p;
    u.full = !has_descriptor();
    slirp_pollfds_fill(u.slirp, &timeout, on_add_poll, NULL);
    s64 now_ms = now_ns() / 1000000;
    for (unsigned n = 0; n < ARRAY_LEN(u.timer); n++) {
        const SlirpTimer *t = &u.timer[n];
        if (!t->used || !t->armed) continue;
        s64 left = t->at_ms > now_ms ? t->at_ms - now_ms : 0;
        if (left < timeout) timeout = (u32)left;
    }
    for (unsigned n = 0; n < u.pipes; n++) {
        Pipe *pipe = &u.pipe[n];
        bool wants = pipe->fd >= 0 && slirp_socket_can_recv(u.slirp, pipe->guest, pipe->port);
        pipe->place = wants ? polls_add(p, pipe->fd, POLLIN) : -1;
    }
    *ms = timeout > INT32_MAX ? -1 : (int)timeout;
}

static void serve_pipe(Pipe *pipe)
{
    u8 data[4096];
    size_t most = slirp_socket_can_recv(u.slirp, pipe->guest, pipe->port);
    if (!most) return;
    ssize_t n = recv(pipe->fd, data, most < sizeof data ? most : sizeof data, MSG_DONTWAIT);
    if (n > 0) slirp_socket_recv(u.slirp, pipe->guest, pipe->port, data, (int)n);
    if (n > 0 || (n < 0 && errno == EAGAIN)) return;
    close(pipe->fd);
    pipe->fd = -1;
}

static void serve_timers(void)
{
    s64 now_ms = now_ns() / 1000000;
    for (unsigned n = 0; n < ARRAY_LEN(u.timer); n++) {
        SlirpTimer *t = &u.timer[n];
        if (!t->used || !t->armed || t->at_ms > now_ms) continue;
        t->armed = false;
        slirp_handle_timer(u.slirp, t->id, t->ctx);
    }
}

static void user_serve(const Polls *p)
{
    u.filled = p;
    slirp_pollfds_poll(u.slirp, 0, on_get_revents, NULL);
    for (unsigned n = 0; n < u.pipes; n++) {
        Pipe *pipe = &u.pipe[n];
        if (pipe->fd >= 0 && pipe->place >= 0 && p->at[pipe->place].revents) serve_pipe(pipe);
    }
    serve_timers();
    closed_reap(u.slirp, now_ns() / 1000000);
}

/* --- the monitor's questions ----------------------------------------------------------------------------- */

/* [tcp|udp]:[ADDR]:PORT */
static bool remove_hostfwd(const char *rule, char *answer, size_t room)
{
    char whole[300];
    NetForward f;
    const char *why;
    snprintf(whole, sizeof whole, "%.200s-:1", rule);
    if (!net_spec_forward(whole, &f, &why)) {
        snprintf(answer, room, "invalid format: takes tcp:[ADDR]:PORT");
        return false;
    }
    if (slirp_remove_hostfwd(u.slirp, f.is_udp, f.host, f.host_port) == 0) return true;
    snprintf(answer, room, "host forwarding rule for %.100s not found", rule);
    return false;
}

static void add_by_rule(const char *rule, char *answer, size_t room)
{
    NetForward f;
    Problem p;
    const char *why;
    if (!net_spec_forward(rule, &f, &why))
        snprintf(answer, room, "invalid host forwarding rule '%.100s': %s", rule, why);
    else if (!add_hostfwd(&f, &p))
        snprintf(answer, room, "%s", p.text);
}

static void user_ask(const char *question, char *answer, size_t room)
{
    static const char add[] = "hostfwd_add ", take[] = "hostfwd_remove ";
    if (!strncmp(question, add, sizeof add - 1))
        add_by_rule(question + sizeof add - 1, answer, room);
    else if (!strncmp(question, take, sizeof take - 1))
        remove_hostfwd(question + sizeof take - 1, answer, room);
    else if (!strcmp(question, "connections")) {
        char *text = slirp_connection_info(u.slirp);
        snprintf(answer, room, "%s", text);
        free(text);
    }
}

const Backend backend_user = {user_open, user_about, user_send, user_fill, user_serve, user_ask};
