/* decode.c - guest bytes to Insn, by the instruction table.
 *
 * The first call turns the table's rows into what decoding looks up, so that an instruction takes few branches that a
 * processor could guess wrong (about 10 ns an instruction):
 *
 *   opcode_flags[opcode]     does a ModRM byte follow, is it a prefix
 *   modrms[size][ModRM]      fields, base, index, how wide the displacement is
 *   first_form[opcode][kind] where the rows stand that can fit; `kind`: ModRM.reg, register or memory form
 *   forms[]                  a row boiled down: which prefixes and processors it takes, how wide its immediates are
 *
 * Decoding is then: prefixes, opcode, ModRM, SIB, displacement, the first Form of the kind that fits (the most
 * specific come first), immediates, and at last the rules that the manual keeps in prose. It does not look for the
 * end of the bytes: where fewer than DECODE_REACH can be read they are copied first, and the length tells at the end.
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
 * Not implemented: VEX, XOP, 3DNow!, AES, SHA, MOVBE (no processor of ours has them).
 */
#include "cpu/insn.h"

enum {
    INSN_MAX_BYTES = 15,
    DECODE_REACH = 32, /* no byte from here on is ever looked at: 15 prefixes, then opcode to immediates */
    MAX_ROWS = 1200,
    MAX_FORMS = 2048,
    MAP_0F = 0x100, /* the two-byte map, and those behind 0F 38 and 0F 3A */
    MAP_0F38 = 0x200,
    MAP_0F3A = 0x300,
    OPCODES = 0x400,
    KINDS = 16, /* ModRM.reg, + KIND_REG for the register form; all alike without a ModRM byte */
    KIND_REG = 8,
    RANKS = 8,
};

/* --- fields of the instruction: displacements and immediates ------------------------------------------------ */

typedef enum Width { W_NONE, W_U8, W_S8, W_U16, W_S16, W_32, W_COUNT } Width;

static const struct {
    u32 mask, sign;
} widths[W_COUNT] = {
    [W_U8] = {0xff, 0},         [W_S8] = {0xff, 0x80},    [W_U16] = {0xffff, 0},
    [W_S16] = {0xffff, 0x8000}, [W_32] = {0xffffffff, 0},
};
static const u8 width_bytes[W_COUNT] = {[W_U8] = 1, [W_S8] = 1, [W_U16] = 2, [W_S16] = 2, [W_32] = 4};

/* Reads four bytes, whatever the width. */
static u32 field_at(const u8 *at, Width w)
{
    return ((load32(at) & widths[w].mask) ^ widths[w].sign) - widths[w].sign;
}

/* Of an immediate, by its letter and the operand size. */
static Width immediate_width(u8 letter, unsigned size)
{
    switch (letter) {
    case O_Ib: return W_U8;
    case O_Iw: return W_U16;
    case O_Ibs:
    case O_Jb: return W_S8;
    case O_Jv: return size == 2 ? W_S16 : W_32;
    case O_Iv:
    case O_Ap: return size == 2 ? W_U16 : W_32;
    default: return W_NONE;
    }
}

/* --- prefixes -------------------------------------------------------------------------------------------- */

/* Prefixes from `at` on. Returns where the opcode is; 15 of them are too long already. */
__attribute__((noinline)) static const u8 *take_prefixes(Insn *i, const u8 *at)
{
    for (const u8 *end = at + INSN_MAX_BYTES; at < end; at++) {
        switch (*at) {
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
        default: return at;
        }
    }
    return at;
}

static bool is_prefix(u8 byte)
{
    const u8 bytes[] = {byte, 0x90};
    Insn i = {0};
    return take_prefixes(&i, bytes) != bytes;
}

/* --- the index ------------------------------------------------------------------------------------------- */

/* The immediates of a row: widths and bytes for operands of 16 and of 32 bits. */
typedef struct Imm {
    u8 width[2], second; /* Widths */
    u8 bytes[2];         /* of both immediates */
    bool moffs;          /* the address is in the instruction */
} Imm;

