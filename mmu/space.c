/* space.c - which windows are in use: address spaces, their agreement with K, and eviction.
 *
 * An address space is a page directory. Its U window stays, with all that is mapped in it, when another
 * directory is loaded; the directory and the tables behind its live slots stay traced. When it is left (or its
 * directory is written) with no slots in it, the process is gone and the window is free for the next one.
 *
 * K is shared. When a directory becomes active, every slot of K must agree with its entry there: the ones that
 * do not are dropped. (NT's self-map and hyperspace differ always: they are refilled after each switch, but
 * their tables stay traced.) Stamps make the comparison rare: it is repeated only if K got a slot, or the
 * directory was written, since it last agreed.
 *
 * Not implemented: parking of K slots that differ; recognising a directory by its contents (Windows 9x switches
 * by rewriting entries of one directory, and so drops and refills slots).
 */
#include "mmu/shadow_parts.h"

enum { VMA_MARGIN = 16 };

static u32 directory_of(const Shadow *s) { return (s->pg.cr3 & s->phys->a20_mask) >> PAGE_BITS; }

static void window_kill(Shadow *s, Window *w)
{
    for (unsigned i = 0; w->slots > w->dead && i < SLOT_COUNT; i++)
        if (w->slot[i]) slot_kill(s, slot_of(s, w->slot[i]));
    window_flush(s, w);
}

void space_release(Shadow *s, Window *u)
{
    window_kill(s, u);
    s->dir_windows[u->dir_pfn] = 0;
    u->in_use = false;
    s->stats.windows--;
}

/* Every paged window is emptied: a rule of translation changed (CR4.PSE, A20). space_select must follow. */
void spaces_drop(Shadow *s)
{
    for (unsigned i = WINDOW_K0; i < s->window_count; i++) {
        if (i < WINDOW_U)
            window_kill(s, &s->windows[i]);
        else if (s->windows[i].in_use)
            space_release(s, &s->windows[i]);
    }
}

/* --- selection ------------------------------------------------------------------------------------------- */

static Window *window_free(Shadow *s)
{
    Window *lru = NULL;
    for (unsigned i = WINDOW_U; i < s->window_count; i++) {
        Window *w = &s->windows[i];
        if (!w->in_use) return w;
        if (w != s->u && (!lru || w->used < lru->used)) lru = w;
    }
    if (s->window_count < s->windows_max) return &s->windows[s->window_count++];
    space_release(s, lru);
    return lru;
}

static Window *space_get(Shadow *s, u32 dir_pfn)
{
    if (s->dir_windows[dir_pfn]) return &s->windows[s->dir_windows[dir_pfn]];
    Window *u = window_free(s);
    u->dir_pfn = dir_pfn;
    u->in_use = true;
    u->id = s->next_id++;
    u->agreed[0] = u->agreed[1] = 0;
    s->dir_windows[dir_pfn] = (u16)window_number(s, u);
    s->stats.windows++;
    s->stats.cr3_new++;
    return u;
}

static void shared_agree(Shadow *s)
{
    if (s->u->agreed[s->pg.wp] == s->k->stamp) return;
    const u8 *dir = phys_hp(s->phys, s->u->dir_pfn << PAGE_BITS);
    for (unsigned word = 0; word < ARRAY_LEN(s->k->live); word++) {
        for (u64 live = s->k->live[word]; live; live &= live - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(live);
            Slot *sl = slot_of(s, s->k->slot[i]);
            if (!dir || !pde_agrees(s, sl, load32(dir + 4 * i))) slot_kill(s, sl);
        }
    }
    s->u->agreed[s->pg.wp] = s->k->stamp;
}

/* Choose windows for s->pg. A directory outside RAM gets a window too, in which nothing is ever mapped. */
void space_select(Shadow *s)
{
    Window *old = s->u;
    if (!s->pg.on) {
        s->u = s->k = &s->windows[WINDOW_P];
    } else {
        s->u = space_get(s, directory_of(s));
        s->k = &s->windows[s->pg.wp ? WINDOW_K1 : WINDOW_K0];
        if (s->phys->pages[s->u->dir_pfn].kind == PAGE_RAM) trace_watch(s, s->u->dir_pfn, WATCH_PT);
        shared_agree(s);
    }
    s->u->used = s->k->used = ++s->clock;
    if (old != s->u && old->in_use && window_number(s, old) >= WINDOW_U && old->slots == old->dead)
        space_release(s, old);
    space_settle(s);
}

/* --- eviction -------------------------------------------------------------------------------------------- */

/* Used longest ago, those in use last; with mappings to give, or (for_slot) with slots to give. */
static Window *window_lru(Shadow *s, bool for_slot)
{
    Window *lru = NULL;
    for (unsigned i = WINDOW_P; i < s->window_count; i++) {
        Window *w = &s->windows[i];
        if (!(for_slot ? w->slots : w->bounds)) continue;
        bool active = window_active(s, w), lru_active = lru && window_active(s, lru);
        if (!lru || active < lru_active || (active == lru_active && w->used < lru->used)) lru = w;
    }
    return lru;
}

static void slot_unmap(Shadow *s, Slot *sl) /* what was handed out for fetch stays */
{
    for (unsigned i = 0; i < SLOT_PAGES; i++)
        if (sl->entry[i] & SE_MAPPED) sl->entry[i] |= SE_DROP | SE_ALL;
    window_pend(&s->windows[sl->window], slot_page(sl), slot_page(sl) + SLOT_PAGES - 1);
}

/* Give back the host mappings of one slot of the window that was used longest ago; the slot too, if nothing was
 * fetched through it or slots have run out (for_slot). */
void evict_slot(Shadow *s, bool for_slot)
{
    Window *w = window_lru(s, for_slot);
    CHECK(w, "nothing to evict, %u VMAs", s->stats.vmas);
    do w->evict_hand = (w->evict_hand + 1) % SLOT_COUNT;
    while (!w->slot[w->evict_hand] || !(for_slot || s->slots[w->slot[w->evict_hand]].mapped));
    Slot *sl = slot_of(s, w->slot[w->evict_hand]);
    trace(MMU, "evict va %08x of window %u: %u pages", slot_page(sl) << PAGE_BITS, sl->window, sl->mapped);
    if (sl->fetched && !for_slot)
        slot_unmap(s, sl);
    else
        slot_kill(s, sl);
    window_flush(s, w);
    s->stats.evictions++;
}

/* Before a fill, and after downgrades, which split. */
void make_room(Shadow *s)
{
    while (s->stats.vmas + VMA_MARGIN > s->budget) evict_slot(s, false);
}

/* End of every operation: what is current holds no pending downgrade, the VMAs are within the budget, and view says
 * how things are. */
void space_settle(Shadow *s)
{
    Window *current = s->user_ring ? s->u : s->k;
    if (current->pending_count) window_flush(s, current);
    make_room(s);
    s->view.current = current->base;
    s->view.table = window_table(s, current);
    s->view.user_table = window_table(s, s->u);
    s->view.space = s->u->id;
    s->view.shared = s->k->id;
}
