/* suggest.c - see suggest.h. Optimal string alignment distance, by the textbook table. */
#include "frontend/options/suggest.h"

#include <ctype.h>

enum { LONGEST = 31 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static unsigned length_of(const char *s)
{
    unsigned n = 0;
    while (n < LONGEST && s[n]) n++;
    return n;
}

static bool same(char a, char b) { return tolower((unsigned char)a) == tolower((unsigned char)b); }

unsigned suggest_distance(const char *a, const char *b)
{
    unsigned d[LONGEST + 1][LONGEST + 1], la = length_of(a), lb = length_of(b);
    for (unsigned i = 0; i <= la; i++) d[i][0] = i;
    for (unsigned j = 0; j <= lb; j++) d[0][j] = j;
    for (unsigned i = 1; i <= la; i++)
        for (unsigned j = 1; j <= lb; j++) {
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + !same(a[i - 1], b[j - 1]));
            bool swapped = i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
            if (swapped && d[i - 2][j - 2] + 1 < d[i][j]) d[i][j] = d[i - 2][j - 2] + 1;
        }
    return d[la][lb];
}

void suggest_begin(Suggest *s, const char *word) { *s = (Suggest){.word = word, .distance = ~0u}; }

void suggest_offer(Suggest *s, const char *candidate)
{
    unsigned d = suggest_distance(s->word, candidate);
    if (d >= s->distance) return;
    s->distance = d;
    s->best = candidate;
}

/* With one letter in place of another, most short words are another word: -kdb is not -hdb. */
static bool is_replaced(const char *a, const char *b)
{
    unsigned n = length_of(a), differ = 0;
    if (n != length_of(b)) return false;
    for (unsigned i = 0; i < n; i++) differ += !same(a[i], b[i]);
    return differ == 1;
}

const char *suggest_result(const Suggest *s)
{
    if (!s->best) return NULL;
    unsigned n = length_of(s->best), typed = length_of(s->word);
    unsigned shorter = n < typed ? n : typed, allowed = shorter <= 5 ? 1 : shorter <= 8 ? 2 : 3;
    if (s->distance > allowed || shorter < 2) return NULL;
    return n <= 3 && is_replaced(s->word, s->best) ? NULL : s->best;
}
