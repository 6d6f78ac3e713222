/* shift.c - ROL ROR RCL RCR SHL SHR SAR SHLD SHRD (SDM vol. 2).
 *
 * The count is taken modulo 32 for every width; a count of 0 leaves the flags alone. CF is the last bit that
 * left the operand. OF is defined for a count of 1 only; for others it is computed by the same rule from the
 * result, as Intel's processors do. AF after a shift is undefined and cleared here.
 *
 * Rotates of bytes and words use the count modulo 8 or 16 (through carry: 9 or 17), but a masked count that is
 * not 0 still sets CF. SHLD and SHRD of words by more than 16 are undefined; the P6 shifts dest:src:dest.
 */
#include "cpu/alu.h"

static inline unsigned shift_count(Vcpu *c, const Insn *i, int n) { return op_read(c, i, n) & 31; }

static inline u32 flag_c(u32 bit) { return bit & 1 ? FL_C : 0; }
static inline bool top_bit(u32 v, unsigned bytes) { return v & width_sign(bytes); }
static inline u32 flag_o_left(u32 r, u32 cf, unsigned bytes)
{
    return top_bit(r, bytes) != (cf != 0) ? FL_O : 0;
}
static inline u32 flag_o_right(u32 r, unsigned bytes) { return (r ^ r << 1) & width_sign(bytes) ? FL_O : 0; }

static inline void rotated(Vcpu *c, const Insn *i, u32 r, u32 flags)
{
    op_write(c, i, 0, r);
    flags_set(c, FL_C | FL_O, flags);
}

void exec_rol(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0), bits = width_bits(bytes);
    u32 a = op_read_rmw(c, i, 0);
    unsigned n = shift_count(c, i, 1), turn = n % bits;
    if (!n) return;
    u32 r = turn ? (a << turn | a >> (bits - turn)) & width_mask(bytes) : a;
    u32 cf = flag_c(r);
    rotated(c, i, r, cf | flag_o_left(r, cf, bytes));
}

void exec_ror(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0), bits = width_bits(bytes);
    u32 a = op_read_rmw(c, i, 0);
    unsigned n = shift_count(c, i, 1), turn = n % bits;
    if (!n) return;
    u32 r = turn ? (a >> turn | a << (bits - turn)) & width_mask(bytes) : a;
    rotated(c, i, r, flag_c(r >> (bits - 1)) | flag_o_right(r, bytes));
}

/* Rotation through carry turns a number of bits + 1 digits, with CF on top. */
static inline u64 with_carry(const Vcpu *c, u32 a, unsigned bits)
{
    return (u64)(c->eflags & FL_C) << bits | a;
}

static inline void rotate_carry(Vcpu *c, const Insn *i, bool left)
{
    unsigned bytes = op_bytes(i, 0), bits = width_bits(bytes);
    u32 a = op_read_rmw(c, i, 0);
    unsigned n = shift_count(c, i, 1), turn = n % (bits + 1);
    if (!n) return;
    u64 all = with_carry(c, a, bits);
    if (turn) all = left ? all << turn | all >> (bits + 1 - turn) : all >> turn | all << (bits + 1 - turn);
    u32 r = (u32)all & width_mask(bytes), cf = flag_c((u32)(all >> bits));
    rotated(c, i, r, cf | (left ? flag_o_left(r, cf, bytes) : flag_o_right(r, bytes)));
}

void exec_rcl(Vcpu *c, const Insn *i) { rotate_carry(c, i, true); }
void exec_rcr(Vcpu *c, const Insn *i) { rotate_carry(c, i, false); }

static inline void shifted(Vcpu *c, const Insn *i, u32 r, u32 cf_of, unsigned bytes)
{
    op_write(c, i, 0, r);
    flags_set(c, FL_ARITH, flags_szp(r, bytes) | cf_of);
}

void exec_shl(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0);
    u32 a = op_read_rmw(c, i, 0);
    unsigned n = shift_count(c, i, 1);
    if (!n) return;
    u64 all = (u64)a << n;
    u32 r = (u32)all & width_mask(bytes), cf = flag_c((u32)(all >> width_bits(bytes)));
    shifted(c, i, r, cf | flag_o_left(r, cf, bytes), bytes);
}

void exec_shr(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0);
    u32 a = op_read_rmw(c, i, 0);
    unsigned n = shift_count(c, i, 1);
    if (!n) return;
    u32 r = a >> n;
    shifted(c, i, r, flag_c(a >> (n - 1)) | flag_o_right(r, bytes), bytes);
}

void exec_sar(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0);
    s32 a = (s32)sign_extend(op_read_rmw(c, i, 0), bytes);
    unsigned n = shift_count(c, i, 1);
    if (!n) return;
    u32 r = (u32)(a >> n) & width_mask(bytes);
    shifted(c, i, r, flag_c((u32)(a >> (n - 1))), bytes);
}

/* dest:src:dest as one number of three operands; word counts above 16 reach the third. */
static inline u64 triple(u32 dest, u32 src, unsigned bytes)
{
    return bytes == 4 ? (u64)dest << 32 | src : (u64)dest << 32 | (u64)src << 16 | dest;
}

void exec_shld(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0), bits = width_bits(bytes);
    u32 dest = op_read_rmw(c, i, 0), src = op_read(c, i, 1);
    unsigned n = shift_count(c, i, 2);
    if (!n) return;
    u64 all = triple(dest, src, bytes);
    u32 r = (u32)(all << n >> 32) & width_mask(bytes);
    u32 cf = flag_c((u32)(all >> (32 + bits - n)));
    shifted(c, i, r, cf | ((r ^ dest) & width_sign(bytes) ? FL_O : 0), bytes);
}

void exec_shrd(Vcpu *c, const Insn *i)
{
    unsigned bytes = op_bytes(i, 0);
    u32 dest = op_read_rmw(c, i, 0), src = op_read(c, i, 1);
    unsigned n = shift_count(c, i, 2);
    if (!n) return;
    u64 all = bytes == 4 ? (u64)src << 32 | dest : triple(dest, src, bytes);
    u32 r = (u32)(all >> n) & width_mask(bytes);
    shifted(c, i, r, flag_c((u32)(all >> (n - 1))) | ((r ^ dest) & width_sign(bytes) ? FL_O : 0), bytes);
}
