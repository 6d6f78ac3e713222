/* site.c - instructions whose memory access trapped, and the form in which they are translated now.
 *
 * Every instruction starts innocent: its operand goes straight to the window. One that traps (user page from ring 0,
 * device, page table, code page, ROM) costs 10,000 cycles a time, so it is retranslated after its first or second trap:
 * to the user window, or to a callout that does the access in C. When the callout has found nothing but plain memory
 * 1,024 times in a row, the site is forgiven and goes back to the window (twice as patiently each time); one that sees
 * both user and supervisor pages is not. A direct-mapped table by physical address remembers, through flushes of
 * the cache; a collision forgets a site, which then has to trap again.
 *
 * An instruction that small stores change over and over (a patched immediate) would have its block translated anew each
 * time. After the fourth its bytes are no part of the block any more: it becomes a callout that fetches and decodes,
 * until it has not changed 4,096 times in a row.
 */
#include "translator/xlat.h"

enum { FORGIVE_SHIFT_MAX = 10 };
#define FORGIVE_FIRST 1024u

static struct Site *site_slot(const Xlat *x, u32 pa) { return &x->sites[(pa ^ pa >> 14) & (SITE_HASH - 1)]; }

/* The entry of pa, made if need be. */
static struct Site *site_get(Xlat *x, u32 pa)
{
    struct Site *s = site_slot(x, pa);
    if (s->pa != pa) *s = (struct Site){.pa = pa};
    x->pages[pa >> PAGE_BITS].sites |= 1ull << (pa / CODE_GRANULE % 64);
    return s;
}

/* Code that keeps changing: after this many stores of up to 4 bytes the instruction is fetched each time. */
enum { PATCHES_MAX = 4 };

SiteForm site_form_noted(const Xlat *x, u32 pa)
{
    const struct Site *s = site_slot(x, pa);
    return s->pa == pa ? (SiteForm)s->form : SITE_WINDOW;
}

static SiteForm form_after(const struct Site *s, const Trap *t)
{
    if (s->form == SITE_PATCHED) return SITE_PATCHED;
    if (t->result == SHADOW_WRAP && s->form == SITE_WINDOW) return SITE_WRAP;
    if (t->result == SHADOW_USER) return SITE_USER;
    if (t->code && s->form <= SITE_WRAP) return SITE_TABLE;
    return s->traps >= 2 ? SITE_CALLOUT : (SiteForm)s->form;
}

/* Several blocks may hold the instruction, translated before it changed its form: each learns it when it traps. */
bool site_trapped(Xlat *x, const Block *b, u32 pa)
{
    if (x->trap.result == SHADOW_STRADDLE) return false;
    struct Site *s = site_get(x, pa);
    if (s->form != SITE_WINDOW && b->sites < s->changed) return true;
    if (!s->traps) s->trapped_ms = xlat_age_ms(x);
    if (s->traps < 2) s->traps++;
    s->reason = (u8)x->trap.result;
    s->code = x->trap.code;
    s->va = x->trap.va;
    SiteForm form = form_after(s, &x->trap);
    if (form == (SiteForm)s->form) return false;
    s->form = (u8)form;
    s->turned_ms = xlat_age_ms(x);
    s->changed = ++x->site_changes;
    return true;
}

u32 site_patience(Xlat *x, u32 pa)
{
    const struct Site *s = site_slot(x, pa);
    return s->pa == pa ? FORGIVE_FIRST << s->forgiven : UINT32_MAX;
}

void site_patched(Xlat *x, u32 pa)
{
    struct Site *s = site_get(x, pa);
    if (++s->patches < PATCHES_MAX) return;
    s->form = SITE_PATCHED;
    s->turned_ms = xlat_age_ms(x);
    s->changed = ++x->site_changes;
}

/* Without paging, what trapped looks first whether its bytes are open (open.c). */
bool site_choose_noted(const Tx *t, MemForm *form)
{
    bool table = t->b->table;
    SiteForm site = site_form(t->x, t->pa);
    if (unlikely(t->x->open_always) && t->m.unpaged && site == SITE_WINDOW) site = SITE_CALLOUT;
    switch (site) {
    case SITE_WRAP: *form = table ? MEM_TABLE : MEM_WRAP; break;
    case SITE_TABLE: *form = t->m.unpaged ? MEM_OPEN : MEM_TABLE; break;
    case SITE_USER: *form = t->m.user ? MEM_TABLE : MEM_USER; break;
    case SITE_CALLOUT: *form = MEM_OPEN; return t->m.unpaged && t->e.open;
    default: *form = table ? MEM_TABLE : MEM_WINDOW; break;
    }
    return true;
}

bool site_mem_form(Tx *t, MemForm *form)
{
    bool direct = site_choose_form(t, form);
    t->how = (u16)((t->how & ~HOW_FORM) | *form | HOW_MEM);
    return direct;
}

const struct Site *site_find(const Xlat *x, u32 pa)
{
    const struct Site *s = &x->sites[(pa ^ pa >> 14) & (SITE_HASH - 1)];
    return s->pa == pa && (s->traps || s->form || s->forgiven) ? s : NULL;
}

void site_forgive(Xlat *x, u32 pa)
{
    struct Site *s = site_slot(x, pa);
    if (s->pa != pa) return;
    s->form = SITE_WINDOW;
    s->turned_ms = xlat_age_ms(x);
    s->traps = s->patches = 0;
    if (s->forgiven < FORGIVE_SHIFT_MAX) s->forgiven++;
}
