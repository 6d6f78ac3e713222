/* insn_gen.c - see insn_gen.h. Encodings are assembled from the row's columns (cpu/insn.h) and then decoded: what
 * does not come back as the same row (a mandatory prefix shadowed by another row, say) is thrown away. */
#include "tests/insn_gen.h"

#include <string.h>

/* --- random numbers: xorshift64* --- */

u32 gen_random(InsnGen *g)
{
    if (!g->seed) g->seed = 0x9e3779b97f4a7c15ull;
    g->seed ^= g->seed >> 12;
    g->seed ^= g->seed << 25;
    g->seed ^= g->seed >> 27;
    return (u32)((g->seed * 0x2545f4914f6cdd1dull) >> 32);
}

u32 gen_below(InsnGen *g, u32 n) { return (u32)((u64)gen_random(g) * n >> 32); }
bool gen_chance(InsnGen *g, unsigned percent) { return gen_below(g, 100) < percent; }

u32 gen_value(InsnGen *g)
{
    static const u32 edges[] = {0,      1,      2,       7,          8,          15,         16,
                                31,     32,     0x7f,    0x80,       0xff,       0x100,      0x7fff,
                                0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    switch (gen_below(g, 4)) {
    case 0: return edges[gen_below(g, ARRAY_LEN(edges))];
    case 1: return gen_random(g) & 0xff;
    case 2: return (u32)(s32)(s16)gen_random(g);
    default: return gen_random(g);
    }
}

/* --- one instruction --- */

typedef struct Out {
    u8 *to;
    unsigned n;
} Out;

static void put(Out *o, u32 v, unsigned bytes)
{
    for (; bytes--; v >>= 8)
        if (o->n < INSN_GEN_MAX) o->to[o->n++] = (u8)v;
}

static bool has_modrm(const Row *r)
{
    if (r->ext != EXT_ANY) return true;
    for (int n = 0; n < 3; n++) {
        u8 o = r->o[n];
        if ((o >= O_Eb && o <= O_Ms) || o == O_Sw || o == O_Cd || o == O_Dd || o >= O_Pq) return true;
    }
    return false;
}

static bool takes(const Row *r, u8 letter)
{
    return r->o[0] == letter || r->o[1] == letter || r->o[2] == letter;
}

static void put_prefixes(InsnGen *g, Out *o, const Row *r)
{
    static const u8 segs[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    static const u8 mandatory[] = {[PFX_66] = 0x66, [PFX_F3] = 0xf3, [PFX_F2] = 0xf2};
    if (r->pfx == PFX_ANY && gen_chance(g, 25)) put(o, 0x66, 1);
    if (gen_chance(g, 15)) put(o, 0x67, 1);
    if (g->seg_count && gen_chance(g, 25)) put(o, segs[g->seg_first + gen_below(g, g->seg_count)], 1);
    if (r->checks & CK_LOCK && gen_chance(g, 10)) put(o, 0xf0, 1);
    if (r->pfx >= PFX_66) put(o, mandatory[r->pfx], 1);
}

static u8 modrm_byte(InsnGen *g, const Row *r)
{
    u8 b = (u8)gen_random(g);
    unsigned digit = (r->ext & 7u) << 3;
    if (r->ext >= EXT_B) return (u8)r->ext;
    if (gen_chance(g, 40)) b |= 0xc0; /* registers more often than one in four */
    if (r->ext >= EXT_D) b = (u8)((b & ~0x38u) | digit);
    if (r->ext == EXT_REG || r->ext >= EXT_R) b |= 0xc0;
    if ((r->ext == EXT_MEM || (r->ext >= EXT_M && r->ext < EXT_R)) && b >= 0xc0)
        b ^= (u8)((1 + gen_below(g, 3)) << 6);
    return b;
}

/* More random bytes than any rest needs: the decoder takes what belongs to the instruction. */
static void put_rest(InsnGen *g, Out *o)
{
    put(o, gen_below(g, 2) ? gen_value(g) : gen_random(g), 4);
    put(o, gen_value(g), 4);
    put(o, gen_random(g), 4);
}

static unsigned gen_once(InsnGen *g, const Row *row, u8 *bytes, Insn *i)
{
    Out o = {bytes, 0};
    put_prefixes(g, &o, row);
    o.n = (unsigned)(opcode_put(bytes + o.n, row->opcode) - bytes);
    if (has_modrm(row)) put(&o, modrm_byte(g, row), 1);
    put_rest(g, &o);
    if (insn_decode(i, bytes, o.n, g->mode) != DECODE_OK || i->row != row) return 0;
    return i->len;
}

/* A fixed address is replaced by one within the data. */
static void tame_displacement(InsnGen *g, u8 *bytes, Insn *i)
{
    bool moffs = takes(i->row, O_Ob) || takes(i->row, O_Ov);
    unsigned imm = takes(i->row, O_Ib) || takes(i->row, O_Ibs) ? 1 : takes(i->row, O_Iv) ? i->opsize : 0;
    u32 disp = g->data + gen_below(g, g->data_bytes);
    if (!i->is_mem || !g->data_bytes || i->base != REG_NONE || i->index != REG_NONE) return;
    memcpy(bytes + i->len - (moffs ? 0 : imm) - i->adsize, &disp, i->adsize);
    insn_decode(i, bytes, i->len, g->mode);
}

unsigned insn_gen_row(InsnGen *g, const Row *row, u8 *bytes, Insn *i)
{
    for (int tries = 0; tries < 50; tries++) {
        unsigned n = gen_once(g, row, bytes, i);
        if (n) tame_displacement(g, bytes, i);
        if (n) return n;
    }
    return 0;
}

unsigned insn_gen_any(InsnGen *g, u8 *bytes, Insn *i)
{
    for (;;) {
        const Row *r = &x86_rows[gen_below(g, x86_row_count)];
        if (!(g->classes >> r->cls & 1)) continue;
        unsigned n = insn_gen_row(g, r, bytes, i);
        if (n) return n;
    }
}

/* --- aiming --- */

u32 insn_gen_offset(const Insn *i, const u32 gpr[8])
{
    u32 off = i->disp;
    if (i->base != REG_NONE) off += gpr[i->base];
    if (i->index != REG_NONE) off += gpr[i->index] << i->scale;
    return i->adsize == 2 ? (u16)off : off;
}

bool insn_gen_aim(InsnGen *g, const Insn *i, u32 gpr[8], u32 *off)
{
    u32 want = *off;
    u8 reg = i->base != REG_NONE && i->base != ESP && i->base != i->index ? i->base : i->index;
    if (reg == REG_NONE) {
        *off = insn_gen_offset(i, gpr);
        return false;
    }
    bool twice = i->base == i->index, scaled = reg == i->index;
    if (!scaled && i->index != REG_NONE && gen_chance(g, 70)) gpr[i->index] = gen_below(g, 64);
    gpr[reg] = 0;
    u32 rest = want - insn_gen_offset(i, gpr), times = twice    ? 1 + (1u << i->scale)
                                                       : scaled ? 1u << i->scale
                                                                : 1;
    if (i->adsize == 2) rest = (u16)rest;
    gpr[reg] = rest / times;
    *off = insn_gen_offset(i, gpr);
    return *off == want;
}

/* --- sequences --- */

/* mov r32, imm32: B8+r, with 66 in 16-bit code */
static unsigned put_mov(const InsnGen *g, u8 *to, int reg, u32 v)
{
    unsigned n = 0;
    if (!g->mode.code32) to[n++] = 0x66;
    to[n++] = (u8)(0xb8 + reg);
    memcpy(to + n, &v, 4);
    return n + 4;
}

unsigned insn_gen_sequence(InsnGen *g, u8 *bytes, unsigned count)
{
    unsigned n = 0;
    for (; count--;) {
        u8 one[INSN_GEN_MAX];
        Insn i;
        unsigned len = insn_gen_any(g, one, &i);
        if (i.is_mem && g->data_bytes && gen_chance(g, 97)) {
            u32 gpr[8], off = g->data + gen_below(g, g->data_bytes);
            for (int r = 0; r < 8; r++) gpr[r] = gen_below(g, 64);
            insn_gen_aim(g, &i, gpr, &off);
            for (int r = 0; r < 8; r++)
                if (r != ESP && (r == i.base || r == i.index)) n += put_mov(g, bytes + n, r, gpr[r]);
        }
        memcpy(bytes + n, one, len);
        n += len;
    }
    return n;
}
