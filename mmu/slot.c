/* slot.c - shadow entries: what the guest's tables want of them, and the back map from physical pages.
 *
 * Everything that may change an entry asks slot_want(), which reads the guest's tables as they are now and says
 * the most that the host may map. A fill maps that; a write to a table, a new watch or a remap rechecks the
 * entries concerned against it. So coherence needs no copy of the guest's entries, and it does not matter how
 * often or in which order a change is reported.
 *
 * An entry handed out for instruction fetch (SE_X) takes part in the same rules although nothing need be mapped
 * for it; when it ends, the window gets a new id, at once. The hook hears of it too, unless the window is the U of
 * an address space that is not active: there the id says all.
 */
#include "mmu/shadow_parts.h"

enum { LARGE_ADDRESS = 0xffc00000 };
/* Address and reserved bits of a directory entry that is a page, and of one that leads to a table. */
#define LARGE_FIXED (~0x1fffull)
#define TABLE_FIXED (~0xfffull)

/* --- what the guest's tables allow ----------------------------------------------------------------------- */

static u32 page_want(const Shadow *s, u32 pa, bool writable)
{
    u32 pfn = (pa & s->phys->a20_mask) >> PAGE_BITS;
    u8 kind = s->phys->pages[pfn].kind;
    if (kind == PAGE_NONE) return 0;
    if (kind == PAGE_ROM || s->phys->watch[pfn]) writable = false;
    return pfn << PAGE_BITS | SE_R | (writable ? SE_W : 0);
}

static u64 guest_entry_pae(const Shadow *s, const Slot *sl, unsigned i)
{
    i %= HALF_PAGES;
    if (sl->pt_pfn == NO_PT) return (sl->pde & ~(u64)(PAE_2M_MASK - PAGE_MASK)) | i << PAGE_BITS;
    return load64(phys_hp(s->phys, sl->pt_pfn << PAGE_BITS) + 8 * i);
}

/* What the guest's tables say of page i: the page table's entry, or of a large page one like it. Not for window P. */
static u64 guest_entry(const Shadow *s, const Slot *sl, unsigned i)
{
    if (s->pg.pae) return guest_entry_pae(s, sl, i);
    if (sl->pt_pfn == NO_PT) return (sl->pde & LARGE_ADDRESS) | i << PAGE_BITS | (sl->pde & 0xfff);
    return load32(phys_hp(s->phys, sl->pt_pfn << PAGE_BITS) + 4 * i);
}

static bool entry_writable(const Slot *sl, u64 pte)
{
    return (pte & PTE_D) && ((pte & sl->pde & PTE_W) || (sl->window >= WINDOW_K0 && sl->window < WINDOW_K1));
}

/* The entry that page i of the slot may have at most: pfn, SE_R, SE_W; 0 for none. Without its A bit a page has
 * none, without D it is not writable. With PAE, reserved bits fault, and there is no memory above 4 GiB. */
u32 slot_want(const Shadow *s, const Slot *sl, unsigned i)
{
    if (unlikely(s->hidden) && page_hidden(s, slot_page(sl) + i)) return 0;
    if (sl->window == WINDOW_P) return page_want(s, (slot_page(sl) + i) << PAGE_BITS, true);
    u64 pte = guest_entry(s, sl, i);
    bool user = pte & sl->pde & PTE_U;
    if (!(pte & PTE_P) || !(pte & PTE_A) || user != (sl->window >= WINDOW_U)) return 0;
    if ((s->pg.nx ? pte & ~PTE_NX : pte) >> 32) return 0;
    return page_want(s, (u32)pte, entry_writable(sl, pte));
}

/* May the guest write page i, whoever watches it? */
bool slot_guest_writes(const Shadow *s, const Slot *sl, unsigned i)
{
    return sl->window == WINDOW_P || entry_writable(sl, guest_entry(s, sl, i));
}

bool slot_guest_executes(const Shadow *s, const Slot *sl, unsigned i)
{
    return !s->pg.nx || sl->window == WINDOW_P || !((guest_entry(s, sl, i) | sl->pde) & PTE_NX);
}

/* Would a slot made from `pde` have the same rights and the same source, with the A and D bits it relies on? */
bool pde_agrees(const Shadow *s, const Slot *sl, u64 pde)
{
    bool large = sl->pt_pfn == NO_PT;
    u64 fixed =
        PTE_P | PTE_W | PTE_U | (s->pg.pse || s->pg.pae ? PTE_PS : 0) | (large ? LARGE_FIXED : TABLE_FIXED);
    if ((pde ^ sl->pde) & fixed) return false;
    return (pde & PTE_A) && !(large && (sl->pde & PTE_D) && !(pde & PTE_D));
}

/* --- the back map ---------------------------------------------------------------------------------------- */

