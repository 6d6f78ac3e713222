/* callout.c - a guest instruction done by its interpreter function, between two translated ones.
 *
 * The code sets EIP, saves the guest's registers (xlat_callout in glue.S), calls C and goes on. When control went
 * elsewhere, when the mode or the address space changed under the block, or when a block died (it may have been this
 * one), C names the block to enter instead if the jump cache knows it. It says "leave" when something waits for the run
 * loop. A fault leaves by longjmp, with all state in the Vcpu already.
 */
#include "translator/callout.h"
#include "cpu/fpu.h"
#include "cpu/operand.h"
#include "translator/instrument.h"

static inline void exec(Vcpu *c, const Insn *i)
{
    const Row *r = i->row;
    c->next_eip = c->eip + i->len;
    if (r->checks & CK_CPL0 && c->cpl != 0) raise_gp(c, 0);
    if (c->row_hits) c->row_hits[r->id]++;
    c->insns_interp++;
    x86_exec[r->id](c, i);
}

u64 callout_next_block(Xlat *x, Vcpu *c)
{
    if (unlikely(x->pf.once)) return EXIT_DISPATCH;
    const u8 *hpc = jump_cache_get(c);
    if (!hpc) return EXIT_DISPATCH;
    x->killed = false; /* the jump cache knows no dead block */
    return (u64)(uintptr_t)hpc;
}

/* True if the block may go on at `expected`. */
static inline bool may_go_on(Xlat *x, Vcpu *c, u32 expected)
{
    context_view(x);
    if (unlikely(!c->fpu_live)) fpu_unpark(c);
    return c->next_eip == expected && !x->killed;
}

static u64 plain_done(Xlat *x, Vcpu *c, u32 expected)
{
    bool on = may_go_on(x, c, expected);
    c->eip = c->next_eip;
    if (likely(on)) return 0;
    if (callout_must_leave(c)) return EXIT_DISPATCH;
    context_update(x);
    return callout_next_block(x, c);
}

/* An instruction that changes neither mode nor control flow (unless REP was interrupted). */
static u64 callout_plain(Vcpu *c, void *arg)
{
    const Callout *a = arg;
    exec(c, &a->insn);
    return plain_done(a->x, c, c->eip + a->insn.len);
}

/* A long REP of a block in table form. */
typedef struct RepCallout {
    Callout call;
    Block *b;
    u32 pa; /* of the instruction */
} RepCallout;

static u64 callout_rep(Vcpu *c, void *arg)
{
    const RepCallout *a = arg;
    if (unlikely(form_rep(a->call.x, a->b))) form_turn(a->call.x, a->b, a->pa);
    return callout_plain(c, arg);
}

static void emit_rep(Tx *t, const Insn *i)
{
    RepCallout *a = cache_meta(&t->x->cache, sizeof *a);
    *a = (RepCallout){.call = {.insn = *i, .x = t->x}, .b = t->b, .pa = t->pa};
    callout_emit_call(t, callout_rep, a);
}

u64 callout_execute(Vcpu *c, const Callout *a)
{
    u64 before = c->ctx;
    exec(c, &a->insn);
    u32 expected = c->eip + a->insn.len;
    bool on = may_go_on(a->x, c, expected);
    c->eip = c->next_eip;
    if (c->inhibit && !c->attention) c->inhibit = 0; /* nothing to hold off */
    if (callout_must_leave(c)) return EXIT_DISPATCH;
    context_update(a->x);
    return on && c->ctx == before ? 0 : callout_next_block(a->x, c);
}

/* One that may: the context is made anew and compared. */
static u64 callout_ends(Vcpu *c, void *arg) { return callout_execute(c, arg); }

/* Hardly ever goes on behind itself: INT comes back by IRET, which looks its target up. */
static bool leaves_block(const Insn *i) { return i->row->cls == XC_FAR && i->opcode != 0xce /* INTO */; }

/* Vcpu.eip; r10 clobbered. */
static void emit_set_eip(Tx *t, u32 eip)
{
    if (t->floats) {
        flow_emit_eip(t, R10, eip);
        emit_mov_mr32(&t->e, R15, VCPU_EIP, R10);
    } else {
        emit_mov_mi32(&t->e, R15, VCPU_EIP, eip);
    }
}

void callout_emit_call(Tx *t, CalloutFn *f, const void *arg) { callout_emit_call_at(t, t->eip, f, arg); }

void callout_emit_call_at(Tx *t, u32 eip, CalloutFn *f, const void *arg)
{
    t->how |= HOW_SLOW_C;
    if (unlikely(t->ops != NULL)) instrument_flush(t, t->number + 1);
    emit_unhoist(&t->e);
    emit_set_eip(t, eip);
    emit_mov_ri64(&t->e, R9, (u64)(uintptr_t)arg);
    emit_mov_ri64(&t->e, R11, (u64)(uintptr_t)f);
    emit_call(&t->e, xlat_callout);
}

typedef struct SiteCallout {
    Callout call; /* first: callout_plain takes it */
    Block *b;
    u32 pa, innocent, patience;
} SiteCallout;

/* An access that used to trap. What the interpreter's function touches says whether it still would. */
static u64 callout_site(Vcpu *c, void *arg)
{
    SiteCallout *a = arg;
    u64 slow = c->phys->slow, answer = callout_plain(c, &a->call);
    if (!answer && callout_must_leave(c)) answer = EXIT_DISPATCH; /* a device's interrupt comes at once */
    a->innocent = c->phys->slow == slow ? a->innocent + 1 : 0;
    if (likely(a->innocent < a->patience) || a->b->dead) return answer;
    site_forgive(a->call.x, a->pa);
    block_kill(a->call.x, a->b);
    return EXIT_DISPATCH;
}

