/* cpu.h - semantics: the interpreter's execution functions share these. One file a topic:
 *
 *   memory.c     linear and segmented access by software walk        interp.c    fetch, decode, execute one
 *   operand.c    operands by the table's letters                     run.c       the run loop: events, faults, engine
 *   segment.c    descriptor loads and checks                         exception.c delivery through gates, V86, real
 *   far.c        JMP/CALL/RET far, gates, IRET, SYSENTER/SYSEXIT     task.c      hardware task switch
 *   alu.c shift.c muldiv.c bcd.c bits.c move.c stack.c flow.c        system.c    EFLAGS, CRs, LGDT.., HLT, TSC
 *   string.c     with REP, page by page                              io.c msr.c debug.c  ports, MSRs, DRs
 *   cpuid.c      models and CPUID                                    fpu_*.c simd_*.c
 *
 * Discipline of an exec function: compute, do all that can fault, then commit registers and flags. A fault
 * leaves c->eip at the instruction and no register changed.
 */
#ifndef RING3_CPU_H
#define RING3_CPU_H

#include "cpu/vcpu.h"

/* clang-format off */

/* --- exceptions (exception.c) --- */
_Noreturn void cpu_raise(Vcpu *c, u8 vector);                 /* no error code */
_Noreturn void cpu_raise_error(Vcpu *c, u8 vector, u32 error);
#define raise_ud(c)     cpu_raise(c, EX_UD)
#define raise_gp(c, e)  cpu_raise_error(c, EX_GP, e)
/* Deliver c->fault or an interrupt: pushes the frame, loads CS:EIP. Raises (a nested fault). */
void cpu_deliver_fault(Vcpu *c);
void cpu_deliver_interrupt(Vcpu *c, u8 vector);               /* external: clears halted */
void cpu_soft_interrupt(Vcpu *c, u8 vector, bool int_n);      /* INT n / INT3 / INTO; pushes next_eip */

/* --- linear memory (memory.c). All raise #PF. Any size 1..16 may straddle pages; both pages are checked before
 * anything is written. --- */

/* By whom, that is with whose rights (SDM vol. 3, 4.6): an instruction of rings 0-2, one of ring 3 (`cpl == 3` is one
 * of these two), or the processor itself, which reads its tables and TSSs with ring 0's rights; SMAP holds it whatever
 * AC is. */
typedef enum AccessBy { BY_SUPERVISOR = 0, BY_USER = 1, BY_PROCESSOR = 2 } AccessBy;
typedef enum Access { ACC_READ = 0, ACC_WRITE = 2, ACC_RMW = 3 /* read that checks for write */, ACC_FETCH = 16 } Access;
u32 lin_read(Vcpu *c, u32 va, unsigned bytes, Access a, AccessBy by);         /* 1, 2, 4 */
void lin_write(Vcpu *c, u32 va, u32 value, unsigned bytes, AccessBy by);
void lin_read_bytes(Vcpu *c, u32 va, void *to, unsigned bytes, AccessBy by);  /* up to 512 bytes */
void lin_write_bytes(Vcpu *c, u32 va, const void *from, unsigned bytes, AccessBy by);
bool lin_peek(const Vcpu *c, u32 va, u32 *pa); /* as a debugger looks: rights of ring 0, no A, no D; false: no page */
void lin_probe(Vcpu *c, u32 va, unsigned bytes, Access a, AccessBy by);       /* only check; sets A and D */

/* debug.c: a data access to va happens while cpu_watches(): sets pending DR6 bits on a match, or stops for a debugger
 * outside. */
void debug_data_access(Vcpu *c, u32 va, unsigned bytes, bool write);
static inline bool cpu_watches(const Vcpu *c) { return (c->dr[7] & 0xff) || c->watching; }

/* --- segmented memory: checks type, limit and (AC) alignment, raises #GP/#SS/#PF/#AC, then as above with
 * the current CPL. `off` must already be truncated to the address size. --- */
u32 seg_linear(Vcpu *c, int seg, u32 off, unsigned bytes, Access a);        /* check, return linear address */
u32 mem_read(Vcpu *c, int seg, u32 off, unsigned bytes);
u32 mem_read_rmw(Vcpu *c, int seg, u32 off, unsigned bytes);
void mem_write(Vcpu *c, int seg, u32 off, u32 value, unsigned bytes);
u64 mem_read64(Vcpu *c, int seg, u32 off);
void mem_write64(Vcpu *c, int seg, u32 off, u64 value);
void mem_read_bytes(Vcpu *c, int seg, u32 off, void *to, unsigned bytes);
void mem_write_bytes(Vcpu *c, int seg, u32 off, const void *from, unsigned bytes);

