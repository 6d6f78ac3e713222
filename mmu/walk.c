/* walk.c - the guest's page tables (SDM vol. 3A, chapter 4: 4.3 32-bit paging, 4.4 PAE paging, 4.6 access rights,
 * 4.6.1 SMEP and SMAP, 4.7 error codes, 4.8 accessed and dirty flags).
 *
 * Two ways to find the last two entries, of 4 bytes or of 8; what they mean is the same from there on. PAE's first
 * level is in registers (Paging.pdpte), so it has two levels in memory, too.
 *
 * An entry is changed only once the whole access is known to be allowed: a walk that ends in #PF sets no A bit,
 * not even in the directory. Entries are written with phys_write, so whoever watches the page hears of it.
 *
 * Not implemented: PSE-36 (bits 21:13 of a 4 MiB entry are reserved and fault), PAT (no effect on us).
 */
#include "mmu/walk.h"

enum { LARGE_RSVD = 0x3fe000, LARGE_MASK = 0x3fffff };

/* How far the tables lead. */
typedef enum Found { FOUND_NOTHING, FOUND_RSVD /* an entry with reserved bits */, FOUND_PAGE } Found;

static u32 fault_code(const Paging *pg, Found found, unsigned flags)
{
    u32 e = (flags & WALK_WRITE ? PF_W : 0) | (flags & WALK_USER ? PF_U : 0);
    if (flags & WALK_FETCH && (pg->nx || pg->smep)) e |= PF_I;
    if (found == FOUND_NOTHING) return e;
    return e | PF_P | (found == FOUND_RSVD ? PF_RSVD : 0);
}

static bool allowed(const Paging *pg, const Walk *w, unsigned flags)
{
    if (flags & WALK_FETCH && w->nx) return false;
    if (w->user && !(flags & WALK_USER) && (flags & WALK_FETCH ? pg->smep : pg->smap)) return false;
    if (flags & WALK_USER) return w->user && (w->writable || !(flags & WALK_WRITE));
    return w->writable || !pg->wp || !(flags & WALK_WRITE);
}

/* The A and D bits are in the low half of an entry of either size. */
static u64 entry_mark(Phys *p, u32 pa, u64 entry, u32 bits)
{
    if ((entry & bits) != bits) phys_write(p, pa, (u32)entry | bits, 4);
    return entry | bits;
}

static void mark_used(Phys *p, Walk *w, unsigned flags)
{
    u32 leaf_bits = PTE_A | (flags & WALK_WRITE ? PTE_D : 0);
    w->pde = entry_mark(p, w->pde_pa, w->pde, w->large ? leaf_bits : PTE_A);
    w->pte = w->large ? w->pde : entry_mark(p, w->pte_pa, w->pte, leaf_bits);
}

/* --- 32-bit paging --- */

static Found find_page(Phys *p, const Paging *pg, u32 va, Walk *w)
{
    w->pde_pa = ((pg->cr3 & ~(u32)PAGE_MASK) | (va >> 20 & 0xffc)) & p->a20_mask;
    w->pde = w->pte = phys_read(p, w->pde_pa, 4);
    if (!(w->pde & PTE_P)) return FOUND_NOTHING;
    w->large = pg->pse && (w->pde & PTE_PS);
    if (w->large) {
        w->pa = ((u32)w->pde & ~(u32)LARGE_MASK) | (va & LARGE_MASK);
        return w->pde & LARGE_RSVD ? FOUND_RSVD : FOUND_PAGE;
    }
    w->pte_pa = (((u32)w->pde & ~(u32)PAGE_MASK) | (va >> 10 & 0xffc)) & p->a20_mask;
    w->pte = phys_read(p, w->pte_pa, 4);
    w->pa = ((u32)w->pte & ~(u32)PAGE_MASK) | (va & PAGE_MASK);
    return w->pte & PTE_P ? FOUND_PAGE : FOUND_NOTHING;
}

/* --- PAE --- */

static Found find_page_pae(Phys *p, const Paging *pg, u32 va, Walk *w)
{
    const u64 rsvd = PAE_RSVD | (pg->nx ? 0 : PTE_NX), pdpte = pg->pdpte[va >> 30];
    if (!(pdpte & PTE_P)) return FOUND_NOTHING;
    w->pde_pa = (pae_page(pdpte) | (va >> 18 & 0xff8)) & p->a20_mask;
    w->pde = w->pte = phys_read64(p, w->pde_pa);
    if (!(w->pde & PTE_P)) return FOUND_NOTHING;
    if (w->pde & rsvd) return FOUND_RSVD;
    w->large = w->pde & PTE_PS;
    if (w->large) {
        bool above = w->pde & PTE_PA & ~0xffffffffull;
        w->pa = above ? PA_NOWHERE | (va & PAGE_MASK) : ((u32)w->pde & ~PAE_2M_MASK) | (va & PAE_2M_MASK);
        return w->pde & PAE_2M_RSVD ? FOUND_RSVD : FOUND_PAGE;
    }
    w->pte_pa = (pae_page(w->pde) | (va >> 9 & 0xff8)) & p->a20_mask;
    w->pte = phys_read64(p, w->pte_pa);
    if (!(w->pte & PTE_P)) return FOUND_NOTHING;
    w->pa = pae_page(w->pte) | (va & PAGE_MASK);
    return w->pte & rsvd ? FOUND_RSVD : FOUND_PAGE;
}

Walk mmu_walk(Phys *p, const Paging *pg, u32 va, unsigned flags)
{
    Walk w = {0};
    if (!pg->on)
        return (Walk){.ok = true, .pa = va & p->a20_mask, .writable = true, .user = true, .dirty = true};

    Found found = pg->pae ? find_page_pae(p, pg, va, &w) : find_page(p, pg, va, &w);
    w.writable = w.pde & w.pte & PTE_W;
    w.user = w.pde & w.pte & PTE_U;
    w.nx = pg->nx && (w.pde | w.pte) & PTE_NX;
    if (found != FOUND_PAGE || !allowed(pg, &w, flags)) {
        w.error = fault_code(pg, found, flags);
        return w;
    }
    if (!(flags & WALK_NO_AD)) mark_used(p, &w, flags);
    w.ok = true;
    w.dirty = w.pte & PTE_D;
    w.global = pg->pge && (w.pte & PTE_G);
    w.pa &= p->a20_mask;
    return w;
}
