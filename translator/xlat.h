/* xlat.h - the translator: its state and the nouns that its files share.
 *
 *   translate.c  guest code -> block: discovery, one emission per instruction, by class
 *   flow.c       near jumps, calls, returns: links, polls, return prediction
 *   hoist.c      index registers that several operands share
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
 *   x87.c        which x87 instruction was the last (x87.h)
 *   site.c       instructions that trapped, or are patched, and how they are to be translated now
 *   open.c       without paging: stores next to code, straight into guest RAM
 *   break.c      breakpoints of a debugger outside
 *   listing.c    -d in_asm, out_asm
 *   explain.c    what is known of a block and its instructions, for a person (explain.h); explain_why.c: in words
 *   count.c      how often each block runs (count.h)
 *   instrument.c counters and calls of others in the code (instrument.h)
 *   audit/       proves of each block what it can reach: debug builds
 *   stats.c      what -d stats prints
 *   emit.c ident.c stack.c operand.c   see emit.h      glue.S  see layout.h
 */
#ifndef RING3_XLAT_H
#define RING3_XLAT_H

#include "cpu/cpu.h"
#include "cpu/base/timeline.h"
#include "mmu/shadow.h"
#include "translator/emit.h"
#include "translator/layout.h"

/* clang-format off */

typedef struct Xlat Xlat;
typedef struct Block Block;
typedef struct Link Link;
typedef struct Region Region;
typedef struct Tx Tx;
typedef struct Count Count;
typedef struct Instrument Instrument;
typedef struct InstrumentOp InstrumentOp;
typedef struct InstrumentMap InstrumentMap;
typedef struct InstrumentFlush InstrumentFlush;

/* ---- context.c: everything that a block's translation depends on besides its bytes ---- */

/* Packed, so that modes compare as one word. The upper half is the limit of a code segment that is neither flat
 * nor 64 KiB (SEGF_LIMITED), else 0: blocks and jumps are checked against it when they are translated. */
