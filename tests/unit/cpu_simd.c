/* MMX and SSE to SSE4.2: each data row against this processor; then checks, #XM, MXCSR, FXSAVE and MASKMOV. */
#include "fpu_host.h"

static void guest_fresh(void)
{
    fpu_guest_reset();
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    for (unsigned r = 0; r < 8; r++)
        for (unsigned n = 0; n < 16; n++) c->fpu.xmm[r][n] = (u8)(r << 4 | n);
}

static void test_rows_against_host(void **state)
{
    (void)state;
    fpu_compare_rows(c, exec_simd, 1000);
    if (c->features & BIT(ISSE42)) fpu_compare_rows(c, exec_pcmpx, 5000);
}

/* --- checks --- */

static void test_mmx_checks(void **state)
{
    (void)state;
    guest_fresh();
    c->cr0 |= CR0_TS;
    assert_int_equal(STEP(0x0f, 0xfc, 0xc1), EX_NM); /* paddb mm0, mm1 */
    c->cr0 |= CR0_EM;
    assert_int_equal(STEP(0x0f, 0xfc, 0xc1), EX_UD);
    guest_fresh();
    c->cr4 = 0;
    RUN(0x0f, 0xfc, 0xc1);
    c->features &= ~BIT(IMMX);
    assert_int_equal(STEP(0x0f, 0xfc, 0xc1), EX_UD);
}

static void test_sse_checks(void **state)
{
    (void)state;
    guest_fresh();
    c->cr0 |= CR0_TS;
    assert_int_equal(STEP(0x0f, 0x58, 0xc1), EX_NM); /* addps xmm0, xmm1 */
    c->cr4 = 0;
    assert_int_equal(STEP(0x0f, 0x58, 0xc1), EX_UD);
    guest_fresh();
    c->cr0 |= CR0_EM;
    assert_int_equal(STEP(0x0f, 0x58, 0xc1), EX_UD);
    guest_fresh();
    c->features &= ~BIT(ISSE2);
    RUN(0x0f, 0x58, 0xc1);
    assert_int_equal(STEP(0x66, 0x0f, 0x58, 0xc1), EX_UD); /* addpd */
}

static void test_alignment(void **state)
{
    (void)state;
    guest_fresh();
    c->gpr[EDI] += 8;
    assert_int_equal(STEP(0x0f, 0x58, 0x07), EX_GP); /* addps xmm0, [edi] */
    assert_int_equal(STEP(0x0f, 0x29, 0x07), EX_GP); /* movaps [edi], xmm0 */
    RUN(0x0f, 0x11, 0x07);                           /* movups [edi], xmm0 */
    assert_memory_equal(data(8), c->fpu.xmm[0], 16);
    c->seg[DS].base = 8; /* what counts is the linear address */
    RUN(0x0f, 0x29, 0x0f);
    assert_memory_equal(data(16), c->fpu.xmm[1], 16);
}

/* What the host has not, the guest has not either. */
static bool have(Need n) { return c->features >> n & 1; }

static void test_later_alignment(void **state)
{
    (void)state;
    guest_fresh();
    c->gpr[EDI] += 8;
    if (have(ISSSE3)) assert_int_equal(STEP(0x66, 0x0f, 0x38, 0x00, 0x07), EX_GP); /* pshufb xmm0, [edi] */
    if (have(ISSSE3)) RUN(0x0f, 0x38, 0x00, 0x07);                                 /* pshufb mm0, [edi] */
    if (have(ISSE41)) assert_int_equal(STEP(0x66, 0x0f, 0x38, 0x2a, 0x07), EX_GP); /* movntdqa xmm0, [edi] */
    if (have(ISSE42)) assert_int_equal(STEP(0x66, 0x0f, 0x38, 0x37, 0x07), EX_GP); /* pcmpgtq xmm0, [edi] */
    c->gpr[EDI] += 1;
    if (have(ISSE3)) RUN(0xf2, 0x0f, 0xf0, 0x07); /* lddqu xmm0, [edi] */
    if (have(ISSE3)) assert_memory_equal(c->fpu.xmm[0], data(9), 16);
    if (have(ISSE41)) RUN(0x66, 0x0f, 0x38, 0x20, 0x07); /* pmovsxbw xmm0, [edi] */
    if (have(ISSE41)) assert_int_equal(load32(c->fpu.xmm[0]), 0xffaaffaa);
    if (have(ISSE42)) RUN(0x66, 0x0f, 0x3a, 0x63, 0x07, 0x0c); /* pcmpistri xmm0, [edi], 12 */
}

