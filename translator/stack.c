/* stack.c - PUSH, POP, PUSHA, POPA, ENTER, LEAVE as explicit moves through the window, then a lea on r14: host PUSH
 * and POP would use the host's stack. Store (or load) first, move the stack pointer last: a fault finds it
 * unchanged. On a 16-bit stack only the low word of r14 counts and changes (lea r14w). SDM vol. 2, PUSH and POP.
 *
 * A multi-word access (PUSHA, POPA, ENTER) touches its far end first, so that a page that is missing shows before
 * a register or memory has changed.
 *
 * Waiting moves. On a flat 32-bit stack the lea can wait (Emit.stack_waits): what pushes and pops say about ESP is
 * added up in Emit.esp, further stack operands take it into their displacement, and one lea settles it before
 * something needs ESP in r14. Each instruction's entry in the PcMap says what a trap has to add. So `push; push;
 * push; call` moves r14 once, and none of them waits for the one before.
 *
 * PUSH and POP with a memory operand: the operand takes the site's MemForm, the stack stays in the window.
 *
 * Not implemented: ENTER with nesting (the interpreter), PUSHA and POPA that wrap around a 16-bit stack (the limit
 * check hands them to the interpreter).
 */
#include "cpu/vcpu.h"
#include "translator/operand.h"

/* r14 += delta, of which a 16-bit stack takes the low word. */
void emit_stack_move(Emit *e, s32 delta, const BlockMode *m)
{
    HostMem at = {R14, REG_NONE, 0, false, delta};
    if (e->stack_waits && e->esp + delta == (s16)(e->esp + delta)) {
        e->esp = (s16)(e->esp + delta);
        return;
    }
    at.disp += e->esp;
    e->esp = 0;
    emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = R14, .pfx = m->stack32 ? 0 : 0x66}, at);
}

void emit_stack_settle(Emit *e)
{
    if (e->esp) emit_lea32(e, R14, R14, e->esp);
    e->esp = 0;
}

/* SS:[reg + delta] as an operand of `bytes`. Uses r8-r10 unless the stack is 32-bit and flat. */
bool emit_stack_place_at(Emit *e, HostMem *out, int reg, s32 delta, unsigned bytes, const BlockMode *m,
                         MemForm form, bool write)
{
    if (reg == R14) delta += e->esp;
    Ea ea = {.at = {(u8)reg, REG_NONE, 0, false, delta}, .ad16 = !m->stack32, .seg = SS};
    return operand_place_ea(e, out, ea, m, form, bytes, write);
}

static bool stack_plain(const BlockMode *m, MemForm form)
{
    return m->stack32 && m->seg[SS] == SEGF_FLAT && form == MEM_WINDOW;
}

static bool undo(Emit *e, u8 *at)
{
    e->at = at;
    return false;
}

/* --- the pieces of emit.h --- */

bool emit_push_imm(Emit *e, u32 v, unsigned bytes, const BlockMode *m, MemForm form)
{
    u8 *at = e->at;
    HostMem top;
    if (!emit_stack_place_at(e, &top, R14, -(s32)bytes, bytes, m, form, true)) return undo(e, at);
    emit_guest_store_imm(e, top, v, bytes);
    emit_stack_move(e, -(s32)bytes, m);
    return true;
}

bool emit_push_reg(Emit *e, int reg, unsigned bytes, const BlockMode *m, MemForm form)
{
    u8 *at = e->at;
    HostMem top;
    if (reg >= R8 && reg <= R10 && !stack_plain(m, form)) {
        emit_mov_rr32(e, R11, reg);
        reg = R11;
    }
    if (!emit_stack_place_at(e, &top, R14, -(s32)bytes, bytes, m, form, true)) return undo(e, at);
    emit_guest_store(e, top, reg, bytes);
    emit_stack_move(e, -(s32)bytes, m);
    return true;
}

bool emit_pop_reg(Emit *e, int dst, unsigned bytes, u32 extra, const BlockMode *m, MemForm form)
{
    u8 *at = e->at;
    HostMem top;
    CHECK(dst != R14, "pop into the stack pointer");
    if (!emit_stack_place_at(e, &top, R14, 0, bytes, m, form, false)) return undo(e, at);
    emit_guest_load(e, dst, top, bytes);
    emit_stack_move(e, (s32)(bytes + extra), m);
    return true;
}

/* --- rows --- */

static bool push_reg(const Job *j, int guest)
{
    return emit_push_reg(j->e, host_gpr(guest), j->i->opsize, j->m, j->form);
}

static bool push_mem(const Job *j)
{
    HostMem mem;
    unsigned bytes = j->i->opsize;
    if (!j->i->is_mem) return push_reg(j, j->i->rm);
    if (!operand_place_ea(j->e, &mem, operand_ea(j->i), j->m, j->form, bytes, false)) return false;
    emit_guest_load(j->e, R11, mem, bytes);
    return emit_push_reg(j->e, R11, bytes, j->m, stack_form(j->form));
}

/* POP SP and POP ESP: the value popped wins over the increment. */
static bool pop_reg(const Job *j, int guest)
{
    HostMem top;
    unsigned bytes = j->i->opsize;
    int dst = host_gpr(guest);
    if (!emit_stack_place_at(j->e, &top, R14, 0, bytes, j->m, j->form, false)) return false;
    if (dst != R14) {
        emit_op_guest(j->e, (HostOp){.opcode = 0x8b, .reg = (u8)dst, .pfx = bytes == 2 ? 0x66 : 0}, top);
        emit_stack_move(j->e, (s32)bytes, j->m);
        return true;
    }
    emit_guest_load(j->e, R11, top, bytes);
    emit_stack_move(j->e, (s32)bytes, j->m);
    emit_mov_part(j->e, dst, R11, bytes);
    return true;
}

