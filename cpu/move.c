/* move.c - MOV MOVZX MOVSX LEA XCHG CMOVcc XLAT NOP (SDM vol. 2). */
#include "cpu/alu.h"

void exec_mov(Vcpu *c, const Insn *i) { op_write(c, i, 0, op_read(c, i, 1)); }

void exec_movzx8(Vcpu *c, const Insn *i) { op_write(c, i, 0, op_read(c, i, 1)); }
void exec_movzx16(Vcpu *c, const Insn *i) { op_write(c, i, 0, op_read(c, i, 1)); }
void exec_movsx8(Vcpu *c, const Insn *i) { op_write(c, i, 0, sign_extend(op_read(c, i, 1), 1)); }
void exec_movsx16(Vcpu *c, const Insn *i) { op_write(c, i, 0, sign_extend(op_read(c, i, 1), 2)); }

void exec_lea(Vcpu *c, const Insn *i) { op_write(c, i, 0, insn_ea(c, i)); }

/* Memory first: it may fault, and its address may depend on the register. The table has it as operand 0. */
void exec_xchg(Vcpu *c, const Insn *i)
{
    u32 a = op_read_rmw(c, i, 0), b = op_read(c, i, 1);
    op_write(c, i, 0, b);
    op_write(c, i, 1, a);
}

/* The source is read, and may fault, whether or not the condition holds. */
void exec_cmovcc(Vcpu *c, const Insn *i)
{
    u32 v = op_read(c, i, 1);
    if (condition_holds(c, i->opcode & 15)) op_write(c, i, 0, v);
}

void exec_xlat(Vcpu *c, const Insn *i)
{
    u32 off = c->gpr[EBX] + (u8)c->gpr[EAX];
    reg_write(c, EAX, mem_read(c, i->seg, i->adsize == 2 ? (u16)off : off, 1), 1);
}

void exec_nop(Vcpu *c, const Insn *i) { (void)c, (void)i; }

void exec_pause(Vcpu *c, const Insn *i)
{
    (void)i;
    cpu_pause(c);
}
