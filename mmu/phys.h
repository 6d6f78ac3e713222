/* phys.h - guest physical memory: one memfd, a page map over the 4 GiB, A20, and the trace layer.
 *
 * The memfd holds RAM at offset = pa; ROM images loaded above RAM (4 GiB - 64 KiB) and video memory get pages behind
 * it. It is mapped once, linearly, read-write (`ram`): C code reaches guest memory there and nowhere else, and
 * through phys_write* when it writes, so that watchers hear of it.
 *
 * The guest's physical addresses have 32 bits here. PAE's have 36, and all of them above 4 GiB are PA_NOWHERE: a page
 * that the chipset keeps for APICs, so that neither RAM nor the PCI bus answers there (82441FX, "memory address map":
 * FEC00000 to FEEFFFFF). It reads as ones and takes no write, whatever BAR lies over it.
 *
 * Trace layer: any physical page may be watched (page tables, code, ROM, frame buffers). A write by C code
 * (interpreter or DMA) calls phys_written(); a write by translated code cannot reach a watched page, since
 * the windows map it read-only.
 */
#ifndef RING3_PHYS_H
#define RING3_PHYS_H

#include "cpu/base/base.h"
#include "mmu/bus.h"

/* clang-format off */

typedef enum PageKind { PAGE_NONE = 0 /* MMIO or nothing */, PAGE_RAM, PAGE_ROM /* readable, writes ignored */ } PageKind;

#define PA_NOWHERE 0xfecff000u /* bit 20 is clear: the same with A20 off */
static inline bool phys_is_nowhere(u32 pa) { return (pa & ~(u32)PAGE_MASK) == PA_NOWHERE; }
enum { WATCH_CODE = 1, WATCH_PT = 2, WATCH_OTHER = 4 }; /* phys->watch[pfn] bits */

typedef struct PageInfo {
    u32 offset_page; /* memfd offset >> 12; valid unless PAGE_NONE */
    u8 kind;
} PageInfo;

struct Phys {
    int memfd;
    u8 *ram;              /* linear view of the memfd */
    u32 ram_bytes;        /* size of RAM, from pa 0 (VGA hole included in the memfd, not in the map) */
    u32 memfd_bytes;
    u32 spare_page;       /* next unused memfd page behind RAM (ROM images, video memory) */
    u32 vram_page, vram_pages; /* where in the memfd video memory lies; 0 pages: there is none */
    PageInfo *pages;      /* [1 << 20] by pa >> 12 */
    u64 slow;             /* CPU accesses that a window would not have served: devices, ROM, watched pages */
    u8 *watch;            /* [1 << 20] WATCH_ bits */
    u32 a20_mask;         /* ~0 or ~0x100000: applied to every pa */
    u32 remaps;           /* how often the map, or A20, changed: host addresses hold while it stays the same */
    Bus *bus;
    /* Called for a write to a watched page, after the bytes changed, on the vCPU thread. */
    void (*on_written)(void *ctx, u32 pa, u32 bytes, u8 watch);
    void *on_written_ctx;
    /* Called when the map changes (ROM shadowing, A20): engine drops what it derived. */
    void (*on_remap)(void *ctx, u32 pa, u32 bytes);
    void *on_remap_ctx;
};
typedef struct Phys Phys;

/* phys_new - RAM of `ram_bytes` (page multiple, 1 MiB .. 3 GiB): pa 0..9ffff and 1 MiB up are RAM, a0000-bffff
 * nothing, c0000-fffff RAM until phys_set_kind. NULL: the host had no memory (errno). */
Phys *phys_new(Bus *bus, u32 ram_bytes);
void phys_free(Phys *p);
void phys_set_kind(Phys *p, u32 pa, u32 bytes, PageKind kind);
/* Copy a ROM image in and mark it PAGE_ROM; pa may lie above RAM (backed by extra memfd pages). */
bool phys_add_rom(Phys *p, u32 pa, const void *image, u32 bytes);
void phys_set_a20(Phys *p, bool enabled);

/* phys_add_vram - memory for a frame buffer, once: the first of its pages in the memfd; 0: no room. It lies at `ram`
 * + (page << PAGE_BITS) and is nowhere in the map until phys_map_vram shows a part of it from `pa` on, as PAGE_RAM.
 * Several places may show the same part; RAM and ROM that lie there already stay. All in whole pages. */
u32 phys_add_vram(Phys *p, u32 bytes);
void phys_map_vram(Phys *p, u32 pa, u32 bytes, u32 vram_offset);
void phys_unmap_vram(Phys *p, u32 pa, u32 bytes); /* ... and nothing else is taken away */

static inline u8 *phys_hp(const Phys *p, u32 pa) /* RAM or ROM byte, else NULL */
{
    const PageInfo *pi = &p->pages[(pa &= p->a20_mask) >> PAGE_BITS];
    return pi->kind == PAGE_NONE ? NULL : p->ram + ((u64)pi->offset_page << PAGE_BITS) + (pa & PAGE_MASK);
}

/* Physical access as the CPU does it, 1/2/4 bytes within one page: RAM, ROM or the bus. */
u32 phys_read(Phys *p, u32 pa, unsigned bytes);
void phys_write(Phys *p, u32 pa, u32 value, unsigned bytes);
u64 phys_read64(Phys *p, u32 pa); /* an entry of PAE's tables: aligned to 8 */

/* DMA: any length, crosses pages; MMIO pages read as ones and ignore writes. Ends with phys_written. */
void phys_dma_read(Phys *p, u32 pa, void *to, u32 bytes);
void phys_dma_write(Phys *p, u32 pa, const void *from, u32 bytes);
/* Somebody wrote guest memory through phys_hp: tell the watchers. Within RAM; crosses pages. */
void phys_written(Phys *p, u32 pa, u32 bytes);
/* phys_discard - the whole pages within [pa, pa + bytes) that are RAM hold nothing that anybody wants: they read as zeros
 * from now on, the host has their memory back, and watchers hear of it. Other pages stay as they are, and so does RAM
 * where the host can take no memory back (a file on a file system without holes). */
void phys_discard(Phys *p, u32 pa, u32 bytes);
/* All of memory is other than it was (a machine was loaded): tell all watchers, whatever A20 hides. */
void phys_replaced(Phys *p);

/* clang-format on */
#endif
