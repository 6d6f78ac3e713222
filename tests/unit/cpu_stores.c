/* Instructions that store more than once: whatever can fault faults before the first byte is stored (SDM vol. 2: PUSHA,
 * ENTER, CALL, INT n, FSAVE, FXSAVE, SGDT). Each runs in ring 3 over the border of two pages, one of which it may not
 * write; afterwards neither has changed, and no register. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

enum { PD_AT = 0x40000, PT_AT = 0x41000, LOW = 0x1d000, HIGH = 0x1e000, END = 0x1f000, BOTH = END - LOW };

/* All 2 MiB mapped as they are, for everybody. */
static void paging_on(Guest *g)
{
    guest_poke(g, PD_AT, PT_AT | 7, 4);
    for (u32 n = 0; n < 512; n++) guest_poke(g, PT_AT + 4 * n, n << 12 | 7, 4);
    g->c.cr3 = PD_AT;
    g->c.cr0 |= CR0_PG | CR0_WP;
}

static void page_rights(Guest *g, u32 va, u32 rights) { guest_poke(g, PT_AT + (va >> 10), va | rights, 4); }

static void fill(Guest *g)
{
    u8 pattern[BOTH];
    for (unsigned n = 0; n < sizeof pattern; n++) pattern[n] = (u8)(n * 7 + 1);
    guest_write(g, LOW, pattern, sizeof pattern);
}

static void assert_unchanged(Guest *g, u32 from, u32 to)
{
    for (u32 at = from; at < to; at++) {
        u8 now = (u8)guest_peek(g, at, 1), was = (u8)((at - LOW) * 7 + 1);
        if (now != was) fail_msg("%x: was %02x, is %02x", at, was, now);
    }
}

/* A page that both engines have in use: written by the program before. */
static u32 put_touch(u8 *to, u32 va)
{
    static const u8 a_load[] = {0x8a, 0x05}, a_store[] = {0x88, 0x05};
    memcpy(to, a_load, 2), store32(to + 2, va);
    memcpy(to + 6, a_store, 2), store32(to + 8, va);
    return 12;
}

typedef struct Store {
    const char *name;
    u8 bytes, code[12];
    u32 esp, ebp;
} Store;

static const Store stores[] = {
    {"pushad", 1, {0x60}, HIGH + 16, 0},
    {"pushad, high end by one byte", 1, {0x60}, HIGH + 1, 0},
    {"pusha", 2, {0x66, 0x60}, HIGH + 8, 0},
    {"enter", 4, {0xc8, 8, 0, 0}, HIGH + 8, 0},
    {"enter, far below", 4, {0xc8, 0, 8, 0}, HIGH + 0x400, 0},
    {"enter, nested", 4, {0xc8, 0, 0, 5}, HIGH + 12, 0x1a800},
    {"enter 16, nested", 5, {0x66, 0xc8, 0, 0, 5}, HIGH + 6, 0x1a800},
    {"call far", 7, {0x9a, 0, 0x20, 0, 0, CODE3 | 3, 0}, HIGH + 4, 0},
    {"fnstenv", 6, {0xd9, 0x35, 0xf0, 0xdf, 1, 0}, STACK3_AT, 0},
    {"fnsave", 6, {0xdd, 0x35, 0xc0, 0xdf, 1, 0}, STACK3_AT, 0},
    {"fxsave", 7, {0x0f, 0xae, 0x05, 0x00, 0xdf, 1, 0}, STACK3_AT, 0},
    {"fstp m80", 6, {0xdb, 0x3d, 0xf8, 0xdf, 1, 0}, STACK3_AT, 0},
    {"sgdt", 7, {0x0f, 0x01, 0x05, 0xfd, 0xdf, 1, 0}, STACK3_AT, 0},
    {"cmpxchg8b", 7, {0x0f, 0xc7, 0x0d, 0xfc, 0xdf, 1, 0}, STACK3_AT, 0},
    {"movups", 7, {0x0f, 0x11, 0x05, 0xf8, 0xdf, 1, 0}, STACK3_AT, 0},
    {"mov", 5, {0xa3, 0xfe, 0xdf, 1, 0}, STACK3_AT, 0},
};

/* The page at `bad` has only these rights. */
static void one_store(Guest *g, const Store *s, u32 bad, u32 rights)
{
    u8 code[32];
    u32 n = put_touch(code, bad == LOW ? HIGH + 0xf00 : LOW + 0xf), gpr[8];
    guest_real(g);
    guest_protected(g, 3);
    paging_on(g);
    fill(g);
    page_rights(g, bad, rights);
    memcpy(code + n, s->code, s->bytes);
    guest_code(g, code, n + s->bytes);
    g->c.cr4 |= CR4_OSFXSR;
    g->c.gpr[ESP] = s->esp;
    g->c.gpr[EBP] = s->ebp;
    for (u32 at = s->ebp; s->ebp && at > s->ebp - 32; at -= 4) guest_poke(g, at - 4, at, 4);
    memcpy(gpr, g->c.gpr, sizeof gpr);
    gpr[EAX] = (gpr[EAX] & ~0xffu) | guest_peek(g, bad == LOW ? HIGH + 0xf00 : LOW + 0xf, 1);
    int vector = guest_vector(g);
    if (vector != EX_PF) fail_msg("%s: vector %d", s->name, vector);
    assert_int_equal(guest_peek(g, g->c.gpr[ESP] + 4, 4), CODE_AT + n);
    gpr[ESP] = g->c.gpr[ESP];
    assert_memory_equal(g->c.gpr, gpr, sizeof gpr);
    assert_int_equal(guest_peek(g, STACK0_AT - 8, 4), s->esp);
    assert_unchanged(g, LOW, END);
}

