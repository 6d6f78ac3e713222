/* shared_memory.h - memory that the machine writes and a process beside it (window, inspector) only reads. See
 * shared_memory.c. */
#ifndef RING3_SHARED_MEMORY_H
#define RING3_SHARED_MEMORY_H

#include "frontend/say.h"

/* shared_memory_make - zeroed, mapped for us at *at; returns the descriptor to pass on. -1: *p says why. */
int shared_memory_make(const char *name, size_t bytes, void **at, Problem *p);
/* shared_memory_make_both - the same, but the other process may write it, too; it keeps its size where the host can seal
 * it. */
int shared_memory_make_both(const char *name, size_t bytes, void **at, Problem *p);
/* The same memory by another descriptor, which can only be read where the host can make one; -1: errno. */
int shared_memory_read_only(int fd);
/* The other side may find its memory gone: the host cannot seal it. */
bool shared_memory_is_unsealed(void);
/* What the host lets us do about it, as a line of `ring3 -host`. */
void shared_memory_choose(void);

/* shared_memory_map - in the other process: `bytes` of it from `offset` on, to read. NULL: it does not reach so far. */
const void *shared_memory_map(int fd, u64 offset, u64 bytes);
/* ... and it keeps its size. */
bool shared_memory_is_sealed(int fd);

#endif
