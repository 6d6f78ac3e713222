/* translate.c - guest code into a block: one emission per instruction, chosen by the class in the table.
 *
 * A block starts at any EIP and runs to the first instruction that always leaves it, to the end of its page, or to
 * BLOCK_MAX_INSNS. It goes on behind a conditional jump (the taken side leaves through a link) and behind a call (the
 * return address verified, see flow.c), so that hot code lays itself out as traces. In a kernel, which is large and runs
 * once, it ends behind a loop if what follows is known. Jumps forward enter a block in its middle, at a door, rather than
 * have the rest of it translated again. An instruction that straddles two pages is a block of its own, which depends on
 * both.
 *
 * The order inside an instruction is: poll, access to guest memory, changes. So every host PC that can trap stands
 * for the state before its guest instruction, and the PcMap is all that precise exceptions need.
 */
#include "translator/count.h"
#include "translator/instrument.h"
#include "translator/operand.h"
#include "translator/x87.h"

enum { BLOCK_MAX_INSNS = 64, BLOCK_HOST_GOAL = 16 * 1024, GRAVE_BYTES = 16 };

/* Vcpu field += n, by r8. */
static void emit_add(Emit *e, size_t field, s32 n)
{
    emit_mov_rm64(e, R8, R15, (s32)field);
    emit_lea64(e, R8, R8, n);
    emit_mov_mr64(e, R15, (s32)field, R8);
}

/* n instructions retire here: -d stats and -speed. */
static void emit_count(Tx *t, unsigned n)
{
    if (t->x->count_insns) emit_add(&t->e, VCPU_INSNS_XLAT, (s32)n);
    if (unlikely(t->x->count_speed)) emit_add(&t->e, offsetof(Vcpu, speed_left), -(s32)n);
}

/* The same in front of an instruction, which is where -speed traps when what is left falls below 0: its top byte,
 * 00 or ff, is an index from the end of the page that traps. Flag-free, like everything else. */
static void emit_count_and_stop(Tx *t, unsigned n)
{
    Emit *e = &t->e;
    emit_count(t, n);
    if (likely(!t->x->count_speed)) return;
    emit_unhoist(e);
    emit_bswap64(e, R8);
    emit_op_reg(e, (HostOp){.opcode = 0x0fbe, .reg = R8, .wide = true}, R8);
    emit_mov_ri64(e, R9, (u64)(uintptr_t)cpu_poll_trap + PAGE_BYTES);
    emit_op_mem(e, (HostOp){.opcode = 0x0fb6, .reg = R8}, (HostMem){.base = R9, .index = R8});
}

static bool may_leave(const Insn *i) { return i->row->checks & CK_ENDS; }

/* Leave to the dispatcher for this one instruction: what cannot be decoded raises there, a breakpoint stops. */
static void emit_leave_to_interp(Tx *t)
{
    flow_emit_eip(t, R8, t->eip);
    emit_jmp(&t->e, xlat_exit_interp);
    t->ended = true;
}

/* An INT or SYSENTER that somebody wants to see: by the interpreter's function, which asks. */
static bool is_int_hooked(const Tx *t, const Insn *i)
{
    const Vcpu *c = t->x->c;
    if (likely(!c->int_hook)) return false;
    return (i->row->opcode == 0xcd && cpu_int_hooked(c, (u8)i->imm)) ||
           (i->row->opcode == 0x0f34 && cpu_int_hooked(c, HOOK_SYSENTER));
}

static bool emit_by_class(Tx *t, const Insn *i)
{
    MemForm form;
    u8 *start = t->e.at;
    bool direct = site_mem_form(t, &form);
    switch (i->row->cls) {
    case XC_FLOW: return flow_emit(t, i);
    case XC_STRING:
        if (string_emit(t, i)) return true;
        if (!site_forgiving(t->x, t->pa)) return false;
        t->e.at = start;
        t->e.shuts = 0;
        x87_call(t);
        callout_emit_site(t, i);
        return true;
    case XC_IDENT:
    case XC_MEM:
    case XC_FPU:
    case XC_STACK:
    case XC_INTERP:
        if (direct && emit_identity(&t->e, i, &t->m, form, t->eip + i->len)) return true;
        if (!site_forgiving(t->x, t->pa)) return false;
        t->e.shuts = 0;
        x87_call(t);
        callout_emit_site(t, i);
        return true;
    case XC_SEG: return t->x->mode & MODE_PROT ? seg_emit(t, i) : real_seg_emit(t, i);
    case XC_FAR:
        if (unlikely(is_int_hooked(t, i))) return false;
        return t->x->mode & MODE_PROT ? far_emit(t, i) : real_far_emit(t, i);
    case XC_SENS:
    case XC_PRIV: return sens_emit(t, i);
    default: return false;
    }
}

