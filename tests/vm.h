/* vm.h - a processor with RAM and nothing else, for tests: put bytes in, set the state, run to HLT, look. */
#ifndef RING3_TESTS_VM_H
#define RING3_TESTS_VM_H

#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "translator/count.h"

typedef struct Vm {
    Bus *bus;
    Phys *phys;
    Vcpu c;
    const Engine *xlat;
} Vm;

/* Flat 32-bit protected mode, ring 0, paging off, interrupts off, ESP = 0x80000, EIP = 0x10000. */
static inline void vm_flat32(Vcpu *c)
{
    cpu_reset(c);
    c->cr0 = CR0_PE | CR0_ET | CR0_NE;
    for (int s = 0; s < SEG_COUNT; s++)
        c->seg[s] = (Segment){
            .limit = 0xffffffff, .sel = s == CS ? 8 : 16, .attr = (s == CS ? 0x9b : 0x93) | SEG_DB | SEG_G};
    c->eflags = 2;
    c->eip = 0x10000;
    c->gpr[ESP] = 0x80000;
}

/* RING3_FORM=window or table: all blocks in that form. RING3_CACHE=MIB: a small one makes regions be emptied all
 * the time. */
static inline const XlatOptions *vm_xlat_options(void)
{
    static XlatOptions o;
    const char *form = getenv("RING3_FORM");
    const char *cache = getenv("RING3_CACHE");
    o.form = !form ? FORM_AUTO : !strcmp(form, "table") ? FORM_TABLE : FORM_WINDOW;
    o.cache_mib = cache ? (u32)atoi(cache) : 0;
    return &o;
}

/* With a bus and memory of its own, unless they are there already. RING3_COUNT: blocks count their runs. */
static inline void vm_start(Vm *v, bool translate)
{
    const char *why = "";
    if (!v->bus) v->bus = bus_new();
    if (!v->phys) v->phys = phys_new(v->bus, 16 << 20);
    cpu_init(&v->c, cpu_model_find("max"), v->bus, v->phys);
    v->xlat = NULL;
    vm_flat32(&v->c);
    if (translate) {
        v->xlat = xlat_new(&v->c, vm_xlat_options(), &why);
        CHECK(v->xlat, "no translator: %s", why);
        if (getenv("RING3_COUNT")) count_set(v->xlat->ctx, true);
    } else {
        v->c.engine = &engine_interp;
    }
}

static inline void vm_end(Vm *v)
{
    if (v->xlat) xlat_free(v->xlat);
    phys_free(v->phys);
    bus_free(v->bus);
}

static inline void vm_idle(void *ctx, u64 ns)
{
    Vcpu *c = ctx;
    (void)ns;
    c->stop_reason = STOP_HLT;
    cpu_attention(c, ATT_STOP);
}
static inline void vm_service(void *ctx) { (void)ctx; }
static inline bool vm_reset(void *ctx)
{
    (void)ctx;
    return false;
}

/* Run until HLT or triple fault. */
static inline StopReason vm_run(Vm *v)
{
    RunHooks h = {.ctx = &v->c, .service = vm_service, .idle = vm_idle, .reset = vm_reset};
    v->c.halted = 0;
    v->c.stop_reason = STOP_NONE;
    return cpu_run(&v->c, &h);
}

#endif
