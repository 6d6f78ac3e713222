/* mmu_walk_pae.c - the software page walk with PAE: three levels, entries of 64 bits, NX, reserved bits, 2 MiB pages
 * and what lies above 4 GiB. One test compares it with the rules of SDM vol. 3, 4.4 and 4.6, written down once more,
 * on random tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mmu/walk.h"

enum { PD = 0x10000, PT = 0x14000, PAGE = 0x80000, RIGHTS = PTE_P | PTE_W | PTE_U };
#define VA 0xc0604234u /* directory 3, its entry 3, entry 4 of the table */
enum { PDE_AT = PD + 3 * PAGE_BYTES + 8 * 3, PTE_AT = PT + 8 * 4 };

static Phys *p;
static Paging pg;

static void poke64(u32 pa, u64 v)
{
    phys_write(p, pa, (u32)v, 4);
    phys_write(p, pa + 4, (u32)(v >> 32), 4);
}

static int setup(void **state)
{
    (void)state;
    p = phys_new(bus_new(), 16 << 20);
    pg = (Paging){.cr3 = 0x20, .on = true, .wp = true, .pge = true, .pae = true};
    for (unsigned n = 0; n < 4; n++) pg.pdpte[n] = (PD + n * PAGE_BYTES) | PTE_P;
    return p ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    bus_free(p->bus);
    phys_free(p);
    return 0;
}

static void map(u64 pde_bits, u64 pte_bits)
{
    poke64(PDE_AT, PT | pde_bits);
    poke64(PTE_AT, PAGE | pte_bits);
}

static void three_levels_lead_to_a_page(void **state)
{
    (void)state;
    map(RIGHTS, RIGHTS | PTE_G);
    Walk w = mmu_walk(p, &pg, VA, WALK_USER);
    assert_true(w.ok && w.writable && w.user && w.global && !w.dirty && !w.large && !w.nx);
    assert_int_equal(w.pa, PAGE | 0x234);
    assert_int_equal(w.pde_pa, PDE_AT);
    assert_int_equal(w.pte_pa, PTE_AT);
    assert_int_equal(phys_read64(p, PDE_AT), PT | RIGHTS | PTE_A);
    assert_int_equal(phys_read64(p, PTE_AT), PAGE | RIGHTS | PTE_G | PTE_A);
    w = mmu_walk(p, &pg, VA, WALK_WRITE);
    assert_true(w.ok && w.dirty);
    assert_int_equal(phys_read64(p, PTE_AT), PAGE | RIGHTS | PTE_G | PTE_A | PTE_D);
    assert_false(mmu_walk(p, &pg, VA + (1u << 30), 0).ok);
}

static void each_level_may_be_absent(void **state)
{
    (void)state;
    map(RIGHTS, RIGHTS);
    pg.pdpte[3] &= ~(u64)PTE_P;
    assert_int_equal(mmu_walk(p, &pg, VA, WALK_USER | WALK_WRITE).error, PF_U | PF_W);
    pg.pdpte[3] |= PTE_P;
    map(RIGHTS & ~PTE_P, RIGHTS);
    assert_int_equal(mmu_walk(p, &pg, VA, 0).error, 0);
    map(RIGHTS, (RIGHTS & ~PTE_P) | PTE_NX | 1ull << 40); /* nothing else counts then */
    Walk w = mmu_walk(p, &pg, VA, 0);
    assert_false(w.ok);
    assert_int_equal(w.error, 0);
}

static void no_execute_is_about_fetches(void **state)
{
    (void)state;
    pg.nx = true;
    for (unsigned n = 0; n < 4; n++) {
        map(RIGHTS | (n & 1 ? PTE_NX : 0), RIGHTS | (n & 2 ? PTE_NX : 0));
        assert_true(mmu_walk(p, &pg, VA, WALK_USER | WALK_WRITE).ok);
        Walk w = mmu_walk(p, &pg, VA, WALK_USER | WALK_FETCH);
        assert_int_equal(w.ok, n == 0);
        assert_int_equal(w.nx, n != 0);
        if (n) assert_int_equal(w.error, PF_P | PF_U | PF_I);
    }
    map(RIGHTS, 0);
    assert_int_equal(mmu_walk(p, &pg, VA, WALK_FETCH).error, PF_I);
    pg.nx = false; /* the cause of a fetch has no bit, and bit 63 is reserved */
    assert_int_equal(mmu_walk(p, &pg, VA, WALK_FETCH).error, 0);
    map(RIGHTS, RIGHTS | PTE_NX);
    assert_int_equal(mmu_walk(p, &pg, VA, 0).error, PF_P | PF_RSVD);
    map(RIGHTS | PTE_NX, RIGHTS);
    assert_int_equal(mmu_walk(p, &pg, VA, WALK_FETCH | WALK_USER).error, PF_P | PF_RSVD | PF_U);
}

