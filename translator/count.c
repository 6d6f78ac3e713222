/* count.c - see count.h.
 *
 * The counter is three instructions at the block's start, without a flag:
 *
 *     mov r8, [r15 + count]; lea r8, [r8 + 1]; mov [r15 + count], r8
 *
 * The table lies behind the code, and near it lies a Vcpu that is no more than 2 GiB from the program, as ring3's is; for
 * another it is [rip + count], which takes 0.15 ns more (measured on an EPYC).
 *
 * Samples cost nothing in a block: when translated code is stopped by a poll (some device's time has come, the host
 * has input), which is a signal anyway, the block is noted. They are met at backward jumps, indirect jumps and returns
 * only, so they say where time is spent, not by which instruction.
 *
 * The table is of fixed size, open-addressed by (pa, mode). Where a chain of PROBES is full, the last entry of the
 * table counts for all that find no place.
 */
#include "translator/count.h"
#include "translator/operand.h"

enum { COUNTS = 1 << 17, PROBES = 16, LOST = COUNTS };
_Static_assert((COUNTS + 1) * sizeof(Count) <= CACHE_COUNT_BYTES, "no place for all counts");

void count_init(Xlat *x) { x->counts = x->cache.counts; }

const void *count_memory(const Xlat *x, u64 *bytes)
{
    *bytes = CACHE_COUNT_BYTES + CACHE_HOOK_BYTES;
    return x->counts;
}

/* The entry of (pa, mode), or the free one where it would be; NULL: there is none. */
static Count *slot_of(const Xlat *x, u32 pa, ModeKey mode)
{
    u32 h = pa * 0x9e3779b1u ^ mode_mix(mode) * 0x85ebca6bu;
    for (u32 n = 0; n < PROBES; n++) {
        Count *k = &x->counts[((h ^ h >> 15) + n) % COUNTS];
        if (!k->used || (k->pa == pa && k->mode == mode)) return k;
    }
    return NULL;
}

static Count *count_get(Xlat *x, u32 pa, ModeKey mode)
{
    Count *k = slot_of(x, pa, mode);
    if (!k) return &x->counts[LOST];
    if (!k->used) *k = (Count){.pa = pa, .mode = mode, .used = true};
    return k;
}

const Count *count_find(const Xlat *x, u32 pa, ModeKey mode)
{
    const Count *k = slot_of(x, pa, mode);
    return k && k->used ? k : NULL;
}

void count_each(const Xlat *x, void (*each)(void *ctx, const Count *n), void *ctx)
{
    for (u32 n = 0; n < COUNTS; n++)
        if (x->counts[n].used) each(ctx, &x->counts[n]);
}

u64 count_lost(const Xlat *x) { return x->counts[LOST].runs; }

/* Entries stay: blocks know where they count. */
void count_clear(Xlat *x)
{
    for (u32 n = 0; n <= COUNTS; n++)
        if (x->counts[n].runs | x->counts[n].samples) x->counts[n].runs = x->counts[n].samples = 0;
}

void count_set(Xlat *x, bool on)
{
    if (x->count_runs == on) return;
    x->count_runs = on;
    block_flush_all(x);
}

void count_emit(Tx *t) { count_emit_add(t, &count_get(t->x, t->b->pa, t->b->mode)->runs, 1); }

void count_emit_add(Tx *t, const u64 *counter, s32 n)
{
    Emit *e = &t->e;
    s64 from_vcpu = (const u8 *)counter - (const u8 *)t->x->c;
    if (from_vcpu == (s32)from_vcpu) {
        emit_mov_rm64(e, R8, R15, (s32)from_vcpu);
        emit_lea64(e, R8, R8, n);
        emit_mov_mr64(e, R15, (s32)from_vcpu, R8);
        return;
    }
    emit_op_host(e, (HostOp){.opcode = 0x8b, .reg = R8, .wide = true}, counter);
    emit_lea64(e, R8, R8, n);
    emit_op_host(e, (HostOp){.opcode = 0x89, .reg = R8, .wide = true}, counter);
}

void count_sample(Xlat *x, const Block *b) { count_get(x, b->pa, b->mode)->samples++; }

void count_sample_next(Xlat *x)
{
    const u64 *slot = jump_cache_slot(x->c, x->c->eip);
    if (slot[JUMP_KEY / 8] + (x->c->ctx | x->c->eip) != 0) return;
    const Block *b = block_at_host(x, (const u8 *)(uintptr_t)slot[JUMP_HPC / 8]);
    if (b) count_sample(x, b);
}
