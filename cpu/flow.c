/* flow.c - near JMP, Jcc, CALL, RET, LOOP, JCXZ, and BOUND (SDM vol. 2).
 *
 * With 16-bit operands EIP is cut to 16 bits. branch_to checks the target against CS.limit and sets next_eip; it
 * comes before any register changes, and a fault throws next_eip away.
 */
#include "cpu/alu.h"

static void branch_near(Vcpu *c, const Insn *i, u32 eip) { branch_to(c, i->opsize == 2 ? (u16)eip : eip); }

static void branch_relative(Vcpu *c, const Insn *i) { branch_near(c, i, c->next_eip + i->imm); }

void exec_jcc(Vcpu *c, const Insn *i)
{
    if (condition_holds(c, i->opcode & 15)) branch_relative(c, i);
}

void exec_jmp(Vcpu *c, const Insn *i) { branch_relative(c, i); }
void exec_jmp_ind(Vcpu *c, const Insn *i) { branch_near(c, i, op_read(c, i, 0)); }

static void call_near(Vcpu *c, const Insn *i, u32 target)
{
    u32 ret = c->next_eip;
    branch_near(c, i, target);
    push(c, ret, i->opsize);
}

void exec_call(Vcpu *c, const Insn *i) { call_near(c, i, c->next_eip + i->imm); }
void exec_call_ind(Vcpu *c, const Insn *i) { call_near(c, i, op_read(c, i, 0)); }

void exec_ret(Vcpu *c, const Insn *i)
{
    u32 extra = i->row->o[0] == O_Iw ? (u16)i->imm : 0;
    branch_near(c, i, stack_read_at(c, 0, i->opsize));
    stack_add(c, (s32)(i->opsize + extra));
}

/* The counter of LOOP and JCXZ is CX or ECX by address size. */
static void loop_while(Vcpu *c, const Insn *i, bool flag_agrees)
{
    u32 count = reg_read(c, ECX, i->adsize) - 1;
    if (i->adsize == 2) count = (u16)count;
    if (count && flag_agrees) branch_relative(c, i);
    reg_write(c, ECX, count, i->adsize);
}

void exec_loop(Vcpu *c, const Insn *i) { loop_while(c, i, true); }
void exec_loope(Vcpu *c, const Insn *i) { loop_while(c, i, c->eflags & FL_Z); }
void exec_loopne(Vcpu *c, const Insn *i) { loop_while(c, i, !(c->eflags & FL_Z)); }

void exec_jcxz(Vcpu *c, const Insn *i)
{
    if (reg_read(c, ECX, i->adsize) == 0) branch_relative(c, i);
}

void exec_bound(Vcpu *c, const Insn *i)
{
    u32 ea = insn_ea(c, i), upper_ea = ea + i->opsize;
    s32 lower = (s32)sign_extend(mem_read(c, i->seg, ea, i->opsize), i->opsize);
    u32 raw = mem_read(c, i->seg, i->adsize == 2 ? (u16)upper_ea : upper_ea, i->opsize);
    s32 upper = (s32)sign_extend(raw, i->opsize);
    s32 index = (s32)sign_extend(op_read(c, i, 0), i->opsize);
    if (index < lower || index > upper) cpu_raise(c, EX_BR);
}
