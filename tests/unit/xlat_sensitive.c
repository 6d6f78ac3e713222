/* xlat_sensitive.c - the table of the sensitive unprivileged instructions in docs/VIRTUALIZATION.md is what the
 * instruction table and the translator say.
 *
 * Each instruction is translated in ring 0, ring 3 and real mode, on a host that has what the inline forms want; what
 * became of it is what the translator noted on its way (PcMap.how). RING3_ACCEPT=1 writes the document's table anew:
 * look at the diff, then commit it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/vm.h"
#include "translator/explain.h"
#include "translator/operand.h"

#define DOCUMENT TESTS_DIR "/../docs/VIRTUALIZATION.md"
static const char begins[] = "<!-- the table: unit.xlat_sensitive -->\n",
                  ends[] = "<!-- the table ends -->\n";
enum { TEXT_BYTES = 1 << 16, CODE_AT = 0x10000, HLT = 0xf4 };

/* As lists of the 17 name them; RET has two forms, MOV goes both ways. */
static const struct {
    const char *name;
    u8 bytes[8]; /* for 16 and for 32 bits: far addresses are read by both */
} sensitive[] = {
    {"SGDT", {0x0f, 0x01, 0x00}},
    {"SIDT", {0x0f, 0x01, 0x08}},
    {"SLDT", {0x0f, 0x00, 0xc0}},
    {"SMSW", {0x0f, 0x01, 0xe0}},
    {"PUSHF", {0x9c}},
    {"POPF", {0x9d}},
    {"LAR", {0x0f, 0x02, 0xc1}},
    {"LSL", {0x0f, 0x03, 0xc1}},
    {"VERR", {0x0f, 0x00, 0xe0}},
    {"VERW", {0x0f, 0x00, 0xe8}},
    {"POP segment", {0x1f}},
    {"PUSH segment", {0x0e}},
    {"CALL far", {0x9a, 0, 0, 8, 0, 8}},
    {"JMP far", {0xea, 0, 0, 8, 0, 8}},
    {"INT n", {0xcd, 0x80}},
    {"RET far", {0xcb}},
    {"IRET", {0xcf}},
    {"STR", {0x0f, 0x00, 0xc8}},
    {"MOV from segment", {0x8c, 0xd8}},
    {"MOV to segment", {0x8e, 0xd8}},
};

typedef enum Mode { RING0, RING3, REAL, MODES } Mode;

static Vm v;
static Xlat *x;
static char made[TEXT_BYTES], there[TEXT_BYTES];

static void enter(Mode mode)
{
    Vcpu *c = &v.c;
    vm_flat32(c);
    if (mode == REAL) {
        cpu_reset(c);
        c->eflags = 2;
        c->seg[CS] =
            (Segment){.limit = 0xffff, .sel = CODE_AT >> 4, .base = CODE_AT, .attr = c->seg[CS].attr};
        c->eip = 0;
    }
    if (mode == RING3) {
        c->cpl = 3;
        for (int s = 0; s < SEG_COUNT; s++) c->seg[s].sel |= 3, c->seg[s].attr |= 3 << 5;
    }
    context_update(x);
}

/* What becomes of it there, in a word or three. */
static const char *done(const u8 *bytes, Mode mode, const Row **row)
{
    memset(v.phys->ram + CODE_AT, HLT, 32);
    memcpy(v.phys->ram + CODE_AT, bytes, sizeof sensitive->bytes);
    block_flush_all(x);
    enter(mode);
    const Block *b = translate(x, v.c.eip, CODE_AT, 0, false);
    assert_non_null(b);
    Insn i;
    DecodeStatus s = insn_decode(&i, v.phys->ram + CODE_AT, 15, mode_decode(x, b->mode));
    if (s != DECODE_OK) return "#UD";
    *row = i.row;
    u16 how = b->map[0].how;
    if (how & HOW_LEARNT) return "repeated, else C";
    if (how & HOW_C) return "C";
    return how & HOW_SLOW_C ? "inline, else C" : "inline";
}

static void make_table(void)
{
    size_t used = (size_t)snprintf(
        made, sizeof made,
        "| instruction | class | as it is, in the host's ring 3 | ring 0 | ring 3 | real mode | "
        "in C |\n|---|---|---|---|---|---|---|\n");
    for (unsigned n = 0; n < ARRAY_LEN(sensitive); n++) {
        const char *cell[MODES];
        const Row *row = NULL;
        for (Mode m = RING0; m < MODES; m++) cell[m] = done(sensitive[n].bytes, m, &row);
        assert_non_null(row);
        assert_non_null(explain_sensitive(row));
        used +=
            (size_t)snprintf(made + used, sizeof made - used, "| %s | %s | %s | %s | %s | %s | `exec_%s` |\n",
                             sensitive[n].name, explain_class(row->cls), explain_sensitive(row), cell[RING0],
                             cell[RING3], cell[REAL], x86_exec_name[row->id]);
        assert_true(used < sizeof made);
    }
}

static void accept(const char *at, const char *end)
{
    FILE *f = fopen(DOCUMENT, "w");
    assert_non_null(f);
    fprintf(f, "%.*s%s%s", (int)(at - there), there, made, end);
    assert_int_equal(fclose(f), 0);
}

static void document_has_the_table(void **state)
{
    (void)state;
    host_features = (HostFeatures){.known = true, .bmi2 = true, .lahf = true};
    vm_start(&v, true);
    x = explain_xlat(v.xlat);
    make_table();
    vm_end(&v);
    FILE *f = fopen(DOCUMENT, "r");
    assert_non_null(f);
    size_t n = fread(there, 1, sizeof there - 1, f);
    fclose(f);
    there[n] = 0;
    char *at = strstr(there, begins), *end = strstr(there, ends);
    assert_true(at && end && at < end);
    at += sizeof begins - 1;
    if (getenv("RING3_ACCEPT")) {
        accept(at, end);
        return;
    }
    if ((size_t)(end - at) == strlen(made) && !memcmp(at, made, strlen(made))) return;
    print_error("docs/VIRTUALIZATION.md should have:\n%s", made);
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(document_has_the_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
