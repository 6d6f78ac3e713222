/* option_words.c - see option_words.h.
 *
 * Whatever a person typed is answered in at most two lines: what is wrong with it, and what would be right. A hint to a
 * near word is given only when the two are a slip of the fingers apart (suggest.h).
 */
#include "frontend/options/option_words.h"

#include <stdio.h>
#include <stdlib.h>

#include "frontend/say.h"

void words_begin(Words *w, const char *value)
{
    w->list[0] = 0;
    suggest_begin(&w->near, value);
}

void words_offer(Words *w, const char *word)
{
    size_t n = strlen(w->list);
    snprintf(w->list + n, sizeof w->list - n, "%s%s", n ? ", " : "", word);
    suggest_offer(&w->near, word);
}

/* Between an option and its value; "form=" and its value stand together, and so do a list and "+NAME". */
static const char *gap_behind(const char *option)
{
    size_t n = strlen(option);
    return n && strchr("=,+-", option[n - 1]) ? "" : " ";
}

OptionsResult words_refuse(const Words *w, const char *option, const char *value)
{
    const char *near = suggest_result(&w->near), *gap = gap_behind(option);
    if (!strcmp(value, "help") || !strcmp(value, "?")) {
        printf("%s%sone of: %s\n", option, *gap ? ": " : " ", w->list);
        return OPTIONS_DONE;
    }
    if (near)
        say("%s%s%.80s: did you mean '%s'?", option, gap, value, near);
    else
        say("%s%s%.80s: there is no such word", option, gap, value);
    say("%s%sone of: %s", option, *gap ? " takes " : " ", w->list);
    return OPTIONS_BAD;
}

OptionsResult words_choose(const char *option, const char *value, const char *const *names, unsigned count,
                           unsigned *to)
{
    Words w;
    words_begin(&w, value);
    for (unsigned n = 0; n < count; n++) {
        if (names[n] && !strcmp(value, names[n])) {
            *to = n;
            return OPTIONS_RUN;
        }
        if (names[n]) words_offer(&w, names[n]);
    }
    return words_refuse(&w, option, value);
}

static bool absent_is(const char *pattern, const char *word)
{
    size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? !strncmp(pattern, word, n - 1) : !strcmp(pattern, word);
}

const char *absent_why(const Absent *list, const char *word)
{
    for (; list->word; list++)
        if (absent_is(list->word, word)) return list->why;
    return NULL;
}

OptionsResult absent_refuse(const char *option, const char *value, const char *why)
{
    say("%s%s%.80s: %s", option, gap_behind(option), value, why);
    return OPTIONS_BAD;
}

bool parse_number(const char **s, u32 *n)
{
    char *end;
    if (**s < '0' || **s > '9') return false;
    unsigned long long v = strtoull(*s, &end, strncmp(*s, "0x", 2) ? 10 : 16);
    if (end == *s || v > UINT32_MAX) return false;
    *n = (u32)v;
    *s = end;
    return true;
}

bool pair_next(const char **s, const char *implied, Pair *pair)
{
    const char *at = *s;
    size_t n = 0, word = strcspn(at, "=,");
    bool has_key = at[word] == '=';
    if (!*at) return false;
    pair->is_word = !has_key;
    snprintf(pair->key, sizeof pair->key, "%.*s", (int)(has_key || !implied ? word : strlen(implied)),
             has_key || !implied ? at : implied);
    at += has_key ? word + 1 : 0;
    while (*at && (*at != ',' || at[1] == ',')) {
        if (*at == ',') at++;
        if (n + 1 < sizeof pair->value) pair->value[n++] = *at;
        at++;
    }
    pair->value[n] = 0;
    if (!has_key && !implied) snprintf(pair->value, sizeof pair->value, "on");
    *s = *at ? at + 1 : at;
    return true;
}

OptionsResult pair_refuse_key(const Pair *pair, const char *option, const char *const *keys)
{
    char typed[80];
    Words w;
    words_begin(&w, pair->key);
    for (; *keys; keys++) words_offer(&w, *keys);
    snprintf(typed, sizeof typed, "%.31s%s%.40s", pair->key, pair->is_word ? "" : "=",
             pair->is_word ? "" : pair->value);
    return words_refuse(&w, option, typed);
}

OptionsResult pair_switch(const Pair *pair, const char *option, bool *on)
{
    static const char *const words[] = {"off", "on", "no", "yes", "false", "true", "n", "y"};
    char name[80];
    unsigned which = 0;
    for (; which < ARRAY_LEN(words) && strcmp(pair->value, words[which]); which++) continue;
    if (which < ARRAY_LEN(words)) {
        *on = which & 1;
        return OPTIONS_RUN;
    }
    snprintf(name, sizeof name, "%s%s%.31s=", option, gap_behind(option), pair->key);
    return words_choose(name, pair->value, words, 2, &which);
}
