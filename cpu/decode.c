/* decode.c - guest bytes to Insn, by the instruction table.
 *
 * The first call sorts the table's rows by opcode into an index of Forms. A Form is a row boiled down to what
 * matching needs: which ModRM bytes it takes (mask, value, memory or register), which mandatory prefix, which
 * immediates follow. Decoding is then: prefixes, opcode, ModRM, the first Form of the opcode that fits (the
 * most specific come first), displacement, immediates, and at last the rules that the manual keeps in prose.
 *
 * Rules (SDM volume 2, chapter 2 and appendix A):
 *  - Prefixes come in any number and order. Of two segment overrides, and of F2 and F3, the last one wins.
 *  - F2 and F3 select rows before 66 does; 66 still shrinks operands of rows that have a `v`.
 *  - More than 15 bytes: #GP, whatever the bytes are (DECODE_TOO_LONG).
 *  - LOCK is #UD but for the rows marked so, with a memory operand.
 *  - MOV CRn and DRn take ModRM.mod for 3, whatever it holds.
 *
 * A DECODE_UD carries the length as far as it can be known: a lone opcode is as long as its opcode bytes, a row
 * of another processor as long as there.
 *
 * Not implemented: VEX, XOP, 3DNow! (no processor of ours has them).
 */
#include "cpu/insn.h"

/* --- the index ------------------------------------------------------------------------------------------- */

typedef struct Form {
    const Row *row;
    u8 mask, value;    /* ModRM bits that must match */
    u8 mem_ok, reg_ok; /* which kinds of ModRM operand */
    u8 pfx, need;
    u8 imm[2]; /* operand letters of the immediates, in order; O__ if none */
} Form;

enum { INSN_MAX_BYTES = 15, MAX_ROWS = 1200, OPCODES = 2 * 256 /* one- and two-byte map */, RANKS = 8 };
static Form forms[MAX_ROWS];
static u16 first_form[OPCODES + 1]; /* Forms of an opcode: first_form[n] .. first_form[n + 1] */
enum { OP_MODRM = 1, OP_REG_ONLY = 2 };
static u8 op_flags[OPCODES];
static bool built;

static unsigned opcode_slot(const Row *r) { return (r->opcode & 0xff) + (r->opcode > 0xff ? 256 : 0); }

static bool operand_is_immediate(u8 o) { return o >= O_Ib && o <= O_Ap; }

static bool operand_is_memory_only(u8 o) { return o >= O_M && o <= O_Ms; }

static bool operand_in_modrm(u8 o)
{
    return (o >= O_Eb && o <= O_Ms) || o == O_Sw || o == O_Cd || o == O_Dd || (o >= O_Pq && o < O_COUNT);
}

/* Where among the rows of its opcode a row is tried: a whole ModRM byte before a digit before a form, and a
 * mandatory prefix before any. */
static unsigned row_rank(const Row *r)
{
    unsigned ext = r->ext >= EXT_B ? 0 : r->ext >= EXT_D ? 1 : r->ext != EXT_ANY ? 2 : 3;
    return ext * 2 + (r->pfx == PFX_ANY);
}

static Form form_of(const Row *r)
{
    Form f = {.row = r, .mem_ok = 1, .reg_ok = 1, .pfx = r->pfx, .need = r->need};
    unsigned digit = r->ext & 7, immediates = 0;
    if (r->ext >= EXT_B)
        f.mask = 0xff, f.value = r->ext & 0xff;
    else if (r->ext >= EXT_D)
        f.mask = 0x38, f.value = (u8)(digit << 3);
    if (r->ext == EXT_MEM || (r->ext >= EXT_M && r->ext < EXT_R)) f.reg_ok = 0;
    if (r->ext == EXT_REG || (r->ext >= EXT_R && r->ext < EXT_B)) f.mem_ok = 0;
    for (int n = 0; n < 3; n++) {
        u8 o = r->o[n];
        if (operand_is_memory_only(o)) f.reg_ok = 0;
        if (o == O_Nq || o == O_Ux || o == O_Rd) f.mem_ok = 0;
        if (operand_is_immediate(o) && immediates < 2) f.imm[immediates++] = o;
    }
    return f;
}

static void opcode_flags_add(const Row *r)
{
    u8 *flags = &op_flags[opcode_slot(r)];
    if (r->ext != EXT_ANY) *flags |= OP_MODRM;
    for (int n = 0; n < 3; n++) {
        if (operand_in_modrm(r->o[n])) *flags |= OP_MODRM;
        if (r->o[n] == O_Rd) *flags |= OP_REG_ONLY;
    }
}

/* A counting sort: room for each opcode's rows, then the rows in order of rank. */
static void index_build(void)
{
    static u16 fill[OPCODES];
    CHECK(x86_row_count <= MAX_ROWS, "the instruction table has %u rows, the decoder takes %d", x86_row_count,
          MAX_ROWS);
    for (unsigned n = 0; n < x86_row_count; n++) first_form[opcode_slot(&x86_rows[n]) + 1]++;
    for (unsigned slot = 0; slot < OPCODES; slot++) {
        first_form[slot + 1] = (u16)(first_form[slot + 1] + first_form[slot]);
        fill[slot] = first_form[slot];
    }
    for (unsigned rank = 0; rank < RANKS; rank++)
        for (const Row *r = x86_rows; r < x86_rows + x86_row_count; r++)
            if (row_rank(r) == rank) forms[fill[opcode_slot(r)]++] = form_of(r);
    for (unsigned n = 0; n < x86_row_count; n++) opcode_flags_add(&x86_rows[n]);
    built = true;
}

