/* snapshots.c - see snapshots.h, and docs/SNAPSHOTS.md for what is promised.
 *
 * Saving: the parts' state (hw/part.h) and all pages go to a file beside, ID.state.new; each disk gets a mark (undo.h);
 * file and disks are synced (by the saver, saver.h, which has a copy of memory: the guest stands still only for that);
 * and the index, written beside and renamed, makes it true. Until then nothing that was there has changed.
 *
 * Loading: everything is checked first. Then the index says "loading", the disks go back, memory and parts are loaded,
 * and the index says that it is done. Who dies in between has disks that are partly back: the next start finds
 * "loading", and completes them (undo_restore can be repeated).
 *
 *     ID.state    "ring3vm\n", u32 version, u32 bytes of the parts' state, u32 CRC-32 of these; the parts' sections
 *                 (hw/state.h); chunks of pages (pages.c): region 0 is RAM, region 1 video memory
 */
#define _GNU_SOURCE
#include "frontend/snapshot/snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "cpu/host.h"
#include "frontend/host/files.h"
#include "frontend/options/drive_names.h"
#include "frontend/host/bytes.h"
#include "frontend/snapshot/folder.h"
#include "frontend/snapshot/identity.h"
#include "frontend/snapshot/migrate.h"
#include "frontend/snapshot/pages.h"
#include "frontend/snapshot/saver.h"
#include "frontend/snapshot/undo.h"

enum { VERSION = 1, HEAD_BYTES = 20, STATE_BYTES_MAX = 64 << 20, REGIONS = 2 };

static struct {
    Folder folder;
    bool there; /* the folder has an index */
    bool has_folder;
    bool claimed; /* the index says that the disks are used, and they are not yet */
    bool was_used[DRIVE_COUNT];
    int lock;                      /* -1: not taken */
    FolderDisk found[DRIVE_COUNT]; /* the images before they were opened, which may write to them */
    Undo *undo[DRIVE_COUNT];       /* NULL: not a disk that is written to */
    const char *path[DRIVE_COUNT]; /* of its image */
    bool forgets[DRIVE_COUNT];     /* snapshot=on */
    Identity identity;
} s = {.lock = -1};

/* --- the folder ------------------------------------------------------------------------------------------- */

static bool is_kept(const DriveOptions *o, const DriveSpec *d)
{
    return d->path && !d->cdrom && !d->readonly && !d->snapshot && !o->snapshot;
}

const char *snapshots_folder(const Options *o)
{
    static char path[4096];
    if (o->snapshots) return o->snapshots;
    for (int n = DRIVE_IDE_0; n < DRIVE_COUNT; n++) {
        const DriveSpec *d = &o->drives.drive[n];
        struct stat st;
        if (!is_kept(&o->drives, d) || stat(d->path, &st) < 0 || !S_ISREG(st.st_mode)) continue;
        return snprintf(path, sizeof path, "%s.snapshots", d->path) < (int)sizeof path ? path : NULL;
    }
    return NULL;
}

/* Two machines must not share a folder. */
static bool take_lock(Problem *p)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (s.lock >= 0) return true;
    s.lock = file_open(FILE_STATE, "lock");
    if (s.lock < 0)
        return problem_set(p, "the snapshot folder %.200s: %.120s", file_state_folder, file_problem());
    if (fcntl(s.lock, F_OFD_SETLK, &l) == 0 || (errno != EAGAIN && errno != EACCES)) return true;
    close(s.lock);
    s.lock = -1;
    return problem_set(p, "the snapshot folder %.200s is in use by another ring3", file_state_folder);
}

/* --- disks ------------------------------------------------------------------------------------------------ */

static unsigned marks_of(unsigned drive, u64 marks[UNDO_MARKS_MAX])
{
    unsigned count = 0;
    for (unsigned n = 0; n < s.folder.count; n++)
        if (s.folder.snapshot[n].mark[drive]) marks[count++] = s.folder.snapshot[n].mark[drive];
    return count;
}

static void look_at_file(const char *path, FolderDisk *to)
{
    struct stat st;
    if (stat(path, &st) < 0) return;
    to->bytes = (u64)st.st_size;
    to->changed_s = st.st_mtim.tv_sec;
    to->changed_ns = st.st_mtim.tv_nsec;
}

