/* lockstep.c - random programs through the interpreter and the translator: registers, flags, memory and FPU state must
 * be identical after each, and so must the fault where one ends in a fault.
 *
 *   lockstep [COUNT [SEED]]     COUNT programs (default 20000); 0: endless, for the night
 *
 * Each program (lockstep_program.h) has up to 24 instructions and pieces of control flow, and runs in one of the
 * modes: flat 32-bit with paging in rings 0 and 3, 32-bit code on a 16-bit stack, 16-bit protected mode with limits
 * of all kinds, real mode, V86 mode. Page tables, some of them PAE's, leave holes and read-only pages around the
 * data. Every vector of the IDT (in real mode: of the table at 0) leads to a HLT of its own on ring 0's stack, so
 * that the frame of the fault is compared.
 *
 * Flags that the table calls undefined are made defined by a CMP after the instruction. CPU differences that are not
 * errors (undefined results) are avoided, not masked. With RING3_BREAKS=1 each has breakpoints and watchpoints of a
 * debugger outside, which continues and steps by turns: both engines stop at the same places with the same registers.
 * With RING3_TRACES=1 every second pair of them is traced, to nowhere.
 * A program that does not end is stopped and left out; so is one whose runs differ after it jumped into data and
 * depended on undefined flags there.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cpu/breakpoint.h"
#include "cpu/fpu.h"
#include "tests/lockstep_program.h"
#include "tests/vm.h"
#include "translator/audit/audit.h"

enum {
    RAM_COMPARED = 0x40000,
    HANDLERS = 0x8000,
    KERNEL_STACK = 0xa000,
    TABLES = 0x100000,
    PAGE_DIR = TABLES,
    IDT = 0x102000,
    GDT = 0x103000,
    TSS = 0x104000,
    PDPT = TSS + 0xf00,
    TABLES_BYTES = 0x5000,
    HLT = 0xf4
};

typedef struct Result {
    StopReason stop;
    Fault fault;
    u32 gpr[8], eip, eflags, cr0, cr2;
    u8 cpl;
    Segment seg[SEG_COUNT];
    FpuImage fpu;
    u8 ram[RAM_COMPARED];
    unsigned stops; /* of the debugger */
    u64 stops_hash;
} Result;

/* ---- the machine around it ---- */

/* Identity-mapped first 4 MiB, but holes and read-only pages around the data. */
static void build_tables_pae(Vcpu *c, bool user)
{
    u8 *ram = c->phys->ram;
    u64 rights = PTE_P | PTE_W | (user ? PTE_U : 0);
    for (u32 n = 0; n < 4; n++) store64(ram + PDPT + 8 * n, c->pdpte[n] = n ? 0 : PAGE_DIR | PTE_P);
    store64(ram + PAGE_DIR, PAGE_TABLE | rights | PTE_U);
    store64(ram + PAGE_DIR + 8, 0x200000 | rights | PTE_PS);
    for (u32 n = 0; n < 512; n++) {
        bool data = n >= DATA / 4096 && n < DATA / 4096 + 2;
        store64(ram + PAGE_TABLE + 8 * n, n << 12 | rights | (data ? PTE_NX : 0));
    }
    store64(ram + PAGE_TABLE + 8 * (DATA / 4096 + 3), 0);
    store64(ram + PAGE_TABLE + 8 * (DATA / 4096 - 1), 0);
    store64(ram + PAGE_TABLE + 8 * (DATA / 4096 + 2), (DATA + 0x2000) | (rights & ~(u64)PTE_W));
}

static void build_tables(Phys *p, bool user)
{
    u8 *pd = phys_hp(p, PAGE_DIR), *pt = phys_hp(p, PAGE_TABLE);
    u32 rights = PTE_P | PTE_W | (user ? PTE_U : 0);
    store32(pd, PAGE_TABLE | rights | PTE_U);
    for (u32 n = 0; n < 1024; n++) store32(pt + 4 * n, n << 12 | rights);
    store32(pt + 4 * (DATA / 4096 + 3), 0);
    store32(pt + 4 * (DATA / 4096 - 1), 0);
    store32(pt + 4 * (DATA / 4096 + 2), (DATA + 0x2000) | (rights & ~(u32)PTE_W));
}

