/* ident.c - the identity rows: guest instructions whose host form is themselves, with r14 for ESP and the memory
 * operand rewritten. The opcode maps below are the whitelist: one shape per opcode, a function that writes it from
 * decoded fields. What has no shape here has no host form (it is invalid or different in 64-bit mode, touches memory
 * implicitly, or needs more than one instruction can do) and is left to the interpreter.
 *
 * What differs from a copy:
 *   - LOCK is dropped (one vCPU); XCHG with memory, which locks by itself, becomes a load and a store.
 *   - Only a row's own mandatory prefix is written: F3 0F BC would be TZCNT.
 *   - INC and DEC of 40-4F are REX prefixes: FF /0, FF /1. 82 is 80. SAL's alias /6 is /4, TEST's /1 is /0.
 *   - AH, CH, DH, BH cannot meet REX (SDM vol. 2, 2.2.1.2): through r10, see emit_high_get.
 *   - moffs (A0-A3) and XLAT get a ModRM operand.
 *   - BT and its kin with a register index reach beyond their operand: the element's address is computed (BMI2).
 *
 * Not implemented (interpreter): BCD adjustments, SALC, BOUND, ARPL, BSWAP of 16 bits, SHLD and SHRD of 16
 * bits by CL, MASKMOVQ/MASKMOVDQU, CLFLUSH,
 * x87 environment images.
 */
#include "translator/operand.h"

typedef bool ShapeFn(const Job *j);

/* --- fields --- */

static u8 prefix_of(const Insn *i)
{
    static const u8 mandatory[] = {[PFX_66] = 0x66, [PFX_F3] = 0xf3, [PFX_F2] = 0xf2};
    if (i->row->pfx >= PFX_66) return mandatory[i->row->pfx];
    return i->row->cls != XC_FPU && i->opsize == 2 && operand_all_traits(i) & OT_V ? 0x66 : 0;
}

static HostOp op_of(const Insn *i)
{
    u16 traits = operand_all_traits(i);
    HostOp op = {.opcode = i->row->opcode, .pfx = prefix_of(i), .reg = i->reg};
    if (traits & OT_REG_GPR) op.reg = (u8)host_gpr(i->reg);
    return op;
}

static void put_imm(Emit *e, const Insn *i)
{
    u16 traits = operand_all_traits(i);
    if (traits & OT_IMM8) emit_u8(e, (u8)i->imm);
    if (traits & OT_IMM16 || (traits & OT_IMMV && i->opsize == 2))
        emit_u16(e, (u16)i->imm);
    else if (traits & OT_IMMV)
        emit_u32(e, i->imm);
}

static bool is_high(int r) { return r >= 4 && r < 8; }

/* --- stores through CS --- */

static bool x87_loads(const Insn *i)
{
    static const u8 load_digits[8] = {
        [0] = 0xff, [1] = 0x21, [2] = 0xff, [3] = 0x21, [4] = 0xff, [5] = 0x01, [6] = 0xff, [7] = 0x31};
    return (i->row->opcode & ~7) == 0xd8 && load_digits[i->row->opcode & 7] >> i->reg & 1;
}

static bool writes_memory(const Insn *i)
{
    u16 op = i->row->opcode;
    if (op == 0x86 || op == 0x87 || op == 0x0fc0 || op == 0x0fc1) return true;
    if (!(operand_traits[i->row->o[0]] & OT_MEM)) return false;
    if (op == 0x38 || op == 0x39 || op == 0x84 || op == 0x85) return false;
    if (op >= 0x80 && op <= 0x83) return i->reg != 7;
    if (op == 0xf6 || op == 0xf7) return i->reg == 2 || i->reg == 3;
    if (op == 0x0fba) return i->reg != 4;
    if (op == 0x0fa3) return false;
    return !x87_loads(i);
}

static bool store_allowed(const Job *j)
{
    return j->i->seg != CS || job_may_store_cs(j) || !writes_memory(j->i);
}

static bool place_operand(const Job *j, HostMem *out)
{
    return operand_place_ea(j->e, out, operand_ea(j->i), j->m, j->form, operand_mem_bytes(j->i),
                            writes_memory(j->i));
}

