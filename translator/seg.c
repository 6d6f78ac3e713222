/* seg.c - MOV and POP to ES, DS, FS, GS in ring 0: what the last load at this place did, again.
 *
 * An operating system loads the same few selectors at the same few places at every entry and exit. Each place
 * remembers (SegSite) the selector, the raw descriptor, and what became of them: the segment cache and the context id.
 * xlat_seg_load (glue.S) reads the descriptor afresh, compares, and repeats the outcome; when anything differs the
 * interpreter's function runs and is learnt from. So a changed GDT entry counts at the next load, as it must.
 *
 * The context id stands for mode, level and address space. A null selector reads descriptor 0, which makes it no
 * special case. LDT selectors are not learnt. At other levels the window does not show the GDT: callouts.
 */
#include "cpu/memory.h"
#include "translator/callout.h"
#include "translator/operand.h"

_Static_assert(offsetof(Vcpu, gdtr) == VCPU_GDTR, "layout");
_Static_assert(offsetof(SegSite, ctx) == SITE_CTX, "layout");
_Static_assert(offsetof(SegSite, after) == SITE_AFTER, "layout");
_Static_assert(offsetof(SegSite, gdtr) == SITE_GDTR, "layout");
_Static_assert(offsetof(SegSite, desc) == SITE_DESC, "layout");
_Static_assert(offsetof(SegSite, cache) == SITE_CACHE, "layout");
_Static_assert(offsetof(SegSite, sel) == SITE_SEL, "layout");
_Static_assert(offsetof(SegSite, va) == SITE_VA, "layout");
_Static_assert(offsetof(SegSite, reg) == SITE_REG, "layout");
_Static_assert(offsetof(SegSite, pop) == SITE_POP, "layout");
_Static_assert(offsetof(SegSite, next) == SITE_NEXT, "layout");
_Static_assert(offsetof(SegSite, slow) == SITE_SLOW, "layout");

bool table_peek(const Vcpu *c, u32 va, u64 *v)
{
    Paging pg = cpu_paging(c);
    if ((va & PAGE_MASK) > PAGE_BYTES - 8) return false;
    Walk w = mmu_walk(c->phys, &pg, va, WALK_NO_AD);
    const u8 *hp = w.ok ? phys_hp(c->phys, w.pa) : NULL;
    if (hp) *v = load64(hp);
    return hp;
}

static void learn(SegSite *s, const Vcpu *c, u64 before)
{
    const Segment *seg = (const Segment *)((const u8 *)c + s->reg);
    if (s->ctx == SEG_NEVER) return;
    s->ctx = SEG_UNKNOWN;
    s->sel = seg->sel;
    s->va = c->gdtr.base + (seg->sel & 0xfff8u);
    if (seg->sel & 4 || (seg->sel | 7u) > c->gdtr.limit || !table_peek(c, s->va, &s->desc)) return;
    memcpy(&s->gdtr, &c->gdtr, sizeof s->gdtr);
    memcpy(s->cache, seg, sizeof *seg);
    s->ctx = before;
    s->after = c->ctx;
}

static u64 seg_load_slow(Vcpu *c, void *arg)
{
    SegSite *s = arg;
    const Xlat *x = s->call.x;
    u64 before = c->ctx, flushes = x->stats.flushes, there = callout_execute(c, &s->call);
    if (x->stats.flushes == flushes && !callout_must_leave(c))
        learn(s, c, before); /* a flush takes the site along */
    return there;
}

static SegSite *site_new(Tx *t, const Insn *i, int seg)
{
    SegSite *s = cache_meta(&t->x->cache, sizeof *s);
    *s = (SegSite){.ctx = SEG_UNKNOWN, .slow = seg_load_slow, .next = t->eip + i->len};
    s->call = (Callout){.insn = *i, .x = t->x};
    s->reg = (u32)(offsetof(Vcpu, seg) + (unsigned)seg * sizeof(Segment));
    return s;
}

static void emit_load(Tx *t, SegSite *s)
{
    emit_mov_mi32(&t->e, R15, VCPU_EIP, t->eip);
    emit_mov_ri64(&t->e, R9, (u64)(uintptr_t)s);
    emit_call(&t->e, xlat_seg_load);
    t->how |= HOW_LEARNT;
}

static bool is_data(int seg) { return seg == ES || seg == DS || seg == FS || seg == GS; }

static bool emit_mov(Tx *t, const Insn *i)
{
    if (!is_data(i->reg)) return false;
    if (i->is_mem) {
        if (!emit_load_operand(&t->e, R8, i, &t->m, MEM_WINDOW, 2)) return false;
    } else {
        emit_movzx16(&t->e, R8, host_gpr(i->rm));
    }
    emit_load(t, site_new(t, i, i->reg));
    return true;
}

static bool emit_pop(Tx *t, const Insn *i)
{
    int seg = i->row->o[0] - O_ES;
    if (!is_data(seg) || !t->m.stack32 || t->m.seg[SS] != SEGF_FLAT) return false;
    SegSite *s = site_new(t, i, seg);
    s->pop = i->opsize;
    emit_guest_load(&t->e, R8, (HostMem){.base = R14, .index = REG_NONE, .guest = GUEST_WINDOW}, i->opsize);
    emit_movzx16(&t->e, R8, R8);
    emit_load(t, s);
    return true;
}

bool seg_emit(Tx *t, const Insn *i)
{
    const ModeKey want = MODE_RING0 | MODE_PROT;
    if ((t->x->mode & want) != want || site_form(t->x, t->pa) != SITE_WINDOW) return false;
    switch (i->row->opcode) {
    case 0x8e: return emit_mov(t, i);
    case 0x07:
    case 0x1f:
    case 0x0fa1:
    case 0x0fa9: return emit_pop(t, i);
    default: return false;
    }
}
