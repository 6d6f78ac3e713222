/* real.c - segment loads in real and V86 mode: MOV, POP, LDS, LES, LFS, LGS to data segments (SDM vol. 3, 20.1.1).
 *
 * The base becomes the selector times 16; limit and rights stay (in V86 mode they are always the same ones), and so
 * does the segment's form, hence the block's mode. A segment whose limit is 4 GiB ("unreal" mode) changes between flat
 * and based: a callout. So is a load of SS while an interrupt waits, since it holds interrupts off for one instruction.
 */
#include "translator/operand.h"
#include "translator/xlat.h"

static HostMem field(int seg, size_t at)
{
    return (HostMem){.base = R15,
                     .index = REG_NONE,
                     .disp = (s32)(offsetof(Vcpu, seg) + (unsigned)seg * sizeof(Segment) + at)};
}

/* Selector in r8; r9 clobbered. */
static void emit_set(Emit *e, int seg)
{
    HostOp lea = {.opcode = 0x8d, .reg = R9}, store = {.opcode = 0x89, .reg = R9};
    emit_op_mem(e, lea, (HostMem){.base = REG_NONE, .index = R8, .scale = 3});
    emit_op_mem(e, lea, (HostMem){.base = R9, .index = R9});
    emit_op_mem(e, store, field(seg, offsetof(Segment, base)));
    store.reg = R8;
    store.pfx = 0x66;
    emit_op_mem(e, store, field(seg, offsetof(Segment, sel)));
}

/* The next instruction may not be interrupted: true by itself, unless something waits; then the callout. NULL: not
 * SS. */
static u8 *emit_shadow(Tx *t, const Insn *i, int seg)
{
    if (seg != SS) return NULL;
    emit_mov_rr64(&t->e, R10, RCX);
    emit_mov_rm32(&t->e, RCX, R15, offsetof(Vcpu, attention));
    return sens_unless_zero_callout(t, i);
}

static bool keeps_form(const Tx *t, int seg)
{
    u8 form = t->m.seg[seg];
    return seg != CS && (form == SEGF_64K || form == SEGF_LIMITED);
}

static bool emit_mov(Tx *t, const Insn *i, MemForm form)
{
    if (i->reg >= SEG_COUNT || !keeps_form(t, i->reg)) return false;
    u8 *done = emit_shadow(t, i, i->reg);
    if (!i->is_mem)
        emit_movzx16(&t->e, R8, host_gpr(i->rm));
    else if (!emit_load_operand(&t->e, R8, i, &t->m, form, 2))
        return false;
    emit_set(&t->e, i->reg);
    if (done) emit_patch32(done, t->e.at);
    return true;
}

static bool emit_pop(Tx *t, const Insn *i, MemForm form)
{
    int seg = i->row->o[0] - O_ES;
    if (!keeps_form(t, seg)) return false;
    u8 *done = emit_shadow(t, i, seg);
    if (!emit_pop_reg(&t->e, R8, i->opsize, 0, &t->m, form)) return false;
    emit_movzx16(&t->e, R8, R8);
    emit_set(&t->e, seg);
    if (done) emit_patch32(done, t->e.at);
    return true;
}

static bool emit_far_pointer(Tx *t, const Insn *i, int seg, MemForm form)
{
    HostMem m;
    Ea ea = operand_ea(i);
    if (!keeps_form(t, seg) || !operand_place_ea(&t->e, &m, ea, &t->m, form, i->opsize, false)) return false;
    emit_guest_load(&t->e, R11, m, i->opsize);
    ea.at = mem_plus(ea.at, i->opsize);
    if (!operand_place_ea(&t->e, &m, ea, &t->m, form, 2, false)) return false;
    emit_guest_load(&t->e, R8, m, 2);
    emit_set(&t->e, seg);
    emit_mov_part(&t->e, host_gpr(i->reg), R11, i->opsize);
    return true;
}

bool real_seg_emit(Tx *t, const Insn *i)
{
    MemForm form;
    if (!site_mem_form(t, &form) || form == MEM_OPEN) return false;
    switch (i->row->opcode) {
    case 0x8e: return emit_mov(t, i, form);
    case 0x07:
    case 0x17:
    case 0x1f:
    case 0x0fa1:
    case 0x0fa9: return emit_pop(t, i, form);
    case 0xc4: return emit_far_pointer(t, i, ES, form);
    case 0xc5: return emit_far_pointer(t, i, DS, form);
    case 0x0fb2: return emit_far_pointer(t, i, SS, form);
    case 0x0fb4: return emit_far_pointer(t, i, FS, form);
    case 0x0fb5: return emit_far_pointer(t, i, GS, form);
    default: return false;
    }
}
