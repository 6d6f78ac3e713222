/* Fetch, and the instructions that a comparison with the host leaves out: branches, 16-bit stacks and addresses, faults
 * that must change nothing. */
#include "cpu_flat.h"

static void code_at(Vcpu *c, u32 eip, const void *bytes, size_t n)
{
    c->eip = eip;
    flat_code(c, bytes, n);
}
#define CODE_AT(c, at, ...) code_at(c, at, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

/* --- fetch --- */

static void test_fetch_across_pages(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    store32(flat_pte(c, 0x6000), 0x9000 | PTE_P); /* the second half lies elsewhere */
    code_at(c, 0x5ffe, (const u8[]){0xb8, 0x11}, 2);
    memcpy(flat_ram(c, 0x9000), (const u8[]){0x22, 0x33, 0x44}, 3);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[EAX], 0x44332211);
    assert_int_equal(c->eip, 0x6003);
}

static void test_fetch_faults_only_if_needed(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    store32(flat_pte(c, 0x6000), 0);
    CODE_AT(c, 0x5fff, 0x40); /* inc eax is the last byte of the page */
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(flat_step(c), EX_PF);
    assert_int_equal(c->cr2, 0x6000);
    CODE_AT(c, 0x5ffd, 0xb8, 1, 2);
    assert_int_equal(flat_step(c), EX_PF);
    assert_int_equal(c->cr2, 0x6000);
    assert_int_equal(c->fault.error, 0);
    assert_int_equal(c->eip, 0x5ffd);
}

static void test_fetch_rights(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    store32(flat_pte(c, 0x5000), 0x5000 | PTE_P);
    CODE_AT(c, 0x5000, 0x90, 0x90);
    assert_int_equal(flat_step(c), NO_FAULT);
    c->cpl = 3;
    assert_int_equal(flat_step(c), EX_PF);
    assert_int_equal(c->fault.error, PF_P | PF_U);
}

static void test_fetch_limit(void **state)
{
    Vcpu *c = *state;
    c->seg[CS].limit = 0x5002;
    CODE_AT(c, 0x5000, 0x90, 0xb0, 0x7f, 0x90);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(flat_step(c), EX_GP);
    CODE_AT(c, 0x5001, 0xb8);
    assert_int_equal(flat_step(c), EX_GP);
}

static void test_too_long_and_undefined(void **state)
{
    Vcpu *c = *state;
    u8 prefixes[16];
    memset(prefixes, 0x66, sizeof prefixes);
    prefixes[14] = 0x90;
    flat_code(c, prefixes, 15);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, FLAT_CODE + 15);
    prefixes[14] = 0x66;
    prefixes[15] = 0x90;
    c->eip = FLAT_CODE;
    flat_code(c, prefixes, 16);
    assert_int_equal(flat_step(c), EX_GP);
    CODE(c, 0x0f, 0xff);
    assert_int_equal(flat_step(c), EX_UD);
    CODE(c, 0xf0, 0x90);
    assert_int_equal(flat_step(c), EX_UD);
}

/* Neither stores nor new mappings need to tell the cache of decoded instructions. */
static void test_modified_code(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    CODE_AT(c, 0x5000, 0xb0, 0x01);
    assert_int_equal(flat_step(c), NO_FAULT);
    *flat_ram(c, 0x5001) = 0x02;
    c->eip = 0x5000;
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[EAX], 2);
    memcpy(flat_ram(c, 0x7000), (const u8[]){0xb0, 0x03}, 2);
    store32(flat_pte(c, 0x5000), 0x7000 | PTE_P);
    c->eip = 0x5000;
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[EAX], 3);
    c->eip = 0x5000;
    memcpy(flat_ram(c, 0x7000), (const u8[]){0xb8, 1, 2, 3, 4}, 5);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[EAX], 0x04030201);
    c->seg[CS].attr &= ~(u32)SEG_DB; /* same bytes, other mode */
    c->eip = 0x5000;
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, 0x5003);
}

static void test_privilege_and_inhibit(void **state)
{
    Vcpu *c = *state;
    CODE(c, 0x90, 0x0f, 0x06);
    c->inhibit = INHIBIT_STI;
    c->eflags |= FL_RF;
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->inhibit, 0);
    assert_false(c->eflags & FL_RF);
    c->cpl = 3;
    assert_int_equal(flat_step(c), EX_GP);
    assert_int_equal(c->eip, FLAT_CODE + 1);
}

static void test_run_counts(void **state)
{
    Vcpu *c = *state;
    CODE(c, 0x40, 0xeb, 0xfd); /* inc eax; jmp back */
    engine_interp.run(NULL, c, 1000);
    assert_int_equal(c->gpr[EAX], 500);
    assert_int_equal(c->insns_interp, 1000);
    flat_attention(c);
    engine_interp.run(NULL, c, 1000);
    assert_int_equal(c->insns_interp, 1000);
}

