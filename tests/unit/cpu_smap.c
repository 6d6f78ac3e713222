/* What keeps rings 0-2 out of user pages (SMAP, SMEP) and ring 3 from the system's tables (UMIP), with both kinds of
 * paging; RDTSCP and MOVBE (SDM vol. 3, 4.6, 4.7; vol. 2). Small programs; under the translator, too (xlat_smap.c). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

/* The first 2 MiB map to themselves. USER_AT and the page behind it are user pages, and so are the code and the stack of
 * ring 3. */
enum { PDPT_AT = 0x40000, PD_AT = 0x41000, PT_AT = 0x42000, USER_AT = 0x60000, KERNEL_AT = 0x62000 };
enum {
    P = 1,
    W = 2,
    U = 4,
    MSR_TSC_AUX_NUMBER = (int)0xc0000103,
    ERROR_PRESENT = 1,
    ERROR_WRITE = 3,
    ERROR_FETCH = 0x11
};

static bool pae; /* the kind of paging */

static void entry_set(Guest *g, u32 table, u32 n, u32 v)
{
    if (pae) guest_poke(g, table + 8 * n + 4, 0, 4);
    guest_poke(g, table + (pae ? 8 : 4) * n, v, 4);
}

static void set_user(Guest *g, u32 va, bool user)
{
    entry_set(g, PT_AT, va >> 12, (va & ~0xfffu) | P | W | (user ? U : 0));
}

static bool is_users(u32 page, unsigned cpl)
{
    return page == USER_AT >> 12 || page == (USER_AT >> 12) + 1 ||
           (cpl == 3 && (page == CODE_AT >> 12 || page == (STACK3_AT >> 12) - 1));
}

static void paged(Guest *g, unsigned cpl, u32 cr4)
{
    guest_protected(g, cpl);
    for (u32 n = 0; n < 4; n++) entry_set(g, PDPT_AT, n, pae && !n ? PD_AT | P : 0);
    for (u32 n = 0; n < 512; n++) {
        entry_set(g, PD_AT, n, n ? 0 : PT_AT | P | W | U);
        set_user(g, n << 12, is_users(n, cpl));
    }
    cpu_set_cr(&g->c, 4, cr4 | (pae ? CR4_PAE : 0));
    cpu_set_cr(&g->c, 3, pae ? PDPT_AT : PD_AT);
    cpu_set_cr(&g->c, 0, g->c.cr0 | CR0_PG | CR0_WP);
}

#define RUN(g, ...)                                                                                          \
    (guest_code(g, (const u8[]){__VA_ARGS__}, sizeof(const u8[]){__VA_ARGS__}), guest_vector(g))
#define STAC      0x0f, 0x01, 0xcb
#define CLAC      0x0f, 0x01, 0xca
#define AT(a)     (u8)(a), (u8)((a) >> 8), (u8)((a) >> 16), (u8)((u32)(a) >> 24)
#define LOAD_EAX  0xa1, AT(USER_AT)
#define STORE_EAX 0xa3, AT(USER_AT)
#define END       0xcd, 0x41
static u32 frame(Guest *g, unsigned n) { return guest_peek(g, g->c.gpr[ESP] + 4 * n, 4); }

static void expect_pf(Guest *g, int vector, u32 error, u32 va)
{
    assert_int_equal(vector, EX_PF);
    assert_int_equal(frame(g, 0), error);
    assert_int_equal(g->c.cr2, va);
}

/* --- SMAP ------------------------------------------------------------------------------------------------- */

static void a_kernel_needs_ac(void **state)
{
    Guest *g = *state;
    paged(g, 0, CR4_SMAP);
    guest_poke(g, USER_AT, 0x600dda7a, 4);
    expect_pf(g, RUN(g, LOAD_EAX, END), ERROR_PRESENT, USER_AT);
    paged(g, 0, CR4_SMAP);
    expect_pf(g, RUN(g, STORE_EAX, END), ERROR_WRITE, USER_AT);
    paged(g, 0, CR4_SMAP);
    assert_int_equal(RUN(g, STAC, LOAD_EAX, 0x40, STORE_EAX, CLAC, END), 0x41);
    assert_int_equal(guest_peek(g, USER_AT, 4), 0x600dda7b);
    assert_false(g->c.eflags & FL_AC);
    paged(g, 0, CR4_SMAP);
    expect_pf(g, RUN(g, STAC, LOAD_EAX, CLAC, LOAD_EAX, END), ERROR_PRESENT, USER_AT);
    paged(g, 0, 0);
    assert_int_equal(RUN(g, LOAD_EAX, END), 0x41); /* nothing of it without CR4.SMAP */
}

