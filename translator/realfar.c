/* realfar.c - JMP, CALL, RET, INT and IRET between segments in real and V86 mode (SDM vol. 3, 20.1.3, 20.1.4).
 *
 * CS.base is part of the context, so these change Vcpu.ctx. A small table (Xlat.far_next) says which context
 * follows which when CS becomes `sel`; C fills it after it did the instruction, and the next one looks there:
 *
 *   1. what can fault: the target from memory, stack or vector table, the frame
 *   2. the table: unknown pairs go to the callout, which repeats step 1 (it wrote below the stack pointer at most)
 *   3. SP, flags, CS, the context; the host return stack is emptied, since its frames belong to the old context
 *   4. the jump cache
 *
 * Real mode's INT and IRET need IOPL and NT to be 0, as CLI does; an IRET that changes TF, IOPL or NT, or sets IF while
 * something waits, is the callout's. So are INT in V86 mode, a vector table that was moved, and everything with
 * 32-bit offsets.
 */
#include "translator/callout.h"
#include "translator/operand.h"

enum { PACKED = VCPU_SCRATCH, AFTER = VCPU_SCRATCH + 8 }; /* IP, CS << 16, FLAGS << 32; Vcpu.ctx behind */

/* --- learning -------------------------------------------------------------------------------------------- */

static struct FarNext *far_slot(Xlat *x, u64 ctx, u16 sel)
{
    return &x->far_next[(sel + (u32)(ctx >> 32) * 5) & 0xff];
}

static u64 callout_learn(Vcpu *c, void *arg)
{
    const Callout *a = arg;
    u64 before = c->ctx, answer = callout_execute(c, a);
    if (answer >= EXIT_REASONS) {
        struct FarNext *n = far_slot(a->x, before, c->seg[CS].sel);
        n->key = 0 - (before | c->seg[CS].sel);
        n->after = c->ctx;
    }
    return answer;
}

/* --- pieces ---------------------------------------------------------------------------------------------- */

static HostMem vcpu_at(size_t at) { return (HostMem){.base = R15, .index = REG_NONE, .disp = (s32)at}; }
static size_t cs_field(size_t at) { return offsetof(Vcpu, seg) + CS * sizeof(Segment) + at; }

/* dst = src shifted by `bits`, through tmp. */
static void put_shift(Emit *e, ShiftX kind, int dst, int src, u32 bits, int tmp)
{
    emit_mov_ri32(e, tmp, bits);
    emit_shift_x64(e, kind, dst, src, tmp);
}

/* r8 = IP | CS << 16 (| FLAGS << 32): which context follows? Its word goes to AFTER, r8 to PACKED; else the
 * callout. r8-r11 clobbered, rcx kept. */
static void put_look_up(Tx *t, const Insn *i)
{
    Emit *e = &t->e;
    Callout *a = cache_meta(&t->x->cache, sizeof *a);
    *a = (Callout){.insn = *i, .x = t->x};
    emit_mov_rr64(e, R10, RCX);
    put_shift(e, SHIFT_SHRX, R9, R8, 16, R9);
    emit_movzx16(e, R9, R9);
    put_shift(e, SHIFT_SHRX, R11, HOST_HERE, 32, R11); /* the slot: sel + 5 * id, modulo 256 */
    emit_lea64_index(e, R11, R11, R11, 2, 0);
    emit_lea64_index(e, R11, R11, R9, 0, 0);
    emit_op_reg(e, (HostOp){.opcode = 0x0fb6, .reg = R11}, R11);
    emit_lea64_index(e, R11, R11, R11, 0, 0);
    emit_mov_ri64(e, RCX, (u64)(uintptr_t)t->x->far_next);
    emit_lea64_index(e, R11, RCX, R11, 3, 0);
    emit_mov_rm64(e, RCX, R11, offsetof(struct FarNext, key));
    emit_lea64_index(e, RCX, RCX, R9, 0, 0);
    emit_lea64_index(e, RCX, RCX, HOST_HERE, 0, 0);
    u8 *hit = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R10);
    callout_emit_call(t, callout_learn, a);
    u8 *next = emit_jmp_hole(e); /* it went on behind itself */
    emit_patch8(hit, e->at);
    emit_mov_rr64(e, RCX, R10);
    emit_mov_rm64(e, R11, R11, offsetof(struct FarNext, after));
    emit_mov_mr64(e, R15, AFTER, R11);
    emit_mov_mr64(e, R15, PACKED, R8);
    t->far_next = next;
}