static void look_at_disk(unsigned drive, FolderDisk *to)
{
    to->sectors = undo_medium(s.undo[drive])->sectors;
    look_at_file(s.path[drive], to);
}

/* Snapshots share with the image what nobody has written since: whoever else writes to it spoils them. */
static void notice_changes(unsigned drive)
{
    const FolderDisk *was = &s.folder.disk[drive], *is = &s.found[drive];
    unsigned count = 0;
    bool same =
        is->bytes == was->bytes && is->changed_s == was->changed_s && is->changed_ns == was->changed_ns;
    if (was->used || same) return;
    for (unsigned n = 0; n < s.folder.count; n++) {
        Snapshot *shot = &s.folder.snapshot[n];
        if (!shot->mark[drive]) continue;
        shot->spoiled = true;
        count++;
    }
    if (count)
        say("%.200s was changed by somebody else since its %u snapshot%s: they no longer fit, and only "
            "'loadvm -f' "
            "loads them",
            s.path[drive], count, count == 1 ? " was made" : "s were made");
}

static bool open_disk(unsigned drive, Problem *p)
{
    static u64 marks[UNDO_MARKS_MAX];
    unsigned count = marks_of(drive, marks);
    if (!count) return true;
    if (undo_medium(s.undo[drive])->sectors != s.folder.disk[drive].sectors)
        return problem_set(p,
                           "%.200s has another size than its snapshots in %.100s: give another folder with "
                           "-snapshots, or delete that one",
                           s.path[drive], file_state_folder);
    return undo_open(s.undo[drive], marks, count, p);
}

static bool wrap_disk(const Options *o, Drive bays[DRIVE_COUNT], unsigned n)
{
    const DriveSpec *d = &o->drives.drive[n];
    s.path[n] = d->path;
    s.forgets[n] = d->path && !d->readonly && (d->snapshot || o->drives.snapshot);
    if (n < DRIVE_IDE_0 || !bays[n].medium || !is_kept(&o->drives, d)) return true;
    s.undo[n] = undo_new(bays[n].medium, drive_name((DriveId)n, false));
    if (s.undo[n]) bays[n].medium = undo_medium(s.undo[n]);
    return s.undo[n];
}

/* From now on the image's time says nothing, until ring3 ends in good order. */
static void disks_in_use(bool used)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        u64 any = 0;
        for (unsigned k = 0; k < s.folder.count; k++) any |= s.folder.snapshot[k].mark[n];
        if (!any) s.folder.disk[n].sectors = 0;
        if (!any || !s.undo[n]) continue;
        look_at_disk(n, &s.folder.disk[n]);
        s.folder.disk[n].used = used;
    }
}

/* --- starting and ending ---------------------------------------------------------------------------------- */

static bool restore_disks(const Snapshot *shot, Problem *p)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        int error = shot->mark[n] && s.undo[n] ? undo_restore(s.undo[n], shot->mark[n]) : 0;
        if (error)
            return problem_set(p, "%.200s could not be brought back: %s", s.path[n],
                               error == EILSEQ ? "a copy in the snapshot folder is damaged"
                                               : strerror(error));
    }
    return true;
}

static bool complete_load(Problem *p)
{
    const Snapshot *shot = folder_by_id(&s.folder, s.folder.loading);
    if (!shot) return true;
    say("loadvm of '%s' was cut off; the disks are brought back to it now", shot->name);
    if (!restore_disks(shot, p)) return false;
    s.folder.current = shot->id;
    s.folder.loading = 0;
    return true;
}

/* What a savevm left that was cut off. */
static void forget_unfinished(void)
{
    char file[40];
    folder_state_name(folder_next_id(&s.folder), ".new", file);
    file_state_remove(file);
}

/* Opening an image may write to it: who dies right after that is still ring3. */
static void claim_disk(const Options *o, unsigned n)
{
    const DriveSpec *d = &o->drives.drive[n];
    s.was_used[n] = s.folder.disk[n].used;
    if (n < DRIVE_IDE_0 || !is_kept(&o->drives, d)) return;
    s.path[n] = d->path;
    look_at_file(d->path, &s.found[n]);
    notice_changes(n);
    s.folder.disk[n].used = true;
}

