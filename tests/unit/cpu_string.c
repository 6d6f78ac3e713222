/* String instructions: runs and single steps agree, faults and attention leave a restartable state. What one element
 * does is compared with a real processor in cpu_alu_host.c. */
#include "cpu_flat.h"

enum { SRC = 0x10000, DST = 0x20000 };

static void strings_init(Vcpu *c, u32 count)
{
    for (u32 n = 0; n < 0x4000; n++) *flat_ram(c, SRC + n) = (u8)(n * 31 + 7);
    c->gpr[ESI] = SRC;
    c->gpr[EDI] = DST;
    c->gpr[ECX] = count;
}

static void test_rep_movs(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    strings_init(c, 0xfff);
    c->gpr[ESI] = SRC + 3;
    c->gpr[EDI] = DST + 1;
    CODE(c, 0xf3, 0xa5); /* rep movsd: source and destination straddle at different elements */
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_memory_equal(flat_ram(c, DST + 1), flat_ram(c, SRC + 3), 0xfff * 4);
    assert_int_equal(*flat_ram(c, DST + 1 + 0xfff * 4), 0);
    assert_int_equal(c->gpr[ECX], 0);
    assert_int_equal(c->gpr[ESI], SRC + 3 + 0xfff * 4);
    assert_int_equal(c->gpr[EDI], DST + 1 + 0xfff * 4);
    assert_int_equal(c->eip, FLAT_CODE + 2);
}

static void test_overlap_repeats_the_pattern(void **state)
{
    Vcpu *c = *state;
    strings_init(c, 100);
    c->gpr[EDI] = SRC + 2;
    CODE(c, 0xf3, 0xa4);
    assert_int_equal(flat_step(c), NO_FAULT);
    for (u32 n = 0; n < 102; n++) assert_int_equal(*flat_ram(c, SRC + n), *flat_ram(c, SRC + n % 2));
}

static void test_count_zero(void **state)
{
    Vcpu *c = *state;
    strings_init(c, 0);
    c->seg[DS].limit = 0; /* nothing is accessed */
    CODE(c, 0xf3, 0xa5);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[ESI], SRC);
    assert_int_equal(c->eip, FLAT_CODE + 2);
}

static void test_fault_between_elements(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    strings_init(c, 0x1000);
    store32(flat_pte(c, DST + 0x1000), 0);
    c->gpr[EDI] = DST + 2; /* the element at DST + ffe straddles into the missing page */
    CODE(c, 0xf3, 0xa5);
    assert_int_equal(flat_step(c), EX_PF);
    assert_int_equal(c->cr2, DST + 0x1000);
    assert_int_equal(c->eip, FLAT_CODE);
    assert_int_equal(c->gpr[EDI], DST + 0xffe);
    assert_int_equal(c->gpr[ESI], SRC + 0xffc);
    assert_int_equal(c->gpr[ECX], 0x1000 - 0x3ff);
    assert_int_equal(*flat_ram(c, DST + 0xffe), 0);
    store32(flat_pte(c, DST + 0x1000), (DST + 0x1000) | PTE_P | PTE_W);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_memory_equal(flat_ram(c, DST + 2), flat_ram(c, SRC), 0x4000);
}

static void test_limit_in_a_run(void **state)
{
    Vcpu *c = *state;
    strings_init(c, 100);
    c->seg[ES].limit = DST + 21;
    c->gpr[EAX] = 0x5a5a5a5a;
    CODE(c, 0xf3, 0xab);
    assert_int_equal(flat_step(c), EX_GP);
    assert_int_equal(c->gpr[EDI], DST + 20);
    assert_int_equal(c->gpr[ECX], 95);
    assert_int_equal(load32(flat_ram(c, DST + 16)), 0x5a5a5a5a);
    assert_int_equal(*flat_ram(c, DST + 20), 0);
}

static void test_wrap_with_16_bit_addresses(void **state)
{
    Vcpu *c = *state;
    strings_init(c, 0xabcd0008);
    c->gpr[ESI] = 0x12340000 | 0xfffc;
    c->gpr[EDI] = 0x56780000 | 0x8000;
    c->seg[DS].base = SRC;
    c->seg[ES].base = DST;
    for (u32 n = 0; n < 0x10000; n++) *flat_ram(c, SRC + n) = (u8)(n * 5);
    CODE(c, 0x67, 0xf3, 0xa4);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[ECX], 0xabcd0000);
    assert_int_equal(c->gpr[ESI], 0x12340004);
    assert_int_equal(c->gpr[EDI], 0x56788008);
    for (u32 n = 0; n < 8; n++) assert_int_equal(*flat_ram(c, DST + 0x8000 + n), (u8)((0xfffc + n) * 5));
}

