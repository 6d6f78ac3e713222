/* migrate_address.c - see migrate_address.h.
 *
 * A host's name is looked up for -incoming only: the broker, which connects, has no such calls, and no way to tell whether
 * the person or a guest that has taken over the machine wants to ask the network's servers about a name.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/migrate_address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend/host/broker.h"

enum { DEAD_MS = 60000 }; /* what was sent and is not acknowledged: the connection is broken */

static bool fail(Problem *p, const char *uri, const char *why)
{
    problem_set(p, "%.100s: %s", uri, why);
    return false;
}

const char *migrate_unix_path(const char *uri) { return strncmp(uri, "unix:", 5) ? NULL : uri + 5; }
const char *migrate_command(const char *uri) { return strncmp(uri, "exec:", 5) ? NULL : uri + 5; }

static bool is_known(const char *uri, Problem *p)
{
    if (!strncmp(uri, "tcp:", 4) || (!strncmp(uri, "unix:", 5) && uri[5])) return true;
    if (!strncmp(uri, "fd:", 3) || !strncmp(uri, "rdma:", 5))
        return fail(
            p, uri,
            "a machine moves over tcp:HOST:PORT, unix:PATH or exec:COMMAND; let socat lead from there "
            "to anything else");
    return fail(p, uri, "is not tcp:HOST:PORT, unix:PATH or exec:COMMAND");
}

/* HOST:PORT, [HOST]:PORT or :PORT */
static bool split(const char *uri, char host[256], char port[16], Problem *p)
{
    const char *at = uri + 4, *end = *at == '[' ? strchr(at, ']') : strrchr(at, ':');
    if (*at == '[') at++;
    const char *colon = end && *end == ']' ? end + 1 : end;
    if (!colon || *colon != ':' || end < at || end - at >= 256 || !colon[1] || strlen(colon + 1) >= 16)
        return fail(p, uri, "an address is tcp:HOST:PORT");
    memcpy(host, at, (size_t)(end - at));
    host[end - at] = 0;
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    long number = strtol(port, NULL, 10);
    if (strspn(port, "0123456789") != strlen(port) || number < 1 || number > 65535)
        return fail(p, uri, "a port is a number from 1 to 65535");
    return true;
}

static bool unix_address(const char *uri, struct sockaddr_un *a, Problem *p)
{
    const char *path = migrate_unix_path(uri);
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a->sun_path)
        return fail(p, uri, "the path of a socket has at most 107 characters");
    memcpy(a->sun_path, path, strlen(path));
    return true;
}

/* So that who has gone without a word is noticed. Accepted sockets inherit it. */
static void watch_over(int fd)
{
    int on = 1, dead_ms = DEAD_MS, idle_s = 10, tries = 5;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

/* -1, with errno. */
static int close_failed(int fd)
{
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* --- listening -------------------------------------------------------------------------------------------- */

static int listen_unix(const char *uri, Problem *p)
{
    struct sockaddr_un a;
    struct stat st;
    if (!unix_address(uri, &a, p)) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!lstat(a.sun_path, &st) && S_ISSOCK(st.st_mode)) unlink(a.sun_path);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4) < 0))
        fd = close_failed(fd);
    if (fd < 0) return fail(p, uri, strerror(errno)), -1;
    broker_owns(a.sun_path);
    return fd;
}

static int listen_at(const struct addrinfo *a)
{
    int on = 1, fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    watch_over(fd);
    return bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, 4) < 0 ? close_failed(fd) : fd;
}

int migrate_listen(const char *uri, Problem *p)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    char host[256], port[16];
    int fd = -1;
    if (!strcmp(uri, "defer"))
        return fail(p, uri, "ring3 listens from its start: name the address, tcp:HOST:PORT or unix:PATH"), -1;
    if (!is_known(uri, p)) return -1;
    if (migrate_unix_path(uri)) return listen_unix(uri, p);
    if (!split(uri, host, port, p)) return -1;
    int error = getaddrinfo(*host ? host : NULL, port, &hints, &list);
    if (error) return fail(p, uri, gai_strerror(error)), -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) fd = listen_at(a);
    int why = errno;
    freeaddrinfo(list);
    if (fd < 0) fail(p, uri, strerror(why));
    return fd;
}

/* --- connecting ------------------------------------------------------------------------------------------- */

/* The connection may come to be later: stream_connected(). */
static int connect_to(int family, const struct sockaddr *a, socklen_t n, const char *uri, Problem *p)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && family != AF_UNIX) watch_over(fd);
    if (fd >= 0 && connect(fd, a, n) < 0 && errno != EINPROGRESS) fd = close_failed(fd);
    if (fd < 0) fail(p, uri, errno == EAGAIN ? "it does not take a connection" : strerror(errno));
    return fd;
}

int migrate_connect(const char *uri, Problem *p)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *list;
    struct sockaddr_un a;
    char host[256], port[16];
    if (!is_known(uri, p)) return -1;
    if (migrate_unix_path(uri))
        return unix_address(uri, &a, p) ? connect_to(AF_UNIX, (struct sockaddr *)&a, sizeof a, uri, p) : -1;
    if (!split(uri, host, port, p)) return -1;
    const char *number = !*host || !strcmp(host, "localhost") ? "127.0.0.1" : host;
    int error = getaddrinfo(number, port, &hints, &list);
    if (error == EAI_NONAME) return fail(p, uri, "name the host by its number, such as 192.168.1.7"), -1;
    if (error) return fail(p, uri, gai_strerror(error)), -1;
    int fd = connect_to(list->ai_family, list->ai_addr, list->ai_addrlen, uri, p);
    freeaddrinfo(list);
    return fd;
}
