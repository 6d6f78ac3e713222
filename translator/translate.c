/* translate.c - guest code into a block: one emission per instruction, chosen by the class in the table.
 *
 * A block starts at any EIP and runs to the first instruction that always leaves it, to the end of its page, or to
 * BLOCK_MAX_INSNS. It goes on behind a conditional jump (the taken side leaves through a link) and behind a call (the
 * return address verified, see flow.c), so that hot code lays itself out as traces. An instruction that straddles two
 * pages is a block of its own, which depends on both.
 *
 * The order inside an instruction is: poll, access to guest memory, changes. So every host PC that can trap stands
 * for the state before its guest instruction, and the PcMap is all that precise exceptions need.
 */
#include "translator/operand.h"
#include "translator/xlat.h"

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
    emit_bswap64(e, R8);
    emit_op_reg(e, (HostOp){.opcode = 0x0fbe, .reg = R8, .wide = true}, R8);
    emit_mov_ri64(e, R9, (u64)(uintptr_t)cpu_poll_trap + PAGE_BYTES);
    emit_op_mem(e, (HostOp){.opcode = 0x0fb6, .reg = R8}, (HostMem){.base = R9, .index = R8});
}

static bool may_leave(const Insn *i)
{
    return i->row->cls == XC_FLOW || i->row->cls == XC_FAR || i->row->checks & CK_ENDS;
}

/* Leave to the interpreter for this one instruction: what cannot be decoded raises there. */
static void emit_leave_to_interp(Tx *t)
{
    flow_emit_eip(t, R8, t->eip);
    emit_jmp(&t->e, xlat_exit_interp);
    t->ended = true;
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
        callout_emit_site(t, i);
        return true;
    case XC_IDENT:
        if (insn_is_pause(i)) return false;
        /* fall through */
    case XC_MEM:
    case XC_FPU:
    case XC_STACK:
    case XC_INTERP:
        if (direct && emit_identity(&t->e, i, &t->m, form, t->eip + i->len)) return true;
        if (!site_forgiving(t->x, t->pa)) return false;
        t->e.shuts = 0;
        callout_emit_site(t, i);
        return true;
    case XC_SEG: return t->x->mode & MODE_PROT ? seg_emit(t, i) : real_seg_emit(t, i);
    case XC_FAR: return t->x->mode & MODE_PROT ? far_emit(t, i) : real_far_emit(t, i);
    case XC_SENS:
    case XC_PRIV: return sens_emit(t, i);
    default: return false;
    }
}

static void emit_insn(Tx *t, const Insn *i)
{
    u8 *start = t->e.at;
    t->e.shuts = 0;
    t->behind = NULL;
    if (emit_by_class(t, i)) {
        if (t->e.shuts) open_emit_after(t, i);
        return;
    }
    t->e.at = start;
    callout_emit(t, i);
}

static DecodeMode decode_mode(const Xlat *x)
{
    return (DecodeMode){.code32 = !!(x->mode & MODE_CODE32),
                        .protected_mode = !!(x->mode & MODE_PROT),
                        .features = x->c->features};
}

/* Instructions from t->eip on, until something ends the block. Returns their number; *straddles: the next one goes
 * on in another page. */
static unsigned emit_insns(Tx *t, const u8 *hp, unsigned avail, PcMap *map, bool *straddles)
{
    DecodeMode dm = decode_mode(t->x);
    unsigned n = 0, at = 0, counted = 0;
    u8 *code_end = t->e.at + BLOCK_HOST_GOAL;
    while (!t->ended && n < BLOCK_MAX_INSNS && t->e.at < code_end && t->tails < (int)ARRAY_LEN(t->tail) - 8) {
        Insn i;
        DecodeStatus st = insn_decode(&i, hp + at, avail - at, dm);
        if (t->cs_limit - (t->b->eip + at) < MODE_CS_ROOM || t->b->eip + at > t->cs_limit)
            break; /* the dispatcher interprets */
        if ((*straddles = st == DECODE_MORE)) break;
        t->eip = t->b->eip + at;
        t->pa = t->b->pa + at;
        bool patched = st == DECODE_OK && !t->b->pa2 && site_form(t->x, t->pa) == SITE_PATCHED;
        map[n++] = (PcMap){.host = (u16)(t->e.at - cache_write(&t->x->cache, t->b->hpc)),
                           .guest = (u16)(at & 0x7fff),
                           .patched = patched};
        if (st != DECODE_OK || patched || may_leave(&i)) {
            emit_count_and_stop(t, n - counted);
            counted = n;
        }
        if (st != DECODE_OK) {
            emit_leave_to_interp(t);
            at += st == DECODE_UD && i.len ? i.len : 1;
            break;
        }
        if (patched)
            callout_emit_patched(t, &i);
        else
            emit_insn(t, &i);
        at += i.len;
        if (t->b->pa2) break;
    }
    if (!t->ended && n > counted) emit_count(t, n - counted); /* a trap here would repeat the last one */
    t->b->bytes = (u16)at;
    t->eip = t->b->eip + at;
    return n;
}

bool translate_straddles(Xlat *x, u32 pa)
{
    Insn probe;
    const u8 *hp = phys_hp(x->phys, pa);
    return hp && insn_decode(&probe, hp, PAGE_BYTES - (pa & PAGE_MASK), decode_mode(x)) == DECODE_MORE;
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
static void tx_begin(Tx *t, Xlat *x, u32 eip, u32 pa, u32 pa2)
{
    Cache *k = &x->cache;
    t->x = x;
    t->m = mode_unpack(x->mode);
    t->floats = mode_floats(x->mode);
    t->cs_limit = mode_cs_limit(x->mode);
    t->eip = t->floats ? pa & PAGE_MASK : eip;
    t->pa = pa;
    t->ended = false;
    t->tails = 0;
    t->e = (Emit){.at = cache_begin(k),
                  .end = k->rw + k->bytes,
                  .to_exec = k->rx - k->rw,
                  .open = x->open,
                  .ram = x->phys->ram};
    t->b = cache_meta(k, sizeof *t->b);
    *t->b = (Block){.eip = t->eip,
                    .pa = pa,
                    .pa2 = pa2,
                    .mode = x->mode,
                    .hpc = cache_exec(k, t->e.at),
                    .sites = x->site_changes,
                    .table = form_is_table(x, pa)};
}

Block *translate(Xlat *x, u32 eip, u32 pa, u32 pa2)
{
    PcMap map[BLOCK_MAX_INSNS];
    u8 buf[32];
    unsigned avail;
    const u8 *hp = source_bytes(x, pa, pa2, buf, &avail);
    if (!hp) return NULL;
    make_cache_room(x);
    u64 t0 = x->count_insns ? host_now_ns() : 0;
    Tx *t = x->tx;
    bool straddles = false;
    tx_begin(t, x, eip, pa, pa2);
    unsigned n = emit_insns(t, hp, avail, map, &straddles);
    if (!t->ended) flow_exit_to(t, t->eip, straddles);
    flow_emit_tails(t);
    block_finish(t, map, n);
    if (t0) x->stats.translate_ns += host_now_ns() - t0;
    if (unlikely(trace_mask & (TRACE_IN_ASM | TRACE_OUT_ASM))) listing_block(x, t->b, eip);
    return t->b;
}
