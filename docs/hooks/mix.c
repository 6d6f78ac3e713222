/* mix.c - a hook library: which instructions a guest runs, and where.
 *
 *     ring3 -hook 'load mix' ...            to standard error at the end; 'load mix FILE': to a file; 'load mix FILE
 *                                         FIRST LAST': of these linear addresses (hexadecimal) only
 *
 * First the mnemonics by how often they began, with their share of all; then the blocks that ran most often, with the
 * symbol, if -symbols has one. Every instruction counts, translated or not; one that faults counts each time it is tried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring3-hook.h"

enum { KINDS = 1024, BLOCKS = 1 << 17, SHOWN = 20 };

typedef struct Kind {
    const char *name; /* ring3's own text: one for each mnemonic */
    uint64_t *counter;
} Kind;
typedef struct Block {
    uint32_t address, count;
    uint64_t *counter;
} Block;

static const Ring3 *ring3;
static FILE *out;
static uint32_t first, last = 0xffffffff;
static Kind kinds[KINDS];    /* by a hash of the name */
static Block blocks[BLOCKS]; /* by a hash of the address */

static Kind *kind_of(const char *name)
{
    uint32_t h = 5381;
    for (const char *s = name; *s; s++) h = h * 33 + (uint8_t)*s;
    for (unsigned n = 0; n < KINDS; n++) {
        Kind *k = &kinds[(h + n) % KINDS];
        if (!k->name) *k = (Kind){.name = name, .counter = ring3->counter()};
        if (!strcmp(k->name, name)) return k;
    }
    return NULL;
}

/* Translated again, or in another mode: it goes on counting. NULL: no room near its place. */
static Block *block_of(const Ring3Block *b)
{
    for (unsigned n = 0; n < 16; n++) {
        Block *k = &blocks[(b->address * 0x9e3779b1u / 64 + n) % BLOCKS];
        if (!k->counter) *k = (Block){.address = b->address, .count = b->count, .counter = ring3->counter()};
        if (k->address == b->address && k->count == b->count) return k;
    }
    return NULL;
}

static void translated(void *context, const Ring3Block *b)
{
    (void)context;
    if (b->address < first || b->address > last) return;
    Block *block = block_of(b);
    if (block) ring3->count(0, block->counter);
    for (uint32_t n = 0; n < b->count; n++) {
        Kind *k = kind_of(b->insn[n].name);
        if (k) ring3->count(n, k->counter);
    }
}

int ring3_hook_open(const Ring3 *r, const char *arguments)
{
    char path[256];
    ring3 = r;
    out = sscanf(arguments, "%255s %x %x", path, &first, &last) < 1 ? stderr : fopen(path, "w");
    return !out || !r->on_translate(translated, NULL);
}

static uint64_t value(const uint64_t *counter) { return counter ? *counter : 0; }

static int more(uint64_t a, uint64_t b) { return a < b ? 1 : a > b ? -1 : 0; }
static int by_kind(const void *a, const void *b)
{
    return more(value(((const Kind *)a)->counter), value(((const Kind *)b)->counter));
}
static int by_block(const void *a, const void *b)
{
    return more(value(((const Block *)a)->counter), value(((const Block *)b)->counter));
}

void ring3_hook_close(void)
{
    uint64_t all = 0;
    for (unsigned n = 0; n < KINDS; n++) all += value(kinds[n].counter);
    fprintf(out, "instructions %llu\n", (unsigned long long)all);
    qsort(kinds, KINDS, sizeof *kinds, by_kind);
    for (unsigned n = 0; n < KINDS && value(kinds[n].counter); n++)
        fprintf(out, "%6.2f %% %14llu %s\n", 100.0 * (double)*kinds[n].counter / (double)all,
                (unsigned long long)*kinds[n].counter, kinds[n].name);
    qsort(blocks, BLOCKS, sizeof *blocks, by_block);
    fprintf(out, "blocks\n");
    for (unsigned n = 0; n < SHOWN && value(blocks[n].counter); n++) {
        char name[100];
        fprintf(out, "%14llu %08x %u instructions %s\n", (unsigned long long)*blocks[n].counter,
                blocks[n].address, blocks[n].count, ring3->symbol_at(blocks[n].address, name, sizeof name));
    }
    fflush(out);
}
