/* space.c - which windows are in use: address spaces, their agreement with K, and eviction.
 *
 * An address space is a page directory, with PAE four of them (the same one may be a part of many). Its U window
 * stays, with all that is mapped in it, when another directory is loaded; the directory and the tables behind its
 * live slots stay traced. When it is left (or its directory is written) with no slots in it, the process is gone and
 * the window is free for the next one.
 *
 * K is shared. When a directory becomes active, every slot of K must agree with its entry there: the ones that do not
 * are dropped. (NT's self-map and hyperspace differ always: they are refilled after each switch, but their tables stay
 * traced.) That goes for K0 and for K1, whichever CR0.WP selects: links between shared pages (translator/block.c) rely
 * on what was handed out for fetches, and do not know of which of the two. Stamps make the comparison rare: it is
 * repeated only if K got a slot, or the directory was written, since it last agreed.
 *
 * A kernel that hides itself from user code (Linux's page-table isolation, with PAE) has two sets of directories for a
 * process, and changes CR3 at each entry and exit. Nearly all slots of K differ between the two, so K exists twice, as
 * two *views*: an address space with PAE goes with the one that it agrees with. Translated code is kept apart by
 * view (ShadowView.kernel), since its links rely on pages of K being mapped alike.
 *
 * Not implemented: parking of K slots that differ; recognising a directory by its contents (Windows 9x switches
 * by rewriting entries of one directory, and so drops and refills slots).
 */
#include "mmu/shadow_parts.h"

#include <string.h>

enum { VMA_MARGIN = 16 };

/* --- directories ----------------------------------------------------------------------------------------- */

static void directories(const Shadow *s, u32 dir[DIRS])
{
    for (unsigned n = 0; n < DIRS; n++) dir[n] = NO_DIR;
    if (!s->pg.pae) dir[0] = (s->pg.cr3 & s->phys->a20_mask) >> PAGE_BITS;
    for (unsigned n = 0; s->pg.pae && n < DIRS; n++) {
        u64 e = s->pg.pdpte[n];
        dir[n] = e & PTE_P ? (pae_page(e) & s->phys->a20_mask) >> PAGE_BITS : NOWHERE_PFN;
    }
}

static void directories_attach(Shadow *s, Window *u, const u32 dir[DIRS])
{
    for (unsigned n = 0; n < DIRS; n++) {
        u->dir[n] = dir[n];
        if (dir[n] == NO_DIR) continue;
        u16 *head = &s->dir_windows[dir[n]], ref = (u16)(window_number(s, u) * DIRS + n);
        u->dir_next[n] = *head;
        u->dir_prev[n] = 0;
        if (*head) dir_window(s, *head)->dir_prev[*head % DIRS] = ref;
        *head = ref;
    }
}

static void directories_detach(Shadow *s, Window *u)
{
    for (unsigned n = 0; n < DIRS; n++) {
        u16 next = u->dir_next[n], prev = u->dir_prev[n];
        if (u->dir[n] == NO_DIR) continue;
        if (next) dir_window(s, next)->dir_prev[next % DIRS] = prev;
        if (prev)
            dir_window(s, prev)->dir_next[prev % DIRS] = next;
        else
            s->dir_windows[u->dir[n]] = next;
    }
}

/* The window of these directories, NULL: none. It is looked for among those with the same first one, of a PAE guest the
 * first that there is: kernels share the last. */
static Window *space_find(const Shadow *s, const u32 dir[DIRS])
{
    unsigned n = 0;
    while (n < DIRS - 1 && dir[n] == NOWHERE_PFN) n++;
    if (dir[n] == NO_DIR) n = 0; /* not PAE, and nowhere */
    for (u16 ref = s->dir_windows[dir[n]]; ref; ref = dir_window(s, ref)->dir_next[ref % DIRS])
        if (!memcmp(dir_window(s, ref)->dir, dir, sizeof dir_window(s, ref)->dir)) return dir_window(s, ref);
    return NULL;
}

/* The directory entry that slots of that index are made from; 0: there is none. */
u64 space_pde(const Shadow *s, const Window *u, unsigned index)
{
    unsigned which = s->pg.pae ? index / HALF_PAGES : 0;
    const u8 *dir = phys_hp(s->phys, u->dir[which] << PAGE_BITS);
    if (!dir) return 0;
    return s->pg.pae ? load64(dir + 8 * (index % HALF_PAGES)) : load32(dir + 4 * (index / 2));
}

/* --- their windows --------------------------------------------------------------------------------------- */

static void window_kill(Shadow *s, Window *w)
{
    for (unsigned i = 0; w->slots > w->dead && i < SLOT_COUNT; i++)
        if (w->slot[i]) slot_kill(s, slot_of(s, w->slot[i]));
    window_flush(s, w);
}

void space_release(Shadow *s, Window *u)
{
    window_kill(s, u);
    directories_detach(s, u);
    u->in_use = false;
    s->stats.windows--;
}

