/* undo.h - a disk whose older contents can be had again: a Medium over a Medium, and a file of what was overwritten.
 *
 * The disk's image always holds the newest contents, in whatever format it has. A *mark* is a moment to go back to.
 * What a write is about to overwrite for the first time since the newest mark is first copied to the undo file. So a
 * mark's contents of a cluster are the first copy made at the mark or after it, or what is in the image. See undo.c
 * for the file, and docs/SNAPSHOTS.md for what survives what.
 */
#ifndef RING3_SNAPSHOT_UNDO_H
#define RING3_SNAPSHOT_UNDO_H

#include "frontend/say.h"
#include "hw/medium.h"

/* Marks: of all snapshots that there can be, and of a session (sessions.c). */
enum { UNDO_CLUSTER_BYTES = 64 << 10, UNDO_MARKS_MAX = 1001 };

typedef struct Undo Undo;

/* Who hears that the host's disk is full, as media_on_trouble(): true: the machine stops, and tries again on `cont`. */
typedef bool UndoTrouble(void *ctx, const char *sentence, bool stops);

/* undo_new - over `below`, which stays the caller's; `name` is the undo file's in the snapshot folder (files.h),
 * without its ".undo". No file is made before the first mark. NULL: no memory. */
Undo *undo_new(Medium *below, const char *name);
void undo_free(Undo *u);
void undo_on_trouble(Undo *u, UndoTrouble *hear, void *ctx);
Medium *undo_medium(Undo *u);
Medium *undo_below(Undo *u);

/* undo_open - the marks that there are, with the file that was kept for them. False: it is not there, or not of this
 * disk; *p says so. */
bool undo_open(Undo *u, const u64 *marks, unsigned count, Problem *p);
/* undo_mark - a mark for this moment: *mark. It is one of the marks from now on. */
bool undo_mark(Undo *u, u64 *mark, Problem *p);
/* undo_keep - only these marks are left: what no other needs is free for new copies. They were made durable before. */
void undo_keep(Undo *u, const u64 *marks, unsigned count);
/* undo_save_for - copy whatever undo_restore(mark) will overwrite, durably. 0 or an errno. */
int undo_save_for(Undo *u, u64 mark);
/* undo_restore - the disk is as it was at the mark, durably; marks stay what they are. 0 or an errno: then the disk is
 * partly so, and the same call again completes it. */
int undo_restore(Undo *u, u64 mark);
/* What the copies take of the host's disk. */
u64 undo_bytes(const Undo *u);

#endif
