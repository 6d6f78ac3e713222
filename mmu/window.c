/* window.c - the host side of the shadow: mmap, mprotect, and what they cost in VMAs.
 *
 * All windows lie in one reservation, a stride of 4 GiB and a guard apart (with wide guards 10 TiB of addresses), so
 * a faulting address gives its window by division (one in a guard does not say which of its neighbours was meant). An
 * unmapped page is anonymous PROT_NONE memory: neighbours of that kind are one VMA.
 *
 * Downgrades are pending ranges first. The entries say what to take away (SE_DROP, SE_RO); the flush merges
 * them into the fewest system calls: dropped pages may be joined across pages that were never mapped. A window
 * is flushed when it is, or becomes, current (space_settle). A page that is mapped before that (a write to a page
 * shared so far: the guest changed the entry, and returns to the write) is replaced by one system call, and is
 * pending no more.
 *
 * VMAs are counted exactly, as boundaries between adjacent pages that the kernel cannot merge
 * (tests/unit/mmu_shadow_spaces.c compares the count with /proc/self/maps).
 */
#define _GNU_SOURCE
#include "cpu/base/host.h"
#include "mmu/shadow_parts.h"

#include <sys/mman.h>

enum { PENDING_GAP = 16 /* pages: nearer ranges are kept as one */ };

/* A limit on address space has to leave room for the rest of ring3. */
static bool fits(u64 bytes)
{
    const u64 rest = 8ull << 30, limit = host_get()->address_bytes;
    return limit == HOST_NO_LIMIT || (limit > rest && bytes <= limit - rest);
}

static bool reserve(Shadow *s, unsigned windows, u64 guard)
{
    u64 stride = WINDOW_BYTES + guard + WINDOW_GUARD_EXTRA, bytes = arena_bytes(windows, stride);
    if (!fits(bytes)) return false;
    void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return false;
    s->arena = at;
    s->stride = stride;
    s->windows_max = windows;
    if (tables_reserve(s, windows)) return true;
    munmap(at, bytes);
    s->arena = NULL;
    return false;
}

bool windows_reserve(Shadow *s)
{
    enum { MANY = 16 };
    if (reserve(s, WINDOWS_MAX, WINDOW_GUARD_WIDE)) return true;
    for (unsigned n = WINDOWS_MAX; n >= WINDOWS_MIN; n = n > MANY ? n / 2 : n - 1)
        if (reserve(s, n, WINDOW_GUARD)) return true;
    return false;
}

bool shadow_is_wide(const Shadow *s) { return s->stride > WINDOW_GUARD_WIDE; }

Window *window_at(const Shadow *s, const void *host_addr, u64 *offset)
{
    u64 delta = (u64)((uintptr_t)host_addr - (uintptr_t)s->arena);
    if (delta >= arena_bytes(s->windows_max, s->stride)) return NULL;
    unsigned n = (unsigned)(delta / s->stride);
    *offset = delta % s->stride - WINDOW_GUARD;
    return &s->windows[n < s->windows_max ? n : n - 1];
}

/* --- VMA count ------------------------------------------------------------------------------------------- */

enum { STATE_N = 4, STATE_STEP = 8 };

/* 0: nothing mapped; two neighbours a, b share a VMA if b == a + STATE_STEP. */
static u64 host_state(const Shadow *s, const Window *w, u32 page)
{
    if (page >= MAP_PAGES || !slot_id_at(w, page)) return 0;
    u32 e = s->slots[slot_id_at(w, page)].entry[page % SLOT_PAGES];
    if (!(e & SE_MAPPED)) return 0;
    return s->phys->pages[e >> PAGE_BITS].offset_page * (u64)STATE_STEP | (e & (SE_R | SE_W)) |
           (e & SE_N ? STATE_N : 0);
}

static unsigned bounds_of(const Shadow *s, const Window *w, u32 page, u32 n)
{
    unsigned count = 0;
    u64 left = host_state(s, w, page - 1);
    for (u32 i = 0; i <= n; i++) {
        u64 right = host_state(s, w, page + i);
        count += (left | right) && !(left && right == left + STATE_STEP);
        left = right;
    }
    return count;
}

