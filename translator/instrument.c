/* instrument.c - see instrument.h.
 *
 * Which instructions a block will have is known when it has been translated. So it is translated, shown, and, if
 * anything is wished for, translated again over the same place, with the ops.
 *
 * Counting in front of every instruction would cost a load and a store each. So counts wait, as they do for -d stats,
 * and are added up where the block may be left (jumps, callouts, its end): as a rule each counter once, by how many
 * instructions. Each such place is noted (Flush). Where a block is left between two of them, by a trap, what has
 * begun and was not counted yet is counted then, and what was counted too early is taken back (instrument_left). So
 * at each moment that C code sees, counts are exact.
 *
 * An instruction that the interpreter runs by itself is not in a block: Vcpu.insn_hook has it.
 */
#include "translator/instrument.h"

#include "cpu/fpu.h"
#include "translator/callout.h"
#include "translator/count.h"
#include "translator/operand.h"

enum { INSNS_MAX = 64 };

/* Of a block with ops, in its region's arena. */
struct InstrumentMap {
    u16 ops, flushes;
    const InstrumentOp *op;
    const InstrumentFlush *flush;
};

static Xlat *xlat_of(const Engine *e) { return e->ctx; }

void instrument_set(const Engine *e, const Instrument *i)
{
    Xlat *x = xlat_of(e);
    x->instrument = i;
    block_flush_all(x);
}

u64 *instrument_counters(const Engine *e, u32 *count)
{
    *count = CACHE_HOOK_BYTES / sizeof(u64);
    return (u64 *)((u8 *)xlat_of(e)->cache.counts + CACHE_COUNT_BYTES);
}

/* --- showing it ------------------------------------------------------------------------------------------ */

bool instrument_look(Tx *t, const PcMap *map, unsigned n, u32 pc)
{
    static Insn insn[INSNS_MAX];
    static struct InstrumentInsn shown[INSNS_MAX];
    const Xlat *x = t->x;
    const struct Source *s = &t->source;
    unsigned count = 0;
    for (; count < n && count < INSNS_MAX && map[count].how != HOW_LEFT; count++) {
        u32 at = map[count].guest;
        if (insn_decode(&insn[count], s->hp + at, s->avail - at, s->mode) != DECODE_OK) break;
        shown[count] = (struct InstrumentInsn){.bytes = s->hp + at, .insn = &insn[count]};
    }
    if (!count) return false;
    InstrumentBlock b = {.pc = pc, .pa = t->b->pa, .insns = count, .insn = shown};
    fpu_park(x->c);
    t->op_count = x->instrument->look(x->instrument->ctx, &b, &t->ops);
    if (t->op_count > INSTRUMENT_OPS) t->op_count = INSTRUMENT_OPS;
    return t->op_count != 0;
}

/* --- counting -------------------------------------------------------------------------------------------- */

static bool is_fetched_anew(const Tx *t, unsigned insn) { return t->x87.map[insn].patched; }

/* How often `counter` is to be counted for the instructions from `first` up to `end`. */
static s32 times_within(const Tx *t, const u64 *counter, unsigned first, unsigned end)
{
    s32 times = 0;
    for (unsigned n = 0; n < t->op_count; n++) {
        const InstrumentOp *op = &t->ops[n];
        times +=
            op->counter == counter && op->insn >= first && op->insn < end && !is_fetched_anew(t, op->insn);
    }
    return times;
}

static bool comes_earlier(const Tx *t, unsigned op, unsigned first)
{
    for (unsigned n = 0; n < op; n++)
        if (t->ops[n].counter == t->ops[op].counter && t->ops[n].insn >= first) return true;
    return false;
}

