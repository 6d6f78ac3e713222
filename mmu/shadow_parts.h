/* shadow_parts.h - what the files behind shadow.h share. Nobody else includes this.
 *
 *   window.c  host side: reservation, mmap/mprotect, VMA count, pending downgrades and their flush
 *   slot.c    shadow entries: slots, the back map from physical pages, what the guest's tables want
 *   space.c   which windows are in use: address spaces, agreement of K with the directory, eviction
 *   table.c   the arrays of the table form
 *   trace.c   watched pages: writes to page tables and directories, remaps
 *   look.c    what a person may see of it
 *   shadow.c  the public side: life cycle, activation, faults, fetches
 *
 * Terms. A *slot* is the shadow of one directory entry in one window: 1024 shadow entries, 4 MiB of addresses; with PAE
 * one half of them, 2 MiB (so that the place of a page in its slot is the same with both: page % SLOT_PAGES).
 * A shadow *entry* is pfn << 12 | SE_ bits; 0 when there is none. An entry is in the back map (chain of its
 * pfn) exactly while it is not 0. SE_R, SE_W and SE_N say what the host has mapped *now*; SE_DROP and SE_RO say what
 * a flush of the window has yet to take away. SE_T, SE_TW and SE_TC say what the table has (table.c), which never
 * waits.
 */
#ifndef RING3_SHADOW_PARTS_H
#define RING3_SHADOW_PARTS_H

#include "mmu/shadow.h"

enum {
    SE_R = 1,     /* mapped readable */
    SE_W = 2,     /* and writable */
    SE_X = 4,     /* handed out by shadow_fetch */
    SE_XS = 8,    /* a user page handed out for fetches of rings 0-2 */
    SE_DROP = 16, /* pending: unmap or hide */
    SE_RO = 32,   /* pending: make read-only */
    SE_FETCH = SE_X | SE_XS,
    SE_N = 64,    /* hidden: mapped, but without rights; excludes SE_R */
    SE_ALL = 128, /* with SE_DROP: unmap, do not hide */
    SE_T = 256,   /* in the table, for reading */
    SE_TW = 512,  /* and for writing */
    SE_TC = 1024, /* and for writing where there is no code */
    SE_TABLE = SE_T | SE_TW | SE_TC,
    SE_MAPPED = SE_R | SE_N,
    SE_HOST = SE_MAPPED | SE_W | SE_DROP | SE_RO | SE_ALL,
};

enum {
    SLOT_PAGES = 1024,
    HALF_PAGES = 512, /* of a slot, with PAE */
    HALF_SHIFT = 21,
    RUN_MAX = 64,
    SLOT_COUNT = 2048, /* of 2 MiB */
    SLOTS_MAX = 4096,  /* of 12 KiB, touched as needed */
    MAP_PAGES = 1 << 20,
    IDS_LEFT = 1 << 24, /* one operation takes no more than one for each page of each slot */
    PENDING_MAX = 64,
    WINDOWS_MAX = 256,
    DIRS = 4,
    VIEWS = 2, /* of supervisor pages: see space.c */
    WINDOW_P = 0,
    WINDOW_K0, /* CR0.WP = 0: the first view's */
    WINDOW_K1 = WINDOW_K0 + VIEWS,
    WINDOW_U = WINDOW_K1 + VIEWS, /* the first of them */
    WINDOWS_MIN = WINDOW_U + 2,   /* two for address spaces: the one that is in use, and the next */
};
#define NO_PT       ~0u
#define NO_DIR      ~0u
#define NOWHERE_PFN (PA_NOWHERE >> PAGE_BITS)
/* Before and behind each window lie 2 GiB of nothing, for displacements; neighbours share them. Where the host has
 * the address space 34 GiB lie behind: for a base, an index times 8 and a displacement. The rest is for operands that
 * lie across the end. */
#define WINDOW_BYTES       (1ull << 32)
#define WINDOW_GUARD       (2ull << 30)
#define WINDOW_GUARD_WIDE  (8 * WINDOW_BYTES + WINDOW_GUARD)
#define WINDOW_GUARD_EXTRA (2ull << 20)

