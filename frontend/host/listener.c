/* listener.c - see listener.h. */
#define _GNU_SOURCE
#include "frontend/host/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend/host/broker.h"

enum { BACKLOG = 16 };

static int closed(int fd) /* -1, with errno as it is */
{
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static bool is_socket(const char *path)
{
    struct stat st;
    return !lstat(path, &st) && S_ISSOCK(st.st_mode);
}

int listener_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    errno = ENAMETOOLONG;
    if (strlen(path) >= sizeof a.sun_path) return -1;
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (is_socket(path)) unlink(path);
    if (bind(fd, (struct sockaddr *)&a, sizeof a)) return closed(fd);
    broker_owns(path);
    return listen(fd, BACKLOG) ? closed(fd) : fd;
}

static int listen_address(const struct addrinfo *a)
{
    int one = 1, fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, BACKLOG)) return fd;
    return closed(fd);
}

int listener_tcp(const char *host, const char *port, const char **why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    int fd = -1, error = getaddrinfo(host, port, &hints, &list);
    if (error) {
        *why = gai_strerror(error);
        return -1;
    }
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) fd = listen_address(a);
    if (fd < 0) *why = strerror(errno);
    freeaddrinfo(list);
    return fd;
}

void listener_split(char *text, const char **host, const char **port)
{
    char *colon = strrchr(text, ':');
    *host = "127.0.0.1";
    *port = text;
    if (!colon) return;
    *colon = 0;
    *port = colon + 1;
    size_t n = strlen(text);
    if (n > 2 && *text == '[' && text[n - 1] == ']') { /* an IPv6 address */
        text[n - 1] = 0;
        text++;
    }
    if (n) *host = text;
}

bool listener_name(int fd, char to[LISTENER_NAME])
{
    struct sockaddr_storage a;
    socklen_t bytes = sizeof a;
    char name[80], port[8];
    if (getsockname(fd, (struct sockaddr *)&a, &bytes) < 0 ||
        getnameinfo((struct sockaddr *)&a, bytes, name, sizeof name, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return false;
    snprintf(to, LISTENER_NAME, strchr(name, ':') ? "[%s]:%s" : "%s:%s", name, port);
    return true;
}
