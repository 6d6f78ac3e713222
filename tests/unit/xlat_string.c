/* xlat_string.c - repeated string instructions, translated and interpreted: the same registers, flags, memory and faults,
 * wherever they begin and end, in each form.
 *
 * Pages from DATA on lie in physical memory in another order; HOLE is not present, READ_ONLY may not be written, CODE
 * holds the program itself, and the last page of 4 GiB goes around to page 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm.h"

enum {
    GDT = 0x2000,
    IDT = 0x3000,
    CODE = 0x10000,
    HANDLER = 0x11000,
    DIR = 0x100000,
    TABLES = 0x101000, /* of 4 MiB at 0, at DATA, and of the last ones */
    DATA = 0x400000,
    FRAMES = 0x400000,
    DATA_PAGES = 512,
    HOLE = DATA + 300 * PAGE_BYTES,
    READ_ONLY = DATA + 310 * PAGE_BYTES,
    RAM_BYTES = 16 << 20
};
#define TOP 0xfffff000u

typedef struct Case {
    const char *code; /* bytes of the instruction; HLT follows */
    u32 ecx, esi, edi, eax, flags;
} Case;

static const Case cases[] = {
    {"\xf3\xa5", 1250, DATA + 1, DATA + 0x10003, 0, 0},
    {"\xf3\xa5", 0, DATA + 1, DATA + 0x10003, 0, 0},
    {"\xf3\xa5", 1, DATA + 0xffe, DATA + 0x10ffd, 0, 0},
    {"\xf3\x66\xa5", 5000, DATA + 0xfff, DATA + 0x20001, 0, 0},
    {"\xf3\xa4", 9000, DATA + 9000, DATA + 0x30000 + 9000, 0, FL_D},
    {"\xf3\xa5", 3000, DATA + 12003, DATA + 0x30000 + 12001, 0, FL_D},
    {"\xf3\xa4", 5000, DATA + 0x100, DATA + 0x101, 0, 0}, /* spreads a byte */
    {"\xf3\xa4", 70000, DATA, DATA + 0x20000, 0, 0},
    {"\xf3\xaa", 70000, 0, DATA + 5, 0x5a, 0},
    {"\xf3\xab", 20000, 0, DATA + 5, 0x12345678, 0},
    {"\xf3\x66\xab", 20000, 0, DATA + 0x1fffe, 0x1234, FL_D},
    {"\xf2\xae", 0xffffffff, 0, DATA + 7, 0, 0},         /* zero at ZERO_AT */
    {"\xf2\xae", 100, 0, DATA + 7, 0, FL_ARITH},         /* none */
    {"\xf2\xae", 0, 0, DATA + 7, 0, FL_Z | FL_C},        /* flags stay */
    {"\xf2\xaf", 0xffffffff, 0, DATA, 0x01020304, FL_D}, /* down to the hole below DATA */
    {"\xf3\xae", 0xffffffff, 0, DATA + 0x40000, 0x77, 0},
    {"\xf3\xa6", 0xffffffff, DATA + 0x40000, DATA + 0x60000, 0, 0},
    {"\xf3\xa6", 200, DATA + 0x40000, DATA + 0x60000, 0, 0},
    {"\xf2\xa7", 40000, DATA + 0x40000, DATA + 1, 0, 0},
    {"\xf3\xa5", 5000, DATA, HOLE - 9999, 0, 0},    /* ends in the hole */
    {"\xf3\xa5", 5000, HOLE - 9999, DATA, 0, FL_C}, /* its source does */
    {"\xf3\xab", 5000, 0, READ_ONLY - 0x1802, 1, 0},
    {"\xf3\xa4", 70000, HOLE - 69000, DATA + 3, 0, 0}, /* behind the host's part */
    {"\xf2\xae", 0xffffffff, 0, HOLE - 70000, 0x100, FL_S},
    {"\xf3\xa6", 0xffffffff, HOLE - 0x800, HOLE - 0x800, 0, 0},
    {"\xf3\xa4", 0x2000, DATA + 0x123, TOP + 0x200, 0, 0}, /* around 4 GiB */
    {"\xf3\xa5", 0x800, TOP + 0x201, DATA + 0x123, 0, 0},
    {"\xf3\xab", 0x800, 0, 0x200, 0x11, FL_D},
    {"\xf3\xaa", 0x100, 0, CODE + 0x80, 0x90, 0},   /* beside the program */
    {"\xf3\xa5", 0x40, DATA, TABLES + 0xf00, 0, 0}, /* over page-table entries */
};