typedef struct Form {
    const Row *row;
    u8 mask, value; /* ModRM bits that must match, of those that the kind leaves open */
    u8 prefixes;    /* BIT(PFX_) of the mandatory prefixes it takes */
    u8 need;
    Imm imm;
    bool rules; /* insn_allowed() has a say, even without LOCK */
    bool last;  /* of its list */
} Form;

/* A ModRM byte, where addresses have 16 or 32 bits. */
typedef struct Modrm {
    u64 says; /* Insn.modrm_says */
    u8 kind;
    u8 disp;  /* Width */
    u8 bytes; /* from ModRM to the displacement, if SIB does not add one */
    u8 sib;
} Modrm;
enum { SIB_NONE, SIB_MOD_0, SIB_MOD_1_2 };

enum { OP_MODRM = 1, OP_REG_ONLY = 2, OP_PREFIX = 4 };

static u8 opcode_flags[OPCODES];
static Modrm modrms[2][256], modrm_none; /* [0]: addresses of 16 bits */
static u16 first_form[OPCODES][KINDS];   /* 0: forms[0], which fits nothing */
static Form forms[MAX_FORMS];
static unsigned form_count;
static bool built;

static unsigned opcode_slot(const Row *r)
{
    unsigned escape = r->opcode >> 8;
    return (r->opcode & 0xff) + (escape == 0x38 ? MAP_0F38 : escape == 0x3a ? MAP_0F3A : escape ? MAP_0F : 0);
}

static bool operand_is_immediate(u8 o) { return (o >= O_Ib && o <= O_Jv) || o == O_Ap; }

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

/* Can the row fit a ModRM byte of this kind? */
static bool row_takes_kind(const Row *r, unsigned kind)
{
    bool reg_form = kind & KIND_REG;
    if (r->ext >= EXT_B && kind != (unsigned)((r->ext >> 3 & 7) | KIND_REG)) return false;
    if (r->ext >= EXT_D && r->ext < EXT_B && (r->ext & 7) != (kind & 7)) return false;
    if (reg_form && (r->ext == EXT_MEM || (r->ext >= EXT_M && r->ext < EXT_R))) return false;
    if (!reg_form && (r->ext == EXT_REG || (r->ext >= EXT_R && r->ext < EXT_B))) return false;
    for (int n = 0; n < 3; n++) {
        u8 o = r->o[n];
        if (reg_form && operand_is_memory_only(o)) return false;
        if (!reg_form && (o == O_Nq || o == O_Ux || o == O_Rd)) return false;
    }
    return true;
}

static void imm_add(Imm *m, u8 letter)
{
    if (m->width[0]) { /* ENTER */
        m->second = (u8)immediate_width(letter, 4);
    } else {
        m->width[0] = (u8)immediate_width(letter, 2);
        m->width[1] = (u8)immediate_width(letter, 4);
    }
    if (letter == O_Ap) m->second = W_U16;
}

static Imm imm_of(const Row *r)
{
    Imm m = {0};
    for (int n = 0; n < 3; n++) {
        if (r->o[n] == O_Ob || r->o[n] == O_Ov) m.moffs = true;
        if (operand_is_immediate(r->o[n])) imm_add(&m, r->o[n]);
    }
    for (int n = 0; n < 2; n++) m.bytes[n] = width_bytes[m.width[n]] + width_bytes[m.second];
    return m;
}

static Form form_of(const Row *r)
{
    Form f = {.row = r, .need = r->need, .imm = imm_of(r), .rules = r->checks & CK_PROT};
    f.prefixes = (u8)(r->pfx == PFX_ANY ? ~0u : BIT(r->pfx));
    if (r->ext >= EXT_B) {
        f.mask = 0xff;
        f.value = r->ext & 0xff;
    }
    for (int n = 0; n < 3; n++)
        if (r->o[n] == O_Sw || r->o[n] == O_Cd) f.rules = true;
    return f;
}

