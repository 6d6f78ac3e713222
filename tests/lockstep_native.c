/* lockstep_native.c - the interpreter against the host's own processor: random instructions of 16- and 32-bit code.
 *
 *   lockstep_native [COUNT [SEED]]
 *
 * Every instruction runs twice from the same state: in compatibility mode on the host (native.h) and in the
 * interpreter, at CPL 3, in segments with random bases, limits, directions and widths. What must be equal
 * afterwards: registers, defined flags, EIP, all data memory, x87/MMX/SSE state; or the exception, its error code
 * and all of that at the fault.
 *
 * Left out: rows that CPL 3 of a process cannot run alike (segment loads, far transfers, sensitive and port
 * instructions), FPU images (the host's pointers are in them), and what the manual leaves undefined beyond flags.
 * What processors do differently (seen on AMD's) is named in difference_known().
 *
 * COUNT 0 never ends. Exit code 77: this host cannot do it, or differs and is a make that nobody has looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/fpu.h"
#include "mmu/bus.h"
#include "mmu/phys.h"
#include "tests/insn_gen.h"
#include "tests/native.h"

enum { RAM_BYTES = 4 << 20, STEPS_PER_SCENE = 200, INT3 = 0xcc, MAX_REPORTS = 20 };

static Vcpu cpu;
static Phys *phys;
static InsnGen gen;
static unsigned long reports;

typedef struct Step {
    u8 bytes[INSN_GEN_MAX];
    Insn i;
    Native before, host;
    u8 vector; /* of the interpreter; NATIVE_NONE */
    u32 error;
} Step;

/* --- scenes: segments and memory ------------------------------------------------------------------------- */

static void segment_set(int seg, u32 base, u32 limit, u32 attr)
{
    Segment s = {.base = base, .limit = limit, .attr = attr};
    native_segment(seg, &s);
    cpu.seg[seg] = s;
}

static u32 data_base(void) { return NATIVE_DATA + gen_below(&gen, 0x4000); }

static u32 data_limit(void)
{
    static const u32 limits[] = {0xffff, 0xffff, 0x7fff, 0xfff, 0x800};
    return limits[gen_below(&gen, ARRAY_LEN(limits))] - (gen_chance(&gen, 20) ? gen_below(&gen, 8) : 0);
}

static void segments_random(void)
{
    enum { DATA = SEG_P | 0x60 | SEG_S | SEG_WRITABLE | SEG_ACCESSED, CODE = DATA | SEG_CODE };
    u32 width = gen.mode.code32 ? SEG_DB : 0, stack_width = gen_chance(&gen, 50) ? SEG_DB : 0;
    segment_set(CS, NATIVE_BASE, gen_chance(&gen, 50) ? 0xffff : 0xfff, CODE | width);
    segment_set(DS, data_base(), data_limit(), gen_chance(&gen, 10) ? DATA & ~SEG_WRITABLE : DATA);
    segment_set(ES, data_base(), data_limit(), DATA);
    if (!stack_width && gen_chance(&gen, 30))
        segment_set(SS, data_base(), 0xdfff, DATA | SEG_DOWN);
    else
        segment_set(SS, data_base(), data_limit(), DATA | stack_width);
}

static void scene_new(void)
{
    u8 *data = (u8 *)(uintptr_t)NATIVE_DATA;
    gen.mode = (DecodeMode){.code32 = gen_chance(&gen, 50), .protected_mode = 1, .features = cpu.features};
    segments_random();
    for (u32 n = 0; n < NATIVE_DATA_BYTES; n += 4) store32(data + n, gen_value(&gen));
    phys_dma_write(phys, NATIVE_DATA, data, NATIVE_DATA_BYTES);
}

/* --- instructions and states ----------------------------------------------------------------------------- */

static bool row_comparable(const Row *r)
{
    static const char *const images[] = {"fnstenv", "fldenv", "fnsave", "frstor", "fxsave", "fxrstor"};
    if (r->cls == XC_FAR || r->cls == XC_SEG || r->cls == XC_SENS || r->cls == XC_IO) return false;
    for (size_t n = 0; n < ARRAY_LEN(images); n++)
        if (!strcmp(r->name, images[n])) return false;
    if (r->cls == XC_UD || r->opcode == 0x0faa) return false; /* RSM */
    return r->opcode != 0x0f0d;                               /* AMD's PREFETCH, #UD with registers */
}

static unsigned shift_count(const Step *s)
{
    for (int n = 0; n < 3; n++) {
        if (s->i.row->o[n] == O_Ib) return s->i.imm & 31;
        if (s->i.row->o[n] == O_CL) return s->before.gpr[ECX] & 31;
    }
    return 1;
}

