/* audit.c - see audit.h.
 *
 * The emitter CHECKs its operands when it writes them (emit.c). The auditor believes nothing of that: it disassembles
 * each block as the processor will run it, with a disassembler of others (Capstone), follows every way through it,
 * and keeps for each host register what can be said about its value (value.h): a range, what it is relative to, and
 * how it came from another. A block passes if on every way
 *   - each memory operand lies in the window or its guards, in the Vcpu, in what a gate has looked up, in guest RAM
 *     whose bytes were found open, or, to be read, in a constant table of the translator's;
 *   - no instruction changes r12 or r15, moves the host stack other than by push, pop, call and ret, or asks the
 *     kernel;
 *   - each branch leads to an instruction of the block or to a gate of glue.S; the only indirect jump is through the
 *     jump cache;
 *   - where it is left, the guest's registers hold 32-bit numbers. That is what it assumes where it is entered.
 *
 * So blocks may be linked to each other's starts and doors in any way. Not audited: glue.S, which is short and the same for
 * all; C.
 */
#include "translator/audit/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "mmu/shadow_parts.h"
#include "translator/audit/step.h"
#include "translator/callout.h"
#include "translator/count.h"
#include "translator/operand.h"

enum { CODE_MAX = 32 << 10, MEETINGS_MAX = 1 << 12 };

/* A place where ways meet, or one begins. */
typedef struct Meeting {
    State state;
    bool again, waiting;
} Meeting;

typedef struct Audit {
    const AuditRules *rules;
    const u8 *code;
    u32 bytes;
    csh capstone;
    cs_insn *insn;
    u16 meeting_at[CODE_MAX]; /* 1 + number of it; 0: none */
    u32 offset[MEETINGS_MAX];
    Meeting meeting[MEETINGS_MAX];
    unsigned meetings;
    const char *why;
    u32 at;
} Audit;

static void fail(Audit *a, u32 at, const char *why)
{
    if (a->why) return;
    a->why = why;
    a->at = at;
}

/* --- ways -------------------------------------------------------------------------------------------------- */

static void go_on_at(Audit *a, u32 at, const State *s)
{
    if (at >= a->bytes) {
        fail(a, a->bytes, "it runs beyond its end");
        return;
    }
    unsigned n = a->meeting_at[at];
    if (!n) {
        if (a->meetings == MEETINGS_MAX) {
            fail(a, at, "too many branches to follow");
            return;
        }
        a->offset[a->meetings] = at;
        a->meeting[a->meetings] = (Meeting){.state = *s, .waiting = true};
        a->meeting_at[at] = (u16)++a->meetings;
        return;
    }
    Meeting *m = &a->meeting[n - 1];
    bool changed = false;
    for (int r = 0; r < HOST_REGISTERS; r++) {
        Value v = value_join(&m->state.r[r], &s->r[r], m->again);
        changed |= !value_equal(&v, &m->state.r[r]);
        m->state.r[r] = v;
    }
    m->again |= changed;
    m->waiting |= changed;
}

/* --- gates ------------------------------------------------------------------------------------------------- */

enum GateNeeds { NEEDS_R8 = 1, NEEDS_R9 = 2, NEEDS_FUNCTION = 4, LOOKS_UP = 8 };

static unsigned gate_needs(const u8 *target, bool *known)
{
    const struct {
        const u8 *at;
        unsigned needs;
    } gates[] = {
        {xlat_callout, NEEDS_R9 | NEEDS_FUNCTION},
        {xlat_seg_load, NEEDS_R8 | NEEDS_R9},
        {xlat_exit_link, NEEDS_R9},
        {xlat_exit_link_probe, NEEDS_R8 | NEEDS_R9},
        {xlat_exit_indirect, NEEDS_R8},
        {xlat_exit_interp, NEEDS_R8},
        {xlat_ret_miss, NEEDS_R8},
        {xlat_table_read_bmi2, LOOKS_UP},
        {xlat_table_write_bmi2, LOOKS_UP},
        {xlat_table_write_wide_bmi2, LOOKS_UP},
        {xlat_table_user_read_bmi2, LOOKS_UP},
        {xlat_table_user_write_bmi2, LOOKS_UP},
        {xlat_table_read_plain, LOOKS_UP},
        {xlat_table_write_plain, LOOKS_UP},
        {xlat_table_write_wide_plain, LOOKS_UP},
        {xlat_table_user_read_plain, LOOKS_UP},
        {xlat_table_user_write_plain, LOOKS_UP},
    };
    *known = true;
    for (unsigned n = 0; n < ARRAY_LEN(gates); n++)
        if (gates[n].at == target) return gates[n].needs;
    *known = false;
    return 0;
}

/* A C function of this program. */
static bool is_function(const Value *v)
{
    extern const u8 __executable_start[], etext[];
    return is_constant(v) && v->low >= (s64)(intptr_t)__executable_start && v->low < (s64)(intptr_t)etext;
}

