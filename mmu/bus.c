/* bus.c - dispatch of port and memory-mapped accesses to devices.
 *
 * Ports: a table of 64 K range numbers, so that the polling loops of drivers cost one look-up. Memory: the
 * ranges flattened to a sorted list of disjoint spans, searched by halves; both are rebuilt when a range is
 * added or moved, which happens at power-on and when a BAR is programmed.
 *
 * The rule for sizes: an access belongs to the range that claims its first byte, if that range reaches to its
 * last byte and takes the size. Otherwise it is split into halves, low half first, as the PIIX splits for ISA
 * (OUT DX,AX to an 8-bit chip writes index, then data). So a byte-wide range laid over a doubleword register
 * (0xCF9 inside 0xCF8) gets byte accesses and leaves the doubleword whole. An access narrower than min_bytes
 * becomes an aligned one: reads take the lane they want, writes keep the other lanes as they read.
 *
 * Nothing claims it: all ones, writes lost; trace(UNIMP) once a port or a page of memory.
 */
#include "mmu/bus.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/base/timeline.h"

enum { RANGES_MAX = 512, PORTS = 0x10000 };

typedef struct Range {
    IoRange io;
    bool mmio, enabled;
} Range;

typedef struct Span { /* memory: [first, last] belongs to range id */
    u32 first, last;
    u16 id;
} Span;

struct Bus {
    u64 *hits;      /* [RANGES_MAX] accesses to each; NULL: not counted */
    unsigned count; /* ranges in use; id 0 means nobody */
    Range ranges[RANGES_MAX];
    u16 ports[PORTS];
    unsigned span_count;
    Span spans[2 * RANGES_MAX];
    Span last;                 /* where the last access to memory went; id 0: nowhere */
    u8 port_missed[PORTS / 8]; /* bit: an unclaimed access was traced */
    u8 page_missed[1 << 20 >> 3];
};

Bus *bus_new(void)
{
    Bus *b = calloc(1, sizeof *b);
    if (b) b->count = 1;
    return b;
}

void bus_free(Bus *b)
{
    free(b->hits);
    free(b);
}

/* --- maps ------------------------------------------------------------------------------------------------ */

static u32 range_last(const Range *r) { return r->io.base + (r->io.length - 1); }

static void ports_rebuild(Bus *b)
{
    memset(b->ports, 0, sizeof b->ports);
    for (unsigned id = 1; id < b->count; id++) {
        const Range *r = &b->ranges[id];
        if (r->mmio || !r->enabled) continue;
        for (u32 i = 0; i < r->io.length; i++) b->ports[(u16)(r->io.base + i)] = (u16)id;
    }
}

/* The latest enabled memory range that holds `pa`, and in *last the address up to which that stays true. */
static u16 owner_of(const Bus *b, u32 pa, u32 *last)
{
    *last = ~0u;
    for (unsigned id = b->count - 1; id; id--) {
        const Range *r = &b->ranges[id];
        if (!r->mmio || !r->enabled) continue;
        if (pa >= r->io.base && pa <= range_last(r)) {
            if (range_last(r) < *last) *last = range_last(r);
            return (u16)id;
        }
        if (r->io.base > pa && r->io.base - 1 < *last) *last = r->io.base - 1; /* a later range begins here */
    }
    return 0;
}

const IoRange *bus_mmio_owner(const Bus *b, u32 pa, u32 *last)
{
    u16 id = owner_of(b, pa, last);
    return id ? &b->ranges[id].io : NULL;
}

const IoRange *bus_port_owner(const Bus *b, u16 port, u32 *last)
{
    u16 id = b->ports[port];
    for (*last = port; *last < PORTS - 1 && b->ports[*last + 1] == id; ++*last) continue;
    return id ? &b->ranges[id].io : NULL;
}

static void spans_rebuild(Bus *b)
{
    u32 pa = 0, last;
    b->span_count = 0;
    b->last.id = 0;
    do {
        u16 id = owner_of(b, pa, &last);
        if (id) {
            CHECK(b->span_count < ARRAY_LEN(b->spans), "too many memory-mapped regions");
            b->spans[b->span_count++] = (Span){pa, last, id};
        }
        pa = last + 1;
    } while (pa);
}

static int range_add(Bus *b, bool mmio, u32 base, u32 length, const IoOps *ops, void *dev, const char *name)
{
    CHECK(b->count < RANGES_MAX, "too many device ranges (%s)", name);
    CHECK(length && (u64)base + length <= (mmio ? 1ull << 32 : PORTS), "range of %s leaves the bus", name);
    int id = (int)b->count++;
    b->ranges[id] = (Range){{base, length, ops, dev, name, NULL, NULL}, mmio, true};
    mmio ? spans_rebuild(b) : ports_rebuild(b);
    return id;
}

int bus_add_ports(Bus *b, u32 port, u32 count, const IoOps *ops, void *dev, const char *name)
{
    return range_add(b, false, port, count, ops, dev, name);
}

int bus_add_mmio(Bus *b, u32 pa, u32 bytes, const IoOps *ops, void *dev, const char *name)
{
    return range_add(b, true, pa, bytes, ops, dev, name);
}

