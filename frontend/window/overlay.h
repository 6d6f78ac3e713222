/* overlay.h - text over the guest's screen: a panel in the middle, a line at the bottom. See overlay.c. */
#ifndef RING3_OVERLAY_H
#define RING3_OVERLAY_H

#include "cpu/base/base.h"

typedef struct Canvas {
    u32 *pixels;
    u32 width, height, pitch; /* in pixels */
} Canvas;

enum { OVERLAY_NONE = -1 };

/* Lines of text in a box in the middle; `chosen`: so many of them in other colours, from that one on, or OVERLAY_NONE. */
void overlay_panel(const Canvas *c, const char *const *lines, u32 count, s32 chosen, u32 chosen_count);
/* A picture in such a panel: its left upper corner is at a line and a column, and it is as large as so many of them. */
typedef struct OverlayPicture {
    u32 width, height; /* 0: none */
    const u32 *pixels; /* 0x00RRGGBB */
    u32 column, columns, lines;
} OverlayPicture;
void overlay_picture(const Canvas *c, const char *const *lines, u32 count, u32 line, const OverlayPicture *p);
/* A sentence at the bottom: a line, or as many as it takes. */
void overlay_message(const Canvas *c, const char *text);
/* Lines from the top left corner of a column that begins at x and is overlay_column_width() wide. */
void overlay_column(const Canvas *c, s32 x, const char *const *lines, u32 count);
u32 overlay_column_width(u32 columns);
/* Which line of such a panel is at a place of the canvas, or OVERLAY_NONE. */
s32 overlay_line_at(const Canvas *c, const char *const *lines, u32 count, s32 x, s32 y);

#endif
