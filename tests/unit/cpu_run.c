/* The run loop: power-on state, attention and the poll, interrupts and their shadows, HLT, single steps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"
#include "mmu/bus.h"

static void starts_at_the_reset_vector(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    cpu_reset(c);
    assert_int_equal(c->seg[CS].sel, 0xf000);
    assert_int_equal(c->seg[CS].base, 0xffff0000u);
    assert_int_equal(c->eip, 0xfff0);
    assert_int_equal(c->eflags, 2);
    assert_int_equal(c->cr0, CR0_CD | CR0_NW | CR0_ET);
    assert_int_equal(c->dr[6], 0xffff0ff0u);
    assert_int_equal(c->gpr[EDX], 0x695);
}

static void runs_to_hlt(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0xb8, 0x34, 0x12, 0x40, 0xf4}; /* mov ax, 1234; inc ax; hlt */
    guest_code(g, code, sizeof code);
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(g->c.gpr[EAX], 0x1235);
    assert_int_equal(g->c.eip, CODE_AT + sizeof code);
}

static void a_pending_interrupt_waits_for_if_and_the_sti_shadow(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x40, 0x40, 0xfb,
                              0x40, 0x40, 0xf4}; /* inc ax; inc ax; sti; inc ax; inc ax; hlt */
    guest_code(g, code, sizeof code);
    guest_real_handler(g, 0x20); /* hlt */
    cpu_set_intr(&g->c, true);
    assert_ptr_not_equal(g->c.poll, cpu_poll_trap);
    g->vector = 0x20;
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(g->c.gpr[EAX], 3);
    assert_int_equal(g->c.eip, handler_at(0x20) + 1);
    assert_int_equal(guest_peek(g, STACK_AT - 6, 2), CODE_AT + 4);
    assert_int_equal(g->c.eflags & FL_I, 0);
}

static void mov_ss_holds_interrupts_off_for_one_instruction(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x8e, 0xd1, 0x40, 0x40, 0xf4}; /* mov ss, cx; inc ax; inc ax; hlt */
    guest_code(g, code, sizeof code);
    guest_real_handler(g, 0x20);
    g->c.eflags |= FL_I;
    g->c.gpr[ECX] = 0;
    g->vector = 0x20;
    g->c.dr[7] |=
        1; /* keeps the engine out, so that each instruction is a step; the breakpoint is elsewhere */
    g->c.dr[0] = 0x12345;
    debug_update(&g->c);
    interp_one(&g->c);
    assert_int_equal(g->c.inhibit, INHIBIT_SS);
    cpu_set_intr(&g->c, true);
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(g->c.gpr[EAX], 1);
}

static void a_step_trap_follows_each_instruction_but_not_mov_ss(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x40, 0x8e, 0xd1, 0x40, 0x40, 0xcd, 0x30};
    static const u8 handler[] = {0x43, 0xcf}; /* inc bx; iret */
    guest_code(g, code, sizeof code);
    guest_real_handler(g, 1);
    guest_real_handler(g, 0x30);
    guest_write(g, handler_at(1), handler, sizeof handler);
    g->c.gpr[ECX] = 0;
    eflags_write(&g->c, FL_T, FL_T);
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(g->c.gpr[EAX], 3);
    assert_int_equal(g->c.gpr[EBX], 3); /* inc; mov ss + inc; inc. INT clears TF and is not trapped. */
    assert_int_equal(g->c.dr[6] & 0xf00f, 0x4000);
}

static void an_nmi_waits_for_iret_behind_another(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x40, 0xf4};
    static const u8 handler[] = {0x43, 0xcf};
    guest_code(g, code, sizeof code);
    guest_real_handler(g, 2);
    guest_write(g, handler_at(2), handler, sizeof handler);
    cpu_attention(&g->c, ATT_NMI);
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(g->c.gpr[EBX], 1);
    assert_false(g->c.nmi_blocked);
    g->c.nmi_blocked = true;
    cpu_attention(&g->c, ATT_NMI);
    cpu_poll_update(&g->c);
    assert_ptr_not_equal(g->c.poll, cpu_poll_trap);
}

