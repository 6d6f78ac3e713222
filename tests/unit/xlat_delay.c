/* Loops that do nothing but count wait in front of their jump (translator/delay.c); others do not. Told by the size of
 * their host code. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define GUEST_TRANSLATED
#include "cpu_guest.h"

#define HOST_BYTES(g, ...) host_bytes(g, (const u8[]){__VA_ARGS__}, sizeof(const u8[]){__VA_ARGS__})
static u32 host_bytes(Guest *g, const u8 *code, u32 bytes)
{
    guest_protected(g, 0);
    guest_code(g, code, bytes);
    g->c.gpr[ECX] = 3;
    assert_int_equal(guest_run(g), STOP_HLT);
    const Block *b = ((Xlat *)g->c.engine->ctx)->pages[CODE_AT >> PAGE_BITS].blocks;
    while (b && b->eip != CODE_AT) b = b->page_next;
    assert_non_null(b);
    return b->hbytes;
}

static void who_counts_waits(void **state)
{
    Guest *g = *state;
    u32 counts = HOST_BYTES(g, 0x90, 0x49, 0x75, 0xfc, 0xf4); /* 1: nop; dec ecx; jnz 1; hlt */
    u32 clears = HOST_BYTES(g, 0xf8, 0x49, 0x75, 0xfc, 0xf4); /* clc instead */
    assert_true(counts > clears);
}

/* 1: pshufw mm0, mm1, imm; dec ecx; jnz 1; hlt: the immediate is no distance, the opcode no jump's. */
static void who_computes_does_not(void **state)
{
    Guest *g = *state;
    u32 small = HOST_BYTES(g, 0x0f, 0x70, 0xc1, 0x00, 0x49, 0x75, 0xf9, 0xf4);
    u32 large = HOST_BYTES(g, 0x0f, 0x70, 0xc1, 0x7f, 0x49, 0x75, 0xf9, 0xf4);
    assert_int_equal(small, large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(who_counts_waits),
        GUEST_TEST(who_computes_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
