/* context.c - what a block may assume about the CPU beside its own bytes.
 *
 * The *mode* is what the translation bakes in: code and stack size, ring class, real or V86, the form of every segment
 * (flat, based, 64 KiB, limited, other), whether FPU instructions may run. The *context id* names (mode, CS base,
 * address space with its generation of executable mappings): equal (context id, EIP) means equal code, so one 64-bit
 * compare guards every transfer that may leave the page or the mode, and a CR3 load empties nothing. Ids are never
 * reused; those of dead address spaces just stop matching. Rings 0-2 run from what all address spaces share (Shadow
 * view.shared), so that a process switch keeps the kernel's context.
 */
#include "translator/xlat.h"

static unsigned limit_form(const Segment *s)
{
    if (s->limit == 0xffff) return SEGF_64K;
    if (s->limit != 0xffffffff) return SEGF_LIMITED;
    return s->base ? SEGF_BASED : SEGF_FLAT;
}

static inline unsigned seg_form(const Segment *s, bool code)
{
    u32 a = s->attr;
    if (a & SEG_UNUSABLE || !(a & SEG_P)) return SEGF_OTHER;
    if (code) { /* execute-only code cannot be read through */
        if (!(a & SEG_READABLE) || !(a & SEG_CODE)) return SEGF_OTHER;
    } else if (a & SEG_CODE || !(a & SEG_WRITABLE) || a & SEG_DOWN) {
        return SEGF_OTHER;
    }
    return limit_form(s);
}

/* Real and V86 mode look at limits only; a cache's type is what the last protected-mode load left. */
static unsigned seg_form_real(const Segment *s)
{
    if (s->attr & SEG_UNUSABLE || (s->attr & (SEG_S | SEG_CODE | SEG_DOWN)) == (SEG_S | SEG_DOWN))
        return SEGF_OTHER;
    return limit_form(s);
}

static ModeKey seg_bits(const Vcpu *c, bool prot)
{
    u32 k = 0;
    for (int s = 0; s < SEG_COUNT; s++)
        k |= (prot ? seg_form(&c->seg[s], s == CS) : seg_form_real(&c->seg[s])) << (MODE_SEG_SHIFT + 3 * s);
    if (unlikely(mode_seg(k, CS) == SEGF_LIMITED)) return k | (ModeKey)c->seg[CS].limit << MODE_LIMIT_SHIFT;
    return k;
}

static unsigned fpu_bits(const Vcpu *c)
{
    unsigned b = 0;
    if (!(c->cr0 & (CR0_EM | CR0_TS))) {
        b = 3;
        if (c->cr4 & CR4_OSFXSR) b |= 4;
    }
    return b;
}

ModeKey mode_of(const Vcpu *c)
{
    bool prot = cpu_protected(c) && !cpu_v86(c);
    u32 k = 0;
    if (cpu_code32(c)) k |= MODE_CODE32;
    if (cpu_stack32(c)) k |= MODE_STACK32;
    if (c->cpl == 3)
        k |= MODE_USER | (c->eflags & FL_AC && c->cr0 & CR0_AM ? MODE_ALIGN : 0);
    else if (c->cpl == 0)
        k |= MODE_RING0;
    if (cpu_v86(c) && (c->eflags & (FL_IOPL | FL_NT)) == FL_IOPL) k |= MODE_RING0; /* see there */
    if (c->eflags & (FL_IOPL | FL_NT)) k |= MODE_SYSFLAGS;
    if (cpu_v86(c)) k |= MODE_V86;
    if (c->seg[CS].base) k |= MODE_CS_BASED;
    if (c->cr0 & CR0_PG) k |= MODE_PAGED;
    if (prot) k |= MODE_PROT;
    if (unlikely(c->cr4 & CR4_TSD) && c->cpl) k |= MODE_NO_TSC;
    k |= fpu_bits(c) << MODE_FPU_SHIFT;
    return k | seg_bits(c, prot);
}

