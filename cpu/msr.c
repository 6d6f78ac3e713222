/* msr.c - model-specific registers: those that real systems read and write; all others are #GP(0) (SDM vol. 3,
 * chapters 11.11 and 35: P6 family and Pentium processors).
 *
 * Kept but without effect: MTRRs and PAT (there are no caches), EBL_CR_POWERON, MISC_ENABLE (a Pentium M's; nothing
 * becomes slower, cooler or hidden by it). APIC_BASE exists from the Pentium Pro on, also on parts sold with the local
 * APIC disabled, where it is storage; else hw/lapic.c follows it. EFER exists with NX, and has that bit and SCE, which
 * is kept: SYSCALL is #UD.
 *
 * Not implemented: performance counters and debug control (#GP); machine checks: the P5 pair reads 0, MCG_CAP says that
 * there are no banks; microcode update (accepted and ignored; the signature reads 0).
 */
#include "cpu/protect.h"

enum {
    P5_MC_ADDR = 0x00,
    P5_MC_TYPE = 0x01,
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_APIC_BASE = 0x1b,
    MSR_EBL_CR_POWERON = 0x2a,
    MSR_BIOS_UPDT_TRIG = 0x79,
    MSR_BIOS_SIGN_ID = 0x8b,
    MSR_MTRRCAP = 0xfe,
    MSR_BBL_CR_CTL3 = 0x11e,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP,
    MSR_SYSENTER_EIP,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_MTRR_VAR = 0x200,
    MSR_MTRR_FIX64K = 0x250,
    MSR_MTRR_FIX16K = 0x258,
    MSR_MTRR_FIX4K = 0x268,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF = 0x2ff,
    MSR_EFER = 0xc0000080u,
    MSR_TSC_AUX = 0xc0000103u,
};
/* IA32_MISC_ENABLE: all bits that are defined; and those that cannot be written: no branch trace store, no PEBS. */
#define MISC_ENABLE_BITS 0x400c51c89ull
enum { PENTIUM_M = 9, MISC_ENABLE_FIXED = 0x1800, MISC_ENABLE_READ_ONLY = 0x1880 };
enum { MTRRCAP_VCNT = 8, MTRRCAP_FIX = 1 << 8, MTRRCAP_WC = 1 << 10 };

static bool has(const Vcpu *c, unsigned need) { return c->features & BIT(need); }

static u64 *mtrr_fixed(Vcpu *c, u32 n)
{
    if (n == MSR_MTRR_FIX64K) return &c->mtrr_fix[0];
    if (n - MSR_MTRR_FIX16K < 2) return &c->mtrr_fix[1 + n - MSR_MTRR_FIX16K];
    if (n - MSR_MTRR_FIX4K < 8) return &c->mtrr_fix[3 + n - MSR_MTRR_FIX4K];
    return NULL;
}

/* A register that is plain storage, or NULL. `writable`: the bits that may be 1. */
static u64 *msr_storage(Vcpu *c, u32 n, u64 *writable)
{
    bool p6 = c->cpu_level >= 6;
    *writable = ~(u64)0;
    if (p6 && n - MSR_MTRR_VAR < 2 * MTRRCAP_VCNT) {
        *writable = n & 1 ? 0xffffff800ull : 0xffffff0ffull;
        return &c->mtrr_var[n - MSR_MTRR_VAR];
    }
    if (p6 && mtrr_fixed(c, n)) return mtrr_fixed(c, n);
    *writable = 0xffffffffu;
    if (has(c, ISEP) && n == MSR_SYSENTER_CS) return &c->sysenter_cs;
    if (has(c, ISEP) && n == MSR_SYSENTER_ESP) return &c->sysenter_esp;
    if (has(c, ISEP) && n == MSR_SYSENTER_EIP) return &c->sysenter_eip;
    if (has(c, IRDTSCP) && n == MSR_TSC_AUX) return &c->tsc_aux;
    *writable = 0xc07;
    if (p6 && n == MSR_MTRR_DEF) return &c->mtrr_def;
    *writable = 0x0707070707070707ull;
    if (has(c, IFXSR) && n == MSR_PAT) return &c->pat;
    *writable = MISC_ENABLE_BITS;
    if (p6 && c->model->model >= PENTIUM_M && n == MSR_MISC_ENABLE) return &c->misc_enable;
    *writable = EFER_NXE | EFER_SCE;
    if (has(c, INX) && n == MSR_EFER) return &c->efer;
    *writable = 0xffffff900ull;
    if (p6 && n == MSR_APIC_BASE) return &c->apic_base;
    return NULL;
}

static _Noreturn void no_such_msr(Vcpu *c, const char *what, u32 n)
{
    trace(GUEST_ERRORS, "%s %x: no such register", what, n);
    raise_gp(c, 0);
}

