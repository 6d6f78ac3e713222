/* Gates and frames: interrupts, exceptions, far calls and returns, IRET between levels and to V86 mode, double and
 * triple faults, debug exceptions (SDM vol. 3, chapters 5, 6, 17, 20). Guests run to a HLT in a handler. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

static u32 stack_at(Guest *g, unsigned n) { return guest_peek(g, g->c.gpr[ESP] + 4 * n, 4); }

/* Code in a row of bytes; returns the vector whose handler got it. */
#define RUN(g, ...) run_at(g, (const u8[]){__VA_ARGS__}, sizeof(const u8[]){__VA_ARGS__})
static int run_at(Guest *g, const u8 *code, u32 n)
{
    guest_code(g, code, n);
    return guest_vector(g);
}

static void a_fault_at_the_same_level_pushes_error_and_rf(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    g->c.eflags |= FL_I;
    assert_int_equal(RUN(g, 0x66, 0xb8, 0xf8, 0x01, 0x8e, 0xd8), EX_GP); /* mov ax, 1f8; mov ds, ax */
    assert_int_equal(g->c.gpr[ESP], STACK0_AT - 16);
    assert_int_equal(stack_at(g, 0), 0x1f8);
    assert_int_equal(stack_at(g, 1), CODE_AT + 4);
    assert_int_equal(stack_at(g, 2), CODE0);
    assert_int_equal(stack_at(g, 3) & (FL_I | FL_RF), FL_I | FL_RF);
    assert_int_equal(g->c.eflags & (FL_I | FL_RF), 0); /* interrupt gate */
}

static void an_interrupt_from_ring_3_switches_stacks(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    g->c.eflags |= FL_I | FL_NT;
    assert_int_equal(RUN(g, 0xcd, 0x40), 0x40);
    assert_int_equal(g->c.cpl, 0);
    assert_int_equal(g->c.seg[SS].sel, DATA0);
    assert_int_equal(g->c.gpr[ESP], STACK0_AT - 20);
    assert_int_equal(stack_at(g, 0), CODE_AT + 2);
    assert_int_equal(stack_at(g, 1), CODE3 | 3);
    assert_int_equal(stack_at(g, 2), FL_I | FL_NT | 2);
    assert_int_equal(stack_at(g, 3), STACK3_AT);
    assert_int_equal(stack_at(g, 4), DATA3 | 3);
    assert_int_equal(g->c.eflags & (FL_I | FL_NT), 0);
    assert_int_equal(g->c.seg[DS].sel, DATA3 | 3); /* data segments stay */
}

static void a_trap_gate_leaves_if(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    guest_gate(g, IDT_AT + 8 * 0x40, CODE0, handler_at(0x40), 0xef, 0);
    g->c.eflags |= FL_I;
    assert_int_equal(RUN(g, 0xcd, 0x40), 0x40);
    assert_int_equal(g->c.eflags & FL_I, FL_I);
}

static void a_16_bit_gate_pushes_words(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    guest_gate(g, IDT_AT + 8 * 0x40, CODE0, 0xffff0000u | handler_at(0x40), 0x86, 0);
    assert_int_equal(RUN(g, 0xcd, 0x40), 0x40);
    assert_int_equal(g->c.gpr[ESP], STACK0_AT - 6);
    assert_int_equal(guest_peek(g, STACK0_AT - 6, 2), CODE_AT + 2);
    assert_int_equal(guest_peek(g, STACK0_AT - 4, 2), CODE0);
}

static void software_may_not_use_an_inner_gate(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    guest_gate(g, IDT_AT + 8 * 0x40, CODE0, handler_at(0x40), 0x8e, 0);
    assert_int_equal(RUN(g, 0xcd, 0x40), EX_GP);
    assert_int_equal(stack_at(g, 0), 0x40 * 8 + 2);
    assert_int_equal(stack_at(g, 1), CODE_AT);
}

static void hardware_may_and_reports_ext(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    guest_gate(g, IDT_AT + 8 * 0x40, CODE0, handler_at(0x40), 0x8e, 0);
    g->c.eflags |= FL_I;
    g->vector = 0x40;
    cpu_set_intr(&g->c, true);
    assert_int_equal(RUN(g, 0xeb, 0xfe), 0x40);
    guest_protected(g, 3);
    guest_poke(g, IDT_AT + 8 * 0x40 + 5, 0x0e, 1); /* not present */
    g->c.eflags |= FL_I;
    cpu_set_intr(&g->c, true);
    assert_int_equal(RUN(g, 0xeb, 0xfe), EX_NP);
    assert_int_equal(stack_at(g, 0), 0x40 * 8 + 2 + 1);
}

