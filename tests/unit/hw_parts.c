/* hw_parts.c - every part of a board is saved and loaded whole.
 *
 * After a hostile driver's work (hostile_board.h) a board is saved and loaded into a fresh one: saved again it is the same
 * to the byte, and both boards answer whatever the driver does next in the same way, which they would not if a field
 * were forgotten. Reset twice is reset once. What is truncated, flipped, foreign or impossible is refused and changes
 * nothing, or it loads, and the driver does no harm to it. By hand: FUZZ_STEPS=1000000 FUZZ_SEED=n.
 */
#include "hostile_board.h"

#include <stdio.h>

#include "hw/part.h"
#include "hw/pci.h"

static Machine *first, *second;
static u32 rounds;

/* --- saved boards ----------------------------------------------------------------------------------------- */

static StateBytes saved(Machine *board)
{
    StateBytes b = {0};
    char problem[STATE_PROBLEM] = "";
    assert_true(parts_save(machine_parts(board), &b, problem));
    return b;
}

static bool loads(Machine *board, const u8 *from, u32 count)
{
    char problem[STATE_PROBLEM] = "";
    bool good = parts_load(machine_parts(board), from, count, problem);
    assert_int_equal(good, !problem[0]);
    return good;
}

static char shown[2][1 << 17];
static void keep_line(void *ctx, const char *text)
{
    char *to = ctx;
    size_t at = strlen(to);
    snprintf(to + at, sizeof shown[0] - at, "%s\n", text);
}

/* Prints the fields in which the boards differ. */
static void print_difference(const Parts *a, const Parts *b)
{
    for (unsigned n = 0; n < a->count; n++) {
        shown[0][0] = shown[1][0] = 0;
        part_show(&a->part[n], keep_line, shown[0]);
        part_show(&b->part[n], keep_line, shown[1]);
        char *x = shown[0], *y = shown[1], *x_end, *y_end;
        for (; *x && *y; x = x_end + 1, y = y_end + 1) {
            x_end = strchr(x, '\n'), y_end = strchr(y, '\n');
            *x_end = *y_end = 0;
            if (strcmp(x, y)) print_error("%s:\n%s\n%s\n", a->part[n].name, x, y);
        }
    }
}

/* The section in which the states differ. */
static void print_section(const StateBytes *x, const StateBytes *y)
{
    char name[STATE_NAME_MAX + 1] = "";
    for (u32 at = 0, end = 0; state_section_name(x->at, x->count, &end, name); at = end)
        if (end > y->count || memcmp(x->at + at, y->at + at, end - at))
            print_error("the states differ in '%s'\n", name);
}

static void assert_same(Machine *a, Machine *b)
{
    StateBytes x = saved(a), y = saved(b);
    bool same = x.count == y.count && !memcmp(x.at, y.at, x.count);
    if (!same) print_difference(machine_parts(a), machine_parts(b));
    state_bytes_free(&x), state_bytes_free(&y);
    assert_true(same);
}

/* --- two boards ------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    const char *count = getenv("FUZZ_STEPS"), *from = getenv("FUZZ_SEED");
    (void)state;
    rounds = (count ? (u32)strtoul(count, NULL, 0) : 6000) / 200;
    seed = from ? strtoull(from, NULL, 0) : 1;
    images_init();
    first = board_new();
    second = board_new();
    return first && second ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    machine_free(first), machine_free(second);
    images_free();
    return 0;
}

static void work(Machine *board, u64 from, u32 steps)
{
    board_use(board);
    seed = from;
    held = 0;
    com1.input = com2.input = "";
    memset(buffer, 0, sizeof buffer);
    memset(gpr, 0, sizeof gpr);
    machine_prefer_movement(board, false); /* as the person says, like the cables */
    intr_level = machine_lapic(board)->intr_level;
    while (steps--) hostile_step();
}

/* Memory, media and cables of the first: the one is not the parts' business, the others the person's. */
static void copy_surroundings(void)
{
    Phys *a = machine_phys(first), *b = machine_phys(second);
    memcpy(b->ram, a->ram, a->memfd_bytes);
    for (DriveId n = 0; n < DRIVE_COUNT; n++)
        machine_drive(second, n)->medium = machine_drive(first, n)->medium;
    for (u32 n = 0; n < CARDS; n++) machine_net(second, n)->up = machine_net(first, n)->up;
}

static void assert_memory_same(void)
{
    const Phys *a = machine_phys(first), *b = machine_phys(second);
    assert_int_equal(a->a20_mask, b->a20_mask);
    for (u32 n = 0; n < a->memfd_bytes; n += PAGE_BYTES)
        if (memcmp(a->ram + n, b->ram + n, PAGE_BYTES)) fail_msg("memory differs at %x", n);
    for (u32 pfn = 0; pfn < 1u << 20; pfn++) assert_int_equal(a->pages[pfn].kind, b->pages[pfn].kind);
}

/* --- tests ------------------------------------------------------------------------------------------------ */

static void a_loaded_board_goes_on_as_the_saved_one(void **state)
{
    u64 from = seed;
    (void)state;
    for (u32 n = 0; n < rounds; n++) {
        work(first, from, 100);
        from = seed;
        copy_surroundings();
        StateBytes b = saved(first);
        assert_true(loads(second, b.at, b.count));
        state_bytes_free(&b);
        assert_same(first, second);
        work(first, from, 100);
        work(second, from, 100);
        from = seed;
        assert_same(first, second);
        assert_memory_same();
    }
}

