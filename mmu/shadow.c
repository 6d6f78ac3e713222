/* shadow.c - the public side of the shadow page tables: see shadow.h for the contract, docs/MMU.md for the
 * picture, shadow_parts.h for the parts.
 *
 * A fill maps the longest run around the faulting page that the guest's tables already allow as it stands: same
 * rights, contiguous memory, A (and for writable pages D) already set, so that no bit is set early.
 *
 * Not implemented: 2 MiB host pages; userfaultfd and guard regions as cheaper traces and present bits.
 * Page tables outside RAM (ROM, device memory) are walked at every access: the fault says SHADOW_MMIO.
 */
#define _GNU_SOURCE
#include "cpu/base/host.h"
#include "mmu/shadow_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BUDGET_MIN = 64, BUDGET_HOST_MAX = 100000000 };

/* --- life cycle ------------------------------------------------------------------------------------------ */

/* Zeroed, sparse; huge pages would make it dense. */
void *table_new(u64 bytes)
{
    void *t = host_table_map(bytes);
    if (!t) return NULL;
    madvise(t, bytes, MADV_NOHUGEPAGE);
    return t;
}

static bool tables_new(Shadow *s)
{
    s->windows = table_new(WINDOWS_MAX * sizeof *s->windows);
    s->slots = table_new(SLOTS_MAX * sizeof *s->slots);
    s->free_slots = table_new(SLOTS_MAX * sizeof *s->free_slots);
    s->backmap = table_new(MAP_PAGES * sizeof *s->backmap);
    s->pt_slots = table_new(MAP_PAGES * sizeof *s->pt_slots);
    s->orphan = table_new(MAP_PAGES * sizeof *s->orphan);
    s->dir_windows = table_new(MAP_PAGES * sizeof *s->dir_windows);
    return s->windows && s->slots && s->free_slots && s->backmap && s->pt_slots && s->orphan &&
           s->dir_windows;
}

/* 70 % of what the host allows; the rest is for everything else in the process. */
static unsigned budget_of_host(void)
{
    u64 n = host_get()->max_map_count;
    return (unsigned)((n < BUDGET_HOST_MAX ? n : BUDGET_HOST_MAX) * 7 / 10);
}

Shadow *shadow_new(Phys *p, const ShadowHooks *h, unsigned vma_budget)
{
    Shadow *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->phys = p;
    if (h) s->hooks = *h;
    s->budget = vma_budget ? vma_budget : budget_of_host();
    if (s->budget < BUDGET_MIN) s->budget = BUDGET_MIN;
    s->slot_count = 1;
    s->next_id = 1;
    s->window_count = WINDOW_U;
    if (!tables_new(s) || !windows_reserve(s)) {
        shadow_free(s);
        return NULL;
    }
    for (unsigned i = 0; i < s->windows_max; i++) {
        s->windows[i].base = s->arena + WINDOW_GUARD + i * s->stride;
        s->windows[i].id = s->next_id++;
        s->windows[i].stamp = 1;
    }
    s->u = s->k = &s->windows[WINDOW_P];
    s->stats.vmas = 1;
    p->on_written = trace_written;
    p->on_remap = trace_remapped;
    p->on_written_ctx = p->on_remap_ctx = s;
    space_settle(s);
    return s;
}

void table_free(void *t, u64 bytes) { host_table_unmap(t, bytes); }

void shadow_free(Shadow *s)
{
    if (!s) return;
    if (s->phys->on_written_ctx == s) s->phys->on_written = NULL;
    if (s->phys->on_remap_ctx == s) s->phys->on_remap = NULL;
    if (s->arena) munmap(s->arena, arena_bytes(s->windows_max, s->stride));
    tables_free(s, s->windows_max);
    table_free(s->windows, WINDOWS_MAX * sizeof *s->windows);
    table_free(s->slots, SLOTS_MAX * sizeof *s->slots);
    table_free(s->free_slots, SLOTS_MAX * sizeof *s->free_slots);
    table_free(s->backmap, MAP_PAGES * sizeof *s->backmap);
    table_free(s->pt_slots, MAP_PAGES * sizeof *s->pt_slots);
    table_free(s->orphan, MAP_PAGES * sizeof *s->orphan);
    table_free(s->dir_windows, MAP_PAGES * sizeof *s->dir_windows);
    free(s);
}

