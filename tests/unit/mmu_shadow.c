/* mmu_shadow.c - the shadow windows against the guest's page tables: what is mapped with which rights, accessed and
 * dirty bits, and that a change of a table holds at the next access.
 */
#define _GNU_SOURCE
#include "shadow_bench.h"

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
    assert_ptr_equal(shadow_view(s)->user_table, shadow_view(s)->table);
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
    assert_int_equal(touch(0xfffffffe, false, &v), SHADOW_WRAP);
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

static void ring0_has_user_pages_by_a_table(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, false);
    u32 v = 0;
    assert_int_equal(get(KERNEL + DATA), DATA);
    assert_int_equal(try_read(0x400000), SHADOW_USER);
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_MAPPED);
    assert_int_equal(v, DATA + 0x100000);
    assert_int_equal(touch_table(false, KERNEL + DATA, false, &v), SHADOW_MAPPED);
    assert_int_equal(v, DATA);
    assert_null(table_at(shadow_view(s)->user_table, KERNEL + DATA, false));
    assert_non_null(table_at(shadow_view(s)->table, KERNEL + DATA, false));
    assert_null(table_at(shadow_view(s)->table, 0x400000, false));
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
    assert_int_equal(touch_table(true, 0x400000, true, &v), SHADOW_PF);
    assert_int_equal(fault_walk.error, PF_W | PF_P);
    pg.wp = false;
    run_as(PD0, false);
    assert_int_equal(try_write(kva, 5), SHADOW_MAPPED);
    assert_int_equal(get(kva), 5);
    assert_int_equal(touch_table(true, 0x400000, true, &v),
                     SHADOW_WATCHED); /* U has ring 3's rights: emulate */
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
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_MAPPED);
    assert_int_equal(try_write(KERNEL + pt_of(0), 0), SHADOW_WATCHED);
    phys_write(p, fault_walk.pa, 0, 4); /* what the translator does then */
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_PF);
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
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_MAPPED);
    assert_int_equal(get(window_pte), pte_get(pt_of(0), 0x400000));
    assert_int_equal(try_write(window_pte, 0), SHADOW_WATCHED);
    phys_write(p, fault_walk.pa, 0, 4);
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_PF);
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

static void memory_that_was_given_back_reads_as_zeros(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    u32 pa = pte_get(pt_of(0), 0x400000) & ~(u32)PAGE_MASK, v = 0, beside = get(0x401000);
    assert_int_equal(get(0x400000), pa);
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_MAPPED);
    phys_discard(p, pa, PAGE_BYTES);
    assert_int_equal(get(0x400000), 0);
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_MAPPED);
    assert_int_equal(v, 0);
    assert_int_equal(try_write(0x400000, 77), SHADOW_MAPPED); /* and is memory again */
    assert_int_equal(phys_read(p, pa, 4), 77);
    assert_int_equal(get(0x401000), beside);
    phys_discard(p, pt_of(0), PAGE_BYTES); /* a page table that is in use */
    assert_int_equal(try_read(0x400000), SHADOW_PF);
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_PF);
}

static void downgrades_of_a_user_window_wait_those_of_its_table_do_not(void **state)
{
    (void)state;
    two_spaces();
    run_as(PD0, true);
    u32 v = 1;
    for (u32 i = 0; i < 16; i++)
        if (i != 5) try_write(0x400000 + i * PAGE_BYTES, i);
    assert_int_equal(touch_table(true, 0x401000, true, &v), SHADOW_MAPPED);
    assert_non_null(table_at(shadow_view(s)->user_table, 0x401000, true));
    shadow_set_ring(s, false);
    u64 calls = shadow_stats(s)->mprotects;
    for (u32 i = 0; i < 16; i++) /* fork: copy on write */
        pte_set(pt_of(0), 0x400000 + i * PAGE_BYTES,
                pte_get(pt_of(0), 0x400000 + i * PAGE_BYTES) & ~(u32)PTE_W);
    assert_int_equal(shadow_stats(s)->mprotects, calls); /* nothing yet */
    assert_null(table_at(shadow_view(s)->user_table, 0x401000, true));
    assert_non_null(table_at(shadow_view(s)->user_table, 0x401000, false));
    assert_int_equal(touch_table(true, 0x400000, true, &v), SHADOW_PF);
    assert_int_equal(shadow_stats(s)->mprotects, calls);
    shadow_set_ring(s, true);
    assert_int_equal(shadow_stats(s)->mprotects, calls + 2); /* two runs */
    assert_int_equal(try_write(0x40f000, 1), SHADOW_PF);
    assert_int_equal(get(0x40f000), 15);
    assert_int_equal(get(0x405000), DATA + 0x100000 + 10 * PAGE_BYTES); /* the hole between them */
}