/* --- shapes with ModRM --- */

/* MOVZX and MOVSX ESP, AH: the high byte goes through r10. */
static void put_reg_form(const Job *j, HostOp op)
{
    u16 traits = operand_all_traits(j->i);
    int rm = traits & OT_RM_GPR ? host_gpr(j->i->rm) : j->i->rm;
    bool high = (traits & OT_RM_BYTE && is_high(rm)) || (traits & OT_REG_BYTE && is_high(op.reg));
    if (high && op.reg >= R8) {
        emit_high_get(j->e, R10, rm, R11);
        rm = R10;
        high = false;
    }
    op.high = high;
    emit_op_reg(j->e, op, rm);
    put_imm(j->e, j->i);
}

static bool put_mem_form(const Job *j, HostOp op)
{
    HostMem mem;
    int high = 0;
    if (!store_allowed(j) || !place_operand(j, &mem)) return false;
    op.high = operand_all_traits(j->i) & OT_REG_BYTE && is_high(op.reg);
    if (op.high && host_op_needs_rex(op, mem)) {
        high = op.reg;
        emit_high_get(j->e, R10, high, R11);
        op.reg = R10;
        op.high = false;
    }
    emit_op_guest(j->e, op, mem);
    put_imm(j->e, j->i);
    bool changed = operand_traits[j->i->row->o[0]] & OT_REG_BYTE || op.opcode == 0x0fc0;
    if (high && changed) emit_high_back(j->e, high, R10, R11);
    return true;
}

static bool put_modrm_op(const Job *j, HostOp op)
{
    if (j->i->is_mem) return put_mem_form(j, op);
    put_reg_form(j, op);
    return true;
}

static bool shape_modrm(const Job *j) { return put_modrm_op(j, op_of(j->i)); }

static bool shape_reg_only(const Job *j) { return !j->i->is_mem && shape_modrm(j); }

/* 82 is an alias of 80 that 64-bit mode refuses. */
static bool shape_alias_80(const Job *j)
{
    HostOp op = op_of(j->i);
    op.opcode = 0x80;
    return put_modrm_op(j, op);
}

/* Shifts: /6 is SAL's undocumented alias. */
static bool shape_shift(const Job *j)
{
    HostOp op = op_of(j->i);
    if (op.reg == 6) op.reg = 4;
    return put_modrm_op(j, op);
}

/* F6, F7: /1 is TEST's undocumented alias. */
static bool shape_group3(const Job *j)
{
    HostOp op = op_of(j->i);
    if (op.reg == 1) op.reg = 0;
    return put_modrm_op(j, op);
}

/* FE, FF: INC and DEC; calls, jumps and PUSH are others' */
static bool shape_incdec(const Job *j) { return j->i->reg <= 1 && shape_modrm(j); }

/* r8 = address of the element that holds bit `index` of the bit string at ea; r9, r10 clobbered. */
static void put_bit_element(const Job *j, Ea *ea, int index)
{
    Emit *e = j->e;
    bool word = j->i->opsize == 2;
    if (word) emit_op_reg(e, (HostOp){.opcode = 0x0fbf, .reg = R9}, index);
    emit_mov_ri32(e, R10, word ? 4 : 5);
    emit_shift_x(e, SHIFT_SARX, R9, word ? R9 : index, R10);
    if (ea->at.index != REG_NONE) {
        emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = R8}, ea->at);
        ea->at = (HostMem){R8, REG_NONE, 0, false, 0};
    }
    ea->at.index = R9;
    ea->at.scale = word ? 1 : 2;
    emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = R8}, ea->at);
    ea->at = (HostMem){R8, REG_NONE, 0, false, 0};
}

/* BT, BTS, BTR, BTC with a bit index in a register: in memory the index reaches beyond the operand, so the element's
 * address is computed, and the host gets an index within it. */
