/* phys.c - guest physical memory: see phys.h for the contract.
 *
 * The memfd is sparse: a page costs host memory from its first use on, so nothing is cleared at power-on (the
 * host hands out zeroed pages) and MAP_NORESERVE keeps a 3 GiB guest from being refused on a small host.
 * Behind RAM lie SPARE_BYTES for ROM images at addresses that have no RAM under them, and for a frame buffer's memory.
 */
#define _GNU_SOURCE
#include "mmu/phys.h"

#include "cpu/base/host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SPARE_BYTES = 40 << 20, MAP_PAGES = 1 << 20, VGA_FIRST = 0xa0, VGA_LAST = 0xbf };

static bool memory_open(Phys *p)
{
    p->memfd = host_memory_open("ring3-ram", p->memfd_bytes, HOST_MEMORY_DATA);
    if (p->memfd < 0) return false;
    p->ram = mmap(NULL, p->memfd_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, p->memfd, 0);
    return p->ram != MAP_FAILED;
}

Phys *phys_new(Bus *bus, u32 ram_bytes)
{
    Phys *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    *p = (Phys){.memfd = -1, .ram = MAP_FAILED, .bus = bus, .a20_mask = ~0u, .ram_bytes = ram_bytes};
    p->memfd_bytes = ram_bytes + SPARE_BYTES;
    p->pages = calloc(MAP_PAGES, sizeof *p->pages);
    p->watch = calloc(MAP_PAGES, 1);
    if (!p->pages || !p->watch || !memory_open(p)) {
        phys_free(p);
        return NULL;
    }
    for (u32 i = 0; i < ram_bytes >> PAGE_BITS; i++)
        p->pages[i] = (PageInfo){i, i >= VGA_FIRST && i <= VGA_LAST ? PAGE_NONE : PAGE_RAM};
    p->spare_page = ram_bytes >> PAGE_BITS;
    return p;
}

void phys_free(Phys *p)
{
    if (!p) return;
    if (p->ram != MAP_FAILED) munmap(p->ram, p->memfd_bytes);
    if (p->memfd >= 0) close(p->memfd);
    free(p->pages);
    free(p->watch);
    free(p);
}

static u32 chunk(u32 pa, u32 bytes) /* how much of [pa, pa + bytes) lies in pa's page */
{
    u32 n = PAGE_BYTES - (pa & PAGE_MASK);
    return n < bytes ? n : bytes;
}

static void remapped(Phys *p, u32 pa, u32 bytes)
{
    p->remaps++;
    if (p->on_remap) p->on_remap(p->on_remap_ctx, pa, bytes);
}

/* Pages with no memory behind them (above RAM, no ROM image) stay PAGE_NONE. */
void phys_set_kind(Phys *p, u32 pa, u32 bytes, PageKind kind)
{
    for (u32 done = 0, n; done < bytes; done += n) {
        n = chunk(pa + done, bytes - done);
        PageInfo *pi = &p->pages[(pa + done) >> PAGE_BITS];
        bool backed = pa + done < p->ram_bytes || pi->offset_page;
        if (backed) pi->kind = (u8)kind;
    }
    remapped(p, pa, bytes);
}

static bool back_page(Phys *p, u32 pa) /* make sure that the page has memory */
{
    PageInfo *pi = &p->pages[pa >> PAGE_BITS];
    if (pa < p->ram_bytes || pi->offset_page) return true;
    if (p->spare_page == p->memfd_bytes >> PAGE_BITS) return false;
    pi->offset_page = p->spare_page++;
    return true;
}

bool phys_add_rom(Phys *p, u32 pa, const void *image, u32 bytes)
{
    const u8 *from = image;
    if ((u64)pa + bytes > 1ull << 32) return false;
    for (u32 done = 0, n; done < bytes; done += n) {
        n = chunk(pa + done, bytes - done);
        if (!back_page(p, pa + done)) return false;
        PageInfo *pi = &p->pages[(pa + done) >> PAGE_BITS];
        memcpy(p->ram + ((u64)pi->offset_page << PAGE_BITS) + ((pa + done) & PAGE_MASK), from + done, n);
        pi->kind = PAGE_ROM;
    }
    phys_written(p, pa, bytes);
    remapped(p, pa, bytes);
    return true;
}

