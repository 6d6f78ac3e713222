/* hw_uart.c - 16550A: what a driver probes, both directions, interrupts with their priorities, loopback. */
#include "hw_bench.h"

#include "hw/uart.h"

static Uart uart;
static Wire irq;
static Script line;

enum { RBR = 0x3f8, THR = 0x3f8, IER, IIR, FCR = IIR, LCR, MCR, LSR, MSR, SCR };
enum { DTR_RTS_OUT2 = 0x0b, NONE = 0x01 };

static int setup(void **state)
{
    (void)state;
    bench_up();
    irq = (Wire){0};
    script_init(&line, "");
    uart_init(&uart, bus, 0x3f8, &clk, &line.dev, wire_line(&irq), "com1");
    out(LCR, 0x80), out(RBR, 1), out(IER, 0), out(LCR, 3); /* 115200 8N1 */
    return 0;
}

static void type(const char *text)
{
    line.input = text;
    line.dev.on_input(line.dev.dev);
}

static void what_a_driver_probes(void **state)
{
    (void)state;
    out(IER, 0xff);
    assert_int_equal(in(IER), 0x0f);
    out(IER, 0);
    out(SCR, 0xa5);
    assert_int_equal(in(SCR), 0xa5);
    out(FCR, 0x01);
    assert_int_equal(in(IIR), 0xc1); /* 16550A */
    out(FCR, 0x00);
    assert_int_equal(in(IIR), 0x01);
    out(LCR, 0x80);
    out(RBR, 0x34), out(IER, 0x12);
    assert_int_equal(in(RBR), 0x34);
    assert_int_equal(in(IER), 0x12);
    out(LCR, 0x03);
    assert_int_equal(in(IER), 0);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(MSR)&0xf0, 0xb0);
    out(MCR, 0xff);
    assert_int_equal(in(MCR), 0x1f);
}

static void transmission_reaches_the_line_at_once(void **state)
{
    (void)state;
    for (const char *p = "Hello"; *p; p++) {
        assert_int_equal(in(LSR)&0x60, 0x60);
        out(THR, (u8)*p);
    }
    assert_int_equal(line.out_bytes, 5);
    assert_memory_equal(line.output, "Hello", 5);
}

static void thre_interrupts_on_enable_and_on_write(void **state)
{
    (void)state;
    out(MCR, DTR_RTS_OUT2);
    out(IER, 0x02);
    assert_true(irq.level);
    assert_int_equal(in(IIR), 0x02);
    assert_false(irq.level); /* reading IIR took it back */
    assert_int_equal(in(IIR), NONE);
    out(THR, 'x');
    assert_true(irq.level);
    out(IER, 0x00);
    assert_false(irq.level);
    out(IER, 0x02);
    assert_true(irq.level);
}

static void out2_gates_the_interrupt(void **state)
{
    (void)state;
    out(MCR, 0x08);
    out(MCR, 0x00);
    out(IER, 0x02);
    assert_false(irq.level);
    out(MCR, 0x08);
    assert_true(irq.level);
    out(MCR, 0x18); /* loopback: the pin is inactive */
    assert_false(irq.level);
}

/* As xv6 does, which no PC's gate would let through. */
static void who_never_raises_out2_has_no_gate(void **state)
{
    (void)state;
    out(MCR, 0x1b); /* in loopback the pins stay as they are: this is no sign */
    out(MCR, 0x00);
    out(IER, 0x02);
    assert_true(irq.level);
    assert_int_equal(in(IIR), 0x02);
    assert_false(irq.level);
}

static void three_wires_receive_by_interrupt(void **state)
{
    (void)state;
    out(FCR, 0x00);
    out(MCR, 0x00);
    type("early");
    out(IER, 0x01);
    assert_int_equal(in(LSR), 0x60); /* not at once: a driver may be probing */
    in(IIR), in(RBR);
    clock_advance(&clk, 9 * MS);
    assert_false(irq.level);
    clock_advance(&clk, 2 * MS);
    assert_true(irq.level);
    for (const char *p = "early"; *p; p++) assert_int_equal(in(RBR), *p);
    assert_false(irq.level);
    type("x");
    assert_true(irq.level);
    assert_int_equal(in(RBR), 'x');
    out(IER, 0x00);
    type("y");
    assert_int_equal(in(LSR), 0x60);
    out(IER, 0x01);
    assert_true(irq.level);
    assert_int_equal(in(RBR), 'y');
}

static void a_probe_of_ier_takes_no_input(void **state)
{
    (void)state;
    out(MCR, 0x00);
    out(IER, 0x0f), out(IER, 0x00);
    type("early");
    clock_advance(&clk, SEC);
    assert_int_equal(in(LSR), 0x60);
    out(MCR, 0x03), out(MCR, 0x01); /* it knows RTS: from here on that decides */
    assert_int_equal(in(RBR), 'e');
    out(IER, 0x01);
    clock_advance(&clk, SEC);
    assert_int_equal(in(LSR), 0x60);
}

static void one_byte_at_a_time_without_fifos(void **state)
{
    (void)state;
    out(MCR, DTR_RTS_OUT2);
    out(IER, 0x01);
    type("ab");
    assert_true(irq.level);
    assert_int_equal(in(IIR), 0x04);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(*line.input, 'b'); /* no room: still outside */
    assert_int_equal(in(RBR), 'a');
    assert_int_equal(in(RBR), 'b');
    assert_false(irq.level);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(RBR), 0);
}

