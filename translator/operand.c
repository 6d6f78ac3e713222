/* operand.c - where a guest memory operand is: effective address, 16-bit truncation, segment base and limit, and
 * the host operand that reaches it. All glue is flag-free and writes only r8-r10 (see operand.h), so a fault of
 * the access that follows finds the guest's registers and flags untouched.
 *
 * What an access costs on top of itself (instructions):
 *   flat, one register       0                     flat, 16-bit address      2 (lea, movzx)
 *   flat, two registers      1 (lea)               by a table               3, and 15 in its gate
 *   flat, only a scale       0; without wide guards 1 (lea)
 *   flat, two registers of which an operand before had one (hoist.c)  0
 *   based                    2, or 3 with index
 *   64 KiB, 16-bit address   3 and a check of 0 (bytes), 2 (wider); static displacements are checked here
 *   other limits             1-2 and a check of 7    next to code, unpaged      9
 *
 * A limit check uses neither flags nor branches: it loads a byte that lies in a page without rights if the access
 * does not fit. The trap is at an address outside of all windows, for which the interpreter is called; it raises the
 * #GP or #SS. (A violation costs a signal, 3-5 us. Nobody violates limits for a living.)
 *
 * Not implemented: expand-down segments (SEGF_OTHER: the interpreter).
 */
#include <sys/mman.h>

#include "cpu/vcpu.h"
#include "translator/layout.h"
#include "translator/operand.h"

const u16 operand_traits[O_COUNT] = {
    [O_Eb] = OT_MEM | OT_RM_BYTE,
    [O_Ew] = OT_MEM | OT_RM_GPR,
    [O_Ed] = OT_MEM | OT_RM_GPR,
    [O_Ev] = OT_MEM | OT_RM_GPR | OT_V,
    [O_Gb] = OT_REG_BYTE,
    [O_Gw] = OT_REG_GPR,
    [O_Gd] = OT_REG_GPR,
    [O_Gv] = OT_REG_GPR | OT_V,
    [O_Rd] = OT_RM_GPR,
    [O_M] = OT_MEM,
    [O_Mb] = OT_MEM,
    [O_Mw] = OT_MEM,
    [O_Md] = OT_MEM,
    [O_Mq] = OT_MEM,
    [O_Mt] = OT_MEM,
    [O_Mdq] = OT_MEM,
    [O_Ma] = OT_MEM,
    [O_Mp] = OT_MEM,
    [O_Ms] = OT_MEM,
    [O_Ib] = OT_IMM8,
    [O_Ibs] = OT_IMM8,
    [O_Iw] = OT_IMM16,
    [O_Iv] = OT_IMMV | OT_V,
    [O_Ob] = OT_MEM,
    [O_Ov] = OT_MEM | OT_V,
    [O_Zv] = OT_V,
    [O_eAX] = OT_V,
    [O_Qd] = OT_MEM,
    [O_Qq] = OT_MEM,
    [O_Ww] = OT_MEM,
    [O_Wss] = OT_MEM,
    [O_Wsd] = OT_MEM,
    [O_Wq] = OT_MEM,
    [O_Wx] = OT_MEM,
};

u16 operand_row_traits[OPERAND_ROWS]; /* found at the first use; the same for everybody */

u16 operand_learn_traits(const Row *row)
{
    CHECK(row->id < OPERAND_ROWS, "row %u", row->id);
    u16 all = operand_traits[row->o[0]] | operand_traits[row->o[1]] | operand_traits[row->o[2]];
    operand_row_traits[row->id] = all | OT_KNOWN;
    return all;
}

unsigned operand_mem_bytes(const Insn *i)
{
    for (int n = 0; n < 3; n++)
        if (operand_traits[i->row->o[n]] & OT_MEM) return insn_operand_bytes(i, n);
    return 0;
}

Ea operand_ea(const Insn *i)
{
    Ea ea = {.ad16 = i->adsize == 2, .seg = i->seg};
    ea.at.base = i->base == REG_NONE ? REG_NONE : (u8)host_gpr(i->base);
    ea.at.index = i->index;
    ea.at.scale = i->index == REG_NONE ? 0 : i->scale;
    ea.at.disp = (s32)i->disp;
    return ea;
}