static void bounds_change(Shadow *s, Window *w, u32 page, u32 n, unsigned before)
{
    unsigned after = bounds_of(s, w, page, n);
    w->bounds += after - before;
    s->stats.vmas += after - before;
}

/* --- mapping --------------------------------------------------------------------------------------------- */

static int host_prot(u32 entry) { return PROT_READ | (entry & SE_W ? PROT_WRITE : 0); }

/* Only rights change: the page is mapped already and stays where it is. (SE_ALL: it leads to other memory now.) */
static bool only_upgrade(const Shadow *s, const Window *w, u32 page, u32 n, u32 entry)
{
    if (n != 1) return false;
    u32 old = s->slots[slot_id_at(w, page)].entry[page % SLOT_PAGES];
    return (old & SE_MAPPED) && !(old & SE_ALL) && old >> PAGE_BITS == entry >> PAGE_BITS;
}

/* Map n pages from `page` on (within one slot, which exists) to the run of physical pages that begins with
 * `entry`, whose backing is contiguous, with its SE_R/SE_W. What was pending for these pages is void. */
void window_map(Shadow *s, Window *w, u32 page, u32 n, u32 entry, bool populate)
{
    u8 *at = w->base + ((u64)page << PAGE_BITS);
    u64 bytes = (u64)n << PAGE_BITS,
        offset = (u64)s->phys->pages[entry >> PAGE_BITS].offset_page << PAGE_BITS;
    unsigned before = bounds_of(s, w, page, n);
    if (only_upgrade(s, w, page, n, entry)) {
        CHECK(!mprotect(at, bytes, host_prot(entry)), "mprotect of %u pages at va %08x", n,
              page << PAGE_BITS);
        s->stats.mprotects++;
    } else {
        int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | (populate ? MAP_POPULATE : 0);
        CHECK(mmap(at, bytes, host_prot(entry), flags, s->phys->memfd, (off_t)offset) == at,
              "mmap of %u pages at va %08x with %u VMAs", n, page << PAGE_BITS, s->stats.vmas);
        s->stats.mmaps++;
    }
    Slot *sl = slot_at(s, w, page);
    for (u32 i = 0; i < n; i++) {
        u32 old = sl->entry[page % SLOT_PAGES + i], new = entry + (i << PAGE_BITS);
        entry_set(s, sl, page % SLOT_PAGES + i, new | (old & (SE_FETCH | SE_TABLE)));
    }
    bounds_change(s, w, page, n, before);
}

