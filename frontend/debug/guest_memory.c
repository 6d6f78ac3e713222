/* guest_memory.c - see guest_memory.h.
 *
 * A device's register may change by being read, as on a real bus analyser that drives the bus.
 */
#include "frontend/debug/guest_memory.h"

#include "mmu/bus.h"
#include "mmu/phys.h"

static bool to_physical(const Vcpu *c, bool linear, u32 *address)
{
    return !linear || lin_peek(c, *address, address);
}

static u32 in_page(u32 at, u32 n)
{
    u32 room = PAGE_BYTES - (at & PAGE_MASK);
    return n < room ? n : room;
}

/* The largest access that device memory takes at pa. */
static unsigned bus_step(u32 pa, u32 n) { return n >= 4 && !(pa & 3) ? 4 : n >= 2 && !(pa & 1) ? 2 : 1; }

/* n bytes within a page, at a physical address. */
static void read_page(Phys *p, u32 pa, u8 *to, u32 n)
{
    const u8 *ram = phys_hp(p, pa);
    if (ram) {
        memcpy(to, ram, n);
        return;
    }
    u32 last;
    if (!bus_mmio_owner(p->bus, pa & p->a20_mask, &last) && last - (pa & p->a20_mask) >= n - 1) {
        memset(to, 0xff, n); /* nobody there */
        return;
    }
    for (u32 step; n; pa += step, to += step, n -= step) {
        step = bus_step(pa, n);
        u32 v = phys_read(p, pa, step);
        memcpy(to, &v, step);
    }
}

u32 guest_readable(const Vcpu *c, bool linear, u64 address, u32 n)
{
    u32 done = 0;
    if (!linear && address >= 1ull << 32) return 0;
    if (!linear && address + n > 1ull << 32) n = (u32)((1ull << 32) - address);
    while (done < n) {
        u32 at = (u32)address + done, pa = at;
        if (!to_physical(c, linear, &pa)) break;
        done += in_page(at, n - done);
    }
    return done;
}

bool guest_read(const Vcpu *c, bool linear, u64 address, void *to, u32 n)
{
    if (guest_readable(c, linear, address, n) != n) return false;
    for (u32 step, at = (u32)address; n; at += step, to = (u8 *)to + step, n -= step) {
        u32 pa = at;
        step = in_page(at, n);
        to_physical(c, linear, &pa);
        read_page(c->phys, pa, to, step);
    }
    return true;
}

static bool is_rom(const Phys *p, u32 pa)
{
    return p->pages[(pa & p->a20_mask) >> PAGE_BITS].kind == PAGE_ROM;
}

static bool writable(const Vcpu *c, bool linear, u64 address, u32 n)
{
    if (guest_readable(c, linear, address, n) != n) return false;
    for (u32 step, at = (u32)address; n; at += step, n -= step) {
        u32 pa = at;
        step = in_page(at, n);
        to_physical(c, linear, &pa);
        if (is_rom(c->phys, pa)) return false;
    }
    return true;
}

static void write_page(Phys *p, u32 pa, const u8 *from, u32 n)
{
    if (phys_hp(p, pa)) {
        phys_dma_write(p, pa, from, n);
        return;
    }
    for (u32 step; n; pa += step, from += step, n -= step) {
        u32 v = 0;
        step = bus_step(pa, n);
        memcpy(&v, from, step);
        phys_write(p, pa, v, step);
    }
}

bool guest_write(Vcpu *c, bool linear, u64 address, const void *from, u32 n)
{
    const u8 *bytes = from;
    if (!writable(c, linear, address, n)) return false;
    for (u32 step, at = (u32)address; n; at += step, bytes += step, n -= step) {
        u32 pa = at;
        step = in_page(at, n);
        if (!to_physical(c, linear, &pa) || is_rom(c->phys, pa))
            return false; /* the last page was its table */
        write_page(c->phys, pa, bytes, step);
    }
    return true;
}
