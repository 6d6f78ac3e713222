/* snapshot_save.c - savevm: see snapshots.h, and snapshots.c for the order in which things become true. */
#define _GNU_SOURCE
#include "frontend/snapshot/snapshots_own.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "frontend/host/bytes.h"
#include "frontend/host/files.h"
#include "frontend/host_time.h"
#include "frontend/options/drive_names.h"
#include "frontend/snapshot/migrate.h"
#include "frontend/snapshot/thumbnail.h"

/* --- saving ----------------------------------------------------------------------------------------------- */

/* What keeps the machine from being saved whole. */
static bool may_save(Pc *pc, Problem *p)
{
    if (!snapshots.has_folder)
        return problem_set(
            p, "there is no place for snapshots: start ring3 with -snapshots DIR, or with a hard disk "
               "that is written to");
    for (int n = 0; n < DRIVE_COUNT; n++) {
        const Drive *d = machine_drive(pc->machine, (DriveId)n);
        if (!d->medium || d->medium->readonly || snapshots.undo[n]) continue;
        if (snapshots.forgets[n])
            return problem_set(
                p,
                "Device '%s' forgets at the end what is written to it (snapshot=on), and a snapshot "
                "cannot: leave snapshot=on out",
                drive_name((DriveId)n, d->cdrom));
        return problem_set(
            p,
            "Device '%s' is writable but does not support snapshots: eject it, or put it in with "
            "readonly=on",
            drive_name((DriveId)n, d->cdrom));
    }
    if (snapshots.folder.count == SNAPSHOTS_MAX)
        return problem_set(p, "there are %u snapshots, which is the most that there can be",
                           snapshots.folder.count);
    return snapshots_lock(p);
}

static void note_date(Snapshot *shot)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    shot->date_unix_s = now.tv_sec;
    shot->date_ns = (u32)now.tv_nsec;
}

static void name_by_date(char to[SNAPSHOT_NAME])
{
    time_t now = time(NULL);
    struct tm tm = {0};
    localtime_r(&now, &tm);
    strftime(to, SNAPSHOT_NAME, "vm-%Y%m%d%H%M%S", &tm);
}

/* What is being saved: one at a time. */
static struct {
    enum { SAVE_NONE, SAVE_PREPARING, SAVE_WRITING } phase;
    Snapshot shot;
    int fd; /* of ID.state.new */
    Thumbnail screen;
    u64 begun_ns, stood_ns;
    SnapshotDone *done;
    void *ctx;
} save = {.fd = -1};

bool snapshots_are_idle(Problem *p)
{
    return save.phase == SAVE_NONE || problem_set(p, "a snapshot is being saved");
}

static int write_head(int fd, const StateBytes *parts, u64 *bytes)
{
    u8 head[SNAPSHOT_HEAD_BYTES] = "ring3vm\n";
    store32(head + 8, SNAPSHOT_VERSION);
    store32(head + 12, parts->count);
    store32(head + 16, (u32)crc32(0, head, 16));
    *bytes = SNAPSHOT_HEAD_BYTES + parts->count;
    int error = ftruncate(fd, 0) ? errno : bytes_write(fd, 0, head, sizeof head);
    return error ? error : bytes_write(fd, SNAPSHOT_HEAD_BYTES, parts->at, parts->count);
}

/* Memory, by the saver's copy, which is written later; else to the file, now. The screen's picture is made meanwhile. */
static int keep_memory(Pc *pc, bool by_saver, int fd, u64 *bytes)
{
    PageRegion regions[SNAPSHOT_REGIONS];
    const SaverRequest copy = snapshots_request(pc, SAVER_COPY);
    SaverAnswer a;
    snapshots_regions(pc, regions);
    bool asked = by_saver && saver_ask(&copy, -1);
    thumbnail_of(pc->machine, &save.screen);
    if (!by_saver) return pages_save(regions, SNAPSHOT_REGIONS, fd, bytes);
    return asked && saver_answered(&a, true) ? a.error : EPIPE;
}

/* The machine as it is now: parts and marks, and memory. It stands still. */
static bool save_machine(Pc *pc, bool by_saver, Problem *p)
{
    StateBytes parts = {0};
    char problem[STATE_PROBLEM];
    Snapshot *shot = &save.shot;
    bool good = parts_save(machine_parts(pc->machine), &parts, problem) || problem_set(p, "%s", problem);
    for (unsigned n = 0; n < DRIVE_COUNT && good; n++)
        good = !snapshots.undo[n] || undo_mark(snapshots.undo[n], &shot->mark[n], p);
    shot->clock_ns = clock_now(machine_clock(pc->machine));
    int error = good ? write_head(save.fd, &parts, &shot->state_bytes) : 0;
    if (good && !error) error = keep_memory(pc, by_saver, save.fd, &shot->state_bytes);
    state_bytes_free(&parts);
    return good && (!error || problem_set(p, "writing the snapshot failed: %s", strerror(error)));
}

/* What was written to the images before has to last: while the saver writes, it sees to it. */
static bool flush_disks(Problem *p)
{
    int error = 0;
    for (unsigned n = 0; n < DRIVE_COUNT && !error; n++) {
        if (snapshots.undo[n]) error = undo_medium(snapshots.undo[n])->flush(undo_medium(snapshots.undo[n]));
        if (error) problem_set(p, "%.200s: flushing it failed", snapshots.path[n]);
    }
    return !error;
}

static void remove_files(u32 id)
{
    char file[40];
    folder_state_name(id, "", file);
    file_state_remove(file);
    thumbnail_remove(id);
}