/* --- video memory ---------------------------------------------------------------------------------------- */

u32 phys_add_vram(Phys *p, u32 bytes)
{
    u32 n = bytes >> PAGE_BITS, end = p->memfd_bytes >> PAGE_BITS;
    if (p->vram_pages || n > end - p->spare_page) return 0;
    p->vram_page = p->spare_page;
    p->vram_pages = n;
    p->spare_page += n;
    return p->vram_page;
}

static bool leads_to_vram(const Phys *p, u32 pfn)
{
    return p->pages[pfn].offset_page - p->vram_page < p->vram_pages;
}

/* The kind goes before the offset, so that those who drop a page still see where it led. */
void phys_unmap_vram(Phys *p, u32 pa, u32 bytes)
{
    u32 first = pa >> PAGE_BITS, n = bytes >> PAGE_BITS;
    for (u32 i = first; i < first + n; i++)
        if (leads_to_vram(p, i)) p->pages[i].kind = PAGE_NONE;
    remapped(p, pa, bytes);
    for (u32 i = first; i < first + n; i++)
        if (leads_to_vram(p, i)) p->pages[i].offset_page = i < p->ram_bytes >> PAGE_BITS ? i : 0;
}

/* RAM and ROM decode before the PCI bus: they stay. Translated code made from what was there before is told. */
void phys_map_vram(Phys *p, u32 pa, u32 bytes, u32 vram_offset)
{
    u32 first = pa >> PAGE_BITS, n = bytes >> PAGE_BITS, page = p->vram_page + (vram_offset >> PAGE_BITS);
    if (vram_offset > p->vram_pages << PAGE_BITS || n > p->vram_pages - (vram_offset >> PAGE_BITS)) return;
    for (u32 i = 0; i < n; i++)
        if (p->pages[first + i].kind == PAGE_NONE && !phys_is_nowhere((first + i) << PAGE_BITS))
            p->pages[first + i] = (PageInfo){page + i, PAGE_RAM};
    phys_written(p, pa, bytes);
    remapped(p, pa, bytes);
}

void phys_set_a20(Phys *p, bool enabled)
{
    u32 mask = enabled ? ~0u : ~0x100000u;
    if (mask == p->a20_mask) return;
    p->a20_mask = mask;
    remapped(p, 0, ~0u);
}

/* --- the CPU's accesses ---------------------------------------------------------------------------------- */

u32 phys_read(Phys *p, u32 pa, unsigned bytes)
{
    const u8 *hp = phys_hp(p, pa);
    if (!hp) {
        p->slow++;
        if (phys_is_nowhere(pa & p->a20_mask)) return ~0u >> (32 - 8 * bytes);
        return bus_mmio_read(p->bus, pa & p->a20_mask, bytes);
    }
    return bytes == 4 ? load32(hp) : bytes == 2 ? load16(hp) : *hp;
}

u64 phys_read64(Phys *p, u32 pa)
{
    const u8 *hp = phys_hp(p, pa);
    if (likely(hp)) return load64(hp);
    u32 low = phys_read(p, pa, 4);
    return low | (u64)phys_read(p, pa + 4, 4) << 32;
}

static void store(u8 *hp, u32 value, unsigned bytes)
{
    if (bytes == 4)
        store32(hp, value);
    else if (bytes == 2)
        store16(hp, (u16)value);
    else
        *hp = (u8)value;
}

static bool same(const u8 *hp, u32 value, unsigned bytes)
{
    return bytes == 4 ? load32(hp) == value : bytes == 2 ? load16(hp) == (u16)value : *hp == (u8)value;
}