static void test_word_at_ffff(void **state)
{
    Vcpu *c = *state;
    c->seg[DS].limit = 0xffff;
    strings_init(c, 3);
    c->gpr[ESI] = 0xfffd;
    CODE(c, 0x67, 0x66, 0xf3, 0xa5);
    assert_int_equal(flat_step(c), EX_GP);
    assert_int_equal(c->gpr[ESI], 0xffff);
    assert_int_equal(c->gpr[ECX], 2);
}

static void test_override_is_for_the_source(void **state)
{
    Vcpu *c = *state;
    strings_init(c, 4);
    c->seg[FS].base = 0x100;
    CODE(c, 0x64, 0xf3, 0xa4);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_memory_equal(flat_ram(c, DST), flat_ram(c, SRC + 0x100), 4);
}

static void test_attention_ends_early(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    strings_init(c, 0x3000);
    CODE(c, 0xf3, 0xa4);
    unsigned steps = 0;
    do {
        flat_attention(c);
        u32 before = c->gpr[ECX];
        assert_int_equal(flat_step(c), NO_FAULT);
        assert_true(c->gpr[ECX] < before); /* always some progress */
        steps++;
    } while (c->eip == FLAT_CODE);
    assert_true(steps > 1);
    assert_int_equal(c->gpr[ECX], 0);
    assert_memory_equal(flat_ram(c, DST), flat_ram(c, SRC), 0x3000);
}

static void test_repe_cmps(void **state)
{
    Vcpu *c = *state;
    strings_init(c, 50);
    memcpy(flat_ram(c, DST), flat_ram(c, SRC), 50);
    *flat_ram(c, DST + 20) ^= 1;
    CODE(c, 0xf3, 0xa6);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(c->gpr[ECX], 29);
    assert_int_equal(c->gpr[ESI], SRC + 21);
    assert_false(c->eflags & FL_Z);
    assert_int_equal(c->eip, FLAT_CODE + 2);
}

static void test_repne_scas(void **state)
{
    Vcpu *c = *state;
    memcpy(flat_ram(c, DST), "hello", 6);
    c->gpr[EDI] = DST;
    c->gpr[ECX] = 0xffffffff;
    CODE(c, 0xf2, 0xae);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(~c->gpr[ECX] - 1, 5);
    assert_true(c->eflags & FL_Z);
}

/* The second half of a watched page is written a step at a time, and its watcher hears of all of it. */
static u32 heard;
static void on_written(void *ctx, u32 pa, u32 bytes, u8 watch)
{
    (void)ctx;
    (void)pa;
    (void)watch;
    heard += bytes;
}

static void test_watched_page(void **state)
{
    Vcpu *c = *state;
    strings_init(c, 0x800);
    c->phys->on_written = on_written;
    c->phys->watch[(DST + 0x1000) >> PAGE_BITS] = WATCH_PT;
    heard = 0;
    CODE(c, 0xf3, 0xa5);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_int_equal(heard, 0x1000);
    assert_memory_equal(flat_ram(c, DST), flat_ram(c, SRC), 0x2000);
    c->phys->on_written = NULL;
}

static void test_real_mode_ignores_types(void **state)
{
    Vcpu *c = *state;
    c->cr0 = 0;
    c->seg[ES].attr &= ~(u32)SEG_WRITABLE;
    strings_init(c, 4);
    CODE(c, 0xf3, 0xa5);
    assert_int_equal(flat_step(c), NO_FAULT);
    c->cr0 = CR0_PE;
    c->eip = FLAT_CODE;
    c->gpr[ECX] = 4;
    assert_int_equal(flat_step(c), EX_GP);
}

static void test_downwards(void **state)
{
    Vcpu *c = *state;
    flat_paging(c);
    strings_init(c, 0xfff);
    c->gpr[ESI] = SRC + 3 + 0xffe * 4;
    c->gpr[EDI] = DST + 1 + 0xffe * 4;
    c->eflags |= FL_D;
    CODE(c, 0xf3, 0xa5);
    assert_int_equal(flat_step(c), NO_FAULT);
    assert_memory_equal(flat_ram(c, DST + 1), flat_ram(c, SRC + 3), 0xfff * 4);
    assert_int_equal(*flat_ram(c, DST), 0);
    assert_int_equal(c->gpr[ESI], SRC - 1);
    assert_int_equal(c->gpr[EDI], DST - 3);
}

/* --- runs do what single steps do: any instruction, direction, overlap, pages that are missing, read-only or twice there --- */

enum { AREA = 0x10000, AREA_PAGES = 8, AREA_BYTES = AREA_PAGES * PAGE_BYTES };
static u32 seed;

