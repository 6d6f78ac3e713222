/* landlock.h - a process gives up opening files by their names (Linux 5.13). See landlock.c. */
#ifndef RING3_LANDLOCK_H
#define RING3_LANDLOCK_H

#include "cpu/base/base.h"

/* landlock_version - of this host's; 0: there is none, or a sanitizer will read /proc at the end. */
int landlock_version(void);
/* landlock_enter - this thread and those that it makes: all that can be forbidden of files is, and with `tcp` connecting
 * and listening, too; no rule allows any of it. */
void landlock_enter(int version, bool tcp);
/* landlock_enter_beneath - the same, but beneath this folder files may be read, written, made, moved and removed. */
void landlock_enter_beneath(int version, int folder);

#endif
