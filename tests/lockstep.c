/* lockstep.c - random instruction sequences through the interpreter and the translator: registers, flags, memory and
 * FPU state must be identical after each, and so must the fault where one ends in a fault.
 *
 *   lockstep [COUNT [SEED]]     COUNT sequences (default 20000); 0: endless, for the night
 *
 * Each sequence is 1-24 instructions of the classes that may stand anywhere (moves, arithmetic, stack, strings, x87,
 * MMX, SSE; segment and system instructions that keep the machine in place), most memory operands aimed at a data
 * area, some not: those fault, in page tables that leave holes and read-only pages around the data. Modes: flat
 * 32-bit with paging (ring 0 and ring 3), 16-bit protected with based and limited segments, real mode.
 *
 * Flags that the table calls undefined are made defined by a CMP after the instruction. CPU differences that are not
 * errors (undefined results) are avoided, not masked: see unwanted().
 */
#include <stdio.h>
#include <stdlib.h>

#include "cpu/fpu.h"
#include "tests/insn_gen.h"
#include "tests/vm.h"

enum { CODE = 0x10000, DATA = 0x20000, DATA_BYTES = 0x3000, STACK = 0x30000, RAM_COMPARED = 0x40000, PAGE_DIR = 0x100000,
       PAGE_TABLE = 0x101000, IDT = 0x102000, GDT = 0x103000 };

typedef enum Flavour { FLAT32_RING0, FLAT32_RING3, PROT16, REAL, FLAVOURS } Flavour;
static const char *const flavour_words[] = {"flat 32-bit ring 0", "flat 32-bit ring 3", "16-bit protected", "real"};

typedef struct Case {
    Flavour flavour;
    u8 code[24 * (INSN_GEN_MAX + 8) + 16];
    unsigned bytes, at; /* length; offset of the first byte from CODE */
    u32 gpr[8], eflags;
    u8 data[DATA_BYTES];
} Case;

typedef struct Result {
    StopReason stop;
    Fault fault;
    u32 gpr[8], eip, eflags, cr2;
    FpuImage fpu;
    u8 ram[RAM_COMPARED];
} Result;

/* ---- what a sequence is made of ---- */

/* Encodings whose results the architecture leaves open, or that stop the test. */
static bool unwanted(const Insn *i)
{
    const char *n = i->row->name;
    static const char *const names[] = {"hlt", "div", "idiv", "bsf", "bsr", "shld", "shrd", "aam", "aad", "aaa", "aas", "daa", "das",
                                        "rsqrtps", "rsqrtss", "rcpps", "rcpss", "f2xm1", "fsin", "fcos", "fsincos", "fptan", "fpatan",
                                        "fyl2x", "fyl2xp1", "fldcw", "ldmxcsr", "fbstp", "fprem", "fprem1", "clflush"};
    for (unsigned k = 0; k < ARRAY_LEN(names); k++)
        if (!strcmp(n, names[k])) return true;
    return false;
}

static void put(Case *k, const void *p, unsigned n)
{
    memcpy(k->code + k->bytes, p, n);
    k->bytes += n;
}

static void add_insn(InsnGen *g, Case *k, bool code32)
{
    u8 b[INSN_GEN_MAX];
    Insn i;
    unsigned n;
    do n = insn_gen_any(g, b, &i);
    while (unwanted(&i));
    if (i.is_mem && i.base != REG_NONE && i.base != ESP && gen_chance(g, 90)) { /* mov base, near the data */
        u32 want = (k->flavour == REAL || !code32 ? 0 : DATA) + gen_below(g, code32 ? DATA_BYTES : 0x2000) - i.disp;
        u8 mov[6] = {0x66, (u8)(0xb8 + i.base)};
        store32(mov + 2, want);
        put(k, mov + (code32 ? 1 : 0), code32 ? 5 : 6);
    }
    put(k, b, n);
    static const u8 cmp_ecx_edx[] = {0x39, 0xd1};
    if (i.row->undef) put(k, cmp_ecx_edx, 2);
}

