/* hook_line.c - see hook_line.h.
 *
 *   line      = "load" LIB [ARGUMENTS]
 *             | where {REGISTER "=" NUMBER} action LIB ":" FUNCTION "(" [param {"," param}] ")" ["->" TYPE] [convention]
 *   where     = "at" (NUMBER | NUMBER ":" NUMBER | SYMBOL ["+" NUMBER]) | "int" NUMBER | "syscall"
 *   action    = "call" | "replace" | "after"
 *   param     = TYPE [source]
 *   source    = REGISTER | REGISTER ":" REGISTER | "result" | "nr" | "arg" N | NAME
 *
 * A NAME that is none of the others is the next argument of the guest's function. Numbers are decimal, 0x... or ...h.
 *
 * Conventions (System V ABI, Intel386 supplement, 3; Microsoft's; gcc, "x86 Function Attributes"): cdecl and stdcall
 * have all on the stack; fastcall takes the first two of at most 32 bits in ECX and EDX; regparm3 takes what fits of
 * EAX, EDX, ECX, in this order; floating point is on the stack always. regs: registers in a fixed order, no stack.
 */
#include "frontend/hook/hook_line.h"

#include <stdio.h>
#include <stdlib.h>

#include "cpu/cpu.h"
#include "frontend/debug/register_names.h"
#include "frontend/options/suggest.h"

typedef struct Scan {
    const char *at, *text;
    Problem *p;
} Scan;

static const char *const type_names[HOOK_TYPES] = {"void", "u8",  "u16", "u32", "u64", "s8",
                                                   "s16",  "s32", "s64", "f32", "f64", "str"};
static const char *const convention_names[] = {"cdecl", "stdcall", "fastcall", "regparm3", "regs"};
static const char *const action_names[] = {"call", "replace", "after"};

/* --- words ----------------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\t'; }
static void skip(Scan *s)
{
    while (is_space(*s->at)) s->at++;
}

static bool refuse(Scan *s, const char *wanted)
{
    return *s->at ? problem_set(s->p, "-hook '%.150s': %s expected before '%.40s'", s->text, wanted, s->at)
                  : problem_set(s->p, "-hook '%.150s': %s expected at the end", s->text, wanted);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '$' || c == '@';
}

/* A word of is_name_char(), and spaces behind it. */
static bool take_name(Scan *s, char *to, size_t room, const char *what)
{
    size_t n = 0;
    while (is_name_char(s->at[n])) n++;
    if (!n || n >= room) return refuse(s, n ? "a shorter word" : what);
    memcpy(to, s->at, n);
    to[n] = 0;
    s->at += n;
    skip(s);
    return true;
}

static bool take_char(Scan *s, char c)
{
    if (*s->at != c) return false;
    s->at++;
    skip(s);
    return true;
}

/* The word, if it is next. */
static bool take_word(Scan *s, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(s->at, word, n) || is_name_char(s->at[n])) return false;
    s->at += n;
    skip(s);
    return true;
}

/* One of the words; its number, or -1. */
static int take_one_of(Scan *s, const char *const *words, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        if (take_word(s, words[n])) return (int)n;
    return -1;
}

/* One of the words, whatever comes; false: *p has the list, or the nearest. */
static bool want_one_of(Scan *s, const char *const *words, unsigned count, const char *what, unsigned *which)
{
    char list[120] = "", word[40];
    Suggest near;
    int n = take_one_of(s, words, count);
    if (n >= 0) {
        *which = (unsigned)n;
        return true;
    }
    snprintf(word, sizeof word, "%.*s", (int)strcspn(s->at, " \t(),:="), s->at);
    suggest_begin(&near, word);
    for (unsigned k = 0; k < count; k++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", k ? ", " : "", words[k]);
        suggest_offer(&near, words[k]);
    }
    if (*word && suggest_result(&near))
        return problem_set(s->p, "-hook '%.150s': %.40s: did you mean '%s'?", s->text, word,
                           suggest_result(&near));
    return problem_set(s->p, "-hook '%.150s': %s expected%s%.40s (%s)", s->text, what,
                       *s->at ? " before " : "", s->at, list);
}

