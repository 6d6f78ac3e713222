/* string.c - MOVS CMPS STOS LODS SCAS INS OUTS, alone and repeated (SDM vol. 2; vol. 1, 7.3.9).
 *
 * Each iteration does all that can fault, then commits ESI, EDI and (repeated) ECX: a fault or an interrupt between
 * two iterations finds the registers of a restartable instruction. When something wants the processor (cpu_polled) it
 * ends early (cpu_rep_stop), after at least one iteration; with TF set or breakpoints armed after each, since
 * something always does then.
 *
 * Repeated, whole runs within a page go by host pointers, fresh from a walk; downwards those of MOVS, as memmove() has
 * them and kernels that unpack themselves. A run must be what single steps would have done, so it is cut at page ends
 * and segment limits, and falls back to single steps for ROM, elements that straddle, TF, data breakpoints, #AC, and
 * sources that the run itself would overwrite. Device memory (MOVS, STOS, LODS) gets its accesses one by one, in order
 * and size, but one look-up for all of them; of a port INS and OUTS have what the device gives or takes in one go.
 * Watchers of a page (translated code, page tables) hear of the run as a whole, at its end.
 */
#include "cpu/alu.h"
#include "cpu/memory.h"
#include "cpu/protect.h"
#include "cpu/wait.h"
#include "mmu/bus.h"

typedef void StepFn(Vcpu *c, const Insn *i, unsigned bytes);
typedef u32 RunFn(Vcpu *c, const Insn *i, unsigned bytes, u32 count);

static unsigned element_bytes(const Insn *i) { return i->opcode & 1 ? i->opsize : 1; }

static u32 index_read(const Vcpu *c, const Insn *i, unsigned reg) { return reg_read(c, reg, i->adsize); }

static void index_step(Vcpu *c, const Insn *i, unsigned reg, unsigned bytes)
{
    u32 delta = c->eflags & FL_D ? 0u - bytes : bytes;
    reg_write(c, reg, c->gpr[reg] + delta, i->adsize);
}

/* --- one element --- */

static void movs_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    u32 v = mem_read(c, i->seg, index_read(c, i, ESI), bytes);
    mem_write(c, ES, index_read(c, i, EDI), v, bytes);
    index_step(c, i, ESI, bytes);
    index_step(c, i, EDI, bytes);
}

static void stos_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    mem_write(c, ES, index_read(c, i, EDI), reg_read(c, EAX, bytes), bytes);
    index_step(c, i, EDI, bytes);
}

static void lods_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    reg_write(c, EAX, mem_read(c, i->seg, index_read(c, i, ESI), bytes), bytes);
    index_step(c, i, ESI, bytes);
}

static void compare(Vcpu *c, u32 a, u32 b, unsigned bytes)
{
    flags_set(c, FL_ARITH, flags_sub(a, b, (a - b) & width_mask(bytes), bytes));
}

static void cmps_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    u32 a = mem_read(c, i->seg, index_read(c, i, ESI), bytes);
    u32 b = mem_read(c, ES, index_read(c, i, EDI), bytes);
    compare(c, a, b, bytes);
    index_step(c, i, ESI, bytes);
    index_step(c, i, EDI, bytes);
}

static void scas_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    compare(c, reg_read(c, EAX, bytes), mem_read(c, ES, index_read(c, i, EDI), bytes), bytes);
    index_step(c, i, EDI, bytes);
}

static u16 port_of(const Vcpu *c) { return (u16)c->gpr[EDX]; }

/* The memory is looked at before the port is touched, since a read of a port cannot be taken back. */
static void ins_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    u32 va = seg_linear(c, ES, index_read(c, i, EDI), bytes, ACC_WRITE);
    lin_probe(c, va, bytes, ACC_WRITE, c->cpl == 3);
    lin_write(c, va, cpu_port_in(c, port_of(c), bytes), bytes, c->cpl == 3);
    index_step(c, i, EDI, bytes);
}

static void outs_step(Vcpu *c, const Insn *i, unsigned bytes)
{
    cpu_port_out(c, port_of(c), mem_read(c, i->seg, index_read(c, i, ESI), bytes), bytes);
    index_step(c, i, ESI, bytes);
}

/* --- runs: at most `count` elements within one page of each operand; 0 = take a single step --- */

static bool goes_down(const Vcpu *c) { return c->eflags & FL_D; }

