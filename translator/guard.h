/* guard.h - C code reads and writes guest memory through a window, and hears of it when that cannot be.
 *
 * Each access is one instruction, listed with the address to go on at in section ring3_guard. The SIGSEGV handler
 * settles hidden faults as for translated code and repeats the access; anything else makes it go on behind, with
 * the answer false and nothing done.
 */
#ifndef RING3_GUARD_H
#define RING3_GUARD_H

#include "cpu/base/base.h"

typedef struct GuardEntry { /* both relative to the field's own address */
    s32 access, behind;
} GuardEntry;
extern const GuardEntry __start_ring3_guard[], __stop_ring3_guard[];

#define GUARD(insn)                                                                                          \
    "1: " insn                                                                                               \
    "\n\tmovl $1, %k[ok]\n2:\n\t.pushsection ring3_guard, \"a\"\n\t.long 1b - ., 2b - .\n\t.popsection"

static inline bool guard_load64(const u8 *at, u64 *v)
{
    u32 ok = 0;
    *v = 0;
    __asm__ volatile(GUARD("movq (%[at]), %[v]") : [v] "+r"(*v), [ok] "+r"(ok) : [at] "r"(at) : "memory");
    return ok;
}

static inline bool guard_load32(const u8 *at, u32 *v)
{
    u32 ok = 0;
    *v = 0;
    __asm__ volatile(GUARD("movl (%[at]), %k[v]") : [v] "+r"(*v), [ok] "+r"(ok) : [at] "r"(at) : "memory");
    return ok;
}

static inline bool guard_store32(u8 *at, u32 v)
{
    u32 ok = 0;
    __asm__ volatile(GUARD("movl %k[v], (%[at])") : [ok] "+r"(ok) : [at] "r"(at), [v] "r"(v) : "memory");
    return ok;
}

/* Where to go on if `pc` is such an access, else NULL. */
static inline const u8 *guard_behind(const u8 *pc)
{
    for (const GuardEntry *e = __start_ring3_guard; e < __stop_ring3_guard; e++)
        if ((const u8 *)&e->access + e->access == pc) return (const u8 *)&e->behind + e->behind;
    return NULL;
}

#endif