bool snapshots_claim(const Options *o, Problem *p)
{
    s.has_folder = file_state_folder != NULL;
    if (!s.has_folder) return true;
    if (!folder_read(&s.folder, &s.there, p)) return false;
    if (!s.folder.count) return true;
    if (o->incoming)
        return problem_set(
            p,
            "-incoming: there are snapshots in %.200s, and they do not move with a machine: delete them (delvm)",
            file_state_folder);
    if (!take_lock(p)) return false;
    forget_unfinished();
    for (unsigned n = 0; n < DRIVE_COUNT; n++) claim_disk(o, n);
    s.claimed = folder_write(&s.folder, p);
    return s.claimed;
}

void snapshots_disclaim(void)
{
    Problem p;
    if (!s.claimed) return;
    for (unsigned n = 0; n < DRIVE_COUNT; n++) s.folder.disk[n].used = s.was_used[n];
    if (!folder_write(&s.folder, &p)) say("%s", p.text);
}

bool snapshots_open(const Options *o, Drive bays[DRIVE_COUNT], Problem *p)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (s.has_folder && !wrap_disk(o, bays, n)) return problem_set(p, "the host has no memory");
    if (!s.has_folder || !s.folder.count) return true;
    for (unsigned n = DRIVE_IDE_0; n < DRIVE_COUNT; n++)
        if (s.undo[n] && !open_disk(n, p)) return false;
    if (!complete_load(p)) return false;
    disks_in_use(true);
    s.claimed = !folder_write(&s.folder, p);
    return !s.claimed;
}

static bool on_trouble(void *pc, const char *sentence, bool stops)
{
    return pc_media_trouble(pc, sentence, stops);
}

void snapshots_attach(Pc *pc)
{
    identity_fill(&s.identity, pc);
    part_add(machine_parts(pc->machine), &identity_part, "machine", &s.identity);
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (s.undo[n]) undo_on_trouble(s.undo[n], on_trouble, pc);
}

/* --- memory ----------------------------------------------------------------------------------------------- */

static void find_regions(Pc *pc, PageRegion r[REGIONS])
{
    const Phys *phys = machine_phys(pc->machine);
    u64 vram = (u64)phys->vram_page << PAGE_BITS;
    r[0] = (PageRegion){.at = phys->ram, .pages = phys->ram_bytes >> PAGE_BITS, .fd = phys->memfd};
    r[1] = (PageRegion){.at = phys->ram + vram, .pages = phys->vram_pages, .offset = vram, .fd = phys->memfd};
}

/* --- saving ----------------------------------------------------------------------------------------------- */

