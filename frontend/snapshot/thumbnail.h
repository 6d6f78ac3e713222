/* thumbnail.h - a small picture of the guest's screen that is kept with a snapshot: ID.png beside ID.state. See thumbnail.c. */
#ifndef RING3_SNAPSHOT_THUMBNAIL_H
#define RING3_SNAPSHOT_THUMBNAIL_H

#include "hw/machine.h"

enum { THUMBNAIL_WIDTH = 160, THUMBNAIL_HEIGHT = 120, THUMBNAIL_PIXELS = THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT };

typedef struct Thumbnail {
    u32 width, height;           /* 0: there is none */
    u32 pixel[THUMBNAIL_PIXELS]; /* 0x00RRGGBB, rows of `width` */
} Thumbnail;

/* thumbnail_shrink - a picture of width x height pixels, in the shape in which a monitor shows it. */
void thumbnail_shrink(Thumbnail *to, u32 width, u32 height, const u32 *xrgb);
/* thumbnail_of - the machine's screen as it is now. They use the FPU, as do the others: it is parked. */
void thumbnail_of(Machine *m, Thumbnail *to);
/* thumbnail_write - the file of snapshot `id`; without a picture, or if it cannot be written, none is left there. */
void thumbnail_write(u32 id, const Thumbnail *t);
/* thumbnail_read - none if there is no file, or it is not one of these. */
void thumbnail_read(u32 id, Thumbnail *to);
void thumbnail_remove(u32 id);

#endif