const ShadowView *shadow_view(const Shadow *s) { return &s->view; }
const ShadowStats *shadow_stats(const Shadow *s) { return &s->stats; }

bool shadow_owns(const Shadow *s, const void *host_addr)
{
    u64 offset;
    return window_at(s, host_addr, &offset);
}

/* --- selection ------------------------------------------------------------------------------------------- */

void shadow_activate(Shadow *s, const Paging *pg, bool user_ring)
{
    const Paging *old = &s->pg;
    bool rules_same =
        old->pse == pg->pse && old->pae == pg->pae && old->nx == pg->nx && old->smep == pg->smep;
    bool same = rules_same && old->on == pg->on && old->wp == pg->wp &&
                (pg->pae ? !memcmp(old->pdpte, pg->pdpte, sizeof old->pdpte) : old->cr3 == pg->cr3);
    s->stats.cr3_loads += pg->on && old->on;
    s->pg = *pg;
    s->user_ring = user_ring;
    if (same) {
        space_settle(s);
        return;
    }
    if (!rules_same) spaces_drop(s);
    space_select(s);
}

void shadow_set_ring(Shadow *s, bool user_ring)
{
    s->user_ring = user_ring;
    space_settle(s);
}

void shadow_set_smap(Shadow *s, bool holds)
{
    if (s->pg.smap == holds) return;
    s->pg.smap = holds;
    space_settle(s);
}

/* Nothing to do: the shadow follows the tables, which is more than a TLB promises. */
void shadow_invlpg(Shadow *s, u32 va)
{
    (void)s;
    trace(MMU, "invlpg %08x", va);
}

/* The odd megabytes mean other memory now. DOS does this often with paging off, nobody often with paging on. */
void shadow_a20_changed(Shadow *s)
{
    Window *p = &s->windows[WINDOW_P];
    for (unsigned n = 0; n < SLOT_COUNT; n += 2) {
        if (!p->slot[n]) continue;
        for (unsigned i = 0; i < SLOT_PAGES; i++)
            if (i & 0x100) entry_unmap(s, slot_of(s, p->slot[n]), i);
    }
    window_flush(s, p);
    spaces_drop(s);
    space_select(s);
}

void shadow_hide(Shadow *s, const u32 *pages)
{
    Window *p = &s->windows[WINDOW_P];
    s->hidden = pages;
    if (!pages) return;
    for (unsigned n = 0; n < SLOT_COUNT; n += 2) {
        if (!p->slot[n]) continue;
        for (unsigned i = 0; i < SLOT_PAGES; i++)
            if (page_hidden(s, n * HALF_PAGES + i)) entry_unmap(s, slot_of(s, p->slot[n]), i);
    }
    window_flush(s, p);
    spaces_drop(s);
    space_select(s);
}

/* --- filling --------------------------------------------------------------------------------------------- */

static bool backing_joins(const Shadow *s, u32 low, u32 high) /* entries of two neighbours */
{
    const PageInfo *pages = s->phys->pages;
    return pages[low >> PAGE_BITS].offset_page + 1 == pages[high >> PAGE_BITS].offset_page;
}

/* May page i join the run whose neighbouring page wants `next` (step +1: i lies behind it, -1: before)? */
static bool run_joins(const Shadow *s, const Slot *sl, unsigned i, u32 next, int step)
{
    u32 want = slot_want(s, sl, i);
    if (!want || (want ^ next) & (SE_R | SE_W)) return false;
    if ((want & SE_HOST) == (sl->entry[i] & SE_HOST) && !((want ^ sl->entry[i]) >> PAGE_BITS)) return false;
    return step > 0 ? backing_joins(s, next, want) && want == next + PAGE_BYTES
                    : backing_joins(s, want, next) && want + PAGE_BYTES == next;
}

/* What the last fill mapped was dropped again: the next one maps less. (Linux looks for a table at boot through
 * mappings of 64 KiB, of which it reads 16 bytes.) */
