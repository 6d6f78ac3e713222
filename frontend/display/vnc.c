/* vnc.c - who is elsewhere sees the screen by VNC (RFC 6143), from a process of its own (ring3-vnc, frontend/vnc/); here is
 * what this side does for it.
 *
 * It is shown the same WindowShared as the window and the same video memory, and speaks the same words
 * (window_protocol.h); there may be both, a window here and viewers elsewhere. But strangers talk to it, so of its words
 * only keys, the mouse and the viewers' addresses are taken. The machine never waits for it: it looks at memory by itself
 * and sends only what a person did. A full ring stops the reading, so that no release of a key is lost. Its end is not the
 * machine's.
 */
#define _GNU_SOURCE
#include "frontend/display/vnc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/display/display.h"
#include "frontend/display/window_protocol.h"
#include "frontend/host/helper.h"
#include "frontend/host/hostio.h"
#include "frontend/host/listener.h"
#include "frontend/host/ring.h"
#include "frontend/host/shared_memory.h"
#include "frontend/inbox.h"

enum { ADDRESS = 64 };

static struct {
    pid_t child; /* 0: none, or it has been waited for */
    int socket;  /* -1: there is no VNC server */
    Ring ring;
    atomic_bool stalled, dead;
    bool password, password_set;
    char where[LISTENER_NAME + VNC_WHERE]; /* as people write it */
    char part[ADDRESS];                    /* of an address that comes in pieces */
    u32 used;                              /* ... of it */
    char viewer[WINDOW_VIEWERS][ADDRESS];  /* empty: nobody */
} v = {.socket = -1};

/* --- where viewers come to -------------------------------------------------------------------------------- */

static int listen_display(const char *host, u32 display, const char **why)
{
    char port[16];
    snprintf(port, sizeof port, "%u", VNC_PORT + display);
    return listener_tcp(host, port, why);
}

static int open_listener(const VncOptions *o, Problem *p)
{
    char text[VNC_WHERE];
    const char *host, *number, *why = "";
    int fd = -1;
    if (!strncmp(o->where, "unix:", 5)) {
        fd = listener_unix(o->where + 5);
        if (fd < 0) problem_set(p, "-vnc %.200s: %s", o->where, strerror(errno));
        snprintf(v.where, sizeof v.where, "%s", o->where);
        return fd;
    }
    snprintf(text, sizeof text, "%s", o->where);
    listener_split(text, &host, &number);
    u32 display = (u32)strtoul(number, NULL, 10), last = o->to > display ? o->to : display;
    for (; fd < 0 && display <= last; display++) fd = listen_display(host, display, &why);
    if (fd < 0) problem_set(p, "-vnc %.200s: %s", o->where, why);
    if (fd >= 0 && !listener_name(fd, v.where)) v.where[0] = 0;
    return fd;
}

/* --- starting --------------------------------------------------------------------------------------------- */

static bool start_server(const VncOptions *o, const char *name, const char *layout, int listener, Problem *p)
{
    const char *argv[10] = {"ring3-vnc"};
    unsigned n = 1;
    int pair[2];
    Problem why;
    if (!display_share(&why)) return problem_set(p, "-vnc: %s", why.text);
    if (shared_memory_is_unsealed()) argv[n++] = "-unsealed";
    if (o->password) argv[n++] = "-password";
    if (name) argv[n++] = "-name", argv[n++] = name;
    if (layout) argv[n++] = "-k", argv[n++] = layout;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(p, "-vnc: %s", strerror(errno));
    v.socket = pair[0];
    v.password = o->password;
    v.child = helper_start("ring3-vnc", argv, (int[HELPER_FDS]){pair[1], listener}, false, &why);
    close(pair[1]);
    if (v.child) return true;
    close(v.socket);
    v.socket = -1;
    return problem_set(p, "-vnc: %s%s", why.text,
                       strstr(why.text, "is not there") ? "; it is built where libvncserver-dev is installed"
                                                        : "");
}

bool vnc_start(const VncOptions *o, const char *name, const char *layout, Problem *p)
{
    if (!*o->where) return true;
    int listener = open_listener(o, p);
    bool started = listener >= 0 && start_server(o, name, layout, listener, p);
    if (listener >= 0) close(listener);
    if (started) say("VNC server running on %s", v.where);
    return started;
}

bool vnc_attach(const Phys *phys, Problem *p)
{
    if (v.socket < 0) return true;
    return display_greet(v.socket, phys) || errno == EPIPE || errno == ECONNRESET ||
           problem_set(p, "-vnc: its process: %s", strerror(errno));
}

/* --- messages, on the I/O thread -------------------------------------------------------------------------- */

