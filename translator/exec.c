/* exec.c - the translator as an engine: the dispatch loop.
 *
 * Find or make the block for CS:EIP, enter it, look at why it came back: link the exit it took, fill the jump cache,
 * or settle a trap. Everything that raises goes through interp_one() or a callout, so that faults are raised in one
 * place, with the architectural state in the Vcpu; cpu_run() delivers them and calls engine_run again.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/fpu.h"
#include "cpu/host.h"
#include "translator/xlat.h"

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
_Static_assert(HOST_FLAGS == FL_HOST, "layout");

/* ---- finding blocks ---- */

typedef struct Found {
    Block *b;
    bool shared; /* fetched from K or P: the mapping is the same in every address space */
} Found;

/* b is at CS:EIP: enter there. */
static void place_here(Vcpu *c, const Block *b)
{
    c->here = c->ctx | (mode_floats(b->mode) ? c->eip - b->eip : 0);
}

static void jump_cache_fill(Vcpu *c, const Block *b)
{
    u64 *slot = jump_cache_slot(c, c->eip);
    slot[JUMP_KEY / 8] = 0 - (c->ctx | c->eip);
    slot[JUMP_HPC / 8] = (u64)(uintptr_t)b->hpc;
    slot[JUMP_HERE / 8] = c->here;
}

/* The block at CS:EIP in the present context; b NULL: interpret one instruction there. */
static Found block_get(Xlat *x)
{
    Vcpu *c = x->c;
    Found f = {0};
    u32 pa, error, eip = c->eip;
    if (mode_seg(x->mode, CS) == SEGF_OTHER || x->mode & MODE_ALIGN) return f;
    if (eip > c->seg[CS].limit || c->seg[CS].limit - eip < MODE_CS_ROOM) return f;
    if (shadow_fetch(x->shadow, c->seg[CS].base + eip, &pa, &f.shared, &error) != SHADOW_MAPPED) return f;
    f.b = block_find(x, pa, mode_floats(x->mode) ? pa & PAGE_MASK : eip, x->mode);
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
    if (!f.b) f.b = translate(x, eip, pa, pa2);
    /* Rings 0-2 run in the shared context: what is private to this address space stays out of its jump cache. */
    if (f.b) place_here(c, f.b);
    if (f.b && (f.shared || x->mode & MODE_USER)) jump_cache_fill(c, f.b);
    return f;
}

/* ---- coming back ---- */

/* The block that link l leads to; the link leads there from now on, if it may. NULL: to be interpreted. */
static Block *link_exit(Xlat *x, Link *l)
{
    u64 flushes = x->stats.flushes, here = x->c->here;
    bool floats = mode_floats(l->from->mode);
    x->c->link_uses = LINK_SAMPLE;
    x->c->eip = l->eip + (floats ? (u32)here : 0);
    bool around = floats && here + (u64)(s64)(s32)l->eip != ((here & ~0xffffffffull) | x->c->eip); /* 4 GiB */
    Found f = block_get(x);
    if (!f.b || x->stats.flushes != flushes || l->from->dead || around) return f.b;
    if (f.b->pa2 && !l->cross_page) return f.b; /* depends on a mapping that this link does not guard */
    if (!l->cross_page || l->here_hole || f.shared) block_link(x, l, f.b, here);
    return f.b;
}

/* An indirect transfer to c->eip that the jump cache did not know; what it knows there may be a dead block. */
static Block *indirect_exit(Xlat *x)
{
    jump_cache_slot(x->c, x->c->eip)[JUMP_KEY / 8] = 1;
    return block_get(x).b;
}

/* Called by glue.S when translated code does not know where to go on: where, or NULL for what only the dispatcher
 * does. */
