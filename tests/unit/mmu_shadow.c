/* mmu_shadow.c - the shadow windows against the guest's page tables, in one process: the test builds tables in
 * guest RAM, touches window memory, and its SIGSEGV handler asks shadow_fault() as the translator's would.
 *
 * The last test is the contract of coherence: thousands of random accesses through the windows, compared with
 * what mmu_walk says, while tables, rings, directories, watches and the physical map change at random.
 * With RING3_SHADOW_BENCH set, costs are measured and printed instead (docs/MMU.md has the figures).
 */
#define _GNU_SOURCE
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
static unsigned fetch_drops, code_writes, segvs;
static u32 last_drop_va;
static bool last_drop_user, last_drop_shared;

/* --- faults ---------------------------------------------------------------------------------------------- */

static sigjmp_buf out;
static volatile ShadowResult result;
static Walk fault_walk;
static u32 fault_va;
static u8 fault_watch;

static void on_segv(int sig, siginfo_t *info, void *context)
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
static void handler_install(void)
{
    static u8 stack[64 << 10];
    struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    handler_set = true;
}

/* One access through a window, retried while shadow_fault maps. SHADOW_MAPPED: done; *value read or written. */
static __attribute__((noinline)) ShadowResult touch(bool via_user, u32 va, bool write, u32 *value)
{
    volatile int tries = 0;
    if (!handler_set) handler_install();
    if (sigsetjmp(out, 0) && result != SHADOW_MAPPED) return result;
    assert_true(tries++ < 5);
    volatile u32 *at = (volatile u32 *)((via_user ? shadow_view(s)->user : shadow_view(s)->current) + va);
    if (write)
        *at = *value;
    else
        *value = *at;
    return SHADOW_MAPPED;
}

/* The access as the translator does it in the end: the other window for the other kind of page, emulation for
 * what no window can do. */
static ShadowResult access_guest(u32 va, bool write, u32 *value)
{
    ShadowResult r = touch(false, va, write, value);
    if (r == SHADOW_USER) r = touch(true, va, write, value);
    if (r == SHADOW_WATCHED || r == SHADOW_ROM || r == SHADOW_MMIO) {
        if (write)
            phys_write(p, fault_walk.pa, *value, 4);
        else
            *value = phys_read(p, fault_walk.pa, 4);
    }
    return r;
}

static u32 get(u32 va)
{
    u32 v = 0;
    assert_int_equal(touch(false, va, false, &v), SHADOW_MAPPED);
    return v;
}
static ShadowResult try_read(u32 va)
{
    u32 v;
    return touch(false, va, false, &v);
}
static ShadowResult try_write(u32 va, u32 v) { return touch(false, va, true, &v); }

/* --- guest ----------------------------------------------------------------------------------------------- */

static void on_code(void *ctx, u32 pa, u32 bytes) { (void)ctx, (void)pa, (void)bytes, code_writes++; }
static void on_drop(void *ctx, u32 va, bool user, bool shared)
{
    (void)ctx;
    fetch_drops++;
    last_drop_va = va, last_drop_user = user, last_drop_shared = shared;
}

static void start(unsigned budget)
{
    const ShadowHooks hooks = {.code_written = on_code, .fetch_dropped = on_drop};
    p = phys_new(bus_new(), RAM);
    s = shadow_new(p, &hooks, budget);
    assert_non_null(s);
    fetch_drops = code_writes = segvs = 0;
    for (u32 pa = DATA; pa < RAM; pa += PAGE_BYTES)
        phys_write(p, pa, pa, 4); /* each page holds its address */
    pg = (Paging){.cr3 = PD0, .on = true, .wp = true, .pse = true, .pge = true};
}

