/* tar.h - tar files as OVF packages are: plain files one behind the other (POSIX 1003.1, ustar). See tar.c. */
#ifndef RING3_TAR_H
#define RING3_TAR_H

#include "frontend/say.h"

enum { TAR_BLOCK = 512, TAR_NAME = 256 };

typedef struct TarEntry {
    char name[TAR_NAME];
    u64 at, bytes; /* where its bytes lie in the file */
    u64 next;      /* the next header */
} TarEntry;

/* tar_next - the plain file at or behind `at`, of a tar of `size` bytes. *end: there is none. False: *p. */
bool tar_next(int fd, u64 at, u64 size, TarEntry *e, bool *end, Problem *p);
/* tar_head - the header of a plain file. The name has at most 99 bytes. */
void tar_head(u8 head[TAR_BLOCK], const char *name, u64 bytes, s64 unix_s);
/* A name that leads nowhere else: no folder, nothing hidden, printable. */
bool tar_plain_name(const char *name);

#endif
