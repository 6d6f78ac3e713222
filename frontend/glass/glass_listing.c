/* glass_listing.c - the glass box's listings: 80 columns, in the layout of hw/glassbox_ports.h.
 *
 * What translator/explain.h tells of a block, with offsets for what lies in the block's code and names for the rest; a
 * number that is wider than 32 bits and has no name may be an address of the host's, and is left out. Where the
 * interpreter does everything: what it calls for each instruction.
 */
#include "frontend/glass/glass.h"

#include <ctype.h>
#include <stdio.h>

#include "frontend/debug/disasm.h"
#include "frontend/debug/guest_memory.h"
#include "frontend/glass/explain.h"

enum {
    GUEST_AT = 5,
    GUEST_WIDTH = GLASSBOX_CLASS_AT - GUEST_AT - 1,
    HOST_AT = GLASSBOX_BAR_AT + 6,
    HOST_WIDTH = GLASSBOX_COLUMNS - HOST_AT,
    CELL_LINES = 160
};

/* --- rows ------------------------------------------------------------------------------------------------ */

/* One guest instruction and what became of it, as lines side by side. */
typedef struct Beside {
    unsigned guests, hosts;
    char guest[8][GUEST_WIDTH + 1];
    char host[CELL_LINES][GLASSBOX_COLUMNS - GLASSBOX_BAR_AT];
    char cls[8], offset[8];
    const Xlat *x;
    const Block *b;
} Beside;

/* How much of text goes into a line: to the end of a word. */
static size_t fits(const char *text, size_t width)
{
    size_t n = strlen(text);
    if (n <= width) return n;
    for (n = width; n && text[n] != ' ';) n--;
    return n ? n : width;
}

static const char *behind(const char *text, size_t n)
{
    text += n;
    while (*text == ' ') text++;
    return text;
}

static void add_guest(Beside *r, const char *text)
{
    size_t indent = 0;
    for (; *text && r->guests < ARRAY_LEN(r->guest); indent = 2) {
        size_t n = fits(text, GUEST_WIDTH - indent);
        snprintf(r->guest[r->guests++], GUEST_WIDTH + 1, "%*s%.*s", (int)indent, "", (int)n, text);
        text = behind(text, n);
    }
}

static void add_host(Beside *r, u32 offset, const char *text)
{
    size_t indent = 0;
    for (; *text && r->hosts < CELL_LINES; indent = 4) {
        size_t n = fits(text, HOST_WIDTH - indent);
        char *line = r->host[r->hosts++];
        if (indent)
            snprintf(line, sizeof r->host[0], "%*s%.*s", (int)(5 + indent), "", (int)n, text);
        else
            snprintf(line, sizeof r->host[0], " %3x %.*s", offset, (int)n, text);
        text = behind(text, n);
    }
}

static void put_row(GlassOut *o, const Beside *r, char tag)
{
    unsigned lines = r->guests > r->hosts ? r->guests : r->hosts;
    for (unsigned n = 0; n < lines; n++)
        glass_put(o, "%c%-3s %-*s%-7s|%s\n", tag, n ? "" : r->offset, GUEST_WIDTH + 1,
                  n < r->guests ? r->guest[n] : "", n ? "" : r->cls, n < r->hosts ? r->host[n] : "");
}

/* A remark of any length. */
static void put_remark(GlassOut *o, char tag, const char *text)
{
    while (*text) {
        size_t n = fits(text, GLASSBOX_COLUMNS - 1 - GUEST_AT);
        glass_put(o, "%c    %.*s\n", tag, (int)n, text);
        text = behind(text, n);
    }
}

/* --- a block --------------------------------------------------------------------------------------------- */

/* No number of more than 32 bits: where it is no name's, it could tell where something lies in the host. */
static void hide_addresses(char *text)
{
    for (char *at = text; (at = strstr(at, "0x"));) {
        size_t n = strspn(at + 2, "0123456789abcdef");
        if (n > 8) {
            memmove(at + 3, at + 2 + n, strlen(at + 2 + n) + 1);
            memcpy(at, "...", 3);
        }
        at += 3;
    }
    char *rip = strstr(text, "[rip");
    size_t n = rip ? strcspn(rip, "]") : 0;
    if (rip && rip[n]) {
        memmove(rip + 4, rip + n, strlen(rip + n) + 1);
        memcpy(rip, "[...", 4);
    }
}

