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
 *     ID.png      the screen, small (thumbnail.c), if there is one
 *     ID.state    "ring3vm\n", u32 version, u32 bytes of the parts' state, u32 CRC-32 of these; the parts' sections
 *                 (hw/state.h); chunks of pages (pages.c): region 0 is RAM, region 1 video memory
 */
#define _GNU_SOURCE
#include "frontend/snapshot/snapshots_own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/image/disk.h"
#include "frontend/host/files.h"
#include "frontend/options/drive_names.h"
#include "frontend/snapshot/migrate.h"
#include "frontend/snapshot/thumbnail.h"

Snapshots snapshots = {.lock = -1};

/* --- the folder ------------------------------------------------------------------------------------------- */

static bool is_kept(const DriveOptions *o, const DriveSpec *d)
{
    return d->path && !disk_folder(d->path) && !d->cdrom && !d->readonly && !d->snapshot && !o->snapshot;
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
bool snapshots_lock(Problem *p)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (snapshots.lock >= 0) return true;
    snapshots.lock = file_open(FILE_STATE, "lock");
    if (snapshots.lock < 0)
        return problem_set(p, "the snapshot folder %.200s: %.120s", file_state_folder, file_problem());
    if (fcntl(snapshots.lock, F_OFD_SETLK, &l) == 0 || (errno != EAGAIN && errno != EACCES)) return true;
    close(snapshots.lock);
    snapshots.lock = -1;
    return problem_set(p, "the snapshot folder %.200s is in use by another ring3", file_state_folder);
}

/* --- disks ------------------------------------------------------------------------------------------------ */

static unsigned marks_of(unsigned drive, u64 marks[UNDO_MARKS_MAX])
{
    unsigned count = 0;
    for (unsigned n = 0; n < snapshots.folder.count; n++)
        if (snapshots.folder.snapshot[n].mark[drive])
            marks[count++] = snapshots.folder.snapshot[n].mark[drive];
    if (snapshots.folder.disk[drive].session) marks[count++] = snapshots.folder.disk[drive].session;
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
    to->sectors = undo_medium(snapshots.undo[drive])->sectors;
    look_at_file(snapshots.path[drive], to);
}

/* Snapshots share with the image what nobody has written since: whoever else writes to it spoils them. */
static void notice_changes(unsigned drive)
{
    const FolderDisk *was = &snapshots.folder.disk[drive], *is = &snapshots.found[drive];
    unsigned count = 0;
    bool same =
        is->bytes == was->bytes && is->changed_s == was->changed_s && is->changed_ns == was->changed_ns;
    if (was->used || same) return;
    sessions_spoil(drive);
    for (unsigned n = 0; n < snapshots.folder.count; n++) {
        Snapshot *shot = &snapshots.folder.snapshot[n];
        if (!shot->mark[drive]) continue;
        shot->spoiled = true;
        count++;
    }
    if (count)
        say("%.200s was changed by somebody else since its %u snapshot%s: they no longer fit, and only "
            "'loadvm -f' "
            "loads them",
            snapshots.path[drive], count, count == 1 ? " was made" : "s were made");
}

static bool open_disk(unsigned drive, Problem *p)
{
    static u64 marks[UNDO_MARKS_MAX];
    unsigned count = marks_of(drive, marks);
    if (!count) return true;
    if (undo_medium(snapshots.undo[drive])->sectors != snapshots.folder.disk[drive].sectors)
        return problem_set(p,
                           "%.200s has another size than its snapshots in %.100s: give another folder with "
                           "-snapshots, or delete that one",
                           snapshots.path[drive], file_state_folder);
    return undo_open(snapshots.undo[drive], marks, count, p);
}

static bool wrap_disk(const Options *o, Drive bays[DRIVE_COUNT], unsigned n)
{
    const DriveSpec *d = &o->drives.drive[n];
    snapshots.path[n] = d->path;
    snapshots.forgets[n] = d->path && !d->readonly && (d->snapshot || o->drives.snapshot);
    snapshots.undoable[n] = d->undoable;
    if (n < DRIVE_IDE_0 || !bays[n].medium || !is_kept(&o->drives, d)) return true;
    snapshots.undo[n] = undo_new(bays[n].medium, drive_name((DriveId)n, false));
    if (snapshots.undo[n]) bays[n].medium = undo_medium(snapshots.undo[n]);
    return snapshots.undo[n];
}

/* From now on the image's time says nothing, until ring3 ends in good order. */
void snapshots_in_use(bool used)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        u64 any = snapshots.folder.disk[n].session;
        for (unsigned k = 0; k < snapshots.folder.count; k++) any |= snapshots.folder.snapshot[k].mark[n];
        if (!any) snapshots.folder.disk[n].sectors = 0;
        if (!any || !snapshots.undo[n]) continue;
        look_at_disk(n, &snapshots.folder.disk[n]);
        snapshots.folder.disk[n].used = used;
    }
}

