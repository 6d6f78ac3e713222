/* walk.h - the guest's page tables, walked in software (SDM vol. 3, 4.3: 32-bit paging with PSE and PGE; 4.4: PAE).
 * Reports by value and raises nothing. */
#ifndef RING3_WALK_H
#define RING3_WALK_H

#include "mmu/phys.h"

/* clang-format off */

typedef struct Paging { /* the inputs of translation */
    u32 cr3;
    bool on;  /* CR0.PG */
    bool wp;  /* CR0.WP */
    bool pse, pge; /* CR4 */
    bool pae;      /* CR4.PAE: three levels; the first is pdpte, and cr3 says nothing */
    bool nx;       /* and EFER.NXE: bit 63 of an entry forbids fetches */
    bool smep;     /* CR4.SMEP: rings 0-2 fetch nothing from user pages */
    bool smap;     /* nor do they read or write there: CR4.SMAP, and AC does not allow it */
    u64 pdpte[4];  /* registers, loaded with CR3 (cpu/system.c); of a valid form */
} Paging;

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_PWT = 8, PTE_PCD = 16, PTE_A = 32, PTE_D = 64, PTE_PS = 128, PTE_G = 256 };
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

/* PAE: entries have 8 bytes. A physical address has PA_BITS; above 4 GiB there is nothing (PA_NOWHERE). */
enum { PA_BITS = 36 };
#define PTE_NX       (1ull << 63)
#define PTE_PA       ((1ull << PA_BITS) - PAGE_BYTES)
#define PAE_RSVD     (~(1ull << 63) & ~((1ull << PA_BITS) - 1)) /* of PDEs and PTEs; and NX unless EFER.NXE */
#define PAE_2M_RSVD  0x1fe000ull                                /* of a PDE with PS, too */
#define PDPTE_RSVD   (~((1ull << PA_BITS) - 1) | 0x1e6)         /* only P, PWT, PCD are not */
#define PAE_2M_MASK  0x1fffffu

typedef struct Walk {
    bool ok;
    u32 error;       /* #PF error code when !ok */
    u32 pa;          /* physical address of va when ok */
    u32 pde_pa, pte_pa; /* where the entries are; pte_pa 0 for a large page */
    u64 pde, pte;    /* as found (after A/D were set); pte = pde for a large page (4 MiB, PAE: 2 MiB) */
    bool large, writable, user, dirty, global; /* effective rights: PDE & PTE */
    bool nx;         /* no fetches: PDE | PTE */
} Walk;

enum { WALK_WRITE = 1, WALK_USER = 2, WALK_NO_AD = 4 /* debugger: set no A/D bits */, WALK_FETCH = 8 };

/* Translate va. Sets A (and D for WALK_WRITE) in the guest's entries when the access is allowed, and tells
 * phys_written about them only if the entry changed. Paging off: pa = va. */
Walk mmu_walk(Phys *p, const Paging *pg, u32 va, unsigned flags);

/* The page that a PAE entry leads to: pa of its first byte, PA_NOWHERE for one above 4 GiB. */
static inline u32 pae_page(u64 entry)
{
    return entry & PTE_PA & ~0xffffffffull ? PA_NOWHERE : (u32)entry & ~(u32)PAGE_MASK;
}

/* clang-format on */
#endif
