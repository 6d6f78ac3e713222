/* confine.c - the network's process parses what the guest and strangers send. What it may do for that:
 *   all kinds    read, write and wait for what is open; memory, none of it executable; the clock; to end
 *   user         besides, make and use sockets of IPv4 and IPv6 (of AF_UNIX only for guestfwd=...-unix:PATH)
 *   stream       accept a connection; with reconnect=, make one socket after the other
 * It opens no file by its name (files.c has a child for those that libslirp needs), starts no program and no thread, signals
 * nobody: such a call fails with ENOSYS. Landlock says the same of files once more. It ends with the machine.
 */
#include "frontend/net/confine.h"

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "frontend/host/filter.h"
#include "frontend/host/landlock.h"

static const u32 ioctls[] = {FIONREAD, FIONBIO, 0x8933 /* SIOCGIFINDEX */};
static u32 families[3];

static Call calls[] = {
    {.number = SYS_read},
    {.number = SYS_write},
    {.number = SYS_poll},
    {.number = SYS_ppoll},
    {.number = SYS_sendto},
    {.number = SYS_recvfrom},
    {.number = SYS_sendmsg},
    {.number = SYS_recvmsg},
    {.number = SYS_readv},
    {.number = SYS_writev},
    {.number = SYS_close},
    {.number = SYS_lseek},
    {.number = SYS_fstat},
    {.number = SYS_newfstatat}, /* attributes of any file, but nothing that is in it: resolv.conf's time */
    {.number = SYS_brk},
    {SYS_mmap, CALL_NO_EXEC, NULL, 0},
    {.number = SYS_munmap},
    {.number = SYS_mremap},
    {.number = SYS_madvise},
    {.number = SYS_futex},
    {.number = SYS_clock_gettime},
    {.number = SYS_gettimeofday},
    {.number = SYS_getrandom},
    {.number = SYS_getpid},
    {.number = SYS_rt_sigreturn},
    {.number = SYS_restart_syscall},
    {.number = SYS_exit},
    {.number = SYS_exit_group},
    {.number = SYS_accept},
    {.number = SYS_accept4},
    {.number = SYS_shutdown},
    {.number = SYS_fcntl},
    {.number = SYS_getsockopt},
    {.number = SYS_setsockopt},
    {.number = SYS_getsockname},
    {.number = SYS_getpeername},
    /* from here on: who makes sockets */
    {SYS_socket, CALL_FIRST, families, 0},
    {.number = SYS_connect},
    {.number = SYS_bind},
    {.number = SYS_listen},
    {SYS_ioctl, CALL_SECOND, ioctls, ARRAY_LEN(ioctls)},
};
enum { MAKERS = 5, WITHOUT = ARRAY_LEN(calls) - MAKERS };

static bool goes_to_unix(const NetSpec *s)
{
    for (unsigned n = 0; n < s->forwards; n++)
        if (!strncmp(s->forward[n].target, "unix:", 5)) return true;
    return s->kind == NET_STREAM && s->address.is_unix;
}

static bool makes_sockets(const NetSpec *s)
{
    return s->kind == NET_USER || (s->kind == NET_STREAM && s->reconnect_s && !s->is_server);
}

void net_confine(const NetSpec *s)
{
    unsigned count = 0;
    int landlock = landlock_version();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* which Landlock asks for */
    if (landlock) landlock_enter(landlock, !makes_sockets(s));
    families[count++] = AF_INET;
    families[count++] = AF_INET6;
    if (goes_to_unix(s)) families[count++] = AF_UNIX;
    calls[WITHOUT].count = count;
    unsigned most = makes_sockets(s) ? ARRAY_LEN(calls) : WITHOUT;
    filter_confine(calls, most, true);
}
