/* xlat_dying.c - a block that dies while it runs, by an access of its own: its code is a page-table entry, whose A
 * bit that access sets. The start of its host code is overwritten then (flow_emit_grave()), and nothing may go on
 * in there.
 *
 * The entry's bytes are INC EBX or EDI (its flags), MOV CL, [EAX] (its frame); the next entry is HLT: not present.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm.h"

enum {
    DIR = 0x100000,
    TABLE = 0x101000,
    DATA_VA = 0x81000,
    ENTRY = TABLE + (DATA_VA >> 12) * 4,
    FRAME = 0x488000
};
enum { ENTRY_RING0 = 0x00488a43, ENTRY_RING3 = 0x00488a47, HLT = 0xf4 };

typedef struct DyingCase {
    bool user;
    FormPolicy form;
    u32 start; /* 0: at the INC; 1: behind it */
} DyingCase;

static void build(Vm *v, const DyingCase *k)
{
    u8 *ram = v->phys->ram;
    store32(ram + DIR, TABLE | 0x67);
    store32(ram + TABLE + (TABLE >> 12) * 4, TABLE | (k->user ? 0x67 : 0x63));
    store32(ram + ENTRY, k->user ? ENTRY_RING3 : ENTRY_RING0);
    store32(ram + ENTRY + 4, HLT);
    ram[FRAME] = 0x5a;
}

static void run(const DyingCase *k, bool translate)
{
    static Vm v;
    memset(&v, 0, sizeof v);
    vm_start(&v, translate);
    build(&v, k);
    Vcpu *c = &v.c;
    if (translate) ((Xlat *)v.xlat->ctx)->form_policy = k->form;
    if (k->user) {
        for (int s = 0; s < SEG_COUNT; s++) c->seg[s].attr |= 3 << 5;
        c->cpl = 3;
    }
    c->cr0 |= CR0_PG;
    c->cr3 = DIR;
    c->idtr.limit = 0;
    c->eip = ENTRY + k->start;
    c->gpr[EAX] = DATA_VA;
    c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3);
    assert_int_equal(vm_run(&v), k->user ? STOP_SHUTDOWN : STOP_HLT);
    assert_int_equal(c->gpr[k->user ? EDI : EBX], 1 - k->start);
    assert_int_equal(c->gpr[EAX], DATA_VA);
    assert_int_equal(c->gpr[ECX], 0x5a);
    assert_int_equal(c->eip, k->user ? ENTRY + 4 : ENTRY + 5);
    assert_int_equal(load32(v.phys->ram + ENTRY) & 0x20, 0x20);
    vm_end(&v);
}

static void nothing_goes_on_in_a_grave(void **state)
{
    static const FormPolicy forms[] = {FORM_WINDOW, FORM_TABLE};
    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        DyingCase k = {.user = n & 1, .form = forms[n >> 1 & 1], .start = n >> 2};
        run(&k, false);
        run(&k, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_on_in_a_grave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
