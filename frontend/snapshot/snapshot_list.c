/* snapshot_list.c - the tree of snapshots, and info snapshots: see snapshots.h. */
#define _GNU_SOURCE
#include "frontend/snapshot/snapshots_own.h"

#include <stdio.h>
#include <time.h>

#include "frontend/host/files.h"

enum { DEPTH_SHOWN = 20 };

/* --- the tree ---------------------------------------------------------------------------------------------- */

typedef struct Tree {
    unsigned count;
    struct {
        const Snapshot *shot;
        unsigned depth;
    } line[SNAPSHOTS_MAX];
} Tree;

/* Parents before their children, which follow at once. */
static void add_below(Tree *t, u32 parent, unsigned depth)
{
    for (unsigned n = 0; n < snapshots.folder.count; n++) {
        const Snapshot *shot = &snapshots.folder.snapshot[n];
        if (shot->parent != parent) continue;
        t->line[t->count].shot = shot;
        t->line[t->count++].depth = depth;
        add_below(t, shot->id, depth + 1);
    }
}

static const Tree *tree_now(void)
{
    static Tree t;
    t.count = 0;
    add_below(&t, 0, 0);
    return &t;
}

static SnapshotRow row_of(const Tree *t, unsigned n)
{
    const Snapshot *s = t->line[n].shot;
    SnapshotRow row = {.id = s->id,
                       .depth = t->line[n].depth,
                       .date_unix_s = s->date_unix_s,
                       .clock_ns = s->clock_ns,
                       .state_bytes = s->state_bytes,
                       .is_current = s->id == snapshots.folder.current,
                       .is_spoiled = s->spoiled};
    _Static_assert(sizeof row.name == sizeof s->name, "one size for both");
    memcpy(row.name, s->name, sizeof row.name);
    return row;
}

unsigned snapshots_tree(SnapshotRow *rows, unsigned first, unsigned most, unsigned *got, unsigned *current)
{
    const Tree *t = tree_now();
    *got = *current = 0;
    for (unsigned n = 0; n < t->count; n++) {
        if (t->line[n].shot->id == snapshots.folder.current) *current = n;
        if (n >= first && *got < most) rows[(*got)++] = row_of(t, n);
    }
    return t->count;
}

/* --- words ------------------------------------------------------------------------------------------------- */

void snapshot_size_text(u64 bytes, char to[SNAPSHOT_TEXT])
{
    static const char *const units[] = {"KiB", "MiB", "GiB"};
    u64 tenths = bytes * 10 / 1024;
    unsigned unit = 0;
    for (; tenths >= 10240 && unit < 2; unit++) tenths /= 1024;
    snprintf(to, SNAPSHOT_TEXT, "%llu.%llu %s", (unsigned long long)tenths / 10,
             (unsigned long long)tenths % 10, units[unit]);
}

void snapshot_date_text(const SnapshotRow *row, char to[SNAPSHOT_TEXT])
{
    time_t when = (time_t)row->date_unix_s;
    struct tm tm = {0};
    if (!localtime_r(&when, &tm) || !strftime(to, SNAPSHOT_TEXT, "%Y-%m-%d %H:%M:%S", &tm)) *to = 0;
}

void snapshot_clock_text(const SnapshotRow *row, char to[SNAPSHOT_TEXT])
{
    unsigned long long ms = row->clock_ns / 1000000;
    snprintf(to, SNAPSHOT_TEXT, "%02llu:%02llu:%02llu.%03llu", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
             ms % 1000);
}

/* --- info snapshots ---------------------------------------------------------------------------------------- */

static void list_one(const SnapshotRow *row, void (*line)(void *ctx, const char *text), void *ctx)
{
    char text[400], size[SNAPSHOT_TEXT], date[SNAPSHOT_TEXT], clock[SNAPSHOT_TEXT], tag[200];
    unsigned depth = row->depth < DEPTH_SHOWN ? row->depth : DEPTH_SHOWN;
    snapshot_size_text(row->state_bytes, size);
    snapshot_date_text(row, date);
    snapshot_clock_text(row, clock);
    snprintf(tag, sizeof tag, "%*s%s%s%s", (int)(2 * depth), "", row->name, row->is_current ? " *" : "",
             row->is_spoiled ? " (does not fit its disk)" : "");
    snprintf(text, sizeof text, "%-9u %-20s %10s %19s %s", row->id, tag, size, date, clock);
    line(ctx, text);
}

void snapshots_list(void (*line)(void *ctx, const char *text), void *ctx)
{
    char text[400], size[SNAPSHOT_TEXT];
    u64 kept = 0;
    sessions_list(line, ctx);
    if (!snapshots.folder.count) {
        line(ctx, "There is no snapshot available.");
        return;
    }
    line(ctx, "ID        TAG                     VM SIZE                DATE     VM CLOCK");
    const Tree *t = tree_now();
    for (unsigned n = 0; n < t->count; n++) {
        SnapshotRow row = row_of(t, n);
        list_one(&row, line, ctx);
    }
    for (unsigned n = 0; n < DRIVE_COUNT; n++) kept += snapshots.undo[n] ? undo_bytes(snapshots.undo[n]) : 0;
    snapshot_size_text(kept, size);
    snprintf(text, sizeof text, "Older contents of the disks: %s", size);
    line(ctx, text);
    snprintf(text, sizeof text, "Their screens, small: %.300s/ID.png", file_state_folder);
    line(ctx, text);
}
