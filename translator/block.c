/* block.c - translated blocks: found by identity, by physical page and by host address; linked and killed.
 *
 * A block lies within one guest page, or is a single instruction over two. Its identity is (physical address,
 * mode), and the EIP where that is a constant in it (mode_floats() says where not): a library's translations are
 * shared by all address spaces, wherever they map it. Pages with blocks carry WATCH_CODE, so that every write to
 * them is heard of; only blocks that overlap the written bytes die. A dead block's host code stays until its region
 * is emptied, but nothing runs it: links into it go back to their stubs, its start leads to the dispatcher, which
 * is what jump-cache entries then find; host return addresses into it are dropped with the whole return stack.
 */
#include "translator/xlat.h"

static u32 block_hash_of(u32 pa, u32 eip, ModeKey mode)
{
    u32 h = pa * 0x9e3779b1u ^ (eip - pa) ^ mode_mix(mode) * 0x85ebca6bu;
    return (h ^ h >> 16) & (BLOCK_HASH - 1);
}

Block *block_find(Xlat *x, u32 pa, u32 eip, ModeKey mode, bool loop)
{
    Block *b = x->block_hash[block_hash_of(pa, eip, mode)];
    while (b && !block_is(b, pa, eip, mode, loop)) b = b->hash_next;
    return b;
}

/* Bits of the 64-byte granules that [offset, offset + bytes) of a page touches. */
static u64 granule_bits(u32 offset, u32 bytes)
{
    u32 first = offset / 64, last = (offset + bytes - 1) / 64;
    if (last > 63) last = 63;
    return (~0ull >> (63 - (last - first))) << first;
}

/* The number of b's instruction at pa if there is a door, else 0. */
static unsigned door_at(const Block *b, u32 pa)
{
    u32 at = pa - b->pa;
    for (u64 left = b->doors; left; left &= left - 1) {
        unsigned n = (unsigned)__builtin_ctzll(left);
        if (b->map[n].guest >= at) return b->map[n].guest == at ? n : 0;
    }
    return 0;
}

Block *block_with_door(Xlat *x, u32 pa, u32 eip, unsigned *door)
{
    enum { LOOKS = 32 };
    const CodePage *p = &x->pages[pa >> PAGE_BITS];
    if (!(p->granules & granule_bits(pa & PAGE_MASK, 1))) return NULL;
    Block *b = p->blocks;
    bool table = form_is_table(x, pa);
    for (unsigned n = 0; b && n < LOOKS; n++, b = b->page_next) {
        if (pa - b->pa >= b->bytes || b->mode != x->mode || b->eip - b->pa != eip - pa) continue;
        if (b->sites != x->site_changes || b->table != table) continue;
        *door = door_at(b, pa);
        if (*door) return b;
    }
    return NULL;
}

/* The bytes of b in the page it begins in. */
static u32 head_bytes(const Block *b)
{
    u32 room = PAGE_BYTES - (b->pa & PAGE_MASK);
    return b->bytes < room ? b->bytes : room;
}

static CodePage *page_get(Xlat *x, u32 pfn)
{
    CodePage *p = &x->pages[pfn];
    if (!p->blocks && !p->tails) shadow_watch(x->shadow, pfn, WATCH_CODE);
    return p;
}

void block_insert(Xlat *x, Block *b)
{
    Block **slot = &x->block_hash[block_hash_of(b->pa, b->eip, b->mode)];
    CodePage *p = page_get(x, b->pa >> PAGE_BITS);
    b->hash_next = *slot;
    *slot = b;
    b->page_next = p->blocks;
    p->blocks = b;
    p->granules |= granule_bits(b->pa & PAGE_MASK, head_bytes(b));
    open_code(x, b, true);
    if (!b->pa2) return;
    p = page_get(x, b->pa2 >> PAGE_BITS);
    b->tail_next = p->tails;
    p->tails = b;
    p->granules |= granule_bits(0, b->bytes - head_bytes(b));
}

