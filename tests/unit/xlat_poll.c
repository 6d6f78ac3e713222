/* xlat_poll.c - guests that never come to an end obey all the same: each kind of edge that a guest can go round on is
 * stopped by another thread (docs/TRANSLATOR.md, "Polls"), in both engines. The stack is one of 64 KiB that wraps, so that
 * calls without returns go on for ever. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/vm.h"

enum {
    CODE = 0x10000,
    STACK = 0x40000,
    DIR = 0x100000,
    TABLE = 0x101000,
    URW = 0x67,
    STOP_AFTER_US = 50000,
    STUCK_US = 8000000,
};
typedef enum Where { RING0, RING0_PAGED, RING3, WHERES } Where;

typedef struct Program {
    const char *name;
    const char *code; /* hex, at CODE */
    const char *more; /* in the next page */
} Program;

/* clang-format off */
static const Program programs[] = {
    {"a jump to itself", "ebfe", ""},
    {"a conditional jump back", "f8 73fd", ""},
    {"LOOP that goes round", "31c9 40 e2fd ebf9", ""},
    {"an indirect jump", "b800000100 ffe0", ""},
    {"a call of itself", "e8fbffffff", ""},
    {"two calls of each other", "eb0e 909090 e8 05000000 909090909090 e8 f0ffffff", ""},
    {"an indirect call", "b800000100 ffd0", ""},
    {"returns that nobody called", "68 00000100 c3", ""},
    {"a return that goes round", "e800000000 832c2405 c3", ""},
    /* jmp 1: first; 0: call 2; 1: inc eax; inc eax; 2: call 0: into the middle of the block at 1 */
    {"a call into the middle of a block", "eb05 e802000000 4040 e8f4ffffff", ""},
    /* The same with an x87 instruction that is to be noted before the call. */
    {"calls with an x87 instruction before", "eb07 d9d0 e802000000 4040 d9d0 e8f0ffffff", ""},
    {"calls with x87 instructions of another page", "d9d0 e8f90f0000", "d9d0 e8f9efffff"},
    {"calls between two pages", "e8fb0f0000", "e8fbefffff"},
    {"jumps between two pages", "e9fb0f0000", "e9fbefffff"},
    {"three calls", "e800000000 e800000000 e8f1ffffff", ""},
    {"a call behind a callout", "0fa2 e8f9ffffff", ""},
    /* 0: call 1; call 0; 1: push eax; pop eax; ret */
    {"calls whose deepest function returns", "e805000000 e8f6ffffff 50 58 c3", ""},
};
/* clang-format on */

static unsigned hex(const char *s, u8 *out)
{
    unsigned n = 0;
    for (; *s; s += 2) {
        while (*s == ' ') s++;
        char b[3] = {s[0], s[1], 0};
        out[n++] = (u8)strtoul(b, NULL, 16);
    }
    return n;
}

static void load(Vm *v, const Program *p)
{
    u8 *ram = v->phys->ram;
    hex(p->code, ram + CODE);
    hex(p->more, ram + CODE + PAGE_BYTES);
    for (u32 n = 0; n < 1024; n++) store32(ram + TABLE + 4 * n, n << PAGE_BITS | URW);
    store32(ram + DIR, TABLE | URW);
}

static void enter(Vcpu *c, Where w)
{
    c->eip = CODE;
    c->seg[SS].base = STACK;
    c->seg[SS].attr &= ~(u32)SEG_DB;
    for (int s = 0; w == RING3 && s < SEG_COUNT; s++) {
        c->seg[s].attr |= 3 << 5;
        c->seg[s].sel |= 3;
    }
    if (w == RING3) c->cpl = 3;
    if (w != RING0) c->cr0 |= CR0_PG;
    c->cr3 = DIR;
    if (c->engine->paging_changed) c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3);
}

static _Atomic bool returned;

static void *stopper(void *vcpu)
{
    usleep(STOP_AFTER_US);
    cpu_attention(vcpu, ATT_STOP);
    for (u32 us = 0; us < STUCK_US; us += 10000) {
        if (returned) return NULL;
        usleep(10000);
    }
    fprintf(stderr, "the guest does not stop: eip %08x\n", ((Vcpu *)vcpu)->eip);
    _exit(1);
}

static void run(const Program *p, Where w, bool translate)
{
    static Vm v;
    pthread_t thread;
    memset(&v, 0, sizeof v);
    vm_start(&v, translate);
    load(&v, p);
    enter(&v.c, w);
    returned = false;
    pthread_create(&thread, NULL, stopper, &v.c);
    StopReason why = vm_run(&v);
    returned = true;
    pthread_join(thread, NULL);
    assert_int_equal(why, STOP_QUIT);
    vm_end(&v);
}

static void obeys(void **state)
{
    for (Where w = 0; w < WHERES; w++) {
        print_message("%s %d\n", ((const Program *)*state)->name, w);
        run(*state, w, false);
        run(*state, w, true);
    }
}

int main(void)
{
    static struct CMUnitTest tests[ARRAY_LEN(programs)];
    for (unsigned n = 0; n < ARRAY_LEN(programs); n++)
        tests[n] = (struct CMUnitTest){
            .name = programs[n].name, .test_func = obeys, .initial_state = (void *)(uintptr_t)&programs[n]};
    return _cmocka_run_group_tests("xlat_poll", tests, ARRAY_LEN(programs), NULL, NULL);
}