static void a_bad_inner_stack_is_a_ts_fault_with_its_selector(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    guest_gate(g, IDT_AT + 8 * EX_TS, TASKGATE, 0, 0x85, 0);
    guest_gate(g, IDT_AT + 8 * EX_TS, CONF0, handler_at(EX_TS), 0x8e,
               0); /* the handler stays on the ring 3 stack */
    guest_poke(g, TSS_AT + 8, DATA3, 2);
    g->c.eflags |= FL_IOPL;
    guest_code(g, (const u8[]){0xcd, 0x40}, 2);
    guest_poke(g, handler_at(EX_TS), 0xfeeb, 2); /* HLT would be #GP at CPL 3 */
    g->c.stop_reason = 0;
    if (setjmp(g->c.fault_jmp) == 0) interp_one(&g->c);
    assert_int_equal(g->c.fault.vector, EX_TS);
    assert_int_equal(g->c.fault.error, DATA3);
    cpu_deliver_fault(&g->c);
    assert_int_equal(g->c.eip, handler_at(EX_TS));
    assert_int_equal(stack_at(g, 0), DATA3);
    assert_int_equal(stack_at(g, 1), CODE_AT);
}

static void contributory_faults_double(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    guest_poke(g, IDT_AT + 8 * EX_GP + 5, 0x0e, 1);
    assert_int_equal(RUN(g, 0x66, 0xb8, 0xf8, 0x01, 0x8e, 0xd8), EX_DF);
    assert_int_equal(stack_at(g, 0), 0);
    assert_int_equal(stack_at(g, 1), CODE_AT + 4);
    guest_protected(g, 0);
    guest_poke(g, IDT_AT + 8 * EX_UD + 5, 0x0e, 1); /* benign, then #NP: no double fault */
    assert_int_equal(RUN(g, 0x0f, 0x0b), EX_NP);
    assert_int_equal(stack_at(g, 0), EX_UD * 8 + 2 + 1);
}

static void a_fault_in_a_double_fault_is_shutdown(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    guest_poke(g, IDT_AT + 8 * EX_GP + 5, 0x0e, 1);
    guest_poke(g, IDT_AT + 8 * EX_DF + 5, 0x0e, 1);
    guest_code(g, (const u8[]){0x66, 0xb8, 0xf8, 0x01, 0x8e, 0xd8}, 6);
    assert_int_equal(guest_run(g), STOP_SHUTDOWN);
}

static void iret_returns_to_ring_3_and_drops_segments(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    u32 frame[5] = {CODE_AT + 0x100, CODE3 | 3, FL_I | FL_IOPL | FL_C | FL_RF | 2, 0x7000, DATA3 | 3};
    guest_write(g, STACK0_AT - 20, frame, sizeof frame);
    g->c.gpr[ESP] = STACK0_AT - 20;
    assert_quiet(g, seg_load(&g->c, ES, DATA3 | 3));
    guest_code(g, (const u8[]){0xcf}, 1);
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.cpl, 3);
    assert_int_equal(g->c.eip, CODE_AT + 0x100);
    assert_int_equal(g->c.gpr[ESP], 0x7000);
    assert_int_equal(g->c.eflags, FL_I | FL_IOPL | FL_C | FL_RF | 2);
    assert_int_equal(g->c.seg[DS].sel, 0);
    assert_true(g->c.seg[DS].attr & SEG_UNUSABLE);
    assert_int_equal(g->c.seg[ES].sel, DATA3 | 3);
}

static void iret_in_ring_3_may_not_change_iopl_or_if(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    u32 frame[3] = {CODE_AT + 0x100, CODE3 | 3, FL_I | FL_IOPL | FL_C | 2};
    guest_write(g, STACK3_AT - 12, frame, sizeof frame);
    g->c.gpr[ESP] = STACK3_AT - 12;
    guest_code(g, (const u8[]){0xcf}, 1);
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.eflags, FL_C | 2);
    frame[1] = CODE0;
    guest_write(g, STACK3_AT - 12, frame, sizeof frame);
    g->c.gpr[ESP] = STACK3_AT - 12;
    g->c.eip = CODE_AT;
    assert_raises(g, interp_one(&g->c), EX_GP, CODE0);
    assert_int_equal(g->c.gpr[ESP], STACK3_AT - 12);
}