static int setup(void **state)
{
    (void)state;
    handler_set = false;
    start(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    shadow_free(s);
    bus_free(p->bus);
    phys_free(p);
    s = NULL;
    return 0;
}

static void pde_set(u32 pd, u32 va, u32 value) { phys_write(p, pd + (va >> 22) * 4, value, 4); }
static u32 pt_of(unsigned n) { return PT0 + n * PAGE_BYTES; }
static u32 pte_pa(u32 pt, u32 va) { return pt + (va >> 10 & 0xffc); }
static void pte_set(u32 pt, u32 va, u32 value) { phys_write(p, pte_pa(pt, va), value, 4); }
static u32 pte_get(u32 pt, u32 va) { return phys_read(p, pte_pa(pt, va), 4); }

/* PD0 and PD1: user slot 0x00400000 with tables 0 and 1; kernel linear map of the first 4 MiB at KERNEL by one
 * 4 MiB page, and table 2 at KERNEL + 4 MiB, both shared. */
static void two_spaces(void)
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

static void run_as(u32 cr3, bool user)
{
    pg.cr3 = cr3;
    shadow_activate(s, &pg, user);
}

static unsigned host_vmas(void)
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

/* --- paging off ------------------------------------------------------------------------------------------ */

static void real_mode_memory_is_a_few_mappings(void **state)
{
    (void)state;
    assert_int_equal(get(DATA), DATA);
    assert_int_equal(try_write(0x500, 0x1234), SHADOW_MAPPED);
    assert_int_equal(phys_read(p, 0x500, 4), 0x1234);
    unsigned before = segvs;
    for (u32 pa = 0; pa < 0xa0000; pa += PAGE_BYTES) assert_int_equal(try_read(pa), SHADOW_MAPPED);
    assert_int_equal(segvs, before);
    assert_int_equal(try_read(0xa0000), SHADOW_MMIO);
    assert_int_equal(try_write(0xe0000000, 1), SHADOW_MMIO);
    assert_ptr_equal(shadow_view(s)->user, shadow_view(s)->current);
    for (u32 pa = 0; pa < RAM; pa += 1 << 20) try_read(pa);
    assert_in_range(host_vmas(), 1, 8);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
}

static void a20_switches_the_odd_megabytes(void **state)
{
    (void)state;
    phys_write(p, 0x2000, 0xaaaa, 4);
    assert_int_equal(get(0x102000), 0x102000);
    phys_set_a20(p, false);
    shadow_a20_changed(s);
    assert_int_equal(get(0x102000), 0xaaaa);
    assert_int_equal(get(0x202000), 0x202000);
    assert_int_equal(get(0x302000), 0x202000);
    phys_set_a20(p, true);
    shadow_a20_changed(s);
    assert_int_equal(get(0x102000), 0x102000);
}

static void rom_is_read_only_and_may_be_shadowed(void **state)
{
    (void)state;
    u32 image[1024] = {0x12345678};
    assert_true(phys_add_rom(p, 0xf0000, image, sizeof image));
    assert_true(phys_add_rom(p, 0xfffff000, image, sizeof image));
    assert_int_equal(get(0xf0000), 0x12345678);
    assert_int_equal(get(0xfffff000), 0x12345678);
    assert_int_equal(try_write(0xf0000, 1), SHADOW_ROM);
    phys_set_kind(p, 0xf0000, PAGE_BYTES, PAGE_RAM);
    assert_int_equal(try_write(0xf0000, 1), SHADOW_MAPPED);
    phys_set_kind(p, 0xf0000, PAGE_BYTES, PAGE_ROM);
    assert_int_equal(try_write(0xf0000, 2), SHADOW_ROM);
    assert_int_equal(get(0xf0000), 1);
}

static void video_memory_is_shown_in_several_places(void **state)
{
    (void)state;
    u32 page = phys_add_vram(p, 64 * PAGE_BYTES);
    assert_int_not_equal(page, 0);
    assert_int_equal(phys_add_vram(p, PAGE_BYTES), 0); /* once */
    assert_int_equal(try_write(0xa0000, 1), SHADOW_MMIO);
    phys_map_vram(p, 0xe0000000, 64 * PAGE_BYTES, 0);
    for (u32 n = 0; n < 64; n++) assert_int_equal(try_write(0xe0000000 + n * PAGE_BYTES, n), SHADOW_MAPPED);
    for (u32 bank = 0; bank < 64; bank += 16) {
        phys_unmap_vram(p, 0xa0000, 16 * PAGE_BYTES);
        assert_int_equal(try_read(0xa0000), SHADOW_MMIO);
        phys_map_vram(p, 0xa0000, 16 * PAGE_BYTES, bank * PAGE_BYTES);
        for (u32 n = 0; n < 16; n++) assert_int_equal(get(0xa0000 + n * PAGE_BYTES), bank + n);
        assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    }
    try_write(0xa0004, 7);
    assert_int_equal(get(0xe0030004), 7);
    phys_map_vram(p, 0x1000, PAGE_BYTES, 0); /* RAM stays, and so does ROM */
    assert_ptr_equal(phys_hp(p, 0x1000), p->ram + 0x1000);
    phys_unmap_vram(p, 0, 16 * PAGE_BYTES);
    assert_ptr_equal(phys_hp(p, 0x1000), p->ram + 0x1000);
    phys_map_vram(p, 0xb0000, PAGE_BYTES, 64 * PAGE_BYTES); /* more than there is */
    assert_null(phys_hp(p, 0xb0000));
}

static void operand_across_4_gib_is_emulated(void **state)
{
    (void)state;
    u32 v, image[1024] = {0};
    phys_add_rom(p, 0xfffff000, image, sizeof image);
    get(0xfffff000);
    assert_int_equal(touch(false, 0xfffffffe, false, &v), SHADOW_MMIO);
}

/* --- rights and A/D -------------------------------------------------------------------------------------- */

static void first_read_sets_accessed_first_write_dirty(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    u32 va = 0x400000;
    assert_int_equal(get(va), DATA + 0x100000);
    assert_int_equal(pte_get(pt_of(0), va) & AD, PTE_A);
    assert_int_equal(phys_read(p, PD0 + 4, 4) & AD, PTE_A);
    assert_int_equal(pte_get(pt_of(0), va + PAGE_BYTES) & AD, 0); /* no neighbour was touched */
    assert_int_equal(try_write(va, 7), SHADOW_MAPPED);
    assert_int_equal(pte_get(pt_of(0), va) & AD, AD);
    unsigned before = segvs;
    assert_int_equal(try_write(va + 4, 7), SHADOW_MAPPED);
    assert_int_equal(segvs, before);
    pte_set(pt_of(0), va, pte_get(pt_of(0), va) & ~(u32)PTE_D); /* cleaned: the next write must show again */
    assert_int_equal(try_write(va, 8), SHADOW_MAPPED);
    assert_int_equal(pte_get(pt_of(0), va) & AD, AD);
    pte_set(pt_of(0), va, pte_get(pt_of(0), va) & ~(u32)AD); /* aged */
    assert_int_equal(get(va), 8);
    assert_int_equal(pte_get(pt_of(0), va) & AD, PTE_A);
}

static void user_faults_have_the_guests_error_codes(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    assert_int_equal(try_read(0x410000), SHADOW_PF);
    assert_int_equal(fault_walk.error, PF_U);
    assert_int_equal(fault_va, 0x410000);
    assert_int_equal(try_write(KERNEL, 1), SHADOW_PF);
    assert_int_equal(fault_walk.error, PF_U | PF_W | PF_P);
    pte_set(pt_of(0), 0x401000, (DATA + 0x5000) | URO);
    assert_int_equal(get(0x401000), DATA + 0x5000);
    assert_int_equal(try_write(0x401000, 1), SHADOW_PF);
    assert_int_equal(fault_walk.error, PF_U | PF_W | PF_P);
}

static void ring0_goes_through_two_windows(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, false);
    u32 v = 0;
    assert_int_equal(get(KERNEL + DATA), DATA);
    assert_int_equal(try_read(0x400000), SHADOW_USER);
    assert_int_equal(touch(true, 0x400000, false, &v), SHADOW_MAPPED);
    assert_int_equal(v, DATA + 0x100000);
    assert_int_equal(touch(true, KERNEL, false, &v), SHADOW_SUPER);
    assert_int_equal(try_read(0x800000), SHADOW_PF);
    assert_int_equal(fault_walk.error, 0);
}

static void write_protect_of_ring0(void **state)
{
    (void)state;
    two_spaces();
    pte_set(pt_of(0), 0x400000, (DATA + 0x100000) | URO);
    pte_set(pt_of(2), KERNEL, (DATA + 0x300000) | KRO);
    run_as(PD0, false);
    u32 v = 9, kva = KERNEL + 0x400000;
    assert_int_equal(try_write(kva, 1), SHADOW_PF);
    assert_int_equal(touch(true, 0x400000, true, &v), SHADOW_PF);
    assert_int_equal(fault_walk.error, PF_W | PF_P);
    pg.wp = false;
    run_as(PD0, false);
    assert_int_equal(try_write(kva, 5), SHADOW_MAPPED);
    assert_int_equal(get(kva), 5);
    assert_int_equal(touch(true, 0x400000, true, &v), SHADOW_WATCHED); /* U has ring 3's rights: emulate */
    run_as(PD0, true);
    assert_int_equal(try_write(0x400000, 1), SHADOW_PF);
    pg.wp = true;
    run_as(PD0, false);
    assert_int_equal(try_write(kva, 1), SHADOW_PF);
}

