/* memory.c - guest memory as instructions see it: segmentation checks, then a software page walk, then RAM, ROM or
 * the bus (SDM vol. 3, chapters 3-5).
 *
 * Invariants:
 *  - Whatever can fault faults before a byte is written: an access that straddles pages walks both first.
 *  - Writes reach RAM through phys_write, which tells the watchers of a page (translated code, page tables);
 *    pages nobody watches are stored to directly.
 *  - Nothing is cached between accesses: a changed page-table entry counts from the next access on. (Who keeps where an
 *    access went compares the entries before the next: Entries, for the fetch of interp.c.)
 *
 * Limits: an access that runs over offset FFFFFFFF of a segment with limit FFFFFFFF wraps, as on the P6
 * (the manual leaves it open). Type checks apply in protected mode only; real and V86 mode check just the limit.
 *
 * Alignment (#AC) is checked before paging, on the linear address, for accesses of 2, 4 and 8 bytes.
 * Not implemented: #AC for the operands of FSAVE, FRSTOR, FXSAVE and 10-byte loads.
 */
#include "cpu/memory.h"

/* --- linear --- */

Paging cpu_paging(const Vcpu *c)
{
    Paging pg = {.cr3 = c->cr3,
                 .on = c->cr0 & CR0_PG,
                 .wp = c->cr0 & CR0_WP,
                 .pse = c->cr4 & CR4_PSE,
                 .pge = c->cr4 & CR4_PGE,
                 .pae = c->cr4 & CR4_PAE,
                 .smep = c->cr4 & CR4_SMEP,
                 .smap = cpu_smap_holds(c)};
    if (!pg.pae) return pg;
    pg.nx = c->efer & EFER_NXE;
    memcpy(pg.pdpte, c->pdpte, sizeof pg.pdpte);
    return pg;
}

bool lin_peek(const Vcpu *c, u32 va, u32 *pa)
{
    Paging pg = cpu_paging(c);
    pg.smap = false;
    Walk w = mmu_walk(c->phys, &pg, va, WALK_NO_AD);
    *pa = w.pa;
    return w.ok;
}

u32 lin_walk(Vcpu *c, u32 va, Access a, AccessBy by)
{
    Paging pg = cpu_paging(c);
    if (by == BY_PROCESSOR) pg.smap = c->cr4 & CR4_SMAP; /* an implicit access: 4.6.1 */
    unsigned flags =
        (a & ACC_WRITE ? WALK_WRITE : 0) | (by == BY_USER ? WALK_USER : 0) | (a & ACC_FETCH ? WALK_FETCH : 0);
    Walk w = mmu_walk(c->phys, &pg, va, flags);
    if (w.ok) return w.pa;
    trace(MMU, "page fault %08x e=%04x at %04x:%08x cpl=%u", va, w.error, c->seg[CS].sel, c->eip, c->cpl);
    c->cr2 = va;
    cpu_raise_error(c, EX_PF, w.error);
}

/* The user pages that SMEP or SMAP may keep this access out of are mmu_walk's: PTE_U, or nothing. */
static u32 guarded_user(const Vcpu *c, AccessBy by)
{
    return by != BY_USER && c->cr4 & (CR4_SMEP | CR4_SMAP) ? PTE_U : 0;
}