/* What keeps the machine from being saved whole. */
static bool may_save(Pc *pc, Problem *p)
{
    if (!s.has_folder)
        return problem_set(
            p, "there is no place for snapshots: start ring3 with -snapshots DIR, or with a hard disk "
               "that is written to");
    for (int n = 0; n < DRIVE_COUNT; n++) {
        const Drive *d = machine_drive(pc->machine, (DriveId)n);
        if (!d->medium || d->medium->readonly || s.undo[n]) continue;
        if (s.forgets[n])
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
    if (s.folder.count == SNAPSHOTS_MAX)
        return problem_set(p, "there are %u snapshots, which is the most that there can be", s.folder.count);
    return take_lock(p);
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
    u64 begun_ns, stood_ns;
    SnapshotDone *done;
    void *ctx;
} save = {.fd = -1};

static SaverRequest saver_request(Pc *pc, SaverWord word)
{
    PageRegion r[REGIONS];
    find_regions(pc, r);
    SaverRequest q = {.word = word, .bytes = machine_phys(pc->machine)->memfd_bytes};
    for (unsigned n = 0; n < REGIONS; n++) {
        q.pages[n] = r[n].pages;
        q.offset[n] = r[n].offset;
    }
    return q;
}

static int write_head(int fd, const StateBytes *parts, u64 *bytes)
{
    u8 head[HEAD_BYTES] = "ring3vm\n";
    store32(head + 8, VERSION);
    store32(head + 12, parts->count);
    store32(head + 16, (u32)crc32(0, head, 16));
    *bytes = HEAD_BYTES + parts->count;
    int error = ftruncate(fd, 0) ? errno : bytes_write(fd, 0, head, sizeof head);
    return error ? error : bytes_write(fd, HEAD_BYTES, parts->at, parts->count);
}

/* Memory, by the saver's copy, which is written later; else to the file, now. */
static int keep_memory(Pc *pc, bool by_saver, int fd, u64 *bytes)
{
    PageRegion regions[REGIONS];
    const SaverRequest copy = saver_request(pc, SAVER_COPY);
    SaverAnswer a;
    find_regions(pc, regions);
    if (!by_saver) return pages_save(regions, REGIONS, fd, bytes);
    return saver_ask(&copy, -1) && saver_answered(&a, true) ? a.error : EPIPE;
}

/* The machine as it is now: parts and marks, and memory. It stands still. */
static bool save_machine(Pc *pc, bool by_saver, Problem *p)
{
    StateBytes parts = {0};
    char problem[STATE_PROBLEM];
    Snapshot *shot = &save.shot;
    bool good = parts_save(machine_parts(pc->machine), &parts, problem) || problem_set(p, "%s", problem);
    for (unsigned n = 0; n < DRIVE_COUNT && good; n++)
        good = !s.undo[n] || undo_mark(s.undo[n], &shot->mark[n], p);
    shot->clock_ns = clock_now(machine_clock(pc->machine));
    int error = good ? write_head(save.fd, &parts, &shot->state_bytes) : 0;
    if (good && !error) error = keep_memory(pc, by_saver, save.fd, &shot->state_bytes);
    state_bytes_free(&parts);
    return good && (!error || problem_set(p, "writing the snapshot failed: %s", strerror(error)));
}

/* What was written to the images before has to last: while the saver writes, it sees to it. */
static void sync_images(Pc *pc)
{
    const SaverRequest q = saver_request(pc, SAVER_SYNC);
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        int fd = s.undo[n] ? file_open(FILE_READ, s.path[n]) : -1;
        if (fd < 0) continue;
        saver_ask(&q, fd);
        close(fd);
    }
}

static bool flush_disks(Problem *p)
{
    int error = 0;
    for (unsigned n = 0; n < DRIVE_COUNT && !error; n++) {
        if (s.undo[n]) error = undo_medium(s.undo[n])->flush(undo_medium(s.undo[n]));
        if (error) problem_set(p, "%.200s: flushing it failed", s.path[n]);
    }
    return !error;
}

static void keep_marks(void)
{
    static u64 marks[UNDO_MARKS_MAX];
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (s.undo[n]) {
            unsigned count = marks_of(n, marks);
            undo_keep(s.undo[n], marks, count);
        }
}

/* The index with the new one, and without an older one of its name; then what only that one needed goes. */
static bool commit(const Snapshot *shot, Problem *p)
{
    static Folder before;
    char file[40];
    const Snapshot *old = folder_find(&s.folder, shot->name);
    u32 old_id = old && !strcmp(old->name, shot->name) ? old->id : 0;
    before = s.folder;
    s.folder.snapshot[s.folder.count++] = *shot;
    if (old_id) folder_remove(&s.folder, old_id);
    s.folder.current = shot->id;
    disks_in_use(true);
    folder_state_name(shot->id, "", file);
    bool good = file_state_replace(file) || problem_set(p, "%s: %.120s", file, file_problem());
    if (!good || !folder_write(&s.folder, p)) {
        s.folder = before;
        return false;
    }
    s.there = true;
    if (!old_id) return true;
    folder_state_name(old_id, "", file);
    file_state_remove(file);
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
    keep_marks();
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
    bool good = save_machine(pc, by_saver, p);
    if (ran) clock_cont(clock);
    save.stood_ns = host_now_ns() - since;
    SaverRequest q = saver_request(pc, good ? SAVER_WRITE : SAVER_FORGET);
    q.at = save.shot.state_bytes;
    if (by_saver && good) sync_images(pc);
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
    if (save.phase != SAVE_NONE) return problem_set(p, "a snapshot is being saved");
    if (!migrate_lets_save(p)) return false;
    if (*name && !folder_name_ok(name))
        return problem_set(p, "a snapshot's name has 1 to %d printable characters", SNAPSHOT_NAME - 1);
    if (!may_save(pc, p)) return false;
    save.shot = (Snapshot){
        .id = folder_next_id(&s.folder), .parent = s.folder.current, .date_unix_s = (s64)time(NULL)};
    if (*name)
        memcpy(save.shot.name, name, strlen(name) + 1);
    else
        name_by_date(save.shot.name);
    if (!begin_file(p)) return false;
    save.begun_ns = host_now_ns();
    save.done = done;
    save.ctx = ctx;
    save.phase = SAVE_PREPARING;
    const SaverRequest q = saver_request(pc, SAVER_PREPARE);
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
}

