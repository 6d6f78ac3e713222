/* segment.c - segment registers and descriptors (SDM vol. 3, chapters 3 and 5; vol. 2: MOV, POP, LDS, LAR, VERR).
 *
 * A selector is loaded in three steps: fetch the descriptor (supervisor rights, #PF possible), check it, then set its
 * accessed bit and commit the cache; so a fault leaves the register as it was.
 *
 * Real mode loads only base and selector: limit and attributes stay, which is what "unreal mode" lives on. V86
 * mode sets all of the cache. A null selector leaves SEG_UNUSABLE, which every access checks.
 *
 * Stack (cpu/protect.h) is a stack pointer that is not committed yet: frames of calls and interrupts are built on it.
 */
#include "cpu/protect.h"

enum { REAL_ATTR = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED, V86_ATTR = REAL_ATTR | 3 << 5 };

/* --- descriptors --- */

bool desc_fetch(Vcpu *c, u16 sel, Descriptor *d)
{
    u32 base = sel & 4 ? c->ldtr.base : c->gdtr.base;
    u32 limit = sel & 4 ? c->ldtr.limit : c->gdtr.limit;
    if (sel & 4 && c->ldtr.attr & SEG_UNUSABLE) return false;
    if ((sel | 7u) > limit) return false;
    d->va = base + (sel & 0xfff8);
    u64 v = table_read(c, d->va);
    d->lo = (u32)v;
    d->hi = (u32)(v >> 32);
    return true;
}

u32 desc_base(const Descriptor *d) { return d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000u); }

u32 desc_limit(const Descriptor *d)
{
    u32 limit = (d->lo & 0xffff) | (d->hi & 0xf0000);
    return d->hi & DESC_G ? limit << 12 | 0xfff : limit;
}

void desc_to_segment(const Descriptor *d, u16 sel, Segment *s)
{
    s->base = desc_base(d);
    s->limit = desc_limit(d);
    s->attr = d->hi >> 8 & 0xf0ff;
    s->sel = sel;
}

void desc_set_accessed(Vcpu *c, Descriptor *d)
{
    if (d->hi & DESC_ACCESSED) return;
    d->hi |= DESC_ACCESSED;
    lin_write(c, d->va + 5, d->hi >> 8 & 0xff, 1, BY_PROCESSOR);
}

void desc_probe_accessed(Vcpu *c, const Descriptor *d)
{
    if (!(d->hi & DESC_ACCESSED)) lin_probe(c, d->va + 5, 1, ACC_WRITE, BY_PROCESSOR);
}

void raise_sel(Vcpu *c, u8 vector, u16 sel)
{
    cpu_raise_error(c, vector, (sel & 0xfffcu) | c->delivering_ext);
}

void desc_get(Vcpu *c, u16 sel, Descriptor *d, u8 vector)
{
    if (!desc_fetch(c, sel, d)) raise_sel(c, vector, sel);
}

/* --- caches --- */

void seg_set_null(Segment *s, u16 sel) { *s = (Segment){.attr = SEG_UNUSABLE, .sel = sel}; }

void seg_set_v86(Segment *s, u16 sel)
{
    *s = (Segment){.base = (u32)sel << 4, .limit = 0xffff, .attr = V86_ATTR, .sel = sel};
}

void seg_load_real(Vcpu *c, int seg, u16 sel)
{
    Segment *s = &c->seg[seg];
    if (cpu_v86(c)) {
        seg_set_v86(s, sel);
        return;
    }
    if (s->attr & SEG_UNUSABLE) *s = (Segment){.limit = 0xffff, .attr = REAL_ATTR};
    s->base = (u32)sel << 4;
    s->sel = sel;
}

void cpu_set_cpl(Vcpu *c, unsigned cpl) { c->cpl = (u8)cpl; }

/* SS: CPL, RPL and DPL must all be the same; a segment not present is #SS. */
static void load_ss(Vcpu *c, u16 sel)
{
    Descriptor d;
    if (sel_is_null(sel)) raise_gp(c, 0);
    desc_get(c, sel, &d, EX_GP);
    if ((sel & 3) != c->cpl || !desc_is_writable_data(&d) || desc_dpl(&d) != c->cpl) raise_sel(c, EX_GP, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_SS, sel);
    desc_set_accessed(c, &d);
    desc_to_segment(&d, sel, &c->seg[SS]);
}