/* lin_paged with PAE. */
static u32 pae_paged(Vcpu *c, u32 va, Access a, AccessBy by, Entries *from)
{
    u64 want = PTE_P | PTE_A | (by == BY_USER ? PTE_U : 0) | (a & ACC_WRITE ? PTE_W : 0);
    u64 odd = ~0ull << 32; /* reserved bits, memory that is not there, NX unless it matters only to a fetch */
    if (c->efer & EFER_NXE && !(a & ACC_FETCH)) odd &= ~PTE_NX;
    u64 pdpte = c->pdpte[va >> 30];
    if (unlikely((pdpte & (odd | PTE_P)) != PTE_P)) return lin_walk(c, va, a, by);
    const u8 *pde_hp = phys_hp(c->phys, ((u32)pdpte & ~(u32)PAGE_MASK) | (va >> 18 & 0xff8));
    if (unlikely(!pde_hp)) return lin_walk(c, va, a, by);
    u64 pde = load64(pde_hp), dirty = a & ACC_WRITE ? PTE_D : 0;
    if (unlikely((pde & (want | odd)) != want)) return lin_walk(c, va, a, by);
    if (pde & PTE_PS) {
        if ((pde & (dirty | PAE_2M_RSVD | guarded_user(c, by))) != dirty) return lin_walk(c, va, a, by);
        if (from) *from = (Entries){pde_hp, pde_hp};
        return ((u32)pde & ~PAE_2M_MASK) | (va & PAE_2M_MASK);
    }
    const u8 *pte_hp = phys_hp(c->phys, ((u32)pde & ~(u32)PAGE_MASK) | (va >> 9 & 0xff8));
    if (unlikely(!pte_hp)) return lin_walk(c, va, a, by);
    u64 pte = load64(pte_hp);
    if (unlikely((pte & (want | dirty | odd)) != (want | dirty) || pde & pte & guarded_user(c, by)))
        return lin_walk(c, va, a, by);
    if (from) *from = (Entries){pde_hp, pte_hp};
    return ((u32)pte & ~(u32)PAGE_MASK) | (va & PAGE_MASK);
}

static const u8 *entry_word(const u8 *hp) { return (const u8 *)((uintptr_t)hp & ~(uintptr_t)7); }

/* A walk every time, so it is coherent with the guest's tables by construction; but when the entries already grant the
 * access and hold A and D, two loads are all that it takes. Everything out of the ordinary is mmu_walk's. */
u32 lin_paged(Vcpu *c, u32 va, Access a, AccessBy by, Entries *from)
{
    if (c->cr4 & CR4_PAE) return pae_paged(c, va, a, by, from);
    u32 want = PTE_P | PTE_A | (by == BY_USER ? PTE_U : 0) | (a & ACC_WRITE ? PTE_W : 0);
    const u8 *pde_hp = phys_hp(c->phys, (c->cr3 & ~(u32)PAGE_MASK) | (va >> 20 & 0xffc));
    if (unlikely(!pde_hp)) return lin_walk(c, va, a, by);
    u32 pde = load32(pde_hp);
    if (unlikely((pde & want) != want)) return lin_walk(c, va, a, by);
    if (pde & PTE_PS) {
        bool plain = (c->cr4 & CR4_PSE) && !(pde & (0x3fe000 /* reserved */ | guarded_user(c, by)));
        if (!plain || ((a & ACC_WRITE) && !(pde & PTE_D))) return lin_walk(c, va, a, by);
        if (from) *from = (Entries){entry_word(pde_hp), entry_word(pde_hp)};
        return (pde & 0xffc00000u) | (va & 0x3fffff);
    }
    const u8 *pte_hp = phys_hp(c->phys, (pde & ~(u32)PAGE_MASK) | (va >> 10 & 0xffc));
    if (unlikely(!pte_hp)) return lin_walk(c, va, a, by);
    if (a & ACC_WRITE) want |= PTE_D;
    u32 pte = load32(pte_hp);
    if (unlikely((pte & want) != want || pde & pte & guarded_user(c, by))) return lin_walk(c, va, a, by);
    if (from) *from = (Entries){entry_word(pde_hp), entry_word(pte_hp)};
    return (pte & ~(u32)PAGE_MASK) | (va & PAGE_MASK);
}

static inline u32 pa_read(Phys *p, u32 pa, unsigned bytes)
{
    const u8 *hp = phys_hp(p, pa);
    return likely(hp) ? host_load(hp, bytes) : phys_read(p, pa, bytes);
}

static inline void pa_write(Phys *p, u32 pa, u32 v, unsigned bytes)
{
    u8 *hp = phys_hp_quiet(p, pa);
    if (likely(hp))
        host_store(hp, v, bytes);
    else
        phys_write(p, pa, v, bytes);
}

/* The physical address of each byte of an access over at most two pages; all of it is checked. */
typedef struct Span {
    u32 pa[2];
    unsigned first; /* bytes in the first page */
} Span;

