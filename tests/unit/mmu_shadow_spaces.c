/* mmu_shadow_spaces.c - many windows: address spaces that come and go, the budget of host mappings, and code in windows.
 */
#define _GNU_SOURCE
#include "shadow_bench.h"

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

/* Two directories that both map a large page of the kernel's, clean: written in one it is not dirty in the other. */
static void a_large_page_gets_its_dirty_bit_in_each_directory(void **state)
{
    static const u32 pd[] = {PD0, PD1};
    const u32 va = KERNEL + 0x800000;
    (void)state;
    two_spaces();
    for (unsigned n = 0; n < 2; n++) pde_set(pd[n], va, 0x800000 | KRW | PTE_PS | PTE_A);
    for (unsigned n = 0; n < 4; n++) {
        run_as(pd[n % 2], true);
        get(0x400000); /* the space stays */
        shadow_set_ring(s, false);
        get(va);
    }
    for (unsigned n = 0; n < 2; n++) {
        run_as(pd[n], false);
        assert_int_equal(try_write(va, n), SHADOW_MAPPED);
        assert_true(phys_read(p, pd[n] + (va >> 22) * 4, 4) & PTE_D);
    }
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

/* The video card's window shows bank after bank while two address spaces have it mapped, side by side with pages of the frame
 * buffer that follow in memory as long as it shows the first bank. */
static void vma_count_is_exact_when_the_physical_map_changes(void **state)
{
    (void)state;
    two_spaces();
    assert_int_not_equal(phys_add_vram(p, 64 * PAGE_BYTES), 0);
    for (unsigned n = 0; n < 2; n++)
        for (unsigned i = 0; i < 16; i++)
            pte_set(pt_of(n), 0x400000 + i * PAGE_BYTES,
                    ((i & 1 ? 0xe0000000 : 0xa0000) + i * PAGE_BYTES) | URW);
    phys_map_vram(p, 0xe0000000, 64 * PAGE_BYTES, 0);
    for (unsigned turn = 0; turn < 8; turn++) {
        phys_map_vram(p, 0xa0000, 16 * PAGE_BYTES, (turn & 3) * 16 * PAGE_BYTES);
        for (unsigned n = 0; n < 2; n++) {
            run_as(n ? PD1 : PD0, true);
            for (u32 i = 0; i < 16; i += 1 + turn % 3)
                assert_int_equal(try_write(0x400000 + i * PAGE_BYTES, i), SHADOW_MAPPED);
        }
        assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
        phys_unmap_vram(p, 0xa0000, 16 * PAGE_BYTES);
        assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    }
    phys_unmap_vram(p, 0xe0000000, 64 * PAGE_BYTES);
    run_as(PD0, true);
    run_as(PD1, true);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cr3_load_drops_nothing),
        TEST(inactive_space_hears_of_changes),
        TEST(kernel_slots_that_differ_are_private),
        TEST(directory_changed_while_inactive),
        TEST(a_large_page_gets_its_dirty_bit_in_each_directory),
        TEST(spaces_come_and_go),
        TEST(directory_outside_ram),
        TEST(vma_count_is_exact),
        TEST(vma_count_is_exact_when_the_physical_map_changes),
        TEST(runs_of_accessed_pages_fill_at_once),
        TEST(budget_evicts_and_keeps_working),
        TEST(watches_cannot_exceed_the_budget),
        TEST(fetch_has_its_rights_and_its_end),
        TEST(inactive_spaces_code_changes_its_identity),
        TEST(code_pages_are_write_protected),
        TEST(page_that_loses_its_rights_comes_back_cheaply),
        TEST(page_that_stands_for_many_is_read_once),
        TEST(prefill_sets_no_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
