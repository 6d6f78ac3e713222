/* Segment registers: the checks of MOV Sreg in order (SDM vol. 2, MOV; vol. 3, chapter 5), real and V86 loads,
 * null selectors, accessed bits; LAR, LSL, VERR, VERW, ARPL. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

static void real_mode_keeps_the_limit(void **state)
{
    Guest *g = *state;
    g->c.seg[FS].limit = 0xffffffffu; /* unreal */
    seg_load(&g->c, FS, 0x1234);
    assert_int_equal(g->c.seg[FS].base, 0x12340);
    assert_int_equal(g->c.seg[FS].limit, 0xffffffffu);
}

static void v86_mode_sets_all(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    g->c.eflags |= FL_VM;
    seg_load(&g->c, DS, 0xffff);
    assert_int_equal(g->c.seg[DS].base, 0xffff0);
    assert_int_equal(g->c.seg[DS].limit, 0xffff);
    assert_int_equal(g->c.seg[DS].attr, 0xf3);
}

static void null_is_loadable_but_unusable(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    assert_quiet(g, seg_load(&g->c, ES, 3));
    assert_int_equal(g->c.seg[ES].sel, 3);
    assert_raises(g, mem_read(&g->c, ES, 0, 1), EX_GP, 0);
    assert_raises(g, seg_load(&g->c, SS, 0), EX_GP, 0);
}

static void a_load_sets_the_accessed_bit(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    assert_int_equal(guest_peek(g, GDT_AT + DATA1 + 5, 1), 0xb2);
    assert_quiet(g, seg_load(&g->c, GS, DATA1));
    assert_int_equal(guest_peek(g, GDT_AT + DATA1 + 5, 1), 0xb3);
    assert_int_equal(g->c.seg[GS].limit, 0xffffffffu);
    assert_int_equal(g->c.seg[GS].attr, 0xc0b3);
}

static void data_loads_check_type_privilege_presence(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    guest_protected(g, 3);
    assert_raises(g, seg_load(c, DS, GDT_ENTRIES * 8), EX_GP, GDT_ENTRIES * 8);
    assert_raises(g, seg_load(c, DS, 0x0c), EX_GP, 0x0c); /* in an LDT that is not there */
    assert_raises(g, seg_load(c, DS, TSS | 3), EX_GP, TSS);
    assert_raises(g, seg_load(c, DS, XONLY3 | 3), EX_GP, XONLY3);
    assert_raises(g, seg_load(c, DS, DATA0), EX_GP, DATA0);
    assert_raises(g, seg_load(c, DS, DATA1 | 3), EX_GP, DATA1);
    assert_quiet(g, seg_load(c, DS, RODATA3 | 3));
    assert_quiet(g, seg_load(c, DS, CONF0 | 3)); /* readable and conforming: any level */
    guest_protected(g, 0);
    assert_raises(g, seg_load(c, DS, DATA0 | 3), EX_GP, DATA0); /* RPL weakens */
    assert_raises(g, seg_load(c, DS, ABSENT), EX_NP, ABSENT);
    assert_int_equal(c->seg[DS].sel, DATA0);
}

static void ss_loads_check_more(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    guest_protected(g, 0);
    assert_raises(g, seg_load(c, SS, DATA0 | 3), EX_GP, DATA0);
    assert_raises(g, seg_load(c, SS, DATA3), EX_GP, DATA3);
    assert_raises(g, seg_load(c, SS, CODE0), EX_GP, CODE0);
    guest_desc(g, FREE, 0, 0xfffff, 0x12, 0xc);
    assert_raises(g, seg_load(c, SS, FREE), EX_SS, FREE);
    guest_desc(g, FREE, 0, 0xfffff, 0x90, 0xc); /* read-only */
    assert_raises(g, seg_load(c, SS, FREE), EX_GP, FREE);
}

static void writes_to_read_only_and_code_fault(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    assert_quiet(g, seg_load(&g->c, DS, RODATA3 | 3));
    assert_quiet(g, mem_read(&g->c, DS, 0, 4));
    assert_raises(g, mem_write(&g->c, DS, 0, 1, 4), EX_GP, 0);
    assert_raises(g, mem_write(&g->c, CS, 0, 1, 4), EX_GP, 0);
}

static void an_expand_down_segment_is_above_its_limit(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    guest_desc(g, FREE, 0, 0xfff, 0x96, 0); /* 16-bit: 1000..ffff */
    assert_quiet(g, seg_load(&g->c, ES, FREE));
    assert_raises(g, mem_read(&g->c, ES, 0xfff, 1), EX_GP, 0);
    assert_quiet(g, mem_read(&g->c, ES, 0x1000, 1));
    assert_quiet(g, mem_read(&g->c, ES, 0xfffe, 2));
    assert_raises(g, mem_read(&g->c, ES, 0xffff, 2), EX_GP, 0);
}

