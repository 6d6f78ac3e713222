/* exec.c - the translator as an engine: the dispatch loop.
 *
 * Find or make the block for CS:EIP, enter it, look at why it came back: link the exit it took, fill the jump cache,
 * or settle a trap. Everything that raises goes through interp_one() or a callout, so that faults are raised in one
 * place, with the architectural state in the Vcpu; cpu_run() delivers them and calls engine_run again.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cpu/breakpoint.h"
#include "cpu/fpu.h"
#include "cpu/base/host.h"
#include "cpu/memory.h"
#include "translator/count.h"
#include "translator/instrument.h"
#include "translator/x87.h"

enum { INSN_BYTES_MAX = 15, LINK_SAMPLE = 31, RET_BYTES = 64 << 10, RET_GUARD = 16 << 10 };

_Static_assert(offsetof(Vcpu, gpr) == VCPU_GPR(0), "layout");
_Static_assert(offsetof(Vcpu, eip) == VCPU_EIP, "layout");
_Static_assert(offsetof(Vcpu, eflags) == VCPU_EFLAGS, "layout");
_Static_assert(offsetof(Vcpu, poll) == VCPU_POLL, "layout");
_Static_assert(offsetof(Vcpu, ctx) == VCPU_CTX, "layout");
_Static_assert(offsetof(Vcpu, window) == VCPU_WINDOW, "layout");
_Static_assert(offsetof(Vcpu, table) == VCPU_TABLE, "layout");
_Static_assert(offsetof(Vcpu, user_table) == VCPU_USER_TABLE, "layout");
_Static_assert(offsetof(Vcpu, spill) == VCPU_SPILL, "layout");
_Static_assert(offsetof(Vcpu, code_map) == VCPU_CODE_MAP, "layout");
_Static_assert(offsetof(Vcpu, next) == VCPU_NEXT, "layout");
_Static_assert(offsetof(Vcpu, link_uses) == VCPU_LINK_USES, "layout");
_Static_assert(offsetof(Vcpu, table_slow) == VCPU_TABLE_SLOW, "layout");
_Static_assert(offsetof(Vcpu, table_uses) == VCPU_TABLE_USES, "layout");
_Static_assert(offsetof(TableEntry, read) == ENTRY_READ && offsetof(TableEntry, write) == ENTRY_WRITE,
               "layout");
_Static_assert(offsetof(TableEntry, add) == ENTRY_ADD, "layout");
_Static_assert(offsetof(Vcpu, jump_cache) == VCPU_JUMP_CACHE, "layout");
_Static_assert(offsetof(Vcpu, host_rsp) == VCPU_HOST_RSP, "layout");
_Static_assert(offsetof(Vcpu, ret_rsp) == VCPU_RET_RSP, "layout");
_Static_assert(offsetof(Vcpu, ret_bottom) == VCPU_RET_BOTTOM, "layout");
_Static_assert(offsetof(Vcpu, exit_arg) == VCPU_EXIT_ARG, "layout");
_Static_assert(offsetof(Vcpu, scratch) == VCPU_SCRATCH, "layout");
_Static_assert(offsetof(Vcpu, insns_xlat) == VCPU_INSNS_XLAT, "layout");
_Static_assert(offsetof(Vcpu, x87) == VCPU_X87, "layout");
_Static_assert(HOST_FLAGS == FL_HOST, "layout");

/* ---- finding blocks ---- */

typedef struct Found {
    Block *b;
    unsigned door; /* number of the instruction where it is entered */
    bool shared;   /* fetched from K or P: the mapping is the same in every address space */
} Found;

/* A block is entered at CS:EIP. */
static void place_here(Vcpu *c, const Block *b)
{
    c->here = c->ctx | (mode_floats(b->mode) ? c->eip & ~(u32)PAGE_MASK : 0);
}

enum { JUMP_PAGE_SHIFT = 48 }; /* of JUMP_BLOCK */

static void jump_cache_fill(Vcpu *c, const Block *b)
{
    u64 *slot = jump_cache_slot(c, c->eip);
    slot[JUMP_BLOCK / 8] = (u64)(uintptr_t)b | (u64)(b->pa >> PAGE_BITS) << JUMP_PAGE_SHIFT;
    slot[JUMP_KEY / 8] = 0 - (c->ctx | c->eip);
    slot[JUMP_HPC / 8] = (u64)(uintptr_t)b->hpc;
    slot[JUMP_HERE / 8] = c->here;
}

