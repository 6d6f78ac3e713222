/* files.c - see files.h.
 *
 * libslirp opens two kinds of files while the guest runs: /etc/resolv.conf when it has changed (another network), and what
 * the guest asks for by TFTP. A process that parses the guest's packets shall open nothing, so it cannot: its list of
 * system calls has no call for it (confine.c). A small child does, which has the TFTP folder open since the start and
 * passes descriptors: for a name beneath that folder, regular files only, never through a link that leads out of it
 * (openat2, RESOLVE_BENEATH; Linux 5.6), and for /etc/resolv.conf.
 *
 * libslirp calls open64() and fopen64(); the definitions here take precedence over the C library's, as ELF has it for
 * symbols that a program defines itself. Ours are asked in no other case.
 */
#define _GNU_SOURCE
#include "frontend/host/silence.h"
#include "frontend/net/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frontend/host/filter.h"

enum { NAME_BYTES = 1024 };
static const char resolv_conf[] = "/etc/resolv.conf";

static struct {
    int socket; /* to the child; -1: there is none */
    char tftp[NAME_BYTES];
    int folder; /* the child's */
} f = {.socket = -1, .folder = -1};

/* --- the child ------------------------------------------------------------------------------------------- */

static int open_beneath(const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return f.folder < 0 ? -1 : (int)syscall(SYS_openat2, f.folder, name, &how, sizeof how);
}

static int open_file(const char *name)
{
    size_t n = strlen(f.tftp);
    struct stat st;
    int fd = -1;
    if (!strcmp(name, resolv_conf))
        fd = open(resolv_conf, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    else if (n && !strncmp(name, f.tftp, n) && name[n] == '/')
        fd = open_beneath(name + n + strspn(name + n, "/"));
    if (fd < 0 || (!fstat(fd, &st) && S_ISREG(st.st_mode))) return fd;
    close(fd);
    return -1;
}

static void pass(int socket, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, done = fd >= 0;
    struct iovec part = {&done, 1};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        h.msg_control = control;
        h.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    (void)!sendmsg(socket, &h, MSG_NOSIGNAL);
    if (fd >= 0) close(fd);
}

/* It opens, and passes on; it neither writes files nor makes sockets. */
static void confine(void)
{
    static const u32 reading[] = {O_RDONLY | O_CLOEXEC | O_NONBLOCK};
    static const Call calls[] = {
        {.number = SYS_recvfrom},
        {.number = SYS_sendmsg},
        {.number = SYS_openat2},
        {.number = SYS_fstat},
        {.number = SYS_close},
        {.number = SYS_newfstatat},
        {.number = SYS_exit},
        {.number = SYS_exit_group},
        {SYS_openat, CALL_THIRD, reading, ARRAY_LEN(reading)},
    };
    filter_confine(calls, ARRAY_LEN(calls), true);
}

/* Until the other end is closed: our parent has gone. */
static _Noreturn void serve(int socket)
{
    char name[NAME_BYTES];
    ssize_t n;
    silence(STDOUT_FILENO,
            filter_sanitized ? STDOUT_FILENO : STDERR_FILENO); /* a sanitizer may have to speak */
    close_range(5, ~0u, 0);
    confine();
    while ((n = recv(socket, name, sizeof name - 1, 0)) > 0) {
        name[n] = 0;
        pass(socket, open_file(name));
    }
    _exit(0);
}

bool files_start(const char *tftp, Problem *p)
{
    int pair[2];
    if (strlen(tftp) >= sizeof f.tftp) return problem_set(p, "tftp=: too long a name");
    strcpy(f.tftp, tftp);
    size_t n = strlen(f.tftp);
    while (n > 1 && f.tftp[n - 1] == '/') f.tftp[--n] = 0;
    if (n && (f.folder = open(f.tftp, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return problem_set(p, "tftp=%.200s: %s", tftp, strerror(errno));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(p, "%s", strerror(errno));
    pid_t child = fork();
    if (child < 0) return problem_set(p, "%s", strerror(errno));
    if (!child) {
        /* 3 is the socket, 4 the folder, and all else is closed */
        if (f.folder >= 0) f.folder = fcntl(f.folder, F_DUPFD_CLOEXEC, 10);
        int socket = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
        if (f.folder >= 0) f.folder = dup3(f.folder, 4, O_CLOEXEC);
        serve(dup3(socket, 3, O_CLOEXEC));
    }
    close(pair[1]);
    if (f.folder >= 0) close(f.folder);
    f.socket = pair[0];
    return true;
}

/* --- the parent ------------------------------------------------------------------------------------------ */

static int ask(const char *name)
{
    char control[CMSG_SPACE(sizeof(int))], done = 0;
    struct iovec part = {&done, 1};
    struct msghdr h = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd = -1;
    errno = ENOENT;
    if (f.socket < 0 || strlen(name) >= NAME_BYTES) return -1;
    if (send(f.socket, name, strlen(name), MSG_NOSIGNAL) < 0 || recvmsg(f.socket, &h, MSG_CMSG_CLOEXEC) <= 0)
        return -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (fd < 0) errno = ENOENT;
    return fd;
}

int open64(const char *path, int flags, ...)
{
    if ((flags & O_ACCMODE) == O_RDONLY) return ask(path);
    errno = EACCES;
    return -1;
}

FILE *fopen64(const char *restrict path, const char *restrict mode)
{
    int fd = ask(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, mode);
    if (fd >= 0 && !file) close(fd);
    return file;
}
