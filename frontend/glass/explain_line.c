/* explain_line.c - one host instruction, as Capstone writes it, in names that a reader knows: fields of the Vcpu, the
 * registers that stand for something, where jumps and calls lead. (emit.h lists the registers.)
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/debug/disasm.h"
#include "frontend/debug/symbols.h"
#include "frontend/glass/explain.h"

typedef struct Line {
    char *to;
    size_t room, used;
} Line;

static void put(Line *l, const char *text, size_t n)
{
    for (; n && l->used + 1 < l->room; n--) l->to[l->used++] = *text++;
    l->to[l->used] = 0;
}

static const struct {
    const char *reg, *name;
} registers[] = {{"r12", "window"}, {"r13", "here"}, {"r13d", "here"}, {"r14", "esp"},
                 {"r14d", "esp"},   {"r14w", "sp"},  {"r15", "vcpu"}};

/* The name of a register that stands for something, else NULL. */
static const char *register_name(const char *word, size_t n)
{
    for (unsigned k = 0; k < ARRAY_LEN(registers); k++)
        if (strlen(registers[k].reg) == n && !strncmp(registers[k].reg, word, n)) return registers[k].name;
    return NULL;
}

/* "[r15 + 0x24]" or "[r15]" at `at`: the Vcpu's field, or what is far beside it; returns the length of what was read, 0:
 * it is something else. */
static size_t put_field(Line *l, Xlat *x, const Block *b, const char *at)
{
    char name[EXPLAIN_NAME], text[EXPLAIN_NAME + 16], *end = (char *)(uintptr_t)at + 4;
    s64 offset = 0;
    if (strncmp(at, "[r15", 4)) return 0;
    if (!strncmp(end, " + ", 3)) offset = strtoll(end + 3, &end, 0);
    if (!strncmp(end, " - ", 3)) offset = -strtoll(end + 3, &end, 0);
    if (*end != ']') return 0;
    if (explain_field_name(offset, name, sizeof name))
        snprintf(text, sizeof text, "[vcpu.%s]", name);
    else if (explain_host_name(x, b, (u64)(uintptr_t)x->c + (u64)offset, name, sizeof name))
        snprintf(text, sizeof text, "[<%s>]", name);
    else
        return 0;
    put(l, text, strlen(text));
    return (size_t)(end + 1 - at);
}

/* "rip - 0x1234" at `at`: what is there; returns the length of what was read, 0: it is something else. */
static size_t put_relative(Line *l, Xlat *x, const Block *b, u64 next, const char *at)
{
    char name[EXPLAIN_NAME], *end;
    if (strncmp(at, "rip + ", 6) && strncmp(at, "rip - ", 6)) return 0;
    u64 distance = strtoull(at + 6, &end, 0);
    u64 to = at[4] == '+' ? next + distance : next - distance;
    if (!explain_host_name(x, b, to, name, sizeof name)) return 0;
    put(l, "<", 1);
    put(l, name, strlen(name));
    put(l, ">", 1);
    return (size_t)(end - at);
}

static size_t word_length(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n])) n++;
    return n;
}

/* An operand that is an address. */
static bool put_address(Line *l, Xlat *x, const Block *b, const char *word)
{
    char name[EXPLAIN_NAME];
    if (!explain_host_name(x, b, strtoull(word, NULL, 0), name, sizeof name)) return false;
    put(l, "<", 1);
    put(l, name, strlen(name));
    put(l, ">", 1);
    return true;
}

static void put_operands(Line *l, Xlat *x, const Block *b, u64 next, const char *at, bool addresses)
{
    while (*at) {
        size_t n = put_field(l, x, b, at);
        if (!n) n = put_relative(l, x, b, next, at);
        if (n) {
            at += n;
            continue;
        }
        n = word_length(at);
        const char *name = register_name(at, n);
        if (n && name)
            put(l, name, strlen(name));
        else if (!strncmp(at, "ptr ", 4))
            n = 4;
        else if (n && addresses && !strncmp(at, "0x", 2) && put_address(l, x, b, at)) {
        } else
            put(l, at, n ? n : 1);
        at += n ? n : 1;
    }
}

void explain_host_line(Xlat *x, const Block *b, u64 next, const char *mnemonic, const char *operands,
                       char *to, size_t room)
{
    Line l = {.to = to, .room = room};
    bool constant = !strcmp(mnemonic, "movabs");
    if (constant) mnemonic = "mov";
    put(&l, mnemonic, strlen(mnemonic));
    if (!*operands) return;
    put(&l, " ", 1);
    put_operands(&l, x, b, next, operands, constant || *mnemonic == 'j' || !strcmp(mnemonic, "call"));
}

void explain_guest_line(const Block *b, const ExplainInsn *i, char *to, size_t room)
{
    u64 cs_base = b->mode & MODE_CS_BASED ? CS_BASE_UNKNOWN : 0;
    disasm_guest(i->bytes, i->length, i->eip, explain_bits(b->mode), cs_base, to, room);
}

void explain_symbol(const Block *b, u32 eip, const char *lead, const char *tail, char *to, size_t room)
{
    *to = 0;
    if (!(b->mode & MODE_CS_BASED)) symbols_beside(eip, lead, tail, to, room);
}

void explain_say(const ExplainSink *to, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n > 0) to->put(to->ctx, text, n < (int)sizeof text ? (u32)n : (u32)sizeof text - 1);
}
