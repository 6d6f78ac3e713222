/* interp.c - fetch, decode, execute one instruction; and the engine that does nothing else.
 *
 * interp_one() is the definition. Fetch walks the page of CS:EIP every time and looks the bytes found there up in a
 * cache of decoded instructions. A hit compares the bytes themselves and the decoder's mode, so a stale entry cannot
 * exist: neither stores into code nor remapping needs to tell anybody.
 *
 * The engine, interp_run(), does not walk for each instruction. It keeps the page of code that it is in (CodePage), runs
 * what is plain there and in the cache, and leaves all else to interp_one(): a miss, an instruction that may change
 * CS, mode, paging or the holding off of interrupts (CK_ENDS, but for near jumps), one that checks the privilege, the
 * last bytes of a page and of the segment, code in a device's memory, whoever wants to see each instruction. Before each
 * plain instruction it compares what the page was found by:
 *  - the two page-table entries in memory, so that a changed one counts from the next instruction on, without INVLPG;
 *  - the count of changes of the physical map (Phys.remaps), A20 among them;
 *  - the instruction's bytes, as above, so that code may change right ahead of itself.
 * CR3, CR0, CR4, EFER, PDPTEs, CPL and CS cannot change in between. What the host wants shows in Vcpu.poll, as ever.
 *
 * Byte-exact ends: the next page is touched only when the decoder asks for more bytes, and its #PF names the
 * first byte of that page; bytes beyond CS.limit are #GP(0), found in the order in which they are fetched.
 *
 * RF is cleared before an instruction executes, so that IRET can set it for the next one. (Of a repeated string
 * instruction that stops half-way, Vcpu.rep_stopped knows.) What handles TF, debug registers and interrupts is the run
 * loop.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "cpu/breakpoint.h"
#include "cpu/exec.h"
#include "cpu/memory.h"

enum { INSN_MAX = 15, CACHE_BITS = 16, FETCH_BYTES = 16 /* what the comparison loads */ };

/* How an instruction was decoded; 0: the slot is empty. */
enum { MODE_USED = 1, MODE_CODE32 = 2, MODE_PROTECTED = 4, MODE_PLAIN = 8 /* is_plain() */ };

/* One line of the host's cache. */
typedef struct Decoded {
    u8 bytes[INSN_MAX];
    u8 mode; /* MODE_ bits */
    ExecFn *exec;
    Insn insn;
} __attribute__((aligned(64))) Decoded;
_Static_assert(sizeof(Decoded) == 64, "it fits in a line");

/* Shared by all guests of the thread: an entry depends on nothing but bytes, mode and, all of them, on features. Room
 * for what a kernel and its programs run in turn: 4 MiB, of which the host gives what is used. */
enum { CACHE_BYTES = sizeof(Decoded) << CACHE_BITS };
static _Thread_local Decoded *cache; /* NULL: none yet */
static _Thread_local u32 cache_features;

static DecodeMode decode_mode(const Vcpu *c)
{
    return (DecodeMode){.code32 = cpu_code32(c) != 0,
                        .protected_mode = cpu_protected(c) && !cpu_v86(c),
                        .features = c->features};
}

static u8 mode_bits(DecodeMode m)
{
    return MODE_USED | (m.code32 ? MODE_CODE32 : 0) | (m.protected_mode ? MODE_PROTECTED : 0);
}

/* The first `n` bytes, 1 to 8, are the same. Reads eight of both. */
static inline bool same(const u8 *a, const u8 *b, unsigned n)
{
    return !((load64(a) ^ load64(b)) << (64 - 8 * n));
}

static inline bool bytes_are(const Decoded *d, const u8 *bytes)
{
    unsigned len = d->insn.len;
    if (likely(len <= 8)) return same(d->bytes, bytes, len);
    return same(d->bytes, bytes, 8) && same(d->bytes + 8, bytes + 8, len - 8);
}

static bool cache_hit(const Decoded *d, const u8 *bytes, DecodeMode mode)
{
    return (d->mode & ~MODE_PLAIN) == mode_bits(mode) && bytes_are(d, bytes);
}

/* It checks no privilege, and changes neither CS nor mode nor paging: the next one is fetched as it was. */
static bool is_plain(const Row *r)
{
    return !(r->checks & CK_CPL0) && (r->cls == XC_FLOW || !(r->checks & CK_ENDS));
}

static void cache_fill(Decoded *d, const u8 *bytes, DecodeMode mode)
{
    memcpy(d->bytes, bytes, d->insn.len);
    d->mode = mode_bits(mode) | (is_plain(d->insn.row) ? MODE_PLAIN : 0);
    d->exec = x86_exec[d->insn.row->id];
    operands_place(&d->insn);
}