BlockMode mode_unpack(ModeKey k)
{
    BlockMode m = {.code32 = !!(k & MODE_CODE32),
                   .stack32 = !!(k & MODE_STACK32),
                   .user = !!(k & MODE_USER),
                   .v86 = !!(k & MODE_V86),
                   .cs_based = !!(k & MODE_CS_BASED),
                   .fpu_ok = k >> MODE_FPU_SHIFT & 7,
                   .unpaged = !(k & MODE_PAGED),
                   .real = !(k & (MODE_PROT | MODE_V86))};
    for (int s = 0; s < SEG_COUNT; s++) m.seg[s] = (u8)mode_seg(k, s);
    return m;
}

/* Processes come and go; what the kernel runs in shall keep its ids. */
static struct CtxEntry *ctx_table(const Xlat *x, ModeKey mode)
{
    return x->ctxs + (mode & MODE_USER ? CTX_HASH : 0);
}

/* The id of (space, mode, cs_base). A table slot that is overwritten only costs fresh jump-cache entries. */
static u32 context_id(Xlat *x, u32 space, ModeKey mode, u32 cs_base)
{
    u32 h = (space * 0x9e3779b1u) ^ (mode_mix(mode) * 0x85ebca6bu) ^ (cs_base * 0xc2b2ae35u);
    struct CtxEntry *e = ctx_table(x, mode) + ((h ^ h >> 15) & (CTX_HASH - 1));
    if (!e->id || e->space != space || e->mode != mode || e->cs_base != cs_base)
        *e = (struct CtxEntry){space, cs_base, mode, ++x->ctx_next};
    return e->id;
}

/* The return stack of the ring class, emptied if it was filled in another context. */
static void select_returns(Xlat *x, u32 id)
{
    Vcpu *c = x->c;
    int n = c->cpl == 3;
    x->ret[x->ret_now].rsp = c->ret_rsp;
    RetStack *r = &x->ret[n];
    if (r->ctx != id) r->rsp = r->bottom, r->ctx = id;
    x->ret_now = n;
    c->ret_rsp = r->rsp;
    c->ret_bottom = r->bottom;
}

void context_drop_returns(Xlat *x)
{
    for (int n = 0; n < 2; n++) x->ret[n].rsp = x->ret[n].bottom;
    x->c->ret_rsp = x->ret[x->ret_now].bottom;
}

/* The guest's handler returned to the instruction whose access faulted: map the page before it traps again. (Before
 * the ring changes, which would flush what is pending: it may be this page.) */
static void prefill_after_fault(Xlat *x)
{
    x->pf.armed = false;
    if ((x->c->cpl == 3) == x->pf.user)
        x->pf.once = !shadow_prefill(x->shadow, x->pf.va, x->pf.write, x->pf.user);
}

void context_view(Xlat *x)
{
    const ShadowView *v = shadow_view(x->shadow);
    x->c->window = v->current;
    x->c->table = v->table;
    x->c->user_table = v->user_table;
}

void context_update(Xlat *x) { context_set(x, mode_of(x->c)); }

void context_set(Xlat *x, ModeKey mode)
{
    Vcpu *c = x->c;
    bool user = c->cpl == 3;
    if (unlikely(x->pf.armed && c->eip == x->pf.eip)) prefill_after_fault(x);
    shadow_set_ring(x->shadow, user);
    const ShadowView *v = shadow_view(x->shadow);
    u32 space = user ? v->space : v->shared;
    context_view(x);
    if (space == x->space && mode == x->mode && c->seg[CS].base == x->cs_base && c->ctx == x->ctx_now) return;
    x->ret[x->ret_now].ctx = (u32)(c->ctx >> 32);
    x->space = space;
    x->mode = mode;
    x->cs_base = c->seg[CS].base;
    u32 id = context_id(x, space, mode, x->cs_base);
    c->ctx = x->ctx_now = (u64)id << 32;
    select_returns(x, id);
}

/* Translated code changed Vcpu.ctx on its own (xlat_seg_load) and then missed the jump cache. If the table has
 * forgotten that id, this would happen again and again: with new ids, every SegSite learns anew. */
void context_resync(Xlat *x)
{
    u64 was = x->c->ctx;
    context_update(x);
    if (x->c->ctx == was) return;
    memset(ctx_table(x, x->mode), 0, CTX_HASH * sizeof *x->ctxs);
    x->space = 0;
    context_update(x);
}