/* --- the page of code that the engine keeps --- */

enum { PAGE_A = 0x105000, PAGE_B = 0x5000, ENTRY_BITS = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D };

/* inc eax; mov [at], edx; inc ebx; jmp $ at PAGE_A. The same at PAGE_B, but for inc ecx in place of inc ebx. */
static void put_two_pages(Vcpu *c, u32 at)
{
    const u8 code[] = {0x40, 0x89, 0x15, (u8)at, (u8)(at >> 8), (u8)(at >> 16), 0, 0x43, 0xeb, 0xfe};
    code_at(c, PAGE_B, code, sizeof code);
    *flat_ram(c, PAGE_B + 7) = 0x41;
    code_at(c, PAGE_A, code, sizeof code);
}

/* The engine knows both pages' instructions, and is in PAGE_A. */
static void run_two_pages(Vcpu *c, u32 edx)
{
    c->gpr[EDX] = edx;
    c->eip = PAGE_A;
    engine_interp.run(NULL, c, 5);
}

static void test_run_sees_entry(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    put_two_pages(c, FLAT_PT + 4 * (PAGE_A >> PAGE_BITS));
    for (int n = 0; n < 3; n++) {
        run_two_pages(c, PAGE_A | ENTRY_BITS);
        assert_int_equal(c->gpr[ECX], n);
        assert_int_equal(c->gpr[EBX], n + 1);
        run_two_pages(c, PAGE_B | ENTRY_BITS); /* its store changes where the next instruction is */
        assert_int_equal(c->gpr[ECX], n + 1);
        assert_int_equal(c->gpr[EBX], n + 1);
        store32(flat_pte(c, PAGE_A), PAGE_A | ENTRY_BITS);
    }
}

static void a20_follows(void *ctx, u32 pa, u32 bytes, u8 watch)
{
    Vcpu *c = ctx;
    (void)bytes, (void)watch;
    phys_set_a20(c->phys, *flat_ram(c, pa));
}

static void test_run_sees_a20(void **state)
{
    Vcpu *c = *state;
    put_two_pages(c, 0x8000);
    c->phys->watch[8] = WATCH_OTHER;
    c->phys->on_written = a20_follows;
    c->phys->on_written_ctx = c;
    for (int n = 0; n < 3; n++) {
        run_two_pages(c, 1);
        assert_int_equal(c->gpr[ECX], n);
        assert_int_equal(c->gpr[EBX], n + 1);
        run_two_pages(c, 0);
        assert_int_equal(c->gpr[ECX], n + 1);
        assert_int_equal(c->gpr[EBX], n + 1);
        phys_set_a20(c->phys, true);
    }
    c->phys->on_written = NULL;
}

static void test_run_sees_own_store(void **state)
{
    Vcpu *c = *state;
    put_two_pages(c, PAGE_A + 7); /* with its store, of four bytes, it writes the two instructions behind */
    run_two_pages(c, 0xfeeb43u);
    run_two_pages(c, 0xfeeb43u);
    assert_int_equal(c->gpr[EBX], 2);
    run_two_pages(c, 0xfeeb41u);
    assert_int_equal(c->gpr[EBX], 2);
    assert_int_equal(c->gpr[ECX], 1);
}

/* The vector that ends the run. */
static int flat_run(Vcpu *c)
{
    if (setjmp(c->fault_jmp)) return c->fault.vector;
    engine_interp.run(NULL, c, 1000);
    return NO_FAULT;
}

static void test_run_ends_with_page_and_limit(void **state)
{
    Vcpu *c = *state;
    memset(flat_ram(c, 0x4ff0), 0x40, 0x30); /* inc eax, across the end of a page */
    c->seg[CS].limit = 0x501f;
    for (u32 n = 1; n <= 2; n++) {
        c->eip = 0x4ff0;
        assert_int_equal(flat_run(c), EX_GP);
        assert_int_equal(c->eip, 0x5020);
        assert_int_equal(c->gpr[EAX], n * 0x30);
    }
}

static void test_run_clears_rf(void **state)
{
    Vcpu *c = *state;
    CODE(c, 0x40, 0xeb, 0xfd);
    engine_interp.run(NULL, c, 3);
    c->eflags |= FL_RF;
    engine_interp.run(NULL, c, 1);
    assert_false(c->eflags & FL_RF);
}

/* --- branches --- */

