/* native.h - run one instruction of 16- or 32-bit code on the host's own processor, in compatibility mode.
 *
 * The code lies at a fixed linear address below 4 GiB, in segments of the process's LDT (modify_ldt) with base and
 * limit of their own, so that the hardware itself checks limits, wraps offsets and picks SP or ESP. The rest of the
 * code segment is INT3: wherever the instruction goes on, the next one traps, and the signal's frame holds the
 * complete state. CPL is 3. FS and GS stay the C library's: no instruction may use them.
 *
 * One process runs one at a time. Only x86-64 Linux with CONFIG_MODIFY_LDT_SYSCALL can do it.
 */
#ifndef RING3_TESTS_NATIVE_H
#define RING3_TESTS_NATIVE_H

#include "cpu/vcpu.h"

enum {
    NATIVE_BASE = 0x100000, /* the arena: code segment, then data; same address in guest and host */
    NATIVE_CODE_BYTES = 0x10000,
    NATIVE_DATA = NATIVE_BASE + NATIVE_CODE_BYTES,
    NATIVE_DATA_BYTES = 0x14000,
    NATIVE_BYTES = NATIVE_CODE_BYTES + NATIVE_DATA_BYTES,
    NATIVE_NONE = 3, /* Native.vector: the INT3 behind the instruction, no fault */
};

typedef struct Native {
    u32 gpr[8];
    u32 eip;    /* offset in the code segment: of the next instruction, or of the one that faulted */
    u32 eflags; /* OSZAPC and DF */
    FpuImage fpu;
    u8 vector; /* after the run: what ended it */
    u32 error;
} Native;

/* Map the arena (host address NATIVE_BASE) and try an instruction, in a child process. False: this host cannot do
 * it. */
bool native_init(void);
/* Load segment register `seg` (ES, CS, SS or DS) for the runs that follow; sel is chosen here. */
void native_segment(int seg, Segment *s);
/* Run from n->eip with n's registers until something traps; n is the state there. */
void native_run(Native *n);

#endif
