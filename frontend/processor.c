/* processor.c - the processor as a part of the machine: what reset, save and load do to it.
 *
 * Saved is what a guest could find out, and what it is owed: registers with their hidden parts, MSRs, the FPU, the
 * interrupt shadow, HLT, debug traps and NMIs that wait. What follows from these is made anew: attention, windows,
 * shadow page tables (cpu_loaded). Translated code stays as far as it is still true: it is watched memory
 * (docs/TRANSLATOR.md). INTR is the board's, and so is A20. Which processor it is stands in the machine's own section
 * (snapshot/identity.c).
 */
#include "frontend/processor.h"

enum { PENDING = ATT_NMI | ATT_INIT | ATT_RESET };
enum { ST_BYTES = 10, ST_COUNT = 8, XMM_COUNT = 8 };

static void state_segment(State *s, const char *name, unsigned n, Segment *g)
{
    state_group(s, name, n);
    state_u16(s, "sel", &g->sel);
    state_u32(s, "base", &g->base);
    state_u32(s, "limit", &g->limit);
    state_u32(s, "attr", &g->attr);
    state_group_end(s);
}

static void state_segments(State *s, Vcpu *c)
{
    for (unsigned n = 0; n < SEG_COUNT; n++) state_segment(s, "seg", n, &c->seg[n]);
    state_segment(s, "ldtr", 0, &c->ldtr);
    state_segment(s, "tr", 0, &c->tr);
    state_u32(s, "gdtr.base", &c->gdtr.base);
    state_u16(s, "gdtr.limit", &c->gdtr.limit);
    state_u32(s, "idtr.base", &c->idtr.base);
    state_u16(s, "idtr.limit", &c->idtr.limit);
}

static void state_system(State *s, Vcpu *c)
{
    state_u32(s, "cr0", &c->cr0);
    state_u32(s, "cr2", &c->cr2);
    state_u32(s, "cr3", &c->cr3);
    state_u32(s, "cr4", &c->cr4);
    state_values(s, "pdpte", c->pdpte, 8, ARRAY_LEN(c->pdpte));
    state_values(s, "dr", c->dr, 4, ARRAY_LEN(c->dr));
}

static void state_msrs(State *s, Vcpu *c)
{
    state_u64(s, "tsc_offset", &c->tsc_offset);
    state_u64(s, "tsc_aux", &c->tsc_aux);
    state_u64(s, "apic_base", &c->apic_base);
    state_u64(s, "sysenter_cs", &c->sysenter_cs);
    state_u64(s, "sysenter_esp", &c->sysenter_esp);
    state_u64(s, "sysenter_eip", &c->sysenter_eip);
    state_u64(s, "mtrr_def", &c->mtrr_def);
    state_values(s, "mtrr_fix", c->mtrr_fix, 8, ARRAY_LEN(c->mtrr_fix));
    state_values(s, "mtrr_var", c->mtrr_var, 8, ARRAY_LEN(c->mtrr_var));
    state_u64(s, "pat", &c->pat);
    state_u64(s, "efer", &c->efer);
    state_u64(s, "misc_enable", &c->misc_enable);
}

/* Ten bytes of a register are the guest's; the host's FXSAVE leaves what it likes in the rest. */
static void state_fpu(State *s, FpuImage *f)
{
    u8 st[ST_COUNT][ST_BYTES];
    for (unsigned n = 0; n < ST_COUNT; n++) memcpy(st[n], f->st[n], ST_BYTES);
    state_u16(s, "fcw", &f->fcw);
    state_u16(s, "fsw", &f->fsw);
    state_u8(s, "ftw", &f->ftw);
    state_u16(s, "fop", &f->fop);
    state_u32(s, "fip", &f->fip);
    state_u16(s, "fcs", &f->fcs);
    state_u32(s, "fdp", &f->fdp);
    state_u16(s, "fds", &f->fds);
    state_u32(s, "mxcsr", &f->mxcsr);
    state_bytes(s, "st", st[0], sizeof st);
    state_bytes(s, "xmm", f->xmm[0], XMM_COUNT * sizeof f->xmm[0]);
    for (unsigned n = 0; n < ST_COUNT; n++) memcpy(f->st[n], st[n], ST_BYTES);
}

/* Between two instructions: nothing is being delivered. */
static void state_waiting(State *s, Vcpu *c)
{
    u32 pending = atomic_load(&c->attention) & PENDING;
    state_u8(s, "inhibit", &c->inhibit);
    state_u8(s, "halted", &c->halted);
    state_bool(s, "nmi_blocked", &c->nmi_blocked);
    state_bool(s, "rep_stopped", &c->rep_stopped);
    state_u32(s, "db_pending", &c->db_pending);
    state_u32(s, "pending", &pending);
    state_check(s, !(pending & ~(u32)PENDING), "pending");
    if (s->way != STATE_LOAD || s->problem[0]) return;
    atomic_fetch_and(&c->attention, ~(u32)PENDING);
    atomic_fetch_or(&c->attention, pending);
}

static void processor_state(void *dev, State *s)
{
    Vcpu *c = dev;
    fpu_park(c);
    fpu_settle(c);
    state_values(s, "gpr", c->gpr, 4, ARRAY_LEN(c->gpr));
    state_u32(s, "eip", &c->eip);
    state_u32(s, "eflags", &c->eflags);
    state_u8(s, "cpl", &c->cpl);
    state_segments(s, c);
    state_system(s, c);
    state_msrs(s, c);
    state_fpu(s, &c->fpu);
    state_waiting(s, c);
    const char *bad = s->way == STATE_LOAD ? cpu_impossible(c) : NULL;
    state_check(s, !bad, bad ? bad : "cpu");
}

static void processor_reset(void *dev) { cpu_reset(dev); }
static void processor_loaded(void *dev) { cpu_loaded(dev); }

const PartKind processor_part = {
    .version = 1, .reset = processor_reset, .state = processor_state, .loaded = processor_loaded};
