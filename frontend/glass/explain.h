/* explain.h - the faces of translator/explain.h: text in columns, and JSON. See explain_text.c, explain_json.c.
 *
 * For the thread that runs the machine, between two guest instructions, or when it has ended. Text goes to an
 * ExplainOut piece by piece, `n` bytes each, without a NUL.
 *
 * The JSON of a block:
 *
 *   {"eip": "c0123456",       where it was translated (hexadecimal, as all addresses are)
 *    "symbol": "do_fork+0x12", null: no symbol of -symbols is near; links and the hottest have it, too
 *    "pa": "00123456",        of its first instruction; with "mode" its identity
 *    "mode": "5000021",       for `explain -m`: hexadecimal
 *    "mode_text": "32-bit, ring 0, paged, flat segments", "bits": 32, "ring": 0,
 *    "form": "window",        or "table"
 *    "loop": false,           true: the version for a loop that closes without a note about x87
 *    "floats": false,         true: it runs wherever its page is mapped; eip is where it was translated
 *    "x87": false,            it has x87 instructions
 *    "bytes": 19, "host_bytes": 212,
 *    "runs": 1234,            null: blocks are not counted now, and never were
 *    "samples": 12, "table_uses": 0, "faults": 1, "unlinked_exits": 5,
 *    "traps": {"device memory": 2},      that left it, or were settled in it, by reason
 *    "region": 3, "regions": 16,         of the cache
 *    "made_ms": 1234, "age_ms": 20,      since the machine began; since it was made
 *    "host": "7f0012345678",
 *    "insns": [{"eip": "c0123456", "bytes": "9d", "text": "popfd", "class": "SENS",
 *               "exec": "popf",          the interpreter's function; null: no instruction
 *               "why": "...",            what is done with it and why
 *               "history": "...",        of its memory access; empty: nothing happened
 *               "patched": false,
 *               "host": [{"at": 26, "bytes": "458b0434", "text": "mov r8d, dword [window + esp]",
 *                         "raw": "mov r8d, dword ptr [r12 + r14]"}]}],
 *    "out_of_line": [...],    host code behind the last instruction: stubs, slow paths; like "host"
 *    "links_out": [{"eip": "c0123470", "linked": true, "pa": "...", "mode": "...", "cross_page": false}],
 *    "links_in": [{"eip": "c0123400", "pa": "...", "mode": "..."}]}     at most EXPLAIN_LINKS of them
 *
 * The JSON of the hottest: {"counting": true, "by": "runs" (times instructions) or "samples", "blocks": [
 *   {"rank": 1, "eip": ..., "pa": ..., "mode": ..., "mode_text": ..., "permille": 412, "runs": ..., "samples": ...,
 *    "insns": 7, "form": ..., "live": true, "first": "popfd"}]}. Without "live" the block is not in the cache now: eip,
 *   symbol, insns, form and first are null.
 *
 * What cannot be told: {"error": "a sentence"}.
 */
#ifndef RING3_FRONTEND_EXPLAIN_H
#define RING3_FRONTEND_EXPLAIN_H

#include "frontend/json.h"
#include "translator/explain.h"

enum { EXPLAIN_HOT_MOST = 100, EXPLAIN_HOT_USUAL = 20, EXPLAIN_LINKS = 64 };

typedef void ExplainOut(void *ctx, const char *text, u32 n);
/* Where a text goes; a line of at most 1,023 bytes, as printf() makes it. */
typedef struct ExplainSink {
    ExplainOut *put;
    void *ctx;
} ExplainSink;
void explain_say(const ExplainSink *to, const char *fmt, ...) PRINTF(2, 3);

void explain_text_block(Xlat *x, const Block *b, ExplainOut *out, void *ctx);
/* A table of the `most` hottest, at most EXPLAIN_HOT_MOST. */
void explain_text_hot(Xlat *x, unsigned most, ExplainOut *out, void *ctx);

/* One value, at the top of *j. */
void explain_json_block(Json *j, Xlat *x, const Block *b);
void explain_json_hot(Json *j, Xlat *x, unsigned most);
void explain_json_error(Json *j, const char *sentence);

/* A host instruction of b's with names for what it touches: "jmp <block c0123456>", "mov r8d, dword [window + esp]". `next`: where the
 * instruction behind it is. */
void explain_host_line(Xlat *x, const Block *b, u64 next, const char *mnemonic, const char *operands,
                       char *to, size_t room);
/* One of b's guest instructions as text (disasm_guest()). */
void explain_guest_line(const Block *b, const ExplainInsn *i, char *to, size_t room);
/* "name+0x12" of an EIP of code like b's, between `lead` and `tail`; "": it has no name, or its segment may begin anywhere. */
void explain_symbol(const Block *b, u32 eip, const char *lead, const char *tail, char *to, size_t room);

#endif
