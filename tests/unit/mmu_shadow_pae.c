/* mmu_shadow_pae.c - address spaces with PAE: directories that several of them share, tables written by halves, and a
 * kernel that hides itself from user code by changing CR3 at each entry and exit. (Everything else:
 * mmu_shadow_random.c.) */
#define _GNU_SOURCE
#include "shadow_bench.h"

enum {
    PD_LOW = PD0,
    PD_KERNEL = PD0 + 0x1000,
    PD_HIDDEN = PD0 + 0x2000,
    PD_OTHER = PD0 + 0x3000,
    KERNEL_SLOTS = 6
};
#define ENTRY (KERNEL + (u32)KERNEL_SLOTS * 0x200000) /* what the hidden kernel still shows */
#define USER  0x400000u

static void run_in(u32 low, u32 high, bool user)
{
    memset(pg.pdpte, 0, sizeof pg.pdpte);
    pg.pdpte[0] = low | PTE_P;
    pg.pdpte[3] = high | PTE_P;
    run_as(0, user);
}

/* Kernel pages of KERNEL_SLOTS directory entries by tables 1 .., the entry page by table 0; user pages by table 9. */
static void kernel_and_user(void)
{
    pg.pae = pg.nx = true;
    for (unsigned n = 0; n < KERNEL_SLOTS; n++) {
        pde_set(PD_KERNEL, KERNEL + n * 0x200000, pt_of(1 + n) | KRW | PTE_A);
        for (u32 i = 0; i < 8; i++)
            pte_set(pt_of(1 + n), i * PAGE_BYTES, (DATA + (n * 8 + i) * 2 * PAGE_BYTES) | KRW | AD);
    }
    pde_set(PD_KERNEL, ENTRY, pt_of(0) | KRW | PTE_A);
    pde_set(PD_HIDDEN, ENTRY, pt_of(0) | KRW | PTE_A);
    pte_set(pt_of(0), ENTRY, (DATA + 0x400000) | KRW | AD);
    pde_set(PD_LOW, USER, pt_of(9) | URW | PTE_A);
    pte_set(pt_of(9), USER, (DATA + 0x500000) | URW | AD);
}

static void touch_kernel(void)
{
    for (unsigned n = 0; n < KERNEL_SLOTS; n++)
        for (u32 i = 0; i < 8; i += 7)
            assert_int_equal(get(KERNEL + n * 0x200000 + i * PAGE_BYTES),
                             DATA + (n * 8 + i) * 2 * PAGE_BYTES);
    assert_int_equal(get(ENTRY), DATA + 0x400000);
}

static void a_hidden_kernel_is_kept_and_stays_hidden(void **state)
{
    u64 fills = 0, dropped = 0;
    (void)state;
    kernel_and_user();
    for (unsigned round = 0; round < 20; round++) {
        run_in(PD_LOW, PD_KERNEL, false);
        touch_kernel();
        run_in(PD_LOW, PD_HIDDEN, false);
        assert_int_equal(get(ENTRY), DATA + 0x400000);
        assert_int_equal(try_read(KERNEL), SHADOW_PF);
        assert_int_equal(try_read(KERNEL + 0x200000), SHADOW_PF);
        shadow_set_ring(s, true);
        assert_int_equal(get(USER), DATA + 0x500000);
        if (round == 2) {
            fills = shadow_stats(s)->fills;
            dropped = shadow_stats(s)->slots_dropped;
        }
    }
    assert_int_equal(shadow_stats(s)->fills, fills);
    assert_int_equal(shadow_stats(s)->slots_dropped, dropped);
    assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
}