static bool has_room(void) { return ring_room(&v.ring) >= sizeof(WindowMessage); }

static void reap(void)
{
    if (v.child && waitpid(v.child, NULL, WNOHANG) == v.child) v.child = 0;
}

/* As display_fd(). */
int vnc_fd(void)
{
    if (v.socket < 0) return -1;
    if (atomic_load(&v.dead)) {
        reap();
        return -1;
    }
    if (has_room()) return v.socket;
    atomic_store(&v.stalled, true);
    return has_room() ? v.socket : -1;
}

static void server_died(void)
{
    atomic_store(&v.dead, true);
    reap();
    if (!hostio_stop_wanted()) say("the VNC server's process ended; the machine runs on without it");
}

bool vnc_ready(void)
{
    bool some = false;
    while (has_room()) {
        WindowMessage m;
        ssize_t n = recv(v.socket, &m, sizeof m, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (n <= 0) {
            server_died();
            break;
        }
        if (n != sizeof m) continue;
        ring_put(&v.ring, (const u8 *)&m, sizeof m);
        some = true;
    }
    return some;
}

/* --- messages, on the vCPU thread ------------------------------------------------------------------------- */

static void take_part(const WindowMessage *m)
{
    const s32 part[] = {m->a, m->b, m->c};
    if (m->d > sizeof part || v.used + m->d >= sizeof v.part) return;
    memcpy(v.part + v.used, part, m->d);
    v.used += m->d;
}

static void note_viewer(const WindowMessage *m)
{
    u32 slot = (u32)m->a, n = 0;
    if (slot >= WINDOW_VIEWERS) return;
    if (m->kind == WINDOW_CAME) {
        for (; n < v.used; n++) v.viewer[slot][n] = v.part[n] > ' ' && v.part[n] < 0x7f ? v.part[n] : '?';
        v.used = 0;
    }
    v.viewer[slot][n] = 0;
}

static void act(const WindowMessage *w)
{
    switch (w->kind) {
    case WINDOW_KEY: inbox_deliver(&(InboxEvent){.kind = INBOX_KEY, .key = {(u8)w->a, w->b & 1}}); return;
    case WINDOW_MOUSE:
    case WINDOW_POINTER: display_act_mouse(w); return;
    case WINDOW_VIEWER: take_part(w); return;
    case WINDOW_CAME:
    case WINDOW_LEFT: note_viewer(w); return;
    default: return;
    }
}

void vnc_service(void)
{
    WindowMessage w;
    if (v.socket < 0) return;
    while (ring_used(&v.ring) && ring_get(&v.ring, (u8 *)&w, sizeof w) == sizeof w) act(&w);
    if (atomic_load(&v.stalled) && atomic_exchange(&v.stalled, false)) hostio_kick();
}

/* --- the monitor's words ---------------------------------------------------------------------------------- */

bool vnc_set_password(const char *password, Problem *p)
{
    WindowMessage m = {.kind = WINDOW_PASSWORD};
    char bytes[WINDOW_PASSWORD_BYTES] = {0};
    if (v.socket < 0 || atomic_load(&v.dead))
        return problem_set(p, "there is no VNC server; -vnc starts one");
    if (!v.password) return problem_set(p, "it asks for no password; -vnc ...,password=on would");
    memcpy(bytes, password, strnlen(password, sizeof bytes));
    memcpy(&m.a, bytes, sizeof m.a);
    memcpy(&m.b, bytes + sizeof m.a, sizeof m.b);
    if (send(v.socket, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof m)
        return problem_set(p, "its process does not listen: %s", strerror(errno));
    v.password_set = *password;
    return true;
}

void vnc_show(void (*text)(void *ctx, const char *text), void *ctx)
{
    char line[LISTENER_NAME + VNC_WHERE + 100];
    const char *family = !strncmp(v.where, "unix:", 5) ? "unix" : *v.where == '[' ? "ipv6" : "ipv4";
    const char *auth = v.password ? "vnc" : "none";
    if (v.socket < 0 || atomic_load(&v.dead)) {
        text(ctx, "None\n");
        return;
    }
    snprintf(line, sizeof line, "default:\n  Server: %s (%s)\n    Auth: %s (Sub: none)\n", v.where, family,
             auth);
    text(ctx, line);
    for (unsigned n = 0; n < WINDOW_VIEWERS; n++) {
        if (!*v.viewer[n]) continue;
        snprintf(line, sizeof line, "  Client: %s (%s)\n", v.viewer[n], family);
        text(ctx, line);
    }
    snprintf(line, sizeof line, "  Auth: %s (Sub: none)%s\n", auth,
             v.password && !v.password_set ? "; no password is set yet, so nobody is let in" : "");
    text(ctx, line);
}