static void large_pages_map_whole(void **state)
{
    (void)state;
    two_spaces();
    pde_set(PD0, 0x800000, 0x800000 | URW | PTE_PS);
    run_as(PD0, true);
    assert_int_equal(get(0x812000), 0x812000);
    assert_int_equal(phys_read(p, PD0 + 8, 4) & AD, PTE_A);
    unsigned before = segvs;
    for (u32 va = 0x800000; va < 0xc00000; va += PAGE_BYTES) assert_int_equal(get(va), va);
    assert_int_equal(segvs, before);
    assert_int_equal(try_write(0x812000, 1), SHADOW_MAPPED);
    assert_int_equal(phys_read(p, PD0 + 8, 4) & AD, AD);
    before = segvs;
    assert_int_equal(try_write(0x999000, 1), SHADOW_MAPPED);
    assert_int_equal(segvs, before);
    pde_set(PD0, 0x800000, 0x800000 | URW | PTE_PS | PTE_A); /* cleaned */
    assert_int_equal(try_write(0x999000, 1), SHADOW_MAPPED);
    assert_int_equal(phys_read(p, PD0 + 8, 4) & AD, AD);
    pde_set(PD0, 0x800000, 0x802000 | URW | PTE_PS); /* reserved bit */
    assert_int_equal(try_read(0x812000), SHADOW_PF);
    assert_int_equal(fault_walk.error, PF_P | PF_U | PF_RSVD);
}

static void pse_off_makes_large_entries_tables(void **state)
{
    (void)state;
    two_spaces();
    pde_set(PD0, 0x800000, pt_of(3) | URW | PTE_PS | PTE_A);
    pte_set(pt_of(3), 0x800000, (DATA + 0x7000) | URW);
    pde_set(PD0, 0xc00000, 0x800000 | URW | PTE_PS | PTE_A);
    run_as(PD0, true);
    assert_int_equal(try_read(0x800000), SHADOW_PF); /* reserved bits */
    assert_int_equal(get(0xc01000), 0x801000);
    pg.pse = false;
    run_as(PD0, true);
    assert_int_equal(get(0x800000), DATA + 0x7000);
    assert_int_equal(try_read(0xc01000), SHADOW_PF);
}

/* --- coherence ------------------------------------------------------------------------------------------- */

static void valid_entry_changed_without_invlpg(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    assert_int_equal(get(0x400000), DATA + 0x100000);
    pte_set(pt_of(0), 0x400000, (DATA + 0x9000) | URW); /* remap */
    assert_int_equal(get(0x400000), DATA + 0x9000);
    assert_int_equal(try_write(0x400000, 1), SHADOW_MAPPED);
    pte_set(pt_of(0), 0x400000, pte_get(pt_of(0), 0x400000) & ~(u32)PTE_W); /* downgrade */
    assert_int_equal(try_write(0x400000, 2), SHADOW_PF);
    assert_int_equal(get(0x400000), 1);
    pte_set(pt_of(0), 0x400000, pte_get(pt_of(0), 0x400000) | PTE_W); /* upgrade */
    assert_int_equal(try_write(0x400000, 2), SHADOW_MAPPED);
    phys_write(p, pte_pa(pt_of(0), 0x400000), 0, 1); /* one byte: not present */
    assert_int_equal(try_read(0x400000), SHADOW_PF);
}

static void page_table_stores_are_trapped(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, false);
    assert_int_equal(try_write(KERNEL + pt_of(0), 0), SHADOW_MAPPED); /* an ordinary page so far */
    pte_set(pt_of(0), 0x400000, (DATA + 0x100000) | URW);
    u32 v;
    assert_int_equal(touch(true, 0x400000, false, &v), SHADOW_MAPPED);
    assert_int_equal(try_write(KERNEL + pt_of(0), 0), SHADOW_WATCHED);
    phys_write(p, fault_walk.pa, 0, 4); /* what the translator does then */
    assert_int_equal(touch(true, 0x400000, false, &v), SHADOW_PF);
    assert_int_equal(try_write(KERNEL + PD0 + 4, 0), SHADOW_WATCHED);
    assert_int_equal(get(KERNEL + DATA), DATA); /* reading them is free */
    assert_int_equal(get(KERNEL + pt_of(0)), 0);
}

static void directory_entry_cleared(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    get(0x400000), get(0x401000);
    pde_set(PD0, 0x400000, 0);
    assert_int_equal(try_read(0x400000), SHADOW_PF);
    pde_set(PD0, 0x400000, pt_of(1) | URW);
    assert_int_equal(get(0x400000), DATA + 0x200000);
    pde_set(PD0, 0x400000, pt_of(0) | URO);
    assert_int_equal(get(0x400000), DATA + 0x100000);
    assert_int_equal(try_write(0x400000, 1), SHADOW_PF);
}

static void freed_page_table_is_an_ordinary_page_again(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    get(0x400000);
    pde_set(PD0, 0x400000, 0);
    run_as(PD0, false);
    int traps = 1;
    while (try_write(KERNEL + pt_of(0), 0x5555) == SHADOW_WATCHED) assert_true(++traps < 10);
    assert_int_equal(p->watch[pt_of(0) >> 12], 0);
}

static void self_map_follows(void **state)
{
    (void)state;
    two_spaces();
    pde_set(PD0, 0xffc00000, PD0 | KRW);
    run_as(PD0, false);
    u32 window_pte = 0xffc00000 + (0x400000 >> 10), v = 0;
    assert_int_equal(get(window_pte), pte_get(pt_of(0), 0x400000));
    assert_int_equal(touch(true, 0x400000, false, &v), SHADOW_MAPPED);
    assert_int_equal(get(window_pte), pte_get(pt_of(0), 0x400000));
    assert_int_equal(try_write(window_pte, 0), SHADOW_WATCHED);
    phys_write(p, fault_walk.pa, 0, 4);
    assert_int_equal(touch(true, 0x400000, false, &v), SHADOW_PF);
    assert_int_equal(try_write(0xfffff004, 0), SHADOW_WATCHED); /* the directory through itself */
    phys_write(p, fault_walk.pa, 0, 4);
    assert_int_equal(try_read(window_pte), SHADOW_PF);
}

