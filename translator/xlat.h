/* xlat.h - the translator: its state and the nouns that its files share.
 *
 *   translate.c  guest code -> block: discovery, one emission per instruction, by class
 *   flow.c       near jumps, calls, returns: links, polls, return prediction
 *   delay.c      loops that only pass time
 *   string.c     string instructions as loads and stores
 *   sens.c       CLI, STI, PUSHF, POPF, RDTSC inline
 *   callout.c    guest instructions done by a C function between two translated ones (callout.h)
 *   seg.c far.c  segment register loads, INT, IRET, SYSENTER, SYSEXIT that repeat the last one; guard.h: for C code
 *   real.c realfar.c   segment loads and far transfers in real and V86 mode
 *   block.c      blocks by identity, by page, by host address; links; invalidation
 *   cache.c      memory for host code (two views of one memfd) and for block descriptions
 *   context.c    what a block may assume: mode, context id, windows
 *   exec.c       the engine: dispatch loop, entering and leaving translated code
 *   trap.c       SIGSEGV, SIGBUS, SIGFPE: hidden faults, polls, and exits with a reason
 *   form.c       by the window or by the table: what each block uses, and the table's slow path
 *   site.c       instructions that trapped, or are patched, and how they are to be translated now
 *   open.c       without paging: stores next to code, straight into guest RAM
 *   listing.c    -d in_asm, out_asm
 *   stats.c      what -d stats prints
 *   emit.c ident.c stack.c operand.c   see emit.h      glue.S  see layout.h
 */
#ifndef RING3_XLAT_H
#define RING3_XLAT_H

#include "cpu/cpu.h"
#include "mmu/shadow.h"
#include "translator/emit.h"
#include "translator/layout.h"

/* clang-format off */

typedef struct Xlat Xlat;
typedef struct Block Block;
typedef struct Link Link;
typedef struct Region Region;
typedef struct Tx Tx;

/* ---- context.c: everything that a block's translation depends on besides its bytes ---- */

/* Packed, so that modes compare as one word. The upper half is the limit of a code segment that is neither flat
 * nor 64 KiB (SEGF_LIMITED), else 0: blocks and jumps are checked against it when they are translated. */
typedef u64 ModeKey;
enum { MODE_CODE32 = 1, MODE_STACK32 = 2, MODE_USER = 4, MODE_V86 = 8, MODE_CS_BASED = 16, MODE_PAGED = 32,
       MODE_FPU_SHIFT = 6 /* 3 bits */, MODE_SEG_SHIFT = 9 /* 6 x 3 bits */, MODE_PROT = 1 << 27,
       MODE_SYSFLAGS = 1 << 28 /* IOPL or NT is not 0 */, MODE_RING0 = 1 << 29 /* in V86 mode: IOPL is 3, NT 0 */, MODE_ALIGN = 1 << 30 /* #AC is on: the interpreter runs it all */,
       MODE_NO_TSC = 1u << 31 /* RDTSC faults */, MODE_LIMIT_SHIFT = 32 };
static inline unsigned mode_seg(ModeKey k, int seg) { return (u32)k >> (MODE_SEG_SHIFT + 3 * seg) & 7; }
/* The limit of CS that blocks of a mode are held to; the last MODE_CS_ROOM bytes of a segment are interpreted. */
enum { MODE_CS_ROOM = 16 };
static inline u32 mode_cs_limit(ModeKey k)
{
    unsigned f = mode_seg(k, CS);
    return f == SEGF_64K ? 0xffff : f == SEGF_LIMITED ? (u32)(k >> MODE_LIMIT_SHIFT) : 0xffffffff;
}
/* Ring 3 in flat 32-bit segments: programs and libraries, which lie at another address in each process. Their
 * blocks know only offsets in their page; Vcpu.here has the rest. (Everybody else's EIPs are constants.) */
static inline bool mode_floats(ModeKey k)
{
    const ModeKey want = MODE_USER | MODE_CODE32 | MODE_PAGED | MODE_PROT;
    return (k & (want | MODE_V86 | MODE_CS_BASED)) == want && mode_seg(k, CS) == 0 /* SEGF_FLAT */;
}
/* Modes folded for a hash. */
static inline u32 mode_mix(ModeKey k) { return (u32)k ^ (u32)(k >> 32) * 0x27d4eb2fu; }
ModeKey mode_of(const Vcpu *c);
BlockMode mode_unpack(ModeKey k);

/* context_update - make c->ctx, the windows and the return stack fit the CPU's present mode. Call whenever ring,
 * mode, paging or segments may have changed, before entering translated code. */
