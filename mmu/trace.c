/* trace.c - watched physical pages: writes to page tables and directories become changes of shadow entries.
 *
 * A page table is watched (WATCH_PT) from the time a slot is made from it, a directory from the time it is
 * active. The watch ends lazily: with a few trapped writes after nothing depends on the page any more
 * (trace_expire). So an address space that comes back finds its tables still traced; and pages that are page tables
 * over and over, cleared and filled by the same few instructions, which are callouts by then, never trap.
 *
 * A table from whose slot many pages were dropped with no fill in between (a process that exits, a range that is
 * unmapped) loses the slot whole: one merged unmapping instead of many, and no more trapped stores.
 */
#include "mmu/shadow_parts.h"

#include <string.h>

enum { FLOOD_DROPS = 32, ORPHAN_TRAPS = 4 };

static void entry_protect(Shadow *s, u32 ref)
{
    Slot *sl = slot_of(s, ref / SLOT_PAGES);
    u32 e = sl->entry[ref % SLOT_PAGES], page = slot_page(sl) + ref % SLOT_PAGES;
    if (e & SE_TW) {
        sl->entry[ref % SLOT_PAGES] = e &= ~(u32)SE_TW;
        table_follow(s, sl, ref % SLOT_PAGES);
    }
    if (!(e & SE_W) || (e & (SE_RO | SE_DROP))) return;
    sl->entry[ref % SLOT_PAGES] |= SE_RO;
    window_pend(&s->windows[sl->window], page, page);
    s->stats.downgrades++;
}

static u32 ref_next(Shadow *s, u32 ref) { return slot_of(s, ref / SLOT_PAGES)->next[ref % SLOT_PAGES]; }

void trace_watch(Shadow *s, u32 pfn, u8 bits)
{
    u8 old = s->phys->watch[pfn];
    s->phys->watch[pfn] |= bits;
    if (bits & ~WATCH_CODE && s->hooks.page_watched) s->hooks.page_watched(s->hooks.ctx, pfn);
    if (old) return;
    for (u32 ref = s->backmap[pfn]; ref; ref = ref_next(s, ref)) entry_protect(s, ref);
}

/* Does nothing depend on the page as a page table or directory any more? */
static bool orphaned(Shadow *s, u32 pfn)
{
    if (!(s->phys->watch[pfn] & WATCH_PT) || s->pt_slots[pfn]) return false;
    for (u16 ref = s->dir_windows[pfn]; ref; ref = dir_window(s, ref)->dir_next[ref % DIRS]) {
        const Window *u = dir_window(s, ref);
        if (u == s->u || u->slots > u->dead) return false;
    }
    while (s->dir_windows[pfn]) space_release(s, dir_window(s, s->dir_windows[pfn]));
    return true;
}

/* A write trapped: end the page's WATCH_PT if it is orphaned, at once or after some of them. */
void trace_expire(Shadow *s, u32 pfn, bool at_once)
{
    if (!orphaned(s, pfn) || (++s->orphan[pfn] < ORPHAN_TRAPS && !at_once)) return;
    s->orphan[pfn] = 0;
    s->phys->watch[pfn] &= (u8)~WATCH_PT;
}

/* --- writes ---------------------------------------------------------------------------------------------- */

/* Does any shadow stand on these entries of a page table or directory? */
static bool table_matters(Shadow *s, u32 pfn, unsigned first, unsigned last)
{
    if (s->dir_windows[pfn]) return true;
    for (u32 id = s->pt_slots[pfn]; id; id = slot_of(s, id)->pt_next)
        for (unsigned i = first; i <= last; i++)
            if (slot_of(s, id)->entry[slot_first(slot_of(s, id)) + i]) return true;
    return false;
}

static void table_written(Shadow *s, u32 pfn, unsigned first, unsigned last)
{
    for (u32 id = s->pt_slots[pfn], next; id; id = next) {
        Slot *sl = slot_of(s, id);
        next = sl->pt_next;
        for (unsigned i = first; i <= last; i++) entry_recheck(s, sl, slot_first(sl) + i);
        if (sl->window >= WINDOW_U && sl->drops >= FLOOD_DROPS) slot_kill(s, sl);
    }
}

