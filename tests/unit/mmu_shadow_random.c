/* mmu_shadow_random.c - the contract of coherence: thousands of random accesses through the windows, compared with
 * what mmu_walk says, while tables, rings, directories, watches and the physical map change at random; with two levels
 * of tables, and with PAE's three and NX. (What mmu_walk says is compared with the manual's rules in mmu_walk_pae.c.)
 * RING3_RANDOM_ROUNDS=N: for longer.
 *
 * With RING3_SHADOW_BENCH set, costs are measured and printed instead (docs/MMU.md has the figures).
 */
#define _GNU_SOURCE
#include "shadow_bench.h"

/* --- the guest -------------------------------------------------------------------------------------------- */

static u32 seed = 12345;
static u32 rnd(u32 n)
{
    seed = seed * 1664525u + 1013904223u;
    return (u32)((u64)n * (seed >> 4) >> 28);
}

static const u32 slots_2[] = {0x0, 0x400000, 0x40000000, 0xc0400000, 0xffc00000};
static const u32 slots_pae[] = {0x0, 0x200000, 0x40200000, 0xc0600000, 0xffe00000};
enum { SLOTS = 5, PDS = 3, PAE_PDS = 6, PTS = 6, PDPTS = 4 };

/* PAE: what the page-directory-pointer tables hold; directories are shared, used at two places, absent, or beyond
 * memory. */
static u64 pdpts[PDPTS][4];

static u32 some_pd(void) { return PD0 + rnd(pg.pae ? PAE_PDS : PDS) * PAGE_BYTES; }
static u32 some_slot(unsigned n) { return pg.pae ? slots_pae[n] : slots_2[n]; }
static u32 random_va(void) { return some_slot(rnd(SLOTS)) + rnd(12) * PAGE_BYTES + rnd(2) * 4; }
static u64 random_high(void)
{
    if (!pg.pae || rnd(3)) return 0;
    return rnd(3) ? PTE_NX : 1ull << (32 + rnd(32));
}
static u64 random_rights(void)
{
    return rnd(512) | (rnd(8) ? PTE_P : 0) | (rnd(2) ? PTE_A : 0) | random_high();
}
static u32 random_page(void)
{
    u32 n = rnd(40);
    if (n < 2) return 0xa0000 + rnd(3) * PAGE_BYTES; /* video memory, at times */
    if (n == 39) return 0xe0000000 + rnd(4) * PAGE_BYTES;
    if (n < 4) return 0xf0000;         /* ROM */
    if (n < 8) return pt_of(rnd(PTS)); /* tables mapped as data */
    if (n < 10) return some_pd();
    return DATA + rnd(24) * PAGE_BYTES;
}
static u64 random_pde(void)
{
    u32 n = rnd(12);
    if (n == 0) return (rnd(4) << (pg.pae ? 21 : 22)) | random_rights() | PTE_PS | PTE_P;
    if (n == 1) return some_pd() | (random_rights() & ~(u64)PTE_PS); /* self-map */
    if (n == 2) return rnd(2) ? 0 : 0x2000 | PTE_PS | random_rights();
    return pt_of(rnd(PTS)) | (random_rights() & ~(u64)PTE_PS) | PTE_W | PTE_U;
}