/* Is the processor wanted before it begins, one element is all it does: so a debugger steps. */
static bool runs_allowed(const Vcpu *c)
{
    return !(c->eflags & (FL_AC | FL_T)) && !cpu_watches(c) && !cpu_polled(c);
}

static u32 at_most(u32 a, u32 b) { return a < b ? a : b; }

/* How many elements from offset `off` (linear address va) stay in the segment and the page. */
static u32 run_elements(const Vcpu *c, const Insn *i, const Segment *s, u32 off, u32 va, unsigned bytes)
{
    bool expands_down = (s->attr & (SEG_S | SEG_CODE | SEG_DOWN)) == (SEG_S | SEG_DOWN);
    u32 top = i->adsize == 2 ? at_most(s->limit, 0xffff) : s->limit;
    if (expands_down || off > top) return 0;
    if (goes_down(c)) {
        bool straddles = (va & PAGE_MASK) + bytes > PAGE_BYTES;
        return straddles ? 0 : at_most(off, va & PAGE_MASK) / bytes + 1;
    }
    u32 in_page = PAGE_BYTES - (va & PAGE_MASK), in_segment = top - off; /* + 1 */
    return (in_segment < in_page ? in_segment + 1 : in_page) / bytes;
}

/* One operand of a run: host memory, or a device; neither: single steps. */
typedef struct RunEnd {
    u8 *hp;
    const IoRange *io;
    u32 pa;
} RunEnd;

/* Where a run from seg:off is, and in *n how long it is at most; raises what its first element would. */
static RunEnd run_end(Vcpu *c, const Insn *i, int seg, u32 off, unsigned bytes, Access a, u32 *n)
{
    RunEnd e = {0};
    u32 va = seg_linear(c, seg, off, bytes, a);
    *n = at_most(*n, run_elements(c, i, &c->seg[seg], off, va, bytes));
    e.pa = lin_pa(c, va, a, c->cpl == 3) & c->phys->a20_mask;
    PageKind kind = c->phys->pages[e.pa >> PAGE_BITS].kind;
    if (kind == PAGE_RAM || (kind == PAGE_ROM && a == ACC_READ)) e.hp = phys_hp(c->phys, e.pa);
    return e;
}

static void run_device(Vcpu *c, RunEnd *e, unsigned bytes, u32 *n)
{
    if (*n < 2 || e->hp || c->phys->pages[e->pa >> PAGE_BITS].kind != PAGE_NONE) return;
    if (phys_is_nowhere(e->pa)) return; /* which is no device, whatever a guest puts there */
    e->io = bus_mmio_run(c->bus, e->pa, bytes, n);
    if (e->io) c->phys->slow += *n;
}

static u32 run_load(const RunEnd *e, u32 k, unsigned bytes)
{
    if (e->hp) return host_load(e->hp + k, bytes);
    return bus_range_read(e->io, e->pa - e->io->base + k, bytes);
}

static void run_store(const RunEnd *e, u32 k, u32 v, unsigned bytes)
{
    if (e->hp)
        host_store(e->hp + k, v, bytes);
    else
        bus_range_write(e->io, e->pa - e->io->base + k, v, bytes);
}

static const u8 *run_source(Vcpu *c, const Insn *i, int seg, u32 off, unsigned bytes, u32 *n)
{
    return run_end(c, i, seg, off, bytes, ACC_READ, n).hp;
}

/* Who watches a page of RAM hears of the run at its end. */
static void run_written(Vcpu *c, u32 pa, u32 bytes)
{
    if (unlikely(c->phys->watch[pa >> PAGE_BITS])) phys_written(c->phys, pa, bytes);
}

static void run_commit(Vcpu *c, const Insn *i, unsigned reg, u32 delta)
{
    reg_write(c, reg, c->gpr[reg] + delta, i->adsize);
}

/* The host's own REP STOS: whole cache lines at a time. */
static void host_fill(u8 *dst, u32 v, unsigned bytes, size_t n)
{
    if (bytes == 4)
        __asm__ volatile("rep stosl" : "+D"(dst), "+c"(n) : "a"(v) : "memory");
    else if (bytes == 2)
        __asm__ volatile("rep stosw" : "+D"(dst), "+c"(n) : "a"(v) : "memory");
    else
        __asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(v) : "memory");
}

