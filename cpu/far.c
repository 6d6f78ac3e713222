/* far.c - JMP, CALL and RET between segments, IRET, SYSENTER and SYSEXIT (SDM vol. 2; vol. 3, 5.8).
 *
 * Everything is read and checked first, room for the frame included; frames are written to a Stack (cpu/protect.h)
 * next, and CS, SS, ESP, CPL and next_eip are committed last. The order of checks is the manual's.
 */
#include "cpu/protect.h"

static u32 truncate(u32 v, unsigned bytes) { return bytes == 2 ? (u16)v : v; }

static bool is_plain(const Vcpu *c) { return cpu_real(c) || cpu_v86(c); }

/* -d pcall: where a protected-mode instruction went to, in QEMU's form (s: is its operand size 32 bits?), and
 * where it was. */
static void trace_transfer(const Vcpu *c, const char *what, u16 sel, u32 eip, unsigned width)
{
    trace(PCALL, "%s %04x:%08x s=%d from %04x:%08x SP=%04x:%08x cpl=%u", what, sel, eip, width == 4,
          c->seg[CS].sel, c->eip, c->seg[SS].sel, c->gpr[ESP], c->cpl);
}

/* --- real and V86 mode --- */

static void jump_real(Vcpu *c, u16 sel, u32 off)
{
    branch_to(c, off);
    seg_load_real(c, CS, sel);
}

/* --- JMP, CALL: the target --- */

/* A code segment named directly by the instruction; it runs at the present level. */
static void code_check(Vcpu *c, u16 sel, const Descriptor *d)
{
    if (!desc_is_code(d)) raise_sel(c, EX_GP, sel);
    if (desc_is_conforming_code(d) ? desc_dpl(d) > c->cpl : (sel & 3u) > c->cpl || desc_dpl(d) != c->cpl)
        raise_sel(c, EX_GP, sel);
    if (!(d->hi & DESC_P)) raise_sel(c, EX_NP, sel);
}

/* Gates and TSSs: DPL against CPL and RPL, then P. */
static void system_check(Vcpu *c, u16 sel, const Descriptor *d)
{
    if (desc_dpl(d) < c->cpl || desc_dpl(d) < (sel & 3u)) raise_sel(c, EX_GP, sel);
    if (!(d->hi & DESC_P)) raise_sel(c, EX_NP, sel);
}

static void limit_check(Vcpu *c, const Descriptor *d, u32 eip)
{
    if (eip > desc_limit(d)) raise_gp(c, 0);
}

typedef struct CallGate {
    u16 sel;
    u32 off;
    unsigned width, params;
    Descriptor code;
} CallGate;

static CallGate call_gate_fetch(Vcpu *c, const Descriptor *d)
{
    CallGate g = {.sel = (u16)(d->lo >> 16), .off = d->lo & 0xffff, .width = 2, .params = d->hi & 31};
    if (desc_type(d) == SYS_CALL32) g.off |= d->hi & 0xffff0000u, g.width = 4;
    if (sel_is_null(g.sel)) raise_gp(c, 0);
    desc_get(c, g.sel, &g.code, EX_GP);
    trace_transfer(c, "gate", g.sel, g.off, g.width);
    if (!desc_is_code(&g.code) || desc_dpl(&g.code) > c->cpl) raise_sel(c, EX_GP, g.sel);
    return g;
}

static void jump_gate(Vcpu *c, const Descriptor *d)
{
    CallGate g = call_gate_fetch(c, d);
    if (!desc_is_conforming_code(&g.code) && desc_dpl(&g.code) != c->cpl) raise_sel(c, EX_GP, g.sel);
    if (!(g.code.hi & DESC_P)) raise_sel(c, EX_NP, g.sel);
    limit_check(c, &g.code, g.off);
    cs_commit(c, &g.code, g.sel, c->cpl, g.off);
}

static void call_push(Vcpu *c, Stack *s, u32 ret, unsigned width)
{
    stack_push(c, s, c->seg[CS].sel, width);
    stack_push(c, s, ret, width);
}

/* A call at the same level, checked but for the room on the stack. */
static void call_same_level(Vcpu *c, Descriptor *code, u16 sel, u32 off, unsigned width)
{
    Stack s = stack_current(c);
    stack_reserve(c, &s, 2, width);
    limit_check(c, code, off);
    desc_probe_accessed(c, code);
    call_push(c, &s, c->next_eip, width);
    cs_commit(c, code, sel, c->cpl, off);
    stack_commit(c, &s);
}

