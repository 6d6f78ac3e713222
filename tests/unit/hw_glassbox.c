/* hw_glassbox.c - the glass box at its ports, with a source of the test's own. */
#include "hw_bench.h"

#include "hw/glassbox.h"

static Glassbox box;
static struct {
    u32 what, argument, room, asked;
    u32 bytes; /* of the next answer, which counts upwards from 1 */
} source;

static u32 source_write(void *ctx, u32 what, u32 argument, u8 *to, u32 room)
{
    assert_ptr_equal(ctx, &source);
    source.what = what;
    source.argument = argument;
    source.room = room;
    source.asked++;
    u32 n = source.bytes < room ? source.bytes : room;
    for (u32 i = 0; i < n; i++) to[i] = (u8)(i + 1);
    return n;
}

static int setup(void **state)
{
    (void)state;
    bench_up();
    memset(&source, 0, sizeof source);
    source.bytes = 5;
    glassbox_init(&box, bus, &(GlassboxSource){source_write, &source});
    return 0;
}

static void ask(u32 what, u32 argument)
{
    bus_port_out(bus, GLASSBOX_SELECT, what, 4);
    bus_port_out(bus, GLASSBOX_DATA, argument, 4);
}

static u32 left(void) { return bus_port_in(bus, GLASSBOX_SELECT, 4); }
static u32 next(unsigned bytes) { return bus_port_in(bus, GLASSBOX_DATA, bytes); }

static void an_answer_is_read_in_order(void **state)
{
    (void)state;
    ask(GLASSBOX_EXPLAIN, 0x08048000);
    assert_int_equal(source.what, GLASSBOX_EXPLAIN);
    assert_int_equal(source.argument, 0x08048000);
    assert_int_equal(source.room, GLASSBOX_BYTES);
    assert_int_equal(left(), 5);
    assert_int_equal(next(1), 1);
    assert_int_equal(next(2), 0x0302);
    assert_int_equal(left(), 2);
    assert_int_equal(next(4), 0x0504); /* zeros behind its end */
    assert_int_equal(left(), 0);
    for (int n = 0; n < 100; n++) assert_int_equal(next(4), 0);
}

static void a_question_takes_the_old_answer_away(void **state)
{
    (void)state;
    ask(GLASSBOX_NAMES, 0);
    assert_int_equal(next(1), 1);
    bus_port_out(bus, GLASSBOX_SELECT, GLASSBOX_COUNTERS, 4);
    assert_int_equal(left(), 0);
    assert_int_equal(next(4), 0);
    assert_int_equal(source.asked, 1); /* the argument has not come yet */
    source.bytes = 8;
    bus_port_out(bus, GLASSBOX_DATA, 0, 4);
    assert_int_equal(left(), 8);
    bus_port_out(bus, GLASSBOX_DATA, 1, 4); /* the same question again: from its beginning */
    assert_int_equal(source.argument, 1);
    assert_int_equal(left(), 8);
    assert_int_equal(next(4), 0x04030201);
}

static void long_answers_are_cut(void **state)
{
    (void)state;
    source.bytes = UINT32_MAX;
    ask(GLASSBOX_EXPLAIN, UINT32_MAX);
    assert_int_equal(left(), GLASSBOX_BYTES);
    u32 sum = 0;
    for (u32 n = 0; n < GLASSBOX_BYTES; n++) sum += next(1) == (u8)(n + 1);
    assert_int_equal(sum, GLASSBOX_BYTES);
    assert_int_equal(left(), 0);
    assert_int_equal(next(4), 0);
}

static void narrow_writes_ask_nothing(void **state)
{
    (void)state;
    for (u16 port = GLASSBOX_SELECT; port < GLASSBOX_SELECT + GLASSBOX_PORTS; port++) {
        bus_port_out(bus, port, 0xff, 1);
        bus_port_out(bus, port, 0xffff, 2);
    }
    assert_int_equal(source.asked, 0);
    bus_port_out(bus, GLASSBOX_SELECT + 2, 3, 4); /* across both: bytes or words */
    bus_port_out(bus, GLASSBOX_DATA + 1, 3, 4);
    assert_int_equal(source.asked, 0);
    assert_int_equal(box.what, 0);
}

/* Any access in any order: the box answers from its answer alone. */
static void random_accesses_stay_inside(void **state)
{
    (void)state;
    u64 seed = 1;
    for (unsigned n = 0; n < 300000; n++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        u32 v = (u32)(seed >> 32);
        u16 port = (u16)(GLASSBOX_SELECT - 2 + v % 12);
        unsigned bytes = 1u << (v >> 8) % 3;
        source.bytes = v >> 12 & 1 ? v % 100 : v;
        if (v & 0x80000000)
            bus_port_out(bus, port, v >> 4 & 1 ? (v & 7) : v, bytes);
        else
            bus_port_in(bus, port, bytes);
        assert_true(box.used <= GLASSBOX_BYTES && box.at <= box.used);
    }
    assert_true(source.asked > 1000);
}

static void a_reset_forgets(void **state)
{
    (void)state;
    ask(GLASSBOX_EXPLAIN, 1);
    glassbox_reset(&box);
    assert_int_equal(left(), 0);
    assert_int_equal(next(4), 0);
    bus_port_out(bus, GLASSBOX_DATA, 0, 4);
    assert_int_equal(source.what, GLASSBOX_IDENTITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_read_in_order),  TEST(a_question_takes_the_old_answer_away),
        TEST(long_answers_are_cut),        TEST(narrow_writes_ask_nothing),
        TEST(random_accesses_stay_inside), TEST(a_reset_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