typedef u64 ModeKey;
enum { MODE_CODE32 = 1, MODE_STACK32 = 2, MODE_USER = 4, MODE_V86 = 8, MODE_CS_BASED = 16, MODE_PAGED = 32,
       MODE_FPU = 64 /* x87 and MMX may run */, MODE_SSE = 128 /* and SSE */,
       MODE_VIEW = 256 /* not in ring 3: ShadowView.kernel */, MODE_SEG_SHIFT = 9 /* 6 x 3 bits */,
       MODE_PROT = 1 << 27, MODE_SYSFLAGS = 1 << 28 /* IOPL or NT is not 0 */,
       MODE_RING0 = 1 << 29 /* in V86 mode: IOPL is 3, NT 0 */,
       MODE_ALIGN = 1 << 30 /* #AC is on: the interpreter runs it all */,
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
DecodeMode mode_decode(const Xlat *x, ModeKey k);

void context_init(Xlat *x);
/* context_update - make c->ctx, the windows and the return stack fit the CPU's present mode. Call whenever ring,
 * mode, paging or segments may have changed, before entering translated code. */
void context_update(Xlat *x);
/* A protected mode that was learnt in a context of ring 0's, which tells nothing of GS and the FPU: with those of now. */
ModeKey context_as_now(const Xlat *x, ModeKey k);
/* The same if the mode is known already. */
void context_set(Xlat *x, ModeKey mode);
void context_resync(Xlat *x);
bool context_ids_end(const Xlat *x); /* ids are about to run out, or modes to say more */
void context_renew(Xlat *x);         /* ... then begin anew */
/* The parts of the mode that i, in a block of mode k, would be translated by and that are not told (context.c). */
ModeKey context_untold(const Xlat *x, ModeKey k, const Insn *i);
/* An instruction was executed that wanted these parts. True: back to the dispatcher, they are to be told. */
bool context_missed(Xlat *x, ModeKey parts);
void context_view(Xlat *x); /* Vcpu's window and tables are those of the shadow's view */
/* Return addresses on the host stack may be stale (a block died): forget all. */
void context_drop_returns(Xlat *x);

/* ---- block.c ---- */

/* One guest instruction of a block: where its host code starts, where it is in the guest. */
typedef struct PcMap {
    u16 host;    /* offset from Block.hpc */
    u16 guest : 15; /* offset from Block.pa */
    u16 patched : 1; /* fetched anew each time: the block does not depend on its bytes */
    s16 esp;         /* ESP is r14 + this wherever it may trap (stack.c) */
    u16 how;         /* HOW_ bits: what became of it */
} PcMap;
/* How an instruction was translated: noted on the way, for explain.c. */
enum { HOW_FORM = 7 /* the MemForm of its operand, if HOW_MEM */, HOW_MEM = 8, HOW_C = 16 /* a callout does all of it */,
       HOW_SLOW_C = 32 /* ... what its inline form does not cover */, HOW_SITE = 64 /* ... since it trapped */,
       HOW_LEARNT = 128 /* repeats what the last one did, if nothing changed */, HOW_WAITS = 256 /* its move of ESP waits */,
       HOW_POLLS = 512, HOW_LEFT = 1024 /* to the dispatcher */ };

/* x87.c: the last x87 instruction of a block, as translation and settling walk over it. */
typedef struct X87Walk {
    bool any, mem;   /* there was one; one with a memory operand */
    bool spilled;    /* its address is in Vcpu.x87.ea; else in the registers, less `added` */
    u16 fop;
    u32 at, added;   /* the last one's offset in the guest code */
    Insn operand;    /* the last one with a memory operand */
} X87Walk;
typedef struct X87Aside { /* a note that is made out of line, where a jump is taken */
    X87Walk walk;    /* in front of the jump */
    bool any_new, mem_new;
    u32 place;
} X87Aside;
typedef struct X87Tx { /* in a translation */
    X87Walk walk;
    bool used, any_new, mem_new; /* x87 instructions since the last note */
    bool called;     /* C does the present instruction */
    unsigned now;    /* its number */
    u64 opaque, noted;
    u64 looped;      /* instructions that a jump of the block goes back to */
    u64 left;        /* in front of these the block may be left */
    u8 first, first_mem; /* of the x87 instructions so far, and of those with a memory operand: number + 1 */
    u8 carry;
    bool carry_spilled, to_loop; /* the present jump leads to a loop version */
    bool aside;      /* the present jump notes where it is taken */
    u32 place;       /* of the present instruction in the cache */
    u16 end;
    const PcMap *map;
    const u8 *code;  /* the block's bytes in the guest */
} X87Tx;
typedef struct X87Block { /* of a block that has x87 instructions */
    u64 opaque, noted; /* by number of instruction: done by C; in front of it is a note */
    u16 end;         /* offset of the host code behind the last instruction; 0: there is none */
    u8 carry;        /* number + 1 of the jump to its own start that notes nothing; 0: there is none */
    bool carry_spilled; /* the operand's address is stored in front of it */
    u8 code[];       /* the guest's bytes, as they were translated */
} X87Block;

struct Block {       /* the first 64 bytes, a cache line, are what finding and entering it read */
    u32 eip, pa;     /* of the first instruction. Where mode_floats(), eip is its offset in the page: add the low half
                      * of Vcpu.here. Else it is part of the identity. */
    ModeKey mode;
    Block *hash_next;
    u8 *hpc;         /* executable address */
    u32 hbytes;
    u32 pa2;         /* a single instruction over two pages: where the second page begins; else 0 */
    u16 bytes, insns;/* guest length, instruction count */
    u16 faults;      /* window form: hidden faults; table form: pages that were not in the table */
    bool table;      /* its form */
    bool dead;
    bool loop;       /* a second version of the body of a loop, for x87.c: part of the identity */
    Block *page_next;/* blocks that begin in the same page */
    Link *links_in;  /* linked exits of other blocks */
    Link *links;     /* own exits */
    Block *tail_next;
    PcMap *map;      /* insns entries, ascending */
    u64 uses, since_ns; /* table form: look-ups, by samples; host_now_ns() at the first */
    u32 at;          /* EIP where it was translated */
    u32 born_ms;     /* by xlat_age_ms() */
    u16 tails;       /* offset in the host code of what is out of line: stubs, slow paths */
    u16 traps[SHADOW_RESULTS]; /* that left it, or were settled in it, by reason; saturating */
    u32 unlinked;    /* exits by a link that was not made */
    u32 sites;       /* Xlat.site_changes when it was translated */
    X87Block *x87;   /* NULL: no x87 instruction */
    const InstrumentMap *instrument; /* NULL: nobody counts here (instrument.c) */
    u64 doors;       /* by number of instruction: host code can be entered in front of it as at the block's start */
};

/* A direct exit: a jmp/call rel32 in host code, aimed at its stub until linked. */
struct Link {
    Block *from, *to;     /* to: NULL while not linked */
    u8 door;              /* number of the instruction of `to` where it is entered */
    u32 eip;              /* target; like Block.eip */
    u8 *hole;             /* rel32, writable view */
    u8 *stub;             /* writable view: where the hole points while unlinked */
    u8 *here_hole;        /* imm64 of the check of Vcpu.here (negated), writable view; NULL: same page or shared code */
    Link *next_own, *next_in;
    Link *next_shared, **prev_shared; /* chain of links between shared pages (unlinked when their mapping changes) */
    bool cross_page;
    bool loop;            /* leads to the version that is for loops */
    bool forward;         /* may enter a block in its middle */
};

enum { CODE_GRANULE = PAGE_BYTES / 64 };
typedef struct CodePage { /* blocks of one physical page; 64 granules, a bit for each */
    Block *blocks;        /* that begin here */
    Block *tails;         /* whose last bytes are the first of this page */
    u64 granules;         /* that blocks overlap */
    u64 sites;            /* granules where instructions begin that have an entry in Xlat.sites, or had */
    bool has_breaks;      /* break.c: blocks end where a breakpoint may be */
} CodePage;

Block *block_find(Xlat *x, u32 pa, u32 eip, ModeKey mode, bool loop);
static inline bool block_is(const Block *b, u32 pa, u32 eip, ModeKey mode, bool loop)
{
    return b->pa == pa && b->eip == eip && b->mode == mode && b->loop == loop && !b->dead;
}
void block_insert(Xlat *x, Block *b);
void block_kill(Xlat *x, Block *b);
/* The block whose host code holds hpc (executable view), or NULL. */
Block *block_at_host(Xlat *x, const u8 *hpc);
/* The guest instruction whose host code holds hpc. */
const PcMap *block_insn_at(const Block *b, const u8 *hpc);
/* A block without a start at pa, but with a door there (Block.doors), and which one. NULL: none was seen. */
Block *block_with_door(Xlat *x, u32 pa, u32 eip, unsigned *door);
static inline u8 *block_entry(const Block *b, unsigned door) { return b->hpc + (door ? b->map[door].host : 0); }
/* Link l, which is left while Vcpu.here is `here`, to a door of `to`. */
void block_link(Xlat *x, Link *l, Block *to, unsigned door, u64 here);
void block_unlink(Xlat *x, Link *l);
void block_unlink_shared(Xlat *x);
void block_unlink_all(Xlat *x, Block *b); /* what leads to b, and where it leads */
/* Guest bytes [pa, pa + bytes) changed: kill the blocks that overlap. */
void block_written(Xlat *x, u32 pa, u32 bytes);
void block_evict(Xlat *x, Region *r); /* the blocks of a region */
void block_flush_all(Xlat *x);
void jump_cache_forget(Xlat *x, const u8 *from, u32 bytes); /* what it knows of host code there; NULL: all */

/* ---- cache.c ---- */
enum { CACHE_REGIONS = 16, CACHE_COUNT_BYTES = (1 << 22) + 4096, CACHE_HOOK_BYTES = 1 << 22 /* behind those: instrument.h */ };
struct Region { /* a part of the cache, filled and emptied as a whole */
    u32 used;             /* bytes of host code */
    u8 *meta;             /* arena for Block, Link, PcMap, Insn */
    u32 meta_used, meta_populated;
    Block **by_host;      /* its blocks, live and dead, in host order */
    u32 *host_at;         /* where their code begins in the region: searched without a look at the blocks */
    u32 blocks;
};
typedef struct Cache {
    u8 *rw, *rx;          /* two views of the same pages: never writable and executable at once */
    void *counts;         /* CACHE_COUNT_BYTES and CACHE_HOOK_BYTES behind rx, of plain memory that code reaches (count.c) */
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
u8 *cache_end_of_block(const Cache *k); /* where the place ends */
void cache_end(Cache *k, Block *b, const u8 *end);
void cache_next_region(Cache *k); /* which is empty */
Block *cache_block(Cache *k); /* cache_meta of a cache line's alignment */
void *cache_meta(Cache *k, u32 bytes); /* not zeroed, 8-byte aligned; CHECKs space: callers ask cache_room first */
/* What was taken of it since the mark, by a translation that is given up, is free again. */
static inline u32 cache_meta_mark(const Cache *k) { return k->region[k->now].meta_used; }
static inline void cache_meta_back(Cache *k, u32 mark) { k->region[k->now].meta_used = mark; }
static inline u8 *cache_exec(const Cache *k, const u8 *rw) { return k->rx + (rw - k->rw); }
static inline u8 *cache_write(const Cache *k, const u8 *rx) { return k->rw + (rx - k->rx); }

/* ---- site.c: docs/TRANSLATOR.md, "Adaptive sites" ---- */
typedef enum SiteForm { SITE_WINDOW = 0 /* as the block */, SITE_WRAP, SITE_TABLE, SITE_USER, SITE_CALLOUT, SITE_PATCHED } SiteForm;
SiteForm site_form_noted(const Xlat *x, u32 pa);
/* An access of the instruction at pa, in block b, trapped (x->trap); true: it wants another form than it has in b. */
bool site_trapped(Xlat *x, const Block *b, u32 pa);
/* Accesses to plain memory in a row after which the site is forgiven; and to forgive it. */
u32 site_patience(Xlat *x, u32 pa);
void site_forgive(Xlat *x, u32 pa);
void site_patched(Xlat *x, u32 pa); /* a small store changed the instruction at pa */
const struct Site *site_find(const Xlat *x, u32 pa); /* NULL: nothing ever happened there, or it was forgotten */
u32 xlat_age_ms(const Xlat *x); /* since xlat_new(), by the host's coarse clock */

/* ---- form.c ---- */
typedef enum FormPolicy { FORM_AUTO, FORM_WINDOW, FORM_TABLE } FormPolicy;
void form_choose(void);
bool form_init(Xlat *x);
void form_fini(Xlat *x);
bool form_is_table(const Xlat *x, u32 pa);        /* of a block to be translated at pa */
bool form_faulted(Xlat *x, Block *b);
bool form_rep(Xlat *x, Block *b);                 /* C does a long REP of b's: b deserves the window */
void form_turn(Xlat *x, Block *b, u32 pa);        /* ... which was left at pa; kills b */
u8 *form_table_slow(Vcpu *c, u32 va, u32 last_page, u32 write, const u8 *hpc); /* Vcpu.table_slow */

/* ---- trap.c ---- */
typedef struct Trap { /* filled by the signal handler before EXIT_TRAP */
    enum { TRAP_NONE, TRAP_POLL, TRAP_PROBE, TRAP_MEMORY, TRAP_INTERP, TRAP_FORM } kind;
    const u8 *hpc;
    ShadowResult result;
    u32 pa;         /* of the instruction, where a block's was left */
    u32 va, error;
    s16 esp;        /* to be added to r14 (trap_place) */
    bool write;
    bool code;      /* SHADOW_WATCHED: the page is watched for code only */
    bool looked_up; /* not a signal: a table's gate */
} Trap;
bool trap_init(Xlat *x);
void trap_fini(Xlat *x);
/* b was left at hpc: Vcpu.eip, trap.pa and esp; Vcpu.here is right. */
void trap_place(Xlat *x, const Block *b, const u8 *hpc);
void trap_own(Xlat *x); /* this thread's signals are x's from now on */
/* A signal that neither translated code nor a gate raised; registered by the frontend, NULL: nobody. Does not return if
 * it knows whose it is. */
extern void (*trap_foreign)(int sig, const void *address);

/* ---- translate.c, flow.c, callout.c ---- */
enum { AHEAD_MAX = 16 };
struct Tx { /* a translation in progress */
    Xlat *x;
    Emit e;
    /* its guest bytes, and instructions decoded already: `count` of them in a ring from `first` on, the first at
     * `at` */
    struct Source {
        const u8 *hp;
        unsigned avail, at, first, count;
        DecodeMode mode;
        struct Ahead { Insn insn; DecodeStatus status; unsigned at; } ring[AHEAD_MAX];
    } source;
    Block *b;
    BlockMode m;
    bool floats;      /* see mode_floats() */
    bool stack_waits; /* the stack is flat: see stack.c */
    bool may_have_doors;
    bool polls;       /* this instruction polls for the jump behind it */
    bool polled;      /* ... the one before did for this one */
    u16 how;          /* HOW_ bits of the current instruction */
    u32 eip;          /* of the current instruction, like Block.eip */
    u32 pa;
    u32 cs_limit;
    u8 *far_next;     /* realfar.c: the jump of a callout that went on behind its instruction */
    u8 *behind;       /* where an instruction that ends the block goes on behind itself; NULL: at its end */
    bool ended;       /* the last instruction left the block */
    /* instrument.c: what is wished for, NULL: nothing; the number of the current instruction; instructions counted, and
     * where in the host code */
    const InstrumentOp *ops;
    unsigned op_count, number, counted, flushes;
    struct InstrumentFlush { u16 host, counted; } flush[160];
    X87Tx x87;
    struct Tail {
        u8 *hole, *hole2, *back;
        u8 kind;
        Link *link;
        struct OpenCallout *call;
        u32 eip;
        X87Aside x87;
    } tail[96]; /* out-of-line code */
    int tails;
};
/* pa2: physical address of the next page's start, or 0; loop: see Block. */
Block *translate(Xlat *x, u32 eip, u32 pa, u32 pa2, bool loop);
bool translate_straddles(Xlat *x, u32 pa);            /* the instruction at pa goes on in the next page */
static inline bool insn_is_jcc(const Insn *i) { return i->row->host == HF_JCC; }
static inline bool insn_calls(const Insn *i) { return i->row->host == HF_CALL || i->row->host == HF_CALLI; }
/* Out of the way things go, as a rule */
static inline bool insn_is_forward_jcc(const Insn *i) { return insn_is_jcc(i) && (s32)i->imm > 0; }
const Insn *insn_ahead(Tx *t, unsigned n, u32 *pa); /* the nth behind the current one, and where; NULL: not known */
/* hoist.c: may the window operand of i make r9, or use it? */
static inline bool hoist_may(const Tx *t, const Insn *i)
{
    return i->is_mem && i->index != REG_NONE && t->e.wide && !t->b->table;
}
void hoist_before(Tx *t, const Insn *i); /* if hoist_may() */
void hoist_after(Tx *t, const Insn *i);  /* forgets r9, if it is not that any more */
bool flow_emit(Tx *t, const Insn *i);           /* false: no form */
void flow_exit_to(Tx *t, u32 eip, bool straddles); /* end the block by a jump to eip, maybe a straddling instruction */
void flow_emit_tails(Tx *t);
void delay_emit(Tx *t, const Insn *i, u32 to);     /* before a jump backwards: wait, if that is all its loop does */
void flow_emit_poll(Tx *t);                        /* r8 clobbered */
void flow_emit_eip(Tx *t, int reg, u32 eip);       /* reg = the EIP that Block.eip's kind of number stands for */
void flow_emit_grave(Xlat *x, const Block *b);      /* over the start of a dead block: to the dispatcher */
bool string_emit(Tx *t, const Insn *i);         /* likewise */
/* A trap at hpc: if it was string.c's use of the host's REP, gpr (as trapped, with window and r11) is the guest's
 * again. */
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
#define OPEN_BYTES ((1ull << 32) + PAGE_BYTES) /* of Xlat.open */
bool open_init(Xlat *x);
void open_fini(Xlat *x);
void open_shut_all(Xlat *x);
bool open_words(const Xlat *x, u32 pa);             /* 4 bytes from pa on are open, as the gates look at them */
bool open_page(Xlat *x, u32 pfn);                   /* true: its bytes in the map are true */
void open_shut_page(Xlat *x, u32 pfn);              /* it is no plain RAM any more */
void open_code(Xlat *x, const Block *b, bool live); /* the bytes of b became code, or are code no more */
void open_emit_after(Tx *t, const Insn *i);         /* behind an instruction with shut jumps */
void open_emit_tail(Tx *t, const struct Tail *l);
/* How the memory operand of the instruction at t->pa is reached; false: by a callout. The second notes it in t->how. */
bool site_choose_noted(const Tx *t, MemForm *form); /* if site_may_be() */
bool site_mem_form(Tx *t, MemForm *form);

/* ---- break.c ---- */
void break_changed(void *xlat, Vcpu *c);       /* Engine.breaks_changed */
void break_expected(void *xlat, Vcpu *c, u32 va); /* Engine.break_expected */
void break_leave(void *xlat);                  /* Engine.leave */
bool break_watches(const Xlat *x, u32 page);   /* the linear page holds a watchpoint: nothing of it is mapped */
void break_mark(Xlat *x, u32 va, u32 pa);      /* code at va is about to be found, or translated, at pa */
bool break_is_at(const Xlat *x, u32 pa);       /* ... in a page with has_breaks */

/* ---- listing.c ---- */
/* Traces that change the code of blocks: when they are switched on or off, all are made anew. */
#define TRACE_IN_CODE (TRACE_INT | TRACE_EXEC | TRACE_TIMELINE)
/* -d exec: a line each time that the code from here on runs, which is at `eip` (like Block.eip). */
void listing_emit_exec(Tx *t, u32 eip);
/* Disassemble n bytes at `addr` (16, 32 or 64 bits) to the trace, each line with the prefix. cs_base: of guest code. */
typedef void XlatDisasm(const char *prefix, const u8 *bytes, u32 n, u64 addr, unsigned bits, u32 cs_base);
extern XlatDisasm *xlat_disasm; /* registered by the frontend; NULL: no listings */
/* " name+0x12" of a linear address, or "". Registered by the frontend; NULL: nothing has a name. */
typedef void XlatSymbol(u32 va, char *to, size_t room);
extern XlatSymbol *xlat_symbol;
void listing_block(Xlat *x, const Block *b, u32 eip); /* which begins at eip */
/* Looks at each new block; registered by audit/; NULL: nobody does. */
extern void (*xlat_audit)(Xlat *x, const Block *b, u32 eip);

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
extern const u8 xlat_leave[], xlat_exit_link[], xlat_exit_link_probe[], xlat_probe_link[], xlat_exit_indirect[],
    xlat_exit_interp[], xlat_ret_bottom[], xlat_ret_miss[], xlat_probe[], xlat_callout[];

typedef struct XlatStats {
    u64 enters, exits[8], translated_blocks, translated_insns, invalidated, links, flushes /* of a region or all */;
    u64 traps[SHADOW_RESULTS], pf_injected, retranslated, interp_exits;
    struct TrapSite { u32 eip; u8 result; bool write; u64 count; } *trap_sites; /* [TRAP_SITES]; NULL: not counted */
    u64 translate_ns, form_turns[2]; /* to the window, to the table */
    u64 renewals; /* of ids */
    u64 polls;    /* of exits[EXIT_TRAP]: the board or the run loop wants the thread */
} XlatStats;

typedef struct RetStack { u8 *map; u8 *bottom; void *rsp; u32 ctx; } RetStack;

enum { OPEN_PAGES = 1 << 20, OPENED_MAX = 1 << 12, TRAP_SITES = 1 << 12, BLOCK_HASH = 1 << 18, SITE_HASH = 1 << 14,
       CTX_HASH = 1 << 10, FAR_NEXTS = 256,
       ARMED_PAGES = 512 /* more than there are breakpoints */, MARKED_PAGES = 512 };

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
    struct Site {
        u32 pa, changed;
        u8 form, traps, patches, forgiven;
        u8 reason;        /* ShadowResult of the last trap */
        bool code;        /* ... on a page that is watched for its code only */
        u32 trapped_ms, turned_ms; /* the first trap; when it got its form: xlat_age_ms() */
        u32 va;           /* what it accessed then */
    } *sites;
    Count *counts;        /* count.c */
    bool count_runs;      /* blocks count how often they run */
    const Instrument *instrument; /* NULL: nobody wishes anything */
    u64 born_ns;
    struct FarNext { u64 key, after; } *far_next; /* [FAR_NEXTS]: negated (ctx | selector), ctx behind (realfar.c) */
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
    ModeKey untold, telling; /* parts of ring 0's mode: not told; to be told at the next renewal (context.c) */
    u32 missed;           /* instructions that wanted one of them */
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
    u32 traced;           /* what blocks trace: bits of TRACE_IN_CODE */
    /* break.c: linear pages in which breakpoints are or were, physical ones in which they were met. */
    struct { const struct Breakpoints *set; u32 page[ARMED_PAGES], pfn[MARKED_PAGES]; unsigned armed, marked; } breaks;
    u32 watched[(1 << 20) / 32]; /* bits by linear page: watchpoints */
    bool any_watched;
    bool open_always;     /* tests: every real-mode access looks whether its bytes are open */
    u32 ret_guard_bytes;
    XlatStats stats;
};

/* May the instruction at pa have an entry in Xlat.sites, which is a cache miss to look at? */
static inline bool site_may_be(const Xlat *x, u32 pa)
{
    return unlikely(x->pages[pa >> PAGE_BITS].sites >> (pa / CODE_GRANULE % 64) & 1);
}
static inline SiteForm site_form(const Xlat *x, u32 pa) /* of the instruction at pa */
{
    return site_may_be(x, pa) ? site_form_noted(x, pa) : SITE_WINDOW;
}
static inline bool site_choose_form(const Tx *t, MemForm *form)
{
    if (site_may_be(t->x, t->pa) || unlikely(t->x->open_always)) return site_choose_noted(t, form);
    *form = t->b->table ? MEM_TABLE : MEM_WINDOW;
    return true;
}
static inline bool site_forgiving(const Xlat *x, u32 pa) /* its callout watches whether it is needed */
{
    SiteForm f = site_form(x, pa);
    return f == SITE_CALLOUT || f == SITE_TABLE;
}

/* The instruction at pa is looked at by the dispatcher first. */
static inline bool break_ends_block(const Xlat *x, u32 pa)
{
    return unlikely(x->pages[pa >> PAGE_BITS].has_breaks) && break_is_at(x, pa);
}

enum { EXIT_WORDS = 6 }; /* and one more than the last EXIT_ (layout.h) */
extern const char *const exit_words[EXIT_WORDS], *const trap_words[SHADOW_RESULTS]; /* for people; NULL: none such */

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