static void reset_twice_is_reset_once(void **state)
{
    (void)state;
    for (u32 n = 0; n < rounds; n++) {
        work(first, seed, 100);
        machine_reset(first);
        StateBytes once = saved(first);
        machine_reset(first);
        StateBytes twice = saved(first);
        print_section(&once, &twice);
        assert_int_equal(once.count, twice.count);
        assert_memory_equal(once.at, twice.at, once.count);
        state_bytes_free(&once), state_bytes_free(&twice);
    }
}

static void what_is_damaged_changes_nothing(void **state)
{
    (void)state;
    work(first, seed, 300);
    StateBytes good = saved(first);
    copy_surroundings();
    work(second, seed, 300);
    StateBytes before = saved(second);
    u8 *bad = malloc(good.count);
    for (u32 n = 0; n < 40 * rounds; n++) {
        u32 bytes = good.count;
        memcpy(bad, good.at, bytes);
        if (n % 3 == 0)
            bytes = rnd() % good.count; /* sections may end just there: then others are missing */
        else
            for (u32 flips = 1 + rnd() % 3; flips; flips--) bad[rnd() % bytes] ^= (u8)BIT(rnd() % 8);
        if (bytes == good.count && !memcmp(bad, good.at, bytes)) continue;
        assert_false(loads(second, bad, bytes));
    }
    StateBytes after = saved(second);
    assert_int_equal(before.count, after.count);
    assert_memory_equal(before.at, after.at, before.count);
    free(bad);
    state_bytes_free(&good), state_bytes_free(&before), state_bytes_free(&after);
}

/* A section with other values and the right checksum, as an enemy would make it. */
static void a_forged_state_does_no_harm(void **state)
{
    u32 loaded = 0, refused = 0;
    (void)state;
    work(first, seed, 200);
    for (u32 n = 0; n < 20 * rounds; n++) {
        StateBytes b = saved(first);
        u32 at = 0, end;
        char name[STATE_NAME_MAX + 1];
        for (u32 chosen = rnd() % (machine_parts(first)->count - 1);; chosen--) {
            end = at;
            assert_true(state_section_name(b.at, b.count, &end, name));
            if (!chosen) break;
            at = end;
        }
        for (u32 changes = 1 + rnd() % 8; changes; changes--) {
            u32 head = 1u + b.at[at] + 6, body = end - at - head - 4;
            b.at[at + head + rnd() % body] = rnd() & 1 ? (u8)rnd() : (u8)(rnd() & 1 ? 0xff : 0);
        }
        store32(b.at + end - 4, state_crc(b.at + at, end - at - 4));
        copy_surroundings();
        bool good = loads(second, b.at, b.count);
        loaded += good, refused += !good;
        state_bytes_free(&b);
        work(second, seed, 30);
    }
    assert_true(loaded > rounds && refused > rounds);
}

static void foreign_sections_are_refused(void **state)
{
    static const struct {
        const char *name;
        u16 version;
        bool has_more;
    } cases[] = {{"gus", 1, false}, {"com1", 2, false}, {"com1", 1, true}};
    (void)state;
    for (u32 n = 0; n < ARRAY_LEN(cases); n++) {
        StateBytes whole = saved(first), b = {0};
        State s = {.way = STATE_SAVE, .out = &b};
        u8 value = 7;
        for (u32 at = 0, end = 0; at < whole.count; at = end) { /* all but the one that takes its place */
            char name[STATE_NAME_MAX + 1];
            state_section_name(whole.at, whole.count, &end, name);
            if (!strcmp(name, cases[n].name)) continue;
            u32 bytes = end - at;
            b.at = realloc(b.at, b.count + bytes);
            memcpy(b.at + b.count, whole.at + at, bytes);
            b.room = b.count += bytes;
        }
        assert_true(loads(first, whole.at, whole.count));
        assert_true(state_section(&s, cases[n].name, cases[n].version, NULL, 0));
        if (cases[n].has_more) state_u8(&s, "a_field_of_the_future", &value);
        state_section_end(&s);
        assert_false(loads(first, b.at, b.count));
        state_bytes_free(&whole), state_bytes_free(&b);
    }
}

/* A field that was added later, and that the saved section does not have, has its reset value. */
static void a_missing_field_has_its_reset_value(void **state)
{
    StateBytes b = {0};
    State s = {.way = STATE_SAVE, .out = &b};
    char problem[STATE_PROBLEM] = "";
    Parts parts = {0};
    Pci pci = {.address = 0x80000800};
    (void)state;
    assert_true(state_section(&s, "pci", 1, NULL, 0));
    state_section_end(&s);
    part_add(&parts, &pci_part, "pci", &pci);
    assert_true(parts_load(&parts, b.at, b.count, problem));
    assert_int_equal(pci.address, 0);
    state_bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_board_goes_on_as_the_saved_one),
        cmocka_unit_test(reset_twice_is_reset_once),
        cmocka_unit_test(what_is_damaged_changes_nothing),
        cmocka_unit_test(a_forged_state_does_no_harm),
        cmocka_unit_test(foreign_sections_are_refused),
        cmocka_unit_test(a_missing_field_has_its_reset_value),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