static void enter_v86(Guest *g, u32 eflags)
{
    guest_protected(g, 0);
    u32 frame[9] = {CODE_AT, 0x0000, eflags | FL_VM | 2, STACK_AT, 0x0010, 0x0020, 0x0030, 0x0040, 0x0050};
    guest_write(g, STACK0_AT - 36, frame, sizeof frame);
    g->c.gpr[ESP] = STACK0_AT - 36;
    guest_poke(g, 0x1f00, 0xcf, 1);
    g->c.eip = 0x1f00;
    assert_quiet(g, interp_one(&g->c));
}

static void iret_enters_v86_mode_and_an_interrupt_leaves_it(void **state)
{
    Guest *g = *state;
    enter_v86(g, FL_IOPL | FL_I);
    assert_int_equal(g->c.cpl, 3);
    assert_true(cpu_v86(&g->c));
    assert_int_equal(g->c.seg[GS].base, 0x500);
    assert_int_equal(g->c.seg[ES].base, 0x200);
    assert_int_equal(RUN(g, 0xcd, 0x40), 0x40);
    assert_int_equal(g->c.cpl, 0);
    assert_false(cpu_v86(&g->c));
    assert_int_equal(g->c.gpr[ESP], STACK0_AT - 36);
    assert_int_equal(stack_at(g, 0), CODE_AT + 2);
    assert_int_equal(stack_at(g, 2), FL_VM | FL_IOPL | FL_I | 2);
    assert_int_equal(stack_at(g, 4), 0x10);
    assert_int_equal(stack_at(g, 5), 0x20);
    assert_int_equal(stack_at(g, 8), 0x50);
    assert_int_equal(g->c.seg[GS].sel, 0);
    assert_true(g->c.seg[GS].attr & SEG_UNUSABLE);
}

static void v86_below_iopl_3_traps_sensitive_instructions(void **state)
{
    static const u8 sensitive[][2] = {{0xcd, 0x40}, {0x9c, 0x90}, {0x9d, 0x90},
                                      {0xfa, 0x90}, {0xfb, 0x90}, {0xcf, 0x90}};
    Guest *g = *state;
    for (unsigned n = 0; n < ARRAY_LEN(sensitive); n++) {
        enter_v86(g, FL_I);
        assert_int_equal(run_at(g, sensitive[n], 2), EX_GP);
        assert_int_equal(stack_at(g, 0), 0);
        assert_int_equal(stack_at(g, 1), CODE_AT);
        assert_int_equal(stack_at(g, 3) & (FL_VM | FL_I), FL_VM | FL_I);
    }
    enter_v86(g, FL_I);
    assert_int_equal(RUN(g, 0xcc), EX_BP); /* INT3 is not sensitive to IOPL */
    enter_v86(g, FL_I);
    assert_int_equal(RUN(g, 0x0f, 0x00, 0xc8), EX_UD); /* STR */
}

static void vme_gives_v86_programs_a_virtual_if(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    enter_v86(g, FL_I);
    assert_quiet(g, cpu_set_cr(c, 4, CR4_VME));
    guest_code(g, (const u8[]){0xfb, 0x9c, 0xfa, 0x9d, 0x66, 0x9c}, 6); /* sti; pushf; cli; popf; pushfd */
    c->gpr[ESP] = STACK_AT;
    assert_quiet(g, (interp_one(c), interp_one(c), interp_one(c)));
    assert_int_equal(c->eflags, FL_VM | FL_I | 2);
    assert_int_equal(guest_peek(g, 0x100 + STACK_AT - 2, 2), FL_IOPL | FL_I | 2);
    assert_quiet(g, interp_one(c));
    assert_int_equal(c->eflags, FL_VM | FL_I | FL_VIF | 2);
    assert_raises(g, interp_one(c), EX_GP, 0);
    c->eip = CODE_AT;
    c->eflags |= FL_VIP;
    assert_raises(g, interp_one(c), EX_GP, 0);
}