static void reserved_bits_fault_at_either_level(void **state)
{
    (void)state;
    for (unsigned bit = 36; bit < 63; bit++) {
        map(RIGHTS | 1ull << bit, 0); /* found before the next level is looked at */
        assert_int_equal(mmu_walk(p, &pg, VA, WALK_USER).error, PF_P | PF_U | PF_RSVD);
        map(RIGHTS, RIGHTS | 1ull << bit);
        assert_int_equal(mmu_walk(p, &pg, VA, WALK_WRITE).error, PF_P | PF_W | PF_RSVD);
        assert_int_equal(phys_read64(p, PDE_AT) & PTE_A, 0);
    }
    for (unsigned bit = 13; bit < 21; bit++) {
        map(0, 0);
        poke64(PDE_AT, 0x800000 | RIGHTS | PTE_PS | 1ull << bit);
        assert_int_equal(mmu_walk(p, &pg, VA, 0).error, PF_P | PF_RSVD);
    }
}

static void large_pages_have_2_mib_whatever_cr4_pse_says(void **state)
{
    (void)state;
    poke64(PDE_AT, 0x00a00000 | RIGHTS | PTE_PS | PTE_G | 1 << 12 /* PAT */);
    Walk w = mmu_walk(p, &pg, VA, WALK_WRITE);
    assert_true(w.ok && w.large && w.dirty && w.global);
    assert_int_equal(w.pa, 0x00a04234);
    assert_int_equal(w.pte_pa, 0);
    assert_int_equal((u32)phys_read64(p, PDE_AT) & (PTE_A | PTE_D), PTE_A | PTE_D);
}

/* Nothing answers there: not the memory with the same low bits, and no table is found there. */
static void above_4_gib_there_is_nothing(void **state)
{
    (void)state;
    phys_write(p, PAGE | 0x234, 0x12345678, 4);
    for (unsigned bit = 32; bit < 36; bit++) {
        map(RIGHTS, RIGHTS | 1ull << bit);
        Walk w = mmu_walk(p, &pg, VA, WALK_WRITE);
        assert_true(w.ok);
        assert_int_equal(phys_read(p, w.pa, 4), 0xffffffff);
        assert_int_equal(phys_read(p, w.pa, 1), 0xff);
        phys_write(p, w.pa, 0, 4);
        assert_int_equal(phys_read(p, w.pa, 4), 0xffffffff);
        map(RIGHTS | 1ull << bit, RIGHTS); /* a table of ones */
        assert_int_equal(mmu_walk(p, &pg, VA, 0).error, PF_P | PF_RSVD);
        poke64(PDE_AT, 0x00a00000 | RIGHTS | PTE_PS | 1ull << bit);
        w = mmu_walk(p, &pg, VA, 0);
        assert_true(w.ok);
        assert_int_equal(phys_read(p, w.pa, 4), 0xffffffff);
        map(RIGHTS, RIGHTS);
        u64 good = pg.pdpte[3];
        pg.pdpte[3] |= 1ull << bit;
        assert_int_equal(mmu_walk(p, &pg, VA, 0).error, PF_P | PF_RSVD);
        pg.pdpte[3] = good;
    }
    assert_int_equal(phys_read(p, PAGE | 0x234, 4), 0x12345678);
}

/* Not even a BAR that lies over that page. */
static u32 dev_read(void *dev, u32 offset, unsigned bytes)
{
    return (void)dev, (void)offset, (void)bytes, 0x55;
}
static void dev_write(void *dev, u32 offset, u32 v, unsigned bytes)
{
    (void)offset, (void)bytes;
    *(u32 *)dev = v;
}
static void a_device_cannot_lie_there(void **state)
{
    static const IoOps ops = {dev_read, dev_write, 1, 4};
    u32 written = 0;
    (void)state;
    bus_add_mmio(p->bus, 0xfe000000u, 16 << 20, &ops, &written, "dev");
    assert_int_equal(phys_read(p, PA_NOWHERE - 4, 4), 0x55);
    assert_int_equal(phys_read(p, PA_NOWHERE, 4), 0xffffffff);
    phys_write(p, PA_NOWHERE + 8, 7, 4);
    assert_int_equal(written, 0);
    assert_int_equal(phys_read64(p, PA_NOWHERE + 8), ~0ull);
    phys_write(p, PA_NOWHERE + PAGE_BYTES, 7, 4);
    assert_int_equal(written, 7);
    assert_int_not_equal(phys_add_vram(p, 2 << 20), 0);
    phys_map_vram(p, 0xfec00000u, 2 << 20, 0);
    assert_int_equal(phys_read(p, PA_NOWHERE - 4, 4), 0);
    assert_int_equal(phys_read(p, PA_NOWHERE, 4), 0xffffffff);
}