/* Every paged window is emptied: a rule of translation changed (CR4.PSE, PAE, NX, A20). space_select must follow. */
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
    Window *lru = NULL; /* there are two of them at least (windows_reserve) */
    for (unsigned i = WINDOW_U; i < s->window_count; i++) {
        Window *w = &s->windows[i];
        if (!w->in_use) return w;
        if (w != s->u && (!lru || w->used < lru->used)) lru = w;
    }
    if (s->window_count < s->windows_max) return &s->windows[s->window_count++];
    space_release(s, lru);
    return lru;
}

static Window *space_get(Shadow *s)
{
    u32 dir[DIRS];
    directories(s, dir);
    Window *u = space_find(s, dir);
    if (u) return u;
    u = window_free(s);
    directories_attach(s, u, dir);
    u->in_use = true;
    u->id = s->next_id++;
    memset(u->agreed, 0, sizeof u->agreed);
    u->view = 0;
    s->stats.windows++;
    s->stats.cr3_new++;
    return u;
}

/* K got a slot. When stamps begin anew, nobody has agreed with any. */
void stamp_next(Shadow *s, Window *k)
{
    if (++k->stamp) return;
    k->stamp = 1;
    for (unsigned i = WINDOW_U; i < s->window_count; i++)
        memset(s->windows[i].agreed, 0, sizeof s->windows[i].agreed);
}

bool shadow_ids_end(const Shadow *s) { return s->next_id > UINT32_MAX - IDS_LEFT; }

void shadow_renew_ids(Shadow *s)
{
    s->next_id = 1;
    for (unsigned i = 0; i < s->windows_max; i++) s->windows[i].id = s->next_id++;
    space_settle(s);
}

/* How well a K window suits the active directories: below 0 if more than a fifth of its slots would have to go. */
static int window_score(Shadow *s, const Window *k)
{
    int score = 0;
    for (unsigned word = 0; word < ARRAY_LEN(k->live); word++)
        for (u64 live = k->live[word]; live; live &= live - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(live);
            const Slot *sl = slot_of(s, k->slot[i]);
            if (!sl->dead) score += pde_agrees(s, sl, space_pde(s, s->u, i)) ? 1 : -4;
        }
    return score;
}

static int view_score(Shadow *s, unsigned view)
{
    return window_score(s, window_k(s, false, view)) + window_score(s, window_k(s, true, view));
}

static bool window_agreed(const Shadow *s, Window *k) { return *agreed_with(s, s->u, k) == k->stamp; }

static bool view_agreed(const Shadow *s, unsigned view)
{
    return window_agreed(s, window_k(s, false, view)) && window_agreed(s, window_k(s, true, view));
}

/* The view that s->u goes with: the one of the last time, as long as that suits. */
static void view_choose(Shadow *s)
{
    if (!s->pg.pae || view_agreed(s, s->u->view)) return;
    int best = view_score(s, s->u->view);
    for (unsigned v = 0; best < 0 && v < VIEWS; v++) {
        int score = view_score(s, v);
        if (score <= best) continue;
        best = score;
        s->u->view = (u8)v;
    }
}

static void window_agree(Shadow *s, Window *k)
{
    if (window_agreed(s, k)) return;
    for (unsigned word = 0; word < ARRAY_LEN(k->live); word++) {
        for (u64 live = k->live[word]; live; live &= live - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(live);
            Slot *sl = slot_of(s, k->slot[i]);
            if (!pde_agrees(s, sl, space_pde(s, s->u, i))) slot_kill(s, sl);
        }
    }
    *agreed_with(s, s->u, k) = k->stamp;
}

/* Both windows of the view, whichever CR0.WP selects: links were made with either. */
static void shared_agree(Shadow *s)
{
    window_agree(s, window_k(s, false, s->u->view));
    window_agree(s, window_k(s, true, s->u->view));
}

static void directories_watch(Shadow *s)
{
    for (unsigned n = 0; n < DIRS && s->u->dir[n] != NO_DIR; n++)
        if (s->phys->pages[s->u->dir[n]].kind == PAGE_RAM) trace_watch(s, s->u->dir[n], WATCH_PT);
}

/* Choose windows for s->pg. A directory outside RAM gets a window too, in which nothing is ever mapped. */
void space_select(Shadow *s)
{
    Window *old = s->u;
    if (!s->pg.on) {
        s->u = s->k = &s->windows[WINDOW_P];
    } else {
        s->u = space_get(s);
        view_choose(s);
        s->k = window_k(s, s->pg.wp, s->u->view);
        directories_watch(s);
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
    for (unsigned i = slot_first(sl); i < slot_end(sl); i++)
        if (sl->entry[i] & SE_MAPPED) sl->entry[i] |= SE_DROP | SE_ALL;
    window_pend(&s->windows[sl->window], slot_page(sl) + slot_first(sl), slot_page(sl) + slot_end(sl) - 1);
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
    s->view.user_table = s->pg.smap && s->pg.on ? table_empty(s) : window_table(s, s->u);
    s->view.space = s->u->id;
    s->view.shared = s->k->id;
    s->view.kernel = s->u->view;
}
