/* starter.c - see starter.h.
 *
 * The machine's process is in a cage that starts no program, and so is the broker. Whoever has taken over the
 * machine could ask this process for any program, with the person's rights: so it is forked only if the command line
 * says so. It is outside of every cage but for privileges, of which nothing here ever gets new ones (cage.c).
 *
 * What leads to a command never comes to the machine's process: the saver has it, and speaks its own protocol there.
 *
 * A command ends by itself when its standard input does. One that has not when the next is started, or LEFT_MS after
 * ring3's end, is ended with what it has started.
 */
#define _GNU_SOURCE
#include "frontend/host/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/host/broker.h"
#include "frontend/host/silence.h"

enum { COMMAND_BYTES = 1024, LEFT_MS = 5000, TERM_MS = 500, LOOK_MS = 10 };

typedef struct StarterAnswer {
    bool done;
    char why[120];
} StarterAnswer;

static int starter = -1; /* the machine's end of the socket */

/* --- a command -------------------------------------------------------------------------------------------- */

static int spawn(const char *command, int end, int *child)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, end, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, end, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&how);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(child, "/bin/sh", &files, &how, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

int command_start(const char *command, int *child, Problem *p)
{
    int pair[2];
    *child = 0;
    if (!command[strspn(command, " ")]) return problem_set(p, "exec: names no command"), -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(p, "exec: %s", strerror(errno)), -1;
    int error = spawn(command, pair[1], child);
    close(pair[1]);
    if (!error && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0) return pair[0];
    problem_set(p, "exec: %s", strerror(error ? error : errno));
    close(pair[0]);
    return -1;
}

/* --- its process ------------------------------------------------------------------------------------------ */

/* *child becomes 0 then: its number may be another's. */
static bool has_ended(int *child)
{
    if (*child && waitpid(*child, NULL, WNOHANG) == *child) *child = 0;
    return !*child;
}

static void wait_for_end(int *child, int patience_ms)
{
    for (int ms = 0; ms < patience_ms && !has_ended(child); ms += LOOK_MS) usleep(LOOK_MS * 1000);
}

static void end_command(int *child)
{
    if (has_ended(child)) return;
    kill(-*child, SIGTERM);
    wait_for_end(child, TERM_MS);
    if (!has_ended(child)) kill(-*child, SIGKILL);
}

static void carry_out(const char *command, int gate, int *child, StarterAnswer *a)
{
    Problem p = {.text = ""};
    end_command(child);
    int fd = command_start(command, child, &p);
    a->done = fd >= 0 && broker_send(gate, "c", 1, fd);
    snprintf(a->why, sizeof a->why, "%.110s", fd < 0 ? p.text : "the process that talks to it has gone");
    if (fd >= 0) close(fd);
}

static _Noreturn void serve_end(int child)
{
    wait_for_end(&child, LEFT_MS);
    end_command(&child);
    _exit(0);
}

static _Noreturn void serve(int socket, int gate, bool silent)
{
    int child = 0;
    broker_become("ring3-starter", socket, gate);
    silence(STDIN_FILENO, silent ? STDERR_FILENO : STDOUT_FILENO);
    for (;;) {
        char command[COMMAND_BYTES + 1] = "";
        StarterAnswer a = {.done = false};
        int fd;
        if (!broker_receive(BROKER_SOCKET, command, COMMAND_BYTES, 1, &fd)) serve_end(child);
        if (fd >= 0) close(fd);
        carry_out(command, BROKER_GATE, &child, &a);
        if (!broker_send(BROKER_SOCKET, &a, sizeof a, -1)) serve_end(child);
    }
}

/* --- the machine's side ----------------------------------------------------------------------------------- */

bool starter_start(int gate, bool silent)
{
    int pair[2];
    if (gate < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return false;
    pid_t child = fork();
    if (!child) {
        close(pair[0]);
        serve(pair[1], gate, silent);
    }
    close(pair[1]);
    starter = child > 0 ? pair[0] : -1;
    if (child < 0) close(pair[0]);
    return child > 0;
}

bool starter_connect(const char *command, Problem *p)
{
    StarterAnswer a;
    int fd;
    size_t n = strlen(command) + 1;
    if (starter < 0)
        return problem_set(
            p, "exec: starts a program, which a machine in its sandbox cannot have done: start ring3 with "
               "-sandbox on,spawn=allow, or let socat lead from unix:PATH to anything else");
    if (n > COMMAND_BYTES) return problem_set(p, "exec: the command is too long");
    if (!broker_send(starter, command, n, -1) || !broker_receive(starter, &a, sizeof a, sizeof a, &fd))
        return problem_set(p, "exec: the process that starts programs (ring3-starter) has gone");
    if (fd >= 0) close(fd);
    a.why[sizeof a.why - 1] = 0;
    return a.done || problem_set(p, "%s", a.why);
}
