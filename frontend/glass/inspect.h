/* inspect.h - the live page (-inspect), the machine's end: starts its server, answers questions. See inspect.c. */
#ifndef RING3_INSPECT_H
#define RING3_INSPECT_H

#include "frontend/pc.h"

/* inspect_start - listen at [ADDR:]PORT or unix:PATH, and start the server's process. `where` NULL: do nothing. */
bool inspect_start(const char *where, Problem *p);
/* inspect_attach - the machine is built: show the server the video memory. */
bool inspect_attach(Machine *m, Problem *p);

/* --- the I/O thread; hostio.c is the only caller --- */
/* The descriptor to wait for, or -1; *ms is then made sooner if it wants to be asked again by itself. */
int inspect_fd(int *ms);
bool inspect_ready(void); /* true: the vCPU thread should look */

/* --- the vCPU thread, in the service hook --- */
void inspect_service(Pc *pc);

#endif