/* BSWAP of 16 bits; double shifts of 16 bits by more than 16. */
static bool result_undefined(const Step *s)
{
    u16 op = s->i.row->opcode;
    if (s->i.opsize != 2) return false;
    return (op & 0xfff8) == 0x0fc8 || ((op & 0xfff6) == 0x0fa4 && shift_count(s) > 16);
}

static u32 flags_undefined(const Step *s)
{
    const Row *r = s->i.row;
    bool shift = (r->opcode & ~3) == 0xd0 || (r->opcode & ~1) == 0xc0;
    if (shift && s->i.reg >= 4 && shift_count(s) >= (r->opcode & 1 ? s->i.opsize * 8u : 8u))
        return r->undef | FL_C;
    return r->undef;
}

static void prefix_repeat(Step *s)
{
    u8 with[INSN_GEN_MAX];
    Insn i;
    with[0] = gen_chance(&gen, 50) ? 0xf3 : 0xf2;
    memcpy(with + 1, s->bytes, INSN_GEN_MAX - 1);
    if (insn_decode(&i, with, INSN_GEN_MAX, gen.mode) != DECODE_OK) return;
    memcpy(s->bytes, with, sizeof with);
    s->i = i;
}

static void insn_random(Step *s)
{
    const Row *r;
    do r = &x86_rows[gen_below(&gen, x86_row_count)];
    while (!row_comparable(r) || !insn_gen_row(&gen, r, s->bytes, &s->i));
    if (r->cls == XC_STRING && gen_chance(&gen, 60)) prefix_repeat(s);
}

/* An offset in the segment, seldom beyond it. */
static u32 offset_in(const Segment *s)
{
    u32 span = s->attr & SEG_DOWN ? 0xffff - s->limit : s->limit + 1,
        low = s->attr & SEG_DOWN ? s->limit + 1 : 0;
    return low + gen_below(&gen, span) + (gen_chance(&gen, 3) ? span - 8 : 0);
}

static void aim(Step *s)
{
    const Insn *i = &s->i;
    bool locked = (i->prefix & PREFIX_LOCK) || (i->row->opcode & ~1) == 0x86;
    u32 base = cpu.seg[i->seg].base, off = offset_in(&cpu.seg[i->seg]);
    if (!i->is_mem || gen_chance(&gen, 2)) return;
    if (locked || gen_chance(&gen, 50)) off = ((base + off) & ~15u) - base; /* no split locks */
    insn_gen_aim(&gen, i, s->before.gpr, &off);
}

static void floats_random(FpuImage *f)
{
    fpu_init_x87(f);
    f->fsw = (u16)(gen_random(&gen) & 0x7f00);
    f->ftw = (u8)gen_random(&gen);
    f->fcw =
        (u16)(0x40 | (gen_random(&gen) & 0xf00) | (gen_chance(&gen, 90) ? 0x3f : gen_random(&gen) & 0x3f));
    f->mxcsr = MXCSR_MASKS | (gen_random(&gen) & 0xe03f);
    if (gen_chance(&gen, 10)) f->mxcsr ^= gen_random(&gen) & MXCSR_MASKS;
    for (int r = 0; r < 8; r++) {
        for (int n = 0; n < 16; n += 4) store32(f->xmm[r] + n, gen_value(&gen));
        for (int n = 0; n < 8; n += 4) store32(f->st[r] + n, gen_value(&gen));
        store16(f->st[r] + 8, (u16)(gen_chance(&gen, 70) ? 0x3ff0 + gen_below(&gen, 0x60) : gen_value(&gen)));
        if (gen_chance(&gen, 90)) f->st[r][7] |= 0x80; /* normal numbers */
        if (gen_chance(&gen, 50)) store32(f->xmm[r], 0x3f800000 + (gen_random(&gen) & 0x80ffffff));
    }
    fpu_update_summary(f);
}

static void state_random(Step *s)
{
    Native *n = &s->before;
    memset(n, 0, sizeof *n);
    for (int r = 0; r < 8; r++) n->gpr[r] = gen_value(&gen);
    n->gpr[ESP] = offset_in(&cpu.seg[SS]) | (gen_chance(&gen, 50) ? 0 : gen_random(&gen) << 16);
    if (gen_chance(&gen, 50)) n->gpr[EBP] = offset_in(&cpu.seg[SS]);
    if (s->i.row->cls == XC_STRING || gen_chance(&gen, 50)) {
        n->gpr[ESI] = offset_in(&cpu.seg[s->i.seg]);
        n->gpr[EDI] = offset_in(&cpu.seg[ES]);
        n->gpr[ECX] = gen_below(&gen, 40);
    }
    n->eflags = gen_random(&gen) & (FL_ARITH | (gen_chance(&gen, 20) ? FL_D : 0));
    n->eip = gen_chance(&gen, 5) ? 0xff0 + gen_below(&gen, 16) : 0x200 + gen_below(&gen, 0x100);
    floats_random(&n->fpu);
    aim(s);
}

