/* operand.h - between the emitter's files: host instructions with a ModRM operand, and where a guest operand is.
 *
 * Scratch registers while a guest memory operand is placed and used:
 *   r8  offset, then linear address     r10  limit check; then a high byte register's value
 *   r9  segment limit, then base        r11  a value on its way (never touched by operand_place)
 */
#ifndef RING3_OPERAND_H
#define RING3_OPERAND_H

#include "cpu/base/host.h"
#include "translator/emit.h"

/* A host memory operand. GUEST_WINDOW: base and disp, or index and disp, are the guest's linear address.
 * GUEST_HOISTED: r9 is the window and a part of the address, index and disp are the rest. GUEST_LOOKED_UP: r8 is the
 * host address that a table gave, and disp stays within the operand. */
enum { GUEST_NONE = 0, GUEST_WINDOW, GUEST_HOISTED, GUEST_LOOKED_UP };
typedef struct HostMem {
    u8 base, index; /* host registers or REG_NONE */
    u8 scale;       /* index << scale */
    u8 guest;
    s32 disp;
} HostMem;

/* A host instruction that takes a ModRM byte. */
typedef struct HostOp {
    u16 opcode; /* as in Row */
    u8 pfx;     /* 0, or 66, F2, F3: operand size or mandatory prefix */
    u8 reg;     /* register 0-15, or opcode digit */
    bool word;  /* 66 beside a mandatory prefix */
    bool wide;  /* REX.W */
    bool high;  /* reg or rm is AH, CH, DH, BH (4-7): a REX prefix would make it SPL..DIL */
} HostOp;

void emit_op_reg(Emit *e, HostOp op, int rm);
void emit_op_mem(Emit *e, HostOp op, HostMem m);   /* host memory and lea */
void emit_op_guest(Emit *e, HostOp op, HostMem m); /* guest memory: CHECKs the form */
bool host_op_needs_rex(HostOp op, HostMem m);

/* The task at hand. */
typedef struct Job {
    Emit *e;
    const Insn *i;
    const BlockMode *m;
    MemForm form;
    u32 next_eip;
} Job;

/* CS is never writable in protected mode: the interpreter raises the #GP. */
static inline bool job_may_store_cs(const Job *j) { return j->m->real || j->m->v86; }

/* Guest register number of a word or dword operand -> host register. */
static inline int host_gpr(int guest) { return guest == ESP ? R14 : guest; }

enum { /* operand_traits[] */
       OT_V = 1,
       OT_MEM = 2,
       OT_REG_GPR = 4,
       OT_REG_BYTE = 8,
       OT_RM_GPR = 16,
       OT_RM_BYTE = 32,
       OT_IMM8 = 64,
       OT_IMM16 = 128,
       OT_IMMV = 256,
       OT_KNOWN = 1 << 15, /* in operand_row_traits[] */
       OPERAND_ROWS = 2048,
};
extern const u16 operand_traits[O_COUNT];
extern u16 operand_row_traits[OPERAND_ROWS];
u16 operand_learn_traits(const Row *row);
/* Of all operands of i. */
static inline u16 operand_all_traits(const Insn *i)
{
    u16 known = operand_row_traits[i->row->id];
    return likely(known) ? (u16)(known & ~OT_KNOWN) : operand_learn_traits(i->row);
}
unsigned operand_mem_bytes(const Insn *i); /* size of the memory operand; 0 unknown */

/* The address part of an instruction in host registers; `ad16`: to be truncated to 16 bits. */
typedef struct Ea {
    HostMem at;
    bool ad16;
    u8 seg;
} Ea;
Ea operand_ea(const Insn *i);
enum { LIMIT_PROBE_BYTES = 0x10000 };
const u8 *operand_limit_probe(void); /* so many bytes of zeros, and a page without rights behind them */
/* Make `ea` a usable guest memory operand of `bytes`: truncation, limit check, segment base, form. Writes only
 * scratch registers. `write`: it is stored to, too. false: no form. */
