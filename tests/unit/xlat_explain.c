/* xlat_explain.c - what is known of a block (translator/explain.h), and how often it runs (translator/count.h), of small
 * programs for which it is known beforehand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mmu/bus.h"
#include "tests/vm.h"
#include "translator/count.h"
#include "translator/explain.h"

enum { CODE_AT = 0x10000, LOOP_AT = CODE_AT + 5, ROUNDS = 100, DEVICE_AT = 0xa0000, DEVICE_BYTES = 0x1000 };

static const u8 program[] = {
    0xb9, ROUNDS, 0, 0, 0,    /* mov ecx, 100 */
    0x9c,                     /* pushfd */
    0x9d,                     /* popfd */
    0x89, 0x0d,   0, 0, 2, 0, /* mov [0x20000], ecx */
    0x49,                     /* dec ecx */
    0x75, 0xf5,               /* jnz 0x10005 */
    0xf4,                     /* hlt */
};

static Vm near_vm, *vm = &near_vm; /* near the code, as ring3's is */
static Xlat *x;

static void start(void)
{
    memset(vm, 0, sizeof *vm);
    vm_start(vm, true);
    x = explain_xlat(vm->xlat);
    assert_non_null(x);
}

static void run(const u8 *code, size_t bytes)
{
    vm_flat32(&vm->c);
    memcpy(vm->phys->ram + CODE_AT, code, bytes);
    vm_run(vm);
    assert_int_equal(vm->c.stop_reason, STOP_HLT);
}

static void run_program(void) { run(program, sizeof program); }

static ExplainInsn insn_of(const Block *b, unsigned n)
{
    ExplainInsn i;
    assert_true(explain_insn(x, b, n, &i));
    return i;
}

/* Classes, words and bytes of the loop; its host code in pieces that follow each other. */
static void says_what_is_there(void **state)
{
    static const char *const classes[] = {"SENS", "SENS", "MEM", "IDENT", "FLOW"};
    static const char *const execs[] = {"pushf", "popf", "mov", "dec", "jcc"};
    u32 host = 0, at = LOOP_AT;
    (void)state;
    start();
    run_program();
    const Block *b = explain_find(x, EXPLAIN_LINEAR, LOOP_AT, NULL);
    assert_non_null(b);
    assert_int_equal(b->at, LOOP_AT);
    assert_int_equal(b->pa, LOOP_AT);
    for (unsigned n = 0; n < ARRAY_LEN(classes); n++) {
        ExplainInsn i = insn_of(b, n);
        assert_string_equal(i.cls, classes[n]);
        assert_string_equal(i.exec, execs[n]);
        assert_int_equal(i.eip, at);
        assert_memory_equal(i.bytes, vm->phys->ram + at, i.length);
        assert_int_equal(i.host_at, host);
        assert_true(i.host_bytes > 0);
        assert_string_equal(i.history, "");
        host += i.host_bytes;
        at += i.length;
    }
    assert_true(host <= b->tails && b->tails < b->hbytes);
    ExplainInsn popf = insn_of(b, 1), store = insn_of(b, 2), dec = insn_of(b, 3);
    assert_non_null(strstr(popf.why, "ring 3 leaves IF and IOPL as they are"));
    assert_non_null(strstr(popf.why, "exec_popf"));
    assert_non_null(strstr(store.why, b->table ? "by the table" : "by the window"));
    assert_non_null(strstr(dec.why, "copied"));
    assert_non_null(strstr(dec.why, "polls"));
    vm_end(vm);
}

static void first(void *ctx, const Count *n)
{
    if (n->pa == LOOP_AT) *(const Count **)ctx = n;
}

static void counts_runs(void **state)
{
    const Count *n = NULL;
    ExplainHot hot[4];
    (void)state;
    start();
    run_program();
    ModeKey mode = x->mode;
    assert_null(count_find(x, LOOP_AT, mode));
    count_set(x, true);
    assert_null(explain_find(x, EXPLAIN_LINEAR, LOOP_AT, NULL)); /* the cache is empty */
    run_program();
    assert_int_equal(count_find(x, CODE_AT, mode)->runs, 1);
    assert_int_equal(count_find(x, LOOP_AT, mode)->runs,
                     ROUNDS - 1); /* the first round is the block before it */
    block_flush_all(x);
    run_program();
    assert_int_equal(count_find(x, LOOP_AT, mode)->runs,
                     2 * (ROUNDS - 1)); /* another block, the same count */
    assert_true(explain_hot(x, hot, ARRAY_LEN(hot)) >= 2);
    assert_int_equal(hot[0].count->pa, LOOP_AT);
    assert_int_equal(hot[0].block->at, LOOP_AT);
    assert_true(hot[0].permille > 900 && hot[1].weight <= hot[0].weight);
    count_each(x, first, &n);
    assert_ptr_equal(n, hot[0].count);
    count_clear(x);
    assert_int_equal(explain_hot(x, hot, ARRAY_LEN(hot)), 0);
    run_program();
    assert_int_equal(count_find(x, LOOP_AT, mode)->runs, ROUNDS - 1);
    count_set(x, false);
    run_program();
    assert_int_equal(count_find(x, LOOP_AT, mode)->runs, ROUNDS - 1);
    assert_int_equal(count_lost(x), 0);
    vm_end(vm);
}

/* The same where the Vcpu is out of reach: by RIP. */
static void counts_runs_far(void **state)
{
    vm = xlat_array(1, sizeof *vm);
    assert_non_null(vm);
    assert_true(llabs((intptr_t)vm - (intptr_t)&near_vm) >> 32);
    counts_runs(state);
    xlat_array_free(vm, 1, sizeof *vm);
    vm = &near_vm;
}

