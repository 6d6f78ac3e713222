/* PAE as instructions meet it: when the page-directory-pointer table becomes registers, what CR4, CR3 and EFER take,
 * faults and their error codes, fetches and NX, memory above 4 GiB (SDM vol. 3, 2.5, 4.4 and 4.7). Small programs;
 * under the translator, too (xlat_pae.c). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

/* The first 2 MiB map to themselves by table 0, for everybody. */
enum {
    PDPT_AT = 0x40000,
    PDPT2_AT = 0x40020,
    PD_AT = 0x41000,
    PT_AT = 0x42000,
    PD2_AT = 0x43000,
    PAGE_A = 0x60000,
    PAGE_B = 0x61000
};
enum { MSR_EFER_NUMBER = 0xc0000080u, P = 1, W = 2, U = 4, PS = 128 };
#define NX (1ull << 63)

static void poke64(Guest *g, u32 at, u64 v) { guest_write(g, at, &v, 8); }
static u64 peek64(Guest *g, u32 at) { return load64(g->phys->ram + at); }
static u32 pte_at(u32 va) { return PT_AT + (va >> 12) * 8; }

static void pae_tables(Guest *g)
{
    for (unsigned n = 0; n < 4; n++) {
        poke64(g, PDPT_AT + 8 * n, n ? 0 : PD_AT | P);
        poke64(g, PDPT2_AT + 8 * n, n ? 0 : PD_AT | P);
    }
    for (u32 n = 0; n < 512; n++) {
        poke64(g, PD_AT + 8 * n, n ? 0 : PT_AT | P | W | U);
        poke64(g, PT_AT + 8 * n, n << 12 | P | W | U);
    }
}

/* Ring `cpl`, PAE on, NX on. */
static void pae_guest(Guest *g, unsigned cpl)
{
    guest_protected(g, cpl);
    pae_tables(g);
    cpu_set_cr(&g->c, 4, CR4_PAE | CR4_PGE);
    msr_write(&g->c, MSR_EFER_NUMBER, EFER_NXE);
    cpu_set_cr(&g->c, 3, PDPT_AT);
    cpu_set_cr(&g->c, 0, g->c.cr0 | CR0_PG | CR0_WP);
}

#define RUN(g, ...)                                                                                          \
    (guest_code(g, (const u8[]){__VA_ARGS__}, sizeof(const u8[]){__VA_ARGS__}), guest_vector(g))
static u32 frame(Guest *g, unsigned n) { return guest_peek(g, g->c.gpr[ESP] + 4 * n, 4); }

/* --- registers -------------------------------------------------------------------------------------------- */

static void only_some_processors_have_it(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    c->features &= ~(u32)(BIT(IPAE) | BIT(INX));
    assert_raises(g, cpu_set_cr(c, 4, CR4_PAE), EX_GP, 0);
    assert_raises(g, msr_read(c, MSR_EFER_NUMBER), EX_GP, 0);
    assert_raises(g, msr_write(c, MSR_EFER_NUMBER, 0), EX_GP, 0);
    assert_quiet(g, cpu_set_cr(c, 3, 0x12345fff));
    assert_int_equal(c->cr3, 0x12345018);
    c->features |= BIT(IPAE) | BIT(INX);
    assert_quiet(g, cpu_set_cr(c, 4, CR4_PAE));
    assert_quiet(g, cpu_set_cr(c, 3, 0x12345fff));
    assert_int_equal(c->cr3, 0x12345ff8);
    assert_quiet(g, msr_write(c, MSR_EFER_NUMBER, EFER_NXE));
    assert_int_equal(msr_read(c, MSR_EFER_NUMBER), EFER_NXE);
    assert_raises(g, msr_write(c, MSR_EFER_NUMBER, EFER_NXE | 0x100 /* LME */), EX_GP, 0);
    assert_int_equal(msr_read(c, MSR_EFER_NUMBER), EFER_NXE);
    assert_quiet(g, msr_write(c, MSR_EFER_NUMBER, EFER_NXE | EFER_SCE)); /* kept; SYSCALL stays #UD */
    assert_int_equal(msr_read(c, MSR_EFER_NUMBER), EFER_NXE | EFER_SCE);
    assert_quiet(g, msr_write(c, MSR_EFER_NUMBER, EFER_NXE));
}