static void entry(Vm *v, u32 va, u32 pte)
{
    u32 table = va < DATA ? 0 : va < DATA + DATA_PAGES * PAGE_BYTES ? 1 : 2;
    store32(v->phys->ram + DIR + (va >> 22) * 4, (TABLES + table * PAGE_BYTES) | 7);
    store32(v->phys->ram + TABLES + table * PAGE_BYTES + (va >> 12 & 1023) * 4, pte);
}

static void build(Vm *v, const Case *k)
{
    u8 *ram = v->phys->ram;
    for (u32 va = 0; va < DATA; va += PAGE_BYTES) entry(v, va, va | 7);
    for (u32 n = 0; n < DATA_PAGES; n++)
        entry(v, DATA + n * PAGE_BYTES, (FRAMES + (n * 77 % DATA_PAGES) * PAGE_BYTES) | 7);
    entry(v, TOP, 0x300000 | 7);
    entry(v, HOLE, 0);
    entry(v, READ_ONLY, FRAMES | 5);
    for (u32 n = 0; n < DATA_PAGES * PAGE_BYTES; n++) ram[FRAMES + n] = (u8)(n % 251 + 1);
    for (u32 n = 0; n < 0x20; n++) {
        u32 frame = FRAMES + ((n + 0x40) * 77 % DATA_PAGES) * PAGE_BYTES;
        u32 other = FRAMES + ((n + 0x60) * 77 % DATA_PAGES) * PAGE_BYTES;
        memset(ram + frame, 0x77, PAGE_BYTES);
        memset(ram + other, 0x77, PAGE_BYTES);
    }
    ram[FRAMES + (0x3b * 77 % DATA_PAGES) * PAGE_BYTES + 0x321] = 0;    /* what SCASB finds */
    ram[FRAMES + (0x53 * 77 % DATA_PAGES) * PAGE_BYTES + 0x321] = 0x78; /* where CMPSB differs */
    store32(ram + GDT + 8, 0xffff);
    store32(ram + GDT + 12, 0xcf9b00);
    store32(ram + IDT + 8 * EX_PF, 8 << 16 | (HANDLER & 0xffff));
    store32(ram + IDT + 8 * EX_PF + 4, (HANDLER & 0xffff0000) | 0x8e00);
    ram[HANDLER] = 0xf4;
    size_t n = strlen(k->code);
    memcpy(ram + CODE, k->code, n);
    ram[CODE + n] = 0xf4;
}

static void start(Vm *v, const Case *k, bool translate, FormPolicy form)
{
    vm_start(v, translate);
    build(v, k);
    if (translate) ((Xlat *)v->xlat->ctx)->form_policy = form;
    Vcpu *c = &v->c;
    c->cr0 |= CR0_PG | CR0_WP;
    c->cr3 = DIR;
    c->gdtr.base = GDT, c->gdtr.limit = 15;
    c->idtr.base = IDT, c->idtr.limit = 8 * 15 - 1;
    c->eip = CODE;
    c->gpr[ECX] = k->ecx, c->gpr[ESI] = k->esi, c->gpr[EDI] = k->edi, c->gpr[EAX] = k->eax;
    c->eflags = 2 | k->flags;
    c->engine->paging_changed(c->engine->ctx, c, EV_CR0 | EV_CR3);
    StopReason r = vm_run(v);
    if (r != STOP_HLT) fail_msg("case %d: stopped by %d at %08x", (int)(k - cases), r, c->eip);
}

static void compare(const Case *k, FormPolicy form)
{
    static Vm a, b;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    start(&a, k, false, form);
    start(&b, k, true, form);
    for (int n = 0; n < 8; n++)
        if (a.c.gpr[n] != b.c.gpr[n])
            fail_msg("case %d form %d: r%d is %08x, should be %08x", (int)(k - cases), form, n, b.c.gpr[n],
                     a.c.gpr[n]);
    assert_int_equal(a.c.eip, b.c.eip);
    assert_int_equal(a.c.cr2, b.c.cr2);
    assert_int_equal(a.c.eflags, b.c.eflags);
    assert_memory_equal(a.phys->ram, b.phys->ram, RAM_BYTES);
    vm_end(&a);
    vm_end(&b);
}

static void both_engines_agree(void **state)
{
    static const FormPolicy forms[] = {FORM_AUTO, FORM_WINDOW, FORM_TABLE};
    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(cases); n++)
        for (unsigned f = 0; f < ARRAY_LEN(forms); f++) compare(&cases[n], forms[f]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_engines_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
