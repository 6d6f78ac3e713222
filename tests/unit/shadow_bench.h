/* shadow_bench.h - the bench of the tests of shadow windows: guest RAM in which the test builds page tables,
 * accesses through the windows, and a SIGSEGV handler that asks shadow_fault() as the translator's would. One
 * process, no CPU.
 */
#ifndef SHADOW_BENCH_H
#define SHADOW_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "mmu/shadow.h"

enum {
    RAM = 32 << 20,
    PD0 = 0x10000,
    PD1 = 0x11000,
    PD2 = 0x12000,
    PT0 = 0x20000 /* many */,
    DATA = 0x100000
};
enum {
    URW = PTE_P | PTE_W | PTE_U,
    URO = PTE_P | PTE_U,
    KRW = PTE_P | PTE_W,
    KRO = PTE_P,
    AD = PTE_A | PTE_D
};
#define KERNEL 0xc0000000u

static Phys *p;
static Shadow *s;
static Paging pg;
static unsigned fetch_drops, shared_drops, code_writes, segvs;
static u32 last_drop_va;
static bool last_drop_user, last_drop_shared;

/* --- faults ---------------------------------------------------------------------------------------------- */

static sigjmp_buf out;
static volatile ShadowResult result;
static Walk fault_walk;
static u32 fault_va;
static u8 fault_watch;

static inline void on_segv(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    if (!s || !shadow_owns(s, info->si_addr)) {
        signal(sig, SIG_DFL);
        return;
    }
    segvs++;
    result = shadow_fault(s, info->si_addr, uc->uc_mcontext.gregs[REG_ERR] & 2, &fault_va, &fault_walk);
    fault_watch = p->watch[fault_walk.pa >> PAGE_BITS];
    siglongjmp(out, 1);
}

/* cmocka sets its own handlers between setup and test: ours comes in at the first access. */
static bool handler_set;
static inline void handler_install(void)
{
    static u8 stack[64 << 10];
    struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    handler_set = true;
}

/* One access through a window, retried while shadow_fault maps. SHADOW_MAPPED: done; *value read or written. */
static __attribute__((noinline, unused)) ShadowResult touch(u32 va, bool write, u32 *value)
{
    volatile int tries = 0;
    if (!handler_set) handler_install();
    if (sigsetjmp(out, 0) && result != SHADOW_MAPPED) return result;
    assert_true(tries++ < 5);
    volatile u32 *at = (volatile u32 *)(shadow_view(s)->current + va);
    if (write)
        *at = *value;
    else
        *value = *at;
    return SHADOW_MAPPED;
}

/* What a gate of the table form does: the host address of 4 bytes, or NULL. */
static inline u8 *table_at(const TableEntry *table, u32 va, bool write)
{
    const TableEntry *e = &table[va >> PAGE_BITS];
    u32 match = (write ? e->write : e->read) + ((va + 3) >> PAGE_BITS) + 1;
    return match ? NULL : (u8 *)(uintptr_t)(va + e->add);
}

static u64 table_hits;
static inline ShadowResult touch_table(bool user, u32 va, bool write, u32 *value)
{
    u8 *hp = table_at(user ? shadow_view(s)->user_table : shadow_view(s)->table, va, write);
    ShadowResult why = SHADOW_MAPPED;
    if (hp)
        table_hits++;
    else
        hp = shadow_lookup(s, va, 4, write, &why, &fault_walk);
    fault_va = va;
    fault_watch = p->watch[fault_walk.pa >> PAGE_BITS];
    if (!hp) return why;
    if (write)
        store32(hp, *value);
    else
        *value = load32(hp);
    return SHADOW_MAPPED;
}

/* The access as the translator does it in the end, by a window or by a table: user pages of ring 0 by theirs;
 * emulation for what neither can do. */
static inline ShadowResult access_guest(bool table, u32 va, bool write, u32 *value)
{
    ShadowResult r = table ? touch_table(false, va, write, value) : touch(va, write, value);
    if (r == SHADOW_USER) r = touch_table(true, va, write, value);
    if (r == SHADOW_WATCHED || r == SHADOW_ROM || r == SHADOW_MMIO) {
        if (write)
            phys_write(p, fault_walk.pa, *value, 4);
        else
            *value = phys_read(p, fault_walk.pa, 4);
    }
    return r;
}