/* The block that was entered last by this slot, if it is of the page of pa. */
static Block *jump_cache_block(const Vcpu *c, u32 pa)
{
    u64 word = jump_cache_slot(c, c->eip)[JUMP_BLOCK / 8];
    if (word >> JUMP_PAGE_SHIFT != (u16)(pa >> PAGE_BITS)) return NULL;
    return (Block *)(uintptr_t)(word & ((1ull << JUMP_PAGE_SHIFT) - 1));
}

/* The block at CS:EIP, which is at pa. A process runs mostly what others ran before it, so two guesses come before
 * the hash, which is a cache miss more: where the link led the last time (`last`, or NULL), and where a jump to this
 * EIP did. */
static Block *block_at_pa(Xlat *x, u32 pa, Block *last, bool loop)
{
    u32 eip = mode_floats(x->mode) ? pa & PAGE_MASK : x->c->eip;
    if (last && block_is(last, pa, eip, x->mode, loop)) return last;
    last = jump_cache_block(x->c, pa);
    if (last && block_is(last, pa, eip, x->mode, loop)) return last;
    return block_find(x, pa, eip, x->mode, loop);
}

/* No block begins at pa, where link l leads. What does not go back (loops have a block of their own) may enter one in
 * its middle: not to translate the same instructions again. */
static void find_door(Xlat *x, const Link *l, u32 pa, Found *f)
{
    u32 eip = mode_floats(x->mode) ? pa & PAGE_MASK : x->c->eip;
    if (unlikely(x->traced & TRACE_EXEC)) return; /* which is told at the start */
    if (l && l->forward && !l->loop) f->b = block_with_door(x, pa, eip, &f->door);
}

/* The block at CS:EIP in the present context, or its version for loops; b NULL: interpret one instruction there.
 * l: the link that leads there, or NULL. */
static Found block_get(Xlat *x, const Link *l)
{
    Block *last = l ? l->to : NULL;
    bool loop = l && l->loop;
    Vcpu *c = x->c;
    Found f = {0};
    u32 pa, error, eip = c->eip;
    if (mode_seg(x->mode, CS) == SEGF_OTHER || x->mode & MODE_ALIGN) return f;
    if (eip > c->seg[CS].limit || c->seg[CS].limit - eip < MODE_CS_ROOM) return f;
    if (shadow_fetch(x->shadow, c->seg[CS].base + eip, &pa, &f.shared, &error) != SHADOW_MAPPED) return f;
    if (unlikely(x->breaks.armed)) break_mark(x, c->seg[CS].base + eip, pa);
    f.b = block_at_pa(x, pa, last, loop);
    if (!f.b) find_door(x, l, pa, &f);
    u32 pa2 = 0;
    if (f.b ? f.b->pa2 != 0 : (pa & PAGE_MASK) > PAGE_BYTES - INSN_BYTES_MAX && translate_straddles(x, pa)) {
        bool shared;
        if (shadow_fetch(x->shadow, (c->seg[CS].base + eip + PAGE_BYTES) & ~(u32)PAGE_MASK, &pa2, &shared,
                         &error) != SHADOW_MAPPED ||
            !pa2)
            return (Found){0};
        f.shared &= shared;
        if (f.b && f.b->pa2 != pa2) block_kill(x, f.b), f.b = NULL;
    }
    if (!f.b) f.b = translate(x, eip, pa, pa2, loop);
    /* Rings 0-2 run in the shared context: what is private to this address space stays out of its jump cache. */
    if (f.b) place_here(c, f.b);
    if (f.b && !loop && !f.door && (f.shared || x->mode & MODE_USER)) jump_cache_fill(c, f.b);
    return f;
}

/* ---- coming back ---- */

/* Where link l leads to; it leads there from now on, if it may. NULL: to be interpreted. */
static const u8 *link_exit(Xlat *x, Link *l)
{
    u64 flushes = x->stats.flushes, here = x->c->here;
    bool floats = mode_floats(l->from->mode);
    l->from->unlinked++;
    x->c->link_uses = LINK_SAMPLE;
    x->c->eip = l->eip + (floats ? (u32)here : 0);
    bool around = floats && here + (u64)(s64)(s32)l->eip != ((here & ~0xffffffffull) | x->c->eip); /* 4 GiB */
    Found f = block_get(x, l);
    if (!f.b) return NULL;
    const u8 *entry = block_entry(f.b, f.door);
    if (x->stats.flushes != flushes || l->from->dead || around) return entry;
    if (f.b->pa2 && !l->cross_page) return entry; /* depends on a mapping that this link does not guard */
    if (!l->cross_page || l->here_hole || f.shared) block_link(x, l, f.b, f.door, here);
    return entry;
}

