/* address.c - see address.h. A UNIX socket that lies where one is to be made is taken away, as QEMU does; a file of another
 * kind is not. */
#define _GNU_SOURCE
#include "frontend/net/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool find_unix(const NetAddress *a, Addresses *to, Problem *p)
{
    struct sockaddr_un *u = (struct sockaddr_un *)&to->address[0].at;
    if (strlen(a->path) >= sizeof u->sun_path)
        return problem_set(p, "%.200s: too long for a socket's name", a->path);
    memset(to, 0, sizeof *to);
    u->sun_family = AF_UNIX;
    strcpy(u->sun_path, a->path);
    to->address[0].bytes = sizeof *u;
    to->count = 1;
    return true;
}

bool address_find(const NetAddress *a, int type, Addresses *to, Problem *p)
{
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_PASSIVE}, *list;
    if (a->is_unix) return find_unix(a, to, p);
    if (!*a->path) hints.ai_family = AF_INET;
    int error = getaddrinfo(*a->path ? a->path : NULL, a->port, &hints, &list);
    if (error) return problem_set(p, "%.100s:%.40s: %s", a->path, a->port, gai_strerror(error));
    to->count = 0;
    for (const struct addrinfo *i = list; i && to->count < ADDRESSES_MAX; i = i->ai_next) {
        Address *next = &to->address[to->count++];
        memcpy(&next->at, i->ai_addr, i->ai_addrlen);
        next->bytes = i->ai_addrlen;
    }
    freeaddrinfo(list);
    return true;
}

static int make_socket(const Address *a, int type)
{
    int one = 1, fd = socket(a->at.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && type == SOCK_STREAM && a->at.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static bool is_socket(const char *path)
{
    struct stat st;
    return !lstat(path, &st) && S_ISSOCK(st.st_mode);
}

static int listen_at(const Address *at, int type)
{
    enum { BACKLOG = 16 };
    int one = 1, fd = make_socket(at, type);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (!bind(fd, (const struct sockaddr *)&at->at, at->bytes) &&
        (type == SOCK_DGRAM || !listen(fd, BACKLOG)))
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

int address_listen(const NetAddress *a, int type, Problem *p)
{
    Addresses found;
    if (!address_find(a, type, &found, p)) return -1;
    if (a->is_unix && is_socket(a->path)) unlink(a->path);
    for (unsigned n = 0; n < found.count; n++) {
        int fd = listen_at(&found.address[n], type);
        if (fd >= 0) return fd;
    }
    problem_set(p, "%.200s%s%.40s: %s", a->path, a->is_unix ? "" : ":", a->is_unix ? "" : a->port,
                strerror(errno));
    return -1;
}

int address_connect(const Address *a, int type)
{
    int fd = make_socket(a, type);
    if (fd < 0 || !connect(fd, (const struct sockaddr *)&a->at, a->bytes) || errno == EINPROGRESS ||
        errno == EAGAIN)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* 0, or why it did not. */
static int connected(int fd)
{
    enum { PATIENCE_MS = 5000 };
    struct pollfd wait = {fd, POLLOUT, 0};
    int why = 0;
    socklen_t bytes = sizeof why;
    if (poll(&wait, 1, PATIENCE_MS) <= 0) return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &bytes) < 0 ? errno : why;
}

int address_connect_any(const Addresses *a, int type)
{
    int why = ENOENT;
    for (unsigned n = 0; n < a->count; n++) {
        int fd = address_connect(&a->address[n], type);
        why = fd < 0 ? errno : connected(fd);
        if (fd >= 0 && !why) return fd;
        if (fd >= 0) close(fd);
    }
    errno = why;
    return -1;
}
