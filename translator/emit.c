/* emit.c - host instruction writers: prefixes, REX, ModRM, SIB and displacements (SDM vol. 2, 2.1-2.2), jumps and
 * holes. Nothing here knows the guest, but for one rule: emit_op_guest is the only writer of instructions that
 * touch guest memory, and it CHECKs that they cannot leave the window:
 *   - [r12 + r64 + disp]: one register that holds a zero-extended 32-bit number, and a displacement. Such an address is
 *     at most 2 GiB before the window or behind it, which is where its guards are (mmu/window.c);
 *   - where the guards are wide, [r12 + r64 * scale + disp], and [r9 + r64 + disp] with r9 = r12 + r64 * scale
 *     (hoist.c): 2 GiB before it to 34 behind;
 *   - [r8 + disp] right after a table's gate, which answers with the host address of the whole operand (glue.S);
 *   - [r9 + r8] right after a look at the table of open bytes (operand.c).
 *
 * Not implemented: VEX but for rorx, shlx, sarx, shrx, mulx.
 */
#include <string.h>

#include "cpu/vcpu.h"
#include "translator/operand.h"

/* --- bytes --- */

void emit_u8(Emit *e, u8 v) { *e->at++ = v; }

void emit_u16(Emit *e, u16 v)
{
    store16(e->at, v);
    e->at += 2;
}

void emit_u32(Emit *e, u32 v)
{
    store32(e->at, v);
    e->at += 4;
}

void emit_u64(Emit *e, u64 v)
{
    store64(e->at, v);
    e->at += 8;
}

void emit_bytes(Emit *e, const void *bytes, unsigned n)
{
    memcpy(e->at, bytes, n);
    e->at += n;
}

/* --- the encoder --- */

static u8 rex_of(HostOp op, int base_or_rm, int index)
{
    unsigned r = op.reg >> 3 & 1, b = base_or_rm == REG_NONE ? 0 : base_or_rm >> 3 & 1;
    unsigned x = index == REG_NONE ? 0 : index >> 3 & 1;
    return (u8)((op.wide ? 8 : 0) | r << 2 | x << 1 | b);
}

bool host_op_needs_rex(HostOp op, HostMem m)
{
    return m.guest == GUEST_WINDOW || rex_of(op, m.base, m.index) != 0;
}

/* The pieces of an instruction are put together at a local pointer: e->at, which any byte written might change as
 * far as the compiler knows, moves once. */
static inline u8 *put_opcode(u8 *at, HostOp op, u8 rex)
{
    CHECK(!(op.high && rex), "opcode %x: a high byte register cannot be used with REX", op.opcode);
    if (op.word) *at++ = 0x66;
    if (op.pfx) *at++ = op.pfx;
    if (rex) *at++ = 0x40 | rex;
    return opcode_put(at, op.opcode);
}

static inline u8 *put_modrm(u8 *at, int mod, int reg, int rm)
{
    *at++ = (u8)(mod << 6 | (reg & 7) << 3 | (rm & 7));
    return at;
}

static inline u8 *put_sib(u8 *at, HostMem m, int base)
{
    CHECK(m.index != RSP && m.scale <= 3, "rsp cannot be an index");
    int index = m.index == REG_NONE ? 4 : m.index;
    *at++ = (u8)(m.scale << 6 | (index & 7) << 3 | (base & 7));
    return at;
}

static inline u8 *put_disp32(u8 *at, s32 disp)
{
    store32(at, (u32)disp);
    return at + 4;
}

/* No base is coded through SIB: mod 0 rm 5 would be RIP-relative. */
static inline u8 *put_mem(u8 *at, int reg, HostMem m)
{
    if (m.base == REG_NONE) return put_disp32(put_sib(put_modrm(at, 0, reg, 4), m, 5), m.disp);
    int mod = m.disp == 0 && (m.base & 7) != RBP ? 0 : m.disp == (s8)m.disp ? 1 : 2;
    bool sib = m.index != REG_NONE || (m.base & 7) == RSP;
    at = put_modrm(at, mod, reg, sib ? 4 : m.base);
    if (sib) at = put_sib(at, m, m.base);
    if (mod == 1) *at++ = (u8)m.disp;
    return mod == 2 ? put_disp32(at, m.disp) : at;
}

