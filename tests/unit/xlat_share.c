/* xlat_share.c - code is not translated more often than it must be: ring 0's is the same whatever GS and the FPU hold
 * (context.c, "untold"), until it uses them; and a jump forward enters a block in its middle (Block.doors).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm.h"

enum { CODE = 0x10000, DATA = 0x20000, DATA_2 = 0x21000, IDT = 0x30000, HANDLER = 0x31000 };

static Vm vm;

static Xlat *xlat(void) { return vm.xlat->ctx; }

static void begin(void)
{
    memset(&vm, 0, sizeof vm);
    vm_start(&vm, true);
}

static void run(const void *code, u32 n)
{
    if (memcmp(vm.phys->ram + CODE, code, n)) {
        memcpy(vm.phys->ram + CODE, code, n);
        phys_written(vm.phys, CODE, n);
    }
    vm.c.eip = CODE;
    vm.c.gpr[EAX] = 0;
    assert_int_equal(vm_run(&vm), STOP_HLT);
}

static void gs_is_null(void) { vm.c.seg[GS] = (Segment){.attr = SEG_UNUSABLE}; }

static void gs_is_at(u32 base)
{
    vm.c.seg[GS] = vm.c.seg[DS];
    vm.c.seg[GS].base = base;
}

static void a_kernel_that_keeps_gs_and_fpu_is_translated_once(void **state)
{
    /* mov ecx, 1000; L: add eax, ecx; dec ecx; jnz L; hlt */
    static const u8 sum[] = {0xb9, 0xe8, 0x03, 0, 0, 0x01, 0xc8, 0x49, 0x75, 0xfb, 0xf4};
    (void)state;
    begin();
    gs_is_null();
    run(sum, sizeof sum);
    u64 blocks = xlat()->stats.translated_blocks;
    assert_true(blocks > 0);
    gs_is_at(DATA);
    run(sum, sizeof sum);
    vm.c.cr0 |= CR0_TS;
    run(sum, sizeof sum);
    assert_int_equal(vm.c.gpr[EAX], 500500);
    assert_int_equal(xlat()->stats.translated_blocks, blocks);
    vm_end(&vm);
}

static void a_kernel_that_uses_gs_is_told_of_it(void **state)
{
    /* mov ecx, 1000; L: add eax, gs:[4]; dec ecx; jnz L; hlt */
    static const u8 sum[] = {0xb9, 0xe8, 0x03, 0, 0, 0x65, 0x03, 0x05, 4, 0, 0, 0, 0x49, 0x75, 0xf6, 0xf4};
    (void)state;
    begin();
    store32(vm.phys->ram + DATA + 4, 3);
    store32(vm.phys->ram + DATA_2 + 4, 5);
    gs_is_at(DATA);
    run(sum, sizeof sum);
    assert_int_equal(vm.c.gpr[EAX], 3000);
    assert_int_equal(xlat()->stats.renewals, 1);
    u64 interpreted = vm.c.insns_interp;
    assert_true(interpreted < 500);
    gs_is_at(DATA_2);
    run(sum, sizeof sum);
    assert_int_equal(vm.c.gpr[EAX], 5000);
    assert_true(vm.c.insns_interp - interpreted < 10);
    gs_is_at(0);
    store32(vm.phys->ram + 4, 7);
    run(sum, sizeof sum);
    assert_int_equal(vm.c.gpr[EAX], 7000);
    assert_int_equal(xlat()->stats.renewals, 1);
    vm_end(&vm);
}

/* Back in ring 3, whose mode tells of GS, by a SYSEXIT that repeats what it did last: GS may be another. */
static void ring_3_has_its_own_gs(void **state)
{
    enum { GDT = 0x32000, USER = CODE + 20, FLAT = 0x23, AT_DATA = 0x2b, ROUNDS = 100 };
    /* K: dec esi; jz D; xor ebp, FLAT ^ AT_DATA; mov gs, bp; mov edx, USER; mov ecx, 0x9000; sysexit;
     * USER: add ebx, gs:[4]; sysenter; D: hlt */
    static const u8 code[] = {0x4e, 0x74, 26,   0x83, 0xf5, FLAT ^ AT_DATA, 0x8e, 0xed, 0xba, 20,   0, 1, 0,
                              0xb9, 0,    0x90, 0,    0,    0x0f,           0x35, 0x65, 0x03, 0x1d, 4, 0, 0,
                              0,    0x0f, 0x34, 0xf4};
    (void)state;
    begin();
    store64(vm.phys->ram + GDT + 8, 0x00cf9b000000ffffull);
    store64(vm.phys->ram + GDT + 0x10, 0x00cf93000000ffffull);
    store64(vm.phys->ram + GDT + 0x18, 0x00cffb000000ffffull);
    store64(vm.phys->ram + GDT + (FLAT & ~7), 0x00cff3000000ffffull);
    store64(vm.phys->ram + GDT + (AT_DATA & ~7), 0x00cff3020000ffffull); /* base DATA */
    vm.c.gdtr.base = GDT;
    vm.c.gdtr.limit = 0xff;
    vm.c.sysenter_cs = 8;
    vm.c.sysenter_eip = CODE;
    vm.c.sysenter_esp = 0x8000;
    store32(vm.phys->ram + 4, 1000);
    store32(vm.phys->ram + DATA + 4, 1);
    vm.c.gpr[ESI] = ROUNDS + 1;
    vm.c.gpr[EBP] =
        AT_DATA; /* so that the first GS is flat: what is made for a base is right for that, too */
    vm.c.gpr[EBX] = 0;
    run(code, sizeof code);
    assert_int_equal(vm.c.gpr[EBX], ROUNDS / 2 * 1001);
    vm_end(&vm);
}

