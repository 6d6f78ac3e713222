/* migrate.h - a machine moves to another ring3 while its guest runs: migrate, -incoming. See migrate.c, and
 * docs/MIGRATION.md for what is promised.
 *
 * All but migrate_open() run on the vCPU thread, in the service hook.
 */
#ifndef RING3_SNAPSHOT_MIGRATE_H
#define RING3_SNAPSHOT_MIGRATE_H

#include "frontend/options/options.h"
#include "frontend/pc.h"

/* migrate_open - -incoming's socket listens; before the cage. False: *p. */
bool migrate_open(const Options *o, Problem *p);
/* migrate_await - the machine is built, and held until another has come (-incoming). False: *p. */
bool migrate_await(Pc *pc, bool start_stopped, Problem *p);

/* migrate_begin - send this machine to `uri`, while it runs. `done` is told how it ended, *p being NULL if the
 * machine runs there now; it may be told at once. `disks`: what is on its disks goes along (else both sides see the
 * same images). False: it could not begin, and `done` is not told. */
typedef void MigrateDone(void *ctx, const Problem *p);
bool migrate_begin(Pc *pc, const char *uri, bool disks, MigrateDone *done, void *ctx, Problem *p);
void migrate_cancel(void); /* nothing happens where none is under way */
void migrate_service(Pc *pc);

/* migrate_lets_run - whether the machine may run on (`cont`): false, with a sentence, while it is on its way,
 * and when it has moved and its disks are not to be had back. */
bool migrate_lets_run(Pc *pc, Problem *p);
bool migrate_lets_save(Problem *p); /* no snapshot while a machine moves or has moved */
bool migrate_lets_reset(void);
/* In QEMU's words: "inmigrate", "finish-migrate", "postmigrate"; NULL: none of these. */
const char *migrate_run_state(void);

/* What `info migrate` and query-migrate show. */
typedef enum MigrateStatus {
    MIGRATE_NONE,
    MIGRATE_ACTIVE,
    MIGRATE_DEVICE, /* the machine stands still */
    MIGRATE_COMPLETED,
    MIGRATE_FAILED,
    MIGRATE_CANCELLED
} MigrateStatus;
typedef struct MigrateInfo {
    MigrateStatus status;
    bool incoming;
    u64 total_ns, downtime_ns, expected_ns; /* expected_ns: 0: not known yet */
    u64 sent_bytes, remaining_bytes, total_bytes;
    u64 disk_bytes, disk_sent_bytes, disk_remaining_bytes; /* disk_bytes 0: disks do not go along */
    u64 pages, zero_pages, passes, rate, dirty_rate; /* rates: bytes a second */
    char problem[400];                               /* MIGRATE_FAILED */
} MigrateInfo;
void migrate_info(MigrateInfo *i);
const char *migrate_status_word(MigrateStatus s); /* QEMU's; "" for MIGRATE_NONE */

/* Bytes a second; 0: as many as go. Milliseconds, MIGRATE_DOWNTIME_MAX_MS at most. Both hold at once. */
enum { MIGRATE_DOWNTIME_MS = 300, MIGRATE_DOWNTIME_MAX_MS = 2000000 };
void migrate_set_bandwidth(u64 bytes);
void migrate_set_downtime(u32 ms);
u64 migrate_bandwidth(void);
u32 migrate_downtime(void);

#endif
