/* shadow.h - the shadow page tables: windows of host address space in which translated code reaches guest
 * linear memory, kept coherent with the guest's page tables.
 *
 * A window is 4 GiB of host addresses between two guards of 2 GiB: guest linear address va is the byte window + va.
 * Its pages are mmap'ed from the memfd of guest RAM with the rights that the guest's tables grant, one shadow entry
 * each. What is not mapped raises SIGSEGV; the translator's handler calls shadow_fault().
 *
 * For pages that are not worth a mapping there is the table form: an array with an entry a page (TableEntry), filled by
 * shadow_lookup() and kept coherent like the windows.
 *
 *   P   paging off: va = pa; RAM in a few large mappings.
 *   U   one per address space: user pages (U=1 in PDE and PTE) with the rights of ring 3.
 *   K   supervisor pages for rings 0-2, shared by all address spaces as long as their directory slots agree; a
 *       slot that differs is private to the address space (dropped or switched at a CR3 load: this file's choice).
 *       CR0.WP=0 has a K window of its own, in which supervisor writes ignore R/W.
 *
 * Contracts (docs/MMU.md; tests/unit/mmu_shadow*.c):
 *  - Coherence: a guest write to an entry takes effect no later than the next access through a window that could
 *    use it, INVLPG or not. Page-table pages behind live shadow entries carry WATCH_PT: every window maps them
 *    read-only, C code's writes arrive through phys_written(). Upgrades are lazy (next fault), downgrades at once
 *    in windows that are in use, queued and merged for the others (applied before they are used again).
 *  - A and D bits as on hardware: a page is mapped only after its A bits are set, writable only after D.
 *  - A CR3 load drops nothing by itself.
 *  - A write-watched page (phys->watch != 0) and ROM are never writable in any window.
 *  - Never more VMAs than the budget; eviction LRU by window, in slices.
 * Everything is async-signal-safe between calls (no malloc in shadow_fault: pools are grown elsewhere or by mmap).
 */
#ifndef RING3_SHADOW_H
#define RING3_SHADOW_H

#include "mmu/walk.h"

typedef struct Shadow Shadow;

typedef struct ShadowHooks {
    void *ctx;
    /* Bytes of a WATCH_CODE page were changed (by C code; after the change). */
    void (*code_written)(void *ctx, u32 pa, u32 bytes);
    /* An executable mapping handed out by shadow_fetch() is gone. `shared`: it was in K or P (all address spaces). */
    void (*fetch_dropped)(void *ctx, u32 va, bool user, bool shared);
    /* Page pfn is watched for more than code now, or pages changed their kind or place (bytes ~0: A20): what was known
     * of them as plain RAM is not true any more. May be NULL. */
    void (*page_watched)(void *ctx, u32 pfn);
    /* Is it known, byte by byte, where page pfn holds code? May be NULL: it is not. */
    bool (*code_opened)(void *ctx, u32 pfn);
    void (*remapped)(void *ctx, u32 pa, u32 bytes);
} ShadowHooks;

/* shadow_new - takes over phys->on_written and on_remap. vma_budget 0: 70 % of vm.max_map_count. NULL: no
 * address space. */
Shadow *shadow_new(Phys *p, const ShadowHooks *h, unsigned vma_budget);
void shadow_free(Shadow *s);

/* The table form: for each page of a window, what translated code may do with it without asking (docs/MMU.md). An
 * access of n bytes at va is allowed if `read` (`write`) + (va + n - 1 >> 12) + 1 is 0, modulo 2^32: the entry
 * holds, and the last byte is in the same page. Its host address is va + add. */
typedef struct TableEntry {
    u64 add;
    u32 read;  /* ~page; 0: ask shadow_lookup() */
    u32 write; /* the same, or ~page + TABLE_CODE: where there is no code */
} TableEntry;
#define TABLE_CODE 0x80000000u

/* What translated code runs with. Any shadow_ call may change it; reload registers from it afterwards. */
typedef struct ShadowView {
    u8 *current;                    /* P, U (ring 3) or K (rings 0-2) */
    TableEntry *table, *user_table; /* of that window; of U (P when paging is off) */
    /* Id of (address space, generation of its executable mappings); not reused before shadow_renew_ids(). */
    u32 space;
    u32 shared; /* the same for what all address spaces share (K, P) */
    /* Which K it is: 0, or 1 for address spaces that show little of the kernel. What was handed out of K for fetches,
     * with CR0.WP or without, and not dropped since, is mapped alike in all address spaces with the same `kernel`. */
    u8 kernel;
} ShadowView;
const ShadowView *shadow_view(const Shadow *s);

/* The inputs of translation changed (MOV CR0/CR3/CR4, task switch, ring change): select windows. Cheap when only
 * `user_ring` changes (two loads). */
void shadow_activate(Shadow *s, const Paging *pg, bool user_ring);
void shadow_set_ring(Shadow *s, bool user_ring);
/* Paging.smap changed, and nothing else: while it holds, rings 0-2 find every user page in shadow_lookup(), which says
 * SHADOW_PF. Their own pages are in K, which has no user pages anyway. */
void shadow_set_smap(Shadow *s, bool holds);
void shadow_invlpg(Shadow *s, u32 va);
/* Have so many ids of view.space and view.shared been given that they might repeat soon? Then, before the guest runs
 * on: all windows get new ones, from 1 on, and the caller forgets every id that it has seen. */
