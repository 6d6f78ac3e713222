/* vcpu.h - the architectural state of the one guest processor, and its contracts.
 *
 * In translated code r15 points at this struct. What generated code touches comes first, what it touches most within
 * the 127 bytes that a one-byte displacement reaches. Everything else is ordinary C.
 *
 * Who may change what:
 *  - eflags holds all of EFLAGS while C code runs. (In translated code OSZAPC and DF are in the host's.)
 *  - cpl, `mode` and the segment caches change together, only through cpu/segment.c and cpu/exception.c.
 *  - cr0/cr3/cr4 change only through cpu_set_cr() (cpu/system.c), which tells the engine by `engine->...`.
 *  - Faults leave by cpu_raise(): a longjmp to fault_jmp. Functions that may raise say "raises".
 */
#ifndef RING3_VCPU_H
#define RING3_VCPU_H

#include <setjmp.h>
#include <stdatomic.h>

#include "cpu/insn.h"

/* clang-format off */

/* Segment cache. attr: access byte in bits 0-7 (type 0-3, S 4, DPL 5-6, P 7), flags nibble in bits 12-15
 * (AVL 12, D/B 14, G 15), as in a VMX access-rights word; SEG_UNUSABLE = loaded with a null selector. */
typedef struct Segment {
    u32 base;
    u32 limit; /* in bytes, scaled by G */
    u32 attr;
    u16 sel;
    u16 pad;
} Segment;
enum {
    SEG_ACCESSED = 1, SEG_WRITABLE = 2 /* data */, SEG_READABLE = 2 /* code */, SEG_DOWN = 4 /* data */,
    SEG_CONFORMING = 4 /* code */, SEG_CODE = 8, SEG_S = 0x10, SEG_P = 0x80,
    SEG_DB = 0x4000, SEG_G = 0x8000, SEG_UNUSABLE = 0x10000,
};
static inline unsigned seg_dpl(const Segment *s) { return s->attr >> 5 & 3; }

enum { /* control register bits */
    CR0_PE = 1u << 0, CR0_MP = 1u << 1, CR0_EM = 1u << 2, CR0_TS = 1u << 3, CR0_ET = 1u << 4, CR0_NE = 1u << 5,
    CR0_WP = 1u << 16, CR0_AM = 1u << 18, CR0_NW = 1u << 29, CR0_CD = 1u << 30, CR0_PG = 1u << 31,
};
enum {
    CR4_VME = 1u << 0, CR4_PVI = 1u << 1, CR4_TSD = 1u << 2, CR4_DE = 1u << 3, CR4_PSE = 1u << 4, CR4_PAE = 1u << 5,
    CR4_MCE = 1u << 6, CR4_PGE = 1u << 7, CR4_PCE = 1u << 8, CR4_OSFXSR = 1u << 9, CR4_OSXMMEXCPT = 1u << 10,
    CR4_UMIP = 1u << 11, CR4_SMEP = 1u << 20, CR4_SMAP = 1u << 21,
};
enum { APIC_BASE_BSP = 1 << 8, APIC_BASE_ENABLE = 1 << 11 }; /* IA32_APIC_BASE */
enum { /* exception vectors */
    EX_DE, EX_DB, EX_NMI, EX_BP, EX_OF, EX_BR, EX_UD, EX_NM, EX_DF, EX_TS = 10, EX_NP, EX_SS, EX_GP, EX_PF,
    EX_MF = 16, EX_AC, EX_MC, EX_XM,
};

/* FXSAVE image: the guest's x87/MMX/SSE state while it is parked (not in the host's FPU). */
typedef struct FpuImage {
    u16 fcw, fsw;
    u8 ftw, zero;
    u16 fop;
    u32 fip; u16 fcs, pad1;
    u32 fdp; u16 fds, pad2;
    u32 mxcsr, mxcsr_mask;
    u8 st[8][16];   /* ST(0)..ST(7): 80 bits, 6 bytes unused; MMX shares */
    u8 xmm[16][16]; /* guest has 0-7 */
    u8 rest[96];
} __attribute__((aligned(16))) FpuImage;

/* Translated code's note of the last x87 instruction (translator/x87.c); 0: Vcpu.fpu has its pointers. */
typedef union X87Note {
    struct {
        u32 mem;  /* where in the code cache the last with a memory operand was noted */
        u32 any;  /* the last, if it was another one */
        u32 ea;   /* the operand's effective address */
        u32 here; /* Vcpu.here */
        u16 cs, ds; /* selectors, in real and V86 mode */
    };
    u64 places;
} X87Note;

