/* cpu_guest.h - a processor with 2 MiB of RAM and nothing else, for the cpu_ tests.
 *
 * Real mode: code at 0000:1000, stack top at 0000:8000, the interrupt handler of vector v at 0000:2000 + 16 v.
 * guest_protected() switches to flat 32-bit protected mode with a GDT, an IDT and a TSS of its own (see there).
 *
 * With GUEST_TRANSLATED defined the same tests run under the translator (the xlat_ tests that include cpu_ ones), in the
 * form that RING3_FORM names.
 */
#ifndef RING3_CPU_GUEST_H
#define RING3_CPU_GUEST_H

#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "mmu/phys.h"
#ifdef GUEST_TRANSLATED
#include "tests/vm.h"
#endif

enum {
    CODE_AT = 0x1000,
    HANDLERS_AT = 0x2000,
    STACK_AT = 0x8000,
    GDT_AT = 0x10000,
    IDT_AT = 0x11000,
    LDT_AT = 0x12000,
    TSS_AT = 0x13000,
    TSS2_AT = 0x13800,
    TSS16_AT = 0x13c00,
    STACK0_AT = 0x18000,
    STACK1_AT = 0x19000,
    STACK3_AT = 0x1a000
};
/* selectors of guest_protected() */
enum {
    CODE0 = 0x08,
    DATA0 = 0x10,
    CODE3 = 0x18,
    DATA3 = 0x20,
    CODE1 = 0x28,
    DATA1 = 0x30,
    CONF0 = 0x38,
    TSS = 0x40,
    TSS2 = 0x48,
    TSS16 = 0x50,
    LDT = 0x58,
    GATE = 0x60,
    GATE16 = 0x68,
    TASKGATE = 0x70,
    ABSENT = 0x78,
    RODATA3 = 0x80,
    CODE16 = 0x88,
    DATA16 = 0x90,
    XONLY3 = 0x98,
    ABSENT_STACK = 0xa0,
    FREE = 0xa8,
    GDT_ENTRIES = 0x20,
};

typedef struct Guest {
    Vcpu c;
    Bus *bus;
    Phys *phys;
    u8 vector; /* what the interrupt controller answers */
} Guest;

static inline u8 guest_ack(void *ctx)
{
    Guest *g = ctx;
    cpu_set_intr(&g->c, false);
    return g->vector;
}

static inline void guest_write(Guest *g, u32 pa, const void *from, u32 n)
{
    memcpy(g->phys->ram + pa, from, n);
    phys_written(g->phys, pa, n);
}
static inline void guest_poke(Guest *g, u32 pa, u32 v, unsigned n) { guest_write(g, pa, &v, n); }
static inline u32 guest_peek(Guest *g, u32 pa, unsigned n)
{
    u32 v = 0;
    memcpy(&v, g->phys->ram + pa, n);
    return v;
}
static inline u32 handler_at(u8 vector) { return HANDLERS_AT + 16u * vector; }
static inline void guest_code(Guest *g, const void *code, u32 n) { guest_write(g, CODE_AT, code, n); }
static inline void guest_real_handler(Guest *g, u8 vector)
{
    guest_poke(g, vector * 4u, handler_at(vector), 4);
    guest_poke(g, handler_at(vector), 0xf4, 1);
}

/* The engine is made in the test itself, since cmocka takes the signal handlers of fixtures away. */
#ifdef GUEST_TRANSLATED
static inline void guest_engine_init(Vcpu *c)
{
    const char *why = "";
    if (!c->engine && !xlat_new(c, vm_xlat_options(), &why)) skip();
}
static inline void guest_engine_fini(Vcpu *c)
{
    if (c->engine) xlat_free(c->engine);
}
#else
static inline void guest_engine_init(Vcpu *c) { c->engine = &engine_interp; }
static inline void guest_engine_fini(Vcpu *c) { (void)c; }
#endif

static inline StopReason guest_run(Guest *g)
{
    static const RunHooks none;
    g->c.halted = false;
    guest_engine_init(&g->c);
    g->c.engine->paging_changed(g->c.engine->ctx, &g->c,
                                EV_CR0 | EV_CR3 | EV_CR4); /* tests set registers by hand */
    return cpu_run(&g->c, &none);
}

static inline void guest_real(Guest *g)
{
    Vcpu *c = &g->c;
    cpu_reset(c);
    c->cr0 = CR0_ET;
    seg_load_real(c, CS, 0);
    c->eip = CODE_AT;
    c->gpr[ESP] = STACK_AT;
    c->gpr[EDX] = 0;
}

static inline int guest_setup(void **state)
{
    Guest *g = calloc(1, sizeof *g);
    g->bus = bus_new();
    g->phys = phys_new(g->bus, 2 << 20);
    cpu_init(&g->c, cpu_model_find("max"), g->bus, g->phys);
    g->c.intr_ack = guest_ack;
    g->c.intr_ctx = g;
    guest_real(g);
    *state = g;
    return 0;
}

static inline int guest_teardown(void **state)
{
    Guest *g = *state;
    guest_engine_fini(&g->c);
    phys_free(g->phys);
    bus_free(g->bus);
    free(g);
    return 0;
}
#define GUEST_TEST(f) cmocka_unit_test_setup_teardown(f, guest_setup, guest_teardown)

