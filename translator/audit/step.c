/* step.c - see step.h: what a host instruction does to what is known about registers.
 *
 * Few instructions need to be known by name: moves, LEA, MOVZX, NOT, shifts by a constant, string instructions. All
 * others are taken by the registers that they write (Capstone says which): a 32-bit result is a number of 32 bits, a
 * part of a register leaves one, anything else is unknown.
 *
 * Ids are made of the instruction's address: an instruction that is looked at again gives the same ones. A value that
 * comes around a loop meets another at the loop's start, where it loses its id (value_join).
 */
#include "translator/audit/step.h"

#include "translator/operand.h"

enum { REP_MOST = 0xffff };

/* --- registers ------------------------------------------------------------------------------------------- */

typedef struct Part {
    int reg;       /* RAX to R15; -1: none of them */
    unsigned bits; /* 64, 32, 16, 8 */
    bool second;   /* AH, CH, DH, BH */
} Part;

#define FOUR(reg, r64, r32, r16, r8)                                                                         \
    case r64: return (Part){reg, 64, false};                                                                 \
    case r32: return (Part){reg, 32, false};                                                                 \
    case r16: return (Part){reg, 16, false};                                                                 \
    case r8:                                                                                                 \
        return (Part){reg, 8, false};
#define NUMBERED(n) FOUR(R##n, X86_REG_R##n, X86_REG_R##n##D, X86_REG_R##n##W, X86_REG_R##n##B)

static Part part_of(unsigned reg)
{
    switch (reg) {
        FOUR(RAX, X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL)
        FOUR(RCX, X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL)
        FOUR(RDX, X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL)
        FOUR(RBX, X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL)
        FOUR(RSP, X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL)
        FOUR(RBP, X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL)
        FOUR(RSI, X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL)
        FOUR(RDI, X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL)
        NUMBERED(8)
        NUMBERED(9)
        NUMBERED(10)
        NUMBERED(11)
        NUMBERED(12)
        NUMBERED(13)
        NUMBERED(14)
        NUMBERED(15)
    case X86_REG_AH: return (Part){RAX, 8, true};
    case X86_REG_CH: return (Part){RCX, 8, true};
    case X86_REG_DH: return (Part){RDX, 8, true};
    case X86_REG_BH: return (Part){RBX, 8, true};
    default: return (Part){-1, 0, false};
    }
}

static void wrong(Step *p, const char *why)
{
    if (!p->why) p->why = why;
}

static u64 new_id(Step *p) { return p->insn->address << 4 | ++p->ids; }

/* The value of a register, with an id by which it is known again. */
static Value *known(Step *p, int reg)
{
    Value *v = &p->s->r[reg];
    if (!v->id) v->id = new_id(p);
    return v;
}

static void set(Step *p, int reg, Value v)
{
    if (reg == HOST_WINDOW || reg == HOST_VCPU) {
        wrong(p, "it changes r12 or r15");
        return;
    }
    if (reg == RSP && v.origin != ORIGIN_RETURN) {
        wrong(p, "it moves the host stack");
        return;
    }
    p->s->r[reg] = v;
}

/* The number that a part of a register holds. */
static Value part_value(const State *s, Part part)
{
    const Value *v = &s->r[part.reg];
    s64 most = part.bits == 64 ? 0 : (1ll << part.bits) - 1;
    if (part.bits == 64) return *v;
    if (!part.second && v->origin == ORIGIN_NUMBER && v->low >= 0 && v->high <= most) return *v;
    return value_range(0, most);
}

static void write_part(Step *p, Part part)
{
    if (part.reg < 0 || (part.reg == RSP && part.bits == 64))
        return; /* the stack's own business: is_stack() */
    if (part.bits == 32)
        set(p, part.reg, value_32());
    else if (part.bits < 32 && is_32(&p->s->r[part.reg]))
        set(p, part.reg, value_32());
    else
        set(p, part.reg, value_any());
}

/* --- operands -------------------------------------------------------------------------------------------- */

static const cs_x86 *detail(const Step *p) { return &p->insn->detail->x86; }
static const cs_x86_op *operand(const Step *p, unsigned n) { return &detail(p)->operands[n]; }
static bool is_reg_op(const Step *p, unsigned n)
{
    return n < detail(p)->op_count && operand(p, n)->type == X86_OP_REG;
}
static bool is_mem_op(const Step *p, unsigned n)
{
    return n < detail(p)->op_count && operand(p, n)->type == X86_OP_MEM;
}
static Part reg_op(const Step *p, unsigned n) { return part_of(operand(p, n)->reg); }