static void vme_redirects_int_n_by_the_map(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    enter_v86(g, FL_I);
    assert_quiet(g, cpu_set_cr(c, 4, CR4_VME));
    guest_poke(g, TSS_AT + 102, 0x100, 2);
    guest_poke(g, TSS_AT + 0xe0 + 0x21 / 8, 0xff & ~BIT(0x21 % 8), 1);
    guest_poke(g, 0x21 * 4, 0x01234567, 4);
    guest_code(g, (const u8[]){0xcd, 0x21, 0xcd, 0x22}, 4);
    c->eflags |= FL_VIF;
    c->gpr[ESP] = STACK_AT;
    assert_quiet(g, interp_one(c));
    assert_int_equal(c->seg[CS].sel, 0x123);
    assert_int_equal(c->eip, 0x4567);
    assert_int_equal(c->eflags, FL_VM | FL_I | 2);
    assert_int_equal(guest_peek(g, 0x100 + STACK_AT - 2, 2), FL_IOPL | FL_I | 2);
    seg_load(c, CS, 0);
    c->eip = CODE_AT + 2;
    assert_raises(g, interp_one(c), EX_GP, 0);
}

static void a_call_gate_copies_parameters_and_ret_drops_them(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    guest_gate(g, GDT_AT + GATE, CODE0, CODE_AT + 0x100, 0xec, 2);
    guest_code(g, (const u8[]){0x9a, 0, 0, 0, 0, GATE | 3, 0}, 7);
    guest_write(g, CODE_AT + 0x100, (const u8[]){0xca, 8, 0}, 3); /* retf 8 */
    guest_poke(g, STACK3_AT, 0x11111111, 4);
    guest_poke(g, STACK3_AT + 4, 0x22222222, 4);
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.cpl, 0);
    assert_int_equal(g->c.eip, CODE_AT + 0x100);
    assert_int_equal(g->c.gpr[ESP], STACK0_AT - 24);
    assert_int_equal(stack_at(g, 0), CODE_AT + 7);
    assert_int_equal(stack_at(g, 1), CODE3 | 3);
    assert_int_equal(stack_at(g, 2), 0x11111111);
    assert_int_equal(stack_at(g, 3), 0x22222222);
    assert_int_equal(stack_at(g, 4), STACK3_AT);
    assert_int_equal(stack_at(g, 5), DATA3 | 3);
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.cpl, 3);
    assert_int_equal(g->c.eip, CODE_AT + 7);
    assert_int_equal(g->c.gpr[ESP], STACK3_AT + 8);
}

static void call_gates_check_their_own_dpl_and_the_target(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    guest_gate(g, GDT_AT + GATE, CODE0, CODE_AT, 0x8c, 0);
    assert_raises(g, far_call(&g->c, GATE | 3, 0, 4), EX_GP, GATE);
    guest_gate(g, GDT_AT + GATE, CODE0, CODE_AT, 0x6c, 0);
    assert_raises(g, far_call(&g->c, GATE | 3, 0, 4), EX_NP, GATE);
    guest_gate(g, GDT_AT + GATE, DATA0, CODE_AT, 0xec, 0);
    assert_raises(g, far_call(&g->c, GATE | 3, 0, 4), EX_GP, DATA0);
    guest_gate(g, GDT_AT + GATE, CODE0, CODE_AT, 0xec, 0);
    assert_raises(g, far_jmp(&g->c, GATE | 3, 0, 4), EX_GP, CODE0); /* JMP does not change the level */
    guest_gate(g, GDT_AT + GATE, CONF0, CODE_AT + 4, 0xec, 0);
    assert_quiet(g, far_jmp(&g->c, GATE | 3, 0, 4));
    assert_int_equal(g->c.seg[CS].sel, CONF0 | 3);
    assert_int_equal(g->c.cpl, 3);
    assert_int_equal(g->c.next_eip, CODE_AT + 4);
}

static void direct_far_transfers_stay_at_their_level(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    assert_raises(g, far_jmp(&g->c, CODE0, 0, 4), EX_GP, CODE0);
    assert_raises(g, far_jmp(&g->c, DATA3 | 3, 0, 4), EX_GP, DATA3);
    assert_raises(g, far_jmp(&g->c, 0, 0, 4), EX_GP, 0);
    assert_raises(g, far_ret(&g->c, 0, 4), EX_GP, 0);
    guest_protected(g, 0);
    assert_raises(g, far_jmp(&g->c, CODE16, 0x10000, 4), EX_GP, 0);
    assert_quiet(g, far_jmp(&g->c, CODE16, 0x11234, 2));
    assert_int_equal(g->c.next_eip, 0x1234);
    assert_false(cpu_code32(&g->c));
}