static u32 rnd(u32 below)
{
    seed = seed * 1664525 + 1013904223;
    return (u32)((u64)(seed >> 8) * below >> 24);
}

static void random_pages(Vcpu *c)
{
    flat_paging(c);
    for (u32 n = 0; n < AREA_PAGES; n++) {
        u32 *pte = (u32 *)flat_pte(c, AREA + n * PAGE_BYTES);
        if (!rnd(12)) store32(pte, 0);
        if (!rnd(12)) store32(pte, load32(pte) & ~(u32)PTE_W);
        if (!rnd(8)) store32(pte, (AREA + rnd(AREA_PAGES) * PAGE_BYTES) | PTE_P | PTE_W | PTE_U);
    }
}

static u32 random_index(void)
{
    return rnd(3) ? AREA + rnd(AREA_BYTES) : AREA + rnd(AREA_PAGES) * PAGE_BYTES - 8 + rnd(16);
}

static void random_string(Vcpu *c)
{
    static const u8 opcodes[] = {0xa4, 0xa5, 0xa4, 0xa5, 0xa5, 0xaa, 0xab,
                                 0xac, 0xad, 0xa6, 0xa7, 0xae, 0xaf};
    u8 code[5], n = 0;
    flat_reset(c);
    random_pages(c);
    for (u32 k = 0; k < AREA_BYTES; k++) *flat_ram(c, AREA + k) = (u8)(rnd(50) ? 1 : rnd(256));
    for (u32 k = 0; k < 8; k++) c->gpr[k] = rnd(0x10000) * 0x10001;
    c->gpr[ESI] = random_index();
    c->gpr[EDI] = rnd(3) ? random_index() : c->gpr[ESI] + rnd(64) - 32;
    c->gpr[ECX] = rnd(4) ? rnd(64) : rnd(6000);
    if (rnd(2)) c->eflags |= FL_D;
    if (!rnd(8)) c->seg[ES].limit = AREA + rnd(AREA_BYTES);
    if (!rnd(16)) c->seg[DS].attr |= SEG_DOWN;
    if (!rnd(4)) {
        code[n++] = 0x67;
        c->seg[DS].base = c->seg[ES].base = AREA;
    }
    if (!rnd(3)) code[n++] = 0x66;
    code[n++] = rnd(2) ? 0xf3 : 0xf2;
    code[n++] = opcodes[rnd(sizeof opcodes)];
    flat_code(c, code, n);
}

static int run_to_end(Vcpu *c, bool by_steps)
{
    int fault;
    do {
        if (by_steps) flat_attention(c);
        fault = flat_step(c);
    } while (fault == NO_FAULT && c->eip == FLAT_CODE);
    return fault;
}

static void test_runs_are_single_steps(void **state)
{
    Vcpu *c = *state, *d = flat_new();
    u32 copied = 0, faults = 0;
    for (u32 round = 0; round < 3000; round++) {
        seed = round;
        random_string(c);
        seed = round;
        random_string(d);
        u32 count = c->gpr[ECX];
        int fault = run_to_end(c, false), expected = run_to_end(d, true);
        bool same = fault == expected && !memcmp(c->gpr, d->gpr, sizeof c->gpr) && c->eflags == d->eflags &&
                    c->eip == d->eip && (fault != EX_PF || c->cr2 == d->cr2) &&
                    !memcmp(flat_ram(c, 0), flat_ram(d, 0), AREA + AREA_BYTES);
        if (!same) fail_msg("round %u: a run and its single steps differ", round);
        faults += fault != NO_FAULT;
        copied += count - c->gpr[ECX];
    }
    assert_true(faults > 300 && copied > 300000); /* the rounds meet what they are for */
    flat_free(d);
}

/* --- ports --- */

enum { PORT = 0x300, BOX = 0x3000 };

/* A data port of a buffer; runs are of at most `most` accesses, and never of the buffer's last byte. */
typedef struct Box {
    u8 bytes[BOX];
    u32 at, end, most, runs;
} Box;

static u32 box_read(void *dev, u32 offset, unsigned bytes)
{
    Box *b = dev;
    u32 v = 0;
    (void)offset;
    for (unsigned n = 0; n < bytes; n++) v |= (b->at < b->end ? b->bytes[b->at++] : 0xffu) << 8 * n;
    return v;
}

static void box_write(void *dev, u32 offset, u32 v, unsigned bytes)
{
    Box *b = dev;
    (void)offset;
    for (unsigned n = 0; n < bytes; n++)
        if (b->at < b->end) b->bytes[b->at++] = (u8)(v >> 8 * n);
}

