/* host_run.c - see host_run.h. One world runs at a time. */
#define _GNU_SOURCE /* REG_RIP */
#include "tests/host_run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "translator/emit.h"

enum { RAM_BYTES = 4 << 20, PD_PA = 0x1000, PT_PA = 0x2000, DATA_PA = 0x100000 };
static const size_t window_bytes = (size_t)4 << 30, guard_bytes = (size_t)2 << 30;
static const size_t guard_behind_bytes = (size_t)34 << 30; /* wide: mmu/shadow_parts.h */
static const size_t arena_bytes = ((size_t)2 + 4 + 34) << 30;
static const size_t table_bytes = sizeof(TableEntry) << 20;

bool world_page_missing(const World *w, unsigned page) { return w->holes && (page % 7 == 5 || page >= 36); }
bool world_page_readonly(const World *w, unsigned page) { return w->holes && page % 11 == 3; }

static u32 page_pa(unsigned page) { return DATA_PA + page % WORLD_RAM_PAGES * PAGE_BYTES; }

static void map_page(World *w, unsigned page)
{
    int prot = world_page_readonly(w, page) ? PROT_READ : PROT_READ | PROT_WRITE;
    u32 pte = page_pa(page) | 0x61 | (world_page_readonly(w, page) ? 0 : 2); /* P, A, D, W */
    if (world_page_missing(w, page)) return;
    store32(w->phys->ram + PT_PA + 4 * page, pte);
    void *at = mmap(w->window + (size_t)page * PAGE_BYTES, PAGE_BYTES, prot, MAP_SHARED | MAP_FIXED,
                    w->phys->memfd, page_pa(page));
    CHECK(at != MAP_FAILED, "mmap of a window page failed");
    w->table[page] =
        (TableEntry){.add = (u64)(uintptr_t)(w->phys->ram + page_pa(page)) - (u64)page * PAGE_BYTES,
                     .read = ~page,
                     .write = prot & PROT_WRITE ? ~page : 0};
}

/* As the cache: within 2 GiB of the gates. */
static u8 *map_near_text(void)
{
    u8 *at = MAP_FAILED;
    for (uintptr_t step = 1; at == MAP_FAILED && step < 16; step++)
        at = mmap((void *)(((uintptr_t)world_new & ~(uintptr_t)0xfff) + step * (64 << 20)), WORLD_CODE_BYTES,
                  PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                  0);
    return at;
}

