/* qmp.c - see qmp.h: sessions, requests, answers, events. The commands are in qmp_commands.c.
 *
 *   server: {"QMP": {"version": ..., "capabilities": []}}          when a client has come
 *   client: {"execute": "qmp_capabilities"}                        first; events come from then on
 *   client: {"execute": NAME, "arguments": {...}, "id": anything}
 *   server: {"return": ..., "id": the same} or {"error": {"class": ..., "desc": ...}, "id": the same}
 *   server: {"event": NAME, "timestamp": {...}, "data": {...}}     at any time in between
 *
 * Each answer and event is one line that ends in CR LF. One client at a time, as at a monitor; the next is greeted when it has
 * gone. Requests are carried out in turn, and those behind one that is not done yet (wait-for, savevm) wait, unread. What is no
 * JSON is answered by an error, and the next line is understood again (json_read.c). The connection stays whole: a
 * client that reads nothing for 5 seconds is sent away (channel_keep_whole).
 *
 * Not there: out-of-band commands (no capability is offered, so nobody may ask for them), jobs, everything of devices that come
 * and go; `query-commands` tells what is there.
 */
#include "frontend/monitor/qmp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frontend/monitor/monitor.h"
#include "frontend/monitor/qmp_commands.h"

enum { PORTION_BYTES = 2048, PIECE_BYTES = 1024, SAID_BYTES = 1 << 20, ERROR_BYTES = 600 };

struct Qmp {
    Qmp *next;
    Channel *channel;
    Pc *pc;
    bool negotiated;
    JsonReader reader; /* the request that is being carried out stays in it */
    u8 input[PORTION_BYTES];
    u32 input_bytes, input_at;
    Monitor *monitor; /* carries out qmp_run_line() */
    char *said;       /* what it said: SAID_BYTES and a zero */
    u32 said_bytes;
    bool said_is_error;
    bool held; /* the answer comes later */
    /* The answer that is being made. */
    Json json;
    char piece[PIECE_BYTES];
    bool answers, failed;
    bool nonsense; /* something in what was read last was answered by an error */
    char error[ERROR_BYTES];
    const char *error_class;
};

static Qmp *qmps;

/* --- out ------------------------------------------------------------------------------------------------- */

static bool has_left(void *qmp) { return channel_has_left(((Qmp *)qmp)->channel); }

static void put(void *qmp, const char *text, u32 n)
{
    channel_answer(((Qmp *)qmp)->channel, (const u8 *)text, n);
}

static Json *begin_line(Qmp *q)
{
    json_begin_sink(&q->json, q->piece, sizeof q->piece, put, q);
    json_object(&q->json, NULL);
    return &q->json;
}

static void end_line(Qmp *q)
{
    json_close(&q->json, '}');
    json_raw(&q->json, "\r\n", 2);
    json_end(&q->json);
}

static void greet(Qmp *q)
{
    Json *j = begin_line(q);
    json_object(j, "QMP");
    qmp_put_version(j, "version");
    json_array(j, "capabilities");
    json_close(j, ']');
    json_close(j, '}');
    end_line(q);
}

/* --- answers --------------------------------------------------------------------------------------------- */

static void put_id(Qmp *q)
{
    const JsonNode *id = json_member(&q->reader, json_root(&q->reader), "id");
    if (id) json_value(&q->json, "id", json_raw_of(&q->reader, id), id->raw_bytes);
}

static void put_error(Qmp *q)
{
    q->nonsense = true;
    Json *j = begin_line(q);
    json_object(j, "error");
    json_text(j, "class", q->error_class);
    json_utf8(j, "desc", q->error);
    json_close(j, '}');
}

static void finish(Qmp *q)
{
    if (q->failed) {
        put_error(q);
    } else if (!q->answers) {
        json_object(begin_line(q), "return");
        json_close(&q->json, '}');
    }
    put_id(q);
    end_line(q);
    q->held = false;
}

static void begin_answer(Qmp *q) { q->answers = q->failed = false; }

