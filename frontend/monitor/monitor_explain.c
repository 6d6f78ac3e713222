/* monitor_explain.c - the monitor's `explain`: how guest code is translated. See frontend/glass/explain.h.
 *
 *   explain here            the block that holds the next instruction
 *   explain ADDRESS         ... the instruction at a linear address; -p: at a physical one
 *   explain hot [COUNT]     a table of the hottest; COUNT of them
 *   explain count on|off|clear   count how often blocks run; without it, samples say which are hot
 *   explain sample on|off        take one every SAMPLE_MS, not only where a device or the host stops the guest anyway
 *
 * -j: as JSON. -p -m MODE ADDRESS: the block of that identity, as the JSON gives it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/glass/explain.h"
#include "frontend/host/hostio.h"
#include "frontend/monitor/monitor.h"
#include "translator/count.h"

static void put(void *command, const char *text, u32 n) { command_say(command, "%.*s", (int)n, text); }

typedef struct Answer { /* as JSON */
    Json j;
    char text[1000];
} Answer;

static Json *answer_begin(Answer *a, Command *c)
{
    json_begin_sink(&a->j, a->text, sizeof a->text, put, c);
    return &a->j;
}

static void answer_end(Answer *a)
{
    json_raw(&a->j, "\n", 1);
    json_end(&a->j);
}

static void refuse(Command *c, bool json, const char *sentence)
{
    Answer a;
    if (json) {
        explain_json_error(answer_begin(&a, c), sentence);
        answer_end(&a);
        return;
    }
    command_say(c, "Error: %s\n", sentence);
}

typedef struct What { /* the flags */
    bool json, physical, exact;
    ModeKey mode;
} What;

static const Block *find(Xlat *x, const What *w, u32 address, unsigned *others)
{
    *others = 0;
    if (w->exact) return explain_find_exact(x, address, w->mode);
    return explain_find(x, w->physical ? EXPLAIN_PHYSICAL : EXPLAIN_LINEAR, address, others);
}

static void show_block(Command *c, Xlat *x, const What *w, u32 address)
{
    char sentence[120];
    unsigned others;
    const Block *b = find(x, w, address, &others);
    if (!b) {
        snprintf(sentence, sizeof sentence, "no translated block has an instruction at %s address 0x%08x now",
                 w->physical ? "physical" : "linear", address);
        refuse(c, w->json, sentence);
        return;
    }
    if (w->json) {
        Answer a;
        explain_json_block(answer_begin(&a, c), x, b);
        answer_end(&a);
        return;
    }
    explain_text_block(x, b, put, c);
    if (others) command_say(c, "(%u more blocks hold this instruction)\n", others);
}

static void show_hot(Command *c, Xlat *x, bool json)
{
    s64 most = EXPLAIN_HOT_USUAL;
    if (!command_at_end(c) && !command_take_within(c, &most, 1, EXPLAIN_HOT_MOST, "count")) return;
    if (!command_take_end(c)) return;
    if (json) {
        Answer a;
        explain_json_hot(answer_begin(&a, c), x, (unsigned)most);
        answer_end(&a);
        return;
    }
    explain_text_hot(x, (unsigned)most, put, c);
}

static void count_words(Command *c, Xlat *x)
{
    char how[8];
    if (command_at_end(c)) {
        command_say(c, "blocks are %scounted\n", x->count_runs ? "" : "not ");
        return;
    }
    if (!command_take_text(c, how, sizeof how, "on, off or clear") || !command_take_end(c)) return;
    if (!strcmp(how, "on") || !strcmp(how, "off"))
        count_set(x, !strcmp(how, "on"));
    else if (!strcmp(how, "clear"))
        count_clear(x);
    else
        command_refuse(c, "on, off or clear expected");
}

static void sample_words(Command *c)
{
    enum { SAMPLE_MS = 5 };
    char how[8];
    if (!command_take_text(c, how, sizeof how, "on or off") || !command_take_end(c)) return;
    if (!strcmp(how, "on") || !strcmp(how, "off"))
        hostio_sample(strcmp(how, "on") ? 0 : SAMPLE_MS);
    else
        command_refuse(c, "on or off expected");
}

/* The next word is `word`: behind it. */
static bool take_word(Command *c, const char *word)
{
    size_t n = strlen(word);
    command_at_end(c);
    if (strncmp(c->rest, word, n) || (c->rest[n] && c->rest[n] != ' ')) return false;
    c->rest += n;
    return true;
}

/* False: something is wrong with them, and that was said. */
static bool take_flags(Command *c, What *w)
{
    char mode[20], *end;
    *w = (What){.json = command_take_flag(c, 'j')};
    w->physical = command_take_flag(c, 'p');
    w->exact = w->physical && command_take_flag(c, 'm');
    if (!w->exact) return true;
    if (!command_take_text(c, mode, sizeof mode, "mode")) return false;
    w->mode = strtoull(mode, &end, 16);
    if (*end || end == mode) command_refuse(c, "a mode is a hexadecimal number");
    return !*end && end != mode;
}

static void show_address(Command *c, Xlat *x, const What *w)
{
    s64 address;
    if (command_at_end(c)) {
        command_refuse(c, "here, hot, count, sample or an address expected");
        return;
    }
    if (!command_take_number(c, &address) || !command_take_end(c)) return;
    if (address < INT32_MIN || address > UINT32_MAX)
        refuse(c, w->json, "addresses have 32 bits");
    else
        show_block(c, x, w, (u32)address);
}

void word_explain(Command *c)
{
    What w;
    Xlat *x = explain_xlat(c->pc->engine);
    if (!take_flags(c, &w)) return;
    if (!x)
        refuse(c, w.json, "nothing is translated: -accel interp runs the guest");
    else if (take_word(c, "hot"))
        show_hot(c, x, w.json);
    else if (take_word(c, "count"))
        count_words(c, x);
    else if (take_word(c, "sample"))
        sample_words(c);
    else if (!take_word(c, "here"))
        show_address(c, x, &w);
    else if (command_take_end(c))
        show_block(c, x, &w, cpu_linear_pc(&c->pc->cpu));
}