/* attr as in Segment. */
static void put_descriptor(Phys *p, unsigned n, u32 base, u32 limit, u32 attr)
{
    u8 *d = phys_hp(p, GDT) + 8 * n;
    if (attr & SEG_G) limit >>= 12;
    store32(d, (limit & 0xffff) | base << 16);
    store32(d + 4, (base >> 16 & 0xff) | (attr & 0xf0ff) << 8 | (limit & 0xf0000) | (base & 0xff000000));
}

static void put_segment(Vcpu *c, const Case *k, int s)
{
    const FlavourTraits *f = &flavours[k->flavour];
    u32 base = f->flat ? 0 : s == CS || s == FS ? CODE : s == SS ? STACK : DATA;
    u32 limit = s == CS                         ? k->cs_limit
                : f->flat                       ? 0xffffffff
                : !f->protected_mode || s == FS ? 0xffff
                : s == SS                       ? 0x1fff
                                                : 0x23ff;
    u32 attr = (s == CS ? 0x9b : 0x93) | (u32)f->ring << 5 | (f->flat ? SEG_G : 0);
    if ((f->code32 && s == CS) || (f->stack32 && s == SS)) attr |= SEG_DB;
    u16 sel = (u16)(f->protected_mode ? (u32)((GDT_SEG_FIRST + s) * 8 + f->ring) : base >> 4);
    c->seg[s] = (Segment){.base = base, .limit = limit, .sel = sel, .attr = attr};
    put_descriptor(c->phys, (unsigned)(GDT_SEG_FIRST + s), base, limit, attr);
}

static void build_gdt(Vcpu *c, const Case *k)
{
    u32 dpl = (u32)flavours[k->flavour].ring << 5;
    for (int s = 0; s < SEG_COUNT; s++) put_segment(c, k, s);
    put_descriptor(c->phys, GDT_KERNEL_CODE, 0, 0xffffffff, 0x9b | SEG_G | SEG_DB);
    put_descriptor(c->phys, GDT_KERNEL_DATA, 0, 0xffffffff, 0x93 | SEG_G | SEG_DB);
    put_descriptor(c->phys, GDT_TSS, TSS, 0x67, 0x8b);
    put_descriptor(c->phys, GDT_READ_ONLY, DATA, 0x23ff, 0x91 | dpl);
    put_descriptor(c->phys, GDT_DOWN, DATA, 0x0fff, 0x97 | dpl | SEG_DB);
    put_descriptor(c->phys, GDT_64K, DATA, 0xffff, 0x93 | dpl);
    put_descriptor(c->phys, GDT_ABSENT, DATA, 0xffff, 0x13 | dpl);
    put_descriptor(c->phys, GDT_EXEC_ONLY, CODE, 0xffff, 0x99 | dpl);
    put_descriptor(c->phys, GDT_DATA_BASED, DATA, 0xffffffff, 0x93 | dpl | SEG_G | SEG_DB);
}

/* Interrupt gates to HANDLERS + vector; in real mode, far pointers. Odd vectors are 16-bit gates. */
static void build_vectors(Vcpu *c, bool real)
{
    u8 *ram = c->phys->ram;
    memset(ram + HANDLERS, HLT, 256);
    for (u32 n = 0; n < 256; n++) {
        u8 *gate = ram + IDT + 8 * n;
        store32(gate, GDT_KERNEL_CODE << 19 | (HANDLERS + n));
        store32(gate + 4, n & 1 && n != EX_PF ? 0xe600 : 0xee00);
        if (real) store32(ram + 4 * n, HANDLERS << 12 | n);
    }
    store32(ram + TSS + 4, KERNEL_STACK);
    store32(ram + TSS + 8, GDT_KERNEL_DATA * 8);
    store32(ram + TSS + 100, 0x68 << 16);
    c->gdtr.base = GDT;
    c->gdtr.limit = GDT_COUNT * 8 - 1;
    c->idtr.base = real ? 0 : IDT;
    c->idtr.limit = real ? 0x3ff : 0x7ff;
    c->tr = (Segment){.base = TSS, .limit = 0x67, .sel = GDT_TSS * 8, .attr = 0x8b};
}