/* 12, 0x12, 12h; false: no number of 32 bits, and s stays. */
static bool take_number(Scan *s, u32 *to)
{
    const char *at = s->at;
    bool prefixed = at[0] == '0' && (at[1] | 0x20) == 'x';
    size_t n = strspn(at + 2 * prefixed, "0123456789abcdefABCDEF");
    bool suffixed = !prefixed && (at[n] | 0x20) == 'h';
    if (!n || n > 16 || at[0] < '0' || at[0] > '9') return false;
    char *end;
    unsigned long long v = strtoull(at, &end, prefixed || suffixed ? 16 : 10);
    if (v > UINT32_MAX || (!prefixed && end != at + n) || is_name_char(end[suffixed])) return false;
    *to = (u32)v;
    s->at = end + suffixed;
    skip(s);
    return true;
}

static bool is_register(const char *name)
{
    static const Vcpu nobody;
    s64 value;
    return register_named((void *)(uintptr_t)&nobody, name, &value);
}

static bool is_segment(const char *name)
{
    return name[0] && name[1] == 's' && !name[2] && is_register(name);
}

/* --- where ----------------------------------------------------------------------------------------------- */

static bool parse_address(Scan *s, HookLine *h)
{
    u32 offset = 0;
    if (take_number(s, &h->address)) {
        if (!take_char(s, ':')) return true;
        if (h->address > 0xffff || !take_number(s, &offset) || offset > 0xffff)
            return refuse(s, "SEGMENT:OFFSET");
        h->address = (h->address << 4) + offset;
        return true;
    }
    if (*s->at >= '0' && *s->at <= '9') return refuse(s, "an address of 32 bits");
    if (!take_name(s, h->symbol, sizeof h->symbol, "an address or a symbol")) return false;
    if (take_char(s, '+') && !take_number(s, &h->address)) return refuse(s, "a number");
    return true;
}

static bool parse_where(Scan *s, HookLine *h)
{
    static const char *const words[] = {"at", "int", "syscall"};
    unsigned which = 0;
    u32 vector;
    if (!want_one_of(s, words, ARRAY_LEN(words), "where", &which)) return false;
    h->where = (HookWhere)(HOOK_AT + which);
    if (h->where == HOOK_AT) return parse_address(s, h);
    if (h->where == HOOK_SYSCALL) return true;
    if (!take_number(s, &vector) || vector > 255) return refuse(s, "an interrupt's number (21h)");
    h->vector = (u8)vector;
    return true;
}

/* "nr=5", "ah=3dh" */
static bool parse_conditions(Scan *s, HookLine *h)
{
    for (;;) {
        size_t n = 0;
        while (is_name_char(s->at[n])) n++;
        const char *behind = s->at + n;
        while (is_space(*behind)) behind++;
        if (!n || *behind != '=') return true;
        struct HookCondition *c = &h->condition[h->conditions];
        if (h->conditions == HOOK_CONDITIONS) return refuse(s, "no more than 4 conditions");
        if (!take_name(s, c->name, sizeof c->name, "a register")) return false;
        if (!strcmp(c->name, "nr")) snprintf(c->name, sizeof c->name, "eax");
        if (!is_register(c->name))
            return problem_set(s->p, "-hook '%.150s': %s: there is no such register", s->text, c->name);
        take_char(s, '=');
        if (!take_number(s, &c->value)) return refuse(s, "a number");
        h->conditions++;
    }
}

/* --- what ------------------------------------------------------------------------------------------------ */

/* LIB: up to the last colon before the parenthesis; or, of `load`, up to a space. */
static bool parse_library(Scan *s, HookLine *h)
{
    size_t n = h->where == HOOK_LOAD ? strcspn(s->at, " \t") : strcspn(s->at, "(");
    if (h->where != HOOK_LOAD) {
        while (n && s->at[n] != ':') n--;
        if (!n) return refuse(s, "LIBRARY:FUNCTION(...)");
    }
    if (!n || n >= sizeof h->library) return refuse(s, n ? "a shorter name" : "a library");
    memcpy(h->library, s->at, n);
    h->library[n] = 0;
    s->at += n;
    return true;
}