static void entry_link(Shadow *s, Slot *sl, unsigned i)
{
    u32 ref = (u32)(sl - s->slots) * SLOT_PAGES + i, *head = &s->backmap[sl->entry[i] >> PAGE_BITS];
    sl->next[i] = *head;
    sl->prev[i] = 0;
    if (*head) slot_of(s, *head / SLOT_PAGES)->prev[*head % SLOT_PAGES] = ref;
    *head = ref;
}

static void entry_unlink(Shadow *s, Slot *sl, unsigned i)
{
    u32 next = sl->next[i], prev = sl->prev[i];
    if (next) slot_of(s, next / SLOT_PAGES)->prev[next % SLOT_PAGES] = prev;
    if (prev)
        slot_of(s, prev / SLOT_PAGES)->next[prev % SLOT_PAGES] = next;
    else
        s->backmap[sl->entry[i] >> PAGE_BITS] = next;
}

void entry_set(Shadow *s, Slot *sl, unsigned i, u32 entry)
{
    u32 old = sl->entry[i];
    bool stays = old && entry && (old ^ entry) >> PAGE_BITS == 0;
    if (old && !stays) entry_unlink(s, sl, i);
    sl->entry[i] = entry;
    if (entry && !stays) entry_link(s, sl, i);
    sl->mapped = (u16)(sl->mapped + !!(entry & SE_MAPPED) - !!(old & SE_MAPPED));
    sl->fetched = (u16)(sl->fetched + !!(entry & SE_FETCH) - !!(old & SE_FETCH));
    sl->tabled = (u16)(sl->tabled + !!(entry & SE_T) - !!(old & SE_T));
}

/* --- taking away ----------------------------------------------------------------------------------------- */

static void fetch_gone(Shadow *s, const Slot *sl, unsigned i, u32 old)
{
    Window *w = &s->windows[sl->window];
    u32 va = (slot_page(sl) + i) << PAGE_BITS;
    bool shared = sl->window < WINDOW_U;
    w->id = s->next_id++;
    if (!(shared || window_active(s, w)) || !s->hooks.fetch_dropped) return;
    if ((old & SE_XS) || shared) s->hooks.fetch_dropped(s->hooks.ctx, va, false, shared);
    if ((old & SE_X) && (!shared || sl->window == WINDOW_P))
        s->hooks.fetch_dropped(s->hooks.ctx, va, true, shared);
}

static void entry_lose(Shadow *s, Slot *sl, unsigned i, u32 how)
{
    u32 old = sl->entry[i], page = slot_page(sl) + i;
    if (!old) return;
    if (!(old & SE_MAPPED)) how = 0;
    entry_set(s, sl, i, old & SE_MAPPED ? (old & ~(u32)(SE_FETCH | SE_TABLE)) | how : 0);
    if (old & SE_T) table_follow(s, sl, i);
    if (how && !(old & SE_DROP)) window_pend(&s->windows[sl->window], page, page);
    if ((old & SE_R) && !(old & SE_DROP)) {
        s->stats.drops++;
        sl->drops++;
    }
    if (old & SE_FETCH) fetch_gone(s, sl, i, old);
}

/* No access through the entry: what is hidden may stay. */
void entry_drop(Shadow *s, Slot *sl, unsigned i) { entry_lose(s, sl, i, sl->entry[i] & SE_R ? SE_DROP : 0); }

/* And no mapping. */
void entry_unmap(Shadow *s, Slot *sl, unsigned i) { entry_lose(s, sl, i, SE_DROP | SE_ALL); }

/* It may be read and written as before, but not fetched from. */
static void entry_unfetch(Shadow *s, Slot *sl, unsigned i)
{
    u32 old = sl->entry[i];
    entry_set(s, sl, i, old & (SE_MAPPED | SE_T) ? old & ~(u32)SE_FETCH : 0);
    fetch_gone(s, sl, i, old);
}

/* What the table has of an entry that stays. */
static void table_recheck(Shadow *s, Slot *sl, unsigned i, u32 want)
{
    u32 e = sl->entry[i], gone = want & SE_W ? 0 : SE_TW;
    if ((e & SE_TC) && !slot_guest_writes(s, sl, i)) gone |= SE_TC;
    if (!(e & gone)) return;
    sl->entry[i] = e & ~gone;
    table_follow(s, sl, i);
}

void entry_recheck(Shadow *s, Slot *sl, unsigned i)
{
    u32 e = sl->entry[i], page = slot_page(sl) + i;
    if (!e) return;
    u32 want = slot_want(s, sl, i);
    if (!want || (want ^ e) >> PAGE_BITS) {
        entry_drop(s, sl, i);
        return;
    }
    if ((e & SE_FETCH) && !slot_guest_executes(s, sl, i)) entry_unfetch(s, sl, i);
    if (e & SE_T) table_recheck(s, sl, i, want);
    if ((e & SE_W) && !(want & SE_W) && !(e & (SE_RO | SE_DROP))) {
        sl->entry[i] |= SE_RO;
        window_pend(&s->windows[sl->window], page, page);
        s->stats.downgrades++;
    }
}

