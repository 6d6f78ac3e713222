/* mmu_walk.c - translation, rights, error codes and A/D bits of the software page walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mmu/walk.h"

enum { PD = 0x10000, PT = 0x11000, VA = 0x00401234, SLOT = 1, INDEX = 1, PAGE = 0x80000 };

static Phys *p;
static Paging pg;
static unsigned told;

static void tell(void *ctx, u32 pa, u32 bytes, u8 watch)
{
    (void)ctx, (void)pa, (void)bytes, (void)watch, told++;
}

static int setup(void **state)
{
    (void)state;
    p = phys_new(bus_new(), 16 << 20);
    pg = (Paging){.cr3 = PD | 0x18, .on = true, .wp = true, .pse = true, .pge = true}; /* PWT, PCD: ignored */
    p->on_written = tell;
    told = 0;
    return p ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    bus_free(p->bus);
    phys_free(p);
    return 0;
}

static void map(u32 pde_bits, u32 pte_bits)
{
    phys_write(p, PD + 4 * SLOT, PT | pde_bits, 4);
    phys_write(p, PT + 4 * INDEX, PAGE | pte_bits, 4);
}
static u32 pde(void) { return phys_read(p, PD + 4 * SLOT, 4); }
static u32 pte(void) { return phys_read(p, PT + 4 * INDEX, 4); }

static void paging_off_is_identity(void **state)
{
    (void)state;
    pg.on = false;
    Walk w = mmu_walk(p, &pg, 0x00123456, WALK_WRITE | WALK_USER);
    assert_true(w.ok && w.writable && w.user);
    assert_int_equal(w.pa, 0x00123456);
    phys_set_a20(p, false);
    assert_int_equal(mmu_walk(p, &pg, 0x00123456, 0).pa, 0x00023456);
}

static void read_sets_accessed_and_write_sets_dirty(void **state)
{
    (void)state;
    map(PTE_P | PTE_W | PTE_U, PTE_P | PTE_W | PTE_U);
    Walk w = mmu_walk(p, &pg, VA, WALK_USER);
    assert_true(w.ok);
    assert_int_equal(w.pa, PAGE | 0x234);
    assert_int_equal(w.pde_pa, PD + 4 * SLOT);
    assert_int_equal(w.pte_pa, PT + 4 * INDEX);
    assert_false(w.dirty);
    assert_int_equal(pde() & (PTE_A | PTE_D), PTE_A);
    assert_int_equal(pte() & (PTE_A | PTE_D), PTE_A);
    w = mmu_walk(p, &pg, VA, WALK_USER | WALK_WRITE);
    assert_true(w.ok && w.dirty);
    assert_int_equal(pde() & (PTE_A | PTE_D), PTE_A);
    assert_int_equal(pte() & (PTE_A | PTE_D), PTE_A | PTE_D);
    assert_int_equal(w.pte, pte());
}

static void debugger_walk_leaves_no_trace(void **state)
{
    (void)state;
    map(PTE_P | PTE_W, PTE_P | PTE_W);
    assert_true(mmu_walk(p, &pg, VA, WALK_WRITE | WALK_NO_AD).ok);
    assert_int_equal((pde() | pte()) & (PTE_A | PTE_D), 0);
}

static void watchers_hear_of_changed_entries_only(void **state)
{
    (void)state;
    map(PTE_P, PTE_P);
    p->watch[PD >> 12] = p->watch[PT >> 12] = WATCH_PT;
    mmu_walk(p, &pg, VA, 0);
    assert_int_equal(told, 2);
    mmu_walk(p, &pg, VA, 0);
    assert_int_equal(told, 2);
}

/* Every combination of rights, against the table in SDM 4.6. */
static void rights_and_error_codes(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256; n++) {
        u32 d = n & 7, t = n >> 3 & 7;
        bool write = n & 64, user = n & 128;
        for (pg.wp = false;; pg.wp = true) {
            map(d, t);
            Walk w = mmu_walk(p, &pg, VA, (write ? WALK_WRITE : 0) | (user ? WALK_USER : 0));
            bool present = d & t & PTE_P, u = d & t & PTE_U, rw = d & t & PTE_W;
            bool ok = present && (!user || u) && (!write || rw || (!user && !pg.wp));
            assert_int_equal(w.ok, ok);
            if (!ok) {
                assert_int_equal(w.error, (present ? PF_P : 0) | (write ? PF_W : 0) | (user ? PF_U : 0));
                assert_int_equal((pde() | pte()) & (PTE_A | PTE_D), 0);
            }
            if (pg.wp) break;
        }
    }
}

static void large_pages(void **state)
{
    (void)state;
    phys_write(p, PD + 4 * SLOT, 0x00800000 | PTE_P | PTE_W | PTE_PS | PTE_G, 4);
    Walk w = mmu_walk(p, &pg, 0x00654321, WALK_WRITE);
    assert_true(w.ok && w.large && w.global && w.dirty && w.writable && !w.user);
    assert_int_equal(w.pa, 0x00800000 + 0x254321);
    assert_int_equal(w.pte_pa, 0);
    assert_int_equal(pde() & (PTE_A | PTE_D), PTE_A | PTE_D);
    pg.pge = false;
    assert_false(mmu_walk(p, &pg, 0x00654321, 0).global);
    pg.pse = false; /* PS is ignored: the entry points at a page table, and 800000h holds zeroes */
    w = mmu_walk(p, &pg, 0x00654321, WALK_WRITE);
    assert_false(w.ok);
    assert_int_equal(w.error, PF_W);
}

static void reserved_bits_of_a_large_page_fault(void **state)
{
    (void)state;
    phys_write(p, PD + 4 * SLOT, 0x00802000 | PTE_P | PTE_W | PTE_U | PTE_PS, 4);
    Walk w = mmu_walk(p, &pg, VA, WALK_USER | WALK_WRITE);
    assert_false(w.ok);
    assert_int_equal(w.error, PF_P | PF_W | PF_U | PF_RSVD);
    assert_int_equal(pde() & PTE_A, 0);
    phys_write(p, PD + 4 * SLOT, 0x00801000 | PTE_P | PTE_PS, 4); /* bit 12 is PAT */
    assert_true(mmu_walk(p, &pg, VA, 0).ok);
}

static void directory_that_maps_itself(void **state)
{
    (void)state;
    phys_write(p, PD + 4 * 1023, PD | PTE_P | PTE_W, 4);
    Walk w = mmu_walk(p, &pg, 0xfffffffc, WALK_WRITE);
    assert_true(w.ok);
    assert_int_equal(w.pa, PD + 0xffc);
    assert_int_equal(phys_read(p, PD + 4 * 1023, 4), PD | PTE_P | PTE_W | PTE_A | PTE_D);
}

static void tables_outside_memory_are_not_present_or_ones(void **state)
{
    (void)state;
    pg.cr3 = 0xe0000000; /* reads as ones: a large page with reserved bits */
    Walk w = mmu_walk(p, &pg, VA, 0);
    assert_false(w.ok);
    assert_int_equal(w.error, PF_P | PF_RSVD);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(paging_off_is_identity),
        TEST(read_sets_accessed_and_write_sets_dirty),
        TEST(debugger_walk_leaves_no_trace),
        TEST(watchers_hear_of_changed_entries_only),
        TEST(rights_and_error_codes),
        TEST(large_pages),
        TEST(reserved_bits_of_a_large_page_fault),
        TEST(directory_that_maps_itself),
        TEST(tables_outside_memory_are_not_present_or_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