static void stores_to_page_tables_go_a_short_way(void **state)
{
    (void)state;
    two_spaces();
    u32 pte = KERNEL + pte_pa(pt_of(0), 0x400000), old = pte_get(pt_of(0), 0x400000);
    run_as(PD0, true);
    get(0x400000);
    shadow_set_ring(s, false);
    assert_false(shadow_store32(s, pte, 0)); /* nothing known of that page yet */
    get(pte);
    get(KERNEL + DATA);
    assert_false(shadow_store32(s, KERNEL + DATA, 1));
    assert_false(shadow_store32(s, pte + 2, 1));
    assert_true(shadow_store32(s, pte, 0));
    assert_int_equal(pte_get(pt_of(0), 0x400000), 0);
    shadow_set_ring(s, true);
    assert_int_equal(try_read(0x400000), SHADOW_PF);
    shadow_set_ring(s, false);
    assert_true(shadow_store32(s, pte, old | PTE_A));
    shadow_set_ring(s, true);
    assert_int_equal(get(0x400000), DATA + 0x100000);
    shadow_watch(s, pt_of(0) >> PAGE_BITS, WATCH_CODE);
    shadow_set_ring(s, false);
    assert_false(shadow_store32(s, pte, 0));
}

static void a_table_knows_no_operand_over_two_pages(void **state)
{
    (void)state;
    u32 v = 0;
    two_spaces();
    run_as(PD0, true);
    assert_int_equal(touch_table(true, 0x400000, false, &v), SHADOW_MAPPED);
    assert_int_equal(touch_table(true, 0x401000, false, &v), SHADOW_MAPPED);
    assert_int_equal(touch_table(true, 0x400ffe, false, &v), SHADOW_STRADDLE);
    assert_int_equal(touch_table(true, 0xfffffffe, false, &v), SHADOW_STRADDLE);
}

static void pages_with_code_are_written_where_there_is_none(void **state)
{
    (void)state;
    u32 v = 1;
    two_spaces();
    run_as(PD0, true);
    assert_int_equal(touch_table(true, 0x400000, true, &v), SHADOW_MAPPED);
    const TableEntry *e = &shadow_view(s)->user_table[0x400];
    shadow_watch(s, fault_walk.pa >> PAGE_BITS, WATCH_CODE);
    assert_int_equal(e->write, 0);
    assert_int_equal(touch_table(true, 0x400000, true, &v), SHADOW_WATCHED);
    assert_int_equal(e->write, 0);
    code_is_open = true;
    assert_int_equal(touch_table(true, 0x400000, true, &v), SHADOW_WATCHED);
    assert_int_equal(e->write, ~0x400u + TABLE_CODE);
    pte_set(pt_of(0), 0x400000, pte_get(pt_of(0), 0x400000) & ~(u32)PTE_W);
    assert_int_equal(e->write, 0);
    assert_int_equal(e->read, ~0x400u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(real_mode_memory_is_a_few_mappings),
        TEST(a20_switches_the_odd_megabytes),
        TEST(rom_is_read_only_and_may_be_shadowed),
        TEST(video_memory_is_shown_in_several_places),
        TEST(operand_across_4_gib_is_emulated),
        TEST(first_read_sets_accessed_first_write_dirty),
        TEST(user_faults_have_the_guests_error_codes),
        TEST(ring0_has_user_pages_by_a_table),
        TEST(write_protect_of_ring0),
        TEST(large_pages_map_whole),
        TEST(pse_off_makes_large_entries_tables),
        TEST(valid_entry_changed_without_invlpg),
        TEST(page_table_stores_are_trapped),
        TEST(directory_entry_cleared),
        TEST(freed_page_table_is_an_ordinary_page_again),
        TEST(self_map_follows),
        TEST(dma_into_a_page_table),
        TEST(memory_that_was_given_back_reads_as_zeros),
        TEST(downgrades_of_a_user_window_wait_those_of_its_table_do_not),
        TEST(stores_to_page_tables_go_a_short_way),
        TEST(a_table_knows_no_operand_over_two_pages),
        TEST(pages_with_code_are_written_where_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
