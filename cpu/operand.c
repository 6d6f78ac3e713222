/* operand.c - operands by the instruction table's letters (SDM vol. 2, appendix A.2).
 *
 * A letter says where the operand is (kind) and how wide (size; V = by operand size). op_read and op_write know
 * registers, immediates, selectors and explicit memory operands up to 32 bits; string, far-pointer, x87 and
 * SIMD operands belong to the instructions that use them, and asking for them here is our mistake.
 */
#include "cpu/cpu.h"

typedef enum Kind {
    K_BAD,
    K_RM,
    K_REG,
    K_RM_REG,
    K_OPREG,
    K_FIXED,
    K_IMM,
    K_ONE,
    K_SEG_REG,
    K_SEG,
    K_CR,
    K_DR
} Kind;
enum { V = 0 }; /* size: word or dword by operand size */

typedef struct OperandInfo {
    u8 kind, size, arg; /* arg: register number of fixed ones */
} OperandInfo;

static const OperandInfo operands[O_COUNT] = {
    [O_Eb] = {K_RM, 1, 0},       [O_Ew] = {K_RM, 2, 0},      [O_Ed] = {K_RM, 4, 0},
    [O_Ev] = {K_RM, V, 0},       [O_Gb] = {K_REG, 1, 0},     [O_Gw] = {K_REG, 2, 0},
    [O_Gd] = {K_REG, 4, 0},      [O_Gv] = {K_REG, V, 0},     [O_Rd] = {K_RM_REG, 4, 0},
    [O_M] = {K_RM, V, 0},        [O_Mb] = {K_RM, 1, 0},      [O_Mw] = {K_RM, 2, 0},
    [O_Md] = {K_RM, 4, 0},       [O_Ib] = {K_IMM, 1, 0},     [O_Iw] = {K_IMM, 2, 0},
    [O_Iv] = {K_IMM, V, 0},      [O_Ibs] = {K_IMM, V, 0},    [O_Jb] = {K_IMM, V, 0},
    [O_Jv] = {K_IMM, V, 0},      [O_Ob] = {K_RM, 1, 0},      [O_Ov] = {K_RM, V, 0},
    [O_Zb] = {K_OPREG, 1, 0},    [O_Zv] = {K_OPREG, V, 0},   [O_Sw] = {K_SEG_REG, 2, 0},
    [O_Cd] = {K_CR, 4, 0},       [O_Dd] = {K_DR, 4, 0},      [O_AL] = {K_FIXED, 1, EAX},
    [O_CL] = {K_FIXED, 1, ECX},  [O_AX] = {K_FIXED, 2, EAX}, [O_DX] = {K_FIXED, 2, EDX},
    [O_eAX] = {K_FIXED, V, EAX}, [O_I1] = {K_ONE, 1, 0},     [O_ES] = {K_SEG, 2, ES},
    [O_CS] = {K_SEG, 2, CS},     [O_SS] = {K_SEG, 2, SS},    [O_DS] = {K_SEG, 2, DS},
    [O_FS] = {K_SEG, 2, FS},     [O_GS] = {K_SEG, 2, GS},    [O_Xb] = {K_BAD, 1, 0},
    [O_Yb] = {K_BAD, 1, 0},      [O_Xv] = {K_BAD, V, 0},     [O_Yv] = {K_BAD, V, 0},
};

u32 insn_ea(const Vcpu *c, const Insn *i)
{
    u32 ea = i->disp;
    if (i->base != REG_NONE) ea += c->gpr[i->base];
    if (i->index != REG_NONE) ea += c->gpr[i->index] << i->scale;
    return i->adsize == 2 ? (u16)ea : ea;
}

static inline OperandInfo operand_info(const Insn *i, int n)
{
    OperandInfo o = operands[i->row->o[n]];
    if (o.size == V) o.size = i->opsize;
    return o;
}

unsigned op_bytes(const Insn *i, int n) { return operand_info(i, n).size; }

/* The number of the general register that the operand is, or REG_NONE. */
static inline unsigned operand_gpr(const Insn *i, OperandInfo o)
{
    switch (o.kind) {
    case K_RM: return i->is_mem ? REG_NONE : i->rm;
    case K_RM_REG: return i->rm;
    case K_REG: return i->reg;
    case K_OPREG: return i->opcode & 7;
    case K_FIXED: return o.arg;
    default: return REG_NONE;
    }
}

static inline u32 truncate(u32 v, unsigned bytes) { return bytes == 4 ? v : bytes == 2 ? (u16)v : (u8)v; }

static u32 read_other(Vcpu *c, const Insn *i, OperandInfo o)
{
    switch (o.kind) {
    case K_IMM: return truncate(i->imm, o.size);
    case K_ONE: return 1;
    case K_SEG: return c->seg[o.arg].sel;
    case K_SEG_REG:
        CHECK(i->reg < SEG_COUNT, "%s: no segment register %u", i->row->name, i->reg);
        return c->seg[i->reg].sel;
    case K_CR: return i->reg == 0 ? c->cr0 : i->reg == 2 ? c->cr2 : i->reg == 3 ? c->cr3 : c->cr4;
    case K_DR: return c->dr[i->reg];
    default: base_panic(__FILE__, __LINE__, "%s: operand is not readable here", i->row->name);
    }
}

u32 op_read(Vcpu *c, const Insn *i, int n)
{
    OperandInfo o = operand_info(i, n);
    if (o.kind == K_RM && i->is_mem) return mem_read(c, i->seg, insn_ea(c, i), o.size);
    unsigned r = operand_gpr(i, o);
    return r != REG_NONE ? reg_read(c, r, o.size) : read_other(c, i, o);
}

u32 op_read_rmw(Vcpu *c, const Insn *i, int n)
{
    OperandInfo o = operand_info(i, n);
    if (o.kind == K_RM && i->is_mem) return mem_read_rmw(c, i->seg, insn_ea(c, i), o.size);
    return op_read(c, i, n);
}

void op_write(Vcpu *c, const Insn *i, int n, u32 v)
{
    OperandInfo o = operand_info(i, n);
    if (o.kind == K_RM && i->is_mem) {
        mem_write(c, i->seg, insn_ea(c, i), v, o.size);
        return;
    }
    unsigned r = operand_gpr(i, o);
    CHECK(r != REG_NONE, "%s: operand %d is not writable here", i->row->name, n);
    reg_write(c, r, v, o.size);
}
