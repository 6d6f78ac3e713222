/* monitor.c - lines in, answers out; QEMU's human monitor, so that scripts written for QEMU drive ring3.
 *
 * A monitor reads its channel in the vCPU thread's service hook, so a word sees the machine between two guest
 * instructions and needs no lock. A flood of words is taken in portions, so that the guest runs in between; and lines
 * behind an `s` wait until that has come to its end.
 *
 * On a channel of its own it greets each client that comes; on a shared one (mon:...) it greets when Ctrl-A C first
 * brings somebody, and shows its prompt each time. Lines end in CR LF as on a terminal.
 *
 * What a client sends is hostile: the line's length is bounded, what is no character is ignored, and an answer
 * that nobody reads is dropped (channel.c). One that is long, or read slowly, ends after PATIENCE_NS or by Ctrl-C, since the
 * guest waits. Counts and sizes are looked at before anything is done: what cannot be meant is refused.
 */
#include "frontend/monitor/monitor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/debug/debugger.h"
#include "frontend/debug/register_names.h"
#include "frontend/host/hostio.h"
#include "frontend/monitor/readline.h"
#include "frontend/options/suggest.h"

enum { PORTION_BYTES = 2048, ANSWER_BYTES = 4096, CTRL_C = 3 };
#define PATIENCE_NS 2000000000ull
#define PROMPT      "(ring3) "

struct Monitor {
    Monitor *next;
    Channel *channel;
    Pc *pc;
    Readline line;
    u8 input[PORTION_BYTES]; /* read, but not all of it used: the rest waits for a step to end */
    u32 input_bytes, input_at;
    bool visited; /* somebody was there */
    bool banner;  /* this client has seen it */
    bool active;  /* the keys are ours */
    bool running; /* a word is being carried out */
    bool nonsense; /* there was none in what was read last */
    bool held;    /* ... and not done yet when it returned: no prompt, and nothing is read */
    char answer[ANSWER_BYTES];
    u32 answer_bytes;
    MonitorOut *out; /* of monitor_run() and monitor_do(), which have no channel */
    void *out_ctx;
    MonitorClient program; /* of monitor_do() */
};

static Monitor *monitors;

/* --- answers --------------------------------------------------------------------------------------------- */

static void flush(Monitor *m)
{
    if (m->out)
        m->out(m->out_ctx, m->answer, m->answer_bytes);
    else if (m->answer_bytes)
        channel_answer(m->channel, (const u8 *)m->answer, m->answer_bytes);
    m->answer_bytes = 0;
}

static void put_char(Monitor *m, char c)
{
    if (m->answer_bytes == ANSWER_BYTES) flush(m);
    m->answer[m->answer_bytes++] = c;
}

static void put(Monitor *m, const char *s)
{
    for (; *s; s++) {
        if (*s == '\n' && !m->out) put_char(m, '\r');
        put_char(m, *s);
    }
}

static void put_bytes(void *monitor, const char *bytes, u32 n)
{
    while (n--) put_char(monitor, *bytes++);
}

void command_put(Command *c, const char *text) { put(c->monitor, text); }

void command_say(Command *c, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put(c->monitor, text);
}

bool command_interrupted(Command *c)
{
    if (hostio_stop_wanted()) return true;
    if (c->monitor->out) return false;
    if (!channel_holds(c->monitor->channel, SIDE_MONITOR, CTRL_C)) return false;
    command_say(c, "\ninterrupted\n");
    return true;
}

bool command_cut_short(Command *c)
{
    if ((!c->monitor->out && !channel_takes(c->monitor->channel)) || command_interrupted(c)) return true;
    if (host_now_ns() < c->until_ns) return false;
    command_say(c, "\nthis takes too long while the guest waits: the rest is left out\n");
    return true;
}

/* --- arguments ------------------------------------------------------------------------------------------- */

bool command_at_end(Command *c)
{
    while (*c->rest == ' ' || *c->rest == '\t') c->rest++;
    return !*c->rest;
}

static void read_more(Command *c)
{
    if (!strncmp(c->word, "info ", 5))
        command_say(c, "Try \"info help\" for more information\n");
    else
        command_say(c, "Try \"help %s\" for more information\n", c->word);
}

void command_refuse(Command *c, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    command_say(c, "%s: %s\n", c->word, text);
    read_more(c);
}

bool command_take_end(Command *c)
{
    if (command_at_end(c)) return true;
    command_refuse(c, "extraneous characters at the end of line");
    return false;
}

static char unescaped(char c) { return c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c; }

bool command_take_text(Command *c, char *to, size_t room, const char *what)
{
    size_t n = 0;
    if (command_at_end(c)) {
        command_refuse(c, "%s expected", what);
        return false;
    }
    bool quoted = *c->rest == '"';
    for (c->rest += quoted; *c->rest && (quoted ? *c->rest != '"' : *c->rest != ' '); c->rest++) {
        bool escape = quoted && *c->rest == '\\' && c->rest[1];
        c->rest += escape;
        if (n < room) to[n] = escape ? unescaped(*c->rest) : *c->rest;
        n++;
    }
    if (n >= room) { /* a part of it would mean something else */
        command_refuse(c, "%s of more than %u characters", what, (unsigned)room - 1);
        return false;
    }
    to[n] = 0;
    if (quoted && *c->rest != '"') {
        command_refuse(c, "unterminated string");
        return false;
    }
    c->rest += quoted;
    return true;
}

