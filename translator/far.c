/* far.c - INT n, IRET, SYSENTER and SYSEXIT between ring 3 and ring 0: what the last one at this place did, again.
 *
 * Each place remembers (FarSite) the gate and the descriptors that it used, as they are in memory, and what became of
 * them. The next time it reads them afresh, through the supervisor window (guard.h), and if they, the table registers
 * and the context are the same, the checks need no repetition: the frame is written or taken, CS, SS, CPL and
 * EFLAGS are set, and the block at the target is entered. Anything else (another gate, a watched stack page, a flag
 * that matters, something waiting for the run loop) is left, with nothing done, to the interpreter's function.
 *
 * Flat 32-bit stacks only. The context stands for mode, level, segment forms, IOPL and NT before the instruction; with
 * CS and SS known afterwards, so is the mode behind it.
 */
#include "cpu/protect.h"
#include "translator/callout.h"
#include "translator/guard.h"

enum { FAILURES_MAX = 16, FRAME_BYTES = 20 };
/* IRET loads these; a change of one of the others is not for here. */
enum { IRET_LOADS = FL_ARITH | FL_D | FL_I, IRET_CARES = FL_ALL & ~(IRET_LOADS | FL_RF) };

typedef struct FarSite {
    Callout call;
    u64 ctx;        /* Vcpu.ctx before; SEG_UNKNOWN, SEG_NEVER */
    ModeKey mode;   /* behind */
    Segment cs, ss; /* behind */
    u64 gate, cs_desc, ss_desc, gdtr, idtr;
    u32 gate_va, cs_va, ss_va, tr_base;
    u32 eip;        /* INT: the handler's */
    u32 eflags_off; /* INT: flags that it clears */
    u8 failures;
    bool (*fast)(Vcpu *c, struct FarSite *s);
    bool (*learn)(Vcpu *c, struct FarSite *s);
} FarSite;

/* --- again --- */

static inline u8 *supervisor_window(const FarSite *s)
{
    shadow_set_ring(s->call.x->shadow, false);
    return shadow_view(s->call.x->shadow)->current;
}

static inline bool tables_same(const Vcpu *c, const FarSite *s)
{
    return !memcmp(&c->gdtr, &s->gdtr, sizeof s->gdtr) && !memcmp(&c->idtr, &s->idtr, sizeof s->idtr) &&
           c->tr.base == s->tr_base;
}

static bool failed(FarSite *s)
{
    if (++s->failures == FAILURES_MAX) s->ctx = SEG_NEVER;
    return false;
}

static inline void arrive(Vcpu *c, const FarSite *s, u8 cpl, u32 eip, u32 esp)
{
    c->seg[CS] = s->cs;
    c->seg[SS] = s->ss;
    c->cpl = cpl;
    c->gpr[ESP] = esp;
    c->next_eip = eip;
}

/* False: not all of it. In one page the first store says for all whether they can be made. */
static bool int_frame(const Vcpu *c, u8 *k, u32 esp)
{
    bool straddles = ((esp - 1) ^ (esp - FRAME_BYTES)) >> PAGE_BITS;
    return !straddles && guard_store32(k + (u32)(esp - 4), c->seg[SS].sel) &&
           guard_store32(k + (u32)(esp - 8), c->gpr[ESP]) && guard_store32(k + (u32)(esp - 12), c->eflags) &&
           guard_store32(k + (u32)(esp - 16), c->seg[CS].sel) &&
           guard_store32(k + (u32)(esp - FRAME_BYTES), c->next_eip);
}

