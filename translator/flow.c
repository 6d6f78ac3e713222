/* flow.c - near control transfer: direct jumps and calls by links, indirect ones by the jump cache, returns by the
 * host's own return predictor; and the polls.
 *
 * Links. A direct exit is a rel32 that points at its stub (which asks the dispatcher) until it is linked to the
 * target block. Within a page, same mode: the mapping cannot differ, so the link needs no check. Across pages in
 * ring 3: the link is valid in one context; the code before it compares r13 with a constant, which is written when
 * the link is made. In another one the stub asks the jump cache first. Across pages in rings 0-2: links between
 * shared pages are free and unlinked all at once when a shared executable mapping ends.
 *
 * Where blocks float (mode_floats), the low half of r13 is the EIP of the start of the page that runs, and all EIPs
 * in a block are offsets from it. A link to another page adds the distance, the jump cache gives what r13 is at the
 * target, and a call keeps r13 on the host return stack for its landing.
 *
 * Returns. CALL pushes the guest's return address, then makes a host call; behind the host call the block goes on
 * with a landing. RET pops the guest's EIP into r8d and makes a host ret. The landing compares r8d with the return
 * address it stands for (flag-free, by jrcxz) and goes on, or probes the jump cache. The frames of the host return
 * stack belong to the present context: context.c switches stacks with the ring class and empties them when the
 * context changes.
 *
 * 16-bit code. The offsets are within the block's mode's CS.limit when they are known; where a target could be
 * beyond it the transfer is a callout. The base is part of the context.
 *
 * Polls. Every loop of the guest has an edge that can be stopped. Backward jumps load from *Vcpu.poll; in front of
 * the comparison, if there is one, since processors take compare and jump as one where nothing is between them.
 * Indirect jumps and calls and mispredicted returns need no poll of their own: they look through Vcpu.jump_cache,
 * which is aimed at an unmapped table at the same time. A predicted return only undoes its call. Calls without
 * returns overflow the host return stack, whose guard is a poll (trap.c): the block at hand loses its links. Links that
 * check the context look through the jump cache when they have lost theirs.
 */
#include "translator/operand.h"
#include "translator/x87.h"

enum { TAIL_LINK, TAIL_PROBE, TAIL_SHUT };

static void emit_eip(Emit *e, bool floats, int reg, u32 eip)
{
    if (floats)
        emit_lea32(e, reg, HOST_HERE, (s32)eip);
    else
        emit_mov_ri32(e, reg, eip);
}

void flow_emit_eip(Tx *t, int reg, u32 eip) { emit_eip(&t->e, t->floats, reg, eip); }

void flow_emit_grave(Xlat *x, const Block *b)
{
    const Cache *k = &x->cache;
    Emit e = {.at = cache_write(k, b->hpc), .to_exec = k->rx - k->rw};
    emit_eip(&e, mode_floats(b->mode), R8, b->eip);
    emit_jmp(&e, xlat_exit_indirect);
}

/* Does a jump from here to `eip` go backwards, or to itself? */
static bool is_backward(const Tx *t, u32 eip) { return t->floats ? (s32)(eip - t->eip) <= 0 : eip <= t->eip; }

void flow_emit_poll(Tx *t)
{
    static const u8 movzx_r8d_r8[] = {0x45, 0x0f, 0xb6, 0x00}; /* movzx r8d, byte [r8] */
    emit_mov_rm64(&t->e, R8, R15, VCPU_POLL);
    emit_bytes(&t->e, movzx_r8d_r8, sizeof movzx_r8d_r8);
}

/* The low word of reg plus delta. */
static void emit_lea16(Emit *e, int reg, s32 delta)
{
    emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = (u8)reg, .pfx = 0x66},
                (HostMem){.base = (u8)reg, .index = REG_NONE, .disp = delta});
}

static void emit_backward(Tx *t, const Insn *i, u32 to)
{
    if (!t->polled) flow_emit_poll(t);
    delay_emit(t, i, to);
}

