/* main.c - ring3-vnc: the screen for viewers elsewhere, in processes of its own.
 *
 * ring3 starts it with a socket to the machine as descriptor 3 and a listening socket as descriptor 4:
 *     ring3-vnc [-unsealed] [-password] [-name NAME] [-k LAYOUT]
 * This process accepts and forks: each viewer has a process to itself (viewer.c), with its own picture and its own buffers, so
 * that one that is slow, hostile or finds a hole disturbs nobody else. The keys that a viewer held when it went are released.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/host/filter.h"
#include "frontend/host/leave_signals.h"
#include "frontend/vnc/confine.h"
#include "frontend/vnc/viewer.h"

enum { LISTENER = WINDOW_SOCKET + 1, ADDRESS = 64, DEAD_PEER_MS = 60000 };

static Session session = {.socket = WINDOW_SOCKET, .monitor = -1, .name = ""};
static ViewerConfig config;
static struct {
    pid_t process; /* 0: nobody */
} viewers[WINDOW_VIEWERS];
/* The keys that each viewer holds: memory that its process and this one share. */
static u8 (*held)[sizeof session.held];

/* cpu/base/base.c, with its own memcpy for code that may not touch vector registers, is not linked into this program. */
_Noreturn void base_panic(const char *file, int line, const char *fmt, ...)
{
    (void)file, (void)line, (void)fmt;
    abort();
}

/* --- messages ---------------------------------------------------------------------------------------------- */

/* For session.c: the machine has said hello, and nothing has been looked at. */
void session_confine(void)
{
    viewer_prepare();
    vnc_confine();
}

static void told(Session *s, const WindowMessage *m)
{
    (void)s;
    if (m->kind != WINDOW_PASSWORD) return;
    memcpy(config.password, &m->a, sizeof m->a);
    memcpy(config.password + sizeof m->a, &m->b, sizeof m->b);
}

/* Numbers only: no name is looked up. */
static void peer_address(int fd, char to[ADDRESS])
{
    struct sockaddr_storage a;
    socklen_t bytes = sizeof a;
    char host[48], port[8];
    snprintf(to, ADDRESS, "unix");
    if (getpeername(fd, (struct sockaddr *)&a, &bytes) < 0 || a.ss_family == AF_UNIX ||
        getnameinfo((struct sockaddr *)&a, bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return;
    snprintf(to, ADDRESS, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static void tell_came(u32 slot, int fd)
{
    char address[ADDRESS];
    peer_address(fd, address);
    for (size_t at = 0, n = strlen(address), part; at < n; at += part) {
        s32 words[3] = {0};
        part = n - at < WINDOW_PATH_PART ? n - at : WINDOW_PATH_PART;
        memcpy(words, address + at, part);
        session_send(&session, WINDOW_VIEWER, words[0], words[1], words[2], (u16)part);
    }
    session_send(&session, WINDOW_CAME, (s32)slot, 0, 0, 0);
}

/* --- viewers ----------------------------------------------------------------------------------------------- */

static void be_viewer(u32 slot, int fd)
{
    static const int mine[] = {SIGCHLD, SIGALRM, SIGTERM};
    sigset_t none;
    for (unsigned n = 0; n < ARRAY_LEN(mine); n++) signal(mine[n], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(LISTENER);
    session.held_by = held[slot];
    viewer_run(&session, fd, &config);
    _exit(0);
}

static void take_viewer(u32 slot)
{
    static const int on = 1, patience = DEAD_PEER_MS;
    int fd = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
    memset(held[slot], 0, sizeof held[slot]);
    pid_t process = fork();
    if (!process) be_viewer(slot, fd);
    if (process > 0) {
        viewers[slot].process = process;
        tell_came(slot, fd);
    }
    close(fd);
}

static void viewer_left(u32 slot)
{
    viewers[slot].process = 0;
    session.held_by = held[slot];
    session_release_keys(&session);
    session_send(&session, WINDOW_MOUSE, 0, 0, 0, 0); /* and the buttons */
    session_send(&session, WINDOW_LEFT, (s32)slot, 0, 0, 0);
}

static void bury(void)
{
    pid_t process;
    while ((process = waitpid(-1, NULL, WNOHANG)) > 0)
        for (u32 n = 0; n < WINDOW_VIEWERS; n++)
            if (viewers[n].process == process) viewer_left(n);
}

static int free_slot(void)
{
    for (int n = 0; n < WINDOW_VIEWERS; n++)
        if (!viewers[n].process) return n;
    return -1;
}

/* --- life -------------------------------------------------------------------------------------------------- */

static void on_child(int sig) { (void)sig; }

static void serve(void)
{
    struct pollfd p[] = {{WINDOW_SOCKET, POLLIN, 0}, {LISTENER, POLLIN, 0}};
    sigset_t none, child;
    sigemptyset(&none);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL); /* it comes while we wait, and then only */
    while (!session.gone) {
        int slot = session.shared ? free_slot() : -1; /* who comes when all are taken waits at the door */
        int ready = ppoll(p, slot >= 0 ? 2 : 1, NULL, &none);
        bury();
        if (ready <= 0) continue;
        if (p[0].revents) session_receive(&session);
        if (slot >= 0 && p[1].revents) take_viewer((u32)slot);
    }
}

static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Whoever waits for the end of ring3's output shall not wait for ours (-daemonize). A sanitizer may have to speak. */
static void be_silent(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    dup2(fd, STDOUT_FILENO);
    if (!filter_sanitized) dup2(fd, STDERR_FILENO);
    close(fd);
}

static void parse(int argc, char **argv)
{
    for (int n = 1; n < argc; n++) {
        const char *value = n + 1 < argc ? argv[n + 1] : "";
        if (!strcmp(argv[n], "-unsealed")) session.unsealed = true;
        if (!strcmp(argv[n], "-password")) config.wants_password = true;
        if (!strcmp(argv[n], "-name")) session.name = value, n++;
        if (!strcmp(argv[n], "-k")) session.layout = layout_find(value), n++;
    }
    if (!session.layout) session.layout = layout_find(NULL);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    if (!is_socket(WINDOW_SOCKET) || !is_socket(LISTENER)) {
        fprintf(stderr, "ring3-vnc: ring3 starts this program; it does nothing by itself\n");
        return 1;
    }
    leave_signals();
    signal(SIGCHLD, on_child);
    be_silent();
    held =
        mmap(NULL, WINDOW_VIEWERS * sizeof *held, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (held == MAP_FAILED) return 1;
    session.told = told;
    serve();
    return 0;
}