/* Every instruction that loads the four entries refuses reserved bits, and then changes nothing. */
static void pointers_with_reserved_bits_are_gp(void **state)
{
    static const u64 bad[] = {2, 4, 0x20, 0x40, 0x80, 0x100, 1ull << 36, 1ull << 62, 1ull << 63};
    Guest *g = *state;
    Vcpu *c = &g->c;
    pae_guest(g, 0);
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++) {
        poke64(g, PDPT2_AT + 24, PD_AT | P | bad[n]);
        assert_raises(g, cpu_set_cr(c, 3, PDPT2_AT), EX_GP, 0);
        assert_int_equal(c->cr3, PDPT_AT);
        poke64(g, PDPT2_AT + 24, PD_AT | bad[n]); /* not present */
        assert_quiet(g, cpu_set_cr(c, 3, PDPT2_AT));
        assert_quiet(g, cpu_set_cr(c, 3, PDPT_AT));
    }
    poke64(g, PDPT_AT + 8, PD_AT | P | 2);
    u32 cr0 = c->cr0, cr4 = c->cr4;
    assert_raises(g, cpu_set_cr(c, 4, cr4 & ~(u32)CR4_PGE), EX_GP, 0);
    assert_raises(g, cpu_set_cr(c, 4, cr4 | CR4_PSE), EX_GP, 0);
    assert_int_equal(c->cr4, cr4);
    assert_raises(g, cpu_set_cr(c, 0, cr0 ^ CR0_CD), EX_GP, 0);
    assert_int_equal(c->cr0, cr0);
    assert_quiet(g, cpu_set_cr(c, 0, cr0 ^ CR0_WP)); /* does not load them */
    assert_quiet(g, cpu_set_cr(c, 0, cr0 & ~(u32)CR0_PG));
    assert_quiet(g, cpu_set_cr(c, 4, cr4));
    assert_raises(g, cpu_set_cr(c, 0, cr0), EX_GP, 0);
    assert_false(c->cr0 & CR0_PG);
    assert_quiet(g, cpu_set_cr(c, 3, PDPT2_AT)); /* neither does this, while paging is off */
}

/* mov eax, [40000000]: the table in memory counts when it is loaded, not before. */
static void the_pointers_are_registers(void **state)
{
    Guest *g = *state;
    pae_guest(g, 0);
    guest_poke(g, PAGE_A, 0x600dda7a, 4);
    poke64(g, PDPT_AT + 8, 0x44000 | P);
    poke64(g, 0x44000, 0x45000 | P | W);
    poke64(g, 0x45000, PAGE_A | P | W);
    assert_int_equal(RUN(g, 0xa1, 0, 0, 0, 0x40), EX_PF);
    assert_int_equal(g->c.cr2, 0x40000000);
    assert_int_equal(frame(g, 0), 0);
    g->c.eip =
        CODE_AT; /* mov eax, cr3; mov cr3, eax; mov [40040], ebx; mov eax, [40000000]: the store comes too late */
    poke64(g, PDPT_AT + 8, 0x44000 | P);
    g->c.gpr[EBX] = 0;
    assert_int_equal(
        RUN(g, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0x89, 0x1d, 8, 0, 4, 0, 0xa1, 0, 0, 0, 0x40, 0xcd, 0x41),
        0x41);
    assert_int_equal(g->c.gpr[EAX], 0x600dda7a);
    assert_int_equal(peek64(g, PDPT_AT + 8), 0);
}

