/* exception.c - raising faults, and delivering exceptions and interrupts (SDM vol. 3, chapter 6).
 *
 * cpu_raise() leaves the instruction by longjmp; the run loop calls cpu_deliver_fault(). Delivery itself may fault:
 * Vcpu.delivering tells the second fault what the first was, so that it becomes #DF or, behind #DF, shutdown. Nothing
 * is stored or committed before everything has been checked, hence a fault in delivery reports the state of the
 * interrupted instruction.
 *
 * All routes push Vcpu.next_eip: the next instruction for software interrupts, the present one for faults and
 * external interrupts (their callers set next_eip = eip).
 *
 * Shutdown (triple fault) stops the run loop with STOP_SHUTDOWN; the machine decides to reset.
 *
 * Not implemented: debug traps for data breakpoints that the frame of an event hits.
 */
#include "cpu/protect.h"
#include "cpu/base/timeline.h"

typedef enum Event { EVENT_FAULT, EVENT_TRAP, EVENT_EXTERNAL, EVENT_SOFT } Event;

typedef struct Delivery {
    u8 vector;
    Event event;
    bool has_error;
    bool redirected; /* V86 mode: through the 8086 program's own vector table */
    u32 error;
    u32 eflags; /* image to push */
} Delivery;

void cpu_raise(Vcpu *c, u8 vector)
{
    c->fault = (Fault){.vector = vector};
    longjmp(c->fault_jmp, 1);
}

void cpu_raise_error(Vcpu *c, u8 vector, u32 error)
{
    c->fault = (Fault){.vector = vector, .has_error = true, .error = error};
    longjmp(c->fault_jmp, 1);
}

/* --- real mode --- */

static void deliver_by_vector_table(Vcpu *c, const Delivery *d, u32 table)
{
    u32 entry = lin_read(c, table + d->vector * 4u, 4, ACC_READ, BY_PROCESSOR);
    Stack s = stack_current(c);
    stack_reserve(c, &s, 3, 2);
    stack_push(c, &s, d->eflags, 2);
    stack_push(c, &s, c->seg[CS].sel, 2);
    stack_push(c, &s, c->next_eip, 2);
    stack_commit(c, &s);
    seg_load_real(c, CS, (u16)(entry >> 16));
    c->next_eip = entry & 0xffff;
}

static void deliver_real(Vcpu *c, const Delivery *d)
{
    u32 at = d->vector * 4u;
    if (at + 3 > c->idtr.limit) raise_sel(c, EX_GP, (u16)(d->vector * 8 + 2));
    deliver_by_vector_table(c, d, c->idtr.base);
    c->eflags &= ~(u32)(FL_I | FL_T | FL_AC | FL_RF);
}

/* --- protected mode --- */

typedef struct Gate {
    u8 type, dpl;
    u16 sel;
    u32 off;
} Gate;

static _Noreturn void raise_idt(Vcpu *c, u8 fault, u8 vector)
{
    cpu_raise_error(c, fault, vector * 8u + 2 + c->delivering_ext);
}

static Gate gate_fetch(Vcpu *c, const Delivery *d)
{
    u32 at = d->vector * 8u;
    if (at + 7 > c->idtr.limit) raise_idt(c, EX_GP, d->vector);
    u64 v = table_read(c, c->idtr.base + at);
    u32 lo = (u32)v, hi = (u32)(v >> 32);
    Gate g = {.type = hi >> 8 & 0x1f, .dpl = hi >> 13 & 3, .sel = (u16)(lo >> 16), .off = lo & 0xffff};
    switch (g.type) {
    case SYS_INT32:
    case SYS_TRAP32: g.off |= hi & 0xffff0000u; break;
    case SYS_INT16:
    case SYS_TRAP16:
    case SYS_TASK_GATE: break;
    default: raise_idt(c, EX_GP, d->vector);
    }
    if (d->event == EVENT_SOFT && g.dpl < c->cpl) raise_idt(c, EX_GP, d->vector);
    if (!(hi & DESC_P)) raise_idt(c, EX_NP, d->vector);
    return g;
}

/* The handler's code segment; returns the level at which it runs. */
static unsigned handler_fetch(Vcpu *c, const Gate *g, Descriptor *d)
{
    if (sel_is_null(g->sel)) raise_sel(c, EX_GP, 0);
    desc_get(c, g->sel, d, EX_GP);
    if (!desc_is_code(d) || desc_dpl(d) > c->cpl) raise_sel(c, EX_GP, g->sel);
    if (!(d->hi & DESC_P)) raise_sel(c, EX_NP, g->sel);
    unsigned cpl = desc_is_conforming_code(d) ? c->cpl : desc_dpl(d);
    if (cpu_v86(c) && cpl != 0) raise_sel(c, EX_GP, g->sel);
    return cpl;
}

/* Elements of the frame. */
static unsigned frame_length(const Vcpu *c, const Delivery *d, bool inner)
{
    return 3u + d->has_error + (inner ? 2 : 0) + (cpu_v86(c) ? 4 : 0);
}

