/* breakpoint.h - stops that somebody outside the machine asks for: breakpoints, watchpoints, single steps.
 *
 * The guest cannot see them: neither its memory nor DR0-DR7 change. See breakpoint.c. All on the vCPU thread, while no
 * guest instruction runs.
 */
#ifndef RING3_BREAKPOINT_H
#define RING3_BREAKPOINT_H

#include "cpu/cpu.h"

typedef enum BreakKind {
    BREAK_EXEC,
    BREAK_PHYSICAL, /* an instruction, by its physical address */
    BREAK_WRITE,
    BREAK_READ,
    BREAK_ACCESS,
    BREAK_KINDS
} BreakKind;
static inline bool break_is_data(u8 kind) { return kind >= BREAK_WRITE; }
typedef struct Breakpoint {
    u32 va;    /* linear; BREAK_PHYSICAL: physical */
    u32 bytes; /* 1, if it is not of data */
    u8 kind;   /* BreakKind */
    u8 owner;  /* whoever set it; the same place may be watched for several */
    u8 pad[2]; /* zero: sets are compared as bytes */
} Breakpoint;
/* An owner that is called instead of stopping the machine (Breakpoints.hook); and the same for places that it gives to
 * break_expect() each time it wants to be called there: the engine need not find out who passes them otherwise. */
enum { BREAK_OWNER_HOOK = 0xfe, BREAK_OWNER_RETURN = 0xff };
static inline bool break_is_hook(u8 owner) { return owner >= BREAK_OWNER_HOOK; }

typedef enum StopKind { DEBUG_NONE, DEBUG_BREAK, DEBUG_WATCH, DEBUG_STEP } StopKind;
typedef struct DebugStop { /* why the machine stands */
    StopKind kind;
    BreakKind access; /* the breakpoint's kind */
    u32 va;           /* of the breakpoint; DEBUG_WATCH: where the watched range begins */
} DebugStop;

enum { BREAK_AGAIN = 16, BREAKPOINTS_MAX = 256, WATCH_BYTES_MAX = 1 << 20 };
typedef struct Breakpoints {
    Breakpoint at[BREAKPOINTS_MAX]; /* sorted by their bytes' meaning: va, kind, bytes, owner */
    unsigned count;
    Breakpoint known[BREAKPOINTS_MAX]; /* what the engine was told last */
    unsigned known_count;
    bool stops; /* not all of them are hooks' */
    DebugStop stop;
    u32 stood; /* linear address at which the machine stands: a breakpoint there has been met */
    enum { BREAK_RUN, BREAK_PASS /* one instruction without looking, then run */, BREAK_STEP } mode;
    bool begun; /* BREAK_PASS, BREAK_STEP: that instruction is behind us */
    /* An instruction at a hook's breakpoint is about to run. True: it does not, CS:EIP is another now. May change
     * registers and memory. NULL: nobody hooks. */
    bool (*hook)(void *ctx, Vcpu *c);
    void *hook_ctx;
    /* The last instruction that was hooked, and those that faulted then: when one is repeated it is not hooked again. */
    struct BreakPlace {
        u32 va, esp, cr3;
        bool set;
    } hooked, again[BREAK_AGAIN];
    unsigned next_again;
} Breakpoints;

/* break_attach - from now on c obeys b, which the caller keeps. */
void break_attach(Vcpu *c, Breakpoints *b);
/* break_add - false: there are too many, or it is longer than WATCH_BYTES_MAX. One that is there already stays. They
 * hold from the next break_resume() on. */
bool break_add(Vcpu *c, u32 va, u32 bytes, BreakKind kind, u8 owner);
/* break_remove - false: there is no such. */
bool break_remove(Vcpu *c, u32 va, u32 bytes, BreakKind kind, u8 owner);
void break_remove_all(Vcpu *c, u8 owner);
/* break_apply - what was added and removed holds at once, also for a machine that runs. */
void break_apply(Vcpu *c);
/* break_expect - the breakpoint of BREAK_OWNER_RETURN at va is to be met by the address space at hand. */
void break_expect(Vcpu *c, u32 va);

/* break_stand - the machine is held here, whatever the reason. */
void break_stand(Vcpu *c);
/* break_resume - the machine will run on from where it stands: past a breakpoint there (unless CS:EIP was changed
 * meanwhile), or (step) for one instruction or one iteration of a repeated one. No interrupt is taken before that
 * instruction is done, unless the processor is halted and waits for one. Tells the engine what changed among the
 * breakpoints; forgets Breakpoints.stop. */
void break_resume(Vcpu *c, bool step);
/* The linear address of CS:EIP. */
static inline u32 cpu_linear_pc(const Vcpu *c) { return c->seg[CS].base + c->eip; }

/* --- for run loop and engines --- */

/* break_before - an instruction is about to run. True: not now, the machine is to stop (Breakpoints.stop says why). */
bool break_before(Vcpu *c, bool at_start);
/* break_hit - the part of break_before that looks for breakpoints. Engines call it where translated code left off at
 * one. */
bool break_hit(Vcpu *c);
/* Some breakpoint would stop. */
static inline bool break_stops(const Vcpu *c) { return c->breaking && c->breaks->stops; }
/* break_hook - right before the instruction at hand runs, Vcpu.breaking: whoever hooks it is called. True: it does not
 * run, CS:EIP is another. */
bool break_hook(Vcpu *c);
/* break_holds - interrupts have to wait for a step to end. */
bool break_holds(const Vcpu *c);
/* break_data - an access to va while Vcpu.watching: stops behind the instruction on a match. */
void break_data(Vcpu *c, u32 va, unsigned bytes, bool write);
/* break_faulted - the instruction did not complete: what it accessed does not count, and it was hooked already. */
void break_faulted(Vcpu *c);

#endif
