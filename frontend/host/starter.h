/* starter.h - a small process beside the machine's that starts programs for it: the commands of `migrate
 * exec:COMMAND`. See starter.c.
 *
 * It is there only where the person has said that the machine may have programs started (-sandbox spawn=allow, or
 * off).
 */
#ifndef RING3_STARTER_H
#define RING3_STARTER_H

#include "frontend/say.h"

/* command_start - /bin/sh runs `command` in a process group of its own, with one end of a socket as its standard
 * input and output. Returns the other end, which does not block; *child is its process. -1: *p. */
int command_start(const char *command, int *child, Problem *p);

/* starter_start - before any thread and the cage: fork it. `gate`: by which it hands the saver what leads to a
 * command, as the broker does with connections (broker.h); it stays the caller's. `silent`: commands have no
 * standard error. False: there is none. */
bool starter_start(int gate, bool silent);
/* starter_connect - a command that the saver is connected to from now on; the one before it is ended. False: *p. */
bool starter_connect(const char *command, Problem *p);

#endif