/* A comparison, or what sets flags as well, in front of a jump backwards? It polls for it (flow.c). */
static bool polls_for_jump(Tx *t, const Insn *i)
{
    u32 pa;
    bool compares = (i->row->cls == XC_IDENT || i->row->cls == XC_MEM) && i->row->write & FL_ARITH;
    const Insn *next = compares ? insn_ahead(t, 1, &pa) : NULL;
    return next && insn_is_jcc(next) && (s32)next->imm < 0;
}

/* The host code of an instruction begins here. If it may leave, `retire` instructions are counted. */
static void begin_insn(Tx *t, const Insn *i, PcMap *at, unsigned retire)
{
    at->host = (u16)(t->e.at - cache_write(&t->x->cache, t->b->hpc));
    at->esp = t->e.esp;
    t->how = t->polls ? HOW_POLLS : 0;
    if (unlikely(t->ops != NULL)) instrument_before(t, i);
    if (retire) emit_count_and_stop(t, retire);
    if (t->polls) flow_emit_poll(t);
    t->e.shuts = 0;
    t->behind = NULL;
}

static void begin_insn_settled(Tx *t, const Insn *i, PcMap *at, unsigned retire)
{
    emit_stack_settle(&t->e);
    begin_insn(t, i, at, retire);
}

/* ESP as an operand, but for the base of an address */
static bool names_esp(const Insn *i)
{
    u16 traits = operand_all_traits(i);
    if (traits & OT_REG_GPR && i->reg == ESP) return true;
    if (traits & OT_RM_GPR && !i->is_mem && i->rm == ESP) return true;
    return i->reg == ESP && (i->row->o[0] == O_Zv || i->row->o[1] == O_Zv);
}

static bool stack_row_waits(const Insn *i)
{
    switch (i->row->host) {
    case HF_PUSHI:
    case HF_LEAVE: return true;
    case HF_PUSHR:
    case HF_PUSHM:
    case HF_POPR: return !names_esp(i);
    default: return false;
    }
}

static bool flow_row_waits(const Insn *i)
{
    u8 form = i->row->host;
    return form == HF_CALL || form == HF_RET || (form == HF_CALLI && !names_esp(i));
}

static bool row_waits(const Tx *t, const Insn *i)
{
    switch (i->row->cls) {
    case XC_IDENT:
    case XC_MEM:
    case XC_FPU: return t->e.esp && !names_esp(i);
    case XC_STACK: return stack_row_waits(i);
    case XC_FLOW: return flow_row_waits(i);
    default: return false;
    }
}

/* May moves of ESP wait beyond this instruction, or until its own (stack.c)? */
static bool insn_waits(const Tx *t, const Insn *i)
{
    if (!t->stack_waits || !row_waits(t, i)) return false;
    SiteForm site = site_form(t->x, t->pa);
    return site <= SITE_WRAP || site == SITE_USER;
}

/* An instruction while moves of ESP wait: its own address takes them in. false: nothing is written. */
static bool emit_waiting(Tx *t, const Insn *i, PcMap *at, unsigned retire)
{
    u8 *start = t->e.at;
    s16 esp = t->e.esp;
    unsigned counted = t->counted, flushes = t->flushes;
    Insn moved;
    if (esp && i->is_mem && i->base == ESP) {
        moved = *i;
        moved.disp += (u32)esp;
        i = &moved;
    }
    begin_insn(t, i, at, retire);
    if (hoist_may(t, i)) hoist_before(t, i);
    t->e.stack_waits = true;
    bool ok = emit_by_class(t, i);
    t->e.stack_waits = false;
    if (t->e.esp != esp) t->how |= HOW_WAITS;
    if (ok) return true;
    t->e.at = start;
    t->e.esp = esp;
    t->counted = counted;
    t->flushes = flushes;
    emit_unhoist(&t->e);
    return false;
}