static void run_unmap(Shadow *s, Window *w, u32 page, u32 n)
{
    u8 *at = w->base + ((u64)page << PAGE_BITS);
    unsigned before = bounds_of(s, w, page, n);
    void *got = mmap(at, (u64)n << PAGE_BITS, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    CHECK(got == at, "unmapping %u pages at va %08x", n, page << PAGE_BITS);
    s->stats.mmaps++;
    for (u32 p = page; p < page + n; p++) {
        if (!slot_id_at(w, p)) {
            p |= HALF_PAGES - 1;
            continue;
        }
        Slot *sl = slot_at(s, w, p);
        u32 e = sl->entry[p % SLOT_PAGES];
        if (e) entry_set(s, sl, p % SLOT_PAGES, e & (SE_FETCH | SE_T) ? e & ~(u32)SE_HOST : 0);
    }
    bounds_change(s, w, page, n, before);
}

/* One page that may well come back (mprotect, a fixmap): changing rights twice costs a third of two mmaps. */
static bool worth_hiding(Shadow *s, const Window *w, u32 page, u32 n)
{
    return n == 1 && s->stats.vmas < s->budget / 2 &&
           !(slot_at(s, w, page)->entry[page % SLOT_PAGES] & SE_ALL);
}

static void page_hide(Shadow *s, Window *w, u32 page)
{
    Slot *sl = slot_at(s, w, page);
    unsigned before = bounds_of(s, w, page, 1);
    CHECK(!mprotect(w->base + ((u64)page << PAGE_BITS), PAGE_BYTES, PROT_NONE), "hiding va %08x",
          page << PAGE_BITS);
    s->stats.mprotects++;
    u32 e = sl->entry[page % SLOT_PAGES];
    entry_set(s, sl, page % SLOT_PAGES, (e & ~(u32)SE_HOST) | SE_N);
    bounds_change(s, w, page, 1, before);
}

/* Splitting adds VMAs without asking for room: far over the budget, the slots go instead (they are refilled). */
static bool too_many_vmas(const Shadow *s) { return s->stats.vmas > s->budget + s->budget / 8; }

static void run_protect(Shadow *s, Window *w, u32 page, u32 n)
{
    if (too_many_vmas(s)) {
        u32 first = page & ~(u32)(SLOT_PAGES - 1), end = (page + n + SLOT_PAGES - 1) & ~(u32)(SLOT_PAGES - 1);
        run_unmap(s, w, first, end - first);
        return;
    }
    unsigned before = bounds_of(s, w, page, n);
    CHECK(!mprotect(w->base + ((u64)page << PAGE_BITS), (u64)n << PAGE_BITS, PROT_READ),
          "protecting %u pages", n);
    s->stats.mprotects++;
    for (u32 p = page; p < page + n; p++) slot_at(s, w, p)->entry[p % SLOT_PAGES] &= ~(u32)(SE_W | SE_RO);
    bounds_change(s, w, page, n, before);
}

/* --- pending downgrades ---------------------------------------------------------------------------------- */

/* The pages' entries carry SE_DROP or SE_RO. Too many ranges: the last one grows to cover the new one too,
 * which costs the flush a longer look but no system call. */
void window_pend(Window *w, u32 first, u32 last)
{
    Range *r = &w->pending[w->pending_count ? w->pending_count - 1 : 0];
    bool near = w->pending_count && first <= r->last + PENDING_GAP && last + PENDING_GAP >= r->first;
    if (near || w->pending_count == PENDING_MAX) {
        if (first < r->first) r->first = first;
        if (last > r->last) r->last = last;
        return;
    }
    w->pending[w->pending_count++] = (Range){first, last};
}

/* A run being gathered: `what` is SE_DROP, SE_RO or 0 for none; it ends before `end`. */
typedef struct Gather {
    u32 what, first, end;
} Gather;

static void gather_end(Shadow *s, Window *w, Gather *g)
{
    if (g->what == SE_DROP && worth_hiding(s, w, g->first, g->end - g->first))
        page_hide(s, w, g->first);
    else if (g->what == SE_DROP)
        run_unmap(s, w, g->first, g->end - g->first);
    if (g->what == SE_RO) run_protect(s, w, g->first, g->end - g->first);
    g->what = 0;
}

/* *entry may change here: run_protect may unmap more than its run. */
static void gather_page(Shadow *s, Window *w, Gather *g, u32 page, const u32 *entry)
{
    if (!(*entry & (SE_R | SE_DROP))) return; /* no access: a drop may pass over it, mprotect may not */
    u32 what = *entry & SE_DROP ? SE_DROP : *entry & SE_RO ? SE_RO : 0;
    if (g->what != what || (what == SE_RO && g->end != page)) {
        gather_end(s, w, g);
        if (!what || !(*entry & SE_MAPPED)) return;
        *g = (Gather){what, page, page};
    }
    g->end = page + 1;
}

static void range_flush(Shadow *s, Window *w, Range r)
{
    Gather g = {0};
    for (u32 page = r.first; page <= r.last; page++) {
        u16 id = slot_id_at(w, page);
        if (id && s->slots[id].mapped) {
            gather_page(s, w, &g, page, &s->slots[id].entry[page % SLOT_PAGES]);
            continue;
        }
        page |= HALF_PAGES - 1;
    }
    gather_end(s, w, &g);
}

static void slots_free_dead(Shadow *s, Window *w)
{
    for (unsigned word = 0; w->dead && word < ARRAY_LEN(w->live); word++)
        for (u64 live = w->live[word]; live; live &= live - 1) {
            Slot *sl = slot_of(s, w->slot[word * 64 + (unsigned)__builtin_ctzll(live)]);
            if (sl->dead) slot_free(s, sl);
        }
}

void window_flush(Shadow *s, Window *w)
{
    for (unsigned i = 0; i < w->pending_count; i++) range_flush(s, w, w->pending[i]);
    w->pending_count = 0;
    if (w->dead) slots_free_dead(s, w);
}
