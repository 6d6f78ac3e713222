/* run.c - power-on, attention, and the loop that runs the machine (SDM vol. 3, 6.9: priority of events; 9.1: reset).
 *
 * Between two instructions, in this order: what the host wants (stop, reset, INIT, clock, input), debug traps, NMI,
 * external interrupts, HLT; otherwise the engine runs. A fault anywhere comes back here by longjmp and is delivered.
 *
 * Attention: any thread sets bits and aims Vcpu.poll at an unmapped page; translated code that dereferences it
 * leaves. cpu_poll_update() aims it back when nothing can be handled now, so that an interrupt pending with IF=0, or
 * an NMI behind an NMI, does not keep the engine out. The order (poll first, then attention) closes the race.
 *
 * One instruction at a time (step): TF, armed breakpoints, and the instruction behind STI or MOV SS; and for a
 * debugger outside (breakpoint.c), which is asked before each. A repeated string instruction counts as one for each
 * iteration (SDM vol. 3, 17.3.1.4), but is looked up among the instruction breakpoints only once.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "cpu/breakpoint.h"
#include "cpu/fpu.h"
#include "cpu/protect.h"
#include "cpu/wait.h"

enum { BUDGET_INSNS = 1 << 20 };

u8 *cpu_poll_trap;
static u8 poll_quiet;

/* --- attention --- */

static bool is_deliverable(const Vcpu *c, u32 a)
{
    if (a & ~(u32)(ATT_INTR | ATT_NMI)) return true;
    if (a & ATT_NMI && !c->nmi_blocked && !(c->inhibit & INHIBIT_SS)) return true;
    return a & ATT_INTR && c->eflags & FL_I && !c->inhibit;
}

static bool has_deliverable(const Vcpu *c) { return is_deliverable(c, atomic_load(&c->attention)); }

/* Breakpoints that are merely armed do not end a HLT. */
static bool stays_halted(const Vcpu *c)
{
    return !is_deliverable(c, atomic_load(&c->attention) & ~(u32)ATT_TRAP);
}

/* Both pointers that translated code looks through: at backward jumps, and at indirect ones. */
static void aim(Vcpu *c, u8 *at)
{
    __atomic_store_n(&c->poll, at, __ATOMIC_SEQ_CST);
    if (c->jump_table)
        __atomic_store_n(&c->jump_cache, at == cpu_poll_trap ? c->jump_trap : c->jump_table,
                         __ATOMIC_SEQ_CST);
}

void cpu_attention(Vcpu *c, u32 bits)
{
    atomic_fetch_or(&c->attention, bits);
    aim(c, cpu_poll_trap);
}

void cpu_poll_update(Vcpu *c)
{
    aim(c, &poll_quiet);
    if (has_deliverable(c)) aim(c, cpu_poll_trap);
}

void cpu_set_intr(Vcpu *c, bool level)
{
    if (level)
        atomic_fetch_or(&c->attention, ATT_INTR);
    else
        atomic_fetch_and(&c->attention, ~(u32)ATT_INTR);
    cpu_poll_update(c);
}

static bool attention_take(Vcpu *c, u32 bits) { return atomic_fetch_and(&c->attention, ~bits) & bits; }

/* --- power-on --- */

void cpu_init(Vcpu *c, const CpuModel *m, Bus *bus, Phys *phys)
{
    if (!cpu_poll_trap) {
        u8 *p = mmap(NULL, 2 * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p != MAP_FAILED && !mprotect(p + PAGE_BYTES, PAGE_BYTES, PROT_READ),
              "no address space for a page");
        cpu_poll_trap = p;
    }
    memset(c, 0, sizeof *c);
    c->model = m;
    c->features = m->features & cpu_features_possible();
    c->cpu_level = m->family;
    c->bus = bus;
    c->phys = phys;
    cpu_reset(c);
}

static void reset_segments(Vcpu *c)
{
    for (int n = 0; n < SEG_COUNT; n++)
        c->seg[n] = (Segment){.limit = 0xffff, .attr = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED};
    c->seg[CS].attr |= SEG_CODE;
    c->seg[CS].sel = 0xf000;
    c->seg[CS].base = 0xffff0000u;
    c->ldtr = (Segment){.limit = 0xffff, .attr = SEG_P | SYS_LDT};
    c->tr = (Segment){.limit = 0xffff, .attr = SEG_P | SYS_TSS32_BUSY};
    c->gdtr.base = c->idtr.base = 0;
    c->gdtr.limit = c->idtr.limit = 0xffff;
}

static void reset_msrs(Vcpu *c)
{
    c->tsc_offset = 0u - (c->tsc_now ? c->tsc_now(c->tsc_ctx) : 0);
    c->apic_base = 0xfee00000u | APIC_BASE_ENABLE | APIC_BASE_BSP;
    c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    c->mtrr_def = 0;
    memset(c->mtrr_fix, 0, sizeof c->mtrr_fix);
    memset(c->mtrr_var, 0, sizeof c->mtrr_var);
    c->pat = 0x0007040600070406ull;
    c->tsc_aux = 0;
    c->misc_enable = 0x1801; /* fast strings; no branch trace store, no PEBS */
}