/* A call to an inner level: new stack, the old one's pointer and parameters on it. */
static void call_inner(Vcpu *c, CallGate *g, unsigned cpl)
{
    u32 param[31];
    Stack old = stack_current(c), s = stack_for_cpl(c, cpl);
    stack_reserve(c, &s, 4 + g->params, g->width);
    limit_check(c, &g->code, g->off);
    for (unsigned n = 0; n < g->params; n++) param[n] = stack_peek(c, &old, n * g->width, g->width);
    desc_probe_accessed(c, &g->code);
    stack_push(c, &s, c->seg[SS].sel, g->width);
    stack_push(c, &s, c->gpr[ESP], g->width);
    for (unsigned n = g->params; n-- > 0;) stack_push(c, &s, param[n], g->width);
    call_push(c, &s, c->next_eip, g->width);
    cs_commit(c, &g->code, g->sel, cpl, g->off);
    stack_commit(c, &s);
}

static void call_gate(Vcpu *c, const Descriptor *d)
{
    CallGate g = call_gate_fetch(c, d);
    if (!(g.code.hi & DESC_P)) raise_sel(c, EX_NP, g.sel);
    if (!desc_is_conforming_code(&g.code) && desc_dpl(&g.code) < c->cpl)
        call_inner(c, &g, desc_dpl(&g.code));
    else
        call_same_level(c, &g.code, g.sel, g.off, g.width);
}

/* Call gates, task gates and TSSs. */
static void system_transfer(Vcpu *c, u16 sel, const Descriptor *d, bool call)
{
    TaskSwitch how = call ? TASK_CALL : TASK_JMP;
    switch (desc_type(d)) {
    case SYS_CALL16:
    case SYS_CALL32:
        system_check(c, sel, d);
        if (call)
            call_gate(c, d);
        else
            jump_gate(c, d);
        return;
    case SYS_TASK_GATE:
        system_check(c, sel, d);
        task_switch(c, (u16)(d->lo >> 16), how, false, 0);
        return;
    case SYS_TSS16:
    case SYS_TSS32:
        system_check(c, sel, d);
        task_switch(c, sel, how, false, 0);
        return;
    default: raise_sel(c, EX_GP, sel);
    }
}

void far_jmp(Vcpu *c, u16 sel, u32 off, unsigned opsize)
{
    Descriptor d;
    off = truncate(off, opsize);
    if (is_plain(c)) {
        jump_real(c, sel, off);
        return;
    }
    trace_transfer(c, "ljmp", sel, off, opsize);
    if (sel_is_null(sel)) raise_gp(c, 0);
    desc_get(c, sel, &d, EX_GP);
    if (!(d.hi & DESC_S)) {
        system_transfer(c, sel, &d, false);
        return;
    }
    code_check(c, sel, &d);
    limit_check(c, &d, off);
    cs_commit(c, &d, sel, c->cpl, off);
}

static void call_real(Vcpu *c, u16 sel, u32 off, unsigned opsize)
{
    Stack s = stack_current(c);
    u32 ret = c->next_eip;
    stack_reserve(c, &s, 2, opsize);
    branch_to(c, off);
    call_push(c, &s, ret, opsize);
    seg_load_real(c, CS, sel);
    stack_commit(c, &s);
}

void far_call(Vcpu *c, u16 sel, u32 off, unsigned opsize)
{
    Descriptor d;
    off = truncate(off, opsize);
    if (is_plain(c)) {
        call_real(c, sel, off, opsize);
        return;
    }
    trace_transfer(c, "lcall", sel, off, opsize);
    if (sel_is_null(sel)) raise_gp(c, 0);
    desc_get(c, sel, &d, EX_GP);
    if (!(d.hi & DESC_S)) {
        system_transfer(c, sel, &d, true);
        return;
    }
    code_check(c, sel, &d);
    call_same_level(c, &d, sel, off, opsize);
}

/* --- RET, IRET: back to the same or an outer level --- */

static void return_code_check(Vcpu *c, u16 sel, Descriptor *d)
{
    if (sel_is_null(sel)) raise_gp(c, 0);
    desc_get(c, sel, d, EX_GP);
    unsigned rpl = sel & 3;
    if (!desc_is_code(d) || rpl < c->cpl) raise_sel(c, EX_GP, sel);
    if (desc_is_conforming_code(d) ? desc_dpl(d) > rpl : desc_dpl(d) != rpl) raise_sel(c, EX_GP, sel);
    if (!(d->hi & DESC_P)) raise_sel(c, EX_NP, sel);
}