static void dma_into_a_page_table(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    get(0x400000), get(0x401000);
    u32 entries[2] = {(DATA + 0x40000) | URW, 0};
    phys_dma_write(p, pt_of(0), entries, sizeof entries);
    assert_int_equal(get(0x400000), DATA + 0x40000);
    assert_int_equal(try_read(0x401000), SHADOW_PF);
}

static void user_downgrades_wait_behind_the_trap_area(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    for (u32 i = 0; i < 16; i++)
        if (i != 5) try_write(0x400000 + i * PAGE_BYTES, i);
    shadow_set_ring(s, false);
    const u8 *user = shadow_view(s)->user;
    u64 calls = shadow_stats(s)->mprotects;
    for (u32 i = 0; i < 16; i++) /* fork: copy on write */
        pte_set(pt_of(0), 0x400000 + i * PAGE_BYTES,
                pte_get(pt_of(0), 0x400000 + i * PAGE_BYTES) & ~(u32)PTE_W);
    assert_int_equal(shadow_stats(s)->mprotects, calls); /* nothing yet */
    assert_ptr_not_equal(shadow_view(s)->user, user);
    u32 v = 1;
    assert_int_equal(touch(true, 0x400000, true, &v), SHADOW_PF);
    assert_int_equal(shadow_stats(s)->mprotects, calls + 2); /* two runs */
    assert_ptr_equal(shadow_view(s)->user, user);
    shadow_set_ring(s, true);
    assert_int_equal(try_write(0x40f000, 1), SHADOW_PF);
    assert_int_equal(get(0x40f000), 15);
    assert_int_equal(get(0x405000), DATA + 0x100000 + 10 * PAGE_BYTES); /* the hole between them */
}

/* --- address spaces -------------------------------------------------------------------------------------- */

static void cr3_load_drops_nothing(void **state)
{
    (void)state;
    two_spaces();
    for (unsigned round = 0; round < 3; round++) {
        unsigned before = segvs;
        for (u32 i = 0; i < 16; i++) {
            run_as(PD0, true);
            assert_int_equal(get(0x400000 + i * PAGE_BYTES), DATA + 0x100000 + i * 2 * PAGE_BYTES);
            shadow_set_ring(s, false);
            assert_int_equal(get(KERNEL + 0x400000), DATA + 0x300000);
            run_as(PD1, true);
            assert_int_equal(get(0x400000 + i * PAGE_BYTES), DATA + 0x200000 + i * 2 * PAGE_BYTES);
            shadow_set_ring(s, false);
            assert_int_equal(get(KERNEL + 0x400000), DATA + 0x300000);
        }
        if (round) assert_int_equal(segvs, before);
    }
    assert_int_equal(shadow_stats(s)->slots_dropped, 0);
}

static void inactive_space_hears_of_changes(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    get(0x400000), get(0x401000), try_write(0x402000, 1);
    run_as(PD1, true);
    get(0x400000);
    pte_set(pt_of(0), 0x400000, (DATA + 0x9000) | URW);
    pte_set(pt_of(0), 0x401000, 0);
    pte_set(pt_of(0), 0x402000, (DATA + 0x9000) | URO | AD);
    run_as(PD0, true);
    assert_int_equal(get(0x400000), DATA + 0x9000);
    assert_int_equal(try_read(0x401000), SHADOW_PF);
    assert_int_equal(try_write(0x402000, 1), SHADOW_PF);
    run_as(PD1, true);
    pde_set(PD0, 0x400000, 0);
    run_as(PD0, true);
    assert_int_equal(try_read(0x400000), SHADOW_PF);
}

static void kernel_slots_that_differ_are_private(void **state)
{
    (void)state;
    two_spaces();
    u32 va = 0xc0800000;
    pde_set(PD0, va, pt_of(3) | KRW);
    pde_set(PD1, va, pt_of(4) | KRW);
    pte_set(pt_of(3), va, (DATA + 0x11000) | KRW);
    pte_set(pt_of(4), va, (DATA + 0x12000) | KRW);
    pde_set(PD0, 0xc0c00000, pt_of(5) | KRW); /* only PD0 has it: a kernel that synchronises by faults */
    pte_set(pt_of(5), 0xc0c00000, (DATA + 0x13000) | KRW);
    for (unsigned i = 0; i < 3; i++) {
        run_as(PD0, false);
        assert_int_equal(get(va), DATA + 0x11000);
        assert_int_equal(get(0xc0c00000), DATA + 0x13000);
        assert_int_equal(get(KERNEL + DATA), DATA);
        run_as(PD1, false);
        assert_int_equal(get(va), DATA + 0x12000);
        assert_int_equal(try_read(0xc0c00000), SHADOW_PF);
        unsigned before = segvs;
        assert_int_equal(get(KERNEL + DATA), DATA); /* what agrees stays */
        assert_int_equal(segvs, before);
    }
    pde_set(PD1, 0xc0c00000, pt_of(5) | KRW | PTE_A);
    assert_int_equal(get(0xc0c00000), DATA + 0x13000);
}

static void directory_changed_while_inactive(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, false);
    get(KERNEL + 0x400000);
    run_as(PD1, false);
    get(KERNEL + 0x400000);
    pde_set(PD0, KERNEL + 0x400000, 0);
    run_as(PD0, false);
    assert_int_equal(try_read(KERNEL + 0x400000), SHADOW_PF);
}

static void spaces_come_and_go(void **state)
{
    (void)state;
    two_spaces();
    for (unsigned n = 0; n < 600; n++) { /* more than there are windows */
        u32 pd = 0x400000 + n * 0x2000, pt = pd + 0x1000;
        pde_set(pd, 0x400000, pt | URW);
        pde_set(pd, KERNEL, 0 | KRW | PTE_PS | AD);
        pte_set(pt, 0x400000, (DATA + n * PAGE_BYTES) | URW);
        run_as(pd, true);
        assert_int_equal(get(0x400000), DATA + n * PAGE_BYTES);
    }
    assert_in_range(shadow_stats(s)->windows, 2, 256);
    for (unsigned n = 0; n < 600; n++) {
        u32 pd = 0x400000 + n * 0x2000;
        phys_write(p, pd + 4, 0, 4); /* exit */
        run_as(pd, true);
        assert_int_equal(try_read(0x400000), SHADOW_PF);
    }
    run_as(PD0, true);
    assert_int_equal(shadow_stats(s)->windows, 1);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
}