static bool shape_bit_index(const Job *j)
{
    Emit *e = j->e;
    HostMem mem;
    Ea ea = operand_ea(j->i);
    HostOp op = op_of(j->i);
    if (!j->i->is_mem) return shape_modrm(j);
    if (!host_features_get()->bmi2 || !store_allowed(j)) return false;
    put_bit_element(j, &ea, op.reg);
    if (!operand_place_ea(e, &mem, ea, j->m, j->form, j->i->opsize, writes_memory(j->i))) return false;
    emit_mov_ri32(e, R11, j->i->opsize == 2 ? 28 : 27);
    emit_shift_x(e, SHIFT_SHLX, R10, op.reg, R11);
    emit_shift_x(e, SHIFT_SHRX, R10, R10, R11);
    op.reg = R10;
    emit_op_guest(e, op, mem);
    return true;
}

/* SHLD, SHRD of 16 bits by more than 16: processors differ; the interpreter knows ours. */
static bool shape_double_shift(const Job *j)
{
    bool by_cl = j->i->row->opcode & 1;
    if (j->i->opsize == 2 && (by_cl || (j->i->imm & 31) > 16)) return false;
    return shape_modrm(j);
}

static bool shape_c7(const Job *j) { return j->i->reg == 0 && shape_modrm(j); }
static bool shape_cmpxchg8b(const Job *j) { return j->i->reg == 1 && j->i->is_mem && shape_modrm(j); }

/* Load to r11, store, then the register: the only change comes last. The load is marked, since a page that is missing
 * has to be reported as missing for a write. */
static bool shape_xchg(const Job *j)
{
    HostMem mem;
    Emit *e = j->e;
    unsigned bytes = j->i->row->opcode == 0x86 ? 1 : j->i->opsize;
    int reg = bytes == 1 ? j->i->reg : host_gpr(j->i->reg), src = reg;
    if (!j->i->is_mem) return shape_modrm(j);
    if (!store_allowed(j) || !operand_place_ea(e, &mem, operand_ea(j->i), j->m, j->form, bytes, true))
        return false;
    bool high = bytes == 1 && is_high(reg);
    if (high) emit_high_get(e, src = R10, reg, R11);
    emit_u8(e, LOAD_TO_STORE);
    emit_guest_load(e, R11, mem, bytes);
    emit_guest_store(e, mem, src, bytes);
    if (high)
        emit_high_put(e, reg, R11, R9);
    else if (bytes == 1)
        emit_op_reg(e, (HostOp){.opcode = 0x88, .reg = R11}, reg);
    else
        emit_mov_part(e, reg, R11, bytes);
    return true;
}

/* LEA touches no memory; 16-bit addresses are truncated only if the result is wider. */
static bool shape_lea(const Job *j)
{
    Ea ea = operand_ea(j->i);
    HostOp op = {.opcode = 0x8d, .reg = (u8)host_gpr(j->i->reg), .pfx = j->i->opsize == 2 ? 0x66 : 0};
    if (!j->i->is_mem) return false;
    emit_op_mem(j->e, op, ea.at);
    if (ea.ad16 && j->i->opsize == 4) emit_movzx16(j->e, op.reg, op.reg);
    return true;
}

/* --- shapes without ModRM --- */

static bool shape_nothing(const Job *j) { return (void)j, true; }

static bool shape_plain(const Job *j)
{
    emit_u8(j->e, (u8)j->i->row->opcode);
    return true;
}

static bool shape_plain_0f(const Job *j)
{
    emit_u8(j->e, 0x0f);
    return shape_plain(j);
}

/* CBW, CWDE, CWD, CDQ */
static bool shape_sized(const Job *j)
{
    if (j->i->opsize == 2) emit_u8(j->e, 0x66);
    return shape_plain(j);
}

static bool shape_lahf(const Job *j) { return host_features_get()->lahf && shape_plain(j); }

static bool shape_acc_imm(const Job *j)
{
    u8 pfx = prefix_of(j->i);
    if (pfx) emit_u8(j->e, pfx);
    emit_u8(j->e, (u8)j->i->row->opcode);
    put_imm(j->e, j->i);
    return true;
}

/* 40-4F as FF /0 and /1 */
static bool shape_incdec_short(const Job *j)
{
    HostOp op = {.opcode = 0xff, .pfx = prefix_of(j->i), .reg = j->i->row->opcode >> 3 & 1};
    emit_op_reg(j->e, op, host_gpr(j->i->reg));
    return true;
}

