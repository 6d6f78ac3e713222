/* filter.c - see filter.h.
 *
 * The program is a chain: is it call N? Then it ends there. Where an argument is looked at, only the lower half
 * counts, as for the kernel: prot, ioctl's request, fcntl's command, pids and signals are ints to it, and PROT_EXEC
 * is in that half.
 *
 * SECCOMP_FILTER_FLAG_SPEC_ALLOW: kernels before 5.16 turn the processor's store bypass off for a filtered process
 * unless told not to. What guest code could read by it is this process's memory, where there is nothing but its own
 * machine (docs/SECURITY.md); and every load and store of the guest would pay.
 */
#define _GNU_SOURCE
#include "frontend/host/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LENGTH_MAX = 1024, X32_CALLS = 0x40000000 };

/* Newer than the kernel's headers may be. */
enum { TSYNC_ESRCH_ = 1 << 4, SPEC_ALLOW_ = 1 << 2 };

typedef struct Program {
    struct sock_filter code[LENGTH_MAX];
    unsigned count;
    u32 otherwise; /* what ends a call that is in no list */
} Program;

static void emit(Program *p, u16 code, u32 k, unsigned yes, unsigned no)
{
    CHECK(p->count < LENGTH_MAX && yes < 256 && no < 256, "a list of system calls is too long");
    p->code[p->count++] = (struct sock_filter){code, (u8)yes, (u8)no, k};
}

static void emit_load(Program *p, size_t offset) { emit(p, BPF_LD | BPF_W | BPF_ABS, (u32)offset, 0, 0); }
static void emit_end(Program *p, u32 action) { emit(p, BPF_RET | BPF_K, action, 0, 0); }
/* What follows is skipped, `over` instructions of it, unless the loaded value is k. */
static void emit_if(Program *p, u32 k, unsigned over) { emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, over); }

static size_t argument(unsigned n) { return offsetof(struct seccomp_data, args) + n * sizeof(u64); }

static void emit_head(Program *p)
{
    emit_load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    emit_end(p, p->otherwise);
    emit_load(p, offsetof(struct seccomp_data, nr));
    emit(p, BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1);
    emit_end(p, p->otherwise);
}

static void emit_one_of(Program *p, const Call *c)
{
    emit_if(p, c->number, 2 + 2 * c->count);
    emit_load(p, argument((unsigned)(c->test - CALL_FIRST)));
    for (unsigned n = 0; n < c->count; n++) {
        emit_if(p, c->values[n], 1);
        emit_end(p, SECCOMP_RET_ALLOW);
    }
    emit_end(p, p->otherwise);
}

static void emit_call(Program *p, const Call *c)
{
    switch (c->test) {
    case CALL_ALWAYS:
        emit_if(p, c->number, 1);
        emit_end(p, SECCOMP_RET_ALLOW);
        return;
    case CALL_REFUSED:
        emit_if(p, c->number, 1);
        emit_end(p, SECCOMP_RET_ERRNO | EACCES);
        return;
    case CALL_NO_EXEC:
        emit_if(p, c->number, 4);
        emit_load(p, argument(2));
        emit(p, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1);
        emit_end(p, p->otherwise);
        emit_end(p, SECCOMP_RET_ALLOW);
        return;
    default: emit_one_of(p, c);
    }
}

/* A build with AddressSanitizer (the debug preset) looks for leaks at its end: it starts a thread of its own, which
 * stops the others by ptrace and reads /proc. So the debug build's cage has a door. */
#ifdef __SANITIZE_ADDRESS__
static const Call sanitizer_calls[] = {
    {.number = SYS_sched_getaffinity},
    {.number = SYS_madvise},
    {.number = SYS_clone},
    {.number = SYS_ptrace},
    {.number = SYS_openat},
    {.number = SYS_open},
    {.number = SYS_readlink},
    {.number = SYS_getdents64},
    {.number = SYS_getdents},
    {.number = SYS_prctl},
    {.number = SYS_wait4},
    {.number = SYS_getppid},
    {.number = SYS_getpid},
    {.number = SYS_gettid},
    {.number = SYS_sigaltstack},
    {.number = SYS_tgkill},
    {.number = SYS_rt_sigaction},
    {.number = SYS_rt_sigprocmask},
    {.number = SYS_rt_sigreturn},
    {.number = SYS_prlimit64},
    {.number = SYS_exit},
    {.number = SYS_uname},
    {.number = SYS_process_vm_readv},
    {.number = SYS_clock_gettime},
    {.number = SYS_getrlimit},
    {.number = SYS_stat},
    {SYS_mprotect, CALL_NO_EXEC, NULL, 0}, /* a guard for that thread's stack */
};
enum { SANITIZER_CALLS = ARRAY_LEN(sanitizer_calls) };
#else
static const Call sanitizer_calls[1];
enum { SANITIZER_CALLS = 0 };
#endif

