/* inspect_answer.h - what the live page shows of the machine, as JSON, and what it may do. See inspect_answer.c. */
#ifndef RING3_INSPECT_ANSWER_H
#define RING3_INSPECT_ANSWER_H

#include "frontend/glass/inspect_protocol.h"
#include "frontend/pc.h"

/* inspect_answer - the answer to a question, at most `room` bytes; returns how many. 0: there is no such view, or it has
 * no room. On the vCPU thread, in the service hook. Any values of the question are safe. */
u32 inspect_answer(Pc *pc, const InspectMessage *question, char *to, u32 room);

/* inspect_do - what a button does (InspectVerb). True: it takes a while, and ends with the machine
 * paused. */
bool inspect_do(Pc *pc, u32 verb);

#endif
