/* fpu_state.c - where the guest's x87/MMX/SSE state is: in Vcpu.fpu (parked) or in the host's FPU (live).
 *
 * The image is the 512 bytes of FXSAVE in its legacy form. The host's FXSAVE also stores its own instruction
 * and data pointers and xmm8-15; the pointers are replaced by the guest's at once, and nobody shows xmm8-15
 * to a guest. FXSAVE, FXRSTOR, FNINIT and LDMXCSR do not wait, so a pending x87 exception of the guest passes
 * through here without a signal. Upper halves of the host's vector registers are nobody's.
 *
 * SDM vol. 1, 8.1 (x87 state), 10.5 (FXSAVE and FXRSTOR); vol. 3, 9.1.1 table "processor states following
 * power-up".
 */
#include "cpu/fpu.h"

#include <string.h>

static const u32 host_mxcsr = MXCSR_INIT;

void fpu_park(Vcpu *c)
{
    FpuImage pointers;
    if (!c->fpu_live) return;
    fpu_settle(c);
    fpu_copy_pointers(&pointers, &c->fpu);
    __asm__ volatile("fxsave %0\n\tfninit\n\tldmxcsr %1" : "=m"(c->fpu) : "m"(host_mxcsr));
    fpu_copy_pointers(&c->fpu, &pointers);
    c->fpu_live = false;
}

void fpu_unpark(Vcpu *c)
{
    if (c->fpu_live) return;
    c->fpu.mxcsr &= 0xffff; /* a reserved bit would be a fault of ours */
    __asm__ volatile("fxrstor %0" : : "m"(c->fpu));
    c->fpu_live = true;
}

/* The image counts registers from the top of the stack: where TOP moves and the registers do not, it turns. */
void fpu_set_fsw(FpuImage *f, u16 fsw)
{
    unsigned by = fsw_top(fsw) - fsw_top(f->fsw);
    u8 st[8][16];
    for (unsigned n = 0; n < 8; n++) memcpy(st[n], f->st[(n + by) & 7], 16);
    memcpy(f->st, st, sizeof st);
    f->fsw = fsw;
}

void fpu_init_x87(FpuImage *f)
{
    f->fcw = FCW_INIT;
    fpu_set_fsw(f, 0);
    f->ftw = 0;
    f->fop = 0;
    f->fip = f->fdp = 0;
    f->fcs = f->fds = 0;
}

void fpu_reset(Vcpu *c)
{
    fpu_park(c);
    memset(&c->fpu, 0, sizeof c->fpu);
    fpu_init_x87(&c->fpu);
    c->fpu.mxcsr = MXCSR_INIT;
}

void fpu_update_summary(FpuImage *f)
{
    f->fsw &= (u16) ~(FSW_ES | FSW_B);
    if (fpu_has_error(f)) f->fsw |= FSW_ES | FSW_B;
}

void fpu_set_fcw(FpuImage *f, u16 fcw)
{
    f->fcw = (u16)((fcw & ~FCW_RESERVED) | FCW_ONE);
    fpu_update_summary(f);
}

u32 fpu_mxcsr_mask(const Vcpu *c)
{
    if (!(c->features & BIT(ISSE))) return 0;
    return c->features & BIT(ISSE2) ? 0xffff : 0xffff & ~MXCSR_DAZ;
}
