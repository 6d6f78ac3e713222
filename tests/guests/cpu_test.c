/* cpu_test.c - a guest that runs one instruction of each CPU feature and compares what happens with what CPUID says.
 * For the boot test cpu.py.
 *
 * A line on COM1 for each: "NAME announced=0|1 works|ud|gp|WRONG", then "end" and power-off. `works`: it ran, and its
 * result is the manual's; `ud`: #UD; `gp`: #GP, which is what a misaligned operand gets.
 */
#include "serial.h"

enum { CODE_SELECTOR = 8, EX_UD = 6, EX_GP = 13, CR4_OSFXSR = 1 << 9 };
typedef struct Gate {
    u16 low, selector, attributes, high;
} Gate;

void probe_main(u32 magic, const u32 *info);

static u8 data[64] __attribute__((aligned(16)));

/* --- faults: the handler goes on behind the instruction that `resume` belongs to --- */

static Gate idt[32];
static struct __attribute__((packed)) {
    u16 limit;
    const Gate *base;
} idt_register = {sizeof idt - 1, idt};
static const u32 gdt[] = {0, 0, 0xffff, 0x00cf9b00, 0xffff, 0x00cf9300};
static struct __attribute__((packed)) {
    u16 limit;
    const u32 *base;
} gdt_register = {sizeof gdt - 1, gdt};
u32 fault_vector, fault_resume, fault_esp;
void on_ud(void);
void on_gp(void);
__asm__("on_ud: movl $6, fault_vector; jmp 1f\n"
        "on_gp: movl $13, fault_vector\n"
        "1: mov fault_esp, %esp\n"
        "jmp *fault_resume");

static void gate_set(unsigned vector, void (*handler)(void))
{
    u32 at = (u32)handler;
    idt[vector] = (Gate){(u16)at, CODE_SELECTOR, 0x8e00, (u16)(at >> 16)};
}

static void tables_load(void)
{
    gate_set(EX_UD, on_ud);
    gate_set(EX_GP, on_gp);
    __asm__ volatile("lgdt %0; ljmp %2, $1f; 1: mov %1, %%ds; mov %1, %%es; mov %1, %%ss; lidt %3"
                     :
                     : "m"(gdt_register), "r"(16), "i"(CODE_SELECTOR), "m"(idt_register));
}

/* Runs `code` (it may change eax, ecx and edx) with a in eax and d in edx; eax afterwards is the result. */
#define TRY(code)                                                                                            \
    __asm__ volatile("mov %%esp, fault_esp; movl $2f, fault_resume; movl $0, fault_vector\n\t" code          \
                     "\n\tmov %%eax, %0\n2:"                                                                 \
                     : "=m"(result), "+a"(a), "+d"(d)                                                        \
                     : "D"(data)                                                                             \
                     : "ecx", "memory", "cc")

static u32 result;

/* --- one instruction each, by its bytes: the assembler need not know it --- */

