/* daemon.h - -daemonize and -pidfile: ring3 as a process in the background. See daemon.c. */
#ifndef RING3_DAEMON_H
#define RING3_DAEMON_H

#include "frontend/say.h"

/* daemon_fork - before any thread: the process that goes on is a child in a session of its own; the parent waits
 * until it says daemon_started(), and ends with 0 then, or with 1 when the child ends before that. */
bool daemon_fork(Problem *p);
/* daemon_detach - from here on there is no terminal. Either of the next two follows. */
void daemon_detach(void);
void daemon_started(void);
void daemon_failed(const Problem *p); /* the parent says why, and ends as this process does */

/* pidfile_write - the number of this process, in a file that is locked while it runs and goes at its end (broker_owns).
 */
bool pidfile_write(const char *path, Problem *p);

#endif