/* 90-97 as 87 /r; 90 itself does nothing, not even clear the upper half */
static bool shape_xchg_acc(const Job *j)
{
    if (j->i->reg == EAX) return true;
    emit_op_reg(j->e, (HostOp){.opcode = 0x87, .pfx = prefix_of(j->i)}, host_gpr(j->i->reg));
    return true;
}

static bool shape_mov_imm8(const Job *j)
{
    emit_u8(j->e, (u8)(0xb0 + j->i->reg));
    emit_u8(j->e, (u8)j->i->imm);
    return true;
}

static bool shape_mov_imm(const Job *j)
{
    int dst = host_gpr(j->i->reg);
    if (j->i->opsize == 4) {
        emit_mov_ri32(j->e, dst, j->i->imm);
    } else {
        emit_op_reg(j->e, (HostOp){.opcode = 0xc7, .pfx = 0x66}, dst);
        emit_u16(j->e, (u16)j->i->imm);
    }
    return true;
}

static bool shape_bswap(const Job *j)
{
    if (j->i->opsize == 2) return false;
    emit_bswap32(j->e, host_gpr(j->i->opcode & 7));
    return true;
}

/* A0-A3 -> 8A, 8B, 88, 89 with AL or eAX */
static bool shape_moffs(const Job *j)
{
    static const u8 opcode[] = {0x8a, 0x8b, 0x88, 0x89};
    HostOp op = {.opcode = opcode[j->i->row->opcode & 3], .pfx = prefix_of(j->i)};
    HostMem mem;
    if (!store_allowed(j) || !place_operand(j, &mem)) return false;
    emit_op_guest(j->e, op, mem);
    return true;
}

static bool shape_xlat(const Job *j)
{
    HostMem mem;
    Ea ea = {.at = {RBX, R8, 0, false, 0}, .ad16 = j->i->adsize == 2, .seg = j->i->seg};
    emit_op_reg(j->e, (HostOp){.opcode = 0x0fb6, .reg = R8}, RAX);
    if (!operand_place_ea(j->e, &mem, ea, j->m, j->form, 1, false)) return false;
    emit_op_guest(j->e, (HostOp){.opcode = 0x8a}, mem);
    return true;
}

/* x87: FLDENV, FNSTENV, FRSTOR, FNSAVE hold pointers that differ on the host. */
static bool shape_x87(const Job *j)
{
    bool env = (j->i->row->opcode == 0xd9 || j->i->row->opcode == 0xdd) && (j->i->reg == 4 || j->i->reg == 6);
    return !(j->i->is_mem && env) && shape_modrm(j);
}

/* 0F AE: LDMXCSR, STMXCSR, fences */
static bool shape_0fae(const Job *j)
{
    if (j->i->is_mem) return (j->i->reg == 2 || j->i->reg == 3) && shape_modrm(j);
    if (j->i->reg < 5) return false;
    emit_op_reg(j->e, op_of(j->i), 0); /* rm means nothing */
    return true;
}

/* --- the opcode maps --- */

#define ALU(n) [(n)...(n) + 3] = shape_modrm, [(n) + 4] = shape_acc_imm, [(n) + 5] = shape_acc_imm

static ShapeFn *const one_byte[256] = {
    ALU(0x00),
    ALU(0x08),
    ALU(0x10),
    ALU(0x18),
    ALU(0x20),
    ALU(0x28),
    ALU(0x30),
    ALU(0x38),
    [0x40 ... 0x4f] = shape_incdec_short,
    [0x69] = shape_modrm,
    [0x6b] = shape_modrm,
    [0x80 ... 0x81] = shape_modrm,
    [0x82] = shape_alias_80,
    [0x83 ... 0x85] = shape_modrm,
    [0x86 ... 0x87] = shape_xchg,
    [0x88 ... 0x8b] = shape_modrm,
    [0x8d] = shape_lea,
    [0x90 ... 0x97] = shape_xchg_acc,
    [0x98 ... 0x99] = shape_sized,
    [0x9b] = shape_plain,
    [0x9e ... 0x9f] = shape_lahf,
    [0xa0 ... 0xa3] = shape_moffs,
    [0xa8 ... 0xa9] = shape_acc_imm,
    [0xb0 ... 0xb7] = shape_mov_imm8,
    [0xb8 ... 0xbf] = shape_mov_imm,
    [0xc0 ... 0xc1] = shape_shift,
    [0xc6 ... 0xc7] = shape_c7,
    [0xd0 ... 0xd3] = shape_shift,
    [0xd7] = shape_xlat,
    [0xd8 ... 0xdf] = shape_x87,
    [0xf5] = shape_plain,
    [0xf6 ... 0xf7] = shape_group3,
    [0xf8 ... 0xf9] = shape_plain,
    [0xfc ... 0xfd] = shape_plain,
    [0xfe ... 0xff] = shape_incdec,
};