void context_update(Xlat *x);
/* The same if the mode is known already. */
void context_set(Xlat *x, ModeKey mode);
void context_resync(Xlat *x);
void context_view(Xlat *x); /* Vcpu's window and tables are those of the shadow's view */
/* Return addresses on the host stack may be stale (a block died): forget all. */
void context_drop_returns(Xlat *x);

/* ---- block.c ---- */

/* One guest instruction of a block: where its host code starts, where it is in the guest. */
typedef struct PcMap {
    u16 host;    /* offset from Block.hpc */
    u16 guest : 15; /* offset from Block.pa */
    u16 patched : 1; /* fetched anew each time: the block does not depend on its bytes */
} PcMap;

struct Block {
    u32 eip, pa;     /* of the first instruction. Where mode_floats(), eip is its offset in the page: add the low half of
                      * Vcpu.here. Else it is part of the identity. */
    u32 pa2;         /* a single instruction over two pages: where the second page begins; else 0 */
    ModeKey mode;
    u16 bytes, insns;/* guest length, instruction count */
    u8 *hpc;         /* executable address */
    u32 hbytes;
    u32 sites;       /* Xlat.site_changes when it was translated */
    u64 uses, since_ns; /* table form: look-ups, by samples; host_now_ns() at the first */
    u16 faults;      /* window form: hidden faults; table form: pages that were not in the table */
    bool table;      /* its form */
    PcMap *map;      /* insns entries, ascending */
    Block *hash_next, *page_next, *tail_next;
    Link *links_in;  /* linked exits of other blocks */
    Link *links;     /* own exits */
    bool dead;
};

/* A direct exit: a jmp/call rel32 in host code, aimed at its stub until linked. */
struct Link {
    Block *from, *to;     /* to: NULL while not linked */
    u32 eip;              /* target; like Block.eip */
    u8 *hole;             /* rel32, writable view */
    u8 *stub;             /* writable view: where the hole points while unlinked */
    u8 *here_hole;        /* imm64 of the check of Vcpu.here (negated), writable view; NULL: same page or shared code */
    Link *next_own, *next_in;
    Link *next_shared, **prev_shared; /* chain of links between shared pages (unlinked when their mapping changes) */
    bool cross_page;
};

typedef struct CodePage { /* blocks of one physical page */
    Block *blocks;        /* that begin here */
    Block *tails;         /* whose last bytes are the first of this page */
    u64 granules;         /* 64-byte granules that blocks overlap */
    bool has_sites;       /* some instruction in it has an entry in Xlat.sites, or had */
} CodePage;

Block *block_find(Xlat *x, u32 pa, u32 eip, ModeKey mode);
void block_insert(Xlat *x, Block *b);
void block_kill(Xlat *x, Block *b);
/* The block whose host code holds hpc (executable view), or NULL. */
Block *block_at_host(Xlat *x, const u8 *hpc);
/* Offset in the block of the guest instruction whose host code holds hpc. */
u32 block_guest_offset(const Block *b, const u8 *hpc);
/* Link l, which is left while Vcpu.here is `here`. */
void block_link(Xlat *x, Link *l, Block *to, u64 here);
void block_unlink(Xlat *x, Link *l);
void block_unlink_shared(Xlat *x);
/* Guest bytes [pa, pa + bytes) changed: kill the blocks that overlap. */
void block_written(Xlat *x, u32 pa, u32 bytes);
void block_evict(Xlat *x, Region *r); /* the blocks of a region */
void block_flush_all(Xlat *x);

/* ---- cache.c ---- */
enum { CACHE_REGIONS = 16 };
struct Region { /* a part of the cache, filled and emptied as a whole */
    u32 used;             /* bytes of host code */
    u8 *meta;             /* arena for Block, Link, PcMap, Insn */
    u32 meta_used, meta_populated;
    Block **by_host;      /* its blocks, live and dead, in host order */
    u32 blocks;
};
typedef struct Cache {
    int memfd;
    u8 *rw, *rx;          /* two views of the same pages: never writable and executable at once */
    u32 bytes, region_bytes, meta_bytes /* of a region */, populated /* from its start, of the first round */;
    Region region[CACHE_REGIONS];
    unsigned now;         /* the region being filled */
} Cache;
bool cache_init(Cache *k, u32 code_bytes);
void cache_fini(Cache *k);
/* Room for one more block in the present region? */
bool cache_room(const Cache *k);
/* The place for it, in the writable view; and what it used. */
u8 *cache_begin(Cache *k);
void cache_end(Cache *k, Block *b, const u8 *end);
void cache_next_region(Cache *k); /* which is empty */
void *cache_meta(Cache *k, u32 bytes); /* not zeroed, 8-byte aligned; CHECKs space: callers ask cache_room first */
static inline u8 *cache_exec(const Cache *k, const u8 *rw) { return k->rx + (rw - k->rw); }
static inline u8 *cache_write(const Cache *k, const u8 *rx) { return k->rw + (rx - k->rx); }