static bool cache_serves(const Vcpu *c) { return cache && cache_features == c->features; }

static void cache_new(u32 features)
{
    if (cache) munmap(cache, CACHE_BYTES);
    cache = mmap(NULL, CACHE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(cache != MAP_FAILED, "no memory for decoded instructions");
    cache_features = features;
}

static Decoded *cache_slot(u32 va) { return &cache[(va ^ va >> CACHE_BITS) & ((1 << CACHE_BITS) - 1)]; }

/* Decode into *d, which stays empty if there is no instruction. */
static DecodeStatus decode_into(Decoded *d, const u8 *bytes, unsigned avail, DecodeMode mode)
{
    d->mode = 0;
    DecodeStatus s = insn_decode(&d->insn, bytes, avail, mode);
    if (s == DECODE_OK) cache_fill(d, bytes, mode);
    return s;
}

/* --- fetch --- */

/* Appends what page `va` holds to the buffer; raises #PF. Code may lie in a device's memory. */
static unsigned fetch_bytes(Vcpu *c, u32 va, u8 *to, unsigned have, unsigned want)
{
    u32 pa = lin_pa(c, va, ACC_FETCH, c->cpl == 3);
    unsigned n = PAGE_BYTES - (va & PAGE_MASK);
    if (n > want - have) n = want - have;
    const u8 *hp = phys_hp(c->phys, pa);
    for (unsigned k = 0; k < n; k++) to[have + k] = hp ? hp[k] : (u8)phys_read(c->phys, pa + k, 1);
    return have + n;
}

/* The page, the limit or the device ends within the next 16 bytes: byte for byte, in order. */
static DecodeStatus fetch_slow(Vcpu *c, Decoded *d, u32 va, DecodeMode mode)
{
    u8 buf[FETCH_BYTES] = {0};
    u32 room = c->seg[CS].limit - c->eip; /* + 1 */
    unsigned want = room < INSN_MAX ? room + 1 : INSN_MAX;
    unsigned have = fetch_bytes(c, va, buf, 0, want);
    if (cache_hit(d, buf, mode) && d->insn.len <= have) return DECODE_OK;
    DecodeStatus s = decode_into(d, buf, have, mode);
    if (s == DECODE_MORE && have < want) {
        have = fetch_bytes(c, va + have, buf, have, want);
        s = decode_into(d, buf, have, mode);
    }
    return s;
}

static _Noreturn void fetch_fault(Vcpu *c, DecodeStatus s)
{
    if (s == DECODE_UD) raise_ud(c);
    raise_gp(c, 0); /* too long, or beyond CS.limit */
}

static const Decoded *fetch(Vcpu *c)
{
    if (unlikely(c->eip > c->seg[CS].limit)) raise_gp(c, 0);
    u32 va = c->seg[CS].base + c->eip, room = c->seg[CS].limit - c->eip;
    DecodeMode mode = decode_mode(c);
    if (unlikely(!cache_serves(c))) cache_new(c->features);
    Decoded *d = cache_slot(va);
    DecodeStatus s;
    if (likely((va & PAGE_MASK) <= PAGE_BYTES - FETCH_BYTES && room >= FETCH_BYTES)) {
        const u8 *hp = phys_hp(c->phys, lin_pa(c, va, ACC_FETCH, c->cpl == 3));
        if (likely(hp && cache_hit(d, hp, mode))) return d;
        s = hp ? decode_into(d, hp, INSN_MAX, mode) : fetch_slow(c, d, va, mode);
    } else {
        s = fetch_slow(c, d, va, mode);
    }
    if (unlikely(s != DECODE_OK)) fetch_fault(c, s);
    return d;
}

/* --- execute --- */

static void trace_exec(const Vcpu *c, const Insn *i)
{
    u32 va = c->seg[CS].base + c->eip;
    if (trace_wants(va)) trace_line("interp [%08x/%08x] %s", c->seg[CS].base, va, i->row->name);
}

void interp_one(Vcpu *c)
{
    c->inhibit = 0;
    const Decoded *d = fetch(c);
    const Insn *i = &d->insn;
    if (unlikely(trace_mask & TRACE_EXEC)) trace_exec(c, i);
    if (unlikely(c->insn_hook != NULL)) c->insn_hook->before(c->insn_hook->ctx, c, i);
    if (unlikely(i->row->checks & CK_CPL0) && c->cpl != 0) raise_gp(c, 0);
    c->eflags &= ~(u32)FL_RF;
    c->next_eip = c->eip + i->len;
    d->exec(c, i);
    c->eip = c->next_eip;
    c->insns_interp++;
    if (c->row_hits) c->row_hits[i->row->id]++;
}

/* --- many: from a page of code whose translation is known ------------------------------------------------ */

/* Where the next instructions are, for as long as page_holds(). What it does not compare is changed by instructions
 * only that are not plain. */
typedef struct CodePage {
    u32 first; /* an EIP */
    u32 most;  /* so far behind it FETCH_BYTES are still in the page and the segment */
    u32 va;    /* of `first` */
    const u8 *hp;
    Entries from;
    u64 pde, pte; /* what `from` held */
    u32 remaps;
    u8 mode; /* of a plain instruction there */
} CodePage;

static inline bool page_holds(const Vcpu *c, const CodePage *p)
{
    return load64(p->from.pde) == p->pde && load64(p->from.pte) == p->pte && c->phys->remaps == p->remaps;
}

static u32 least(u32 a, u32 b) { return a < b ? a : b; }

/* The page of CS:EIP, fetched from; raises #PF. False: nothing so simple. */
static bool page_open(Vcpu *c, CodePage *p)
{
    static const u64 no_paging;
    const Segment *cs = &c->seg[CS];
    u32 va = cs->base + c->eip, at = va & PAGE_MASK, back = least(at, c->eip);
    if (cs->limit < FETCH_BYTES || c->eip > cs->limit - FETCH_BYTES) return false;
    if (at > PAGE_BYTES - FETCH_BYTES) return false;
    const u8 *entry = c->cr0 & CR0_PG ? NULL : (const u8 *)&no_paging;
    *p = (CodePage){.first = c->eip - back, .va = va - back, .from = {entry, entry}};
    const u8 *hp = phys_hp(c->phys, lin_translate(c, va, ACC_FETCH, c->cpl == 3, &p->from));
    if (!hp || !p->from.pde) return false;
    p->hp = hp - back;
    p->most = least(PAGE_BYTES - FETCH_BYTES - (at - back), cs->limit - FETCH_BYTES - p->first);
    p->mode = mode_bits(decode_mode(c)) | MODE_PLAIN;
    p->pde = load64(p->from.pde);
    p->pte = load64(p->from.pte);
    p->remaps = c->phys->remaps;
    return true;
}

/* True: EIP has left the page, or the page is another now. */
static bool page_run(Vcpu *c, const CodePage *p, u64 *budget)
{
    u64 *row_hits = c->row_hits;
    for (u32 eip = c->eip; *budget && !cpu_polled(c); --*budget) {
        u32 at = eip - p->first;
        if (unlikely(at > p->most || !page_holds(c, p))) return true;
        const Decoded *d = cache_slot(p->va + at);
        if (unlikely(d->mode != p->mode || !bytes_are(d, p->hp + at))) return false;
        c->eflags &= ~(u32)FL_RF;
        c->next_eip = eip + d->insn.len;
        d->exec(c, &d->insn);
        c->eip = eip = c->next_eip;
        c->insns_interp++;
        if (unlikely(row_hits != NULL)) row_hits[d->insn.row->id]++;
    }
    return false;
}

/* As many plain instructions as come; raises. */
static void plain_run(Vcpu *c, u64 *budget)
{
    CodePage page;
    if (c->halted || c->inhibit || !cache_serves(c)) return;
    while (*budget && !cpu_polled(c) && page_open(c, &page))
        if (!page_run(c, &page, budget)) return;
}

/* Somebody wants to see each instruction. */
static bool is_observed(const Vcpu *c)
{
    return c->breaking || c->speed_on || c->insn_hook || trace_mask & TRACE_EXEC;
}

static void interp_run(void *ctx, Vcpu *c, u64 budget)
{
    (void)ctx;
    while (budget-- && !c->halted && !c->inhibit && !cpu_polled(c)) {
        if (unlikely(c->breaking)) {
            if (break_hit(c)) return;
            if (break_hook(c)) continue;
        }
        interp_one(c);
        cpu_count_speed(c);
        if (!is_observed(c)) plain_run(c, &budget);
    }
}

static void interp_paging_changed(void *ctx, Vcpu *c, u32 events)
{
    (void)ctx;
    (void)c;
    (void)events;
}
static void interp_breaks_changed(void *ctx, Vcpu *c)
{
    (void)ctx;
    (void)c;
}
static void interp_break_expected(void *ctx, Vcpu *c, u32 va)
{
    (void)ctx;
    (void)c;
    (void)va;
}
static void interp_leave(void *ctx) { (void)ctx; }
static void interp_invlpg(void *ctx, Vcpu *c, u32 va)
{
    (void)ctx;
    (void)c;
    (void)va;
}

const Engine engine_interp = {
    .name = "interp",
    .run = interp_run,
    .paging_changed = interp_paging_changed,
    .invlpg = interp_invlpg,
    .breaks_changed = interp_breaks_changed,
    .break_expected = interp_break_expected,
    .leave = interp_leave,
};