static bool parse_source(Scan *s, HookLine *h, HookParam *q, unsigned *next)
{
    char name[HOOK_NAME_BYTES];
    q->source = SOURCE_ARGUMENT;
    q->argument = *next;
    if (*s->at == ',' || *s->at == ')') {
        ++*next;
        return true;
    }
    if (!take_name(s, name, sizeof name, "a parameter's name")) return false;
    if (!strcmp(name, "result") || !strcmp(name, "nr")) {
        q->source = *name == 'r' ? SOURCE_RESULT : SOURCE_NUMBER;
        if (q->source == SOURCE_RESULT && h->when != HOOK_AFTER)
            return problem_set(s->p, "-hook '%.150s': result: only 'after' knows it", s->text);
        return true;
    }
    if (is_register(name)) {
        snprintf(q->names[0], HOOK_REG_BYTES, "%.11s", name);
        q->source = SOURCE_REGISTER;
        if (!take_char(s, ':')) return true;
        q->source = SOURCE_ADDRESS;
        if (!is_segment(name) || !take_name(s, name, HOOK_REG_BYTES, "a register") || !is_register(name))
            return problem_set(s->p, "-hook '%.150s': an address is SEGMENT:REGISTER, such as ds:dx",
                               s->text);
        snprintf(q->names[1], HOOK_REG_BYTES, "%.11s", name);
        return true;
    }
    char *end = name;
    unsigned long n = strncmp(name, "arg", 3) ? 0 : strtoul(name + 3, &end, 10);
    if (n && !*end) {
        if (n > HOOK_PARAMS)
            return problem_set(s->p, "-hook '%.150s': %s: at most arg%d", s->text, name, HOOK_PARAMS);
        q->argument = (unsigned)n - 1;
    }
    *next = q->argument + 1;
    return true;
}

static bool parse_params(Scan *s, HookLine *h)
{
    unsigned next = 0, type = 0;
    if (!take_char(s, '(')) return refuse(s, "'('");
    if (take_char(s, ')')) return true;
    do {
        if (h->params == HOOK_PARAMS)
            return problem_set(s->p, "-hook '%.150s': more than %d parameters", s->text, HOOK_PARAMS);
        HookParam *q = &h->param[h->params];
        if (!want_one_of(s, type_names, HOOK_TYPES, "a type", &type)) return false;
        if (type == HOOK_VOID) return problem_set(s->p, "-hook '%.150s': no parameter is void", s->text);
        q->type = (HookType)type;
        if (!parse_source(s, h, q, &next)) return false;
        if (q->argument >= HOOK_PARAMS)
            return problem_set(s->p, "-hook '%.150s': at most %d arguments", s->text, HOOK_PARAMS);
        h->params++;
    } while (take_char(s, ','));
    return take_char(s, ')') || refuse(s, "',' or ')'");
}

static bool is_floating(HookType t) { return t == HOOK_F32 || t == HOOK_F64; }
static bool is_integer(HookType t) { return t != HOOK_STR && !is_floating(t); }

static bool parse_result(Scan *s, HookLine *h)
{
    unsigned type = 0;
    h->result = h->when == HOOK_REPLACE ? HOOK_U32 : HOOK_VOID;
    if (strncmp(s->at, "->", 2)) return true;
    s->at += 2;
    skip(s);
    if (!want_one_of(s, type_names, HOOK_TYPES, "a type", &type)) return false;
    if (!is_integer((HookType)type))
        return problem_set(s->p, "-hook '%.150s': a result is an integer or void", s->text);
    if (type != HOOK_VOID && h->when != HOOK_REPLACE)
        return problem_set(s->p, "-hook '%.150s': only 'replace' gives the guest a result", s->text);
    h->result = (HookType)type;
    return true;
}

static bool parse_convention(Scan *s, HookLine *h)
{
    unsigned which = 0;
    h->convention = h->where == HOOK_AT ? HOOK_CDECL : HOOK_REGS;
    if (!*s->at) return true;
    if (!want_one_of(s, convention_names, ARRAY_LEN(convention_names), "a convention", &which)) return false;
    h->convention = (HookConvention)which;
    if (h->where != HOOK_AT && h->convention != HOOK_REGS)
        return problem_set(s->p, "-hook '%.150s': an interrupt's arguments are in registers: regs", s->text);
    return !*s->at || refuse(s, "nothing more");
}

/* --- places ---------------------------------------------------------------------------------------------- */