typedef struct Slot {
    u32 entry[SLOT_PAGES];
    u32 next[SLOT_PAGES], prev[SLOT_PAGES]; /* back map: refs (slot id << 10 | index); 0 ends */
    u64 pde;                                /* the directory entry it was made from */
    u32 pt_pfn;                             /* its page table; NO_PT: large page, or paging off */
    u32 pt_next, pt_prev;                   /* slots made from the same page table: ids */
    u16 window, index;                      /* index: va >> 21 of its first page */
    u16 pages;                              /* SLOT_PAGES or HALF_PAGES */
    u16 mapped, fetched, tabled;            /* entries with SE_MAPPED, with SE_FETCH, with SE_T */
    u16 drops;                              /* entries dropped since the last fill */
    u16 filled;                             /* pages of the last fill */
    u8 run;                                 /* the most pages that the next fill may map */
    bool dead;                              /* its directory entry is gone: freed at the next flush */
} Slot;

typedef struct Range {
    u32 first, last;
} Range; /* pages of a window */

typedef struct Window {
    u8 *base;
    u16 slot[SLOT_COUNT];      /* by page / HALF_PAGES: slot ids, 0: none; a slot of 4 MiB is there twice */
    u64 live[SLOT_COUNT / 64]; /* bit Slot.index: there is one */
    Range pending[PENDING_MAX];
    unsigned pending_count;
    unsigned slots, dead; /* slots in all, dead ones among them */
    unsigned bounds;      /* VMA boundaries inside the window */
    u32 id;               /* of its executable mappings; see ShadowView */
    u32 dir[DIRS];        /* U: the page directory, with PAE four (NOWHERE_PFN: none); otherwise NO_DIR */
    /* Others with the same directory: refs (window number * DIRS + which); 0 ends */
    u16 dir_next[DIRS], dir_prev[DIRS];
    u32 stamp;             /* K: changes when a slot is added, or asks more of a directory; never 0 */
    u32 agreed[2 * VIEWS]; /* U: each K window's stamp when all its slots agreed with the directories */
    u8 view;               /* U: whose K windows it goes with */
    u64 used;              /* LRU clock */
    u16 evict_hand;
    bool in_use; /* U: holds an address space */
} Window;

struct Shadow {
    Phys *phys;
    ShadowHooks hooks;
    ShadowView view;
    ShadowStats stats;
    Paging pg;
    bool user_ring;
    const u32 *hidden; /* bits by linear page; NULL: none (shadow_hide) */
    Window *u, *k;     /* what view shows: both P while paging is off */
    unsigned budget;   /* VMAs */
    u8 *arena;         /* all windows, `stride` bytes apart */
    u64 stride;
    TableEntry *tables; /* [windows_max][MAP_PAGES], and one that stays empty */
    unsigned window_count, windows_max;
    Window *windows; /* [windows_max] */
    Slot *slots;     /* [SLOTS_MAX] */
    u16 slot_count, free_count;
    u16 *free_slots;       /* ids */
    u32 *backmap;          /* [MAP_PAGES] pfn -> ref of the first entry */
    u16 *pt_slots;         /* [MAP_PAGES] pfn -> id of the first slot made from it */
    u8 *orphan;            /* [MAP_PAGES] pfn -> trapped writes to it while nothing depended on its watch */
    u16 *dir_windows;      /* [MAP_PAGES] pfn -> ref of the first U window with that directory */
    u32 read_pfn, read_va; /* of the last prefill for a read by the user */
    u32 shared_pfn;        /* a page that was prefilled twice in a row at different addresses; 0: none */
    u64 clock;
    u32 next_id;
};

