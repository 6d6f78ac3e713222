/* x87.c - the last x87 instruction of translated code, for those who ask: FNSTENV, FNSAVE, FXSAVE, a handler of #MF.
 *
 * The host's own pointers are no use: they name host code and window addresses, and a host that switches tasks may
 * lose them. To store the guest's at each x87 instruction would cost loops of them a third of their speed. So code
 * only notes, where a block can be left and if x87 instructions have run since the last note (a jump forward: where
 * it is taken),
 *
 *     mov qword [r15 + X87], here      this place in the cache; the upper half, `any`, becomes 0
 *     mov dword [r15 + X87 + 4], here  instead, if none of them had a memory operand: the last that had one stays
 *     mov [r15 + X87_EA], reg          that operand's effective address
 *     mov [r15 + X87_HERE], r13d       where blocks float
 *
 * and x87_settle() finds out what ran in that block before the place. fpu_park() calls it, before anybody sees the
 * FPU's state, and so does fpu_settle() before a segment register changes, since selectors are taken from there. (In
 * real and V86 mode segment loads are inline: there the note has the selectors, too.) A block that traps in its middle
 * is looked at by x87_settle_at().
 *
 * The effective address is found from registers as long as these hold what they held, plus or minus constants. An
 * instruction that is about to change them otherwise stores it first ("spill"). Translation and settling walk over the
 * instructions with the same function, step(): what one stores the other expects there. For that the block keeps a
 * copy of its guest code, which may have changed since.
 *
 * Loops. Even a note a round is a fifth of the time of a short loop, whose stores are what it waits for. So the body
 * of a loop, of one block, has a second version (Block.loop), into which only jumps lead that have noted just what it
 * would note itself: its own, and the first one back to its start in a block that ran through the same instructions,
 * from there to here. In that version the jump to its start notes nothing. Whoever asks in front of the first x87
 * instruction of the next round learns what was last at that jump ("carry"), in the first round, too.
 *
 * What C does for an instruction, and what runs within a CALL, leaves its own state in the Vcpu: behind such an
 * "opaque" instruction the walk begins anew.
 */
#include "translator/x87.h"

#include "cpu/exec.h"
#include "cpu/fpu.h"
#include "translator/operand.h"

/* --- what an instruction does to a register --------------------------------------------------------------- */

/* True: all that i does to a register is to add *n. */
static bool adds_constant(const Insn *i, s32 *n)
{
    u16 op = i->row->opcode;
    bool group1 = (op == 0x81 || op == 0x83) && !i->is_mem && (i->reg == 0 || i->reg == 5);
    if (i->opsize != 4) return false;
    if (op >= 0x40 && op <= 0x4f) {
        *n = op < 0x48 ? 1 : -1;
        return true;
    }
    if (group1) {
        *n = i->reg ? -(s32)i->imm : (s32)i->imm;
        return true;
    }
    *n = (s32)i->disp;
    return op == 0x8d && i->adsize == 4 && i->base == i->reg && i->index == REG_NONE;
}

/* --- the walk ------------------------------------------------------------------------------------------------ */

static u8 address_bits(const Insn *i)
{
    return (u8)((i->base == REG_NONE ? 0 : BIT(i->base)) | (i->index == REG_NONE ? 0 : BIT(i->index)));
}

/* Is i about to make the address of the last memory operand unknown? */
static bool must_spill(const X87Walk *w, const Insn *i)
{
    s32 n;
    bool touched = w->mem && !w->spilled && insn_written(i) & address_bits(&w->operand);
    return touched && !adds_constant(i, &n);
}

static bool is_data(const Insn *i) { return x86_exec[i->row->id] == exec_x87; }

/* Over the instruction i at guest offset `at`, which is not opaque and did its spill. */
static void step(X87Walk *w, const Insn *i, u32 at)
{
    s32 n = 0;
    u8 touched = w->mem ? insn_written(i) & address_bits(&w->operand) : 0;
    if (touched && adds_constant(i, &n)) {
        if (touched == BIT(w->operand.base)) w->added += (u32)n;
        if (w->operand.index != REG_NONE && touched == BIT(w->operand.index))
            w->added += (u32)n << w->operand.scale;
    }
    if (!is_data(i)) return;
    w->any = true;
    w->at = at;
    w->fop = (u16)((i->opcode & 7) << 8 | i->modrm);
    if (!i->is_mem) return;
    w->mem = true;
    w->spilled = false;
    w->operand = *i;
    w->added = 0;
}

