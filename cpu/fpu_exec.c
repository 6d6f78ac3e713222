/* fpu_exec.c - x87 instructions but the environment forms (fpu_env.c), and the checks of all FPU and SIMD
 * rows.
 *
 * Data instructions run on the host (fpu_host.c) on a copy of the state, which is committed when the result
 * has reached memory. Control instructions are done here on the parked image.
 *
 * Pending exceptions. FSW.ES says that an unmasked exception waits. The next waiting instruction does not
 * execute: CR0.NE = 1 raises #MF; CR0.NE = 0 raises FERR#, from which the board makes IRQ13, and the
 * processor freezes at the instruction until an interrupt comes. On a PC the handler of IRQ13 writes port F0,
 * which asserts IGNNE#: x87 instructions then ignore the pending exception. The port is the board's and the
 * pin is not modelled; a processor that would freeze with interrupts off never wakes up, so this is taken for
 * the handler, and the instruction runs.
 *
 * FIP, FCS, FOP (and FDP, FDS with a memory operand) are those of the last instruction that is not a control
 * instruction (SDM vol. 1, 8.1.8), whether it raised an exception or not, as on processors before the Pentium
 * 4.
 *
 * SDM vol. 1, chapter 8; vol. 3, 2.5 (CR0.EM, MP, NE, TS) and table 9-3.
 *
 * Not implemented: the IGNNE# pin (see above); FERR# is raised at the waiting instruction, not already at the
 * one that erred.
 */
#include "cpu/exec.h"
#include "cpu/fpu.h"

#include <string.h>

/* --- checks --------------------------------------------------------------------------------------------- */

static void fpu_available(Vcpu *c, unsigned checks)
{
    if (checks & (CK_MMX | CK_SSE)) {
        if (c->cr0 & CR0_EM) raise_ud(c);
        if ((checks & CK_SSE) && !(c->cr4 & CR4_OSFXSR)) raise_ud(c);
        if (c->cr0 & CR0_TS) cpu_raise(c, EX_NM);
    }
    if ((checks & CK_FPU) && (c->cr0 & (CR0_EM | CR0_TS))) cpu_raise(c, EX_NM);
}

/* Deliver the pending exception, if any. false: the processor waits for IRQ13 at this instruction. */
static bool fpu_pending(Vcpu *c)
{
    if (!fpu_has_error(&c->fpu)) return true;
    if (c->cr0 & CR0_NE) cpu_raise(c, EX_MF);
    if (!(c->eflags & FL_I)) return true;
    trace(INT, "FERR# at %04x:%08x", c->seg[CS].sel, c->eip);
    if (c->ferr) {
        c->ferr(c->ferr_ctx, false); /* an edge, even if the last error was never cleared */
        c->ferr(c->ferr_ctx, true);
    }
    c->next_eip = c->eip;
    c->halted = true;
    return false;
}

bool fpu_begin(Vcpu *c, const Insn *i)
{
    unsigned checks = i->row->checks;
    fpu_available(c, checks);
    fpu_park(c);
    return checks & (CK_WAIT | CK_MMX) ? fpu_pending(c) : true;
}

void fpu_ferr_update(Vcpu *c)
{
    if (c->ferr && !(c->cr0 & CR0_NE) && !fpu_has_error(&c->fpu)) c->ferr(c->ferr_ctx, false);
}

void exec_wait(Vcpu *c, const Insn *i)
{
    (void)i;
    if ((c->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) cpu_raise(c, EX_NM);
    fpu_park(c);
    fpu_pending(c);
}

/* --- data instructions ---------------------------------------------------------------------------------- */

static void pointers_set(Vcpu *c, const Insn *i, FpuImage *f)
{
    f->fop = (u16)((i->opcode & 7) << 8 | i->modrm);
    f->fip = c->eip;
    f->fcs = c->seg[CS].sel;
    if (!i->is_mem) return;
    f->fdp = insn_ea(c, i);
    f->fds = c->seg[i->seg].sel;
}

/* A store does not happen if one of these is raised unmasked; a rounded result (#P) is stored. With an error
 * pending before (IGNNE#), the host ran with all masked. */
static bool store_suppressed(const FpuImage *before, const FpuImage *f)
{
    return !fpu_has_error(before) && f->fsw & ~f->fcw & (FPU_IE | FPU_DE | FPU_ZE | FPU_OE | FPU_UE);
}

/* The destination is checked even if an exception then keeps the value from it. */
static void store_probe(Vcpu *c, const Insn *i, unsigned bytes)
{
    u32 va = seg_linear(c, i->seg, insn_ea(c, i), bytes, ACC_WRITE);
    lin_probe(c, va, bytes, ACC_WRITE, c->cpl == 3);
}

void exec_x87(Vcpu *c, const Insn *i)
{
    HostRun r;
    unsigned bytes = fpu_mem_bytes(i);
    bool store = fpu_mem_operand(i) == 0;
    if (!fpu_begin(c, i)) return;
    r.fpu = c->fpu;
    r.eflags = c->eflags;
    r.gpr = 0;
    if (bytes && !store) mem_read_bytes(c, i->seg, insn_ea(c, i), r.mem, bytes);
    if (store) store_probe(c, i, bytes);
    fpu_host_run(i, &r);
    if (store && !store_suppressed(&c->fpu, &r.fpu)) mem_write_bytes(c, i->seg, insn_ea(c, i), r.mem, bytes);
    pointers_set(c, i, &r.fpu);
    c->fpu = r.fpu;
    flags_set(c, i->row->write, r.eflags);
}

/* --- control instructions ------------------------------------------------------------------------------- */

void exec_fldcw(Vcpu *c, const Insn *i)
{
    if (!fpu_begin(c, i)) return;
    fpu_set_fcw(&c->fpu, (u16)mem_read(c, i->seg, insn_ea(c, i), 2));
}

void exec_fnstcw(Vcpu *c, const Insn *i)
{
    if (!fpu_begin(c, i)) return;
    mem_write(c, i->seg, insn_ea(c, i), c->fpu.fcw, 2);
}

void exec_fnstsw(Vcpu *c, const Insn *i)
{
    if (!fpu_begin(c, i)) return;
    if (i->is_mem)
        mem_write(c, i->seg, insn_ea(c, i), c->fpu.fsw, 2);
    else
        reg_write(c, EAX, c->fpu.fsw, 2);
}

void exec_fnclex(Vcpu *c, const Insn *i)
{
    if (!fpu_begin(c, i)) return;
    c->fpu.fsw &= (u16) ~(FSW_B | FSW_ES | FSW_SF | FPU_EXCEPTIONS);
    fpu_ferr_update(c);
}

void exec_fninit(Vcpu *c, const Insn *i)
{
    if (!fpu_begin(c, i)) return;
    fpu_init_x87(&c->fpu);
    fpu_ferr_update(c);
}

/* FNENI, FNDISI (8087) and FNSETPM (287): nothing, but #NM as any. */
void exec_fneni(Vcpu *c, const Insn *i) { fpu_begin(c, i); }
