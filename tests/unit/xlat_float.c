/* xlat_float.c - one translation of a code page serves every address at which it is mapped: in ring 3's flat
 * segments blocks know offsets in their page (mode_floats()). A program that looks at its own return addresses runs
 * at two places of one address space and at a third of another; the interpreter says what comes out, and nothing is
 * translated twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm.h"

enum { CODE = 0x10000, CODE_NEXT = 0x30000 /* the page behind it, elsewhere in memory */, STACK = 0x80000 };
enum { DIR_A = 0x100000, DIR_B = 0x101000, LOW = 0x102000, TABLES = 0x103000, URW = 0x67 };
enum { AT_1 = 0x400000, AT_2 = 0x80700000, AT_3 = 0xbff00000 };

/* clang-format off */
static const u8 first_page[] = {
    0xe8, 0x2b, 0, 0, 0,             /* 00 call 30 */
    0x89, 0xc6,                      /* 05 mov esi, eax */
    0xe8, 0xf4, 0x0f, 0, 0,          /* 07 call 1000 */
    0x89, 0xdf,                      /* 0c mov edi, ebx */
    0xb9, 0x10, 0x27, 0, 0,          /* 0e mov ecx, 10000 */
    0xe8, 0x18, 0, 0, 0,             /* 13 call 30 */
    0x8d, 0x50, 0x08,                /* 18 lea edx, [eax + 8] */
    0xff, 0xd2,                      /* 1b call edx: 20 */
    0xeb, 0x25, 0x90,                /* 1d jmp 44; nop */
    0xc3,                            /* 20 ret */
    [0x30] = 0x58, 0x50, 0xc3,       /* 30 pop eax; push eax; ret */
    [0x44] = 0x49,                   /* 44 dec ecx */
    0x0f, 0x85, 0xc8, 0xff, 0xff, 0xff, /* 45 jnz 13 */
    0xe9, 0xb4, 0x0f, 0, 0,          /* 4b jmp 1004 */
};
static const u8 next_page[] = {
    0x5b, 0x53, 0xc3, 0x90,          /* 1000 pop ebx; push ebx; ret; nop */
    0xbd, 0x03, 0, 0, 0,             /* 1004 mov ebp, 3 */
    0xf4,                            /* 1009 hlt: #GP, and no IDT */
};
/* clang-format on */

static void map(Vm *v, u32 dir, u32 table, u32 va, u32 pa)
{
    store32(v->phys->ram + dir + (va >> 22) * 4, table | URW);
    store32(v->phys->ram + table + (va >> 12 & 0x3ff) * 4, pa | URW);
}

static void build(Vm *v)
{
    static const struct {
        u32 dir, table, va;
    } maps[] = {{DIR_A, TABLES, AT_1}, {DIR_A, TABLES + 0x1000, AT_2}, {DIR_B, TABLES + 0x2000, AT_3}};
    u8 code[sizeof first_page];
    memcpy(code, first_page, sizeof code);
    memcpy(v->phys->ram + CODE, code, sizeof code);
    memcpy(v->phys->ram + CODE_NEXT, next_page, sizeof next_page);
    for (unsigned n = 0; n < ARRAY_LEN(maps); n++) {
        map(v, maps[n].dir, maps[n].table, maps[n].va, CODE);
        map(v, maps[n].dir, maps[n].table, maps[n].va + PAGE_BYTES, CODE_NEXT);
        map(v, maps[n].dir, LOW, STACK - PAGE_BYTES, STACK - PAGE_BYTES);
    }
}

static void run_at(Vm *v, u32 dir, u32 at)
{
    Vcpu *c = &v->c;
    for (int s = 0; s < SEG_COUNT; s++) c->seg[s].attr |= 3 << 5;
    memset(c->gpr, 0, sizeof c->gpr);
    c->cpl = 3;
    c->cr0 |= CR0_PG;
    c->cr3 = dir;
    c->idtr.limit = 0;
    c->gpr[ESP] = STACK;
    c->eip = at;
    c->delivering = false;
    c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3);
    assert_int_equal(vm_run(v), STOP_SHUTDOWN);
    assert_int_equal(c->gpr[ESI], at + 0x05);
    assert_int_equal(c->gpr[EDI], at + 0x0c);
    assert_int_equal(c->gpr[EDX], at + 0x20);
    assert_int_equal(c->gpr[EBP], 3);
    assert_int_equal(c->gpr[ECX], 0);
    assert_int_equal(c->gpr[ESP], STACK);
}

static void run_everywhere(bool translate, FormPolicy form, u64 *first, u64 *all)
{
    static Vm v;
    memset(&v, 0, sizeof v);
    vm_start(&v, translate);
    build(&v);
    Xlat *x = translate ? v.xlat->ctx : NULL;
    if (x) x->form_policy = form;
    run_at(&v, DIR_A, AT_1);
    if (x) *first = x->stats.translated_blocks;
    run_at(&v, DIR_A, AT_2);
    run_at(&v, DIR_B, AT_3);
    run_at(&v, DIR_A, AT_1);
    if (x) *all = x->stats.translated_blocks;
    vm_end(&v);
}

static void returns_are_right_by_the_interpreter(void **state)
{
    (void)state;
    run_everywhere(false, FORM_AUTO, NULL, NULL);
}

static void one_translation_serves_all_places(void **state)
{
    static const FormPolicy forms[] = {FORM_WINDOW, FORM_TABLE};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(forms); n++) {
        u64 first = 0, all = 0;
        run_everywhere(true, forms[n], &first, &all);
        assert_in_range(first, 5, 12);
        assert_int_equal(all, first);
    }
}

static void hot_blocks_go_to_the_window(void **state)
{
    u64 first = 0, all = 0;
    (void)state;
    run_everywhere(true, FORM_AUTO, &first, &all);
    assert_true(all > 5);
}

/* A translator belongs to the thread that runs it. */
static void two_translators_take_turns(void **state)
{
    static Vm a, b;
    (void)state;
    memset(&a, 0, sizeof a), memset(&b, 0, sizeof b);
    vm_start(&a, true);
    vm_start(&b, true);
    build(&a);
    build(&b);
    for (int n = 0; n < 3; n++) {
        run_at(&a, DIR_A, AT_1);
        run_at(&b, DIR_B, AT_3);
        run_at(&a, DIR_B, AT_3);
        run_at(&b, DIR_A, AT_2);
    }
    vm_end(&a);
    run_at(&b, DIR_A, AT_1);
    vm_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_are_right_by_the_interpreter),
        cmocka_unit_test(one_translation_serves_all_places),
        cmocka_unit_test(hot_blocks_go_to_the_window),
        cmocka_unit_test(two_translators_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
