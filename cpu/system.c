/* system.c - control registers, descriptor-table registers, EFLAGS, and the instructions that manage the processor
 * (SDM vol. 2; vol. 3, 2.3-2.5).
 *
 * CR0, CR3 and CR4 change only in cpu_set_cr(), which tells the engine. EFLAGS bits beyond the arithmetic ones
 * change only in eflags_write(), which re-aims the poll and arms single-stepping.
 *
 * The flags that a processor has: AC from the 486 on, ID where there is CPUID, VIF and VIP where there is VME.
 * Caches do not exist here: INVD and WBINVD do nothing, CD and NW are only kept.
 *
 * PAE's page-directory-pointer table is not walked: its four entries are loaded (SDM vol. 3, 4.4.1) by MOV CR3, and
 * by MOV CR0 and CR4 where they change CD, NW, PG, PAE, PGE or PSE; reserved bits in one that is present are #GP(0),
 * with nothing changed. A task switch looks at those of its new CR3 before it commits (cr3_check).
 *
 * Virtual interrupts (SDM vol. 3, 20.3 and 20.4): with CR4.VME in V86 mode, or CR4.PVI at CPL 3, and IOPL < 3, CLI
 * and STI work on VIF; in V86 mode also 16-bit PUSHF, POPF, IRET and INT n. Setting VIF while VIP is set is #GP(0).
 *
 * Not implemented: performance counters (RDPMC reads 0), system management mode (RSM is #UD).
 */
#include "cpu/protect.h"

/* --- EFLAGS --- */

bool flags_interrupt_ok(const Vcpu *c) { return c->cpl <= cpu_iopl(c); }

static u32 flags_present(const Vcpu *c)
{
    u32 f = FL_ARITH | FL_T | FL_I | FL_D | FL_IOPL | FL_NT | FL_RF | FL_VM;
    if (c->cpu_level >= 4) f |= FL_AC | FL_ID;
    if (c->cpu_level >= 5) f |= FL_VIF | FL_VIP;
    return f;
}

u32 flags_writable(const Vcpu *c, unsigned cpl, unsigned opsize)
{
    u32 mask = FL_ARITH | FL_T | FL_D | FL_NT;
    if (cpl <= cpu_iopl(c)) mask |= FL_I;
    if (cpl == 0) mask |= FL_IOPL;
    return opsize == 4 ? mask | FL_AC | FL_ID : mask;
}

/* RF matters to an instruction breakpoint only. Where none can be, it is dropped at once, since translated code
 * does not clear it. */
static bool rf_matters(const Vcpu *c)
{
    return c->dr[7] & DR7_ENABLES || c->engine == &engine_interp || !c->engine;
}

void eflags_write(Vcpu *c, u32 v, u32 mask)
{
    u32 before = c->eflags;
    mask &= flags_present(c);
    c->eflags = (before & ~mask) | (v & mask) | 2;
    if (!rf_matters(c)) c->eflags &= ~(u32)FL_RF;
    u32 changed = c->eflags ^ before;
    if (changed & FL_T) debug_update(c);
    if (changed & FL_I && atomic_load(&c->attention)) cpu_poll_update(c);
}

/* --- virtual interrupts --- */

bool flags_v86_virtual(const Vcpu *c) { return cpu_v86(c) && cpu_iopl(c) < 3 && c->cr4 & CR4_VME; }

u32 flags_virtual_image(const Vcpu *c)
{
    u32 image = (c->eflags & ~(u32)FL_I) | FL_IOPL;
    return c->eflags & FL_VIF ? image | FL_I : image;
}

void flags_virtual_check(Vcpu *c, u32 image)
{
    if (image & FL_T || (image & FL_I && c->eflags & FL_VIP)) raise_gp(c, 0);
}

void flags_virtual_write(Vcpu *c, u32 image)
{
    u32 v = (image & 0xffff & ~(u32)FL_VIF) | (image & FL_I ? FL_VIF : 0);
    eflags_write(c, v, FL_ARITH | FL_T | FL_D | FL_NT | FL_VIF);
}

/* CLI and STI where IF is not ours: on VIF, or #GP(0). */
static void write_vif(Vcpu *c, bool set)
{
    bool pvi = !cpu_v86(c) && c->cpl == 3 && c->cr4 & CR4_PVI;
    if (!pvi && !flags_v86_virtual(c)) raise_gp(c, 0);
    if (set && c->eflags & FL_VIP) raise_gp(c, 0);
    flags_set(c, FL_VIF, set ? FL_VIF : 0);
}

/* --- instructions on EFLAGS --- */

static void check_v86_iopl(Vcpu *c)
{
    if (cpu_v86(c) && cpu_iopl(c) < 3) raise_gp(c, 0);
}

