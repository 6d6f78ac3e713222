/* xlat_mixed.c - real-mode programs that keep code and data together (tests/guests/mixed.S): right, as the interpreter
 * has them, and without traps and translations at every turn. RING3_MIXED_BENCH=1 prints what a round costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm.h"

#define PROGRAM(name) extern const u8 name[], name##_end[];
PROGRAM(mixed_variables)
PROGRAM(mixed_patch)
PROGRAM(mixed_patch_more)
PROGRAM(mixed_unpack)
PROGRAM(mixed_handler)
PROGRAM(mixed_stack)
PROGRAM(mixed_far)
PROGRAM(mixed_flags)
extern const u8 mixed_handler_entry[], mixed_handler_variables[], mixed_stack_top[];

enum { CODE_SEG = 0x1000, DATA_SEG = 0x3000, FAR_OFFSET = 0x4000, COMPARED = 0x40000 };

typedef struct Mixed {
    const char *name;
    const u8 *begin, *end;
    u32 rounds, ops; /* what is measured, in a round */
    bool data_apart, stack_apart;
    bool patches; /* instructions are fetched each time: interpreted by design */
} Mixed;

typedef struct Result {
    Vcpu c;
    u8 *ram;
    u64 ns, interpreted;
    XlatStats stats;
} Result;

static void vector_set(Vm *v, unsigned n, u32 off) { store32(v->phys->ram + 4 * n, CODE_SEG << 16 | off); }

static void place(Vm *v, const Mixed *m)
{
    u8 *code = v->phys->ram + CODE_SEG * 16;
    Vcpu *c = &v->c;
    cpu_reset(c);
    memcpy(code, m->begin, (size_t)(m->end - m->begin));
    vector_set(v, 0x60, FAR_OFFSET);     /* add ax, bx; iret */
    vector_set(v, 0x61, FAR_OFFSET + 8); /* sub ax, bx; iret */
    memcpy(code + FAR_OFFSET, "\x01\xd8\xcf", 3);
    memcpy(code + FAR_OFFSET + 8, "\x29\xd8\xcf", 3);
    vector_set(v, 0x62, (u32)(mixed_handler_entry - mixed_handler));
    for (int s = 0; s < SEG_COUNT; s++) seg_load_real(c, s, CODE_SEG);
    if (m->data_apart) seg_load_real(c, DS, DATA_SEG);
    c->gpr[EBP] = m->data_apart ? 0x2000 : (u32)(mixed_handler_variables - mixed_handler);
    c->gpr[ESP] = m->stack_apart ? 0x8000 : (u32)(mixed_stack_top - mixed_stack);
    c->gpr[EDX] = m->rounds;
    c->eip = 0;
}

static void run(const Mixed *m, bool translate, Result *r)
{
    static Vm v;
    memset(&v, 0, sizeof v);
    vm_start(&v, translate);
    place(&v, m);
    u64 began = host_now_ns();
    assert_int_equal(vm_run(&v), STOP_HLT);
    r->ns = host_now_ns() - began;
    memcpy(&r->c, &v.c, sizeof r->c);
    r->ram = malloc(COMPARED);
    memcpy(r->ram, v.phys->ram, COMPARED);
    r->interpreted = v.c.insns_interp;
    if (translate) r->stats = ((Xlat *)v.xlat->ctx)->stats;
    vm_end(&v);
}

static void right_and_cheap(void **state)
{
    const Mixed *m = *state;
    static Result a, b;
    run(m, false, &a);
    run(m, true, &b);
    if (getenv("RING3_MIXED_BENCH"))
        print_message(
            "%-36s %8.1f ns an operation (interpreter %.1f); %llu traps, %llu kills, %llu interpreted\n",
            m->name, (double)b.ns / m->rounds / m->ops, (double)a.ns / m->rounds / m->ops,
            (unsigned long long)b.stats.traps[SHADOW_WATCHED], (unsigned long long)b.stats.invalidated,
            (unsigned long long)b.interpreted);
    assert_memory_equal(a.c.gpr, b.c.gpr, sizeof a.c.gpr);
    assert_int_equal(a.c.eip, b.c.eip);
    assert_int_equal(a.c.eflags & 0xcd5, b.c.eflags & 0xcd5);
    assert_memory_equal(a.ram, b.ram, COMPARED);
    assert_true(b.stats.traps[SHADOW_WATCHED] < 64);
    assert_true(b.stats.invalidated < 200);
    if (!m->patches) assert_true(b.interpreted < m->rounds / 10);
    free(a.ram);
    free(b.ram);
}

/* clang-format off */
#define CODE(name) name, name##_end
static const Mixed mixed[] = {
    {"variables, own segment", CODE(mixed_variables), 20000, 100, false, false, false},
    {"variables, apart", CODE(mixed_variables), 20000, 100, true, false, false},
    {"a patched immediate", CODE(mixed_patch), 5000, 100, false, true, true},
    {"patched opcode, vector, jump", CODE(mixed_patch_more), 30000, 1, false, true, true},
    {"unpacker", CODE(mixed_unpack), 1000, 1, false, true, true},
    {"handler with variables beside it", CODE(mixed_handler), 50000, 1, false, true, true},
    {"handler, variables apart", CODE(mixed_handler), 50000, 1, true, true, true},
    {"stack beside the code", CODE(mixed_stack), 60000, 1, false, false, false},
    {"stack apart", CODE(mixed_stack), 60000, 1, false, true, false},
    {"far calls, jumps, returns", CODE(mixed_far), 30000, 4, false, true, false},
    {"flags, SS, a chained interrupt", CODE(mixed_flags), 30000, 1, false, true, false},
};
/* clang-format on */

int main(void)
{
    static struct CMUnitTest tests[ARRAY_LEN(mixed)];
    for (unsigned n = 0; n < ARRAY_LEN(mixed); n++)
        tests[n] = (struct CMUnitTest){.name = mixed[n].name,
                                       .test_func = right_and_cheap,
                                       .initial_state = (void *)(uintptr_t)&mixed[n]};
    return _cmocka_run_group_tests("xlat_mixed", tests, ARRAY_LEN(mixed), NULL, NULL);
}
