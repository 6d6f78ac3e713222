/* open.c - programs that keep code and variables together.
 *
 * Pages with blocks are watched, so a store beside the code traps. Without paging the instruction that trapped is given
 * another form (MEM_OPEN): it looks its bytes up in a table, and if all of them are *open* it stores straight into
 * guest RAM (the linear address is the physical one). If not, its callout stores, and who watches hears of it. So
 * the watch stays as exact as it was, to the byte, while what lies beside code costs two nanoseconds.
 *
 *   open[pa] = 1   RAM at its own place, watched for nothing but code, and no block depends on this byte
 *           = 0    anything else; the table covers 4 GiB, of which only what is open takes memory: at most OPENED_MAX
 *                  pages
 *
 * Pages are opened by the first store that finds them shut, and shut again when they stop being plain RAM: kinds change
 * (shadowing, VGA), A20 moves, the page becomes a page table.
 *
 * Under paging the gates of the table form look at the same bytes (glue.S, TABLE_CODE), by physical address as well.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "cpu/base/host.h"
#include "translator/callout.h"

bool open_init(Xlat *x)
{
    x->open = host_table_map(OPEN_BYTES);
    if (!x->open) return false;
    madvise(x->open, OPEN_BYTES, MADV_NOHUGEPAGE);
    x->c->code_map = (const u8 *)((uintptr_t)x->open - (uintptr_t)x->phys->ram);
    return true;
}

void open_fini(Xlat *x) { host_table_unmap(x->open, OPEN_BYTES); }

static bool is_open(const Xlat *x, u32 pfn) { return x->open_pages[pfn / 32] >> pfn % 32 & 1; }

/* --- code ------------------------------------------------------------------------------------------------ */

/* The part of [pa, pa + bytes) in page pfn becomes `v`. */
static void set_range(Xlat *x, u32 pfn, u32 pa, u32 bytes, u8 v)
{
    u32 from = pfn << PAGE_BITS, to = from + PAGE_BYTES;
    if (pa > from) from = pa;
    if (pa + bytes < to) to = pa + bytes;
    if (from < to) memset(x->open + from, v, to - from);
}

static void shut_code(Xlat *x, u32 pfn, const Block *b)
{
    if (b->pa2 >> PAGE_BITS == pfn && b->pa2) {
        set_range(x, pfn, b->pa2, b->bytes - (PAGE_BYTES - (b->pa & PAGE_MASK)), 0);
        return;
    }
    for (u32 n = 0; n < b->insns; n++) {
        u32 end = n + 1u < b->insns ? b->map[n + 1].guest : b->bytes;
        if (!b->map[n].patched) set_range(x, pfn, b->pa + b->map[n].guest, end - b->map[n].guest, 0);
    }
}

static void shut_all_code(Xlat *x, u32 pfn, u32 pa, u32 bytes)
{
    const CodePage *p = &x->pages[pfn];
    for (const Block *b = p->blocks; b; b = b->page_next)
        if (b->pa < pa + bytes && pa < b->pa + b->bytes) shut_code(x, pfn, b);
    for (const Block *b = p->tails; b; b = b->tail_next) shut_code(x, pfn, b);
}

static void code_changed(Xlat *x, u32 pfn, const Block *b, bool live)
{
    if (!is_open(x, pfn)) return;
    if (live) {
        shut_code(x, pfn, b);
        return;
    }
    u32 pa = pfn == b->pa >> PAGE_BITS ? b->pa : b->pa2;
    set_range(x, pfn, pa, b->bytes, 1);
    shut_all_code(x, pfn, pa, b->bytes);
}

void open_code(Xlat *x, const Block *b, bool live)
{
    code_changed(x, b->pa >> PAGE_BITS, b, live);
    if (b->pa2) code_changed(x, b->pa2 >> PAGE_BITS, b, live);
}

/* --- pages ----------------------------------------------------------------------------------------------- */

bool open_words(const Xlat *x, u32 pa)
{
    return (pa & PAGE_MASK) + 4 <= PAGE_BYTES && load32(x->open + pa) == 0x01010101;
}

bool open_page(Xlat *x, u32 pfn)
{
    const Phys *p = x->phys;
    if (is_open(x, pfn)) return true;
    if (p->pages[pfn].kind != PAGE_RAM || p->pages[pfn].offset_page != pfn || p->watch[pfn] & ~WATCH_CODE)
        return false;
    if (unlikely(x->any_watched) && break_watches(x, pfn)) return false; /* without paging it is that page */
    if ((pfn << PAGE_BITS & p->a20_mask) != pfn << PAGE_BITS) return false;
    if (x->opened == OPENED_MAX) open_shut_all(x);
    x->open_pages[pfn / 32] |= BIT(pfn % 32);
    x->opened++;
    set_range(x, pfn, pfn << PAGE_BITS, PAGE_BYTES, 1);
    shut_all_code(x, pfn, pfn << PAGE_BITS, PAGE_BYTES);
    return true;
}

void open_shut_page(Xlat *x, u32 pfn)
{
    if (!is_open(x, pfn)) return;
    x->open_pages[pfn / 32] &= ~BIT(pfn % 32);
    x->opened--;
    set_range(x, pfn, pfn << PAGE_BITS, PAGE_BYTES, 0);
}

void open_shut_all(Xlat *x)
{
    for (u32 word = 0; x->opened && word < ARRAY_LEN(x->open_pages); word++)
        for (u32 bits = x->open_pages[word]; bits; bits &= bits - 1)
            open_shut_page(x, word * 32 + (u32)__builtin_ctz(bits));
}

/* --- the slow way ---------------------------------------------------------------------------------------- */

struct OpenCallout {
    Callout call;
    CalloutFn *then;
    Block *b;
    u32 pa, innocent, patience;
};

/* The address is in scratch[0]. A site that sees nothing but plain RAM that cannot be opened (video memory mapped as
 * RAM) goes back to the window. */
static u64 callout_open(Vcpu *c, void *arg)
{
    struct OpenCallout *a = arg;
    Xlat *x = a->call.x;
    u32 pa = (u32)c->scratch[0];
    open_page(x, pa >> PAGE_BITS);
    open_page(x, (pa + 3) >> PAGE_BITS);
    u64 slow = c->phys->slow, answer = a->then(c, &a->call);
    bool plain = c->phys->slow == slow && !is_open(x, pa >> PAGE_BITS);
    a->innocent = plain ? a->innocent + 1 : 0;
    if (likely(a->innocent < a->patience) || a->b->dead) return answer;
    site_forgive(x, a->pa);
    block_kill(x, a->b);
    return answer ? answer : EXIT_DISPATCH;
}

void open_emit_after(Tx *t, const Insn *i)
{
    struct OpenCallout *a = cache_meta(&t->x->cache, sizeof *a);
    CHECK(!t->ended || t->behind, "nothing to come back to");
    *a = (struct OpenCallout){.call = {.insn = *i, .x = t->x},
                              .then = callout_for(i),
                              .b = t->b,
                              .pa = t->pa,
                              .patience = site_patience(t->x, t->pa)};
    flow_shut_tail(t, a);
}

void open_emit_tail(Tx *t, const struct Tail *l)
{
    emit_patch32(l->hole, t->e.at);
    if (l->hole2) emit_patch32(l->hole2, t->e.at);
    emit_mov_mr64(&t->e, R15, VCPU_SCRATCH, R8);
    t->eip = l->eip;
    callout_emit_call(t, callout_open, l->call);
    emit_patch32(emit_jmp_hole(&t->e), l->back);
}