/* How many bytes a gate looks up: from r8 to r10. */
static u32 looked_up_bytes(const State *s)
{
    const Value *first = &s->r[R8], *last = &s->r[R10];
    enum { MOST = 512 };
    if (!first->id) return 0;
    if (last->id == first->id) return 1;
    if (last->relation != REL_PLUS || last->of != first->id || last->n < 0 || last->n >= MOST) return 0;
    return (u32)last->n + 1;
}

static const char *gate_wrong(const State *s, unsigned needs)
{
    const char *why = state_wrong(s);
    if (why) return why;
    if (needs & (NEEDS_R8 | LOOKS_UP) && !is_32(&s->r[R8])) return "r8 may hold more than 32 bits at a gate";
    if (needs & NEEDS_R9 && !is_constant(&s->r[R9])) return "r9 is no constant at a gate";
    if (needs & NEEDS_FUNCTION && !is_function(&s->r[R11])) return "r11 is no function of ours at a callout";
    if (needs & LOOKS_UP && !looked_up_bytes(s)) return "nobody knows how many bytes are looked up";
    return NULL;
}

/* What is known behind the call of a gate. The look-up keeps all but r8, r9 and r10. */
static void come_back(State *s, unsigned needs)
{
    State after;
    u32 bytes = looked_up_bytes(s);
    state_enter(&after);
    if (needs & LOOKS_UP) {
        after = *s;
        after.r[R8] = value_any();
        after.r[R8].looked_up = bytes;
        after.r[R9] = after.r[R10] = value_any();
    }
    *s = after;
}

/* --- one way ------------------------------------------------------------------------------------------------ */

static const cs_x86_op *operand(const cs_insn *i, unsigned n) { return &i->detail->x86.operands[n]; }

static bool is_direct(const cs_insn *i)
{
    return i->detail->x86.op_count == 1 && operand(i, 0)->type == X86_OP_IMM;
}

/* The offset in the block that a direct branch leads to; false: elsewhere. */
static bool leads_inside(const Audit *a, const cs_insn *i, u32 *to)
{
    s64 distance = operand(i, 0)->imm - (s64)(intptr_t)a->code;
    *to = (u32)distance;
    return distance >= 0 && distance < a->bytes;
}

static void check_gate(Audit *a, u32 at, const cs_insn *i, State *s, bool call)
{
    bool known;
    unsigned needs = gate_needs((const u8 *)(intptr_t)operand(i, 0)->imm, &known);
    bool comes_back =
        needs & (NEEDS_FUNCTION | LOOKS_UP) || operand(i, 0)->imm == (s64)(intptr_t)xlat_seg_load;
    if (!known || call != comes_back) {
        fail(a, at, "it leaves the block for another place than a gate");
        return;
    }
    const char *why = gate_wrong(s, needs);
    if (why) fail(a, at, why);
    if (call) come_back(s, needs);
}

/* Behind a host call that is a guest's: by a RET, with the guest's EIP in r8. */
static void land(State *s)
{
    state_enter(s);
    s->r[R8] = value_32();
}

/* jmp [r11 + JUMP_HPC], into the jump cache. */
static void check_indirect(Audit *a, u32 at, const cs_insn *i, const State *s)
{
    const cs_x86_op *o = operand(i, 0);
    bool probe = o->type == X86_OP_MEM && o->mem.base == X86_REG_R11 && o->mem.index == X86_REG_INVALID &&
                 o->mem.disp == JUMP_HPC && s->r[R11].origin == ORIGIN_JUMPS;
    const char *why = state_wrong(s);
    if (!probe) fail(a, at, "an indirect jump that is not through the jump cache");
    if (why) fail(a, at, why);
}

/* True: the way goes on behind the instruction. */
static bool follow_branch(Audit *a, u32 at, const cs_insn *i, State *s)
{
    bool call = i->id == X86_INS_CALL;
    u32 to;
    if (!is_direct(i)) {
        if (call)
            fail(a, at, "an indirect call");
        else
            check_indirect(a, at, i, s);
        return false;
    }
    bool inside = leads_inside(a, i, &to);
    if (inside) {
        State taken = *s;
        if (i->id == X86_INS_JRCXZ) step_rcx_is_zero(&taken);
        go_on_at(a, to, &taken);
        if (call) land(s);
    } else {
        check_gate(a, at, i, s, call);
    }
    return i->id != X86_INS_JMP;
}

static bool is_branch(const Audit *a, const cs_insn *i)
{
    return cs_insn_group(a->capstone, i, CS_GRP_JUMP) || cs_insn_group(a->capstone, i, CS_GRP_CALL);
}