static inline Slot *slot_of(Shadow *s, u32 id) { return &s->slots[id]; }
/* The slot of w that va lies in; NULL: none, or it is dead. */
static inline const Slot *slot_alive(const Shadow *s, const Window *w, u32 va)
{
    u16 id = w->slot[va >> HALF_SHIFT];
    return id && !s->slots[id].dead ? &s->slots[id] : NULL;
}
static inline unsigned window_number(const Shadow *s, const Window *w) { return (unsigned)(w - s->windows); }
/* The K window of a view that CR0.WP selects. */
static inline Window *window_k(const Shadow *s, bool wp, unsigned view)
{
    return &s->windows[(wp ? WINDOW_K1 : WINDOW_K0) + view];
}
static inline u32 *agreed_with(const Shadow *s, Window *u, const Window *k)
{
    return &u->agreed[window_number(s, k) - WINDOW_K0];
}
static inline bool window_active(const Shadow *s, const Window *w) { return w == s->u || w == s->k; }
static inline bool page_hidden(const Shadow *s, u32 page) { return s->hidden[page / 32] >> page % 32 & 1; }
/* The page of entry 0, and the entries that it has. */
static inline u32 slot_page(const Slot *sl) { return (u32)(sl->index / 2) * SLOT_PAGES; }
static inline unsigned slot_first(const Slot *sl) { return (unsigned)(sl->index & 1) * HALF_PAGES; }
static inline unsigned slot_end(const Slot *sl) { return slot_first(sl) + sl->pages; }
static inline u16 slot_id_at(const Window *w, u32 page) { return w->slot[page / HALF_PAGES]; }
static inline Slot *slot_at(Shadow *s, const Window *w, u32 page) { return slot_of(s, slot_id_at(w, page)); }
/* Slot.index for what directory `which` has at entry i. */
static inline unsigned slot_index(const Shadow *s, unsigned which, unsigned i)
{
    return s->pg.pae ? which * HALF_PAGES + i : 2 * i;
}
static inline Window *dir_window(const Shadow *s, u16 ref) { return &s->windows[ref / DIRS]; }

/* window.c */
bool windows_reserve(Shadow *s);
void window_map(Shadow *s, Window *w, u32 page, u32 n, u32 entry, bool populate);
void window_pend(Window *w, u32 first, u32 last);
void window_flush(Shadow *s, Window *w);
static inline u64 arena_bytes(unsigned windows, u64 stride) { return windows * stride + WINDOW_GUARD; }
/* The window at host_addr, and *offset from its base (4 GiB or more: a guard); NULL: none. */
Window *window_at(const Shadow *s, const void *host_addr, u64 *offset);

/* shadow.c: zeroed, sparse memory; NULL may be freed */
void *table_new(u64 bytes);
void table_free(void *t, u64 bytes);

/* table.c */
bool tables_reserve(Shadow *s, unsigned windows);
void tables_free(Shadow *s, unsigned windows);
TableEntry *table_empty(const Shadow *s); /* of no window: it knows no page */
TableEntry *window_table(const Shadow *s, const Window *w);
void table_follow(Shadow *s, const Slot *sl, unsigned i);

/* slot.c */
u32 slot_want(const Shadow *s, const Slot *sl, unsigned i);
bool slot_guest_writes(const Shadow *s, const Slot *sl, unsigned i);
bool slot_guest_executes(const Shadow *s, const Slot *sl, unsigned i);
Slot *slot_get(Shadow *s, Window *w, u32 va, u64 pde, u32 pt_pfn);
void slot_follow_pde(Shadow *s, Slot *sl, u64 pde);
void slot_free(Shadow *s, Slot *sl);
void slot_kill(Shadow *s, Slot *sl);
void entry_set(Shadow *s, Slot *sl, unsigned i, u32 entry);
void entry_drop(Shadow *s, Slot *sl, unsigned i);
void entry_unmap(Shadow *s, Slot *sl, unsigned i);
void entry_recheck(Shadow *s, Slot *sl, unsigned i);
bool pde_agrees(const Shadow *s, const Slot *sl, u64 pde);

/* space.c */
void stamp_next(Shadow *s, Window *k);
void space_select(Shadow *s);
u64 space_pde(const Shadow *s, const Window *u, unsigned index);
void space_release(Shadow *s, Window *u);
void spaces_drop(Shadow *s);
void space_settle(Shadow *s);
void make_room(Shadow *s);
void evict_slot(Shadow *s, bool for_slot);

/* trace.c */
void trace_written(void *ctx, u32 pa, u32 bytes, u8 watch);
void trace_remapped(void *ctx, u32 pa, u32 bytes);
void trace_watch(Shadow *s, u32 pfn, u8 bits);
void trace_expire(Shadow *s, u32 pfn, bool at_once);

#endif