static void sysenter_and_sysexit_use_flat_segments(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    g->c.eflags |= FL_I;
    guest_code(g, (const u8[]){0x0f, 0x34}, 2);
    assert_raises(g, interp_one(&g->c), EX_GP, 0);
    g->c.sysenter_cs = CODE0;
    g->c.sysenter_eip = CODE_AT + 0x80;
    g->c.sysenter_esp = 0x7777;
    guest_write(g, CODE_AT + 0x80, (const u8[]){0x0f, 0x35}, 2);
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.cpl, 0);
    assert_int_equal(g->c.eip, CODE_AT + 0x80);
    assert_int_equal(g->c.gpr[ESP], 0x7777);
    assert_int_equal(g->c.seg[SS].sel, DATA0);
    assert_int_equal(g->c.eflags & FL_I, 0);
    g->c.gpr[EDX] = 0x4000;
    g->c.gpr[ECX] = 0x5000;
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.cpl, 3);
    assert_int_equal(g->c.eip, 0x4000);
    assert_int_equal(g->c.gpr[ESP], 0x5000);
    assert_int_equal(g->c.seg[CS].sel, (CODE0 + 16) | 3);
    assert_int_equal(g->c.seg[SS].sel, (CODE0 + 24) | 3);
}

static void ports_are_guarded_by_iopl_and_the_tss_bitmap(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    assert_false(io_allowed(&g->c, 0x60, 1)); /* map beyond the limit */
    guest_poke(g, TSS_AT + 102, 0x80, 2);
    guest_poke(g, TSS_AT + 0x80 + 0x60 / 8, 0xfffe, 2);
    assert_true(io_allowed(&g->c, 0x60, 1));
    assert_false(io_allowed(&g->c, 0x60, 2));
    g->c.eflags |= FL_IOPL;
    assert_true(io_allowed(&g->c, 0x60, 2));
    g->c.eflags |= FL_VM; /* V86 mode always asks the map */
    assert_false(io_allowed(&g->c, 0x60, 2));
}

static void popf_in_ring_3_keeps_if_and_iopl(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    g->c.eflags = FL_I | 2;
    guest_code(g, (const u8[]){0x9d, 0x9c}, 2);
    guest_poke(g, STACK3_AT, 0xffffffffu & ~(u32)(FL_I | FL_T), 4);
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(g->c.eflags, FL_ARITH | FL_D | FL_NT | FL_AC | FL_ID | FL_I | 2);
    g->c.eflags |= FL_RF;
    assert_quiet(g, interp_one(&g->c));
    assert_int_equal(guest_peek(g, STACK3_AT, 4) & (FL_RF | FL_VM), 0);
}

/* --- with paging --- */

enum { PD_AT = 0x100000, PT_AT = 0x101000, HOLE = 0x30000 };

/* The first 2 MiB map to themselves, for users, too; HOLE is not present. */
static void enable_paging(Guest *g)
{
    guest_poke(g, PD_AT, PT_AT | 7, 4);
    for (u32 n = 0; n < 512; n++) guest_poke(g, PT_AT + 4 * n, n << 12 | 7, 4);
    guest_poke(g, PT_AT + 4 * (HOLE >> 12), HOLE | 6, 4);
    g->c.cr3 = PD_AT;
    g->c.cr0 |= CR0_PG | CR0_WP;
}

static void a_page_fault_tells_address_and_cause(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    enable_paging(g);
    assert_int_equal(RUN(g, 0xa3, 0x34, 0x02, 0x03, 0x00), EX_PF); /* mov [30234], eax */
    assert_int_equal(g->c.cr2, HOLE + 0x234);
    assert_int_equal(stack_at(g, 0), 6);
    assert_int_equal(stack_at(g, 1), CODE_AT);
    guest_protected(g, 0);
    enable_paging(g);
    guest_poke(g, PT_AT + 4 * 9, 0x9000 | 5, 4);
    assert_int_equal(RUN(g, 0xa3, 0xfe, 0x8f, 0x00, 0x00),
                     EX_PF); /* 8ffe..9001: the second page is read-only */
    assert_int_equal(g->c.cr2, 0x9000);
    assert_int_equal(stack_at(g, 0), 3);
    assert_int_equal(guest_peek(g, 0x8ffe, 2), 0); /* nothing was written to the first */
}

