/* explain.c - see explain.h.
 *
 * Nothing is kept for it beyond what blocks have anyway and a word per instruction that says how it was translated
 * (PcMap.how): bytes are read from guest memory, which is what was translated as long as the block lives; classes come
 * from the instruction table, links from the block, histories from site.c, counts from count.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cpu/memory.h"
#include "translator/callout.h"
#include "translator/count.h"
#include "translator/explain.h"
#include "translator/operand.h"

Xlat *explain_xlat(const Engine *e) { return e && !strcmp(e->name, "translate") ? e->ctx : NULL; }

/* --- finding blocks ---------------------------------------------------------------------------------------- */

/* An instruction of b begins at pa. */
static bool has_insn_at(const Block *b, u32 pa)
{
    if (pa < b->pa || pa >= b->pa + b->bytes) return false;
    for (unsigned n = 0; n < b->insns; n++)
        if (b->pa + b->map[n].guest == pa) return true;
    return false;
}

static u64 heat_of(const Xlat *x, const Block *b)
{
    const Count *n = count_find(x, b->pa, b->mode);
    return !n ? 0 : n->runs ? n->runs : n->samples;
}

/* Which of two blocks tells more of the instruction at pa. */
static bool is_better(const Xlat *x, const Block *a, const Block *b, u32 pa, ModeKey mode)
{
    if ((a->mode == mode) != (b->mode == mode)) return a->mode == mode;
    u64 hot_a = heat_of(x, a), hot_b = heat_of(x, b);
    if (hot_a != hot_b) return hot_a > hot_b;
    if ((a->pa == pa) != (b->pa == pa)) return a->pa == pa;
    return !a->loop && b->loop;
}

const Block *explain_find(Xlat *x, ExplainSpace space, u32 address, unsigned *others)
{
    u32 pa = address;
    const Block *best = NULL;
    unsigned count = 0;
    if (others) *others = 0;
    if (space == EXPLAIN_LINEAR && !lin_peek(x->c, address, &pa)) return NULL;
    pa &= x->phys->a20_mask;
    ModeKey mode = mode_of(x->c);
    for (const Block *b = x->pages[pa >> PAGE_BITS].blocks; b; b = b->page_next) {
        if (!has_insn_at(b, pa)) continue;
        count++;
        if (!best || is_better(x, b, best, pa, mode)) best = b;
    }
    if (others && count) *others = count - 1;
    return best;
}

void explain_each(Xlat *x, bool (*each)(void *ctx, const Block *b), void *ctx)
{
    for (unsigned n = 0; n < CACHE_REGIONS; n++) {
        const Region *r = &x->cache.region[n];
        for (u32 k = 0; k < r->blocks; k++)
            if (!r->by_host[k]->dead && !each(ctx, r->by_host[k])) return;
    }
}

typedef struct ByEip {
    u32 eip;
    const Block *found;
} ByEip;

static bool look_for_eip(void *ctx, const Block *b)
{
    ByEip *want = ctx;
    bool holds = want->eip - b->at < b->bytes && has_insn_at(b, b->pa + (want->eip - b->at));
    if (holds && (!want->found || b->at == want->eip)) want->found = b;
    return true;
}

const Block *explain_find_eip(Xlat *x, u32 eip)
{
    ByEip want = {.eip = eip};
    explain_each(x, look_for_eip, &want);
    return want.found;
}

const Block *explain_find_exact(Xlat *x, u32 pa, ModeKey mode)
{
    const Block *found = NULL;
    for (const Block *b = x->pages[pa >> PAGE_BITS].blocks; b; b = b->page_next)
        if (b->pa == pa && b->mode == mode && (!found || found->loop)) found = b;
    return found;
}

/* --- the hottest ------------------------------------------------------------------------------------------- */

typedef struct Ranking {
    Xlat *x;
    ExplainHot *to;
    unsigned most, count;
    bool counted;
    u64 all;
} Ranking;

static void any_runs(void *ctx, const Count *n) { ((Ranking *)ctx)->counted |= n->runs != 0; }

