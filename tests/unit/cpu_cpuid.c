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

enum {
    SSE3 = 1,
    SSSE3 = 1 << 9,
    SSE41 = 1 << 19,
    SSE42 = 1 << 20,
    MOVBE = 1 << 22,
    POPCNT = 1 << 23
}; /* leaf 1, ECX */

static u32 feature_ecx(Guest *g, const CpuModel *m)
{
    u32 out[4];
    cpu_init(&g->c, m, g->bus, g->phys);
    cpu_cpuid(&g->c, 1, 0, out);
    return out[2];
}

static u32 features(Guest *g, const char *model)
{
    u32 out[4];
    become(g, model);
    cpu_cpuid(&g->c, 1, 0, out);
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
    assert_int_equal(features(g, "pentium"), 0x0000033f);
    assert_int_equal(features(g, "ppro"), 0x0000b37f);
    assert_int_equal(features(g, "pentium2"), 0x0181bb7f);
    assert_int_equal(features(g, "pentium3"), 0x0381bb7f);
    assert_int_equal(features(g, "max"), 0x0789bb7f);
}

static void hear_base(void *ctx, u64 base) { *(u64 *)ctx = base; }

static void the_apic_bit_goes_with_its_base(void **state)
{
    Guest *g = *state;
    u64 heard = 0;
    assert_true(features(g, "max") & 0x200);
    g->c.apic_base_written = hear_base;
    g->c.apic_ctx = &heard;
    assert_int_equal(msr_read(&g->c, 0x1b), 0xfee00900);
    assert_quiet(g, msr_write(&g->c, 0x1b, 0xfee00100));
    assert_int_equal(heard, 0xfee00100);
    u32 out[4];
    cpu_cpuid(&g->c, 1, 0, out);
    assert_false(out[3] & 0x200);
    assert_quiet(g, msr_write(&g->c, 0x1b, 0x42000900));
    assert_int_equal(heard, 0x42000900);
    cpu_cpuid(&g->c, 1, 0, out);
    assert_true(out[3] & 0x200);
    assert_raises(g, msr_write(&g->c, 0x1b, 0xfee00901), EX_GP, 0);
    assert_raises(g, msr_write(&g->c, 0x1b, 0x10fee00900ull), EX_GP, 0);
    assert_int_equal(heard, 0x42000900);
    become(g, "pentium"); /* has no such register */
    assert_raises(g, msr_read(&g->c, 0x1b), EX_GP, 0);
    become(g, "max");
    g->c.features &= ~BIT(IAPIC); /* a part without APIC */
    cpu_cpuid(&g->c, 1, 0, out);
    assert_false(out[3] & 0x200);
}

static u32 host_leaf_1_ecx(void)
{
    u32 eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ecx;
}

static void max_has_of_the_hosts_what_ring3_knows(void **state)
{
    Guest *g = *state;
    u32 known = SSE3 | SSSE3 | SSE41 | SSE42 | POPCNT;
    assert_int_equal(feature_ecx(g, cpu_model_find("default")), host_leaf_1_ecx() & known);
    assert_int_equal(feature_ecx(g, cpu_model_find("max")), (host_leaf_1_ecx() & known) | MOVBE);
    assert_int_equal(feature_ecx(g, cpu_model_find("pentium3")), 0);
}

static u32 with(const char *model, const char *name)
{
    return cpu_features_with(cpu_model_find(model)->features, cpu_feature_find(name));
}
static u32 without(const char *model, const char *name)
{
    return cpu_features_without(cpu_model_find(model)->features, cpu_feature_find(name));
}

static void features_come_and_go_with_what_they_build_on(void **state)
{
    (void)state;
    u32 max = cpu_model_find("max")->features, usual = cpu_model_find("default")->features,
        p3 = cpu_model_find("pentium3")->features, p2 = cpu_model_find("pentium2")->features;
    assert_null(cpu_feature_find("sse5"));
    assert_ptr_equal(cpu_feature_find("pni"), cpu_feature_find("sse3"));
    assert_ptr_equal(cpu_feature_find("sse4_1"), cpu_feature_find("sse4.1"));
    assert_int_equal(with("pentium2", "sse"), p3);
    assert_int_equal(with("pentium2", "ssse3"), p3 | BIT(ISSE2) | BIT(ISSE3) | BIT(ISSSE3));
    assert_int_equal(with("486", "sse") & BIT(IP5), BIT(IP5)); /* CR4 */
    assert_int_equal(without("max", "popcnt"), max & ~BIT(IPOPCNT));
    assert_int_equal(without("max", "ssse3"), max & ~(BIT(ISSSE3) | BIT(ISSE41) | BIT(ISSE42)));
    assert_int_equal(without("default", "mmx"), (p2 & ~BIT(IMMX)) | BIT(ICLFSH) | BIT(INX) | BIT(IPOPCNT));
    assert_int_equal(without("pentium2", "sse"), p2);
    assert_int_equal(max & ~usual, BIT(IRDTSCP) | BIT(IMOVBE) | BIT(IUMIP) | BIT(ISMEP) | BIT(ISMAP));
    for (const CpuFeature *f = cpu_features; f->name; f++) {
        if (f->need != BIT(IHYPERVISOR))
            assert_int_equal(with("max", f->name), max); /* no processor is one */
        assert_int_equal(without("max", f->name) & f->need, 0);
    }
}