static Span lin_span(Vcpu *c, u32 va, unsigned bytes, Access a, AccessBy by)
{
    Span s = {.first = PAGE_BYTES - (va & PAGE_MASK)};
    s.pa[0] = lin_pa(c, va, a, by);
    if (bytes > s.first)
        s.pa[1] = lin_pa(c, va + s.first, a, by);
    else
        s.first = bytes;
    return s;
}

static u32 span_pa(const Span *s, unsigned n)
{
    return n < s->first ? s->pa[0] + n : s->pa[1] + (n - s->first);
}

static inline void watch_data(Vcpu *c, u32 va, unsigned bytes, bool write)
{
    if (unlikely(cpu_watches(c))) debug_data_access(c, va, bytes, write);
}

__attribute__((noinline)) static u32 read_straddling(Vcpu *c, u32 va, unsigned bytes, Access a, AccessBy by)
{
    Span s = lin_span(c, va, bytes, a, by);
    u32 v = 0;
    for (unsigned n = 0; n < bytes; n++) v |= pa_read(c->phys, span_pa(&s, n), 1) << 8 * n;
    return v;
}

static inline u32 read_inline(Vcpu *c, u32 va, unsigned bytes, Access a, AccessBy by)
{
    u32 v = unlikely(lin_straddles(va, bytes)) ? read_straddling(c, va, bytes, a, by)
                                               : pa_read(c->phys, lin_pa(c, va, a, by), bytes);
    watch_data(c, va, bytes, false);
    return v;
}

u32 lin_read(Vcpu *c, u32 va, unsigned bytes, Access a, AccessBy by)
{
    return read_inline(c, va, bytes, a, by);
}

__attribute__((noinline)) static void write_straddling(Vcpu *c, u32 va, u32 value, unsigned bytes,
                                                       AccessBy by)
{
    Span s = lin_span(c, va, bytes, ACC_WRITE, by);
    for (unsigned n = 0; n < bytes; n++) pa_write(c->phys, span_pa(&s, n), value >> 8 * n & 0xff, 1);
}

static inline void write_inline(Vcpu *c, u32 va, u32 value, unsigned bytes, AccessBy by)
{
    if (unlikely(lin_straddles(va, bytes)))
        write_straddling(c, va, value, bytes, by);
    else
        pa_write(c->phys, lin_pa(c, va, ACC_WRITE, by), value, bytes);
    watch_data(c, va, bytes, true);
}

void lin_write(Vcpu *c, u32 va, u32 value, unsigned bytes, AccessBy by)
{
    write_inline(c, va, value, bytes, by);
}

/* How many of the bytes from n on can move at once: 4, or 1 at the end of a page or of the buffer. */
static unsigned span_step(const Span *s, unsigned n, unsigned bytes)
{
    unsigned end = n < s->first ? s->first : bytes;
    return end - n >= 4 ? 4 : 1;
}

void lin_read_bytes(Vcpu *c, u32 va, void *to, unsigned bytes, AccessBy by)
{
    Span s = lin_span(c, va, bytes, ACC_READ, by);
    const u8 *whole = s.first == bytes ? phys_hp(c->phys, s.pa[0]) : NULL;
    if (whole) {
        memcpy(to, whole, bytes);
        watch_data(c, va, bytes, false);
        return;
    }
    for (unsigned n = 0, step; n < bytes; n += step) {
        step = span_step(&s, n, bytes);
        host_store((u8 *)to + n, pa_read(c->phys, span_pa(&s, n), step), step);
    }
    watch_data(c, va, bytes, false);
}

void lin_write_bytes(Vcpu *c, u32 va, const void *from, unsigned bytes, AccessBy by)
{
    Span s = lin_span(c, va, bytes, ACC_WRITE, by);
    u8 *whole = s.first == bytes ? phys_hp_quiet(c->phys, s.pa[0]) : NULL;
    if (whole) {
        memcpy(whole, from, bytes);
        watch_data(c, va, bytes, true);
        return;
    }
    for (unsigned n = 0, step; n < bytes; n += step) {
        step = span_step(&s, n, bytes);
        pa_write(c->phys, span_pa(&s, n), host_load((const u8 *)from + n, step), step);
    }
    watch_data(c, va, bytes, true);
}

void lin_probe(Vcpu *c, u32 va, unsigned bytes, Access a, AccessBy by) { lin_span(c, va, bytes, a, by); }

