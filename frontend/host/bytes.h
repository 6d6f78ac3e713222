/* bytes.h - bytes, and exactly so many of them at a place of a file: 0, or an errno. */
#ifndef RING3_HOST_BYTES_H
#define RING3_HOST_BYTES_H

#include "cpu/base/base.h"

int bytes_write(int fd, u64 at, const void *from, u64 n);
int bytes_read(int fd, u64 at, void *to, u64 n);      /* EIO: the file ends before */
int bytes_read_some(int fd, u64 at, void *to, u64 n); /* what lies behind the file's end is zeros */

bool bytes_are_zero(const void *bytes, size_t n); /* none are, too */

#endif