void instrument_flush(Tx *t, unsigned end)
{
    unsigned first = t->counted;
    if (end <= first) return;
    for (unsigned n = 0; n < t->op_count && t->ops[n].insn < end; n++) {
        u64 *counter = t->ops[n].counter;
        if (t->ops[n].insn < first || !counter || comes_earlier(t, n, first)) continue;
        s32 times = times_within(t, counter, first, end);
        if (times) count_emit_add(t, counter, times);
    }
    t->counted = end;
    t->flush[t->flushes++] =
        (InstrumentFlush){.host = (u16)(t->e.at - cache_write(&t->x->cache, t->b->hpc)), .counted = (u16)end};
}

/* --- calling --------------------------------------------------------------------------------------------- */

static u64 callout_instrument(Vcpu *c, void *arg)
{
    const InstrumentOp *op = arg;
    const Instrument *i = xlat_of(c->engine)->instrument;
    fpu_park(c);
    i->call(i->ctx, op, c->seg[CS].base + c->eip);
    fpu_unpark(c);
    return 0;
}

bool instrument_calls(const Tx *t)
{
    for (unsigned n = 0; n < t->op_count; n++)
        if (t->ops[n].insn == t->number && t->ops[n].call) return true;
    return false;
}

static void emit_calls(Tx *t)
{
    for (unsigned n = 0; n < t->op_count; n++) {
        if (t->ops[n].insn != t->number || !t->ops[n].call) continue;
        InstrumentOp *op = cache_meta(&t->x->cache, sizeof *op);
        *op = t->ops[n];
        callout_emit_call(t, callout_instrument, op);
    }
}

/* ---------------------------------------------------------------------------------------------------------- */

/* May the block be left by this instruction, other than by a trap? */
static bool may_be_left(Tx *t, const Insn *i)
{
    MemForm form;
    switch (i->row->cls) {
    case XC_IDENT:
    case XC_MEM:
    case XC_FPU:
    case XC_STACK: return !site_mem_form(t, &form) || form == MEM_OPEN;
    default: return true;
    }
}

/* Processors take a comparison and the jump behind it as one, if nothing stands between. */
static bool is_fused(Tx *t, const Insn *i)
{
    u32 pa;
    const Insn *next = i->row->write & FL_ARITH ? insn_ahead(t, 1, &pa) : NULL;
    return next && insn_is_jcc(next);
}

void instrument_before(Tx *t, const Insn *i)
{
    if (instrument_calls(t)) emit_calls(t);
    if (!i || is_fetched_anew(t, t->number))
        instrument_flush(t, t->number + (i ? 1 : 0));
    else if (may_be_left(t, i))
        instrument_flush(t, t->number + 1);
    else if (is_fused(t, i))
        instrument_flush(t, t->number + 2);
}

void instrument_finish(Tx *t)
{
    Cache *k = &t->x->cache;
    InstrumentOp *op = cache_meta(k, t->op_count * (u32)sizeof *op);
    InstrumentFlush *flush = cache_meta(k, (t->flushes + 1) * (u32)sizeof *flush);
    InstrumentMap *m = cache_meta(k, sizeof *m);
    unsigned count = 0;
    for (unsigned n = 0; n < t->op_count; n++)
        if (t->ops[n].counter && t->ops[n].insn < t->b->insns && !is_fetched_anew(t, t->ops[n].insn))
            op[count++] = t->ops[n];
    memcpy(flush, t->flush, t->flushes * sizeof *flush);
    *m = (InstrumentMap){.ops = (u16)count, .flushes = (u16)t->flushes, .op = op, .flush = flush};
    t->b->instrument = m;
}

void instrument_left(const Block *b, const u8 *hpc)
{
    const InstrumentMap *m = b->instrument;
    u32 at = (u32)(hpc - b->hpc);
    unsigned here = (unsigned)(block_insn_at(b, hpc) - b->map), counted = 0;
    for (unsigned n = 0; n < m->flushes && m->flush[n].host <= at; n++) counted = m->flush[n].counted;
    for (unsigned n = 0; n < m->ops; n++) {
        const InstrumentOp *op = &m->op[n];
        if (op->insn >= counted && op->insn < here) ++*op->counter;
        if (op->insn >= here && op->insn < counted) --*op->counter;
    }
}
