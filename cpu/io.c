/* io.c - IN, OUT and the I/O permission map (SDM vol. 1, chapter 19; vol. 2). INS and OUTS are in string.c. */
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

void io_check(Vcpu *c, u16 port, unsigned bytes)
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
    io_check(c, port, bytes);
    reg_write(c, EAX, cpu_port_in(c, port, bytes), bytes);
}

void exec_out(Vcpu *c, const Insn *i)
{
    unsigned bytes = i->opcode & 1 ? i->opsize : 1;
    u16 port = port_operand(c, i, 0);
    io_check(c, port, bytes);
    cpu_port_out(c, port, reg_read(c, EAX, bytes), bytes);
}
