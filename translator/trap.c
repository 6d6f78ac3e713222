/* trap.c - host signals raised by translated code.
 *
 *   SIGSEGV  a page that its window does not map (the hidden fault: mapped here, and the instruction is retried), a
 *            poll, the guard of the host return stack, a misaligned SSE operand
 *   SIGFPE   #DE, #MF, #XM of the guest: the interpreter repeats the instruction and raises it precisely
 *
 * What cannot be settled in the handler leaves translated code: the guest's registers go from the signal frame to
 * the Vcpu, its FPU state from the frame into the host's registers, and xlat_enter returns EXIT_TRAP: there is nothing
 * for sigreturn to do (the handler blocks no signals), which would cost a quarter of the trap. A signal from anywhere
 * else is our bug.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "cpu/fpu.h"
#include "translator/callout.h"
#include "translator/guard.h"

static _Thread_local Xlat *trap_xlat; /* whose code this thread runs: the handlers' only way to find it */
void (*trap_foreign)(int sig, const void *address);
static unsigned users;                /* translators in this process */
static struct sigaction old_segv, old_fpe, old_bus;
enum { ALTSTACK_BYTES = 128 * 1024 };

static const u8 guest_regs[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_R14, REG_RBP, REG_RSI, REG_RDI};

/* The guest's registers at a trap. The contract that window operands rest on (emit.h): wherever an access may trap,
 * they are zero-extended; string.c's are when its work is undone. */
static void guest_registers(u64 v[8], const greg_t *r, bool in_cache)
{
    for (int n = 0; n < 8; n++) v[n] = (u64)r[guest_regs[n]];
    if (!in_cache) return;
    string_unplace((const u8 *)r[REG_RIP], (const u8 *)r[REG_R12], (u64)r[REG_R11], v);
    for (int n = 0; n < 8; n++)
        CHECK(!(v[n] >> 32), "guest register %d is %llx at a trap", n, (unsigned long long)v[n]);
}

static void save_guest(const Xlat *x, const greg_t *r, const u64 gpr[8])
{
    Vcpu *c = x->c;
    for (int n = 0; n < 8; n++) c->gpr[n] = (u32)gpr[n];
    c->gpr[ESP] += (u32)x->trap.esp;
    c->eflags = (c->eflags & ~HOST_FLAGS) | ((u32)r[REG_EFL] & HOST_FLAGS);
    c->ret_rsp = (void *)r[REG_RSP];
}

void trap_place(Xlat *x, const Block *b, const u8 *hpc)
{
    const PcMap *at = block_insn_at(b, hpc);
    x->trap.hpc = hpc;
    x->trap.esp = at->esp;
    x->trap.pa = b->pa + at->guest;
    x->c->eip = b->eip + at->guest + (mode_floats(b->mode) ? (u32)x->c->here : 0);
}

/* c->eip is right. */
static _Noreturn void leave(Xlat *x, const mcontext_t *m, const u64 gpr[8])
{
    save_guest(x, m->gregs, gpr);
    xlat_leave_handler(x->c->host_rsp, m->fpregs);
}

static bool in_ret_guard(const Xlat *x, const u8 *addr)
{
    const RetStack *s = &x->ret[x->ret_now];
    return addr >= s->map && addr < s->map + x->ret_guard_bytes;
}

/* For -d stats: which instructions trap, and why. (Those that find no slot are left out.) */
static void count_trap(Xlat *x, const Block *b, ShadowResult res, bool write)
{
    u32 eip = b ? x->c->eip : 0;
    for (u32 n = 0, h = (eip ^ (u32)res << 8 ^ (u32)write << 7) * 0x9e3779b1u >> 20; n < 8; n++) {
        struct TrapSite *t = &x->stats.trap_sites[(h + n) % TRAP_SITES];
        if (t->count && (t->eip != eip || t->result != res || t->write != write)) continue;
        t->eip = eip, t->result = (u8)res, t->write = write;
        t->count++;
        return;
    }
}

/* Calls without returns have filled the return stack, at hpc: it begins anew. If something waits, the block that runs
 * loses its links, which send the guest to the dispatcher then. (To leave here would be too soon: what traps need not
 * be the host call of a guest's CALL. It is a gate's, where one is called at the same depth before it.) */
static void return_stack_overflow(Xlat *x, greg_t *r)
{
    Block *b = cpu_polled(x->c) ? block_at_host(x, (const u8 *)r[REG_RIP]) : NULL;
    r[REG_RSP] = (greg_t)x->ret[x->ret_now].bottom;
    if (b) block_unlink_all(x, b);
}

/* The same instruction over and over, each time "mapped": whatever takes its page away again (there is more than
 * one in an instruction, or the room for VMAs is short), the interpreter needs no window. */
static bool goes_round(Xlat *x, const u8 *hpc)
{
    enum { SETTLED_MAX = 256 };
    if (hpc != x->settled_hpc) x->settled = 0;
    x->settled_hpc = hpc;
    if (++x->settled < SETTLED_MAX) return false;
    x->settled = 0;
    return true;
}

/* Blocks died in the handler: the walk set an A or D bit in what was their code. Nothing returns into them, nor
 * goes on in the one that runs, whose start is overwritten. (Where C or a gate accessed memory, b is NULL and RSP
 * not ours.) */
static bool died_here(Xlat *x, greg_t *r, const Block *b)
{
    if (!b || likely(!x->killed)) return false;
    r[REG_RSP] = (greg_t)x->ret[x->ret_now].bottom;
    return b->dead;
}

