/* hw_dma.c - the 8237A pair: registers, transfers of every kind, terminal count, page wrap. */
#include "hw_bench.h"

#include "hw/dma.h"

static Dma dma;
static Phys *phys;
static bool terminal;

static int setup(void **state)
{
    (void)state;
    bench_up();
    phys = phys_new(bus, 4 << 20);
    if (!phys) return -1;
    dma_init(&dma, bus, phys);
    out(0xd6, 0xc0), out(0xd4, 0x00); /* the cascade, as firmware leaves it */
    return 0;
}

static int teardown(void **state)
{
    phys_free(phys);
    return bench_down(state);
}

enum { SINGLE_WRITE = 0x44, SINGLE_READ = 0x48, VERIFY = 0x40, AUTOINIT = 0x10, DECREMENT = 0x20 };

static void program2(u8 mode, u32 pa, u16 count) /* channel 2, as a floppy driver does */
{
    out(0x0a, 0x06);
    out(0x0c, 0), out(0x0b, mode | 2);
    out2(0x04, (u8)pa, (u8)(pa >> 8));
    out(0x81, (u8)(pa >> 16));
    out2(0x05, (u8)(count - 1), (u8)((count - 1) >> 8));
    out(0x0a, 0x02);
}

static u32 give(const char *bytes, u32 n) /* the device sends */
{
    char copy[64];
    memcpy(copy, bytes, n);
    return dma_transfer(&dma, 2, DMA_WRITE_MEMORY, copy, n, &terminal);
}

static const char *memory(u32 pa) { return (const char *)phys_hp(phys, pa); }

static void registers_read_back_in_halves(void **state)
{
    (void)state;
    out(0x0c, 0);
    out2(0x02, 0x34, 0x12);
    assert_int_equal(in_twice(0x02), 0x1234);
    out2(0xc6, 0x78, 0x56); /* channel 5 count */
    assert_int_equal(in_twice(0xc6), 0x5678);
    in(0x02), out(0x0c, 0); /* the flip-flop is one for all */
    assert_int_equal(in_twice(0x02), 0x1234);
    assert_int_equal(in(0x0f), 0x0f);
    out(0x0e, 0);
    assert_int_equal(in(0x0f), 0);
    out(0x0f, 5);
    assert_int_equal(in(0x0f), 5);
    out(0x0a, 4 + 1);
    assert_int_equal(in(0x0f), 7);
    out(0x0d, 0);
    assert_int_equal(in(0x0f), 0x0f);
    for (u16 port = 0x80; port < 0x90; port++) out(port, (u8)(port ^ 0xff));
    for (u16 port = 0x80; port < 0x90; port++) assert_int_equal(in(port), (u8)(port ^ 0xff));
}

static void a_write_transfer_in_pieces(void **state)
{
    (void)state;
    program2(SINGLE_WRITE, 0x12345, 10);
    assert_int_equal(give("abcd", 4), 4);
    assert_false(terminal);
    assert_int_equal(in_twice(0x04), 0x2349);
    assert_int_equal(in_twice(0x05), 5);
    assert_int_equal(in(0x08), 0);
    assert_int_equal(give("efghijklmn", 10), 6);
    assert_true(terminal);
    assert_memory_equal(memory(0x12345), "abcdefghij\0", 11);
    assert_int_equal(in(0x08), 0x04);
    assert_int_equal(in(0x08), 0x00); /* reading clears it */
    assert_int_equal(in_twice(0x05), 0xffff);
    assert_int_equal(in(0x0f) & 4, 4); /* masked by its terminal count */
    assert_int_equal(give("x", 1), 0);
    assert_false(terminal);
}

static void a_read_transfer(void **state)
{
    char got[8] = "";
    (void)state;
    phys_dma_write(phys, 0x20000, "from memory", 11);
    program2(SINGLE_READ, 0x20000, 4);
    assert_int_equal(dma_transfer(&dma, 2, DMA_READ_MEMORY, got, 8, &terminal), 4);
    assert_string_equal(got, "from");
    assert_true(terminal);
}

