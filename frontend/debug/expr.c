/* expr.c - see expr.h.
 *
 *   sum   = logic { (+|-) logic }      logic = product { (&||^) product }      product = unary { (*|/|%) unary }
 *   unary = [+|-|~] unary | ( sum ) | 'c' | $register | symbol | number (0x hexadecimal, 0 octal, decimal)
 *
 * Symbols are those of -symbols.
 *
 * 64 bits, signed, wrapping around. A '/' with a letter, dot or underscore behind it is no division but begins a file's
 * name: `pmemsave 0 16 /tmp/x`.
 */
#include "frontend/debug/expr.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/debug/symbols.h"

enum { DEEPEST = 64 };

typedef struct Parser {
    const char *s;
    ExprRegister reg;
    void *ctx;
    Problem *problem;
    unsigned depth;
} Parser;

static bool parse_sum(Parser *x, u64 *v);

static void skip_spaces(Parser *x)
{
    while (*x->s == ' ' || *x->s == '\t') x->s++;
}

static bool refuse(Parser *x)
{
    if (!*x->s) return problem_set(x->problem, "unexpected end of expression");
    return problem_set(x->problem, "invalid char '%c' in expression", *x->s);
}

static bool parse_char(Parser *x, u64 *v)
{
    if (!x->s[1] || x->s[2] != '\'') return problem_set(x->problem, "missing terminating ' character");
    *v = (u8)x->s[1];
    x->s += 3;
    return true;
}

/* "$eip", "$cs.base" */
static bool parse_register(Parser *x, u64 *v)
{
    char name[32];
    size_t n = 0;
    s64 value = 0;
    for (x->s++; isalnum((unsigned char)*x->s) || *x->s == '_' || *x->s == '.'; x->s++)
        if (n < sizeof name - 1) name[n++] = *x->s;
    name[n] = 0;
    if (!x->reg || !x->reg(x->ctx, name, &value))
        return problem_set(x->problem, "unknown register '%s'", name);
    *v = (u64)value;
    return true;
}

static bool parse_digits(Parser *x, u64 *v)
{
    char *end;
    if (!isdigit((unsigned char)*x->s)) return refuse(x);
    errno = 0;
    *v = strtoull(x->s, &end, 0);
    if (errno == ERANGE) return problem_set(x->problem, "number too large");
    if (end == x->s) return refuse(x);
    x->s = end;
    return true;
}

/* "do_fork", "list_del.constprop.0" */
static bool parse_symbol(Parser *x, u64 *v)
{
    char name[256];
    size_t n = 0;
    u32 address;
    const char *at = x->s;
    for (; isalnum((unsigned char)*at) || *at == '_' || *at == '.'; at++)
        if (n < sizeof name - 1) name[n++] = *at;
    name[n] = 0;
    if (!symbols_find(name, &address)) {
        const char *near = symbols_suggest(name);
        return problem_set(x->problem,
                           near ? "there is no symbol '%.80s'; did you mean '%.80s'?"
                                : "there is no symbol '%.80s'",
                           name, near);
    }
    x->s = at;
    *v = address;
    return true;
}

static bool parse_group(Parser *x, u64 *v)
{
    x->s++;
    if (!parse_sum(x, v)) return false;
    if (*x->s != ')') return problem_set(x->problem, "')' expected");
    x->s++;
    return true;
}

static bool parse_primary(Parser *x, u64 *v)
{
    switch (*x->s) {
    case '(': return parse_group(x, v);
    case '\'': return parse_char(x, v);
    case '$': return parse_register(x, v);
    default:
        if (symbols_count() && (isalpha((unsigned char)*x->s) || *x->s == '_')) return parse_symbol(x, v);
        return parse_digits(x, v);
    }
}

static bool parse_unary(Parser *x, u64 *v)
{
    skip_spaces(x);
    char op = *x->s;
    bool ok;
    if (++x->depth > DEEPEST) return problem_set(x->problem, "expression too deep");
    if (op && strchr("+-~", op)) {
        x->s++;
        ok = parse_unary(x, v);
        *v = op == '-' ? 0 - *v : op == '~' ? ~*v : *v;
    } else {
        ok = parse_primary(x, v);
    }
    x->depth--;
    skip_spaces(x);
    return ok;
}

/* The operator at hand if it is one of `ops`, taken; or 0. */
static char take_operator(Parser *x, const char *ops)
{
    char c = *x->s;
    if (!c || !strchr(ops, c)) return 0;
    if ((c == '&' || c == '|') && x->s[1] == c) return 0; /* a condition's */
    if (c == '/' && (isalpha((unsigned char)x->s[1]) || (x->s[1] && strchr("._~/", x->s[1])))) return 0;
    x->s++;
    return c;
}

static bool divide(Parser *x, char op, u64 *v, u64 by)
{
    if (!by) return problem_set(x->problem, "division by zero");
    if (by == UINT64_MAX) /* -1: the smallest number has no opposite */
        *v = op == '/' ? 0 - *v : 0;
    else
        *v = (u64)(op == '/' ? (s64)*v / (s64)by : (s64)*v % (s64)by);
    return true;
}

static bool parse_product(Parser *x, u64 *v)
{
    u64 right;
    char op;
    *v = 0;
    if (!parse_unary(x, v)) return false;
    while ((op = take_operator(x, "*/%"))) {
        if (!parse_unary(x, &right)) return false;
        if (op == '*')
            *v *= right;
        else if (!divide(x, op, v, right))
            return false;
    }
    return true;
}