static Segment return_stack_segment(Vcpu *c, u16 sel, unsigned rpl)
{
    Descriptor d;
    Segment ss;
    if (sel_is_null(sel)) raise_gp(c, 0);
    desc_get(c, sel, &d, EX_GP);
    if ((sel & 3u) != rpl || !desc_is_writable_data(&d) || desc_dpl(&d) != rpl) raise_sel(c, EX_GP, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_SS, sel);
    desc_set_accessed(c, &d);
    desc_to_segment(&d, sel, &ss);
    return ss;
}

/* The rest of a return once EIP, CS (and EFLAGS) are off `s`. `extra`: parameters to drop on both stacks. */
static void return_protected(Vcpu *c, Stack *s, u16 sel, u32 eip, unsigned width, u32 extra)
{
    Descriptor d;
    unsigned rpl = sel & 3;
    return_code_check(c, sel, &d);
    stack_drop(s, extra);
    if (rpl == c->cpl) {
        limit_check(c, &d, eip);
        cs_commit(c, &d, sel, rpl, eip);
        stack_commit(c, s);
        return;
    }
    u32 esp = stack_peek(c, s, 0, width);
    u16 ss = (u16)stack_peek(c, s, width, width);
    Stack outer = {.ss = return_stack_segment(c, ss, rpl), .esp = c->gpr[ESP]};
    limit_check(c, &d, eip);
    outer.esp = outer.ss.attr & SEG_DB ? esp : (outer.esp & 0xffff0000u) | (u16)esp;
    stack_drop(&outer, extra);
    cs_commit(c, &d, sel, rpl, eip);
    stack_commit(c, &outer);
    segs_drop_for(c, rpl);
}

void far_ret(Vcpu *c, u16 extra, unsigned opsize)
{
    Stack s = stack_current(c);
    u32 eip = stack_pop(c, &s, opsize);
    u16 sel = (u16)stack_pop(c, &s, opsize);
    if (!is_plain(c)) {
        trace_transfer(c, "lret new", sel, eip, opsize);
        return_protected(c, &s, sel, eip, opsize, extra);
        return;
    }
    stack_drop(&s, extra);
    jump_real(c, sel, eip);
    stack_commit(c, &s);
}

/* --- IRET --- */

static void iret_plain(Vcpu *c, Stack *s, u16 sel, u32 eip, u32 eflags, unsigned opsize)
{
    u32 mask = flags_writable(c, c->cpl, opsize) | (opsize == 4 ? FL_RF : 0);
    jump_real(c, sel, eip);
    stack_commit(c, s);
    eflags_write(c, eflags, mask);
}

/* V86 mode with virtual interrupts: the popped IF becomes VIF. */
static void iret_virtual(Vcpu *c, Stack *s, u16 sel, u32 eip, u32 image)
{
    flags_virtual_check(c, image);
    jump_real(c, sel, eip);
    stack_commit(c, s);
    flags_virtual_write(c, image);
}

static void iret_to_v86(Vcpu *c, Stack *s, u16 cs, u32 eip, u32 eflags)
{
    u32 esp = stack_pop(c, s, 4), sel[SEG_COUNT] = {[CS] = cs};
    sel[SS] = stack_pop(c, s, 4);
    sel[ES] = stack_pop(c, s, 4);
    sel[DS] = stack_pop(c, s, 4);
    sel[FS] = stack_pop(c, s, 4);
    sel[GS] = stack_pop(c, s, 4);
    if (eip > 0xffff) raise_gp(c, 0);
    for (int n = 0; n < SEG_COUNT; n++) seg_set_v86(&c->seg[n], (u16)sel[n]);
    c->gpr[ESP] = esp;
    c->next_eip = eip;
    u32 mask = flags_writable(c, 0, 4) | FL_RF | FL_VM | FL_VIF | FL_VIP;
    cpu_set_cpl(c, 3);
    eflags_write(c, eflags, mask);
}

static void iret_task(Vcpu *c)
{
    if (c->tr.attr & SEG_UNUSABLE) raise_sel(c, EX_TS, c->tr.sel);
    task_switch(c, (u16)lin_read(c, c->tr.base, 2, ACC_READ, BY_PROCESSOR), TASK_IRET, false, 0);
}

static void iret_protected(Vcpu *c, Stack *s, u16 sel, u32 eip, u32 eflags, unsigned opsize)
{
    u32 mask = flags_writable(c, c->cpl, opsize);
    if (opsize == 4) mask |= FL_RF | (c->cpl == 0 ? FL_VIF | FL_VIP : 0);
    return_protected(c, s, sel, eip, opsize, 0);
    eflags_write(c, eflags, mask);
}