static void fail(Qmp *q, const char *class, const char *fmt, va_list ap)
{
    vsnprintf(q->error, sizeof q->error, fmt, ap);
    q->error_class = class;
    q->failed = true;
}

static void fail_as(Qmp *q, const char *class, const char *fmt, ...) PRINTF(3, 4);
static void fail_as(Qmp *q, const char *class, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fail(q, class, fmt, ap);
    va_end(ap);
}

void qmp_fail(QmpCommand *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fail(c->q, "GenericError", fmt, ap);
    va_end(ap);
}

Json *qmp_return(QmpCommand *c)
{
    c->q->answers = true;
    return begin_line(c->q);
}

void qmp_negotiated(QmpCommand *c) { c->q->negotiated = true; }

static void forget_input(Qmp *q)
{
    q->input_bytes = q->input_at = 0;
    json_read_begin(&q->reader);
}

/* What else the client has sent can be read now; of one that has gone, nothing more is carried out. */
static void answer_held(Qmp *q)
{
    finish(q);
    if (channel_has_left(q->channel)) {
        channel_hang_up(q->channel);
        forget_input(q);
    }
    cpu_attention(&q->pc->cpu, ATT_IO);
}

/* --- lines of the monitor -------------------------------------------------------------------------------- */

static void take_said(void *qmp, const char *text, u32 n)
{
    Qmp *q = qmp;
    if (n > SAID_BYTES - q->said_bytes) n = SAID_BYTES - q->said_bytes;
    memcpy(q->said + q->said_bytes, text, n);
    q->said_bytes += n;
    q->said[q->said_bytes] = 0;
}

/* "Error: " in front is the monitor's, and an error is one line. */
static void line_done(Qmp *q)
{
    static const char prefix[] = "Error: ";
    const char *text = q->said + (strncmp(q->said, prefix, sizeof prefix - 1) ? 0 : sizeof prefix - 1);
    if (!q->said_is_error) {
        q->answers = true;
        json_utf8(begin_line(q), "return", q->said);
    } else if (*text) {
        fail_as(q, "GenericError", "%.*s", (int)strcspn(text, "\n"), text);
    }
}

static void line_done_later(void *qmp)
{
    line_done(qmp);
    answer_held(qmp);
}

void qmp_run_line(QmpCommand *c, const char *line, bool is_error)
{
    Qmp *q = c->q;
    q->said_bytes = 0;
    q->said[0] = 0;
    q->said_is_error = is_error;
    if (monitor_do(q->monitor, c->pc, line))
        line_done(q);
    else
        q->held = true;
}

/* --- requests -------------------------------------------------------------------------------------------- */

static const QmpWord *word_find(const char *name)
{
    const QmpWord *w = qmp_words;
    while (w->name && strcmp(w->name, name)) w++;
    return w->name ? w : NULL;
}

typedef struct Argument {
    char name[40];
    char type;
    bool optional;
} Argument;

/* The next of QmpWord.args; false: there is none. */
static bool argument_next(const char **args, Argument *a)
{
    if (!**args) return false;
    size_t n = strcspn(*args, "?:");
    snprintf(a->name, sizeof a->name, "%.*s", (int)n, *args);
    a->optional = (*args)[n] == '?';
    *args += n + a->optional + 1;
    a->type = *(*args)++;
    *args += **args == ' ';
    return true;
}

/* NULL: it is of that type; else what the type is called. */
static const char *type_lacks(const JsonNode *n, char type)
{
    switch (type) {
    case 's': return n->kind == JSON_STRING ? NULL : "string";
    case 'i': return n->kind == JSON_NUMBER && n->is_whole ? NULL : "integer";
    case 'b': return n->kind == JSON_BOOL ? NULL : "boolean";
    case 'a': return n->kind == JSON_ARRAY ? NULL : "array";
    default: return n->kind == JSON_OBJECT ? NULL : "object";
    }
}