/* The index with the new one, and without an older one of its name; then what only that one needed goes. */
static bool commit(const Snapshot *shot, Problem *p)
{
    static Folder before;
    char file[40];
    const Snapshot *old = folder_find(&snapshots.folder, shot->name);
    u32 old_id = old && !strcmp(old->name, shot->name) ? old->id : 0;
    before = snapshots.folder;
    snapshots.folder.snapshot[snapshots.folder.count++] = *shot;
    if (old_id) folder_remove(&snapshots.folder, old_id);
    snapshots.folder.current = shot->id;
    snapshots_in_use(true);
    folder_state_name(shot->id, "", file);
    bool good = file_state_replace(file) || problem_set(p, "%s: %.120s", file, file_problem());
    thumbnail_write(shot->id, &save.screen);
    if (!good || !folder_write(&snapshots.folder, p)) {
        snapshots.folder = before;
        thumbnail_remove(shot->id);
        return false;
    }
    snapshots.there = true;
    if (old_id) remove_files(old_id);
    return true;
}

static void tell_done(bool good, Problem *p)
{
    char file[40];
    SnapshotDone *done = save.done;
    close(save.fd);
    folder_state_name(save.shot.id, ".new", file);
    if (!good) file_state_remove(file);
    save.fd = -1;
    save.phase = SAVE_NONE;
    snapshots_keep_marks();
    trace(STATS, "savevm: the guest stood still for %llu us; done after %llu us, %llu bytes",
          (unsigned long long)save.stood_ns / 1000,
          (unsigned long long)(host_now_ns() - save.begun_ns) / 1000,
          (unsigned long long)save.shot.state_bytes);
    if (done) done(save.ctx, good ? NULL : p);
}

/* It is all written: make it true. */
static bool finish(Problem *p)
{
    bool good = flush_disks(p) && commit(&save.shot, p);
    tell_done(good, p);
    return good;
}

/* The moment that is saved. Without the saver's room for a copy the guest waits for all of it. */
static bool capture(Pc *pc, bool by_saver, Problem *p)
{
    Clock *clock = machine_clock(pc->machine);
    bool ran = !clock->stopped;
    u64 since = host_now_ns();
    clock_stop(clock);
    host_time_follow(pc);
    note_date(&save.shot);
    bool good = save_machine(pc, by_saver, p);
    if (ran) clock_cont(clock);
    save.stood_ns = host_now_ns() - since;
    SaverRequest q = snapshots_request(pc, good ? SAVER_WRITE : SAVER_FORGET);
    q.at = save.shot.state_bytes;
    if (by_saver && good) snapshots_sync_images(pc);
    save.phase = SAVE_WRITING;
    if (by_saver && !saver_ask(&q, good ? save.fd : -1))
        good = good && problem_set(p, "the process that writes it (ring3-saver) has gone");
    if (!by_saver && good && fsync(save.fd))
        good = problem_set(p, "writing the snapshot failed: %s", strerror(errno));
    if (!good) tell_done(false, p);
    if (by_saver || !good) return good;
    return finish(p);
}

/* True: it goes on, or is done. */
static bool take_answer(Pc *pc, const SaverAnswer *a, Problem *p)
{
    if (save.phase == SAVE_PREPARING) return capture(pc, !a->error, p);
    save.shot.state_bytes = a->end;
    if (!a->error) return finish(p);
    problem_set(p, "writing the snapshot failed: %s", strerror(a->error));
    tell_done(false, p);
    return false;
}

void snapshots_service(Pc *pc)
{
    SaverAnswer a;
    Problem p;
    if (save.phase == SAVE_NONE) return;
    if (saver_answered(&a, false) || !saver_is_there()) take_answer(pc, &a, &p);
}

/* Until it is there or has failed. */
static bool wait_for_it(Pc *pc, Problem *p)
{
    SaverAnswer a;
    bool good = true;
    while (save.phase != SAVE_NONE && good) {
        saver_answered(&a, true);
        good = take_answer(pc, &a, p);
    }
    return good;
}

static bool begin_file(Problem *p)
{
    char file[40];
    folder_state_name(save.shot.id, ".new", file);
    save.fd = file_open(FILE_STATE, file);
    return save.fd >= 0 ||
           problem_set(p, "the snapshot folder %.200s: %.120s", file_state_folder, file_problem());
}

bool snapshot_save(Pc *pc, const char *name, SnapshotDone *done, void *ctx, Problem *p)
{
    if (!snapshots_are_idle(p)) return false;
    if (!migrate_lets_save(p)) return false;
    if (*name && !folder_name_ok(name))
        return problem_set(p, "a snapshot's name has 1 to %d printable characters", SNAPSHOT_NAME - 1);
    if (!may_save(pc, p)) return false;
    save.shot = (Snapshot){.id = folder_next_id(&snapshots.folder), .parent = snapshots.folder.current};
    if (*name)
        memcpy(save.shot.name, name, strlen(name) + 1);
    else
        name_by_date(save.shot.name);
    if (!begin_file(p)) return false;
    save.begun_ns = host_now_ns();
    save.done = done;
    save.ctx = ctx;
    save.phase = SAVE_PREPARING;
    const SaverRequest q = snapshots_request(pc, SAVER_PREPARE);
    if (!saver_ask(&q, machine_phys(pc->machine)->memfd)) {
        bool good = capture(pc, false, p);
        return good || done; /* who waits for an answer has it */
    }
    return done || wait_for_it(pc, p);
}

void snapshots_settle(Pc *pc)
{
    Problem p;
    if (save.phase != SAVE_NONE && !wait_for_it(pc, &p)) say("savevm: %s", p.text);
    sessions_settle();
}