static void test_conditions(void **state)
{
    Vcpu *c = *state;
    for (u32 cc = 0; cc < 16; cc++)
        for (u32 f = 0; f < 32; f++) {
            u32 flags = (f & 1 ? FL_C : 0) | (f & 2 ? FL_P : 0) | (f & 4 ? FL_Z : 0) | (f & 8 ? FL_S : 0) |
                        (f & 16 ? FL_O : 0);
            c->eflags = flags | 2;
            c->eip = FLAT_CODE;
            CODE(c, (u8)(0x70 | cc), 0x10);
            assert_int_equal(flat_step(c), NO_FAULT);
            assert_int_equal(c->eip, FLAT_CODE + 2 + (condition_holds(c, cc) ? 0x10 : 0));
        }
}

static void test_branch_16_bit(void **state)
{
    Vcpu *c = *state;
    CODE(c, 0x66, 0xe9, 0x00, 0xf0); /* jmp -1000h with 16-bit operands: EIP is cut */
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, 0x0004);
    c->gpr[ESP] = 0x8000;
    CODE_AT(c, 0x12340, 0x66, 0xe8, 0x10, 0x00);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, 0x2354);
    assert_int_equal(c->gpr[ESP], 0x7ffe);
    assert_int_equal(load16(flat_ram(c, 0x7ffe)), 0x2344);
}

static void test_call_and_ret(void **state)
{
    Vcpu *c = *state;
    c->gpr[ESP] = 0x8000;
    CODE(c, 0xe8, 0xfb, 0x0f, 0x00, 0x00);
    memcpy(flat_ram(c, 0x2000), (const u8[]){0xc2, 0x08, 0x00}, 3);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, 0x2000);
    assert_int_equal(load32(flat_ram(c, 0x7ffc)), FLAT_CODE + 5);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, FLAT_CODE + 5);
    assert_int_equal(c->gpr[ESP], 0x8008);
    c->gpr[ESP] = 0x8000;
    store32(flat_ram(c, 0x8000), 0x3000);
    CODE(c, 0xff, 0x14, 0x24); /* call [esp]: the address is read before the push */
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, 0x3000);
}

static void test_branch_beyond_limit(void **state)
{
    Vcpu *c = *state;
    c->seg[CS].limit = 0x1fff;
    c->gpr[ESP] = 0x8000;
    c->gpr[ECX] = 5;
    CODE(c, 0xe8, 0x00, 0x10, 0x00, 0x00);
    assert_int_equal(flat_step(c), EX_GP);
    assert_int_equal(c->gpr[ESP], 0x8000);
    assert_int_equal(c->eip, FLAT_CODE);
    store32(flat_ram(c, 0x8000), 0x2000);
    CODE(c, 0xc3);
    assert_int_equal(flat_step(c), EX_GP);
    assert_int_equal(c->gpr[ESP], 0x8000);
    CODE_AT(c, 0x1ff0, 0xe2, 0x40);
    assert_int_equal(flat_step(c), EX_GP);
    assert_int_equal(c->gpr[ECX], 5);
}

static void test_loops(void **state)
{
    Vcpu *c = *state;
    c->gpr[ECX] = 0x10001;
    CODE(c, 0x67, 0xe2, 0x10); /* loop with CX: ends, the upper half stays */
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, FLAT_CODE + 3);
    assert_int_equal(c->gpr[ECX], 0x10000);
    c->eip = FLAT_CODE;
    CODE(c, 0x67, 0xe3, 0x10);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, FLAT_CODE + 0x13);
    c->eip = FLAT_CODE;
    c->eflags |= FL_Z;
    CODE(c, 0xe0, 0x10); /* loopne with ZF set: counts, falls through */
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->eip, FLAT_CODE + 2);
    assert_int_equal(c->gpr[ECX], 0xffff);
}

/* --- stack --- */

static void test_stack_16_bit(void **state)
{
    Vcpu *c = *state;
    c->seg[SS].attr &= ~(u32)SEG_DB;
    c->seg[SS].base = 0x20000;
    c->seg[SS].limit = 0xffff;
    c->gpr[ESP] = 0xabcd0000;
    c->gpr[EAX] = 0x12345678;
    CODE(c, 0x50, 0x5b);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[ESP], 0xabcdfffc);
    assert_int_equal(load32(flat_ram(c, 0x2fffc)), 0x12345678);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[ESP], 0xabcd0000);
    assert_int_equal(c->gpr[EBX], 0x12345678);
    c->gpr[ESP] = 2; /* a dword at fffe wraps: #SS */
    c->eip = FLAT_CODE;
    assert_int_equal(flat_step(c), EX_SS);
    assert_int_equal(c->gpr[ESP], 2);
}

