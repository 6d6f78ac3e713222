/* sessions.c - undoable disks, VMware's word: what a guest writes can be kept, committed or discarded afterwards.
 *
 * A session is a mark of the disk's undo file (undo.h), as a snapshot's is, but one without memory: the image always has the
 * newest contents, and what they replaced since the session began is in the undo file. To commit is to forget the mark; to
 * discard is to go back to it. The index has the mark, so a session that nobody has decided about goes on with the next start,
 * also after kill -9; and with one that begins without mode=undoable, for whoever left it wanted to be able to go back.
 *
 * Discarding is done when ring3 ends, since a guest would not survive it before. The index says first that it is done: who dies
 * on the way leaves a disk that is partly back, and the next start completes it.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/snapshots_own.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "frontend/options/drive_names.h"

static SessionEnd decided[DRIVE_COUNT];

static u64 session_of(unsigned n) { return snapshots.folder.disk[n].session; }

bool sessions_any(void)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (session_of(n)) return true;
    return false;
}

bool sessions_undecided(void)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (session_of(n) && snapshots.undo[n] && decided[n] == SESSION_UNDECIDED) return true;
    return false;
}

bool session_is_open(DriveId id) { return session_of(id) && snapshots.undo[id]; }

static void forget(unsigned n)
{
    FolderDisk *d = &snapshots.folder.disk[n];
    d->session = 0;
    d->session_unix_s = 0;
    d->discarding = false;
}

static const char *since(unsigned n)
{
    static char text[40];
    time_t when = (time_t)snapshots.folder.disk[n].session_unix_s;
    struct tm tm = {0};
    if (!localtime_r(&when, &tm) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm)) *text = 0;
    return text;
}

void sessions_spoil(unsigned n)
{
    if (!session_of(n)) return;
    say("%.200s was changed by somebody else: what was written since %s can no longer be discarded",
        snapshots.path[n], since(n));
    forget(n);
}

/* --- discarding -------------------------------------------------------------------------------------------- */

/* The index says that it is being done. */
static bool bring_back(unsigned n, Problem *p)
{
    int error = undo_restore(snapshots.undo[n], session_of(n));
    if (error)
        return problem_set(p, "%.200s could not be brought back, and the next start tries again: %s",
                           snapshots.path[n],
                           error == EILSEQ ? "a copy in the snapshot folder is damaged" : strerror(error));
    forget(n);
    return true;
}

static bool discard(unsigned n, Problem *p)
{
    snapshots.folder.disk[n].discarding = true;
    if (folder_write(&snapshots.folder, p)) return bring_back(n, p);
    snapshots.folder.disk[n].discarding = false;
    return false;
}

/* --- from start to end ------------------------------------------------------------------------------------- */

static bool begin(unsigned n, Problem *p)
{
    FolderDisk *d = &snapshots.folder.disk[n];
    d->session_unix_s = (s64)time(NULL);
    return undo_mark(snapshots.undo[n], &d->session, p);
}

static bool open_one(unsigned n, Problem *p)
{
    const FolderDisk *d = &snapshots.folder.disk[n];
    if (d->session && d->discarding) {
        say("%.200s: discarding what was written since %s was cut off, and is completed now",
            snapshots.path[n], since(n));
        if (!bring_back(n, p)) return false;
    } else if (d->session) {
        say("%.200s: what was written since %s is undecided still: 'commit %s' or 'discard %s'",
            snapshots.path[n], since(n), drive_name((DriveId)n, false), drive_name((DriveId)n, false));
    }
    return session_of(n) || !snapshots.undoable[n] || begin(n, p);
}

bool sessions_open(Problem *p)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (snapshots.undo[n] && !open_one(n, p)) return false;
    return true;
}

static bool settle(unsigned n, Problem *p)
{
    if (decided[n] == SESSION_DISCARD) return discard(n, p);
    if (decided[n] == SESSION_COMMIT) forget(n);
    if (session_of(n))
        say("%.200s: what was written since %s stays, undecided; the monitor's words commit and discard "
            "decide",
            snapshots.path[n], since(n));
    return true;
}

void sessions_settle(void)
{
    bool any = false;
    Problem p;
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        if (!session_of(n) || !snapshots.undo[n]) continue;
        any = true;
        if (!settle(n, &p)) say("%s", p.text);
    }
    if (!any) return;
    snapshots_in_use(true);
    if (!folder_write(&snapshots.folder, &p))
        say("%s", p.text);
    else
        snapshots_keep_marks();
}

/* --- words ------------------------------------------------------------------------------------------------- */

void sessions_decide(SessionEnd how)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++) decided[n] = how;
}

static bool has_session(DriveId id, Problem *p)
{
    if (!snapshots_are_idle(p)) return false;
    return session_is_open(id) ||
           problem_set(p, "Device '%s' is not undoable: -drive file=FILE,mode=undoable makes it so",
                       drive_name(id, false));
}

bool session_commit(DriveId id, Problem *p)
{
    static FolderDisk before;
    if (!has_session(id, p)) return false;
    Medium *medium = undo_medium(snapshots.undo[id]);
    before = snapshots.folder.disk[id];
    if (medium->flush(medium)) return problem_set(p, "%.200s: flushing it failed", snapshots.path[id]);
    if (!begin(id, p)) {
        snapshots.folder.disk[id] = before;
        return false;
    }
    bool good = folder_write(&snapshots.folder, p);
    if (!good) snapshots.folder.disk[id] = before;
    snapshots_keep_marks();
    if (good) decided[id] = SESSION_UNDECIDED;
    return good;
}

void sessions_list(void (*line)(void *ctx, const char *text), void *ctx)
{
    static const char *const ends[] = {[SESSION_UNDECIDED] = "undecided",
                                       [SESSION_KEEP] = "undecided",
                                       [SESSION_COMMIT] = "will last when ring3 ends",
                                       [SESSION_DISCARD] = "will be discarded when ring3 ends"};
    char text[200];
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        if (!session_is_open((DriveId)n)) continue;
        snprintf(text, sizeof text, "%s: what was written since %s: %s", drive_name((DriveId)n, false),
                 since(n), ends[decided[n]]);
        line(ctx, text);
    }
}

bool session_discard(DriveId id, Problem *p)
{
    if (!has_session(id, p)) return false;
    decided[id] = SESSION_DISCARD;
    return true;
}