/* The same instruction, when it has been translated for user pages and its page is in every table. */
static void a_hot_access_needs_ac_each_time(void **state)
{
    Guest *g = *state;
    paged(g, 0, CR4_SMAP);
    g->c.gpr[ECX] = 3000;
    /* 1: stac; 2: inc [user]; mov eax, [user+4]; push [user]; pop eax; clac; dec ecx; jnz 1; jmp 2 */
    static const u8 code[] = {
        STAC,        0xff, 0x05, AT(USER_AT), 0xa1, AT(USER_AT + 4),         0xff, 0x35,
        AT(USER_AT), 0x58, CLAC, 0x49,        0x75, 0xe5 /* to the start */, 0xeb, 0xe6 /* behind STAC */};
    guest_code(g, code, sizeof code);
    guest_poke(g, USER_AT, 0, 4);
    expect_pf(g, guest_vector(g), ERROR_WRITE, USER_AT);
    assert_int_equal(guest_peek(g, USER_AT, 4), 3000);
    assert_int_equal(frame(g, 1), CODE_AT + 3);
}

static void popf_and_iret_change_ac_too(void **state)
{
    Guest *g = *state;
    paged(g, 0, CR4_SMAP);
    /* pushf; or [esp], AC; popf; mov eax, [user]; pushf; and [esp], ~AC; popf; mov eax, [user] */
    static const u8 code[] = {0x9c, 0x81, 0x0c, 0x24, AT(FL_AC),  0x9d, LOAD_EAX, 0x40,
                              0x9c, 0x81, 0x24, 0x24, AT(~FL_AC), 0x9d, LOAD_EAX, END};
    guest_poke(g, USER_AT, 6, 4);
    guest_code(g, code, sizeof code);
    expect_pf(g, guest_vector(g), ERROR_PRESENT, USER_AT);
    assert_int_equal(g->c.gpr[EAX], 7);
    paged(g, 0, CR4_SMAP);
    /* stac; mov eax, [user]; pushf; push cs; push 1; and [esp+8], ~AC; iret to mov eax, [user] */
    static const u8 back[] = {STAC, LOAD_EAX, 0x9c,       0x0e, 0x68, AT(CODE_AT + 24), 0x81, 0x64,
                              0x24, 8,        AT(~FL_AC), 0xcf, 0x90, LOAD_EAX,         END};
    guest_code(g, back, sizeof back);
    expect_pf(g, guest_vector(g), ERROR_PRESENT, USER_AT);
    assert_int_equal(frame(g, 1), CODE_AT + 25); /* behind the NOP */
}

/* REP, a stack in user pages, an operand that begins in a page of the kernel's. */
static void every_kind_of_access_is_held(void **state)
{
    Guest *g = *state;
    static const u8 rep[] = {0xf3, 0xa4, END}, push[] = {0x50, END}, cross[] = {0xa1, AT(USER_AT - 2), END};
    static const struct {
        const u8 *code;
        u32 bytes, error, va;
    } kinds[] = {{rep, sizeof rep, ERROR_PRESENT, USER_AT},
                 {push, sizeof push, ERROR_WRITE, USER_AT + 0xffc},
                 {cross, sizeof cross, ERROR_PRESENT, USER_AT}};
    for (unsigned n = 0; n < ARRAY_LEN(kinds); n++)
        for (int ac = 0; ac < 2; ac++) {
            paged(g, 0, CR4_SMAP);
            guest_code(g, kinds[n].code, kinds[n].bytes);
            g->c.gpr[ESI] = USER_AT, g->c.gpr[EDI] = KERNEL_AT, g->c.gpr[ECX] = 3000;
            if (kinds[n].code == push) g->c.gpr[ESP] = USER_AT + 0x1000;
            g->c.eflags = 2 | (ac ? FL_AC : 0);
            if (ac) {
                assert_int_equal(guest_vector(g), 0x41);
                continue;
            }
            if (kinds[n].code == push) { /* the fault's frame would lie there, too */
                assert_int_equal(guest_run(g), STOP_SHUTDOWN);
                assert_int_equal(g->c.cr2 & ~0xfffu, USER_AT);
                continue;
            }
            expect_pf(g, guest_vector(g), kinds[n].error, kinds[n].va);
        }
}

