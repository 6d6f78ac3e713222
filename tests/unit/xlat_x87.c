/* xlat_x87.c - the last x87 instruction: FIP, FCS, FDP, FDS and FOP after programs of guests/x87.S, in both engines, in
 * ring 0 with and without paging and in ring 3 (where blocks float). Lock-step compares them after random programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "cpu/fpu.h"
#include "tests/vm.h"

enum {
    CODE = 0x10000,
    DATA = 0x20000,
    DATA_BYTES = 0x1000,
    DIR = 0x100000,
    TABLE = 0x101000,
    URW = 0x67,
    MISSING = 0x21000
};
#define FAULTS 0x80000000u
typedef enum Where { RING0_UNPAGED, RING0, RING3, WHERES } Where;

typedef struct Program {
    u32 bytes, end; /* of code; with what follows it */
    u8 code[];      /* then FOP, FDP, FIP */
} Program;

#define PROGRAMS(P)                                                                                          \
    P(alone)                                                                                                 \
    P(operand)                                                                                               \
    P(moving)                                                                                                \
    P(index)                                                                                                 \
    P(replaced)                                                                                              \
    P(two_blocks)                                                                                            \
    P(called)                                                                                                \
    P(side_exit)                                                                                             \
    P(rewritten)                                                                                             \
    P(pending)                                                                                               \
    P(initialized)                                                                                           \
    P(string)                                                                                                \
    P(carried)                                                                                               \
    P(carried_once) P(carried_spilled) P(carried_without_operand) P(carried_from_two) P(nested)
#define P(name) extern const Program x87_##name;
PROGRAMS(P)
#undef P
static const struct {
    const char *name;
    const Program *program;
} programs[] = {
#define P(name) {#name, &x87_##name},
    PROGRAMS(P)
#undef P
};

static void load(Vm *v, const Program *p)
{
    u8 *ram = v->phys->ram;
    memcpy(ram + CODE, p->code, p->bytes);
    memset(ram + DATA, 0, DATA_BYTES);
    for (u32 n = 0; n < 1024; n++)
        store32(ram + TABLE + 4 * n, n << PAGE_BITS == MISSING ? 0 : n << PAGE_BITS | URW);
    store32(ram + DIR, TABLE | URW);
    phys_written(v->phys, CODE, p->bytes);
}

static void enter(Vcpu *c, Where w)
{
    for (int s = 0; w == RING3 && s < SEG_COUNT; s++) {
        c->seg[s].attr |= 3 << 5;
        c->seg[s].sel |= 3;
    }
    if (w == RING3) c->cpl = 3;
    if (w != RING0_UNPAGED) c->cr0 |= CR0_PG;
    c->cr3 = DIR;
    c->idtr.limit = 0; /* nothing delivers a fault; HLT of ring 3 is one */
    c->delivering = false;
    if (c->engine->paging_changed) c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3);
}

static void run(Vm *v, const char *name, const Program *p, Where w)
{
    Vcpu *c = &v->c;
    if (w == RING0_UNPAGED && load32(p->code + p->bytes) & FAULTS) return;
    vm_flat32(c);
    fpu_park(c);
    fpu_reset(c);
    load(v, p);
    enter(c, w);
    vm_run(v);
    fpu_park(c);
    const u8 *wanted = p->code + p->bytes;
    u32 fop = load32(wanted) & 0x7ff, fdp = load32(wanted + 4), fip = load32(wanted + 8),
        rpl = w == RING3 ? 3 : 0;
    u16 fcs = fip ? (u16)(8 | rpl) : 0, fds = fdp ? (u16)(16 | rpl) : 0;
    const FpuImage *f = &c->fpu;
    if (f->fop != fop || f->fip != fip || f->fdp != fdp || f->fcs != fcs || f->fds != fds)
        fail_msg("%s, %d, ring %u: FOP %03x FIP %04x:%08x FDP %04x:%08x, not %03x %04x:%08x %04x:%08x", name,
                 w, rpl, f->fop, f->fcs, f->fip, f->fds, f->fdp, fop, fcs, fip, fds, fdp);
}

static void run_all(bool translate)
{
    static Vm v;
    memset(&v, 0, sizeof v);
    vm_start(&v, translate);
    for (int times = 0; times < 3; times++)
        for (unsigned n = 0; n < ARRAY_LEN(programs); n++)
            for (Where w = RING0_UNPAGED; w < WHERES; w++) run(&v, programs[n].name, programs[n].program, w);
    vm_end(&v);
}

static void test_interpreter(void **state)
{
    (void)state;
    run_all(false);
}

static void test_translator(void **state)
{
    (void)state;
    run_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_interpreter), cmocka_unit_test(test_translator)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