static void load_memory(Vm *v, const Case *k)
{
    u8 *ram = v->phys->ram;
    memset(ram, HLT, RAM_COMPARED);
    memset(ram + TABLES, 0, TABLES_BYTES);
    memcpy(ram + CODE + k->at, k->code, k->bytes);
    memcpy(ram + DATA, k->data, DATA_BYTES);
    if (k->pae)
        build_tables_pae(&v->c, k->user_pages);
    else
        build_tables(v->phys, k->user_pages);
    build_gdt(&v->c, k);
    build_vectors(&v->c, k->flavour == REAL);
    phys_written(v->phys, 0, RAM_COMPARED);
    phys_written(v->phys, TABLES, TABLES_BYTES);
}

static void load_case(Vm *v, const Case *k)
{
    const FlavourTraits *f = &flavours[k->flavour];
    Vcpu *c = &v->c;
    cpu_reset(c);
    load_memory(v, k);
    c->cr0 = CR0_ET | CR0_NE | (k->flavour == REAL ? 0 : CR0_PE) | (k->paging ? CR0_PG : 0) | k->cr0_bits;
    c->cr3 = k->pae ? PDPT : PAGE_DIR;
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (k->pae ? CR4_PAE : 0) | k->cr4_bits;
    c->efer = k->pae ? EFER_NXE : 0;
    memcpy(c->gpr, k->gpr, sizeof c->gpr);
    c->cpl = f->ring;
    c->eflags = k->eflags;
    c->eip = (f->flat ? CODE : 0) + k->at;
    c->cr2 = 0;
    fpu_park(c);
    fpu_reset(c);
    debug_update(c);
    if (c->engine->paging_changed) c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3 | EV_CR4);
    cpu_poll_update(c);
}

/* ---- the debugger ---- */

static const u8 cmp_ecx_edx[] = {0x39, 0xd1};

enum { STOPS_MAX = 100 };
static u64 all_stops, all_watches;
static bool with_breaks;

typedef struct Debugger {
    Vcpu *c;
    Result *r;
} Debugger;

static void hash(u64 *h, u64 v) { *h = (*h ^ v) * 0x100000001b3ull; }

/* The CMP that makes flags defined is not what comes next. */
static bool flags_settled(const Vcpu *c)
{
    u32 at = c->seg[CS].base + c->eip;
    return at >= RAM_COMPARED - 2 || memcmp(c->phys->ram + at, cmp_ecx_edx, sizeof cmp_ecx_edx);
}

static void note_stop(const Vcpu *c, Result *r)
{
    const DebugStop *why = &c->breaks->stop;
    r->stops++;
    hash(&r->stops_hash, why->kind);
    hash(&r->stops_hash, why->va);
    hash(&r->stops_hash, why->access);
    hash(&r->stops_hash, c->eip);
    hash(&r->stops_hash, c->eflags & ~(flags_settled(c) ? 0 : (u32)FL_ARITH));
    for (int n = 0; n < 8; n++) hash(&r->stops_hash, c->gpr[n]);
    all_stops++;
    all_watches += why->kind == DEBUG_WATCH;
}

/* Every third stop is followed by a step. */
static void debugger_service(void *ctx)
{
    Debugger *d = ctx;
    if (!d->c->breaks || !d->c->breaks->stop.kind) return;
    note_stop(d->c, d->r);
    if (d->r->stops == STOPS_MAX) break_remove_all(d->c, 0);
    break_resume(d->c, d->r->stops % 3 == 0 && d->r->stops < STOPS_MAX);
}

