/* interp.c - fetch, decode, execute one instruction; and the engine that does nothing else.
 *
 * Fetch walks the page of CS:EIP every time and looks the bytes found there up in a small cache of decoded
 * instructions. A hit compares the bytes themselves and the decoder's mode, so a stale entry cannot exist: neither
 * stores into code nor remapping needs to tell anybody.
 *
 * Byte-exact ends: the next page is touched only when the decoder asks for more bytes, and its #PF names the
 * first byte of that page; bytes beyond CS.limit are #GP(0), found in the order in which they are fetched.
 *
 * RF is cleared before an instruction executes, so that IRET can set it for the next one. (Of a repeated string
 * instruction that stops half-way, Vcpu.rep_stopped knows.) What handles TF, debug registers and interrupts is the run
 * loop.
 */
#include "cpu/breakpoint.h"
#include "cpu/exec.h"
#include "cpu/memory.h"

enum { INSN_MAX = 15, CACHE_BITS = 12, FETCH_BYTES = 16 /* what the comparison loads */ };

typedef struct Decoded {
    u64 mode; /* DecodeMode as a number */
    u64 bytes[2], mask[2];
    Insn insn;
    ExecFn *exec; /* NULL: slot empty */
} Decoded;

/* Shared by all guests of the thread: an entry depends on nothing but bytes and mode. */
static _Thread_local Decoded cache[1 << CACHE_BITS];

static DecodeMode decode_mode(const Vcpu *c)
{
    return (DecodeMode){.code32 = cpu_code32(c) != 0,
                        .protected_mode = cpu_protected(c) && !cpu_v86(c),
                        .features = c->features};
}

static u64 mode_key(DecodeMode m) { return (u64)m.features << 32 | m.protected_mode << 1 | m.code32; }

static bool cache_hit(const Decoded *d, const u8 *bytes, u64 mode)
{
    return d->exec && d->mode == mode &&
           !(((load64(bytes) ^ d->bytes[0]) & d->mask[0]) | ((load64(bytes + 8) ^ d->bytes[1]) & d->mask[1]));
}

/* Bytes 0..7 (half 0) or 8..15 (half 1) of an instruction of `len` bytes. */
static u64 len_mask(unsigned len, unsigned half)
{
    unsigned n = len > 8 * half ? len - 8 * half : 0;
    return n >= 8 ? ~(u64)0 : ((u64)1 << 8 * n) - 1;
}

static void cache_fill(Decoded *d, const u8 *bytes, u64 mode)
{
    for (unsigned half = 0; half < 2; half++) {
        d->mask[half] = len_mask(d->insn.len, half);
        d->bytes[half] = load64(bytes + 8 * half) & d->mask[half];
    }
    d->mode = mode;
    d->exec = x86_exec[d->insn.row->id];
}

static Decoded *cache_slot(u32 va) { return &cache[(va ^ va >> CACHE_BITS) & ((1 << CACHE_BITS) - 1)]; }

/* Decode into *d, which stays empty if there is no instruction. */
static DecodeStatus decode_into(Decoded *d, const u8 *bytes, unsigned avail, DecodeMode mode)
{
    d->exec = NULL;
    DecodeStatus s = insn_decode(&d->insn, bytes, avail, mode);
    if (s == DECODE_OK) cache_fill(d, bytes, mode_key(mode));
    return s;
}

/* --- fetch --- */

/* Appends what page `va` holds to the buffer; raises #PF. Code may lie in a device's memory. */
static unsigned fetch_bytes(Vcpu *c, u32 va, u8 *to, unsigned have, unsigned want)
{
    u32 pa = lin_pa(c, va, ACC_FETCH, c->cpl == 3);
    unsigned n = PAGE_BYTES - (va & PAGE_MASK);
    if (n > want - have) n = want - have;
    const u8 *hp = phys_hp(c->phys, pa);
    for (unsigned k = 0; k < n; k++) to[have + k] = hp ? hp[k] : (u8)phys_read(c->phys, pa + k, 1);
    return have + n;
}

