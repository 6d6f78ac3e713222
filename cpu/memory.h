/* memory.h - the inline part of memory.c, shared with the fetch (interp.c) and the string runs (string.c).
 * Everybody else includes cpu/cpu.h. */
#ifndef RING3_MEMORY_H
#define RING3_MEMORY_H

#include "cpu/wait.h"
#include "mmu/walk.h"

Paging cpu_paging(const Vcpu *c);
u32 lin_walk(Vcpu *c, u32 va, Access a, AccessBy by); /* mmu_walk, raising #PF with CR2 */
u32 lin_pa_more(Vcpu *c, u32 va, Access a, AccessBy by);

/* lin_pa - physical address of va for an access that stays in its page; raises #PF. A walk every time, so it is
 * coherent with the guest's tables by construction; but when the entries already grant the access and hold A and D,
 * two loads are all that it takes. Everything out of the ordinary is mmu_walk's. */
static inline u32 lin_translate(Vcpu *c, u32 va, Access a, AccessBy by)
{
    if (!(c->cr0 & CR0_PG)) return va;
    if (unlikely(c->cr4 & (by == BY_USER ? CR4_PAE : CR4_PAE | CR4_SMEP | CR4_SMAP)))
        return lin_pa_more(c, va, a, by);
    u32 want = PTE_P | PTE_A | (by == BY_USER ? PTE_U : 0) | (a & ACC_WRITE ? PTE_W : 0);
    const u8 *hp = phys_hp(c->phys, (c->cr3 & ~(u32)PAGE_MASK) | (va >> 20 & 0xffc));
    if (unlikely(!hp)) return lin_walk(c, va, a, by);
    u32 pde = load32(hp);
    if (unlikely((pde & want) != want)) return lin_walk(c, va, a, by);
    if (pde & PTE_PS) {
        bool plain = (c->cr4 & CR4_PSE) && !(pde & 0x3fe000 /* reserved */);
        if (!plain || ((a & ACC_WRITE) && !(pde & PTE_D))) return lin_walk(c, va, a, by);
        return (pde & 0xffc00000u) | (va & 0x3fffff);
    }
    hp = phys_hp(c->phys, (pde & ~(u32)PAGE_MASK) | (va >> 10 & 0xffc));
    if (unlikely(!hp)) return lin_walk(c, va, a, by);
    if (a & ACC_WRITE) want |= PTE_D;
    u32 pte = load32(hp);
    if (unlikely((pte & want) != want)) return lin_walk(c, va, a, by);
    return (pte & ~(u32)PAGE_MASK) | (va & PAGE_MASK);
}

static inline u32 lin_pa(Vcpu *c, u32 va, Access a, AccessBy by)
{
    u32 pa = lin_translate(c, va, a, by);
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