static void a_task_switch_looks_before_it_leaps(void **state)
{
    Guest *g = *state;
    pae_guest(g, 0);
    poke64(g, PDPT2_AT + 16, P | 0x100);
    guest_poke(g, TSS2_AT + 0x1c, PDPT2_AT, 4);
    guest_poke(g, TSS2_AT + 0x20, CODE_AT + 0x100, 4);
    guest_poke(g, TSS2_AT + 0x24, 2, 4);
    guest_poke(g, TSS2_AT + 0x28 + 4 * ESP, STACK1_AT, 4);
    guest_poke(g, TSS2_AT + 0x48 + 4 * CS, CODE0, 4);
    guest_poke(g, TSS2_AT + 0x48 + 4 * SS, DATA0, 4);
    guest_write(g, CODE_AT + 0x100, (const u8[]){0xcd, 0x42}, 2);
    assert_int_equal(RUN(g, 0xea, 0, 0, 0, 0, TSS2, 0), EX_GP);
    assert_int_equal(frame(g, 0), 0);
    assert_int_equal(frame(g, 1), CODE_AT);
    assert_int_equal(g->c.tr.sel, TSS);
    assert_int_equal(guest_peek(g, GDT_AT + TSS2 + 5, 1), 0x89);
    poke64(g, PDPT2_AT + 16, 0);
    g->c.eip = CODE_AT;
    assert_int_equal(guest_vector(g), 0x42);
    assert_int_equal(g->c.cr3, PDPT2_AT);
}

/* --- accesses --------------------------------------------------------------------------------------------- */

static void faults_tell_their_cause(void **state)
{
    static const struct {
        u64 entry;
        u32 error;
    } cases[] = {{PAGE_A | W | U, 6},
                 {PAGE_A | P | U, 7},
                 {PAGE_A | P | W, 7},
                 {PAGE_A | P | W | U | 1ull << 36, 15},
                 {PAGE_A | P | 1ull << 52, 15}};
    Guest *g = *state;
    for (unsigned n = 0; n < ARRAY_LEN(cases); n++) {
        guest_real(g);
        pae_guest(g, 3);
        poke64(g, pte_at(PAGE_A), cases[n].entry);
        assert_int_equal(RUN(g, 0xa3, 4, 0, 6, 0), EX_PF); /* mov [60004], eax */
        assert_int_equal(frame(g, 0), cases[n].error);
        assert_int_equal(g->c.cr2, PAGE_A + 4);
        assert_int_equal(peek64(g, pte_at(PAGE_A)), cases[n].entry);
    }
}

static void large_pages_and_their_bits(void **state)
{
    Guest *g = *state;
    pae_guest(g, 3);
    poke64(g, PD_AT + 8, P | W | U | PS); /* 200000: the first 2 MiB once more */
    guest_poke(g, PAGE_A + 4, 0x1234, 4);
    /* mov eax, [260004]; mov [260008], eax */
    assert_int_equal(RUN(g, 0xa1, 4, 0, 0x26, 0, 0xa3, 8, 0, 0x26, 0, 0xcd, 0x41), 0x41);
    assert_int_equal(g->c.gpr[EAX], 0x1234);
    assert_int_equal(guest_peek(g, PAGE_A + 8, 4), 0x1234);
    assert_int_equal(peek64(g, PD_AT + 8), P | W | U | PS | 0x60);
    poke64(g, PD_AT + 8, P | W | U | PS | 1 << 13);
    g->c.eip = CODE_AT;
    cpu_set_cpl(&g->c, 0);
    guest_protected(g, 0);
    g->c.cr0 |= CR0_PG;
    assert_int_equal(guest_vector(g), EX_PF);
    assert_int_equal(frame(g, 0), 9);
}