/* More blocks than counters: those that find none count together. */
static void count_is_bounded(void **state)
{
    enum { FROM = 1 << 20, BLOCKS = 160 << 10 };
    u32 without = 0;
    (void)state;
    start();
    count_set(x, true);
    context_update(x);
    memset(vm->phys->ram + FROM, 0xf4 /* hlt */, BLOCKS);
    for (u32 pa = FROM; pa < FROM + BLOCKS; pa++) {
        assert_non_null(translate(x, pa, pa, 0, false));
        if (!count_find(x, pa, x->mode)) without = pa;
    }
    assert_int_not_equal(without, 0);
    vm_flat32(&vm->c);
    vm->c.eip = without;
    assert_int_equal(vm_run(vm), STOP_HLT);
    assert_int_equal(count_lost(x), 1);
    count_clear(x);
    assert_int_equal(count_lost(x), 0);
    vm_end(vm);
}

static u32 device_read(void *dev, u32 offset, unsigned bytes)
{
    (void)dev, (void)offset, (void)bytes;
    return 0;
}
static void device_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    (void)offset, (void)bytes;
    *(u32 *)dev += value;
}

static void tells_history(void **state)
{
    static const u8 stores[] = {0xb9, 9, 0, 0, 0, 0xa3, 0, 0, 0xa, 0, 0x49, 0x75, 0xf8, 0xf4};
    static const IoOps ops = {device_read, device_write, 1, 4};
    static u32 device;
    (void)state;
    memset(vm, 0, sizeof *vm);
    vm->bus = bus_new();
    vm->phys = phys_new(vm->bus, 16 << 20);
    bus_add_mmio(vm->bus, DEVICE_AT, DEVICE_BYTES, &ops, &device, "device");
    vm_start(vm, true);
    x = explain_xlat(vm->xlat);
    run(stores, sizeof stores);
    const Block *b = explain_find(x, EXPLAIN_LINEAR, LOOP_AT, NULL);
    assert_non_null(b);
    ExplainInsn i = insn_of(b, 0);
    assert_non_null(strstr(i.history, "on device memory (000a0000)"));
    assert_non_null(strstr(i.history, "since"));
    assert_int_equal(b->traps[SHADOW_MMIO], 0); /* that was before it */
    const Block *head = explain_find(x, EXPLAIN_LINEAR, CODE_AT, NULL);
    assert_int_equal(head->traps[SHADOW_MMIO], 1); /* the first round */
    vm_end(vm);
}

static void takes_any_address(void **state)
{
    static const u32 odd[] = {0,           1,          CODE_AT - 1, CODE_AT + 1,
                              LOOP_AT + 3, 0x7fffffff, 0x80000000,  0xffffffff};
    ExplainInsn i;
    unsigned others;
    char name[EXPLAIN_NAME];
    (void)state;
    start();
    assert_null(explain_find(x, EXPLAIN_LINEAR, CODE_AT, &others)); /* nothing has run */
    run_program();
    for (unsigned n = 0; n < ARRAY_LEN(odd); n++) {
        assert_null(explain_find(x, EXPLAIN_LINEAR, odd[n], &others));
        assert_null(explain_find(x, EXPLAIN_PHYSICAL, odd[n], &others));
        assert_null(explain_find_eip(x, odd[n]));
        assert_int_equal(others, 0);
    }
    const Block *b = explain_find_eip(x, LOOP_AT);
    assert_ptr_equal(b, explain_find(x, EXPLAIN_PHYSICAL, LOOP_AT, &others));
    assert_int_equal(others, 1); /* the first round's block goes over it, too */
    assert_false(explain_insn(x, b, b->insns, &i));
    assert_false(explain_insn(x, b, UINT32_MAX, &i));
    assert_false(explain_host_name(x, b, 0, name, sizeof name));
    assert_false(explain_host_name(x, b, UINT64_MAX, name, sizeof name));
    assert_false(explain_field_name(-1, name, sizeof name));
    assert_false(explain_field_name(sizeof(Vcpu), name, sizeof name));
    assert_true(explain_host_name(x, b, (u64)(uintptr_t)xlat_callout, name, sizeof name));
    assert_string_equal(name, "xlat_callout");
    assert_true(explain_field_name(VCPU_EFLAGS, name, sizeof name));
    assert_string_equal(name, "eflags");
    assert_true(explain_field_name(VCPU_EFLAGS + 1, name, sizeof name));
    assert_string_equal(name, "eflags + 1");
    vm_end(vm);
}

/* A row that may not simply run is explained, and only such. */
static void explains_what_is_sensitive(void **state)
{
    (void)state;
    for (unsigned n = 0; n < x86_row_count; n++) {
        unsigned cls = x86_rows[n].cls;
        bool sensitive = cls == XC_SENS || cls == XC_PRIV || cls == XC_IO || cls == XC_SEG || cls == XC_FAR;
        if (sensitive != (explain_sensitive(&x86_rows[n]) != NULL))
            fail_msg("row %u (%s) has %s text", n, x86_rows[n].name, sensitive ? "no" : "a");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_there),
        cmocka_unit_test(counts_runs),
        cmocka_unit_test(counts_runs_far),
        cmocka_unit_test(count_is_bounded),
        cmocka_unit_test(tells_history),
        cmocka_unit_test(takes_any_address),
        cmocka_unit_test(explains_what_is_sensitive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