static u32 box_run(Box *b, unsigned bytes, u32 count)
{
    u32 n = b->at < b->end ? (b->end - b->at - 1) / bytes : 0;
    if (n > count) n = count;
    if (n > b->most) n = b->most;
    b->runs += n != 0;
    b->at += n * bytes;
    return n;
}

static u32 box_read_run(void *dev, u32 offset, unsigned bytes, void *to, u32 count)
{
    Box *b = dev;
    const u8 *from = b->bytes + b->at;
    u32 n = box_run(b, bytes, count);
    (void)offset;
    memcpy(to, from, n * bytes);
    return n;
}

static u32 box_write_run(void *dev, u32 offset, unsigned bytes, const void *from, u32 count)
{
    Box *b = dev;
    u8 *to = b->bytes + b->at;
    u32 n = box_run(b, bytes, count);
    (void)offset;
    memcpy(to, from, n * bytes);
    return n;
}

static const IoOps box_ops = {box_read, box_write, 1, 4};
static const IoRuns box_runs = {box_read_run, box_write_run};
static Box box;

/* One REP INS or OUTS between the box and a place beside a page that is there and one that may not be. */
typedef struct PortString {
    u32 count, place, seed, end, most, flags;
    u8 prefix, opcode; /* prefix: 66h, or another that does nothing */
    bool gap;          /* the second page is not present */
} PortString;

static PortString random_port_string(void)
{
    return (PortString){.count = rnd(5000),
                        .place = DST + rnd(0x1004),
                        .seed = rnd(200),
                        .end = rnd(BOX),
                        .most = 1 + rnd(3000),
                        .flags = rnd(8) ? 0 : FL_D,
                        .prefix = rnd(2) ? 0x66 : 0x3e,
                        .opcode = (u8)(0x6c + rnd(4)),
                        .gap = !rnd(4)};
}

static int port_string(Vcpu *c, const PortString *t)
{
    flat_reset(c);
    flat_paging(c);
    for (u32 n = 0; n < 0x8000; n++) *flat_ram(c, DST - 0x2000 + n) = (u8)(n * 13 + t->seed);
    for (u32 n = 0; n < BOX; n++) box.bytes[n] = (u8)(n * 7 + t->seed);
    box.at = box.runs = 0;
    box.end = t->end;
    store32(flat_pte(c, DST + 0x2000), t->gap ? 0 : (DST + 0x2000) | PTE_P | PTE_W);
    c->gpr[ESI] = c->gpr[EDI] = t->place;
    c->gpr[ECX] = t->count;
    c->gpr[EDX] = PORT;
    c->eflags |= t->flags;
    CODE(c, 0xf3, t->prefix, t->opcode);
    return flat_step(c);
}

static void test_port_strings_are_single_accesses(void **state)
{
    Vcpu *c = *state;
    static u8 ram[0x8000];
    u32 runs = 0, faults = 0;
    int id = bus_add_ports(c->bus, PORT, 1, &box_ops, &box, "box");
    bus_set_runs(c->bus, id, NULL);
    for (int round = 0; round < 2000; round++) {
        PortString t = random_port_string();
        bus_set_runs(c->bus, id, NULL);
        int fault = port_string(c, &t);
        Box single = box;
        u32 gpr[8];
        memcpy(gpr, c->gpr, sizeof gpr);
        memcpy(ram, flat_ram(c, DST - 0x2000), sizeof ram);
        assert_int_equal(single.runs, 0);
        bus_set_runs(c->bus, id, &box_runs);
        box.most = t.most;
        assert_int_equal(port_string(c, &t), fault);
        assert_memory_equal(gpr, c->gpr, sizeof gpr);
        assert_memory_equal(ram, flat_ram(c, DST - 0x2000), sizeof ram);
        assert_memory_equal(single.bytes, box.bytes, BOX);
        assert_int_equal(single.at, box.at);
        runs += box.runs;
        faults += fault != NO_FAULT;
    }
    assert_true(runs > 1000 && faults > 50);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, flat_setup, flat_teardown)
    const struct CMUnitTest tests[] = {
        T(test_rep_movs),
        T(test_overlap_repeats_the_pattern),
        T(test_count_zero),
        T(test_fault_between_elements),
        T(test_limit_in_a_run),
        T(test_wrap_with_16_bit_addresses),
        T(test_word_at_ffff),
        T(test_override_is_for_the_source),
        T(test_attention_ends_early),
        T(test_repe_cmps),
        T(test_repne_scas),
        T(test_watched_page),
        T(test_real_mode_ignores_types),
        T(test_downwards),
        T(test_runs_are_single_steps),
        T(test_port_strings_are_single_accesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