static void emit_one(Tx *t, const Insn *i, PcMap *at, unsigned retire)
{
    bool calls = unlikely(t->ops != NULL) && instrument_calls(t);
    if (!calls && insn_waits(t, i) && emit_waiting(t, i, at, retire)) return;
    begin_insn_settled(t, i, at, retire);
    if (hoist_may(t, i)) hoist_before(t, i);
    u8 *start = t->e.at;
    if (emit_by_class(t, i)) {
        if (t->e.shuts) open_emit_after(t, i);
        return;
    }
    t->e.at = start;
    t->how = HOW_C;
    x87_call(t);
    callout_emit(t, i);
}

static void emit_insn(Tx *t, const Insn *i, PcMap *at, unsigned retire)
{
    t->polls = polls_for_jump(t, i);
    emit_one(t, i, at, retire);
    t->polled = t->polls;
    t->polls = false;
}

/* --- the instructions ahead --- */

/* Decode up to the nth from the current one on; NULL: behind one that cannot be decoded, or too far. */
static const struct Ahead *source_more(struct Source *s, unsigned n)
{
    if (n >= AHEAD_MAX) return NULL;
    while (s->count <= n) {
        const struct Ahead *last = s->count ? &s->ring[(s->first + s->count - 1) % AHEAD_MAX] : NULL;
        if (last && last->status != DECODE_OK) return NULL;
        struct Ahead *a = &s->ring[(s->first + s->count++) % AHEAD_MAX];
        a->at = last ? last->at + last->insn.len : s->at;
        a->status = insn_decode(&a->insn, s->hp + a->at, s->avail - a->at, s->mode);
    }
    return &s->ring[(s->first + n) % AHEAD_MAX];
}

/* The nth, the current one being the 0th; NULL: see source_more(). */
static inline const struct Ahead *source_get(struct Source *s, unsigned n)
{
    return n < s->count ? &s->ring[(s->first + n) % AHEAD_MAX] : source_more(s, n);
}

/* Behind the current one, which was `bytes` long. */
static void source_step(struct Source *s, unsigned bytes)
{
    s->at += bytes;
    s->first = (s->first + 1) % AHEAD_MAX;
    s->count--;
}

const Insn *insn_ahead(Tx *t, unsigned n, u32 *pa)
{
    const struct Ahead *a = source_get(&t->source, n);
    if (!a || a->status != DECODE_OK) return NULL;
    *pa = t->b->pa + a->at;
    return &a->insn;
}

/* Before the nth instruction, `counted` of which have been counted: may others enter here? Nothing waits, no register
 * but the guest's holds anything, and a poll for it does not lie behind. */
static bool is_door(const Tx *t, unsigned n, unsigned counted)
{
    bool counts = t->x->count_insns || t->x->count_speed;
    return t->may_have_doors && n && !t->e.esp && !t->e.hoisted && !t->polled && !(counts && n != counted);
}

/* Does a block begin at t->pa, or has one a door there? */
static bool is_known(const Tx *t, u32 eip)
{
    unsigned door;
    if (t->b->loop || t->x87.used) return false;
    return block_find(t->x, t->pa, eip, t->b->mode, false) || block_with_door(t->x, t->pa, eip, &door);
}

/* Instructions from t->eip on, until something ends the block. Returns their number; *straddles: the next one goes
 * on in another page. */
