/* monitor_migrate.c - the monitor's words migrate, migrate_cancel, migrate_set_parameter, info migrate and info
 * migrate_parameters, as QEMU has them; and QMP's commands of the same names.
 *
 * Not there: other parameters than the two that are listed, capabilities, postcopy, -i (disks copied in part), -r
 * (resume).
 */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/monitor/monitor.h"
#include "frontend/monitor/qmp_migrate.h"
#include "frontend/snapshot/migrate.h"

enum { URI_BYTES = 1024 };

static void moved(void *monitor, const Problem *p)
{
    char text[sizeof p->text + 20] = "";
    if (!monitor) return;
    if (p) snprintf(text, sizeof text, "Error: %s\n", p->text);
    monitor_release(monitor, text);
}

/* Without -d the prompt comes back when it is over; the guest runs on meanwhile. */
void word_migrate(Command *c)
{
    char uri[URI_BYTES];
    bool detached = false, disks = false, more = true;
    Problem p;
    while (more) {
        bool d = command_take_flag(c, 'd'), b = command_take_flag(c, 'b');
        detached |= d;
        disks |= b;
        more = (d || b) && !command_at_end(c);
    }
    if (!command_take_text(c, uri, sizeof uri, "uri") || !command_take_end(c)) return;
    Monitor *m = detached ? NULL : command_hold(c);
    if (migrate_begin(c->pc, uri, disks, moved, m, &p)) return;
    command_say(c, "Error: %s\n", p.text);
    if (m) monitor_release(m, "");
}

void word_migrate_cancel(Command *c)
{
    if (command_take_end(c)) migrate_cancel();
}

/* "100M": bytes, and a letter; false: it is none. */
static bool parse_size(const char *text, u64 *bytes)
{
    static const char letters[] = "BKMGT";
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (end == text || *text == '-') return false;
    const char *letter = *end ? strchr(letters, *end & ~0x20) : letters;
    if (!letter || (*end && end[1])) return false;
    unsigned shift = 10 * (unsigned)(letter - letters);
    if (n > UINT64_MAX >> shift) return false;
    *bytes = (u64)n << shift;
    return true;
}

static bool set_parameter(const char *name, const char *value, Problem *p)
{
    u64 n;
    if (!strcmp(name, "max-bandwidth")) {
        if (!parse_size(value, &n))
            return problem_set(
                p, "max-bandwidth: '%.40s' is not a number of bytes a second, such as 100M; 0: no limit",
                value);
        migrate_set_bandwidth(n);
        return true;
    }
    if (!strcmp(name, "downtime-limit")) {
        bool good = parse_size(value, &n) && strspn(value, "0123456789") == strlen(value) &&
                    n <= MIGRATE_DOWNTIME_MAX_MS;
        if (!good)
            return problem_set(p, "downtime-limit: '%.40s' is not from 0 to %d milliseconds", value,
                               MIGRATE_DOWNTIME_MAX_MS);
        migrate_set_downtime((u32)n);
        return true;
    }
    return problem_set(p, "there is no parameter '%.40s'; there are max-bandwidth and downtime-limit", name);
}

void word_migrate_set_parameter(Command *c)
{
    char name[40], value[40];
    Problem p;
    if (!command_take_text(c, name, sizeof name, "parameter") ||
        !command_take_text(c, value, sizeof value, "value") || !command_take_end(c))
        return;
    if (!set_parameter(name, value, &p)) command_say(c, "Error: %s\n", p.text);
}

void info_migrate_parameters(Command *c)
{
    if (!command_take_end(c)) return;
    command_say(c, "max-bandwidth: %llu bytes/second%s\n", (unsigned long long)migrate_bandwidth(),
                migrate_bandwidth() ? "" : " (no limit)");
    command_say(c, "downtime-limit: %u ms\n", migrate_downtime());
}

static unsigned long long ms(u64 ns) { return ns / 1000000; }
static unsigned long long kib(u64 bytes) { return bytes >> 10; }

