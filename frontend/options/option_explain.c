/* option_explain.c - -explain PC|hot|all[,file=FILE][,json][,count=off]: what to show of the translator at the end. */
#include "frontend/options/option_explain.h"

#include <stdio.h>

#include "frontend/options/option_words.h"

static OptionsResult explain_help(void)
{
    printf(
        "-explain WHAT,...: when the machine ends, show how its code was translated: guest instructions,\n"
        "class and why, host code.\n"
        "  0xADDRESS  the block that holds the instruction at that address; may be given %d times\n"
        "  hot        the blocks that ran most, as a table, and the first of them in full\n"
        "  all        every block that is in the cache then: much\n"
        "  file=FILE  there, not to standard output\n"
        "  json       as JSON, one object a line (frontend/glass/explain.h)\n"
        "  count=off  do not count how often each block runs, which costs some speed: 'hot' goes by samples\n"
        "In a machine that runs, the monitor's word 'explain' does the same.\n",
        EXPLAIN_PCS);
    return OPTIONS_DONE;
}

static OptionsResult add_pc(Options *o, const char *word)
{
    const char *s = word;
    u32 pc;
    if (!parse_number(&s, &pc) || *s) {
        say("-explain %.80s: no address; it is a number below 4 GiB, such as 0xc0100000", word);
        return OPTIONS_BAD;
    }
    if (o->explain.pcs == EXPLAIN_PCS) {
        say("-explain %.80s: more than %d addresses", word, EXPLAIN_PCS);
        return OPTIONS_BAD;
    }
    o->explain.pc[o->explain.pcs++] = pc;
    return OPTIONS_RUN;
}

static OptionsResult set_file(Options *o, const char *path)
{
    size_t n = strlen(path);
    if (!n || n >= sizeof o->explain.path) {
        say("-explain file=%.80s: %s", path, n ? "a name too long" : "an empty name");
        return OPTIONS_BAD;
    }
    memcpy(o->explain.path, path, n + 1);
    return OPTIONS_RUN;
}

static OptionsResult take_pair(Options *o, const Pair *p)
{
    static const char *const keys[] = {"hot", "all", "json", "file", "count", NULL};
    ExplainOptions *e = &o->explain;
    bool on = true;
    if (p->is_word && *p->key >= '0' && *p->key <= '9') return add_pc(o, p->key);
    if (!strcmp(p->key, "help") && p->is_word) return explain_help();
    if (!strcmp(p->key, "file") && !p->is_word) return set_file(o, p->value);
    if (!strcmp(p->key, "hot")) return pair_switch(p, "-explain", &e->hot);
    if (!strcmp(p->key, "all")) return pair_switch(p, "-explain", &e->all);
    if (!strcmp(p->key, "json")) return pair_switch(p, "-explain", &e->json);
    if (!strcmp(p->key, "count")) {
        OptionsResult r = pair_switch(p, "-explain", &on);
        e->uncounted = !on;
        return r;
    }
    return pair_refuse_key(p, "-explain", keys);
}

OptionsResult set_explain(Options *o, const char *value)
{
    static Pair pair; /* large */
    OptionsResult r = OPTIONS_RUN;
    while (r == OPTIONS_RUN && pair_next(&value, NULL, &pair)) r = take_pair(o, &pair);
    if (r != OPTIONS_RUN || o->explain.hot || o->explain.all || o->explain.pcs) return r;
    say("-explain: what? an address, hot or all; -explain help says more");
    return OPTIONS_BAD;
}
