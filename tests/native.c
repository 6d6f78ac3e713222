/* native.c - see native.h.
 *
 * native_enter, in 64-bit code, loads everything and jumps far into the LDT's code segment; the signal handler copies
 * the frame and makes sigreturn go on at native_leave. What both need lies in a page below 4 GiB, for its addresses to
 * be constants.
 */
#define _GNU_SOURCE
#include "tests/native.h"
#include "cpu/fpu.h"

#include <asm/ldt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { USER64_CS = 0x33, USER_DS = 0x2b, LOW_PAGE = 0x80000 };

typedef struct LowPage { /* offsets are in the assembly below */
    u64 host_rsp;        /* 00 */
    u64 eflags;          /* 08 */
    u32 gate_eip;        /* 10 far pointer into the code segment */
    u16 gate_cs, es, ss, ds;
    u32 gpr[8]; /* 1c */
    u8 pad[4];
    FpuImage fpu; /* 40 */
} LowPage;
_Static_assert(offsetof(LowPage, gpr) == 0x1c && offsetof(LowPage, fpu) == 0x40, "native_enter's offsets");
static LowPage *const low = (LowPage *)LOW_PAGE;
static Native *running;

void native_enter(void);
void native_leave(void);
__asm__(".text\n"
        "native_enter:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "  mov %rsp, 0x80000\n"
        "  fxrstor 0x80040\n"
        "  pushq 0x80008; popfq\n"
        "  mov 0x80016, %es; mov 0x8001a, %ds\n"
        "  mov 0x8001c, %eax; mov 0x80020, %ecx; mov 0x80024, %edx; mov 0x80028, %ebx\n"
        "  mov 0x80030, %ebp; mov 0x80034, %esi; mov 0x80038, %edi\n"
        "  mov 0x80018, %ss\n"
        "  mov 0x8002c, %esp\n"
        "  ljmp *0x80010\n"
        "native_leave:\n"
        "  mov 0x80000, %rsp\n"
        "  xor %eax, %eax; mov %eax, %ds; mov %eax, %es\n"
        "  cld; fninit; ldmxcsr native_mxcsr(%rip)\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n"
        "native_mxcsr: .long 0x1f80\n");

static void on_trap(int sig, siginfo_t *info, void *context)
{
    static const u8 order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
    ucontext_t *u = context;
    greg_t *g = u->uc_mcontext.gregs;
    (void)info;
    if (!running || (g[REG_CSGSFS] & 0xffff) == USER64_CS) { /* the test itself crashed */
        signal(sig, SIG_DFL);
        return;
    }
    for (int r = 0; r < 8; r++) running->gpr[r] = (u32)g[order[r]];
    running->vector = (u8)g[REG_TRAPNO];
    running->error = (u32)g[REG_ERR];
    running->eflags = (u32)g[REG_EFL];
    running->eip = (u32)g[REG_RIP] - (running->vector == NATIVE_NONE);
    memcpy(&running->fpu, u->uc_mcontext.fpregs, sizeof running->fpu);
    running = NULL;
    g[REG_RIP] = (greg_t)(uintptr_t)native_leave;
    g[REG_EFL] &= ~(greg_t)FL_D;
    g[REG_CSGSFS] = (greg_t)((u64)USER_DS << 48 | USER64_CS);
}

static bool signals_take(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    static u8 stack[1 << 16];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction a = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    bool ok = !sigaltstack(&alternate, NULL);
    for (size_t n = 0; n < ARRAY_LEN(signals); n++) ok &= !sigaction(signals[n], &a, NULL);
    return ok;
}

static bool map_at(u32 address, size_t bytes, int prot)
{
    void *at = (void *)(uintptr_t)address;
    return mmap(at, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at;
}

static bool runs(void)
{
    Native n = {.eip = 0x200, .gpr = {[EAX] = 41}};
    Segment code = {
        .base = NATIVE_BASE, .limit = 0xffff, .attr = SEG_P | SEG_S | SEG_CODE | SEG_WRITABLE | SEG_DB};
    Segment data = {.base = NATIVE_DATA, .limit = 0xffff, .attr = SEG_P | SEG_S | SEG_WRITABLE | SEG_DB};
    u8 *insn = (u8 *)(uintptr_t)(NATIVE_BASE + n.eip);
    native_segment(CS, &code);
    native_segment(DS, &data), native_segment(ES, &data), native_segment(SS, &data);
    n.fpu = (FpuImage){.fcw = 0x37f, .mxcsr = MXCSR_MASKS};
    insn[0] = 0x40; /* INC EAX; a prefix in 64-bit code */
    insn[1] = 0xcc;
    native_run(&n);
    return n.vector == NATIVE_NONE && n.gpr[EAX] == 42 && n.eip == 0x201;
}

/* Some kernels accept the segments and kill the process that enters them. */
static bool runs_in_child(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        _exit(runs() ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool native_init(void)
{
    struct user_desc probe = {.limit = 0xffff, .contents = 2};
    if (syscall(SYS_modify_ldt, 1, &probe, sizeof probe)) return false;
    return map_at(LOW_PAGE, PAGE_BYTES, PROT_READ | PROT_WRITE) &&
           map_at(NATIVE_BASE, NATIVE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC) && signals_take() &&
           runs_in_child();
}

void native_segment(int seg, Segment *s)
{
    struct user_desc d = {
        .entry_number = (unsigned)seg,
        .base_addr = s->base,
        .limit = s->attr & SEG_G ? s->limit >> 12 : s->limit,
        .seg_32bit = s->attr & SEG_DB ? 1 : 0,
        .contents = seg == CS            ? 2
                    : s->attr & SEG_DOWN ? 1
                                         : 0,
        .read_exec_only = !(s->attr & SEG_WRITABLE),
        .limit_in_pages = s->attr & SEG_G ? 1 : 0,
    };
    s->sel = (u16)(seg << 3 | 7);
    CHECK(!syscall(SYS_modify_ldt, 1, &d, sizeof d), "modify_ldt refused a segment");
}

void native_run(Native *n)
{
    low->eflags = (n->eflags & FL_HOST) | FL_I | 2;
    low->gate_eip = n->eip;
    low->gate_cs = CS << 3 | 7, low->ds = DS << 3 | 7, low->es = ES << 3 | 7, low->ss = SS << 3 | 7;
    memcpy(low->gpr, n->gpr, sizeof low->gpr);
    low->fpu = n->fpu;
    running = n;
    native_enter();
}
