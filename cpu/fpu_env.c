/* fpu_env.c - the x87 environment and state in memory: FNSTENV, FLDENV, FNSAVE, FRSTOR, FXSAVE, FXRSTOR.
 *
 * The environment has four layouts: 16- or 32-bit by operand size, and protected or real (also V86) by mode.
 * Real layouts hold 20- or 32-bit linear addresses instead of selector and offset, so a segment is lost on
 * the way: it is loaded as 0. Bits that a layout leaves unused are stored as ones in the 32-bit forms, as
 * processors do.
 *
 * FXSAVE's tag byte has one bit a register (1 = not empty) where the environment's has two (00 valid, 01
 * zero, 10 special, 11 empty): the latter are computed from the registers when stored, and only "empty"
 * counts when loaded.
 *
 * FXSAVE stores xmm0-7 and FXRSTOR loads them if CR4.OSFXSR is set (model-specific if not); nothing is stored
 * behind them. MXCSR_MASK is the guest processor's, not the host's.
 *
 * SDM vol. 1, figures 8-9 to 8-12 and 10.5.1; vol. 2, FSTENV, FSAVE, FXSAVE, FXRSTOR.
 */
#include "cpu/exec.h"
#include "cpu/fpu.h"

#include <string.h>

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };
enum {
    ENV_BYTES_16 = 14,
    ENV_BYTES_32 = 28,
    REGS_BYTES = 80,
    FXSAVE_BYTES = 512,
    FXSAVE_HEAD = 160,
    FXSAVE_XMM = 128
};

/* --- tags ----------------------------------------------------------------------------------------------- */

static unsigned register_tag(const u8 *st)
{
    u64 mantissa = load64(st);
    unsigned exponent = load16(st + 8) & 0x7fff;
    if (exponent == 0) return mantissa ? TAG_SPECIAL : TAG_ZERO;
    return exponent == 0x7fff || !(mantissa >> 63) ? TAG_SPECIAL : TAG_VALID;
}

u16 fpu_tag_word(const FpuImage *f)
{
    unsigned tags = 0;
    for (unsigned n = 0; n < 8; n++) {
        unsigned tag = f->ftw >> n & 1 ? register_tag(f->st[(n - fsw_top(f->fsw)) & 7]) : TAG_EMPTY;
        tags |= tag << 2 * n;
    }
    return (u16)tags;
}

u8 fpu_tag_byte(u16 tags)
{
    unsigned b = 0;
    for (unsigned n = 0; n < 8; n++) b |= (unsigned)((tags >> 2 * n & 3) != TAG_EMPTY) << n;
    return (u8)b;
}

/* --- the environment ------------------------------------------------------------------------------------ */

typedef struct Layout {
    u8 field_bytes; /* 2 or 4: seven fields */
    bool protected_mode;
} Layout;

static Layout layout_of(const Vcpu *c, const Insn *i)
{
    return (Layout){.field_bytes = i->opsize, .protected_mode = cpu_protected(c) && !cpu_v86(c)};
}
static unsigned env_bytes(const Layout *l) { return 7u * l->field_bytes; }

/* The seven fields, in 32 bits each; a 16-bit layout keeps the low halves. */
static void env_fields(const FpuImage *f, Layout l, u32 field[7])
{
    u32 ip = l.protected_mode ? f->fip : ((u32)f->fcs << 4) + f->fip;
    u32 dp = l.protected_mode ? f->fdp : ((u32)f->fds << 4) + f->fdp;
    u32 op = f->fop & 0x7ff;
    bool wide = l.field_bytes == 4;
    field[0] = 0xffff0000u | f->fcw;
    field[1] = 0xffff0000u | f->fsw;
    field[2] = 0xffff0000u | fpu_tag_word(f);
    field[3] = l.protected_mode ? ip : 0xffff0000u | (u16)ip;
    field[5] = l.protected_mode ? dp : 0xffff0000u | (u16)dp;
    if (l.protected_mode) {
        field[4] = f->fcs | op << 16;
        field[6] = 0xffff0000u | f->fds;
    } else {
        field[4] = (ip >> 16 << 12 & (wide ? 0x0ffff000u : 0xf000u)) | op;
        field[6] = dp >> 16 << 12 & (wide ? 0x0ffff000u : 0xf000u);
    }
}

static void env_pack(const FpuImage *f, Layout l, u8 *to)
{
    u32 field[7];
    env_fields(f, l, field);
    for (unsigned n = 0; n < 7; n++) {
        if (l.field_bytes == 2)
            store16(to + 2 * n, (u16)field[n]);
        else
            store32(to + 4 * n, field[n]);
    }
}

static void env_unpack_pointers(FpuImage *f, Layout l, const u32 field[7])
{
    bool wide = l.field_bytes == 4;
    if (l.protected_mode) {
        f->fip = field[3], f->fcs = (u16)field[4];
        f->fdp = field[5], f->fds = (u16)field[6];
        if (wide) f->fop = field[4] >> 16 & 0x7ff; /* the 16-bit layout has no room for it */
        return;
    }
    u32 mask = wide ? 0x0ffff000u : 0xf000u;
    f->fip = (field[4] & mask) << 4 | (u16)field[3], f->fcs = 0;
    f->fdp = (field[6] & mask) << 4 | (u16)field[5], f->fds = 0;
    f->fop = field[4] & 0x7ff;
}