/* --- against the rules ------------------------------------------------------------------------------------ */

static u64 seed = 1;
static u32 rnd(u32 n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)((seed >> 33) % n);
}

typedef struct Expect {
    bool ok;
    u32 error, pa;
    u64 pde, pte; /* afterwards */
} Expect;

static bool reserved(u64 e, bool large)
{
    for (unsigned bit = 36; bit < 63; bit++)
        if (e >> bit & 1) return true;
    if (e >> 63 && !pg.nx) return true;
    for (unsigned bit = 13; large && bit <= 20; bit++)
        if (e >> bit & 1) return true;
    return false;
}

static Expect by_the_rules(u64 pde, u64 pte, unsigned flags)
{
    bool write = flags & WALK_WRITE, user = flags & WALK_USER, fetch = flags & WALK_FETCH,
         large = pde >> 7 & 1;
    u64 leaf = large ? pde : pte, both = large ? pde : pde & pte;
    Expect x = {.error = 2 * write + 4 * user + 16 * (fetch && pg.nx), .pde = pde, .pte = pte};
    if (!(pde & 1)) return x;
    bool bad = reserved(pde, large);
    if (!bad && !large) {
        if (!(pte & 1)) return x;
        bad = reserved(pte, false);
    }
    x.error += 1 + 8 * bad;
    if (bad) return x;
    if (user && !(both & 4)) return x;
    if (write && !(both & 2) && (user || pg.wp)) return x;
    if (fetch && pg.nx && (pde | leaf) >> 63) return x;
    x.ok = true;
    u64 pa = large ? (leaf & 0xfffe00000ull) + (VA & 0x1fffff) : (leaf & 0xffffff000ull) + (VA & 0xfff);
    x.pa = pa >> 32 ? PA_NOWHERE + (VA & 0xfff) : (u32)pa;
    x.pde |= large && write ? 0x60 : 0x20;
    if (!large) x.pte |= write ? 0x60 : 0x20;
    return x;
}

static u64 random_entry(u64 pa)
{
    u64 e = pa | rnd(128) | (rnd(8) ? 1 : 0);
    if (!rnd(6)) e |= 1ull << (12 + rnd(52));
    if (!rnd(4)) e |= PTE_NX;
    return e;
}

static void random_tables_are_walked_by_the_rules(void **state)
{
    unsigned found = 0;
    (void)state;
    for (unsigned n = 0; n < 100000; n++) {
        u64 pde = rnd(4) ? random_entry(PT) & ~(u64)PTE_PS : random_entry(0x800000) | PTE_PS,
            pte = random_entry(PAGE);
        unsigned flags = rnd(2) * WALK_WRITE + rnd(2) * WALK_USER;
        if (!(flags & WALK_WRITE)) flags |= rnd(2) * WALK_FETCH;
        if (!(pde & PTE_PS) && (pde ^ PT) & PTE_PA) continue; /* another table */
        pg.wp = rnd(2);
        pg.nx = rnd(2);
        poke64(PDE_AT, pde);
        poke64(PTE_AT, pte);
        Expect x = by_the_rules(pde, pte, flags);
        Walk w = mmu_walk(p, &pg, VA, flags);
        assert_int_equal(w.ok, x.ok);
        if (w.ok)
            assert_int_equal(w.pa, x.pa);
        else
            assert_int_equal(w.error, x.error);
        assert_int_equal(phys_read64(p, PDE_AT), x.pde);
        assert_int_equal(phys_read64(p, PTE_AT), x.pte);
        found += w.ok;
    }
    assert_in_range(found, 10000, 90000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(three_levels_lead_to_a_page),
        TEST(each_level_may_be_absent),
        TEST(no_execute_is_about_fetches),
        TEST(reserved_bits_fault_at_either_level),
        TEST(large_pages_have_2_mib_whatever_cr4_pse_says),
        TEST(above_4_gib_there_is_nothing),
        TEST(a_device_cannot_lie_there),
        TEST(random_tables_are_walked_by_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