/* Some at the program, one to four bytes at its data, its variables or its stack. */
static void set_breaks(Vcpu *c, const Case *k)
{
    static const u32 places[] = {DATA, VARS, STACK, STACK + 0x1f00, KERNEL_STACK - 64};
    InsnGen g = {.seed = (u64)k->bytes << 32 ^ k->gpr[EAX] ^ k->gpr[ESI] ^ 0x9e3779b97f4a7c15ull};
    break_remove_all(c, 0);
    for (unsigned n = gen_below(&g, 4); n; n--)
        break_add(c, CODE + k->at + gen_below(&g, k->bytes), 1,
                  gen_below(&g, 4) ? BREAK_EXEC : BREAK_PHYSICAL, 0);
    for (unsigned n = gen_below(&g, 3); n; n--)
        break_add(c, places[gen_below(&g, ARRAY_LEN(places))] + gen_below(&g, 0x100), 1 + gen_below(&g, 64),
                  (BreakKind)(BREAK_WRITE + gen_below(&g, 3)), 0);
    c->breaks->stood =
        ~0u; /* where the last program stopped is nothing to this one, which may be the same once more */
    break_resume(c, false);
}

static StopReason run_debugged(Vcpu *c, Result *r)
{
    Debugger d = {.c = c, .r = r};
    RunHooks h = {.ctx = &d, .service = debugger_service, .reset = vm_reset};
    r->stops = 0;
    r->stops_hash = 0;
    c->halted = 0;
    return cpu_run(c, &h);
}

/* ---- the watchdog ---- */

/* A program that has not ended after a tick is run again if the other engine finished it, for this time of the processor's:
 * two million stores, each a trap of its own in an audited block, have taken a minute. */
enum { TICK_US = 50000, PATIENCE_S = 200 };
static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static Vcpu *watched; /* this and the next two: under the lock */
static bool is_patient;
static u64 cases_run;

static u64 cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (u64)t.tv_sec;
}

static void *watchdog(void *ctx)
{
    for (u64 seen = 0, began = 0;;) {
        usleep(TICK_US);
        pthread_mutex_lock(&watch_lock);
        if (cases_run != seen)
            began = cpu_seconds();
        else if (watched && (!is_patient || cpu_seconds() - began >= PATIENCE_S))
            cpu_attention(watched, ATT_STOP);
        seen = cases_run;
        pthread_mutex_unlock(&watch_lock);
    }
    return ctx;
}

/* From now on this is watched; NULL: nobody, and what the watchdog said to the last one is not for the next. */
static void watch(Vcpu *c)
{
    pthread_mutex_lock(&watch_lock);
    if (watched) atomic_fetch_and(&watched->attention, ~(u32)ATT_STOP);
    watched = c;
    cases_run++;
    pthread_mutex_unlock(&watch_lock);
}

static void be_patient(bool is)
{
    pthread_mutex_lock(&watch_lock);
    is_patient = is;
    pthread_mutex_unlock(&watch_lock);
}

static Fault first_fault; /* seen by the run loop before it tries to deliver */

static void run_case(Vm *v, const Case *k, Result *r)
{
    Vcpu *c = &v->c;
    load_case(v, k);
    memset(&first_fault, 0, sizeof first_fault);
    c->first_fault = &first_fault;
    watch(c);
    if (with_breaks) set_breaks(c, k);
    r->stop = run_debugged(c, r);
    watch(NULL);
    r->fault = first_fault;
    memcpy(r->gpr, c->gpr, sizeof r->gpr);
    r->eip = c->eip;
    r->eflags = c->eflags;
    r->cpl = c->cpl;
    r->cr0 = c->cr0;
    memcpy(r->seg, c->seg, sizeof r->seg);
    r->cr2 = c->cr2;
    fpu_park(c);
    r->fpu = c->fpu;
    memcpy(r->ram, v->phys->ram, RAM_COMPARED);
}

/* Code that writes into itself thousands of times takes the translator longer. */
static void run_both(Vm *vi, Vm *vx, const Case *k, Result *a, Result *b)
{
    be_patient(false);
    run_case(vi, k, a);
    run_case(vx, k, b);
    if ((a->stop == STOP_QUIT) == (b->stop == STOP_QUIT)) return;
    be_patient(true);
    if (a->stop == STOP_QUIT)
        run_case(vi, k, a);
    else
        run_case(vx, k, b);
}