/* The last memory operand, as registers are now. */
static Insn operand_now(const X87Walk *w)
{
    Insn i = w->operand;
    i.disp -= w->added;
    return i;
}

/* --- translation --------------------------------------------------------------------------------------------- */

static void emit_store(Tx *t, size_t field, int reg)
{
    emit_mov_mr32(&t->e, R15, (s32)(offsetof(Vcpu, x87) + field), reg);
}

static void emit_address(Tx *t)
{
    Insn i = operand_now(&t->x87.walk);
    if (i.base == ESP) i.disp += (u32)t->e.esp;
    Ea ea = operand_ea(&i);
    int reg = R8;
    if (ea.at.base == REG_NONE && ea.at.index == REG_NONE)
        emit_mov_ri32(&t->e, R8, (u32)ea.at.disp);
    else if (ea.at.index == REG_NONE && !ea.at.disp)
        reg = ea.at.base;
    else
        emit_op_mem(&t->e, (HostOp){.opcode = 0x8d, .reg = R8}, ea.at);
    if (ea.ad16) emit_movzx16(&t->e, R8, reg);
    emit_store(t, offsetof(X87Note, ea), ea.ad16 ? R8 : reg);
    t->x87.walk.spilled = true;
}

static void emit_selector(Tx *t, int seg, size_t field)
{
    HostOp load = {.opcode = 0x0fb7, .reg = R8}, store = {.opcode = 0x89, .pfx = 0x66, .reg = R8};
    HostMem from = {.base = R15, .index = REG_NONE}, to = from;
    from.disp = (s32)(offsetof(Vcpu, seg) + (unsigned)seg * sizeof(Segment) + offsetof(Segment, sel));
    to.disp = (s32)(offsetof(Vcpu, x87) + field);
    emit_op_mem(&t->e, load, from);
    emit_op_mem(&t->e, store, to);
}

static void emit_note(Tx *t, u32 place)
{
    X87Tx *x = &t->x87;
    if (!x->any_new) return;
    if (x->mem_new && !x->walk.spilled) emit_address(t);
    if (!(t->b->mode & MODE_PROT)) emit_selector(t, CS, offsetof(X87Note, cs));
    if (!(t->b->mode & MODE_PROT) && x->mem_new) emit_selector(t, x->walk.operand.seg, offsetof(X87Note, ds));
    if (t->floats) emit_store(t, offsetof(X87Note, here), HOST_HERE);
    HostMem to = {.base = R15, .index = REG_NONE, .disp = (s32)offsetof(Vcpu, x87)};
    if (!x->mem_new) to.disp += (s32)offsetof(X87Note, any);
    emit_op_mem(&t->e, (HostOp){.opcode = 0xc7, .wide = x->mem_new}, to);
    emit_u32(&t->e, place);
    x->any_new = x->mem_new = false;
}

static void note(Tx *t, unsigned n)
{
    t->x87.left |= 1ull << n;
    if (!t->x87.walk.any) return;
    emit_note(t, t->x87.place);
    t->x87.noted |= 1ull << n;
    t->x87.walk.spilled |= t->x87.walk.mem;
}

/* Behind what i does, or from within it, the block may be left, or C may run and leave. */
static bool may_be_left(const Tx *t, const Insn *i)
{
    MemForm form;
    switch (i->row->cls) {
    case XC_IDENT:
    case XC_MEM:
    case XC_FPU:
    case XC_STACK:
    case XC_INTERP: return t->m.unpaged && site_choose_form(t, &form) && form == MEM_OPEN;
    default: return true;
    }
}

/* --- loops: the jump n, to guest offset `to` of its own block --- */

/* The instruction at guest offset `to`, among those in front of n; n: none. */
static unsigned insn_at(const Tx *t, u32 to, unsigned n)
{
    unsigned k = 0;
    while (k < n && t->x87.map[k].guest != to) k++;
    return k;
}

static bool jumps_back(const Tx *t, const Insn *i, u32 *to)
{
    u8 form = i->row->host;
    bool direct = form == HF_JCC || form == HF_LOOP || form == HF_JMP;
    *to = t->eip + i->len + i->imm - t->b->eip;
    return direct && i->opsize == 4 && !t->b->pa2 && *to <= t->eip - t->b->eip;
}

static u64 bits_between(unsigned from, unsigned to)
{
    return to > from ? (~0ull >> (64 - (to - from))) << from : 0;
}

