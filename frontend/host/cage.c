/* cage.c - see cage.h.
 *
 * Inherited descriptors: a shell, a build system or a desktop leaves some open in what it starts: a lock, a socket of a
 * session, a file that only root could open. The guest must not find them, should it ever come as far as this process.
 *
 * System calls: a list of what a running machine needs, found by strace over the boot tests in both engines and all
 * forms. Memory may be mapped and its rights changed, but never made executable: translated code has two mappings
 * since the start, one to write and one to run. Files are opened by the broker; clients come to sockets that listen
 * already. What is not in the list ends the process at once, with a sentence from the broker (before Linux 5.7 one
 * that does not name the call). What a C library may ask for by the way, such as how many processors there are, is
 * refused instead.
 *
 * Landlock, where the host has it, says the same about files and TCP once more, in another part of the kernel.
 */
#define _GNU_SOURCE
#include "frontend/host/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cpu/base/host.h"
#include "frontend/host/broker.h"
#include "frontend/host/filter.h"
#include "frontend/host/landlock.h"

/* --- inherited descriptors ------------------------------------------------------------------------------- */

enum { FIRST = STDERR_FILENO + 1, NAMED_MAX = 16, LIMIT = 1 << 16 };

static struct {
    unsigned fd[NAMED_MAX]; /* that arguments name; in order */
    unsigned count;
} named;

static void name_descriptor(unsigned fd)
{
    unsigned at = named.count;
    if (fd < FIRST || fd >= LIMIT || at == NAMED_MAX || fcntl((int)fd, F_GETFD) < 0) return;
    for (unsigned n = 0; n < at; n++)
        if (named.fd[n] == fd) return;
    for (; at && named.fd[at - 1] > fd; at--) named.fd[at] = named.fd[at - 1];
    named.fd[at] = fd;
    named.count++;
}

static void find_behind(const char *mark, const char *argument)
{
    while ((argument = strstr(argument, mark))) {
        char *end;
        argument += strlen(mark);
        unsigned long fd = strtoul(argument, &end, 10);
        if (end != argument && fd < LIMIT) name_descriptor((unsigned)fd);
    }
}

/* /dev/fd/N and /proc/self/fd/N, wherever in an argument; [type=]tap,fd=N. */
static void find_named(const char *argument)
{
    find_behind("/fd/", argument);
    argument += strncmp(argument, "type=", 5) ? 0 : 5;
    if (!strncmp(argument, "tap,", 4)) find_behind(",fd=", argument);
}

/* Before Linux 5.9 one by one. */
static void close_between(unsigned first, unsigned last)
{
    if (first > last || close_range(first, last, 0) == 0) return;
    long most = sysconf(_SC_OPEN_MAX);
    if (most < 0 || most > LIMIT) most = LIMIT;
    for (unsigned fd = first; fd <= last && fd < (unsigned)most; fd++) close((int)fd);
}

static void close_inherited(void)
{
    unsigned first = FIRST;
    for (unsigned n = 0; n < named.count; n++) {
        close_between(first, named.fd[n] - 1);
        first = named.fd[n] + 1;
    }
    close_between(first, UINT_MAX);
}

/* Else the next file to be opened, an image, would be where messages go. */
static void open_standard(void)
{
    int fd;
    do fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) close(fd);
}

/* --- system calls ---------------------------------------------------------------------------------------- */

#define ALWAYS(name)                                                                                         \
    {                                                                                                        \
        .number = SYS_##name                                                                                 \
    }
#define REFUSED(name)                                                                                        \
    {                                                                                                        \
        .number = SYS_##name, .test = CALL_REFUSED                                                           \
    }
#define ONE_OF(name, test, list)                                                                             \
    {                                                                                                        \
        SYS_##name, test, list, ARRAY_LEN(list)                                                              \
    }

enum { POPULATE_READ = 22, POPULATE_WRITE = 23, GUARD_INSTALL = 102, GUARD_REMOVE = 103 }; /* MADV_, newer */
static const u32 advices[] = {MADV_DONTNEED, POPULATE_WRITE, POPULATE_READ, GUARD_INSTALL,
                              GUARD_REMOVE,  MADV_FREE,      MADV_HUGEPAGE, MADV_NOHUGEPAGE};
static const u32 commands[] = {F_OFD_GETLK, F_OFD_SETLK, F_GETFL, F_SETFL, F_GETFD, F_SETFD};
static const u32 terminal[] = {TCGETS, TCSETS, TIOCGPGRP, TIOCGWINSZ, FIONREAD};
static const u32 levels[] = {IPPROTO_TCP};

/* Processes that it may end: itself, and the window's. */
static u32 processes[2];

