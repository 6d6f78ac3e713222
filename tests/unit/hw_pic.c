/* hw_pic.c - the 8259A pair by its datasheet's sequences. */
#include "hw_bench.h"

#include "hw/pic.h"

static Pic pic;
static Wire intr;

enum { M = 0x20, MD = 0x21, S = 0xa0, SD = 0xa1 };

static void initialise(u8 icw4_master, u8 icw4_slave)
{
    out(M, 0x11), out(MD, 0x20), out(MD, 0x04), out(MD, icw4_master);
    out(S, 0x11), out(SD, 0x28), out(SD, 0x02), out(SD, icw4_slave);
}

static int setup(void **state)
{
    (void)state;
    bench_up();
    intr = (Wire){0};
    pic_init(&pic, bus, wire_line(&intr));
    initialise(1, 1);
    return 0;
}

static void raise(int n) { pic_set_irq(&pic, n, true); }
static void lower(int n) { pic_set_irq(&pic, n, false); }
static void edge(int n) { lower(n), raise(n); }
static u8 irr(u16 port) { return out(port, 0x0a), in(port); }
static u8 isr(u16 port) { return out(port, 0x0b), in(port); }

static void nothing_is_pending_at_power_on(void **state)
{
    (void)state;
    raise(0);
    pic_reset(&pic);
    assert_false(intr.level);
    assert_int_equal(irr(M), 0);
    raise(1);
    assert_false(intr.level); /* masked until programmed */
}

static void icw1_forgets_edges_and_masks_nothing(void **state)
{
    (void)state;
    raise(3);
    assert_true(intr.level);
    out(MD, 0xff);
    initialise(1, 1);
    assert_int_equal(in(MD), 0);
    assert_int_equal(irr(M), 0); /* high, but no new edge */
    assert_false(intr.level);
    edge(3);
    assert_int_equal(pic_ack(&pic), 0x23);
}

static void int_stays_low_within_the_initialisation(void **state)
{
    (void)state;
    out(M, 0x11);
    raise(1);
    assert_false(intr.level);
    out(MD, 0x40), out(MD, 0x04);
    assert_false(intr.level);
    out(MD, 0x01);
    assert_true(intr.level);
    assert_int_equal(pic_ack(&pic), 0x41);
}

static void without_ic4_three_words_suffice(void **state)
{
    (void)state;
    out(M, 0x10), out(MD, 0x60), out(MD, 0x04);
    raise(5);
    assert_int_equal(pic_ack(&pic), 0x65);
    out(M, 0x12), out(MD, 0x70); /* single: no ICW3 */
    edge(6);
    assert_int_equal(pic_ack(&pic), 0x76);
}

static void the_lower_number_goes_first_and_nests(void **state)
{
    (void)state;
    raise(4), raise(1);
    assert_int_equal(pic_ack(&pic), 0x21);
    assert_int_equal(isr(M), 0x02);
    assert_int_equal(irr(M), 0x10);
    assert_false(intr.level); /* 4 waits behind 1 */
    raise(0);
    assert_true(intr.level); /* 0 interrupts 1 */
    assert_int_equal(pic_ack(&pic), 0x20);
    out(M, 0x20);
    assert_int_equal(isr(M), 0x02);
    out(M, 0x20);
    assert_true(intr.level);
    assert_int_equal(pic_ack(&pic), 0x24);
    out(M, 0x64); /* specific EOI */
    assert_int_equal(isr(M), 0);
}

static void masks_hold_requests_back(void **state)
{
    (void)state;
    out(MD, 0xfb); /* only the cascade */
    raise(1);
    assert_false(intr.level);
    assert_int_equal(irr(M), 0x02);
    out(MD, 0xf9);
    assert_true(intr.level);
}

static void the_slave_arrives_through_ir2(void **state)
{
    (void)state;
    raise(12);
    assert_int_equal(pic_ack(&pic), 0x2c);
    assert_int_equal(isr(M), 0x04);
    assert_int_equal(isr(S), 0x10);
    raise(8); /* more urgent on the slave, but IR2 is busy on the master */
    assert_false(intr.level);
    out(S, 0x20), out(M, 0x20);
    assert_true(intr.level);
    assert_int_equal(pic_ack(&pic), 0x28);
}

static void two_slave_requests_need_no_new_edge(void **state)
{
    (void)state;
    raise(9), raise(10);
    assert_int_equal(pic_ack(&pic), 0x29);
    out(S, 0x20), out(M, 0x20);
    assert_true(intr.level);
    assert_int_equal(pic_ack(&pic), 0x2a);
    out(S, 0x20), out(M, 0x20);
    assert_false(intr.level);
}

static void special_fully_nested_mode_lets_the_slave_nest(void **state)
{
    (void)state;
    initialise(0x11, 1);
    raise(12);
    assert_int_equal(pic_ack(&pic), 0x2c);
    raise(3);
    assert_false(intr.level);
    raise(8);
    assert_true(intr.level);
    assert_int_equal(pic_ack(&pic), 0x28);
    assert_int_equal(isr(S), 0x11);
}

