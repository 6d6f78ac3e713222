/* hoist.c - a part of an address that is kept from one operand to the next.
 *
 * An address of two registers needs a lea, since the window's base is a third. Where several operands of a block share
 * an index (a[i] += b[i], the elements of a structure), r9 = window + index * scale is made once, and each of them is
 * [r9 + base + disp]: a sum of 64 bits, which is the guest's, or lies in a wide guard (MEM_WRAP then, site.c).
 *
 * r9 stays until an instruction may write the index, or r9. The first is told by the table (insn_written()), the second
 * by emit_unhoist(), and by the classes that keep it here. Nothing enters a block behind its start but what is such a class: returns to a landing, callouts.
 */
#include "translator/operand.h"
#include "translator/xlat.h"

/* Instructions whose host form leaves r9 alone, their operand in the window */
static bool row_keeps(const Insn *i)
{
    switch (i->row->cls) {
    case XC_IDENT:
    case XC_MEM:
    case XC_FPU: return true;
    case XC_STACK: return i->row->host == HF_PUSHR || i->row->host == HF_POPR || i->row->host == HF_PUSHI;
    default: return insn_is_forward_jcc(i);
    }
}

static bool in_window(const Tx *t, const Insn *i, u32 pa)
{
    return t->m.seg[i->seg] == SEGF_FLAT && i->adsize == 4 && site_form(t->x, pa) <= SITE_WRAP;
}

static bool keeps(const Tx *t, const Insn *i, u32 pa, int index)
{
    return row_keeps(i) && (!i->is_mem || in_window(t, i, pa)) && !(insn_written(i) >> index & 1);
}

void hoist_after(Tx *t, const Insn *i)
{
    if (!keeps(t, i, t->pa, t->e.hoist_index)) emit_unhoist(&t->e);
}

/* Has it an operand of two registers in the window? */
static bool has_two(const Tx *t, const Insn *i, u32 pa, Ea *ea)
{
    if (!i->is_mem || i->index == REG_NONE || i->base == REG_NONE || i->row->host == HF_LEA) return false;
    if ((i->row->cls != XC_MEM && i->row->cls != XC_FPU) || !in_window(t, i, pa)) return false;
    *ea = operand_ea(i);
    return site_form(t->x, pa) == SITE_WINDOW && !linear_wraps(ea->at);
}

/* Would a later instruction have a use for what i needs now? `like`: what r9 would be. */
static bool used_again(Tx *t, const Insn *i, const Emit *like)
{
    u32 pa = t->pa;
    for (unsigned n = 1; keeps(t, i, pa, like->hoist_index); n++) {
        u8 rest;
        Ea ea;
        i = insn_ahead(t, n, &pa);
        if (!i) return false;
        if (has_two(t, i, pa, &ea) && hoist_covers(like, ea.at, &rest)) return true;
    }
    return false;
}

void hoist_before(Tx *t, const Insn *i)
{
    u8 rest;
    Ea ea;
    if (!has_two(t, i, t->pa, &ea) || hoist_covers(&t->e, ea.at, &rest)) return;
    Emit like = {.hoisted = true, .hoist_index = ea.at.index, .hoist_scale = ea.at.scale};
    bool again = used_again(t, i, &like);
    if (!again && !ea.at.scale && i->base != ESP) {
        like.hoist_index = ea.at.base;
        again = used_again(t, i, &like);
    }
    if (!again) return;
    emit_lea64_index(&t->e, R9, HOST_WINDOW, like.hoist_index, like.hoist_scale, 0);
    t->e.hoisted = true;
    t->e.hoist_index = like.hoist_index;
    t->e.hoist_scale = like.hoist_scale;
}
