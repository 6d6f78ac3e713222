/* net.c - the networks are a process of their own each (ring3-net); here is what the machine does for it.
 *
 * Why: what a guest sends is parsed there, and what the world sends, by a library that has had its holes. Here nobody
 * looks into a frame. frontend/net_protocol.h is the border.
 *
 * A card sends: the frame is copied into the ring, and if ring3-net sleeps its eventfd is written. There is no room: the
 * frame is lost, as on a wire that is full. The vCPU thread waits for nobody.
 * The world sends: the I/O thread sees `to_machine`, the vCPU thread takes the frames in its service hook and offers them
 * to the card. One that the card has no room for is kept, and no other taken, until the card is ready(); so the ring
 * fills, ring3-net stops reading from its sockets, and the sender notices: nothing grows.
 *
 * The card that nobody asked for does not stop a machine whose ring3-net cannot start: it has no cable then.
 * ring3-net ends, or breaks the protocol: the cable is out, that is said, and the machine runs on.
 */
#define _GNU_SOURCE
#include "frontend/net.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "frontend/host/broker.h"
#include "frontend/host/helper.h"
#include "frontend/host/hostio.h"
#include "frontend/host/shared_memory.h"
#include "frontend/inbox.h"
#include "frontend/monitor/monitor.h"
#include "frontend/net_protocol.h"

enum { START_MS = 20000, ANSWER_MS = 5000, BATCH = 256 };

typedef struct Line { /* a card's, with what is at its other end */
    NetCard card;
    NetKind kind; /* NET_NONE: no cable */
    char name[NET_NAME], cable[NET_NAME];
    char about[300]; /* of the cable, for `info network` */
    NetPort *port;   /* NULL: the board has no such card */
    pid_t child;
    int socket, to_net, to_machine; /* -1: none */
    NetEnd out, in;
    atomic_bool dead; /* the I/O thread saw the socket's end */
    bool unplugged;   /* ... and the vCPU thread knows */
    bool link_off;    /* set_link */
    bool blocked;     /* the card has no room */
    u32 held;         /* bytes in `frame` that the card has not taken; 0: none */
    u8 frame[NET_FRAME_MOST];
    u32 question;
    u64 sent, received, dropped;
} Line;

static struct {
    Line line[NICS_MAX];
    unsigned count;
    Vcpu *cpu;
} s;

static void post(int eventfd_)
{
    u64 one = 1;
    (void)!write(eventfd_, &one, sizeof one);
}

/* --- starting -------------------------------------------------------------------------------------------- */

static bool make_rings(Line *l, int *memory, Problem *p)
{
    void *at;
    *memory = shared_memory_make_both("ring3-net", sizeof(NetShared), &at, p);
    if (*memory < 0) return false;
    NetShared *shared = at;
    l->out.ring = &shared->out;
    l->in.ring = &shared->in;
    l->to_net = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    l->to_machine = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return (l->to_net >= 0 && l->to_machine >= 0) || problem_set(p, "the host has no descriptors left");
}

static bool greet(const Line *l, int device)
{
    NetMessage hello = {.kind = NET_HELLO, .a = NET_PROTOCOL};
    int fd[HELPER_GIFTS] = {l->to_net, l->to_machine, device};
    return helper_greet(l->socket, &hello, offsetof(NetMessage, text) + 1, fd, device >= 0 ? 3 : 2);
}