void exec_pushf(Vcpu *c, const Insn *i)
{
    if (flags_v86_virtual(c) && i->opsize == 2) {
        push(c, flags_virtual_image(c), 2);
        return;
    }
    check_v86_iopl(c);
    push(c, c->eflags & ~(u32)(FL_VM | FL_RF), i->opsize);
}

static void popf_virtual(Vcpu *c)
{
    u32 image = stack_read_at(c, 0, 2);
    flags_virtual_check(c, image);
    stack_add(c, 2);
    flags_virtual_write(c, image);
}

/* A 32-bit image clears RF, and VIF and VIP at CPL 0. */
void exec_popf(Vcpu *c, const Insn *i)
{
    if (flags_v86_virtual(c) && i->opsize == 2) {
        popf_virtual(c);
        return;
    }
    check_v86_iopl(c);
    u32 v = pop(c, i->opsize), mask = flags_writable(c, c->cpl, i->opsize);
    if (i->opsize == 4) mask |= c->cpl == 0 ? FL_RF | FL_VIF | FL_VIP : FL_RF;
    eflags_write(c, v & ~(u32)(FL_RF | FL_VIF | FL_VIP), mask);
}

void exec_cli(Vcpu *c, const Insn *i)
{
    (void)i;
    if (!flags_interrupt_ok(c)) {
        write_vif(c, false);
        return;
    }
    c->eflags &= ~(u32)FL_I;
    if (atomic_load(&c->attention)) cpu_poll_update(c);
}

/* Interrupts stay off for one more instruction if they were off before. */
void exec_sti(Vcpu *c, const Insn *i)
{
    (void)i;
    if (!flags_interrupt_ok(c)) {
        write_vif(c, true);
        return;
    }
    if (c->eflags & FL_I) return;
    c->eflags |= FL_I;
    c->inhibit = INHIBIT_STI;
    if (atomic_load(&c->attention)) cpu_poll_update(c);
}

static void write_ac(Vcpu *c, u32 v)
{
    if (c->cpl) raise_ud(c);
    eflags_write(c, v, FL_AC);
}

void exec_clac(Vcpu *c, const Insn *i)
{
    (void)i;
    write_ac(c, 0);
}

void exec_stac(Vcpu *c, const Insn *i)
{
    (void)i;
    write_ac(c, FL_AC);
}

/* --- control registers --- */

static void notify_paging(Vcpu *c, u32 events)
{
    if (c->engine && c->engine->paging_changed) c->engine->paging_changed(c->engine->ctx, c, events);
}

/* The entries that CR3 = v would load. */
static void pdptes_read(Vcpu *c, u32 v, u64 pdpte[4])
{
    for (unsigned n = 0; n < 4; n++) {
        pdpte[n] = phys_read64(c->phys, (v & ~31u) + 8 * n);
        if (!(pdpte[n] & PTE_P) || !(pdpte[n] & PDPTE_RSVD)) continue;
        trace(GUEST_ERRORS, "CR3 = %08x: page-directory-pointer %u has reserved bits", v, n);
        raise_gp(c, 0);
    }
}

static void pdptes_load(Vcpu *c, u32 v)
{
    u64 pdpte[4];
    pdptes_read(c, v, pdpte);
    memcpy(c->pdpte, pdpte, sizeof pdpte);
}

static bool paging_is_pae(const Vcpu *c) { return c->cr0 & CR0_PG && c->cr4 & CR4_PAE; }

void cr3_check(Vcpu *c, u32 v)
{
    u64 pdpte[4];
    if (paging_is_pae(c)) pdptes_read(c, v, pdpte);
}

u32 cpu_cr0_present(const Vcpu *c)
{
    u32 bits = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_PG;
    return c->cpu_level >= 4 ? bits | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD : bits;
}

static void set_cr0(Vcpu *c, u32 v)
{
    v = (v & cpu_cr0_present(c)) | CR0_ET;
    if ((v & (CR0_PG | CR0_PE)) == CR0_PG) raise_gp(c, 0);
    if ((v & (CR0_NW | CR0_CD)) == CR0_NW) raise_gp(c, 0);
    u32 changed = c->cr0 ^ v;
    bool reloads = v & CR0_PG && c->cr4 & CR4_PAE && changed & (CR0_PG | CR0_CD | CR0_NW);
    if (reloads) pdptes_load(c, c->cr3);
    trace(MMU, "CR0 update: CR0=%08x", v);
    c->cr0 = v;
    if (reloads || changed & (CR0_PG | CR0_WP | CR0_PE)) notify_paging(c, EV_CR0);
}

