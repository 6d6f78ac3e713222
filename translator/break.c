/* break.c - breakpoints of a debugger outside, in translated code (cpu/breakpoint.h).
 *
 * A breakpoint is a linear address, a block belongs to a physical one. What leads from one to the other is
 * block_get() in exec.c: no code runs at a linear address before it was looked up there, for the present mapping and
 * context. So a *linear* page that holds a breakpoint is armed, and when a lookup finds out which *physical* page
 * lies there, that is marked: its blocks die, and new ones leave to the dispatcher in front of an instruction at a
 * breakpoint's offset in the page, where break_hit() compares the linear address. All other pages run as ever. Where
 * a breakpoint is physical its page is marked at once.
 *
 * Watchpoints: a linear page that holds one is shown by no window and no table (shadow_hide), so that every access is
 * made in C, which looks (break_data()); code in it is interpreted.
 *
 * Where a hook waits for a return (BREAK_OWNER_RETURN) the page is armed as well, but its present physical page is marked
 * at once (break_expected), each time it waits, so that nothing needs to be forgotten.
 *
 * Arming a page forgets all blocks, since what was looked up before is not known any more. It stays armed when its
 * breakpoints go: a debugger takes them away at each stop and sets them again.
 */
#include "cpu/breakpoint.h"
#include "translator/xlat.h"

static bool is_armed(const Xlat *x, u32 page)
{
    for (unsigned n = 0; n < x->breaks.armed; n++)
        if (x->breaks.page[n] == page) return true;
    return false;
}

/* The blocks of a marked page die; those that only end in it have no instruction that starts there. */
static void kill_blocks(Xlat *x, u32 pfn)
{
    CodePage *p = &x->pages[pfn];
    while (p->blocks) block_kill(x, p->blocks);
}

static void forget_marks(Xlat *x)
{
    for (unsigned n = 0; n < x->breaks.marked; n++) x->pages[x->breaks.pfn[n]].has_breaks = false;
    x->breaks.marked = 0;
}

/* True: some page of `b` was not armed before, and what was looked up in it must be forgotten. */
static bool arm_pages(Xlat *x, const Breakpoints *b)
{
    bool fresh = false;
    for (unsigned n = 0; n < b->known_count; n++) {
        u32 page = b->known[n].va >> PAGE_BITS;
        if (b->known[n].kind != BREAK_EXEC || is_armed(x, page)) continue;
        fresh |= b->known[n].owner != BREAK_OWNER_RETURN;
        if (x->breaks.armed == ARMED_PAGES) return true;
        x->breaks.page[x->breaks.armed++] = page;
    }
    return fresh;
}

static void mark_physical(Xlat *x);

static void mark(Xlat *x, u32 pfn)
{
    if (x->pages[pfn].has_breaks) return;
    if (x->breaks.marked == MARKED_PAGES) { /* the pages change beneath the breakpoints: begin anew */
        forget_marks(x);
        block_flush_all(x);
        mark_physical(x);
    }
    kill_blocks(x, pfn);
    x->pages[pfn].has_breaks = true;
    x->breaks.pfn[x->breaks.marked++] = pfn;
}

/* Those that need no look-up. */
static void mark_physical(Xlat *x)
{
    const Breakpoints *b = x->breaks.set;
    for (unsigned n = 0; n < b->known_count; n++)
        if (b->known[n].kind == BREAK_PHYSICAL) mark(x, b->known[n].va >> PAGE_BITS);
}

/* --- watchpoints --- */

bool break_watches(const Xlat *x, u32 page) { return x->watched[page / 32] >> page % 32 & 1; }

/* The pages of b's watchpoints get their bits. True: some had none. */
static bool watch_pages(Xlat *x, const Breakpoints *b)
{
    bool fresh = false;
    for (unsigned n = 0; n < b->known_count; n++) {
        const Breakpoint *p = &b->known[n];
        if (!break_is_data(p->kind)) continue;
        u32 first = p->va >> PAGE_BITS, pages = ((p->va & PAGE_MASK) + p->bytes - 1) >> PAGE_BITS;
        for (u32 k = 0; k <= pages; k++) {
            u32 page = (first + k) & 0xfffff;
            fresh |= !break_watches(x, page);
            x->watched[page / 32] |= BIT(page % 32);
        }
    }
    return fresh;
}

/* Pages are shown again only when no watchpoint is left: a debugger takes single ones away and sets them again. */
static void watches_changed(Xlat *x, const Vcpu *c)
{
    if (c->watching && watch_pages(x, c->breaks)) {
        x->any_watched = true;
        open_shut_all(x);
        shadow_hide(x->shadow, x->watched);
    } else if (!c->watching && x->any_watched) {
        x->any_watched = false;
        memset(x->watched, 0, sizeof x->watched);
        shadow_hide(x->shadow, NULL);
    }
}

/* A callout that stops ends its block, and then sees that it is wanted (callout.c). */
void break_leave(void *ctx) { ((Xlat *)ctx)->killed = true; }

void break_changed(void *ctx, Vcpu *c)
{
    Xlat *x = ctx;
    x->breaks.set = c->breaks;
    watches_changed(x, c);
    if (arm_pages(x, c->breaks)) {
        if (x->breaks.armed == ARMED_PAGES) {
            x->breaks.armed = 0;
            arm_pages(x, c->breaks);
        }
        forget_marks(x);
        block_flush_all(x);
    } else {
        for (unsigned n = 0; n < x->breaks.marked; n++) kill_blocks(x, x->breaks.pfn[n]);
    }
    mark_physical(x);
}

void break_mark(Xlat *x, u32 va, u32 pa)
{
    if (is_armed(x, va >> PAGE_BITS)) mark(x, pa >> PAGE_BITS);
}

void break_expected(void *ctx, Vcpu *c, u32 va)
{
    Xlat *x = ctx;
    u32 pa;
    if (!lin_peek(c, va, &pa)) return;
    pa &= x->phys->a20_mask;
    if (phys_hp(x->phys, pa)) mark(x, pa >> PAGE_BITS);
}

bool break_is_at(const Xlat *x, u32 pa)
{
    const Breakpoints *b = x->breaks.set;
    for (unsigned n = 0; n < b->known_count; n++)
        if (!break_is_data(b->known[n].kind) && !((b->known[n].va ^ pa) & PAGE_MASK)) return true;
    return false;
}