static inline u32 get(u32 va)
{
    u32 v = 0;
    assert_int_equal(touch(va, false, &v), SHADOW_MAPPED);
    return v;
}
static inline ShadowResult try_read(u32 va)
{
    u32 v;
    return touch(va, false, &v);
}
static inline ShadowResult try_write(u32 va, u32 v) { return touch(va, true, &v); }

/* --- guest ----------------------------------------------------------------------------------------------- */

static inline void on_code(void *ctx, u32 pa, u32 bytes) { (void)ctx, (void)pa, (void)bytes, code_writes++; }
static inline void on_drop(void *ctx, u32 va, bool user, bool shared)
{
    (void)ctx;
    fetch_drops++;
    shared_drops += shared;
    last_drop_va = va, last_drop_user = user, last_drop_shared = shared;
}

static bool code_is_open;
static inline bool on_code_opened(void *ctx, u32 pfn)
{
    (void)ctx, (void)pfn;
    return code_is_open;
}

static inline void start(unsigned budget)
{
    const ShadowHooks hooks = {
        .code_written = on_code, .fetch_dropped = on_drop, .code_opened = on_code_opened};
    p = phys_new(bus_new(), RAM);
    s = shadow_new(p, &hooks, budget);
    assert_non_null(s);
    fetch_drops = code_writes = segvs = 0;
    for (u32 pa = DATA; pa < RAM; pa += PAGE_BYTES)
        phys_write(p, pa, pa, 4); /* each page holds its address */
    pg = (Paging){.cr3 = PD0, .on = true, .wp = true, .pse = true, .pge = true};
}

static inline int setup(void **state)
{
    (void)state;
    handler_set = false;
    start(0);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    shadow_free(s);
    bus_free(p->bus);
    phys_free(p);
    s = NULL;
    return 0;
}

/* Entries have 4 bytes, with PAE 8, which are written in two halves as a 32-bit kernel does. */
static inline u32 pde_pa(u32 pd, u32 va) { return pd + (pg.pae ? va >> 18 & 0xff8 : va >> 20 & 0xffc); }
static inline u32 pt_of(unsigned n) { return PT0 + n * PAGE_BYTES; }
static inline u32 pte_pa(u32 pt, u32 va) { return pt + (pg.pae ? va >> 9 & 0xff8 : va >> 10 & 0xffc); }
static inline u64 guest_entry_get(u32 pa) { return pg.pae ? phys_read64(p, pa) : phys_read(p, pa, 4); }
static inline void guest_entry_set(u32 pa, u64 value)
{
    if (pg.pae) phys_write(p, pa + 4, (u32)(value >> 32), 4);
    phys_write(p, pa, (u32)value, 4);
}
static inline void pde_set(u32 pd, u32 va, u64 value) { guest_entry_set(pde_pa(pd, va), value); }
static inline void pte_set(u32 pt, u32 va, u64 value) { guest_entry_set(pte_pa(pt, va), value); }
static inline u64 pte_get(u32 pt, u32 va) { return guest_entry_get(pte_pa(pt, va)); }

/* PD0 and PD1: user slot 0x00400000 with tables 0 and 1; kernel linear map of the first 4 MiB at KERNEL by one
 * 4 MiB page, and table 2 at KERNEL + 4 MiB, both shared. */
static inline void two_spaces(void)
{
    for (unsigned n = 0; n < 2; n++) {
        u32 pd = n ? PD1 : PD0;
        pde_set(pd, 0x400000, pt_of(n) | URW);
        pde_set(pd, KERNEL, 0 | KRW | PTE_PS | PTE_G | AD);
        pde_set(pd, KERNEL + 0x400000, pt_of(2) | KRW | PTE_A);
        for (unsigned i = 0; i < 16; i++)
            pte_set(pt_of(n), 0x400000 + i * PAGE_BYTES,
                    (DATA + 0x100000 * (n + 1) + i * 2 * PAGE_BYTES) | URW);
    }
    for (unsigned i = 0; i < 16; i++)
        pte_set(pt_of(2), KERNEL + i * PAGE_BYTES, (DATA + 0x300000 + i * 2 * PAGE_BYTES) | KRW);
}

static inline void run_as(u32 cr3, bool user)
{
    pg.cr3 = cr3;
    shadow_activate(s, &pg, user);
}

static inline unsigned host_vmas(void)
{
    char line[512];
    unsigned n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long first, end;
        if (sscanf(line, "%lx-%lx", &first, &end) == 2)
            n += shadow_owns(s, (void *)first) || shadow_owns(s, (void *)(end - 1));
    }
    fclose(f);
    return n;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