static void directory_outside_ram(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, false);
    get(KERNEL + DATA);
    run_as(0xe0000000, false);
    assert_int_equal(try_read(KERNEL + DATA), SHADOW_PF); /* all ones: reserved bits */
    run_as(PD0, false);
    pde_set(PD0, 0x400000, 0xfee00000 | URW); /* a table in device memory: valid ones, never shadowed */
    run_as(PD0, true);
    assert_int_equal(try_read(0x400000), SHADOW_MMIO);
}

/* --- VMAs ------------------------------------------------------------------------------------------------ */

static void vma_count_is_exact(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    for (u32 i = 0; i < 16; i += 3) try_write(0x400000 + i * PAGE_BYTES, 1);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    run_as(PD0, false);
    get(KERNEL);
    get(KERNEL + 0x400000);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    shadow_watch(s, 0x55, WATCH_CODE);
    shadow_watch(s, 0x56, WATCH_CODE);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    shadow_unwatch(s, 0x55, WATCH_CODE);
    try_write(KERNEL + 0x55000, 1);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    pde_set(PD0, KERNEL, 0);
    pde_set(PD0, KERNEL + 0x400000, 0);
    pde_set(PD0, 0x400000, 0);
    run_as(PD0, true);
    try_read(0x400000);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    assert_int_equal(shadow_stats(s)->vmas, 1);
}

static void runs_of_accessed_pages_fill_at_once(void **state)
{
    (void)state;
    two_spaces();
    for (u32 i = 0; i < 64; i++)
        pte_set(pt_of(0), 0x400000 + i * PAGE_BYTES, (DATA + i * PAGE_BYTES) | URW | (i < 40 ? AD : 0));
    run_as(PD0, true);
    get(0x410000);
    assert_int_equal(segvs, 1);
    for (u32 i = 0; i < 40; i++) try_write(0x400000 + i * PAGE_BYTES, i);
    assert_int_equal(segvs, 1);
    assert_int_equal(pte_get(pt_of(0), 0x400000 + 40 * PAGE_BYTES) & AD, 0);
    get(0x400000 + 40 * PAGE_BYTES);
    assert_int_equal(segvs, 2);
}

static void budget_evicts_and_keeps_working(void **state)
{
    (void)state;
    teardown(NULL);
    start(400);
    two_spaces();
    for (unsigned t = 0; t < 2; t++)
        for (unsigned n = 0; n < 6; n++) {
            u32 pt = pt_of(8 + t * 6 + n), va = 0x1000000 + n * 0x400000;
            pde_set(t ? PD1 : PD0, va, pt | URW);
            for (u32 i = 0; i < 128; i++) pte_set(pt, va + i * PAGE_BYTES, (DATA + i * 0x7000) | URW);
        }
    for (unsigned round = 0; round < 4; round++) {
        run_as(round & 1 ? PD1 : PD0, true);
        for (unsigned n = 0; n < 6; n++)
            for (u32 i = 0; i < 128; i++)
                assert_int_equal(get(0x1000000 + n * 0x400000 + i * PAGE_BYTES), DATA + i * 0x7000);
        assert_in_range(shadow_stats(s)->vmas, 1, 400);
        assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    }
    assert_true(shadow_stats(s)->evictions > 0);
    teardown(NULL);
    start(0);
}

/* Watches split mappings without a fill: in the window in use, and queued in one that is not. */
static void watches_cannot_exceed_the_budget(void **state)
{
    teardown(state);
    start(200);
    for (unsigned i = 0; i < 8; i++) pde_set(PD0, i << 22, i << 22 | URW | PTE_PS | AD);
    run_as(PD0, true);
    for (unsigned i = 0; i < 8; i++) try_read((i << 22) + DATA);
    for (u32 pfn = 0x800; pfn < 0x1000; pfn += 2) shadow_watch(s, pfn, WATCH_CODE);
    assert_in_range(shadow_stats(s)->vmas, 1, 200);
    run_as(PD1, true);
    for (u32 pfn = 0x1000; pfn < 0x1a00; pfn += 2) shadow_watch(s, pfn, WATCH_CODE);
    run_as(PD0, true);
    assert_in_range(shadow_stats(s)->vmas, 1, 240);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    for (u32 pfn = 0x800; pfn < 0x1a00; pfn += 2) assert_int_equal(get(pfn << 12), pfn << 12);
    assert_int_equal(try_write(0x802000, 1), SHADOW_WATCHED);
    assert_int_equal(try_write(0x803000, 1), SHADOW_MAPPED);
}

/* --- code ------------------------------------------------------------------------------------------------ */

static void fetch_has_its_rights_and_its_end(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    u32 pa, error, space = shadow_view(s)->space;
    bool shared;
    assert_int_equal(shadow_fetch(s, 0x400123, &pa, &shared, &error), SHADOW_MAPPED);
    assert_int_equal(pa, DATA + 0x100123);
    assert_false(shared);
    assert_int_equal(pte_get(pt_of(0), 0x400000) & AD, PTE_A);
    assert_int_equal(shadow_fetch(s, KERNEL, &pa, &shared, &error), SHADOW_PF);
    assert_int_equal(error, PF_P | PF_U);
    assert_int_equal(shadow_fetch(s, 0x410000, &pa, &shared, &error), SHADOW_PF);
    assert_int_equal(error, PF_U);
    pte_set(pt_of(0), 0x400000, (DATA + 0x100000) | URO | PTE_A); /* read-only: fetches go on */
    assert_int_equal(fetch_drops, 0);
    assert_int_equal(shadow_view(s)->space, space);
    pte_set(pt_of(0), 0x400000, 0);
    assert_int_equal(fetch_drops, 1);
    assert_int_equal(last_drop_va, 0x400000);
    assert_true(last_drop_user && !last_drop_shared);
    assert_int_not_equal(shadow_view(s)->space, space);

    shadow_set_ring(s, false);
    u32 shared_id = shadow_view(s)->shared;
    assert_int_equal(shadow_fetch(s, KERNEL + 0x400004, &pa, &shared, &error), SHADOW_MAPPED);
    assert_true(shared);
    pte_set(pt_of(2), KERNEL, (DATA + 0x9000) | KRW | PTE_A);
    assert_int_equal(fetch_drops, 2);
    assert_true(last_drop_shared);
    assert_int_not_equal(shadow_view(s)->shared, shared_id);
    assert_int_equal(shadow_fetch(s, 0x401000, &pa, &shared, &error),
                     SHADOW_MAPPED); /* ring 0 runs a user page */
    assert_false(shared);
    pte_set(pt_of(0), 0x401000, 0);
    assert_int_equal(fetch_drops, 3);
    assert_true(!last_drop_user && !last_drop_shared);
    shadow_fetch(s, KERNEL + 0x400004, &pa, &shared, &error);
    pg.wp = false; /* K1 is not in use now; links between shared pages know no windows */
    run_as(PD0, false);
    pte_set(pt_of(2), KERNEL, 0);
    assert_int_equal(fetch_drops, 4);
}