static void env_unpack(FpuImage *f, Layout l, const u8 *from)
{
    u32 field[7];
    for (unsigned n = 0; n < 7; n++)
        field[n] = l.field_bytes == 2 ? load16(from + 2 * n) : load32(from + 4 * n);
    fpu_set_fsw(f, (u16)field[1]);
    f->ftw = fpu_tag_byte((u16)field[2]);
    env_unpack_pointers(f, l, field);
    fpu_set_fcw(f, (u16)field[0]);
}

void exec_fnstenv(Vcpu *c, const Insn *i)
{
    u8 env[ENV_BYTES_32];
    Layout l = layout_of(c, i);
    if (!fpu_begin(c, i)) return;
    env_pack(&c->fpu, l, env);
    mem_write_bytes(c, i->seg, insn_ea(c, i), env, env_bytes(&l));
    fpu_set_fcw(&c->fpu, c->fpu.fcw | FPU_EXCEPTIONS);
    fpu_ferr_update(c);
}

void exec_fldenv(Vcpu *c, const Insn *i)
{
    u8 env[ENV_BYTES_32];
    Layout l = layout_of(c, i);
    if (!fpu_begin(c, i)) return;
    mem_read_bytes(c, i->seg, insn_ea(c, i), env, env_bytes(&l));
    env_unpack(&c->fpu, l, env);
}

void exec_fnsave(Vcpu *c, const Insn *i)
{
    u8 image[ENV_BYTES_32 + REGS_BYTES];
    Layout l = layout_of(c, i);
    if (!fpu_begin(c, i)) return;
    env_pack(&c->fpu, l, image);
    for (unsigned n = 0; n < 8; n++) memcpy(image + env_bytes(&l) + 10 * n, c->fpu.st[n], 10);
    mem_write_bytes(c, i->seg, insn_ea(c, i), image, env_bytes(&l) + REGS_BYTES);
    fpu_init_x87(&c->fpu);
    fpu_ferr_update(c);
}

void exec_frstor(Vcpu *c, const Insn *i)
{
    u8 image[ENV_BYTES_32 + REGS_BYTES];
    Layout l = layout_of(c, i);
    if (!fpu_begin(c, i)) return;
    mem_read_bytes(c, i->seg, insn_ea(c, i), image, env_bytes(&l) + REGS_BYTES);
    env_unpack(&c->fpu, l, image);
    for (unsigned n = 0; n < 8; n++) memcpy(c->fpu.st[n], image + env_bytes(&l) + 10 * n, 10);
}

/* --- FXSAVE and FXRSTOR --------------------------------------------------------------------------------- */

static u32 fxsave_address(Vcpu *c, const Insn *i)
{
    u32 ea = insn_ea(c, i);
    if ((c->seg[i->seg].base + ea) & 15) raise_gp(c, 0);
    return ea;
}

static void fxsave_pack(const Vcpu *c, FpuImage *to)
{
    *to = c->fpu;
    to->zero = 0;
    to->fop &= 0x7ff;
    to->pad1 = to->pad2 = 0;
    to->mxcsr_mask = fpu_mxcsr_mask(c);
    if (!to->mxcsr_mask) to->mxcsr = 0;
    for (unsigned n = 0; n < 8; n++) memset(to->st[n] + 10, 0, 6);
}

void exec_fxsave(Vcpu *c, const Insn *i)
{
    FpuImage f;
    bool xmm = c->cr4 & CR4_OSFXSR;
    if (!fpu_begin(c, i)) return;
    u32 va = seg_linear(c, i->seg, fxsave_address(c, i), FXSAVE_BYTES, ACC_WRITE);
    lin_probe(c, va, FXSAVE_BYTES, ACC_WRITE, c->cpl == 3);
    fxsave_pack(c, &f);
    lin_write_bytes(c, va, &f, xmm ? FXSAVE_HEAD + FXSAVE_XMM : FXSAVE_HEAD, c->cpl == 3);
}

void exec_fxrstor(Vcpu *c, const Insn *i)
{
    FpuImage f;
    bool xmm = (c->cr4 & CR4_OSFXSR) && fpu_mxcsr_mask(c);
    if (!fpu_begin(c, i)) return;
    mem_read_bytes(c, i->seg, fxsave_address(c, i), &f, FXSAVE_BYTES);
    if (xmm && (f.mxcsr & ~fpu_mxcsr_mask(c))) raise_gp(c, 0);
    f.zero = 0;
    f.fop &= 0x7ff;
    f.pad1 = f.pad2 = 0;
    if (!xmm) {
        f.mxcsr = c->fpu.mxcsr;
        memcpy(f.xmm, c->fpu.xmm, FXSAVE_XMM);
    }
    memset(f.xmm[8], 0, FXSAVE_BYTES - FXSAVE_HEAD - FXSAVE_XMM);
    fpu_set_fcw(&f, f.fcw);
    c->fpu = f;
}
