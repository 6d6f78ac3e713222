/* slow_motion.h - the guest in steps that a person can follow. See slow_motion.c. */
#ifndef RING3_SLOW_MOTION_H
#define RING3_SLOW_MOTION_H

#include "frontend/glass/inspect_protocol.h"
#include "frontend/pc.h"

enum { SLOW_STEPS_MAX = 200000 }; /* instructions that a step to somewhere takes at most */

/* slow_motion_do - an InspectVerb; others do nothing. A step from a machine that runs holds it. True: it takes a while,
 * and ends with the machine paused. On the vCPU thread, in the service hook. */
bool slow_motion_do(Pc *pc, u32 verb);

/* Of the last step: how many instructions it took, and whether it got where it was to go. */
u64 slow_motion_steps(void);
bool slow_motion_arrived(void);

#endif