/* The rows, sorted by opcode, and in order of rank within one: a counting sort. */
static void rows_sort(const Row *sorted[MAX_ROWS], u16 first[OPCODES + 1])
{
    static u16 fill[OPCODES];
    CHECK(x86_row_count <= MAX_ROWS, "the instruction table has %u rows, the decoder takes %d", x86_row_count,
          MAX_ROWS);
    for (unsigned n = 0; n < x86_row_count; n++) first[opcode_slot(&x86_rows[n]) + 1]++;
    for (unsigned slot = 0; slot < OPCODES; slot++) {
        first[slot + 1] = (u16)(first[slot + 1] + first[slot]);
        fill[slot] = first[slot];
    }
    for (unsigned rank = 0; rank < RANKS; rank++)
        for (const Row *r = x86_rows; r < x86_rows + x86_row_count; r++)
            if (row_rank(r) == rank) sorted[fill[opcode_slot(r)]++] = r;
}

static bool lists_equal(const Form *a, const Form *b)
{
    while (a->row == b->row && !a->last && !b->last) {
        a++;
        b++;
    }
    return a->row == b->row && a->last && b->last;
}

/* The list of those of an opcode's `count` rows that take the kind; kinds with the same rows share one. */
static unsigned list_make(const Row **rows, unsigned count, unsigned kind, const u16 *lists)
{
    Form *list = &forms[form_count], *end = list;
    CHECK(form_count + count <= MAX_FORMS, "the decoder has room for %d forms", MAX_FORMS);
    for (; count; count--, rows++)
        if (row_takes_kind(*rows, kind)) *end++ = form_of(*rows);
    if (end == list) return 0;
    end[-1].last = true;
    for (unsigned earlier = 0; earlier < kind; earlier++)
        if (lists_equal(&forms[lists[earlier]], list)) return lists[earlier];
    form_count = (unsigned)(end - forms);
    return (unsigned)(list - forms);
}

static void forms_build(void)
{
    static const Row *sorted[MAX_ROWS];
    static u16 first[OPCODES + 1];
    rows_sort(sorted, first);
    forms[0].last = true;
    form_count = 1;
    for (unsigned slot = 0; slot < OPCODES; slot++)
        for (unsigned kind = 0; kind < KINDS; kind++)
            first_form[slot][kind] = (u16)list_make(
                &sorted[first[slot]], first[slot + 1] - (unsigned)first[slot], kind, first_form[slot]);
}

static void opcode_flags_add(const Row *r)
{
    u8 *flags = &opcode_flags[opcode_slot(r)];
    if (r->ext != EXT_ANY) *flags |= OP_MODRM;
    for (int n = 0; n < 3; n++) {
        if (operand_in_modrm(r->o[n])) *flags |= OP_MODRM;
        if (r->o[n] == O_Rd) *flags |= OP_REG_ONLY;
    }
}

static void opcodes_build(void)
{
    for (unsigned n = 0; n < x86_row_count; n++) opcode_flags_add(&x86_rows[n]);
    for (unsigned byte = 0; byte < 256; byte++)
        if (is_prefix((u8)byte)) opcode_flags[byte] |= OP_PREFIX;
}

/* --- ModRM ------------------------------------------------------------------------------------------------- */

static Width ea16_of(Insn *i)
{
    static const u8 bases[8] = {EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX};
    i->base = bases[i->rm];
    if (i->rm < 4) i->index = i->rm & 1 ? EDI : ESI;
    if (i->mod == 0 && i->rm == 6) i->base = REG_NONE;
    return i->mod == 1 ? W_S8 : i->mod == 2 || i->base == REG_NONE ? W_S16 : W_NONE;
}

/* With base 4 a SIB byte follows and says more. */
static Width ea32_of(Insn *i)
{
    i->base = i->mod == 0 && i->rm == EBP ? REG_NONE : i->rm;
    return i->mod == 1 ? W_S8 : i->mod == 2 || i->base == REG_NONE ? W_32 : W_NONE;
}