/* INIT wakes a processor that has halted for good; it begins where a reset would let it begin, but FPU and MSRs stay. */
static void init_is_a_reset_of_the_core(void **state)
{
    Guest *g = *state;
    static const RunHooks none;
    static u8 rom[0x10000] = {[0xfff0] = 0x40, [0xfff1] = 0xf4};   /* inc ax; hlt */
    static const u8 code[] = {0xdb, 0xe3, 0xd9, 0xe8, 0xfa, 0xf4}; /* fninit; fld1; cli; hlt */
    guest_code(g, code, sizeof code);
    g->c.mtrr_def = 6;
    g->c.cr4 = CR4_TSD;
    g->c.cr0 = (g->c.cr0 & ~(u32)(CR0_CD | CR0_NW)) | CR0_CD | CR0_NE;
    g->c.dr[1] = 5;
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_true(phys_add_rom(g->c.phys, 0xffff0000u, rom, sizeof rom));
    g->c.gpr[EBX] = 7;
    cpu_attention(&g->c, ATT_INIT | ATT_NMI);
    assert_int_equal(cpu_run(&g->c, &none), STOP_HLT);
    assert_int_equal(g->c.seg[CS].base, 0xffff0000u);
    assert_int_equal(g->c.gpr[EAX], 1);
    assert_int_equal(g->c.gpr[EBX], 0);
    assert_int_equal(g->c.cr0, CR0_CD | CR0_ET);
    assert_int_equal(g->c.cr4 | g->c.dr[1], 0);
    assert_int_equal(g->c.mtrr_def, 6);
    fpu_park(&g->c);
    assert_int_equal(load16(g->c.fpu.st[0] + 8), 0x3fff);
}

static void a_stop_request_ends_the_loop(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0xeb, 0xfe}; /* jmp $ */
    guest_code(g, code, sizeof code);
    g->c.stop_reason = STOP_NONE;
    cpu_attention(&g->c, ATT_STOP);
    assert_int_equal(guest_run(g), STOP_QUIT);
}

static void hand_out_more(void *ctx)
{
    Vcpu *c = ctx;
    if (c->speed_left < 0) c->speed_left += 7;
    if (c->speed_left < 0) cpu_attention(c, ATT_SPEED);
}

static void nap(void *ctx)
{
    Vcpu *c = ctx;
    if (!c->pause.wanted) return;
    cpu_pause_over(c);
    if (++c->gpr[EDX] == 3) cpu_attention(c, ATT_STOP);
}

/* A loop of PAUSE asks the host to sleep, again and again, and goes on behind it. */
static void a_loop_that_waits_lets_the_host_sleep(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x40, 0xf3, 0x90, 0xeb, 0xfb}; /* inc ax; pause; jmp */
    const RunHooks hooks = {.ctx = &g->c, .service = nap};
    guest_code(g, code, sizeof code);
    u32 start = g->c.eip;
    guest_engine_init(&g->c);
    g->c.engine->paging_changed(g->c.engine->ctx, &g->c, EV_CR0 | EV_CR3 | EV_CR4);
    assert_int_equal(cpu_run(&g->c, &hooks), STOP_QUIT);
    assert_int_equal(g->c.gpr[EDX], 3);
    assert_in_range(g->c.eip, start, start + 3);
}

/* NOP is not PAUSE. */
static void a_loop_of_nops_does_not(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x90, 0xe2, 0xfd, 0xf4}; /* nop; loop; hlt */
    const RunHooks hooks = {.ctx = &g->c, .service = nap};
    guest_code(g, code, sizeof code);
    g->c.gpr[ECX] = 0;
    guest_engine_init(&g->c);
    g->c.engine->paging_changed(g->c.engine->ctx, &g->c, EV_CR0 | EV_CR3 | EV_CR4);
    assert_int_equal(cpu_run(&g->c, &hooks), STOP_HLT);
    assert_false(g->c.pause.wanted);
}

