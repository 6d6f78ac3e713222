/* stack.c - the stack: push and pop helpers, PUSH POP PUSHA POPA ENTER LEAVE (SDM vol. 1, 6.2).
 *
 * The width of an element is the operand size; the width of the pointer is SS.B: with a 16-bit stack only SP
 * moves and offsets wrap at 64 KiB. ESP changes last, so that a fault leaves it alone; and what stores more than
 * one element (PUSHA, ENTER) checks all of them first, so that it leaves memory alone, too.
 */
#include "cpu/exec.h"
#include "cpu/protect.h"

static u32 stack_offset(const Vcpu *c, u32 off) { return cpu_stack32(c) ? off : (u16)off; }

static void stack_pointer_write(Vcpu *c, unsigned reg, u32 v)
{
    reg_write(c, reg, v, cpu_stack32(c) ? 4 : 2);
}

u32 stack_read_at(Vcpu *c, u32 delta, unsigned bytes)
{
    return mem_read(c, SS, stack_offset(c, c->gpr[ESP] + delta), bytes);
}

void stack_write_at(Vcpu *c, s32 delta, u32 v, unsigned bytes)
{
    mem_write(c, SS, stack_offset(c, c->gpr[ESP] + (u32)delta), v, bytes);
}

/* Raises what stack_write_at (write) or a read would. */
static void stack_probe_at(Vcpu *c, u32 off, unsigned bytes, Access a)
{
    lin_probe(c, seg_linear(c, SS, off, bytes, a), bytes, a, c->cpl == 3);
}

void stack_add(Vcpu *c, s32 delta) { stack_pointer_write(c, ESP, c->gpr[ESP] + (u32)delta); }

void push(Vcpu *c, u32 v, unsigned bytes)
{
    stack_write_at(c, -(s32)bytes, v, bytes);
    stack_add(c, -(s32)bytes);
}

u32 pop(Vcpu *c, unsigned bytes)
{
    u32 v = stack_read_at(c, 0, bytes);
    stack_add(c, (s32)bytes);
    return v;
}

/* PUSH of a selector with 32-bit operands stores it zero-extended. */
void exec_push(Vcpu *c, const Insn *i) { push(c, op_read(c, i, 0), i->opsize); }

/* A destination addressed by ESP uses its value after the pop. */
void exec_pop(Vcpu *c, const Insn *i)
{
    u32 old = c->gpr[ESP], v = stack_read_at(c, 0, i->opsize);
    if (!i->is_mem) {
        stack_add(c, i->opsize);
        op_write(c, i, 0, v);
        return;
    }
    Insn after = *i;
    u32 esp = cpu_stack32(c) ? old + i->opsize : (old & 0xffff0000u) | (u16)(old + i->opsize);
    if (i->base == ESP) after.disp += esp - old;
    op_write(c, &after, 0, v);
    c->gpr[ESP] = esp;
}

/* In real and V86 mode an element that does not fit is #GP here, not #SS as everywhere else (SDM vol. 2, PUSHA). */
static void pusha_probe(Vcpu *c, s32 n)
{
    bool plain = cpu_real(c) || cpu_v86(c);
    for (s32 k = 1; k <= 8; k++) {
        u32 off = stack_offset(c, c->gpr[ESP] - (u32)(k * n));
        if (plain && !seg_has(&c->seg[SS], off, (unsigned)n)) raise_gp(c, 0);
        stack_probe_at(c, off, (unsigned)n, ACC_WRITE);
    }
}

void exec_pusha(Vcpu *c, const Insn *i)
{
    s32 n = i->opsize;
    pusha_probe(c, n);
    for (int r = EAX; r <= EDI; r++) stack_write_at(c, -n * (r + 1), c->gpr[r], (unsigned)n);
    stack_add(c, -8 * n);
}

void exec_popa(Vcpu *c, const Insn *i)
{
    u32 v[8];
    unsigned n = i->opsize;
    for (unsigned r = 0; r < 8; r++) v[r] = stack_read_at(c, (7 - r) * n, n);
    stack_add(c, (s32)(8 * n));
    for (unsigned r = 0; r < 8; r++)
        if (r != ESP) reg_write(c, r, v[r], n);
}

/* The frame pointers of the enclosing levels are copied from the old frame, then the new one's own is pushed. */
static s32 enter_copy_display(Vcpu *c, unsigned level, s32 at, unsigned n, u32 frame)
{
    u32 ebp = c->gpr[EBP];
    for (unsigned l = 1; l < level; l++) {
        ebp -= n;
        at -= (s32)n;
        stack_write_at(c, at, mem_read(c, SS, stack_offset(c, ebp), n), n);
    }
    at -= (s32)n;
    stack_write_at(c, at, frame, n);
    return at;
}

/* All that ENTER reads and writes, in its order. */
static void enter_probe(Vcpu *c, unsigned level, u32 size, unsigned n)
{
    u32 ebp = c->gpr[EBP], esp = c->gpr[ESP] - n;
    stack_probe_at(c, stack_offset(c, esp), n, ACC_WRITE);
    for (unsigned l = 1; l <= level; l++) {
        if (l < level) stack_probe_at(c, stack_offset(c, ebp -= n), n, ACC_READ);
        stack_probe_at(c, stack_offset(c, esp -= n), n, ACC_WRITE);
    }
    stack_probe_at(c, stack_offset(c, esp - size), n, ACC_WRITE);
}

/* ENTER also checks that the new top of stack could be written; nothing is stored there. */
void exec_enter(Vcpu *c, const Insn *i)
{
    unsigned n = i->opsize, level = i->imm2 & 31;
    s32 at = -(s32)n;
    enter_probe(c, level, (u16)i->imm, n);
    stack_write_at(c, at, c->gpr[EBP], n);
    u32 frame =
        cpu_stack32(c) ? c->gpr[ESP] + (u32)at : (c->gpr[ESP] & 0xffff0000u) | (u16)(c->gpr[ESP] + (u32)at);
    if (level) at = enter_copy_display(c, level, at, n, frame);
    at -= (s32)(u16)i->imm;
    stack_add(c, at);
    reg_write(c, EBP, frame, n);
}

void exec_leave(Vcpu *c, const Insn *i)
{
    u32 frame = stack_offset(c, c->gpr[EBP]);
    u32 v = mem_read(c, SS, frame, i->opsize);
    stack_pointer_write(c, ESP, frame + i->opsize);
    reg_write(c, EBP, v, i->opsize);
}