bool shadow_ids_end(const Shadow *s);
void shadow_renew_ids(Shadow *s);
void shadow_a20_changed(Shadow *s);

typedef enum ShadowResult {
    SHADOW_MAPPED,   /* mapped now: retry the instruction */
    SHADOW_PF,       /* the guest's #PF: error in walk->error */
    SHADOW_MMIO,     /* allowed, but no memory behind it */
    SHADOW_WATCHED,  /* allowed write to a write-watched page (page table, code) */
    SHADOW_ROM,      /* allowed write to ROM */
    SHADOW_USER,     /* rings 0-2: it is a user page; go through view.user_table */
    SHADOW_STRADDLE, /* the table form: an operand in two pages */
    SHADOW_WRAP, /* outside of the window: an operand across 4 GiB, or a 64-bit sum that is not the 32-bit one */
    SHADOW_RESULTS
} ShadowResult;
/* shadow_fault - an access of translated code at `host_addr` (inside a window of this Shadow) trapped. Finds va
 * and window, walks, maps (a run of contiguous accessed pages where that is cheap) or says why not. */
ShadowResult shadow_fault(Shadow *s, const void *host_addr, bool write, u32 *va, Walk *walk);
/* shadow_lookup - an access of `bytes` at va that a table does not know: its host address, entered in the table of
 * the window that the page belongs to (U for user pages, also for rings 0-2); NULL: *why, walk->error. Pages with
 * code only are entered for writing where there is none if hooks.code_opened says so; this access is refused all
 * the same. */
u8 *shadow_lookup(Shadow *s, u32 va, unsigned bytes, bool write, ShadowResult *why, Walk *walk);
/* shadow_store32 - a store of rings 0-2 to a page table of theirs that is watched for nothing else: done, and the
 * shadow follows. False: not that, and nothing done. */
bool shadow_store32(Shadow *s, u32 va, u32 value);
/* Do the guards stop an operand of base + index * 8 + displacement, zero-extended? */
bool shadow_is_wide(const Shadow *s);
/* Is host_addr inside any window (guard included)? */
bool shadow_owns(const Shadow *s, const void *host_addr);
/* Map va ahead of its use (after a guest #PF was handled), if a walk allows it. user/write as the access to come.
 * False: not mapped, and better interpreted. (A page that stands for many, such as a page of zeros, is read once and
 * then replaced.) */
bool shadow_prefill(Shadow *s, u32 va, bool write, bool user);

/* shadow_fetch - translate va for instruction fetch with the current ring's rights. On success *pa is the
 * address and the mapping is remembered: hooks.fetch_dropped tells when it ends. Result SHADOW_MAPPED, SHADOW_PF
 * or SHADOW_MMIO (not RAM or ROM: interpret). *shared: the mapping lies in K or P. */
ShadowResult shadow_fetch(Shadow *s, u32 va, u32 *pa, bool *shared, u32 *error);

/* Watch bits of a physical page: setting write-protects every window mapping of it. */
void shadow_watch(Shadow *s, u32 pfn, u8 bits);
void shadow_unwatch(Shadow *s, u32 pfn, u8 bits);

/* shadow_hide - `pages` has a bit for each linear page (of 2^20); no window and no table shows those, whatever the
 * guest's tables say: every access, and every fetch, is SHADOW_MMIO. The map stays the caller's, who calls again when
 * a bit was set. NULL: none, which is also right for bits that were cleared. */
void shadow_hide(Shadow *s, const u32 *pages);

typedef struct ShadowStats {
    u64 fills, filled_pages, drops, downgrades, pt_writes, pt_effective, cr3_loads, cr3_new, slots_dropped,
        evictions, mmaps, mprotects, lookups;
    u32 vmas, windows;
} ShadowStats;
const ShadowStats *shadow_stats(const Shadow *s);

/* For people: what the windows in use show (user pages by U, supervisor pages by K; without paging all by P). */
enum { SHADOW_PARTS = 1024, SHADOW_PART_PAGES = 1024 };
enum {
    PAGE_IS_MAPPED = 1, /* by the window; PAGE_IS_WRITABLE: to be written, too */
    PAGE_IS_WRITABLE = 2,
    PAGE_IS_HIDDEN = 4, /* mapped, but without rights: it was taken away, and may come back */
    PAGE_IS_TABLED = 8, /* by the table form */
    PAGE_IS_TABLE_WRITABLE = 16,
    PAGE_IS_FETCHED = 32,
    PAGE_IS_CODE = 64, /* watched: there are blocks of it */
    PAGE_IS_PAGE_TABLE = 128,
    PAGE_IS_USER = 256
};
typedef struct ShadowPage {
    u32 pfn;
    u16 is; /* PAGE_IS_ bits; 0: nobody has come here */
} ShadowPage;
typedef struct ShadowPart { /* 4 MiB: how many pages are */
    u16 mapped, writable, hidden, tabled, code, tables;
} ShadowPart;
void shadow_parts(const Shadow *s, ShadowPart parts[SHADOW_PARTS]);
void shadow_pages(const Shadow *s, u32 va, ShadowPage pages[SHADOW_PART_PAGES]); /* of the 4 MiB around va */

#endif