Block *block_at_host(Xlat *x, const u8 *hpc)
{
    const Cache *k = &x->cache;
    if (hpc < k->rx || hpc >= k->rx + k->bytes) return NULL;
    u32 at = (u32)(hpc - k->rx);
    const Region *r = &k->region[at / k->region_bytes];
    at %= k->region_bytes;
    u32 lo = 0, hi = r->blocks;
    while (lo < hi) {
        u32 mid = (lo + hi) / 2;
        if (r->host_at[mid] <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (!lo) return NULL;
    Block *b = r->by_host[lo - 1];
    return hpc < b->hpc + b->hbytes ? b : NULL;
}

const PcMap *block_insn_at(const Block *b, const u8 *hpc)
{
    u32 off = (u32)(hpc - b->hpc), n = 0;
    while (n + 1 < b->insns && b->map[n + 1].host <= off) n++;
    return &b->map[n];
}

void block_link(Xlat *x, Link *l, Block *to, unsigned door, u64 here)
{
    if (l->to == to && l->door == door && l->here_hole) { /* the same code in another address space */
        store64(l->here_hole, 0 - here);
        return;
    }
    if (l->to) block_unlink(x, l);
    if (l->here_hole) {
        store64(l->here_hole, 0 - here);
    } else if (l->cross_page) {
        l->next_shared = x->shared_links;
        if (l->next_shared) l->next_shared->prev_shared = &l->next_shared;
        l->prev_shared = &x->shared_links;
        x->shared_links = l;
    }
    l->to = to;
    l->door = (u8)door;
    l->next_in = to->links_in;
    to->links_in = l;
    emit_patch32(l->hole, cache_write(&x->cache, block_entry(to, door)));
    x->stats.links++;
}

void block_unlink(Xlat *x, Link *l)
{
    (void)x;
    Link **p = &l->to->links_in;
    while (*p != l) p = &(*p)->next_in;
    *p = l->next_in;
    if (l->prev_shared) {
        *l->prev_shared = l->next_shared;
        if (l->next_shared) l->next_shared->prev_shared = l->prev_shared;
        l->prev_shared = NULL;
        l->next_shared = NULL;
    }
    l->to = NULL;
    if (l->here_hole) store64(l->here_hole, 0);
    emit_patch32(l->hole, l->stub);
}

void block_unlink_shared(Xlat *x)
{
    while (x->shared_links) block_unlink(x, x->shared_links);
}

void block_unlink_all(Xlat *x, Block *b)
{
    while (b->links_in) block_unlink(x, b->links_in);
    for (Link *l = b->links; l; l = l->next_own)
        if (l->to) block_unlink(x, l);
}

void block_kill(Xlat *x, Block *b)
{
    CodePage *p = &x->pages[b->pa >> PAGE_BITS];
    Block **at = &x->block_hash[block_hash_of(b->pa, b->eip, b->mode)];
    while (*at != b) at = &(*at)->hash_next;
    *at = b->hash_next;
    for (at = &p->blocks; *at != b; at = &(*at)->page_next) {
    }
    *at = b->page_next;
    if (b->pa2) {
        for (at = &x->pages[b->pa2 >> PAGE_BITS].tails; *at != b; at = &(*at)->tail_next) {
        }
        *at = b->tail_next;
    }
    block_unlink_all(x, b);
    flow_emit_grave(x, b);
    open_code(x, b, false);
    context_drop_returns(x);
    b->dead = true;
    x->killed = true;
    x->stats.invalidated++;
}

static void granules_recount(CodePage *p)
{
    p->granules = 0;
    for (Block *b = p->blocks; b; b = b->page_next)
        p->granules |= granule_bits(b->pa & PAGE_MASK, head_bytes(b));
    for (Block *b = p->tails; b; b = b->tail_next) p->granules |= granule_bits(0, b->bytes - head_bytes(b));
}

/* Does b depend on a byte of [pa, pa + bytes), which overlaps it? Instructions that are fetched each time do not count.
 * For small writes: which instruction was it? */
static bool block_hit(Xlat *x, const Block *b, u32 pa, u32 bytes)
{
    enum { PATCH_BYTES = 4 };
    bool hit = false;
    for (u32 n = 0; n < b->insns; n++) {
        u32 at = b->pa + b->map[n].guest,
            end = n + 1u < b->insns ? b->pa + b->map[n + 1].guest : b->pa + b->bytes;
        if (at >= pa + bytes || pa >= end || b->map[n].patched) continue;
        hit = true;
        if (bytes <= PATCH_BYTES) site_patched(x, at);
    }
    return hit;
}

/* Kill what overlaps [pa, pa + bytes) of one page. */
static bool kill_overlapping(Xlat *x, CodePage *p, u32 pa, u32 bytes)
{
    bool any = false;
    for (Block *b = p->blocks, *next; b; b = next) {
        next = b->page_next;
        if (b->pa >= pa + bytes || pa >= b->pa + head_bytes(b) || (!b->pa2 && !block_hit(x, b, pa, bytes)))
            continue;
        block_kill(x, b);
        any = true;
    }
    for (Block *b = p->tails, *next; b; b = next) {
        next = b->tail_next;
        if ((pa & PAGE_MASK) >= b->bytes - head_bytes(b)) continue;
        block_kill(x, b);
        any = true;
    }
    return any;
}

/* A page without blocks is watched no more. */
static void page_settle(Xlat *x, u32 pfn)
{
    CodePage *p = &x->pages[pfn];
    if (p->blocks || p->tails) return;
    p->granules = 0;
    shadow_unwatch(x->shadow, pfn, WATCH_CODE);
}

static void page_written(Xlat *x, u32 pa, u32 bytes)
{
    CodePage *p = &x->pages[pa >> PAGE_BITS];
    if (!(p->granules & granule_bits(pa & PAGE_MASK, bytes))) return;
    if (kill_overlapping(x, p, pa, bytes)) granules_recount(p);
    page_settle(x, pa >> PAGE_BITS);
}

void block_written(Xlat *x, u32 pa, u32 bytes)
{
    while (bytes) {
        u32 n = PAGE_BYTES - (pa & PAGE_MASK);
        if (n > bytes) n = bytes;
        page_written(x, pa, n);
        pa += n;
        bytes -= n;
    }
}

/* What the jump cache knows of a region that is emptied, or (from NULL) at all. */
void jump_cache_forget(Xlat *x, const u8 *from, u32 bytes)
{
    u64 *slot = x->c->jump_table;
    for (u32 n = 0; n < JUMP_CACHE_SLOTS; n++, slot += JUMP_CACHE_WORDS)
        if (!from || slot[JUMP_HPC / 8] - (u64)(uintptr_t)from < bytes) {
            slot[JUMP_KEY / 8] = 1;
            slot[JUMP_BLOCK / 8] = 0;
        }
}

void block_evict(Xlat *x, Region *r)
{
    Cache *k = &x->cache;
    fpu_settle(x->c); /* where the last x87 instruction is noted may be here */
    for (u32 n = 0; n < r->blocks; n++) {
        Block *b = r->by_host[n];
        if (b->dead) continue;
        block_kill(x, b);
        page_settle(x, b->pa >> PAGE_BITS);
        if (b->pa2) page_settle(x, b->pa2 >> PAGE_BITS);
    }
    jump_cache_forget(x, k->rx + (u64)(r - k->region) * k->region_bytes, k->region_bytes);
    r->used = r->meta_used = r->blocks = 0;
    x->killed = true;
    context_drop_returns(x);
    x->stats.flushes++;
}

void block_flush_all(Xlat *x)
{
    for (unsigned n = 0; n < CACHE_REGIONS; n++)
        if (x->cache.region[n].blocks) block_evict(x, &x->cache.region[n]);
    x->cache.now = 0;
}
