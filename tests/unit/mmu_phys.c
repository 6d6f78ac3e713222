/* mmu_phys.c - the physical map, ROM, A20, DMA and watches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "mmu/phys.h"

enum { MIB = 1 << 20 };

typedef struct Heard {
    unsigned calls;
    u32 pa, bytes;
    u8 watch;
    u8 value_then; /* first byte at the time of the call */
    const Phys *phys;
} Heard;

static void hear(void *ctx, u32 pa, u32 bytes, u8 watch)
{
    Heard *h = ctx;
    *h = (Heard){h->calls + 1, pa, bytes, watch, *phys_hp(h->phys, pa), h->phys};
}

static Heard heard;

static Phys *machine(u32 mib)
{
    Phys *p = phys_new(bus_new(), mib * MIB);
    assert_non_null(p);
    heard = (Heard){.phys = p};
    p->on_written = hear;
    p->on_written_ctx = &heard;
    return p;
}

static void done(Phys *p)
{
    bus_free(p->bus);
    phys_free(p);
}

static void map_has_the_vga_hole_and_ends_at_ram(void **state)
{
    (void)state;
    Phys *p = machine(4);
    assert_non_null(phys_hp(p, 0x9ffff));
    assert_null(phys_hp(p, 0xa0000));
    assert_null(phys_hp(p, 0xbffff));
    assert_non_null(phys_hp(p, 0xc0000));
    assert_non_null(phys_hp(p, 4 * MIB - 1));
    assert_null(phys_hp(p, 4 * MIB));
    assert_int_equal(phys_read(p, 4 * MIB, 4), 0xffffffff);
    phys_write(p, 0x1000, 0x12345678, 4);
    assert_int_equal(phys_read(p, 0x1000, 4), 0x12345678);
    phys_write(p, 0x1001, 0xffaa, 1);
    phys_write(p, 0x1002, 0xfffbbcc, 2);
    assert_int_equal(phys_read(p, 0x1000, 4), 0xbbccaa78);
    assert_int_equal(phys_read(p, 0x1003, 1), 0xbb);
    assert_int_equal(phys_read(p, 0x1001, 2), 0xccaa);
    done(p);
}

static void three_gib_guest_is_sparse(void **state)
{
    (void)state;
    Phys *p = machine(3072);
    phys_write(p, 0xbffffffc, 0xcafe, 4);
    assert_int_equal(phys_read(p, 0xbffffffc, 4), 0xcafe);
    done(p);
}

static void rom_reads_and_ignores_writes(void **state)
{
    (void)state;
    static u8 image[0x10000];
    Phys *p = machine(2);
    memset(image, 0x90, sizeof image);
    image[0xfff0] = 0xea;
    assert_true(phys_add_rom(p, 0xffff0000, image, sizeof image));
    assert_true(phys_add_rom(p, 0xf0000, image, sizeof image));
    assert_int_equal(phys_read(p, 0xfffffff0, 1), 0xea);
    assert_int_equal(phys_read(p, 0xffff0, 1), 0xea);
    phys_write(p, 0xfffffff0, 0, 1);
    phys_write(p, 0xffff0, 0, 4);
    phys_dma_write(p, 0xffff0, "xyz", 3);
    assert_int_equal(phys_read(p, 0xfffffff0, 1), 0xea);
    assert_int_equal(phys_read(p, 0xffff0, 1), 0xea);
    phys_set_kind(p, 0xf0000, 0x10000, PAGE_RAM); /* shadowed: writable from now on, content kept */
    phys_write(p, 0xffff1, 7, 1);
    assert_int_equal(phys_read(p, 0xffff0, 2), 0x07ea);
    phys_set_kind(p, 0x80000000, PAGE_BYTES, PAGE_RAM); /* nothing there to switch */
    assert_null(phys_hp(p, 0x80000000));
    done(p);
}

static void a20_wraps_the_odd_megabytes(void **state)
{
    (void)state;
    Phys *p = machine(4);
    phys_write(p, 0x500, 0x11, 1);
    phys_write(p, 0x100500, 0x22, 1);
    phys_set_a20(p, false);
    assert_int_equal(phys_read(p, 0x100500, 1), 0x11);
    phys_write(p, 0x300500, 0x33, 1);
    p->watch[0] = WATCH_OTHER;
    phys_dma_write(p, 0x100600, "q", 1);
    assert_int_equal(heard.pa, 0x600); /* heard under its real name */
    phys_set_a20(p, true);
    assert_int_equal(phys_read(p, 0x100500, 1), 0x22);
    assert_int_equal(phys_read(p, 0x200500, 1), 0x33);
    done(p);
}

static void watched_pages_tell_after_the_write(void **state)
{
    (void)state;
    Phys *p = machine(2);
    phys_write(p, 0x3000, 1, 4);
    assert_int_equal(heard.calls, 0);
    p->watch[3] = WATCH_CODE | WATCH_PT;
    phys_write(p, 0x3010, 0x77, 2);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.pa, 0x3010);
    assert_int_equal(heard.bytes, 2);
    assert_int_equal(heard.watch, WATCH_CODE | WATCH_PT);
    assert_int_equal(heard.value_then, 0x77);
    done(p);
}

static void dma_crosses_pages_and_skips_holes(void **state)
{
    (void)state;
    static u8 out[0x3000], in[0x3000];
    Phys *p = machine(2);
    for (unsigned i = 0; i < sizeof out; i++) out[i] = (u8)(i * 7);
    p->watch[6] = WATCH_CODE;
    phys_dma_write(p, 0x5800, out, 0x1000);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.pa, 0x6000);
    assert_int_equal(heard.bytes, 0x800);
    phys_dma_read(p, 0x5800, in, 0x1000);
    assert_memory_equal(in, out, 0x1000);
    phys_dma_write(p, 0x9f800, out, 0x1000); /* second half falls into the VGA hole */
    phys_dma_read(p, 0x9f800, in, 0x1000);
    assert_memory_equal(in, out, 0x800);
    for (unsigned i = 0x800; i < 0x1000; i++) assert_int_equal(in[i], 0xff);
    phys_dma_write(p, 0xfffff000, out, 0x3000); /* wraps at 4 GiB like the address lines */
    phys_dma_read(p, 0, in, 0x1000);
    assert_memory_equal(in, out + 0x1000, 0x1000);
    done(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_has_the_vga_hole_and_ends_at_ram),
        cmocka_unit_test(three_gib_guest_is_sparse),
        cmocka_unit_test(rom_reads_and_ignores_writes),
        cmocka_unit_test(a20_wraps_the_odd_megabytes),
        cmocka_unit_test(watched_pages_tell_after_the_write),
        cmocka_unit_test(dma_crosses_pages_and_skips_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