/* Reasons to leave translated code or the interpreter's inner loop; any thread may set them. */
enum {
    ATT_INTR = 1,   /* INTR is high: the local APIC's, or the PIC's where there is none */
    ATT_NMI = 2,
    ATT_CLOCK = 4,  /* a device timer may be due */
    ATT_IO = 8,     /* host input waits for the vCPU thread */
    ATT_STOP = 16,  /* end the run loop: stop_reason says why */
    ATT_RESET = 32, /* reset the machine */
    ATT_TRAP = 64,  /* TF, RF, debug registers or similar need instruction-wise care */
    ATT_SPEED = 128, /* speed_left is used up */
    ATT_PAUSE = 256, /* the guest waits in a loop: pause.wanted */
    ATT_INIT = 1024, /* INIT: reset the processor, not the machine */
    ATT_DEBUG = 512, /* a breakpoint was met, or a step is done: Breakpoints.stop */
};

typedef enum StopReason {
    STOP_NONE,
    STOP_POWEROFF,
    STOP_RESET,
    STOP_QUIT,
    STOP_DEBUG_EXIT,
    STOP_SHUTDOWN, /* triple fault */
    STOP_HLT,      /* HLT, and nobody who waits (RunHooks.idle): tests */
} StopReason;

typedef struct Fault { /* one exception or software interrupt on its way to delivery */
    u8 vector;
    bool has_error;
    bool soft;      /* INT n, INT3, INTO: DPL check, next_eip pushed */
    u32 error;
} Fault;

typedef struct Bus Bus;
typedef struct Phys Phys;

/* The engine under the run loop: interpreter or translator. */
typedef struct Engine {
    const char *name;
    void *ctx;
    /* Run until attention != 0, a HLT, or about `budget` instructions; raises. */
    void (*run)(void *ctx, Vcpu *c, u64 budget);
    /* Paging inputs changed: CR0.PG/WP, CR4.PSE/PGE/PAE, EFER.NXE, or CR3 (with it PDPTEs) was written; flags EV_. */
    void (*paging_changed)(void *ctx, Vcpu *c, u32 events);
    void (*invlpg)(void *ctx, Vcpu *c, u32 va);
    /* Breakpoints.known is another set. */
    void (*breaks_changed)(void *ctx, Vcpu *c);
    /* break_expect(): whatever is known of the address space at hand, va is looked at when it is next come to. */
    void (*break_expected)(void *ctx, Vcpu *c, u32 va);
    /* Attention was raised by the instruction at hand, behind which the run loop is to come. */
    void (*leave)(void *ctx);
} Engine;
enum { EV_CR0 = 1, EV_CR3 = 2, EV_CR4 = 4, EV_A20 = 8, EV_EFER = 16 };
enum { EFER_SCE = 1 << 0, EFER_NXE = 1 << 11 };

/* Who is asked before INT n or SYSENTER is delivered (frontend/hook/hooks.c). Set before the first instruction. */
enum { HOOK_SYSENTER = 256, HOOK_VECTORS };
typedef struct IntHook {
    u32 vectors[HOOK_VECTORS / 32 + 1]; /* bits: these */
    void *ctx;
    /* At the instruction, with next_eip behind it. True: it is not delivered, and next_eip is where to go on. */
    bool (*before)(void *ctx, Vcpu *c, unsigned vector);
} IntHook;

/* Who is told of each instruction that the interpreter begins (frontend/hook/hook_count.c). */
typedef struct InsnHook {
    void *ctx;
    void (*before)(void *ctx, Vcpu *c, const Insn *i);
} InsnHook;

