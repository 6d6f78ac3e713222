/* fpu_host.h - for tests: an FPU or SIMD instruction run by this processor, in the open, next to the guest's.
 *
 * The bytes of the instruction are the guest's own: without a REX prefix and with memory operands written [edi] they
 * mean the same here. Both sides start from the same FXSAVE image, registers, flags and operand.
 */
#ifndef RING3_TESTS_FPU_HOST_H
#define RING3_TESTS_FPU_HOST_H

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "cpu_flat.h"
#include "cpu/fpu.h"

enum { FPU_DATA = 0x10000, OPERAND_BYTES = 16 };

typedef struct FpuCase { /* before; and after, on one side */
    FpuImage fpu;
    u32 gpr[8]; /* EAX ECX EDX EBX and ESI count */
    u32 flags;
    u8 mem[OPERAND_BYTES] __attribute__((aligned(16)));
    int fault; /* NO_FAULT or EX_XM; the host's x87 exceptions are left pending */
} FpuCase;

/* --- random operands that matter --- */

static inline u64 rnd(void)
{
    static u64 s = 0x9e3779b97f4a7c15u;
    s ^= s << 13, s ^= s >> 7, s ^= s << 17;
    return s * 0x2545f4914f6cdd1du;
}
static inline unsigned rnd_below(unsigned n) { return (unsigned)(rnd() >> 33) % n; }
static inline bool one_in(unsigned n) { return rnd_below(n) == 0; }

static inline u32 rnd_float(void)
{
    static const u32 special[] = {0,          0x80000000, 1,          0x807fffff, 0x00800000,
                                  0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001,
                                  0xffffffff, 0x3f800000, 0xbf800000, 0x4f000000, 0xcf000000,
                                  0x5f000000, 0x00000100, 0x3f000000, 0x4b7fffff};
    if (one_in(3)) return special[rnd_below(ARRAY_LEN(special))];
    if (one_in(3)) return (u32)rnd();
    return (u32)(rnd() & 0x807fffff) | (96 + rnd_below(64)) << 23;
}

static inline u64 rnd_double(void)
{
    static const u64 special[] = {0,
                                  1ull << 63,
                                  1,
                                  0x800fffffffffffffull,
                                  0x0010000000000000ull,
                                  0x7fefffffffffffffull,
                                  0x7ff0000000000000ull,
                                  0xfff0000000000000ull,
                                  0x7ff8000000000000ull,
                                  0x7ff0000000000001ull,
                                  0x3ff0000000000000ull,
                                  0x41e0000000000000ull,
                                  0xc1e0000000200000ull,
                                  0x3690000000000001ull,
                                  0x47f0000000000000ull};
    if (one_in(3)) return special[rnd_below(ARRAY_LEN(special))];
    if (one_in(3)) return rnd();
    return (rnd() & 0x800fffffffffffffull) | (u64)(960 + rnd_below(128)) << 52;
}

static inline void rnd_operand(u8 to[16])
{
    switch (rnd_below(3)) {
    case 0:
        for (int n = 0; n < 4; n++) store32(to + 4 * n, rnd_float());
        break;
    case 1:
        for (int n = 0; n < 2; n++) store64(to + 8 * n, rnd_double());
        break;
    default:
        for (int n = 0; n < 2; n++) store64(to + 8 * n, rnd() & (one_in(2) ? ~0ull : 0xff00ff80ff7f01ull));
        break;
    }
}

static inline void rnd_extended(u8 st[16])
{
    static const u16 exponents[] = {0,      1,      0x3fff, 0x3ffe, 0x403e, 0x403d,
                                    0x400e, 0x7ffe, 0x7fff, 0x3c01, 0x43fe, 0x3f81};
    u64 mantissa = one_in(4) ? 0 : one_in(3) ? 1ull << rnd_below(64) : rnd();
    u16 exponent = one_in(2) ? exponents[rnd_below(ARRAY_LEN(exponents))] : (u16)(0x3fe0 + rnd_below(64));
    if (!one_in(12)) mantissa |= exponent ? 1ull << 63 : 0;
    store64(st, mantissa);
    store16(st + 8, (u16)(exponent | (rnd() & 0x8000)));
    memset(st + 10, 0, 6);
}

