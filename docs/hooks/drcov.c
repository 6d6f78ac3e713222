/* drcov.c - a hook library: which code a guest ran, in the format of DynamoRIO's drcov, which coverage viewers read
 * (Lighthouse, Cutter, bncov).
 *
 *     ring3 -hook 'load drcov guest.cov FIRST LAST' ...
 *
 * FIRST and LAST, hexadecimal linear addresses, are where the module lies that is looked at; without them it is all of
 * the address space. What is written: a text header, then for each run of code between two jumps 4 bytes of offset in the
 * module, 2 of length, 2 of module number (0).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring3-hook.h"

enum { RUNS = 1 << 18, NEAR = 32 };

typedef struct Run {
    uint32_t address, bytes;
    uint64_t *counter;
} Run;

static const Ring3 *ring3;
static FILE *out;
static Run runs[RUNS]; /* by a hash of the address */
static uint32_t first, last = 0xffffffff;

static Run *run_of(uint32_t address, uint32_t bytes)
{
    for (unsigned n = 0; n < NEAR; n++) {
        Run *r = &runs[(address * 0x9e3779b1u / 64 + n) % RUNS];
        if (!r->counter) *r = (Run){.address = address, .bytes = bytes, .counter = ring3->counter()};
        if (r->address == address && r->bytes == bytes) return r;
    }
    return NULL;
}

static void count_run(const Ring3Block *b, uint32_t from, uint32_t to)
{
    const Ring3Insn *start = &b->insn[from], *end = &b->insn[to];
    if (start->address < first || start->address > last) return;
    Run *r = run_of(start->address, end->address + end->length - start->address);
    if (r) ring3->count(from, r->counter);
}

static void translated(void *context, const Ring3Block *b)
{
    uint32_t from = 0;
    (void)context;
    for (uint32_t n = 0; n < b->count; n++) {
        if (!b->insn[n].may_leave && n + 1 < b->count) continue;
        count_run(b, from, n);
        from = n + 1;
    }
}

int ring3_hook_open(const Ring3 *r, const char *arguments)
{
    char path[256];
    ring3 = r;
    if (sscanf(arguments, "%255s %x %x", path, &first, &last) < 1) return 1;
    out = fopen(path, "wb");
    return !out || !r->on_translate(translated, NULL);
}

void ring3_hook_close(void)
{
    unsigned count = 0;
    for (unsigned n = 0; n < RUNS; n++) count += runs[n].counter && *runs[n].counter;
    fprintf(out,
            "DRCOV VERSION: 2\nDRCOV FLAVOR: ring3\nModule Table: version 2, count 1\n"
            "Columns: id, base, end, entry, checksum, timestamp, path\n"
            " 0, 0x%08x, 0x%08x, 0x00000000, 0x00000000, 0x00000000, guest\nBB Table: %u bbs\n",
            first, last, count);
    for (unsigned n = 0; n < RUNS; n++) {
        const Run *r = &runs[n];
        if (!r->counter || !*r->counter) continue;
        const uint32_t start = r->address - first;
        const uint16_t length = (uint16_t)r->bytes, module = 0;
        fwrite(&start, sizeof start, 1, out);
        fwrite(&length, sizeof length, 1, out);
        fwrite(&module, sizeof module, 1, out);
    }
    fclose(out);
}
