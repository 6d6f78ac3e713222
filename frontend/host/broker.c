/* broker.c - the machine's side of the broker, and what both sides share: see broker.h.
 *
 * The machine's process opens no file by itself once the guest runs: its cage (cage.c) has no such call. It asks the
 * broker, over a socket that keeps messages whole, and gets a descriptor. Until then it opens files itself: it has
 * done nothing for the guest yet.
 *
 * The broker is a child of the machine's process, so that the process which the person has started, stops, limits and
 * measures is the machine, and its exit code is ring3's. It outlives the machine by no more than it needs to tidy up.
 */
#define _GNU_SOURCE
#include "frontend/host/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/snapshot/migrate_address.h"

int broker_gate = -1;

static struct {
    int socket; /* -1: there is no broker */
    pid_t process;
} b = {.socket = -1};

static struct {
    char *path[BROKER_OWNED_MAX];
    unsigned count;
} owned;

/* --- messages -------------------------------------------------------------------------------------------- */

bool broker_send(int socket, const void *bytes, size_t n, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        h.msg_control = control;
        h.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        *c = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &h, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)n;
}

/* One is taken; of more, which no message of ours has, none is left open. */
static int take_descriptor(const struct cmsghdr *c)
{
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int fd = -1;
    for (size_t k = 0; k < n; k++) {
        memcpy(&fd, CMSG_DATA(c) + k * sizeof fd, sizeof fd);
        if (n > 1) close(fd);
    }
    return n == 1 ? fd : -1;
}

bool broker_receive(int socket, void *bytes, size_t n, size_t least, int *fd)
{
    char control[CMSG_SPACE(sizeof *fd)];
    struct iovec part = {bytes, n};
    struct msghdr h = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got;
    do got = recvmsg(socket, &h, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    *fd = -1;
    if (got <= 0) return false;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) *fd = take_descriptor(c);
    return got >= (ssize_t)least;
}

/* The vCPU's thread asks, and the flusher's for a disk that is a folder: one at a time. */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

static bool ask_with(BrokerWord word, FileUse use, const char *path, int pass, BrokerAnswer *a, int *fd)
{
    BrokerRequest r = {.word = word, .use = use};
    size_t n = strlen(path) + 1;
    *a = (BrokerAnswer){.error = ENAMETOOLONG};
    *fd = -1;
    if (n > sizeof r.path) return false;
    memcpy(r.path, path, n);
    a->error = EIO; /* the broker is gone */
    pthread_mutex_lock(&asking);
    bool good = broker_send(b.socket, &r, offsetof(BrokerRequest, path) + n, pass) &&
                broker_receive(b.socket, a, sizeof *a, sizeof *a, fd) && !a->error;
    pthread_mutex_unlock(&asking);
    return good;
}

static bool ask(BrokerWord word, FileUse use, const char *path)
{
    BrokerAnswer a;
    int fd;
    return ask_with(word, use, path, -1, &a, &fd);
}

/* --- files ----------------------------------------------------------------------------------------------- */

/* False: errno, and what it does not say. */
static bool ask_why(BrokerWord word, FileUse use, const char *path, int *fd, char why[FILE_WHY_BYTES])
{
    BrokerAnswer a;
    if (ask_with(word, use, path, -1, &a, fd)) return true;
    memcpy(why, a.why, FILE_WHY_BYTES);
    why[FILE_WHY_BYTES - 1] = 0;
    errno = a.error;
    return false;
}

static int open_there(FileUse use, const char *path, char why[FILE_WHY_BYTES])
{
    int fd;
    if (!ask_why(BROKER_OPEN, use, path, &fd, why)) return -1;
    if (fd < 0) errno = EIO;
    return fd;
}

static bool may_there(FileUse use, const char *path) { return ask(BROKER_MAY, use, path); }
static void discard_there(const char *path) { ask(BROKER_DISCARD, FILE_REPLACE, path); }