static void the_trigger_level_and_the_timeout(void **state)
{
    (void)state;
    out(MCR, DTR_RTS_OUT2);
    out(FCR, 0x81); /* trigger at 8 */
    out(IER, 0x01);
    type("1234567");
    assert_false(irq.level);
    clock_advance(&clk, 300 * US);
    assert_false(irq.level);
    clock_advance(&clk, 50 * US); /* four characters of 86.8 us */
    assert_true(irq.level);
    assert_int_equal(in(IIR), 0xcc);
    assert_int_equal(in(RBR), '1');
    assert_false(irq.level);
    type("89");
    assert_int_equal(in(IIR), 0xc4);
    for (char c = '2'; c <= '9'; c++) assert_int_equal(in(RBR), c);
    assert_int_equal(in(IIR), 0xc1);
    clock_advance(&clk, SEC);
    assert_false(irq.level);
}

static void a_long_paste_arrives_whole(void **state)
{
    (void)state;
    static const char text[] = "The quick brown fox jumps over the lazy dog, and again over the lazy dog.";
    out(MCR, DTR_RTS_OUT2);
    out(FCR, 0xc7);
    out(IER, 0x01);
    type(text);
    char got[sizeof text] = "";
    unsigned n = 0;
    while (n < sizeof got - 1) {
        if (!irq.level) clock_advance(&clk, MS);
        assert_true(irq.level);
        while (in(LSR)&1) got[n++] = (char)in(RBR);
    }
    assert_string_equal(got, text);
    assert_int_equal(in(LSR), 0x60); /* no overrun */
}

static void input_waits_until_the_guest_is_ready(void **state)
{
    (void)state;
    out(MCR, 0x00); /* a driver probes; the port is not open */
    out(FCR, 0x07);
    type("early");
    assert_int_equal(in(LSR), 0x60);
    out(FCR, 0x07);
    out(MCR, 0x09); /* DTR alone: a console is registered */
    assert_int_equal(in(LSR), 0x60);
    out(MCR, DTR_RTS_OUT2); /* open */
    for (const char *p = "early"; *p; p++) assert_int_equal(in(RBR), *p);
}

static void a_simple_guest_just_polls(void **state)
{
    (void)state;
    type("k");
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(RBR), 'k');
}

static void fifo_resets(void **state)
{
    (void)state;
    out(MCR, DTR_RTS_OUT2);
    out(FCR, 0x01);
    type("abc");
    out(FCR, 0x03);
    assert_int_equal(in(LSR), 0x60);
    type("def");
    out(FCR, 0x00); /* switching FIFOs empties them too */
    assert_int_equal(in(LSR), 0x60);
}

static void loopback_and_modem_status(void **state)
{
    (void)state;
    out(MCR, 0x00), in(MSR);
    out(MCR, 0x1a); /* Linux's probe: loop, OUT2, RTS */
    assert_int_equal(in(MSR)&0xf0, 0x90);
    out(MCR, 0x10), in(MSR);
    out(MCR, 0x1f);
    assert_int_equal(in(MSR), 0xfb); /* all on; RI tells only its end */
    out(MCR, 0x1b);
    assert_int_equal(in(MSR), 0xb4); /* TERI */
    assert_int_equal(in(MSR), 0xb0);
    out(THR, 0x5a);
    assert_int_equal(line.out_bytes, 0);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(RBR), 0x5a);
}

static void loopback_overrun_and_priorities(void **state)
{
    (void)state;
    out(MCR, 0x10);
    in(MSR);
    out(IER, 0x0f);
    out(THR, 'a'), out(THR, 'b'); /* one-byte receiver: overrun */
    out(MCR, 0x12);               /* CTS changes */
    assert_int_equal(in(IIR), 0x06);
    assert_int_equal(in(LSR), 0x63);
    assert_int_equal(in(IIR), 0x04);
    assert_int_equal(in(RBR), 'a');
    assert_int_equal(in(IIR), 0x02);
    assert_int_equal(in(IIR), 0x00);
    assert_int_equal(in(MSR), 0x11);
    assert_int_equal(in(IIR), NONE);
}

static void without_a_backend_the_port_exists(void **state)
{
    (void)state;
    Uart u;
    uart_init(&u, bus, 0x2f8, &clk, NULL, wire_line(&irq), "com2");
    out(0x2f8, 'x');
    out(0x2fc, DTR_RTS_OUT2);
    assert_int_equal(in(0x2fd), 0x60);
    assert_int_equal(in(0x2fe), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_driver_probes),
        TEST(transmission_reaches_the_line_at_once),
        TEST(thre_interrupts_on_enable_and_on_write),
        TEST(out2_gates_the_interrupt),
        TEST(who_never_raises_out2_has_no_gate),
        TEST(three_wires_receive_by_interrupt),
        TEST(a_probe_of_ier_takes_no_input),
        TEST(one_byte_at_a_time_without_fifos),
        TEST(the_trigger_level_and_the_timeout),
        TEST(a_long_paste_arrives_whole),
        TEST(input_waits_until_the_guest_is_ready),
        TEST(a_simple_guest_just_polls),
        TEST(fifo_resets),
        TEST(loopback_and_modem_status),
        TEST(loopback_overrun_and_priorities),
        TEST(without_a_backend_the_port_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