World *world_new(bool holes)
{
    World *w = calloc(1, sizeof *w);
    w->holes = holes;
    w->bus = bus_new();
    w->phys = phys_new(w->bus, RAM_BYTES);
    w->data = w->phys->ram + DATA_PA;
    store32(w->phys->ram + PD_PA, PT_PA | 0x63);
    u8 *arena = mmap(NULL, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    w->window = arena + guard_bytes;
    w->code = map_near_text();
    w->table =
        mmap(NULL, table_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(w->table != MAP_FAILED, "no memory for a test world");
    CHECK(arena != MAP_FAILED && w->code != MAP_FAILED, "no memory for a test world");
    for (unsigned n = 0; n < WORLD_LINEAR_PAGES; n++) map_page(w, n);
    w->code[0] = 0xc3; /* ret: where a fault continues */
    return w;
}

void world_free(World *w)
{
    munmap(w->window - guard_bytes, arena_bytes);
    munmap(w->table, table_bytes);
    munmap(w->code, WORLD_CODE_BYTES);
    phys_free(w->phys);
    bus_free(w->bus);
    free(w);
}

static u8 *on_slow(Vcpu *c, u32 va, u32 last_page, u32 write, const u8 *hpc);

void world_attach(World *w, Vcpu *c)
{
    c->bus = w->bus;
    c->phys = w->phys;
    c->cr0 |= CR0_PG | CR0_WP;
    c->cr3 = PD_PA;
    c->window = w->window;
    c->table = c->user_table = w->table;
    c->table_slow = on_slow;
    c->table_uses = UINT64_MAX;
}

/* --- faults --- */

static World *running;
static HostResult *result;

static HostOutcome outcome_of(int sig, u64 trap, u64 va)
{
    bool memory = sig == SIGSEGV && trap == EX_PF;
    if (memory && va < window_bytes) return HOST_SEGV;
    if (memory && va + guard_bytes < guard_bytes + window_bytes + guard_behind_bytes) return HOST_WRAP;
    if (sig == SIGSEGV) return HOST_GP;
    return sig == SIGFPE ? HOST_FPE : HOST_OTHER;
}

/* Go on at the ret: the trampoline then stores the registers as the fault left them. */
static void on_signal(int sig, siginfo_t *info, void *uctx)
{
    greg_t *g = ((ucontext_t *)uctx)->uc_mcontext.gregs;
    u8 *rip = (u8 *)g[REG_RIP];
    if (!running || rip < running->code || rip >= running->code + WORLD_CODE_BYTES) {
        signal(sig, SIG_DFL);
        return;
    }
    result->fault_va = (u64)((u8 *)info->si_addr - running->window);
    result->outcome = outcome_of(sig, (u64)g[REG_TRAPNO], result->fault_va);
    result->fault_write = g[REG_ERR] & 2 || *(const u8 *)g[REG_RIP] == LOAD_TO_STORE;
    g[REG_RIP] = (greg_t)running->code;
}

/* The gate has put the guest's registers into the Vcpu, and is on a stack of its own: leave it there. */
static jmp_buf slow_out;
static u8 *on_slow(Vcpu *c, u32 va, u32 last_page, u32 write, const u8 *hpc)
{
    (void)hpc;
    result->outcome = HOST_SLOW;
    result->fault_va = va;
    result->fault_write = write;
    result->straddles = va >> PAGE_BITS != last_page;
    for (int n = 0; n < 8; n++) result->reg[n] = c->gpr[n];
    result->reg[12] = (u64)(uintptr_t)running->window;
    result->reg[13] = WORLD_CONTEXT;
    longjmp(slow_out, 1);
}

static void signals_install(void)
{
    static u8 stack[64 << 10];
    static const int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaltstack(&ss, NULL);
    for (unsigned n = 0; n < ARRAY_LEN(sigs); n++) sigaction(sigs[n], &sa, NULL);
}

/* --- the trampoline --- */

void host_enter(Vcpu *c, const u8 *code, u64 *out);

__attribute__((used)) static void host_enter_asm(void)
{
    __asm__ volatile(
        ".pushsection .text\n"
        ".globl host_enter\n"
        "host_enter:\n"
        "push %%rbx; push %%rbp; push %%r12; push %%r13; push %%r14; push %%r15; push %%rdx\n"
        "mov %%rdi, %%r15\n"
        "mov %c[window](%%r15), %%r12\n"
        "mov %%rsi, %c[bottom](%%r15)\n"
        "mov %[context], %%r13\n"
        "mov %c[flags](%%r15), %%eax\n"
        "and $0xcd5, %%eax; or $0x202, %%eax; push %%rax; popfq\n"
        "mov 0(%%r15), %%eax; mov 4(%%r15), %%ecx; mov 8(%%r15), %%edx; mov 12(%%r15), %%ebx\n"
        "mov 16(%%r15), %%r14d; mov 20(%%r15), %%ebp; mov 24(%%r15), %%esi; mov 28(%%r15), %%edi\n"
        "call *%c[bottom](%%r15)\n"
        "mov (%%rsp), %%r8\n"
        "mov %%rax, 0(%%r8); mov %%rcx, 8(%%r8); mov %%rdx, 16(%%r8); mov %%rbx, 24(%%r8)\n"
        "mov %%r14, 32(%%r8); mov %%rbp, 40(%%r8); mov %%rsi, 48(%%r8); mov %%rdi, 56(%%r8)\n"
        "mov %%r12, 96(%%r8); mov %%r13, 104(%%r8); mov %%r15, 120(%%r8)\n"
        "pushfq; pop %%rax; mov %%rax, 128(%%r8)\n"
        "cld\n"
        "pop %%rdx; pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbp; pop %%rbx\n"
        "ret\n"
        ".popsection\n"
        :
        : [context] "i"(WORLD_CONTEXT), [window] "i"(offsetof(Vcpu, window)),
          [bottom] "i"(offsetof(Vcpu, ret_bottom)), [flags] "i"(offsetof(Vcpu, eflags)));
}

static void fpu_load(Vcpu *c) { __asm__ volatile("fxrstor64 %0" : : "m"(c->fpu)); }

static void fpu_store(Vcpu *c)
{
    static const u32 mxcsr = 0x1f80;
    __asm__ volatile("fxsave64 %0\n\tfninit\n\tldmxcsr %1" : "=m"(c->fpu) : "m"(mxcsr));
}

void host_run(World *w, Vcpu *c, const u8 *code, bool fpu, HostResult *r)
{
    static u8 gate_stack[16 << 10] __attribute__((aligned(16)));
    u64 out[17];
    if (running != w) signals_install();
    running = w;
    result = r;
    *r = (HostResult){.outcome = HOST_DONE};
    c->host_rsp = gate_stack + sizeof gate_stack;
    if (fpu) fpu_load(c);
    if (setjmp(slow_out)) {
        if (fpu) fpu_store(c);
        r->flags = c->eflags;
        return;
    }
    host_enter(c, code, out);
    if (fpu) fpu_store(c);
    memcpy(r->reg, out, sizeof r->reg);
    r->flags = out[16];
}
