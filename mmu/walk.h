/* walk.h - the guest's page tables, walked in software (SDM vol. 3, 4.3: 32-bit paging, PSE, PGE; no PAE).
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
} Paging;

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_PWT = 8, PTE_PCD = 16, PTE_A = 32, PTE_D = 64, PTE_PS = 128, PTE_G = 256 };
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8 };

typedef struct Walk {
    bool ok;
    u32 error;       /* #PF error code when !ok */
    u32 pa;          /* physical address of va when ok */
    u32 pde_pa, pte_pa; /* where the entries are; pte_pa 0 for a 4 MiB page */
    u32 pde, pte;    /* as found (after A/D were set); pte = pde for a 4 MiB page */
    bool large, writable, user, dirty, global; /* effective rights: PDE & PTE */
} Walk;

enum { WALK_WRITE = 1, WALK_USER = 2, WALK_NO_AD = 4 /* debugger: set no A/D bits */ };

/* Translate va. Sets A (and D for WALK_WRITE) in the guest's entries when the access is allowed, and tells
 * phys_written about them only if the entry changed. Paging off: pa = va. */
Walk mmu_walk(Phys *p, const Paging *pg, u32 va, unsigned flags);

/* clang-format on */
#endif