/* No disk is read or written any more: only sizes and times are looked at. */
void snapshots_end(void)
{
    Problem p;
    if (!s.folder.count || s.lock < 0) return;
    disks_in_use(false);
    if (!folder_write(&s.folder, &p)) say("%s", p.text);
}

/* --- loading ---------------------------------------------------------------------------------------------- */

/* The head and the parts' sections; the pages begin behind them. */
static bool read_parts(int fd, StateBytes *parts, Problem *p)
{
    u8 head[HEAD_BYTES];
    if (bytes_read(fd, 0, head, sizeof head) || memcmp(head, "ring3vm\n", 8) ||
        load32(head + 16) != (u32)crc32(0, head, 16))
        return problem_set(p, "its state file is damaged");
    if (load32(head + 8) != VERSION) return problem_set(p, "its state file is of a newer ring3");
    parts->count = load32(head + 12);
    if (parts->count > STATE_BYTES_MAX) return problem_set(p, "its state file is damaged");
    parts->room = parts->count;
    parts->at = malloc(parts->count ? parts->count : 1);
    if (!parts->at) return problem_set(p, "the host has no memory");
    return !bytes_read(fd, HEAD_BYTES, parts->at, parts->count) ||
           problem_set(p, "its state file is cut off");
}

static bool load_index(u32 current, u32 loading, Problem *p)
{
    u32 was = s.folder.current;
    s.folder.current = current;
    s.folder.loading = loading;
    if (folder_write(&s.folder, p)) return true;
    s.folder.current = was;
    s.folder.loading = 0;
    return false;
}

/* It is all checked; from here on only the host's disk can fail. */
static bool go_back(Pc *pc, const Snapshot *shot, int fd, u64 pages_at, Problem *p)
{
    PageRegion regions[REGIONS];
    u32 id = shot->id;
    find_regions(pc, regions);
    bool good = restore_disks(shot, p) && pages_load(regions, REGIONS, fd, pages_at, p);
    phys_replaced(machine_phys(pc->machine));
    if (good) return load_index(id, 0, p);
    pc_pause(pc);
    return false;
}

static bool load_from(Pc *pc, const Snapshot *shot, int fd, StateBytes *parts, Problem *p)
{
    PageRegion regions[REGIONS];
    StateBytes before = {0};
    char problem[STATE_PROBLEM] = "";
    const Parts *all = machine_parts(pc->machine);
    find_regions(pc, regions);
    if (!read_parts(fd, parts, p)) return false;
    if (!identity_check(&s.identity, parts->at, parts->count, problem)) return problem_set(p, "%s", problem);
    if (!pages_check(regions, REGIONS, fd, HEAD_BYTES + parts->count, p)) return false;
    if (!parts_save(all, &before, problem) || !parts_load(all, parts->at, parts->count, problem)) {
        state_bytes_free(&before);
        return problem_set(p, "%s", problem);
    }
    bool begun = load_index(s.folder.current, shot->id, p);
    if (!begun) parts_load(all, before.at, before.count, problem);
    state_bytes_free(&before);
    return begun && go_back(pc, shot, fd, HEAD_BYTES + parts->count, p);
}

bool snapshot_load(Pc *pc, const char *name, bool force, Problem *p)
{
    char file[40];
    StateBytes parts = {0};
    Problem why;
    const Snapshot *shot = folder_find(&s.folder, name);
    if (save.phase != SAVE_NONE) return problem_set(p, "a snapshot is being saved");
    if (!migrate_lets_save(p)) return false;
    if (!shot) return problem_set(p, "Snapshot '%.100s' does not exist in one or more devices", name);
    if (shot->spoiled && !force)
        return problem_set(
            p,
            "'%.100s' does not fit any more: a disk was changed by somebody else since; loadvm -f "
            "loads it all the same",
            name);
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (shot->mark[n] && !s.undo[n])
            return problem_set(p, "'%.100s' has a hard disk, %s, that this machine does not write to", name,
                               drive_name((DriveId)n, false));
    u64 since = host_now_ns();
    folder_state_name(shot->id, "", file);
    int fd = file_open(FILE_STATE_OLD, file);
    if (fd < 0) return problem_set(p, "'%.100s': %s: %.120s", name, file, file_problem());
    bool good = load_from(pc, shot, fd, &parts, &why);
    close(fd);
    state_bytes_free(&parts);
    if (!good) return problem_set(p, "'%.100s' is not loaded: %.250s", name, why.text);
    pc_jumped(pc);
    trace(STATS, "loadvm: %llu us", (unsigned long long)(host_now_ns() - since) / 1000);
    return true;
}

