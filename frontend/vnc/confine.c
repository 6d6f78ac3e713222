/* confine.c - who takes connections parses nothing: it accepts, forks, and waits for the end of its children. It opens no file
 * and makes no socket.
 *
 * A viewer's process parses what a stranger sends and what the guest has drawn, and may do less: read, write and wait for what
 * is open, memory (none of it executable, and not much), the clock, its own end. It starts nothing, opens nothing, connects
 * nowhere, signals nobody. Whatever else is called fails with ENOSYS; Landlock says the same of files and of TCP once more.
 * Each ends with the one that started it.
 */
#define _GNU_SOURCE
#include "frontend/vnc/confine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "frontend/host/filter.h"
#include "frontend/host/landlock.h"

enum { VIEWER_HEAP = 256 << 20 }; /* bytes: the picture, the library's copies of it and its buffers */

static const u32 viewer_fcntls[] = {F_GETFL, F_SETFL, F_GETFD};
static const u32 viewer_ioctls[] = {FIONBIO, FIONREAD};

static const Call viewer_calls[] = {
    {.number = SYS_read},
    {.number = SYS_write},
    {.number = SYS_readv},
    {.number = SYS_writev},
    {.number = SYS_recvfrom},
    {.number = SYS_sendto},
    {.number = SYS_poll},
    {.number = SYS_select},
    {.number = SYS_pselect6},
    {.number = SYS_shutdown},
    {.number = SYS_close},
    {.number = SYS_getpeername},
    {.number = SYS_getsockname},
    {.number = SYS_setsockopt},
    {.number = SYS_getsockopt},
    {SYS_fcntl, CALL_SECOND, viewer_fcntls, ARRAY_LEN(viewer_fcntls)},
    {SYS_ioctl, CALL_SECOND, viewer_ioctls, ARRAY_LEN(viewer_ioctls)},
    {.number = SYS_brk},
    {SYS_mmap, CALL_NO_EXEC, NULL, 0},
    {.number = SYS_munmap},
    {.number = SYS_mremap},
    {.number = SYS_madvise},
    {.number = SYS_futex},
    {.number = SYS_clock_gettime},
    {.number = SYS_gettimeofday},
    {.number = SYS_clock_nanosleep},
    {.number = SYS_nanosleep},
    {.number = SYS_alarm},
    {.number = SYS_getrandom},
    {.number = SYS_getpid},
    {.number = SYS_rt_sigaction},
    {.number = SYS_rt_sigprocmask},
    {.number = SYS_rt_sigreturn},
    {.number = SYS_restart_syscall},
    {.number = SYS_exit},
    {.number = SYS_exit_group},
};

/* What only who forks needs. */
static const Call parent_calls[] = {
    {.number = SYS_ppoll},   {.number = SYS_recvmsg}, {.number = SYS_accept4},         {.number = SYS_clone},
    {.number = SYS_wait4},   {.number = SYS_prctl},   {.number = SYS_set_robust_list}, {.number = SYS_rseq},
    {.number = SYS_seccomp}, {.number = SYS_gettid},  {.number = SYS_prlimit64},
};

void vnc_confine(void)
{
    FilterEnd best;
    Call calls[ARRAY_LEN(viewer_calls) + ARRAY_LEN(parent_calls)];
    int landlock = landlock_version();
    memcpy(calls, viewer_calls, sizeof viewer_calls);
    memcpy(calls + ARRAY_LEN(viewer_calls), parent_calls, sizeof parent_calls);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (landlock) landlock_enter(landlock, true);
    if (filter_available(&best)) filter_install_for_good(FILTER_REFUSES, calls, ARRAY_LEN(calls));
}

void vnc_confine_viewer(void)
{
    FilterEnd best;
    const struct rlimit heap = {VIEWER_HEAP, VIEWER_HEAP};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!filter_sanitized) setrlimit(RLIMIT_DATA, &heap);
    if (filter_available(&best))
        filter_install_for_good(FILTER_REFUSES, viewer_calls, ARRAY_LEN(viewer_calls));
}