static void test_later_checks(void **state)
{
    static const struct {
        Need need;
        u8 code[6];
    } insns[] = {{ISSE3, {0xf2, 0x0f, 0x7c, 0xc1}},
                 {ISSSE3, {0x66, 0x0f, 0x38, 0x00, 0xc1}},
                 {ISSE41, {0x66, 0x0f, 0x38, 0x40, 0xc1}},
                 {ISSE41, {0x66, 0x0f, 0x3a, 0x14, 0xc1, 0x01}},
                 {ISSE42, {0x66, 0x0f, 0x3a, 0x63, 0xc1}}};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(insns); n++) {
        guest_fresh();
        if (!have(insns[n].need)) continue;
        flat_code(c, insns[n].code, sizeof insns[n].code);
        c->cr0 |= CR0_TS;
        assert_int_equal(flat_step(c), EX_NM);
        c->cr4 = 0;
        assert_int_equal(flat_step(c), EX_UD);
        c->cr4 = CR4_OSFXSR;
        c->cr0 &= ~(u32)CR0_TS;
        assert_int_equal(flat_step(c), NO_FAULT);
        c->features &= ~BIT(insns[n].need);
        flat_code(c, insns[n].code, sizeof insns[n].code);
        assert_int_equal(flat_step(c), EX_UD);
    }
}

/* FISTTP chops whatever the control word says, and pops; POPCNT and CRC32 have no state to be without. */
static void test_later_integers(void **state)
{
    (void)state;
    guest_fresh();
    c->fpu.fcw |= 0x800; /* up */
    if (have(ISSE3)) {
        RUN(0xd9, 0xeb); /* fldpi */
        RUN(0xdb, 0x0f); /* fisttp dword [edi] */
        assert_int_equal(load32(data(0)), 3);
        assert_int_equal(c->fpu.ftw, 0);
    }
    guest_fresh();
    c->cr0 |= CR0_EM | CR0_TS;
    c->cr4 = 0;
    c->gpr[EAX] = c->gpr[ECX] = 0xffff0005;
    c->eflags |= FL_ARITH;
    if (have(IPOPCNT)) {
        RUN(0x66, 0xf3, 0x0f, 0xb8, 0xc8); /* popcnt cx, ax */
        assert_int_equal(c->gpr[ECX], 0xffff0002);
        assert_int_equal(c->eflags & FL_ARITH, 0);
        c->gpr[EAX] = 0;
        RUN(0xf3, 0x0f, 0xb8, 0xc8); /* popcnt ecx, eax */
        assert_int_equal(c->eflags & FL_ARITH, FL_Z);
    }
    c->gpr[EAX] = 0xffffffff;
    if (have(ISSE42)) {
        for (const char *s = "123456789"; *s; s++) {
            c->gpr[ECX] = (u8)*s;
            RUN(0xf2, 0x0f, 0x38, 0xf0, 0xc1); /* crc32 eax, cl */
        }
        assert_int_equal(~c->gpr[EAX], 0xe3069283); /* CRC-32C's check value (RFC 3720, B.4) */
    }
}

/* --- #XM --- */

static void divide(u32 mxcsr)
{
    guest_fresh();
    c->fpu.mxcsr = mxcsr;
    for (int n = 0; n < 4; n++) {
        store32(c->fpu.xmm[0] + 4 * n, 0x3f800000);
        store32(c->fpu.xmm[1] + 4 * n, n == 0 ? 0 : 0x40400000); /* 1/0, 1/3 .. */
    }
}

static void test_xm(void **state)
{
    (void)state;
    divide(0x1f80);
    RUN(0x0f, 0x5e, 0xc1); /* divps xmm0, xmm1 */
    assert_int_equal(c->fpu.mxcsr, 0x1f80 | FPU_ZE | FPU_PE);
    assert_int_equal(load32(c->fpu.xmm[0]), 0x7f800000);
    divide(0x1f80 & ~(FPU_ZE << 7));
    assert_int_equal(STEP(0x0f, 0x5e, 0xc1), EX_XM);
    assert_int_equal(load32(c->fpu.xmm[0]), 0x3f800000);
    assert_int_equal(c->fpu.mxcsr & 0x3f, FPU_ZE); /* #P of the other elements was not looked for */
    divide(0x1f80 & ~(FPU_PE << 7));
    assert_int_equal(STEP(0x0f, 0x5e, 0xc1), EX_XM);
    assert_int_equal(c->fpu.mxcsr & 0x3f, FPU_ZE | FPU_PE);
    divide(0x1f80 & ~(FPU_ZE << 7));
    c->cr4 &= ~(u32)CR4_OSXMMEXCPT;
    assert_int_equal(STEP(0x0f, 0x5e, 0xc1), EX_UD);
}