const bool filter_sanitized = SANITIZER_CALLS;

static bool has_action(u32 action) { return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0; }

/* By a call that fails for its argument only if the kernel knows the flags: EFAULT. */
static bool has_flags(unsigned flags)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

static const unsigned telling = SECCOMP_FILTER_FLAG_TSYNC | TSYNC_ESRCH_ | SECCOMP_FILTER_FLAG_NEW_LISTENER;

bool filter_available(FilterEnd *best)
{
    *best = has_action(SECCOMP_RET_USER_NOTIF) && has_flags(telling) ? FILTER_TELLS : FILTER_KILLS;
    return has_action(SECCOMP_RET_KILL_PROCESS) && has_flags(SECCOMP_FILTER_FLAG_TSYNC);
}

static int install(FilterEnd end, const Call *first, unsigned firsts, const Call *calls, unsigned count)
{
    static const u32 ends[] = {[FILTER_KILLS] = SECCOMP_RET_KILL_PROCESS,
                               [FILTER_REFUSES] = SECCOMP_RET_ERRNO | ENOSYS,
                               [FILTER_TELLS] = SECCOMP_RET_USER_NOTIF};
    static Program p;
    p.count = 0;
    p.otherwise = ends[end];
    emit_head(&p);
    for (unsigned n = 0; n < firsts; n++) emit_call(&p, &first[n]);
    for (unsigned n = 0; n < count; n++) emit_call(&p, &calls[n]);
    emit_end(&p, p.otherwise);
    const struct sock_fprog program = {(unsigned short)p.count, p.code};
    unsigned flags = end == FILTER_TELLS ? telling : SECCOMP_FILTER_FLAG_TSYNC;
    if (has_flags(flags | SPEC_ALLOW_)) flags |= SPEC_ALLOW_;
    long got = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (got > 0 && end != FILTER_TELLS) { /* a thread that could not follow */
        errno = ESRCH;
        return -1;
    }
    return (int)got;
}

int filter_install(FilterEnd end, const Call *calls, unsigned count)
{
    return install(end, NULL, 0, calls, count);
}

int filter_install_for_good(FilterEnd end, const Call *calls, unsigned count)
{
    return install(end, sanitizer_calls, SANITIZER_CALLS, calls, count);
}

void filter_confine(const Call *calls, unsigned count, bool ends_with_parent)
{
    FilterEnd best;
    if (ends_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (filter_available(&best)) filter_install_for_good(FILTER_REFUSES, calls, count);
}

bool filter_next(int fd, FilterCall *call)
{
    union {
        struct seccomp_notif n;
        u8 room[512]; /* later kernels' may be larger */
    } got;
    memset(&got, 0, sizeof got);
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &got) < 0) return false;
    call->number = (u32)got.n.data.nr;
    for (unsigned n = 0; n < ARRAY_LEN(call->argument); n++) call->argument[n] = got.n.data.args[n];
    return true;
}

const char *filter_call_name(u32 number)
{
    static const struct {
        u32 number;
        const char *name;
    } names[] = {
        {SYS_execve, "execve"},
        {SYS_execveat, "execveat"},
        {SYS_mprotect, "mprotect"},
        {SYS_mmap, "mmap"},
        {SYS_socket, "socket"},
        {SYS_connect, "connect"},
        {SYS_bind, "bind"},
        {SYS_clone, "clone"},
        {SYS_clone3, "clone3"},
        {SYS_fork, "fork"},
        {SYS_vfork, "vfork"},
        {SYS_kill, "kill"},
        {SYS_ptrace, "ptrace"},
        {SYS_unlink, "unlink"},
        {SYS_rename, "rename"},
        {SYS_ioctl, "ioctl"},
        {SYS_fcntl, "fcntl"},
        {SYS_tgkill, "tgkill"},
        {SYS_bpf, "bpf"},
        {SYS_io_uring_setup, "io_uring_setup"},
        {SYS_madvise, "madvise"},
        {SYS_tkill, "tkill"},
        {SYS_process_vm_writev, "process_vm_writev"},
    };
    for (unsigned n = 0; n < ARRAY_LEN(names); n++)
        if (names[n].number == number) return names[n].name;
    return NULL;
}
