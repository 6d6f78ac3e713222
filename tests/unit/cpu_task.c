/* The hardware task switch: what is saved, what is loaded, busy bits and links, NT and IRET, task gates with error
 * codes, faults before and after the commit, the T bit (SDM vol. 3, chapter 7). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

enum { NEW_EIP = 0x4000, NEW_ESP = 0x16000 };

static u32 tss(Guest *g, u32 at, u32 off) { return guest_peek(g, at + off, 4); }
static u8 access_of(Guest *g, u16 sel) { return (u8)guest_peek(g, GDT_AT + sel + 5, 1); }

static void new_task(Guest *g)
{
    static const u32 seg[6] = {DATA0, CODE0, DATA0, DATA0, 0, DATA3};
    guest_poke(g, TSS2_AT + 0x20, NEW_EIP, 4);
    guest_poke(g, TSS2_AT + 0x24, FL_I | FL_C | 2, 4);
    for (unsigned r = 0; r < 8; r++) guest_poke(g, TSS2_AT + 0x28 + 4 * r, 0x100 + r, 4);
    guest_poke(g, TSS2_AT + 0x28 + 4 * ESP, NEW_ESP, 4);
    for (unsigned s = 0; s < 6; s++) guest_poke(g, TSS2_AT + 0x48 + 4 * s, seg[s], 4);
    guest_poke(g, TSS2_AT + 0x60, LDT, 4);
    guest_poke(g, NEW_EIP, 0xcf, 1); /* iret */
}

static void start(Guest *g)
{
    guest_protected(g, 0);
    new_task(g);
    g->c.gpr[EBX] = 0xb0b;
    g->c.eflags = FL_S | 2;
    guest_code(g, (const u8[]){0x9a, 0, 0, 0, 0, TSS2, 0}, 7); /* call far TSS2 */
}

static void call_nests_and_iret_returns(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    start(g);
    assert_quiet(g, interp_one(c));
    assert_int_equal(c->tr.sel, TSS2);
    assert_int_equal(c->eip, NEW_EIP);
    assert_int_equal(c->gpr[ESP], NEW_ESP);
    assert_int_equal(c->gpr[EBX], 0x103);
    assert_int_equal(c->eflags, FL_I | FL_C | FL_NT | 2);
    assert_int_equal(c->seg[GS].sel, DATA3);
    assert_true(c->seg[FS].attr & SEG_UNUSABLE);
    assert_int_equal(c->ldtr.base, LDT_AT);
    assert_true(c->cr0 & CR0_TS);
    assert_int_equal(guest_peek(g, TSS2_AT, 2), TSS);
    assert_int_equal(access_of(g, TSS), 0x8b);
    assert_int_equal(access_of(g, TSS2), 0x8b);
    assert_int_equal(tss(g, TSS_AT, 0x20), CODE_AT + 7);
    assert_int_equal(tss(g, TSS_AT, 0x28 + 4 * EBX), 0xb0b);
    assert_int_equal(tss(g, TSS_AT, 0x24), FL_S | 2);

    assert_quiet(g, interp_one(c));
    assert_int_equal(c->tr.sel, TSS);
    assert_int_equal(c->eip, CODE_AT + 7);
    assert_int_equal(c->gpr[EBX], 0xb0b);
    assert_int_equal(c->eflags, FL_S | 2);
    assert_int_equal(access_of(g, TSS), 0x8b);
    assert_int_equal(access_of(g, TSS2), 0x89);
    assert_int_equal(tss(g, TSS2_AT, 0x24) & FL_NT, 0);
    assert_int_equal(tss(g, TSS2_AT, 0x20), NEW_EIP + 1);
}

static void jmp_leaves_the_old_task_free(void **state)
{
    Guest *g = *state;
    start(g);
    assert_quiet(g, far_jmp(&g->c, TSS2, 0, 4));
    assert_int_equal(access_of(g, TSS), 0x89);
    assert_int_equal(access_of(g, TSS2), 0x8b);
    assert_int_equal(g->c.eflags & FL_NT, 0);
    assert_int_equal(guest_peek(g, TSS2_AT, 2), 0);
}

static void busy_absent_and_short_tasks_are_refused(void **state)
{
    Guest *g = *state;
    start(g);
    assert_raises(g, far_jmp(&g->c, TSS, 0, 4), EX_GP, TSS);
    guest_desc(g, TSS2, TSS2_AT, 103, 0x09, 0);
    assert_raises(g, far_jmp(&g->c, TSS2, 0, 4), EX_NP, TSS2);
    guest_desc(g, TSS2, TSS2_AT, 102, 0x89, 0);
    assert_raises(g, far_jmp(&g->c, TSS2, 0, 4), EX_TS, TSS2);
    g->c.eflags |= FL_NT;
    guest_poke(g, TSS_AT, TSS2, 2);
    assert_raises(g, cpu_iret(&g->c, 4), EX_TS, TSS2); /* not busy */
    assert_int_equal(g->c.tr.sel, TSS);
    assert_int_equal(access_of(g, TSS), 0x8b);
}