static bool int_again(Vcpu *c, FarSite *s)
{
    u64 gate, tss, cs, ss;
    u8 *k = supervisor_window(s);
    if (!tables_same(c, s)) return false;
    if (!guard_load64(k + s->gate_va, &gate) || !guard_load64(k + (u32)(s->tr_base + 4), &tss))
        return failed(s);
    if (gate != s->gate || (u16)(tss >> 32) != s->ss.sel) return false;
    if (!guard_load64(k + s->cs_va, &cs) || !guard_load64(k + s->ss_va, &ss)) return failed(s);
    if (cs != s->cs_desc || ss != s->ss_desc) return false;
    if (!int_frame(c, k, (u32)tss)) return failed(s);
    arrive(c, s, 0, s->eip, (u32)tss - FRAME_BYTES);
    c->eflags &= ~s->eflags_off;
    c->int_count[1][s->call.insn.imm & 0xff]++;
    return true;
}

/* May ring 3 keep it? A null selector becomes 0. */
static inline bool data_stays(const Segment *seg) { return seg->attr & SEG_UNUSABLE || seg_dpl(seg) == 3; }

static bool iret_again(Vcpu *c, FarSite *s)
{
    u64 cs_desc, ss_desc;
    u32 esp = c->gpr[ESP], eip, cs, eflags, new_esp, ss;
    u8 *k = supervisor_window(s);
    if (memcmp(&c->gdtr, &s->gdtr, sizeof s->gdtr)) return false;
    if (!guard_load32(k + esp, &eip) || !guard_load32(k + (u32)(esp + 4), &cs) ||
        !guard_load32(k + (u32)(esp + 8), &eflags))
        return failed(s);
    if ((u16)cs != s->cs.sel || (eflags ^ c->eflags) & IRET_CARES || eip > s->cs.limit) return false;
    if (!guard_load32(k + (u32)(esp + 12), &new_esp) || !guard_load32(k + (u32)(esp + 16), &ss))
        return failed(s);
    if (!guard_load64(k + s->cs_va, &cs_desc) || !guard_load64(k + s->ss_va, &ss_desc)) return failed(s);
    if ((u16)ss != s->ss.sel || cs_desc != s->cs_desc || ss_desc != s->ss_desc) return false;
    static const u8 data[] = {ES, DS, FS, GS};
    for (unsigned n = 0; n < ARRAY_LEN(data); n++)
        if (!data_stays(&c->seg[data[n]])) return false;
    for (unsigned n = 0; n < ARRAY_LEN(data); n++)
        if (c->seg[data[n]].attr & SEG_UNUSABLE) c->seg[data[n]].sel = 0;
    arrive(c, s, 3, eip, new_esp);
    c->eflags = (c->eflags & ~(u32)(IRET_LOADS | FL_RF)) | (eflags & IRET_LOADS);
    c->nmi_blocked = false;
    return true;
}

/* SYSENTER and SYSEXIT are short enough; only the mode behind them need not be found again. */
static bool sys_again(Vcpu *c, FarSite *s)
{
    x86_exec[s->call.insn.row->id](c, &s->call.insn);
    return true;
}

/* --- learning --- */

static bool learn_segment(const Vcpu *c, const Segment *seg, u32 *va, u64 *desc)
{
    *va = c->gdtr.base + (seg->sel & 0xfff8u);
    return !(seg->sel & 4) && (seg->sel | 7u) <= c->gdtr.limit && table_peek(c, *va, desc);
}

static bool learn_tables(Vcpu *c, FarSite *s)
{
    memcpy(&s->gdtr, &c->gdtr, sizeof s->gdtr);
    memcpy(&s->idtr, &c->idtr, sizeof s->idtr);
    s->tr_base = c->tr.base;
    bool flat = c->seg[SS].attr & SEG_DB && !c->seg[SS].base && c->seg[SS].limit == 0xffffffffu &&
                !(c->seg[SS].attr & SEG_DOWN);
    return flat && learn_segment(c, &s->cs, &s->cs_va, &s->cs_desc) &&
           learn_segment(c, &s->ss, &s->ss_va, &s->ss_desc);
}

