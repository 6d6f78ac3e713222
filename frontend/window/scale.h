/* scale.h - the picture at the size of the window: sharp at any factor. See scale.c. */
#ifndef RING3_SCALE_H
#define RING3_SCALE_H

#include "cpu/base/base.h"

typedef struct Rect {
    s32 x, y, w, h;
} Rect;

/* Modes of the VGA fill a screen of 4:3, whatever their pixels: */
enum { SHAPE_WIDTH = 640, SHAPE_HEIGHT = 480 };
/* The shape in which a picture is meant to be seen: SHAPE_, or its own pixels, which are square from 640 x 480 on. */
void scale_shape(u32 width, u32 height, u32 *to_width, u32 *to_height);
/* Its actual size: pixel by pixel; modes of 320 columns and their kin doubled in width. */
void scale_actual_size(u32 width, u32 height, u32 *to_width, u32 *to_height);
/* Where in a window of that size it goes: as large as fits in its shape, in the middle. `whole`: only whole multiples of
 * the actual size, if it fits at all. */
Rect scale_fit(u32 width, u32 height, u32 window_width, u32 window_height, bool whole);

typedef struct
    Tap { /* a pixel of the window is (256 - weight) parts of `first` and `weight` of the next one */
    u16 first, weight;
} Tap;

typedef struct Scaler {
    u32 from_width, from_height;
    Rect to;
    Tap *columns, *rows; /* to.w, to.h */
    u32 *line[2];        /* rows of the picture, scaled to to.w */
    u32 line_row[2];     /* which */
} Scaler;

bool scaler_setup(Scaler *s, u32 width, u32 height, Rect to); /* false: no memory, or nothing to draw on */
void scaler_free(Scaler *s);
/* Draw rows [top, top + count) of the picture; returns what changed in the window (h == 0: nothing). */
Rect scaler_draw(Scaler *s, const u32 *pixels, u32 top, u32 count, u32 *window, u32 pitch_pixels);

#endif