/* Is the address of the last memory operand lost in the next round, before there is another one? */
static bool lost_in_next_round(const Tx *t, unsigned n)
{
    X87Walk w = t->x87.walk;
    for (unsigned k = 0; k < n && w.mem && !w.spilled; k++) {
        Insn i;
        u32 at = t->x87.map[k].guest;
        if (insn_decode(&i, t->x87.code + at, t->x87.map[n].guest - at, mode_decode(t->x, t->b->mode)) !=
                DECODE_OK ||
            must_spill(&w, &i))
            return true;
        if (is_data(&i) && i.is_mem) return false;
        step(&w, &i, at);
    }
    return false;
}

/* May the jump n of a loop version to its start go without a note? Not if the next round might be left before its first
 * x87 instruction. */
static bool may_carry(const Tx *t, unsigned n)
{
    const X87Tx *x = &t->x87;
    u8 first = x->walk.mem ? x->first_mem : x->first;
    bool traced = t->x->traced & TRACE_EXEC; /* it is left at its start, each round */
    return t->b->loop && x->any_new && first && !(x->left & bits_between(0, first)) && n + 1u < 64 && !traced;
}

/* True: there is nothing to note. */
static bool loop_closes(Tx *t, const Insn *i, unsigned n)
{
    X87Tx *x = &t->x87;
    u32 to;
    if (!jumps_back(t, i, &to)) return false;
    unsigned top = insn_at(t, to, n);
    if (top == n || x->looped >> top & 1 || x->opaque & bits_between(top, n)) return false;
    x->looped |= 1ull << top;
    if (x->walk.at < to) return false;
    x->to_loop = true;
    if (top || !may_carry(t, n)) return false;
    if (lost_in_next_round(t, n)) {
        emit_address(t);
        x->carry_spilled = true;
    }
    x->carry = (u8)(n + 1);
    return true;
}

void x87_aside(const Tx *t, X87Aside *a)
{
    const X87Tx *x = &t->x87;
    a->any_new = x->aside && x->any_new;
    if (a->any_new)
        *a = (X87Aside){.walk = x->walk, .any_new = true, .mem_new = x->mem_new, .place = x->place};
}

bool x87_emit_aside(Tx *t, const X87Aside *a)
{
    if (!a->any_new) return false;
    X87Tx now = t->x87;
    t->x87.walk = a->walk;
    t->x87.any_new = true;
    t->x87.mem_new = a->mem_new;
    emit_note(t, a->place);
    t->x87 = now;
    return true;
}

static void begin_insn(Tx *t, unsigned n)
{
    t->x87.place = (u32)(t->e.at - t->x->cache.rw);
    t->x87.now = n;
    t->x87.called = t->x87.to_loop = t->x87.aside = false;
}

void x87_before(Tx *t, const Insn *i, unsigned n)
{
    begin_insn(t, n);
    if (t->x87.walk.any && must_spill(&t->x87.walk, i)) emit_address(t);
    if (!may_be_left(t, i)) return;
    t->x87.left |= 1ull << n;
    if (!t->x87.walk.any) return;
    if (insn_is_forward_jcc(i) && i->opsize == 4)
        t->x87.aside = true;
    else if (!loop_closes(t, i, n))
        note(t, n);
}

void x87_call(Tx *t)
{
    note(t, t->x87.now);
    t->x87.called = true;
    t->x87.aside = false;
}

static bool is_opaque(const Tx *t, const Insn *i)
{
    switch (i->row->cls) {
    case XC_IDENT:
    case XC_MEM:
    case XC_FPU:
    case XC_STACK:
    case XC_STRING:
    case XC_INTERP: return t->x87.called;
    case XC_FLOW: return t->x87.called || insn_calls(i) || i->row->host == HF_JMPI;
    default: return true;
    }
}

void x87_after(Tx *t, const Insn *i, unsigned n)
{
    X87Tx *x = &t->x87;
    if (is_opaque(t, i)) {
        x->opaque |= 1ull << n;
        if (x->walk.any) x->walk = (X87Walk){0};
        return;
    }
    if (!x->walk.any && i->row->cls != XC_FPU) return;
    step(&x->walk, i, t->pa - t->b->pa);
    if (!is_data(i)) return;
    x->used = x->any_new = true;
    if (!x->first) x->first = (u8)(n + 1);
    if (!i->is_mem) return;
    x->mem_new = true;
    if (!x->first_mem) x->first_mem = (u8)(n + 1);
}