static void frame_push_outer(Vcpu *c, Stack *s, unsigned width)
{
    static const u8 v86_order[] = {GS, FS, DS, ES};
    if (cpu_v86(c))
        for (unsigned k = 0; k < ARRAY_LEN(v86_order); k++) stack_push(c, s, c->seg[v86_order[k]].sel, width);
    stack_push(c, s, c->seg[SS].sel, width);
    stack_push(c, s, c->gpr[ESP], width);
}

static void deliver_protected(Vcpu *c, const Delivery *d)
{
    Descriptor code;
    Gate g = gate_fetch(c, d);
    if (g.type == SYS_TASK_GATE) {
        task_switch(c, g.sel, TASK_INT, d->has_error, d->error);
        return;
    }
    unsigned cpl = handler_fetch(c, &g, &code), width = g.type & SYS_32BIT ? 4 : 2;
    bool inner = cpl < c->cpl;
    Stack s = inner ? stack_for_cpl(c, cpl) : stack_current(c);
    stack_reserve(c, &s, frame_length(c, d, inner), width);
    if (g.off > desc_limit(&code)) raise_sel(c, EX_GP, 0);
    desc_probe_accessed(c, &code);
    if (inner) frame_push_outer(c, &s, width);
    stack_push(c, &s, d->eflags, width);
    stack_push(c, &s, c->seg[CS].sel, width);
    stack_push(c, &s, c->next_eip, width);
    if (d->has_error) stack_push(c, &s, d->error, width);

    bool from_v86 = cpu_v86(c), is_interrupt_gate = !(g.type & 1);
    cs_commit(c, &code, g.sel, cpl, g.off);
    stack_commit(c, &s);
    if (from_v86) {
        seg_set_null(&c->seg[ES], 0), seg_set_null(&c->seg[DS], 0);
        seg_set_null(&c->seg[FS], 0), seg_set_null(&c->seg[GS], 0);
    }
    c->eflags &= ~(u32)(FL_T | FL_NT | FL_RF | FL_VM | (is_interrupt_gate ? FL_I : 0));
    trace(PCALL, "gate v=%02x new %04x:%08x s=%d SP=%04x:%08x cpl=%u", d->vector, g.sel, g.off, width == 4,
          c->seg[SS].sel, c->gpr[ESP], c->cpl);
}

/* INT n in V86 mode with CR4.VME: the map of 256 bits below the I/O map says which vectors go to the 8086 program's own
 * handler (bit clear). */
static bool is_redirected(Vcpu *c, u8 vector)
{
    if (!(c->cr4 & CR4_VME) || c->tr.attr & SEG_UNUSABLE || c->tr.limit < TSS_IOMAP + 1) return false;
    u32 at = lin_read(c, c->tr.base + TSS_IOMAP, 2, ACC_READ, BY_PROCESSOR) - 32u + vector / 8u;
    if (at > c->tr.limit) return false;
    return !(lin_read(c, c->tr.base + at, 1, ACC_READ, BY_PROCESSOR) >> (vector & 7) & 1);
}

static void deliver_redirected(Vcpu *c, const Delivery *d)
{
    bool virtual = flags_v86_virtual(c);
    Delivery r = *d;
    if (virtual) r.eflags = flags_virtual_image(c);
    deliver_by_vector_table(c, &r, 0);
    c->eflags &= ~(u32)(FL_T | FL_NT | (virtual ? FL_VIF : FL_I));
}

/* As QEMU writes it, in all modes: a count, vector, error code, is it an instruction (INT n), level, CS:EIP of the
 * instruction, its linear address, SS:ESP, and CR2 of a page fault or EAX. */
static void print_delivery(const Vcpu *c, const Delivery *d)
{
    static u32 count;
    bool fault = d->vector == EX_PF && d->event == EVENT_FAULT;
    if (d->event == EVENT_EXTERNAL) trace_line("Servicing hardware INT=0x%02x", d->vector);
    trace_line("%6u: v=%02x e=%04x i=%d cpl=%u IP=%04x:%08x pc=%08x SP=%04x:%08x %s=%08x", count++, d->vector,
               d->has_error ? d->error : 0, d->event == EVENT_SOFT, c->cpl, c->seg[CS].sel, c->eip,
               c->seg[CS].base + c->eip, c->seg[SS].sel, c->gpr[ESP], fault ? "CR2" : "EAX",
               fault ? c->cr2 : c->gpr[EAX]);
}

static void trace_delivery(const Vcpu *c, const Delivery *d)
{
    static const char *const events[] = {[EVENT_FAULT] = "exception",
                                         [EVENT_TRAP] = "exception",
                                         [EVENT_EXTERNAL] = "interrupt",
                                         [EVENT_SOFT] = "INT"};
    if (trace_mask & TRACE_INT) print_delivery(c, d);
    if (trace_mask & TRACE_TIMELINE) timeline_interrupt(d->vector, events[d->event], c->eip, d->error);
}