/* ---- programs that ran wild ---- */

static bool wild;

/* A return to nowhere runs data or halves of instructions, and those leave flags undefined. Memory is mapped as it
 * is. */
static void note_wild(const Vcpu *c)
{
    DecodeMode mode = {.code32 = !!cpu_code32(c),
                       .protected_mode = cpu_protected(c) && !cpu_v86(c),
                       .features = c->features};
    u32 at = c->seg[CS].base + c->eip;
    Insn i;
    if (at > RAM_COMPARED - 32 || insn_decode(&i, c->phys->ram + at, 15, mode) != DECODE_OK || !i.row->undef)
        return;
    if (memcmp(c->phys->ram + at + i.len, cmp_ecx_edx, sizeof cmp_ecx_edx)) wild = true;
}

static void watching_run(void *ctx, Vcpu *c, u64 budget)
{
    (void)ctx, (void)budget;
    while (!cpu_polled(c) && !c->halted && !c->inhibit) {
        note_wild(c);
        interp_one(c);
    }
}

/* Does the program depend on undefined flags? */
static bool runs_wild(Vm *vi, const Case *k)
{
    static Engine watching;
    static Result r;
    const Engine *e = vi->c.engine;
    watching = *e;
    watching.run = watching_run;
    wild = false;
    vi->c.engine = &watching;
    run_case(vi, k, &r);
    vi->c.engine = e;
    return wild;
}

/* ---- comparing ---- */

static bool same_pointers(const FpuImage *a, const FpuImage *b)
{
    return a->fop == b->fop && a->fip == b->fip && a->fcs == b->fcs && a->fdp == b->fdp && a->fds == b->fds;
}

static bool same_fpu(const FpuImage *a, const FpuImage *b)
{
    if (!same_pointers(a, b)) return false;
    if (a->fcw != b->fcw || a->fsw != b->fsw || a->ftw != b->ftw || a->mxcsr != b->mxcsr) return false;
    for (int n = 0; n < 8; n++)
        if (memcmp(a->st[n], b->st[n], 10) || memcmp(a->xmm[n], b->xmm[n], 16)) return false;
    return true;
}

static bool same(const Result *a, const Result *b)
{
    return a->stop == b->stop && a->stops == b->stops && a->stops_hash == b->stops_hash &&
           !memcmp(a->gpr, b->gpr, sizeof a->gpr) && a->eip == b->eip && a->eflags == b->eflags &&
           a->cpl == b->cpl && a->cr0 == b->cr0 && !memcmp(a->seg, b->seg, sizeof a->seg) &&
           a->fault.vector == b->fault.vector && a->fault.error == b->fault.error && a->cr2 == b->cr2 &&
           same_fpu(&a->fpu, &b->fpu) && !memcmp(a->ram, b->ram, RAM_COMPARED);
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
        printf("  fcw/fsw/ftw: interp %04x %04x %02x, translate %04x %04x %02x\n", a->fcw, a->fsw, a->ftw,
               b->fcw, b->fsw, b->ftw);
    if (!same_pointers(a, b))
        printf("  fop fcs:fip fds:fdp: interp %03x %04x:%08x %04x:%08x, translate %03x %04x:%08x %04x:%08x\n",
               a->fop, a->fcs, a->fip, a->fds, a->fdp, b->fop, b->fcs, b->fip, b->fds, b->fdp);
    for (int n = 0; n < 8; n++) print_bytes("st", n, a->st[n], b->st[n], 10);
    for (int n = 0; n < 8; n++) print_bytes("xmm", n, a->xmm[n], b->xmm[n], 16);
}

