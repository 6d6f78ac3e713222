/* snapshots_own.h - what the files of savevm, loadvm and delvm share. See snapshots.c. */
#ifndef RING3_SNAPSHOT_SNAPSHOTS_OWN_H
#define RING3_SNAPSHOT_SNAPSHOTS_OWN_H

#include "frontend/snapshot/folder.h"
#include "frontend/snapshot/identity.h"
#include "frontend/snapshot/pages.h"
#include "frontend/snapshot/saver.h"
#include "frontend/snapshot/snapshots.h"
#include "frontend/snapshot/undo.h"

/* Of ID.state. */
enum { SNAPSHOT_VERSION = 1, SNAPSHOT_HEAD_BYTES = 20, SNAPSHOT_REGIONS = 2 };

typedef struct Snapshots {
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
    bool undoable[DRIVE_COUNT];    /* mode=undoable */
    Identity identity;
} Snapshots;
extern Snapshots snapshots;

void snapshots_regions(Pc *pc, PageRegion r[SNAPSHOT_REGIONS]);
/* snapshots_lock - the folder is ours: two machines must not share one. */
bool snapshots_lock(Problem *p);
/* snapshots_are_idle - false, with *p: one is being saved. */
bool snapshots_are_idle(Problem *p);
/* snapshots_in_use - note how the images are; `used`: from now on their time says nothing, until ring3 ends in good order. */
void snapshots_in_use(bool used);
bool snapshots_restore_disks(const Snapshot *shot, Problem *p);
/* snapshots_keep_marks - the disks keep what the snapshots need that there are, and no more. */
void snapshots_keep_marks(void);

/* --- sessions.c --- */
bool sessions_any(void); /* an undoable disk has one */
/* sessions_spoil - somebody else has written to the disk: it can no longer go back, and its session is over. */
void sessions_spoil(unsigned drive);
/* sessions_open - complete a discard that was cut off, and begin the sessions that there are not yet; the index is to be
 * written. */
bool sessions_open(Problem *p);
/* sessions_settle - ring3 ends: what the person decided is done. */
void sessions_settle(void);
void sessions_list(void (*line)(void *ctx, const char *text), void *ctx);

#endif