/* ---- site.c: docs/TRANSLATOR.md, "Adaptive sites" ---- */
typedef enum SiteForm { SITE_WINDOW = 0 /* as the block */, SITE_WRAP, SITE_TABLE, SITE_USER, SITE_CALLOUT, SITE_PATCHED } SiteForm;
SiteForm site_form(Xlat *x, u32 pa);                         /* of the instruction at pa */
static inline bool site_forgiving(Xlat *x, u32 pa) /* its callout watches whether it is needed */
{
    SiteForm f = site_form(x, pa);
    return f == SITE_CALLOUT || f == SITE_TABLE;
}
/* An access of the instruction at pa, in block b, trapped (x->trap); true: it wants another form than it has in b. */
bool site_trapped(Xlat *x, const Block *b, u32 pa);
/* Accesses to plain memory in a row after which the site is forgiven; and to forgive it. */
u32 site_patience(Xlat *x, u32 pa);
void site_forgive(Xlat *x, u32 pa);
void site_patched(Xlat *x, u32 pa); /* a small store changed the instruction at pa */

/* ---- form.c ---- */
typedef enum FormPolicy { FORM_AUTO, FORM_WINDOW, FORM_TABLE } FormPolicy;
void form_choose(void);
bool form_init(Xlat *x);
void form_fini(Xlat *x);
bool form_is_table(const Xlat *x, u32 pa);        /* of a block to be translated at pa */
bool form_faulted(Xlat *x, Block *b);
void form_turn(Xlat *x, Block *b, u32 pa);        /* ... which was left at pa; kills b */
u8 *form_table_slow(Vcpu *c, u32 va, u32 last_page, u32 write, const u8 *hpc); /* Vcpu.table_slow */

/* ---- trap.c ---- */
typedef struct Trap { /* filled by the signal handler before EXIT_TRAP */
    enum { TRAP_NONE, TRAP_POLL, TRAP_PROBE, TRAP_CALL, TRAP_MEMORY, TRAP_INTERP, TRAP_FORM } kind;
    const u8 *hpc;
    ShadowResult result;
    u32 pa;         /* of the instruction, where a block's was left */
    u32 va, error;
    bool write;
    bool code;      /* SHADOW_WATCHED: the page is watched for code only */
    bool looked_up; /* not a signal: a table's gate */
} Trap;
bool trap_init(Xlat *x);
void trap_fini(Xlat *x);
void trap_place(Xlat *x, const Block *b, const u8 *hpc); /* b was left at hpc: Vcpu.eip, trap.pa; Vcpu.here is right */
void trap_own(Xlat *x); /* this thread's signals are x's from now on */