/* Registers with a value of their own; false: there is none. */
static bool msr_fixed_value(Vcpu *c, u32 n, u64 *v)
{
    bool p6 = c->cpu_level >= 6;
    *v = 0;
    switch (n) {
    case P5_MC_ADDR:
    case P5_MC_TYPE: return true;
    case MSR_TSC: *v = cpu_tsc(c); return true;
    case MSR_PLATFORM_ID:
    case MSR_EBL_CR_POWERON:
    case MSR_BIOS_SIGN_ID:
    case MSR_BBL_CR_CTL3:
    case MSR_MCG_CAP: /* no banks, no MCG_CTL */
    case MSR_MCG_STATUS: return p6;
    case MSR_MTRRCAP: *v = MTRRCAP_VCNT | MTRRCAP_FIX | MTRRCAP_WC; return p6;
    default: return false;
    }
}

u64 msr_read(Vcpu *c, u32 n)
{
    u64 v, writable, *storage = msr_storage(c, n, &writable);
    if (storage) return *storage;
    if (!msr_fixed_value(c, n, &v)) no_such_msr(c, "rdmsr", n);
    return v;
}

/* Memory types are 0, 1, 4, 5, 6, and 7 (UC-) in the PAT. */
static bool is_memory_type(u64 t, bool pat)
{
    return t == 0 || t == 1 || (t >= 4 && t <= 6) || (pat && t == 7);
}

static bool types_valid(u32 n, u64 v)
{
    for (unsigned k = 0; k < 64; k += 8)
        if (!is_memory_type(v >> k & 0xff, n == MSR_PAT)) return false;
    return true;
}

static bool value_valid(Vcpu *c, u32 n, u64 v, u64 writable)
{
    if (v & ~writable) return false;
    if (n == MSR_PAT || mtrr_fixed(c, n)) return types_valid(n, v);
    bool has_type = n == MSR_MTRR_DEF || (n - MSR_MTRR_VAR < 2 * MTRRCAP_VCNT && !(n & 1));
    return !has_type || is_memory_type(v & 0xff, false);
}

static void write_other(Vcpu *c, u32 n, u64 v)
{
    bool p6 = c->cpu_level >= 6;
    switch (n) {
    case P5_MC_ADDR:
    case P5_MC_TYPE: return;
    case MSR_TSC: c->tsc_offset += (u32)v - cpu_tsc(c); return; /* the high half becomes 0 */
    case MSR_PLATFORM_ID:
    case MSR_MCG_CAP: break;
    case MSR_MCG_STATUS:
        if (p6 && v == 0) return;
        break;
    case MSR_EBL_CR_POWERON:
    case MSR_BIOS_UPDT_TRIG:
    case MSR_BIOS_SIGN_ID:
    case MSR_BBL_CR_CTL3:
        if (p6) return;
        break;
    default: break;
    }
    no_such_msr(c, "wrmsr", n);
}

void msr_write(Vcpu *c, u32 n, u64 v)
{
    u64 writable, *storage = msr_storage(c, n, &writable);
    if (!storage) {
        write_other(c, n, v);
        return;
    }
    if (!value_valid(c, n, v, writable)) {
        trace(GUEST_ERRORS, "wrmsr %x: reserved bits in %08x:%08x", n, (u32)(v >> 32), (u32)v);
        raise_gp(c, 0);
    }
    *storage = n == MSR_MISC_ENABLE ? (v & ~(u64)MISC_ENABLE_READ_ONLY) | MISC_ENABLE_FIXED : v;
    if (n == MSR_EFER && c->engine) c->engine->paging_changed(c->engine->ctx, c, EV_EFER);
    if (n == MSR_APIC_BASE && c->apic_base_written) c->apic_base_written(c->apic_ctx, v);
}

bool msr_possible(Vcpu *c)
{
    static const struct {
        u32 first, count;
    } storages[] = {{MSR_MTRR_VAR, 2 * MTRRCAP_VCNT},
                    {MSR_MTRR_FIX64K, 1},
                    {MSR_MTRR_FIX16K, 2},
                    {MSR_MTRR_FIX4K, 8},
                    {MSR_SYSENTER_CS, 3},
                    {MSR_TSC_AUX, 1},
                    {MSR_MTRR_DEF, 1},
                    {MSR_PAT, 1},
                    {MSR_MISC_ENABLE, 1},
                    {MSR_EFER, 1},
                    {MSR_APIC_BASE, 1}};
    for (unsigned k = 0; k < ARRAY_LEN(storages); k++)
        for (u32 n = storages[k].first; n < storages[k].first + storages[k].count; n++) {
            u64 writable, *storage = msr_storage(c, n, &writable);
            if (storage && !value_valid(c, n, *storage, writable)) return false;
        }
    return has(c, INX) || !c->efer;
}