static bool is_readable(const Descriptor *d)
{
    return (d->hi & DESC_S) && (d->hi & (DESC_CODE | DESC_RW)) != DESC_CODE;
}

static void load_data(Vcpu *c, int seg, u16 sel)
{
    Descriptor d;
    if (sel_is_null(sel)) {
        seg_set_null(&c->seg[seg], sel);
        return;
    }
    desc_get(c, sel, &d, EX_GP);
    if (!is_readable(&d)) raise_sel(c, EX_GP, sel);
    if (!desc_is_conforming_code(&d) && (desc_dpl(&d) < (sel & 3u) || desc_dpl(&d) < c->cpl))
        raise_sel(c, EX_GP, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_NP, sel);
    desc_set_accessed(c, &d);
    desc_to_segment(&d, sel, &c->seg[seg]);
}

void seg_load(Vcpu *c, int seg, u16 sel)
{
    fpu_settle(c);
    if (cpu_real(c) || cpu_v86(c))
        seg_load_real(c, seg, sel);
    else if (seg == SS)
        load_ss(c, sel);
    else
        load_data(c, seg, sel);
}

void cs_commit(Vcpu *c, Descriptor *d, u16 sel, unsigned cpl, u32 eip)
{
    desc_set_accessed(c, d);
    desc_to_segment(d, (u16)((sel & 0xfffc) | cpl), &c->seg[CS]);
    cpu_set_cpl(c, cpl);
    c->next_eip = eip;
}

void segs_drop_for(Vcpu *c, unsigned cpl)
{
    static const u8 data[] = {ES, DS, FS, GS};
    for (unsigned k = 0; k < ARRAY_LEN(data); k++) {
        Segment *s = &c->seg[data[k]];
        bool conforming = (s->attr & (SEG_CODE | SEG_CONFORMING)) == (SEG_CODE | SEG_CONFORMING);
        if (!conforming && seg_dpl(s) < cpl) seg_set_null(s, 0);
    }
}

/* --- a stack under construction --- */

bool seg_has(const Segment *s, u32 off, unsigned bytes)
{
    u32 last = bytes - 1;
    if ((s->attr & (SEG_S | SEG_CODE | SEG_DOWN)) == (SEG_S | SEG_DOWN)) {
        u32 top = s->attr & SEG_DB ? 0xffffffffu : 0xffffu;
        return off > s->limit && off <= top && top - off >= last;
    }
    return (off <= s->limit && s->limit - off >= last) || s->limit == 0xffffffffu;
}

Stack stack_current(const Vcpu *c)
{
    return (Stack){.ss = c->seg[SS], .esp = c->gpr[ESP], .user = c->cpl == 3};
}

static u32 stack_va(Vcpu *c, const Stack *s, u32 esp, unsigned bytes)
{
    u32 off = s->ss.attr & SEG_DB ? esp : (u16)esp;
    if (s->ss.attr & SEG_UNUSABLE || !seg_has(&s->ss, off, bytes)) cpu_raise_error(c, EX_SS, s->error);
    u32 va = s->ss.base + off;
    if (unlikely(c->eflags & FL_AC) && c->cr0 & CR0_AM && c->cpl == 3 && s->user && va & (bytes - 1))
        cpu_raise_error(c, EX_AC, 0);
    return va;
}

static u32 stack_moved(const Stack *s, u32 delta)
{
    u32 esp = s->esp + delta;
    return s->ss.attr & SEG_DB ? esp : (s->esp & 0xffff0000u) | (u16)esp;
}

void stack_drop(Stack *s, u32 bytes) { s->esp = stack_moved(s, bytes); }

/* Host address of an access that stays in its page, or NULL: take the slow way. */
static u8 *stack_hp(Vcpu *c, Stack *s, u32 va, unsigned bytes, bool write)
{
    u32 page = va & ~(u32)PAGE_MASK;
    if (unlikely(lin_straddles(va, bytes) || cpu_watches(c))) return NULL;
    if (!s->page_hp || s->page_va != page || (write && !s->page_writable)) {
        u32 pa = lin_pa(c, va, write ? ACC_WRITE : ACC_READ, s->user) & ~(u32)PAGE_MASK;
        s->page_hp = write ? phys_hp_quiet(c->phys, pa) : phys_hp(c->phys, pa);
        s->page_va = page;
        s->page_writable = write;
    }
    return s->page_hp ? s->page_hp + (va & PAGE_MASK) : NULL;
}