static void a_request_taken_back_is_spurious(void **state)
{
    (void)state;
    raise(4), lower(4);
    assert_false(intr.level);
    assert_int_equal(pic_ack(&pic), 0x27);
    assert_int_equal(isr(M), 0); /* no bit: how a driver tells it from a real IRQ7 */
    raise(12);
    u8 slave_isr_before = isr(S);
    pic.chip[1].irr = 0; /* gone between the two INTA pulses */
    assert_int_equal(pic_ack(&pic), 0x2f);
    assert_int_equal(isr(S), slave_isr_before);
    assert_int_equal(isr(M), 0x04); /* the master needs its EOI */
}

static void an_edge_gives_one_interrupt_a_level_many(void **state)
{
    (void)state;
    raise(5);
    pic_ack(&pic), out(M, 0x20);
    assert_false(intr.level);
    out(0x4d1, 0x08); /* IRQ11 level */
    raise(11);
    assert_int_equal(pic_ack(&pic), 0x2b);
    out(S, 0x20), out(M, 0x20);
    assert_true(intr.level); /* still high */
    lower(11);
    assert_false(intr.level);
}

static void elcr_keeps_the_system_inputs_on_edges(void **state)
{
    (void)state;
    out2(0x4d0, 0xff, 0xff);
    out(0x4d1, 0xff);
    assert_int_equal(in(0x4d0), 0xf8);
    assert_int_equal(in(0x4d1), 0xde);
    bus_port_out(bus, 0x4d0, 0x0220, 2);
    assert_int_equal(bus_port_in(bus, 0x4d0, 2), 0x0220);
}

static void automatic_eoi_leaves_nothing_in_service(void **state)
{
    (void)state;
    initialise(0x03, 1);
    raise(3), raise(6);
    assert_int_equal(pic_ack(&pic), 0x23);
    assert_int_equal(isr(M), 0);
    assert_true(intr.level);
    assert_int_equal(pic_ack(&pic), 0x26);
    out(M, 0x80); /* rotate in automatic EOI mode */
    edge(3);
    pic_ack(&pic);
    edge(3), edge(4);
    assert_int_equal(pic_ack(&pic), 0x24); /* 3 was served: now the least urgent */
    out(M, 0x00);
}

static void rotation_serves_in_turn(void **state)
{
    (void)state;
    raise(1), raise(5);
    pic_ack(&pic);
    out(M, 0xa0); /* rotate on non-specific EOI: 1 becomes the lowest */
    edge(1);
    assert_int_equal(pic_ack(&pic), 0x25);
    out(M, 0xe5); /* rotate on specific EOI of 5 */
    assert_int_equal(pic_ack(&pic), 0x21);
    out(M, 0x61);
    out(M, 0xc2); /* set priority: 2 lowest, so 3 highest */
    edge(0), edge(3);
    assert_int_equal(pic_ack(&pic), 0x23);
}

static void special_mask_mode_opens_the_lower_levels(void **state)
{
    (void)state;
    raise(1);
    pic_ack(&pic);
    raise(6);
    assert_false(intr.level);
    out(MD, 0x02), out(M, 0x68); /* mask the one in service, ESMM|SMM */
    assert_true(intr.level);
    assert_int_equal(pic_ack(&pic), 0x26);
    out(M, 0x20); /* non-specific EOI passes over masked 1 */
    assert_int_equal(isr(M), 0x02);
    out(M, 0x48); /* leave special mask mode */
    raise(7);
    assert_false(intr.level);
}

static void poll_mode_acknowledges(void **state)
{
    (void)state;
    out(M, 0x0c);
    assert_int_equal(in(M), 0);
    raise(3);
    out(M, 0x0c);
    assert_int_equal(in(M), 0x83);
    assert_int_equal(isr(M), 0x08);
    assert_int_equal(in(MD), 0); /* polling is over: IMR */
    raise(9);
    out(M, 0x63);
    out(S, 0x0c);
    assert_int_equal(in(S), 0x81);
    assert_int_equal(isr(S), 0x02);
}

static void irq2_is_no_input(void **state)
{
    (void)state;
    raise(2);
    assert_false(intr.level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_pending_at_power_on),
        TEST(icw1_forgets_edges_and_masks_nothing),
        TEST(int_stays_low_within_the_initialisation),
        TEST(without_ic4_three_words_suffice),
        TEST(the_lower_number_goes_first_and_nests),
        TEST(masks_hold_requests_back),
        TEST(the_slave_arrives_through_ir2),
        TEST(two_slave_requests_need_no_new_edge),
        TEST(special_fully_nested_mode_lets_the_slave_nest),
        TEST(a_request_taken_back_is_spurious),
        TEST(an_edge_gives_one_interrupt_a_level_many),
        TEST(elcr_keeps_the_system_inputs_on_edges),
        TEST(automatic_eoi_leaves_nothing_in_service),
        TEST(rotation_serves_in_turn),
        TEST(special_mask_mode_opens_the_lower_levels),
        TEST(poll_mode_acknowledges),
        TEST(irq2_is_no_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
