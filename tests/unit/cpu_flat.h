/* cpu_flat.h - a guest for tests of the interpreter: flat 32-bit protected mode at CPL 0, paging off, no devices. */
#ifndef RING3_TESTS_CPU_FLAT_H
#define RING3_TESTS_CPU_FLAT_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "cpu/alu.h"
#include "mmu/walk.h"

enum { FLAT_RAM = 4 << 20, FLAT_CODE = 0x1000, NO_FAULT = -1 };

static inline Segment flat_segment(u32 attr)
{
    return (Segment){.base = 0, .limit = 0xffffffff, .attr = attr, .sel = 8};
}

static inline void flat_reset(Vcpu *c)
{
    cpu_init(c, cpu_model_find("max"), c->bus, c->phys);
    c->engine = &engine_interp;
    for (int s = 0; s < SEG_COUNT; s++)
        c->seg[s] = flat_segment(SEG_G | SEG_DB | SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED);
    c->seg[CS] = flat_segment(SEG_G | SEG_DB | SEG_P | SEG_S | SEG_CODE | SEG_READABLE | SEG_ACCESSED);
    c->cr0 = CR0_PE | CR0_ET;
    c->eip = FLAT_CODE;
}

static inline Vcpu *flat_new(void)
{
    Vcpu *c = aligned_alloc(64, (sizeof *c + 63) & ~(size_t)63);
    c->bus = bus_new();
    c->phys = phys_new(c->bus, FLAT_RAM);
    flat_reset(c);
    return c;
}

static inline void flat_free(Vcpu *c)
{
    phys_free(c->phys);
    bus_free(c->bus);
    free(c);
}

/* For cmocka: *state is a guest of the test's own. */
static inline int flat_setup(void **state)
{
    *state = flat_new();
    return 0;
}
static inline int flat_teardown(void **state)
{
    flat_free(*state);
    return 0;
}

static inline u8 *flat_ram(Vcpu *c, u32 pa) { return c->phys->ram + pa; }

static inline void flat_code(Vcpu *c, const void *bytes, size_t n)
{
    memcpy(flat_ram(c, c->seg[CS].base + c->eip), bytes, n);
}
#define CODE(c, ...) flat_code(c, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

/* What the interpreter looks at between instructions and iterations. */
static inline void flat_attention(Vcpu *c) { cpu_attention(c, ATT_CLOCK); }

/* One instruction: NO_FAULT, or the vector that it raised. */
static inline int flat_step(Vcpu *c)
{
    if (setjmp(c->fault_jmp)) return c->fault.vector;
    interp_one(c);
    return NO_FAULT;
}

/* 32-bit page tables at 2 MiB that map the first 4 MiB to themselves; returns the entry of va. */
enum { FLAT_PD = 0x200000, FLAT_PT = 0x201000 };
static inline void flat_paging(Vcpu *c)
{
    memset(flat_ram(c, FLAT_PD), 0, PAGE_BYTES);
    store32(flat_ram(c, FLAT_PD), FLAT_PT | PTE_P | PTE_W | PTE_U);
    for (u32 n = 0; n < 1024; n++)
        store32(flat_ram(c, FLAT_PT + 4 * n), n << PAGE_BITS | PTE_P | PTE_W | PTE_U);
    c->cr3 = FLAT_PD;
    c->cr0 |= CR0_PG | CR0_WP;
}
static inline u8 *flat_pte(Vcpu *c, u32 va) { return flat_ram(c, FLAT_PT + 4 * (va >> PAGE_BITS)); }

#endif