/* --- registers and flags; operands by letter are in operand.h --- */
static inline u32 reg_read(const Vcpu *c, unsigned r, unsigned bytes)
{
    if (bytes == 4) return c->gpr[r];
    if (bytes == 2) return (u16)c->gpr[r];
    return r < 4 ? (u8)c->gpr[r] : (u8)(c->gpr[r - 4] >> 8);
}
static inline void reg_write(Vcpu *c, unsigned r, u32 v, unsigned bytes)
{
    if (bytes == 4) c->gpr[r] = v;
    else if (bytes == 2) c->gpr[r] = (c->gpr[r] & 0xffff0000u) | (u16)v;
    else if (r < 4) c->gpr[r] = (c->gpr[r] & 0xffffff00u) | (u8)v;
    else c->gpr[r - 4] = (c->gpr[r - 4] & 0xffff00ffu) | (u32)(u8)v << 8;
}
static inline void flags_set(Vcpu *c, u32 mask, u32 value) { c->eflags = (c->eflags & ~mask) | (value & mask); }

/* --- stack (stack.c): width 2 or 4, SS.B decides SP or ESP. push_/pop_ commit ESP themselves; the `at`
 * forms access relative to ESP without committing, for instructions that must be restartable. --- */
void push(Vcpu *c, u32 v, unsigned bytes);
u32 pop(Vcpu *c, unsigned bytes);
u32 stack_read_at(Vcpu *c, u32 delta, unsigned bytes);           /* SS:[eSP + delta] */
void stack_write_at(Vcpu *c, s32 delta, u32 v, unsigned bytes);  /* SS:[eSP + delta] */
void stack_add(Vcpu *c, s32 delta);                              /* commit eSP += delta */

/* --- segments (segment.c) --- */
void seg_load(Vcpu *c, int seg, u16 sel);              /* MOV/POP Sreg in every mode; not CS; raises */
void seg_load_real(Vcpu *c, int seg, u16 sel);         /* real/V86 semantics: base = sel << 4 */
typedef struct Descriptor { u32 lo, hi; u32 va; } Descriptor; /* as in memory, and where it was */
bool desc_fetch(Vcpu *c, u16 sel, Descriptor *d);      /* false: beyond the table's limit; raises #PF */
void desc_to_segment(const Descriptor *d, u16 sel, Segment *s);
void desc_set_accessed(Vcpu *c, Descriptor *d);
void cpu_set_cpl(Vcpu *c, unsigned cpl);
/* Near branch target check: #GP(0) if beyond CS.limit; then next_eip = eip. */
static inline void branch_to(Vcpu *c, u32 eip)
{
    if (unlikely(eip > c->seg[CS].limit)) raise_gp(c, 0);
    c->next_eip = eip;
}

/* --- far transfers, tasks --- */
void far_jmp(Vcpu *c, u16 sel, u32 off, unsigned opsize);
void far_call(Vcpu *c, u16 sel, u32 off, unsigned opsize);
void far_ret(Vcpu *c, u16 extra, unsigned opsize);
void cpu_iret(Vcpu *c, unsigned opsize);
typedef enum TaskSwitch { TASK_JMP, TASK_CALL, TASK_INT, TASK_IRET } TaskSwitch;
void task_switch(Vcpu *c, u16 tss_sel, TaskSwitch how, bool has_error, u32 error);

/* --- system (system.c, cpuid.c) --- */
void cpu_set_cr(Vcpu *c, int n, u32 v);                /* with all checks and engine notification; raises */
void eflags_write(Vcpu *c, u32 v, u32 mask);           /* POPF/IRET: only `mask` bits; re-evaluates interrupts */
bool io_allowed(Vcpu *c, u16 port, unsigned bytes);    /* CPL/IOPL/TSS bitmap; raises #PF */
void io_check(Vcpu *c, u16 port, unsigned bytes);      /* the same; raises #GP(0) if not */
u32 cpu_port_in(Vcpu *c, u16 port, unsigned bytes);
void cpu_port_out(Vcpu *c, u16 port, u32 v, unsigned bytes);
u64 cpu_tsc(Vcpu *c);
u64 msr_read(Vcpu *c, u32 n);                          /* raises #GP(0) for what does not exist */
void msr_write(Vcpu *c, u32 n, u64 v);
void cpu_cpuid(const Vcpu *c, u32 leaf, u32 subleaf, u32 out[4]);   /* EAX, EBX, ECX, EDX */

