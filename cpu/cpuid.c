/* cpuid.c - the processors that -cpu names, and what CPUID says about them (Intel AP-485; SDM vol. 2, CPUID).
 *
 * A model is a family, model and stepping that existed, and the encodings it runs (Vcpu.features). The feature
 * words are derived from those, so CPUID never announces what the decoder does not know. Not announced because not
 * implemented: MCE, MCA, PSE-36, MONITOR. The APIC bit goes with IA32_APIC_BASE (SDM vol. 3, 10.4.3).
 *
 * `default` is a Pentium III with SSE2, hence with the family and model of the first processor that was one; with NX,
 * which came with a later stepping of it; and with those of SSE3 to SSE4.2 and POPCNT that the host has: it is the host
 * that executes them. `max` has what came later, too. It is not the default: systems use SMAP, which takes time here,
 * and CPUID then has a leaf 7, which some old systems cannot stand (Windows NT 4 wants no more than 3).
 */
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/base/host.h"

/* leaf 1, ECX */
enum {
    CPUID_SSE3 = 1 << 0,
    CPUID_SSSE3 = 1 << 9,
    CPUID_SSE41 = 1 << 19,
    CPUID_SSE42 = 1 << 20,
    CPUID_MOVBE = 1 << 22,
    CPUID_POPCNT = 1 << 23,
    CPUID_HYPERVISOR = 1u << 31,
};