static Value address_part(Step *p, unsigned reg)
{
    if (reg == X86_REG_INVALID) return value_range(0, 0);
    if (reg == X86_REG_RIP) {
        s64 next = (s64)(p->insn->address + p->insn->size);
        return value_range(next, next);
    }
    Part part = part_of(reg);
    if (part.reg < 0 || part.bits != 64) return value_any();
    return *known(p, part.reg);
}

/* Base + index * scale + displacement, and what is known of each. */
typedef struct Address {
    Value base, index, all;
    s64 disp;
    unsigned scale;
} Address;

static Address address_of(Step *p, const cs_x86_op *o)
{
    Address a = {.base = address_part(p, o->mem.base),
                 .index = address_part(p, o->mem.index),
                 .disp = o->mem.disp,
                 .scale = (unsigned)o->mem.scale};
    Value scaled = value_scale(&a.index, a.scale), disp = value_range(a.disp, a.disp);
    a.all = value_add(&a.base, &scaled);
    a.all = value_add(&a.all, &disp);
    return a;
}

static bool within(const Value *v, s64 bytes, s64 low, s64 end)
{
    return v->low >= low && v->high + bytes <= end;
}

static bool in_region(const AuditRegion *r, const Value *v, s64 bytes)
{
    s64 at = (s64)(intptr_t)r->at;
    return within(v, bytes, at, at + (s64)r->bytes);
}

static bool in_regions(const AuditRules *r, const Value *v, s64 bytes)
{
    for (unsigned n = 0; n < r->reads; n++)
        if (in_region(&r->read[n], v, bytes)) return true;
    return false;
}

static bool is_open_ram(const Step *p, const Address *a, s64 bytes)
{
    s64 ram = (s64)(intptr_t)p->rules->ram;
    return p->rules->ram && is_constant(&a->base) && a->base.low == ram && a->scale == 1 && !a->disp &&
           is_32(&a->index) && a->index.open >= bytes;
}

static bool is_looked_up(const cs_x86_op *o, const Address *a, s64 bytes)
{
    return o->mem.index == X86_REG_INVALID && a->base.looked_up && a->disp >= 0 &&
           a->disp + bytes <= a->base.looked_up;
}

/* A counter, by its address or by its distance from the Vcpu. */
static bool is_count(const Step *p, const Value *v, s64 bytes)
{
    Value at = *v;
    s64 base = v->origin == ORIGIN_VCPU ? (s64)(intptr_t)p->rules->vcpu : 0;
    if (v->low != v->high) return false;
    at.low += base;
    at.high += base;
    return in_region(&p->rules->count, &at, bytes);
}

/* bytes at v, read (or written, too). */
static const char *access_wrong(const Step *p, const Value *v, s64 bytes, bool writes)
{
    switch (v->origin) {
    case ORIGIN_WINDOW:
        return within(v, bytes, -(s64)p->rules->below, (s64)p->rules->above)
                   ? NULL
                   : "it may reach beyond the window's guards";
    case ORIGIN_VCPU:
        return within(v, bytes, 0, offsetof(Vcpu, wait)) || is_count(p, v, bytes)
                   ? NULL
                   : "it may reach beyond the Vcpu";
    case ORIGIN_POLL: return !writes && within(v, bytes, 0, 1) ? NULL : "it does more than to poll";
    case ORIGIN_JUMPS:
        return !writes && within(v, bytes, 0, JUMP_CACHE_SLOTS * JUMP_CACHE_WORDS * 8ll)
                   ? NULL
                   : "beyond the jump cache";
    case ORIGIN_CLOCK:
        return !writes && within(v, bytes, 0, sizeof(TscScale)) ? NULL
                                                                : "it may reach beyond the clock's words";
    case ORIGIN_NUMBER:
        if (is_count(p, v, bytes)) return NULL;
        return !writes && in_regions(p->rules, v, bytes)
                   ? NULL
                   : "memory that is neither the guest's nor the Vcpu's";
    default: return "nobody knows which memory";
    }
}

/* BT and its kind with a register reach beyond their operand. */
static bool is_bit_string(const Step *p)
{
    unsigned id = p->insn->id;
    return (id == X86_INS_BT || id == X86_INS_BTS || id == X86_INS_BTR || id == X86_INS_BTC) &&
           is_mem_op(p, 0) && is_reg_op(p, 1);
}

static const char *bits_wrong(const Step *p, const cs_x86_op *o)
{
    Value bit = part_value(p->s, reg_op(p, 1));
    return bit.low >= 0 && bit.high < 8 * o->size ? NULL : "a bit beyond its operand";
}