static void inactive_spaces_code_changes_its_identity(void **state)
{
    (void)state;
    two_spaces();
    u32 pa, error;
    bool shared;
    run_as(PD0, true);
    u32 space = shadow_view(s)->space;
    shadow_fetch(s, 0x400000, &pa, &shared, &error);
    run_as(PD1, true);
    assert_int_not_equal(shadow_view(s)->space, space);
    run_as(PD0, true);
    assert_int_equal(shadow_view(s)->space, space); /* came back as it was */
    run_as(PD1, true);
    pte_set(pt_of(0), 0x400000, 0);
    assert_int_equal(fetch_drops, 0);
    run_as(PD0, true);
    assert_int_not_equal(shadow_view(s)->space, space);
}

static void code_pages_are_write_protected(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    assert_int_equal(try_write(0x400000, 1), SHADOW_MAPPED);
    run_as(PD0, false);
    assert_int_equal(try_write(KERNEL + DATA + 0x100000, 1),
                     SHADOW_MAPPED); /* the same page from the kernel */
    shadow_watch(s, (DATA + 0x100000) >> 12, WATCH_CODE);
    assert_int_equal(try_write(KERNEL + DATA + 0x100000, 1), SHADOW_WATCHED);
    run_as(PD0, true);
    assert_int_equal(try_write(0x400000, 2), SHADOW_WATCHED);
    phys_write(p, fault_walk.pa, 2, 4);
    assert_int_equal(code_writes, 1);
    assert_int_equal(get(0x400000), 2);
    shadow_unwatch(s, (DATA + 0x100000) >> 12, WATCH_CODE);
    assert_int_equal(try_write(0x400000, 3), SHADOW_MAPPED);
}

static void page_that_loses_its_rights_comes_back_cheaply(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    u32 pte = pte_get(pt_of(0), 0x401000) | AD;
    pte_set(pt_of(0), 0x401000, pte);
    get(0x401000);
    u64 mmaps = shadow_stats(s)->mmaps;
    for (unsigned n = 0; n < 5; n++) {
        pte_set(pt_of(0), 0x401000, pte & ~1u);
        assert_int_equal(try_read(0x401000), SHADOW_PF);
        pte_set(pt_of(0), 0x401000, pte);
        assert_int_equal(try_write(0x401000, 7 + n), SHADOW_MAPPED);
        assert_int_equal(get(0x401000), 7 + n);
    }
    assert_int_equal(shadow_stats(s)->mmaps, mmaps);
    pte_set(pt_of(0), 0x401000, pte & ~1u); /* hidden; then another page takes its place */
    pte_set(pt_of(0), 0x401000, (pte & 0xfff) | (DATA + 0x200000));
    assert_int_equal(get(0x401000), DATA + 0x200000);
}

static void page_that_stands_for_many_is_read_once(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    get(0x403000); /* the directory entry is accessed */
    u32 zeros = (DATA + 0x3f0000) | URO | PTE_A;
    for (unsigned n = 0; n < 3; n++) {
        pte_set(pt_of(0), 0x400000 + n * PAGE_BYTES, zeros);
        assert_int_equal(shadow_prefill(s, 0x400000 + n * PAGE_BYTES, false, true), n == 0);
    }
    assert_int_equal(get(0x402000), DATA + 0x3f0000); /* what reads on has it mapped */
}

static void prefill_sets_no_bits(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, false);
    shadow_prefill(s, 0x400000, true, true);
    assert_int_equal(pte_get(pt_of(0), 0x400000) & AD, 0);
    pde_set(PD0, 0x400000, pt_of(0) | URW | PTE_A);
    pte_set(pt_of(0), 0x400000, (DATA + 0x100000) | URW | AD);
    shadow_prefill(s, 0x400000, true, true);
    shadow_set_ring(s, true);
    unsigned before = segvs;
    assert_int_equal(try_write(0x400000, 1), SHADOW_MAPPED);
    assert_int_equal(segvs, before);
}

/* --- the contract, at random ----------------------------------------------------------------------------- */

static u32 seed = 12345;
static u32 rnd(u32 n)
{
    seed = seed * 1664525u + 1013904223u;
    return (u32)((u64)n * (seed >> 4) >> 28);
}

static const u32 slots[] = {0x0, 0x400000, 0x40000000, 0xc0400000, 0xffc00000};
enum { PDS = 3, PTS = 6 };

static u32 random_va(void) { return slots[rnd(5)] + rnd(12) * PAGE_BYTES + rnd(2) * 4; }
static u32 random_rights(void) { return rnd(512) | (rnd(8) ? PTE_P : 0) | (rnd(2) ? PTE_A : 0); }
static u32 random_page(void)
{
    u32 n = rnd(40);
    if (n < 2) return 0xa0000 + rnd(3) * PAGE_BYTES; /* video memory, at times */
    if (n == 39) return 0xe0000000 + rnd(4) * PAGE_BYTES;
    if (n < 4) return 0xf0000;         /* ROM */
    if (n < 8) return pt_of(rnd(PTS)); /* tables mapped as data */
    if (n < 10) return PD0 + rnd(PDS) * PAGE_BYTES;
    return DATA + rnd(24) * PAGE_BYTES;
}
static u32 random_pde(void)
{
    u32 n = rnd(12);
    if (n == 0) return (rnd(4) << 22) | random_rights() | PTE_PS | PTE_P;
    if (n == 1) return (PD0 + rnd(PDS) * PAGE_BYTES) | (random_rights() & ~(u32)PTE_PS); /* self-map */
    if (n == 2) return rnd(2) ? 0 : 0x2000 | PTE_PS | random_rights();
    return pt_of(rnd(PTS)) | (random_rights() & ~(u32)PTE_PS) | PTE_W | PTE_U;
}

