/* protect.h - what the files about protection share: segment.c, exception.c, far.c, task.c, system.c, debug.c.
 *
 * Selector error codes: raise_sel() adds the EXT bit by itself (Vcpu.delivering_ext), so that a check reads the same
 * whether an instruction or the delivery of an event makes it.
 */
#ifndef RING3_PROTECT_H
#define RING3_PROTECT_H

#include "cpu/exec.h"
#include "cpu/memory.h"

/* types of system descriptors (SDM vol. 3, table 3-2) */
enum {
    SYS_TSS16 = 1,
    SYS_LDT = 2,
    SYS_TSS16_BUSY = 3,
    SYS_CALL16 = 4,
    SYS_TASK_GATE = 5,
    SYS_INT16 = 6,
    SYS_TRAP16 = 7,
    SYS_TSS32 = 9,
    SYS_TSS32_BUSY = 11,
    SYS_CALL32 = 12,
    SYS_INT32 = 14,
    SYS_TRAP32 = 15,
    SYS_32BIT = 8,
    SYS_BUSY = 2,
};
/* Descriptor.hi */
enum {
    DESC_TYPE_SHIFT = 8,
    DESC_ACCESSED = 1 << 8,
    DESC_BUSY = 1 << 9,
    DESC_RW = 1 << 9,
    DESC_CONFORMING = 1 << 10,
    DESC_CODE = 1 << 11,
    DESC_S = 1 << 12,
    DESC_P = 1 << 15,
    DESC_DB = 1 << 22,
    DESC_G = 1 << 23,
};
enum { DR6_B = 15, DR6_BD = 1 << 13, DR6_BS = 1 << 14, DR6_BT = 1 << 15 };
enum { DR7_ENABLES = 0xff, DR7_LOCAL = 0x155 /* L0-L3, LE */, DR7_GD = 1 << 13 };
enum { TSS32_LINK = 0, TSS32_MIN_LIMIT = 103, TSS16_MIN_LIMIT = 43, TSS_IOMAP = 102 };

static inline unsigned desc_dpl(const Descriptor *d) { return d->hi >> 13 & 3; }
static inline unsigned desc_type(const Descriptor *d) { return d->hi >> DESC_TYPE_SHIFT & 15; }
static inline bool desc_is_code(const Descriptor *d)
{
    return (d->hi & (DESC_S | DESC_CODE)) == (DESC_S | DESC_CODE);
}
static inline bool desc_is_conforming_code(const Descriptor *d)
{
    return desc_is_code(d) && d->hi & DESC_CONFORMING;
}
static inline bool desc_is_writable_data(const Descriptor *d)
{
    return (d->hi & (DESC_S | DESC_CODE | DESC_RW)) == (DESC_S | DESC_RW);
}
/* desc_set_accessed will not fault: raises what it would. */
void desc_probe_accessed(Vcpu *c, const Descriptor *d);
u32 desc_base(const Descriptor *d);
u32 desc_limit(const Descriptor *d); /* scaled by G */
static inline bool sel_is_null(u16 sel) { return (sel & 0xfffc) == 0; }

/* A descriptor or gate: 8 bytes of a system table, with supervisor rights, by one walk where that is possible. */
static inline u64 table_read(Vcpu *c, u32 va)
{
    if (likely((va & PAGE_MASK) <= PAGE_BYTES - 8 && !cpu_watches(c))) {
        const u8 *hp = phys_hp(c->phys, lin_pa(c, va, ACC_READ, BY_PROCESSOR));
        if (likely(hp)) return load64(hp);
    }
    u32 lo = lin_read(c, va, 4, ACC_READ, BY_PROCESSOR);
    return lo | (u64)lin_read(c, va + 4, 4, ACC_READ, BY_PROCESSOR) << 32;
}

/* vector with error code (sel & ~3) + EXT */
_Noreturn void raise_sel(Vcpu *c, u8 vector, u16 sel);
/* desc_fetch, or `vector` with sel */
void desc_get(Vcpu *c, u16 sel, Descriptor *d, u8 vector);
/* Are `bytes` at `off` inside the limit (expand-down considered)? */
bool seg_has(const Segment *s, u32 off, unsigned bytes);
void seg_set_null(Segment *s, u16 sel);

/* A stack that is being built or taken apart before anything is committed. Pushes and pops check s.limit and
 * raise #SS(error); accesses are made with the rights of `user`. Who pushes more than one element reserves them
 * all first, and makes every other check, so that a fault finds memory unchanged. */
typedef struct Stack {
    Segment ss;
    u32 esp;
    bool user;
    u32 error;
    /* The page of the last access, so that a frame walks once: host address of its byte 0, NULL: none; for writes
     * plain RAM that nobody watches. */
    u8 *page_hp;
    u32 page_va;
    bool page_writable;
} Stack;
Stack stack_current(const Vcpu *c);
/* The next n pushes of `bytes` each will not fault: raises what they would. */
void stack_reserve(Vcpu *c, Stack *s, unsigned n, unsigned bytes);
void stack_push(Vcpu *c, Stack *s, u32 v, unsigned bytes);
u32 stack_pop(Vcpu *c, Stack *s, unsigned bytes);
u32 stack_peek(Vcpu *c, Stack *s, u32 at, unsigned bytes); /* element at byte offset from the top */
void stack_drop(Stack *s, u32 bytes);
void stack_commit(Vcpu *c, const Stack *s); /* SS and ESP (only SP for a 16-bit stack of the same segment) */
/* The stack for privilege level `cpl` out of the TSS, with all its checks: #TS, #NP, #SS. */
Stack stack_for_cpl(Vcpu *c, unsigned cpl);

/* Commit CS for level `cpl` (the selector's RPL becomes it) and continue at eip, which must have been checked. */
void cs_commit(Vcpu *c, Descriptor *d, u16 sel, unsigned cpl, u32 eip);
/* Data segments that an outer level may not keep are nulled. */
void segs_drop_for(Vcpu *c, unsigned cpl);
/* Load ES, SS, DS, FS, GS, CS as V86 (or real) mode does. */
void seg_set_v86(Segment *s, u16 sel);

/* debug.c */
void debug_fault_on_gd(Vcpu *c); /* MOV DRn with DR7.GD: #DB; raises */
bool debug_possible(const Vcpu *c); /* DR6, DR7 and what is pending have only bits that exist */
bool debug_fetch_hit(Vcpu *c);   /* instruction breakpoint at CS:EIP? sets db_pending */
void debug_io_access(Vcpu *c, u16 port, unsigned bytes);
/* system.c */
bool flags_interrupt_ok(const Vcpu *c);       /* CPL <= IOPL */
bool flags_v86_virtual(const Vcpu *c);        /* V86 mode, IOPL < 3 and CR4.VME: IF is virtual */
u32 flags_virtual_image(const Vcpu *c);       /* what PUSHF and INT n then push: VIF as IF, IOPL 3 */
void flags_virtual_check(Vcpu *c, u32 image); /* #GP(0) if POPF or IRET may not load it */
void flags_virtual_write(Vcpu *c, u32 image);
u32 cpu_cr0_present(const Vcpu *c); /* bits that this processor has, but for ET */
u32 cpu_cr4_present(const Vcpu *c);
void cr3_check(Vcpu *c, u32 v); /* #GP(0) if CR3 = v would load PDPTEs with reserved bits */
u32 flags_writable(const Vcpu *c, unsigned cpl, unsigned opsize); /* mask for POPF, IRET at that level */
/* msr.c */
bool msr_possible(Vcpu *c); /* every MSR that is storage has a value that WRMSR would have taken */

#endif
