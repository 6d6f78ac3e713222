/* operand.c - what the table's operand letters mean (SDM vol. 2, appendix A.2), and the rarer ones: see operand.h. */
#include "cpu/operand.h"

typedef enum OperandKind {
    K_BAD,
    K_RM,     /* register or memory */
    K_RM_REG, /* general registers: from here ... */
    K_REG,    /* also that in the opcode's low bits, which Insn.reg has */
    K_FIXED,  /* ... to here */
    K_IMM,
    K_ONE,
    K_SEG_REG,
    K_SEG,
    K_CR,
    K_DR
} OperandKind;

typedef struct OperandInfo {
    u8 kind; /* OperandKind */
    u8 size; /* 0: word or dword, by operand size */
    u8 arg;  /* the number of a fixed register */
} OperandInfo;

enum { V = 0 };

static const OperandInfo operands[O_COUNT] = {
    [O_Eb] = {K_RM, 1, 0},       [O_Ew] = {K_RM, 2, 0},      [O_Ed] = {K_RM, 4, 0},
    [O_Ev] = {K_RM, V, 0},       [O_Gb] = {K_REG, 1, 0},     [O_Gw] = {K_REG, 2, 0},
    [O_Gd] = {K_REG, 4, 0},      [O_Gv] = {K_REG, V, 0},     [O_Rd] = {K_RM_REG, 4, 0},
    [O_M] = {K_RM, V, 0},        [O_Mb] = {K_RM, 1, 0},      [O_Mw] = {K_RM, 2, 0},
    [O_Md] = {K_RM, 4, 0},       [O_Ib] = {K_IMM, 1, 0},     [O_Iw] = {K_IMM, 2, 0},
    [O_Iv] = {K_IMM, V, 0},      [O_Ibs] = {K_IMM, V, 0},    [O_Jb] = {K_IMM, V, 0},
    [O_Jv] = {K_IMM, V, 0},      [O_Ob] = {K_RM, 1, 0},      [O_Ov] = {K_RM, V, 0},
    [O_Zb] = {K_REG, 1, 0},      [O_Zv] = {K_REG, V, 0},     [O_Sw] = {K_SEG_REG, 2, 0},
    [O_Cd] = {K_CR, 4, 0},       [O_Dd] = {K_DR, 4, 0},      [O_AL] = {K_FIXED, 1, EAX},
    [O_CL] = {K_FIXED, 1, ECX},  [O_AX] = {K_FIXED, 2, EAX}, [O_DX] = {K_FIXED, 2, EDX},
    [O_eAX] = {K_FIXED, V, EAX}, [O_I1] = {K_ONE, 1, 0},     [O_ES] = {K_SEG, 2, ES},
    [O_CS] = {K_SEG, 2, CS},     [O_SS] = {K_SEG, 2, SS},    [O_DS] = {K_SEG, 2, DS},
    [O_FS] = {K_SEG, 2, FS},     [O_GS] = {K_SEG, 2, GS},    [O_Xb] = {K_BAD, 1, 0},
    [O_Yb] = {K_BAD, 1, 0},      [O_Xv] = {K_BAD, V, 0},     [O_Yv] = {K_BAD, V, 0},
};

static OperandInfo operand_info(const Insn *i, int n)
{
    OperandInfo o = operands[i->row->o[n]];
    if (!o.size) o.size = i->opsize;
    return o;
}

unsigned operand_bytes(const Insn *i, int n) { return operand_info(i, n).size; }

static bool operand_is_gpr(const Insn *i, OperandInfo o)
{
    return o.kind == K_RM ? !i->is_mem : o.kind >= K_RM_REG && o.kind <= K_FIXED;
}

/* The number of the general register that it is. */
static unsigned operand_gpr(const Insn *i, OperandInfo o)
{
    return o.kind == K_FIXED ? o.arg : o.kind == K_REG ? i->reg : i->rm;
}

static u32 truncated(u32 v, unsigned bytes) { return bytes == 4 ? v : bytes == 2 ? (u16)v : (u8)v; }

static u32 read_other(const Vcpu *c, const Insn *i, OperandInfo o)
{
    switch (o.kind) {
    case K_IMM: return truncated(i->imm, o.size);
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

u32 operand_read(Vcpu *c, const Insn *i, int n, Access a)
{
    OperandInfo o = operand_info(i, n);
    if (operand_is_gpr(i, o)) return reg_read(c, operand_gpr(i, o), o.size);
    if (o.kind != K_RM) return read_other(c, i, o);
    u32 ea = insn_ea(c, i);
    return a == ACC_RMW ? mem_read_rmw(c, i->seg, ea, o.size) : mem_read(c, i->seg, ea, o.size);
}

void operand_write(Vcpu *c, const Insn *i, int n, u32 v)
{
    OperandInfo o = operand_info(i, n);
    if (operand_is_gpr(i, o)) {
        reg_write(c, operand_gpr(i, o), v, o.size);
        return;
    }
    CHECK(o.kind == K_RM, "%s: operand %d is not writable here", i->row->name, n);
    mem_write(c, i->seg, insn_ea(c, i), v, o.size);
}

/* Insn.place of operand n. */
static u8 place_of(const Insn *i, int n)
{
    OperandInfo o = operand_info(i, n);
    if (operand_is_gpr(i, o)) return o.size == 4 ? (u8)(PLACE_GPR32 | operand_gpr(i, o)) : 0;
    if (o.kind == K_RM) return PLACE_MEMORY | o.size;
    return o.kind == K_IMM && o.size == 4 ? PLACE_IMM32 : 0;
}

void operands_place(Insn *i)
{
    for (int n = 0; n < 3; n++) i->place[n] = place_of(i, n);
}
