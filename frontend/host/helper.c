/* helper.c - see helper.h. */
#define _GNU_SOURCE
#include "frontend/host/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Next to ring3 (a build), or where `cmake --install` puts it. */
static bool find_program(const char *program, char *path, size_t bytes)
{
    static const char *const places[] = {"", "../libexec/ring3/"};
    char own[3000];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    if (n <= 0) return false;
    own[n] = 0;
    *strrchr(own, '/') = 0;
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        snprintf(path, bytes, "%s/%s%s", own, places[i], program);
        if (!access(path, X_OK)) return true;
    }
    return false;
}

static int spawn(const char *path, const char *const argv[], const int fd[HELPER_FDS], bool terminal,
                 pid_t *child)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    int next = HELPER_FIRST;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    for (int n = 0; n < HELPER_FDS && fd[n] >= 0; n++)
        posix_spawn_file_actions_adddup2(&files, fd[n], next++);
    posix_spawn_file_actions_addclosefrom_np(&files, next);
    if (!terminal) posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_init(&how);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(child, path, &files, &how, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

pid_t helper_start(const char *program, const char *const argv[], const int fd[HELPER_FDS], bool terminal,
                   Problem *p)
{
    char path[4096];
    pid_t child = 0;
    if (!find_program(program, path, sizeof path)) {
        problem_set(p, "its program, %s, is not there", program);
        return 0;
    }
    int error = spawn(path, argv, fd, terminal, &child);
    if (!error) return child;
    problem_set(p, "%s: %s", program, strerror(error));
    return 0;
}

bool helper_greet(int socket, const void *message, size_t bytes, const int *fd, unsigned count)
{
    char control[CMSG_SPACE(HELPER_GIFTS * sizeof(int))] = {0};
    struct iovec part = {(void *)(uintptr_t)message, bytes};
    struct msghdr h = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    CHECK(count && count <= HELPER_GIFTS, "too many descriptors for a helper");
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fd, count * sizeof(int));
    return sendmsg(socket, &h, MSG_NOSIGNAL) == (ssize_t)bytes;
}

void helper_become(const char *program, char *const argv[], Problem *p)
{
    char path[4096];
    if (!find_program(program, path, sizeof path)) {
        problem_set(p, "its program, %s, is not there", program);
        return;
    }
    execv(path, argv);
    problem_set(p, "%s: %s", program, strerror(errno));
}