/* An indirect transfer to c->eip that the jump cache did not know; what it knows there may be a dead block. */
static const u8 *indirect_exit(Xlat *x)
{
    jump_cache_slot(x->c, x->c->eip)[JUMP_KEY / 8] = 1;
    Block *b = block_get(x, NULL).b;
    return b ? b->hpc : NULL;
}

/* Translated code is entered next. */
static void before_entry(Xlat *x)
{
    if (!x->c->fpu_live) fpu_unpark(x->c);
    x->killed = false;
}

/* Called by glue.S when translated code does not know where to go on: where, or NULL for what only the dispatcher
 * does. */
const u8 *exec_next(Vcpu *c, int why)
{
    Xlat *x = c->engine->ctx;
    if (unlikely(cpu_polled(c) || c->ctx != x->ctx_now || trace_mask & TRACE_TIMELINE)) return NULL;
    if (unlikely(context_ids_end(x))) return NULL;
    const u8 *entry = why == EXIT_LINK ? link_exit(x, (Link *)(uintptr_t)c->exit_arg) : indirect_exit(x);
    if (unlikely(!entry)) return NULL;
    before_entry(x);
    x->stats.exits[why]++;
    return entry;
}

static void note_guest_fault(Xlat *x)
{
    Vcpu *c = x->c;
    x->stats.pf_injected++;
    if (x->trap.looked_up) return; /* its page needs no window */
    x->pf.armed = true;
    x->pf.eip = c->eip;
    x->pf.va = x->trap.va;
    x->pf.write = x->trap.write;
    x->pf.user = c->cpl == 3;
}

static void trap_exit(Xlat *x)
{
    Vcpu *c = x->c;
    Block *b = block_at_host(x, x->trap.hpc);
    u32 pa = x->trap.pa;
    bool done = x->trap.kind == TRAP_PROBE; /* it has noted its x87 instructions */
    if (!done) x87_settle_at(x, b, x->trap.hpc);
    if (unlikely(!done && b && b->instrument)) instrument_left(b, x->trap.hpc);
    x->stats.polls += done || x->trap.kind == TRAP_POLL;
    switch (x->trap.kind) {
    case TRAP_FORM: form_turn(x, b, pa); return;
    case TRAP_POLL:
        count_sample(x, b);
        if (c->speed_on && c->speed_left < 0) cpu_attention(c, ATT_SPEED);
        return;
    case TRAP_PROBE: count_sample_next(x); return; /* the loop condition sees it */
    case TRAP_MEMORY:
        if (x->trap.result == SHADOW_PF) {
            note_guest_fault(x);
        } else if (site_trapped(x, b, pa) && !b->dead) {
            block_kill(x, b);
            x->stats.retranslated++;
        }
        break;
    default: break;
    }
    x->stats.interp_exits++;
    interp_one(c);
}

/* What has no translation. The run loop has looked for a breakpoint where it began, nobody has here. */
static void interp_here(Xlat *x)
{
    if (unlikely(x->c->breaking) && (break_hit(x->c) || break_hook(x->c))) return;
    x->stats.interp_exits++;
    interp_one(x->c);
}

/* -trace: why translated code was left, and where. */
static void note_exit(const Xlat *x, int why)
{
    static const char *const traps[] = {
        [TRAP_NONE] = "trap",     [TRAP_POLL] = "poll",        [TRAP_PROBE] = "poll",
        [TRAP_MEMORY] = "memory", [TRAP_INTERP] = "exception", [TRAP_FORM] = "another form"};
    const char *text = exit_words[why];
    if (why == EXIT_TRAP) text = traps[x->trap.kind];
    if (why == EXIT_TRAP && x->trap.kind == TRAP_MEMORY) text = trap_words[x->trap.result];
    const Link *l = why == EXIT_LINK ? (const Link *)(uintptr_t)x->c->exit_arg : NULL;
    timeline_left(text, l ? l->eip + (mode_floats(l->from->mode) ? (u32)x->c->here : 0) : x->c->eip);
}