/* --- slots ----------------------------------------------------------------------------------------------- */

static Slot *slot_alloc(Shadow *s)
{
    while (!s->free_count && s->slot_count == SLOTS_MAX) evict_slot(s, true);
    return slot_of(s, s->free_count ? s->free_slots[--s->free_count] : s->slot_count++);
}

static void pt_attach(Shadow *s, Slot *sl, u32 pt_pfn)
{
    u32 id = (u32)(sl - s->slots), first;
    sl->pt_pfn = pt_pfn;
    if (pt_pfn == NO_PT) return;
    first = s->pt_slots[pt_pfn];
    sl->pt_next = first;
    sl->pt_prev = 0;
    if (first) slot_of(s, first)->pt_prev = id;
    s->pt_slots[pt_pfn] = (u16)id;
    trace_watch(s, pt_pfn, WATCH_PT);
}

static void pt_detach(Shadow *s, Slot *sl)
{
    if (sl->pt_pfn == NO_PT) return;
    if (sl->pt_next) slot_of(s, sl->pt_next)->pt_prev = sl->pt_prev;
    if (sl->pt_prev)
        slot_of(s, sl->pt_prev)->pt_next = sl->pt_next;
    else
        s->pt_slots[sl->pt_pfn] = (u16)sl->pt_next;
}

/* K is another than the address spaces have agreed with: of the active one we know, of others not. */
static void shared_changed(Shadow *s, Window *k)
{
    u32 *agreed = agreed_with(s, s->u, k);
    bool all = *agreed == k->stamp;
    stamp_next(s, k);
    if (all) *agreed = k->stamp;
}

/* The directory entry that the slot stands on has become `pde`, which agrees with it. A page of K whose D bit is set
 * now may be written in this address space, but not in others whose entries have none. */
void slot_follow_pde(Shadow *s, Slot *sl, u64 pde)
{
    Window *w = &s->windows[sl->window];
    bool relies_on_d = sl->pt_pfn == NO_PT && pde & ~sl->pde & PTE_D;
    sl->pde = pde;
    if (relies_on_d && w == s->k && s->pg.on) shared_changed(s, w);
}

/* The slot of a window for the directory entry of va, made if need be. Making it may watch the page table, and so leave
 * pending downgrades in this very window. */
Slot *slot_get(Shadow *s, Window *w, u32 va, u64 pde, u32 pt_pfn)
{
    bool half = s->pg.pae && w != &s->windows[WINDOW_P];
    u32 index = half ? va >> HALF_SHIFT : va >> HALF_SHIFT & ~1u;
    Slot *sl = slot_of(s, w->slot[index]);
    if (w->slot[index]) {
        if (!sl->dead && sl->pt_pfn == pt_pfn && (sl->window == WINDOW_P || pde_agrees(s, sl, pde))) {
            slot_follow_pde(s, sl, pde);
            return sl;
        }
        if (!sl->dead) slot_kill(s, sl);
        window_flush(s, w);
    }
    sl = slot_alloc(s);
    sl->window = (u16)window_number(s, w);
    sl->index = (u16)index;
    sl->pages = half ? HALF_PAGES : SLOT_PAGES;
    sl->pde = pde;
    sl->drops = sl->filled = 0;
    sl->run = RUN_MAX;
    sl->dead = false;
    w->slot[index] = (u16)(sl - s->slots);
    if (!half) w->slot[index + 1] = w->slot[index];
    w->live[index / 64] |= 1ull << index % 64;
    w->slots++;
    if (w == s->k && s->pg.on) shared_changed(s, w);
    pt_attach(s, sl, pt_pfn);
    return sl;
}

/* The directory entry behind the slot is gone: everything in it is to be dropped, and the slot with it. */
void slot_kill(Shadow *s, Slot *sl)
{
    if (sl->dead) return;
    for (unsigned i = slot_first(sl); i < slot_end(sl) && (sl->mapped || sl->fetched || sl->tabled); i++)
        entry_unmap(s, sl, i);
    pt_detach(s, sl);
    sl->dead = true;
    s->windows[sl->window].dead++;
    s->stats.slots_dropped++;
}

void slot_free(Shadow *s, Slot *sl)
{
    Window *w = &s->windows[sl->window];
    CHECK(!sl->mapped && !sl->fetched && !sl->tabled, "freeing a slot with %u pages", sl->mapped);
    w->slot[sl->index] = 0;
    if (sl->pages == SLOT_PAGES) w->slot[sl->index + 1] = 0;
    w->live[sl->index / 64] &= ~(1ull << sl->index % 64);
    w->slots--;
    w->dead--;
    s->free_slots[s->free_count++] = (u16)(sl - s->slots);
}