static struct Tail *tail_new(Tx *t, u8 *hole, u8 kind)
{
    CHECK(t->tails < (int)ARRAY_LEN(t->tail), "too many exits in one block");
    struct Tail *l = &t->tail[t->tails++];
    l->hole = hole;
    l->kind = kind;
    return l;
}

void flow_shut_tail(Tx *t, struct OpenCallout *call)
{
    struct Tail *l = tail_new(t, t->e.shut[0], TAIL_SHUT);
    l->hole2 = t->e.shuts > 1 ? t->e.shut[1] : NULL;
    l->call = call;
    l->back = t->behind ? t->behind : t->e.at;
    l->eip = t->eip;
}

static bool same_page(const Tx *t, u32 eip)
{
    return ((eip - t->b->eip + t->b->pa) ^ t->b->pa) < PAGE_BYTES &&
           (eip - t->b->eip + PAGE_BYTES) < 2 * PAGE_BYTES;
}

/* A jump or call whose rel32 is at `hole` shall reach guest address `eip`. */
static Link *link_new(Tx *t, u8 *hole, u32 eip)
{
    Link *l = cache_meta(&t->x->cache, sizeof *l);
    *l = (Link){.from = t->b,
                .eip = eip,
                .hole = hole,
                .cross_page = !same_page(t, eip),
                .loop = t->x87.to_loop,
                .forward = !is_backward(t, eip),
                .next_own = t->b->links};
    t->b->links = l;
    struct Tail *tail = tail_new(t, hole, TAIL_LINK);
    tail->link = l;
    x87_aside(t, &tail->x87);
    return l;
}

/* mov r10,rcx; rcx = r13 + imm (0 if equal); jrcxz -> returned hole; mov rcx,r10. *imm: where the constant is. */
static u8 *emit_here_compare(Tx *t, u8 **imm)
{
    emit_mov_rr64(&t->e, R10, RCX);
    emit_mov_ri64(&t->e, RCX, 0x1122334455667788);
    *imm = t->e.at - 8;
    store64(*imm, 0);
    emit_lea64_index(&t->e, RCX, RCX, HOST_HERE, 0, 0);
    u8 *hit = emit_jrcxz_hole(&t->e);
    emit_mov_rr64(&t->e, RCX, R10);
    return hit;
}

static void emit_ask_dispatcher(Tx *t, Link *l)
{
    emit_mov_ri64(&t->e, R9, (u64)(uintptr_t)l);
    emit_jmp(&t->e, xlat_exit_link);
}

/* The out-of-line part of a link: its stub, and in front of the real jump a note (x87.c) and, in ring 3 across pages,
 * the context check. */
static void emit_link_tail(Tx *t, Link *l, const X87Aside *aside)
{
    Emit *e = &t->e;
    u8 *start = e->at;
    if (x87_emit_aside(t, aside)) {
        emit_patch32(l->hole, start);
        l->hole = emit_jmp_hole(e);
    }
    if (!l->cross_page || !t->m.user) {
        l->stub = e->at;
        emit_patch32(l->hole, l->stub);
        emit_ask_dispatcher(t, l);
        return;
    }
    emit_patch32(l->hole, e->at);
    u8 *hit = emit_here_compare(t, &l->here_hole);
    l->stub = e->at;
    flow_emit_eip(t, R8, l->eip);
    emit_mov_ri64(e, R9, (u64)(uintptr_t)l);
    emit_jmp(e, xlat_exit_link_probe);
    emit_patch8(hit, e->at);
    emit_mov_rr64(e, RCX, R10);
    s32 pages = (s32)(l->eip & ~(u32)PAGE_MASK);
    if (t->floats && pages) emit_lea64(e, HOST_HERE, HOST_HERE, pages);
    l->hole = emit_jmp_hole(e);
    emit_patch32(l->hole, l->stub);
}

