/* memory.h - the inline part of memory.c, shared with the fetch (interp.c) and the string runs (string.c).
 * Everybody else includes cpu/cpu.h. */
#ifndef RING3_MEMORY_H
#define RING3_MEMORY_H

#include "cpu/wait.h"
#include "mmu/walk.h"

Paging cpu_paging(const Vcpu *c);
u32 lin_walk(Vcpu *c, u32 va, Access a, AccessBy by); /* mmu_walk, raising #PF with CR2 */

/* The eight bytes of memory that hold an entry, for each of the two that led to a page. While all sixteen are what they
 * were, so is the translation, but for registers. pde NULL: it was not found on the short way. */
typedef struct Entries {
    const u8 *pde, *pte;
} Entries;
u32 lin_paged(Vcpu *c, u32 va, Access a, AccessBy by, Entries *from);

/* Physical address of va for an access that stays in its page; raises #PF. */
static inline u32 lin_translate(Vcpu *c, u32 va, Access a, AccessBy by, Entries *from /* or NULL */)
{
    return c->cr0 & CR0_PG ? lin_paged(c, va, a, by, from) : va;
}

static inline u32 lin_pa(Vcpu *c, u32 va, Access a, AccessBy by)
{
    u32 pa = lin_translate(c, va, a, by, NULL);
    if (unlikely(c->wait.left)) wait_touches(c, pa, a & ACC_WRITE);
    return pa;
}

/* RAM that may be written without telling anybody, or NULL. */
static inline u8 *phys_hp_quiet(const Phys *p, u32 pa)
{
    u32 pfn = (pa & p->a20_mask) >> PAGE_BITS;
    if (p->pages[pfn].kind != PAGE_RAM || p->watch[pfn]) return NULL;
    return p->ram + ((u64)p->pages[pfn].offset_page << PAGE_BITS) + (pa & PAGE_MASK);
}

static inline u32 host_load(const u8 *hp, unsigned bytes)
{
    return bytes == 4 ? load32(hp) : bytes == 2 ? load16(hp) : *hp;
}

static inline void host_store(u8 *hp, u32 v, unsigned bytes)
{
    if (bytes == 4)
        store32(hp, v);
    else if (bytes == 2)
        store16(hp, (u16)v);
    else
        *hp = (u8)v;
}

static inline bool lin_straddles(u32 va, unsigned bytes) { return (va & PAGE_MASK) + bytes > PAGE_BYTES; }

#endif
