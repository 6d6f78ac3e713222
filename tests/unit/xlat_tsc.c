/* RDTSC in translated code: the host's counter through the TscScale, or the interpreter's function. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define GUEST_TRANSLATED
#include "cpu_guest.h"

/* rdtsc twice, carry set between: EDX:EAX, ESI:EDI the first; flags in EBX's place by SETC */
static const u8 twice[] = {0x0f, 0x31, 0x89, 0xd6, 0x89, 0xc7, 0xf9, 0x0f, 0x31, 0x0f, 0x92, 0xc3, 0xf4};

static TscScale half; /* two ticks a nanosecond */
static unsigned asked;

static void half_init(u64 ns)
{
    half = (TscScale){.minus_tsc = 0 - host_tsc(), .mult = 1ull << 63, .ns = ns};
    asked = 0;
}

static u64 half_now(void *ctx)
{
    (void)ctx;
    asked++;
    return tsc_scale_at(&half, host_tsc());
}

static void clocked(Guest *g)
{
    g->c.tsc_now = half_now;
    g->c.tsc_scale = &half;
}

static u64 first(const Guest *g) { return (u64)g->c.gpr[ESI] << 32 | g->c.gpr[EDI]; }
static u64 second(const Guest *g) { return (u64)g->c.gpr[EDX] << 32 | g->c.gpr[EAX]; }

static void time_is_the_scaled_counter(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    half_init(0x7fffffff0ull); /* the low half wraps now and then */
    clocked(g);
    guest_code(g, twice, sizeof twice);
    u64 last = tsc_scale_at(&half, host_tsc());
    for (int n = 0; n < 1000; n++) {
        g->c.eip = CODE_AT;
        g->c.gpr[EBX] = 0;
        g->c.tsc_offset = n < 500 ? 0 : 0x123456789abcdull;
        assert_int_equal(guest_run(g), STOP_HLT);
        assert_true(first(g) - g->c.tsc_offset >= last);
        assert_true(second(g) >= first(g));
        last = tsc_scale_at(&half, host_tsc());
        assert_true(second(g) - g->c.tsc_offset <= last);
        assert_int_equal(g->c.gpr[EBX], 1);
    }
    assert_int_equal(asked, 0);
}

static void the_clock_is_asked_when_it_does_not_follow_the_counter(void **state)
{
    Guest *g = *state;
    guest_protected(g, 0);
    half_init(5);
    clocked(g);
    guest_code(g, twice, sizeof twice);
    half.off = 1;
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(asked, 2);
    assert_true(second(g) >= first(g) && first(g) > 5);
    half.off = 0;
    g->c.eip = CODE_AT;
    assert_int_equal(guest_run(g), STOP_HLT);
    assert_int_equal(asked, 2);
}

static void tsd_keeps_ring_3_out(void **state)
{
    Guest *g = *state;
    guest_protected(g, 3);
    half_init(0);
    clocked(g);
    static const u8 code[] = {0x0f, 0x31, 0xcd, 0x30};
    guest_code(g, code, sizeof code);
    assert_int_equal(guest_vector(g), 0x30);
    guest_protected(g, 3);
    g->c.cr4 |= CR4_TSD;
    assert_int_equal(guest_vector(g), EX_GP);
    guest_protected(g, 0);
    assert_int_equal(guest_vector(g), 0x30);
}

/* Two address spaces with PAE whose kernels agree about nothing: the code of the second is a version of its own
 * (translator/context.c), which asks the counter, too, in ring 0 and in ring 1. */
enum { PDPT_AT = 0x40000, PDS_AT = 0x41000, PTS_AT = 0x43000 };

static void two_views(Guest *g, unsigned cpl)
{
    Vcpu *c = &g->c;
    guest_protected(g, cpl);
    for (u32 n = 0; n < 2; n++) {
        u32 pdpt = PDPT_AT + 32 * n, pd = PDS_AT + n * PAGE_BYTES, pt = PTS_AT + n * PAGE_BYTES;
        guest_poke(g, pdpt, pd | PTE_P, 4);
        guest_poke(g, pd, pt | PTE_P | PTE_W, 4);
        for (u32 page = 0; page < 512; page++)
            guest_poke(g, pt + 8 * page, page << PAGE_BITS | PTE_P | PTE_W, 4);
    }
    cpu_set_cr(c, 4, CR4_PAE);
    cpu_set_cr(c, 3, PDPT_AT);
    cpu_set_cr(c, 0, c->cr0 | CR0_PG);
}

static void both_views_read_the_counter(Guest *g, unsigned cpl)
{
    static const u8 code[] = {0x0f, 0x31, 0x0f, 0x31, 0xcd, 0x30};
    Segment seg[SEG_COUNT];
    Vcpu *c = &g->c;
    half_init(5);
    clocked(g);
    two_views(g, cpl);
    memcpy(seg, c->seg, sizeof seg);
    for (u32 n = 0; n < 2; n++) {
        memcpy(c->seg, seg, sizeof seg);
        c->cpl = (u8)cpl;
        c->eip = CODE_AT;
        cpu_set_cr(c, 3, PDPT_AT + 32 * n);
        guest_code(g, code, sizeof code);
        assert_int_equal(guest_vector(g), 0x30);
        assert_int_equal(shadow_view(((Xlat *)c->engine->ctx)->shadow)->kernel, n);
        assert_int_equal(asked, 0);
    }
}

static void both_views_of_a_kernel_read_the_counter(void **state) { both_views_read_the_counter(*state, 0); }
static void so_do_both_of_ring_1(void **state) { both_views_read_the_counter(*state, 1); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(time_is_the_scaled_counter),
        GUEST_TEST(the_clock_is_asked_when_it_does_not_follow_the_counter),
        GUEST_TEST(tsd_keeps_ring_3_out),
        GUEST_TEST(both_views_of_a_kernel_read_the_counter),
        GUEST_TEST(so_do_both_of_ring_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
