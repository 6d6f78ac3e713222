/* explain_json.c - what explain.h says, as JSON for programs: the live page, scripts. */
#include <stdio.h>

#include "frontend/debug/disasm.h"
#include "frontend/debug/symbols.h"
#include "frontend/glass/explain.h"
#include "translator/count.h"

typedef struct Out {
    Json *j;
    Xlat *x;
    const Block *b;
} Out;

static void put_host_insn(void *ctx, u64 addr, const u8 *bytes, u32 n, const char *mnemonic,
                          const char *operands)
{
    const Out *o = ctx;
    char text[200];
    json_object(o->j, NULL);
    json_number(o->j, "at", (u32)(addr - (u64)(uintptr_t)o->b->hpc));
    json_bytes(o->j, "bytes", bytes, n);
    explain_host_line(o->x, o->b, addr + n, mnemonic, operands, text, sizeof text);
    json_text(o->j, "text", text);
    snprintf(text, sizeof text, "%s%s%s", mnemonic, *operands ? " " : "", operands);
    json_text(o->j, "raw", text);
    json_close(o->j, '}');
}

static void put_host(Out *o, const char *key, u32 at, u32 bytes)
{
    json_array(o->j, key);
    disasm_each(o->b->hpc + at, bytes, (u64)(uintptr_t)(o->b->hpc + at), 64, put_host_insn, o);
    json_close(o->j, ']');
}

static void put_insn(Out *o, const ExplainInsn *i)
{
    char text[500];
    json_object(o->j, NULL);
    json_hex(o->j, "eip", i->eip, 8);
    json_bytes(o->j, "bytes", i->bytes, i->length);
    explain_guest_line(o->b, i, text, sizeof text);
    json_text(o->j, "text", text);
    json_text(o->j, "class", i->cls);
    json_text(o->j, "exec", i->exec);
    json_text(o->j, "why", i->why);
    json_text(o->j, "history", i->history);
    json_bool(o->j, "patched", i->patched);
    put_host(o, "host", i->host_at, i->host_bytes);
    json_close(o->j, '}');
}

static void put_counts(const Out *o)
{
    const Block *b = o->b;
    const Count *n = count_find(o->x, b->pa, b->mode);
    u32 now = xlat_age_ms(o->x);
    if (n && (n->runs || o->x->count_runs))
        json_number(o->j, "runs", n->runs);
    else
        json_text(o->j, "runs", NULL);
    json_number(o->j, "samples", n ? n->samples : 0);
    json_number(o->j, "table_uses", b->uses);
    json_number(o->j, "faults", b->faults);
    json_number(o->j, "unlinked_exits", b->unlinked);
    json_object(o->j, "traps");
    for (unsigned k = 0; k < SHADOW_RESULTS; k++)
        if (b->traps[k]) json_number(o->j, explain_reason(k), b->traps[k]);
    json_close(o->j, '}');
    json_number(o->j, "region", explain_region(o->x, b));
    json_number(o->j, "regions", CACHE_REGIONS);
    json_number(o->j, "made_ms", b->born_ms);
    json_number(o->j, "age_ms", now > b->born_ms ? now - b->born_ms : 0);
}

static void put_identity(Json *j, u32 pa, ModeKey mode)
{
    json_hex(j, "pa", pa, 8);
    json_hex(j, "mode", mode, 1);
}

static void put_symbol(Json *j, const Block *b, u32 eip)
{
    char name[SYMBOL_TEXT];
    explain_symbol(b, eip, "", "", name, sizeof name);
    json_text(j, "symbol", *name ? name : NULL);
}

static void put_link_out(const Out *o, const Link *l)
{
    u32 eip = l->eip + (o->b->at - o->b->eip);
    json_object(o->j, NULL);
    json_hex(o->j, "eip", eip, 8);
    put_symbol(o->j, o->b, eip);
    json_bool(o->j, "linked", l->to);
    json_bool(o->j, "cross_page", l->cross_page);
    if (l->to) put_identity(o->j, l->to->pa, l->to->mode);
    json_close(o->j, '}');
}

static void put_link_in(const Out *o, const Block *from)
{
    json_object(o->j, NULL);
    json_hex(o->j, "eip", from->at, 8);
    put_symbol(o->j, from, from->at);
    put_identity(o->j, from->pa, from->mode);
    json_close(o->j, '}');
}