/* The call raises `vector` with error code `err`. */
#define assert_raises(g, call, vec, err)                                                                     \
    do {                                                                                                     \
        if (setjmp((g)->c.fault_jmp) == 0) {                                                                 \
            call;                                                                                            \
            fail_msg("%s: no fault", #call);                                                                 \
        }                                                                                                    \
        assert_int_equal((g)->c.fault.vector, vec);                                                          \
        assert_int_equal((g)->c.fault.error, err);                                                           \
    } while (0)
#define assert_quiet(g, call)                                                                                \
    do {                                                                                                     \
        if (setjmp((g)->c.fault_jmp) == 0)                                                                   \
            call;                                                                                            \
        else                                                                                                 \
            fail_msg("%s: vector %u error %x", #call, (g)->c.fault.vector, (g)->c.fault.error);              \
    } while (0)

/* --- protected mode --- */

static inline void guest_desc(Guest *g, u16 sel, u32 base, u32 limit, u8 access, u8 flags)
{
    u32 at = GDT_AT + (sel & 0xfff8u);
    guest_poke(g, at, (limit & 0xffff) | base << 16, 4);
    guest_poke(g, at + 4,
               (base >> 16 & 0xff) | (u32)access << 8 | (limit & 0xf0000) | (u32)flags << 20 |
                   (base & 0xff000000u),
               4);
}

/* A gate at linear address `at`; access: P, DPL and type. */
static inline void guest_gate(Guest *g, u32 at, u16 sel, u32 off, u8 access, u8 params)
{
    guest_poke(g, at, (off & 0xffff) | (u32)sel << 16, 4);
    guest_poke(g, at + 4, (off & 0xffff0000u) | (u32)access << 8 | params, 4);
}

static inline void guest_seg(Guest *g, int seg, u16 sel)
{
    Descriptor d = {.lo = guest_peek(g, GDT_AT + (sel & 0xfff8u), 4),
                    .hi = guest_peek(g, GDT_AT + (sel & 0xfff8u) + 4, 4)};
    desc_to_segment(&d, sel, &g->c.seg[seg]);
}

/* Flat 32-bit code at `cpl` (0, 1 or 3), CODE_AT. Every vector has an interrupt gate (DPL 3) to handler_at(v),
 * where there is a HLT; SS0:ESP0 = DATA0:STACK0_AT, SS1:ESP1 = DATA1:STACK1_AT. */
static inline void guest_protected(Guest *g, unsigned cpl)
{
    static const u16 code[] = {CODE0, CODE1, 0, CODE3}, data[] = {DATA0, DATA1, 0, DATA3};
    static const u32 stack[] = {STACK0_AT, STACK1_AT, 0, STACK3_AT};
    Vcpu *c = &g->c;
    guest_desc(g, CODE0, 0, 0xfffff, 0x9a, 0xc), guest_desc(g, DATA0, 0, 0xfffff, 0x92, 0xc);
    guest_desc(g, CODE3, 0, 0xfffff, 0xfa, 0xc), guest_desc(g, DATA3, 0, 0xfffff, 0xf2, 0xc);
    guest_desc(g, CODE1, 0, 0xfffff, 0xba, 0xc), guest_desc(g, DATA1, 0, 0xfffff, 0xb2, 0xc);
    guest_desc(g, CONF0, 0, 0xfffff, 0x9e, 0xc);
    guest_desc(g, TSS, TSS_AT, 0x7ff, 0x89, 0), guest_desc(g, TSS2, TSS2_AT, 103, 0x89, 0);
    guest_desc(g, TSS16, TSS16_AT, 43, 0x81, 0), guest_desc(g, LDT, LDT_AT, 0xff, 0x82, 0);
    guest_desc(g, ABSENT, 0, 0xfffff, 0x72, 0xc), guest_desc(g, RODATA3, 0, 0xfffff, 0xf0, 0xc);
    guest_desc(g, CODE16, 0, 0xffff, 0x9a, 0), guest_desc(g, DATA16, 0, 0xffff, 0x92, 0);
    guest_desc(g, XONLY3, 0, 0xfffff, 0xf8, 0xc), guest_desc(g, ABSENT_STACK, 0, 0xfffff, 0x12, 0xc);
    for (unsigned v = 0; v < 256; v++) {
        guest_gate(g, IDT_AT + 8 * v, CODE0, handler_at((u8)v), 0xee, 0);
        guest_poke(g, handler_at((u8)v), 0xf4, 1);
    }
    guest_poke(g, TSS_AT + 4, STACK0_AT, 4), guest_poke(g, TSS_AT + 8, DATA0, 2);
    guest_poke(g, TSS_AT + 12, STACK1_AT, 4), guest_poke(g, TSS_AT + 16, DATA1 | 1, 2);
    guest_poke(g, TSS_AT + 102, 0x800, 2);
    c->gdtr.base = GDT_AT, c->gdtr.limit = GDT_ENTRIES * 8 - 1;
    c->idtr.base = IDT_AT, c->idtr.limit = 0x7ff;
    c->cr0 = CR0_PE | CR0_ET;
    guest_poke(g, GDT_AT + TSS + 5, 0x8b, 1);
    Descriptor d = {.lo = guest_peek(g, GDT_AT + TSS, 4), .hi = guest_peek(g, GDT_AT + TSS + 4, 4)};
    desc_to_segment(&d, TSS, &c->tr);
    c->ldtr = (Segment){.attr = SEG_UNUSABLE};
    guest_seg(g, CS, (u16)(code[cpl] | cpl));
    for (int s = ES; s < SEG_COUNT; s++)
        if (s != CS) guest_seg(g, s, (u16)(data[cpl] | cpl));
    cpu_set_cpl(c, cpl);
    c->eip = CODE_AT;
    c->gpr[ESP] = stack[cpl];
}

/* Run what was written to CODE_AT until a HLT at CPL 0 (in a handler: which one?). -1: elsewhere. */
static inline int guest_vector(Guest *g)
{
    if (guest_run(g) != STOP_HLT) return -2;
    u32 at = g->c.eip - 1 - HANDLERS_AT;
    return at < 16 * 256 && !(at & 15) ? (int)(at / 16) : -1;
}

#endif