static ShapeFn *const two_byte[256] = {
    [0x0d] = shape_nothing,
    [0x10 ... 0x17] = shape_modrm,
    [0x18 ... 0x1f] = shape_nothing,
    [0x28 ... 0x2f] = shape_modrm,
    [0x40 ... 0x4f] = shape_modrm,
    [0x50] = shape_reg_only,
    [0x51 ... 0x6f] = shape_modrm,
    [0x70] = shape_modrm,
    [0x71 ... 0x73] = shape_reg_only,
    [0x74 ... 0x76] = shape_modrm,
    [0x77] = shape_plain_0f,
    [0x7e ... 0x7f] = shape_modrm,
    [0x90 ... 0x9f] = shape_modrm,
    [0xa3] = shape_bit_index,
    [0xa4 ... 0xa5] = shape_double_shift,
    [0xab] = shape_bit_index,
    [0xac ... 0xad] = shape_double_shift,
    [0xae] = shape_0fae,
    [0xaf] = shape_modrm,
    [0xb0 ... 0xb1] = shape_modrm,
    [0xb3] = shape_bit_index,
    [0xb6 ... 0xb7] = shape_modrm,
    [0xba] = shape_modrm,
    [0xbb] = shape_bit_index,
    [0xbc ... 0xbf] = shape_modrm,
    [0xc0 ... 0xc2] = shape_modrm,
    [0xc3] = shape_modrm,
    [0xc4 ... 0xc6] = shape_modrm,
    [0xc7] = shape_cmpxchg8b,
    [0xc8 ... 0xcf] = shape_bswap,
    [0xd1 ... 0xd6] = shape_modrm,
    [0xd7] = shape_reg_only,
    [0xd8 ... 0xf6] = shape_modrm,
    [0xf8 ... 0xfe] = shape_modrm,
};

static bool fpu_allowed(const Job *j)
{
    u16 checks = j->i->row->checks;
    bool x87 = checks & (CK_FPU | CK_WAIT) || j->i->row->opcode == 0x9b;
    u8 needed = (x87 ? 1 : 0) | (checks & CK_MMX ? 2 : 0) | (checks & CK_SSE ? 4 : 0);
    return (needed & ~j->m->fpu_ok) == 0;
}

/* XLAT, bit strings and 82 are INTERP in the table, since they need more than a copy; they have a form here all the
 * same. */
static bool has_shape(const Row *row)
{
    bool bits = (row->opcode & 0xffe7) == 0x0fa3;
    if (row->opcode == 0x82) return true;
    return row->cls == XC_IDENT || row->cls == XC_MEM || row->cls == XC_FPU || row->opcode == 0xd7 || bits;
}

static bool emit_row(const Job *j)
{
    const Row *row = j->i->row;
    if (row->cls == XC_STACK) return emit_stack(j);
    if (!has_shape(row) || (row->cls == XC_FPU && !fpu_allowed(j))) return false;
    ShapeFn *shape = (row->opcode >> 8 ? two_byte : one_byte)[(u8)row->opcode];
    return shape && shape(j);
}

bool emit_identity(Emit *e, const Insn *i, const BlockMode *m, MemForm form, u32 next_eip)
{
    u8 *at = e->at;
    Job j = {e, i, m, form, next_eip};
    if (emit_row(&j)) return true;
    e->at = at;
    return false;
}
