/* task.c - the hardware task switch (SDM vol. 3, chapter 7), for 386 and 286 task state segments.
 *
 * Up to the commit, faults belong to the old task: everything of the new TSS is read and everything of the old is
 * probed for writing first, and its CR3 is looked at. After it they belong to the new one: selectors are set and
 * caches unusable, then LDTR, CS, SS and the data segments are loaded one by one, and a bad one raises #TS, #NP or
 * #SS at the new task's EIP.
 */
#include "cpu/protect.h"

/* Offsets in a TSS of either kind. */
typedef struct TssLayout {
    u8 eip, eflags, gpr, seg, ldt; /* first of each group */
    u8 width, segs, seg_step;
    u32 min_limit;
} TssLayout;
static const TssLayout tss32 = {.eip = 0x20,
                                .eflags = 0x24,
                                .gpr = 0x28,
                                .seg = 0x48,
                                .ldt = 0x60,
                                .width = 4,
                                .segs = 6,
                                .seg_step = 4,
                                .min_limit = TSS32_MIN_LIMIT};
static const TssLayout tss16 = {.eip = 0x0e,
                                .eflags = 0x10,
                                .gpr = 0x12,
                                .seg = 0x22,
                                .ldt = 0x2a,
                                .width = 2,
                                .segs = 4,
                                .seg_step = 2,
                                .min_limit = TSS16_MIN_LIMIT};
enum { TSS32_CR3 = 0x1c, TSS32_TRAP = 0x64 };

static const TssLayout *tss_layout(u32 type) { return type & SYS_32BIT ? &tss32 : &tss16; }

typedef struct TaskState {
    u32 cr3, eip, eflags, gpr[8];
    u16 seg[SEG_COUNT], ldt;
    bool has_cr3, trap;
} TaskState;

static u32 tss_read(Vcpu *c, u32 va, unsigned bytes)
{
    return lin_read(c, va, bytes, ACC_READ, BY_PROCESSOR);
}

static TaskState state_read(Vcpu *c, u32 base, const TssLayout *l)
{
    TaskState s = {.has_cr3 = l == &tss32};
    s.eip = tss_read(c, base + l->eip, l->width);
    s.eflags = tss_read(c, base + l->eflags, l->width);
    for (unsigned r = 0; r < 8; r++) {
        s.gpr[r] = tss_read(c, base + l->gpr + r * l->width, l->width);
        if (l == &tss16) s.gpr[r] |= 0xffff0000u; /* what a 386 leaves in the upper halves */
    }
    for (unsigned n = 0; n < l->segs; n++) s.seg[n] = (u16)tss_read(c, base + l->seg + n * l->seg_step, 2);
    s.ldt = (u16)tss_read(c, base + l->ldt, 2);
    if (l == &tss32) {
        s.cr3 = tss_read(c, base + TSS32_CR3, 4);
        s.trap = tss_read(c, base + TSS32_TRAP, 2) & 1;
    }
    return s;
}

static void state_write(Vcpu *c, u32 eflags)
{
    const TssLayout *l = tss_layout(c->tr.attr);
    u32 base = c->tr.base;
    lin_write(c, base + l->eip, c->next_eip, l->width, BY_PROCESSOR);
    lin_write(c, base + l->eflags, eflags, l->width, BY_PROCESSOR);
    for (unsigned r = 0; r < 8; r++)
        lin_write(c, base + l->gpr + r * l->width, c->gpr[r], l->width, BY_PROCESSOR);
    for (unsigned n = 0; n < l->segs; n++)
        lin_write(c, base + l->seg + n * l->seg_step, c->seg[n].sel, 2, BY_PROCESSOR);
}

static void desc_write_busy(Vcpu *c, u16 sel, bool busy)
{
    Descriptor d;
    if (!desc_fetch(c, sel, &d)) return;
    u32 hi = busy ? d.hi | DESC_BUSY : d.hi & ~(u32)DESC_BUSY;
    lin_write(c, d.va + 5, hi >> 8 & 0xff, 1, BY_PROCESSOR);
}

/* The new TSS's descriptor, checked. An IRET looks for a busy one and reports #TS. */
static Descriptor tss_get(Vcpu *c, u16 sel, TaskSwitch how)
{
    Descriptor d;
    u8 vector = how == TASK_IRET ? EX_TS : EX_GP;
    if (sel & 4 || sel_is_null(sel)) raise_sel(c, vector, sel);
    desc_get(c, sel, &d, vector);
    unsigned want = how == TASK_IRET ? SYS_TSS16_BUSY : SYS_TSS16;
    if (d.hi & DESC_S || (desc_type(&d) & ~(unsigned)SYS_32BIT) != want) raise_sel(c, vector, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_NP, sel);
    if (desc_limit(&d) < tss_layout(desc_type(&d))->min_limit) raise_sel(c, EX_TS, sel);
    return d;
}

/* All that the commit will write must be writable. */
static void probe_writes(Vcpu *c, const Descriptor *new_tss, TaskSwitch how)
{
    Descriptor old;
    const TssLayout *l = tss_layout(c->tr.attr);
    if (c->tr.attr & SEG_UNUSABLE || c->tr.limit < l->min_limit) raise_sel(c, EX_TS, c->tr.sel);
    lin_probe(c, c->tr.base, l->min_limit + 1, ACC_WRITE, BY_PROCESSOR);
    if (desc_fetch(c, c->tr.sel, &old)) lin_probe(c, old.va, 8, ACC_WRITE, BY_PROCESSOR);
    lin_probe(c, new_tss->va, 8, ACC_WRITE, BY_PROCESSOR);
    if (how == TASK_CALL || how == TASK_INT) lin_probe(c, desc_base(new_tss), 2, ACC_WRITE, BY_PROCESSOR);
}