static void random_edit(void)
{
    u32 va = random_va(), pt = pt_of(rnd(PTS)), pd = PD0 + rnd(PDS) * PAGE_BYTES,
        v = random_page() | random_rights();
    switch (rnd(12)) {
    case 0: pde_set(pd, va, random_pde()); break;
    case 10:
    case 11: pde_set(pd, va, phys_read(p, pd + (va >> 22) * 4, 4) ^ BIT(rnd(7))); break;
    case 1: phys_write(p, pte_pa(pt, va), v, 1); break;
    case 2: phys_write(p, pte_pa(pt, va) + 2, v >> 16, 2); break;
    case 3: phys_dma_write(p, pte_pa(pt, va), &v, 4); break;
    case 4: pte_set(pt, va, pte_get(pt, va) ^ BIT(rnd(9))); break;
    default: pte_set(pt, va, v);
    }
}

/* A video card's window shows another bank, or nothing; its frame buffer comes and goes. */
static void random_video(void)
{
    u32 pa = rnd(4) ? 0xa0000 : 0xe0000000;
    phys_unmap_vram(p, pa, 2 * PAGE_BYTES);
    if (rnd(4)) phys_map_vram(p, pa, 2 * PAGE_BYTES, rnd(3) * PAGE_BYTES);
}

static void random_event(void)
{
    if (!rnd(8)) random_video();
    u32 pfn = random_page() >> 12;
    switch (rnd(12)) {
    case 0:
    case 1:
    case 2: run_as(PD0 + rnd(PDS) * PAGE_BYTES, rnd(2)); break;
    case 3:
    case 4:
    case 5: shadow_set_ring(s, rnd(2)); break;
    case 6: pg.wp = rnd(2), run_as(pg.cr3, rnd(2)); break;
    case 7: shadow_watch(s, pfn, WATCH_CODE); break;
    case 8:
    case 9: shadow_unwatch(s, pfn, WATCH_CODE); break;
    case 10:
        if (!rnd(20))
            phys_set_kind(p, 0xf0000, PAGE_BYTES, rnd(2) ? PAGE_RAM : PAGE_ROM);
        else
            shadow_prefill(s, random_va(), rnd(2), rnd(2));
        break;
    default:
        if (!rnd(20))
            pg.pse = !pg.pse, run_as(pg.cr3, rnd(2));
        else if (!rnd(20))
            phys_set_a20(p, rnd(4)), shadow_a20_changed(s);
        else if (!rnd(10))
            pg.on = !pg.on, run_as(pg.cr3, rnd(2));
    }
}

/* The ring is not the shadow's to tell: the test keeps it by setting it before each access. */
static void random_access(void)
{
    u32 va = random_va(), value = rnd(1 << 28), read = 0;
    bool user = rnd(2), write = rnd(2);
    unsigned flags = (user ? WALK_USER : 0) | (write ? WALK_WRITE : 0);
    shadow_set_ring(s, user);
    Walk want = mmu_walk(p, &pg, va, flags | WALK_NO_AD);
    u32 old = want.ok ? phys_read(p, want.pa, 4) : 0;
    ShadowResult r = access_guest(va, write, write ? &value : &read);
    if (!want.ok) {
        assert_int_equal(r, SHADOW_PF);
        assert_int_equal(fault_va, va);
        assert_int_equal(fault_walk.error, want.error);
        return;
    }
    assert_int_not_equal(r, SHADOW_PF);
    u8 kind = p->pages[want.pa >> 12].kind;
    bool table = want.pa >> 12 == want.pde_pa >> 12 || want.pa >> 12 == want.pte_pa >> 12;
    if (r == SHADOW_MMIO && kind != PAGE_NONE)
        assert_true(pg.on && p->pages[want.pte_pa >> 12].kind != PAGE_RAM);
    if (r == SHADOW_WATCHED) assert_true(fault_watch || (!want.writable && !pg.wp) || table);
    if (!write && !table) assert_int_equal(read, old);
    if (write && kind == PAGE_RAM) assert_int_equal(phys_read(p, want.pa, 4), value);
    if (write && kind == PAGE_ROM) assert_int_equal(phys_read(p, want.pa, 4), old);
    if (!pg.on || table) return;
    assert_int_equal(phys_read(p, want.pde_pa, 4), want.pde | PTE_A | (want.large && write ? PTE_D : 0));
    if (!want.large && p->pages[want.pte_pa >> 12].kind == PAGE_RAM && want.pte_pa != want.pde_pa)
        assert_int_equal(phys_read(p, want.pte_pa, 4), want.pte | PTE_A | (write ? PTE_D : 0));
}

static void random_guest(u32 first_seed, unsigned steps)
{
    u32 image[1024] = {0x0badf00d, 0x1badf00d};
    seed = first_seed;
    phys_add_rom(p, 0xf0000, image, sizeof image);
    assert_int_not_equal(phys_add_vram(p, 4 * PAGE_BYTES), 0);
    for (u32 pd = 0; pd < PDS; pd++)
        for (unsigned i = 0; i < 5; i++) pde_set(PD0 + pd * PAGE_BYTES, slots[i], random_pde());
    run_as(PD0, false);
    for (unsigned i = 0; i < steps; i++) {
        u32 n = rnd(16);
        if (n < 4)
            random_edit();
        else if (n < 6)
            random_event();
        else
            random_access();
        if (i % 1024 == 0) assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    }
}

static void random_accesses_agree_with_the_walk(void **state)
{
    const char *more = getenv("RING3_RANDOM_ROUNDS");
    unsigned rounds = more ? (unsigned)atoi(more) : 8;
    for (unsigned i = 0; i < rounds; i++) {
        teardown(state);
        start(i % 2 ? 0 : 70);
        random_guest(1000 + i * 77777, 4000);
    }
}

/* --- costs ----------------------------------------------------------------------------------------------- */

static void report(const char *what, u64 start_ns, unsigned n)
{
    printf("%-52s %8.2f us\n", what, (double)(host_now_ns() - start_ns) / n / 1000);
}