/* The look at a guest that may wait in a loop (wait.c). */
enum { WAIT_PAGES = 8 };
typedef struct Wait {
    u32 left;                 /* instructions until the look ends; 0: nobody looks */
    u32 insns, closed_insns;  /* since the last event; when the guest was back last, 0: never */
    u64 next_ns;              /* host time of the next look */
    u64 until_ns;             /* guest time: so long ports tell the same */
    u64 closed_ns, waits_ns;  /* guest time of the first return to this place; to any since it began to wait, 0: none */
    u64 wake_ns;              /* guest time when a sleep ends */
    u8 fails;                 /* looks in a row that found nothing */
    bool disturbed;           /* it did what no two rounds find alike: wrote a port, read a device */
    bool clock_read, key_wanted; /* it read the time-stamp counter, it asked for a key */
    bool naps;                /* a few bytes changed: its sleep is short */
    /* Where it shall come back to */
    u8 cpl, page_count;
    u32 eip, eflags, gpr[8];
    u32 page[WAIT_PAGES];     /* pa >> PAGE_BITS of the pages that it wrote since, and what they held */
    u8 was[WAIT_PAGES][4096];
    u8 state[1536];           /* segments to FPU */
    u64 looks, sleeps;        /* statistics */
} Wait;

struct Vcpu {
    /* --- touched by generated code (translator/ owns the meaning), most often first --- */
    u32 gpr[8];
    u32 eip;             /* of the current instruction while it executes */
    u32 eflags;
    u8 *poll;            /* dereferenced at polls; aimed at an unmapped page to stop translated code */
    u64 ctx;             /* context id << 32 (translator/context.c) */
    u8 *window;          /* r12: base of the current window */
    const void *table;   /* the table form of the current window (mmu/shadow.h) */
    u64 here;            /* r13: ctx, and the EIP of the start of the code page where blocks do not know theirs */
    u64 *jump_cache;     /* jump_table, or jump_trap while translated code shall leave */
    void *host_rsp;      /* C stack while translated code runs */
    void *ret_rsp;       /* host return stack while C code runs */
    void *ret_bottom;    /* its sentinel: where it is reset to */
    u64 exit_arg;        /* what an exit stub wants to tell the dispatcher */
    u64 scratch[2];      /* generated code's own spill slots, valid within one guest instruction */
    u64 insns_xlat;      /* retired in translated code; counted with -d stats only */
    const void *user_table; /* the table form of user pages, for rings 0-2 */
    u64 spill[2];        /* the table gates' own */
    const u8 *code_map;  /* + host address of a byte of guest RAM: 1 if it may be written beside code (open.c) */
    u64 table_uses;      /* counts down to the next sample of who uses the table form */
    /* What the table does not know: the host address, or NULL if translated code is to be left (translator/form.c). */
    u8 *(*table_slow)(Vcpu *c, u32 va, u32 last_page, u32 write, const u8 *hpc);
    u64 link_uses;       /* counts down to the next link to another context that is made anew */
    /* Where translated code goes on after an exit that is not linked, or NULL: at the dispatcher
     * (translator/exec.c). */
    const u8 *(*next)(Vcpu *c, int why);
    X87Note x87;
    /* --- execution --- */
    u32 next_eip;        /* eip + length; branches overwrite it; becomes eip when the instruction ends */
    u8 cpl;              /* 0..3; 3 in V86, 0 in real mode */
    u8 inhibit;          /* interrupts held off for one instruction: INHIBIT_STI, INHIBIT_SS */
    u8 halted;
    u8 fpu_live;         /* guest FPU state is in the host FPU, not in `fpu` */
    _Atomic u32 attention; /* ATT_ bits */
    StopReason stop_reason;
    int exit_code;       /* for STOP_DEBUG_EXIT */
    Segment seg[SEG_COUNT], ldtr, tr;
    struct { u32 base; u16 limit; } gdtr, idtr;
    u32 cr0, cr2, cr3, cr4;
    u64 pdpte[4];        /* loaded with CR3 where CR4.PAE is set; of a valid form */
    u32 dr[8];
    bool watching;       /* watchpoints of a debugger outside hold (cpu/breakpoint.h) */
    bool breaking;       /* ... breakpoints */
    struct Breakpoints *breaks; /* NULL: never any */
    const IntHook *int_hook;    /* NULL: none */
    const InsnHook *insn_hook;  /* NULL: none */
    u32 features;        /* BIT(Need): what CPUID and the decoder allow */
    u8 cpu_level;        /* 3,4,5,6: family */
    /* MSRs */
    u64 tsc_offset, apic_base, sysenter_cs, sysenter_esp, sysenter_eip, mtrr_def, mtrr_fix[11], mtrr_var[16], pat;
    u64 efer, misc_enable, tsc_aux;
    FpuImage fpu;
    void (*x87_settle)(Vcpu *c); /* the pointers that `x87` notes, to `fpu` */
    /* --- exceptions --- */
    jmp_buf fault_jmp;   /* set by the run loop */
    Fault fault;         /* valid after the longjmp */
    bool delivering;     /* inside exception delivery: a second fault may become #DF */
    u8 delivering_vector;
    u8 delivering_ext;   /* EXT bit of selector error codes: 1 while an external event or exception is delivered */
    bool nmi_blocked;    /* from the delivery of an NMI until the next IRET */
    u32 db_pending;      /* DR6 bits of debug traps to deliver before the next instruction */
    bool rep_stopped;    /* eip is between two iterations of a repeated string instruction, not at its start */
    Fault *first_fault;  /* tests: the first fault is copied here if vector and error are still 0; NULL: no */
    /* --- the world --- */
    Bus *bus;            /* ports and MMIO */
    Phys *phys;          /* RAM */
    const Engine *engine;
    u8 (*intr_ack)(void *ctx); /* INTA cycle: returns the vector */
    void *intr_ctx;
    u64 (*tsc_now)(void *ctx); /* guest TSC ticks before tsc_offset */
    void *tsc_ctx;
    const TscScale *tsc_scale; /* the same by the host's counter, while its `off` is 0; NULL: never */
    void (*ferr)(void *ctx, bool level); /* FERR# for CR0.NE = 0: IRQ13 */
    void *ferr_ctx;
    void (*apic_base_written)(void *ctx, u64 base); /* IA32_APIC_BASE, with no reserved bits set; NULL: nobody cares */
    void *apic_ctx;
    const struct CpuModel *model;
    u64 *jump_table;     /* jump cache (translator/layout.h); NULL: no translator */
    u64 *jump_trap;      /* as large, unmapped */
    /* --- statistics --- */
    s64 speed_left;      /* instructions until ATT_SPEED; counted while speed_on (frontend/pc.c) */
    bool speed_on;
    struct { u64 since_ns, last_ns; u32 count; bool wanted; } pause; /* pause.c */
    u64 insns_interp;    /* retired by the interpreter */
    u64 *row_hits;       /* per Row.id, interpreter executions; NULL: not counted */
    u64 int_count[2][256]; /* delivered, by vector: through the table of real mode, through gates */
    Wait wait;           /* the last: translated code has no business here (translator/audit) */
};
enum { INHIBIT_STI = 1, INHIBIT_SS = 2 };

