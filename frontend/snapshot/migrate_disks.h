/* migrate_disks.h - contents of disks that go along with a machine that moves (`migrate -b`): the machine's side, in
 * either of the two. See migrate_disks.c. On the vCPU thread.
 */
#ifndef RING3_SNAPSHOT_MIGRATE_DISKS_H
#define RING3_SNAPSHOT_MIGRATE_DISKS_H

#include "frontend/pc.h"
#include "frontend/snapshot/migrate_share.h"

/* The source. disks_begin - all hard disks that are written to are to be sent, and what is written to them from now
 * on is to be sent again. *mask: their bits. False: *p. */
bool disks_begin(Pc *pc, u32 *mask, Problem *p);
void disks_end(void); /* nothing happens if they are not being sent */
/* disks_next - what is to be sent of `drive` from the cluster `from` on: d. A part of it, in a millisecond or two.
 * False: *p. */
bool disks_next(u32 drive, u32 from, MigrateDisk *d, Problem *p);

/* The target. disks_await - those in the mask are there, ours and nothing but zeros. False: *p. */
bool disks_await(Pc *pc, u32 mask, Problem *p);
/* disks_take - a piece, of which nothing is believed. False: *p. */
bool disks_take(Pc *pc, u32 mask, const MigrateDisk *d, Problem *p);
bool disks_settle(Pc *pc, u32 mask, Problem *p); /* all that was taken survives a crash of the host */

typedef struct DisksInfo {
    u64 total_bytes, sent_bytes, remaining_bytes; /* total_bytes 0: no disks go along */
} DisksInfo;
/* disks_info - of the source; after disks_end() as it was then. */
void disks_info(DisksInfo *i);

#endif
