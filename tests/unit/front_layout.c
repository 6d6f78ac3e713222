/* front_layout.c - a state that was saved by the layout of a board version that was released loads for ever.
 *
 * layouts/pc-1.0.txt lists every part's fields with values, as `-M pc-1.0` saved them when it was new. All of them must
 * find their way into today's parts and out of them again, unchanged; what was added since is at its reset value. A field
 * that a change renames, narrows or drops fails here: let the part's `state` take the old one, too (hw/state.h), and leave
 * the listing as it is. A new part, or a new version of the board, gets a listing of its own:
 * LAYOUT_WRITE=FILE build/tests/unit_front_layout writes all of today's.
 */
#include "hostile_board.h"

#include <stdio.h>

#include "frontend/processor.h"
#include "hw/glassbox.h"
#include "hw/part.h"

enum { FIELD_BYTES = 1 << 20, LINE_COLUMNS = 110 };

static Machine *board, *small_board;
static Vcpu cpu;
static Parts all; /* of both boards and the processor */
static u8 values[FIELD_BYTES];

/* --- a machine with every part ---------------------------------------------------------------------------- */

static void add_from(Machine *from, const char *name)
{
    const Part *p = part_find(machine_parts(from), name);
    assert_non_null(p);
    part_add(&all, p->kind, p->name, p->dev);
}

static void start_processor(void)
{
    cpu_init(&cpu, cpu_model_find("max"), machine_bus(board), machine_phys(board));
    cpu_reset(&cpu);
    for (unsigned n = 0; n < ARRAY_LEN(cpu.gpr); n++) cpu.gpr[n] = 0x01020304 * (n + 1);
    for (unsigned n = 0; n < sizeof cpu.fpu.xmm; n++) cpu.fpu.xmm[n / 16][n % 16] = (u8)n;
    cpu.mtrr_def = 0xc06;
    part_add(&all, &processor_part, "cpu", &cpu);
}

static int setup(void **state)
{
    static const MachineEvents nobody;
    static const GlassboxSource nothing;
    const MachineConfig c = {.ram_bytes = 4 << 20,
                             .manual_clock = true,
                             .adlib = true,
                             .postcode = true,
                             .postcode_port = 0x80,
                             .glassbox = &nothing};
    (void)state;
    images_init();
    board = board_new();
    small_board = machine_new(&c, &nobody);
    all = *machine_parts(board);
    add_from(small_board, "adlib");
    add_from(small_board, "post");
    add_from(small_board, "glassbox");
    start_processor();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_free(board), machine_free(small_board);
    images_free();
    return 0;
}

static StateBytes saved(const Parts *p)
{
    StateBytes b = {0};
    char problem[STATE_PROBLEM] = "";
    assert_true(parts_save(p, &b, problem));
    return b;
}

/* --- saved bytes, field by field (hw/state.h has the layout) ---------------------------------------------- */

typedef struct Field {
    char name[STATE_NAME_MAX + 1];
    unsigned width, count;
    const u8 *values;
} Field;

static const u8 *take_name(const u8 *at, char name[STATE_NAME_MAX + 1])
{
    memcpy(name, at + 1, *at);
    name[*at] = 0;
    return at + 1 + *at;
}

/* The section that begins at `at`; returns its first field's place, and where they end. */
static const u8 *open_section(const u8 *at, char name[STATE_NAME_MAX + 1], unsigned *version, const u8 **end)
{
    at = take_name(at, name);
    *version = load16(at);
    *end = at + 6 + load32(at + 2);
    return at + 6;
}

static const u8 *take_field(const u8 *at, Field *f)
{
    at = take_name(at, f->name);
    f->width = *at;
    f->count = load32(at + 1);
    f->values = at + 5;
    return f->values + (size_t)f->width * f->count;
}

static bool find_field(const StateBytes *b, const char *part, const char *name, Field *f)
{
    char section[STATE_NAME_MAX + 1];
    const u8 *end;
    unsigned version;
    for (const u8 *at = b->at; at < b->at + b->count; at = end + 4) {
        at = open_section(at, section, &version, &end);
        while (!strcmp(section, part) && at < end) {
            at = take_field(at, f);
            if (!strcmp(f->name, name)) return true;
        }
    }
    return false;
}

/* --- the listing: "part NAME VERSION", then "NAME WIDTH COUNT" and the values, *N behind one that comes N times ------------ */

static void write_values(FILE *to, const Field *f)
{
    int column = 0;
    for (unsigned n = 0, times; n < f->count; n += times) {
        const u8 *v = f->values + (size_t)n * f->width;
        for (times = 1; n + times < f->count && !memcmp(v, v + (size_t)times * f->width, f->width);) times++;
        if (column > LINE_COLUMNS - 24) column = fprintf(to, "\n     ") - 1;
        u64 number = 0;
        memcpy(&number, v, f->width);
        column += fprintf(to, " %llx", (unsigned long long)number);
        if (times > 1) column += fprintf(to, "*%u", times);
    }
}