/* --- both processors ------------------------------------------------------------------------------------- */

static void code_put(const Step *s, bool remove)
{
    u8 code[INSN_GEN_MAX];
    u32 at = NATIVE_BASE + s->before.eip;
    memcpy(code, s->bytes, sizeof code);
    if (remove)
        memset(code, INT3, sizeof code);
    else
        memset(code + s->i.len, INT3, sizeof code - s->i.len);
    memcpy((u8 *)(uintptr_t)at, code, sizeof code);
    phys_dma_write(phys, at, code, sizeof code);
}

static void run_interp(Step *s)
{
    memcpy(cpu.gpr, s->before.gpr, sizeof cpu.gpr);
    cpu.eip = s->before.eip;
    cpu.eflags = s->before.eflags | FL_I | 2;
    cpu.fpu = s->before.fpu;
    cpu.fpu_live = 0;
    cpu.attention = 0;
    s->vector = NATIVE_NONE;
    if (setjmp(cpu.fault_jmp)) {
        s->vector = cpu.fault.vector;
        s->error = cpu.fault.has_error ? cpu.fault.error : 0;
    } else {
        interp_one(&cpu);
        if (cpu.eip > cpu.seg[CS].limit) raise_gp(&cpu, 0); /* the INT3 could not be fetched */
    }
    fpu_park(&cpu);
}

/* The host would not stop there: no INT3 follows. */
static bool jumped_into_itself(const Step *s)
{
    return s->vector == NATIVE_NONE && cpu.eip - s->before.eip < s->i.len;
}

static void run_host(Step *s)
{
    s->host = s->before;
    native_run(&s->host);
}

/* --- comparison ------------------------------------------------------------------------------------------ */

static void heading(const Step *s, bool *done)
{
    if (*done) return;
    *done = true;
    printf("%d-bit %s:", gen.mode.code32 ? 32 : 16, s->i.row->name);
    for (int n = 0; n < s->i.len; n++) printf(" %02x", s->bytes[n]);
    printf("\n    before:");
    for (int r = 0; r < 8; r++) printf(" %08x", s->before.gpr[r]);
    printf(" eip %x flags %x ss %s%s limit %x\n", s->before.eip, s->before.eflags,
           cpu.seg[SS].attr & SEG_DB ? "32" : "16", cpu.seg[SS].attr & SEG_DOWN ? " down" : "",
           cpu.seg[SS].limit);
}

static void differ(const Step *s, bool *done, const char *what, u32 interp, u32 host)
{
    if (interp == host) return;
    heading(s, done);
    printf("    %-8s interpreter %08x, host %08x\n", what, interp, host);
}

/* At the fault of an MMX store's operand Intel's processors, and ours (simd_exec.c), have turned TOP to 0; AMD's have not. */
static FpuImage turned(const Step *s)
{
    FpuImage f = s->host.fpu;
    bool store = s->i.row->checks & CK_MMX && s->i.is_mem && fpu_mem_operand(&s->i) == 0;
    bool has_turned = !(cpu.fpu.fsw & 7 << 11); /* not if the instruction's own bytes were the fault */
    if (store && s->vector != NATIVE_NONE && has_turned) fpu_set_fsw(&f, f.fsw & (u16) ~(7 << 11));
    return f;
}

static void compare_fpu(const Step *s, bool *done)
{
    const FpuImage host = turned(s), *a = &cpu.fpu, *b = &host;
    u32 inexact = s->vector == EX_XM ? FPU_PE : 0; /* see simd_exec.c */
    differ(s, done, "fcw", a->fcw, b->fcw);
    differ(s, done, "fsw", a->fsw, b->fsw);
    differ(s, done, "ftw", a->ftw, b->ftw);
    differ(s, done, "mxcsr", a->mxcsr & ~inexact, b->mxcsr & ~inexact);
    for (int r = 0; r < 8; r++) {
        char what[8] = {'s', 't', (char)('0' + r)};
        for (int n = 0; n < 8; n += 4) differ(s, done, what, load32(a->st[r] + n), load32(b->st[r] + n));
        differ(s, done, what, load16(a->st[r] + 8), load16(b->st[r] + 8));
        memcpy(what, "xmm", 3), what[3] = (char)('0' + r);
        for (int n = 0; n < 16; n += 4) differ(s, done, what, load32(a->xmm[r] + n), load32(b->xmm[r] + n));
    }
}