/* Capstone 4 does not know the sizes of some. */
static s64 operand_bytes(const Step *p, const cs_x86_op *o)
{
    switch (p->insn->id) {
    case X86_INS_FNSTSW:
    case X86_INS_FNSTCW:
    case X86_INS_FLDCW: return 2;
    case X86_INS_FNSTENV:
    case X86_INS_FLDENV: return 28;
    case X86_INS_FNSAVE:
    case X86_INS_FRSTOR: return 108;
    case X86_INS_FXSAVE:
    case X86_INS_FXRSTOR: return 512;
    case X86_INS_FBLD:
    case X86_INS_FBSTP: return 10;
    case X86_INS_PUNPCKLBW:
    case X86_INS_PUNPCKLWD:
    case X86_INS_PUNPCKLDQ: return o->size == 8 ? 4 : o->size;
    case X86_INS_COMISS:
    case X86_INS_UCOMISS: return 4;
    case X86_INS_COMISD:
    case X86_INS_UCOMISD: return 8;
    default: return o->size;
    }
}

static void check_operand(Step *p, const cs_x86_op *o)
{
    s64 bytes = operand_bytes(p, o);
    Address a = address_of(p, o);
    bool writes = o->access & CS_AC_WRITE;
    if (o->mem.segment == X86_REG_FS || o->mem.segment == X86_REG_GS) wrong(p, "by FS or GS");
    if (is_bit_string(p) && bits_wrong(p, o)) wrong(p, bits_wrong(p, o));
    if (!bytes) wrong(p, "an operand of unknown size");
    if (is_looked_up(o, &a, bytes) || is_open_ram(p, &a, bytes)) return;
    const char *why = access_wrong(p, &a.all, bytes, writes);
    if (why) wrong(p, why);
}

static bool is_string(const Step *p);

static void check_operands(Step *p)
{
    if (p->insn->id == X86_INS_LEA || p->insn->id == X86_INS_NOP || is_string(p)) return;
    for (unsigned n = 0; n < detail(p)->op_count; n++)
        if (is_mem_op(p, n)) check_operand(p, operand(p, n));
}

/* --- what is known by name ------------------------------------------------------------------------------- */

static Value field_value(s64 offset)
{
    if (offset == offsetof(Vcpu, poll)) return value_of(ORIGIN_POLL);
    if (offset == offsetof(Vcpu, jump_cache)) return value_of(ORIGIN_JUMPS);
    if (offset == offsetof(Vcpu, tsc_scale)) return value_of(ORIGIN_CLOCK);
    if (offset == offsetof(Vcpu, ret_bottom)) return value_of(ORIGIN_RETURN);
    return value_any();
}

/* A load: of a pointer of the Vcpu's, from the map of open bytes, or of a number. */
static Value loaded(Step *p, const cs_x86_op *o, unsigned bits)
{
    Address a = address_of(p, o);
    if (bits == 64)
        return a.all.origin == ORIGIN_VCPU && a.all.low == a.all.high ? field_value(a.all.low) : value_any();
    Value v = value_range(0, (1ll << 8 * (o->size < 4 ? o->size : 4)) - 1);
    bool map = p->rules->open && is_constant(&a.base) && a.base.low == (s64)(intptr_t)p->rules->open;
    if (map && a.scale == 1 && !a.disp) {
        v.relation = REL_OPEN;
        v.n = o->size;
        v.of = a.index.id;
    }
    return v;
}

static void step_mov(Step *p)
{
    if (!is_reg_op(p, 0) || reg_op(p, 0).reg < 0) return;
    Part to = reg_op(p, 0);
    if (to.bits < 32) {
        write_part(p, to);
    } else if (is_mem_op(p, 1)) {
        set(p, to.reg, loaded(p, operand(p, 1), to.bits));
    } else if (operand(p, 1)->type == X86_OP_IMM) {
        s64 v = to.bits == 32 ? (u32)operand(p, 1)->imm : operand(p, 1)->imm;
        set(p, to.reg, value_range(v, v));
    } else {
        Part from = reg_op(p, 1);
        if (from.reg < 0)
            write_part(p, to);
        else if (to.bits == 64 || is_32(&p->s->r[from.reg]))
            set(p, to.reg, *known(p, from.reg));
        else
            set(p, to.reg, value_32());
    }
}