/* Each element by itself, since a 16-bit stack may wrap between two of them. */
void stack_reserve(Vcpu *c, Stack *s, unsigned n, unsigned bytes)
{
    for (unsigned k = 1; k <= n; k++) {
        u32 va = stack_va(c, s, stack_moved(s, 0u - k * bytes), bytes);
        if (unlikely(!stack_hp(c, s, va, bytes, true))) lin_probe(c, va, bytes, ACC_WRITE, s->user);
    }
}

void stack_push(Vcpu *c, Stack *s, u32 v, unsigned bytes)
{
    u32 esp = stack_moved(s, 0u - bytes), va = stack_va(c, s, esp, bytes);
    u8 *hp = stack_hp(c, s, va, bytes, true);
    if (likely(hp))
        host_store(hp, v, bytes);
    else
        lin_write(c, va, v, bytes, s->user);
    s->esp = esp;
}

u32 stack_peek(Vcpu *c, Stack *s, u32 at, unsigned bytes)
{
    u32 va = stack_va(c, s, stack_moved(s, at), bytes);
    const u8 *hp = stack_hp(c, s, va, bytes, false);
    return likely(hp) ? host_load(hp, bytes) : lin_read(c, va, bytes, ACC_READ, s->user);
}

u32 stack_pop(Vcpu *c, Stack *s, unsigned bytes)
{
    u32 v = stack_peek(c, s, 0, bytes);
    stack_drop(s, bytes);
    return v;
}

void stack_commit(Vcpu *c, const Stack *s)
{
    c->seg[SS] = s->ss;
    c->gpr[ESP] = s->esp;
}

static void tss_stack_pointer(Vcpu *c, unsigned cpl, u16 *ss, u32 *esp)
{
    bool is32 = c->tr.attr & SYS_32BIT;
    u32 at = is32 ? 4 + 8 * cpl : 2 + 4 * cpl, bytes = is32 ? 4 : 2;
    if (c->tr.attr & SEG_UNUSABLE || at + bytes + 1 > c->tr.limit) raise_sel(c, EX_TS, c->tr.sel);
    u32 va = c->tr.base + at;
    if (likely(is32 && (va & PAGE_MASK) <= PAGE_BYTES - 8)) {
        u64 v = table_read(c, va);
        *esp = (u32)v;
        *ss = (u16)(v >> 32);
        return;
    }
    *esp = lin_read(c, va, bytes, ACC_READ, BY_PROCESSOR);
    *ss = (u16)lin_read(c, va + bytes, 2, ACC_READ, BY_PROCESSOR);
}

Stack stack_for_cpl(Vcpu *c, unsigned cpl)
{
    Stack s = {.user = cpl == 3};
    Descriptor d;
    u16 sel;
    tss_stack_pointer(c, cpl, &sel, &s.esp);
    if (sel_is_null(sel)) raise_sel(c, EX_TS, sel);
    desc_get(c, sel, &d, EX_TS);
    if ((sel & 3u) != cpl || desc_dpl(&d) != cpl || !desc_is_writable_data(&d)) raise_sel(c, EX_TS, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_SS, sel);
    desc_set_accessed(c, &d);
    desc_to_segment(&d, sel, &s.ss);
    s.error = (sel & 0xfffcu) | c->delivering_ext;
    return s;
}

/* --- instructions --- */

static void load_ss_shadow(Vcpu *c, int seg)
{
    if (seg != SS) return;
    c->inhibit = INHIBIT_SS;
    cpu_poll_update(c);
}

void exec_mov_to_sreg(Vcpu *c, const Insn *i)
{
    if (i->reg == CS || i->reg >= SEG_COUNT) raise_ud(c);
    seg_load(c, i->reg, (u16)op_read(c, i, 1));
    load_ss_shadow(c, i->reg);
}

