/* explain_text.c - a block as text for a terminal of 120 columns: guest instruction | class and why | host code. */
#include <stdarg.h>
#include <stdio.h>

#include "frontend/debug/disasm.h"
#include "frontend/debug/symbols.h"
#include "frontend/glass/explain.h"
#include "translator/count.h"

enum {
    GUEST_WIDTH = 38,
    WHY_WIDTH = 34,
    HOST_WIDTH = 42,
    LINE_WIDTH = 120,
    CELL_LINES = 200,
    CELL_BYTES = 8192
};

/* --- cells ------------------------------------------------------------------------------------------------- */

/* Lines of at most `width` characters. */
typedef struct Cell {
    unsigned width, lines;
    size_t used;
    char *line[CELL_LINES];
    char text[CELL_BYTES];
} Cell;

static void cell_begin(Cell *c, unsigned width)
{
    c->width = width;
    c->lines = 0;
    c->used = 0;
}

static void cell_line(Cell *c, const char *text, size_t n)
{
    if (c->lines == CELL_LINES || c->used + n + 1 > sizeof c->text) return;
    c->line[c->lines++] = c->text + c->used;
    memcpy(c->text + c->used, text, n);
    c->used += n + 1;
    c->text[c->used - 1] = 0;
}

/* Text, broken between words where it is too long; `indent` for all lines but the first. */
static void cell_add(Cell *c, const char *text, unsigned indent)
{
    char line[LINE_WIDTH + 8];
    for (bool first = true; *text; first = false) {
        unsigned in = first ? 0 : indent, room = c->width - in;
        size_t n = strlen(text);
        if (n > room) {
            n = room;
            while (n && text[n] != ' ') n--;
            if (!n) n = room;
        }
        snprintf(line, sizeof line, "%*s%.*s", (int)in, "", (int)n, text);
        cell_line(c, line, strlen(line));
        text += n;
        while (*text == ' ') text++;
    }
}

static const char *cell_get(const Cell *c, unsigned n) { return n < c->lines ? c->line[n] : ""; }

/* What is of one instruction, side by side. */
typedef struct RowOut {
    Xlat *x;
    const Block *b;
    Cell guest, why, host;
} RowOut;

static void row_begin(RowOut *r)
{
    cell_begin(&r->guest, GUEST_WIDTH);
    cell_begin(&r->why, WHY_WIDTH);
    cell_begin(&r->host, HOST_WIDTH);
}

static void row_end(const RowOut *r, const ExplainSink *o)
{
    unsigned lines = r->guest.lines > r->why.lines ? r->guest.lines : r->why.lines;
    if (r->host.lines > lines) lines = r->host.lines;
    for (unsigned n = 0; n < lines; n++) {
        const char *host = cell_get(&r->host, n);
        explain_say(o, "%-*s | %-*s |%s%s\n", GUEST_WIDTH, cell_get(&r->guest, n), WHY_WIDTH,
                    cell_get(&r->why, n), *host ? " " : "", host);
    }
}

/* --- a block ----------------------------------------------------------------------------------------------- */

static void add_host(void *ctx, u64 addr, const u8 *bytes, u32 n, const char *mnemonic, const char *operands)
{
    RowOut *r = ctx;
    char text[160], line[180];
    (void)bytes;
    explain_host_line(r->x, r->b, addr + n, mnemonic, operands, text, sizeof text);
    snprintf(line, sizeof line, "%4x  %s", (u32)(addr - (u64)(uintptr_t)r->b->hpc), text);
    cell_add(&r->host, line, 10);
}

static void add_host_code(RowOut *r, u32 at, u32 bytes)
{
    disasm_each(r->b->hpc + at, bytes, (u64)(uintptr_t)(r->b->hpc + at), 64, add_host, r);
}