void x87_leave(Tx *t, unsigned n)
{
    begin_insn(t, n);
    note(t, n);
}

void x87_end(Tx *t)
{
    t->x87.end = (u16)(t->e.at - cache_write(&t->x->cache, t->b->hpc));
    t->x87.aside = false;
    emit_note(t, (u32)(t->e.at - t->x->cache.rw));
}

void x87_finish(Tx *t)
{
    Block *b = t->b;
    if (!t->x87.used) return;
    X87Block *x = cache_meta(&t->x->cache, (u32)sizeof *x + b->bytes);
    *x = (X87Block){.opaque = t->x87.opaque,
                    .noted = t->x87.noted,
                    .end = t->x87.end,
                    .carry = t->x87.carry,
                    .carry_spilled = t->x87.carry_spilled};
    memcpy(x->code, t->x87.code, b->bytes);
    b->x87 = x;
}

/* --- settling ------------------------------------------------------------------------------------------------ */

/* Over the instructions of b up to number `to`, which itself is not done, only what stands in front of it. */
static void walk(const Xlat *x, const Block *b, X87Walk *w, unsigned to)
{
    const X87Block *k = b->x87;
    for (unsigned n = 0; n <= to && n < b->insns; n++) {
        Insn i;
        u32 at = b->map[n].guest;
        bool known = insn_decode(&i, k->code + at, b->bytes - at, mode_decode(x, b->mode)) == DECODE_OK;
        bool stored = k->noted >> n & 1 || (n + 1u == k->carry && k->carry_spilled);
        if (stored || (known && must_spill(w, &i))) w->spilled |= w->mem;
        if (n == to) break;
        if (known && !(k->opaque >> n & 1))
            step(w, &i, at);
        else
            *w = (X87Walk){0};
    }
}

/* What ran last when b was at its host code `place`. */
static X87Walk walk_to(const Xlat *x, const Block *b, const u8 *place)
{
    X87Walk w = {0};
    u32 offset = (u32)(place - b->hpc);
    unsigned n = 0;
    while (n + 1u < b->insns && b->map[n + 1].host <= offset) n++;
    if (b->x87->end && offset >= b->x87->end) n = b->insns;
    if (b->x87->carry) walk(x, b, &w, b->x87->carry - 1u);
    walk(x, b, &w, n);
    return w;
}

static void set_instruction(Vcpu *c, const Block *b, const X87Walk *w, u32 here, u16 cs)
{
    c->fpu.fop = w->fop;
    c->fpu.fip = b->eip + w->at + (mode_floats(b->mode) ? here : 0);
    c->fpu.fcs = cs;
}

static void set_operand(Vcpu *c, u32 ea, u16 ds)
{
    c->fpu.fdp = ea;
    c->fpu.fds = ds;
}

/* The block of a note, and what ran in it. */
static const Block *noted(Xlat *x, u32 place, X87Walk *w)
{
    const u8 *hpc = x->cache.rx + place;
    const Block *b = block_at_host(x, hpc);
    CHECK(b && b->x87, "the last x87 instruction was in no block");
    *w = walk_to(x, b, hpc);
    return b;
}

void x87_settle(Vcpu *c)
{
    Xlat *x = c->engine->ctx;
    X87Note note_ = c->x87;
    X87Walk w;
    c->x87.mem = c->x87.any = 0;
    if (note_.mem) {
        const Block *b = noted(x, note_.mem, &w);
        set_instruction(c, b, &w, note_.here, b->mode & MODE_PROT ? c->seg[CS].sel : note_.cs);
        set_operand(c, note_.ea, b->mode & MODE_PROT ? c->seg[w.operand.seg].sel : note_.ds);
    }
    if (note_.any) {
        const Block *b = noted(x, note_.any, &w);
        set_instruction(c, b, &w, note_.here, b->mode & MODE_PROT ? c->seg[CS].sel : note_.cs);
    }
}

void x87_settle_at(Xlat *x, const Block *b, const u8 *hpc)
{
    Vcpu *c = x->c;
    if (!b || !b->x87) return;
    X87Walk w = walk_to(x, b, hpc);
    if (!w.any) return;
    fpu_settle(c);
    set_instruction(c, b, &w, (u32)c->here, c->seg[CS].sel);
    Insn i = operand_now(&w);
    if (w.mem) set_operand(c, w.spilled ? c->x87.ea : insn_ea(c, &i), c->seg[i.seg].sel);
}