/* --- starting and ending ---------------------------------------------------------------------------------- */

bool snapshots_restore_disks(const Snapshot *shot, Problem *p)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        int error = shot->mark[n] && snapshots.undo[n] ? undo_restore(snapshots.undo[n], shot->mark[n]) : 0;
        if (error)
            return problem_set(p, "%.200s could not be brought back: %s", snapshots.path[n],
                               error == EILSEQ ? "a copy in the snapshot folder is damaged"
                                               : strerror(error));
    }
    return true;
}

static bool complete_load(Problem *p)
{
    const Snapshot *shot = folder_by_id(&snapshots.folder, snapshots.folder.loading);
    if (!shot) return true;
    say("loadvm of '%s' was cut off; the disks are brought back to it now", shot->name);
    if (!snapshots_restore_disks(shot, p)) return false;
    snapshots.folder.current = shot->id;
    snapshots.folder.loading = 0;
    return true;
}

/* A file of a snapshot that is not in the index. */
static bool is_left_over(const char *name)
{
    char *end;
    if (*name < '1' || *name > '9') return false;
    unsigned long id = strtoul(name, &end, 10);
    if (!strcmp(end, ".state.new")) return true;
    if (strcmp(end, ".state") != 0 && strcmp(end, ".png") != 0) return false;
    return id <= UINT32_MAX && !folder_by_id(&snapshots.folder, (u32)id);
}

/* What a savevm or a delvm left that was cut off. */
static void forget_unfinished(void)
{
    DIR *d = opendir(file_state_folder);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (is_left_over(e->d_name)) file_state_remove(e->d_name);
    if (d) closedir(d);
}

/* Opening an image may write to it: who dies right after that is still ring3. */
static void claim_disk(const Options *o, unsigned n)
{
    const DriveSpec *d = &o->drives.drive[n];
    snapshots.was_used[n] = snapshots.folder.disk[n].used;
    if (n < DRIVE_IDE_0 || !is_kept(&o->drives, d)) return;
    snapshots.path[n] = d->path;
    look_at_file(d->path, &snapshots.found[n]);
    notice_changes(n);
    snapshots.folder.disk[n].used = true;
}

static bool wants_session(const Options *o, const char **path)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        const DriveSpec *d = &o->drives.drive[n];
        if (!d->path || !d->undoable) continue;
        *path = d->path;
        return true;
    }
    return false;
}

/* The disks are used as those who come later must know. */
static bool is_used(const Options *o)
{
    const char *path;
    return snapshots.folder.count || sessions_any() || wants_session(o, &path);
}

static bool may_be_undoable(const Options *o, Problem *p)
{
    const char *path = "";
    if (!wants_session(o, &path)) return true;
    if (o->drives.snapshot)
        return problem_set(p, "%.200s: -snapshot and mode=undoable are two answers to one question", path);
    if (o->incoming)
        return problem_set(p, "%.200s: mode=undoable: such a disk does not move with a machine", path);
    return snapshots.has_folder ||
           problem_set(
               p, "%.200s: mode=undoable: there is no place for what it was: give one with -snapshots DIR",
               path);
}

bool snapshots_claim(const Options *o, Problem *p)
{
    snapshots.has_folder = file_state_folder != NULL;
    if (!may_be_undoable(o, p)) return false;
    if (!snapshots.has_folder) return true;
    if (!folder_read(&snapshots.folder, &snapshots.there, p)) return false;
    if (!is_used(o)) return true;
    if (o->incoming)
        return problem_set(p,
                           "-incoming: there are snapshots or undecided sessions in %.200s, and they do not "
                           "move with a machine: delete them (delvm, commit)",
                           file_state_folder);
    if (!snapshots_lock(p)) return false;
    forget_unfinished();
    for (unsigned n = 0; n < DRIVE_COUNT; n++) claim_disk(o, n);
    snapshots.claimed = folder_write(&snapshots.folder, p);
    return snapshots.claimed;
}

void snapshots_disclaim(void)
{
    Problem p;
    if (!snapshots.claimed) return;
    for (unsigned n = 0; n < DRIVE_COUNT; n++) snapshots.folder.disk[n].used = snapshots.was_used[n];
    if (!folder_write(&snapshots.folder, &p)) say("%s", p.text);
}

bool snapshots_open(const Options *o, Drive bays[DRIVE_COUNT], Problem *p)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (snapshots.has_folder && !wrap_disk(o, bays, n)) return problem_set(p, "the host has no memory");
    if (!snapshots.has_folder || !is_used(o)) return true;
    for (unsigned n = DRIVE_IDE_0; n < DRIVE_COUNT; n++)
        if (snapshots.undo[n] && !open_disk(n, p)) return false;
    if (!complete_load(p) || !sessions_open(p)) return false;
    snapshots_in_use(true);
    snapshots.claimed = !folder_write(&snapshots.folder, p);
    return !snapshots.claimed;
}