/* -speed counts instructions, and stops between them: none is left out or done twice, wherever a block ends. */
static void a_speed_limit_stops_between_instructions(void **state)
{
    Guest *g = *state;
    enum { LONG = 200, ROUNDS = 50 };
    static u8 code[LONG + 4];
    memset(code, 0x40, LONG);                                     /* inc ax, beyond the end of a block */
    memcpy(code + LONG, (const u8[]){0x49, 0x75, 0x00, 0xf4}, 4); /* dec cx; jnz; hlt */
    code[LONG + 2] = (u8)-128;                                    /* back by 128: not to the first */
    guest_code(g, code, sizeof code);
    g->c.gpr[ECX] = ROUNDS;
    g->c.speed_on = true;
    g->c.speed_left = 10;
    const RunHooks hooks = {.ctx = &g->c, .service = hand_out_more};
    guest_engine_init(&g->c);
    g->c.engine->paging_changed(g->c.engine->ctx, &g->c, EV_CR0 | EV_CR3 | EV_CR4);
    assert_int_equal(cpu_run(&g->c, &hooks), STOP_HLT);
    assert_int_equal(g->c.gpr[EAX], LONG + (ROUNDS - 1) * (128 - 3));
}

typedef struct Handed {
    Vcpu *c;
    s64 insns;
    unsigned times;
} Handed;

static void nap_and_hand_out(void *ctx)
{
    enum { MANY = 1000000 };
    Handed *h = ctx;
    nap(h->c);
    if (h->c->speed_left >= 0) return;
    h->c->speed_left += MANY;
    h->insns += MANY;
    h->times++;
}

/* What a PAUSE that is left retires is counted. (Where the count ends, one instruction may be counted, then
 * repeated.) */
static void a_speed_limit_counts_what_ends_in_a_nap(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x66, 0x40, 0xf3, 0x90, 0xeb, 0xfa}; /* inc eax; pause; jmp */
    Handed handed = {.c = &g->c};
    const RunHooks hooks = {.ctx = &handed, .service = nap_and_hand_out};
    guest_code(g, code, sizeof code);
    u32 start = g->c.eip;
    g->c.speed_on = true;
    g->c.speed_left = -1;
    handed.insns = -1;
    cpu_attention(&g->c, ATT_SPEED);
    guest_engine_init(&g->c);
    g->c.engine->paging_changed(g->c.engine->ctx, &g->c, EV_CR0 | EV_CR3 | EV_CR4);
    assert_int_equal(cpu_run(&g->c, &hooks), STOP_QUIT);
    u32 at = (g->c.eip - start) / 2, retired = 3 * g->c.gpr[EAX] - (3 - at) % 3;
    assert_int_equal(g->c.gpr[EDX], 3);
    assert_in_range(handed.insns - g->c.speed_left, retired, retired + handed.times);
}

static void a_fault_without_idt_is_a_triple_fault(void **state)
{
    Guest *g = *state;
    static const u8 code[] = {0x0f, 0x0b};
    guest_code(g, code, sizeof code);
    g->c.idtr.limit = 0;
    assert_int_equal(guest_run(g), STOP_SHUTDOWN);
}

/* --- debug exceptions around repeated string instructions and MOV SS (SDM vol. 3, 17.3.1) --- */

enum { DEBUG_AT = 0x6000, DATA_AT = 0x9000 };

/* Protected mode; #DB counts in EBX, adds the frame's RF to EBP, and leaves ECX and EIP of the last one in EDX and at
 * DATA_AT - 4; the frame goes back with RF set. */
static void count_debug_exceptions(Guest *g)
{
    static const u8 handler[] = {0x43, 0x89, 0xca,                               /* inc ebx; mov edx, ecx */
                                 0x50, 0x8b, 0x44, 0x24, 0x0c, 0xc1, 0xe8, 0x10, /* mov eax, [eflags] >> 16 */
                                 0x83, 0xe0, 0x01, 0x01, 0xc5,                   /* add ebp, RF */
                                 0x8b, 0x44, 0x24, 0x04, 0xa3, 0xfc, 0x8f, 0x00, 0x00, /* mov [8ffc], eip */
                                 0x58, 0x80, 0x4c, 0x24, 0x0a, 0x01, 0xcf};            /* set RF; iret */
    guest_protected(g, 0);
    guest_gate(g, IDT_AT + 8 * EX_DB, CODE0, DEBUG_AT, 0x8e, 0);
    guest_write(g, DEBUG_AT, handler, sizeof handler);
    g->c.gpr[EBX] = g->c.gpr[EBP] = 0;
    g->c.gpr[ESI] = g->c.gpr[EDI] = DATA_AT;
    g->c.gpr[ECX] = 5;
}