/* cpu_delivered - interrupts, exceptions and INT instructions since the start. */
static inline u64 cpu_delivered(const Vcpu *c)
{
    u64 sum = 0;
    for (unsigned n = 0; n < ARRAY_LEN(c->int_count[0]); n++) sum += c->int_count[0][n] + c->int_count[1][n];
    return sum;
}

static inline bool cpu_int_hooked(const Vcpu *c, unsigned vector)
{
    return c->int_hook && c->int_hook->vectors[vector / 32] >> vector % 32 & 1;
}
static inline bool cpu_protected(const Vcpu *c) { return c->cr0 & CR0_PE; }
static inline bool cpu_v86(const Vcpu *c) { return c->eflags & FL_VM; }
static inline bool cpu_real(const Vcpu *c) { return !(c->cr0 & CR0_PE); }
static inline bool cpu_code32(const Vcpu *c) { return c->seg[CS].attr & SEG_DB; }
static inline bool cpu_stack32(const Vcpu *c) { return c->seg[SS].attr & SEG_DB; }
/* Does SMAP keep supervisor accesses out of user pages? In ring 3 such are the processor's own, which AC does not allow. */
static inline bool cpu_smap_holds(const Vcpu *c) { return c->cr4 & CR4_SMAP && (c->cpl == 3 || !(c->eflags & FL_AC)); }
static inline unsigned cpu_iopl(const Vcpu *c) { return c->eflags >> 12 & 3; }

/* Any thread: make the vCPU leave its inner loop soon and look at `bits`. */
void cpu_attention(Vcpu *c, u32 bits);

/* Move the guest's FPU state into c->fpu and give the host FPU default control words; idempotent. After it,
 * C code may use x87/SSE, libc and c->fpu. */
void fpu_park(Vcpu *c);

/* Make the x87 pointers in c->fpu true. Before a segment register changes: their selectors are still there. */
static inline void fpu_settle(Vcpu *c)
{
    if (c->x87.places) c->x87_settle(c);
}

/* clang-format on */
#endif