/* What the processor reads for ring 3 is its own access, which ring 3's AC does not allow. */
static void the_processors_own_accesses_are_held(void **state)
{
    Guest *g = *state;
    for (int user = 0; user < 2; user++) {
        paged(g, 3, CR4_SMAP);
        set_user(g, LDT_AT, user);
        guest_seg(g, ES, DATA0);
        g->c.ldtr = (Segment){.base = LDT_AT, .limit = 0xff, .attr = 0x82, .sel = LDT};
        guest_poke(g, LDT_AT, 0xffff, 4), guest_poke(g, LDT_AT + 4, 0xcff200, 4);
        g->c.eflags = 2 | FL_AC;
        int vector = RUN(g, 0xb8, 7, 0, 0, 0, 0x8e, 0xc0, END); /* mov eax, 7; mov es, eax */
        if (user)
            expect_pf(g, vector, ERROR_PRESENT, LDT_AT);
        else
            assert_int_equal(vector, 0x41);
    }
}

/* Nor does ring 0's: GDT, LDT, IDT and TSS in user pages, each with AC set. Page faults have their gate elsewhere. */
static void the_kernels_ac_is_not_the_processors(void **state)
{
    enum { IDT_MOVED = 0x50000 - 8 * 0x40 }; /* vector 41h is in the second page */
    enum { SYSTEM, OF_LDT, OF_IDT, OF_TSS, KINDS };
    static const u8 codes[KINDS][8] = {
        {0xb8, DATA0, 0, 0, 0, 0x8e, 0xc0, 0x90}, /* mov eax, DATA0; mov es, eax */
        {0xb8, 4, 0, 0, 0, 0x8e, 0xc0, 0x90},     /* mov eax, 4 (LDT); mov es, eax */
        {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90},
        {0xea, 0, 0, 0, 0, TSS2, 0, 0x90}}; /* jmp TSS2:0 */
    static const u32 tables[KINDS] = {GDT_AT, LDT_AT, 0x50000, TSS2_AT};
    static const u8 end[] = {END};
    Guest *g = *state;
    for (int kind = 0; kind < KINDS; kind++)
        for (int smap = 0; smap < 2; smap++) {
            paged(g, 0, smap ? CR4_SMAP : 0);
            g->c.ldtr = (Segment){.base = LDT_AT, .limit = 0xff, .attr = 0x82, .sel = LDT};
            guest_poke(g, LDT_AT, 0xffff, 4), guest_poke(g, LDT_AT + 4, 0xcf9200, 4);
            guest_write(g, IDT_MOVED, g->phys->ram + IDT_AT, 0x800);
            g->c.idtr.base = IDT_MOVED;
            guest_poke(g, TSS2_AT + 28, g->c.cr3, 4),
                guest_poke(g, TSS2_AT + 32, CODE_AT + sizeof codes[0], 4);
            guest_poke(g, TSS2_AT + 36, 2, 4), guest_poke(g, TSS2_AT + 56, STACK0_AT, 4);
            for (unsigned n = 0; n < 4; n++) guest_poke(g, TSS2_AT + 72 + 4 * n, n == 1 ? CODE0 : DATA0, 4);
            guest_code(g, codes[kind], sizeof codes[kind]);
            guest_write(g, CODE_AT + sizeof codes[kind], end, sizeof end);
            set_user(g, tables[kind], true);
            g->c.eflags = 2 | FL_AC;
            int vector = kind == SYSTEM && smap ? (int)guest_run(g) : guest_vector(g);
            if (!smap)
                assert_int_equal(vector, 0x41);
            else if (kind == SYSTEM) /* the fault's gate needs the GDT, too */
                assert_int_equal(vector, STOP_SHUTDOWN);
            else
                expect_pf(g, vector, kind == OF_TSS ? ERROR_PRESENT | (frame(g, 0) & 2) : ERROR_PRESENT,
                          g->c.cr2);
            if (smap) assert_int_equal(g->c.cr2 & ~0xfffu, tables[kind] & ~0xfffu);
        }
}