/* By its bit and its name; a leaf that no processor has. */
static void a_hypervisor_is_there_if_asked_for(void **state)
{
    Guest *g = *state;
    CpuModel m = *cpu_model_find("default");
    u32 out[4], without_it[4];
    cpu_init(&g->c, &m, g->bus, g->phys);
    cpu_cpuid(&g->c, 1, 0, out);
    assert_int_equal(out[2] >> 31, 0);
    cpu_cpuid(&g->c, 0x40000000, 0, without_it);
    assert_memory_not_equal(without_it + 1, "VMwareVMware", 12);
    m.features = with("default", "hypervisor");
    cpu_init(&g->c, &m, g->bus, g->phys);
    cpu_cpuid(&g->c, 1, 0, out);
    assert_int_equal(out[2] >> 31, 1);
    cpu_cpuid(&g->c, 0x40000000, 0, out);
    assert_int_equal(out[0], 0x40000000);
    assert_memory_equal(out + 1, "VMwareVMware", 12);
    cpu_cpuid(&g->c, 0x40000001, 0, out);
    assert_memory_equal(out, without_it, sizeof out);
}

/* A model with SSE2 added is still that model. */
static void additions_leave_the_model_what_it_is(void **state)
{
    Guest *g = *state;
    CpuModel m = *cpu_model_find("pentium2");
    u32 out[4];
    m.features = with("pentium2", "sse2");
    cpu_init(&g->c, &m, g->bus, g->phys);
    cpu_cpuid(&g->c, 1, 0, out);
    assert_int_equal(out[0], 0x652);
    assert_int_equal(out[1], 0);
    assert_int_equal(out[3], 0x0781bb7f);
    cpu_cpuid(&g->c, 2, 0, out);
    assert_int_equal(out[3], 0x0c040843);
    cpu_cpuid(&g->c, 0x80000000u, 0, out);
    assert_int_equal(out[0], 0x03020101); /* no such leaf: as the last one */
}

static void leaf_0_names_the_vendor(void **state)
{
    Guest *g = *state;
    u32 out[4];
    become(g, "pentium2");
    cpu_cpuid(&g->c, 0, 0, out);
    assert_int_equal(out[0], 2);
    u32 vendor[3] = {out[1], out[3], out[2]};
    assert_memory_equal(vendor, "GenuineIntel", 12);
    cpu_cpuid(&g->c, 1, 0, out);
    assert_int_equal(out[0], 0x652);
    cpu_cpuid(&g->c, 2, 0, out);
    assert_int_equal(out[0] & 0xff, 1);
}

static void misc_enable_is_a_pentium_m_s(void **state)
{
    enum { MISC_ENABLE = 0x1a0 };
    Guest *g = *state;
    become(g, "pentium3");
    assert_raises(g, msr_read(&g->c, MISC_ENABLE), EX_GP, 0);
    become(g, "max");
    assert_int_equal(msr_read(&g->c, MISC_ENABLE), 0x1801);
    assert_quiet(g, msr_write(&g->c, MISC_ENABLE, 0x400c50089ull)); /* 7, 11 and 12 are read-only */
    assert_int_equal(msr_read(&g->c, MISC_ENABLE), 0x400c51809ull);
    assert_raises(g, msr_write(&g->c, MISC_ENABLE, 0x2), EX_GP, 0);
}