/* CS and the context become what PACKED and AFTER say; on to the jump cache. */
static void put_go(Tx *t, u32 next_eip)
{
    Emit *e = &t->e;
    HostOp store = {.opcode = 0x89, .reg = R9}, store16_ = {.opcode = 0x89, .reg = R9, .pfx = 0x66};
    emit_mov_rm32(e, R8, R15, PACKED);
    put_shift(e, SHIFT_SHRX, R9, R8, 16, R9);
    emit_movzx16(e, R8, R8);
    emit_mov_rm64(e, R10, R15, AFTER);
    emit_op_mem(e, store16_, vcpu_at(cs_field(offsetof(Segment, sel))));
    emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = R9}, (HostMem){.base = REG_NONE, .index = R9, .scale = 3});
    emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = R9}, (HostMem){.base = R9, .index = R9});
    emit_op_mem(e, store, vcpu_at(cs_field(offsetof(Segment, base))));
    emit_mov_mr64(e, R15, VCPU_CTX, R10);
    emit_mov_rm64(e, RSP, R15, VCPU_RET_BOTTOM);
    emit_jmp(e, xlat_ret_miss);
    emit_patch32(t->far_next, e->at);
    t->behind = e->at;
    flow_exit_to(t, next_eip, false);
}

/* r11d = CS << 16 | ip */
static void put_return_address(Emit *e, u32 ip)
{
    emit_op_mem(e, (HostOp){.opcode = 0x0fb7, .reg = R11}, vcpu_at(cs_field(offsetof(Segment, sel))));
    put_shift(e, SHIFT_SHLX, R11, R11, 16, R10);
    emit_lea32(e, R11, R11, (s32)(u16)ip);
}

/* --- rows ------------------------------------------------------------------------------------------------ */

/* r8 = the target of a JMP or CALL. */
static bool put_target(Tx *t, const Insn *i, MemForm form)
{
    HostMem m;
    if (!i->is_mem) {
        emit_mov_ri32(&t->e, R8, (u32)i->imm2 << 16 | (u16)i->imm);
        return true;
    }
    if (!operand_place_ea(&t->e, &m, operand_ea(i), &t->m, form, 4, false)) return false;
    emit_guest_load(&t->e, R8, m, 4);
    return true;
}

static bool emit_jmp_far(Tx *t, const Insn *i, MemForm form)
{
    if (!put_target(t, i, form)) return false;
    put_look_up(t, i);
    put_go(t, t->eip + i->len);
    return true;
}

static bool emit_call_far(Tx *t, const Insn *i, MemForm form)
{
    HostMem top;
    if (!put_target(t, i, form == MEM_OPEN ? MEM_WINDOW : form)) return false;
    put_look_up(t, i);
    put_return_address(&t->e, t->eip + i->len);
    if (!emit_stack_place(&t->e, &top, -4, 4, &t->m, form, true)) return false;
    emit_guest_store(&t->e, top, R11, 4);
    emit_stack_move(&t->e, -4, &t->m);
    put_go(t, t->eip + i->len);
    return true;
}

static bool emit_ret_far(Tx *t, const Insn *i)
{
    HostMem top;
    s32 extra = i->opcode == 0xca ? (u16)i->imm : 0;
    if (!emit_stack_place(&t->e, &top, 0, 4, &t->m, MEM_WINDOW, false)) return false;
    emit_guest_load(&t->e, R8, top, 4);
    put_look_up(t, i);
    emit_stack_move(&t->e, 4 + extra, &t->m);
    put_go(t, t->eip + i->len);
    return true;
}

/* TF, IF, AC. */
static void put_flags_off(Emit *e)
{
    emit_mov_rm32(e, R8, R15, VCPU_EFLAGS);
    sens_keep_bits(e, R8, ~(u32)(FL_T | FL_I | FL_AC), R9);
    emit_mov_mr32(e, R15, VCPU_EFLAGS, R8);
}

