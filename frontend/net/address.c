/* address.c - see address.h. A UNIX socket that lies where one is to be made is taken away, as QEMU does; a file of another
 * kind is not. */
#define _GNU_SOURCE
#include "frontend/net/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool find_unix(const NetAddress *a, Address *to, Problem *p)
{
    struct sockaddr_un *u = (struct sockaddr_un *)&to->at;
    if (strlen(a->path) >= sizeof u->sun_path)
        return problem_set(p, "%.200s: too long for a socket's name", a->path);
    memset(&to->at, 0, sizeof to->at);
    u->sun_family = AF_UNIX;
    strcpy(u->sun_path, a->path);
    to->bytes = sizeof *u;
    return true;
}

bool address_find(const NetAddress *a, int type, Address *to, Problem *p)
{
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_PASSIVE}, *list;
    if (a->is_unix) return find_unix(a, to, p);
    if (!*a->path) hints.ai_family = AF_INET;
    int error = getaddrinfo(*a->path ? a->path : NULL, a->port, &hints, &list);
    if (error) return problem_set(p, "%.100s:%.40s: %s", a->path, a->port, gai_strerror(error));
    memcpy(&to->at, list->ai_addr, list->ai_addrlen);
    to->bytes = list->ai_addrlen;
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

int address_listen(const NetAddress *a, int type, Problem *p)
{
    enum { BACKLOG = 16 };
    Address at;
    int one = 1;
    if (!address_find(a, type, &at, p)) return -1;
    int fd = make_socket(&at, type);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->is_unix && is_socket(a->path)) unlink(a->path);
    if (fd >= 0 && !bind(fd, (struct sockaddr *)&at.at, at.bytes) &&
        (type == SOCK_DGRAM || !listen(fd, BACKLOG)))
        return fd;
    problem_set(p, "%.200s%s%.40s: %s", a->path, a->is_unix ? "" : ":", a->is_unix ? "" : a->port,
                strerror(errno));
    if (fd >= 0) close(fd);
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
