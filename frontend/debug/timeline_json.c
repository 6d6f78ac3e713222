/* timeline_json.c - the events of cpu/base/timeline.h in the Trace Event Format, which chrome://tracing and Perfetto
 * (ui.perfetto.dev) open.
 *
 * One JSON object: traceEvents is a list of events, those with a duration of phase "X", instants of phase "i", times in
 * microseconds since recording began; in the order in which they began, if the host has the memory to sort them. Each
 * kind of event is a "thread" of its own (phase "M" names it), since events of one thread have to nest. Where events are
 * missing, an event on a track of its own lasts as long as the gap, and otherData says how many there were.
 *
 * The file is made before the guest runs, and written when it has ended, by a signal, too. So it is as large as the
 * store: some 110 bytes an event.
 */
#include "frontend/debug/timeline_json.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/debug/symbols.h"
#include "frontend/host/output.h"

enum { GAP_TRACK = TIMELINE_KINDS };

static const struct {
    const char *name, *a, *b;
} tracks[] = {
#define T(id, name, a, b) {name, a, b},
    TIMELINE_LIST(T)
#undef T
        [GAP_TRACK] = {"not recorded", "", ""},
};

/* Texts are our own, and plain; but a document has to be one. Symbols are a file's. */
static void put_string(FILE *f, const char *text)
{
    putc('"', f);
    for (; *text; text++)
        putc(*text < ' ' || *text == '"' || *text == '\\' || *text == 0x7f ? '?' : *text, f);
    putc('"', f);
}

static void put_us(FILE *f, const char *key, u64 ns)
{
    fprintf(f, ",\"%s\":%llu.%03u", key, (unsigned long long)(ns / 1000), (unsigned)(ns % 1000));
}

static void put_track(FILE *f, unsigned kind)
{
    fprintf(f, "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"args\":{\"name\":", kind + 1);
    put_string(f, tracks[kind].name);
    fprintf(f,
            "}},\n{\"name\":\"thread_sort_index\",\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"args\":{\"sort_index\":"
            "%u}},\n",
            kind + 1, kind);
}

/* Of code: a is its EIP, which is its linear address where segments are flat, as in all systems that have symbols. */
static void put_symbol(FILE *f, u32 eip)
{
    char name[SYMBOL_TEXT];
    if (!symbols_at(eip, name, sizeof name)) return;
    fprintf(f, ",\"symbol\":");
    put_string(f, name);
}

static void put_arguments(FILE *f, const TimelineEvent *e)
{
    const char *a = tracks[e->kind].a, *b = tracks[e->kind].b;
    fprintf(f, ",\"args\":{");
    if (*a) fprintf(f, "\"%s\":\"%08x\"", a, e->a);
    if (*b) fprintf(f, ",\"%s\":\"%x\"", b, e->b);
    if (e->kind == TIMELINE_INTERRUPT) fprintf(f, ",\"vector\":\"%02x\"", e->vector);
    if (!strcmp(a, "eip")) put_symbol(f, e->a);
    fprintf(f, "}");
}

static void put_span(FILE *f, const char *name, u64 from_ns, u64 duration_ns, unsigned track)
{
    fprintf(f, ",\n{\"name\":");
    put_string(f, name);
    put_us(f, "ts", from_ns);
    if (duration_ns)
        put_us(f, "dur", duration_ns);
    else
        fprintf(f, ",\"s\":\"t\"");
    fprintf(f, ",\"ph\":\"%c\",\"pid\":1,\"tid\":%u", duration_ns ? 'X' : 'i', track + 1);
}

static void put_event(FILE *f, const TimelineEvent *e, u64 began_ns)
{
    char text[80];
    snprintf(text, sizeof text, e->kind == TIMELINE_INTERRUPT ? "%s %02x" : "%s", e->text, e->vector);
    put_span(f, text, e->ns - began_ns, e->duration_ns, e->kind);
    put_arguments(f, e);
    fprintf(f, "}");
}

