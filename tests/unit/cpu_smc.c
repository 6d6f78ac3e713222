/* Code that is changed as it runs (tests/guests/smc.S): across a page end, ahead of itself, by its own string
 * instruction, by DMA; and code that was given back to the host. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

#define PROGRAM(name) extern const u8 name[], name##_end[];
PROGRAM(smc_across)
PROGRAM(smc_overlap)
PROGRAM(smc_ahead)
PROGRAM(smc_decrypt)
PROGRAM(smc_string)
PROGRAM(smc_wrap)
PROGRAM(smc_dma)

enum { ROUTINE_AT = 0xb000 };

/* How often it was right. */
#define RIGHT(g, name) right(g, name, (u32)(name##_end - name))
static u32 right(Guest *g, const u8 *program, u32 bytes)
{
    guest_real(g);
    guest_code(g, program, bytes);
    assert_int_equal(guest_run(g), STOP_HLT);
    return g->c.gpr[EBX];
}

static void an_instruction_across_pages(void **state) { assert_int_equal(RIGHT(*state, smc_across), 1001); }
static void an_instruction_within_another(void **state) { assert_int_equal(RIGHT(*state, smc_overlap), 100); }
static void what_comes_next(void **state) { assert_int_equal(RIGHT(*state, smc_ahead), 200); }
static void what_a_loop_decrypts(void **state) { assert_int_equal(RIGHT(*state, smc_decrypt), 100); }
static void a_string_instruction_over_itself(void **state) { assert_int_equal(RIGHT(*state, smc_string), 1); }
static void a_jump_that_wraps(void **state) { assert_int_equal(RIGHT(*state, smc_wrap), 2); }

static void what_dma_brought(void **state)
{
    Guest *g = *state;
    for (u8 n = 0; n < 20; n++) {
        const u8 routine[] = {0xb8, n, 0x12, 0xc3}; /* mov ax, 1200 + n; ret */
        phys_dma_write(g->phys, ROUTINE_AT, routine, sizeof routine);
        assert_int_equal(RIGHT(g, smc_dma), 50);
    }
}

/* Code in memory that the host took back (a balloon) is zeros, ADD [BX+SI], AL with AL = 0, up to the next page. */
static void what_was_given_back(void **state)
{
    static const u8 routine[] = {0xb8, 0x34, 0x12, 0xc3}, behind[] = {0x31, 0xc0, 0xc3}; /* xor ax, ax; ret */
    Guest *g = *state;
    for (u8 n = 0; n < 5; n++) {
        phys_dma_write(g->phys, ROUTINE_AT, routine, sizeof routine);
        phys_dma_write(g->phys, ROUTINE_AT + PAGE_BYTES, behind, sizeof behind);
        assert_int_equal(RIGHT(g, smc_dma), 50);
        phys_discard(g->phys, ROUTINE_AT, PAGE_BYTES);
        assert_int_equal(RIGHT(g, smc_dma), 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(an_instruction_across_pages),
        GUEST_TEST(an_instruction_within_another),
        GUEST_TEST(what_comes_next),
        GUEST_TEST(what_a_loop_decrypts),
        GUEST_TEST(a_string_instruction_over_itself),
        GUEST_TEST(a_jump_that_wraps),
        GUEST_TEST(what_dma_brought),
        GUEST_TEST(what_was_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