/* --- the new task's segments --- */

static void load_ldt(Vcpu *c, u16 sel)
{
    Descriptor d;
    seg_set_null(&c->ldtr, sel);
    if (sel_is_null(sel)) return;
    if (sel & 4 || !desc_fetch(c, sel, &d)) raise_sel(c, EX_TS, sel);
    if (d.hi & DESC_S || desc_type(&d) != SYS_LDT || !(d.hi & DESC_P)) raise_sel(c, EX_TS, sel);
    desc_to_segment(&d, sel, &c->ldtr);
}

static void load_cs(Vcpu *c, u16 sel)
{
    Descriptor d;
    unsigned rpl = sel & 3;
    if (sel_is_null(sel)) raise_sel(c, EX_TS, sel);
    desc_get(c, sel, &d, EX_TS);
    if (!desc_is_code(&d)) raise_sel(c, EX_TS, sel);
    if (desc_is_conforming_code(&d) ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl) raise_sel(c, EX_TS, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_NP, sel);
    desc_set_accessed(c, &d);
    desc_to_segment(&d, sel, &c->seg[CS]);
}

static void load_ss(Vcpu *c, u16 sel)
{
    Descriptor d;
    if (sel_is_null(sel)) raise_sel(c, EX_TS, sel);
    desc_get(c, sel, &d, EX_TS);
    if (!desc_is_writable_data(&d) || (sel & 3u) != c->cpl || desc_dpl(&d) != c->cpl)
        raise_sel(c, EX_TS, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_SS, sel);
    desc_set_accessed(c, &d);
    desc_to_segment(&d, sel, &c->seg[SS]);
}

static void load_data(Vcpu *c, int seg, u16 sel)
{
    Descriptor d;
    if (sel_is_null(sel)) return;
    desc_get(c, sel, &d, EX_TS);
    bool readable = (d.hi & DESC_S) && (d.hi & (DESC_CODE | DESC_RW)) != DESC_CODE;
    bool allowed = desc_is_conforming_code(&d) || (desc_dpl(&d) >= c->cpl && desc_dpl(&d) >= (sel & 3u));
    if (!readable || !allowed) raise_sel(c, EX_TS, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_NP, sel);
    desc_set_accessed(c, &d);
    desc_to_segment(&d, sel, &c->seg[seg]);
}

static void load_segments(Vcpu *c, const TaskState *s)
{
    static const u8 data[] = {ES, DS, FS, GS};
    load_ldt(c, s->ldt);
    if (cpu_v86(c)) {
        for (int n = 0; n < SEG_COUNT; n++) seg_set_v86(&c->seg[n], s->seg[n]);
        return;
    }
    load_cs(c, s->seg[CS]);
    load_ss(c, s->seg[SS]);
    for (unsigned k = 0; k < ARRAY_LEN(data); k++) load_data(c, data[k], s->seg[data[k]]);
}

/* --- the switch --- */

static void commit_old(Vcpu *c, u16 new_sel, const Descriptor *new_tss, TaskSwitch how)
{
    u32 eflags = how == TASK_IRET ? c->eflags & ~(u32)FL_NT : c->eflags;
    u16 old_sel = c->tr.sel;
    if (how == TASK_JMP || how == TASK_IRET) desc_write_busy(c, old_sel, false);
    state_write(c, eflags);
    if (how == TASK_CALL || how == TASK_INT) lin_write(c, desc_base(new_tss), old_sel, 2, BY_PROCESSOR);
    if (how != TASK_IRET) desc_write_busy(c, new_sel, true);
}

static void commit_new(Vcpu *c, const TaskState *s, TaskSwitch how)
{
    c->cr0 |= CR0_TS;
    if (s->has_cr3 && c->cr0 & CR0_PG) cpu_set_cr(c, 3, s->cr3);
    c->dr[7] &= ~(u32)DR7_LOCAL;
    for (int r = 0; r < 8; r++) c->gpr[r] = s->gpr[r];
    for (int n = 0; n < SEG_COUNT; n++) seg_set_null(&c->seg[n], s->seg[n]);
    u32 eflags = how == TASK_CALL || how == TASK_INT ? s->eflags | FL_NT : s->eflags;
    eflags_write(c, eflags, flags_writable(c, 0, 4) | FL_RF | FL_VM | FL_VIF | FL_VIP);
    cpu_set_cpl(c, cpu_v86(c) ? 3 : s->seg[CS] & 3);
    c->eip = c->next_eip = s->eip;
}

void task_switch(Vcpu *c, u16 sel, TaskSwitch how, bool has_error, u32 error)
{
    Descriptor d = tss_get(c, sel, how);
    const TssLayout *l = tss_layout(desc_type(&d));
    probe_writes(c, &d, how);
    TaskState s = state_read(c, desc_base(&d), l);
    if (s.has_cr3) cr3_check(c, s.cr3);
    if (unlikely(trace_mask & (TRACE_INT | TRACE_PCALL)))
        trace_line("task switch %04x -> %04x", c->tr.sel, sel);

    commit_old(c, sel, &d, how);
    desc_to_segment(&d, sel, &c->tr);
    c->tr.attr |= SYS_BUSY;
    commit_new(c, &s, how);
    load_segments(c, &s);
    if (s.trap) c->db_pending |= DR6_BT;
    if (has_error) {
        Stack stack = stack_current(c);
        stack_push(c, &stack, error, l->width);
        stack_commit(c, &stack);
    }
    branch_to(c, s.eip);
    debug_update(c);
}