void phys_write(Phys *p, u32 pa, u32 value, unsigned bytes)
{
    pa &= p->a20_mask;
    PageKind kind = p->pages[pa >> PAGE_BITS].kind;
    if (likely(kind == PAGE_RAM)) {
        u8 *hp = phys_hp(p, pa);
        if (likely(!p->watch[pa >> PAGE_BITS])) {
            store(hp, value, bytes);
            return;
        }
        p->slow++;
        if (same(hp, value, bytes)) return; /* nothing changes for anybody */
        store(hp, value, bytes);
        phys_written(p, pa, bytes);
        return;
    }
    p->slow++;
    if (kind == PAGE_NONE && !phys_is_nowhere(pa))
        bus_mmio_write(p->bus, pa, value, bytes);
    else if (kind == PAGE_ROM)
        trace(GUEST_ERRORS, "write of %x to ROM at %08x", value, pa);
}

void phys_written(Phys *p, u32 pa, u32 bytes)
{
    for (u32 done = 0, n; done < bytes; done += n) {
        u32 at = (pa + done) & p->a20_mask;
        n = chunk(at, bytes - done);
        u8 watch = p->watch[at >> PAGE_BITS];
        if (watch && p->on_written) p->on_written(p->on_written_ctx, at, n, watch);
    }
}

void phys_replaced(Phys *p)
{
    for (u32 pfn = 0; pfn < MAP_PAGES && p->on_written; pfn++)
        if (p->watch[pfn]) p->on_written(p->on_written_ctx, pfn << PAGE_BITS, PAGE_BYTES, p->watch[pfn]);
}

/* --- DMA ------------------------------------------------------------------------------------------------- */

void phys_dma_read(Phys *p, u32 pa, void *to, u32 bytes)
{
    for (u32 done = 0, n; done < bytes; done += n) {
        const u8 *hp = phys_hp(p, pa + done);
        n = chunk(pa + done, bytes - done);
        if (hp)
            memcpy((u8 *)to + done, hp, n);
        else
            memset((u8 *)to + done, 0xff, n);
    }
}

void phys_dma_write(Phys *p, u32 pa, const void *from, u32 bytes)
{
    for (u32 done = 0, n; done < bytes; done += n) {
        u32 at = (pa + done) & p->a20_mask;
        n = chunk(at, bytes - done);
        if (p->pages[at >> PAGE_BITS].kind == PAGE_RAM) memcpy(phys_hp(p, at), (const u8 *)from + done, n);
    }
    phys_written(p, pa, bytes);
}

/* --- memory that nobody wants ---------------------------------------------------------------------------- */

/* RAM of the guest's: what the page map shows there, but no ROM and no video memory. */
static bool is_plain_ram(const Phys *p, u32 pfn)
{
    return p->pages[pfn].kind == PAGE_RAM && p->pages[pfn].offset_page < p->ram_bytes >> PAGE_BITS;
}

/* How many of the n pages from pfn on are RAM that lies in one piece, A20 or not. */
static u32 ram_run(const Phys *p, u32 pfn, u32 n)
{
    u32 count = 0, first = p->pages[pfn].offset_page;
    while (count < n && is_plain_ram(p, pfn + count) && p->pages[pfn + count].offset_page == first + count &&
           !((pfn + count) << PAGE_BITS & ~p->a20_mask))
        count++;
    return count;
}

/* All mappings of these pages, the windows' too, show zeros behind this: the host takes the pages out of each. */
void phys_discard(Phys *p, u32 pa, u32 bytes)
{
    u32 pfn = (u32)(((u64)pa + PAGE_MASK) >> PAGE_BITS), end = (u32)(((u64)pa + bytes) >> PAGE_BITS);
    for (u32 n; pfn < end && end <= MAP_PAGES; pfn += n) {
        n = ram_run(p, pfn, end - pfn);
        off_t offset = (off_t)p->pages[pfn].offset_page << PAGE_BITS, length = (off_t)n << PAGE_BITS;
        if (!n)
            n = 1;
        else if (!fallocate(p->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length))
            phys_written(p, pfn << PAGE_BITS, n << PAGE_BITS);
    }
}