void cpu_iret(Vcpu *c, unsigned opsize)
{
    bool protected_mode = cpu_protected(c) && !cpu_v86(c);
    bool virtual = flags_v86_virtual(c) && opsize == 2;
    fpu_settle(c);
    if (cpu_v86(c) && cpu_iopl(c) < 3 && !virtual) raise_gp(c, 0);
    if (protected_mode && c->eflags & FL_NT) {
        iret_task(c);
        c->nmi_blocked = false;
        return;
    }
    Stack s = stack_current(c);
    u32 eip = stack_pop(c, &s, opsize);
    u16 sel = (u16)stack_pop(c, &s, opsize);
    u32 eflags = stack_pop(c, &s, opsize);
    if (protected_mode) trace_transfer(c, "iret new", sel, eip, opsize);
    if (virtual)
        iret_virtual(c, &s, sel, eip, eflags);
    else if (!protected_mode)
        iret_plain(c, &s, sel, eip, eflags, opsize);
    else if (opsize == 4 && eflags & FL_VM && c->cpl == 0)
        iret_to_v86(c, &s, sel, eip, eflags);
    else
        iret_protected(c, &s, sel, eip, eflags, opsize);
    c->nmi_blocked = false;
    if (c->attention) cpu_poll_update(c);
}

/* --- instructions --- */

static u16 far_operand(Vcpu *c, const Insn *i, u32 *off)
{
    fpu_settle(c);
    if (!i->is_mem) {
        *off = i->imm;
        return i->imm2;
    }
    u32 ea = insn_ea(c, i), sel_ea = ea + i->opsize;
    *off = mem_read(c, i->seg, ea, i->opsize);
    return (u16)mem_read(c, i->seg, i->adsize == 2 ? (u16)sel_ea : sel_ea, 2);
}

void exec_jmp_far(Vcpu *c, const Insn *i)
{
    u32 off;
    u16 sel = far_operand(c, i, &off);
    far_jmp(c, sel, off, i->opsize);
}

void exec_call_far(Vcpu *c, const Insn *i)
{
    u32 off;
    u16 sel = far_operand(c, i, &off);
    far_call(c, sel, off, i->opsize);
}

void exec_ret_far(Vcpu *c, const Insn *i)
{
    fpu_settle(c);
    far_ret(c, i->row->o[0] == O_Iw ? (u16)i->imm : 0, i->opsize);
}

void exec_iret(Vcpu *c, const Insn *i) { cpu_iret(c, i->opsize); }

/* --- SYSENTER, SYSEXIT: flat segments without descriptors --- */

static void flat_segment(Segment *s, u32 sel, unsigned cpl, u32 type)
{
    *s = (Segment){.limit = 0xffffffffu, .sel = (u16)((sel & 0xfffc) | cpl)};
    s->attr = SEG_G | SEG_DB | SEG_P | SEG_S | SEG_ACCESSED | cpl << 5 | type;
}

static void flat_level(Vcpu *c, u32 cs_sel, unsigned cpl, u32 eip, u32 esp)
{
    fpu_settle(c);
    flat_segment(&c->seg[CS], cs_sel, cpl, SEG_CODE | SEG_READABLE);
    flat_segment(&c->seg[SS], cs_sel + 8, cpl, SEG_WRITABLE);
    cpu_set_cpl(c, cpl);
    c->gpr[ESP] = esp;
    c->next_eip = eip;
}

void exec_sysenter(Vcpu *c, const Insn *i)
{
    (void)i;
    if (cpu_real(c) || sel_is_null((u16)c->sysenter_cs)) raise_gp(c, 0);
    if (unlikely(cpu_int_hooked(c, HOOK_SYSENTER)) && c->int_hook->before(c->int_hook->ctx, c, HOOK_SYSENTER))
        return;
    trace_transfer(c, "sysenter", (u16)c->sysenter_cs, (u32)c->sysenter_eip, 4);
    flat_level(c, (u32)c->sysenter_cs, 0, (u32)c->sysenter_eip, (u32)c->sysenter_esp);
    c->eflags &= ~(u32)(FL_VM | FL_I | FL_RF);
}

void exec_sysexit(Vcpu *c, const Insn *i)
{
    (void)i;
    if (cpu_real(c) || c->cpl != 0 || sel_is_null((u16)c->sysenter_cs)) raise_gp(c, 0);
    trace_transfer(c, "sysexit", (u16)((c->sysenter_cs + 16) | 3), c->gpr[EDX], 4);
    flat_level(c, (u32)c->sysenter_cs + 16, 3, c->gpr[EDX], c->gpr[ECX]);
}