/* MOV of 32 bits to memory in a flat segment, in rings 0-2: to a page table, as a rule. */
static bool stores_plainly(const Tx *t, const Insn *i)
{
    u16 op = i->row->opcode;
    bool mov = op == 0x89 || (op == 0xc7 && i->reg == 0);
    return mov && i->is_mem && i->opsize == 4 && i->adsize == 4 && t->m.seg[i->seg] == SEGF_FLAT &&
           i->seg != CS && !t->m.user;
}

static u64 callout_store(Vcpu *c, void *arg)
{
    SiteCallout *a = arg;
    const Insn *i = &a->call.insn;
    u32 value = i->row->opcode == 0x89 ? c->gpr[i->reg] : i->imm;
    if (!shadow_store32(a->call.x->shadow, insn_ea(c, i), value)) return callout_site(c, arg);
    if (c->row_hits) c->row_hits[i->row->id]++;
    c->insns_interp++;
    c->next_eip = c->eip + i->len;
    a->innocent = 0;
    return plain_done(a->call.x, c, c->next_eip);
}

void callout_emit_site(Tx *t, const Insn *i)
{
    SiteCallout *a = cache_meta(&t->x->cache, sizeof *a);
    *a = (SiteCallout){
        .call = {.insn = *i, .x = t->x}, .b = t->b, .pa = t->pa, .patience = site_patience(t->x, t->pa)};
    t->how |= HOW_C | HOW_SITE;
    callout_emit_call(t, stores_plainly(t, i) ? callout_store : callout_site, a);
}

typedef struct PatchedCallout {
    Insn insn; /* as it was when the block was made */
    Xlat *x;
    Block *b;
    u32 pa, same;
    u8 bytes[16];
} PatchedCallout;

enum { PATCHED_SAME_MAX = 4096 };

/* Whatever is there now. */
static u64 callout_patched(Vcpu *c, void *arg)
{
    PatchedCallout *a = arg;
    u64 before = c->ctx;
    u32 expected = c->eip + a->insn.len;
    const u8 *now = phys_hp(c->phys, a->pa);
    a->same = now && !memcmp(now, a->bytes, a->insn.len) ? a->same + 1 : 0;
    if (!a->same && now) memcpy(a->bytes, now, a->insn.len);
    if (a->same > PATCHED_SAME_MAX && !a->b->dead) {
        site_forgive(a->x, a->pa);
        block_kill(a->x, a->b);
    }
    interp_one(c);
    bool on = may_go_on(a->x, c, expected);
    if (c->inhibit && !c->attention) c->inhibit = 0;
    if (callout_must_leave(c)) return EXIT_DISPATCH;
    context_update(a->x);
    return on && c->ctx == before ? 0 : callout_next_block(a->x, c);
}

void callout_emit_patched(Tx *t, const Insn *i)
{
    PatchedCallout *a = cache_meta(&t->x->cache, sizeof *a);
    *a = (PatchedCallout){.insn = *i, .x = t->x, .b = t->b, .pa = t->pa};
    memcpy(a->bytes, phys_hp(t->x->phys, t->pa), i->len);
    t->how |= HOW_C;
    callout_emit_call(t, callout_patched, a);
}

CalloutFn *callout_for(const Insn *i) { return i->row->checks & CK_ENDS ? callout_ends : callout_plain; }

/* One that the mode does not tell enough for. */
static u64 callout_untold(Vcpu *c, void *arg)
{
    const Callout *a = arg;
    Xlat *x = a->x;
    ModeKey parts = context_untold(x, x->mode, &a->insn);
    u64 answer = callout_for(&a->insn)(c, arg);
    return context_missed(x, parts) ? EXIT_DISPATCH : answer;
}

static CalloutFn *choose(const Xlat *x, ModeKey mode, const Insn *i)
{
    return context_untold(x, mode, i) ? callout_untold : callout_for(i);
}

/* While -trace records: how long it took. (A fault leaves it by longjmp, and is an event by itself.) */
static u64 callout_timed(Vcpu *c, void *arg)
{
    const Callout *a = arg;
    u32 eip = c->eip;
    u64 since = timeline_now(), answer = choose(a->x, a->x->mode, &a->insn)(c, arg);
    if (since) timeline_add(TIMELINE_CALLOUT, since, a->insn.row->name, eip, 0);
    return answer;
}

void callout_emit(Tx *t, const Insn *i)
{
    bool timed = t->x->traced & TRACE_TIMELINE;
    if (i->row->cls == XC_STRING && i->prefix & (PREFIX_REP | PREFIX_REPNE) && t->b->table && !timed) {
        emit_rep(t, i);
        return;
    }
    Callout *a = cache_meta(&t->x->cache, sizeof *a);
    *a = (Callout){.insn = *i, .x = t->x};
    callout_emit_call(t, unlikely(timed) ? callout_timed : choose(t->x, t->b->mode, i), a);
    if (leaves_block(i)) flow_exit_to(t, t->eip + i->len, false);
}

const char *callout_name(const void *function)
{
    static const struct {
        CalloutFn *f;
        const char *name;
    } names[] = {{callout_plain, "callout_plain"}, {callout_rep, "callout_rep"},
                 {callout_ends, "callout_ends"},   {callout_site, "callout_site"},
                 {callout_store, "callout_store"}, {callout_patched, "callout_patched"}};
    for (unsigned n = 0; n < ARRAY_LEN(names); n++)
        if ((uintptr_t)names[n].f == (uintptr_t)function) return names[n].name;
    return NULL;
}