static void put_gap(FILE *f, u64 from_ns, u64 to_ns, u64 lost)
{
    char text[80];
    snprintf(text, sizeof text, "%llu events were not kept", (unsigned long long)lost);
    put_span(f, text, from_ns, to_ns > from_ns ? to_ns - from_ns : 1, GAP_TRACK);
    fprintf(f, ",\"args\":{\"events\":%llu}}", (unsigned long long)lost);
}

/* --- in order -------------------------------------------------------------------------------------------- */

static int by_beginning(const void *a, const void *b)
{
    const TimelineEvent *x = *(const TimelineEvent *const *)a, *y = *(const TimelineEvent *const *)b;
    if (x->ns != y->ns) return x->ns < y->ns ? -1 : 1;
    return x->duration_ns > y->duration_ns ? -1
                                           : x->duration_ns < y->duration_ns; /* what holds others first */
}

static void put_events(FILE *f, u64 began_ns)
{
    u64 lost, from_ns, to_ns;
    u32 count = timeline_count(&lost);
    bool gap = timeline_gap(&from_ns, &to_ns);
    const TimelineEvent **event = malloc((count ? count : 1) * sizeof *event);
    for (u32 n = 0; event && n < count; n++) event[n] = timeline_get(n);
    if (event) qsort(event, count, sizeof *event, by_beginning);
    for (u32 n = 0; n < count; n++) {
        const TimelineEvent *e = event ? event[n] : timeline_get(n);
        if (gap && e->ns >= from_ns) {
            put_gap(f, from_ns - began_ns, to_ns - began_ns, lost);
            gap = false;
        }
        put_event(f, e, began_ns);
    }
    if (gap) put_gap(f, from_ns - began_ns, to_ns - began_ns, lost);
    free(event);
}

static void put_other_data(FILE *f)
{
    u64 lost, from_ns, to_ns;
    u32 count = timeline_count(&lost);
    fprintf(f, "\"otherData\":{\"program\":\"ring3 " RING3_VERSION "\",\"events\":\"%u\",\"lost\":\"%llu\"",
            count, (unsigned long long)lost);
    if (timeline_gap(&from_ns, &to_ns))
        fprintf(f, ",\"what was lost\":\"%llu events between %llu us and %llu us; events=N keeps more\"",
                (unsigned long long)lost, (unsigned long long)(from_ns - timeline_began_ns()) / 1000,
                (unsigned long long)(to_ns - timeline_began_ns()) / 1000);
    fprintf(f, "},\n");
}

bool timeline_json_write(FILE *f)
{
    fprintf(f, "{\"displayTimeUnit\":\"ns\",");
    put_other_data(f);
    fprintf(f, "\"traceEvents\":[\n");
    for (unsigned kind = 0; kind < ARRAY_LEN(tracks); kind++) put_track(f, kind);
    fprintf(f, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"args\":{\"name\":\"ring3\"}}");
    put_events(f, timeline_began_ns());
    fprintf(f, "\n]}\n");
    return fflush(f) == 0 && !ferror(f);
}

/* --- the file of -trace --- */

static FILE *file;

bool timeline_file_open(const char *path, u32 events, Problem *p)
{
    const char *why;
    struct stat s;
    int fd = output_open(path, &why);
    if (fd < 0) return problem_set(p, "-trace %.200s: %s", path, why);
    file = fdopen(fd, "w");
    if (!file || !timeline_start(events))
        return problem_set(p, "-trace %.200s: the host has no memory for %u events", path, events);
    if (fstat(fd, &s) == 0 && !S_ISREG(s.st_mode))
        return true; /* what is written there cannot be taken back */
    if (!timeline_json_write(file)) return problem_set(p, "-trace %.200s: %s", path, strerror(errno));
    return true;
}

bool timeline_file_close(void)
{
    if (!file) return true;
    timeline_stop();
    rewind(file);
    bool ok = timeline_json_write(file);
    if (!ok) say("-trace: the file is not complete: %s", strerror(errno));
    fclose(file);
    file = NULL;
    timeline_end();
    return ok;
}