/* r8d = target EIP: jump there by the jump cache (glue.S, JUMP_PROBE). */
static void emit_probe(Tx *t)
{
    Emit *e = &t->e;
    emit_movzx16(e, R9, R8);
    emit_mov_rm64(e, R11, R15, VCPU_JUMP_CACHE);
    emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = R9, .wide = true},
                (HostMem){.base = REG_NONE, .index = R9, .scale = 2});
    emit_lea64_index(e, R11, R11, R9, 3, 0);
    emit_mov_rr64(e, R10, RCX);
    emit_mov_rm64(e, RCX, R11, JUMP_KEY);
    emit_lea64_index(e, RCX, RCX, R8, 0, 0);
    if (t->floats) emit_mov_rm64(e, R9, R15, VCPU_CTX);
    emit_lea64_index(e, RCX, RCX, t->floats ? R9 : HOST_HERE, 0, 0);
    u8 *hit = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R10);
    emit_jmp(e, xlat_exit_indirect);
    emit_patch8(hit, e->at);
    emit_mov_rr64(e, RCX, R10);
    if (t->floats) emit_mov_rm64(e, HOST_HERE, R11, JUMP_HERE);
    emit_op_mem(e, (HostOp){.opcode = 0xff, .reg = 4},
                (HostMem){.base = R11, .index = REG_NONE, .disp = JUMP_HPC});
}

void flow_emit_tails(Tx *t)
{
    for (int n = 0; n < t->tails; n++) {
        struct Tail *l = &t->tail[n];
        emit_check(&t->e);
        switch (l->kind) {
        case TAIL_LINK: emit_link_tail(t, l->link, &l->x87); break;
        case TAIL_PROBE:
            emit_patch32(l->hole, t->e.at);
            emit_probe(t);
            break;
        case TAIL_SHUT: open_emit_tail(t, l); break;
        }
    }
}

void flow_exit_to(Tx *t, u32 eip, bool straddles)
{
    Link *l = link_new(t, emit_jmp_hole(&t->e), eip);
    if (straddles) l->cross_page = true; /* it depends on the next page's mapping */
    t->ended = true;
}

static u32 target_of(const Tx *t, const Insn *i)
{
    u32 eip = t->eip + i->len + i->imm;
    return i->opsize == 2 ? (u16)eip : eip;
}

/* The next instruction's EIP; a 16-bit code segment wraps. */
static u32 next_of(const Tx *t, const Insn *i) { return t->eip + i->len; }

static bool emit_jump(Tx *t, const Insn *i)
{
    u32 to = target_of(t, i);
    if (is_backward(t, to)) emit_backward(t, i, to);
    flow_exit_to(t, to, false);
    return true;
}

static bool emit_jcc(Tx *t, const Insn *i)
{
    u32 to = target_of(t, i);
    if (is_backward(t, to)) emit_backward(t, i, to);
    link_new(t, emit_jcc_hole(&t->e, i->opcode & 15), to);
    return true;
}

/* push r13, so that the landing knows where it is */
static void emit_keep_here(Tx *t)
{
    static const u8 push_r13[] = {0x41, 0x55};
    if (t->floats) emit_bytes(&t->e, push_r13, sizeof push_r13);
}

/* Behind a host call: r8d is where the guest's RET goes. */
static void emit_landing(Tx *t, u32 ret)
{
    static const u8 pop_r13[] = {0x41, 0x5d};
    Emit *e = &t->e;
    emit_mov_rr64(e, R10, RCX);
    if (t->floats) { /* ecx = r8d - r13d - ret */
        emit_bytes(e, pop_r13, sizeof pop_r13);
        emit_mov_rr64(e, RCX, HOST_HERE);
        emit_not64(e, RCX);
        emit_op_mem(e, (HostOp){.opcode = 0x8d, .reg = RCX},
                    (HostMem){.base = RCX, .index = R8, .disp = (s32)(1 - ret)});
    } else {
        emit_lea32(e, RCX, R8, (s32)(0 - ret));
    }
    u8 *hit = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R10);
    emit_jmp(e, xlat_ret_miss);
    emit_patch8(hit, e->at);
    emit_mov_rr64(e, RCX, R10);
    if (unlikely(t->x->traced & TRACE_EXEC)) listing_emit_exec(t, ret);
}