static const Call calls[] = {
    /* the most frequent first, those whose arguments are looked at before all: see filter.h */
    {SYS_mmap, CALL_NO_EXEC, NULL, 0},
    {SYS_mprotect, CALL_NO_EXEC, NULL, 0},
    ONE_OF(madvise, CALL_THIRD, advices),
    ALWAYS(rt_sigreturn),
    ALWAYS(write),
    ALWAYS(read),
    ALWAYS(ppoll),
    ALWAYS(timer_settime),
    ALWAYS(sendto),
    ALWAYS(recvfrom),
    ALWAYS(pread64),
    ALWAYS(pwrite64),
    ALWAYS(futex),
    ALWAYS(rt_sigprocmask),
    ALWAYS(poll),
    ALWAYS(clock_gettime),
    ALWAYS(munmap),
    ALWAYS(mremap),
    ALWAYS(brk),
    /* files and sockets that are open */
    ALWAYS(readv),
    ALWAYS(writev),
    ALWAYS(lseek),
    ALWAYS(fdatasync),
    ALWAYS(fsync),
    ALWAYS(ftruncate),
    ALWAYS(fallocate),
    ALWAYS(sync_file_range),
    ALWAYS(fstat),
    ALWAYS(newfstatat), /* fstat() of newer libraries; attributes of any file, but nothing that is in it */
    ALWAYS(close),
    ALWAYS(accept4),
    ALWAYS(sendmsg),
    ALWAYS(recvmsg),
    ALWAYS(shutdown),
    ALWAYS(getsockopt),
    ONE_OF(setsockopt, CALL_SECOND, levels),
    ONE_OF(fcntl, CALL_SECOND, commands),
    ONE_OF(ioctl, CALL_SECOND, terminal),
    /* time, threads, signals, the end */
    ALWAYS(clock_nanosleep),
    ALWAYS(nanosleep),
    ALWAYS(gettimeofday),
    ALWAYS(time),
    ALWAYS(restart_syscall),
    ALWAYS(timer_gettime),
    ALWAYS(rt_sigaction),
    ALWAYS(sigaltstack),
    ALWAYS(set_robust_list),
    ALWAYS(rseq),
    ALWAYS(sched_yield),
    ALWAYS(getpid),
    ALWAYS(gettid),
    ALWAYS(getpgrp),
    ALWAYS(getrandom),
    ALWAYS(wait4),
    ALWAYS(exit),
    ALWAYS(exit_group),
    ONE_OF(kill, CALL_FIRST, processes),
    ONE_OF(tgkill, CALL_FIRST, processes),
    /* what a C library asks for by the way */
    REFUSED(openat),
    REFUSED(open),
    REFUSED(access),
    REFUSED(faccessat),
    REFUSED(stat),
    REFUSED(lstat),
    REFUSED(readlink),
    REFUSED(readlinkat),
    REFUSED(getcwd),
    REFUSED(sysinfo),
    REFUSED(uname),
    REFUSED(sched_getaffinity),
    REFUSED(prlimit64),
    REFUSED(getrlimit),
    REFUSED(prctl),
    REFUSED(membarrier),
};

/* --- the steps ------------------------------------------------------------------------------------------- */

static struct {
    bool on, off; /* off: not wanted */
    bool shut;
    FilterEnd end;
} cage;

void cage_choose(void)
{
    FilterEnd end;
    int version = landlock_version();
    char landlock[40] = "no Landlock";
    if (version) snprintf(landlock, sizeof landlock, "Landlock %d", version);
    if (cage.off)
        host_choice("sandbox", "off, as -sandbox says");
    else if (!filter_available(&end))
        host_choice("sandbox", "none: this host has no seccomp");
    else
        host_choice("sandbox", "seccomp, %u system calls%s; %s", (unsigned)ARRAY_LEN(calls),
                    end == FILTER_TELLS ? ", others are told" : "", landlock);
}

bool cage_start(Sandbox wanted, const char *const named_files[], unsigned count, Problem *p)
{
    cage.off = wanted == SANDBOX_OFF;
    if (cage.off) return true;
    cage.on = filter_available(&cage.end);
    if (cage.on) return broker_start(named_files, count, p);
    return wanted == SANDBOX_DEFAULT || problem_set(p, "-sandbox on: this host has no seccomp");
}

void cage_enter(int argc, char *const argv[])
{
    for (int n = 1; n < argc; n++) find_named(argv[n]);
    open_standard();
    close_inherited();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void cage_leave_files(void)
{
    int version = landlock_version();
    if (cage.on && version) landlock_enter(version, true);
}

bool cage_shut(int window, Problem *p)
{
    for (unsigned n = 0; n < named.count; n++) close((int)named.fd[n]);
    if (!cage.on) return true;
    tzset(); /* localtime() reads its file now or never: a folder's times on a FAT disk (image/fat_tree.c) */
    processes[0] = processes[1] = (u32)getpid();
    if (window) processes[1] = (u32)window;
    int listener = filter_install_for_good(cage.end, calls, ARRAY_LEN(calls));
    if (listener < 0) return problem_set(p, "-sandbox: %s", strerror(errno));
    broker_shut(listener);
    cage.shut = true;
    return true;
}

bool cage_is_shut(void) { return cage.shut; }