static unsigned emit_insns(Tx *t, PcMap *map, bool *straddles)
{
    struct Source *src = &t->source;
    unsigned n = 0, counted = 0;
    bool closed = false;
    u8 *code_end = t->e.at + BLOCK_HOST_GOAL;
    while (!t->ended && n < BLOCK_MAX_INSNS && t->e.at < code_end && t->tails < (int)ARRAY_LEN(t->tail) - 8) {
        emit_check(&t->e);
        const struct Ahead *a = source_get(src, 0);
        const Insn *i = &a->insn;
        u32 eip = t->b->eip + a->at;
        if (t->cs_limit - eip < MODE_CS_ROOM || eip > t->cs_limit) break; /* the dispatcher interprets */
        if ((*straddles = a->status == DECODE_MORE)) break;
        t->eip = eip;
        t->pa = t->b->pa + a->at;
        if (closed && !t->m.user && is_known(t, eip)) break; /* what follows a loop is not part of it */
        bool door = is_door(t, n, counted);
        bool ok = a->status == DECODE_OK, breaks = break_ends_block(t->x, t->pa),
             patched = ok && !t->b->pa2 && site_form(t->x, t->pa) == SITE_PATCHED;
        closed = ok && insn_is_jcc(i) && (s32)i->imm < 0;
        PcMap *m = &map[n++];
        *m = (PcMap){.guest = (u16)(a->at & 0x7fff), .patched = patched};
        unsigned retire = !ok || patched || breaks || may_leave(i) ? n - counted : 0;
        counted += retire;
        u16 host = (u16)(t->e.at - cache_write(&t->x->cache, t->b->hpc));
        if (unlikely(t->x->traced & TRACE_EXEC) && n == 1) listing_emit_exec(t, eip);
        t->number = n - 1;
        if (door) t->b->doors |= 1ull << (n - 1);
        if (!ok || breaks) {
            x87_leave(t, n - 1);
            begin_insn_settled(t, NULL, m, retire);
            m->host = host;
            m->how = HOW_LEFT;
            emit_leave_to_interp(t);
            source_step(src, a->status == DECODE_UD && i->len ? i->len : 1);
            break;
        }
        if (patched) {
            x87_before(t, i, n - 1);
            begin_insn_settled(t, i, m, retire);
            x87_call(t);
            callout_emit_patched(t, i);
            t->polled = false;
        } else {
            x87_before(t, i, n - 1);
            emit_insn(t, i, m, retire);
        }
        m->host = host; /* its note belongs to it */
        m->how = t->how;
        x87_after(t, i, n - 1);
        if (t->e.hoisted) hoist_after(t, i);
        source_step(src, i->len);
        if (t->b->pa2) break;
    }
    emit_stack_settle(&t->e);
    if (!t->ended && n > counted) emit_count(t, n - counted); /* a trap here would repeat the last one */
    if (!t->ended && unlikely(t->ops != NULL)) instrument_flush(t, n);
    t->b->bytes = (u16)src->at;
    t->eip = t->b->eip + src->at;
    return n;
}

bool translate_straddles(Xlat *x, u32 pa)
{
    Insn probe;
    const u8 *hp = phys_hp(x->phys, pa);
    return hp &&
           insn_decode(&probe, hp, PAGE_BYTES - (pa & PAGE_MASK), mode_decode(x, x->mode)) == DECODE_MORE;
}

/* The bytes at pa that belong to one translation: the rest of the page, or 15 bytes over two pages. */
static const u8 *source_bytes(Xlat *x, u32 pa, u32 pa2, u8 *buf, unsigned *avail)
{
    const u8 *hp = phys_hp(x->phys, pa), *hp2 = pa2 ? phys_hp(x->phys, pa2) : NULL;
    *avail = PAGE_BYTES - (pa & PAGE_MASK);
    if (!hp || !pa2) return hp;
    if (!hp2) return NULL;
    memcpy(buf, hp, *avail);
    memcpy(buf + *avail, hp2, 15 - *avail);
    *avail = 15;
    return buf;
}

static void block_finish(Tx *t, const PcMap *map, unsigned n)
{
    Cache *k = &t->x->cache;
    Block *b = t->b;
    while (t->e.at < cache_write(k, b->hpc) + GRAVE_BYTES) emit_u8(&t->e, 0xcc);
    b->insns = (u16)n;
    b->map = cache_meta(k, n * (u32)sizeof *map);
    memcpy(b->map, map, n * sizeof *map);
    b->hbytes = (u32)(t->e.at - cache_write(k, b->hpc));
    x87_finish(t);
    if (b->x87 || b->loop || b->pa2) b->doors = 0; /* its notes tell of the whole block */
    if (unlikely(t->ops != NULL)) instrument_finish(t);
    cache_end(k, b, t->e.at);
    block_insert(t->x, b);
    t->x->stats.translated_blocks++;
    t->x->stats.translated_insns += n;
}

