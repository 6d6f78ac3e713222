/* hw_parallel.c - the printer port: detection, printing as a BIOS does it, the interrupt. */
#include "hw_bench.h"

#include "hw/parallel.h"

static Parallel lpt;
static Script paper;
static Wire irq7;

enum { DATA = 0x378, STATUS = 0x379, CONTROL = 0x37a };

static int setup(void **state)
{
    (void)state;
    bench_up();
    irq7 = (Wire){0};
    script_init(&paper, "");
    parallel_init(&lpt, bus, 0x378, &clk, &paper.dev, wire_line(&irq7), "lpt1");
    return 0;
}

static void print(char c, u8 control) /* INT 17h, function 0 */
{
    assert_int_equal(in(STATUS)&0x80, 0x80);
    out(DATA, (u8)c);
    out(CONTROL, control | 1);
    out(CONTROL, control);
}

static void the_port_is_found(void **state)
{
    (void)state;
    out(CONTROL, 0x0c);
    out(DATA, 0xaa), assert_int_equal(in(DATA), 0xaa);
    out(DATA, 0x55), assert_int_equal(in(DATA), 0x55);
    assert_int_equal(in(STATUS), 0xdf); /* selected, ready, paper, no error */
    out(CONTROL, 0x2c);                 /* input: nobody drives the lines */
    assert_int_equal(in(DATA), 0xff);
    assert_int_equal(in(CONTROL), 0xec);
    out(CONTROL, 0x0c);
    assert_int_equal(in(DATA), 0x55);
    assert_int_equal(paper.out_bytes, 0);
}

static void a_strobe_prints_one_byte(void **state)
{
    (void)state;
    for (const char *s = "hello\r\n\f"; *s; s++) print(*s, 0x0c);
    out(CONTROL, 0x0d), out(CONTROL, 0x0d); /* held: no second byte */
    assert_memory_equal(paper.output, "hello\r\n\f\f", 9);
    assert_int_equal(paper.out_bytes, 9);
    clock_advance(&clk, MS);
    assert_int_equal(irq7.rises, 0);
}

static void acknowledge_interrupts_when_enabled(void **state)
{
    (void)state;
    print('a', 0x1c);
    assert_int_equal(in(STATUS)&0x44, 0x04); /* nACK is low, nothing pending */
    assert_false(irq7.level);
    clock_advance(&clk, 10 * US);
    assert_true(irq7.level);
    assert_int_equal(in(STATUS)&0x44, 0x40);
    assert_false(irq7.level); /* reading the status takes it back */
    print('b', 0x1c);
    clock_advance(&clk, 10 * US);
    out(DATA, 'c'), out(CONTROL, 0x1d); /* the next byte as well */
    assert_false(irq7.level);
    clock_advance(&clk, 10 * US);
    assert_int_equal(irq7.rises, 3);
    parallel_reset(&lpt);
    assert_false(irq7.level);
}

static void without_a_backend_the_paper_goes_nowhere(void **state)
{
    (void)state;
    parallel_init(&lpt, bus, 0x278, &clk, NULL, wire_line(&irq7), "lpt2");
    out(0x278, 'x'), out(0x27a, 0x0d);
    assert_int_equal(bus_port_in(bus, 0x279, 1) & 0x80, 0x80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_port_is_found),
        TEST(a_strobe_prints_one_byte),
        TEST(acknowledge_interrupts_when_enabled),
        TEST(without_a_backend_the_paper_goes_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
