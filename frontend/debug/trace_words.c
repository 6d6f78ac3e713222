/* trace_words.c - see trace_words.h.
 *
 * The ranges are QEMU's: START-LENGTH is the LENGTH bytes whose last is START. Addresses are linear, so they end at
 * ffffffff; a range that would go beyond either end is refused.
 */
#include "frontend/debug/trace_words.h"

#include <stdio.h>
#include <stdlib.h>

const TraceWord trace_words[TRACE_COUNT] = {
#define T(id, word, help) {word, help},
    TRACE_LIST(T)
#undef T
};

bool trace_words_parse(const char *text, u32 *mask, char *bad, size_t room)
{
    u32 found = 0;
    do {
        size_t n = strcspn(text, ",");
        unsigned at = 0;
        while (at < TRACE_COUNT &&
               (strlen(trace_words[at].word) != n || memcmp(text, trace_words[at].word, n)))
            at++;
        if (at == TRACE_COUNT) {
            snprintf(bad, room, "%.*s", (int)(n < room ? n : room - 1), text);
            return false;
        }
        found |= 1u << at;
        text += n;
    } while (*text++ == ',');
    *mask = found;
    return true;
}

/* A number as in C at *s, moving *s behind it. */
static bool take_address(const char **s, u64 *n)
{
    char *end;
    if (**s < '0' || **s > '9') return false;
    *n = strtoull(*s, &end, 0); /* too large: all ones, which is too large, too */
    bool ok = end != *s && *n <= UINT32_MAX;
    *s = end;
    return ok;
}

static bool take_range(const char **s, TraceRange *r)
{
    u64 a, b;
    if (!take_address(s, &a)) return false;
    char how = **s;
    bool dots = !strncmp(*s, "..", 2);
    if (!dots && how != '+' && how != '-') return false;
    *s += dots ? 2 : 1;
    if (!take_address(s, &b)) return false;
    u64 first = how == '-' ? a - b + 1 : a, last = how == '+' ? a + b - 1 : how == '-' ? a : b;
    if ((how != '.' && !b) || (how == '-' && b > a + 1) || first > last || last > UINT32_MAX) return false;
    *r = (TraceRange){(u32)first, (u32)last};
    return true;
}

bool trace_ranges_parse(const char *text, TraceFilter *to, Problem *p)
{
    for (;;) {
        TraceRange r;
        size_t n = strcspn(text, ",");
        const char *s = text;
        if (!take_range(&s, &r) || s != text + n)
            return problem_set(
                p, "%.*s: no range; give START..END, START+LENGTH or START-LENGTH, up to 0xffffffff",
                (int)(n < 80 ? n : 80), text);
        if (to->count == TRACE_RANGES_MAX)
            return problem_set(p, "there may be %d ranges at most", TRACE_RANGES_MAX);
        to->range[to->count++] = r;
        if (!*s) return true;
        text = s + 1;
    }
}
