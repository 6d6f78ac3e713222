/* hw_fuzz.c - a hostile driver on the whole board (hostile_board.h).
 *
 * Invariants: no sanitizer report, no media access out of range, RAM and ROM that a base address covered come back,
 * and a reset leaves a board that works. By hand: FUZZ_STEPS=10000000 FUZZ_SEED=n.
 */
#include "hostile_board.h"

#include "hw/scanout.h"

static int setup(void **state)
{
    (void)state;
    images_init();
    Machine *board = board_new();
    if (!board) return -1;
    board_use(board);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_free(m);
    images_free();
    return 0;
}

static void draw(Scanout *s)
{
    const Picture *p = scanout_update(s, machine_clock(m)->manual_ns);
    assert_in_range(p->width, 1, 4096);
    assert_in_range(p->height, 1, 4096);
    assert_true(p->dirty_top + p->dirty_rows <= p->height);
}

/* The board after a reset: ROM shows the image, RAM is RAM, the screen's window is a device, chips answer. */
static void check_board(void)
{
    machine_reset(m);
    for (u32 pa = 0xe0000; pa < 0x100000; pa += 4096) assert_int_equal(phys_read(phys, pa + 0x123, 1), 0x5a);
    assert_int_equal(phys_read(phys, 0xfffffff0, 4), 0x5a5a5a5a);
    for (u32 pa = 0; pa < RAM_BYTES; pa += 4096) {
        if (pa >= 0xa0000 && pa < 0x100000) continue;
        assert_int_equal(phys->pages[pa >> PAGE_BITS].kind, PAGE_RAM);
        assert_int_equal(phys->pages[pa >> PAGE_BITS].offset_page, pa >> PAGE_BITS);
    }
    for (u32 pfn = RAM_BYTES >> PAGE_BITS; pfn < (0u - ROM_BYTES) >> PAGE_BITS; pfn++)
        assert_int_equal(phys->pages[pfn].kind, PAGE_NONE);
    assert_int_equal(phys->a20_mask, ~0u);
    assert_int_equal(in(0x3fd) & 0x60, 0x60);
    assert_int_equal(in(0x1f7) & 0x80, 0);
}

static void a_hostile_driver_does_no_harm(void **state)
{
    const char *count = getenv("FUZZ_STEPS"), *from = getenv("FUZZ_SEED");
    u32 n = count ? (u32)strtoul(count, NULL, 0) : 30000, vram_bytes;
    const u8 *vram = machine_vram(m, &vram_bytes);
    Scanout *s = scanout_new(machine_screen(m), vram, vram_bytes);
    (void)state;
    seed = from ? strtoull(from, NULL, 0) : 1;
    for (u32 i = 0; i < n; i++) {
        hostile_step();
        if (rnd() % 4096 == 0) draw(s);
        if (rnd() % 8192 == 0) check_board();
    }
    check_board();
    scanout_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hostile_driver_does_no_harm, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