/* What reset and INIT have in common. */
static void reset_core(Vcpu *c)
{
    memset(c->gpr, 0, sizeof c->gpr);
    c->gpr[EDX] = (u32)c->model->family << 8 | (u32)c->model->model << 4 | c->model->stepping;
    c->eip = c->next_eip = 0xfff0;
    c->eflags = 2;
    c->cr2 = c->cr3 = c->cr4 = 0;
    memset(c->pdpte, 0, sizeof c->pdpte);
    reset_segments(c);
    c->efer = 0;
    memset(c->dr, 0, sizeof c->dr);
    c->dr[6] = 0xffff0ff0u;
    c->dr[7] = 0x400;
    c->cpl = c->inhibit = c->halted = 0;
    c->delivering = c->nmi_blocked = false;
    c->delivering_ext = 0;
    c->db_pending = 0;
    c->rep_stopped = false;
    wait_reset(c);
    atomic_fetch_and(&c->attention, ~(u32)(ATT_INIT | ATT_NMI | ATT_TRAP));
    cpu_poll_update(c);
    if (c->engine) c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3 | EV_CR4);
}

void cpu_reset(Vcpu *c)
{
    c->cr0 = c->cpu_level >= 4 ? CR0_CD | CR0_NW | CR0_ET : CR0_ET;
    reset_msrs(c);
    fpu_reset(c);
    reset_core(c);
}

/* SDM vol. 3, table 9-1: caches, FPU and MSRs stay as they are. */
static void init_pin(Vcpu *c)
{
    c->cr0 = (c->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    reset_core(c);
}

/* --- the loop --- */

static bool stop_wanted(Vcpu *c)
{
    if (!attention_take(c, ATT_STOP)) return false;
    if (c->stop_reason == STOP_NONE) c->stop_reason = STOP_QUIT;
    return true;
}

/* What the host wants; false: stop. The hooks may use the FPU. */
static bool host_events(Vcpu *c, const RunHooks *h)
{
    fpu_park(c);
    if (stop_wanted(c)) return false;
    if (attention_take(c, ATT_RESET) && !(h->reset && h->reset(h->ctx))) {
        c->stop_reason = STOP_RESET;
        return false;
    }
    if (attention_take(c, ATT_INIT)) init_pin(c);
    if (attention_take(c, ATT_CLOCK | ATT_IO | ATT_SPEED | ATT_PAUSE | ATT_DEBUG) && h->service) {
        h->service(h->ctx);
        wait_event(c);
        if (stop_wanted(c))
            return false; /* no interrupt is delivered, which may need memory that is not there (-incoming) */
    }
    return true;
}

static void raise_pending_trap(Vcpu *c)
{
    c->halted = false;
    cpu_raise(c, EX_DB);
}

/* Deliver what is due before the next instruction; raises. True: something was. */
static bool guest_events(Vcpu *c)
{
    if (c->db_pending && !(c->inhibit & INHIBIT_SS)) raise_pending_trap(c);
    if (break_holds(c)) return false;
    u32 a = atomic_load(&c->attention);
    if (a & ATT_NMI && !c->nmi_blocked && !(c->inhibit & INHIBIT_SS)) {
        attention_take(c, ATT_NMI);
        c->nmi_blocked = true;
        cpu_deliver_interrupt(c, EX_NMI);
        return true;
    }
    if (a & ATT_INTR && c->eflags & FL_I && !c->inhibit) {
        CHECK(c->intr_ack, "INTR is raised and nobody acknowledges it");
        cpu_deliver_interrupt(c, c->intr_ack(c->intr_ctx));
        return true;
    }
    return false;
}

/* One instruction, or one iteration of a repeated one, with breakpoints and TF. An INT that it executes, and a fault,
 * drop the bits set here. */
static void step(Vcpu *c, bool at_start)
{
    bool looks = at_start && c->dr[7] & DR7_ENABLES && !(c->inhibit & INHIBIT_SS);
    if (looks && debug_fetch_hit(c)) cpu_raise(c, EX_DB);
    if (unlikely(c->breaking) && at_start && break_hook(c)) return;
    if (c->eflags & FL_T) c->db_pending |= DR6_BS;
    c->inhibit = 0;
    interp_one(c);
    if (c->inhibit & INHIBIT_SS) c->db_pending &= ~(u32)DR6_BS;
    debug_update(c);
}

/* The guest waits in a loop, as if it had halted. */
static void wait_out(Vcpu *c, const RunHooks *h)
{
    fpu_park(c);
    if (h->idle && stays_halted(c)) h->idle(h->ctx, wait_sleep_ns(c));
    wait_slept(c);
}

static void run_guest(Vcpu *c, const RunHooks *h)
{
    u32 a = atomic_load(&c->attention);
    bool at_start = !c->rep_stopped;
    if (unlikely(c->breaks) && break_before(c, at_start)) return;
    c->rep_stopped = false;
    if (c->inhibit || a & ATT_TRAP || (c->breaking && !at_start))
        step(c, at_start);
    else if (c->wait.left && !break_stops(c) && !c->watching) {
        if (wait_run(c)) wait_out(c, h);
    } else {
        c->wait.left = 0;
        c->engine->run(c->engine->ctx, c, BUDGET_INSNS);
    }
}

StopReason cpu_run(Vcpu *c, const RunHooks *h)
{
    c->stop_reason = STOP_NONE;
    if (setjmp(c->fault_jmp)) {
        if (c->first_fault && !c->first_fault->vector && !c->first_fault->error) *c->first_fault = c->fault;
        break_faulted(c);
        cpu_deliver_fault(c);
    }
    for (;;) {
        if (atomic_load(&c->attention)) {
            if (!host_events(c, h)) return c->stop_reason;
            if (guest_events(c)) continue;
        }
        cpu_poll_update(c);
        if (!c->halted) {
            run_guest(c, h);
            continue;
        }
        fpu_park(c);
        if (!h->idle) return c->stop_reason = STOP_HLT;
        if (stays_halted(c)) h->idle(h->ctx, UINT64_MAX);
    }
}
