/* host_run.h - a small world in which emitted host code runs inside a test: guest RAM, page tables, a window over
 * them, a Vcpu, and a trampoline that loads the guest's registers, flags and FPU, calls the code and stores them
 * back. Faults of the code end it and are reported.
 *
 * Linear 0 .. WORLD_LINEAR_BYTES is mapped, over and over, to the WORLD_RAM_PAGES physical pages of `data`. In a
 * world with holes some pages are missing, some read-only (CPL 0, CR0.WP = 1); page tables, window and table agree.
 */
#ifndef RING3_TESTS_HOST_RUN_H
#define RING3_TESTS_HOST_RUN_H

#include "cpu/vcpu.h"
#include "mmu/shadow.h"

enum {
    WORLD_RAM_PAGES = 4,
    WORLD_DATA_BYTES = WORLD_RAM_PAGES * PAGE_BYTES,
    WORLD_LINEAR_PAGES = 40,
    WORLD_LINEAR_BYTES = WORLD_LINEAR_PAGES * PAGE_BYTES,
    WORLD_CODE_BYTES = 1 << 16,
};

typedef enum HostOutcome {
    HOST_DONE,  /* came to the end */
    HOST_SEGV,  /* memory fault at fault_va (an address in the window), fault_write */
    HOST_WRAP,  /* memory fault outside of the 4 GiB, in a guard of the window */
    HOST_SLOW,  /* the table does not know fault_va, or not all bytes from there on (straddles) */
    HOST_GP,    /* misaligned 16-byte operand, bad MXCSR; or a trap outside of the window: limit check */
    HOST_FPE,   /* divide error or unmasked floating-point exception */
    HOST_OTHER, /* any other signal */
} HostOutcome;

typedef struct World {
    Bus *bus;
    Phys *phys;
    u8 *data; /* the RAM behind the linear pages */
    u8 *window;
    TableEntry *table; /* says what the window has */
    u8 *code;          /* executable; first WORLD_STUB_BYTES taken */
    bool holes;
} World;
enum { WORLD_STUB_BYTES = 16 };
#define WORLD_CONTEXT 0x1234567800000000 /* r13 */

typedef struct HostResult {
    HostOutcome outcome;
    u64 reg[16]; /* rax..rdi at 0-7, guest ESP (r14) at 4; r12, r13, r15 at theirs */
    u64 flags;
    u64 fault_va;
    bool fault_write, straddles;
} HostResult;

World *world_new(bool holes);
void world_free(World *w);
bool world_page_missing(const World *w, unsigned page);
bool world_page_readonly(const World *w, unsigned page);
/* Paging and bus of this world into a Vcpu. */
void world_attach(World *w, Vcpu *c);
/* Call `code` (in w->code; ends with ret) with c's registers, OSZAPC, DF, and FPU if `fpu`. Registers are left in *r,
 * FPU state in c->fpu. */
void host_run(World *w, Vcpu *c, const u8 *code, bool fpu, HostResult *r);

#endif
