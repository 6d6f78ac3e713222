/* explain_exit.c - see explain_exit.h. Text is gathered and written in pieces; what cannot be written is said once, and
 * ring3 ends with 1. */
#include "frontend/glass/explain_exit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "frontend/glass/explain.h"
#include "frontend/host/output.h"
#include "translator/count.h"

enum { HOT_IN_FULL = 8 };

static struct {
    int fd;
    bool failed;
    u32 used;
    char text[1 << 16];
} out = {.fd = STDOUT_FILENO};

static void flush(void)
{
    for (u32 done = 0; done < out.used && !out.failed;) {
        ssize_t n = write(out.fd, out.text + done, out.used - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            out.failed = true;
            say("-explain: what was translated could not be written: %s", strerror(errno));
        } else {
            done += (u32)n;
        }
    }
    out.used = 0;
}

static void put(void *ctx, const char *text, u32 n)
{
    (void)ctx;
    if (out.used + n > sizeof out.text) flush();
    if (n > sizeof out.text) return; /* pieces are small */
    memcpy(out.text + out.used, text, n);
    out.used += n;
}

static Json json;
static char json_piece[1000];

static Json *json_line(void)
{
    json_begin_sink(&json, json_piece, sizeof json_piece, put, NULL);
    return &json;
}

static void json_line_end(void)
{
    json_raw(&json, "\n", 1);
    json_end(&json);
}

static bool wanted(const ExplainOptions *o) { return o->hot || o->all || o->pcs; }

bool explain_open(const ExplainOptions *o, Problem *p)
{
    const char *why;
    if (!wanted(o) || !*o->path) return true;
    out.fd = output_open(o->path, &why);
    return out.fd >= 0 || problem_set(p, "-explain file=%.200s: %s", o->path, why);
}

bool explain_begin(const ExplainOptions *o, Pc *pc, Problem *p)
{
    if (!wanted(o)) return true;
    Xlat *x = explain_xlat(pc->engine);
    if (!x) return problem_set(p, "-explain: with -accel interp nothing is translated");
    if (!o->uncounted) count_set(x, true);
    return true;
}

static void show_block(const ExplainOptions *o, Xlat *x, const Block *b)
{
    if (o->json) {
        explain_json_block(json_line(), x, b);
        json_line_end();
        return;
    }
    explain_text_block(x, b, put, NULL);
    put(NULL, "\n", 1);
}

static void show_pc(const ExplainOptions *o, Xlat *x, u32 pc)
{
    char text[120];
    const Block *b = explain_find(x, EXPLAIN_LINEAR, pc, NULL);
    if (!b) b = explain_find_eip(x, pc);
    if (b) {
        show_block(o, x, b);
        return;
    }
    snprintf(text, sizeof text, "no block in the cache of translated code has an instruction at 0x%08x", pc);
    if (o->json) {
        explain_json_error(json_line(), text);
        json_line_end();
        return;
    }
    put(NULL, text, (u32)strlen(text));
    put(NULL, "\n", 1);
}

static void show_table(const ExplainOptions *o, Xlat *x)
{
    if (o->json) {
        explain_json_hot(json_line(), x, EXPLAIN_HOT_USUAL);
        json_line_end();
        return;
    }
    explain_text_hot(x, EXPLAIN_HOT_USUAL, put, NULL);
    put(NULL, "\n", 1);
}

static void show_hot(const ExplainOptions *o, Xlat *x)
{
    ExplainHot hot[HOT_IN_FULL];
    show_table(o, x);
    unsigned count = explain_hot(x, hot, HOT_IN_FULL);
    for (unsigned n = 0; n < count; n++)
        if (hot[n].block) show_block(o, x, hot[n].block);
}

typedef struct All {
    const ExplainOptions *o;
    Xlat *x;
} All;

static bool show_each(void *ctx, const Block *b)
{
    const All *a = ctx;
    show_block(a->o, a->x, b);
    return !out.failed;
}

bool explain_end(const ExplainOptions *o, Pc *pc)
{
    Xlat *x = explain_xlat(pc->engine);
    if (!wanted(o) || !x) return true;
    for (unsigned n = 0; n < o->pcs; n++) show_pc(o, x, o->pc[n]);
    if (o->hot) show_hot(o, x);
    if (o->all) explain_each(x, show_each, &(All){o, x});
    flush();
    return !out.failed;
}
