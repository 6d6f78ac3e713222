/* two.h - work that two threads do at once, in the saver's process. See two.c. */
#ifndef RING3_SNAPSHOT_TWO_H
#define RING3_SNAPSHOT_TWO_H

#include "cpu/base/base.h"

/* two_start - a second thread, asleep until it is wanted; before the cage of its process. Without one, or where
 * there is one processor only, the caller's thread does all. */
void two_start(void);
/* two_run - work(ctx, 0), and at the same time, if there is a second thread, work(ctx, 1); returns when both have.
 * They divide the work by themselves: each may find that nothing is left. */
typedef void TwoWork(void *ctx, unsigned who);
void two_run(TwoWork *work, void *ctx);
unsigned two_count(void); /* 1 or 2 */

#endif
