/* hook_count.c - see hook_count.h.
 *
 * Translated blocks are shown by translator/instrument.c, which puts the wishes into their code. An instruction that the
 * interpreter runs (all of them under -accel interp) is shown as a block of one, once; what was wished for is kept in a
 * table by address and bytes, of fixed size: an entry that another takes is shown again when it is met again.
 */
#include "frontend/hook/hook_count.h"

#include <stdio.h>
#include <stdlib.h>

#include "cpu/fpu.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/hook/hook_api.h"
#include "frontend/hook/hook_guard.h"
#include "frontend/hook/hooks.h"
#include "translator/instrument.h"

enum { VIEWERS_MAX = 16, INSNS_MAX = 64, SINGLES = 1 << 15, SINGLE_OPS = 6, OWN_COUNTERS = 1 << 19 };

typedef void ViewFunction(void *context, const Ring3Block *block);
typedef void ExecuteFunction(void *context, u32 pc);

/* An instruction that is interpreted. */
typedef struct Single {
    bool used;
    u8 length, ops;
    u32 pc;
    u64 bytes[2];
    InstrumentOp op[SINGLE_OPS];
} Single;

static struct {
    struct Viewer {
        ViewFunction *f;
        void *context;
    } viewer[VIEWERS_MAX];
    unsigned viewers;
    u64 *counter;
    u32 counters, counters_used;
    InstrumentOp op[INSTRUMENT_OPS]; /* wished for the block that is shown now */
    unsigned ops;
    u32 insns; /* of that block; 0: none is */
    Single *single;
} count;

/* --- what libraries ask for ------------------------------------------------------------------------------ */

int hook_on_translate(void (*f)(void *context, const Ring3Block *block), void *context)
{
    if (!f || count.viewers == VIEWERS_MAX) return 0;
    count.viewer[count.viewers++] = (struct Viewer){f, context};
    return 1;
}

/* Before the machine is there, and without a translator, they lie in memory of our own. */
uint64_t *hook_counter(void)
{
    if (!count.counter) return NULL;
    return count.counters_used < count.counters ? (uint64_t *)&count.counter[count.counters_used++] : NULL;
}

static int wish(InstrumentOp op)
{
    if (count.ops == INSTRUMENT_OPS || op.insn >= count.insns) return 0;
    unsigned n = count.ops++;
    for (; n && count.op[n - 1].insn > op.insn; n--) count.op[n] = count.op[n - 1];
    count.op[n] = op;
    return 1;
}

int hook_count(uint32_t n, uint64_t *counter)
{
    u64 *at = (u64 *)counter;
    if (n >= INSNS_MAX || at < count.counter || at >= count.counter + count.counters) return 0;
    return wish((InstrumentOp){.insn = (u16)n, .counter = at});
}

int hook_on_execute(uint32_t n, void (*g)(void *context, uint32_t address), void *context)
{
    return g && n < INSNS_MAX && wish((InstrumentOp){.insn = (u16)n, .call = g, .ctx = context});
}

/* --- showing --------------------------------------------------------------------------------------------- */

typedef struct Showing {
    const struct Viewer *viewer;
    const Ring3Block *block;
} Showing;

static void show(void *arg)
{
    const Showing *s = arg;
    ((ViewFunction *)hook_through((HookFunction *)s->viewer->f))(s->viewer->context, s->block);
}

static void show_to_all(const Ring3Block *b)
{
    count.ops = 0;
    count.insns = b->count;
    for (unsigned n = 0; n < count.viewers; n++) {
        Showing s = {.viewer = &count.viewer[n], .block = b};
        hooks_guarded(show, &s, (HookFunction *)s.viewer->f);
    }
    count.insns = 0;
}

static Ring3Insn insn_shown(const Insn *i, u32 address, const u8 *bytes)
{
    return (Ring3Insn){.address = address,
                       .bytes = bytes,
                       .length = i->len,
                       .may_leave = (i->row->checks & CK_ENDS) != 0,
                       .name = i->row->name};
}

static unsigned look(void *ctx, const InstrumentBlock *b, const InstrumentOp **ops)
{
    Ring3Insn insn[INSNS_MAX];
    u32 at = 0;
    (void)ctx;
    for (unsigned n = 0; n < b->insns; n++) {
        insn[n] = insn_shown(b->insn[n].insn, b->pc + at, b->insn[n].bytes);
        at += insn[n].length;
    }
    const Ring3Block shown = {
        .address = b->pc, .physical = b->pa, .bytes = at, .count = b->insns, .insn = insn};
    show_to_all(&shown);
    *ops = count.op;
    return count.ops;
}

/* --- what is interpreted --------------------------------------------------------------------------------- */

static void learn(Single *s, const Vcpu *c, const Insn *i, u32 pc, const u8 *bytes)
{
    u32 pa = 0;
    lin_peek(c, pc, &pa);
    const Ring3Insn insn = insn_shown(i, pc, bytes);
    const Ring3Block b = {.address = pc, .physical = pa, .bytes = i->len, .count = 1, .insn = &insn};
    show_to_all(&b);
    *s = (Single){.used = true, .length = i->len, .pc = pc};
    memcpy(s->bytes, bytes, sizeof s->bytes);
    s->ops = (u8)(count.ops < SINGLE_OPS ? count.ops : SINGLE_OPS);
    memcpy(s->op, count.op, s->ops * sizeof *s->op);
}

typedef struct Calling {
    const InstrumentOp *op;
    u32 pc;
} Calling;

static void call(void *arg)
{
    const Calling *k = arg;
    ((ExecuteFunction *)hook_through((HookFunction *)k->op->call))(k->op->ctx, k->pc);
}

/* Instrument.call */
static void execute(void *ctx, const InstrumentOp *op, u32 pc)
{
    Calling k = {.op = op, .pc = pc};
    (void)ctx;
    hooks_guarded(call, &k, (HookFunction *)op->call);
}

/* Vcpu.insn_hook */
static void before_interpreted(void *ctx, Vcpu *c, const Insn *i)
{
    u32 pc = c->seg[CS].base + c->eip;
    union {
        u8 byte[16];
        u64 word[2];
    } now = {.word = {0, 0}};
    (void)ctx;
    guest_read(c, true, pc, now.byte, i->len);
    Single *s = &count.single[(pc ^ pc >> 15) % SINGLES];
    if (!s->used || s->pc != pc || s->length != i->len || s->bytes[0] != now.word[0] ||
        s->bytes[1] != now.word[1]) {
        fpu_park(c);
        learn(s, c, i, pc, now.byte);
    }
    for (unsigned n = 0; n < s->ops; n++) {
        if (s->op[n].counter) {
            ++*s->op[n].counter;
            continue;
        }
        fpu_park(c);
        execute(NULL, &s->op[n], pc);
    }
}

/* --- life ------------------------------------------------------------------------------------------------ */

void hook_count_start(Pc *pc)
{
    static const InsnHook interpreted = {.before = before_interpreted};
    static const Instrument translated = {.look = look, .call = execute};
    if (!count.viewers) return;
    count.single = calloc(SINGLES, sizeof *count.single);
    if (pc->engine) count.counter = instrument_counters(pc->engine, &count.counters);
    if (!pc->engine) count.counter = calloc(count.counters = OWN_COUNTERS, sizeof *count.counter);
    CHECK(count.single && count.counter, "no memory for hooks");
    if (pc->engine) instrument_set(pc->engine, &translated);
    pc->cpu.insn_hook = &interpreted;
}