/* The page, the limit or the device ends within the next 16 bytes: byte for byte, in order. */
static DecodeStatus fetch_slow(Vcpu *c, Decoded *d, u32 va, DecodeMode mode)
{
    u8 buf[FETCH_BYTES] = {0};
    u32 room = c->seg[CS].limit - c->eip; /* + 1 */
    unsigned want = room < INSN_MAX ? room + 1 : INSN_MAX;
    unsigned have = fetch_bytes(c, va, buf, 0, want);
    if (cache_hit(d, buf, mode_key(mode)) && d->insn.len <= have) return DECODE_OK;
    DecodeStatus s = decode_into(d, buf, have, mode);
    if (s == DECODE_MORE && have < want) {
        have = fetch_bytes(c, va + have, buf, have, want);
        s = decode_into(d, buf, have, mode);
    }
    return s;
}

static _Noreturn void fetch_fault(Vcpu *c, DecodeStatus s)
{
    if (s == DECODE_UD) raise_ud(c);
    raise_gp(c, 0); /* too long, or beyond CS.limit */
}

static const Decoded *fetch(Vcpu *c)
{
    if (unlikely(c->eip > c->seg[CS].limit)) raise_gp(c, 0);
    u32 va = c->seg[CS].base + c->eip, room = c->seg[CS].limit - c->eip;
    DecodeMode mode = decode_mode(c);
    Decoded *d = cache_slot(va);
    DecodeStatus s;
    if (likely((va & PAGE_MASK) <= PAGE_BYTES - FETCH_BYTES && room >= FETCH_BYTES)) {
        const u8 *hp = phys_hp(c->phys, lin_pa(c, va, ACC_FETCH, c->cpl == 3));
        if (likely(hp && cache_hit(d, hp, mode_key(mode)))) return d;
        s = hp ? decode_into(d, hp, INSN_MAX, mode) : fetch_slow(c, d, va, mode);
    } else {
        s = fetch_slow(c, d, va, mode);
    }
    if (unlikely(s != DECODE_OK)) fetch_fault(c, s);
    return d;
}

/* --- execute --- */

static void trace_exec(const Vcpu *c, const Insn *i)
{
    u32 va = c->seg[CS].base + c->eip;
    if (trace_wants(va)) trace_line("interp [%08x/%08x] %s", c->seg[CS].base, va, i->row->name);
}

void interp_one(Vcpu *c)
{
    c->inhibit = 0;
    const Decoded *d = fetch(c);
    const Insn *i = &d->insn;
    if (unlikely(trace_mask & TRACE_EXEC)) trace_exec(c, i);
    if (unlikely(c->insn_hook != NULL)) c->insn_hook->before(c->insn_hook->ctx, c, i);
    if (unlikely(i->row->checks & CK_CPL0) && c->cpl != 0) raise_gp(c, 0);
    c->eflags &= ~(u32)FL_RF;
    c->next_eip = c->eip + i->len;
    d->exec(c, i);
    c->eip = c->next_eip;
    c->insns_interp++;
    if (c->row_hits) c->row_hits[i->row->id]++;
}

static void interp_run(void *ctx, Vcpu *c, u64 budget)
{
    (void)ctx;
    while (budget-- && !c->halted && !c->inhibit && !cpu_polled(c)) {
        if (unlikely(c->breaking)) {
            if (break_hit(c)) return;
            if (break_hook(c)) continue;
        }
        interp_one(c);
        cpu_count_speed(c);
    }
}

static void interp_paging_changed(void *ctx, Vcpu *c, u32 events)
{
    (void)ctx;
    (void)c;
    (void)events;
}
static void interp_breaks_changed(void *ctx, Vcpu *c)
{
    (void)ctx;
    (void)c;
}
static void interp_break_expected(void *ctx, Vcpu *c, u32 va)
{
    (void)ctx;
    (void)c;
    (void)va;
}
static void interp_leave(void *ctx) { (void)ctx; }
static void interp_invlpg(void *ctx, Vcpu *c, u32 va)
{
    (void)ctx;
    (void)c;
    (void)va;
}

const Engine engine_interp = {
    .name = "interp",
    .run = interp_run,
    .paging_changed = interp_paging_changed,
    .invlpg = interp_invlpg,
    .breaks_changed = interp_breaks_changed,
    .break_expected = interp_break_expected,
    .leave = interp_leave,
};
