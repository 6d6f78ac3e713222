/* png.h - a picture in memory to a PNG or PPM file, and back from a PNG of ours. See png.c, png_pack.c, png_unpack.c. */
#ifndef RING3_PNG_H
#define RING3_PNG_H

#include "frontend/say.h"
#include "hw/scanout.h"

/* png_pack - the file in memory, to be freed; NULL: there is no memory. Uses the FPU. */
enum { PNG_RGB_BYTES = 3 };
u8 *png_pack(u32 width, u32 height, const u32 *xrgb, size_t *bytes);
/* png_unpack - such a file's pixels, at most pixels_max. False: it is damaged, larger, or of another kind than png_pack()
 * makes; then nothing is said of what stands in the places. Uses the FPU. */
bool png_unpack(const u8 *png, size_t bytes, u32 *width, u32 *height, u32 *xrgb, u32 pixels_max);
void png_row_rgb(u8 *to, const u32 *xrgb, u32 width); /* PNG_RGB_BYTES a pixel */

/* png_write, ppm_write - xrgb: width x height pixels 0x00RRGGBB, row by row. False: *p says why; a file that could
 * not be finished is taken away. They use the FPU: on the vCPU thread only where it is parked (a service hook). */
bool png_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p);
bool ppm_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p);
/* picture_write - PNG if the name ends with .png, PPM otherwise. */
bool picture_is_png(const char *path);
bool picture_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p);

/* picture_save - the guest's own rows: what the screen shows twice (double scanning) is written once. */
bool picture_save(const char *path, const Picture *picture, Problem *p);

#endif
