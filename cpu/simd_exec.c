/* simd_exec.c - MMX and SSE to SSE4.2 instructions.
 *
 * Data instructions run on the host (fpu_host.c), on a copy of the state with all SSE exceptions masked and
 * their flags clear. The flags that this raises, against the guest's masks, say whether the guest gets #XM;
 * then nothing of the result is kept but the flags. Only two details differ from a run with the guest's
 * masks:
 *  - With a pre-computation exception (#I, #D, #Z) unmasked, no element of the operands is computed, hence no
 *    flags of post-computation exceptions appear.
 *  - An unmasked #U is raised by every tiny result, a masked one only by inexact ones; and flush-to-zero only
 *    counts if #U is masked. So where #U is unmasked the host runs with flush-to-zero first, which reports
 *    all tiny results.
 *
 * MASKMOVQ and MASKMOVDQU address [eDI] implicitly and write single bytes: done by hand, as are MXCSR's
 * instructions, whose reserved bits are the guest processor's. PREFETCHh and the fences are nothing on one
 * processor; CLFLUSH is checked like a load and then nothing.
 *
 * SDM vol. 1, 10.2.3 (MXCSR), 11.5 (SSE exceptions), 9.4 and 9.6 (MMX and x87 state); vol. 3, 12 and 13.1.
 *
 * Not implemented: with #O or #U unmasked, #P is reported whenever the masked response was inexact, also for
 * results that an unbounded exponent would have represented exactly. DPPS and DPPD multiply first and add then; an
 * unmasked exception of one step ends them, and its flags alone are reported: here those of all steps are.
 */
#include "cpu/exec.h"
#include "cpu/fpu.h"

#include <string.h>

enum { PRE_COMPUTATION = FPU_IE | FPU_DE | FPU_ZE };

/* --- data instructions ---------------------------------------------------------------------------------- */

static u32 operand_address(Vcpu *c, const Insn *i)
{
    u32 ea = insn_ea(c, i);
    if ((i->row->checks & CK_ALIGN16) && ((c->seg[i->seg].base + ea) & 15)) raise_gp(c, 0);
    return ea;
}

static unsigned gpr_number(const Insn *i, int n) { return i->row->o[n] == O_Gd ? i->reg : i->rm; }

static u32 unmasked(u32 raised, u32 mxcsr) { return raised & ~(mxcsr >> 7) & FPU_EXCEPTIONS; }

/* Run i on the state before it (r->fpu = c->fpu), with these MXCSR bits and no exceptions; returns those
 * raised. */
static u32 simd_run(const Vcpu *c, const Insn *i, HostRun *r, u32 mxcsr)
{
    r->fpu = c->fpu;
    r->fpu.mxcsr = (mxcsr & ~(u32)FPU_EXCEPTIONS) | MXCSR_MASKS;
    fpu_host_run(i, r);
    return r->fpu.mxcsr & FPU_EXCEPTIONS;
}

static _Noreturn void raise_xm(Vcpu *c, u32 raised)
{
    if (unmasked(raised, c->fpu.mxcsr) & PRE_COMPUTATION) raised &= PRE_COMPUTATION;
    c->fpu.mxcsr |= raised;
    cpu_raise(c, c->cr4 & CR4_OSXMMEXCPT ? EX_XM : EX_UD);
}

/* The exceptions of i, raised; afterwards r holds its result. No row both reads and writes r->mem or r->gpr,
 * so that a second run finds its operands as they were. */
static void simd_compute(Vcpu *c, const Insn *i, HostRun *r)
{
    u32 mxcsr = c->fpu.mxcsr, tiny = 0;
    if (unmasked(FPU_UE, mxcsr)) {
        tiny = simd_run(c, i, r, mxcsr | MXCSR_FZ) & FPU_UE;
        mxcsr &= ~(u32)MXCSR_FZ;
    }
    u32 raised = simd_run(c, i, r, mxcsr) | tiny;
    if (unmasked(raised, c->fpu.mxcsr)) raise_xm(c, raised);
    r->fpu.mxcsr = c->fpu.mxcsr | raised;
}

static void top_to_zero(FpuImage *f) { fpu_set_fsw(f, f->fsw & (u16) ~(7 << 11)); }

/* An MMX store that faults has turned the stack to TOP 0 already, on Intel's processors; registers keep their tags. */
static void simd_store(Vcpu *c, const Insn *i, u32 ea, const u8 *from, unsigned bytes)
{
    if (i->row->checks & CK_MMX) top_to_zero(&c->fpu);
    mem_write_bytes(c, i->seg, ea, from, bytes);
}