static u32 stos_run(Vcpu *c, const Insn *i, unsigned bytes, u32 n)
{
    u32 k = 0, v = reg_read(c, EAX, bytes);
    RunEnd dst = run_end(c, i, ES, index_read(c, i, EDI), bytes, ACC_WRITE, &n);
    run_device(c, &dst, bytes, &n);
    if ((!dst.hp && !dst.io) || n < 2) return 0;
    if (dst.hp) {
        host_fill(dst.hp, v, bytes, n);
        run_written(c, dst.pa, n * bytes);
    } else {
        do run_store(&dst, k++ * bytes, v, bytes);
        while (k < n && !cpu_polled(c));
        n = k;
    }
    run_commit(c, i, EDI, n * bytes);
    return n;
}

/* Element by element, since a device is at one end at least. Returns how many. */
static u32 run_copy(Vcpu *c, const RunEnd *dst, const RunEnd *src, unsigned bytes, u32 n)
{
    u32 k = 0;
    do run_store(dst, k * bytes, run_load(src, k * bytes, bytes), bytes);
    while (++k < n && !cpu_polled(c));
    return k;
}

/* Whether elements copied one after the other would read what was copied before. */
static bool copies_itself(const u8 *dst, const u8 *src, u32 bytes, bool down)
{
    return down ? src > dst && src < dst + bytes : dst > src && dst < src + bytes;
}

static u32 movs_run(Vcpu *c, const Insn *i, unsigned bytes, u32 n)
{
    bool down = goes_down(c);
    RunEnd src = run_end(c, i, i->seg, index_read(c, i, ESI), bytes, ACC_READ, &n);
    if (n < 2) return 0;
    RunEnd dst = run_end(c, i, ES, index_read(c, i, EDI), bytes, ACC_WRITE, &n);
    if (!down) {
        run_device(c, &src, bytes, &n);
        run_device(c, &dst, bytes, &n);
    }
    if ((!src.hp && !src.io) || (!dst.hp && !dst.io) || n < 2) return 0;
    u32 below = down ? (n - 1) * bytes : 0; /* from the first element to the lowest */
    if (src.io || dst.io) {
        n = run_copy(c, &dst, &src, bytes, n);
    } else {
        if (copies_itself(dst.hp - below, src.hp - below, n * bytes, down)) return 0;
        __builtin_memmove(dst.hp - below, src.hp - below, n * bytes);
    }
    if (dst.hp) run_written(c, dst.pa - below, n * bytes);
    u32 delta = down ? 0 - n * bytes : n * bytes;
    run_commit(c, i, ESI, delta);
    run_commit(c, i, EDI, delta);
    return n;
}

/* Only the last element is seen, but a device is read for each. */
static u32 lods_run(Vcpu *c, const Insn *i, unsigned bytes, u32 n)
{
    u32 k = 0, v;
    RunEnd src = run_end(c, i, i->seg, index_read(c, i, ESI), bytes, ACC_READ, &n);
    run_device(c, &src, bytes, &n);
    if ((!src.hp && !src.io) || n < 2) return 0;
    if (src.hp) k = n - 1;
    do v = run_load(&src, k * bytes, bytes);
    while (++k < n && !cpu_polled(c));
    reg_write(c, EAX, v, bytes);
    run_commit(c, i, ESI, k * bytes);
    return k;
}

/* Compares until the repetition would end; a_step is 0 for SCAS. */
static u32 compare_run(Vcpu *c, const Insn *i, const u8 *a, u32 a_step, const u8 *b, unsigned bytes, u32 n)
{
    bool until_equal = i->prefix & PREFIX_REPNE;
    u32 k = 0, x, y;
    do {
        x = host_load(a + k * a_step, bytes);
        y = host_load(b + k * bytes, bytes);
        k++;
    } while (k < n && (x == y) != until_equal);
    compare(c, x, y, bytes);
    run_commit(c, i, EDI, k * bytes);
    return k;
}

static u32 cmps_run(Vcpu *c, const Insn *i, unsigned bytes, u32 n)
{
    const u8 *a = run_source(c, i, i->seg, index_read(c, i, ESI), bytes, &n);
    if (!a || n < 2) return 0;
    const u8 *b = run_source(c, i, ES, index_read(c, i, EDI), bytes, &n);
    if (!b || n < 2) return 0;
    u32 done = compare_run(c, i, a, bytes, b, bytes, n);
    run_commit(c, i, ESI, done * bytes);
    return done;
}

