/* helper.h - the programs that ring3 starts beside the machine: ring3-window, ring3-inspect, ring3-net. See helper.c. */
#ifndef RING3_HELPER_H
#define RING3_HELPER_H

#include <sys/types.h>

#include "frontend/say.h"

enum { HELPER_FIRST = 3, HELPER_FDS = 2 }; /* the first of its descriptors beyond the standard ones */

/* helper_start - run `program`, which lies beside ring3 or where `cmake --install` puts it. fd[n] becomes its
 * HELPER_FIRST + n (those above must not be in the way: fd[1] > HELPER_FIRST); -1 ends the list. It has no others, and
 * without `terminal` reads /dev/null. Returns its process; 0: *p says why not. */
pid_t helper_start(const char *program, const char *const argv[], const int fd[HELPER_FDS], bool terminal,
                   Problem *p);

/* helper_greet - a message on its socket, with `count` descriptors, HELPER_GIFTS at most. */
enum { HELPER_GIFTS = 3 };
bool helper_greet(int socket, const void *message, size_t bytes, const int *fd, unsigned count);

/* helper_become - this process becomes `program`; returns only if it cannot: *p says why. */
void helper_become(const char *program, char *const argv[], Problem *p);

#endif