static void test_tsc(u32 a, u32 d) { TRY("rdtsc; mov $1, %%eax"); }
static void test_cx8(u32 a, u32 d)
{
    TRY("xor %%eax, %%eax; xor %%edx, %%edx; cmpxchg8b (%%edi); mov $1, %%eax");
}
static void test_cmov(u32 a, u32 d) { TRY("cmp %%eax, %%eax; .byte 0x0f, 0x44, 0xc2"); }
static void test_mmx(u32 a, u32 d)
{
    TRY(".byte 0x0f, 0x6e, 0xc0, 0x0f, 0x6e, 0xca, 0x0f, 0xfe, 0xc1, 0x0f, 0x7e, 0xc0, 0x0f, 0x77");
}
static void test_clflush(u32 a, u32 d) { TRY(".byte 0x0f, 0xae, 0x3f; mov $1, %%eax"); }
static void test_fxsr(u32 a, u32 d)
{
    static u8 image[512] __attribute__((aligned(16)));
    (void)d;
    a = (u32)image;
    TRY(".byte 0x0f, 0xae, 0x00; mov $1, %%eax");
}
/* andps xmm0, xmm0: MOVD to and from XMM is SSE2's */
static void test_sse(u32 a, u32 d) { TRY(".byte 0x0f, 0x54, 0xc0; mov $1, %%eax"); }
#define XMM0_EAX_XMM1_EDX ".byte 0x66, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0x6e, 0xca\n\t"
#define EAX_XMM0          "\n\t.byte 0x66, 0x0f, 0x7e, 0xc0"
static void test_sse2(u32 a, u32 d)
{
    TRY(XMM0_EAX_XMM1_EDX ".byte 0x66, 0x0f, 0xfe, 0xc1" EAX_XMM0);
} /* paddd */
/* pshufd, haddps xmm0, xmm1: 1.0 + 2.0 from one register */
static void test_sse3(u32 a, u32 d)
{
    TRY(XMM0_EAX_XMM1_EDX ".byte 0x66, 0x0f, 0x62, 0xc1, 0xf2, 0x0f, 0x7c, 0xc0" EAX_XMM0);
}
/* fld1 + fld1, fisttp dword [edi] */
static void test_fisttp(u32 a, u32 d)
{
    TRY("fninit; fld1; fld1; faddp; .byte 0xdb, 0x0f; mov (%%edi), %%eax");
}
static void test_lddqu(u32 a, u32 d)
{
    TRY("mov %%eax, 5(%%edi); .byte 0xf2, 0x0f, 0xf0, 0x47, 0x05" EAX_XMM0);
}
static void test_ssse3(u32 a, u32 d)
{
    TRY(XMM0_EAX_XMM1_EDX ".byte 0x66, 0x0f, 0x38, 0x00, 0xc1" EAX_XMM0);
} /* pshufb */
static void test_sse41(u32 a, u32 d)
{
    TRY(XMM0_EAX_XMM1_EDX ".byte 0x66, 0x0f, 0x38, 0x40, 0xc1" EAX_XMM0);
} /* pmulld */
static void test_pextrb(u32 a, u32 d)
{
    TRY(XMM0_EAX_XMM1_EDX
        "movl $-1, 12(%%edi); .byte 0x66, 0x0f, 0x3a, 0x14, 0x47, 0x0d, 0x02; mov 12(%%edi), %%eax");
}
static void test_misaligned(u32 a, u32 d) { TRY(".byte 0x66, 0x0f, 0x38, 0x40, 0x47, 0x08; mov $1, %%eax"); }
/* pcmpistri xmm0, [edi+17], 18h: where "abcd" and "abcx" differ first */
static void test_sse42(u32 a, u32 d)
{
    TRY(XMM0_EAX_XMM1_EDX
        "mov %%edx, 17(%%edi); .byte 0x66, 0x0f, 0x3a, 0x63, 0x47, 0x11, 0x18; mov %%ecx, %%eax");
}
static void test_crc32(u32 a, u32 d) { TRY(".byte 0xf2, 0x0f, 0x38, 0xf1, 0xc2"); }
static void test_popcnt(u32 a, u32 d) { TRY(".byte 0xf3, 0x0f, 0xb8, 0xc2"); }
static void test_movbe(u32 a, u32 d) { TRY("mov %%eax, (%%edi); .byte 0x0f, 0x38, 0xf0, 0x07"); }
static void test_rdtscp(u32 a, u32 d) { TRY(".byte 0x0f, 0x01, 0xf9; mov %%ecx, %%eax"); }
/* stac: AC, and clac: none */
static void test_smap(u32 a, u32 d)
{
    TRY(".byte 0x0f, 0x01, 0xcb; pushf; pop %%edx; .byte 0x0f, 0x01, 0xca; pushf; pop %%eax; xor %%edx, %%eax; shr $18, %%eax");
}
/* A bit of CR4 that can be set; #GP where there is none. */
#define CR4_BIT(bit)                                                                                         \
    TRY("mov %%cr4, %%edx; mov %%edx, %%eax; or $" bit                                                       \
        ", %%eax; mov %%eax, %%cr4; mov %%edx, %%cr4; mov $1, %%eax")
static void test_smep(u32 a, u32 d) { CR4_BIT("0x100000"); }
static void test_umip(u32 a, u32 d) { CR4_BIT("0x800"); }
static void test_monitor(u32 a, u32 d) { TRY(".byte 0x0f, 0x01, 0xc8; mov $1, %%eax"); }

enum { LEAF_1_EDX, LEAF_1_ECX, LEAF_7_EBX, LEAF_7_ECX, LEAF_80000001_EDX, WORDS };

