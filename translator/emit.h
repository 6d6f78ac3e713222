/* emit.h - writing host (x86-64) code, and the identity rows: guest instructions whose host form is themselves.
 *
 * Host registers in translated code:
 *   eax ecx edx ebx ebp esi edi   the guest's, zero-extended to 64 bits at every instruction boundary
 *   r14d                          guest ESP, less the moves that wait (Emit.esp)
 *   r15                           Vcpu
 *   r12                           base of the current window
 *   r13                           Vcpu.here: context id << 32, and where blocks are at home at any address, the EIP of
 *                                 their page's start
 *   r8-r11                        scratch within one guest instruction
 *   rsp                           host return stack (context.c); red zone not used
 *   EFLAGS OSZAPC, DF             the guest's, live: glue must not change flags (mov, lea, not, movzx, jrcxz,
 *                                 xchg, bswap; BMI2 rorx/shlx where the host has it)
 *
 * Emission is from decoded fields, through the functions here; no guest byte is copied blindly. Memory operands of
 * the guest take one of the MemForms; one function writes them all, and CHECKs that they cannot leave the window.
 */
#ifndef RING3_EMIT_H
#define RING3_EMIT_H

#include "cpu/insn.h"

/* clang-format off */

typedef struct Emit {
    u8 *at;      /* next byte, in the writable view of the cache */
    u8 *end;     /* of the place for this block: see emit_check() */
    s64 to_exec; /* executable address = writable address + to_exec */
    /* MEM_OPEN: the bytes that may be accessed (open.c) and guest RAM; and the jumps of this instruction that are taken
     * if one may not, with its address in r8: rel32 holes, which the caller aims at a callout. */
    const u8 *open, *ram;
    u8 *shut[2];
    u8 shuts;
    /* ESP is r14 + esp (stack.c, "Waiting moves"). stack_waits: this instruction may leave its own move for later. */
    bool stack_waits;
    s16 esp;
    bool wide; /* windows have wide guards: shadow_is_wide() */
    /* r9 = r12 + (index << scale), from an earlier operand (hoist.c). Whoever writes r9 says so by emit_unhoist(). */
    bool hoisted;
    u8 hoist_index, hoist_scale;
} Emit;
static inline void emit_unhoist(Emit *e) { e->hoisted = false; }
enum { EMIT_MAX_INSN = 512 };
/* Before every guest instruction, and every exit behind the block: its host code fits. */
static inline void emit_check(const Emit *e)
{
    CHECK(e->end - e->at >= EMIT_MAX_INSN, "a block outgrows its place");
}
/* A DS prefix, which means nothing here: on the load of a read-modify-write that is done in two steps, for the trap
 * handler, since the processor reports both as writes. */
enum { LOAD_TO_STORE = 0x3e };

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum { HOST_WINDOW = R12, HOST_HERE = R13, HOST_ESP = R14, HOST_VCPU = R15 };

/* What a block may assume of a segment register; part of its mode. */
typedef enum SegForm {
    SEGF_FLAT,    /* base 0, limit 4 GiB, readable and (not CS) writable: costs nothing */
    SEGF_BASED,   /* any base, limit 4 GiB, same rights: base added with lea */
    SEGF_LIMITED, /* any base, expand-up limit, present and same rights: base added, limit enforced */
    SEGF_OTHER,   /* null, read-only, expand-down ...: the interpreter decides */
    SEGF_64K,     /* SEGF_LIMITED with limit FFFF (real mode, V86): most checks fold away */
} SegForm;

/* Where the memory operand is reached. */
typedef enum MemForm {
    /* [r12 + r64 * scale + disp], [r9 + r64 + disp] with the index in r9; r64 holds a zero-extended 32-bit number */
    MEM_WINDOW,
    MEM_WRAP,   /* the same, its address first made 32 bits by lea: one that went around 4 GiB */
    MEM_TABLE,  /* [r8], after a look-up in the table of the current window (glue.S) */
    MEM_USER,   /* the same in the user pages' table: ring-0 access to a user page */
    MEM_OPEN,   /* unpaged: [r9 + r8], guest RAM itself, after a look whether all bytes are open */
} MemForm;