void exec_simd(Vcpu *c, const Insn *i)
{
    HostRun r = {.eflags = c->eflags};
    unsigned bytes = fpu_mem_bytes(i);
    int mem = fpu_mem_operand(i), gpr = fpu_gpr_operand(i);
    if (!fpu_begin(c, i)) return;
    u32 ea = mem >= 0 ? operand_address(c, i) : 0;
    if (gpr >= 0) r.gpr = c->gpr[gpr_number(i, gpr)];
    if (mem > 0) mem_read_bytes(c, i->seg, ea, r.mem, bytes);
    simd_compute(c, i, &r);
    if (mem == 0) simd_store(c, i, ea, r.mem, bytes);
    if (gpr == 0) c->gpr[gpr_number(i, gpr)] = r.gpr;
    c->fpu = r.fpu;
    flags_set(c, i->row->write, r.eflags);
}

/* PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM: the lengths of the explicit forms are in EAX and EDX, the index that
 * the I forms find goes to ECX, the mask that the M forms make to XMM0. */
void exec_pcmpx(Vcpu *c, const Insn *i)
{
    HostRun r = {.eflags = c->eflags, .gpr = c->gpr[EAX], .ecx = c->gpr[ECX], .edx = c->gpr[EDX]};
    if (!fpu_begin(c, i)) return;
    if (i->is_mem) mem_read_bytes(c, i->seg, insn_ea(c, i), r.mem, fpu_mem_bytes(i));
    r.fpu = c->fpu;
    fpu_host_run(i, &r);
    c->fpu = r.fpu;
    c->gpr[ECX] = r.ecx;
    flags_set(c, i->row->write, r.eflags);
}

/* --- special addresses, special registers ---------------------------------------------------------------- */

/* MMX register n: the mantissa of x87 register n, where the image counts from the top of the stack. */
static const u8 *mmx_register(const FpuImage *f, unsigned n) { return f->st[(n - fsw_top(f->fsw)) & 7]; }

/* What every MMX instruction does to the x87 stack: TOP is 0, no register is empty. */
static void mmx_enter(FpuImage *f)
{
    top_to_zero(f);
    f->ftw = 0xff;
}

/* MASKMOVQ, MASKMOVDQU: bytes of the first operand whose byte in the second has bit 7 set, to [eDI]. All of them
 * must lie in the segment, masked or not; only those written must be mapped, which is checked before the first is. */
void exec_maskmov(Vcpu *c, const Insn *i)
{
    bool mmx = i->row->checks & CK_MMX;
    unsigned bytes = mmx ? 8 : 16;
    if (!fpu_begin(c, i)) return;
    const u8 *data = mmx ? mmx_register(&c->fpu, i->reg) : c->fpu.xmm[i->reg];
    const u8 *mask = mmx ? mmx_register(&c->fpu, i->rm) : c->fpu.xmm[i->rm];
    u32 va = seg_linear(c, i->seg, reg_read(c, EDI, i->adsize), bytes, ACC_WRITE);
    for (unsigned n = 0; n < bytes; n++)
        if (mask[n] >> 7) lin_probe(c, va + n, 1, ACC_WRITE, c->cpl == 3);
    for (unsigned n = 0; n < bytes; n++)
        if (mask[n] >> 7) lin_write(c, va + n, data[n], 1, c->cpl == 3);
    if (mmx) mmx_enter(&c->fpu);
}

void exec_ldmxcsr(Vcpu *c, const Insn *i)
{
    if (!fpu_begin(c, i)) return;
    u32 v = mem_read(c, i->seg, insn_ea(c, i), 4);
    if (v & ~fpu_mxcsr_mask(c)) raise_gp(c, 0);
    c->fpu.mxcsr = v;
}

void exec_stmxcsr(Vcpu *c, const Insn *i)
{
    if (!fpu_begin(c, i)) return;
    mem_write(c, i->seg, insn_ea(c, i), c->fpu.mxcsr, 4);
}

/* --- no FPU state at all ---------------------------------------------------------------------------------
 * */

void exec_movnti(Vcpu *c, const Insn *i) { mem_write(c, i->seg, insn_ea(c, i), c->gpr[i->reg], 4); }

void exec_prefetch(Vcpu *c, const Insn *i) { (void)c, (void)i; }

void exec_fence(Vcpu *c, const Insn *i) { (void)c, (void)i; }

void exec_clflush(Vcpu *c, const Insn *i)
{
    u32 va = seg_linear(c, i->seg, insn_ea(c, i), 1, ACC_READ);
    lin_probe(c, va, 1, ACC_READ, c->cpl == 3);
}