static void test_pop_to_memory_by_esp(void **state)
{
    Vcpu *c = *state;
    c->gpr[ESP] = 0x8000;
    store32(flat_ram(c, 0x8000), 0x1234);
    CODE(c, 0x8f, 0x44, 0x24, 0x04); /* pop [esp+4]: with the new ESP */
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(load32(flat_ram(c, 0x8008)), 0x1234);
    assert_int_equal(c->gpr[ESP], 0x8004);
    c->seg[DS].limit = 0x100;
    CODE(c, 0x8f, 0x05, 0x00, 0x90, 0x00, 0x00);
    assert_int_equal(flat_step(c), EX_GP);
    assert_int_equal(c->gpr[ESP], 0x8004);
}

static void test_enter_checks_the_frame(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    store32(flat_pte(c, 0x7000), 0);
    c->gpr[ESP] = 0x8100;
    c->gpr[EBP] = 0x9000;
    CODE(c, 0xc8, 0x00, 0x02, 0x00); /* enter 200h, 0: the new top lies in a missing page */
    assert_int_equal(flat_step(c), EX_PF);
    assert_int_equal(c->gpr[ESP], 0x8100);
    assert_int_equal(c->gpr[EBP], 0x9000);
}

static void test_rmw_fault_changes_nothing(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    store32(flat_pte(c, 0x5000), 0x5000 | PTE_P);
    c->gpr[EAX] = 7;
    c->gpr[EBX] = 0x5000;
    static const u8 codes[][3] = {{0x01, 0x03},       {0x87, 0x03}, {0xff, 0x03}, {0x0f, 0xc1, 0x03},
                                  {0x0f, 0xb1, 0x03}, {0xd1, 0x23}, {0xf7, 0x1b}};
    for (unsigned n = 0; n < ARRAY_LEN(codes); n++) {
        flat_code(c, codes[n], 3);
        assert_int_equal(flat_step(c), EX_PF);
        assert_int_equal(c->fault.error, PF_P | PF_W);
        assert_int_equal(c->eflags, 2);
        assert_int_equal(c->gpr[EAX], 7);
    }
}

static void test_cmpxchg8b(void **state)
{
    Vcpu *c = *state;
    store64(flat_ram(c, 0x8ffc), 0x1122334455667788);
    c->gpr[EAX] = 0x55667788;
    c->gpr[EDX] = 0x11223344;
    c->gpr[ECX] = 0xaaaaaaaa;
    c->gpr[EBX] = 0xbbbbbbbb;
    CODE(c, 0x0f, 0xc7, 0x0d, 0xfc, 0x8f, 0, 0);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_true(load64(flat_ram(c, 0x8ffc)) == 0xaaaaaaaabbbbbbbb);
    assert_true(c->eflags & FL_Z);
    c->eip = FLAT_CODE;
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[EDX], 0xaaaaaaaa);
    assert_int_equal(c->gpr[EAX], 0xbbbbbbbb);
    assert_false(c->eflags & FL_Z);
}

static void test_bound_16_bit(void **state)
{
    Vcpu *c = *state;
    store32(flat_ram(c, 0x8000), 0x0005fffb); /* -5 .. 5 */
    CODE(c, 0x66, 0x62, 0x05, 0x00, 0x80, 0, 0);
    for (s32 v = -7; v <= 7; v++) {
        c->eip = FLAT_CODE;
        c->gpr[EAX] = (u16)v;
        assert_int_equal(flat_step(c), v >= -5 && v <= 5 ? NO_FAULT : EX_BR);
    }
}

static void test_bit_string_16_bit_addresses(void **state)
{
    Vcpu *c = *state;
    c->gpr[EBX] = 0x0002;
    c->gpr[EAX] = 0xffffffe0; /* bit -32: the dword before */
    c->seg[DS].base = 0x20000;
    CODE(c, 0x67, 0x0f, 0xab, 0x07);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(*flat_ram(c, 0x2fffe), 1); /* the offset wraps at 64 KiB */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, flat_setup, flat_teardown)
    const struct CMUnitTest tests[] = {
        T(test_fetch_across_pages),
        T(test_fetch_faults_only_if_needed),
        T(test_fetch_rights),
        T(test_fetch_limit),
        T(test_too_long_and_undefined),
        T(test_modified_code),
        T(test_privilege_and_inhibit),
        T(test_run_counts),
        T(test_run_sees_entry),
        T(test_run_sees_a20),
        T(test_run_sees_own_store),
        T(test_run_ends_with_page_and_limit),
        T(test_run_clears_rf),
        T(test_conditions),
        T(test_branch_16_bit),
        T(test_call_and_ret),
        T(test_branch_beyond_limit),
        T(test_loops),
        T(test_stack_16_bit),
        T(test_pop_to_memory_by_esp),
        T(test_enter_checks_the_frame),
        T(test_rmw_fault_changes_nothing),
        T(test_cmpxchg8b),
        T(test_bound_16_bit),
        T(test_bit_string_16_bit_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