/* --- address arithmetic --- */

static bool is_const(HostMem m) { return m.base == REG_NONE && m.index == REG_NONE; }
static bool is_reg(HostMem m) { return m.base != REG_NONE && m.index == REG_NONE && m.disp == 0; }

static HostMem at_reg(int reg) { return (HostMem){(u8)reg, REG_NONE, 0, false, 0}; }

/* dst = m as a 32-bit number. */
static void put_lea(Emit *e, int dst, HostMem m)
{
    if (is_const(m))
        emit_mov_ri32(e, dst, (u32)m.disp);
    else if (!is_reg(m))
        emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = (u8)dst}, m);
    else if (m.base != dst)
        emit_mov_rr32(e, dst, m.base);
}

/* Would base + disp, as 64 bits, probably lie outside of 4 GiB, though as 32 bits it does not? The windows' guards
 * are wide enough for all that fits an operand; this is about how often they are hit. Kernels have their own
 * addresses as displacements of small indices, stack frames have small negative ones. */
bool linear_wraps(HostMem m)
{
    enum { FRAME = 64 << 10 };
    return m.disp < (is_const(m) ? 0 : -FRAME);
}

/* As one register; a register that is the address already is used as it is. */
static HostMem in_reg(Emit *e, HostMem m)
{
    if (is_reg(m)) return m;
    put_lea(e, R8, m);
    return at_reg(R8);
}

static HostMem truncate16(Emit *e, HostMem m)
{
    if (is_const(m)) {
        m.disp = (u16)m.disp;
        return m;
    }
    m = in_reg(e, m);
    emit_movzx16(e, R8, m.base);
    return at_reg(R8);
}

/* m + the value of a register */
static HostMem plus_reg(Emit *e, HostMem m, int reg)
{
    if (m.base != REG_NONE && m.index != REG_NONE) {
        put_lea(e, R8, m);
        m = at_reg(R8);
    }
    if (m.base == REG_NONE) {
        m.base = (u8)reg;
    } else {
        m.index = (u8)reg;
        m.scale = 0;
    }
    return m;
}

/* --- limits --- */

static s32 seg_field(int seg, size_t field)
{
    return (s32)(offsetof(Vcpu, seg) + (size_t)seg * sizeof(Segment) + field);
}

/* 64 KiB of zeros, and behind them a page without rights. Asked for below this program, so that the cache reaches
 * it by RIP; anywhere else is fine too. */
const u8 *operand_limit_probe(void)
{
    enum { BELOW = 128 << 20 };
    static u8 *probe;
    if (probe) return probe;
    uintptr_t here = (uintptr_t)operand_limit_probe & ~(uintptr_t)PAGE_MASK;
    void *hint = here > 2 * (uintptr_t)BELOW ? (void *)(here - BELOW) : NULL;
    u8 *at = mmap(hint, LIMIT_PROBE_BYTES + PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED, "no memory for the limit check");
    CHECK(!mprotect(at + LIMIT_PROBE_BYTES, PAGE_BYTES, PROT_NONE), "no guard page for the limit check");
    return probe = at;
}

static void put_probe(Emit *e, int base, int index, s32 disp)
{
    HostMem at = {(u8)base, (u8)index, 0, false, disp};
    emit_op_mem(e, (HostOp){.opcode = 0x0fb6, .reg = R10}, at);
}

/* A 16-bit offset in `off`, limit FFFF: the last byte's offset is the index. */
static void check_64k(Emit *e, int off, unsigned bytes)
{
    if (bytes == 1) return;
    emit_lea_host(e, R10, operand_limit_probe());
    put_probe(e, R10, off, (s32)bytes - 1);
}

/* off + bytes - 1 - limit - 1, 64 bits signed: negative if the access fits. Its top byte, ff or 00, is the index
 * from the array's end. */