static inline void fpu_case_random(FpuCase *k)
{
    memset(k, 0, sizeof *k);
    k->fault = NO_FAULT;
    k->fpu.fcw = (u16)(FCW_ONE | (rnd() & 0xf00) | (one_in(3) ? rnd() & 0x3f : 0x3f));
    k->fpu.fsw = (u16)((rnd() & 0x7f00) | (rnd() & k->fpu.fcw & 0x3f) | (one_in(4) ? FSW_SF : 0));
    k->fpu.ftw = one_in(3) ? (u8)rnd() : 0xff;
    k->fpu.mxcsr = (u32)(rnd() & 0x603f) | (one_in(3) ? rnd() & 0x9fc0 : 0x1f80);
    for (int n = 0; n < 8; n++) rnd_extended(k->fpu.st[n]);
    for (int n = 0; n < 8; n++) rnd_operand(k->fpu.xmm[n]);
    for (int n = 0; n < 8; n++) k->gpr[n] = one_in(4) ? (u32)rnd_below(9) : (u32)rnd();
    k->flags = (u32)rnd() & FL_ARITH;
    rnd_operand(k->mem);
}

/* --- this processor --- */

static u8 *host_code;
static sigjmp_buf host_fault;
static volatile u32 host_fault_mxcsr;

static inline void host_on_sigfpe(int n, siginfo_t *si, void *uc)
{
    (void)n, (void)si;
    host_fault_mxcsr = ((ucontext_t *)uc)->uc_mcontext.fpregs->mxcsr;
    siglongjmp(host_fault, 1);
}

static inline void host_setup(void)
{
    host_code =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(host_code, MAP_FAILED);
}

static inline void host_write_code(const u8 *insn, unsigned len)
{
    memcpy(host_code, insn, len);
    host_code[len] = 0xc3;
}