static bool replace_there(const char *name, char why[FILE_WHY_BYTES])
{
    int fd;
    return ask_why(BROKER_REPLACE, FILE_STATE, name, &fd, why);
}
static bool remove_there(const char *name, char why[FILE_WHY_BYTES])
{
    int fd;
    return ask_why(BROKER_REMOVE, FILE_STATE, name, &fd, why);
}

/* --- connections ------------------------------------------------------------------------------------------ */

static bool connect_here(const char *uri, Problem *p)
{
    if (broker_gate < 0) return problem_set(p, "%.100s: this ring3 makes no connections", uri);
    int fd = migrate_connect(uri, p);
    if (fd < 0) return false;
    bool sent = broker_send(broker_gate, "c", 1, fd) || problem_set(p, "%.100s: %s", uri, strerror(errno));
    close(fd);
    return sent;
}

bool broker_connect(const char *uri, Problem *p)
{
    BrokerAnswer a;
    int fd;
    if (!file_server) return connect_here(uri, p);
    if (ask_with(BROKER_CONNECT, FILE_READ, uri, -1, &a, &fd)) return true;
    a.why[sizeof a.why - 1] = 0;
    return problem_set(p, "%s", *a.why ? a.why : strerror(a.error));
}

static const FileServer broker_server = {open_there, may_there, discard_there, replace_there, remove_there};

/* --- what is owned --------------------------------------------------------------------------------------- */

void broker_owns(const char *path)
{
    if (b.socket >= 0) {
        ask(BROKER_OWN, FILE_REPLACE, path);
        return;
    }
    CHECK(owned.count < BROKER_OWNED_MAX, "too many files to take away at the end");
    owned.path[owned.count++] = strdup(path);
}

void broker_tidy(void)
{
    while (owned.count) {
        char *path = owned.path[--owned.count];
        if (path) unlink(path);
        free(path);
    }
}

/* --- life ------------------------------------------------------------------------------------------------ */

int broker_become(const char *name, int socket, int gate)
{
    sigset_t all;
    int spare = gate < 0 ? -1 : fcntl(gate, F_DUPFD_CLOEXEC, BROKER_GATE + 1);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, name);
    if (socket != BROKER_SOCKET) dup2(socket, BROKER_SOCKET);
    gate = spare < 0 ? -1 : dup2(spare, BROKER_GATE);
    closefrom(gate < 0 ? BROKER_GATE : BROKER_GATE + 1);
    return gate;
}

bool broker_start(const char *const named[], unsigned count, Problem *p)
{
    int pair[2];
    BrokerStart start = {.gate = broker_gate, .machine = getpid(), .named = named, .count = count};
    start.has_terminal = tcgetattr(STDIN_FILENO, &start.terminal) == 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(p, "-sandbox: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) return problem_set(p, "-sandbox: %s", strerror(errno));
    if (!child) {
        close(pair[0]);
        start.socket = pair[1];
        broker_serve(&start);
    }
    close(pair[1]);
    if (broker_gate >= 0) close(broker_gate);
    broker_gate = -1; /* the broker has it now */
    b.socket = pair[0];
    b.process = child;
    owned.count = 0; /* the broker has them now */
    return true;
}

void broker_background(void)
{
    if (b.socket >= 0) ask(BROKER_BACKGROUND, FILE_READ, "");
}

void broker_shut(int listener)
{
    BrokerAnswer a;
    int fd;
    if (b.socket < 0) return;
    ask_with(BROKER_SHUT, FILE_READ, "", listener > 0 ? listener : -1, &a, &fd);
    if (listener > 0) close(listener);
    file_server = &broker_server;
}

/* It answers by its end, which every thread that waits for an answer sees. */
void broker_leave(void)
{
    BrokerRequest r = {.word = BROKER_LEAVE};
    BrokerAnswer a;
    int fd;
    if (b.socket < 0) {
        broker_tidy();
        return;
    }
    if (broker_send(b.socket, &r, offsetof(BrokerRequest, path) + 1, -1))
        while (broker_receive(b.socket, &a, sizeof a, 1, &fd)) continue;
    waitpid(b.process, NULL, 0);
}