/* Reads are ones, writes are lost; the same low bits are another page's. */
static void above_4_gib_the_bus_is_open(void **state)
{
    Guest *g = *state;
    for (unsigned large = 0; large < 2; large++) {
        guest_real(g);
        pae_guest(g, 0);
        guest_poke(g, PAGE_A, 0x11223344, 4);
        u64 high = 0x700000000ull | P | W;
        poke64(g, pte_at(PAGE_B), PAGE_A | high);
        poke64(g, PD_AT, PT_AT | P | W | U);
        poke64(g, PD_AT + 8, high | PS);
        u8 page = large ? 0x26 : 0x06, low = large ? 0x00 : 0x10;
        /* mov eax, [B]; mov [B], ebx; mov ecx, [B + 2]; rep-free: movzx edx, byte [B] */
        assert_int_equal(RUN(g, 0xa1, 0, low, page, 0, 0x89, 0x1d, 0, low, page, 0, 0x8b, 0x0d, 2, low, page,
                             0, 0x0f, 0xb6, 0x15, 0, low, page, 0, 0xcd, 0x41),
                         0x41);
        assert_int_equal(g->c.gpr[EAX], 0xffffffff);
        assert_int_equal(g->c.gpr[ECX], 0xffffffff);
        assert_int_equal(g->c.gpr[EDX], 0xff);
        assert_int_equal(guest_peek(g, PAGE_A, 4), 0x11223344);
    }
}

/* FF FF is no instruction. */
static void code_above_4_gib_is_ones(void **state)
{
    Guest *g = *state;
    pae_guest(g, 0);
    guest_poke(g, PAGE_A, 0x40404040, 4);
    poke64(g, pte_at(PAGE_B), PAGE_A | P | W | 1ull << 35);
    assert_int_equal(RUN(g, 0xb8, 0, 0x10, 6, 0, 0xff, 0xe0), EX_UD); /* mov eax, B; jmp eax */
    assert_int_equal(frame(g, 0), PAGE_B);
}

/* --- NX --------------------------------------------------------------------------------------------------- */

enum { CALL_A_LENGTH = 7 };
#define CALL_A 0xb8, 0, 0, 6, 0, 0xff, 0xd0 /* mov eax, A; call eax */

static void put_function(Guest *g)
{
    static const u8 code[] = {0x43, 0xc3}; /* inc ebx; ret */
    guest_write(g, PAGE_A, code, sizeof code);
    g->c.gpr[EBX] = 0;
}

static void a_fetch_from_a_no_execute_page_faults(void **state)
{
    Guest *g = *state;
    for (unsigned cpl = 0; cpl <= 3; cpl += 3)
        for (unsigned level = 0; level < 2; level++) {
            guest_real(g);
            pae_guest(g, cpl);
            put_function(g);
            u32 va = level ? PAGE_A : PAGE_A + 0x200000, at = level ? pte_at(PAGE_A) : PD_AT + 8;
            if (!level) poke64(g, at, PT_AT | P | W | U);
            poke64(g, at, peek64(g, at) | NX);
            /* mov eax, va; mov ecx, [eax]; call eax */
            assert_int_equal(RUN(g, 0xb8, 0, 0, (u8)(va >> 16), 0, 0x8b, 0x08, 0xff, 0xd0), EX_PF);
            assert_int_equal(g->c.gpr[ECX] & 0xffff, 0xc343);
            assert_int_equal(g->c.cr2, va);
            assert_int_equal(frame(g, 0), cpl ? 0x15 : 0x11);
            assert_int_equal(frame(g, 1), va);
            assert_int_equal(g->c.gpr[EBX], 0);
        }
}

static void without_nxe_the_bit_is_reserved(void **state)
{
    Guest *g = *state;
    pae_guest(g, 3);
    put_function(g);
    msr_write(&g->c, MSR_EFER_NUMBER, 0);
    poke64(g, pte_at(PAGE_A), PAGE_A | P | W | U | NX);
    assert_int_equal(RUN(g, CALL_A), EX_PF);
    assert_int_equal(frame(g, 0), 0xd);
    guest_real(g);
    pae_guest(g, 3);
    msr_write(&g->c, MSR_EFER_NUMBER, 0);
    poke64(g, pte_at(PAGE_A), PAGE_A | W | U);
    assert_int_equal(RUN(g, CALL_A), EX_PF);
    assert_int_equal(frame(g, 0), 4); /* and no bit for a fetch */
}