static void slot_check_pde(Shadow *s, Window *w, unsigned index, u64 pde)
{
    Slot *sl = slot_of(s, w->slot[index]);
    if (!w->slot[index] || sl->dead) return;
    if (!pde_agrees(s, sl, pde))
        slot_kill(s, sl);
    else
        slot_follow_pde(s, sl, pde);
}

/* [first, last] of the entries of directory `which` of address space u were written. */
static void space_written(Shadow *s, Window *u, unsigned which, unsigned first, unsigned last)
{
    Window *k0 = window_k(s, false, u->view), *k1 = window_k(s, true, u->view);
    u32 agreed0 = *agreed_with(s, u, k0), agreed1 = *agreed_with(s, u, k1);
    bool active = u == s->u;
    for (unsigned i = first; i <= last; i++) {
        unsigned index = slot_index(s, which, i);
        u64 pde = space_pde(s, u, index);
        slot_check_pde(s, u, index, pde);
        if (!active) continue;
        slot_check_pde(s, k0, index, pde);
        slot_check_pde(s, k1, index, pde);
    }
    memset(u->agreed, 0, sizeof u->agreed); /* the other K windows were not looked at */
    if (!active) return;
    *agreed_with(s, u, k0) = agreed0;
    *agreed_with(s, u, k1) = agreed1;
}

static void directory_written(Shadow *s, u32 pfn, unsigned first, unsigned last)
{
    for (u16 ref = s->dir_windows[pfn]; ref; ref = dir_window(s, ref)->dir_next[ref % DIRS])
        space_written(s, dir_window(s, ref), ref % DIRS, first, last);
}

/* A page table was written: [first, last] of its entries. */
static void tables_written(Shadow *s, u32 pfn, unsigned first, unsigned last)
{
    u64 before = s->stats.drops + s->stats.downgrades + s->stats.slots_dropped;
    table_written(s, pfn, first, last);
    directory_written(s, pfn, first, last);
    orphaned(s, pfn); /* an address space that is gone gives its window back */
    s->stats.pt_effective += before != s->stats.drops + s->stats.downgrades + s->stats.slots_dropped;
    space_settle(s);
}

void trace_written(void *ctx, u32 pa, u32 bytes, u8 watch)
{
    Shadow *s = ctx;
    if (watch & WATCH_PT) {
        u32 pfn = pa >> PAGE_BITS;
        unsigned shift = s->pg.pae ? 3 : 2;
        unsigned first = (pa & PAGE_MASK) >> shift, last = ((pa & PAGE_MASK) + bytes - 1) >> shift;
        s->stats.pt_writes++;
        if (table_matters(s, pfn, first, last)) tables_written(s, pfn, first, last);
    }
    if ((watch & WATCH_CODE) && s->hooks.code_written) s->hooks.code_written(s->hooks.ctx, pa, bytes);
}

/* --- changes of the physical map ------------------------------------------------------------------------- */

/* What leads elsewhere from now on goes at once, in every window: the count of VMAs looks at the physical map, so a
 * mapping that waited for its window's flush would be taken off that count as what it never was. */
void trace_remapped(void *ctx, u32 pa, u32 bytes)
{
    Shadow *s = ctx;
    bool found = false;
    if (s->hooks.remapped) s->hooks.remapped(s->hooks.ctx, pa, bytes);
    if (bytes == ~0u) {
        shadow_a20_changed(s);
        return;
    }
    for (u32 pfn = pa >> PAGE_BITS; bytes && pfn <= (pa + (bytes - 1)) >> PAGE_BITS; pfn++) {
        for (u32 ref = s->backmap[pfn], next; ref; ref = next) {
            next = ref_next(s, ref);
            entry_unmap(s, slot_of(s, ref / SLOT_PAGES), ref % SLOT_PAGES);
            found = true;
        }
        while (s->pt_slots[pfn]) slot_kill(s, slot_of(s, s->pt_slots[pfn]));
    }
    for (unsigned i = WINDOW_P; found && i < s->window_count; i++)
        if (s->windows[i].pending_count) window_flush(s, &s->windows[i]);
    space_settle(s);
}
