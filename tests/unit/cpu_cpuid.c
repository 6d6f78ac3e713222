/* CPUID, the EFLAGS bits and control registers of each model, and model-specific registers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu_guest.h"

static void become(Guest *g, const char *model)
{
    cpu_init(&g->c, cpu_model_find(model), g->bus, g->phys);
    g->c.engine = &engine_interp;
}

static u32 features(Guest *g, const char *model)
{
    u32 out[4];
    become(g, model);
    cpu_cpuid(&g->c, 1, out);
    return out[3];
}

static void models_are_found_by_their_word(void **state)
{
    (void)state;
    assert_null(cpu_model_find("pent"));
    assert_null(cpu_model_find("pentium4"));
    assert_null(cpu_model_find(""));
    for (const CpuModel *m = cpu_models; m->name; m++) assert_ptr_equal(cpu_model_find(m->name), m);
}

static void feature_words_grow_with_the_model(void **state)
{
    Guest *g = *state;
    assert_int_equal(features(g, "486"), 0x00000001);
    assert_int_equal(features(g, "pentium"), 0x0000013f);
    assert_int_equal(features(g, "ppro"), 0x0000b13f);
    assert_int_equal(features(g, "pentium2"), 0x0181b93f);
    assert_int_equal(features(g, "pentium3"), 0x0381b93f);
    assert_int_equal(features(g, "max"), 0x0789b93f);
}

static void leaf_0_names_the_vendor(void **state)
{
    Guest *g = *state;
    u32 out[4];
    become(g, "pentium2");
    cpu_cpuid(&g->c, 0, out);
    assert_int_equal(out[0], 2);
    u32 vendor[3] = {out[1], out[3], out[2]};
    assert_memory_equal(vendor, "GenuineIntel", 12);
    cpu_cpuid(&g->c, 1, out);
    assert_int_equal(out[0], 0x652);
    cpu_cpuid(&g->c, 2, out);
    assert_int_equal(out[0] & 0xff, 1);
}

static void max_has_a_brand_string(void **state)
{
    Guest *g = *state;
    u32 out[13] = {0};
    cpu_cpuid(&g->c, 0x80000000u, out);
    assert_int_equal(out[0], 0x80000004u);
    for (u32 n = 0; n < 3; n++) cpu_cpuid(&g->c, 0x80000002u + n, out + 4 * n);
    assert_string_equal((char *)out, "ring3 virtual processor (Pentium III, SSE2)");
}

static u32 flags_that_toggle(Guest *g, const char *model)
{
    become(g, model);
    eflags_write(&g->c, 0xffffffffu, FL_AC | FL_ID | 0xffc00000u | 0x802a);
    return g->c.eflags & ~2u;
}

static void flags_tell_the_processors_apart(void **state)
{
    Guest *g = *state;
    assert_int_equal(flags_that_toggle(g, "386"), 0);
    assert_int_equal(flags_that_toggle(g, "486"), FL_AC | FL_ID);
    assert_int_equal(flags_that_toggle(g, "max"), FL_AC | FL_ID);
}

static void cr0_rejects_impossible_combinations(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    assert_raises(g, cpu_set_cr(c, 0, CR0_PG), EX_GP, 0);
    assert_raises(g, cpu_set_cr(c, 0, CR0_PE | CR0_NW), EX_GP, 0);
    assert_int_equal(c->cr0, CR0_ET);
    assert_quiet(g, cpu_set_cr(c, 0, CR0_PE | 0x0ff80));
    assert_int_equal(c->cr0, CR0_PE | CR0_ET);
    become(g, "386");
    assert_quiet(g, cpu_set_cr(c, 0, CR0_PE | CR0_WP | CR0_NE | CR0_AM));
    assert_int_equal(c->cr0, CR0_PE | CR0_ET);
}

static void cr4_has_the_bits_of_the_model(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    assert_quiet(
        g, cpu_set_cr(c, 4, CR4_PSE | CR4_PGE | CR4_TSD | CR4_DE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT));
    assert_raises(g, cpu_set_cr(c, 4, CR4_PAE), EX_GP, 0);
    become(g, "pentium2");
    assert_raises(g, cpu_set_cr(c, 4, CR4_OSXMMEXCPT), EX_GP, 0);
    become(g, "pentium");
    assert_quiet(g, cpu_set_cr(c, 4, CR4_PSE));
    assert_raises(g, cpu_set_cr(c, 4, CR4_PGE), EX_GP, 0);
}

static u64 fake_tsc(void *ctx) { return *(u64 *)ctx; }

static void the_tsc_counts_from_what_was_written(void **state)
{
    Guest *g = *state;
    u64 now = 0x100000000ull;
    g->c.tsc_now = fake_tsc;
    g->c.tsc_ctx = &now;
    msr_write(&g->c, 0x10, 0x55500000007ull);
    assert_int_equal(msr_read(&g->c, 0x10), 7);
    now += 10;
    assert_int_equal(cpu_tsc(&g->c), 17);
}

static void msrs_keep_their_valid_bits(void **state)
{
    Guest *g = *state;
    Vcpu *c = &g->c;
    assert_int_equal(msr_read(c, 0xfe), 0x508);
    assert_quiet(g, msr_write(c, 0x200, 0xe0000001u));
    assert_quiet(g, msr_write(c, 0x201, 0xff0000800ull));
    assert_int_equal(msr_read(c, 0x201), 0xff0000800ull);
    assert_raises(g, msr_write(c, 0x200, 2), EX_GP, 0);
    assert_raises(g, msr_write(c, 0x250, 0x0303030303030303ull), EX_GP, 0);
    assert_quiet(g, msr_write(c, 0x26f, 0x0606060606060606ull));
    assert_int_equal(msr_read(c, 0x26f), 0x0606060606060606ull);
    assert_quiet(g, msr_write(c, 0x2ff, 0xc06));
    assert_int_equal(msr_read(c, 0x277), 0x0007040600070406ull);
    assert_quiet(g, msr_write(c, 0x176, 0xc0101234u));
    assert_int_equal(c->sysenter_eip, 0xc0101234u);
    assert_int_equal(msr_read(c, 0x179), 0); /* MCG_CAP: no banks */
    assert_raises(g, msr_write(c, 0x179, 0), EX_GP, 0);
    assert_quiet(g, msr_write(c, 0x17a, 0)); /* MCG_STATUS */
    assert_raises(g, msr_write(c, 0x17a, 1), EX_GP, 0);
    assert_int_equal(msr_read(c, 0x17a), 0);
    assert_raises(g, msr_read(c, 0x1234), EX_GP, 0);
    assert_raises(g, msr_write(c, 0xfe, 0), EX_GP, 0);
    become(g, "pentium");
    assert_raises(g, msr_read(c, 0x174), EX_GP, 0);
    assert_raises(g, msr_read(c, 0xfe), EX_GP, 0);
    assert_raises(g, msr_read(c, 0x179), EX_GP, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(models_are_found_by_their_word),  GUEST_TEST(feature_words_grow_with_the_model),
        GUEST_TEST(leaf_0_names_the_vendor),         GUEST_TEST(max_has_a_brand_string),
        GUEST_TEST(flags_tell_the_processors_apart), GUEST_TEST(cr0_rejects_impossible_combinations),
        GUEST_TEST(cr4_has_the_bits_of_the_model),   GUEST_TEST(the_tsc_counts_from_what_was_written),
        GUEST_TEST(msrs_keep_their_valid_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