/* The second page of an instruction, and a block that runs on into the page. */
static void the_end_of_an_instruction_is_fetched_too(void **state)
{
    static const u8 nops[] = {0x90, 0x90, 0x90, 0x90},
                    mov[] = {0xbb, 1, 2, 3, 4, 0xcd, 0x41}; /* mov ebx, 04030201; int 41 */
    Guest *g = *state;
    for (unsigned split = 0; split < 5; split++)
        for (unsigned nx = 0; nx < 2; nx++) {
            guest_real(g);
            pae_guest(g, 3);
            guest_write(g, PAGE_B - split - 4, nops, 4);
            guest_write(g, PAGE_B - split, mov, sizeof mov);
            poke64(g, pte_at(PAGE_B), PAGE_B | P | W | U | (nx ? NX : 0));
            g->c.gpr[EBX] = 0;
            u32 to = PAGE_B - split - 4;
            int vector = RUN(g, 0xb8, (u8)to, (u8)(to >> 8), (u8)(to >> 16), 0, 0xff, 0xe0);
            assert_int_equal(vector, nx ? EX_PF : 0x41);
            assert_int_equal(g->c.gpr[EBX], nx ? 0 : 0x04030201);
            if (!nx) continue;
            assert_int_equal(g->c.cr2, PAGE_B);
            assert_int_equal(frame(g, 0), 0x15);
            assert_int_equal(frame(g, 1), PAGE_B - split);
        }
}

/* Rounds of calls (by a register, or direct ones) to a page, whose NX bit, in its entry or in the directory's, is set
 * at the end of one and taken away by the #PF handler, with nothing that invalidates: the call after it faults, each
 * time. */
enum { NX_ROUNDS = 300, NX_CALLS = 5, NX_HANDLER = 0x7000 };

static void nx_round_trips(Guest *g, u32 va, u32 entry, unsigned cpl, bool direct)
{
    /* and byte [entry + 7], 7f; inc esi; add esp, 4; iret */
    u8 handler[] = {0x80, 0x25, 0, 0, 0, 0, 0x7f, 0x46, 0x83, 0xc4, 4, 0xcf};
    /* 1: mov ecx, NX_CALLS; 2: call edi; dec ecx; jnz 2; or byte [entry + 7], 80; dec edx; jnz 1; int 41 */
    u8 code[] = {0xb9, NX_CALLS, 0, 0, 0, 0xff, 0xd7, 0x90, 0x90, 0x90, 0x49, 0x75, 0xf8,
                 0x80, 0x0d,     0, 0, 0, 0,    0x80, 0x4a, 0x75, 0xe9, 0xcd, 0x41};
    guest_real(g);
    pae_guest(g, cpl);
    put_function(g);
    poke64(g, PD_AT + 8, PT_AT | P | W | U);
    store32(handler + 2, entry + 7);
    store32(code + 15, entry + 7);
    if (direct) {
        code[5] = 0xe8;
        store32(code + 6, va - (CODE_AT + 10));
    }
    guest_write(g, NX_HANDLER, handler, sizeof handler);
    guest_gate(g, IDT_AT + 8 * EX_PF, CODE0, NX_HANDLER, 0x8e, 0);
    guest_code(g, code, sizeof code);
    g->c.gpr[EDX] = NX_ROUNDS;
    g->c.gpr[ESI] = 0;
    g->c.gpr[EDI] = va;
    assert_int_equal(guest_vector(g), 0x41);
    assert_int_equal(g->c.gpr[EBX], NX_ROUNDS * NX_CALLS);
    assert_int_equal(g->c.gpr[ESI], NX_ROUNDS - 1);
}