/* A second process, with the same two kernel directories, goes with the same views. */
static void processes_share_both_views(void **state)
{
    (void)state;
    kernel_and_user();
    pde_set(PD_OTHER, USER, pt_of(9) | URW | PTE_A);
    for (unsigned round = 0; round < 3; round++) {
        run_in(PD_LOW, PD_KERNEL, false), touch_kernel();
        u8 kernel = shadow_view(s)->kernel;
        run_in(PD_LOW, PD_HIDDEN, false), get(ENTRY);
        assert_int_not_equal(shadow_view(s)->kernel, kernel);
        u64 fills = shadow_stats(s)->fills;
        run_in(PD_OTHER, PD_HIDDEN, false), get(ENTRY);
        assert_int_not_equal(shadow_view(s)->kernel, kernel);
        run_in(PD_OTHER, PD_KERNEL, false), touch_kernel();
        assert_int_equal(shadow_view(s)->kernel, kernel);
        assert_int_equal(shadow_stats(s)->fills, fills);
    }
}

/* A change of the shared directory counts in all spaces, active or not, and of a table under it. */
static void a_shared_directory_is_followed_everywhere(void **state)
{
    (void)state;
    kernel_and_user();
    run_in(PD_LOW, PD_KERNEL, false), touch_kernel();
    run_in(PD_OTHER, PD_KERNEL, false), touch_kernel();
    pde_set(PD_KERNEL, KERNEL, 0);
    assert_int_equal(try_read(KERNEL), SHADOW_PF);
    run_in(PD_LOW, PD_KERNEL, false);
    assert_int_equal(try_read(KERNEL), SHADOW_PF);
    pde_set(PD_KERNEL, KERNEL, pt_of(2) | KRW | PTE_A);
    assert_int_equal(get(KERNEL), DATA + 8 * 2 * PAGE_BYTES);
    assert_int_equal(get(KERNEL + 0x200000), DATA + 8 * 2 * PAGE_BYTES); /* one table, two slots */
    pte_set(pt_of(2), 0, (DATA + 0x600000) | KRW | AD);
    assert_int_equal(get(KERNEL), DATA + 0x600000);
    assert_int_equal(get(KERNEL + 0x200000), DATA + 0x600000);
}

/* One directory at two places of the same address space. */
static void a_directory_may_stand_twice(void **state)
{
    (void)state;
    kernel_and_user();
    pg.pdpte[0] = pg.pdpte[1] = PD_LOW | PTE_P;
    run_as(0, true);
    assert_int_equal(get(USER), DATA + 0x500000);
    assert_int_equal(get(USER + 0x40000000), DATA + 0x500000);
    pde_set(PD_LOW, USER, 0);
    assert_int_equal(try_read(USER), SHADOW_PF);
    assert_int_equal(try_read(USER + 0x40000000), SHADOW_PF);
}

/* The half of an entry that makes it reserved, or leads it above 4 GiB, and back. */
static void the_high_half_counts(void **state)
{
    u32 at;
    (void)state;
    kernel_and_user();
    at = pte_pa(pt_of(9), USER) + 4;
    run_in(PD_LOW, PD_KERNEL, true);
    for (unsigned table = 0; table < 2; table++) {
        u32 v = 0;
        assert_int_equal(table ? touch_table(true, USER, false, &v) : touch(USER, false, &v), SHADOW_MAPPED);
        phys_write(p, at, 1 << 4, 4);
        assert_int_equal(table ? touch_table(true, USER, false, &v) : touch(USER, false, &v), SHADOW_PF);
        assert_int_equal(fault_walk.error, PF_P | PF_U | PF_RSVD);
        phys_write(p, at, 1 << 3, 4);
        assert_int_equal(table ? touch_table(true, USER, false, &v) : touch(USER, false, &v), SHADOW_MMIO);
        assert_int_equal(phys_read(p, fault_walk.pa, 4), ~0u);
        phys_write(p, at, 0, 4);
    }
    assert_int_equal(get(USER), DATA + 0x500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hidden_kernel_is_kept_and_stays_hidden),
        TEST(processes_share_both_views),
        TEST(a_shared_directory_is_followed_everywhere),
        TEST(a_directory_may_stand_twice),
        TEST(the_high_half_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
