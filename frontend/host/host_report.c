/* host_report.c - see host_report.h. The lists are those of cpu/base/host.h; the words in the left column are
 * RING3_HOST's. */
#include "frontend/host/host_report.h"

#include <stdarg.h>
#include <stdio.h>

#include "frontend/host/cage.h"
#include "frontend/host/shared_memory.h"
#include "frontend/pc.h"

/* --- choosing -------------------------------------------------------------------------------------------- */

static void choose_memory(void)
{
    if (host_has(HOST_MEMFD))
        host_choice("guest memory", "memfd");
    else
        host_choice("guest memory", "a file without a name in /dev/shm, $TMPDIR or /tmp (no memfd)");
}

/* Who chooses something because of the host: called once, with the host known and no machine yet. What depends on
 * the machine is said later, with host_choice(), and then shown by `info host` only. */
static void (*const choosers[])(void) = {choose_memory, shared_memory_choose, pc_choose_engine, cage_choose};

bool host_start(Problem *p)
{
    char bad[60];
    if (!host_mask_ok(bad, sizeof bad))
        return problem_set(p, "RING3_HOST: %s: no such feature or number; ring3 -host lists them", bad);
    host_get();
    for (unsigned n = 0; n < ARRAY_LEN(choosers); n++) choosers[n]();
    return true;
}

void host_warn_of_memory(u32 ram_bytes)
{
    const Host *h = host_get();
    bool group = h->cgroup_bytes < h->memory_bytes;
    u64 most = group ? h->cgroup_bytes : h->memory_bytes;
    if (ram_bytes <= most) return;
    say("-m %u: %s %u MiB; should the guest use more, the kernel ends ring3", ram_bytes >> 20,
        group ? "this control group may use" : "this host has", (u32)(most >> 20));
}

/* --- showing --------------------------------------------------------------------------------------------- */

typedef struct Report {
    HostLine *line;
    void *ctx;
} Report;

static void report(const Report *r, const char *fmt, ...) PRINTF(2, 3);
static void report(const Report *r, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->line(r->ctx, text);
}

static void report_features(const Report *r, bool try_code32)
{
    const Host *h = host_get();
    for (int f = 0; f < HOST_FEATURES; f++) {
        bool found = h->found >> f & 1, masked = h->masked >> f & 1;
        report(r, "  %-18s %-12s %s", host_feature_word((HostFeature)f),
               !found   ? "no"
               : masked ? "yes, masked"
                        : "yes",
               host_feature_help((HostFeature)f));
    }
    if (try_code32)
        report(r, "  %-18s %-12s %s", "32-bit code", host_runs_code32() ? "yes" : "no",
               "no need of it; only a test compares with it");
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n >= e && !strcmp(name + n - e, end);
}

static void show_number(char *to, size_t size, const char *name, u64 v)
{
    bool mib = v >> 30 < 10;
    if (v == HOST_NO_LIMIT)
        snprintf(to, size, "no limit");
    else if (ends_with(name, "_ns"))
        snprintf(to, size, "%llu ns", (unsigned long long)v);
    else if (ends_with(name, "_bytes"))
        snprintf(to, size, "%llu %s", (unsigned long long)(mib ? v >> 20 : v >> 30), mib ? "MiB" : "GiB");
    else
        snprintf(to, size, "%llu", (unsigned long long)v);
}

static void report_numbers(const Report *r, bool costs)
{
    const char *name, *help;
    u64 v;
    for (unsigned n = 0; host_number_at(n, &name, &help, &v); n++) {
        char value[40];
        if (ends_with(name, "_ns") != costs) continue;
        show_number(value, sizeof value, name, v);
        report(r, "  %-18s %-12s %s", name, value, help);
    }
}

static void report_choices(const Report *r)
{
    const char *what, *text;
    for (unsigned n = 0; host_choice_at(n, &what, &text); n++) report(r, "  %-18s %s", what, text);
}

void host_report(HostLine *line, void *ctx, bool try_code32)
{
    const Host *h = host_get();
    const Report r = {line, ctx};
    report(&r, "Linux %s on x86-64", h->release);
    report(&r, "what is there:");
    report_features(&r, try_code32);
    report(&r, "limits:");
    report_numbers(&r, false);
    report(&r, "costs, measured in %u us:", h->measuring_ns / 1000);
    report_numbers(&r, true);
    report(&r, "chosen:");
    report_choices(&r);
}