static void a_page_fault_in_delivery_doubles_only_behind_another(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    enable_paging(g);
    guest_poke(g, TSS_AT + 4, HOLE + 8, 4); /* ESP0: the frame needs two pages */
    guest_gate(g, IDT_AT + 8 * EX_DF, TSS2, 0, 0x85, 0);
    guest_poke(g, TSS2_AT + 0x1c, PD_AT, 4);
    guest_poke(g, TSS2_AT + 0x20, handler_at(EX_DF), 4);
    guest_poke(g, TSS2_AT + 0x24, 2, 4);
    guest_poke(g, TSS2_AT + 0x28 + 4 * ESP, STACK1_AT, 4);
    guest_poke(g, TSS2_AT + 0x48 + 4 * CS, CODE0, 4);
    guest_poke(g, TSS2_AT + 0x48 + 4 * SS, DATA0, 4);
    assert_int_equal(RUN(g, 0xcd, 0x40), EX_DF); /* INT, then #PF on its frame, then #PF on that one's */
    assert_int_equal(g->c.tr.sel, TSS2);
    assert_int_equal(g->c.cr2, HOLE + 4);
    assert_int_equal(guest_peek(g, TSS_AT + 0x20, 4), CODE_AT);
    assert_int_equal(guest_peek(g, TSS_AT + 0x38, 4), STACK3_AT);
}

static void rings_below_3_reach_user_pages_and_ring_3_no_supervisor_ones(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    enable_paging(g);
    guest_poke(g, PT_AT + 4 * 9, 0x9000 | 3, 4);
    assert_int_equal(RUN(g, 0xa1, 0x00, 0x90, 0x00, 0x00), EX_PF);
    assert_int_equal(stack_at(g, 0), 5);
    guest_protected(g, 1);
    enable_paging(g);
    guest_poke(g, PT_AT + 4 * 9, 0x9000 | 3, 4);
    assert_int_equal(RUN(g, 0xa1, 0x00, 0x90, 0x00, 0x00, 0xcd, 0x41), 0x41);
}

/* --- debug exceptions --- */

static void an_instruction_breakpoint_hits_before_and_rf_steps_over(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    g->c.dr[1] = CODE_AT + 1;
    g->c.dr[7] |= 2 << 2;
    debug_update(&g->c);
    assert_int_equal(RUN(g, 0x40, 0x40, 0xcd, 0x40), EX_DB);
    assert_int_equal(g->c.gpr[EAX], 1);
    assert_int_equal(stack_at(g, 0), CODE_AT + 1);
    assert_int_equal(g->c.dr[6] & 0xf00f, 2);
    guest_poke(g, STACK0_AT - 4, FL_RF | 2, 4);
    guest_poke(g, handler_at(1) + 1, 0xcf, 1); /* iret */
    assert_int_equal(guest_vector(g), 0x40);
    assert_int_equal(g->c.gpr[EAX], 2);
}

static void a_data_breakpoint_hits_after_the_access(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    g->c.dr[0] = 0x9000;
    g->c.dr[7] |= 1 | 0xdu << 16; /* write, 4 bytes */
    debug_update(&g->c);
    /* mov eax, [9000]; mov byte [9003], 5; nop */
    assert_int_equal(RUN(g, 0xa1, 0, 0x90, 0, 0, 0xc6, 0x05, 3, 0x90, 0, 0, 5, 0x90), EX_DB);
    assert_int_equal(stack_at(g, 0), CODE_AT + 12);
    assert_int_equal(guest_peek(g, 0x9003, 1), 5);
    assert_int_equal(g->c.dr[6] & 0xf00f, 1);
}