typedef struct CpuModel {
    const char *name;  /* -cpu word */
    const char *about;
    u8 family, model, stepping;
    u32 features;      /* BIT(Need) */
} CpuModel;
extern const CpuModel cpu_models[]; /* ends with name NULL */
const CpuModel *cpu_model_find(const char *name);
/* What a model may be given or lose, by the words of Linux and QEMU. */
typedef struct CpuFeature {
    const char *name, *alias; /* alias NULL: it has one name */
    u32 need;                 /* BIT(Need) */
    u32 builds_on;            /* BIT(Need): of these, too, and of what they build on */
} CpuFeature;
extern const CpuFeature cpu_features[]; /* ends with name NULL */
const CpuFeature *cpu_feature_find(const char *name);
/* `set` (BIT(Need)) with f and what it builds on; without f and what builds on it. */
u32 cpu_features_with(u32 set, const CpuFeature *f);
u32 cpu_features_without(u32 set, const CpuFeature *f);
/* BIT(Need) of all that a guest can have on this host, masks (RING3_HOST) counted in. */
u32 cpu_features_possible(void);

/* --- attention (run.c) --- */
extern u8 *cpu_poll_trap;                              /* an unmapped page; c->poll == it: leave the inner loop */
/* Aim c->poll by what may be handled now: the trap iff attention has more than ATT_INTR, or an interrupt is
 * pending and IF and no shadow hold it off. After any change of IF, inhibit or attention on the vCPU thread. */
void cpu_poll_update(Vcpu *c);
void cpu_set_intr(Vcpu *c, bool level);                /* vCPU thread: the PIC's INTR output */
static inline bool cpu_polled(const Vcpu *c) { return __atomic_load_n(&c->poll, __ATOMIC_RELAXED) == cpu_poll_trap; }
/* One more instruction was interpreted, with -speed. */
static inline void cpu_count_speed(Vcpu *c)
{
    if (c->speed_on && --c->speed_left < 0) cpu_attention(c, ATT_SPEED);
}
/* pause.c: a PAUSE was executed; the host has slept for it, or need not. */
void cpu_pause(Vcpu *c);
void cpu_pause_over(Vcpu *c);
/* A repeated string instruction ends early, between two iterations: something wants the processor. */
static inline void cpu_rep_stop(Vcpu *c)
{
    c->next_eip = c->eip;
    c->rep_stopped = true;
}
/* debug.c: TF, DR7 or db_pending changed: raise or drop ATT_TRAP. */
void debug_update(Vcpu *c);

/* --- filled in from outside (possible.c) --- */
/* NULL, or the name of a field with a value that no guest could have brought about: the guest must not run on it. */
const char *cpu_impossible(Vcpu *c);
/* The registers are others, all of them: make anew what follows (attention, the engine's view of paging). */
void cpu_loaded(Vcpu *c);

/* --- life cycle and running (run.c, interp.c) --- */
/* m must outlive c, which gets those of its features that are possible. */
void cpu_init(Vcpu *c, const CpuModel *m, Bus *bus, Phys *phys);
void cpu_reset(Vcpu *c);                               /* power-on state: CS:IP F000:FFF0 */
extern const Engine engine_interp;
/* Execute exactly one instruction at CS:EIP (a REP instruction: all its iterations unless attention comes
 * up); advances eip; no interrupt check, no trap delivery. Raises. */
void interp_one(Vcpu *c);
/* The machine's loop: handles attention, faults, interrupts, HLT; returns when stop_reason is set.
 * `idle` is called when halted (ns is UINT64_MAX) and when the guest waits in a loop (wait.c); `service` for ATT_CLOCK
 * and ATT_IO. */
typedef struct RunHooks {
    void *ctx;
    void (*service)(void *ctx);         /* run due device timers, take host input */
    void (*idle)(void *ctx, u64 ns);    /* nothing to do: block until cpu_attention, at most ns of guest time */
    bool (*reset)(void *ctx);           /* machine reset wanted: do it, true = go on, false = stop */
} RunHooks;
StopReason cpu_run(Vcpu *c, const RunHooks *h);

/* clang-format on */
#endif