static void run_adapt(Slot *sl)
{
    bool wasted = sl->drops && sl->drops * 2 >= sl->filled;
    if (wasted && sl->run > 1) sl->run /= 2;
    if (!wasted && sl->run < RUN_MAX) sl->run *= 2;
    sl->drops = 0;
}

static void run_map(Shadow *s, Window *w, Slot *sl, unsigned i, u32 want)
{
    bool whole =
        sl->pt_pfn == NO_PT; /* large pages and P: as far as it goes, populated by the host as touched */
    run_adapt(sl);
    unsigned back = whole ? SLOT_PAGES : sl->run / 4, ahead = whole ? SLOT_PAGES : sl->run - 1u;
    unsigned first = i, last = i;
    u32 low = want, high = want;
    while (first > slot_first(sl) && i - first < back && run_joins(s, sl, first - 1, low, -1))
        first--, low -= PAGE_BYTES;
    while (last < slot_end(sl) - 1 && last - i < ahead && run_joins(s, sl, last + 1, high, 1))
        last++, high += PAGE_BYTES;
    window_map(s, w, slot_page(sl) + first, last - first + 1, low, !whole);
    s->stats.fills++;
    s->stats.filled_pages += last - first + 1;
    sl->filled = (u16)(last - first + 1);
    trace(MMU, "fill va %08x: %u pages at pa %08x %s, window %u", (slot_page(sl) + first) << PAGE_BITS,
          last - first + 1, low & ~(u32)PAGE_MASK, want & SE_W ? "rw" : "ro", sl->window);
}

/* Can the tables of this walk be traced? (Always, if they lie in RAM.) */
static bool tables_in_ram(const Shadow *s, const Walk *walk)
{
    const PageInfo *pages = s->phys->pages;
    if (pages[walk->pde_pa >> PAGE_BITS].kind != PAGE_RAM) return false;
    return walk->large || pages[walk->pte_pa >> PAGE_BITS].kind == PAGE_RAM;
}

static Slot *slot_for(Shadow *s, Window *w, u32 va, const Walk *walk)
{
    bool paged = w != &s->windows[WINDOW_P];
    u32 pt_pfn = paged && !walk->large ? walk->pte_pa >> PAGE_BITS : NO_PT;
    return slot_get(s, w, va, walk->pde, pt_pfn);
}

/* Map the page of an access that the walk allowed. */
static ShadowResult page_fill(Shadow *s, Window *w, u32 va, bool write, const Walk *walk)
{
    u32 pfn = walk->pa >> PAGE_BITS;
    unsigned i = va >> PAGE_BITS & (SLOT_PAGES - 1);
    if (s->phys->pages[pfn].kind == PAGE_NONE) return SHADOW_MMIO;
    if (write && s->phys->pages[pfn].kind == PAGE_ROM) return SHADOW_ROM;
    if (write && s->phys->watch[pfn]) trace_expire(s, pfn, w == s->u);
    if (write && s->phys->watch[pfn]) return SHADOW_WATCHED;
    if (s->pg.on && !tables_in_ram(s, walk)) return SHADOW_MMIO;
    make_room(s);
    Slot *sl = slot_for(s, w, va, walk);
    u32 want = slot_want(s, sl, i);
    if (!want) return SHADOW_MMIO;                      /* no A bit: its table is ROM */
    if (write && !(want & SE_W)) return SHADOW_WATCHED; /* watched just now, or CR0.WP = 0 through U */
    run_map(s, w, sl, i, want);
    return SHADOW_MAPPED;
}

ShadowResult shadow_fault(Shadow *s, const void *host_addr, bool write, u32 *va, Walk *walk)
{
    u64 offset = 0;
    Window *w = window_at(s, host_addr, &offset);
    CHECK(w, "fault at %p, outside the windows", host_addr);
    *va = (u32)offset;
    *walk = (Walk){0};
    if (offset >> 32) return SHADOW_WRAP;
    CHECK(window_active(s, w), "access through window %u, which is not in use", window_number(s, w));
    *walk = mmu_walk(s->phys, &s->pg, *va, (write ? WALK_WRITE : 0) | (s->user_ring ? WALK_USER : 0));
    ShadowResult r = SHADOW_PF;
    if (walk->ok && s->pg.on && walk->user != (w == s->u))
        r = SHADOW_USER;
    else if (walk->ok)
        r = page_fill(s, w, *va, write, walk);
    if (w->pending_count) window_flush(s, w);
    space_settle(s);
    return r;
}