static u32 scas_run(Vcpu *c, const Insn *i, unsigned bytes, u32 n)
{
    const u8 *b = run_source(c, i, ES, index_read(c, i, EDI), bytes, &n);
    if (!b || n < 2) return 0;
    return compare_run(c, i, (const u8 *)&c->gpr[EAX], 0, b, bytes, n);
}

/* A loop that is looked at (cpu/wait.c) has each of its accesses to ports seen. */
static u32 ins_run(Vcpu *c, const Insn *i, unsigned bytes, u32 n)
{
    RunEnd dst = run_end(c, i, ES, index_read(c, i, EDI), bytes, ACC_WRITE, &n);
    if (!dst.hp || n < 2 || c->wait.left) return 0;
    u32 done = bus_port_in_run(c->bus, port_of(c), bytes, dst.hp, n);
    if (done) run_written(c, dst.pa, done * bytes);
    run_commit(c, i, EDI, done * bytes);
    return done;
}

static u32 outs_run(Vcpu *c, const Insn *i, unsigned bytes, u32 n)
{
    const u8 *src = run_source(c, i, i->seg, index_read(c, i, ESI), bytes, &n);
    if (!src || n < 2 || c->wait.left) return 0;
    u32 done = bus_port_out_run(c->bus, port_of(c), bytes, src, n);
    if (done) wait_writes_port(c);
    run_commit(c, i, ESI, done * bytes);
    return done;
}

/* --- repetition --- */

typedef enum RepKind { REP_PLAIN, REP_COMPARE } RepKind;

/* REPE ends when ZF is clear, REPNE when it is set; for the other instructions both are plain REP. */
static bool rep_goes_on(const Vcpu *c, const Insn *i, RepKind kind)
{
    if (kind == REP_PLAIN) return true;
    return !(c->eflags & FL_Z) == !!(i->prefix & PREFIX_REPNE);
}

static void repeat(Vcpu *c, const Insn *i, StepFn *step, RunFn *run, RepKind kind)
{
    unsigned bytes = element_bytes(i);
    if (!(i->prefix & (PREFIX_REP | PREFIX_REPNE))) {
        step(c, i, bytes);
        return;
    }
    for (u32 count; (count = index_read(c, i, ECX)) != 0;) {
        u32 done = run && runs_allowed(c) ? run(c, i, bytes, count) : 0;
        if (!done) {
            step(c, i, bytes);
            done = 1;
        }
        reg_write(c, ECX, count - done, i->adsize);
        if (count == done || !rep_goes_on(c, i, kind)) return;
        if (unlikely(cpu_polled(c)) || unlikely(wait_repeats(c))) {
            cpu_rep_stop(c);
            return;
        }
    }
}

/* The others run upwards only. */
static void repeat_up(Vcpu *c, const Insn *i, StepFn *step, RunFn *run, RepKind kind)
{
    repeat(c, i, step, goes_down(c) ? NULL : run, kind);
}

void exec_movs(Vcpu *c, const Insn *i) { repeat(c, i, movs_step, movs_run, REP_PLAIN); }
void exec_stos(Vcpu *c, const Insn *i) { repeat_up(c, i, stos_step, stos_run, REP_PLAIN); }
void exec_lods(Vcpu *c, const Insn *i) { repeat_up(c, i, lods_step, lods_run, REP_PLAIN); }
void exec_cmps(Vcpu *c, const Insn *i) { repeat_up(c, i, cmps_step, cmps_run, REP_COMPARE); }
void exec_scas(Vcpu *c, const Insn *i) { repeat_up(c, i, scas_step, scas_run, REP_COMPARE); }

static void repeat_port(Vcpu *c, const Insn *i, StepFn *step, RunFn *run)
{
    bool rep = i->prefix & (PREFIX_REP | PREFIX_REPNE);
    if (rep && !index_read(c, i, ECX)) return;
    io_check(c, port_of(c), element_bytes(i));
    repeat_up(c, i, step, run, REP_PLAIN);
}

void exec_ins(Vcpu *c, const Insn *i) { repeat_port(c, i, ins_step, ins_run); }
void exec_outs(Vcpu *c, const Insn *i) { repeat_port(c, i, outs_step, outs_run); }