void emit_op_reg(Emit *e, HostOp op, int rm)
{
    e->at = put_modrm(put_opcode(e->at, op, rex_of(op, rm, REG_NONE)), 3, op.reg, rm);
}

void emit_op_mem(Emit *e, HostOp op, HostMem m)
{
    e->at = put_mem(put_opcode(e->at, op, rex_of(op, m.base, m.index)), op.reg, m);
}

/* The guest's linear address base + disp, or index * scale + disp, as a host operand. */
static HostMem window_mem(const Emit *e, HostMem m)
{
    bool one = m.index == REG_NONE || (m.base == REG_NONE && e->wide);
    CHECK(one && !linear_wraps(m), "guest operand that is no window operand");
    if (m.index == REG_NONE) m.index = m.base;
    m.base = HOST_WINDOW;
    return m;
}

/* The index is in r9 already. */
static bool is_hoisted(const Emit *e, HostMem m)
{
    return m.guest == GUEST_HOISTED && e->hoisted && m.base == R9 && m.scale == 0 && !linear_wraps(m);
}

void emit_op_guest(Emit *e, HostOp op, HostMem m)
{
    if (m.guest == GUEST_WINDOW) m = window_mem(e, m);
    bool open = m.base == R9 && m.index == R8 && m.disp == 0 && e->open; /* by place_open, which looked */
    bool looked_up = m.guest == GUEST_LOOKED_UP && m.base == R8 && m.index == REG_NONE;
    CHECK(m.base == HOST_WINDOW || ((open || looked_up || is_hoisted(e, m)) && m.scale == 0),
          "guest operand outside a window");
    CHECK(m.index == REG_NONE || (m.index != RSP && (m.index < R12 || m.index == HOST_ESP)),
          "guest address in a host register");
    emit_op_mem(e, op, m);
}

static HostMem host_at(int base, s32 disp) { return (HostMem){(u8)base, REG_NONE, 0, false, disp}; }

static HostMem host_at_index(int base, int index, int scale, s32 disp)
{
    return (HostMem){(u8)base, (u8)index, (u8)scale, false, disp};
}

static HostOp op32(int opcode, int reg) { return (HostOp){.opcode = (u16)opcode, .reg = (u8)reg}; }
static HostOp op64(int opcode, int reg)
{
    return (HostOp){.opcode = (u16)opcode, .reg = (u8)reg, .wide = true};
}

static void put_op_plus(Emit *e, int opcode, int reg, bool wide)
{
    e->at = put_opcode(e->at, (HostOp){.opcode = (u16)(opcode + (reg & 7)), .wide = wide},
                       (u8)((wide ? 8 : 0) | reg >> 3));
}

/* --- moves --- */

void emit_mov_rr32(Emit *e, int dst, int src) { emit_op_reg(e, op32(0x89, src), dst); }
void emit_mov_rr64(Emit *e, int dst, int src) { emit_op_reg(e, op64(0x89, src), dst); }

void emit_mov_ri32(Emit *e, int dst, u32 imm)
{
    put_op_plus(e, 0xb8, dst, false);
    emit_u32(e, imm);
}

void emit_mov_ri64(Emit *e, int dst, u64 imm)
{
    if (imm == (u32)imm) {
        emit_mov_ri32(e, dst, (u32)imm);
    } else if ((s64)imm == (s32)imm) {
        emit_op_reg(e, op64(0xc7, 0), dst);
        emit_u32(e, (u32)imm);
    } else {
        put_op_plus(e, 0xb8, dst, true);
        emit_u64(e, imm);
    }
}

void emit_mov_rm32(Emit *e, int dst, int base, s32 disp)
{
    emit_op_mem(e, op32(0x8b, dst), host_at(base, disp));
}
void emit_mov_rm64(Emit *e, int dst, int base, s32 disp)
{
    emit_op_mem(e, op64(0x8b, dst), host_at(base, disp));
}
void emit_mov_mr32(Emit *e, int base, s32 disp, int src)
{
    emit_op_mem(e, op32(0x89, src), host_at(base, disp));
}
void emit_mov_mr64(Emit *e, int base, s32 disp, int src)
{
    emit_op_mem(e, op64(0x89, src), host_at(base, disp));
}

void emit_mov_mi32(Emit *e, int base, s32 disp, u32 imm)
{
    emit_op_mem(e, op32(0xc7, 0), host_at(base, disp));
    emit_u32(e, imm);
}