/* NX is announced where EFER has its bit. */
static void check_no_execute(Guest *g, const CpuModel *m)
{
    u32 out[4];
    become(g, m->name);
    cpu_cpuid(&g->c, 0x80000001u, 0, out);
    if (m->features & BIT(INX)) {
        assert_int_equal(out[3], 1 << 20 | (m->features & BIT(IRDTSCP) ? 1 << 27 : 0));
        assert_quiet(g, msr_write(&g->c, 0xc0000080u, EFER_NXE));
    } else {
        assert_raises(g, msr_write(&g->c, 0xc0000080u, EFER_NXE), EX_GP, 0);
    }
}

static void only_the_last_have_no_execute_pages(void **state)
{
    for (const CpuModel *m = cpu_models; m->name; m++) {
        check_no_execute(*state, m);
        bool last = !strcmp(m->name, "max") || !strcmp(m->name, "default");
        assert_int_equal(last, !!(m->features & BIT(INX)));
    }
}

/* Leaf 7 is there where something in it is; it has one subleaf, and ends the basic ones. */
static void leaf_7_is_for_those_who_have_it(void **state)
{
    enum { SMEP = 1 << 7, SMAP = 1 << 20, UMIP = 1 << 2 };
    Guest *g = *state;
    u32 out[4];
    become(g, "default");
    cpu_cpuid(&g->c, 0, 0, out);
    assert_int_equal(out[0], 2);
    become(g, "max");
    cpu_cpuid(&g->c, 0, 0, out);
    assert_int_equal(out[0], 7);
    for (u32 leaf = 3; leaf < 10; leaf++)
        for (u32 subleaf = 0; subleaf < 2; subleaf++) {
            bool there = leaf >= 7 && !subleaf;
            cpu_cpuid(&g->c, leaf, subleaf, out);
            assert_int_equal(out[0] | out[3], 0);
            assert_int_equal(out[1], there ? SMEP | SMAP : 0);
            assert_int_equal(out[2], there ? UMIP : 0);
        }
    CpuModel m = *cpu_model_find("pentium");
    m.features = with("pentium", "smep");
    cpu_init(&g->c, &m, g->bus, g->phys);
    cpu_cpuid(&g->c, 0, 0, out);
    assert_int_equal(out[0], 7);
    cpu_cpuid(&g->c, 7, 0, out);
    assert_int_equal(out[1], SMEP);
    become(g, "pentium");
    cpu_cpuid(&g->c, 2, 0, out);
    assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
}

static void max_has_a_brand_string(void **state)
{
    Guest *g = *state;
    u32 out[13] = {0};
    cpu_cpuid(&g->c, 0x80000000u, 0, out);
    assert_int_equal(out[0], 0x80000004u);
    for (u32 n = 0; n < 3; n++) cpu_cpuid(&g->c, 0x80000002u + n, 0, out + 4 * n);
    assert_string_equal((char *)out, "ring3 virtual processor");
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
    assert_quiet(g, cpu_set_cr(c, 4, CR4_PAE));
    assert_raises(g, cpu_set_cr(c, 4, CR4_MCE), EX_GP, 0);
    become(g, "pentium2");
    assert_raises(g, cpu_set_cr(c, 4, CR4_OSXMMEXCPT), EX_GP, 0);
    become(g, "pentium");
    assert_quiet(g, cpu_set_cr(c, 4, CR4_PSE));
    assert_raises(g, cpu_set_cr(c, 4, CR4_PGE), EX_GP, 0);
    assert_raises(g, cpu_set_cr(c, 4, CR4_PAE), EX_GP, 0);
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
        GUEST_TEST(models_are_found_by_their_word),
        GUEST_TEST(feature_words_grow_with_the_model),
        GUEST_TEST(the_apic_bit_goes_with_its_base),
        GUEST_TEST(leaf_0_names_the_vendor),
        GUEST_TEST(leaf_7_is_for_those_who_have_it),
        GUEST_TEST(max_has_a_brand_string),
        GUEST_TEST(flags_tell_the_processors_apart),
        GUEST_TEST(cr0_rejects_impossible_combinations),
        GUEST_TEST(cr4_has_the_bits_of_the_model),
        GUEST_TEST(the_tsc_counts_from_what_was_written),
        GUEST_TEST(msrs_keep_their_valid_bits),
        GUEST_TEST(max_has_of_the_hosts_what_ring3_knows),
        GUEST_TEST(a_hypervisor_is_there_if_asked_for),
        GUEST_TEST(additions_leave_the_model_what_it_is),
        GUEST_TEST(features_come_and_go_with_what_they_build_on),
        GUEST_TEST(only_the_last_have_no_execute_pages),
        GUEST_TEST(misc_enable_is_a_pentium_m_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
