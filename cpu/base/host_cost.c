/* host_cost.c - what this host takes for a system call, a signal, a mapping: measured, since it differs twentyfold.
 *
 * Each cost is the lower quartile of up to five rounds of a few operations, since neighbours only add to it. A round in
 * which another process was given the processor does not count, and after 2 ms three rounds must do. The signal is
 * taken as the engine takes it: an access to a page that is not there, and a handler that makes it resume
 * elsewhere. The pages mapped are isolated (two VMAs each), and their memory is there, as in a guest that has been
 * running for a while.
 *
 * A mapping's first access is part of its cost, and rights are taken from pages that were accessed: in a virtual
 * machine inside a virtual machine these are most of it (a page hidden before its first access 3 us, after it 5;
 * the first page of a page table 30 to 120 us). Where a thread of ours has run on another core within the last
 * second, rights taken away are an interrupt for that core (25 to 35 us there): the scheduler decides which of the
 * two is measured.
 */
#define _GNU_SOURCE
#include "cpu/base/host.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    ROUNDS = 5,
    ROUNDS_MIN = 3,
    TRIES = 2 * ROUNDS,
    OPS = 4,
    HIDE_OPS = 2,
    MEMORY_PAGES = 4,
    TABLE_BYTES = 2 << 20, /* of addresses, that one page table of the host's serves */
    ARENA_BYTES = (TRIES + 2) * TABLE_BYTES,
    PATIENCE_NS = 2000000,
};
_Static_assert(2 * TRIES * OPS + 1 < TABLE_BYTES / PAGE_BYTES, "round_mmap stays in the first page tables");

/* Where nothing can be measured: a kernel without mitigations on hardware of its own. */
static const Host usual = {
    .syscall_ns = 100, .signal_ns = 2500, .mmap_ns = 4000, .table_ns = 6000, .mprotect_ns = 1000};

typedef struct Bench {
    u8 *arena; /* PROT_NONE but for what the rounds map in it */
    int memory;
    unsigned mapped, tables;
    u64 until_ns;
} Bench;

static u64 round_syscall(Bench *b)
{
    (void)b;
    u64 from = host_now_ns();
    for (int n = 0; n < OPS; n++) syscall(SYS_getppid);
    return (host_now_ns() - from) / OPS;
}

/* The access says in rdx where to resume. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)sig, (void)info;
    r[REG_RIP] = r[REG_RDX];
}

static u64 round_signal(Bench *b)
{
    u64 from = host_now_ns();
    for (int n = 0; n < OPS; n++)
        __asm__ volatile("lea 1f(%%rip), %%rdx\n\tmovb (%0), %%al\n1:"
                         :
                         : "r"(b->arena)
                         : "rax", "rdx", "memory");
    return (host_now_ns() - from) / OPS;
}

/* Every other page, from the second on: the first stays for the signal. */
static u8 *page_at(const Bench *b, unsigned n) { return b->arena + (2 * n + 1) * (size_t)PAGE_BYTES; }

static void touch(u8 *page) { *(volatile u8 *)page = 1; }

static void map(const Bench *b, u8 *at, unsigned n)
{
    mmap(at, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, b->memory,
         (off_t)(n % MEMORY_PAGES) * PAGE_BYTES);
    touch(at);
}

static u64 round_mmap(Bench *b)
{
    u64 from = host_now_ns();
    for (int n = 0; n < OPS; n++, b->mapped++) map(b, page_at(b, b->mapped), b->mapped);
    return (host_now_ns() - from) / OPS;
}

/* One a round: each is the first in its 2 MiB. */
static u64 round_table(Bench *b)
{
    u64 from = host_now_ns();
    b->tables++;
    map(b, b->arena + b->tables * (size_t)TABLE_BYTES + TABLE_BYTES / 2, b->tables);
    return host_now_ns() - from;
}

static u64 round_mprotect(Bench *b)
{
    u64 from = host_now_ns();
    for (unsigned n = 0; n < HIDE_OPS; n++) mprotect(page_at(b, n), PAGE_BYTES, PROT_NONE);
    u64 ns = (host_now_ns() - from) / HIDE_OPS;
    for (unsigned n = 0; n < HIDE_OPS; n++) {
        mprotect(page_at(b, n), PAGE_BYTES, PROT_READ | PROT_WRITE);
        touch(page_at(b, n));
    }
    return ns;
}

static long times_preempted(void)
{
    struct rusage u;
    return getrusage(RUSAGE_THREAD, &u) < 0 ? 0 : u.ru_nivcsw;
}

static u64 measure(Bench *b, u64 (*round)(Bench *))
{
    u64 t[ROUNDS], ns = 0;
    unsigned count = 0;
    for (int tries = 0; tries < TRIES && count < ROUNDS; tries++) {
        long before = times_preempted();
        if (count >= ROUNDS_MIN && host_now_ns() > b->until_ns) break;
        ns = round(b);
        if (times_preempted() != before) continue;
        unsigned at = count++;
        for (; at && t[at - 1] > ns; at--) t[at] = t[at - 1];
        t[at] = ns;
    }
    if (count) ns = t[count / 4];
    return ns ? ns : 1;
}

static u64 measure_signal(Bench *b)
{
    struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER},
                     theirs;
    sigset_t segv, before;
    sigemptyset(&segv);
    sigaddset(&segv, SIGSEGV);
    if (sigaction(SIGSEGV, &ours, &theirs) < 0) return usual.signal_ns;
    sigprocmask(SIG_UNBLOCK, &segv, &before);
    u64 ns = measure(b, round_signal);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGSEGV, &theirs, NULL);
    return ns;
}

static bool bench_open(Bench *b)
{
    static const u8 zeros[MEMORY_PAGES * PAGE_BYTES];
    b->arena = mmap(NULL, ARENA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    b->memory = host_memory_open("ring3-host", sizeof zeros, HOST_MEMORY_DATA);
    return b->arena != MAP_FAILED && b->memory >= 0 &&
           pwrite(b->memory, zeros, sizeof zeros, 0) == sizeof zeros;
}

static void bench_close(Bench *b)
{
    if (b->arena != MAP_FAILED) munmap(b->arena, ARENA_BYTES);
    if (b->memory >= 0) close(b->memory);
}

void host_measure(Host *h)
{
    u64 from = host_now_ns();
    Bench b = {.until_ns = from + PATIENCE_NS};
    h->syscall_ns = usual.syscall_ns;
    h->signal_ns = usual.signal_ns;
    h->mmap_ns = usual.mmap_ns;
    h->table_ns = usual.table_ns;
    h->mprotect_ns = usual.mprotect_ns;
    if (bench_open(&b)) {
        h->syscall_ns = measure(&b, round_syscall);
        h->signal_ns = measure_signal(&b);
        h->mmap_ns = measure(&b, round_mmap);
        h->table_ns = measure(&b, round_table);
        h->mprotect_ns = measure(&b, round_mprotect);
    }
    bench_close(&b);
    h->measuring_ns = (u32)(host_now_ns() - from);
}
