/* overlay.h - a few lines of text over the picture. See overlay.c. */
#ifndef RING3_OVERLAY_H
#define RING3_OVERLAY_H

#include "cpu/base.h"

/* Lines (code page 437) in a box in the middle of a canvas; what does not fit is cut off. */
void overlay_draw(u32 *pixels, u32 width, u32 height, u32 pitch_pixels, const char *const *lines, u32 count);

#endif
