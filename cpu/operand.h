/* operand.h - operands by the instruction table's letters (SDM vol. 2, appendix A.2).
 *
 * A letter says where the operand is (kind) and how wide (size; V = by operand size). op_read and op_write know
 * registers, immediates, selectors and explicit memory operands up to 32 bits; string, far-pointer, x87 and
 * SIMD operands belong to the instructions that use them, and asking for them here is our mistake.
 *
 * An instruction that the interpreter keeps (interp.c) has its operands looked up once: operands_place() notes in
 * Insn.place the frequent ones, so that a look at one byte finds them. A place of 0 means: as the table says.
 */
#ifndef RING3_CPU_OPERAND_H
#define RING3_CPU_OPERAND_H

#include "cpu/cpu.h"

/* Insn.place */
enum {
    PLACE_GPR32 = 0x80,     /* + number */
    PLACE_MEMORY = 0x40,    /* + bytes */
    PLACE_IMM32 = 0x20 + 4, /* + bytes */
    PLACE_BYTES = 7,
};
void operands_place(Insn *i);

/* By the table. */
unsigned operand_bytes(const Insn *i, int n);
u32 operand_read(Vcpu *c, const Insn *i, int n, Access a);
void operand_write(Vcpu *c, const Insn *i, int n, u32 v);

/* Effective offset, truncated to the address size. */
static inline u32 insn_ea(const Vcpu *c, const Insn *i)
{
    u32 ea = i->disp;
    if (i->base != REG_NONE) ea += c->gpr[i->base];
    if (i->index != REG_NONE) ea += c->gpr[i->index] << i->scale;
    return i->adsize == 2 ? (u16)ea : ea;
}

/* 1, 2 or 4. */
static inline unsigned op_bytes(const Insn *i, int n)
{
    u8 p = i->place[n];
    if (likely(p)) return p & PLACE_GPR32 ? 4 : p & PLACE_BYTES;
    return operand_bytes(i, n);
}

/* Zero-extended; raises. */
static inline u32 op_read(Vcpu *c, const Insn *i, int n)
{
    u8 p = i->place[n];
    if (p & PLACE_GPR32) return c->gpr[p & 7];
    if (p & PLACE_MEMORY) return mem_read(c, i->seg, insn_ea(c, i), p & PLACE_BYTES);
    return likely(p) ? i->imm : operand_read(c, i, n, ACC_READ);
}

/* For read-modify-write: faults as a write. */
static inline u32 op_read_rmw(Vcpu *c, const Insn *i, int n)
{
    u8 p = i->place[n];
    if (p & PLACE_GPR32) return c->gpr[p & 7];
    if (p & PLACE_MEMORY) return mem_read_rmw(c, i->seg, insn_ea(c, i), p & PLACE_BYTES);
    return operand_read(c, i, n, ACC_RMW);
}

static inline void op_write(Vcpu *c, const Insn *i, int n, u32 v)
{
    u8 p = i->place[n];
    if (p & PLACE_GPR32)
        c->gpr[p & 7] = v;
    else if (p & PLACE_MEMORY)
        mem_write(c, i->seg, insn_ea(c, i), v, p & PLACE_BYTES);
    else
        operand_write(c, i, n, v);
}

#endif