static bool on_trouble(void *pc, const char *sentence, bool stops)
{
    return pc_media_trouble(pc, sentence, stops);
}

void snapshots_attach(Pc *pc)
{
    identity_fill(&snapshots.identity, pc);
    part_add(machine_parts(pc->machine), &identity_part, "machine", &snapshots.identity);
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (snapshots.undo[n]) undo_on_trouble(snapshots.undo[n], on_trouble, pc);
}

/* No disk is read or written any more: only sizes and times are looked at. */
void snapshots_end(void)
{
    Problem p;
    if ((!snapshots.folder.count && !sessions_any()) || snapshots.lock < 0) return;
    snapshots_in_use(false);
    if (!folder_write(&snapshots.folder, &p)) say("%s", p.text);
}

void snapshots_keep_marks(void)
{
    static u64 marks[UNDO_MARKS_MAX];
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (snapshots.undo[n]) {
            unsigned count = marks_of(n, marks);
            undo_keep(snapshots.undo[n], marks, count);
        }
}

/* --- memory ----------------------------------------------------------------------------------------------- */

void snapshots_regions(Pc *pc, PageRegion r[SNAPSHOT_REGIONS])
{
    const Phys *phys = machine_phys(pc->machine);
    u64 vram = (u64)phys->vram_page << PAGE_BITS;
    r[0] = (PageRegion){.at = phys->ram, .pages = phys->ram_bytes >> PAGE_BITS, .fd = phys->memfd};
    r[1] = (PageRegion){.at = phys->ram + vram, .pages = phys->vram_pages, .offset = vram, .fd = phys->memfd};
}

/* --- moving ----------------------------------------------------------------------------------------------- */

Identity *snapshots_identity(void) { return &snapshots.identity; }
SaverRequest snapshots_request(Pc *pc, u32 word)
{
    PageRegion r[SNAPSHOT_REGIONS];
    snapshots_regions(pc, r);
    SaverRequest q = {.word = (SaverWord)word, .bytes = machine_phys(pc->machine)->memfd_bytes};
    for (unsigned n = 0; n < SNAPSHOT_REGIONS; n++) {
        q.pages[n] = r[n].pages;
        q.offset[n] = r[n].offset;
    }
    return q;
}

void snapshots_sync_images(Pc *pc)
{
    const SaverRequest q = snapshots_request(pc, SAVER_SYNC);
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        int fd = snapshots.undo[n] ? file_open(FILE_READ, snapshots.path[n]) : -1;
        if (fd < 0) continue;
        saver_ask(&q, fd);
        close(fd);
    }
}

Medium *snapshots_image(Pc *pc, unsigned drive)
{
    const Drive *d = machine_drive(pc->machine, (DriveId)drive);
    if (d->floppy || d->cdrom || !d->medium || d->medium->readonly) return NULL;
    return snapshots.undo[drive] ? undo_below(snapshots.undo[drive]) : d->medium;
}

bool snapshots_may_move(bool copied, Problem *p)
{
    if (!snapshots_are_idle(p)) return false;
    if (sessions_any())
        return problem_set(p, "it has a disk with mode=undoable, which does not move with a machine");
    return copied || !snapshots.folder.count ||
           problem_set(p,
                       "its disks have %u snapshot%s ('info snapshots'), which do not move with a machine: "
                       "delete them (delvm)",
                       snapshots.folder.count, snapshots.folder.count == 1 ? "" : "s");
}

void snapshots_moved(void)
{
    if (snapshots.lock >= 0) close(snapshots.lock);
    snapshots.lock = -1;
}

/* --- deleting -------------------------------------------------------------------------------------------- */

bool snapshot_delete(const char *name, Problem *p)
{
    static Folder before;
    char file[40];
    const Snapshot *shot = folder_find(&snapshots.folder, name);
    if (!snapshots_are_idle(p)) return false;
    if (!migrate_lets_save(p)) return false;
    if (!shot) return problem_set(p, "Snapshot '%.100s' does not exist in one or more devices", name);
    const u32 id = shot->id;
    folder_state_name(id, "", file);
    before = snapshots.folder;
    folder_remove(&snapshots.folder, id);
    snapshots_in_use(true);
    if (!folder_write(&snapshots.folder, p)) {
        snapshots.folder = before;
        return false;
    }
    snapshots_keep_marks();
    file_state_remove(file);
    thumbnail_remove(id);
    return true;
}

bool snapshot_exists(const char *name) { return folder_find(&snapshots.folder, name); }

const char *snapshot_by_id(u32 id, s64 *date_unix_s)
{
    const Snapshot *shot = folder_by_id(&snapshots.folder, id);
    if (!shot) return "";
    *date_unix_s = shot->date_unix_s;
    return shot->name;
}

const char *snapshots_newest(void)
{
    return snapshots.folder.count ? snapshots.folder.snapshot[snapshots.folder.count - 1].name : "";
}