bool command_take_flag(Command *c, char letter)
{
    if (command_at_end(c) || c->rest[0] != '-' || c->rest[1] != letter || (c->rest[2] && c->rest[2] != ' '))
        return false;
    c->rest += 2;
    return true;
}

static bool problem_said(Command *c, bool ok, const Problem *p)
{
    if (ok) return true;
    command_say(c, "%s\n", p->text);
    read_more(c);
    return false;
}

bool command_take_number(Command *c, s64 *n)
{
    Problem p;
    command_at_end(c);
    return problem_said(c, expr_parse(&c->rest, n, register_named, &c->pc->cpu, &p), &p);
}

bool command_take_within(Command *c, s64 *n, s64 least, s64 most, const char *what)
{
    if (!command_take_number(c, n)) return false;
    if (*n >= least && *n <= most) return true;
    command_refuse(c, "the %s is from %lld to %lld", what, (long long)least, (long long)most);
    return false;
}

bool command_take_format(Command *c, Format *f)
{
    Problem p;
    return problem_said(c, format_parse(&c->rest, f, &p), &p);
}

/* --- lines ----------------------------------------------------------------------------------------------- */

static const Word *word_find(const Word *words, const char *name, size_t n)
{
    for (; words->name; words++) {
        if (strlen(words->name) == n && !memcmp(words->name, name, n)) return words;
        if (words->alias && strlen(words->alias) == n && !memcmp(words->alias, name, n)) return words;
    }
    return NULL;
}

/* prefix: "" or "info ". */
static void run_word(Command *c, const Word *words, const char *prefix)
{
    char full[80];
    Suggest s;
    command_at_end(c);
    size_t n = strcspn(c->rest, " /\t");
    snprintf(full, sizeof full, "%s%.*s", prefix, (int)(n < 60 ? n : 60), c->rest);
    const Word *w = word_find(words, c->rest, n);
    if (w) {
        snprintf(full, sizeof full, "%s%s", prefix, w->name);
        c->monitor->nonsense = false;
        c->word = full;
        c->rest += n;
        w->run(c);
        return;
    }
    suggest_begin(&s, full + strlen(prefix));
    for (; words->name; words++) suggest_offer(&s, words->name);
    const char *near = suggest_result(&s);
    if (near)
        command_say(c, "unknown command: '%s'; did you mean '%s%s'?\n", full, prefix, near);
    else
        command_say(c, "unknown command: '%s'; '%shelp' lists them\n", full, prefix);
}

void word_info(Command *c)
{
    if (command_at_end(c)) c->rest = "help";
    run_word(c, info_words, "info ");
}

static void run_command(Monitor *m, const char *line)
{
    Command c = {.monitor = m, .pc = m->pc, .rest = line, .until_ns = host_now_ns() + PATIENCE_NS};
    if (!command_at_end(&c)) run_word(&c, monitor_words, "");
    trace_flush(); /* who looks at the machine may look at its traces */
}

static void run_line(void *monitor, const char *line)
{
    Monitor *m = monitor;
    m->running = true;
    run_command(m, line);
    m->running = false;
    if (!m->held) put(m, PROMPT);
}

Monitor *command_hold(Command *c)
{
    if (c->monitor->out && !c->monitor->program.done) return NULL;
    c->monitor->held = true;
    return c->monitor;
}

void monitor_release(Monitor *m, const char *text)
{
    put(m, text);
    m->held = false;
    if (m->running) return; /* which shows the prompt */
    if (m->program.done) {
        flush(m);
        m->program.done(m->program.ctx);
        return;
    }
    put(m, PROMPT);
    flush(m);
    cpu_attention(&m->pc->cpu, ATT_IO); /* what was typed meanwhile */
}

void monitor_run(Pc *pc, const char *line, MonitorOut *out, void *ctx)
{
    static Monitor m;
    m.pc = pc;
    m.out = out;
    m.out_ctx = ctx;
    run_command(&m, line);
    flush(&m);
}

Monitor *monitor_for_program(const MonitorClient *who)
{
    Monitor *m = calloc(1, sizeof *m);
    CHECK(m, "no memory");
    m->out = who->out;
    m->out_ctx = who->ctx;
    m->program = *who;
    return m;
}

bool monitor_do(Monitor *m, Pc *pc, const char *line)
{
    m->pc = pc;
    m->running = true;
    run_command(m, line);
    m->running = false;
    flush(m);
    return !m->held;
}

bool monitor_has_left(Monitor *m)
{
    if (m->program.has_left) return m->program.has_left(m->program.ctx);
    return channel_has_left(m->channel) || channel_holds(m->channel, SIDE_MONITOR, CTRL_C);
}