/* leaf 1, EDX */
enum {
    CPUID_FPU = 1 << 0,
    CPUID_VME = 1 << 1,
    CPUID_DE = 1 << 2,
    CPUID_PSE = 1 << 3,
    CPUID_TSC = 1 << 4,
    CPUID_MSR = 1 << 5,
    CPUID_PAE = 1 << 6,
    CPUID_CX8 = 1 << 8,
    CPUID_APIC = 1 << 9,
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

enum { HYPERVISOR_LEAF = 0x40000000 }; /* and the only one of its kind */

/* leaf 7, EBX and ECX */
enum { CPUID_SMEP = 1 << 7, CPUID_SMAP = 1 << 20, CPUID_UMIP = 1 << 2 };

/* leaf 80000001h, EDX */
enum { CPUID_NX = 1 << 20, CPUID_RDTSCP = 1 << 27 };

enum {
    F_386 = BIT(I386),
    F_486 = F_386 | BIT(I486),
    F_PENTIUM = F_486 | BIT(IP5) | BIT(ICX8) | BIT(ITSC) | BIT(IMSR) | BIT(IAPIC),
    F_PPRO = F_PENTIUM | BIT(ICMOV) | BIT(IUD2) | BIT(INOP) | BIT(IPAE),
    F_PENTIUM2 = F_PPRO | BIT(ISEP) | BIT(IMMX) | BIT(IFXSR),
    F_PENTIUM3 = F_PENTIUM2 | BIT(ISSE),
    F_BY_HOST = BIT(ISSE3) | BIT(ISSSE3) | BIT(ISSE41) | BIT(ISSE42) | BIT(IPOPCNT),
    F_DEFAULT = F_PENTIUM3 | BIT(ISSE2) | BIT(ICLFSH) | BIT(INX) | F_BY_HOST,
    F_LEAF_7 = BIT(IUMIP) | BIT(ISMEP) | BIT(ISMAP),
    F_MAX = F_DEFAULT | BIT(IRDTSCP) | BIT(IMOVBE) | F_LEAF_7,
};

const CpuModel cpu_models[] = {
    {"386", "Intel 386DX with a 387", 3, 0, 8, F_386},
    {"486", "Intel 486DX4", 4, 8, 0, F_486},
    {"pentium", "Intel Pentium (P54C)", 5, 2, 12, F_PENTIUM},
    {"ppro", "Intel Pentium Pro", 6, 1, 9, F_PPRO},
    {"pentium2", "Intel Pentium II (Deschutes)", 6, 5, 2, F_PENTIUM2},
    {"pentium3", "Intel Pentium III (Coppermine)", 6, 8, 6, F_PENTIUM3},
    {"default", "Pentium III with NX, and of SSE2 to SSE4.2 and POPCNT what this host has", 6, 9, 5,
     F_DEFAULT},
    {"max", "the same with all that ring3 has: SMEP, SMAP, UMIP, RDTSCP, MOVBE", 6, 9, 5, F_MAX},
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

/* --- features -------------------------------------------------------------------------------------------- */

/* Each stands behind what it builds on. Without CR4 (IP5) nobody can allow SSE. */
const CpuFeature cpu_features[] = {
    {"tsc", NULL, BIT(ITSC), 0},
    {"msr", NULL, BIT(IMSR), 0},
    {"cx8", NULL, BIT(ICX8), 0},
    {"pae", NULL, BIT(IPAE), BIT(IP5)},
    {"nx", "xd", BIT(INX), BIT(IPAE) | BIT(IMSR)},
    {"sep", NULL, BIT(ISEP), BIT(IMSR)},
    {"cmov", NULL, BIT(ICMOV), 0},
    {"apic", NULL, BIT(IAPIC), BIT(IP5)},
    {"clflush", "clfsh", BIT(ICLFSH), 0},
    {"mmx", NULL, BIT(IMMX), 0},
    {"fxsr", NULL, BIT(IFXSR), BIT(IP5)},
    {"sse", NULL, BIT(ISSE), BIT(IMMX) | BIT(IFXSR)},
    {"sse2", NULL, BIT(ISSE2), BIT(ISSE)},
    {"sse3", "pni", BIT(ISSE3), BIT(ISSE2)},
    {"ssse3", NULL, BIT(ISSSE3), BIT(ISSE3)},
    {"sse4.1", "sse4_1", BIT(ISSE41), BIT(ISSSE3)},
    {"sse4.2", "sse4_2", BIT(ISSE42), BIT(ISSE41)},
    {"popcnt", NULL, BIT(IPOPCNT), 0},
    {"rdtscp", NULL, BIT(IRDTSCP), BIT(ITSC) | BIT(IMSR)},
    {"movbe", NULL, BIT(IMOVBE), 0},
    {"umip", NULL, BIT(IUMIP), BIT(IP5)},
    {"smep", NULL, BIT(ISMEP), BIT(IP5)},
    {"smap", NULL, BIT(ISMAP), BIT(IP5)},
    {"hypervisor", NULL, BIT(IHYPERVISOR), 0},
    {NULL, NULL, 0, 0},
};
enum { FEATURES = ARRAY_LEN(cpu_features) - 1 };

const CpuFeature *cpu_feature_find(const char *name)
{
    for (const CpuFeature *f = cpu_features; f->name; f++)
        if (!strcmp(f->name, name) || (f->alias && !strcmp(f->alias, name))) return f;
    return NULL;
}

u32 cpu_features_with(u32 set, const CpuFeature *f)
{
    u32 wanted = f->need;
    for (int n = FEATURES; n--;)
        if (cpu_features[n].need & wanted) wanted |= cpu_features[n].builds_on;
    return set | wanted;
}

u32 cpu_features_without(u32 set, const CpuFeature *f)
{
    u32 gone = f->need;
    for (int n = 0; n < FEATURES; n++)
        if (cpu_features[n].builds_on & gone) gone |= cpu_features[n].need;
    return set & ~gone;
}

u32 cpu_features_possible(void)
{
    static const struct {
        u8 need, host;
    } by_host[] = {{ISSE3, HOST_SSE3},
                   {ISSSE3, HOST_SSSE3},
                   {ISSE41, HOST_SSE41},
                   {ISSE42, HOST_SSE42},
                   {IPOPCNT, HOST_POPCNT}};
    static u32 possible; /* once: CPUID takes a virtual machine 20 us */
    if (possible) return possible;
    u32 found = ~(u32)F_BY_HOST;
    for (unsigned k = 0; k < ARRAY_LEN(by_host); k++)
        if (host_processor_has((HostFeature)by_host[k].host)) found |= BIT(by_host[k].need);
    for (int n = 0; n < FEATURES; n++) /* a mask may have made gaps */
        if (cpu_features[n].builds_on & ~found) found &= ~cpu_features[n].need;
    return possible = found;
}

/* --- CPUID ----------------------------------------------------------------------------------------------- */

static void feature_words(const Vcpu *c, u32 *ecx, u32 *edx)
{
    static const struct {
        u8 need;
        u32 ecx, edx;
    } by_need[] = {
        {IP5, 0, CPUID_VME | CPUID_DE | CPUID_PSE},
        {ITSC, 0, CPUID_TSC},
        {IMSR, 0, CPUID_MSR},
        {IPAE, 0, CPUID_PAE},
        {ICX8, 0, CPUID_CX8},
        {ICMOV, 0, CPUID_CMOV},
        {ISEP, 0, CPUID_SEP},
        {IMMX, 0, CPUID_MMX},
        {IFXSR, 0, CPUID_FXSR | CPUID_PAT},
        {ISSE, 0, CPUID_SSE},
        {ISSE2, 0, CPUID_SSE2},
        {ICLFSH, 0, CPUID_CLFSH},
        {ISSE3, CPUID_SSE3, 0},
        {ISSSE3, CPUID_SSSE3, 0},
        {ISSE41, CPUID_SSE41, 0},
        {ISSE42, CPUID_SSE42, 0},
        {IPOPCNT, CPUID_POPCNT, 0},
        {IMOVBE, CPUID_MOVBE, 0},
        {IHYPERVISOR, CPUID_HYPERVISOR, 0},
    };
    *ecx = 0;
    *edx = CPUID_FPU;
    for (unsigned k = 0; k < ARRAY_LEN(by_need); k++)
        if (c->features & BIT(by_need[k].need)) {
            *ecx |= by_need[k].ecx;
            *edx |= by_need[k].edx;
        }
    if (c->cpu_level >= 6) *edx |= CPUID_MTRR | CPUID_PGE;
    if (c->features & BIT(IAPIC) && c->apic_base & APIC_BASE_ENABLE) *edx |= CPUID_APIC;
}

static u32 last_leaf(const Vcpu *c) { return c->features & F_LEAF_7 ? 7 : c->cpu_level >= 6 ? 2 : 1; }

static void leaf_0(const Vcpu *c, u32 out[4])
{
    out[0] = last_leaf(c);
    out[1] = 0x756e6547; /* Genu */
    out[3] = 0x49656e69; /* ineI */
    out[2] = 0x6c65746e; /* ntel */
}

/* Of the P6 family, this model or a later one. */
static bool is_p6_from(const Vcpu *c, u8 model) { return c->cpu_level == 6 && c->model->model >= model; }

static void leaf_1(const Vcpu *c, u32 out[4])
{
    out[0] = (u32)c->model->family << 8 | (u32)c->model->model << 4 | c->model->stepping;
    if (is_p6_from(c, 8)) out[1] = is_p6_from(c, 9) ? 0x16 : 0x02; /* brand index */
    if (c->features & BIT(ICLFSH)) out[1] |= 8 << 8;               /* CLFLUSH line, in 8 bytes */
    feature_words(c, &out[2], &out[3]);
}

/* Cache and TLB descriptors: L1 8+8K, L2 256K; L1 16+16K, L2 512K; L1 16+16K, L2 256K 8-way. */
static void leaf_2(const Vcpu *c, u32 out[4])
{
    out[0] = 0x03020101;
    out[3] = is_p6_from(c, 8) ? 0x0c040882 : is_p6_from(c, 5) ? 0x0c040843 : 0x06040a42;
}

static void leaf_brand(u32 leaf, u32 out[4])
{
    static const char brand[48] = "ring3 virtual processor";
    memcpy(out, brand + 16 * (leaf - 0x80000002u), 16);
}

static void leaf_7(const Vcpu *c, u32 out[4])
{
    if (c->features & BIT(ISMEP)) out[1] |= CPUID_SMEP;
    if (c->features & BIT(ISMAP)) out[1] |= CPUID_SMAP;
    if (c->features & BIT(IUMIP)) out[2] |= CPUID_UMIP;
}

static void basic_leaf(const Vcpu *c, u32 leaf, u32 subleaf, u32 out[4])
{
    u32 last = last_leaf(c);
    if (leaf > last && c->cpu_level < 6) return;
    if (leaf > last) leaf = last; /* from the P6 on */
    switch (leaf) {
    case 0: leaf_0(c, out); return;
    case 1: leaf_1(c, out); return;
    case 2: leaf_2(c, out); return;
    case 7:
        if (!subleaf) leaf_7(c, out);
        return;
    default: return;
    }
}

static void extended_leaf(const Vcpu *c, u32 leaf, u32 out[4])
{
    if (leaf == 0x80000000u)
        out[0] = 0x80000004u;
    else if (leaf == 0x80000001u)
        out[3] = (c->features & BIT(INX) ? CPUID_NX : 0) | (c->features & BIT(IRDTSCP) ? CPUID_RDTSCP : 0);
    else
        leaf_brand(leaf, out);
}

/* The hypervisor whose port the board has (hw/vmport.c): Linux from 4.3 on looks for its pointer only then. */
static void hypervisor_leaf(u32 out[4])
{
    out[0] = HYPERVISOR_LEAF;
    memcpy(out + 1, "VMwareVMware", 12);
}

void cpu_cpuid(const Vcpu *c, u32 leaf, u32 subleaf, u32 out[4])
{
    bool extended = is_p6_from(c, 9) || c->features & (BIT(INX) | BIT(IRDTSCP));
    memset(out, 0, 4 * sizeof *out);
    if (extended && leaf - 0x80000000u <= 4)
        extended_leaf(c, leaf, out);
    else if (c->features & BIT(IHYPERVISOR) && leaf == HYPERVISOR_LEAF)
        hypervisor_leaf(out);
    else
        basic_leaf(c, leaf, subleaf, out);
}