/* Runs one instruction with AX = sel, result in ECX and ZF. */
static bool probe_insn(Guest *g, u8 opcode2, u8 modrm, u16 sel)
{
    u8 code[] = {0x0f, opcode2, modrm};
    guest_code(g, code, sizeof code);
    g->c.eip = CODE_AT;
    g->c.gpr[EAX] = sel;
    g->c.gpr[ECX] = 0xdeadbeef;
    assert_quiet(g, interp_one(&g->c));
    return g->c.eflags & FL_Z;
}
static bool lar(Guest *g, u16 sel) { return probe_insn(g, 0x02, 0xc8, sel); }
static bool lsl(Guest *g, u16 sel) { return probe_insn(g, 0x03, 0xc8, sel); }
static bool verr(Guest *g, u16 sel) { return probe_insn(g, 0x00, 0xe0, sel); }
static bool verw(Guest *g, u16 sel) { return probe_insn(g, 0x00, 0xe8, sel); }

static void lar_and_lsl_tell_of_visible_descriptors(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    assert_true(lar(g, CODE3 | 3));
    assert_int_equal(g->c.gpr[ECX] & 0xf0fe00, 0xc0fa00);
    assert_true(lsl(g, DATA3 | 3));
    assert_int_equal(g->c.gpr[ECX], 0xffffffffu);
    assert_false(lar(g, DATA0));
    assert_int_equal(g->c.gpr[ECX], 0xdeadbeef);
    assert_false(lar(g, 0));
    assert_true(lar(g, CONF0 | 3));
    assert_false(lsl(g, GDT_ENTRIES * 8));
    guest_protected(g, 0);
    assert_true(lar(g, ABSENT)); /* presence does not matter */
    assert_true(lsl(g, TSS));
    assert_int_equal(g->c.gpr[ECX], 0x7ff);
    guest_gate(g, GDT_AT + GATE, CODE0, 0, 0x8c, 0);
    assert_true(lar(g, GATE));
    assert_false(lsl(g, GATE));
}

static void verr_and_verw_tell_of_access(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    assert_true(verr(g, DATA3 | 3));
    assert_true(verw(g, DATA3 | 3));
    assert_true(verr(g, RODATA3 | 3));
    assert_false(verw(g, RODATA3 | 3));
    assert_false(verr(g, XONLY3 | 3));
    assert_true(verr(g, CONF0 | 3));
    assert_false(verr(g, TSS | 3));
    assert_false(verw(g, DATA1 | 3));
}

static void arpl_raises_the_rpl(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x63, 0xc1, 0x63, 0xc1}; /* arpl cx, ax */
    guest_protected(g, 3);
    guest_code(g, code, sizeof code);
    g->c.gpr[EAX] = 2;
    g->c.gpr[ECX] = 0x101;
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.gpr[ECX], 0x102);
    assert_true(g->c.eflags & FL_Z);
    assert_quiet(g, interp_one(&g->c));
    assert_false(g->c.eflags & FL_Z);
}

static void pop_ss_moves_the_old_stack_and_mov_to_register_zero_extends(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x17, 0x8c, 0xd0}; /* pop ss; mov eax, ss */
    guest_protected(g, 0);
    guest_code(g, code, sizeof code);
    g->c.gpr[ESP] = 0x9000;
    g->c.gpr[EAX] = 0xffffffffu;
    guest_poke(g, 0x9000, DATA16, 4);
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.seg[SS].sel, DATA16);
    assert_int_equal(g->c.gpr[ESP], 0x9004);
    assert_int_equal(g->c.inhibit, INHIBIT_SS);
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.gpr[EAX], DATA16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(real_mode_keeps_the_limit),
        GUEST_TEST(v86_mode_sets_all),
        GUEST_TEST(null_is_loadable_but_unusable),
        GUEST_TEST(a_load_sets_the_accessed_bit),
        GUEST_TEST(data_loads_check_type_privilege_presence),
        GUEST_TEST(ss_loads_check_more),
        GUEST_TEST(writes_to_read_only_and_code_fault),
        GUEST_TEST(an_expand_down_segment_is_above_its_limit),
        GUEST_TEST(lar_and_lsl_tell_of_visible_descriptors),
        GUEST_TEST(verr_and_verw_tell_of_access),
        GUEST_TEST(arpl_raises_the_rpl),
        GUEST_TEST(pop_ss_moves_the_old_stack_and_mov_to_register_zero_extends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
