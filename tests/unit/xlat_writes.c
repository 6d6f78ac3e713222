/* xlat_writes.c - the table's column `dest` (cpu/insn.h) against the interpreter: random encodings of every row, run in
 * flat 32-bit ring 0. No general register changes that insn_written() does not name; and each that a row names, by its
 * operand or by itself, changes in some run, so that nothing is named for good measure. (xlat_emit.c looks at the first
 * half in all modes.)
 *
 * Not looked at: far transfers and RSM, which say ALL since a task switch may change all; rows of which every run
 * faults here. */
#include "cpu/fpu.h"
#include "tests/insn_gen.h"
#include "tests/unit/cpu_flat.h"

enum { RUNS = 400, DATA = 0x10000, DATA_BYTES = 0x10000, STACK = 0x40000 };

typedef struct Tally {
    unsigned ran;
    u16 named, changed; /* DEST_ bits */
} Tally;

static InsnGen gen = {.seed = 20261129, .seg_count = 0};

static bool row_wanted(const Row *r) { return r->cls != XC_FAR && r->dest != DEST_REGS; }

static bool is_string(const Row *r) { return r->cls == XC_STRING || (r->cls == XC_IO && r->dest & BIT(ECX)); }

static void random_state(Vcpu *c, const Insn *i)
{
    u32 offset = DATA + (gen_below(&gen, DATA_BYTES) & ~15u);
    flat_reset(c);
    c->cr0 |= CR0_NE;
    c->cr4 |= CR4_OSFXSR;
    c->features = cpu_features_possible();
    c->eflags = (gen_random(&gen) & FL_ARITH) | 2;
    for (int r = 0; r < 8; r++) c->gpr[r] = gen_value(&gen);
    c->gpr[ESP] = STACK + 4 * gen_below(&gen, 64);
    if (i->row->cls == XC_STACK) c->gpr[EBP] = STACK + 0x1000;
    if (is_string(i->row)) {
        c->gpr[ECX] = gen_below(&gen, 16);
        c->gpr[ESI] = offset;
        c->gpr[EDI] = offset ^ 0x8000;
    }
    if (i->row->host == HF_XLAT) c->gpr[EBX] = offset;
    if (i->is_mem) insn_gen_aim(&gen, i, c->gpr, &offset);
    memset(&c->fpu, 0, sizeof c->fpu);
    c->fpu.fcw = 0x37f;
    c->fpu.mxcsr = 0x1f80;
    for (u32 n = 0; n < 64; n += 4) store32(flat_ram(c, (offset + n) % (FLAT_RAM - 4)), gen_value(&gen));
    for (unsigned n = 0; n < sizeof c->fpu.xmm; n += 4) store32((u8 *)c->fpu.xmm + n, gen_value(&gen));
}

/* Which of the row's words name register r. */
static u16 words_of(const Insn *i, int r)
{
    Row one = *i->row;
    Insn of = *i;
    u16 words = 0;
    of.row = &one;
    for (u16 word = 1; word <= DEST_O2; word = (u16)(word << 1)) {
        one.dest = i->row->dest & word;
        if (one.dest && insn_written(&of) >> r & 1) words |= word;
    }
    return words;
}

static void run(Vcpu *c, const Insn *i, Tally *t)
{
    u32 before[8];
    random_state(c, i);
    memcpy(before, c->gpr, sizeof before);
    c->next_eip = c->eip + i->len;
    if (setjmp(c->fault_jmp)) {
        fpu_park(c);
        return;
    }
    x86_exec[i->row->id](c, i);
    fpu_park(c);
    t->ran++;
    for (int r = 0; r < 8; r++) {
        t->named |= words_of(i, r);
        if (c->gpr[r] == before[r]) continue;
        if (!(insn_written(i) >> r & 1))
            fail_msg("%s (%x /%d) changes register %d", i->row->name, i->row->opcode, i->reg, r);
        t->changed |= words_of(i, r);
    }
}

static void the_table_names_what_is_written(void **state)
{
    Vcpu *c = *state;
    unsigned rows = 0;
    gen.mode = (DecodeMode){.code32 = 1, .protected_mode = 1, .features = cpu_features_possible()};
    for (const Row *row = x86_rows; row < x86_rows + x86_row_count; row++) {
        Tally t = {0};
        for (unsigned n = 0; row_wanted(row) && n < RUNS; n++) {
            Insn i;
            u8 bytes[INSN_GEN_MAX];
            if (!insn_gen_row(&gen, row, bytes, &i)) continue;
            if (is_string(row) && gen_chance(&gen, 50)) i.prefix |= PREFIX_REP;
            run(c, &i, &t);
        }
        rows += t.ran > 0;
        if (t.named & ~t.changed)
            fail_msg("%s (%x): %u runs never changed what %x names", row->name, row->opcode, t.ran,
                     t.named & ~t.changed);
    }
    print_message("%u of %u rows\n", rows, x86_row_count);
    assert_true(rows > x86_row_count * 3 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_table_names_what_is_written, flat_setup, flat_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
