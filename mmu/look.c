/* look.c - what the windows show, for people who look: see "For people" in shadow.h. Nothing is changed. */
#include "mmu/shadow_parts.h"

static u16 page_is(const Shadow *s, const Window *w, u32 entry)
{
    u8 watch = s->phys->watch[entry >> PAGE_BITS];
    u16 is = 0;
    if (entry & SE_R) is |= PAGE_IS_MAPPED;
    if (entry & SE_W) is |= PAGE_IS_WRITABLE;
    if (entry & SE_N) is |= PAGE_IS_HIDDEN;
    if (entry & SE_T) is |= PAGE_IS_TABLED;
    if (entry & (SE_TW | SE_TC)) is |= PAGE_IS_TABLE_WRITABLE;
    if (entry & SE_FETCH) is |= PAGE_IS_FETCHED;
    if (watch & WATCH_CODE) is |= PAGE_IS_CODE;
    if (watch & WATCH_PT) is |= PAGE_IS_PAGE_TABLE;
    if (w == s->u) is |= PAGE_IS_USER;
    return is;
}

static void count(ShadowPart *p, u16 is)
{
    p->mapped += (is & PAGE_IS_MAPPED) != 0;
    p->writable += (is & PAGE_IS_WRITABLE) != 0;
    p->hidden += (is & PAGE_IS_HIDDEN) != 0;
    p->tabled += (is & PAGE_IS_TABLED) != 0;
    p->code += (is & PAGE_IS_CODE) != 0;
    p->tables += (is & PAGE_IS_PAGE_TABLE) != 0;
}

static void look_at_slot(const Shadow *s, const Window *w, const Slot *sl, ShadowPart *p)
{
    for (unsigned i = slot_first(sl); i < slot_end(sl); i++)
        if (sl->entry[i]) count(p, page_is(s, w, sl->entry[i]));
}

/* Slots of 4 MiB are in their window twice. */
static void look_at_window(const Shadow *s, const Window *w, ShadowPart parts[SHADOW_PARTS])
{
    for (u32 index = 0; index < SLOT_COUNT; index++) {
        u16 id = w->slot[index];
        if (!id || s->slots[id].dead || s->slots[id].index != index) continue;
        look_at_slot(s, w, &s->slots[id], &parts[index / 2]);
    }
}

void shadow_parts(const Shadow *s, ShadowPart parts[SHADOW_PARTS])
{
    memset(parts, 0, SHADOW_PARTS * sizeof *parts);
    look_at_window(s, s->u, parts);
    if (s->k != s->u) look_at_window(s, s->k, parts);
}

static void look_at_pages(const Shadow *s, const Window *w, u32 va, ShadowPage pages[SHADOW_PART_PAGES])
{
    for (u32 n = 0; n < SHADOW_PART_PAGES; n++) {
        const Slot *sl = slot_alive(s, w, va + (n << PAGE_BITS));
        u32 entry = sl ? sl->entry[n] : 0;
        if (entry) pages[n] = (ShadowPage){entry >> PAGE_BITS, page_is(s, w, entry)};
    }
}

void shadow_pages(const Shadow *s, u32 va, ShadowPage pages[SHADOW_PART_PAGES])
{
    va &= ~(u32)(SHADOW_PART_PAGES * PAGE_BYTES - 1);
    memset(pages, 0, SHADOW_PART_PAGES * sizeof *pages);
    look_at_pages(s, s->k, va, pages);
    if (s->k != s->u) look_at_pages(s, s->u, va, pages);
}
