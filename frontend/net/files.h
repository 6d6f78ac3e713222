/* files.h - the few files that libslirp opens by name, opened for it by a process beside. See files.c. */
#ifndef RING3_NET_FILES_H
#define RING3_NET_FILES_H

#include "frontend/say.h"

/* files_start - fork it, before this process is shut in. `tftp`: the folder that guests may read; empty: none. */
bool files_start(const char *tftp, Problem *p);

#endif