const u8 *exec_next(Vcpu *c, int why)
{
    Xlat *x = c->engine->ctx;
    if (unlikely(cpu_polled(c) || c->ctx != x->ctx_now || trace_mask & TRACE_EXEC)) return NULL;
    Block *b = why == EXIT_LINK ? link_exit(x, (Link *)(uintptr_t)c->exit_arg) : indirect_exit(x);
    if (unlikely(!b)) return NULL;
    if (!c->fpu_live) fpu_unpark(c);
    x->killed = false;
    x->stats.exits[why]++;
    return b->hpc;
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
    switch (x->trap.kind) {
    case TRAP_FORM: form_turn(x, b, pa); return;
    case TRAP_POLL:
        if (c->speed_on && c->speed_left < 0) cpu_attention(c, ATT_SPEED);
        return;
    case TRAP_PROBE:
    case TRAP_CALL: return; /* the loop condition sees it */
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

static void engine_run(void *ctx, Vcpu *c, u64 budget)
{
    Xlat *x = ctx;
    (void)budget;
    trap_own(x);
    if (unlikely(x->count_speed != c->speed_on)) {
        x->count_speed = c->speed_on;
        block_flush_all(x);
    }
    while (c->poll != cpu_poll_trap && !c->halted && !c->inhibit) {
        context_update(x);
        if (unlikely(x->pf.once)) {
            x->pf.once = false;
            interp_one(c);
            continue;
        }
        const u8 *hpc = jump_cache_get(c);
        if (!hpc) {
            Block *b = block_get(x).b;
            if (!b) {
                x->stats.interp_exits++;
                interp_one(c);
                continue;
            }
            hpc = b->hpc;
        }
        if (!c->fpu_live) fpu_unpark(c);
        x->killed = false;
        trace(EXEC, "%08x mode %06x ctx %08x", c->eip, (u32)x->mode, (u32)(c->ctx >> 32));
        int why = xlat_enter(c, hpc);
        x->stats.exits[why]++;
        if (unlikely(c->ctx != x->ctx_now)) why == EXIT_INDIRECT ? context_resync(x) : context_update(x);
        switch (why) {
        case EXIT_LINK: link_exit(x, (Link *)(uintptr_t)c->exit_arg); break;
        case EXIT_INDIRECT: indirect_exit(x); break;
        case EXIT_TRAP: trap_exit(x); break;
        case EXIT_INTERP:
            x->stats.interp_exits++;
            interp_one(c);
            break;
        default: break;
        }
    }
}

/* ---- what changes under the engine ---- */

static Paging paging_of(const Vcpu *c)
{
    return (Paging){.cr3 = c->cr3,
                    .on = c->cr0 & CR0_PG,
                    .wp = c->cr0 & CR0_WP,
                    .pse = c->cr4 & CR4_PSE,
                    .pge = c->cr4 & CR4_PGE};
}

static void engine_paging_changed(void *ctx, Vcpu *c, u32 events)
{
    Xlat *x = ctx;
    Paging pg = paging_of(c);
    if (events & EV_A20) shadow_a20_changed(x->shadow);
    shadow_activate(x->shadow, &pg, c->cpl == 3);
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

void *xlat_array(size_t n, size_t size) { return host_table_map(n * size); }

void *xlat_array_huge(size_t n, size_t size)
{
    void *p = xlat_array(n, size);
    if (p) madvise(p, n * size, MADV_HUGEPAGE);
    return p;
}

void xlat_array_free(void *at, size_t n, size_t size)
{
    if (at) munmap(at, n * size);
}

enum { JUMP_TABLE_WORDS = JUMP_CACHE_SLOTS * JUMP_CACHE_WORDS };

static bool tables_init(Xlat *x)
{
    x->block_hash = xlat_array_huge(BLOCK_HASH, sizeof *x->block_hash);
    x->pages = xlat_array(1 << 20, sizeof *x->pages);
    x->far_next = xlat_array(256, sizeof *x->far_next);
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
    if (o) x->form_policy = o->form;
    x->ret_guard_bytes = RET_GUARD;
    x->count_insns = trace_mask & TRACE_STATS;
    x->engine = (Engine){.name = "translate",
                         .ctx = x,
                         .run = engine_run,
                         .paging_changed = engine_paging_changed,
                         .invlpg = engine_invlpg};
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
    if (x->count_insns) x->stats.trap_sites = calloc(TRAP_SITES, sizeof *x->stats.trap_sites);
    Paging pg = paging_of(c);
    shadow_activate(x->shadow, &pg, false);
    c->link_uses = LINK_SAMPLE;
    c->next = exec_next;
    c->ret_rsp = x->ret[0].bottom;
    c->ret_bottom = x->ret[0].bottom;
    c->engine = &x->engine;
    return &x->engine;
}

void xlat_free(const Engine *e)
{
    Xlat *x = e->ctx;
    trap_fini(x);
    cache_fini(&x->cache);
    open_fini(x);
    form_fini(x);
    shadow_free(x->shadow);
    for (int n = 0; n < 2; n++) munmap(x->ret[n].map, RET_BYTES);
    xlat_array_free(x->block_hash, BLOCK_HASH, sizeof *x->block_hash);
    xlat_array_free(x->pages, 1 << 20, sizeof *x->pages);
    xlat_array_free(x->far_next, 256, sizeof *x->far_next);
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