static bool check_known(QmpCommand *c, const QmpWord *w)
{
    const JsonNode *n = c->args ? json_first(c->r, c->args) : NULL;
    for (; n; n = json_next(c->r, n)) {
        const char *args = w->args;
        Argument a = {.name = ""};
        while (argument_next(&args, &a) && strcmp(a.name, n->key)) continue;
        if (!strcmp(a.name, n->key)) continue;
        qmp_fail(c, "Parameter '%.60s' is unexpected", n->key);
        return false;
    }
    return true;
}

static bool check_arguments(QmpCommand *c, const QmpWord *w)
{
    const char *args = w->args, *lacks;
    for (Argument a; argument_next(&args, &a);) {
        const JsonNode *n = qmp_argument(c, a.name);
        if (!n && a.optional) continue;
        if (!n)
            qmp_fail(c, "Parameter '%s' is missing", a.name);
        else if ((lacks = type_lacks(n, a.type)))
            qmp_fail(c, "Invalid parameter type for '%s', expected: %s", a.name, lacks);
        else
            continue;
        return false;
    }
    return check_known(c, w);
}

/* "execute", and the arguments; NULL: it is no request, and that was said. */
static const QmpWord *take_request(Qmp *q, QmpCommand *c)
{
    const JsonNode *root = json_root(&q->reader), *execute = json_member(&q->reader, root, "execute"), *n;
    c->args = json_member(&q->reader, root, "arguments");
    if (root->kind != JSON_OBJECT)
        qmp_fail(c, "QMP input must be a JSON object");
    else if (!execute)
        qmp_fail(c, "QMP input lacks member 'execute'");
    else if (execute->kind != JSON_STRING)
        qmp_fail(c, "QMP input member 'execute' must be a string");
    else if (c->args && c->args->kind != JSON_OBJECT)
        qmp_fail(c, "QMP input member 'arguments' must be an object");
    else {
        for (n = json_first(&q->reader, root); n; n = json_next(&q->reader, n)) {
            if (!strcmp(n->key, "execute") || !strcmp(n->key, "arguments") || !strcmp(n->key, "id")) continue;
            qmp_fail(c, "QMP input member '%.60s' is unexpected", n->key);
            return NULL;
        }
        const QmpWord *w = word_find(execute->text);
        if (!w) fail_as(q, "CommandNotFound", "The command %.60s has not been found", execute->text);
        return w;
    }
    return NULL;
}

/* A client begins with qmp_capabilities, and says it once. */
static bool may_run(Qmp *q, const QmpWord *w)
{
    bool first = !strcmp(w->name, "qmp_capabilities");
    if (first != q->negotiated) return true;
    if (first)
        fail_as(q, "CommandNotFound", "Capabilities negotiation is already complete, command ignored");
    else
        fail_as(q, "CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
    return false;
}

static void carry_out(Qmp *q, Pc *pc)
{
    QmpCommand c = {.q = q, .pc = pc, .r = &q->reader};
    begin_answer(q);
    const QmpWord *w = take_request(q, &c);
    if (w && may_run(q, w) && check_arguments(&c, w)) w->run(&c);
    if (!q->held) finish(q);
}

static void refuse(Qmp *q)
{
    begin_answer(q);
    fail_as(q, "GenericError", "JSON parse error, %s", q->reader.why);
    put_error(q);
    end_line(q);
}

/* --- clients --------------------------------------------------------------------------------------------- */

static void look_around(Qmp *q)
{
    if (!channel_meet(q->channel)) return;
    q->negotiated = false;
    forget_input(q);
    greet(q);
}

static void feed(Qmp *q, Pc *pc)
{
    switch (json_feed(&q->reader, q->input[q->input_at++])) {
    case JSON_MORE: return;
    case JSON_BAD: refuse(q); return;
    case JSON_WHOLE: carry_out(q, pc); return;
    }
}

static void serve(Qmp *q, Pc *pc)
{
    q->pc = pc;
    if (q->held || (channel_rests(q->channel) && !pc->paused)) return;
    u64 began = host_now_ns();
    look_around(q);
    q->nonsense = false;
    bool again = true; /* there may be more in the channel: let the guest run in between */
    if (q->input_at == q->input_bytes) {
        q->input_at = 0;
        q->input_bytes = channel_read(q->channel, SIDE_MONITOR, q->input, sizeof q->input);
        again = q->input_bytes == sizeof q->input;
    }
    while (q->input_at < q->input_bytes && !q->held) feed(q, pc);
    if (q->nonsense && !pc->paused) channel_heard_nonsense(q->channel, host_now_ns() - began);
    if (q->held) return;
    if (again) cpu_attention(&pc->cpu, ATT_IO);
    channel_read_all(q->channel);
}

static void watch_balloon(Pc *pc);

void qmps_service(Pc *pc)
{
    if (qmps) watch_balloon(pc);
    for (Qmp *q = qmps; q; q = q->next) serve(q, pc);
}

/* --- events ---------------------------------------------------------------------------------------------- */

static void put_time(Json *j)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_object(j, "timestamp");
    json_number(j, "seconds", (u64)now.tv_sec);
    json_number(j, "microseconds", (u64)now.tv_nsec / 1000);
    json_close(j, '}');
}