bool operand_place_ea(Emit *e, HostMem *out, Ea ea, const BlockMode *m, MemForm form, unsigned bytes,
                      bool write);
bool linear_wraps(HostMem m);
/* Is what r9 holds a part of this address? *rest: the other register, or REG_NONE. */
bool hoist_covers(const Emit *e, HostMem at, u8 *rest);
/* The table's gates (glue.S), with and without BMI2. */
extern const u8 xlat_table_read_bmi2[], xlat_table_write_bmi2[], xlat_table_write_wide_bmi2[],
    xlat_table_user_read_bmi2[], xlat_table_user_write_bmi2[], xlat_table_read_plain[],
    xlat_table_write_plain[], xlat_table_write_wide_plain[], xlat_table_user_read_plain[],
    xlat_table_user_write_plain[];
static inline HostMem mem_plus(HostMem m, s32 d)
{
    m.disp = (s32)((u32)m.disp + (u32)d);
    return m;
}

/* Load and store 1 (zero-extended), 2 (zero-extended) or 4 bytes of guest memory; store_imm 2 or 4. */
void emit_guest_load(Emit *e, int dst, HostMem m, unsigned bytes);
void emit_guest_store(Emit *e, HostMem m, int src, unsigned bytes);
void emit_guest_store_imm(Emit *e, HostMem m, u32 v, unsigned bytes);
/* r16 = low word of r16 (the rest stays) or r32 = r32. */
void emit_mov_part(Emit *e, int dst, int src, unsigned bytes);

/* r14 += delta, of which a 16-bit stack takes the low word. SS:[reg + delta] as an operand of `bytes`; uses r8-r10
 * unless the stack is 32-bit and flat. */
void emit_stack_move(Emit *e, s32 delta, const BlockMode *m);
void emit_stack_settle(Emit *e); /* r14 is ESP from now on */
/* The stack's form beside an operand of `form`: rings 0-2 have theirs in supervisor pages. */
static inline MemForm stack_form(MemForm form) { return form == MEM_USER ? MEM_WINDOW : form; }
bool emit_stack_place_at(Emit *e, HostMem *out, int reg, s32 delta, unsigned bytes, const BlockMode *m,
                         MemForm form, bool write);
static inline bool emit_stack_place(Emit *e, HostMem *out, s32 delta, unsigned bytes, const BlockMode *m,
                                    MemForm form, bool write)
{
    return emit_stack_place_at(e, out, R14, delta, bytes, m, form, write);
}

void emit_u16(Emit *e, u16 v);
void emit_lea_host(Emit *e, int dst, const void *hp); /* dst = hp: RIP-relative if in reach */
/* op with [rip + ...] = hp as its memory operand, and no immediate. hp is in reach: Cache.counts, as the code is. */
void emit_op_host(Emit *e, HostOp op, const void *hp);
void emit_bswap32(Emit *e, int reg);
void emit_bswap64(Emit *e, int reg);

/* dst = src shifted by the low 5 (64 bits: 6) bits of count, flag-free. Only where the host has BMI2. */
typedef enum ShiftX { SHIFT_SHLX = 1, SHIFT_SARX = 2, SHIFT_SHRX = 3 } ShiftX;
void emit_shift_x(Emit *e, ShiftX kind, int dst, int src, int count);
void emit_shift_x64(Emit *e, ShiftX kind, int dst, int src, int count);
/* EDX:EAX = guest time by the host's counter, through the TscScale at r11 (sens.c). Only where the host has BMI2. */
void emit_tsc(Emit *e);

/* A high byte register (4-7) to and from the low byte of a scratch register; `tmp` is another scratch. `back`
 * undoes `get` when only the low byte of the scratch, and nothing else of the guest register, has changed since. */
void emit_high_get(Emit *e, int dst, int high, int tmp);
void emit_high_put(Emit *e, int high, int src, int tmp);
void emit_high_back(Emit *e, int high, int src, int tmp);

bool emit_stack(const Job *j); /* XC_STACK rows: stack.c */

#endif