static void make_cache_room(Xlat *x)
{
    Cache *k = &x->cache;
    if (likely(cache_room(k))) return;
    Region *next = &k->region[(k->now + 1) % CACHE_REGIONS];
    if (next->blocks) block_evict(x, next);
    cache_next_region(k);
}

/* Blocks that are at home anywhere know offsets in their page. */
static void tx_begin(Tx *t, Xlat *x, u32 eip, u32 pa, u32 pa2, bool loop)
{
    Cache *k = &x->cache;
    t->x = x;
    t->m = mode_unpack(x->mode);
    t->floats = mode_floats(x->mode);
    t->may_have_doors =
        !x->count_runs && !x->instrument && !(x->traced & TRACE_EXEC); /* else each entry is to be seen */
    t->cs_limit = mode_cs_limit(x->mode);
    t->eip = t->floats ? pa & PAGE_MASK : eip;
    t->pa = pa;
    t->ended = false;
    t->tails = 0;
    t->polls = t->polled = false;
    t->counted = t->flushes = t->number = 0;
    t->source.at = t->source.first = t->source.count = 0;
    t->source.mode = mode_decode(x, x->mode);
    t->stack_waits = t->m.code32 && t->m.stack32 && t->m.seg[SS] == SEGF_FLAT && t->cs_limit == 0xffffffff &&
                     !x->open_always;
    t->x87 = (X87Tx){0};
    t->e = (Emit){.at = cache_begin(k),
                  .end = cache_end_of_block(k),
                  .to_exec = k->rx - k->rw,
                  .wide = shadow_is_wide(x->shadow),
                  .open = x->open,
                  .ram = x->phys->ram};
    t->b = cache_block(k);
    *t->b = (Block){.eip = t->eip,
                    .pa = pa,
                    .pa2 = pa2,
                    .mode = x->mode,
                    .hpc = cache_exec(k, t->e.at),
                    .sites = x->site_changes,
                    .table = form_is_table(x, pa),
                    .loop = loop,
                    .at = eip,
                    .born_ms = xlat_age_ms(x)};
    if (unlikely(x->count_runs)) count_emit(t);
}

/* A block's code but for its tails; how many instructions. */
static unsigned translate_body(Tx *t, PcMap *map)
{
    bool straddles = false;
    t->x87.map = map;
    t->x87.code = t->source.hp;
    unsigned n = emit_insns(t, map, &straddles);
    if (!t->ended) {
        x87_end(t);
        flow_exit_to(t, t->eip, straddles);
        t->b->links->forward = true;
    }
    return n;
}

Block *translate(Xlat *x, u32 eip, u32 pa, u32 pa2, bool loop)
{
    PcMap map[BLOCK_MAX_INSNS];
    u8 buf[32];
    Tx *t = x->tx;
    t->source.hp = source_bytes(x, pa, pa2, buf, &t->source.avail);
    if (!t->source.hp) return NULL;
    make_cache_room(x);
    u64 t0 = x->count_insns ? host_now_ns() : timeline_now();
    t->ops = NULL;
    tx_begin(t, x, eip, pa, pa2, loop);
    u32 meta_used = cache_meta_mark(&x->cache);
    unsigned n = translate_body(t, map);
    if (unlikely(x->instrument != NULL) && instrument_look(t, map, n, x->cs_base + eip)) {
        cache_meta_back(&x->cache, meta_used);
        tx_begin(t, x, eip, pa, pa2, loop);
        n = translate_body(t, map);
    }
    t->b->tails = (u16)(t->e.at - cache_write(&x->cache, t->b->hpc));
    flow_emit_tails(t);
    block_finish(t, map, n);
    if (t0) x->stats.translate_ns += host_now_ns() - t0;
    if (unlikely(trace_mask & TRACE_TIMELINE) && t0)
        timeline_add(TIMELINE_TRANSLATE, t0, "translate", eip, n);
    if (unlikely(trace_mask & (TRACE_IN_ASM | TRACE_OUT_ASM)) && trace_wants(x->cs_base + eip))
        listing_block(x, t->b, eip);
    if (unlikely(xlat_audit != NULL)) xlat_audit(x, t->b, eip);
    return t->b;
}