static bool follow_insn(Audit *a, u32 at, const cs_insn *i, State *s)
{
    if (is_branch(a, i)) return follow_branch(a, at, i, s);
    if (i->id == X86_INS_RET) {
        const char *why = state_wrong(s);
        if (why) fail(a, at, why);
        if (!is_32(&s->r[R8])) fail(a, at, "r8 may hold more than 32 bits at a return");
        return false;
    }
    Step step = {.rules = a->rules, .capstone = a->capstone, .insn = i, .s = s};
    step_insn(&step);
    if (step.why) fail(a, at, step.why);
    return true;
}

/* From a meeting to the end of the way, or to the next meeting. */
static void follow(Audit *a, unsigned n)
{
    State s = a->meeting[n].state;
    u32 at = a->offset[n];
    a->meeting[n].waiting = false;
    for (;;) {
        const u8 *code = a->code + at;
        size_t left = a->bytes - at;
        u64 address = (u64)(uintptr_t)code;
        if (!cs_disasm_iter(a->capstone, &code, &left, &address, a->insn)) {
            fail(a, at, "no instruction");
            return;
        }
        u32 next = at + a->insn->size;
        if (!follow_insn(a, at, a->insn, &s) || a->why) return;
        at = next;
        if (at >= a->bytes || a->meeting_at[at]) {
            go_on_at(a, at, &s);
            return;
        }
    }
}

static void follow_all(Audit *a)
{
    State s;
    state_enter(&s);
    go_on_at(a, 0, &s);
    for (unsigned n = 0; n < a->rules->doors; n++) go_on_at(a, a->rules->door[n], &s);
    for (bool more = true; more && !a->why;) {
        more = false;
        for (unsigned n = 0; n < a->meetings && !a->why; n++)
            if (a->meeting[n].waiting) {
                follow(a, n);
                more = true;
            }
    }
}

/* One for all; a thread runs one translator at a time. */
static Audit *audit_get(void)
{
    static _Thread_local Audit *a;
    if (a) return a;
    a = calloc(1, sizeof *a);
    CHECK(a && cs_open(CS_ARCH_X86, CS_MODE_64, &a->capstone) == CS_ERR_OK, "no disassembler for the audit");
    cs_option(a->capstone, CS_OPT_DETAIL, CS_OPT_ON);
    a->insn = cs_malloc(a->capstone);
    return a;
}

bool audit_code(const AuditRules *rules, const u8 *code, u32 bytes, char why[AUDIT_WHY_BYTES], u32 *at)
{
    Audit *a = audit_get();
    CHECK(bytes <= CODE_MAX, "a block of %u bytes", bytes);
    a->rules = rules;
    a->code = code;
    a->bytes = bytes;
    a->meetings = 0;
    a->why = NULL;
    memset(a->meeting_at, 0, bytes * sizeof *a->meeting_at);
    follow_all(a);
    if (!a->why) return true;
    *at = a->at;
    snprintf(why, AUDIT_WHY_BYTES, "%s %s: %s", a->insn->mnemonic, a->insn->op_str, a->why);
    return false;
}

/* --- blocks ------------------------------------------------------------------------------------------------- */

static u64 blocks;

u64 audit_blocks(void) { return blocks; }

static AuditRules rules_of(const Xlat *x)
{
    extern const u8 __executable_start[], end[];
    u64 count_bytes;
    const void *counts = count_memory(x, &count_bytes);
    u64 guard = shadow_is_wide(x->shadow) ? WINDOW_GUARD_WIDE : WINDOW_GUARD;
    return (AuditRules){.below = WINDOW_GUARD,
                        .above = WINDOW_BYTES + guard + WINDOW_GUARD_EXTRA,
                        .read = {{x->open, OPEN_BYTES},
                                 {x->far_next, 256 * sizeof *x->far_next},
                                 {operand_limit_probe(), LIMIT_PROBE_BYTES + PAGE_BYTES},
                                 {__executable_start, (u64)(end - __executable_start)}},
                        .reads = 4,
                        .vcpu = (const u8 *)x->c,
                        .count = {counts, count_bytes},
                        .open = x->open,
                        .ram = x->phys->ram};
}

static void audit_block(Xlat *x, const Block *b, u32 eip)
{
    char why[AUDIT_WHY_BYTES];
    u32 at = 0;
    fpu_park(x->c);
    AuditRules rules = rules_of(x);
    for (u64 left = b->doors; left; left &= left - 1)
        rules.door[rules.doors++] = b->map[__builtin_ctzll(left)].host;
    if (!audit_code(&rules, b->hpc, b->hbytes, why, &at)) {
        trace_mask |= TRACE_IN_ASM | TRACE_OUT_ASM;
        listing_block(x, b, eip);
        CHECK(false, "the audit of the block at %08x fails at byte %u: %s", eip, at, why);
    }
    blocks++;
}

void audit_begin(void)
{
    const char *wish = getenv("RING3_AUDIT");
    bool usual = AUDIT_BY_DEFAULT;
    if (wish ? strcmp(wish, "0") != 0 : usual) xlat_audit = audit_block;
}