static void nothing_is_stored_before_a_page_fault(void **state)
{
    for (unsigned n = 0; n < ARRAY_LEN(stores); n++) {
        one_store(*state, &stores[n], LOW, 0);
        one_store(*state, &stores[n], HIGH, 0);
        one_store(*state, &stores[n], LOW, 5);
        one_store(*state, &stores[n], HIGH, 5);
    }
}

/* The ring-0 stack lies over a page that is missing: the frame of INT, of a call through a gate, and those of the faults
 * that follow, down to the shutdown. */
static void an_inner_stack_is_checked_before_the_frame(void **state)
{
    static const u8 an_int[] = {0xcd, 0x40}, a_call[] = {0x9a, 0, 0, 0, 0, GATE | 3, 0};
    Guest *g = *state;
    for (unsigned n = 0; n < 4; n++) {
        u32 bad = n & 1 ? HIGH : LOW;
        guest_real(g);
        guest_protected(g, 3);
        guest_gate(g, GDT_AT + GATE, CODE0, handler_at(0x41), 0xec, 3);
        paging_on(g);
        fill(g);
        page_rights(g, bad, 0);
        guest_poke(g, TSS_AT + 4, HIGH + 8, 4);
        guest_code(g, n & 2 ? a_call : an_int, n & 2 ? sizeof a_call : sizeof an_int);
        assert_int_equal(guest_run(g), STOP_SHUTDOWN);
        assert_unchanged(g, LOW, END);
    }
}

/* A frame is not stored either if the target is no good. */
static void a_target_beyond_the_limit_leaves_the_stack(void **state)
{
    static const u8 a_call[] = {0x9a, 0, 0, 2, 0, FREE | 3, 0};
    Guest *g = *state;
    guest_protected(g, 3);
    guest_desc(g, FREE, 0, 0xffff, 0xfa, 4);
    fill(g);
    g->c.gpr[ESP] = HIGH;
    guest_code(g, a_call, sizeof a_call);
    assert_int_equal(guest_vector(g), EX_GP);
    assert_unchanged(g, LOW, END);
}

/* A parameter that cannot be read: the inner stack stays as it was. */
static void parameters_are_read_before_the_frame(void **state)
{
    static const u8 a_call[] = {0x9a, 0, 0, 0, 0, GATE | 3, 0};
    Guest *g = *state;
    guest_protected(g, 3);
    guest_gate(g, GDT_AT + GATE, CODE0, handler_at(0x41), 0xec, 8);
    paging_on(g);
    fill(g);
    page_rights(g, 0x1f000, 0);
    guest_poke(g, TSS_AT + 4, HIGH + 0x200, 4);
    g->c.gpr[ESP] = 0x1fffc; /* the last one pushed is missing */
    guest_code(g, a_call, sizeof a_call);
    assert_int_equal(guest_vector(g), EX_PF);
    assert_int_equal(g->c.gpr[ESP], HIGH + 0x200 - 24); /* the frame of the fault, and what is below it */
    assert_unchanged(g, LOW, HIGH + 0x200 - 24);
    assert_int_equal(guest_peek(g, HIGH + 0x200 - 20, 4), CODE_AT);
}

/* 16-bit stack, real mode: #GP, and the only bytes that change are those of its frame. */
static void pusha_at_the_end_of_a_real_mode_stack(void **state)
{
    Guest *g = *state;
    for (u32 wide = 0; wide < 2; wide++)
        for (u32 sp = 7; sp <= 15; sp += 2) {
            static const u8 code[] = {0x66, 0x60};
            guest_real(g);
            guest_real_handler(g, EX_GP);
            guest_real_handler(g, EX_SS);
            fill(g);
            seg_load_real(&g->c, SS, LOW >> 4);
            g->c.gpr[ESP] = sp;
            guest_code(g, code + 1 - wide, 1 + wide);
            assert_int_equal(guest_run(g), STOP_HLT);
            assert_int_equal(g->c.eip, handler_at(EX_GP) + 1);
            assert_int_equal(g->c.gpr[ESP], sp - 6);
            assert_int_equal(guest_peek(g, LOW + sp - 6, 2), CODE_AT);
            assert_unchanged(g, LOW, LOW + sp - 6);
            assert_unchanged(g, LOW + sp, END);
        }
}

/* INT in real mode with no room for its third word: nothing but the shutdown. */
static void an_interrupt_frame_at_the_end_of_a_stack(void **state)
{
    static const u8 an_int[] = {0xcd, 0x40};
    Guest *g = *state;
    for (u32 sp = 1; sp <= 5; sp += 2) {
        guest_real(g);
        guest_real_handler(g, 0x40);
        fill(g);
        seg_load_real(&g->c, SS, LOW >> 4);
        g->c.gpr[ESP] = sp;
        guest_code(g, an_int, sizeof an_int);
        assert_int_equal(guest_run(g), STOP_SHUTDOWN);
        assert_unchanged(g, LOW, END);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(nothing_is_stored_before_a_page_fault),
        GUEST_TEST(an_inner_stack_is_checked_before_the_frame),
        GUEST_TEST(a_target_beyond_the_limit_leaves_the_stack),
        GUEST_TEST(parameters_are_read_before_the_frame),
        GUEST_TEST(pusha_at_the_end_of_a_real_mode_stack),
        GUEST_TEST(an_interrupt_frame_at_the_end_of_a_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