static void a_bad_segment_faults_in_the_new_task(void **state)
{
    Guest *g = *state;
    start(g);
    guest_poke(g, TSS2_AT + 0x48 + 4 * DS, CODE3 | 4, 4); /* LDT entry of zeros */
    assert_raises(g, interp_one(&g->c), EX_TS, CODE3 | 4);
    assert_int_equal(g->c.tr.sel, TSS2);
    assert_int_equal(g->c.eip, NEW_EIP);
    assert_int_equal(g->c.seg[SS].sel, DATA0);
    assert_true(g->c.seg[DS].attr & SEG_UNUSABLE);
    start(g);
    guest_poke(g, TSS2_AT + 0x60, TSS16, 4);
    assert_raises(g, interp_one(&g->c), EX_TS, TSS16);
}

static void a_task_gate_takes_an_exception_with_its_error_code(void **state)
{
    Guest *g = *state;
    start(g);
    guest_gate(g, IDT_AT + 8 * EX_GP, TSS2, 0, 0x85, 0);
    guest_code(g, (const u8[]){0x66, 0xb8, 0xf8, 0x01, 0x8e, 0xd8}, 6);
    guest_poke(g, NEW_EIP, 0xf4, 1);
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(g->c.tr.sel, TSS2);
    assert_int_equal(g->c.gpr[ESP], NEW_ESP - 4);
    assert_int_equal(guest_peek(g, NEW_ESP - 4, 4), 0x1f8);
    assert_int_equal(tss(g, TSS_AT, 0x20), CODE_AT + 4);
    assert_true(g->c.eflags & FL_NT);
}

static void a_286_task_has_words(void **state)
{
    Guest *g = *state;
    start(g);
    guest_poke(g, TSS16_AT + 0x0e, NEW_EIP, 2);
    guest_poke(g, TSS16_AT + 0x10, FL_Z | 2, 2);
    for (unsigned r = 0; r < 8; r++) guest_poke(g, TSS16_AT + 0x12 + 2 * r, 0x8000 + r, 2);
    static const u16 seg[4] = {DATA16, CODE16, DATA16, DATA16};
    for (unsigned s = 0; s < 4; s++) guest_poke(g, TSS16_AT + 0x22 + 2 * s, seg[s], 2);
    assert_quiet(g, far_call(&g->c, TSS16, 0, 4));
    assert_int_equal(g->c.next_eip, NEW_EIP);
    assert_int_equal(g->c.gpr[EDI], 0xffff8007u);
    assert_int_equal(g->c.eflags, FL_Z | FL_NT | 2);
    assert_false(cpu_code32(&g->c));
    assert_int_equal(guest_peek(g, TSS16_AT, 2), TSS);
    guest_poke(g, NEW_EIP, 0xcf, 1);
    g->c.eip = g->c.next_eip;
    g->c.gpr[EDI] = 0x1234;
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.tr.sel, TSS);
    assert_int_equal(guest_peek(g, TSS16_AT + 0x12 + 2 * EDI, 2), 0x1234);
    assert_int_equal(access_of(g, TSS16), 0x81);
}

static void the_t_bit_traps_in_the_new_task(void **state)
{
    Guest *g = *state;
    start(g);
    guest_poke(g, TSS2_AT + 0x64, 1, 2);
    assert_int_equal(guest_vector(g), EX_DB);
    assert_int_equal(g->c.dr[6] & 0xf00f, 0x8000);
    assert_int_equal(guest_peek(g, g->c.gpr[ESP], 4), NEW_EIP);
}

static void a_v86_task_can_be_entered(void **state)
{
    Guest *g = *state;
    start(g);
    guest_poke(g, TSS2_AT + 0x24, FL_VM | FL_IOPL | 2, 4);
    assert_quiet(g, interp_one(&g->c));
    assert_true(cpu_v86(&g->c));
    assert_int_equal(g->c.cpl, 3);
    assert_int_equal(g->c.seg[CS].base, CODE0 << 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(call_nests_and_iret_returns),
        GUEST_TEST(jmp_leaves_the_old_task_free),
        GUEST_TEST(busy_absent_and_short_tasks_are_refused),
        GUEST_TEST(a_bad_segment_faults_in_the_new_task),
        GUEST_TEST(a_task_gate_takes_an_exception_with_its_error_code),
        GUEST_TEST(a_286_task_has_words),
        GUEST_TEST(the_t_bit_traps_in_the_new_task),
        GUEST_TEST(a_v86_task_can_be_entered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
