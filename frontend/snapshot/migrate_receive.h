/* migrate_receive.h - a machine's memory and state from another ring3; in the saver's process. See migrate_receive.c. */
#ifndef RING3_SNAPSHOT_MIGRATE_RECEIVE_H
#define RING3_SNAPSHOT_MIGRATE_RECEIVE_H

#include "frontend/snapshot/migrate_share.h"
#include "frontend/snapshot/pages.h"
#include "frontend/snapshot/stream.h"

enum { RECEIVE_REGIONS = 2 };

/* What the machine has to say, which is asked with m->parts filled in. False: m->sentence says why not. */
typedef enum ReceiveQuestion {
    RECEIVE_FITS,  /* could it be that machine? m->disks: with these disks */
    RECEIVE_READY, /* all has come: has it loaded it, and opened its disks? */
    RECEIVE_DISK,  /* m->disk: has it taken it? */
    RECEIVE_SETTLE /* does what it has taken last? */
} ReceiveQuestion;

typedef struct Receive {
    PageRegion region[RECEIVE_REGIONS]; /* written to; `fd`: the memory's file, -1: none */
    int interrupt;
    bool patient; /* nobody may have come to the other end of the connection yet */
    MigrateShare *m;
    bool (*ask)(void *ctx, ReceiveQuestion q);
    void *ctx;
} Receive;

typedef enum ReceiveEnd {
    RECEIVE_RUNS,     /* the machine is ours from here on */
    RECEIVE_FAILED,   /* m->sentence */
    RECEIVE_STRANGER, /* whoever called is not a ring3, and nothing was asked or written */
} ReceiveEnd;
/* receive_machine - over a connection, which is the caller's; it must not block. */
ReceiveEnd receive_machine(const Receive *r, int connection);

#endif
