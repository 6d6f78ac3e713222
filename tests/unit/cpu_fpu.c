/* x87: each data row against this processor; then what only a guest has: pointers, environment images, #MF, FERR#, #NM. */
#include "fpu_host.h"

/* A guest after FNINIT, with interrupts on, and one instruction at a time. */
static void guest_fresh(void)
{
    fpu_guest_reset();
    c->eflags |= FL_I;
}

static void set_segment(int seg, u16 sel, u32 base)
{
    c->seg[seg].sel = sel;
    c->seg[seg].base = base;
}

static void test_rows_against_host(void **state)
{
    (void)state;
    fpu_compare_rows(c, exec_x87, 1500);
}

/* What Linux does to find out whether there is a coprocessor and which errata it has. */
static void test_detection(void **state)
{
    (void)state;
    guest_fresh();
    c->fpu.fcw = 0x40, c->fpu.fsw = 0x5555, c->fpu.ftw = 0xff;
    RUN(0xdb, 0xe3); /* fninit */
    RUN(0xdd, 0x3f); /* fnstsw [edi] */
    assert_int_equal(load16(data(0)), 0);
    RUN(0xd9, 0x3f); /* fnstcw [edi] */
    assert_int_equal(load16(data(0)), 0x37f);
    assert_int_equal(load16(data(2)), 0xaaaa);
    c->gpr[EAX] = 0x12345678;
    RUN(0xdf, 0xe0); /* fnstsw ax */
    assert_int_equal(c->gpr[EAX], 0x12340000);
    assert_int_equal(c->fpu.ftw, 0);
}

static void test_control_word_reserved_bits(void **state)
{
    (void)state;
    guest_fresh();
    store16(data(0), 0xffff);
    RUN(0xd9, 0x2f); /* fldcw [edi] */
    assert_int_equal(c->fpu.fcw, 0x1f7f);
    store16(data(0), 0);
    RUN(0xd9, 0x2f);
    assert_int_equal(c->fpu.fcw, 0x40);
}

static void test_pointers(void **state)
{
    (void)state;
    guest_fresh();
    set_segment(CS, 0x60, 0);
    set_segment(ES, 0x7b, 0x100);
    RUN(0x26, 0xd9, 0x47, 0x10); /* fld dword es:[edi+16] */
    assert_int_equal(c->fpu.fip, FLAT_CODE);
    assert_int_equal(c->fpu.fcs, 0x60);
    assert_int_equal(c->fpu.fdp, FPU_DATA + 16);
    assert_int_equal(c->fpu.fds, 0x7b);
    assert_int_equal(c->fpu.fop, 0x147);
    u32 fip = c->eip;
    RUN(0xd8, 0xc0); /* fadd st, st: a new FIP, the old FDP */
    assert_int_equal(c->fpu.fip, fip);
    assert_int_equal(c->fpu.fdp, FPU_DATA + 16);
    assert_int_equal(c->fpu.fop, 0xc0);
    RUN(0xd9, 0x3f); /* fnstcw: a control instruction */
    assert_int_equal(c->fpu.fip, fip);
    RUN(0xdb, 0xe3);
    assert_int_equal(c->fpu.fip | c->fpu.fcs | c->fpu.fdp | c->fpu.fds | c->fpu.fop, 0);
}

/* --- environment images --- */

static void env_state(void)
{
    guest_fresh();
    c->fpu.fcw = 0x372;
    c->fpu.fsw = 3 << 11; /* TOP 3: ST(0) is register 3 */
    c->fpu.ftw = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 2;
    memset(c->fpu.st, 0, sizeof c->fpu.st);
    store64(c->fpu.st[0], 1ull << 63), store16(c->fpu.st[0] + 8, 0x3fff); /* R3: 1.0 */
    store64(c->fpu.st[2], 1ull << 63), store16(c->fpu.st[2] + 8, 0x7fff); /* R5: infinity; R4: zero */
    store64(c->fpu.st[7], 1);                                             /* R2: denormal */
    c->fpu.fip = 0x12345678, c->fpu.fcs = 0x60, c->fpu.fop = 0x5a5;
    c->fpu.fdp = 0x9abcdef0, c->fpu.fds = 0x7b;
}
enum { ENV_TAGS = 0xffff - (3 << 4 | 3 << 6 | 3 << 8 | 3 << 10) + (2 << 4 | 0 << 6 | 1 << 8 | 2 << 10) };

static void assert_env32(const u32 *e)
{
    for (unsigned n = 0; n < 7; n++) assert_int_equal(load32(data(4 * n)), e[n]);
    assert_int_equal(load32(data(28)), 0xaaaaaaaa);
}

static void assert_env16(const u16 *e)
{
    for (unsigned n = 0; n < 7; n++) assert_int_equal(load16(data(2 * n)), e[n]);
    assert_int_equal(load16(data(14)), 0xaaaa);
}