/* The address of POP [ESP + x] is computed after the increment. */
static bool pop_mem(const Job *j)
{
    HostMem top, mem;
    unsigned bytes = j->i->opsize;
    Ea ea = operand_ea(j->i);
    if (!j->i->is_mem) return pop_reg(j, j->i->rm);
    if (j->i->seg == CS && !job_may_store_cs(j)) return false;
    if (ea.at.base == R14) {
        if (!j->m->stack32) return false;
        ea.at = mem_plus(ea.at, (s32)bytes);
    }
    if (!emit_stack_place_at(j->e, &top, R14, 0, bytes, j->m, stack_form(j->form), false)) return false;
    emit_guest_load(j->e, R11, top, bytes);
    if (!operand_place_ea(j->e, &mem, ea, j->m, j->form, bytes, true)) return false;
    emit_guest_store(j->e, mem, R11, bytes);
    emit_stack_move(j->e, (s32)bytes, j->m);
    return true;
}

static bool leave(const Job *j)
{
    HostMem top;
    unsigned bytes = j->i->opsize;
    HostMem above = {RBP, REG_NONE, 0, false, (s32)bytes};
    if (!emit_stack_place_at(j->e, &top, RBP, 0, bytes, j->m, j->form, false)) return false;
    emit_guest_load(j->e, R11, top, bytes);
    emit_op_mem(j->e, (HostOp){.opcode = 0x8d, .reg = R14, .pfx = j->m->stack32 ? 0 : 0x66}, above);
    j->e->esp = 0;
    emit_mov_part(j->e, RBP, R11, bytes);
    return true;
}

/* ENTER with nesting level 0. It checks that the new top of the stack could be written, before it stores: two NOTs
 * leave memory and flags as they were, and fault as a write. */
static bool enter(const Job *j)
{
    HostMem slot, top;
    Emit *e = j->e;
    unsigned n = j->i->opsize;
    s32 size = (u16)j->i->imm;
    HostOp not_op = {.opcode = 0xf7, .reg = 2, .pfx = n == 2 ? 0x66 : 0};
    if (j->i->imm2 & 31) return false;
    if (!emit_stack_place_at(e, &top, R14, -(s32)n - size, n, j->m, j->form, true)) return false;
    emit_op_guest(e, not_op, top);
    emit_op_guest(e, not_op, top);
    if (!emit_stack_place_at(e, &slot, R14, -(s32)n, n, j->m, j->form, true)) return false;
    emit_guest_store(e, slot, RBP, n);
    emit_stack_move(e, -(s32)n, j->m);
    emit_mov_part(e, RBP, R14, n);
    if (size) emit_stack_move(e, -size, j->m);
    return true;
}

/* All forms but MEM_OPEN can take displacements. On a 16-bit stack each of the eight wraps at 64 KiB by itself; where
 * the limit is FFFF, its check leaves such a case to the interpreter. */
static bool place_eight(const Job *j, HostMem *low, s32 delta, bool write)
{
    bool may_wrap = !j->m->stack32 && j->m->seg[SS] != SEGF_64K;
    if (j->form == MEM_OPEN || may_wrap) return false;
    return emit_stack_place_at(j->e, low, R14, delta, 8u * j->i->opsize, j->m, j->form, write);
}

/* The far end of what is about to be stored from its near end on may be in another page: written as it is. (A table's
 * gate looks at both pages.) */
static void probe_end(const Job *j, HostMem end, unsigned n)
{
    if (j->m->unpaged || (j->form != MEM_WINDOW && j->form != MEM_WRAP)) return;
    emit_u8(j->e, LOAD_TO_STORE);
    emit_guest_load(j->e, R11, end, n);
    emit_guest_store(j->e, end, R11, n);
}

static bool pusha(const Job *j)
{
    HostMem low;
    int n = j->i->opsize;
    if (!place_eight(j, &low, -8 * n, true)) return false;
    probe_end(j, mem_plus(low, 7 * n), (unsigned)n);
    emit_guest_store(j->e, low, RDI, (unsigned)n);
    for (int r = EAX; r < EDI; r++)
        emit_guest_store(j->e, mem_plus(low, (7 - r) * n), host_gpr(r), (unsigned)n);
    emit_stack_move(j->e, -8 * n, j->m);
    return true;
}

static bool popa(const Job *j)
{
    HostMem low;
    int n = j->i->opsize;
    if (!place_eight(j, &low, 0, false)) return false;
    emit_guest_load(j->e, R11, mem_plus(low, 7 * n), (unsigned)n);
    for (int r = EDI; r >= EAX; r--)
        if (r != ESP)
            emit_op_guest(j->e, (HostOp){.opcode = 0x8b, .reg = (u8)r, .pfx = n == 2 ? 0x66 : 0},
                          mem_plus(low, (7 - r) * n));
    emit_stack_move(j->e, 8 * n, j->m);
    return true;
}

bool emit_stack(const Job *j)
{
    const Insn *i = j->i;
    switch (i->row->host) {
    case HF_PUSHR: return push_reg(j, i->reg);
    case HF_PUSHI: return emit_push_imm(j->e, i->imm, i->opsize, j->m, j->form);
    case HF_PUSHM: return push_mem(j);
    case HF_POPR: return pop_reg(j, i->reg);
    case HF_POPM: return pop_mem(j);
    case HF_PUSHA: return pusha(j);
    case HF_POPA: return popa(j);
    case HF_ENTER: return enter(j);
    case HF_LEAVE: return leave(j);
    default: return false;
    }
}