static const struct {
    const char *name;
    u8 word, bit;
    void (*run)(u32 a, u32 d);
    u32 a, d, wanted;
} tests[] = {
    {"tsc", LEAF_1_EDX, 4, test_tsc, 0, 0, 1},
    {"cx8", LEAF_1_EDX, 8, test_cx8, 0, 0, 1},
    {"cmov", LEAF_1_EDX, 15, test_cmov, 1, 7, 7},
    {"clflush", LEAF_1_EDX, 19, test_clflush, 0, 0, 1},
    {"mmx", LEAF_1_EDX, 23, test_mmx, 40, 2, 42},
    {"fxsr", LEAF_1_EDX, 24, test_fxsr, 0, 0, 1},
    {"sse", LEAF_1_EDX, 25, test_sse, 0, 0, 1},
    {"sse2", LEAF_1_EDX, 26, test_sse2, 40, 2, 42},
    {"sse3", LEAF_1_ECX, 0, test_sse3, 0x3f800000, 0x40000000, 0x40400000},
    {"fisttp", LEAF_1_ECX, 0, test_fisttp, 0, 0, 2},
    {"lddqu", LEAF_1_ECX, 0, test_lddqu, 0x12345678, 0, 0x12345678},
    {"monitor", LEAF_1_ECX, 3, test_monitor, 0, 0, 1},
    {"ssse3", LEAF_1_ECX, 9, test_ssse3, 0x44332211, 0x00010203, 0x11223344},
    {"sse4.1", LEAF_1_ECX, 19, test_sse41, 1000, 1000, 1000000},
    {"pextrb", LEAF_1_ECX, 19, test_pextrb, 0xaabbccdd, 0, 0xffffbbff},
    {"misaligned", LEAF_1_ECX, 19, test_misaligned, 0, 0, 1},
    {"sse4.2", LEAF_1_ECX, 20, test_sse42, 0x64636261, 0x78636261, 3},
    {"crc32", LEAF_1_ECX, 20, test_crc32, 0xffffffff, 0x34333231, 0x09c50b11},
    {"popcnt", LEAF_1_ECX, 23, test_popcnt, 0, 0xf0f0f001, 13},
    {"movbe", LEAF_1_ECX, 22, test_movbe, 0x11223344, 0, 0x44332211},
    {"rdtscp", LEAF_80000001_EDX, 27, test_rdtscp, 0, 0, 0},
    {"smap", LEAF_7_EBX, 20, test_smap, 0, 0, 1},
    {"smep", LEAF_7_EBX, 7, test_smep, 0, 0, 1},
    {"umip", LEAF_7_ECX, 2, test_umip, 0, 0, 1},
};

static u32 words[WORDS];

static u32 cpuid(u32 leaf, u32 *ebx, u32 *ecx, u32 *edx)
{
    *ecx = 0;
    __asm__ volatile("cpuid" : "+a"(leaf), "=b"(*ebx), "+c"(*ecx), "=d"(*edx));
    return leaf;
}

static void cpuid_read(void)
{
    u32 ebx, ecx, edx, last = cpuid(0, &ebx, &ecx, &edx);
    cpuid(1, &ebx, &words[LEAF_1_ECX], &words[LEAF_1_EDX]);
    if (last >= 7) cpuid(7, &words[LEAF_7_EBX], &words[LEAF_7_ECX], &edx);
    if (cpuid(0x80000000u, &ebx, &ecx, &edx) >> 31) cpuid(0x80000001u, &ebx, &ecx, &words[LEAF_80000001_EDX]);
    u32 cr4 = CR4_OSFXSR;
    if (words[LEAF_1_EDX] >> 24 & 1) __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
}

void probe_main(u32 magic, const u32 *info)
{
    (void)magic, (void)info;
    cpuid_read();
    tables_load();
    for (u32 n = 0; n < sizeof tests / sizeof *tests; n++) {
        u32 announced = words[tests[n].word] >> tests[n].bit & 1;
        for (int times = 0; times < 100; times++) tests[n].run(tests[n].a, tests[n].d);
        print(tests[n].name);
        print(announced ? " announced=1 " : " announced=0 ");
        print(fault_vector == EX_UD       ? "ud\r\n"
              : fault_vector == EX_GP     ? "gp\r\n"
              : result == tests[n].wanted ? "works\r\n"
                                          : "WRONG\r\n");
    }
    print("end\r\n");
    out16(0x604, 1 << 13);
}