/* The bytes to the right of the instruction if there is room, else beneath it. */
static void add_guest(Cell *c, const Block *b, const ExplainInsn *i)
{
    char text[500], line[540], hex[2 * 16 + 1] = "";
    for (unsigned n = 0; n < i->length; n++) snprintf(hex + 2 * n, 3, "%02x", i->bytes[n]);
    explain_guest_line(b, i, text, sizeof text);
    snprintf(line, sizeof line, "%08x %s", i->eip, text);
    size_t used = strlen(line), digits = strlen(hex);
    if (used + 1 + digits <= GUEST_WIDTH) {
        snprintf(line + used, sizeof line - used, "%*s", (int)(GUEST_WIDTH - used), hex);
        cell_line(c, line, GUEST_WIDTH);
        return;
    }
    cell_add(c, line, 9);
    snprintf(line, sizeof line, "%*s", GUEST_WIDTH, hex);
    cell_line(c, line, GUEST_WIDTH);
}

static void say_insn(RowOut *r, const ExplainInsn *i, const ExplainSink *o)
{
    char line[EXPLAIN_WHY + 40];
    row_begin(r);
    add_guest(&r->guest, r->b, i);
    snprintf(line, sizeof line, "%-6s %s", i->cls, i->why);
    cell_add(&r->why, line, 7);
    if (*i->history) {
        snprintf(line, sizeof line, "       %s", i->history);
        cell_add(&r->why, line, 7);
    }
    add_host_code(r, i->host_at, i->host_bytes);
    row_end(r, o);
}

static void say_tails(RowOut *r, const ExplainSink *o)
{
    if (r->b->tails >= r->b->hbytes) return;
    row_begin(r);
    cell_add(&r->guest, "(out of line)", 0);
    cell_add(&r->why, "       stubs of links, and what runs seldom", 7);
    add_host_code(r, r->b->tails, r->b->hbytes - r->b->tails);
    row_end(r, o);
}

/* A line of the head, which may be long. */
typedef struct Fact {
    char text[4096];
    size_t used;
    unsigned items;
} Fact;

PRINTF(2, 3) static void add(Fact *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(f->text + f->used, sizeof f->text - f->used, fmt, ap);
    va_end(ap);
    if (n < 0) return;
    f->used = f->used + (size_t)n < sizeof f->text ? f->used + (size_t)n : sizeof f->text - 1;
}

/* What stands in front of the next item of a list. */
static const char *item(Fact *f, const char *first) { return f->items++ ? ", " : first; }

static void say_fact(Cell *c, const Fact *f, const ExplainSink *o)
{
    cell_begin(c, LINE_WIDTH - 2);
    cell_add(c, f->text, 2);
    for (unsigned n = 0; n < c->lines; n++) explain_say(o, "  %s\n", c->line[n]);
}

enum { BESIDE_BYTES = SYMBOL_TEXT + 4 };
static void symbol_beside(const Block *b, u32 eip, char to[BESIDE_BYTES])
{
    explain_symbol(b, eip, " <", ">", to, BESIDE_BYTES);
}

static void say_links(Cell *c, const Block *b, const ExplainSink *o)
{
    enum { SHOWN = 8 };
    Fact in = {.used = 0}, to = {.used = 0};
    char name[BESIDE_BYTES];
    for (const Link *l = b->links_in; l && in.items <= SHOWN; l = l->next_in)
        if (in.items++ == SHOWN) {
            add(&in, ", and others");
        } else {
            symbol_beside(b, l->from->at, name);
            add(&in, "%s%08x%s", in.items > 1 ? ", " : "linked from ", l->from->at, name);
        }
    for (const Link *l = b->links; l; l = l->next_own) {
        u32 at = l->eip + (b->at - b->eip);
        symbol_beside(b, at, name);
        add(&to, "%s%08x%s%s", item(&to, "leads to "), at, name, l->to ? "" : " (not linked)");
    }
    say_fact(c, &in, o);
    say_fact(c, &to, o);
}

static void say_traps(Cell *c, const Block *b, const ExplainSink *o)
{
    Fact f = {.used = 0};
    for (unsigned n = 0; n < SHADOW_RESULTS; n++)
        if (b->traps[n]) add(&f, "%s%u on %s", item(&f, "trapped: "), b->traps[n], explain_reason(n));
    if (b->unlinked) add(&f, "%s%u exits by links not made yet", f.items ? "; " : "", b->unlinked);
    say_fact(c, &f, o);
}