/* --- SMEP ------------------------------------------------------------------------------------------------- */

static void a_kernel_fetches_nothing_of_the_users(void **state)
{
    Guest *g = *state;
    static const u8 there[] = {0x43, 0xc3}; /* inc ebx; ret */
    /* mov eax, USER_AT; call eax; mov ecx, cr4; or ecx, edx; mov cr4, ecx; call eax */
    static const u8 code[] = {0xb8, AT(USER_AT), 0xff, 0xd0, 0x0f, 0x20, 0xe1, 0x09,
                              0xd1, 0x0f,        0x22, 0xe1, 0xff, 0xd0, END};
    for (int on = 0; on < 2; on++) {
        paged(g, 0, 0);
        guest_write(g, USER_AT, there, sizeof there);
        guest_code(g, code, sizeof code);
        g->c.gpr[EBX] = 0;
        g->c.gpr[EDX] = on ? CR4_SMEP : 0;
        int vector = guest_vector(g);
        if (on)
            expect_pf(g, vector, ERROR_FETCH, USER_AT);
        else
            assert_int_equal(vector, 0x41);
        assert_int_equal(g->c.gpr[EBX], on ? 1 : 2);
    }
    paged(g, 3, CR4_SMEP | CR4_SMAP); /* ring 3 goes where it likes, and reads there */
    assert_int_equal(RUN(g, LOAD_EAX, END), 0x41);
}

/* --- who may do what --------------------------------------------------------------------------------------- */

static void stac_and_clac_are_for_ring_0(void **state)
{
    Guest *g = *state;
    paged(g, 3, 0);
    assert_int_equal(RUN(g, STAC, END), EX_UD);
    paged(g, 3, CR4_SMAP);
    assert_int_equal(RUN(g, CLAC, END), EX_UD);
    paged(g, 0, 0); /* also without CR4.SMAP */
    assert_int_equal(RUN(g, STAC, 0x9c, 0x58, CLAC, END), 0x41);
    assert_true(g->c.gpr[EAX] & FL_AC);
    paged(g, 0, 0);
    g->c.features &= ~(u32)BIT(ISMAP);
    assert_int_equal(RUN(g, STAC, END), EX_UD);
}

static void umip_keeps_the_tables_to_ring_0(void **state)
{
    Guest *g = *state;
    static const u8 codes[][7] = {{0x0f, 0x01, 0x05, AT(USER_AT)}, /* sgdt */
                                  {0x0f, 0x01, 0x0d, AT(USER_AT)}, /* sidt */
                                  {0x0f, 0x00, 0x05, AT(USER_AT)}, /* sldt */
                                  {0x0f, 0x00, 0x0d, AT(USER_AT)}, /* str */
                                  {0x0f, 0x01, 0x25, AT(USER_AT)}, /* smsw */
                                  {0x0f, 0x00, 0xc0, 0x90, 0x90, 0x90, 0x90},
                                  {0x0f, 0x00, 0xc8, 0x90, 0x90, 0x90, 0x90},
                                  {0x0f, 0x01, 0xe0, 0x90, 0x90, 0x90, 0x90}};
    static const u8 end[] = {END};
    for (unsigned n = 0; n < ARRAY_LEN(codes); n++)
        for (int how = 0; how < 3; how++) { /* ring 3 without and with UMIP, ring 0 with */
            paged(g, how == 2 ? 0 : 3, how ? CR4_UMIP : 0);
            guest_code(g, codes[n], sizeof codes[n]);
            guest_write(g, CODE_AT + sizeof codes[n], end, sizeof end);
            assert_int_equal(guest_vector(g), how == 1 ? EX_GP : 0x41);
            if (how == 1) assert_int_equal(frame(g, 0), 0);
        }
}

