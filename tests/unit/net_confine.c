/* net_confine.c - what ring3-net's cage refuses, tried from inside: programs, files, other sockets, code; and what it leaves. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/host/filter.h"
#include "frontend/net/confine.h"

static bool refused(long r) { return r < 0 && errno == ENOSYS; }

/* Bits of what went wrong. */
static int try_all(const NetSpec *s, bool sockets, bool unix_sockets)
{
    char *const none[] = {NULL};
    int bad = 0;
    net_confine(s);
    bad |= refused(syscall(SYS_execve, "/bin/true", none, none)) ? 0 : 1;
    if (!filter_sanitized) bad |= refused(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY)) ? 0 : 2;
    if (!filter_sanitized) bad |= refused(syscall(SYS_open, "/etc/passwd", O_RDONLY)) ? 0 : 2;
    bad |= refused(syscall(SYS_mprotect, 0, 4096, PROT_EXEC)) ? 0 : 4;
    bad |= refused(syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) ? 0
                                                                                                          : 4;
    bad |= refused(syscall(SYS_kill, getppid(), 0)) ? 0 : 8;
    if (!filter_sanitized) bad |= refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) ? 0 : 8;
    bad |= refused(syscall(SYS_unlink, "/tmp/none")) ? 0 : 8;
    bad |= refused(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0)) == !sockets ? 0 : 16;
    bad |= refused(syscall(SYS_socket, AF_INET6, SOCK_DGRAM, 0)) == !sockets ? 0 : 16;
    bad |= refused(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0)) == !unix_sockets ? 0 : 32;
    bad |= refused(syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0)) ? 0 : 64;
    bad |= refused(syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0)) ? 0 : 64;
    return bad;
}

static int in_child(const char *words, bool sockets, bool unix_sockets)
{
    static NetSpec s;
    int status = 0;
    assert_int_equal(net_spec_parse(&s, NULL, NULL, "test", words), 0);
    pid_t child = fork();
    if (!child) _exit(try_all(&s, sockets, unix_sockets));
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static void test_kinds(void **state)
{
    FilterEnd best;
    (void)state;
    if (!filter_available(&best)) skip();
    assert_int_equal(in_child("user", true, false), 0);
    assert_int_equal(in_child("user,guestfwd=tcp:10.0.2.100:7-unix:/x", true, true), 0);
    assert_int_equal(in_child("stream,server=on,addr.type=unix,addr.path=/x", false, false), 0);
    assert_int_equal(in_child("stream,addr.type=unix,addr.path=/x,reconnect=1", true, true), 0);
    assert_int_equal(
        in_child("dgram,local.type=unix,local.path=/x,remote.type=unix,remote.path=/y", false, false), 0);
    assert_int_equal(in_child("tap,ifname=tap0", false, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