static Json *begin_event(Qmp *q, const char *name)
{
    Json *j = begin_line(q);
    put_time(j);
    json_text(j, "event", name);
    return j;
}

static void tell(Qmp *q, QmpEvent e, const char *reason)
{
    static const char *const names[] = {
        [QMP_STOP] = "STOP",         [QMP_RESUME] = "RESUME",       [QMP_RESET] = "RESET",
        [QMP_SHUTDOWN] = "SHUTDOWN", [QMP_POWERDOWN] = "POWERDOWN", [QMP_MIGRATION] = "MIGRATION"};
    Json *j = begin_event(q, names[e]);
    if (reason && e == QMP_MIGRATION) {
        json_object(j, "data");
        json_text(j, "status", reason);
        json_close(j, '}');
    } else if (reason) {
        json_object(j, "data");
        json_bool(j, "guest", !strncmp(reason, "guest", 5));
        json_text(j, "reason", reason);
        json_close(j, '}');
    }
    end_line(q);
}

void qmp_tell(QmpEvent e, const char *reason)
{
    for (Qmp *q = qmps; q; q = q->next)
        if (q->negotiated) tell(q, e, reason);
}

static void tell_balloon(u64 guest_bytes)
{
    for (Qmp *q = qmps; q; q = q->next) {
        if (!q->negotiated) continue;
        Json *j = begin_event(q, "BALLOON_CHANGE");
        json_object(j, "data");
        json_number(j, "actual", guest_bytes);
        json_close(j, '}');
        end_line(q);
    }
}

/* The guest may change its mind as often as it likes, and is told of once a second, as in QEMU. */
static void watch_balloon(Pc *pc)
{
    static u64 told_bytes, next_ns;
    BalloonInfo b;
    if (!machine_balloon_info(pc->machine, &b) || b.guest_bytes == told_bytes) return;
    u64 now_ns = host_now_ns();
    if (now_ns < next_ns) return;
    if (told_bytes) tell_balloon(b.guest_bytes);
    told_bytes = b.guest_bytes;
    next_ns = now_ns + 1000000000;
}

/* --- life ------------------------------------------------------------------------------------------------ */

void qmp_new(Channel *channel)
{
    Qmp *q = calloc(1, sizeof *q), **at = &qmps;
    CHECK(q, "no memory");
    q->said = malloc(SAID_BYTES + 1);
    CHECK(q->said, "no memory");
    q->channel = channel;
    q->monitor = monitor_for_program(
        &(MonitorClient){.out = take_said, .done = line_done_later, .has_left = has_left, .ctx = q});
    channel_keep_whole(channel);
    json_read_begin(&q->reader);
    while (*at) at = &(*at)->next;
    *at = q;
}