static void resync(void)
{
    phys_dma_write(phys, NATIVE_DATA, (u8 *)(uintptr_t)NATIVE_DATA, NATIVE_DATA_BYTES);
}

static void compare_memory(const Step *s, bool *done)
{
    const u8 *host = (u8 *)(uintptr_t)NATIVE_DATA, *guest = phys->ram + NATIVE_DATA;
    if (!memcmp(host, guest, NATIVE_DATA_BYTES)) return;
    for (u32 n = 0; n < NATIVE_DATA_BYTES; n++) {
        char what[16];
        snprintf(what, sizeof what, "[%x]", NATIVE_DATA + n);
        differ(s, done, what, guest[n], host[n]);
    }
    resync();
}

/* What the manuals leave open, and this processor does otherwise. */
static bool difference_known(const Step *s)
{
    const Row *r = s->i.row;
    bool stack = s->host.vector == EX_SS && s->vector == EX_GP;
    if (!strcmp(r->name, "call") && stack) return true;       /* CALL: which of two faults comes first */
    if (r->opcode == 0x61 && s->vector == EX_SS) return true; /* POPA: registers popped before the fault */
    if (r->opcode == 0x0ff7 && s->vector != NATIVE_NONE) return true; /* MASKMOVQ: x87 state after a fault */
    if (r->checks & CK_MMX && s->vector == EX_XM) return true;        /* CVTPS2PI ...: x87 state after #XM */
    return s->host.fpu.mxcsr >> 17 & 1;                               /* LDMXCSR: AMD's misaligned mode */
}

/* PUSHA and ENTER that fault: ours checks everything first; AMD's has stored what comes before the fault. */
static bool memory_open(const Step *s)
{
    return (s->i.row->opcode == 0x60 || s->i.row->opcode == 0xc8) && s->vector != NATIVE_NONE;
}

static bool compare(const Step *s)
{
    static const char *const names[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    u32 flags = FL_HOST & ~flags_undefined(s);
    bool done = false;
    if (difference_known(s)) return resync(), true;
    differ(s, &done, "vector", s->vector, s->host.vector);
    if (s->vector >= EX_TS && s->vector <= EX_PF) differ(s, &done, "error", s->error, s->host.error);
    for (int r = 0; r < 8; r++) differ(s, &done, names[r], cpu.gpr[r], s->host.gpr[r]);
    differ(s, &done, "eip", cpu.eip, s->host.eip);
    differ(s, &done, "flags", cpu.eflags & flags, s->host.eflags & flags);
    compare_fpu(s, &done);
    if (memory_open(s))
        resync();
    else
        compare_memory(s, &done);
    return !done;
}

static void step(void)
{
    Step s;
    do {
        insn_random(&s);
        state_random(&s);
    } while (result_undefined(&s));
    code_put(&s, false);
    run_interp(&s);
    if (jumped_into_itself(&s)) {
        resync();
    } else {
        run_host(&s);
        if (!compare(&s)) reports++;
    }
    code_put(&s, true);
}

static void guest_init(void)
{
    Bus *bus = bus_new();
    phys = phys_new(bus, RAM_BYTES);
    CHECK(phys, "no memory for the guest");
    phys_set_a20(phys, true);
    cpu_init(&cpu, cpu_model_find("max"), bus, phys);
    cpu_reset(&cpu);
    cpu.engine = &engine_interp;
    cpu.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE;
    cpu.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu.cpl = 3;
    memset((u8 *)(uintptr_t)NATIVE_BASE, INT3, NATIVE_CODE_BYTES);
    memset(phys->ram + NATIVE_BASE, INT3, NATIVE_CODE_BYTES);
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
    gen = (InsnGen){.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, .seg_first = ES, .seg_count = 4};
    if (!native_init()) {
        printf("SKIPPED: this host runs no 32-bit code\n");
        return 77;
    }
    guest_init();
    for (unsigned long n = 0; (!count || n < count) && reports < MAX_REPORTS; n++) {
        if (n % STEPS_PER_SCENE == 0) scene_new();
        step();
    }
    printf("%lu instructions, %lu differ\n", count, reports);
    if (reports && !__builtin_cpu_is("amd")) {
        printf("SKIPPED: processors of this make differ in ways that nobody has looked at\n");
        return 77;
    }
    return reports != 0;
}