static void make_case(InsnGen *g, Case *k)
{
    static const u32 classes = BIT(XC_IDENT) | BIT(XC_MEM) | BIT(XC_STACK) | BIT(XC_STRING) | BIT(XC_FPU);
    k->flavour = (Flavour)gen_below(g, FLAVOURS);
    bool code32 = k->flavour == FLAT32_RING0 || k->flavour == FLAT32_RING3;
    g->mode = (DecodeMode){.code32 = code32, .protected_mode = k->flavour != REAL, .features = ~0u};
    g->classes = classes;
    g->seg_first = 0;
    g->seg_count = SEG_COUNT;
    g->data = code32 ? DATA : 0;
    g->data_bytes = code32 ? DATA_BYTES : 0x2000;
    k->bytes = 0;
    k->at = gen_chance(g, 50) ? 0 : PAGE_BYTES - 1 - gen_below(g, 100); /* half of them straddle two pages */
    for (unsigned n = 1 + gen_below(g, 24); n; n--) add_insn(g, k, code32);
    k->code[k->bytes++] = 0xf4;
    for (int r = 0; r < 8; r++) k->gpr[r] = gen_value(g);
    k->gpr[ECX] &= 0x1ff;
    k->gpr[ESP] = code32 ? STACK + gen_below(g, 0x100) * 4 : 0x1000 + gen_below(g, 0x100) * 2;
    k->gpr[ESI] = g->data + gen_below(g, 0x800);
    k->gpr[EDI] = g->data + gen_below(g, 0x800);
    k->eflags = 2 | (gen_random(g) & FL_HOST);
    for (unsigned n = 0; n < DATA_BYTES; n++) k->data[n] = (u8)gen_random(g);
}

/* ---- the machine around it ---- */

/* Identity-mapped first 4 MiB, but holes and read-only pages around the data. */
static void build_tables(Phys *p, bool user)
{
    u8 *pd = phys_hp(p, PAGE_DIR), *pt = phys_hp(p, PAGE_TABLE);
    u32 rights = PTE_P | PTE_W | (user ? PTE_U : 0);
    memset(pd, 0, PAGE_BYTES);
    store32(pd, PAGE_TABLE | rights | PTE_U);
    for (u32 n = 0; n < 1024; n++) store32(pt + 4 * n, n << 12 | rights);
    store32(pt + 4 * (DATA / 4096 + 3), 0);
    store32(pt + 4 * (DATA / 4096 - 1), 0);
    store32(pt + 4 * (DATA / 4096 + 2), (DATA + 0x2000) | (rights & ~(u32)PTE_W));
    phys_written(p, PAGE_DIR, 2 * PAGE_BYTES);
}

static void set_segments(Vcpu *c, Flavour f)
{
    bool flat = f == FLAT32_RING0 || f == FLAT32_RING3;
    unsigned ring = f == FLAT32_RING3 ? 3 : 0;
    for (int s = 0; s < SEG_COUNT; s++) {
        u32 base = flat ? 0 : s == CS ? CODE : s == SS ? STACK : DATA;
        u32 limit = flat ? 0xffffffff : f == REAL || s == CS ? 0xffff : s == SS ? 0x1fff : 0x23ff;
        u32 attr = (s == CS ? 0x9b : 0x93) | ring << 5 | (flat ? SEG_DB | SEG_G : 0);
        c->seg[s] = (Segment){.base = base, .limit = limit, .sel = (u16)(f == REAL ? base >> 4 : (s + 1) * 8 + ring), .attr = attr};
    }
    c->cpl = (u8)ring;
}

static void load_case(Vm *v, const Case *k)
{
    Vcpu *c = &v->c;
    cpu_reset(c);
    bool paging = k->flavour == FLAT32_RING0 || k->flavour == FLAT32_RING3;
    memset(v->phys->ram, 0, RAM_COMPARED);
    build_tables(v->phys, k->flavour == FLAT32_RING3);
    memcpy(v->phys->ram + CODE + k->at, k->code, k->bytes);
    memcpy(v->phys->ram + DATA, k->data, DATA_BYTES);
    phys_written(v->phys, 0, RAM_COMPARED);
    c->cr0 = CR0_ET | CR0_NE | CR0_WP | (k->flavour == REAL ? 0 : CR0_PE) | (paging ? CR0_PG : 0);
    c->cr3 = PAGE_DIR;
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    set_segments(c, k->flavour);
    c->idtr.limit = 0; /* the first fault becomes a triple fault, and fault tells which it was */
    c->idtr.base = IDT;
    memcpy(c->gpr, k->gpr, sizeof c->gpr);
    c->eflags = k->eflags;
    c->eip = (paging ? CODE : 0) + k->at;
    c->cr2 = 0;
    fpu_park(c);
    fpu_reset(c);
    if (c->engine->paging_changed) c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3 | EV_CR4);
}

static Fault first_fault; /* seen by the run loop before it tries to deliver */

static void run_case(Vm *v, const Case *k, Result *r)
{
    Vcpu *c = &v->c;
    load_case(v, k);
    memset(&first_fault, 0, sizeof first_fault);
    c->first_fault = &first_fault;
    r->stop = vm_run(v);
    r->fault = first_fault;
    memcpy(r->gpr, c->gpr, sizeof r->gpr);
    r->eip = c->eip;
    r->eflags = c->eflags & (FL_HOST | FL_I);
    r->cr2 = c->cr2;
    fpu_park(c);
    r->fpu = c->fpu;
    memcpy(r->ram, v->phys->ram, RAM_COMPARED);
}

