/* walk.c - the guest's two-level page tables (SDM vol. 3A, chapter 4: 4.3 32-bit paging, 4.6 access rights,
 * 4.7 error codes, 4.8 accessed and dirty flags).
 *
 * An entry is changed only once the whole access is known to be allowed: a walk that ends in #PF sets no A bit,
 * not even in the directory. Entries are written with phys_write, so whoever watches the page hears of it.
 *
 * Not implemented: PAE, PSE-36 (bits 21:13 of a 4 MiB entry are reserved and fault), PAT (no effect on us).
 */
#include "mmu/walk.h"

enum { LARGE_RSVD = 0x3fe000, LARGE_MASK = 0x3fffff };

static u32 fault_code(const Walk *w, unsigned flags, bool present)
{
    u32 e = (flags & WALK_WRITE ? PF_W : 0) | (flags & WALK_USER ? PF_U : 0);
    if (!present) return e;
    if (w->large && (w->pde & LARGE_RSVD)) e |= PF_RSVD;
    return e | PF_P;
}

static bool allowed(const Paging *pg, const Walk *w, unsigned flags)
{
    if (w->large && (w->pde & LARGE_RSVD)) return false;
    if (flags & WALK_USER) return w->user && (w->writable || !(flags & WALK_WRITE));
    return w->writable || !pg->wp || !(flags & WALK_WRITE);
}

static u32 entry_mark(Phys *p, u32 pa, u32 entry, u32 bits)
{
    if ((entry & bits) != bits) phys_write(p, pa, entry | bits, 4);
    return entry | bits;
}

static void mark_used(Phys *p, Walk *w, unsigned flags)
{
    u32 leaf_bits = PTE_A | (flags & WALK_WRITE ? PTE_D : 0);
    w->pde = entry_mark(p, w->pde_pa, w->pde, w->large ? leaf_bits : PTE_A);
    w->pte = w->large ? w->pde : entry_mark(p, w->pte_pa, w->pte, leaf_bits);
}

Walk mmu_walk(Phys *p, const Paging *pg, u32 va, unsigned flags)
{
    Walk w = {0};
    if (!pg->on)
        return (Walk){.ok = true, .pa = va & p->a20_mask, .writable = true, .user = true, .dirty = true};

    w.pde_pa = ((pg->cr3 & ~(u32)PAGE_MASK) | (va >> 20 & 0xffc)) & p->a20_mask;
    w.pde = w.pte = phys_read(p, w.pde_pa, 4);
    if (!(w.pde & PTE_P)) {
        w.error = fault_code(&w, flags, false);
        return w;
    }
    w.large = pg->pse && (w.pde & PTE_PS);
    if (!w.large) {
        w.pte_pa = ((w.pde & ~(u32)PAGE_MASK) | (va >> 10 & 0xffc)) & p->a20_mask;
        w.pte = phys_read(p, w.pte_pa, 4);
        if (!(w.pte & PTE_P)) {
            w.error = fault_code(&w, flags, false);
            return w;
        }
    }
    w.writable = w.pde & w.pte & PTE_W;
    w.user = w.pde & w.pte & PTE_U;
    if (!allowed(pg, &w, flags)) {
        w.error = fault_code(&w, flags, true);
        return w;
    }
    if (!(flags & WALK_NO_AD)) mark_used(p, &w, flags);
    w.ok = true;
    w.dirty = w.pte & PTE_D;
    w.global = pg->pge && (w.pte & PTE_G);
    w.pa = (w.large ? (w.pde & ~(u32)LARGE_MASK) | (va & LARGE_MASK)
                    : (w.pte & ~(u32)PAGE_MASK) | (va & PAGE_MASK));
    w.pa &= p->a20_mask;
    return w;
}