static const Form *form_find(unsigned slot, u8 modrm, u8 pfx, u32 features)
{
    bool reg_form = !(op_flags[slot] & OP_MODRM) || modrm >= 0xc0;
    for (const Form *f = &forms[first_form[slot]], *end = &forms[first_form[slot + 1]]; f < end; f++) {
        if ((modrm & f->mask) != f->value) continue;
        if (!(reg_form ? f->reg_ok : f->mem_ok)) continue;
        if (f->pfx != PFX_ANY && f->pfx != pfx) continue;
        if (f->need == I386 || (features & BIT(f->need))) return f;
    }
    return NULL;
}

/* --- bytes ----------------------------------------------------------------------------------------------- */

typedef struct Cursor {
    const u8 *bytes;
    unsigned at, limit;
    bool over; /* read beyond the limit; such bytes read as 0 */
} Cursor;

static u8 take8(Cursor *s)
{
    if (s->at < s->limit) return s->bytes[s->at++];
    s->over = true;
    return 0;
}
static u16 take16(Cursor *s)
{
    u16 lo = take8(s);
    return (u16)(lo | take8(s) << 8);
}
static u32 take32(Cursor *s)
{
    u32 lo = take16(s);
    return lo | (u32)take16(s) << 16;
}
static u32 take_v(Cursor *s, u8 bytes) { return bytes == 2 ? take16(s) : take32(s); }
static u32 take8_signed(Cursor *s) { return (u32)(s8)take8(s); }
static u32 take_v_signed(Cursor *s, u8 bytes) { return bytes == 2 ? (u32)(s16)take16(s) : take32(s); }

/* --- the parts of an instruction ------------------------------------------------------------------------- */

static u8 take_prefixes(Insn *i, Cursor *s)
{
    for (;;) {
        u8 b = take8(s);
        switch (b) {
        case 0x26: i->seg_override = ES; break;
        case 0x2e: i->seg_override = CS; break;
        case 0x36: i->seg_override = SS; break;
        case 0x3e: i->seg_override = DS; break;
        case 0x64: i->seg_override = FS; break;
        case 0x65: i->seg_override = GS; break;
        case 0x66: i->prefix |= PREFIX_66; break;
        case 0x67: i->prefix |= PREFIX_67; break;
        case 0xf0: i->prefix |= PREFIX_LOCK; break;
        case 0xf2: i->prefix = (i->prefix & ~PREFIX_REP) | PREFIX_REPNE; break;
        case 0xf3: i->prefix = (i->prefix & ~PREFIX_REPNE) | PREFIX_REP; break;
        default: return b;
        }
    }
}

static u8 mandatory_prefix(u8 prefix)
{
    if (prefix & PREFIX_REPNE) return PFX_F2;
    if (prefix & PREFIX_REP) return PFX_F3;
    return prefix & PREFIX_66 ? PFX_66 : PFX_NP;
}

static void take_modrm(Insn *i, Cursor *s, bool reg_only)
{
    i->has_modrm = 1;
    i->modrm = take8(s);
    i->mod = reg_only ? 3 : i->modrm >> 6;
    i->reg = i->modrm >> 3 & 7;
    i->rm = i->modrm & 7;
    i->is_mem = i->mod != 3;
}

static void take_ea16(Insn *i, Cursor *s)
{
    static const u8 bases[8] = {EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX};
    i->base = bases[i->rm];
    if (i->rm < 4) i->index = i->rm & 1 ? EDI : ESI;
    if (i->mod == 0 && i->rm == 6) i->base = REG_NONE;
    if (i->mod == 1) i->disp = take8_signed(s);
    if (i->mod == 2 || i->base == REG_NONE) i->disp = take_v_signed(s, 2);
}

static void take_ea32(Insn *i, Cursor *s)
{
    i->base = i->rm;
    if (i->rm == 4) {
        u8 sib = take8(s);
        i->base = sib & 7;
        if ((sib >> 3 & 7) != 4) i->index = sib >> 3 & 7, i->scale = sib >> 6;
    }
    if (i->mod == 0 && i->base == EBP) i->base = REG_NONE;
    if (i->mod == 1) i->disp = take8_signed(s);
    if (i->mod == 2 || i->base == REG_NONE) i->disp = take32(s);
}

static void take_ea(Insn *i, Cursor *s)
{
    if (i->adsize == 2)
        take_ea16(i, s);
    else
        take_ea32(i, s);
    if (i->base == EBP || i->base == ESP) i->seg = SS;
}

