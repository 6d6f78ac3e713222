/* The translator against the interpreter on small programs, each ending in HLT: control flow of every kind, stores
 * into code, faults. Same registers, flags and memory are asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm.h"

typedef struct Program {
    const char *name;
    const char *code; /* hex */
} Program;

/* clang-format off */
static const Program programs[] = {
    {"mov add hlt", "b8 05000000 83c007 f4"},
    {"loop sum", "b9 e8030000 31c0 01c8 49 75fb f4"},
    {"loop instruction", "b9 10000000 31c0 40 e2fd f4"},
    {"call ret", "b8 01000000 e8 02000000 40 f4 83c010 c3"},
    {"fib(15) by call and ret",
     "6a0f e8 01000000 f4"                    /* push 15; call fib; hlt */
     "53 56 8b5c240c 89d8 83fb02 7219"        /* fib: push ebx; push esi; mov ebx,[esp+12]; mov eax,ebx; cmp ebx,2; jb end */
     "8d43ff 50 e8 eaffffff 89c6 8d43fe 890424 e8 ddffffff 59 01f0"
     "5e 5b c3"},
    {"indirect call and jump", "bb 10000100 31c0 ffd3 ffd3 f4 90909090 83c003 be 1b000100 ffe6 f4 40 c3"},
    {"unmatched returns", "68 0b000100 c3 f4f4f4f4f4 40 68 13000100 c3 f4 40 f4"},
    {"store into the next instruction", "c605 07000100 40 90 f4"},
    {"store into a loop's body", "b9 0a000000 31c0 8305 0f000100 01 83c001 49 75f3 f4"},
    {"pushf popf flags", "31c0 f9 9c 59 9d 11c0 f4"},
    {"cli sti pushf popf sreg", "f9 9c fa 9c fb 9c 8cd8 8cc9 5a 9d 9d 11db fd 9c 9d 9c fc 58 f4"},
    {"string copy", "fc be 00000100 bf 00000200 b9 40000000 f3a5 8b07 f4"},
    {"string copy backwards", "fd be 10000100 bf 00000200 b9 07000000 f3a4 ac 66a5 ab fc 8b07 f4"},
    {"string copy large", "fc be 00000100 bf 00000200 b9 00030000 f3a5 8b47fc f4"},
    {"string scan and compare", "fc bf 00000100 b0 f4 b9 64000000 f2ae be 00000100 bf 04000100 b9 20000000 f3a6 9c 58 f4"},
    {"div", "b8 64000000 31d2 b9 07000000 f7f1 39c8 f4"},
    {"high bytes", "b8 34120000 b4ff 00e0 88c4 8a64 24fc 886424f8 8b5c24f8 f4"},
    {"push pop esp", "54 58 5c 8d6424f0 ff3424 8f44 24 04 f4"},
    {"setcc cmov", "31c0 83f801 0f92c0 0f44d8 0f45c8 f4"},
    /* lgdt; 24 rounds of: MOV and POP to ES, FS, GS with the same, another and a null selector, every fourth with a
     * changed descriptor; flags, DF and what is read through the segments are summed up. */
    {"segment loads again and again",
     "0f01157500010031ffb918000000b810000000f98ec08ee083d700b8ffffff7f83c0016a180fa10f90c00f94c40fb7c001c764033d040000000fa058"
     "01c726033d0000010031c0fd8ee8acfc01f78e2d7b00010065033d00000000f6c103750866830597000100034975a3c6059a0001001389f8f427007d"
     "00010023000000000000000000ffff0000009acf00ffff00000092cf00ffff200001924000ffff000000f2cf00"},
    /* 24 rounds of INT 80h and IRET, SYSENTER and SYSEXIT between ring 3 and ring 0; the gate, the ring-0 stack and
     * the flags that IRET loads change now and then; flags, stacks and frames are summed up. */
    {"system calls again and again",
     "0f0115f00001000f011df6000100b8280000000f00d866b823008ed88ec031ffbd18000000b97401000031d2b8080000000f3041b800c007000f3041"
     "b8e00001000f306a23680000070068020200006a1b6857000100cfb8ffffff7f83c001fdcd800f90c00f92c4acfc0fb7c001c7ba7900010089e1f90f"
     "3483d7019c5801c7f7c503000000750780354101010010f7c507000000750e80352c01010001803531010100014d75af89e6cd819083c705479c5801"
     "c701e7033c24037c2408037c240cf7c50100000074058374240841f7c5020000007408814c240800000400cf01e7fb0f3589f889e3f48db600000000"
     "2f00fc0001000f042cfd00000000000000000000ffff0000009acf00ffff00000092cf00ffff000000facf00ffff000000f2cf0067003c0101890000"
     "ad00080000ee0100e500080000ee01000000000000a0070010"},
    /* Sums over arrays in two loops, upwards from a negative index (an address that goes around 4 GiB) and
     * downwards. */
    {"operands that share an index",
     "be00000200bf00010200b909000000890c8e81048f443322118b448efc2b048f498b148e31548f0411448e4085c975dfb9faffffff8b448e18c1448e"
     "180303048f31048f01448e604175eaf4"},
    /* The index of [esi + index] is changed by POP, MUL, CDQ, AND, CMPXCHG, XADD and MOV AL between its uses. */
    {"an index changed in between",
     "be00000200bf00010200b90300000089348e013c8e6a0159893c8e033c8eba02000000893c968b0496b803000000f7e08944960801449608ba0c0000"
     "00897c162099897c16200344162083e00f894c4640867c46400fc144464083e00f09444640b005017c4640f00fb1548e400fb1144683e00729144601"
     "7c44c050017c44c401140601140729543004f4"},
    {"x87 sum", "d9e8 d9e8 dec1 db1d 00000200 a1 00000200 dd05 08000200 f4"},
};
/* clang-format on */