typedef struct BlockMode {
    u8 code32, stack32, user, v86;
    u8 seg[SEG_COUNT]; /* SegForm */
    u8 fpu_ok;         /* instructions that may run: bit 0 x87, bit 1 MMX, bit 2 SSE */
    u8 cs_based;       /* CS.base != 0 */
    u8 unpaged;        /* CR0.PG = 0: linear addresses are physical */
    u8 real;           /* CR0.PE = 0: like V86, stores through CS are allowed (else: the interpreter's #GP) */
} BlockMode;

/* emit_identity - the host form of an XC_IDENT, XC_MEM, XC_FPU or XC_STACK row (LEA included), 16- and 32-bit,
 * every segment form but SEGF_OTHER. Returns false, having written nothing, when it has no form for it: the caller
 * then calls the interpreter for this instruction. In the host form the (first) access to guest memory that can
 * fault precedes every change of a guest register or of flags. `next_eip` is the guest EIP after the instruction. */
bool emit_identity(Emit *e, const Insn *i, const BlockMode *m, MemForm form, u32 next_eip);

/* The pieces that flow.c and string.c build on. All flag-free. */
/* dst (any register) = effective *linear* address of i's memory operand, zero-extended; `bytes` for the limit check
 * (a violation traps at an address outside of all windows, and the interpreter is called: operand.c). false: no
 * form. */
bool emit_linear(Emit *e, int dst, const Insn *i, const BlockMode *m, unsigned bytes);
/* dst = bytes (1, 2 zero-extended, 4) at the memory operand of i (through `form`). */
bool emit_load_operand(Emit *e, int dst, const Insn *i, const BlockMode *m, MemForm form, unsigned bytes);
/* Push a 2- or 4-byte value (imm or register) on the guest stack: store, then move r14. Precise. */
bool emit_push_imm(Emit *e, u32 v, unsigned bytes, const BlockMode *m, MemForm form);
bool emit_push_reg(Emit *e, int reg, unsigned bytes, const BlockMode *m, MemForm form);
/* dst = top of guest stack (zero-extended), ESP moved by bytes + extra after the load. */
bool emit_pop_reg(Emit *e, int dst, unsigned bytes, u32 extra, const BlockMode *m, MemForm form);

/* Plain host instructions, flags untouched unless the name says so. */
void emit_bytes(Emit *e, const void *bytes, unsigned n);
void emit_u8(Emit *e, u8 v);
void emit_u32(Emit *e, u32 v);
void emit_u64(Emit *e, u64 v);
void emit_mov_rr32(Emit *e, int dst, int src);          /* zero-extends */
void emit_mov_rr64(Emit *e, int dst, int src);
void emit_mov_ri32(Emit *e, int dst, u32 imm);          /* zero-extends */
void emit_mov_ri64(Emit *e, int dst, u64 imm);
void emit_mov_rm32(Emit *e, int dst, int base, s32 disp);  /* host memory: vcpu fields */
void emit_mov_rm64(Emit *e, int dst, int base, s32 disp);
void emit_mov_mr32(Emit *e, int base, s32 disp, int src);
void emit_mov_mr64(Emit *e, int base, s32 disp, int src);
void emit_mov_mi32(Emit *e, int base, s32 disp, u32 imm);
void emit_lea32(Emit *e, int dst, int base, s32 disp);     /* 32-bit result, zero-extended */
void emit_lea64(Emit *e, int dst, int base, s32 disp);
void emit_lea64_index(Emit *e, int dst, int base, int index, int scale, s32 disp);
void emit_lea32_index(Emit *e, int dst, int base, int index, s32 disp);
void emit_not64(Emit *e, int reg);
void emit_movzx16(Emit *e, int dst, int src);              /* r32 = zero-extended r16 */
void emit_jmp(Emit *e, const u8 *target_exec);             /* jmp rel32 */
void emit_call(Emit *e, const u8 *target_exec);            /* call rel32 */
void emit_ret(Emit *e);
u8 *emit_jmp_hole(Emit *e);                                /* jmp rel32 to be patched; returns address of the rel32 */
u8 *emit_call_hole(Emit *e);
u8 *emit_jcc_hole(Emit *e, int cc);                        /* jcc rel32 */
u8 *emit_jrcxz_hole(Emit *e);                              /* jrcxz rel8; returns address of the rel8 */
void emit_patch32(u8 *hole, const u8 *target);             /* both in the same view */
void emit_patch8(u8 *hole, const u8 *target);

/* clang-format on */
#endif
