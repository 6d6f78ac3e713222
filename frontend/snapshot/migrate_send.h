/* migrate_send.h - a machine's memory and state to another ring3, while its guest runs; in the saver's process. See
 * migrate_send.c. */
#ifndef RING3_SNAPSHOT_MIGRATE_SEND_H
#define RING3_SNAPSHOT_MIGRATE_SEND_H

#include "frontend/snapshot/migrate_share.h"
#include "frontend/snapshot/pages.h"
#include "frontend/snapshot/stream.h"

enum { SEND_REGIONS = 2 };

/* Guest memory, and the copy of what the other side has. */
typedef struct SendMemory {
    PageRegion region[SEND_REGIONS]; /* `at`: the guest's, which changes while it is read */
    u8 *copy;                        /* of the regions, one behind the other */
    u64 *present;     /* a bit for each page of the copy: it is there, and not zeros at first */
    const int *image; /* files of disks that should be on the host's disk before the machine stands still */
    unsigned images;
    u32 disks; /* bits of the drives whose contents go along */
    /* A piece of one, from a cluster on, into m->disk. `*ns`: of the machine's time. False: m->sentence. */
    bool (*next_piece)(void *ctx, u32 drive, u32 from, u64 *ns);
    void *ctx;
    bool patient; /* the connection leads to a command, which may ask for a password first */
} SendMemory;

typedef struct Sender Sender;
/* send_begin - to a connection that is being made, which it takes over: until little enough is left that the machine can
 * stand still, or it has failed: false, m->sentence. *sender is not NULL in any case but for want of memory. */
bool send_begin(Sender **sender, const SendMemory *memory, int connection, int interrupt, MigrateShare *m);

typedef enum SendEnd {
    SEND_MOVED,  /* the machine is the other side's, and runs there */
    SEND_FAILED, /* it is not, for sure: it has not been told to run */
    SEND_UNSURE  /* it was told to run, and has not answered */
} SendEnd;
/* send_finish - the machine stands still, m->parts is its state and its disks are nobody's. */
SendEnd send_finish(Sender *s);
void send_end(Sender *s); /* the connection is closed. NULL is fine */

#endif
