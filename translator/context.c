/* context.c - what a block may assume about the CPU beside its own bytes.
 *
 * The *mode* is what the translation bakes in: code and stack size, ring class, real or V86, the form of every
 * segment (flat, based, 64 KiB, limited, other), whether FPU instructions may run. The *context id* names (mode, CS
 * base, address space with its generation of executable mappings): equal (context id, EIP) means equal code, so one
 * 64-bit compare guards every transfer that may leave the page or the mode, and a CR3 load empties nothing. Ids are
 * not reused, those of dead address spaces just stop matching; when they run out, all that knows one is forgotten
 * first (context_renew). Rings 0-2 run from what all address spaces share (Shadow view.shared), so that a process
 * switch keeps the kernel's context.
 *
 * A kernel keeps its programs' GS and FPU, uses neither, and would be translated anew for each combination of them. So
 * the mode of ring 0's protected-mode code does not tell of them at first (*untold*): it says "GS: other, no FPU
 * instruction may run", which is always right, since what wants them is a callout then. When such callouts have been
 * executed often, the mode tells of that part from then on, and everything begins anew, once.
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

static u32 fpu_bits(const Vcpu *c)
{
    if (c->cr0 & (CR0_EM | CR0_TS)) return 0;
    return c->cr4 & CR4_OSFXSR ? MODE_FPU | MODE_SSE : MODE_FPU;
}

_Static_assert(MODE_VIEW << 1 == 1 << MODE_SEG_SHIFT && 1 << (MODE_SEG_SHIFT + 3 * SEG_COUNT) == MODE_PROT,
               "each bit of a ModeKey means one thing");

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
    k |= fpu_bits(c);
    return k | seg_bits(c, prot);
}

BlockMode mode_unpack(ModeKey k)
{
    BlockMode m = {.code32 = !!(k & MODE_CODE32),
                   .stack32 = !!(k & MODE_STACK32),
                   .user = !!(k & MODE_USER),
                   .v86 = !!(k & MODE_V86),
                   .cs_based = !!(k & MODE_CS_BASED),
                   .fpu_ok = (k & MODE_FPU ? 3 : 0) | (k & MODE_SSE ? 4 : 0),
                   .unpaged = !(k & MODE_PAGED),
                   .real = !(k & (MODE_PROT | MODE_V86))};
    for (int s = 0; s < SEG_COUNT; s++) m.seg[s] = (u8)mode_seg(k, s);
    return m;
}

DecodeMode mode_decode(const Xlat *x, ModeKey k)
{
    return (DecodeMode){
        .code32 = !!(k & MODE_CODE32), .protected_mode = !!(k & MODE_PROT), .features = x->c->features};
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

#define MODE_FPU_BITS ((ModeKey)(MODE_FPU | MODE_SSE))
#define MODE_GS_BITS  ((ModeKey)7 << (MODE_SEG_SHIFT + 3 * GS))
#define MODE_GS_OTHER ((ModeKey)SEGF_OTHER << (MODE_SEG_SHIFT + 3 * GS))

void context_init(Xlat *x) { x->untold = MODE_FPU_BITS | MODE_GS_BITS; }

static bool mode_keeps_back(ModeKey k)
{
    const ModeKey ring0 = MODE_RING0 | MODE_PROT;
    return (k & (ring0 | MODE_USER)) == ring0;
}

static ModeKey mode_told(const Xlat *x, ModeKey k)
{
    return mode_keeps_back(k) ? (k & ~x->untold) | (MODE_GS_OTHER & x->untold) : k;
}

/* seg_form() of GS and fpu_bits() are what a mode has of the parts that may be untold. */
ModeKey context_as_now(const Xlat *x, ModeKey k)
{
    const Vcpu *c = x->c;
    ModeKey now = fpu_bits(c) | (ModeKey)seg_form(&c->seg[GS], false) << (MODE_SEG_SHIFT + 3 * GS);
    return (k & ~x->untold) | (now & x->untold);
}

ModeKey context_untold(const Xlat *x, ModeKey k, const Insn *i)
{
    ModeKey parts = 0;
    if (likely(!x->untold) || !mode_keeps_back(k)) return 0;
    if (i->seg == GS) parts |= MODE_GS_BITS;
    if (i->row->cls == XC_FPU) parts |= MODE_FPU_BITS;
    return parts & x->untold;
}

bool context_missed(Xlat *x, ModeKey parts)
{
    enum { OFTEN = 256 };
    if (++x->missed < OFTEN) return false;
    x->missed = 0;
    x->telling |= parts;
    return true;
}

/* Far from the end: who asks for one looks here before a few more are asked for. */
bool context_ids_end(const Xlat *x)
{
    return x->ctx_next > UINT32_MAX - (1u << 24) || shadow_ids_end(x->shadow) || x->telling;
}

/* Ids of contexts or address spaces are about to repeat, or a mode will be another: nothing may know an old one. Blocks,
 * links and what instructions remember go with the cache; then ids begin anew. Called where no block runs on: it may be
 * a block's callout. */
void context_renew(Xlat *x)
{
    if (likely(!context_ids_end(x))) return;
    block_flush_all(x);
    jump_cache_forget(x, NULL, 0);
    memset(x->ctxs, 0, 2 * CTX_HASH * sizeof *x->ctxs);
    memset(x->far_next, 0, FAR_NEXTS * sizeof *x->far_next);
    shadow_renew_ids(x->shadow);
    x->ctx_next = x->space = 0;
    x->ctx_now = UINT64_MAX; /* no Vcpu.ctx */
    x->ret[0].ctx = x->ret[1].ctx = 0;
    context_drop_returns(x);
    x->untold &= ~x->telling;
    x->telling = 0;
    x->stats.renewals++;
}

void context_view(Xlat *x)
{
    const ShadowView *v = shadow_view(x->shadow);
    x->c->window = v->current;
    x->c->table = v->table;
    x->c->user_table = v->user_table;
}

/* Rings 0-2: the code of a kernel that shows little of itself (ShadowView.kernel) is a code of its own, so that no link
 * leads from one to the other. */
static ModeKey with_view(ModeKey mode, unsigned kernel)
{
    mode &= ~(ModeKey)MODE_VIEW; /* one that far.c remembers has it, maybe */
    return kernel && !(mode & MODE_USER) ? mode | MODE_VIEW : mode;
}

void context_update(Xlat *x) { context_set(x, mode_of(x->c)); }

void context_set(Xlat *x, ModeKey mode)
{
    Vcpu *c = x->c;
    bool user = c->cpl == 3;
    if (unlikely(x->pf.armed && c->eip == x->pf.eip)) prefill_after_fault(x);
    shadow_set_ring(x->shadow, user);
    if (unlikely(c->cr4 & CR4_SMAP)) shadow_set_smap(x->shadow, cpu_smap_holds(c));
    const ShadowView *v = shadow_view(x->shadow);
    u32 space = user ? v->space : v->shared;
    mode = mode_told(x, with_view(mode, v->kernel));
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