/* A guest may program any base into a BAR: one that would leave the bus is switched off instead. */
void bus_move(Bus *b, int id, bool enabled, u32 base)
{
    CHECK(id > 0 && (unsigned)id < b->count, "bus_move of range %d", id);
    Range *r = &b->ranges[id];
    bool fits = (u64)base + r->io.length <= (r->mmio ? 1ull << 32 : PORTS);
    if (enabled && !fits) trace(GUEST_ERRORS, "bus: %s does not fit at %08x", r->io.name, base);
    r->io.base = base;
    r->enabled = enabled && fits;
    r->mmio ? spans_rebuild(b) : ports_rebuild(b);
}

/* --- dispatch -------------------------------------------------------------------------------------------- */

static u16 span_find(Bus *b, u32 pa)
{
    if (likely(b->last.id && pa - b->last.first <= b->last.last - b->last.first)) return b->last.id;
    unsigned lo = 0, hi = b->span_count;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (b->spans[mid].last < pa)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == b->span_count || b->spans[lo].first > pa) return 0;
    b->last = b->spans[lo];
    return b->last.id;
}

static u16 id_at(Bus *b, bool mmio, u32 addr) { return mmio ? span_find(b, addr) : b->ports[addr & 0xffff]; }

/* The range that takes the access whole, or NULL: split it (or, at one byte, nobody is there). */
static const IoRange *range_taking(Bus *b, bool mmio, u32 addr, unsigned bytes)
{
    u16 id = id_at(b, mmio, addr);
    if (!id) return NULL;
    if (unlikely(b->hits)) b->hits[id]++;
    const IoRange *io = &b->ranges[id].io;
    return bytes <= io->ops->max_bytes && addr - io->base + bytes <= io->length ? io : NULL;
}

static bool nobody_at(Bus *b, bool mmio, u32 addr, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        if (id_at(b, mmio, addr + i)) return false;
    u8 *missed = mmio ? b->page_missed : b->port_missed;
    u32 n = mmio ? addr >> PAGE_BITS : addr & 0xffff;
    if (!(missed[n / 8] & BIT(n % 8))) {
        missed[n / 8] |= (u8)BIT(n % 8);
        trace(UNIMP, mmio ? "memory at %08x: nobody there" : "port %04x: nobody there", addr);
    }
    return true;
}

static u32 ones(unsigned bytes) { return bytes == 4 ? ~0u : BIT(8 * bytes) - 1; }

/* Offset and size of the aligned access of at least min_bytes that holds [offset, offset + bytes). An access
 * that is too narrow and also crosses such a unit is cut off at its end. */
typedef struct Lane {
    u32 offset;
    unsigned bytes, shift;
} Lane;

static Lane lane_of(const IoRange *io, u32 offset, unsigned bytes)
{
    unsigned min = io->ops->min_bytes;
    if (bytes >= min) return (Lane){offset, bytes, 0};
    return (Lane){offset & ~(min - 1), min, 8 * (offset & (min - 1))};
}

u32 bus_range_read(const IoRange *io, u32 offset, unsigned bytes)
{
    Lane l = lane_of(io, offset, bytes);
    return io->ops->read(io->dev, l.offset, l.bytes) >> l.shift & ones(bytes);
}

void bus_range_write(const IoRange *io, u32 offset, u32 value, unsigned bytes)
{
    Lane l = lane_of(io, offset, bytes);
    value &= ones(bytes);
    if (l.bytes != bytes) {
        u32 old = io->ops->read(io->dev, l.offset, l.bytes), mask = ones(bytes) << l.shift;
        value = (old & ~mask) | (value << l.shift & mask);
    }
    io->ops->write(io->dev, l.offset, value, l.bytes);
}

static u32 bus_read(Bus *b, bool mmio, u32 addr, unsigned bytes)
{
    const IoRange *io = range_taking(b, mmio, addr, bytes);
    if (io) return bus_range_read(io, addr - io->base, bytes);
    if (bytes == 1 || nobody_at(b, mmio, addr, bytes)) {
        if (bytes == 1) nobody_at(b, mmio, addr, 1);
        return ones(bytes);
    }
    unsigned half = bytes / 2;
    u32 low = bus_read(b, mmio, addr, half);
    return low | bus_read(b, mmio, addr + half, half) << (8 * half);
}

static void bus_write(Bus *b, bool mmio, u32 addr, u32 value, unsigned bytes)
{
    const IoRange *io = range_taking(b, mmio, addr, bytes);
    if (io) {
        bus_range_write(io, addr - io->base, value, bytes);
        return;
    }
    if (nobody_at(b, mmio, addr, bytes) || bytes == 1) return;
    unsigned half = bytes / 2;
    bus_write(b, mmio, addr, value, half);
    bus_write(b, mmio, addr + half, value >> (8 * half), half);
}

static const char *name_at(Bus *b, bool mmio, u32 addr)
{
    u16 id = id_at(b, mmio, addr);
    return id ? b->ranges[id].io.name : "nobody";
}

/* --- traces: -d io, and -trace --- */

#define TRACED (TRACE_IO | TRACE_TIMELINE)