static void print_difference(const Case *k, const Result *a, const Result *b, u64 seed)
{
    printf("DIFFERENT: seed %llu, %s, %u bytes at %x:", (unsigned long long)seed, flavours[k->flavour].words,
           k->bytes, k->at);
    for (unsigned n = 0; n < k->bytes; n++) printf(" %02x", k->code[n]);
    printf("\n  interp    stop %d eip %08x flags %08x fault %u/%x cr2 %08x fsw %04x mxcsr %04x\n", a->stop,
           a->eip, a->eflags, a->fault.vector, a->fault.error, a->cr2, a->fpu.fsw, a->fpu.mxcsr);
    printf("  translate stop %d eip %08x flags %08x fault %u/%x cr2 %08x fsw %04x mxcsr %04x\n", b->stop,
           b->eip, b->eflags, b->fault.vector, b->fault.error, b->cr2, b->fpu.fsw, b->fpu.mxcsr);
    if (a->stops != b->stops || a->stops_hash != b->stops_hash)
        printf("  stops: interp %u, translate %u\n", a->stops, b->stops);
    for (int r = 0; r < 8; r++)
        if (a->gpr[r] != b->gpr[r])
            printf("  gpr %d: was %08x, interp %08x, translate %08x\n", r, k->gpr[r], a->gpr[r], b->gpr[r]);
    for (int n = 0; n < SEG_COUNT; n++)
        if (memcmp(&a->seg[n], &b->seg[n], sizeof a->seg[n]))
            printf("  seg %d: interp %04x %08x %08x %05x, translate %04x %08x %08x %05x\n", n, a->seg[n].sel,
                   a->seg[n].base, a->seg[n].limit, a->seg[n].attr, b->seg[n].sel, b->seg[n].base,
                   b->seg[n].limit, b->seg[n].attr);
    for (u32 n = 0, shown = 0; n < RAM_COMPARED && shown < 8; n++)
        if (a->ram[n] != b->ram[n])
            printf("  ram %05x: interp %02x, translate %02x\n", n, a->ram[n], b->ram[n]), shown++;
    print_fpu_difference(&a->fpu, &b->fpu);
}

int main(int argc, char **argv)
{
    u64 count = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000,
        seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    static Vm vi, vx;
    static Case k;
    static Result a, b;
    static Breakpoints breaks[2];
    unsigned bad = 0, faults = 0, endless = 0, wild_runs = 0;
    pthread_t thread;
    u64 n;
    audit_begin();
    vm_start(&vi, false);
    vm_start(&vx, true);
    with_breaks = getenv("RING3_BREAKS") != NULL;
    if (with_breaks) {
        break_attach(&vi.c, &breaks[0]);
        break_attach(&vx.c, &breaks[1]);
    }
    bool traces = getenv("RING3_TRACES") && trace_to(open("/dev/null", O_WRONLY)) && timeline_start(1000);
    pthread_create(&thread, NULL, watchdog, NULL);
    for (n = 0; (!count || n < count) && bad < 10; n++) {
        InsnGen g = {.seed = (seed + n) * 0x9e3779b97f4a7c15ull | 1};
        program_make(&g, &k, (Flavour)gen_below(&g, FLAVOURS));
        ((Xlat *)vx.xlat->ctx)->open_always = n & 1;
        if (traces) trace_mask ^= n & 1 ? TRACE_INT | TRACE_EXEC | TRACE_MMU | TRACE_PCALL : 0;
        if (traces && n % 5 == 4) trace_mask ^= TRACE_TIMELINE;
        run_both(&vi, &vx, &k, &a, &b);
        faults += a.fault.vector || a.fault.error || a.stop != STOP_HLT;
        if (a.stop == STOP_QUIT && b.stop == STOP_QUIT)
            endless++;
        else if (!same(&a, &b) && runs_wild(&vi, &k))
            wild_runs++;
        else if (!same(&a, &b))
            print_difference(&k, &a, &b, seed + n), bad++;
    }
    if (audit_blocks()) printf("%llu blocks audited\n", (unsigned long long)audit_blocks());
    printf("%llu programs, %u ended in a fault, %u did not end, %u used undefined flags, seed %llu\n%llu "
           "passed, %u failed\n",
           (unsigned long long)n, faults, endless, wild_runs, (unsigned long long)seed,
           (unsigned long long)(n - bad), bad);
    if (with_breaks)
        printf("%llu stops, %llu at watchpoints\n", (unsigned long long)all_stops,
               (unsigned long long)all_watches);
    vm_end(&vx);
    vm_end(&vi);
    return bad != 0;
}