static Modrm modrm_of(u8 byte, bool ea32)
{
    Insn i = {.has_modrm = 1, .modrm = byte, .mod = byte >> 6, .reg = byte >> 3 & 7, .rm = byte & 7};
    Modrm m = {.kind = i.reg + (i.mod == 3 ? KIND_REG : 0)};
    i.base = i.index = REG_NONE;
    i.is_mem = i.mod != 3;
    if (i.is_mem) m.disp = (u8)(ea32 ? ea32_of(&i) : ea16_of(&i));
    if (i.is_mem && ea32 && i.rm == ESP) m.sib = i.mod ? SIB_MOD_1_2 : SIB_MOD_0;
    m.bytes = 1 + (m.sib != SIB_NONE) + width_bytes[m.disp];
    m.says = i.modrm_says;
    return m;
}

static void modrms_build(void)
{
    Insn none = {.base = REG_NONE, .index = REG_NONE};
    modrm_none = (Modrm){.says = none.modrm_says, .kind = KIND_REG};
    for (unsigned byte = 0; byte < 256; byte++) {
        modrms[0][byte] = modrm_of((u8)byte, false);
        modrms[1][byte] = modrm_of((u8)byte, true);
    }
}

__attribute__((cold, noinline)) static void index_build(void)
{
    forms_build();
    opcodes_build();
    modrms_build();
    built = true;
}

/* --- the parts of an instruction ------------------------------------------------------------------------- */

static unsigned mandatory_prefix(u8 prefix)
{
    if (likely(!prefix)) return PFX_NP;
    if (prefix & PREFIX_REPNE) return PFX_F2;
    if (prefix & PREFIX_REP) return PFX_F3;
    return prefix & PREFIX_66 ? PFX_66 : PFX_NP;
}

/* The first Form of a list that fits; forms[0] if none does. */
static const Form *form_find(const Form *f, u8 modrm, unsigned prefix, u32 features)
{
    features |= BIT(I386);
    for (;; f++) {
        bool fits = (modrm & f->mask) == f->value;
        if (fits & (f->prefixes >> prefix) & (features >> f->need)) return f;
        if (f->last) return forms;
    }
}

/* The base that stands for none comes with a displacement. */
static const u8 *take_sib(Insn *i, const u8 *at, const Modrm *m)
{
    u8 sib = at[1], index = sib >> 3 & 7, base = sib & 7;
    bool none = base == EBP && m->sib == SIB_MOD_0;
    if (index != ESP) {
        i->index = index;
        i->scale = sib >> 6;
    }
    i->base = none ? REG_NONE : base;
    i->disp = field_at(at + 2, none ? W_32 : m->disp);
    return at + m->bytes + (none ? 4 : 0);
}

/* ModRM, SIB and displacement. Returns what is behind them. */
static const u8 *take_modrm(Insn *i, const u8 *at, const Modrm *m, u8 flags)
{
    i->modrm_says = m->says;
    if (!(flags & OP_MODRM)) i->reg = i->opcode & 7;
    if (unlikely(flags & OP_REG_ONLY)) i->modrm = *at;
    if (m->sib) return take_sib(i, at, m);
    i->disp = field_at(at + 1, m->disp);
    return at + m->bytes;
}

static const u8 *take_immediates(Insn *i, const u8 *at, const Imm *m)
{
    unsigned wide =
        i->opsize >> 2; /* == 4 is spilled as a byte and loaded as a word by gcc, which stalls: 3 ns */
    if (unlikely(m->moffs)) {
        Width w = i->adsize == 2 ? W_U16 : W_32;
        i->disp = field_at(at, w);
        i->is_mem = 1;
        return at + width_bytes[w];
    }
    i->imm = field_at(at, m->width[wide]);
    if (unlikely(m->second)) i->imm2 = (u16)field_at(at + width_bytes[m->width[wide]], m->second);
    return at + m->bytes[wide];
}

static const Modrm *modrm_get(u8 byte, u8 flags, bool ea32)
{
    const Modrm *m = &modrms[ea32][flags & OP_REG_ONLY ? byte | 0xc0 : byte];
    return flags & OP_MODRM ? m : &modrm_none;
}

/* All of it, without a look at where the bytes end. Returns forms[0] if it is none, whose length is then that which
 * it has on some other processor. */
