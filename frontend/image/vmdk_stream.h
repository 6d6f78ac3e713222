/* vmdk_stream.h - a disk as a stream-optimized VMDK. See vmdk_stream.c. */
#ifndef RING3_VMDK_STREAM_H
#define RING3_VMDK_STREAM_H

#include "frontend/image/disk.h"

/* vmdk_stream - all of `from` to an empty file, which calls itself `name` (no quotes in it). 0 or an errno: of EFBIG the
 * disk is larger than 2 TiB; disk_trouble(from) may say more. */
int vmdk_stream(Disk *from, HostFile *to, const char *name);

#endif