static bool parse_logic(Parser *x, u64 *v)
{
    u64 right;
    char op;
    if (!parse_product(x, v)) return false;
    while ((op = take_operator(x, "&|^"))) {
        if (!parse_product(x, &right)) return false;
        *v = op == '&' ? *v & right : op == '|' ? *v | right : *v ^ right;
    }
    return true;
}

static bool parse_sum(Parser *x, u64 *v)
{
    u64 right;
    char op;
    if (!parse_logic(x, v)) return false;
    while ((op = take_operator(x, "+-"))) {
        if (!parse_logic(x, &right)) return false;
        *v = op == '+' ? *v + right : *v - right;
    }
    return true;
}

bool expr_parse(const char **s, s64 *value, ExprRegister reg, void *ctx, Problem *p)
{
    Parser x = {.s = *s, .reg = reg, .ctx = ctx, .problem = p};
    u64 v = 0;
    if (!parse_sum(&x, &v)) return false;
    *s = x.s;
    *value = (s64)v;
    return true;
}

/* --- conditions ------------------------------------------------------------------------------------------ */

typedef enum Compare { CMP_NONE, CMP_EQ, CMP_NE, CMP_LE, CMP_GE, CMP_LT, CMP_GT } Compare;

static Compare take_comparison(Parser *x)
{
    static const struct {
        char text[3];
        Compare what;
    } all[] = {{"==", CMP_EQ}, {"!=", CMP_NE}, {"<=", CMP_LE}, {">=", CMP_GE}, {"<", CMP_LT}, {">", CMP_GT}};
    for (unsigned n = 0; n < ARRAY_LEN(all); n++) {
        size_t length = strlen(all[n].text);
        if (strncmp(x->s, all[n].text, length)) continue;
        x->s += length;
        return all[n].what;
    }
    return CMP_NONE;
}

static bool compares(Compare what, s64 a, s64 b)
{
    switch (what) {
    case CMP_EQ: return a == b;
    case CMP_NE: return a != b;
    case CMP_LE: return a <= b;
    case CMP_GE: return a >= b;
    case CMP_LT: return a < b;
    case CMP_GT: return a > b;
    default: return a != 0;
    }
}

static bool parse_comparison(Parser *x, bool *holds)
{
    u64 a, b = 0;
    if (!parse_sum(x, &a)) return false;
    Compare what = take_comparison(x);
    if (what != CMP_NONE && !parse_sum(x, &b)) return false;
    *holds = compares(what, (s64)a, (s64)b);
    return true;
}

bool expr_condition(const char **s, bool *holds, ExprRegister reg, void *ctx, Problem *p)
{
    Parser x = {.s = *s, .reg = reg, .ctx = ctx, .problem = p};
    bool right;
    if (!parse_comparison(&x, holds)) return false;
    while ((*x.s == '&' || *x.s == '|') && x.s[1] == *x.s) {
        bool both = *x.s == '&';
        x.s += 2;
        if (!parse_comparison(&x, &right)) return false;
        *holds = both ? *holds && right : *holds || right;
    }
    *s = x.s;
    return true;
}

/* --- formats --------------------------------------------------------------------------------------------- */

static u8 size_of_letter(char c)
{
    switch (c) {
    case 'b': return 1;
    case 'h': return 2;
    case 'w':
    case 'l': return 4;
    case 'g': return 8;
    default: return 0;
    }
}

bool format_parse(const char **s, Format *f, Problem *p)
{
    while (**s == ' ') ++*s;
    if (**s != '/') return true;
    ++*s;
    if (isdigit((unsigned char)**s)) {
        char *end;
        unsigned long n = strtoul(*s, &end, 10);
        f->count = n > UINT32_MAX ? UINT32_MAX : (u32)n;
        *s = end;
    }
    for (; **s && **s != ' '; ++*s) {
        if (strchr("xduoci", **s))
            f->letter = **s;
        else if (size_of_letter(**s))
            f->bytes = size_of_letter(**s);
        else
            return problem_set(p, "invalid char in format: '%c'", **s);
    }
    return true;
}

static void format_char(char *to, size_t room, u8 c)
{
    switch (c) {
    case '\'': snprintf(to, room, "'\\''"); return;
    case '\\': snprintf(to, room, "'\\\\'"); return;
    case '\n': snprintf(to, room, "'\\n'"); return;
    case '\r': snprintf(to, room, "'\\r'"); return;
    default: snprintf(to, room, c >= 32 && c <= 126 ? "'%c'" : "'\\x%02x'", c); return;
    }
}

void format_item(char *to, size_t room, const Format *f, u64 value)
{
    static const u8 octal_digits[9] = {[1] = 3, [2] = 6, [4] = 11, [8] = 22};
    static const u8 decimal_digits[9] = {[1] = 3, [2] = 5, [4] = 10, [8] = 20};
    unsigned unused = 64 - 8 * f->bytes;
    s64 sign = (s64)(value << unused) >> unused;
    value = value << unused >> unused;
    switch (f->letter) {
    case 'o': snprintf(to, room, "0%0*llo", octal_digits[f->bytes], (unsigned long long)value); return;
    case 'u': snprintf(to, room, "%*llu", decimal_digits[f->bytes], (unsigned long long)value); return;
    case 'd': snprintf(to, room, "%*lld", decimal_digits[f->bytes], (long long)sign); return;
    case 'c': format_char(to, room, (u8)value); return;
    default: snprintf(to, room, "0x%0*llx", 2 * f->bytes, (unsigned long long)value); return;
    }
}