static const Form *take_insn(Insn *i, const u8 *bytes, DecodeMode mode)
{
    const u8 *at = bytes;
    *i = (Insn){.seg_override = REG_NONE};
    if (unlikely(opcode_flags[*at] & OP_PREFIX)) at = take_prefixes(i, at);
    i->op_at = (u8)(at - bytes);
    i->opsize = !mode.code32 == !(i->prefix & PREFIX_66) ? 2 : 4;
    i->adsize = !mode.code32 == !(i->prefix & PREFIX_67) ? 2 : 4;
    unsigned slot = *at++;
    if (slot == 0x0f) {
        slot = MAP_0F + *at++;
        if (unlikely((slot & ~2u) == MAP_0F + 0x38)) slot = (slot & 2 ? MAP_0F3A : MAP_0F38) + *at++;
    }
    i->opcode = (u8)slot;

    u8 flags = opcode_flags[slot];
    const Modrm *m = modrm_get(*at, flags, i->adsize == 4);
    const Form *list = &forms[first_form[slot][m->kind]];
    unsigned prefix = mandatory_prefix(i->prefix);
    const Form *f = form_find(list, *at, prefix, mode.features);
    const Imm *imm = &(likely(f->row) ? f : form_find(list, *at, prefix, ~0u))->imm;
    at = take_modrm(i, at, m, flags);
    at = take_immediates(i, at, imm);
    i->seg = i->seg_override != REG_NONE ? i->seg_override : (i->base & ~1) == ESP ? SS : DS;
    i->len = (u8)(at - bytes);
    i->row = f->row;
    return f;
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

/* What can be read, and zeros behind it. */
__attribute__((noinline)) static const u8 *padded(u8 copy[DECODE_REACH], const u8 *bytes, unsigned avail)
{
    memset(copy, 0, DECODE_REACH);
    memcpy(copy, bytes, avail);
    return copy;
}

DecodeStatus insn_decode(Insn *i, const u8 *bytes, unsigned avail, DecodeMode mode)
{
    u8 copy[DECODE_REACH];
    unsigned limit = avail < INSN_MAX_BYTES ? avail : INSN_MAX_BYTES;
    if (unlikely(!built)) index_build();
    if (unlikely(avail < DECODE_REACH)) bytes = padded(copy, bytes, avail);
    const Form *f = take_insn(i, bytes, mode);
    if (unlikely(i->len > limit)) { /* of the architecture, or only of what could be read? */
        i->len = (u8)limit;
        return limit == INSN_MAX_BYTES ? DECODE_TOO_LONG : DECODE_MORE;
    }
    if (unlikely(!f->row)) return DECODE_UD;
    if (unlikely(f->rules || i->prefix & PREFIX_LOCK)) return insn_allowed(i, mode) ? DECODE_OK : DECODE_UD;
    return DECODE_OK;
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
        [O_Ww] = {2, 0},
    };
    return bytes[i->row->o[n]].fixed + (unsigned)bytes[i->row->o[n]].v * i->opsize;
}

/* The register that operand letter o names in i, as a bit; 0: memory, or no general register. */
static u8 operand_gpr(const Insn *i, u8 o)
{
    switch (o) {
    case O_Eb: return i->is_mem ? 0 : (u8)BIT(i->rm & 3);
    case O_Ew:
    case O_Ed:
    case O_Ev: return i->is_mem ? 0 : (u8)BIT(i->rm);
    case O_Rd: return (u8)BIT(i->rm);
    case O_Gb:
    case O_Zb: return (u8)BIT(i->reg & 3);
    case O_Gw:
    case O_Gd:
    case O_Gv:
    case O_Zv: return (u8)BIT(i->reg);
    case O_AL:
    case O_AX:
    case O_eAX: return BIT(EAX);
    default: return 0;
    }
}

u8 insn_written(const Insn *i)
{
    const Row *r = i->row;
    return (u8)((r->dest & DEST_REGS) | (r->dest & DEST_O1 ? operand_gpr(i, r->o[0]) : 0) |
                (r->dest & DEST_O2 ? operand_gpr(i, r->o[1]) : 0));
}