static bool emit_push_return(Tx *t, u32 ret, unsigned bytes, MemForm form)
{
    if (!t->floats) return emit_push_imm(&t->e, ret, bytes, &t->m, form);
    flow_emit_eip(t, R8, ret);
    return emit_push_reg(&t->e, R8, bytes, &t->m, form);
}

static bool emit_near_call(Tx *t, const Insn *i, MemForm form)
{
    u32 to = target_of(t, i), ret = next_of(t, i);
    if (!emit_push_return(t, ret, i->opsize, form)) return false;
    emit_stack_settle(&t->e);
    emit_keep_here(t);
    link_new(t, emit_call_hole(&t->e), to);
    emit_landing(t, ret);
    return true;
}

/* r8d = the target of an indirect jump or call. */
static bool emit_load_target(Tx *t, const Insn *i, MemForm form)
{
    if (i->is_mem) return emit_load_operand(&t->e, R8, i, &t->m, form, i->opsize);
    int reg = i->rm == ESP ? R14 : i->rm;
    if (i->opsize == 2)
        emit_movzx16(&t->e, R8, reg);
    else
        emit_mov_rr32(&t->e, R8, reg);
    return true;
}

/* A 32-bit target (r8) in a 64 KiB segment, as 16-bit code of compilers has them: one above FFFF is the callout's.
 * Before anything changes. */
static void emit_target_check(Tx *t, const Insn *i)
{
    Emit *e = &t->e;
    emit_mov_rr64(e, R10, RCX);
    emit_mov_ri32(e, RCX, 16);
    emit_shift_x64(e, SHIFT_SHRX, RCX, R8, RCX);
    u8 *fits = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R10);
    callout_emit(t, i);
    flow_exit_to(t, next_of(t, i), false);
    t->ended = false;
    emit_patch8(fits, e->at);
    emit_mov_rr64(e, RCX, R10);
}

static bool needs_target_check(const Tx *t, const Insn *i) { return i->opsize == 4 && t->cs_limit == 0xffff; }

static bool emit_jump_indirect(Tx *t, const Insn *i, MemForm form)
{
    if (!emit_load_target(t, i, form)) return false;
    if (needs_target_check(t, i)) emit_target_check(t, i);
    emit_probe(t);
    t->ended = true;
    return true;
}

static bool emit_call_indirect(Tx *t, const Insn *i, MemForm form)
{
    u32 ret = next_of(t, i);
    if (!emit_load_target(t, i, form)) return false;
    if (needs_target_check(t, i)) emit_target_check(t, i);
    emit_mov_mr64(&t->e, R15, VCPU_SCRATCH, R8);
    if (!emit_push_return(t, ret, i->opsize, stack_form(form))) return false;
    emit_mov_rm32(&t->e, R8, R15, VCPU_SCRATCH);
    emit_stack_settle(&t->e);
    emit_keep_here(t);
    tail_new(t, emit_call_hole(&t->e), TAIL_PROBE);
    emit_landing(t, ret);
    return true;
}

static bool emit_near_ret(Tx *t, const Insn *i, MemForm form)
{
    u32 extra = i->row->o[0] == O_Iw ? (u16)i->imm : 0;
    HostMem top;
    if (needs_target_check(t, i)) {
        if (!emit_stack_place(&t->e, &top, 0, 4, &t->m, form, false)) return false;
        emit_guest_load(&t->e, R8, top, 4);
        emit_target_check(t, i);
        emit_stack_move(&t->e, (s32)(4 + extra), &t->m);
    } else if (!emit_pop_reg(&t->e, R8, i->opsize, extra, &t->m, form))
        return false;
    emit_stack_settle(&t->e);
    emit_ret(&t->e);
    t->ended = true;
    return true;
}

