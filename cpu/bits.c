/* bits.c - BT BTS BTR BTC BSF BSR POPCNT CRC32 BSWAP SETcc (SDM vol. 2).
 *
 * With a register bit offset the memory operand is a bit string: the signed offset selects an element of operand
 * size before or after the address. BT and friends change CF only; the flags the manual calls undefined stay.
 * BSF and BSR of 0 set ZF and leave the destination alone, as all processors do; other flags stay.
 * BSWAP of a 16-bit register is undefined and clears it, as on all processors since the 486.
 */
#include "cpu/alu.h"

typedef enum BitOp { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT } BitOp;

static u32 bit_apply(u32 v, u32 bit, BitOp op)
{
    switch (op) {
    case BIT_SET: return v | bit;
    case BIT_RESET: return v & ~bit;
    case BIT_COMPLEMENT: return v ^ bit;
    default: return v;
    }
}

static u32 bit_string_ea(const Vcpu *c, const Insn *i, u32 offset)
{
    unsigned bytes = i->opsize, shift = bytes == 4 ? 5 : 4;
    u32 element = (u32)((s32)sign_extend(offset, bytes) >> shift);
    u32 ea = insn_ea(c, i) + element * bytes;
    return i->adsize == 2 ? (u16)ea : ea;
}

static void bit_string(Vcpu *c, const Insn *i, BitOp op)
{
    u32 offset = op_read(c, i, 1), bit = 1u << (offset & (width_bits(i->opsize) - 1));
    u32 ea = bit_string_ea(c, i, offset);
    u32 v = op == BIT_TEST ? mem_read(c, i->seg, ea, i->opsize) : mem_read_rmw(c, i->seg, ea, i->opsize);
    if (op != BIT_TEST) mem_write(c, i->seg, ea, bit_apply(v, bit, op), i->opsize);
    flags_set(c, FL_C, v & bit ? FL_C : 0);
}

static void bit_op(Vcpu *c, const Insn *i, BitOp op)
{
    if (i->is_mem && i->row->o[1] == O_Gv) {
        bit_string(c, i, op);
        return;
    }
    u32 v = op == BIT_TEST ? op_read(c, i, 0) : op_read_rmw(c, i, 0);
    u32 bit = 1u << (op_read(c, i, 1) & (width_bits(i->opsize) - 1));
    if (op != BIT_TEST) op_write(c, i, 0, bit_apply(v, bit, op));
    flags_set(c, FL_C, v & bit ? FL_C : 0);
}

void exec_bt(Vcpu *c, const Insn *i) { bit_op(c, i, BIT_TEST); }
void exec_bts(Vcpu *c, const Insn *i) { bit_op(c, i, BIT_SET); }
void exec_btr(Vcpu *c, const Insn *i) { bit_op(c, i, BIT_RESET); }
void exec_btc(Vcpu *c, const Insn *i) { bit_op(c, i, BIT_COMPLEMENT); }

void exec_bsf(Vcpu *c, const Insn *i)
{
    u32 v = op_read(c, i, 1);
    if (v) op_write(c, i, 0, (u32)__builtin_ctz(v));
    flags_set(c, FL_Z, v ? 0 : FL_Z);
}

void exec_bsr(Vcpu *c, const Insn *i)
{
    u32 v = op_read(c, i, 1);
    if (v) op_write(c, i, 0, 31 - (u32)__builtin_clz(v));
    flags_set(c, FL_Z, v ? 0 : FL_Z);
}

void exec_popcnt(Vcpu *c, const Insn *i)
{
    u32 v = op_read(c, i, 1);
    op_write(c, i, 0, (u32)__builtin_popcount(v));
    flags_set(c, FL_ARITH, v ? 0 : FL_Z);
}

/* CRC-32C (Castagnoli) of the source's bytes, low one first, bits reflected, neither inverted before nor after. */
void exec_crc32(Vcpu *c, const Insn *i)
{
    enum { POLYNOMIAL_REFLECTED = 0x82f63b78 };
    u32 crc = op_read(c, i, 0) ^ op_read(c, i, 1);
    for (unsigned bit = 0; bit < width_bits(op_bytes(i, 1)); bit++)
        crc = crc >> 1 ^ (crc & 1 ? (u32)POLYNOMIAL_REFLECTED : 0);
    op_write(c, i, 0, crc);
}

void exec_bswap(Vcpu *c, const Insn *i)
{
    op_write(c, i, 0, i->opsize == 4 ? __builtin_bswap32(op_read(c, i, 0)) : 0);
}

void exec_movbe(Vcpu *c, const Insn *i)
{
    u32 v = op_read(c, i, 1);
    op_write(c, i, 0, i->opsize == 4 ? __builtin_bswap32(v) : __builtin_bswap16((u16)v));
}

void exec_setcc(Vcpu *c, const Insn *i) { op_write(c, i, 0, condition_holds(c, i->opcode & 15)); }