static void test_env_protected(void **state)
{
    (void)state;
    env_state();
    RUN(0xd9, 0x37); /* fnstenv [edi] */
    assert_env32((u32[]){0xffff0372, 0xffff1800, 0xffff0000 | ENV_TAGS, 0x12345678, 0x05a50060, 0x9abcdef0,
                         0xffff007b});
    assert_int_equal(c->fpu.fcw, 0x37f);
    env_state();
    RUN(0x66, 0xd9, 0x37);
    assert_env16((u16[]){0x372, 0x1800, ENV_TAGS, 0x5678, 0x60, 0xdef0, 0x7b});
}

static void test_env_real(void **state)
{
    (void)state;
    const u32 wide[] = {0xffff0372, 0xffff1800, 0xffff0000 | ENV_TAGS, 0xffff5c78, 0x01234000u | 0x5a5,
                        0xffffe6a0, 0x09abc000};
    const u16 narrow[] = {0x372, 0x1800, ENV_TAGS, 0x5c78, 0x45a5, 0xe6a0, 0xc000};
    for (int v86 = 0; v86 < 2; v86++) {
        for (int size = 2; size <= 4; size += 2) {
            env_state();
            if (v86)
                c->eflags |= FL_VM, c->cpl = 3;
            else
                c->cr0 &= ~(u32)CR0_PE;
            if (size == 2)
                RUN(0x66, 0xd9, 0x37);
            else
                RUN(0xd9, 0x37);
            if (size == 2)
                assert_env16(narrow);
            else
                assert_env32(wide);
        }
    }
}

static void test_env_load(void **state)
{
    (void)state;
    env_state();
    RUN(0xd9, 0x37);
    FpuImage stored = c->fpu;
    guest_fresh();
    memcpy(data(0), (u32[]){0x0372, 0x1800, ENV_TAGS, 0x12345678, 0xfda50060, 0x9abcdef0, 0x7b}, 28);
    RUN(0xd9, 0x27); /* fldenv [edi] */
    assert_int_equal(c->fpu.fcw, 0x372);
    assert_int_equal(c->fpu.fsw, 0x1800);
    assert_int_equal(c->fpu.ftw, stored.ftw);
    assert_int_equal(c->fpu.fip, 0x12345678);
    assert_int_equal(c->fpu.fcs, 0x60);
    assert_int_equal(c->fpu.fop, 0x5a5);
    assert_int_equal(c->fpu.fdp, 0x9abcdef0);
    assert_int_equal(c->fpu.fds, 0x7b);
    c->cr0 &= ~(u32)CR0_PE; /* the same bytes as a real-mode image */
    RUN(0x66, 0xd9, 0x27);
    assert_int_equal(c->fpu.fcs | c->fpu.fds, 0);
}

static void test_env_load_unmasks(void **state)
{
    (void)state;
    guest_fresh();
    memcpy(data(0), (u32[]){0x037b, FPU_ZE, 0xffff, 0, 0, 0, 0}, 28);
    RUN(0xd9, 0x27);
    assert_int_equal(c->fpu.fsw, FPU_ZE | FSW_ES | FSW_B);
    assert_int_equal(STEP(0xd9, 0xd0), EX_MF);
}

static void test_save_restore(void **state)
{
    (void)state;
    for (int size = 2; size <= 4; size += 2) {
        env_state();
        FpuImage before = c->fpu;
        if (size == 2)
            RUN(0x66, 0xdd, 0x37); /* fnsave [edi] */
        else
            RUN(0xdd, 0x37);
        assert_memory_equal(data(7u * (u32)size), before.st[0], 10);
        assert_memory_equal(data(7u * (u32)size + 20), before.st[2], 10);
        assert_int_equal(load16(data(7u * (u32)size + 80)), 0xaaaa);
        assert_int_equal(c->fpu.fcw, 0x37f);
        assert_int_equal(c->fpu.fsw, 0);
        assert_int_equal(c->fpu.ftw, 0);
        memset(c->fpu.st, 0x55, sizeof c->fpu.st);
        if (size == 2)
            RUN(0x66, 0xdd, 0x27); /* frstor [edi] */
        else
            RUN(0xdd, 0x27);
        for (int n = 0; n < 8; n++) assert_memory_equal(c->fpu.st[n], before.st[n], 10);
        assert_int_equal(c->fpu.fcw, before.fcw);
        assert_int_equal(c->fpu.fsw, before.fsw);
        assert_int_equal(c->fpu.ftw, before.ftw);
    }
}

/* --- exceptions --- */

static void divide_by_zero(void)
{
    guest_fresh();
    c->fpu.fcw = 0x37f & ~FPU_ZE;
    RUN(0xd9, 0xe8); /* fld1 */
    RUN(0xd9, 0xee); /* fldz */
    RUN(0xde, 0xf9); /* fdivp: an unmasked #Z waits, the stack is as before */
    assert_int_equal(c->fpu.fsw, 6 << 11 | FPU_ZE | FSW_ES | FSW_B);
}