static bool int_learn(Vcpu *c, FarSite *s)
{
    u32 at = (s->call.insn.imm & 0xff) * 8u;
    s->gate_va = c->idtr.base + at;
    s->eip = c->eip;
    if (c->cpl != 0 || !(c->tr.attr & SYS_32BIT) || at + 7 > c->idtr.limit) return false;
    if (!table_peek(c, s->gate_va, &s->gate) || !learn_tables(c, s)) return false;
    u32 type = s->gate >> 40 & 0x1f;
    s->eflags_off = FL_T | FL_NT | FL_RF | FL_VM | (type == SYS_INT32 ? FL_I : 0);
    return type == SYS_INT32 || type == SYS_TRAP32;
}

static bool iret_learn(Vcpu *c, FarSite *s) { return c->cpl == 3 && !cpu_v86(c) && learn_tables(c, s); }

static bool sys_learn(Vcpu *c, FarSite *s)
{
    (void)c, (void)s;
    return true;
}

static void learn(Vcpu *c, FarSite *s, u64 before)
{
    if (callout_must_leave(c) || s->ctx == SEG_NEVER || c->eflags & FL_AC) return;
    s->cs = c->seg[CS];
    s->ss = c->seg[SS];
    s->mode = s->call.x->mode;
    s->ctx = s->learn(c, s) ? before : SEG_UNKNOWN;
}

/* --- the callout --- */

/* AC in ring 0 becomes #AC, which is part of the mode, in ring 3. */
static inline bool quiet(Vcpu *c)
{
    return !(c->eflags & FL_AC) && !atomic_load_explicit(&c->attention, memory_order_relaxed) &&
           !(trace_mask & (TRACE_INT | TRACE_PCALL | TRACE_TIMELINE));
}

static u64 far_transfer(Vcpu *c, void *arg)
{
    FarSite *s = arg;
    Xlat *x = s->call.x;
    u64 before = c->ctx;
    fpu_settle(c);
    c->next_eip = c->eip + s->call.insn.len;
    if (likely(before == s->ctx && quiet(c)) && likely(s->fast(c, s))) {
        c->insns_interp++;
        if (c->row_hits) c->row_hits[s->call.insn.row->id]++;
        c->eip = c->next_eip;
        context_set(x, context_as_now(x, s->mode));
        return callout_next_block(x, c);
    }
    u32 eip = c->eip;
    u64 since = timeline_now(), there = callout_execute(c, &s->call);
    if (unlikely(since)) timeline_add(TIMELINE_CALLOUT, since, s->call.insn.row->name, eip, 0);
    learn(c, s, before);
    return there;
}

/* --- translation --- */

static void emit_site(Tx *t, const Insn *i, bool (*fast)(Vcpu *, FarSite *),
                      bool (*learn_it)(Vcpu *, FarSite *))
{
    FarSite *s = cache_meta(&t->x->cache, sizeof *s);
    *s = (FarSite){.call = {.insn = *i, .x = t->x}, .ctx = SEG_UNKNOWN, .fast = fast, .learn = learn_it};
    callout_emit_call(t, far_transfer, s);
    t->how |= HOW_C | HOW_LEARNT;
    flow_exit_to(t, t->eip + i->len, false);
}

bool far_emit(Tx *t, const Insn *i)
{
    ModeKey m = t->x->mode;
    bool ring0 = m & MODE_RING0, ring3 = m & MODE_USER, flat = t->m.stack32 && t->m.seg[SS] == SEGF_FLAT;
    if (!(m & MODE_PROT) || m & MODE_SYSFLAGS) return false;
    switch (i->row->opcode) {
    case 0xcd:
        if (!ring3) return false;
        emit_site(t, i, int_again, int_learn);
        return true;
    case 0xcf:
        if (!ring0 || !flat || i->opsize != 4) return false;
        emit_site(t, i, iret_again, iret_learn);
        return true;
    case 0x0f34:
    case 0x0f35:
        if (i->row->opcode == 0x0f35 && !ring0) return false;
        emit_site(t, i, sys_again, sys_learn);
        return true;
    default: return false;
    }
}