static void print_access(Bus *b, bool mmio, bool write, u32 addr, u32 value, unsigned bytes)
{
    const char *what = mmio ? "mmio" : write ? "out " : "in  ";
    trace_line("%s %0*x %u %s %0*x  %s", what, mmio ? 8 : 4, addr, bytes, write ? "<-" : "->", 2 * (int)bytes,
               value, name_at(b, mmio, addr));
}

static u32 traced_read(Bus *b, bool mmio, u32 addr, unsigned bytes)
{
    u64 since = timeline_now();
    u32 v = bus_read(b, mmio, addr, bytes);
    if (since) timeline_add(TIMELINE_DEVICE, since, name_at(b, mmio, addr), addr, v);
    if (trace_mask & TRACE_IO) print_access(b, mmio, false, addr, v, bytes);
    return v;
}

static void traced_write(Bus *b, bool mmio, u32 addr, u32 value, unsigned bytes)
{
    const char *name = name_at(b, mmio, addr);
    u64 since = timeline_now();
    value &= ones(bytes);
    if (trace_mask & TRACE_IO) print_access(b, mmio, true, addr, value, bytes);
    bus_write(b, mmio, addr, value, bytes);
    if (since) timeline_add(TIMELINE_DEVICE, since, name, addr, value);
}

u32 bus_port_in(Bus *b, u16 port, unsigned bytes)
{
    return unlikely(trace_mask & TRACED) ? traced_read(b, false, port, bytes)
                                         : bus_read(b, false, port, bytes);
}

void bus_port_out(Bus *b, u16 port, u32 value, unsigned bytes)
{
    if (unlikely(trace_mask & TRACED))
        traced_write(b, false, port, value, bytes);
    else
        bus_write(b, false, port, value, bytes);
}

u32 bus_mmio_read(Bus *b, u32 pa, unsigned bytes)
{
    return unlikely(trace_mask & TRACED) ? traced_read(b, true, pa, bytes) : bus_read(b, true, pa, bytes);
}

void bus_mmio_write(Bus *b, u32 pa, u32 value, unsigned bytes)
{
    if (unlikely(trace_mask & TRACED))
        traced_write(b, true, pa, value, bytes);
    else
        bus_write(b, true, pa, value, bytes);
}

/* --- runs --- */

static const IoRange *data_port(Bus *b, u16 port, unsigned bytes)
{
    return trace_mask & TRACED ? NULL : range_taking(b, false, port, bytes);
}

u32 bus_port_in_run(Bus *b, u16 port, unsigned bytes, void *to, u32 count)
{
    const IoRange *io = data_port(b, port, bytes);
    return io && io->runs ? io->runs->read(io->dev, port - io->base, bytes, to, count) : 0;
}

u32 bus_port_out_run(Bus *b, u16 port, unsigned bytes, const void *from, u32 count)
{
    const IoRange *io = data_port(b, port, bytes);
    return io && io->runs ? io->runs->write(io->dev, port - io->base, bytes, from, count) : 0;
}

void bus_set_runs(Bus *b, int id, const IoRuns *runs)
{
    CHECK(id > 0 && (unsigned)id < b->count, "bus_set_runs of range %d", id);
    b->ranges[id].io.runs = runs;
}

const IoRange *bus_mmio_run(Bus *b, u32 pa, unsigned bytes, u32 *n)
{
    const IoRange *io = range_taking(b, true, pa, bytes);
    if (!io || trace_mask & TRACED) return NULL;
    u32 room = b->last.last - pa; /* + 1: another range may lie over the rest of this one */
    if (room < bytes - 1) return NULL;
    if (room / bytes < *n) *n = room - bytes * (room / bytes) == bytes - 1 ? room / bytes + 1 : room / bytes;
    return io;
}

/* --- for people ------------------------------------------------------------------------------------------ */

void bus_count(Bus *b)
{
    if (!b->hits) b->hits = calloc(RANGES_MAX, sizeof *b->hits);
}

void bus_counts(const Bus *b, void (*tell)(void *ctx, const IoRange *r, bool mmio, u64 count), void *ctx)
{
    for (unsigned id = 1; b->hits && id < b->count; id++)
        tell(ctx, &b->ranges[id].io, b->ranges[id].mmio, b->hits[id]);
}

/* --- who waits at a port --------------------------------------------------------------------------------- */

void bus_set_still(Bus *b, int id, IoStill *still)
{
    CHECK(id > 0 && (unsigned)id < b->count, "bus_set_still of range %d", id);
    b->ranges[id].io.still = still;
}

static u64 still_byte(const Bus *b, u16 port)
{
    u16 id = b->ports[port];
    const IoRange *io = &b->ranges[id].io;
    if (!id) return STILL_UNTIL_EVENT;
    return io->still ? io->still(io->dev, port - io->base) : 0;
}

u64 bus_port_still(const Bus *b, u16 port, unsigned bytes)
{
    u64 least = STILL_UNTIL_EVENT;
    for (unsigned n = 0; n < bytes; n++) {
        u64 still = still_byte(b, (u16)(port + n));
        if (still < least) least = still;
    }
    return least;
}
