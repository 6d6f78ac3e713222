/* chaos.c - hostile guests: random code, random tables, random state, in every mode, through one engine. ring3 must
 * neither crash nor hang nor stop listening; what the guest computes does not matter.
 *
 *   chaos interp|translate [ROUNDS [SEED]]     0 rounds: endless
 *
 * Each round fills the low megabyte with instructions of all classes (system ones included), descriptor and page
 * tables with plausible and implausible entries, and lets the processor run until it halts, triple-faults, or a second
 * thread stops it after a few milliseconds. If a round does not end within ten seconds of the stop, and has had five
 * seconds of CPU time meanwhile (a busy machine starves a low priority), the test fails; it does after two minutes anyhow.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/insn_gen.h"
#include "tests/vm.h"

enum {
    CODE = 0x1000,
    CODE_BYTES = 0x7000,
    GDT = 0x10000,
    IDT = 0x11000,
    TSS = 0x12000,
    PAGE_DIR = 0x14000,
    PAGE_TABLES = 0x15000,
    ROUND_US = 3000,
    STUCK_US = 10 * 1000 * 1000,
    STUCK_CPU_US = 5 * 1000 * 1000,
    STUCK_ANYHOW_US = 120 * 1000 * 1000
};

static Vm vm;
static _Atomic u64 round_now;

static u64 cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}

/* Stops round after round; ends the process when one does not obey. */
static void *watchdog(void *arg)
{
    (void)arg;
    u64 seen = 0, since_us = 0, cpu_then = 0;
    for (;;) {
        usleep(ROUND_US);
        u64 now = atomic_load(&round_now);
        since_us = now == seen ? since_us + ROUND_US : 0;
        seen = now;
        if (!since_us) cpu_then = cpu_us();
        if (since_us > STUCK_ANYHOW_US || (since_us > STUCK_US && cpu_us() - cpu_then > STUCK_CPU_US)) {
            printf("round %llu does not stop: eip %08x\n0 passed, 1 failed\n", (unsigned long long)now,
                   vm.c.eip);
            fflush(stdout);
            if (getenv("CHAOS_WAIT")) sleep(600); /* for a debugger */
            _exit(1);
        }
        if (since_us) cpu_attention(&vm.c, ATT_STOP);
    }
    return NULL;
}

static void fill_code(InsnGen *g, u8 *ram)
{
    for (u32 at = CODE; at < CODE + CODE_BYTES;) {
        Insn i;
        u8 b[INSN_GEN_MAX];
        unsigned n = gen_chance(g, 3) ? (gen_random(g) & 7) + 1 : insn_gen_any(g, b, &i);
        if (n > 8 || gen_chance(g, 97))
            memcpy(ram + at, b, n);
        else
            for (unsigned k = 0; k < n; k++) ram[at + k] = (u8)gen_random(g);
        at += n;
    }
}

/* Descriptors: flat ones, odd ones, gates into the code, task gates; the TSSs are random with sane stacks. */
static void fill_tables(InsnGen *g, u8 *ram)
{
    for (u32 n = 0; n < 512; n++) {
        u64 d = (u64)gen_random(g) << 32 | gen_random(g);
        if (gen_chance(g, 60)) d = 0x00cf92000000ffffull | (u64)(gen_random(g) & 0x6f) << 40;
        store64(ram + GDT + 8 * n, d);
        u64 gate = (u64)(CODE + gen_below(g, CODE_BYTES)) | 8u << 16 |
                   (u64)(0x8e00 | (gen_random(g) & 0x6100)) << 32;
        if (gen_chance(g, 10)) gate ^= (u64)1 << (32 + gen_below(g, 16));
        store64(ram + IDT + 8 * n, gate);
    }
    store64(ram + GDT, 0);
    store64(ram + GDT + 8, 0x00cf9b000000ffffull);
    store64(ram + GDT + 16, 0x00cf93000000ffffull);
    for (u32 n = 0; n < 0x200; n += 4) store32(ram + TSS + n, gen_chance(g, 50) ? 0x9000 : gen_value(g));
}

static void fill_pages(InsnGen *g, u8 *ram)
{
    for (u32 n = 0; n < 1024; n++) {
        u32 e = (PAGE_TABLES + (n & 3) * PAGE_BYTES) | 7;
        if (n && gen_chance(g, 30)) e = gen_random(g);
        store32(ram + PAGE_DIR + 4 * n, e);
        for (u32 t = 0; t < 4; t++)
            store32(ram + PAGE_TABLES + t * PAGE_BYTES + 4 * n,
                    n << 12 | (gen_chance(g, 90) ? 7 : gen_random(g) & 0xfff));
    }
}

static void random_mode(InsnGen *g, Vcpu *c)
{
    vm_flat32(c);
    unsigned kind = gen_below(g, 4); /* 0, 1: flat with paging; 2: real; 3: 16-bit protected */
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (gen_chance(g, 50) ? CR4_PSE : 0);
    c->cr3 = PAGE_DIR;
    if (kind < 2) c->cr0 |= CR0_PG | (gen_chance(g, 50) ? CR0_WP : 0);
    if (kind == 2) c->cr0 &= ~(u32)CR0_PE;
    for (int s = 0; s < SEG_COUNT && kind >= 2; s++)
        c->seg[s] = (Segment){.base = kind == 2 ? 0 : gen_random(g) & 0xffff0,
                              .limit = 0xffff,
                              .sel = s == CS ? 8 : 16,
                              .attr = s == CS ? 0x9b : 0x93};
    if (kind >= 2) c->seg[CS].base = 0;
    c->gdtr.base = GDT, c->gdtr.limit = 0xfff;
    c->idtr.base = kind == 2 ? 0 : IDT, c->idtr.limit = 0x7ff;
    c->tr = (Segment){.base = TSS, .limit = 0x1ff, .attr = 0x8b};
    c->eip = CODE + gen_below(g, CODE_BYTES / 2);
    c->eflags = 2 | (gen_random(g) & (FL_ARITH | FL_D | FL_I));
    for (int r = 0; r < 8; r++) c->gpr[r] = gen_value(g);
    if (gen_chance(g, 80)) c->gpr[ESP] = 0x9000;
}

static void one_round(u64 seed)
{
    InsnGen g = {.seed = seed * 0x9e3779b97f4a7c15ull | 1,
                 .classes = ~0u,
                 .seg_count = SEG_COUNT,
                 .data_bytes = 0x8000};
    Vcpu *c = &vm.c;
    g.mode = (DecodeMode){.code32 = (u8)gen_chance(&g, 60), .protected_mode = true, .features = ~0u};
    atomic_fetch_and(&c->attention, ~(u32)(ATT_STOP | ATT_RESET));
    fill_code(&g, vm.phys->ram);
    fill_tables(&g, vm.phys->ram);
    fill_pages(&g, vm.phys->ram);
    phys_written(vm.phys, 0, 0x100000);
    random_mode(&g, c);
    c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3 | EV_CR4);
    vm_run(&vm);
}

int main(int argc, char **argv)
{
    bool translate = argc > 1 && argv[1][0] == 't';
    u64 rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000,
        seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    pthread_t dog;
    vm_start(&vm, translate);
    pthread_create(&dog, NULL, watchdog, NULL);
    for (u64 n = 0; !rounds || n < rounds; n++) {
        atomic_store(&round_now, n + 1);
        if (getenv("CHAOS_VERBOSE")) fprintf(stderr, "seed %llu\n", (unsigned long long)(seed + n));
        one_round(seed + n);
    }
    printf("%llu passed, 0 failed\n", (unsigned long long)rounds);
    vm_end(&vm);
    return 0;
}