/* The vector table is where it was when the block was made, or the callout. */
static bool emit_int_real(Tx *t, const Insn *i, MemForm form)
{
    HostMem top;
    Emit *e = &t->e;
    u64 idtr = load64(&t->x->c->idtr);
    u32 n = (u8)i->imm;
    if (t->x->c->idtr.limit < 4 * n + 3 || trace_mask & (TRACE_INT | TRACE_TIMELINE)) return false;
    emit_mov_rr64(e, R10, RCX);
    emit_mov_rm64(e, RCX, R15, offsetof(Vcpu, idtr));
    emit_mov_ri64(e, R11, 0 - idtr);
    emit_lea64_index(e, RCX, RCX, R11, 0, 0);
    u8 *same = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R10);
    callout_emit(t, i); /* jumps to what follows it, by its own link */
    t->ended = false;
    emit_patch8(same, e->at);
    emit_mov_rr64(e, RCX, R10);
    emit_mov_ri32(e, R8, (u32)idtr + 4 * n);
    emit_guest_load(e, R8, (HostMem){.base = R8, .index = REG_NONE, .guest = GUEST_WINDOW}, 4);
    put_look_up(t, i);
    put_return_address(e, t->eip + i->len);
    /* MEM_OPEN takes no six bytes: their limit check alone */
    if (form == MEM_OPEN && !emit_stack_place(e, &top, -6, 6, &t->m, MEM_WINDOW, true)) return false;
    if (!emit_stack_place(e, &top, -6, form == MEM_OPEN ? 4 : 6, &t->m, form, true)) return false;
    emit_guest_store(e, top, R11, 4);
    sens_flags_image(e);
    emit_mov_rr32(e, R11, R8);
    if (!emit_stack_place(e, &top, -2, 2, &t->m, form, true)) return false;
    emit_guest_store(e, top, R11, 2);
    emit_stack_move(e, -6, &t->m);
    put_flags_off(e);
    put_go(t, t->eip + i->len);
    return true;
}

static bool emit_iret_real(Tx *t, const Insn *i)
{
    HostMem top;
    Emit *e = &t->e;
    if (!emit_stack_place(e, &top, 4, 2, &t->m, MEM_WINDOW, false)) return false;
    emit_guest_load(e, R8, top, 2);
    emit_mov_mr64(e, R15, PACKED, R8);
    u8 *plain = sens_flags_check(t, 2);
    callout_emit(t, i);
    t->ended = false;
    emit_patch8(plain, e->at);
    emit_mov_rr64(e, RCX, R10);
    if (!emit_stack_place(e, &top, 0, 6, &t->m, MEM_WINDOW, false)) return false;
    emit_guest_load(e, R11, top, 4);
    emit_mov_rm64(e, R8, R15, PACKED);
    put_shift(e, SHIFT_SHLX, R8, R8, 32, R9);
    emit_lea64_index(e, R8, R8, R11, 0, 0);
    put_look_up(t, i);
    emit_stack_move(e, 6, &t->m);
    put_shift(e, SHIFT_SHRX, R8, R8, 32, R9);
    sens_flags_load(t);
    emit_op_mem(e, (HostOp){.opcode = 0xc6}, vcpu_at(offsetof(Vcpu, nmi_blocked)));
    emit_u8(e, 0);
    put_go(t, t->eip + i->len);
    return true;
}

bool real_far_emit(Tx *t, const Insn *i)
{
    MemForm form;
    bool plain = t->m.real || t->m.v86;
    bool wide_jump = i->row->opcode == 0xea && i->imm <= 0xffff; /* an offset of 32 bits that fits */
    if (!plain || (i->opsize != 2 && !wide_jump) || t->m.code32 || t->m.seg[CS] != SEGF_64K ||
        !host_features_get()->bmi2)
        return false;
    if (!site_mem_form(t, &form) || form == MEM_USER) return false;
    switch (i->row->opcode) {
    case 0x9a: return emit_call_far(t, i, form);
    case 0xea: return emit_jmp_far(t, i, form);
    case 0xff: return i->reg == 3 ? emit_call_far(t, i, form) : emit_jmp_far(t, i, form);
    case 0xca:
    case 0xcb: return emit_ret_far(t, i);
    case 0xcd: return t->m.real && !(t->x->mode & MODE_SYSFLAGS) && emit_int_real(t, i, form);
    case 0xcf: return t->m.real && !(t->x->mode & MODE_SYSFLAGS) && emit_iret_real(t, i);
    default: return false;
    }
}
