/* migrate_share.h - what the machine's process and the saver (saver.h) share while a machine moves.
 *
 * The saver is the one that talks with strangers: what it writes here is not believed. Numbers are only shown, the
 * sentence is made printable, and the parts are copied before they are looked at.
 */
#ifndef RING3_SNAPSHOT_MIGRATE_SHARE_H
#define RING3_SNAPSHOT_MIGRATE_SHARE_H

#include <stdatomic.h>

#include "cpu/base/base.h"

enum { MIGRATE_PARTS_MAX = 16 << 20, MIGRATE_SENTENCE = 240 };

/* A piece of a disk: of the 64 clusters (image/changed.h) from `first` on, those that are in `data`, one behind the
 * other, and those that are zeros. */
enum { MIGRATE_DISK_CLUSTERS = 4, MIGRATE_DISK_BYTES = MIGRATE_DISK_CLUSTERS * (64 << 10) };
typedef struct MigrateDisk {
    u32 drive, first; /* a DriveId */
    u64 present, zero;
    u32 next;   /* where to go on; MIGRATE_DISK_END: there is no more */
    bool later; /* the disk cannot be read now */
    u8 data[MIGRATE_DISK_BYTES];
} MigrateDisk;
#define MIGRATE_DISK_END UINT32_MAX

typedef struct MigrateShare {
    /* by the machine; both may change at any time */
    _Atomic u64 max_bandwidth;     /* bytes a second while the guest runs; 0: as many as it can */
    _Atomic u64 downtime_limit_ns; /* how long the guest may stand still */
    /* by the saver */
    _Atomic u64 sent_bytes; /* to the other side */
    _Atomic u64 pages, zero_pages;
    _Atomic u64 passes;          /* over all of memory, that are complete */
    _Atomic u64 rate;            /* bytes a second, of the last pass that sent any to speak of */
    _Atomic u64 dirty_rate;      /* bytes a second that the guest changes */
    _Atomic u64 expected_ns;     /* how long it would stand still now; 0: not known yet */
    _Atomic u64 total_bytes;     /* memory that the guest has touched */
    _Atomic u64 remaining_bytes; /* of the present pass, at most */
    /* by whoever speaks */
    u32 parts_bytes;
    bool runs; /* the machine ran before it stood still: it runs on at the other side */
    char sentence[MIGRATE_SENTENCE];
    u8 parts[MIGRATE_PARTS_MAX]; /* their state (hw/part.h) */
    u32 disks;                   /* bits of the drives whose contents come along; 0: none do */
    MigrateDisk disk;
} MigrateShare;

#endif