void emit_lea32(Emit *e, int dst, int base, s32 disp)
{
    emit_op_mem(e, op32(0x8d, dst), host_at(base, disp));
}
void emit_lea64(Emit *e, int dst, int base, s32 disp)
{
    emit_op_mem(e, op64(0x8d, dst), host_at(base, disp));
}

void emit_lea64_index(Emit *e, int dst, int base, int index, int scale, s32 disp)
{
    emit_op_mem(e, op64(0x8d, dst), host_at_index(base, index, scale, disp));
}

void emit_lea32_index(Emit *e, int dst, int base, int index, s32 disp)
{
    emit_op_mem(e, op32(0x8d, dst), host_at_index(base, index, 0, disp));
}

void emit_not64(Emit *e, int reg) { emit_op_reg(e, op64(0xf7, 2), reg); }
void emit_movzx16(Emit *e, int dst, int src) { emit_op_reg(e, op32(0x0fb7, dst), src); }

void emit_lea_host(Emit *e, int dst, const void *hp)
{
    enum { LEN = 7 };
    s64 rel = (const u8 *)hp - (e->at + e->to_exec + LEN);
    if (rel != (s32)rel) {
        emit_mov_ri64(e, dst, (u64)(uintptr_t)hp);
        return;
    }
    emit_op_host(e, op64(0x8d, dst), hp);
}

void emit_op_host(Emit *e, HostOp op, const void *hp)
{
    e->at = put_opcode(e->at, op, rex_of(op, REG_NONE, REG_NONE));
    e->at = put_modrm(e->at, 0, op.reg, RBP); /* RIP-relative */
    s64 rel = (const u8 *)hp - (e->at + e->to_exec + 4);
    CHECK(rel == (s32)rel, "an operand out of RIP's reach");
    emit_u32(e, (u32)rel);
}

void emit_bswap32(Emit *e, int reg) { put_op_plus(e, 0x0fc8, reg, false); }
void emit_bswap64(Emit *e, int reg) { put_op_plus(e, 0x0fc8, reg, true); }

void emit_mov_part(Emit *e, int dst, int src, unsigned bytes)
{
    emit_op_reg(e, (HostOp){.opcode = 0x89, .reg = (u8)src, .pfx = bytes == 2 ? 0x66 : 0}, dst);
}

/* --- control transfer --- */

static void put_rel32(Emit *e, const u8 *target_exec)
{
    s64 rel = target_exec - (e->at + e->to_exec + 4);
    CHECK(rel == (s32)rel, "jump target out of reach");
    emit_u32(e, (u32)rel);
}

static u8 *put_hole32(Emit *e)
{
    emit_u32(e, 0);
    return e->at - 4;
}

void emit_jmp(Emit *e, const u8 *target_exec)
{
    emit_u8(e, 0xe9);
    put_rel32(e, target_exec);
}

void emit_call(Emit *e, const u8 *target_exec)
{
    emit_u8(e, 0xe8);
    put_rel32(e, target_exec);
}

void emit_ret(Emit *e) { emit_u8(e, 0xc3); }

u8 *emit_jmp_hole(Emit *e)
{
    emit_u8(e, 0xe9);
    return put_hole32(e);
}

u8 *emit_call_hole(Emit *e)
{
    emit_u8(e, 0xe8);
    return put_hole32(e);
}

u8 *emit_jcc_hole(Emit *e, int cc)
{
    emit_u8(e, 0x0f);
    emit_u8(e, (u8)(0x80 | cc));
    return put_hole32(e);
}

u8 *emit_jrcxz_hole(Emit *e)
{
    emit_u8(e, 0xe3);
    emit_u8(e, 0);
    return e->at - 1;
}

void emit_patch32(u8 *hole, const u8 *target)
{
    s64 rel = target - (hole + 4);
    CHECK(rel == (s32)rel, "jump target out of reach");
    store32(hole, (u32)rel);
}

void emit_patch8(u8 *hole, const u8 *target)
{
    s64 rel = target - (hole + 1);
    CHECK(rel == (s8)rel, "short jump target out of reach");
    *hole = (u8)rel;
}

/* --- high byte registers --- */