/* An access to `addr` trapped at hpc. True: settled, go on. */
static bool memory_trap(Xlat *x, greg_t *r, const u8 *addr)
{
    if (addr >= cpu_poll_trap && addr < cpu_poll_trap + PAGE_BYTES) {
        x->trap.kind = TRAP_POLL;
        return false;
    }
    if (addr >= (u8 *)x->c->jump_trap &&
        addr < (u8 *)(x->c->jump_trap + JUMP_CACHE_WORDS * JUMP_CACHE_SLOTS)) {
        x->trap.kind = TRAP_PROBE;
        return false;
    }
    if (in_ret_guard(x, addr)) {
        return_stack_overflow(x, r);
        return true;
    }
    if (!shadow_owns(x->shadow, addr)) {
        x->trap.kind = TRAP_INTERP; /* misaligned SSE operand: #GP has no address */
        return false;
    }
    Walk w;
    bool write = r[REG_ERR] & 2 || *(const u8 *)r[REG_RIP] == LOAD_TO_STORE;
    u64 since = timeline_now();
    ShadowResult res = shadow_fault(x->shadow, addr, write, &x->trap.va, &w);
    if (unlikely(since)) timeline_add(TIMELINE_MEMORY, since, trap_words[res], x->trap.va, write);
    context_view(x);
    x->stats.traps[res]++;
    Block *b = block_at_host(x, (const u8 *)r[REG_RIP]);
    if (b) trap_place(x, b, (const u8 *)r[REG_RIP]);
    if (b && b->traps[res] < UINT16_MAX) b->traps[res]++;
    if (x->stats.trap_sites) count_trap(x, b, res, write);
    if (died_here(x, r, b) && res == SHADOW_MAPPED) {
        x->trap.kind = TRAP_INTERP;
        return false;
    }
    if ((res == SHADOW_MAPPED || res == SHADOW_PF) && b && form_faulted(x, b)) {
        x->trap.kind = TRAP_FORM;
        return false;
    }
    if (res == SHADOW_MAPPED && !goes_round(x, (const u8 *)r[REG_RIP])) return true;
    if (res == SHADOW_MAPPED) {
        x->trap.kind = TRAP_INTERP;
        return false;
    }
    x->trap.code =
        res == SHADOW_WATCHED && x->mode & MODE_PAGED && x->phys->watch[w.pa >> PAGE_BITS] == WATCH_CODE;
    x->trap.kind = TRAP_MEMORY;
    x->trap.result = res;
    x->trap.write = write;
    x->trap.error = w.error;
    return false;
}

static void on_signal(int sig, siginfo_t *si, void *uc)
{
    Xlat *x = trap_xlat;
    const mcontext_t *m = &((ucontext_t *)uc)->uc_mcontext;
    greg_t *r = ((ucontext_t *)uc)->uc_mcontext.gregs;
    const u8 *hpc = (const u8 *)r[REG_RIP];
    bool in_cache = x && hpc >= x->cache.rx && hpc < x->cache.rx + x->cache.bytes;
    bool probe = x && (hpc == xlat_probe || hpc == xlat_probe_link);
    bool seg_peek = x && hpc == xlat_seg_peek;
    const u8 *behind = x ? guard_behind(hpc) : NULL;
    bool ours = in_cache || probe || seg_peek || behind;
    if (unlikely(!ours) && trap_foreign) trap_foreign(sig, si->si_addr);
    CHECK(ours, "signal %d at %p, address %p, outside translated code", sig, (const void *)hpc, si->si_addr);
    x->trap = (Trap){.kind = TRAP_INTERP, .hpc = hpc};
    if (!behind) x->c->here = (u64)r[REG_R13];
    u64 gpr[8];
    guest_registers(gpr, r, in_cache);
    if (behind) {
        if (!memory_trap(x, r, si->si_addr)) r[REG_RIP] = (greg_t)behind;
        return;
    }
    if (sig == SIGSEGV && memory_trap(x, r, si->si_addr)) return;
    if (seg_peek) {
        ((SegSite *)(uintptr_t)r[REG_R9])->ctx = SEG_NEVER;
        r[REG_RIP] = (greg_t)xlat_seg_miss;
        return;
    }
    if (x->trap.kind == TRAP_PROBE) { /* an indirect transfer, done but for EIP */
        x->c->eip = (u32)r[REG_R8];
        leave(x, m, gpr);
    }
    const Block *b = block_at_host(x, hpc);
    CHECK(b, "signal %d at %p in no block", sig, (const void *)hpc);
    trap_place(x, b, hpc);
    leave(x, m, gpr);
}

void trap_own(Xlat *x)
{
    if (trap_xlat == x) return;
    trap_xlat = x;
    sigaltstack(&(stack_t){.ss_sp = x->trap_stack, .ss_size = ALTSTACK_BYTES}, NULL);
}

/* The FPU may hold the state of the guest that this thread runs. In a signal handler, which runs on its own stack, it
 * does not: that waits in the frame. */
static void park_for_trace(void)
{
    const u8 *stack = __builtin_frame_address(0);
    if (!trap_xlat || (size_t)(stack - trap_xlat->trap_stack) < ALTSTACK_BYTES) return;
    fpu_park(trap_xlat->c);
}

bool trap_init(Xlat *x)
{
    struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    x->trap_stack = xlat_array(ALTSTACK_BYTES, 1);
    if (!x->trap_stack) return false;
    base_fpu_park = park_for_trace;
    if (users++) return true;
    sigaction(SIGSEGV, &a, &old_segv);
    sigaction(SIGBUS, &a, &old_bus);
    sigaction(SIGFPE, &a, &old_fpe);
    return true;
}

void trap_fini(Xlat *x)
{
    if (trap_xlat == x) {
        trap_xlat = NULL;
        sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    }
    xlat_array_free(x->trap_stack, ALTSTACK_BYTES, 1);
    if (--users) return;
    base_fpu_park = NULL;
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    sigaction(SIGFPE, &old_fpe, NULL);
}