static unsigned type_bytes(HookType t)
{
    static const u8 bytes[HOOK_TYPES] = {0, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 4};
    return bytes[t];
}

/* The registers that arguments may be in; -1 ends. */
static const s8 *argument_registers(const HookLine *h)
{
    static const s8 none[] = {-1}, fastcall[] = {ECX, EDX, -1}, regparm3[] = {EAX, EDX, ECX, -1},
                    linux_call[] = {EBX, ECX, EDX, ESI, EDI, EBP, -1},
                    others[] = {EAX, EBX, ECX, EDX, ESI, EDI, EBP, -1};
    switch (h->convention) {
    case HOOK_FASTCALL: return fastcall;
    case HOOK_REGPARM3: return regparm3;
    case HOOK_REGS:
        return h->where == HOOK_SYSCALL || (h->where == HOOK_INT && h->vector == 0x80) ? linux_call : others;
    default: return none;
    }
}

/* The type of argument n; of those that the line does not name it is taken to be u32. */
static HookType argument_type(const HookLine *h, unsigned n)
{
    for (unsigned k = 0; k < h->params; k++)
        if (h->param[k].source == SOURCE_ARGUMENT && h->param[k].argument == n) return h->param[k].type;
    return HOOK_U32;
}

/* Where the next argument is, of this type, when `*regs` are left and so much is on the stack. */
static HookPlace place_next(const HookLine *h, HookType type, const s8 **regs, u16 stack[2])
{
    HookPlace place = {.reg = -1, .high = -1, .offset = {stack[0], stack[1]}};
    bool wide = type_bytes(type) == 8, fits = **regs >= 0 && (!wide || (*regs)[1] >= 0);
    if (is_floating(type) || (h->convention == HOOK_FASTCALL && wide)) fits = false;
    if (fits) {
        place.reg = *(*regs)++;
        if (wide) place.high = *(*regs)++;
        return place;
    }
    stack[1] = (u16)(stack[1] + (wide ? 8 : 4));
    bool word = type_bytes(type) <= 2 || type == HOOK_STR; /* a near pointer */
    stack[0] = (u16)(stack[0] + (word ? 2u : type_bytes(type)));
    return place;
}

static bool place_arguments(Scan *s, HookLine *h)
{
    const s8 *regs = argument_registers(h);
    unsigned count = 0;
    for (unsigned k = 0; k < h->params; k++)
        if (h->param[k].source == SOURCE_ARGUMENT && h->param[k].argument >= count)
            count = h->param[k].argument + 1;
    for (unsigned n = 0; n < count; n++) {
        HookPlace place = place_next(h, argument_type(h, n), &regs, h->stack_bytes);
        if (place.reg < 0 && h->convention == HOOK_REGS)
            return problem_set(s->p, "-hook '%.150s': argument %u is in no register", s->text, n + 1);
        for (unsigned k = 0; k < h->params; k++)
            if (h->param[k].source == SOURCE_ARGUMENT && h->param[k].argument == n) h->param[k].place = place;
    }
    return true;
}

/* --- the line -------------------------------------------------------------------------------------------- */

static bool parse_call(Scan *s, HookLine *h)
{
    unsigned when = 0;
    if (!parse_where(s, h) || !parse_conditions(s, h) ||
        !want_one_of(s, action_names, ARRAY_LEN(action_names), "what to do", &when))
        return false;
    h->when = (HookWhen)when;
    if (!parse_library(s, h)) return false;
    s->at++; /* the colon */
    return take_name(s, h->function, sizeof h->function, "a function") && parse_params(s, h) &&
           parse_result(s, h) && parse_convention(s, h) && place_arguments(s, h);
}

bool hook_line_parse(HookLine *h, const char *text, Problem *p)
{
    Scan s = {.at = text, .text = text, .p = p};
    *h = (HookLine){0};
    if (strlen(text) >= sizeof h->text)
        return problem_set(p, "-hook '%.60s...': longer than %d characters", text, HOOK_LINE_BYTES - 1);
    snprintf(h->text, sizeof h->text, "%s", text);
    skip(&s);
    if (!take_word(&s, "load")) return parse_call(&s, h);
    if (!parse_library(&s, h)) return false;
    skip(&s);
    snprintf(h->arguments, sizeof h->arguments, "%s", s.at);
    return true;
}