static unsigned hex(const char *s, u8 *out)
{
    unsigned n = 0;
    while (*s) {
        if (*s == ' ') {
            s++;
            continue;
        }
        char b[3] = {s[0], s[1], 0};
        out[n++] = (u8)strtoul(b, NULL, 16);
        s += 2;
    }
    return n;
}

static void run_program(const Program *p, bool translate, Vcpu *out, u8 *mem)
{
    u8 code[512];
    static Vm v;
    unsigned n = hex(p->code, code);
    memset(&v, 0, sizeof v);
    vm_start(&v, translate);
    memcpy(v.phys->ram + 0x10000, code, n);
    assert_int_equal(vm_run(&v), STOP_HLT);
    memcpy(out->gpr, v.c.gpr, sizeof out->gpr);
    out->eip = v.c.eip;
    out->eflags = v.c.eflags;
    memcpy(mem, v.phys->ram + 0x10000, 0x80000);
    vm_end(&v);
}

static void same_as_interpreter(void **state)
{
    const Program *p = *state;
    static Vcpu a, b;
    static u8 ma[0x80000], mb[0x80000];
    run_program(p, false, &a, ma);
    run_program(p, true, &b, mb);
    assert_memory_equal(a.gpr, b.gpr, sizeof a.gpr);
    assert_int_equal(a.eip, b.eip);
    assert_int_equal(a.eflags & FL_HOST, b.eflags & FL_HOST);
    assert_memory_equal(ma, mb, sizeof ma);
}

int main(void)
{
    static struct CMUnitTest tests[ARRAY_LEN(programs)];
    for (unsigned n = 0; n < ARRAY_LEN(programs); n++)
        tests[n] = (struct CMUnitTest){.name = programs[n].name,
                                       .test_func = same_as_interpreter,
                                       .initial_state = (void *)(uintptr_t)&programs[n]};
    return _cmocka_run_group_tests("xlat_smoke", tests, ARRAY_LEN(programs), NULL, NULL);
}