/* --- segmented --- */

static _Noreturn void seg_fault(Vcpu *c, int seg) { cpu_raise_error(c, seg == SS ? EX_SS : EX_GP, 0); }

static bool seg_type_allows(const Segment *s, Access a)
{
    if (s->attr & SEG_CODE) return !(a & ACC_WRITE) && (s->attr & SEG_READABLE);
    return !(a & ACC_WRITE) || (s->attr & SEG_WRITABLE);
}

static bool seg_limit_allows(const Segment *s, u32 off, unsigned bytes)
{
    u32 last = bytes - 1;
    if (unlikely((s->attr & (SEG_S | SEG_CODE | SEG_DOWN)) == (SEG_S | SEG_DOWN))) {
        u32 top = s->attr & SEG_DB ? 0xffffffffu : 0xffffu;
        return off > s->limit && off <= top && top - off >= last;
    }
    return (off <= s->limit && s->limit - off >= last) || s->limit == 0xffffffffu;
}

static bool is_misaligned(u32 va, unsigned bytes)
{
    return (bytes == 2 || bytes == 4 || bytes == 8) && (va & (bytes - 1));
}

u32 seg_linear(Vcpu *c, int seg, u32 off, unsigned bytes, Access a)
{
    const Segment *s = &c->seg[seg];
    if (unlikely(s->attr & SEG_UNUSABLE)) seg_fault(c, seg);
    if (cpu_protected(c) && !cpu_v86(c) && unlikely(!seg_type_allows(s, a))) seg_fault(c, seg);
    if (unlikely(!seg_limit_allows(s, off, bytes))) seg_fault(c, seg);
    u32 va = s->base + off;
    if (unlikely(c->eflags & FL_AC) && (c->cr0 & CR0_AM) && c->cpl == 3 && is_misaligned(va, bytes))
        cpu_raise_error(c, EX_AC, 0);
    return va;
}

/* seg_linear, whose tests are all passed by an access within a segment of writable data that grows upwards. */
static inline u32 seg_inline(Vcpu *c, int seg, u32 off, unsigned bytes, Access a)
{
    const Segment *s = &c->seg[seg];
    u32 type = s->attr & (SEG_UNUSABLE | SEG_S | SEG_CODE | SEG_DOWN | SEG_WRITABLE);
    if (unlikely(type != (SEG_S | SEG_WRITABLE) || (u64)off + bytes - 1 > s->limit || c->eflags & FL_AC))
        return seg_linear(c, seg, off, bytes, a);
    return s->base + off;
}

static bool is_user(const Vcpu *c) { return c->cpl == 3; }

u32 mem_read(Vcpu *c, int seg, u32 off, unsigned bytes)
{
    return read_inline(c, seg_inline(c, seg, off, bytes, ACC_READ), bytes, ACC_READ, is_user(c));
}

u32 mem_read_rmw(Vcpu *c, int seg, u32 off, unsigned bytes)
{
    return read_inline(c, seg_inline(c, seg, off, bytes, ACC_RMW), bytes, ACC_RMW, is_user(c));
}

void mem_write(Vcpu *c, int seg, u32 off, u32 value, unsigned bytes)
{
    write_inline(c, seg_inline(c, seg, off, bytes, ACC_WRITE), value, bytes, is_user(c));
}

void mem_read_bytes(Vcpu *c, int seg, u32 off, void *to, unsigned bytes)
{
    lin_read_bytes(c, seg_linear(c, seg, off, bytes, ACC_READ), to, bytes, is_user(c));
}

void mem_write_bytes(Vcpu *c, int seg, u32 off, const void *from, unsigned bytes)
{
    lin_write_bytes(c, seg_linear(c, seg, off, bytes, ACC_WRITE), from, bytes, is_user(c));
}

u64 mem_read64(Vcpu *c, int seg, u32 off)
{
    u8 b[8];
    mem_read_bytes(c, seg, off, b, 8);
    return load64(b);
}

void mem_write64(Vcpu *c, int seg, u32 off, u64 value)
{
    u8 b[8];
    store64(b, value);
    mem_write_bytes(c, seg, off, b, 8);
}
