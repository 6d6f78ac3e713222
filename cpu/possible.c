/* possible.c - is what somebody put into a Vcpu a state that a processor can be in?
 *
 * The translator and the page walk build on invariants that guest code cannot break: no reserved bit is set, V86 mode
 * has its segments, MXCSR has only bits that FXRSTOR takes. Who fills in a processor from outside (a saved state) asks
 * here before the guest runs. What guest code could bring about by itself, however odd, is possible.
 */
#include "cpu/fpu.h"
#include "cpu/protect.h"
#include "cpu/wait.h"
#include "mmu/walk.h"

static bool flags_possible(const Vcpu *c)
{
    if ((c->eflags & ~(u32)FL_ALL) != 2) return false;
    return !cpu_v86(c) || cpu_protected(c);
}

static bool cr0_possible(const Vcpu *c)
{
    u32 v = c->cr0;
    if (v & ~(cpu_cr0_present(c) | CR0_ET) || !(v & CR0_ET)) return false;
    return (v & (CR0_PG | CR0_PE)) != CR0_PG && (v & (CR0_NW | CR0_CD)) != CR0_NW;
}

static bool cpl_possible(const Vcpu *c)
{
    if (cpu_v86(c)) return c->cpl == 3;
    return cpu_protected(c) ? c->cpl <= 3 : !c->cpl;
}

static bool pdptes_possible(const Vcpu *c)
{
    for (unsigned n = 0; n < 4; n++)
        if (c->pdpte[n] & PTE_P && c->pdpte[n] & PDPTE_RSVD) return false;
    return true;
}

static bool segment_possible(const Segment *s, bool v86)
{
    if (s->attr & ~(0xf0ffu | SEG_UNUSABLE)) return false;
    return !v86 || (s->base == (u32)s->sel << 4 && s->limit == 0xffff && !(s->attr & SEG_UNUSABLE));
}

static bool segments_possible(const Vcpu *c)
{
    for (int n = 0; n < SEG_COUNT; n++)
        if (!segment_possible(&c->seg[n], cpu_v86(c))) return false;
    return segment_possible(&c->ldtr, false) && segment_possible(&c->tr, false);
}

const char *cpu_impossible(Vcpu *c)
{
    const struct {
        const char *name;
        bool possible;
    } fields[] = {
        {"eflags", flags_possible(c)},
        {"cr0", cr0_possible(c)},
        {"cr4", !(c->cr4 & ~cpu_cr4_present(c))},
        {"cpl", cpl_possible(c)},
        {"pdpte", pdptes_possible(c)},
        {"segments", segments_possible(c)},
        {"dr", debug_possible(c)},
        {"msr", msr_possible(c)},
        {"mxcsr", !(c->fpu.mxcsr & ~0xffffu)},
        {"inhibit", c->inhibit <= (INHIBIT_STI | INHIBIT_SS)},
        {"halted", c->halted <= 1},
    };
    for (unsigned n = 0; n < ARRAY_LEN(fields); n++)
        if (!fields[n].possible) return fields[n].name;
    return NULL;
}

/* What follows from the registers is made anew; only what the guest is owed stays pending. */
void cpu_loaded(Vcpu *c)
{
    c->next_eip = c->eip;
    c->delivering = false;
    c->delivering_ext = 0;
    c->x87.places = 0;
    wait_reset(c);
    debug_update(c);
    if (c->engine) c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3 | EV_CR4 | EV_EFER | EV_A20);
    cpu_poll_update(c);
}
