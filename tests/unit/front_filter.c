/* Lists of system calls: what is in them is made, what is not ends the process, is refused or is told; arguments
 * count. Each list is put on in a child.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/host/filter.h"

static const u32 commands[] = {7, 9};
static const Call calls[] = {
    {.number = SYS_exit_group},
    {.number = SYS_munmap},
    {.number = SYS_getppid, .test = CALL_REFUSED},
    {SYS_mmap, CALL_NO_EXEC, NULL, 0},
    {SYS_mprotect, CALL_NO_EXEC, NULL, 0},
    {SYS_fcntl, CALL_SECOND, commands, ARRAY_LEN(commands)},
    {.number = SYS_clone},
    {.number = SYS_wait4},
    {.number = SYS_ioctl},
    {.number = SYS_kill},
    {.number = SYS_set_robust_list},
    {.number = SYS_rt_sigprocmask},
    {.number = SYS_gettid},
};

enum { DONE = 100 };

/* A child with the list, which makes one call: its wait status. Exit code DONE + errno, if it lives. */
static int status_after(FilterEnd end, long number, long a, long b, long c)
{
    int status;
    pid_t child = fork();
    if (!child) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (filter_install(end, calls, ARRAY_LEN(calls)) < 0) syscall(SYS_exit_group, 1);
        long got = syscall(number, a, b, c, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        syscall(SYS_exit_group, DONE + (got < 0 ? errno : 0));
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_killed(long number, long a, long b, long c)
{
    int status = status_after(FILTER_KILLS, number, a, b, c);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void assert_lives(FilterEnd end, int error, long number, long a, long b, long c)
{
    int status = status_after(end, number, a, b, c);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), DONE + error);
}

static void kills(void **state)
{
    (void)state;
    assert_killed(SYS_execve, 0, 0, 0);
    assert_killed(SYS_socket, 1, 1, 0);
    assert_killed(SYS_getpid, 0, 0, 0);
    assert_killed(SYS_munmap | 0x40000000, 0, 0, 0); /* the x32 call */
}

static void arguments(void **state)
{
    (void)state;
    assert_lives(FILTER_KILLS, 0, SYS_mmap, 0, PAGE_BYTES, PROT_READ | PROT_WRITE);
    assert_killed(SYS_mmap, 0, PAGE_BYTES, PROT_READ | PROT_EXEC);
    assert_killed(SYS_mmap, 0, PAGE_BYTES, PROT_EXEC);
    assert_killed(SYS_mprotect, 0, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
    assert_lives(FILTER_KILLS, EBADF, SYS_fcntl, 999, 7, 0);
    assert_lives(FILTER_KILLS, EBADF, SYS_fcntl, 999, 9, 0);
    assert_killed(SYS_fcntl, 999, 8, 0);
    assert_killed(SYS_fcntl, 7, 0, 0);
}

static void refuses(void **state)
{
    (void)state;
    assert_lives(FILTER_KILLS, EACCES, SYS_getppid, 0, 0, 0);
    assert_lives(FILTER_REFUSES, ENOSYS, SYS_execve, 0, 0, 0);
    assert_lives(FILTER_REFUSES, 0, SYS_mmap, 0, PAGE_BYTES, PROT_READ);
    assert_lives(FILTER_REFUSES, ENOSYS, SYS_mmap, 0, PAGE_BYTES, PROT_EXEC);
}

/* Its own child makes a call that it is told of; 0: it was the one. */
static int told(void)
{
    FilterCall call;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int fd = filter_install(FILTER_TELLS, calls, ARRAY_LEN(calls));
    if (fd <= 0) return 1;
    long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (!child) {
        syscall(SYS_socket, 1, 2, 3);
        syscall(SYS_exit_group, 0);
    }
    if (!filter_next(fd, &call)) return 2;
    int status = 0;
    syscall(SYS_kill, child, SIGKILL);
    syscall(SYS_wait4, child, &status, 0, NULL);
    if (!WIFSIGNALED(status)) return 3; /* it was made */
    return call.number == SYS_socket && call.argument[0] == 1 && call.argument[2] == 3 ? 0 : 4;
}

static void tells(void **state)
{
    (void)state;
    FilterEnd best;
    int status;
    assert_true(filter_available(&best));
    if (best != FILTER_TELLS) skip();
    pid_t child = fork();
    if (!child) syscall(SYS_exit_group, told());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(filter_call_name(SYS_socket), "socket");
    assert_null(filter_call_name(99999));
}

int main(void)
{
    FilterEnd best;
    if (!filter_available(&best)) return 77; /* a host without seccomp */
    const struct CMUnitTest tests[] = {cmocka_unit_test(kills), cmocka_unit_test(arguments),
                                       cmocka_unit_test(refuses), cmocka_unit_test(tells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