/* The translator adds up what pushes and pops do to ESP. */
static void a_fault_among_pushes_finds_its_own_esp(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    /* push 33; push 11; push 0; push 22; pop ecx; push ecx; div dword [esp + 4] */
    assert_int_equal(RUN(g, 0x6a, 0x33, 0x6a, 0x11, 0x6a, 0, 0x6a, 0x22, 0x59, 0x51, 0xf7, 0x74, 0x24, 4),
                     EX_DE);
    assert_int_equal(g->c.gpr[ESP], STACK0_AT - 4 * 4 - 3 * 4);
    assert_int_equal(stack_at(g, 0), CODE_AT + 10);
    assert_int_equal(stack_at(g, 3), 0x22);
    assert_int_equal(stack_at(g, 4), 0);
    assert_int_equal(stack_at(g, 6), 0x33);
    assert_int_equal(g->c.gpr[ECX], 0x22);
}

/* push 5; push 6; lea eax, [esp + 4]; mov ebx, esp; mov edx, [esp + 4]; push esp; pop ecx; pop esi; ud2 */
static void moves_of_esp_are_seen_by_all_that_reads_it(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    assert_int_equal(RUN(g, 0x6a, 5, 0x6a, 6, 0x8d, 0x44, 0x24, 4, 0x89, 0xe3, 0x8b, 0x54, 0x24, 4, 0x54,
                         0x59, 0x5e, 0x0f, 0x0b),
                     EX_UD);
    assert_int_equal(g->c.gpr[EAX], STACK0_AT - 4);
    assert_int_equal(g->c.gpr[EBX], STACK0_AT - 8);
    assert_int_equal(g->c.gpr[ECX], STACK0_AT - 8);
    assert_int_equal(g->c.gpr[EDX], 5);
    assert_int_equal(g->c.gpr[ESI], 6);
    assert_int_equal(g->c.gpr[ESP], STACK0_AT - 4 - 3 * 4);
}

static void general_detect_guards_the_debug_registers(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    assert_int_equal(RUN(g, 0xb8, 0, 0x20, 0, 0, 0x0f, 0x23, 0xf8, 0x0f, 0x21, 0xc0), EX_DB);
    assert_int_equal(stack_at(g, 0), CODE_AT + 8);
    assert_int_equal(g->c.dr[6] & 0xf00f, 1 << 13);
    assert_int_equal(g->c.dr[7], 0x400); /* GD is cleared for the handler */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(a_fault_at_the_same_level_pushes_error_and_rf),
        GUEST_TEST(an_interrupt_from_ring_3_switches_stacks),
        GUEST_TEST(a_trap_gate_leaves_if),
        GUEST_TEST(a_16_bit_gate_pushes_words),
        GUEST_TEST(software_may_not_use_an_inner_gate),
        GUEST_TEST(hardware_may_and_reports_ext),
        GUEST_TEST(a_bad_inner_stack_is_a_ts_fault_with_its_selector),
        GUEST_TEST(contributory_faults_double),
        GUEST_TEST(a_fault_in_a_double_fault_is_shutdown),
        GUEST_TEST(iret_returns_to_ring_3_and_drops_segments),
        GUEST_TEST(iret_in_ring_3_may_not_change_iopl_or_if),
        GUEST_TEST(iret_enters_v86_mode_and_an_interrupt_leaves_it),
        GUEST_TEST(v86_below_iopl_3_traps_sensitive_instructions),
        GUEST_TEST(vme_gives_v86_programs_a_virtual_if),
        GUEST_TEST(vme_redirects_int_n_by_the_map),
        GUEST_TEST(a_call_gate_copies_parameters_and_ret_drops_them),
        GUEST_TEST(call_gates_check_their_own_dpl_and_the_target),
        GUEST_TEST(direct_far_transfers_stay_at_their_level),
        GUEST_TEST(sysenter_and_sysexit_use_flat_segments),
        GUEST_TEST(ports_are_guarded_by_iopl_and_the_tss_bitmap),
        GUEST_TEST(popf_in_ring_3_keeps_if_and_iopl),
        GUEST_TEST(a_page_fault_tells_address_and_cause),
        GUEST_TEST(a_page_fault_in_delivery_doubles_only_behind_another),
        GUEST_TEST(rings_below_3_reach_user_pages_and_ring_3_no_supervisor_ones),
        GUEST_TEST(an_instruction_breakpoint_hits_before_and_rf_steps_over),
        GUEST_TEST(a_data_breakpoint_hits_after_the_access),
        GUEST_TEST(general_detect_guards_the_debug_registers),
        GUEST_TEST(a_fault_among_pushes_finds_its_own_esp),
        GUEST_TEST(moves_of_esp_are_seen_by_all_that_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
