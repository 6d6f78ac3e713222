/* snapshots.h - a whole machine kept at a moment, and gone back to: savevm, loadvm, delvm. See snapshots.c.
 *
 * All up to snapshots_open() is the start's; the rest runs on the vCPU thread in the service hook: between two
 * instructions.
 */
#ifndef RING3_SNAPSHOT_SNAPSHOTS_H
#define RING3_SNAPSHOT_SNAPSHOTS_H

#include "frontend/options/options.h"
#include "frontend/pc.h"

/* snapshots_folder - where a machine with these options keeps them: -snapshots, or beside its first writable disk;
 * NULL: nowhere. Before the broker starts, and the string stays. */
const char *snapshots_folder(const Options *o);
/* snapshots_claim - read which snapshots there are, look how the images were left, and note that from now on ring3
 * writes to them; before they are opened, which may do so. False: *p says why the machine cannot start. */
bool snapshots_claim(const Options *o, Problem *p);
/* snapshots_disclaim - they could not be opened: as before. */
void snapshots_disclaim(void);
/* snapshots_open - put the layer that keeps old contents over each hard disk that is written to, and complete a
 * loadvm that was cut off. False: *p says why the machine cannot start. */
bool snapshots_open(const Options *o, Drive bays[DRIVE_COUNT], Problem *p);
/* snapshots_attach - the machine is built; its identity becomes a part of it. */
void snapshots_attach(Pc *pc);
/* snapshots_settle - ring3 ends in good order: wait for a savevm that is under way. The disks are still open. */
void snapshots_settle(Pc *pc);
/* snapshots_end - they are closed: note how they were left. */
void snapshots_end(void);

/* For a machine that moves (migrate.c): what it is, and memory in the saver's words. */
struct Identity;
struct Identity *snapshots_identity(void);
struct SaverRequest snapshots_request(Pc *pc, u32 word);
/* snapshots_image - the image of a hard disk that is written to, below what keeps old contents; NULL: there is no
 * such drive. */
Medium *snapshots_image(Pc *pc, unsigned drive);
/* snapshots_sync_images - the saver is to see to it that what was written to the disks lasts. */
void snapshots_sync_images(Pc *pc);
/* snapshots_may_move - false: *p says what keeps the machine here: a snapshot, unless the disks stay here, too
 * (`copied`); or one that is being made. */
bool snapshots_may_move(bool copied, Problem *p);
void snapshots_moved(void); /* the folder is another ring3's from now on */

/* snapshot_save - begin to: the guest runs on meanwhile, and stands still for a moment somewhere in between. `name`
 * empty: by date and time, as QEMU does. One of the same name goes when the new one is there. `done` is told in the
 * service hook how it ended, *p being NULL if it is there; it may be told at once. done NULL: wait for it. False: it
 * could not begin, or it was waited for and failed. */
typedef void SnapshotDone(void *ctx, const Problem *p);
bool snapshot_save(Pc *pc, const char *name, SnapshotDone *done, void *ctx, Problem *p);
void snapshots_service(Pc *pc);
/* snapshot_load - force: also if somebody else changed a disk since. False, with a sentence: nothing has changed; or
 * the host's disk failed half-way, the machine is held, and the next start completes it. */
bool snapshot_load(Pc *pc, const char *name, bool force, Problem *p);
const char *snapshots_newest(void); /* the last that was made; "": there is none */
bool snapshot_exists(const char *name);
/* snapshot_by_id - its name, and when it was made; "": there is none. */
const char *snapshot_by_id(u32 id, s64 *date_unix_s);
bool snapshot_delete(const char *name, Problem *p);
/* An undoable disk (mode=undoable): what was written since its session began can go. A session lasts, over as many starts as it
 * takes, until somebody decides. See sessions.c. */
typedef enum SessionEnd { SESSION_UNDECIDED, SESSION_KEEP, SESSION_COMMIT, SESSION_DISCARD } SessionEnd;
/* sessions_decide - what becomes of all of them when ring3 ends. SESSION_KEEP: it stays undecided, and nobody is asked. */
void sessions_decide(SessionEnd how);
bool sessions_undecided(void); /* there is one, and nobody has said what becomes of it */
/* session_commit - what was written to the disk lasts from now on, and a new session begins. */
bool session_commit(DriveId id, Problem *p);
/* session_discard - what was and will be written goes when ring3 ends; a guest would not survive it before. */
bool session_discard(DriveId id, Problem *p);
bool session_is_open(DriveId id);

/* One of them, as lists show it. */
typedef struct SnapshotRow {
    u32 id;
    unsigned depth; /* how many it came from */
    char name[128];
    s64 date_unix_s;
    u64 clock_ns, state_bytes; /* guest time; of its file */
    bool is_current;           /* the machine came from it last */
    bool is_spoiled;           /* a disk was changed by somebody else since */
} SnapshotRow;
/* snapshots_tree - lines [first, first + most) of the tree, parents before their children. *got: how many those are;
 * *current: the line of the current one, or 0. Returns how many lines there are. */
unsigned snapshots_tree(SnapshotRow *rows, unsigned first, unsigned most, unsigned *got, unsigned *current);
/* The same in words: "43.0 MiB", a date, guest time. */
enum { SNAPSHOT_TEXT = 32 };
void snapshot_size_text(u64 bytes, char to[SNAPSHOT_TEXT]);
void snapshot_date_text(const SnapshotRow *row, char to[SNAPSHOT_TEXT]);
void snapshot_clock_text(const SnapshotRow *row, char to[SNAPSHOT_TEXT]);
/* One line each, as `info snapshots` shows them. */
void snapshots_list(void (*line)(void *ctx, const char *text), void *ctx);

#endif
