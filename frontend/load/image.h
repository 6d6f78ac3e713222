/* image.h - a file that is loaded into guest memory: kernel, initial RAM disk, module. */
#ifndef RING3_IMAGE_H
#define RING3_IMAGE_H

#include "frontend/say.h"
#include "mmu/phys.h"

typedef struct Image {
    const char *path, *option; /* for messages */
    int fd;
    u32 bytes;
} Image;

/* image_open - a regular file that is neither empty nor larger than any guest's memory. */
bool image_open(Image *i, const char *option, const char *path, Problem *p);
void image_close(Image *i);
/* image_read - exactly n bytes at `offset` into host memory. */
bool image_read(const Image *i, u32 offset, void *to, u32 n, Problem *p);
/* image_load - exactly n bytes at `offset` into guest RAM, which must be there. */
bool image_load(const Image *i, u32 offset, Phys *phys, u32 pa, u32 n, Problem *p);

#endif