static void random_edit(void)
{
    u32 va = random_va(), pt = pt_of(rnd(PTS)), pd = some_pd();
    u64 v = random_page() | random_rights();
    switch (rnd(12)) {
    case 0: pde_set(pd, va, random_pde()); break;
    case 10: pde_set(pd, va, guest_entry_get(pde_pa(pd, va)) ^ BIT(rnd(7))); break;
    case 11: pde_set(pd, va, guest_entry_get(pde_pa(pd, va)) ^ random_high()); break;
    case 1: phys_write(p, pte_pa(pt, va), (u32)v, 1); break;
    case 2: phys_write(p, pte_pa(pt, va) + 2, (u32)v >> 16, 2); break;
    case 3: phys_dma_write(p, pte_pa(pt, va), &v, pg.pae ? 8 : 4); break;
    case 4: pte_set(pt, va, pte_get(pt, va) ^ BIT(rnd(9))); break;
    case 5: pte_set(pt, va, pte_get(pt, va) ^ random_high()); break;
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

static u64 random_pdpte(void)
{
    u32 n = rnd(10);
    return n == 0 ? 0 : some_pd() | PTE_P | (n == 1 ? 1ull << (32 + rnd(4)) : 0);
}

static void random_space(bool user)
{
    u64 *pdpt = pdpts[rnd(PDPTS)];
    if (!rnd(10)) pdpt[rnd(4)] = random_pdpte();
    memcpy(pg.pdpte, pdpt, sizeof pg.pdpte);
    run_as(PD0 + rnd(PDS) * PAGE_BYTES, user);
}

static void random_event(void)
{
    if (!rnd(8)) random_video();
    u32 pfn = random_page() >> 12;
    switch (rnd(12)) {
    case 0:
    case 1:
    case 2: random_space(rnd(2)); break;
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
        else if (!rnd(20) && pg.pae)
            pg.nx = !pg.nx, run_as(pg.cr3, rnd(2));
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
    ShadowResult r = access_guest(rnd(2), va, write, write ? &value : &read);
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
    assert_int_equal(guest_entry_get(want.pde_pa), want.pde | PTE_A | (want.large && write ? PTE_D : 0));
    if (!want.large && p->pages[want.pte_pa >> 12].kind == PAGE_RAM && want.pte_pa != want.pde_pa)
        assert_int_equal(guest_entry_get(want.pte_pa), want.pte | PTE_A | (write ? PTE_D : 0));
}

/* --- fetches ---------------------------------------------------------------------------------------------- */

/* What translated code remembers: a page was handed out for fetches under this identity of its window, and may be
 * fetched from as long as that does not change. Links between shared pages of ring 0 rely on more: as long as no
 * shared page was dropped, and with the same `kernel`, the page is there in every address space, whatever CR0.WP. */
typedef struct Handed {
    u32 id, va, pa;
    bool user, on;
    u8 kernel;
    unsigned drops;
} Handed;
static Handed handed[64];
static unsigned handed_next, handed_seen;

static u32 fetch_id(bool user) { return user ? shadow_view(s)->space : shadow_view(s)->shared; }

static void random_fetch(void)
{
    u32 va = random_va(), pa = 0, error = 0;
    bool user = rnd(2), shared = false;
    shadow_set_ring(s, user);
    Walk want = mmu_walk(p, &pg, va, WALK_FETCH | WALK_NO_AD | (user ? WALK_USER : 0));
    ShadowResult r = shadow_fetch(s, va, &pa, &shared, &error);
    assert_int_equal(r == SHADOW_PF, !want.ok);
    if (r == SHADOW_PF) assert_int_equal(error, want.error);
    if (r != SHADOW_MAPPED) return;
    assert_int_equal(pa, want.pa);
    if (!shared && !user) return;
    handed[handed_next++ % ARRAY_LEN(handed)] =
        (Handed){fetch_id(user), va, pa, user, pg.on, shadow_view(s)->kernel, shared_drops};
}

static bool is_linked(const Handed *h)
{
    return h->id && !h->user && h->on == pg.on && h->kernel == shadow_view(s)->kernel &&
           h->drops == shared_drops;
}

static void handed_out_pages_may_be_fetched(void)
{
    for (unsigned n = 0; n < ARRAY_LEN(handed); n++) {
        const Handed *h = &handed[n];
        if (h->id != fetch_id(h->user) && !is_linked(h)) continue;
        Walk w = mmu_walk(p, &pg, h->va, WALK_FETCH | WALK_NO_AD | (h->user ? WALK_USER : 0));
        assert_true(w.ok);
        assert_int_equal(w.pa, h->pa);
        handed_seen++;
    }
}

static void random_guest(u32 first_seed, bool pae, unsigned steps)
{
    u32 image[1024] = {0x0badf00d, 0x1badf00d};
    seed = first_seed;
    memset(handed, 0, sizeof handed);
    pg.pae = pg.nx = pae;
    phys_add_rom(p, 0xf0000, image, sizeof image);
    assert_int_not_equal(phys_add_vram(p, 4 * PAGE_BYTES), 0);
    for (u32 pd = 0; pd < (pae ? PAE_PDS : PDS); pd++)
        for (unsigned i = 0; i < SLOTS; i++) pde_set(PD0 + pd * PAGE_BYTES, some_slot(i), random_pde());
    for (unsigned n = 0; n < PDPTS * 4; n++) pdpts[n / 4][n % 4] = random_pdpte();
    random_space(false);
    for (unsigned i = 0; i < steps; i++) {
        u32 n = rnd(16);
        if (n < 4)
            random_edit();
        else if (n < 6)
            random_event();
        else if (n < 8)
            random_fetch();
        else
            random_access();
        handed_out_pages_may_be_fetched();
        if (i % 1024 == 0) assert_int_equal(host_vmas(), shadow_stats(s)->vmas);
    }
}

static void random_rounds(void **state, bool pae)
{
    const char *more = getenv("RING3_RANDOM_ROUNDS");
    unsigned rounds = more ? (unsigned)atoi(more) : 24;
    table_hits = handed_seen = 0;
    for (unsigned i = 0; i < rounds; i++) {
        teardown(state);
        start(i % 2 ? 0 : 70);
        random_guest(1000 + i * 77777, pae, 4000);
    }
    assert_true(table_hits > 100 * rounds);
    assert_true(handed_seen > 100 * rounds);
}

static void random_accesses_agree_with_the_walk(void **state) { random_rounds(state, false); }
static void random_accesses_agree_with_pae(void **state) { random_rounds(state, true); }

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
    u32 v = 1;
    t = host_now_ns();
    for (u32 i = 0; i < 1024; i++) touch_table(true, 0x400000 + i * PAGE_BYTES, true, &v);
    report("the same by the table", t, 1024);
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
    const struct CMUnitTest benches[] = {TEST(bench)};
    const struct CMUnitTest tests[] = {TEST(random_accesses_agree_with_the_walk),
                                       TEST(random_accesses_agree_with_pae)};
    if (getenv("RING3_SHADOW_BENCH")) return cmocka_run_group_tests(benches, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