static void step_movzx(Step *p)
{
    Part to = reg_op(p, 0);
    if (to.bits < 32) {
        write_part(p, to);
    } else if (is_mem_op(p, 1)) {
        set(p, to.reg, loaded(p, operand(p, 1), 32));
    } else {
        Part from = reg_op(p, 1);
        u64 of = known(p, from.reg)->id;
        Value v = part_value(p->s, from);
        if (!from.second) v = (Value){v.origin, v.low, v.high, .relation = REL_LOW, .n = from.bits, .of = of};
        v.id = 0;
        set(p, to.reg, v);
    }
}

static void step_movsx(Step *p)
{
    Part to = reg_op(p, 0);
    unsigned bits = is_reg_op(p, 1) ? reg_op(p, 1).bits : 8u * operand(p, 1)->size;
    if (to.bits != 64)
        write_part(p, to);
    else
        set(p, to.reg, value_range(-(1ll << (bits - 1)), (1ll << (bits - 1)) - 1));
}

/* rcx + ~low(rcx) + 1, and the map's bytes minus what they are when all are open. */
static void relate_sum(const Address *a, Value *v)
{
    const Value *x = &a->base, *y = &a->index;
    if (y->relation != REL_NOT_LOW) x = &a->index, y = &a->base;
    if (y->relation == REL_NOT_LOW && y->of == x->id && a->scale == 1 && a->disp == 1) {
        v->relation = REL_EXCESS;
        v->n = y->n;
        v->of = y->of;
    }
    if (a->base.relation == REL_OPEN && a->disp == -(s64)(0x01010101u >> (32 - 8 * a->base.n)) &&
        is_constant(&a->index)) {
        v->relation = REL_SHUT;
        v->n = a->base.n;
        v->of = a->base.of;
    }
}

static void step_lea(Step *p)
{
    Part to = reg_op(p, 0);
    const cs_x86_op *o = operand(p, 1);
    Address a = address_of(p, o);
    if (to.bits < 32) {
        write_part(p, to);
        return;
    }
    if (to.bits == 64) {
        relate_sum(&a, &a.all);
        a.all.id = 0;
        set(p, to.reg, a.all);
        return;
    }
    Value v = is_32(&a.all) ? value_range(a.all.low, a.all.high) : value_32();
    if (o->mem.index == X86_REG_INVALID && is_32(&a.base)) {
        v.relation = REL_PLUS;
        v.n = a.disp;
        v.of = a.base.id;
    }
    set(p, to.reg, v);
}

static void step_not(Step *p)
{
    Part to = reg_op(p, 0);
    if (to.bits != 64) {
        write_part(p, to);
        return;
    }
    Value before = p->s->r[to.reg], v = value_not(&before);
    if (before.relation == REL_LOW) {
        v.relation = REL_NOT_LOW;
        v.n = before.n;
        v.of = before.of;
    }
    set(p, to.reg, v);
}

/* By a count in a register that is a constant. */
static void step_shrx(Step *p)
{
    Part to = reg_op(p, 0);
    const Value *count = &p->s->r[reg_op(p, 2).reg];
    if (is_constant(count) && count->low > 0 && count->low < to.bits)
        set(p, to.reg, value_range(0, (s64)((1ull << (to.bits - count->low)) - 1)));
    else
        write_part(p, to);
}

/* --- string instructions ---------------------------------------------------------------------------------- */

static bool is_string(const Step *p)
{
    u8 opcode = detail(p)->opcode[0];
    return !detail(p)->opcode[1] &&
           ((opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf));
}

/* Up to `most` elements, in either direction. */
static void step_pointer(Step *p, int reg, s64 bytes, s64 most, bool writes)
{
    Value *v = &p->s->r[reg], reached = *v, after = *v;
    if (v->origin != ORIGIN_ANY) {
        reached.low -= bytes * (most - 1);
        reached.high += bytes * (most - 1);
        after.low -= bytes * most;
        after.high += bytes * most;
    }
    const char *why = access_wrong(p, &reached, bytes, writes);
    if (why) wrong(p, why);
    after = (Value){after.origin, after.low, after.high, .id = 0};
    set(p, reg, after);
}

static void step_string(Step *p)
{
    u8 opcode = detail(p)->opcode[0] & 0xfe;
    bool rep = detail(p)->prefix[0] == X86_PREFIX_REP || detail(p)->prefix[0] == X86_PREFIX_REPNE;
    bool si = opcode == 0xa4 || opcode == 0xa6 || opcode == 0xac, di = opcode != 0xac;
    bool writes = opcode == 0xa4 || opcode == 0xaa;
    s64 bytes = operand(p, 0)->size, most = 1;
    if (rep) {
        Value count = p->s->r[RCX];
        if (count.origin != ORIGIN_NUMBER || count.low < 0 || count.high > REP_MOST) {
            wrong(p, "a REP without a bound");
            return;
        }
        most = count.high;
        set(p, RCX, value_range(0, count.high));
    }
    if (most && si) step_pointer(p, RSI, bytes, most, false);
    if (most && di) step_pointer(p, RDI, bytes, most, writes);
    if (opcode == 0xac) write_part(p, (Part){RAX, 8u * (unsigned)bytes, false});
}