void exec_mov_from_sreg(Vcpu *c, const Insn *i)
{
    if (i->reg >= SEG_COUNT) raise_ud(c);
    op_write(c, i, 0, c->seg[i->reg].sel);
}

void exec_pop_sreg(Vcpu *c, const Insn *i)
{
    int seg = i->row->o[0] - O_ES;
    u16 sel = (u16)stack_read_at(c, 0, i->opsize);
    u32 width = cpu_stack32(c); /* POP SS moves the old stack's pointer */
    seg_load(c, seg, sel);
    reg_write(c, ESP, c->gpr[ESP] + i->opsize, width ? 4 : 2);
    load_ss_shadow(c, seg);
}

static void load_far_pointer(Vcpu *c, const Insn *i, int seg)
{
    u32 ea = insn_ea(c, i), sel_ea = ea + i->opsize;
    u32 off = mem_read(c, i->seg, ea, i->opsize);
    u16 sel = (u16)mem_read(c, i->seg, i->adsize == 2 ? (u16)sel_ea : sel_ea, 2);
    seg_load(c, seg, sel);
    reg_write(c, i->reg, off, i->opsize);
    load_ss_shadow(c,
                   seg == SS ? REG_NONE : seg); /* LSS has no shadow: it loads both halves of the pointer */
}

void exec_les(Vcpu *c, const Insn *i) { load_far_pointer(c, i, ES); }
void exec_lds(Vcpu *c, const Insn *i) { load_far_pointer(c, i, DS); }
void exec_lss(Vcpu *c, const Insn *i) { load_far_pointer(c, i, SS); }
void exec_lfs(Vcpu *c, const Insn *i) { load_far_pointer(c, i, FS); }
void exec_lgs(Vcpu *c, const Insn *i) { load_far_pointer(c, i, GS); }

/* The descriptor behind a selector as LAR, LSL, VERR and VERW look at it: never a fault but #PF. */
static bool probe(Vcpu *c, u16 sel, Descriptor *d)
{
    if (sel_is_null(sel) || !desc_fetch(c, sel, d)) return false;
    if (desc_is_conforming_code(d)) return true;
    return desc_dpl(d) >= c->cpl && desc_dpl(d) >= (sel & 3u);
}

/* sets of system types */
enum {
    LSL_TYPES = 1 << SYS_TSS16 | 1 << SYS_LDT | 1 << SYS_TSS16_BUSY | 1 << SYS_TSS32 | 1 << SYS_TSS32_BUSY,
    LAR_TYPES = LSL_TYPES | 1 << SYS_CALL16 | 1 << SYS_TASK_GATE | 1 << SYS_CALL32,
};

static bool probe_system(const Descriptor *d, u32 types)
{
    return d->hi & DESC_S || types >> desc_type(d) & 1;
}

static void set_zf(Vcpu *c, bool z) { flags_set(c, FL_Z, z ? FL_Z : 0); }

void exec_lar(Vcpu *c, const Insn *i)
{
    Descriptor d;
    bool ok = probe(c, (u16)op_read(c, i, 1), &d) && probe_system(&d, LAR_TYPES);
    if (ok) op_write(c, i, 0, d.hi & 0x00ffff00u);
    set_zf(c, ok);
}

void exec_lsl(Vcpu *c, const Insn *i)
{
    Descriptor d;
    bool ok = probe(c, (u16)op_read(c, i, 1), &d) && probe_system(&d, LSL_TYPES);
    if (ok) op_write(c, i, 0, desc_limit(&d));
    set_zf(c, ok);
}

void exec_verr(Vcpu *c, const Insn *i)
{
    Descriptor d;
    set_zf(c, probe(c, (u16)op_read(c, i, 0), &d) && is_readable(&d));
}

void exec_verw(Vcpu *c, const Insn *i)
{
    Descriptor d;
    set_zf(c, probe(c, (u16)op_read(c, i, 0), &d) && desc_is_writable_data(&d));
}

void exec_arpl(Vcpu *c, const Insn *i)
{
    u32 dst = op_read(c, i, 0), src = op_read(c, i, 1); /* written, and checked for it, only if it changes */
    bool lower = (dst & 3) < (src & 3);
    if (lower) op_write(c, i, 0, (dst & ~3u) | (src & 3));
    set_zf(c, lower);
}