static void autoinitialization_starts_over(void **state)
{
    (void)state;
    program2(SINGLE_WRITE | AUTOINIT, 0x1000, 4);
    assert_int_equal(give("abcdef", 6), 4);
    assert_true(terminal);
    assert_int_equal(in_twice(0x04), 0x1000);
    assert_int_equal(give("XY", 2), 2);
    assert_false(terminal);
    assert_memory_equal(memory(0x1000), "XYcd", 4);
}

static void downwards(void **state)
{
    (void)state;
    program2(SINGLE_WRITE | DECREMENT, 0x1003, 4);
    assert_int_equal(give("abcd", 4), 4);
    assert_memory_equal(memory(0x1000), "dcba", 4);
}

static void the_address_wraps_in_its_page(void **state)
{
    (void)state;
    program2(SINGLE_WRITE, 0x1fffe, 4);
    assert_int_equal(give("abcd", 4), 4);
    assert_memory_equal(memory(0x1fffe), "ab", 2);
    assert_memory_equal(memory(0x10000), "cd", 2);
    assert_memory_equal(memory(0x20000), "\0\0", 2);
}

static void verify_and_the_wrong_direction_move_nothing(void **state)
{
    (void)state;
    program2(VERIFY, 0x1000, 4);
    assert_int_equal(give("abcd", 4), 4);
    assert_true(terminal);
    program2(SINGLE_READ, 0x1000, 4);
    assert_int_equal(give("abcd", 4), 4);
    assert_memory_equal(memory(0x1000), "\0\0\0\0", 4);
}

static void word_channels(void **state)
{
    char words[] = "abcdefgh";
    (void)state;
    out(0xd8, 0), out(0xd6, SINGLE_WRITE | 1);
    out2(0xc4, 0xff, 0xff), out(0x8b, 0x03); /* the last word of 128 KiB; page bit 0 does not count */
    out2(0xc6, 0x02, 0x00), out(0xd4, 0x01);
    assert_int_equal(dma_transfer(&dma, 5, DMA_WRITE_MEMORY, words, 8, &terminal), 6);
    assert_true(terminal);
    assert_memory_equal(memory(0x3fffe), "ab", 2);
    assert_memory_equal(memory(0x20000), "cdef\0", 5);
    assert_int_equal(in(0xd0), 0x02);
}

static void masks_and_the_cascade(void **state)
{
    (void)state;
    program2(SINGLE_WRITE, 0x1000, 4);
    out(0x08, 0x04); /* controller off */
    assert_int_equal(give("a", 1), 0);
    out(0x08, 0x00), out(0xd4, 0x04); /* channel 4 masked */
    assert_int_equal(give("a", 1), 0);
    out(0xd4, 0x00);
    dma_request(&dma, 2, true);
    assert_int_equal(in(0x08), 0x40);
    dma_request(&dma, 2, false);
    assert_int_equal(give("a", 1), 1);
    assert_int_equal(in(0x08), 0x00);
}

static void sixty_four_kilobytes_at_once(void **state)
{
    static u8 block[0x10000];
    (void)state;
    memset(block, 0x5a, sizeof block);
    program2(SINGLE_WRITE, 0x38000, 0);
    assert_int_equal(dma_transfer(&dma, 2, DMA_WRITE_MEMORY, block, sizeof block, &terminal), 0x10000);
    assert_true(terminal);
    assert_memory_equal(memory(0x30000), block, sizeof block);
    assert_int_equal(*memory(0x40000), 0);
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registers_read_back_in_halves),
        TEST(a_write_transfer_in_pieces),
        TEST(a_read_transfer),
        TEST(autoinitialization_starts_over),
        TEST(downwards),
        TEST(the_address_wraps_in_its_page),
        TEST(verify_and_the_wrong_direction_move_nothing),
        TEST(word_channels),
        TEST(masks_and_the_cascade),
        TEST(sixty_four_kilobytes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