static void check_limit(Emit *e, HostMem off, int seg, unsigned bytes)
{
    emit_unhoist(e);
    emit_mov_rm32(e, R9, R15, seg_field(seg, offsetof(Segment, limit)));
    emit_not64(e, R9);
    emit_lea64_index(e, R10, R9, off.base, 0, off.disp + (s32)bytes - 1);
    emit_bswap64(e, R10);
    emit_op_reg(e, (HostOp){.opcode = 0x0fbe, .reg = R10, .wide = true}, R10);
    emit_lea_host(e, R9, operand_limit_probe() + LIMIT_PROBE_BYTES);
    put_probe(e, R9, R10, 0);
}

/* false: the access never fits, or its size is not known. */
static bool place_checked(Emit *e, Ea *ea, bool limit_64k, unsigned bytes)
{
    bool small = is_const(ea->at) && (u32)ea->at.disp < 0x7fffff00;
    if (bytes == 0) return false;
    if (limit_64k && is_const(ea->at)) return (u64)(u32)ea->at.disp + bytes - 1 <= 0xffff;
    if (!small) ea->at = in_reg(e, ea->at);
    if (limit_64k && ea->ad16)
        check_64k(e, ea->at.base, bytes);
    else
        check_limit(e, ea->at, ea->seg, bytes);
    return true;
}

/* --- placing --- */

/* The linear address as base + index + disp, modulo 2^32. */
static bool place_linear(Emit *e, Ea *ea, const BlockMode *m, unsigned bytes)
{
    u8 form = m->seg[ea->seg];
    if (form == SEGF_OTHER) return false;
    if (ea->ad16) ea->at = truncate16(e, ea->at);
    if (form == SEGF_FLAT) return true;
    if (form != SEGF_BASED && !place_checked(e, ea, form == SEGF_64K, bytes)) return false;
    emit_unhoist(e);
    emit_mov_rm32(e, R9, R15, seg_field(ea->seg, offsetof(Segment, base)));
    ea->at = plus_reg(e, ea->at, R9);
    return true;
}

/* Without paging the linear address is physical. An open byte reads as 1. Flag-free; r9, r10 clobbered. */
static bool place_open(Emit *e, HostMem *out, HostMem at, unsigned bytes)
{
    static const u16 load[] = {[1] = 0x0fb6, [2] = 0x0fb7, [4] = 0x8b};
    if ((bytes != 1 && bytes != 2 && bytes != 4) || e->shuts == ARRAY_LEN(e->shut)) return false;
    emit_unhoist(e);
    put_lea(e, R8, at);
    emit_mov_rr64(e, R10, RCX);
    emit_mov_ri64(e, R9, (u64)(uintptr_t)e->open);
    emit_op_mem(e, (HostOp){.opcode = load[bytes], .reg = RCX}, (HostMem){.base = R9, .index = R8});
    emit_lea64(e, RCX, RCX, -(s32)(0x01010101u >> (32 - 8 * bytes)));
    u8 *all = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R10);
    e->shut[e->shuts++] = emit_jmp_hole(e);
    emit_patch8(all, e->at);
    emit_mov_rr64(e, RCX, R10);
    emit_mov_ri64(e, R9, (u64)(uintptr_t)e->ram);
    *out = (HostMem){.base = R9, .index = R8};
    return true;
}

/* The host address goes to r8. */
static bool place_table(Emit *e, HostMem *out, HostMem at, MemForm form, unsigned bytes, bool write)
{
    enum { CODE_MAP_BYTES = 4 };
    static const u8 *const gates[2][5] = {
        {xlat_table_read_plain, xlat_table_write_plain, xlat_table_write_wide_plain,
         xlat_table_user_read_plain, xlat_table_user_write_plain},
        {xlat_table_read_bmi2, xlat_table_write_bmi2, xlat_table_write_wide_bmi2, xlat_table_user_read_bmi2,
         xlat_table_user_write_bmi2}};
    if (bytes == 0) return false;
    put_lea(e, R8, at);
    if (bytes == 1)
        emit_mov_rr32(e, R10, R8);
    else
        emit_lea32(e, R10, R8, (s32)bytes - 1);
    emit_unhoist(e);
    unsigned gate = form == MEM_USER ? 3 + write : !write ? 0 : bytes <= CODE_MAP_BYTES ? 1 : 2;
    emit_call(e, gates[host_features_get()->bmi2][gate]);
    *out = (HostMem){.base = R8, .index = REG_NONE, .guest = GUEST_LOOKED_UP};
    return true;
}