/* --- all -------------------------------------------------------------------------------------------------- */

/* It moves RSP by its operand's size, and no further. */
static bool is_stack(const Step *p)
{
    unsigned id = p->insn->id;
    if (id == X86_INS_POP && is_reg_op(p, 0) && reg_op(p, 0).reg == RSP) return false;
    return id == X86_INS_PUSH || id == X86_INS_POP || id == X86_INS_PUSHFQ || id == X86_INS_POPFQ ||
           id == X86_INS_CALL || id == X86_INS_RET;
}

static bool is_foreign(const Step *p)
{
    static const unsigned ids[] = {X86_INS_SYSCALL,  X86_INS_SYSENTER, X86_INS_SYSRET,   X86_INS_XLATB,
                                   X86_INS_ENTER,    X86_INS_LEAVE,    X86_INS_MASKMOVQ, X86_INS_MASKMOVDQU,
                                   X86_INS_WRFSBASE, X86_INS_WRGSBASE, X86_INS_XBEGIN,   X86_INS_CPUID,
                                   X86_INS_LJMP,     X86_INS_LCALL,    X86_INS_RETF,     X86_INS_RETFQ};
    for (unsigned n = 0; n < ARRAY_LEN(ids); n++)
        if (p->insn->id == ids[n]) return true;
    return cs_insn_group(p->capstone, p->insn, CS_GRP_PRIVILEGE) ||
           cs_insn_group(p->capstone, p->insn, CS_GRP_INT);
}

static void step_others(Step *p)
{
    cs_regs read, written;
    u8 reads, writes;
    if (cs_regs_access(p->capstone, p->insn, read, &reads, written, &writes) != CS_ERR_OK) {
        wrong(p, "nobody knows what it changes");
        return;
    }
    for (unsigned n = 0; n < writes; n++) {
        Part part = part_of(written[n]);
        if (part.reg == RSP && !is_stack(p))
            wrong(p, "it moves the host stack");
        else
            write_part(p, part);
    }
}

void step_insn(Step *p)
{
    p->ids = 0;
    if (is_foreign(p)) {
        wrong(p, "an instruction that translated code never has");
        return;
    }
    check_operands(p);
    if (is_string(p)) {
        step_string(p);
        return;
    }
    switch (p->insn->id) {
    case X86_INS_MOV:
    case X86_INS_MOVABS: step_mov(p); break;
    case X86_INS_MOVZX: step_movzx(p); break;
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD: step_movsx(p); break;
    case X86_INS_LEA: step_lea(p); break;
    case X86_INS_NOT:
        if (is_reg_op(p, 0)) step_not(p);
        break;
    case X86_INS_SHRX: step_shrx(p); break;
    default: step_others(p); break;
    }
}

void step_rcx_is_zero(State *s)
{
    const Value zero = s->r[RCX];
    for (int n = 0; n < HOST_REGISTERS && zero.of; n++) {
        Value *v = &s->r[n];
        if (v->id != zero.of) continue;
        if (zero.relation == REL_SHUT && is_32(v)) v->open = (u32)zero.n;
        if (zero.relation == REL_EXCESS && is_32(v) && v->high > (1ll << zero.n) - 1)
            v->high = (1ll << zero.n) - 1;
    }
    s->r[RCX] = value_range(0, 0);
}

void state_enter(State *s)
{
    static const int guest[] = {RAX, RCX, RDX, RBX, RBP, RSI, RDI, HOST_ESP};
    for (int n = 0; n < HOST_REGISTERS; n++) s->r[n] = value_any();
    for (unsigned n = 0; n < ARRAY_LEN(guest); n++) s->r[guest[n]] = value_32();
    s->r[HOST_WINDOW] = value_of(ORIGIN_WINDOW);
    s->r[HOST_VCPU] = value_of(ORIGIN_VCPU);
    s->r[RSP] = value_of(ORIGIN_RETURN);
}

const char *state_wrong(const State *s)
{
    static const int guest[] = {RAX, RCX, RDX, RBX, RBP, RSI, RDI, HOST_ESP};
    for (unsigned n = 0; n < ARRAY_LEN(guest); n++)
        if (!is_32(&s->r[guest[n]])) return "a guest register may hold more than 32 bits";
    return NULL;
}
