/* The broker, and a process that opens no file by itself: what it gets, what it is refused, what is left at the end.
 * Each test is a child with a broker of its own, in a folder of its own.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/host/broker.h"
#include "frontend/host/cage.h"
#include "frontend/host/filter.h"

static char folder[] = "/tmp/ring3-broker-XXXXXX";

/* In a child: its exit code is the line of the first check that failed, 0 if none did. */
#define HOLDS(what)                                                                                          \
    do {                                                                                                     \
        if (!(what)) exit(__LINE__ & 0xff ? __LINE__ & 0xff : 1);                                            \
    } while (0)

static void in_child(void (*test)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        char *argv[] = {NULL};
        cage_enter(0, argv);
        if (chdir(folder) < 0) _exit(255);
        test();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status)) fail_msg("it was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status)) fail_msg("line %d (or 256 or 512 more)", WEXITSTATUS(status));
}

static void start(void)
{
    static const char *const named[] = {".images/disk.img"};
    Problem p;
    HOLDS(cage_start(SANDBOX_ON, named, ARRAY_LEN(named), &p));
    cage_leave_files();
    broker_shut(0);
}

static void make(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    HOLDS(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static bool holds(int fd, const char *text)
{
    char got[20] = "";
    bool same = fd >= 0 && pread(fd, got, sizeof got - 1, 0) >= 0 && !strcmp(got, text);
    close(fd);
    return same;
}

static void opens(void)
{
    make("plain", "abc");
    start();
    HOLDS(holds(file_open(FILE_READ, "plain"), "abc"));
    HOLDS(file_may(FILE_READ, "plain") && file_may(FILE_WRITE, "plain") && !file_may(FILE_READ, "nothing"));
    HOLDS(file_open(FILE_READ, "nothing") < 0 && errno == ENOENT &&
          !strcmp(file_problem(), strerror(ENOENT)));
    int fd = file_open(FILE_WRITE, "plain");
    HOLDS(pwrite(fd, "xyz", 3, 0) == 3 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    fd = file_open(FILE_SYNC, "plain");
    HOLDS(holds(fd, "xyz"));
    fd = file_open(FILE_REPLACE, "new");
    HOLDS(write(fd, "1", 1) == 1);
    char name[BROKER_PATH_BYTES + 10];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    HOLDS(file_open(FILE_READ, name) < 0 && errno == ENAMETOOLONG);
    for (int n = 0; n < 300; n++) close(file_open(FILE_READ, "plain")); /* it keeps none */
    HOLDS(holds(file_open(FILE_READ, "plain"), "xyz"));
    broker_leave();
}

static void opens_none_itself(void)
{
    make("plain", "abc");
    bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0 && !filter_sanitized;
    start();
    HOLDS((open("plain", O_RDONLY) < 0) == landlock);
    HOLDS((mkdir("folder", 0700) < 0) == landlock);
    HOLDS(holds(file_open(FILE_READ, "plain"), "abc"));
    broker_leave();
}

static bool is_refused(FileUse use, const char *path, const char *why)
{
    return file_open(use, path) < 0 && strstr(file_problem(), why);
}

static void refuses(void)
{
    HOLDS(mkdir(".keys", 0700) == 0 && mkdir(".images", 0700) == 0 && mkdir("open", 0700) == 0);
    make(".keys/id", "secret");
    make(".images/disk.img", "disk");
    make("script", "#!/bin/sh\n");
    HOLDS(symlink("../.keys/id", "open/id") == 0);
    start();
    static const char *const hidden[] = {".keys/id", "open/id", "open/../.keys/id", ".keys/new", ".profile"};
    for (unsigned n = 0; n < ARRAY_LEN(hidden); n++) {
        HOLDS(is_refused(FILE_READ, hidden[n], "hidden"));
        HOLDS(is_refused(FILE_REPLACE, hidden[n], "hidden"));
        HOLDS(!file_may(FILE_READ, hidden[n]));
    }
    HOLDS(access(".profile", F_OK) < 0);
    HOLDS(holds(file_open(FILE_READ, ".images/disk.img"), "disk"));
    HOLDS(is_refused(FILE_READ, "/proc/self/environ", "kernel"));
    HOLDS(is_refused(FILE_READ, "/sys/kernel/notes", "kernel"));
    HOLDS(is_refused(FILE_WRITE, "script", "program") && is_refused(FILE_REPLACE, "script", "program"));
    HOLDS(is_refused(FILE_REPLACE, "/dev/zero", "device") && file_open(FILE_REPLACE, "/dev/null") >= 0);
    HOLDS(is_refused(FILE_TEMPORARY, "open", "temporary"));
    HOLDS(file_open(FILE_TEMPORARY, file_temporary_folder()) >= 0);
    HOLDS(holds(file_open(FILE_READ, "script"), "#!/bin/sh\n"));
    broker_leave();
}

static void discards(void)
{
    make("kept", "abc");
    start();
    close(file_open(FILE_REPLACE, "picture"));
    file_discard("kept"); /* not what was made last */
    HOLDS(file_may(FILE_READ, "kept"));
    file_discard("picture");
    HOLDS(!file_may(FILE_READ, "picture"));
    broker_leave();
}

static void tidies(void)
{
    Problem p;
    make("socket", "");
    make("before", "");
    make("late", "");
    broker_owns("before"); /* as -pidfile */
    HOLDS(cage_start(SANDBOX_ON, NULL, 0, &p));
    broker_owns("socket");
    broker_shut(0);
    broker_owns("late"); /* too late: the machine is not trusted any more */
    HOLDS(file_may(FILE_READ, "socket"));
    broker_leave();
    broker_leave();
    HOLDS(access("socket", F_OK) < 0 && access("before", F_OK) < 0 && access("late", F_OK) == 0);
}

static void tidies_alone(void)
{
    Problem p;
    make("socket", "");
    HOLDS(cage_start(SANDBOX_OFF, NULL, 0, &p));
    broker_owns("socket");
    broker_shut(0);
    HOLDS(file_open(FILE_READ, "socket") >= 0);
    broker_leave();
    HOLDS(access("socket", F_OK) < 0);
}

/* A process that ends without leave, where nobody could be told why: its broker says so, and removes nothing. */
static void says_so(void)
{
    int ends[2];
    char said[400] = "";
    make("socket", "");
    HOLDS(pipe(ends) == 0);
    pid_t child = fork();
    if (!child) {
        Problem p;
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        HOLDS(cage_start(SANDBOX_ON, NULL, 0, &p));
        broker_owns("socket");
        broker_shut(0);
        kill(getpid(), SIGKILL);
    }
    close(ends[1]);
    ssize_t n = 0, got;
    while ((got = read(ends[0], said + n, sizeof said - 1 - (size_t)n)) > 0) n += got;
    HOLDS(strstr(said, "SIGSYS") && strchr(said, '\n') == said + n - 1);
    HOLDS(access("socket", F_OK) == 0 && waitpid(child, NULL, 0) == child);
}

static pid_t broker_process(void)
{
    char path[60];
    int child = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%d", &child) != 1) child = 0;
    if (f) fclose(f);
    return child;
}

/* Somebody has ended it: an error, and no more. */
static void survives_it(void)
{
    Problem p;
    make("plain", "");
    HOLDS(cage_start(SANDBOX_ON, NULL, 0, &p));
    pid_t broker = broker_process();
    HOLDS(broker > 0);
    broker_shut(0);
    kill(broker, SIGKILL);
    HOLDS(file_open(FILE_READ, "plain") < 0 && errno == EIO);
    HOLDS(!file_may(FILE_READ, "plain"));
    file_discard("plain");
    broker_leave();
}

/* More descriptors than a message of ours has: none is taken, none stays open. */
static void takes_one_descriptor(void)
{
    int pair[2], fds[2] = {STDIN_FILENO, STDOUT_FILENO}, got;
    char byte = 1, control[CMSG_SPACE(sizeof fds)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr h = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    *c =
        (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fds)};
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    int next = dup(STDIN_FILENO);
    close(next);
    HOLDS(sendmsg(pair[0], &h, 0) == 1 && broker_receive(pair[1], &byte, 1, 1, &got) && got < 0);
    HOLDS(broker_send(pair[0], &byte, 1, STDIN_FILENO) && broker_receive(pair[1], &byte, 1, 1, &got) &&
          got == next);
}

#define TEST(name)                                                                                           \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        (void)state;                                                                                         \
        in_child(name);                                                                                      \
    }
TEST(opens)
TEST(opens_none_itself)
TEST(refuses)
TEST(discards)
TEST(tidies)
TEST(tidies_alone)
TEST(says_so)
TEST(survives_it)
TEST(takes_one_descriptor)

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[80];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    FilterEnd best;
    if (!filter_available(&best)) return 77; /* a host without seccomp */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens),
        cmocka_unit_test(test_opens_none_itself),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_discards),
        cmocka_unit_test(test_tidies),
        cmocka_unit_test(test_tidies_alone),
        cmocka_unit_test(test_says_so),
        cmocka_unit_test(test_survives_it),
        cmocka_unit_test(test_takes_one_descriptor),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