static void breakpoint(Guest *g, u32 va, u32 kind_and_length)
{
    g->c.dr[0] = va;
    g->c.dr[7] = 0x401 | kind_and_length << 16;
    debug_update(&g->c);
}

static u32 trapped_at(Guest *g) { return guest_peek(g, DATA_AT - 4, 4); }

#define RUN_TO_INT(g, ...)                                                                                   \
    do {                                                                                                     \
        guest_code(g, ((const u8[]){__VA_ARGS__, 0xcd, 0x30}), sizeof((const u8[]){__VA_ARGS__, 0, 0}));     \
        assert_int_equal(guest_vector(g), 0x30);                                                             \
    } while (0)

/* traps: how many, and how many of them between two iterations */
#define assert_traps(g, n, between)                                                                          \
    do {                                                                                                     \
        assert_int_equal((g)->c.gpr[EBX], n);                                                                \
        assert_int_equal((g)->c.gpr[EBP], between);                                                          \
    } while (0)

static void a_step_trap_follows_each_iteration(void **state)
{
    Guest *g = *state;
    for (u32 string = 0xa4; string <= 0xae; string++) {
        if (string == 0xa8 || string == 0xa9) continue; /* TEST */
        u32 bytes = string & 1 ? 4 : 1;
        count_debug_exceptions(g);
        for (u32 n = 0; n < 5; n++) guest_poke(g, DATA_AT + 4 * n, 0, 4);
        g->c.gpr[EAX] = 0;
        eflags_write(&g->c, FL_T, FL_T);
        RUN_TO_INT(g, 0xf3, (u8)string);
        assert_traps(g, 5, 4);
        assert_int_equal(g->c.gpr[ECX], 0);
        assert_int_equal(g->c.gpr[ESI] + g->c.gpr[EDI], 2 * DATA_AT + 5 * bytes * (string < 0xa8 ? 2 : 1));
        assert_int_equal(trapped_at(g), CODE_AT + 2);
    }
}

static void a_step_trap_follows_what_ends_early(void **state)
{
    Guest *g = *state;
    count_debug_exceptions(g); /* no iteration */
    g->c.gpr[ECX] = 0;
    eflags_write(&g->c, FL_T, FL_T);
    RUN_TO_INT(g, 0xf3, 0xa4);
    assert_traps(g, 1, 0);

    count_debug_exceptions(g); /* found at the third byte */
    guest_poke(g, DATA_AT, 0x00070000, 4);
    g->c.gpr[EAX] = 7;
    eflags_write(&g->c, FL_T, FL_T);
    RUN_TO_INT(g, 0xf2, 0xae);
    assert_traps(g, 3, 2);
    assert_int_equal(g->c.gpr[ECX], 2);

    count_debug_exceptions(g); /* ports */
    eflags_write(&g->c, FL_T, FL_T);
    RUN_TO_INT(g, 0xf3, 0x6c, 0x6e);
    assert_traps(g, 6, 4);
}

static void an_instruction_breakpoint_hits_a_repeated_one_once(void **state)
{
    Guest *g = *state;
    count_debug_exceptions(g);
    breakpoint(g, CODE_AT, 0);
    RUN_TO_INT(g, 0xf3, 0xa4);
    assert_traps(g, 1, 0);
    assert_int_equal(g->c.gpr[EDX], 5);

    count_debug_exceptions(g); /* and its steps do not hit it again */
    breakpoint(g, CODE_AT, 0);
    eflags_write(&g->c, FL_T, FL_T);
    RUN_TO_INT(g, 0xf3, 0xa4);
    assert_traps(g, 6, 4);
}

static void a_data_breakpoint_stops_between_iterations(void **state)
{
    Guest *g = *state;
    count_debug_exceptions(g);
    breakpoint(g, DATA_AT + 2, 1); /* one byte, written */
    RUN_TO_INT(g, 0xf3, 0xaa);
    assert_traps(g, 1, 1);
    assert_int_equal(g->c.gpr[EDX], 2); /* three of five are done */
    assert_int_equal(trapped_at(g), CODE_AT);
    assert_int_equal(g->c.gpr[ECX], 0);
    assert_int_equal(g->c.dr[6] & 0xf00f, 1);
}

static void raise_at_the_third(void *ctx, u32 off, u32 v, unsigned bytes)
{
    Guest *g = ctx;
    (void)off, (void)v, (void)bytes;
    if (g->c.gpr[ECX] == 3) cpu_set_intr(&g->c, true);
}