static void test_mxcsr(void **state)
{
    (void)state;
    guest_fresh();
    store32(data(0), 0xffff);
    RUN(0x0f, 0xae, 0x17); /* ldmxcsr [edi] */
    assert_int_equal(c->fpu.mxcsr, 0xffff);
    store32(data(0), 0x10000);
    assert_int_equal(STEP(0x0f, 0xae, 0x17), EX_GP);
    assert_int_equal(c->fpu.mxcsr, 0xffff);
    c->features &= ~BIT(ISSE2); /* a Pentium III has no DAZ */
    store32(data(0), 0x1fc0);
    assert_int_equal(STEP(0x0f, 0xae, 0x17), EX_GP);
    c->fpu.mxcsr = 0x1f81;
    RUN(0x0f, 0xae, 0x5f, 0x04); /* stmxcsr [edi+4] */
    assert_int_equal(load32(data(4)), 0x1f81);
    assert_int_equal(load32(data(8)), 0xaaaaaaaa);
}

/* --- FXSAVE, FXRSTOR --- */

static void fx_state(void)
{
    guest_fresh();
    RUN(0xd9, 0xeb); /* fldpi */
    c->fpu.fip = 0x12345678, c->fpu.fcs = 0x60, c->fpu.fop = 0x1eb, c->fpu.fdp = 0x87654321,
    c->fpu.fds = 0x7b;
    c->fpu.mxcsr = 0x1f91;
    memset(c->fpu.xmm[8], 0x77, 128); /* the host's, left over */
    c->fpu.mxcsr_mask = 0x2ffff;
}

static void test_fxsave(void **state)
{
    (void)state;
    fx_state();
    RUN(0x0f, 0xae, 0x07); /* fxsave [edi] */
    assert_int_equal(load16(data(0)), 0x37f);
    assert_int_equal(load16(data(2)), 7 << 11);
    assert_int_equal(load16(data(4)), 0x80);
    assert_int_equal(load16(data(6)), 0x1eb);
    assert_int_equal(load32(data(8)), 0x12345678);
    assert_int_equal(load32(data(12)), 0x60);
    assert_int_equal(load32(data(16)), 0x87654321);
    assert_int_equal(load32(data(20)), 0x7b);
    assert_int_equal(load32(data(24)), 0x1f91);
    assert_int_equal(load32(data(28)), 0xffff);
    assert_true(load64(data(32)) == 0xc90fdaa22168c235u);
    assert_true(load64(data(40)) == 0x4000);
    assert_memory_equal(data(160), c->fpu.xmm, 128);
    for (u32 n = 288; n < 520; n += 4) assert_int_equal(load32(data(n)), 0xaaaaaaaa);
}

static void test_fxsave_faults(void **state)
{
    (void)state;
    fx_state();
    c->gpr[EDI] += 8;
    assert_int_equal(STEP(0x0f, 0xae, 0x07), EX_GP);
    assert_int_equal(STEP(0x0f, 0xae, 0x0f), EX_GP);
    c->cr0 |= CR0_TS;
    assert_int_equal(STEP(0x0f, 0xae, 0x07), EX_NM);
    fx_state();
    flat_paging(c);
    store32(flat_pte(c, FPU_DATA), 0);
    c->gpr[EDI] = FPU_DATA - 496; /* its last 16 bytes are in the missing page */
    assert_int_equal(STEP(0x0f, 0xae, 0x07), EX_PF);
    assert_int_equal(c->cr2, FPU_DATA);
}

static void test_fxrstor(void **state)
{
    (void)state;
    fx_state();
    FpuImage before = c->fpu;
    RUN(0x0f, 0xae, 0x07);
    guest_fresh();
    memset(data(288), 0, 224);
    c->gpr[EDI] = FPU_DATA + 512;
    memcpy(data(512), &before, 288);
    store32(data(512 + 28), 0);
    RUN(0x0f, 0xae, 0x0f); /* fxrstor [edi] */
    assert_memory_equal(&c->fpu, &before, 28);
    assert_memory_equal(c->fpu.st, before.st, 128 + 128);
    store32(data(512 + 24), 0x10000);
    assert_int_equal(STEP(0x0f, 0xae, 0x0f), EX_GP);
    assert_int_equal(c->fpu.mxcsr, 0x1f91);
}

/* Without CR4.OSFXSR only the x87 part counts; a processor without SSE has no MXCSR. */
static void test_fx_without_sse(void **state)
{
    (void)state;
    fx_state();
    c->cr4 = 0;
    c->features &= ~(BIT(ISSE) | BIT(ISSE2));
    RUN(0x0f, 0xae, 0x07);
    assert_true(load64(data(24)) == 0);
    assert_int_equal(load32(data(160)), 0xaaaaaaaa);
    u8 xmm0[16];
    memcpy(xmm0, c->fpu.xmm[0], 16);
    store32(data(24), 0xffffffff);
    RUN(0x0f, 0xae, 0x0f);
    assert_int_equal(c->fpu.mxcsr, 0x1f91);
    assert_memory_equal(c->fpu.xmm[0], xmm0, 16);
}

/* --- implicit addresses, general registers, no operands --- */