static void take_immediate(Insn *i, Cursor *s, u8 letter)
{
    switch (letter) {
    case O_Ib: i->imm = take8(s); break;
    case O_Iw: i->imm = take16(s); break;
    case O_Iv: i->imm = take_v(s, i->opsize); break;
    case O_Ibs:
    case O_Jb: i->imm = take8_signed(s); break;
    case O_Jv: i->imm = take_v_signed(s, i->opsize); break;
    case O_Ob:
    case O_Ov: i->disp = take_v(s, i->adsize), i->is_mem = 1; break;
    case O_Ap:
        i->imm = take_v(s, i->opsize);
        i->imm2 = take16(s);
        break;
    default: break;
    }
}

static void take_immediates(Insn *i, Cursor *s, const Form *f)
{
    take_immediate(i, s, f->imm[0]);
    if (f->imm[1]) i->imm2 = take8(s); /* ENTER */
}

/* --- what makes a known encoding #UD --------------------------------------------------------------------- */

static bool register_exists(const Insn *i, u8 letter, bool written, u32 features)
{
    switch (letter) {
    case O_Sw: return i->reg < SEG_COUNT && !(written && i->reg == CS);
    case O_Cd: return i->reg == 0 || i->reg == 2 || i->reg == 3 || (i->reg == 4 && (features & BIT(IP5)));
    default: return true;
    }
}

static bool insn_allowed(const Insn *i, DecodeMode mode)
{
    const Row *r = i->row;
    if ((i->prefix & PREFIX_LOCK) && !((r->checks & CK_LOCK) && i->is_mem)) return false;
    if ((r->checks & CK_PROT) && !mode.protected_mode) return false;
    return register_exists(i, r->o[0], true, mode.features) &&
           register_exists(i, r->o[1], false, mode.features);
}

/* The end of the bytes was met: a limit of the architecture, or only of what could be read? */
static DecodeStatus ran_out(Insn *i, const Cursor *s)
{
    i->len = (u8)s->at;
    return s->limit == INSN_MAX_BYTES ? DECODE_TOO_LONG : DECODE_MORE;
}

DecodeStatus insn_decode(Insn *i, const u8 *bytes, unsigned avail, DecodeMode mode)
{
    Cursor s = {.bytes = bytes, .limit = avail < INSN_MAX_BYTES ? avail : INSN_MAX_BYTES};
    if (unlikely(!built)) index_build();
    *i = (Insn){.base = REG_NONE, .index = REG_NONE, .seg_override = REG_NONE};
    i->opcode = take_prefixes(i, &s);
    i->opsize = !mode.code32 == !(i->prefix & PREFIX_66) ? 2 : 4;
    i->adsize = !mode.code32 == !(i->prefix & PREFIX_67) ? 2 : 4;
    i->seg = i->seg_override != REG_NONE ? i->seg_override : DS;
    i->op_at = (u8)(s.at - 1);

    unsigned slot = i->opcode;
    if (slot == 0x0f) slot = 256u + (i->opcode = take8(&s));
    i->reg = i->opcode & 7;
    if (s.over) return ran_out(i, &s);
    if (op_flags[slot] & OP_MODRM) take_modrm(i, &s, op_flags[slot] & OP_REG_ONLY);
    if (s.over) return ran_out(i, &s);

    u8 form_byte = i->mod == 3 ? i->modrm | 0xc0 : i->modrm;
    const Form *f = form_find(slot, form_byte, mandatory_prefix(i->prefix), mode.features);
    if (i->is_mem) take_ea(i, &s);
    if (i->is_mem && i->seg_override != REG_NONE) i->seg = i->seg_override;
    const Form *shape = f ? f : form_find(slot, form_byte, mandatory_prefix(i->prefix), ~0u);
    if (shape) take_immediates(i, &s, shape);
    if (s.over) return ran_out(i, &s);

    i->len = (u8)s.at;
    if (!f) return DECODE_UD;
    i->row = f->row;
    return insn_allowed(i, mode) ? DECODE_OK : DECODE_UD;
}

unsigned insn_operand_bytes(const Insn *i, int n)
{
    static const struct {
        u8 fixed, v;
    } bytes[O_COUNT] = {
        /* fixed + v * operand size */
        [O_Eb] = {1, 0}, [O_Ew] = {2, 0},  [O_Ed] = {4, 0},  [O_Ev] = {0, 1},  [O_Mb] = {1, 0},
        [O_Mw] = {2, 0}, [O_Md] = {4, 0},  [O_Mq] = {8, 0},  [O_Mt] = {10, 0}, [O_Mdq] = {16, 0},
        [O_Ma] = {0, 2}, [O_Mp] = {2, 1},  [O_Ms] = {6, 0},  [O_Ob] = {1, 0},  [O_Ov] = {0, 1},
        [O_Xb] = {1, 0}, [O_Xv] = {0, 1},  [O_Yb] = {1, 0},  [O_Yv] = {0, 1},  [O_Qd] = {4, 0},
        [O_Qq] = {8, 0}, [O_Wss] = {4, 0}, [O_Wsd] = {8, 0}, [O_Wq] = {8, 0},  [O_Wx] = {16, 0},
    };
    return bytes[i->row->o[n]].fixed + (unsigned)bytes[i->row->o[n]].v * i->opsize;
}