static __attribute__((noinline)) void host_execute(FpuCase *k)
{
    register FpuImage *image __asm__("r8") = &k->fpu;
    register u8 *code __asm__("r9") = host_code;
    register u64 flags __asm__("r10") = k->flags | 2;
    register u32 mxcsr __asm__("r11") = MXCSR_INIT;
    u64 eax = k->gpr[EAX], ecx = k->gpr[ECX], edx = k->gpr[EDX], ebx = k->gpr[EBX], esi = k->gpr[ESI];
    __asm__ volatile("sub $256, %%rsp; fxrstor (%%r8); push %%r10; popfq; call *%%r9; pushfq; pop %%r10;"
                     "fxsave (%%r8); fninit; push %%r11; ldmxcsr (%%rsp); pop %%r11; add $256, %%rsp"
                     : "+a"(eax), "+c"(ecx), "+d"(edx), "+b"(ebx), "+S"(esi), "+r"(flags)
                     : "D"(k->mem), "r"(image), "r"(code), "r"(mxcsr)
                     : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    k->gpr[EAX] = (u32)eax, k->gpr[ECX] = (u32)ecx, k->gpr[EDX] = (u32)edx, k->gpr[EBX] = (u32)ebx;
    k->gpr[ESI] = (u32)esi;
    k->flags = (u32)flags & FL_ARITH;
}

static inline void host_run(FpuCase *k, const u8 *insn, unsigned len)
{
    FpuCase before = *k;
    host_write_code(insn, len);
    if (sigsetjmp(host_fault, 1)) {
        *k = before;
        k->fpu.mxcsr = host_fault_mxcsr;
        k->fault = EX_XM;
        return;
    }
    host_execute(k);
}

/* --- the guest --- */

static inline void guest_load(Vcpu *c, const FpuCase *k)
{
    flat_reset(c);
    c->cr0 |= CR0_NE;
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    c->fpu = k->fpu;
    memcpy(c->gpr, k->gpr, sizeof c->gpr);
    c->gpr[EDI] = FPU_DATA;
    c->eflags = 2 | k->flags;
    memcpy(flat_ram(c, FPU_DATA), k->mem, OPERAND_BYTES);
}

static inline void guest_run(Vcpu *c, FpuCase *k, const u8 *insn, unsigned len)
{
    guest_load(c, k);
    flat_code(c, insn, len);
    k->fault = flat_step(c);
    k->fpu = c->fpu;
    memcpy(k->gpr, c->gpr, sizeof c->gpr);
    k->flags = c->eflags & FL_ARITH;
    memcpy(k->mem, flat_ram(c, FPU_DATA), OPERAND_BYTES);
}

/* --- both --- */

static inline bool same_registers(const FpuCase *a, const FpuCase *b)
{
    for (int n = 0; n < 8; n++)
        if (memcmp(a->fpu.st[n], b->fpu.st[n], 10) || memcmp(a->fpu.xmm[n], b->fpu.xmm[n], 16)) return false;
    for (int n = 0; n < 8; n++)
        if ((n < 4 || n == ESI) && a->gpr[n] != b->gpr[n]) return false;
    return true;
}

/* MXCSR but for #P next to an unmasked #O or #U, and for the steps of DPPS and DPPD: simd_exec.c, "Not implemented". */
static inline bool same_mxcsr(const Row *r, const FpuCase *a, const FpuCase *b)
{
    u32 unmasked = a->fpu.mxcsr & ~(a->fpu.mxcsr >> 7) & (FPU_OE | FPU_UE);
    bool steps = r->opcode == 0x3a40 || r->opcode == 0x3a41;
    u32 unsure = a->fault != EX_XM ? 0 : steps ? FPU_EXCEPTIONS : unmasked ? FPU_PE : 0;
    return !((a->fpu.mxcsr ^ b->fpu.mxcsr) & 0xffff & ~unsure);
}

static inline bool same_outcome(const Row *r, const FpuCase *a, const FpuCase *b)
{
    return a->fault == b->fault && a->fpu.fcw == b->fpu.fcw && a->fpu.fsw == b->fpu.fsw &&
           a->fpu.ftw == b->fpu.ftw && same_mxcsr(r, a, b) && a->flags == b->flags &&
           !memcmp(a->mem, b->mem, OPERAND_BYTES) && same_registers(a, b);
}

static inline void print_hex(const char *what, const u8 *p, unsigned n)
{
    fprintf(stderr, " %s ", what);
    for (unsigned k = n; k--;) fprintf(stderr, "%02x", p[k]);
}

static inline void fpu_case_print(const char *side, const FpuCase *k)
{
    fprintf(stderr, "%s: fault %d fcw %04x fsw %04x ftw %02x mxcsr %04x flags %03x eax %08x ecx %08x", side,
            k->fault, k->fpu.fcw, k->fpu.fsw, k->fpu.ftw, k->fpu.mxcsr, k->flags, k->gpr[EAX], k->gpr[ECX]);
    print_hex("mem", k->mem, 16);
    for (int n = 0; n < 8; n++) {
        fprintf(stderr, "\n   %d", n);
        print_hex("st", k->fpu.st[n], 10);
        print_hex("xmm", k->fpu.xmm[n], 16);
    }
    fprintf(stderr, "\n");
}

/* One random instruction of this row into `insn`; its length. General registers: those that FpuCase compares. */
static inline unsigned fpu_insn_random(const Row *r, u8 insn[8])
{
    static const u8 prefix[] = {[PFX_66] = 0x66, [PFX_F3] = 0xf3, [PFX_F2] = 0xf2};
    static const u8 gprs[8] = {EAX, ECX, EDX, EBX, ESI, EAX, ECX, EDX};
    unsigned len = 0, reg = rnd_below(8), rm = rnd_below(8);
    bool mem = r->ext == EXT_MEM || (r->ext >= EXT_M && r->ext < EXT_R), has_modrm = r->ext != EXT_ANY;
    bool reg_only = r->ext == EXT_REG || (r->ext >= EXT_R && r->ext < EXT_B), imm = false;
    for (int n = 0; n < 3; n++) {
        u8 o = r->o[n];
        if (o == O_Gd) reg = gprs[reg];
        if (o == O_Ed || o == O_Ew) rm = gprs[rm];
        if (o == O_Nq || o == O_Ux) reg_only = true;
        if (o != O__ && o != O_Ib) has_modrm = true;
        imm |= o == O_Ib;
    }
    if (!mem && !reg_only) mem = one_in(2);
    if (r->ext >= EXT_D) reg = r->ext & 7;
    if (r->pfx > PFX_NP) insn[len++] = prefix[r->pfx];
    len = (unsigned)(opcode_put(insn + len, r->opcode) - insn);
    if (r->ext >= EXT_B)
        insn[len++] = (u8)r->ext;
    else if (has_modrm)
        insn[len++] = (u8)(mem ? reg << 3 | 7 : 0xc0 | reg << 3 | rm);
    if (imm) insn[len++] = one_in(2) ? (u8)rnd() : (u8)rnd_below(20);
    return len;
}

/* `cases` random instructions of each row that `exec` executes, on both sides. */
static inline void fpu_compare_rows(Vcpu *c, ExecFn *exec, unsigned cases)
{
    unsigned bad = 0, done = 0;
    struct sigaction sa = {.sa_sigaction = host_on_sigfpe, .sa_flags = SA_SIGINFO}, cmockas;
    sigaction(SIGFPE, &sa, &cmockas);
    for (const Row *r = x86_rows; r < x86_rows + x86_row_count; r++) {
        if (x86_exec[r->id] != exec || !(c->features >> r->need & 1)) continue;
        for (unsigned n = 0; n < cases && bad < 5; n++, done++) {
            FpuCase k, host, guest;
            u8 insn[8];
            unsigned len = fpu_insn_random(r, insn);
            fpu_case_random(&k);
            host = guest = k;
            host_run(&host, insn, len);
            guest_run(c, &guest, insn, len);
            if (same_outcome(r, &host, &guest)) continue;
            bad++;
            fprintf(stderr, "%s", r->name);
            print_hex("bytes (backwards)", insn, len);
            fprintf(stderr, "\n");
            fpu_case_print("before", &k);
            fpu_case_print("host", &host);
            fpu_case_print("guest", &guest);
        }
    }
    sigaction(SIGFPE, &cmockas, NULL);
    printf("%u cases\n", done);
    assert_true(done > 1000);
    assert_int_equal(bad, 0);
}

/* --- one guest for all tests of a program, one instruction at a time --- */

static Vcpu *c;

static inline int setup(void **state)
{
    (void)state;
    host_setup();
    c = flat_new();
    return 0;
}
static inline int teardown(void **state)
{
    (void)state;
    flat_free(c);
    return 0;
}

/* After FNINIT; [edi] is memory that is recognized. */
static inline void fpu_guest_reset(void)
{
    flat_reset(c);
    fpu_reset(c);
    c->cr0 |= CR0_NE;
    c->gpr[EDI] = FPU_DATA;
    memset(flat_ram(c, FPU_DATA), 0xaa, 1024);
}
#define STEP(...) (CODE(c, __VA_ARGS__), flat_step(c))
#define RUN(...)  assert_int_equal(STEP(__VA_ARGS__), NO_FAULT)

static inline u8 *data(u32 offset) { return flat_ram(c, FPU_DATA + offset); }

#endif
