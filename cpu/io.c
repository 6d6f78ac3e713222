/* io.c - IN, OUT, INS, OUTS and the I/O permission map (SDM vol. 1, chapter 19; vol. 2).
 *
 * The strings check their memory operand before the port is touched, since a port read cannot be taken back, and
 * commit their registers after each iteration. They stop between two iterations when the run loop is wanted.
 */
#include "cpu/protect.h"
#include "cpu/wait.h"
#include "mmu/bus.h"

bool io_allowed(Vcpu *c, u16 port, unsigned bytes)
{
    if (cpu_real(c) || (!cpu_v86(c) && c->cpl <= cpu_iopl(c))) return true;
    bool is_tss32 = !(c->tr.attr & SEG_UNUSABLE) && (c->tr.attr & 0x1d) == SYS_TSS32;
    if (!is_tss32 || c->tr.limit < TSS_IOMAP + 1) return false;
    u32 at = lin_read(c, c->tr.base + TSS_IOMAP, 2, ACC_READ, BY_PROCESSOR) + port / 8u;
    if (at + 1 > c->tr.limit) return false;
    u32 map = lin_read(c, c->tr.base + at, 2, ACC_READ, BY_PROCESSOR);
    return !(map >> (port & 7) & ((1u << bytes) - 1));
}

static void port_check(Vcpu *c, u16 port, unsigned bytes)
{
    if (!io_allowed(c, port, bytes)) raise_gp(c, 0);
}

u32 cpu_port_in(Vcpu *c, u16 port, unsigned bytes)
{
    if (unlikely(c->wait.left)) wait_reads_port(c, port, bytes);
    u32 v = bus_port_in(c->bus, port, bytes);
    if (unlikely(c->dr[7] & DR7_ENABLES)) debug_io_access(c, port, bytes);
    return v;
}

void cpu_port_out(Vcpu *c, u16 port, u32 v, unsigned bytes)
{
    wait_writes_port(c);
    bus_port_out(c->bus, port, v, bytes);
    if (unlikely(c->dr[7] & DR7_ENABLES)) debug_io_access(c, port, bytes);
}

static u16 port_operand(const Vcpu *c, const Insn *i, int n)
{
    return i->row->o[n] == O_DX ? (u16)c->gpr[EDX] : (u8)i->imm;
}

void exec_in(Vcpu *c, const Insn *i)
{
    unsigned bytes = i->opcode & 1 ? i->opsize : 1;
    u16 port = port_operand(c, i, 1);
    port_check(c, port, bytes);
    reg_write(c, EAX, cpu_port_in(c, port, bytes), bytes);
}

void exec_out(Vcpu *c, const Insn *i)
{
    unsigned bytes = i->opcode & 1 ? i->opsize : 1;
    u16 port = port_operand(c, i, 0);
    port_check(c, port, bytes);
    cpu_port_out(c, port, reg_read(c, EAX, bytes), bytes);
}

/* --- strings --- */

static void index_step(Vcpu *c, const Insn *i, unsigned reg, unsigned bytes)
{
    u32 delta = c->eflags & FL_D ? 0u - bytes : bytes;
    reg_write(c, reg, c->gpr[reg] + delta, i->adsize);
}

static void ins_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    u32 off = reg_read(c, EDI, i->adsize), va = seg_linear(c, ES, off, bytes, ACC_WRITE);
    lin_probe(c, va, bytes, ACC_WRITE, c->cpl == 3);
    u32 v = cpu_port_in(c, (u16)c->gpr[EDX], bytes);
    lin_write(c, va, v, bytes, c->cpl == 3);
    index_step(c, i, EDI, bytes);
}

static void outs_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    u32 v = mem_read(c, i->seg, reg_read(c, ESI, i->adsize), bytes);
    cpu_port_out(c, (u16)c->gpr[EDX], v, bytes);
    index_step(c, i, ESI, bytes);
}

static void repeat(Vcpu *c, const Insn *i, void (*step)(Vcpu *, const Insn *, unsigned))
{
    unsigned bytes = i->opcode & 1 ? i->opsize : 1;
    bool rep = i->prefix & (PREFIX_REP | PREFIX_REPNE);
    if (rep && reg_read(c, ECX, i->adsize) == 0) return;
    port_check(c, (u16)c->gpr[EDX], bytes);
    if (!rep) {
        step(c, i, bytes);
        return;
    }
    for (;;) {
        step(c, i, bytes);
        u32 left = reg_read(c, ECX, i->adsize) - 1;
        reg_write(c, ECX, left, i->adsize);
        if (reg_read(c, ECX, i->adsize) == 0) return;
        if (unlikely(cpu_polled(c))) {
            cpu_rep_stop(c);
            return;
        }
    }
}

void exec_ins(Vcpu *c, const Insn *i) { repeat(c, i, ins_step); }
void exec_outs(Vcpu *c, const Insn *i) { repeat(c, i, outs_step); }