static void engine_run(void *ctx, Vcpu *c, u64 budget)
{
    Xlat *x = ctx;
    (void)budget;
    trap_own(x);
    if (unlikely(x->count_speed != c->speed_on || x->traced != (trace_mask & TRACE_IN_CODE))) {
        x->count_speed = c->speed_on;
        x->traced = trace_mask & TRACE_IN_CODE;
        block_flush_all(x);
    }
    while (c->poll != cpu_poll_trap && !c->halted && !c->inhibit) {
        context_renew(x);
        context_update(x);
        if (unlikely(x->pf.once)) {
            x->pf.once = false;
            interp_here(x);
            continue;
        }
        const u8 *hpc = jump_cache_get(c);
        if (!hpc) {
            Block *b = block_get(x, NULL).b;
            if (!b) {
                interp_here(x);
                continue;
            }
            hpc = b->hpc;
        }
        if (unlikely(trace_mask & TRACE_TIMELINE)) timeline_entered(c->eip);
        before_entry(x);
        int why = xlat_enter(c, hpc);
        x->stats.exits[why]++;
        if (unlikely(trace_mask & TRACE_TIMELINE)) note_exit(x, why);
        if (unlikely(c->ctx != x->ctx_now)) why == EXIT_INDIRECT ? context_resync(x) : context_update(x);
        switch (why) {
        case EXIT_LINK: link_exit(x, (Link *)(uintptr_t)c->exit_arg); break;
        case EXIT_INDIRECT: indirect_exit(x); break;
        case EXIT_TRAP: trap_exit(x); break;
        case EXIT_INTERP: interp_here(x); break;
        case EXIT_DISPATCH:
            if (c->poll == cpu_poll_trap) count_sample_next(x);
            break;
        default: break;
        }
    }
}

/* ---- what changes under the engine ---- */

static void engine_paging_changed(void *ctx, Vcpu *c, u32 events)
{
    Xlat *x = ctx;
    Paging pg = cpu_paging(c);
    if (events & EV_A20) shadow_a20_changed(x->shadow);
    shadow_activate(x->shadow, &pg, c->cpl == 3);
    context_renew(x);
}

static void engine_invlpg(void *ctx, Vcpu *c, u32 va)
{
    (void)c;
    shadow_invlpg(((Xlat *)ctx)->shadow, va);
}

static void on_code_written(void *ctx, u32 pa, u32 bytes) { block_written(ctx, pa, bytes); }

static void on_page_watched(void *ctx, u32 pfn) { open_shut_page(ctx, pfn); }

static bool on_code_opened(void *ctx, u32 pfn) { return open_page(ctx, pfn); }

static void on_remapped(void *ctx, u32 pa, u32 bytes)
{
    if (bytes == ~0u) {
        open_shut_all(ctx);
        return;
    }
    for (u32 pfn = pa >> PAGE_BITS; ((Xlat *)ctx)->opened && pfn <= (pa + (bytes - 1)) >> PAGE_BITS; pfn++)
        open_shut_page(ctx, pfn);
}

static void on_fetch_dropped(void *ctx, u32 va, bool user, bool shared)
{
    Xlat *x = ctx;
    (void)va, (void)user;
    /* The context ids changed with the shadow's generation; free links between shared pages have to go, too. */
    if (shared) block_unlink_shared(x);
    context_drop_returns(x);
    x->killed = true;
    x->space = 0;
}

/* ---- life ---- */

static bool ret_stack_init(RetStack *s)
{
    s->map = mmap(NULL, RET_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->map == MAP_FAILED || mprotect(s->map, RET_GUARD, PROT_NONE) < 0) return false;
    s->bottom = s->map + RET_BYTES - 64;
    store64(s->bottom, (u64)(uintptr_t)xlat_ret_bottom);
    s->rsp = s->bottom;
    return true;
}

u32 xlat_age_ms(const Xlat *x)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    u64 now = (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
    return now < x->born_ns ? 0 : (u32)((now - x->born_ns) / 1000000);
}

void *xlat_array(size_t n, size_t size) { return host_table_map(n * size); }

void *xlat_array_huge(size_t n, size_t size)
{
    void *p = xlat_array(n, size);
    if (p) madvise(p, n * size, MADV_HUGEPAGE);
    return p;
}

void xlat_array_free(void *at, size_t n, size_t size) { host_table_unmap(at, n * size); }

enum { JUMP_TABLE_WORDS = JUMP_CACHE_SLOTS * JUMP_CACHE_WORDS };