/* ---- comparing ---- */

static bool same_fpu(const FpuImage *a, const FpuImage *b)
{
    if (a->fcw != b->fcw || a->fsw != b->fsw || a->ftw != b->ftw || a->mxcsr != b->mxcsr) return false;
    for (int n = 0; n < 8; n++)
        if (memcmp(a->st[n], b->st[n], 10) || memcmp(a->xmm[n], b->xmm[n], 16)) return false;
    return true;
}

static bool same(const Result *a, const Result *b)
{
    return a->stop == b->stop && !memcmp(a->gpr, b->gpr, sizeof a->gpr) && a->eip == b->eip && a->eflags == b->eflags &&
           a->fault.vector == b->fault.vector && a->fault.error == b->fault.error && a->cr2 == b->cr2 && same_fpu(&a->fpu, &b->fpu) &&
           !memcmp(a->ram, b->ram, RAM_COMPARED);
}

static void print_bytes(const char *what, int n, const u8 *a, const u8 *b, unsigned bytes)
{
    if (!memcmp(a, b, bytes)) return;
    printf("  %s%d: interp ", what, n);
    for (unsigned k = bytes; k--;) printf("%02x", a[k]);
    printf(", translate ");
    for (unsigned k = bytes; k--;) printf("%02x", b[k]);
    printf("\n");
}

static void print_fpu_difference(const FpuImage *a, const FpuImage *b)
{
    if (a->fcw != b->fcw || a->fsw != b->fsw || a->ftw != b->ftw)
        printf("  fcw/fsw/ftw: interp %04x %04x %02x, translate %04x %04x %02x\n", a->fcw, a->fsw, a->ftw, b->fcw, b->fsw, b->ftw);
    for (int n = 0; n < 8; n++) print_bytes("st", n, a->st[n], b->st[n], 10);
    for (int n = 0; n < 8; n++) print_bytes("xmm", n, a->xmm[n], b->xmm[n], 16);
}

static void print_difference(const Case *k, const Result *a, const Result *b, u64 seed)
{
    printf("DIFFERENT: seed %llu, %s, %u bytes:", (unsigned long long)seed, flavour_words[k->flavour], k->bytes);
    for (unsigned n = 0; n < k->bytes; n++) printf(" %02x", k->code[n]);
    printf("\n  interp    stop %d eip %08x flags %08x fault %u/%x cr2 %08x fsw %04x mxcsr %04x\n", a->stop, a->eip, a->eflags, a->fault.vector, a->fault.error, a->cr2, a->fpu.fsw, a->fpu.mxcsr);
    printf("  translate stop %d eip %08x flags %08x fault %u/%x cr2 %08x fsw %04x mxcsr %04x\n", b->stop, b->eip, b->eflags, b->fault.vector, b->fault.error, b->cr2, b->fpu.fsw, b->fpu.mxcsr);
    for (int r = 0; r < 8; r++)
        if (a->gpr[r] != b->gpr[r]) printf("  gpr %d: was %08x, interp %08x, translate %08x\n", r, k->gpr[r], a->gpr[r], b->gpr[r]);
    for (u32 n = 0, shown = 0; n < RAM_COMPARED && shown < 8; n++)
        if (a->ram[n] != b->ram[n]) printf("  ram %05x: interp %02x, translate %02x\n", n, a->ram[n], b->ram[n]), shown++;
    print_fpu_difference(&a->fpu, &b->fpu);
}

int main(int argc, char **argv)
{
    u64 count = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000, seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    static Vm vi, vx;
    static Case k;
    static Result a, b;
    unsigned bad = 0, faults = 0;
    u64 n;
    vm_start(&vi, false);
    vm_start(&vx, true);
    for (n = 0; (!count || n < count) && bad < 10; n++) {
        InsnGen g = {.seed = (seed + n) * 0x9e3779b97f4a7c15ull | 1};
        make_case(&g, &k);
        run_case(&vi, &k, &a);
        run_case(&vx, &k, &b);
        faults += a.stop != STOP_HLT;
        if (!same(&a, &b)) print_difference(&k, &a, &b, seed + n), bad++;
    }
    printf("%llu sequences, %u ended in a fault, seed %llu\n%llu passed, %u failed\n", (unsigned long long)n, faults, (unsigned long long)seed,
           (unsigned long long)(n - bad), bad);
    vm_end(&vx);
    vm_end(&vi);
    return bad != 0;
}