/* A signal does not end the wait: the guest's clock sends the vCPU thread one at each tick (hostio.c). */
static bool is_readable_within(int fd, int ms)
{
    u64 until_ns = host_now_ns() + (u64)ms * 1000000, now;
    struct pollfd wait = {fd, POLLIN, 0};
    while ((now = host_now_ns()) < until_ns) {
        int ready = poll(&wait, 1, (int)((until_ns - now) / 1000000) + 1);
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
    return false;
}

/* The next message, with its text ended. */
static bool receive(const Line *l, NetMessage *m, int ms)
{
    if (!is_readable_within(l->socket, ms)) return false;
    ssize_t n = recv(l->socket, m, sizeof *m, MSG_DONTWAIT);
    if (n <= (ssize_t)offsetof(NetMessage, text) || n > (ssize_t)sizeof *m) return false;
    ((char *)m)[n - 1] = 0;
    return true;
}

static bool await_world(Line *l, Problem *p)
{
    static NetMessage m;
    if (!receive(l, &m, START_MS)) return problem_set(p, "its process, ring3-net, ended or does not answer");
    if (m.kind == NET_READY) {
        size_t n = strnlen(m.text, sizeof l->about - 1);
        memcpy(l->about, m.text, n);
        l->about[n] = 0;
        return true;
    }
    return problem_set(p, "%.300s", m.text);
}

/* They are ring3-net's, which cannot remove them at its end. */
static void own_sockets(const NetSpec *spec)
{
    if (spec->kind == NET_STREAM && spec->is_server && spec->address.is_unix) broker_owns(spec->address.path);
    if (spec->kind == NET_DGRAM && spec->local.is_unix) broker_owns(spec->local.path);
}

static bool start_process(Line *l, const NetCable *cable, Problem *p)
{
    const char *argv[] = {"ring3-net", cable->words, NULL};
    int pair[2], memory;
    if (!make_rings(l, &memory, p)) return false;
    own_sockets(&cable->spec);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(p, "%s", strerror(errno));
    l->socket = pair[0];
    l->child = helper_start("ring3-net", argv, (int[HELPER_FDS]){pair[1], memory}, false, p);
    close(pair[1]);
    close(memory);
    if (!l->child) return false;
    bool greeted = greet(l, cable->spec.fd);
    return (greeted || problem_set(p, "ring3-net: %s", strerror(errno))) && await_world(l, p);
}

static void name_line(Line *l, unsigned n, const NicSpec *nic, const NetCable *cable)
{
    if (*nic->id)
        memcpy(l->name, nic->id, sizeof l->name);
    else
        snprintf(l->name, sizeof l->name, "%s.%u", nic->model, n);
    if (!cable) return;
    if (*cable->spec.id)
        memcpy(l->cable, cable->spec.id, sizeof l->cable);
    else
        snprintf(l->cable, sizeof l->cable, "net%u", n);
}

/* What was started of it goes; the card stays, without a cable. */
static void abandon(Line *l)
{
    if (l->socket >= 0) close(l->socket);
    if (l->child) {
        kill(l->child, SIGKILL);
        waitpid(l->child, NULL, 0);
    }
    l->child = 0;
    l->socket = -1;
    l->unplugged = true;
    l->kind = NET_NONE;
}

bool net_start(const NetOptions *o, Problem *p)
{
    Problem why;
    for (unsigned n = 0; n < o->cards; n++) {
        Line *l = &s.line[n];
        const NetCable *cable = o->card[n].cable < 0 ? NULL : &o->cable[o->card[n].cable];
        *l = (Line){.card = o->card[n], .socket = -1, .to_net = -1, .to_machine = -1, .unplugged = !cable};
        name_line(l, n, &o->card[n].nic, cable);
        s.count = n + 1;
        if (!cable) continue;
        l->kind = cable->spec.kind;
        if (start_process(l, cable, &why)) continue;
        if (!o->by_default) return problem_set(p, "-nic %.100s: %.280s", cable->words, why.text);
        say("no network: %.280s; the card has no cable, and -nic none leaves it out, too", why.text);
        abandon(l);
    }
    return true;
}

void net_configure(const NetOptions *o, NicConfig config[NICS_MAX])
{
    for (unsigned n = 0; n < o->cards; n++) config[n] = o->card[n].nic.config;
}

/* --- the I/O thread -------------------------------------------------------------------------------------- */

void net_prepare(struct pollfd p[NET_POLLS])
{
    for (unsigned n = 0; n < NICS_MAX; n++) {
        Line *l = &s.line[n];
        bool is_on = n < s.count && l->socket >= 0 && !atomic_load(&l->dead);
        p[2 * n] = (struct pollfd){is_on ? l->to_machine : -1, POLLIN, 0};
        p[2 * n + 1] =
            (struct pollfd){is_on ? l->socket : -1, POLLRDHUP, 0}; /* answers are the vCPU thread's */
    }
}

bool net_happened(const struct pollfd p[NET_POLLS])
{
    bool news = false;
    for (unsigned n = 0; n < s.count; n++) {
        Line *l = &s.line[n];
        u64 count;
        if (p[2 * n].revents) news |= read(l->to_machine, &count, sizeof count) > 0;
        if (!(p[2 * n + 1].revents & (POLLHUP | POLLRDHUP | POLLERR))) continue;
        atomic_store(&l->dead, true);
        news = true;
    }
    return news;
}

/* --- frames ---------------------------------------------------------------------------------------------- */

static bool is_plugged(const Line *l) { return !l->unplugged && !l->link_off; }

static void tell_link(const Line *l)
{
    if (l->port)
        inbox_deliver(&(InboxEvent){.kind = INBOX_CABLE, .cable = {(u32)(l - s.line), is_plugged(l)}});
}

/* The process is gone, or was no longer ours. */
static void unplug(Line *l, const char *why)
{
    char text[300];
    if (l->unplugged) return;
    l->unplugged = true;
    l->held = 0;
    tell_link(l);
    shutdown(l->socket, SHUT_RDWR);
    if (waitpid(l->child, NULL, WNOHANG) == l->child) l->child = 0;
    if (hostio_stop_wanted()) return;
    snprintf(text, sizeof text, "the network of %s %s: its cable is out, the machine runs on", l->name, why);
    say("%s", text);
    monitors_tell(text);
}

static Line *line_of(const NetPort *port)
{
    for (unsigned n = 0; n < s.count; n++)
        if (s.line[n].port == port) return &s.line[n];
    return NULL;
}

static void send_frame(NetPort *port, const u8 *frame, u32 n)
{
    Line *l = line_of(port);
    if (!l || !is_plugged(l)) return;
    if (net_ring_put(&l->out, frame, n))
        l->sent++;
    else
        l->dropped++;
    if (net_ring_wakes(&l->out)) post(l->to_net);
}

static void card_is_ready(NetPort *port)
{
    Line *l = line_of(port);
    if (!l || !l->blocked) return;
    l->blocked = false;
    if (s.cpu) cpu_attention(s.cpu, ATT_IO);
}

static bool plug(Line *l, NetPort *port, Problem *p)
{
    if (!port) return problem_set(p, "%s: the board has no place for this card", l->name);
    l->port = port;
    if (l->socket < 0) return true;
    port->send = send_frame;
    port->ready = card_is_ready;
    tell_link(l);
    return true;
}

bool net_attach(Pc *pc, Problem *p)
{
    s.cpu = &pc->cpu;
    for (unsigned n = 0; n < s.count; n++)
        if (!plug(&s.line[n], machine_net(pc->machine, n), p)) return false;
    return true;
}

/* False: no more for now. */
static bool offer_one(Line *l)
{
    if (!l->held) l->held = net_ring_get(&l->in, l->frame);
    if (!l->held) return !net_ring_sleep(&l->in);
    InboxEvent e = {.kind = INBOX_FRAME, .data = {(u32)(l - s.line), l->held, l->frame}};
    if (is_plugged(l) && l->port && !inbox_deliver(&e)) {
        l->blocked = true;
        return false;
    }
    l->held = 0;
    l->received++;
    return true;
}

static void serve(Line *l)
{
    unsigned n = 0;
    while (n < BATCH && !l->blocked && offer_one(l)) n++;
    if (n == BATCH && s.cpu) cpu_attention(s.cpu, ATT_IO); /* the guest first, the rest at once after it */
    if (n && net_ring_gives_room(&l->in)) post(l->to_net);
}

void net_service(void)
{
    for (unsigned n = 0; n < s.count; n++) {
        Line *l = &s.line[n];
        if (l->unplugged) continue;
        if (atomic_load(&l->dead))
            unplug(l, "ended");
        else
            serve(l);
        if (l->in.broken || l->out.broken) unplug(l, "broke the protocol");
    }
}

/* --- for the monitor ------------------------------------------------------------------------------------- */

void net_show(NetSay *to, void *ctx)
{
    char line[600];
    for (unsigned n = 0; n < s.count; n++) {
        const Line *l = &s.line[n];
        const u8 *m = l->card.nic.config.mac;
        snprintf(line, sizeof line, "%s: index=0,type=nic,model=%s,macaddr=%02x:%02x:%02x:%02x:%02x:%02x\n",
                 l->name, l->card.nic.model, m[0], m[1], m[2], m[3], m[4], m[5]);
        to(ctx, line);
        if (l->socket < 0) continue;
        snprintf(line, sizeof line,
                 " \\ %s: index=0,type=%s,%s\n   link=%s, frames: %llu sent, %llu received, %llu lost\n",
                 l->cable, net_kind_name(l->kind), l->about,
                 l->unplugged  ? "out (its process ended)"
                 : l->link_off ? "off"
                               : "on",
                 (unsigned long long)l->sent, (unsigned long long)l->received,
                 (unsigned long long)l->dropped);
        to(ctx, line);
    }
}

/* The process is asked; it has ANSWER_MS. False: *p says why there is no answer. */
static bool ask(Line *l, const char *question, NetMessage *m, Problem *p)
{
    if (l->unplugged) return problem_set(p, "the process of %s has ended", l->cable);
    u32 number = ++l->question;
    *m = (NetMessage){.kind = NET_ASK, .a = number};
    snprintf(m->text, sizeof m->text, "%s", question);
    if (send(l->socket, m, offsetof(NetMessage, text) + strlen(m->text) + 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return problem_set(p, "the process of %s: %s", l->cable, strerror(errno));
    do
        if (!receive(l, m, ANSWER_MS)) return problem_set(p, "the process of %s does not answer", l->cable);
    while (m->kind != NET_ANSWER || m->a != number);
    return true;
}

static NetMessage message; /* too large for a stack; the vCPU thread's */

void net_show_connections(NetSay *to, void *ctx)
{
    Problem p;
    for (unsigned n = 0; n < s.count; n++) {
        if (s.line[n].kind != NET_USER) continue;
        bool told = ask(&s.line[n], "connections", &message, &p);
        to(ctx, told ? message.text : p.text);
        if (!told) to(ctx, "\n");
    }
}

static Line *find_user(const char *id)
{
    for (unsigned n = 0; n < s.count; n++) {
        bool named = id && (!strcmp(s.line[n].cable, id) || !strcmp(s.line[n].name, id));
        if (s.line[n].kind == NET_USER && (!id || named)) return &s.line[n];
    }
    return NULL;
}

bool net_hostfwd(const char *word, const char *id, const char *rule, Problem *p)
{
    char question[300];
    Line *l = find_user(id);
    if (!l) return problem_set(p, "unrecognized netdev id '%.60s'", id ? id : "user");
    snprintf(question, sizeof question, "%s %.250s", word, rule);
    if (!ask(l, question, &message, p)) return false;
    return !*message.text || problem_set(p, "%.300s", message.text);
}

bool net_set_link(const char *name, bool up)
{
    bool any = false;
    for (unsigned n = 0; n < s.count; n++) {
        Line *l = &s.line[n];
        if (strcmp(l->name, name) && strcmp(l->cable, name)) continue;
        any = true;
        l->link_off = !up;
        tell_link(l);
    }
    return any;
}
