/* snapshot_load.c - loadvm: see snapshots.h, and snapshots.c for the order in which things become true. */
#define _GNU_SOURCE
#include "frontend/snapshot/snapshots_own.h"

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "frontend/host/bytes.h"
#include "frontend/host/files.h"
#include "frontend/host_time.h"
#include "frontend/inbox.h"
#include "frontend/options/drive_names.h"
#include "frontend/snapshot/migrate.h"

enum { STATE_BYTES_MAX = 64 << 20 };

/* The head and the parts' sections; the pages begin behind them. */
static bool read_parts(int fd, StateBytes *parts, Problem *p)
{
    u8 head[SNAPSHOT_HEAD_BYTES];
    if (bytes_read(fd, 0, head, sizeof head) || memcmp(head, "ring3vm\n", 8) ||
        load32(head + 16) != (u32)crc32(0, head, 16))
        return problem_set(p, "its state file is damaged");
    if (load32(head + 8) != SNAPSHOT_VERSION) return problem_set(p, "its state file is of a newer ring3");
    parts->count = load32(head + 12);
    if (parts->count > STATE_BYTES_MAX) return problem_set(p, "its state file is damaged");
    parts->room = parts->count;
    parts->at = malloc(parts->count ? parts->count : 1);
    if (!parts->at) return problem_set(p, "the host has no memory");
    return !bytes_read(fd, SNAPSHOT_HEAD_BYTES, parts->at, parts->count) ||
           problem_set(p, "its state file is cut off");
}

static bool load_index(u32 current, u32 loading, Problem *p)
{
    u32 was = snapshots.folder.current;
    snapshots.folder.current = current;
    snapshots.folder.loading = loading;
    if (folder_write(&snapshots.folder, p)) return true;
    snapshots.folder.current = was;
    snapshots.folder.loading = 0;
    return false;
}

/* It is all checked; from here on only the host's disk can fail. */
static bool go_back(Pc *pc, const Snapshot *shot, int fd, u64 pages_at, Problem *p)
{
    PageRegion regions[SNAPSHOT_REGIONS];
    u32 id = shot->id;
    snapshots_regions(pc, regions);
    bool good = snapshots_restore_disks(shot, p) && pages_load(regions, SNAPSHOT_REGIONS, fd, pages_at, p);
    phys_replaced(machine_phys(pc->machine));
    if (good) return load_index(id, 0, p);
    pc_pause(pc);
    return false;
}

static bool load_from(Pc *pc, const Snapshot *shot, int fd, StateBytes *parts, Problem *p)
{
    PageRegion regions[SNAPSHOT_REGIONS];
    StateBytes before = {0};
    char problem[STATE_PROBLEM] = "";
    const Parts *all = machine_parts(pc->machine);
    snapshots_regions(pc, regions);
    if (!read_parts(fd, parts, p)) return false;
    if (!identity_check(&snapshots.identity, parts->at, parts->count, problem))
        return problem_set(p, "%s", problem);
    if (!pages_check(regions, SNAPSHOT_REGIONS, fd, SNAPSHOT_HEAD_BYTES + parts->count, p)) return false;
    if (!parts_save(all, &before, problem) || !parts_load(all, parts->at, parts->count, problem)) {
        state_bytes_free(&before);
        return problem_set(p, "%s", problem);
    }
    bool begun = load_index(snapshots.folder.current, shot->id, p);
    if (!begun) parts_load(all, before.at, before.count, problem);
    state_bytes_free(&before);
    return begun && go_back(pc, shot, fd, SNAPSHOT_HEAD_BYTES + parts->count, p);
}

bool snapshot_load(Pc *pc, const char *name, bool force, Problem *p)
{
    char file[40];
    StateBytes parts = {0};
    Problem why;
    const Snapshot *shot = folder_find(&snapshots.folder, name);
    if (!snapshots_are_idle(p)) return false;
    if (!migrate_lets_save(p)) return false;
    if (!shot) return problem_set(p, "Snapshot '%.100s' does not exist in one or more devices", name);
    if (shot->spoiled && !force)
        return problem_set(
            p,
            "'%.100s' does not fit any more: a disk was changed by somebody else since; loadvm -f "
            "loads it all the same",
            name);
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (shot->mark[n] && !snapshots.undo[n])
            return problem_set(p, "'%.100s' has a hard disk, %s, that this machine does not write to", name,
                               drive_name((DriveId)n, false));
    u64 since = host_now_ns();
    folder_state_name(shot->id, "", file);
    int fd = file_open(FILE_STATE_OLD, file);
    if (fd < 0) return problem_set(p, "'%.100s': %s: %.120s", name, file, file_problem());
    Clock *clock = machine_clock(pc->machine);
    bool ran = !clock->stopped;
    clock_stop(clock); /* disks and memory come after the clock, and take their time */
    bool good = load_from(pc, shot, fd, &parts, &why);
    if (ran && !pc->paused) clock_cont(clock);
    close(fd);
    state_bytes_free(&parts);
    if (!good) return problem_set(p, "'%.100s' is not loaded: %.250s", name, why.text);
    inbox_deliver(&(InboxEvent){.kind = INBOX_LOADED});
    host_time_loaded(pc, shot->date_unix_s, shot->date_ns, shot->clock_ns);
    trace(STATS, "loadvm: %llu us", (unsigned long long)(host_now_ns() - since) / 1000);
    return true;
}
