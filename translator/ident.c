/* ident.c - the identity rows: guest instructions whose host form is themselves, with r14 for ESP and the memory
 * operand rewritten. The table's column `host` is the whitelist: it names the shape of a row, a function that writes it
 * from decoded fields. What has none has no host form (it is invalid or different in 64-bit mode, touches memory
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
 * Not implemented (interpreter): BCD adjustments, SALC, BOUND, ARPL, BSWAP of 16 bits, SHLD and SHRD of 16 bits by CL,
 * MASKMOVQ/MASKMOVDQU, CLFLUSH, x87 environment images.
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
    op.word = i->row->pfx > PFX_66 && i->opsize == 2 && traits & OT_V; /* POPCNT, CRC32 */
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

static bool writes_memory(const Insn *i)
{
    return i->row->dest & DEST_O1 && operand_traits[i->row->o[0]] & OT_MEM;
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

/* A store of 10 bytes (FSTP m80, FBSTP) over the end of a page is two to some processors, which have done the first when
 * the second faults. So its last byte goes first: read, marked as a store, and written back. The table looks at all. */
static bool put_probe_of_ten(const Job *j, HostMem mem)
{
    enum { BYTES = 10 };
    if (operand_mem_bytes(j->i) != BYTES || !writes_memory(j->i) || j->form == MEM_TABLE || j->m->unpaged)
        return true;
    if (mem.disp > INT32_MAX - BYTES) return false;
    mem.disp += BYTES - 1;
    emit_u8(j->e, LOAD_TO_STORE);
    emit_guest_load(j->e, R11, mem, 1);
    emit_guest_store(j->e, mem, R11, 1);
    return true;
}

static bool put_mem_form(const Job *j, HostOp op)
{
    HostMem mem;
    int high = 0;
    if (!store_allowed(j) || !place_operand(j, &mem) || !put_probe_of_ten(j, mem)) return false;
    op.high = operand_all_traits(j->i) & OT_REG_BYTE && is_high(op.reg);
    if (op.high && host_op_needs_rex(op, mem)) {
        high = op.reg;
        emit_high_get(j->e, R10, high, R11);
        op.reg = R10;
        op.high = false;
    }
    emit_op_guest(j->e, op, mem);
    put_imm(j->e, j->i);
    bool changed = operand_traits[j->i->row->o[0]] & OT_REG_BYTE || j->i->row->dest & DEST_O2;
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

/* F6, F7: /1 is TEST's undocumented alias. MUL and IMUL with an indexed operand, which all windows' are, take half as
 * long again as a load before them. */
static bool shape_group3(const Job *j)
{
    HostOp op = op_of(j->i);
    HostMem mem;
    bool multiplies = op.reg == 4 || op.reg == 5;
    if (op.reg == 1) op.reg = 0;
    if (!j->i->is_mem || !multiplies || op.opcode != 0xf7 || j->i->opsize != 4) return put_modrm_op(j, op);
    if (!place_operand(j, &mem)) return false;
    emit_guest_load(j->e, R11, mem, 4);
    emit_op_reg(j->e, op, R11);
    return true;
}

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
    j->e->at = opcode_put(j->e->at, j->i->row->opcode);
    return true;
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

/* 91-97 as 87 /r */
static bool shape_xchg_acc(const Job *j)
{
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

/* LFENCE, MFENCE, SFENCE: rm means nothing */
static bool shape_fence(const Job *j)
{
    emit_op_reg(j->e, op_of(j->i), 0);
    return true;
}

/* --- by the column `host` --- */

static ShapeFn *const shapes[HF_COUNT] = {
    [HF_COPY] = shape_modrm,     [HF_NOP] = shape_nothing,       [HF_PLAIN] = shape_plain,
    [HF_SIZED] = shape_sized,    [HF_ACC] = shape_acc_imm,       [HF_AS80] = shape_alias_80,
    [HF_SHIFT] = shape_shift,    [HF_SHXD] = shape_double_shift, [HF_GRP3] = shape_group3,
    [HF_BITS] = shape_bit_index, [HF_XCHG] = shape_xchg,         [HF_LEA] = shape_lea,
    [HF_XLAT] = shape_xlat,      [HF_INC] = shape_incdec_short,  [HF_XCHGA] = shape_xchg_acc,
    [HF_MOVIB] = shape_mov_imm8, [HF_MOVI] = shape_mov_imm,      [HF_MOFFS] = shape_moffs,
    [HF_BSWAP] = shape_bswap,    [HF_AHF] = shape_lahf,          [HF_FENCE] = shape_fence,
};

static bool fpu_allowed(const Job *j)
{
    u16 checks = j->i->row->checks;
    bool x87 = checks & (CK_FPU | CK_WAIT) || j->i->row->opcode == 0x9b;
    u8 needed = (x87 ? 1 : 0) | (checks & CK_MMX ? 2 : 0) | (checks & CK_SSE ? 4 : 0);
    return (needed & ~j->m->fpu_ok) == 0;
}

static bool emit_row(const Job *j)
{
    const Row *row = j->i->row;
    if (row->cls == XC_STACK) return emit_stack(j);
    if (row->cls == XC_FPU && !fpu_allowed(j)) return false;
    return shapes[row->host] && shapes[row->host](j);
}

bool emit_identity(Emit *e, const Insn *i, const BlockMode *m, MemForm form, u32 next_eip)
{
    u8 *at = e->at;
    Job j = {e, i, m, form, next_eip};
    if (emit_row(&j)) return true;
    e->at = at;
    return false;
}