static void write_listing(const char *path)
{
    char name[STATE_NAME_MAX + 1];
    const u8 *end;
    unsigned version;
    board_use(board);
    for (u32 n = 0; n < 2000; n++) hostile_step();
    StateBytes b = saved(&all);
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    for (const u8 *at = b.at; at < b.at + b.count; at = end + 4) {
        Field f;
        at = open_section(at, name, &version, &end);
        fprintf(to, "part %s %u\n", name, version);
        while (at < end) {
            at = take_field(at, &f);
            fprintf(to, "%s %u %u", f.name, f.width, f.count);
            write_values(to, &f);
            fprintf(to, "\n");
        }
    }
    fclose(to);
    state_bytes_free(&b);
}

static void read_values(FILE *from, unsigned width, unsigned count)
{
    unsigned times;
    assert_true((u64)width * count <= sizeof values);
    for (unsigned n = 0; n < count; n += times) {
        unsigned long long v;
        times = 1;
        assert_int_equal(fscanf(from, "%llx", &v), 1);
        int next = fgetc(from);
        if (next == '*') assert_int_equal(fscanf(from, "%u", &times), 1);
        for (unsigned i = 0; i < times; i++) memcpy(values + (size_t)(n + i) * width, &v, width);
    }
}

typedef struct Listing {
    Parts parts;      /* of ours, those that it has */
    StateBytes state; /* what it says, saved */
} Listing;

static void begin_part(Listing *l, State *s, FILE *from)
{
    char name[STATE_NAME_MAX + 1];
    unsigned version;
    assert_int_equal(fscanf(from, "%255s %u", name, &version), 2);
    const Part *p = part_find(&all, name);
    if (!p) fail_msg("the part '%s' is gone", name);
    part_add(&l->parts, p->kind, p->name, p->dev);
    assert_true(state_section(s, name, (u16)version, NULL, 0));
}

static Listing read_listing(const char *path)
{
    Listing l = {0};
    State s = {.way = STATE_SAVE, .out = &l.state};
    char word[STATE_NAME_MAX + 1];
    FILE *from = fopen(path, "r");
    assert_non_null(from);
    while (fscanf(from, "%255s", word) == 1) {
        unsigned width, count;
        if (!strcmp(word, "part")) {
            if (l.parts.count) state_section_end(&s);
            begin_part(&l, &s, from);
            continue;
        }
        assert_int_equal(fscanf(from, "%u %u", &width, &count), 2);
        read_values(from, width, count);
        state_values(&s, word, values, width, count);
    }
    state_section_end(&s);
    fclose(from);
    assert_string_equal(s.problem, "");
    return l;
}

/* --- the test --------------------------------------------------------------------------------------------- */

static void assert_all_there(const StateBytes *listed, const StateBytes *now)
{
    char part[STATE_NAME_MAX + 1];
    const u8 *end;
    unsigned version;
    for (const u8 *at = listed->at; at < listed->at + listed->count; at = end + 4) {
        Field f, g;
        at = open_section(at, part, &version, &end);
        while (at < end) {
            at = take_field(at, &f);
            if (!find_field(now, part, f.name, &g)) fail_msg("%s has no field '%s' any more", part, f.name);
            if (f.width != g.width || f.count != g.count ||
                memcmp(f.values, g.values, (size_t)f.width * f.count))
                fail_msg("%s: '%s' is not what was saved", part, f.name);
        }
    }
}

static void a_released_layout_loads(void **state)
{
    char problem[STATE_PROBLEM] = "";
    Listing l = read_listing(TESTS_DIR "/unit/layouts/pc-1.0.txt");
    (void)state;
    assert_true(l.parts.count > 30);
    if (!parts_load(&l.parts, l.state.at, l.state.count, problem)) fail_msg("%s", problem);
    StateBytes now = saved(&l.parts);
    assert_all_there(&l.state, &now);
    state_bytes_free(&now);
    state_bytes_free(&l.state);
}

/* Each part of today's is in a listing: a new one must not be forgotten. */
static void every_part_has_a_listing(void **state)
{
    Listing l = read_listing(TESTS_DIR "/unit/layouts/pc-1.0.txt");
    (void)state;
    for (unsigned n = 0; n < all.count; n++)
        if (all.part[n].kind->state && !part_find(&l.parts, all.part[n].name))
            fail_msg("no listing has the part '%s'", all.part[n].name);
    state_bytes_free(&l.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_released_layout_loads),
        cmocka_unit_test(every_part_has_a_listing),
    };
    const char *path = getenv("LAYOUT_WRITE");
    if (!path) return cmocka_run_group_tests(tests, setup, teardown);
    setup(NULL);
    write_listing(path);
    return teardown(NULL);
}