static void bench_fills(void)
{
    for (u32 i = 0; i < 1024; i++)
        pte_set(pt_of(0), 0x400000 + i * PAGE_BYTES, (DATA + (i * 7 % 1024) * 0x3000) | URW);
    run_as(PD0, true);
    u64 t = host_now_ns();
    for (u32 i = 0; i < 1024; i++) get(0x400000 + i * PAGE_BYTES);
    report("hidden fault, read of one scattered page", t, 1024);
    t = host_now_ns();
    for (u32 i = 0; i < 1024; i++) try_write(0x400000 + i * PAGE_BYTES, 1);
    report("hidden fault, first write (D bit, upgrade)", t, 1024);
    t = host_now_ns();
    for (u32 i = 0; i < 1024; i += 2)
        pte_set(pt_of(0), 0x400000 + i * PAGE_BYTES,
                pte_get(pt_of(0), 0x400000 + i * PAGE_BYTES) & ~(u32)PTE_W);
    report("downgrade at once, ring 3 current (DMA)", t, 512);
    shadow_set_ring(s, false);
    t = host_now_ns();
    for (u32 i = 1; i < 1024; i += 2)
        pte_set(pt_of(0), 0x400000 + i * PAGE_BYTES,
                pte_get(pt_of(0), 0x400000 + i * PAGE_BYTES) & ~(u32)PTE_W);
    report("downgrade queued, a page (fork)", t, 512);
    t = host_now_ns();
    shadow_set_ring(s, true);
    report("... and its flush, a page", t, 512);
    shadow_set_ring(s, false);
    t = host_now_ns();
    for (u32 i = 0; i < 1024; i++) pte_set(pt_of(0), 0x400000 + i * PAGE_BYTES, 0);
    pde_set(PD0, 0x400000, 0);
    shadow_set_ring(s, true);
    report("unmapping 1024 pages (exit), a page", t, 1024);
}

static void bench_runs(void)
{
    two_spaces();
    for (u32 i = 0; i < 1024; i++)
        pte_set(pt_of(0), 0x400000 + i * PAGE_BYTES, (DATA + i * PAGE_BYTES) | URW | AD);
    run_as(PD0, true);
    u64 t = host_now_ns();
    for (u32 i = 0; i < 1024; i++) try_write(0x400000 + i * PAGE_BYTES, 1);
    report("fill by runs of 65 accessed pages, a page", t, 1024);
    pde_set(PD0, 0x800000, 0x800000 | URW | PTE_PS | AD);
    t = host_now_ns();
    try_write(0x800000, 1);
    report("4 MiB page", t, 1);
    t = host_now_ns();
    for (u32 i = 0; i < 1024; i++) try_write(0x800000 + i * PAGE_BYTES, 1);
    report("... and the host's own fault, a page", t, 1024);
}

static void bench_switches(void)
{
    two_spaces();
    run_as(PD0, false), get(KERNEL), get(KERNEL + 0x400000);
    run_as(PD1, false);
    u64 t = host_now_ns();
    for (unsigned i = 0; i < 1000000; i++) run_as(i & 1 ? PD1 : PD0, false);
    report("CR3 switch", t, 1000000);
    t = host_now_ns();
    for (unsigned i = 0; i < 1000000; i++) shadow_set_ring(s, i & 1);
    report("ring switch", t, 1000000);
    shadow_set_ring(s, false);
    t = host_now_ns();
    for (unsigned i = 0; i < 1000000; i++) phys_write(p, pt_of(2) + 0xff0, i & ~1u, 4);
    report("store to a traced table, unused entry", t, 1000000);
    t = host_now_ns();
    for (unsigned i = 0; i < 1000; i++)
        shadow_watch(s, 0x200 + 2 * (i & 63), WATCH_CODE),
            shadow_unwatch(s, 0x200 + 2 * (i & 63), WATCH_CODE);
    report("watch of an unmapped or protected page", t, 1000);
    for (u32 i = 0; i < 512; i++) try_write(KERNEL + 0x200000 + i * PAGE_BYTES, 1);
    t = host_now_ns();
    for (unsigned i = 0; i < 200; i++) shadow_watch(s, 0x202 + 2 * i, WATCH_CODE);
    report("watch of a page inside a 4 MiB mapping (split)", t, 200);
    for (unsigned i = 0; i < 200; i++) shadow_unwatch(s, 0x202 + 2 * i, WATCH_CODE);
    t = host_now_ns();
    for (unsigned i = 0; i < 200; i++) try_write(KERNEL + 0x202000 + i * 2 * PAGE_BYTES, 1);
    report("... and its write after the unwatch (fault, merge)", t, 200);
}

static void bench(void **state)
{
    (void)state;
    two_spaces();
    bench_fills();
    bench_runs();
    bench_switches();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest benches[] = {TEST(bench)};
    const struct CMUnitTest tests[] = {
        TEST(real_mode_memory_is_a_few_mappings),
        TEST(a20_switches_the_odd_megabytes),
        TEST(rom_is_read_only_and_may_be_shadowed),
        TEST(video_memory_is_shown_in_several_places),
        TEST(operand_across_4_gib_is_emulated),
        TEST(first_read_sets_accessed_first_write_dirty),
        TEST(user_faults_have_the_guests_error_codes),
        TEST(ring0_goes_through_two_windows),
        TEST(write_protect_of_ring0),
        TEST(large_pages_map_whole),
        TEST(pse_off_makes_large_entries_tables),
        TEST(valid_entry_changed_without_invlpg),
        TEST(page_table_stores_are_trapped),
        TEST(directory_entry_cleared),
        TEST(freed_page_table_is_an_ordinary_page_again),
        TEST(self_map_follows),
        TEST(dma_into_a_page_table),
        TEST(user_downgrades_wait_behind_the_trap_area),
        TEST(cr3_load_drops_nothing),
        TEST(inactive_space_hears_of_changes),
        TEST(kernel_slots_that_differ_are_private),
        TEST(directory_changed_while_inactive),
        TEST(spaces_come_and_go),
        TEST(directory_outside_ram),
        TEST(vma_count_is_exact),
        TEST(runs_of_accessed_pages_fill_at_once),
        TEST(budget_evicts_and_keeps_working),
        TEST(watches_cannot_exceed_the_budget),
        TEST(fetch_has_its_rights_and_its_end),
        TEST(inactive_spaces_code_changes_its_identity),
        TEST(code_pages_are_write_protected),
        TEST(prefill_sets_no_bits),
        TEST(page_that_loses_its_rights_comes_back_cheaply),
        TEST(page_that_stands_for_many_is_read_once),
        TEST(random_accesses_agree_with_the_walk),
    };
    if (getenv("RING3_SHADOW_BENCH")) return cmocka_run_group_tests(benches, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