/* --- the table form -------------------------------------------------------------------------------------- */

/* What entry i may have in the table, of what the access needs or more. */
static u32 table_want(const Shadow *s, const Slot *sl, unsigned i, u32 want, bool write)
{
    u32 pfn = want >> PAGE_BITS;
    if (want & SE_W) return SE_T | SE_TW;
    bool code = write && s->phys->watch[pfn] == WATCH_CODE && s->phys->pages[pfn].kind == PAGE_RAM &&
                s->hooks.code_opened && slot_guest_writes(s, sl, i) &&
                s->hooks.code_opened(s->hooks.ctx, pfn);
    return SE_T | (code ? SE_TC : 0);
}

/* An entry is of one physical page. Another one that is still mapped in the window, or hidden there, has to go
 * first. */
static void make_way(Shadow *s, Window *w, Slot *sl, unsigned i, u32 want)
{
    while (sl->entry[i] && (want ^ sl->entry[i]) >> PAGE_BITS) {
        entry_unmap(s, sl, i);
        window_flush(s, w);
    }
}

static u8 *table_fill(Shadow *s, Window *w, u32 va, bool write, ShadowResult *why, const Walk *walk)
{
    u32 pfn = walk->pa >> PAGE_BITS;
    unsigned i = va >> PAGE_BITS & (SLOT_PAGES - 1);
    *why = SHADOW_MMIO;
    if (s->phys->pages[pfn].kind == PAGE_NONE || (s->pg.on && !tables_in_ram(s, walk))) return NULL;
    if (write && s->phys->watch[pfn]) trace_expire(s, pfn, w == s->u);
    Slot *sl = slot_for(s, w, va, walk);
    u32 want = slot_want(s, sl, i);
    if (!want) return NULL; /* no A bit: its table is ROM */
    make_way(s, w, sl, i, want);
    u32 has = table_want(s, sl, i, want, write);
    entry_set(s, sl, i, (sl->entry[i] & ~(u32)SE_TABLE) | (want & ~(u32)PAGE_MASK) | has);
    table_follow(s, sl, i);
    trace(MMU, "table va %08x: pa %08x %s", va & ~(u32)PAGE_MASK, want & ~(u32)PAGE_MASK,
          has & SE_TW ? "rw" : "ro");
    *why = s->phys->pages[pfn].kind == PAGE_ROM ? SHADOW_ROM : SHADOW_WATCHED; /* or CR0.WP = 0 through U */
    return write && !(has & SE_TW) ? NULL : phys_hp(s->phys, walk->pa);
}

u8 *shadow_lookup(Shadow *s, u32 va, unsigned bytes, bool write, ShadowResult *why, Walk *walk)
{
    *walk = (Walk){0};
    *why = SHADOW_STRADDLE;
    if ((va & PAGE_MASK) + bytes > PAGE_BYTES) return NULL;
    *walk = mmu_walk(s->phys, &s->pg, va, (write ? WALK_WRITE : 0) | (s->user_ring ? WALK_USER : 0));
    *why = SHADOW_PF;
    if (!walk->ok) return NULL;
    u8 *hp = table_fill(s, walk->user ? s->u : s->k, va, write, why, walk);
    s->stats.lookups++;
    space_settle(s);
    return hp;
}

/* What shadow_fault or shadow_lookup found out before stands in the entry; the guest's tables say whether it may be
 * written. */