static u64 times(u64 a, u64 b)
{
    u64 v;
    return __builtin_mul_overflow(a, b, &v) ? UINT64_MAX : v;
}

static u64 weight_of(const Ranking *r, const Count *n)
{
    if (!r->counted) return n->samples;
    const Block *b = n->runs ? explain_find_exact(r->x, n->pa, n->mode) : NULL;
    return times(n->runs, b ? b->insns : 1);
}

/* Insertion into the short list of the best. */
static void rank(void *ctx, const Count *n)
{
    Ranking *r = ctx;
    u64 weight = weight_of(r, n);
    r->all += weight;
    if (!weight) return;
    unsigned at = r->count;
    while (at && r->to[at - 1].weight < weight) at--;
    if (at == r->most) return;
    if (r->count < r->most) r->count++;
    memmove(&r->to[at + 1], &r->to[at], (r->count - at - 1) * sizeof *r->to);
    r->to[at] = (ExplainHot){.count = n, .weight = weight};
}

unsigned explain_hot(Xlat *x, ExplainHot *to, unsigned most)
{
    Ranking r = {.x = x, .to = to, .most = most};
    if (!most) return 0;
    count_each(x, any_runs, &r);
    count_each(x, rank, &r);
    for (unsigned n = 0; n < r.count; n++) {
        to[n].block = explain_find_exact(x, to[n].count->pa, to[n].count->mode);
        to[n].permille = (u32)((unsigned __int128)to[n].weight * 1000 / (r.all ? r.all : 1));
    }
    return r.count;
}

/* --- a block ----------------------------------------------------------------------------------------------- */

static const char *const class_words[XC_COUNT] = {"IDENT", "MEM", "STACK", "FLOW", "STRING", "FPU",   "SENS",
                                                  "PRIV",  "IO",  "SEG",   "FAR",  "UD",     "INTERP"};

const char *explain_class(unsigned cls) { return cls < XC_COUNT ? class_words[cls] : "-"; }

unsigned explain_bits(ModeKey mode) { return mode & MODE_CODE32 ? 32 : 16; }
unsigned explain_ring(ModeKey mode) { return mode & MODE_USER ? 3 : 0; }

static bool all_flat(ModeKey mode)
{
    return mode_seg(mode, CS) == SEGF_FLAT && mode_seg(mode, SS) == SEGF_FLAT &&
           mode_seg(mode, DS) == SEGF_FLAT && mode_seg(mode, ES) == SEGF_FLAT;
}

void explain_mode(ModeKey mode, char *to, size_t room)
{
    const char *kind = mode & MODE_V86 ? "virtual-8086" : mode & MODE_PROT ? NULL : "real mode";
    const char *ring = mode & MODE_USER ? "ring 3" : mode & MODE_RING0 ? "ring 0" : "ring 1 or 2";
    snprintf(to, room, "%u-bit, %s%s%s", explain_bits(mode), kind ? kind : ring,
             mode & MODE_PAGED ? ", paged" : "", all_flat(mode) ? ", flat segments" : "");
}

unsigned explain_region(const Xlat *x, const Block *b)
{
    return (unsigned)((u32)(b->hpc - x->cache.rx) / x->cache.region_bytes);
}

/* The guest's bytes of [pa, pa + n), of a block that may go over into pa2. */
static void read_bytes(const Xlat *x, const Block *b, u32 pa, u8 *to, u32 n)
{
    u32 room = PAGE_BYTES - (pa & PAGE_MASK), head = n < room ? n : room;
    const u8 *hp = phys_hp(x->phys, pa), *hp2 = b->pa2 ? phys_hp(x->phys, b->pa2) : NULL;
    memset(to, 0, n);
    if (hp) memcpy(to, hp, head);
    if (hp2 && n > head) memcpy(to + head, hp2, n - head);
}