static void test_mf(void **state)
{
    (void)state;
    divide_by_zero();
    u32 eip = c->eip;
    assert_int_equal(STEP(0xd8, 0xc1), EX_MF);       /* fadd */
    assert_int_equal(STEP(0x9b), EX_MF);             /* wait */
    assert_int_equal(STEP(0xd9, 0x2f), EX_MF);       /* fldcw */
    assert_int_equal(STEP(0x0f, 0xfc, 0xc1), EX_MF); /* paddb mm0, mm1 */
    assert_int_equal(c->eip, eip);
    c->cr4 = CR4_OSFXSR;
    RUN(0x0f, 0x58, 0xc1); /* addps takes no notice */
    RUN(0xdf, 0xe0);       /* fnstsw ax */
    assert_int_equal(c->gpr[EAX] & 0xffff, 6 << 11 | FPU_ZE | FSW_ES | FSW_B);
    RUN(0xdb, 0xe2); /* fnclex */
    assert_int_equal(c->fpu.fsw, 6 << 11);
    RUN(0x9b);
    RUN(0xd8, 0xc1);
}

typedef struct Ferr {
    int raised;
    bool level;
} Ferr;
static void ferr_set(void *ctx, bool level)
{
    Ferr *f = ctx;
    f->raised += level && !f->level;
    f->level = level;
}

static void test_ferr(void **state)
{
    Ferr f = {0};
    (void)state;
    divide_by_zero();
    c->cr0 &= ~(u32)CR0_NE;
    c->ferr = ferr_set, c->ferr_ctx = &f;
    u32 eip = c->eip;
    RUN(0x9b);
    assert_int_equal(f.raised, 1);
    assert_int_equal(c->eip, eip); /* it waits here for IRQ13 */
    assert_true(c->halted);
    c->halted = false;
    c->eflags &= ~(u32)FL_I; /* in the handler: IGNNE# */
    RUN(0xd9, 0xe8);
    assert_int_equal(c->eip, eip + 2);
    assert_int_equal(c->fpu.fsw, 5 << 11 | FPU_ZE | FSW_ES | FSW_B);
    RUN(0xd9, 0x1f); /* fstp dword [edi] */
    assert_int_equal(load32(data(0)), 0x3f800000);
    RUN(0xdb, 0xe2);
    assert_false(f.level);
}

static void test_nm(void **state)
{
    static const u32 bits[] = {CR0_EM, CR0_TS, CR0_EM | CR0_TS};
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        guest_fresh();
        c->cr0 |= bits[n];
        assert_int_equal(STEP(0xd9, 0xe8), EX_NM);
        assert_int_equal(STEP(0xdb, 0xe3), EX_NM);
        assert_int_equal(STEP(0xdf, 0xe0), EX_NM);
        RUN(0x9b);
        c->cr0 |= CR0_MP;
        if (bits[n] & CR0_TS)
            assert_int_equal(STEP(0x9b), EX_NM);
        else
            RUN(0x9b);
    }
}

/* A store that faults leaves stack and memory alone; so does one that raises an unmasked exception. */
static void test_store_faults(void **state)
{
    (void)state;
    guest_fresh();
    flat_paging(c);
    RUN(0xd9, 0xeb); /* fldpi */
    FpuImage before = c->fpu;
    store32(flat_pte(c, FPU_DATA), 0);
    c->gpr[EDI] = FPU_DATA - 4; /* the second half is in the missing page */
    u64 old = load64(data(0) - 4);
    assert_int_equal(STEP(0xdd, 0x1f), EX_PF); /* fstp qword [edi] */
    assert_int_equal(c->cr2, FPU_DATA);
    assert_memory_equal(&c->fpu, &before, 160);
    assert_true(load64(data(0) - 4) == old);

    guest_fresh();
    c->fpu.fcw &= (u16)~FPU_IE;
    RUN(0xdd, 0x1f); /* of an empty register */
    assert_int_equal(c->fpu.fsw, FPU_IE | FSW_SF | FSW_ES | FSW_B);
    assert_int_equal(load32(data(0)), 0xaaaaaaaa);
}

/* --- parked and live --- */

static void test_park(void **state)
{
    FpuCase k;
    u32 mxcsr;
    u16 fcw;
    (void)state;
    guest_fresh();
    fpu_case_random(&k);
    c->fpu = k.fpu;
    c->fpu.fip = 0x1234, c->fpu.fcs = 0x10, c->fpu.fdp = 0x5678, c->fpu.fds = 0x18, c->fpu.fop = 0x7ff;
    FpuImage before = c->fpu;
    fpu_unpark(c);
    __asm__ volatile("nop" : : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
    fpu_park(c);
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(fcw));
    assert_int_equal(mxcsr & 0xffc0, MXCSR_INIT);
    assert_int_equal(fcw, FCW_INIT);
    c->fpu.mxcsr_mask = before.mxcsr_mask;
    assert_memory_equal(&c->fpu, &before, 160 + 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_against_host),
        cmocka_unit_test(test_detection),
        cmocka_unit_test(test_control_word_reserved_bits),
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_env_protected),
        cmocka_unit_test(test_env_real),
        cmocka_unit_test(test_env_load),
        cmocka_unit_test(test_env_load_unmasks),
        cmocka_unit_test(test_save_restore),
        cmocka_unit_test(test_mf),
        cmocka_unit_test(test_ferr),
        cmocka_unit_test(test_nm),
        cmocka_unit_test(test_store_faults),
        cmocka_unit_test(test_park),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