static void nx_comes_and_goes_under_linked_code(void **state)
{
    for (unsigned n = 0; n < 8; n++) {
        bool entry = n & 1;
        nx_round_trips(*state, entry ? PAGE_A : PAGE_A + 0x200000, entry ? pte_at(PAGE_A) : PD_AT + 8,
                       n & 2 ? 3 : 0, n & 4);
    }
}

/* A kernel that hides most of itself by another CR3: what was linked there may not be followed here. The second half
 * of the linear memory shows the first; the other directory has only that. */
static void a_hidden_page_is_not_reached_by_old_links(void **state)
{
    enum { CALLS = 50, THERE = PAGE_A + 0x200000 };
    /* mov ecx, CALLS; 1: call THERE; dec ecx; jnz 1; mov eax, PDPT2_AT; mov cr3, eax; jmp 1 */
    u8 code[] = {0xb9, CALLS, 0, 0, 0, 0xe8, 0,    0,    0,    0,    0x49, 0x75,
                 0xf8, 0xb8,  0, 0, 0, 0,    0x0f, 0x22, 0xd8, 0xeb, 0xee};
    Guest *g = *state;
    store32(code + 6, THERE - (CODE_AT + 10));
    store32(code + 14, PDPT2_AT);
    for (unsigned round = 0; round < 4; round++) {
        guest_real(g);
        pae_guest(g, 0);
        put_function(g);
        poke64(g, PD_AT + 8, PT_AT | P | W);
        poke64(g, PD2_AT, PT_AT | P | W | U);
        poke64(g, PDPT2_AT, PD2_AT | P);
        guest_code(g, code, sizeof code);
        assert_int_equal(guest_vector(g), EX_PF);
        assert_int_equal(g->c.cr2, THERE);
        assert_int_equal(frame(g, 0), 0x10);
        assert_int_equal(frame(g, 1), THERE);
        assert_int_equal(g->c.gpr[EBX], CALLS);
    }
}

/* The same by EFER: with NXE off the entry is reserved. mov ecx, EFER; xor eax, eax; cdq; wrmsr; mov eax, A; call
 * eax */
static void efer_counts_at_once(void **state)
{
    Guest *g = *state;
    pae_guest(g, 0);
    put_function(g);
    poke64(g, pte_at(PAGE_B), PAGE_B | P | W | U | NX);
    /* mov esi, [61000]; wrmsr 0; mov esi, [61000] */
    assert_int_equal(RUN(g, 0x8b, 0x35, 0, 0x10, 6, 0, 0xb9, 0x80, 0, 0, 0xc0, 0x31, 0xc0, 0x99, 0x0f, 0x30,
                         0x8b, 0x35, 0, 0x10, 6, 0, 0xcd, 0x41),
                     EX_PF);
    assert_int_equal(frame(g, 0), 9);
    assert_int_equal(frame(g, 1), CODE_AT + 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(only_some_processors_have_it),
        GUEST_TEST(pointers_with_reserved_bits_are_gp),
        GUEST_TEST(the_pointers_are_registers),
        GUEST_TEST(a_task_switch_looks_before_it_leaps),
        GUEST_TEST(faults_tell_their_cause),
        GUEST_TEST(large_pages_and_their_bits),
        GUEST_TEST(above_4_gib_the_bus_is_open),
        GUEST_TEST(code_above_4_gib_is_ones),
        GUEST_TEST(a_fetch_from_a_no_execute_page_faults),
        GUEST_TEST(without_nxe_the_bit_is_reserved),
        GUEST_TEST(the_end_of_an_instruction_is_fetched_too),
        GUEST_TEST(nx_comes_and_goes_under_linked_code),
        GUEST_TEST(a_hidden_page_is_not_reached_by_old_links),
        GUEST_TEST(efer_counts_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