bool explain_insn(Xlat *x, const Block *b, unsigned n, ExplainInsn *i)
{
    if (n >= b->insns) return false;
    const PcMap *m = &b->map[n];
    bool last = n + 1u == b->insns;
    u32 end = last ? b->bytes : m[1].guest, length = end - m->guest;
    *i = (ExplainInsn){.eip = b->at + m->guest, .pa = b->pa + m->guest, .patched = m->patched, .cls = "-"};
    i->host_at = n ? m->host : 0;
    i->host_bytes = (last ? b->tails : m[1].host) - i->host_at;
    i->length = (u8)(length < sizeof i->bytes ? length : sizeof i->bytes - 1);
    read_bytes(x, b, i->pa, i->bytes, i->length);
    Insn insn;
    bool ok = insn_decode(&insn, i->bytes, i->length, mode_decode(x, b->mode)) == DECODE_OK;
    if (ok) {
        i->cls = explain_class(insn.row->cls);
        i->exec = x86_exec_name[insn.row->id];
    }
    explain_put_why(m, ok ? &insn : NULL, i);
    explain_put_history(x, b, m, i);
    return true;
}

/* --- names in host code ------------------------------------------------------------------------------------ */

static const struct {
    const u8 *at;
    const char *name;
} gates[] = {
#define GATE(name)                                                                                           \
    {                                                                                                        \
        name, #name                                                                                          \
    }
    GATE(xlat_callout),
    GATE(xlat_seg_load),
    GATE(xlat_exit_link),
    GATE(xlat_exit_link_probe),
    GATE(xlat_exit_indirect),
    GATE(xlat_exit_interp),
    GATE(xlat_ret_miss),
    GATE(xlat_table_read_bmi2),
    GATE(xlat_table_write_bmi2),
    GATE(xlat_table_write_wide_bmi2),
    GATE(xlat_table_user_read_bmi2),
    GATE(xlat_table_user_write_bmi2),
    GATE(xlat_table_read_plain),
    GATE(xlat_table_write_plain),
    GATE(xlat_table_write_wide_plain),
    GATE(xlat_table_user_read_plain),
    GATE(xlat_table_user_write_plain),
#undef GATE
};

static bool name_gate(u64 address, char *to, size_t room)
{
    for (unsigned n = 0; n < ARRAY_LEN(gates); n++)
        if ((u64)(uintptr_t)gates[n].at == address) {
            snprintf(to, room, "%s", gates[n].name);
            return true;
        }
    return false;
}

/* Where a link of b leads, as the guest's program has it. */
static u32 link_eip(const Block *b, const Link *l) { return l->eip + (b->at - b->eip); }

static bool name_link(const Xlat *x, const Block *b, u64 address, char *to, size_t room)
{
    for (const Link *l = b->links; l; l = l->next_own) {
        bool itself = (u64)(uintptr_t)l == address;
        if (!itself && (u64)(uintptr_t)cache_exec(&x->cache, l->stub) != address) continue;
        snprintf(to, room, itself ? "link to %08x" : "stub of %08x", link_eip(b, l));
        return true;
    }
    return false;
}

/* Of C's own text and constants. */
static bool name_program(const Xlat *x, u64 address, char *to, size_t room)
{
    extern const u8 __executable_start[], end[], etext[];
    u64 bytes, counts = (u64)(uintptr_t)count_memory(x, &bytes);
    const char *what = callout_name((const void *)(uintptr_t)address);
    if (what) {
    } else if (address >= counts && address < counts + bytes)
        what = "its counter";
    else if (address - (u64)(uintptr_t)operand_limit_probe() < LIMIT_PROBE_BYTES + PAGE_BYTES)
        what = "limit probe";
    else if (address == (u64)(uintptr_t)x->open)
        what = "map of open bytes";
    else if (address == (u64)(uintptr_t)x->phys->ram)
        what = "guest RAM";
    else if (address >= (u64)(uintptr_t)__executable_start && address < (u64)(uintptr_t)end)
        what = address < (u64)(uintptr_t)etext ? "C function" : "constant table";
    if (what) snprintf(to, room, "%s", what);
    return what;
}

/* In the arena of the block's region: what a gate or a C function is told. */
static bool name_told(const Xlat *x, const Block *b, u64 address, char *to, size_t room)
{
    const Region *r = &x->cache.region[explain_region(x, b)];
    u64 from = (u64)(uintptr_t)r->meta;
    if (address < from || address >= from + r->meta_used) return false;
    snprintf(to, room, "what C is told");
    return true;
}