enum { LOOPE = 0xe1, LOOP = 0xe2, JCXZ = 0xe3 }; /* LOOPNE: E0 */

/* LOOP, LOOPE, LOOPNE, JCXZ with a 16-bit count: CX is made RCX for the test. */
static bool emit_loop16(Tx *t, const Insn *i)
{
    Emit *e = &t->e;
    u32 to = target_of(t, i);
    if (is_backward(t, to)) emit_backward(t, i, to);
    if (i->opcode != JCXZ) emit_lea16(e, RCX, -1);
    emit_mov_rr64(e, R10, RCX);
    emit_movzx16(e, RCX, RCX);
    u8 *zero = emit_jrcxz_hole(e);
    emit_mov_rr64(e, RCX, R10);
    if (i->opcode == JCXZ) {
        u8 *over = emit_jmp_hole(e);
        emit_patch8(zero, e->at);
        emit_mov_rr64(e, RCX, R10);
        link_new(t, emit_jmp_hole(e), to);
        emit_patch32(over, e->at);
        return true;
    }
    if (i->opcode == LOOP)
        link_new(t, emit_jmp_hole(e), to);
    else
        link_new(t, emit_jcc_hole(e, i->opcode == LOOPE ? 4 : 5), to);
    emit_patch8(zero, e->at);
    emit_mov_rr64(e, RCX, R10);
    return true;
}

/* With a 32-bit count: ECX in place, tested by jrcxz. */
static bool emit_loop(Tx *t, const Insn *i)
{
    u32 to = target_of(t, i);
    if (i->adsize == 2) return emit_loop16(t, i);
    if (is_backward(t, to)) emit_backward(t, i, to);
    if (i->opcode != JCXZ) emit_lea32(&t->e, RCX, RCX, -1);
    u8 *zero = emit_jrcxz_hole(&t->e);
    if (i->opcode == JCXZ) { /* JECXZ: taken when zero */
        u8 over[] = {0xeb, 0x05};
        emit_bytes(&t->e, over, sizeof over);
        emit_patch8(zero, t->e.at);
        link_new(t, emit_jmp_hole(&t->e), to);
        return true;
    }
    if (i->opcode == LOOP)
        link_new(t, emit_jmp_hole(&t->e), to);
    else
        link_new(t, emit_jcc_hole(&t->e, i->opcode == LOOPE ? 4 : 5), to);
    emit_patch8(zero, t->e.at);
    return true;
}

/* A target beyond CS.limit is the #GP of the jump itself: then, or if that is not known, the interpreter decides. */
static bool target_within(const Tx *t, const Insn *i)
{
    u8 form = i->row->host;
    if (form == HF_JMPI || form == HF_CALLI || form == HF_RET)
        return t->cs_limit == 0xffffffff ||
               (t->cs_limit == 0xffff && (i->opsize == 2 || host_features_get()->bmi2));
    return t->floats ? i->opsize == 4 : target_of(t, i) <= t->cs_limit;
}

bool flow_emit(Tx *t, const Insn *i)
{
    MemForm form;
    bool ok;
    if (!site_mem_form(t, &form) || !target_within(t, i)) return false;
    if (form == MEM_OPEN && (i->row->host == HF_RET || i->row->host == HF_JMPI))
        return false; /* nothing to come back to behind them */
    int tails = t->tails;
    Link *links = t->b->links;
    switch (i->row->host) {
    case HF_JMP: ok = emit_jump(t, i); break;
    case HF_JMPI: ok = emit_jump_indirect(t, i, form); break;
    case HF_CALL: ok = emit_near_call(t, i, form); break;
    case HF_CALLI: ok = emit_call_indirect(t, i, form); break;
    case HF_RET: ok = emit_near_ret(t, i, form); break;
    case HF_LOOP: ok = emit_loop(t, i); break;
    default: ok = emit_jcc(t, i); break;
    }
    if (!ok) t->tails = tails, t->b->links = links;
    return ok;
}