bool shadow_store32(Shadow *s, u32 va, u32 value)
{
    unsigned i = va >> PAGE_BITS & (SLOT_PAGES - 1);
    const Slot *sl = slot_alive(s, s->k, va);
    if (!sl || va & 3 || !s->pg.on) return false;
    u32 e = sl->entry[i], pfn = e >> PAGE_BITS;
    if (!(e & (SE_R | SE_T)) || e & SE_DROP || s->phys->watch[pfn] != WATCH_PT) return false;
    if (s->phys->pages[pfn].kind != PAGE_RAM || !slot_guest_writes(s, sl, i)) return false;
    u32 pa = (e & ~(u32)PAGE_MASK) | (va & PAGE_MASK);
    u8 *hp = phys_hp(s->phys, pa);
    s->phys->slow++;
    if (load32(hp) == value) return true;
    store32(hp, value);
    trace_written(s, pa, 4, WATCH_PT);
    return true;
}

/* --- ahead of their use ---------------------------------------------------------------------------------- */

static bool stands_for_many(Shadow *s, u32 va, u32 pfn)
{
    if (pfn == s->read_pfn && va >> PAGE_BITS != s->read_va >> PAGE_BITS) s->shared_pfn = pfn;
    s->read_pfn = pfn;
    s->read_va = va;
    return pfn && pfn == s->shared_pfn;
}

bool shadow_prefill(Shadow *s, u32 va, bool write, bool user)
{
    u32 needs = PTE_A | (write ? PTE_D : 0);
    Walk walk = mmu_walk(s->phys, &s->pg, va, WALK_NO_AD | (write ? WALK_WRITE : 0) | (user ? WALK_USER : 0));
    if (!walk.ok || (s->pg.on && (!(walk.pde & PTE_A) || (walk.pte & needs) != needs))) return true;
    if (user && !write && stands_for_many(s, va, walk.pa >> PAGE_BITS)) return false;
    page_fill(s, walk.user ? s->u : s->k, va, write, &walk);
    space_settle(s);
    return true;
}

/* Handed out before, and still true. */
static bool fetch_known(const Shadow *s, u32 va, u32 *pa, bool *shared)
{
    const Window *w = s->user_ring ? s->u : s->k;
    const Slot *sl = slot_alive(s, w, va);
    if (!sl) return false;
    u32 e = sl->entry[va >> PAGE_BITS & (SLOT_PAGES - 1)];
    *pa = (e & ~(u32)PAGE_MASK) | (va & PAGE_MASK);
    *shared = window_number(s, w) < WINDOW_U;
    return e & SE_X;
}

ShadowResult shadow_fetch(Shadow *s, u32 va, u32 *pa, bool *shared, u32 *error)
{
    if (fetch_known(s, va, pa, shared)) return SHADOW_MAPPED;
    Walk walk = mmu_walk(s->phys, &s->pg, va, WALK_FETCH | (s->user_ring ? WALK_USER : 0));
    if (!walk.ok) {
        *error = walk.error;
        return SHADOW_PF;
    }
    Window *w = walk.user ? s->u : s->k;
    *pa = walk.pa;
    *shared = window_number(s, w) < WINDOW_U;
    if (s->phys->pages[walk.pa >> PAGE_BITS].kind == PAGE_NONE) return SHADOW_MMIO;
    if (s->pg.on && !tables_in_ram(s, &walk)) return SHADOW_MMIO;
    if (w->pending_count) window_flush(s, w);
    Slot *sl = slot_for(s, w, va, &walk);
    unsigned i = va >> PAGE_BITS & (SLOT_PAGES - 1);
    u32 want = slot_want(s, sl, i);
    if ((sl->entry[i] & SE_N) && (want ^ sl->entry[i]) >> PAGE_BITS) { /* hides another page */
        entry_unmap(s, sl, i);
        window_flush(s, w);
    }
    if (want)
        entry_set(s, sl, i,
                  sl->entry[i] | (want & ~(u32)PAGE_MASK) | (*shared || s->user_ring ? SE_X : SE_XS));
    space_settle(s);
    return want ? SHADOW_MAPPED : SHADOW_MMIO;
}

/* --- watches --------------------------------------------------------------------------------------------- */

void shadow_watch(Shadow *s, u32 pfn, u8 bits)
{
    trace_watch(s, pfn, bits);
    space_settle(s);
}

/* Writable again at the next write fault. */
void shadow_unwatch(Shadow *s, u32 pfn, u8 bits) { s->phys->watch[pfn] &= (u8)~bits; }