static void cr4_has_the_bits_of_the_processor(void **state)
{
    static const struct {
        u32 need, bit;
    } bits[] = {{ISMEP, CR4_SMEP}, {ISMAP, CR4_SMAP}, {IUMIP, CR4_UMIP}};
    Guest *g = *state;
    for (volatile unsigned n = 0; n < ARRAY_LEN(bits); n++) {
        assert_quiet(g, cpu_set_cr(&g->c, 4, bits[n].bit));
        assert_quiet(g, cpu_set_cr(&g->c, 4, 0));
        g->c.features &= ~(u32)BIT(bits[n].need);
        assert_raises(g, cpu_set_cr(&g->c, 4, bits[n].bit), EX_GP, 0);
    }
}

/* --- RDTSCP, MOVBE ----------------------------------------------------------------------------------------- */

static u64 a_moment(void *ctx) { return (void)ctx, 0x123456789aull; }

static void rdtscp_names_the_processor(void **state)
{
    Guest *g = *state;
    paged(g, 0, 0);
    msr_write(&g->c, (u32)MSR_TSC_AUX_NUMBER, 0xcafe);
    assert_raises(g, msr_write(&g->c, (u32)MSR_TSC_AUX_NUMBER, 1ull << 32), EX_GP, 0);
    g->c.tsc_now = a_moment;
    g->c.tsc_offset = 0;
    assert_int_equal(RUN(g, 0x0f, 0x01, 0xf9, END), 0x41);
    assert_int_equal(g->c.gpr[ECX], 0xcafe);
    assert_int_equal(g->c.gpr[EDX], 0x12);
    assert_int_equal(g->c.gpr[EAX], 0x3456789a);
    paged(g, 3, CR4_TSD);
    assert_int_equal(RUN(g, 0x0f, 0x01, 0xf9, END), EX_GP);
    g->c.features &= ~(u32)BIT(IRDTSCP);
    assert_raises(g, msr_read(&g->c, (u32)MSR_TSC_AUX_NUMBER), EX_GP, 0);
    paged(g, 0, 0);
    assert_int_equal(RUN(g, 0x0f, 0x01, 0xf9, END), EX_UD);
}

static void movbe_turns_bytes(void **state)
{
    Guest *g = *state;
    paged(g, 0, 0);
    guest_poke(g, KERNEL_AT, 0x11223344, 4);
    g->c.gpr[EBX] = 0xaabbccdd, g->c.gpr[ESI] = 0x01020304;
    /* movbe eax, [k]; movbe bx, [k]; movbe [k+4], esi; movbe [k+8], si */
    assert_int_equal(RUN(g, 0x0f, 0x38, 0xf0, 0x05, AT(KERNEL_AT), 0x66, 0x0f, 0x38, 0xf0, 0x1d,
                         AT(KERNEL_AT), 0x0f, 0x38, 0xf1, 0x35, AT(KERNEL_AT + 4), 0x66, 0x0f, 0x38, 0xf1,
                         0x35, AT(KERNEL_AT + 8), END),
                     0x41);
    assert_int_equal(g->c.gpr[EAX], 0x44332211);
    assert_int_equal(g->c.gpr[EBX], 0xaabb4433);
    assert_int_equal(guest_peek(g, KERNEL_AT + 4, 4), 0x04030201);
    assert_int_equal(guest_peek(g, KERNEL_AT + 8, 4), 0x0403);
    paged(g, 0, 0);
    assert_int_equal(RUN(g, 0x0f, 0x38, 0xf0, 0xc3, END), EX_UD); /* of a register */
    paged(g, 0, 0);
    g->c.features &= ~(u32)BIT(IMOVBE);
    assert_int_equal(RUN(g, 0x0f, 0x38, 0xf0, 0x05, AT(KERNEL_AT), END), EX_UD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(a_kernel_needs_ac),
        GUEST_TEST(a_hot_access_needs_ac_each_time),
        GUEST_TEST(popf_and_iret_change_ac_too),
        GUEST_TEST(every_kind_of_access_is_held),
        GUEST_TEST(the_processors_own_accesses_are_held),
        GUEST_TEST(the_kernels_ac_is_not_the_processors),
        GUEST_TEST(a_kernel_fetches_nothing_of_the_users),
        GUEST_TEST(stac_and_clac_are_for_ring_0),
        GUEST_TEST(umip_keeps_the_tables_to_ring_0),
        GUEST_TEST(cr4_has_the_bits_of_the_processor),
        GUEST_TEST(rdtscp_names_the_processor),
        GUEST_TEST(movbe_turns_bytes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pae = true;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