u32 cpu_cr4_present(const Vcpu *c)
{
    u32 bits = 0;
    if (c->features & BIT(ITSC)) bits |= CR4_TSD;
    if (c->cpu_level >= 5) bits |= CR4_VME | CR4_PVI | CR4_DE | CR4_PSE;
    if (c->cpu_level >= 6) bits |= CR4_PGE | CR4_PCE;
    if (c->features & BIT(IPAE)) bits |= CR4_PAE;
    if (c->features & BIT(IFXSR)) bits |= CR4_OSFXSR;
    if (c->features & BIT(ISSE)) bits |= CR4_OSXMMEXCPT;
    if (c->features & BIT(IUMIP)) bits |= CR4_UMIP;
    if (c->features & BIT(ISMEP)) bits |= CR4_SMEP;
    if (c->features & BIT(ISMAP)) bits |= CR4_SMAP;
    return bits;
}

static void set_cr4(Vcpu *c, u32 v)
{
    if (v & ~cpu_cr4_present(c)) {
        trace(GUEST_ERRORS, "CR4 = %08x: no such bits", v);
        raise_gp(c, 0);
    }
    const u32 loads = CR4_PSE | CR4_PGE | CR4_PAE | CR4_SMEP; /* PDPTEs (SDM vol. 3, 4.4.1) */
    u32 changed = (c->cr4 ^ v) & (loads | CR4_SMAP);
    if (changed & loads && c->cr0 & CR0_PG && v & CR4_PAE) pdptes_load(c, c->cr3);
    trace(MMU, "CR4 update: CR4=%08x", v);
    c->cr4 = v;
    if (changed) notify_paging(c, EV_CR4);
}

/* A page-directory-pointer table may begin at any multiple of 32. */
static void set_cr3(Vcpu *c, u32 v)
{
    v &= c->features & BIT(IPAE) ? 0xfffffff8u : 0xfffff018u;
    if (paging_is_pae(c)) pdptes_load(c, v);
    trace(MMU, "CR3 update: CR3=%08x", v);
    c->cr3 = v;
    notify_paging(c, EV_CR3);
}

void cpu_set_cr(Vcpu *c, int n, u32 v)
{
    switch (n) {
    case 0: set_cr0(c, v); break;
    case 2: c->cr2 = v; break;
    case 3: set_cr3(c, v); break;
    case 4: set_cr4(c, v); break;
    default: raise_ud(c);
    }
}

/* CR1, CR5-7 do not exist; CR4 came with the Pentium. */
static void cr_check(Vcpu *c, unsigned n)
{
    if (n == 1 || n > 4 || (n == 4 && c->cpu_level < 5)) raise_ud(c);
}

void exec_mov_from_cr(Vcpu *c, const Insn *i)
{
    cr_check(c, i->reg);
    c->gpr[i->rm] = op_read(c, i, 1);
}

void exec_mov_to_cr(Vcpu *c, const Insn *i)
{
    cr_check(c, i->reg);
    cpu_set_cr(c, i->reg, c->gpr[i->rm]);
}

/* UMIP: what tells where the system's tables are is for ring 0. */
static void umip_check(Vcpu *c)
{
    if (c->cr4 & CR4_UMIP && c->cpl) raise_gp(c, 0);
}

void exec_smsw(Vcpu *c, const Insn *i)
{
    umip_check(c);
    op_write(c, i, 0, c->cr0);
}

/* LMSW can set PE but not clear it. */
void exec_lmsw(Vcpu *c, const Insn *i)
{
    u32 v = op_read(c, i, 0) & 15;
    cpu_set_cr(c, 0, (c->cr0 & ~(u32)(CR0_MP | CR0_EM | CR0_TS)) | v);
}

void exec_clts(Vcpu *c, const Insn *i)
{
    (void)i;
    c->cr0 &= ~(u32)CR0_TS;
}

void exec_invlpg(Vcpu *c, const Insn *i)
{
    u32 va = c->seg[i->seg].base + insn_ea(c, i);
    if (c->engine && c->engine->invlpg) c->engine->invlpg(c->engine->ctx, c, va);
}

void exec_invd(Vcpu *c, const Insn *i) { (void)c, (void)i; }
void exec_wbinvd(Vcpu *c, const Insn *i) { (void)c, (void)i; }

/* --- descriptor tables --- */

static void store_table(Vcpu *c, const Insn *i, u32 base, u16 limit)
{
    u8 image[6];
    umip_check(c);
    store16(image, limit);
    store32(image + 2, base);
    mem_write_bytes(c, i->seg, insn_ea(c, i), image, sizeof image);
}

