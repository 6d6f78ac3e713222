/* fpu.h - the guest's x87, MMX and SSE state, and how an instruction of theirs runs on the host's.
 *
 *   fpu_state.c   moving the state between Vcpu.fpu and the host's FPU; power-on and FNINIT values
 *   fpu_host.c    executable snippets: one guest instruction, run by the host on scratch operands
 *   fpu_exec.c    x87 instructions: checks, pending #MF, FIP/FDP/FOP, control words
 *   fpu_env.c     FNSTENV, FLDENV, FNSAVE, FRSTOR, FXSAVE, FXRSTOR
 *   simd_exec.c   MMX, SSE to SSE4.2
 *
 * FIP, FCS, FDP, FDS and FOP in Vcpu.fpu are always the guest's: the host's own never get there. Translated
 * code notes where they are to be found (translator/x87.c); parking makes them true, and so does fpu_settle().
 */
#ifndef RING3_FPU_H
#define RING3_FPU_H

#include "cpu/cpu.h"

enum { /* exception flags: FSW and MXCSR bits 0-5; masks: the same bits of FCW, and 7 higher in MXCSR */
       FPU_IE = 1,
       FPU_DE = 2,
       FPU_ZE = 4,
       FPU_OE = 8,
       FPU_UE = 16,
       FPU_PE = 32,
       FPU_EXCEPTIONS = 63,
};
enum {
    FSW_SF = 0x40,
    FSW_ES = 0x80,
    FSW_C0 = 0x100,
    FSW_C1 = 0x200,
    FSW_C2 = 0x400,
    FSW_C3 = 0x4000,
    FSW_B = 0x8000
};
enum { FCW_INIT = 0x37f, FCW_RESERVED = 0xe0c0, FCW_ONE = 0x40 /* reads as 1 */ };
enum { MXCSR_INIT = 0x1f80, MXCSR_DAZ = 0x40, MXCSR_MASKS = 0x1f80, MXCSR_FZ = 0x8000 };

/* --- fpu_state.c --- */
void fpu_unpark(Vcpu *c);       /* the opposite of fpu_park(): guest state into the host FPU; idempotent */
void fpu_reset(Vcpu *c);        /* power-on: FNINIT values, registers zero, MXCSR 1F80 */
void fpu_init_x87(FpuImage *f); /* what FNINIT does: control, status, tags and pointers */
void fpu_set_fcw(FpuImage *f, u16 fcw); /* reserved bits as on hardware; ES and B follow */
void fpu_set_fsw(FpuImage *f, u16 fsw); /* TOP may change; each register keeps its value */
void fpu_update_summary(FpuImage *f);   /* FSW.ES and B from flags and masks */
u32 fpu_mxcsr_mask(const Vcpu *c);      /* MXCSR bits that this processor has; 0: none */
/* An unmasked exception waits to be delivered. */
static inline bool fpu_has_error(const FpuImage *f) { return f->fsw & ~f->fcw & FPU_EXCEPTIONS; }
static inline unsigned fsw_top(u16 fsw) { return fsw >> 11 & 7; }
static inline void fpu_copy_pointers(FpuImage *to, const FpuImage *from)
{
    to->fop = from->fop;
    to->fip = from->fip, to->fcs = from->fcs, to->pad1 = 0;
    to->fdp = from->fdp, to->fds = from->fds, to->pad2 = 0;
}

/* --- fpu_env.c: the tag word of FNSTENV from what FXSAVE keeps of it, and back --- */
u16 fpu_tag_word(const FpuImage *f);
u8 fpu_tag_byte(u16 tags);

/* --- fpu_host.c --- */
typedef struct HostRun {                     /* one guest instruction on the host's FPU */
    FpuImage fpu;                            /* state before, and after */
    u8 mem[16] __attribute__((aligned(16))); /* the memory operand */
    u32 gpr;      /* the general register operand, whichever it is; PCMPESTRx: EAX */
    u32 ecx, edx; /* PCMPxSTRx: what they say */
    u32 eflags;                              /* OSZAPC in and out */
} HostRun;
/* fpu_host_prepare - map this thread's memory for it now; else the first fpu_host_run() does. A process that may not
 * make memory executable later calls it on the thread that will run the processor. */
void fpu_host_prepare(void);
/* Run i on r. No x87 exception reaches the host; SSE exceptions must be masked in r->fpu.mxcsr. */
void fpu_host_run(const Insn *i, HostRun *r);

/* Where the memory operand is: -1 none, else its number; written if that is 0. */
int fpu_mem_operand(const Insn *i);
unsigned fpu_mem_bytes(const Insn *i); /* its size; 0: none, or not fixed by the row */
int fpu_gpr_operand(const Insn *i);    /* number of the general register operand, or -1; written if 0 */

/* --- fpu_exec.c --- */
/* The checks of i's row: #UD, #NM, pending #MF; raises. false: do not execute, the processor waits for IRQ13.
 * The guest's state is parked afterwards. */
bool fpu_begin(Vcpu *c, const Insn *i);
void fpu_ferr_update(Vcpu *c); /* after exception flags or masks changed: lower FERR# if no error is left */

#endif