static void take_host(void *ctx, u64 addr, const u8 *bytes, u32 n, const char *mnemonic, const char *operands)
{
    Beside *r = ctx;
    char text[160];
    (void)bytes;
    explain_host_line((Xlat *)(uintptr_t)r->x, r->b, addr + n, mnemonic, operands, text, sizeof text);
    hide_addresses(text);
    add_host(r, (u32)(addr - (u64)(uintptr_t)r->b->hpc), text);
}

static void add_host_code(Beside *r, u32 at, u32 bytes)
{
    disasm_each(r->b->hpc + at, bytes, (u64)(uintptr_t)(r->b->hpc + at), 64, take_host, r);
}

static void put_insn(GlassOut *o, const Xlat *x, const Block *b, const ExplainInsn *i)
{
    Beside r = {.x = x, .b = b};
    char text[200];
    explain_guest_line(b, i, text, sizeof text);
    add_guest(&r, text);
    snprintf(r.offset, sizeof r.offset, "%03x", i->eip & PAGE_MASK);
    snprintf(r.cls, sizeof r.cls, "%s", i->cls);
    add_host_code(&r, i->host_at, i->host_bytes);
    put_row(o, &r, GLASSBOX_LINE_CODE);
    put_remark(o, GLASSBOX_LINE_HISTORY, i->history);
    put_remark(o, GLASSBOX_LINE_WHY, i->why);
}

static void put_tails(GlassOut *o, const Xlat *x, const Block *b)
{
    Beside r = {.x = x, .b = b};
    if (b->tails >= b->hbytes) return;
    glass_put(o, "%c    out of line: what runs seldom, and ways out that are not linked yet\n",
              GLASSBOX_LINE_WHY);
    add_host_code(&r, b->tails, b->hbytes - b->tails);
    put_row(o, &r, GLASSBOX_LINE_TAIL);
}

static void put_block(GlassOut *o, Xlat *x, const Block *b)
{
    char mode[120], text[240];
    ExplainInsn i;
    explain_mode(b->mode, mode, sizeof mode);
    snprintf(text, sizeof text, "%s; %s form; %u instructions of %u bytes became %u bytes", mode,
             b->table ? "table" : "window", b->insns, b->bytes, b->hbytes);
    put_remark(o, GLASSBOX_LINE_WHY, text);
    for (unsigned n = 0; explain_insn(x, b, n, &i); n++) put_insn(o, x, b, &i);
    put_tails(o, x, b);
}

/* --- without the translator ------------------------------------------------------------------------------ */

/* From va on to a jump or call that is always taken, as the interpreter would do it. */
static void put_interpreted(GlassOut *o, const Vcpu *c, u32 va, bool code16)
{
    enum { INSNS_MAX = 16, INSN_MOST = 15 };
    u8 bytes[INSN_MOST * INSNS_MAX];
    u32 avail = guest_readable(c, true, va, sizeof bytes), at = 0;
    DecodeMode mode = {.code32 = !code16, .protected_mode = !code16, .features = c->features};
    Insn i;
    if (!avail || !guest_read(c, true, va, bytes, avail)) {
        glass_put(o, "%c    nothing is mapped there\n", GLASSBOX_LINE_HISTORY);
        return;
    }
    for (unsigned n = 0; n < INSNS_MAX && insn_decode(&i, bytes + at, avail - at, mode) == DECODE_OK; n++) {
        Beside r = {0};
        char text[200];
        disasm_guest(bytes + at, i.len, va + at, code16 ? 16 : 32, CS_BASE_UNKNOWN, text, sizeof text);
        add_guest(&r, text);
        snprintf(r.offset, sizeof r.offset, "%03x", (va + at) & PAGE_MASK);
        snprintf(r.cls, sizeof r.cls, "%s", explain_class(i.row->cls));
        snprintf(r.host[r.hosts++], sizeof r.host[0], " exec_%s()", x86_exec_name[i.row->id]);
        put_row(o, &r, GLASSBOX_LINE_CODE);
        at += i.len;
        if ((i.row->cls == XC_FLOW && !insn_is_jcc(&i)) || i.row->cls == XC_FAR) break;
    }
}

void glass_listing(GlassOut *o, Pc *pc, u32 va, bool code16)
{
    Xlat *x = explain_xlat(pc->engine);
    const Block *b = x ? explain_find(x, EXPLAIN_LINEAR, va, NULL) : NULL;
    if (b)
        put_block(o, x, b);
    else if (x)
        glass_put(o, "%c    nothing is translated there now\n", GLASSBOX_LINE_HISTORY);
    else
        put_interpreted(o, &pc->cpu, va, code16);
}