static u32 read_ones(void *ctx, u32 off, unsigned bytes)
{
    (void)ctx, (void)off, (void)bytes;
    return 0xff;
}

static const IoOps raiser = {.read = read_ones, .write = raise_at_the_third, .min_bytes = 1, .max_bytes = 1};

static void an_interrupt_between_iterations_pushes_rf(void **state)
{
    Guest *g = *state;
    count_debug_exceptions(g);
    bus_add_ports(g->bus, 0x80, 1, &raiser, g, "raiser");
    guest_gate(g, IDT_AT + 8 * 0x20, CODE0, DEBUG_AT, 0x8e, 0);
    g->vector = 0x20;
    g->c.eflags |= FL_I;
    g->c.gpr[EDX] = 0x80;
    breakpoint(g, DATA_AT + 0x100, 1); /* elsewhere */
    RUN_TO_INT(g, 0xf3, 0x6e);
    assert_traps(g, 1, 1);
    assert_int_equal(g->c.gpr[EDX], 2);
    assert_int_equal(trapped_at(g), CODE_AT);
}

/* MOV SS, POP SS that hit a data breakpoint: the #DB comes behind the next instruction; where that is INT, in front of
 * the handler; where it is INT1, they are one. */
static void mov_ss_holds_debug_exceptions(void **state)
{
    Guest *g = *state;
    count_debug_exceptions(g);
    guest_poke(g, DATA_AT, DATA0, 4);
    breakpoint(g, DATA_AT, 15);
    RUN_TO_INT(g, 0x8e, 0x16, 0x41); /* mov ss, [esi]; inc ecx */
    assert_traps(g, 1, 0);
    assert_int_equal(trapped_at(g), CODE_AT + 3);
    assert_int_equal(g->c.dr[6] & 0xf00f, 1);

    count_debug_exceptions(g);
    breakpoint(g, STACK0_AT, 15);
    guest_poke(g, STACK0_AT, DATA0, 4);
    RUN_TO_INT(g, 0x17, 0xbc, 0x00, 0x70, 0x01, 0x00); /* pop ss; mov esp, 17000 */
    assert_traps(g, 1, 0);
    assert_int_equal(trapped_at(g), CODE_AT + 6);

    count_debug_exceptions(g);
    breakpoint(g, DATA_AT, 15);
    RUN_TO_INT(g, 0x8e, 0x16); /* int 30 follows */
    assert_traps(g, 1, 0);
    assert_int_equal(trapped_at(g), handler_at(0x30));

    count_debug_exceptions(g);
    breakpoint(g, DATA_AT, 15);
    RUN_TO_INT(g, 0x8e, 0x16, 0xf1);
    assert_traps(g, 1, 0);
    assert_int_equal(trapped_at(g), CODE_AT + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(starts_at_the_reset_vector),
        GUEST_TEST(runs_to_hlt),
        GUEST_TEST(a_pending_interrupt_waits_for_if_and_the_sti_shadow),
        GUEST_TEST(mov_ss_holds_interrupts_off_for_one_instruction),
        GUEST_TEST(a_step_trap_follows_each_instruction_but_not_mov_ss),
        GUEST_TEST(an_nmi_waits_for_iret_behind_another),
        GUEST_TEST(init_is_a_reset_of_the_core),
        GUEST_TEST(a_stop_request_ends_the_loop),
        GUEST_TEST(a_speed_limit_stops_between_instructions),
        GUEST_TEST(a_speed_limit_counts_what_ends_in_a_nap),
        GUEST_TEST(a_loop_that_waits_lets_the_host_sleep),
        GUEST_TEST(a_loop_of_nops_does_not),
        GUEST_TEST(a_fault_without_idt_is_a_triple_fault),
        GUEST_TEST(a_step_trap_follows_each_iteration),
        GUEST_TEST(a_step_trap_follows_what_ends_early),
        GUEST_TEST(an_instruction_breakpoint_hits_a_repeated_one_once),
        GUEST_TEST(a_data_breakpoint_stops_between_iterations),
        GUEST_TEST(an_interrupt_between_iterations_pushes_rf),
        GUEST_TEST(mov_ss_holds_debug_exceptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
