/* saver.h - a small process beside the machine's that copies guest memory while the guest runs on: writes it to a file
 * (snapshots.c), or moves it to another ring3, or from one (migrate.c). See saver.c and saver_serve.c.
 */
#ifndef RING3_SNAPSHOT_SAVER_H
#define RING3_SNAPSHOT_SAVER_H

#include "frontend/say.h"
#include "frontend/snapshot/migrate_share.h"
#include "frontend/snapshot/pages.h"

enum { SAVER_REGIONS = 2 };

/* saver_start - before any thread and before there is a machine: fork it. False: there is none, and saving takes the
 * machine's own time. */
bool saver_start(void);
/* Where connections come to it that others have made, a message and a descriptor each; from saver_start() on whoever makes
 * them has it (broker.h). -1: there is none. */
int saver_take_gate(void);
/* What it shares with the machine's process; NULL: there is no saver. */
MigrateShare *saver_share(void);
/* Its answers, for the I/O thread: the socket to poll, -1: none, or one is here and not taken yet. True: look at
 * saver_answered() soon. */
int saver_fd(void);
bool saver_ready(void);

/* The rest is the vCPU thread's. Each but SAVER_SYNC is answered. False: the process is gone. */
typedef enum SaverWord {
    SAVER_PREPARE, /* with memory's descriptor: have room for a copy, and most of what is in it */
    SAVER_COPY,    /* memory stands still: copy it */
    SAVER_SYNC, /* with an image's descriptor: it is to be on the host's disk before SAVER_WRITE is answered */
    SAVER_WRITE,  /* with a file's descriptor: pack and write the copy from `at` on, sync, forget the copy */
    SAVER_FORGET, /* the copy is not wanted; not answered either */
    /* A machine moves (migrate.h): all of them are answered but where it says otherwise; sentences are in the share. */
    SAVER_SEND, /* with memory's descriptor, and a connection that has come by the gate: to little is left; `at`: it leads
                   to a command, which may take its time */
    SAVER_FINISH, /* it stands still */
    SAVER_CANCEL, /* not answered, but what is under way is */
    SAVER_LISTEN, /* with memory's descriptor */
    SAVER_LISTENER, /* with the socket (`at`: it is connected already, to a command), before SAVER_LISTEN, which is
                       answered by questions, SAVER_FITS and SAVER_READY, and then by itself. Not answered */
    SAVER_FITS, /* the answer to that; `at`: 0 no, 1 yes. Not answered */
    SAVER_READY,
    SAVER_DISK, /* ... or SAVER_SEND and SAVER_FINISH by this: a piece of a disk, in the share, to be written, or read
                   from there on */
    SAVER_SETTLE /* ... what was written of disks is to last */
} SaverWord;
typedef struct SaverRequest {
    u32 word, pages[SAVER_REGIONS];
    u64 offset[SAVER_REGIONS], bytes; /* of memory's file */
    u64 at;
} SaverRequest;
typedef struct SaverAnswer {
    u32 word;
    s32 error; /* errno; 0: done */
    u64 end; /* SAVER_WRITE: of what is written; SAVER_FINISH: a SendEnd; SAVER_DISK: drive << 32 | cluster */
} SaverAnswer;

bool saver_ask(const SaverRequest *r, int fd); /* fd: passed along; -1: none */
/* An answer, if there is one; `wait`: until there is. False: none, or the process is gone (a->error is then EPIPE). */
bool saver_answered(SaverAnswer *a, bool wait);
bool saver_is_there(void);

/* What the process does until its parent has gone. */
_Noreturn void saver_serve(int socket, int gate, MigrateShare *share);

#endif