/* ---- translate.c, flow.c, callout.c ---- */
struct Tx { /* a translation in progress */
    Xlat *x;
    Emit e;
    Block *b;
    BlockMode m;
    bool floats;      /* see mode_floats() */
    u32 eip;          /* of the current instruction, like Block.eip */
    u32 pa;
    u32 cs_limit;
    u8 *far_next;     /* realfar.c: the jump of a callout that went on behind its instruction */
    u8 *behind;       /* where an instruction that ends the block goes on behind itself; NULL: at its end */
    bool ended;       /* the last instruction left the block */
    struct Tail {
        u8 *hole, *hole2, *back;
        u8 kind;
        Link *link;
        struct OpenCallout *call;
        u32 eip;
    } tail[96]; /* out-of-line code */
    int tails;
};
Block *translate(Xlat *x, u32 eip, u32 pa, u32 pa2); /* pa2: physical address of the next page's start, or 0 */
bool translate_straddles(Xlat *x, u32 pa);            /* the instruction at pa goes on in the next page */
bool flow_emit(Tx *t, const Insn *i);           /* false: no form */
void flow_exit_to(Tx *t, u32 eip, bool straddles); /* end the block by a jump to eip, maybe a straddling instruction */
void flow_emit_tails(Tx *t);
void delay_emit(Tx *t, const Insn *i, u32 to);     /* before a jump backwards: wait, if that is all its loop does */
void flow_emit_eip(Tx *t, int reg, u32 eip);       /* reg = the EIP that Block.eip's kind of number stands for */
void flow_emit_grave(Xlat *x, const Block *b);      /* over the start of a dead block: to the dispatcher */
bool string_emit(Tx *t, const Insn *i);         /* likewise */
/* A trap at hpc: if it was string.c's use of the host's REP, gpr (as trapped, with window and r11) is the guest's again. */
void string_unplace(const u8 *hpc, const u8 *window, u64 r11, u64 gpr[8]);
bool seg_emit(Tx *t, const Insn *i);            /* likewise */
bool real_seg_emit(Tx *t, const Insn *i);       /* likewise, in real and V86 mode */
bool far_emit(Tx *t, const Insn *i);            /* likewise */
bool real_far_emit(Tx *t, const Insn *i);       /* likewise, in real and V86 mode */
bool sens_emit(Tx *t, const Insn *i);           /* likewise; what has no form is told by its opcode */
/* Pieces of sens.c (BMI2). reg &= mask, by tmp. r8 = the flags as PUSHF writes them; r9, r10 clobbered. */
void sens_keep_bits(Emit *e, int reg, u32 mask, int tmp);
void sens_flags_image(Emit *e);
/* May the image in r8 be loaded here? The returned jrcxz (rel8) is taken if so, with rcx in r10; what follows is
 * for the callout, with rcx in place. r9-r11 clobbered. sens_flags_load does it: r8, r9 clobbered; flags are the
 * guest's new ones. */
u8 *sens_flags_check(Tx *t, unsigned opsize);
void sens_flags_load(Tx *t);
/* rcx (kept in r10) is not 0: the callout, and a jump to the returned hole; then rcx is restored. */
u8 *sens_unless_zero_callout(Tx *t, const Insn *i);
void callout_emit(Tx *t, const Insn *i);        /* any instruction, by the interpreter's function */
void callout_emit_site(Tx *t, const Insn *i);   /* one whose access trapped too often (site.c) */
void callout_emit_patched(Tx *t, const Insn *i); /* one whose bytes change too often: fetched each time */

/* The callout behind the jumps of a MEM_OPEN instruction, emitted at the end of the block. */
void flow_shut_tail(Tx *t, struct OpenCallout *call);

/* ---- open.c: stores next to code, without paging ---- */
bool open_init(Xlat *x);
void open_fini(Xlat *x);
void open_shut_all(Xlat *x);
bool open_words(const Xlat *x, u32 pa);             /* 4 bytes from pa on are open, as the gates look at them */
bool open_page(Xlat *x, u32 pfn);                   /* true: its bytes in the map are true */
void open_shut_page(Xlat *x, u32 pfn);              /* it is no plain RAM any more */
void open_code(Xlat *x, const Block *b, bool live); /* the bytes of b became code, or are code no more */
void open_emit_after(Tx *t, const Insn *i);         /* behind an instruction with shut jumps */
void open_emit_tail(Tx *t, const struct Tail *l);
/* How the memory operand of the instruction at t->pa is reached; false: by a callout. */
bool site_mem_form(const Tx *t, MemForm *form);

/* ---- listing.c ---- */
/* Disassemble n bytes at `addr` (16, 32 or 64 bits) to the trace, each line with the prefix. */
typedef void XlatDisasm(const char *prefix, const u8 *bytes, u32 n, u64 addr, unsigned bits);
extern XlatDisasm *xlat_disasm; /* registered by the frontend; NULL: no listings */
void listing_block(Xlat *x, const Block *b, u32 eip); /* which begins at eip */

static inline u64 *jump_cache_slot(const Vcpu *c, u32 eip)
{
    return c->jump_table + (size_t)(eip & (JUMP_CACHE_SLOTS - 1)) * JUMP_CACHE_WORDS;
}

/* Host code for CS:EIP if the jump cache knows it, else NULL. Vcpu.here becomes what it is there. */
static inline const u8 *jump_cache_get(Vcpu *c)
{
    const u64 *slot = jump_cache_slot(c, c->eip);
    if (slot[JUMP_KEY / 8] + (c->ctx | c->eip) != 0) return NULL;
    c->here = slot[JUMP_HERE / 8];
    return (const u8 *)(uintptr_t)slot[JUMP_HPC / 8];
}