/* #NM: mov dword [DATA], 1; hlt */
static void handler_of_nm(void)
{
    static const u8 handler[] = {0xc7, 0x05, 0, 0, 2, 0, 1, 0, 0, 0, 0xf4};
    enum { GDT = 0x32000 };
    memcpy(vm.phys->ram + HANDLER, handler, sizeof handler);
    store64(vm.phys->ram + GDT + 8, 0x00cf9b000000ffffull);
    store64(vm.phys->ram + IDT + 8 * EX_NM, 0x00038e0000081000ull);
    vm.c.gdtr.base = GDT;
    vm.c.gdtr.limit = 0xff;
    vm.c.idtr.base = IDT;
    vm.c.idtr.limit = 0x7ff;
}

static void a_kernel_that_uses_the_fpu_is_told_of_it(void **state)
{
    /* fninit; mov ecx, 1000; L: fld1; fstp dword [DATA + 8]; dec ecx; jnz L; hlt */
    static const u8 loop[] = {0xdb, 0xe3, 0xb9, 0xe8, 0x03, 0,    0,    0xd9, 0xe8, 0xd9,
                              0x1d, 8,    0,    2,    0,    0x49, 0x75, 0xf5, 0xf4};
    (void)state;
    begin();
    handler_of_nm();
    run(loop, sizeof loop);
    assert_int_equal(load32(vm.phys->ram + DATA + 8), 0x3f800000);
    assert_int_equal(load32(vm.phys->ram + DATA), 0);
    assert_int_equal(xlat()->stats.renewals, 1);
    assert_true(vm.c.insns_interp < 500);
    vm.c.cr0 |= CR0_TS;
    run(loop + 2, sizeof loop - 2);
    assert_int_equal(load32(vm.phys->ram + DATA), 1);
    assert_int_equal(vm.c.eip, HANDLER + 11);
    vm_end(&vm);
}

/* Two blocks: from the start to RET, and from L, since a loop has one of its own. The second ends in front of the call,
 * which the first holds already; the jumps to E and F lead into the middle of the first or second, the call to G, too. */
static void jumps_forward_share_a_block(void **state)
{
    /* mov ecx, 100; L: test cl, 1; jz E; add eax, 1; E: test cl, 2; jz F; add eax, 2; F: dec ecx; jnz L;
     * call G; hlt; G: add eax, 1000; ret */
    static const u8 code[] = {0xb9, 100,  0,    0, 0,    0xf6, 0xc1, 1,    0x74, 3,    0x83, 0xc0,
                              1,    0xf6, 0xc1, 2, 0x74, 3,    0x83, 0xc0, 2,    0x49, 0x75, 0xed,
                              0xe8, 1,    0,    0, 0,    0xf4, 0x05, 0xe8, 0x03, 0,    0,    0xc3};
    (void)state;
    begin();
    run(code, sizeof code);
    assert_int_equal(vm.c.gpr[EAX], 50 * 1 + 50 * 2 + 1000);
    assert_int_equal(xlat()->stats.translated_blocks, 2);
    assert_int_equal(xlat()->stats.translated_insns, 13 + 8);
    vm_end(&vm);
}

/* A store into what such a jump leads to: the block dies, with its doors. */
static void doors_die_with_their_block(void **state)
{
    /* mov ecx, 100; L: test cl, 1; jz E; add eax, 1; E: add eax, 2; dec ecx; jnz L; xor byte [E + 2], 1; inc ebx;
     * cmp ebx, 2; mov cl, 100; jb L; hlt */
    static const u8 code[] = {0xb9, 100,  0,    0,    0,    0xf6, 0xc1, 1,    0x74, 3,    0x83, 0xc0,
                              1,    0x83, 0xc0, 2,    0x49, 0x75, 0xf2, 0x80, 0x35, 0x0f, 0,    1,
                              0,    1,    0x43, 0x83, 0xfb, 2,    0xb1, 100,  0x72, 0xe3, 0xf4};
    (void)state;
    begin();
    vm.c.gpr[EBX] = 0;
    run(code, sizeof code);
    assert_int_equal(vm.c.gpr[EAX], 2 * 50 + 100 * 2 + 100 * 3);
    vm_end(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_that_keeps_gs_and_fpu_is_translated_once),
        cmocka_unit_test(a_kernel_that_uses_gs_is_told_of_it),
        cmocka_unit_test(a_kernel_that_uses_the_fpu_is_told_of_it),
        cmocka_unit_test(ring_3_has_its_own_gs),
        cmocka_unit_test(jumps_forward_share_a_block),
        cmocka_unit_test(doors_die_with_their_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
