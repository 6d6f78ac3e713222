/* png.c - screenshots in files: PNG (png_pack.c), and PPM as netpbm defines it. */
#include "frontend/display/png.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpu/base/host.h"
#include "frontend/host/files.h"
#include "frontend/host/output.h"

enum { LARGEST = 1 << 14 /* pixels a side */ };

static bool put_all(int fd, const u8 *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

static bool put_png(int fd, u32 width, u32 height, const u32 *xrgb)
{
    size_t bytes;
    u8 *png = png_pack(width, height, xrgb, &bytes);
    bool ok = png && put_all(fd, png, bytes);
    free(png);
    return ok;
}

static u32 decimal(u8 *to, u32 v)
{
    u32 n = v >= 10 ? decimal(to, v / 10) : 0;
    to[n] = (u8)('0' + v % 10);
    return n + 1;
}

static bool put_ppm(int fd, u32 width, u32 height, const u32 *xrgb)
{
    u8 head[40] = "P6\n";
    u32 n = 3;
    n += decimal(head + n, width);
    head[n++] = ' ';
    n += decimal(head + n, height);
    memcpy(head + n, "\n255\n", 5);
    u8 *rows = malloc((size_t)width * height * PNG_RGB_BYTES);
    if (rows) png_row_rgb(rows, xrgb, width * height);
    bool ok = rows && put_all(fd, head, n + 5) && put_all(fd, rows, (size_t)width * height * PNG_RGB_BYTES);
    free(rows);
    return ok;
}

static bool write_file(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p,
                       bool (*put)(int fd, u32 width, u32 height, const u32 *xrgb))
{
    if (!width || !height || width > LARGEST || height > LARGEST)
        return problem_set(p, "there is no picture to write");
    const char *lack;
    int fd = output_open(path, &lack);
    if (fd < 0) return problem_set(p, "failed to open file '%.200s': %s", path, lack);
    errno = 0;
    bool ok = put(fd, width, height, xrgb);
    int why = errno ? errno : ENOMEM;
    struct stat st;
    if (!ok && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) file_discard(path);
    close(fd);
    if (ok) return true;
    return problem_set(p, "failed to write file '%.200s': %s", path, strerror(why));
}

bool png_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p)
{
    return write_file(path, width, height, xrgb, p, put_png);
}

bool ppm_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p)
{
    return write_file(path, width, height, xrgb, p, put_ppm);
}

bool picture_is_png(const char *path)
{
    size_t n = strlen(path);
    return n >= 4 && !strcasecmp(path + n - 4, ".png");
}

bool picture_write(const char *path, u32 width, u32 height, const u32 *xrgb, Problem *p)
{
    return (picture_is_png(path) ? png_write : ppm_write)(path, width, height, xrgb, p);
}

/* Do all rows come in groups of `times` equal ones? A split screen may have others. */
static bool rows_repeat(const Picture *pic, u32 times)
{
    const u32 *row = pic->pixels;
    if (times < 2 || pic->height % times) return false;
    for (u32 y = 0; y < pic->height; y++, row += pic->width)
        if (y % times && memcmp(row, row - pic->width, pic->width * sizeof *row) != 0) return false;
    return true;
}

bool picture_save(const char *path, const Picture *pic, Problem *p)
{
    u32 times = pic->line_repeat, height = pic->height;
    if (!rows_repeat(pic, times)) return picture_write(path, pic->width, height, pic->pixels, p);
    height /= times;
    u32 *rows = malloc((size_t)pic->width * height * sizeof *rows);
    if (!rows) return problem_set(p, "%.200s: " HOST_NO_MEMORY, path);
    for (u32 y = 0; y < height; y++)
        memcpy(rows + (size_t)y * pic->width, pic->pixels + (size_t)y * times * pic->width,
               pic->width * sizeof *rows);
    bool ok = picture_write(path, pic->width, height, rows, p);
    free(rows);
    return ok;
}
