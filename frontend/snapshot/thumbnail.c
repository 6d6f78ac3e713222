/* thumbnail.c - see thumbnail.h.
 *
 * Nothing depends on one: a snapshot of an older ring3 has none, and one that cannot be written or read is one that is not
 * there. So it is neither synced nor renamed: it is written before the index names its snapshot, and who dies in between
 * leaves a file that no snapshot has, which the next start takes away.
 */
#include "frontend/snapshot/thumbnail.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/display/png.h"
#include "frontend/display/screenshot.h"
#include "frontend/host/bytes.h"
#include "frontend/host/files.h"

enum { FILE_BYTES_MAX = THUMBNAIL_PIXELS * 3 + 1024, VGA_WIDTH = 640, VGA_HEIGHT = 480, TEXT_WIDTH = 720 };

static void name_of(u32 id, char to[40]) { snprintf(to, 40, "%u.png", id); }

/* --- making ------------------------------------------------------------------------------------------------ */

/* All modes of the VGA fill a screen of 4:3; pixels of the others are square. */
static void shape_of(u32 width, u32 height, u32 *to_width, u32 *to_height)
{
    u64 across = width, down = height;
    *to_width = THUMBNAIL_WIDTH;
    *to_height = THUMBNAIL_HEIGHT;
    if (width < VGA_WIDTH || height < VGA_HEIGHT || width == TEXT_WIDTH) return;
    if (across * THUMBNAIL_HEIGHT > down * THUMBNAIL_WIDTH)
        *to_height = (u32)(THUMBNAIL_WIDTH * down / across);
    else
        *to_width = (u32)(THUMBNAIL_HEIGHT * across / down);
    if (!*to_width) *to_width = 1;
    if (!*to_height) *to_height = 1;
}

/* Which of `from` pixels the n-th of `to` covers: one at least. */
static void covered(u32 n, u32 to, u32 from, u32 *first, u32 *end)
{
    *first = (u32)((u64)n * from / to);
    *end = (u32)((u64)(n + 1) * from / to);
    if (*end <= *first) *end = *first + 1;
}

static u32 mean(const u32 *xrgb, u32 width, const u32 x[2], const u32 y[2])
{
    u32 red = 0, green = 0, blue = 0,
        count = (x[1] - x[0]) * (y[1] - y[0]); /* less than 2^24: a screen has fewer */
    for (u32 j = y[0]; j < y[1]; j++)
        for (u32 i = x[0]; i < x[1]; i++) {
            u32 p = xrgb[(size_t)j * width + i];
            red += p >> 16 & 0xff;
            green += p >> 8 & 0xff;
            blue += p & 0xff;
        }
    return red / count << 16 | green / count << 8 | blue / count;
}

void thumbnail_shrink(Thumbnail *to, u32 width, u32 height, const u32 *xrgb)
{
    to->width = to->height = 0;
    if (!width || !height) return;
    shape_of(width, height, &to->width, &to->height);
    for (u32 j = 0; j < to->height; j++)
        for (u32 i = 0; i < to->width; i++) {
            u32 x[2], y[2];
            covered(i, to->width, width, &x[0], &x[1]);
            covered(j, to->height, height, &y[0], &y[1]);
            to->pixel[j * to->width + i] = mean(xrgb, width, x, y);
        }
}

void thumbnail_of(Machine *m, Thumbnail *to)
{
    Problem p;
    Scanout *s = screen_open(m, &p);
    to->width = to->height = 0;
    if (!s) return;
    const Picture *picture = scanout_update(s, 0);
    thumbnail_shrink(to, picture->width, picture->height, picture->pixels);
    scanout_free(s);
}

/* --- its file ---------------------------------------------------------------------------------------------- */

void thumbnail_remove(u32 id)
{
    char name[40];
    name_of(id, name);
    file_state_remove(name);
}

void thumbnail_write(u32 id, const Thumbnail *t)
{
    char name[40];
    size_t bytes = 0;
    name_of(id, name);
    u8 *png = t->width ? png_pack(t->width, t->height, t->pixel, &bytes) : NULL;
    int fd = png ? file_open(FILE_STATE, name) : -1;
    bool good = fd >= 0 && !ftruncate(fd, 0) && !bytes_write(fd, 0, png, bytes);
    if (fd >= 0) close(fd);
    free(png);
    if (!good) file_state_remove(name);
}

void thumbnail_read(u32 id, Thumbnail *to)
{
    char name[40];
    name_of(id, name);
    int fd = file_open(FILE_STATE_OLD, name);
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    u8 *png = end > 0 && end <= FILE_BYTES_MAX ? malloc((size_t)end) : NULL;
    bool good = png && !bytes_read(fd, 0, png, (u64)end) &&
                png_unpack(png, (size_t)end, &to->width, &to->height, to->pixel, THUMBNAIL_PIXELS) &&
                to->width <= THUMBNAIL_WIDTH && to->height <= THUMBNAIL_HEIGHT;
    if (fd >= 0) close(fd);
    free(png);
    if (!good) to->width = to->height = 0;
}
