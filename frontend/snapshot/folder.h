/* folder.h - the snapshot folder: what snapshots there are, as a text file that a person can read. See folder.c. */
#ifndef RING3_SNAPSHOT_FOLDER_H
#define RING3_SNAPSHOT_FOLDER_H

#include "frontend/say.h"
#include "hw/drive.h"

enum { SNAPSHOTS_MAX = 1000, SNAPSHOT_NAME = 128 };

typedef struct Snapshot {
    u32 id, parent; /* 0: no parent */
    char name[SNAPSHOT_NAME];
    s64 date_unix_s;
    u32 date_ns;           /* and so much */
    u64 clock_ns;          /* guest time */
    u64 state_bytes;       /* of its state file, ID.state */
    u64 mark[DRIVE_COUNT]; /* undo.h; 0: it has nothing of the drive */
    bool spoiled;          /* a disk was changed by somebody else since */
} Snapshot;

/* A disk, as ring3 left it; and of an undoable one the session (sessions.c). */
typedef struct FolderDisk {
    u64 sectors; /* 0: it is in no snapshot */
    u64 bytes;
    s64 changed_s, changed_ns; /* its file's time */
    bool used; /* ring3 is writing to it, or was when it ended without a word: the time says nothing */
    u64 session; /* undo.h: the mark where it began; 0: there is none */
    s64 session_unix_s;
    bool discarding; /* the disk is being brought back to it */
} FolderDisk;

typedef struct Folder {
    Snapshot snapshot[SNAPSHOTS_MAX]; /* in the order in which they were made */
    unsigned count;
    u32 current; /* which one the machine goes back to; 0: none */
    u32 loading; /* the disks are being brought back to this one; 0: none */
    FolderDisk disk[DRIVE_COUNT];
} Folder;

/* folder_read - *there: false if there is no folder yet. False: it cannot be read, *p says why. */
bool folder_read(Folder *f, bool *there, Problem *p);
/* folder_write - beside, synced, in place of the old. */
bool folder_write(const Folder *f, Problem *p);
/* By name, or by number; NULL: there is none. */
Snapshot *folder_find(Folder *f, const char *name);
Snapshot *folder_by_id(Folder *f, u32 id);
u32 folder_next_id(const Folder *f);
/* Take it out: its children become its parent's. */
void folder_remove(Folder *f, u32 id);
/* The file of a snapshot's state, with `end` behind its name. */
void folder_state_name(u32 id, const char *end, char to[40]);
/* What may be a snapshot's name. */
bool folder_name_ok(const char *name);

#endif