bool explain_host_name(Xlat *x, const Block *b, u64 address, char *to, size_t room)
{
    const u8 *at = (const u8 *)(uintptr_t)address;
    if (name_gate(address, to, room) || name_link(x, b, address, to, room)) return true;
    const Block *other = block_at_host(x, at);
    if (other == b && at != b->hpc) {
        snprintf(to, room, "+%x", (u32)(at - b->hpc));
        return true;
    }
    if (other && other->hpc == at) {
        snprintf(to, room, "%s %08x",
                 other == b    ? "this block,"
                 : other->loop ? "loop version,"
                               : "block",
                 other->at);
        return true;
    }
    if (other) { /* a link may lead behind another block's beginning */
        snprintf(to, room, "block %08x +%x", other->at, (u32)(at - other->hpc));
        return true;
    }
    return name_told(x, b, address, to, room) || name_program(x, address, to, room);
}

#define FIELD(f)                                                                                             \
    {                                                                                                        \
        offsetof(Vcpu, f), sizeof(((Vcpu *)0)->f), #f                                                        \
    }
static const struct {
    size_t at, bytes;
    const char *name;
} fields[] = {FIELD(eip),        FIELD(eflags),   FIELD(poll),       FIELD(ctx),        FIELD(window),
              FIELD(table),      FIELD(here),     FIELD(jump_cache), FIELD(host_rsp),   FIELD(ret_rsp),
              FIELD(ret_bottom), FIELD(exit_arg), FIELD(scratch),    FIELD(insns_xlat), FIELD(user_table),
              FIELD(spill),      FIELD(code_map), FIELD(table_uses), FIELD(link_uses),  FIELD(x87),
              FIELD(next_eip),   FIELD(cpl),      FIELD(inhibit),    FIELD(halted),     FIELD(fpu_live),
              FIELD(attention),  FIELD(gdtr),     FIELD(idtr),       FIELD(cr0),        FIELD(cr2),
              FIELD(cr3),        FIELD(cr4),      FIELD(tsc_scale),  FIELD(speed_left), FIELD(fpu)};
#undef FIELD

static const char *const gpr_names[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
static const char *const seg_names[SEG_COUNT] = {"es", "cs", "ss", "ds", "fs", "gs"};

static void name_segment(size_t at, char *to, size_t room)
{
    static const struct {
        size_t at;
        const char *name;
    } parts[] = {{offsetof(Segment, base), "base"},
                 {offsetof(Segment, limit), "limit"},
                 {offsetof(Segment, attr), "attr"},
                 {offsetof(Segment, sel), "sel"}};
    const char *seg = seg_names[at / sizeof(Segment)];
    snprintf(to, room, "seg.%s + %zu", seg, at % sizeof(Segment));
    for (unsigned n = 0; n < ARRAY_LEN(parts); n++)
        if (parts[n].at == at % sizeof(Segment)) snprintf(to, room, "seg.%s.%s", seg, parts[n].name);
}

bool explain_field_name(s64 offset, char *to, size_t room)
{
    size_t at = (size_t)offset;
    if (offset < 0 || at >= sizeof(Vcpu)) return false;
    if (at < sizeof((Vcpu *)0)->gpr && !(at % 4)) {
        snprintf(to, room, "gpr.%s", gpr_names[at / 4]);
        return true;
    }
    if (at >= offsetof(Vcpu, seg) && at < offsetof(Vcpu, seg) + sizeof((Vcpu *)0)->seg) {
        name_segment(at - offsetof(Vcpu, seg), to, room);
        return true;
    }
    for (unsigned n = 0; n < ARRAY_LEN(fields); n++) {
        if (at - fields[n].at >= fields[n].bytes) continue;
        size_t behind = at - fields[n].at;
        snprintf(to, room, behind ? "%s + %zu" : "%s", fields[n].name, behind);
        return true;
    }
    return false;
}