/* VEX.LZ.F2.0F3A.W0 F0 /r ib */
static void put_rorx32(Emit *e, int dst, int src, u8 count)
{
    emit_u8(e, 0xc4);
    emit_u8(e, (u8)((dst & 8 ? 0 : 0x80) | 0x40 | (src & 8 ? 0 : 0x20) | 3));
    emit_u8(e, 0x7b);
    emit_u8(e, 0xf0);
    e->at = put_modrm(e->at, 3, dst, src);
    emit_u8(e, count);
}

/* VEX.LZ.(66, F3, F2).0F38.W F7 /r */
static void put_shift_x(Emit *e, unsigned w, ShiftX kind, int dst, int src, int count)
{
    emit_u8(e, 0xc4);
    emit_u8(e, (u8)((dst & 8 ? 0 : 0x80) | 0x40 | (src & 8 ? 0 : 0x20) | 2));
    emit_u8(e, (u8)(w << 7 | (~count & 15) << 3 | kind));
    emit_u8(e, 0xf7);
    e->at = put_modrm(e->at, 3, dst, src);
}

void emit_shift_x(Emit *e, ShiftX kind, int dst, int src, int count)
{
    put_shift_x(e, 0, kind, dst, src, count);
}

void emit_shift_x64(Emit *e, ShiftX kind, int dst, int src, int count)
{
    put_shift_x(e, 1, kind, dst, src, count);
}

/* --- time --- */

/* mulx dst, r8, [r11 + disp] (64 bits): dst = the product's upper half. */
static void put_mulx_high(Emit *e, int dst, s8 disp)
{
    u8 b[] = {0xc4, (u8)((dst & 8 ? 0 : 0x80) | 0x40 | 2),   0x80 | (~R8 & 15) << 3 | 3,
              0xf6, (u8)(0x40 | (dst & 7) << 3 | (R11 & 7)), (u8)disp};
    emit_bytes(e, b, sizeof b);
}

void emit_tsc(Emit *e)
{
    static const u8 rdtsc[] = {0x0f, 0x31};
    emit_bytes(e, rdtsc, sizeof rdtsc);
    emit_mov_ri32(e, R8, 32);
    emit_shift_x64(e, SHIFT_SHLX, RDX, RDX, R8);
    emit_lea64_index(e, RDX, RDX, RAX, 0, 0);
    emit_mov_rm64(e, RAX, R11, offsetof(TscScale, minus_tsc));
    emit_lea64_index(e, RDX, RDX, RAX, 0, 0);
    put_mulx_high(e, RDX, offsetof(TscScale, mult));
    emit_mov_rm64(e, RAX, R11, offsetof(TscScale, ns));
    emit_lea64_index(e, RDX, RDX, RAX, 0, 0);
    emit_mov_rm64(e, RAX, R15, offsetof(Vcpu, tsc_offset));
    emit_lea64_index(e, RAX, RAX, RDX, 0, 0);
    emit_mov_ri32(e, R8, 32);
    emit_shift_x64(e, SHIFT_SHRX, RDX, RAX, R8);
    emit_mov_rr32(e, RAX, RAX);
}

/* Without BMI2: through the low byte of a guest register kept in tmp meanwhile. */
static int high_helper(int high) { return high - 4 == RCX ? RAX : RCX; }

/* With rorx, dst keeps the register's other bytes above; emit_high_back relies on them. */
void emit_high_get(Emit *e, int dst, int high, int tmp)
{
    int x = high_helper(high);
    if (host_features_get()->bmi2) {
        put_rorx32(e, dst, high - 4, 8);
        return;
    }
    emit_mov_rr64(e, tmp, x);
    emit_op_reg(e, (HostOp){.opcode = 0x0fb6, .reg = (u8)x, .high = true}, high);
    emit_mov_rr32(e, dst, x);
    emit_mov_rr64(e, x, tmp);
}

void emit_high_put(Emit *e, int high, int src, int tmp)
{
    int x = high_helper(high);
    if (tmp == R9) emit_unhoist(e);
    emit_mov_rr64(e, tmp, x);
    emit_mov_rr32(e, x, src);
    emit_op_reg(e, (HostOp){.opcode = 0x88, .reg = (u8)x, .high = true}, high);
    emit_mov_rr64(e, x, tmp);
}

void emit_high_back(Emit *e, int high, int src, int tmp)
{
    if (host_features_get()->bmi2)
        put_rorx32(e, high - 4, src, 24);
    else
        emit_high_put(e, high, src, tmp);
}
