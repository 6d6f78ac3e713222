/* hw_scanout.c - pictures, small ones, mode by mode. */
#include "hw_bench.h"

#include <stdlib.h>

#include "hw/machine.h"
#include "hw/scanout.h"

static Machine *m;
static Scanout *scan;
static const Picture *pic;
static u8 *vram;

static int setup(void **state)
{
    const MachineEvents events = {0};
    MachineConfig c = {.ram_bytes = 4 << 20, .manual_clock = true};
    u32 bytes;
    (void)state;
    m = machine_new(&c, &events);
    if (!m) return -1;
    bus = machine_bus(m);
    vram = machine_phys(m)->ram + machine_vram_offset(m);
    assert_ptr_equal(machine_vram(m, &bytes), vram);
    scan = scanout_new(machine_screen(m), vram, bytes);
    return scan ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    scanout_free(scan);
    machine_free(m);
    return 0;
}

static void mem(u32 pa, u32 value, unsigned bytes) { phys_write(machine_phys(m), pa, value, bytes); }
static u32 pixel(u32 x, u32 y) { return pic->pixels[y * pic->width + x]; }
static void update(void) { pic = scanout_update(scan, 0); }

static u16 cell(u32 x, u32 y) { return pic->cells[y * pic->columns + x]; }

/* --- text ------------------------------------------------------------------------------------------------ */

static void a_kernel_finds_an_empty_text_screen(void **state)
{
    (void)state;
    update();
    assert_true(pic->is_text && pic->resized);
    assert_int_equal(pic->width, 720);
    assert_int_equal(pic->height, 400);
    assert_int_equal(pic->columns, 80);
    assert_int_equal(pic->rows, 25);
    assert_int_equal(cell(79, 24), 0x0720);
    assert_int_equal(pixel(719, 399), 0);
    assert_int_equal(pic->cursor_column, 0);
    assert_int_equal(pixel(0, 14), 0xaaaaaa); /* the cursor: lines 13 and 14 */
    assert_int_equal(pixel(0, 12), 0);
    update();
    assert_false(pic->resized);
    assert_int_equal(pic->dirty_rows, 0);
}

static void characters_and_attributes(void **state)
{
    (void)state;
    update();
    mem(0xb8000 + 160 * 3 + 2 * 5, 0x1edb, 2); /* a full block, yellow on blue; 9th dot as the 8th */
    mem(0xb8000 + 160 * 3 + 2 * 6, 0x1e41, 2);
    update();
    assert_int_equal(cell(5, 3), 0x1edb);
    assert_int_equal(pic->dirty_top, 48);
    assert_int_equal(pic->dirty_rows, 16);
    assert_int_equal(pixel(45, 48), 0xffff55);
    assert_int_equal(pixel(53, 63), 0xffff55);
    assert_int_equal(pixel(54, 48), 0x0000aa);
    assert_int_equal(pixel(62, 63), 0x0000aa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_kernel_finds_an_empty_text_screen, setup, teardown),
        cmocka_unit_test_setup_teardown(characters_and_attributes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