static bool tables_init(Xlat *x)
{
    x->block_hash = xlat_array_huge(BLOCK_HASH, sizeof *x->block_hash);
    x->pages = xlat_array(1 << 20, sizeof *x->pages);
    x->far_next = xlat_array(FAR_NEXTS, sizeof *x->far_next);
    x->sites = xlat_array(SITE_HASH, sizeof *x->sites);
    x->ctxs = xlat_array(2 * CTX_HASH, sizeof *x->ctxs);
    x->tx = xlat_array(1, sizeof *x->tx);
    x->c->jump_table = xlat_array(JUMP_TABLE_WORDS, sizeof(u64));
    x->c->jump_trap = mmap(NULL, JUMP_TABLE_WORDS * sizeof(u64), PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (x->c->jump_trap == MAP_FAILED) return false;
    x->c->jump_cache = x->c->jump_table;
    return x->block_hash && x->pages && x->sites && x->far_next && x->ctxs && x->tx && x->c->jump_table &&
           ret_stack_init(&x->ret[0]) && ret_stack_init(&x->ret[1]);
}

/* A 128th of the memory that the host has for us, within reason. */
static u32 cache_mib(const XlatOptions *o)
{
    enum { MIN_MIB = 16, MAX_MIB = 128 };
    const Host *h = host_get();
    u64 memory = h->memory_bytes < h->cgroup_bytes ? h->memory_bytes : h->cgroup_bytes, mib = memory >> 27;
    if (o && o->cache_mib) return o->cache_mib;
    return mib < MIN_MIB ? MIN_MIB : mib > MAX_MIB ? MAX_MIB : (u32)mib;
}

void xlat_choose(void)
{
    host_choice("code cache", "%u MiB", cache_mib(NULL));
    form_choose();
}

const Engine *xlat_new(Vcpu *c, const XlatOptions *o, const char **why)
{
    Xlat *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->c = c;
    x->phys = c->phys;
    x->born_ns = host_now_ns();
    if (o) x->form_policy = o->form;
    x->ret_guard_bytes = RET_GUARD;
    x->count_insns = trace_mask & TRACE_STATS;
    context_init(x);
    x->engine = (Engine){.name = "translate",
                         .ctx = x,
                         .run = engine_run,
                         .paging_changed = engine_paging_changed,
                         .invlpg = engine_invlpg,
                         .breaks_changed = break_changed,
                         .break_expected = break_expected,
                         .leave = break_leave};
    ShadowHooks h = {.ctx = x,
                     .code_written = on_code_written,
                     .fetch_dropped = on_fetch_dropped,
                     .page_watched = on_page_watched,
                     .code_opened = on_code_opened,
                     .remapped = on_remapped};
    x->shadow = shadow_new(c->phys, &h, 0);
    if (!x->shadow || !cache_init(&x->cache, cache_mib(o) << 20) || !tables_init(x) || !open_init(x) ||
        !form_init(x) || !trap_init(x)) {
        const char *lack = host_memory_lack();
        *why = lack ? lack : "the host has no address space for the windows";
        return NULL;
    }
    count_init(x);
    if (x->count_insns) x->stats.trap_sites = calloc(TRAP_SITES, sizeof *x->stats.trap_sites);
    Paging pg = cpu_paging(c);
    shadow_activate(x->shadow, &pg, false);
    c->link_uses = LINK_SAMPLE;
    c->next = exec_next;
    c->x87_settle = x87_settle;
    c->ret_rsp = x->ret[0].bottom;
    c->ret_bottom = x->ret[0].bottom;
    c->engine = &x->engine;
    return &x->engine;
}

void xlat_free(const Engine *e)
{
    Xlat *x = e->ctx;
    fpu_settle(x->c);
    trap_fini(x);
    cache_fini(&x->cache);
    open_fini(x);
    form_fini(x);
    shadow_free(x->shadow);
    for (int n = 0; n < 2; n++) munmap(x->ret[n].map, RET_BYTES);
    xlat_array_free(x->block_hash, BLOCK_HASH, sizeof *x->block_hash);
    xlat_array_free(x->pages, 1 << 20, sizeof *x->pages);
    xlat_array_free(x->far_next, FAR_NEXTS, sizeof *x->far_next);
    xlat_array_free(x->sites, SITE_HASH, sizeof *x->sites);
    xlat_array_free(x->ctxs, 2 * CTX_HASH, sizeof *x->ctxs);
    xlat_array_free(x->tx, 1, sizeof *x->tx);
    xlat_array_free(x->c->jump_table, JUMP_TABLE_WORDS, sizeof(u64));
    munmap(x->c->jump_trap, JUMP_TABLE_WORDS * sizeof(u64));
    x->c->jump_table = NULL;
    free(x->stats.trap_sites);
    x->c->engine = NULL;
    free(x);
}