/* --- completion ------------------------------------------------------------------------------------------ */

/* How many of the words begin with `begun`; *found the first, *alike how much of it all have in common. */
static unsigned words_with(const Word *words, const char *begun, const Word **found, size_t *alike)
{
    unsigned count = 0;
    for (size_t n; words->name; words++) {
        if (strncmp(words->name, begun, strlen(begun))) continue;
        if (!count++) {
            *found = words;
            *alike = strlen(words->name);
        }
        for (n = 0; n < *alike && words->name[n] == (*found)->name[n]; n++) continue;
        *alike = n;
    }
    return count;
}

static void list_words(Monitor *m, const Word *words, const char *begun)
{
    put(m, "\n");
    for (; words->name; words++) {
        if (strncmp(words->name, begun, strlen(begun))) continue;
        put(m, words->name);
        put(m, " ");
    }
    put(m, "\n" PROMPT);
    readline_show(&m->line);
}

static void complete(void *monitor, const char *begun)
{
    Monitor *m = monitor;
    const Word *words = monitor_words, *found = NULL;
    size_t alike = 0;
    begun += strspn(begun, " ");
    if (!strncmp(begun, "info ", 5)) words = info_words;
    if (!strncmp(begun, "info ", 5) || !strncmp(begun, "help ", 5)) begun += 5 + strspn(begun + 5, " ");
    unsigned count = words_with(words, begun, &found, &alike);
    if (!count) return;
    if (count > 1 && alike == strlen(begun)) {
        list_words(m, words, begun);
        return;
    }
    readline_insert(&m->line, found->name + strlen(begun), (u32)(alike - strlen(begun)));
    if (count == 1) readline_insert(&m->line, " ", 1);
}

/* --- clients --------------------------------------------------------------------------------------------- */

static void begin(Monitor *m)
{
    if (!m->banner) put(m, "ring3 " RING3_VERSION " monitor - type 'help' for more information\n");
    m->banner = m->active = true;
    readline_restart(&m->line);
    put(m, PROMPT);
}

/* Is there a new client, or has Ctrl-A C given us the keys or taken them away? */
static void look_around(Monitor *m, bool has_input)
{
    bool ours = channel_side(m->channel) == SIDE_MONITOR || has_input;
    if (channel_meet(m->channel)) {
        m->visited = true;
        m->banner = m->active = false;
        m->input_bytes = m->input_at = m->answer_bytes = 0; /* another one's */
    }
    if (m->visited && ours && !m->active) begin(m);
    if (!ours && m->active) put(m, "\n");
    if (!ours) m->active = false;
}

/* What came in one portion with an `s` is about where that leads. But a processor that has halted may never get there. */
static bool waits_for_step(const Pc *pc) { return debugger_steps(pc) && !pc->cpu.halted; }

static void serve(Monitor *m, Pc *pc)
{
    m->pc = pc;
    if (m->held || (channel_rests(m->channel) && !pc->paused)) return;
    u64 began = host_now_ns();
    look_around(m, false);
    bool again = true; /* there may be more in the channel */
    if (m->input_at == m->input_bytes) {
        m->input_at = 0;
        m->input_bytes = channel_read(m->channel, SIDE_MONITOR, m->input, sizeof m->input);
        if (m->input_bytes) look_around(m, true);
        again = m->input_bytes == sizeof m->input;
    } else if (waits_for_step(pc)) {
        return;
    }
    m->nonsense = m->input_at < m->input_bytes;
    do {
        if (m->input_at < m->input_bytes) readline_key(&m->line, m->input[m->input_at++]);
    } while (m->input_at < m->input_bytes && !waits_for_step(pc) && !m->held);
    look_around(m, false);
    flush(m);
    if (m->nonsense && !pc->paused) channel_heard_nonsense(m->channel, host_now_ns() - began);
    if ((again || m->input_at < m->input_bytes) && !m->held) cpu_attention(&pc->cpu, ATT_IO);
    if (!m->held && m->input_at == m->input_bytes) channel_read_all(m->channel);
}

void monitors_service(Pc *pc)
{
    for (Monitor *m = monitors; m; m = m->next) serve(m, pc);
}

static void show(Monitor *m, const char *text)
{
    if (!m->active) return;
    put(m, "\n");
    put(m, text);
    put(m, "\n" PROMPT);
    readline_show(&m->line);
    flush(m);
}

void monitors_show(const char *text)
{
    for (Monitor *m = monitors; m; m = m->next) show(m, text);
}

void monitors_tell(const char *text)
{
    for (Monitor *m = monitors; m; m = m->next)
        if (!channel_is_stdio(m->channel)) show(m, text);
}

void monitor_new(Channel *channel)
{
    Monitor *m = calloc(1, sizeof *m), **at = &monitors;
    CHECK(m, "no memory");
    m->channel = channel;
    readline_init(&m->line, put_bytes, run_line, m);
    m->line.complete = complete;
    while (*at) at = &(*at)->next;
    *at = m;
}
