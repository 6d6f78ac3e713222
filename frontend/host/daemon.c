/* daemon.c - see daemon.h.
 *
 * What is wrong is said on the terminal, with the right exit code, since the parent waits; that the machine has started is
 * a byte of 0 in a pipe, and its end without that byte is the child's end. Standard input, output and error become
 * /dev/null before the cage shuts, in which they cannot; what is wrong from then on goes through the pipe, too, and the
 * parent says it. The current folder stays what it was, so that names given later to the monitor mean what they did.
 */
#define _GNU_SOURCE
#include "frontend/host/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/host/broker.h"

static int started = -1; /* the pipe to the waiting parent */
static int null = -1;    /* what standard input, output and error become */

static ssize_t read_all(int fd, char *to, size_t room)
{
    size_t got = 0;
    for (;;) {
        ssize_t n = read(fd, to + got, room - got);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return (ssize_t)got;
        got += (size_t)n;
        if (!*to || got == room) return (ssize_t)got;
    }
}

static _Noreturn void wait_for_start(int reader, pid_t child)
{
    char what[sizeof((Problem *)NULL)->text + 1] = {1};
    ssize_t n = read_all(reader, what, sizeof what - 1);
    if (n && !*what) _exit(0);
    what[n] = 0;
    if (n) say("%s", what);
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
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    started = ends[1];
    setsid();
    return true;
}

void daemon_detach(void)
{
    if (started < 0) return;
    fflush(NULL);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++) dup2(null, fd);
    if (null >= 0) close(null);
    broker_background();
}

static void tell(const char *bytes, size_t n)
{
    if (started < 0) return;
    (void)!write(started, bytes, n);
    close(started);
    started = -1;
}

void daemon_started(void) { tell("", 1); }
void daemon_failed(const Problem *p) { tell(p->text, strlen(p->text)); }

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
    broker_owns(path);
    return true;
}