static void put_links(const Out *o)
{
    unsigned count = 0;
    json_array(o->j, "links_out");
    for (const Link *l = o->b->links; l && count < EXPLAIN_LINKS; l = l->next_own, count++)
        put_link_out(o, l);
    json_close(o->j, ']');
    count = 0;
    json_array(o->j, "links_in");
    for (const Link *l = o->b->links_in; l && count < EXPLAIN_LINKS; l = l->next_in, count++)
        put_link_in(o, l->from);
    json_close(o->j, ']');
}

static void put_mode(Json *j, ModeKey mode)
{
    char text[120];
    explain_mode(mode, text, sizeof text);
    json_text(j, "mode_text", text);
    json_number(j, "bits", explain_bits(mode));
    json_number(j, "ring", explain_ring(mode));
}

static void put_head(const Out *o)
{
    const Block *b = o->b;
    json_hex(o->j, "eip", b->at, 8);
    put_symbol(o->j, b, b->at);
    put_identity(o->j, b->pa, b->mode);
    put_mode(o->j, b->mode);
    json_text(o->j, "form", b->table ? "table" : "window");
    json_bool(o->j, "loop", b->loop);
    json_bool(o->j, "floats", mode_floats(b->mode));
    json_bool(o->j, "x87", b->x87);
    json_number(o->j, "bytes", b->bytes);
    json_number(o->j, "host_bytes", b->hbytes);
}

void explain_json_block(Json *j, Xlat *x, const Block *b)
{
    Out o = {.j = j, .x = x, .b = b};
    ExplainInsn i;
    fpu_park(x->c);
    json_object(j, NULL);
    put_head(&o);
    put_counts(&o);
    json_hex(j, "host", (u64)(uintptr_t)b->hpc, 1);
    json_array(j, "insns");
    for (unsigned n = 0; explain_insn(x, b, n, &i); n++) put_insn(&o, &i);
    json_close(j, ']');
    put_host(&o, "out_of_line", b->tails, b->hbytes - b->tails);
    put_links(&o);
    json_close(j, '}');
}

/* --- the hottest ------------------------------------------------------------------------------------------- */

static void put_live(Json *j, Xlat *x, const Block *b)
{
    ExplainInsn i;
    char first[500];
    bool live = b && explain_insn(x, b, 0, &i);
    if (!live) {
        static const char *const keys[] = {"eip", "symbol", "insns", "form", "first"};
        for (unsigned n = 0; n < ARRAY_LEN(keys); n++) json_text(j, keys[n], NULL);
        return;
    }
    explain_guest_line(b, &i, first, sizeof first);
    json_hex(j, "eip", b->at, 8);
    put_symbol(j, b, b->at);
    json_number(j, "insns", b->insns);
    json_text(j, "form", b->table ? "table" : "window");
    json_text(j, "first", first);
}

static void put_hot(Json *j, Xlat *x, unsigned rank, const ExplainHot *h)
{
    json_object(j, NULL);
    json_number(j, "rank", rank);
    put_identity(j, h->count->pa, h->count->mode);
    put_mode(j, h->count->mode);
    json_number(j, "permille", h->permille);
    json_number(j, "runs", h->count->runs);
    json_number(j, "samples", h->count->samples);
    json_bool(j, "live", h->block);
    put_live(j, x, h->block);
    json_close(j, '}');
}

static void any_runs(void *any, const Count *n) { *(bool *)any |= n->runs != 0; }

void explain_json_hot(Json *j, Xlat *x, unsigned most)
{
    ExplainHot hot[EXPLAIN_HOT_MOST];
    bool runs = false;
    fpu_park(x->c);
    count_each(x, any_runs, &runs);
    unsigned count = explain_hot(x, hot, most < EXPLAIN_HOT_MOST ? most : EXPLAIN_HOT_MOST);
    json_object(j, NULL);
    json_bool(j, "counting", x->count_runs);
    json_text(j, "by", runs ? "runs" : "samples");
    json_array(j, "blocks");
    for (unsigned n = 0; n < count; n++) put_hot(j, x, n + 1, &hot[n]);
    json_close(j, ']');
    json_close(j, '}');
}

void explain_json_error(Json *j, const char *sentence)
{
    json_object(j, NULL);
    json_text(j, "error", sentence);
    json_close(j, '}');
}
