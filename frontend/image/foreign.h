/* foreign.h - files that are not rows of sectors, by their first and last bytes. See foreign.c. */
#ifndef RING3_FOREIGN_H
#define RING3_FOREIGN_H

#include "cpu/base/base.h"

enum { FOREIGN_HEAD = 4096, FOREIGN_TAIL = 512 };

typedef struct ForeignFormat {
    const char *name;   /* "a qcow2 image" */
    const char *remedy; /* a command in which @ is the file, or what else to do */
    bool is_disk;       /* ring3, QEMU or the like take a file that looks so for a disk image */
    const char *format; /* the word of the format that opens it (image/disk.h); NULL: there is none */
} ForeignFormat;

/* foreign_find - `head`: the file's first bytes, FOREIGN_HEAD of them unless it is shorter; `tail`: its last
 * FOREIGN_TAIL, or head's length if that is less. NULL: nothing that is known, so it may be raw. */
const ForeignFormat *foreign_find(const u8 *head, u32 head_bytes, const u8 *tail, u32 tail_bytes);
/* foreign_remedy - the remedy with the file's name in it, or FILE if a shell would want that name quoted. */
void foreign_remedy(const ForeignFormat *f, const char *path, char *to, size_t room);

#endif