static void deliver(Vcpu *c, const Delivery *d)
{
    fpu_settle(c);
    c->int_count[!cpu_real(c) && !d->redirected][d->vector]++;
    if (unlikely(trace_mask & (TRACE_INT | TRACE_TIMELINE))) trace_delivery(c, d);
    if (cpu_real(c))
        deliver_real(c, d);
    else if (d->redirected)
        deliver_redirected(c, d);
    else
        deliver_protected(c, d);
    c->halted = false;
    c->delivering = false;
    c->delivering_ext = 0;
    c->rep_stopped = false;
    c->db_pending &=
        DR6_BT; /* a debug trap of the interrupted instruction is gone; the T bit of a task switch is not */
    c->inhibit = 0;
    if (unlikely(atomic_load(&c->attention))) {
        debug_update(c);
        cpu_poll_update(c);
    }
}

/* --- what happened --- */

/* Vectors 0, 10-13 are contributory (table 6-4). */
static bool is_contributory(u8 v) { return v == EX_DE || (v >= EX_TS && v <= EX_GP); }

static bool becomes_double_fault(u8 first, u8 second)
{
    if (is_contributory(first)) return is_contributory(second);
    if (first == EX_PF) return is_contributory(second) || second == EX_PF;
    return false;
}

static void shutdown(Vcpu *c)
{
    trace(GUEST_ERRORS, "triple fault at %04x:%08x", c->seg[CS].sel, c->eip);
    c->delivering = false;
    c->delivering_ext = 0;
    c->stop_reason = STOP_SHUTDOWN;
    cpu_attention(c, ATT_STOP);
}

/* The pushed RF is 1 for faults, and for traps and interrupts between two iterations of a repeated string instruction,
 * so that an instruction breakpoint does not hit again when they return (SDM vol. 3, 17.3.1.1). */
static u32 pushed_eflags(const Vcpu *c, Event e)
{
    return e == EVENT_FAULT || c->rep_stopped ? c->eflags | FL_RF : c->eflags;
}

void cpu_deliver_fault(Vcpu *c)
{
    Fault f = c->fault;
    if (c->delivering) {
        if (c->delivering_vector == EX_DF) {
            shutdown(c);
            return;
        }
        if (becomes_double_fault(c->delivering_vector, f.vector))
            f = (Fault){.vector = EX_DF, .has_error = true};
    }
    if (f.vector == EX_DB) {
        c->dr[6] |= c->db_pending;
        c->dr[7] &= ~(u32)DR7_GD;
        c->db_pending = 0;
    }
    bool trap = f.vector == EX_DB || f.vector == EX_DF || f.vector == EX_MC;
    Delivery d = {.vector = f.vector,
                  .event = trap ? EVENT_TRAP : EVENT_FAULT,
                  .has_error = f.has_error,
                  .error = f.error};
    d.eflags = pushed_eflags(c, d.event);
    c->delivering = true;
    c->delivering_vector = f.vector;
    c->delivering_ext = 1;
    c->next_eip = c->eip;
    deliver(c, &d);
    c->eip = c->next_eip;
}

/* Faults while an interrupt is delivered are faults of their own: any benign vector says so. */
static void begin_benign(Vcpu *c, bool ext)
{
    c->delivering = true;
    c->delivering_vector = EX_NMI;
    c->delivering_ext = ext;
}

void cpu_deliver_interrupt(Vcpu *c, u8 vector)
{
    Delivery d = {.vector = vector, .event = EVENT_EXTERNAL, .eflags = pushed_eflags(c, EVENT_EXTERNAL)};
    begin_benign(c, true);
    c->next_eip = c->eip;
    deliver(c, &d);
    c->eip = c->next_eip;
}

/* INT n, INT3, INTO check the gate's DPL; INT1 (int_n false, vector 1) is privileged software and does not. A data
 * breakpoint that MOV SS hit and held off is delivered in front of the handler; INT1 is a #DB by itself. */
void cpu_soft_interrupt(Vcpu *c, u8 vector, bool int_n)
{
    bool int1 = vector == EX_DB && !int_n;
    Delivery d = {.vector = vector, .event = int1 ? EVENT_TRAP : EVENT_SOFT, .eflags = c->eflags};
    if (int_n && cpu_v86(c)) {
        d.redirected = is_redirected(c, vector);
        if (!d.redirected && cpu_iopl(c) < 3) raise_gp(c, 0);
    }
    u32 held = int1 ? 0 : c->db_pending & ~(u32)DR6_BS;
    begin_benign(c, int1);
    deliver(c, &d);
    c->db_pending |= held;
}

void exec_int(Vcpu *c, const Insn *i)
{
    u8 vector = (u8)i->imm;
    if (unlikely(cpu_int_hooked(c, vector)) && c->int_hook->before(c->int_hook->ctx, c, vector)) return;
    cpu_soft_interrupt(c, vector, true);
}

void exec_int3(Vcpu *c, const Insn *i)
{
    (void)i;
    cpu_soft_interrupt(c, EX_BP, false);
}

void exec_int1(Vcpu *c, const Insn *i)
{
    (void)i;
    cpu_soft_interrupt(c, EX_DB, false);
}

void exec_into(Vcpu *c, const Insn *i)
{
    (void)i;
    if (c->eflags & FL_O) cpu_soft_interrupt(c, EX_OF, false);
}

void exec_ud(Vcpu *c, const Insn *i)
{
    (void)i;
    raise_ud(c);
}