static void say_numbers(Cell *c, Xlat *x, const Block *b, const ExplainSink *o)
{
    Fact f = {.used = 0};
    const Count *n = count_find(x, b->pa, b->mode);
    add(&f, "%u instructions, %u bytes -> %u bytes of host code, %s form%s%s", b->insns, b->bytes, b->hbytes,
        b->table ? "table" : "window", b->loop ? ", loop version" : "",
        b->x87 ? ", notes its x87 instructions" : "");
    if (n && (n->runs || x->count_runs)) add(&f, "; ran %llu times", (unsigned long long)n->runs);
    if (n && n->samples) add(&f, "; %llu samples", (unsigned long long)n->samples);
    if (b->uses) add(&f, "; about %llu look-ups", (unsigned long long)b->uses);
    if (b->faults) add(&f, "; %u %s", b->faults, b->table ? "pages not in the table" : "hidden faults");
    add(&f, "; made at %u.%03u s, in region %u of %d", b->born_ms / 1000, b->born_ms % 1000,
        explain_region(x, b) + 1, CACHE_REGIONS);
    say_fact(c, &f, o);
}

static void say_head(Cell *c, Xlat *x, const Block *b, const ExplainSink *o)
{
    char mode[120], name[BESIDE_BYTES];
    explain_mode(b->mode, mode, sizeof mode);
    symbol_beside(b, b->at, name);
    explain_say(o, "block %08x%s, physical %08x: %s\n", b->at, name, b->pa, mode);
    say_numbers(c, x, b, o);
    if (mode_floats(b->mode))
        explain_say(o,
                    "  it floats: addresses are those where it was translated; it runs wherever its page is "
                    "mapped\n");
    say_links(c, b, o);
    say_traps(c, b, o);
}

void explain_text_block(Xlat *x, const Block *b, ExplainOut *out, void *ctx)
{
    static RowOut r;
    const ExplainSink o = {out, ctx};
    ExplainInsn i;
    fpu_park(x->c);
    r.x = x;
    r.b = b;
    say_head(&r.host, x, b, &o);
    explain_say(
        &o, "  host code: window = r12, here = r13, esp = r14, vcpu = r15; r8 to r11 are scratch; rsp is the "
            "host's\n");
    explain_say(&o, "%-*s | %-*s | %s\n", GUEST_WIDTH, "guest", WHY_WIDTH, "class, and why",
                "host, by offset in the block");
    for (unsigned n = 0; explain_insn(x, b, n, &i); n++) say_insn(&r, &i, &o);
    say_tails(&r, &o);
}

/* --- the hottest ------------------------------------------------------------------------------------------- */

static void say_hot(Xlat *x, unsigned rank, const ExplainHot *h, const ExplainSink *o)
{
    char mode[120], first[80] = "(not in the cache now)", name[BESIDE_BYTES] = "";
    ExplainInsn i;
    explain_mode(h->count->mode, mode, sizeof mode);
    if (h->block && explain_insn(x, h->block, 0, &i)) explain_guest_line(h->block, &i, first, sizeof first);
    if (h->block) symbol_beside(h->block, h->block->at, name);
    explain_say(o, "%4u %3u.%u %% %14llu %9llu  ", rank, h->permille / 10, h->permille % 10,
                (unsigned long long)h->count->runs, (unsigned long long)h->count->samples);
    if (h->block)
        explain_say(o, "%08x %5u  ", h->block->at, h->block->insns);
    else
        explain_say(o, "%8s %5s  ", "-", "-");
    explain_say(o, "%08x  %-22.22s %.28s%s\n", h->count->pa, mode, first, name);
}

void explain_text_hot(Xlat *x, unsigned most, ExplainOut *out, void *ctx)
{
    const ExplainSink o = {out, ctx};
    ExplainHot hot[EXPLAIN_HOT_MOST];
    fpu_park(x->c);
    unsigned count = explain_hot(x, hot, most < EXPLAIN_HOT_MOST ? most : EXPLAIN_HOT_MOST);
    if (!count) {
        explain_say(&o, "no block has been counted or met by a sample yet\n");
        return;
    }
    explain_say(
        &o, "rank  share           runs   samples  eip      insns  physical  mode                   begins "
            "with\n");
    for (unsigned n = 0; n < count; n++) say_hot(x, n + 1, &hot[n], &o);
    if (count_lost(x))
        explain_say(&o, "%llu runs of blocks for which there was no counter left\n",
                    (unsigned long long)count_lost(x));
}