bool hoist_covers(const Emit *e, HostMem at, u8 *rest)
{
    if (!e->hoisted || at.index == REG_NONE) return false;
    bool index = at.index == e->hoist_index && at.scale == e->hoist_scale;
    *rest = index ? at.base : at.index;
    return index || (at.base == e->hoist_index && !at.scale && !e->hoist_scale);
}

/* `plain`: a sum of 64 bits will do, which falls into a guard if it is not the one of 32. */
static void place_window(Emit *e, HostMem *out, HostMem at, bool plain)
{
    u8 rest;
    bool two = at.base != REG_NONE && at.index != REG_NONE;
    if (plain && two && hoist_covers(e, at, &rest)) {
        *out = (HostMem){.base = R9, .index = rest, .disp = at.disp, .guest = GUEST_HOISTED};
        return;
    }
    s32 disp = plain && two ? at.disp : 0; /* a lea of three parts is slow */
    at.disp -= disp;
    *out = plain && !two && (at.index == REG_NONE || e->wide) ? at : in_reg(e, at);
    out->disp += disp;
    out->guest = GUEST_WINDOW;
}

bool operand_place_ea(Emit *e, HostMem *out, Ea ea, const BlockMode *m, MemForm form, unsigned bytes,
                      bool write)
{
    if (form == MEM_OPEN && !(m->unpaged && e->open)) return false;
    if (!place_linear(e, &ea, m, bytes)) return false;
    if (form == MEM_OPEN) return place_open(e, out, ea.at, bytes);
    if (form == MEM_TABLE || form == MEM_USER) return place_table(e, out, ea.at, form, bytes, write);
    place_window(e, out, ea.at, form == MEM_WINDOW && !linear_wraps(ea.at));
    return true;
}

/* --- moves to and from guest memory --- */

void emit_guest_load(Emit *e, int dst, HostMem m, unsigned bytes)
{
    u16 opcode = bytes == 1 ? 0x0fb6 : bytes == 2 ? 0x0fb7 : 0x8b;
    emit_op_guest(e, (HostOp){.opcode = opcode, .reg = (u8)dst}, m);
}

/* A byte is stored from AL..BL or a scratch register. */
void emit_guest_store(Emit *e, HostMem m, int src, unsigned bytes)
{
    HostOp op = {.opcode = bytes == 1 ? 0x88 : 0x89, .reg = (u8)src, .pfx = bytes == 2 ? 0x66 : 0};
    op.high = bytes == 1 && src >= 4 && src < 8;
    emit_op_guest(e, op, m);
}

void emit_guest_store_imm(Emit *e, HostMem m, u32 v, unsigned bytes)
{
    emit_op_guest(e, (HostOp){.opcode = 0xc7, .pfx = bytes == 2 ? 0x66 : 0}, m);
    if (bytes == 2)
        emit_u16(e, (u16)v);
    else
        emit_u32(e, v);
}

/* --- emit.h --- */

/* A piece that found no form leaves nothing behind. */
static bool undo(Emit *e, u8 *at)
{
    e->at = at;
    return false;
}

bool emit_linear(Emit *e, int dst, const Insn *i, const BlockMode *m, unsigned bytes)
{
    u8 *at = e->at;
    Ea ea = operand_ea(i);
    if (!place_linear(e, &ea, m, bytes)) return undo(e, at);
    put_lea(e, dst, ea.at);
    return true;
}

bool emit_load_operand(Emit *e, int dst, const Insn *i, const BlockMode *m, MemForm form, unsigned bytes)
{
    u8 *at = e->at;
    HostMem mem;
    if (!operand_place_ea(e, &mem, operand_ea(i), m, form, bytes, false)) return undo(e, at);
    emit_guest_load(e, dst, mem, bytes);
    return true;
}