static void test_maskmovdqu(void **state)
{
    (void)state;
    guest_fresh();
    memset(c->fpu.xmm[1], 0, 16);
    c->fpu.xmm[1][0] = 0x80, c->fpu.xmm[1][15] = 0xff, c->fpu.xmm[1][7] = 0x7f;
    c->gpr[EDI] += 3;
    c->seg[ES].base = 0x20;            /* overrides apply: ES has no part in it otherwise */
    RUN(0x26, 0x66, 0x0f, 0xf7, 0xd1); /* maskmovdqu xmm2, xmm1 */
    assert_int_equal(*data(0x23), 0x20);
    assert_int_equal(*data(0x23 + 15), 0x2f);
    for (u32 n = 1; n < 15; n++) assert_int_equal(*data(0x23 + n), 0xaa);
    assert_int_equal(*data(3), 0xaa);
    c->gpr[EDI] = FPU_DATA - 4;
    flat_paging(c);
    store32(flat_pte(c, FPU_DATA), 0);
    c->seg[ES].base = 0;
    u8 first = *flat_ram(c, FPU_DATA - 4);
    assert_int_equal(STEP(0x66, 0x0f, 0xf7, 0xd1), EX_PF);
    assert_int_equal(*flat_ram(c, FPU_DATA - 4), first);
    memset(c->fpu.xmm[1] + 4, 0, 12);
    RUN(0x66, 0x0f, 0xf7, 0xd1); /* nothing selected in the missing page */
    assert_int_equal(*flat_ram(c, FPU_DATA - 4), 0x20);
}

static void test_maskmovq(void **state)
{
    (void)state;
    guest_fresh();
    c->fpu.fsw = 5 << 11;
    store64(c->fpu.st[(3 - 5) & 7], 0x1122334455667788u); /* mm3 */
    store64(c->fpu.st[(6 - 5) & 7], 0x80000000000000ffu); /* mm6 */
    RUN(0x0f, 0xf7, 0xde);                                /* maskmovq mm3, mm6 */
    assert_true(load64(data(0)) == 0x11aaaaaaaaaaaa88u);
    assert_int_equal(c->fpu.fsw, 0);
    assert_int_equal(c->fpu.ftw, 0xff);
    assert_true(load64(c->fpu.st[3]) == 0x1122334455667788u);
}

static void test_general_registers(void **state)
{
    (void)state;
    guest_fresh();
    RUN(0x66, 0x0f, 0x7e, 0xd4); /* movd esp, xmm2 */
    assert_int_equal(c->gpr[ESP], 0x23222120);
    RUN(0x66, 0x0f, 0x6e, 0xcc); /* movd xmm1, esp */
    assert_int_equal(load32(c->fpu.xmm[1]), 0x23222120);
    assert_int_equal(load32(c->fpu.xmm[1] + 4), 0);
    RUN(0x66, 0x0f, 0xc5, 0xfb, 0x01); /* pextrw edi, xmm3, 1 */
    assert_int_equal(c->gpr[EDI], 0x3332);
    RUN(0x66, 0x0f, 0xd7, 0xe3); /* pmovmskb esp, xmm3 */
    assert_int_equal(c->gpr[ESP], 0);
    assert_int_equal(c->gpr[EAX], 0);
}

static void test_without_fpu(void **state)
{
    (void)state;
    guest_fresh();
    c->cr0 |= CR0_EM | CR0_TS;
    c->gpr[EAX] = 0x01020304;
    RUN(0x0f, 0xc3, 0x07); /* movnti [edi], eax */
    assert_int_equal(load32(data(0)), 0x01020304);
    RUN(0x0f, 0xae, 0xe8); /* lfence */
    RUN(0x0f, 0xae, 0xf0); /* mfence */
    RUN(0x0f, 0xae, 0xf8); /* sfence */
    flat_paging(c);
    store32(flat_pte(c, FPU_DATA), 0);
    RUN(0x0f, 0x18, 0x0f);                           /* prefetcht0 [edi]: no fault */
    assert_int_equal(STEP(0x0f, 0xae, 0x3f), EX_PF); /* clflush [edi] */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_against_host),
        cmocka_unit_test(test_mmx_checks),
        cmocka_unit_test(test_sse_checks),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_later_alignment),
        cmocka_unit_test(test_later_checks),
        cmocka_unit_test(test_later_integers),
        cmocka_unit_test(test_xm),
        cmocka_unit_test(test_mxcsr),
        cmocka_unit_test(test_fxsave),
        cmocka_unit_test(test_fxsave_faults),
        cmocka_unit_test(test_fxrstor),
        cmocka_unit_test(test_fx_without_sse),
        cmocka_unit_test(test_maskmovdqu),
        cmocka_unit_test(test_maskmovq),
        cmocka_unit_test(test_general_registers),
        cmocka_unit_test(test_without_fpu),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
