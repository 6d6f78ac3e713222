/* cpuid.c - the processors that -cpu names, and what CPUID says about them (Intel AP-485; SDM vol. 2, CPUID).
 *
 * A model is a family, model and stepping that existed, and the encodings it runs (Vcpu.features). The feature
 * word is derived from those, so CPUID never announces what the decoder does not know. Not announced because not
 * implemented: PAE, MCE, MCA, APIC, PSE-36.
 *
 * `max` is a Pentium III with SSE2, hence with the family and model of the first processor that was one.
 */
#include <string.h>

#include "cpu/cpu.h"

/* leaf 1, EDX */
enum {
    CPUID_FPU = 1 << 0,
    CPUID_VME = 1 << 1,
    CPUID_DE = 1 << 2,
    CPUID_PSE = 1 << 3,
    CPUID_TSC = 1 << 4,
    CPUID_MSR = 1 << 5,
    CPUID_CX8 = 1 << 8,
    CPUID_SEP = 1 << 11,
    CPUID_MTRR = 1 << 12,
    CPUID_PGE = 1 << 13,
    CPUID_CMOV = 1 << 15,
    CPUID_PAT = 1 << 16,
    CPUID_CLFSH = 1 << 19,
    CPUID_MMX = 1 << 23,
    CPUID_FXSR = 1 << 24,
    CPUID_SSE = 1 << 25,
    CPUID_SSE2 = 1 << 26,
};

enum {
    F_386 = BIT(I386),
    F_486 = F_386 | BIT(I486),
    F_PENTIUM = F_486 | BIT(IP5) | BIT(ICX8) | BIT(ITSC) | BIT(IMSR),
    F_PPRO = F_PENTIUM | BIT(ICMOV) | BIT(IUD2) | BIT(INOP),
    F_PENTIUM2 = F_PPRO | BIT(ISEP) | BIT(IMMX) | BIT(IFXSR),
    F_PENTIUM3 = F_PENTIUM2 | BIT(ISSE),
    F_MAX = F_PENTIUM3 | BIT(ISSE2) | BIT(ICLFSH),
};

const CpuModel cpu_models[] = {
    {"386", "Intel 386DX with a 387", 3, 0, 8, F_386},
    {"486", "Intel 486DX4", 4, 8, 0, F_486},
    {"pentium", "Intel Pentium (P54C)", 5, 2, 12, F_PENTIUM},
    {"ppro", "Intel Pentium Pro", 6, 1, 9, F_PPRO},
    {"pentium2", "Intel Pentium II (Deschutes)", 6, 5, 2, F_PENTIUM2},
    {"pentium3", "Intel Pentium III (Coppermine)", 6, 8, 6, F_PENTIUM3},
    {"max", "all that ring3 has: Pentium III and SSE2", 6, 9, 5, F_MAX},
    {NULL, NULL, 0, 0, 0, 0},
};

const CpuModel *cpu_model_find(const char *name)
{
    for (const CpuModel *m = cpu_models; m->name; m++) {
        size_t n = 0;
        while (m->name[n] && m->name[n] == name[n]) n++;
        if (m->name[n] == name[n]) return m;
    }
    return NULL;
}

static u32 feature_word(const Vcpu *c)
{
    static const struct {
        u8 need;
        u32 bits;
    } by_need[] = {
        {IP5, CPUID_VME | CPUID_DE | CPUID_PSE},
        {ITSC, CPUID_TSC},
        {IMSR, CPUID_MSR},
        {ICX8, CPUID_CX8},
        {ICMOV, CPUID_CMOV | CPUID_MTRR | CPUID_PGE},
        {ISEP, CPUID_SEP},
        {IMMX, CPUID_MMX},
        {IFXSR, CPUID_FXSR | CPUID_PAT},
        {ISSE, CPUID_SSE},
        {ISSE2, CPUID_SSE2},
        {ICLFSH, CPUID_CLFSH},
    };
    u32 word = CPUID_FPU;
    for (unsigned k = 0; k < ARRAY_LEN(by_need); k++)
        if (c->features & BIT(by_need[k].need)) word |= by_need[k].bits;
    return word;
}

static void leaf_0(const Vcpu *c, u32 out[4])
{
    out[0] = c->cpu_level >= 6 ? 2 : 1;
    out[1] = 0x756e6547; /* Genu */
    out[3] = 0x49656e69; /* ineI */
    out[2] = 0x6c65746e; /* ntel */
}

static void leaf_1(const Vcpu *c, u32 out[4])
{
    out[0] = (u32)c->model->family << 8 | (u32)c->model->model << 4 | c->model->stepping;
    if (c->features & BIT(ISSE)) out[1] = c->model->model >= 9 ? 0x16 : 0x02; /* brand index */
    if (c->features & BIT(ICLFSH)) out[1] |= 8 << 8;                          /* CLFLUSH line, in 8 bytes */
    out[3] = feature_word(c);
}

/* Cache and TLB descriptors: L1 8+8K, L2 256K; L1 16+16K, L2 512K; L1 16+16K, L2 256K 8-way. */
static void leaf_2(const Vcpu *c, u32 out[4])
{
    out[0] = 0x03020101;
    out[3] = c->features & BIT(ISSE) ? 0x0c040882 : c->features & BIT(IMMX) ? 0x0c040843 : 0x06040a42;
}

static void leaf_brand(u32 leaf, u32 out[4])
{
    static const char brand[48] = "ring3 virtual processor (Pentium III, SSE2)";
    memcpy(out, brand + 16 * (leaf - 0x80000002u), 16);
}

void cpu_cpuid(const Vcpu *c, u32 leaf, u32 out[4])
{
    bool extended = c->features & BIT(ISSE2);
    memset(out, 0, 4 * sizeof *out);
    if (extended && leaf == 0x80000000u)
        out[0] = 0x80000004u;
    else if (extended && leaf >= 0x80000002u && leaf <= 0x80000004u)
        leaf_brand(leaf, out);
    else if (extended && leaf == 0x80000001u)
        return;
    else if (leaf == 0)
        leaf_0(c, out);
    else if (leaf == 1)
        leaf_1(c, out);
    else if (c->cpu_level >= 6)
        leaf_2(c, out); /* beyond the last leaf: the last one */
}
