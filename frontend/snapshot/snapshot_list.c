/* snapshot_list.c - info snapshots: see snapshots.h. */
#define _GNU_SOURCE
#include "frontend/snapshot/snapshots_own.h"

#include <stdio.h>
#include <time.h>

static unsigned depth_of(u32 id)
{
    unsigned depth = 0;
    for (const Snapshot *shot = folder_by_id(&snapshots.folder, id); shot && shot->parent;
         shot = folder_by_id(&snapshots.folder, shot->parent))
        depth++;
    return depth;
}

static void size_text(u64 bytes, char to[32])
{
    static const char *const units[] = {"KiB", "MiB", "GiB"};
    u64 tenths = bytes * 10 / 1024;
    unsigned unit = 0;
    for (; tenths >= 10240 && unit < 2; unit++) tenths /= 1024;
    snprintf(to, 32, "%llu.%llu %s", (unsigned long long)tenths / 10, (unsigned long long)tenths % 10,
             units[unit]);
}

static void list_one(const Snapshot *shot, void (*line)(void *ctx, const char *text), void *ctx)
{
    char text[400], size[32], date[32] = "", tag[200];
    time_t when = (time_t)shot->date_unix_s;
    struct tm tm = {0};
    unsigned depth = depth_of(shot->id);
    u64 ms = shot->clock_ns / 1000000;
    if (localtime_r(&when, &tm)) strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
    size_text(shot->state_bytes, size);
    if (depth > 20) depth = 20;
    snprintf(tag, sizeof tag, "%*s%s%s%s", (int)(2 * depth), "", shot->name,
             shot->id == snapshots.folder.current ? " *" : "",
             shot->spoiled ? " (does not fit its disk)" : "");
    snprintf(text, sizeof text, "%-9u %-20s %10s %19s %02llu:%02llu:%02llu.%03llu", shot->id, tag, size, date,
             (unsigned long long)ms / 3600000, (unsigned long long)ms / 60000 % 60,
             (unsigned long long)ms / 1000 % 60, (unsigned long long)ms % 1000);
    line(ctx, text);
}

/* Parents before their children, which follow at once. */
static void list_below(u32 parent, void (*line)(void *ctx, const char *text), void *ctx)
{
    for (unsigned n = 0; n < snapshots.folder.count; n++)
        if (snapshots.folder.snapshot[n].parent == parent) {
            list_one(&snapshots.folder.snapshot[n], line, ctx);
            list_below(snapshots.folder.snapshot[n].id, line, ctx);
        }
}

void snapshots_list(void (*line)(void *ctx, const char *text), void *ctx)
{
    char text[200];
    u64 kept = 0;
    if (!snapshots.folder.count) {
        line(ctx, "There is no snapshot available.");
        return;
    }
    line(ctx, "ID        TAG                     VM SIZE                DATE     VM CLOCK");
    list_below(0, line, ctx);
    for (unsigned n = 0; n < DRIVE_COUNT; n++) kept += snapshots.undo[n] ? undo_bytes(snapshots.undo[n]) : 0;
    size_text(kept, text);
    char size[32];
    memcpy(size, text, sizeof size);
    snprintf(text, sizeof text, "Older contents of the disks: %s", size);
    line(ctx, text);
}
