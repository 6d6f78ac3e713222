/* explain.h - what the translator knows of a block, for a person to read: the one source of `-explain`, the monitor's
 * `explain`, the live page and -d in_asm. See explain.c; frontend/glass/explain.h has its faces.
 *
 * For the thread that runs the machine, between two guest instructions. Nothing here changes what it looks at.
 */
#ifndef RING3_EXPLAIN_H
#define RING3_EXPLAIN_H

#include "translator/xlat.h"

/* clang-format off */

enum { EXPLAIN_INSNS = 64, EXPLAIN_WHY = 300, EXPLAIN_NAME = 96 };

/* The translator behind an engine; NULL: it is not one (-accel interp). */
Xlat *explain_xlat(const Engine *e);

/* --- finding blocks --- */

/* How to take an address. */
typedef enum ExplainSpace { EXPLAIN_LINEAR /* by the present mapping */, EXPLAIN_PHYSICAL } ExplainSpace;

/* explain_find - the live block that holds the instruction at an address: of the present mode before others, then
 * the one that ran most, then one that begins there before one that goes on over it. `others`, if not NULL: how many more blocks hold it. NULL: nothing
 * there is translated. */
const Block *explain_find(Xlat *x, ExplainSpace space, u32 address, unsigned *others);
/* explain_find_eip - likewise, for an address that nothing maps now (the machine has ended): the block that was
 * translated at that EIP. */
const Block *explain_find_eip(Xlat *x, u32 eip);
/* The block that begins at physical address pa in a mode (not its loop version, if there is another); NULL: it is not
 * in the cache now. */
const Block *explain_find_exact(Xlat *x, u32 pa, ModeKey mode);

/* explain_hot - the `most` hottest, hottest first: by instructions retired (runs * instructions) if blocks were
 * counted, else by samples. Returns how many there are. */
typedef struct ExplainHot {
    const Count *count;
    const Block *block; /* NULL: not in the cache now */
    u64 weight;
    u32 permille;       /* of all weights */
} ExplainHot;
unsigned explain_hot(Xlat *x, ExplainHot *to, unsigned most);

/* explain_each - each live block, in the order in which they lie in the cache; until `each` returns false. */
void explain_each(Xlat *x, bool (*each)(void *ctx, const Block *b), void *ctx);

/* --- a block --- */

/* One guest instruction. */
typedef struct ExplainInsn {
    u32 eip, pa;           /* eip: where the block was translated (Block.at) */
    u8 bytes[16], length;  /* as they are in guest memory now */
    bool patched;          /* fetched anew each time it runs */
    const char *cls;       /* the class in the table's words: "SENS"; "-": no instruction */
    const char *exec;      /* the interpreter's function without its exec_: "popf"; NULL: no instruction */
    char why[EXPLAIN_WHY]; /* what is done with it, and why, in one clause */
    char history[EXPLAIN_WHY]; /* of its memory access: "trapped at 1.2 s on device memory; ..."; empty: nothing happened */
    u32 host_at, host_bytes; /* its host code in the block's; what is out of line is in none */
} ExplainInsn;
/* The nth of b. false: n is none. */
bool explain_insn(Xlat *x, const Block *b, unsigned n, ExplainInsn *i);

/* A class's word, as in the table. */
const char *explain_class(unsigned cls);
/* Why an instruction may not simply run in ring 3, in half a sentence ("ring 3 leaves IF and IOPL as they are and says
 * nothing"); NULL: it may. */
const char *explain_sensitive(const Row *row);
/* What a trap of a kind was about: "device memory". */
const char *explain_reason(unsigned shadow_result);

/* The mode a block was translated for: "32-bit, ring 0, paged, flat". */
void explain_mode(ModeKey mode, char *to, size_t room);
unsigned explain_bits(ModeKey mode); /* 16 or 32 */
unsigned explain_ring(ModeKey mode); /* 0 (and rings 1 and 2), 3 */

/* Which of the cache's regions it lies in, and how many blocks were made since (an age that needs no clock). */
unsigned explain_region(const Xlat *x, const Block *b);

/* --- names in host code --- */

/* explain_why.c, for explain_insn(). insn NULL: there is none. */
void explain_put_why(const PcMap *m, const Insn *insn, ExplainInsn *i);
void explain_put_history(const Xlat *x, const Block *b, const PcMap *m, ExplainInsn *i);

/* explain_host_name - what a host address that b's code jumps to, calls, or names is: "block c0123456", "stub of
 * c0123456", "xlat_callout", "+1a" (in the block itself), "what exec_popf is told". false: nothing known. */
bool explain_host_name(Xlat *x, const Block *b, u64 address, char *to, size_t room);
/* The Vcpu's field at [r15 + offset]: "eflags", "gpr.esp", "seg.cs.base". false: none that has a name. */
bool explain_field_name(s64 offset, char *to, size_t room);

/* clang-format on */
#endif
