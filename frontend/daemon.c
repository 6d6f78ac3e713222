/* daemon.c - see daemon.h.
 *
 * What is wrong is said on the terminal, with the right exit code, since the parent waits; that the machine has started is
 * one byte in a pipe, and its end without that byte is the child's end. Standard input, output and error become
 * /dev/null then. The current folder stays what it was, so that names given later to the monitor mean what they did.
 */
#define _GNU_SOURCE
#include "frontend/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int started = -1; /* the pipe to the waiting parent */
static const char *pidfile;

static _Noreturn void wait_for_start(int reader, pid_t child)
{
    char byte;
    ssize_t n;
    do n = read(reader, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1) _exit(0);
    int status = 0;
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
}

bool daemon_fork(Problem *p)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return problem_set(p, "-daemonize: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) return problem_set(p, "-daemonize: %s", strerror(errno));
    if (child) {
        close(ends[1]);
        wait_for_start(ends[0], child);
    }
    close(ends[0]);
    started = ends[1];
    setsid();
    return true;
}

void daemon_started(void)
{
    if (started < 0) return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    fflush(NULL);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++) dup2(null, fd);
    if (null > STDERR_FILENO) close(null);
    (void)!write(started, "", 1);
    close(started);
    started = -1;
}

/* The descriptor stays open: it holds the lock, by which a second process with the same file is refused. */
bool pidfile_write(const char *path, Problem *p)
{
    char text[16];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return problem_set(p, "-pidfile %.200s: %s", path, strerror(errno));
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        close(fd);
        return problem_set(p, "-pidfile %.200s: a running process has it", path);
    }
    int n = snprintf(text, sizeof text, "%d\n", getpid());
    if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)n) != n)
        return problem_set(p, "-pidfile %.200s: %s", path, strerror(errno));
    pidfile = path;
    return true;
}

void pidfile_remove(void)
{
    if (pidfile) unlink(pidfile);
    pidfile = NULL;
}