/* --- moving ----------------------------------------------------------------------------------------------- */

Identity *snapshots_identity(void) { return &s.identity; }
SaverRequest snapshots_request(Pc *pc, u32 word) { return saver_request(pc, (SaverWord)word); }
void snapshots_sync_images(Pc *pc) { sync_images(pc); }

bool snapshots_may_move(Problem *p)
{
    if (save.phase != SAVE_NONE) return problem_set(p, "a snapshot is being saved");
    return !s.folder.count ||
           problem_set(p,
                       "its disks have %u snapshot%s ('info snapshots'), which do not move with a machine: "
                       "delete them (delvm)",
                       s.folder.count, s.folder.count == 1 ? "" : "s");
}

void snapshots_moved(void)
{
    if (s.lock >= 0) close(s.lock);
    s.lock = -1;
}

/* --- deleting, listing ------------------------------------------------------------------------------------ */

bool snapshot_delete(const char *name, Problem *p)
{
    static Folder before;
    char file[40];
    const Snapshot *shot = folder_find(&s.folder, name);
    if (save.phase != SAVE_NONE) return problem_set(p, "a snapshot is being saved");
    if (!migrate_lets_save(p)) return false;
    if (!shot) return problem_set(p, "Snapshot '%.100s' does not exist in one or more devices", name);
    folder_state_name(shot->id, "", file);
    before = s.folder;
    folder_remove(&s.folder, shot->id);
    disks_in_use(true);
    if (!folder_write(&s.folder, p)) {
        s.folder = before;
        return false;
    }
    keep_marks();
    file_state_remove(file);
    return true;
}

bool snapshot_exists(const char *name) { return folder_find(&s.folder, name); }

const char *snapshots_newest(void)
{
    return s.folder.count ? s.folder.snapshot[s.folder.count - 1].name : "";
}

static unsigned depth_of(u32 id)
{
    unsigned depth = 0;
    for (const Snapshot *shot = folder_by_id(&s.folder, id); shot && shot->parent;
         shot = folder_by_id(&s.folder, shot->parent))
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
             shot->id == s.folder.current ? " *" : "", shot->spoiled ? " (does not fit its disk)" : "");
    snprintf(text, sizeof text, "%-9u %-20s %10s %19s %02llu:%02llu:%02llu.%03llu", shot->id, tag, size, date,
             (unsigned long long)ms / 3600000, (unsigned long long)ms / 60000 % 60,
             (unsigned long long)ms / 1000 % 60, (unsigned long long)ms % 1000);
    line(ctx, text);
}

/* Parents before their children, which follow at once. */
static void list_below(u32 parent, void (*line)(void *ctx, const char *text), void *ctx)
{
    for (unsigned n = 0; n < s.folder.count; n++)
        if (s.folder.snapshot[n].parent == parent) {
            list_one(&s.folder.snapshot[n], line, ctx);
            list_below(s.folder.snapshot[n].id, line, ctx);
        }
}

void snapshots_list(void (*line)(void *ctx, const char *text), void *ctx)
{
    char text[200];
    u64 kept = 0;
    if (!s.folder.count) {
        line(ctx, "There is no snapshot available.");
        return;
    }
    line(ctx, "ID        TAG                     VM SIZE                DATE     VM CLOCK");
    list_below(0, line, ctx);
    for (unsigned n = 0; n < DRIVE_COUNT; n++) kept += s.undo[n] ? undo_bytes(s.undo[n]) : 0;
    size_text(kept, text);
    char size[32];
    memcpy(size, text, sizeof size);
    snprintf(text, sizeof text, "Older contents of the disks: %s", size);
    line(ctx, text);
}