/* With 16-bit operands only 24 bits of the base are loaded. */
static u32 load_table(Vcpu *c, const Insn *i, u16 *limit)
{
    u8 image[6];
    mem_read_bytes(c, i->seg, insn_ea(c, i), image, sizeof image);
    *limit = load16(image);
    return load32(image + 2) & (i->opsize == 2 ? 0xffffffu : 0xffffffffu);
}

void exec_sgdt(Vcpu *c, const Insn *i) { store_table(c, i, c->gdtr.base, c->gdtr.limit); }
void exec_sidt(Vcpu *c, const Insn *i) { store_table(c, i, c->idtr.base, c->idtr.limit); }

void exec_lgdt(Vcpu *c, const Insn *i)
{
    u16 limit;
    c->gdtr.base = load_table(c, i, &limit);
    c->gdtr.limit = limit;
}

void exec_lidt(Vcpu *c, const Insn *i)
{
    u16 limit;
    c->idtr.base = load_table(c, i, &limit);
    c->idtr.limit = limit;
}

void exec_sldt(Vcpu *c, const Insn *i)
{
    umip_check(c);
    op_write(c, i, 0, c->ldtr.sel);
}

void exec_str(Vcpu *c, const Insn *i)
{
    umip_check(c);
    op_write(c, i, 0, c->tr.sel);
}

void exec_lldt(Vcpu *c, const Insn *i)
{
    Descriptor d;
    u16 sel = (u16)op_read(c, i, 0);
    if (sel_is_null(sel)) {
        seg_set_null(&c->ldtr, sel);
        return;
    }
    if (sel & 4) raise_sel(c, EX_GP, sel);
    desc_get(c, sel, &d, EX_GP);
    if (d.hi & DESC_S || desc_type(&d) != SYS_LDT) raise_sel(c, EX_GP, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_NP, sel);
    desc_to_segment(&d, sel, &c->ldtr);
}

void exec_ltr(Vcpu *c, const Insn *i)
{
    Descriptor d;
    u16 sel = (u16)op_read(c, i, 0);
    if (sel_is_null(sel)) raise_gp(c, 0);
    if (sel & 4) raise_sel(c, EX_GP, sel);
    desc_get(c, sel, &d, EX_GP);
    if (d.hi & DESC_S || (desc_type(&d) & ~(unsigned)SYS_32BIT) != SYS_TSS16) raise_sel(c, EX_GP, sel);
    if (!(d.hi & DESC_P)) raise_sel(c, EX_NP, sel);
    d.hi |= DESC_BUSY;
    lin_write(c, d.va + 5, d.hi >> 8 & 0xff, 1, BY_PROCESSOR);
    desc_to_segment(&d, sel, &c->tr);
}

/* --- the rest --- */

void exec_hlt(Vcpu *c, const Insn *i)
{
    (void)i;
    c->halted = true;
}

u64 cpu_tsc(Vcpu *c)
{
    wait_reads_clock(c);
    return (c->tsc_now ? c->tsc_now(c->tsc_ctx) : 0) + c->tsc_offset;
}

static void set_edx_eax(Vcpu *c, u64 v)
{
    c->gpr[EAX] = (u32)v;
    c->gpr[EDX] = (u32)(v >> 32);
}

void exec_rdtsc(Vcpu *c, const Insn *i)
{
    (void)i;
    if (c->cr4 & CR4_TSD && c->cpl != 0) raise_gp(c, 0);
    set_edx_eax(c, cpu_tsc(c));
}

void exec_rdtscp(Vcpu *c, const Insn *i)
{
    exec_rdtsc(c, i);
    c->gpr[ECX] = (u32)c->tsc_aux;
}

void exec_rdpmc(Vcpu *c, const Insn *i)
{
    (void)i;
    if ((!(c->cr4 & CR4_PCE) && c->cpl != 0) || c->gpr[ECX] > 1) raise_gp(c, 0);
    trace(UNIMP, "rdpmc %u", c->gpr[ECX]);
    set_edx_eax(c, 0);
}

void exec_rdmsr(Vcpu *c, const Insn *i)
{
    (void)i;
    set_edx_eax(c, msr_read(c, c->gpr[ECX]));
}

void exec_wrmsr(Vcpu *c, const Insn *i)
{
    (void)i;
    msr_write(c, c->gpr[ECX], (u64)c->gpr[EDX] << 32 | c->gpr[EAX]);
}

void exec_cpuid(Vcpu *c, const Insn *i)
{
    u32 out[4];
    (void)i;
    cpu_cpuid(c, c->gpr[EAX], c->gpr[ECX], out);
    c->gpr[EAX] = out[0];
    c->gpr[EBX] = out[1];
    c->gpr[ECX] = out[2];
    c->gpr[EDX] = out[3];
}

void exec_rsm(Vcpu *c, const Insn *i)
{
    (void)i;
    raise_ud(c);
}