static void say_numbers(Command *c, const MigrateInfo *i)
{
    bool done = i->status == MIGRATE_COMPLETED;
    command_say(c, "total time: %llu ms\n", ms(i->total_ns));
    if (done) command_say(c, "downtime: %llu ms\n", ms(i->downtime_ns));
    if (!done && i->expected_ns) command_say(c, "expected downtime: %llu ms\n", ms(i->expected_ns));
    command_say(c, "transferred ram: %llu kbytes\n", kib(i->sent_bytes));
    command_say(c, "throughput: %llu mbps\n", (unsigned long long)i->rate / 125000);
    command_say(c, "remaining ram: %llu kbytes\n", kib(i->remaining_bytes));
    command_say(c, "total ram: %llu kbytes\n", kib(i->total_bytes));
    if (i->disk_bytes) {
        command_say(c, "transferred disk: %llu kbytes\n", kib(i->disk_sent_bytes));
        command_say(c, "remaining disk: %llu kbytes\n", kib(i->disk_remaining_bytes));
        command_say(c, "total disk: %llu kbytes\n", kib(i->disk_bytes));
    }
    command_say(c, "normal: %llu pages\n", (unsigned long long)i->pages);
    command_say(c, "zero pages: %llu pages\n", (unsigned long long)i->zero_pages);
    command_say(c, "dirty sync count: %llu\n", (unsigned long long)i->passes);
    command_say(c, "dirty pages rate: %llu pages\n", (unsigned long long)i->dirty_rate >> PAGE_BITS);
}

void info_migrate(Command *c)
{
    MigrateInfo i;
    if (!command_take_end(c)) return;
    migrate_info(&i);
    if (i.incoming) command_say(c, "Waiting for an incoming migration\n");
    if (i.status == MIGRATE_NONE) return;
    command_say(c, "Migration status: %s%s%s%s\n", migrate_status_word(i.status), *i.problem ? " (" : "",
                i.problem, *i.problem ? ")" : "");
    if (i.total_bytes || i.sent_bytes) say_numbers(c, &i);
}

/* --- QMP -------------------------------------------------------------------------------------------------- */

void qmp_query_migrate(QmpCommand *c)
{
    MigrateInfo i;
    migrate_info(&i);
    Json *j = qmp_return(c);
    json_object(j, "return");
    if (i.status != MIGRATE_NONE) {
        json_text(j, "status", migrate_status_word(i.status));
        if (*i.problem) json_utf8(j, "error-desc", i.problem);
        json_number(j, "total-time", ms(i.total_ns));
        if (i.status == MIGRATE_COMPLETED) json_number(j, "downtime", ms(i.downtime_ns));
        if (i.status != MIGRATE_COMPLETED && i.expected_ns)
            json_number(j, "expected-downtime", ms(i.expected_ns));
        json_object(j, "ram");
        json_number(j, "transferred", i.sent_bytes);
        json_number(j, "remaining", i.remaining_bytes);
        json_number(j, "total", i.total_bytes);
        json_number(j, "normal", i.pages);
        json_number(j, "normal-bytes", i.pages << PAGE_BITS);
        json_number(j, "duplicate", i.zero_pages);
        json_number(j, "mbps", i.rate / 125000);
        json_number(j, "dirty-sync-count", i.passes);
        json_number(j, "dirty-pages-rate", i.dirty_rate >> PAGE_BITS);
        json_number(j, "page-size", PAGE_BYTES);
        json_close(j, '}');
        if (i.disk_bytes) {
            json_object(j, "disk");
            json_number(j, "transferred", i.disk_sent_bytes);
            json_number(j, "remaining", i.disk_remaining_bytes);
            json_number(j, "total", i.disk_bytes);
            json_close(j, '}');
        }
    }
    json_close(j, '}');
}

void qmp_query_migrate_parameters(QmpCommand *c)
{
    Json *j = qmp_return(c);
    json_object(j, "return");
    json_number(j, "max-bandwidth", migrate_bandwidth());
    json_number(j, "downtime-limit", migrate_downtime());
    json_close(j, '}');
}

/* As -d: the answer is that it has begun. */
void qmp_migrate(QmpCommand *c)
{
    Problem p;
    if (!migrate_begin(c->pc, qmp_text(c, "uri"), qmp_flag(c, "blk"), moved, NULL, &p))
        qmp_fail(c, "%s", p.text);
}

void qmp_migrate_cancel(QmpCommand *c)
{
    (void)c;
    migrate_cancel();
}

void qmp_migrate_set_parameters(QmpCommand *c)
{
    static const char *const names[] = {"max-bandwidth", "downtime-limit"};
    Problem p;
    for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
        char text[32];
        if (!qmp_argument(c, names[n])) continue;
        snprintf(text, sizeof text, "%lld", (long long)qmp_number(c, names[n], 0));
        if (set_parameter(names[n], text, &p)) continue;
        qmp_fail(c, "%s", p.text);
        return;
    }
}