/* Sparse, zeroed host memory; NULL: none. */
void *xlat_array(size_t n, size_t size);
void *xlat_array_huge(size_t n, size_t size); /* by huge pages, where the host has them to give */
void xlat_array_free(void *at, size_t n, size_t size);
int xlat_enter(Vcpu *c, const u8 *hpc);
const u8 *exec_next(Vcpu *c, int why); /* Vcpu.next */
_Noreturn void xlat_leave_handler(void *host_rsp, const void *fpu_image); /* from a signal handler: EXIT_TRAP */
extern const u8 xlat_leave[], xlat_exit_link[], xlat_exit_link_probe[], xlat_probe_link[], xlat_exit_indirect[], xlat_exit_interp[], xlat_ret_bottom[],
    xlat_ret_miss[], xlat_probe[], xlat_callout[];

typedef struct XlatStats {
    u64 enters, exits[8], translated_blocks, translated_insns, invalidated, links, flushes /* of a region or all */;
    u64 traps[SHADOW_RESULTS], pf_injected, retranslated, interp_exits;
    struct TrapSite { u32 eip; u8 result; bool write; u64 count; } *trap_sites; /* [TRAP_SITES]; NULL: not counted */
    u64 translate_ns, form_turns[2]; /* to the window, to the table */
} XlatStats;

typedef struct RetStack { u8 *map; u8 *bottom; void *rsp; u32 ctx; } RetStack;

enum { OPEN_PAGES = 1 << 20, OPENED_MAX = 1 << 12, TRAP_SITES = 1 << 12, BLOCK_HASH = 1 << 18, SITE_HASH = 1 << 14, CTX_HASH = 1 << 10 };

struct Xlat {
    Engine engine;
    Vcpu *c;
    Phys *phys;
    Shadow *shadow;
    Cache cache;
    Block **block_hash;
    CodePage *pages;      /* [1 << 20] by pfn */
    Tx *tx;
    u8 *trap_stack;       /* the signal handlers' */
    Link *shared_links;
    struct Site { u32 pa, changed; u8 form, traps, patches, forgiven; } *sites;
    struct FarNext { u64 key, after; } *far_next; /* [256]: negated (ctx | selector), the ctx behind (realfar.c) */
    u8 *open;             /* by physical address: 1 if a store may change the byte unseen (open.c) */
    u32 open_pages[OPEN_PAGES / 32]; /* bit: the page's bytes in `open` are true */
    u32 opened;           /* how many are */
    u32 site_changes;
    struct BlockForm *forms;
    FormPolicy form_policy;
    u32 fault_ns;         /* of a hidden fault */
    u32 misses;           /* of the table */
    u32 fault_uses;       /* look-ups in a table that cost as much as a hidden fault */
    struct CtxEntry { u32 space, cs_base; ModeKey mode; u32 id; } *ctxs; /* rings 0-2, ring 3 */
    u32 ctx_next;
    /* the present context */
    ModeKey mode;
    u64 ctx_now;          /* Vcpu.ctx as context_update() left it: xlat_seg_load changes it on its own */
    u32 cs_base;
    u32 space;            /* shadow space the context was made from */
    RetStack ret[2];      /* rings 0-2, ring 3 */
    int ret_now;
    Trap trap;
    const u8 *settled_hpc; /* where hidden faults came from last, and how many in a row */
    u32 settled;
    /* The guest #PF on its way: prefill when it returns; or (once) interpret the instruction. */
    struct { bool armed, write, user, once; u32 eip, va; } pf;
    bool killed;          /* some block died since the last entry */
    bool count_insns;     /* blocks count what they retire: -d stats */
    bool count_speed;     /* and stop when Vcpu.speed_left is used up */
    bool open_always;     /* tests: every real-mode access looks whether its bytes are open */
    u32 ret_guard_bytes;
    XlatStats stats;
};

/* The translator as an engine. There may be several; a thread runs one at a time, and each is made and freed by the
 * thread that runs it, none of them at the same moment. `o` may be NULL. NULL: the host lacks
 * something, and *why says what. */
enum { XLAT_CACHE_MIN_MIB = 4, XLAT_CACHE_MAX_MIB = 1024 };
typedef struct XlatOptions {
    FormPolicy form;
    u32 cache_mib; /* host code; 0: by the host's memory */
} XlatOptions;
const Engine *xlat_new(Vcpu *c, const XlatOptions *o, const char **why);
void xlat_free(const Engine *e);
void xlat_choose(void); /* says by host_choice() what xlat_new would take for its options' 0 */
void xlat_print_stats(const Engine *e, void (*line)(const char *fmt, ...));

/* clang-format on */
#endif
